package mashup

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// readExact reads a text that follows a standard or custom pattern.
func (c *culture) readExact(s, format string, thisYear int) (p dateParts, ok bool, err error) {
	if format == "o" || format == "O" || format == "s" || format == "u" || format == "r" || format == "R" {
		c, _ = findCulture("")
	}
	pattern, err := c.pattern(format, moment{zoned: strings.ContainsAny(lastChars(s, 6), "+-Z")})
	if err != nil {
		return p, false, err
	}
	r := patternReader{culture: c, rest: s, half: -1}
	if !r.read(strings.TrimPrefix(pattern, "%")) || strings.TrimSpace(r.rest) != "" {
		return p, false, nil
	}
	p, ok = r.parts(thisYear)
	return p, ok, nil
}

func lastChars(s string, n int) string { return s[max(0, len(s)-n):] }

// patternReader takes a text apart by a pattern.
type patternReader struct {
	culture              *culture
	rest                 string
	year, month, day     int
	hasDate              bool
	hour, minute, second int
	fraction             int64
	hasTime              bool
	half                 int // -1 is unknown, 0 a.m., 1 p.m.
	offset               int
	hasZone              bool
}

func (r *patternReader) parts(thisYear int) (p dateParts, ok bool) {
	if r.half >= 0 {
		if r.hour > 12 {
			return p, false
		}
		r.hour = r.hour%12 + 12*r.half
	}
	if r.hour > 23 || r.minute > 59 || r.second > 59 {
		return p, false
	}
	p = dateParts{year: r.year, month: r.month, day: r.day, hasDate: r.hasDate, hasTime: r.hasTime, offset: r.offset, hasZone: r.hasZone}
	p.clock = int64(r.hour)*ticksPerHour + int64(r.minute)*ticksPerMinute + int64(r.second)*ticksPerSecond + r.fraction
	if !p.hasDate {
		return p, true
	}
	if p.year == 0 {
		p.year = thisYear
	}
	p.month, p.day = max(p.month, 1), max(p.day, 1)
	_, ok = p.date()
	return p, ok
}

func (r *patternReader) read(pattern string) bool {
	for i := 0; i < len(pattern); {
		ch := pattern[i]
		n := 1
		for i+n < len(pattern) && pattern[i+n] == ch {
			n++
		}
		ok := true
		switch ch {
		case 'd':
			switch {
			case n <= 2:
				r.hasDate = true
				ok = r.number(&r.day, n, 2)
			case n == 3:
				_, ok = r.name(r.culture.shortDays[:])
			default:
				_, ok = r.name(r.culture.days[:])
			}
		case 'M':
			r.hasDate = true
			switch {
			case n <= 2:
				ok = r.number(&r.month, n, 2)
			case n == 3:
				r.month, ok = r.name(r.culture.shortMonths[:])
				r.month++
			default:
				if r.month, ok = r.name(r.culture.months[:]); !ok && r.culture.genitive[0] != "" {
					r.month, ok = r.name(r.culture.genitive[:])
				}
				r.month++
			}
		case 'y':
			r.hasDate = true
			if n <= 2 {
				ok = r.number(&r.year, n, 2)
				r.year = wholeYear(r.year, 2)
			} else {
				ok = r.number(&r.year, n, max(n, 4))
			}
		case 'h', 'H':
			r.hasTime = true
			ok = r.number(&r.hour, min(n, 2), 2)
		case 'm':
			r.hasTime = true
			ok = r.number(&r.minute, min(n, 2), 2)
		case 's':
			r.hasTime = true
			ok = r.number(&r.second, min(n, 2), 2)
		case 'f', 'F':
			digits := 0
			for digits < n && digits < len(r.rest) && r.rest[digits] >= '0' && r.rest[digits] <= '9' {
				digits++
			}
			ok = ch == 'F' || digits == n
			r.fraction = ticksOfFraction(r.rest[:digits])
			r.rest = r.rest[digits:]
		case 't':
			ok = r.halfDay()
		case 'z', 'K':
			if ch == 'K' {
				n = 1
			}
			ok = r.zone(ch == 'K')
		case ':':
			n = 1
			ok = r.literal(r.culture.timeSep)
		case '/':
			n = 1
			ok = r.literal(r.culture.dateSep)
		case '\'', '"':
			end := strings.IndexByte(pattern[i+1:], ch)
			if end < 0 {
				return false
			}
			ok = r.literal(pattern[i+1 : i+1+end])
			n = end + 2
		case '\\':
			_, size := utf8.DecodeRuneInString(pattern[i+1:])
			ok = r.literal(pattern[i+1 : i+1+size])
			n = 1 + size
		case '%':
			n = 1
		default:
			ok = r.literal(pattern[i : i+n])
		}
		if !ok {
			return false
		}
		i += n
	}
	return true
}

