package workspace_test

import (
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

// The names are those of Power BI's reference (DatasetUserAccessRight).
func TestRightsNames(t *testing.T) {
	for _, name := range []string{"None", "Read", "ReadWrite", "ReadReshare", "ReadWriteReshare", "ReadExplore", "ReadReshareExplore", "ReadWriteExplore", "ReadWriteReshareExplore"} {
		if rights, err := workspace.ParseRights(name); err != nil || rights.String() != name {
			t.Errorf("%s is %s, %v", name, rights, err)
		}
	}
	for _, name := range []string{"", "Write", "Reshare", "ReadExploreWrite"} {
		if _, err := workspace.ParseRights(name); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// R3: rights on one model, for somebody without a role in its workspace. What is not given looks as if it were not there.
func TestR3RightsOnOneModel(t *testing.T) {
	b := newBench(t)
	sales := b.create(ana, "Sales")
	one := b.deploy(ana, "Sales", "One", oneTable("1")).Item
	two := b.deploy(ana, "Sales", "Two", oneTable("2")).Item
	give := func(caller, to workspace.Caller, rights workspace.Rights) error {
		return b.GrantItem(b.ctx, caller, one, workspace.ItemGrant{PrincipalID: to.ID, PrincipalName: to.Name, App: to.App, Rights: rights})
	}
	_, unknown := b.Item(b.ctx, bob, workspace.Viewer, workspace.ModelKind, sales.ID, "0e000000-0000-4000-8000-000000000000")
	_, err := b.Item(b.ctx, bob, workspace.Viewer, workspace.ModelKind, sales.ID, one.ID)
	if err == nil || unknown == nil || err.Error() != unknown.Error() {
		t.Errorf("a hidden model: %v\nan unknown one: %v", err, unknown)
	}
	b.must(give(ana, bob, workspace.ReadRight))
	for _, ref := range []string{one.ID, "Sales/One", "One"} {
		if found, err := b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, ref); err != nil || found.ID != one.ID {
			t.Errorf("%s: %+v, %v", ref, found, err)
		}
	}
	found, err := b.Item(b.ctx, bob, workspace.Viewer, workspace.ModelKind, sales.ID, one.ID)
	if b.must(err); found.ID != one.ID {
		t.Errorf("found %+v", found)
	}
	_, err = b.Item(b.ctx, bob, workspace.Contributor, workspace.ModelKind, sales.ID, one.ID)
	b.refused(err, fault.Denied, fault.CodeNotAuthorized)
	_, err = b.Item(b.ctx, bob, workspace.Viewer, workspace.ModelKind, sales.ID, two.ID)
	if err == nil || err.Error() != unknown.Error() {
		t.Errorf("another model of the workspace: %v", err)
	}
	_, err = b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, two.ID)
	b.refused(err, fault.NotFound, "")
	_, err = b.Get(b.ctx, bob, workspace.Viewer, sales.ID)
	b.refused(err, fault.NotFound, "")
	if items, err := b.Items(b.ctx, bob, workspace.ModelKind, ""); err != nil || len(items) != 1 || items[0].ID != one.ID {
		t.Errorf("items %+v, %v", items, err)
	}

	// Who may give what.
	b.refused(give(bob, owner, workspace.ReadRight), fault.Denied, fault.CodeNotAuthorized)
	_, err = b.Users(b.ctx, bob, one)
	b.refused(err, fault.Denied, fault.CodeNotAuthorized)
	b.must(give(ana, bob, workspace.ReadRight|workspace.ReshareRight))
	eve := workspace.Caller{ID: "eve-id", Name: "eve"}
	b.refused(give(bob, eve, workspace.ReadRight|workspace.WriteRight), fault.Denied, fault.CodeNotAuthorized)
	b.must(give(bob, eve, workspace.ReadRight))
	b.must(give(ana, eve, workspace.ReadRight|workspace.WriteRight))
	b.refused(give(bob, eve, workspace.NoRights), fault.Denied, fault.CodeNotAuthorized) // it would take away what bob has not
	if _, err := b.Resolve(b.ctx, eve, workspace.Contributor, workspace.ModelKind, one.ID); err != nil {
		t.Errorf("to write: %v", err)
	}
	b.refused(b.GrantItem(b.ctx, ana, one, workspace.ItemGrant{Rights: workspace.ReadRight}), fault.Invalid, "")

	// Roles and grants are listed together.
	b.must(b.Grant(b.ctx, ana, sales.ID, workspace.Grant{PrincipalID: bob.ID, PrincipalName: bob.Name, Role: workspace.Contributor}))
	users, err := b.Users(b.ctx, bob, one)
	b.must(err)
	got := ""
	for _, user := range users {
		got += user.PrincipalID + " " + user.Rights.String() + "\n"
	}
	same(t, got, "ana-id ReadWriteReshareExplore\nbob-id ReadWriteReshareExplore\neve-id ReadWrite\n")

	b.must(give(ana, bob, workspace.NoRights))
	b.must(b.Grant(b.ctx, ana, sales.ID, workspace.Grant{PrincipalID: bob.ID, Role: workspace.NoRole}))
	_, err = b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, one.ID)
	b.refused(err, fault.NotFound, "")
	// They go with the model.
	b.must(b.DeleteItem(b.ctx, ana, one.ID))
	if left, err := b.catalog.ItemGrants(b.ctx, "", ""); err != nil || len(left) != 0 {
		t.Errorf("left %+v, %v", left, err)
	}
}
