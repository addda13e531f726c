package logtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

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
