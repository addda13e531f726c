// Package logtest is the conformance suite of refresh.Log, with an implementation in memory that the engine's own tests use.
package logtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// Subject is a log under test with the models that its operations need.
type Subject interface {
	refresh.Log
	RefreshDefinition(ctx context.Context, model string) (refresh.Definition, error)
	CurrentVersion(ctx context.Context, model string) (store.Version, error)
	FilesInUse(ctx context.Context) ([]string, error)
	ForgetVersions(ctx context.Context, since time.Time, pinned []store.Pin) error
	// Deploy stores a model's definition as the given revision and makes a version by the change.
	Deploy(definition refresh.Definition, change store.Change) error
}

// The models of the suite.
const (
	Sales  = "5b4f1d3e-0000-4000-8000-000000000001"
	Budget = "5b4f1d3e-0000-4000-8000-000000000002"
	Found  = "5b4f1d3e-0000-4000-8000-000000000003" // a dataflow whose entity T has inferred columns
)

// Noon is the time at which the suite's operations are accepted.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Run runs the suite. open returns an empty log each time it is called.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	tests := []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"SubmitStoresEverything", submitStoresEverything},
		{"R6EnhancedMeetsUnfinished", enhancedMeetsUnfinished},
		{"R7StandardBehindStandard", standardBehindStandard},
		{"C1DataflowsNeverQueue", dataflowsNeverQueue},
		{"F14ChainIsStoredAsAWhole", chainIsStored},
		{"F14ChainCommitsAsAWhole", chainCommits},
		{"SubmitChecksTheModel", submitChecksTheModel},
		{"R6R7ManySubmitsAtOnce", manySubmitsAtOnce},
		{"R6R7MixedSubmitsAtOnce", mixedSubmitsAtOnce},
		{"R36Quota", quota},
		{"R36OneOfManyTakesTheLastOfTheQuota", lastOfTheQuota},
		{"ListNewestFirst", listNewestFirst},
		{"F12Forget", forget},
		{"ClaimGrowsTheEpoch", claimGrowsTheEpoch},
		{"R36TheWaitForAPlaceOutlivesItsOwner", waitOutlivesItsOwner},
		{"OneOfManyClaimsWins", oneOfManyClaimsWins},
		{"StaleOwnerChangesNothing", staleOwnerChangesNothing},
		{"EveryTransitionOfTheTableAndNoOther", everyTransition},
		{"FinalStateSettlesTheRest", finalStateSettlesTheRest},
		{"R30Cancel", cancel},
		{"PlanOnce", planOnce},
		{"StepsKeepEverything", stepsKeepEverything},
		{"Attempts", attempts},
		{"MessagesInOrder", messagesInOrder},
		{"CommitIsOneTransaction", commitIsOneTransaction},
		{"CommitRefusals", commitRefusals},
		{"R9PartialCommits", partialCommits},
		{"CommitOfNothing", commitOfNothing},
		{"R30CancelAgainstCommit", cancelAgainstCommit},
		{"FilesInUse", filesInUse},
		{"F7RollbackMeetsUnfinished", rollbackMeetsUnfinished},
		{"F7RollbackKeepsItsVersion", rollbackKeepsItsVersion},
		{"F7CommitOfAWholeVersion", commitOfAWholeVersion},
		{"C1CommitOfColumns", commitOfColumns},
		{"C1PinsKeepTheirVersion", pinsKeepTheirVersion},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{Subject: open(t), t: t, ctx: t.Context()}
			b.deploy(Sales, 1)
			b.deploy(Budget, 1)
			test.test(t, b)
		})
	}
}

// bench is a subject with what most tests do to it.
type bench struct {
	Subject
	t   *testing.T
	ctx context.Context
	ids int
}