func (r *patternReader) number(to *int, least, most int) bool {
	n, digits := 0, 0
	for digits < most && digits < len(r.rest) && r.rest[digits] >= '0' && r.rest[digits] <= '9' {
		n = n*10 + int(r.rest[digits]-'0')
		digits++
	}
	if digits < least {
		return false
	}
	*to, r.rest = n, r.rest[digits:]
	return true
}

// name takes the longest of some names off.
func (r *patternReader) name(names []string) (int, bool) {
	best, length := -1, 0
	for i, name := range names {
		for _, form := range []string{name, strings.TrimSuffix(name, ".")} {
			if len(form) > length && len(r.rest) >= len(form) && strings.EqualFold(r.rest[:len(form)], form) {
				best, length = i, len(form)
			}
		}
	}
	r.rest = r.rest[length:]
	return best, best >= 0
}

func (r *patternReader) literal(s string) bool {
	rest, ok := strings.CutPrefix(r.rest, s)
	r.rest = rest
	return ok
}

func (r *patternReader) halfDay() bool {
	for half, name := range []string{r.culture.am, r.culture.pm} {
		for _, form := range []string{name, name[:min(1, len(name))]} {
			if form != "" && len(r.rest) >= len(form) && strings.EqualFold(r.rest[:len(form)], form) {
				r.half, r.rest = half, r.rest[len(form):]
				return true
			}
		}
	}
	return r.culture.am == ""
}

func (r *patternReader) zone(optional bool) bool {
	if rest, ok := strings.CutPrefix(r.rest, "Z"); ok {
		r.rest, r.hasZone = rest, true
		return true
	}
	if r.rest == "" || r.rest[0] != '+' && r.rest[0] != '-' {
		return optional
	}
	negative := r.rest[0] == '-'
	r.rest = r.rest[1:]
	var hours, minutes int
	if !r.number(&hours, 1, 2) {
		return false
	}
	if rest, ok := strings.CutPrefix(r.rest, ":"); ok {
		r.rest = rest
		if !r.number(&minutes, 2, 2) {
			return false
		}
	} else {
		r.number(&minutes, 2, 2)
	}
	r.hasZone, r.offset = true, hours*60+minutes
	if negative {
		r.offset = -r.offset
	}
	return hours <= 14 && minutes <= 59
}

// localOffset is how far the local zone is from UTC at a wall clock, in minutes.
func (ev *evaluation) localOffset(d datetime) int {
	t := d.time()
	_, seconds := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, ev.session.env.Now.Location()).Zone()
	return seconds / 60
}

func (ev *evaluation) thisYear() int { return ev.session.env.Now.Year() }

// readParts reads a text as a date or time, by a format when there is one.
func (ev *evaluation) readParts(c *culture, s, format string) (dateParts, bool, error) {
	if format != "" {
		return c.readExact(s, format, ev.thisYear())
	}
	p, ok := c.readDate(s, ev.thisYear())
	return p, ok, nil
}

func (ev *evaluation) dateFromText(c *culture, s, format string) (Value, error) {
	p, ok, err := ev.readParts(c, s, format)
	if err != nil {
		return nil, err
	}
	if d, valid := p.date(); ok && valid && p.hasDate && (format != "" || !p.hasTime || p.clock == 0) {
		return d, nil
	}
	return nil, failData("We couldn't parse the input provided as a Date value.").with(text(s))
}

func (ev *evaluation) dateTimeFromText(c *culture, s, format string) (Value, error) {
	p, ok, err := ev.readParts(c, s, format)
	if err != nil {
		return nil, err
	}
	d, valid := p.date()
	if !ok || p.hasDate && !valid {
		return nil, failData("We couldn't parse the input provided as a DateTime value.").with(text(s))
	}
	if !p.hasDate {
		d = datetimeOf(ev.session.env.Now).date()
	}
	at := d.datetime() + datetime(p.clock)
	if p.hasZone {
		utc := at - datetime(int64(p.offset)*ticksPerMinute)
		_, seconds := utc.time().In(ev.session.env.Now.Location()).Zone()
		at = utc + datetime(int64(seconds)*ticksPerSecond)
	}
	return checkedDateTime(at)
}

