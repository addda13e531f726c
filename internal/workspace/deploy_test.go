package workspace_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

// oneTable is a model with one table of one partition whose expression holds the given text.
func oneTable(text string) map[string][]byte {
	return map[string][]byte{"model.bim": []byte(`{"name":"One","compatibilityLevel":1567,"model":{"tables":[{"name":"T",
		"columns":[{"name":"A","dataType":"int64","sourceColumn":"A"}],
		"partitions":[{"name":"P","source":{"type":"m","expression":"#table({\"A\"}, {{` + text + `}})"}}]}]}}`)}
}

// retail is a TMDL model; edit changes its text by pairs of old and new.
func retail(t testing.TB, edits ...string) map[string][]byte {
	t.Helper()
	files := map[string]string{
		"database.tmdl": "database\n\tcompatibilityLevel: 1567\n",
		"model.tmdl":    "model Model\n\tculture: en-US\n\nref table Sales\nref table Dates\nref table Live\n",
		"expressions.tmdl": "expression Folder = \"/srv\" meta [IsParameterQuery=true]\n\n" +
			"expression Base = Csv.Document(File.Contents(Folder & \"/base.csv\"))\n\n" +
			"expression Other = 1\n",
		"tables/Sales.tmdl": `table Sales
	measure Total = SUM(Sales[Amount])

	column Amount
		dataType: decimal
		sourceColumn: Amount

	column Day
		dataType: dateTime
		sourceColumn: Day

	column Double = Sales[Amount] * 2
		dataType: decimal

	partition 2024 = m
		mode: import
		source = Table.SelectRows(Base, each [Day] < #date(2025, 1, 1))

	partition 2025 = m
		mode: import
		source = #table({"Amount", "Day"}, {})
`,
		"tables/Dates.tmdl": `table Dates
	column Date
		isNameInferred
		dataType: dateTime
		sourceColumn: [Date]

	partition Dates = calculated
		mode: import
		source = CALENDAR(DATE(2024, 1, 1), DATE(2025, 12, 31))
`,
		"tables/Live.tmdl": `table Live
	column A
		dataType: int64
		sourceColumn: A

	partition Live = m
		mode: directQuery
		source = Base
`,
	}
	for i := 0; i+1 < len(edits); i += 2 {
		found := false
		for name, text := range files {
			if strings.Contains(text, edits[i]) {
				files[name], found = strings.ReplaceAll(text, edits[i], edits[i+1]), true
			}
		}
		if !found {
			t.Fatalf("no file holds %q", edits[i])
		}
	}
	encoded := map[string][]byte{}
	for name, text := range files {
		if text != "" {
			encoded[name] = []byte(text)
		}
	}
	return encoded
}

func TestFirstDeployment(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	d := b.deploy(ana, "sales", "Retail", retail(t))
	same(t, changes(d), "Sales/2024 added 0\nSales/2025 added 0\nLive/Live added 0\nDates/Dates added 0")
	same(t, b.parts(d.Item), "Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 NoData 0\nSales/2025 NoData 0\nSales[Double] CalculationNeeded")
	same(t, strings.Join(d.Warnings, "\n"), "Table 'Live', partition 'Live': its mode is directQuery, it is never loaded.")
	item := d.Item
	if !d.Created || item.Revision != 1 || item.Version != 1 || item.ConfiguredBy != "ana@example.org" || item.WorkspaceName != "Sales" {
		t.Errorf("item %+v", item)
	}
	stored, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, "Sales/Retail")
	b.must(err)
	if stored != item {
		t.Errorf("stored %+v\nwant   %+v", stored, item)
	}
}

