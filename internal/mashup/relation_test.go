package mashup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// load writes a relation to a file and reads it back; the error is Load's.
func (b *foldBench) load(r *Relation, targets []Target) ([]string, error) {
	b.t.Helper()
	ctx := context.Background()
	path := filepath.Join(b.t.TempDir(), "out.parquet")
	if _, _, err := r.Load(ctx, b.conn, targets, path); err != nil {
		if _, err := os.Stat(path); err == nil {
			b.t.Errorf("a failed load left its file")
		}
		return nil, err
	}
	result, err := b.conn.Query(ctx, "SELECT * FROM read_parquet('"+path+"')")
	if err != nil {
		b.t.Fatal(err)
	}
	defer result.Release()
	var lines []string
	for result.Next() {
		batch := result.RecordBatch()
		for row := range int(batch.NumRows()) {
			var cells []string
			for _, column := range batch.Columns() {
				cells = append(cells, strings.Clone(column.ValueStr(row)))
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
	}
	return lines, result.Err()
}

// TestLoadValues: the value rules, by rows and folded.
func TestLoadValues(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	path := b.write("v.csv", []byte("n,d,t\n1.00005,2024-02-29,a\n-1.00005,0100-01-01,\n2.5,9999-12-31,ü\n"))
	typed := `Table.TransformColumnTypes(` + csvSource(path, 65001) + `, {{"n", type number}, {"d", type date}})`
	targets := []Target{{Name: "Amount", SourceColumn: "n", Type: DecimalTarget}, {Name: "n", Type: DoubleTarget}, {Name: "d", Type: DateTimeTarget}, {Name: "t", Type: StringTarget}}
	want := []string{"1.0001|1.00005|2024-02-29T00:00:00|a", "-1.0001|-1.00005|0100-01-01T00:00:00|", "2.5|2.5|9999-12-31T00:00:00|ü"}
	for name, expression := range map[string]string{"folded": typed, "by rows": "Table.StopFolding(" + typed + ")"} {
		got, err := b.load(b.relation(expression), targets)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestLoadMisfits (F4): what does not fit names column, row and value, in every way of reading.
func TestLoadMisfits(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	path := b.write("m.csv", []byte("n,d,x\n1,2024-01-01,1\n2.5,2024-01-02,7\n1e300,0099-12-31,abc\nNaN,2024-01-04,9\n"))
	typed := `Table.TransformColumnTypes(` + csvSource(path, 65001) + `, {{"n", type number}, {"d", type date}, {"x", Int64.Type}})`
	for _, c := range []struct {
		name, code, where, text string
		target                  Target
		m                       string
	}{
		{"fraction", codeMisfit, "column 'N', row 2", "2.5", Target{Name: "N", SourceColumn: "n", Type: Int64Target}, typed},
		{"overflow", codeMisfit, "column 'n', row 3", "1", Target{Name: "n", Type: DecimalTarget}, typed},
		{"no number", codeMisfit, "column 'n', row 1", "#nan", Target{Name: "n", Type: Int64Target}, `Table.Skip(` + typed + `, 3)`},
		{"old date", codeMisfit, "column 'd', row 3", "#date(99, 12, 31)", Target{Name: "d", Type: DateTimeTarget}, typed},
		{"cell error", codeCellError, "column 'X', row 3", `"abc"`, Target{Name: "X", SourceColumn: "x", Type: Int64Target}, typed},
		{"cell error after a filter", codeCellError, "column 'x', row 2", `"abc"`, Target{Name: "x", Type: Int64Target}, `Table.SelectRows(` + typed + `, each [n] <> 1)`},
	} {
		for way, expression := range map[string]string{"folded": c.m, "by rows": "Table.StopFolding(" + c.m + ")"} {
			_, err := b.load(b.relation(expression), []Target{c.target})
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != c.code || f.Where.String() != c.where || !strings.Contains(f.Message, c.text) || f.Hint == "" {
				t.Errorf("%s, %s: %v", c.name, way, err)
			}
		}
	}
}

// TestF3Progress: rows and bytes of a file that DuckDB reads.
func TestF3Progress(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	data := "id,name\n" + strings.Repeat("1,ab\n2,cd\n", 5000)
	path := b.write("p.csv", []byte(data))
	for way, m := range map[string]string{"folded": csvSource(path, 65001), "by rows": "Table.StopFolding(" + csvSource(path, 65001) + ")"} {
		r := b.relation(m)
		if _, err := b.load(r, []Target{{Name: "name", Type: StringTarget}}); err != nil {
			t.Fatal(err)
		}
		if p := r.Progress(); p.Rows < 10_000 || p.Bytes != int64(len(data)) || p.TotalBytes != int64(len(data)) {
			t.Errorf("%s: %+v of %d bytes", way, p, len(data))
		}
	}
}

func TestLoadMissingColumn(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	_, err := b.load(b.relation(`#table({"Amount", "City"}, {{1, "a"}})`), []Target{{Name: "Sum", SourceColumn: "Ammount", Type: Int64Target}})
	if fault.CodeOf(err) != codeMissingColumn || !strings.Contains(err.Error(), "Did you mean 'Amount'?") {
		t.Errorf("%v", err)
	}
}

// TestF13RefusedFile: a path that no setting allows is refused with the lines that would allow it, and is not touched.
func TestF13RefusedFile(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	d, err := NewDocument(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{Sources: b.sources}
	for _, path := range []string{"/etc/hostname", "/no/such/file.csv"} {
		_, err = d.Table(context.Background(), env, `Csv.Document(try File.Contents("`+path+`") otherwise "a,b")`, nil)
		if fault.CodeOf(err) != source.CodeNotAllowed || !strings.Contains(err.Error(), "kind: File") {
			t.Errorf("%s: %v", path, err) // the same answer whether the file is there or not
		}
	}
}

func TestSourcesNotBuilt(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	d, err := NewDocument(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Table(context.Background(), &Env{Sources: b.sources}, `Sql.Database("server", "db"){[Schema="dbo",Item="T"]}[Data]`, nil)
	if fault.CodeOf(err) != fault.CodeSourceUnsupported || !strings.Contains(err.Error(), "cannot read from Sql.Database") {
		t.Errorf("%v", err)
	}
}

// TestParquetFolds: a Parquet file is read by DuckDB, with its own types.
func TestParquetFolds(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	path := filepath.Join(b.folder, "p.parquet")
	if _, err := b.conn.WriteParquet(context.Background(), `SELECT i AS id, CASE WHEN i % 3 = 0 THEN NULL ELSE 'n' || i END AS name, CAST(i / 4 AS DECIMAL(10,2)) AS price,
		DATE '2024-01-01' + CAST(i AS INT) AS day, TIMESTAMP '2024-01-01' + INTERVAL (i) HOUR AS at, i % 2 = 0 AS even, CASE WHEN i = 5 THEN 'NaN' ELSE i / 2 END::DOUBLE AS half
		FROM range(40) AS r(i)`, path); err != nil {
		t.Fatal(err)
	}
	source := `Parquet.Document(File.Contents("` + path + `"))`
	for _, c := range []foldCase{
		{name: "all", m: "Source"},
		{name: "filter", m: `Table.SelectRows(Source, each [day] >= #date(2024, 1, 10) and [name] <> null)`},
		{name: "numbers", m: `Table.SelectRows(Source, each [half] > 3 or [price] = 2.25)`},
		{name: "sort", m: `Table.Sort(Source, {{"even", Order.Descending}, {"half", Order.Ascending}})`},
		{name: "group", m: `Table.Group(Source, {"even"}, {{"s", each List.Sum([price]), Currency.Type}, {"m", each List.Max([at]), type datetime}})`, unordered: true},
	} {
		if err := b.folds(b.relation("let Source = " + source + ", Result = " + c.m + " in Result")); err != nil {
			t.Errorf("%s does not fold: %v", c.name, err)
		}
		if difference := b.agree(c, source, nil); difference != "" {
			t.Errorf("%s: %s", c.name, difference)
		}
	}
}

// TestExplainFiles: F10.
func TestExplainFiles(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	path := b.write("e.csv", []byte("id,name\n1,a\n2,b\n"))
	e, err := b.relation(`Table.SelectRows(Table.TransformColumnTypes(`+csvSource(path, 65001)+`, {{"id", Int64.Type}}), each [name] <> "a")`).Explain(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Breaks != "" || len(e.Statements) != 1 || e.Statements[0].To != "DuckDB" || !strings.Contains(e.Statements[0].Text, "FROM read_csv('"+path+"'") {
		t.Errorf("%+v", e)
	}
	if e.Steps[len(e.Steps)-1] != (ExplainedStep{Name: "Table.SelectRows", Where: "DuckDB"}) {
		t.Errorf("%+v", e.Steps)
	}
}

// TestAsks (F8): what an expression of one value would ask is told, and not asked.
func TestAsks(t *testing.T) {
	b := newFoldBench(t, nil, nil)
	path := b.write("a.csv", []byte("at\n2024-01-01\n"))
	document, err := NewDocument([]Query{{Name: "Rows", Text: csvSource(path, 65001)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{Sources: b.sources}
	for _, c := range []struct{ m, to string }{
		{"List.Max(Rows[at])", "File " + path},
		{"try List.Max(Rows[at]) otherwise 1", "File " + path},
		{"List.Max({1, 2})", ""},
		{`List.Max(#table({"a"}, {{1}})[a])`, ""},
	} {
		asked, err := document.Asks(t.Context(), env, c.m, nil)
		if err != nil || (asked == nil) != (c.to == "") || asked != nil && asked.To != c.to {
			t.Errorf("%s: %+v, %v", c.m, asked, err)
		}
	}
	if _, err := document.Asks(t.Context(), env, "Row[at]", nil); err == nil || !strings.Contains(err.Error(), "Rows") {
		t.Errorf("a name that is not there: %v", err)
	}
}
