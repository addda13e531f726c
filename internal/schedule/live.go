package schedule

import (
	"context"
	"slices"
)

// Live is when Power BI would refresh the tiles that show a model with DirectQuery tables: at intervals, or by the clock. Freshet keeps it, and has
// no tiles.
type Live struct {
	Frequency int // minutes; 0: Days and Times stand in its place
	Schedule  Schedule
}

// defaultFrequency is that of a model for which nothing was set.
const defaultFrequency = 60

// LiveChange is what a request asks of a Live. What is nil stays; a frequency takes days and times away, and they the frequency.
type LiveChange struct {
	Frequency *int
	Days      *[]string
	Times     *[]string
	ZoneID    *string
}

// maxLiveTimes is how many times a day may have: every half hour.
const maxLiveTimes = 48

// Apply returns the schedule with a change made. Errors are Invalid with codeInvalid, and name the value that is wrong.
func (l Live) Apply(change LiveChange) (Live, error) {
	frequencies := []int{15, 30, 60, 120, 180}
	clocked := change.Days != nil || change.Times != nil
	switch {
	case change.Frequency != nil && clocked:
		return l, invalid("cannot set a frequency together with days and times").WithHint("Send either of them.")
	case change.Frequency != nil && !slices.Contains(frequencies, *change.Frequency):
		return l, invalid("cannot use the frequency %d: it is 15, 30, 60, 120 or 180 minutes", *change.Frequency)
	case change == (LiveChange{}):
		return l, invalid("cannot change the schedule: the request names none of frequency, days, times, localTimeZoneId")
	}
	if change.Frequency != nil {
		l = Live{Frequency: *change.Frequency, Schedule: Schedule{ZoneID: l.Schedule.ZoneID}}
	}
	if clocked || change.ZoneID != nil {
		applied, err := l.Schedule.Apply(Change{Days: change.Days, Times: change.Times, ZoneID: change.ZoneID}, maxLiveTimes)
		if err != nil {
			return l, err
		}
		l.Schedule = applied
	}
	if !clocked {
		return l, nil
	}
	if l.Frequency = 0; len(l.Schedule.Days) == 0 {
		return l, invalid("cannot schedule by times without a day").WithHint(`Send "days", such as ["Monday","Thursday"].`)
	}
	return l, nil
}

// liveKeeper keeps one Live for each model. The catalog implements it.
type liveKeeper interface {
	// LiveSchedule returns a model's; found is false when none was set.
	LiveSchedule(ctx context.Context, model string) (live Live, found bool, err error)
	PutLiveSchedule(ctx context.Context, model string, live Live) error
}

// LiveService reads and changes the schedules of models with DirectQuery tables.
type LiveService struct{ keeper liveKeeper }

// NewLiveService returns a LiveService.
func NewLiveService(keeper liveKeeper) *LiveService { return &LiveService{keeper} }

// Get returns a model's schedule.
func (s *LiveService) Get(ctx context.Context, model string) (Live, error) {
	live, found, err := s.keeper.LiveSchedule(ctx, model)
	if err == nil && !found {
		live.Frequency = defaultFrequency
	}
	return live, err
}

// Change makes a change, see Apply.
func (s *LiveService) Change(ctx context.Context, model string, change LiveChange) error {
	former, err := s.Get(ctx, model)
	if err != nil {
		return err
	}
	changed, err := former.Apply(change)
	if err != nil {
		return err
	}
	return s.keeper.PutLiveSchedule(ctx, model, changed)
}
