package mashup

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestProgressCountsOnce (F3): the rows and bytes of a file are told once, however the statement that reads it is made.
func TestProgressCountsOnce(t *testing.T) {
	const rows = 300_000
	b := newFoldBench(t, nil, nil)
	var data strings.Builder
	data.WriteString("i,n,d,t\n")
	for i := range rows {
		data.WriteString(strconv.Itoa(i) + ",0.25,2024-02-29,some text\n")
	}
	path := b.write("p.csv", []byte(data.String()))
	targets := []Target{{Name: "i", Type: Int64Target}, {Name: "n", Type: DecimalTarget}, {Name: "d", Type: DateTimeTarget}, {Name: "t", Type: StringTarget}}
	texts := []Target{{Name: "i", Type: StringTarget}, {Name: "t", Type: StringTarget}}
	for _, c := range []struct {
		name, m string
		targets []Target
	}{
		{"texts", csvSource(path, 65001), texts},
		{"types", `Table.TransformColumnTypes(` + csvSource(path, 65001) + `, {{"i", Int64.Type}, {"n", Currency.Type}, {"d", type date}})`, targets},
		{"numbers", `Table.TransformColumnTypes(` + csvSource(path, 65001) + `, {{"i", Int64.Type}, {"n", type number}, {"d", type datetime}})`, targets},
		{"transcoded", `Table.TransformColumnTypes(` + csvSource(path, 1252) + `, {{"i", Int64.Type}, {"n", type number}, {"d", type datetime}})`, targets},
		{"by rows", `Table.StopFolding(` + csvSource(path, 65001) + `)`, texts},
	} {
		r := b.relation(c.m)
		most := make(chan Progress)
		done := make(chan struct{})
		go func() {
			var furthest Progress
			for {
				p := r.Progress()
				furthest.Rows, furthest.Bytes = max(furthest.Rows, p.Rows), max(furthest.Bytes, p.Bytes)
				select {
				case <-done:
					most <- furthest
					return
				default:
				}
			}
		}()
		read, _, err := r.Load(context.Background(), b.conn, c.targets, filepath.Join(t.TempDir(), "out.parquet"))
		close(done)
		seen, end := <-most, r.Progress()
		if err != nil || read != rows {
			t.Fatalf("%s: %d rows, %v", c.name, read, err)
		}
		want := int64(rows)
		if c.name == "by rows" {
			want++ // the headers are a row that is read
		}
		if seen.Rows > want || end.Rows != want {
			t.Errorf("%s: told %d rows, at the end %d of %d", c.name, seen.Rows, end.Rows, want)
		}
		if seen.Bytes > int64(data.Len()) || end.Bytes != int64(data.Len()) {
			t.Errorf("%s: told %d bytes, at the end %d of %d", c.name, seen.Bytes, end.Bytes, data.Len())
		}
	}
}
