package refresh_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// rollback asks for an earlier version, or with 0 for the one before.
func (b *bench) rollback(wish refresh.Rollback) (refresh.Operation, error) {
	b.t.Helper()
	operation, _, err := b.Submit(b.t.Context(), refresh.Submission{Model: modelID, Rollback: &wish, RequestedBy: "ana"})
	return operation, err
}

func (b *bench) rolledBack(wish refresh.Rollback) refresh.Operation {
	b.t.Helper()
	operation, err := b.rollback(wish)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.ends(operation.ID, refresh.Completed)
}

// gives makes every source give so many rows.
func (b *bench) gives(rows int64) {
	b.reads(func(context.Context, refresh.Loading) (int64, error) { return rows, nil })
}

// F7: a rollback commits a copy of an earlier version, with everything that belongs to it, as the next one, and is an operation of the history.
func TestF7Rollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, retail())
		b.gives(10)
		b.refresh(full(), refresh.Completed) // version 2
		good := b.version()
		good.Parts[0].Bookmark = "in place"
		good.Parts[0].Start, good.Parts[0].End = "2024-01-01", "2025-01-01"
		b.must(b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 1, Capacity: "default", Model: retail()},
			store.Change{Put: good.Parts[:1], Objects: []store.Object{{Table: "Sales", Column: "Margin", State: store.Ready}}})) // 3
		good = b.version()
		b.gives(99)
		b.refresh(full(), refresh.Completed) // 4
		b.loaded()

		operation := b.rolledBack(refresh.Rollback{})
		if operation.Trigger != refresh.OnDemand || operation.Version != 5 || operation.RequestedBy != "ana" || len(operation.Attempts) != 1 {
			t.Errorf("operation %+v", operation)
		}
		want(t, *operation.Request.Rollback, refresh.Rollback{Version: 3})
		want(t, b.loaded(), []string(nil))
		version := b.version()
		want(t, version.Number, 5)
		want(t, version.Operation, operation.ID)
		want(t, version.Parts, good.Parts)
		want(t, version.Objects, good.Objects)
		detail := b.detail(operation.ID)
		if len(detail.Objects) != 0 || len(detail.Messages) != 1 || detail.Messages[0].Type != refresh.InfoMessage ||
			!strings.HasPrefix(detail.Messages[0].Text, "Version 5 is a copy of version 3, committed at ") {
			t.Errorf("detail %+v", detail)
		}
		history, err := b.History(t.Context(), modelID, 1)
		if err != nil || history[0].ID != operation.ID {
			t.Errorf("history %+v, %v", history, err)
		}

		// Again: the one before is now what the rollback has undone.
		b.rolledBack(refresh.Rollback{})
		b.wantStates(map[string]string{"2024": "Ready 99", "2025": "Ready 99", "Live": "NoData 0", "Years": "CalculationNeeded 0", "Sales[Margin]": "CalculationNeeded"})
		b.rolledBack(refresh.Rollback{Version: 2})
		want(t, b.rows(), "2024:10 2025:10 Live:0 Years:0")
	})
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// F7: what cannot be gone back to is refused with the versions that there are; nothing is stored.
func TestF7RollbackRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		refusal := func(wish refresh.Rollback, texts ...string) {
			t.Helper()
			_, err := b.rollback(wish)
			refused(t, err, fault.Invalid, refresh.CodeVersion)
			for _, text := range texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q lacks %q", err, text)
				}
			}
		}
		refusal(refresh.Rollback{}, "no version before the current one is kept", "The versions of the model are 1 (current).")
		b.refresh(full(), refresh.Completed)
		b.refresh(full(), refresh.Completed)
		refusal(refresh.Rollback{Version: 3}, "to version 3: it is the current one", "3 (current), 2, 1.")
		refusal(refresh.Rollback{Version: 4}, "to version 4: it never was, or is not kept any more", "3 (current), 2, 1.")
		refusal(refresh.Rollback{Version: -1}, "it never was")
		b.deploy(sales("2025", "2026"), 2)
		refusal(refresh.Rollback{}, "to version 3: it belongs to revision 1 of the model's definition, and revision 2 is deployed", "--with-definition", `"withDefinition": true`)
		if _, _, err := b.Submit(t.Context(), refresh.Submission{Model: "unknown", Rollback: &refresh.Rollback{}}); fault.KindOf(err) != fault.NotFound {
			t.Errorf("an unknown model: %v", err)
		}
		history, err := b.History(t.Context(), modelID, 0)
		if err != nil || len(history) != 2 {
			t.Errorf("history %+v, %v", history, err)
		}
	})
}

