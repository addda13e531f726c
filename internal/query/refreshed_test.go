package query_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/catalog"
	"freshet.dev/internal/query"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	"freshet.dev/internal/source/file"
	"freshet.dev/internal/source/parquet"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

// house is a catalog, a store, and the engines of refreshes and queries over them, with a clock that tests turn.
type house struct {
	t         *testing.T
	refreshes *refresh.Engine
	queries   *query.Engine
	store     *store.Store
	files     string // where data files are
	source    string // the CSV file that the model Numbers reads
	model     string
	turned    atomic.Int64 // nanoseconds
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.turned.Load())) }

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// newHouse deploys the model Numbers, whose one table has the column N. Versions are kept for an hour after they were replaced.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, files: t.TempDir(), source: filepath.Join(t.TempDir(), "numbers.csv")}
	rows, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"))
	h.must(err)
	t.Cleanup(func() { h.must(rows.Close()) })
	h.store, err = store.Open(store.Options{Dir: h.files, Versions: rows, Keep: time.Hour, Now: h.now, NewID: uuid.NewString})
	h.must(err)
	sources, err := source.NewRegistry([]source.Kind{file.Kind()}, source.Formats{CSV: csv.Open, Parquet: parquet.Open}, []source.Setting{{Kind: "File", Path: filepath.Dir(h.source)}})
	h.must(err)
	t.Cleanup(func() { h.must(sources.Close()) })
	shared, err := capacity.New(capacity.Options{Name: "default", Memory: 1 << 30})
	h.must(err)
	capacities := []*capacity.Capacity{shared}
	h.refreshes, err = refresh.New(refresh.Options{
		Log: rows, Models: rows, Store: h.store, Sources: sources, Capacities: capacities, TempDir: filepath.Join(t.TempDir(), "refresh"), Owner: "test",
		Now: h.now, NewID: uuid.NewString, Logger: slog.New(slog.DiscardHandler),
	})
	h.must(err)
	h.queries, err = query.New(query.Options{Store: h.store, Models: rows, Capacities: capacities, TempDir: filepath.Join(t.TempDir(), "query")})
	h.must(err)
	t.Cleanup(h.queries.Close)
	deployed, err := workspace.New(rows, nil, workspace.Options{Capacities: []string{"default"}, Now: h.now}).Deploy(t.Context(), workspace.Caller{ID: "ana", Name: "ana"}, workspace.Deploy{
		Workspace: "Shop", CreateWorkspace: true, Files: map[string][]byte{"model.bim": []byte(`{"name": "Numbers", "compatibilityLevel": 1550, "model": {"tables": [{"name": "Numbers",
			"columns": [{"name": "N", "dataType": "int64", "sourceColumn": "N"}], "partitions": [{"name": "All", "source": {"type": "m", "expression":
			"Table.TransformColumnTypes(Table.PromoteHeaders(Csv.Document(File.Contents(\"` + h.source + `\"))), {{\"N\", Int64.Type}})"}}]}]}}`)},
	})
	h.must(err)
	h.model = deployed.Item.ID
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.refreshes.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		h.must(<-ended)
	})
	return h
}

// runs submits a wish for the model and waits until it is completed.
func (h *house) runs(wish refresh.Submission) {
	h.t.Helper()
	wish.Model = h.model
	operation, _, err := h.refreshes.Submit(h.t.Context(), wish)
	h.must(err)
	operation, err = h.refreshes.Wait(h.t.Context(), operation.ID)
	h.must(err)
	if operation.State != refresh.Completed {
		h.t.Fatalf("ended as %s: %+v", operation.State, operation.Failure)
	}
}

// loads refreshes the model from the numbers from first, so many of them.
func (h *house) loads(first, count int) {
	h.t.Helper()
	var text strings.Builder
	text.WriteString("N\n")
	for n := range count {
		fmt.Fprintln(&text, first+n)
	}
	h.must(os.WriteFile(h.source, []byte(text.String()), 0o600))
	h.runs(refresh.Submission{})
}

