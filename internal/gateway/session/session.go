package session

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/gateway"
)

// Session answers the statements of one login. One goroutine uses it at a time.
type Session struct {
	gateway   *Gateway
	identity  Identity
	login     Login
	began     time.Time
	first     database // that of the login
	database  database
	connector *connector.Connector    // nil: the session is closed
	names     []string                // of the databases, when they were last looked up
	caught    []*gateway.Error        // of the CATCHes that run, the innermost last
	variables map[string]driver.Value // of the batch that runs, as connector.Assign names them
	trying    int                     // TRYs that run

	settings
}

// settings are what statements change, and a reset brings back.
type settings struct {
	columnsOnly bool  // SET FMTONLY ON: results have no rows, and nothing is called
	silent      bool  // SET NOEXEC ON: statements are read and not run
	most        int64 // SET ROWCOUNT: of the rows of a result; 0: all
	open        int64 // transactions
	worked      bool  // a statement has run in one
	rows        int64 // of the last statement
	failed      int32 // the number of its error, which was caught
}

// Run runs a request. The end of ctx ends its wait, and what it has started goes on.
func (s *Session) Run(ctx context.Context, request gateway.Request, results gateway.Results) error {
	if request.Procedure != "" {
		return meaning(ctx, s.procedure(ctx, request.Procedure, request.Params, results))
	}
	return meaning(ctx, s.batch(ctx, request.Text, argumentsOf(request.Params), results))
}

// batch runs a text. It is read whole before its first statement runs.
func (s *Session) batch(ctx context.Context, text string, arguments []connector.Argument, results gateway.Results) error {
	statements, err := s.connector.PrepareIn(ctx, surroundings{s}, text)
	if err == nil {
		err = s.incomplete(statements)
	}
	if err != nil {
		return err
	}
	outer := s.variables
	s.variables = map[string]driver.Value{}
	defer func() { s.variables = outer }()
	if err = s.run(ctx, statements, arguments, results); errors.Is(err, errReturn) {
		return nil
	}
	return err
}

// incomplete is the error of the first of some statements that cannot be run. Where columns are asked for, the statements behind may be such.
func (s *Session) incomplete(statements []*connector.Statement) error {
	for _, statement := range statements {
		if inner, condition, is := statement.Inner(); is {
			if condition != nil {
				inner = append(inner, condition)
			}
			if err := s.incomplete(inner); err != nil {
				return err
			}
			continue
		}
		if control, err := statement.Control(nil); err == nil && control != nil && control.Verb == "SET" && (control.Name == "FMTONLY" || control.Name == "NOEXEC") {
			return nil
		}
		if err := statement.Incomplete(); err != nil && !s.columnsOnly && !s.silent {
			return err
		}
	}
	return nil
}

