package mashup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// Stored is a table whose rows lie in Parquet files of the store, where a load has written them (Relation.Load).
type Stored struct {
	Name    string // for explanations and errors: "the stored Orders"
	Columns []StoredColumn
	Files   []StoredFile // in the order of their rows, each with all columns; none: there are no rows
	Missing error        // why its rows cannot be read, for who reads them; nil: they can
}

// StoredColumn is a column of a Stored. Names are compared without regard to case, as those of models are.
type StoredColumn struct {
	Name string
	Type TargetType
	As   StoredForm // of a DateTimeTarget
}

// StoredForm is what the moments of a stored column stand for: the store has one type for all of them.
type StoredForm uint8

// The forms.
const (
	StoredDateTime     StoredForm = iota
	StoredDate                    // of which the time is midnight
	StoredTime                    // of which the day means nothing
	StoredDateTimeZone            // in UTC
)

// StoredFile is a file of a Stored.
type StoredFile struct {
	Path        string
	Rows, Bytes int64
}

// StoredValue is a value of the language that stands for a stored table, to be bound to a name (Document.Table). It is opened when an expression
// needs its columns.
func StoredValue(open func(ctx context.Context) (*Stored, error)) Value {
	return lazy(func(ev *evaluation) (Value, error) {
		stored, err := open(ev.ctx)
		if err != nil {
			return nil, err
		}
		return storedTable(ev, stored)
	})
}

// storedTable is the table of a Stored.
func storedTable(ev *evaluation, stored *Stored) (Value, error) {
	fields := make([]arrow.Field, len(stored.Columns))
	cols := make([]fieldType, len(stored.Columns))
	for i, column := range stored.Columns {
		fields[i] = arrow.Field{Name: column.Name, Type: column.arrowType(), Nullable: true}
		typ := arrowValueType(fields[i].Type)
		if column.Type == DecimalTarget {
			typ = named(kindNumber, "Currency.Type")
		}
		cols[i] = fieldType{name: column.Name, typ: typ.asNullable()}
	}
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	of := &storedScan{stored: stored, schema: arrow.NewSchema(fields, nil), open: formatsOf(ev).Parquet}
	return newTable(&step{name: stored.Name, cols: cols, op: scan{of: of, from: stored.Name}}), nil
}

func (c StoredColumn) arrowType() arrow.DataType {
	if c.Type != DateTimeTarget {
		return c.Type.arrowType()
	}
	switch c.As {
	case StoredDate:
		return arrow.FixedWidthTypes.Date32
	case StoredTime:
		return arrow.FixedWidthTypes.Time64us
	case StoredDateTimeZone:
		return arrow.FixedWidthTypes.Timestamp_us
	}
	return DateTimeTarget.arrowType()
}

// storedScan reads a Stored: DuckDB all its files at once, Go one after the other.
type storedScan struct {
	stored *Stored
	schema *arrow.Schema
	open   func(ctx context.Context, content source.Content) (source.Scan, error) // of one file
}

func (s *storedScan) Schema() *arrow.Schema { return s.schema }

func (s *storedScan) Total() source.Progress {
	var total source.Progress
	for _, file := range s.stored.Files {
		total.TotalRows += file.Rows
		total.TotalBytes += file.Bytes
	}
	return total
}

func (s *storedScan) DuckDB(_ context.Context, skip int64) (from, why string, err error) {
	if s.stored.Missing != nil {
		return "", "", s.stored.Missing
	}
	files := make([]string, len(s.stored.Files))
	for i, file := range s.stored.Files {
		files[i] = file.Path
		if strings.ContainsAny(file.Path, "*?[{") {
			return "", "DuckDB takes the path of the store for a pattern", nil
		}
	}
	columns := make([]string, len(s.stored.Columns))
	for i, column := range s.stored.Columns {
		name := duck.Ident(column.Name)
		columns[i] = name
		switch {
		case len(files) == 0:
			columns[i] = "NULL::" + column.Type.duckType()
		case column.Type == DateTimeTarget && column.As == StoredDate:
			columns[i] = "CAST(" + name + " AS DATE)"
		case column.Type == DateTimeTarget && column.As == StoredTime:
			columns[i] = "CAST(" + name + " AS TIME)"
		}
		columns[i] += " AS " + name
	}
	from = "SELECT " + strings.Join(columns, ", ")
	if len(files) == 0 {
		return "(" + from + " WHERE false)", "", nil
	}
	from += " FROM read_parquet(" + duck.List(files) + ", hive_partitioning = false)"
	if skip > 0 {
		from += fmt.Sprintf(" OFFSET %d", skip)
	}
	return "(" + from + ")", "", nil
}

func (s *storedScan) Read(ctx context.Context, skip int64, options source.ReadOptions) (source.Rows, error) {
	if s.stored.Missing != nil {
		return nil, s.stored.Missing
	}
	if s.open == nil {
		return nil, fault.New(fault.Internal, source.CodeData, "cannot read %s: the format of its files is not there", s.stored.Name)
	}
	r := &storedRows{of: s, ctx: ctx, options: options, skip: skip, left: s.stored.Files}
	r.refs.Store(1)
	return r, nil
}

// storedRows is the rows of one file after the other. Its context is kept because a RecordReader's methods take none.
type storedRows struct {
	of      *storedScan
	ctx     context.Context
	options source.ReadOptions
	skip    int64
	left    []StoredFile
	places  []int // of the columns in the file that is open
	batch   arrow.RecordBatch
	err     error
	refs    atomic.Int64

	mu    sync.Mutex
	open  source.Rows     // of a file; nil between two
	ended source.Progress // of the files before it
}

