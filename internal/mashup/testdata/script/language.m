eval
1 + 2 * 3 - 4 / 8
----
6.5

eval
2 * 3 = 6 and not (1 > 2) or null
----
true

eval
-2 + 3
----
1

eval
1 = 1.0
----
true

eval
0x1F
----
31

eval
1e3 + .5
----
1000.5

eval
"a""b#(lf)c#(#)d#(00E9)"
----
"a""b#(lf)c#dé"

eval
null ?? null ?? 3
----
3

eval
1 ?? (error "not evaluated")
----
1

eval
null + 1
----
null

eval
null < 1
----
null

eval
null = null
----
true

eval
null <> 1
----
true

eval
null & "a"
----
null

eval
null and false
----
false

eval
null or true
----
true

eval
true and null
----
null

eval
false and (error "not evaluated")
----
false

eval
true or (error "not evaluated")
----
true

eval
if null then 1 else 2
----
cannot evaluate the expression, line 1, column 4: [Expression.Error] We cannot convert the value null to type Logical

eval
not null
----
null

eval
1 + "a"
----
cannot evaluate the expression, line 1, column 3: [Expression.Error] We cannot apply operator + to types Number and Text

eval
"1" & 2
----
cannot evaluate the expression, line 1, column 5: [Expression.Error] We cannot apply operator & to types Text and Number

eval
"a" < "B"
----
false

eval
"a" = "A"
----
false

eval
true > false
----
true

eval
1/0
----
#infinity

eval
-1/0
----
-#infinity

eval
0/0
----
#nan

eval
#nan = #nan
----
false

eval
{1, 2} = {1, 2.0}
----
true

eval
[a=1, b=2] = [b=2, a=1]
----
true

eval
{1,2} < {3}
----
cannot evaluate the expression, line 1, column 7: [Expression.Error] We cannot apply operator < to types List and List

eval
let a = 1, b = a + 1, c = error "lazy" in b
----
2

eval
let x = 1 in let x = x + 1 in x
----
2

eval
let f = (n) => if n <= 1 then 1 else n * @f(n - 1) in f(20)
----
2432902008176640000

eval
let f = (n) => if n <= 1 then 1 else n * f(n - 1) in f(3)
----
cannot evaluate the expression, line 1, column 42: [Expression.Error] The name 'f' wasn't recognized. Make sure it's spelled correctly. Write @f to mean the variable that is being defined

eval
[a = 1, b = a + 1][b]
----
2

eval
[a = 1][b]
----
cannot evaluate the expression, line 1, column 8: [Expression.Error] The field 'b' of the record wasn't found

eval
[a = 1][b]?
----
null

eval
null[b]?
----
null

eval
(null)[b]
----
cannot evaluate the expression, line 1, column 7: [Expression.Error] We cannot apply field access to the type Null

eval
[Sales Amount = 5][Sales Amount]
----
5

eval
[#"a=b" = 1][#"a=b"]
----
1

eval
[a=1,b=2,c=3][[a],[c]]
----
[a = 1, c = 3]

eval
[a=1][[a],[z]]
----
cannot evaluate the expression, line 1, column 6: [Expression.Error] The field 'z' of the record wasn't found

eval
[a=1][[a],[z]]?
----
[a = 1, z = null]

eval
{1,2,3}{1}
----
2

eval
{1,2,3}{3}
----
cannot evaluate the expression, line 1, column 8: [Expression.Error] There weren't enough elements in the enumeration to complete the operation

eval
{1,2,3}{3}?
----
null

eval
{1,2,3}{-1}
----
cannot evaluate the expression, line 1, column 8: [Expression.Error] The index cannot be negative

eval
{1..5}
----
{1, 2, 3, 4, 5}

eval
{1, 3..5, 9}
----
{1, 3, 4, 5, 9}

eval
{5..1}
----
{}

eval
{"a".."e"}
----
{"a", "b", "c", "d", "e"}

eval
{1.5..3}
----
error [Expression.Error] A range goes from a whole number to a whole number.

eval
(each _ * 2)(4)
----
8

eval
(each [a] + [b])([a=1,b=2])
----
3

eval
((x, optional y) => if y = null then x else x + y)(1)
----
1

eval
((x) => x)(1, 2)
----
cannot evaluate the expression, line 1, column 2: [Expression.Error] 2 arguments were passed to a function which expects 1

eval
((x as number) as text => Text.From(x))(5)
----
"5"

eval
((x as number) => x)("a")
----
cannot evaluate the expression, line 1, column 2: [Expression.Error] We cannot convert the value "a" to type Number

eval
((x) as text => x)(5)
----
cannot evaluate the expression, line 1, column 17: [Expression.Error] We cannot convert the value 5 to type Text

eval
((x as nullable number) => x)(null)
----
null

eval
((optional x as number) => x = null)()
----
true

eval
try 1 / "a"
----
[HasError = true, Error = [Reason = "Expression.Error", Message = "We cannot apply operator / to types Number and Text.", Detail = [Operator = "/", Left = 1, Right = "a"], Message.Format = null, Message.Parameters = null, ErrorCode = null]]

eval
try 5
----
[HasError = false, Value = 5]

eval
try error "x" otherwise 7
----
7

eval
try error [Reason="R", Message="M", Detail=5] catch (e) => e[Reason] & e[Message]
----
"RM"

eval
try error "x" catch () => 0
----
0

eval
error "boom"
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] boom

eval
error [Reason = "My.Reason", Message = "m"]
----
cannot evaluate the expression, line 1, column 1: [My.Reason] m

