package postgres

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/sourcetest"
)

func suite(t *testing.T, server *sourcetest.Postgres) sourcetest.Database {
	server.Exec(t, `CREATE TABLE target (i int); INSERT INTO target VALUES (1); CREATE SEQUENCE counter; CREATE TYPE mood AS ENUM ('low', 'high'); CREATE DOMAIN positive AS int CHECK (VALUE > 0)`)
	ours := fmt.Sprintf("FROM pg_stat_activity WHERE application_name = 'freshet' AND datname = '%s'", server.Database)
	typed := func(kind string, values ...string) string {
		var rows []string
		for i, v := range values {
			if v != "NULL" {
				v = "'" + v + "'"
			}
			rows = append(rows, fmt.Sprintf("(%d, %s::%s)", i, v, kind))
		}
		return "SELECT v FROM (VALUES " + strings.Join(rows, ", ") + ") AS t(i, v) ORDER BY i"
	}
	return sourcetest.Database{
		Kind: Kind(), Setting: server.Setting(), Path: server.Path,
		Exec:        server.Exec,
		Running:     func(t testing.TB) int { return server.Count(t, "SELECT count(*) "+ours+" AND state = 'active'") },
		Connections: func(t testing.TB) int { return server.Count(t, "SELECT count(*) "+ours) },
		Series: func(rows int) string {
			return fmt.Sprintf("SELECT i AS id, repeat(chr(65 + (i %% 26)::int), 100) AS note FROM (SELECT generate_series(1::bigint, %d) AS i) AS s", rows)
		},
		Sleep: "SELECT pg_sleep(60)::text",
		Writes: []string{
			"INSERT INTO target VALUES (1) RETURNING i",
			"WITH w AS (INSERT INTO target VALUES (1) RETURNING i) SELECT * FROM w",
			"SELECT nextval('counter')",
			"SELECT 1) TO STDOUT; COMMIT; INSERT INTO target VALUES (1); COPY (SELECT 1",
			"SELECT 1; DELETE FROM target",
			"SELECT set_config('transaction_read_only', 'off', false)",
			"DELETE FROM target",
		},
		Wrong: "SELECT nothing FROM nowhere",
		Late:  "SELECT 1 / (i - 100000) FROM generate_series(1, 200000) AS i",
		Values: []sourcetest.Values{
			{SQL: typed("boolean", "true", "NULL", "false"), Type: "bool", Want: []string{"true", "(null)", "false"}},
			{SQL: typed("smallint", "-32768", "NULL", "32767"), Type: "int16", Want: []string{"-32768", "(null)", "32767"}},
			{SQL: typed("integer", "-2147483648", "2147483647"), Type: "int32", Want: []string{"-2147483648", "2147483647"}},
			{SQL: typed("bigint", "-9223372036854775808", "NULL", "9223372036854775807"), Type: "int64", Want: []string{"-9223372036854775808", "(null)", "9223372036854775807"}},
			{SQL: typed("oid", "4294967295"), Type: "int64", Want: []string{"4294967295"}},
			{SQL: typed("real", "1.5", "NaN", "-Infinity", "3.4028235e38"), Type: "float32", Want: []string{"1.5", "NaN", "-Inf", "3.4028235e+38"}},
			{SQL: typed("double precision", "-0", "NaN", "Infinity", "1.7976931348623157e308", "5e-324"), Type: "float64",
				Want: []string{"-0", "NaN", "+Inf", "1.7976931348623157e+308", "5e-324"}},
			{SQL: typed("numeric(12,2)", "0", "-0.01", "1234567890.12", "-9999999999.99", "NULL", "10000", "100000000"), Type: "decimal(12, 2)",
				Want: []string{"0", "-0.01", "1234567890.12", "-9999999999.99", "(null)", "10000", "100000000"}},
			{SQL: typed("numeric(38,0)", "99999999999999999999999999999999999999", "-99999999999999999999999999999999999999"), Type: "decimal(38, 0)",
				Want: []string{"99999999999999999999999999999999999999", "-99999999999999999999999999999999999999"}},
			{SQL: typed("numeric(38,38)", "0.00000000000000000000000000000000000001", "-0.99999999999999999999999999999999999999"), Type: "decimal(38, 38)",
				Want: []string{"1e-38", "-0.99999999999999999999999999999999999999"}},
			{SQL: typed("numeric(19,5)", "12.34567", "0.00001", "99999999999999.99999"), Type: "decimal(19, 5)", Want: []string{"12.34567", "1e-05", "99999999999999.99999"}},
			{SQL: typed("numeric(10,2)", "1", "NaN"), Fail: "NaN, which a decimal cannot hold; cast it to double precision to keep it (column 'v', row 2)"},
			{SQL: typed("numeric", "0", "-0.5", "NaN", "Infinity", "-Infinity", "123456789012345678901234567890123456789012345.000100", "1e-20", "NULL", "10000.10"), Type: "utf8",
				Want: []string{"0", "-0.5", "NaN", "Infinity", "-Infinity", "123456789012345678901234567890123456789012345.000100", "0.00000000000000000001", "(null)", "10000.10"}},
			{SQL: typed("numeric(50,3)", "1.5"), Type: "utf8", Want: []string{"1.500"}},
			{SQL: typed("numeric(5,-2)", "123456"), Type: "utf8", Want: []string{"123500"}},
			{SQL: typed("money", "1234.56"), Type: "utf8", Want: []string{"1234.56"}},
			{SQL: typed("text", "", "NULL", "Grüße, 日本 🎉", "a\nb"), Type: "utf8", Want: []string{"", "(null)", "Grüße, 日本 🎉", "a\nb"}},
			{SQL: typed("varchar(3)", "abc"), Type: "utf8", Want: []string{"abc"}},
			{SQL: typed("char(4)", "ab"), Type: "utf8", Want: []string{"ab  "}},
			{SQL: typed("bytea", `\x00ff10`, `\x`, "NULL"), Type: "binary", Want: []string{"AP8Q", "", "(null)"}},
			{SQL: typed("date", "0001-01-01", "1970-01-01", "9999-12-31", "NULL"), Type: "date32", Want: []string{"0001-01-01", "1970-01-01", "9999-12-31", "(null)"}},
			{SQL: typed("date", "2024-02-29", "infinity"), Fail: "the date is infinite (column 'v', row 2)"},
			{SQL: typed("timestamp", "1969-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"), Type: "timestamp[us]",
				Want: []string{"1969-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"}},
			{SQL: typed("timestamp", "-infinity"), Fail: "the date is infinite (column 'v', row 1)"},
			{SQL: typed("timestamp", "294276-12-31 23:59:59"), Fail: "out of range (column 'v', row 1)"},
			{SQL: typed("timestamptz", "2024-07-01 12:00:00+02"), Type: "timestamp[us, tz=UTC]", Want: []string{"2024-07-01T10:00:00Z"}},
			{SQL: typed("time", "00:00:00", "23:59:59.999999"), Type: "time64[us]", Want: []string{"00:00:00.000000", "23:59:59.999999"}},
			{SQL: typed("uuid", "01234567-89ab-cdef-0123-456789abcdef"), Type: "utf8", Want: []string{"01234567-89ab-cdef-0123-456789abcdef"}},
			{SQL: typed("json", `{"a":  1}`), Type: "utf8", Want: []string{`{"a":  1}`}},
			{SQL: typed("jsonb", `{"a":  1}`), Type: "utf8", Want: []string{`{"a": 1}`}},
			// What has no decoder is cast by the server.
			{SQL: typed("interval", "1 day 2 hours"), Type: "utf8", Want: []string{"1 day 02:00:00"}},
			{SQL: typed("timetz", "12:00:00+02"), Type: "utf8", Want: []string{"12:00:00+02"}},
			{SQL: typed("int[]", "{1,2}", "NULL"), Type: "utf8", Want: []string{"{1,2}", "(null)"}},
			{SQL: typed("mood", "high"), Type: "utf8", Want: []string{"high"}},
			{SQL: typed("positive", "7"), Type: "int32", Want: []string{"7"}},
			{SQL: typed("inet", "10.0.0.1"), Type: "utf8", Want: []string{"10.0.0.1/32"}},
			{SQL: "SELECT 'a' AS x, '1'::interval AS x, 2", Type: "utf8", Want: []string{"a"}},
			// The end of a native statement.
			{SQL: "SELECT 'a' AS x ; -- the end", Type: "utf8", Want: []string{"a"}},
			{SQL: "SELECT 'a;--' AS x -- the end;", Type: "utf8", Want: []string{"a;--"}},
			{SQL: "SELECT $q$;'$q$ AS x /* a /* nested */ ; */ ; ;", Type: "utf8", Want: []string{";'"}},
		},
	}
}

