package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

var everyDay = []time.Weekday{0, 1, 2, 3, 4, 5, 6}

// upcoming lists the next n moments after one, in UTC.
func upcoming(t *testing.T, s Schedule, after time.Time, n int) string {
	t.Helper()
	var found []string
	for range n {
		next, ok, err := s.Next(after)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		found = append(found, next.UTC().Format("01-02T15:04Z"))
		after = next
	}
	return strings.Join(found, " ")
}

// TestR37ClockChanges has the changes of the clocks that the zones' authorities announced: expected moments are computed by hand from the
// offsets named beside each.
func TestR37ClockChanges(t *testing.T) {
	for _, c := range []struct {
		name, zone, after, want string
		times                   []Clock
		cron                    string
	}{
		{name: "UTC has none", zone: "UTC", after: "2026-03-28T12:00:00Z", times: []Clock{330, 1380}, want: "03-28T23:00Z 03-29T05:30Z 03-29T23:00Z"},
		// New York, 2026-03-08: 02:00 -05:00 becomes 03:00 -04:00, so 02:30 is never shown.
		{name: "skipped", zone: "Eastern Standard Time", after: "2026-03-07T12:00:00Z", times: []Clock{150}, want: "03-08T07:00Z 03-09T06:30Z"},
		{name: "two skipped times and the one behind them are one moment", zone: "America/New_York", after: "2026-03-07T12:00:00Z", times: []Clock{120, 150, 180}, want: "03-08T07:00Z 03-09T06:00Z 03-09T06:30Z 03-09T07:00Z"},
		// New York, 2026-11-01: 02:00 -04:00 becomes 01:00 -05:00, so 01:30 is shown twice.
		{name: "shown twice", zone: "Eastern Standard Time", after: "2026-10-31T12:00:00Z", times: []Clock{90, 120}, want: "11-01T05:30Z 11-01T07:00Z 11-02T06:30Z 11-02T07:00Z"},
		{name: "after the first showing", zone: "Eastern Standard Time", after: "2026-11-01T05:30:00Z", times: []Clock{90}, want: "11-02T06:30Z"},
		{name: "within the second showing", zone: "Eastern Standard Time", after: "2026-11-01T06:10:00Z", times: []Clock{90}, want: "11-02T06:30Z"},
		// Lord Howe changes by half an hour: 2026-04-05 02:00 +11:00 becomes 01:30 +10:30; 2026-10-04 02:00 +10:30 becomes 02:30 +11:00.
		{name: "half an hour twice", zone: "Lord Howe Standard Time", after: "2026-04-04T10:00:00Z", times: []Clock{90}, want: "04-04T14:30Z 04-05T15:00Z"},
		{name: "half an hour skipped", zone: "Australia/Lord_Howe", after: "2026-10-03T10:00:00Z", times: []Clock{120}, want: "10-03T15:30Z 10-04T15:00Z"},
		// Cairo, 2026-04-24: midnight +02:00 becomes 01:00 +03:00, so the day begins at 01:00.
		{name: "no midnight", zone: "Egypt Standard Time", after: "2026-04-23T12:00:00Z", times: []Clock{0}, want: "04-23T22:00Z 04-24T21:00Z"},
		// Apia left out the whole of 2011-12-30.
		{name: "no day", zone: "Samoa Standard Time", after: "2011-12-29T12:00:00Z", times: []Clock{720}, want: "12-29T22:00Z 12-30T10:00Z 12-30T22:00Z"},
		// Lisbon, 2026-03-29: 01:00 +00:00 becomes 02:00 +01:00.
		{name: "cron goes by the same rules", zone: "Europe/Lisbon", after: "2026-03-28T12:00:00Z", cron: "15,45 1 * * *", want: "03-29T01:00Z 03-30T00:15Z 03-30T00:45Z"},
		// Lisbon, 2026-10-25: 02:00 +01:00 becomes 01:00 +00:00.
		{name: "cron, shown twice", zone: "GMT Standard Time", after: "2026-10-24T12:00:00Z", cron: "30 1 * * *", want: "10-25T00:30Z 10-26T01:30Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Schedule{Days: everyDay, Times: c.times, Cron: c.cron, ZoneID: c.zone}
			if got := upcoming(t, s, at(t, c.after), len(strings.Fields(c.want))); got != c.want {
				t.Errorf("the schedule names %s, want %s", got, c.want)
			}
		})
	}
}

