package mashup

import (
	"context"
	"fmt"
)

// evaluation is one call's way through values: what a function of this package takes in place of a context, and hands on. It lives as
// long as the call (planning, or reading rows) and is never kept by a value.
type evaluation struct {
	ctx     context.Context
	session *session
	depth   int
	ticks   uint
	site    *site // of the innermost call that runs
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
	weight  int
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

// maxFrames bounds how deep calls and lazy values nest, counted in Go frames (each body knows how many it may take), so that a recursion
// without end is an error of the language and never a full stack.
const (
	maxFrames    = 200_000
	forceFrames  = 4
	callFrames   = 4
	nativeFrames = 10
)

func (ev *evaluation) enter(frames int) error {
	if ev.depth += frames; ev.depth > maxFrames {
		return fail("Evaluation resulted in a stack overflow and cannot continue.")
	}
	return ev.poll()
}

func (ev *evaluation) leave(frames int) { ev.depth -= frames }

func (t *thunk) force(ev *evaluation) (Value, error) {
	switch t.state {
	case thunkDone:
		return t.value, t.err
	case thunkRunning:
		return nil, ev.cycle(t)
	}
	frames := forceFrames + t.weight
	if err := ev.enter(frames); err != nil {
		ev.leave(frames)
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
	ev.leave(frames)
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

// call applies a function to forced values.
func (ev *evaluation) call(f *function, args ...Value) (Value, error) {
	v, err := ev.apply(f, args)
	return plain(v), err
}

// apply applies a function to forced values, which may be annotated, and so may be the result. It may change args.
func (ev *evaluation) apply(f *function, args []Value) (Value, error) {
	params := f.typ.params
	if len(args) < f.typ.required || len(args) > len(params) {
		return nil, wrongArity(f, args)
	}
	for len(args) < len(params) {
		args = append(args, null)
	}
	for i, p := range params {
		if p.typ.of != kindAny && !p.typ.accepts(args[i]) {
			return nil, cannotConvert(args[i], p.typ.title())
		}
	}
	if f.native != nil {
		if !f.annotated {
			for i := range args {
				args[i] = plain(args[i])
			}
		}
		if !f.contents {
			for i, arg := range args {
				if file, ok := arg.(*contents); ok {
					data, err := file.read()
					if err != nil {
						return nil, err
					}
					args[i] = data
				}
			}
		}
		if f.nullFirst && plain(args[0]) == Value(null) {
			return null, nil
		}
		if err := ev.enter(nativeFrames); err != nil {
			ev.leave(nativeFrames)
			return nil, err
		}
		v, err := f.native(ev, args)
		ev.leave(nativeFrames)
		if err != nil {
			return nil, err
		}
		return forceRaw(ev, v)
	}
	c := f.closure
	frames := callFrames + c.weight
	if err := ev.enter(frames); err != nil {
		ev.leave(frames)
		return nil, err
	}
	v, err := c.body(ev, &scope{parent: f.env, names: c.names, values: args})
	ev.leave(frames)
	if err != nil {
		return nil, err
	}
	if r := f.typ.result; r.of != kindAny && !r.accepts(v) {
		return nil, placed(cannotConvert(v, r.title()), c.in, c.syntax.Body.Pos())
	}
	return v, nil
}

func wrongArity(f *function, args []Value) error {
	expects := fmt.Sprint(len(f.typ.params))
	if f.typ.required < len(f.typ.params) {
		expects = fmt.Sprintf("between %d and %d", f.typ.required, len(f.typ.params))
	}
	were := "arguments were"
	if len(args) == 1 {
		were = "argument was"
	}
	what := "a function"
	if f.name != "" {
		what = "the function " + f.name
	}
	return fail("%d %s passed to %s which expects %s.", len(args), were, what, expects).with(newList(args...))
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
