package sqldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"

	"freshet.dev/internal/connector"
	"freshet.dev/powerbi"
)

// The codes of a refresh that did not succeed, of a wait that reached MaxWaitSec, and of a refresh of which it is not known whether it was started.
const (
	CodeRefreshFailed = connector.CodeRefreshFailed
	CodeWaitLimit     = connector.CodeWaitLimit
	CodeUnsettled     = connector.CodeUnsettled
)

// Error is why a statement failed.
type Error struct {
	Code         string
	Message      string // whole, with its place and what to do
	Line, Column int    // of the place in the statement, from 1; 0: no place
	HTTPStatus   int    // of the service's answer; 0: it has none
	err          error
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives what is behind it, such as a *powerbi.Error.
func (e *Error) Unwrap() error { return e.err }

// failure makes an Error of one of the connector's.
func failure(err error) error {
	var inner *connector.Error
	if !errors.As(err, &inner) {
		return err
	}
	return &Error{Code: inner.Fault.Code, Message: err.Error(), Line: inner.Line, Column: inner.Column, HTTPStatus: inner.HTTPStatus, err: err}
}

// Driver is the driver. It opens data source names.
type Driver struct{}

// OpenConnector reads a data source name. Nothing is asked of anybody before the first statement.
func (Driver) OpenConnector(name string) (driver.Connector, error) {
	options, err := parseDSN(name)
	if err != nil {
		return nil, err
	}
	return New(options), nil
}

// Open opens a connection of its own; [database/sql.Open] does not use it.
func (d Driver) Open(name string) (driver.Conn, error) {
	c, err := d.OpenConnector(name)
	if err != nil {
		return nil, err
	}
	opened, err := c.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	opened.(*conn).owned = c.(*Connector)
	return opened, nil
}

// Options are what connections work with.
type Options struct {
	Client    *powerbi.Client   // required: the host, and who signs in
	Workspace string            // the default one, by name or GUID; "": My workspace
	Columns   map[string]string // by endpoint: columns behind its own, such as "Replicas int $.queryScaleOutSettings.maxReadOnlyReplicas"; a semicolon stands between two
	Notice    func(text string) // told how a wait goes, by one goroutine at a time; may be nil
}

// Connector opens connections, for [database/sql.OpenDB].
type Connector struct {
	options Options

	mu     sync.Mutex
	inner  *connector.Connector
	closed bool
}

// New returns a Connector. Closing the DB that uses it closes it.
func New(options Options) *Connector { return &Connector{options: options} }

// Connect opens a connection. Connections share what they need and reach the service only by statements.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("cannot open a connection: the connector is closed")
	}
	if c.inner == nil {
		inner, err := connector.New(ctx, connector.Options{Client: c.options.Client, Workspace: c.options.Workspace, Columns: c.options.Columns})
		if err != nil {
			return nil, err
		}
		c.inner = inner
	}
	return &conn{inner: c.inner, notice: c.options.Notice}, nil
}

// Driver returns the driver.
func (c *Connector) Driver() driver.Driver { return Driver{} }

// Close ends what the connections shared.
func (c *Connector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.inner == nil {
		return nil
	}
	inner := c.inner
	c.inner = nil
	return inner.Close()
}

// conn is a connection: nothing but the right to run statements.
type conn struct {
	inner  *connector.Connector
	notice func(string)
	owned  *Connector // closed with the connection; nil: it is shared
}

func (c *conn) Close() error {
	if c.owned != nil {
		return c.owned.Close()
	}
	return nil
}

func (c *conn) Prepare(text string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), text)
}

func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	statements, err := c.inner.Prepare(ctx, text)
	if err != nil {
		return nil, failure(err)
	}
	return &stmt{statements, c.notice}, nil
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	statements, err := c.inner.Prepare(ctx, text)
	if err != nil {
		return nil, failure(err)
	}
	return (&stmt{statements, c.notice}).QueryContext(ctx, args)
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	statements, err := c.inner.Prepare(ctx, text)
	if err != nil {
		return nil, failure(err)
	}
	return (&stmt{statements, c.notice}).ExecContext(ctx, args)
}

var errTransaction = errors.New("cannot begin a transaction: what the service was asked for cannot be undone")

func (c *conn) Begin() (driver.Tx, error) { return nil, errTransaction }

func (c *conn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return nil, errTransaction
}

// CheckNamedValue takes the values that all drivers take, named ones too.
func (c *conn) CheckNamedValue(value *driver.NamedValue) (err error) {
	value.Value, err = driver.DefaultParameterConverter.ConvertValue(value.Value)
	return err
}

// stmt is a batch.
type stmt struct {
	statements []*connector.Statement
	notice     func(string)
}

func (s *stmt) Close() error  { return nil }
func (s *stmt) NumInput() int { return -1 } // the statement itself tells what is missing

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), named(args))
}

func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), named(args))
}

func named(args []driver.Value) []driver.NamedValue {
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return values
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	results, err := s.run(ctx, args)
	if err != nil {
		return nil, err
	}
	return &rows{results: results}, nil
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	results, err := s.run(ctx, args)
	if err != nil || len(results) == 0 {
		return driver.RowsAffected(0), err
	}
	return driver.RowsAffected(len(results[len(results)-1].Rows)), nil
}

// run runs the statements in their order, to the first that fails.
func (s *stmt) run(ctx context.Context, args []driver.NamedValue) ([]*connector.Result, error) {
	arguments := make([]connector.Argument, len(args))
	for i, arg := range args {
		arguments[i] = connector.Argument{Name: arg.Name, Value: arg.Value}
	}
	var results []*connector.Result
	for _, statement := range s.statements {
		result, err := statement.Run(ctx, arguments, s.notice)
		if err != nil {
			return nil, failure(err)
		}
		results = append(results, result)
	}
	return results, nil
}