// TestR37EveryReadingOnce walks years of random schedules and compares with a clock that is looked at every minute.
func TestR37EveryReadingOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(37, 1))
	zones := []string{"Eastern Standard Time", "Lord Howe Standard Time", "Egypt Standard Time", "Morocco Standard Time", "Europe/Dublin", "Chatham Islands Standard Time", "India Standard Time"}
	for _, zone := range zones {
		s := Schedule{ZoneID: zone}
		for _, day := range everyDay {
			if random.IntN(4) > 0 {
				s.Days = append(s.Days, day)
			}
		}
		for range 1 + random.IntN(8) {
			if clock := Clock(30 * random.IntN(48)); !slices.Contains(s.Times, clock) {
				s.Times = append(s.Times, clock)
			}
		}
		location, err := Zone(zone)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		end := begin.AddDate(1, 0, 0)
		var want []time.Time
		latest := wallClock(begin.In(location)) // the furthest reading so far
		for now := begin.Add(time.Minute); now.Before(end); now = now.Add(time.Minute) {
			shown := wallClock(now.In(location))
			hit := false
			for reading := latest.Add(time.Minute); !reading.After(shown); reading = reading.Add(time.Minute) { // more than one when the clocks skip
				hit = hit || slices.Contains(s.Days, reading.Weekday()) && slices.Contains(s.Times, Clock(60*reading.Hour()+reading.Minute()))
			}
			if hit {
				want = append(want, now)
			}
			if shown.After(latest) {
				latest = shown
			}
		}
		var got []time.Time
		for now := begin; ; {
			next, ok, err := s.Next(now)
			if err != nil || !ok {
				t.Fatalf("%s: no next moment after %s: %v", zone, now, err)
			}
			if !next.Before(end) {
				break
			}
			got, now = append(got, next), next
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s on %v at %v: %d moments, a clock shows %d; first difference: %s", zone, s.Days, s.Times, len(got), len(want), firstDifference(got, want))
		}
	}
}

func firstDifference(got, want []time.Time) string {
	for i := range min(len(got), len(want)) {
		if !got[i].Equal(want[i]) {
			return fmt.Sprintf("%s, the clock %s", got[i].UTC(), want[i].UTC())
		}
	}
	return "in their number"
}

