package workspace_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

func TestCreateListGetDelete(t *testing.T) {
	b := newBench(t)
	sales := b.create(ana, "  Sales ")
	if sales.Name != "Sales" || sales.Capacity != "default" || sales.Shared() {
		t.Fatalf("created %+v", sales) // R2: a new workspace is on the first capacity
	}
	_, err := b.Create(b.ctx, bob, workspace.NewWorkspace{Name: "SALES"})
	b.refused(err, fault.Conflict, workspace.CodeWorkspaceExists)
	shared, err := b.Create(b.ctx, ana, workspace.NewWorkspace{Name: "Shared", Shared: true})
	b.must(err)
	if !shared.Shared() {
		t.Fatalf("created %+v", shared)
	}
	big, err := b.Create(b.ctx, ana, workspace.NewWorkspace{Name: "Big one", Capacity: "BIG"})
	b.must(err)
	if big.Capacity != "Big" {
		t.Fatalf("created %+v", big)
	}
	for _, wrong := range []workspace.NewWorkspace{
		{Name: " "}, {Name: "a\x00b"}, {Name: "\xff"}, {Name: strings.Repeat("x", 257)}, {Name: "my WORKSPACE"}, {Name: "X", Capacity: "none"},
	} {
		_, err := b.Create(b.ctx, ana, wrong)
		b.refused(err, fault.Invalid, "")
	}

	list, err := b.List(b.ctx, ana)
	b.must(err)
	if len(list) != 3 || list[0].Name != "Big one" || list[1].Name != "Sales" || list[2].Name != "Shared" {
		t.Fatalf("list %+v", list)
	}
	for _, ref := range []string{sales.ID, strings.ToUpper(sales.ID), "sales", "SALES"} {
		got, err := b.Get(b.ctx, ana, workspace.Admin, ref)
		b.must(err)
		if got != sales {
			t.Errorf("%s: got %+v, want %+v", ref, got, sales)
		}
	}
	b.must(b.Delete(b.ctx, ana, "sales"))
	_, err = b.Get(b.ctx, ana, workspace.Viewer, "Sales")
	b.refused(err, fault.NotFound, "PowerBIEntityNotFound")
	b.refused(b.Delete(b.ctx, ana, sales.ID), fault.NotFound, "PowerBIEntityNotFound")
	b.create(bob, "Sales") // the name is free again
}

// R1, R2: the routes without a group mean a workspace of the caller's own, which is never on a capacity.
func TestR1MyWorkspace(t *testing.T) {
	b := newBench(t)
	mine, err := b.Mine(b.ctx, ana)
	b.must(err)
	for _, ref := range []string{"", "My workspace", "MY WORKSPACE", mine.ID} {
		again, err := b.Get(b.ctx, ana, workspace.Admin, ref)
		b.must(err)
		if again != mine || !again.Shared() || again.Personal != ana.ID {
			t.Errorf("%q: %+v, want %+v", ref, again, mine)
		}
	}
	others, err := b.Mine(b.ctx, bob)
	b.must(err)
	if others.ID == mine.ID {
		t.Fatal("two callers have the same workspace")
	}
	_, err = b.Get(b.ctx, bob, workspace.Viewer, mine.ID)
	b.refused(err, fault.NotFound, "")
	list, err := b.List(b.ctx, owner)
	b.must(err)
	if len(list) != 0 {
		t.Errorf("personal workspaces are listed: %+v", list)
	}
	_, err = b.Assign(b.ctx, ana, "", "Big")
	b.refused(err, fault.Invalid, "")
	b.refused(b.Grant(b.ctx, ana, "", workspace.Grant{PrincipalID: bob.ID, Role: workspace.Viewer}), fault.Invalid, "")

	// A model there is found by its bare name, and others do not see it.
	item := b.deploy(ana, "", "Own", oneTable("1")).Item
	found, err := b.Resolve(b.ctx, ana, workspace.Contributor, workspace.ModelKind, "own")
	b.must(err)
	if found.ID != item.ID || found.WorkspaceID != mine.ID || found.WorkspaceName != "My workspace" {
		t.Errorf("found %+v", found)
	}
	_, err = b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, "Own")
	b.refused(err, fault.NotFound, "")
	_, err = b.Resolve(b.ctx, owner, workspace.Admin, workspace.ModelKind, item.ID)
	b.must(err)
}

