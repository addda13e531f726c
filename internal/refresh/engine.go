// Package refresh is the core of Freshet: it accepts refreshes of models, runs them step by step, shows their result in one
// commit, and keeps its promises over crashes.
//
// doc/refresh-cycle.md tells the states and the order of writes.
package refresh

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/source"
	"freshet.dev/internal/store"
)

// Definition is a deployed model as a refresh needs it.
type Definition struct {
	ID          string
	Name        string
	Workspace   string // its name
	WorkspaceID string
	Revision    int64
	Capacity    string         // the name of its workspace's capacity; "" = shared workspace: standard refreshes only (R2), and a few a day (R36)
	Zone        *time.Location // of the model's schedule; nil = UTC
	Model       *model.Model

	Each           bool // F14: the dataflows of a chain commit each by itself, else all together
	Dataflow       bool // its refreshes never wait for another one, and are limited as those of dataflows are
	RejectOverflow bool // R7: a standard refresh behind a queued one is refused instead of dropped
}

// models reads deployed models and their current versions. The catalog implements it.
type models interface {
	// RefreshDefinition returns the current revision of a model; an unknown one is NotFound with CodeNotFound.
	RefreshDefinition(ctx context.Context, model string) (Definition, error)
	// Version returns a version that is still kept; number 0 is the one that readers of the model see now, which every deployed model has.
	Version(ctx context.Context, model string, number int64) (store.Version, error)
	// Versions lists the versions that are still kept, newest first.
	Versions(ctx context.Context, model string) ([]store.VersionSummary, error)
}

// Options are what an Engine works with. What stands above the line is required.
type Options struct {
	Log        Log
	Models     models
	Store      *store.Store
	Sources    *source.Registry
	Capacities []*capacity.Capacity // by name; the first serves the models of shared workspaces too
	TempDir    string               // for what a load spills to disk; the engine's own, emptied by New
	Owner      string               // names this process in the log; another one for each start
	Now        func() time.Time
	NewID      func() string
	Logger     *slog.Logger
	// –––
	Dataflows       dataflows      // that models may read; nil = none
	Chains          chains         // of dataflows; nil = a dataflow is refreshed alone
	Disk            *store.Disk    // which loads leave enough free space on; nil = no limit
	SpillDisk       *store.Disk    // likewise, the one that TempDir is on
	HeartbeatEvery  time.Duration  // 0 = 10 s
	KeepFinishedFor time.Duration  // F2: how long ago a step may have finished reading and still be kept; 0 = 6 h
	Guards          []Guards       // of models that may not exist yet
	KeepHistory     time.Duration  // F12: how long operations that have ended are kept; below 3 days = 3 days
	EvictedRetry    bool           // R35: a refresh that a reader has evicted is tried again, which costs no attempt
	RetryAll        bool           // R33: also try errors again that no retry can mend
	StepMemory      int64          // what one load needs at least; 0 = 256 MiB
	Random          func() float64 // from 0 to 1, for the jitter of pauses; nil = math/rand/v2
}

// Engine accepts, runs and tells about refreshes. It is safe for concurrent use.
type Engine struct {
	options Options
	load    loader
	wake    chan struct{} // holds one signal: there may be an operation to take

	mu      sync.Mutex
	running map[string]*work // by operation
	changed chan struct{}    // closed and replaced when an operation has ended
}

// New returns an engine. Nothing runs before Run.
func New(options Options) (*Engine, error) {
	if len(options.Capacities) == 0 {
		return nil, fault.New(fault.Invalid, fault.CodeConfiguration, "cannot refresh models without a capacity")
	}
	if options.HeartbeatEvery == 0 {
		options.HeartbeatEvery = 10 * time.Second
	}
	if options.KeepFinishedFor == 0 {
		options.KeepFinishedFor = 6 * time.Hour
	}
	if options.StepMemory == 0 {
		options.StepMemory = 256 << 20
	}
	if options.Random == nil {
		options.Random = rand.Float64
	}
	if err := os.RemoveAll(options.TempDir); err != nil {
		return nil, fault.New(fault.Unavailable, store.CodeStorage, "cannot empty the folder for temporary files: %w", err)
	}
	e := &Engine{
		options: options, wake: make(chan struct{}, 1), running: map[string]*work{}, changed: make(chan struct{}),
	}
	e.load = e.loadPartition
	return e, nil
}

