package refresh_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/store"
)

// dataflow is the id of a dataflow of one letter.
func dataflow(name string) string {
	return fmt.Sprintf("df000000-0000-4000-8000-0000000000%02x", name[0])
}

// newChain deploys dataflows, written "C A B": C reads A and B. Each has one entity of its name.
func newChain(t *testing.T, each bool, flows ...string) *bench {
	t.Helper()
	b := newBench(t, sales("2025"))
	chained := siblings{b.log, map[string][]string{}}
	for _, flow := range flows {
		names := strings.Fields(flow)
		b.chain(each, names[0], names[1:]...)
		chained.reads[dataflow(names[0])] = names[1:]
	}
	b.stop()
	b.options.Chains = chained
	b.start()
	return b
}

// siblings are dataflows of one workspace, by id, with the names of those that each reads.
type siblings struct {
	log   *logtest.Memory
	reads map[string][]string
}

func (s siblings) Siblings(ctx context.Context, _ string) (list []refresh.Sibling, err error) {
	for _, id := range slices.Sorted(maps.Keys(s.reads)) {
		definition, err := s.log.RefreshDefinition(ctx, id)
		if err != nil {
			return nil, err
		}
		sibling := refresh.Sibling{Definition: definition}
		for _, name := range s.reads[id] {
			sibling.Reads = append(sibling.Reads, dataflow(name))
		}
		list = append(list, sibling)
	}
	return list, nil
}

func (b *bench) chain(each bool, name string, reads ...string) {
	b.t.Helper()
	expressions := []string{}
	for _, read := range reads {
		expressions = append(expressions, fmt.Sprintf(`PowerPlatform.Dataflows(null){[Id="Workspaces"]}[Data]{[workspaceId="w"]}[Data]{[dataflowId=%q]}[Data]{[entity=%q,version=""]}[Data]`, dataflow(read), read))
	}
	m := &model.Model{Name: name, CompatibilityLevel: 1567, Tables: []*model.Table{{Name: name,
		Columns:    []*model.Column{{Name: "Amount", DataType: model.Decimal, SourceColumn: "Amount"}},
		Partitions: []*model.Partition{{Name: name, Source: model.PartitionSource{Type: model.MPartition, Expression: "Table.Combine({" + strings.Join(expressions, ", ") + "})"}}}}}}
	if err := b.log.Deploy(refresh.Definition{ID: dataflow(name), Name: name, WorkspaceID: "w", Workspace: "Sales", Dataflow: true, Each: each, Revision: 1, Capacity: "default", Model: m},
		store.Change{Put: []store.Part{{Table: name, Partition: name, State: store.NoData}}}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) submitDataflow(name string) refresh.Operation {
	b.t.Helper()
	operation, _, err := b.Submit(b.t.Context(), refresh.Submission{Model: dataflow(name), RequestedBy: "ana"})
	if err != nil {
		b.t.Fatal(err)
	}
	return operation
}

// members waits for the end of all operations of a chain, and tells how each has ended, with the version that readers see: "A Completed 2, B Failed 1".
func (b *bench) members(root refresh.Operation) string {
	b.t.Helper()
	list, err := b.log.List(b.t.Context(), refresh.Filter{Chain: root.ID})
	if err != nil {
		b.t.Fatal(err)
	}
	var told []string
	for _, member := range slices.Backward(list) {
		if member, err = b.Wait(b.t.Context(), member.ID); err != nil {
			b.t.Fatal(err)
		}
		told = append(told, fmt.Sprint(b.named(member.Model), " ", member.State, " ", b.versionOf(member.Model)))
	}
	slices.Sort(told)
	return strings.Join(told, ", ")
}

func (b *bench) named(model string) string {
	definition, err := b.log.RefreshDefinition(b.t.Context(), model)
	if err != nil {
		b.t.Fatal(err)
	}
	return definition.Name
}

func (b *bench) versionOf(model string) int64 {
	version, err := b.log.CurrentVersion(b.t.Context(), model)
	if err != nil {
		b.t.Fatal(err)
	}
	return version.Number
}

// F14: the dataflows that read one are refreshed after it, each after those that it reads, and not those that it reads itself; all are committed at once.
func TestF14AllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A Up", "B A", "C A B", "D C", "Up", "Other")
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Minute) })
		root := b.submitDataflow("A")
		time.Sleep(3*time.Minute + time.Second)
		want(t, b.loaded(), []string{"A", "B", "C", "D"})
		for _, name := range []string{"A", "B", "C"} {
			if b.versionOf(dataflow(name)) != 1 {
				t.Errorf("%s is shown before the others", name)
			}
			list, err := b.History(t.Context(), dataflow(name), 1)
			if err != nil || len(list) != 1 || list[0].State != refresh.Committing {
				t.Errorf("%s: %+v, %v", name, list, err)
			}
		}
		want(t, b.members(root), "A Completed 2, B Completed 2, C Completed 2, D Completed 2")
		list, err := b.log.List(t.Context(), refresh.Filter{Chain: root.ID})
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range list {
			if member.Attempts[0].EndedAt.IsZero() || member.RequestedBy != "ana" || member.Version != 2 || member.Failure != nil {
				t.Errorf("%+v", member)
			}
			if at := list[0].EndedAt; !member.EndedAt.Equal(at) || !member.Attempts[0].EndedAt.Equal(at) {
				t.Errorf("one commit at %s and %s", at, member.EndedAt)
			}
		}
		want(t, b.versionOf(dataflow("U")), int64(1))

		// One that nothing reads is refreshed alone.
		alone := b.submitDataflow("D")
		if alone.Request.Chain != nil {
			t.Errorf("D: %+v", alone.Request.Chain)
		}
		b.ends(alone.ID, refresh.Completed)
	})
}

