package refresh_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// policied is a model of one table with a refresh policy, as Desktop makes it: with one ordinary partition.
func policied(edit func(*model.RefreshPolicy)) *model.Model {
	policy := &model.RefreshPolicy{RollingWindowGranularity: "year", RollingWindowPeriods: 1, IncrementalGranularity: "day", IncrementalPeriods: 2, SourceExpression: "Rows(RangeStart, RangeEnd)"}
	if edit != nil {
		edit(policy)
	}
	return &model.Model{
		Tables: []*model.Table{{Name: "Sales", RefreshPolicy: policy,
			Columns:    []*model.Column{{Name: "Amount", DataType: model.Int64}, {Name: "Margin", Type: model.CalculatedColumn}},
			Partitions: []*model.Partition{{Name: "Sales", Source: model.PartitionSource{Type: model.MPartition, Expression: "Rows(RangeStart, RangeEnd)"}}}}},
		Expressions: []*model.Expression{{Name: "RangeStart", Kind: "m", Text: "1"}, {Name: "RangeEnd", Kind: "m", Text: "1"}},
	}
}

// partitions lists the table's partitions by their ranges, those with several files with their number.
func (b *bench) partitions() string {
	b.t.Helper()
	parts := b.version().Parts
	slices.SortFunc(parts, func(a, b store.Part) int { return strings.Compare(a.Start, b.Start) })
	var names []string
	for _, part := range parts {
		name := part.Partition
		if len(part.Files) > 1 {
			name += fmt.Sprintf("(%d files)", len(part.Files))
		}
		if part.State != store.Ready {
			name += "(" + string(part.State) + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// on is an enhanced refresh for a day.
func on(day string) refresh.Params {
	return refresh.Params{Type: ptr("full"), EffectiveDate: ptr(day)}
}

// TestPolicyMerges: the ordinary partition is replaced, merged partitions take over the files with their ranges and read nothing, and many small files
// are rewritten as one. All of it becomes visible in the refresh's one commit.
func TestPolicyMerges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, policied(func(p *model.RefreshPolicy) { p.IncrementalGranularity, p.IncrementalPeriods = "month", 1 }))
		b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
			time.Sleep(time.Second)
			return 10, nil
		})
		b.refresh(on("2024-03-15"), refresh.Completed)
		if got := b.partitions(); got != "2023 2024Q101 2024Q102 2024Q103" {
			t.Fatal(got)
		}
		before := b.version()
		b.loaded()
		time.Sleep(time.Hour)
		operation := b.refresh(on("2024-04-15"), refresh.Completed)
		want(t, b.loaded(), []string{"2024Q204"})
		if got := b.partitions(); got != "2023 2024Q1(3 files) 2024Q204" || b.version().Number != before.Number+1 {
			t.Fatalf("%s in version %d", got, b.version().Number)
		}
		quarter := b.version().Part("Sales", "2024Q1")
		var oldest time.Time
		for i, name := range []string{"2024Q101", "2024Q102", "2024Q103"} {
			month := before.Part("Sales", name)
			if file := quarter.Files[i]; file != month.Files[0] || file.Start != month.Start || file.End != month.End || file.Start == "" {
				t.Errorf("file %d is %+v, want %+v", i, file, month.Files[0])
			}
			if oldest.IsZero() || month.ReadAt.Before(oldest) {
				oldest = month.ReadAt
			}
		}
		if quarter.Start != "2024-01-01" || quarter.End != "2024-04-01" || !quarter.ReadAt.Equal(oldest) || quarter.Fingerprint != "f" {
			t.Errorf("merged: %+v", quarter)
		}
		want(t, b.statuses(operation.ID), []string{"2024Q101 Completed", "2024Q102 Completed", "2024Q103 Completed", "2023 Completed", "2024Q1 Completed", "2024Q204 Completed"})

		// Many small files: of 31 days.
		b.deploy(policied(func(p *model.RefreshPolicy) { p.IncrementalPeriods = 1 }), 2)
		b.refresh(on("2024-05-31"), refresh.Completed)
		b.loaded()
		kinds := map[string]refresh.StepKind{}
		b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
			kinds[l.Step.Partition] = l.Step.Kind
			if l.Step.Kind == refresh.CompactStep && len(l.Step.Takes) != 31 {
				t.Errorf("takes %v", l.Step.Takes)
			}
			return 310, nil
		})
		b.refresh(refresh.Params{Type: ptr("full"), EffectiveDate: ptr("2024-06-01"), MaxParallelism: ptr(int64(1))}, refresh.Completed)
		if fmt.Sprint(kinds) != "map[2024Q205:Compact 2024Q20601:Load]" {
			t.Errorf("work: %v", kinds)
		}
		if may := b.version().Part("Sales", "2024Q205"); len(may.Files) != 1 || may.Files[0].Start != "2024-05-01" || may.Files[0].End != "2024-06-01" || may.Rows() != 310 {
			t.Errorf("compacted: %+v", may)
		}
	})
}

