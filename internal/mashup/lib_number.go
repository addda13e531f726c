package mashup

import (
	"math"
	"math/bits"

	"github.com/cockroachdb/apd/v3"

	"freshet.dev/internal/mashup/syntax"
)

// The arguments of the library's functions, by what their signature promises.

func isNull(v Value) bool { return v.kind() == kindNull }

// wholeArg is an optional whole number.
func wholeArg(v Value, absent int) (int, error) {
	if isNull(v) {
		return absent, nil
	}
	n, ok := v.(number)
	if !ok {
		return 0, cannotConvert(v, "Number")
	}
	i, ok := n.int()
	if !ok || i > math.MaxInt32 || i < math.MinInt32 {
		return 0, fail("The number %s is not a whole number in range.", display(v))
	}
	return int(i), nil
}

// countArg is a whole number that is not negative.
func countArg(v Value, absent int) (int, error) {
	if isNull(v) {
		return absent, nil
	}
	i, err := wholeArg(v, absent)
	if err == nil && i < 0 {
		err = fail("The value %s is out of range: it cannot be negative.", display(v))
	}
	return i, err
}

func textArg(v Value, absent string) (string, error) {
	switch v := v.(type) {
	case nullKind:
		return absent, nil
	case text:
		return string(v), nil
	}
	return "", cannotConvert(v, "Text")
}

func mathEntry(signature string, f func(float64) float64) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
		return tidy(f(args[0].(number).float())), nil
	}}
}

// tidy makes a double that is whole a whole number.
func tidy(f float64) number {
	if i, ok := floatNumber(f).int(); ok && max(i, -i) < 1<<53 {
		return intNumber(i)
	}
	return floatNumber(f)
}

func directed(signature string, by func(bool) apd.Rounder) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
		digits, err := wholeArg(args[1], 0)
		if err != nil {
			return nil, err
		}
		return args[0].(number).round(digits, by), nil
	}}
}

func intEntry(signature, typ string, low, high int64) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
		c, err := ev.culture(args[1])
		if err != nil {
			return nil, err
		}
		mode, err := wholeArg(args[2], roundToEven)
		if err != nil {
			return nil, err
		}
		return ev.intFrom(args[0], c, mode, typ, low, high)
	}}
}

func conversion(signature string, convert func(ev *evaluation, v Value, c *culture) (Value, error)) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
		c, err := ev.culture(args[1])
		if err != nil {
			return nil, err
		}
		return convert(ev, args[0], c)
	}}
}

func bitwise(signature string, f func(a, b int64) int64) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
		if isNull(args[1]) {
			return null, nil
		}
		a, ok := args[0].(number).int()
		b, ok2 := args[1].(number).int()
		if !ok || !ok2 {
			return nil, fail("The number is not a whole number.")
		}
		return intNumber(f(a, b)), nil
	}}
}

