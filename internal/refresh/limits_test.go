package refresh_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/refresh"
)

// takes makes every load take so long.
func (b *bench) takes(d time.Duration) {
	b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, d) })
}

// R15, R32: the limit of an attempt to the second, the default and one above it.
func TestR32LimitToTheSecond(t *testing.T) {
	for _, c := range []struct {
		timeout *string
		takes   time.Duration
		ends    refresh.State
	}{
		{nil, 5*time.Hour - time.Second, refresh.Completed},
		{nil, 5*time.Hour + time.Second, refresh.TimedOut},
		{ptr("07:30:00"), 7*time.Hour + 29*time.Minute + 59*time.Second, refresh.Completed},
		{ptr("07:30:00"), 7*time.Hour + 30*time.Minute + time.Second, refresh.TimedOut},
		{ptr("23:59:59"), 23*time.Hour + 59*time.Minute + 58*time.Second, refresh.Completed},
		{ptr("00:00:02"), 3 * time.Second, refresh.TimedOut},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2025"))
			b.takes(c.takes)
			b.refresh(refresh.Params{Type: ptr("full"), Timeout: c.timeout}, c.ends)
		})
	}
}

// R33: the 24 hours end in the pause between two attempts, too.
func TestR33TotalLimitDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) {
			return 0, cmpErr(after(ctx, 24*time.Hour-1500*time.Millisecond), errDown)
		})
		operation := b.submit(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](5), Timeout: ptr("23:59:59")})
		time.Sleep(24*time.Hour - time.Second)
		want(t, b.detail(operation.ID).Operation.State, refresh.Backoff)
		operation = b.ends(operation.ID, refresh.TimedOut)
		want(t, operation.EndedAt.Sub(operation.AcceptedAt), 24*time.Hour)
		want(t, len(operation.Attempts), 1)
	})
}

// R33: they end over restarts: while it works again, while it is down, and while it waits for a place to go on.
func TestR33TotalLimitAfterARestart(t *testing.T) {
	for name, c := range map[string]struct {
		down   time.Duration
		places bool // there is a place to go on
		ends   time.Duration
	}{
		"works":             {3 * time.Hour, true, 24 * time.Hour},
		"is down":           {5*time.Hour + 30*time.Minute, true, 25*time.Hour + 30*time.Minute},
		"waits for a place": {time.Hour, false, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, sales("2025"))
				b.takes(23 * time.Hour)
				operation := b.submit(refresh.Params{Type: ptr("full"), Timeout: ptr("23:59:59")})
				time.Sleep(20 * time.Hour)
				b.stop()
				if !c.places {
					release, err := b.options.Capacities[0].Place(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer release()
				}
				time.Sleep(c.down)
				b.start()
				operation = b.ends(operation.ID, refresh.TimedOut)
				want(t, operation.EndedAt.Sub(operation.AcceptedAt), c.ends)
				want(t, operation.Failure.Code, refresh.CodeTimeout)
			})
		})
	}
}

// R36: the hour of waiting for a place outlives the service: what it waited before each stop counts, while it is down nobody waits. A queued
// one waits from its turn on.
func TestR36PlaceLimitOverRestarts(t *testing.T) {
	const down = 3 * time.Hour
	for name, c := range map[string]struct {
		waits time.Duration // after two restarts, until there is a place
		ends  refresh.State
	}{
		"59:59": {20*time.Minute - time.Second, refresh.Completed},
		"60:01": {20*time.Minute + time.Second, refresh.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, sales("2025"))
				b.takes(2 * time.Hour)
				first := b.submit(refresh.Params{})
				operation := b.submit(refresh.Params{})
				synctest.Wait()
				taken := make(chan func(), 1)
				go func() {
					release, err := b.options.Capacities[0].Place(context.Background())
					if err != nil {
						t.Error(err)
					}
					taken <- release
				}()
				b.ends(first.ID, refresh.Completed)
				release := <-taken
				turn := time.Now()
				for range 2 {
					time.Sleep(20 * time.Minute)
					b.restart(down)
				}
				synctest.Wait()
				want(t, b.state(operation.ID), refresh.Accepted)
				time.Sleep(c.waits)
				release()
				operation = b.ends(operation.ID, c.ends)
				if c.ends == refresh.Failed {
					want(t, operation.EndedAt.Sub(turn), time.Hour+2*down)
					want(t, operation.Failure.Code, refresh.CodeProcessing)
				}
			})
		})
	}
}

// lastHeard is a log that hears no more heartbeats when the process is killed.
type lastHeard struct {
	refresh.Log
	killed atomic.Bool
}

func (l *lastHeard) Heartbeat(ctx context.Context, lease refresh.Lease, now time.Time, worked time.Duration) (refresh.State, error) {
	if l.killed.Load() {
		return "", errDown
	}
	return l.Log.Heartbeat(ctx, lease, now, worked)
}

// R36: a process that was killed has stored how long it had waited with its last heartbeat.
func TestR36PlaceLimitAfterAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		log := &lastHeard{Log: b.log}
		b.on(log)
		release, err := b.options.Capacities[0].Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		operation := b.submit(full())
		time.Sleep(40*time.Minute + 3*time.Second)
		log.killed.Store(true)
		b.stop()
		time.Sleep(4 * time.Hour)
		b.on(b.log)
		operation = b.ends(operation.ID, refresh.Failed)
		want(t, operation.EndedAt.Sub(operation.AcceptedAt), 5*time.Hour+3*time.Second)
	})
}

// R11: the pauses between attempts double from 2 s to 2 min, with a jitter of at most half of each.
func TestR11BackoffWithinItsBounds(t *testing.T) {
	for random, share := range map[float64]float64{0: 0.5, 0.5: 0.75, 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2025"))
			b.stop()
			b.options.Random = func() float64 { return random }
			b.start()
			b.reads(func(context.Context, refresh.Loading) (int64, error) { return 0, errDown })
			operation := b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](8)}, refresh.Failed)
			pauses := []time.Duration{2, 4, 8, 16, 32, 64, 120, 120}
			for i, pause := range pauses {
				took := operation.Attempts[i+1].StartedAt.Sub(operation.Attempts[i].EndedAt)
				want(t, took, time.Duration(float64(pause*time.Second)*share))
			}
		})
	}
}

// F2, R34: what is finished is kept over restarts and attempts for keepFinishedFor since it was finished, and not longer.
func TestF2KeepFinishedForOverRestarts(t *testing.T) {
	for later, loads := range map[time.Duration][]string{
		2*time.Hour - time.Second: {"2024", "2025", "2025", "2025"},
		2*time.Hour + time.Second: {"2024", "2025", "2025", "2024", "2025"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2024", "2025"))
			b.stop()
			b.options.KeepFinishedFor = 2 * time.Hour
			b.start()
			b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
				switch {
				case l.Step.Partition == "2024":
					return 1, nil
				case l.Step.Attempt == 1:
					return 0, cmpErr(after(ctx, 30*time.Minute), errDown)
				}
				return 1, after(ctx, 10*time.Hour)
			})
			operation := b.submit(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1), MaxParallelism: ptr[int64](1), Timeout: ptr("20:00:00")})
			time.Sleep(time.Hour) // the second attempt has begun
			b.stop()
			time.Sleep(later - time.Hour)
			b.start()
			operation = b.ends(operation.ID, refresh.Completed)
			want(t, b.loaded(), loads)
			want(t, len(operation.Attempts), 2) // the stop cost none
		})
	}
}
