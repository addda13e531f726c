package refresh_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	"freshet.dev/internal/source/file"
	"freshet.dev/internal/source/parquet"
	"freshet.dev/internal/store"
)

// flow is a dataflow of entities, written "Totals Orders Days": the first one reads the others. Its partition has its name.
func flow(entities ...string) *model.Model {
	m := &model.Model{Name: "Flow", CompatibilityLevel: 1567}
	for _, entity := range entities {
		names := strings.Fields(entity)
		m.Tables = append(m.Tables, &model.Table{Name: names[0], Reads: names[1:],
			Columns:    []*model.Column{{Name: "Amount", DataType: model.Decimal, SourceColumn: "Amount"}},
			Partitions: []*model.Partition{{Name: names[0], Source: model.PartitionSource{Type: model.MPartition, Expression: "Source"}}}})
	}
	return m
}

// C1: an entity is loaded when those that it reads are; entities that read nothing of each other are loaded at the same time.
func TestC1EntitiesInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, flow("Totals Days Customers", "Days Orders", "Orders", "Customers", "Alone"))
		var inside, most int
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) {
			b.mu.Lock()
			inside++
			most = max(most, inside)
			b.mu.Unlock()
			defer func() {
				b.mu.Lock()
				inside--
				b.mu.Unlock()
			}()
			return 1, after(ctx, time.Minute)
		})
		began := time.Now()
		b.refresh(full(), refresh.Completed)
		loads := b.loaded()
		first := loads[:3]
		slices.Sort(first)
		want(t, strings.Join(append(first, loads[3:]...), " "), "Alone Customers Orders Days Totals")
		want(t, most, 3)
		want(t, time.Since(began).Round(time.Minute), 3*time.Minute)

		b.refresh(refresh.Params{Type: ptr("full"), MaxParallelism: ptr[int64](1)}, refresh.Completed)
		want(t, strings.Join(b.loaded(), " "), "Orders Days Customers Totals Alone")
	})
}

// C1: the failure of an entity ends the transaction. Its error names the entity, and those that were not loaded since they read it.
func TestC1UpstreamFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, flow("Totals Days", "Days Orders", "Orders", "Other"))
		b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Table == "Orders" {
				return 0, errDown
			}
			return 1, nil
		})
		operation := b.refresh(full(), refresh.Failed)
		for _, name := range []string{"table 'Orders'", "Not loaded, because they read it: 'Totals', 'Days'."} {
			if !strings.Contains(operation.Failure.Message, name) {
				t.Errorf("the failure is %q, without %q", operation.Failure.Message, name)
			}
		}
		loads := b.loaded()
		slices.Sort(loads)
		want(t, loads, []string{"Orders", "Other"})
		slices.Sort(loads)
		want(t, strings.Join(b.statuses(operation.ID), ", "), "Totals Cancelled, Days Cancelled, Orders Failed, Other Completed")
		want(t, b.version().Number, 1)
	})
}

// C1, F2: the next attempt loads what failed and what waits for it, and what was finished stays.
func TestC1UpstreamIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, flow("Totals Days Other", "Days Orders", "Orders", "Other"))
		b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Table == "Days" && l.Step.Attempt == 1 {
				return 0, errDown
			}
			return 1, nil
		})
		b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1)}, refresh.Completed)
		loads := b.loaded()
		slices.Sort(loads)
		want(t, strings.Join(loads, " "), "Days Days Orders Other Totals")
	})
}

// C1, F2: when an entity is loaded again because it was read too long ago, those that have read it are, too.
func TestC1ReadersAreLoadedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, flow("Totals Days", "Days Orders", "Orders", "Young", "Late"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			switch {
			case l.Step.Table == "Late" && l.Step.Attempt == 1:
				return 0, cmpErr(after(ctx, 7*time.Hour), errDown)
			case l.Step.Table == "Days" && l.Step.Attempt == 1:
				return 1, after(ctx, 3*time.Hour) // young enough by itself
			case l.Step.Table == "Young" && l.Step.Attempt == 1:
				return 1, after(ctx, 3*time.Hour)
			}
			return 1, nil
		})
		b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1), Timeout: ptr("10:00:00"), MaxParallelism: ptr[int64](5)}, refresh.Completed)
		loads := b.loaded()
		slices.Sort(loads)
		want(t, strings.Join(loads, " "), "Days Days Late Late Orders Orders Totals Totals Young")
	})
}

