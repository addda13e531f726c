package policy

import (
	"fmt"
	"slices"
	"time"

	"freshet.dev/internal/fault"
)

// Grain is the size of a period. A finer one is less.
type Grain uint8

// The grains. Each period of one is made of whole periods of the next finer one.
const (
	Day Grain = iota
	Month
	Quarter
	Year
)

var grainNames = [...]string{"day", "month", "quarter", "year"}

func (g Grain) String() string { return grainNames[g] }

func parseGrain(what, text string) (Grain, error) {
	if i := slices.Index(grainNames[:], text); i >= 0 {
		return Grain(i), nil
	}
	return 0, invalid("its %s granularity is '%s'", what, text).WithHint("Make it day, month, quarter or year.")
}

// floor is the midnight that begins the period of t.
func (g Grain) floor(t time.Time) time.Time {
	year, month, day := t.Date()
	switch g {
	case Year:
		month, day = time.January, 1
	case Quarter:
		month, day = (month-1)/3*3+1, 1
	case Month:
		day = 1
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// add goes n periods on. A day that its month does not have becomes the month's last one: a quarter before December 31 is September 30.
func (g Grain) add(t time.Time, n int) time.Time {
	months := n
	switch g {
	case Day:
		return t.AddDate(0, 0, n)
	case Month:
	case Quarter:
		months = 3 * n
	case Year:
		months = 12 * n
	}
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// Range is [Start, End), both midnights in UTC.
type Range struct{ Start, End time.Time }

// dateForm is how a version and a definition write a border.
const dateForm = "2006-01-02"

// Text gives the borders as a version keeps them; an open border is "".
func (r Range) Text() (start, end string) {
	if !r.Start.IsZero() {
		start = r.Start.Format(dateForm)
	}
	if !r.End.IsZero() {
		end = r.End.Format(dateForm)
	}
	return start, end
}

// ParseRange reads the borders of a policy's partition, as a version keeps them or a definition has them. An end "" is open.
func ParseRange(start, end string) (Range, error) {
	var r Range
	for _, border := range []struct {
		text string
		to   *time.Time
	}{{start, &r.Start}, {end, &r.End}} {
		if border.text == "" {
			continue
		}
		var err error
		for _, form := range []string{dateForm, "2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05"} {
			if *border.to, err = time.Parse(form, border.text); err == nil {
				break
			}
		}
		if err != nil {
			return Range{}, fault.New(fault.Invalid, CodeInvalid, "cannot read '%s' as the border of a partition's range", border.text).WithHint("Write it as 2026-03-31.")
		}
	}
	if r.Start.IsZero() || !r.End.IsZero() && !r.Start.Before(r.End) {
		return Range{}, fault.New(fault.Invalid, CodeInvalid, "cannot use a partition's range from '%s' to '%s': it holds no moment", start, end).
			WithHint("Give it a start, and an end after that.")
	}
	return r, nil
}

// holds tells whether all of other is in r.
func (r Range) holds(other Range) bool {
	return !other.Start.Before(r.Start) && !other.End.After(r.End)
}

func (r Range) String() string {
	start, end := r.Text()
	return start + " to " + end
}

// grain is the largest grain of which r is one period.
func (r Range) grain() (Grain, bool) {
	for g := Year; ; g-- {
		if g.floor(r.Start).Equal(r.Start) && g.add(r.Start, 1).Equal(r.End) {
			return g, true
		}
		if g == Day {
			return 0, false
		}
	}
}

// name is what Power BI calls the partition of a period: 2021, 2021Q1, 2021Q102 for February, 2021Q10203 for its third day.
func (r Range) name() string {
	g, _ := r.grain()
	name := fmt.Sprintf("%04d", r.Start.Year())
	if g < Year {
		name += fmt.Sprintf("Q%d", (r.Start.Month()+2)/3)
	}
	if g < Quarter {
		name += fmt.Sprintf("%02d", r.Start.Month())
	}
	if g < Month {
		name += fmt.Sprintf("%02d", r.Start.Day())
	}
	return name
}

// cover tiles a range with the largest periods that fit, none of a coarser grain than most. The borders of the range are midnights.
func cover(r Range, most Grain) []Range {
	var tiles []Range
	for at := r.Start; at.Before(r.End); {
		g := most
		for g > Day && (!g.floor(at).Equal(at) || g.add(at, 1).After(r.End)) {
			g--
		}
		end := g.add(at, 1)
		tiles = append(tiles, Range{at, end})
		at = end
	}
	return tiles
}

// periods tiles a range with periods of one grain.
func periods(r Range, g Grain) []Range {
	var tiles []Range
	for at := r.Start; at.Before(r.End); at = g.add(at, 1) {
		tiles = append(tiles, Range{at, g.add(at, 1)})
	}
	return tiles
}
