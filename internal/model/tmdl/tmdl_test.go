package tmdl_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"freshet.dev/internal/model"
	"freshet.dev/internal/model/tmdl"
)

// folder reads a folder's files by their paths in it.
func folder(t testing.TB, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func checkRoundTrip(t *testing.T, files map[string][]byte) *tmdl.Document {
	t.Helper()
	d, err := tmdl.Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	encoded := d.Encode()
	if len(encoded) != len(files) {
		t.Errorf("Encode gives %d files of %d", len(encoded), len(files))
	}
	for name, content := range files {
		if !bytes.Equal(encoded[name], content) {
			t.Errorf("%s is not what was read:\n%q\n%q", name, encoded[name], content)
		}
	}
	again, err := tmdl.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Model(), d.Model()) {
		t.Error("the model differs after a round trip")
	}
	return d
}

// F1: every real model is written back as it was read, and holds together.
func TestF1RoundTripShared(t *testing.T) {
	const models = "../../../../shared/models"
	for _, name := range []string{"adventureworks-tmdl", "sales-tmdl", "policy-tmdl"} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(models, name)
			if _, err := os.Stat(root); err != nil {
				t.Skip("SKIPPED: ../shared/models is not beside the repository")
			}
			d := checkRoundTrip(t, folder(t, root))
			if err := d.Model().Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// every is a model with every construct of the language, in tabs and in spaces, with both kinds of line ends.
func every(t testing.TB) map[string][]byte {
	t.Helper()
	return folder(t, "testdata/Every.SemanticModel")
}

// F1: what is read is written back.
func TestF1RoundTrip(t *testing.T) { checkRoundTrip(t, every(t)) }

func TestModel(t *testing.T) {
	d, err := tmdl.Decode(every(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Model().Validate(); err != nil {
		t.Error(err)
	}
	want := &model.Model{
		Name: "Every 'Thing", CompatibilityLevel: 1567, Culture: "pt-BR", DefaultMode: "directQuery",
		DataSources: []*model.DataSource{
			{Name: "Ware house", Type: "provider", ConnectionString: `Host=db.example;Database="sales"`, Provider: "Npgsql"},
			{
				Name: "PostgreSQL/db.example;sales", Type: "structured", Protocol: "postgresql",
				Address: map[string]string{"server": "db.example", "database": "sales"},
			},
			{Name: "SQL/db", Type: "structured", Protocol: "tds", Address: map[string]string{"server": "db", "port": "1433", "x": "true"}},
		},
		Tables: []*model.Table{
			{
				Name: "Kinds", IsHidden: true,
				Columns: []*model.Column{
					{Name: "Kind", Type: "calculatedTableColumn", DataType: "string", SourceColumn: "[Kind]"},
					{Name: "It's.odd", Type: "calculated", DataType: "int64", Expression: "1"},
				},
				Partitions: []*model.Partition{{Name: "Kinds", Mode: "import", Source: model.PartitionSource{Type: "calculated", Expression: "{1, 2}"}}},
			},
			{
				Name: "Sales & Co", ExcludeFromModelRefresh: true,
				Columns: []*model.Column{
					{Name: "Id", Type: "data", DataType: "int64", SourceColumn: "sale_id"},
					{Name: "Order Date", Type: "data", DataType: "dateTime", SourceColumn: "Order Date", SortByColumn: "Order Date"},
					{Name: "Amount", Type: "data", DataType: "decimal", SourceColumn: `Amount, "net"`},
					{Name: "Double", Type: "calculated", DataType: "double", Expression: "[Amount] * 2"},
					{Name: "Long", Type: "calculated", DataType: "double", Expression: "VAR x = [Amount]\nRETURN\n    x"},
				},
				Measures: []*model.Measure{
					{Name: "Total", Expression: "SUM('Sales & Co'[Amount])"},
					{Name: "It's = odd", Expression: "\n1"},
				},
				RefreshPolicy: &model.RefreshPolicy{
					Mode: "hybrid", RollingWindowGranularity: "year", RollingWindowPeriods: 3, IncrementalGranularity: "day", IncrementalPeriods: 10,
					IncrementalPeriodsOffset: -1, SourceExpression: "let\n    x = 1\nin\n    x", PollingExpression: "List.Max(x)",
				},
				Partitions: []*model.Partition{
					{Name: "everything", Mode: "import", Source: model.PartitionSource{
						Type: "m", Expression: "let\n    Source = #\"PostgreSQL/db.example;sales\",\n\n\tTab = Source\nin\n    Tab",
					}},
					{Name: "by query", Mode: "directQuery", Source: model.PartitionSource{
						Type: "query", Query: "SELECT *\nFROM sales -- all", DataSource: "Ware house",
					}},
					{Name: "short", Mode: "directQuery", Source: model.PartitionSource{Type: "query", Query: `SELECT "x" FROM t`, DataSource: "Ware house"}},
					{Name: "y2024", Mode: "import", Source: model.PartitionSource{
						Type: "policyRange", Start: "2024-01-01T00:00:00", End: "2025-01-01T00:00:00", Granularity: "year", Bookmark: "b",
					}},
					{Name: "lake", Mode: "directLake", Source: model.PartitionSource{
						Type: "entity", EntityName: "sales", SchemaName: "dbo", EntityFrom: "Multi line",
					}},
				},
			},
			{
				Name: "Periods", CalculationGroup: true,
				Columns: []*model.Column{{Name: "Period", Type: "data", DataType: "string", SourceColumn: "Name"}},
			},
		},
		Relationships: []*model.Relationship{
			{
				Name: "5c8c4f9e-0000-4000-8000-000000000001", FromTable: "Sales & Co", FromColumn: "Order Date", ToTable: "Kinds", ToColumn: "Kind",
				FromCardinality: "many", ToCardinality: "one", CrossFilteringBehavior: "oneDirection", JoinOnDateBehavior: "dateAndTime",
			},
			{
				Name: "second", FromTable: "Sales & Co", FromColumn: "Id", ToTable: "Kinds", ToColumn: "It's.odd", FromCardinality: "many",
				ToCardinality: "many", CrossFilteringBehavior: "bothDirections", Inactive: true, JoinOnDateBehavior: "datePartOnly",
				RelyOnReferentialIntegrity: true,
			},
		},
		Expressions: []*model.Expression{
			{Name: "Folder", Kind: "m", Text: `"C:\Data" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]`},
			{Name: "Multi line", Kind: "m", Text: "let\n\n    Source = \"a\",\n  #\"b = c\" = Source\t\nin\n    #\"b = c\""},
			{Name: "Fenced", Kind: "m", Text: "let\n  text = \"\n  deep\n\",\n   x = 1\n\nin\n  text   \n"},
			{Name: "Shallow", Kind: "m", Text: "let\n\tannotation = 1\nin\n\tannotation"},
			{Name: "Nothing", Kind: "m"},
		},
		Roles: []*model.Role{
			{Name: "East", TablePermissions: map[string]string{"Sales & Co": "[Id] > 1\n    && TRUE()", "Kinds": `[Kind] = "a"`}},
			{Name: "All"},
		},
	}
	if got := d.Model(); !reflect.DeepEqual(got, want) {
		gotText, _ := json.MarshalIndent(got, "", " ")
		wantText, _ := json.MarshalIndent(want, "", " ")
		gotLines, wantLines := strings.Split(string(gotText), "\n"), strings.Split(string(wantText), "\n")
		for i := range min(len(gotLines), len(wantLines)) {
			if gotLines[i] != wantLines[i] {
				t.Fatalf("line %d: got %s\nwant %s\n%s", i, gotLines[i], wantLines[i], gotText)
			}
		}
		t.Fatalf("got %s", gotText)
	}
}
