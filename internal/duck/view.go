package duck

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	duckdb "github.com/duckdb/duckdb-go-bindings"

	"freshet.dev/internal/fault"
)

// view is the reader that DuckDB sees in place of the one behind it. DuckDB calls it on threads of its own, where neither a wait
// without end nor a panic may happen, so the reader behind runs in a goroutine of its own, one batch ahead.
type view struct {
	conn     *Conn
	name     string
	source   array.RecordReader
	unexport func() // gives the C side back
	released bool   // guarded by conn.mu

	start   sync.Once
	stopped chan struct{}
	batches chan arrow.RecordBatch
	ended   error // why batches was closed; nil: no more rows

	refs atomic.Int64

	mu      sync.Mutex // DuckDB reads a view under a lock of its own, but not its error
	current arrow.RecordBatch
	over    bool  // the end was told
	err     error // the last answer of Next was this error
	told    error // an error that the running statement was told of
}

// pump owns the reader behind the view.
func (v *view) pump() {
	defer v.source.Release()
	defer close(v.batches)
	defer func() {
		if p := recover(); p != nil {
			v.ended = fault.New(fault.Internal, codeEngine, "cannot read the rows of %q: the reader panicked: %v\n%s", v.name, p, debug.Stack())
		}
	}()
	for v.source.Next() {
		batch := v.source.RecordBatch()
		batch.Retain()
		select {
		case v.batches <- batch:
		case <-v.stopped:
			batch.Release()
			return
		}
	}
	v.ended = v.source.Err()
}

// stop ends the goroutine of the reader, or lets it end by itself when the reader's Next returns.
func (v *view) stop() {
	close(v.stopped)
	v.start.Do(func() { v.source.Release() })
}

// drop removes the view from DuckDB. The connection must be idle, and its lock held.
func (v *view) drop() {
	var result duckdb.Result
	duckdb.Query(v.conn.handle, "DROP VIEW IF EXISTS "+Ident(v.name)+"; DROP VIEW IF EXISTS "+Ident(v.scanName()), &result)
	duckdb.DestroyResult(&result)
	v.stop()
	v.unexport()
}

// scanName is the name of the stream itself, which only the view reads.
func (v *view) scanName() string { return v.name + " (stream)" }

func (v *view) Retain() { v.refs.Add(1) }

func (v *view) Release() {
	if v.refs.Add(-1) == 0 {
		v.setCurrent(nil)
	}
}

func (v *view) setCurrent(batch arrow.RecordBatch) {
	if v.current != nil {
		v.current.Release()
	}
	v.current = batch
}

func (v *view) Schema() *arrow.Schema          { return v.source.Schema() }
func (v *view) RecordBatch() arrow.RecordBatch { return v.current }
func (v *view) Record() arrow.RecordBatch      { return v.current }

func (v *view) Next() bool {
	v.setCurrent(nil)
	v.start.Do(func() { go v.pump() })
	v.mu.Lock()
	over, failed := v.over, v.err
	v.mu.Unlock()
	switch {
	case failed != nil:
		return v.fail(failed)
	case over:
		// A view gives its rows once. A second scan would find none and take the table for an empty one.
		return v.fail(fault.New(fault.Internal, codeEngine, "cannot read the rows of %q twice", v.name))
	}
	v.conn.mu.Lock()
	ctx := v.conn.ctx
	v.conn.mu.Unlock()
	if ctx == nil {
		ctx = context.Background()
	}
	select {
	case batch, ok := <-v.batches:
		if ok {
			v.setCurrent(batch)
			return true
		}
		if v.ended != nil {
			return v.fail(v.ended)
		}
		v.mu.Lock()
		v.over = true
		v.mu.Unlock()
		return false
	case <-ctx.Done():
		return v.fail(context.Cause(ctx))
	case <-v.stopped:
		return v.fail(fault.New(fault.Internal, codeEngine, "cannot read the rows of %q: the view was released", v.name))
	}
}

func (v *view) fail(err error) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err, v.told = err, err
	return false
}

// Err is asked by DuckDB, which carries the text.
func (v *view) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		return nil
	}
	return &carried{text: v.conn.db.errors.note(v.err)}
}

// takeError returns, once, the error that the running statement was told of.
func (v *view) takeError() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := v.told
	v.told = nil
	return err
}

type carried struct{ text string }

func (c *carried) Error() string { return c.text }
