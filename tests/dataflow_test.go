package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// deployEntities deploys a dataflow of entities of the columns id and amount, each a name and its query.
func (r running) deployEntities(t *testing.T, name string, queries ...[2]string) powerbi.Ref {
	t.Helper()
	document, entities := "section Section1;\r\n", []object{}
	for _, query := range queries {
		document += "shared " + query[0] + " = " + query[1] + ";\r\n"
		entities = append(entities, object{"name": query[0], "attributes": []object{{"name": "id", "dataType": "int64"}, {"name": "amount", "dataType": "decimal"}}})
	}
	file, err := json.Marshal(object{"name": name, "pbi:mashup": object{"document": document}, "entities": entities})
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", CreateWorkspace: true, Files: map[string][]byte{"model.json": file}})
	if err != nil {
		t.Fatal(err)
	}
	return powerbi.Ref{GroupID: done.Workspace.ID, DatasetID: done.Dataset.ID}
}

// flows starts a refresh of a dataflow.
func (r running) flows(t *testing.T, flow powerbi.Ref) {
	t.Helper()
	if _, err := r.RefreshDataflow(t.Context(), flow.GroupID, flow.DatasetID, "NoNotification"); err != nil {
		t.Fatal(err)
	}
}

// flowed waits for the end of the newest transaction of a dataflow.
func (r running) flowed(t *testing.T, flow powerbi.Ref, want powerbi.TransactionStatus) {
	t.Helper()
	var status powerbi.TransactionStatus
	eventually(t, "the transaction ends", func() bool {
		transactions, err := r.DataflowTransactions(t.Context(), flow.GroupID, flow.DatasetID)
		if err == nil && len(transactions) > 0 {
			status = transactions[0].Status
		}
		return status != "" && status != "InProgress"
	})
	if status != want {
		t.Fatalf("the transaction ended as %s", status)
	}
}

// C1, F5: the source of an entity is read once, whoever reads the entity, and the process may be killed after that.
func TestC1SourceIsReadOnce(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE orders AS SELECT n::bigint AS id, n * 1.5::numeric(19,4) AS amount FROM generate_series(1, 1000) n")
	p.run(t, "CREATE VIEW gated AS SELECT 0::bigint AS id, 0::numeric(19,4) AS amount WHERE "+p.gate(t, 1))
	p.listen(t)
	_, position := p.asked(t, "orders", 0)
	s := serve(t, p.source())
	flow := s.deployEntities(t, "Shop",
		[2]string{"Totals", `Table.Combine({Table.FirstN(Days, 1), Table.FirstN(Orders, 1)})`},
		[2]string{"Days", `Table.Combine({Table.Group(Orders, {"id"}, {{"amount", each List.Sum([amount]), Currency.Type}}), ` + p.from("gated") + `})`},
		[2]string{"Orders", `Table.SelectColumns(` + p.from("orders") + `, {"id", "amount"})`})
	s.flows(t, flow)
	eventually(t, "Days, which reads Orders, waits at its own source", func() bool { return p.statements(t, "gated") == 1 })
	p.run(t, "UPDATE orders SET amount = -1")
	s.kill(t)
	eventually(t, "the statement of the killed process is gone", func() bool { return p.statements(t, "gated") == 0 })
	s.start(t)
	eventually(t, "Days is loaded again", func() bool { return p.statements(t, "gated") == 1 })
	p.open(t, 1)
	s.flowed(t, flow, "Success")
	if got := s.values(t, flow, "SELECT (SELECT sum(amount) FROM Orders), (SELECT sum(amount) FROM Days), (SELECT count(*) FROM Days), (SELECT count(*) FROM Totals)"); got != "750750.0000|750750.0000|1001|2" {
		t.Errorf("rows %s", got)
	}
	if asked, _ := p.asked(t, "orders", position); len(asked) != 1 {
		t.Errorf("the source was asked %d times:\n%s", len(asked), strings.Join(asked, "\n"))
	}
}

