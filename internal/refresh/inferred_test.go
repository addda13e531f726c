package refresh_test

import (
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// lake is a dataflow of generation 2: entities by name and query, the later ones reading the earlier ones that their queries name. Their columns are
// not known.
func lake(entities ...[2]string) *model.Model {
	m := &model.Model{Name: "Lake", CompatibilityLevel: model.MaxLevel, Culture: "en-US"}
	for _, entity := range entities {
		table := &model.Table{Name: entity[0], InferredColumns: true, Partitions: []*model.Partition{{Name: "All", Mode: "import",
			Source: model.PartitionSource{Type: model.MPartition, Expression: entity[1]}}}}
		for _, other := range m.Tables {
			if model.Identifiers(entity[1])[other.Name] {
				table.Reads = append(table.Reads, other.Name)
			}
		}
		m.Tables = append(m.Tables, table)
	}
	return m
}

// columns writes the columns that a table has now.
func (p *plant) columns(table string) string {
	p.t.Helper()
	definition, err := p.log.RefreshDefinition(p.t.Context(), modelID)
	p.must(err)
	var words []string
	for _, column := range definition.Model.Table(table).Columns {
		word := column.Name + " " + string(column.DataType)
		if column.Moment != "" {
			word += "/" + column.Moment
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// told writes the messages of a refresh about columns.
func (p *plant) told(operation refresh.Operation) string {
	p.t.Helper()
	detail, err := p.Detail(p.t.Context(), modelID, operation.ID, refresh.AnyRefresh)
	p.must(err)
	var lines []string
	for _, message := range detail.Messages {
		if message.Code == refresh.CodeColumns || message.Code == refresh.CodeColumnLeftOut {
			lines = append(lines, string(message.Type)+": "+message.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// C1: an entity has the columns that its query gives, in their order and of the types that the store has; a computed one sees those of this refresh.
func TestC1ColumnsAreFound(t *testing.T) {
	p := newPlant(t, lake(
		[2]string{"Orders", `Table.FromRows({{1, 1.5, 2, "a", #date(2024, 1, 2), #time(3, 4, 5), #datetime(2024, 1, 2, 3, 4, 5), #datetimezone(2024, 1, 2, 3, 4, 5, 1, 0), #duration(1, 12, 0, 0), true, 7, {1}}},
			type table [I = Int64.Type, N = nullable number, C = Currency.Type, T = text, D = date, Ti = time, Dt = datetime, Z = datetimezone, Du = duration, L = logical, A = any, List = list])`},
		[2]string{"Twice", `Table.AddColumn(Orders[[I], [D]], "Next", each Date.AddDays([D], 1), type date)`},
	), files(t, t.TempDir()))
	p.run()
	operation := p.refresh(full(), refresh.Completed)
	for table, want := range map[string]string{
		"Orders": "I int64, N double, C decimal, T string, D dateTime/date, Ti dateTime/time, Dt dateTime, Z dateTime/datetimeoffset, Du double, L boolean, A string",
		"Twice":  "I int64, D dateTime/date, Next dateTime/date",
	} {
		if got := p.columns(table); got != want {
			t.Errorf("%s has %s\nwant %s", table, got, want)
		}
	}
	if got, want := p.rows("Orders", "All", "*"), "1 1.5 2 a 2024-01-02T00:00:00 1899-12-30T03:04:05 2024-01-02T03:04:05 2024-01-02T02:04:05 1.5 true 7 \n"; got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
	if got, want := p.rows("Twice", "All", "*"), "1 2024-01-02T00:00:00 2024-01-03T00:00:00 \n"; got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
	told := p.told(operation)
	for _, want := range []string{"Warning: Entity 'Orders': columns were not loaded, since their cells are lists, records, tables, functions or types: 'List'.",
		"Information: Entity 'Twice' has the columns that its query gives; new: 'I', 'D', 'Next'."} {
		if !strings.Contains(told, want) {
			t.Errorf("told %s\nwithout %s", told, want)
		}
	}

	// The same columns again are no news, and no revision.
	before, err := p.log.RefreshDefinition(t.Context(), modelID)
	p.must(err)
	operation = p.refresh(full(), refresh.Completed)
	after, err := p.log.RefreshDefinition(t.Context(), modelID)
	p.must(err)
	if told := p.told(operation); before.Revision != 2 || after.Revision != 2 || strings.Contains(told, "has the columns") {
		t.Errorf("revisions %d and %d, told %s", before.Revision, after.Revision, told)
	}
}

// C1: other columns are adopted with the rows that have them, and only then; what is gone or has another type is warned of.
func TestC1ColumnsChange(t *testing.T) {
	query := [2]string{"Orders", `#table(type table [A = Int64.Type, B = text], {{1, "x"}})`}
	p := newPlant(t, lake(query), nil)
	p.run()
	p.refresh(full(), refresh.Completed)

	deploy := func(revision int64, text string) {
		t.Helper()
		definition, err := p.log.RefreshDefinition(t.Context(), modelID)
		p.must(err)
		columns := definition.Model.Table("Orders").Columns
		definition.Model, definition.Revision = lake([2]string{"Orders", text}), revision
		definition.Model.Table("Orders").Columns = columns
		p.must(p.log.Deploy(definition, store.Change{}))
	}
	deploy(3, `#table(type table [B = Int64.Type, C = date], {{1, "no date"}})`)
	p.refresh(full(), refresh.Failed)
	if got := p.columns("Orders"); got != "A int64, B string" {
		t.Errorf("after a refresh that failed: %s", got)
	}
	if got := p.rows("Orders", "All", "*"); got != "1 x \n" {
		t.Errorf("after a refresh that failed: %q", got)
	}
	deploy(4, `#table(type table [B = Int64.Type, C = date], {{1, #date(2024, 1, 2)}})`)
	operation := p.refresh(full(), refresh.Completed)
	if got := p.columns("Orders"); got != "B int64, C dateTime/date" {
		t.Errorf("columns %s", got)
	}
	if got, want := p.told(operation), "Warning: Entity 'Orders' has the columns that its query gives; new: 'C'; gone: 'A'; of another type: 'B (int64, was string)'."; got != want {
		t.Errorf("told %s\nwant %s", got, want)
	}
}

// C1: names that differ by case alone cannot be told apart in a query, and a query that gives no table has no rows.
func TestC1ColumnsThatCannotBe(t *testing.T) {
	for query, want := range map[string]string{
		`#table(type table [a = text, A = text], {})`: "two of the column or measure 'A'",
		`List.Count({1})`:                     "its expression gives a value of type Number",
		`#table(type table [R = record], {})`: "it has no data columns",
	} {
		p := newPlant(t, lake([2]string{"Orders", query}), nil)
		p.run()
		operation := p.refresh(full(), refresh.Failed)
		if !strings.Contains(operation.Failure.Message, want) || operation.Failure.Where.Table != "Orders" {
			t.Errorf("%s: %+v, want %s", query, operation.Failure, want)
		}
	}
}

// C1: before its first refresh an entity cannot be read by another one that is explained alone; the statements of one that reads a source can.
func TestC1ExplainBeforeColumnsAreFound(t *testing.T) {
	p := newPlant(t, lake([2]string{"Orders", `#table(type table [A = Int64.Type], {})`}, [2]string{"Twice", "Table.Combine({Orders, Orders})"}), nil)
	explained, err := p.Explain(t.Context(), modelID, "Orders", "")
	if err != nil || explained[0].Err != nil || len(explained[0].Plan.Steps) != 1 {
		t.Errorf("explained %+v, %v", explained, err)
	}
	explained, err = p.Explain(t.Context(), modelID, "Twice", "")
	if err != nil || fault.KindOf(explained[0].Err) != fault.Conflict || !strings.Contains(explained[0].Err.Error(), "no refresh has found its columns yet") {
		t.Errorf("explained %+v, %v", explained, err)
	}
}