func TestMyWorkspaceIsMadeOnce(t *testing.T) {
	b := newBench(t)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if _, err := b.Mine(b.ctx, ana); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// R3: too little right is Denied, no right at all is as if nothing existed.
func TestR3Roles(t *testing.T) {
	b := newBench(t)
	sales := b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Model", oneTable("1")).Item
	grant := func(caller workspace.Caller, to workspace.Caller, role workspace.Role) error {
		return b.Grant(b.ctx, caller, "Sales", workspace.Grant{PrincipalID: strings.ToUpper(to.ID), PrincipalName: to.Name, Role: role})
	}

	// What bob may do by his role.
	actions := []struct {
		name string
		need workspace.Role
		do   func() error
	}{
		{"get", workspace.Viewer, func() error { _, err := b.Get(b.ctx, bob, workspace.Viewer, sales.ID); return err }},
		{"items", workspace.Viewer, func() error { _, err := b.Items(b.ctx, bob, workspace.ModelKind, sales.ID); return err }},
		{"resolve", workspace.Viewer, func() error {
			_, err := b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, item.ID)
			return err
		}},
		{"grants", workspace.Viewer, func() error { _, err := b.Grants(b.ctx, bob, sales.ID); return err }},
		{"refresh", workspace.Contributor, func() error {
			_, err := b.Item(b.ctx, bob, workspace.Contributor, workspace.ModelKind, sales.ID, "model")
			return err
		}},
		{"export", workspace.Contributor, func() error { _, err := b.Export(b.ctx, bob, item.ID); return err }},
		{"deploy", workspace.Contributor, func() error {
			_, err := b.Deploy(b.ctx, bob, workspace.Deploy{Workspace: sales.ID, Name: "Model", Files: oneTable("1")})
			return err
		}},
		{"grant", workspace.Member, func() error {
			return b.Grant(b.ctx, bob, sales.ID, workspace.Grant{PrincipalID: "carol", Role: workspace.Member})
		}},
		{"grant admin", workspace.Admin, func() error {
			return b.Grant(b.ctx, bob, sales.ID, workspace.Grant{PrincipalID: "dave", Role: workspace.Admin})
		}},
		{"unmake admin", workspace.Admin, func() error {
			if err := grant(owner, workspace.Caller{ID: "eve"}, workspace.Admin); err != nil {
				return err
			}
			return b.Grant(b.ctx, bob, sales.ID, workspace.Grant{PrincipalID: "eve", Role: workspace.NoRole})
		}},
		{"assign", workspace.Admin, func() error { _, err := b.Assign(b.ctx, bob, sales.ID, "big"); return err }},
		{"chains", workspace.Admin, func() error { _, err := b.SetChains(b.ctx, bob, sales.ID, workspace.CommitEach); return err }},
		{"overflow", workspace.Admin, func() error { _, err := b.SetOverflow(b.ctx, bob, sales.ID, workspace.Reject); return err }},
	}
	for role := workspace.NoRole; role <= workspace.Admin; role++ {
		b.must(grant(ana, bob, role))
		for _, action := range actions {
			err := action.do()
			switch {
			case role == workspace.NoRole && fault.KindOf(err) != fault.NotFound,
				role != workspace.NoRole && role < action.need && fault.KindOf(err) != fault.Denied,
				role >= action.need && role != workspace.NoRole && err != nil:
				t.Errorf("%s as %s: %v", action.name, role, err)
			}
		}
	}

	b.must(grant(owner, bob, workspace.NoRole))
	_, forbidden := b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, item.ID)
	_, unknown := b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, "99999999-0000-4000-8000-000000000000")
	same(t, strings.ReplaceAll(forbidden.Error(), item.ID, "ID"), strings.ReplaceAll(unknown.Error(), "99999999-0000-4000-8000-000000000000", "ID"))
	_, forbidden = b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, "Sales/Model")
	_, unknown = b.Resolve(b.ctx, bob, workspace.Viewer, workspace.ModelKind, "Sales/Other")
	same(t, strings.ReplaceAll(forbidden.Error(), "Model", "M"), strings.ReplaceAll(unknown.Error(), "Other", "M"))
	list, err := b.List(b.ctx, bob)
	b.must(err)
	if len(list) != 0 {
		t.Errorf("bob sees %+v", list)
	}
}

