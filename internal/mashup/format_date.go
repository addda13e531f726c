package mashup

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// moment is what a date or time pattern is applied to.
type moment struct {
	ticks  datetime // wall clock
	offset int      // minutes; with zoned
	zoned  bool
}

// momentOf is the moment of a date, time, datetime or datetimezone.
func momentOf(v Value) moment {
	switch v := v.(type) {
	case date:
		return moment{ticks: v.datetime()}
	case timeOfDay:
		return moment{ticks: dateOf(1899, 12, 30).datetime() + datetime(v)}
	case datetime:
		return moment{ticks: v}
	case datetimezone:
		return moment{ticks: datetime(v.local), offset: int(v.offset), zoned: true}
	}
	return moment{}
}

// pattern is the custom pattern of a standard format letter, or the format itself.
func (c *culture) pattern(format string, m moment) (string, error) {
	if len(format) != 1 {
		return format, nil
	}
	switch format {
	case "d":
		return c.shortDate, nil
	case "D":
		return c.longDate, nil
	case "f":
		return c.longDate + " " + c.shortTime, nil
	case "F", "U":
		return c.longDate + " " + c.longTime, nil
	case "g":
		return c.shortDate + " " + c.shortTime, nil
	case "G":
		return c.shortDate + " " + c.longTime, nil
	case "m", "M":
		return c.monthDay, nil
	case "o", "O":
		if m.zoned {
			return "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffzzz", nil
		}
		return "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffff", nil
	case "r", "R":
		return "ddd', 'dd MMM yyyy HH':'mm':'ss 'GMT'", nil
	case "s":
		return "yyyy'-'MM'-'dd'T'HH':'mm':'ss", nil
	case "t":
		return c.shortTime, nil
	case "T":
		return c.longTime, nil
	case "u":
		return "yyyy'-'MM'-'dd HH':'mm':'ss'Z'", nil
	case "y", "Y":
		return c.yearMonth, nil
	}
	return "", failData("The format '%s' is not a date and time format.", format)
}

// format writes a moment by a standard or custom pattern.
func (c *culture) format(m moment, format string) (string, error) {
	if format == "r" || format == "R" || format == "o" || format == "O" || format == "s" || format == "u" {
		c, _ = findCulture("")
	}
	pattern, err := c.pattern(format, m)
	if err != nil {
		return "", err
	}
	pattern = strings.TrimPrefix(pattern, "%")
	t := m.ticks.time()
	fraction := int64(m.ticks) % ticksPerSecond
	genitive := c.genitive[0] != "" && strings.Contains(pattern, "d") && strings.Contains(pattern, "MMMM")
	var b strings.Builder
	for i := 0; i < len(pattern); {
		ch := pattern[i]
		n := 1
		for i+n < len(pattern) && pattern[i+n] == ch {
			n++
		}
		switch ch {
		case 'd':
			switch {
			case n <= 2:
				pad(&b, t.Day(), n)
			case n == 3:
				b.WriteString(c.shortDays[t.Weekday()])
			default:
				b.WriteString(c.days[t.Weekday()])
			}
		case 'M':
			switch {
			case n <= 2:
				pad(&b, int(t.Month()), n)
			case n == 3:
				b.WriteString(c.shortMonths[t.Month()-1])
			case genitive:
				b.WriteString(c.genitive[t.Month()-1])
			default:
				b.WriteString(c.months[t.Month()-1])
			}
		case 'y':
			if n <= 2 {
				pad(&b, t.Year()%100, n)
			} else {
				pad(&b, t.Year(), n)
			}
		case 'h':
			pad(&b, (t.Hour()+11)%12+1, min(n, 2))
		case 'H':
			pad(&b, t.Hour(), min(n, 2))
		case 'm':
			pad(&b, t.Minute(), min(n, 2))
		case 's':
			pad(&b, t.Second(), min(n, 2))
		case 'f', 'F':
			if n > 7 {
				return "", failData("The format '%s' is not a date and time format.", format)
			}
			digits := fmt.Sprintf("%07d", fraction)[:n]
			if ch == 'F' {
				digits = strings.TrimRight(digits, "0")
				if digits == "" {
					// A point before an absent fraction is left out too.
					if s := b.String(); strings.HasSuffix(s, ".") {
						b.Reset()
						b.WriteString(s[:len(s)-1])
					}
				}
			}
			b.WriteString(digits)
		case 't':
			half := c.am
			if t.Hour() >= 12 {
				half = c.pm
			}
			if n == 1 && half != "" {
				_, size := utf8.DecodeRuneInString(half)
				half = half[:size]
			}
			b.WriteString(half)
		case 'z', 'K':
			if ch == 'K' {
				n = 1
			}
			if ch == 'K' && !m.zoned {
				break
			}
			sign, offset := '+', m.offset
			if offset < 0 {
				sign, offset = '-', -offset
			}
			switch {
			case ch == 'z' && n == 1:
				fmt.Fprintf(&b, "%c%d", sign, offset/60)
			case ch == 'z' && n == 2:
				fmt.Fprintf(&b, "%c%02d", sign, offset/60)
			default:
				fmt.Fprintf(&b, "%c%02d:%02d", sign, offset/60, offset%60)
			}
		case 'g':
			b.WriteString("A.D.")
		case ':':
			n = 1
			b.WriteString(c.timeSep)
		case '/':
			n = 1
			b.WriteString(c.dateSep)
		case '\'', '"':
			end := strings.IndexByte(pattern[i+1:], ch)
			if end < 0 {
				return "", failData("The format '%s' is not a date and time format.", format)
			}
			b.WriteString(pattern[i+1 : i+1+end])
			n = end + 2
		case '\\':
			n = 1
			if i+1 < len(pattern) {
				_, size := utf8.DecodeRuneInString(pattern[i+1:])
				b.WriteString(pattern[i+1 : i+1+size])
				n += size
			}
		case '%':
			n = 1
		default:
			b.WriteString(pattern[i : i+n])
		}
		i += n
	}
	return b.String(), nil
}

