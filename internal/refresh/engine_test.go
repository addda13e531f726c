package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/policy"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// R4, R18, R28: the whole way of a full refresh.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, retail())
		operation := b.submit(full())
		if operation.State != refresh.Accepted || operation.Trigger != refresh.ViaEnhancedAPI || operation.RequestedBy != "ana" || operation.ModelRevision != 1 {
			t.Fatalf("accepted: %+v", operation)
		}
		operation = b.ends(operation.ID, refresh.Completed)
		if operation.Version != 2 || len(operation.Attempts) != 1 || operation.Attempts[0].EndedAt.IsZero() || operation.Failure != nil || operation.Epoch != 1 {
			t.Fatalf("ended: %+v", operation)
		}
		b.wantStates(map[string]string{"2024": "Ready 10", "2025": "Ready 10", "Live": "NoData 0", "Years": "CalculationNeeded 0", "Sales[Margin]": "CalculationNeeded"})
		want(t, b.statuses(operation.ID), []string{"2024 Completed", "2025 Completed", "Live Completed", "Years Completed"})
		var codes []string
		for _, message := range b.detail(operation.ID).Messages {
			codes = append(codes, string(message.Type)+" "+message.Code+" "+message.Where.Table)
		}
		want(t, codes, []string{"Warning PartitionNotLoaded Live", "Warning CalculationNeeded Sales", "Warning CalculationNeeded Years"})
		part := b.version().Part("Sales", "2024")
		if part.Fingerprint != "f" || part.ReadAt.IsZero() || len(part.Files) != 1 {
			t.Fatalf("part: %+v", part)
		}
	})
}

// R12: a table with excludeFromModelRefresh is refreshed by those who name it. Its policy is none of the others' business, even where it cannot be applied.
func TestR12ExcludedTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := policied(func(p *model.RefreshPolicy) { p.SourceExpression = "Rows()" })
		m.Tables[0].ExcludeFromModelRefresh = true
		m.Tables = append(m.Tables, sales("2024").Tables...)
		m.Tables[1].Name = "Returns"
		b := newBench(t, m)
		for _, params := range []refresh.Params{{}, full(), {Type: ptr("dataOnly"), Objects: []refresh.Object{}}} {
			operation := b.refresh(params, refresh.Completed)
			want(t, b.loaded(), []string{"2024"})
			want(t, b.statuses(operation.ID), []string{"2024 Completed"})
			if text := fmt.Sprint(b.detail(operation.ID).Messages); !strings.Contains(text, "Table 'Sales' was left out: its excludeFromModelRefresh") {
				t.Errorf("messages: %s", text)
			}
		}
		named := refresh.Params{Objects: []refresh.Object{{Table: "Sales"}}, Type: ptr("full")}
		if _, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Params: named, RequestedBy: "ana"}); fault.CodeOf(err) != policy.CodeInvalid {
			t.Errorf("a policy that cannot be applied: %v", err)
		}
		named.ApplyRefreshPolicy = ptr(false)
		operation := b.refresh(named, refresh.Completed)
		want(t, b.loaded(), []string{"Sales"})
		if text := fmt.Sprint(b.detail(operation.ID).Messages); strings.Contains(text, "left out") {
			t.Errorf("messages: %s", text)
		}
		m.Tables = m.Tables[:1] // and where there is nothing else, nothing is done
		if operation := b.refresh(full(), refresh.Completed); len(b.loaded()) != 0 || operation.Version != 0 {
			t.Errorf("a refresh of nothing: %+v", operation)
		}
	})
}

// R5: without parameters everything is loaded, although it is Ready. R22: automatic loads what is not.
func TestR22Automatic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.refresh(refresh.Params{Objects: []refresh.Object{{Table: "sales", Partition: "2025"}, {Table: "Sales", Partition: "2025"}}}, refresh.Completed)
		want(t, b.loaded(), []string{"2025"}) // R12: once
		operation := b.refresh(refresh.Params{Type: ptr("automatic")}, refresh.Completed)
		want(t, b.loaded(), []string{"2024"})
		want(t, b.statuses(operation.ID), []string{"2024 Completed", "2025 Completed"})
		again := b.refresh(refresh.Params{Type: ptr("Automatic")}, refresh.Completed)
		want(t, b.loaded(), []string(nil))
		if again.Version != 0 || b.version().Number != 3 {
			t.Fatalf("a refresh of nothing made version %d", b.version().Number)
		}
		standard := b.refresh(refresh.Params{}, refresh.Completed)
		if standard.Trigger != refresh.ViaAPI || len(b.loaded()) != 2 {
			t.Fatalf("standard: %s", standard.Trigger)
		}
	})
}

