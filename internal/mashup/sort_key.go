package mashup

import (
	"bytes"
	enc "encoding/binary"
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// orderKey writes the keys of rows as bytes whose order is the order of Table.Sort: null first, NaN before the other numbers, texts by
// their UTF-16 units, and numbers of different representations by their value, where a double is the whole number or else the shortest
// decimal that it is (orderValues calls a decimal equal to every double that it rounds to, which is no order).
//
// A part of a key ends itself, so that no key is the beginning of another. Parts of different kinds have some order in the bytes but none
// in the language: check finds them.
type orderKey struct {
	descending []bool
	kinds      []kind // the first kind of each part that is not null
	mixed      bool   // there are parts that may have no order among themselves
}

const (
	partNull  byte = 0x00
	partValue byte = 0x10 // plus the kind
)

// append appends part i of a key: a plain value.
func (k *orderKey) append(b []byte, i int, v Value) []byte {
	start := len(b)
	if v == Value(null) {
		b = append(b, partNull)
	} else {
		of := v.kind()
		if k.kinds[i] == kindAny {
			k.kinds[i] = of
		}
		if k.kinds[i] != of || !ordered(of) {
			k.mixed = true
		}
		b = appendOrdered(append(b, partValue+byte(of)), v)
	}
	if k.descending[i] {
		invert(b[start:])
	}
	return b
}

// ordered tells whether values of a kind have an order.
func ordered(of kind) bool {
	switch of {
	case kindLogical, kindNumber, kindTime, kindDate, kindDateTime, kindDateTimeZone, kindDuration, kindText, kindBinary:
		return true
	}
	return false
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

func appendOrdered(b []byte, v Value) []byte {
	switch v := v.(type) {
	case logical:
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case number:
		return appendOrderedNumber(b, v)
	case text:
		return appendOrderedText(b, string(v))
	case binary:
		return appendEscaped(b, string(v))
	case date:
		return appendOrderedInt(b, int64(v))
	case timeOfDay:
		return appendOrderedInt(b, int64(v))
	case datetime:
		return appendOrderedInt(b, int64(v))
	case duration:
		return appendOrderedInt(b, int64(v))
	case datetimezone:
		return appendOrderedInt(b, v.utc())
	}
	return b
}

func appendOrderedInt(b []byte, i int64) []byte {
	return enc.BigEndian.AppendUint64(b, uint64(i)^1<<63)
}

// appendEscaped ends bytes with 00 00, which they do not hold then.
func appendEscaped(b []byte, s string) []byte {
	for {
		at := strings.IndexByte(s, 0)
		if at < 0 {
			break
		}
		b = append(append(b, s[:at]...), 0, 0xFF)
		s = s[at+1:]
	}
	return append(append(b, s...), 0, 0)
}

// appendOrderedText moves the first bytes of the characters beyond U+FFFF below those of U+E000 and what follows: in UTF-16 they are.
func appendOrderedText(b []byte, s string) []byte {
	start := len(b)
	b = appendEscaped(b, s)
	for i := start; i < len(b); i++ {
		switch c := b[i]; {
		case c < 0xEE, c > 0xF4:
		case c < 0xF0:
			b[i] = c + 5
		default:
			b[i] = c - 2
		}
	}
	return b
}

// The places of a number beside the double that it rounds to.
const (
	besideBelow byte = 1
	besideSame  byte = 2
	besideAbove byte = 3
)

func appendOrderedNumber(b []byte, n number) []byte {
	f := n.float()
	if math.IsNaN(f) {
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0, besideSame)
	}
	bits := math.Float64bits(f + 0) // no negative zero
	if f == 0 {
		bits = 0
	}
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	b = enc.BigEndian.AppendUint64(b, bits)
	if n.rep == repFloat || n.rep == repInt && n.bits <= 1<<53 && n.bits >= -1<<53 {
		return append(b, besideSame)
	}
	exact, finite := n.decimal()
	beside := 0
	switch near, ok := shortest(f); {
	case !finite || exact.Form != apd.Finite:
	case !ok: // too large for a double
		beside = 1
		if f > 0 {
			beside = -1
		}
	default:
		beside = exact.Cmp(near)
	}
	switch {
	case beside == 0:
		return append(b, besideSame)
	case beside < 0:
		return appendOrderedDecimal(append(b, besideBelow), exact)
	}
	return appendOrderedDecimal(append(b, besideAbove), exact)
}

// shortest is the decimal that a double counts as; ok is false for infinities.
func shortest(f float64) (*apd.Decimal, bool) {
	if i, ok := floatNumber(f).int(); ok {
		return apd.New(i, 0), true
	}
	return floatNumber(f).decimal()
}

// appendOrderedDecimal writes a decimal that is not zero: its sign, the exponent of 0.d1d2d3… × 10^e, and the digits, with an end.
func appendOrderedDecimal(b []byte, d *apd.Decimal) []byte {
	digits := strings.TrimRight(d.Coeff.String(), "0")
	exponent := int64(d.NumDigits()) + int64(d.Exponent)
	start := len(b)
	b = append(appendOrderedInt(append(b, 1), exponent), digits...)
	b = append(b, 0)
	if d.Negative {
		invert(b[start:])
	}
	return b
}

// orderPart returns where the part at the beginning of a key ends, and its first byte.
func orderPart(key []byte, descending bool) (end int, first byte) {
	at := func(i int) byte {
		if descending {
			return ^key[i]
		}
		return key[i]
	}
	first = at(0)
	if first == partNull {
		return 1, first
	}
	switch of := kind(first - partValue); of {
	case kindLogical:
		return 2, first
	case kindNumber:
		end = 10
		if at(9) == besideSame {
			return end, first
		}
		sign := at(end) // 1, or inverted
		end += 9
		for at(end) != sign^1 {
			end++
		}
		return end + 1, first
	case kindText, kindBinary:
		end = 1
		for at(end) != 0 || at(end+1) != 0 {
			if at(end) == 0 {
				end++
			}
			end++
		}
		return end + 2, first
	default:
		if ordered(of) {
			return 9, first
		}
	}
	return 1, first
}

// check tells whether two keys that stand one behind the other in the order of their bytes have an order in the language.
func (k *orderKey) check(before, after []byte) error {
	for i := range k.descending {
		a, first := orderPart(before, k.descending[i])
		b, second := orderPart(after, k.descending[i])
		if first != partNull && second != partNull {
			x, y := kind(first-partValue), kind(second-partValue)
			if x != y || !ordered(x) {
				return fail("We cannot compare a value of type %s with one of type %s.", simple(x).title(), simple(y).title())
			}
		}
		if !bytes.Equal(before[:a], after[:b]) {
			return nil
		}
		before, after = before[a:], after[b:]
	}
	return nil
}
