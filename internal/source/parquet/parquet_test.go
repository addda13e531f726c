package parquet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

const sample = `SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'text ' || i END AS t, (i * 1.25)::DECIMAL(12,2) AS d, i / 7::DOUBLE AS f, i % 2 = 0 AS b,
	DATE '2020-02-28' + i::INTEGER AS day, TIMESTAMP '2020-01-01 00:00:00.000001' + to_seconds(i) AS at, encode('é') AS x FROM range(40000) AS r(i)`

func write(t *testing.T, conn *duck.Conn, sql string) source.Content {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.parquet")
	if err := conn.Exec(t.Context(), "COPY ("+sql+") TO "+duck.Literal(path)+" (FORMAT parquet, ROW_GROUP_SIZE 10000)"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return source.Content{Path: path, Size: info.Size()}
}

func duckConn(t *testing.T) *duck.Conn {
	t.Helper()
	db, err := duck.Open(t.Context(), duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// lines returns every row as text.
func lines(t *testing.T, rows array.RecordReader) []string {
	t.Helper()
	defer rows.Release()
	var all []string
	for rows.Next() {
		batch := rows.RecordBatch()
		for r := range int(batch.NumRows()) {
			var line []string
			for _, c := range batch.Columns() {
				line = append(line, strings.Clone(c.ValueStr(r)))
			}
			all = append(all, strings.Join(line, "|"))
		}
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return all
}

func TestBothWaysAreEqual(t *testing.T) {
	conn := duckConn(t)
	content := write(t, conn, sample)
	scan, err := Open(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	want := "schema:\n  fields: 8\n    - i: type=int64, nullable\n    - t: type=utf8, nullable\n    - d: type=decimal(12, 2), nullable\n    - f: type=float64, nullable\n" +
		"    - b: type=bool, nullable\n    - day: type=date32, nullable\n    - at: type=timestamp[us], nullable\n    - x: type=binary, nullable"
	if got := scan.Schema().String(); got != want {
		t.Error(got)
	}
	if total := scan.Total(); total.TotalRows != 40000 || total.TotalBytes != content.Size {
		t.Error(total)
	}
	for _, skip := range []int64{0, 1, 12345} {
		from, why, err := scan.DuckDB(t.Context(), skip)
		if err != nil || why != "" {
			t.Fatal(why, err)
		}
		byDuck, err := conn.Query(t.Context(), "SELECT * FROM "+from)
		if err != nil {
			t.Fatal(err)
		}
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		byGo, err := scan.Read(t.Context(), skip, source.ReadOptions{Allocator: mem, BatchRows: 7000})
		if err != nil {
			t.Fatal(err)
		}
		a, b := lines(t, byDuck), lines(t, byGo)
		mem.AssertSize(t, 0)
		if len(a) != int(40000-skip) || len(b) != len(a) {
			t.Fatalf("%d rows by DuckDB, %d by Go", len(a), len(b))
		}
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("row %d: %s by DuckDB, %s by Go", i, a[i], b[i])
			}
		}
	}
}

func TestInMemory(t *testing.T) {
	content := write(t, duckConn(t), "SELECT 'a' AS x UNION ALL SELECT NULL")
	data, err := os.ReadFile(content.Path)
	if err != nil {
		t.Fatal(err)
	}
	scan, err := Open(t.Context(), source.Content{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if from, why, err := scan.DuckDB(t.Context(), 0); from != "" || why != "the bytes are in memory, not in a file" || err != nil {
		t.Error(from, why, err)
	}
	rows, err := scan.Read(t.Context(), 0, source.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lines(t, rows), " "); got != "a (null)" {
		t.Error(got)
	}
}

func TestFailures(t *testing.T) {
	content := write(t, duckConn(t), sample)
	for _, c := range []struct {
		content source.Content
		kind    fault.Kind
		want    string
	}{
		{source.Content{Path: "/nowhere/x.parquet"}, fault.NotFound, "cannot open '/nowhere/x.parquet': there is no such file or folder"},
		{source.Content{Data: []byte("a,b\n1,2\n")}, fault.Invalid, "cannot read the binary value as Parquet: "},
		{source.Content{}, fault.Invalid, "cannot read the binary value as Parquet: "},
	} {
		if _, err := Open(t.Context(), c.content); fault.KindOf(err) != c.kind || !strings.HasPrefix(err.Error(), c.want) {
			t.Error(err)
		}
	}
	scan, err := Open(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	rows, err := scan.Read(ctx, 0, source.ReadOptions{BatchRows: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Release()
	stop := errors.New("stopped by a test")
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	cancel(stop)
	if rows.Next() || rows.Err() != stop {
		t.Error(rows.Err())
	}
}
