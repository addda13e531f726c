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
	hint    string     // what to do next, for the final report
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

// record is the error as `try` shows it.
func (f *failure) record() *record {
	format, params := Value(null), f.params
	if f.format != "" {
		format = text(f.format)
	}
	if params == nil {
		params = null
	}
	names := []string{"Reason", "Message", "Detail", "Message.Format", "Message.Parameters"}
	values := []Value{text(f.reason), text(f.message), f.detail, format, params}
	if f.code != "" {
		names, values = append(names, "ErrorCode"), append(values, text(f.code))
	}
	return newRecord(names, values)
}

// failureOf is the error that `error v` raises.
func failureOf(ev *evaluation, v Value) error {
	switch v := v.(type) {
	case text:
		return fail("%s", string(v))
	case nullKind:
		return fail("")
	case *record:
		f := fail("")
		for _, part := range []struct {
			name string
			to   *string
		}{{"Reason", &f.reason}, {"Message", &f.message}, {"Message.Format", &f.format}, {"ErrorCode", &f.code}} {
			field, ok, err := v.get(ev, part.name)
			if err != nil {
				return err
			}
			if !ok || field == Value(null) {
				continue
			}
			s, ok := field.(text)
			if !ok {
				return cannotConvert(field, "Text")
			}
			*part.to = string(s)
		}
		if detail, ok, err := v.get(ev, "Detail"); err != nil {
			return err
		} else if ok {
			f.detail = detail
		}
		params, ok, err := v.get(ev, "Message.Parameters")
		if err != nil {
			return err
		}
		if ok {
			f.params = params
		}
		return f
	}
	return cannotConvert(v, "Record")
}