func TestR37Due(t *testing.T) {
	s := Schedule{Days: everyDay, Times: []Clock{480, 510, 720}, ZoneID: "UTC"} // 08:00, 08:30, 12:00
	for _, c := range []struct{ name, last, now, want string }{
		{"not yet", "2026-05-04T08:00:00Z", "2026-05-04T08:29:59Z", ""},
		{"on the moment", "2026-05-04T08:00:00Z", "2026-05-04T08:30:00Z", "08:30"},
		{"late", "2026-05-04T08:30:00Z", "2026-05-04T12:59:59Z", "12:00"},
		{"an hour late is too late", "2026-05-04T08:30:00Z", "2026-05-04T13:00:00Z", ""},
		{"two missed are run once", "2026-05-03T12:00:00Z", "2026-05-04T08:45:00Z", "08:30"},
		{"done already, after the clock went back", "2026-05-04T12:00:00Z", "2026-05-04T08:40:00Z", ""},
		{"a year asleep", "2025-05-04T12:00:00Z", "2026-05-04T08:05:00Z", "08:00"},
	} {
		due, ok, err := s.Due(at(t, c.last), at(t, c.now))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if ok {
			got = due.Format("15:04")
		}
		if got != c.want {
			t.Errorf("%s: due is %q, want %q", c.name, got, c.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestR37Apply(t *testing.T) {
	set := Schedule{Enabled: true, Days: []time.Weekday{5, 0}, Times: []Clock{300}, ZoneID: "UTC", Notify: MailOnFailure}
	for _, c := range []struct {
		name   string
		from   Schedule
		change Change
		want   Schedule
	}{
		{"the order is kept", Schedule{}, Change{Enabled: ptr(true), Days: ptr([]string{"friday", "Sunday"}), Times: ptr([]string{"11:30", "05:00"}), ZoneID: ptr("pacific standard time"), Notify: ptr("nonotification")},
			Schedule{Enabled: true, Days: []time.Weekday{5, 0}, Times: []Clock{690, 300}, ZoneID: "pacific standard time", Notify: NoNotification}},
		{"no times are one", Schedule{}, Change{Days: ptr([]string{"Monday"})}, Schedule{Days: []time.Weekday{1}, Times: []Clock{0}}},
		{"empty times are one", set, Change{Times: ptr([]string{})}, Schedule{Enabled: true, Days: []time.Weekday{5, 0}, Times: []Clock{0}, ZoneID: "UTC", Notify: MailOnFailure}},
		{"off", set, Change{Enabled: ptr(false)}, Schedule{Days: []time.Weekday{5, 0}, Times: []Clock{300}, ZoneID: "UTC", Notify: MailOnFailure}},
		{"cron", set, Change{Cron: ptr(" 15 6 * * 1-5 ")}, Schedule{Enabled: true, Cron: "15 6 * * 1-5", ZoneID: "UTC", Notify: MailOnFailure}},
		{"cron of as many moments as slots", set, Change{Cron: ptr("0 0-7 1 * *")}, Schedule{Enabled: true, Cron: "0 0-7 1 * *", ZoneID: "UTC", Notify: MailOnFailure}},
		{"back from cron", Schedule{Enabled: true, Cron: "@daily"}, Change{Days: ptr([]string{"Monday"})}, Schedule{Enabled: true, Days: []time.Weekday{1}, Times: []Clock{0}}},
		{"named twice", Schedule{}, Change{Days: ptr([]string{"Monday", "monday"}), Times: ptr([]string{"05:00", "05:00"})}, Schedule{Days: []time.Weekday{1}, Times: []Clock{300}}},
	} {
		got, err := c.from.Apply(c.change, 8)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %+v (%v), want %+v", c.name, got, err, c.want)
		}
	}
	nine := []string{"00:00", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00", "08:00"}
	for _, c := range []struct {
		name   string
		change Change
		want   string
	}{
		{"nothing", Change{}, "names none of days"},
		{"off and more", Change{Enabled: ptr(false), Times: ptr([]string{"05:00"})}, "no other change"},
		{"no day", Change{Days: ptr([]string{})}, "on no day"},
		{"unknown day", Change{Days: ptr([]string{"Mondey"})}, "Did you mean Monday?"},
		{"short day", Change{Days: ptr([]string{"x"})}, "The days are Sunday"},
		{"quarter", Change{Times: ptr([]string{"05:15"})}, `time "05:15"`},
		{"one digit", Change{Times: ptr([]string{"5:00"})}, `time "5:00"`},
		{"no time", Change{Times: ptr([]string{"24:00"})}, `time "24:00"`},
		{"too many", Change{Times: &nine}, "allows 8"},
		{"zone", Change{ZoneID: ptr("Romanze Standard Time")}, `Did you mean "Romance Standard Time"?`},
		{"the machine's zone", Change{ZoneID: ptr("Local")}, `time zone "Local"`},
		{"a path", Change{ZoneID: ptr("../../etc/passwd")}, "time zone"},
		{"notify", Change{Notify: ptr("MailOnCompletion")}, "notifyOption"},
		{"cron", Change{Cron: ptr("every day")}, "five fields"},
		{"cron with seconds", Change{Cron: ptr("0 15 6 * * 1")}, "five fields"},
		{"cron for a day that never comes", Change{Cron: ptr("0 0 30 2 *")}, "its day never comes"},
		{"cron of more moments than slots", Change{Cron: ptr("0 0-8 * * 1")}, "more than 8 moments a day"},
		{"cron and times", Change{Cron: ptr("@daily"), Times: ptr([]string{"05:00"})}, "has both"},
	} {
		_, err := set.Apply(c.change, 8)
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.CodeOf(err) != codeInvalid || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want an error that says %q", c.name, err, c.want)
		}
	}
	if _, err := (Schedule{}).Apply(Change{Enabled: ptr(true)}, 8); err == nil || !strings.Contains(err.Error(), "names no day") {
		t.Errorf("a schedule without days was enabled: %v", err)
	}
}

// A day that never comes is told, not waited for.
func TestCronWithoutMoment(t *testing.T) {
	if next, ok, err := (Schedule{Cron: "0 0 30 2 *"}).Next(at(t, "2026-01-01T00:00:00Z")); ok || err == nil {
		t.Errorf("30 February comes at %s", next)
	}
}

func TestR37Zones(t *testing.T) {
	for i, zone := range windowsZones {
		if i > 0 && strings.ToLower(windowsZones[i-1][0]) >= strings.ToLower(zone[0]) {
			t.Errorf("%q stands behind %q", zone[0], windowsZones[i-1][0])
		}
		location, err := Zone(strings.ToUpper(zone[0]))
		if err != nil || location.String() != zone[1] {
			t.Errorf("%s is %v (%v), want %s", zone[0], location, err, zone[1])
		}
	}
}

// What a request names is refused, or has a next moment that lies ahead, in whatever zone.
func FuzzChange(f *testing.F) {
	f.Add("15 6 * * 1-5", "Pacific Standard Time", "", "", int64(1_790_000_000))
	f.Add("", "Europe/Lisbon", "Monday", "07:30", int64(1_774_000_000))
	f.Add("0 0 30 2 *", "UTC", "", "", int64(0))
	f.Fuzz(func(t *testing.T, cron, zone, day, clock string, now int64) {
		change := Change{Enabled: ptr(true), ZoneID: &zone}
		if cron != "" {
			change.Cron = &cron
		} else {
			change.Days, change.Times = &[]string{day}, &[]string{clock}
		}
		applied, err := Schedule{}.Apply(change, 48)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		after := time.Unix(now%10_000_000_000, 0)
		next, found, err := applied.Next(after)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatal(err)
		}
		if err == nil && found && !next.After(after) {
			t.Errorf("%q in %q: %s comes after %s", cron, zone, next, after)
		}
	})
}
