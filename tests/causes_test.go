package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// causes is the file of TestF4RootCauses: what a reader is told of each thing that can go wrong. FRESHET_GOLDEN=write writes it anew.
const causes = "testdata/causes.txt"

// cause is one thing that can go wrong in a refresh.
type cause struct {
	name    string
	columns string
	from    object // the partition
}

// TestF4RootCauses: a refresh that fails says in messages and serviceExceptionJson which table, partition, column and row, the source's own
// words, and what to do; and tries again only what may pass (R33).
func TestF4RootCauses(t *testing.T) {
	p := newPostgres(t,
		"CREATE TABLE kinds AS SELECT 1::bigint AS a, 'x'::text AS t, 'NaN'::numeric AS n, 1e30::numeric AS big, 'infinity'::date AS d UNION ALL SELECT 2, 'abc', 'NaN', 1, 'infinity'",
		"CREATE TABLE texts AS SELECT '1'::text AS t UNION ALL SELECT 'abc'",
		"CREATE TABLE secret AS SELECT 1 AS a",
		"CREATE VIEW cancelled AS SELECT pg_cancel_backend(pg_backend_pid())::int AS a, pg_sleep(5)::text AS b",
		"CREATE VIEW terminated AS SELECT pg_terminate_backend(pg_backend_pid())::int AS a, pg_sleep(5)::text AS b",
		"CREATE VIEW slow AS SELECT 1 AS a, pg_sleep(5)::text AS b",
		"CREATE VIEW division AS SELECT 1 / (g - 2) AS a FROM generate_series(1, 3) g",
		"CREATE TABLE big AS SELECT g AS a, repeat('x', 100) AS b FROM generate_series(1, 40000) g",
	)
	role := fmt.Sprintf("e2e_limited_%d", os.Getpid())
	p.run(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'c0rrect-Passw0rd'")
	p.run(t, "ALTER ROLE "+role+" SET statement_timeout = '200ms'")
	p.run(t, "GRANT SELECT ON slow TO "+role)
	t.Cleanup(func() { p.run(t, "DROP OWNED BY "+role); p.run(t, "DROP ROLE "+role) })
	broken := newProxy(t, p.server())
	broken.trouble("COPY", 100_000, reset)
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = shut.Close() // nobody listens on its port any more

	_, port, _ := net.SplitHostPort(p.server())
	local := "localhost:" + port // another path to the same server, with another user
	database := func(path string) server.DataSource {
		return server.DataSource{Kind: "PostgreSQL", Path: path, Username: p.config.User, Password: p.config.Password}
	}
	limited, wrong, tls := database(local+";"+p.database()), database(p.server()+";wrong"), database(p.server()+";tls")
	limited.Username, limited.Password = role, "c0rrect-Passw0rd"
	wrong.Username, wrong.Password = role, "wr0ng-Passw0rd"
	tls.Options = map[string]string{"sslmode": "require"}
	dir := t.TempDir()
	r := start(t, fileSource(dir), p.source(), database(p.server()+";missing"), limited, wrong, tls, database(broken.address()+";"+p.database()),
		database(shut.Addr().String()+";x"), database("nowhere.invalid:5432;x"))

	csv := func(name, text, types string) object {
		return readsCSV("P", write(t, dir, name+".csv", text), types)
	}
	from := func(server, database, item string) object {
		return reads("P", fmt.Sprintf(`PostgreSQL.Database(%q, %q){[Schema="public", Item=%q]}[Data]`, server, database, item))
	}
	native := func(sql string) object {
		return reads("P", fmt.Sprintf("let\n    Source = PostgreSQL.Database(%q, %q),\n    Rows = Value.NativeQuery(Source, \"%s\")\nin\n    Rows", p.server(), p.database(), strings.ReplaceAll(sql, "\n", "#(lf)")))
	}
	m := func(text string) object { return reads("P", text) }
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	parquet := write(t, dir, "not.parquet", "Id,Value\n1,2\n")
	list := []cause{
		{"file missing", "Id int64", readsCSV("P", filepath.Join(dir, "missing.csv"), `{"Id", Int64.Type}`)},
		{"folder given for a file", "Id int64", readsCSV("P", filepath.Join(dir, "folder"), `{"Id", Int64.Type}`)},
		{"file that is no Parquet", "Id int64", m(fmt.Sprintf("Parquet.Document(File.Contents(%q))", parquet))},
		{"unknown encoding", "Column1 string", m(fmt.Sprintf("Csv.Document(File.Contents(%q), [Encoding=12345])", write(t, dir, "encoding.csv", "1\n")))},
		{"row with too many fields", "Column1 string", m(fmt.Sprintf("Csv.Document(File.Contents(%q), [Delimiter=\",\", Columns=2, ExtraValues=ExtraValues.Error])",
			write(t, dir, "ragged.csv", "1,2\n3,4,5\n")))},
		{"text that is no whole number", "Id int64, Value int64", csv("whole", "Id,Value\n1,1\n2,abc\n", `{"Id", Int64.Type}, {"Value", Int64.Type}`)},
		{"fraction in a whole number", "Id int64, Value int64", csv("fraction", "Id,Value\n1,1\n2,2.5\n", `{"Id", Int64.Type}, {"Value", type number}`)},
		{"text in a double", "Id int64, Value double", csv("double", "Id,Value\n1,1\n2,abc\n", `{"Id", Int64.Type}`)},
		{"decimal out of range", "Id int64, Value decimal", csv("decimal", "Id,Value\n1,1\n2,922337203685477.6\n", `{"Id", Int64.Type}, {"Value", type number}`)},
		{"date that is none", "Id int64, Value dateTime", csv("date", "Id,Value\n1,2026-01-01\n2,2026-02-30\n", `{"Id", Int64.Type}, {"Value", type date}`)},
		{"text in a boolean", "Id int64, Value boolean", csv("boolean", "Id,Value\n1,true\n2,perhaps\n", `{"Id", Int64.Type}`)},
		{"text in a binary", "Id int64, Value binary", csv("binary", "Id,Value\n1,abc\n", `{"Id", Int64.Type}`)},
		{"number from Parquet in a whole number", "Value int64", m(fmt.Sprintf("Parquet.Document(File.Contents(%q))", writeParquet(t, dir, "numbers.parquet", 1, 2.5)))},
		{"number from Parquet beyond a decimal", "Value decimal", m(fmt.Sprintf("Parquet.Document(File.Contents(%q))", writeParquet(t, dir, "large.parquet", 1, 1e30)))},
		{"column missing", "Id int64, Vallue int64", csv("column", "Id,Value\n1,1\n", `{"Id", Int64.Type}, {"Value", Int64.Type}`)},
		{"column missing in a step", "Id int64", m(fmt.Sprintf("let\n    Source = Csv.Document(File.Contents(%q)),\n    Kept = Table.SelectColumns(Source, {\"Nope\"})\nin\n    Kept", write(t, dir, "step.csv", "1\n")))},
		{"syntax error", "Id int64", m("let\n    Source = #table({\"Id\"}, {{1}}\nin\n    Source")},
		{"unknown name", "Id int64", m("let\n    Source = #table({\"Id\"}, {{1}})\nin\n    Table.SelectRow(Source, each true)")},
		{"unknown step", "Id int64", m("let\n    Source = #table({\"Id\"}, {{1}})\nin\n    Sorce")},
		{"error raised by the author", "Id int64", m("let\n    Source = error Error.Record(\"Stock.Error\", \"No deliveries today\", \"warehouse 7\")\nin\n    Source")},
		{"error in a cell", "Id int64", m("#table({\"Id\"}, {{1}, {error \"bad cell\"}})")},
		{"no table", "Id int64", m("42")},
		{"refused file", "Id int64", readsCSV("P", "/etc/passwd", `{"Id", Int64.Type}`)},
		{"refused database", "Id int64", from("db.example.com", "sales", "t")},
		{"source that is not supported", "Id int64", m(`Sql.Database("db", "sales")`)},
		{"password wrong", "a int64", from(p.server(), "wrong", "t")},
		{"host unknown", "a int64", from("nowhere.invalid", "x", "t")},
		{"port closed", "a int64", from(shut.Addr().String(), "x", "t")},
		{"TLS refused", "a int64", from(p.server(), "tls", "t")},
		{"database missing", "a int64", from(p.server(), "missing", "t")},
		{"table missing", "a int64", from(p.server(), p.database(), "kind")},
		{"no right to the table", "a int64", from(local, p.database(), "secret")},
		{"no right to the table in the author's SQL", "a int64", m(fmt.Sprintf("Value.NativeQuery(PostgreSQL.Database(%q, %q), \"SELECT a FROM secret\")", local, p.database()))},
		{"column missing in the author's SQL", "a int64", native("SELECT a,\n  nope\nFROM kinds")},
		{"syntax error in the author's SQL", "a int64", native("SELECT a\nFORM kinds")},
		{"division by zero at the source", "a int64", from(p.server(), p.database(), "division")},
		{"text from a database in a whole number", "t int64", m(p.from("kinds"))},
		{"NaN from a database in a decimal", "n decimal", m(p.from("kinds"))},
		{"number from a database beyond a decimal", "big decimal", m(p.from("kinds"))},
		{"infinite date from a database", "d dateTime", m(p.from("kinds"))},
		{"text from a database, row by row", "V int64", m("let\n    Source = " + p.from("texts") + ",\n    V = Table.AddColumn(Source, \"V\", each Number.FromText([t]))\nin\n    V")},
		{"time limit at the server", "a int64, b string", from(local, p.database(), "slow")},
		{"cancelled at the server", "a int64, b string", from(p.server(), p.database(), "cancelled")},
		{"terminated at the server", "a int64, b string", from(p.server(), p.database(), "terminated")},
		{"connection broken in the stream", "a int64, b string", from(broken.address(), p.database(), "big")},
	}
	type started struct {
		ref powerbi.Ref
		id  string
	}
	running := make([]started, len(list))
	for i, c := range list {
		ref := r.deploy(t, c.name, modelOf(t, c.name, tableOf("T", c.columns, c.from)))
		running[i] = started{ref, r.post(t, ref, `{"type":"full","retryCount":1}`)}
	}
	hidden := strings.NewReplacer(broken.address(), "{proxy}", shut.Addr().String(), "{closed}", p.server(), "{server}", local, "{local}", p.database(), "{database}",
		dir, "{dir}", role, "{role}", "'"+p.config.User+"'", "'{user}'")
	resolver := regexp.MustCompile(`is not found: [^(]*\(`) // in the words of the machine's resolver
	clientPort := regexp.MustCompile(`127\.0\.0\.1:\d+->`)  // of the connection that was cut
	var told strings.Builder
	for i, c := range list {
		detail := r.ended(t, running[i].ref, running[i].id)
		if detail.Status != powerbi.Failed {
			t.Errorf("%s: ended as %s", c.name, detail.Status)
		}
		again := "no"
		if detail.NumberOfAttempts > 1 {
			again = "yes"
		}
		text := errorsOf(detail)
		shown := resolver.ReplaceAllString(clientPort.ReplaceAllString(hidden.Replace(text), "{client}->"), "is not found: {resolver} (")
		fmt.Fprintf(&told, "%s (tried again: %s)\n    %s\n\n", c.name, again, strings.ReplaceAll(shown, "\n", "\n    "))
		history, err := r.Refreshes(t.Context(), running[i].ref, 1)
		if err != nil {
			t.Fatal(err)
		}
		var exception powerbi.ServiceException
		if err := json.Unmarshal([]byte(history[0].ServiceExceptionJSON), &exception); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(text, ": "+exception.ErrorDescription) {
			t.Errorf("%s: serviceExceptionJson says\n%s\nthe messages\n%s", c.name, exception.ErrorDescription, text)
		}
		if strings.Contains(text, "Passw0rd") {
			t.Errorf("%s: a password is told", c.name)
		}
		if !strings.Contains(text, "table 'T', partition 'P'") {
			t.Errorf("%s: table and partition are not told", c.name)
		}
	}
	if os.Getenv("FRESHET_GOLDEN") == "write" {
		if err := os.WriteFile(causes, []byte(told.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(causes)
	if err != nil {
		t.Fatal(err)
	}
	has, wants := strings.Split(told.String(), "\n\n"), strings.Split(string(want), "\n\n")
	for i := range min(len(has), len(wants)) {
		if has[i] != wants[i] {
			t.Errorf("is\n%s\nwant\n%s", has[i], wants[i])
		}
	}
	if len(has) != len(wants) {
		t.Errorf("%d causes, %s has %d", len(has)-1, causes, len(wants)-1)
	}
}

// writeParquet writes a file with the column Value and returns its path.
func writeParquet(t *testing.T, dir, name string, values ...float64) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "Value", Type: arrow.PrimitiveTypes.Float64}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	builder.Field(0).(*array.Float64Builder).AppendValues(values, nil)
	batch := builder.NewRecordBatch()
	defer batch.Release()
	var content bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &content, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(batch), w.Close()); err != nil {
		t.Fatal(err)
	}
	return write(t, dir, name, content.String())
}

// TestF4ManyFailures: the summary tells the first root cause and how many more there are; each has a message and, for programs, its parts.
func TestF4ManyFailures(t *testing.T) {
	dir := t.TempDir()
	r := start(t, fileSource(dir))
	file := write(t, dir, "values.csv", "Id,Value\n1,1\n2,abc\n")
	bad := func(partition string) object {
		return readsCSV(partition, file, `{"Id", Int64.Type}, {"Value", Int64.Type}`)
	}
	ref := r.deploy(t, "Many", modelOf(t, "Many", tableOf("T", "Id int64, Value int64", bad("P1"), bad("P2"), bad("P3"))))
	detail := r.done(t, ref, `{"type":"full","commitMode":"partialBatch"}`)
	history, err := r.Refreshes(t.Context(), ref, 1)
	if err != nil {
		t.Fatal(err)
	}
	const cause, hint = `cannot load the value "abc" of the column 'Value': [DataFormat.Error] We couldn't convert to Number.`,
		"Correct the value at its source, or replace or remove errors in the expression (Table.ReplaceErrorValues, Table.RemoveRowsWithErrors)"
	want := `{"errorCode":"ModelRefresh_ShortMessage_ProcessingError","errorDescription":` +
		strconv.Quote(cause+" (table 'T', partition 'P1', column 'Value', row 2). "+hint+". 2 more partitions failed; the messages of the refresh name them.") + `}`
	if got := history[0].ServiceExceptionJSON; got != want {
		t.Errorf("serviceExceptionJson is\n%s\nwant\n%s", got, want)
	}
	for _, partition := range []string{"P1", "P2", "P3"} {
		object := objectOf(t, detail, "T", partition)
		if want := (powerbi.ObjectFailure{Code: "CellError", Message: cause, Column: "Value", Row: 2, Hint: hint}); object.Failure == nil || *object.Failure != want {
			t.Errorf("%s: %+v, want %+v", partition, object.Failure, want)
		}
		if text := errorsOf(detail); strings.Count(text, "partition '"+partition+"'") != 1 {
			t.Errorf("the messages do not tell of %s once:\n%s", partition, text)
		}
	}
}

// TestF6ConflictNames: a refusal says which refresh runs, since when, who started it, and what to do.
func TestF6ConflictNames(t *testing.T) {
	p := newPostgres(t)
	r := start(t, p.source())
	p.run(t, "CREATE VIEW gated AS SELECT 1 AS a WHERE "+p.gate(t, 1))
	ref := r.deploy(t, "Busy", modelOf(t, "Busy", tableOf("T", "a int64", reads("P", p.from("gated")))))
	id := r.post(t, ref, `{"type":"full"}`)
	got := r.raw(t, "POST", refreshesOf(ref), `{"type":"full"}`)
	want := regexp.MustCompile(`^\{"error":\{"code":"InvalidRequest","message":"Invalid dataset refresh request\. Another refresh request is already executing: ` + id +
		`, since [0-9T:-]+Z, started by [^.]+\. Wait for its end \(freshet show\), or cancel it \(freshet cancel; over REST DELETE of that refresh\)\."\}\}\s*$`)
	if got.status != 400 || !want.MatchString(got.body) {
		t.Errorf("%d %s", got.status, got.body)
	}
	p.open(t, 1)
	if detail := r.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Errorf("ended as %s", detail.Status)
	}
}
