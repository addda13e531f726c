package catalog_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"go.uber.org/goleak"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/catalog"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

// crashEnv makes the test binary a writer that is killed; see TestF5KilledWriterLosesNothingPromised.
const crashEnv = "FRESHET_CATALOG_CRASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		writeUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

func modelID(n int) string { return fmt.Sprintf("5b4f1d3e-0000-4000-8000-%012d", n) }

// deployEmpty deploys a model with so many empty partitions.
func deployEmpty(t testing.TB, c *catalog.Catalog, model, partitions int) refresh.Definition {
	t.Helper()
	definition := refresh.Definition{ID: modelID(model), Name: fmt.Sprint("Model ", model), Revision: 1}
	var change store.Change
	for i := range partitions {
		change.Put = append(change.Put, store.Part{Table: "Sales", Partition: fmt.Sprint("p", i), State: store.NoData, Fingerprint: "f"})
	}
	if err := (subject{c}).Deploy(definition, change); err != nil {
		t.Fatal(err)
	}
	return definition
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "deeper")
	c := open(t, filepath.Join(dir, "catalog ?#%.db"))
	if err := c.CreateWorkspace(context.Background(), workspace.Workspace{ID: "w", Name: "W", Created: noon}, nil); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
		names = append(names, entry.Name())
	}
	if want := []string{"catalog ?#%.db", "catalog ?#%.db-shm", "catalog ?#%.db-wal"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
}

func TestReopenKeepsEverything(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "catalog.db")
	first, err := catalog.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	sales := workspace.Workspace{ID: workspaceID, Name: "Sales", Capacity: "default", Overflow: workspace.Reject, Created: noon}
	grant := workspace.Grant{WorkspaceID: workspaceID, PrincipalID: "ana", PrincipalName: "Ana", App: true, Role: workspace.Admin}
	if err := first.CreateWorkspace(ctx, sales, []workspace.Grant{grant}); err != nil {
		t.Fatal(err)
	}
	deployEmpty(t, first, 1, 2)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.AssignWorkspace(ctx, workspaceID, ""); fault.CodeOf(err) != fault.CodeClosing {
		t.Errorf("a write after Close gives %v", err)
	}

	second := open(t, path)
	if got, err := second.Workspace(ctx, workspaceID); err != nil || got != sales {
		t.Errorf("workspace %+v, %v", got, err)
	}
	if got, err := second.Grants(ctx, "", "ana"); err != nil || len(got) != 1 || got[0] != grant {
		t.Errorf("grants %+v, %v", got, err)
	}
	version, err := second.CurrentVersion(ctx, modelID(1))
	if err != nil || version.Number != 1 || len(version.Parts) != 2 || !version.CommittedAt.Equal(noon) {
		t.Errorf("version %+v, %v", version, err)
	}
	definition, err := second.Definition(ctx, modelID(1), 0)
	if err != nil || string(definition.Files["model.bim"]) != emptyModel || definition.Format != workspace.BIM {
		t.Errorf("definition %+v, %v", definition, err)
	}
}

// execRaw changes a catalog's file behind its back.
func execRaw(t testing.TB, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// fillHistory gives a model so many operations that have ended, one a second from 1970 on, with an attempt each.
func fillHistory(t testing.TB, path, model string, length int) {
	t.Helper()
	execRaw(t, path, fmt.Sprintf(`
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO operations (id, model, model_revision, trigger_kind, request, requested_by, accepted_at, started_at, ended_at, state, epoch, owner, planned, version)
		SELECT 'op-' || i, '%s', 1, 'ViaEnhancedApi', '{}', 'ana', i * 1000000000, i * 1000000000, i * 1000000000, 'Completed', 1, 'owner', 1, 0 FROM n`, length, model))
	execRaw(t, path, `INSERT INTO attempts (operation, number, started_at, ended_at, worked) SELECT seq, 1, started_at, ended_at, 1000 FROM operations`)
}

func TestOtherCatalogsAreRefused(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	c, err := catalog.Open(context.Background(), newer)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	execRaw(t, newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	foreign := filepath.Join(dir, "foreign.db")
	execRaw(t, foreign, `CREATE TABLE photos (id INTEGER)`)
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, code, says string
		kind             fault.Kind
	}{
		{newer, "CatalogNewer", "schema 9999, this one knows ", fault.Conflict},
		{foreign, "CatalogForeign", "another program", fault.Invalid},
		{garbage, "CatalogDamaged", "damaged", fault.Internal},
	} {
		_, err := catalog.Open(context.Background(), tt.path)
		if fault.CodeOf(err) != tt.code || fault.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.says) || !strings.Contains(fmt.Sprint(err), filepath.Base(tt.path)) {
			t.Errorf("%s: %v (%v)", tt.path, err, fault.KindOf(err))
		}
	}
}

