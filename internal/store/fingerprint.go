package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"freshet.dev/internal/model"
)

// Fingerprint identifies what decides a partition's rows: its source, the data columns of its table with their types, and the
// shared expressions and data sources that the source names, directly or through others. Rows read under one fingerprint may be
// kept while the partition still has it.
//
// Shared are the model's expressions and the other tables whose rows come from M. One counts as named when its name stands in the text as a
// word or quoted identifier: also as a field's name, which errs on the side of loading again.
func Fingerprint(m *model.Model, table *model.Table, partition *model.Partition) string {
	type column struct{ Name, DataType, SourceColumn string }
	subject := struct {
		Culture     string
		Columns     []column
		Mode        string
		Source      model.PartitionSource
		Policy      string
		Expressions []model.Expression
		DataSources []model.DataSource
	}{Culture: m.Culture, Mode: strings.ToLower(partition.Mode), Source: partition.Source}
	if subject.Mode == "import" {
		subject.Mode = ""
	}
	subject.Source.Bookmark = ""
	for _, c := range table.Columns {
		if c.Type == model.DataColumn || c.Type == "" {
			subject.Columns = append(subject.Columns, column{c.Name, string(c.DataType), c.SourceColumn})
		}
	}
	texts := []string{partition.Source.Expression, "\x00" + partition.Source.DataSource}
	if partition.Source.Type == model.PolicyRangePartition && table.RefreshPolicy != nil {
		subject.Policy = table.RefreshPolicy.SourceExpression
		texts = append(texts, subject.Policy)
	}
	shared := m.Queries()
	reached := make([]bool, len(shared))
	for i := 0; i < len(texts); i++ {
		named := identifiers(texts[i])
		for e, expression := range shared {
			if !reached[e] && named[expression.Name] && expression.Name != table.Name {
				reached[e] = true
				texts = append(texts, expression.Text)
			}
		}
	}
	for e, expression := range shared {
		if reached[e] {
			subject.Expressions = append(subject.Expressions, *expression)
		}
	}
	for _, source := range m.DataSources {
		if source.Name == partition.Source.DataSource || slices.ContainsFunc(texts, func(text string) bool { return identifiers(text)[source.Name] }) {
			subject.DataSources = append(subject.DataSources, *source)
		}
	}
	encoded, err := json.Marshal(subject)
	if err != nil {
		panic("store: a fingerprint's subject holds text only: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}

// identifiers returns the words and the quoted identifiers (#"a ""b""") of an M text, without those in its literals and comments.
func identifiers(text string) map[string]bool {
	found := map[string]bool{}
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "//"):
			_, text, _ = strings.Cut(text, "\n")
		case strings.HasPrefix(text, "/*"):
			_, text, _ = strings.Cut(text[2:], "*/")
		case strings.HasPrefix(text, `#"`):
			var name string
			name, text = quoted(text[2:])
			found[name] = true
		case text[0] == '"':
			_, text = quoted(text[1:])
		default:
			end := strings.IndexFunc(text, func(r rune) bool { return r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
			switch {
			case end < 0:
				found[text], text = true, ""
			case end == 0:
				_, width := utf8.DecodeRuneInString(text)
				text = text[width:]
			default:
				found[text[:end]], text = true, text[end:]
			}
		}
	}
	return found
}

// quoted returns what stands before the closing quote, with doubled quotes undone, and the rest after it.
func quoted(text string) (content, rest string) {
	var b strings.Builder
	for {
		before, after, closed := strings.Cut(text, `"`)
		b.WriteString(before)
		if !closed || !strings.HasPrefix(after, `"`) {
			return b.String(), after
		}
		b.WriteByte('"')
		text = after[1:]
	}
}
