// Package mashup evaluates Power Query M and loads the tables that it gives.
//
// A [Document] is the shared expressions of a model or dataflow. They are compiled to closures (compile*.go, eval.go, operate.go) over lazy
// values (value.go, number.go, types.go); the library is a list of entries by family (lib_*.go), and what formats and parses depends on a culture.
// A table is not rows but a plan, a step over the steps before it (table.go, plan*.go).
//
// A [Relation] is such a plan before anything is read (relation.go). As much of it as keeps its result folds into one statement, of the source's
// SQL or of DuckDB (fold*.go, relation_fold.go); the rest is evaluated row by row (relation_rows.go), within the memory that its [Env] gives
// (memory.go), and what does not fit goes to the disk (spill.go, row_codec.go). Either way the values are converted to the columns that are loaded
// by the same rules. [Relation.Explain] tells which steps fold, and why another does not.
package mashup

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup/syntax"
	"freshet.dev/internal/source"
)

// sectionName is the section that a model's shared expressions stand in.
const sectionName = "Section1"

// Query is a named expression of a model: a parameter, a query or a function.
type Query struct{ Name, Text string }

// Document is the shared expressions of a model. It is immutable and may be used by several evaluations at once.
//
// A shared expression is parsed when an evaluation first reaches it: one that is broken, or that uses what Freshet does not know,
// fails what depends on it and nothing else.
type Document struct {
	shared  map[string]*sharedQuery
	names   []string // of shared, sorted
	sources map[string]StructuredSource
	library map[string]Value
}

type sharedQuery struct {
	name, text string
	once       sync.Once
	code       code
	weight     int
	err        error
}

// StructuredSource is a model's structured data source, which partitions may name: Source = #"SQL/server;db".
type StructuredSource struct {
	Protocol string            // "tds", "postgresql", "file"
	Address  map[string]string // "server", "database", "path"
}

// NewDocument makes a document of a model's shared expressions and structured data sources.
func NewDocument(shared []Query, sources map[string]StructuredSource) (*Document, error) {
	d := &Document{shared: make(map[string]*sharedQuery, len(shared)), sources: sources, library: library()}
	for _, q := range shared {
		if d.shared[q.Name] != nil {
			return nil, fault.New(fault.Invalid, codeExpression, "cannot use two expressions named '%s'", q.Name)
		}
		d.shared[q.Name] = &sharedQuery{name: q.Name, text: q.Text}
		d.names = append(d.names, q.Name)
	}
	for name := range sources {
		if d.shared[name] == nil {
			d.names = append(d.names, name)
		}
	}
	sort.Strings(d.names)
	return d, nil
}

// Env is what an evaluation may know of the world: M has no clock and no source but these.
type Env struct {
	Sources *source.Registry // nil: there are none
	Now     time.Time        // what DateTime.LocalNow answers; its zone is the local one
	Culture string           // empty is en-US

	// Dataflows lists the dataflows that may be read, those of one workspace together; nil: none may.
	Dataflows func(ctx context.Context) ([]Dataflow, error)

	Memory     int64                  // estimated bytes of the rows and lists that an evaluation may hold; 0 = 64 MiB
	MoreMemory func(bytes int64) bool // asks for more when that is not enough; nil: there is none
	DiskRoom   func() int64           // bytes that may be left on the disk now, 0 = any; nil: any
	TempDir    string                 // for the rows that are left on the disk, in files that vanish when they are closed; empty = the system's
}

// session is one evaluation of a document: its shared expressions are computed at most once.
type session struct {
	env     *Env
	doc     *Document
	shared  map[string]Value // thunks, and bound values
	running []string         // members being computed, outermost first
	random  uint64           // the state of Number.Random
	reading *reading         // what the tables share while they are read
	account *account         // of the memory that they take
}

// newSession begins an evaluation of the document in which bound values replace the shared expressions of their name.
func newSession(doc *Document, env *Env, bind map[string]Value) *session {
	s := &session{env: env, doc: doc, shared: make(map[string]Value, len(doc.names)), reading: newReading(env), account: newAccount(env)}
	for name, q := range doc.shared {
		s.shared[name] = &thunk{name: name, compute: func(ev *evaluation) (Value, error) {
			if err := q.compile(doc); err != nil {
				return nil, err
			}
			frames := forceFrames + q.weight
			defer ev.leave(frames)
			if err := ev.enter(frames); err != nil {
				return nil, err
			}
			return q.code(ev, nil)
		}}
	}
	for name, structured := range doc.sources {
		s.shared[name] = &thunk{name: name, compute: func(ev *evaluation) (Value, error) { return openStructured(ev, name, structured) }}
	}
	for name, v := range bind {
		s.shared[name] = v
	}
	return s
}

func (q *sharedQuery) compile(doc *Document) error {
	q.once.Do(func() { q.code, q.weight, q.err = compileText(doc, q.name, q.text) })
	return copied(q.err)
}

