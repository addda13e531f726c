package refresh

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/store"
)

// work is one operation in the hands of this process.
type work struct {
	engine  *Engine
	log     *slog.Logger
	tracker *tracker
	cancel  context.CancelCauseFunc // ends what runs for the operation, with one of the causes of failure.go

	operation  Operation // as claimed; its state is followed by move
	lease      Lease
	definition Definition
	reading    *reading
	commits    sync.Mutex      // held by who commits
	restored   *store.Version  // a rollback's: to commit again
	rested     bool            // it had done its steps and waited for others of its chain
	forced     map[string]bool // tables whose guard was overruled and told of; guarded by commits

	mu       sync.Mutex      // guards the rest
	steps    []Step          // by number
	hopeless map[int]bool    // the numbers of failed steps that no retry can mend
	looked   map[string]bool // the tables whose policy's range was looked for at the source
	short    bool            // a step ran out of memory
	attempt  Attempt         // the one that runs; zero before this owner works on one
	resumed  time.Time       // when this owner began to work on it

	inherited time.Duration // what earlier owners have worked on the last attempt; set by claim

	dedicated *capacity.Capacity // whose pauses it heeds; nil before that is known, and for a shared workspace. Guarded by Engine.mu
}

// run leads the operation from where it stands to its end. Writes of the log happen under base, which ends only with the service; what
// reads and loads runs under ctx, which w.cancel ends.
//
// An error means that this process leaves the operation as it is: it was taken over, the service stops, or the log refuses writes.
func (w *work) run(base, ctx context.Context) error {
	if err := w.claim(base); err != nil {
		return err
	}
	beating := make(chan struct{})
	stopBeating := make(chan struct{})
	go func() {
		defer close(beating)
		w.beat(base, stopBeating)
	}()
	defer func() {
		close(stopBeating)
		<-beating
	}()

	err := w.live(base, ctx)
	switch {
	case err == nil:
		return nil
	case base.Err() != nil, errors.Is(context.Cause(ctx), errStale):
		w.sayLastWords(base)
		return context.Cause(ctx)
	case errors.Is(context.Cause(ctx), errCancelled):
		return w.end(base, Cancelled, nil, nil)
	case errors.Is(context.Cause(ctx), errPaused):
		return w.park(base)
	case errors.Is(context.Cause(ctx), errChain):
		return w.endWithChain(base)
	case fault.CodeOf(err) == CodeStale:
		return err
	}
	switch judge(context.Background(), err, false) {
	case retry:
		return err // the log or the catalog does not answer: the operation is taken again later
	default:
		failure := failureOf(err)
		return w.end(base, Failed, failure, []Message{failure.message(ErrorMessage, w.now())})
	}
}

func (w *work) now() time.Time { return w.engine.options.Now().UTC() }

// claim makes this process the owner.
func (w *work) claim(base context.Context) error {
	operation, err := w.engine.options.Log.Claim(base, w.operation.ID, w.operation.Epoch, w.engine.options.Owner, w.now())
	if err != nil {
		return err
	}
	w.previous(operation)
	return nil
}

// previous takes over what the claimed row says of earlier owners.
func (w *work) previous(operation Operation) {
	heartbeat := w.operation.Heartbeat
	w.operation = operation
	w.operation.Heartbeat = heartbeat // the former owner's last sign of life
	w.lease = Lease{operation.ID, operation.Epoch}
	if n := len(operation.Attempts); n > 0 {
		w.inherited = operation.Attempts[n-1].Worked
	}
}