// F14: with commitEach a dataflow is shown when it is done, and stays so when one that reads it fails; those that read that one are not refreshed.
func TestF14CommitEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, true, "A", "B A", "C B", "D A")
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Table == "B" {
				return 0, cmpErr(after(ctx, time.Minute), errDown)
			}
			return 1, after(ctx, time.Minute)
		})
		root := b.submitDataflow("A")
		time.Sleep(time.Minute + time.Second)
		want(t, b.versionOf(dataflow("A")), int64(2))
		want(t, b.members(root), "A Completed 2, B Failed 1, C Failed 1, D Completed 2")
		loads := b.loaded()
		slices.Sort(loads)
		want(t, strings.Join(loads, " "), "A B D")
		c, err := b.History(t.Context(), dataflow("C"), 1)
		if err != nil || c[0].Failure == nil || c[0].Failure.Code != refresh.CodeChain || !strings.Contains(c[0].Failure.Message, "dataflow 'B', which is refreshed with it, ended as Failed: ") ||
			!strings.Contains(c[0].Failure.Message, "connection refused") {
			t.Errorf("C: %+v, %v", c, err)
		}
	})
}

// F14: when one of a chain fails, nothing of it changes, and each tells which one it was.
func TestF14OneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A", "B A", "C B", "D A")
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Table == "B" {
				return 0, cmpErr(after(ctx, time.Minute), errDown)
			}
			return 1, after(ctx, time.Minute)
		})
		want(t, b.members(b.submitDataflow("A")), "A Failed 1, B Failed 1, C Failed 1, D Failed 1")
		for _, name := range []string{"A", "C", "D"} {
			list, err := b.History(t.Context(), dataflow(name), 1)
			if err != nil || list[0].Failure == nil || list[0].Failure.Code != refresh.CodeChain || !strings.Contains(list[0].Failure.Message, "dataflow 'B'") ||
				!strings.Contains(list[0].Failure.Message, "Refresh 'A' again when that one can be refreshed") {
				t.Errorf("%s: %+v, %v", name, list, err)
			}
		}
		// And another try does it.
		b.reads(func(context.Context, refresh.Loading) (int64, error) { return 1, nil })
		want(t, b.members(b.submitDataflow("A")), "A Completed 2, B Completed 2, C Completed 2, D Completed 2")
	})
}