// R19, R20, R21: states of models.md 1.2.
func TestTypesAndStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, retail())
		b.refresh(refresh.Params{Type: ptr("dataOnly")}, refresh.Completed)
		loaded := map[string]string{"2024": "Ready 10", "2025": "Ready 10", "Live": "NoData 0", "Years": "CalculationNeeded 0", "Sales[Margin]": "CalculationNeeded"}
		b.wantStates(loaded)
		b.loaded()

		calculated := b.refresh(refresh.Params{Type: ptr("calculate")}, refresh.Completed)
		b.wantStates(loaded)
		if messages := b.detail(calculated.ID).Messages; len(messages) != 2 || messages[0].Code != refresh.CodeCalculation {
			t.Fatalf("messages %+v", messages)
		}
		b.refresh(refresh.Params{Type: ptr("defragment")}, refresh.Completed)
		b.wantStates(loaded)

		b.refresh(refresh.Params{Type: ptr("clearValues"), Objects: []refresh.Object{{Table: "Sales", Partition: "2024"}}}, refresh.Completed)
		want(t, b.loaded(), []string(nil))
		b.wantStates(map[string]string{"2024": "NoData 0", "2025": "Ready 10", "Live": "NoData 0", "Years": "CalculationNeeded 0", "Sales[Margin]": "CalculationNeeded"})
		if state := b.version().TableState("Sales"); state != store.Incomplete {
			t.Fatalf("the table is %s", state)
		}
	})
}

// R23: no source query, the same rows; only a partition of several files has something to compact.
func TestR23Defragment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.refresh(full(), refresh.Completed)
		b.loaded()
		m := sales("2024", "2025")
		parts := b.version()
		merged := *parts.Part("Sales", "2024")
		merged.Files = append(slices.Clone(merged.Files), store.File{ID: "second", Rows: 5})
		if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 1, Capacity: "default", Model: m}, store.Change{Put: []store.Part{merged}}); err != nil {
			t.Fatal(err)
		}
		b.reads(func(_ context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Kind != refresh.DefragmentStep {
				t.Errorf("a step of kind %s", l.Step.Kind)
			}
			return 15, nil
		})
		b.refresh(refresh.Params{Type: ptr("defragment")}, refresh.Completed)
		want(t, b.loaded(), []string{"2024"})
		b.wantStates(map[string]string{"2024": "Ready 15", "2025": "Ready 10"})
		compact := b.version().Part("Sales", "2024")
		if len(compact.Files) != 1 || compact.Fingerprint != "f" || !compact.ReadAt.Equal(merged.ReadAt) {
			t.Fatalf("part %+v", compact)
		}
	})
}

// R10
func TestR10MaxParallelism(t *testing.T) {
	for _, parallelism := range []int64{1, 3, 100} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("1", "2", "3", "4", "5", "6"))
			running, most := 0, 0
			b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) {
				b.mu.Lock()
				running++
				most = max(most, running)
				b.mu.Unlock()
				err := after(ctx, time.Minute)
				b.mu.Lock()
				running--
				b.mu.Unlock()
				return 1, err
			})
			operation := b.refresh(refresh.Params{Type: ptr("full"), MaxParallelism: &parallelism}, refresh.Completed)
			want(t, most, int(min(parallelism, 6)))
			want(t, operation.EndedAt.Sub(operation.StartedAt), time.Duration(6/min(parallelism, 6))*time.Minute)
		})
	}
}

