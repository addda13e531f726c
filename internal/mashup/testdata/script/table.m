# What a table operation gives, as the reference's page of the function (query-languages/m/*.md) has it.

# table-join.md, example 1: a key of the same name on both sides is one column.
eval
Table.Join(#table({"id", "x"}, {{1, "p"}, {2, "q"}}), "id", #table({"y", "id"}, {{"P", 1}, {"R", 3}}), "id")
----
#table(id, x, y; {1, "p", "P"})

eval
Table.Join(#table({"id", "x"}, {{1, "p"}, {2, "q"}}), "id", #table({"y", "id"}, {{"P", 1}, {"R", 3}}), "id", JoinKind.LeftOuter)
----
#table(id, x, y; {1, "p", "P"}; {2, "q", null})

# Where a right row may stand alone, its key would be lost.
eval
Table.Join(#table({"id", "x"}, {{1, "p"}}), "id", #table({"y", "id"}, {{"P", 1}}), "id", JoinKind.FullOuter)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The field 'id' already exists in the record. Details: "id"

# table-transformcolumns.md, example 2
eval
Table.TransformColumns(#table({"A", "B"}, {{"1", 2}}), {"X", Number.FromText}, null, MissingField.UseNull)
----
#table(A, B, X; {"1", 2, null})

eval
Table.TransformColumns(#table({"A"}, {{"1"}}), {{"X", Number.FromText}, {"A", Number.FromText}}, null, MissingField.Ignore)
----
#table(A; {1})

# table-transformcolumntypes.md, example 4
eval
Table.TransformColumnTypes(#table({"Date"}, {{#date(2024, 3, 24)}}), {{"Date", type text}, {"NewColumn", type number}}, [Culture = "fr-FR", MissingField = MissingField.UseNull])
----
#table(Date, NewColumn; {"24/03/2024", null})

# csv-document.md: columns are a number, a list of names, a table type or a record of options.
eval
Csv.Document("a,b", "x")
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The columns of Csv.Document must be a number, a list of names, a table type or a record of options, not of type Text. Details: "x"

eval
Csv.Document("a,b", [Encoding = "utf-8"])
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The option Encoding of Csv.Document must be a whole number, not "utf-8". Details: "utf-8"

eval
Csv.Document("a,b", [QuoteStyle = "Csv"])
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The option QuoteStyle of Csv.Document must be a whole number, not "Csv". Details: "Csv"

# More columns than a table can have is a mistake, and not an attempt to make them.
eval
Table.SplitColumn(#table({"a"}, {{"1-2"}}), "a", Splitter.SplitTextByDelimiter("-"), 1000000000)
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The number of columns must be a whole number from 0 to 16384. Details: 1000000000

eval
#table(-1, {})
----
cannot evaluate the expression, line 1, column 1: [Expression.Error] The number of columns must be a whole number from 0 to 16384. Details: -1