// TestPolicyCancelledCompaction: who cancels while files are rewritten leaves the partitions as they were, those of the other table too; the next refresh
// does it again.
func TestPolicyCancelledCompaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := policied(func(p *model.RefreshPolicy) { p.IncrementalPeriods = 1 })
		other := policied(func(p *model.RefreshPolicy) { p.IncrementalGranularity, p.IncrementalPeriods = "month", 1 }).Tables[0]
		other.Name = "Budget"
		m.Tables = append(m.Tables, other)
		b := newBench(t, m)
		b.refresh(on("2024-05-31"), refresh.Completed)
		before, version := b.partitions(), b.version().Number
		var waits atomic.Bool
		waits.Store(true)
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Kind == refresh.CompactStep && waits.Load() {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}
			return 310, nil
		})
		operation := b.submit(on("2024-06-01"))
		synctest.Wait()
		if err := b.Cancel(t.Context(), modelID, operation.ID, refresh.EnhancedOnly); err != nil {
			t.Fatal(err)
		}
		b.ends(operation.ID, refresh.Cancelled)
		if got := b.partitions(); got != before || b.version().Number != version {
			t.Errorf("after the cancel\n%s\nwant\n%s", got, before)
		}
		waits.Store(false)
		b.refresh(on("2024-06-01"), refresh.Completed)
		after := b.version()
		may, june := after.Part("Sales", "2024Q205"), after.Part("Budget", "2024Q206")
		if may == nil || len(may.Files) != 1 || may.Rows() != 310 || june == nil || after.Number != version+1 {
			t.Errorf("after it %s", b.partitions())
		}
	})
}

// TestPolicyTypes: what each type reads of a table whose newest day and whose history were cleared, with its policy applied and without (R13, R18–R23).
func TestPolicyTypes(t *testing.T) {
	for _, tt := range []struct {
		params string // type, and - for applyRefreshPolicy false
		reads  string
		after  string // partitions
	}{
		{"full", "2024Q103 2024Q204", "2023(NoData) 2024Q101(NoData) 2024Q102 2024Q103 2024Q204"},
		{"dataOnly", "2024Q103 2024Q204", "2023(NoData) 2024Q101(NoData) 2024Q102 2024Q103 2024Q204"},
		{"automatic", "2024Q103 2024Q204", "2023(NoData) 2024Q101(NoData) 2024Q102 2024Q103 2024Q204"},
		{"clearValues", "", "2023(NoData) 2024Q101(NoData) 2024Q102(NoData) 2024Q103(NoData)"},
		{"calculate", "", "2023(NoData) 2024Q101(NoData) 2024Q102 2024Q103(NoData)"},
		{"defragment", "", "2023(NoData) 2024Q101(NoData) 2024Q102 2024Q103(NoData)"},
		{"full -", "2023 2024Q101 2024Q102 2024Q103", "2023 2024Q101 2024Q102 2024Q103"},
		{"dataOnly -", "2023 2024Q101 2024Q102 2024Q103", "2023 2024Q101 2024Q102 2024Q103"},
		{"automatic -", "2023 2024Q101 2024Q103", "2023 2024Q101 2024Q102 2024Q103"},
		{"calculate -", "", "2023(NoData) 2024Q101(NoData) 2024Q102 2024Q103(NoData)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, policied(func(p *model.RefreshPolicy) { p.IncrementalGranularity = "month" }))
			b.refresh(on("2024-03-15"), refresh.Completed)
			var cleared []refresh.Object
			for _, name := range []string{"2023", "2024Q101", "2024Q103"} {
				cleared = append(cleared, refresh.Object{Table: "Sales", Partition: name})
			}
			b.refresh(refresh.Params{Type: ptr("clearValues"), Objects: cleared}, refresh.Completed)
			b.loaded()
			kind, without := strings.CutSuffix(tt.params, " -")
			params := refresh.Params{Type: &kind, EffectiveDate: ptr("2024-04-15"), MaxParallelism: ptr(int64(1)), ApplyRefreshPolicy: ptr(!without)}
			operation := b.refresh(params, refresh.Completed)
			if reads := strings.Join(b.loaded(), " "); reads != tt.reads || b.partitions() != tt.after {
				t.Errorf("%s reads %s and leaves %s", tt.params, reads, b.partitions())
			}
			warned := slices.ContainsFunc(b.detail(operation.ID).Messages, func(m refresh.Message) bool { return m.Code == refresh.CodeHistoryEmpty })
			if applied := !without && tt.reads != ""; warned != applied {
				t.Errorf("%s: a warning of empty history: %v", tt.params, warned)
			}
		})
	}
}

