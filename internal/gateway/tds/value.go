package tds

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"

	"freshet.dev/internal/gateway"
)

// The types on the wire ([MS-TDS] 2.2.5.4).
const (
	typeNull       = 0x1F
	typeImage      = 0x22
	typeText       = 0x23
	typeGUID       = 0x24
	typeVarbinary1 = 0x25 // with one byte of length, as those below
	typeIntN       = 0x26
	typeVarchar1   = 0x27
	typeDateN      = 0x28
	typeTimeN      = 0x29
	typeDateTime2N = 0x2A
	typeOffsetN    = 0x2B
	typeBinary1    = 0x2D
	typeChar1      = 0x2F
	typeInt1       = 0x30
	typeBit        = 0x32
	typeInt2       = 0x34
	typeDecimal1   = 0x37
	typeInt4       = 0x38
	typeDateTime4  = 0x3A
	typeFloat4     = 0x3B
	typeMoney      = 0x3C
	typeDateTime   = 0x3D
	typeFloat8     = 0x3E
	typeNumeric1   = 0x3F
	typeVariant    = 0x62
	typeNText      = 0x63
	typeBitN       = 0x68
	typeDecimalN   = 0x6A
	typeNumericN   = 0x6C
	typeFloatN     = 0x6D
	typeMoneyN     = 0x6E
	typeDateTimeN  = 0x6F
	typeMoney4     = 0x7A
	typeInt8       = 0x7F
	typeVarbinary  = 0xA5
	typeVarchar    = 0xA7
	typeBinary     = 0xAD
	typeChar       = 0xAF
	typeNVarchar   = 0xE7
	typeNChar      = 0xEF
	typeUDT        = 0xF0
	typeXML        = 0xF1
	typeTable      = 0xF3
)

const (
	maxBytes    = 8000   // of a type that is not max
	lengthMax   = 0xFFFF // the length of max, and of NULL
	decimalSize = 17     // a sign and 16 bytes
)

// collation is SQL_Latin1_General_CP1_CI_AS, which says code page 1252 of all text of one byte.
const collation = "\x09\x04\xD0\x00\x34"

// epoch is day 0 of datetime.
func epoch() time.Time { return time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }

// shape is how a type of a column goes over the wire to a client of some version.
type shape struct {
	column gateway.Column
	id     byte
	size   int  // in bytes; 0 where max
	max    bool // of length max
	blob   bool // max, for a client that knows only TEXT, NTEXT and IMAGE
	words  bool // a type of time, for a client that does not know it: as text
}

// shapeOf returns the shape of a column, or an error that names it.
func shapeOf(column gateway.Column, v version) (shape, error) {
	s := shape{column: column}
	t := column.Type
	sized := func(id byte, unit int) {
		s.id, s.size = id, unit*t.Length
		if t.Length <= 0 || s.size > maxBytes {
			s.size, s.max = 0, true
		}
	}
	fixed := func(id byte, size int) { s.id, s.size = id, size }
	moment := func(id byte, size, letters int) {
		if v.atLeast(version73) {
			fixed(id, size)
		} else {
			s.words, s.id, s.size = true, typeNVarchar, 2*letters
		}
	}
	clock := 5 // bytes of a time of day
	switch {
	case t.Scale <= 2:
		clock = 3
	case t.Scale <= 4:
		clock = 4
	}
	switch t.Kind {
	case gateway.Bit:
		fixed(typeBitN, 1)
	case gateway.TinyInt:
		fixed(typeIntN, 1)
	case gateway.SmallInt:
		fixed(typeIntN, 2)
	case gateway.Int:
		fixed(typeIntN, 4)
	case gateway.BigInt:
		fixed(typeIntN, 8)
	case gateway.Real:
		fixed(typeFloatN, 4)
	case gateway.Float:
		fixed(typeFloatN, 8)
	case gateway.Decimal:
		if t.Precision < 1 || t.Precision > 38 || t.Scale > t.Precision {
			return s, fmt.Errorf("column %q has the type %s, which does not exist", column.Name, t)
		}
		fixed(typeDecimalN, 1+decimalBytes(t.Precision))
	case gateway.Money:
		fixed(typeMoneyN, 8)
	case gateway.SmallMoney:
		fixed(typeMoneyN, 4)
	case gateway.Char:
		sized(typeChar, 1)
		if s.max {
			s.id = typeVarchar
		}
	case gateway.Varchar:
		sized(typeVarchar, 1)
	case gateway.NChar:
		sized(typeNChar, 2)
		if s.max {
			s.id = typeNVarchar
		}
	case gateway.NVarchar:
		sized(typeNVarchar, 2)
	case gateway.Binary:
		sized(typeBinary, 1)
		if s.max {
			s.id = typeVarbinary
		}
	case gateway.Varbinary:
		sized(typeVarbinary, 1)
	case gateway.Unique:
		fixed(typeGUID, 16)
	case gateway.Date:
		moment(typeDateN, 3, 10)
	case gateway.Time:
		moment(typeTimeN, clock, 16)
	case gateway.DateTime:
		fixed(typeDateTimeN, 8)
	case gateway.SmallDateTime:
		fixed(typeDateTimeN, 4)
	case gateway.DateTime2:
		moment(typeDateTime2N, clock+3, 27)
	case gateway.DateTimeOffset:
		moment(typeOffsetN, clock+5, 34)
	default:
		return s, fmt.Errorf("column %q has no type", column.Name)
	}
	if t.Scale > 7 && t.Kind != gateway.Decimal {
		return s, fmt.Errorf("column %q has the type %s, which does not exist", column.Name, t)
	}
	if s.max && !v.atLeast(version72) {
		s.blob = true
		switch s.id {
		case typeVarchar:
			s.id = typeText
		case typeNVarchar:
			s.id = typeNText
		case typeVarbinary:
			s.id = typeImage
		}
	}
	return s, nil
}

