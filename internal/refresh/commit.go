package refresh

import (
	"context"

	"freshet.dev/internal/fault"
)

// finish shows everything that is finished in one commit, which ends the operation.
func (w *work) finish(base context.Context) error {
	if err := w.move(base, Committing); err != nil {
		return w.lostTo(base, err)
	}
	ended := w.ended(nil)
	err := w.commit(base, Commit{From: Committing, To: Completed, At: ended.EndedAt, Attempt: &ended}, w.finished())
	if err != nil {
		return w.lostTo(base, err)
	}
	w.log.Info("refresh ended", "state", string(Completed))
	return nil
}

// lostTo explains a refused write: when somebody has asked for the operation's end, that is the cause.
func (w *work) lostTo(base context.Context, err error) error {
	if fault.CodeOf(err) != CodeState {
		return err
	}
	operation, reading := w.read(base)
	if reading == nil && (operation.State == Cancelling || operation.State == Cancelled) {
		w.cancel(errCancelled)
		return errCancelled
	}
	return err
}

// finished lists the steps that nobody sees yet.
func (w *work) finished() []Step {
	w.mu.Lock()
	defer w.mu.Unlock()
	var steps []Step
	for _, step := range w.steps {
		if step.State == StepFinished {
			steps = append(steps, step)
		}
	}
	return steps
}

// commitStep shows one step of a partialBatch.
func (w *work) commitStep(base context.Context, step Step) error {
	err := w.commit(base, Commit{From: Running, To: Running, At: w.now()}, []Step{step})
	if err != nil {
		return w.lostTo(base, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps[step.Number-1].State = StepCommitted
	return nil
}

// commit makes the steps' results visible. Commits of one operation wait for each other, since each builds on the version before.
func (w *work) commit(base context.Context, commit Commit, steps []Step) error {
	w.commits.Lock()
	defer w.commits.Unlock()
	log := w.engine.options.Log
	commit.ModelRevision = w.operation.ModelRevision
	for _, step := range steps {
		commit.Steps = append(commit.Steps, step.Number)
	}
	return w.write(base, "the commit", func(ctx context.Context) error {
		version, err := w.engine.options.Models.CurrentVersion(ctx, w.operation.Model)
		if err != nil {
			return err
		}
		commit.Base = version.Number
		commit.Change = change(w.definition.Model, version, steps)
		_, err = log.Commit(ctx, w.lease, commit)
		return err
	}, func(ctx context.Context) (bool, error) { // the reply may be lost, not the commit: the rows tell
		if commit.To.Finished() {
			return w.reached(ctx, commit.To)
		}
		stored, err := log.Steps(ctx, w.lease.Operation)
		return err == nil && stored[steps[0].Number-1].State == StepCommitted, err
	})
}
