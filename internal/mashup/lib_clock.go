package mashup

import (
	"math"
	"time"
)

// wallClock is the wall clock of a date, datetime or datetimezone.
func wallClock(v Value) (datetime, error) {
	switch v := v.(type) {
	case date:
		return v.datetime(), nil
	case datetime:
		return v, nil
	case datetimezone:
		return datetime(v.local), nil
	}
	return 0, cannotConvert(v, "Date")
}

// dayTime is the time of day of a time, datetime or datetimezone.
func dayTime(v Value) (timeOfDay, error) {
	if t, ok := v.(timeOfDay); ok {
		return t, nil
	}
	if v.kind() == kindDate {
		return 0, cannotConvert(v, "Time")
	}
	d, err := wallClock(v)
	if err != nil {
		return 0, cannotConvert(v, "Time")
	}
	return d.clock(), nil
}

// rewound is the value with another wall clock.
func rewound(v Value, at datetime) (Value, error) {
	if at < 0 || at > maxTicks {
		return nil, outOfRange()
	}
	switch v := v.(type) {
	case date:
		return at.date(), nil
	case datetimezone:
		return datetimezone{int64(at), v.offset}, nil
	case timeOfDay:
		return at.clock(), nil
	}
	return at, nil
}

// dateEntry is a function of a date of any kind; null gives null.
func dateEntry(signature string, f func(ev *evaluation, d datetime, args []Value) (Value, error)) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
		if isNull(args[0]) {
			return null, nil
		}
		d, err := wallClock(args[0])
		if err != nil {
			return nil, err
		}
		return f(ev, d, args)
	}}
}

func timeEntry(signature string, f func(t timeOfDay) Value) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
		if isNull(args[0]) {
			return null, nil
		}
		t, err := dayTime(args[0])
		if err != nil {
			return nil, err
		}
		return f(t), nil
	}}
}

// adder moves a date of any kind by a number of something.
func adder(signature string, move func(d datetime, n int) datetime) entry {
	return dateEntry(signature, func(_ *evaluation, d datetime, args []Value) (Value, error) {
		if isNull(args[1]) {
			return null, nil
		}
		n, err := wholeArg(args[1], 0)
		if err != nil {
			return nil, err
		}
		if n > 4e6 || n < -4e6 {
			return nil, outOfRange()
		}
		return rewound(args[0], move(d, n))
	})
}

