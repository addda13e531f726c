package refresh_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// guard starts the bench anew with guards for its model, and with rows that the sources of partitions give.
func (b *bench) guard(each refresh.Guard, tables map[string]refresh.Guard, rows map[string]int64) {
	b.stop()
	b.options.Guards = []refresh.Guards{{Model: "shop/OTHER", Each: refresh.Guard{FailWhenEmpty: true}}, {Model: strings.ToUpper(modelID), Each: each, Tables: tables}}
	b.reads(func(_ context.Context, l refresh.Loading) (int64, error) { return rows[l.Step.Partition], nil })
	b.start()
}

// twoTables has the table Sales with the partitions 2024 and 2025, and the table Customer.
func twoTables() *model.Model {
	m := sales("2024", "2025")
	m.Tables = append(m.Tables, &model.Table{Name: "Customer", Columns: m.Tables[0].Columns, Partitions: []*model.Partition{
		{Name: "All", Source: model.PartitionSource{Type: model.MPartition, Expression: "Source"}},
	}})
	return m
}

// F7: what guards allow and refuse of a transactional refresh; nothing is retried, and all rows stay.
func TestF7Guards(t *testing.T) {
	const before = "2024:100 2025:100 All:10"
	for name, tt := range map[string]struct {
		each   refresh.Guard
		tables map[string]refresh.Guard
		rows   map[string]int64
		table  string // that is refused
		says   string
	}{
		"off":                    {rows: map[string]int64{}},
		"empty":                  {each: refresh.Guard{FailWhenEmpty: true}, rows: map[string]int64{"2024": 1}, table: "Customer", says: "would have 0 rows and had 10; its guard failWhenEmpty refuses that"},
		"one row is not empty":   {each: refresh.Guard{FailWhenEmpty: true}, rows: map[string]int64{"2024": 1, "All": 1}},
		"share":                  {each: refresh.Guard{LeastShareOfRows: 0.8}, rows: map[string]int64{"2024": 159, "All": 8}, table: "Sales", says: "would have 159 rows and had 200; its guard leastShareOfRows 0.8 refuses that"},
		"just the share":         {each: refresh.Guard{LeastShareOfRows: 0.8}, rows: map[string]int64{"2024": 160, "All": 8}},
		"a share refuses none":   {each: refresh.Guard{LeastShareOfRows: 0.01}, rows: map[string]int64{"All": 8}, table: "Sales", says: "would have 0 rows"},
		"stricter for one table": {each: refresh.Guard{LeastShareOfRows: 0.5}, tables: map[string]refresh.Guard{"customer": {LeastShareOfRows: 1}}, rows: map[string]int64{"2024": 100, "All": 9}, table: "Customer", says: "its guard leastShareOfRows 1 refuses"},
		"none for one table":     {each: refresh.Guard{FailWhenEmpty: true}, tables: map[string]refresh.Guard{"CUSTOMER": {}}, rows: map[string]int64{"2024": 100}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, twoTables())
				b.guard(tt.each, tt.tables, map[string]int64{"2024": 100, "2025": 100, "All": 10})
				b.refresh(full(), refresh.Completed) // from nothing: no guard has anything to compare with
				b.guard(tt.each, tt.tables, tt.rows)
				b.loaded()
				want := refresh.Completed
				if tt.table != "" {
					want = refresh.Failed
				}
				operation := b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](3)}, want)
				if len(b.loaded()) != 3 || len(operation.Attempts) != 1 {
					t.Errorf("it was tried again: %d attempts", len(operation.Attempts))
				}
				if tt.table == "" {
					return
				}
				if got := b.rows(); got != before {
					t.Errorf("rows %s", got)
				}
				failure, messages := operation.Failure, b.detail(operation.ID).Messages
				if failure.Code != refresh.CodeGuard || failure.Where.Table != tt.table || len(messages) != 1 || messages[0].Code != refresh.CodeGuard ||
					messages[0].Type != refresh.ErrorMessage || operation.Attempts[0].Failure == nil {
					t.Errorf("failure %+v, messages %+v", failure, messages)
				}
				for _, text := range []string{tt.says, "table '" + tt.table + "'", "--force", "X-Freshet-Force: true"} {
					if !strings.Contains(failure.Message, text) {
						t.Errorf("%q lacks %q", failure.Message, text)
					}
				}
			})
		})
	}
}

// rows writes the rows of the current version's parts.
func (b *bench) rows() string {
	var list []string
	for _, part := range b.version().Parts {
		list = append(list, fmt.Sprint(part.Partition, ":", part.Rows()))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// F7: every table that is refused is named.
func TestF7GuardsNameEveryTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, twoTables())
		b.guard(refresh.Guard{FailWhenEmpty: true}, nil, map[string]int64{"2024": 100, "2025": 100, "All": 10})
		b.refresh(full(), refresh.Completed)
		b.guard(refresh.Guard{FailWhenEmpty: true}, nil, nil)
		operation := b.refresh(full(), refresh.Failed)
		if !strings.Contains(operation.Failure.Message, "1 more tables were refused") {
			t.Errorf("failure %s", operation.Failure.Message)
		}
		var tables []string
		for _, message := range b.detail(operation.ID).Messages {
			tables = append(tables, message.Where.Table)
		}
		want(t, tables, []string{"Sales", "Customer"})
	})
}

