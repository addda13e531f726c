package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/store"
)

const modelID = "5b4f1d3e-0000-4000-8000-000000000001"

// bench is an engine over a log in memory, with sources that a test plays. It lives in a synctest bubble: hours take no time.
type bench struct {
	*refresh.Engine
	t       *testing.T
	log     *logtest.Memory
	options refresh.Options
	stop    func() // ends Run and waits for it
	starts  int
	poll    func(ctx context.Context, step refresh.Step) (string, error) // what polling expressions give; set before start

	mu     sync.Mutex
	source func(ctx context.Context, l refresh.Loading) (int64, error) // rows
	loads  []string                                                    // what was loaded, in the order of beginning
}

// newBench deploys a model and starts an engine.
func newBench(t *testing.T, m *model.Model) *bench {
	t.Helper()
	b := &bench{t: t, log: logtest.NewMemory()}
	b.deploy(m, 1)
	b.source = func(context.Context, refresh.Loading) (int64, error) { return 10, nil }
	ids := 0
	b.options = refresh.Options{
		Log: b.log, Models: b.log, Capacities: onePlace(t), TempDir: t.TempDir(),
		Now: time.Now, NewID: func() string { ids++; return fmt.Sprintf("0e000000-0000-4000-8000-%012d", ids) },
		Logger: slog.New(slog.DiscardHandler), Random: func() float64 { return 1 },
	}
	b.start()
	return b
}

// onePlace is a capacity for one refresh at a time.
func onePlace(t *testing.T) []*capacity.Capacity {
	t.Helper()
	c, err := capacity.New(capacity.Options{Name: "default", Memory: 100 << 30, MaxConcurrentRefreshes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return []*capacity.Capacity{c}
}

func (b *bench) deploy(m *model.Model, revision int64) {
	b.t.Helper()
	var change store.Change
	for _, table := range m.Tables {
		for _, partition := range table.Partitions {
			state := store.NoData
			if partition.Source.Type == model.CalculatedPartition {
				state = store.CalculationNeeded
			}
			change.Put = append(change.Put, store.Part{Table: table.Name, Partition: partition.Name, State: state})
		}
		for _, column := range table.Columns {
			if column.Type == model.CalculatedColumn {
				change.Objects = append(change.Objects, store.Object{Table: table.Name, Column: column.Name, State: store.CalculationNeeded})
			}
		}
	}
	if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: revision, Capacity: "default", Model: m}, change); err != nil {
		b.t.Fatal(err)
	}
}

