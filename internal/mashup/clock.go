package mashup

import (
	"math"
	"time"

	"freshet.dev/internal/mashup/syntax"
)

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

const (
	maxTicks = datetime((maxDay+1)*ticksPerDay - 1) // the end of the year 9999
)

func outOfRange() error {
	return fail("The date and time operation failed because the resulting value falls outside the range of allowed values.")
}

func checkedDateTime(d datetime) (Value, error) {
	if d < 0 || d > maxTicks {
		return nil, outOfRange()
	}
	return d, nil
}

func checkedDate(d int64) (Value, error) {
	if d < 0 || d > maxDay {
		return nil, outOfRange()
	}
	return date(d), nil
}

// clockArithmetic is + - * / where a date, a time or a duration takes part; nil says that the operator does not fit.
func clockArithmetic(op syntax.Op, a, b Value) (Value, error) {
	if span, ok := b.(duration); ok && (op == syntax.OpAdd || op == syntax.OpSubtract) {
		if op == syntax.OpSubtract {
			span = -span
		}
		return addSpan(a, span)
	}
	switch x := a.(type) {
	case duration:
		switch y := b.(type) {
		case number:
			switch op {
			case syntax.OpMultiply:
				return scaled(x, y.float())
			case syntax.OpDivide:
				return scaled(x, 1/y.float())
			}
		case duration:
			if op == syntax.OpDivide {
				return arithmetic(op, intNumber(int64(x)), intNumber(int64(y))), nil
			}
		default:
			if op == syntax.OpAdd {
				return addSpan(b, x)
			}
		}
	case number:
		if y, ok := b.(duration); ok && op == syntax.OpMultiply {
			return scaled(y, x.float())
		}
	}
	if op != syntax.OpSubtract || a.kind() != b.kind() {
		return nil, nil
	}
	switch x := a.(type) {
	case date:
		return duration(int64(x-b.(date)) * ticksPerDay), nil
	case timeOfDay:
		return duration(x - b.(timeOfDay)), nil
	case datetime:
		return duration(x - b.(datetime)), nil
	case datetimezone:
		return duration(x.utc() - b.(datetimezone).utc()), nil
	}
	return nil, nil
}

func addSpan(v Value, span duration) (Value, error) {
	switch v := v.(type) {
	case date:
		d, err := checkedDateTime(v.datetime() + datetime(span))
		if err != nil {
			return nil, err
		}
		return d.(datetime).date(), nil
	case timeOfDay:
		t := (int64(v) + int64(span)) % ticksPerDay
		if t < 0 {
			t += ticksPerDay
		}
		return timeOfDay(t), nil
	case datetime:
		return checkedDateTime(v + datetime(span))
	case datetimezone:
		d, err := checkedDateTime(datetime(v.local) + datetime(span))
		if err != nil {
			return nil, err
		}
		return datetimezone{int64(d.(datetime)), v.offset}, nil
	case duration:
		return v + span, nil
	}
	return nil, nil
}

func scaled(d duration, by float64) (Value, error) {
	ticks := math.Round(float64(d) * by)
	if math.IsNaN(ticks) || math.Abs(ticks) >= 1<<63 {
		return nil, fail("The duration operation failed because the resulting value falls outside the range of allowed values.")
	}
	return duration(ticks), nil
}