func pad(b *strings.Builder, n, width int) {
	s := strconv.Itoa(n)
	for i := len(s); i < width; i++ {
		b.WriteByte('0')
	}
	b.WriteString(s)
}

// defaultText is a date or time as Text.From writes it.
func (c *culture) defaultText(v Value) string {
	format := "G"
	switch v.(type) {
	case date:
		format = "d"
	case timeOfDay:
		format = "t"
	case datetimezone:
		format = c.shortDate + " " + c.longTime + " zzz"
	}
	s, _ := c.format(momentOf(v), format)
	return s
}

// dateParts is what was found in a text.
type dateParts struct {
	year, month, day int
	hasDate          bool
	clock            int64 // ticks
	hasTime          bool
	offset           int
	hasZone          bool
}

// date is the date of the parts; ok is false when there is none such.
func (p dateParts) date() (date, bool) {
	if p.month < 1 || p.month > 12 || p.day < 1 || p.year < 1 || p.year > 9999 || p.day > daysIn(p.year, p.month) {
		return 0, false
	}
	return dateOf(p.year, p.month, p.day), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// wholeYear completes a year of two digits: up to 29 is in this century's first decades.
func wholeYear(year, digits int) int {
	switch {
	case digits > 2:
		return year
	case year <= 29:
		return 2000 + year
	}
	return 1900 + year
}

type dateToken struct {
	number int
	digits int // of a number; 0 is a word or a mark
	word   string
	raw    string // of a number
}

func dateTokens(s string) []dateToken {
	var tokens []dateToken
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		start := i
		switch {
		case r >= '0' && r <= '9':
			n := 0
			for i < len(s) && s[i] >= '0' && s[i] <= '9' {
				if n < 1e8 {
					n = n*10 + int(s[i]-'0')
				}
				i++
			}
			tokens = append(tokens, dateToken{number: n, digits: i - start, raw: s[start:i]})
		case isLetter(r):
			for i < len(s) {
				r, size := utf8.DecodeRuneInString(s[i:])
				if !isLetter(r) {
					break
				}
				i += size
			}
			word := s[start:i]
			if word == "a" || word == "p" || word == "A" || word == "P" { // a.m. and p.m.
				if rest := strings.ToLower(s[i:]); strings.HasPrefix(rest, ".m.") {
					i += 3
					word += "m"
				}
			}
			tokens = append(tokens, dateToken{word: word})
		default:
			i += size
			tokens = append(tokens, dateToken{word: s[start:i]})
		}
	}
	return tokens
}

