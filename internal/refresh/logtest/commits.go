package logtest

import (
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

func commitIsOneTransaction(t *testing.T, b *bench) {
	lease := b.running(Sales)
	step := b.planned(lease, "file-1")
	b.must(b.BeginAttempt(b.ctx, lease, refresh.Attempt{Number: 1, StartedAt: noon}))
	b.move(lease, refresh.Running, refresh.Committing)
	message := refresh.Message{At: noon, Type: refresh.WarningMessage, Text: "calculated"}
	number, err := b.Commit(b.ctx, lease, refresh.Commit{
		From: refresh.Committing, To: refresh.Completed, At: noon.Add(time.Hour), ModelRevision: 1, Base: 1, Steps: []int{1},
		Change: store.Change{
			Put:     []store.Part{part(step), {Table: "New", Partition: "P", State: store.Ready, Files: []store.File{{ID: "file-2", Rows: 1, Bytes: 2, SHA256: "cd", Start: "2025-01-01", End: "2025-02-01"}, {ID: "file-3", Rows: 3, Bytes: 4, SHA256: "ef"}}}},
			Remove:  []store.Key{{Table: "Sales", Partition: "2025"}},
			Objects: []store.Object{{Table: "Sales", Column: "Margin", State: store.CalculationNeeded}},
		},
		Attempt: &refresh.Attempt{Number: 1, EndedAt: noon.Add(time.Hour), Worked: time.Hour}, Messages: []refresh.Message{message},
	})
	b.must(err)
	if number != 2 {
		t.Fatalf("version %d", number)
	}
	version := b.version(Sales, 2)
	if version.Operation != lease.Operation || !version.CommittedAt.Equal(noon.Add(time.Hour)) || version.ModelRevision != 1 || version.Model != Sales {
		t.Fatalf("version: %+v", version)
	}
	if len(version.Parts) != 2 || version.Part("Sales", "2025") != nil {
		t.Fatalf("parts: %+v", version.Parts)
	}
	equal(t, *version.Part("Sales", "2024"), part(step))
	if files := version.Part("New", "P").Files; len(files) != 2 || files[0].ID != "file-2" || files[1].ID != "file-3" {
		t.Fatalf("files: %+v", files)
	}
	equal(t, version.Objects, []store.Object{{Table: "Sales", Column: "Margin", State: store.CalculationNeeded}})
	operation := b.get(lease.Operation)
	if operation.State != refresh.Completed || operation.Version != 2 || !operation.EndedAt.Equal(noon.Add(time.Hour)) || operation.Failure != nil {
		t.Fatalf("operation: %+v", operation)
	}
	if operation.Attempts[0].Worked != time.Hour || operation.Attempts[0].EndedAt.IsZero() {
		t.Fatalf("attempt: %+v", operation.Attempts[0])
	}
	steps, err := b.Steps(b.ctx, lease.Operation)
	b.must(err)
	if steps[0].State != refresh.StepCommitted {
		t.Fatalf("step 1 is %s", steps[0].State)
	}
	b.version(Budget, 1)
}

func commitRefusals(t *testing.T, b *bench) {
	lease := b.running(Sales)
	step := b.planned(lease, "file-1")
	b.move(lease, refresh.Running, refresh.Committing)
	good := refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1, Steps: []int{1}, Change: store.Change{Put: []store.Part{part(step)}}}
	refused := func(code string, change func(*refresh.Commit)) {
		t.Helper()
		bad := good
		change(&bad)
		_, err := b.Commit(b.ctx, lease, bad)
		b.refused(err, code)
		b.version(Sales, 1)
		b.state(lease.Operation, refresh.Committing)
	}
	refused(refresh.CodeState, func(c *refresh.Commit) { c.From = refresh.Running })
	refused(refresh.CodeState, func(c *refresh.Commit) { c.Base = 0 })
	refused(refresh.CodeState, func(c *refresh.Commit) { c.Steps = []int{2} })
	refused(refresh.CodeRevision, func(c *refresh.Commit) { c.ModelRevision = 2 })
	_, err := b.Commit(b.ctx, lease, good)
	b.must(err)
	_, err = b.Commit(b.ctx, lease, good)
	b.refused(err, refresh.CodeState)
	b.version(Sales, 2)
}