// The CHECK of the table and the states of the refresh room are the same set.
func TestStatesAreThoseOfTheCheck(t *testing.T) {
	schema, err := os.ReadFile(filepath.Join("migrations", "00001_spine.sql"))
	if err != nil {
		t.Fatal(err)
	}
	in := func(after string) []string {
		_, rest, _ := strings.Cut(string(schema), after)
		_, rest, _ = strings.Cut(rest, "CHECK (state IN (")
		list, _, _ := strings.Cut(rest, ")")
		var words []string
		for word := range strings.SplitSeq(list, ",") {
			words = append(words, strings.Trim(strings.TrimSpace(word), "'"))
		}
		return words
	}
	var states, final, steps []string
	for _, state := range refresh.States() {
		states = append(states, string(state))
		if state.Finished() {
			final = append(final, "'"+string(state)+"'")
		}
	}
	for _, state := range refresh.StepStates() {
		steps = append(steps, string(state))
	}
	if got := in("CREATE TABLE operations"); !slices.Equal(got, states) {
		t.Errorf("operations: %q, want %q", got, states)
	}
	if got := in("CREATE TABLE steps"); !slices.Equal(got, steps) {
		t.Errorf("steps: %q, want %q", got, steps)
	}
	if want := "CHECK ((state IN (" + strings.Join(final, ", ") + ")) = (ended_at IS NOT NULL))"; !strings.Contains(string(schema), want) {
		t.Errorf("the schema lacks %s", want)
	}
}