// addMonths moves by months; a day that the month has not is its last.
func addMonths(d datetime, n int) datetime {
	t := d.time()
	month := t.Year()*12 + int(t.Month()) - 1 + n
	year, month := floorDiv(month, 12), month-floorDiv(month, 12)*12+1
	if year < 1 || year > 9999 {
		return -1
	}
	return dateOf(year, month, min(t.Day(), daysIn(year, month))).datetime() + datetime(d.clock())
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// weekday is 0 for the first day of the week.
func weekday(d date, first int) int { return ((int(d)+1)%7 - first + 7) % 7 }

// firstDayArg is an optional Day, the culture's first day when it is left out.
func firstDayArg(ev *evaluation, v Value) (int, error) {
	if !isNull(v) {
		n, err := countArg(v, 0)
		if err == nil && n > 6 {
			err = fail("The value %d is not a Day.", n)
		}
		return n, err
	}
	c, err := ev.cultureOf("")
	if err != nil {
		return 0, err
	}
	return c.firstDay, nil
}

// A period is where a date's week, month, … begins, and where the next one does.
type period func(d date, first int) (start, next date)

func dayPeriod(d date, _ int) (date, date) { return d, d + 1 }

func weekPeriod(d date, first int) (date, date) {
	start := d - date(weekday(d, first))
	return start, start + 7
}

func monthPeriod(d date, _ int) (date, date) {
	t := d.time()
	return dateOf(t.Year(), int(t.Month()), 1), dateOf(t.Year(), int(t.Month())+1, 1)
}

func quarterPeriod(d date, _ int) (date, date) {
	t := d.time()
	month := (int(t.Month())-1)/3*3 + 1
	return dateOf(t.Year(), month, 1), dateOf(t.Year(), month+3, 1)
}

func yearPeriod(d date, _ int) (date, date) {
	year := d.time().Year()
	return dateOf(year, 1, 1), dateOf(year+1, 1, 1)
}

func startOf(signature string, of period) entry {
	return dateEntry(signature, func(ev *evaluation, d datetime, args []Value) (Value, error) {
		first, err := periodFirst(ev, args)
		if err != nil {
			return nil, err
		}
		start, _ := of(d.date(), first)
		return rewound(args[0], start.datetime())
	})
}

func endOf(signature string, of period) entry {
	return dateEntry(signature, func(ev *evaluation, d datetime, args []Value) (Value, error) {
		first, err := periodFirst(ev, args)
		if err != nil {
			return nil, err
		}
		_, next := of(d.date(), first)
		return rewound(args[0], next.datetime()-1)
	})
}

func periodFirst(ev *evaluation, args []Value) (int, error) {
	if len(args) < 2 {
		return 0, nil
	}
	return firstDayArg(ev, args[1])
}

// within are the functions Date.IsIn…: whether a date is in the period that lies from..to periods after today's.
func within(signature string, of period, from, to int, counted bool) entry {
	return dateEntry(signature, func(ev *evaluation, d datetime, args []Value) (Value, error) {
		from, to := from, to
		if counted {
			n, err := wholeArg(args[1], 0)
			if err != nil {
				return nil, err
			}
			from, to = from*n, to*n
			if from < 0 {
				to = -1
			} else {
				from = 1
			}
		}
		c, err := ev.cultureOf("")
		if err != nil {
			return nil, err
		}
		if z, ok := args[0].(datetimezone); ok {
			d = ev.toLocal(z)
		}
		start, next := of(datetimeOf(ev.session.env.Now).date(), c.firstDay)
		low, high := start, next
		for i := 0; i < max(from, -from) && i < 10000; i++ {
			if from > 0 {
				low = high
				_, high = of(low, c.firstDay)
			} else {
				low, high = 0, low
				low, _ = of(high-1, c.firstDay)
			}
		}
		// low..high is now the period at from; the range runs on to the period at to.
		for i := from; i < to && i-from < 10000; i++ {
			_, high = of(high, c.firstDay)
		}
		return logical(d.date() >= low && d.date() < high), nil
	})
}

// textOptions reads an argument that is a format or culture as text, or a record of both.
func textOptions(ev *evaluation, v Value, textIsFormat bool) (format, culture string, err error) {
	switch v := v.(type) {
	case nullKind:
	case text:
		if textIsFormat {
			return string(v), "", nil
		}
		return "", string(v), nil
	case *record:
		for _, name := range v.shape.names {
			field, _, err := v.get(ev, name)
			if err != nil {
				return "", "", err
			}
			s, err := textArg(field, "")
			if err != nil {
				return "", "", err
			}
			switch name {
			case "Format":
				format = s
			case "Culture":
				culture = s
			default:
				return "", "", fail("The option '%s' isn't valid here; the options are Format and Culture.", name)
			}
		}
	default:
		return "", "", cannotConvert(v, "Record")
	}
	return format, culture, nil
}

// clockToText is Date.ToText and its like.
func clockToText(signature string) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
		format, culture, err := textOptions(ev, args[1], true)
		if err != nil {
			return nil, err
		}
		if other, err := textArg(args[2], ""); err != nil {
			return nil, err
		} else if other != "" {
			culture = other
		}
		c, err := ev.cultureOf(culture)
		if err != nil {
			return nil, err
		}
		if format == "" {
			return text(c.defaultText(args[0])), nil
		}
		s, err := c.format(momentOf(args[0]), format)
		if err != nil {
			return nil, err
		}
		return text(s), nil
	}}
}

// clockFromText is Date.FromText and its like.
func clockFromText(signature string, read func(ev *evaluation, c *culture, s, format string) (Value, error)) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
		format, culture, err := textOptions(ev, args[1], false)
		if err != nil {
			return nil, err
		}
		c, err := ev.cultureOf(culture)
		if err != nil {
			return nil, err
		}
		return read(ev, c, string(args[0].(text)), format)
	}}
}

func clockFunctions() family {
	all := family{constants: []constant{
		{"Day.Sunday", intNumber(0)}, {"Day.Monday", intNumber(1)}, {"Day.Tuesday", intNumber(2)}, {"Day.Wednesday", intNumber(3)},
		{"Day.Thursday", intNumber(4)}, {"Day.Friday", intNumber(5)}, {"Day.Saturday", intNumber(6)}, {"Day.Type", named(kindNumber, "Day.Type")},
		{"Date.Type", simple(kindDate)}, {"DateTime.Type", simple(kindDateTime)}, {"DateTimeZone.Type", simple(kindDateTimeZone)},
		{"Time.Type", simple(kindTime)}, {"Duration.Type", simple(kindDuration)},
	}}
	for _, part := range [][]entry{clockMakers(), dateFunctions(), dateWithin(), dateTimeFunctions(), timeFunctions(), durationFunctions()} {
		all.entries = append(all.entries, part...)
	}
	return all
}

