package mashup

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

// storedFile writes rows as the store has them.
func (b *foldBench) storedFile(name, selection string) StoredFile {
	b.t.Helper()
	path := filepath.Join(b.folder, name)
	written, err := b.conn.WriteParquet(context.Background(), selection, path)
	if err != nil {
		b.t.Fatal(err)
	}
	return StoredFile{Path: path, Rows: written.Rows, Bytes: written.Bytes}
}

// storedOrders is a table of all types in two files, one of whose columns has a name that SQL would end at.
func (b *foldBench) storedOrders() *Stored {
	const columns = `SELECT id, 'Ünit ''' || id AS "a "" b", id / 4.0::DOUBLE AS d, (id * 1.25)::DECIMAL(19,4) AS m, TIMESTAMP '1969-12-30 23:59:59.5' + INTERVAL (id) DAY AS t,
		TIMESTAMP '1969-12-30' + INTERVAL (id) DAY AS day, TIMESTAMP '1899-12-30 08:00:00.25' + INTERVAL (id) MINUTE AS clock,
		TIMESTAMP '2024-06-01 12:00:00' AS zoned, id % 2 = 0 AS even, 'x'::BLOB AS bytes FROM `
	rest := strings.Replace(columns, "id, 'Ünit", "id AS ID, 'Ünit", 1) // a later deployment's letters
	return &Stored{Name: "the stored Orders", Files: []StoredFile{
		b.storedFile("0.parquet", columns+"(SELECT range AS id FROM range(3))"),
		b.storedFile("1.parquet", rest+"(SELECT nullif(range, 4) AS id FROM range(3, 6))"),
	}, Columns: []StoredColumn{
		{Name: "id", Type: Int64Target}, {Name: `a " b`}, {Name: "d", Type: DoubleTarget}, {Name: "m", Type: DecimalTarget}, {Name: "t", Type: DateTimeTarget},
		{Name: "day", Type: DateTimeTarget, As: StoredDate}, {Name: "clock", Type: DateTimeTarget, As: StoredTime}, {Name: "zoned", Type: DateTimeTarget, As: StoredDateTimeZone},
		{Name: "even", Type: BooleanTarget}, {Name: "bytes", Type: BinaryTarget},
	}}
}