func (b *bench) deploy(id string, revision int64) {
	b.t.Helper()
	sales := &model.Table{Name: "Sales", Columns: []*model.Column{{Name: "Amount", DataType: model.Decimal, SourceColumn: "Amount"}}}
	for _, partition := range []string{"2024", "2025"} {
		sales.Partitions = append(sales.Partitions, &model.Partition{Name: partition, Source: model.PartitionSource{Type: model.MPartition, Expression: "#table({\"Amount\"}, {})"}})
	}
	err := b.Deploy(refresh.Definition{
		ID: id, Name: "Model " + id[len(id)-1:], Revision: revision, Capacity: "default",
		Model: &model.Model{Name: "Model", CompatibilityLevel: 1567, Tables: []*model.Table{sales}},
	}, store.Change{Put: []store.Part{
		{Table: "Sales", Partition: "2024", State: store.NoData},
		{Table: "Sales", Partition: "2025", State: store.NoData},
	}})
	b.must(err)
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// refused checks that err is a Conflict with the code.
func (b *bench) refused(err error, code string) {
	b.t.Helper()
	if fault.KindOf(err) != fault.Conflict || fault.CodeOf(err) != code {
		b.t.Fatalf("error %v (%v, %q), want a Conflict with %q", err, fault.KindOf(err), fault.CodeOf(err), code)
	}
}

func (b *bench) operation(modelID string, trigger refresh.Trigger) refresh.Operation {
	b.ids++
	return refresh.Operation{
		ID: fmt.Sprintf("0e000000-0000-4000-8000-%012d", b.ids), Model: modelID, ModelRevision: 1, Trigger: trigger,
		Request: refresh.Request{
			Type: refresh.Full, CommitMode: refresh.Transactional, MaxParallelism: 3, RetryCount: 1,
			Objects:       []refresh.Object{{Table: "Sales"}, {Table: "Sales", Partition: "2025"}},
			EffectiveDate: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Timeout: 5 * time.Hour, Notify: "MailOnFailure",
		},
		RequestedBy: "ana", AcceptedAt: noon.Add(time.Duration(b.ids) * time.Second), State: refresh.Accepted,
	}
}

func (b *bench) submit(modelID string, trigger refresh.Trigger) (refresh.Outcome, refresh.Operation) {
	b.t.Helper()
	outcome, operation, err := b.Submit(b.ctx, b.operation(modelID, trigger), refresh.Quota{}, nil)
	b.must(err)
	return outcome, operation
}

// running submits, claims and starts an operation.
func (b *bench) running(modelID string) refresh.Lease {
	b.t.Helper()
	_, operation := b.submit(modelID, refresh.ViaEnhancedAPI)
	claimed, err := b.Claim(b.ctx, operation.ID, 0, "owner", noon)
	b.must(err)
	lease := refresh.Lease{Operation: claimed.ID, Epoch: claimed.Epoch}
	b.move(lease, refresh.Accepted, refresh.Running)
	return lease
}

func (b *bench) move(lease refresh.Lease, from, to refresh.State) {
	b.t.Helper()
	b.must(b.Transition(b.ctx, lease, refresh.Transition{From: from, To: to, At: noon.Add(time.Minute)}))
}

func (b *bench) get(id string) refresh.Operation {
	b.t.Helper()
	operation, err := b.Get(b.ctx, id)
	b.must(err)
	return operation
}

func (b *bench) state(id string, want refresh.State) {
	b.t.Helper()
	if got := b.get(id).State; got != want {
		b.t.Fatalf("refresh %s is %s, want %s", id, got, want)
	}
}

func (b *bench) version(modelID string, want int64) store.Version {
	b.t.Helper()
	version, err := b.CurrentVersion(b.ctx, modelID)
	b.must(err)
	if version.Number != want {
		b.t.Fatalf("current version %d, want %d", version.Number, want)
	}
	return version
}

// planned stores two load steps of which the first is finished with the named file.
func (b *bench) planned(lease refresh.Lease, file string) refresh.Step {
	b.t.Helper()
	b.must(b.Plan(b.ctx, lease, []refresh.Step{
		{Number: 1, Kind: refresh.LoadStep, Table: "Sales", Partition: "2024", State: refresh.StepPlanned},
		{Number: 2, Kind: refresh.LoadStep, Table: "Sales", Partition: "2025", State: refresh.StepPlanned},
	}, nil))
	return b.finish(lease, 1, "2024", file)
}

func (b *bench) finish(lease refresh.Lease, number int, partition, file string) refresh.Step {
	b.t.Helper()
	step := refresh.Step{
		Number: number, Kind: refresh.LoadStep, Table: "Sales", Partition: partition, State: refresh.StepFinished, Attempt: 1,
		StartedAt: noon, EndedAt: noon.Add(time.Second), ReadAt: noon.Add(time.Millisecond), Bookmark: "b", Fingerprint: "f",
		File: store.File{ID: file, Rows: 7, Bytes: 700, SHA256: "ab"},
	}
	b.must(b.PutStep(b.ctx, lease, refresh.StepPlanned, step, nil))
	return step
}

func part(step refresh.Step) store.Part {
	return store.Part{Table: step.Table, Partition: step.Partition, State: store.Ready, Files: []store.File{step.File},
		ReadAt: step.ReadAt, Bookmark: step.Bookmark, Fingerprint: step.Fingerprint}
}

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

// R24, R27
func listNewestFirst(t *testing.T, b *bench) {
	var ids []string
	for range 5 {
		_, operation := b.submit(Sales, refresh.ViaEnhancedAPI)
		_, err := b.Cancel(b.ctx, operation.ID, noon)
		b.must(err)
		ids = append([]string{operation.ID}, ids...)
	}
	_, other := b.submit(Budget, refresh.ViaAPI)
	list := func(filter refresh.Filter) []string {
		operations, err := b.List(b.ctx, filter)
		b.must(err)
		var got []string
		for _, operation := range operations {
			got = append(got, operation.ID)
		}
		return got
	}
	equal(t, list(refresh.Filter{Model: Sales}), ids)
	equal(t, list(refresh.Filter{Model: Sales, Top: 2}), ids[:2])
	equal(t, list(refresh.Filter{Top: 1}), []string{other.ID})
	equal(t, list(refresh.Filter{Trigger: refresh.ViaAPI}), []string{other.ID})
	equal(t, list(refresh.Filter{Model: Sales, Trigger: refresh.ViaAPI}), []string(nil))
	equal(t, list(refresh.Filter{Model: Sales, Trigger: refresh.ViaEnhancedAPI, Top: 1}), ids[:1])
	if all := list(refresh.Filter{}); len(all) != 6 {
		t.Fatalf("%d of all models", len(all))
	}
}

// F12: of each model the newest stay, and what is young, and what has not ended; a version goes on naming what made it.
func forget(t *testing.T, b *bench) {
	_, unfinished := b.submit(Budget, refresh.ViaAPI)
	ended := func(modelID string) string {
		_, operation := b.submit(modelID, refresh.ViaAPI)
		_, err := b.Cancel(b.ctx, operation.ID, noon)
		b.must(err)
		return operation.ID
	}
	budget := []string{ended(Budget), ended(Budget), ended(Budget), ended(Budget)} // each was queued
	lease := b.running(Sales)
	step := b.planned(lease, "file-1")
	b.must(b.BeginAttempt(b.ctx, lease, refresh.Attempt{Number: 1, StartedAt: noon}))
	b.must(b.AddMessages(b.ctx, lease, []refresh.Message{{At: noon, Type: refresh.WarningMessage, Text: "careful"}}))
	b.move(lease, refresh.Running, refresh.Committing)
	_, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1,
		Steps: []int{1}, Change: store.Change{Put: []store.Part{part(step)}}, Attempt: &refresh.Attempt{Number: 1, EndedAt: noon}})
	b.must(err)
	sales := []string{lease.Operation, ended(Sales), ended(Sales), ended(Sales), ended(Sales)}
	files, err := b.FilesInUse(b.ctx)
	b.must(err)

	before := b.get(sales[3]).AcceptedAt
	if n, err := b.Forget(b.ctx, before, 5, 100); err != nil || n != 0 {
		t.Fatalf("%d of the newest 5 were deleted, %v", n, err)
	}
	if n, err := b.Forget(b.ctx, noon, 1, 100); err != nil || n != 0 {
		t.Fatalf("%d young ones were deleted, %v", n, err)
	}
	total := 0
	for {
		n, err := b.Forget(b.ctx, before, 1, 2)
		b.must(err)
		if total += n; n == 0 {
			break
		}
		if n > 2 {
			t.Fatalf("%d at once", n)
		}
	}
	if want := 3 + 3; total != want { // of Budget all but the newest and the unfinished one, of Sales all that are old
		t.Fatalf("%d deleted, want %d", total, want)
	}
	for modelID, want := range map[string][]string{Sales: {sales[4], sales[3]}, Budget: {budget[3], unfinished.ID}} {
		list, err := b.List(b.ctx, refresh.Filter{Model: modelID})
		b.must(err)
		var got []string
		for _, operation := range list {
			got = append(got, operation.ID)
		}
		equal(t, got, want)
	}
	_, err1 := b.Get(b.ctx, lease.Operation)
	_, err2 := b.Steps(b.ctx, lease.Operation)
	_, err3 := b.Messages(b.ctx, lease.Operation)
	for _, err := range []error{err1, err2, err3} {
		if fault.KindOf(err) != fault.NotFound || fault.CodeOf(err) != refresh.CodeNotFound {
			t.Fatalf("a part of it is left: %v", err)
		}
	}
	if version := b.version(Sales, 2); version.Operation != lease.Operation {
		t.Fatalf("version: %+v", version)
	}
	after, err := b.FilesInUse(b.ctx)
	b.must(err)
	equal(t, after, files)
	_, next := b.submit(Sales, refresh.ViaEnhancedAPI)
	list, err := b.List(b.ctx, refresh.Filter{Model: Sales, Top: 1})
	b.must(err)
	if list[0].ID != next.ID || len(list[0].Attempts) != 0 {
		t.Fatalf("the next one took over what was left: %+v", list[0])
	}
}

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

