package mashup

import (
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// RoundingMode's members: how a value exactly between two neighbours is rounded.
const (
	roundUp = iota
	roundDown
	roundAwayFromZero
	roundTowardZero
	roundToEven
)

// rounder is apd's rounder for a tie-breaking mode and the sign of the number.
func rounder(mode int, negative bool) apd.Rounder {
	switch {
	case mode == roundToEven:
		return apd.RoundHalfEven
	case mode == roundAwayFromZero, mode == roundUp && !negative, mode == roundDown && negative:
		return apd.RoundHalfUp
	}
	return apd.RoundHalfDown
}

// round rounds a number to digits after the point. Infinities and NaN stay.
func (n number) round(digits int, by func(negative bool) apd.Rounder) number {
	if n.rep == repInt && digits >= 0 {
		return n
	}
	d, ok := n.exact()
	if !ok || digits > 300 {
		return n
	}
	c := apd.BaseContext.WithPrecision(400)
	c.Rounding = by(d.Negative)
	var q apd.Decimal
	if _, err := c.Quantize(&q, d, -int32(digits)); err != nil {
		return n
	}
	switch n.rep {
	case repDecimal:
		return decNumber(&q)
	case repInt:
		if i, err := q.Int64(); err == nil {
			return intNumber(i)
		}
	}
	if digits <= 0 {
		if i, err := q.Int64(); err == nil && max(i, -i) < 1<<53 {
			return intNumber(i)
		}
	}
	f, err := q.Float64()
	if err != nil {
		return n
	}
	return floatNumber(f)
}

func constantRounder(r apd.Rounder) func(bool) apd.Rounder {
	return func(bool) apd.Rounder { return r }
}

// dayZero is the day that the number 0 stands for.
var dayZero = dateOf(1899, 12, 30)

// numberFrom is Number.From.
func (ev *evaluation) numberFrom(v Value, c *culture) (Value, error) {
	switch v := v.(type) {
	case nullKind, number:
		return v, nil
	case text:
		return orNumber(numberFromText(c, string(v)))
	case logical:
		if v {
			return intNumber(1), nil
		}
		return intNumber(0), nil
	case date:
		return intNumber(int64(v - dayZero)), nil
	case datetime:
		return daysNumber(int64(v - dayZero.datetime())), nil
	case datetimezone:
		return daysNumber(int64(ev.toLocal(v) - dayZero.datetime())), nil
	case timeOfDay:
		return daysNumber(int64(v)), nil
	case duration:
		return daysNumber(int64(v)), nil
	}
	return nil, cannotConvert(v, "Number")
}

func orNumber(n number, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return n, nil
}

func daysNumber(ticks int64) number {
	if ticks%ticksPerDay == 0 {
		return intNumber(ticks / ticksPerDay)
	}
	return floatNumber(float64(ticks) / ticksPerDay)
}

// toLocal is a zoned time's wall clock in the local zone.
func (ev *evaluation) toLocal(z datetimezone) datetime {
	utc := datetime(z.utc())
	_, seconds := utc.time().In(ev.session.env.Now.Location()).Zone()
	return utc + datetime(int64(seconds)*ticksPerSecond)
}

// intFrom is Int64.From and its like.
func (ev *evaluation) intFrom(v Value, c *culture, mode int, typ string, low, high int64) (Value, error) {
	n, err := ev.numberFrom(v, c)
	if err != nil || n == Value(null) {
		return n, err
	}
	whole := n.(number).round(0, func(negative bool) apd.Rounder { return rounder(mode, negative) })
	i, ok := whole.int()
	if !ok || i < low || i > high {
		return nil, fail("The number is out of range of a%s value.", typ).with(n)
	}
	return intNumber(i), nil
}

// currencyFrom is Currency.From: four digits after the point.
func (ev *evaluation) currencyFrom(v Value, c *culture, mode int) (Value, error) {
	n, err := ev.decimalFrom(v, c)
	if err != nil || n == Value(null) {
		return n, err
	}
	d := n.(number).round(4, func(negative bool) apd.Rounder { return rounder(mode, negative) }).dec
	limit := apd.New(math.MaxInt64, -4)
	if new(apd.Decimal).Abs(d).Cmp(limit) > 0 {
		return nil, fail("The number is out of range of a Currency value.").with(n)
	}
	return decNumber(d), nil
}

// decimalFrom is Decimal.From.
func (ev *evaluation) decimalFrom(v Value, c *culture) (Value, error) {
	if s, ok := v.(text); ok {
		plain, percent, negative, ok := c.plainNumber(string(s))
		d, _, err := apd.NewFromString(plain)
		if !ok || err != nil || d.Form != apd.Finite || max(d.Exponent, -d.Exponent) > 400 {
			return nil, failData("We couldn't convert to Number.").with(v)
		}
		if percent {
			d.Exponent -= 2
		}
		d.Negative = negative && !d.IsZero()
		return decNumber(d), nil
	}
	v, err := ev.numberFrom(v, c)
	if err != nil || v == Value(null) {
		return v, err
	}
	n := v.(number)
	if n.rep == repDecimal {
		return n, nil
	}
	d, ok := n.exact()
	if !ok {
		return nil, fail("The number is out of range of a Decimal value.").with(v)
	}
	return decNumber(d), nil
}

// textFrom is Text.From.
func (ev *evaluation) textFrom(v Value, c *culture) (Value, error) {
	switch v := v.(type) {
	case nullKind, text:
		return v, nil
	case number:
		return text(c.numberText(v)), nil
	case logical:
		return text(strconv.FormatBool(bool(v))), nil
	case date, timeOfDay, datetime, datetimezone:
		return text(c.defaultText(v)), nil
	case duration:
		return text(durationText(v)), nil
	case binary:
		return text(base64Text(v)), nil
	}
	return nil, cannotConvert(v, "Text")
}

// logicalFrom is Logical.From.
func logicalFrom(v Value) (Value, error) {
	switch v := v.(type) {
	case nullKind, logical:
		return v, nil
	case number:
		return logical(v.float() != 0), nil
	case text:
		switch strings.ToLower(strings.TrimSpace(string(v))) {
		case "true":
			return logical(true), nil
		case "false":
			return logical(false), nil
		}
		return nil, failData("We couldn't convert to Logical.").with(v)
	}
	return nil, cannotConvert(v, "Logical")
}

// ticksOfDays is a number of days in ticks, to the millisecond as .NET converts it.
func ticksOfDays(n number) (int64, bool) {
	ms := math.Round(n.float() * 86400000)
	if math.IsNaN(ms) || math.Abs(ms) > 4e14 {
		return 0, false
	}
	return int64(ms) * 10_000, true
}

// dateTimeFrom is DateTime.From.
func (ev *evaluation) dateTimeFrom(v Value, c *culture) (Value, error) {
	switch v := v.(type) {
	case nullKind, datetime:
		return v, nil
	case text:
		return ev.dateTimeFromText(c, string(v), "")
	case date:
		return v.datetime(), nil
	case datetimezone:
		return ev.toLocal(v), nil
	case timeOfDay:
		return dayZero.datetime() + datetime(v), nil
	case number:
		ticks, ok := ticksOfDays(v)
		if !ok {
			return nil, outOfRange()
		}
		return checkedDateTime(dayZero.datetime() + datetime(ticks))
	}
	return nil, cannotConvert(v, "DateTime")
}

// dateFrom is Date.From.
func (ev *evaluation) dateFrom(v Value, c *culture) (Value, error) {
	switch v := v.(type) {
	case nullKind, date:
		return v, nil
	case text:
		return ev.dateFromText(c, string(v), "")
	case timeOfDay, duration, logical:
		return nil, cannotConvert(v, "Date")
	}
	d, err := ev.dateTimeFrom(v, c)
	if err != nil {
		if v.kind() != kindNumber {
			return nil, cannotConvert(v, "Date")
		}
		return nil, err
	}
	return d.(datetime).date(), nil
}

// timeFrom is Time.From.
func (ev *evaluation) timeFrom(v Value, c *culture) (Value, error) {
	switch v := v.(type) {
	case nullKind, timeOfDay:
		return v, nil
	case text:
		return ev.timeFromText(c, string(v), "")
	case datetime:
		return v.clock(), nil
	case datetimezone:
		return ev.toLocal(v).clock(), nil
	case number:
		if f := v.float(); f < 0 || f >= 1 {
			return nil, fail("The Time operation failed because the resulting value falls outside the range of allowed values.").with(v)
		}
		return timeOfDay(math.Round(v.float() * ticksPerDay)), nil
	}
	return nil, cannotConvert(v, "Time")
}

// zonedFrom is DateTimeZone.From.
func (ev *evaluation) zonedFrom(v Value, c *culture) (Value, error) {
	switch v := v.(type) {
	case nullKind, datetimezone:
		return v, nil
	case text:
		return ev.zonedFromText(c, string(v), "")
	}
	d, err := ev.dateTimeFrom(v, c)
	if err != nil {
		return nil, err
	}
	at := d.(datetime)
	return datetimezone{int64(at), int16(ev.localOffset(at))}, nil
}

// durationFrom is Duration.From.
func durationFrom(v Value) (Value, error) {
	switch v := v.(type) {
	case nullKind, duration:
		return v, nil
	case text:
		return durationFromText(string(v))
	case number:
		return scaled(ticksPerDay, v.float())
	}
	return nil, cannotConvert(v, "Duration")
}

// binaryFrom is Binary.From.
func binaryFrom(v Value) (Value, error) {
	switch v := v.(type) {
	case nullKind, binary:
		return v, nil
	case text:
		return binaryFromText(string(v), encodingBase64)
	}
	return nil, cannotConvert(v, "Binary")
}

// convertTo converts a plain value to a type, as Table.TransformColumnTypes does for a cell.
func (ev *evaluation) convertTo(v Value, typ *typeValue, c *culture) (Value, error) {
	if v.kind() == kindNull {
		return null, nil
	}
	switch typ.of {
	case kindNumber:
		switch typ.name {
		case "Int64.Type":
			return ev.intFrom(v, c, roundToEven, "n Int64", math.MinInt64, math.MaxInt64)
		case "Int32.Type":
			return ev.intFrom(v, c, roundToEven, "n Int32", math.MinInt32, math.MaxInt32)
		case "Int16.Type":
			return ev.intFrom(v, c, roundToEven, "n Int16", math.MinInt16, math.MaxInt16)
		case "Int8.Type":
			return ev.intFrom(v, c, roundToEven, "n Int8", math.MinInt8, math.MaxInt8)
		case "Byte.Type":
			return ev.intFrom(v, c, roundToEven, " Byte", 0, math.MaxUint8)
		case "Currency.Type":
			return ev.currencyFrom(v, c, roundToEven)
		case "Decimal.Type":
			return ev.decimalFrom(v, c)
		}
		return ev.numberFrom(v, c)
	case kindText:
		return ev.textFrom(v, c)
	case kindLogical:
		return logicalFrom(v)
	case kindDate:
		return ev.dateFrom(v, c)
	case kindTime:
		return ev.timeFrom(v, c)
	case kindDateTime:
		return ev.dateTimeFrom(v, c)
	case kindDateTimeZone:
		return ev.zonedFrom(v, c)
	case kindDuration:
		return durationFrom(v)
	case kindBinary:
		return binaryFrom(v)
	case kindAny, kindAnyNonNull:
		return v, nil
	}
	if typ.accepts(v) {
		return v, nil
	}
	return nil, cannotConvert(v, typ.title())
}
