// Package connector runs SQL over the Power BI REST API, of Power BI itself or of Freshet: SELECT * FROM refresh_dataflow WHERE Id = '…' refreshes a
// dataflow and waits. doc/connector.md is the reference of the dialect.
//
// A statement goes through four stages. It is parsed; its names are bound to endpoints and their parameters, which fires nothing and tells the columns
// of the result; each endpoint that it names is called once; and DuckDB computes the rest over the rows that the calls gave.
package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// Options are what a Connector works with. What stands above the line is required.
type Options struct {
	Client *powerbi.Client
	// –––
	Workspace string            // the default one, by name or GUID; "": My workspace, which has no dataflows
	Columns   map[string]string // by endpoint: columns behind its own, as generic_request takes them: name type path; …
	Now       func() time.Time  // nil: time.Now
}

// Connector runs statements against one host. It is safe for concurrent use.
type Connector struct {
	client    *powerbi.Client
	workspace string
	endpoints []*endpoint
	now       func() time.Time
	db        *duck.DB
}

// memory is for the rows of all statements at a time: answers of the service, which are small.
const memory = 512 << 20

// New returns a Connector. Close it.
func New(ctx context.Context, options Options) (*Connector, error) {
	c := &Connector{client: bounded(options.Client), workspace: options.Workspace, now: options.Now}
	if c.now == nil {
		c.now = time.Now
	}
	var err error
	if c.endpoints, err = extended(endpoints(), options.Columns); err != nil {
		return nil, err
	}
	if c.db, err = duck.Open(ctx, duck.Options{MemoryLimit: memory, Threads: 2, Sealed: true}); err != nil {
		return nil, err
	}
	return c, nil
}

// bounded is a client that no answer leads to another host than its own: a redirection is an answer like any other refusal.
func bounded(client *powerbi.Client) *powerbi.Client {
	inner := http.DefaultClient
	if client.HTTP != nil {
		inner = client.HTTP
	}
	own, host := *inner, ownHost(client)
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if !strings.EqualFold(r.URL.Host, host.Host) || !strings.EqualFold(r.URL.Scheme, host.Scheme) || len(via) >= 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &powerbi.Client{Host: client.Host, Token: client.Token, Refused: client.Refused, HTTP: &own, Retries: client.Retries, OnPause: client.OnPause}
}

// Close ends the Connector. Statements that run must have ended.
func (c *Connector) Close() error { return c.db.Close() }

// Statement is one statement of a batch, ready to be run any number of times, also at the same time.
type Statement struct {
	connector *Connector
	session   session
	tables    map[place][]Table // of the session's that it may mean
	parsed    statement
	columns   []Column
	branch    *Branch
	loop      *Loop
	try       *Try
	assign    *Assign

	incomplete error // why it cannot be run as it stands: a parameter that an endpoint requires is missing
}

// Result is what a statement gave.
type Result struct {
	Columns []Column
	Rows    [][]driver.Value // int64, float64, bool, string (decimals too), time.Time in UTC, or nil
}

// Prepare reads a batch and tells the columns of each of its statements, without calling anything. DECLARE and SET are no statements of the result:
// their values stand in those that use them. Errors are of the type *Error.
func (c *Connector) Prepare(ctx context.Context, text string) ([]*Statement, error) {
	return c.PrepareIn(ctx, nil, text)
}

// prepare binds the statements of a batch.
func (c *Connector) prepare(ctx context.Context, in session, parsed []statement) ([]*Statement, error) {
	statements := make([]*Statement, len(parsed))
	for i, p := range parsed {
		var err error
		if statements[i], err = c.prepareOne(ctx, in, p); err != nil {
			return nil, err
		}
	}
	return statements, nil
}

func (c *Connector) prepareOne(ctx context.Context, in session, p statement) (_ *Statement, err error) {
	s := &Statement{connector: c, session: in, parsed: p}
	switch {
	case p.branch != nil:
		s.branch, err = c.prepareBranch(ctx, in, p.branch)
		return s, err
	case p.loop != nil:
		s.loop, err = c.prepareLoop(ctx, in, p.loop)
		return s, err
	case p.try != nil:
		s.try, err = c.prepareTry(ctx, in, p.try)
		return s, err
	case p.assign != nil:
		s.assign = &Assign{Names: p.assign.names}
		s.assign.Query, err = c.prepareOne(ctx, in, p.assign.query)
		return s, err
	}
	if s.isControl() {
		_, err := s.Control(nil)
		return s, err
	}
	if err := s.readTables(ctx); err != nil {
		return nil, err
	}
	work, err := s.bind(nil, true)
	var e *Error
	if in != nil && errors.As(err, &e) && e.Number == missingParameter {
		s.incomplete = err
		work, err = s.bind(nil, true)
	}
	if err != nil {
		return nil, err
	}
	if work.sql != "" {
		if err := check(ctx, c.db, work); err != nil {
			return nil, s.meaning(err)
		}
	}
	s.columns = work.columns
	return s, nil
}

// Columns are those of the result.
func (s *Statement) Columns() []Column { return s.columns }

