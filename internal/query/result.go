package query

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Column is a column of a result. Its type is a model's (int64, double, decimal, string, dateTime, boolean, binary) where there is one;
// SQL knows more: date, time, and what Arrow calls them for the rest.
type Column struct {
	Name string
	Type string
}

// Result is the rows of a query, which stream: the first are there before the last are computed. One goroutine uses it at a time.
type Result struct {
	Version int64 // of the model's data
	Columns []Column

	reader array.RecordReader
	batch  arrow.RecordBatch
	row    int
	close  func()
}

func newResult(reader array.RecordReader, version int64) *Result {
	r := &Result{Version: version, reader: reader}
	for _, field := range reader.Schema().Fields() {
		r.Columns = append(r.Columns, Column{field.Name, typeName(field.Type)})
	}
	return r
}

func typeName(typ arrow.DataType) string {
	switch typ.ID() {
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return "int64"
	case arrow.FLOAT32, arrow.FLOAT64:
		return "double"
	case arrow.DECIMAL128:
		return "decimal"
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.DICTIONARY:
		return "string"
	case arrow.TIMESTAMP:
		return "dateTime"
	case arrow.DATE32:
		return "date"
	case arrow.TIME64:
		return "time"
	case arrow.BOOL:
		return "boolean"
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return "binary"
	}
	return typ.String()
}

// Next goes to the next row; false at the end and after an error.
func (r *Result) Next() bool {
	r.row++
	for r.batch == nil || r.row >= int(r.batch.NumRows()) {
		if !r.reader.Next() {
			return false
		}
		r.batch, r.row = r.reader.RecordBatch(), 0
	}
	return true
}

// Err is the error that ended the rows, or nil.
func (r *Result) Err() error { return r.reader.Err() }

// Close ends the query. It must be called once.
func (r *Result) Close() { r.close() }

// AppendJSON appends the row as a JSON array, a value a column: numbers as they are, decimals with all their digits (4, those of
// models); dates and times in ISO 8601, dateTime without a zone; binary in base64; NaN and the infinities, which JSON has not, as text.
func (r *Result) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, column := range r.batch.Columns() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, column, r.row)
	}
	return append(dst, ']')
}

func appendValue(dst []byte, column arrow.Array, row int) []byte {
	if column.IsNull(row) {
		return append(dst, "null"...)
	}
	switch column := column.(type) {
	case *array.Int64:
		return strconv.AppendInt(dst, column.Value(row), 10)
	case *array.Int8, *array.Int16, *array.Int32, *array.Uint8, *array.Uint16, *array.Uint32, *array.Uint64, *array.Boolean:
		return append(dst, column.ValueStr(row)...)
	case *array.Float64:
		return appendFloat(dst, column.Value(row), 64)
	case *array.Float32:
		return appendFloat(dst, float64(column.Value(row)), 32)
	case *array.Decimal128:
		return append(dst, column.Value(row).ToString(column.DataType().(*arrow.Decimal128Type).Scale)...)
	case *array.String:
		return appendText(dst, column.Value(row))
	case *array.Timestamp:
		return appendTimestamp(dst, column, row)
	case *array.Date32:
		return append(column.Value(row).ToTime().AppendFormat(append(dst, '"'), time.DateOnly), '"')
	case *array.Time64:
		at := column.Value(row).ToTime(column.DataType().(*arrow.Time64Type).Unit)
		return append(at.AppendFormat(append(dst, '"'), "15:04:05.999999999"), '"')
	case *array.Binary:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), column.Value(row)), '"')
	case *array.Dictionary:
		return appendValue(dst, column.Dictionary(), column.GetValueIndex(row))
	case *array.Map:
		return appendMap(dst, column, row)
	case array.ListLike:
		return appendList(dst, column, row)
	case *array.Struct:
		return appendStruct(dst, column, row)
	}
	return appendText(dst, column.ValueStr(row))
}

func appendFloat(dst []byte, value float64, bits int) []byte {
	switch {
	case math.IsNaN(value):
		return append(dst, `"NaN"`...)
	case math.IsInf(value, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(value, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if size := math.Abs(value); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, value, format, -1, bits)
}

// appendText quotes text, which DuckDB guarantees to be UTF-8.
func appendText(dst []byte, text string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(append(dst, text[from:i]...), '\\')
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, c)
		case '\n':
			dst = append(dst, 'n')
		case '\t':
			dst = append(dst, 't')
		default:
			dst = append(dst, 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(dst, text[from:]...), '"')
}

func appendTimestamp(dst []byte, column *array.Timestamp, row int) []byte {
	typ := column.DataType().(*arrow.TimestampType)
	form := "2006-01-02T15:04:05.999999999"
	if typ.TimeZone != "" {
		form += "Z07:00"
	}
	return append(column.Value(row).ToTime(typ.Unit).AppendFormat(append(dst, '"'), form), '"')
}

func appendList(dst []byte, column array.ListLike, row int) []byte {
	from, to := column.ValueOffsets(row)
	dst = append(dst, '[')
	for i := from; i < to; i++ {
		if i > from {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, column.ListValues(), int(i))
	}
	return append(dst, ']')
}

// appendMap writes a map as a list of pairs: its keys may be anything.
func appendMap(dst []byte, column *array.Map, row int) []byte {
	from, to := column.ValueOffsets(row)
	dst = append(dst, '[')
	for i := from; i < to; i++ {
		if i > from {
			dst = append(dst, ',')
		}
		dst = append(appendValue(append(dst, '['), column.Keys(), int(i)), ',')
		dst = append(appendValue(dst, column.Items(), int(i)), ']')
	}
	return append(dst, ']')
}

func appendStruct(dst []byte, column *array.Struct, row int) []byte {
	dst = append(dst, '{')
	for i, field := range column.DataType().(*arrow.StructType).Fields() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, field.Name), ':')
		dst = appendValue(dst, column.Field(i), row)
	}
	return append(dst, '}')
}
