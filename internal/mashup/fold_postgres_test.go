package mashup

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet.dev/internal/source"
	"freshet.dev/internal/source/postgres"
	"freshet.dev/internal/source/sourcetest"
)

// postgresBench is a bench with the test server, and a table there.
func postgresBench(t *testing.T, statements ...string) (b *foldBench, database string) {
	t.Helper()
	address := os.Getenv("FRESHET_TEST_POSTGRES")
	if address == "" {
		sourcetest.Skip(t, "FRESHET_TEST_POSTGRES names no PostgreSQL server")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	config := conn.Config()
	schema := "fold_" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "_"))
	exec := func(sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
	}
	exec("DROP SCHEMA IF EXISTS " + schema + " CASCADE")
	exec("CREATE SCHEMA " + schema)
	exec("SET search_path = " + schema)
	for _, statement := range statements {
		exec(statement)
	}
	t.Cleanup(func() {
		exec("DROP SCHEMA " + schema + " CASCADE")
		conn.Close(ctx)
	})
	server := config.Host + ":" + itoa(int(config.Port))
	b = newFoldBench(t, []source.Kind{postgres.Kind()}, []source.Setting{{Kind: "PostgreSQL", Path: server + ";" + config.Database,
		Username: config.User, Password: config.Password, Options: map[string]string{"sslmode": "disable"}}})
	return b, `PostgreSQL.Database("` + server + `", "` + config.Database + `"){[Schema = "` + schema + `", Item = "facts"]}[Data]`
}

const factsTable = `CREATE TABLE facts (id int PRIMARY KEY, big bigint, name text, code varchar(10), fixed char(4), price numeric(10,2), wide numeric(30,10),
	ratio double precision, small real, flag boolean, day date, at timestamp, zoned timestamptz, "Mixed ""Case""" text)`

const factsRows = `INSERT INTO facts SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE i * 1000000007::bigint END,
	(ARRAY['a','A','ä','Ä','', NULL,'Z','z','é','ß', U&'\+01F600', U&'\FF21', U&'\E000', ' a', 'a ', 'x''y'])[1 + i % 16],
	(ARRAY['k1','K1', NULL, ''])[1 + i % 4], (ARRAY['ab','ab  ','c', NULL])[1 + i % 4],
	CASE WHEN i % 5 = 0 THEN NULL ELSE (i % 13) * 1.25 END, i * 1.0000000001,
	CASE i % 6 WHEN 0 THEN 'NaN'::float8 WHEN 1 THEN NULL WHEN 2 THEN '-0'::float8 ELSE i / 8.0 END, i / 4.0,
	CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END, CASE WHEN i % 9 = 0 THEN NULL ELSE DATE '2024-01-01' + i END,
	TIMESTAMP '2024-01-01 00:00:00' + i * INTERVAL '7 hours', TIMESTAMPTZ '2024-01-01 00:00:00+02' + i * INTERVAL '5 hours', 'row ' || i
	FROM generate_series(1, 96) AS i`