// readDate finds date, time and zone in a text as the culture and ISO 8601 write them. thisYear stands in for a missing year.
func (c *culture) readDate(s string, thisYear int) (p dateParts, ok bool) {
	tokens := dateTokens(strings.TrimSpace(s))
	if len(tokens) == 0 || len(tokens) > 40 {
		return p, false
	}
	if strings.ContainsFunc(s, marksTime) {
		if tokens, ok = c.takeTime(tokens, &p); !ok {
			return p, false
		}
	}
	var numbers []dateToken
	first := -1 // how many numbers stand before the month's name
	for i, tok := range tokens {
		switch {
		case tok.digits > 0:
			numbers = append(numbers, tok)
		case isLetterWord(tok.word):
			if month := c.monthNamed(tok.word); month > 0 && p.month == 0 {
				p.month, first = month, len(numbers)
				continue
			}
			lower := strings.ToLower(tok.word)
			if c.dayNamed(tok.word) || lower == "de" || lower == "den" || lower == "t" && i == len(tokens)-1 {
				continue
			}
			if lower == "feira" {
				continue
			}
			return p, false
		case !strings.Contains(" \t\u00a0,/-.", tok.word):
			return p, false
		}
	}
	switch {
	case len(numbers) == 0 && first < 0:
		return p, p.hasTime
	case first >= 0:
		ok = p.named(numbers, thisYear)
	default:
		ok = p.numeric(numbers, c.order, thisYear)
	}
	if !ok {
		return p, false
	}
	p.hasDate = true
	_, ok = p.date()
	return p, ok
}

// marksTime tells whether a character may belong to a time of day; digits and the marks between them may all be a date.
func marksTime(r rune) bool { return r == ':' || isLetter(r) }

func isLetter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0xAA && unicode.IsLetter(r)
}

func isLetterWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return isLetter(r)
}

// named reads the numbers around a month's name: day and year in either order.
func (p *dateParts) named(numbers []dateToken, thisYear int) bool {
	switch len(numbers) {
	case 0:
		p.day, p.year = 1, thisYear
	case 1:
		if n := numbers[0]; n.digits > 2 || n.number > 31 {
			p.day, p.year = 1, wholeYear(n.number, n.digits)
		} else {
			p.day, p.year = n.number, thisYear
		}
	case 2:
		day, year := numbers[0], numbers[1]
		if day.digits > 2 || day.number > 31 {
			day, year = year, day
		}
		if day.digits > 2 {
			return false
		}
		p.day, p.year = day.number, wholeYear(year.number, year.digits)
	default:
		return false
	}
	return true
}

// numeric reads a date of numbers alone.
func (p *dateParts) numeric(numbers []dateToken, order string, thisYear int) bool {
	p.day = 1
	switch len(numbers) {
	case 1:
		n := numbers[0]
		switch n.digits {
		case 8:
			p.year, p.month, p.day = n.number/10000, n.number/100%100, n.number%100
		case 4:
			p.year, p.month = n.number, 1
		default:
			return false
		}
	case 2:
		a, b := numbers[0], numbers[1]
		switch {
		case a.digits > 2:
			p.year, p.month = a.number, b.number
		case b.digits > 2:
			p.month, p.year = a.number, b.number
		case order == "DMY":
			p.day, p.month, p.year = a.number, b.number, thisYear
		default:
			p.month, p.day, p.year = a.number, b.number, thisYear
		}
	case 3:
		if numbers[0].digits > 2 {
			order = "YMD"
		}
		for i, part := range order {
			n := numbers[i]
			switch part {
			case 'Y':
				p.year = wholeYear(n.number, n.digits)
			case 'M':
				p.month = n.number
			case 'D':
				p.day = n.number
			}
			if part != 'Y' && n.digits > 2 {
				return false
			}
		}
	default:
		return false
	}
	return true
}

// monthNamed is the number of a month by its full or short name, 0 when the word is none.
func (c *culture) monthNamed(word string) int {
	for i := range 12 {
		for _, name := range []string{c.months[i], c.shortMonths[i], c.genitive[i]} {
			if name != "" && strings.EqualFold(strings.TrimSuffix(name, "."), word) {
				return i + 1
			}
		}
	}
	return 0
}

func (c *culture) dayNamed(word string) bool {
	for i := range 7 {
		for _, name := range []string{c.days[i], c.shortDays[i]} {
			name, _, _ = strings.Cut(strings.TrimSuffix(name, "."), "-")
			if strings.EqualFold(name, word) {
				return true
			}
		}
	}
	return false
}