// R9: all or nothing, and the error is told with its place.
func TestR9Transactional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025", "2026"))
		b.refresh(full(), refresh.Completed)
		bad := &fault.Error{Kind: fault.Invalid, Code: "DataFormat.Error", Message: "cannot convert 'x' to decimal", Where: fault.Where{Column: "Amount", Row: 7}, Hint: "Correct it."}
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			switch l.Step.Partition {
			case "2024":
				return 99, nil
			case "2025":
				return 0, cmpErr(after(ctx, time.Minute), fmt.Errorf("while reading: %w", bad))
			}
			return 0, after(ctx, time.Hour)
		})
		operation := b.refresh(full(), refresh.Failed)
		b.wantStates(map[string]string{"2024": "Ready 10", "2025": "Ready 10", "2026": "Ready 10"})
		want(t, b.statuses(operation.ID), []string{"2024 Completed", "2025 Failed", "2026 Cancelled"})
		want(t, operation.Failure.JSON(), `{"errorCode":"ModelRefresh_ShortMessage_ProcessingError","errorDescription":"cannot convert 'x' to decimal (table 'Sales', partition '2025', column 'Amount', row 7). Correct it."}`)
		want(t, b.detail(operation.ID).Objects[0].Note, "loaded, but not shown: the refresh ended as Failed")
		messages := b.detail(operation.ID).Messages
		if len(messages) != 1 || messages[0].Type != refresh.ErrorMessage || messages[0].Code != "DataFormat.Error" ||
			messages[0].Where != (fault.Where{Table: "Sales", Partition: "2025", Column: "Amount", Row: 7}) {
			t.Fatalf("messages %+v", messages)
		}
		if took := operation.EndedAt.Sub(operation.StartedAt); took != time.Minute {
			t.Fatalf("the others were waited for: %s", took)
		}
	})
}

// R9: each partition by itself; what failed keeps its rows, and the others go on.
func TestR9PartialBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, retail())
		b.refresh(full(), refresh.Completed)
		before := b.version().Number
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Partition == "2024" {
				return 0, fault.New(fault.Invalid, "Expression.Error", "cannot find column 'amount'")
			}
			return 20, after(ctx, time.Hour)
		})
		operation := b.submit(refresh.Params{Type: ptr("full"), CommitMode: ptr("partialBatch")})
		b.ends(operation.ID, refresh.Failed)
		states := b.states()
		want(t, states["2024"]+", "+states["2025"], "Ready 10, Ready 20")
		want(t, b.version().Number, before+1)
		want(t, b.statuses(operation.ID)[:2], []string{"2024 Failed", "2025 Completed"})
	})
}

// R33: the documents' example: 4 hours fail, 3 hours succeed, Completed after 7.
func TestR33RetryExample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Attempt == 1 {
				return 0, cmpErr(after(ctx, 4*time.Hour), errDown)
			}
			return 5, after(ctx, 3*time.Hour-2*time.Second) // the pause between the attempts takes 2 s
		})
		operation := b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1)}, refresh.Completed)
		want(t, operation.EndedAt.Sub(operation.AcceptedAt), 7*time.Hour)
		want(t, len(operation.Attempts), 2)
		first := operation.Attempts[0]
		if first.Worked != 4*time.Hour || first.Failure == nil || !strings.Contains(first.Failure.Message, "connection refused") {
			t.Fatalf("first attempt %+v", first)
		}
		if messages := b.detail(operation.ID).Messages; len(messages) != 1 || messages[0].Type != refresh.WarningMessage {
			t.Fatalf("messages %+v", messages)
		}
	})
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// R32: one attempt of 5 hours; the message advises.
func TestR32Timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 0, after(ctx, 6*time.Hour) })
		operation := b.refresh(full(), refresh.TimedOut)
		want(t, operation.EndedAt.Sub(operation.StartedAt), 5*time.Hour)
		for _, advice := range []string{"05:00:00", "less data", "one table a request", "partialBatch", "retryCount"} {
			if !strings.Contains(operation.Failure.Message, advice) {
				t.Errorf("%q lacks %q", operation.Failure.Message, advice)
			}
		}
		want(t, b.statuses(operation.ID), []string{"2025 Cancelled"})
	})
}

// R15, R33: a timeout of one hour and two retries are three hours.
func TestR15TimeoutIsOfOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 0, after(ctx, 6*time.Hour) })
		operation := b.refresh(refresh.Params{Type: ptr("full"), Timeout: ptr("01:00:00"), RetryCount: ptr[int64](2)}, refresh.TimedOut)
		want(t, operation.EndedAt.Sub(operation.StartedAt), 3*time.Hour+6*time.Second) // pauses of 2 and 4 s
		want(t, len(operation.Attempts), 3)
		want(t, b.loaded(), []string{"2025", "2025", "2025"})
	})
}

// R33: never past 24 hours.
func TestR33TotalLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 0, after(ctx, 20*time.Hour) })
		operation := b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](100)}, refresh.TimedOut)
		want(t, operation.EndedAt.Sub(operation.AcceptedAt), 24*time.Hour)
		want(t, len(operation.Attempts), 5)
	})
}

