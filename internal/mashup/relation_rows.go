package mashup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cockroachdb/apd/v3"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
)

const (
	batchRows    = 4096
	batchBytes   = 4 << 20       // of texts and binaries, after which a batch ends
	maxDecimal   = math.MaxInt64 // 922337203685477.5807 times 10000
	decimalScale = 10000
)

// arrowType is the form of a target in record batches.
func (t TargetType) arrowType() arrow.DataType {
	switch t {
	case Int64Target:
		return arrow.PrimitiveTypes.Int64
	case DoubleTarget:
		return arrow.PrimitiveTypes.Float64
	case DecimalTarget:
		return &arrow.Decimal128Type{Precision: 19, Scale: 4}
	case DateTimeTarget:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case BooleanTarget:
		return arrow.FixedWidthTypes.Boolean
	case BinaryTarget:
		return arrow.BinaryTypes.Binary
	}
	return arrow.BinaryTypes.String
}

// rowReader makes record batches of the targets of evaluated rows.
type rowReader struct {
	ev      *evaluation
	in      rows
	targets []Target
	schema  *arrow.Schema
	fit     []fitter
	builder *array.RecordBuilder
	batch   arrow.RecordBatch
	row     int64
	err     error
	refs    atomic.Int64
	done    bool
	count   atomic.Int64
}

// fitter puts a value into a target's builder.
type fitter func(ev *evaluation, v Value) error

func newRowReader(ev *evaluation, in rows, targets []Target) (*rowReader, error) {
	fields := make([]arrow.Field, len(targets))
	for i, target := range targets {
		fields[i] = arrow.Field{Name: target.Name, Type: target.Type.arrowType(), Nullable: true}
	}
	r := &rowReader{ev: ev, in: in, targets: targets, schema: arrow.NewSchema(fields, nil)}
	r.builder = array.NewRecordBuilder(memory.DefaultAllocator, r.schema)
	for i, target := range targets {
		fit, err := newFitter(ev, target.Type, r.builder.Field(i))
		if err != nil {
			return nil, err
		}
		r.fit = append(r.fit, fit)
	}
	r.refs.Store(1)
	return r, nil
}

func (r *rowReader) Schema() *arrow.Schema          { return r.schema }
func (r *rowReader) RecordBatch() arrow.RecordBatch { return r.batch }
func (r *rowReader) Record() arrow.RecordBatch      { return r.batch }
func (r *rowReader) Err() error                     { return r.err }
func (r *rowReader) Retain()                        { r.refs.Add(1) }

func (r *rowReader) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	r.drop()
	r.in.close()
	r.builder.Release()
}

func (r *rowReader) drop() {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
}

func (r *rowReader) Next() bool {
	r.drop()
	if r.done {
		return false
	}
	n := 0
	for ; n < batchRows && r.held() < batchBytes; n++ {
		cells, ok, err := r.in.next(r.ev)
		if err != nil {
			r.err, r.done = rowError(err, r.row+1), true
			return false
		}
		if !ok {
			r.done = true
			break
		}
		r.row++
		for i, cell := range cells {
			if err := r.append(i, cell); err != nil {
				r.err, r.done = err, true
				return false
			}
		}
	}
	r.count.Store(r.row)
	if n == 0 {
		return false
	}
	r.batch = r.builder.NewRecordBatch()
	return true
}

// held is the bytes of the texts and binaries of the batch that is made.
func (r *rowReader) held() int {
	bytes := 0
	for _, column := range r.builder.Fields() {
		if b, ok := column.(interface{ DataLen() int }); ok {
			bytes += b.DataLen()
		}
	}
	return bytes
}

func (r *rowReader) append(i int, cell Value) error {
	v, err := force(r.ev, cell)
	if err == nil {
		err = r.fit[i](r.ev, v)
	}
	if err == nil {
		return nil
	}
	where := fault.Where{Column: r.targets[i].Name, Row: r.row}
	if raised(err) {
		return fault.At(cellError(r.targets[i], err), codeCellError, where)
	}
	return fault.At(err, codeMisfit, where)
}

// rowError tells at which row an enumeration failed.
func rowError(err error, row int64) error {
	if !raised(err) {
		return err
	}
	return fault.At(final(err), codeCellError, fault.Where{Row: row})
}

// cellError is the error in a cell that is loaded.
func cellError(target Target, err error) error {
	var raised *failure
	value := ""
	if errors.As(err, &raised) && raised.detail != nil && raised.detail != Value(null) {
		value = " the value " + shown(raised.detail) + " of"
	}
	f := fault.New(fault.Invalid, codeCellError, "cannot load%s the column '%s': %w", value, target.Name, err)
	f.Where.Column = target.Name
	return f.WithHint("Correct the value at its source, or replace or remove errors in the expression (Table.ReplaceErrorValues, Table.RemoveRowsWithErrors)")
}

