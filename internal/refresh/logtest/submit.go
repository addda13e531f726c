package logtest

import (
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

func submitStoresEverything(t *testing.T, b *bench) {
	want := b.operation(Sales, refresh.ViaEnhancedAPI)
	warning := refresh.Message{At: noon, Type: refresh.WarningMessage, Code: refresh.CodeUnknownField, Text: "unknown"}
	outcome, got, err := b.Submit(b.ctx, want, refresh.Quota{}, []refresh.Message{warning})
	b.must(err)
	if outcome != refresh.OutcomeAccepted {
		t.Fatalf("outcome %s", outcome)
	}
	equal(t, got, want)
	equal(t, b.get(want.ID), want)
	messages, err := b.Messages(b.ctx, want.ID)
	b.must(err)
	equal(t, messages, []refresh.Message{warning})
	if _, err := b.Get(b.ctx, "0e000000-0000-4000-8000-999999999999"); fault.KindOf(err) != fault.NotFound || fault.CodeOf(err) != refresh.CodeNotFound {
		t.Fatalf("unknown id: %v", err)
	}
}

// R6
func enhancedMeetsUnfinished(t *testing.T, b *bench) {
	_, first := b.submit(Sales, refresh.ViaEnhancedAPI)
	for _, trigger := range []refresh.Trigger{refresh.ViaEnhancedAPI, refresh.ViaAPI, refresh.OnDemand, refresh.Scheduled} {
		outcome, running := b.submit(Sales, trigger)
		if outcome != refresh.OutcomeConflict || running.ID != first.ID {
			t.Fatalf("%s behind enhanced: %s, in the way is %s", trigger, outcome, running.ID)
		}
	}
	if outcome, _ := b.submit(Budget, refresh.ViaAPI); outcome != refresh.OutcomeAccepted {
		t.Fatalf("another model: %s", outcome)
	}
	if outcome, running := b.submit(Budget, refresh.ViaEnhancedAPI); outcome != refresh.OutcomeConflict || running.Model != Budget {
		t.Fatalf("enhanced behind standard: %s", outcome)
	}
	list, err := b.Unfinished(b.ctx)
	b.must(err)
	if len(list) != 2 {
		t.Fatalf("%d unfinished operations, want 2", len(list))
	}
}

// R7
func standardBehindStandard(t *testing.T, b *bench) {
	_, first := b.submit(Sales, refresh.ViaAPI)
	outcome, second := b.submit(Sales, refresh.OnDemand)
	if outcome != refresh.OutcomeQueued || second.State != refresh.Queued {
		t.Fatalf("second: %s, %s", outcome, second.State)
	}
	third := b.operation(Sales, refresh.ViaAPI)
	outcome, running, err := b.Submit(b.ctx, third, refresh.Quota{}, nil)
	b.must(err)
	if outcome != refresh.OutcomeDropped || running.ID != first.ID {
		t.Fatalf("third: %s", outcome)
	}
	if _, err := b.Get(b.ctx, third.ID); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("a dropped one was stored: %v", err)
	}
	if outcome, running := b.submit(Sales, refresh.ViaEnhancedAPI); outcome != refresh.OutcomeConflict || running.ID != first.ID { // R6
		t.Fatalf("enhanced behind a queue: %s, in the way is %s", outcome, running.ID)
	}
	if _, err := b.Claim(b.ctx, second.ID, 0, "owner", noon); err == nil {
		t.Fatal("a queued operation was claimed")
	}
	if _, err := b.Cancel(b.ctx, first.ID, noon); err != nil {
		t.Fatal(err)
	}
	b.state(second.ID, refresh.Accepted)
}

