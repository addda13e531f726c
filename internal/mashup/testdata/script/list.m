eval
List.Count(List.Transform({1, 2}, each error "not evaluated"))
----
2

eval
List.First(List.Generate(() => 1, each true, each _ + 1))
----
1

eval
List.FirstN(List.Generate(() => 1, each true, each _ * 2), 5)
----
{1, 2, 4, 8, 16}

eval
List.Transform({1, 2}, each _ / "a"){0}
----
cannot evaluate the expression, line 1, column 31: [Expression.Error] We cannot apply operator / to types Number and Text

eval
List.Sort({3, null, 1, 2})
----
{null, 1, 2, 3}

eval
List.Sort({"b", "A", "a"})
----
{"A", "a", "b"}

eval
List.Sort({"b", "A", "a"}, Comparer.OrdinalIgnoreCase)
----
{"A", "a", "b"}

eval
List.Sort({{1, "b"}, {1, "a"}, {0, "c"}}, {{each _{0}, Order.Descending}, {each _{1}, Order.Ascending}})
----
{{1, "a"}, {1, "b"}, {0, "c"}}

eval
List.Sort({1, "a"})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot apply operator < to types Text and Number

eval
List.Max({1, 5, null})
----
5

eval
List.Min({})
----
null

eval
List.Sum({})
----
null

eval
List.Sum({Currency.From(0.1), Currency.From(0.2)})
----
0.3000

eval
List.Average({1, 2, null})
----
1.5

eval
List.Median({3, 1, 2, 4})
----
2.5

eval
List.Mode({1, 2, 2, 3, 3})
----
3

eval
List.Distinct({"a", "A", "a"}, Comparer.OrdinalIgnoreCase)
----
{"a"}

eval
List.Distinct({1, 1.0, Currency.From(1), "1"})
----
{1, "1"}

eval
List.Difference({1, 1, 2}, {1})
----
{1, 2}

eval
List.Union({{1, 1}, {1, 2}})
----
{1, 1, 2}

eval
List.Intersect({{1, 1, 2}, {1, 1, 3}})
----
{1, 1}

eval
List.RemoveItems({1, 2, 1}, {1})
----
{2}

eval
List.ReplaceMatchingItems({1, 2}, {{1, 9}})
----
{9, 2}

eval
List.Contains({"a"}, "A", Comparer.OrdinalIgnoreCase)
----
true

eval
List.PositionOf({1, 2, 1}, 1, Occurrence.All)
----
{0, 2}

eval
List.Zip({{1, 2}, {3}})
----
{{1, 3}, {2, null}}

eval
List.Accumulate({1, 2, 3}, 0, (s, x) => s + x)
----
6

eval
List.Numbers(1, 3, 0.5)
----
{1, 1.5, 2}

eval
List.Split({1..5}, 2)
----
{{1, 2}, {3, 4}, {5}}

eval
List.Range({1..5}, 1, 2)
----
{2, 3}

eval
List.Single({1, 2})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] There were too many elements in the enumeration to complete the operation

eval
List.AllTrue({true, 1})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot convert the value 1 to type Logical

eval
List.Select({1, 2}, each null)
----
error [Expression.Error] We cannot convert the value null to type Logical.

eval
List.Percentile({1, 2, 3, 4}, 0.5)
----
2.5

eval
List.StandardDeviation({1, 2, 3, 4})
----
1.2909944487358056

eval
List.Repeat({1, 2}, 2)
----
{1, 2, 1, 2}

eval
List.LastN({1, 2, 3}, each _ > 1)
----
{2, 3}

eval
List.InsertRange({1, 2}, 3, {9})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] There weren't enough elements in the enumeration to complete the operation

eval
List.Buffer({1, error "x"})
----
cannot evaluate the expression, line 1, column 17: [Expression.Error] x

eval
Record.AddField([a = 1], "b", 2)
----
[a = 1, b = 2]

eval
Record.AddField([a = 1], "a", 2)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The field 'a' already exists in the record. Details: "a"

eval
Record.Combine({[a = 1], [b = 2, a = 3]})
----
[a = 3, b = 2]

eval
Record.SelectFields([a = 1], {"a", "b"}, MissingField.UseNull)
----
[a = 1, b = null]

eval
Record.RemoveFields([a = 1], "b")
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The field 'b' of the record wasn't found

eval
Record.RemoveFields([a = 1], "b", MissingField.Ignore)
----
[a = 1]

eval
Record.RenameFields([a = 1, b = 2], {{"a", "b"}})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The field 'b' already exists in the record. Details: "b"

eval
Record.ReorderFields([a = 1, b = 2, c = 3], {"c", "a"})
----
[c = 3, b = 2, a = 1]

eval
Record.TransformFields([a = 1], {"a", each _ + 1})
----
[a = 2]

eval
Record.FieldOrDefault([a = 1], "b", 5)
----
5

eval
Record.Field([a = 1], "b")
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The field 'b' of the record wasn't found

eval
Record.FromList({1, 2}, {"a"})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The number of fields and the number of values are not the same

eval
Record.FieldValues([a = 1, b = 2])
----
{1, 2}

eval
Type.Is(type number, type nullable number)
----
true

eval
Type.Is(Int64.Type, type number)
----
true

eval
Type.Is(type number, Int64.Type)
----
false

eval
Value.Type(1)
----
type Number

eval
Value.Is(1, Int64.Type)
----
true

eval
Type.RecordFields(type [a = text, optional b = number])
----
[a = [Type = type Text, Optional = false], b = [Type = type Number, Optional = true]]

eval
Type.FunctionParameters(type function (x as number) as text)
----
[x = type Number]

eval
Type.TableRow(type table [a = text]) = type [a = text]
----
true

eval
Function.Invoke(Text.Start, {"abc", 2})
----
"ab"

eval
Value.Equals(1, 1.0)
----
true

eval
Value.NullableEquals(null, 1)
----
null

eval
Value.FromText("12.5")
----
12.5

eval
Value.FromText("abc")
----
"abc"

eval
Value.FromText("2020-01-02")
----
#date(2020, 1, 2)

eval
Logical.From("TRUE")
----
true

eval
Logical.From("x")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We couldn't convert to Logical. Details: "x"

eval
Value.ReplaceType(1, type text)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot convert the value 1 to type Text

eval
List.First({1 meta [a = 5]})
----
1

eval
Error.Record("A", "B", "C")
----
[Reason = "A", Message = "B", Detail = "C"]