// start opens an engine on the log and runs it.
func (b *bench) start() {
	b.t.Helper()
	b.starts++
	b.options.Owner = fmt.Sprint("start ", b.starts)
	engine, err := refresh.New(b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	engine.SetLoader(b.load)
	if b.poll != nil {
		engine.SetPolls(b.poll)
	}
	b.Engine = engine
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(b.stop)
}

// restart stops the engine, lets the time pass, and starts another one on the same log.
func (b *bench) restart(down time.Duration) {
	b.stop()
	time.Sleep(down)
	b.start()
}

func (b *bench) load(ctx context.Context, l refresh.Loading) (store.File, error) {
	b.mu.Lock()
	b.loads = append(b.loads, l.Step.Partition)
	source := b.source
	b.mu.Unlock()
	rows, err := source(ctx, l)
	if err != nil {
		return store.File{}, err
	}
	return store.File{ID: fmt.Sprintf("file-%s-%d-%d", l.Step.Partition, l.Step.Attempt, time.Now().UnixNano()), Rows: rows, Bytes: rows * 100, SHA256: "00"}, nil
}

func (b *bench) reads(source func(ctx context.Context, l refresh.Loading) (int64, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.source = source
}

func (b *bench) loaded() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	loads := b.loads
	b.loads = nil
	return loads
}

// submit starts a refresh that must be accepted.
func (b *bench) submit(params refresh.Params) refresh.Operation {
	b.t.Helper()
	operation, _, err := b.Submit(b.t.Context(), refresh.Submission{Model: modelID, Params: params, RequestedBy: "ana"})
	if err != nil {
		b.t.Fatal(err)
	}
	return operation
}

// ends waits for the end of the operation and checks its state.
func (b *bench) ends(id string, want refresh.State) refresh.Operation {
	b.t.Helper()
	operation, err := b.Wait(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	if operation.State != want {
		detail, _ := b.Detail(b.t.Context(), modelID, id, refresh.AnyRefresh)
		b.t.Fatalf("refresh ended as %s (%+v), want %s; messages %+v", operation.State, operation.Failure, want, detail.Messages)
	}
	return operation
}

func (b *bench) refresh(params refresh.Params, want refresh.State) refresh.Operation {
	b.t.Helper()
	return b.ends(b.submit(params).ID, want)
}

func (b *bench) version() store.Version {
	b.t.Helper()
	version, err := b.log.CurrentVersion(b.t.Context(), modelID)
	if err != nil {
		b.t.Fatal(err)
	}
	return version
}

// states writes the states of the model's parts: "2024 Ready 10".
func (b *bench) states() map[string]string {
	b.t.Helper()
	states := map[string]string{}
	version := b.version()
	for _, part := range version.Parts {
		states[part.Partition] = fmt.Sprint(part.State, " ", part.Rows())
	}
	for _, object := range version.Objects {
		states[object.Table+"["+object.Column+"]"] = string(object.State)
	}
	return states
}

func (b *bench) wantStates(want map[string]string) {
	b.t.Helper()
	if got := b.states(); fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Fatalf("states %v\nwant   %v", got, want)
	}
}

func (b *bench) detail(id string) refresh.Detail {
	b.t.Helper()
	detail, err := b.Detail(b.t.Context(), modelID, id, refresh.AnyRefresh)
	if err != nil {
		b.t.Fatal(err)
	}
	return detail
}

// statuses writes the objects of a detail: "2024 Completed".
func (b *bench) statuses(id string) []string {
	b.t.Helper()
	var list []string
	for _, object := range b.detail(id).Objects {
		list = append(list, object.Partition+" "+object.Status)
	}
	return list
}

func want[T any](t *testing.T, got, want T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func refused(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.CodeOf(err) != code {
		t.Fatalf("error %v (%v, %q), want %v, %q", err, fault.KindOf(err), fault.CodeOf(err), kind, code)
	}
}

func ptr[T any](value T) *T { return &value }

func full() refresh.Params { return refresh.Params{Type: ptr("full")} }

// after waits, or ends with ctx: a source that takes its time.
func after(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errDown = fault.New(fault.Unavailable, "DataSourceUnavailable", "cannot reach PostgreSQL 'db:5432': %w", errors.New("connection refused"))

// sales is a model of one table with a partition a year.
func sales(partitions ...string) *model.Model {
	table := &model.Table{Name: "Sales", Columns: []*model.Column{{Name: "Amount", DataType: model.Decimal, SourceColumn: "Amount"}}}
	for _, name := range partitions {
		table.Partitions = append(table.Partitions, &model.Partition{Name: name, Source: model.PartitionSource{Type: model.MPartition, Expression: "Source"}})
	}
	return &model.Model{Name: "Retail", CompatibilityLevel: 1567, Tables: []*model.Table{table}}
}

// retail has a table of every kind that a refresh treats by itself.
func retail() *model.Model {
	m := sales("2024", "2025")
	m.Tables[0].Columns = append(m.Tables[0].Columns, &model.Column{Name: "Margin", Type: model.CalculatedColumn, DataType: model.Decimal, Expression: "[Amount] * 0.2"})
	m.Tables = append(m.Tables,
		&model.Table{Name: "Live", Partitions: []*model.Partition{{Name: "Live", Mode: "directQuery", Source: model.PartitionSource{Type: model.MPartition, Expression: "Source"}}}},
		&model.Table{Name: "Years", Partitions: []*model.Partition{{Name: "Years", Source: model.PartitionSource{Type: model.CalculatedPartition, Expression: "GENERATESERIES(2000, 2030)"}}}},
	)
	return m
}
