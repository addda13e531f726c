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

// The fingerprint of a policy's partition says nothing of its range, nor of what the parameters are in the definition.
func TestFingerprintOfPolicies(t *testing.T) {
	build := func(change func(*model.Model, *model.Partition)) string {
		m := &model.Model{
			Tables:      []*model.Table{{Name: "Sales", RefreshPolicy: &model.RefreshPolicy{SourceExpression: "Between(RangeStart, RangeEnd)", RollingWindowPeriods: 3}}},
			Expressions: []*model.Expression{{Name: "RangeStart", Text: "1"}, {Name: "RangeEnd", Text: "2"}, {Name: "Between", Text: "(a, b) => a"}},
		}
		partition := &model.Partition{Name: "2024", Source: model.PartitionSource{Type: model.PolicyRangePartition, Start: "2024-01-01", End: "2025-01-01"}}
		change(m, partition)
		return Fingerprint(m, m.Tables[0], partition)
	}
	base := build(func(*model.Model, *model.Partition) {})
	for name, change := range map[string]func(*model.Model, *model.Partition){
		"the range":          func(_ *model.Model, p *model.Partition) { p.Source.Start, p.Source.End = "2023-01-01", "2024-01-01" },
		"the granularity":    func(_ *model.Model, p *model.Partition) { p.Source.Granularity = "month" },
		"Desktop's range":    func(m *model.Model, _ *model.Partition) { m.Expressions[0].Text = "3" },
		"the window":         func(m *model.Model, _ *model.Partition) { m.Tables[0].RefreshPolicy.RollingWindowPeriods = 5 },
		"the polling":        func(m *model.Model, _ *model.Partition) { m.Tables[0].RefreshPolicy.PollingExpression = "1" },
		"Desktop's ordinary": func(m *model.Model, _ *model.Partition) { m.Tables[0].Partitions = []*model.Partition{{Name: "Sales"}} },
	} {
		if build(change) != base {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	for name, change := range map[string]func(*model.Model, *model.Partition){
		"the source expression": func(m *model.Model, _ *model.Partition) { m.Tables[0].RefreshPolicy.SourceExpression += " " },
		"what it uses":          func(m *model.Model, _ *model.Partition) { m.Expressions[2].Text = "(a, b) => b" },
		"the mode":              func(_ *model.Model, p *model.Partition) { p.Mode = "directQuery" },
	} {
		if build(change) == base {
			t.Errorf("%s does not change the fingerprint", name)
		}
	}
}

// A version's partitions are those that a policy made, by their ranges; the definition's where it made none, or there is none any more.
func TestPartitioned(t *testing.T) {
	definition := func(policy *model.RefreshPolicy) *model.Model {
		return &model.Model{Tables: []*model.Table{{Name: "Sales", RefreshPolicy: policy, Partitions: []*model.Partition{{Name: "Sales"}}}, {Name: "Date", Partitions: []*model.Partition{{Name: "Date"}}}}}
	}
	names := func(m *model.Model) (all string) {
		for _, table := range m.Tables {
			for _, partition := range table.Partitions {
				all += table.Name + "/" + partition.Name + " " + partition.Mode + ", "
			}
		}
		return all
	}
	version := Version{Parts: []Part{{Table: "Date", Partition: "Date"}, {Table: "SALES", Partition: "2025", Start: "2025-01-01", End: "2026-01-01"},
		{Table: "Sales", Partition: "Live", Start: "2026-01-01"}, {Table: "Sales", Partition: "2024", Start: "2024-01-01", End: "2025-01-01"}}}
	m := definition(&model.RefreshPolicy{})
	if got := names(version.Partitioned(m)); got != "Sales/2024 import, Sales/2025 import, Sales/Live directQuery, Date/Date , " {
		t.Error(got)
	}
	if got := names(m); got != "Sales/Sales , Date/Date , " {
		t.Errorf("the definition became %s", got)
	}
	if got := names(version.Partitioned(definition(nil))); got != "Sales/Sales , Date/Date , " {
		t.Errorf("without a policy: %s", got)
	}
	if got := (Version{}).Partitioned(m); got != m {
		t.Error("a version without such partitions shares the definition")
	}
}