// F14, F7: guards that refuse tables in the commit of a chain: each dataflow tells what its own guards say, the others whose guards refused, and what to do.
func TestF14Guards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A", "B A", "C B", "D A")
		b.stop()
		b.options.Guards = []refresh.Guards{{Model: dataflow("B"), Each: refresh.Guard{FailWhenEmpty: true}}, {Model: dataflow("C"), Each: refresh.Guard{LeastShareOfRows: 0.5}}}
		b.start()
		b.reads(func(context.Context, refresh.Loading) (int64, error) { return 10, nil })
		want(t, b.members(b.submitDataflow("A")), "A Completed 2, B Completed 2, C Completed 2, D Completed 2")
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Table == "D" { // which is the last, and commits
				return 10, after(ctx, time.Minute)
			}
			return 0, nil
		})
		want(t, b.members(b.submitDataflow("A")), "A Failed 2, B Failed 2, C Failed 2, D Failed 2")
		for name, says := range map[string]string{
			"A": "dataflow 'C', which is refreshed with it, ended as Failed: ", "B": "its guard failWhenEmpty refuses that", "C": "its guard leastShareOfRows 0.5 refuses that",
			"D": "dataflow 'C', which is refreshed with it, ended as Failed: cannot commit: the table would have 0 rows and had 10; its guard leastShareOfRows 0.5 refuses that",
		} {
			list, err := b.History(t.Context(), dataflow(name), 1)
			b.must(err)
			code := refresh.CodeChain
			if name == "B" || name == "C" {
				code = refresh.CodeGuard
			}
			if failure := list[0].Failure; failure == nil || failure.Code != code || !strings.Contains(failure.Message, says) || !strings.Contains(failure.Message, "--force") {
				t.Errorf("%s: %+v", name, list[0].Failure)
			}
			if detail, err := b.Detail(t.Context(), dataflow(name), list[0].ID, refresh.AnyRefresh); err != nil || len(detail.Messages) == 0 {
				t.Errorf("%s: messages %+v, %v", name, detail.Messages, err)
			}
		}
		forced, _, err := b.Submit(t.Context(), refresh.Submission{Model: dataflow("A"), Force: true})
		b.must(err)
		want(t, b.members(forced), "A Completed 3, B Completed 3, C Completed 3, D Completed 3")
	})
}

// F14: who cancels one of a chain cancels what would fail because of it.
func TestF14Cancel(t *testing.T) {
	for each, wants := range map[bool]string{false: "A Cancelled 1, B Cancelled 1, C Cancelled 1, D Cancelled 1", true: "A Completed 2, B Cancelled 1, C Cancelled 1, D Completed 2"} {
		synctest.Test(t, func(t *testing.T) {
			b := newChain(t, each, "A", "B A", "C B", "D A")
			b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Minute) })
			root := b.submitDataflow("A")
			time.Sleep(time.Minute + time.Second) // A is loaded, B is being loaded, C waits
			list, err := b.History(t.Context(), dataflow("B"), 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Cancel(t.Context(), dataflow("B"), list[0].ID, refresh.AnyRefresh); err != nil {
				t.Fatal(err)
			}
			want(t, b.members(root), wants)
		})
	}
}

// F14: a dataflow that is refreshed already is refreshed again after that, with its chain. A second chain that would wait for the first is refused by name.
func TestF14Busy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A", "Z", "B A Z")
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Minute) })
		alone := b.submitDataflow("B")
		synctest.Wait()
		root := b.submitDataflow("A")
		_, _, err := b.Submit(t.Context(), refresh.Submission{Model: dataflow("Z")})
		if fault.CodeOf(err) != refresh.CodeDataflowRunning || !strings.Contains(fmt.Sprint(err), "is currently in progress: of dataflow 'B', which reads 'Z'") {
			t.Errorf("behind a waiting chain: %v", err)
		}
		if _, _, err := b.Submit(t.Context(), refresh.Submission{Model: dataflow("A")}); fault.CodeOf(err) != refresh.CodeDataflowRunning {
			t.Errorf("again: %v", err)
		}
		b.ends(alone.ID, refresh.Completed)
		want(t, b.members(root), "A Completed 2, B Completed 3")
	})
}

