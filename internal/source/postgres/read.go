package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

const (
	defaultRows  = 16384
	defaultBytes = 4 << 20
)

// errReleased is the cause with which a reader that nobody wants any more ends its statement.
var errReleased = errors.New("the reader was released")

func (c *conn) Read(ctx context.Context, sql string, options source.ReadOptions) (source.Rows, error) {
	statement, err := clean(sql)
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c, statement: statement, options: options, batches: make(chan arrow.RecordBatch, 1), ended: make(chan struct{})}
	if r.options.BatchRows <= 0 {
		r.options.BatchRows = defaultRows
	}
	if r.options.BatchBytes <= 0 {
		r.options.BatchBytes = defaultBytes
	}
	if r.options.Allocator == nil {
		r.options.Allocator = memory.DefaultAllocator
	}
	err = c.transaction(ctx, func(ctx context.Context, pg *pgconn.PgConn) (err error) {
		r.fields, err = c.describe(ctx, pg, statement)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.schema = schemaOf(r.fields)
	r.buffers = &recycler{from: r.options.Allocator, most: 2 * 3 * len(r.fields)} // a column has up to three, and two batches wait at once
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	r.refs.Store(1)
	return r, nil
}

// reader hands batches from the goroutine that copies to whoever calls Next. Its context is kept because a RecordReader's methods
// take none.
type reader struct {
	conn      *conn
	statement string
	options   source.ReadOptions
	fields    []field
	schema    *arrow.Schema
	buffers   *recycler
	ctx       context.Context
	cancel    context.CancelCauseFunc
	start     sync.Once
	batches   chan arrow.RecordBatch
	ended     chan struct{} // closed after failed is set and no connection is held
	failed    error
	refs      atomic.Int64

	batch arrow.RecordBatch
	err   error

	rows, bytes, estimate atomic.Int64
}

func (r *reader) Schema() *arrow.Schema          { return r.schema }
func (r *reader) RecordBatch() arrow.RecordBatch { return r.batch }
func (r *reader) Record() arrow.RecordBatch      { return r.batch }
func (r *reader) Err() error                     { return r.err }
func (r *reader) Retain()                        { r.refs.Add(1) }

func (r *reader) Progress() source.Progress {
	return source.Progress{Rows: r.rows.Load(), Bytes: r.bytes.Load(), TotalRows: r.estimate.Load(), Estimated: true}
}

func (r *reader) Next() bool {
	r.drop()
	if r.err != nil {
		return false
	}
	r.start.Do(func() { go r.copy() })
	// A batch that lies ready must not win over a context that has ended.
	if r.ctx.Err() != nil {
		r.err = context.Cause(r.ctx)
		return false
	}
	select {
	case batch, more := <-r.batches:
		if more {
			r.batch = batch
			return true
		}
		<-r.ended
		r.err = r.failed
		return false
	case <-r.ctx.Done():
		r.err = context.Cause(r.ctx)
		return false
	}
}

func (r *reader) drop() {
	if r.batch != nil {
		r.batch.Release()
		r.batch = nil
	}
}

// Release ends the statement and returns when the server has ended it and the connection is given back.
func (r *reader) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	r.drop()
	r.cancel(errReleased)
	r.start.Do(func() { close(r.batches); close(r.ended) })
	for batch := range r.batches {
		batch.Release()
	}
	<-r.ended
	r.buffers.close()
}

// copy owns the statement from its start to its end.
func (r *reader) copy() {
	r.failed = r.conn.transaction(r.ctx, r.extract)
	close(r.batches)
	close(r.ended)
}

func (r *reader) extract(ctx context.Context, pg *pgconn.PgConn) error {
	fields, err := r.conn.describe(ctx, pg, r.statement)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(fields, r.fields, sameColumn) {
		return fault.New(fault.Unavailable, source.CodeUnavailable, "cannot read from PostgreSQL '%s': the columns of the statement have just changed", r.conn.path).
			WithHint("Try again.")
	}
	sent := selected(r.statement, fields)
	if err := r.explain(ctx, pg, sent); err != nil {
		return err
	}
	check := pg.ParameterStatus("server_encoding") == "SQL_ASCII"
	d := &decoder{reader: r, ctx: ctx, most: r.options.BatchRows}
	width := 0
	for _, f := range fields {
		c := newColumn(f, r.buffers, r.options.InfiniteDates, check)
		d.columns = append(d.columns, c)
		width += max(c.width, 4)
	}
	// Buffers are made for a whole batch at once: many columns get fewer rows.
	d.most = min(d.most, max(r.options.BatchBytes/width, 16))
	defer d.drop()
	const before = "COPY ("
	_, err = pg.CopyTo(ctx, d, before+sent+"\n) TO STDOUT (FORMAT BINARY)")
	if d.err != nil && ctx.Err() == nil {
		return d.err
	}
	if err != nil || ctx.Err() != nil {
		statement := r.statement
		if sent != r.statement {
			statement = "" // what the server counts is not what the caller wrote
		}
		return r.conn.failure(ctx, err, len(before), statement)
	}
	if !d.trailer {
		return fault.New(fault.Unavailable, source.CodeUnavailable, "cannot read from PostgreSQL '%s': the rows ended early", r.conn.path)
	}
	d.send()
	return d.err
}

