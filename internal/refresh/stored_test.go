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

	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	"freshet.dev/internal/source/file"
	"freshet.dev/internal/source/parquet"
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
