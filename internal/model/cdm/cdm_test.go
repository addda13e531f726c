package cdm

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

func example(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("testdata/model.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// describe writes what a refresh needs of a model.
func describe(m *model.Model) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", m.Name, m.Culture)
	for _, e := range m.Expressions {
		fmt.Fprintf(&b, "expression %s = %s\n", e.Name, e.Text)
	}
	for _, table := range m.Tables {
		fmt.Fprintf(&b, "table %s:", table.Name)
		for _, column := range table.Columns {
			fmt.Fprintf(&b, " %s %s", column.Name, strings.TrimSpace(string(column.DataType)+" "+column.Moment))
		}
		if len(table.Reads) > 0 {
			fmt.Fprintf(&b, " reads %s", strings.Join(table.Reads, ", "))
		}
		for _, p := range table.Partitions {
			fmt.Fprintf(&b, "\n%s %s = %s\n", p.Name, p.Mode, p.Source.Expression)
		}
	}
	return b.String()
}

// C1: entities are tables, the other queries shared expressions; an entity may have another name than its query.
func TestC1EntitiesAreTables(t *testing.T) {
	d, err := Decode(map[string][]byte{"flow/My flow.json": []byte(byteOrderMark + example(t)), "flow/.platform": []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	const want = "Orders de-DE\n" +
		"expression Folder = \"/srv\" meta [IsParameterQuery = true, Type = \"Text\", IsParameterQueryRequired = true]\n" +
		"expression By Day = #\"Days\"\n" +
		"table Orders: Id int64 At dateTime\nFullRefreshPolicyPartition import = let\r\n  Source = #table({\"Id\", \"At\"}, {{1, \"a;b\"}}) // one; row\r\nin\r\n  Source\n" +
		"table Days: At dateTime date Orders int64 reads Orders\nFullRefreshPolicyPartition import = Table.Group(Orders, {\"At\"}, {{\"Orders\", Table.RowCount, Int64.Type}})\n" +
		"table Customers:\nFullRefreshPolicyPartition linked = PowerPlatform.Dataflows(null){[Id = \"Workspaces\"]}[Data]{[workspaceId = \"aaaa\"]}[Data]{[dataflowId = \"bbbb\"]}[Data]" +
		"{[entity = \"Customers\", version = \"\"]}[Data]\n"
	if got := describe(d.Model()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := d.Model().Validate(); err != nil {
		t.Error(err)
	}
	if d.Description != "What was ordered" {
		t.Errorf("description %q", d.Description)
	}
	if link := d.Model().Table("Customers").Partitions[0].Link; link != (model.Link{Workspace: "aaaa", Dataflow: "bbbb", Entity: "Customers"}) {
		t.Errorf("link %+v", link)
	}
	if len(d.Warnings) != 0 {
		t.Errorf("warnings %q", d.Warnings)
	}
}

// flow decodes a dataflow of queries, each of which feeds the entity of its name unless it begins with a small letter.
func flow(t *testing.T, queries ...string) (*Dataflow, error) {
	t.Helper()
	document := "section Section1;\n"
	var entities []map[string]any
	for _, query := range queries {
		document += "shared " + query + ";\n"
		if name, _, _ := strings.Cut(query, " "); name[0] < 'a' {
			entities = append(entities, map[string]any{"$type": "LocalEntity", "name": name, "attributes": []any{map[string]any{"name": "x", "dataType": "int64"}}})
		}
	}
	content, err := json.Marshal(map[string]any{"name": "F", "pbi:mashup": map[string]any{"document": document}, "entities": entities})
	if err != nil {
		t.Fatal(err)
	}
	return Decode(map[string][]byte{"model.json": content})
}

// C1: a computed entity reads those that its expression names, also through other queries; a step of the same name is none.
func TestC1Reads(t *testing.T) {
	d, err := flow(t, "A = 1", "B = let A = 2 in A", "C = let A = helper(A) in A", "helper = (t) => Table.Join(t, other)", `other = if true then Section1!D else B`, "D = each A")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, table := range d.Model().Tables {
		got[table.Name] = strings.Join(table.Reads, " ")
	}
	if want := map[string]string{"A": "", "B": "", "C": "A B D", "D": "A"}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// C1: entities that read each other in a circle are refused by their names.
func TestC1Circle(t *testing.T) {
	for want, queries := range map[string][]string{
		"entity 'A': it reads itself: A → A":             {"A = A"},
		"entity 'B': it reads itself: B → C → D → B":     {"A = B", "B = C", "C = D & E", "D = helper", "helper = B", "E = 1"},
		"entity 'Alone': it reads itself: Alone → Alone": {"Alone = helper(1)", "helper = (n) => @helper(n) & Alone"},
	} {
		if _, err := flow(t, queries...); fault.KindOf(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	// Every entity reads all before it: there are more ways than can be gone.
	queries := []string{"E0 = 1"}
	for n := 1; n < 60; n++ {
		query := fmt.Sprintf("E%d = {", n)
		for i := range n {
			query += fmt.Sprintf("E%d,", i)
		}
		queries = append(queries, strings.TrimSuffix(query, ",")+"}")
	}
	if _, err := flow(t, queries...); err != nil {
		t.Error(err)
	}
}

func TestC1RefusesByName(t *testing.T) {
	for _, tt := range []struct{ name, from, to, want string }{
		{"a query that is no M", `Table.Group(Orders`, `Table.Group(Orders;`, "model.json, pbi:mashup.document"},
		{"an entity without a query", `"name": "Orders", "description": ""`, `"name": "Order", "description": ""`, "entity 'Order': it has no query in pbi:mashup.document"},
		{"an unknown type", `"dataType": "int64"}, {"name": "At", "dataType": "dateTime"`, `"dataType": "int46"}, {"name": "At", "dataType": "dateTime"`, "entity 'Orders': attribute 'Id' has the unknown dataType 'int46'"},
		{"an entity without attributes", `[{"name": "Id", "dataType": "int64"}, {"name": "At", "dataType": "dateTime"}]`, `[]`, "entity 'Orders': it has no attributes"},
		{"a text in the place of a list", `"entities": [`, `"entities": "none", "others": [`, "'entities' cannot be string"},
		{"no queries", `"pbi:mashup"`, `"pbi:mash"`, "it has no pbi:mashup"},
		{"a link to nowhere", `"modelId": "aaaa/bbbb"`, `"modelId": "bbbb"`, "entity 'Customers': its modelId 'bbbb' is not WORKSPACE/DATAFLOW"},
		{"a query that is taken for another", `"name": "Orders", "description": ""`, `"name": "By Day", "description": ""`, "entity 'By Day': it has no query in pbi:mashup.document"},
		{"another query of the entity's name", `"entityName": "Days"`, `"entityName": "Orders"`, "entity 'Orders': its query is 'By Day', and another query has the entity's name"},
		{"no entities", `"entities": [`, `"entities": [], "others": [`, "it has no entity with a query"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			content := strings.Replace(example(t), tt.from, tt.to, 1)
			if content == example(t) {
				t.Fatalf("there is no %s to replace", tt.from)
			}
			_, err := Decode(map[string][]byte{"model.json": []byte(content)})
			if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != model.CodeFile || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	flow := []byte(example(t))
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		want  string
		fails bool
	}{
		{"a dataflow", map[string][]byte{"a/x.json": flow}, "a/x.json", false},
		{"a model's script", map[string][]byte{"model.json": []byte(`{"createOrReplace":{}}`)}, "", false},
		{"no JSON", map[string][]byte{"model.json": []byte(`{`)}, "", false},
		{"another kind of file", map[string][]byte{"model.bim": flow}, "", false},
		{"two dataflows", map[string][]byte{"a.json": flow, "b.json": flow}, "", true},
	} {
		got, err := Find(tt.files)
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
}

// TestC1RealDataflows reads what others have published.
func TestC1RealDataflows(t *testing.T) {
	const folder = "../../../../shared/models/dataflows"
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("the published dataflows are not here: %v", err)
	}
	for name, want := range map[string]struct{ tables, warnings int }{
		"powerbi-powershell.dataflowModel.json":        {2, 0},
		"CDM.OrdersProducts.model.json":                {2, 0},
		"CDM.OrdersProductsCustomersLinked.model.json": {3, 0},
	} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		d, err := Decode(map[string][]byte{name: content})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := d.Model().Validate(); err != nil || len(d.Model().Tables) != want.tables || len(d.Warnings) != want.warnings {
			t.Errorf("%s: %d tables, warnings %q, %v", name, len(d.Model().Tables), d.Warnings, err)
		}
	}
}