// Writes that share a transaction succeed and fail each by itself.
func TestManyWritersFailAlone(t *testing.T) {
	ctx := context.Background()
	c := openWithWorkspace(t)
	var group sync.WaitGroup
	var conflicts atomic.Int32
	for writer := range 32 {
		group.Go(func() {
			for i := range 20 {
				// Half of the names are taken by another writer.
				name := fmt.Sprint("w", writer/2, "-", i)
				id := fmt.Sprint("id-", writer, "-", i)
				grant := workspace.Grant{WorkspaceID: id, PrincipalID: "ana", Role: workspace.Admin}
				switch err := c.CreateWorkspace(ctx, workspace.Workspace{ID: id, Name: name, Created: noon}, []workspace.Grant{grant}); {
				case fault.CodeOf(err) == workspace.CodeWorkspaceExists:
					conflicts.Add(1)
				case err != nil:
					t.Error(err)
				default:
					// Durable now, so visible to a reader.
					if _, err := c.Workspace(ctx, id); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	list, err := c.Workspaces(ctx)
	if err != nil {
		t.Fatal(err)
	}
	grants, err := c.Grants(ctx, "", "ana")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1+16*20 || conflicts.Load() != 16*20 || len(grants) != 16*20 {
		t.Errorf("%d workspaces, %d conflicts, %d grants", len(list), conflicts.Load(), len(grants))
	}
}

func TestCancelledWriteIsUndoneOrDone(t *testing.T) {
	c := openWithWorkspace(t)
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			id := fmt.Sprint("id-", i)
			go cancel()
			err := c.CreateWorkspace(ctx, workspace.Workspace{ID: id, Name: id, Created: noon}, nil)
			_, found := c.Workspace(context.Background(), id)
			if (err == nil) != (found == nil) || err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("create: %v, found: %v", err, found)
			}
		})
	}
	group.Wait()
}

// Versions are what applying their changes one after another gives, whatever was committed and forgotten.
func TestVersionsAreTheirChangesApplied(t *testing.T) {
	ctx := context.Background()
	c := openWithWorkspace(t)
	random := rand.New(rand.NewPCG(1, 2))
	definition := refresh.Definition{ID: modelID(1), Name: "M", Revision: 1}
	first := store.Change{}
	for i := range 6 {
		first.Put = append(first.Put, store.Part{Table: "T", Partition: fmt.Sprint(i), State: store.NoData})
	}
	if err := (subject{c}).Deploy(definition, first); err != nil {
		t.Fatal(err)
	}
	want := map[int64]store.Version{}
	current, err := c.CurrentVersion(ctx, definition.ID)
	if err != nil {
		t.Fatal(err)
	}
	want[1] = current
	files := 0
	for number := int64(2); number <= 60; number++ {
		var change store.Change
		for i := range 8 {
			key := store.Key{Table: "T", Partition: fmt.Sprint(i)}
			switch random.IntN(6) {
			case 0:
				part := store.Part{Table: key.Table, Partition: key.Partition, State: store.Ready, ReadAt: noon, Fingerprint: "f", Bookmark: "b", Start: "2025-01-01", End: "2026-01-01"}
				for range 1 + random.IntN(2) {
					files++
					part.Files = append(part.Files, store.File{ID: fmt.Sprint("file-", files), Rows: int64(files), Bytes: 5, SHA256: "00"})
				}
				change.Put = append(change.Put, part)
			case 1:
				change.Remove = append(change.Remove, key)
			case 2:
				change.Objects = append(change.Objects, store.Object{Table: "T", Column: fmt.Sprint("c", i), State: store.Ready})
			}
		}
		if random.IntN(12) == 0 {
			// As a rollback commits: everything of an earlier version.
			earlier := want[1+random.Int64N(number-1)]
			change = store.Change{Whole: true, Put: earlier.Parts, Objects: earlier.Objects}
		}
		base := number - 1
		got := commitOnce(t, c, definition.ID, noon.Add(time.Duration(number)*time.Minute), change)
		if !change.Whole && len(change.Put)+len(change.Remove)+len(change.Objects) == 0 {
			number--
			if got != base {
				t.Fatalf("a change of nothing makes version %d after %d", got, base)
			}
			continue
		}
		expected := change.Apply(want[base])
		expected.Number = number
		want[number] = expected
		if got != number {
			t.Fatalf("committed version %d, want %d", got, number)
		}
	}
	check := func(number int64) {
		t.Helper()
		got, err := c.Version(ctx, definition.ID, number)
		if err != nil {
			t.Fatal(err)
		}
		if g, w := render(got), render(want[number]); g != w {
			t.Fatalf("version %d\n%s\nwant\n%s", number, g, w)
		}
	}
	for number := range want {
		check(number)
	}
	listed := func() (numbers []int64) {
		t.Helper()
		list, err := c.Versions(ctx, definition.ID)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range list {
			version, err := c.Version(ctx, definition.ID, got.Number)
			if err != nil {
				t.Fatal(err)
			}
			expected := store.VersionSummary{Number: version.Number, ModelRevision: 1, CommittedAt: version.CommittedAt, Operation: version.Operation, Current: i == 0}
			for _, part := range version.Parts {
				for _, file := range part.Files {
					expected.Rows += file.Rows
					expected.Bytes += file.Bytes
				}
			}
			if got != expected {
				t.Fatalf("listed %+v, want %+v", got, expected)
			}
			numbers = append(numbers, got.Number)
		}
		return numbers
	}
	if got := listed(); len(got) != 60 || got[0] != 60 || got[59] != 1 {
		t.Fatalf("listed versions %v", got)
	}

	// Version n was committed at noon + n minutes: 50 was current until 51 was committed.
	since := noon.Add(51 * time.Minute)
	pinned := []store.Pin{{Model: definition.ID, Number: 10}}
	if err := c.ForgetVersions(ctx, since, pinned); err != nil {
		t.Fatal(err)
	}
	var named []string
	for number, version := range want {
		if number < 50 && number != 10 {
			continue
		}
		for _, part := range version.Parts {
			for _, file := range part.Files {
				named = append(named, file.ID)
			}
		}
	}
	inUse, err := c.FilesInUse(ctx)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(named)
	slices.Sort(inUse)
	if named = slices.Compact(named); len(named) == 0 || !slices.Equal(inUse, named) {
		t.Errorf("files in use %q, the versions that are left name %q", inUse, named)
	}
	for number := range want {
		if number >= 50 || number == 10 {
			check(number)
		} else if _, err := c.Version(ctx, definition.ID, number); fault.KindOf(err) != fault.NotFound {
			t.Errorf("forgotten version %d gives %v", number, err)
		}
	}
	if got := listed(); len(got) != 12 || got[10] != 50 || got[11] != 10 {
		t.Errorf("listed versions %v", got)
	}
	if _, err := c.Versions(ctx, modelID(9)); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the versions of an unknown model: %v", err)
	}
}

