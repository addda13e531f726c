package workspace_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freshet.dev/internal/workspace"
)

// readerOf is a model whose one table has an M expression.
func readerOf(t *testing.T, expression string) map[string][]byte {
	t.Helper()
	text, err := json.Marshal(expression)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"model.bim": []byte(`{"name":"Reader","compatibilityLevel":1567,"model":{"tables":[{"name":"T","columns":[{"name":"N","dataType":"int64","sourceColumn":"N"}],
		"partitions":[{"name":"P","mode":"import","source":{"type":"m","expression":` + string(text) + `}}]}]}}`)}
}

// C1: what a model or dataflow reads is found by ids, by names and by links; by names only what its owner may read.
func TestC1Upstream(t *testing.T) {
	b := newBench(t)
	sales, hidden := b.create(ana, "Sales"), b.create(bob, "Hidden")
	flow := func(caller workspace.Caller, space, name string, edits ...string) workspace.Item {
		deployed, err := b.Deploy(b.ctx, caller, workspace.Deploy{Workspace: space, Name: name, Files: flowOf(edits...)})
		b.must(err)
		return deployed.Item
	}
	shop, secret := flow(ana, "Sales", "Shop"), flow(bob, "Hidden", "Shop")
	names := map[string]string{shop.ID: "shop", secret.ID: "secret", sales.ID: "sales", hidden.ID: "hidden"}
	check := func(item workspace.Item, want string) {
		t.Helper()
		list, err := b.Upstream(b.ctx, item.ID)
		b.must(err)
		var got []string
		for _, one := range list {
			got = append(got, names[one.WorkspaceID]+"/"+names[one.DataflowID])
		}
		if fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("%s reads %v, want %s", item.Name, got, want)
		}
	}
	byName := `let w = PowerBI.Dataflows(null) in Table.Combine({w{[workspaceName="Sales"]}[Data]{[dataflowName="Shop"]}[Data]{[entity="T"]}[Data],
		w{[workspaceName="Hidden"]}[Data]{[dataflowName="Shop"]}[Data]{[entity="T"]}[Data], w{[workspaceName="sales"]}[Data]{[dataflowName="Shop"]}[Data]{[entity="T"]}[Data]})`
	reader := b.deploy(ana, "Sales", "Reader", readerOf(t, byName)).Item
	check(reader, "sales/shop")
	byID := fmt.Sprintf(`PowerBI.Dataflows(){[workspaceId="%s"]}[Data]{[dataflowId="%s"]}[Data]{[entity="T"]}[Data]`, hidden.ID, secret.ID)
	check(b.deploy(ana, "Sales", "ById", readerOf(t, byID)).Item, "hidden/secret")
	check(shop, "")
	check(flow(ana, "Sales", "Linked", `"entities":[`, `"entities":[{"$type":"ReferenceEntity","name":"L","source":"T","modelId":"`+sales.ID+"/"+shop.ID+`"},`), "sales/shop")

	// Another owner sees other dataflows.
	readable := func(item workspace.Item) string {
		t.Helper()
		flows, err := b.Readable(b.ctx, item.ID)
		b.must(err)
		var got []string
		for _, flow := range flows {
			got = append(got, flow.WorkspaceName+"/"+flow.Name)
		}
		return strings.Join(got, " ")
	}
	if got := readable(reader); got != "Sales/Linked Sales/Shop" {
		t.Errorf("ana's model may read %s", got)
	}
	b.must(b.Grant(b.ctx, ana, sales.ID, workspace.Grant{PrincipalID: bob.ID, PrincipalName: bob.Name, Role: workspace.Contributor}))
	b.must(b.TakeOver(b.ctx, bob, reader))
	if got := readable(reader); got != "Hidden/Shop Sales/Linked Sales/Shop" {
		t.Errorf("bob's model may read %s", got)
	}
	check(reader, "sales/shop hidden/secret")
	b.must(b.catalog.SetOwner(b.ctx, reader.ID, "", ""))
	if got := readable(reader); got != "Sales/Linked Sales/Shop" {
		t.Errorf("nobody's model may read %s", got)
	}
	b.must(b.catalog.SetOwner(b.ctx, reader.ID, "gone-id", "gone"))
	if got := readable(reader); got != "" {
		t.Errorf("a stranger's model may read %s", got)
	}
}
