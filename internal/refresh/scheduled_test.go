package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/refresh"
)

func scheduledID(n int) string { return fmt.Sprintf("5c000000-0000-4000-8000-%012d", n) }

// R7, R37: a scheduled refresh is started once for its id, queued behind one that runs, and waits its turn where others would be dropped.
func TestR37StartScheduled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		start := func(n int, want bool) {
			t.Helper()
			if started, err := b.StartScheduled(t.Context(), modelID, scheduledID(n)); started != want || want && err != nil {
				t.Fatalf("started %t, %v; want %t", started, err, want)
			}
		}
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) {
			time.Sleep(time.Hour)
			return 10, nil
		})
		start(1, true)
		start(1, true)
		start(2, true)  // queued
		start(3, false) // would be dropped
		time.Sleep(90 * time.Minute)
		start(3, true) // the first has ended, the second runs
		b.ends(scheduledID(3), refresh.Completed)
		start(1, true) // long done
		history, err := b.History(t.Context(), modelID, 0)
		if err != nil || len(history) != 3 || history[0].Trigger != refresh.Scheduled {
			t.Fatalf("history %+v, %v", history, err)
		}
		enhanced := b.submit(full())
		start(4, false)
		b.ends(enhanced.ID, refresh.Completed)
		start(4, true)
		b.ends(scheduledID(4), refresh.Completed)
	})
}

// R37: failures count in a row, since the schedule was set, and only those of scheduled refreshes.
func TestR37ScheduledFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		next := 0
		run := func(state refresh.State) {
			t.Helper()
			next++
			b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) {
				switch state {
				case refresh.Failed:
					return 0, errors.New("no such file")
				case refresh.Cancelled:
					<-ctx.Done()
					return 0, ctx.Err()
				}
				return 10, nil
			})
			if _, err := b.StartScheduled(t.Context(), modelID, scheduledID(next)); err != nil {
				t.Fatal(err)
			}
			if state == refresh.Cancelled {
				synctest.Wait()
				if err := b.Cancel(t.Context(), modelID, scheduledID(next), refresh.AnyRefresh); err != nil {
					t.Fatal(err)
				}
			}
			b.ends(scheduledID(next), state)
			time.Sleep(time.Minute)
		}
		failures := func(since time.Time, expected int) {
			t.Helper()
			got, err := b.ScheduledFailures(t.Context(), modelID, since, 4)
			if err != nil || got != expected {
				t.Fatalf("%d failures in a row, %v; want %d", got, err, expected)
			}
		}
		begin := time.Now()
		failures(begin, 0)
		run(refresh.Failed)
		run(refresh.Completed)
		run(refresh.Failed)
		run(refresh.Failed)
		failures(begin, 2)
		b.refresh(refresh.Params{}, refresh.Failed) // by the API
		run(refresh.Cancelled)
		failures(begin, 2)
		since := time.Now()
		run(refresh.Failed)
		failures(begin, 3)
		failures(since, 1)
		for range 3 {
			run(refresh.Failed)
		}
		failures(begin, 4)
		run(refresh.Completed)
		failures(begin, 0)
	})
}
