package csv

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"

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
		r.columns = append(r.columns, &textColumn{mem: mem})
	}
	// Offsets are made for a whole batch at once: many columns get fewer rows.
	r.rows = min(r.rows, max(r.bytes/(4*len(r.columns)), 256))
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
	columns     []*textColumn
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
	for _, c := range r.columns {
		c.drop()
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
	columns := make([]arrow.Array, len(r.columns))
	for i, c := range r.columns {
		columns[i] = c.finish(rows)
	}
	r.batch = array.NewRecordBatch(r.scan.schema, columns, int64(rows))
	for _, c := range columns {
		c.Release()
	}
	r.read.Add(int64(rows))
	return true
}

// fill appends rows to the columns until the batch is full.
func (r *reader) fill() (rows int, err error) {
	size := 0
	for ; r.skip > 0; r.skip-- {
		if _, err := r.parser.next(); err != nil {
			return 0, err
		}
		r.row++
	}
	for _, c := range r.columns {
		c.begin(r.rows)
	}
	for rows < r.rows && size < r.bytes {
		fields, err := r.parser.next()
		if err != nil {
			return rows, err
		}
		r.row++
		if len(fields) > len(r.columns) && r.scan.options.Extra == source.ExtraError {
			tooMany := fault.New(fault.Invalid, source.CodeData, "cannot read %s: a row has %d fields for %d columns", r.scan.name(), len(fields), len(r.columns)).
				WithHint("ExtraValues.Ignore drops what is too much.")
			tooMany.Where.Row = r.row
			return rows, tooMany
		}
		rows++
		for i, c := range r.columns {
			if i < len(fields) {
				c.append(rows, fields[i])
				size += len(fields[i])
			} else {
				c.append(rows, nil)
			}
		}
	}
	return rows, nil
}

// textColumn builds a column of a batch in buffers of its own: a field costs one copy. There are no nulls.
type textColumn struct {
	mem     memory.Allocator
	offsets *memory.Buffer
	data    *memory.Buffer
	used    int
	guess   int // the bytes of the batch before
}

func (c *textColumn) begin(rows int) {
	c.drop()
	c.offsets, c.data, c.used = memory.NewResizableBuffer(c.mem), memory.NewResizableBuffer(c.mem), 0
	c.offsets.Resize(4 * (rows + 1))
	binary.NativeEndian.PutUint32(c.offsets.Bytes(), 0)
	c.data.Resize(max(c.guess+c.guess/8, 1024))
}

// append adds the field of a row, from 1.
func (c *textColumn) append(row int, field []byte) {
	if c.used+len(field) > c.data.Len() {
		c.data.Resize(max(2*c.data.Len(), c.used+len(field)))
	}
	copy(c.data.Bytes()[c.used:], field)
	c.used += len(field)
	binary.NativeEndian.PutUint32(c.offsets.Bytes()[4*row:], uint32(c.used))
}

func (c *textColumn) finish(rows int) arrow.Array {
	c.guess = max(c.used, c.guess/2)
	data := array.NewData(arrow.BinaryTypes.String, rows, []*memory.Buffer{nil, c.offsets, c.data}, nil, 0, 0)
	defer data.Release()
	made := array.NewStringData(data)
	c.drop()
	return made
}

func (c *textColumn) drop() {
	if c.offsets != nil {
		c.offsets.Release()
		c.data.Release()
		c.offsets, c.data = nil, nil
	}
}