// R9
func partialCommits(t *testing.T, b *bench) {
	lease := b.running(Sales)
	first := b.planned(lease, "file-1")
	commit := func(step refresh.Step, base int64) {
		t.Helper()
		_, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Running, To: refresh.Running, At: noon, ModelRevision: 1, Base: base, Steps: []int{step.Number}, Change: store.Change{Put: []store.Part{part(step)}}})
		b.must(err)
		b.state(lease.Operation, refresh.Running)
		if got := b.version(Sales, base+1).Part("Sales", step.Partition).State; got != store.Ready {
			t.Fatalf("%s is %s", step.Partition, got)
		}
	}
	commit(first, 1)
	commit(b.finish(lease, 2, "2025", "file-2"), 2)
	if version := b.get(lease.Operation).Version; version != 3 {
		t.Fatalf("version %d", version)
	}
}

func commitOfNothing(t *testing.T, b *bench) {
	lease := b.running(Sales)
	b.move(lease, refresh.Running, refresh.Committing)
	number, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1})
	b.must(err)
	if number != 1 {
		t.Fatalf("version %d", number)
	}
	b.version(Sales, 1)
	b.state(lease.Operation, refresh.Completed)
}

// R30: either Completed with all new, or Cancelled with all old.
func cancelAgainstCommit(t *testing.T, b *bench) {
	for range 20 {
		before, err := b.CurrentVersion(b.ctx, Sales)
		b.must(err)
		lease := b.running(Sales)
		step := b.planned(lease, "file-"+lease.Operation)
		b.move(lease, refresh.Running, refresh.Committing)
		var commitErr error
		var group sync.WaitGroup
		group.Go(func() {
			_, commitErr = b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: before.Number, Steps: []int{1}, Change: store.Change{Put: []store.Part{part(step)}}})
		})
		group.Go(func() { _, _ = b.Cancel(b.ctx, lease.Operation, noon) })
		group.Wait()
		switch state := b.get(lease.Operation).State; state {
		case refresh.Completed:
			b.must(commitErr)
			b.version(Sales, before.Number+1)
		case refresh.Cancelling:
			b.refused(commitErr, refresh.CodeState)
			b.version(Sales, before.Number)
			b.move(lease, refresh.Cancelling, refresh.Cancelled)
		default:
			t.Fatalf("state %s", state)
		}
	}
}