// C1, F5: after a stop between an entity and one that reads it, the finished one is used as it is.
func TestC1ResumeBetweenEntities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, flow("Totals Days", "Days Orders", "Orders"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Table == "Days" {
				return 2, after(ctx, time.Hour)
			}
			return 1, nil
		})
		operation := b.submit(full())
		synctest.Wait()
		want(t, strings.Join(b.loaded(), " "), "Orders Days")
		b.restart(time.Minute)
		b.ends(operation.ID, refresh.Completed)
		want(t, strings.Join(b.loaded(), " "), "Days Totals")
		b.wantStates(map[string]string{"Orders": "Ready 1", "Days": "Ready 2", "Totals": "Ready 1"})
	})
}

// files is a registry of the files below a folder.
func files(t *testing.T, folder string) *source.Registry {
	t.Helper()
	registry, err := source.NewRegistry([]source.Kind{file.Kind()}, source.Formats{CSV: csv.Open, Parquet: parquet.Open}, []source.Setting{{Kind: "File", Path: folder}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	return registry
}

// C1: what a computed entity reads is what this transaction has stored of the other, with its types, and not its source.
func TestC1ComputedEntity(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "orders.csv")
	put := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	column := func(name string, kind model.DataType, moment string) *model.Column {
		return &model.Column{Name: name, DataType: kind, SourceColumn: name, Moment: moment}
	}
	entity := func(name, text string, columns ...*model.Column) *model.Table {
		return &model.Table{Name: name, Columns: columns, Partitions: []*model.Partition{{Name: name, Source: model.PartitionSource{Type: model.MPartition, Expression: text}}}}
	}
	orders := entity("Orders", `Table.TransformColumnTypes(Table.PromoteHeaders(Csv.Document(File.Contents("`+path+`"))), {{"day", type date}, {"amount", type number}})`,
		column("day", model.DateTime, "date"), column("amount", model.Decimal, ""))
	days := entity("Days", `Table.Group(helper, {"day"}, {{"amount", each List.Sum([amount]), type number}})`, column("day", model.DateTime, "date"), column("amount", model.Double, ""))
	first := entity("First", `Table.SelectRows(#"Days", each [day] = #date(2024, 5, 1))`, column("day", model.DateTime, "date"), column("amount", model.Double, ""))
	days.Reads, first.Reads = []string{"Orders"}, []string{"Days"}
	m := &model.Model{Name: "Flow", CompatibilityLevel: 1567, Tables: []*model.Table{first, days, orders},
		Expressions: []*model.Expression{{Name: "helper", Kind: "m", Text: "Table.SelectRows(Orders, each [amount] > 0)"}}}
	p := newPlant(t, m, files(t, folder))
	p.run()
	put("day,amount\n2024-05-01,1.00005\n2024-05-01,2\n2024-05-02,4\n2024-05-02,-1\n")
	p.refresh(full(), refresh.Completed)
	want(t, p.rows("Days", "Days", "day, amount"), "2024-05-01T00:00:00 3.0001 \n2024-05-02T00:00:00 4 \n") // rounded as it is stored
	want(t, p.rows("First", "First", "amount"), "3.0001 \n")

	// A refresh of the computed entity alone reads what was committed last.
	put("gone")
	p.refresh(refresh.Params{Type: ptr("full"), Objects: []refresh.Object{{Table: "First"}, {Table: "Days"}}}, refresh.Completed)
	want(t, p.rows("Days", "Days", "day, amount"), "2024-05-01T00:00:00 3.0001 \n2024-05-02T00:00:00 4 \n")

	// A plan and an explanation say so, without a path of the store.
	preview, err := p.Preview(t.Context(), refresh.Submission{Model: modelID, Params: full()})
	p.must(err)
	explained, err := p.Explain(t.Context(), modelID, "Days", "")
	p.must(err)
	statement := explained[0].Plan.Statements[0]
	if statement.To != "DuckDB" || !strings.Contains(statement.Text, `FROM "the stored Orders"`) || preview.Steps[1].Plan.Statements[0] != statement {
		t.Errorf("explained %+v, planned %+v, %v", explained[0].Plan, preview.Steps[1].Plan, preview.Steps[1].Err)
	}
}

// C1: a linked entity is never loaded, and Skipped.
func TestC1LinkedEntity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := flow("Orders")
		m.Tables = append(m.Tables, &model.Table{Name: "Linked", Partitions: []*model.Partition{{Name: "Linked", Mode: model.LinkedMode, Source: model.PartitionSource{Type: model.MPartition, Expression: "x"}}}})
		b := newBench(t, m)
		operation := b.refresh(full(), refresh.Completed)
		want(t, b.loaded(), []string{"Orders"})
		want(t, strings.Join(b.statuses(operation.ID), ", "), "Orders Completed, Linked Skipped")
		want(t, len(operation.Attempts), 1)
	})
}

