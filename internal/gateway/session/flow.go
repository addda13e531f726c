package session

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway"
)

// What ends statements before their end, and is no error of theirs.
var (
	errBreak    = errors.New("BREAK")
	errContinue = errors.New("CONTINUE")
	errReturn   = errors.New("RETURN")
)

// maxTurns bounds a WHILE that does not end by itself. With a WAITFOR of 5 s they are some six days.
const maxTurns = 100_000

// flow runs an IF, a WHILE or a TRY.
func (s *Session) flow(ctx context.Context, statement *connector.Statement, arguments []connector.Argument, results gateway.Results) error {
	holds := func(condition *connector.Statement) (bool, error) {
		answer, err := condition.Run(ctx, arguments, notice(results))
		return err == nil && answer.Rows[0][0] == int64(1), err
	}
	if try := statement.Try(); try != nil {
		return s.try(ctx, try, arguments, results)
	}
	if assign := statement.Assign(); assign != nil {
		return s.assign(ctx, assign, arguments, results)
	}
	if branch := statement.Branch(); branch != nil {
		yes, err := holds(branch.Condition)
		switch {
		case err != nil:
			return err
		case yes:
			return s.run(ctx, branch.Then, arguments, results)
		}
		return s.run(ctx, branch.Otherwise, arguments, results)
	}
	loop := statement.Loop()
	for turn := 0; ; turn++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if yes, err := holds(loop.Condition); err != nil || !yes {
			return err
		}
		if turn == maxTurns {
			return failed(numberOther, classStatement, "cannot repeat a WHILE more than %d times: let it wait longer, by WAITFOR DELAY, or end it by BREAK", maxTurns)
		}
		err := s.run(ctx, loop.Body, arguments, results)
		if errors.Is(err, errBreak) {
			return nil
		}
		if err != nil && !errors.Is(err, errContinue) {
			return err
		}
	}
}

// assign gives variables their values.
func (s *Session) assign(ctx context.Context, assign *connector.Assign, arguments []connector.Argument, results gateway.Results) error {
	var last []driver.Value
	rows := int64(0)
	s.worked = true
	err := assign.Query.Stream(ctx, arguments, notice(results), func([]connector.Column) error { return nil }, func(row []driver.Value) error {
		last = row
		rows++
		return nil
	})
	if err != nil {
		return err
	}
	for i, value := range last {
		s.variables[assign.Names[i]] = value
	}
	s.rows, s.failed = rows, 0
	return nil
}

// try runs a TRY, and its CATCH after an error. That the client cancels or goes, or that the server stops, is caught by nobody.
func (s *Session) try(ctx context.Context, try *connector.Try, arguments []connector.Argument, results gateway.Results) error {
	s.trying++
	err := s.run(ctx, try.Body, arguments, results)
	s.trying--
	e := catchable(ctx, err)
	if e == nil {
		return err
	}
	s.caught = append(s.caught, e)
	defer func() { s.caught = s.caught[:len(s.caught)-1] }()
	s.failed = e.Number
	return s.run(ctx, try.Caught, arguments, results)
}

// catchable is the error that a statement failed with; nil: it is none, or not the statement's.
func catchable(ctx context.Context, err error) *gateway.Error {
	if err == nil || ctx.Err() != nil {
		return nil
	}
	var known *gateway.Error
	switch told := meaning(ctx, err); {
	case errors.As(told, &known):
		return known
	case fault.CodeOf(told) != "":
		return failed(numberOther, classStatement, "%s", told)
	}
	return nil
}

// errorValue is the value of ERROR_MESSAGE() and its like: of the error that is caught, or NULL.
func (s *Session) errorValue(name string) driver.Value {
	if len(s.caught) == 0 {
		return nil
	}
	e := s.caught[len(s.caught)-1]
	switch name {
	case "ERROR_MESSAGE":
		return e.Text
	case "ERROR_NUMBER":
		return int64(e.Number)
	case "ERROR_SEVERITY":
		return int64(e.Class)
	case "ERROR_STATE":
		return int64(e.State)
	case "ERROR_LINE":
		return int64(e.Line)
	}
	return nil // ERROR_PROCEDURE
}

// raise is THROW and RAISERROR.
func (s *Session) raise(c *connector.Control, results gateway.Results) error {
	if len(c.Arguments) == 0 { // in a CATCH, as the connector has seen to
		if len(s.caught) == 0 {
			return failed(numberRethrow, classStatement, "cannot THROW again: nothing is caught")
		}
		return s.caught[len(s.caught)-1]
	}
	number := func(i int, what string, least, most int64) (int64, error) {
		n, err := strconv.ParseInt(fmt.Sprint(c.Arguments[i].Value), 10, 64)
		if err != nil || n < least || n > most {
			return 0, failed(numberOther, classStatement, "cannot %s with the %s '%v': it is a number from %d to %d", c.Verb, what, c.Arguments[i].Value, least, most)
		}
		return n, nil
	}
	m := gateway.Message{Number: numberOther, Class: classStatement, Line: c.Line}
	text := func(i int) string {
		if value := c.Arguments[i].Value; value != nil {
			return fmt.Sprint(value)
		}
		return "(null)"
	}
	state, err := number(2, "state", 0, 255)
	if err != nil {
		return err
	}
	m.State = uint8(state)
	if c.Verb == "THROW" {
		thrown, err := number(0, "number", 50000, 1<<31-1)
		if err != nil {
			return err
		}
		m.Number, m.Text = int32(thrown), text(1)
		return &gateway.Error{Message: m}
	}
	class, err := number(1, "severity", 0, 18)
	if err != nil {
		return err
	}
	m.Class, m.Text = uint8(class), text(0)
	var values []string
	for i := 3; i < len(c.Arguments); i++ {
		values = append(values, text(i))
	}
	m.Text = filled(m.Text, values)
	if class <= 10 {
		return results.Info(m)
	}
	return &gateway.Error{Message: m}
}

// filled puts values in the places of a text, such as %s, %d and %-10.3i.
func filled(text string, values []string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "%")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		spec := strings.TrimLeft(rest, "+-# 0123456789.lh")
		switch {
		case strings.HasPrefix(rest, "%"):
			out.WriteByte('%')
			text = rest[1:]
		case spec != "" && strings.Contains("diouxXs", spec[:1]):
			value := "(null)"
			if len(values) > 0 {
				value, values = values[0], values[1:]
			}
			out.WriteString(value)
			text = spec[1:]
		default:
			out.WriteByte('%')
			text = rest
		}
	}
}

// wait is WAITFOR DELAY. It ends early with the context, whose cause is returned.
func wait(ctx context.Context, text string) error {
	delay, err := delayOf(text)
	if err != nil {
		return err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// delayOf reads hh:mm, hh:mm:ss or hh:mm:ss.mmm, of less than 24 hours.
func delayOf(text string) (time.Duration, error) {
	for _, layout := range []string{"15:04:05.999", "15:04"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)), nil
		}
	}
	return 0, failed(numberDelay, classStatement, "cannot wait for '%s': a delay is hh:mm:ss, of less than 24 hours", text)
}
