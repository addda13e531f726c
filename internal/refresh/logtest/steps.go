package logtest

import (
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
)

func planOnce(t *testing.T, b *bench) {
	lease := b.running(Sales)
	if steps, err := b.Steps(b.ctx, lease.Operation); err != nil || len(steps) != 0 {
		t.Fatalf("before the plan: %v, %v", steps, err)
	}
	steps := []refresh.Step{
		{Number: 1, Kind: refresh.KeepStep, Table: "Sales", Partition: "2024", State: refresh.StepSkipped, Note: "ready"},
		{Number: 2, Kind: refresh.ClearStep, Table: "Sales", Partition: "2025", State: refresh.StepPlanned},
	}
	b.must(b.Plan(b.ctx, lease, steps, nil))
	b.refused(b.Plan(b.ctx, lease, steps[:1], nil), refresh.CodeState)
	got, err := b.Steps(b.ctx, lease.Operation)
	b.must(err)
	equal(t, got, steps)
}

func stepsKeepEverything(t *testing.T, b *bench) {
	lease := b.running(Sales)
	finished := b.planned(lease, "file-1")
	finished.Columns = []*model.Column{{Name: "Amount", Type: model.DataColumn, DataType: model.Decimal, SourceColumn: "Amount"}}
	b.must(b.PutStep(b.ctx, lease, refresh.StepFinished, finished, nil))
	failed := refresh.Step{
		Number: 2, Kind: refresh.LoadStep, Table: "Sales", Partition: "2025", Held: 12, State: refresh.StepFailed, Attempt: 1, StartedAt: noon, EndedAt: noon.Add(time.Second),
		Failure: &refresh.Failure{Code: "C", Message: "cannot", Where: fault.Where{Table: "Sales", Row: 3}},
	}
	failed.Start, failed.End, failed.Takes, failed.Known = "2025-01-01", "2026-01-01", []string{"2025Q1", "it's \"quoted\""}, "#datetime(2025, 3, 1)"
	message := refresh.Message{At: noon, Type: refresh.ErrorMessage, Code: "C", Text: "cannot"}
	b.must(b.PutStep(b.ctx, lease, refresh.StepPlanned, failed, []refresh.Message{message}))
	b.refused(b.PutStep(b.ctx, lease, refresh.StepPlanned, failed, []refresh.Message{message}), refresh.CodeState)
	got, err := b.Steps(b.ctx, lease.Operation)
	b.must(err)
	equal(t, got, []refresh.Step{finished, failed})
	messages, err := b.Messages(b.ctx, lease.Operation)
	b.must(err)
	equal(t, messages, []refresh.Message{message})
}

func attempts(t *testing.T, b *bench) {
	lease := b.running(Sales)
	first := refresh.Attempt{Number: 1, StartedAt: noon}
	b.must(b.BeginAttempt(b.ctx, lease, first))
	b.refused(b.BeginAttempt(b.ctx, lease, first), refresh.CodeState)
	_, err := b.Heartbeat(b.ctx, lease, noon.Add(time.Minute), 50*time.Second)
	b.must(err)
	operation := b.get(lease.Operation)
	if got := operation.Attempts[0].Worked; got != 50*time.Second || !operation.Heartbeat.Equal(noon.Add(time.Minute)) {
		t.Fatalf("worked %s, heartbeat %s", got, operation.Heartbeat)
	}
	first.EndedAt, first.Worked, first.Failure = noon.Add(4*time.Hour), 4*time.Hour, &refresh.Failure{Code: "C", Message: "cannot"}
	b.must(b.EndAttempt(b.ctx, lease, first))
	b.refused(b.EndAttempt(b.ctx, lease, first), refresh.CodeState)
	second := refresh.Attempt{Number: 2, StartedAt: noon.Add(5 * time.Hour)}
	b.must(b.BeginAttempt(b.ctx, lease, second))
	equal(t, b.get(lease.Operation).Attempts, []refresh.Attempt{first, second})
	list, err := b.List(b.ctx, refresh.Filter{Model: Sales, Top: 1})
	b.must(err)
	equal(t, list[0].Attempts, []refresh.Attempt{first, second})
}
