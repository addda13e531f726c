//go:build duckdb_arrow

package duck

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// What is quoted comes back as it was, whatever it holds, and nothing of it is SQL.
func FuzzQuote(f *testing.F) {
	_, conn := openTest(f, Options{})
	for _, text := range []string{
		"", "a", "'", "''", `"`, `""`, `\`, `\'`, `';--`, `'; SELECT 1; --`, `"; DROP TABLE x; --`, "$$", "$tag$", "e'\\n'", "é 日本 \u202e", "a\nb\r\n\t", "/*", "*/", "--", "?", "$1",
		"{'a': 1}", "%s", "E'\\''", "\u2019", "ı", "\u0301",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			for _, sql := range []string{"SELECT " + Literal(text), "SELECT 1 AS " + Ident(text)} {
				if rows, err := lines(t.Context(), conn.Query, sql); err == nil {
					t.Errorf("%q gives %q", sql, rows)
				}
			}
			return
		}
		reader, err := conn.Query(t.Context(), "SELECT "+Literal(text)+", len("+List([]string{text, "x" + text})+")")
		if err != nil {
			t.Fatalf("the literal of %q: %v", text, err)
		}
		if !reader.Next() || reader.RecordBatch().NumCols() != 2 || reader.RecordBatch().Column(0).ValueStr(0) != text || reader.RecordBatch().Column(1).ValueStr(0) != "2" {
			t.Errorf("the literal of %q gives %v", text, reader.RecordBatch())
		}
		reader.Release()
		if text == "" {
			return // no name is empty
		}
		reader, err = conn.Query(t.Context(), "SELECT "+Ident(text)+" AS "+Ident(text)+" FROM (SELECT 7 AS "+Ident(text)+") AS "+Ident(text))
		if err != nil {
			t.Fatalf("the name %q: %v", text, err)
		}
		if name := reader.Schema().Field(0).Name; name != text || !reader.Next() {
			t.Errorf("the name %q comes back as %q", text, name)
		}
		reader.Release()
	})
}
