package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"freshet.dev/internal/fault"
)

// codeInvalid is Power BI's code for everything that is wrong with a request; here: with a schedule.
const codeInvalid = fault.CodeInvalidRequest

// Schedule says when a model is refreshed by itself: at Times on Days, or as Cron says, by the clock of a zone. The zero value is a
// schedule that was never set.
type Schedule struct {
	Enabled bool           `json:"-"` // kept beside it
	Days    []time.Weekday // in the order in which they were sent
	Times   []Clock        // likewise
	Cron    string         // five fields; Days and Times are empty then
	ZoneID  string         // as it was sent; empty is UTC
	Notify  NotifyOption   // empty is MailOnFailure
}

// NotifyOption says whether somebody hears of scheduled refreshes that fail.
type NotifyOption string

// The options, in Power BI's words. It has no MailOnCompletion for schedules.
const (
	MailOnFailure  NotifyOption = "MailOnFailure"
	NoNotification NotifyOption = "NoNotification"
)

// Clock is a time of day in minutes after midnight, a multiple of 30.
type Clock int

// String is the time as Power BI writes it: 07:30.
func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// location is the zone by whose clock the schedule goes.
func (s Schedule) location() (*time.Location, error) {
	if s.ZoneID == "" {
		return time.UTC, nil
	}
	return Zone(s.ZoneID)
}

// Next returns the first moment of the schedule after a given one, whether it is enabled or not; ok is false when there is none.
//
// A time of day that the clocks skip, when they are put forward, means the moment in which they are; of a time that they show twice the
// first is meant. Times that fall on one moment in this way are one.
func (s Schedule) Next(after time.Time) (next time.Time, ok bool, err error) {
	zone, err := s.location()
	if err != nil {
		return time.Time{}, false, err
	}
	for wall := wallClock(after.In(zone)); ; {
		if wall, ok, err = s.nextWall(wall); !ok || err != nil {
			return time.Time{}, false, err
		}
		if next = moment(wall, zone); next.After(after) { // clocks put back show times again that have been
			return next, true, nil
		}
	}
}

// mostLate is how late a moment that was missed still counts (R37).
const mostLate = time.Hour

// Due returns the moment of the schedule for which a refresh is to be started now: the last one since last, if it is less than an hour
// ago. Moments before it that were missed are left out.
func (s Schedule) Due(last, now time.Time) (due time.Time, ok bool, err error) {
	if late := now.Add(-mostLate); last.Before(late) {
		last = late
	}
	for {
		next, found, err := s.Next(last)
		if !found || err != nil || next.After(now) {
			return due, ok, err
		}
		due, last, ok = next, next, true
	}
}

