package refresh

import (
	"testing"
	"time"
)

// [contract §2.6] the window and the figures of a refreshable.
func TestSummarise(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	at := func(hour int, state State, length time.Duration) Operation {
		o := Operation{ID: string(state), State: state, AcceptedAt: start.Add(time.Duration(hour) * time.Hour)}
		if state.Finished() {
			o.EndedAt = o.AcceptedAt.Add(length)
		}
		return o
	}
	got := summarise([]Operation{
		at(30, Running, 0), at(29, Completed, 40*time.Second), at(28, Cancelled, 10*time.Second), at(27, TimedOut, 60*time.Second), at(1, Failed, 20*time.Second), at(0, Completed, 50*time.Second),
	})
	if got.Count != 6 || got.Failures != 2 || got.Average != 36*time.Second || got.Median != 40*time.Second || got.PerDay != 3 || got.Last.State != Running {
		t.Errorf("got %+v", got)
	}
	if !got.From.Equal(start) || !got.To.Equal(start.Add(30*time.Hour)) {
		t.Errorf("from %v to %v", got.From, got.To)
	}
	if got := summarise([]Operation{at(1, Completed, 2*time.Second), at(0, Completed, time.Second)}); got.Median != 1500*time.Millisecond || got.PerDay != 2 {
		t.Errorf("got %+v", got)
	}
	if got := summarise(nil); got.Count != 0 || !got.From.IsZero() {
		t.Errorf("got %+v", got)
	}
}
