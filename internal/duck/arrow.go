//go:build duckdb_arrow

package duck

/*
#include <stdlib.h>
*/
import "C"

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	duckdb "github.com/duckdb/duckdb-go-bindings"

	"freshet.dev/internal/fault"
)

func newView(conn *Conn, name string, source array.RecordReader) *view {
	v := &view{conn: conn, name: name, source: source, stopped: make(chan struct{}), batches: make(chan arrow.RecordBatch)}
	source.Retain()
	v.refs.Store(1)
	return v
}

// View makes reader readable in SQL as name, for every connection of the instance, until it is released or c is closed. Its rows
// can be read once. The reader stays its owner's, who releases it after the view; the view reads it in a goroutine of its own, which
// ends when the reader's Next returns. Its error comes back from the statement that read the view, as it is.
func (c *Conn) View(name string, reader array.RecordReader) (release func(), err error) {
	v := newView(c, name, reader)
	ctx := context.Background()
	what := "read rows as the view " + Ident(name)
	err = c.do(ctx, what, func() error {
		stream := C.calloc(1, C.size_t(unsafe.Sizeof(cdata.CArrowArrayStream{})))
		exported := (*cdata.CArrowArrayStream)(stream)
		cdata.ExportRecordReader(v, exported)
		v.unexport = func() {
			cdata.ReleaseCArrowArrayStream(exported)
			C.free(stream)
		}
		if duckdb.ArrowScan(c.handle, v.scanName(), duckdb.ArrowStream{Ptr: stream}) == duckdb.StateError {
			v.unexport()
			return c.refusedSchema(what, reader.Schema())
		}
		return c.each(wholeRows(name, v.scanName(), reader.Schema()), what, func(statement duckdb.PreparedStatement) error {
			_, err := c.execute(statement, what)
			return err
		})
	})
	if err != nil {
		v.stop()
		return nil, err
	}
	c.mu.Lock()
	c.views = append(c.views, v)
	c.mu.Unlock()
	return func() { c.release(v) }, nil
}