// clockParts reads numbers of a constructor; the one at fraction may have a fraction, which is given in ticks.
func clockParts(args []Value, fraction int) ([]int64, error) {
	parts := make([]int64, len(args))
	for i, arg := range args {
		n := arg.(number)
		if i == fraction {
			f := n.float()
			if math.IsNaN(f) || math.Abs(f) > 1e12 {
				return nil, outOfRange()
			}
			parts[i] = int64(math.Round(f * ticksPerSecond))
			continue
		}
		whole, ok := n.int()
		if !ok || whole > 1e10 || whole < -1e10 {
			return nil, fail("The number %s is not a whole number in range.", display(n))
		}
		parts[i] = whole
	}
	return parts, nil
}

func madeDate(parts []int64) (date, error) {
	if parts[0] < 1 || parts[0] > 9999 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > int64(daysIn(int(parts[0]), int(parts[1]))) {
		return 0, fail("The date operation failed because the resulting value falls outside the range of allowed values.")
	}
	return dateOf(int(parts[0]), int(parts[1]), int(parts[2])), nil
}

// madeClock is hours, minutes and ticks of seconds.
func madeClock(parts []int64) (timeOfDay, error) {
	ticks := parts[0]*ticksPerHour + parts[1]*ticksPerMinute + parts[2]
	if parts[0] < 0 || parts[0] > 24 || parts[1] < 0 || parts[1] > 59 || parts[2] < 0 || parts[2] >= ticksPerMinute || ticks > ticksPerDay {
		return 0, fail("The Time operation failed because the resulting value falls outside the range of allowed values.")
	}
	return timeOfDay(ticks), nil
}

func clockMakers() []entry {
	return []entry{
		{signature: "#date(year as number, month as number, day as number) as date", body: func(_ *evaluation, args []Value) (Value, error) {
			parts, err := clockParts(args, -1)
			if err != nil {
				return nil, err
			}
			return orValue(madeDate(parts))
		}},
		{signature: "#time(hour as number, minute as number, second as number) as time", body: func(_ *evaluation, args []Value) (Value, error) {
			parts, err := clockParts(args, 2)
			if err != nil {
				return nil, err
			}
			return orValue(madeClock(parts))
		}},
		{signature: "#datetime(year as number, month as number, day as number, hour as number, minute as number, second as number) as datetime", body: func(_ *evaluation, args []Value) (Value, error) {
			return orValue(madeDateTime(args))
		}},
		{signature: "#datetimezone(year as number, month as number, day as number, hour as number, minute as number, second as number, offsetHours as number, offsetMinutes as number) as datetimezone", body: func(_ *evaluation, args []Value) (Value, error) {
			at, err := madeDateTime(args[:6])
			if err != nil {
				return nil, err
			}
			return zoned(at, args[6], args[7])
		}},
		{signature: "#duration(days as number, hours as number, minutes as number, seconds as number) as duration", body: func(_ *evaluation, args []Value) (Value, error) {
			total := 0.0
			for i, unit := range []float64{ticksPerDay, ticksPerHour, ticksPerMinute, ticksPerSecond} {
				total += args[i].(number).float() * unit
			}
			if math.IsNaN(total) || math.Abs(total) >= 1<<63 {
				return nil, outOfRange()
			}
			if parts, err := clockParts(args, 3); err == nil {
				return duration(parts[0]*ticksPerDay + parts[1]*ticksPerHour + parts[2]*ticksPerMinute + parts[3]), nil
			}
			return duration(math.Round(total)), nil
		}},
	}
}

