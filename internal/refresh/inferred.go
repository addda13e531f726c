package refresh

import (
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup"
	"freshet.dev/internal/model"
)

// The codes of tables whose columns are found when they are loaded: the entities of dataflows of generation 2.
const (
	// Information or Warning: the source of an entity gives other columns than before, and the entity has them now.
	// Do: nothing; correct what names a column that is gone or has another type.
	CodeColumns = "EntityColumnsChanged"

	// Warning: a column whose cells are lists, records, tables, functions or types was not loaded.
	// Do: expand the column, or remove it, in the entity's query.
	CodeColumnLeftOut = "EntityColumnNotLoaded"
)

// inferred is a table with the data columns that its partition gives. Columns whose cells no model can hold are left out, with a warning.
func inferred(table *model.Table, relation *mashup.Relation, now time.Time) (*model.Table, []Message, error) {
	found := *table
	found.Columns = nil
	var leftOut []string
	for _, column := range relation.Columns() {
		kind, loadable := dataType(column)
		if !loadable {
			leftOut = append(leftOut, column.Name)
			continue
		}
		found.Columns = append(found.Columns, &model.Column{Name: column.Name, Type: model.DataColumn, DataType: kind, SourceColumn: column.Name, Moment: moment(column)})
	}
	one := model.Model{CompatibilityLevel: model.MaxLevel, Tables: []*model.Table{{Name: table.Name, Columns: found.Columns}}}
	if err := one.Validate(); err != nil {
		return nil, nil, err
	}
	if len(leftOut) == 0 {
		return &found, nil, nil
	}
	return &found, []Message{{At: now, Type: WarningMessage, Code: CodeColumnLeftOut, Where: fault.Where{Table: table.Name}, Text: "Entity '" + table.Name +
		"': columns were not loaded, since their cells are lists, records, tables, functions or types: " + listed(leftOut, func(name string) string { return name }) + "."}}, nil
}

// dataType is the type of the column that a column of a relation becomes. Numbers without a narrower type are double and durations are days, as in
// Power BI; what has no type is text.
func dataType(column mashup.Column) (kind model.DataType, loadable bool) {
	switch strings.TrimPrefix(column.Type, "nullable ") {
	case "Int64.Type", "Int32.Type", "Int16.Type", "Int8.Type", "Byte.Type":
		return model.Int64, true
	case "Currency.Type":
		return model.Decimal, true
	}
	switch column.Kind {
	case "any", "anynonnull", "none", "null", "text":
		return model.String, true
	case "number", "duration":
		return model.Double, true
	case "logical":
		return model.Boolean, true
	case "date", "time", "datetime", "datetimezone":
		return model.DateTime, true
	case "binary":
		return model.Binary, true
	}
	return "", false
}

// moment is what a column of dates, times or moments with a zone has; "" for all others.
func moment(column mashup.Column) string {
	switch column.Kind {
	case "date", "time":
		return column.Kind
	case "datetimezone":
		return "datetimeoffset"
	}
	return ""
}

// found lists the tables of which finished steps have found other columns than the definition has.
func (w *work) found() []*model.Table {
	var tables []*model.Table
	for _, f := range foundColumns(w.definition.Model, w.finished()) {
		tables = append(tables, f.table)
	}
	return tables
}

// found is a table with columns that a load has found, and what the definition has.
type found struct {
	table, before *model.Table
}

// foundColumns lists the tables for which steps have found other columns than the definition has.
func foundColumns(m *model.Model, steps []Step) []found {
	var all []found
	for _, step := range steps {
		table := m.Table(step.Table)
		if step.Kind != LoadStep || table == nil || !table.InferredColumns ||
			slices.EqualFunc(table.Columns, step.Columns, func(a, b *model.Column) bool { return *a == *b }) {
			continue
		}
		all = append(all, found{&model.Table{Name: table.Name, Columns: step.Columns}, table})
	}
	return all
}

// message tells what differs. A column that is gone or has another type may be missed, and is a warning.
func (f found) message(at time.Time) Message {
	var added, gone, retyped []string
	for _, column := range f.table.Columns {
		switch before := f.before.Column(column.Name); {
		case before == nil:
			added = append(added, column.Name)
		case before.DataType != column.DataType:
			retyped = append(retyped, column.Name+" ("+string(column.DataType)+", was "+string(before.DataType)+")")
		}
	}
	for _, column := range f.before.Columns {
		if f.table.Column(column.Name) == nil {
			gone = append(gone, column.Name)
		}
	}
	message := Message{At: at, Type: InfoMessage, Code: CodeColumns, Where: fault.Where{Table: f.table.Name}, Text: "Entity '" + f.table.Name + "' has the columns that its query gives"}
	for _, part := range []struct {
		what    string
		columns []string
	}{{"new", added}, {"gone", gone}, {"of another type", retyped}} {
		if len(part.columns) > 0 {
			message.Text += "; " + part.what + ": " + listed(part.columns, func(name string) string { return name })
		}
	}
	if len(gone)+len(retyped) > 0 {
		message.Type = WarningMessage
	}
	message.Text += "."
	return message
}