// Submission is a wish for a refresh.
type Submission struct {
	Model       string // the model's id
	ID          string // of the operation; "" = a new one. A second submission of an ID finds the operation of the first
	Params      Params
	Rollback    *Rollback // instead of a refresh: Params, Trigger and Force mean nothing
	Trigger     Trigger   // "" = ViaEnhancedAPI when the parameters say so, else ViaAPI
	RequestedBy string    // for people
	Force       bool      // commit also what guards refuse
	Warnings    []Message // of the decoding, such as unknown parameters (R17)
}

// Submit stores a new operation and returns at once: what it returns without error is a promise. The outcome is Accepted, Queued or
// Dropped; of a dropped operation nothing was stored.
//
// Errors: Invalid with CodeInvalidRequest for wrong parameters (R8–R14), for an enhanced refresh of a model in a shared workspace (R2), for a
// model that has an unfinished refresh (R6) or has used up the day's (R36); NotFound for an unknown model.
func (e *Engine) Submit(ctx context.Context, wish Submission) (Operation, Outcome, error) {
	wish = wish.triggered()
	if known, found, err := e.submitted(ctx, wish); found || err != nil {
		return known, OutcomeAccepted, err
	}
	const tries = 3 // a deployment may fall between reading the model and storing the operation
	for try := 1; ; try++ {
		operation, outcome, err := e.submit(ctx, wish)
		if fault.CodeOf(err) == CodeRevision && try < tries {
			continue
		}
		if known, found, err := e.submitted(ctx, wish); outcome != OutcomeAccepted && outcome != OutcomeQueued && found && err == nil {
			return known, OutcomeAccepted, nil // the same submission, a moment before
		}
		return operation, outcome, err
	}
}

// triggered is the wish with its trigger filled in.
func (s Submission) triggered() Submission {
	switch {
	case s.Rollback != nil:
		s.Trigger = OnDemand
	case s.Trigger != "":
	case s.Params.Enhanced():
		s.Trigger = ViaEnhancedAPI
	default:
		s.Trigger = ViaAPI
	}
	return s
}

// submitted finds the operation of an earlier submission of the same ID.
func (e *Engine) submitted(ctx context.Context, wish Submission) (known Operation, found bool, err error) {
	if wish.ID == "" {
		return Operation{}, false, nil
	}
	known, err = e.get(ctx, wish.Model, wish.ID, AnyRefresh, "find")
	if fault.KindOf(err) == fault.NotFound {
		return Operation{}, false, nil
	}
	return known, err == nil, err
}

