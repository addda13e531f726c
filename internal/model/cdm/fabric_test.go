package cdm

import (
	"fmt"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// lake is a dataflow of generation 2 in the form of Microsoft's samples, in a folder.
func lake(edits ...string) map[string][]byte {
	const queries = `[StagingDefinition = [Kind = "FastCopy"]]
section Section1;
[DataDestinations = {[Definition = [Kind = "Reference", QueryName = "Orders_DataDestination", IsNewTarget = true], Settings = [Kind = "Automatic", TypeSettings = [Kind = "Table"]]]}]
shared Orders = let
  Source = Double(1)
in
  Source;
shared Orders_DataDestination = Lakehouse.Contents([]){[Id = "orders"]}?[Data]?;
shared Double = (n as number) as table => #table({"N"}, {{2 * n}});
shared Day = #date(2024, 1, 2) meta [IsParameterQuery = true, Type = "Date"];
shared Limit = 7 meta [IsParameterQuery = true, Type = "Number"];
shared #"By Day" = Orders;
shared Staged = Orders;
shared Unlisted = Orders;
`
	const about = `{"formatVersion": "202502", "computeEngineSettings": {}, "name": "Lake", "queryGroups": [], "documentLocale": "de-DE", "queriesMetadata": {
		"Orders": {"queryId": "a", "queryName": "Orders", "loadEnabled": false},
		"Orders_DataDestination": {"queryName": "Orders_DataDestination", "isHidden": true, "loadEnabled": false},
		"Double": {"queryName": "Double"}, "Limit": {"queryName": "Limit"}, "Day": {"queryName": "Day", "loadEnabled": false},
		"By Day": {"queryName": "By Day", "loadEnabled": true}, "Staged": {"queryName": "Staged", "isHidden": true}, "Gone": {"queryName": "Gone"}},
		"connections": [{"path": "Lakehouse", "kind": "Lakehouse", "connectionId": "{}"}]}`
	edit := strings.NewReplacer(edits...)
	return map[string][]byte{
		"Lake.Dataflow/mashup.pq": []byte(byteOrderMark + edit.Replace(queries)), "Lake.Dataflow/queryMetadata.json": []byte(edit.Replace(about)), "Lake.Dataflow/.platform": []byte("{}"),
	}
}

// C1: what is staged or has a destination is an entity; functions, parameters, hidden queries and destinations are shared expressions.
func TestC1Generation2(t *testing.T) {
	d, err := Decode(lake())
	if err != nil {
		t.Fatal(err)
	}
	var tables, shared []string
	for _, table := range d.Model().Tables {
		if !table.InferredColumns || len(table.Columns) > 0 || len(table.Partitions) != 1 || table.Partitions[0].Name != FullPartition {
			t.Errorf("table %+v", table)
		}
		tables = append(tables, table.Name)
	}
	for _, expression := range d.Model().Expressions {
		shared = append(shared, expression.Name)
	}
	if got := fmt.Sprint(tables, shared); got != "[Orders By Day Unlisted] [Orders_DataDestination Double Day Limit Staged]" {
		t.Errorf("got %s", got)
	}
	if d.Name != "Lake" || d.Generation != 2 || d.Model().Culture != "de-DE" || !strings.HasPrefix(d.Model().Tables[0].Partitions[0].Source.Expression, "let\n  Source = Double(1)") {
		t.Errorf("got %+v, %+v", d, d.Model())
	}
	if err := d.Model().Validate(); err != nil {
		t.Error(err)
	}
	told := strings.Join(d.Warnings, "\n")
	if len(d.Warnings) != 2 || !strings.Contains(told, "Query 'Orders' has data destinations") || !strings.Contains(told, "Query 'Gone'") {
		t.Errorf("warnings %q", d.Warnings)
	}
}

func TestC1Generation2RefusesByName(t *testing.T) {
	without := lake()
	delete(without, "Lake.Dataflow/queryMetadata.json")
	foreign := lake()
	foreign["Lake.Dataflow/mashup.pq"] = []byte("section S; shared A = \"\xe4\";")
	for _, tt := range []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"no metadata", without, "there is no queryMetadata.json beside it"},
		{"another encoding", foreign, "Lake.Dataflow/mashup.pq: it is not UTF-8"},
		{"no M", lake("shared Staged = Orders;", "shared Staged = Orders"), "cannot read the queries: cannot read 'Lake.Dataflow/mashup.pq', line 14"},
		{"no JSON", lake(`"formatVersion": "202502"`, `"formatVersion": [`), "cannot read Lake.Dataflow/queryMetadata.json"},
		{"a list of metadata", lake(`"queriesMetadata": {`, `"queriesMetadata": 3, "x": {`), "'queriesMetadata' cannot be number"},
		{"two dataflows", map[string][]byte{"a/mashup.pq": nil, "b/mashup.pq": nil}, "a/mashup.pq, b/mashup.pq"},
		{"nothing to load", map[string][]byte{"mashup.pq": []byte("section S; shared A = 1;"), "queryMetadata.json": []byte(`{"formatVersion":"202502"}`)}, "no query of it is to be loaded"},
	} {
		_, err := Decode(tt.files)
		if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != model.CodeFile || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	d, err := Decode(lake("202502", "202603"))
	if err != nil || !strings.Contains(strings.Join(d.Warnings, "\n"), "of formatVersion '202603'") {
		t.Errorf("another version: %v, %+v", err, d)
	}
}

// C1: an export is the files of the folder as they were.
func TestC1Export(t *testing.T) {
	exported, err := Export(lake())
	if err != nil || len(exported) != 3 || string(exported["mashup.pq"]) != string(lake()["Lake.Dataflow/mashup.pq"]) || string(exported[".platform"]) != "{}" {
		t.Errorf("exported %q, %v", exported, err)
	}
	exported, err = Export(map[string][]byte{"in/My flow.json": []byte(example(t)), "in/other.txt": nil})
	if err != nil || len(exported) != 1 || string(exported[ModelFile]) != example(t) {
		t.Errorf("exported %q, %v", exported, err)
	}
}
