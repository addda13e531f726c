package workspace

import (
	"maps"
	"slices"
	"strings"

	"freshet.dev/internal/model"
)

// Overrides are what was set of a model after its deployment. They stand in the place of what the files say.
type Overrides struct {
	Parameters []Override `json:"parameters,omitempty"` // sorted by name
	Moves      []Move     `json:"moves,omitempty"`      // of data sources, in the order in which they were asked for
	Texts      []Replaced `json:"texts,omitempty"`      // what the moves make of the texts of the files
	Columns    []Columns  `json:"columns,omitempty"`    // of tables whose columns are inferred, as the last refresh has found them; sorted by table
}

// Columns are the columns that a refresh has found of a table.
type Columns struct {
	Table   string   `json:"table"`
	Columns []Column `json:"columns"`
}

// Column is a column of rows that were loaded.
type Column struct {
	Name     string         `json:"name"`
	DataType model.DataType `json:"dataType"`
	Moment   string         `json:"moment,omitempty"` // as model.Column has it
}

// WithColumns puts the columns of tables in the place of those that are known of them.
func (o Overrides) WithColumns(found []*model.Table) Overrides {
	o.Columns = slices.Clone(o.Columns)
	for _, table := range found {
		columns := Columns{Table: table.Name}
		for _, column := range table.Columns {
			columns.Columns = append(columns.Columns, Column{column.Name, column.DataType, column.Moment})
		}
		o.Columns = slices.DeleteFunc(o.Columns, func(c Columns) bool { return model.EqualNames(c.Table, table.Name) })
		o.Columns = append(o.Columns, columns)
	}
	slices.SortFunc(o.Columns, func(a, b Columns) int { return strings.Compare(a.Table, b.Table) })
	return o
}

// Override is the text of an expression in the place of another one.
type Override struct {
	Name string `json:"name"`
	Base string `json:"base"` // what the files said when it was set
	Text string `json:"text"`
}

// Replaced is a text of a model in the place of the one that the files have.
type Replaced struct {
	Place
	Text string `json:"text"`
}

// Place names a text of a model.
type Place struct {
	What  string `json:"what"` // expression, partition, source, polling (of a refresh policy), connection or an address's part (of a data source)
	Owner string `json:"owner,omitempty"`
	Name  string `json:"name"`
}

// text is a text of a model that may be replaced.
type text struct {
	Place
	text string
	set  func(string)
}

func (t text) name() string {
	if t.Owner == "" {
		return t.Name
	}
	return t.Owner + "/" + t.Name
}

// The texts of a model in which data sources are named.
const (
	expressionText = "expression"
	partitionText  = "partition"
	sourceText     = "source"
	pollingText    = "polling"
	connectionText = "connection"
	addressText    = "address"
)

// textsOf lists the texts of a model that may name data sources.
func textsOf(m *model.Model) []text {
	var list []text
	add := func(what, owner, name string, at *string) {
		if *at != "" {
			list = append(list, text{Place{what, owner, name}, *at, func(next string) { *at = next }})
		}
	}
	for _, expression := range m.Expressions {
		add(expressionText, "", expression.Name, &expression.Text)
	}
	for _, table := range m.Tables {
		for _, partition := range table.Partitions {
			if partition.Source.Type == model.MPartition {
				add(partitionText, table.Name, partition.Name, &partition.Source.Expression)
			}
		}
		if table.RefreshPolicy != nil {
			add(sourceText, table.Name, "source expression", &table.RefreshPolicy.SourceExpression)
			add(pollingText, table.Name, "polling expression", &table.RefreshPolicy.PollingExpression)
		}
	}
	for _, source := range m.DataSources {
		add(connectionText, "", source.Name, &source.ConnectionString)
		for _, key := range slices.Sorted(maps.Keys(source.Address)) {
			list = append(list, text{Place{addressText, source.Name, key}, source.Address[key], func(next string) { source.Address[key] = next }})
		}
	}
	return list
}

// apply puts the overrides into a model that was read from the files.
func (o Overrides) apply(m *model.Model) {
	for _, set := range o.Parameters {
		if expression := m.Expression(set.Name); expression != nil {
			expression.Text = set.Text
		}
	}
	for _, found := range o.Columns {
		if table := m.Table(found.Table); table != nil && table.InferredColumns {
			table.Columns = nil
			for _, column := range found.Columns {
				table.Columns = append(table.Columns, &model.Column{Name: column.Name, Type: model.DataColumn, DataType: column.DataType, SourceColumn: column.Name, Moment: column.Moment})
			}
		}
	}
	if len(o.Texts) == 0 {
		return
	}
	texts := map[Place]text{}
	for _, t := range textsOf(m) {
		texts[t.Place] = t
	}
	for _, replaced := range o.Texts {
		if t, known := texts[replaced.Place]; known {
			t.set(replaced.Text)
		}
	}
}

func (o Overrides) equal(other Overrides) bool {
	return slices.Equal(o.Parameters, other.Parameters) && slices.Equal(o.Moves, other.Moves) && slices.Equal(o.Texts, other.Texts) &&
		slices.EqualFunc(o.Columns, other.Columns, func(a, b Columns) bool { return a.Table == b.Table && slices.Equal(a.Columns, b.Columns) })
}

// set puts an expression's text in the place of the one that the files have.
func (o Overrides) set(expression *model.Expression, text string) Overrides {
	next := Override{Name: expression.Name, Base: expression.Text, Text: text}
	kept := make([]Override, 0, len(o.Parameters)+1)
	for _, former := range o.Parameters {
		if former.Name == expression.Name {
			next.Base = former.Base
			continue
		}
		kept = append(kept, former)
	}
	if next.Text != next.Base {
		kept = append(kept, next)
	}
	slices.SortFunc(kept, func(a, b Override) int { return strings.Compare(a.Name, b.Name) })
	o.Parameters = kept
	return o
}

// carried are the overrides that hold for newly deployed files, with a warning for each that does not. What was set stays while the files have
// the value in whose place it was set: an author who has changed that value means the new one.
func (s *Service) carried(o Overrides, deployed Definition, read *model.Model) (kept Overrides, warnings []string) {
	for _, set := range o.Parameters {
		switch expression := read.Expression(set.Name); {
		case expression == nil:
			warnings = append(warnings, "Parameter '"+set.Name+"': the value that was set for it is gone, since the model has no such parameter any more.")
		case expression.Text == set.Base:
			kept.Parameters = append(kept.Parameters, set)
		case expression.Text != set.Text:
			warnings = append(warnings, "Parameter '"+set.Name+"': the value that was set for it is gone, since the deployed files have another one than before.")
		}
	}
	for _, found := range o.Columns {
		if table := read.Table(found.Table); table != nil && table.InferredColumns {
			kept.Columns = append(kept.Columns, found)
		}
	}
	deployed.Overrides = kept
	for _, move := range o.Moves {
		next, err := s.moved(deployed, move)
		if err != nil {
			warnings = append(warnings, "Data source "+move.From.String()+": it is not changed any more as it was after the last deployment ("+err.Error()+").")
			continue
		}
		deployed.Overrides = next
	}
	return deployed.Overrides, warnings
}