// F14: dataflows that read each other in a circle are refused by name.
func TestF14Circle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A C", "B A", "C B", "X", "Y X Z", "Z Y")
		for name, names := range map[string]string{"A": "'C'", "X": "'Y', 'Z'"} {
			_, _, err := b.Submit(t.Context(), refresh.Submission{Model: dataflow(name)})
			if fault.CodeOf(err) != refresh.CodeCircle || !strings.Contains(fmt.Sprint(err), names) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// F14, F5: the engine stops at every write of a chain, before it and after it. The chain goes on by itself; readers see all of before or all of after.
func TestF14Crashes(t *testing.T) {
	for _, later := range []bool{false, true} {
		for _, each := range []bool{false, true} {
			for at := 1; ; at++ {
				crashed := false
				synctest.Test(t, func(t *testing.T) {
					b := newChain(t, each, "A", "B A", "C A B")
					b.stop()
					hit := b.crashAt(at, later)
					b.start()
					root := b.submitDataflow("A")
					synctest.Wait()
					crashed = hit()
					shown := map[int64]bool{}
					for _, name := range []string{"A", "B", "C"} {
						shown[b.versionOf(dataflow(name))] = true
					}
					if !each && len(shown) != 1 {
						t.Fatalf("write %d: readers see versions %v", at, slices.Sorted(maps.Keys(shown)))
					}
					b.options.Log = b.log
					b.stop()
					b.start()
					want(t, b.members(root), "A Completed 2, B Completed 2, C Completed 2")
					loads := b.loaded()
					if !crashed {
						want(t, loads, []string{"A", "B", "C"})
					}
				})
				if !crashed {
					if at < 20 {
						t.Errorf("a chain has only %d writes", at)
					}
					break
				}
			}
		}
	}
}

// F14, F5: likewise of a chain of which one fails: it ends as a whole.
func TestF14CrashesOfAFailure(t *testing.T) {
	for at := 1; ; at++ {
		crashed := false
		synctest.Test(t, func(t *testing.T) {
			b := newChain(t, false, "A", "B A", "C B")
			b.stop()
			hit := b.crashAt(at, false)
			b.start()
			b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
				if l.Step.Table == "B" {
					return 0, errDown
				}
				return 1, nil
			})
			root := b.submitDataflow("A")
			synctest.Wait()
			crashed = hit()
			b.options.Log = b.log
			b.stop()
			b.start()
			want(t, b.members(root), "A Failed 1, B Failed 1, C Failed 1")
		})
		if !crashed {
			break
		}
	}
}

// F14, F7: a rollback of a dataflow is no refresh: those that read it are left as they are.
func TestF14Rollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A", "B A")
		want(t, b.members(b.submitDataflow("A")), "A Completed 2, B Completed 2")
		b.gives(99)
		want(t, b.members(b.submitDataflow("A")), "A Completed 3, B Completed 3")
		operation, _, err := b.Submit(t.Context(), refresh.Submission{Model: dataflow("A"), Rollback: &refresh.Rollback{}})
		b.must(err)
		b.ends(operation.ID, refresh.Completed)
		version, err := b.log.CurrentVersion(t.Context(), dataflow("A"))
		b.must(err)
		want(t, version.Number, int64(4))
		want(t, version.Parts[0].Rows(), int64(10))
		want(t, b.versionOf(dataflow("B")), int64(3))
	})
}

