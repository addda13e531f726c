package duck

import "strings"

// Ident quotes a name for DuckDB.
func Ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal writes text as a string literal of DuckDB. Exec and Query refuse a zero byte, and what is not UTF-8.
func Literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// List writes texts as a list of string literals, as read_parquet and read_csv take for several files.
func List(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = Literal(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