func orValue[V Value](v V, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func madeDateTime(args []Value) (datetime, error) {
	parts, err := clockParts(args, 5)
	if err != nil {
		return 0, err
	}
	d, err := madeDate(parts)
	if err != nil {
		return 0, err
	}
	t, err := madeClock(parts[3:])
	return d.datetime() + datetime(t), err
}

func zoned(at datetime, hours, minutes Value) (Value, error) {
	h, err := wholeArg(hours, 0)
	if err != nil {
		return nil, err
	}
	m, err := wholeArg(minutes, 0)
	if err != nil {
		return nil, err
	}
	if offset := h*60 + m; offset >= -14*60 && offset <= 14*60 {
		return datetimezone{int64(at), int16(offset)}, nil
	}
	return nil, fail("The time zone operation failed because the offset falls outside the range of allowed values.")
}

func part(signature string, f func(t time.Time) int) entry {
	return dateEntry(signature, func(_ *evaluation, d datetime, _ []Value) (Value, error) { return intNumber(int64(f(d.time()))), nil })
}

func dateFunctions() []entry {
	return []entry{
		conversion("Date.From(value as any, optional culture as nullable text) as nullable date", (*evaluation).dateFrom),
		clockFromText("Date.FromText(text as nullable text, optional options as any) as nullable date", (*evaluation).dateFromText),
		clockToText("Date.ToText(date as nullable date, optional options as any, optional culture as nullable text) as nullable text"),
		part("Date.Year(dateTime as any) as nullable number", time.Time.Year),
		part("Date.Month(dateTime as any) as nullable number", func(t time.Time) int { return int(t.Month()) }),
		part("Date.Day(dateTime as any) as nullable number", time.Time.Day),
		part("Date.DayOfYear(dateTime as any) as nullable number", time.Time.YearDay),
		part("Date.QuarterOfYear(dateTime as any) as nullable number", func(t time.Time) int { return (int(t.Month()) + 2) / 3 }),
		part("Date.DaysInMonth(dateTime as any) as nullable number", func(t time.Time) int { return daysIn(t.Year(), int(t.Month())) }),
		dateEntry("Date.IsLeapYear(dateTime as any) as nullable logical", func(_ *evaluation, d datetime, _ []Value) (Value, error) {
			return logical(daysIn(d.time().Year(), 2) == 29), nil
		}),
		dateEntry("Date.DayOfWeek(dateTime as any, optional firstDayOfWeek as nullable number) as nullable number", func(ev *evaluation, d datetime, args []Value) (Value, error) {
			first, err := firstDayArg(ev, args[1])
			return intNumber(int64(weekday(d.date(), first))), err
		}),
		dateEntry("Date.DayOfWeekName(date as any, optional culture as nullable text) as nullable text", func(ev *evaluation, d datetime, args []Value) (Value, error) {
			c, err := ev.culture(args[1])
			if err != nil {
				return nil, err
			}
			return text(c.days[d.time().Weekday()]), nil
		}),
		dateEntry("Date.MonthName(date as any, optional culture as nullable text) as nullable text", func(ev *evaluation, d datetime, args []Value) (Value, error) {
			c, err := ev.culture(args[1])
			if err != nil {
				return nil, err
			}
			return text(c.months[d.time().Month()-1]), nil
		}),
		dateEntry("Date.WeekOfYear(dateTime as any, optional firstDayOfWeek as nullable number) as nullable number", func(ev *evaluation, d datetime, args []Value) (Value, error) {
			first, err := firstDayArg(ev, args[1])
			start, _ := yearPeriod(d.date(), 0)
			return intNumber(int64((int(d.date()-start)+weekday(start, first))/7 + 1)), err
		}),
		dateEntry("Date.WeekOfMonth(dateTime as any, optional firstDayOfWeek as nullable number) as nullable number", func(ev *evaluation, d datetime, args []Value) (Value, error) {
			first, err := firstDayArg(ev, args[1])
			start, _ := monthPeriod(d.date(), 0)
			return intNumber(int64((int(d.date()-start)+weekday(start, first))/7 + 1)), err
		}),
		dateEntry("Date.ToRecord(date as date) as record", func(_ *evaluation, d datetime, _ []Value) (Value, error) {
			t := d.time()
			return newRecord([]string{"Year", "Month", "Day"}, []Value{intNumber(int64(t.Year())), intNumber(int64(t.Month())), intNumber(int64(t.Day()))}), nil
		}),
		adder("Date.AddDays(dateTime as any, numberOfDays as number) as any", func(d datetime, n int) datetime { return d + datetime(int64(n)*ticksPerDay) }),
		adder("Date.AddWeeks(dateTime as any, numberOfWeeks as number) as any", func(d datetime, n int) datetime { return d + datetime(int64(n)*7*ticksPerDay) }),
		adder("Date.AddMonths(dateTime as any, numberOfMonths as number) as any", addMonths),
		adder("Date.AddQuarters(dateTime as any, numberOfQuarters as number) as any", func(d datetime, n int) datetime { return addMonths(d, 3*n) }),
		adder("Date.AddYears(dateTime as any, numberOfYears as number) as any", func(d datetime, n int) datetime { return addMonths(d, 12*n) }),
		startOf("Date.StartOfDay(dateTime as any) as any", dayPeriod),
		startOf("Date.StartOfWeek(dateTime as any, optional firstDayOfWeek as nullable number) as any", weekPeriod),
		startOf("Date.StartOfMonth(dateTime as any) as any", monthPeriod),
		startOf("Date.StartOfQuarter(dateTime as any) as any", quarterPeriod),
		startOf("Date.StartOfYear(dateTime as any) as any", yearPeriod),
		endOf("Date.EndOfDay(dateTime as any) as any", dayPeriod),
		endOf("Date.EndOfWeek(dateTime as any, optional firstDayOfWeek as nullable number) as any", weekPeriod),
		endOf("Date.EndOfMonth(dateTime as any) as any", monthPeriod),
		endOf("Date.EndOfQuarter(dateTime as any) as any", quarterPeriod),
		endOf("Date.EndOfYear(dateTime as any) as any", yearPeriod),
	}
}

// dateWithin are the functions that compare a date with today.
func dateWithin() []entry {
	var all []entry
	for _, unit := range []struct {
		name string
		of   period
	}{{"Day", dayPeriod}, {"Week", weekPeriod}, {"Month", monthPeriod}, {"Quarter", quarterPeriod}, {"Year", yearPeriod}} {
		one, many := "(dateTime as any) as nullable logical", "(dateTime as any, count as number) as nullable logical"
		all = append(all,
			within("Date.IsInCurrent"+unit.name+one, unit.of, 0, 0, false),
			within("Date.IsInNext"+unit.name+one, unit.of, 1, 1, false),
			within("Date.IsInPrevious"+unit.name+one, unit.of, -1, -1, false),
			within("Date.IsInNextN"+unit.name+"s"+many, unit.of, 1, 1, true),
			within("Date.IsInPreviousN"+unit.name+"s"+many, unit.of, -1, -1, true))
	}
	return append(all, dateEntry("Date.IsInYearToDate(dateTime as any) as nullable logical", func(ev *evaluation, d datetime, _ []Value) (Value, error) {
		today := datetimeOf(ev.session.env.Now).date()
		start, _ := yearPeriod(today, 0)
		return logical(d.date() >= start && d.date() <= today), nil
	}))
}

func (ev *evaluation) now() datetimezone {
	_, seconds := ev.session.env.Now.Zone()
	return datetimezone{int64(datetimeOf(ev.session.env.Now)), int16(seconds / 60)}
}

func nowEntry(signature string, f func(z datetimezone) Value) entry {
	return entry{signature: signature, body: func(ev *evaluation, _ []Value) (Value, error) { return f(ev.now()), nil }}
}

func inUTC(z datetimezone) Value { return datetimezone{z.utc(), 0} }

func clockRecord(d datetime) ([]string, []Value) {
	t := d.time()
	names, values := timeRecord(d.clock())
	return append([]string{"Year", "Month", "Day"}, names...),
		append([]Value{intNumber(int64(t.Year())), intNumber(int64(t.Month())), intNumber(int64(t.Day()))}, values...)
}

func timeRecord(t timeOfDay) ([]string, []Value) {
	return []string{"Hour", "Minute", "Second"}, []Value{intNumber(int64(t) / ticksPerHour), intNumber(int64(t) / ticksPerMinute % 60), secondsOf(t)}
}

func secondsOf(t timeOfDay) number {
	ticks := int64(t) % ticksPerMinute
	if ticks%ticksPerSecond == 0 {
		return intNumber(ticks / ticksPerSecond)
	}
	return floatNumber(float64(ticks) / ticksPerSecond)
}

// zonedEntry is a function of a datetimezone; the signature makes null give null.
func zonedEntry(signature string, f func(ev *evaluation, z datetimezone, args []Value) (Value, error)) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) { return f(ev, args[0].(datetimezone), args) }}
}