// TestFoldingIntoPostgreSQL holds what the database answers against the evaluation of all its rows.
func TestFoldingIntoPostgreSQL(t *testing.T) {
	b, source := postgresBench(t, factsTable, factsRows)
	cases := []foldCase{
		{name: "columns", m: `Table.RenameColumns(Table.SelectColumns(Source, {"name", "Mixed ""Case""", "id"}), {{"name", "n"}})`},
		{name: "range", m: `Table.SelectRows(Source, each [at] >= #datetime(2024, 1, 5, 0, 0, 0) and [at] < #datetime(2024, 1, 20, 12, 30, 0))`},
		{name: "days", m: `Table.SelectRows(Source, each [day] > #date(2024, 2, 1))`},
		{name: "flag", m: `Table.SelectRows(Source, each [flag] = true)`},
		{name: "not flag", m: `Table.SelectRows(Source, each not [flag])`},
		{name: "null", m: `Table.SelectRows(Source, each [name] = null or [big] <> null and [price] = null)`},
		{name: "price", m: `Table.SelectRows(Source, each [price] = 2.5 or [price] > 10)`},
		{name: "list", m: `Table.SelectRows(Source, each List.Contains({"a", "Ä", null}, [name]))`},
		{name: "starts", m: `Table.SelectRows(Source, each Text.StartsWith([name], "a") or Text.EndsWith([name], "a") or Text.Contains([name], "'"))`},
		{name: "year", m: `Table.SelectRows(Source, each Date.Month([at]) = 1)`},
		{name: "distinct", m: `Table.Distinct(Table.SelectColumns(Source, {"name", "code"}))`},
		{name: "group", m: `Table.Group(Source, {"name"}, {{"n", each Table.RowCount(_), Int64.Type}, {"s", each List.Sum([big]), Int64.Type}, {"d", each List.Max([day]), type date}, {"c", each List.Count([price]), Int64.Type}})`},
		{name: "join", m: `Table.ExpandTableColumn(Table.NestedJoin(Table.SelectColumns(Source, {"id", "code"}), {"code"}, Table.SelectColumns(Source, {"code", "flag"}), {"code"}, "o", JoinKind.LeftOuter), "o", {"flag"}, {"o.flag"})`},
		{name: "combine", m: `Table.Combine({Table.SelectColumns(Source, {"id", "name"}), Table.SelectColumns(Source, {"name", "code"})})`},
		{name: "sort, first", m: `Table.FirstN(Table.Sort(Source, {{"name", Order.Descending}, {"id", Order.Ascending}}), 20)`},
		{name: "sort by doubles", m: `Table.FirstN(Table.Sort(Source, {{"ratio", Order.Descending}, {"id", Order.Ascending}}), 40)`},
		{name: "dates", m: `Table.SelectColumns(Table.TransformColumnTypes(Source, {{"at", type date}, {"day", type datetime}}), {"id", "at", "day"})`},
		{name: "condition", m: `Table.AddColumn(Table.SelectColumns(Source, {"id", "name"}), "x", each if [name] = "a" then "one" else "other", type text)`},
		{name: "replace", m: `Table.ReplaceValue(Table.SelectColumns(Source, {"id", "name"}), null, "none", Replacer.ReplaceValue, {"name"})`},
		{name: "all", m: `Source`},
	}
	for _, op := range []string{"=", "<>", "<", "<=", ">", ">="} {
		for _, with := range []string{`[name] OP "a"`, `[name] OP ""`, `[name] OP "` + "\uFF21" + `"`, `[name] OP [code]`, `[ratio] OP 1.5`, `[ratio] OP 0`, `[ratio] OP [ratio]`,
			`[big] OP 5000000035`, `[price] OP 2.5`, `[day] OP #date(2024, 1, 9)`, `not ([ratio] OP 2)`} {
			cases = append(cases, foldCase{name: with + " " + op, m: `Table.SelectRows(Source, each ` + strings.ReplaceAll(with, "OP", op) + `)`})
		}
	}
	for _, c := range cases {
		c.unordered = !strings.HasPrefix(c.name, "sort")
		r := b.relation("let Source = " + source + ", Result = " + c.m + " in Result")
		if err := b.folds(r); err != nil {
			t.Errorf("%s does not fold: %v", c.name, err)
		}
		if difference := b.agree(c, source, nil); difference != "" {
			t.Errorf("%s: %s\n%s", c.name, difference, c.m)
		}
	}
	for _, refused := range []string{
		`Table.SelectRows(Source, each [fixed] = "ab")`,           // char(n) ignores blanks at its end
		`Table.Distinct(Source, {"name"})`,                        // which row is the first
		`Table.AddIndexColumn(Source, "i", 0, 1, Int64.Type)`,     // rows have no number
		`Table.SelectRows(Source, each Text.Lower([name]) = "ä")`, // case mapping differs
		`Table.TransformColumnTypes(Source, {{"name", Int64.Type}})`,
	} {
		r := b.relation("let Source = " + source + ", Result = " + refused + " in Result")
		if err := b.folds(r); err == nil {
			t.Errorf("folds, and should not: %s", refused)
		}
	}
}

