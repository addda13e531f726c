package mashup

import (
	"math"
	"math/big"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cockroachdb/apd/v3"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// arrowValueType is the type of the values that a column of record batches gives.
func arrowValueType(t arrow.DataType) *typeValue {
	switch t.ID() {
	case arrow.INT8:
		return named(kindNumber, "Int8.Type")
	case arrow.INT16, arrow.UINT8:
		return named(kindNumber, "Int16.Type")
	case arrow.INT32, arrow.UINT16:
		return named(kindNumber, "Int32.Type")
	case arrow.INT64, arrow.UINT32:
		return named(kindNumber, "Int64.Type")
	case arrow.UINT64, arrow.DECIMAL128, arrow.DECIMAL256, arrow.DECIMAL32, arrow.DECIMAL64:
		return named(kindNumber, "Decimal.Type")
	case arrow.FLOAT32, arrow.FLOAT16:
		return named(kindNumber, "Single.Type")
	case arrow.FLOAT64:
		return named(kindNumber, "Double.Type")
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		return simple(kindText)
	case arrow.BOOL:
		return simple(kindLogical)
	case arrow.DATE32, arrow.DATE64:
		return simple(kindDate)
	case arrow.TIMESTAMP:
		if t.(*arrow.TimestampType).TimeZone != "" {
			return simple(kindDateTimeZone)
		}
		return simple(kindDateTime)
	case arrow.TIME32, arrow.TIME64:
		return simple(kindTime)
	case arrow.DURATION:
		return simple(kindDuration)
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY, arrow.BINARY_VIEW:
		return simple(kindBinary)
	case arrow.DICTIONARY:
		return arrowValueType(t.(*arrow.DictionaryType).ValueType)
	case arrow.LIST, arrow.LARGE_LIST, arrow.FIXED_SIZE_LIST:
		return simple(kindList)
	case arrow.STRUCT, arrow.MAP:
		return simple(kindRecord)
	}
	return anyType()
}

// batchStream makes rows of the batches of a stream.
type batchStream struct {
	stream  array.RecordReader
	decode  []func(i int) (Value, error)
	size    int
	at      int
	columns int
}

func newBatchRows(stream source.Rows) (rows, error) {
	return &batchStream{stream: stream, columns: stream.Schema().NumFields()}, nil
}

func (b *batchStream) next(ev *evaluation) ([]Value, bool, error) {
	if err := ev.poll(); err != nil {
		return nil, false, err
	}
	for b.at == b.size {
		if !b.stream.Next() {
			return nil, false, b.stream.Err()
		}
		batch := b.stream.RecordBatch()
		b.decode = b.decode[:0]
		for i := range b.columns {
			decode, err := decoder(batch.Column(i))
			if err != nil {
				return nil, false, err
			}
			if b.stream.Schema().Field(i).Metadata.FindKey(source.NumberKey) >= 0 {
				decode = decimalsOf(decode)
			}
			b.decode = append(b.decode, decode)
		}
		b.at, b.size = 0, int(batch.NumRows())
	}
	cells := make([]Value, b.columns)
	for i, decode := range b.decode {
		v, err := decode(b.at)
		if err != nil {
			return nil, false, err
		}
		cells[i] = v
	}
	b.at++
	return cells, true, nil
}

func (b *batchStream) close() { b.stream.Release() }

// decimalsOf reads texts that are numbers (source.NumberKey): every digit counts.
func decimalsOf(texts func(i int) (Value, error)) func(i int) (Value, error) {
	return func(i int) (Value, error) {
		v, err := texts(i)
		s, isText := v.(text)
		if err != nil || !isText {
			return v, err
		}
		d, _, err := apd.NewFromString(string(s))
		switch {
		case err != nil:
			return nil, fault.New(fault.Internal, codeCellError, "cannot read the number %q of the database: %w", string(s), err)
		case d.Form == apd.Finite:
			return decNumber(d), nil
		case d.Form == apd.Infinite && d.Negative:
			return floatNumber(math.Inf(-1)), nil
		case d.Form == apd.Infinite:
			return floatNumber(math.Inf(1)), nil
		}
		return floatNumber(math.NaN()), nil
	}
}

// decoder reads the values of an array.
func decoder(column arrow.Array) (func(i int) (Value, error), error) {
	read, err := valueReader(column)
	if err != nil {
		return nil, err
	}
	return func(i int) (Value, error) {
		if column.IsNull(i) {
			return null, nil
		}
		return read(i)
	}, nil
}

func valueReader(column arrow.Array) (func(i int) (Value, error), error) {
	whole := func(at func(i int) int64) func(int) (Value, error) {
		return func(i int) (Value, error) { return intNumber(at(i)), nil }
	}
	switch a := column.(type) {
	case *array.Int8:
		return whole(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Int16:
		return whole(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Int32:
		return whole(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Int64:
		return whole(func(i int) int64 { return a.Value(i) }), nil
	case *array.Uint8:
		return whole(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Uint16:
		return whole(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Uint32:
		return whole(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Uint64:
		return func(i int) (Value, error) {
			return decNumber(apd.NewWithBigInt(new(apd.BigInt).SetUint64(a.Value(i)), 0)), nil
		}, nil
	case *array.Float32:
		return func(i int) (Value, error) { return floatNumber(float64(a.Value(i))), nil }, nil
	case *array.Float64:
		return func(i int) (Value, error) { return floatNumber(a.Value(i)), nil }, nil
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return func(i int) (Value, error) { return bigDecimal(a.Value(i).BigInt(), scale), nil }, nil
	case *array.Decimal256:
		scale := a.DataType().(*arrow.Decimal256Type).Scale
		return func(i int) (Value, error) { return bigDecimal(a.Value(i).BigInt(), scale), nil }, nil
	case *array.String:
		return func(i int) (Value, error) { return text(strings.Clone(a.Value(i))), nil }, nil
	case *array.LargeString:
		return func(i int) (Value, error) { return text(strings.Clone(a.Value(i))), nil }, nil
	case *array.StringView:
		return func(i int) (Value, error) { return text(strings.Clone(a.Value(i))), nil }, nil
	case *array.Boolean:
		return func(i int) (Value, error) { return logical(a.Value(i)), nil }, nil
	case *array.Date32:
		return func(i int) (Value, error) { return checkedDate(int64(a.Value(i)) + epochDay) }, nil
	case *array.Date64:
		return func(i int) (Value, error) { return checkedDate(int64(a.Value(i))/86_400_000 + epochDay) }, nil
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType)
		return func(i int) (Value, error) {
			ticks := unitTicks(int64(a.Value(i)), unit.Unit) + epochDay*ticksPerDay
			v, err := checkedDateTime(datetime(ticks))
			if err != nil || unit.TimeZone == "" {
				return v, err
			}
			return datetimezone{local: ticks}, nil
		}, nil
	case *array.Time32:
		unit := a.DataType().(*arrow.Time32Type).Unit
		return func(i int) (Value, error) { return timeOfDay(unitTicks(int64(a.Value(i)), unit)), nil }, nil
	case *array.Time64:
		unit := a.DataType().(*arrow.Time64Type).Unit
		return func(i int) (Value, error) { return timeOfDay(unitTicks(int64(a.Value(i)), unit)), nil }, nil
	case *array.Duration:
		unit := a.DataType().(*arrow.DurationType).Unit
		return func(i int) (Value, error) { return duration(unitTicks(int64(a.Value(i)), unit)), nil }, nil
	case *array.Binary:
		return func(i int) (Value, error) { return binary(append([]byte(nil), a.Value(i)...)), nil }, nil
	case *array.LargeBinary:
		return func(i int) (Value, error) { return binary(append([]byte(nil), a.Value(i)...)), nil }, nil
	case *array.FixedSizeBinary:
		return func(i int) (Value, error) { return binary(append([]byte(nil), a.Value(i)...)), nil }, nil
	case *array.Dictionary:
		read, err := decoder(a.Dictionary())
		return func(i int) (Value, error) { return read(a.GetValueIndex(i)) }, err
	case array.ListLike:
		read, err := decoder(a.ListValues())
		return func(i int) (Value, error) {
			from, to := a.ValueOffsets(i)
			made := newList()
			for k := from; k < to; k++ {
				v, err := read(int(k))
				if err != nil {
					return nil, err
				}
				made.items = append(made.items, v)
			}
			return made, nil
		}, err
	case *array.Struct:
		of := a.DataType().(*arrow.StructType)
		names := make([]string, a.NumField())
		reads := make([]func(int) (Value, error), a.NumField())
		for i := range reads {
			names[i] = of.Field(i).Name
			var err error
			if reads[i], err = decoder(a.Field(i)); err != nil {
				return nil, err
			}
		}
		shape := newShape(names)
		return func(i int) (Value, error) {
			values := make([]Value, len(reads))
			for k, read := range reads {
				var err error
				if values[k], err = read(i); err != nil {
					return nil, err
				}
			}
			return &record{shape: shape, values: values}, nil
		}, nil
	case *array.Null:
		return func(int) (Value, error) { return null, nil }, nil
	}
	err := fault.New(fault.Invalid, source.CodeData, "cannot read values of type %s", column.DataType())
	return nil, err.WithHint("Leave the column out, or cast it in the source")
}

func bigDecimal(unscaled *big.Int, scale int32) Value {
	return decNumber(apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(unscaled), -scale))
}

// unitTicks is a count of a unit in ticks of 100 ns, rounded down.
func unitTicks(n int64, unit arrow.TimeUnit) int64 {
	switch unit {
	case arrow.Second:
		return n * ticksPerSecond
	case arrow.Millisecond:
		return n * (ticksPerSecond / 1000)
	case arrow.Microsecond:
		return n * 10
	}
	if n < 0 {
		return (n - 99) / 100
	}
	return n / 100
}
