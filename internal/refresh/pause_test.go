package refresh_test

import (
	"context"
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

// set pauses or resumes the bench's capacity and waits until everything rests.
func (b *bench) set(to capacity.State) refresh.CapacityState {
	b.t.Helper()
	state, err := b.SetCapacity(b.t.Context(), "default", to, "ana")
	if err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
	return state
}

// state is the operation's state now.
func (b *bench) state(id string) refresh.State {
	b.t.Helper()
	return b.detail(id).Operation.State
}

// free checks that no refresh holds anything of the capacity.
func (b *bench) free() {
	b.t.Helper()
	if usage := b.options.Capacities[0].Usage(); usage != (capacity.Usage{}) {
		b.t.Fatalf("usage %+v", usage)
	}
}

// slow2025 is a source whose partition 2025 takes an hour.
func slow2025(ctx context.Context, l refresh.Loading) (int64, error) {
	if l.Step.Partition == "2025" {
		return 5, after(ctx, time.Hour)
	}
	return 5, nil
}

// R34: a pause stops what runs at once and keeps what is finished; within 6 h the refresh goes on by itself from there, at 6 h it ends, also
// while still paused, and nobody needs to ask.
func TestR34Pause(t *testing.T) {
	for paused, end := range map[time.Duration]refresh.State{5*time.Hour + 59*time.Minute: refresh.Completed, 6*time.Hour + time.Minute: refresh.TimedOut} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2024", "2025"))
			stopped := make(chan time.Time, 2)
			b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
				if l.Step.Partition == "2024" {
					return 5, nil
				}
				err := after(ctx, time.Hour)
				stopped <- time.Now()
				return 5, err
			})
			operation := b.submit(full())
			time.Sleep(30 * time.Second)
			began := time.Now()
			if state := b.set(capacity.Paused); state.State != capacity.Paused || !state.Since.Equal(began) || state.By != "ana" || state.Stopping > 1 {
				t.Fatalf("paused: %+v", state)
			}
			want(t, (<-stopped).Sub(began), 0)
			b.free()
			detail := b.detail(operation.ID)
			status, extended := detail.Operation.State.Status()
			want(t, string(detail.Operation.State)+" "+status+" "+extended, "Paused Unknown InProgress")
			want(t, detail.Operation.Attempts[0].Worked, 30*time.Second)
			want(t, b.statuses(operation.ID), []string{"2024 Completed", "2025 NotStarted"})
			want(t, len(b.loaded()), 2)
			if last := detail.Messages[len(detail.Messages)-1]; last.Type != refresh.InfoMessage || last.Code != capacity.CodeNotActive || !strings.Contains(last.Text, "'default'") {
				t.Fatalf("message %+v", last)
			}

			time.Sleep(paused)
			if end == refresh.Completed {
				b.set(capacity.Active)
			}
			operation = b.ends(operation.ID, end)
			want(t, len(operation.Attempts), 1)
			if end == refresh.Completed {
				want(t, b.loaded(), []string{"2025"})
				want(t, operation.EndedAt.Sub(began), paused+time.Hour)
				want(t, operation.Attempts[0].Worked, time.Hour+30*time.Second)
				return
			}
			want(t, b.loaded(), []string(nil))
			if at := operation.EndedAt.Sub(began); at < 6*time.Hour || at > 6*time.Hour+10*time.Second {
				t.Fatalf("it timed out after %s", at)
			}
			want(t, operation.Failure.Code, refresh.CodeTimeout)
			for _, text := range []string{"its capacity was paused since 2000-01-01T00:00:30Z", "6 hours", "Send the request again"} {
				if !strings.Contains(operation.Failure.Message, text) {
					t.Errorf("%q lacks %q", operation.Failure.Message, text)
				}
			}
			b.wantStates(map[string]string{"2024": "NoData 0", "2025": "NoData 0"})
			b.set(capacity.Active)
			b.refresh(full(), refresh.Completed)
		})
	}
}

