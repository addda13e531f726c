package mashup

import (
	"context"
)

// evaluation is one call's way through values: what a function of this package takes in place of a context, and hands on. It lives as
// long as the call (planning, or reading rows) and is never kept by a value.
type evaluation struct {
	ctx     context.Context
	session *session
	depth   int
	ticks   uint
}

// poll tells whether the evaluation was cancelled. It is cheap enough for inner loops.
func (ev *evaluation) poll() error {
	ev.ticks++
	if ev.ticks%1024 != 0 {
		return nil
	}
	if ev.ctx.Err() != nil {
		return context.Cause(ev.ctx)
	}
	return nil
}

// code is a compiled expression.
type code func(ev *evaluation, env *scope) (Value, error)

// thunk is a value that is not computed yet. It is computed once; the next who asks gets the same value or the same error.
type thunk struct {
	compute func(ev *evaluation) (Value, error) // for a native thunk
	body    code                                // for an expression, with env
	env     *scope
	state   thunkState
	value   Value
	err     error
	name    string // of a document's member, for the message about a cycle
}

type thunkState uint8

const (
	thunkWaiting thunkState = iota
	thunkRunning
	thunkDone
)

func (*thunk) kind() kind { return kindThunk }

// lazy is a thunk around a Go function.
func lazy(compute func(ev *evaluation) (Value, error)) *thunk { return &thunk{compute: compute} }

// failed is a thunk that fails, which is what a cell with an error is.
func failed(err error) *thunk { return &thunk{state: thunkDone, err: err} }

// force returns the plain value that v stands for.
func force(ev *evaluation, v Value) (Value, error) {
	raw, err := forceRaw(ev, v)
	if err != nil {
		return nil, err
	}
	return plain(raw), nil
}

// forceRaw returns the value that v stands for, with its annotation.
func forceRaw(ev *evaluation, v Value) (Value, error) {
	t, ok := v.(*thunk)
	if !ok {
		return v, nil
	}
	return t.force(ev)
}

// maxDepth bounds how deep calls and lazy values nest, so that a recursion without end is an error of the language and never a full stack.
const maxDepth = 12000

func (ev *evaluation) enter() error {
	if ev.depth++; ev.depth > maxDepth {
		return fail("Evaluation resulted in a stack overflow and cannot continue.")
	}
	return ev.poll()
}

func (ev *evaluation) leave() { ev.depth-- }

func (t *thunk) force(ev *evaluation) (Value, error) {
	switch t.state {
	case thunkDone:
		return t.value, t.err
	case thunkRunning:
		return nil, ev.cycle(t)
	}
	if err := ev.enter(); err != nil {
		ev.leave()
		return nil, err
	}
	t.state = thunkRunning
	if t.name != "" {
		ev.session.running = append(ev.session.running, t.name)
	}
	value, err := t.run(ev)
	if t.name != "" {
		ev.session.running = ev.session.running[:len(ev.session.running)-1]
	}
	ev.leave()
	if err != nil && !raised(err) {
		t.state = thunkWaiting // cancelled or refused from outside: the next who asks tries again
		return nil, err
	}
	t.state, t.value, t.err = thunkDone, value, err
	t.compute, t.body, t.env = nil, nil, nil
	return value, err
}

func (t *thunk) run(ev *evaluation) (value Value, err error) {
	if t.compute != nil {
		value, err = t.compute(ev)
	} else {
		value, err = t.body(ev, t.env)
	}
	for err == nil {
		inner, ok := value.(*thunk)
		if !ok {
			break
		}
		value, err = inner.force(ev)
	}
	return value, err
}

// cycle is the error of a value that needs itself; it names the document's members on the way.
func (ev *evaluation) cycle(t *thunk) error {
	names := ev.session.running
	if t.name != "" {
		for i := len(names) - 1; i >= 0; i-- {
			if names[i] == t.name {
				names = names[i:]
				break
			}
		}
	}
	if len(names) == 0 {
		return fail("A cyclic reference was encountered during evaluation.")
	}
	path := ""
	for _, name := range names {
		path += name + " → "
	}
	return fail("A cyclic reference was encountered during evaluation: %s%s.", path, names[0])
}

// call applies a function to values, which may be annotated or thunks.
func (ev *evaluation) call(f *function, args ...Value) (Value, error) {
	return ev.apply(f, args)
}

// lookup returns what a name means in a scope, as it stands.
func (s *scope) lookup(ev *evaluation, name string) (Value, bool) {
	for ; s != nil; s = s.parent {
		for i, n := range s.names {
			if n == name {
				return s.values[i], true
			}
		}
	}
	return ev.session.global(name)
}
