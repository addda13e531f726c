package connector

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// check has DuckDB read a bound query over tables without rows.
func check(ctx context.Context, db *duck.DB, w *work) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, call := range w.calls {
		if err := create(ctx, conn, call.table, call.types()); err != nil {
			return err
		}
	}
	for _, table := range w.binder.shown {
		if err := create(ctx, conn, table.name, table.types); err != nil {
			return err
		}
	}
	return conn.Check(ctx, w.sql)
}

// compute loads the rows of the calls, and runs the bound query over them.
func compute(ctx context.Context, db *duck.DB, sql string, columns []Column, calls []*invocation, rows [][]record, row func([]driver.Value) error) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for i, call := range calls {
		if err := create(ctx, conn, call.table, call.types()); err != nil {
			return err
		}
		if err := load(ctx, conn, call, rows[i]); err != nil {
			return err
		}
	}
	types := make([]duck.Type, len(columns))
	for i, c := range columns {
		types[i] = c.Type.duck()
	}
	return conn.Read(ctx, sql, types, func(chunk *duck.Args) error {
		for at := range chunk.Rows() {
			values := make([]driver.Value, len(columns))
			for i, c := range columns {
				values[i] = valueAt(chunk, i, at, c.Type)
			}
			if err := row(values); err != nil {
				return err
			}
		}
		return nil
	})
}

func create(ctx context.Context, conn *duck.Conn, table string, types []duck.Type) error {
	columns := make([]string, len(types))
	for i, typ := range types {
		columns[i] = "f" + strconv.Itoa(i+1) + " " + typ.String()
	}
	return conn.Exec(ctx, "CREATE TEMP TABLE "+table+" ("+strings.Join(columns, ", ")+")")
}

// types are those of the call's columns.
func (in *invocation) types() []duck.Type {
	types := make([]duck.Type, len(in.fields))
	for i, f := range in.fields {
		types[i] = f.typ.duck()
	}
	return types
}

func load(ctx context.Context, conn *duck.Conn, call *invocation, rows []record) error {
	types, paths := call.types(), make([]path, len(call.fields))
	for i, f := range call.fields {
		var err error
		if paths[i], err = parsePath(f.path); err != nil {
			return err
		}
	}
	return conn.Insert(ctx, call.table, types, len(rows), func(row int, columns []*duck.Results, at int) error {
		for i, f := range call.fields {
			value, found := paths[i].first(map[string]any(rows[row]))
			if !found || value == nil {
				continue
			}
			if err := store(columns[i], at, f.typ, value); err != nil {
				return fault.New(fault.Invalid, codeAnswer, "cannot read %s as the %s of the column %s of %s", shorten(compact(value)), f.typ, f.name, call.endpoint.name)
			}
		}
		return nil
	})
}

var errValue = errors.New("the value has another type")

// store converts a value of JSON to a type.
func store(to *duck.Results, at int, typ Type, value any) error {
	switch typ.Kind {
	case Bit:
		b, err := strconv.ParseBool(strings.ToLower(compact(value))) // 0 and 1, too
		if err != nil {
			return errValue
		}
		to.SetBool(at, b)
		return nil
	case Datetime:
		text, _ := json.Marshal(value)
		var t powerbi.Time
		if err := t.UnmarshalJSON(text); err != nil {
			return errValue
		}
		if !t.IsZero() {
			to.SetTime(at, t.Time)
		}
		return nil
	}
	text := compact(value)
	switch typ.Kind {
	case Int, Bigint:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errValue
		}
		to.SetInt64(at, n)
	case Float:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errValue
		}
		to.SetDouble(at, n)
	case Decimal:
		n, err := decimal(text)
		if err != nil {
			return err
		}
		to.SetDecimal(at, n)
	default:
		return to.SetText(at, cut(strings.ToValidUTF8(text, "\ufffd"), typ.Length))
	}
	return nil
}

// cut keeps text within the length that clients were promised.
func cut(text string, length int) string {
	if length == 0 || len(text) <= length {
		return text
	}
	letters := []rune(text)
	if len(letters) <= length {
		return text
	}
	return string(letters[:length])
}

// compact writes a value of JSON as text: a text as it is, all else as JSON.
func compact(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// decimal reads a number times 10000. Further digits round half away from zero, as in models.
func decimal(text string) (int64, error) {
	whole, part, _ := strings.Cut(text, ".")
	if strings.ContainsFunc(part, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, errValue
	}
	kept := (part + "0000")[:4]
	n, err := strconv.ParseInt(whole+kept, 10, 64)
	if err != nil || n == math.MinInt64 {
		return 0, errValue
	}
	if len(part) <= 4 || part[4] < '5' {
		return n, nil
	}
	if n == math.MaxInt64 || n == -math.MaxInt64 {
		return 0, errValue
	}
	if strings.HasPrefix(whole, "-") {
		return n - 1, nil
	}
	return n + 1, nil
}

// valueAt takes a value out of a result. A decimal is a text, so that it keeps all its digits.
func valueAt(chunk *duck.Args, column, row int, typ Type) driver.Value {
	if chunk.Null(column, row) {
		return nil
	}
	switch typ.Kind {
	case Int, Bigint:
		return chunk.Int64(column, row)
	case Float:
		return chunk.Double(column, row)
	case Bit:
		return chunk.Bool(column, row)
	case Datetime:
		return chunk.Time(column, row)
	case Decimal:
		n := chunk.Decimal(column, row)
		sign := ""
		if n < 0 {
			sign, n = "-", -n
		}
		return fmt.Sprintf("%s%d.%04d", sign, uint64(n)/10000, uint64(n)%10000)
	}
	return strings.Clone(chunk.Text(column, row))
}

// formatTime writes a time into a record that the connector makes itself.
func formatTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339Nano)
}