// over evaluates an expression in which Orders is a stored table, and the dataflows are those.
func (b *foldBench) over(stored *Stored, flows []Dataflow, expression string) (*Relation, error) {
	b.t.Helper()
	d, err := NewDocument([]Query{{"Orders", `error "the source is read again"`}}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	env := &Env{Sources: b.sources, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Dataflows: func(context.Context) ([]Dataflow, error) { return flows, nil }}
	open := func(context.Context) (*Stored, error) { return stored, nil }
	r, err := d.Table(context.Background(), env, expression, map[string]Value{"Orders": StoredValue(open)})
	if err == nil {
		b.t.Cleanup(func() { r.Close() })
	}
	return r, err
}

// C1: what is read from the store has the model's types, and DuckDB and the evaluator read the same.
func TestC1StoredTable(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	stored := b.storedOrders()
	for _, c := range []struct{ m, want string }{
		{`Table.SelectColumns(Orders, {"id", "a "" b", "d", "m", "even"})`, "0|Ünit '0|0|0|true 1|Ünit '1|0.25|1.25|false 2|Ünit '2|0.5|2.5|true 3|Ünit '3|0.75|3.75|false ∅|∅|∅|∅|∅ 5|Ünit '5|1.25|6.25|false"},
		{`Table.SelectColumns(Table.Skip(Orders, 4), {"id", "t", "day"})`, "∅|∅|∅ 5|1970-01-04T23:59:59.5|1970-01-04T00:00:00"},
		{`Table.SelectColumns(Table.SelectRows(Orders, each [day] = #date(1969, 12, 31) or [day] = #date(1970, 1, 2)), {"id"})`, "1 3"},
		{`Table.Group(Orders, {"even"}, {{"n", Table.RowCount, Int64.Type}, {"m", each List.Sum([m]), Currency.Type}})`, "true|2|2.5 false|3|11.25 ∅|1|∅"},
		{`Table.SelectRows(Table.FirstN(Orders, 1), each [d] = 9)`, ""},
	} {
		for _, m := range []string{c.m, "Table.StopFolding(" + c.m + ")"} {
			r, err := b.over(stored, nil, m)
			if err != nil {
				t.Fatal(m, err)
			}
			for _, rowsOnly := range []bool{false, true} {
				got, want := b.rows(r, rowsOnly), strings.Fields(strings.ReplaceAll(c.want, "Ünit ", "Ünit_"))
				for i := range got {
					got[i] = strings.ReplaceAll(got[i], " ", "_")
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s, by rows only %v:\ngot  %q\nwant %q", m, rowsOnly, got, want)
				}
			}
		}
	}
}

// C1: what is grouped over a stored table is computed and loaded by DuckDB, sums of decimals too, up to what a column can hold.
func TestC1StoredSums(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	targets := []Target{{Name: "even", Type: BooleanTarget}, {Name: "m", Type: DecimalTarget}}
	for value, want := range map[string]string{"461168601842738.7903": "false|922337203685477.5806", "-461168601842738.7903": "false|-922337203685477.5806", "461168601842738.7904": ""} {
		stored := &Stored{Name: "the stored Orders", Columns: []StoredColumn{{Name: "even", Type: BooleanTarget}, {Name: "m", Type: DecimalTarget}},
			Files: []StoredFile{b.storedFile(value+".parquet", "SELECT false AS even, "+value+"::DECIMAL(19,4) AS m FROM range(2)")}}
		r, err := b.over(stored, nil, `Table.Group(Orders, {"even"}, {{"m", each List.Sum([m]), Currency.Type}})`)
		if err != nil {
			t.Fatal(err)
		}
		statement, release, err := r.Open(context.Background(), b.conn, targets)
		if err != nil || !strings.Contains(statement, "SUM(") {
			t.Errorf("%s: %s, %v", value, statement, err)
		}
		release()
		rows, err := b.load(r, targets)
		if want == "" && fault.CodeOf(err) != codeMisfit || want != "" && (err != nil || !slices.Equal(rows, []string{want})) {
			t.Errorf("%s: %q, %v", value, rows, err)
		}
	}
}

// C1: times and moments with a zone come back as what they were.
func TestC1StoredForms(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	r, err := b.over(b.storedOrders(), nil, `let R = Orders{2} in #table({"v"}, {{Text.From(R[clock], "en-US")}, {DateTimeZone.ToText(R[zoned], [Format = "O", Culture = "en-US"])}, {Value.Is(R[day], type date)},
		{Binary.ToText(R[bytes], 1)}})`)
	if err != nil {
		t.Fatal(err)
	}
	r.plan.cols[0].typ = simple(kindText)
	if got, want := b.rows(r, true), []string{"8:02 AM", "2024-06-01T12:00:00.0000000+00:00", "true", "78"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// C1: an entity without rows is an empty table with its columns.
func TestC1StoredWithoutRows(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	stored := b.storedOrders()
	stored.Files = nil
	for _, m := range []string{"Orders", "Table.StopFolding(Orders)"} {
		r, err := b.over(stored, nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.rows(r, false); len(got) != 0 {
			t.Errorf("%s: %q", m, got)
		}
		if got := r.Columns(); len(got) != 10 || got[3] != (Column{"m", "nullable Currency.Type", "number"}) || got[5] != (Column{"day", "nullable date", "date"}) {
			t.Errorf("%s: %v", m, got)
		}
	}
}

// What an explanation says of a stored table is its name, not where its files lie.
func TestStoredTableExplained(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	r, err := b.over(b.storedOrders(), nil, `Table.SelectRows(Orders, each [id] > 1)`)
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Explain(context.Background(), []Target{{Name: "id", Type: Int64Target}})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Statements) != 1 || e.Statements[0].To != "DuckDB" || e.Statements[0].Text != `SELECT "id" AS "id" FROM "the stored Orders" WHERE ("id" > 1)` || e.Steps[0].Name != "the stored Orders" {
		t.Errorf("got %+v", e)
	}
	d, err := NewDocument(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	open := func(context.Context) (*Stored, error) { return b.storedOrders(), nil }
	asked, err := d.Asks(context.Background(), &Env{Sources: b.sources}, "List.Max(Orders[id])", map[string]Value{"Orders": StoredValue(open)})
	if err == nil { // a name that only bind knows is none of the document's
		t.Errorf("got %+v", asked)
	}
	if d, err = NewDocument([]Query{{"Orders", "0"}}, nil); err != nil {
		t.Fatal(err)
	}
	asked, err = d.Asks(context.Background(), &Env{Sources: b.sources}, "List.Max(Orders[id])", map[string]Value{"Orders": StoredValue(open)})
	if err != nil || asked == nil || *asked != (ExplainedStatement{To: "the stored Orders", Text: "all rows"}) {
		t.Errorf("got %+v, %v", asked, err)
	}
}

// C1: a table that holds no rows yet is no empty one for who reads it; its columns are known.
func TestC1StoredTableMissing(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	stored := b.storedOrders()
	stored.Files, stored.Missing = nil, fault.New(fault.Conflict, "X", "cannot read it: it was never loaded")
	for _, m := range []string{"Orders", "Table.StopFolding(Orders)"} {
		r, err := b.over(stored, nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Explain(context.Background(), nil); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if _, err := b.load(r, []Target{{Name: "m", Type: DecimalTarget}}); fault.CodeOf(err) != "X" || fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v", m, err)
		}
	}
}

// A file that has not the table's columns is no empty column.
func TestStoredTableDamaged(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	stored := b.storedOrders()
	stored.Files = append(stored.Files, b.storedFile("other.parquet", "SELECT 1::BIGINT AS id"))
	for _, m := range []string{"Orders", "Table.StopFolding(Orders)"} {
		r, err := b.over(stored, nil, m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.load(r, []Target{{Name: "m", Type: DecimalTarget}})
		if fault.CodeOf(err) != fault.CodeDamaged || !strings.Contains(err.Error(), "the stored Orders: a file of it has no column 'a \" b'") {
			t.Errorf("%s: %v", m, err)
		}
	}
}

// C1: the two navigations that Power BI writes, by ids and by names, and what they say of what is not there.
func TestC1DataflowNavigation(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	tables := func(name string) func(context.Context) ([]DataflowTable, error) {
		return func(context.Context) ([]DataflowTable, error) {
			return []DataflowTable{{name, func(context.Context) (*Stored, error) { return b.storedOrders(), nil }},
				{"Broken", func(context.Context) (*Stored, error) {
					return nil, fault.New(fault.Unavailable, fault.CodeStorage, "cannot look")
				}}}, nil
		}
	}
	flows := []Dataflow{{"w-1", "Sales", "d-1", "Shop", tables("Orders 1")}, {"w-1", "Sales", "d-2", "Web", tables("Orders")}, {"w-2", "Finance", "d-3", "Shop", tables("Orders")}}
	for _, c := range []struct{ m, want, fails string }{
		{m: `let Source = PowerPlatform.Dataflows(null), Workspaces = Source{[Id="Workspaces"]}[Data], #"w-1" = Workspaces{[workspaceId="w-1"]}[Data],
			#"d-1" = #"w-1"{[dataflowId="d-1"]}[Data], Orders_ = #"d-1"{[entity="Orders 1",version=""]}[Data] in Table.SelectColumns(Orders_, {"id"})`, want: "0 1 2 3 ∅ 5"},
		{m: `let Source = PowerBI.Dataflows(null), w = Source{[workspaceName="Finance"]}[Data], d = w{[dataflowName="Shop"]}[Data], Orders1 = d{[entity="Orders"]}[Data] in Table.FirstN(Table.SelectColumns(Orders1, {"id"}), 1)`, want: "0"},
		{m: `Table.Combine(Table.SelectRows(Table.ExpandTableColumn(Table.ExpandTableColumn(PowerBI.Dataflows(), "Data", {"dataflowName", "Data"}, {"flow", "entities"}), "entities", {"entity", "Data"}), each [entity] = "Orders")[Data])[[id]]`,
			want: "0 1 2 3 ∅ 5 0 1 2 3 ∅ 5"},
		{m: `PowerBI.Dataflows(null){[workspaceName="Hidden"]}[Data]`, fails: `No row has workspaceName = "Hidden". A workspace is there when the owner of what reads it may read the workspace`},
		{m: `PowerBI.Dataflows(null){[workspaceName="Sales"]}[Data]{[dataflowName="Nothing"]}[Data]`, fails: "The workspace has no such dataflow"},
		{m: `PowerBI.Dataflows(null){[workspaceName="Sales"]}[Data]{[dataflowName="Shop"]}[Data]{[entity="Orders", version="2024"]}[Data]`, fails: `Its entities are Orders 1, Broken, in the version ""`},
		{m: `PowerPlatform.Dataflows(null){[Id="Environments"]}[Data]`, fails: "Dataflows are in workspaces here"},
		{m: `PowerBI.Dataflows([Region="x"])`, fails: "PowerBI.Dataflows does not support the option Region"},
		{m: `try PowerBI.Dataflows(null){[workspaceName="Sales"]}[Data]{[dataflowName="Shop"]}[Data]{[entity="Broken"]}[Data] otherwise #table({"id"}, {})`, fails: "cannot look"},
	} {
		r, err := b.over(nil, flows, c.m)
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", c.m, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.m, err)
		default:
			if got := strings.Join(b.rows(r, false), " "); got != c.want {
				t.Errorf("%s: got %q", c.m, got)
			}
		}
	}
	d, err := NewDocument(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Table(context.Background(), &Env{}, "PowerBI.Dataflows(null)", nil); fault.CodeOf(err) != fault.CodeSourceUnsupported {
		t.Errorf("got %v", err)
	}
}