// wholeRows is the view that people name, over the scan of the stream. DuckDB tells a scan of Arrow which columns and rows it wants,
// and relies on that, but a stream of the C interface is never asked: it gives all. Through a struct every column is used, and no
// condition is one that a scan can be told.
func wholeRows(name, scan string, schema *arrow.Schema) string {
	var packed, columns strings.Builder
	for i, field := range schema.Fields() {
		if i > 0 {
			packed.WriteString(", ")
			columns.WriteString(", ")
		}
		fmt.Fprintf(&packed, "c%d := %s", i, Ident(field.Name))
		fmt.Fprintf(&columns, "r.c%d AS %s", i, Ident(field.Name))
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS SELECT %s FROM (SELECT struct_pack(%s) AS r FROM %s)", Ident(name), &columns, &packed, Ident(scan))
}

// refusedSchema asks DuckDB why it takes no rows of this schema: duckdb_arrow_scan does not tell.
func (c *Conn) refusedSchema(what string, schema *arrow.Schema) error {
	converted, data := duckdb.SchemaFromArrow(c.handle, schema)
	defer duckdb.DestroyArrowConvertedSchema(&converted)
	defer duckdb.DestroyErrorData(&data)
	if duckdb.ErrorDataHasError(data) {
		return c.db.engineError(what, duckdb.ErrorDataMessage(data))
	}
	return fault.New(fault.Internal, codeEngine, "cannot %s: DuckDB refuses the schema %v", what, schema)
}

func (c *Conn) release(v *view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v.released = true
	if c.state == idle {
		c.dropReleased()
	}
}

// Query runs one statement and streams its rows. The reader owns the connection until it is released; ctx ends the statement at
// any time, also while its rows are read. Batches hold up to 2048 rows.
func (c *Conn) Query(ctx context.Context, sql string) (array.RecordReader, error) {
	r, err := c.stream(ctx, sql)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c *Conn) stream(ctx context.Context, sql string) (*resultReader, error) {
	r := &resultReader{conn: c, ctx: ctx, closing: make(chan struct{}), watched: make(chan struct{})}
	r.refs.Store(1)
	if err := c.run(ctx, runQuery, func() error { return r.open(sql) }, r.destroy); err != nil {
		return nil, err
	}
	go r.watch()
	return r, nil
}

// resultReader streams a result.
type resultReader struct {
	conn    *Conn
	ctx     context.Context
	result  duckdb.Result
	options duckdb.ArrowOptions
	schema  *arrow.Schema
	closes  bool // the connection, which is nobody else's

	closing, watched chan struct{}
	refs             atomic.Int64

	current arrow.RecordBatch
	over    bool
	mu      sync.Mutex
	err     error
}

func (r *resultReader) open(sql string) error {
	return r.conn.one(sql, func(statement duckdb.PreparedStatement) error {
		var pending duckdb.PendingResult
		defer duckdb.DestroyPending(&pending)
		if duckdb.PendingPreparedStreaming(statement, &pending) == duckdb.StateError {
			return r.conn.db.engineError(runQuery, duckdb.PendingError(pending))
		}
		if duckdb.ExecutePending(pending, &r.result) == duckdb.StateError {
			return r.conn.db.engineError(runQuery, duckdb.ResultError(&r.result))
		}
		return r.describe()
	})
}

func (r *resultReader) describe() error {
	r.options = duckdb.ResultGetArrowOptions(&r.result)
	columns := duckdb.ColumnCount(&r.result)
	names := make([]string, columns)
	types := make([]duckdb.LogicalType, columns)
	for i := range columns {
		names[i] = duckdb.ColumnName(&r.result, i)
		types[i] = duckdb.ColumnLogicalType(&r.result, i)
		defer duckdb.DestroyLogicalType(&types[i])
	}
	schema, data := duckdb.NewArrowSchema(r.options, types, names)
	defer duckdb.DestroyErrorData(&data)
	if duckdb.ErrorDataHasError(data) {
		return r.conn.db.engineError(runQuery, duckdb.ErrorDataMessage(data))
	}
	r.schema = schema
	return nil
}

func (r *resultReader) destroy() {
	duckdb.DestroyArrowOptions(&r.options)
	duckdb.DestroyResult(&r.result)
}

// watch interrupts the statement when ctx ends before the reader is released.
func (r *resultReader) watch() {
	defer close(r.watched)
	select {
	case <-r.closing:
		return
	case <-r.ctx.Done():
	}
	tick := time.NewTicker(interruptEvery)
	defer tick.Stop()
	for {
		r.conn.interrupt()
		select {
		case <-r.closing:
			return
		case <-tick.C:
		}
	}
}

// end gives the connection back after a result is read.
func (c *Conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBack()
}

func (r *resultReader) Retain() { r.refs.Add(1) }

func (r *resultReader) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	close(r.closing)
	<-r.watched
	r.setCurrent(nil)
	r.destroy()
	r.conn.end()
	if r.closes {
		_ = r.conn.Close() // it is idle now, and the only error is that it is not
	}
}

func (r *resultReader) Schema() *arrow.Schema          { return r.schema }
func (r *resultReader) RecordBatch() arrow.RecordBatch { return r.current }
func (r *resultReader) Record() arrow.RecordBatch      { return r.current }

func (r *resultReader) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *resultReader) setCurrent(batch arrow.RecordBatch) {
	if r.current != nil {
		r.current.Release()
	}
	r.current = batch
}

func (r *resultReader) Next() bool {
	r.setCurrent(nil)
	if r.over {
		return false
	}
	batch, err := r.fetch()
	if err != nil && r.ctx.Err() != nil {
		err = cancelled(r.ctx, runQuery)
	}
	if batch == nil {
		r.over = true
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
		return false
	}
	r.setCurrent(batch)
	return true
}

func (r *resultReader) fetch() (arrow.RecordBatch, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	chunk := duckdb.FetchChunk(r.result)
	if chunk.Ptr == nil {
		var err error
		if message := duckdb.ResultError(&r.result); message != "" {
			err = r.conn.db.engineError(runQuery, message)
		}
		return nil, r.conn.goError(err)
	}
	defer duckdb.DestroyDataChunk(&chunk)
	batch, data := duckdb.DataChunkToArrowArray(r.options, r.schema, chunk)
	defer duckdb.DestroyErrorData(&data)
	if duckdb.ErrorDataHasError(data) {
		return nil, r.conn.db.engineError(runQuery, duckdb.ErrorDataMessage(data))
	}
	return batch, nil
}
