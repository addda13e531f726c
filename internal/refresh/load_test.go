package refresh_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/duck"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/source"
	"freshet.dev/internal/store"
)

// plant is an engine with real files: a store, DuckDB, and a log in memory.
type plant struct {
	*refresh.Engine
	t     *testing.T
	log   *logtest.Memory
	store *store.Store
	dir   string
	temp  string
}

func newPlant(t *testing.T, m *model.Model, sources *source.Registry) *plant {
	t.Helper()
	p := &plant{t: t, log: logtest.NewMemory(), dir: t.TempDir(), temp: filepath.Join(t.TempDir(), "spill")}
	var err error
	p.store, err = store.Open(store.Options{Dir: p.dir, Versions: p.log, Keep: time.Hour, Now: time.Now, NewID: uuid.NewString})
	p.must(err)
	shared, err := capacity.New(capacity.Options{Name: "default", Memory: 512 << 20})
	p.must(err)
	p.Engine, err = refresh.New(refresh.Options{
		Log: p.log, Models: p.log, Store: p.store, Sources: sources, Capacities: []*capacity.Capacity{shared}, TempDir: p.temp, Owner: "test",
		Now: time.Now, NewID: uuid.NewString, Logger: slog.New(slog.DiscardHandler),
	})
	p.must(err)
	var change store.Change
	for _, table := range m.Tables {
		for _, partition := range table.Partitions {
			change.Put = append(change.Put, store.Part{Table: table.Name, Partition: partition.Name, State: store.NoData})
		}
	}
	p.deploy(m, change)
	return p
}

// run starts the engine; the test ends with its end, and no goroutine may be left.
func (p *plant) run() {
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	p.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Error(err)
		}
		goleak.VerifyNone(p.t, before)
		if entries, _ := os.ReadDir(p.temp); len(entries) > 0 {
			p.t.Errorf("left in the folder for temporary files: %v", entries)
		}
		if used := p.Granted(); used != 0 {
			p.t.Errorf("%d bytes of memory are still granted", used)
		}
	})
}

func (p *plant) deploy(m *model.Model, change store.Change) {
	p.t.Helper()
	p.must(p.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 1, Capacity: "default", Model: m}, change))
}

func (p *plant) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) refresh(params refresh.Params, want refresh.State) refresh.Operation {
	p.t.Helper()
	operation, _, err := p.Submit(p.t.Context(), refresh.Submission{Model: modelID, Params: params})
	p.must(err)
	operation, err = p.Wait(p.t.Context(), operation.ID)
	p.must(err)
	if operation.State != want {
		p.t.Fatalf("refresh ended as %s: %+v", operation.State, operation.Failure)
	}
	return operation
}

// rows reads the rows of one partition of the current version in their order, a line each.
func (p *plant) rows(table, partition, columns string) string {
	p.t.Helper()
	version, release, err := p.store.Pin(p.t.Context(), modelID)
	p.must(err)
	defer release()
	var paths []string
	for _, file := range version.Part(table, partition).Files {
		path, err := p.store.Path(p.t.Context(), file)
		p.must(err)
		paths = append(paths, path)
	}
	db, err := duck.Open(p.t.Context(), duck.Options{})
	p.must(err)
	defer db.Close()
	conn, err := db.Conn(p.t.Context())
	p.must(err)
	defer conn.Close()
	reader, err := conn.Query(p.t.Context(), "SELECT "+columns+" FROM read_parquet("+duck.List(paths)+")")
	p.must(err)
	defer reader.Release()
	var text strings.Builder
	for reader.Next() {
		batch := reader.RecordBatch()
		for row := range int(batch.NumRows()) {
			for _, column := range batch.Columns() {
				fmt.Fprint(&text, column.ValueStr(row), " ")
			}
			text.WriteString("\n")
		}
	}
	p.must(reader.Err())
	return text.String()
}

// write makes a file of the store from a SELECT.
func (p *plant) write(selectSQL string) store.File {
	p.t.Helper()
	db, err := duck.Open(p.t.Context(), duck.Options{})
	p.must(err)
	defer db.Close()
	conn, err := db.Conn(p.t.Context())
	p.must(err)
	defer conn.Close()
	draft := p.store.Prepare()
	defer draft.Release()
	written, err := conn.WriteParquet(p.t.Context(), selectSQL, draft.Path())
	p.must(err)
	file, err := draft.Finish(p.t.Context(), written.Rows)
	p.must(err)
	return file
}

// R23: the rows are identical, in the same order, in one file instead of three.
func TestR23DefragmentRewritesFiles(t *testing.T) {
	m := sales("2025")
	p := newPlant(t, m, nil)
	files := []store.File{
		p.write("SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL"),
		p.write("SELECT 9 AS a, 'y' AS b"),
		p.write("SELECT range::INTEGER AS a, 'z' AS b FROM range(3)"),
	}
	readAt := time.Now().Add(-time.Hour).UTC()
	p.deploy(m, store.Change{Put: []store.Part{{Table: "Sales", Partition: "2025", State: store.Ready, Files: files, ReadAt: readAt, Bookmark: "b", Fingerprint: "f"}}})
	before := p.rows("Sales", "2025", "a, b")
	p.run()
	p.refresh(refresh.Params{Type: ptr("Defragment")}, refresh.Completed)
	want(t, p.rows("Sales", "2025", "a, b"), before)
	want(t, before, "1 x \n2 (null) \n9 y \n0 z \n1 z \n2 z \n")
	version, err := p.log.CurrentVersion(t.Context(), modelID)
	p.must(err)
	part := version.Part("Sales", "2025")
	if len(part.Files) != 1 || part.Rows() != 6 || part.Bookmark != "b" || part.Fingerprint != "f" || !part.ReadAt.Equal(readAt) || part.State != store.Ready {
		t.Fatalf("part %+v", part)
	}
}

// F7: a damaged file is named and the refresh fails; its rows are not carried into a new file.
func TestF7DefragmentOfADamagedFile(t *testing.T) {
	m := sales("2025")
	p := newPlant(t, m, nil)
	files := []store.File{p.write("SELECT 1 AS a"), p.write("SELECT 2 AS a")}
	p.deploy(m, store.Change{Put: []store.Part{{Table: "Sales", Partition: "2025", State: store.Ready, Files: files}}})
	path := filepath.Join(p.dir, files[1].ID+".parquet")
	p.must(os.Chmod(path, 0o600))
	content, err := os.ReadFile(path)
	p.must(err)
	content[len(content)/2] ^= 4
	p.must(os.WriteFile(path, content, 0o600))
	p.run()
	operation := p.refresh(refresh.Params{Type: ptr("Defragment")}, refresh.Failed)
	if !strings.Contains(operation.Failure.Message, files[1].ID) || !strings.Contains(operation.Failure.Message, "checksum") {
		t.Fatalf("failure %+v", operation.Failure)
	}
}
