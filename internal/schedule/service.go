package schedule

import (
	"context"
	"time"

	"freshet.dev/internal/fault"
)

// Conflict: the schedule was changed by somebody else at the same time.
// Do: read it again and send the change again.
const CodeChanged = "ScheduleChanged"

// keeper keeps one schedule for each model. The catalog implements it.
type keeper interface {
	// Schedule returns a model's entry. One that was never set has the zero Schedule and times.
	Schedule(ctx context.Context, model string) (Entry, error)
	// PutSchedule stores an entry in the place of another one; when that is not the stored one any more, it is a Conflict with CodeChanged.
	PutSchedule(ctx context.Context, former, entry Entry) error
}

// Service reads and changes the schedules of models.
type Service struct {
	keeper keeper
	now    func() time.Time
}

// NewService returns a Service.
func NewService(keeper keeper, now func() time.Time) *Service { return &Service{keeper, now} }

// Get returns a model's schedule.
func (s *Service) Get(ctx context.Context, model string) (Schedule, error) {
	entry, err := s.keeper.Schedule(ctx, model)
	return entry.Schedule, err
}

// Change makes a change, see Apply. What was due before it, and failures before it, do not count any more.
func (s *Service) Change(ctx context.Context, model string, change Change, slots int) (Schedule, error) {
	const tries = 3 // the loop may store a moment meanwhile
	for try := 1; ; try++ {
		former, err := s.keeper.Schedule(ctx, model)
		if err != nil {
			return Schedule{}, err
		}
		changed, err := former.Schedule.Apply(change, slots)
		if err != nil {
			return Schedule{}, err
		}
		now := s.now().UTC()
		err = s.keeper.PutSchedule(ctx, former, Entry{Model: model, Schedule: changed, Since: now, Last: now})
		if fault.CodeOf(err) != CodeChanged || try == tries {
			return changed, err
		}
	}
}
