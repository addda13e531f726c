package refresh

import (
	"context"
	"time"
)

// StartScheduled starts a scheduled refresh of a model under an id; a second start of the id finds the first. It tells false when another
// refresh runs and one is queued, or an enhanced one is unfinished: a scheduled refresh waits its turn and is not dropped (R7).
func (e *Engine) StartScheduled(ctx context.Context, model, id string) (started bool, err error) {
	_, outcome, err := e.Submit(ctx, Submission{Model: model, ID: id, Trigger: Scheduled, RequestedBy: "schedule"})
	return err == nil && outcome != OutcomeDropped, err
}

// ScheduledFailures counts, up to most, how many of a model's last scheduled refreshes have failed in a row since a moment. One that is
// unfinished does not count, and one that was cancelled neither fails nor succeeds.
func (e *Engine) ScheduledFailures(ctx context.Context, model string, since time.Time, most int) (int, error) {
	const unfinished, cancelled = 2, 8 // more in a row of those are not looked behind
	operations, err := e.options.Log.List(ctx, Filter{Model: model, Trigger: Scheduled, Asked: true, Top: most + unfinished + cancelled})
	if err != nil {
		return 0, err
	}
	failures := 0
	for _, operation := range operations {
		if operation.AcceptedAt.Before(since) || operation.State == Completed || failures == most {
			break
		}
		if operation.State == Failed || operation.State == TimedOut {
			failures++
		}
	}
	return failures, nil
}
