package workspace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

// folder is the present value of the one parameter of retail, Folder.
func (b *bench) folder(item workspace.Item) string {
	b.t.Helper()
	list, err := b.Parameters(b.ctx, item)
	b.must(err)
	if len(list) != 1 || list[0].Name != "Folder" {
		b.t.Fatalf("parameters %+v", list)
	}
	return list[0].Value
}

func typed(t *testing.T, edits ...string) map[string][]byte {
	return retail(t, append([]string{"meta [IsParameterQuery=true]", `meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]`}, edits...)...)
}

func set(name, value string) []workspace.ParameterValue {
	return []workspace.ParameterValue{{Name: name, Value: value}}
}

// [contract §2.2] takes effect on the next refresh: the data that is present stays.
func TestParametersKeepData(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Retail", typed(t)).Item
	b.load(item, 10, "Sales/2024", "Sales/2025")
	loaded := b.parts(item)
	before, err := b.catalog.CurrentVersion(b.ctx, item.ID)
	b.must(err)

	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/mnt")))
	same(t, b.folder(item), "/mnt")
	same(t, b.parts(item), loaded)
	changed, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, item.ID)
	b.must(err)
	if changed.Revision != item.Revision+1 || changed.ConfiguredBy != item.ConfiguredBy {
		t.Errorf("item %+v", changed)
	}
	definition, err := b.catalog.RefreshDefinition(b.ctx, item.ID)
	b.must(err)
	if text := definition.Model.Expression("Folder").Text; !strings.HasPrefix(text, `"/mnt" meta [`) {
		t.Errorf("a refresh reads %s", text)
	}
	// The same value again is no change.
	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/mnt")))
	again, err := b.Resolve(b.ctx, ana, workspace.Viewer, workspace.ModelKind, item.ID)
	b.must(err)
	if again != changed {
		t.Errorf("item %+v", again)
	}
	// Only what reads the parameter has another fingerprint, so that nothing finished under the other value is taken for this one's.
	after, err := b.catalog.CurrentVersion(b.ctx, item.ID)
	b.must(err)
	for i := range before.Parts {
		was := before.Parts[i]
		now := after.Part(was.Table, was.Partition)
		if differs := was.Fingerprint != now.Fingerprint; differs != slices.Contains([]string{"2024", "Live"}, was.Partition) {
			t.Errorf("%s/%s: another fingerprint: %t", was.Table, was.Partition, differs)
		}
	}
	// A deployment of the same files keeps value and data.
	d := b.deploy(ana, "Sales", "Retail", typed(t, "expression Other = 1\n", "expression Other = 2\n"))
	same(t, changes(d), "Sales/2024 kept 10\nSales/2025 kept 10\nLive/Live kept 0\nDates/Dates kept 0")
	same(t, b.folder(item), "/mnt")
	same(t, b.parts(item), loaded)
	if d = b.deploy(ana, "Sales", "Retail", typed(t, "expression Other = 1\n", "expression Other = 2\n")); d.Item.Revision != changed.Revision+1 {
		t.Errorf("the same files made revision %d", d.Item.Revision)
	}
}

// A value that was set stays until the files say something else than they said when it was set.
func TestDeploymentsAndSetParameters(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Retail", typed(t)).Item
	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/mnt")))

	d := b.deploy(ana, "Sales", "Retail", typed(t, `"/srv" meta`, `"/data" meta`))
	same(t, b.folder(item), "/data")
	if want := "Parameter 'Folder': the value that was set for it is gone, since the deployed files have another one than before."; !slices.Contains(d.Warnings, want) {
		t.Errorf("warnings %q", d.Warnings)
	}
	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/mnt")))
	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/data"))) // back to what the files say
	b.deploy(ana, "Sales", "Retail", typed(t))
	same(t, b.folder(item), "/srv")

	b.must(b.SetParameters(b.ctx, ana, item, set("Folder", "/mnt")))
	d = b.deploy(ana, "Sales", "Retail", typed(t, "expression Folder", "expression Place", "(Folder", "(Place"))
	if want := "Parameter 'Folder': the value that was set for it is gone, since the model has no such parameter any more."; !slices.Contains(d.Warnings, want) {
		t.Errorf("warnings %q", d.Warnings)
	}
}

// [contract §2.2] at most 100, known, each once, letter case matters, not Any or Binary, of the right type.
func TestRefusedParameters(t *testing.T) {
	b := newBench(t)
	b.create(ana, "Sales")
	item := b.deploy(ana, "Sales", "Retail", typed(t)).Item
	var many []workspace.ParameterValue
	for i := range 101 {
		many = append(many, workspace.ParameterValue{Name: fmt.Sprint("P", i)})
	}
	for _, test := range []struct {
		values []workspace.ParameterValue
		want   string
	}{
		{nil, "cannot update 0 parameters"},
		{many, "cannot update 101 parameters: a request updates 1 to 100"},
		{set("folder", "/x"), "cannot update parameter 'folder': the model has no such parameter. Its parameters, whose letter case matters, are 'Folder'."},
		{set("Base", "1"), "cannot update parameter 'Base'"},
		{append(set("Folder", "/x"), set("Folder", "/y")...), "cannot update parameter 'Folder' twice"},
		{set("Folder", ""), "it is required"},
		{append(set("Folder", "/x"), set("None", "1")...), "cannot update parameter 'None'"},
	} {
		err := b.SetParameters(b.ctx, ana, item, test.values)
		b.refused(err, fault.Invalid, fault.CodeInvalidRequest)
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
	same(t, b.folder(item), "/srv")

	// A refresh that was accepted keeps the parameters that it was accepted with.
	b.begin(item)
	err := b.SetParameters(b.ctx, ana, item, set("Folder", "/x"))
	b.refused(err, fault.Conflict, workspace.CodeBusy)
}
