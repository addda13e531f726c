package connector

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// endpoint is what a statement can name in FROM: rows that a call of the service gives. The rows of an action change something, so it is called
// once for each place in a statement that names it.
type endpoint struct {
	schema     string // "": dbo
	name       string
	about      string
	action     bool
	parameters []argument
	columns    []field
	shape      func(*invocation) ([]field, error) // the columns, where parameters tell them
	call       func(context.Context, *invocation) ([]record, error)
}

// argument is a parameter of an endpoint.
type argument struct {
	name     string
	label    string // as forms show it; "" is the name
	also     string // another spelling
	kind     argumentKind
	required bool
	instead  string                           // the parameter that may stand in place of this one
	least    int64                            // of a countArgument
	initial  string                           // its value when it is not given; "": none
	words    []string                         // the values that it takes, if they are few
	check    func(text string) (takes string) // "" for a value that is taken, else what is; nil: any text is
	about    string
}

type argumentKind uint8

const (
	textArgument  argumentKind = iota
	boolArgument               // True, False, 1, 0, yes, no
	countArgument              // a whole number from least
)

func (k argumentKind) String() string { return [...]string{"text", "True or False", "number"}[k] }

// named tells whether a name, in any letter case, is the parameter's, its label or its other spelling.
func (a *argument) named(name string) bool {
	return strings.EqualFold(name, a.name) || a.label != "" && strings.EqualFold(name, a.label) || a.also != "" && strings.EqualFold(name, a.also)
}

// field is a column of an endpoint: its path finds the value in a record.
type field struct {
	name  string
	typ   Type
	path  string
	about string
}

// record is one row before its columns are taken out of it: what encoding/json decodes an object to, with numbers as json.Number.
type record map[string]any

func (e *endpoint) argument(name string) *argument {
	for i := range e.parameters {
		if e.parameters[i].named(name) {
			return &e.parameters[i]
		}
	}
	return nil
}

func (e *endpoint) field(name string) int {
	return slices.IndexFunc(e.columns, func(f field) bool { return strings.EqualFold(f.name, name) })
}

func (e *endpoint) parameterNames() []string {
	names := make([]string, len(e.parameters))
	for i, a := range e.parameters {
		names[i] = a.name
	}
	return names
}

// invocation is one place in a statement that names an endpoint, with the values of its parameters.
type invocation struct {
	endpoint *endpoint
	table    string // the temporary table of its rows
	text     string
	at       int
	values   map[string]string // by the parameter's name; without those that were not given
	fixed    map[string]bool   // those that stand in WITH
	list     []string          // of the parameter listed: a call for each, if there are several
	listed   *argument
	fields   []field
	skip     bool // the statement asks for no row of it, as tools do to learn the columns
	run      *run // set before the call
}

// value returns the value of a parameter, or its initial one; "" is none.
func (in *invocation) value(name string) string {
	if value, given := in.values[name]; given {
		return value
	}
	if a := in.endpoint.argument(name); a != nil {
		return a.initial
	}
	return ""
}

func (in *invocation) flag(name string) bool { return in.value(name) == "True" }

func (in *invocation) count(name string) int64 {
	n, _ := strconv.ParseInt(in.value(name), 10, 64) // checked when it was bound
	return n
}

func (in *invocation) fail(code, format string, args ...any) *Error {
	return fail(code, in.text, in.at, "cannot call "+in.endpoint.name+": "+format, args...)
}

// set checks and keeps the value of a parameter. Blanks at the end do not count, as in T-SQL: columns of char(n) have them. Integration Services writes a GUID
// in braces.
func (in *invocation) set(a *argument, at int, text string) error {
	text = strings.TrimRight(text, " ")
	if inner := strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}"); len(inner) == len(text)-2 && isGUID(inner) {
		text = inner
	}
	refuse := func(what string) error {
		return fail(codeParameter, in.text, at, "cannot use '%s' for the parameter %s of %s: it takes %s", shorten(text), a.name, in.endpoint.name, what)
	}
	switch {
	case a.kind == boolArgument:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "1", "yes":
			text = "True"
		case "false", "0", "no":
			text = "False"
		default:
			return refuse("True or False")
		}
	case a.kind == countArgument:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
		if err != nil || n < a.least {
			return refuse(fmt.Sprintf("a whole number from %d to 2147483647", a.least))
		}
		text = strconv.FormatInt(n, 10)
	case len(a.words) > 0:
		i := slices.IndexFunc(a.words, func(word string) bool { return strings.EqualFold(word, strings.TrimSpace(text)) })
		if i < 0 {
			return refuse(strings.Join(a.words, ", "))
		}
		text = a.words[i]
	case a.required && strings.TrimSpace(text) == "":
		return refuse("a text that is not empty")
	case a.check != nil && text != "":
		if takes := a.check(text); takes != "" {
			return refuse(takes)
		}
	}
	in.values[a.name] = text
	return nil
}

// complete refuses an invocation without its required parameters. rest is what else the statement says of the rows.
func (in *invocation) complete(rest []expression) error {
	if len(in.list) > 1 && in.values[parallel.name] == "" {
		return in.fail(codeParameter, "its parameter '@%s' must have one value, and this list has %d", in.listed.name, len(in.list)).
			hint("WITH (%s='4') makes a call for each, at most 4 at the same time; '1' makes one after the other.", parallel.name)
	}
	for _, a := range in.endpoint.parameters {
		if a.instead != "" && in.values[a.name] != "" && in.values[a.instead] != "" {
			return in.fail(codeParameter, "its parameters %s and %s are both given, and each says what is meant", a.name, a.instead).hint("Leave one out.")
		}
		if !a.required || in.values[a.name] != "" {
			continue
		}
		if a.instead != "" && in.values[a.instead] != "" {
			continue
		}
		for _, e := range rest {
			if at, found := mentions(e, &a); found {
				return fail(codeParameter, in.text, at, "cannot call %s: its parameter '@%s' must have one value, as %s = '…' joined to the other conditions with AND", in.endpoint.name, a.name, a.name).
					hint("INSERT INTO %s (%s) VALUES ('…'), ('…') makes a call for each row.", in.endpoint.name, a.name)
			}
		}
		e := in.fail(codeParameter, "it expects the parameter '@%s', which was not supplied", a.name)
		or := ""
		if a.instead != "" {
			or = " (or " + a.instead + ")"
		}
		return e.number(missingParameter).hint("Write WHERE %s = '…'%s, or WITH (%s='…'); its parameters: %s.", a.name, or, a.name, strings.Join(in.endpoint.parameterNames(), ", "))
	}
	return nil
}

// mentions finds a parameter where it is compared in a way that gives it no value.
func mentions(e expression, a *argument) (at int, found bool) {
	for _, c := range compared(e) {
		if a.named(c.name) {
			return c.at, true
		}
	}
	return 0, false
}

// compared are the names that a condition compares, apart from those within functions and subqueries.
func compared(e expression) []column {
	switch e := e.(type) {
	case column:
		return []column{e}
	case binary:
		return append(compared(e.left), compared(e.right)...)
	case unary:
		return compared(e.value)
	case inList:
		return compared(e.value)
	case between:
		return compared(e.value)
	case like:
		return compared(e.value)
	case isNull:
		return compared(e.value)
	}
	return nil
}
