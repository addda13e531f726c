package mashup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

// relationWithin is a relation whose evaluation may hold that much memory.
func (b *foldBench) relationWithin(memory int64, expression string) (*Relation, error) {
	b.t.Helper()
	d, err := NewDocument(nil, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	env := &Env{Sources: b.sources, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Memory: memory, TempDir: b.folder}
	r, err := d.Table(context.Background(), env, expression, nil)
	if err == nil {
		b.t.Cleanup(func() { r.Close() })
	}
	return r, err
}

// exactly reads every cell of a table by rows and writes it down with its representation. An error ends it.
func exactly(ev *evaluation, t rows) []string {
	defer t.close()
	var lines []string
	for {
		cells, ok, err := t.next(ev)
		if err != nil {
			return append(lines, "failed: "+err.Error())
		}
		if !ok {
			return lines
		}
		var line []string
		for _, cell := range cells {
			line = append(line, exact(ev, cell))
		}
		lines = append(lines, strings.Join(line, " | "))
	}
}

func exact(ev *evaluation, cell Value) string {
	v, err := forceRaw(ev, cell)
	if err != nil {
		if f := (*failure)(nil); errors.As(err, &f) {
			// Its place is that of whoever asks for it first.
			return fmt.Sprintf("error %q %q %s", f.reason, f.message, exact(ev, f.detail))
		}
		return "failed " + err.Error()
	}
	switch v := v.(type) {
	case nil:
		return "none"
	case annotated:
		made := exact(ev, v.Value)
		if v.meta != nil {
			made += " meta " + exact(ev, v.meta)
		}
		if v.typ != nil {
			made += " as " + v.typ.title()
		}
		return made
	case number:
		return fmt.Sprintf("%d:%s", v.rep, v)
	case *list:
		var items []string
		for i := 0; ; i++ {
			item, ok, err := v.rawAt(ev, i)
			if err != nil {
				return "failed " + err.Error()
			}
			if !ok {
				return "{" + strings.Join(items, ", ") + "}"
			}
			items = append(items, exact(ev, item))
		}
	case *record:
		var fields []string
		for i, name := range v.shape.names {
			fields = append(fields, name+" = "+exact(ev, v.values[i]))
		}
		return "[" + strings.Join(fields, ", ") + "]"
	case table:
		opened, err := v.rows(ev)
		if err != nil {
			return "failed " + err.Error()
		}
		return "table " + strings.Join(exactly(ev, opened), "; ")
	case *function:
		return "function " + v.name
	case *typeValue:
		return "type " + v.title()
	}
	return v.kind().String() + " " + display(v)
}

// exactlyWithin reads the relation of an expression within memory. spilled tells whether rows were left on the disk.
func (b *foldBench) exactlyWithin(memory int64, expression string) (lines []string, spilled bool) {
	b.t.Helper()
	r, err := b.relationWithin(memory, expression)
	if err != nil {
		return []string{"failed: " + err.Error()}, false
	}
	reading := r.session.reading
	reading.rowsOnly = true
	ev := r.session.begin(context.Background())
	opened, err := r.plan.open(ev)
	if err != nil {
		return []string{"failed: " + err.Error()}, len(reading.spills.files) > 0
	}
	lines = exactly(ev, opened)
	return lines, len(reading.spills.files) > 0
}

// spillRows is a CSV file of texts, numbers of all kinds, dates and logicals, in which everything comes more than once.
func spillRows(rows int) string {
	random := rand.New(rand.NewPCG(3, 4))
	numbers := []string{"0", "1", "1.0", "-0", "2", "1e3", "1000", "9007199254740993", "9007199254740992", "0.1", "-2.25", "NaN", "", "x", "922337203685477.5807", "-1e300", "∞"}
	dates := []string{"2024-01-31", "0099-01-01", "", "9999-12-31", "2024-02-30"}
	var b strings.Builder
	b.WriteString("i,k,c,n,d,l\n")
	for i := range rows {
		c := cells("text")[random.IntN(len(cells("text")))]
		fmt.Fprintf(&b, "%d,%d,\"%s\",%s,%s,%v\n", i, random.IntN(rows/3+1), strings.ReplaceAll(c, `"`, `""`), numbers[random.IntN(len(numbers))], dates[random.IntN(len(dates))], random.IntN(2) == 0)
	}
	return b.String()
}

// spillSource gives the file's rows types: n is of whole numbers, doubles and decimals with errors, m the same without errors, and
// there are records, lists, functions, types and annotated values.
func spillSource(path string) string {
	return `let
	Typed = Table.TransformColumnTypes(` + csvSource(path, 65001) + `, {{"i", Int64.Type}, {"k", Int64.Type}, {"d", type date}, {"l", type logical}}),
	Text = Table.DuplicateColumn(Typed, "n", "t"),
	Numbers = Table.TransformColumns(Table.AddColumn(Text, "x", each if [t] = "NaN" then #nan else if Number.Mod([i], 3) = 0 then Decimal.From([t]) else Number.From([t])), {{"n", each Number.FromText(_)}}),
	Clean = Table.AddColumn(Numbers, "m", each try (if [t] = "" then null else if [t] = "∞" then #infinity else [x]) otherwise null),
	Nested = Table.AddColumn(Table.AddColumn(Clean, "r", each [a = [c], b = [m], e = [n]]), "s", each {[i], [c], {[d]}, Text.Split([c], "a")}),
	Kept = Table.AddColumn(Table.AddColumn(Nested, "f", each if [l] then Text.From else (type number)), "a", each [c] meta [of = [i]])
in
	Kept`
}

type spillCase struct {
	name, m string
	whole   bool // stays in memory: too few rows, or not needed
}

func spillCases() []spillCase {
	all := []spillCase{
		{name: "sort by text", m: `Table.Sort(Source, {{"c", Order.Ascending}})`},
		{name: "sort by text down, number", m: `Table.Sort(Source, {{"c", Order.Descending}, {"m", Order.Ascending}})`},
		{name: "sort by numbers of all kinds down, text", m: `Table.Sort(Source, {{"m", Order.Descending}, {"c", Order.Ascending}})`},
		{name: "sort by number", m: `Table.Sort(Source, "m")`},
		{name: "sort by a function", m: `Table.Sort(Source, {each Text.Length([c]), Order.Descending})`},
		{name: "sort by logical", m: `Table.Sort(Source, {{"l", Order.Descending}})`},
		{name: "sort by a day, null first", m: `Table.Sort(Source, each try [d] otherwise null)`},
		{name: "sort by a day that is an error", m: `Table.Sort(Source, "d")`},
		{name: "sort by kinds without an order", m: `Table.Sort(Source, each if [l] then [c] else [i])`},
		{name: "sort by kinds without an order second", m: `Table.Sort(Source, {"k", each if [l] then [c] else [i]})`},
		{name: "sort by kinds without an order second that never meet", m: `Table.Sort(Source, {"i", each if [l] then [c] else [i]})`},
		{name: "sort by lists", m: `Table.Sort(Source, "s")`},
		{name: "first of a sort", m: `Table.FirstN(Table.Sort(Source, "c"), 3)`},
		{name: "least", m: `Table.FromRecords({Table.Min(Source, "m"), Table.Max(Source, "c")})`},
		{name: "distinct", m: `Table.Distinct(Table.SelectColumns(Source, {"c", "m", "l"}))`, whole: true},
		{name: "distinct of one row each", m: `Table.Distinct(Table.RemoveColumns(Source, {"n", "x", "d", "r", "s", "f", "a"}))`},
		{name: "distinct by a key", m: `Table.Distinct(Source, {"k"})`, whole: true},
		{name: "distinct without case", m: `Table.Distinct(Table.TransformColumns(Source, {{"c", each _ & _ & _ & _}}), {{"c", Comparer.OrdinalIgnoreCase}})`, whole: true},
		{name: "distinct by records and lists", m: `Table.Distinct(Table.ReplaceErrorValues(Table.AddColumn(Source, "rec", each [a = [c], b = {[m], [k]}]), {{"d", null}}), {"rec"})`},
		{name: "distinct up to an error", m: `Table.Distinct(Table.AddColumn(Source, "key", each if [i] = 440 then error "late" else [i]), {"key"})`},
		{name: "first of distinct before an error", m: `Table.FirstN(Table.Distinct(Table.AddColumn(Source, "key", each if [i] = 440 then error "late" else [i]), {"key"}), 400)`},
		{name: "group", m: `Table.Group(Source, {"k"}, {{"n", each Table.RowCount(_)}, {"s", each List.Sum([i])}, {"first", each [c]{0}}, {"bad", each List.Sum([n])}})`},
		{name: "group by numbers, tables", m: `Table.Group(Source, {"m"}, {{"all", each Table.SelectColumns(_, {"i", "c", "x"})}})`},
		{name: "group without case", m: `Table.Group(Source, {"c"}, {{"n", each Table.RowCount(_)}}, GroupKind.Global, Comparer.OrdinalIgnoreCase)`},
		{name: "group of all", m: `Table.Group(Source, {}, {{"n", each Table.RowCount(_)}, {"m", each List.Max([i])}})`},
		{name: "long lists", m: `Table.Group(Table.AddColumn(Table.AddColumn(Table.SelectColumns(Source, {"i", "m", "c", "x"}), "seventh", each [i] / 7), "day", each #date(2024, 1, 1) + #duration([i], 0, 0, 0)), {}, {
			{"sum", each List.Sum([m])}, {"total", each List.Sum([i])}, {"sevenths", each List.Sum([seventh])}, {"ratio", each List.Average([seventh])}, {"least", each List.Min([c])}, {"most", each List.Max([m])},
			{"n", each List.Count([x])}, {"some", each List.NonNullCount([m])}, {"mean", each List.Average([day])}, {"bad", each List.Sum([x])}, {"kinds", each List.Sum([c])}, {"again", each let l = [i] in List.Sum(l) + List.Count(l) + l{499}}})`},
		{name: "group neighbours", m: `Table.Group(Source, {"l"}, {{"n", each Table.RowCount(_)}, {"s", each List.Sum([i])}}, GroupKind.Local)`},
		{name: "group by an error", m: `Table.Group(Source, {"d"}, {{"n", each Table.RowCount(_)}})`},
		{name: "reverse", m: `Table.ReverseRows(Source)`},
		{name: "fill up", m: `Table.FillUp(Source, {"n", "m", "d"})`},
		{name: "last", m: `Table.LastN(Source, 7)`},
		{name: "last while", m: `Table.LastN(Source, each [i] > 490)`},
		{name: "without the last", m: `Table.RemoveLastN(Source, 493)`},
		{name: "without the last while", m: `Table.RemoveLastN(Source, each [i] > 20)`},
		{name: "last by an error", m: `Table.LastN(Source, each [n] > 1e308)`},
		{name: "pivot", m: `Table.Pivot(Table.SelectColumns(Source, {"k", "c", "i"}), {"a", "A", "ß"}, "c", "i", List.Sum)`},
		{name: "pivot of single values", m: `Table.Pivot(Table.SelectColumns(Source, {"k", "c", "n"}), {"a", "Ä"}, "c", "n")`},
		{name: "buffer, read twice", m: `let B = Table.Buffer(Source) in Table.Combine({B, B})`},
		{name: "one after the other", m: `Table.Sort(Table.Join(Table.Group(Source, {"c"}, {{"n", each Table.RowCount(_)}}), "c", Table.PrefixColumns(Table.Sort(Source, {{"m", Order.Descending}}), "o"), "o.c"), {{"o.t", Order.Descending}, "c"})`},
	}
	right := `Table.PrefixColumns(Table.SelectRows(Source, each Number.Mod([k], 7) <> 0), "o")`
	left := `Table.SelectColumns(Table.SelectRows(Source, each Number.Mod([k], 5) <> 0), {"i", "k", "c", "m", "x"})`
	for kind, name := range []string{"Inner", "LeftOuter", "RightOuter", "FullOuter", "LeftAnti", "RightAnti", "LeftSemi", "RightSemi"} {
		all = append(all,
			spillCase{name: name + " join", m: fmt.Sprintf(`Table.Join(%s, "k", %s, "o.k", JoinKind.%s)`, left, right, name)},
			spillCase{name: name + " nested join", m: fmt.Sprintf(`Table.NestedJoin(%s, {"k"}, Table.SelectColumns(%s, {"o.k", "o.x"}), {"o.k"}, "j", JoinKind.%s)`, left, right, name)})
		if kind == 0 || kind == 3 {
			all = append(all, spillCase{name: name + " join by two", m: fmt.Sprintf(`Table.Join(%s, {"m", "k"}, %s, {"o.m", "o.k"}, JoinKind.%s)`, left, right, name)}, spillCase{name: name + " join up to an error", m: fmt.Sprintf(
				`Table.Join(Table.AddColumn(%s, "key", each if [i] = 440 then error "late" else [k]), "key", %s, "o.k", JoinKind.%s)`, left, right, name)})
		}
	}
	return append(all,
		spillCase{name: "nested join, aggregated", m: fmt.Sprintf(`Table.AggregateTableColumn(Table.NestedJoin(%s, {"k"}, %s, {"o.k"}, "j"), "j", {{"o.i", List.Sum, "sum"}})`, left, right)},
		spillCase{name: "join with errors on the right", m: `Table.Join(Source, "k", Table.PrefixColumns(Source, "o"), "o.n")`})
}

const (
	tinyMemory  = 80 << 10
	ampleMemory = 1 << 40
)

// differ runs a case in memory and on the disk and returns the first difference.
func (b *foldBench) differ(c spillCase, source string) string {
	b.t.Helper()
	expression := "let Source = " + source + ", Result = " + c.m + " in Result"
	want, spilled := b.exactlyWithin(ampleMemory, expression)
	if spilled {
		return "rows are left on the disk where memory is ample"
	}
	got, spilled := b.exactlyWithin(tinyMemory, expression)
	if !spilled && !c.whole && !strings.HasPrefix(want[0], "failed") {
		return "no rows are left on the disk"
	}
	return firstDifference("on the disk", got, "in memory", want)
}

// TestSpillingNeverChangesAResult holds every step that leaves rows on the disk against the same step in memory.
func TestSpillingNeverChangesAResult(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	source := spillSource(b.write("rows.csv", []byte(spillRows(500))))
	for _, c := range spillCases() {
		t.Run(c.name, func(t *testing.T) {
			if difference := b.differ(c, source); difference != "" {
				t.Error(difference)
			}
		})
	}
}

// TestMemoryLimit: what cannot be left on the disk is refused by name and place, and a session's memory is given back.
func TestMemoryLimit(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	path := b.write("rows.csv", []byte(spillRows(5000)))
	for name, c := range map[string]struct{ m, place string }{
		"transpose":       {`Table.Transpose(Source)`, "Table.Transpose ('partition', line 3, column "},
		"comparer":        {`Table.Sort(Source, (a, b) => Value.Compare(a[c], b[c]))`, "Table.Sort ('partition', line 3, column "},
		"list of a table": {`Table.FromList(List.Reverse(Table.ToRecords(Source)), Splitter.SplitByNothing())`, "List.Reverse ('partition', line 3, column "},
		"endless list":    {`Table.FromRecords({[n = List.Count(List.Generate(() => 0, each true, each _ + 1))]})`, "List.Count ('partition', line 3, column "},
	} {
		lines, _ := b.exactlyWithin(tinyMemory, "let\nSource = "+csvSource(path, 65001)+" in\n"+c.m)
		last := lines[len(lines)-1]
		if !strings.Contains(last, "cannot evaluate "+c.place) || !strings.Contains(last, "it would hold") || !strings.Contains(last, "may hold 80.0 KiB") || !strings.Contains(last, "freshet explain") {
			t.Errorf("%s: %.300s", name, last)
		}
	}
}

// TestMemoryIsGivenBack: what many steps hold one after the other is not added up, whether they say when they are done or are forgotten.
func TestMemoryIsGivenBack(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	path := b.write("rows.csv", []byte(spillRows(400)))
	for name, m := range map[string]string{
		"sorts":  `List.Accumulate({1..50}, 0, (n, _) => n + Table.RowCount(Table.Sort(Source, (a, b) => Value.Compare(a[c], b[c]))))`,
		"groups": `List.Accumulate({1..50}, 0, (n, _) => n + Table.RowCount(Table.Group(Source, {"c"}, {{"a", each _}})))`,
		"lists":  `List.Accumulate({1..50}, 0, (n, _) => n + List.Count(Table.ToRecords(Source)))`,
		"tables": `List.Accumulate({1..50}, 0, (n, _) => n + Table.RowCount(Table.Transpose(Source)))`,
	} {
		lines, _ := b.exactlyWithin(1<<20, "let Source = "+csvSource(path, 65001)+" in Table.FromRecords({[n = "+m+"]})")
		if len(lines) != 1 || strings.HasPrefix(lines[0], "fail") {
			t.Errorf("%s: %q", name, lines)
		}
	}
}

// TestDiskRoom: rows are not left on a disk that has no room for them.
func TestDiskRoom(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	d, err := NewDocument(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{Sources: b.sources, Memory: tinyMemory, TempDir: b.folder, DiskRoom: func() int64 { return 1 << 20 }}
	m := `Table.RowCount(Table.ReverseRows(` + csvSource(b.write("rows.csv", []byte(spillRows(500))), 65001) + `))`
	if _, err := d.Value(context.Background(), env, m, nil); fault.CodeOf(err) != fault.CodeDiskFull || !strings.Contains(err.Error(), "only 1.0 MiB may be used") {
		t.Errorf("%v", err)
	}
	env.DiskRoom = func() int64 { return 64 << 20 }
	if n, err := d.Value(context.Background(), env, m, nil); err != nil || n != "500" {
		t.Errorf("%s, %v", n, err)
	}
	entries, err := os.ReadDir(b.folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v: %v", entries, err)
	}
}

// TestSpillCancelled: a step that is cancelled ends, and its files are closed with the table.
func TestSpillCancelled(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	r, err := b.relationWithin(tinyMemory, "Table.Sort(Table.ReverseRows("+csvSource(b.write("rows.csv", []byte(spillRows(3000))), 65001)+`), "c")`)
	if err != nil {
		t.Fatal(err)
	}
	r.session.reading.rowsOnly = true
	ctx, cancel := context.WithCancel(t.Context())
	opened, err := r.plan.open(r.session.begin(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.close()
	if _, ok, err := opened.next(r.session.begin(ctx)); !ok || err != nil {
		t.Fatalf("no first row: %v", err)
	}
	files := slices.Clone(r.session.reading.spills.files)
	cancel()
	ev := r.session.begin(ctx)
	for err == nil {
		var ok bool
		if _, ok, err = opened.next(ev); !ok && err == nil {
			t.Fatal("all rows come after the cancellation")
		}
	}
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, file := range files {
		if f := file.Value(); f != nil && !errors.Is(f.file.Close(), os.ErrClosed) {
			t.Error("a file is open after the table is closed")
		}
	}
	if _, err := r.session.reading.spills.create(); err == nil {
		t.Error("a table that is closed makes files")
	}
}

// TestMoreMemory: what is refused within the memory of the beginning is not where there is more.
func TestMoreMemory(t *testing.T) {
	asked := int64(0)
	env := &Env{Memory: tinyMemory, MoreMemory: func(bytes int64) bool {
		asked += bytes
		return asked <= 32<<20
	}}
	d, err := NewDocument(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Value(context.Background(), env, `List.Count(List.Buffer({1..100000}))`, nil); err != nil || asked == 0 {
		t.Errorf("%v, %d bytes asked", err, asked)
	}
	if _, err := d.Value(context.Background(), env, `List.Count(List.Buffer({1..1000000}))`, nil); fault.CodeOf(err) != codeMemory {
		t.Errorf("%v", err)
	}
}