func (s *Session) run(ctx context.Context, statements []*connector.Statement, arguments []connector.Argument, results gateway.Results) error {
	for _, statement := range statements {
		if err := s.step(ctx, statement, arguments, results); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) step(ctx context.Context, statement *connector.Statement, arguments []connector.Argument, results gateway.Results) error {
	if inner, _, is := statement.Inner(); is {
		if s.silent || s.columnsOnly { // who only asks for columns gets those of all
			return s.run(ctx, inner, arguments, results)
		}
		return s.flow(ctx, statement, arguments, results)
	}
	control, err := statement.Control(arguments)
	switch {
	case err != nil:
	case control != nil:
		err = s.control(ctx, control, arguments, results)
	case !s.silent:
		err = s.one(ctx, statement, arguments, results)
	}
	if err == nil {
		s.failed = 0
	}
	return err
}

// notice tells the client how a wait goes. When that fails the client is gone, and so is the context soon.
func notice(results gateway.Results) func(string) {
	return func(text string) { _ = results.Info(gateway.Message{State: 1, Text: text}) }
}

// errEnough ends a result that SET ROWCOUNT bounds.
var errEnough = errors.New("the result has as many rows as SET ROWCOUNT allows")

// one runs a statement that gives a result. An INSERT tells the number of its rows, as SQL Server does, and no result.
func (s *Session) one(ctx context.Context, statement *connector.Statement, arguments []connector.Argument, results gateway.Results) error {
	if s.columnsOnly {
		if statement.Inserts() {
			return nil
		}
		if err := results.Columns(columnsOf(statement.Columns())); err != nil {
			return err
		}
		return results.Done(-1)
	}
	s.worked = true
	var (
		columns []gateway.Column
		rows    int64
	)
	err := statement.Stream(ctx, arguments, notice(results), func(found []connector.Column) error {
		if columns = columnsOf(found); statement.Inserts() {
			return nil
		}
		return results.Columns(columns)
	}, func(row []driver.Value) error {
		if s.most > 0 && rows == s.most && !statement.Inserts() {
			return errEnough
		}
		if rows++; statement.Inserts() {
			return nil
		}
		return results.Row(valuesOf(row, columns))
	})
	s.rows = rows
	if err != nil && !errors.Is(err, errEnough) {
		if len(columns) > 0 && !statement.Inserts() && s.trying > 0 && ctx.Err() == nil {
			if gone := results.Done(rows); gone != nil { // what catches it begins other results
				return gone
			}
		}
		return err
	}
	return results.Done(rows)
}

// control does what concerns the session alone.
func (s *Session) control(ctx context.Context, c *connector.Control, arguments []connector.Argument, results gateway.Results) error {
	switch c.Verb {
	case "SET":
		return s.set(c.Name, c.Value)
	case "USE":
		if err := s.use(ctx, c.Name, results); err != nil || c.Rest == "" {
			return err
		}
		return s.batch(ctx, c.Rest, arguments, results)
	}
	if s.silent || s.columnsOnly && c.Verb != "EXEC" {
		return nil
	}
	switch c.Verb {
	case "WAITFOR":
		return wait(ctx, c.Name)
	case "THROW", "RAISERROR":
		return s.raise(c, results)
	case "BREAK":
		return errBreak
	case "CONTINUE":
		return errContinue
	case "RETURN":
		return errReturn
	case "BEGIN":
		if s.open++; s.open == 1 {
			s.worked = false
		}
	case "COMMIT":
		s.open = max(s.open-1, 0)
	case "ROLLBACK":
		s.open = 0
		if s.worked {
			s.worked = false
			return results.Info(gateway.Message{Number: numberOther, State: 1, Text: "Nothing is rolled back: what the statements started goes on."})
		}
	case "PRINT":
		return results.Info(gateway.Message{State: 1, Text: c.Name})
	case "EXEC":
		return s.procedure(ctx, c.Name, params(c), results)
	}
	return nil // SAVE
}

// params are the values of a call.
func params(c *connector.Control) []gateway.Param {
	params := make([]gateway.Param, len(c.Arguments))
	for i, a := range c.Arguments {
		params[i] = gateway.Param{Name: a.Name, Value: a.Value}
		if a.Name != "" {
			params[i].Name = "@" + a.Name
		}
	}
	return params
}

// use makes another database the session's.
func (s *Session) use(ctx context.Context, name string, results gateway.Results) error {
	db, err := s.other(ctx, name)
	if err != nil {
		return err
	}
	if err := s.enter(ctx, db); err != nil {
		return err
	}
	return results.Database(db.name)
}

// set changes a setting. Those that mean nothing here are taken as they come; drivers begin with them.
func (s *Session) set(name, value string) error {
	on := strings.EqualFold(value, "ON")
	switch {
	case name == "FMTONLY":
		s.columnsOnly = on
	case name == "NOEXEC", name == "PARSEONLY":
		s.silent = on
	case name == "ROWCOUNT":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return failed(numberOption, classStatement, "cannot set ROWCOUNT to '%s': it is a number of rows", value)
		}
		s.most = n
	case strings.HasPrefix(name, "SHOWPLAN") && on:
		return failed(numberOption, classStatement, "cannot show plans: %s is not in this dialect", name)
	case strings.HasPrefix(name, "ANSI_"), strings.HasPrefix(name, "SHOWPLAN"), slices.Contains([]string{
		"ARITHABORT", "ARITHIGNORE", "CONCAT_NULL_YIELDS_NULL", "CURSOR_CLOSE_ON_COMMIT", "DATEFIRST", "DATEFORMAT", "DEADLOCK_PRIORITY", "FORCEPLAN",
		"IMPLICIT_TRANSACTIONS", "LANGUAGE", "LOCK_TIMEOUT", "NOCOUNT", "NUMERIC_ROUNDABORT", "QUERY_GOVERNOR_COST_LIMIT", "QUOTED_IDENTIFIER",
		"REMOTE_PROC_TRANSACTIONS", "STATISTICS", "TEXTSIZE", "TRANSACTION", "XACT_ABORT", "CONTEXT_INFO", "FIPS_FLAGGER", "IDENTITY_INSERT",
	}, name):
	default:
		return failed(numberOption, classStatement, "cannot set %s: there is no such option", name)
	}
	return nil
}

// Describe tells the columns of the first result that a request has. It calls nothing.
func (s *Session) Describe(ctx context.Context, request gateway.Request) (columns []gateway.Column, err error) {
	if request.Procedure != "" {
		return nil, nil
	}
	statements, err := s.connector.PrepareIn(ctx, surroundings{s}, request.Text)
	if err == nil {
		columns, err = s.describe(ctx, statements)
	}
	return columns, meaning(ctx, err)
}

// describe tells the columns of the first of some statements that has a result.
func (s *Session) describe(ctx context.Context, statements []*connector.Statement) ([]gateway.Column, error) {
	for _, statement := range statements {
		if inner, _, is := statement.Inner(); is {
			if columns, err := s.describe(ctx, inner); columns != nil || err != nil {
				return columns, err
			}
			continue
		}
		control, err := statement.Control(nil)
		if err != nil {
			return nil, err
		}
		if control != nil && control.Verb == "EXEC" {
			answer, _, err := s.listed(ctx, control.Name, params(control))
			return answer.Columns, err
		}
		if columns := statement.Columns(); len(columns) > 0 && !statement.Inserts() {
			return columnsOf(columns), nil
		}
	}
	return nil, nil
}