func TestParseRole(t *testing.T) {
	for text, want := range map[string]workspace.Role{"viewer": 1, "Contributor": 2, "MEMBER": 3, "Admin": 4, "none": 0} {
		if got, err := workspace.ParseRole(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if _, err := workspace.ParseRole("Owner"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Owner gives %v", err)
	}
}

func TestAssign(t *testing.T) {
	b := newBench(t)
	sales := b.create(ana, "Sales")
	for _, tt := range []struct{ capacity, want string }{{"big", "Big"}, {"", ""}, {"Default", "default"}} {
		got, err := b.Assign(b.ctx, ana, sales.ID, tt.capacity)
		b.must(err)
		stored, err := b.Get(b.ctx, ana, workspace.Viewer, sales.ID)
		b.must(err)
		if got.Capacity != tt.want || stored.Capacity != tt.want {
			t.Errorf("%q: %q, stored %q, want %q", tt.capacity, got.Capacity, stored.Capacity, tt.want)
		}
	}
	_, err := b.Assign(b.ctx, ana, sales.ID, "P1")
	b.refused(err, fault.Invalid, "CapacityUnknown")
}

// R7
func TestSetOverflow(t *testing.T) {
	b := newBench(t)
	sales := b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Model", oneTable("1")).Item
	for _, tt := range []struct {
		text string
		want workspace.Overflow
	}{{"Reject", workspace.Reject}, {"drop", workspace.Drop}} {
		overflow, err := workspace.ParseOverflow(tt.text)
		b.must(err)
		got, err := b.SetOverflow(b.ctx, ana, sales.ID, overflow)
		b.must(err)
		stored, err := b.Get(b.ctx, ana, workspace.Viewer, sales.ID)
		b.must(err)
		definition, err := b.catalog.RefreshDefinition(b.ctx, item.ID)
		b.must(err)
		if got.Overflow != tt.want || stored.Overflow != tt.want || definition.RejectOverflow != (tt.want == workspace.Reject) {
			t.Errorf("%s: %s, stored %s, told to refreshes: %t", tt.text, got.Overflow, stored.Overflow, definition.RejectOverflow)
		}
	}
	_, err := workspace.ParseOverflow("queue")
	b.refused(err, fault.Invalid, "")
}

func TestResolve(t *testing.T) {
	b := newBench(t)
	items := map[string]workspace.Item{}
	for _, path := range []string{"Sales|Model", "Sales|Größe", "HR|Model", "HR|Sales/Model x", "a/b|c", "a|b/c"} {
		in, name, _ := strings.Cut(path, "|")
		if _, err := b.Get(b.ctx, ana, workspace.Viewer, in); err != nil {
			b.create(ana, in)
		}
		items[path] = b.deploy(ana, in, name, oneTable("1")).Item
	}
	for _, tt := range []struct{ ref, want string }{
		{"Sales/Model", "Sales|Model"},
		{"sales/MODEL", "Sales|Model"},
		{"größe", "Sales|Größe"},
		{"GRÖSSE", ""}, // ß folds to itself only
		{"hr/sales/model X", "HR|Sales/Model x"},
		{"Sales/Model x", "HR|Sales/Model x"},
		{"c", "a/b|c"},
		{"b/c", "a|b/c"},
		{items["HR|Model"].ID, "HR|Model"},
		{strings.ToUpper(items["HR|Model"].ID), "HR|Model"},
		{items["HR|Model"].WorkspaceID + "/model", "HR|Model"},
		{"", ""}, {"/", ""}, {"Nobody", ""}, {"Nobody/Model", ""}, {"99999999-0000-4000-8000-000000000000", ""},
	} {
		got, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, tt.ref)
		if tt.want == "" {
			b.refused(err, fault.NotFound, "PowerBIEntityNotFound")
			continue
		}
		b.must(err)
		if got.ID != items[tt.want].ID {
			t.Errorf("%s: %s/%s, want %s", tt.ref, got.WorkspaceName, got.Name, tt.want)
		}
	}
	_, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, "model")
	b.refused(err, fault.Invalid, "ModelAmbiguous")
	for _, candidate := range []string{"'HR/Model'", "'Sales/Model'"} {
		if !strings.Contains(err.Error(), candidate) {
			t.Errorf("%v does not list %s", err, candidate)
		}
	}
	_, err = b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, "a/b/c")
	b.refused(err, fault.Invalid, "ModelAmbiguous")
}

