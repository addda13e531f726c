package refresh

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// try makes attempts until the operation has ended.
func (w *work) try(base, ctx context.Context) error {
	backoff := pauses{least: 2 * time.Second, most: 2 * time.Minute, random: w.engine.options.Random}
	for {
		if last := w.lastAttempt(); last != nil && !last.EndedAt.IsZero() {
			if w.left() <= 0 && !w.settled() {
				return w.giveUp(base, last.Failure) // an earlier owner came to the end of the last attempt, but not of the operation
			}
			if err := w.replanFailed(base); err != nil {
				return err
			}
		}
		if err := w.beginAttempt(base); err != nil {
			return err
		}
		failure, verdict, err := w.runAttempt(base, ctx)
		left := w.left()
		switch {
		case err != nil:
			return err
		case verdict == done:
			return w.finish(base)
		case verdict == expired:
			return w.fail(base, TimedOut, totalTimeout())
		case verdict == evicted && w.engine.options.EvictedRetry: // another attempt, which costs none
		case verdict == evicted && left <= 0:
			return w.fail(base, Failed, failure)
		case verdict == timedOut && left <= 0:
			return w.fail(base, TimedOut, failure)
		case verdict == failed || left <= 0:
			return w.end(base, Failed, failure, nil)
		}
		if verdict == timedOut || verdict == evicted {
			if err := w.tell(base, failure.message(WarningMessage, w.now())); err != nil {
				return err
			}
		}
		w.log.Warn("attempt failed; another one follows", "attempt", w.attempt.Number, "failure", failure.text())
		if err := w.pauseBeforeRetry(base, ctx, failure, backoff); errors.Is(err, errTotal) {
			return w.fail(base, TimedOut, totalTimeout())
		} else if err != nil {
			return err
		}
	}
}

// giveUp ends the operation with the failure of its last attempt.
func (w *work) giveUp(base context.Context, failure *Failure) error {
	state := Failed
	if failure != nil && failure.Code == CodeTimeout {
		state = TimedOut
	}
	return w.end(base, state, failure, nil)
}

// left is how many attempts may follow the one that runs, or ran last.
func (w *work) left() int {
	left := w.operation.Request.RetryCount + 1
	for _, attempt := range w.operation.Attempts {
		if free := w.engine.options.EvictedRetry && attempt.Failure != nil && attempt.Failure.Code == CodeEvicted; !free {
			left--
		}
	}
	return left
}

// lastAttempt is the one with the highest number, or nil.
func (w *work) lastAttempt() *Attempt {
	if n := len(w.operation.Attempts); n > 0 {
		return &w.operation.Attempts[n-1]
	}
	return nil
}

// pauseBeforeRetry ends the attempt and waits. The error is errTotal when the operation's limit comes first.
func (w *work) pauseBeforeRetry(base, ctx context.Context, failure *Failure, backoff pauses) error {
	if err := w.endAttempt(base, failure); err != nil {
		return err
	}
	if err := w.move(base, Backoff); err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, w.operation.AcceptedAt.Add(totalLimit).Sub(w.now()), errTotal)
	defer stop()
	if err := backoff.wait(ctx, w.attempt.Number); err != nil {
		return err
	}
	return w.move(base, Running)
}

// replanFailed makes what did not finish ready to be done again by the next attempt. What finished stays (F2).
func (w *work) replanFailed(base context.Context) error {
	if err := w.revive(base); err != nil {
		return err
	}
	for i, step := range w.steps {
		if step.State == StepFailed && !w.hopeless[step.Number] {
			if err := w.replan(base, i); err != nil {
				return err
			}
		}
	}
	return w.replanReaders(base)
}

func (w *work) tell(base context.Context, messages ...Message) error {
	tried := false
	return w.write(base, "a message", func(ctx context.Context) error {
		if tried { // and perhaps stored, when only the answer was lost
			stored, err := w.engine.options.Log.Messages(ctx, w.operation.ID)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(stored, messages[0].is) {
				return nil
			}
		}
		tried = true
		return w.engine.options.Log.AddMessages(ctx, w.lease, messages)
	}, nil)
}