// F2: a retry loads only what failed, and everything becomes visible at once.
func TestF2RetryInsideTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025", "2026"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Partition == "2025" && l.Step.Attempt < 3 {
				return 0, errDown
			}
			return 7, after(ctx, time.Minute)
		})
		operation := b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](5)}, refresh.Completed)
		loads := b.loaded()
		slices.Sort(loads)
		want(t, loads, []string{"2024", "2025", "2025", "2025", "2026"})
		want(t, len(operation.Attempts), 3)
		want(t, b.version().Number, 2)
		b.wantStates(map[string]string{"2024": "Ready 7", "2025": "Ready 7", "2026": "Ready 7"})
	})
}

// F2: what was read more than keepFinishedFor ago is read again.
func TestF2OldReadsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Partition == "2025" && l.Step.Attempt == 1 {
				return 0, cmpErr(after(ctx, 7*time.Hour), errDown)
			}
			return 7, nil
		})
		b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1), Timeout: ptr("10:00:00")}, refresh.Completed)
		loads := b.loaded()
		slices.Sort(loads)
		want(t, loads, []string{"2024", "2024", "2025", "2025"})
	})
}

// R33, decided: what no retry can mend fails at once; retryAll has Power BI's way.
func TestR33NoRetryOfWhatItCannotMend(t *testing.T) {
	for _, all := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2025"))
			b.stop()
			b.options.RetryAll = all
			b.start()
			b.reads(func(context.Context, refresh.Loading) (int64, error) {
				return 0, fault.New(fault.Denied, "DataSourceNotAllowed", "cannot reach File '/etc/passwd'")
			})
			operation := b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](3)}, refresh.Failed)
			want(t, len(operation.Attempts), map[bool]int{false: 1, true: 4}[all])
		})
	}
}

func TestPanicIsAFailedStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(context.Context, refresh.Loading) (int64, error) { panic("a defect") })
		operation := b.refresh(full(), refresh.Failed)
		detail := b.detail(operation.ID)
		if detail.Objects[0].Failure.Code != refresh.CodeInternal || !strings.Contains(operation.Failure.Message, "a defect") {
			t.Fatalf("failure %+v", operation.Failure)
		}
	})
}

// Partitions that cannot be loaded fail by name, before anything is read; the others of a partialBatch are loaded.
func TestUnsupportedPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sales("2024", "2025")
		m.Tables[0].Partitions[0].Source = model.PartitionSource{Type: model.EntityPartition, EntityName: "x"}
		b := newBench(t, m)
		operation := b.refresh(full(), refresh.Failed)
		want(t, b.loaded(), []string(nil))
		want(t, b.statuses(operation.ID), []string{"2024 Failed", "2025 Cancelled"})
		if !strings.Contains(operation.Failure.Message, "source type entity") {
			t.Fatalf("failure %s", operation.Failure.Message)
		}
		b.refresh(refresh.Params{Type: ptr("full"), CommitMode: ptr("partialBatch"), RetryCount: ptr[int64](3)}, refresh.Failed)
		want(t, b.loaded(), []string{"2025"})
		b.wantStates(map[string]string{"2024": "NoData 0", "2025": "Ready 10"})
	})
}

// R6, F6
func TestR6OneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		running := b.submit(full())
		synctest.Wait()
		for _, params := range []refresh.Params{full(), {}} {
			_, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Params: params})
			refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
			if text := err.Error(); !strings.HasPrefix(text, "Invalid dataset refresh request. Another refresh request is already executing") || !strings.Contains(text, running.ID) || !strings.Contains(text, "since 2000-01-01T00:00:00Z") {
				t.Fatalf("error %s", text)
			}
		}
		b.ends(running.ID, refresh.Completed)
		b.refresh(full(), refresh.Completed)
	})
}

// R7
func TestR7OneIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		var ids []string
		for _, want := range []refresh.Outcome{refresh.OutcomeAccepted, refresh.OutcomeQueued, refresh.OutcomeDropped} {
			operation, outcome, err := b.Submit(t.Context(), refresh.Submission{Model: modelID})
			if err != nil || outcome != want {
				t.Fatalf("%s, %v, want %s", outcome, err, want)
			}
			ids = append(ids, operation.ID)
			synctest.Wait()
		}
		b.ends(ids[1], refresh.Completed)
		b.ends(ids[0], refresh.Completed)
		_, err := b.Detail(t.Context(), modelID, ids[2], refresh.AnyRefresh)
		refused(t, err, fault.NotFound, refresh.CodeNotFound)
		history, err := b.History(t.Context(), modelID, 0)
		if err != nil || len(history) != 2 || history[0].ID != ids[1] {
			t.Fatalf("history %+v, %v", history, err)
		}
		want(t, history[0].EndedAt.Sub(history[1].EndedAt), time.Hour)
	})
}

