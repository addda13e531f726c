package mashup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	"freshet.dev/internal/source/file"
	"freshet.dev/internal/source/parquet"
)

// foldBench is what a test reads relations with.
type foldBench struct {
	t       *testing.T
	sources *source.Registry
	conn    *duck.Conn
	folder  string
}

func newFoldBench(t *testing.T, kinds []source.Kind, settings []source.Setting) *foldBench {
	t.Helper()
	ctx := context.Background()
	folder := t.TempDir()
	registry, err := source.NewRegistry(append(kinds, file.Kind()), source.Formats{CSV: csv.Open, Parquet: parquet.Open},
		append(settings, source.Setting{Kind: "File", Path: folder}))
	if err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(ctx, duck.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), db.Close(), registry.Close()); err != nil {
			t.Error(err)
		}
	})
	return &foldBench{t: t, sources: registry, conn: conn, folder: folder}
}

func (b *foldBench) write(name string, data []byte) string {
	b.t.Helper()
	path := filepath.Join(b.folder, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *foldBench) relation(expression string, shared ...Query) *Relation {
	b.t.Helper()
	d, err := NewDocument(shared, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	env := &Env{Sources: b.sources, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	r, err := d.Table(context.Background(), env, expression, nil)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, expression)
	}
	b.t.Cleanup(func() { r.Close() })
	return r
}

// targetsFor are targets that every column's values go into as they are.
func targetsFor(r *Relation) []Target {
	var targets []Target
	for _, col := range r.plan.cols {
		target := Target{Name: col.name, Type: StringTarget}
		switch {
		case col.typ.name == "Currency.Type" || col.typ.name == "Decimal.Type":
			target.Type = DecimalTarget
		case strings.HasPrefix(col.typ.name, "Int"):
			target.Type = Int64Target
		case col.typ.of == kindNumber:
			target.Type = DoubleTarget
		case col.typ.of == kindDate || col.typ.of == kindDateTime || col.typ.of == kindDateTimeZone || col.typ.of == kindTime:
			target.Type = DateTimeTarget
		case col.typ.of == kindLogical:
			target.Type = BooleanTarget
		}
		targets = append(targets, target)
	}
	return targets
}

// rows reads the relation as text, a line a row; an error ends it with its code, column and row.
func (b *foldBench) rows(r *Relation, rowsOnly bool) []string {
	b.t.Helper()
	ctx := context.Background()
	targets := targetsFor(r)
	r.session.reading.rowsOnly = rowsOnly
	defer func() { r.session.reading.rowsOnly = false }()
	lines, err := b.read(ctx, r, targets)
	if err != nil && !rowsOnly && byRows(err) {
		r.session.reading.rowsOnly = true
		lines, err = b.read(ctx, r, targets)
	}
	if err != nil {
		err = r.Locate(ctx, targets, err)
		var f *fault.Error
		if !errors.As(err, &f) {
			b.t.Fatalf("an error without a kind: %v", err)
		}
		return []string{"failed: " + f.Code + " " + f.Where.String()}
	}
	return lines
}

func (b *foldBench) read(ctx context.Context, r *Relation, targets []Target) ([]string, error) {
	statement, release, err := r.Open(ctx, b.conn, targets)
	if err != nil {
		return nil, err
	}
	defer release()
	result, err := b.conn.Query(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer result.Release()
	var lines []string
	for result.Next() {
		batch := result.RecordBatch()
		for row := range int(batch.NumRows()) {
			cells := make([]string, batch.NumCols())
			for i := range cells {
				cells[i] = "∅"
				if column := batch.Column(i); !column.IsNull(row) {
					cells[i] = strings.Clone(column.ValueStr(row))
				}
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
	}
	return lines, result.Err()
}

func (b *foldBench) folds(r *Relation) error {
	f := &folding{ev: r.session.begin(context.Background()), rules: r.session.reading.rules, items: map[string]*fromItem{}}
	_, err := f.fold(r.plan)
	return err
}

// cells are texts that conversions must agree about, canonical or not.
func cells(kind string) []string {
	switch kind {
	case "int":
		return []string{"0", "1", "-1", "42", "007", "-0", "+5", " 6 ", "9223372036854775807", "9007199254740993", "", "1,234", "1.000", "2.5", "3.5", "1e2", "99999999999999999999", "1_000", "0x10", "abc", "(5)", "5-", "½"}
	case "number":
		return []string{"0", "1.5", "-2.25", "1,5", "1,234.50", "1.234,50", "1e3", "1E-2", ".5", "5.", "-0", "", "NaN", "inf", "Infinity", "-∞", "1_0.5", " 7.5 ", "12345678901234567", "0.1", "123456789.123456789", "x", "$5", "5%", "1e400", "0.12345678901234567", "-0.30000000000000004", "9007199254740993", "9007199254740993.5", "-9007199254740992", "0.1000000000000000055511151231257827", "-0.0", "007.50", "-.5", "--1.5", "1.5.5", "1,5,5", "123456789012345678", "٣.٥", "0,12345678901234567", "-0,0"}
	case "money":
		return []string{"0", "1.5", "19.99", "1.23455", "2.00005", "-1.00005", "922337203685477.5807", "922337203685477.5808", "1,000.25", "", "1e3", "0.1e1", "x", "12_3.5", "1,5", "-0", "-0.0", "12.", ".5", "1.", "+1.5", "1.50000", "99999999999999.9999", "-99999999999999.9999", "100000000000000.25", "-", "-.", "007.5", "1.2.3", "12,34", "0.0001", "-0.0001", "1-2"}
	case "logical":
		return []string{"true", "false", "TRUE", "False", "", "1", "yes", " true", "fal\u017fe", "TruE"}
	case "date":
		return []string{"2024-01-31", "2024-02-30", "1/2/2024", "31/12/2023", "31.12.2023", "2024-1-5", "", "2024-01-31 10:00:00", "0099-01-01", "0100-01-01", "9999-12-31", "20240131", "Jan 5 2024", "infinity", "x", "2023-02-29", "2024-02-29", "1900-02-29", "2024-04-31", "0000-01-01", "0001-01-01", "2024-13-01", "2024-00-10", "2024-01-00", "2024-1-31x", "9999-12-32"}
	case "datetime":
		return []string{"2024-01-31 10:11:12", "2024-01-31T10:11:12", "2024-01-31 10:11:12.5", "2024-01-31 10:11:12.1234567", "2024-01-31", "1/2/2024 3:04 PM", "31.12.2023 23:59", "", "2024-01-31 25:00:00", "epoch", "2024-01-31 10:11", "2024-01-31 23:59:59.999999", "2024-01-31 24:00:00", "2024-01-31 10:60:00", "2024-01-31 10:11:60", "2024-01-31 10:11:12.", "2024-01-31 10:11:12.50", "2024-01-31 10:11:12.x", "2024-01-31  10:11:12", "2023-02-29 10:11:12", "2024-01-31 10:11:12Z"}
	}
	return []string{"", "a", "A", "ä", "Ä", "é", "e\u0301", "ß", "SS", "Z", "z", " a", "a ", "10", "9", "naïve, café", "line\nbreak", `quo"te`, "\U0001F600", "\uFF21", "\uE000", "x'y", "%", "_"}
}

// sample is a CSV file whose columns hold every cell at least once, in random company.
func sample(seed uint64, rows int, kinds ...string) string {
	random := rand.New(rand.NewPCG(seed, 7))
	var b strings.Builder
	b.WriteString("k")
	for i := range kinds {
		fmt.Fprintf(&b, ",c%d", i)
	}
	b.WriteString("\n")
	for row := range rows {
		fmt.Fprintf(&b, "%d", random.IntN(rows/2+1))
		for _, kind := range kinds {
			all := cells(kind)
			cell := all[random.IntN(len(all))]
			if row < len(all) {
				cell = all[row]
			}
			if strings.ContainsAny(cell, ",\"\n") {
				cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
			}
			b.WriteString("," + cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// foldCase is a form of expression over Source, which is a file with the columns k and c0, c1 ….
type foldCase struct {
	name      string
	kinds     []string
	m         string
	unordered bool
}

func foldCases() []foldCase {
	text2 := []string{"text", "text"}
	typed := func(t string, culture string) string {
		return `Table.TransformColumnTypes(Source, {{"c0", ` + t + `}}, "` + culture + `")`
	}
	var all []foldCase
	for _, culture := range []string{"en-US", "de-DE", "pt-BR"} {
		for kind, t := range map[string]string{"int": "Int64.Type", "number": "type number", "logical": "type logical", "date": "type date", "datetime": "type datetime", "money": "Currency.Type"} {
			all = append(all, foldCase{name: "all cells of " + t + " in " + culture, kinds: []string{kind}, m: typed(t, culture)})
			for _, cell := range cells(kind) {
				// One cell a time, so that an error in one does not hide the others.
				all = append(all, foldCase{name: t + " of " + cell + " in " + culture, kinds: []string{kind},
					m: `let Only = Table.SelectRows(Source, each [c0] = ` + quoteText(cell) + `) in Table.TransformColumnTypes(Only, {{"c0", ` + t + `}}, "` + culture + `")`})
			}
		}
	}
	for _, op := range []string{"=", "<>", "<", "<=", ">", ">="} {
		for _, cell := range []string{"", "a", "Z", "é", "\U0001F600", "\uFF21"} {
			all = append(all, foldCase{name: "text " + op + " " + cell, kinds: text2, m: `Table.SelectRows(Source, each [c0] ` + op + ` ` + quoteText(cell) + `)`})
		}
		all = append(all,
			foldCase{name: "two texts " + op, kinds: text2, m: `Table.SelectRows(Source, each [c0] ` + op + ` [c1])`},
			foldCase{name: "number " + op, kinds: text2, m: `let T = Table.TransformColumnTypes(Source, {{"k", Int64.Type}}) in Table.SelectRows(T, each [k] ` + op + ` 10)`},
			foldCase{name: "number and fraction " + op, kinds: text2, m: `let T = Table.TransformColumnTypes(Source, {{"k", type number}}) in Table.SelectRows(T, each [k] ` + op + ` 10.5)`},
			foldCase{name: "null in numbers " + op, kinds: []string{"number"}, m: `let C = Table.SelectRows(Source, each List.Contains({"", "NaN", "0", "1.5", "-0", "-2.25", "0.1"}, [c0])), T = Table.TransformColumnTypes(C, {{"c0", type number}}) in Table.SelectRows(T, each [c0] ` + op + ` 0)`},
			foldCase{name: "numbers with NaN " + op, kinds: []string{"number", "number"}, m: `let C = Table.SelectRows(Source, each List.Contains({"", "NaN", "0", "1.5", "-0"}, [c0]) and List.Contains({"", "NaN", "0", "1.5", "-0"}, [c1])), T = Table.TransformColumnTypes(C, {{"c0", type number}, {"c1", type number}}) in Table.SelectRows(T, each [c0] ` + op + ` [c1])`},
			foldCase{name: "not of numbers with null " + op, kinds: []string{"number"}, m: `let C = Table.SelectRows(Source, each List.Contains({"", "NaN", "0", "1.5"}, [c0])), T = Table.TransformColumnTypes(C, {{"c0", type number}}) in Table.SelectRows(T, each not ([c0] ` + op + ` 1))`},
			foldCase{name: "dates " + op, kinds: []string{"date"}, m: `let C = Table.SelectRows(Source, each List.Contains({"2024-01-31", "0100-01-01", ""}, [c0])), T = Table.TransformColumnTypes(C, {{"c0", type date}}) in Table.SelectRows(T, each [c0] ` + op + ` #date(2024, 1, 31))`},
		)
	}
	numbers := `let T = Table.TransformColumnTypes(Source, {{"k", Int64.Type}}) in `
	clean := `let C = Table.SelectRows(Source, each List.Contains({"", "0", "1", "-1", "42"}, [c0])), T = Table.TransformColumnTypes(C, {{"k", Int64.Type}, {"c0", Int64.Type}}) in `
	return append(all,
		foldCase{name: "errors that are dropped", kinds: []string{"int"}, m: `let T = Table.TransformColumnTypes(Source, {{"c0", Int64.Type}}) in Table.RemoveColumns(T, {"c0"})`},
		foldCase{name: "errors in rows that are dropped", kinds: []string{"int"}, m: `let T = Table.TransformColumnTypes(Source, {{"c0", Int64.Type}, {"k", Int64.Type}}) in Table.SelectRows(T, each [k] < 0)`},
		foldCase{name: "errors after a limit", kinds: []string{"int"}, m: `let T = Table.TransformColumnTypes(Source, {{"c0", Int64.Type}}) in Table.FirstN(T, 5)`},
		foldCase{name: "an error in a condition", kinds: []string{"int"}, m: `let T = Table.TransformColumnTypes(Source, {{"c0", Int64.Type}}) in Table.SelectRows(T, each [c0] > 1)`},
		foldCase{name: "an error behind and", kinds: []string{"int"}, m: `let T = Table.TransformColumnTypes(Table.DuplicateColumn(Source, "c0", "raw"), {{"c0", Int64.Type}}) in Table.SelectRows(T, each List.Contains({"1", "42"}, [raw]) and [c0] > 1)`},
		foldCase{name: "an error behind or", kinds: []string{"int"}, m: `let T = Table.TransformColumnTypes(Table.DuplicateColumn(Source, "c0", "raw"), {{"c0", Int64.Type}}) in Table.SelectRows(T, each [raw] = "abc" or [c0] > 1)`},
		foldCase{name: "two filters, the first saves the second", kinds: []string{"int"}, m: `let D = Table.DuplicateColumn(Source, "c0", "raw"), T = Table.TransformColumnTypes(D, {{"c0", Int64.Type}}), F = Table.SelectRows(T, each [raw] = "42") in Table.SelectRows(F, each [c0] > 1)`},
		foldCase{name: "starts with", kinds: text2, m: `Table.SelectRows(Source, each Text.StartsWith([c0], "a"))`},
		foldCase{name: "ends with", kinds: text2, m: `Table.SelectRows(Source, each Text.EndsWith([c0], "a"))`},
		foldCase{name: "contains", kinds: text2, m: `Table.SelectRows(Source, each Text.Contains([c0], "e"))`},
		foldCase{name: "contains per cent", kinds: text2, m: `Table.SelectRows(Source, each Text.Contains([c0], "%"))`},
		foldCase{name: "sort by text", kinds: text2, m: `Table.Sort(Source, {{"c0", Order.Ascending}})`},
		foldCase{name: "sort by text down, then number", kinds: text2, m: numbers + `Table.Sort(T, {{"c0", Order.Descending}, {"k", Order.Ascending}})`},
		foldCase{name: "sort twice", kinds: text2, m: `Table.Sort(Table.Sort(Source, "c1"), "c0")`},
		foldCase{name: "sort by numbers with null", kinds: []string{"int"}, m: clean + `Table.Sort(T, {{"c0", Order.Ascending}})`},
		foldCase{name: "sort by numbers with null down", kinds: []string{"int"}, m: clean + `Table.Sort(T, {{"c0", Order.Descending}})`},
		foldCase{name: "sort by doubles with NaN", kinds: []string{"number"}, m: `let C = Table.SelectRows(Source, each List.Contains({"", "NaN", "0", "1.5", "-2.25"}, [c0])), T = Table.TransformColumnTypes(C, {{"c0", type number}}) in Table.Sort(T, {{"c0", Order.Descending}})`},
		foldCase{name: "sort, first rows", kinds: text2, m: `Table.FirstN(Table.Sort(Source, {"c0", Order.Descending}), 7)`},
		foldCase{name: "sort, index", kinds: text2, m: `Table.AddIndexColumn(Table.Sort(Source, "c0"), "i", 1, 2, Int64.Type)`},
		foldCase{name: "index", kinds: text2, m: `Table.AddIndexColumn(Source, "i", 0, 1, Int64.Type)`},
		foldCase{name: "filter, index, skip", kinds: text2, m: `Table.Skip(Table.AddIndexColumn(Table.SelectRows(Source, each [c0] > "a"), "i", 0, 1, Int64.Type), 3)`},
		foldCase{name: "skip and first", kinds: text2, m: `Table.FirstN(Table.Skip(Source, 4), 9)`},
		foldCase{name: "first, filter", kinds: text2, m: `Table.SelectRows(Table.FirstN(Source, 9), each [c0] <> "a")`},
		foldCase{name: "distinct", kinds: text2, m: `Table.Distinct(Table.SelectColumns(Source, {"c0", "c1"}))`},
		foldCase{name: "distinct by a key", kinds: text2, m: `Table.Distinct(Source, {"c0"})`},
		foldCase{name: "distinct by a key after a sort", kinds: text2, m: `Table.Distinct(Table.Sort(Source, {"c1", Order.Descending}), {"c0"})`},
		foldCase{name: "group", kinds: text2, unordered: true, m: numbers + `Table.Group(T, {"c0"}, {{"n", each Table.RowCount(_), Int64.Type}, {"s", each List.Sum([k]), Int64.Type}, {"m", each List.Max([k]), Int64.Type}})`},
		foldCase{name: "group with nulls", kinds: []string{"int"}, unordered: true, m: clean + `Table.Group(T, {"k"}, {{"n", each List.Count([c0]), Int64.Type}, {"s", each List.Sum([c0]), Int64.Type}, {"l", each List.Min([c0]), Int64.Type}})`},
		foldCase{name: "group by nulls", kinds: []string{"int"}, unordered: true, m: clean + `Table.Group(T, {"c0"}, {{"n", each Table.RowCount(_), Int64.Type}})`},
		foldCase{name: "join", kinds: []string{"int"}, unordered: true, m: clean + `Table.Join(Table.SelectColumns(T, {"k", "c0"}), "c0", Table.RenameColumns(T, {{"k", "k2"}, {"c0", "d0"}}), "d0", JoinKind.Inner)`},
		foldCase{name: "nested join expanded", kinds: text2, unordered: true, m: `Table.ExpandTableColumn(Table.NestedJoin(Source, {"c0"}, Source, {"c1"}, "other", JoinKind.LeftOuter), "other", {"k"}, {"other.k"})`},
		foldCase{name: "nested join on nulls, expanded", kinds: []string{"int"}, unordered: true, m: clean + `Table.ExpandTableColumn(Table.NestedJoin(T, {"c0"}, Table.SelectRows(T, each [c0] = null or [c0] = 1), {"c0"}, "other", JoinKind.LeftOuter), "other", {"k"}, {"other.k"})`},
		foldCase{name: "combine", kinds: text2, m: `Table.Combine({Source, Table.RenameColumns(Source, {{"c1", "c9"}}), Table.SelectColumns(Source, {"c0"})})`},
		foldCase{name: "combine typed", kinds: text2, m: numbers + `Table.SelectRows(Table.Combine({T, T}), each [k] > 3)`},
		foldCase{name: "replace value", kinds: text2, m: `Table.ReplaceValue(Source, "a", "b", Replacer.ReplaceValue, {"c0", "c1"})`},
		foldCase{name: "replace null", kinds: []string{"int"}, m: clean + `Table.ReplaceValue(T, null, 0, Replacer.ReplaceValue, {"c0"})`},
		foldCase{name: "added column", kinds: text2, m: `Table.AddColumn(Source, "x", each [c0] & "-" & [c1], type text)`},
		foldCase{name: "added condition", kinds: []string{"int"}, m: clean + `Table.AddColumn(T, "x", each if [c0] = 1 then "one" else if [c0] = null then null else "other", type text)`},
		foldCase{name: "years", kinds: []string{"date"}, m: `let C = Table.SelectRows(Source, each List.Contains({"2024-01-31", "0100-01-01", ""}, [c0])), T = Table.TransformColumnTypes(C, {{"c0", type date}}) in Table.AddColumn(T, "y", each Date.Year([c0]), Int64.Type)`},
		foldCase{name: "columns", kinds: text2, m: `Table.ReorderColumns(Table.RenameColumns(Table.RemoveColumns(Table.DuplicateColumn(Source, "c0", "d"), {"c1"}), {{"d", "k2"}}), {"k2", "k", "c0"})`},
		foldCase{name: "columns that are not there", kinds: text2, m: `Table.SelectColumns(Source, {"c0", "none"}, MissingField.UseNull)`},
	)
}

// agree runs a case both ways and returns the first difference.
func (b *foldBench) agree(c foldCase, source string, planted *rules) string {
	b.t.Helper()
	open := func() *Relation { return b.relation("let Source = " + source + ", Result = " + c.m + " in Result") }
	folded := open()
	if planted != nil {
		folded.session.reading.rules = planted
	}
	got, want := b.rows(folded, false), b.rows(open(), true)
	if c.unordered {
		slices.Sort(got)
		slices.Sort(want)
	}
	return firstDifference("folded", got, "by rows", want)
}

// firstDifference tells where two ways of reading the same rows differ; empty where they do not.
func firstDifference(way string, got []string, other string, want []string) string {
	if slices.Equal(got, want) {
		return ""
	}
	for i := range max(len(got), len(want)) {
		g, w := "no row", "no row"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			return fmt.Sprintf("row %d %s %.1500q, %s %.1500q (of %d and %d)", i+1, way, g, other, w, len(got), len(want))
		}
	}
	return ""
}

func csvSource(path string, encoding int) string {
	return fmt.Sprintf(`Table.PromoteHeaders(Csv.Document(File.Contents(%s), [Delimiter=",", Encoding=%d, QuoteStyle=QuoteStyle.Csv]))`, quoteText(path), encoding)
}

// TestPlainForms: what a conversion reads in its shorter way is what the library reads, to the representation.
func TestPlainForms(t *testing.T) {
	ev := newSession(&Document{}, &Env{}, nil).begin(context.Background())
	short := 0
	for _, culture := range []string{"en-US", "de-DE", "pt-BR", "en-GB"} {
		for _, typ := range []*typeValue{named(kindNumber, "Int64.Type"), simple(kindNumber), named(kindNumber, "Currency.Type"), simple(kindDate), simple(kindDateTime), simple(kindText)} {
			shortly, err := newConverter(ev, typ, culture)
			if err != nil {
				t.Fatal(err)
			}
			fully := *shortly
			fully.shortly = false
			for _, kind := range []string{"int", "number", "money", "date", "datetime", "text"} {
				for _, cell := range cells(kind) {
					made := shortly.plain(cell)
					if made == nil {
						continue
					}
					short++
					want, err := fully.convert(ev, text(cell))
					if err != nil || exact(ev, made) != exact(ev, want) {
						t.Errorf("%q to %s in %s: shortly %s, by the library %v, %v", cell, typ.title(), culture, exact(ev, made), want, err)
					}
				}
			}
		}
	}
	if short == 0 {
		t.Error("nothing is read in the shorter way")
	}
}

// TestFoldingNeverChangesAResult holds every folded form against the evaluation of the same expression by rows.
func TestFoldingNeverChangesAResult(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	files := map[string]string{}
	refused := map[string]bool{"combine typed": true}
	for _, c := range foldCases() {
		key := strings.Join(c.kinds, " ")
		if files[key] == "" {
			files[key] = csvSource(b.write(fmt.Sprintf("f%d.csv", len(files)), []byte(sample(uint64(len(files)), 60, c.kinds...))), 65001)
		}
		r := b.relation("let Source = " + files[key] + ", Result = " + c.m + " in Result")
		if err := b.folds(r); err != nil && !refused[c.name] {
			t.Errorf("%s does not fold: %v", c.name, err)
		}
		if difference := b.agree(c, files[key], nil); difference != "" {
			t.Errorf("%s: %s\n%s", c.name, difference, c.m)
		}
	}
}

// TestFoldingOfOtherCodePages: text is transcoded before DuckDB sees it.
func TestFoldingOfOtherCodePages(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	data, err := charmap.Windows1252.NewEncoder().String("k,c0,c1\n1,Ä,é\n2,ä,€\n3,,“\n4,Z,\n")
	if err != nil {
		t.Fatal(err)
	}
	source := csvSource(b.write("latin.csv", []byte(data)), 1252)
	for _, c := range []foldCase{
		{name: "filter", m: `Table.SelectRows(Source, each [c0] = "ä" or [c1] = "“")`},
		{name: "sort", m: `Table.Sort(Source, "c0")`},
	} {
		if difference := b.agree(c, source, nil); difference != "" {
			t.Errorf("%s: %s", c.name, difference)
		}
	}
	got := b.rows(b.relation("let Source = "+source+` in Table.SelectRows(Source, each [c0] = "ä")`), false)
	if want := []string{"2|ä|€"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWrongFoldsAreCaught plants rules that are nearly right: the differential test must see each.
func TestWrongFoldsAreCaught(t *testing.T) {
	planted := map[[2]string]func(*rules){ // by what is wrong and the cases that must see it
		{"equality without null", "<>"}: func(r *rules) {
			r.compare = func(q *query, op string, left, right *sqlExpr) (*sqlExpr, error) {
				e, err := compareExpr(q, op, left, right)
				if err == nil && op == "<>" && right.kind != sqlNull {
					e = &sqlExpr{kind: sqlLogical, nonNull: true, form: "({0} <> {1})", args: []*sqlExpr{left, right}, raises: e.raises}
				}
				return e, err
			}
		},
		{"orders that take NaN for the largest", "numbers with NaN"}: func(r *rules) {
			r.compare = func(q *query, op string, left, right *sqlExpr) (*sqlExpr, error) {
				e, err := compareExpr(q, op, left, right)
				if err == nil && left.kind == sqlDouble && (op == ">" || op == ">=") {
					e = &sqlExpr{kind: sqlLogical, form: "({0} " + op + " {1})", args: []*sqlExpr{left, right}, raises: e.raises}
				}
				return e, err
			}
		},
		{"text without case", "text ="}: func(r *rules) {
			r.compare = func(q *query, op string, left, right *sqlExpr) (*sqlExpr, error) {
				if left.kind == sqlText && right.kind == sqlText && op == "=" {
					return &sqlExpr{kind: sqlLogical, nonNull: true, form: "(lower({0}) = lower({1}))", args: []*sqlExpr{left, right}}, nil
				}
				return compareExpr(q, op, left, right)
			}
		},
		{"text by code points", "text <"}: func(r *rules) {
			r.compare = func(q *query, op string, left, right *sqlExpr) (*sqlExpr, error) {
				if left.kind == sqlText && right.kind == sqlText && op == "<" {
					return &sqlExpr{kind: sqlLogical, form: "({0} < {1})", args: []*sqlExpr{left, right}}, nil
				}
				return compareExpr(q, op, left, right)
			}
		},
		{"casts of everything that DuckDB takes", "Int64.Type of"}: plantConversion("CASE WHEN TRY_CAST({0} AS BIGINT) IS NOT NULL THEN CAST({0} AS BIGINT) ELSE {1} END", sqlInt),
		{"errors as null", "Int64.Type of"}:                        plantConversion("TRY_CAST({0} AS BIGINT)", sqlInt),
		{"doubles of DuckDB", "type number of"}:                    plantConversion("CASE WHEN TRY_CAST({0} AS DOUBLE) IS NOT NULL THEN CAST({0} AS DOUBLE) ELSE {1} END", sqlDouble),
		{"commas for points", "type number of"}:                    plantConversion("CASE WHEN isfinite(TRY_CAST({0} AS DOUBLE)) THEN CAST({0} AS DOUBLE) ELSE {1} END", sqlDouble),
		{"dates of DuckDB", "type date of"}:                        plantConversion("CASE WHEN TRY_CAST({0} AS DATE) IS NOT NULL THEN CAST({0} AS DATE) ELSE {1} END", sqlDate),
		{"joins without null", "nested join on nulls"}:             func(r *rules) { r.joinTest = "({0} = {1})" },
		{"counts without null", "group with nulls"}:                func(r *rules) { r.aggregates["List.Count"] = "COUNT({0})" },
		{"sums that begin at 0", "group with nulls"}:               func(r *rules) { r.aggregates["List.Sum"] = "COALESCE(SUM({0}), 0)" },
		{"the largest for the smallest", "group"}:                  func(r *rules) { r.aggregates["List.Max"] = "MIN({0})" },
	}
	b := newFoldBench(t, nil, nil)
	files := map[string]string{}
	for wrongly, plant := range planted {
		wrong := foldRules()
		plant(wrong)
		caught := ""
		for _, c := range foldCases() {
			if !strings.Contains(c.name, wrongly[1]) {
				continue
			}
			key := strings.Join(c.kinds, " ")
			if files[key] == "" {
				files[key] = csvSource(b.write(fmt.Sprintf("w%d.csv", len(files)), []byte(sample(uint64(len(files)), 60, c.kinds...))), 65001)
			}
			if caught = b.agree(c, files[key], wrong); caught != "" {
				break
			}
		}
		if caught == "" {
			t.Errorf("the wrong fold %q was not caught", wrongly[0])
		}
	}
}

// plantConversion puts a wrong form of {0}, the text, in the place of the right one, which is {1}.
func plantConversion(wrong string, of sqlKind) func(*rules) {
	return func(r *rules) {
		r.convert = func(f *folding, q *query, e *sqlExpr, column string, typ *typeValue, culture string) (*sqlExpr, error) {
			made, err := convertExpr(f, q, e, column, typ, culture)
			if err == nil && e.kind == sqlText && made.kind == of {
				planted := *made
				planted.form, planted.args = wrong, []*sqlExpr{e, made}
				made = &planted
			}
			return made, err
		}
	}
}