// runAttempt does the planned steps, at most maxParallelism at the same time. What it returns without an error is why the attempt did
// not get everything done, and whether another one may.
func (w *work) runAttempt(base, ctx context.Context) (*Failure, verdict, error) {
	now := w.now()
	limit := w.operation.Request.Timeout
	ctx, stopAttempt := context.WithTimeoutCause(ctx, limit-w.worked(), errAttempt)
	defer stopAttempt()
	ctx, stopTotal := context.WithTimeoutCause(ctx, w.operation.AcceptedAt.Add(totalLimit).Sub(now), errTotal)
	defer stopTotal()
	ctx, stopSiblings := context.WithCancelCause(ctx)
	defer stopSiblings(nil)

	run := &attempt{work: w, stopSiblings: stopSiblings}
	defer run.close()
	if err := run.steps(base, ctx); err != nil && (ctx.Err() == nil || errors.Is(context.Cause(ctx), errSibling)) {
		return nil, failed, err
	}
	if w.settled() {
		return nil, done, nil
	}
	switch verdict := judge(ctx, context.Cause(ctx), false); verdict {
	case cancelled, abandoned:
		return nil, verdict, context.Cause(ctx)
	case expired:
		return nil, expired, nil
	case timedOut:
		return attemptTimeout(limit, w.left()), timedOut, nil
	case evicted:
		return evictedFailure(), evicted, nil
	}
	failures, hopeless := w.failures()
	if len(failures) == 0 {
		return nil, failed, fault.New(fault.Internal, CodeInternal, "cannot finish the refresh: its steps ended without a result")
	}
	if hopeless && (w.operation.Request.CommitMode == Transactional || len(failures) == len(w.hopeless)) {
		return summary(failures), failed, nil
	}
	return summary(failures), retry, nil
}

// settled tells whether every step is done.
func (w *work) settled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, step := range w.steps {
		switch step.State {
		case StepFinished, StepCommitted, StepSkipped:
		default:
			return false
		}
	}
	return true
}

// failures returns why steps failed, those that no retry can mend first, and whether there are such.
func (w *work) failures() (all []*Failure, hopeless bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var mendable []*Failure
	for _, step := range w.steps {
		switch {
		case step.State != StepFailed:
		case w.hopeless[step.Number]:
			all = append(all, step.Failure)
		default:
			mendable = append(mendable, step.Failure)
		}
	}
	return append(all, mendable...), len(all) > 0
}

// attempt is what the steps of one attempt share.
type attempt struct {
	work         *work
	stopSiblings context.CancelCauseFunc

	grant        *capacity.Grant
	all          bool  // the grant is all that a refresh of the capacity can have, for one load
	rowBytes     int64 // of the grant, for the rows of one step in Go
	engineMemory int64 // for DuckDB, all steps together
	mu           sync.Mutex
	instance     *duck.DB
}

// close ends the engine instance before the memory is given back.
func (a *attempt) close() {
	if a.instance != nil {
		if err := a.instance.Close(); err != nil {
			a.work.log.Warn("cannot close DuckDB", "error", err)
		}
	}
	// Opening the instance makes the folder, also when it fails.
	if err := os.RemoveAll(a.work.tempDir()); err != nil {
		a.work.log.Warn("cannot remove temporary files", "error", err)
	}
	if a.grant != nil {
		a.grant.Release()
	}
}

// steps runs what is planned. An error is one of the log; those of the steps are kept with the steps.
func (a *attempt) steps(base, ctx context.Context) error {
	w := a.work
	if w.operation.Request.CommitMode == Transactional && len(w.hopeless) > 0 {
		return nil // it cannot succeed any more
	}
	var todo []int
	heavy := 0
	for i, step := range w.steps {
		// What an earlier owner of a partialBatch had finished is not shown yet.
		unseen := step.State == StepFinished && w.operation.Request.CommitMode == PartialBatch
		if step.State == StepPlanned || unseen {
			todo = append(todo, i)
			if step.Kind.works() && !unseen {
				heavy++
			}
		}
	}
	parallel := max(1, min(w.operation.Request.MaxParallelism, len(todo)))
	if heavy > 0 {
		var err error
		if parallel, err = a.memory(ctx, min(parallel, heavy)); err != nil {
			return err
		}
	}
	// Polls come first: they decide what is loaded. Those that read stored rows wait for them, as loads do.
	first := func(i int) bool { return w.steps[i].Kind == PollStep && len(w.reads(w.steps[i])) == 0 }
	polls := slices.DeleteFunc(slices.Clone(todo), func(i int) bool { return !first(i) })
	others := slices.DeleteFunc(todo, first)
	for _, numbers := range [][]int{polls, others} {
		if err := a.do(base, ctx, numbers, parallel); err != nil {
			return err
		}
	}
	return nil
}

