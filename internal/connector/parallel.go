package connector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// listed takes Id IN ('a', 'b') where it stands for several calls of an action. It returns what remains of the condition, nil for nothing, and whether it took it.
func (b *binder) listed(condition expression, in *scope) (rest expression, taken bool, err error) {
	list, ok := condition.(inList)
	if !ok || list.not || list.query != nil {
		return nil, false, nil
	}
	named, ok := list.value.(column)
	if !ok {
		return nil, false, nil
	}
	for _, r := range in.relations {
		if r.call == nil || !r.call.endpoint.action || named.qualifier != "" && !strings.EqualFold(named.qualifier, r.name) {
			continue
		}
		a := r.call.endpoint.argument(named.name)
		if a == nil || !r.call.endpoint.identifies(a) || r.call.fixed[a.name] {
			continue
		}
		if other := otherColumn(in, r, &named); other != nil {
			return nil, false, b.ambiguous(&named, r, other)
		}
		values, err := b.valuesOf(r.call, a, list)
		if err != nil || values == nil {
			return nil, false, err
		}
		if r.call.values[a.name] != "" {
			return nil, false, b.fail(codeParameter, list.at, "cannot take two values for the parameter %s of %s in one call", a.name, r.call.endpoint.name)
		}
		if r.call.listed != nil && len(values)+len(r.call.list) > 2 {
			return nil, false, b.fail(codeParameter, list.at, "cannot take two lists of values for one place that names %s", r.call.endpoint.name)
		}
		r.call.list, r.call.listed, r.call.values[a.name] = values, a, values[0]
		if f := r.call.endpoint.field(named.name); f < 0 || b.describing {
			return nil, true, nil
		}
		kept := inList{at: list.at, value: call{at: named.at, function: "LOWER", args: []expression{column{named.at, r.name, named.name}}}}
		for _, value := range values {
			kept.list = append(kept.list, literalText{list.at, strings.ToLower(value)})
		}
		return kept, true, nil
	}
	return nil, false, nil
}

// identifies tells whether a parameter says what is acted upon.
func (e *endpoint) identifies(a *argument) bool {
	return a.required || slices.ContainsFunc(e.parameters, func(other argument) bool { return other.required && other.instead == a.name })
}

// valuesOf checks the values of a list, each of which counts once, in any letter case; nil where one is no constant.
func (b *binder) valuesOf(call *invocation, a *argument, list inList) ([]string, error) {
	var values []string
	probe := *call
	for _, e := range list.list {
		probe.values = map[string]string{}
		value, known, err := b.constant(e)
		switch {
		case err != nil || !known:
			return nil, err
		case b.describing && value == nil:
			values = append(values, "?")
			continue
		case value == nil: // equals nothing
			continue
		}
		if err := probe.set(a, e.position(), textOf(value)); err != nil {
			return nil, err
		}
		text := probe.values[a.name]
		if !slices.ContainsFunc(values, func(other string) bool { return strings.EqualFold(other, text) }) {
			values = append(values, text)
		}
	}
	return values, nil
}

// calls are an invocation's calls, one for each value of its list.
func (in *invocation) calls() []*invocation {
	calls := make([]*invocation, len(in.list))
	for i, value := range in.list {
		one := *in
		one.values = maps.Clone(in.values)
		one.values[in.listed.name] = value
		calls[i] = &one
	}
	return calls
}

// parallel is how many calls are made at the same time.
func (in *invocation) parallel() int { return int(max(in.count(parallel.name), 1)) }

// all makes calls, at most n at the same time, and returns the rows of each in their order. After one has failed no other is begun; those that are under way
// are waited for, so that nothing of the statement is at work when it has ended. what is a call in the statement: a row, a value.
func (r *run) all(ctx context.Context, calls []*invocation, n int, what string) ([][]record, error) {
	var (
		rows    = make([][]record, len(calls))
		errs    = make([]error, len(calls))
		places  = make(chan struct{}, n)
		failed  atomic.Bool
		waiting sync.WaitGroup
		begun   int
	)
	for i, call := range calls {
		places <- struct{}{}
		if failed.Load() {
			break
		}
		begun++
		waiting.Go(func() {
			defer func() { <-places }()
			if rows[i], errs[i] = r.call(ctx, call); errs[i] != nil {
				failed.Store(true)
				if n > 1 {
					r.tell(errs[i].Error())
				}
			}
		})
	}
	waiting.Wait()
	at := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if at < 0 {
		return rows, nil
	}
	bad := 0
	for _, err := range errs {
		if err != nil {
			bad++
		}
	}
	story := fmt.Sprintf("It is %s %d of %d: the calls for those before it were made", what, at+1, len(calls))
	if n > 1 {
		story = fmt.Sprintf("It is %s %d of %d: of the others %d succeeded, %d failed and %d were not begun", what, at+1, len(calls), begun-bad, bad-1, len(calls)-begun)
	}
	return nil, withStory(errs[at], len(calls), story)
}

// withStory tells with the error of one of several calls what became of the others.
func withStory(err error, calls int, story string) error {
	var e *Error
	if calls == 1 || !errors.As(err, &e) {
		return err
	}
	told, inner := *e, *e.Fault
	told.Fault = &inner
	return told.hint("%s", strings.TrimSpace(inner.Hint+" "+story+"."))
}
