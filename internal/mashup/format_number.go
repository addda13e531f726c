package mashup

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
)

// numberFromText reads a number as the culture writes it: sign or parentheses, currency symbol, groups, exponent, percent.
func numberFromText(c *culture, s string) (number, error) {
	bad := func() (number, error) {
		return number{}, failData("We couldn't convert to Number.").with(text(s))
	}
	plain, percent, negative, ok := c.plainNumber(s)
	if !ok {
		return bad()
	}
	switch {
	case plain == "NaN":
		return floatNumber(math.NaN()), nil
	case plain == "∞":
		f := math.Inf(1)
		if negative {
			f = -f
		}
		return floatNumber(f), nil
	}
	if negative {
		plain = "-" + plain
	}
	n, err := parsePlain(plain)
	if err != nil {
		return bad()
	}
	if percent {
		d, _, err := apd.NewFromString(plain)
		if err != nil {
			return bad()
		}
		d.Exponent -= 2
		f, err := d.Float64()
		if err != nil {
			return bad()
		}
		if i, ok := floatNumber(f).int(); ok {
			return intNumber(i), nil
		}
		return floatNumber(f), nil
	}
	return n, nil
}

// parsePlain reads a number written with a point and without groups.
func parsePlain(s string) (number, error) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return intNumber(i), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return number{}, err
	}
	if f == 0 {
		return intNumber(0), nil
	}
	return floatNumber(f), nil
}

// plainNumber takes a number's text apart: digits with a point and an exponent, without sign.
func (c *culture) plainNumber(s string) (plain string, percent, negative, ok bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		negative = true
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	signed := negative
	symbol := false
	for changed := true; changed; {
		changed = false
		for _, mark := range []string{"-", "−", "+"} {
			rest, found := strings.CutPrefix(s, mark)
			if !found && len(s) > 1 {
				rest, found = strings.CutSuffix(s, mark)
			}
			if found {
				if signed {
					return "", false, false, false
				}
				signed, negative, s, changed = true, mark != "+", strings.TrimSpace(rest), true
			}
		}
		for _, mark := range []string{c.currency, "%"} {
			if mark == "" {
				continue
			}
			rest, found := strings.CutPrefix(s, mark)
			if !found {
				rest, found = strings.CutSuffix(s, mark)
			}
			if found {
				if mark == "%" && percent || mark != "%" && symbol {
					return "", false, false, false
				}
				percent, symbol = percent || mark == "%", symbol || mark != "%"
				s, changed = strings.TrimSpace(rest), true
			}
		}
	}
	switch strings.ToLower(s) {
	case "nan":
		return "NaN", percent, negative, true
	case "infinity", "∞":
		return "∞", percent, negative, true
	}
	var b strings.Builder
	digits, point := 0, false
	for i := 0; i < len(s); {
		switch {
		case s[i] >= '0' && s[i] <= '9':
			b.WriteByte(s[i])
			digits++
			i++
		case !point && strings.HasPrefix(s[i:], c.decimal):
			point = true
			b.WriteByte('.')
			i += len(c.decimal)
		case !point && digits > 0 && c.groupAt(s[i:]) > 0:
			i += c.groupAt(s[i:])
		case (s[i] == 'e' || s[i] == 'E') && digits > 0:
			exponent := s[i+1:]
			if n := strings.TrimLeft(exponent, "+-"); n == "" || len(exponent)-len(n) > 1 || strings.Trim(n, "0123456789") != "" {
				return "", false, false, false
			}
			return b.String() + "e" + exponent, percent, negative, true
		default:
			return "", false, false, false
		}
	}
	return b.String(), percent, negative, digits > 0
}

// groupAt is the length of a group separator at the start of s; a culture whose separator is a hard space takes soft and narrow ones too.
func (c *culture) groupAt(s string) int {
	if strings.HasPrefix(s, c.group) {
		return len(c.group)
	}
	if c.group == "\u00a0" {
		r, size := utf8.DecodeRuneInString(s)
		if r == ' ' || r == '\u202f' {
			return size
		}
	}
	if c.group == "'" && strings.HasPrefix(s, "’") {
		return len("’")
	}
	return 0
}

// exact is the number as a decimal of all its digits that .NET prints: a double by its shortest form.
func (n number) exact() (*apd.Decimal, bool) {
	if n.rep != repFloat {
		return n.decimal()
	}
	f := n.float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, false
	}
	d, _, err := apd.NewFromString(strconv.FormatFloat(f, 'g', -1, 64))
	return d, err == nil
}

