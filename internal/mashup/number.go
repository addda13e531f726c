package mashup

import (
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// number is a number. Whole numbers are exact as int64, decimals (Currency, Decimal) exact as apd decimals, all others doubles.
type number struct {
	rep  numberRep
	bits int64        // the int64, or the bits of the double
	dec  *apd.Decimal // never changed once it is here
}

type numberRep uint8

const (
	repInt numberRep = iota
	repFloat
	repDecimal
)

func (number) kind() kind { return kindNumber }

func intNumber(i int64) number        { return number{rep: repInt, bits: i} }
func floatNumber(f float64) number    { return number{rep: repFloat, bits: int64(math.Float64bits(f))} }
func decNumber(d *apd.Decimal) number { return number{rep: repDecimal, dec: d} }

// float is the number as a double, rounded where it must be.
func (n number) float() float64 {
	switch n.rep {
	case repInt:
		return float64(n.bits)
	case repFloat:
		return math.Float64frombits(uint64(n.bits))
	}
	f, _ := n.dec.Float64()
	return f
}

// int is the number as an int64; ok tells that it is whole and fits.
func (n number) int() (i int64, ok bool) {
	switch n.rep {
	case repInt:
		return n.bits, true
	case repFloat:
		f := n.float()
		if f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	}
	i, err := n.dec.Int64()
	return i, err == nil
}

// decimal is the number as a decimal; ok is false for infinities and NaN.
func (n number) decimal() (d *apd.Decimal, ok bool) {
	switch n.rep {
	case repInt:
		return apd.New(n.bits, 0), true
	case repDecimal:
		return n.dec, true
	}
	f := n.float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, false
	}
	d, err := new(apd.Decimal).SetFloat64(f)
	return d, err == nil
}

// String is the number as .NET writes a double ("R"), which is also how the language writes it where no culture takes part.
func (n number) String() string {
	switch n.rep {
	case repInt:
		return strconv.FormatInt(n.bits, 10)
	case repDecimal:
		s := n.dec.Text('f')
		return s
	}
	f := n.float()
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "∞"
	case math.IsInf(f, -1):
		return "-∞"
	case f == 0:
		return "0"
	}
	if abs := math.Abs(f); abs >= 1e-5 && abs < 1e15 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	return mantissa + "E" + exponent
}
