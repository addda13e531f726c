package connector

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// rowsOf returns a Connector whose endpoints give fixed rows.
func rowsOf(t *testing.T, tables map[string][]record) *Connector {
	c := openWith(t, &fake{}, Options{Now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }})
	c.endpoints = nil
	for name, rows := range tables {
		c.endpoints = append(c.endpoints, &endpoint{
			name: name,
			columns: []field{
				{"k", integer, "$.k", ""}, {"v", Type{Kind: Bigint}, "$.v", ""}, {"g", word, "$.g", ""}, {"f", Type{Kind: Float}, "$.f", ""}, {"d", instant, "$.d", ""},
			},
			call: func(context.Context, *invocation) ([]record, error) { return rows, nil },
		})
	}
	return c
}

// generator makes statements that mean the same in this dialect and in SQLite's.
type generator struct{ *rand.Rand }

func (g generator) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g generator) number(table string, depth int) string {
	if depth == 0 {
		return g.pick(table+".k", table+".v", strconv.Itoa(g.IntN(7)-2))
	}
	switch g.IntN(7) {
	case 0:
		return "(" + g.number(table, depth-1) + g.pick(" + ", " - ", " * ", " / ", " % ") + g.number(table, depth-1) + ")"
	case 1:
		return "COALESCE(" + g.number(table, depth-1) + ", " + g.number(table, depth-1) + ")"
	case 2:
		return "CASE WHEN " + g.condition(table, depth-1) + " THEN " + g.number(table, depth-1) + " ELSE " + g.number(table, depth-1) + " END"
	case 3:
		return "(- " + g.number(table, depth-1) + ")"
	case 4:
		return "NULLIF(" + g.number(table, depth-1) + ", " + g.number(table, 0) + ")"
	case 5:
		return "CASE " + table + ".g WHEN " + g.text(table, 0) + " THEN 1 WHEN 'b' THEN 2 END"
	}
	return "ABS(" + g.number(table, depth-1) + ")"
}

func (g generator) text(table string, depth int) string {
	if depth == 0 {
		return g.pick(table+".g", "'a'", "'B'", "'it''s'", "''")
	}
	return g.pick("UPPER", "LOWER", "TRIM") + "(" + g.text(table, depth-1) + ")"
}

func (g generator) condition(table string, depth int) string {
	compare := g.pick(" = ", " <> ", " < ", " >= ")
	if depth == 0 {
		return g.number(table, 0) + compare + g.number(table, 0)
	}
	switch g.IntN(11) {
	case 0:
		return "(" + g.condition(table, depth-1) + g.pick(" AND ", " OR ") + g.condition(table, depth-1) + ")"
	case 1:
		return "NOT " + g.condition(table, depth-1)
	case 2:
		return g.text(table, depth-1) + compare + g.text(table, depth-1)
	case 3:
		return g.number(table, depth-1) + g.pick(" IS NULL", " IS NOT NULL")
	case 4:
		return g.number(table, depth-1) + g.pick(" IN (", " NOT IN (") + g.number(table, 0) + ", " + g.number(table, 0) + ", NULL)"
	case 5:
		return g.number(table, depth-1) + g.pick(" BETWEEN ", " NOT BETWEEN ") + g.number(table, 0) + " AND " + g.number(table, 0)
	case 6:
		return table + ".g" + g.pick(" LIKE ", " NOT LIKE ") + g.pick("'a%'", "'%b%'", "'_'", "'it''%'", "'%'", "''", "'_b'", "'%B'", "'!_' ESCAPE '!'", "'%!%' ESCAPE '!'")
	case 7:
		return table + ".d" + compare + g.pick("'2026-01-02 00:00:00'", "'2026-02-01 10:00:00'")
	case 8:
		return table + ".k" + g.pick(" IN ", " NOT IN ") + "(SELECT x.v FROM two x WHERE " + g.condition("x", depth-1) + ")"
	case 9:
		return g.pick("EXISTS ", "NOT EXISTS ") + "(SELECT 1 FROM two x WHERE x.k = " + table + ".v)"
	}
	return g.number(table, depth-1) + compare + g.number(table, depth-1)
}

// sets joins the rows of up to four selections; SQLite has no brackets around them, and T-SQL takes INTERSECT before the others, so that it stands alone.
func (g generator) sets() (text string, ordered bool) {
	text = "SELECT a.k AS x, a.g AS y FROM one a WHERE " + g.condition("a", 2)
	operators := []string{g.pick(" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT ")}
	if operators[0] != " INTERSECT " {
		for range g.IntN(3) {
			operators = append(operators, g.pick(" UNION ", " UNION ALL ", " EXCEPT "))
		}
	}
	for _, operator := range operators {
		text += operator + "SELECT b.v, " + g.pick("b.g", "NULL", "UPPER(b.g)") + " FROM two b WHERE " + g.condition("b", 1)
	}
	if g.IntN(2) == 0 {
		return text + " ORDER BY " + g.pick("1", "x") + g.pick("", " DESC") + ", " + g.pick("2", "y") + g.pick("", " DESC") + g.pick("", " LIMIT 4", " LIMIT 3 OFFSET 1"), true
	}
	return text, false
}

