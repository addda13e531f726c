package refresh_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
)

// F5: after a restart the refresh goes on by itself, under a new epoch, from the last finished partition; a stop costs no attempt.
func TestF5Resume(t *testing.T) {
	for _, mode := range []string{"transactional", "partialBatch"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2024", "2025", "2026"))
			b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
				if l.Step.Partition == "2025" {
					return 5, after(ctx, time.Hour)
				}
				return 5, nil
			})
			operation := b.submit(refresh.Params{Type: ptr("full"), CommitMode: &mode, MaxParallelism: ptr[int64](1)})
			synctest.Wait()
			want(t, b.loaded(), []string{"2024", "2025"})
			b.restart(time.Minute)
			operation = b.ends(operation.ID, refresh.Completed)
			want(t, b.loaded(), []string{"2025", "2026"})
			want(t, fmt.Sprint(operation.Epoch, " ", len(operation.Attempts)), "2 1")
			b.wantStates(map[string]string{"2024": "Ready 5", "2025": "Ready 5", "2026": "Ready 5"})
			want(t, b.version().Number, map[string]int64{"transactional": 2, "partialBatch": 4}[mode])
		})
	}
}

// F5: within 2 s of the start, without a client.
func TestF5ResumesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 5, after(ctx, time.Hour) })
		operation := b.submit(full())
		synctest.Wait()
		b.loaded()
		b.stop()
		b.reads(func(context.Context, refresh.Loading) (int64, error) { return 5, nil })
		started := time.Now()
		b.start()
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, b.loaded(), []string{"2025"})
		if took := operation.EndedAt.Sub(started); took > 2*time.Second {
			t.Fatalf("took %s", took)
		}
	})
}

// R34: time down does not count toward the attempt's limit: 4 h of work, 5 h down and 30 min of work are no timeout.
func TestR34DownTimeIsNotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			return 1, after(ctx, map[string]time.Duration{"2024": 4 * time.Hour, "2025": 30 * time.Minute}[l.Step.Partition])
		})
		operation := b.submit(refresh.Params{Type: ptr("full"), MaxParallelism: ptr[int64](1)})
		time.Sleep(4*time.Hour + time.Second)
		b.restart(5 * time.Hour)
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, operation.Attempts[0].Worked, 4*time.Hour+30*time.Minute+time.Second)
		want(t, b.loaded(), []string{"2024", "2025", "2025"})

		// And what counts is counted over restarts.
		operation = b.submit(refresh.Params{Type: ptr("full"), MaxParallelism: ptr[int64](1), Timeout: ptr("04:20:00")})
		time.Sleep(4*time.Hour + time.Second)
		b.restart(time.Hour)
		operation = b.ends(operation.ID, refresh.TimedOut)
		want(t, operation.Attempts[0].Worked, 4*time.Hour+20*time.Minute)
	})
}

// R34: down for 5 h 59 it goes on, for more than 6 h it is timed out.
func TestR34DownForSixHours(t *testing.T) {
	for down, state := range map[time.Duration]refresh.State{5*time.Hour + 59*time.Minute: refresh.Completed, 6*time.Hour + time.Minute: refresh.TimedOut} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2025"))
			b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Minute) })
			operation := b.submit(full())
			synctest.Wait()
			b.restart(down)
			b.ends(operation.ID, state)
		})
	}
}

// fails2025Once is a source whose partition 2025 can be read by the second attempt.
func fails2025Once(_ context.Context, l refresh.Loading) (int64, error) {
	if l.Step.Partition == "2025" && l.Step.Attempt == 1 {
		return 0, errDown
	}
	return 5, nil
}

// A restart between two attempts costs none: the next one does what failed.
func TestF5ResumeBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.reads(fails2025Once)
		operation := b.submit(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1)})
		synctest.Wait()
		want(t, b.detail(operation.ID).Operation.State, refresh.Backoff)
		b.loaded()
		b.restart(time.Hour)
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, len(operation.Attempts), 2)
		want(t, b.loaded(), []string{"2025"})
	})
}

