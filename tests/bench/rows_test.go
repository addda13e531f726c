package bench

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rowsM is the query that Power BI Desktop writes for the CSV file, a step that does not fold, and a step that needs all rows.
func rowsM(path, step string) string {
	typed := strings.TrimSuffix(csvM(path, true), "\nin\n    #\"Changed Type\"")
	return typed + ",\n    Tagged = Table.AddColumn(#\"Changed Type\", \"tag\", each Text.Reverse([code]), type text),\n    Result = " + step + "\nin\n    Result"
}

// BenchmarkRows loads one partition whose steps are evaluated row by row: after the first step that does not fold, one that needs all
// rows. What is measured is the time, and the process's high-water mark.
func BenchmarkRows(b *testing.B) {
	all := []string{"tag"}
	for _, c := range columns {
		all = append(all, c.name)
	}
	for _, c := range []struct {
		name, step string
		columns    []string
	}{
		{"Map", `Tagged`, all},
		{"Sort", `Table.Sort(Tagged, {{"tag", Order.Ascending}, {"moment", Order.Descending}})`, all},
		{"Group", `Table.Group(Tagged, {"parent", "tag"}, {{"id", each List.Max([id]), Int64.Type}, {"quantity", each List.Sum([quantity]), Int64.Type}, {"score", each Table.RowCount(_), Int64.Type}})`,
			[]string{"parent", "tag", "id", "quantity", "score"}},
		{"Distinct", `Table.Distinct(Tagged)`, all},
		{"Join", `Table.Join(Tagged, "id", Table.SelectColumns(Table.RenameColumns(Tagged, {{"id", "other"}, {"tag", "othertag"}}), {"other", "othertag"}), "other", JoinKind.LeftOuter)`,
			append([]string{"other", "othertag"}, all...)},
	} {
		b.Run(c.name, func(b *testing.B) {
			path := csvFile(b)
			s := start(b, fmt.Sprintf("dataSources:\n  - {kind: File, path: %q}\n", filepath.Dir(path)))
			data := map[string]string{"tag": "string", "othertag": "string", "other": "int64"}
			for _, column := range columns {
				data[column.name] = column.data
			}
			var cols []map[string]any
			for _, name := range c.columns {
				cols = append(cols, map[string]any{"name": name, "dataType": data[name], "sourceColumn": name})
			}
			s.freshet(b, "deploy", writeBim(b, "Rows", []map[string]any{{"name": "Rows", "columns": cols,
				"partitions": []map[string]any{{"name": "Rows", "source": map[string]any{"type": "m", "expression": rowsM(path, c.step)}}}}}), "--workspace", "Bench", "--name", "Rows")
			for b.Loop() {
				begin := time.Now()
				s.freshet(b, "refresh", "Rows", "--type", "full", "--wait")
				b.ReportMetric(time.Since(begin).Seconds(), "freshet-s")
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(s.peakMiB(b), "peak-MiB")
			b.ReportMetric(512, "aim-MiB")
		})
	}
}