func render(v store.Version) string {
	var lines []string
	for _, part := range v.Parts {
		lines = append(lines, fmt.Sprintf("%+v", part))
	}
	for _, object := range v.Objects {
		lines = append(lines, fmt.Sprintf("%+v", object))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// commitOnce runs a whole operation whose commit makes one change, and returns the version.
func commitOnce(t testing.TB, c *catalog.Catalog, model string, at time.Time, change store.Change) int64 {
	t.Helper()
	lease, base := running(t, c, model, at)
	version, err := c.Commit(context.Background(), lease, refresh.Commit{
		From: refresh.Committing, To: refresh.Completed, At: at, ModelRevision: 1, Base: base, Change: change,
	})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// running submits an operation and brings it to Committing.
func running(t testing.TB, c *catalog.Catalog, model string, at time.Time) (refresh.Lease, int64) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id := fmt.Sprintf("op-%s-%d", model, at.UnixNano())
	_, op, err := c.Submit(ctx, refresh.Operation{ID: id, Model: model, ModelRevision: 1, Trigger: refresh.ViaEnhancedAPI, AcceptedAt: at}, refresh.Quota{}, nil)
	must(err)
	op, err = c.Claim(ctx, op.ID, 0, "test", at)
	must(err)
	lease := refresh.Lease{Operation: op.ID, Epoch: op.Epoch}
	must(c.Transition(ctx, lease, refresh.Transition{From: refresh.Accepted, To: refresh.Running, At: at}))
	must(c.Transition(ctx, lease, refresh.Transition{From: refresh.Running, To: refresh.Committing, At: at}))
	version, err := c.CurrentVersion(ctx, model)
	must(err)
	return lease, version.Number
}

// F12: the newest entries cost the same however long the history is.
func TestF12HistoryIsReadByIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	open(t, path)
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ofModel, ofModelArgs := catalog.Listing(refresh.Filter{Model: "m", Top: 1})
	ofAll, ofAllArgs := catalog.Listing(refresh.Filter{Top: 1})
	for _, tt := range []struct {
		statement string
		args      []any
		index     string
	}{
		{ofModel, ofModelArgs, "operations_history (model=?)"},
		{ofAll, ofAllArgs, "operations_all"},
		{`SELECT seq FROM operations WHERE ended_at IS NULL ORDER BY accepted_at, seq`, nil, "operations_unfinished"},
		{catalog.Forgettable, []any{1, 60, 50}, "operations_history (model=? AND accepted_at<?)"},
	} {
		rows, err := db.Query("EXPLAIN QUERY PLAN "+tt.statement, tt.args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, tt.index) || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s\n%s", tt.statement, text)
		}
	}
}

// F12: operations of many steps are forgotten a few at a time, since others wait to write; nothing of them is left.
func TestF12ForgetInPieces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	definition := deployEmpty(t, c, 1, 1)
	fillHistory(t, path, definition.ID, 6)
	execRaw(t, path, `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
		INSERT INTO steps (operation, number, kind, table_name, partition, state, attempt, file_id, rows, bytes, sha256, bookmark, fingerprint, note)
		SELECT seq, i, 'Load', 'Sales', 'p' || i, 'Committed', 1, '', 0, 0, '', '', '', '' FROM operations, n`)
	execRaw(t, path, `INSERT INTO messages (operation, at, type, code, text, place) SELECT operation, 1, 'Warning', 'C', 'careful', '{}' FROM steps`)
	var pieces []int
	for {
		n, err := c.Forget(t.Context(), noon, 1, 100)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		pieces = append(pieces, n)
	}
	if want := []int{2, 2, 1}; !slices.Equal(pieces, want) { // 1,200 rows each
		t.Errorf("deleted in pieces of %d, want %d", pieces, want)
	}
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for table, want := range map[string]int{"operations": 1, "attempts": 1, "steps": 600, "messages": 600} {
		var left int
		if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&left); err != nil || left != want {
			t.Errorf("%d rows of %s are left, %v, want %d", left, table, err, want)
		}
	}
}

