// Package logtest is the conformance suite of refresh.Log, with an implementation in memory that the engine's own tests use.
package logtest

import (
	"context"
	"fmt"
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
