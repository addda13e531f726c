package tests

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// deployLinked deploys a dataflow into the workspace Tests: entities by name with the M of their rows, each with a column id; or with the "WORKSPACE/DATAFLOW" that
// they are links to.
func (r running) deployLinked(t *testing.T, name string, entities map[string]string) powerbi.Ref {
	t.Helper()
	document := "section Section1;\r\n"
	var list []object
	for entity, rows := range entities {
		if at, linked := strings.CutPrefix(rows, "link "); linked {
			list = append(list, object{"$type": "ReferenceEntity", "name": entity, "source": entity, "modelId": at})
			continue
		}
		document += "shared " + entity + " = " + rows + ";\r\n"
		list = append(list, object{"$type": "LocalEntity", "name": entity, "attributes": []object{{"name": "id", "dataType": "int64"}}})
	}
	file, err := json.Marshal(object{"name": name, "pbi:mashup": object{"document": document}, "entities": list})
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", CreateWorkspace: true, Files: map[string][]byte{"model.json": file}})
	if err != nil {
		t.Fatal(err)
	}
	return powerbi.Ref{GroupID: done.Workspace.ID, DatasetID: done.Dataset.ID}
}

// refreshFlow refreshes a dataflow, and waits for the ends of its newest transaction and of those of others. It returns their statuses.
func (r running) refreshFlow(t *testing.T, flow powerbi.Ref, others ...powerbi.Ref) string {
	t.Helper()
	if _, err := r.RefreshDataflow(t.Context(), flow.GroupID, flow.DatasetID, ""); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, one := range append([]powerbi.Ref{flow}, others...) {
		eventually(t, "the transaction has ended", func() bool {
			list, err := r.DataflowTransactions(t.Context(), one.GroupID, one.DatasetID)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 || list[0].Status == "InProgress" {
				return false
			}
			told = append(told, string(list[0].Status))
			return true
		})
	}
	return strings.Join(told, " ")
}

// TestF14Chain: those that read a dataflow, by a link and by navigation, are refreshed with it and read the rows that it is about to show; all or none.
func TestF14Chain(t *testing.T) {
	dir := t.TempDir()
	r := start(t, server.DataSource{Kind: "File", Path: dir})
	orders, prices := write(t, dir, "orders.csv", "id\n1\n2\n"), write(t, dir, "prices.csv", "id\n10\n")
	landing := r.deployLinked(t, "Landing", map[string]string{"Orders": csvExpression(orders, `{"id", Int64.Type}`)})
	at := landing.GroupID + "/" + landing.DatasetID
	clean := r.deployLinked(t, "Clean", map[string]string{"Orders": "link " + at, "Doubled": `Table.TransformColumns(Orders, {{"id", each _ * 2, Int64.Type}})`,
		"Prices": csvExpression(prices, `{"id", Int64.Type}`)})
	mart := r.deployLinked(t, "Mart", map[string]string{"Sold": fmt.Sprintf(
		`PowerPlatform.Dataflows(null){[Id = "Workspaces"]}[Data]{[workspaceId = %q]}[Data]{[dataflowName = "Clean"]}[Data]{[entity = "Doubled", version = ""]}[Data]`, landing.GroupID)})
	sums := func() string {
		return strings.Join([]string{r.values(t, landing, `SELECT sum(id) FROM Orders`), r.values(t, clean, `SELECT sum(id) FROM Doubled`), r.values(t, mart, `SELECT sum(id) FROM Sold`)}, " ")
	}
	if got := r.refreshFlow(t, landing, clean, mart); got != "Success Success Success" {
		t.Fatalf("the chain: %s", got)
	}
	if got := sums(); got != "3 6 6" {
		t.Fatalf("rows %s", got)
	}

	// One that cannot be loaded keeps all of them as they were.
	write(t, dir, "orders.csv", "id\n1\n2\n3\n")
	write(t, dir, "prices.csv", "id\nmany\n")
	if got := r.refreshFlow(t, landing, clean, mart); got != "Failed Failed Failed" {
		t.Fatalf("a chain of which one fails: %s", got)
	}
	if got := sums(); got != "3 6 6" {
		t.Fatalf("rows after a failure %s", got)
	}

	// Each by itself, the first is shown.
	if _, err := r.ChangeGroup(t.Context(), landing.GroupID, powerbi.GroupSettings{DataflowChains: "commitEach"}); err != nil {
		t.Fatal(err)
	}
	if got := r.refreshFlow(t, landing, clean, mart); got != "Success Failed Failed" {
		t.Fatalf("each by itself: %s", got)
	}
	if got := sums(); got != "6 6 6" {
		t.Fatalf("rows each by itself %s", got)
	}
	write(t, dir, "prices.csv", "id\n10\n")
	if got := r.refreshFlow(t, clean, mart); got != "Success Success" {
		t.Fatalf("from the middle: %s", got)
	}
	if got := sums(); got != "6 12 12" {
		t.Fatalf("rows from the middle %s", got)
	}
}

