package mashup

import (
	"errors"
	"fmt"

	"freshet.dev/internal/mashup/syntax"
)

// failure is an error of the language: what `error` raises and `try` catches. Every other Go error (a cancelled context, a source that
// is not allowed or does not answer) passes through `try`, because no expression may hide it.
type failure struct {
	reason  string // "Expression.Error"; empty where a record without a reason was raised
	message string
	detail  Value  // null when there is none
	format  string // Message.Format, and its parameters, where the error record has them
	params  Value
	code    Value      // ErrorCode, nil when there is none
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
	return &failure{reason: codeExpression, message: fmt.Sprintf(format, args...), detail: null}
}

// failData makes a DataFormat.Error, for a value that cannot be converted.
func failData(format string, args ...any) *failure {
	return &failure{reason: codeDataFormat, message: fmt.Sprintf(format, args...), detail: null}
}

// with sets the detail.
func (f *failure) with(detail Value) *failure {
	f.detail = detail
	return f
}

// record is the error as `try` shows it.
func (f *failure) record() *record {
	reason, format, params, code := Value(null), Value(null), f.params, f.code
	if f.reason != "" {
		reason = text(f.reason)
	}
	if f.format != "" {
		format = text(f.format)
	}
	if params == nil {
		params = null
	}
	if code == nil {
		code = null
	}
	return newRecord([]string{"Reason", "Message", "Detail", "Message.Format", "Message.Parameters", "ErrorCode"},
		[]Value{reason, text(f.message), f.detail, format, params, code})
}

// formatted writes the message from its format and parameters, where the raised record has a format.
func (f *failure) formatted(ev *evaluation) error {
	if _, given := f.params.(*list); !given || f.format == "" {
		return f
	}
	message, err := textFormat(ev, []Value{text(f.format), f.params, null})
	if err != nil {
		return err
	}
	f.message = string(message.(text))
	return f
}

// failureOf is the error that `error v` raises.
func failureOf(ev *evaluation, v Value) error {
	switch v := v.(type) {
	case text:
		return fail("%s", string(v))
	case nullKind:
		return fail("")
	case *record:
		f := &failure{detail: null}
		for _, part := range []struct {
			name string
			to   *string
		}{{"Reason", &f.reason}, {"Message", &f.message}, {"Message.Format", &f.format}} {
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
		for _, part := range []struct {
			name string
			to   *Value
		}{{"Detail", &f.detail}, {"Message.Parameters", &f.params}, {"ErrorCode", &f.code}} {
			field, ok, err := v.get(ev, part.name)
			if err != nil {
				return err
			}
			if ok {
				*part.to = field
			}
		}
		return f.formatted(ev)
	}
	return cannotConvert(v, "Record")
}