func numberFunctions() family {
	return family{
		entries: []entry{
			conversion("Number.From(value as any, optional culture as nullable text) as nullable number", (*evaluation).numberFrom),
			conversion("Double.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", doubleFrom),
			conversion("Single.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", singleFrom),
			conversion("Percentage.From(value as any, optional culture as nullable text) as nullable number", doubleFrom),
			conversion("Decimal.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", (*evaluation).decimalFrom),
			{signature: "Currency.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number",
				body: func(ev *evaluation, args []Value) (Value, error) {
					c, err := ev.culture(args[1])
					if err != nil {
						return nil, err
					}
					mode, err := wholeArg(args[2], roundToEven)
					if err != nil {
						return nil, err
					}
					return ev.currencyFrom(args[0], c, mode)
				}},
			intEntry("Int64.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", "n Int64", math.MinInt64, math.MaxInt64),
			intEntry("Int32.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", "n Int32", math.MinInt32, math.MaxInt32),
			intEntry("Int16.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", "n Int16", math.MinInt16, math.MaxInt16),
			intEntry("Int8.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", "n Int8", math.MinInt8, math.MaxInt8),
			intEntry("Byte.From(value as any, optional culture as nullable text, optional roundingMode as nullable number) as nullable number", " Byte", 0, math.MaxUint8),
			{signature: "Number.FromText(text as nullable text, optional culture as nullable text) as nullable number", body: func(ev *evaluation, args []Value) (Value, error) {
				c, err := ev.culture(args[1])
				if err != nil {
					return nil, err
				}
				return orNumber(numberFromText(c, string(args[0].(text))))
			}},
			{signature: "Number.ToText(number as nullable number, optional format as nullable text, optional culture as nullable text) as nullable text", body: func(ev *evaluation, args []Value) (Value, error) {
				c, err := ev.culture(args[2])
				if err != nil {
					return nil, err
				}
				format, err := textArg(args[1], "")
				if err != nil {
					return nil, err
				}
				s, err := c.formatNumber(args[0].(number), format)
				if err != nil {
					return nil, err
				}
				return text(s), nil
			}},
			{signature: "Number.Round(number as nullable number, optional digits as nullable number, optional roundingMode as nullable number) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				digits, err := wholeArg(args[1], 0)
				if err != nil {
					return nil, err
				}
				mode, err := wholeArg(args[2], roundToEven)
				if err != nil {
					return nil, err
				}
				return args[0].(number).round(digits, func(negative bool) apd.Rounder { return rounder(mode, negative) }), nil
			}},
			directed("Number.RoundUp(number as nullable number, optional digits as nullable number) as nullable number", constantRounder(apd.RoundCeiling)),
			directed("Number.RoundDown(number as nullable number, optional digits as nullable number) as nullable number", constantRounder(apd.RoundFloor)),
			directed("Number.RoundAwayFromZero(number as nullable number, optional digits as nullable number) as nullable number", constantRounder(apd.RoundUp)),
			directed("Number.RoundTowardZero(number as nullable number, optional digits as nullable number) as nullable number", constantRounder(apd.RoundDown)),
			{signature: "Number.Abs(number as nullable number) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				n := args[0].(number)
				if order, _ := n.compare(intNumber(0)); order < 0 {
					return n.negate(), nil
				}
				return n, nil
			}},
			{signature: "Number.Sign(number as nullable number) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				order, unordered := args[0].(number).compare(intNumber(0))
				if unordered {
					return args[0], nil
				}
				return intNumber(int64(order)), nil
			}},
			{signature: "Number.Mod(number as nullable number, divisor as nullable number, optional precision as nullable number) as nullable number", body: numberMod},
			{signature: "Number.IntegerDivide(number1 as nullable number, number2 as nullable number, optional precision as nullable number) as nullable number", body: numberIntegerDivide},
			{signature: "Number.Power(number as nullable number, power as nullable number) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				if isNull(args[1]) {
					return null, nil
				}
				return tidy(math.Pow(args[0].(number).float(), args[1].(number).float())), nil
			}},
			{signature: "Number.Log(number as nullable number, optional base as nullable number) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				f := math.Log(args[0].(number).float())
				if !isNull(args[1]) {
					f /= math.Log(args[1].(number).float())
				}
				return tidy(f), nil
			}},
			mathEntry("Number.Ln(number as nullable number) as nullable number", math.Log),
			mathEntry("Number.Log10(number as nullable number) as nullable number", math.Log10),
			mathEntry("Number.Exp(number as nullable number) as nullable number", math.Exp),
			mathEntry("Number.Sqrt(number as nullable number) as nullable number", math.Sqrt),
			mathEntry("Number.Sin(number as nullable number) as nullable number", math.Sin),
			mathEntry("Number.Cos(number as nullable number) as nullable number", math.Cos),
			mathEntry("Number.Tan(number as nullable number) as nullable number", math.Tan),
			mathEntry("Number.Asin(number as nullable number) as nullable number", math.Asin),
			mathEntry("Number.Acos(number as nullable number) as nullable number", math.Acos),
			mathEntry("Number.Atan(number as nullable number) as nullable number", math.Atan),
			mathEntry("Number.Sinh(number as nullable number) as nullable number", math.Sinh),
			mathEntry("Number.Cosh(number as nullable number) as nullable number", math.Cosh),
			mathEntry("Number.Tanh(number as nullable number) as nullable number", math.Tanh),
			{signature: "Number.Atan2(y as nullable number, x as nullable number) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				if isNull(args[1]) {
					return null, nil
				}
				return tidy(math.Atan2(args[0].(number).float(), args[1].(number).float())), nil
			}},
			{signature: "Number.IsEven(number as number) as logical", body: func(_ *evaluation, args []Value) (Value, error) {
				return logical(math.Mod(args[0].(number).float(), 2) == 0), nil
			}},
			{signature: "Number.IsOdd(number as number) as logical", body: func(_ *evaluation, args []Value) (Value, error) {
				return logical(math.Mod(args[0].(number).float(), 2) != 0), nil
			}},
			{signature: "Number.IsNaN(number as number) as logical", body: func(_ *evaluation, args []Value) (Value, error) {
				return logical(math.IsNaN(args[0].(number).float())), nil
			}},
			{signature: "Number.Factorial(number as nullable number) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				n, ok := args[0].(number).int()
				if !ok || n < 0 {
					return nil, fail("The number %s has no factorial.", display(args[0]))
				}
				product := 1.0
				for i := int64(2); i <= n && !math.IsInf(product, 1); i++ {
					product *= float64(i)
				}
				return tidy(product), nil
			}},
			{signature: "Number.Combinations(setSize as nullable number, combinationSize as nullable number) as nullable number", body: numberCombinations},
			{signature: "Number.Permutations(setSize as nullable number, permutationSize as nullable number) as nullable number", body: numberPermutations},
			bitwise("Number.BitwiseAnd(number1 as nullable number, number2 as nullable number) as nullable number", func(a, b int64) int64 { return a & b }),
			bitwise("Number.BitwiseOr(number1 as nullable number, number2 as nullable number) as nullable number", func(a, b int64) int64 { return a | b }),
			bitwise("Number.BitwiseXor(number1 as nullable number, number2 as nullable number) as nullable number", func(a, b int64) int64 { return a ^ b }),
			bitwise("Number.BitwiseShiftLeft(number1 as nullable number, number2 as nullable number) as nullable number", func(a, b int64) int64 { return a << uint64(b) }),
			bitwise("Number.BitwiseShiftRight(number1 as nullable number, number2 as nullable number) as nullable number", func(a, b int64) int64 { return a >> uint64(b) }),
			{signature: "Number.BitwiseNot(number as any) as any", body: func(_ *evaluation, args []Value) (Value, error) {
				n, ok := args[0].(number)
				if !ok {
					return args[0], nil
				}
				i, _ := n.int()
				return intNumber(^i), nil
			}},
			{signature: "Number.Random() as number", body: func(ev *evaluation, _ []Value) (Value, error) {
				return floatNumber(ev.session.nextRandom()), nil
			}},
			{signature: "Number.RandomBetween(bottom as number, top as number) as number", body: func(ev *evaluation, args []Value) (Value, error) {
				bottom, top := args[0].(number).float(), args[1].(number).float()
				return floatNumber(bottom + (top-bottom)*ev.session.nextRandom()), nil
			}},
		},
		constants: []constant{
			{"Number.E", floatNumber(math.E)}, {"Number.PI", floatNumber(math.Pi)}, {"Number.NaN", floatNumber(math.NaN())},
			{"Number.PositiveInfinity", floatNumber(math.Inf(1))}, {"Number.NegativeInfinity", floatNumber(math.Inf(-1))},
			{"Number.Epsilon", floatNumber(math.SmallestNonzeroFloat64)},
			{"#infinity", floatNumber(math.Inf(1))}, {"#nan", floatNumber(math.NaN())},
			{"RoundingMode.Up", intNumber(roundUp)}, {"RoundingMode.Down", intNumber(roundDown)},
			{"RoundingMode.AwayFromZero", intNumber(roundAwayFromZero)}, {"RoundingMode.TowardZero", intNumber(roundTowardZero)},
			{"RoundingMode.ToEven", intNumber(roundToEven)}, {"RoundingMode.Type", named(kindNumber, "RoundingMode.Type")},
			{"Precision.Double", intNumber(0)}, {"Precision.Decimal", intNumber(1)}, {"Precision.Type", named(kindNumber, "Precision.Type")},
			{"Int8.Type", named(kindNumber, "Int8.Type")}, {"Int16.Type", named(kindNumber, "Int16.Type")},
			{"Int32.Type", named(kindNumber, "Int32.Type")}, {"Int64.Type", named(kindNumber, "Int64.Type")},
			{"Byte.Type", named(kindNumber, "Byte.Type")}, {"Single.Type", named(kindNumber, "Single.Type")},
			{"Double.Type", named(kindNumber, "Double.Type")}, {"Decimal.Type", named(kindNumber, "Decimal.Type")},
			{"Currency.Type", named(kindNumber, "Currency.Type")}, {"Percentage.Type", named(kindNumber, "Percentage.Type")},
			{"Number.Type", simple(kindNumber)},
		},
	}
}

