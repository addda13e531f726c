package schedule

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
)

// Entry is a model's schedule as it is kept.
type Entry struct {
	Model    string // its id
	Schedule Schedule
	Since    time.Time // when it was last changed or enabled: moments and failures before do not count
	Last     time.Time // the last moment that was dealt with; Since when there was none
}

// store keeps schedules. The catalog implements it.
type store interface {
	// EnabledSchedules returns the entries of the schedules that are enabled.
	EnabledSchedules(ctx context.Context) ([]Entry, error)
	// MarkScheduled stores that a moment was dealt with, unless the entry's Since or Last is another one by now.
	MarkScheduled(ctx context.Context, entry Entry, moment time.Time) error
	// DisableSchedule switches an entry's schedule off at a moment and lets those who are to know hear of it, unless its Since is another one by now.
	DisableSchedule(ctx context.Context, entry Entry, at time.Time) error
}

// refreshes starts refreshes and knows how they ended. The refresh engine stands behind it.
type refreshes interface {
	// StartScheduled starts a scheduled refresh of a model under an id; a second start of the id is the first one. started is false when others
	// are before it, so that it must wait.
	StartScheduled(ctx context.Context, model, id string) (started bool, err error)
	// ScheduledFailures counts, up to most, how many of a model's last scheduled refreshes have failed in a row since a moment.
	ScheduledFailures(ctx context.Context, model string, since time.Time, most int) (int, error)
}

// Options are what a loop works with; all of them are required.
type Options struct {
	Store     store
	Refreshes refreshes
	Now       func() time.Time
	Logger    *slog.Logger
}

const (
	lookEvery    = 10 * time.Second
	mostFailures = 4 // R37
)

// Run starts the refreshes of all schedules at their moments until ctx ends.
//
// Each moment starts one refresh, however often the process is restarted in it: the refresh has an id that is made of the moment, so
// that starting it again finds it, and only then the moment is stored as dealt with. A moment whose refresh cannot be started, because
// others of the model are before it or something is wrong, is tried again until it is an hour late.
func Run(ctx context.Context, options Options) {
	l := loop{Options: options, told: map[string]time.Time{}}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		l.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

type loop struct {
	Options
	told map[string]time.Time // by model: the moment about whose delay the log has been told
}

func (l *loop) look(ctx context.Context) {
	entries, err := l.Store.EnabledSchedules(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.Logger.Error("cannot read the schedules; trying again", "error", err)
		}
		return
	}
	for _, entry := range entries {
		if err := l.serve(ctx, entry); err != nil && ctx.Err() == nil {
			l.Logger.Error("cannot follow a schedule; trying again", "model", entry.Model, "error", err)
		}
	}
}

// serve does what is due for one schedule.
func (l *loop) serve(ctx context.Context, entry Entry) error {
	failures, err := l.Refreshes.ScheduledFailures(ctx, entry.Model, entry.Since, mostFailures)
	if err != nil {
		return err
	}
	if failures >= mostFailures {
		l.Logger.Warn("schedule disabled: its refreshes failed too often in a row", "model", entry.Model, "failures", failures)
		return l.Store.DisableSchedule(ctx, entry, l.Now())
	}
	moment, due, err := entry.Schedule.Due(entry.Last, l.Now())
	if err != nil || !due {
		return err
	}
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte("scheduled refresh of "+entry.Model+" at "+moment.UTC().Format(time.RFC3339))).String()
	started, err := l.Refreshes.StartScheduled(ctx, entry.Model, id)
	if started {
		l.Logger.Info("scheduled refresh started", "model", entry.Model, "refresh", id, "moment", moment.UTC())
		return l.Store.MarkScheduled(ctx, entry, moment)
	}
	if !l.told[entry.Model].Equal(moment) && ctx.Err() == nil {
		l.told[entry.Model] = moment
		l.Logger.Warn("a scheduled refresh has to wait; it is tried again until it is an hour late", "model", entry.Model, "moment", moment.UTC(), "error", err)
	}
	return nil
}