// appendType appends TYPE_INFO.
func (s shape) appendType(b []byte) []byte {
	b = append(b, s.id)
	switch s.id {
	case typeDateN:
	case typeTimeN, typeDateTime2N, typeOffsetN:
		b = append(b, s.column.Type.Scale)
	case typeDecimalN:
		b = append(b, byte(s.size), s.column.Type.Precision, s.column.Type.Scale)
	case typeText, typeNText, typeImage:
		b = binary.LittleEndian.AppendUint32(b, math.MaxInt32)
		if s.id != typeImage {
			b = append(b, collation...)
		}
	case typeChar, typeVarchar, typeNChar, typeNVarchar, typeBinary, typeVarbinary:
		if s.max {
			b = binary.LittleEndian.AppendUint16(b, lengthMax)
		} else {
			b = binary.LittleEndian.AppendUint16(b, uint16(s.size))
		}
		if s.id != typeBinary && s.id != typeVarbinary {
			b = append(b, collation...)
		}
	default:
		b = append(b, byte(s.size))
	}
	return b
}

// appendNull appends NULL as ROW has it.
func (s shape) appendNull(b []byte) []byte {
	switch {
	case s.max && !s.blob:
		return binary.LittleEndian.AppendUint64(b, math.MaxUint64)
	case s.id == typeChar, s.id == typeVarchar, s.id == typeNChar, s.id == typeNVarchar, s.id == typeBinary, s.id == typeVarbinary:
		return binary.LittleEndian.AppendUint16(b, lengthMax)
	}
	return append(b, 0)
}

