package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// TestF3Progress: rows, bytes, speed and totals under the key freshet while the loads run, from a database and from a file.
func TestF3Progress(t *testing.T) {
	const rows, before = 400_000, 300_000
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("id\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d\n", i)
	}
	file := write(t, dir, "rows.csv", b.String())
	p := newPostgres(t, fmt.Sprintf("CREATE TABLE rows AS SELECT g::bigint AS id FROM generate_series(1, %d) g", rows), "ANALYZE rows")
	gate := p.gate(t, 1)
	p.run(t, fmt.Sprintf("CREATE VIEW gated AS SELECT id FROM rows WHERE id <= %d OR %s", before, strings.Replace(gate, "SELECT", "SELECT id IS NOT NULL AND", 1)))
	r := start(t, p.source(), fileSource(dir))
	ref := r.deploy(t, "Progress", modelOf(t, "Progress", tableOf("D", "id int64", reads("P", p.from("gated"))), tableOf("F", "id int64", readsCSV("P", file, `{"id", Int64.Type}`))))
	id := r.post(t, ref, `{"type":"full"}`)
	var detail powerbi.RefreshDetail
	eventually(t, "rows have come", func() bool {
		var err error
		if detail, err = r.RefreshDetail(t.Context(), ref, id); err != nil {
			t.Fatal(err)
		}
		return objectOf(t, detail, "D", "P").Rows > 100_000 && objectOf(t, detail, "F", "P").Status == powerbi.Completed
	})
	database, csv := objectOf(t, detail, "D", "P"), objectOf(t, detail, "F", "P")
	if database.Status != powerbi.InProgress || database.Rows > before || database.Bytes < database.Rows || database.RowsPerSecond <= 0 || database.StartTime.IsZero() || !database.EndTime.IsZero() {
		t.Errorf("the database: %+v", database)
	}
	if csv.Rows != rows || csv.Bytes <= 0 || csv.EndTime.IsZero() {
		t.Errorf("the file: %+v", csv)
	}
	if f := detail.Freshet; f.RequestID != id || f.State != "Running" || f.Rows != database.Rows+csv.Rows || f.RefreshType != "ViaEnhancedApi" {
		t.Errorf("the whole: %+v", f)
	}
	p.open(t, 1)
	detail = r.ended(t, ref, id)
	if f := detail.Freshet; detail.Status != powerbi.Completed || f.Rows != 2*rows || f.State != "Completed" || f.Version <= 0 {
		t.Errorf("at the end: %s %+v", detail.Status, f)
	}
}

// TestF3Total: a table of a database tells how many rows are to be expected.
func TestF3Total(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE rows AS SELECT g::bigint AS id, repeat('x', 200) AS pad FROM generate_series(1, 200000) g", "ANALYZE rows")
	r := start(t, p.source())
	ref := r.deploy(t, "Total", modelOf(t, "Total", tableOf("T", "id int64, pad string", reads("P", p.from("rows")))))
	id := r.post(t, ref, `{"type":"full"}`)
	var most powerbi.ObjectProgress
	eventually(t, "the end", func() bool {
		detail, err := r.RefreshDetail(t.Context(), ref, id)
		if err != nil {
			t.Fatal(err)
		}
		if got := objectOf(t, detail, "T", "P"); got.Status == powerbi.InProgress && got.TotalRows+got.TotalBytes > 0 {
			most = got
		}
		return detail.Status.Ended()
	})
	if most.TotalRows < 190_000 || most.TotalRows > 210_000 {
		t.Errorf("the total is %d: %+v", most.TotalRows, most)
	}
}

// TestF11Isolation: a query whose rows are still being read when a refresh commits sees the old version to its end, as does one over two tables.
func TestF11Isolation(t *testing.T) {
	dir := t.TempDir()
	r := start(t, fileSource(dir))
	ref := r.deploy(t, "Generations", generationsModel(t, dir))
	many := func(number int) {
		t.Helper()
		text := "Generation\n" + strings.Repeat(fmt.Sprintf("%d\n", number), 400)
		for _, name := range []string{"A1", "A2", "B1"} {
			write(t, dir, name+".csv", text)
		}
	}
	many(1)
	r.completed(t, ref, `{"type":"full"}`)
	rows, err := r.Query(t.Context(), ref.DatasetID, "SELECT A.Generation, B.Generation, repeat('x', 60) FROM A, B")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if _, err := rows.Next(); err != nil {
		t.Fatal(err)
	}
	for generation := 2; generation <= 4; generation++ { // more versions than are kept without a reader
		many(generation)
		r.completed(t, ref, `{"type":"full"}`)
		if got := r.values(t, ref, "SELECT DISTINCT A.Generation, B.Generation FROM A, B"); got != fmt.Sprintf("%d|%[1]d", generation) {
			t.Fatalf("a new query sees %s", got)
		}
	}
	n := 1
	for {
		cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(cells[0]) != "1" || string(cells[1]) != "1" {
			t.Fatalf("row %d is of generations %s and %s", n, cells[0], cells[1])
		}
		n++
	}
	if n != 800*400 {
		t.Errorf("%d rows", n)
	}
}

