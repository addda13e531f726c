eval
Number.FromText("1,234.50")
----
1234.5

eval culture=de-DE
Number.FromText("1.234,50")
----
1234.5

eval culture=pt-BR
Number.FromText("R$ 1.234,50")
----
1234.5

eval
Number.FromText("(5)")
----
-5

eval
Number.FromText("1e3")
----
1000

eval
Number.FromText("50%")
----
0.5

eval
Number.FromText("abc")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't convert to Number. Details: "abc"

eval
Number.FromText("")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't convert to Number. Details: ""

eval
Number.FromText("1_000")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't convert to Number. Details: "1_000"

eval
Number.FromText("0x10")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't convert to Number. Details: "0x10"

eval
Number.FromText(" 7 ")
----
7

eval
Number.FromText("-$5")
----
-5

eval
Number.FromText("1,2,3")
----
123

eval
Number.FromText("--5")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't convert to Number. Details: "--5"

eval
Int64.From("1.6")
----
2

eval
Int64.From(2.5)
----
2

eval
Int64.From(3.5)
----
4

eval
Int64.From(1e300)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The number is out of range of an Int64 value. Details: 1E+300

eval
Int64.From("9007199254740993")
----
9007199254740993

eval
Int32.From(2147483648)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The number is out of range of an Int32 value. Details: 2147483648

eval
Byte.From(256)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The number is out of range of a Byte value. Details: 256

eval
Currency.From(1.00005)
----
1.0000

eval
Currency.From(1.00015)
----
1.0002

eval
Currency.From("922337203685477.5807")
----
922337203685477.5807

eval
Currency.From("922337203685477.5808")
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The number is out of range of a Currency value. Details: 922337203685477.5808

eval
Decimal.From("0.12345678901234567890")
----
0.12345678901234567890

eval
Number.Round(2.5)
----
2

eval
Number.Round(3.5)
----
4

eval
Number.Round(-2.5)
----
-2

eval
Number.Round(2.5, 0, RoundingMode.AwayFromZero)
----
3

eval
Number.Round(2.345, 2)
----
2.34

eval
Number.Round(1234.5, -2)
----
1200

eval
Number.RoundDown(-1.2)
----
-2

eval
Number.RoundUp(-1.2)
----
-1

eval
Number.ToText(1234567.891, "N")
----
"1,234,567.89"

eval
Number.ToText(1234567.891, "#,0.0")
----
"1,234,567.9"

eval
Number.ToText(5, "D4")
----
"0005"

eval
Number.ToText(0.256, "P")
----
"25.60%"

eval
Number.ToText(1234.5, "C")
----
"$1,234.50"

eval
Number.ToText(-1234.5, "C")
----
"($1,234.50)"

eval
Number.ToText(1234.5, "0.00")
----
"1234.50"

eval
Number.ToText(7, "000")
----
"007"

eval
Number.ToText(-7, "0;(0);zero")
----
"(7)"

eval
Number.ToText(0, "0;(0);zero")
----
"zero"

eval
Number.ToText(255, "x")
----
"ff"

eval
Number.ToText(12345.678, "E2")
----
"1.23E+004"

eval
Number.ToText(1234, "0,.0")
----
"1.2"

eval
Number.ToText(0.5, "#.##")
----
".5"

eval
Number.ToText(12, """n=""0")
----
"n=12"

eval
Number.ToText(123456, "G3")
----
"1.23E+05"

eval
Number.ToText(1e20)
----
"1E+20"

eval
Number.ToText(1.0E-7)
----
"1E-07"

eval
Number.ToText(0.1 + 0.2)
----
"0.30000000000000004"

eval culture=de-DE
Number.ToText(1234567.891, "N1")
----
"1.234.567,9"

eval culture=de-DE
Number.ToText(1.5)
----
"1,5"

eval culture=pt-BR
Number.ToText(1234.5, "C")
----
"R$ 1.234,50"

eval
Number.Mod(-5, 3)
----
-2

eval
Number.Mod(5.5, 2)
----
1.5

eval
Number.IntegerDivide(-7, 2)
----
-3

eval
Number.Power(2, 0.5)
----
1.4142135623730951

eval
Number.Sqrt(-1)
----
#nan

eval
Number.Abs(-5)
----
5

eval
Number.Factorial(5)
----
120

eval
Number.BitwiseAnd(6, 3)
----
2

eval
Number.IsOdd(3)
----
true

eval
List.Sum({1, null, 2})
----
3

eval
Number.Round(null)
----
null

eval
Number.From(true)
----
1

eval
Number.From(#date(1900,1,1))
----
2

eval
Number.From(#duration(1,12,0,0))
----
1.5

eval
Number.From("1.234", "de-DE")
----
1234

eval
Number.From({})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot convert a value of type List to type Number

eval
Number.Log(8, 2)
----
3