// F1: a redeploy keeps the data whose source and columns did not change.
func TestF1RedeployKeepsData(t *testing.T) {
	// Each case edits the loaded model; the states after it are Sales/2024, Sales/2025, Dates, Sales[Double].
	tests := []struct {
		name    string
		edits   []string
		changes string
		parts   string
	}{
		{"a measure's name", []string{"measure Total", "measure Sum"},
			// A calculated column may use the measure.
			"Sales/2024 kept 7\nSales/2025 kept 7\nLive/Live kept 0\nDates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 Ready 7\nSales/2025 Ready 7\nSales[Double] CalculationNeeded"},
		{"the order of files and a comment of the model", []string{"model Model\n", "/// the model\nmodel Model\n"},
			"Sales/2024 kept 7\nSales/2025 kept 7\nLive/Live kept 0\nDates/Dates kept 7",
			"Dates/Dates Ready 7\nLive/Live NoData 0\nSales/2024 Ready 7\nSales/2025 Ready 7\nSales[Double] CalculationNeeded"},
		{"an expression that one partition reaches through another", []string{`"/srv" meta`, `"/data" meta`},
			"Sales/2024 emptied 7: a shared expression, table, data source or setting that it uses has changed\nSales/2025 kept 7\n" +
				"Live/Live emptied 0: a shared expression, table, data source or setting that it uses has changed\nDates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 NoData 0\nSales/2025 Ready 7\nSales[Double] CalculationNeeded"},
		{"an expression that nobody reaches", []string{"expression Other = 1", "expression Other = 2"},
			"Sales/2024 kept 7\nSales/2025 kept 7\nLive/Live kept 0\nDates/Dates kept 7",
			"Dates/Dates Ready 7\nLive/Live NoData 0\nSales/2024 Ready 7\nSales/2025 Ready 7\nSales[Double] CalculationNeeded"},
		{"one partition's source", []string{"< #date(2025, 1, 1)", "< #date(2025, 1, 2)"},
			"Sales/2024 emptied 7: its source has changed\nSales/2025 kept 7\nLive/Live kept 0\nDates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 NoData 0\nSales/2025 Ready 7\nSales[Double] CalculationNeeded"},
		{"a column's type", []string{"dataType: dateTime\n\t\tsourceColumn: Day", "dataType: string\n\t\tsourceColumn: Day"},
			"Sales/2024 emptied 7: column 'Day' is string, was dateTime\nSales/2025 emptied 7: column 'Day' is string, was dateTime\nLive/Live kept 0\n" +
				"Dates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 NoData 0\nSales/2025 NoData 0\nSales[Double] CalculationNeeded"},
		{"a column's name", []string{"column Day\n", "column TheDay\n"},
			"Sales/2024 emptied 7: column 'TheDay' is new, column 'Day' is gone\nSales/2025 emptied 7: column 'TheDay' is new, column 'Day' is gone\nLive/Live kept 0\n" +
				"Dates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 NoData 0\nSales/2025 NoData 0\nSales[Double] CalculationNeeded"},
		{"a source column", []string{"sourceColumn: Amount", "sourceColumn: Net"},
			"Sales/2024 emptied 7: column 'Amount' has another source column\nSales/2025 emptied 7: column 'Amount' has another source column\nLive/Live kept 0\n" +
				"Dates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 NoData 0\nSales/2025 NoData 0\nSales[Double] CalculationNeeded"},
		{"a partition's name", []string{"partition 2025 = m", "partition 2026 = m"},
			"Sales/2024 kept 7\nSales/2026 added 0\nLive/Live kept 0\nSales/2025 removed 7\nDates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 Ready 7\nSales/2026 NoData 0\nSales[Double] CalculationNeeded"},
		{"a table less", []string{"table Dates\n\tcolumn Date\n\t\tisNameInferred\n\t\tdataType: dateTime\n\t\tsourceColumn: [Date]\n\n\tpartition Dates = calculated\n\t\tmode: import\n\t\tsource = CALENDAR(DATE(2024, 1, 1), DATE(2025, 12, 31))\n", ""},
			"Sales/2024 kept 7\nSales/2025 kept 7\nLive/Live kept 0\nDates/Dates removed 7",
			"Live/Live NoData 0\nSales/2024 Ready 7\nSales/2025 Ready 7\nSales[Double] CalculationNeeded"},
		{"a table's letter case", []string{"table Sales", "table SALES"},
			"SALES/2024 kept 7\nSALES/2025 kept 7\nLive/Live kept 0\nDates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSALES/2024 Ready 7\nSALES/2025 Ready 7\nSALES[Double] CalculationNeeded"},
		{"a calculated column less", []string{"\tcolumn Double = Sales[Amount] * 2\n\t\tdataType: decimal\n\n", ""},
			"Sales/2024 kept 7\nSales/2025 kept 7\nLive/Live kept 0\nDates/Dates emptied 7: what it is calculated from has changed",
			"Dates/Dates CalculationNeeded 0\nLive/Live NoData 0\nSales/2024 Ready 7\nSales/2025 Ready 7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.create(ana, "Sales")
			first := b.deploy(ana, "Sales", "Retail", retail(t)).Item
			b.load(first, 7, "Sales/2024", "Sales/2025", "Dates/Dates")
			before := b.parts(first)

			edited := retail(t, tt.edits...)
			plan, err := b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "Sales", Name: "RETAIL", Files: edited, Plan: true})
			b.must(err)
			same(t, changes(plan), tt.changes)
			same(t, b.parts(first), before) // a plan changes nothing

			d := b.deploy(ana, "Sales", "Retail", edited)
			same(t, changes(d), tt.changes)
			same(t, b.parts(d.Item), tt.parts)
			if d.Created || d.Item.ID != first.ID || d.Item.Revision != 2 || d.Item.Version != 3 {
				t.Errorf("item %+v", d.Item)
			}
			version, err := b.catalog.CurrentVersion(b.ctx, d.Item.ID)
			b.must(err)
			if version.Number != 3 || version.ModelRevision != 2 || version.Operation != "" {
				t.Errorf("version %d of revision %d by %q", version.Number, version.ModelRevision, version.Operation)
			}
			// The former version is what it was: a reader may still have it.
			old, err := b.catalog.Version(b.ctx, d.Item.ID, 2)
			b.must(err)
			if old.Part("Sales", "2025").Rows() != 7 || old.ModelRevision != 1 {
				t.Errorf("version 2 is now %+v", old)
			}
		})
	}
}

