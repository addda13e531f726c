package mashup

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"freshet.dev/internal/mashup/syntax"
)

// constantText is a primitive value as the language writes it: what Expression.Constant gives.
func constantText(v Value) string {
	switch v := v.(type) {
	case nullKind:
		return "null"
	case logical:
		return strconv.FormatBool(bool(v))
	case number:
		switch f := v.float(); {
		case math.IsNaN(f):
			return "#nan"
		case math.IsInf(f, 1):
			return "#infinity"
		case math.IsInf(f, -1):
			return "-#infinity"
		}
		return v.String()
	case text:
		return quoteText(string(v))
	case date:
		t := v.time()
		return fmt.Sprintf("#date(%d, %d, %d)", t.Year(), t.Month(), t.Day())
	case timeOfDay:
		return "#time(" + clockText(int64(v)) + ")"
	case datetime:
		t := v.time()
		return fmt.Sprintf("#datetime(%d, %d, %d, %s)", t.Year(), t.Month(), t.Day(), clockText(int64(v.clock())))
	case datetimezone:
		t := datetime(v.local).time()
		return fmt.Sprintf("#datetimezone(%d, %d, %d, %s, %d, %d)", t.Year(), t.Month(), t.Day(), clockText(v.local%ticksPerDay), v.offset/60, v.offset%60)
	case duration:
		return fmt.Sprintf("#duration(%d, %s)", int64(v)/ticksPerDay, clockText(int64(v)%ticksPerDay))
	case binary:
		return `Binary.FromText("` + base64.StdEncoding.EncodeToString(v) + `", BinaryEncoding.Base64)`
	}
	return ""
}

// clockText is hours, minutes and seconds of less than a day (or minus a day).
func clockText(ticks int64) string {
	seconds := ticks % ticksPerMinute
	text := strconv.FormatInt(seconds/ticksPerSecond, 10)
	if fraction := seconds % ticksPerSecond; fraction != 0 {
		if seconds < 0 && seconds > -ticksPerSecond {
			text = "-0"
		}
		text += "." + strings.TrimRight(fmt.Sprintf("%07d", max(fraction, -fraction)), "0")
	}
	return fmt.Sprintf("%d, %d, %s", ticks/ticksPerHour, ticks/ticksPerMinute%60, text)
}

// quoteText is a text as the language writes it.
func quoteText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"':
			b.WriteString(`""`)
		case r == '#' && strings.HasPrefix(s[i:], "#("):
			b.WriteString("#(#)")
		case r == '\r':
			b.WriteString("#(cr)")
		case r == '\n':
			b.WriteString("#(lf)")
		case r == '\t':
			b.WriteString("#(tab)")
		case unicode.IsControl(r):
			fmt.Fprintf(&b, "#(%04X)", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteIdentifier is a name as the language writes it where a variable stands.
func quoteIdentifier(name string) string {
	if x, err := syntax.ParseExpression("", name); err == nil {
		if id, ok := x.(*syntax.Identifier); ok && id.Name == name && !id.Inclusive && strings.TrimSpace(name) == name {
			return name
		}
	}
	return "#" + quoteText(name)
}
