// Package fault holds the kinds of errors that Freshet's rooms tell each other about.
//
// An error is asked about its behaviour (KindOf, CodeOf, Retryable), never matched as a string. The api room turns a kind into
// an HTTP status and a Power BI error body in one place. doc/errors.md, the catalogue of codes, is generated from their comments.
package fault

//go:generate go run ./catalogue .. ../../doc/errors.md

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says whose problem an error is and what a caller can do about it.
type Kind uint8

const (
	Internal    Kind = iota // a defect or a broken disk: nothing the caller can change
	Invalid                 // the request, the model, the expression or the data is wrong
	NotFound                // no such item, or none that this caller may see
	Conflict                // the item's present state does not allow it
	Denied                  // the caller, or the configuration, does not allow it
	Throttled               // too much at once: try again later
	Unavailable             // a source or a server does not answer: try again
)

var kindNames = [...]string{"Internal", "Invalid", "NotFound", "Conflict", "Denied", "Throttled", "Unavailable"}

func (k Kind) String() string { return kindNames[k] }

// Where names the place in a model at which data or an expression failed. Empty fields are unknown.
type Where struct {
	Table     string `json:"table,omitempty"`
	Partition string `json:"partition,omitempty"`
	Column    string `json:"column,omitempty"`
	Row       int64  `json:"row,omitempty"` // 1 is the first row that the partition's expression gives; 0 is unknown
}

func (w Where) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" '"+value+"'")
		}
	}
	add("table", w.Table)
	add("partition", w.Partition)
	add("column", w.Column)
	if w.Row > 0 {
		parts = append(parts, fmt.Sprintf("row %d", w.Row))
	}
	return strings.Join(parts, ", ")
}

// Error is an error with a kind, a code and what to do about it.
type Error struct {
	Kind       Kind
	Code       string // Power BI's own code where it has one ("InvalidRequest"), else one of doc/errors.md
	Message    string // begins with "cannot …"; never holds a secret
	Hint       string // the next step for the person who reads it; may be empty
	Where      Where
	RetryAfter time.Duration // for Throttled: how long to wait; 0 is unknown
	Err        error         // the upstream error whose text belongs to the message; may be nil
}

// New makes an error of a kind. A %w in the format keeps the upstream error for inspection.
func New(kind Kind, code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint sets what to do next and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

func (e *Error) Error() string {
	text := e.Message
	if where := e.Where.String(); where != "" {
		text += " (" + where + ")"
	}
	if e.Hint != "" {
		text += ". " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// At returns err with the fields of where that it does not know yet. An error of no kind becomes one of KindOf(err) with code.
func At(err error, code string, where Where) error {
	if err == nil {
		return nil
	}
	var known *Error
	if !errors.As(err, &known) {
		return &Error{Kind: KindOf(err), Code: code, Message: err.Error(), Where: where, Err: err}
	}
	located := *known
	if located.Where.Table == "" {
		located.Where.Table = where.Table
	}
	if located.Where.Partition == "" {
		located.Where.Partition = where.Partition
	}
	if located.Where.Column == "" {
		located.Where.Column = where.Column
	}
	if located.Where.Row == 0 {
		located.Where.Row = where.Row
	}
	return &located
}

// KindOf returns the kind of the first Error that err wraps; Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// CodeOf returns the code of the first Error that err wraps, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Retryable tells whether the same call may succeed later without a change by anybody. Cancellation is never retryable.
func Retryable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var answers interface{ Retryable() bool }
	if errors.As(err, &answers) {
		return answers.Retryable()
	}
	return false
}

// Retryable: see the function of that name.
func (e *Error) Retryable() bool { return e.Kind == Throttled || e.Kind == Unavailable }