func TestSameDefinitionChangesNothing(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	first := b.deploy(ana, "Sales", "Retail", retail(t)).Item
	b.load(first, 7, "Sales/2024")
	d := b.deploy(contributor(b), "Sales", "Retail", retail(t))
	same(t, changes(d), "Sales/2024 kept 7\nSales/2025 kept 0\nLive/Live kept 0\nDates/Dates kept 0")
	if d.Item.Revision != 1 || d.Item.Version != 2 || d.Created {
		t.Errorf("item %+v", d.Item)
	}
}

func contributor(b *bench) workspace.Caller {
	b.must(b.Grant(b.ctx, ana, "Sales", workspace.Grant{PrincipalID: bob.ID, Role: workspace.Contributor}))
	return bob
}

func TestDeployConflictNamesTheRefresh(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Retail", retail(t)).Item
	lease := b.begin(item)
	for name, act := range map[string]func() error{
		"deploy": func() error {
			_, err := b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "Sales", Name: "Retail", Files: retail(t, "#date(2025, 1, 1)", "#date(2025, 1, 2)")})
			return err
		},
		"delete":           func() error { return b.DeleteItem(b.ctx, ana, item.ID) },
		"delete workspace": func() error { return b.Delete(b.ctx, ana, "Sales") },
	} {
		err := act()
		b.refused(err, fault.Conflict, workspace.CodeBusy)
		if !strings.Contains(err.Error(), lease.Operation) || !strings.Contains(err.Error(), "2026-03-01T12:00:00Z") {
			t.Errorf("%s: %v does not name the refresh", name, err)
		}
	}
	if _, err := b.catalog.Cancel(b.ctx, lease.Operation, noon); err != nil {
		t.Fatal(err)
	}
	b.deploy(ana, "Sales", "Retail", retail(t, "#date(2025, 1, 1)", "#date(2025, 1, 2)"))
	b.must(b.DeleteItem(b.ctx, ana, item.ID))
	if _, err := b.catalog.List(b.ctx, refresh.Filter{Model: item.ID}); err != nil {
		t.Error(err)
	}
	_, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, item.ID)
	b.refused(err, fault.NotFound, "")
}