// F7: with its definition, a version of an earlier revision comes back as a new revision, in the same commit.
func TestF7RollbackWithDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.refresh(full(), refresh.Completed)
		b.deploy(sales("2026"), 2)
		operation := b.rolledBack(refresh.Rollback{WithDefinition: true})
		want(t, b.version().ModelRevision, 3)
		want(t, b.rows(), "2025:10")
		definition, err := b.log.RefreshDefinition(t.Context(), modelID)
		b.must(err)
		want(t, definition.Revision, 3)
		if definition.Model.Tables[0].Partition("2025") == nil || definition.Model.Tables[0].Partition("2026") != nil {
			t.Errorf("the definition is not that of revision 1")
		}
		if text := b.detail(operation.ID).Messages[0].Text; !strings.HasSuffix(text, "; the definition of revision 1 was deployed again with it.") {
			t.Errorf("message %s", text)
		}
		// Where the definition is the deployed one, there is nothing to deploy.
		b.refresh(full(), refresh.Completed)
		b.rolledBack(refresh.Rollback{WithDefinition: true})
		want(t, b.version().ModelRevision, 3)
	})
}

// R6, R7: one at a time with refreshes, and the refusal names what runs.
func TestF7RollbackMeetsARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.refresh(full(), refresh.Completed)
		for _, params := range []refresh.Params{full(), {}} {
			b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 20, after(ctx, time.Hour) })
			running := b.submit(params)
			synctest.Wait()
			_, err := b.rollback(refresh.Rollback{})
			refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
			if !strings.Contains(err.Error(), running.ID) {
				t.Errorf("error %v", err)
			}
			b.ends(running.ID, refresh.Completed)
		}
	})
}

// F5: a rollback that was accepted before a crash goes on after it; one that had begun does, too, and a cancelled one changes nothing.
func TestF7RollbackAfterACrash(t *testing.T) {
	for _, state := range []refresh.State{refresh.Accepted, refresh.Running, refresh.Committing, refresh.Cancelling} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2025"))
			b.refresh(full(), refresh.Completed)
			b.gives(20)
			b.refresh(full(), refresh.Completed)
			b.stop()
			operation, err := b.rollback(refresh.Rollback{})
			b.must(err)
			if state != refresh.Accepted {
				claimed, err := b.log.Claim(t.Context(), operation.ID, 0, "gone", time.Now())
				b.must(err)
				lease := refresh.Lease{Operation: operation.ID, Epoch: claimed.Epoch}
				b.must(b.log.Transition(t.Context(), lease, refresh.Transition{From: refresh.Accepted, To: refresh.Running, At: time.Now()}))
				b.must(b.log.BeginAttempt(t.Context(), lease, refresh.Attempt{Number: 1, StartedAt: time.Now()}))
				if state != refresh.Running {
					b.must(b.log.Transition(t.Context(), lease, refresh.Transition{From: refresh.Running, To: state, At: time.Now()}))
				}
			}
			b.start()
			if state == refresh.Cancelling {
				b.ends(operation.ID, refresh.Cancelled)
				want(t, b.rows(), "2025:20")
				return
			}
			operation = b.ends(operation.ID, refresh.Completed)
			want(t, len(operation.Attempts), 1)
			want(t, b.version().Number, 4)
			want(t, b.rows(), "2025:10")
		})
	}
}

// begun is a log that calls after the beginning of the first attempt.
type begun struct {
	refresh.Log
	after func()
	once  sync.Once
}

func (l *begun) BeginAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	err := l.Log.BeginAttempt(ctx, lease, attempt)
	l.once.Do(l.after)
	return err
}

// F7, R34: a pause that comes in the middle of a rollback, before or after its attempt has begun, lets it rest with all rows of the present
// version; it goes on after the resumption, over a restart too, in the same attempt. One that comes when it commits is too late.
func TestF7PauseInTheMiddleOfARollback(t *testing.T) {
	for name, c := range map[string]struct {
		log   func(b *bench, pause func()) refresh.Log
		rests bool
	}{
		"before it runs": {func(b *bench, pause func()) refresh.Log {
			return &between{Log: b.log, to: refresh.Running, before: pause}
		}, true},
		"in its attempt": {func(b *bench, pause func()) refresh.Log { return &begun{Log: b.log, after: pause} }, true},
		"when it begins to commit": {func(b *bench, pause func()) refresh.Log {
			return &between{Log: b.log, to: refresh.Committing, before: pause}
		}, false},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", restarts ", restarts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, sales("2025"))
					b.gives(10)
					b.refresh(full(), refresh.Completed) // version 2
					b.gives(20)
					b.refresh(full(), refresh.Completed) // version 3
					b.loaded()
					b.on(c.log(b, func() {
						if _, err := b.SetCapacity(context.Background(), "default", capacity.Paused, "ana"); err != nil {
							t.Error(err)
						}
					}))
					operation, err := b.rollback(refresh.Rollback{})
					b.must(err)
					synctest.Wait()
					if c.rests {
						want(t, b.state(operation.ID), refresh.Paused)
						want(t, b.rows(), "2025:20")
						b.free()
					}
					time.Sleep(3 * time.Hour)
					if restarts {
						b.restart(2 * time.Hour)
						synctest.Wait()
					}
					if c.rests {
						want(t, b.state(operation.ID), refresh.Paused)
					}
					b.set(capacity.Active)
					operation = b.ends(operation.ID, refresh.Completed)
					want(t, len(operation.Attempts), 1)
					want(t, operation.Attempts[0].Worked, time.Duration(0))
					want(t, b.loaded(), []string(nil))
					want(t, b.version().Number, 4)
					want(t, b.rows(), "2025:10")
				})
			})
		}
	}
}

