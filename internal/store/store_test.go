package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

// rows is a catalog that says what a test tells it.
type rows struct {
	current Version
	inUse   []string
	pinned  []Pin // what it was told when it was asked to forget
	since   time.Time
	forgot  bool
}

func (r *rows) CurrentVersion(context.Context, string) (Version, error) { return r.current, nil }

func (r *rows) ForgetVersions(_ context.Context, since time.Time, pinned []Pin) error {
	r.since, r.pinned, r.forgot = since, pinned, true
	return nil
}

func (r *rows) FilesInUse(context.Context) ([]string, error) {
	if !r.forgot {
		return nil, errors.New("asked before it was told to forget")
	}
	r.forgot = false
	return r.inUse, nil
}

type bench struct {
	*Store
	t    *testing.T
	rows *rows
	now  time.Time
}

func open(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, rows: &rows{}, now: time.Now()}
	ids := 0
	store, err := Open(Options{
		Dir: t.TempDir(), Versions: b.rows, Keep: 24 * time.Hour,
		Now: func() time.Time { return b.now }, NewID: func() string { ids++; return fmt.Sprint("file-", ids) },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Store = store
	return b
}

func (b *bench) write(content string) (*Draft, File) {
	b.t.Helper()
	draft := b.Prepare()
	if err := os.WriteFile(draft.Path(), []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	file, err := draft.Finish(b.t.Context(), 3)
	if err != nil {
		b.t.Fatal(err)
	}
	return draft, file
}

func (b *bench) files() string {
	b.t.Helper()
	var names []string
	for _, pattern := range []string{"*.parquet", "drafts/*"} {
		paths, err := filepath.Glob(filepath.Join(b.options.Dir, pattern))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, path := range paths {
			name, _ := filepath.Rel(b.options.Dir, path)
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func TestDraftBecomesFile(t *testing.T) {
	b := open(t)
	draft, file := b.write("hello")
	// printf hello | sha256sum
	want := File{ID: "file-1", Rows: 3, Bytes: 5, SHA256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
	if file != want {
		t.Fatalf("file %+v", file)
	}
	draft.Release()
	path, err := b.Path(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "hello" {
		t.Fatalf("%q, %v", content, err)
	}
	if got := b.files(); got != "file-1.parquet" {
		t.Fatalf("files: %s", got)
	}
}

func TestUnfinishedDraftLeavesNothing(t *testing.T) {
	b := open(t)
	draft := b.Prepare()
	if err := os.WriteFile(draft.Path(), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	draft.Release()
	b.Prepare().Release() // never written
	if got := b.files(); got != "" {
		t.Fatalf("files: %s", got)
	}
	crashed := b.Prepare()
	if err := os.WriteFile(crashed.Path(), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(b.options); err != nil {
		t.Fatal(err)
	}
	if got := b.files(); got != "" {
		t.Fatalf("files after the next start: %s", got)
	}
}

func TestFinishOfNothingFails(t *testing.T) {
	b := open(t)
	draft := b.Prepare()
	defer draft.Release()
	if _, err := draft.Finish(t.Context(), 0); fault.CodeOf(err) != CodeStorage {
		t.Fatalf("error %v", err)
	}
}

// F7: a file with one flipped bit, a shorter one and a missing one are named and never served.
func TestDamageIsFound(t *testing.T) {
	damages := map[string]func(path string) error{
		"flipped": func(path string) error {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content[2] ^= 1
			return os.WriteFile(path, content, 0o600)
		},
		"shorter": func(path string) error { return os.Truncate(path, 2) },
		"missing": os.Remove,
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			_, file := b.write("hello")
			if name == "shorter" { // also after a first use
				if _, err := b.Path(t.Context(), file); err != nil {
					t.Fatal(err)
				}
			}
			path := b.path(file.ID)
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			_, err := b.Path(t.Context(), file)
			if fault.CodeOf(err) != fault.CodeDamaged || !strings.Contains(err.Error(), "file-1.parquet") {
				t.Fatalf("Path: %v", err)
			}
			if err := b.Verify(t.Context(), file); fault.CodeOf(err) != fault.CodeDamaged {
				t.Fatalf("Verify: %v", err)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	b := open(t)
	release := func(d *Draft, _ File) { d.Release() }
	release(b.write("in use"))
	release(b.write("unused"))
	b.write("held") // not released: no step names it yet
	b.rows.inUse = []string{"file-1"}

	if deleted, err := b.Sweep(t.Context()); err != nil || deleted != 0 {
		t.Fatalf("within the grace time: %d, %v", deleted, err)
	}
	b.now = b.now.Add(11 * time.Minute)
	release(b.write("young"))
	if err := os.Chtimes(b.path("file-4"), b.now, b.now); err != nil {
		t.Fatal(err)
	}
	if deleted, err := b.Sweep(t.Context()); err != nil || deleted != 1 {
		t.Fatalf("deleted %d, %v", deleted, err)
	}
	if got := b.files(); got != "file-1.parquet file-3.parquet file-4.parquet" {
		t.Fatalf("files: %s", got)
	}
	if want := b.now.Add(-24 * time.Hour); !b.rows.since.Equal(want) {
		t.Fatalf("since %s, want %s", b.rows.since, want)
	}
}

// A reader keeps its files to its end, also when the model is deleted and with it all that the catalog says of it.
func TestPinOutlivesTheModel(t *testing.T) {
	b := open(t)
	draft, file := b.write("rows")
	b.rows.current = Version{Model: "m", Number: 7, Parts: []Part{{Table: "T", Partition: "P", State: Ready, Files: []File{file}}}}
	_, release, err := b.Pin(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	draft.Release()
	b.now = b.now.Add(11 * time.Minute)
	if deleted, err := b.Sweep(t.Context()); err != nil || deleted != 0 {
		t.Fatalf("under a reader: %d, %v", deleted, err)
	}
	release()
	if deleted, err := b.Sweep(t.Context()); err != nil || deleted != 1 {
		t.Fatalf("after the reader: %d, %v", deleted, err)
	}
}

func TestPinsAreToldToTheCatalog(t *testing.T) {
	b := open(t)
	b.write("x")
	b.now = b.now.Add(time.Hour)
	draft := b.Prepare() // something old to sweep
	draft.Release()
	_, old := b.write("old")
	b.mu.Lock()
	delete(b.held, old.ID)
	b.mu.Unlock()
	b.now = b.now.Add(time.Hour)

	b.rows.current = Version{Model: "m", Number: 7}
	version, releaseFirst, err := b.Pin(t.Context(), "m")
	if err != nil || version.Number != 7 {
		t.Fatalf("%+v, %v", version, err)
	}
	_, releaseSecond, err := b.Pin(t.Context(), "m")
	if err != nil {
		t.Fatal(err)
	}
	releaseFirst()
	releaseFirst()
	if _, err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.rows.pinned) != 1 || b.rows.pinned[0] != (Pin{"m", 7}) {
		t.Fatalf("pinned %v", b.rows.pinned)
	}
	releaseSecond()
	if len(b.pins) != 0 {
		t.Fatalf("pins %v", b.pins)
	}
}

// A file of a policy's partition is replaced by a refresh that does not leave the partition alone.
func TestDamagedAdvice(t *testing.T) {
	for start, says := range map[string]string{"": "Refresh the table that it belongs to", "2024-01-01": "Refresh the partition (with applyRefreshPolicy false)"} {
		if err := damaged(File{ID: "gone", Start: start}, os.ErrNotExist); !strings.Contains(err.Error(), says) {
			t.Errorf("%v", err)
		}
	}
}