func TestManyDeployAtOnce(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			if _, err := b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "Sales", Name: "One", Files: oneTable(fmt.Sprint(i))}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	items, err := b.Items(b.ctx, ana, workspace.ModelKind, "Sales")
	b.must(err)
	if len(items) != 1 || items[0].Revision != 4 || items[0].Version != 4 {
		t.Errorf("items %+v", items)
	}
}

func TestDeployCreatesTheWorkspace(t *testing.T) {
	b := newBench(t)
	deploy := workspace.Deploy{Workspace: "New", Name: "M", Files: oneTable("1")}
	_, err := b.Deploy(b.ctx, ana, deploy)
	b.refused(err, fault.NotFound, "PowerBIEntityNotFound")
	deploy.CreateWorkspace, deploy.Plan = true, true
	plan, err := b.Deploy(b.ctx, ana, deploy)
	b.must(err)
	if !plan.CreatedWorkspace || !plan.Created || plan.Item.ID != "" {
		t.Errorf("plan %+v", plan)
	}
	list, err := b.List(b.ctx, ana)
	b.must(err)
	if len(list) != 0 {
		t.Fatalf("the plan created %+v", list)
	}
	deploy.Plan = false
	_, err = b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "99999999-0000-4000-8000-000000000000", Name: "M", Files: deploy.Files, CreateWorkspace: true})
	b.refused(err, fault.NotFound, "PowerBIEntityNotFound")
	d, err := b.Deploy(b.ctx, ana, deploy)
	b.must(err)
	if !d.CreatedWorkspace || d.Workspace.Name != "New" || d.Workspace.Capacity != "default" {
		t.Errorf("deployment %+v", d)
	}
	if d, err = b.Deploy(b.ctx, ana, deploy); err != nil || d.CreatedWorkspace {
		t.Errorf("again: %+v, %v", d, err)
	}
	_, err = b.Deploy(b.ctx, bob, deploy) // bob does not see it, and cannot make it
	b.refused(err, fault.Denied, "")
}

func TestModelName(t *testing.T) {
	b := newBench(t)
	files := oneTable("1")
	if got := b.deploy(ana, "", "", files).Item.Name; got != "One" {
		t.Errorf("from the model: %q", got)
	}
	files[".platform"] = []byte(`{"metadata":{"type":"SemanticModel","displayName":"Shown"},"config":{}}`)
	if got := b.deploy(ana, "", "", files).Item.Name; got != "Shown" {
		t.Errorf("from .platform: %q", got)
	}
	if got := b.deploy(ana, "", "Named", files).Item.Name; got != "Named" {
		t.Errorf("named: %q", got)
	}
	_, err := b.Deploy(b.ctx, ana, workspace.Deploy{Name: "a\nb", Files: files})
	b.refused(err, fault.Invalid, "")
	_, err = b.Deploy(b.ctx, ana, workspace.Deploy{Files: retail(t)})
	b.refused(err, fault.Invalid, "")
	if !strings.Contains(err.Error(), "--name") {
		t.Errorf("%v does not say what to do", err)
	}
}

