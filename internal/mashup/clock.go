package mashup

import "time"

// Points in time count ticks of 100 ns, as the language's other implementations do, from the start of the year 1.
type (
	date         int32 // days since 0001-01-01
	timeOfDay    int64 // ticks since midnight; a whole day is allowed
	datetime     int64 // ticks since 0001-01-01
	duration     int64 // ticks
	datetimezone struct {
		local  int64 // ticks of the wall clock
		offset int16 // minutes east of UTC
	}
)

func (date) kind() kind         { return kindDate }
func (timeOfDay) kind() kind    { return kindTime }
func (datetime) kind() kind     { return kindDateTime }
func (duration) kind() kind     { return kindDuration }
func (datetimezone) kind() kind { return kindDateTimeZone }

const (
	ticksPerSecond = 10_000_000
	ticksPerMinute = 60 * ticksPerSecond
	ticksPerHour   = 60 * ticksPerMinute
	ticksPerDay    = 24 * ticksPerHour
	secondsToUnix  = 62135596800 // from 0001-01-01 to 1970-01-01
	maxDay         = 3652058     // 9999-12-31
)

// datetimeOf is the wall clock of t.
func datetimeOf(t time.Time) datetime {
	_, offset := t.Zone()
	return datetime((t.Unix()+int64(offset)+secondsToUnix)*ticksPerSecond + int64(t.Nanosecond()/100))
}

// dateOf is a calendar date, which may be out of range (month 13 is the next year's first).
func dateOf(year, month, day int) date {
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return date((t.Unix() + secondsToUnix) / 86400)
}

// time is the wall clock in UTC, for the calendar's arithmetic.
func (d datetime) time() time.Time {
	sec, ticks := int64(d)/ticksPerSecond, int64(d)%ticksPerSecond
	return time.Unix(sec-secondsToUnix, ticks*100).UTC()
}

func (d date) datetime() datetime { return datetime(int64(d) * ticksPerDay) }

func (d date) time() time.Time { return d.datetime().time() }

func (d datetime) date() date { return date(int64(d) / ticksPerDay) }

func (d datetime) clock() timeOfDay { return timeOfDay(int64(d) % ticksPerDay) }

// utc is the instant in ticks of UTC, by which zoned times compare.
func (z datetimezone) utc() int64 { return z.local - int64(z.offset)*ticksPerMinute }
