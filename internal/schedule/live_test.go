package schedule

import (
	"strings"
	"testing"
)

// [contract §2.1] frequency in {15,30,60,120,180} or days and times, not both.
func TestLiveApply(t *testing.T) {
	days, times, zone := []string{"Monday"}, []string{"07:00", "18:30"}, "Romance Standard Time"
	minutes := func(n int) *int { return &n }
	clocked, err := Live{Frequency: 60}.Apply(LiveChange{Days: &days, Times: &times, ZoneID: &zone})
	if err != nil || clocked.Frequency != 0 || len(clocked.Schedule.Times) != 2 || clocked.Schedule.ZoneID != zone {
		t.Errorf("%+v, %v", clocked, err)
	}
	often, err := clocked.Apply(LiveChange{Frequency: minutes(15)})
	if err != nil || often.Frequency != 15 || len(often.Schedule.Days)+len(often.Schedule.Times) != 0 || often.Schedule.ZoneID != zone {
		t.Errorf("%+v, %v", often, err)
	}
	bad := []string{"Mondy"}
	for _, test := range []struct {
		change LiveChange
		want   string
	}{
		{LiveChange{Frequency: minutes(15), Days: &days}, "a frequency together with days and times"},
		{LiveChange{Frequency: minutes(20)}, "the frequency 20: it is 15, 30, 60, 120 or 180 minutes"},
		{LiveChange{}, "names none of frequency"},
		{LiveChange{Times: &times}, "without a day"},
		{LiveChange{Days: &bad}, "Did you mean Monday?"},
	} {
		if _, err := (Live{Frequency: 60}).Apply(test.change); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