func TestDeployRefusesFiles(t *testing.T) {
	b := newBench(t)
	many := oneTable("1")
	for i := range 10_001 {
		many[fmt.Sprint("f", i)] = nil
	}
	for name, files := range map[string]map[string][]byte{
		"none":          {},
		"only settings": {".pbi/localSettings.json": []byte("{}")},
		"no model":      {"readme.txt": []byte("x")},
		"climbs":        {"../model.bim": oneTable("1")["model.bim"]},
		"absolute":      {"/model.bim": oneTable("1")["model.bim"]},
		"backslash":     {`a\model.bim`: oneTable("1")["model.bim"]},
		"too many":      many,
		"broken":        {"model.bim": []byte(`{"name":`)},
	} {
		_, err := b.Deploy(b.ctx, ana, workspace.Deploy{Name: "M", Files: files})
		if fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// F1: what was deployed comes back to the byte, but for what belongs to one person's Desktop.
func TestF1ExportGivesBackWhatWasDeployed(t *testing.T) {
	for _, name := range []string{
		"adventureworks-m-1400", "adventureworks-provider-1400", "adventureworks-tmdl", "policy-tmdl", "sales-tmdl", "sample-bim", "tabular-example-1200",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			files := shared(t, name)
			d := b.deploy(ana, "", name, files)
			if len(d.Partitions) == 0 {
				t.Error("no partitions")
			}
			for _, change := range d.Partitions {
				if change.Change != workspace.Added {
					t.Errorf("%+v", change)
				}
			}
			export, err := b.Export(b.ctx, ana, d.Item.ID)
			b.must(err)
			if !maps.EqualFunc(export.Files, files, bytes.Equal) {
				t.Error("the files differ")
			}
			if export.Revision != 1 || !export.Deployed.Equal(noon) || export.DeployedBy != "ana@example.org" {
				t.Errorf("revision %d at %v by %s", export.Revision, export.Deployed, export.DeployedBy)
			}
			// What was exported deploys as the same.
			again := b.deploy(ana, "", name, export.Files)
			if again.Item.Revision != 1 {
				t.Errorf("revision %d", again.Item.Revision)
			}
			definition, err := b.catalog.RefreshDefinition(b.ctx, d.Item.ID)
			b.must(err)
			if definition.Revision != 1 || definition.Name != name || definition.Capacity != "" || len(definition.Model.Tables) == 0 {
				t.Errorf("definition %+v", definition)
			}
		})
	}
	for _, name := range []string{"AllProperties.bim", "NewDeserializer.bim"} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "models", "tabulareditor-bim", name))
			if err != nil {
				t.Skipf("the shared models are not here: %v", err)
			}
			b := newBench(t)
			b.deploy(ana, "", name, map[string][]byte{name: content})
		})
	}
}

func TestDesktopsOwnFilesAreLeftOut(t *testing.T) {
	b := newBench(t)
	files := oneTable("1")
	files["X.SemanticModel/.pbi/cache.abf"] = []byte("rows")
	d := b.deploy(ana, "", "M", files)
	export, err := b.Export(b.ctx, ana, d.Item.ID)
	b.must(err)
	if len(export.Files) != 1 {
		t.Errorf("stored %v", export.Files)
	}
}

