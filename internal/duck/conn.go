package duck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"freshet.dev/internal/fault"
)

// Conn is one connection. Only Progress may be called while another call runs.
type Conn struct {
	db     *DB
	handle duckdb.Connection
	number uint64

	mu      sync.Mutex
	state   connState
	working bool            // a goroutine of run is inside DuckDB
	ctx     context.Context // of the running statement: the readers behind views end with it
	views   []*view
	failure error // the first of a function in the running statement
}

type connState uint8

const (
	idle   connState = iota
	busy             // a statement runs, or its result is not read to the end
	lost             // a cancelled statement did not stop: it closes the connection when it does
	closed           // by its owner
)

const (
	interruptEvery = 20 * time.Millisecond // DuckDB forgets an interrupt that falls between the phases of a statement
	patience       = 2 * time.Second       // how long a cancelled statement may take before it is left behind
)

// Exec runs statements that give no rows, one after the other.
func (c *Conn) Exec(ctx context.Context, sql string) error {
	const what = "run a statement"
	return c.do(ctx, what, func() error {
		return c.each(sql, what, func(statement duckdb.PreparedStatement) error {
			_, err := c.execute(statement, what)
			return err
		})
	})
}

// each prepares the statements of sql and hands them to use, one after the other.
func (c *Conn) each(sql, what string, use func(duckdb.PreparedStatement) error) error {
	if strings.ContainsRune(sql, 0) || !utf8.ValidString(sql) {
		return fault.New(fault.Invalid, codeSQL, "cannot %s whose text holds a zero byte or is not UTF-8", what)
	}
	var extracted duckdb.ExtractedStatements
	count := duckdb.ExtractStatements(c.handle, sql, &extracted)
	defer duckdb.DestroyExtracted(&extracted)
	if count == 0 {
		message := duckdb.ExtractStatementsError(extracted)
		if message == "" {
			return fault.New(fault.Invalid, codeSQL, "cannot %s: the text holds no statement", what)
		}
		return c.db.engineError(what, message)
	}
	for i := range count {
		if err := c.prepared(extracted, i, what, use); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) prepared(extracted duckdb.ExtractedStatements, i duckdb.IdxT, what string, use func(duckdb.PreparedStatement) error) error {
	var statement duckdb.PreparedStatement
	defer duckdb.DestroyPrepare(&statement)
	if duckdb.PrepareExtractedStatement(c.handle, extracted, i, &statement) == duckdb.StateError {
		return c.db.engineError(what, duckdb.PrepareError(statement))
	}
	return use(statement)
}

// execute runs a prepared statement to its end and returns the first number of its result, which for COPY is the number of rows.
func (c *Conn) execute(statement duckdb.PreparedStatement, what string) (int64, error) {
	var pending duckdb.PendingResult
	defer duckdb.DestroyPending(&pending)
	if duckdb.PendingPrepared(statement, &pending) == duckdb.StateError {
		return 0, c.db.engineError(what, duckdb.PendingError(pending))
	}
	var result duckdb.Result
	defer duckdb.DestroyResult(&result)
	if duckdb.ExecutePending(pending, &result) == duckdb.StateError {
		return 0, c.db.engineError(what, duckdb.ResultError(&result))
	}
	return firstNumber(result), nil
}

func firstNumber(result duckdb.Result) int64 {
	if duckdb.ColumnCount(&result) == 0 || duckdb.ColumnType(&result, 0) != duckdb.TypeBigInt {
		return 0
	}
	chunk := duckdb.FetchChunk(result)
	if chunk.Ptr == nil {
		return 0
	}
	defer duckdb.DestroyDataChunk(&chunk)
	if duckdb.DataChunkGetSize(chunk) == 0 {
		return 0
	}
	return *(*int64)(duckdb.VectorGetData(duckdb.DataChunkGetVector(chunk, 0)))
}

// Progress tells how far the running statement is: percent is below 0 and total is 0 while unknown. It may be called from any goroutine.
func (c *Conn) Progress() (percent float64, rows, total int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != busy {
		return -1, 0, 0
	}
	progress := duckdb.QueryProgress(c.handle)
	percent, done, all := duckdb.QueryProgressTypeMembers(&progress)
	return percent, int64(done), int64(all)
}

// Close closes the connection and drops its views. A statement that was left behind closes it when it ends.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case idle:
		c.disconnect()
		c.state = closed
	case busy:
		return fault.New(fault.Internal, codeEngine, "cannot close a DuckDB connection whose statement still runs")
	case lost, closed:
	}
	return nil
}