func (r *storedRows) Schema() *arrow.Schema          { return r.of.schema }
func (r *storedRows) RecordBatch() arrow.RecordBatch { return r.batch }
func (r *storedRows) Record() arrow.RecordBatch      { return r.batch }
func (r *storedRows) Err() error                     { return r.err }
func (r *storedRows) Retain()                        { r.refs.Add(1) }

func (r *storedRows) Release() {
	if r.refs.Add(-1) == 0 {
		r.drop()
		r.end()
	}
}

func (r *storedRows) drop() {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
}

// end closes the file that is open.
func (r *storedRows) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		return
	}
	p := r.open.Progress()
	r.ended.Rows += p.Rows
	r.ended.Bytes += p.Bytes
	r.open.Release()
	r.open = nil
}

func (r *storedRows) Progress() source.Progress {
	p := r.of.Total()
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Rows, p.Bytes = r.ended.Rows, r.ended.Bytes
	if r.open != nil {
		of := r.open.Progress()
		p.Rows += of.Rows
		p.Bytes += of.Bytes
	}
	return p
}

func (r *storedRows) Next() bool {
	r.drop()
	for r.err == nil {
		if r.open == nil && !r.begin() {
			return false
		}
		if r.open.Next() {
			r.batch, r.err = r.formed(r.open.RecordBatch())
			return r.err == nil
		}
		r.err = r.open.Err()
		r.end()
	}
	return false
}

// begin opens the next file that has rows left. Without one, and with an error, it is false.
func (r *storedRows) begin() bool {
	for len(r.left) > 0 && r.left[0].Rows <= r.skip {
		r.skip -= r.left[0].Rows
		r.left = r.left[1:]
	}
	if len(r.left) == 0 {
		return false
	}
	next := r.left[0]
	r.left = r.left[1:]
	var of source.Scan
	if of, r.err = r.of.open(r.ctx, source.Content{Path: next.Path, Size: next.Bytes}); r.err != nil {
		return false
	}
	held := map[string]int{}
	for i, field := range of.Schema().Fields() {
		held[strings.ToLower(field.Name)] = i
	}
	r.places = r.places[:0]
	for _, column := range r.of.stored.Columns {
		at, found := held[strings.ToLower(column.Name)]
		if !found {
			r.err = fault.New(fault.Internal, fault.CodeDamaged, "cannot read %s: a file of it has no column '%s'", r.of.stored.Name, column.Name).
				WithHint("Refresh it, so that its files are written anew.")
			return false
		}
		r.places = append(r.places, at)
	}
	opened, err := of.Read(r.ctx, r.skip, r.options)
	if r.err = err; err != nil {
		return false
	}
	r.skip = 0
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = opened
	return true
}

// formed is a batch of a file with the columns of the table, in their forms.
func (r *storedRows) formed(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	mem := r.options.Allocator
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	columns := make([]arrow.Array, len(r.places))
	defer func() {
		for _, column := range columns {
			if column != nil {
				column.Release()
			}
		}
	}()
	for i, at := range r.places {
		var err error
		if columns[i], err = inForm(batch.Column(at), r.of.schema.Field(i).Type, mem); err != nil {
			return nil, fault.New(fault.Internal, fault.CodeDamaged, "cannot read %s, column '%s': %w", r.of.stored.Name, r.of.schema.Field(i).Name, err).
				WithHint("Refresh it, so that its files are written anew.")
		}
	}
	return array.NewRecordBatch(r.of.schema, columns, batch.NumRows()), nil
}

const microsPerDay = ticksPerDay / 10

// inForm is a column of a file as the type that it stands for.
func inForm(column arrow.Array, as arrow.DataType, mem memory.Allocator) (arrow.Array, error) {
	if arrow.TypeEqual(column.DataType(), as) {
		column.Retain()
		return column, nil
	}
	moments, ok := column.(*array.Timestamp)
	if !ok || !arrow.TypeEqual(column.DataType(), DateTimeTarget.arrowType()) {
		return nil, errors.New("it holds values of type " + column.DataType().String())
	}
	switch as.ID() {
	case arrow.TIMESTAMP:
		data := array.NewData(as, column.Len(), column.Data().Buffers(), nil, column.NullN(), column.Data().Offset())
		defer data.Release()
		return array.MakeFromData(data), nil
	case arrow.DATE32:
		builder := array.NewDate32Builder(mem)
		defer builder.Release()
		return builtFrom(moments, builder, func(micros, clock int64) { builder.Append(arrow.Date32((micros - clock) / microsPerDay)) }), nil
	case arrow.TIME64:
		builder := array.NewTime64Builder(mem, as.(*arrow.Time64Type))
		defer builder.Release()
		return builtFrom(moments, builder, func(_, clock int64) { builder.Append(arrow.Time64(clock)) }), nil
	}
	return nil, errors.New("it holds moments, and not values of type " + as.String())
}

// builtFrom builds a column of moments, each given with its clock: its microseconds since midnight.
func builtFrom(moments *array.Timestamp, builder array.Builder, put func(micros, clock int64)) arrow.Array {
	builder.Reserve(moments.Len())
	for i := range moments.Len() {
		if moments.IsNull(i) {
			builder.AppendNull()
			continue
		}
		micros := int64(moments.Value(i))
		clock := micros % microsPerDay
		if clock < 0 {
			clock += microsPerDay
		}
		put(micros, clock)
	}
	return builder.NewArray()
}