// nested asks over table expressions and subqueries of aggregates, some of which look at the row outside.
func (g generator) nested() (text string, ordered bool) {
	aggregate := g.pick("COUNT(*)", "COUNT(x.v)", "SUM(x.v)", "MIN(x.g)", "MAX(x.k)", "COUNT(DISTINCT x.g)", "SUM(CASE WHEN x.v > 0 THEN x.v END)")
	inner := "SELECT " + aggregate + " FROM two x WHERE x.k " + g.pick("= a.k", "< a.v", "= a.k AND x.g = a.g") + g.pick("", " AND "+g.condition("x", 1))
	switch g.IntN(4) {
	case 0:
		return "SELECT a.k, a.v, (" + inner + ") FROM one a WHERE " + g.condition("a", 1), false
	case 1:
		return "WITH w AS (SELECT x.k AS k, COUNT(*) AS n, SUM(x.v) AS s FROM two x GROUP BY x.k), z AS (SELECT w.k AS k, w.n + 1 AS m FROM w WHERE w.n > 1) " +
			"SELECT a.k, w.n, w.s, z.m FROM one a" + g.pick(" LEFT", " INNER") + " JOIN w ON w.k = a.k LEFT JOIN z ON z.k = w.k WHERE " + g.condition("a", 1) +
			" ORDER BY 1" + g.pick("", " DESC") + ", 2, 3, 4", true
	case 2:
		return "SELECT q.g, MAX(q.n), COUNT(q.s) FROM (SELECT x.g AS g, x.k AS k, COUNT(*) AS n, SUM(x.v) AS s FROM two x GROUP BY x.g, x.k HAVING " +
			g.pick("COUNT(*) > 1", "SUM(x.v) IS NOT NULL", "MIN(x.v) < 2") + ") q GROUP BY q.g ORDER BY q.g" + g.pick("", " DESC"), true
	}
	return "SELECT a.k, a.g FROM one a WHERE " + g.pick("", "NOT ") + "EXISTS (SELECT 1 FROM two x WHERE x.k = a.k AND " + g.condition("x", 1) + ") AND a.v" +
		g.pick(" >= ", " < ", " = ") + "(SELECT " + g.pick("MIN", "MAX") + "(y.v) FROM two y" + g.pick("", " WHERE y.g = a.g") + ")", false
}

// outer joins three tables, whose keys hold NULL, by outer joins and conditions of each kind. (DuckDB takes no subquery into the ON of one.)
func (g generator) outer() (text string, ordered bool) {
	on := func(left, right string) string {
		return g.pick(left+".k = "+right+".k", left+".v = "+right+".k", left+".g = "+right+".g", left+".k = "+right+".k AND "+g.condition(right, 0), left+".k <= "+right+".v OR "+right+".g IS NULL")
	}
	from := "one a" + g.pick(" LEFT", " RIGHT", " FULL") + " JOIN two b ON " + on("a", "b")
	tables := []string{"a", "b"}
	if g.IntN(2) == 0 {
		from += g.pick(" LEFT", " INNER", " FULL") + " JOIN one c ON " + on(g.pick("a", "b"), "c")
		tables = append(tables, "c")
	}
	where := g.pick("", " WHERE "+g.condition(g.pick(tables...), 1), " WHERE "+g.pick(tables...)+".k IS "+g.pick("", "NOT ")+"NULL")
	if g.IntN(3) == 0 {
		t, key := g.pick(tables...), g.pick(tables...)+".g"
		return "SELECT " + key + ", COUNT(*), COUNT(" + t + ".k), SUM(" + t + ".v), COUNT(DISTINCT " + t + ".g) FROM " + from + where + " GROUP BY " + key +
			g.pick("", " HAVING COUNT("+t+".k) > 1", " HAVING "+key+" IS NOT NULL") + " ORDER BY 1" + g.pick("", " DESC"), true
	}
	items := ""
	for i, t := range tables {
		items += []string{"", ", "}[min(i, 1)] + t + ".k, " + t + ".g"
	}
	return "SELECT " + items + ", CASE WHEN " + g.condition(g.pick(tables...), 1) + " THEN 'yes' WHEN " + g.condition(g.pick(tables...), 0) + " THEN 'no' END FROM " + from + where, false
}