func (ev *evaluation) zonedFromText(c *culture, s, format string) (Value, error) {
	p, ok, err := ev.readParts(c, s, format)
	if err != nil {
		return nil, err
	}
	d, valid := p.date()
	if !ok || p.hasDate && !valid {
		return nil, failData("We couldn't parse the input provided as a DateTimeZone value.").with(text(s))
	}
	if !p.hasDate {
		d = datetimeOf(ev.session.env.Now).date()
	}
	at := d.datetime() + datetime(p.clock)
	if !p.hasZone {
		p.offset = ev.localOffset(at)
	}
	return datetimezone{int64(at), int16(p.offset)}, nil
}

func (ev *evaluation) timeFromText(c *culture, s, format string) (Value, error) {
	trimmed := strings.TrimSpace(s)
	if tokens := dateTokens(trimmed); format == "" && len(tokens) == 1 && slices.Contains([]int{1, 2, 4, 6}, tokens[0].digits) {
		hour, minute, second := clockDigits(tokens[0])
		if hour < 24 && minute < 60 && second < 60 {
			return timeOfDay(int64(hour)*ticksPerHour + int64(minute)*ticksPerMinute + int64(second)*ticksPerSecond), nil
		}
	}
	p, ok, err := ev.readParts(c, s, format)
	if err != nil {
		return nil, err
	}
	if !ok || !p.hasTime || p.hasDate && format == "" {
		return nil, failData("We couldn't parse the input provided as a Time value.").with(text(s))
	}
	return timeOfDay(p.clock), nil
}

// durationFromText reads [-][d.]h:m[:s[.f]] or whole days.
func durationFromText(s string) (Value, error) {
	bad := failData("We couldn't parse the input provided as a Duration value.").with(text(s))
	rest := strings.TrimSpace(s)
	negative := strings.HasPrefix(rest, "-")
	r := patternReader{rest: strings.TrimPrefix(rest, "-")}
	var days, hours, minutes, seconds int
	if !r.number(&days, 1, 8) {
		return nil, bad
	}
	switch {
	case r.rest == "":
	case r.literal("."):
		if !r.number(&hours, 1, 2) || !r.literal(":") || !r.number(&minutes, 1, 2) {
			return nil, bad
		}
	case r.literal(":"):
		days, hours = 0, days
		if !r.number(&minutes, 1, 2) {
			return nil, bad
		}
	}
	if r.literal(":") {
		if !r.number(&seconds, 1, 2) {
			return nil, bad
		}
		if fraction, ok := strings.CutPrefix(r.rest, "."); ok {
			if fraction == "" || len(fraction) > 7 || strings.Trim(fraction, "0123456789") != "" {
				return nil, bad
			}
			r.fraction, r.rest = ticksOfFraction(fraction), ""
		}
	}
	if r.rest != "" || hours > 23 || minutes > 59 || seconds > 59 {
		return nil, bad
	}
	ticks := int64(days)*ticksPerDay + int64(hours)*ticksPerHour + int64(minutes)*ticksPerMinute + int64(seconds)*ticksPerSecond + r.fraction
	if negative {
		ticks = -ticks
	}
	return duration(ticks), nil
}

// durationText is the form [-][d.]hh:mm:ss[.fffffff].
func durationText(d duration) string {
	var b strings.Builder
	ticks := uint64(d)
	if d < 0 {
		b.WriteByte('-')
		ticks = -ticks
	}
	if days := ticks / ticksPerDay; days > 0 {
		pad(&b, int(days), 1)
		b.WriteByte('.')
	}
	pad(&b, int(ticks/ticksPerHour%24), 2)
	b.WriteByte(':')
	pad(&b, int(ticks/ticksPerMinute%60), 2)
	b.WriteByte(':')
	pad(&b, int(ticks/ticksPerSecond%60), 2)
	if fraction := ticks % ticksPerSecond; fraction > 0 {
		b.WriteByte('.')
		pad(&b, int(fraction), 7)
	}
	return b.String()
}