// fixed is the absolute value with this many digits after the point, halves away from zero.
func fixed(d *apd.Decimal, digits int) string {
	c := apd.BaseContext.WithPrecision(400)
	c.Rounding = apd.RoundHalfUp
	var q, abs apd.Decimal
	abs.Abs(d)
	if _, err := c.Quantize(&q, &abs, -int32(digits)); err != nil {
		return abs.Text('f')
	}
	return q.Text('f')
}

// grouped puts the culture's separators into a plain absolute number.
func (c *culture) grouped(plain string, groups bool) string {
	whole, fraction, point := strings.Cut(plain, ".")
	if groups {
		var b strings.Builder
		for i, ch := range whole {
			if i > 0 && (len(whole)-i)%3 == 0 {
				b.WriteString(c.group)
			}
			b.WriteRune(ch)
		}
		whole = b.String()
	}
	if point {
		return whole + c.decimal + fraction
	}
	return whole
}

func (c *culture) special(n number) (string, bool) {
	f := n.float()
	switch {
	case math.IsNaN(f):
		return "NaN", true
	case math.IsInf(f, 1):
		return "∞", true
	case math.IsInf(f, -1):
		return "-∞", true
	}
	return "", false
}

// numberText is a number as Text.From writes it.
func (c *culture) numberText(n number) string {
	if s, ok := c.special(n); ok {
		return s
	}
	s := n.String()
	if n.rep == repDecimal && strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return strings.Replace(s, ".", c.decimal, 1)
}

// formatNumber writes a number by a standard or custom .NET format.
func (c *culture) formatNumber(n number, format string) (string, error) {
	if s, ok := c.special(n); ok {
		return s, nil
	}
	if format == "" {
		return c.numberText(n), nil
	}
	d, ok := n.exact()
	if !ok {
		return "", failData("The number cannot be written.")
	}
	letter := format[0]
	digits, err := -1, error(nil)
	if len(format) > 1 {
		digits, err = strconv.Atoi(format[1:])
	}
	isLetter := letter >= 'A' && letter <= 'Z' || letter >= 'a' && letter <= 'z'
	if !isLetter || err != nil || digits > 99 {
		return c.customNumber(d, format)
	}
	or := func(most int) int {
		if digits < 0 {
			return most
		}
		return digits
	}
	negative := d.Negative && !d.IsZero()
	signed := func(s string) string {
		if negative && strings.Trim(s, "0.,\u00a0'") != "" {
			return "-" + s
		}
		return s
	}
	switch letter {
	case 'C', 'c':
		s := c.grouped(fixed(d, or(2)), true)
		s = strings.NewReplacer("$", c.currency, "n", s).Replace(strings.ReplaceAll(c.currencyForm, " ", "\u00a0"))
		if negative && c.currencyForm == "$n" {
			return "(" + s + ")", nil
		}
		return signed(s), nil
	case 'D', 'd':
		i, ok := n.int()
		if !ok {
			return "", failData("The format 'D' is for whole numbers.")
		}
		s := strconv.FormatUint(uint64(max(i, -i)), 10)
		return signed(strings.Repeat("0", max(0, digits-len(s))) + s), nil
	case 'E', 'e':
		return strings.Replace(signed(scientific(d, or(6), string(letter), 3)), ".", c.decimal, 1), nil
	case 'F', 'f':
		return signed(c.grouped(fixed(d, or(2)), false)), nil
	case 'N', 'n':
		return signed(c.grouped(fixed(d, or(2)), true)), nil
	case 'P', 'p':
		shifted := new(apd.Decimal).Set(d)
		shifted.Exponent += 2
		s := c.grouped(fixed(shifted, or(2)), true)
		return signed(strings.Replace(strings.ReplaceAll(c.percentForm, " ", "\u00a0"), "n", s, 1)), nil
	case 'G', 'g', 'R', 'r':
		if digits <= 0 || letter == 'R' || letter == 'r' {
			return c.numberText(n), nil
		}
		return strings.Replace(signed(general(d, digits, letter)), ".", c.decimal, 1), nil
	case 'X', 'x':
		i, ok := n.int()
		if !ok {
			return "", failData("The format 'X' is for whole numbers.")
		}
		u := uint64(i)
		if i < 0 && i >= math.MinInt32 {
			u = uint64(uint32(int32(i)))
		}
		s := strconv.FormatUint(u, 16)
		if letter == 'X' {
			s = strings.ToUpper(s)
		}
		return strings.Repeat("0", max(0, digits-len(s))) + s, nil
	}
	return "", failData("The format '%s' is not a number format.", format)
}