// C1: a refresh of a dataflow waits behind nothing, and nothing behind it, whatever started it.
func dataflowsNeverQueue(t *testing.T, b *bench) {
	alone := func(trigger refresh.Trigger) refresh.Operation {
		operation := b.operation(Sales, trigger)
		operation.Request.Alone = true
		return operation
	}
	first := alone(refresh.ViaAPI)
	outcome, stored, err := b.Submit(b.ctx, first, refresh.Quota{}, nil)
	b.must(err)
	if outcome != refresh.OutcomeAccepted {
		t.Fatalf("the first: %s", outcome)
	}
	equal(t, stored, first)
	equal(t, b.get(first.ID), first)
	for _, trigger := range []refresh.Trigger{refresh.ViaAPI, refresh.Scheduled, refresh.OnDemand} {
		if outcome, inTheWay, err := b.Submit(b.ctx, alone(trigger), refresh.Quota{}, nil); err != nil || outcome != refresh.OutcomeConflict || inTheWay.ID != first.ID {
			t.Fatalf("%s behind it: %s, %v", trigger, outcome, err)
		}
	}
}

func submitChecksTheModel(t *testing.T, b *bench) {
	unknown := b.operation("5b4f1d3e-0000-4000-8000-00000000000f", refresh.ViaAPI)
	if _, _, err := b.Submit(b.ctx, unknown, refresh.Quota{}, nil); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("unknown model: %v", err)
	}
	b.deploy(Sales, 2)
	_, _, err := b.Submit(b.ctx, b.operation(Sales, refresh.ViaAPI), refresh.Quota{}, nil)
	b.refused(err, refresh.CodeRevision)
}

// R6, R7: of 32 at once none is lost and none is there twice, whatever their kind.
func manySubmitsAtOnce(t *testing.T, b *bench) {
	const many = 32
	for _, kind := range []struct {
		model   string
		trigger refresh.Trigger
		want    map[refresh.Outcome]int
	}{
		{Sales, refresh.ViaEnhancedAPI, map[refresh.Outcome]int{refresh.OutcomeAccepted: 1, refresh.OutcomeConflict: many - 1}},
		{Budget, refresh.ViaAPI, map[refresh.Outcome]int{refresh.OutcomeAccepted: 1, refresh.OutcomeQueued: 1, refresh.OutcomeDropped: many - 2}},
	} {
		got := b.submitAtOnce(many, kind.model, kind.trigger, refresh.Quota{})
		equal(t, got, kind.want)
		list, err := b.List(b.ctx, refresh.Filter{Model: kind.model})
		b.must(err)
		if stored := got[refresh.OutcomeAccepted] + got[refresh.OutcomeQueued]; len(list) != stored {
			t.Fatalf("%s: %d stored, want %d", kind.trigger, len(list), stored)
		}
	}
}

// mixedSubmitsAtOnce: of 32 of both kinds, either one enhanced is stored and nothing else, or standard ones, one running and one queued.
func mixedSubmitsAtOnce(t *testing.T, b *bench) {
	for range 20 {
		got := b.submitAtOnce(32, Sales, "", refresh.Quota{})
		list, err := b.Unfinished(b.ctx)
		b.must(err)
		if list[0].Trigger == refresh.ViaEnhancedAPI {
			equal(t, got, map[refresh.Outcome]int{refresh.OutcomeAccepted: 1, refresh.OutcomeConflict: 31})
		} else {
			equal(t, got, map[refresh.Outcome]int{refresh.OutcomeAccepted: 1, refresh.OutcomeQueued: 1, refresh.OutcomeDropped: 14, refresh.OutcomeConflict: 16})
		}
		if stored := got[refresh.OutcomeAccepted] + got[refresh.OutcomeQueued]; len(list) != stored {
			t.Fatalf("%d are unfinished, %d were stored", len(list), stored)
		}
		for i := range list { // the queued one first, so that it does not start
			_, err := b.Cancel(b.ctx, list[len(list)-1-i].ID, noon)
			b.must(err)
		}
	}
}

