package session

import (
	"context"
	"errors"
	"fmt"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/gateway"
	"freshet.dev/powerbi"
)

// The numbers of errors: SQL Server's where it has the error, too.
const (
	numberLogin     = 18456
	numberDatabase  = 4060
	numberNoSuch    = 911 // a database, to USE
	numberObject    = 208
	numberOption    = 195   // of SET
	numberProcedure = 2812  // unknown
	numberParameter = 201   // missing
	numberDelay     = 148   // of WAITFOR
	numberRethrow   = 10704 // nothing is caught
	numberOther     = 50000
	numberWaitLimit = 50001 // MaxWaitSec is reached; the refresh goes on
)

// The classes of errors.
const (
	classLogin     = 14
	classStatement = 16 // a step of SQL Server's Agent, or of SSIS, fails by it
)

func failed(number int32, class uint8, format string, args ...any) *gateway.Error {
	return &gateway.Error{Message: gateway.Message{Number: number, State: 1, Class: class, Text: fmt.Sprintf(format, args...)}}
}

// meaning gives the error of a statement the number that clients read. Every one has the class by which steps fail.
func meaning(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	var refusal *powerbi.Error
	var e *connector.Error
	if !errors.As(err, &e) {
		if errors.As(err, &refusal) { // of a look-up for the session
			return failed(numberOther, classStatement, "%s [HTTP %d]", err, refusal.Status)
		}
		return err
	}
	m := gateway.Message{Number: numberOther, State: 1, Class: classStatement, Text: err.Error(), Line: e.Line}
	var known *gateway.Error // of the session's own, within
	switch {
	case errors.As(e.Fault, &known):
		m.Number = known.Number
	case e.Fault.Code == connector.CodeWaitLimit:
		m.Number = numberWaitLimit
	case e.Number != 0:
		m.Number = int32(e.Number)
	}
	if e.HTTPStatus != 0 {
		m.Text += fmt.Sprintf(" [HTTP %d]", e.HTTPStatus)
	}
	return &gateway.Error{Message: m, Err: err}
}
