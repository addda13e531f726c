package catalog_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// BenchmarkCommit is one commit that replaces so many partitions.
func BenchmarkCommit(b *testing.B) {
	for _, partitions := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			ctx := context.Background()
			c := openWithWorkspace(b)
			definition := deployEmpty(b, c, 1, partitions)
			steps := make([]refresh.Step, partitions)
			numbers := make([]int, partitions)
			at := noon
			for b.Loop() {
				b.StopTimer()
				at = at.Add(time.Second)
				lease, base := running(b, c, definition.ID, at)
				var change store.Change
				for i := range steps {
					file := store.File{ID: fmt.Sprint("5b4f1d3e-0000-4000-8000-", base, "-", i), Rows: 1_000_000, Bytes: 1 << 20, SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
					steps[i] = refresh.Step{Number: i + 1, Kind: refresh.LoadStep, Table: "Sales", Partition: fmt.Sprint("p", i), State: refresh.StepFinished, File: file}
					numbers[i] = i + 1
					change.Put = append(change.Put, store.Part{Table: "Sales", Partition: fmt.Sprint("p", i), State: store.Ready, ReadAt: at, Fingerprint: "0123456789abcdef0123456789abcdef", Files: []store.File{file}})
				}
				if err := c.Plan(ctx, lease, steps, nil); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := c.Commit(ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: at, ModelRevision: 1, Base: base, Change: change, Steps: numbers}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSubmit is what a POST costs the catalog: 32 callers, each with a model of its own, submit and cancel.
func BenchmarkSubmit(b *testing.B) {
	ctx := context.Background()
	c := openWithWorkspace(b)
	const callers = 32
	for i := range callers {
		deployEmpty(b, c, i, 1)
	}
	var caller, ids atomic.Int64
	b.SetParallelism(callers) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		model := modelID(int(caller.Add(1)) % callers)
		for pb.Next() {
			id := fmt.Sprint("op-", ids.Add(1))
			outcome, _, err := c.Submit(ctx, refresh.Operation{ID: id, Model: model, ModelRevision: 1, Trigger: refresh.ViaEnhancedAPI, AcceptedAt: noon}, refresh.Quota{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			if outcome == refresh.OutcomeAccepted {
				if _, err := c.Cancel(ctx, id, noon); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkHistoryForget is the look of the sweeper, which finds nothing to delete, over a thousand models that have as much as is kept anyway.
func BenchmarkHistoryForget(b *testing.B) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "catalog.db")
	c := openAt(b, path)
	for i := range 1000 {
		deployEmpty(b, c, i, 1)
	}
	execRaw(b, path, `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
		INSERT INTO operations (id, model, model_revision, trigger_kind, request, requested_by, accepted_at, ended_at, state, epoch, owner, planned, version)
		SELECT items.id || i, items.id, 1, 'ViaApi', '{}', 'ana', i, i, 'Completed', 1, 'owner', 1, 0 FROM items, n`)
	for b.Loop() {
		if n, err := c.Forget(ctx, noon, 60, 50); err != nil || n != 0 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkHistory reads the newest entry of histories of three lengths (F12): the same time for each is what it must take.
func BenchmarkHistory(b *testing.B) {
	for _, length := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(length), func(b *testing.B) {
			ctx := context.Background()
			path := filepath.Join(b.TempDir(), "catalog.db")
			c := openAt(b, path)
			definition := deployEmpty(b, c, 1, 1)
			fillHistory(b, path, definition.ID, length)
			for b.Loop() {
				list, err := c.List(ctx, refresh.Filter{Model: definition.ID, Top: 1})
				if err != nil || len(list) != 1 || list[0].ID != fmt.Sprint("op-", length) || len(list[0].Attempts) != 1 {
					b.Fatal(list, err)
				}
			}
		})
	}
}