// R32, R34: paused time does not count toward the attempt's limit: 4 h of work, 5 h of pause and 30 min of work are no timeout of 5 h.
func TestR34PausedTimeIsNotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			return 1, after(ctx, map[string]time.Duration{"2024": 4 * time.Hour, "2025": 30 * time.Minute}[l.Step.Partition])
		})
		params := refresh.Params{Type: ptr("full"), MaxParallelism: ptr[int64](1)}
		operation := b.submit(params)
		time.Sleep(4*time.Hour + time.Second)
		b.set(capacity.Paused)
		time.Sleep(5 * time.Hour)
		b.set(capacity.Active)
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, operation.Attempts[0].Worked, 4*time.Hour+30*time.Minute+time.Second)
		want(t, b.loaded(), []string{"2024", "2025", "2025"})

		// What counts is counted over pauses.
		params.Timeout = ptr("04:20:00")
		operation = b.submit(params)
		time.Sleep(4*time.Hour + time.Second)
		b.set(capacity.Paused)
		time.Sleep(time.Hour)
		b.set(capacity.Active)
		operation = b.ends(operation.ID, refresh.TimedOut)
		want(t, operation.Attempts[0].Worked, 4*time.Hour+20*time.Minute)
	})
}

// R33: paused time counts toward the 24 hours, which end a refresh also while it is paused.
func TestR33PausedTimeIsPartOf24Hours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, 23*time.Hour) })
		operation := b.submit(refresh.Params{Type: ptr("full"), Timeout: ptr("23:59:59")})
		time.Sleep(20 * time.Hour)
		b.set(capacity.Paused)
		operation = b.ends(operation.ID, refresh.TimedOut)
		if took := operation.EndedAt.Sub(operation.AcceptedAt); took < 24*time.Hour || took > 24*time.Hour+10*time.Second {
			t.Fatalf("it took %s", took)
		}
		if !strings.Contains(operation.Failure.Message, "24:00:00") {
			t.Fatalf("failure %+v", operation.Failure)
		}
	})
}

// R34: while it waits for a place: that waiting stops too, and begins again.
func TestR34PauseOfAWaitingRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		release, err := b.options.Capacities[0].Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		operation := b.submit(full())
		time.Sleep(50 * time.Minute)
		b.set(capacity.Paused)
		want(t, b.state(operation.ID), refresh.Paused)
		time.Sleep(3 * time.Hour)
		b.set(capacity.Active)
		want(t, b.state(operation.ID), refresh.Accepted)
		time.Sleep(50 * time.Minute)
		release()
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, operation.StartedAt.Sub(operation.AcceptedAt), 4*time.Hour+40*time.Minute)
	})
}

// R34: between two attempts: it costs none.
func TestR34PauseBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.reads(fails2025Once)
		operation := b.submit(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1)})
		synctest.Wait()
		want(t, b.state(operation.ID), refresh.Backoff)
		b.loaded()
		b.set(capacity.Paused)
		want(t, b.state(operation.ID), refresh.Paused)
		time.Sleep(time.Hour)
		b.set(capacity.Active)
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, len(operation.Attempts), 2)
		want(t, b.loaded(), []string{"2025"})
	})
}

// R34: pausing a paused capacity changes nothing, not even since when; and a refresh survives many pauses, each with 6 h of its own.
func TestR34PauseTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025", "2026"))
		b.stop()
		b.options.KeepFinishedFor = 24 * time.Hour
		b.start()
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 5, after(ctx, time.Hour) })
		operation := b.submit(refresh.Params{Type: ptr("full"), MaxParallelism: ptr[int64](1)})
		for range 2 {
			time.Sleep(90 * time.Minute)
			first := b.set(capacity.Paused)
			time.Sleep(4 * time.Hour)
			if again := b.set(capacity.Paused); !again.Since.Equal(first.Since) {
				t.Fatalf("paused since %s, then since %s", first.Since, again.Since)
			}
			b.set(capacity.Active)
			b.set(capacity.Active)
		}
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, b.loaded(), []string{"2024", "2025", "2025", "2026", "2026"})
		want(t, len(operation.Attempts), 1)
	})
}

// between is a log that calls before a transition to a state and around the commit.
type between struct {
	refresh.Log
	to     refresh.State
	before func()
	commit func(write func())
	once   sync.Once
}

func (l *between) Transition(ctx context.Context, lease refresh.Lease, change refresh.Transition) error {
	if change.To == l.to {
		l.once.Do(l.before)
	}
	return l.Log.Transition(ctx, lease, change)
}

