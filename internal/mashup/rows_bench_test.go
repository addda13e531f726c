package mashup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	"freshet.dev/internal/source/file"
	"freshet.dev/internal/source/parquet"
)

// BenchmarkRows loads 100,000 rows of 12 mixed columns by rows: what a row costs that does not fold.
func BenchmarkRows(b *testing.B) {
	ctx := context.Background()
	folder := b.TempDir()
	registry, err := source.NewRegistry([]source.Kind{file.Kind()}, source.Formats{CSV: csv.Open, Parquet: parquet.Open}, []source.Setting{{Kind: "File", Path: folder}})
	if err != nil {
		b.Fatal(err)
	}
	var data strings.Builder
	data.WriteString("id,quantity,price,ratio,active,day,moment,code,city,note,parent,score\n")
	const rows = 100_000
	for i := range rows {
		fmt.Fprintf(&data, "%d,%d,%.2f,%v,%v,2024-%02d-%02d,2024-01-%02d 10:%02d:%02d,C%d,Kraków,note %x,%d,%d\n",
			i, i%97, float64(i*7919%1000000)/100, float64(i%10007)/10007, i%3 == 0, i%12+1, i%28+1, i%28+1, i%60, i%59, i%5000, i*2654435761, i/10, i%1000)
	}
	path := filepath.Join(folder, "rows.csv")
	if err := os.WriteFile(path, []byte(data.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	typed := `Table.TransformColumnTypes(` + csvSource(path, 65001) + `, {{"id", Int64.Type}, {"quantity", Int64.Type}, {"price", Currency.Type}, {"ratio", type number}, {"active", type logical},
		{"day", type date}, {"moment", type datetime}, {"code", type text}, {"city", type text}, {"note", type text}, {"parent", Int64.Type}, {"score", Int64.Type}})`
	for name, step := range map[string]string{
		"map":      `Tagged`,
		"sort":     `Table.Sort(Tagged, {{"tag", Order.Ascending}, {"moment", Order.Descending}})`,
		"group":    `Table.Group(Tagged, {"parent"}, {{"id", each List.Max([id]), Int64.Type}, {"quantity", each List.Sum([quantity]), Int64.Type}})`,
		"distinct": `Table.Distinct(Tagged)`,
		"join":     `Table.Join(Tagged, "id", Table.SelectColumns(Table.RenameColumns(Tagged, {{"id", "other"}, {"tag", "othertag"}}), {"other", "othertag"}), "other")`,
	} {
		b.Run(name, func(b *testing.B) {
			db, err := duck.Open(ctx, duck.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			conn, err := db.Conn(ctx)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			d, err := NewDocument(nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				r, err := d.Table(ctx, &Env{Sources: registry, Memory: 16 << 20}, "let Tagged = Table.AddColumn("+typed+`, "tag", each Text.Reverse([code]), type text) in `+step, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := r.Load(ctx, conn, targetsFor(r), filepath.Join(folder, "out.parquet")); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
