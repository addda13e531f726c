package csv

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

const (
	defaultRows  = 16384
	defaultBytes = 4 << 20
)

// Read streams the rows as the parser gives them.
func (s *scan) Read(ctx context.Context, skip int64, options source.ReadOptions) (source.Rows, error) {
	in, err := s.content.Open()
	if err != nil {
		return nil, err
	}
	counted := &countingReader{r: in}
	text, err := source.Decode(counted, s.options.Encoding)
	if err != nil {
		_ = in.Close()
		return nil, source.FileError(s.content.Path, err)
	}
	r := &reader{scan: s, ctx: ctx, in: in, counted: counted, parser: newParser(text, s.options), skip: skip,
		rows: defaultRows, bytes: defaultBytes, total: s.Total()}
	if options.BatchRows > 0 {
		r.rows = options.BatchRows
	}
	if options.BatchBytes > 0 {
		r.bytes = options.BatchBytes
	}
	mem := options.Allocator
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	for range s.schema.NumFields() {
		r.builders = append(r.builders, array.NewStringBuilder(mem))
	}
	r.refs.Store(1)
	return r, nil
}

type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// reader is driven by its caller: it has no goroutine, so its context only has to be looked at.
type reader struct {
	scan        *scan
	ctx         context.Context
	in          io.Closer
	counted     *countingReader
	parser      *parser
	skip        int64
	rows, bytes int
	builders    []*array.StringBuilder
	batch       arrow.RecordBatch
	row         int64 // of the file, from 1
	total       source.Progress
	read        atomic.Int64
	refs        atomic.Int64
	err         error
	done        bool
}

func (r *reader) Schema() *arrow.Schema          { return r.scan.schema }
func (r *reader) RecordBatch() arrow.RecordBatch { return r.batch }
func (r *reader) Record() arrow.RecordBatch      { return r.batch }
func (r *reader) Err() error                     { return r.err }
func (r *reader) Retain()                        { r.refs.Add(1) }

func (r *reader) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	r.drop()
	for _, b := range r.builders {
		b.Release()
	}
	_ = r.in.Close()
	r.done = true
}

func (r *reader) drop() {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
}

func (r *reader) Progress() source.Progress {
	p := r.total
	p.Rows, p.Bytes = r.read.Load(), r.counted.n.Load()
	return p
}

func (r *reader) Next() bool {
	r.drop()
	if r.done {
		return false
	}
	if r.ctx.Err() != nil {
		r.err, r.done = context.Cause(r.ctx), true
		return false
	}
	rows, err := r.fill()
	switch {
	case errors.Is(err, io.EOF):
		r.done = true
	case err != nil:
		r.err, r.done = r.scan.located(err, r.row+1), true
		return false
	}
	if rows == 0 {
		return false
	}
	columns := make([]arrow.Array, len(r.builders))
	for i, b := range r.builders {
		columns[i] = b.NewStringArray()
	}
	r.batch = array.NewRecordBatch(r.scan.schema, columns, int64(rows))
	for _, c := range columns {
		c.Release()
	}
	r.read.Add(int64(rows))
	return true
}

// fill appends rows to the builders until the batch is full.
func (r *reader) fill() (rows int, err error) {
	size := 0
	for ; r.skip > 0; r.skip-- {
		if _, err := r.parser.next(); err != nil {
			return 0, err
		}
		r.row++
	}
	for rows < r.rows && size < r.bytes {
		fields, err := r.parser.next()
		if err != nil {
			return rows, err
		}
		r.row++
		if len(fields) > len(r.builders) && r.scan.options.Extra == source.ExtraError {
			tooMany := fault.New(fault.Invalid, source.CodeData, "cannot read %s: a row has %d fields for %d columns", r.scan.name(), len(fields), len(r.builders)).
				WithHint("ExtraValues.Ignore drops what is too much.")
			tooMany.Where.Row = r.row
			return rows, tooMany
		}
		for i, b := range r.builders {
			if i < len(fields) {
				// The builder copies, so that it may look at the parser's buffer.
				b.Append(unsafe.String(unsafe.SliceData(fields[i]), len(fields[i])))
				size += len(fields[i])
			} else {
				b.Append("")
			}
		}
		rows++
	}
	return rows, nil
}