func (l *between) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (version int64, err error) {
	if l.commit == nil {
		return l.Log.Commit(ctx, lease, commit)
	}
	l.commit(func() { version, err = l.Log.Commit(ctx, lease, commit) })
	return version, err
}

// on starts the bench anew on another log.
func (b *bench) on(log refresh.Log) {
	b.stop()
	b.options.Log = log
	b.start()
}

// R34: a commit that is under way finishes: readers see all of it, and the refresh is Completed.
func TestR34PauseDuringTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.on(&between{Log: b.log, commit: func(write func()) {
			if _, err := b.SetCapacity(context.Background(), "default", capacity.Paused, "ana"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			write()
		}})
		b.refresh(full(), refresh.Completed)
		b.wantStates(map[string]string{"2024": "Ready 10", "2025": "Ready 10"})
		want(t, b.Capacities()[0].State, capacity.Paused)
	})
}

// R34: a refresh whose process was killed before its commit, on a capacity that is paused by then, commits after the resumption.
func TestR34PauseBeforeTheCommitOfAKilledProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024"))
		killed := make(chan struct{})
		b.on(&between{Log: b.log, commit: func(func()) { <-killed }})
		operation := b.submit(full())
		synctest.Wait()
		want(t, b.state(operation.ID), refresh.Committing)
		b.loaded()
		stopFirst := b.stop
		b.options.Capacities = onePlace(t)
		b.options.Log = b.log
		if _, err := b.options.Capacities[0].Set(t.Context(), capacity.Status{State: capacity.Paused, Since: time.Now(), By: "ana"}); err != nil {
			t.Fatal(err)
		}
		b.start()
		synctest.Wait()
		want(t, b.state(operation.ID), refresh.Paused)
		b.wantStates(map[string]string{"2024": "NoData 0"})
		close(killed)
		b.set(capacity.Active)
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, b.loaded(), []string(nil))
		want(t, operation.Epoch, int64(3)) // the killed owner, the one that paused it, the one that went on
		stopFirst()
	})
}

// R30: a paused refresh is cancelled at once: nobody works on it. Its queue goes on, when the capacity does.
func TestR30CancelOfAPausedRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.refresh(full(), refresh.Completed)
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) { return 3, after(ctx, time.Hour) })
		paused, queued := b.submit(refresh.Params{}), b.submit(refresh.Params{})
		time.Sleep(time.Minute)
		b.set(capacity.Paused)
		want(t, b.state(queued.ID), refresh.Queued)
		time.Sleep(time.Minute)
		if err := b.Cancel(t.Context(), modelID, paused.ID, refresh.AnyRefresh); err != nil {
			t.Fatal(err)
		}
		ended := b.detail(paused.ID).Operation
		if ended.State != refresh.Cancelled || !ended.EndedAt.Equal(time.Now()) || !ended.Attempts[0].EndedAt.Equal(time.Now()) || ended.Attempts[0].Worked != time.Minute {
			t.Fatalf("cancelled: %+v", ended)
		}
		want(t, b.statuses(paused.ID), []string{"2024 Cancelled", "2025 Cancelled"})
		refused(t, b.Cancel(t.Context(), modelID, paused.ID, refresh.AnyRefresh), fault.Conflict, refresh.CodeFinished)
		b.wantStates(map[string]string{"2024": "Ready 10", "2025": "Ready 10"})
		synctest.Wait()
		want(t, b.state(queued.ID), refresh.Paused)
		b.loaded()
		time.Sleep(time.Hour)
		b.set(capacity.Active)
		b.ends(queued.ID, refresh.Completed)
	})
}

// R30, R34: a cancel that comes while the pause is being stored wins, whichever state it finds.
func TestR30CancelAgainstPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 3, after(ctx, time.Hour) })
		var operation refresh.Operation
		b.on(&between{Log: b.log, to: refresh.Paused, before: func() {
			if err := b.Cancel(context.Background(), modelID, operation.ID, refresh.AnyRefresh); err != nil {
				t.Error(err)
			}
		}})
		operation = b.submit(full())
		synctest.Wait()
		b.set(capacity.Paused)
		b.ends(operation.ID, refresh.Cancelled)
		b.free()

		// And one that was asked to end before the pause ends.
		b.set(capacity.Active)
		operation = b.submit(full())
		synctest.Wait()
		if _, err := b.log.Cancel(t.Context(), operation.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		b.set(capacity.Paused)
		b.ends(operation.ID, refresh.Cancelled)
	})
}

