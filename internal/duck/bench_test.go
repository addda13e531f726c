//go:build duckdb_arrow

package duck

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// benchRows is FRESHET_BENCH_ROWS or 5 million.
func benchRows() string {
	if rows := os.Getenv("FRESHET_BENCH_ROWS"); rows != "" {
		return rows
	}
	return "5000000"
}

const benchColumns = `range AS id, range % 1000 AS key, (hash(range) % 65536)::BIGINT AS h, 'name ' || range % 5000 AS name, md5(range::VARCHAR) AS code,
	(range % 100000 / 7)::DECIMAL(19,4) AS price, range * 0.37 AS x, TIMESTAMP '2020-01-01' + to_seconds(range) AS at, range % 3 = 0 AS flag,
	CASE WHEN range % 10 = 0 THEN NULL ELSE range % 50 END AS few, 'a somewhat longer text that repeats itself ' || range % 20 AS note, range / 3 AS third`

// BenchmarkWriteParquet measures one partition of 12 mixed columns on its way to a file.
func BenchmarkWriteParquet(b *testing.B) {
	for _, format := range []string{parquetForm, "COMPRESSION snappy", "COMPRESSION zstd", "COMPRESSION zstd, COMPRESSION_LEVEL 1", "COMPRESSION snappy, PARQUET_VERSION v2"} {
		b.Run(format, func(b *testing.B) {
			_, conn := openTest(b, Options{})
			if err := conn.Exec(b.Context(), "CREATE TABLE t AS SELECT "+benchColumns+" FROM range("+benchRows()+")"); err != nil {
				b.Fatal(err)
			}
			path := filepath.Join(b.TempDir(), "f.parquet")
			for b.Loop() {
				written, err := conn.writeParquet(b.Context(), "FROM t", path, format)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(written.Bytes)/1e6, "MB")
			}
		})
	}
}

// BenchmarkOpenSelect measures what the first reader of a version pays.
func BenchmarkOpenSelect(b *testing.B) {
	for _, count := range []int{1, 20, 200} {
		b.Run(fmt.Sprintf("%d tables", count), func(b *testing.B) {
			_, conn := openTest(b, Options{})
			path := filepath.Join(b.TempDir(), "f.parquet")
			if _, err := conn.WriteParquet(b.Context(), "SELECT 1::BIGINT AS n", path); err != nil {
				b.Fatal(err)
			}
			var tables []Table
			for i := range count {
				tables = append(tables, Table{Name: fmt.Sprint("Table ", i), Columns: []Column{{"n", Int64}}, Files: []string{path}})
			}
			for b.Loop() {
				door, err := OpenSelect(b.Context(), Options{}, tables)
				if err != nil {
					b.Fatal(err)
				}
				if err := door.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSelect measures queries over a table of 5 million rows, from parsing to the last batch.
func BenchmarkSelect(b *testing.B) {
	_, conn := openTest(b, Options{})
	path := filepath.Join(b.TempDir(), "f.parquet")
	if _, err := conn.WriteParquet(b.Context(), "SELECT "+benchColumns+" FROM range("+benchRows()+")", path); err != nil {
		b.Fatal(err)
	}
	door, err := OpenSelect(b.Context(), Options{}, []Table{{Name: "Fact", Columns: []Column{
		{"id", Int64}, {"key", Int64}, {"name", Text}, {"price", Decimal}, {"at", Timestamp},
	}, Files: []string{path}}})
	if err != nil {
		b.Fatal(err)
	}
	defer door.Close()
	for name, sql := range map[string]string{
		"nothing": "SELECT 1",
		"one":     "SELECT name FROM Fact WHERE id = 77",
		"group":   "SELECT key, sum(price), count(*) FROM Fact GROUP BY key ORDER BY 2 DESC LIMIT 10",
		"all":     "FROM Fact",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				reader, err := door.Query(b.Context(), sql)
				if err != nil {
					b.Fatal(err)
				}
				var rows int64
				for reader.Next() {
					rows += reader.RecordBatch().NumRows()
				}
				if err := reader.Err(); err != nil {
					b.Fatal(err)
				}
				reader.Release()
				b.ReportMetric(float64(rows), "rows")
			}
		})
	}
}

// BenchmarkFunction measures the slow path of a cell's conversion: text to double, a Go function for each row.
func BenchmarkFunction(b *testing.B) {
	db, conn := openTest(b, Options{})
	err := db.Function(b.Context(), "to_double", []Type{Text}, Double, func(args *Args, results *Results) error {
		for row := range args.Rows() {
			value, err := strconv.ParseFloat(args.Text(0, row), 64)
			if err != nil {
				return err
			}
			results.SetDouble(row, value)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := conn.Exec(b.Context(), "CREATE TABLE t AS SELECT (range * 0.25)::VARCHAR AS x FROM range("+benchRows()+")"); err != nil {
		b.Fatal(err)
	}
	for name, sql := range map[string]string{"cast": "SELECT sum(x::DOUBLE) FROM t", "function": "SELECT sum(to_double(x)) FROM t"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := lines(b.Context(), conn.Query, sql); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
