package postgres

import (
	"os/exec"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"freshet.dev/internal/source"
	"freshet.dev/internal/source/sourcetest"
)

const benchRows = 1_000_000

// BenchmarkPostgresExtract reads a million rows of 12 mixed columns, and psql's copy of the same to nowhere beside it: the floor.
func BenchmarkPostgresExtract(b *testing.B) {
	server := sourcetest.NewPostgres(b)
	server.Exec(b, `CREATE TABLE wide AS SELECT i::bigint AS id, (i % 97)::integer AS quantity, ((i::bigint * 7919 % 1000000) / 100.0)::numeric(12,2) AS price,
		(i % 10007) / 10007.0::double precision AS ratio, i % 3 = 0 AS active, DATE '2020-01-01' + (i % 2000)::integer AS day,
		TIMESTAMP '2020-01-01' + (i % 60000000) * interval '1 second' AS moment, ('C' || (i % 5000))::varchar(20) AS code,
		(ARRAY['São Paulo','Zürich','Kraków','Łódź','Oslo','Rome','Quito'])[i % 7 + 1] AS city,
		CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || substr(md5(i::text), 1, 12) END AS note, (i / 10)::bigint AS parent, (i % 1000)::integer AS score
		FROM generate_series(1, 1000000) AS i`)
	server.Exec(b, "VACUUM ANALYZE wide")
	b.Run("freshet", func(b *testing.B) {
		database, err := registry(b, server.Setting()).Database(b.Context(), source.Ref{Kind: "PostgreSQL", Path: server.Path})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			rows, err := database.Read(b.Context(), "SELECT * FROM wide", source.ReadOptions{Allocator: memory.NewGoAllocator()})
			if err != nil {
				b.Fatal(err)
			}
			var read int64
			for rows.Next() {
				read += rows.RecordBatch().NumRows()
			}
			if rows.Err() != nil || read != benchRows {
				b.Fatal(read, rows.Err())
			}
			rows.Release()
		}
		perSecond(b)
	})
	b.Run("psql", func(b *testing.B) {
		for b.Loop() {
			if out, err := exec.Command("psql", server.URL, "-X", "-q", "-c", `\copy (SELECT * FROM wide) TO '/dev/null' WITH (FORMAT binary)`).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
		}
		perSecond(b)
	})
}

func perSecond(b *testing.B) {
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(time.Millisecond), "ms/op")
}