func dateTimeFunctions() []entry {
	return []entry{
		conversion("DateTime.From(value as any, optional culture as nullable text) as nullable datetime", (*evaluation).dateTimeFrom),
		clockFromText("DateTime.FromText(text as nullable text, optional options as any) as nullable datetime", (*evaluation).dateTimeFromText),
		clockToText("DateTime.ToText(dateTime as nullable datetime, optional options as any, optional culture as nullable text) as nullable text"),
		dateEntry("DateTime.Date(dateTime as any) as nullable date", func(_ *evaluation, d datetime, _ []Value) (Value, error) { return d.date(), nil }),
		timeEntry("DateTime.Time(dateTime as any) as nullable time", func(t timeOfDay) Value { return t }),
		dateEntry("DateTime.AddZone(dateTime as nullable datetime, timezoneHours as number, optional timezoneMinutes as nullable number) as nullable datetimezone", func(_ *evaluation, d datetime, args []Value) (Value, error) {
			return zoned(d, args[1], args[2])
		}),
		dateEntry("DateTime.ToRecord(dateTime as datetime) as record", func(_ *evaluation, d datetime, _ []Value) (Value, error) {
			return newRecord(clockRecord(d)), nil
		}),
		nowEntry("DateTime.LocalNow() as datetime", func(z datetimezone) Value { return datetime(z.local) }),
		nowEntry("DateTime.FixedLocalNow() as datetime", func(z datetimezone) Value { return datetime(z.local) }),
		{signature: "DateTime.FromFileTime(fileTime as nullable number) as nullable datetime", body: func(ev *evaluation, args []Value) (Value, error) {
			n, _ := args[0].(number).int()
			return ev.toLocal(datetimezone{int64(dateOf(1601, 1, 1).datetime()) + n, 0}), nil
		}},
		conversion("DateTimeZone.From(value as any, optional culture as nullable text) as nullable datetimezone", (*evaluation).zonedFrom),
		clockFromText("DateTimeZone.FromText(text as nullable text, optional options as any) as nullable datetimezone", (*evaluation).zonedFromText),
		clockToText("DateTimeZone.ToText(dateTimeZone as nullable datetimezone, optional options as any, optional culture as nullable text) as nullable text"),
		nowEntry("DateTimeZone.LocalNow() as datetimezone", func(z datetimezone) Value { return z }),
		nowEntry("DateTimeZone.FixedLocalNow() as datetimezone", func(z datetimezone) Value { return z }),
		nowEntry("DateTimeZone.UtcNow() as datetimezone", inUTC),
		nowEntry("DateTimeZone.FixedUtcNow() as datetimezone", inUTC),
		zonedEntry("DateTimeZone.ToUtc(dateTimeZone as nullable datetimezone) as nullable datetimezone", func(_ *evaluation, z datetimezone, _ []Value) (Value, error) {
			return inUTC(z), nil
		}),
		zonedEntry("DateTimeZone.ToLocal(dateTimeZone as nullable datetimezone) as nullable datetimezone", func(ev *evaluation, z datetimezone, _ []Value) (Value, error) {
			local := ev.toLocal(z)
			return datetimezone{int64(local), int16((int64(local) - z.utc()) / ticksPerMinute)}, nil
		}),
		zonedEntry("DateTimeZone.RemoveZone(dateTimeZone as nullable datetimezone) as nullable datetime", func(_ *evaluation, z datetimezone, _ []Value) (Value, error) {
			return datetime(z.local), nil
		}),
		zonedEntry("DateTimeZone.SwitchZone(dateTimeZone as nullable datetimezone, timezoneHours as number, optional timezoneMinutes as nullable number) as nullable datetimezone", func(_ *evaluation, z datetimezone, args []Value) (Value, error) {
			switched, err := zoned(0, args[1], args[2])
			if err != nil {
				return nil, err
			}
			offset := switched.(datetimezone).offset
			return datetimezone{z.utc() + int64(offset)*ticksPerMinute, offset}, nil
		}),
		zonedEntry("DateTimeZone.ZoneHours(dateTimeZone as nullable datetimezone) as nullable number", func(_ *evaluation, z datetimezone, _ []Value) (Value, error) {
			return intNumber(int64(z.offset / 60)), nil
		}),
		zonedEntry("DateTimeZone.ZoneMinutes(dateTimeZone as nullable datetimezone) as nullable number", func(_ *evaluation, z datetimezone, _ []Value) (Value, error) {
			return intNumber(int64(z.offset % 60)), nil
		}),
		zonedEntry("DateTimeZone.ToRecord(dateTimeZone as datetimezone) as record", func(_ *evaluation, z datetimezone, _ []Value) (Value, error) {
			names, values := clockRecord(datetime(z.local))
			return newRecord(append(names, "ZoneHours", "ZoneMinutes"), append(values, intNumber(int64(z.offset/60)), intNumber(int64(z.offset%60)))), nil
		}),
	}
}

