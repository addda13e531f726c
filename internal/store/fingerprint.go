package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"freshet.dev/internal/model"
)

// Fingerprint identifies what decides a partition's rows: its source, the data columns of its table with their types, and the
// shared expressions and data sources that the source names, directly or through others. Rows read under one fingerprint may be
// kept while the partition still has it.
//
// Shared are the model's expressions and the other tables whose rows come from M; model.Reached says when one counts as named, which errs on the
// side of loading again. Of tables whose stored rows are read (Table.Reads) the columns count too: the rows come in their types. The fingerprint of a policy's partition says nothing of its range.
func Fingerprint(m *model.Model, table *model.Table, partition *model.Partition) string {
	type column struct {
		Name, DataType, SourceColumn string
		Moment                       string `json:",omitempty"`
	}
	columnsOf := func(table *model.Table) (columns []column) {
		for _, c := range table.Columns {
			if c.Type == model.DataColumn || c.Type == "" {
				columns = append(columns, column{c.Name, string(c.DataType), c.SourceColumn, c.Moment})
			}
		}
		return columns
	}
	subject := struct {
		Culture     string
		Columns     []column
		Mode        string
		Source      model.PartitionSource
		Policy      string
		Expressions []model.Expression
		DataSources []model.DataSource
		Read        [][]column `json:",omitempty"`
	}{Culture: m.Culture, Mode: strings.ToLower(partition.Mode), Source: partition.Source}
	if subject.Mode == "import" {
		subject.Mode = ""
	}
	subject.Source.Bookmark = ""
	subject.Columns = columnsOf(table)
	texts := []string{partition.Source.Expression}
	ofPolicy := partition.Source.Type == model.PolicyRangePartition && table.RefreshPolicy != nil
	if ofPolicy {
		// The range is the part's own, and stands in the place of the parameters: a file keeps what it is in whatever partition it lies.
		subject.Source = model.PartitionSource{Type: model.PolicyRangePartition}
		subject.Policy = table.RefreshPolicy.SourceExpression
		texts = []string{subject.Policy}
	}
	for _, expression := range m.Reached(table, texts...) {
		if read := m.Table(expression.Name); read != nil && len(table.Reads) > 0 {
			subject.Read = append(subject.Read, columnsOf(read))
		}
		if ofPolicy && (expression.Name == model.RangeStart || expression.Name == model.RangeEnd) {
			continue
		}
		subject.Expressions = append(subject.Expressions, *expression)
		texts = append(texts, expression.Text)
	}
	for _, source := range m.DataSources {
		if source.Name == partition.Source.DataSource || slices.ContainsFunc(texts, func(text string) bool { return model.Identifiers(text)[source.Name] }) {
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