// do does steps, at most so many at a time, each as soon as it is ready. Those that wait for what has failed are left.
func (a *attempt) do(base, ctx context.Context, waiting []int, parallel int) error {
	ended := make(chan error)
	running := 0
	var failure error
	for {
		for at := 0; at < len(waiting) && running < parallel && ctx.Err() == nil; {
			i := waiting[at]
			if !a.ready(i) {
				at++
				continue
			}
			waiting = slices.Delete(waiting, at, at+1)
			running++
			go func() {
				err := a.step(base, ctx, i)
				if err != nil {
					a.stopSiblings(errSibling)
				}
				ended <- err
			}()
		}
		if running == 0 {
			return failure
		}
		if err := <-ended; failure == nil {
			failure = err
		}
		running--
	}
}

// memory waits for the memory of the attempt's steps and returns how many of them it is enough for.
func (a *attempt) memory(ctx context.Context, parallel int) (int, error) {
	w := a.work
	capacity, err := w.engine.capacityOf(w.definition)
	if err != nil {
		return 0, err
	}
	each := w.engine.options.StepMemory
	most := each * int64(parallel)
	if w.short {
		most, parallel = capacity.RefreshMemory(), 1
	}
	if a.grant, err = capacity.GrantRefresh(ctx, each, most, func() { a.stopSiblings(errEvicted) }); err != nil {
		return 0, err
	}
	granted := a.grant.Bytes()
	parallel = max(1, min(parallel, int(granted/each)))
	a.rowBytes = granted / int64(parallel) / rowShare
	a.engineMemory = granted - a.rowBytes*int64(parallel)
	a.all = parallel == 1 && granted >= capacity.RefreshMemory()
	return parallel, nil
}

// governed words the error of a load that ran out of memory as Power BI does. No retry can mend it when the load was alone with all memory that
// refreshes may have; else the next attempt is.
func (a *attempt) governed(err error) error {
	var engine *duck.Error
	if a.grant == nil || fault.CodeOf(err) != duck.CodeMemory || !errors.As(err, &engine) {
		return err
	}
	const mb = 1 << 20 // what Power BI calls one
	limit := a.grant.Bytes()
	consumed := max(limit, engine.Needed())
	kind, advice := fault.Unavailable, "Another attempt (retryCount) asks for all memory that refreshes of the capacity may have, for one partition at a time. "
	if a.all {
		kind, advice = fault.Invalid, ""
	}
	governed := fault.New(kind, duck.CodeMemory, "Resource Governing: This operation was canceled because there wasn't enough memory to finish running it. "+
		"Either increase the memory of the capacity where this semantic model is hosted or reduce the memory footprint of your semantic model by doing "+
		"things like limiting the amount of imported data. More details: consumed memory %d MB, memory limit %d MB",
		(consumed+mb-1)/mb, limit/mb).
		WithHint("%sThe memory is capacities[].memory in the configuration; a smaller maxParallelism leaves more of it to each partition, and a split partition needs less. "+
			"Upstream: %v", advice, engine)
	a.work.mu.Lock()
	a.work.short = true
	a.work.mu.Unlock()
	return governed
}

// rowShare is the part of a step's memory that its rows in Go may take, a quarter; the rest is DuckDB's limit. A load that folds leaves
// the quarter alone: it is not lent to DuckDB, whose limit holds for all steps together and cannot be taken back from a running one. Three
// quarters are what a parallel load of a file needs at full speed (192 of 256 MiB). The quarter is counted, without the
// collector's slack, and is enough because steps over many rows leave them on the disk.
const rowShare = 4

// rows is where the evaluation of a step may hold rows.
func (a *attempt) rows() rowMemory {
	return rowMemory{bytes: a.rowBytes, more: a.grant.Grow, room: a.work.engine.options.SpillDisk.Spill, tempDir: a.work.tempDir()}
}