func planOnce(t *testing.T, b *bench) {
	lease := b.running(Sales)
	if steps, err := b.Steps(b.ctx, lease.Operation); err != nil || len(steps) != 0 {
		t.Fatalf("before the plan: %v, %v", steps, err)
	}
	steps := []refresh.Step{
		{Number: 1, Kind: refresh.KeepStep, Table: "Sales", Partition: "2024", State: refresh.StepSkipped, Note: "ready"},
		{Number: 2, Kind: refresh.ClearStep, Table: "Sales", Partition: "2025", State: refresh.StepPlanned},
	}
	b.must(b.Plan(b.ctx, lease, steps, nil))
	b.refused(b.Plan(b.ctx, lease, steps[:1], nil), refresh.CodeState)
	got, err := b.Steps(b.ctx, lease.Operation)
	b.must(err)
	equal(t, got, steps)
}

func stepsKeepEverything(t *testing.T, b *bench) {
	lease := b.running(Sales)
	finished := b.planned(lease, "file-1")
	finished.Columns = []*model.Column{{Name: "Amount", Type: model.DataColumn, DataType: model.Decimal, SourceColumn: "Amount"}}
	b.must(b.PutStep(b.ctx, lease, refresh.StepFinished, finished, nil))
	failed := refresh.Step{
		Number: 2, Kind: refresh.LoadStep, Table: "Sales", Partition: "2025", Held: 12, State: refresh.StepFailed, Attempt: 1, StartedAt: noon, EndedAt: noon.Add(time.Second),
		Failure: &refresh.Failure{Code: "C", Message: "cannot", Where: fault.Where{Table: "Sales", Row: 3}},
	}
	failed.Start, failed.End, failed.Takes, failed.Known = "2025-01-01", "2026-01-01", []string{"2025Q1", "it's \"quoted\""}, "#datetime(2025, 3, 1)"
	message := refresh.Message{At: noon, Type: refresh.ErrorMessage, Code: "C", Text: "cannot"}
	b.must(b.PutStep(b.ctx, lease, refresh.StepPlanned, failed, []refresh.Message{message}))
	b.refused(b.PutStep(b.ctx, lease, refresh.StepPlanned, failed, []refresh.Message{message}), refresh.CodeState)
	got, err := b.Steps(b.ctx, lease.Operation)
	b.must(err)
	equal(t, got, []refresh.Step{finished, failed})
	messages, err := b.Messages(b.ctx, lease.Operation)
	b.must(err)
	equal(t, messages, []refresh.Message{message})
}

