package workspace_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/server"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	owner = workspace.Caller{ID: "owner-id", Name: "owner", Owner: true}
	ana   = workspace.Caller{ID: "ana-id", Name: "ana@example.org"}
	bob   = workspace.Caller{ID: "bob-id", Name: "bob@example.org"}
)

// bench is a service over a real catalog.
type bench struct {
	*workspace.Service
	t       testing.TB
	ctx     context.Context
	catalog *catalog.Catalog
}

func newBench(t testing.TB) *bench {
	t.Helper()
	rows, err := catalog.Open(context.Background(), filepath.Join(t.TempDir(), "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	})
	service := workspace.New(rows, server.Language{Now: func() time.Time { return noon }}, workspace.Options{Capacities: []string{"default", "Big"}, Now: func() time.Time { return noon }})
	return &bench{Service: service, t: t, ctx: context.Background(), catalog: rows}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// refused checks an error's kind and, unless empty, its code.
func (b *bench) refused(err error, kind fault.Kind, code string) {
	b.t.Helper()
	if err == nil || fault.KindOf(err) != kind || code != "" && fault.CodeOf(err) != code {
		b.t.Fatalf("error %v (%v, %q), want %v, %q", err, fault.KindOf(err), fault.CodeOf(err), kind, code)
	}
}

func (b *bench) create(caller workspace.Caller, name string) workspace.Workspace {
	b.t.Helper()
	created, err := b.Create(b.ctx, caller, workspace.NewWorkspace{Name: name})
	b.must(err)
	return created
}

func (b *bench) deploy(caller workspace.Caller, in, name string, files map[string][]byte) workspace.Deployment {
	b.t.Helper()
	deployment, err := b.Deploy(b.ctx, caller, workspace.Deploy{Workspace: in, Name: name, Files: files})
	b.must(err)
	return deployment
}

// load commits one row file of so many rows to each named partition ("Table/Partition"), as a refresh does.
func (b *bench) load(item workspace.Item, rows int64, names ...string) {
	b.t.Helper()
	version, err := b.catalog.CurrentVersion(b.ctx, item.ID)
	b.must(err)
	var change store.Change
	for _, name := range names {
		table, partition, _ := strings.Cut(name, "/")
		part := version.Part(table, partition)
		if part == nil {
			b.t.Fatalf("no part %s", name)
		}
		loaded := *part
		loaded.State, loaded.ReadAt = store.Ready, noon
		loaded.Files = []store.File{{ID: fmt.Sprintf("file-%d-%s", version.Number, name), Rows: rows, Bytes: 10, SHA256: "00"}}
		change.Put = append(change.Put, loaded)
	}
	b.commit(item, change)
}

// commit makes a change of the model's data visible.
func (b *bench) commit(item workspace.Item, change store.Change) {
	b.t.Helper()
	version, err := b.catalog.CurrentVersion(b.ctx, item.ID)
	b.must(err)
	lease := b.begin(item)
	for _, to := range []refresh.State{refresh.Running, refresh.Committing} {
		op, err := b.catalog.Get(b.ctx, lease.Operation)
		b.must(err)
		b.must(b.catalog.Transition(b.ctx, lease, refresh.Transition{From: op.State, To: to, At: noon}))
	}
	_, err = b.catalog.Commit(b.ctx, lease, refresh.Commit{
		From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: version.ModelRevision, Base: version.Number, Change: change,
	})
	b.must(err)
}

// begin submits and claims a refresh.
func (b *bench) begin(item workspace.Item) refresh.Lease {
	b.t.Helper()
	current, err := b.catalog.Item(b.ctx, item.ID)
	b.must(err)
	list, err := b.catalog.List(b.ctx, refresh.Filter{})
	b.must(err)
	op := refresh.Operation{
		ID: fmt.Sprintf("0e000000-0000-4000-8000-%012d", len(list)+1), Model: item.ID, ModelRevision: current.Revision,
		Trigger: refresh.ViaEnhancedAPI, AcceptedAt: noon, State: refresh.Accepted,
	}
	outcome, _, err := b.catalog.Submit(b.ctx, op, refresh.Quota{}, nil)
	b.must(err)
	if outcome != refresh.OutcomeAccepted {
		b.t.Fatalf("the refresh was %s", outcome)
	}
	claimed, err := b.catalog.Claim(b.ctx, op.ID, 0, "test", noon)
	b.must(err)
	return refresh.Lease{Operation: op.ID, Epoch: claimed.Epoch}
}

// parts renders the current version's parts and objects, one a line, sorted.
func (b *bench) parts(item workspace.Item) string {
	b.t.Helper()
	version, err := b.catalog.CurrentVersion(b.ctx, item.ID)
	b.must(err)
	var lines []string
	for _, part := range version.Parts {
		lines = append(lines, fmt.Sprintf("%s/%s %s %d", part.Table, part.Partition, part.State, part.Rows()))
	}
	for _, object := range version.Objects {
		lines = append(lines, fmt.Sprintf("%s[%s] %s", object.Table, object.Column, object.State))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func changes(d workspace.Deployment) string {
	var lines []string
	for _, c := range d.Partitions {
		line := fmt.Sprintf("%s/%s %s %d", c.Table, c.Partition, c.Change, c.Rows)
		if c.Reason != "" {
			line += ": " + c.Reason
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func same(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

// shared reads a folder of the shared models.
func shared(t testing.TB, name string) map[string][]byte {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "models", name)
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the shared models are not here: %v", err)
	}
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		files[filepath.ToSlash(relative)] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