// rounded is d's absolute value with this many significant digits: its digits and the exponent of the first.
func rounded(d *apd.Decimal, digits int) (coefficient string, exponent int) {
	if d.IsZero() {
		return strings.Repeat("0", digits), 0
	}
	c := apd.BaseContext.WithPrecision(uint32(digits))
	c.Rounding = apd.RoundHalfUp
	var r apd.Decimal
	abs := new(apd.Decimal).Abs(d)
	if _, err := c.Round(&r, abs); err != nil {
		r.Set(abs)
	}
	coefficient = r.Coeff.String()
	exponent = len(coefficient) - 1 + int(r.Exponent)
	if len(coefficient) < digits {
		coefficient += strings.Repeat("0", digits-len(coefficient))
	}
	return coefficient, exponent
}

func scientific(d *apd.Decimal, digits int, e string, least int) string {
	coefficient, exponent := rounded(d, digits+1)
	s := coefficient[:1]
	if digits > 0 {
		s += "." + coefficient[1:]
	}
	return s + e + exponentText(exponent, least, true)
}

func exponentText(exponent, least int, plus bool) string {
	sign := ""
	if exponent < 0 {
		sign, exponent = "-", -exponent
	} else if plus {
		sign = "+"
	}
	s := strconv.Itoa(exponent)
	return sign + strings.Repeat("0", max(0, least-len(s))) + s
}

