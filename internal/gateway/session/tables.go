package session

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// Invalid: a workspace has a semantic model and a dataflow of one name, so that nobody can tell whose tables are meant.
// Do: give one of them another name.
const codeTwoItems = "SchemaAmbiguous"

// item is what a schema shows: a semantic model or a dataflow.
type item struct{ id, name string }

// items are those of a database.
func (db database) items(ctx context.Context) ([]item, error) {
	if !db.own || db.workspace == "" {
		return nil, nil
	}
	models, err := db.client.Datasets(ctx, db.workspace)
	if err != nil {
		return nil, err
	}
	flows, err := db.client.Dataflows(ctx, db.workspace)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, m := range models {
		items = append(items, item{m.ID, m.Name})
	}
	for _, f := range flows {
		items = append(items, item{f.ObjectID, f.Name})
	}
	return items, nil
}

// schema finds the item whose tables a schema holds; nil: there is none of that name.
func (s surroundings) schema(ctx context.Context, name, schema string) (database, *item, error) {
	db := s.database
	if name != "" && !strings.EqualFold(name, db.name) {
		var err error
		if db, err = s.other(ctx, name); err != nil {
			return db, nil, err
		}
	}
	items, err := db.items(ctx)
	if err != nil {
		return db, nil, err
	}
	items = slices.DeleteFunc(items, func(i item) bool { return !strings.EqualFold(i.name, schema) })
	switch len(items) {
	case 0:
		return db, nil, nil
	case 1:
		return db, &items[0], nil
	}
	return db, nil, fault.New(fault.Invalid, codeTwoItems, "cannot tell whose tables are those of '%s': a semantic model and a dataflow have that name", schema)
}

// Tables are the tables of a schema: of a model, of a dataflow, or the catalog's views.
func (s surroundings) Tables(ctx context.Context, name, schema string) ([]connector.Table, error) {
	if strings.EqualFold(schema, "sys") || strings.EqualFold(schema, "INFORMATION_SCHEMA") {
		return s.views(ctx, name, schema)
	}
	db, found, err := s.schema(ctx, name, schema)
	if err != nil || found == nil {
		return nil, err
	}
	listed, err := db.client.QueryTables(ctx, found.id)
	if err != nil {
		return nil, err
	}
	tables := make([]connector.Table, 0, len(listed))
	for _, t := range listed {
		tables = append(tables, connector.Table{Name: t.Name, Columns: columnsIn(t)})
	}
	return tables, nil
}

// columnsIn are the columns of a model's table that the dialect has a type for: all but binaries.
func columnsIn(t powerbi.QueryTable) []connector.Column {
	kinds := map[string]connector.Kind{"int64": connector.Bigint, "double": connector.Float, "decimal": connector.Decimal, "string": connector.Nvarchar,
		"dateTime": connector.Datetime, "boolean": connector.Bit}
	columns := make([]connector.Column, 0, len(t.Columns))
	for _, c := range t.Columns {
		if kind, known := kinds[c.Type]; known {
			columns = append(columns, connector.Column{Name: c.Name, Type: connector.Type{Kind: kind}})
		}
	}
	return columns
}

// Query runs a SELECT over the tables of a model or dataflow, in one version of it.
func (s surroundings) Query(ctx context.Context, name, schema, sql string, columns []connector.Column, row func([]driver.Value) error) error {
	db, found, err := s.schema(ctx, name, schema)
	if err != nil {
		return err
	}
	if found == nil {
		return failed(numberObject, classStatement, "cannot find the schema '%s' any more", schema)
	}
	rows, err := db.client.Query(ctx, found.id, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		texts, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(texts) != len(columns) {
			return fmt.Errorf("the answer to a query has %d columns, not %d", len(texts), len(columns))
		}
		values := make([]driver.Value, len(columns))
		for i, text := range texts {
			if values[i], err = valueOf(text, columns[i].Type); err != nil {
				return fmt.Errorf("cannot read %s as the %s of the column %s: %w", text, columns[i].Type, columns[i].Name, err)
			}
		}
		if err := row(values); err != nil {
			return err
		}
	}
}

// valueOf reads a value of a query's answer.
func valueOf(text json.RawMessage, typ connector.Type) (driver.Value, error) {
	if string(text) == "null" {
		return nil, nil
	}
	plain := string(text)
	if text[0] == '"' {
		if err := json.Unmarshal(text, &plain); err != nil {
			return nil, err
		}
	}
	switch typ.Kind {
	case connector.Int, connector.Bigint:
		return strconv.ParseInt(plain, 10, 64)
	case connector.Float:
		return strconv.ParseFloat(plain, 64)
	case connector.Bit:
		return strconv.ParseBool(plain)
	case connector.Datetime:
		return time.Parse("2006-01-02T15:04:05.999999999", plain)
	}
	return plain, nil
}
