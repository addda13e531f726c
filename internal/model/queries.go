package model

import "strings"

// Queries returns what M expressions of the model may name: the shared expressions, and each table whose rows come from M, which gives the rows
// of all its partitions as their sources have them.
func (m *Model) Queries() []*Expression {
	queries := append([]*Expression(nil), m.Expressions...)
	for _, table := range m.Tables {
		if m.Expression(table.Name) != nil {
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