// F14, C1: the day of each dataflow of a chain is that of its own schedule's time zone.
func TestF14Zones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // from midnight of 2000-01-01, UTC
		b := newChain(t, false, "A", "B A", "C A")
		for name, zone := range map[string]string{"A": "Asia/Kolkata", "B": "America/New_York"} {
			definition, err := b.log.RefreshDefinition(t.Context(), dataflow(name))
			b.must(err)
			definition.Revision++
			definition.Zone, err = time.LoadLocation(zone)
			b.must(err)
			b.must(b.log.Deploy(definition, store.Change{}))
		}
		root := b.submitDataflow("A")
		for name, day := range map[string]string{"A": "2000-01-01", "B": "1999-12-31", "C": "2000-01-01"} {
			list, err := b.History(t.Context(), dataflow(name), 1)
			b.must(err)
			want(t, list[0].Request.EffectiveDate.Format(time.DateOnly), day)
		}
		b.members(root)
	})
}

// F14, R37: what fails in a chain because another dataflow's schedule has started it does not count against a dataflow's own schedule.
func TestF14ScheduledFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A", "B A")
		b.reads(func(context.Context, refresh.Loading) (int64, error) { return 0, errDown })
		since := time.Now()
		_, err := b.StartScheduled(t.Context(), dataflow("A"), scheduledID(1))
		b.must(err)
		b.ends(scheduledID(1), refresh.Failed)
		synctest.Wait()
		for name, expected := range map[string]int{"A": 1, "B": 0} {
			got, err := b.ScheduledFailures(t.Context(), dataflow(name), since, 4)
			b.must(err)
			want(t, got, expected)
		}
	})
}

// F14, R34: the commit of a chain waits for the end of a pause, and what its members have read of each other stays as they have read it.
func TestF14PauseBeforeTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A", "B A")
		b.stop()
		b.options.Log = &hooked{Log: b.log, call: func(ctx context.Context, name string, write func() error) error {
			if name != "CommitAll" {
				return write()
			}
			go b.stop()
			<-ctx.Done()
			return ctx.Err()
		}}
		b.start()
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Table == "B" {
				return 1, after(ctx, 4*time.Hour)
			}
			return 1, nil
		})
		root := b.submitDataflow("A")
		time.Sleep(4*time.Hour + time.Minute)
		b.options.Log = b.log
		_, err := b.options.Capacities[0].Set(t.Context(), capacity.Status{State: capacity.Paused, Since: time.Now().UTC(), By: "ana"})
		b.must(err)
		b.stop()
		b.start()
		time.Sleep(3 * time.Hour) // A was read longer ago than finished steps are kept for
		list, err := b.log.List(t.Context(), refresh.Filter{Chain: root.ID})
		b.must(err)
		for _, member := range list {
			if member.State != refresh.Committing || b.versionOf(member.Model) != 1 {
				t.Errorf("%s in the pause: %s", b.named(member.Model), member.State)
			}
		}
		b.set(capacity.Active)
		want(t, b.members(root), "A Completed 2, B Completed 2")
		want(t, b.loaded(), []string{"A", "B"})
	})
}

// F14: a member that has done its steps stays in Committing until the chain ends, whoever takes it up: those that read it need not wait again.
func TestF14RestsInCommitting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newChain(t, false, "A", "B A")
		b.stop()
		states := map[string][]refresh.State{}
		crash := true
		b.options.Log = &hooked{Log: b.log, call: func(ctx context.Context, name string, write func() error) error {
			if name == "CommitAll" && crash {
				crash = false
				go b.stop()
				<-ctx.Done()
				return ctx.Err()
			}
			err := write()
			list, reading := b.log.Unfinished(context.Background())
			b.must(reading)
			for _, o := range list {
				if told := states[o.Model]; len(told) == 0 || told[len(told)-1] != o.State {
					states[o.Model] = append(told, o.State)
				}
			}
			return err
		}}
		b.start()
		root := b.submitDataflow("A")
		synctest.Wait()
		b.stop()
		b.start()
		want(t, b.members(root), "A Completed 2, B Completed 2")
		for _, name := range []string{"A", "B"} {
			want(t, fmt.Sprint(states[dataflow(name)]), "[Accepted Running Committing]")
		}
	})
}