// F1: the partitions that a refresh policy has made stay over a redeployment that would read their rows in the same way.
func TestF1RedeployKeepsPolicyPartitions(t *testing.T) {
	policy := `
	refreshPolicy
		policyType: basic
		rollingWindowGranularity: year
		rollingWindowPeriods: 1
		incrementalGranularity: month
		incrementalPeriods: 1
		sourceExpression = Table.SelectRows(Base, each [Day] >= RangeStart and [Day] < RangeEnd)

	partition Sales = m
		mode: import
		source = Table.SelectRows(Base, each [Day] >= RangeStart and [Day] < RangeEnd)
`
	range1 := "expression RangeStart = #datetime(2024, 1, 1, 0, 0, 0)\n\nexpression RangeEnd = #datetime(2024, 2, 1, 0, 0, 0)\n\nexpression Other = 1\n"
	first := []string{"\n\tpartition 2024 = m\n\t\tmode: import\n\t\tsource = Table.SelectRows(Base, each [Day] < #date(2025, 1, 1))\n", policy,
		"\n\tpartition 2025 = m\n\t\tmode: import\n\t\tsource = #table({\"Amount\", \"Day\"}, {})\n", "", "expression Other = 1\n", range1}
	made := func(b *bench, item workspace.Item) {
		definition, err := b.catalog.RefreshDefinition(b.ctx, item.ID)
		b.must(err)
		var change store.Change
		for _, made := range [][3]string{{"2024", "2024-01-01", "2025-01-01"}, {"2025Q101", "2025-01-01", "2025-02-01"}} {
			name, border := made[0], made[1:]
			partition := &model.Partition{Name: name, Mode: "import", Source: model.PartitionSource{Type: model.PolicyRangePartition, Start: border[0], End: border[1]}}
			change.Put = append(change.Put, store.Part{Table: "Sales", Partition: name, State: store.Ready, Start: border[0], End: border[1],
				Fingerprint: store.Fingerprint(definition.Model, definition.Model.Table("Sales"), partition),
				Files:       []store.File{{ID: "file-" + name, Rows: 7, Bytes: 1, SHA256: "00", Start: border[0], End: border[1]}}})
		}
		change.Remove = []store.Key{{Table: "Sales", Partition: "Sales"}}
		b.commit(item, change)
	}
	for _, tt := range []struct {
		name    string
		edits   []string
		changes string
	}{
		{"the window, the order, Desktop's parameters", []string{"rollingWindowPeriods: 1", "rollingWindowPeriods: 3", "#datetime(2024, 1, 1", "#datetime(2023, 1, 1", "measure Total", "measure Sum"},
			"Sales/2024 kept 7\nSales/2025Q101 kept 7\nLive/Live kept 0\nDates/Dates emptied 0: what it is calculated from has changed"},
		{"the source expression", []string{"sourceExpression = Table.SelectRows(Base,", "sourceExpression = Table.SelectRows(Table.Buffer(Base),"},
			"Sales/Sales added 0\nLive/Live kept 0\n" +
				"Sales/2024 removed 7: what the policy's partitions are read by has changed; the next refresh that applies the policy makes them anew\n" +
				"Sales/2025Q101 removed 7: what the policy's partitions are read by has changed; the next refresh that applies the policy makes them anew\n" +
				"Dates/Dates emptied 0: what it is calculated from has changed"},
		{"a shared expression that it uses", []string{`"/srv" meta`, `"/data" meta`},
			"Sales/Sales added 0\nLive/Live emptied 0: a shared expression, table, data source or setting that it uses has changed\n" +
				"Sales/2024 removed 7: what the policy's partitions are read by has changed; the next refresh that applies the policy makes them anew\n" +
				"Sales/2025Q101 removed 7: what the policy's partitions are read by has changed; the next refresh that applies the policy makes them anew\n" +
				"Dates/Dates emptied 0: what it is calculated from has changed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.create(ana, "Sales")
			item := b.deploy(ana, "Sales", "Retail", retail(t, first...)).Item
			made(b, item)
			again := b.deploy(ana, "Sales", "Retail", retail(t, append(slices.Clone(first), tt.edits...)...))
			same(t, changes(again), tt.changes)
		})
	}

	// A parameter that was set, and is read with at the next refresh, takes nothing away.
	b := newBench(t)
	b.create(ana, "Sales")
	typed := append(slices.Clone(first), `"/srv" meta [IsParameterQuery=true]`, `"/srv" meta [IsParameterQuery=true, Type="Text"]`)
	item := b.deploy(ana, "Sales", "Retail", retail(t, typed...)).Item
	made(b, item)
	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/data")))
	again := b.deploy(ana, "Sales", "Retail", retail(t, append(typed, "measure Total", "measure Sum")...))
	same(t, changes(again), "Sales/2024 kept 7\nSales/2025Q101 kept 7\nLive/Live kept 0\nDates/Dates emptied 0: what it is calculated from has changed")
}