// submitAtOnce submits so many operations at the same time, with trigger "" standard and enhanced ones in turn, and counts the outcomes.
func (b *bench) submitAtOnce(many int, modelID string, trigger refresh.Trigger, quota refresh.Quota) map[refresh.Outcome]int {
	outcomes := make([]refresh.Outcome, many)
	var group sync.WaitGroup
	for i := range outcomes {
		kind := trigger
		if kind == "" {
			kind = []refresh.Trigger{refresh.ViaAPI, refresh.ViaEnhancedAPI}[i%2]
		}
		operation := b.operation(modelID, kind)
		group.Go(func() {
			outcome, _, err := b.Submit(b.ctx, operation, quota, nil)
			if err != nil {
				b.t.Error(err)
			}
			outcomes[i] = outcome
		})
	}
	group.Wait()
	counts := map[refresh.Outcome]int{}
	for _, outcome := range outcomes {
		counts[outcome]++
	}
	return counts
}

// R36: what is stored counts, whatever became of it; what is on demand, of another model or of the day before does not.
func quota(t *testing.T, b *bench) {
	submit := func(modelID string, trigger refresh.Trigger, quota refresh.Quota) refresh.Outcome {
		t.Helper()
		outcome, operation, err := b.Submit(b.ctx, b.operation(modelID, trigger), quota, nil)
		b.must(err)
		if outcome == refresh.OutcomeAccepted {
			_, err = b.Cancel(b.ctx, operation.ID, noon)
			b.must(err)
		}
		return outcome
	}
	submit(Sales, refresh.ViaAPI, refresh.Quota{}) // the day before
	today := refresh.Quota{Since: noon.Add(time.Duration(b.ids+1) * time.Second), Most: 3}
	for _, trigger := range []refresh.Trigger{refresh.ViaAPI, refresh.Scheduled, refresh.OnDemand, refresh.ViaEnhancedAPI} {
		if outcome := submit(Sales, trigger, today); outcome != refresh.OutcomeAccepted {
			t.Fatalf("%s: %s", trigger, outcome)
		}
	}
	before, err := b.List(b.ctx, refresh.Filter{Model: Sales})
	b.must(err)
	for range 2 {
		if outcome := submit(Sales, refresh.ViaAPI, today); outcome != refresh.OutcomeOverQuota {
			t.Fatalf("the fourth: %s", outcome)
		}
	}
	after, err := b.List(b.ctx, refresh.Filter{Model: Sales})
	b.must(err)
	equal(t, after, before)
	if outcome := submit(Budget, refresh.ViaAPI, today); outcome != refresh.OutcomeAccepted {
		t.Fatalf("another model: %s", outcome)
	}
	if outcome := submit(Sales, refresh.OnDemand, refresh.Quota{}); outcome != refresh.OutcomeAccepted {
		t.Fatalf("without a quota: %s", outcome)
	}
	// The one that runs counts; one that would be dropped is told of the quota, since it would not be taken later today either.
	_, running := b.submit(Sales, refresh.OnDemand)
	_, queued := b.submit(Sales, refresh.OnDemand)
	if outcome := submit(Sales, refresh.ViaAPI, today); running.State != refresh.Accepted || queued.State != refresh.Queued || outcome != refresh.OutcomeOverQuota {
		t.Fatalf("behind a queue: %s", outcome)
	}
	tomorrow := refresh.Quota{Since: noon.Add(time.Hour), Most: 3}
	if outcome := submit(Sales, refresh.ViaEnhancedAPI, tomorrow); outcome != refresh.OutcomeConflict {
		t.Fatalf("what is in the way is said first: %s", outcome)
	}
}

// R36: the count and the insert are one transaction.
func lastOfTheQuota(t *testing.T, b *bench) {
	day := refresh.Quota{Since: noon, Most: 2}
	_, operation := b.submit(Sales, refresh.ViaAPI)
	equal(t, b.submitAtOnce(16, Sales, refresh.Scheduled, day), map[refresh.Outcome]int{refresh.OutcomeQueued: 1, refresh.OutcomeOverQuota: 15})
	_, err := b.Cancel(b.ctx, operation.ID, noon)
	b.must(err)
	list, err := b.List(b.ctx, refresh.Filter{Model: Sales})
	b.must(err)
	if len(list) != 2 {
		t.Fatalf("%d stored, want 2", len(list))
	}
}

func count[T comparable](list []T, value T) int {
	n := 0
	for _, item := range list {
		if item == value {
			n++
		}
	}
	return n
}