// A model that is found has the name, the path or the id that was asked for, and nothing makes the look-up fail otherwise.
func FuzzResolve(f *testing.F) {
	b := newBench(f)
	for _, in := range []string{"Sales", "a/b", "a"} {
		b.create(ana, in)
		for _, name := range []string{"Model", "b/c", "c", "Straße"} {
			b.deploy(ana, in, name, oneTable("1"))
		}
	}
	for _, seed := range []string{"Model", "sales/model", "a/b/c", "STRASSE", "\xff", "'; DROP TABLE items; --", "aaaaaaaa-0000-4000-8000-000000000001", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		got, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, ref)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.NotFound && kind != fault.Invalid {
				t.Errorf("%q: %v", ref, err)
			}
			return
		}
		fits := func(name string) bool { return strings.EqualFold(name, ref) }
		if !fits(got.ID) && !fits(got.Name) && !fits(got.WorkspaceName+"/"+got.Name) && !fits(got.WorkspaceID+"/"+got.Name) {
			t.Errorf("%q finds %s/%s", ref, got.WorkspaceName, got.Name)
		}
	})
}

func TestManyCreateOneName(t *testing.T) {
	b := newBench(t)
	var group sync.WaitGroup
	var made atomic.Int32
	for i := range 32 {
		group.Go(func() {
			_, err := b.Create(b.ctx, workspace.Caller{ID: fmt.Sprint("c", i)}, workspace.NewWorkspace{Name: "Sales"})
			if err == nil {
				made.Add(1)
			} else if fault.CodeOf(err) != workspace.CodeWorkspaceExists {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("%d made it", made.Load())
	}
}

// R3: what the configuration gives counts beside what was granted, also in a workspace that is made later.
func TestR3GivenRoles(t *testing.T) {
	given := []workspace.Given{{Principal: "etl", Workspace: "sales", Role: workspace.Contributor}, {Principal: "etl", Workspace: workspace.MyWorkspaceName, Role: workspace.Admin}}
	s := workspace.New(newBench(t).catalog, nil, workspace.Options{Given: given})
	ana, etl := workspace.Caller{ID: "ana", Name: "ana"}, workspace.Caller{ID: "etl", App: true}
	made, err := s.Create(t.Context(), ana, workspace.NewWorkspace{Name: "Sales", Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mine(t.Context(), ana); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context(), etl); err != nil || len(list) != 1 || list[0].ID != made.ID {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := s.Get(t.Context(), etl, workspace.Contributor, "Sales"); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), etl, workspace.Member, made.ID); fault.KindOf(err) != fault.Denied {
		t.Errorf("%v", err)
	}
	if err := s.Grant(t.Context(), ana, "Sales", workspace.Grant{PrincipalID: "etl", Role: workspace.Member}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), etl, workspace.Member, made.ID); err != nil {
		t.Errorf("the greater of both roles: %v", err)
	}
	if _, err := s.Get(t.Context(), workspace.Caller{ID: "other"}, workspace.Viewer, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

// R3: a workspace keeps an Admin, whoever asks.
func TestR3LastAdmin(t *testing.T) {
	b := newBench(t)
	sales := b.create(ana, "Sales")
	grant := func(caller workspace.Caller, id string, role workspace.Role) error {
		return b.Grant(b.ctx, caller, sales.ID, workspace.Grant{PrincipalID: id, Role: role})
	}
	for _, caller := range []workspace.Caller{ana, owner} {
		for _, role := range []workspace.Role{workspace.NoRole, workspace.Viewer, workspace.Member} {
			b.refused(grant(caller, ana.ID, role), fault.Conflict, workspace.CodeLastAdmin)
		}
	}
	b.must(grant(ana, ana.ID, workspace.Admin))
	b.must(grant(ana, "bob", workspace.Member))
	b.refused(grant(ana, ana.ID, workspace.NoRole), fault.Conflict, workspace.CodeLastAdmin)
	b.must(grant(ana, "bob", workspace.NoRole))
	b.must(grant(ana, "carol", workspace.Admin))
	b.must(grant(ana, ana.ID, workspace.NoRole))
	b.refused(grant(owner, "carol", workspace.Contributor), fault.Conflict, workspace.CodeLastAdmin)
}