// misfit is the error about a value that a target cannot hold.
func misfit(target TargetType, shown, why string) error {
	f := fault.New(fault.Invalid, codeMisfit, "cannot load the value %s into a column of type %s: %s", shown, target, why)
	return f.WithHint("Change the column's data type in the model, or the value in the partition's expression")
}

// locatedAt gives an error its column and row.
func locatedAt(err error, column string, row int64) error {
	return fault.At(err, codeMisfit, fault.Where{Column: column, Row: row})
}

// newFitter makes the function that converts values to a target by the rules for values.
func newFitter(ev *evaluation, target TargetType, builder array.Builder) (fitter, error) {
	put, err := newPutter(ev, target, builder)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, v Value) error {
		if v == Value(null) {
			builder.AppendNull()
			return nil
		}
		return put(ev, v)
	}, nil
}

func newPutter(ev *evaluation, target TargetType, builder array.Builder) (fitter, error) {
	convertTo := func(typ *typeValue) (*converter, error) { return newConverter(ev, typ, "en-US") }
	kindMisfit := func(v Value) error {
		return misfit(target, shown(v), "it is of type "+typeName(v))
	}
	// numbers takes a number, a text that is one, and a duration in days; put tells why one does not fit.
	numbers := func(typ *typeValue, put func(n number) (why string)) (fitter, error) {
		toNumber, err := convertTo(typ)
		return func(ev *evaluation, v Value) error {
			var n number
			switch v := v.(type) {
			case number:
				n = v
			case duration:
				n = floatNumber(float64(v) / ticksPerDay)
			case text:
				made, err := toNumber.convert(ev, v)
				if err != nil {
					return err
				}
				if made == Value(null) {
					builder.AppendNull()
					return nil
				}
				n = made.(number)
			default:
				return kindMisfit(v)
			}
			if why := put(n); why != "" {
				return misfit(target, shown(v), why)
			}
			return nil
		}, err
	}
	switch b := builder.(type) {
	case *array.StringBuilder:
		toText, err := convertTo(simple(kindText))
		return func(ev *evaluation, v Value) error {
			switch v := v.(type) {
			case text:
				b.Append(string(v))
				return nil
			case logical, number, date, datetime, datetimezone, timeOfDay, duration:
				s, err := toText.convert(ev, v)
				if err != nil {
					return err
				}
				b.Append(string(s.(text)))
				return nil
			}
			return kindMisfit(v)
		}, err
	case *array.Int64Builder:
		return numbers(simple(kindNumber), func(n number) (why string) {
			i, why := wholeOf(n)
			if why == "" {
				b.Append(i)
			}
			return why
		})
	case *array.Float64Builder:
		return numbers(simple(kindNumber), func(n number) (why string) {
			b.Append(n.float())
			return ""
		})
	case *array.Decimal128Builder:
		// A text keeps all its digits until they are rounded once.
		return numbers(named(kindNumber, "Decimal.Type"), func(n number) (why string) {
			scaled, why := fixedOf(n)
			if why == "" {
				b.Append(decimal128.FromI64(scaled))
			}
			return why
		})
	case *array.TimestampBuilder:
		toDateTime, err := convertTo(simple(kindDateTime))
		return func(ev *evaluation, v Value) error {
			if s, ok := v.(text); ok {
				made, err := toDateTime.convert(ev, s)
				if err != nil {
					return err
				}
				v = made
			}
			ticks, ok := ticksOf(v)
			if v == Value(null) {
				b.AppendNull()
				return nil
			}
			if !ok {
				return kindMisfit(v)
			}
			if ticks < firstTick {
				return misfit(target, shown(v), "dates before the year 100 are not supported")
			}
			b.Append(arrow.Timestamp(microsOf(ticks)))
			return nil
		}, err
	case *array.BooleanBuilder:
		toLogical, err := convertTo(simple(kindLogical))
		return func(ev *evaluation, v Value) error {
			if s, ok := v.(text); ok {
				made, err := toLogical.convert(ev, s)
				if err != nil {
					return err
				}
				if v = made; v == Value(null) {
					b.AppendNull()
					return nil
				}
			}
			l, ok := v.(logical)
			if !ok {
				return kindMisfit(v)
			}
			b.Append(bool(l))
			return nil
		}, err
	case *array.BinaryBuilder:
		return func(ev *evaluation, v Value) error {
			data, ok, err := bytesOf(ev, v)
			if err != nil {
				return err
			}
			if !ok {
				return kindMisfit(v)
			}
			b.Append(data)
			return nil
		}, nil
	}
	return nil, fmt.Errorf("cannot build values of type %s", target)
}

