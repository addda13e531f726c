package logtest

import (
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

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