eval
try error Error.Record("a", "b", {1})
----
[HasError = true, Error = [Reason = "a", Message = "b", Detail = {1}, Message.Format = null, Message.Parameters = null, ErrorCode = null]]

# m-spec-error-handling.md, "Raising errors": every field may be left out, and a format makes the message.
eval
(try error [Message.Format = "Unexpected value '#{0}' in field #{1}", Message.Parameters = {"???", "Customer"}])[Error]
----
[Reason = null, Message = "Unexpected value '???' in field Customer", Detail = null, Message.Format = "Unexpected value '#{0}' in field #{1}", Message.Parameters = {"???", "Customer"}, ErrorCode = null]

eval
error [Message.Format = "Unexpected #{0}", Message.Parameters = {5}]
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] Unexpected 5

eval
(try error null)[Error][Message]
----
""

eval
...
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The expression is not implemented: its text is '...'

eval
1 is number
----
true

eval
null is number
----
false

eval
null is nullable number
----
true

eval
"a" is text and {} is list and [] is record
----
true

eval
1 as text
----
cannot evaluate the expression, line 1, column 3: [Expression.Error] We cannot convert the value 1 to type Text

eval
null as number
----
cannot evaluate the expression, line 1, column 6: [Expression.Error] We cannot convert the value null to type Number

eval
null as nullable number
----
null

eval
type text is type
----
true

eval
(type text) = Text.Type
----
true

eval
type number = type text
----
false

eval
type nullable number = type number
----
false

eval
type [a = text, optional b = number, ...]
----
type Record

eval
type {number} = type {number}
----
true

eval
"x" meta [a = 1]
----
"x"

eval
Value.Metadata("x" meta [a = 1] meta [b=2])
----
cannot read the expression, line 1, column 33: found 'meta' where ',' or ')' is expected

eval
Value.Metadata(("x" meta [a = 1]) meta [b=2])
----
[a = 1, b = 2]

eval
Foo
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The name 'Foo' wasn't recognized. Make sure it's spelled correctly

eval
Text.Fro(1)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The name 'Text.Fro' wasn't recognized. Make sure it's spelled correctly. The nearest known name is 'Text.From'

eval
let salesAmount = 1 in salesAmuont
----
cannot evaluate the expression, line 1, column 24: [Expression.Error] The name 'salesAmuont' wasn't recognized. Make sure it's spelled correctly. The nearest known name is 'salesAmount'

eval
@x
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The name 'x' wasn't recognized. Make sure it's spelled correctly

eval
1 +
----
cannot read the expression, line 1, column 4: found the end of the text where an expression is expected

eval
let a = 1 b = 2 in a
----
cannot read the expression, line 1, column 11: found 'b' where ',' or 'in' is expected

eval
[a = 1, a = 2]
----
cannot read the expression, line 1, column 9: found a second 'a' where a name that is not taken yet is expected

eval
{1, 2
----
cannot read the expression, line 1, column 6: found the end of the text where ',' or '}' is expected

eval
"abc
----
cannot read the expression, line 1, column 1: found a text without its end where " is expected

eval
if 1 = 1 then 2
----
cannot read the expression, line 1, column 16: found the end of the text where 'else' is expected

eval
(a, a) => 1
----
cannot read the expression, line 1, column 5: found a second 'a' where a name that is not taken yet is expected

eval
let in 1
----
cannot read the expression, line 1, column 5: found 'in' where a name is expected

eval
#foo
----
cannot read the expression, line 1, column 1: found '#foo' where a name such as #date, #table or #"quoted" is expected

eval
1 as Int64.Type
----
cannot read the expression, line 1, column 6: found 'Int64.Type' where a primitive type such as text, number or table is expected

eval
each
----
cannot read the expression, line 1, column 5: found the end of the text where an expression is expected

eval
#date(2020,1,1) meta
----
cannot read the expression, line 1, column 21: found the end of the text where an expression is expected

eval
a..b
----
cannot read the expression, line 1, column 2: found '..' where the end of the expression is expected

eval
/* a comment */ 1 // another
----
1

eval
#"Text.From"(5)
----
"5"

eval
Section1!A
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The name 'Section1!A' wasn't recognized

eval
#!"broken text"
----
cannot evaluate the expression, line 1, column 1: [Expression.SyntaxError] broken text

eval
{1,2} & {3}
----
{1, 2, 3}

eval
[a=1] & [a=2,b=3]
----
[a = 2, b = 3]

eval
#date(2020,1,2) & #time(3,4,5)
----
#datetime(2020, 1, 2, 3, 4, 5)

eval
#date(2020,1,31) + #duration(1,0,0,0)
----
#date(2020, 2, 1)

eval
#date(2020,3,1) - #date(2020,2,1)
----
#duration(29, 0, 0, 0)

eval
#duration(1,0,0,0) * 1.5
----
#duration(1, 12, 0, 0)

eval
#duration(1,0,0,0) / #duration(0,6,0,0)
----
4

eval
#datetime(2020,1,1,0,0,0) < #datetime(2020,1,1,0,0,1)
----
true

eval
#datetimezone(2020,1,1,12,0,0,1,0) = #datetimezone(2020,1,1,11,0,0,0,0)
----
true

eval
#date(2020,13,1)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The date operation failed because the resulting value falls outside the range of allowed values

eval
9007199254740993 + 1
----
9007199254740994

eval
9223372036854775807 + 1
----
9.223372036854776E+18

eval
Currency.From(0.1) + Currency.From(0.2)
----
0.3000

eval
0.1 + 0.2
----
0.30000000000000004

eval
Decimal.From("0.1") * 3
----
0.3

eval
7 / 2
----
3.5

eval
6 / 2
----
3
