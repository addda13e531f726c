package workspace_test

import (
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

// flowOf is a dataflow named Retail with one entity; edits change its text by pairs of old and new.
func flowOf(edits ...string) map[string][]byte {
	const text = `{"name":"Retail","description":"by hand","pbi:mashup":{"document":"section S; shared A = 1; shared T = #table({\"N\"}, {{A}});"},
		"entities":[{"name":"T","attributes":[{"name":"N","dataType":"int64"}]}]}`
	return map[string][]byte{"model.json": []byte(strings.NewReplacer(edits...).Replace(text))}
}

// C1: a dataflow and a model of one workspace may have the same name; each is found as what it is.
func TestC1DataflowsAreItems(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	model := b.deploy(ana, "Sales", "Retail", retail(t)).Item
	deployed, err := b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "Sales", Files: flowOf()})
	b.must(err)
	flow := deployed.Item
	if !deployed.Created || flow.Kind != workspace.DataflowKind || flow.Name != "Retail" || flow.Description != "by hand" || flow.ID == model.ID {
		t.Fatalf("deployed %+v", deployed)
	}
	for _, tt := range []struct {
		kind workspace.Kind
		want string
	}{{workspace.ModelKind, model.ID}, {workspace.DataflowKind, flow.ID}} {
		items, err := b.Items(b.ctx, ana, tt.kind, "Sales")
		b.must(err)
		found, err := b.Resolve(b.ctx, ana, workspace.Viewer, tt.kind, "Sales/Retail")
		b.must(err)
		if len(items) != 1 || items[0].ID != tt.want || found.ID != tt.want {
			t.Errorf("%s: lists %+v, finds %s", tt.kind, items, found.ID)
		}
		for _, id := range []string{model.ID, flow.ID} {
			_, err := b.Item(b.ctx, ana, workspace.Viewer, tt.kind, "Sales", id)
			if (id == tt.want) != (err == nil) || err != nil && fault.KindOf(err) != fault.NotFound {
				t.Errorf("%s by id: %v", tt.kind, err)
			}
		}
	}
	_, err = b.Resolve(b.ctx, ana, workspace.Viewer, workspace.AnyKind, "Sales/Retail")
	b.refused(err, fault.Invalid, "ModelAmbiguous")
	_, err = b.Resolve(b.ctx, bob, workspace.Viewer, workspace.DataflowKind, flow.ID)
	b.refused(err, fault.NotFound, "")
}

// C1: a deployment under the same name is the next revision, an export is what was deployed, and a deletion leaves a model of the same name.
func TestC1DataflowsAreDeployedAgain(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	model := b.deploy(ana, "Sales", "Retail", retail(t)).Item
	first, err := b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "Sales", Files: flowOf()})
	b.must(err)
	next := flowOf("by hand", "by night", "A = 1", "A = 2")
	again, err := b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "Sales", Files: next})
	b.must(err)
	if again.Created || again.Item.ID != first.Item.ID || again.Item.Revision != 2 || again.Item.Description != "by night" {
		t.Errorf("deployed again: %+v", again)
	}
	content, err := b.ExportDataflow(b.ctx, again.Item)
	b.must(err)
	if string(content["model.json"]) != string(next["model.json"]) {
		t.Errorf("exported %s", content)
	}
	_, err = b.Deploy(b.ctx, ana, workspace.Deploy{Files: flowOf()}) // to My workspace
	b.refused(err, fault.Invalid, "InvalidRequest")
	b.must(b.DeleteItem(b.ctx, ana, again.Item.ID))
	if _, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, model.ID); err != nil {
		t.Errorf("the model of its name is gone: %v", err)
	}
}

// C1: another refresh policy of an entity takes effect at the next refresh. Until then it has the rows that it had.
func TestC1SwitchOfPolicy(t *testing.T) {
	const full, incremental = `"$type":"FullRefreshPolicy"`, `"$type":"IncrementalRefreshPolicy","rollingWindowGranularity":"year","rollingWindowPeriods":1,"incrementalGranularity":"month","incrementalPeriods":1,"freshet:filterField":"At"`
	flow := func(policy, query string) map[string][]byte {
		return map[string][]byte{"model.json": []byte(`{"name":"Flow","pbi:mashup":{"document":"section S; shared T = ` + query + `;"},
			"entities":[{"name":"T","pbi:refreshPolicy":{` + policy + `},"attributes":[{"name":"At","dataType":"dateTime"}]}]}`)}
	}
	b := newBench(t)
	b.create(ana, "Sales")
	deploy := func(policy, query string) workspace.Deployment {
		t.Helper()
		deployed, err := b.Deploy(b.ctx, ana, workspace.Deploy{Workspace: "Sales", Files: flow(policy, query)})
		b.must(err)
		return deployed
	}
	item := deploy(full, "Source").Item
	read := func(names ...[3]string) store.Change {
		definition, err := b.catalog.RefreshDefinition(b.ctx, item.ID)
		b.must(err)
		table := definition.Model.Table("T")
		var change store.Change
		for _, name := range names {
			partition := table.Partition(name[0])
			if name[1] != "" {
				partition = &model.Partition{Name: name[0], Mode: "import", Source: model.PartitionSource{Type: model.PolicyRangePartition, Start: name[1], End: name[2]}}
			}
			change.Put = append(change.Put, store.Part{Table: "T", Partition: name[0], State: store.Ready, Start: name[1], End: name[2], Fingerprint: store.Fingerprint(definition.Model, table, partition),
				Files: []store.File{{ID: "of " + name[0], Rows: 7, Bytes: 1, SHA256: "00", Start: name[1], End: name[2]}}})
		}
		return change
	}
	b.commit(item, read([3]string{cdm.FullPartition}))

	same(t, changes(deploy(incremental, "Source")), "T/FullRefreshPolicyPartition kept 7")
	same(t, b.parts(item), "T/FullRefreshPolicyPartition Ready 7")

	prefix := cdm.IncrementalPrefix
	change := read([3]string{prefix + "2024", "2024-01-01", "2025-01-01"}, [3]string{prefix + "2025Q101", "2025-01-01", "2025-02-01"})
	change.Remove = []store.Key{{Table: "T", Partition: cdm.FullPartition}}
	b.commit(item, change)
	same(t, changes(deploy(full, "Source")), "T/FullRefreshPolicyPartition kept 14\n"+
		"T/"+prefix+"2024 removed 0: its rows stay until the next refresh, which loads the entity in full\n"+
		"T/"+prefix+"2025Q101 removed 0: its rows stay until the next refresh, which loads the entity in full")
	same(t, b.parts(item), "T/FullRefreshPolicyPartition Ready 14")

	// Another query takes the rows away, as it does without a policy.
	same(t, changes(deploy(incremental, "Other")), "T/FullRefreshPolicyPartition emptied 14: its source has changed")
}
