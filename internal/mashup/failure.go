package mashup

import (
	"errors"
	"fmt"

	"freshet.dev/internal/mashup/syntax"
)

// failure is an error of the language: what `error` raises and `try` catches. Every other Go error (a cancelled context, a source that
// is not allowed or does not answer) passes through `try`, because no expression may hide it.
type failure struct {
	reason  string // "Expression.Error"
	message string
	detail  Value  // null when there is none
	format  string // Message.Format, and its parameters, where the error record has them
	params  Value
	code    string     // ErrorCode
	at      syntax.Pos // zero until the place is known
	in      string     // the query whose text at is a place of
	cause   error
}

func (f *failure) Error() string { return "[" + f.reason + "] " + f.message }

func (f *failure) Unwrap() error { return f.cause }

// raised tells whether an error is one of the language.
func raised(err error) bool {
	var f *failure
	return errors.As(err, &f)
}

// fail makes an Expression.Error.
func fail(format string, args ...any) *failure {
	return &failure{reason: "Expression.Error", message: fmt.Sprintf(format, args...), detail: null}
}

// failData makes a DataFormat.Error, for a value that cannot be converted.
func failData(format string, args ...any) *failure {
	return &failure{reason: "DataFormat.Error", message: fmt.Sprintf(format, args...), detail: null}
}

// with sets the detail.
func (f *failure) with(detail Value) *failure {
	f.detail = detail
	return f
}