// A commit of a whole version leaves nothing else; with a definition, that is the model's next revision.
// Columns that a load has found belong to the next revision, and so to the version that has the rows.
func commitOfColumns(t *testing.T, b *bench) {
	all := &model.Partition{Name: "FullRefreshPolicyPartition", Mode: "import", Source: model.PartitionSource{Type: model.MPartition, Expression: "#table({\"N\"}, {{1}})"}}
	b.must(b.Deploy(refresh.Definition{
		ID: Found, Name: "Found", Revision: 1, Capacity: "default", Dataflow: true,
		Model: &model.Model{Name: "Found", CompatibilityLevel: model.MaxLevel, Culture: "en-US", Tables: []*model.Table{{Name: "T", InferredColumns: true, Partitions: []*model.Partition{all}}}},
	}, store.Change{Put: []store.Part{{Table: "T", Partition: all.Name, State: store.NoData}}}))
	first, err := b.RefreshDefinition(b.ctx, Found)
	b.must(err)
	lease := b.running(Found)
	b.move(lease, refresh.Running, refresh.Committing)
	columns := []*model.Column{{Name: "N", Type: model.DataColumn, DataType: model.Int64, SourceColumn: "N"}}
	number, err := b.Commit(b.ctx, lease, refresh.Commit{
		From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1, Columns: []*model.Table{{Name: "T", Columns: columns}},
		Change: store.Change{Put: []store.Part{{Table: "T", Partition: all.Name, State: store.Ready, Files: []store.File{{ID: "f", Rows: 1, Bytes: 2, SHA256: "ab"}}}}},
	})
	b.must(err)
	if version := b.version(Found, number); number != 2 || version.ModelRevision != 2 {
		t.Fatalf("version %+v", version)
	}
	definition, err := b.RefreshDefinition(b.ctx, Found)
	b.must(err)
	first.Revision, first.Model = 2, first.Model.WithColumns([]*model.Table{{Name: "T", Columns: columns}})
	equal(t, definition, first)
	equal(t, definition.Model.Table("T").Columns, columns)

	// The same columns again make no revision.
	operation := b.operation(Found, refresh.ViaAPI)
	operation.ModelRevision = 2
	_, _, err = b.Submit(b.ctx, operation, refresh.Quota{}, nil)
	b.must(err)
	claimed, err := b.Claim(b.ctx, operation.ID, 0, "owner", noon)
	b.must(err)
	lease = refresh.Lease{Operation: claimed.ID, Epoch: claimed.Epoch}
	b.move(lease, refresh.Accepted, refresh.Running)
	b.move(lease, refresh.Running, refresh.Committing)
	_, err = b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 2, Base: 2,
		Change: store.Change{Put: []store.Part{{Table: "T", Partition: all.Name, State: store.NoData}}}})
	b.must(err)
	if version := b.version(Found, 3); version.ModelRevision != 2 {
		t.Fatalf("version %+v", version)
	}
}

func commitOfAWholeVersion(t *testing.T, b *bench) {
	first, err := b.RefreshDefinition(b.ctx, Sales)
	b.must(err)
	b.deploy(Sales, 2)
	operation := b.rollback(Sales, 1)
	operation.ModelRevision = 2
	_, _, err = b.Submit(b.ctx, operation, refresh.Quota{}, nil)
	b.must(err)
	claimed, err := b.Claim(b.ctx, operation.ID, 0, "owner", noon)
	b.must(err)
	lease := refresh.Lease{Operation: claimed.ID, Epoch: claimed.Epoch}
	b.move(lease, refresh.Accepted, refresh.Running)
	b.move(lease, refresh.Running, refresh.Committing)
	whole := store.Change{Whole: true,
		Put:     []store.Part{{Table: "Sales", Partition: "2023", State: store.Ready, Files: []store.File{{ID: "old", Rows: 1, Bytes: 2, SHA256: "ab"}}, Start: "2023-01-01", End: "2024-01-01", Bookmark: "b"}},
		Objects: []store.Object{{Table: "Sales", Column: "Margin", State: store.CalculationNeeded}},
	}
	number, err := b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 2, Base: 2, Definition: 1, Change: whole})
	b.must(err)
	version := b.version(Sales, number)
	if number != 3 || version.ModelRevision != 3 || version.Operation != operation.ID {
		t.Fatalf("version %+v", version)
	}
	equal(t, version.Parts, whole.Put)
	equal(t, version.Objects, whole.Objects)
	definition, err := b.RefreshDefinition(b.ctx, Sales)
	b.must(err)
	first.Revision = 3
	equal(t, definition, first)

	// Nothing is left of what a later one does not name.
	lease = b.running(Budget)
	b.move(lease, refresh.Running, refresh.Committing)
	_, err = b.Commit(b.ctx, lease, refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon, ModelRevision: 1, Base: 1, Change: store.Change{Whole: true}})
	b.must(err)
	if version := b.version(Budget, 2); len(version.Parts)+len(version.Objects) != 0 || version.ModelRevision != 1 {
		t.Fatalf("version %+v", version)
	}
}
