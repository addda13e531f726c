package schedule

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// book is a store and the refreshes of one model, in memory.
type book struct {
	entry    Entry
	started  map[string]time.Time // by id
	busy     bool
	broken   error
	failures int
	crash    bool // before a moment is stored
}

func (b *book) EnabledSchedules(context.Context) ([]Entry, error) {
	if b.entry.Schedule.Enabled {
		return []Entry{b.entry}, nil
	}
	return nil, nil
}

func (b *book) MarkScheduled(_ context.Context, entry Entry, moment time.Time) error {
	if b.crash {
		return errors.New("killed")
	}
	if b.entry.Last.Equal(entry.Last) && b.entry.Since.Equal(entry.Since) {
		b.entry.Last = moment
	}
	return nil
}

func (b *book) DisableSchedule(_ context.Context, entry Entry, _ time.Time) error {
	b.entry.Schedule.Enabled = !b.entry.Since.Equal(entry.Since)
	return nil
}

func (b *book) StartScheduled(_ context.Context, _, id string) (bool, error) {
	if b.busy || b.broken != nil {
		return false, b.broken
	}
	if _, known := b.started[id]; !known {
		b.started[id] = time.Now()
	}
	return true, nil
}

func (b *book) ScheduledFailures(_ context.Context, _ string, since time.Time, most int) (int, error) {
	if !since.Equal(b.entry.Since) {
		return 0, errors.New("asked of another time")
	}
	return min(b.failures, most), nil
}

// times are the moments at which refreshes were started, by the clock of the bubble, which begins at midnight of 2000-01-01 UTC.
func (b *book) times() string {
	var all []string
	for _, at := range b.started {
		all = append(all, at.UTC().Format("02T15:04:05"))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// run runs the loop for a while in a bubble of turned time.
func (b *book) run(t *testing.T, log *bytes.Buffer, d time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	Run(ctx, Options{Store: b, Refreshes: b, Now: time.Now, Logger: slog.New(slog.NewTextHandler(log, nil))})
}

func newBook() *book {
	now := time.Now()
	return &book{started: map[string]time.Time{}, entry: Entry{Model: "m", Since: now, Last: now,
		Schedule: Schedule{Enabled: true, Days: everyDay, Times: []Clock{60, 90}}}} // 01:00 and 01:30
}

func TestR37OneRunASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := newBook(), &bytes.Buffer{}
		b.run(t, log, 26*time.Hour)
		if got, want := b.times(), "01T01:00:00 01T01:30:00 02T01:00:00 02T01:30:00"; got != want {
			t.Errorf("started at %s, want %s", got, want)
		}
	})
}

func TestR37Restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := newBook(), &bytes.Buffer{}
		b.crash = true
		b.run(t, log, 62*time.Minute) // started at 01:00, and killed before that was stored, again and again
		b.crash = false
		b.run(t, log, 2*time.Minute)
		if got, want := b.times(), "01T01:00:00"; got != want {
			t.Errorf("started at %s, want %s", got, want)
		}
		time.Sleep(40 * time.Minute) // down from 01:04 to 01:44
		b.run(t, log, time.Minute)
		if got, want := b.times(), "01T01:00:00 01T01:44:00"; got != want {
			t.Errorf("after a pause, started at %s, want %s", got, want)
		}
		time.Sleep(25 * time.Hour) // down to 02:45 of the next day: more than an hour late
		b.run(t, log, time.Minute)
		if got, want := b.times(), "01T01:00:00 01T01:44:00"; got != want {
			t.Errorf("after a day, started at %s, want %s", got, want)
		}
	})
}

// R7: a slot that falls on a running refresh waits its turn.
func TestR37WaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := newBook(), &bytes.Buffer{}
		b.entry.Schedule.Times = []Clock{60}
		b.busy = true
		b.run(t, log, 100*time.Minute)
		b.busy, b.broken = false, errors.New("the capacity is paused")
		b.run(t, log, 10*time.Minute)
		b.broken = nil
		b.run(t, log, 5*time.Minute) // from 01:50
		if got, want := b.times(), "01T01:50:00"; got != want {
			t.Errorf("started at %s, want %s", got, want)
		}
		if told := strings.Count(log.String(), "has to wait"); told != 2 {
			t.Errorf("the log was told %d times, want once by each loop that met it:\n%s", told, log)
		}
		b.busy = true
		b.run(t, log, 26*time.Hour) // all of the next day's moment's hour
		b.busy = false
		b.run(t, log, time.Hour)
		if got, want := b.times(), "01T01:50:00"; got != want {
			t.Errorf("a moment that was an hour late was run all the same: %s", got)
		}
	})
}

func TestR37FourFailuresDisable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := newBook(), &bytes.Buffer{}
		b.failures = 3
		b.run(t, log, 61*time.Minute)
		b.failures = 4
		b.run(t, log, 24*time.Hour)
		if got, want := b.times(), "01T01:00:00"; got != want || b.entry.Schedule.Enabled {
			t.Errorf("started at %s, enabled %t; want %s and disabled", got, b.entry.Schedule.Enabled, want)
		}
		b.failures = 0
		b.entry.Schedule.Enabled, b.entry.Since, b.entry.Last = true, time.Now(), time.Now()
		b.run(t, log, 24*time.Hour)
		if got, want := b.times(), "01T01:00:00 02T01:30:00 03T01:00:00"; got != want {
			t.Errorf("enabled again, started at %s, want %s", got, want)
		}
	})
}
