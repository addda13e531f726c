package session

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/gateway"
	"freshet.dev/internal/gateway/catalogue"
	"freshet.dev/powerbi"
)

// catalogue is what the catalog of a database tells, which is "" for the session's own. The tables of its models and dataflows, each of which is asked for
// them, are left out if they are not wanted.
func (s *Session) catalogue(ctx context.Context, name string, tables bool) (*catalogue.Database, error) {
	db, err := s.other(ctx, cmp.Or(name, s.database.name))
	if err != nil {
		return nil, err
	}
	d := &catalogue.Database{Name: db.name, Databases: s.names, Server: serverName, Version: version, Login: s.identity.Name, Since: s.began,
		Session: catalogue.Session{ID: int64(s.login.Number), Host: s.login.Host, Program: s.login.Application, Since: s.began}}
	for _, e := range s.connector.Endpoints() {
		view := catalogue.Object{Schema: "dbo", Name: e.Name, Kind: catalogue.View, About: e.About}
		procedure := catalogue.Object{Schema: "dbo", Name: e.Name, Kind: catalogue.Procedure, About: e.About}
		for _, c := range e.Columns {
			view.Columns = append(view.Columns, catalogue.Column{Column: gateway.Column{Name: c.Name, Type: typeOf(c.Type)}, About: c.About})
		}
		for _, p := range e.Parameters {
			procedure.Parameters = append(procedure.Parameters, catalogue.Parameter{Name: "@" + p.Name, Type: typeOf(p.Type), Default: p.Default, About: p.About})
		}
		d.Objects = append(d.Objects, view, procedure)
	}
	if !tables {
		return d, nil
	}
	items, err := db.items(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range items {
		tables, err := db.client.QueryTables(ctx, i.id)
		if refused := (*powerbi.Error)(nil); errors.As(err, &refused) && refused.Status < 500 {
			continue // such as a model with roles, which nobody reads
		}
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			table := catalogue.Object{Schema: i.name, Name: t.Name, Kind: catalogue.Table}
			for _, c := range columnsOf(columnsIn(t)) {
				table.Columns = append(table.Columns, catalogue.Column{Column: c})
			}
			if t.Refused == "" && len(table.Columns) > 0 {
				d.Objects = append(d.Objects, table)
			}
		}
	}
	return d, nil
}

// views are the catalog's views of a schema; nil: it has none.
func (s *Session) views(ctx context.Context, name, schema string) (tables []connector.Table, err error) {
	d, err := s.catalogue(ctx, name, true)
	if err != nil {
		return nil, err
	}
	for _, relation := range d.Relations(schema) {
		t := connector.Table{Name: relation.Name, Rows: func() [][]driver.Value {
			rows := relation.Rows()
			values := make([][]driver.Value, len(rows))
			for i, row := range rows {
				values[i] = make([]driver.Value, len(row))
				for at, value := range row {
					values[i][at] = value
				}
			}
			return values
		}}
		for _, c := range relation.Columns {
			t.Columns = append(t.Columns, connector.Column{Name: c.Name, Type: nearest(c.Type)})
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// nearest is the connector's type that holds the values of a column of the catalog.
func nearest(t gateway.Type) connector.Type {
	switch t.Kind {
	case gateway.Bit:
		return connector.Type{Kind: connector.Bit}
	case gateway.TinyInt, gateway.SmallInt, gateway.Int:
		return connector.Type{Kind: connector.Int}
	case gateway.BigInt:
		return connector.Type{Kind: connector.Bigint}
	case gateway.DateTime:
		return connector.Type{Kind: connector.Datetime}
	case gateway.Char, gateway.Varchar:
		return connector.Type{Kind: connector.Varchar, Length: t.Length}
	}
	return connector.Type{Kind: connector.Nvarchar, Length: t.Length}
}

// listed answers a procedure of the catalog; false: the name is none's.
func (s *Session) listed(ctx context.Context, name string, params []gateway.Param) (catalogue.Rows, bool, error) {
	if !strings.HasPrefix(strings.ToLower(name), "sp_") {
		return catalogue.Rows{}, false, nil
	}
	drivers := []string{"sp_datatype_info", "sp_datatype_info_90", "sp_datatype_info_100", "sp_server_info", "sp_databases"} // which ask for them at each login
	d, err := s.catalogue(ctx, "", !slices.Contains(drivers, strings.ToLower(name)))
	if err != nil {
		return catalogue.Rows{}, false, err
	}
	return d.Procedure(name, params)
}

// give sends the answer of a procedure.
func (s *Session) give(answer catalogue.Rows, results gateway.Results) error {
	if len(answer.Columns) == 0 {
		return results.Done(-1)
	}
	if err := results.Columns(answer.Columns); err != nil {
		return err
	}
	if s.columnsOnly {
		return results.Done(-1)
	}
	for _, row := range answer.Rows {
		if err := results.Row(row); err != nil {
			return err
		}
	}
	s.rows = int64(len(answer.Rows))
	return results.Done(s.rows)
}
