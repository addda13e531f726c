package logtest

import (
	"fmt"
	"slices"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

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