// A crash after the last attempt was ended, and before the operation was, does not give another attempt.
func TestR11CrashAfterTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.stop()
		crash := &crashing{Log: b.log}
		b.options.Log = crash
		b.start()
		b.reads(func(context.Context, refresh.Loading) (int64, error) { return 0, errDown })
		crash.at = b.stop
		operation := b.submit(full())
		synctest.Wait()
		want(t, b.detail(operation.ID).Operation.State, refresh.Running)
		b.loaded()
		b.options.Log = b.log
		b.start()
		operation = b.ends(operation.ID, refresh.Failed)
		want(t, len(operation.Attempts), 1)
		want(t, b.loaded(), []string(nil))
		if !strings.Contains(operation.Failure.Message, "connection refused") {
			t.Fatalf("failure %+v", operation.Failure)
		}
	})
}

// crashing is a log whose process stops when it is about to end an operation as Failed.
type crashing struct {
	refresh.Log
	at func()
}

func (c *crashing) Transition(ctx context.Context, lease refresh.Lease, change refresh.Transition) error {
	if change.To == refresh.Failed {
		go c.at()
		<-ctx.Done()
		return ctx.Err()
	}
	return c.Log.Transition(ctx, lease, change)
}

// A refresh that was asked to end while nobody worked on it ends at the next start.
func TestR30CancelWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		operation := b.submit(full())
		synctest.Wait()
		b.stop()
		if _, err := b.log.Cancel(t.Context(), operation.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		b.loaded()
		b.start()
		b.ends(operation.ID, refresh.Cancelled)
		want(t, b.loaded(), []string(nil))
	})
}

// An owner that was replaced writes nothing and stops, whatever it finishes.
func TestStaleOwnerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		operation := b.submit(full())
		synctest.Wait()
		stopFirst := b.stop
		b.options.Capacities = onePlace(t)
		b.start() // a second engine on the same log takes the refresh
		synctest.Wait()
		want(t, b.loaded(), []string{"2025", "2025"})
		operation = b.ends(operation.ID, refresh.Completed)
		want(t, operation.Epoch, int64(2))
		want(t, len(operation.Attempts), 1)
		want(t, b.version().Number, 2)
		want(t, b.loaded(), []string(nil))
		stopFirst()
	})
}

// hooked is a log whose writes by an owner go through call.
type hooked struct {
	refresh.Log
	call func(ctx context.Context, kind string, write func() error) error
}

var errLogDown = fault.New(fault.Unavailable, "CatalogUnavailable", "cannot write to the catalog: disk I/O error")

// unsteady is a log that does not answer at the first and third time of each kind of call: before a write, so that it did not happen, or after
// it, so that only the reply is lost.
func unsteady(log refresh.Log, lose bool) *hooked {
	var mu sync.Mutex
	calls := map[string]int{}
	return &hooked{Log: log, call: func(_ context.Context, kind string, write func() error) error {
		mu.Lock()
		calls[kind]++
		n := calls[kind]
		mu.Unlock()
		if n != 1 && n != 3 {
			return write()
		}
		if lose {
			if err := write(); err != nil {
				return err
			}
		}
		return errLogDown
	}}
}

func (u *hooked) Transition(ctx context.Context, lease refresh.Lease, change refresh.Transition) error {
	return u.call(ctx, "Transition", func() error { return u.Log.Transition(ctx, lease, change) })
}

func (u *hooked) Plan(ctx context.Context, lease refresh.Lease, steps []refresh.Step, messages []refresh.Message) error {
	return u.call(ctx, "Plan", func() error { return u.Log.Plan(ctx, lease, steps, messages) })
}

func (u *hooked) BeginAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	return u.call(ctx, "BeginAttempt", func() error { return u.Log.BeginAttempt(ctx, lease, attempt) })
}

func (u *hooked) EndAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	return u.call(ctx, "EndAttempt", func() error { return u.Log.EndAttempt(ctx, lease, attempt) })
}

func (u *hooked) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	return u.call(ctx, "PutStep", func() error { return u.Log.PutStep(ctx, lease, from, step, messages) })
}

func (u *hooked) AddMessages(ctx context.Context, lease refresh.Lease, messages []refresh.Message) error {
	return u.call(ctx, "AddMessages", func() error { return u.Log.AddMessages(ctx, lease, messages) })
}

func (u *hooked) Claim(ctx context.Context, id string, epoch int64, owner string, now time.Time) (operation refresh.Operation, err error) {
	err = u.call(ctx, "Claim", func() error {
		operation, err = u.Log.Claim(ctx, id, epoch, owner, now)
		return err
	})
	return operation, err
}

