package refresh

import (
	"context"
	"errors"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/store"
)

// finish shows everything that is finished in one commit, which ends the operation.
func (w *work) finish(base context.Context) error {
	if err := w.move(base, Committing); err != nil {
		return w.lostTo(base, err)
	}
	if chain := w.operation.Request.Chain; chain != nil && !chain.Each {
		return w.finishChain(base)
	}
	ended := w.ended(nil)
	err := w.commit(base, Commit{From: Committing, To: Completed, At: ended.EndedAt, Attempt: &ended}, w.finished())
	var refused guarded
	if errors.As(err, &refused) {
		failure, messages := refused.failure(w.now())
		return w.end(base, Failed, failure, messages)
	}
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

// commit makes the steps' results visible, or the version that a rollback goes back to. Where guards refuse it the error is guarded, and
// nothing has changed. Commits of one operation wait for each other, since each builds on the version before.
func (w *work) commit(base context.Context, commit Commit, steps []Step) error {
	w.commits.Lock()
	defer w.commits.Unlock()
	log := w.engine.options.Log
	commit.ModelRevision = w.operation.ModelRevision
	for _, step := range steps {
		commit.Steps = append(commit.Steps, step.Number)
	}
	var refused guarded
	err := w.write(base, "the commit", func(ctx context.Context) error {
		version, err := w.engine.options.Models.Version(ctx, w.operation.Model, 0)
		if err != nil {
			return err
		}
		commit.Base = version.Number
		if w.restored != nil {
			w.copy(&commit)
			_, err = log.Commit(ctx, w.lease, commit)
			return err
		}
		if refused, err = w.shows(&commit, version, steps); err != nil {
			return err
		}
		_, err = log.Commit(ctx, w.lease, commit)
		return err
	}, func(ctx context.Context) (bool, error) { // the reply may be lost, not the commit: the rows tell
		if commit.To.Finished() {
			return w.reached(ctx, commit.To)
		}
		stored, err := log.Steps(ctx, w.lease.Operation)
		return err == nil && stored[steps[0].Number-1].State == StepCommitted, err
	})
	if err == nil {
		for _, table := range refused {
			w.forced[table.table] = true
		}
	}
	return err
}

// shows fills in what a commit of steps changes on a version, and returns what guards have against it. Where they refuse it that is the error, too.
func (w *work) shows(commit *Commit, version store.Version, steps []Step) (guarded, error) {
	commit.Change = change(w.definition.Model, version, steps)
	refused := w.guards(version, commit.Change, steps)
	if len(refused) > 0 && !w.operation.Request.Force {
		return refused, refused
	}
	commit.Messages = w.overruled(refused, commit.At)
	commit.Columns = nil
	for _, found := range foundColumns(w.definition.Model, steps) {
		commit.Columns = append(commit.Columns, found.table)
		commit.Messages = append(commit.Messages, found.message(commit.At))
	}
	return refused, nil
}

// overruled warns of what guards would have refused, once a table.
func (w *work) overruled(refused guarded, at time.Time) []Message {
	var warnings []Message
	for _, table := range refused {
		if !w.forced[table.table] {
			warnings = append(warnings, table.warning(at))
		}
	}
	return warnings
}