// C1: a model reads what a dataflow has stored, not the dataflow's source: one version of it, whatever the dataflow commits meanwhile.
func TestC1ModelReadsADataflow(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE orders AS SELECT 1::bigint AS id, 10::numeric(19,4) AS amount")
	p.run(t, "CREATE VIEW gated AS SELECT 0::bigint AS id, 0::numeric(19,4) AS amount WHERE "+p.gate(t, 1))
	p.listen(t)
	_, position := p.asked(t, "orders", 0)
	h := startHost(t, configured(t, p.source()))
	flow := h.deployEntities(t, "Shop", [2]string{"Orders", p.from("orders")}, [2]string{"Twice", "Table.Combine({Orders, Orders})"})
	entity := func(name string) string {
		return fmt.Sprintf(`PowerPlatform.Dataflows(null){[Id="Workspaces"]}[Data]{[workspaceId=%q]}[Data]{[dataflowId=%q]}[Data]{[entity=%q,version=""]}[Data]`, flow.GroupID, flow.DatasetID, name)
	}
	m := h.deploy(t, "Reader", modelOf(t, "Reader",
		tableOf("Early", "id int64, amount decimal", reads("P", entity("Orders"))),
		tableOf("Late", "id int64, amount decimal", reads("P", "let Gate = Table.RowCount("+p.from("gated")+") in if Gate = 1 then "+entity("Twice")+" else null"))))
	if text := h.failed(t, m, `{"type":"full","objects":[{"table":"Early"}]}`); !strings.Contains(text, "cannot read the stored Orders of dataflow Tests/Shop: it was not loaded yet") {
		t.Errorf("before the dataflow's first refresh: %s", text)
	}
	h.flows(t, flow)
	h.flowed(t, flow, "Success")
	id := h.post(t, m, `{"type":"full"}`)
	eventually(t, "the first table is read, the second one waits", func() bool {
		detail, err := h.RefreshDetail(t.Context(), m, id)
		return err == nil && objectOf(t, detail, "Early", "P").Status == powerbi.Completed && p.statements(t, "gated") == 1
	})
	for range 3 {
		p.run(t, "UPDATE orders SET amount = amount + 1")
		h.flows(t, flow)
		h.flowed(t, flow, "Success")
	}
	p.open(t, 1)
	if detail := h.ended(t, m, id); detail.Status != powerbi.Completed {
		t.Fatalf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	sums := "SELECT (SELECT sum(amount) FROM Early), (SELECT sum(amount) FROM Late)"
	if got := h.values(t, m, sums); got != "10.0000|20.0000" {
		t.Errorf("rows %s", got)
	}
	h.completed(t, m, `{"type":"full"}`)
	if got := h.values(t, m, sums); got != "13.0000|26.0000" {
		t.Errorf("rows %s", got)
	}
	if asked, _ := p.asked(t, "orders", position); len(asked) != 4 { // once for each refresh of the dataflow
		t.Errorf("the source was asked %d times:\n%s", len(asked), strings.Join(asked, "\n"))
	}
	links, err := h.UpstreamDataflows(t.Context(), m.GroupID)
	if err != nil || len(links) != 1 || links[0] != (powerbi.DataflowLink{DatasetObjectID: m.DatasetID, DataflowObjectID: flow.DatasetID, WorkspaceObjectID: flow.GroupID}) {
		t.Errorf("links %+v, %v", links, err)
	}
}

// C1: a linked entity has the rows of the entity that it names, for queries and for entities that are computed from it, and is not refreshed itself.
func TestC1LinkedEntities(t *testing.T) {
	h := startHost(t, configured(t))
	upstream := h.deployEntities(t, "Shop", [2]string{"Orders", "#table(type table [id = Int64.Type, amount = Currency.Type], {{1, 10}, {2, 20}})"})
	linked := func(modelID string) powerbi.Ref {
		file, err := json.Marshal(object{"name": "Links", "pbi:mashup": object{"document": "section Section1; shared Big = Table.SelectRows(Linked, each [id] > 1);"}, "entities": []object{
			{"$type": "ReferenceEntity", "name": "Linked", "source": "Orders", "modelId": modelID},
			{"name": "Big", "attributes": []object{{"name": "id", "dataType": "int64"}, {"name": "amount", "dataType": "decimal"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		done, err := h.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", Files: map[string][]byte{"model.json": file}})
		if err != nil {
			t.Fatal(err)
		}
		return powerbi.Ref{GroupID: done.Workspace.ID, DatasetID: done.Dataset.ID}
	}
	flow := linked(upstream.GroupID + "/" + upstream.DatasetID)
	if got := h.values(t, flow, "SELECT count(*), (SELECT count(*) FROM Big) FROM Linked"); got != "0|0" {
		t.Errorf("before any refresh: %s", got)
	}
	h.flows(t, flow)
	h.flowed(t, flow, powerbi.TransactionFailed) // there is nothing stored to read
	h.flows(t, upstream)
	h.flowed(t, upstream, powerbi.TransactionSuccess)
	h.flowed(t, flow, powerbi.TransactionSuccess) // which is refreshed with it
	if got := h.values(t, flow, "SELECT l.id, l.amount, b.amount FROM Linked l JOIN Big b USING (id)"); got != "2|20.0000|20.0000" {
		t.Errorf("rows %s", got)
	}
	links, err := h.DependentDataflows(t.Context(), flow.GroupID, flow.DatasetID)
	if err != nil || len(links) != 1 || links[0] != (powerbi.DependentDataflow{TargetDataflowID: upstream.DatasetID, GroupID: upstream.GroupID}) {
		t.Errorf("links %+v, %v", links, err)
	}

	flow = linked(upstream.GroupID + "/" + flow.DatasetID) // to itself, which has no entity of that name
	if _, err := h.Query(t.Context(), flow.DatasetID, "SELECT * FROM Linked"); err == nil || !strings.Contains(err.Error(), "has no entity 'Orders'") {
		t.Errorf("a link to nothing: %v", err)
	}
	if got := h.values(t, flow, "SELECT count(*) FROM Big"); got != "0" { // its expression is another one now
		t.Errorf("rows %s", got)
	}
}

// C1: a model reads the dataflows of the workspaces in which its owner has a role. To it others are not there, by whatever name.
func TestC1OwnersRights(t *testing.T) {
	config := configured(t)
	config.Auth.Mode = server.AuthLocal
	h := startHost(t, config)
	issuer, err := auth.NewLocal(config.Data)
	if err != nil {
		t.Fatal(err)
	}
	as := func(claims auth.Claims) running {
		claims.Scopes = auth.AllScopes()
		return running{Client: &powerbi.Client{Host: h.Host, Token: func(context.Context) (string, error) { return issuer.Issue(claims) }}}
	}
	machine, ana := as(auth.Claims{Owner: true}), as(auth.Claims{Subject: "ana", Name: "ana"})
	flow := machine.deployEntities(t, "Shop", [2]string{"Orders", "#table(type table [id = Int64.Type, amount = Currency.Type], {{1, 10}})"})
	machine.flows(t, flow)
	machine.flowed(t, flow, powerbi.TransactionSuccess)
	deployed, err := ana.Deploy(t.Context(), powerbi.Definition{Workspace: "Ana's", CreateWorkspace: true, Name: "Reader", Files: modelOf(t, "Reader",
		tableOf("ByName", "id int64", reads("P", `PowerBI.Dataflows(null){[workspaceName="Tests"]}[Data]{[dataflowName="Shop"]}[Data]{[entity="Orders"]}[Data]`)),
		tableOf("ByID", "id int64", reads("P", fmt.Sprintf(`PowerBI.Dataflows(null){[workspaceId=%q]}[Data]{[dataflowId=%q]}[Data]{[entity="Orders"]}[Data]`, flow.GroupID, flow.DatasetID))))})
	if err != nil {
		t.Fatal(err)
	}
	m := powerbi.Ref{GroupID: deployed.Workspace.ID, DatasetID: deployed.Dataset.ID}
	for table, key := range map[string]string{"ByName": `workspaceName = "Tests"`, "ByID": `workspaceId = "` + flow.GroupID + `"`} {
		// The machine's owner starts it, who may read everything; the model reads as its own owner.
		if text := machine.failed(t, m, `{"type":"full","objects":[{"table":"`+table+`"}]}`); !strings.Contains(text, "No row has "+key) {
			t.Errorf("%s: %s", table, text)
		}
	}
	if err := machine.AddGroupUser(t.Context(), flow.GroupID, powerbi.GroupUser{Identifier: "ana", PrincipalType: "User", AccessRight: "Viewer"}); err != nil {
		t.Fatal(err)
	}
	ana.completed(t, m, `{"type":"full"}`)
	if got := ana.values(t, m, "SELECT (SELECT count(*) FROM ByName), (SELECT count(*) FROM ByID)"); got != "1|1" {
		t.Errorf("rows %s", got)
	}
	if err := machine.DeleteGroupUser(t.Context(), flow.GroupID, "ana"); err != nil {
		t.Fatal(err)
	}
	ana.failed(t, m, `{"type":"full"}`)
}
