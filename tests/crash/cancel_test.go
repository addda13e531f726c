package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

// R30: at each named point, and so in every state that an owner works in, a refresh is cancelled twice. A cancel that is taken ends it as
// Cancelled with all old rows, one that comes too late says so and changes nothing. Inside a transaction the cancel waits for its end: a race
// with the commit, which one of both wins.
func TestR30CancelAtEveryPoint(t *testing.T) {
	met := struct {
		sync.Mutex
		states map[refresh.State]bool
	}{states: map[refresh.State]bool{}}
	t.Cleanup(func() {
		for _, state := range []refresh.State{refresh.Accepted, refresh.Running, refresh.Backoff, refresh.Cancelling, refresh.Committing, refresh.Completed} {
			if !met.states[state] && !t.Skipped() {
				t.Errorf("no refresh was cancelled when it was %s", state)
			}
		}
	})
	turn := 0
	for _, p := range points {
		if p.name == "submit, before" {
			continue // there is nothing to cancel
		}
		if p.way == onFolder {
			continue // the refresh has ended
		}
		modes := []string{transactional, partialBatch}
		if p.impossible("cancel", transactional, first) != "" {
			modes = []string{allOrNothing, commitEach}
		}
		mode := modes[turn%2]
		if p.impossible("cancel", mode, first) != "" {
			mode = modes[1-turn%2]
		}
		turn++
		r := run{p.name, "cancel", mode, first, 1}
		t.Run(r.name(), func(t *testing.T) {
			t.Parallel()
			states := r.testCancel(t)
			met.Lock()
			defer met.Unlock()
			for _, state := range states {
				met.states[state] = true
			}
		})
	}
}

// cancelling is what two requests to cancel met.
type cancelling struct {
	states []refresh.State // before each
	errs   []error
}

// twice asks for the end of the first refresh, two times.
func (i *incarnation) twice() (c cancelling) {
	ctx := context.Background()
	for range 2 {
		operation, err := i.rows.Get(ctx, i.ids[0])
		if err != nil {
			return cancelling{errs: []error{err}}
		}
		c.states = append(c.states, operation.State)
		c.errs = append(c.errs, i.engine.Cancel(ctx, i.asked(0), i.ids[0], refresh.AnyRefresh))
	}
	return c
}

func (r run) testCancel(t *testing.T) []refresh.State {
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	s, err := openSite(r, t.TempDir(), nil)
	must(t, err)
	defer s.close()
	must(t, s.prepare(ctx))
	p, _ := pointNamed(r.Point)
	answered := make(chan cancelling, 1)
	at := s.trigger()
	var i *incarnation
	i, err = s.open("first", &at, func() error {
		if p.inTransaction() {
			go func() { answered <- i.twice() }()
		} else {
			answered <- i.twice()
		}
		return nil
	})
	must(t, err)
	defer i.stop()
	e, err := i.finish(ctx)
	must(t, err)
	c := <-answered
	for _, check := range checkers {
		if err := check.check(e); err != nil {
			t.Errorf("%s: %v", check.name, err)
		}
	}
	must(t, c.matches(e))
	return c.states
}

// matches compares what the requests were told with what became of the refresh.
func (c cancelling) matches(e *evidence) error {
	n := slices.IndexFunc(e.operations, func(o refresh.Operation) bool { return o.ID == e.ids[0] })
	if n < 0 || len(c.states) != 2 {
		return errors.Join(append(c.errs, errors.New("there was nothing to cancel"))...)
	}
	operation := e.operations[n]
	taken := c.errs[0] == nil
	if taken != (operation.State == refresh.Cancelled) {
		return fmt.Errorf("it was %s, the cancel said %v, and it ended as %s", c.states[0], c.errs[0], operation.State)
	}
	for _, err := range c.errs {
		if err != nil && fault.CodeOf(err) != refresh.CodeFinished {
			return fmt.Errorf("the cancel said %w", err)
		}
	}
	// The second one is answered like the first as long as the refresh is not finished.
	if finished := c.states[1].Finished(); finished && c.errs[1] == nil || !taken && c.errs[1] == nil {
		return fmt.Errorf("it was %s, and the second cancel said nothing", c.states[1])
	}
	for _, step := range e.steps[operation.ID] {
		if operation.State.Finished() && (step.State == refresh.StepPlanned || step.State == refresh.StepRunning) {
			return fmt.Errorf("step %d of a refresh that ended as %s is %s", step.Number, operation.State, step.State)
		}
	}
	return nil
}

// R30, R7: a queued refresh that is cancelled never starts, and the one before it goes on.
func TestR30CancelOfAQueuedRefresh(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	s, err := openSite(run{"queued promoted", "cancel", transactional, first, 1}, t.TempDir(), nil)
	must(t, err)
	defer s.close()
	must(t, s.prepare(ctx))
	var i *incarnation
	var answers []error
	i, err = s.open("first", &trigger{Point: "draft written", Nth: 1}, func() error {
		for range 2 {
			answers = append(answers, i.engine.Cancel(ctx, s.asked(1), s.ids[1], refresh.AnyRefresh))
		}
		return nil
	})
	must(t, err)
	defer i.stop()
	e, err := i.finish(ctx)
	must(t, err)
	for _, check := range checkers {
		if err := check.check(e); err != nil && check.name != "Completed means the rows of an independent recount" && check.name != "not Completed means the rows of before" {
			t.Errorf("%s: %v", check.name, err)
		}
	}
	must(t, sameRows(e.rows, e.want))
	if len(answers) != 2 || answers[0] != nil || fault.CodeOf(answers[1]) != refresh.CodeFinished {
		t.Errorf("the cancels said %v", answers)
	}
	for _, operation := range e.operations {
		switch operation.ID {
		case s.ids[0]:
			if operation.State != refresh.Completed {
				t.Errorf("the running one ended as %s", operation.State)
			}
		case s.ids[1]:
			if operation.State != refresh.Cancelled || !operation.StartedAt.IsZero() || operation.Epoch != 0 || len(operation.Attempts) != 0 || len(e.steps[operation.ID]) != 0 {
				t.Errorf("the queued one: %+v", operation)
			}
		}
	}
}