func timeFunctions() []entry {
	hourOf := func(signature string, end int64) entry {
		return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
			if isNull(args[0]) {
				return null, nil
			}
			t, err := dayTime(args[0])
			if err != nil {
				return nil, err
			}
			to := int64(t)/ticksPerHour*ticksPerHour + end
			if args[0].kind() == kindTime {
				return timeOfDay(to), nil
			}
			d, err := wallClock(args[0])
			if err != nil {
				return nil, err
			}
			return rewound(args[0], d.date().datetime()+datetime(to))
		}}
	}
	return []entry{
		conversion("Time.From(value as any, optional culture as nullable text) as nullable time", (*evaluation).timeFrom),
		clockFromText("Time.FromText(text as nullable text, optional options as any) as nullable time", (*evaluation).timeFromText),
		clockToText("Time.ToText(time as nullable time, optional options as any, optional culture as nullable text) as nullable text"),
		timeEntry("Time.Hour(dateTime as any) as nullable number", func(t timeOfDay) Value { return intNumber(int64(t) / ticksPerHour) }),
		timeEntry("Time.Minute(dateTime as any) as nullable number", func(t timeOfDay) Value { return intNumber(int64(t) / ticksPerMinute % 60) }),
		timeEntry("Time.Second(dateTime as any) as nullable number", func(t timeOfDay) Value { return secondsOf(t) }),
		timeEntry("Time.ToRecord(time as time) as record", func(t timeOfDay) Value { return newRecord(timeRecord(t)) }),
		hourOf("Time.StartOfHour(dateTime as any) as any", 0),
		hourOf("Time.EndOfHour(dateTime as any) as any", ticksPerHour-1),
	}
}