// live goes through the states. It returns nil when the operation has ended.
func (w *work) live(base, ctx context.Context) error {
	if w.operation.State == Cancelling {
		return w.end(base, Cancelled, nil, nil)
	}
	if w.now().Sub(w.operation.AcceptedAt) >= totalLimit {
		return w.fail(base, TimedOut, totalTimeout())
	}
	var err error
	if w.definition, err = w.engine.options.Models.RefreshDefinition(ctx, w.operation.Model); err != nil {
		return err
	}
	status, disengage, err := w.engage()
	if err != nil {
		return err
	}
	defer disengage()
	if since := w.operation.stillSince(status); !since.IsZero() && w.now().Sub(since) >= downLimit {
		return w.fail(base, TimedOut, downTimeout(since, w.operation.State == Paused || status.State == capacity.Paused))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.reading = w.engine.reading(w.definition.Model, w.inputs())
	if w.definition.Revision != w.operation.ModelRevision {
		return fault.New(fault.Conflict, CodeRevision, "cannot go on with the refresh: it was accepted for revision %d of the model, which is at revision %d",
			w.operation.ModelRevision, w.definition.Revision)
	}
	if w.operation.Request.Rollback != nil {
		return w.rollback(base, ctx)
	}
	if members, err := w.engine.chain(ctx, w.operation); err != nil {
		return err
	} else if members.broken(w.operation) != nil {
		return w.endWithChain(base)
	}
	if w.operation.State == Paused && w.operation.StartedAt.IsZero() { // it waited for a place when the pause came
		if err := w.move(base, Accepted); err != nil {
			return err
		}
	}
	if w.operation.rested() {
		return w.goOn(base)
	}
	release, err := w.place(base, ctx)
	if err != nil || release == nil {
		return err
	}
	defer release()
	if w.operation.State != Running {
		if err := w.move(base, Running); err != nil {
			return err
		}
	}
	if err := w.plan(base); err != nil {
		return err
	}
	return w.try(base, ctx)
}

// place waits for a place on the capacity. Without an error and without a place the operation has ended.
func (w *work) place(base, ctx context.Context) (release func(), err error) {
	found, err := w.engine.capacityOf(w.definition)
	if err != nil {
		return nil, err
	}
	limited, stop := context.WithTimeoutCause(ctx, w.operation.AcceptedAt.Add(totalLimit).Sub(w.now()), errTotal)
	defer stop()
	if w.operation.State == Accepted { // what has begun already waits longer for a place to go on
		var stop context.CancelFunc
		limited, stop = context.WithTimeoutCause(limited, w.operation.WaitsSince.Add(placeLimit).Sub(w.now()), errAttempt)
		defer stop()
	}
	release, err = found.Place(limited)
	switch {
	case err == nil || ctx.Err() != nil:
		return release, err
	case errors.Is(context.Cause(limited), errTotal):
		return nil, w.fail(base, TimedOut, totalTimeout())
	}
	return nil, w.fail(base, Failed, placeTimeout())
}

// plan stores the steps unless that was done before, and brings those of an earlier owner to a state to go on from.
func (w *work) plan(base context.Context) error {
	log := w.engine.options.Log
	var err error
	if w.steps, err = log.Steps(base, w.operation.ID); err != nil {
		return err
	}
	if len(w.steps) > 0 {
		return w.revive(base)
	}
	version, err := w.engine.options.Models.Version(base, w.operation.Model, 0)
	if err != nil {
		return err
	}
	now := w.now()
	steps, messages, err := plan(w.definition, version, w.operation.Request, now)
	if err != nil {
		return err
	}
	err = w.write(base, "the plan", func(ctx context.Context) error { return log.Plan(ctx, w.lease, steps, messages) },
		func(ctx context.Context) (bool, error) { return true, nil }) // planned: there is but one plan
	if err != nil && fault.CodeOf(err) != CodeState {
		return err
	}
	if w.steps, err = log.Steps(base, w.operation.ID); err != nil {
		return err
	}
	for _, step := range w.steps {
		if step.State == StepFailed {
			w.hopeless[step.Number] = true
		}
	}
	return nil
}

// revive makes the steps of an earlier owner ready to go on: what is finished, durable and young enough stays, the rest is planned again.
func (w *work) revive(base context.Context) error {
	for i, step := range w.steps {
		switch step.State {
		case StepRunning:
		case StepFinished:
			if w.keeps(base, step) {
				continue
			}
			if w.rested { // others of its chain have read what it had
				return fault.New(fault.Conflict, CodeChain, "cannot go on with the chain: what was loaded of table '%s' is lost", step.Table).WithHint("Refresh the dataflow again.")
			}
		default:
			continue
		}
		if err := w.replan(base, i); err != nil {
			return err
		}
	}
	return w.replanReaders(base)
}

// keeps is F2: whether a finished step need not be done again.
func (w *work) keeps(base context.Context, step Step) bool {
	if step.Kind.reads() && !w.rested && w.now().Sub(step.EndedAt) > w.engine.options.KeepFinishedFor {
		return false
	}
	if step.File.ID == "" || w.engine.options.Store == nil {
		return true
	}
	if _, err := w.engine.options.Store.Path(base, step.File); err != nil {
		w.log.Warn("a finished step is done again", "table", step.Table, "partition", step.Partition, "error", err)
		return false
	}
	return true
}

// replan makes the i-th step a planned one again.
func (w *work) replan(base context.Context, i int) error {
	return w.put(base, i, w.steps[i].planned(), nil)
}

// put stores a step in the place of the i-th one, and follows.
func (w *work) put(base context.Context, i int, step Step, messages []Message) error {
	w.mu.Lock()
	from := w.steps[i].State
	w.mu.Unlock()
	log := w.engine.options.Log
	err := w.write(base, "a step", func(ctx context.Context) error { return log.PutStep(ctx, w.lease, from, step, messages) },
		func(ctx context.Context) (bool, error) {
			steps, err := log.Steps(ctx, w.lease.Operation)
			if err != nil || i >= len(steps) {
				return false, err
			}
			return steps[i].State == step.State && steps[i].Attempt == step.Attempt && steps[i].File == step.File, nil
		})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps[i] = step
	return nil
}

// move goes to another state that is not final.
func (w *work) move(base context.Context, to State, messages ...Message) error {
	from := w.operation.State
	err := w.write(base, "the state", func(ctx context.Context) error {
		return w.engine.options.Log.Transition(ctx, w.lease, Transition{From: from, To: to, At: w.now(), Messages: messages})
	}, func(ctx context.Context) (bool, error) { return w.reached(ctx, to) })
	if err != nil {
		return err
	}
	w.operation.State = to
	return nil
}

// reached tells whether this owner has brought the operation to the state: the reply to the write was lost, not the write.
func (w *work) reached(ctx context.Context, to State) (bool, error) {
	operation, err := w.engine.options.Log.Get(ctx, w.lease.Operation)
	return err == nil && operation.Epoch == w.lease.Epoch && operation.State == to, err
}

func (w *work) fail(base context.Context, to State, failure *Failure) error {
	return w.end(base, to, failure, []Message{failure.message(ErrorMessage, w.now())})
}

// end brings the operation to a final state, from whatever state it is in. When somebody has asked for its end, that is what it gets.
func (w *work) end(base context.Context, to State, failure *Failure, messages []Message) error {
	for {
		operation, err := w.read(base)
		if err != nil {
			return err
		}
		switch {
		case operation.State.Finished():
			return nil
		case operation.Epoch != w.lease.Epoch:
			return fault.New(fault.Conflict, CodeStale, "cannot end refresh %s: another owner has taken it over", operation.ID)
		case operation.State == Cancelling:
			to, failure, messages = Cancelled, nil, nil
		}
		if err := w.endAttempt(base, failure); err != nil && fault.CodeOf(err) != CodeState {
			return err
		}
		at := w.now()
		err = w.write(base, "the end", func(ctx context.Context) error {
			return w.engine.options.Log.Transition(ctx, w.lease, Transition{From: operation.State, To: to, At: at, Failure: failure, Messages: messages})
		}, func(ctx context.Context) (bool, error) { return w.reached(ctx, to) })
		if fault.CodeOf(err) == CodeState {
			continue // it became another state in between: look again
		}
		if err == nil {
			w.log.Info("refresh ended", "state", string(to), "failure", failure.text())
		}
		return err
	}
}

func (f *Failure) text() string {
	if f == nil {
		return ""
	}
	return f.Message
}

// read reads the operation's row, trying until it can.
func (w *work) read(base context.Context) (operation Operation, err error) {
	err = w.write(base, "nothing, but read", func(ctx context.Context) error {
		operation, err = w.engine.options.Log.Get(ctx, w.lease.Operation)
		return err
	}, nil)
	return operation, err
}

// beginAttempt goes on with the attempt that an earlier owner left, or begins the next one.
func (w *work) beginAttempt(base context.Context) error {
	now := w.now()
	if n := len(w.operation.Attempts); n > 0 && w.operation.Attempts[n-1].EndedAt.IsZero() {
		w.resume(w.operation.Attempts[n-1], now)
		return nil
	}
	attempt := Attempt{Number: len(w.operation.Attempts) + 1, StartedAt: now}
	log := w.engine.options.Log
	err := w.write(base, "the attempt", func(ctx context.Context) error { return log.BeginAttempt(ctx, w.lease, attempt) },
		func(ctx context.Context) (bool, error) {
			operation, err := log.Get(ctx, w.lease.Operation)
			return err == nil && len(operation.Attempts) == attempt.Number, err
		})
	if err != nil {
		return err
	}
	w.operation.Attempts = append(w.operation.Attempts, attempt)
	w.resume(attempt, now)
	return nil
}

// resume makes an attempt the one that this owner works on from now on.
func (w *work) resume(attempt Attempt, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempt, w.resumed = attempt, now
}

// ended is the attempt as it ends now.
func (w *work) ended(failure *Failure) Attempt {
	attempt := w.attempt
	attempt.EndedAt, attempt.Worked, attempt.Failure = w.now(), w.worked(), failure
	return attempt
}

// worked is how long the last attempt has been worked on, by this owner and earlier ones.
func (w *work) worked() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.attempt.Number == 0 {
		return w.inherited
	}
	return w.attempt.Worked + w.now().Sub(w.resumed)
}

