package duck

import "strings"

// Ident quotes a name for DuckDB.
func Ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal writes text as a string literal of DuckDB. No text holds a zero byte there: Exec and Query refuse it.
func Literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// List writes texts as a list of string literals, as read_parquet and read_csv take for several files.
func List(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = Literal(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
