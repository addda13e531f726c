package mashup

import (
	enc "encoding/binary"
	"math"

	"github.com/cockroachdb/apd/v3"

	"freshet.dev/internal/mashup/syntax"
)

// orderValues orders two values as Table.Sort and Value.Compare do: null first, NaN before the other numbers.
func orderValues(a, b Value) (int, error) {
	switch {
	case a == Value(null) && b == Value(null):
		return 0, nil
	case a == Value(null):
		return -1, nil
	case b == Value(null):
		return 1, nil
	}
	c, unordered, ok := compare(a, b)
	if !ok {
		return 0, fail("We cannot compare a value of type %s with one of type %s.", typeName(a), typeName(b))
	}
	if unordered {
		x, y := math.IsNaN(a.(number).float()), math.IsNaN(b.(number).float())
		switch {
		case x && y:
			return 0, nil
		case x:
			return -1, nil
		}
		return 1, nil
	}
	return c, nil
}

func addNumbers(a, b number) number { return arithmetic(syntax.OpAdd, a, b) }

// appendKey writes a value so that equal ones, and only they, are written the same, and none is the beginning of another.
func appendKey(ev *evaluation, b []byte, v Value) ([]byte, error) {
	b = append(b, byte(v.kind()))
	switch v := v.(type) {
	case nullKind:
	case logical:
		return appendOrdered(b, v), nil
	case number:
		return appendNumberKey(b, v), nil
	case text:
		return appendString(b, string(v)), nil
	case binary:
		return appendString(b, string(v)), nil
	case date, timeOfDay, datetime, duration, datetimezone:
		return appendOrdered(b, v), nil
	case *list:
		items, err := v.all(ev)
		if err != nil {
			return nil, err
		}
		b = enc.AppendUvarint(b, uint64(len(items)))
		for _, item := range items {
			if b, err = appendKey(ev, b, item); err != nil {
				return nil, err
			}
		}
	case *record:
		b = enc.AppendUvarint(b, uint64(len(v.values)))
		for i, name := range v.shape.names {
			b = appendString(b, name)
			field, err := force(ev, v.values[i])
			if err != nil {
				return nil, err
			}
			if b, err = appendKey(ev, b, field); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fail("Values of type %s cannot be told apart as keys.", typeName(v))
	}
	return b, nil
}

// appendNumberKey is equal for equal numbers of any representation.
func appendNumberKey(b []byte, n number) []byte {
	if i, ok := n.int(); ok {
		return enc.AppendVarint(append(b, 'i'), i)
	}
	f := n.float()
	if n.rep == repDecimal {
		if short, err := new(apd.Decimal).SetFloat64(f); err != nil || short.Cmp(n.dec) != 0 {
			reduced, _ := new(apd.Decimal).Reduce(n.dec)
			return appendString(append(b, 'd'), reduced.String())
		}
	}
	return enc.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(f))
}
