package connector

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// The codes of statements that fail.
const (
	// Invalid: the text is no statement of the connector's dialect.
	// Do: correct it at the line and column that the text names; doc/connector.md is the dialect's reference.
	codeSyntax = "StatementSyntax"

	// Invalid: the statement names an endpoint, a parameter, an option, a column or a function that there is not.
	// Do: take the nearest name, which the text tells, or see SELECT * FROM endpoints and endpoint_parameters.
	codeUnknown = "StatementNameUnknown"

	// Invalid: a parameter of an endpoint is missing, given twice, or has a value that it does not take. Nothing was called.
	// Do: give it as the text says.
	codeParameter = "StatementParameter"

	// Invalid: the statement cannot be computed: its types do not fit, or it asks for what the dialect has not.
	// Do: change the part that the text names.
	codeMeaning = "StatementMeaning"

	// Invalid or Denied or NotFound or Conflict or Throttled or Unavailable: the service refused a call, or did not answer; the text is its own.
	// Do: see what the text says; nothing else was called.
	codeCall = "CallFailed"

	// Invalid: the service's answer has another form than its endpoint promises.
	// Do: see the text; for generic_request correct Filter and Columns.
	codeAnswer = "AnswerUnreadable"
)

// missingParameter is SQL Server's number of the error of a call without a parameter that it needs.
const missingParameter = 201

// Error is why a statement failed.
type Error struct {
	Fault        *fault.Error // its kind, code, text and hint
	Line, Column int          // of the place in the statement, from 1; 0: no place
	HTTPStatus   int          // of the service's answer; 0: it has none
	Number       int          // SQL Server's, of an error that is its, too: 208 is an unknown object; 0: of none
}

func (e *Error) Error() string {
	text := e.Fault.Message
	if e.Line > 0 {
		text += fmt.Sprintf(" (line %d, column %d)", e.Line, e.Column)
	}
	if e.Fault.Hint != "" {
		text += ". " + e.Fault.Hint
	}
	return text
}

// Unwrap gives the error of a kind.
func (e *Error) Unwrap() error { return e.Fault }

// fail makes an error at an offset of a text.
func fail(code, text string, at int, format string, args ...any) *Error {
	e := &Error{Fault: fault.New(fault.Invalid, code, format, args...)}
	if code == codeSyntax {
		e.Number = 102
	}
	before := text[:min(at, len(text))]
	e.Line = 1 + strings.Count(before, "\n")
	e.Column = 1 + len([]rune(before[strings.LastIndex(before, "\n")+1:]))
	return e
}

// hint tells the next step.
func (e *Error) hint(format string, args ...any) *Error {
	e.Fault.Hint = fmt.Sprintf(format, args...)
	return e
}

// number gives the error SQL Server's number.
func (e *Error) number(n int) *Error {
	e.Number = n
	return e
}

// near hints at the known name that was most likely meant, or lists them.
func (e *Error) near(word, what string, known []string) *Error {
	if found := fault.Nearest(word, known); found != "" {
		return e.hint("Did you mean '%s'?", found)
	}
	if len(known) == 0 {
		return e
	}
	return e.hint("%s: %s.", what, strings.Join(known, ", "))
}

// unanswered makes an Error of what a call to the service came to.
func (in *invocation) unanswered(err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	e := refusedCall(fail(codeCall, in.text, in.at, "cannot call %s: %w", in.endpoint.name, err), err)
	if a := in.misplacedName(); a != nil && e.HTTPStatus == http.StatusNotFound {
		return e.hint("%s takes a GUID; a name stands in %s = '%s'.", a.name, a.instead, shorten(in.value(a.name)))
	}
	return e
}

// refusedCall gives an error what is known of the service's answer that it came of.
func refusedCall(e *Error, err error) *Error {
	var refusal *powerbi.Error
	switch {
	case errors.As(err, &refusal):
		e.HTTPStatus = refusal.Status
		e.Fault.Kind = kindOf(refusal.Status)
		e.Fault.RetryAfter = refusal.RetryAfter
	case fault.CodeOf(err) != "":
		e.Fault.Kind = fault.KindOf(err)
	default:
		e.Fault.Kind = fault.Unavailable
	}
	return e
}

// misplacedName is the parameter that has a name where it takes an id; nil if there is none.
func (in *invocation) misplacedName() *argument {
	for i := range in.endpoint.parameters {
		a := &in.endpoint.parameters[i]
		if text := in.value(a.name); a.instead != "" && text != "" && !isGUID(text) {
			return a
		}
	}
	return nil
}

func kindOf(status int) fault.Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.Denied
	case status == http.StatusNotFound:
		return fault.NotFound
	case status == http.StatusConflict:
		return fault.Conflict
	case status == http.StatusTooManyRequests:
		return fault.Throttled
	case status >= 500:
		return fault.Unavailable
	}
	return fault.Invalid
}
