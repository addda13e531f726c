package store

import (
	"testing"

	"freshet.dev/internal/model"
)

func TestApply(t *testing.T) {
	before := Version{Number: 3, Parts: []Part{
		{Table: "Sales", Partition: "2024", State: Ready, Files: []File{{ID: "a", Rows: 2}}},
		{Table: "Sales", Partition: "2025", State: Ready, Files: []File{{ID: "b", Rows: 3}}},
		{Table: "Date", Partition: "Date", State: NoData},
	}, Objects: []Object{{"Sales", "Margin", Ready}, {"Sales", "Rank", Ready}}}
	after := Change{
		Put:     []Part{{Table: "SALES", Partition: "2025", State: NoData}, {Table: "New", Partition: "New", State: Ready}},
		Remove:  []Key{{"date", "Date"}},
		Objects: []Object{{"Sales", "Margin", CalculationNeeded}},
	}.Apply(before)
	if len(after.Parts) != 3 || after.Part("date", "date") != nil || after.Part("New", "new") == nil {
		t.Fatalf("parts %+v", after.Parts)
	}
	if part := after.Part("sales", "2025"); part.State != NoData || part.Rows() != 0 {
		t.Fatalf("part %+v", part)
	}
	if part := after.Part("sales", "2024"); part.Rows() != 2 {
		t.Fatalf("part %+v", part)
	}
	if len(after.Objects) != 2 || after.Objects[1] != (Object{"Sales", "Margin", CalculationNeeded}) {
		t.Fatalf("objects %+v", after.Objects)
	}
	if len(before.Parts) != 3 || before.Parts[1].State != Ready || before.Objects[0].State != Ready {
		t.Fatal("the version before was changed")
	}
	for table, want := range map[string]State{"Sales": Incomplete, "New": Ready, "Unknown": NoData} {
		if got := after.TableState(table); got != want {
			t.Errorf("%s is %s, want %s", table, got, want)
		}
	}
}

// F1: what a fingerprint looks at, and what not.
func TestFingerprint(t *testing.T) {
	build := func(change func(*model.Model)) string {
		m := &model.Model{
			Tables: []*model.Table{{
				Name: "Sales",
				Columns: []*model.Column{
					{Name: "Amount", DataType: model.Decimal, SourceColumn: "amount"},
					{Name: "Margin", Type: model.CalculatedColumn, Expression: "1"},
				},
				Partitions: []*model.Partition{{Name: "P", Source: model.PartitionSource{Type: model.MPartition, Expression: `Csv.Document(#"The Folder")`}}},
				Measures:   []*model.Measure{{Name: "Total", Expression: "SUM(Sales[Amount])"}},
			}},
			Expressions: []*model.Expression{
				{Name: "The Folder", Text: "Root & \"x\""},
				{Name: "Root", Text: "\"/srv\""},
				{Name: "Other", Text: "1"},
			},
		}
		m.Tables = append(m.Tables, &model.Table{Name: "Region", Partitions: []*model.Partition{
			{Name: "R", Source: model.PartitionSource{Type: model.MPartition, Expression: "#table({}, {})"}},
		}})
		change(m)
		return Fingerprint(m, m.Tables[0], m.Tables[0].Partitions[0])
	}
	base := build(func(*model.Model) {})
	same := map[string]func(*model.Model){
		"another measure":                 func(m *model.Model) { m.Tables[0].Measures[0].Expression = "0" },
		"a calculated column":             func(m *model.Model) { m.Tables[0].Columns[1].Expression = "2" },
		"an expression that is not named": func(m *model.Model) { m.Expressions[2].Text = "2" },
		"import written out":              func(m *model.Model) { m.Tables[0].Partitions[0].Mode = "Import" },
		"the partition's name":            func(m *model.Model) { m.Tables[0].Partitions[0].Name = "Q" },
		"another partition": func(m *model.Model) {
			m.Tables[0].Partitions = append(m.Tables[0].Partitions, &model.Partition{Name: "Q"})
		},
		"an expression that nobody names": func(m *model.Model) { m.Expressions = append(m.Expressions, &model.Expression{Name: "Unnamed"}) },
		"the table's own name":            func(m *model.Model) { m.Tables[0].Name = "Orders" },
		"the source of a table that is not named": func(m *model.Model) {
			m.Tables[1].Partitions[0].Source.Expression = "#table({}, {{1}})"
		},
		"the text of a calculated column": func(m *model.Model) { m.Tables[0].Columns[1].Name = "Profit" },
	}
	for name, change := range same {
		if build(change) != base {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	different := map[string]func(*model.Model){
		"the source":                func(m *model.Model) { m.Tables[0].Partitions[0].Source.Expression += " " },
		"a column's type":           func(m *model.Model) { m.Tables[0].Columns[0].DataType = model.Double },
		"a column's source":         func(m *model.Model) { m.Tables[0].Columns[0].SourceColumn = "x" },
		"a column more":             func(m *model.Model) { m.Tables[0].Columns = append(m.Tables[0].Columns, &model.Column{Name: "New"}) },
		"a named expression":        func(m *model.Model) { m.Expressions[0].Text = "Root" },
		"one named by another":      func(m *model.Model) { m.Expressions[1].Text = "\"/mnt\"" },
		"the culture":               func(m *model.Model) { m.Culture = "de-DE" },
		"the mode":                  func(m *model.Model) { m.Tables[0].Partitions[0].Mode = "directQuery" },
		"a data source of the name": func(m *model.Model) { m.DataSources = append(m.DataSources, &model.DataSource{Name: "Root"}) },
	}
	// Other tables may be named as shared expressions are.
	naming := func(text, source string) string {
		return build(func(m *model.Model) {
			m.Tables[0].Partitions[0].Source.Expression = text
			m.Tables[1].Partitions[0].Source.Expression = source
		})
	}
	for _, text := range []string{`Region`, `#"Region"`, `f(Region)`, `"a ""b""" & Region`, "// Sales\nRegion"} {
		if naming(text, "1") == naming(text, "2") {
			t.Errorf("the source of the table that is named in %s does not change the fingerprint", text)
		}
	}
	for _, text := range []string{`"Region"`, `"a ""Region"" b"`, `Regions`, `// Region`, `/* Region */ 1`, `Region.All`} {
		if naming(text, "1") != naming(text, "2") {
			t.Errorf("a table that is not named in %s changes the fingerprint", text)
		}
	}
	for name, change := range different {
		if build(change) == base {
			t.Errorf("%s does not change the fingerprint", name)
		}
	}
}
