//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"freshet.dev/internal/fault"
)

const planted = "PLANTED-SECRET"

// world is a store with two models' files, a planted file beside them, and the Select over one model.
type world struct {
	folder, planted, other, own string
	door                        *Select
}

func newWorld(t testing.TB) *world {
	t.Helper()
	_, conn := openTest(t, Options{})
	w := &world{folder: t.TempDir()}
	write := func(name, sql string) string {
		path := filepath.Join(w.folder, name)
		if _, err := conn.WriteParquet(t.Context(), sql, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := write("11111111", `SELECT 1 AS "Key", 'Bike' AS "Product Name", 1.5::DECIMAL(19,4) AS "Unit ""Price"""`)
	second := write("22222222", `SELECT 2 AS "Key", 'Helmet' AS "Product Name", 22.25::DECIMAL(19,4) AS "Unit ""Price"""`)
	w.own = write("33333333", "SELECT range AS n, range % 10 AS digit FROM range(100000)")
	half := write("55555555", "SELECT range AS n FROM range(100000)")
	w.other = write("44444444", "SELECT '"+planted+"' AS x")
	w.planted = filepath.Join(w.folder, "planted.csv")
	if err := os.WriteFile(w.planted, []byte("x\n"+planted+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	product := []Column{{"Key", Int64}, {"Product Name", Text}, {`Unit "Price"`, Decimal}}
	door, err := OpenSelect(t.Context(), Options{TempDir: filepath.Join(t.TempDir(), "spill"), MemoryLimit: 1 << 30, Threads: 2}, []Table{
		{Name: "Dim Product", Columns: product, Files: []string{first, second}},
		{Name: "Empty", Columns: []Column{{"a", Text}, {"b", Int64}, {"c", Double}, {"d", Decimal}, {"e", Timestamp}, {"f", Bool}, {"g", Binary}}},
		{Name: "it's \"odd\".csv", Columns: []Column{{"n", Int64}, {"digit", Int64}}, Files: []string{w.own}},
		{Name: "Measures"},
		{Name: "Calculated", Refused: fault.New(fault.Conflict, "CalculationNeeded", "cannot read the table 'Calculated'")},
		{Name: "Half", Columns: []Column{{"n", Int64}}, Files: []string{half},
			RefusedColumns: map[string]error{"Margin": fault.New(fault.Conflict, "CalculationNeeded", "cannot read the column 'Margin'")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := door.Close(); err != nil {
			t.Error(err)
		}
	})
	w.door = door
	return w
}

// Issue 2, item 6 and HOUSE §5: what a query may be.
func TestSelectAllowed(t *testing.T) {
	w := newWorld(t)
	for sql, want := range map[string][]string{
		`SELECT "Product Name" FROM "Dim Product" ORDER BY 1 DESC`:                           {"Helmet", "Bike"},
		`select "product name", "UNIT ""price""" from main."DIM PRODUCT" where key = 1;`:     {"Bike|1.5"},
		`FROM "Dim Product" SELECT sum("Unit ""Price""")`:                                    {"23.75"},
		`VALUES (1, 'a'), (2, NULL)`:                                                         {"1|a", "2|(null)"},
		`WITH a AS (FROM "Dim Product"), b AS (SELECT count(*) AS n FROM a) SELECT n FROM b`: {"2"},
		`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) FROM c`: {"1", "2", "3", "4", "5"},
		`SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 2`:                                     {"1", "2"},
		`TABLE "Empty"`: nil,
		`SELECT * FROM (PIVOT "Dim Product" ON "Key" IN (1, 2) USING count(*) GROUP BY "Unit ""Price""") ORDER BY 1`: {"1.5|1|0", "22.25|0|1"},
		`SELECT count(*), sum(n) FROM "it's ""odd"".csv"`:                                                            {"100000|4999950000"},
		`SELECT digit, sum(n) OVER (ORDER BY n) FROM "it's ""odd"".csv" LIMIT 2`:                                     {"0|0", "1|1"},
		`SELECT list_transform([1, 2], lambda x: x + 1), [1, 2][1], {'a': 1}.a, ('x').upper()`:                       {"[2,3]|1|1|X"},
		`SELECT range FROM range(2)`:                                                                            {"0", "1"},
		`SELECT unnest([1, 2])`:                                                                                 {"1", "2"},
		`SELECT j.value FROM json_each('[7]') j`:                                                                {"7"},
		`SELECT count(*) FROM "Half" h JOIN "Dim Product" p ON p."Key" = h.n`:                                   {"2"},
		`SELECT * FROM "Half" LIMIT 1`:                                                                          {"0"},
		`/* FROM x */ SELECT 'read_text(''x'')' -- COPY`:                                                        {"read_text('x')"},
		`SELECT CASE WHEN EXISTS (FROM "Empty") THEN 1 ELSE 2 END, coalesce(NULL, 3), TRY('x'::INT)`:            {"2|3|(null)"},
		`SELECT strftime(DATE '2020-02-29', '%d.%m.%Y'), 'Straße' COLLATE de, current_date > DATE '2020-01-01'`: {"29.02.2020|Straße|true"},
		`SELECT "Key" FROM "Dim Product" WHERE "Product Name" LIKE 'B%' AND "Key" IN (SELECT n FROM "Half")`:    {"1"},
		`SELECT "Product Name" FROM "Dim Product"`:                                                              {"Bike", "Helmet"}, // in the files' order
		`WITH "Dim Product" AS (SELECT 5 AS x) FROM "Dim Product"`:                                              {"5"},
	} {
		got, err := lines(t.Context(), w.door.Query, sql)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s\n gives %q, %v\n want  %q", sql, got, err, want)
		}
	}
}

func TestSelectTypes(t *testing.T) {
	w := newWorld(t)
	reader, err := w.door.Query(t.Context(), `FROM "Empty"`)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	var got []string
	for _, field := range reader.Schema().Fields() {
		got = append(got, field.Name+" "+field.Type.String())
	}
	want := "a utf8, b int64, c float64, d decimal(19, 4), e timestamp[us], f bool, g binary"
	if strings.Join(got, ", ") != want {
		t.Errorf("columns %s\n want   %s", strings.Join(got, ", "), want)
	}
}

// Issue 2, item 6: each is refused with its name in the text.
func TestSelectRefused(t *testing.T) {
	w := newWorld(t)
	own, other, csv := Literal(w.own), Literal(w.other), Literal(w.planted)
	for sql, name := range map[string]string{
		"SELECT * FROM read_text(" + csv + ")":                                                      "read_text",
		"SELECT * FROM read_blob(" + csv + ")":                                                      "read_blob",
		"SELECT * FROM read_csv(" + csv + ")":                                                       "read_csv",
		"SELECT * FROM read_csv_auto(" + csv + ")":                                                  "read_csv_auto",
		"SELECT * FROM READ_PARQUET(" + other + ")":                                                 "read_parquet",
		"SELECT * FROM read_parquet(" + own + ")":                                                   "read_parquet",
		"SELECT * FROM parquet_scan(" + own + ")":                                                   "parquet_scan",
		"SELECT * FROM parquet_metadata(" + own + ")":                                               "parquet_metadata",
		"SELECT * FROM parquet_schema(" + own + ")":                                                 "parquet_schema",
		"SELECT * FROM parquet_file_metadata(" + own + ")":                                          "parquet_file_metadata",
		"SELECT * FROM read_json(" + csv + ")":                                                      "read_json",
		"SELECT * FROM read_duckdb(" + csv + ")":                                                    "read_duckdb",
		"SELECT * FROM sniff_csv(" + csv + ")":                                                      "sniff_csv",
		"SELECT * FROM glob(" + Literal(w.folder+"/*") + ")":                                        "glob",
		"SELECT * FROM system.main.glob('*')":                                                       "glob",
		"SELECT * FROM main.range(3), duckdb_views()":                                               "duckdb_views",
		"SELECT * FROM duckdb_settings()":                                                           "duckdb_settings",
		"SELECT * FROM duckdb_secrets()":                                                            "duckdb_secrets",
		"SELECT * FROM duckdb_logs()":                                                               "duckdb_logs",
		"SELECT * FROM duckdb_temporary_files()":                                                    "duckdb_temporary_files",
		"SELECT * FROM duckdb_external_file_cache()":                                                "duckdb_external_file_cache",
		"SELECT * FROM pragma_database_list":                                                        "pragma_database_list",
		"SELECT * FROM pragma_table_info('Half')":                                                   "pragma_table_info",
		"SELECT * FROM pragma_storage_info('Half')":                                                 "pragma_storage_info",
		"SELECT * FROM query('FROM read_text(' || " + csv + " || ')')":                              "query",
		"SELECT * FROM query_table('Half')":                                                         "query_table",
		"SELECT * FROM json_execute_serialized_sql('{}')":                                           "json_execute_serialized_sql",
		"SELECT * FROM arrow_scan(1::POINTER, 1::POINTER, 1::POINTER)":                              "arrow_scan",
		"SELECT * FROM seq_scan('x')":                                                               "seq_scan",
		"SELECT * FROM sql_auto_complete('SEL')":                                                    "sql_auto_complete",
		"SELECT * FROM enable_logging()":                                                            "enable_logging",
		"SELECT * FROM test_all_types()":                                                            "test_all_types",
		"SELECT * FROM sqlite_master":                                                               "sqlite_master",
		"SELECT * FROM duckdb_views":                                                                "duckdb_views",
		"SELECT * FROM pg_catalog.pg_views":                                                         "pg_catalog.pg_views",
		"SELECT * FROM information_schema.tables":                                                   "information_schema.tables",
		"SELECT * FROM system.information_schema.tables":                                            "system.information_schema.tables",
		"SELECT * FROM memory.main.\"Half\"":                                                        "memory.main.Half",
		"FROM " + other:                                                                             w.other,
		"FROM " + own:                                                                               "no table",
		"FROM " + Ident(w.planted):                                                                  w.planted,
		"WITH " + Ident(w.planted) + " AS (FROM " + Ident(w.planted) + ") FROM " + Ident(w.planted): w.planted,
		"SELECT (WITH x AS (SELECT 1) SELECT 1), (FROM x)":                                          "x",
		"SELECT (SELECT content FROM read_text(" + csv + "))":                                       "read_text",
		"SELECT 1 ORDER BY (SELECT 1 FROM read_text(" + csv + "))":                                  "read_text",
		"SELECT 1 LIMIT (SELECT count(*) FROM read_text(" + csv + "))":                              "read_text",
		"SELECT 1 UNION SELECT 2 FROM read_text(" + csv + ")":                                       "read_text",
		"SELECT * FROM range((SELECT count(*) FROM read_text(" + csv + ")))":                        "read_text",
		"SELECT * FROM (PIVOT (FROM read_text(" + csv + ")) ON size IN (1) USING count(*))":         "read_text",
		"SELECT * FROM \"Half\" JOIN read_text(" + csv + ") ON true":                                "read_text",
		"SELECT * REPLACE (getvariable('x') AS n) FROM \"Half\"":                                    "getvariable",
		"SELECT getenv('HOME')":                                                                     "getenv",
		"SELECT current_setting('temp_directory')":                                                  "current_setting",
		"SELECT pg_get_viewdef(1)":                                                                  "pg_get_viewdef",
		"SELECT system.main.current_setting('temp_directory')":                                      "current_setting",
		"SELECT ('temp_directory').current_setting()":                                               "current_setting",
		"SELECT json_serialize_plan('SELECT 1')":                                                    "json_serialize_plan",
		"SELECT nextval('x')":                                                                       "nextval",
		"SELECT pg_sleep(100)":                                                                      "pg_sleep",
		"SELECT sleep_ms(100000)":                                                                   "sleep_ms",
		"SELECT write_log('x')":                                                                     "write_log",
		"SELECT sum(n) EXPORT_STATE FROM \"Half\"":                                                  "EXPORT_STATE",
		"SELECT $1": "parameter",
		"SELECT ?":  "parameter",
		"SELECT * FROM \"Half\" AT (VERSION => 1)":           "AT",
		"DESCRIBE \"Half\"":                                  "DESCRIBE",
		"SHOW TABLES":                                        "SHOW",
		"SHOW ALL TABLES":                                    "SHOW",
		"SUMMARIZE \"Half\"":                                 "SUMMARIZE",
		"SELECT * FROM (DESCRIBE \"Half\")":                  "DESCRIBE",
		"EXPLAIN SELECT * FROM \"Half\"":                     "EXPLAIN",
		"EXPLAIN ANALYZE SELECT * FROM \"Half\"":             "EXPLAIN",
		"PRAGMA database_list":                               "PRAGMA",
		"PRAGMA show_tables":                                 "PRAGMA",
		"COPY \"Half\" TO " + other:                          "COPY",
		"COPY (SELECT 1) TO " + own:                          "COPY",
		"-- x\n/* y */ ( COPY (SELECT 1) TO " + own + ")":    "",
		"EXPORT DATABASE " + Literal(w.folder):               "EXPORT",
		"ATTACH " + Literal(filepath.Join(w.folder, "x.db")): "ATTACH",
		"DETACH memory":                                      "DETACH",
		"USE temp":                                           "USE",
		"SET enable_external_access = true":                  "SET",
		"RESET memory_limit":                                 "RESET",
		"INSTALL httpfs":                                     "INSTALL",
		"LOAD httpfs":                                        "LOAD",
		"CALL pragma_version()":                              "CALL",
		"CREATE TABLE x AS SELECT 1":                         "CREATE",
		"CREATE MACRO m() AS 1":                              "CREATE",
		"CREATE SECRET s (TYPE s3)":                          "CREATE",
		"INSERT INTO \"Half\" VALUES (1)":                    "INSERT",
		"UPDATE \"Half\" SET n = 1":                          "UPDATE",
		"DELETE FROM \"Half\"":                               "DELETE",
		"DROP VIEW \"Half\"":                                 "DROP",
		"ALTER VIEW \"Half\" RENAME TO x":                    "ALTER",
		"VACUUM":                                             "VACUUM",
		"CHECKPOINT":                                         "CHECKPOINT",
		"BEGIN":                                              "BEGIN",
		"PREPARE p AS SELECT 1":                              "PREPARE",
		"PIVOT \"Half\" ON n USING count(*)":                 "PIVOT",
		"SELECT 1; SELECT 2":                                 "2 statements",
		"SELECT 1; COPY (SELECT 1) TO " + own:                "",
		"":                                                   "0 statements",
		";;":                                                 "0 statements",
		"SELECT * FROM halff":                                "halff",
		"SELECT * FROM \"Measures\"":                         "Measures",
	} {
		got, err := lines(t.Context(), w.door.Query, sql)
		code := fault.CodeOf(err)
		if code != "QueryRefused" && (name != "" || code != "InvalidSQL") || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s\n gives %q, %q: %v\n want QueryRefused with %q", sql, got, code, err, name)
		}
	}
	for path, want := range map[string]int64{w.own: -1, w.other: -1, w.planted: int64(len("x\n" + planted + "\n"))} {
		info, err := os.Stat(path)
		if err != nil || want >= 0 && info.Size() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := lines(t.Context(), w.door.Query, "SELECT * FROM halff"); !strings.Contains(err.Error(), "Did you mean 'Half'?") {
		t.Errorf("no hint: %v", err)
	}
}

// The second lock holds by itself: the same statements, let past the first.
func TestSelectLockedWithoutCheck(t *testing.T) {
	w := newWorld(t)
	for _, sql := range []string{
		"FROM read_text(" + Literal(w.planted) + ")",
		"FROM read_csv(" + Literal(w.planted) + ")",
		"FROM " + Literal(w.planted),
		"FROM read_parquet(" + Literal(w.other) + ")",
		"FROM glob(" + Literal(w.folder+"/*") + ")",
		"COPY (SELECT 1) TO " + Literal(filepath.Join(w.folder, "new")),
		"ATTACH " + Literal(filepath.Join(w.folder, "new.db")),
		"SET enable_external_access = true",
		"SET GLOBAL allowed_paths = []",
		"SET memory_limit = '8GB'",
		"RESET enable_external_access",
		"INSTALL httpfs",
	} {
		conn, err := w.door.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows, err := lines(t.Context(), conn.Query, sql)
		if err == nil {
			t.Errorf("%s gives %q", sql, rows)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	entries, err := os.ReadDir(w.folder)
	if err != nil || len(entries) != 6 {
		t.Errorf("the folder has %d entries: %v", len(entries), err)
	}
}

// R19, R23: what is not calculated says so, and only when it is touched.
func TestSelectNamesWhatIsNotCalculated(t *testing.T) {
	w := newWorld(t)
	for _, sql := range []string{
		`FROM "calculated"`, `SELECT "margin" FROM "Half"`, `SELECT h."Margin" FROM "Half" h`, `SELECT n FROM "Half" WHERE "Margin" > 1`,
	} {
		if _, err := lines(t.Context(), w.door.Query, sql); fault.CodeOf(err) != "CalculationNeeded" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if _, err := lines(t.Context(), w.door.Query, `SELECT nothing FROM "Half"`); fault.CodeOf(err) != "InvalidSQL" {
		t.Errorf("%v", err)
	}
}

// An error that DuckDB tells must not tell where the store is.
func TestSelectHidesPaths(t *testing.T) {
	w := newWorld(t)
	half := filepath.Join(w.folder, "55555555")
	if err := os.Truncate(half, 100); err != nil {
		t.Fatal(err)
	}
	_, err := lines(t.Context(), w.door.Query, `SELECT sum(n) FROM "Half"`)
	if err == nil || strings.Contains(err.Error(), w.folder) || !strings.Contains(err.Error(), "Half") {
		t.Errorf("a broken file: %v", err)
	}
	if err := os.Remove(half); err != nil {
		t.Fatal(err)
	}
	_, err = lines(t.Context(), w.door.Query, `SELECT sum(n) FROM "Half"`)
	if err == nil || strings.Contains(err.Error(), w.folder) {
		t.Errorf("a missing file: %v", err)
	}
	for name, text := range map[string]error{"unwrapped": errors.Unwrap(err)} {
		if text != nil && strings.Contains(text.Error(), w.folder) {
			t.Errorf("%s: %v", name, text)
		}
	}
}

// Spilling needs files that the instance may open although access is off.
func TestSelectSpills(t *testing.T) {
	temp := filepath.Join(t.TempDir(), "spill")
	door, err := OpenSelect(t.Context(), Options{MemoryLimit: 64 << 20, Threads: 1, TempDir: temp}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	got, err := lines(t.Context(), door.Query, spills)
	if err != nil || !slices.Equal(got, []string{"2000000"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSelectParallelAndCancelled(t *testing.T) {
	w := newWorld(t)
	cause := errors.New("enough")
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			if i%2 == 0 {
				got, err := lines(t.Context(), w.door.Query, `SELECT sum(n) FROM "Half"`)
				if err != nil || !slices.Equal(got, []string{"4999950000"}) {
					return fmt.Errorf("%q %w", got, err)
				}
				return nil
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer time.AfterFunc(30*time.Millisecond, func() { cancel(cause) }).Stop()
			if _, err := lines(ctx, w.door.Query, `SELECT a.n FROM "Half" a, "Half" b, "Half" c`); !errors.Is(err, cause) {
				return fmt.Errorf("cancelled: %v", err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// What DuckDB would make without a limit and without an end is refused by name.
func TestSelectBoundsLengths(t *testing.T) {
	w := newWorld(t)
	for sql, name := range map[string]string{
		"SELECT length(repeat('x', 3000000000))":                                                  "repeat",
		"SELECT repeat(repeat('x', 1000), 1000)":                                                  "repeat",
		"WITH a AS (SELECT repeat('x', 1000) AS s) SELECT repeat(s, 1000) FROM a":                 "repeat",
		"SELECT repeat('x', 10 ** 9)":                                                             "repeat",
		"SELECT repeat('x', n) FROM \"Half\"":                                                     "repeat",
		"SELECT ('x').repeat(99999999)":                                                           "repeat",
		"SELECT repeat([1], 1000000000)":                                                          "repeat",
		"SELECT lpad('x', 2000000000, 'y'), rpad('x', 5, 'y')":                                    "lpad",
		"SELECT rpad('x', 1e12::INT, 'y')":                                                        "rpad",
		"SELECT list_resize([1], 1000000000)":                                                     "list_resize",
		"SELECT array_resize([1], 1000000000)":                                                    "array_resize",
		"SELECT bitstring('1', 1000000000)":                                                       "bitstring",
		"SELECT range(300000000)":                                                                 "range",
		"SELECT generate_series(1, 300000000)":                                                    "generate_series",
		"SELECT range(-300000000, 5, n) FROM \"Half\"":                                            "range",
		"SELECT unnest(generate_series(DATE '1000-01-01', DATE '2020-01-01', INTERVAL 1 SECOND))": "generate_series",
		"SELECT printf('%2000000000d', 1)":                                                        "printf",
		"SELECT printf('%*d', 1000000000, 1)":                                                     "printf",
		"SELECT printf(\"Product Name\", 1) FROM \"Dim Product\"":                                 "printf",
		"SELECT format('{:2000000000d}', 1)":                                                      "format",
		"SELECT format('{:{}}', 1, 1000000000)":                                                   "format",
	} {
		if _, err := lines(t.Context(), w.door.Query, sql); fault.CodeOf(err) != "QueryRefused" || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for sql, want := range map[string]string{
		"SELECT lpad('7', 5, '0'), rpad('7', 5, '0'), repeat('ab', 3), length(repeat('x', 3000))": "00007|70000|ababab|3000",
		"SELECT range(3), generate_series(-1, 1), list_resize([1], 3)":                            "[0,1,2]|[-1,0,1]|[1,null,null]",
		"SELECT printf('%05d %s', 7, 'x'), format('{:>8.2f}|{}', 1.5, 'y')":                       "00007 x|    1.50|y",
		"SELECT count(*) FROM range(3000000)":                                                     "3000000",
		"SELECT count(*) FROM \"Half\" h, range(h.n) r WHERE h.n < 4":                             "6",
	} {
		if got, err := lines(t.Context(), w.door.Query, sql); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("%s gives %q, %v", sql, got, err)
		}
	}
}

// Deep nesting must be an error, not the end of the process.
func TestSelectDeep(t *testing.T) {
	w := newWorld(t)
	for name, sql := range map[string]string{
		"parentheses": "SELECT " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000),
		"subqueries":  strings.Repeat("SELECT * FROM (", 20_000) + "SELECT 1" + strings.Repeat(")", 20_000),
		"scalars":     strings.Repeat("SELECT (", 20_000) + "SELECT 1" + strings.Repeat(")", 20_000),
		"sums":        "SELECT 1" + strings.Repeat("+1", 200_000),
		"unions":      "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 40_000),
		"lists":       "SELECT " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
		"calls":       "SELECT " + strings.Repeat("abs(", 20_000) + "1" + strings.Repeat(")", 20_000),
		"joins":       "SELECT 1 FROM range(1)" + strings.Repeat(" JOIN range(1) ON true", 20_000),
		"nots":        "SELECT " + strings.Repeat("NOT ", 100_000) + "true",
		"withs":       strings.Repeat("WITH a AS (", 20_000) + "SELECT 1" + strings.Repeat(") FROM a", 20_000),
		"cases":       strings.Repeat("CASE WHEN ", 20_000) + strings.Repeat(" 1 END", 20_000),
		"casts":       "SELECT 1" + strings.Repeat("::INT", 100_000),
		"long":        "SELECT '" + strings.Repeat("x", maxQuery) + "'",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := lines(ctx, w.door.Query, sql); err == nil {
				t.Log("runs")
			} else {
				t.Log(err)
			}
		})
	}
}

// The list of functions is complete for this DuckDB: a function that it does not know is refused, and shows here.
func TestFunctionListIsComplete(t *testing.T) {
	_, conn := openTest(t, Options{})
	known, err := lines(t.Context(), conn.Query, `SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro')
		AND NOT starts_with(function_name, '__internal_') AND NOT starts_with(function_name, 'icu_collate_')`)
	if err != nil {
		t.Fatal(err)
	}
	functions := listed()
	for _, name := range known {
		if _, ok := functions[name]; !ok {
			t.Errorf("functions.txt does not say whether a query may call %s", name)
		}
	}
	syntax := []string{"coalesce", "grouping", "grouping_id", "if", "ifnull", "try", "unnest"} // DuckDB's binder knows these
	for name := range functions {
		if !slices.Contains(known, name) && !slices.Contains(syntax, name) {
			t.Errorf("functions.txt names %s, which DuckDB has not", name)
		}
	}
}

// No statement makes the instance read or write a planted file, or tell a path.
func FuzzSelect(f *testing.F) {
	w := newWorld(f)
	before, err := os.ReadDir(w.folder)
	if err != nil {
		f.Fatal(err)
	}
	const path, own = "«path»", "«own»"
	for _, sql := range []string{
		`SELECT * FROM "Half"`, `FROM '«path»'`, `FROM read_text('«path»')`, `WITH x AS (FROM read_csv('«path»')) FROM x`, `FROM "«path»"`,
		`SELECT * FROM (SELECT content FROM read_blob('«path»'))`, `COPY (SELECT 1) TO '«path»'`, `SELECT 1; COPY (SELECT 1) TO '«own»'`,
		`WITH "«path»" AS (FROM "«path»") FROM "«path»"`, `SELECT 'x' || current_setting('temp_directory')`, `FROM duckdb_views()`,
		`SELECT n, (SELECT max(content) FROM read_text('«own»')) FROM "Half" WHERE n IN (1, 2)`, `FROM query('FROM ''«path»''')`,
		`SELECT * FROM "Half" POSITIONAL JOIN '«path»'`, `SELECT filename, file_row_number, rowid FROM "Half"`, `FROM parquet_metadata('«own»')`,
		`SELECT COLUMNS(*) FROM "Dim Product" ORDER BY ALL`, `SELECT list_aggregate([1], 'read_text')`, `VALUES ('«path»'::JSON)`,
		`SELECT error('«own»')`, `SELECT * EXCLUDE (n) FROM "it's ""odd"".csv" TABLESAMPLE 1%`, `FROM ["Half"]`, `SHOW TABLES FROM memory`,
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		asked := strings.Contains(sql, path) || strings.Contains(sql, own)
		sql = strings.NewReplacer(path, w.planted, own, w.own).Replace(sql)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		reader, err := w.door.Query(ctx, sql)
		said := ""
		if err == nil {
			for n := 0; n < 5 && reader.Next(); n++ {
				batch := reader.RecordBatch()
				for i := range int(batch.NumCols()) {
					for row := range min(10, int(batch.NumRows())) {
						said += batch.Column(i).ValueStr(row)
					}
				}
			}
			err = reader.Err()
			reader.Release()
		}
		said += fmt.Sprint(err)
		if strings.Contains(said, planted) || !asked && strings.Contains(said, w.folder) {
			t.Errorf("%q tells %q", sql, said)
		}
		after, err := os.ReadDir(w.folder)
		if err != nil || len(after) != len(before) {
			t.Errorf("%q made or removed files: %d, %v", sql, len(after), err)
		}
		if text, err := os.ReadFile(w.planted); err != nil || string(text) != "x\n"+planted+"\n" {
			t.Errorf("%q wrote: %q, %v", sql, text, err)
		}
	})
}

// What a query reads is known before it runs; what is refused is refused then.
func TestSelectReads(t *testing.T) {
	w := newWorld(t)
	for sql, want := range map[string]string{
		`SELECT 1`:           "",
		`FROM "dim product"`: "Dim Product",
		`WITH half AS (SELECT * FROM Empty) SELECT * FROM half, (SELECT count(*) FROM "it's ""odd"".csv")`: `Empty, it's "odd".csv`,
	} {
		names, err := w.door.Reads(t.Context(), sql)
		slices.Sort(names)
		if got := strings.Join(slices.Compact(names), ", "); got != want || err != nil {
			t.Errorf("%s reads %s, %v", sql, got, err)
		}
	}
	for _, sql := range []string{"SELECT * FROM Calculated", "DROP TABLE Empty", "SELECT * FROM nowhere"} {
		if _, err := w.door.Reads(t.Context(), sql); err == nil {
			t.Errorf("%s is not refused", sql)
		}
	}
}