// R7: overflow: reject refuses what would be dropped, in R6's words; the queue stays.
func TestR7OverflowReject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 2, Capacity: "default", Model: sales("2025"), RejectOverflow: true}, store.Change{}); err != nil {
			t.Fatal(err)
		}
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		running, queued := b.submit(refresh.Params{}), b.submit(refresh.Params{})
		_, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID})
		refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
		if text := err.Error(); !strings.HasPrefix(text, "Invalid dataset refresh request. Another refresh request is already executing: "+running.ID+", since 2000-01-01T00:00:00Z") {
			t.Fatalf("error %s", text)
		}
		b.ends(running.ID, refresh.Completed)
		b.ends(queued.ID, refresh.Completed)
	})
}

// R30: at every state, twice, and the old rows stay.
func TestR30Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.refresh(full(), refresh.Completed)
		stopped := make(chan error, 1)
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) {
			err := after(ctx, time.Hour)
			stopped <- err
			return 1, err
		})
		operation := b.submit(full())
		synctest.Wait()
		time.Sleep(time.Minute)
		want(t, b.detail(operation.ID).Objects[0].Status, "InProgress")
		for range 2 {
			if err := b.Cancel(t.Context(), modelID, operation.ID, refresh.EnhancedOnly); err != nil {
				t.Fatal(err)
			}
		}
		operation = b.ends(operation.ID, refresh.Cancelled)
		want(t, operation.EndedAt.Sub(operation.StartedAt), time.Minute)
		if err := <-stopped; err == nil {
			t.Fatal("the source was read to its end")
		}
		want(t, b.statuses(operation.ID), []string{"2025 Cancelled"})
		b.wantStates(map[string]string{"2025": "Ready 10"})
		refused(t, b.Cancel(t.Context(), modelID, operation.ID, refresh.AnyRefresh), fault.Conflict, refresh.CodeFinished)
		refused(t, b.Cancel(t.Context(), modelID, "unknown", refresh.AnyRefresh), fault.NotFound, refresh.CodeNotFound)
		refused(t, b.Cancel(t.Context(), "another model", operation.ID, refresh.AnyRefresh), fault.NotFound, refresh.CodeNotFound)
	})
}

// R29, R31: Power BI's routes know enhanced refreshes only; Freshet's own cancel every kind, also a queued one, which never starts.
func TestR31StandardRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		running := b.submit(refresh.Params{})
		queued := b.submit(refresh.Params{})
		synctest.Wait()
		_, err := b.Detail(t.Context(), modelID, running.ID, refresh.EnhancedOnly)
		refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
		refused(t, b.Cancel(t.Context(), modelID, running.ID, refresh.EnhancedOnly), fault.Invalid, refresh.CodeInvalidRequest)
		if err := b.Cancel(t.Context(), modelID, queued.ID, refresh.AnyRefresh); err != nil {
			t.Fatal(err)
		}
		b.ends(queued.ID, refresh.Cancelled)
		b.ends(running.ID, refresh.Completed)
		want(t, b.loaded(), []string{"2025"})
	})
}

