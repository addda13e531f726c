// Package parquet reads Parquet files as M's Parquet.Document does: by DuckDB where the bytes are a file, by arrow-go where they are in
// memory or rows must be looked at in Go.
package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

const defaultRows = 16384

// Open reads the footer of a file: its columns and how many rows there are. Columns of dictionaries count as columns of their values.
func Open(_ context.Context, content source.Content) (source.Scan, error) {
	s := &scan{content: content}
	reader, closer, err := s.open(memory.DefaultAllocator, defaultRows)
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	schema, err := reader.Schema()
	if err != nil {
		return nil, s.failure(err)
	}
	fields := schema.Fields()
	for i := range fields {
		if dictionary, ok := fields[i].Type.(*arrow.DictionaryType); ok {
			if dictionary.ValueType.ID() != arrow.STRING {
				return nil, fault.New(fault.Invalid, source.CodeData, "cannot read %s: column '%s' is a dictionary of %s, which is not supported", s.name(), fields[i].Name, dictionary.ValueType)
			}
			fields[i].Type = arrow.BinaryTypes.String
		}
		fields[i].Metadata = arrow.Metadata{}
	}
	s.schema = arrow.NewSchema(fields, nil)
	s.rows = reader.ParquetReader().NumRows()
	return s, nil
}

type scan struct {
	content source.Content
	schema  *arrow.Schema
	rows    int64
}

func (s *scan) name() string {
	if s.content.Path != "" {
		return "'" + s.content.Path + "'"
	}
	return "the binary value"
}

func (s *scan) failure(err error) error {
	var known *fault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.New(fault.Invalid, source.CodeData, "cannot read %s as Parquet: %w", s.name(), err).
		WithHint("See that the file is whole, and that it is Parquet.")
}

// counted counts the bytes that are read.
type counted struct {
	parquet.ReaderAtSeeker
	n *atomic.Int64
}

func (c counted) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAtSeeker.ReadAt(p, at)
	c.n.Add(int64(n))
	return n, err
}

func (s *scan) open(mem memory.Allocator, rows int) (*pqarrow.FileReader, *opened, error) {
	o := &opened{}
	var in parquet.ReaderAtSeeker = bytes.NewReader(s.content.Data)
	if s.content.Path != "" {
		f, err := os.Open(s.content.Path)
		if err != nil {
			return nil, nil, source.FileError(s.content.Path, err)
		}
		in, o.file = f, f
	}
	raw, err := file.NewParquetReader(counted{in, &o.read}, file.WithReadProps(parquet.NewReaderProperties(mem)))
	if err != nil {
		_ = o.Close()
		return nil, nil, s.failure(err)
	}
	reader, err := pqarrow.NewFileReader(raw, pqarrow.ArrowReadProperties{BatchSize: int64(rows)}, mem)
	if err != nil {
		_ = o.Close()
		return nil, nil, s.failure(err)
	}
	return reader, o, nil
}

// opened is what a reader of a file holds.
type opened struct {
	file io.Closer // nil for bytes in memory
	read atomic.Int64
}

func (o *opened) Close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

func (s *scan) Schema() *arrow.Schema { return s.schema }

func (s *scan) Total() source.Progress {
	return source.Progress{TotalRows: s.rows, TotalBytes: s.content.Len()}
}

func (s *scan) DuckDB(_ context.Context, skip int64) (from, why string, err error) {
	switch {
	case s.content.Path == "":
		return "", "the bytes are in memory, not in a file", nil
	case strings.ContainsAny(s.content.Path, "*?[{"):
		return "", "DuckDB takes the file's name for a pattern", nil
	}
	from = "read_parquet(" + duck.Literal(s.content.Path) + ", hive_partitioning=false)"
	if skip > 0 {
		from = fmt.Sprintf("(SELECT * FROM %s OFFSET %d)", from, skip)
	}
	return from, "", nil
}

func (s *scan) Read(ctx context.Context, skip int64, options source.ReadOptions) (source.Rows, error) {
	mem := options.Allocator
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	rows := options.BatchRows
	if rows <= 0 {
		rows = defaultRows
	}
	reader, o, err := s.open(mem, rows)
	if err != nil {
		return nil, err
	}
	records, err := reader.GetRecordReader(ctx, nil, nil)
	if err != nil {
		_ = o.Close()
		return nil, s.failure(err)
	}
	r := &rowsReader{scan: s, ctx: ctx, opened: o, records: records, skip: skip, mem: mem}
	r.refs.Store(1)
	return r, nil
}

// rowsReader skips rows, decodes dictionaries and counts. Its context is kept because a RecordReader's methods take none.
type rowsReader struct {
	scan    *scan
	ctx     context.Context
	opened  *opened
	records pqarrow.RecordReader
	mem     memory.Allocator
	skip    int64
	batch   arrow.RecordBatch
	read    atomic.Int64
	refs    atomic.Int64
	err     error
}

func (r *rowsReader) Schema() *arrow.Schema          { return r.scan.schema }
func (r *rowsReader) RecordBatch() arrow.RecordBatch { return r.batch }
func (r *rowsReader) Record() arrow.RecordBatch      { return r.batch }
func (r *rowsReader) Err() error                     { return r.err }
func (r *rowsReader) Retain()                        { r.refs.Add(1) }

func (r *rowsReader) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	r.drop()
	r.records.Release()
	_ = r.opened.Close()
}

func (r *rowsReader) drop() {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
}

func (r *rowsReader) Progress() source.Progress {
	p := r.scan.Total()
	p.Rows, p.Bytes = r.read.Load(), r.opened.read.Load()
	return p
}

func (r *rowsReader) Next() bool {
	r.drop()
	for r.err == nil {
		if r.ctx.Err() != nil {
			r.err = context.Cause(r.ctx)
			return false
		}
		if !r.records.Next() {
			if err := r.records.Err(); err != nil && !errors.Is(err, io.EOF) {
				r.err = r.scan.failure(err)
			}
			return false
		}
		batch := r.records.RecordBatch()
		if r.skip >= batch.NumRows() {
			r.skip -= batch.NumRows()
			continue
		}
		r.batch = r.plain(batch, r.skip)
		r.skip = 0
		r.read.Add(r.batch.NumRows())
		return true
	}
	return false
}

// plain returns the rows of batch after the first skip, dictionaries replaced by their values.
func (r *rowsReader) plain(batch arrow.RecordBatch, skip int64) arrow.RecordBatch {
	columns := make([]arrow.Array, batch.NumCols())
	for i, column := range batch.Columns() {
		slice := array.NewSlice(column, skip, int64(column.Len()))
		if dictionary, ok := slice.(*array.Dictionary); ok {
			columns[i] = decode(dictionary, r.mem)
			slice.Release()
			continue
		}
		columns[i] = slice
	}
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	return array.NewRecordBatch(r.scan.schema, columns, batch.NumRows()-skip)
}

func decode(dictionary *array.Dictionary, mem memory.Allocator) arrow.Array {
	values := dictionary.Dictionary().(*array.String)
	builder := array.NewStringBuilder(mem)
	defer builder.Release()
	builder.Reserve(dictionary.Len())
	for i := range dictionary.Len() {
		if dictionary.IsNull(i) {
			builder.AppendNull()
		} else {
			builder.Append(values.Value(dictionary.GetValueIndex(i)))
		}
	}
	return builder.NewArray()
}