// TestExplainPostgreSQL: F10.
func TestExplainPostgreSQL(t *testing.T) {
	b, source := postgresBench(t, factsTable, factsRows)
	r := b.relation("let Source = " + source + `, Some = Table.SelectRows(Source, each [id] > 90 and [name] <> null), Few = Table.SelectColumns(Some, {"id", "name"}),
		Low = Table.TransformColumns(Few, {{"name", Text.Lower, type text}}), End = Table.Sort(Low, "id") in End`)
	e, err := r.Explain(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Breaks != "Table.TransformColumns" || e.Why != "the function of column 'name' has no form in SQL" {
		t.Errorf("breaks at %q: %q", e.Breaks, e.Why)
	}
	if len(e.Statements) != 1 || !strings.HasPrefix(e.Statements[0].To, "PostgreSQL ") ||
		!strings.HasSuffix(e.Statements[0].Text, `."facts" WHERE (("id" > 90) AND ("name" IS NOT NULL))`) {
		t.Errorf("statements: %q", e.Statements)
	}
	var where []string
	for _, step := range e.Steps {
		where = append(where, step.Name+" "+step.Where)
	}
	if got, want := strings.Join(where, ", "), "Navigation PostgreSQL, Table.SelectRows PostgreSQL, Table.SelectColumns PostgreSQL, Table.TransformColumns rows, Table.Sort rows"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNativeQueryParameters: values reach the statement as literals.
func TestNativeQueryParameters(t *testing.T) {
	b, source := postgresBench(t, factsTable, factsRows)
	database, _, _ := strings.Cut(source, "{[")
	schema := "fold_testnativequeryparameters"
	r := b.relation(`Value.NativeQuery(` + database + `, "SELECT id, 'x$1' AS lit FROM ` + schema + `.facts WHERE id < $1 AND name = $2 -- all; ", {20, "x'y"})`)
	if got := b.rows(r, false); len(got) != 1 || got[0] != "15|x$1" {
		t.Errorf("got %q", got)
	}
}

// TestRowCountFolds: counting reads no rows of the database.
func TestRowCountFolds(t *testing.T) {
	b, source := postgresBench(t, factsTable, factsRows)
	r := b.relation(`let S = ` + source + ` in #table({"a", "b", "c"}, {{Table.RowCount(S), Table.RowCount(Table.SelectRows(S, each [name] = "a")), Table.RowCount(Table.FirstN(S, 5))}})`)
	for _, rowsOnly := range []bool{false, true} {
		if got := b.rows(r, rowsOnly); len(got) != 1 || got[0] != "96|6|5" {
			t.Errorf("got %q", got)
		}
	}
}

// TestExtremesFold: the least and the greatest cell of a column are asked of the database where that has their order, and are what they are by rows.
func TestExtremesFold(t *testing.T) {
	b, source := postgresBench(t, factsTable, factsRows)
	for _, c := range []struct {
		call, table, column string
		folds               bool
	}{
		{"List.Max(%s)", "S", "at", true}, {"List.Min(%s)", "S", "at", true}, {"List.Max(%s)", "S", "day", true}, {"List.Min(%s)", "S", "big", true},
		{"List.Max(%s)", "S", "price", false}, {"List.Max(%s)", "S", "wide", false}, // numeric may be NaN
		{"List.Max(%s)", "Table.SelectRows(S, each [at] >= #datetime(2024, 1, 5, 0, 0, 0) and [at] < #datetime(2024, 1, 6, 0, 0, 0))", "at", true},
		{"List.Max(%s)", "Table.SelectRows(S, each [id] > 1000)", "at", true},
		{"List.Max(%s, #datetime(1901, 1, 1, 0, 0, 0))", "Table.SelectRows(S, each [id] > 1000)", "at", true},
		{"List.Max(%s)", `Table.FirstN(Table.Sort(S, "id"), 7)`, "big", true},
		{"List.Max(%s, null, (a, b) => -Value.Compare(a, b))", "S", "at", true}, {"List.Min(%s, null, null, true)", "S", "day", true}, // the column would, the call does not
		{"List.Max(%s)", "S", "name", false}, {"List.Max(%s)", "S", "ratio", false}, {"List.Min(%s)", "S", "flag", false},
	} {
		text := fmt.Sprintf(c.call, "("+c.table+")["+c.column+"]")
		r := b.relation("let S = " + source + " in #table(type table [v = text], {{Text.From(" + text + ")}})")
		if folded, byRows := b.rows(r, false), b.rows(r, true); !slices.Equal(folded, byRows) || len(folded) != 1 {
			t.Errorf("%s folded is %q, by rows %q", text, folded, byRows)
		}
		column := b.relation("let S = " + source + " in Table.SelectColumns(" + c.table + `, {"` + c.column + `"})`)
		if _, folds, err := extremeCell(column.session.begin(context.Background()), column.plan, 1); folds != c.folds || err != nil {
			t.Errorf("%s folds: %v, %v", text, folds, err)
		}
	}
}
