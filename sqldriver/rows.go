package sqldriver

import (
	"database/sql/driver"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"freshet.dev/internal/connector"
)

// rows are the results of a batch, which has been run.
type rows struct {
	results []*connector.Result // the current one is the first
	at      int
}

func (r *rows) columns() []connector.Column {
	if len(r.results) == 0 {
		return nil
	}
	return r.results[0].Columns
}

func (r *rows) Columns() []string {
	names := make([]string, len(r.columns()))
	for i, c := range r.columns() {
		names[i] = c.Name
	}
	return names
}

func (r *rows) Close() error { return nil }

func (r *rows) Next(values []driver.Value) error {
	if len(r.results) == 0 || r.at == len(r.results[0].Rows) {
		return io.EOF
	}
	copy(values, r.results[0].Rows[r.at])
	r.at++
	return nil
}

func (r *rows) HasNextResultSet() bool { return len(r.results) > 1 }

func (r *rows) NextResultSet() error {
	if !r.HasNextResultSet() {
		return io.EOF
	}
	r.results, r.at = r.results[1:], 0
	return nil
}

// ColumnTypeDatabaseTypeName is the name of the type in capital letters, without its length.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	name, _, _ := strings.Cut(r.columns()[i].Type.String(), "(")
	return strings.ToUpper(name)
}

// ColumnTypeLength counts the letters of text.
func (r *rows) ColumnTypeLength(i int) (int64, bool) {
	typ := r.columns()[i].Type
	if typ.Kind != connector.Varchar && typ.Kind != connector.Nvarchar {
		return 0, false
	}
	if typ.Length == 0 {
		return math.MaxInt64, true
	}
	return int64(typ.Length), true
}

func (r *rows) ColumnTypeNullable(int) (nullable, ok bool) { return true, true }

func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if r.columns()[i].Type.Kind != connector.Decimal {
		return 0, 0, false
	}
	return 19, 4, true
}

func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	switch r.columns()[i].Type.Kind {
	case connector.Int, connector.Bigint:
		return reflect.TypeFor[int64]()
	case connector.Float:
		return reflect.TypeFor[float64]()
	case connector.Bit:
		return reflect.TypeFor[bool]()
	case connector.Datetime:
		return reflect.TypeFor[time.Time]()
	}
	return reflect.TypeFor[string]()
}