// Run calls the endpoints that the statement names, each once, and computes its result. notice, which may be nil, is told how a wait goes, never by two
// goroutines at a time. The end of ctx
// ends the wait, but not what was started, unless the statement says CancelOnAbort.
//
// Errors are of the type *Error, or the cause with which ctx ended.
func (s *Statement) Run(ctx context.Context, arguments []Argument, notice func(text string)) (*Result, error) {
	result := &Result{}
	err := s.Stream(ctx, arguments, notice, func(columns []Column) error {
		result.Columns = columns
		return nil
	}, func(row []driver.Value) error {
		result.Rows = append(result.Rows, row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return result, nil
}

// Stream is Run, whose columns and rows are handed over as they come: begin once, before the first row. An error of theirs ends it and is returned as it is.
func (s *Statement) Stream(ctx context.Context, arguments []Argument, notice func(text string), begin func([]Column) error, row func([]driver.Value) error) error {
	work, err := s.bind(arguments, false)
	if err != nil {
		return err
	}
	r := &run{connector: s.connector, notice: notice}
	if s.parsed.insert != nil {
		result, err := s.insert(ctx, work, r)
		if err != nil {
			return err
		}
		if err := begin(result.Columns); err != nil {
			return err
		}
		for _, values := range result.Rows {
			if err := row(values); err != nil {
				return err
			}
		}
		return nil
	}
	rows, err := s.called(ctx, work, r)
	if err != nil {
		return err
	}
	if err := begin(work.columns); err != nil {
		return err
	}
	return s.compute(ctx, work, rows, row)
}

// work is a statement with its arguments, bound.
type work struct {
	binder  *binder
	sql     string // "" for INSERT … VALUES
	columns []Column
	calls   []*invocation
	insert  *insert
	inserts []*invocation // of INSERT … VALUES, one a row
}

func (s *Statement) bind(arguments []Argument, describing bool) (*work, error) {
	b := &binder{endpoints: s.connector.endpoints, session: s.session, tables: s.tables, text: s.parsed.text, arguments: arguments, describing: describing,
		lenient: describing && s.incomplete != nil, now: s.connector.now()}
	w := &work{binder: b}
	if err := b.surplus(s); err != nil {
		return w, err
	}
	var err error
	if s.parsed.insert != nil {
		err = b.insert(s.parsed.insert, w)
	} else {
		w.sql, w.columns, err = b.query(s.parsed.query, nil, nil)
	}
	w.columns = typed(w.columns)
	w.calls = b.invocations
	if err == nil && b.owner != nil && len(w.calls) > 0 {
		err = b.apart(w.calls[0])
	}
	return w, err
}

// typed gives columns of nothing but NULL a type.
func typed(columns []Column) []Column {
	columns = slices.Clone(columns)
	for i := range columns {
		if columns[i].Type.Kind == 0 {
			columns[i].Type = Type{Nvarchar, 1}
		}
	}
	return columns
}

// run is one run of a statement.
type run struct {
	connector *Connector
	mu        sync.Mutex
	notice    func(string) // called under mu
}

func (r *run) tell(text string) {
	if r.notice == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notice(text)
}

// called calls the endpoints in the order in which the statement names them.
func (s *Statement) called(ctx context.Context, w *work, r *run) ([][]record, error) {
	rows := make([][]record, len(w.calls))
	for i, call := range w.calls {
		if call.skip {
			continue
		}
		var err error
		if rows[i], err = r.calls(ctx, call); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// compute computes the result over the rows of the calls, or has it computed by who owns the tables that the statement reads.
func (s *Statement) compute(ctx context.Context, w *work, rows [][]record, row func([]driver.Value) error) error {
	if w.binder.owner != nil {
		return s.askOwner(ctx, w, row)
	}
	var ours error
	err := compute(ctx, s.connector.db, w.sql, w.columns, w.calls, rows, func(values []driver.Value) error {
		ours = row(values)
		return ours
	})
	if ours != nil {
		return ours
	}
	return s.meaning(err)
}

// calls makes the calls of one place in a statement.
func (r *run) calls(ctx context.Context, call *invocation) ([]record, error) {
	if len(call.list) < 2 {
		return r.call(ctx, call)
	}
	rows, err := r.all(ctx, call.calls(), call.parallel(), "value")
	return slices.Concat(rows...), err
}

func (r *run) call(ctx context.Context, call *invocation) ([]record, error) {
	call.run = r
	rows, err := call.endpoint.call(ctx, call)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil, err
	}
	return rows, call.unanswered(err)
}

// insert calls the endpoint once for each row, in their order, or as many at the same time as Parallel says. What was called before an error is not undone.
func (s *Statement) insert(ctx context.Context, w *work, r *run) (*Result, error) {
	calls := w.inserts
	if w.sql != "" {
		selected := &work{binder: w.binder, sql: w.sql, columns: w.binder.selected, calls: w.calls}
		rows, err := s.called(ctx, selected, r)
		if err != nil {
			return nil, err
		}
		err = s.compute(ctx, selected, rows, func(row []driver.Value) error {
			if len(calls) == maxInserted {
				return w.binder.tooMany(w.insert)
			}
			call, err := w.binder.inserted(w.insert, row)
			calls = append(calls, call)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	result := &Result{Columns: w.columns}
	if len(calls) == 0 {
		return result, nil
	}
	n, err := parallelOf(calls)
	if err != nil {
		return nil, err
	}
	rows, err := r.all(ctx, calls, n, "row")
	if err != nil {
		return nil, err
	}
	for i, call := range calls {
		err := compute(ctx, s.connector.db, selectAll(call), w.columns, []*invocation{call}, rows[i:i+1], func(values []driver.Value) error {
			result.Rows = append(result.Rows, values)
			return nil
		})
		if err != nil {
			return nil, s.meaning(err)
		}
	}
	return result, nil
}

// meaning makes an Error of what DuckDB says about a statement.
func (s *Statement) meaning(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) || fault.CodeOf(err) == "" {
		return err
	}
	e := &Error{Fault: fault.New(fault.KindOf(err), fault.CodeOf(err), "cannot compute the result: %w", err)}
	if e.Fault.Code == duck.CodeMemory {
		return e.hint("Join fewer rows: with ON, WHERE or TOP, or in several statements.")
	}
	return e
}