// TestPolicyIsAtomic: a refresh that fails leaves partitions and rows as they were; a retry reads only what failed.
func TestPolicyIsAtomic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, policied(nil))
		b.refresh(on("2023-12-31"), refresh.Completed)
		before, version := b.partitions(), b.version().Number
		b.loaded()
		var fails atomic.Bool
		fails.Store(true)
		b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
			if fails.Load() && l.Step.Partition == "2024Q10102" {
				return 0, fault.New(fault.Unavailable, "SourceGone", "cannot reach the source")
			}
			return 10, nil
		})
		failed := b.refresh(on("2024-01-02"), refresh.Failed)
		if got := b.partitions(); got != before || b.version().Number != version {
			t.Fatalf("after a failure\n%s\nwant\n%s", got, before)
		}
		for _, object := range b.detail(failed.ID).Objects {
			if object.Status == "Completed" && object.Note != "it is Ready" && !strings.Contains(object.Note, "does not refresh") && !strings.Contains(object.Note, "but not shown") {
				t.Errorf("%+v", object)
			}
		}
		b.loaded()
		params := on("2024-01-02")
		params.RetryCount = ptr(int64(1))
		operation := b.submit(params)
		time.Sleep(time.Second)
		fails.Store(false)
		b.ends(operation.ID, refresh.Completed)
		reads := map[string]int{}
		for _, name := range b.loaded() {
			reads[name]++
		}
		if fmt.Sprint(reads) != "map[2023Q41231:1 2024Q10101:1 2024Q10102:2]" {
			t.Errorf("reads %v", reads)
		}
	})
}

// TestPolicyYearByClock: standard refreshes take the day of their acceptance for today (R14), each day for a year, and end with the partitions that
// one refresh on the last day makes.
func TestPolicyYearByClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins on 2000-01-01
		b := newBench(t, policied(nil))
		for range 366 {
			b.loaded()
			b.refresh(refresh.Params{}, refresh.Completed)
			b.restart(24 * time.Hour) // nobody looks for work meanwhile
		}
		want(t, len(b.loaded()), 2)
		daily := b.version()
		once := newBench(t, policied(nil))
		once.refresh(on("2000-12-31"), refresh.Completed)
		var got, wanted []string
		for _, part := range daily.Parts {
			got = append(got, part.Partition+" "+part.Start+" "+part.End)
		}
		for _, part := range once.version().Parts {
			wanted = append(wanted, part.Partition+" "+part.Start+" "+part.End)
		}
		slices.Sort(got)
		slices.Sort(wanted)
		want(t, got, wanted)
	})
}

// polling is a bench whose polls answer by partition; another one than the map names has the value "old".
type polling struct {
	*bench
	mu     sync.Mutex
	values map[string]string
	polls  []string
}

func newPolling(t *testing.T) *polling {
	p := &polling{bench: newBench(t, policied(func(p *model.RefreshPolicy) { p.PollingExpression = "List.Max(Sales[At])" })), values: map[string]string{}}
	p.stop()
	p.poll = p.answer
	p.start()
	return p
}

func (p *polling) answer(_ context.Context, step refresh.Step) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polls = append(p.polls, step.Partition)
	value, named := p.values[step.Partition]
	if value == "fails" {
		return "", fault.New(fault.Unavailable, "SourceGone", "cannot reach the source")
	}
	if !named {
		value = "old"
	}
	return value, nil
}

func (p *polling) polled() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	polls := slices.Sorted(slices.Values(p.polls))
	p.polls = nil
	return strings.Join(polls, " ")
}