// R30: while it waits for a place on the capacity, between attempts, and with a partialBatch half done.
func TestR30CancelElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		release, err := b.options.Capacities[0].Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		waiting := b.submit(full())
		synctest.Wait()
		want(t, b.statuses(waiting.ID), []string{"2024 NotStarted", "2025 NotStarted"})
		if err := b.Cancel(t.Context(), modelID, waiting.ID, refresh.AnyRefresh); err != nil {
			t.Fatal(err)
		}
		b.ends(waiting.ID, refresh.Cancelled)
		want(t, b.statuses(waiting.ID), []string{"2024 Cancelled", "2025 Cancelled"})
		release()

		b.reads(func(context.Context, refresh.Loading) (int64, error) { return 0, errDown })
		between := b.submit(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](9)})
		synctest.Wait()
		want(t, b.detail(between.ID).Operation.State, refresh.Backoff)
		if err := b.Cancel(t.Context(), modelID, between.ID, refresh.AnyRefresh); err != nil {
			t.Fatal(err)
		}
		b.ends(between.ID, refresh.Cancelled)

		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Partition == "2025" {
				return 1, after(ctx, time.Hour)
			}
			return 3, nil
		})
		partial := b.submit(refresh.Params{Type: ptr("full"), CommitMode: ptr("partialBatch")})
		synctest.Wait()
		if err := b.Cancel(t.Context(), modelID, partial.ID, refresh.AnyRefresh); err != nil {
			t.Fatal(err)
		}
		b.ends(partial.ID, refresh.Cancelled)
		want(t, b.statuses(partial.ID), []string{"2024 Completed", "2025 Cancelled"})
		b.wantStates(map[string]string{"2024": "Ready 3", "2025": "NoData 0"})
	})
}

// R36: refreshes wait for a free place, one hour at most.
func TestR36Places(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		release, err := b.options.Capacities[0].Place(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		served := b.submit(full())
		time.Sleep(59 * time.Minute)
		release()
		b.ends(served.ID, refresh.Completed)

		if _, err = b.options.Capacities[0].Place(t.Context()); err != nil {
			t.Fatal(err)
		}
		operation := b.refresh(full(), refresh.Failed)
		want(t, operation.EndedAt.Sub(operation.AcceptedAt), time.Hour)
		history, err := b.History(t.Context(), modelID, 1)
		if err != nil || history[0].ID != operation.ID || history[0].Failure.Code != refresh.CodeProcessing || len(history[0].Attempts) != 0 {
			t.Fatalf("history %+v, %v", history, err)
		}
		messages := b.detail(operation.ID).Messages
		if len(messages) != 1 || messages[0].Type != refresh.ErrorMessage || messages[0].Text != operation.Failure.Message {
			t.Fatalf("messages %+v", messages)
		}
		if !strings.Contains(operation.Failure.Message, "You've exceeded the capacity limit for dataset refreshes") {
			t.Fatalf("failure %+v", operation.Failure)
		}
	})
}

// F3
func TestF3Progress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			start := time.Now()
			l.Measure(func() refresh.Progress {
				return refresh.Progress{Rows: 100 * int64(time.Since(start)/time.Second), Bytes: 7, TotalRows: 6000}
			})
			return 6000, after(ctx, time.Minute)
		})
		operation := b.submit(full())
		synctest.Wait()
		time.Sleep(15 * time.Second)
		progress := b.Progress(operation.ID)
		if len(progress) != 1 {
			t.Fatalf("progress %+v", progress)
		}
		got := progress[0]
		if got.Table != "Sales" || got.Partition != "2025" || got.Rows != 1500 || got.Bytes != 7 || got.TotalRows != 6000 || got.RowsPerSec != 100 || got.Done ||
			!got.ExpectedEnd.Equal(got.StartedAt.Add(time.Minute)) {
			t.Fatalf("progress %+v", got)
		}
		b.ends(operation.ID, refresh.Completed)
		synctest.Wait()
		if left := b.Progress(operation.ID); left != nil {
			t.Fatalf("after the end: %+v", left)
		}
		want(t, b.detail(operation.ID).Objects[0].Rows, int64(6000))
	})
}

// Wrong requests leave nothing behind.
func TestR8NothingInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		for _, params := range []refresh.Params{{Type: ptr("add")}, {Objects: []refresh.Object{{Table: "Nowhere"}}}, {Objects: []refresh.Object{{Partition: "P"}}}} {
			_, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Params: params})
			refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
		}
		_, _, err := b.Submit(t.Context(), refresh.Submission{Model: "unknown"})
		refused(t, err, fault.NotFound, refresh.CodeNotFound)
		if history, err := b.History(t.Context(), modelID, 10); err != nil || len(history) != 0 {
			t.Fatalf("history %+v, %v", history, err)
		}
	})
}

// R2
func TestR2SharedWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 2, Model: sales("2025")}, store.Change{}); err != nil {
			t.Fatal(err)
		}
		_, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Params: full()})
		refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
		b.refresh(refresh.Params{NotifyOption: ptr("MailOnFailure")}, refresh.Completed)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		operation := b.submit(full())
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if _, err := b.Wait(ctx, operation.ID); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		b.ends(operation.ID, refresh.Completed)
	})
}