// takeTime takes time and zone out of the tokens.
func (c *culture) takeTime(tokens []dateToken, p *dateParts) ([]dateToken, bool) {
	start, end := -1, 0
	mark := func(i int, s string) bool { return i < len(tokens) && strings.EqualFold(tokens[i].word, s) }
	digits := func(i int) bool { return i < len(tokens) && tokens[i].digits > 0 }
	blanks := func(i int) int {
		for mark(i, " ") || mark(i, "\u00a0") || mark(i, "\u202f") {
			i++
		}
		return i
	}
	half := func(i int) int { // 1 is a.m., 2 is p.m.
		switch {
		case i >= len(tokens) || tokens[i].digits > 0:
			return 0
		case mark(i, "am") || mark(i, "a") || c.am != "" && mark(i, c.am):
			return 1
		case mark(i, "pm") || mark(i, "p") || c.pm != "" && mark(i, c.pm):
			return 2
		}
		return 0
	}
	hour, minute, second, fraction := 0, 0, 0, int64(0)
	for i := range tokens {
		switch {
		case digits(i) && mark(i+1, ":") && digits(i+2):
			start, end = i, i+3
			hour, minute = tokens[i].number, tokens[i+2].number
			if mark(end, ":") && digits(end+1) {
				second = tokens[end+1].number
				end += 2
				if (mark(end, ".") || mark(end, ",")) && digits(end+1) {
					fraction = ticksOfFraction(tokens[end+1].raw)
					end += 2
				}
			}
		case digits(i) && half(blanks(i+1)) > 0 && c.monthNamed(tokens[blanks(i+1)].word) == 0:
			start, end, hour = i, i+1, tokens[i].number
		case mark(i, "T") && i > 0 && tokens[i-1].digits == 8 && digits(i+1) && (tokens[i+1].digits == 4 || tokens[i+1].digits == 6):
			start, end = i+1, i+2
			hour, minute, second = clockDigits(tokens[i+1])
		}
		if start >= 0 {
			break
		}
	}
	if start < 0 {
		return tokens, true
	}
	at := blanks(end)
	if h := half(at); h > 0 {
		if hour < 1 || hour > 12 {
			return nil, false
		}
		hour = hour%12 + (h-1)*12
		end = at + 1
		at = blanks(end)
	}
	switch {
	case mark(at, "Z") || mark(at, "GMT") || mark(at, "UTC"):
		p.hasZone = true
		end = at + 1
	case (mark(at, "+") || mark(at, "-")) && digits(at+1):
		zone := tokens[at+1]
		hours, minutes := zone.number, 0
		end = at + 2
		switch {
		case zone.digits == 4:
			hours, minutes = zone.number/100, zone.number%100
		case mark(end, ":") && digits(end+1):
			minutes = tokens[end+1].number
			end += 2
		}
		if zone.digits != 1 && zone.digits != 2 && zone.digits != 4 || hours > 14 || minutes > 59 {
			return nil, false
		}
		p.hasZone, p.offset = true, hours*60+minutes
		if mark(at, "-") {
			p.offset = -p.offset
		}
	}
	if hour > 23 || minute > 59 || second > 59 {
		if !(hour == 24 && minute == 0 && second == 0 && fraction == 0) {
			return nil, false
		}
	}
	p.hasTime = true
	p.clock = int64(hour)*ticksPerHour + int64(minute)*ticksPerMinute + int64(second)*ticksPerSecond + fraction
	if start > 0 && mark(start-1, "T") {
		start--
	}
	return append(append([]dateToken{}, tokens[:start]...), tokens[end:]...), true
}

func clockDigits(tok dateToken) (hour, minute, second int) {
	switch tok.digits {
	case 1, 2:
		return tok.number, 0, 0
	case 4:
		return tok.number / 100, tok.number % 100, 0
	}
	return tok.number / 10000, tok.number / 100 % 100, tok.number % 100
}

// ticksOfFraction is digits after a decimal point in ticks, rounded.
func ticksOfFraction(digits string) int64 {
	if len(digits) > 12 {
		digits = digits[:12]
	}
	n, _ := strconv.ParseInt(digits+strings.Repeat("0", 12-len(digits)), 10, 64)
	return (n + 50_000) / 100_000
}