// TestPolicyPolls: only what the polling expression tells of is loaded; its value is stored with the rows by the commit, also of merged partitions.
func TestPolicyPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPolling(t)
		b.refresh(on("2024-01-31"), refresh.Completed)
		if polls := b.polled(); len(strings.Fields(polls)) != 32 || b.version().Part("Sales", "2024Q10131").Bookmark != "old" {
			t.Fatalf("first: %s", polls)
		}
		b.loaded()
		version := b.version().Number
		// The same day, and nothing new: no version.
		again := b.refresh(on("2024-01-31"), refresh.Completed)
		want(t, b.loaded(), []string(nil))
		if b.polled() != "2024Q10130 2024Q10131" || b.version().Number != version || again.Version != 0 {
			t.Fatalf("version %d", b.version().Number)
		}
		want(t, b.statuses(again.ID)[31:], []string{"2024Q10131 Completed"})

		b.values["2024Q10131"] = "new"
		b.refresh(on("2024-01-31"), refresh.Completed)
		want(t, b.loaded(), []string{"2024Q10131"})
		if part := b.version().Part("Sales", "2024Q10131"); part.Bookmark != "new" {
			t.Fatalf("%+v", part)
		}
		// A partition without rows is loaded whatever its poll says.
		b.refresh(refresh.Params{Type: ptr("clearValues"), Objects: []refresh.Object{{Table: "Sales", Partition: "2024Q10130"}}}, refresh.Completed)
		b.refresh(on("2024-01-31"), refresh.Completed)
		want(t, b.loaded(), []string{"2024Q10130"})
		// Type automatic asks nothing about Ready partitions.
		b.polled()
		b.refresh(refresh.Params{Type: ptr("automatic"), EffectiveDate: ptr("2024-01-31")}, refresh.Completed)
		if polls := b.polled(); polls != "" || b.loaded() != nil {
			t.Fatalf("automatic polled %s", polls)
		}
		// Merged partitions are polled for the value of their range.
		b.values["2024Q101"] = "January's"
		b.refresh(on("2024-02-01"), refresh.Completed)
		b.polled()
		b.refresh(on("2024-02-02"), refresh.Completed)
		if polls := b.polled(); polls != "2024Q101 2024Q10201 2024Q10202" || b.version().Part("Sales", "2024Q101").Bookmark != "January's" {
			t.Fatalf("polled %s, %+v", polls, b.version().Part("Sales", "2024Q101"))
		}
		// Without the policy everything is read, and the values that belong to the rows are stored all the same.
		b.values["2023"] = "2023's"
		b.refresh(refresh.Params{Type: ptr("dataOnly"), ApplyRefreshPolicy: ptr(false), CommitMode: ptr("partialBatch")}, refresh.Completed)
		if b.version().Part("Sales", "2023").Bookmark != "2023's" || b.polled() != "2023 2024Q101 2024Q10201 2024Q10202" {
			t.Fatalf("%+v", b.version().Part("Sales", "2023"))
		}
	})
}

// TestPolicyPollsInParallel: polls wait for their sources together, at most maxParallelism of them, and no partition is read before all have answered.
func TestPolicyPollsInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPolling(t)
		b.stop()
		var answered atomic.Int32
		var mu sync.Mutex
		waiting, most := 0, 0
		b.poll = func(ctx context.Context, step refresh.Step) (string, error) {
			mu.Lock()
			waiting++
			most = max(most, waiting)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			waiting--
			mu.Unlock()
			answered.Add(1)
			return b.answer(ctx, step)
		}
		b.start()
		b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
			if n := answered.Load(); n != 32 {
				t.Errorf("%s is read after %d answers", l.Step.Partition, n)
			}
			return 10, nil
		})
		params := on("2024-01-31")
		params.MaxParallelism = ptr(int64(3))
		b.refresh(params, refresh.Completed)
		if most != 3 {
			t.Errorf("%d polls at a time", most)
		}
	})
}

