package logtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

func claimGrowsTheEpoch(t *testing.T, b *bench) {
	_, operation := b.submit(Sales, refresh.ViaEnhancedAPI)
	first, err := b.Claim(b.ctx, operation.ID, 0, "one", noon)
	b.must(err)
	if first.Epoch != 1 || first.Owner != "one" || !first.Heartbeat.Equal(noon) || first.State != refresh.Accepted {
		t.Fatalf("claimed: %+v", first)
	}
	_, err = b.Claim(b.ctx, operation.ID, 0, "two", noon)
	b.refused(err, refresh.CodeStale)
	second, err := b.Claim(b.ctx, operation.ID, 1, "two", noon.Add(time.Minute))
	b.must(err)
	if second.Epoch != 2 || second.Owner != "two" {
		t.Fatalf("claimed again: %+v", second)
	}
	_, err = b.Cancel(b.ctx, operation.ID, noon)
	b.must(err)
	_, err = b.Claim(b.ctx, operation.ID, 2, "three", noon)
	b.refused(err, refresh.CodeState)
}

// waitOutlivesItsOwner: what the first owner waited counts for the second one, the time between them does not; after a pause it begins anew.
func waitOutlivesItsOwner(t *testing.T, b *bench) {
	_, operation := b.submit(Sales, refresh.ViaEnhancedAPI)
	if !operation.WaitsSince.IsZero() {
		t.Fatalf("it waits since %s, and nobody waits for it", operation.WaitsSince)
	}
	claim := func(epoch int64, at time.Duration) refresh.Lease {
		t.Helper()
		_, err := b.Claim(b.ctx, operation.ID, epoch, "owner", noon.Add(at))
		b.must(err)
		return refresh.Lease{Operation: operation.ID, Epoch: epoch + 1}
	}
	since := func(want time.Duration) {
		t.Helper()
		if got := b.get(operation.ID).WaitsSince; !got.Equal(noon.Add(want)) {
			t.Fatalf("it waits since %s, not since %s", got, noon.Add(want))
		}
	}
	first := claim(0, time.Minute)
	since(time.Minute)
	_, err := b.Heartbeat(b.ctx, first, noon.Add(41*time.Minute), 0)
	b.must(err)
	second := claim(1, 101*time.Minute)
	since(61 * time.Minute) // 40 minutes before the second claim
	b.must(b.Transition(b.ctx, second, refresh.Transition{From: refresh.Accepted, To: refresh.Paused, At: noon.Add(2 * time.Hour)}))
	claim(2, 3*time.Hour)
	since(3 * time.Hour)
}