func (e *Engine) submit(ctx context.Context, wish Submission) (Operation, Outcome, error) {
	definition, err := e.options.Models.RefreshDefinition(ctx, wish.Model)
	if err != nil {
		return Operation{}, "", err
	}
	if err := e.active(definition); err != nil {
		return Operation{}, "", err
	}
	now := e.options.Now().UTC()
	var request Request
	if wish.Rollback != nil {
		request, err = e.rollbackRequest(ctx, definition, *wish.Rollback)
	} else {
		request, err = e.request(ctx, definition, wish, now)
	}
	if err != nil {
		return Operation{}, "", err
	}
	if wish.ID == "" {
		wish.ID = e.options.NewID()
	}
	operation := Operation{
		ID: wish.ID, Model: definition.ID, ModelRevision: definition.Revision, Trigger: wish.Trigger, Request: request,
		RequestedBy: wish.RequestedBy, AcceptedAt: now, State: Accepted,
	}
	warnings := make([]Message, len(wish.Warnings))
	for i, warning := range wish.Warnings {
		warning.At = now
		warnings[i] = warning
	}
	var followers []Sibling
	if wish.Rollback == nil { // those that read a dataflow keep what they have read of it
		if followers, err = e.followers(ctx, definition); err != nil {
			return Operation{}, "", err
		}
	}
	quota, dayEnds := quotaOf(definition, wish.Trigger, now)
	outcome, stored, err := e.options.Log.Submit(ctx, operation, quota, warnings, e.chained(&operation, followers, definition.Each)...)
	if err != nil {
		return Operation{}, "", err
	}
	if outcome == OutcomeDropped && definition.RejectOverflow {
		outcome = OutcomeConflict
	}
	switch {
	case definition.Dataflow && outcome == OutcomeOverQuota:
		return Operation{}, "", fault.New(fault.Invalid, CodeDataflowQuota,
			"Skipping dataflow refresh as number of auto refreshes in last 24 hours (%d) exceeded allowed limit %d", quota.Most, quota.Most).
			WithHint("Send the request again later, or deploy the dataflow to a workspace on a capacity.")
	case outcome == OutcomeConflict && stored.Model != definition.ID:
		reader := followers[slices.IndexFunc(followers, func(f Sibling) bool { return f.ID == stored.Model })]
		return Operation{}, "", fault.New(fault.Invalid, CodeDataflowRunning, "Dataflow refresh is currently in progress: of dataflow '%s', which reads '%s' and is refreshed with it, "+
			"one runs and one waits since %s%s", reader.Name, definition.Name, stored.AcceptedAt.UTC().Format(time.RFC3339), startedBy(stored)).
			WithHint("Wait for their end, or cancel the one that waits (freshet dataflows cancel).")
	case definition.Dataflow && outcome == OutcomeConflict:
		return Operation{}, "", fault.New(fault.Invalid, CodeDataflowRunning, "Dataflow refresh is currently in progress: since %s%s",
			stored.AcceptedAt.UTC().Format(time.RFC3339), startedBy(stored)).
			WithHint("Wait for its end, or cancel its transaction (freshet dataflows cancel).")
	}
	switch outcome {
	case OutcomeOverQuota:
		return Operation{}, "", invalid("cannot start a refresh of model '%s': a model in a shared workspace has %d a day, and they have been used up until the day ends at %s",
			definition.Name, quota.Most, dayEnds.Format(time.RFC3339)).
			WithHint("Send the request again after that, deploy the model to a workspace on a capacity, or start it on demand, which is not counted: freshet refresh --on-demand.")
	case OutcomeConflict:
		since := stored.StartedAt
		if since.IsZero() {
			since = stored.AcceptedAt
		}
		return Operation{}, "", invalid("Invalid dataset refresh request. Another refresh request is already executing: %s, since %s%s",
			stored.ID, since.UTC().Format(time.RFC3339), startedBy(stored)).
			WithHint("Wait for its end (freshet show), or cancel it (freshet cancel; over REST DELETE of that refresh).")
	case OutcomeDropped:
		e.options.Logger.Info("refresh dropped: one runs and one is queued", "model", definition.ID, "refresh", operation.ID, "running", stored.ID)
		return operation, outcome, nil
	}
	e.options.Logger.Info("refresh accepted", "model", definition.ID, "refresh", stored.ID, "trigger", string(stored.Trigger), "by", wish.RequestedBy, "outcome", string(outcome),
		"followers", len(followers))
	e.poke()
	return stored, outcome, nil
}

// startedBy tells who started an operation, at the end of a sentence.
func startedBy(operation Operation) string {
	if operation.RequestedBy == "" {
		return ""
	}
	return ", started by " + operation.RequestedBy
}

// request makes a wish for a refresh a request that the model, as readers see it now, can be asked for.
func (e *Engine) request(ctx context.Context, definition Definition, wish Submission, now time.Time) (Request, error) {
	request, err := wish.Params.Request(wish.Trigger, now)
	if err != nil {
		return Request{}, err
	}
	if definition.Capacity == "" && !wish.Trigger.Standard() {
		return Request{}, invalid("cannot start an enhanced refresh of model '%s': its workspace is on no capacity", definition.Name).
			WithHint("Send the request without parameters besides notifyOption, or assign the workspace to a capacity.")
	}
	if definition.Dataflow && definition.Zone != nil { // it has no parameter for that
		request.EffectiveDate = definition.today(now)
	}
	shown, err := e.partitioned(ctx, definition)
	if err != nil {
		return Request{}, err
	}
	request.Force, request.Alone = wish.Force, definition.Dataflow
	return request.resolve(shown)
}

// today is the day that it is where the model's schedule is.
func (d Definition) today(now time.Time) time.Time {
	if d.Zone == nil {
		return day(now.UTC())
	}
	return day(now.In(d.Zone))
}

// partitioned is a model with the partitions that it has in the version that readers see now.
func (e *Engine) partitioned(ctx context.Context, definition Definition) (*model.Model, error) {
	if !slices.ContainsFunc(definition.Model.Tables, func(t *model.Table) bool { return t.RefreshPolicy != nil }) {
		return definition.Model, nil
	}
	version, err := e.options.Models.Version(ctx, definition.ID, 0)
	if err != nil {
		return nil, err
	}
	return version.Partitioned(definition.Model), nil
}