// explain asks how many rows the server expects.
func (r *reader) explain(ctx context.Context, pg *pgconn.PgConn, sql string) error {
	found, err := rows(ctx, pg, "EXPLAIN (FORMAT JSON) "+sql)
	if err != nil {
		return r.conn.failure(ctx, err, len("EXPLAIN (FORMAT JSON) "), r.statement)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if len(found) == 1 && json.Unmarshal(found[0][0], &plans) == nil && len(plans) == 1 {
		r.estimate.Store(int64(plans[0].Plan.Rows))
	}
	return nil
}

// decoder takes the bytes of a binary COPY and makes batches of them. It never fails towards the driver: after an error it lets the
// rest pass, so that the connection stays whole.
type decoder struct {
	reader  *reader
	ctx     context.Context
	columns []*column
	carry   []byte // a row that is not whole yet
	started bool   // the header is read
	trailer bool
	most    int  // rows in a batch
	open    bool // the columns have buffers
	held    int  // rows in them
	size    int  // bytes of them on the wire
	row     int64
	bytes   int64
	err     error
}

const signature = "PGCOPY\n\xff\r\n\x00"

// Write is called with a piece of the stream; servers send one row at a time, but need not.
func (d *decoder) Write(p []byte) (int, error) {
	d.bytes += int64(len(p))
	if d.err != nil || d.trailer {
		return len(p), nil
	}
	data := p
	if len(d.carry) > 0 {
		d.carry = append(d.carry, p...)
		data = d.carry
	}
	rest, err := d.take(data)
	if err != nil {
		d.err = err
		if d.ctx.Err() == nil {
			d.reader.cancel(err)
		}
		return len(p), nil
	}
	d.carry = append(d.carry[:0], rest...)
	return len(p), nil
}

// take decodes the whole rows of data and returns what is left.
func (d *decoder) take(data []byte) ([]byte, error) {
	if !d.started {
		if len(data) < len(signature)+8 {
			return data, nil
		}
		extension := int(binary.BigEndian.Uint32(data[len(signature)+4:]))
		if !bytes.HasPrefix(data, []byte(signature)) || extension < 0 || extension > 1<<20 {
			return nil, d.broken()
		}
		if len(data) < len(signature)+8+extension {
			return data, nil
		}
		data = data[len(signature)+8+extension:]
		d.started = true
	}
	for len(data) >= 2 {
		count := int16(binary.BigEndian.Uint16(data))
		if count == -1 {
			d.trailer = true
			return nil, nil
		}
		if int(count) != len(d.columns) {
			return nil, d.broken()
		}
		length, whole := rowLength(data, len(d.columns))
		if length < 0 {
			return nil, d.broken()
		}
		if !whole {
			return data, nil
		}
		if err := d.append(data[2:length]); err != nil {
			return nil, err
		}
		data = data[length:]
	}
	return data, nil
}

// rowLength returns the length of the row at the start of data; -1 when it cannot be one.
func rowLength(data []byte, columns int) (length int, whole bool) {
	at := 2
	for range columns {
		if len(data) < at+4 {
			return 0, false
		}
		n := int32(binary.BigEndian.Uint32(data[at:]))
		if n < -1 || n > maxMessage {
			return -1, false
		}
		at += 4 + int(max(n, 0))
	}
	return at, len(data) >= at
}

// append decodes one row, whose values follow their lengths.
func (d *decoder) append(row []byte) error {
	if !d.open {
		for _, c := range d.columns {
			c.begin(d.most)
		}
		d.open = true
	}
	d.row++
	d.size += len(row)
	for _, c := range d.columns {
		n := int32(binary.BigEndian.Uint32(row))
		row = row[4:]
		if n < 0 {
			c.null()
			continue
		}
		if err := c.append(row[:n]); err != nil {
			failed := fault.New(fault.Invalid, source.CodeData, "cannot read from PostgreSQL '%s': a value of type %s: %w", d.reader.conn.path, c.declared, err)
			failed.Where = fault.Where{Column: c.name, Row: d.row}
			if errors.Is(err, errInfinite) {
				failed.Hint = "Leave the column out, or cast or replace infinite dates in a query or view of the source."
			}
			return failed
		}
		row = row[n:]
	}
	d.held++
	if d.held&255 == 0 {
		d.reader.rows.Store(d.row)
		d.reader.bytes.Store(d.bytes)
	}
	if d.held == d.most || d.size >= d.reader.options.BatchBytes {
		d.send()
	}
	return d.err
}

// send hands over a batch, or gives up when the context ends: the consumer may be the one that waits.
func (d *decoder) send() {
	d.reader.rows.Store(d.row)
	d.reader.bytes.Store(d.bytes)
	if d.held == 0 {
		return
	}
	arrays := make([]arrow.Array, len(d.columns))
	for i, c := range d.columns {
		arrays[i] = c.finish()
	}
	d.open = false
	batch := array.NewRecordBatch(d.reader.schema, arrays, int64(d.held))
	for _, a := range arrays {
		a.Release()
	}
	d.held, d.size = 0, 0
	select {
	case d.reader.batches <- batch:
	case <-d.ctx.Done():
		batch.Release()
		d.err = context.Cause(d.ctx)
	}
}

func (d *decoder) drop() {
	for _, c := range d.columns {
		c.drop()
	}
	d.open = false
}

func (d *decoder) broken() error {
	return fault.New(fault.Unavailable, source.CodeUnavailable, "cannot read from PostgreSQL '%s': the stream of rows is broken after row %d", d.reader.conn.path, d.row)
}
