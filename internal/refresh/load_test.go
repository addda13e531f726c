package refresh_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	"freshet.dev/internal/source/file"
	"freshet.dev/internal/source/parquet"
	"freshet.dev/internal/store"
)

// plant is an engine with real files: a store, DuckDB, and a log in memory.
type plant struct {
	*refresh.Engine
	t       *testing.T
	log     *logtest.Memory
	store   *store.Store
	options refresh.Options
	dir     string
	temp    string
}

func newPlant(t *testing.T, m *model.Model, sources *source.Registry) *plant {
	t.Helper()
	return newPlantOf(t, m, sources, 512<<20, 0)
}

// newPlantOf is one whose capacity has so much memory, of which a load needs at least stepMemory.
func newPlantOf(t *testing.T, m *model.Model, sources *source.Registry, memory, stepMemory int64) *plant {
	t.Helper()
	p := &plant{t: t, log: logtest.NewMemory(), dir: t.TempDir(), temp: filepath.Join(t.TempDir(), "spill")}
	var err error
	p.store, err = store.Open(store.Options{Dir: p.dir, Versions: p.log, Keep: time.Hour, Now: time.Now, NewID: uuid.NewString})
	p.must(err)
	shared, err := capacity.New(capacity.Options{Name: "default", Memory: memory})
	p.must(err)
	p.options = refresh.Options{
		Log: p.log, Models: p.log, Store: p.store, Sources: sources, Capacities: []*capacity.Capacity{shared}, TempDir: p.temp, Owner: "test",
		Now: time.Now, NewID: uuid.NewString, Logger: slog.New(slog.DiscardHandler), StepMemory: stepMemory,
	}
	p.Engine, err = refresh.New(p.options)
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

// csvPartition is the query that Power BI Desktop writes for a CSV file with the columns of csvSales.
func csvPartition(name, path string) *model.Partition {
	return &model.Partition{Name: name, Mode: "import", Source: model.PartitionSource{Type: model.MPartition, Expression: `let
    Source = Csv.Document(File.Contents("` + path + `"), [Delimiter = ",", Columns = 4, Encoding = 65001, QuoteStyle = QuoteStyle.None]),
    #"Promoted Headers" = Table.PromoteHeaders(Source, [PromoteAllScalars = true]),
    #"Changed Type" = Table.TransformColumnTypes(#"Promoted Headers", {{"Id", Int64.Type}, {"Day", type date}, {"Amount", type number}, {"Note", type text}})
in
    #"Changed Type"`}}
}

// csvSales is a model whose table has a partition for each CSV text, which it writes to a folder; sources allow that folder.
func csvSales(t *testing.T, texts map[string]string) (*model.Model, *source.Registry, string) {
	t.Helper()
	dir := t.TempDir()
	table := &model.Table{Name: "Sales", Columns: []*model.Column{
		{Name: "Id", DataType: model.Int64, SourceColumn: "Id"},
		{Name: "Day", DataType: model.DateTime, SourceColumn: "Day"},
		{Name: "Amount", DataType: model.Decimal, SourceColumn: "Amount"},
		{Name: "Note", DataType: model.String, SourceColumn: "Note"},
	}}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		path := filepath.Join(dir, name+".csv")
		if err := os.WriteFile(path, []byte(texts[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		table.Partitions = append(table.Partitions, csvPartition(name, path))
	}
	sources, err := source.NewRegistry([]source.Kind{file.Kind()}, source.Formats{CSV: csv.Open, Parquet: parquet.Open}, []source.Setting{{Kind: "File", Path: dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sources.Close() })
	return &model.Model{Name: "Retail", CompatibilityLevel: 1567, Culture: "en-US", Tables: []*model.Table{table}}, sources, dir
}

// R18, F1: from the files to the version, with the values that the model's columns ask for.
func TestLoadCSV(t *testing.T) {
	m, sources, _ := csvSales(t, map[string]string{
		"2024": "Id,Day,Amount,Note\n1,2024-03-01,10.5,first\n2,2024-03-02,,\n",
		"2025": "Id,Day,Amount,Note\n3,2025-12-31,-0.00005,\"a, b\"\n",
	})
	p := newPlant(t, m, sources)
	p.run()
	operation := p.refresh(refresh.Params{Type: ptr("full")}, refresh.Completed)
	want(t, p.rows("Sales", "2024", "Id, Day::VARCHAR, Amount::VARCHAR, Note"), "1 2024-03-01 00:00:00 10.5000 first \n2 2024-03-02 00:00:00 (null)  \n")
	want(t, p.rows("Sales", "2025", "Id, Day::VARCHAR, Amount::VARCHAR, Note"), "3 2025-12-31 00:00:00 -0.0001 a, b \n")
	version, err := p.log.CurrentVersion(t.Context(), modelID)
	p.must(err)
	for i, part := range version.Parts {
		if part.Fingerprint != store.Fingerprint(m, m.Tables[0], m.Tables[0].Partition(part.Partition)) || part.ReadAt.IsZero() || part.State != store.Ready {
			t.Errorf("part %d: %+v", i, part)
		}
	}
	detail, err := p.Detail(t.Context(), modelID, operation.ID, refresh.EnhancedOnly)
	p.must(err)
	if o := detail.Objects[0]; o.Rows != 2 || o.Bytes == 0 || o.Status != "Completed" {
		t.Fatalf("object %+v", o)
	}
}

// F4: the error says where and what, and the old rows stay.
func TestF4ValueThatDoesNotFit(t *testing.T) {
	m, sources, dir := csvSales(t, map[string]string{"2024": "Id,Day,Amount,Note\n1,2024-03-01,10.5,first\n"})
	p := newPlant(t, m, sources)
	p.run()
	p.refresh(refresh.Params{Type: ptr("full")}, refresh.Completed)
	before := p.rows("Sales", "2024", "*")
	p.must(os.WriteFile(filepath.Join(dir, "2024.csv"), []byte("Id,Day,Amount,Note\n1,2024-03-01,1,\n2,2024-03-01,2,\n3,2024-03-01,twelve,\n"), 0o600))
	operation := p.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](3)}, refresh.Failed)
	failure := operation.Failure
	if failure.Code != refresh.CodeProcessing || failure.Where.Table != "Sales" || failure.Where.Partition != "2024" || failure.Where.Column != "Amount" || failure.Where.Row != 3 ||
		!strings.Contains(failure.Message, "twelve") {
		t.Fatalf("failure %+v", failure)
	}
	want(t, len(operation.Attempts), 1) // no retry can mend it
	want(t, p.rows("Sales", "2024", "*"), before)
	left, err := filepath.Glob(filepath.Join(p.dir, "drafts", "*"))
	if err != nil || len(left) > 0 {
		t.Fatalf("half-written files are left: %v, %v", left, err)
	}
}

// F13: what the configuration does not allow is refused, with the lines that would allow it.
func TestF13RefusedSource(t *testing.T) {
	m, sources, _ := csvSales(t, map[string]string{"2024": "Id,Day,Amount,Note\n"})
	m.Tables[0].Partitions = append(m.Tables[0].Partitions, csvPartition("secret", "/etc/passwd"))
	p := newPlant(t, m, sources)
	p.run()
	operation := p.refresh(refresh.Params{Type: ptr("full")}, refresh.Failed)
	for _, text := range []string{"/etc/passwd", "dataSources", "kind: File"} {
		if !strings.Contains(operation.Failure.Message, text) {
			t.Errorf("%q lacks %q", operation.Failure.Message, text)
		}
	}
}

// F10
func TestF10Explain(t *testing.T) {
	m, sources, _ := csvSales(t, map[string]string{"2024": "Id,Day,Amount,Note\n"})
	m.Tables[0].Partitions = append(m.Tables[0].Partitions,
		&model.Partition{Name: "broken", Source: model.PartitionSource{Type: model.MPartition, Expression: "let"}},
		&model.Partition{Name: "live", Mode: "directQuery", Source: model.PartitionSource{Type: model.MPartition, Expression: "1"}},
		&model.Partition{Name: "entity", Source: model.PartitionSource{Type: model.EntityPartition}})
	p := newPlant(t, m, sources)
	all, err := p.Explain(t.Context(), modelID, "sales", "")
	p.must(err)
	if len(all) != 4 || all[0].Plan == nil || len(all[0].Plan.Statements) == 0 || all[1].Err == nil || all[2].Note == "" || all[3].Err == nil {
		t.Fatalf("%+v", all)
	}
	_, err = p.Explain(t.Context(), modelID, "Sales", "2023")
	refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
}

// R30: a load that runs stops, and leaves nothing.
func TestR30CancelOfARunningLoad(t *testing.T) {
	var text strings.Builder
	text.WriteString("Id,Day,Amount,Note\n")
	for i := range 400_000 {
		fmt.Fprintf(&text, "%d,2024-03-01,%d.25,a note that takes some room in the file %d\n", i, i, i)
	}
	m, sources, _ := csvSales(t, map[string]string{"2024": text.String()})
	p := newPlant(t, m, sources)
	p.run()
	operation, _, err := p.Submit(t.Context(), refresh.Submission{Model: modelID, Params: full()})
	p.must(err)
	for progress := p.Progress(operation.ID); len(progress) == 0 || progress[0].Bytes == 0; progress = p.Progress(operation.ID) { // until rows flow
		if current, err := p.log.Get(t.Context(), operation.ID); err != nil || current.State.Finished() {
			t.Fatalf("ended before it could be cancelled: %+v, %v", current, err)
		}
		runtime.Gosched()
	}
	p.must(p.Cancel(t.Context(), modelID, operation.ID, refresh.EnhancedOnly))
	operation, err = p.Wait(t.Context(), operation.ID)
	p.must(err)
	want(t, operation.State, refresh.Cancelled)
	version, err := p.log.CurrentVersion(t.Context(), modelID)
	p.must(err)
	want(t, version.Number, int64(1))
	left, err := filepath.Glob(filepath.Join(p.dir, "*", "*.parquet"))
	if err != nil || len(left) > 0 {
		t.Fatalf("files are left: %v, %v", left, err)
	}
}

// A load that is over the limit by itself fails in Power BI's words, which name what it used and what it could have, and what to do. With less than
// its capacity gives one, another attempt gets more; with all of it no retry is made.
func TestOverTheMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		memory, step int64
		attempts     int
		limit        string
	}{
		{8 << 20, 4 << 20, 1, "memory limit 4 MB"},  // all that refreshes may have, half of the capacity
		{16 << 20, 3 << 20, 2, "memory limit 8 MB"}, // 3 MB, then all
	} {
		t.Run(c.limit, func(t *testing.T) {
			var text strings.Builder
			text.WriteString("Id,Day,Amount,Note\n")
			for i := range 60_000 {
				fmt.Fprintf(&text, "%d,2024-03-01,1,%s %d\n", i, strings.Repeat("x", 400), i*7919%60_000)
			}
			m, sources, _ := csvSales(t, map[string]string{"2024": text.String()})
			p := newPlantOf(t, m, sources, c.memory, c.step)
			p.run()
			operation := p.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](5)}, refresh.Failed)
			want(t, len(operation.Attempts), c.attempts)
			for _, part := range []string{"Resource Governing: This operation was canceled because there wasn't enough memory to finish running it.", "More details: consumed memory ", c.limit,
				"(table 'Sales', partition '2024')", "capacities[].memory", "maxParallelism"} {
				if !strings.Contains(operation.Failure.Message, part) {
					t.Errorf("%q lacks %q", operation.Failure.Message, part)
				}
			}
			detail, err := p.Detail(t.Context(), modelID, operation.ID, refresh.EnhancedOnly)
			p.must(err)
			if last := detail.Messages[len(detail.Messages)-1]; last.Type != refresh.ErrorMessage || last.Code != duck.CodeMemory {
				t.Errorf("message %+v", last)
			}
			t.Log(operation.Failure.Message)
		})
	}
}