// F7, R34: a rollback whose capacity stays paused for 6 hours ends as a refresh does, and nothing has changed.
func TestF7RollbackPausedForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.refresh(full(), refresh.Completed)
		b.gives(20)
		b.refresh(full(), refresh.Completed)
		b.on(&begun{Log: b.log, after: func() {
			if _, err := b.SetCapacity(context.Background(), "default", capacity.Paused, "ana"); err != nil {
				t.Error(err)
			}
		}})
		operation, err := b.rollback(refresh.Rollback{})
		b.must(err)
		operation = b.ends(operation.ID, refresh.TimedOut)
		if at := operation.EndedAt.Sub(operation.AcceptedAt); at < 6*time.Hour || at > 6*time.Hour+10*time.Second {
			t.Errorf("it timed out after %s", at)
		}
		want(t, b.rows(), "2025:20")
	})
}

// F7: a version with a damaged file is not gone back to: the rollback fails once, names the place, and the rows stay.
func TestF7RollbackToADamagedVersion(t *testing.T) {
	m, sources, dir := csvSales(t, map[string]string{"2024": "Id,Day,Amount,Note\n1,2024-03-01,10.5,first\n"})
	p := newPlant(t, m, sources)
	p.run()
	p.refresh(full(), refresh.Completed)
	version, err := p.log.CurrentVersion(t.Context(), modelID)
	p.must(err)
	p.must(os.WriteFile(filepath.Join(dir, "2024.csv"), []byte("Id,Day,Amount,Note\n2,2024-03-01,10.5,second\n"), 0o600))
	p.refresh(full(), refresh.Completed)
	path := filepath.Join(p.dir, version.Parts[0].Files[0].ID+".parquet")
	content, err := os.ReadFile(path)
	p.must(err)
	content[len(content)/2] ^= 1
	p.must(os.Chmod(path, 0o600))
	p.must(os.WriteFile(path, content, 0o600))

	operation, _, err := p.Submit(t.Context(), refresh.Submission{Model: modelID, Rollback: &refresh.Rollback{}})
	p.must(err)
	operation, err = p.Wait(t.Context(), operation.ID)
	p.must(err)
	if operation.State != refresh.Failed || operation.Failure.Code != fault.CodeDamaged || operation.Failure.Where.Partition != "2024" {
		t.Fatalf("%s, %+v", operation.State, operation.Failure)
	}
	want(t, p.rows("Sales", "2024", "Id"), "2 \n")
}

// F7: guards, their warnings and rollbacks stay right when the catalog does not answer, or only its replies are lost.
func TestF7OverALogOutage(t *testing.T) {
	for _, lose := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("1", "2", "3"))
			guard := refresh.Guard{LeastShareOfRows: 0.9}
			b.guard(guard, nil, map[string]int64{"1": 100, "2": 100, "3": 100})
			b.refresh(full(), refresh.Completed) // version 2
			outage := func() {
				b.stop()
				b.options.Log = unsteady(b.log, lose)
				b.start()
			}
			b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
				return map[string]int64{"1": 80, "2": 120, "3": 70}[l.Step.Partition], nil
			})
			outage()
			b.refresh(refresh.Params{Type: ptr("full"), CommitMode: ptr("partialBatch"), MaxParallelism: ptr[int64](1)}, refresh.Completed)
			want(t, b.rows(), "1:80 2:120 3:70")
			want(t, b.version().Number, 5)

			b.gives(10)
			outage()
			forced, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Params: full(), Force: true})
			b.must(err)
			b.ends(forced.ID, refresh.Completed)
			want(t, len(b.detail(forced.ID).Messages), 1)
			outage()
			same := b.refresh(full(), refresh.Completed) // as many rows as before
			want(t, len(b.detail(same.ID).Messages), 0)
			b.gives(0)
			outage()
			b.refresh(full(), refresh.Failed)
			want(t, b.version().Number, 7)

			outage()
			operation := b.rolledBack(refresh.Rollback{Version: 2})
			want(t, operation.Version, 8)
			want(t, b.version().Number, 8)
			want(t, b.rows(), "1:100 2:100 3:100")
			want(t, len(b.detail(operation.ID).Messages), 1)
		})
	}
}