// copied gives every evaluation an error of its own, because errors of the language learn their place on the way.
func copied(err error) error {
	var f *failure
	if errors.As(err, &f) {
		own := *f
		return &own
	}
	return err
}

// compileText parses and resolves an expression in the document.
func compileText(doc *Document, in, expression string) (code, int, error) {
	x, err := syntax.ParseExpression(in, expression)
	if err != nil {
		return nil, 0, syntaxFailure(err)
	}
	return newCompiler(doc, in).body(x, nil)
}

func newCompiler(doc *Document, in string) *compiler {
	return &compiler{in: in, global: doc.global, known: doc.known}
}

// syntaxFailure makes an error of the parser one of the language, which Expression.Evaluate can catch.
func syntaxFailure(err error) error {
	var broken *syntax.Error
	if !errors.As(err, &broken) {
		return err
	}
	return &failure{reason: codeSyntax, detail: null, at: broken.At, in: broken.In, cause: err,
		message: fmt.Sprintf("found %s where %s is expected", broken.Found, broken.Expected)}
}

// begin is an evaluation in this session under ctx.
func (s *session) begin(ctx context.Context) *evaluation {
	return &evaluation{ctx: ctx, session: s}
}

// evaluate parses, resolves and evaluates an expression in the session; in names it in errors, which are as the language makes them:
// report makes the final ones.
func (s *session) evaluate(ctx context.Context, in, expression string) (Value, error) {
	run, weight, err := compileText(s.doc, in, expression)
	if err != nil {
		return nil, err
	}
	ev := s.begin(ctx)
	if err := ev.enter(weight); err != nil {
		return nil, err
	}
	v, err := run(ev, nil)
	if err != nil {
		return nil, err
	}
	return plain(v), nil
}

// global resolves a name outside every scope when an expression is compiled.
func (d *Document) global(name string) (code, bool) {
	_, shared := d.shared[name]
	_, structured := d.sources[name]
	switch {
	case shared || structured:
		return func(ev *evaluation, _ *scope) (Value, error) { return forceRaw(ev, ev.session.shared[name]) }, true
	case name == "#shared":
		return func(ev *evaluation, _ *scope) (Value, error) { return ev.session.environment(), nil }, true
	case name == "#sections":
		return func(ev *evaluation, _ *scope) (Value, error) {
			return newRecord([]string{sectionName}, []Value{ev.session.section()}), nil
		}, true
	}
	if v, ok := d.library[name]; ok {
		return constantCode(v), true
	}
	return nil, false
}

// known lists every global name.
func (d *Document) known() []string {
	all := append([]string(nil), d.names...)
	for name := range d.library {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}

// section is the document's members as a record.
func (s *session) section() *record {
	values := make([]Value, len(s.doc.names))
	for i, name := range s.doc.names {
		values[i] = s.shared[name]
	}
	return newRecord(s.doc.names, values)
}

// environment is #shared: the library and the document's members over it.
func (s *session) environment() *record {
	lib := s.doc.library
	names := make([]string, 0, len(lib))
	for name := range lib {
		names = append(names, name)
	}
	sort.Strings(names)
	values := make([]Value, len(names))
	for i, name := range names {
		values[i] = lib[name]
	}
	return mergeRecords(newRecord(names, values), s.section())
}

// global returns what a name means outside every scope: a shared expression, else the library's.
func (s *session) global(name string) (Value, bool) {
	if v, ok := s.shared[name]; ok {
		return v, true
	}
	v, ok := s.doc.library[name]
	return v, ok
}

// report makes the final error of an evaluation: what went wrong in the words of the language, in which query, line and column.
func report(err error) error {
	if err == nil {
		return nil
	}
	var broken *syntax.Error
	if errors.As(err, &broken) {
		return fault.New(fault.Invalid, codeSyntax, "%w", broken)
	}
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	if known := (*fault.Error)(nil); errors.As(f.cause, &known) {
		return f.cause
	}
	place := "the expression"
	if f.in != "" {
		place = "'" + f.in + "'"
	}
	if f.at != (syntax.Pos{}) {
		place += fmt.Sprintf(", line %d, column %d", f.at.Line, f.at.Column)
	}
	message := f.message
	switch f.detail.(type) {
	case text, number, logical, date, timeOfDay, datetime, datetimezone, duration:
		message = strings.TrimSuffix(message, ".") + ". Details: " + display(f.detail)
	}
	reason := f.reason
	if reason == "" {
		reason = codeExpression
	}
	code := reason
	switch reason {
	case codeExpression, codeDataFormat, codeSyntax:
	default:
		code = codeExpression // the author's own reason stands in the text
	}
	final := fault.New(fault.Invalid, code, "cannot evaluate %s: [%s] %s", place, reason, strings.TrimSuffix(message, "."))
	final.Hint, final.Err = f.hint, f.cause
	return final
}
