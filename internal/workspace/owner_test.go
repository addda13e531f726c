package workspace_test

import (
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

// [contract §4] what only the owner may do; who deploys or takes over owns, also an application.
func TestOwners(t *testing.T) {
	b := newBench(t)
	sales := b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Retail", typed(t)).Item
	app := workspace.Caller{ID: "app-id", Name: "etl", App: true}
	b.must(b.Grant(b.ctx, ana, sales.ID, workspace.Grant{PrincipalID: app.ID, App: true, Role: workspace.Contributor}))

	err := b.SetParameters(b.ctx, app, item, set("Folder", "/x"))
	b.refused(err, fault.Denied, fault.CodeNotAuthorized)
	if !strings.Contains(err.Error(), "only its owner may, who is ana@example.org. Take it over: freshet takeover") {
		t.Errorf("got %v", err)
	}
	b.refused(b.MoveSources(b.ctx, app, item, []workspace.Move{{}}), fault.Denied, fault.CodeNotAuthorized)
	b.must(b.SetParameters(b.ctx, owner, item, set("Folder", "/machine")))

	b.must(b.TakeOver(b.ctx, app, item))
	taken, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, item.ID)
	b.must(err)
	if taken.Owner != app.ID || taken.ConfiguredBy != "etl" {
		t.Errorf("item %+v", taken)
	}
	b.must(b.SetParameters(b.ctx, app, item, set("Folder", "/x")))
	b.refused(b.SetParameters(b.ctx, ana, item, set("Folder", "/y")), fault.Denied, fault.CodeNotAuthorized)
	b.refused(b.Owned(ana, taken), fault.Denied, fault.CodeNotAuthorized)

	b.deploy(ana, "Sales", "Retail", typed(t, "expression Other = 1\n", "expression Other = 2\n"))
	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/y")))
	b.must(b.Owned(ana, workspace.Item{})) // deployed by a Freshet that kept no owners
	b.refused(b.TakeOver(b.ctx, ana, workspace.Item{ID: "none"}), fault.NotFound, "")
}

func TestRename(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	b.create(bob, "Other")
	if renamed, err := b.Rename(b.ctx, ana, "sales", " Trade "); err != nil || renamed.Name != "Trade" {
		t.Errorf("got %+v, %v", renamed, err)
	}
	_, err := b.Rename(b.ctx, ana, "Trade", "OTHER")
	b.refused(err, fault.Conflict, workspace.CodeWorkspaceExists)
	_, err = b.Rename(b.ctx, ana, "Trade", "my workspace")
	b.refused(err, fault.Invalid, "")
	_, err = b.Rename(b.ctx, ana, "", "Mine")
	b.refused(err, fault.Invalid, "")
	_, err = b.Rename(b.ctx, bob, "Trade", "Mine")
	b.refused(err, fault.NotFound, "")
	if _, err := b.Rename(b.ctx, ana, "Trade", "TRADE"); err != nil {
		t.Errorf("another letter case: %v", err)
	}
}