func attempts(t *testing.T, b *bench) {
	lease := b.running(Sales)
	first := refresh.Attempt{Number: 1, StartedAt: noon}
	b.must(b.BeginAttempt(b.ctx, lease, first))
	b.refused(b.BeginAttempt(b.ctx, lease, first), refresh.CodeState)
	_, err := b.Heartbeat(b.ctx, lease, noon.Add(time.Minute), 50*time.Second)
	b.must(err)
	operation := b.get(lease.Operation)
	if got := operation.Attempts[0].Worked; got != 50*time.Second || !operation.Heartbeat.Equal(noon.Add(time.Minute)) {
		t.Fatalf("worked %s, heartbeat %s", got, operation.Heartbeat)
	}
	first.EndedAt, first.Worked, first.Failure = noon.Add(4*time.Hour), 4*time.Hour, &refresh.Failure{Code: "C", Message: "cannot"}
	b.must(b.EndAttempt(b.ctx, lease, first))
	b.refused(b.EndAttempt(b.ctx, lease, first), refresh.CodeState)
	second := refresh.Attempt{Number: 2, StartedAt: noon.Add(5 * time.Hour)}
	b.must(b.BeginAttempt(b.ctx, lease, second))
	equal(t, b.get(lease.Operation).Attempts, []refresh.Attempt{first, second})
	list, err := b.List(b.ctx, refresh.Filter{Model: Sales, Top: 1})
	b.must(err)
	equal(t, list[0].Attempts, []refresh.Attempt{first, second})
}

func messagesInOrder(t *testing.T, b *bench) {
	lease := b.running(Sales)
	var want []refresh.Message
	for _, text := range []string{"c", "a", "b"} {
		message := refresh.Message{At: noon, Type: refresh.InfoMessage, Code: "X", Text: text, Where: fault.Where{Table: "Sales", Partition: "2024", Column: "Amount", Row: 4}}
		b.must(b.AddMessages(b.ctx, lease, []refresh.Message{message, message}))
		want = append(want, message, message)
	}
	got, err := b.Messages(b.ctx, lease.Operation)
	b.must(err)
	equal(t, got, want)
}

func commitIsOneTransaction(t *testing.T, b *bench) {
	lease := b.running(Sales)
	step := b.planned(lease, "file-1")
	b.must(b.BeginAttempt(b.ctx, lease, refresh.Attempt{Number: 1, StartedAt: noon}))
	b.move(lease, refresh.Running, refresh.Committing)
	message := refresh.Message{At: noon, Type: refresh.WarningMessage, Text: "calculated"}
	number, err := b.Commit(b.ctx, lease, refresh.Commit{
		From: refresh.Committing, To: refresh.Completed, At: noon.Add(time.Hour), ModelRevision: 1, Base: 1, Steps: []int{1},
		Change: store.Change{
			Put:     []store.Part{part(step), {Table: "New", Partition: "P", State: store.Ready, Files: []store.File{{ID: "file-2", Rows: 1, Bytes: 2, SHA256: "cd", Start: "2025-01-01", End: "2025-02-01"}, {ID: "file-3", Rows: 3, Bytes: 4, SHA256: "ef"}}}},
			Remove:  []store.Key{{Table: "Sales", Partition: "2025"}},
			Objects: []store.Object{{Table: "Sales", Column: "Margin", State: store.CalculationNeeded}},
		},
		Attempt: &refresh.Attempt{Number: 1, EndedAt: noon.Add(time.Hour), Worked: time.Hour}, Messages: []refresh.Message{message},
	})
	b.must(err)
	if number != 2 {
		t.Fatalf("version %d", number)
	}
	version := b.version(Sales, 2)
	if version.Operation != lease.Operation || !version.CommittedAt.Equal(noon.Add(time.Hour)) || version.ModelRevision != 1 || version.Model != Sales {
		t.Fatalf("version: %+v", version)
	}
	if len(version.Parts) != 2 || version.Part("Sales", "2025") != nil {
		t.Fatalf("parts: %+v", version.Parts)
	}
	equal(t, *version.Part("Sales", "2024"), part(step))
	if files := version.Part("New", "P").Files; len(files) != 2 || files[0].ID != "file-2" || files[1].ID != "file-3" {
		t.Fatalf("files: %+v", files)
	}
	equal(t, version.Objects, []store.Object{{Table: "Sales", Column: "Margin", State: store.CalculationNeeded}})
	operation := b.get(lease.Operation)
	if operation.State != refresh.Completed || operation.Version != 2 || !operation.EndedAt.Equal(noon.Add(time.Hour)) || operation.Failure != nil {
		t.Fatalf("operation: %+v", operation)
	}
	if operation.Attempts[0].Worked != time.Hour || operation.Attempts[0].EndedAt.IsZero() {
		t.Fatalf("attempt: %+v", operation.Attempts[0])
	}
	steps, err := b.Steps(b.ctx, lease.Operation)
	b.must(err)
	if steps[0].State != refresh.StepCommitted {
		t.Fatalf("step 1 is %s", steps[0].State)
	}
	b.version(Budget, 1)
}