// step does one step and stores its outcome.
func (a *attempt) step(base, ctx context.Context, i int) error {
	w := a.work
	w.mu.Lock()
	step := w.steps[i]
	w.mu.Unlock()
	if step.State == StepFinished {
		return a.show(base, i, step)
	}
	poll, _ := w.pollOf(step)
	step.State, step.Attempt, step.StartedAt = StepRunning, w.attempt.Number, w.now()
	step.EndedAt, step.Failure = time.Time{}, nil
	if poll != nil && step.Kind == LoadStep && poll.Known != "" && poll.Bookmark == poll.Known {
		step.State, step.EndedAt, step.Note = StepSkipped, step.StartedAt, unchanged(*poll)
		return w.put(base, i, step, nil)
	}
	if step.Kind.works() {
		if err := w.put(base, i, step, nil); err != nil {
			return err
		}
	}
	made, err := a.make(ctx, step)
	if made.release != nil {
		defer made.release()
	}
	err = a.governed(err)
	verdict := judge(ctx, err, w.engine.options.RetryAll)
	step.EndedAt = w.now()
	switch verdict {
	case done:
		step.State, step.File, step.ReadAt, step.Bookmark, step.Fingerprint = StepFinished, made.file, made.readAt, made.bookmark, made.fingerprint
		step.Columns = made.columns
		if poll != nil {
			step.Bookmark = poll.Bookmark
		}
		if err := w.put(base, i, step, made.messages); err != nil {
			return err
		}
		if w.operation.Request.CommitMode == PartialBatch {
			return a.show(base, i, step)
		}
	case retry, failed:
		return a.fail(base, i, step, err, verdict)
	}
	return nil // stopped from outside: who ended ctx settles the step
}

// show commits a finished step of a partialBatch, or lets it fail when its table's guard refuses that.
func (a *attempt) show(base context.Context, i int, step Step) error {
	err := a.work.commitStep(base, step)
	var refused guarded
	if !errors.As(err, &refused) {
		return err
	}
	step.File = store.File{}
	return a.fail(base, i, step, err, failed) // the source would say the same again
}

// fail stores a step's failure with a message, and stops the others when they cannot bring the refresh to its end any more.
func (a *attempt) fail(base context.Context, i int, step Step, err error, verdict verdict) error {
	w := a.work
	step.State = StepFailed
	step.Failure = failureOf(fault.At(err, CodeProcessing, fault.Where{Table: step.Table, Partition: step.Partition}))
	if readers := w.readers(step.Table); len(readers) > 0 {
		step.Failure.Message += " Not loaded, because they read it: " + listed(readers, func(name string) string { return name }) + "."
	}
	last := w.left() <= 0
	kind := ErrorMessage
	if verdict == retry && !last {
		kind = WarningMessage
	}
	w.log.Warn("step failed", "table", step.Table, "partition", step.Partition, "attempt", step.Attempt, "error", err)
	if err := w.put(base, i, step, []Message{step.Failure.message(kind, step.EndedAt)}); err != nil {
		return err
	}
	if verdict == failed {
		w.mu.Lock()
		w.hopeless[step.Number] = true
		w.mu.Unlock()
	}
	if w.operation.Request.CommitMode == Transactional && (verdict == failed || last) {
		a.stopSiblings(errSibling)
	}
	return nil
}

// make does a step's work. A panic in it is its error.
func (a *attempt) make(ctx context.Context, step Step) (made product, err error) {
	defer func() {
		if value := recover(); value != nil {
			a.work.log.Error("a step panicked", "table", step.Table, "partition", step.Partition, "panic", value, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, CodeInternal, "cannot go on: %v", value).WithHint("This is a defect of Freshet; the log has its stack.")
		}
	}()
	if !step.Kind.works() {
		return product{}, ctx.Err()
	}
	if step.Kind == PollStep {
		return a.work.engine.load(ctx, task{attempt: a, step: step})
	}
	measure, end := a.work.tracker.begin(step, a.work.now())
	defer func() { end(a.work.now()) }()
	return a.work.engine.loadWithRoom(ctx, task{attempt: a, step: step, measure: measure})
}

// open returns the operation's DuckDB instance, limited to the attempt's memory. It is opened at its first use.
func (a *attempt) open(ctx context.Context) (*duck.DB, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.instance != nil {
		return a.instance, nil
	}
	var err error
	a.instance, err = duck.Open(ctx, duck.Options{MemoryLimit: a.engineMemory, TempDir: a.work.tempDir(), TempLimit: a.work.engine.options.SpillDisk.Spill()})
	return a.instance, err
}

// loader does the work of a step that reads or writes rows. What it returns without an error is durable.
type loader func(ctx context.Context, task task) (product, error)

// task is a step as a loader sees it.
type task struct {
	attempt *attempt
	step    Step
	measure func(gauge)
}

// product is what a step has made. release is called when the log names it.
type product struct {
	file        store.File
	readAt      time.Time
	bookmark    string
	fingerprint string
	columns     []*model.Column // inferred ones
	messages    []Message
	release     func()
}