func TestSuite(t *testing.T) {
	server := sourcetest.NewPostgres(t)
	sourcetest.Run(t, suite(t, server))
	if n := server.Count(t, "SELECT count(*) * 1000 + sum(i) FROM target"); n != 1001 {
		t.Errorf("what must only be read was written to: %d", n)
	}
}

func registry(t testing.TB, settings ...source.Setting) *source.Registry {
	t.Helper()
	r, err := source.NewRegistry([]source.Kind{Kind()}, source.Formats{}, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestTables(t *testing.T) {
	server := sourcetest.NewPostgres(t)
	server.Exec(t, `CREATE SCHEMA sales; CREATE TABLE sales.orders (id int, amount numeric(10,2)); CREATE VIEW sales.big AS SELECT * FROM sales.orders;
		CREATE TABLE "Mixed ""Case" (i int); CREATE MATERIALIZED VIEW stored AS SELECT 1 AS i; CREATE TABLE parts (i int) PARTITION BY RANGE (i)`)
	database, err := registry(t, server.Setting()).Database(t.Context(), source.Ref{Kind: "postgresql", Path: server.Path})
	if err != nil {
		t.Fatal(err)
	}
	got, err := database.Tables(t.Context())
	want := []source.Table{{Schema: "public", Name: `Mixed "Case`, Kind: "Table"}, {Schema: "public", Name: "parts", Kind: "Table"}, {Schema: "public", Name: "stored", Kind: "View"},
		{Schema: "sales", Name: "big", Kind: "View"}, {Schema: "sales", Name: "orders", Kind: "Table"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v", got, err)
	}
	dialect := database.Dialect()
	schema, err := database.Describe(t.Context(), "SELECT * FROM "+dialect.Ident("sales")+"."+dialect.Ident("orders"))
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, f := range schema.Fields() {
		types = append(types, f.Name+" "+dialect.Column(f))
	}
	if want := []string{"id integer", "amount numeric(10,2)"}; !reflect.DeepEqual(types, want) {
		t.Error(types)
	}
}

func TestErrorsTellTheStep(t *testing.T) {
	server := sourcetest.NewPostgres(t)
	setting := server.Setting()
	closed := setting
	closed.Path = "127.0.0.1:1;sales"
	missing := setting
	missing.Path = server.Server
	r := registry(t, setting, closed, missing)
	for _, c := range []struct {
		path, sql string
		kind      fault.Kind
		want      string
	}{
		{server.Path, "SELECT a,\n  büg FROM pg_class", fault.Invalid, `column "a" does not exist (SQLSTATE 42703) at line 1, column 8`},
		{server.Path, "SELECT 1,\n  'ü', büg FROM pg_class", fault.Invalid, `column "büg" does not exist (SQLSTATE 42703) at line 2, column 8`},
		{server.Path, "SELECT $1", fault.Invalid, "it has parameters"},
		{server.Path, "SELECT 1\x00", fault.Invalid, "zero byte"},
		{server.Path, "BEGIN", fault.Invalid, "it gives no columns"},
		{server.Path, "SELECT 1; SELECT 2", fault.Invalid, "cannot insert multiple commands"},
		{server.Server + ";nowhere", "SELECT 1", fault.NotFound, `database "nowhere" does not exist`},
		{"127.0.0.1:1;sales", "SELECT 1", fault.Unavailable, "cannot connect to PostgreSQL '127.0.0.1:1;sales': connect: connection refused. See that the server is up"},
	} {
		database, err := r.Database(t.Context(), source.Ref{Kind: "PostgreSQL", Path: c.path})
		if err != nil {
			t.Fatal(err)
		}
		_, err = database.Describe(t.Context(), c.sql)
		if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || fault.Retryable(err) != (c.kind == fault.Unavailable) {
			t.Errorf("%s %q\n got %v\nwant %v %s", c.path, c.sql, err, c.kind, c.want)
		}
	}
}

// What a statement sets for its session is gone with it: the next one gets a clean connection.
func TestSessionsAreClean(t *testing.T) {
	server := sourcetest.NewPostgres(t)
	setting := server.Setting()
	setting.MaxConnections = 1
	database, err := registry(t, setting).Database(t.Context(), source.Ref{Kind: "PostgreSQL", Path: server.Path})
	if err != nil {
		t.Fatal(err)
	}
	read := func(sql string) string {
		rows, err := database.Read(t.Context(), sql, source.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Release()
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		return strings.Clone(rows.RecordBatch().Column(0).ValueStr(0))
	}
	if got := read("SELECT set_config('application_name', 'changed', false)"); got != "changed" {
		t.Error(got)
	}
	if got := read("SELECT current_setting('application_name') || ' ' || current_setting('transaction_read_only') || ' ' || current_setting('TimeZone')"); got != "freshet on UTC" {
		t.Error(got)
	}
}

func TestInfiniteDates(t *testing.T) {
	server := sourcetest.NewPostgres(t)
	database, err := registry(t, server.Setting()).Database(t.Context(), source.Ref{Kind: "PostgreSQL", Path: server.Path})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := database.Read(t.Context(), "SELECT 'infinity'::date, '-infinity'::date, 'infinity'::timestamp, '-infinity'::timestamptz", source.ReadOptions{InfiniteDates: true})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	batch := rows.RecordBatch()
	for i, want := range []int64{math.MaxInt32, -math.MaxInt32, math.MaxInt64, -math.MaxInt64} {
		var got int64
		switch values := batch.Column(i).(type) {
		case *array.Date32:
			got = int64(values.Value(0))
		case *array.Timestamp:
			got = int64(values.Value(0))
		}
		if got != want {
			t.Errorf("column %d is %d", i, got)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct{ path, want, fail string }{
		{"localhost;sales", "localhost:5432;sales", ""},
		{"LocalHost:5433;Sales", "localhost:5433;Sales", ""},
		{"[::1]:5433;x", "[::1]:5433;x", ""},
		{"[::1];x", "[::1]:5432;x", ""},
		{"::1;x", "[::1]:5432;x", ""},
		{" db.example.org ; x ", "db.example.org:5432;x", ""},
		{"localhost", "", "names no database"},
		{"localhost;", "", "names no database"},
		{";x", "", "names no server"},
		{"localhost:x;y", "", "no port"},
		{"localhost:0;y", "", "no port"},
		{"a b;y", "", "no host name"},
		{"host@evil/x;y", "", "no host name"},
		{"localhost;a;b", "", "holds a ';'"},
	} {
		got, err := normalize(c.path, false)
		if got != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%q: %q %v", c.path, got, err)
		}
	}
	for _, c := range []struct {
		setting, asked string
		want           bool
	}{
		{"h:5432", "h:5432;a", true}, {"h:5432;a", "h:5432;a", true}, {"h:5432;a", "h:5432;A", false}, {"h:5432;a", "h:5432;ab", false},
		{"h:5432", "h:54321;a", false}, {"h:5432", "hh:5432;a", false},
	} {
		if allows(c.setting, c.asked) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// F13: a refused source prints the lines that would allow it.
func TestF13RefusedSourcePrintsLines(t *testing.T) {
	r := registry(t, source.Setting{Kind: "postgresql", Path: "localhost;other"})
	_, err := r.Open(t.Context(), source.Ref{Kind: "PostgreSQL", Path: "LOCALHOST;sales"})
	want := "cannot reach PostgreSQL 'LOCALHOST;sales' (localhost:5432;sales): no entry of dataSources in the configuration allows it. " +
		"These lines of freshet.yaml would allow it:\ndataSources:\n  - {kind: PostgreSQL, path: \"localhost:5432;sales\", username: …, password: \"${env:PGPASSWORD}\"}"
	if fault.KindOf(err) != fault.Denied || fault.CodeOf(err) != "DataSourceNotAllowed" || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		setting source.Setting
		want    string
	}{
		{source.Setting{Kind: "Oracle", Path: "x"}, "cannot use entry 1 of dataSources: there is no kind 'Oracle'. The kinds are PostgreSQL."},
		{source.Setting{Kind: "PostgreSQL", Path: ";x"}, "cannot use the path ';x' in entry 1 of dataSources: it names no server"},
		{source.Setting{Kind: "PostgreSQL", Path: "h;x", MaxConnections: -1}, "maxConnections is -1"},
		{source.Setting{Kind: "PostgreSQL", Path: "h;x", Options: map[string]string{"sslmod": "disable"}}, "PostgreSQL has no option 'sslmod': the options are connect_timeout, ssl"},
		{source.Setting{Kind: "PostgreSQL", Path: "h;x", Password: "hunter2", Options: map[string]string{"sslmode": "maybe"}}, "sslmode is invalid"},
	} {
		_, err := source.NewRegistry([]source.Kind{Kind()}, source.Formats{}, []source.Setting{c.setting})
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestConnections(t *testing.T) {
	r := registry(t)
	for _, c := range []struct {
		connection source.Connection
		want       string
	}{
		{source.Connection{Protocol: "postgresql", Address: map[string]string{"server": "db:5433", "database": "sales"}}, "db:5433;sales"},
		{source.Connection{Provider: "Npgsql", ConnectionString: "Host=db;Port=5433;Database=sales;Username=x;Password='a;b'"}, "db:5433;sales"},
		{source.Connection{ConnectionString: "Driver={PostgreSQL Unicode};Server=db;Database=sales"}, "db;sales"},
		{source.Connection{ConnectionString: "Provider=PGNP.1;Data Source=db;Initial Catalog=\"sa\"\"les\""}, "db;sa\"les"},
	} {
		ref, err := r.Resolve(c.connection)
		if err != nil || ref != (source.Ref{Kind: "PostgreSQL", Path: c.want}) {
			t.Errorf("%+v: %v %v", c.connection, ref, err)
		}
	}
	_, err := r.Resolve(source.Connection{Name: "DW", Provider: "SQLNCLI11", ConnectionString: "Provider=SQLNCLI11;Data Source=x"})
	if fault.KindOf(err) != fault.Invalid || err.Error() != "cannot use data source 'DW': its provider 'SQLNCLI11' is not supported. The kinds are PostgreSQL." {
		t.Error(err)
	}
}

func TestStatementEnd(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"SELECT 1", "SELECT 1"},
		{"SELECT 1 ; ; \n", "SELECT 1"},
		{"SELECT 1; -- x", "SELECT 1"},
		{"SELECT 1; /* x */ ;", "SELECT 1"},
		{"SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"},
		{"SELECT ';'", "SELECT ';'"},
		{"SELECT E'\\';--'", "SELECT E'\\';--'"},
		{"SELECT '\\';--'", "SELECT '\\'"},
		{"SELECT \"a;--\"", "SELECT \"a;--\""},
		{"SELECT $a$;--$b$;$a$;", "SELECT $a$;--$b$;$a$"},
		{"SELECT a$b$c;", "SELECT a$b$c"},
		{"SELECT /* open", "SELECT /* open"},
		{"-- only\n/* this */;", ""},
	} {
		if got := c.sql[:statementEnd(c.sql)]; got != c.want {
			t.Errorf("%q: %q, want %q", c.sql, got, c.want)
		}
	}
}

// Whatever a model's author writes, the statement that is sent is at most as long, and cleaning it again changes nothing.
func FuzzStatementEnd(f *testing.F) {
	f.Add("SELECT 1; -- x")
	f.Add("SELECT E'\\''; $a$ /* /* */")
	f.Fuzz(func(t *testing.T, sql string) {
		end := statementEnd(sql)
		if end > len(sql) || statementEnd(sql[:end]) != end {
			t.Errorf("%q: %d", sql, end)
		}
	})
}

func FuzzDecoder(f *testing.F) {
	header := signature + "\x00\x00\x00\x00\x00\x00\x00\x00"
	f.Add([]byte(header+"\x00\x02\x00\x00\x00\x04\x00\x00\x00\x07\xff\xff\xff\xff\xff\xff"), 3)
	f.Add([]byte(header+"\x00\x02\x00\x00\x00\x04\x00\x00\x00\x07\x00\x00\x00\x0a\x00\x01\x00\x00\x00\x00\x00\x02\x00\x05\xff\xff"), 100)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		fuzzDecode(t, stream, max(1, piece))
	})
}