func commitRefusals(t *testing.T, b *bench) {
	lease := b.running(Sales)
	step := b.planned(lease, "file-1")
	b.move(lease, refresh.Running, refresh.Committing)
	good := refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1, Steps: []int{1}, Change: store.Change{Put: []store.Part{part(step)}}}
	refused := func(code string, change func(*refresh.Commit)) {
		t.Helper()
		bad := good
		change(&bad)
		_, err := b.Commit(b.ctx, lease, bad)
		b.refused(err, code)
		b.version(Sales, 1)
		b.state(lease.Operation, refresh.Committing)
	}
	refused(refresh.CodeState, func(c *refresh.Commit) { c.From = refresh.Running })
	refused(refresh.CodeState, func(c *refresh.Commit) { c.Base = 0 })
	refused(refresh.CodeState, func(c *refresh.Commit) { c.Steps = []int{2} })
	refused(refresh.CodeRevision, func(c *refresh.Commit) { c.ModelRevision = 2 })
	_, err := b.Commit(b.ctx, lease, good)
	b.must(err)
	_, err = b.Commit(b.ctx, lease, good)
	b.refused(err, refresh.CodeState)
	b.version(Sales, 2)
}

// R9
func partialCommits(t *testing.T, b *bench) {
	lease := b.running(Sales)
	first := b.planned(lease, "file-1")
	commit := func(step refresh.Step, base int64) {
		t.Helper()
		_, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Running, To: refresh.Running, At: noon, ModelRevision: 1, Base: base, Steps: []int{step.Number}, Change: store.Change{Put: []store.Part{part(step)}}})
		b.must(err)
		b.state(lease.Operation, refresh.Running)
		if got := b.version(Sales, base+1).Part("Sales", step.Partition).State; got != store.Ready {
			t.Fatalf("%s is %s", step.Partition, got)
		}
	}
	commit(first, 1)
	commit(b.finish(lease, 2, "2025", "file-2"), 2)
	if version := b.get(lease.Operation).Version; version != 3 {
		t.Fatalf("version %d", version)
	}
}

func commitOfNothing(t *testing.T, b *bench) {
	lease := b.running(Sales)
	b.move(lease, refresh.Running, refresh.Committing)
	number, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1})
	b.must(err)
	if number != 1 {
		t.Fatalf("version %d", number)
	}
	b.version(Sales, 1)
	b.state(lease.Operation, refresh.Completed)
}

// R30: either Completed with all new, or Cancelled with all old.
func cancelAgainstCommit(t *testing.T, b *bench) {
	for range 20 {
		before, err := b.CurrentVersion(b.ctx, Sales)
		b.must(err)
		lease := b.running(Sales)
		step := b.planned(lease, "file-"+lease.Operation)
		b.move(lease, refresh.Running, refresh.Committing)
		var commitErr error
		var group sync.WaitGroup
		group.Go(func() {
			_, commitErr = b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: before.Number, Steps: []int{1}, Change: store.Change{Put: []store.Part{part(step)}}})
		})
		group.Go(func() { _, _ = b.Cancel(b.ctx, lease.Operation, noon) })
		group.Wait()
		switch state := b.get(lease.Operation).State; state {
		case refresh.Completed:
			b.must(commitErr)
			b.version(Sales, before.Number+1)
		case refresh.Cancelling:
			b.refused(commitErr, refresh.CodeState)
			b.version(Sales, before.Number)
			b.move(lease, refresh.Cancelling, refresh.Cancelled)
		default:
			t.Fatalf("state %s", state)
		}
	}
}

// threeVersions makes version 2 of Sales at 13:00 with file-1, 3 at 14:00 with file-2, and 4 at 15:00 with file-3.
func (b *bench) threeVersions() {
	b.t.Helper()
	for i := 1; i <= 3; i++ {
		lease := b.running(Sales)
		step := b.planned(lease, fmt.Sprint("file-", i))
		b.move(lease, refresh.Running, refresh.Committing)
		_, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon.Add(time.Duration(i) * time.Hour), ModelRevision: 1, Base: int64(i), Steps: []int{1}, Change: store.Change{Put: []store.Part{part(step)}}})
		b.must(err)
	}
}