func (c *Conn) disconnect() {
	for _, v := range c.views {
		v.released = true
	}
	c.dropReleased()
	duckdb.Disconnect(&c.handle)
	c.db.forget(c.number)
}

// dropReleased drops the views that their owners have released: a statement may still read them when they are.
func (c *Conn) dropReleased() {
	kept := c.views[:0]
	for _, v := range c.views {
		if v.released {
			v.drop()
		} else {
			kept = append(kept, v)
		}
	}
	clear(c.views[len(kept):])
	c.views = kept
}

// begin takes the connection for a statement under ctx.
func (c *Conn) begin(ctx context.Context, what string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case idle:
		c.state, c.ctx, c.working, c.failure = busy, ctx, true, nil
		return nil
	case busy:
		return fault.New(fault.Internal, codeEngine, "cannot %s: the DuckDB connection still runs another statement", what)
	default:
		return fault.New(fault.Internal, codeEngine, "cannot %s: the DuckDB connection is closed", what)
	}
}

// do runs work, which calls into DuckDB, and returns its error or the cause with which ctx ended.
func (c *Conn) do(ctx context.Context, what string, work func() error) error {
	return c.run(ctx, what, work, nil)
}

// run is do for work whose success leaves the connection busy; undo, if any, gives back what the work holds then.
//
// An interrupt ends a statement only at its next batch. Where DuckDB is stuck in a system call (a write to a dead network disk), run
// returns all the same and leaves the connection to the goroutine, which closes it if ever it can.
func (c *Conn) run(ctx context.Context, what string, work func() error, undo func()) error {
	if err := c.begin(ctx, what); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := c.goError(work())
		c.finish(err, undo)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(interruptEvery)
	defer tick.Stop()
	for {
		c.interrupt()
		select {
		case err := <-done:
			if err != nil {
				return cancelled(ctx, what)
			}
			return nil
		case <-tick.C:
		case <-limit.C:
			if c.leave() {
				return cancelled(ctx, what)
			}
		}
	}
}

// finish gives the connection back after work, unless its success keeps it.
func (c *Conn) finish(err error, undo func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working = false
	if c.state == busy && err == nil && undo != nil {
		return
	}
	if undo != nil {
		undo()
	}
	c.giveBack()
}

func (c *Conn) giveBack() {
	if c.state == busy {
		c.state, c.ctx = idle, nil
		c.dropReleased()
		return
	}
	c.disconnect()
}

func (c *Conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == busy {
		duckdb.Interrupt(c.handle)
	}
}

// leave gives up on the running work; false when it ended in the meantime.
func (c *Conn) leave() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.working {
		return false
	}
	c.state = lost
	return true
}

// goError prefers the error of a reader behind a view, or of a function, to DuckDB's retelling of it. That a reader failed is never
// taken for the end of its rows. Where one thread of a statement fails and DuckDB stops the others, it may tell only that.
func (c *Conn) goError(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.views {
		if failed := v.takeError(); failed != nil {
			return failed
		}
	}
	var engine *Error
	if c.failure != nil && errors.As(err, &engine) && engine.Class == interrupted {
		return c.failure
	}
	return err
}

func cancelled(ctx context.Context, what string) error {
	return fmt.Errorf("cannot %s to its end: %w", what, context.Cause(ctx))
}

// set runs a statement that neither blocks nor takes time.
func (c *Conn) set(sql string) error {
	var result duckdb.Result
	defer duckdb.DestroyResult(&result)
	if duckdb.Query(c.handle, sql, &result) == duckdb.StateError {
		return engineError("set up a connection", duckdb.ResultError(&result))
	}
	return nil
}