// TestF14UnknownReads: what a dataflow reads by a filter nobody can tell before it has done so: of a dataflow that its chain does not refresh before it, it reads
// what was committed. From then on it is known, until the definition changes.
func TestF14UnknownReads(t *testing.T) {
	r := start(t)
	one := `#table(type table [id = Int64.Type], {{1}})`
	landing := r.deployLinked(t, "Landing", map[string]string{"Orders": one})
	later := r.deployLinked(t, "Later", map[string]string{"Kept": one})
	if got := r.refreshFlow(t, later); got != "Success" {
		t.Fatal(got)
	}
	read := func(dataflow, entity string) string {
		return fmt.Sprintf(`PowerBI.Dataflows(null){[workspaceName = "Tests"]}[Data]{[dataflowName = %q]}[Data]{[entity = %q]}[Data]`, dataflow, entity)
	}
	finder := r.deployLinked(t, "Finder", map[string]string{"Orders": read("Landing", "Orders"),
		"Found": `Table.SelectRows(PowerBI.Dataflows(null){[workspaceName = "Tests"]}[Data], each Text.StartsWith([dataflowName], "Lat")){0}[Data]{[entity = "Kept"]}[Data]`})
	r.deployLinked(t, "Later", map[string]string{"Kept": one, "Copy": read("Finder", "Orders")})
	if got := r.refreshFlow(t, landing, finder, later); got != "Success Success Success" {
		t.Fatalf("the chain: %s", got)
	}
	if got := r.values(t, finder, `SELECT id FROM Found`) + " " + r.values(t, later, `SELECT id FROM Copy`); got != "1 1" {
		t.Errorf("rows %s", got)
	}
	upstream, err := r.DependentDataflows(t.Context(), finder.GroupID, finder.DatasetID)
	if err != nil || len(upstream) != 2 {
		t.Errorf("Finder reads %+v, %v", upstream, err)
	}
	if _, err := r.RefreshDataflow(t.Context(), later.GroupID, later.DatasetID, ""); err == nil || !strings.Contains(err.Error(), "they read each other in a circle") {
		t.Errorf("a circle that was found when it was read: %v", err)
	}
	// As deployed now nothing of the circle is left, and Finder follows. It reads the rows that its chain is about to show, and goes on to be known for that.
	for _, id := range []string{"2", "3"} {
		r.deployLinked(t, "Later", map[string]string{"Kept": `#table(type table [id = Int64.Type], {{` + id + `}})`})
		if got := r.refreshFlow(t, later, finder); got != "Success Success" {
			t.Fatalf("the chain: %s", got)
		}
		if got := r.values(t, finder, `SELECT id FROM Found`); got != id {
			t.Errorf("row %s, want %s", got, id)
		}
	}
	r.deployLinked(t, "Finder", map[string]string{"Orders": read("Landing", "Orders")})
	if upstream, err = r.DependentDataflows(t.Context(), finder.GroupID, finder.DatasetID); err != nil || len(upstream) != 1 {
		t.Errorf("as deployed now Finder reads %+v, %v", upstream, err)
	}
}
