package mashup

import (
	"fmt"
	"math"
	"strings"

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

// writeKey writes a value so that equal ones, and only they, are written the same.
func writeKey(ev *evaluation, b *strings.Builder, v Value) error {
	b.WriteByte(byte(v.kind()))
	switch v := v.(type) {
	case nullKind:
	case logical:
		fmt.Fprint(b, bool(v))
	case number:
		b.WriteString(numberKey(v))
	case text:
		writeSized(b, string(v))
	case binary:
		writeSized(b, string(v))
	case date:
		writeInt(b, int64(v))
	case timeOfDay:
		writeInt(b, int64(v))
	case datetime:
		writeInt(b, int64(v))
	case duration:
		writeInt(b, int64(v))
	case datetimezone:
		writeInt(b, v.utc())
	case *list:
		items, err := v.all(ev)
		if err != nil {
			return err
		}
		writeInt(b, int64(len(items)))
		for _, item := range items {
			if err := writeKey(ev, b, item); err != nil {
				return err
			}
		}
	case *record:
		writeInt(b, int64(len(v.values)))
		for i, name := range v.shape.names {
			writeSized(b, name)
			field, err := force(ev, v.values[i])
			if err != nil {
				return err
			}
			if err := writeKey(ev, b, field); err != nil {
				return err
			}
		}
	default:
		return fail("Values of type %s cannot be told apart as keys.", typeName(v))
	}
	return nil
}

func writeInt(b *strings.Builder, i int64) {
	for shift := 56; shift >= 0; shift -= 8 {
		b.WriteByte(byte(uint64(i) >> shift))
	}
}

func writeSized(b *strings.Builder, s string) {
	writeInt(b, int64(len(s)))
	b.WriteString(s)
}

// numberKey is equal for equal numbers of any representation.
func numberKey(n number) string {
	if i, ok := n.int(); ok {
		return fmt.Sprintf("i%d;", i)
	}
	f := n.float()
	if n.rep == repDecimal {
		if short, err := new(apd.Decimal).SetFloat64(f); err != nil || short.Cmp(n.dec) != 0 {
			reduced, _ := new(apd.Decimal).Reduce(n.dec)
			return "d" + reduced.String() + ";"
		}
	}
	return fmt.Sprintf("f%x;", math.Float64bits(f))
}