func (w *work) endAttempt(base context.Context, failure *Failure) error {
	n := len(w.operation.Attempts)
	if n == 0 || !w.operation.Attempts[n-1].EndedAt.IsZero() {
		return nil
	}
	if w.attempt.Number == 0 { // an earlier owner's, which this one has not gone on with
		w.resume(w.operation.Attempts[n-1], w.now())
	}
	ended := w.ended(failure)
	log := w.engine.options.Log
	err := w.write(base, "the end of the attempt", func(ctx context.Context) error { return log.EndAttempt(ctx, w.lease, ended) },
		func(ctx context.Context) (bool, error) {
			operation, err := log.Get(ctx, w.lease.Operation)
			return err == nil && len(operation.Attempts) == n && !operation.Attempts[n-1].EndedAt.IsZero(), err
		})
	if err == nil {
		w.operation.Attempts[n-1] = ended
	}
	return err
}

// beat stores the owner's heartbeat, and hears of a wish to cancel or of another owner.
func (w *work) beat(base context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(w.engine.options.HeartbeatEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		case <-base.Done():
			return
		}
		state, err := w.engine.options.Log.Heartbeat(base, w.lease, w.now(), w.worked())
		switch {
		case fault.CodeOf(err) == CodeStale:
			w.cancel(errStale)
		case err != nil && base.Err() == nil:
			w.log.Warn("cannot store the heartbeat", "error", err)
		case state == Cancelling:
			w.cancel(errCancelled)
		}
	}
}

