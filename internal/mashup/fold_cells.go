package mashup

import (
	"strconv"
	"time"

	"freshet.dev/internal/duck"
)

// plainCell converts a cell that is written in the plain form of a type, in which it means the same in every way of reading, and
// tells whether it was. All other cells are for the conversion of the library.
type plainCell func(results *duck.Results, row int, s string, mark byte) bool

func plainInt(results *duck.Results, row int, s string, _ byte) bool {
	i, ok := digitsOf(s)
	if ok {
		results.SetInt64(row, i)
	}
	return ok
}

// digitsOf reads digits, with a minus sign before them at most; 18 of them fit an int64.
func digitsOf(s string) (int64, bool) {
	digits, negative := s, s[0] == '-'
	if negative {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	if negative {
		n = -n
	}
	return n, true
}

func plainDouble(results *duck.Results, row int, s string, mark byte) bool {
	if i, ok := digitsOf(s); ok {
		if i > 1<<53 || i < -1<<53 {
			return false // a double may not hold it, a number of the language does
		}
		results.SetDouble(row, float64(i))
		return true
	}
	var buffer [32]byte
	if mark == 0 || len(s) > len(buffer) {
		return false
	}
	marks := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c == '-' && i == 0 && len(s) > 1 && s[1] != mark:
		case c == mark && i > 0 && i < len(s)-1:
			marks++
			c = '.'
		default:
			return false
		}
		buffer[i] = c
	}
	if marks != 1 {
		return false
	}
	if mark != '.' {
		s = string(buffer[:len(s)])
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return false
	}
	if f == 0 {
		f = 0 // the language has no negative zero that is read
	}
	results.SetDouble(row, f)
	return true
}

// plainMoney takes 14 digits before the mark and 4 behind it, which fit whatever they are.
func plainMoney(results *duck.Results, row int, s string, mark byte) bool {
	at := 0
	if s[0] == '-' {
		at = 1
	}
	var n int64
	from := at
	for ; at < len(s) && s[at]-'0' <= 9; at++ {
		n = n*10 + int64(s[at]-'0')
		if at-from >= 14 {
			return false
		}
	}
	if at == from {
		return false
	}
	places := 0
	if at < len(s) {
		if mark == 0 || s[at] != mark || at == len(s)-1 {
			return false
		}
		for at++; at < len(s); at++ {
			if places++; s[at]-'0' > 9 || places > 4 {
				return false
			}
			n = n*10 + int64(s[at]-'0')
		}
	}
	for ; places < 4; places++ {
		n *= 10
	}
	if s[0] == '-' {
		n = -n
	}
	results.SetDecimal(row, n)
	return true
}

func plainLogical(results *duck.Results, row int, s string, _ byte) bool {
	switch s {
	case "true", "True", "TRUE":
		results.SetBool(row, true)
	case "false", "False", "FALSE":
		results.SetBool(row, false)
	default:
		return false
	}
	return true
}

func plainDate(results *duck.Results, row int, s string, _ byte) bool {
	micros, ok := dayOf(s)
	if !ok || len(s) != 10 {
		return false
	}
	results.SetTime(row, time.UnixMicro(micros).UTC())
	return true
}

func plainDateTime(results *duck.Results, row int, s string, _ byte) bool {
	micros, ok := dayOf(s)
	if !ok {
		return false
	}
	if len(s) > 10 {
		clock, ok := clockOf(s[10:])
		if !ok {
			return false
		}
		micros += clock
	}
	results.SetTime(row, time.UnixMicro(micros).UTC())
	return true
}

// twoDigits reads two digits; 255 where there are others.
func twoDigits(s string, at int) int {
	tens, ones := s[at]-'0', s[at+1]-'0'
	if tens > 9 || ones > 9 {
		return 255
	}
	return int(tens)*10 + int(ones)
}

// dayOf reads 2024-01-31 at the beginning of s as microseconds of Unix time.
func dayOf(s string) (int64, bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	century, year, month, day := twoDigits(s, 0), twoDigits(s, 2), twoDigits(s, 5), twoDigits(s, 8)
	if century > 99 || year > 99 || century+year == 0 || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, false
	}
	d := dateOf(century*100+year, month, day)
	if day > 28 && d >= dateOf(century*100+year, month+1, 1) {
		return 0, false // that month has no such day
	}
	return (int64(d) - epochDay) * (ticksPerDay / 10), true
}

// clockOf reads " 10:11:12" and up to six digits of a second as microseconds.
func clockOf(s string) (int64, bool) {
	if len(s) < 9 || s[0] != ' ' || s[3] != ':' || s[6] != ':' {
		return 0, false
	}
	hour, minute, second := twoDigits(s, 1), twoDigits(s, 4), twoDigits(s, 7)
	if hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	micros := int64(hour*3600+minute*60+second) * 1_000_000
	if len(s) == 9 {
		return micros, true
	}
	if s[9] != '.' || len(s) == 10 || len(s) > 16 {
		return 0, false
	}
	unit := int64(100_000)
	for _, c := range []byte(s[10:]) {
		if c-'0' > 9 {
			return 0, false
		}
		micros += int64(c-'0') * unit
		unit /= 10
	}
	return micros, true
}
