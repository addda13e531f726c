eval
Text.Length("a😀é")
----
4

eval
Text.Middle("a😀b", 3, 1)
----
"b"

eval
Text.Upper("straße é")
----
"STRAßE É"

eval
Text.Proper("the QUICK o'neil brown-fox")
----
"The Quick O'neil Brown-Fox"

eval
Text.Start("abc", 5)
----
"abc"

eval
Text.End("abc", 2)
----
"bc"

eval
Text.Range("abc", 1, 5)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The range is beyond the end of the text. Details: "abc"

eval
Text.At("abc", 3)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The index is beyond the end of the text. Details: "abc"

eval
Text.PadStart("7", 3, "0")
----
"007"

eval
Text.Remove("a1b2", {"0".."9"})
----
"ab"

eval
Text.Select("a1b2", {"0".."9"})
----
"12"

eval
Text.Split("a,b,,c", ",")
----
{"a", "b", "", "c"}

eval
Text.Combine({"a", null, "b"}, "-")
----
"a-b"

eval
Text.Replace("aaa", "a", "b")
----
"bbb"

eval
Text.PositionOf("banana", "a", Occurrence.All)
----
{1, 3, 5}

eval
Text.PositionOf("banana", "x")
----
-1

eval
Text.Contains(null, "a")
----
null

eval
Text.Contains("ABC", "b", Comparer.OrdinalIgnoreCase)
----
true

eval
Text.EndsWith("ABC", "bc", Comparer.OrdinalIgnoreCase)
----
true

eval
Text.BeforeDelimiter("a-b-c", "-", {0, RelativePosition.FromEnd})
----
"a-b"

eval
Text.AfterDelimiter("a-b-c", "x")
----
""

eval
Text.BetweenDelimiters("a(b)c(d)", "(", ")")
----
"b"

eval
Text.Trim("  a b  ")
----
"a b"

eval
Text.Clean("a#(cr,lf)b")
----
"ab"

eval
Text.Reverse("abc")
----
"cba"

eval
Text.Insert("abc", 1, "X")
----
"aXbc"

eval
Text.ReplaceRange("abcd", 1, 2, "X")
----
"aXd"

eval
Text.Repeat("ab", 3)
----
"ababab"

eval
Text.From(1.5, "de-DE")
----
"1,5"

eval
Text.From(true)
----
"true"

eval
Text.From(#time(14,30,0))
----
"2:30 PM"

eval
Text.From(#duration(1,2,3,4.5))
----
"1.02:03:04.5000000"

eval
Text.From({1})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot convert a value of type List to type Text

eval
Text.Start(1, 1)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot convert the value 1 to type Text

eval
Text.Format("#{0} and #[x]", {1})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] We cannot apply field access to the type List

eval
Text.ToList("abc")
----
{"a", "b", "c"}

eval
Text.SplitAny("a,b;c", ",;")
----
{"a", "b", "c"}

eval
Splitter.SplitTextByDelimiter(",")("a,""b,c"",d")
----
{"a", "b,c", "d"}

eval
Splitter.SplitTextByDelimiter(",", QuoteStyle.None)("a,""b,c"",d")
----
{"a", """b", "c""", "d"}

eval
Splitter.SplitTextByEachDelimiter({"-", "/"})("a-b-c/d")
----
{"a", "b-c", "d"}

eval
Splitter.SplitTextByEachDelimiter({"-"}, QuoteStyle.Csv, true)("a-b-c")
----
{"a-b", "c"}

eval
Splitter.SplitTextByPositions({0, 2})("abcdef")
----
{"ab", "cdef"}

eval
Splitter.SplitTextByLengths({1, 2})("abcdef")
----
{"a", "bc"}

eval
Splitter.SplitTextByDelimiter(",")(null)
----
{}

eval
Combiner.CombineTextByDelimiter("-")({"a", null, "b"})
----
"a--b"

eval
Combiner.CombineTextByDelimiter(",", QuoteStyle.Csv)({"a,b", "c""d", "e"})
----
"""a,b"",""c""""d"",e"

eval
Value.Compare("a", "b")
----
-1

eval
Comparer.OrdinalIgnoreCase("É", "é")
----
0

eval
Comparer.FromCulture("de-DE")("ä", "z")
----
-1

eval
Comparer.Ordinal("ä", "z")
----
1

eval
Replacer.ReplaceValue(1, 1, 2)
----
2

eval
Replacer.ReplaceText("a b", " ", "_")
----
"a_b"

eval
Character.ToNumber("A")
----
65

eval
Guid.From("{05FE1DAD-C8C2-4F3B-A4C2-D194116B4967}")
----
"05fe1dad-c8c2-4f3b-a4c2-d194116b4967"

eval
Guid.From("x")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] The Guid is not in a known form. Details: "x"

eval
Json.Document("{""a"": [1, 2.5, null, true, ""x""], ""b"": {""c"": 1}}")
----
[a = {1, 2.5, null, true, "x"}, b = [c = 1]]

eval
Json.Document("{""a"": 1")
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] We reached the end of the JSON input before its value was complete

eval
Text.FromBinary(Json.FromValue([a = 1, b = {null, "x""y", #date(2020,1,2)}]))
----
"{""a"":1,""b"":[null,""x\""y"",""2020-01-02""]}"

eval
Text.FromBinary(Binary.FromText("6Q==", BinaryEncoding.Base64), 1252)
----
"é"

eval
Text.FromBinary(#binary({0xEF,0xBB,0xBF,0x61}))
----
"a"

eval
Lines.FromText("a#(cr,lf)b#(lf)c")
----
{"a", "b", "c"}

eval
Binary.ToText(Text.ToBinary("é", 28591), BinaryEncoding.Hex)
----
"e9"

eval
Text.FromBinary(Binary.Decompress(Binary.Compress(Text.ToBinary("hello"), Compression.GZip), Compression.GZip))
----
"hello"

eval
Binary.Decompress(#binary({1,2,3}), Compression.Deflate)
----
cannot evaluate the expression, line 1, column 1: [DataFormat.Error] The compressed binary is broken

eval
Expression.Constant("a#(lf)b")
----
"""a#(#)(lf)b"""

eval
Expression.Constant(#datetime(2020,1,2,3,4,5.5))
----
"#datetime(2020, 1, 2, 3, 4, 5.5)"

eval
Expression.Evaluate("1 +")
----
cannot read 'Expression.Evaluate', line 1, column 4: found the end of the text where an expression is expected

eval
Expression.Evaluate("Text.From(1)")
----
cannot evaluate 'Expression.Evaluate', line 1, column 1: [Expression.Error] The name 'Text.From' wasn't recognized. Make sure it's spelled correctly

eval
Expression.Evaluate("Text.From(x)", #shared & [x = 5])
----
"5"

eval
Expression.Identifier("if")
----
"#""if"""