// sum queries the sum of the numbers and the version that it is of.
func (h *house) sum() (sum string, version int64) {
	h.t.Helper()
	result, err := h.queries.Query(h.t.Context(), h.model, "SELECT sum(N) FROM Numbers")
	h.must(err)
	defer result.Close()
	if !result.Next() {
		h.t.Fatalf("no row: %v", result.Err())
	}
	return string(result.AppendJSON(nil)), result.Version
}

// R38: a refresh, a rollback and a clearing run no query and open no version for readers; what is open for them belongs to one version, and is
// not asked any more after a commit.
func TestR38RefreshFillsNoCache(t *testing.T) {
	h := newHouse(t)
	h.loads(1, 3)
	if open, uses := h.queries.Open(), h.queries.Uses(); len(open) != 0 || uses != 0 {
		t.Fatalf("the refresh has opened versions %v, and run %d queries", open, uses)
	}
	step := func(what string, commit func(), want string) {
		t.Helper()
		_, before := h.sum()
		uses := h.queries.Uses()
		commit()
		if open := h.queries.Open(); !slices.Equal(open, []int64{before}) || h.queries.Uses() != uses {
			t.Errorf("%s: versions %v are open, %d queries ran", what, open, h.queries.Uses()-uses)
		}
		for range 2 { // when it is opened, and when it is open
			if got, version := h.sum(); got != want || version != before+1 {
				t.Errorf("%s: the sum is %s, of version %d after %d; want %s", what, got, version, before, want)
			}
		}
		if open := h.queries.Open(); !slices.Equal(open, []int64{before + 1}) {
			t.Errorf("%s: versions %v are open", what, open)
		}
	}
	step("refresh", func() { h.loads(10, 2) }, "[21]")
	step("partialBatch", func() {
		h.must(os.WriteFile(h.source, []byte("N\n100\n"), 0o600))
		kind, mode := "full", "partialBatch"
		h.runs(refresh.Submission{Params: refresh.Params{Type: &kind, CommitMode: &mode}})
	}, "[100]")
	step("rollback", func() { h.runs(refresh.Submission{Rollback: &refresh.Rollback{}}) }, "[21]")
	step("clearValues", func() {
		kind := "clearValues"
		h.runs(refresh.Submission{Params: refresh.Params{Type: &kind}})
	}, "[null]")
}

// F7: a reader that takes its time reads its version to the end, over commits, past keepVersions and over sweeps; then its files go.
func TestF7LongReaderKeepsItsVersion(t *testing.T) {
	const many = 300_000
	h := newHouse(t)
	h.loads(0, many)
	result, err := h.queries.Query(t.Context(), h.model, "SELECT N FROM Numbers")
	h.must(err)
	finish := sync.OnceFunc(result.Close)
	defer finish()
	if result.Version != 2 || !result.Next() {
		t.Fatalf("version %d, %v", result.Version, result.Err())
	}
	held := h.list()
	for i := range 3 {
		h.turned.Add(int64(time.Hour) * 10)
		h.loads(1000*i, 1)
	}
	h.turned.Add(int64(time.Hour) * 10)
	_, err = h.store.Sweep(t.Context())
	h.must(err)
	if left := h.list(); len(left) != 3 || !slices.Contains(left, held[0]) {
		t.Fatalf("files %v are left: want that of the reader, %v, and those of the newest two versions", left, held)
	}
	if sum, version := h.sum(); sum != "[2000]" || version != 5 {
		t.Errorf("another reader meanwhile: %s of version %d", sum, version)
	}
	for n := range many {
		if n > 0 && !result.Next() {
			t.Fatalf("the result ends after %d rows: %v", n, result.Err())
		}
		if row := string(result.AppendJSON(nil)); row != fmt.Sprintf("[%d]", n) {
			t.Fatalf("row %d is %s", n, row)
		}
	}
	if result.Next() || result.Err() != nil {
		t.Fatalf("more rows, or %v", result.Err())
	}
	finish()
	_, err = h.store.Sweep(t.Context())
	h.must(err)
	if left := h.list(); len(left) != 2 || slices.Contains(left, held[0]) {
		t.Fatalf("files %v are left after the reader", left)
	}
}

// list names the data files.
func (h *house) list() []string {
	h.t.Helper()
	paths, err := filepath.Glob(filepath.Join(h.files, "*.parquet"))
	h.must(err)
	return paths
}