func general(d *apd.Decimal, digits int, letter byte) string {
	coefficient, exponent := rounded(d, digits)
	if exponent >= digits || exponent < -5 {
		mantissa := strings.TrimRight(coefficient[1:], "0")
		if mantissa != "" {
			mantissa = "." + mantissa
		}
		return coefficient[:1] + mantissa + map[byte]string{'G': "E", 'g': "e"}[letter] + exponentText(exponent, 2, true)
	}
	value := apd.NewWithBigInt(bigOf(coefficient), int32(exponent-digits+1))
	s := value.Text('f')
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func bigOf(digits string) *apd.BigInt {
	n, _ := new(big.Int).SetString(digits, 10)
	return new(apd.BigInt).SetMathBigInt(n)
}

// customNumber writes a number by a custom pattern: 0 # . , % ‰ E+0 'text' and sections for positive;negative;zero.
func (c *culture) customNumber(d *apd.Decimal, format string) (string, error) {
	sections := splitSections(format)
	negative := d.Negative && !d.IsZero()
	section, sign := sections[0], ""
	switch {
	case d.IsZero() && len(sections) > 2 && sections[2] != "":
		section = sections[2]
	case negative && len(sections) > 1 && sections[1] != "":
		section = sections[1]
	case negative:
		sign = "-"
	}
	p := parsePattern(section)
	value := new(apd.Decimal).Abs(d)
	value.Exponent += int32(p.shift)
	if p.exponent != "" {
		coefficient, exponent := rounded(value, max(1, p.wholeZeros+p.wholeHashes)+p.fractionZeros+p.fractionHashes)
		wholeDigits := max(1, p.wholeZeros+p.wholeHashes)
		value = apd.NewWithBigInt(bigOf(coefficient), -int32(len(coefficient)-wholeDigits))
		p.exponentText = p.exponent[:1] + exponentText(exponent-wholeDigits+1, strings.Count(p.exponent, "0"), strings.Contains(p.exponent, "+"))
	}
	plain := fixed(value, p.fractionZeros+p.fractionHashes)
	whole, fraction, _ := strings.Cut(plain, ".")
	whole = strings.TrimLeft(whole, "0")
	if sign != "" && whole == "" && strings.Trim(fraction, "0") == "" {
		sign = ""
	}
	if len(whole) < p.wholeZeros {
		whole = strings.Repeat("0", p.wholeZeros-len(whole)) + whole
	}
	for len(fraction) > p.fractionZeros && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	return sign + p.render(c, whole, fraction), nil
}

func splitSections(format string) []string {
	var sections []string
	start := 0
	for i := 0; i < len(format); i++ {
		switch format[i] {
		case '\\':
			i++
		case '\'', '"':
			if end := strings.IndexByte(format[i+1:], format[i]); end >= 0 {
				i += end + 1
			}
		case ';':
			sections = append(sections, format[start:i])
			start = i + 1
		}
	}
	return append(sections, format[start:])
}

// numberPattern is one section of a custom number format.
type numberPattern struct {
	parts                         []patternPart
	wholeZeros, wholeHashes       int // digits before the point: at least, and further places
	fractionZeros, fractionHashes int
	groups                        bool
	shift                         int // powers of ten: % is 2, a comma at the end of the whole digits -3
	exponent                      string
	exponentText                  string
}

type patternPart struct {
	kind byte // 0 a digit place, '.' the point, 'E' the exponent, 't' text
	text string
}

func parsePattern(section string) numberPattern {
	var p numberPattern
	point, zeroSeen := false, false
	commas, placesBefore := 0, 0
	lastFractionZero := 0
	for i := 0; i < len(section); i++ {
		switch ch := section[i]; ch {
		case '0', '#':
			if commas > 0 {
				p.groups = true
				commas = 0
			}
			p.parts = append(p.parts, patternPart{})
			if point {
				p.fractionHashes++
				if ch == '0' {
					lastFractionZero = p.fractionHashes
				}
				continue
			}
			placesBefore++
			zeroSeen = zeroSeen || ch == '0'
			if zeroSeen {
				p.wholeZeros++
			} else {
				p.wholeHashes++
			}
		case '.':
			if !point {
				p.shift -= 3 * commas
				commas = 0
				p.parts = append(p.parts, patternPart{kind: '.'})
			}
			point = true
		case ',':
			if !point && placesBefore > 0 {
				commas++
			}
		case '%':
			p.shift += 2
			p.parts = append(p.parts, patternPart{'t', "%"})
		case 'E', 'e':
			end := i + 1
			if end < len(section) && (section[end] == '+' || section[end] == '-') {
				end++
			}
			zeros := end
			for zeros < len(section) && section[zeros] == '0' {
				zeros++
			}
			if zeros == end {
				p.parts = append(p.parts, patternPart{'t', string(ch)})
				continue
			}
			p.exponent = section[i:zeros]
			p.parts = append(p.parts, patternPart{kind: 'E'})
			i = zeros - 1
		case '\'', '"':
			end := strings.IndexByte(section[i+1:], ch)
			if end < 0 {
				end = len(section) - i - 1
			}
			p.parts = append(p.parts, patternPart{'t', section[i+1 : i+1+end]})
			i += end + 1
		case '\\':
			if i+1 < len(section) {
				i++
				p.parts = append(p.parts, patternPart{'t', section[i : i+1]})
			}
		default:
			r, size := utf8.DecodeRuneInString(section[i:])
			if r == '‰' {
				p.shift += 3
			}
			p.parts = append(p.parts, patternPart{'t', section[i : i+size]})
			i += size - 1
		}
	}
	p.shift -= 3 * commas
	p.fractionZeros, p.fractionHashes = lastFractionZero, p.fractionHashes-lastFractionZero
	return p
}

// render puts the digits on their places; digits that are more than the places before the point go on the first one.
func (p *numberPattern) render(c *culture, whole, fraction string) string {
	var b strings.Builder
	places := p.wholeZeros + p.wholeHashes
	place, written, point := 0, 0, false
	writeWhole := func(count int) {
		for ; count > 0 && written < len(whole); count-- {
			left := len(whole) - written
			if p.groups && written > 0 && left%3 == 0 {
				b.WriteString(c.group)
			}
			b.WriteByte(whole[written])
			written++
		}
	}
	at := 0
	for _, part := range p.parts {
		switch part.kind {
		case 't':
			b.WriteString(part.text)
		case 'E':
			b.WriteString(p.exponentText)
		case '.':
			if places == 0 {
				writeWhole(len(whole))
			}
			point = true
			if fraction != "" {
				b.WriteString(c.decimal)
			}
		default:
			if point {
				if at < len(fraction) {
					b.WriteByte(fraction[at])
					at++
				}
				continue
			}
			place++
			remaining := places - place
			writeWhole(len(whole) - written - remaining)
		}
	}
	return b.String()
}