// appendValue appends a value, or gives an error that names the column and why the value does not fit it.
func (s shape) appendValue(b []byte, value any) ([]byte, error) {
	if value == nil {
		return s.appendNull(b), nil
	}
	t := s.column.Type
	if s.words {
		moment, ok := value.(time.Time)
		if !ok {
			return b, s.mismatch(value)
		}
		return s.appendBytes(b, appendUTF16(nil, inWords(moment, t))), nil
	}
	switch t.Kind {
	case gateway.Bit:
		if set, ok := value.(bool); ok {
			if set {
				return append(b, 1, 1), nil
			}
			return append(b, 1, 0), nil
		}
	case gateway.TinyInt, gateway.SmallInt, gateway.Int, gateway.BigInt:
		if n, ok := value.(int64); ok {
			if low, high := bounds(t.Kind); n < low || n > high {
				return b, s.misfit(n)
			}
			b = append(b, byte(s.size))
			return append(b, binary.LittleEndian.AppendUint64(nil, uint64(n))[:s.size]...), nil
		}
	case gateway.Real:
		if f, ok := value.(float64); ok {
			return binary.LittleEndian.AppendUint32(append(b, 4), math.Float32bits(float32(f))), nil
		}
	case gateway.Float:
		if f, ok := value.(float64); ok {
			return binary.LittleEndian.AppendUint64(append(b, 8), math.Float64bits(f)), nil
		}
	case gateway.Decimal:
		if text, ok := value.(string); ok {
			n, err := scaled(text, int(t.Scale))
			if err != nil || n.CmpAbs(powerOfTen(int(t.Precision))) >= 0 {
				return b, s.misfit(text)
			}
			b = append(b, byte(s.size), 1)
			if n.Sign() < 0 {
				b[len(b)-1] = 0
			}
			return append(b, littleEndian(n, s.size-1)...), nil
		}
	case gateway.Money, gateway.SmallMoney:
		if text, ok := value.(string); ok {
			n, err := scaled(text, 4)
			if err != nil || !n.IsInt64() || s.size == 4 && n.Int64() != int64(int32(n.Int64())) {
				return b, s.misfit(text)
			}
			b = append(b, byte(s.size))
			if s.size == 8 {
				b = binary.LittleEndian.AppendUint32(b, uint32(n.Int64()>>32))
			}
			return binary.LittleEndian.AppendUint32(b, uint32(n.Int64())), nil
		}
	case gateway.Char, gateway.Varchar, gateway.NChar, gateway.NVarchar:
		if text, ok := value.(string); ok {
			data := inCodePage(text)
			if t.Kind == gateway.NChar || t.Kind == gateway.NVarchar {
				data = appendUTF16(nil, text)
			}
			if !s.max && len(data) > s.size {
				return b, s.misfit(text)
			}
			switch t.Kind {
			case gateway.Char:
				data = append(data, strings.Repeat(" ", max(0, t.Length-len(data)))...)
			case gateway.NChar:
				data = append(data, strings.Repeat(" \x00", max(0, t.Length-len(data)/2))...)
			}
			return s.appendBytes(b, data), nil
		}
	case gateway.Binary, gateway.Varbinary:
		if data, ok := value.([]byte); ok {
			if !s.max && len(data) > s.size {
				return b, s.misfit("0x" + hex.EncodeToString(data))
			}
			if t.Kind == gateway.Binary && len(data) < t.Length {
				data = append(append([]byte(nil), data...), make([]byte, t.Length-len(data))...)
			}
			return s.appendBytes(b, data), nil
		}
	case gateway.Unique:
		if text, ok := value.(string); ok {
			id, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(text, "{}"), "-", ""))
			if err != nil || len(id) != 16 {
				return b, s.misfit(text)
			}
			return append(append(b, 16), swapped(id)...), nil
		}
	case gateway.Date, gateway.Time, gateway.DateTime, gateway.SmallDateTime, gateway.DateTime2, gateway.DateTimeOffset:
		if moment, ok := value.(time.Time); ok {
			encoded, ok := s.appendMoment(append(b, byte(s.size)), moment)
			if !ok {
				return b, s.misfit(moment.Format(time.RFC3339Nano))
			}
			return encoded, nil
		}
	}
	return b, s.mismatch(value)
}

func (s shape) mismatch(value any) error {
	return fmt.Errorf("column %q is %s, and its value is a Go %T", s.column.Name, s.column.Type, value)
}

// misfit is the error of a value that its column has no place for; long ones are cut.
func (s shape) misfit(value any) error {
	text := fmt.Sprint(value)
	if letters := []rune(text); len(letters) > 60 {
		text = string(letters[:60]) + "…"
	}
	return &gateway.Error{Message: gateway.Message{Number: 8152, State: 1, Class: 16,
		Text: fmt.Sprintf("cannot send %s as column %q, which is %s", text, s.column.Name, s.column.Type)}}
}