// statement returns a statement, and whether its rows are in an order that it asks for.
func (g generator) statement() (text string, ordered bool) {
	switch g.IntN(8) {
	case 0:
		return g.sets()
	case 1:
		return g.nested()
	case 2:
		return g.outer()
	}
	from, tables := "one a", []string{"a"}
	switch g.IntN(4) {
	case 0:
		from += g.pick(" INNER", " LEFT", " RIGHT", " FULL") + " JOIN two b ON a.k = b.k AND " + g.condition("b", 0)
		tables = append(tables, "b")
	case 1:
		from += ", two b"
		tables = append(tables, "b")
	case 2:
		from = "(SELECT x.k AS k, x.v + 1 AS v, x.g AS g, x.d AS d, x.f AS f FROM one x WHERE " + g.condition("x", 1) + ") a"
	}
	t := g.pick(tables...)
	where := ""
	if g.IntN(4) > 0 {
		where = " WHERE " + g.condition(g.pick(tables...), 2)
	}
	if g.IntN(3) == 0 {
		having := ""
		if g.IntN(2) == 0 {
			having = " HAVING COUNT(*) " + g.pick("> 1", "< 3", "= 2")
		}
		key := g.pick(t+".g", t+".k + 1", "UPPER("+t+".g)")
		return "SELECT " + key + ", COUNT(*), COUNT(" + t + ".k), COUNT(DISTINCT " + t + ".v), SUM(" + g.number(t, 1) + "), MIN(" + t + ".g), MAX(" + g.number(t, 1) + "), AVG(" + t + ".f) FROM " +
			from + where + " GROUP BY " + key + having + " ORDER BY " + g.pick("1", key) + g.pick("", " DESC"), true
	}
	distinct := g.pick("", "", "DISTINCT ")
	order := ""
	if g.IntN(2) == 0 {
		order = " ORDER BY 1" + g.pick("", " DESC") + ", 2" + g.pick("", " DESC") + ", 3" + g.pick("", " LIMIT 5", " LIMIT 3 OFFSET 2")
	}
	return "SELECT " + distinct + g.number(t, 2) + ", " + g.text(t, 1) + ", " + t + ".d FROM " + from + where + order, order != ""
}

// Statements mean what they mean to another implementation, over the same rows.
func TestC2StatementsAsInSQLite(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(20260301, 7))}
	tables := map[string][]record{}
	db, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := db.Exec(text, args...); err != nil {
			t.Fatal(text, err)
		}
	}
	exec("PRAGMA case_sensitive_like = ON")
	for _, name := range []string{"one", "two"} {
		exec("CREATE TABLE " + name + " (k INTEGER, v INTEGER, g TEXT, f REAL, d TEXT)")
		for range 14 {
			r := record{}
			var k, v, text, f, d any
			if g.IntN(5) > 0 {
				k = g.IntN(5)
				r["k"] = k
			}
			if g.IntN(5) > 0 {
				v = g.IntN(9) - 3
				r["v"] = v
			}
			if g.IntN(5) > 0 {
				text = g.pick("a", "A", "b", "ab", "it's", "", " b ")
				r["g"] = text
			}
			if g.IntN(5) > 0 {
				f = float64(g.IntN(40)) / 4
				r["f"] = f
			}
			if g.IntN(5) > 0 {
				at := time.Date(2026, 1, 1+g.IntN(60), g.IntN(24), 0, 0, 0, time.UTC)
				d = at.Format(time.DateTime)
				r["d"] = at.Format(time.RFC3339)
			}
			tables[name] = append(tables[name], r)
			exec("INSERT INTO "+name+" VALUES (?, ?, ?, ?, ?)", k, v, text, f, d)
		}
	}
	c := rowsOf(t, tables)
	const statements = 800
	empty := 0
	for range statements {
		text, ordered := g.statement()
		want, err := sqliteRows(db, text)
		if err != nil {
			t.Fatalf("SQLite refuses %s\n%v", text, err)
		}
		statements, err := c.Prepare(t.Context(), text)
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		result, err := statements[0].Run(t.Context(), nil, nil)
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		var got []string
		for _, row := range result.Rows {
			got = append(got, lineOf(row))
		}
		if !ordered {
			slices.Sort(got)
			slices.Sort(want)
		}
		if len(want) == 0 {
			empty++
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s\ngot\n%s\nwant\n%s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if empty > statements/3 {
		t.Errorf("%d of %d statements give no row, which compares little", empty, statements)
	}
}

func lineOf[T any](row []T) string {
	texts := make([]string, len(row))
	for i, value := range row {
		switch value := any(value).(type) {
		case nil:
			texts[i] = "NULL"
		case float64:
			texts[i] = strconv.FormatFloat(value, 'g', 12, 64)
		case time.Time:
			texts[i] = value.Format(time.DateTime)
		case []byte:
			texts[i] = "'" + string(value) + "'"
		case string:
			if _, err := time.Parse(time.DateTime, value); err == nil {
				texts[i] = value
			} else {
				texts[i] = "'" + value + "'"
			}
		default:
			texts[i] = fmt.Sprint(value)
		}
	}
	return strings.Join(texts, " | ")
}

func sqliteRows(db *sql.DB, text string) ([]string, error) {
	rows, err := db.Query(text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var lines []string
	for rows.Next() {
		values, pointers := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			return nil, err
		}
		lines = append(lines, lineOf(values))
	}
	return lines, rows.Err()
}
