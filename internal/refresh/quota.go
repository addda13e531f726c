package refresh

import (
	"sort"
	"time"
)

// sharedADay is how many refreshes a day a model in a shared workspace may have, scheduled ones and those of the API together (R36).
const sharedADay = 8

// quotaOf returns what bounds a new operation, and when that bound is lifted; of a dataflow, whose last 24 hours count, the latter is not told.
func quotaOf(definition Definition, trigger Trigger, now time.Time) (quota Quota, end time.Time) {
	if definition.Capacity != "" || trigger == OnDemand {
		return Quota{}, time.Time{}
	}
	if definition.Dataflow {
		return Quota{Since: now.Add(-24 * time.Hour), Most: sharedADay}, time.Time{}
	}
	zone := definition.Zone
	if zone == nil {
		zone = time.UTC
	}
	begin, end := dayOf(now, zone)
	return Quota{Since: begin, Most: sharedADay}, end
}

// dayOf returns the first instants of now's day and of the day after it in a zone. It need not be 24 h, nor begin at 0:00: summer time may
// begin or end at midnight.
func dayOf(now time.Time, zone *time.Location) (begin, end time.Time) {
	begin = midnight(now.In(zone))
	return begin, midnight(begin.Add(36 * time.Hour))
}

// midnight returns the first instant of t's day in t's zone. To ask time.Date for 0:00 would not do: where the clock skips it the answer may lie
// in the day before, and where it comes twice the answer may be the second.
func midnight(t time.Time) time.Time {
	const longest = 26 * time.Hour
	before := t.Truncate(time.Second).Add(-longest)
	seconds := sort.Search(int(longest/time.Second), func(s int) bool {
		return sameDay(before.Add(time.Duration(s)*time.Second), t)
	})
	return before.Add(time.Duration(seconds) * time.Second)
}

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}