// keeps forgets what nobody needs and checks which files are in use then.
func (b *bench) keeps(since time.Time, pinned []store.Pin, want ...string) {
	b.t.Helper()
	b.must(b.ForgetVersions(b.ctx, since, pinned))
	got, err := b.FilesInUse(b.ctx)
	b.must(err)
	slices.Sort(got)
	equal(b.t, slices.Compact(got), want)
}

func filesInUse(t *testing.T, b *bench) {
	b.threeVersions()
	unfinished := b.running(Sales)
	b.planned(unfinished, "file-4")
	failed := b.running(Budget)
	b.planned(failed, "file-5")
	b.move(failed, refresh.Running, refresh.Failed)

	b.keeps(noon.Add(90*time.Minute), nil, "file-1", "file-2", "file-3", "file-4")
	b.keeps(noon.Add(10*time.Hour), []store.Pin{{Model: Sales, Number: 2}}, "file-1", "file-2", "file-3", "file-4")
	b.keeps(noon.Add(10*time.Hour), nil, "file-2", "file-3", "file-4")
}

// rollback is an operation that goes back to a version.
func (b *bench) rollback(modelID string, version int64) refresh.Operation {
	operation := b.operation(modelID, refresh.OnDemand)
	operation.Request = refresh.Request{CommitMode: refresh.Transactional, Rollback: &refresh.Rollback{Version: version, WithDefinition: true}}
	return operation
}

// R6, R7: a rollback waits behind nothing, and nothing behind it.
func rollbackMeetsUnfinished(t *testing.T, b *bench) {
	_, running := b.submit(Sales, refresh.ViaAPI)
	outcome, inTheWay, err := b.Submit(b.ctx, b.rollback(Sales, 1), refresh.Quota{}, nil)
	b.must(err)
	if outcome != refresh.OutcomeConflict || inTheWay.ID != running.ID {
		t.Fatalf("behind a standard one: %s", outcome)
	}
	rollback := b.rollback(Budget, 1)
	outcome, stored, err := b.Submit(b.ctx, rollback, refresh.Quota{}, nil)
	b.must(err)
	if outcome != refresh.OutcomeAccepted {
		t.Fatalf("alone: %s", outcome)
	}
	equal(t, stored, rollback)
	equal(t, b.get(rollback.ID), rollback)
	for _, trigger := range []refresh.Trigger{refresh.ViaAPI, refresh.ViaEnhancedAPI} {
		if outcome, inTheWay := b.submit(Budget, trigger); outcome != refresh.OutcomeConflict || inTheWay.ID != rollback.ID {
			t.Fatalf("%s behind a rollback: %s", trigger, outcome)
		}
	}
}

// The version of a rollback must be there when it is accepted, and stays until it has ended.
func rollbackKeepsItsVersion(t *testing.T, b *bench) {
	b.threeVersions()
	_, _, err := b.Submit(b.ctx, b.rollback(Sales, 5), refresh.Quota{}, nil)
	if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != refresh.CodeVersion {
		t.Fatalf("of an unknown version: %v", err)
	}
	rollback := b.rollback(Sales, 2)
	_, _, err = b.Submit(b.ctx, rollback, refresh.Quota{}, nil)
	b.must(err)
	late := noon.Add(10 * time.Hour)
	b.keeps(late, nil, "file-1", "file-2", "file-3")
	_, err = b.Cancel(b.ctx, rollback.ID, noon)
	b.must(err)
	b.keeps(late, nil, "file-2", "file-3")
	_, _, err = b.Submit(b.ctx, b.rollback(Sales, 2), refresh.Quota{}, nil)
	if fault.CodeOf(err) != refresh.CodeVersion {
		t.Fatalf("of a version that is forgotten: %v", err)
	}
}

// C1: what an operation reads of another item is one version to its end, over a change of owners, and is kept that long.
func pinsKeepTheirVersion(t *testing.T, b *bench) {
	lease := b.running(Budget)
	b.threeVersions()
	_, err := b.Pin(b.ctx, lease, "5b4f1d3e-0000-4000-8000-00000000000f")
	if fault.KindOf(err) != fault.NotFound || fault.CodeOf(err) != refresh.CodeNotFound {
		t.Fatalf("of an unknown item: %v", err)
	}
	pinned, err := b.Pin(b.ctx, lease, Sales)
	b.must(err)
	read, err := b.CurrentVersion(b.ctx, Sales)
	b.must(err)
	if pinned != read.Number || pinned == 0 {
		t.Fatalf("pinned %d of %d", pinned, read.Number)
	}
	for revision := range int64(2) { // each takes the rows away
		definition, err := b.RefreshDefinition(b.ctx, Sales)
		b.must(err)
		definition.Revision = 2 + revision
		b.must(b.Deploy(definition, store.Change{Whole: true}))
	}
	claimed, err := b.Claim(b.ctx, lease.Operation, lease.Epoch, "another", noon)
	b.must(err)
	_, err = b.Pin(b.ctx, lease, Sales)
	b.refused(err, refresh.CodeStale)
	lease.Epoch = claimed.Epoch
	again, err := b.Pin(b.ctx, lease, Sales)
	b.must(err)
	if again != pinned {
		t.Fatalf("pinned %d, and then %d", pinned, again)
	}
	late := noon.Add(10 * time.Hour)
	b.keeps(late, nil, "file-3")
	_, err = b.Cancel(b.ctx, lease.Operation, noon)
	b.must(err)
	b.move(lease, refresh.Cancelling, refresh.Cancelled)
	b.keeps(late, nil)
}