// TestPolicyPollsAreSteps: a poll's result is stored. A retry polls again only what failed, and after a restart what was polled decides.
func TestPolicyPollsAreSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPolling(t)
		b.refresh(on("2024-01-31"), refresh.Completed)
		b.polled()
		b.loaded()
		b.values["2024Q10130"], b.values["2024Q10131"] = "new", "fails"
		params := on("2024-01-31")
		params.RetryCount = ptr(int64(3))
		operation := b.submit(params)
		time.Sleep(time.Second)
		if polls := b.polled(); polls != "2024Q10130 2024Q10131" {
			t.Fatalf("polled %s", polls)
		}
		want(t, b.loaded(), []string{"2024Q10130"})
		object := b.detail(operation.ID).Objects[31]
		if object.Status != "Failed" || object.Partition != "2024Q10131" || object.Failure == nil {
			t.Fatalf("%+v", object)
		}
		b.stop()
		b.values["2024Q10131"] = "old"
		b.start()
		b.ends(operation.ID, refresh.Completed)
		if polls := b.polled(); polls != "2024Q10131" || len(b.loaded()) != 0 || b.version().Part("Sales", "2024Q10130").Bookmark != "new" {
			t.Fatalf("polled %s", polls)
		}
	})
}

// TestPolicyCrashes stops the engine at every write of a refresh that polls, loads, merges, compacts and drops, before the write and after it. The refresh
// goes on, and readers see the partitions of before or those of after.
func TestPolicyCrashes(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			crashed := false
			synctest.Test(t, func(t *testing.T) {
				b := newPolling(t)
				b.refresh(on("2024-01-01"), refresh.Completed)
				before := b.partitions()
				b.stop()
				hit := b.crashAt(at, after)
				b.start()
				params := on("2024-01-02")
				params.MaxParallelism = ptr(int64(1))
				operation := b.submit(params)
				synctest.Wait()
				crashed = hit()
				if got := b.partitions(); crashed && got != before && !(after && b.version().Number == 3) {
					t.Fatalf("write %d: readers see %s", at, got)
				}
				b.options.Log = b.log
				b.stop()
				b.start()
				b.ends(operation.ID, refresh.Completed)
				if got := b.partitions(); got != "2023 2024Q10101 2024Q10102" || b.version().Part("Sales", "2023").Bookmark != "old" {
					t.Fatalf("write %d, after %v: %s", at, after, got)
				}
			})
			if !crashed {
				if at < 15 {
					t.Errorf("the refresh has only %d writes", at)
				}
				break
			}
		}
	}
}

// TestPolicyRangeWithoutPolicy: a definition may have a policy's partitions without the policy; they fail by name.
func TestPolicyRangeWithoutPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := policied(nil)
		m.Tables[0].RefreshPolicy = nil
		m.Tables[0].Partitions = []*model.Partition{{Name: "2023", Source: model.PartitionSource{Type: model.PolicyRangePartition, Start: "2023-01-01", End: "2024-01-01"}}}
		b := newBench(t, m)
		if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 2, Capacity: "default", Model: m},
			store.Change{Put: []store.Part{{Table: "Sales", Partition: "2023", State: store.NoData, Start: "2023-01-01", End: "2024-01-01"}}}); err != nil {
			t.Fatal(err)
		}
		for _, params := range []refresh.Params{full(), {Type: ptr("full"), ApplyRefreshPolicy: ptr(false)}} {
			operation := b.refresh(params, refresh.Failed)
			if !strings.Contains(operation.Failure.Message, "its table has no refresh policy") {
				t.Errorf("%+v", operation.Failure)
			}
		}
	})
}

// TestPolicyAndGuards: rows that leave the window, or that queries read from the source, are not missed by a guard; rows that the source does not give are.
func TestPolicyAndGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, policied(func(p *model.RefreshPolicy) { p.IncrementalGranularity, p.IncrementalPeriods = "month", 1 }))
		b.stop()
		b.options.Guards = []refresh.Guards{{Model: modelID, Each: refresh.Guard{LeastShareOfRows: 0.9}}}
		b.start()
		b.refresh(on("2023-12-01"), refresh.Completed)
		b.refresh(on("2024-01-01"), refresh.Completed) // 2022 goes
		b.deploy(policied(func(p *model.RefreshPolicy) {
			p.IncrementalGranularity, p.IncrementalPeriods, p.Mode = "month", 1, "hybrid"
		}), 2)
		b.refresh(on("2024-02-01"), refresh.Completed)
		b.refresh(on("2024-01-01"), refresh.Completed) // February goes, since queries read it
		b.reads(func(context.Context, refresh.Loading) (int64, error) { return 0, nil })
		operation := b.refresh(on("2024-01-01"), refresh.Failed)
		if operation.Failure.Code != refresh.CodeGuard {
			t.Errorf("%+v", operation.Failure)
		}
	})
}