// wholeOf is a number as int64, or why it is none.
func wholeOf(n number) (int64, string) {
	if i, ok := n.int(); ok {
		return i, ""
	}
	if n.rep == repDecimal {
		var whole apd.Decimal
		if n.dec.Modf(&whole, nil); whole.Cmp(n.dec) != 0 {
			return 0, "it has a fraction"
		}
		return 0, "it is too large"
	}
	switch f := n.float(); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return 0, "it is no finite number"
	case f != math.Trunc(f):
		return 0, "it has a fraction"
	}
	return 0, "it is too large"
}

// fixedOf is a number times 10000, rounded half away from zero, or why it has none.
func fixedOf(n number) (int64, string) {
	const tooLarge = "it is outside ±922337203685477.5807"
	switch n.rep {
	case repInt:
		if n.bits > maxDecimal/decimalScale || n.bits < -maxDecimal/decimalScale {
			return 0, tooLarge
		}
		return n.bits * decimalScale, ""
	case repFloat:
		f := n.float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return 0, "it is no finite number"
		}
		scaled := math.Round(f * decimalScale)
		if scaled >= maxDecimal || scaled <= -maxDecimal {
			return 0, tooLarge
		}
		return int64(scaled), ""
	}
	context := apd.BaseContext.WithPrecision(60)
	context.Rounding = apd.RoundHalfUp // in apd: half away from zero
	var rounded apd.Decimal
	if _, err := context.Quantize(&rounded, n.dec, -4); err != nil || !rounded.Coeff.IsInt64() || rounded.Coeff.Int64() > maxDecimal {
		return 0, tooLarge
	}
	if rounded.Negative {
		return -rounded.Coeff.Int64(), ""
	}
	return rounded.Coeff.Int64(), ""
}

const (
	firstTick  = 36159 * ticksPerDay  // 0100-01-01
	epochDay   = 719162               // 1970-01-01
	clockEpoch = 693593 * ticksPerDay // 1899-12-30, the day of times without one
)

// ticksOf is the point in time that a dateTime column holds for a value: zoned times are taken in UTC, times of day on 1899-12-30.
func ticksOf(v Value) (int64, bool) {
	switch v := v.(type) {
	case date:
		return int64(v) * ticksPerDay, true
	case datetime:
		return int64(v), true
	case datetimezone:
		return v.utc(), true
	case timeOfDay:
		return clockEpoch + int64(v), true
	}
	return 0, false
}

// microsOf is the Unix time in microseconds, rounded down.
func microsOf(ticks int64) int64 { return (ticks - epochDay*ticksPerDay) / 10 }

// shown is a value as errors quote it, cut where it is long.
func shown(v Value) string {
	s := display(v)
	if runes := []rune(s); len(runes) > 80 {
		s = string(runes[:80]) + "…"
	}
	return s
}

// openRows evaluates the plan by rows and shows them to DuckDB as a view.
func (r *Relation) openRows(ctx context.Context, conn *duck.Conn, picked *step, targets []Target) (*opened, error) {
	ev := r.session.begin(ctx)
	in, err := picked.open(ev)
	if err != nil {
		return nil, err
	}
	reader, err := newRowReader(ev, in, targets)
	if err != nil {
		in.close()
		return nil, err
	}
	return showView(conn, reader, func(view string) string { return "SELECT * FROM " + view })
}

// firstMisfit evaluates by rows until a value does not fit.
func (r *Relation) firstMisfit(ctx context.Context, picked *step, targets []Target) error {
	reading := r.session.reading
	reading.rowsOnly = true
	defer func() { reading.rowsOnly = false }()
	ev := r.session.begin(ctx)
	in, err := picked.open(ev)
	if err != nil {
		return nil
	}
	reader, err := newRowReader(ev, in, targets)
	if err != nil {
		in.close()
		return nil
	}
	defer reader.Release()
	for reader.Next() {
	}
	return reader.Err()
}

// showView makes a reader readable as a view.
func showView(conn *duck.Conn, reader array.RecordReader, statement func(view string) string) (*opened, error) {
	name := viewName()
	release, err := conn.View(name, reader)
	if err != nil {
		reader.Release()
		return nil, err
	}
	return &opened{statement: statement(duck.Ident(name)), release: func() {
		release()
		reader.Release()
	}}, nil
}