// A commit of a whole version leaves nothing else; with a definition, that is the model's next revision.
// Columns that a load has found belong to the next revision, and so to the version that has the rows.
func commitOfColumns(t *testing.T, b *bench) {
	all := &model.Partition{Name: "FullRefreshPolicyPartition", Mode: "import", Source: model.PartitionSource{Type: model.MPartition, Expression: "#table({\"N\"}, {{1}})"}}
	b.must(b.Deploy(refresh.Definition{
		ID: Found, Name: "Found", Revision: 1, Capacity: "default", Dataflow: true,
		Model: &model.Model{Name: "Found", CompatibilityLevel: model.MaxLevel, Culture: "en-US", Tables: []*model.Table{{Name: "T", InferredColumns: true, Partitions: []*model.Partition{all}}}},
	}, store.Change{Put: []store.Part{{Table: "T", Partition: all.Name, State: store.NoData}}}))
	first, err := b.RefreshDefinition(b.ctx, Found)
	b.must(err)
	lease := b.running(Found)
	b.move(lease, refresh.Running, refresh.Committing)
	columns := []*model.Column{{Name: "N", Type: model.DataColumn, DataType: model.Int64, SourceColumn: "N"}}
	number, err := b.Commit(b.ctx, lease, refresh.Commit{
		From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1, Columns: []*model.Table{{Name: "T", Columns: columns}},
		Change: store.Change{Put: []store.Part{{Table: "T", Partition: all.Name, State: store.Ready, Files: []store.File{{ID: "f", Rows: 1, Bytes: 2, SHA256: "ab"}}}}},
	})
	b.must(err)
	if version := b.version(Found, number); number != 2 || version.ModelRevision != 2 {
		t.Fatalf("version %+v", version)
	}
	definition, err := b.RefreshDefinition(b.ctx, Found)
	b.must(err)
	first.Revision, first.Model = 2, first.Model.WithColumns([]*model.Table{{Name: "T", Columns: columns}})
	equal(t, definition, first)
	equal(t, definition.Model.Table("T").Columns, columns)

	// The same columns again make no revision.
	operation := b.operation(Found, refresh.ViaAPI)
	operation.ModelRevision = 2
	_, _, err = b.Submit(b.ctx, operation, refresh.Quota{}, nil)
	b.must(err)
	claimed, err := b.Claim(b.ctx, operation.ID, 0, "owner", noon)
	b.must(err)
	lease = refresh.Lease{Operation: claimed.ID, Epoch: claimed.Epoch}
	b.move(lease, refresh.Accepted, refresh.Running)
	b.move(lease, refresh.Running, refresh.Committing)
	_, err = b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 2, Base: 2,
		Change: store.Change{Put: []store.Part{{Table: "T", Partition: all.Name, State: store.NoData}}}})
	b.must(err)
	if version := b.version(Found, 3); version.ModelRevision != 2 {
		t.Fatalf("version %+v", version)
	}
}