// poke makes Run look for operations to take.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Which says which refreshes a call is about.
type Which string

// The choices.
const (
	AnyRefresh   Which = "any"      // Freshet's own routes
	EnhancedOnly Which = "enhanced" // Power BI's routes: standard ones are Invalid with CodeInvalidRequest (R29, R31)
)

// get returns an operation of a model.
func (e *Engine) get(ctx context.Context, model, id string, which Which, verb string) (Operation, error) {
	operation, err := e.options.Log.Get(ctx, id)
	if fault.KindOf(err) == fault.NotFound || err == nil && operation.Model != model {
		return Operation{}, fault.New(fault.NotFound, CodeNotFound, "cannot find refresh %s of this model: there was none, it was dropped, or the history does not keep it any more", id)
	}
	if err != nil {
		return Operation{}, err
	}
	if which == EnhancedOnly && operation.Trigger.Standard() {
		return Operation{}, invalid("cannot %s refresh %s: its type is %s, and only enhanced refreshes (ViaEnhancedApi) can be asked for or cancelled one by one", verb, id, operation.Trigger).
			WithHint("GET and DELETE of /v1.0/freshet/datasets/%s/refreshes/%s, 'freshet show' and 'freshet cancel' serve every kind.", model, id)
	}
	return operation, nil
}

// Detail is an operation with its parts.
type Detail struct {
	Operation Operation
	Objects   []ObjectStatus
	Messages  []Message
	Progress  []Progress  // of the loads that this process has begun since it took the unfinished operation
	Chain     []Operation // the members of its chain, itself among them, each after those that it reads; none without a chain
}

// ObjectStatus tells how far one partition in scope is (R28).
type ObjectStatus struct {
	Table     string
	Partition string
	Status    string // NotStarted, InProgress, Completed, Failed, Cancelled
	Rows      int64  // of finished loads
	Bytes     int64  // of finished loads: of the file
	ReadAt    time.Time
	StartedAt time.Time
	EndedAt   time.Time
	Note      string // why nothing was done
	Failure   *Failure
}

// Detail returns one refresh of a model. An unknown id, and one of another model, is NotFound.
func (e *Engine) Detail(ctx context.Context, model, id string, which Which) (Detail, error) {
	operation, err := e.get(ctx, model, id, which, "show")
	if err != nil {
		return Detail{}, err
	}
	steps, err := e.options.Log.Steps(ctx, id)
	if err != nil {
		return Detail{}, err
	}
	messages, err := e.options.Log.Messages(ctx, id)
	if err != nil {
		return Detail{}, err
	}
	members, err := e.chain(ctx, operation)
	if err != nil {
		return Detail{}, err
	}
	detail := Detail{Operation: operation, Messages: messages, Progress: e.Progress(id), Chain: members.ordered()}
	polled := ObjectStatus{} // of the poll before the step
	for _, step := range steps {
		object := step.status()
		if step.Kind == PollStep {
			polled = object
			continue
		}
		if step.State == StepFinished && operation.State.Finished() {
			what := "done"
			if step.Kind == LoadStep {
				what = "loaded"
			}
			object.Note = what + ", but not shown: the refresh ended as " + string(operation.State)
		}
		if object.Status == "NotStarted" && (polled.Status == "InProgress" || polled.Status == "Failed") {
			object.Status, object.Failure = polled.Status, polled.Failure
		}
		polled = ObjectStatus{}
		detail.Objects = append(detail.Objects, object)
	}
	if len(steps) == 0 && operation.State != Completed && operation.Request.Rollback == nil {
		if detail.Objects, err = e.expected(ctx, operation); err != nil {
			return Detail{}, err
		}
	}
	return detail, nil
}

// expected are the objects of an operation that has no plan yet, or ended without one.
func (e *Engine) expected(ctx context.Context, operation Operation) ([]ObjectStatus, error) {
	definition, err := e.options.Models.RefreshDefinition(ctx, operation.Model)
	if err != nil || definition.Revision != operation.ModelRevision {
		return nil, err
	}
	step := Step{State: StepPlanned}
	if operation.State == Cancelled {
		step.State = StepCancelled
	}
	shown, err := e.partitioned(ctx, definition)
	if err != nil {
		return nil, err
	}
	var objects []ObjectStatus
	for _, target := range operation.Request.scope(shown) {
		step.Table, step.Partition = target.table.Name, target.partition.Name
		objects = append(objects, step.status())
	}
	return objects, nil
}