// F7: force overrules, is kept with the request, and a warning says what would have been refused; clearValues is meant.
func TestF7ForceOverrulesGuards(t *testing.T) {
	for _, mode := range []string{"transactional", "partialBatch"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, twoTables())
			b.guard(refresh.Guard{FailWhenEmpty: true, LeastShareOfRows: 0.9}, nil, map[string]int64{"2024": 100, "2025": 100, "All": 10})
			b.refresh(full(), refresh.Completed)
			b.guard(refresh.Guard{FailWhenEmpty: true, LeastShareOfRows: 0.9}, nil, map[string]int64{"2024": 50, "2025": 50, "All": 10})
			operation, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Params: refresh.Params{Type: ptr("full"), CommitMode: &mode}, Force: true})
			if err != nil {
				t.Fatal(err)
			}
			operation = b.ends(operation.ID, refresh.Completed)
			want(t, operation.Request.Force, true)
			want(t, b.rows(), "2024:50 2025:50 All:10")
			messages := b.detail(operation.ID).Messages
			if len(messages) != 1 || messages[0].Type != refresh.WarningMessage || messages[0].Code != refresh.CodeGuard || messages[0].Where.Table != "Sales" ||
				!strings.Contains(messages[0].Text, "leastShareOfRows 0.9") {
				t.Errorf("messages %+v", messages)
			}
			b.refresh(refresh.Params{Type: ptr("clearValues")}, refresh.Completed)
			want(t, b.rows(), "2024:0 2025:0 All:0")
		})
	}
}

// F7: each commit of a partialBatch is guarded by what the table would become against what it was before the refresh, so that many small
// losses do not pass for none; also when another owner goes on. What is refused keeps its rows, and the others go on.
func TestF7GuardsOfPartialBatch(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			names := []string{"1", "2", "3", "4", "5"}
			former, now := map[string]int64{}, map[string]int64{}
			for _, name := range names {
				former[name], now[name] = 100, 80
			}
			b := newBench(t, sales(names...))
			guard := refresh.Guard{LeastShareOfRows: 0.9} // 450 of 500 rows: two partitions may lose 20
			b.guard(guard, nil, former)
			b.refresh(full(), refresh.Completed)
			b.guard(guard, nil, now)
			if restart {
				b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
					if l.Step.Partition == "3" {
						return 80, after(ctx, time.Hour)
					}
					return 80, nil
				})
			}
			operation := b.submit(refresh.Params{Type: ptr("full"), CommitMode: ptr("partialBatch"), MaxParallelism: ptr[int64](1), RetryCount: ptr[int64](2)})
			if restart {
				synctest.Wait()
				b.restart(time.Minute)
			}
			operation = b.ends(operation.ID, refresh.Failed)
			want(t, b.rows(), "1:80 2:80 3:100 4:100 5:100")
			want(t, b.statuses(operation.ID), []string{"1 Completed", "2 Completed", "3 Failed", "4 Failed", "5 Failed"})
			want(t, len(operation.Attempts), 1)
			message := b.detail(operation.ID).Messages[0]
			if message.Code != refresh.CodeGuard || message.Where.Partition != "3" || !strings.Contains(message.Text, "would have 440 rows and had 500") {
				t.Errorf("message %+v", message)
			}
			for _, step := range b.detail(operation.ID).Objects[2:] {
				if step.Failure == nil || step.Failure.Code != refresh.CodeGuard || step.Rows != 0 {
					t.Errorf("step %+v", step)
				}
			}
		})
	}
}

// F5, F7: what an owner of a partialBatch had finished and not committed is committed, and guarded, by the next one like the rest.
func TestF7GuardsOfPartialBatchAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("1", "2"))
		guard := refresh.Guard{LeastShareOfRows: 0.9}
		b.guard(guard, nil, map[string]int64{"1": 100, "2": 100})
		b.refresh(full(), refresh.Completed)
		b.guard(guard, nil, map[string]int64{"2": 100})
		b.stop()
		operation := b.submit(refresh.Params{Type: ptr("full"), CommitMode: ptr("partialBatch")})
		// The owner that crashed.
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		claimed, err := b.log.Claim(t.Context(), operation.ID, 0, "gone", time.Now())
		must(err)
		lease := refresh.Lease{Operation: operation.ID, Epoch: claimed.Epoch}
		must(b.log.Transition(t.Context(), lease, refresh.Transition{From: refresh.Accepted, To: refresh.Running, At: time.Now()}))
		finished := refresh.Step{Number: 1, Kind: refresh.LoadStep, Table: "Sales", Partition: "1", Held: 100, State: refresh.StepFinished, EndedAt: time.Now(), File: store.File{ID: "one"}}
		must(b.log.Plan(t.Context(), lease, []refresh.Step{finished, {Number: 2, Kind: refresh.LoadStep, Table: "Sales", Partition: "2", Held: 100, State: refresh.StepPlanned}}, nil))
		b.loaded()
		b.start()
		b.ends(operation.ID, refresh.Failed)
		want(t, b.loaded(), []string{"2"})
		want(t, b.rows(), "1:100 2:100")
		want(t, b.statuses(operation.ID), []string{"1 Failed", "2 Completed"})
		want(t, b.version().Number, 3)
	})
}