// sayLastWords stores how long this owner has worked, although base has ended: the time down does not count toward the attempt's limit.
func (w *work) sayLastWords(base context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(base), lastWords)
	defer stop()
	if _, err := w.engine.options.Log.Heartbeat(ctx, w.lease, w.now(), w.worked()); err != nil && fault.CodeOf(err) != CodeStale {
		w.log.Warn("cannot store the last heartbeat", "error", err)
	}
}

// mostTries is how often a write is tried that fails by something else than a log that does not answer.
const mostTries = 10

// write makes one write of the log, again and again while the log does not answer: a catalog that is away for a while costs no
// operation. A Conflict after a first try that got no answer may mean that the write had succeeded: settled finds out.
func (w *work) write(base context.Context, what string, write func(context.Context) error, settled func(context.Context) (bool, error)) error {
	pause := pauses{least: 50 * time.Millisecond, most: 5 * time.Second, random: w.engine.options.Random}
	for try := 1; ; try++ {
		err := write(base)
		switch {
		case err == nil:
			return nil
		case base.Err() != nil:
			return context.Cause(base)
		case try > 1 && settled != nil && fault.CodeOf(err) == CodeState:
			ok, reading := settled(base)
			if reading == nil && !ok {
				return err
			}
			if reading == nil {
				return nil
			}
		case fault.Retryable(err):
		case fault.KindOf(err) == fault.Internal && try < mostTries:
		default:
			return err
		}
		w.log.Warn("cannot store "+what+"; trying again", "try", try, "error", err)
		if err := pause.wait(base, try); err != nil {
			return err
		}
	}
}

// pauses are waits that double, with jitter.
type pauses struct {
	least, most time.Duration
	random      func() float64
}

func (p pauses) wait(ctx context.Context, try int) error {
	pause := p.most
	if doubled := p.least << min(try-1, 30); doubled > 0 && doubled < p.most {
		pause = doubled
	}
	timer := time.NewTimer(pause/2 + time.Duration(p.random()*float64(pause/2)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