func (s Step) status() ObjectStatus {
	status := ObjectStatus{
		Table: s.Table, Partition: s.Partition, StartedAt: s.StartedAt, EndedAt: s.EndedAt, Note: s.Note, Failure: s.Failure,
		Rows: s.File.Rows, Bytes: s.File.Bytes, ReadAt: s.ReadAt,
	}
	switch s.State {
	case StepPlanned:
		status.Status = "NotStarted"
	case StepRunning:
		status.Status = "InProgress"
	case StepFinished, StepCommitted, StepSkipped:
		status.Status = "Completed"
		if s.Note == linkedNote {
			status.Status = "Skipped" // as Power BI says of a linked entity
		}
	case StepFailed:
		status.Status = "Failed"
	case StepCancelled:
		status.Status = "Cancelled"
	}
	return status
}

// What Power BI keeps of a history at least, and Freshet whatever it is told: the newest refreshes of a model, and those of a time.
const (
	leastKept     = 60
	leastKeptTime = 3 * 24 * time.Hour
)

// History returns the newest refreshes of a model, newest first; top 0 means 60 (R27).
func (e *Engine) History(ctx context.Context, model string, top int) ([]Operation, error) {
	if top == 0 {
		top = leastKept
	}
	return e.options.Log.List(ctx, Filter{Model: model, Top: top})
}

// ForgetHistory deletes the operations that ended and were accepted longer ago than KeepHistory, but of each model none of the newest 60 and
// nothing of the last 3 days (F12). It returns how many it has deleted.
func (e *Engine) ForgetHistory(ctx context.Context) (deleted int, err error) {
	const most = 100 // who wants to write waits for a transaction's end
	before := e.options.Now().Add(-max(e.options.KeepHistory, leastKeptTime))
	for {
		n, err := e.options.Log.Forget(ctx, before, leastKept, most)
		deleted += n
		if err != nil || n == 0 {
			return deleted, err
		}
	}
}

// Cancel asks for the end of a refresh (R30). It returns without error when the refresh is or will be cancelled, also when that was
// asked before. A finished one is a Conflict.
func (e *Engine) Cancel(ctx context.Context, model, id string, which Which) error {
	if _, err := e.get(ctx, model, id, which, "cancel"); err != nil {
		return err
	}
	operation, err := e.options.Log.Cancel(ctx, id, e.options.Now().UTC())
	if err != nil {
		return err
	}
	e.options.Logger.Info("refresh is to be cancelled", "model", model, "refresh", id, "state", string(operation.State))
	e.mu.Lock()
	if w := e.running[id]; w != nil {
		w.cancel(errCancelled)
	}
	e.mu.Unlock()
	if operation.State.Finished() {
		e.announce()
	}
	return e.cancelChain(ctx, operation)
}

// Progress returns how far the loads of an operation are that this process has begun. It is empty when the operation has ended.
func (e *Engine) Progress(id string) []Progress {
	e.mu.Lock()
	w := e.running[id]
	e.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.tracker.read(e.options.Now())
}

// Wait returns when the operation is finished. It is for callers in the process that runs it.
func (e *Engine) Wait(ctx context.Context, id string) (Operation, error) {
	for {
		changed := e.Ended()
		operation, err := e.options.Log.Get(ctx, id)
		if err != nil || operation.State.Finished() {
			return operation, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return operation, context.Cause(ctx)
		}
	}
}

// Ended returns a channel that is closed when the next operation has ended.
func (e *Engine) Ended() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

// announce wakes those who wait for the end of an operation, and Run, since a queued one may follow.
func (e *Engine) announce() {
	e.mu.Lock()
	close(e.changed)
	e.changed = make(chan struct{})
	e.mu.Unlock()
	e.poke()
}

// capacityOf returns the capacity that serves a model.
func (e *Engine) capacityOf(definition Definition) (*capacity.Capacity, error) {
	if definition.Capacity == "" {
		return e.options.Capacities[0], nil
	}
	for _, c := range e.options.Capacities {
		if c.Name() == definition.Capacity {
			return c, nil
		}
	}
	return nil, fault.New(fault.Invalid, CodeProcessing, "cannot refresh model '%s': the configuration has no capacity '%s'", definition.Name, definition.Capacity).
		WithHint("Add it to capacities, or assign the workspace to another one.")
}