// TestF11Refusals: user-written SQL reads the tables of its model and nothing else, and changes nothing.
func TestF11Refusals(t *testing.T) {
	dir := t.TempDir()
	config := configured(t, fileSource(dir))
	h := startHost(t, config)
	ref := h.deploy(t, "Small", small(t, dir))
	h.completed(t, ref, `{"type":"full"}`)
	other := h.deploy(t, "Other", modelOf(t, "Other", tableOf("Hidden", "Id int64", readsCSV("P", filepath.Join(dir, "small.csv"), `{"Id", Int64.Type}`))))
	h.completed(t, other, `{"type":"full"}`)
	var parquet []string
	err := filepath.WalkDir(filepath.Join(config.Data, "files"), func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			parquet = append(parquet, path)
		}
		return err
	})
	if err != nil || len(parquet) != 2 {
		t.Fatalf("%v, files %v", err, parquet)
	}
	refused := map[string]string{
		"SELECT * FROM read_text('/etc/passwd')":                             "read_text",
		"SELECT * FROM read_csv('" + dir + "/small.csv')":                    "read_csv",
		"SELECT * FROM '" + dir + "/small.csv'":                              "small.csv",
		"SELECT * FROM glob('/**')":                                          "glob",
		"SELECT * FROM Hidden":                                               "Hidden",
		"COPY (SELECT 1) TO '" + dir + "/out.csv'":                           "COPY",
		"COPY Small TO '" + parquet[0] + "'":                                 "COPY",
		"ATTACH '" + filepath.Join(config.Data, "catalog.db") + "'":          "ATTACH",
		"SET enable_external_access = true":                                  "SET",
		"RESET ALL":                                                          "",
		"PRAGMA version":                                                     "PRAGMA",
		"INSTALL httpfs":                                                     "INSTALL",
		"LOAD httpfs":                                                        "LOAD",
		"DROP VIEW Small":                                                    "DROP",
		"CREATE TABLE x AS SELECT 1":                                         "CREATE",
		"INSERT INTO Small VALUES (1)":                                       "INSERT",
		"SELECT 1; SELECT 2":                                                 "2 statements",
		"SELECT getenv('HOME')":                                              "getenv",
		"SELECT current_setting('temp_directory')":                           "current_setting",
		"SELECT * FROM duckdb_settings()":                                    "duckdb_settings",
		"SELECT * FROM information_schema.tables":                            "",
		"SELECT * FROM query('SELECT 1')":                                    "query",
		"SELECT * FROM query_table('Small')":                                 "query_table",
		"WITH x AS (SELECT * FROM read_blob('/etc/passwd')) SELECT * FROM x": "read_blob",
		"SELECT (SELECT content FROM read_text('/etc/hostname')) FROM Small": "read_text",
		"EXPORT DATABASE '" + dir + "'":                                      "",
		"EXPLAIN ANALYZE SELECT 1":                                           "",
		"":                                                                   "",
	}
	for _, path := range parquet {
		refused["SELECT * FROM read_parquet('"+path+"')"] = "read_parquet"
		refused["SELECT * FROM '"+path+"'"] = ""
	}
	for sql, names := range refused {
		body, err := json.Marshal(powerbi.QueryRequest{SQL: sql})
		if err != nil {
			t.Fatal(err)
		}
		got := h.raw(t, "POST", "/v1.0/freshet/datasets/"+ref.DatasetID+"/query", string(body))
		if got.status != http.StatusBadRequest || !strings.Contains(errorOf(t, got).Message, names) {
			t.Errorf("%s: %d %s", sql, got.status, got.body)
		}
	}
	for _, sql := range []string{"SELECT count(*) FROM Small", "FROM Small", "WITH x AS (FROM Small) SELECT max(Id) FROM x;", "VALUES (1)", `SELECT "Id" FROM SMALL -- the end`} {
		h.values(t, ref, sql)
	}
	if got := h.values(t, ref, "SELECT sum(Id) FROM Small"); got != "6" {
		t.Errorf("the rows come to %s", got)
	}
}
