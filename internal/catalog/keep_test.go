package catalog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// keeper is a catalog and a store under one clock, with one model of which each version has a file of its own.
type keeper struct {
	*catalog.Catalog
	t     *testing.T
	store *store.Store
	model string
	dir   string
	began time.Time
	now   time.Time
	files int
}

// newKeeper keeps versions for 90 minutes after they were replaced.
func newKeeper(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{Catalog: openWithWorkspace(t), t: t, dir: t.TempDir(), began: time.Now().Truncate(time.Second)}
	k.now = k.began
	var err error
	k.store, err = store.Open(store.Options{
		Dir: k.dir, Versions: k.Catalog, Keep: 90 * time.Minute, Now: func() time.Time { return k.now },
		NewID: func() string { k.files++; return fmt.Sprint("file-", k.files) },
	})
	k.must(err)
	k.model = deployEmpty(t, k.Catalog, 1, 1).ID // version 1, without a file
	return k
}

func (k *keeper) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// at turns the clock to a time after the beginning.
func (k *keeper) at(after time.Duration) { k.now = k.began.Add(after) }

// write makes a file of the store that a step or a commit will name.
func (k *keeper) write() (*store.Draft, store.File) {
	k.t.Helper()
	draft := k.store.Prepare()
	k.must(os.WriteFile(draft.Path(), []byte("rows"), 0o600))
	file, err := draft.Finish(k.t.Context(), 3)
	k.must(err)
	return draft, file
}

// commit makes the next version, of a new file.
func (k *keeper) commit() {
	k.t.Helper()
	draft, file := k.write()
	defer draft.Release()
	commitOnce(k.t, k.Catalog, k.model, k.now, store.Change{Put: []store.Part{{Table: "Sales", Partition: "p0", State: store.Ready, Files: []store.File{file}}}})
}

// holds sweeps and checks which versions and files are left.
func (k *keeper) holds(versions, files string) {
	k.t.Helper()
	_, err := k.store.Sweep(k.t.Context())
	k.must(err)
	list, err := k.Versions(k.t.Context(), k.model)
	k.must(err)
	var numbers []string
	for _, version := range list {
		numbers = append(numbers, fmt.Sprint(version.Number))
	}
	if got := strings.Join(numbers, " "); got != versions {
		k.t.Errorf("at %s the versions %s are left, want %s", k.now.Sub(k.began), got, versions)
	}
	paths, err := filepath.Glob(filepath.Join(k.dir, "*.parquet"))
	k.must(err)
	var names []string
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".parquet"))
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != files {
		k.t.Errorf("at %s the files %s are left, want %s", k.now.Sub(k.began), got, files)
	}
}

// F7: a version is kept for keepVersions after it was replaced, the one before the current one always, then its rows and files go.
func TestF7VersionsAreKept(t *testing.T) {
	k := newKeeper(t)
	for hour := range 3 {
		k.at(time.Duration(hour+1) * time.Hour)
		k.commit() // version 2 at 1 h with file-1, 3 at 2 h, 4 at 3 h
	}
	k.holds("4 3 2", "file-1 file-2 file-3") // 1 was replaced two hours ago
	k.at(3*time.Hour + 29*time.Minute)
	k.holds("4 3 2", "file-1 file-2 file-3")
	k.at(3*time.Hour + 31*time.Minute)
	k.holds("4 3", "file-2 file-3")
	k.at(1000 * time.Hour)
	k.holds("4 3", "file-2 file-3")
	k.commit()
	k.holds("5 4", "file-3 file-4") // 3 was replaced long ago, 4 just now
	k.at(1002 * time.Hour)
	k.holds("5 4", "file-3 file-4")
}

// F7: a reader holds the version that it pinned over commits and sweeps to its end, however long it reads.
func TestF7PinnedVersionIsKept(t *testing.T) {
	k := newKeeper(t)
	k.at(time.Hour)
	k.commit()
	pinned, release, err := k.store.Pin(t.Context(), k.model)
	k.must(err)
	if pinned.Number != 2 {
		t.Fatalf("pinned %+v", pinned)
	}
	for hour := range 4 {
		k.at(time.Duration(100*(hour+1)) * time.Hour)
		k.commit()
	}
	k.at(1000 * time.Hour)
	k.holds("6 5 2", "file-1 file-4 file-5")
	if version, err := k.Version(t.Context(), k.model, 2); err != nil || version.Part("Sales", "p0").Files[0].ID != "file-1" {
		t.Errorf("version 2 is %+v, %v", version, err)
	}
	release()
	k.holds("6 5", "file-4 file-5")
}

// F7: the version that an unfinished rollback goes back to is kept, however old it becomes meanwhile; one that is gone is refused.
func TestF7VersionOfARollbackIsKept(t *testing.T) {
	k := newKeeper(t)
	for hour := range 3 {
		k.at(time.Duration(hour+1) * time.Hour)
		k.commit()
	}
	submit := func(id string, version int64) error {
		_, _, err := k.Submit(t.Context(), refresh.Operation{ID: id, Model: k.model, ModelRevision: 1, Trigger: refresh.OnDemand, AcceptedAt: k.now,
			Request: refresh.Request{Rollback: &refresh.Rollback{Version: version}}}, refresh.Quota{}, nil)
		return err
	}
	k.must(submit("back", 2))
	k.at(1000 * time.Hour)
	k.holds("4 3 2", "file-1 file-2 file-3")
	_, err := k.Cancel(context.Background(), "back", k.now)
	k.must(err)
	k.holds("4 3", "file-2 file-3")
	if err := submit("late", 2); fault.CodeOf(err) != refresh.CodeVersion {
		t.Errorf("a rollback to a version that is gone: %v", err)
	}
}

// F5: what a step of an unfinished operation has loaded is kept until the operation has ended.
func TestF5StepsOfUnfinishedOperationsAreKept(t *testing.T) {
	k := newKeeper(t)
	_, _, err := k.Submit(t.Context(), refresh.Operation{ID: "slow", Model: k.model, ModelRevision: 1, Trigger: refresh.ViaAPI, AcceptedAt: k.now}, refresh.Quota{}, nil)
	k.must(err)
	op, err := k.Claim(t.Context(), "slow", 0, "test", k.now)
	k.must(err)
	lease := refresh.Lease{Operation: op.ID, Epoch: op.Epoch}
	k.must(k.Transition(t.Context(), lease, refresh.Transition{From: refresh.Accepted, To: refresh.Running, At: k.now}))
	draft, file := k.write()
	k.must(k.Plan(t.Context(), lease, []refresh.Step{{Number: 1, Kind: refresh.LoadStep, Table: "Sales", Partition: "p0", State: refresh.StepFinished, File: file}}, nil))
	draft.Release()
	k.at(20 * time.Hour)
	k.holds("1", "file-1")
	k.must(k.Transition(t.Context(), lease, refresh.Transition{From: refresh.Running, To: refresh.Failed, At: k.now}))
	k.holds("1", "")
}