func (u *hooked) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (version int64, err error) {
	err = u.call(ctx, "Commit", func() error {
		version, err = u.Log.Commit(ctx, lease, commit)
		return err
	})
	return version, err
}

func (u *hooked) CommitAll(ctx context.Context, commits []refresh.LeasedCommit) error {
	return u.call(ctx, "CommitAll", func() error { return u.Log.CommitAll(ctx, commits) })
}

// crashAt puts a log under the bench's next engine whose process stops at its n-th write, before it or (later) after it. crashed tells whether it came to that.
func (b *bench) crashAt(n int, later bool) (crashed func() bool) {
	writes := 0 // guarded by b.mu
	b.options.Log = &hooked{Log: b.log, call: func(ctx context.Context, _ string, write func() error) error {
		b.mu.Lock()
		writes++
		hit := writes == n
		b.mu.Unlock()
		if !hit {
			return write()
		}
		if later {
			if err := write(); err != nil {
				return err
			}
		}
		go b.stop()
		<-ctx.Done()
		return ctx.Err()
	}}
	return func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return writes >= n
	}
}

// A catalog that is away for a while, or whose replies are lost, costs no operation and doubles nothing.
func TestLogOutage(t *testing.T) {
	for _, lose := range []bool{false, true} {
		for _, mode := range []string{"transactional", "partialBatch"} {
			t.Run(fmt.Sprint("lose=", lose, " ", mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, sales("2024", "2025"))
					b.stop()
					b.options.Log = unsteady(b.log, lose)
					b.start()
					b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
						if l.Step.Partition == "2025" && l.Step.Attempt == 1 {
							return 0, errDown
						}
						return 5, nil
					})
					operation := b.refresh(refresh.Params{Type: ptr("full"), CommitMode: &mode, RetryCount: ptr[int64](1)}, refresh.Completed)
					want(t, len(operation.Attempts), 2)
					loads := b.loaded()
					slices.Sort(loads)
					want(t, loads, []string{"2024", "2025", "2025"})
					want(t, b.version().Number, map[string]int64{"transactional": 2, "partialBatch": 3}[mode])
					b.wantStates(map[string]string{"2024": "Ready 5", "2025": "Ready 5"})
				})
			})
		}
	}
}

// A message whose reply is lost is stored once.
func TestLogOutageMessages(t *testing.T) {
	for _, lose := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2025"))
			b.stop()
			b.options.Log = unsteady(b.log, lose)
			b.start()
			b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
				if l.Step.Attempt > 1 {
					return 5, nil
				}
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			operation := b.refresh(refresh.Params{Type: ptr("full"), Timeout: ptr("00:10:00"), RetryCount: ptr[int64](1)}, refresh.Completed)
			messages, err := b.log.Messages(t.Context(), operation.ID)
			if err != nil {
				t.Fatal(err)
			}
			want(t, len(messages), 1)
		})
	}
}

// A log that is away for hours costs no operation either.
func TestLongLogOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.stop()
		down := &away{Log: b.log, until: time.Now().Add(3 * time.Hour)}
		b.options.Log = down
		b.start()
		operation := b.refresh(full(), refresh.Completed)
		if took := operation.EndedAt.Sub(operation.AcceptedAt); took < 3*time.Hour || took > 3*time.Hour+time.Minute {
			t.Fatalf("took %s", took)
		}
	})
}

type away struct {
	refresh.Log
	until time.Time
}

func (a *away) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	if time.Now().Before(a.until) {
		return errLogDown
	}
	return a.Log.PutStep(ctx, lease, from, step, messages)
}

// The model cannot change under a refresh; if it did, the refresh would fail by name.
func TestRedeployUnderARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.stop()
		operation := b.submit(full())
		b.options.Models = redeployed{b.log}
		b.start()
		operation = b.ends(operation.ID, refresh.Failed)
		if operation.Failure.Code != refresh.CodeRevision || !strings.Contains(operation.Failure.Message, "revision 2") {
			t.Fatalf("failure %+v", operation.Failure)
		}
	})
}

type redeployed struct{ *logtest.Memory }

func (r redeployed) RefreshDefinition(ctx context.Context, model string) (refresh.Definition, error) {
	definition, err := r.Memory.RefreshDefinition(ctx, model)
	definition.Revision = 2
	return definition, err
}