// R34, F5: a restart while paused changes nothing: the pause lasts, the time down is part of its 6 hours.
func TestR34RestartWhilePaused(t *testing.T) {
	for total, end := range map[time.Duration]refresh.State{5*time.Hour + 59*time.Minute: refresh.Completed, 6*time.Hour + time.Minute: refresh.TimedOut} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2024", "2025"))
			b.reads(slow2025)
			operation := b.submit(full())
			synctest.Wait()
			b.set(capacity.Paused)
			time.Sleep(2 * time.Hour)
			b.loaded()
			b.restart(time.Hour)
			synctest.Wait()
			want(t, b.state(operation.ID), refresh.Paused)
			b.restart(total - 3*time.Hour)
			if end == refresh.Completed {
				b.set(capacity.Active)
			}
			operation = b.ends(operation.ID, end)
			want(t, len(operation.Attempts), 1)
			if end == refresh.Completed {
				want(t, b.loaded(), []string{"2025"})
			}
		})
	}
}

// R34, F5: a resumption soon after a restart is heeded at once, and not when the owner of before has been silent for long enough.
func TestR34ResumedSoonAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.reads(slow2025)
		operation := b.submit(full())
		synctest.Wait()
		b.set(capacity.Paused)
		b.loaded()
		b.restart(time.Second)
		synctest.Wait()
		want(t, b.state(operation.ID), refresh.Paused)
		b.set(capacity.Active)
		want(t, b.state(operation.ID), refresh.Running)
		b.ends(operation.ID, refresh.Completed)
		want(t, b.loaded(), []string{"2025"})
	})
}

// R34: killed between the pause of the capacity and that of the refresh: the next start finds it running on a paused capacity.
func TestR34KilledWhilePausing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.reads(slow2025)
		operation := b.submit(full())
		synctest.Wait()
		b.stop()
		b.loaded()
		if _, err := b.options.Capacities[0].Set(t.Context(), capacity.Status{State: capacity.Paused, Since: time.Now(), By: "ana"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Hour)
		b.start()
		synctest.Wait()
		want(t, b.state(operation.ID), refresh.Paused)
		want(t, b.statuses(operation.ID), []string{"2024 Completed", "2025 InProgress"})
		operation = b.ends(operation.ID, refresh.TimedOut)
		if at := operation.EndedAt.Sub(operation.AcceptedAt); at < 6*time.Hour || at > 6*time.Hour+10*time.Second {
			t.Fatalf("it timed out after %s: the claim of the restart is no sign of work", at)
		}
		want(t, b.loaded(), []string(nil))
	})
}

// R34: nothing new begins on a paused capacity, of any kind; a shared workspace is on none.
func TestR34NoNewRefreshOnAPausedCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.set(capacity.Paused)
		for _, wish := range []refresh.Submission{{Params: full()}, {}, {Trigger: refresh.OnDemand}} {
			wish.Model = modelID
			_, _, err := b.Submit(t.Context(), wish)
			refused(t, err, fault.Invalid, capacity.CodeNotActive)
			if text := err.Error(); !strings.Contains(text, "capacity 'default' is paused since 2000-01-01T00:00:00Z") || !strings.Contains(text, "freshet capacity resume default") {
				t.Fatalf("error %s", text)
			}
		}
		if history, err := b.History(t.Context(), modelID, 0); err != nil || len(history) != 0 {
			t.Fatalf("history %+v, %v", history, err)
		}
		_, err := b.SetCapacity(t.Context(), "defalt", capacity.Paused, "ana")
		refused(t, err, fault.NotFound, capacity.CodeUnknown)
		if !strings.Contains(err.Error(), "Did you mean 'default'?") {
			t.Fatalf("error %s", err)
		}
		if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 2, Model: sales("2025")}, store.Change{}); err != nil {
			t.Fatal(err)
		}
		b.refresh(refresh.Params{}, refresh.Completed)
	})
}
