// Package bench measures the built binary against floors measured beside it, in one run on one machine. `make bench` runs it and prints
// a table; doc/benchmarks.md keeps one with its conditions. Nothing here runs under `make test`: there are benchmarks only.
//
// The environment: FRESHET_BIN (the binary), FRESHET_TEST_POSTGRES (a server), FRESHET_BENCH_ROWS (default 5,000,000),
// FRESHET_BENCH_DIR (where data is kept between runs; default a folder under os.TempDir).
package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/jackc/pgx/v5"
)

// columns of the measured table: name, DuckDB expression over i, PostgreSQL type, model data type, M type.
var columns = []struct{ name, expression, postgres, data, m string }{
	{"id", "i", "bigint", "int64", "Int64.Type"},
	{"quantity", "CAST(i % 97 AS INTEGER)", "integer", "int64", "Int64.Type"},
	{"price", "CAST((i * 7919 % 1000000) / 100.0 AS DECIMAL(12,2))", "numeric(12,2)", "decimal", "Currency.Type"},
	{"ratio", "(i % 10007) / 10007.0::DOUBLE", "double precision", "double", "type number"},
	{"active", "i % 3 = 0", "boolean", "boolean", "type logical"},
	{"day", "DATE '2020-01-01' + CAST(i % 2000 AS INTEGER)", "date", "dateTime", "type date"},
	{"moment", "TIMESTAMP '2020-01-01' + to_seconds(i % 60000000)", "timestamp", "dateTime", "type datetime"},
	{"code", "'C' || (i % 5000)", "varchar(20)", "string", "type text"},
	{"city", "list_value('São Paulo','Zürich','Kraków','Łódź','Oslo','Rome','Quito')[CAST(i % 7 AS INTEGER) + 1]", "text", "string", "type text"},
	{"note", "CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || md5(CAST(i AS VARCHAR))[1:12] END", "text", "string", "type text"},
	{"parent", "i // 10", "bigint", "int64", "Int64.Type"},
	{"score", "CAST(i % 1000 AS INTEGER)", "integer", "int64", "Int64.Type"},
}

func rows() int {
	n, err := strconv.Atoi(os.Getenv("FRESHET_BENCH_ROWS"))
	if err != nil || n < 1 {
		return 5_000_000
	}
	return n
}

func binary(b *testing.B) string {
	b.Helper()
	bin := os.Getenv("FRESHET_BIN")
	if bin == "" {
		b.Skip("FRESHET_BIN is not set: run `make bench`")
	}
	return bin
}

func dataDir(b *testing.B) string {
	b.Helper()
	dir := os.Getenv("FRESHET_BENCH_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "freshet-bench")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	return dir
}

func duckdb(b *testing.B, statements ...string) {
	b.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}

// csvFile makes the measured rows as a CSV file with a header, once.
func csvFile(b *testing.B) string {
	b.Helper()
	path := filepath.Join(dataDir(b), fmt.Sprintf("rows-%d.csv", rows()))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	var list []string
	for _, c := range columns {
		list = append(list, c.expression+` AS "`+c.name+`"`)
	}
	duckdb(b, fmt.Sprintf("COPY (SELECT %s FROM range(%d) t(i)) TO '%s.part' (FORMAT csv, HEADER true)", strings.Join(list, ", "), rows(), path))
	if err := os.Rename(path+".part", path); err != nil {
		b.Fatal(err)
	}
	return path
}

// postgresTable loads the measured rows into PostgreSQL, once, and returns the server's URL.
func postgresTable(b *testing.B) string {
	b.Helper()
	url := os.Getenv("FRESHET_TEST_POSTGRES")
	if url == "" {
		b.Skip("FRESHET_TEST_POSTGRES is not set: run `make bench`")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	var have int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM bench_rows").Scan(&have); err == nil && have == rows() {
		return url
	}
	var list []string
	for _, c := range columns {
		list = append(list, `"`+c.name+`" `+c.postgres)
	}
	if _, err := conn.Exec(ctx, "DROP TABLE IF EXISTS bench_rows; CREATE TABLE bench_rows ("+strings.Join(list, ", ")+")"); err != nil {
		b.Fatal(err)
	}
	file, err := os.Open(csvFile(b))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	if _, err := conn.PgConn().CopyFrom(ctx, file, "COPY bench_rows FROM STDIN (FORMAT csv, HEADER true)"); err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "VACUUM ANALYZE bench_rows"); err != nil {
		b.Fatal(err)
	}
	return url
}

// server is a running `freshet serve` of its own data directory.
type server struct {
	cmd  *exec.Cmd
	url  string
	log  bytes.Buffer
	bin  string
	dead chan error
}