func durationFunctions() []entry {
	of := func(signature string, f func(d duration) Value) entry {
		return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) { return f(args[0].(duration)), nil }}
	}
	total := func(signature string, unit float64) entry {
		return of(signature, func(d duration) Value { return tidy(float64(d) / unit) })
	}
	seconds := func(d duration) Value {
		ticks := int64(d) % ticksPerMinute
		if ticks%ticksPerSecond == 0 {
			return intNumber(ticks / ticksPerSecond)
		}
		return floatNumber(float64(ticks) / ticksPerSecond)
	}
	return []entry{
		{signature: "Duration.From(value as any) as nullable duration", body: func(_ *evaluation, args []Value) (Value, error) { return durationFrom(args[0]) }},
		{signature: "Duration.FromText(text as nullable text) as nullable duration", body: func(_ *evaluation, args []Value) (Value, error) {
			return durationFromText(string(args[0].(text)))
		}},
		{signature: "Duration.ToText(duration as nullable duration, optional format as nullable text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
			return text(durationText(args[0].(duration))), nil
		}},
		of("Duration.Days(duration as nullable duration) as nullable number", func(d duration) Value { return intNumber(int64(d) / ticksPerDay) }),
		of("Duration.Hours(duration as nullable duration) as nullable number", func(d duration) Value { return intNumber(int64(d) / ticksPerHour % 24) }),
		of("Duration.Minutes(duration as nullable duration) as nullable number", func(d duration) Value { return intNumber(int64(d) / ticksPerMinute % 60) }),
		of("Duration.Seconds(duration as nullable duration) as nullable number", seconds),
		total("Duration.TotalDays(duration as nullable duration) as nullable number", ticksPerDay),
		total("Duration.TotalHours(duration as nullable duration) as nullable number", ticksPerHour),
		total("Duration.TotalMinutes(duration as nullable duration) as nullable number", ticksPerMinute),
		total("Duration.TotalSeconds(duration as nullable duration) as nullable number", ticksPerSecond),
		of("Duration.ToRecord(duration as duration) as record", func(d duration) Value {
			return newRecord([]string{"Days", "Hours", "Minutes", "Seconds"}, []Value{intNumber(int64(d) / ticksPerDay), intNumber(int64(d) / ticksPerHour % 24), intNumber(int64(d) / ticksPerMinute % 60), seconds(d)})
		}),
	}
}