func doubleFrom(ev *evaluation, v Value, c *culture) (Value, error) {
	n, err := ev.numberFrom(v, c)
	if d, ok := n.(number); ok && d.rep == repDecimal {
		return tidy(d.float()), err
	}
	return n, err
}

func singleFrom(ev *evaluation, v Value, c *culture) (Value, error) {
	n, err := ev.numberFrom(v, c)
	if d, ok := n.(number); ok {
		return tidy(float64(float32(d.float()))), err
	}
	return n, err
}

// numberMod is the remainder with the sign of the number, as % in C#.
func numberMod(_ *evaluation, args []Value) (Value, error) {
	if isNull(args[1]) {
		return null, nil
	}
	a, b := args[0].(number), args[1].(number)
	if a.rep == repInt && b.rep == repInt && b.bits != 0 {
		if b.bits == -1 {
			return intNumber(0), nil
		}
		return intNumber(a.bits % b.bits), nil
	}
	if a.rep != repFloat && b.rep != repFloat {
		x, _ := a.decimal()
		y, _ := b.decimal()
		var d apd.Decimal
		if _, err := decimals().Rem(&d, x, y); err == nil {
			return decNumber(&d), nil
		}
	}
	return tidy(math.Mod(a.float(), b.float())), nil
}

func numberIntegerDivide(_ *evaluation, args []Value) (Value, error) {
	if isNull(args[1]) {
		return null, nil
	}
	a, b := args[0].(number), args[1].(number)
	if a.rep == repInt && b.rep == repInt && b.bits != 0 && b.bits != -1 {
		return intNumber(a.bits / b.bits), nil
	}
	q := arithmetic(syntax.OpDivide, a, b)
	return q.round(0, constantRounder(apd.RoundDown)), nil
}

func numberCombinations(_ *evaluation, args []Value) (Value, error) {
	if isNull(args[1]) {
		return null, nil
	}
	n, k := args[0].(number).float(), args[1].(number).float()
	result := 1.0
	for i := 1.0; i <= k; i++ {
		result = result * (n - k + i) / i
	}
	return tidy(math.Round(result)), nil
}

func numberPermutations(_ *evaluation, args []Value) (Value, error) {
	if isNull(args[1]) {
		return null, nil
	}
	n, k := args[0].(number).float(), args[1].(number).float()
	result := 1.0
	for i := 0.0; i < k; i++ {
		result *= n - i
	}
	return tidy(result), nil
}

// nextRandom is a number from 0 up to 1. Its seed is the evaluation's clock, so that nothing outside takes part.
func (s *session) nextRandom() float64 {
	if s.random == 0 {
		s.random = uint64(s.env.Now.UnixNano())
	}
	s.random += 0x9E3779B97F4A7C15
	high, low := bits.Mul64(s.random, 0xD6E8FEB86659FD93)
	z := high ^ low
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	return float64((z^(z>>27))>>11) / (1 << 53)
}