func oneOfManyClaimsWins(t *testing.T, b *bench) {
	_, operation := b.submit(Sales, refresh.ViaEnhancedAPI)
	won := make([]bool, 8)
	var group sync.WaitGroup
	for i := range won {
		group.Go(func() {
			_, err := b.Claim(b.ctx, operation.ID, 0, fmt.Sprint("owner ", i), noon)
			won[i] = err == nil
			if err != nil && fault.CodeOf(err) != refresh.CodeStale {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := count(won, true); n != 1 {
		t.Fatalf("%d of 8 claims won", n)
	}
}

func staleOwnerChangesNothing(t *testing.T, b *bench) {
	stale := b.running(Sales)
	b.planned(stale, "file-1")
	b.must(b.BeginAttempt(b.ctx, stale, refresh.Attempt{Number: 1, StartedAt: noon}))
	_, err := b.Claim(b.ctx, stale.Operation, stale.Epoch, "new owner", noon.Add(time.Hour))
	b.must(err)
	before, err := b.Steps(b.ctx, stale.Operation)
	b.must(err)
	operation := b.get(stale.Operation)

	message := []refresh.Message{{At: noon, Type: refresh.ErrorMessage, Text: "stale"}}
	writes := map[string]func() error{
		"Heartbeat": func() error { _, err := b.Heartbeat(b.ctx, stale, noon.Add(2*time.Hour), time.Hour); return err },
		"Transition": func() error {
			return b.Transition(b.ctx, stale, refresh.Transition{From: refresh.Running, To: refresh.Failed, At: noon, Messages: message})
		},
		"Plan": func() error { return b.Plan(b.ctx, stale, before, message) },
		"BeginAttempt": func() error {
			return b.BeginAttempt(b.ctx, stale, refresh.Attempt{Number: 2, StartedAt: noon})
		},
		"EndAttempt": func() error { return b.EndAttempt(b.ctx, stale, refresh.Attempt{Number: 1, EndedAt: noon}) },
		"PutStep": func() error {
			return b.PutStep(b.ctx, stale, refresh.StepPlanned, refresh.Step{Number: 2, State: refresh.StepRunning}, message)
		},
		"AddMessages": func() error { return b.AddMessages(b.ctx, stale, message) },
		"Commit": func() error {
			_, err := b.Commit(b.ctx, stale, refresh.Commit{From: refresh.Running, To: refresh.Running, At: noon, ModelRevision: 1, Base: 1, Steps: []int{1},
				Change: store.Change{Put: []store.Part{{Table: "Sales", Partition: "2024", State: store.NoData}}}})
			return err
		},
	}
	for name, write := range writes {
		if err := write(); fault.CodeOf(err) != refresh.CodeStale {
			t.Errorf("%s by a stale owner: %v", name, err)
		}
	}
	after, err := b.Steps(b.ctx, stale.Operation)
	b.must(err)
	equal(t, after, before)
	equal(t, b.get(stale.Operation), operation)
	messages, err := b.Messages(b.ctx, stale.Operation)
	b.must(err)
	equal(t, messages, nil)
	b.version(Sales, 1)
}

// everyTransition drives an operation to each state and tries every other state from there.
func everyTransition(t *testing.T, b *bench) {
	paths := map[refresh.State][]refresh.State{
		refresh.Accepted:   {},
		refresh.Running:    {refresh.Running},
		refresh.Backoff:    {refresh.Running, refresh.Backoff},
		refresh.Paused:     {refresh.Running, refresh.Paused},
		refresh.Committing: {refresh.Running, refresh.Committing},
		refresh.Cancelling: {refresh.Running, refresh.Cancelling},
		refresh.Failed:     {refresh.Running, refresh.Failed},
		refresh.TimedOut:   {refresh.Running, refresh.TimedOut},
		refresh.Completed:  {refresh.Running, refresh.Committing, refresh.Completed},
		refresh.Cancelled:  {refresh.Running, refresh.Cancelling, refresh.Cancelled},
	}
	for from, path := range paths {
		for _, to := range refresh.States() {
			if to == from {
				continue
			}
			_, operation := b.submit(Sales, refresh.ViaEnhancedAPI)
			claimed, err := b.Claim(b.ctx, operation.ID, 0, "owner", noon)
			b.must(err)
			lease := refresh.Lease{Operation: operation.ID, Epoch: claimed.Epoch}
			at := refresh.Accepted
			for _, next := range path {
				b.move(lease, at, next)
				at = next
			}
			err = b.Transition(b.ctx, lease, refresh.Transition{From: from, To: to, At: noon})
			if allowed := from.CanBecome(to); allowed && err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			} else if !allowed {
				b.refused(err, refresh.CodeState)
				b.state(operation.ID, from)
			}
			if _, err := b.Cancel(b.ctx, operation.ID, noon); err == nil && !b.get(operation.ID).State.Finished() {
				b.move(lease, refresh.Cancelling, refresh.Cancelled)
			}
		}
	}
}

func finalStateSettlesTheRest(t *testing.T, b *bench) {
	lease := b.running(Sales)
	b.planned(lease, "file-1")
	if started := b.get(lease.Operation).StartedAt; !started.Equal(noon.Add(time.Minute)) {
		t.Fatalf("started %s", started)
	}
	failure := &refresh.Failure{Code: "C", Message: "cannot load", Where: fault.Where{Table: "Sales", Partition: "2025", Column: "Amount", Row: 12}}
	message := refresh.Message{At: noon, Type: refresh.ErrorMessage, Code: "C", Text: "cannot load", Where: failure.Where}
	b.must(b.Transition(b.ctx, lease, refresh.Transition{From: refresh.Running, To: refresh.Failed, At: noon.Add(time.Hour), Failure: failure, Messages: []refresh.Message{message}}))
	operation := b.get(lease.Operation)
	if !operation.EndedAt.Equal(noon.Add(time.Hour)) || operation.State != refresh.Failed {
		t.Fatalf("ended: %+v", operation)
	}
	equal(t, operation.Failure, failure)
	steps, err := b.Steps(b.ctx, lease.Operation)
	b.must(err)
	if steps[0].State != refresh.StepFinished || steps[1].State != refresh.StepCancelled {
		t.Fatalf("steps: %s, %s", steps[0].State, steps[1].State)
	}
	messages, err := b.Messages(b.ctx, lease.Operation)
	b.must(err)
	equal(t, messages, []refresh.Message{message})
	b.version(Sales, 1)
	if outcome, _ := b.submit(Sales, refresh.ViaEnhancedAPI); outcome != refresh.OutcomeAccepted {
		t.Fatalf("after the end: %s", outcome)
	}
}

// R30
func cancel(t *testing.T, b *bench) {
	_, waiting := b.submit(Sales, refresh.ViaEnhancedAPI)
	operation, err := b.Cancel(b.ctx, waiting.ID, noon)
	b.must(err)
	if operation.State != refresh.Cancelled || !operation.EndedAt.Equal(noon) {
		t.Fatalf("waiting: %+v", operation)
	}
	_, err = b.Cancel(b.ctx, waiting.ID, noon)
	b.refused(err, refresh.CodeFinished)

	lease := b.running(Sales)
	for range 2 {
		operation, err = b.Cancel(b.ctx, lease.Operation, noon)
		b.must(err)
		if operation.State != refresh.Cancelling || !operation.EndedAt.IsZero() {
			t.Fatalf("running: %+v", operation)
		}
	}
	state, err := b.Heartbeat(b.ctx, lease, noon, 0)
	b.must(err)
	if state != refresh.Cancelling {
		t.Fatalf("the owner hears %s", state)
	}
	b.move(lease, refresh.Cancelling, refresh.Cancelled)

	// Nobody works on a paused one.
	lease = b.running(Sales)
	b.planned(lease, "file-1")
	b.must(b.BeginAttempt(b.ctx, lease, refresh.Attempt{Number: 1, StartedAt: noon}))
	_, err = b.Heartbeat(b.ctx, lease, noon, time.Minute)
	b.must(err)
	b.move(lease, refresh.Running, refresh.Paused)
	operation, err = b.Cancel(b.ctx, lease.Operation, noon.Add(time.Hour))
	b.must(err)
	if operation.State != refresh.Cancelled || !operation.EndedAt.Equal(noon.Add(time.Hour)) {
		t.Fatalf("paused: %+v", operation)
	}
	equal(t, operation.Attempts, []refresh.Attempt{{Number: 1, StartedAt: noon, EndedAt: noon.Add(time.Hour), Worked: time.Minute}})
	b.refused(b.Transition(b.ctx, lease, refresh.Transition{From: refresh.Paused, To: refresh.Running, At: noon}), refresh.CodeState)

	if _, err := b.Cancel(b.ctx, "0e000000-0000-4000-8000-999999999999", noon); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("unknown: %v", err)
	}
}
