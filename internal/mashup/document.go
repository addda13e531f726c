package mashup

import (
	"context"
	"time"
)

// Query is a named expression of a model: a parameter, a query or a function.
type Query struct{ Name, Text string }

// Document is the shared expressions of a model, parsed and resolved. It is immutable and may be used by several evaluations at once.
type Document struct {
	shared []sharedQuery
}

type sharedQuery struct {
	name string
	body code
}

// Env is what an evaluation may know of the world: M has no clock and no source but these.
type Env struct {
	Now     time.Time // what DateTime.LocalNow answers; its zone is the local one
	Culture string    // empty is en-US
}

// session is one evaluation of a document: its shared expressions are computed at most once.
type session struct {
	env     *Env
	doc     *Document
	shared  map[string]*thunk
	running []string // members being computed, outermost first
}

// newSession begins an evaluation of the document in which bound values replace the shared expressions of their name.
func newSession(doc *Document, env *Env, bind map[string]Value) *session {
	panic("not there yet")
}

// begin is an evaluation in this session under ctx.
func (s *session) begin(ctx context.Context) *evaluation {
	return &evaluation{ctx: ctx, session: s}
}

// evaluate parses, resolves and evaluates an expression in the session; in names it in errors.
func (s *session) evaluate(ctx context.Context, in, expression string) (Value, error) {
	panic("not there yet")
}

// global returns what a name means outside every scope: a shared expression, else the library's.
func (s *session) global(name string) (Value, bool) {
	if t, ok := s.shared[name]; ok {
		return t, true
	}
	return nil, false
}

func (ev *evaluation) apply(f *function, args []Value) (Value, error) {
	panic("not there yet")
}