// appendBytes appends text or a binary in the form of its length.
func (s shape) appendBytes(b, data []byte) []byte {
	switch {
	case s.blob: // a pointer and a timestamp, which nobody reads, stand before it
		b = append(b, 16)
		b = append(b, make([]byte, 16+8)...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
		return append(b, data...)
	case s.max:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
		if len(data) > 0 {
			b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
			b = append(b, data...)
		}
		return binary.LittleEndian.AppendUint32(b, 0)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// appendMoment appends a date, a time or both; false when the type has no place for it.
func (s shape) appendMoment(b []byte, moment time.Time) ([]byte, bool) {
	t := s.column.Type
	wall := time.Date(moment.Year(), moment.Month(), moment.Day(), moment.Hour(), moment.Minute(), moment.Second(), moment.Nanosecond(), time.UTC)
	midnight := func(at time.Time) time.Time { return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC) }
	appendDay := func(b []byte, at time.Time) []byte {
		days := uint32(daysSince(at, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)))
		return append(b, byte(days), byte(days>>8), byte(days>>16))
	}
	unit := time.Second
	for range t.Scale {
		unit /= 10
	}
	unit = max(unit, 100) // scale 7
	clock := int64(unit)
	appendClock := func(b []byte, at time.Time, bytes int) []byte {
		n := uint64(int64(at.Sub(midnight(at))) / clock)
		return append(b, binary.LittleEndian.AppendUint64(nil, n)[:bytes]...)
	}
	possible := func(at time.Time) bool { return at.Year() >= 1 && at.Year() <= 9999 }
	switch t.Kind {
	case gateway.Date:
		return appendDay(b, wall), possible(wall)
	case gateway.Time:
		// What rounds up to the next midnight stays within the day.
		rounded := wall.Round(unit)
		if rounded.Day() != wall.Day() {
			rounded = wall.Truncate(unit)
		}
		return appendClock(b, rounded, s.size), true
	case gateway.DateTime2:
		wall = wall.Round(unit)
		return appendDay(appendClock(b, wall, s.size-3), wall), possible(wall)
	case gateway.DateTimeOffset:
		_, offset := moment.Zone()
		at := moment.UTC().Round(unit)
		b = appendDay(appendClock(b, at, s.size-5), at)
		return binary.LittleEndian.AppendUint16(b, uint16(int16(offset/60))), possible(at) && offset%60 == 0 && offset/60 >= -840 && offset/60 <= 840
	case gateway.SmallDateTime:
		wall = wall.Round(time.Minute)
		days := daysSince(wall, epoch())
		b = binary.LittleEndian.AppendUint16(b, uint16(days))
		return binary.LittleEndian.AppendUint16(b, uint16(wall.Hour()*60+wall.Minute())), days >= 0 && days <= math.MaxUint16
	}
	day := midnight(wall)
	ticks := (int64(wall.Sub(day))*3 + int64(5*time.Millisecond)) / int64(10*time.Millisecond)
	if ticks == 24*60*60*300 {
		day, ticks = day.AddDate(0, 0, 1), 0
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(int32(daysSince(day, epoch()))))
	return binary.LittleEndian.AppendUint32(b, uint32(ticks)), day.Year() >= 1753 && day.Year() <= 9999
}

// daysSince counts days between midnights of UTC, over more years than a time.Duration has.
func daysSince(at, since time.Time) int64 {
	return int64(math.Floor(float64(at.Unix()-since.Unix()) / (24 * 60 * 60)))
}

// inWords is how SQL Server writes a moment for a client that does not know its type.
func inWords(moment time.Time, t gateway.Type) string {
	layout := "2006-01-02 15:04:05"
	switch t.Kind {
	case gateway.Date:
		return moment.Format("2006-01-02")
	case gateway.Time:
		layout = "15:04:05"
	}
	if t.Scale > 0 {
		layout += "." + strings.Repeat("0", int(t.Scale))
	}
	if t.Kind == gateway.DateTimeOffset {
		layout += " -07:00"
	}
	return moment.Format(layout)
}

// bounds are the smallest and the largest number of a type.
func bounds(kind gateway.Kind) (low, high int64) {
	switch kind {
	case gateway.TinyInt:
		return 0, math.MaxUint8
	case gateway.SmallInt:
		return math.MinInt16, math.MaxInt16
	case gateway.Int:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

// inCodePage writes text in code page 1252; a letter that it has not becomes ?.
func inCodePage(text string) []byte {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		c, ok := charmap.Windows1252.EncodeRune(r)
		if !ok {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// decimalBytes is how many bytes a decimal's digits take.
func decimalBytes(precision byte) int {
	switch {
	case precision <= 9:
		return 4
	case precision <= 19:
		return 8
	case precision <= 28:
		return 12
	}
	return 16
}

func powerOfTen(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// scaled reads a decimal number and returns it times 10^scale, rounded half away from zero.
func scaled(text string, scale int) (*big.Int, error) {
	digits, negative := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(text), "+"), "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole+fraction == "" || len(digits) > 200 || strings.Trim(whole+fraction, "0123456789") != "" {
		return nil, errors.New("no decimal number")
	}
	up := false
	if len(fraction) > scale {
		up = fraction[scale] >= '5'
		fraction = fraction[:scale]
	}
	n, _ := new(big.Int).SetString("0"+whole+fraction+strings.Repeat("0", scale-len(fraction)), 10)
	if up {
		n.Add(n, big.NewInt(1))
	}
	if negative {
		n.Neg(n)
	}
	return n, nil
}

// unscaled writes a number of so many digits after the point.
func unscaled(n *big.Int, scale int) string {
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 {
		return "-" + digits
	}
	return digits
}

// littleEndian is the absolute value of n in so many bytes.
func littleEndian(n *big.Int, size int) []byte {
	b := n.FillBytes(make([]byte, size))
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return b
}

// swapped turns a GUID's bytes between the order of its text and that of the wire.
func swapped(id []byte) []byte {
	return []byte{id[3], id[2], id[1], id[0], id[5], id[4], id[7], id[6], id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]}
}