func start(b *testing.B, config string) *server {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	dir := b.TempDir()
	path := filepath.Join(dir, "freshet.yaml")
	if err := os.WriteFile(path, []byte("auth: {mode: none}\nlimits: {requestsPerMinute: 100000000, refreshesPerHour: 100000000}\n"+config), 0o600); err != nil {
		b.Fatal(err)
	}
	s := &server{url: "http://" + address, bin: binary(b), dead: make(chan error, 1)}
	s.cmd = exec.Command(s.bin, "serve", "--config", path, "--data", filepath.Join(dir, "data"), "--listen", address)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() { s.dead <- s.cmd.Wait() }()
	b.Cleanup(func() {
		s.cmd.Process.Signal(os.Interrupt)
		<-s.dead
		if b.Failed() {
			b.Logf("the server said:\n%s", s.log.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		response, err := http.Get(s.url + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			b.Fatalf("the server is not ready: %v\n%s", err, s.log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// freshet runs a verb against the server and fails the benchmark when it fails.
func (s *server) freshet(b *testing.B, args ...string) string {
	b.Helper()
	cmd := exec.Command(s.bin, args...)
	cmd.Env = append(os.Environ(), "FRESHET_HOST="+s.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("freshet %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// peakMiB is the process's high-water mark of resident memory.
func (s *server) peakMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmHWM in /proc/PID/status")
	return 0
}

// bim writes a model.bim of tables, each with the given partitions' M, and returns its path.
func bim(b *testing.B, name string, typed bool, partitions map[string][]string) string {
	b.Helper()
	type object = map[string]any
	var tables []object
	for table, expressions := range partitions {
		var cols, parts []object
		for _, c := range columns {
			data := c.data
			if !typed {
				data = "string"
			}
			cols = append(cols, object{"name": c.name, "dataType": data, "sourceColumn": c.name})
		}
		for i, m := range expressions {
			parts = append(parts, object{"name": fmt.Sprintf("%s-%03d", table, i+1), "source": object{"type": "m", "expression": m}})
		}
		tables = append(tables, object{"name": table, "columns": cols, "partitions": parts})
	}
	return writeBim(b, name, tables)
}

func writeBim(b *testing.B, name string, tables any) string {
	b.Helper()
	text, err := json.MarshalIndent(map[string]any{"name": name, "compatibilityLevel": 1567,
		"model": map[string]any{"culture": "en-US", "tables": tables}}, "", "  ")
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "model.bim")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// compare runs floor and ours in turn, three times each, and reports the medians and their ratio: machines are noisy.
func compare(b *testing.B, aim float64, floor, ours func()) {
	b.Helper()
	const turns = 3
	var floors, times []time.Duration
	for range turns {
		begin := time.Now()
		floor()
		middle := time.Now()
		ours()
		floors, times = append(floors, middle.Sub(begin)), append(times, time.Since(middle))
	}
	f, t := median(floors), median(times)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(f.Seconds(), "floor-s")
	b.ReportMetric(t.Seconds(), "freshet-s")
	b.ReportMetric(t.Seconds()/f.Seconds(), "ratio")
	b.ReportMetric(aim, "aim-ratio")
}

func median(list []time.Duration) time.Duration {
	for i := range list {
		for j := i; j > 0 && list[j] < list[j-1]; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list[len(list)/2]
}

func postgresPath(b *testing.B, url string) (setting, server, database string) {
	b.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		b.Fatal(err)
	}
	server, database = fmt.Sprintf("%s:%d", config.Host, config.Port), config.Database
	return fmt.Sprintf("  - {kind: PostgreSQL, path: %q, username: %q, password: %q, maxConnections: 12}\n", server+";"+database, config.User, config.Password), server, database
}

func BenchmarkPostgresToVersion(b *testing.B) {
	bin := binary(b)
	url := postgresTable(b)
	setting, host, database := postgresPath(b, url)
	s := start(b, "dataSources:\n"+setting)
	_ = bin
	m := fmt.Sprintf("let Source = PostgreSQL.Database(%q, %q), Rows = Source{[Schema=\"public\",Item=\"bench_rows\"]}[Data] in Rows", host, database)
	s.freshet(b, "deploy", bim(b, "Postgres", true, map[string][]string{"Rows": {m}}), "--workspace", "Bench", "--name", "Postgres")
	for b.Loop() {
		compare(b, 1.4, func() {
			out, err := exec.Command("psql", url, "-c", `\copy bench_rows to '/dev/null' (format binary)`).CombinedOutput()
			if err != nil {
				b.Fatalf("psql: %v\n%s", err, out)
			}
		}, func() { s.freshet(b, "refresh", "Postgres", "--type", "full", "--wait") })
	}
	b.ReportMetric(s.peakMiB(b), "peak-MiB")
	b.ReportMetric(512, "aim-MiB")
}

func csvM(path string, typed bool) string {
	m := fmt.Sprintf("let\n    Source = Csv.Document(File.Contents(%q),[Delimiter=\",\", Columns=%d, Encoding=65001, QuoteStyle=QuoteStyle.None]),\n"+
		"    #\"Promoted Headers\" = Table.PromoteHeaders(Source, [PromoteAllScalars=true])", path, len(columns))
	if !typed {
		return m + "\nin\n    #\"Promoted Headers\""
	}
	var types []string
	for _, c := range columns {
		types = append(types, fmt.Sprintf("{%q, %s}", c.name, c.m))
	}
	return m + ",\n    #\"Changed Type\" = Table.TransformColumnTypes(#\"Promoted Headers\",{" + strings.Join(types, ", ") + "})\nin\n    #\"Changed Type\""
}

func benchmarkCSV(b *testing.B, typed bool, aim float64, floor string) {
	path := csvFile(b)
	s := start(b, fmt.Sprintf("dataSources:\n  - {kind: File, path: %q}\n", filepath.Dir(path)))
	s.freshet(b, "deploy", bim(b, "Csv", typed, map[string][]string{"Rows": {csvM(path, typed)}}), "--workspace", "Bench", "--name", "Csv")
	target := filepath.Join(b.TempDir(), "floor.parquet")
	for b.Loop() {
		compare(b, aim,
			func() {
				duckdb(b, fmt.Sprintf("COPY (SELECT * FROM "+floor+") TO '%s' (FORMAT parquet)", path, target))
			},
			func() { s.freshet(b, "refresh", "Csv", "--type", "full", "--wait") })
	}
	b.ReportMetric(s.peakMiB(b), "peak-MiB")
	b.ReportMetric(512, "aim-MiB")
}

func BenchmarkCSVUntyped(b *testing.B) {
	benchmarkCSV(b, false, 1.15, "read_csv('%s', all_varchar = true)")
}

func BenchmarkCSVTyped(b *testing.B) { benchmarkCSV(b, true, 1.5, "read_csv('%s')") }

// BenchmarkMemoryTenPartitions loads ten partitions of a million 200-byte rows at once under a capacity of 1 GiB.
func BenchmarkMemoryTenPartitions(b *testing.B) {
	dir := filepath.Join(dataDir(b), "wide")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	n := rows() / 5
	var parts []map[string]any
	for i := range 10 {
		path := filepath.Join(dir, fmt.Sprintf("part-%d-%d.csv", n, i))
		if _, err := os.Stat(path); err != nil {
			duckdb(b, fmt.Sprintf("COPY (SELECT i AS id, md5(CAST(i AS VARCHAR)) || md5(CAST(i + 1 AS VARCHAR)) || md5(CAST(i + 2 AS VARCHAR)) AS a, "+
				"md5(CAST(i + 3 AS VARCHAR)) || md5(CAST(i + 4 AS VARCHAR)) || md5(CAST(i + 5 AS VARCHAR)) AS b FROM range(%d, %d) t(i)) TO '%s' (FORMAT csv, HEADER true)", i*n, (i+1)*n, path))
		}
		m := fmt.Sprintf("let\n    Source = Csv.Document(File.Contents(%q),[Delimiter=\",\", Columns=3, Encoding=65001, QuoteStyle=QuoteStyle.None]),\n"+
			"    Promoted = Table.PromoteHeaders(Source, [PromoteAllScalars=true]),\n    Typed = Table.TransformColumnTypes(Promoted,{{\"id\", Int64.Type}})\nin\n    Typed", path)
		parts = append(parts, map[string]any{"name": fmt.Sprintf("Part %d", i), "source": map[string]any{"type": "m", "expression": m}})
	}
	s := start(b, fmt.Sprintf("dataSources:\n  - {kind: File, path: %q}\ncapacities: [{name: default, memory: 1GiB, maxConcurrentRefreshes: 4}]\n", dir))
	s.freshet(b, "deploy", writeBim(b, "Wide", []map[string]any{{"name": "Wide", "partitions": parts, "columns": []map[string]any{
		{"name": "id", "dataType": "int64", "sourceColumn": "id"}, {"name": "a", "dataType": "string", "sourceColumn": "a"}, {"name": "b", "dataType": "string", "sourceColumn": "b"},
	}}}), "--workspace", "Bench", "--name", "Wide")
	for b.Loop() {
		begin := time.Now()
		s.freshet(b, "refresh", "Wide", "--type", "full", "--max-parallelism", "10", "--wait")
		b.ReportMetric(time.Since(begin).Seconds(), "freshet-s")
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(s.peakMiB(b), "peak-MiB")
	b.ReportMetric(1024+256, "aim-MiB")
}

func BenchmarkConditions(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(runtime.NumCPU()), "cpus")
		b.ReportMetric(float64(rows()), "rows")
	}
}