func commitOfAWholeVersion(t *testing.T, b *bench) {
	first, err := b.RefreshDefinition(b.ctx, Sales)
	b.must(err)
	b.deploy(Sales, 2)
	operation := b.rollback(Sales, 1)
	operation.ModelRevision = 2
	_, _, err = b.Submit(b.ctx, operation, refresh.Quota{}, nil)
	b.must(err)
	claimed, err := b.Claim(b.ctx, operation.ID, 0, "owner", noon)
	b.must(err)
	lease := refresh.Lease{Operation: claimed.ID, Epoch: claimed.Epoch}
	b.move(lease, refresh.Accepted, refresh.Running)
	b.move(lease, refresh.Running, refresh.Committing)
	whole := store.Change{Whole: true,
		Put:     []store.Part{{Table: "Sales", Partition: "2023", State: store.Ready, Files: []store.File{{ID: "old", Rows: 1, Bytes: 2, SHA256: "ab"}}, Start: "2023-01-01", End: "2024-01-01", Bookmark: "b"}},
		Objects: []store.Object{{Table: "Sales", Column: "Margin", State: store.CalculationNeeded}},
	}
	number, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 2, Base: 2, Definition: 1, Change: whole})
	b.must(err)
	version := b.version(Sales, number)
	if number != 3 || version.ModelRevision != 3 || version.Operation != operation.ID {
		t.Fatalf("version %+v", version)
	}
	equal(t, version.Parts, whole.Put)
	equal(t, version.Objects, whole.Objects)
	definition, err := b.RefreshDefinition(b.ctx, Sales)
	b.must(err)
	first.Revision = 3
	equal(t, definition, first)

	// Nothing is left of what a later one does not name.
	lease = b.running(Budget)
	b.move(lease, refresh.Running, refresh.Committing)
	_, err = b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1, Change: store.Change{Whole: true}})
	b.must(err)
	if version := b.version(Budget, 2); len(version.Parts)+len(version.Objects) != 0 || version.ModelRevision != 1 {
		t.Fatalf("version %+v", version)
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

// chainOf are the operations of a chain: of Sales, and of Budget, which reads it.
func (b *bench) chainOf() (root, follower refresh.Operation) {
	root, follower = b.operation(Sales, refresh.ViaAPI), b.operation(Budget, refresh.ViaAPI)
	root.Request.Alone, follower.Request.Alone = true, true
	follower.AcceptedAt = root.AcceptedAt
	root.Request.Chain = &refresh.Chain{Root: root.ID}
	follower.Request.Chain = &refresh.Chain{Root: root.ID, After: []string{root.ID}}
	return root, follower
}

// F14: all operations of a chain are stored, or none; one waits behind an unfinished one of its model, and none behind one that waits.
func chainIsStored(t *testing.T, b *bench) {
	root, follower := b.chainOf()
	outcome, got, err := b.Submit(b.ctx, root, refresh.Quota{Since: noon, Most: 1}, nil, follower)
	b.must(err)
	if outcome != refresh.OutcomeAccepted {
		t.Fatalf("outcome %s", outcome)
	}
	equal(t, got, root)
	equal(t, b.get(follower.ID), follower)
	list, err := b.List(b.ctx, refresh.Filter{Chain: root.ID})
	b.must(err)
	equal(t, list, []refresh.Operation{follower, root})
	if list, err = b.List(b.ctx, refresh.Filter{Chain: follower.ID}); err != nil || len(list) != 0 {
		t.Fatalf("a chain of no root: %v, %v", list, err)
	}
	list, err = b.List(b.ctx, refresh.Filter{Asked: true})
	b.must(err)
	equal(t, list, []refresh.Operation{root})

	_, err = b.Cancel(b.ctx, root.ID, noon)
	b.must(err)
	second, behind := b.chainOf()
	outcome, _, err = b.Submit(b.ctx, second, refresh.Quota{}, nil, behind)
	b.must(err)
	if outcome != refresh.OutcomeAccepted {
		t.Fatalf("outcome %s", outcome)
	}
	b.state(behind.ID, refresh.Queued)
	_, err = b.Cancel(b.ctx, second.ID, noon)
	b.must(err)
	third, more := b.chainOf()
	outcome, inTheWay, err := b.Submit(b.ctx, third, refresh.Quota{}, nil, more)
	b.must(err)
	if outcome != refresh.OutcomeConflict || inTheWay.ID != behind.ID {
		t.Fatalf("behind one that waits: %s, %s", outcome, inTheWay.ID)
	}
	for _, id := range []string{third.ID, more.ID} {
		if _, err := b.Get(b.ctx, id); fault.KindOf(err) != fault.NotFound {
			t.Fatalf("%s was stored: %v", id, err)
		}
	}
	_, err = b.Cancel(b.ctx, follower.ID, noon)
	b.must(err)
	b.state(behind.ID, refresh.Accepted)
	_, err = b.Cancel(b.ctx, behind.ID, noon)
	b.must(err)

	fourth, stale := b.chainOf()
	stale.ModelRevision = 2
	_, _, err = b.Submit(b.ctx, fourth, refresh.Quota{}, nil, stale)
	b.refused(err, refresh.CodeRevision)
	if _, err := b.Get(b.ctx, fourth.ID); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("the root was stored: %v", err)
	}
	// What follows counts toward no quota of its model's own.
	outcome, _, err = b.Submit(b.ctx, b.operation(Budget, refresh.ViaAPI), refresh.Quota{Since: noon, Most: 1}, nil)
	b.must(err)
	if outcome != refresh.OutcomeAccepted {
		t.Fatalf("a follower counts toward the quota: %s", outcome)
	}
}

// F14: the commits of a chain are one: a member that is not as its commit says keeps all of them from it.
func chainCommits(t *testing.T, b *bench) {
	var parts []refresh.LeasedCommit
	for i, model := range []string{Sales, Budget} {
		lease := b.running(model)
		step := b.planned(lease, fmt.Sprint("file-", i))
		b.move(lease, refresh.Running, refresh.Committing)
		parts = append(parts, refresh.LeasedCommit{Lease: lease, Commit: refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1,
			Change: store.Change{Put: []store.Part{part(step)}}, Steps: []int{1}}})
	}
	wrong := slices.Clone(parts)
	wrong[1].Commit.Base = 2
	b.refused(b.CommitAll(b.ctx, wrong), refresh.CodeState)
	wrong = slices.Clone(parts)
	wrong[1].Lease.Epoch++
	b.refused(b.CommitAll(b.ctx, wrong), refresh.CodeStale)
	for _, part := range parts {
		b.state(part.Lease.Operation, refresh.Committing)
	}
	b.version(Sales, 1)
	b.version(Budget, 1)
	b.must(b.CommitAll(b.ctx, parts))
	for _, part := range parts {
		b.state(part.Lease.Operation, refresh.Completed)
	}
	b.version(Sales, 2)
	b.version(Budget, 2)
	b.refused(b.CommitAll(b.ctx, parts), refresh.CodeState)
}