const flowID = "5b4f1d3e-0000-4000-8000-0000000000f1"

// readable are the dataflows that a test lets be read, with the definitions of the log.
type readable struct {
	*logtest.Memory
	flows []refresh.Dataflow
}

func (r readable) Readable(context.Context, string) ([]refresh.Dataflow, error) { return r.flows, nil }

// ModelAt gives the current revision: the tests deploy none again.
func (r readable) ModelAt(ctx context.Context, id string, _ int64) (*model.Model, string, error) {
	definition, err := r.RefreshDefinition(ctx, id)
	return definition.Model, "", err
}

// afterFirst calls once when a step is stored finished.
type afterFirst struct {
	refresh.Log
	call func()
}

func (a *afterFirst) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	err := a.Log.PutStep(ctx, lease, from, step, messages)
	if step.State == refresh.StepFinished {
		a.call()
	}
	return err
}

// readsFlow is a model whose tables read entities of the dataflow.
func readsFlow(entities ...string) *model.Model {
	m := &model.Model{Name: "Reader", CompatibilityLevel: 1567}
	for _, entity := range entities {
		m.Tables = append(m.Tables, &model.Table{Name: entity, Columns: []*model.Column{{Name: "Amount", DataType: model.Decimal, SourceColumn: "Amount"}},
			Partitions: []*model.Partition{{Name: entity, Source: model.PartitionSource{Type: model.MPartition,
				Expression: `PowerPlatform.Dataflows(null){[Id="Workspaces"]}[Data]{[workspaceId="w"]}[Data]{[dataflowId="` + flowID + `"]}[Data]{[entity="` + entity + `",version=""]}[Data]`}}}})
	}
	return m
}

// commit gives each entity of the dataflow one row, as a refresh does.
func (p *plant) commit(m *model.Model, amount string) {
	p.t.Helper()
	var change store.Change
	for _, table := range m.Tables {
		if table.Partitions[0].Mode != model.LinkedMode {
			change.Put = append(change.Put, store.Part{Table: table.Name, Partition: table.Name, State: store.Ready, Files: []store.File{p.write("SELECT " + amount + "::DECIMAL(19,4) AS Amount")}})
		}
	}
	p.must(p.log.Deploy(refresh.Definition{ID: flowID, Name: "Flow", Revision: 1, Capacity: "default", Model: m}, change))
}