// wallClock is what the clock at t shows, as a time in UTC: a reading of a clock and not a moment.
func wallClock(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// moment is when the clock of the zone first shows a reading, or, when it skips it, the moment in which it does.
func moment(wall time.Time, zone *time.Location) time.Time {
	const day = 24 * time.Hour // no zone changes twice within two days
	before, after := offsetAt(wall.Add(-day), zone), offsetAt(wall.Add(day), zone)
	early, late := wall.Add(-max(before, after)), wall.Add(-min(before, after))
	for _, t := range []time.Time{early, late} {
		if wallClock(t.In(zone)).Equal(wall) {
			return t
		}
	}
	change, _ := late.In(zone).ZoneBounds() // late is read as by the clock of before, and so lies behind the change
	return change
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// nextWall returns the next reading of the clock that the schedule names.
func (s Schedule) nextWall(after time.Time) (next time.Time, ok bool, err error) {
	if s.Cron != "" {
		next, err = gronx.NextTickAfter(s.Cron, after, false)
		if err != nil {
			return time.Time{}, false, noMoment(s.Cron)
		}
		return next, true, nil
	}
	midnight := after.Truncate(24 * time.Hour)
	for day := range 8 {
		date := midnight.AddDate(0, 0, day)
		if !slices.Contains(s.Days, date.Weekday()) {
			continue
		}
		for _, clock := range s.Times {
			at := date.Add(time.Duration(clock) * time.Minute)
			if at.After(after) && (!ok || at.Before(next)) {
				next, ok = at, true
			}
		}
		if ok {
			return next, true, nil
		}
	}
	return time.Time{}, false, nil
}

// Change is what a request asks of a schedule. What is nil stays.
type Change struct {
	Enabled *bool
	Days    *[]string
	Times   *[]string
	Cron    *string // empty takes it away
	ZoneID  *string
	Notify  *string
}

// Apply returns the schedule with a change made. slots is how many times a day the model's workspace allows.
//
// Errors are Invalid with codeInvalid, and name the value that is wrong.
func (s Schedule) Apply(change Change, slots int) (Schedule, error) {
	switch {
	case change == (Change{}):
		return s, invalid("cannot change the schedule: the request names none of days, times, enabled, localTimeZoneId, notifyOption, cron")
	case change.Enabled != nil && !*change.Enabled:
		if (change != Change{Enabled: change.Enabled}) {
			return s, invalid("cannot change the schedule: a request that disables it must hold no other change").
				WithHint(`Send {"value":{"enabled":false}} in a request of its own.`)
		}
		s.Enabled = false
		return s, nil
	case change.Cron != nil && *change.Cron != "" && (change.Days != nil || change.Times != nil):
		return s, invalid("cannot change the schedule: cron stands in place of days and times, and the request has both")
	}
	var err error
	if change.Enabled != nil {
		s.Enabled = true
	}
	if change.ZoneID != nil {
		if _, err := Zone(*change.ZoneID); err != nil {
			return s, err
		}
		s.ZoneID = *change.ZoneID
	}
	if change.Notify != nil {
		if s.Notify, err = parseNotify(*change.Notify); err != nil {
			return s, err
		}
	}
	if change.Days != nil {
		if s.Days, err = parseDays(*change.Days); err != nil {
			return s, err
		}
		s.Cron = ""
	}
	if change.Times != nil {
		if s.Times, err = parseTimes(*change.Times, slots); err != nil {
			return s, err
		}
		s.Cron = ""
	}
	if change.Cron != nil {
		if s.Cron, err = parseCron(*change.Cron, slots); err != nil {
			return s, err
		}
		if s.Cron != "" {
			s.Days, s.Times = nil, nil
		}
	}
	if s.Cron == "" && len(s.Days) > 0 && len(s.Times) == 0 {
		s.Times = []Clock{0} // as Power BI: one default slot
	}
	if s.Enabled && s.Cron == "" && len(s.Days) == 0 {
		return s, invalid("cannot enable the schedule: it names no day").WithHint(`Send at least one of "days", such as ["Monday","Thursday"].`)
	}
	return s, nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, codeInvalid, format, args...)
}

func parseNotify(text string) (NotifyOption, error) {
	for _, option := range []NotifyOption{MailOnFailure, NoNotification} {
		if strings.EqualFold(text, string(option)) {
			return option, nil
		}
	}
	return "", invalid("cannot use the notifyOption %q for a schedule", text).WithHint("It is one of MailOnFailure and NoNotification.")
}

func parseDays(texts []string) ([]time.Weekday, error) {
	if len(texts) == 0 {
		return nil, invalid("cannot schedule refreshes on no day").WithHint(`Send at least one of "days", or {"value":{"enabled":false}} to stop them.`)
	}
	days := make([]time.Weekday, 0, len(texts))
	for _, text := range texts {
		day := slices.IndexFunc(weekdays, func(name string) bool { return strings.EqualFold(name, text) })
		if day < 0 {
			err := invalid("cannot schedule refreshes on the day %q", text)
			if near := fault.Nearest(text, weekdays); near != "" {
				return nil, err.WithHint("Did you mean %s?", near)
			}
			return nil, err.WithHint("The days are %s.", strings.Join(weekdays, ", "))
		}
		if !slices.Contains(days, time.Weekday(day)) {
			days = append(days, time.Weekday(day))
		}
	}
	return days, nil
}

var weekdays = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

func parseTimes(texts []string, slots int) ([]Clock, error) {
	times := make([]Clock, 0, len(texts))
	for _, text := range texts {
		at, err := time.Parse("15:04", text)
		if err != nil || len(text) != len("15:04") || at.Minute()%30 != 0 {
			return nil, invalid("cannot schedule refreshes at the time %q", text).WithHint("Times are HH:00 or HH:30, such as 07:30; cron knows others.")
		}
		if clock := Clock(60*at.Hour() + at.Minute()); !slices.Contains(times, clock) {
			times = append(times, clock)
		}
	}
	if len(times) > slots {
		return nil, invalid("cannot schedule %d refreshes a day: the workspace allows %d", len(times), slots).
			WithHint("Name fewer times, or assign the workspace to a capacity.")
	}
	return times, nil
}

func parseCron(text string, slots int) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil
	}
	if !gronx.IsValid(text) || !strings.HasPrefix(text, "@") && len(strings.Fields(text)) != 5 {
		return "", invalid("cannot read the cron expression %q", text).
			WithHint("It has five fields: minute, hour, day of the month, month, day of the week; 15 6 * * 1-5 is 06:15 from Monday to Friday.")
	}
	return text, checkSlots(text, slots)
}

// checkSlots refuses a cron expression that names more moments a day than there are slots (R36). Every day that it names has the same.
func checkSlots(cron string, slots int) error {
	at, err := gronx.NextTickAfter(cron, time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC), true)
	if err != nil {
		return noMoment(cron)
	}
	midnight := at.Truncate(24 * time.Hour).Add(24 * time.Hour)
	for range slots {
		if at, err = gronx.NextTickAfter(cron, at, false); err != nil || !at.Before(midnight) {
			return nil //nolint:nilerr // no other moment is no error
		}
	}
	return invalid("cannot schedule refreshes by cron %q: it names more than %d moments a day, which the workspace allows", cron, slots).
		WithHint("Name fewer; a workspace on a capacity has 48.")
}

// noMoment is the error of a cron expression for a day that never comes, such as 0 0 30 2 *.
func noMoment(cron string) error {
	return invalid("cannot find a moment for cron %q: its day never comes", cron).WithHint("Name a day that its month has.")
}
