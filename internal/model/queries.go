package model

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The parameters of the expressions of a refresh policy: a partition's rows are those in [RangeStart, RangeEnd). Letter case counts.
const (
	RangeStart = "RangeStart"
	RangeEnd   = "RangeEnd"
)

// Queries returns what M expressions of the model may name: the shared expressions, and each table whose rows come from M. A table gives the rows of
// all its partitions as their sources have them; one with a refresh policy gives those that its source expression has, within the range that is
// bound, if one is.
func (m *Model) Queries() []*Expression {
	queries := append([]*Expression(nil), m.Expressions...)
	for _, table := range m.Tables {
		if m.Expression(table.Name) != nil {
			continue
		}
		if table.RefreshPolicy != nil && table.RefreshPolicy.SourceExpression != "" {
			queries = append(queries, &Expression{Name: table.Name, Kind: "m", Text: table.RefreshPolicy.SourceExpression})
			continue
		}
		var parts []string
		for _, partition := range table.Partitions {
			if partition.Source.Type == MPartition && strings.TrimSpace(partition.Source.Expression) != "" {
				parts = append(parts, partition.Source.Expression)
			}
		}
		switch len(parts) {
		case 0:
		case 1:
			queries = append(queries, &Expression{Name: table.Name, Kind: "m", Text: parts[0]})
		default:
			queries = append(queries, &Expression{Name: table.Name, Kind: "m", Text: "Table.Combine({(\n" + strings.Join(parts, "\n), (\n") + "\n)})"})
		}
	}
	return queries
}

// Reached returns which of Queries M texts of a table name, directly or through others, in the order of Queries; not the table itself. One counts as
// named when its name stands in a text as a word or quoted identifier, also as a field's.
func (m *Model) Reached(of *Table, texts ...string) []*Expression {
	shared := m.Queries()
	reached := make([]bool, len(shared))
	for i := 0; i < len(texts); i++ {
		named := Identifiers(texts[i])
		for e, expression := range shared {
			if !reached[e] && named[expression.Name] && expression.Name != of.Name {
				reached[e] = true
				texts = append(texts, expression.Text)
			}
		}
	}
	var found []*Expression
	for e, expression := range shared {
		if reached[e] {
			found = append(found, expression)
		}
	}
	return found
}

// Identifiers returns the words and the quoted identifiers (#"a ""b""") of an M text, without those in its literals and comments.
func Identifiers(text string) map[string]bool {
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