// C1: a refresh reads one version of a dataflow to its end, whatever is committed meanwhile, and after a restart too. That version is not swept.
func TestC1OneVersionOfADataflow(t *testing.T) {
	m, upstream := readsFlow("Orders", "Days"), flow("Orders", "Days")
	p := newPlant(t, m, files(t, t.TempDir()))
	stopped, stop := context.WithCancel(t.Context())
	hook := &afterFirst{Log: p.log}
	p.options.Log, p.options.Dataflows = hook, readable{p.log, []refresh.Dataflow{{WorkspaceID: "w", WorkspaceName: "W", ID: flowID, Name: "Flow"}}}
	hook.call = func() {
		p.commit(upstream, "2")
		p.commit(upstream, "3")
		p.commit(upstream, "4")
		stop()
	}
	p.commit(upstream, "1")
	engine, err := refresh.New(p.options)
	p.must(err)
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(stopped) }()
	operation, _, err := engine.Submit(t.Context(), refresh.Submission{Model: modelID, Params: refresh.Params{Type: ptr("full"), MaxParallelism: ptr[int64](1)}})
	p.must(err)
	p.must(<-ended)

	// What nobody needs is swept while the server is down, and when it is up again.
	sweeping, err := store.Open(store.Options{Dir: p.dir, Versions: p.log, Keep: 0, Grace: time.Nanosecond, Now: func() time.Time { return time.Now().Add(time.Hour) }, NewID: uuid.NewString})
	p.must(err)
	deleted, err := sweeping.Sweep(t.Context())
	p.must(err)
	if deleted != 2 { // of version 2; 1 is pinned, 4 current and 3 the one before it
		t.Errorf("%d files were swept", deleted)
	}
	hook.call = func() {}
	p.Engine, err = refresh.New(p.options)
	p.must(err)
	p.run()
	operation, err = p.Wait(t.Context(), operation.ID)
	p.must(err)
	if operation.State != refresh.Completed || operation.Epoch != 2 {
		t.Fatalf("ended as %s under epoch %d: %+v", operation.State, operation.Epoch, operation.Failure)
	}
	want(t, p.rows("Orders", "Orders", "Amount")+p.rows("Days", "Days", "Amount"), "1 \n1 \n")
	p.refresh(full(), refresh.Completed)
	want(t, p.rows("Orders", "Orders", "Amount")+p.rows("Days", "Days", "Amount"), "4 \n4 \n")
	explained, err := p.Explain(t.Context(), modelID, "Days", "")
	p.must(err)
	if text := explained[0].Plan.Statements[0].Text; !strings.Contains(text, `FROM "the stored Days of dataflow W/Flow"`) {
		t.Errorf("explained %s", text)
	}
}

// C1: links are followed, also several; what is not there is named, and what holds no rows yet is no empty table.
func TestC1Links(t *testing.T) {
	link := func(name string, to model.Link) *model.Table {
		return &model.Table{Name: name, Partitions: []*model.Partition{{Name: name, Mode: model.LinkedMode, Source: model.PartitionSource{Type: model.MPartition, Expression: "x"}, Link: to}}}
	}
	upstream := flow("Orders")
	upstream.Tables = append(upstream.Tables,
		link("Link", model.Link{Workspace: "w", Dataflow: flowID, Entity: "Orders"}), link("Twice", model.Link{Workspace: "w", Dataflow: flowID, Entity: "Link"}),
		link("Circle", model.Link{Workspace: "w", Dataflow: flowID, Entity: "Circle"}), link("Hidden", model.Link{Workspace: "h", Dataflow: flowID, Entity: "Orders"}),
		link("Gone", model.Link{Workspace: "w", Dataflow: flowID, Entity: "Nothing"}))
	for entity, wanted := range map[string]string{
		"Twice":  "",
		"Circle": "LinkedEntityNotFound its links lead in a circle",
		"Hidden": "LinkedEntityNotFound cannot follow the linked entity 'Hidden' of dataflow W/Flow: there is no dataflow " + flowID + " in a workspace h",
		"Gone":   "LinkedEntityNotFound dataflow W/Flow has no entity 'Nothing'",
		"Empty":  "EntityNotRefreshed cannot read the stored Empty of dataflow W/Flow: it was not loaded yet",
	} {
		p := newPlant(t, readsFlow(entity), files(t, t.TempDir()))
		p.options.Dataflows = readable{p.log, []refresh.Dataflow{{WorkspaceID: "w", WorkspaceName: "W", ID: flowID, Name: "Flow"}}}
		p.commit(upstream, "7")
		late := *upstream
		late.Tables = append(slices.Clone(late.Tables), flow("Empty").Tables[0])
		p.must(p.log.Deploy(refresh.Definition{ID: flowID, Name: "Flow", Revision: 2, Model: &late}, store.Change{Put: []store.Part{{Table: "Empty", Partition: "Empty", State: store.NoData}}}))
		var err error
		p.Engine, err = refresh.New(p.options)
		p.must(err)
		p.run()
		if wanted == "" {
			p.refresh(full(), refresh.Completed)
			want(t, p.rows(entity, entity, "Amount"), "7 \n")
			continue
		}
		code, text, _ := strings.Cut(wanted, " ")
		operation := p.refresh(full(), refresh.Failed)
		detail, err := p.Detail(t.Context(), modelID, operation.ID, refresh.AnyRefresh)
		p.must(err)
		if failure := detail.Objects[0].Failure; failure.Code != code || !strings.Contains(failure.Message, text) {
			t.Errorf("%s: %+v", entity, failure)
		}
	}
}