// writeUntilKilled commits versions to two models at once and prints each one that is durable.
func writeUntilKilled(path string) {
	ctx := context.Background()
	c, err := catalog.Open(ctx, path)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	announced(&panicking{}, c)
	var mu sync.Mutex
	for model := 1; model <= 2; model++ {
		go func() {
			t := &panicking{}
			for i := 0; ; i++ {
				var change store.Change
				for p := range 5 { // all parts of a version carry its number
					change.Put = append(change.Put, store.Part{Table: "Sales", Partition: fmt.Sprint("p", p), State: store.Ready, Files: []store.File{{ID: fmt.Sprint("v", i), Rows: int64(i)}}})
				}
				version := commitOnce(t, c, modelID(model), time.Now(), change)
				mu.Lock()
				fmt.Println(model, version)
				mu.Unlock()
			}
		}()
	}
	select {}
}

// panicking is a testing.TB for the killed process, which has no test.
type panicking struct{ testing.TB }

func (*panicking) Helper()           {}
func (*panicking) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// F5: after kill -9 at any moment, what was answered as done is there, each version is whole, and version and Completed agree.
func TestF5KilledWriterLosesNothingPromised(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "catalog.db")
	c, err := catalog.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CreateWorkspace(ctx, workspace.Workspace{ID: workspaceID, Name: "Sales", Created: noon}, nil); err != nil {
		t.Fatal(err)
	}
	deployEmpty(t, c, 1, 5)
	deployEmpty(t, c, 2, 5)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 6 {
		promised := killWriter(t, path, 5+random.IntN(60))
		c, err := catalog.Open(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		checkToldAfterKill(t, path)
		for model, last := range promised {
			checkAfterKill(t, c, modelID(model), last)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if len(promised) == 0 {
			t.Errorf("round %d: the writer promised nothing", round)
		}
	}
}

// killWriter lets a process write until it has printed so many commits, kills it, and returns the last version of each model that
// it printed.
func killWriter(t *testing.T, path string, lines int) map[int]int64 {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), crashEnv+"="+path)
	writer.Stderr = os.Stderr
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	promised := map[int]int64{}
	scanner := bufio.NewScanner(out)
	for read := 0; scanner.Scan(); read++ {
		var model int
		var version int64
		if _, err := fmt.Sscan(scanner.Text(), &model, &version); err != nil {
			t.Errorf("the writer says %q", scanner.Text())
			break
		}
		promised[model] = version
		if read == lines {
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = writer.Wait() // killed
	return promised
}

func checkAfterKill(t *testing.T, c *catalog.Catalog, model string, promised int64) {
	t.Helper()
	ctx := context.Background()
	version, err := c.CurrentVersion(ctx, model)
	if err != nil {
		t.Fatal(err)
	}
	if version.Number < promised {
		t.Errorf("version %d was promised, %d is current", promised, version.Number)
	}
	for _, part := range version.Parts {
		if len(version.Parts) != 5 || len(part.Files) != 1 || part.Files[0].ID != version.Parts[0].Files[0].ID {
			t.Errorf("a mixture of versions: %+v", version.Parts)
		}
	}
	list, err := c.List(ctx, refresh.Filter{Model: model})
	if err != nil {
		t.Fatal(err)
	}
	newest := int64(0)
	for i, op := range list {
		switch {
		case op.State == refresh.Completed:
			newest = max(newest, op.Version)
		case op.State == refresh.Cancelled: // by an earlier round
		case i > 0:
			t.Errorf("operation %d of the history is %s", i, op.State)
		default:
			endKilled(t, c, op)
		}
	}
	if newest != version.Number {
		t.Errorf("the newest Completed made version %d, %d is current", newest, version.Number)
	}
}

// checkToldAfterKill is F12: all that completed is announced, once, and nothing else is.
func checkToldAfterKill(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var told, completed, both int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM notifications), (SELECT count(*) FROM operations WHERE state = 'Completed'), (
		SELECT count(DISTINCT o.id || n.target) FROM operations o JOIN notifications n ON n.operation = o.seq AND n.event ->> '$.data.requestId' = o.id
		WHERE o.state = 'Completed')`).Scan(&told, &completed, &both); err != nil {
		t.Fatal(err)
	}
	if completed == 0 || both != 2*completed || told != both {
		t.Errorf("%d refreshes completed, %d notifications of two each, %d of others", completed, both, told-both)
	}
}

// endKilled cancels the operation that a killed process has left.
func endKilled(t *testing.T, c *catalog.Catalog, op refresh.Operation) {
	t.Helper()
	ctx := context.Background()
	op, err := c.Cancel(ctx, op.ID, noon)
	if err == nil && op.State == refresh.Cancelling {
		lease := refresh.Lease{Operation: op.ID, Epoch: op.Epoch}
		err = c.Transition(ctx, lease, refresh.Transition{From: refresh.Cancelling, To: refresh.Cancelled, At: noon})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// R34: who paused a capacity, and when, outlives the process.
func TestR34CapacityStatuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := open(t, path)
	if statuses, err := c.CapacityStatuses(t.Context()); err != nil || len(statuses) != 0 {
		t.Fatalf("%v, %v", statuses, err)
	}
	active := capacity.Status{State: capacity.Active, Since: noon, By: "ben"}
	paused := capacity.Status{State: capacity.Paused, Since: noon.Add(time.Microsecond), By: "ana"}
	for _, put := range []struct {
		name   string
		status capacity.Status
	}{{"Night", active}, {"default", active}, {"Default", paused}} {
		if err := c.PutCapacityStatus(t.Context(), put.name, put.status); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	statuses, err := open(t, path).CapacityStatuses(t.Context())
	if want := (map[string]capacity.Status{"night": active, "default": paused}); err != nil || !maps.Equal(statuses, want) {
		t.Fatalf("%v, %v, want %v", statuses, err, want)
	}
}

// Definitions of before dataflows are there after the migration, and go with their model.
func TestMigrationKeepsDefinitions(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "catalog.db")
	db, err := sql.Open("sqlite3", path+"?_foreign_keys=1")
	if err != nil {
		t.Fatal(err)
	}
	old, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"), goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.UpTo(ctx, 9); err != nil {
		t.Fatal(err)
	}
	const id = "0a000000-0000-4000-8000-000000000001"
	if _, err := db.ExecContext(ctx, `
		PRAGMA application_id = 1718776680;
		INSERT INTO workspaces (id, name, name_key, capacity, personal, created) VALUES ('w', 'W', 'W', '', '', 0);
		INSERT INTO items (id, workspace, name, name_key, revision, version, created, modified, configured_by) VALUES ('`+id+`', 'w', 'M', 'M', 1, 1, 0, 0, 'ana');
		INSERT INTO definitions (item, revision, format, deployed, deployed_by, overrides) VALUES ('`+id+`', 1, 'bim', 0, 'ana', '{"parameters":[{"name":"P"}]}');
		INSERT INTO texts VALUES ('s', x'7b7d');
		INSERT INTO definition_files VALUES ('`+id+`', 1, 'model.bim', 's')`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	item, err := c.Item(ctx, id)
	if err != nil || item.Kind != workspace.ModelKind {
		t.Fatalf("%+v, %v", item, err)
	}
	definition, err := c.Definition(ctx, id, 0)
	if err != nil || definition.Format != workspace.BIM || string(definition.Files["model.bim"]) != "{}" || len(definition.Overrides.Parameters) != 1 {
		t.Fatalf("%+v, %v", definition, err)
	}
	if err := c.DeleteItem(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Definition(ctx, id, 1); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the definition is there without its model: %v", err)
	}
}
