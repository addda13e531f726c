package logtest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// Memory is a refresh.Log in memory, with the models and versions that belong to it. It is for tests: nothing outlives the process.
type Memory struct {
	mu         sync.Mutex
	models     map[string]refresh.Definition
	revisions  map[string]map[int64]refresh.Definition // of all models, by their numbers
	versions   map[string][]store.Version
	operations []*record // oldest first
}

type record struct {
	operation refresh.Operation
	steps     []refresh.Step
	planned   bool
	messages  []refresh.Message
	pins      map[string]int64 // versions of other items
}

// NewMemory returns an empty log.
func NewMemory() *Memory {
	return &Memory{models: map[string]refresh.Definition{}, revisions: map[string]map[int64]refresh.Definition{}, versions: map[string][]store.Version{}}
}

// Deploy stores a model's definition and makes a version by the change, as a deployment does.
func (m *Memory) Deploy(definition refresh.Definition, change store.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if running := m.running(definition.ID); running != nil {
		return fault.New(fault.Conflict, "", "cannot deploy model %s while refresh %s is unfinished", definition.Name, running.operation.ID)
	}
	m.deploy(definition)
	version := change.Apply(m.current(definition.ID))
	version.ModelRevision = definition.Revision
	m.push(version)
	return nil
}

func (m *Memory) deploy(definition refresh.Definition) {
	m.models[definition.ID] = definition
	if m.revisions[definition.ID] == nil {
		m.revisions[definition.ID] = map[int64]refresh.Definition{}
	}
	m.revisions[definition.ID][definition.Revision] = definition
}

// RefreshDefinition returns the current revision of a model.
func (m *Memory) RefreshDefinition(ctx context.Context, model string) (refresh.Definition, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	definition, known := m.models[model]
	if !known {
		return refresh.Definition{}, fault.New(fault.NotFound, refresh.CodeNotFound, "cannot find model %s", model)
	}
	return definition, nil
}

// CurrentVersion returns the version that readers of the model see now.
func (m *Memory) CurrentVersion(ctx context.Context, model string) (store.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current(model), nil
}

// Version returns one version; 0 is the current one.
func (m *Memory) Version(ctx context.Context, model string, number int64) (store.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if number == 0 {
		return m.current(model), nil
	}
	for _, version := range m.versions[model] {
		if version.Number == number {
			return version, nil
		}
	}
	return store.Version{}, fault.New(fault.NotFound, refresh.CodeNotFound, "cannot find version %d of model %s", number, model)
}

// Versions lists all versions, newest first.
func (m *Memory) Versions(ctx context.Context, model string) ([]store.VersionSummary, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []store.VersionSummary
	for _, version := range slices.Backward(m.versions[model]) {
		summary := store.VersionSummary{
			Number: version.Number, ModelRevision: version.ModelRevision, CommittedAt: version.CommittedAt, Operation: version.Operation, Current: len(list) == 0,
		}
		for _, part := range version.Parts {
			for _, file := range part.Files {
				summary.Rows += file.Rows
				summary.Bytes += file.Bytes
			}
		}
		list = append(list, summary)
	}
	return list, nil
}

// ForgetVersions forgets the versions that nobody needs any more.
func (m *Memory) ForgetVersions(ctx context.Context, since time.Time, pinned []store.Pin) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for model, versions := range m.versions {
		var kept []store.Version
		for i, version := range versions {
			replaced := i+2 < len(versions) && versions[i+1].CommittedAt.Before(since)
			if !replaced || slices.Contains(pinned, store.Pin{Model: model, Number: version.Number}) || m.wanted(model, version.Number) {
				kept = append(kept, version)
			}
		}
		m.versions[model] = kept
	}
	return nil
}

// FilesInUse names the files of all versions that are left and of the steps of unfinished operations.
func (m *Memory) FilesInUse(ctx context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for _, versions := range m.versions {
		for _, version := range versions {
			for _, part := range version.Parts {
				for _, file := range part.Files {
					ids = append(ids, file.ID)
				}
			}
		}
	}
	for _, r := range m.operations {
		for _, step := range r.steps {
			if step.File.ID != "" && !r.operation.State.Finished() {
				ids = append(ids, step.File.ID)
			}
		}
	}
	return ids, nil
}

// wanted tells whether an unfinished rollback goes back to the version, or an unfinished operation reads it.
func (m *Memory) wanted(model string, number int64) bool {
	if m.find(func(r *record) bool { return !r.operation.State.Finished() && r.pins[model] == number }) != nil {
		return true
	}
	running := m.running(model)
	return running != nil && running.operation.Request.Rollback != nil && running.operation.Request.Rollback.Version == number
}

func (m *Memory) current(model string) store.Version {
	if versions := m.versions[model]; len(versions) > 0 {
		return versions[len(versions)-1]
	}
	return store.Version{Model: model}
}

func (m *Memory) push(version store.Version) {
	version.Number++
	m.versions[version.Model] = append(m.versions[version.Model], version)
}

// running returns the unfinished operation of the model that is not queued, or nil.
func (m *Memory) running(model string) *record {
	return m.find(func(r *record) bool {
		return r.operation.Model == model && !r.operation.State.Finished() && r.operation.State != refresh.Queued
	})
}

func (m *Memory) find(match func(*record) bool) *record {
	if i := slices.IndexFunc(m.operations, match); i >= 0 {
		return m.operations[i]
	}
	return nil
}

func (m *Memory) get(id string) (*record, error) {
	if r := m.find(func(r *record) bool { return r.operation.ID == id }); r != nil {
		return r, nil
	}
	return nil, fault.New(fault.NotFound, refresh.CodeNotFound, "cannot find refresh %s", id)
}

func (m *Memory) owned(lease refresh.Lease) (*record, error) {
	r, err := m.get(lease.Operation)
	if err == nil && r.operation.Epoch != lease.Epoch {
		err = fault.New(fault.Conflict, refresh.CodeStale, "cannot write to refresh %s as owner %d: owner %d has taken over", lease.Operation, lease.Epoch, r.operation.Epoch)
	}
	return r, err
}

func wrongState(id string, has, wants any) error {
	return fault.New(fault.Conflict, refresh.CodeState, "cannot write to refresh %s: it is %v, not %v", id, has, wants)
}

func (r *record) snapshot() refresh.Operation {
	operation := r.operation
	operation.Attempts = slices.Clone(operation.Attempts)
	return operation
}

// Submit implements refresh.Log, as all that follows.
func (m *Memory) Submit(ctx context.Context, operation refresh.Operation, quota refresh.Quota, warnings []refresh.Message, followers ...refresh.Operation) (refresh.Outcome, refresh.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, new := range append([]refresh.Operation{operation}, followers...) {
		definition, known := m.models[new.Model]
		if !known {
			return "", refresh.Operation{}, fault.New(fault.NotFound, refresh.CodeNotFound, "cannot find model %s", new.Model)
		}
		if definition.Revision != new.ModelRevision {
			return "", refresh.Operation{}, fault.New(fault.Conflict, refresh.CodeRevision, "cannot refresh revision %d of model %s: it is at revision %d", new.ModelRevision, new.Model, definition.Revision)
		}
	}
	if rollback := operation.Request.Rollback; rollback != nil && !slices.ContainsFunc(m.versions[operation.Model], func(v store.Version) bool { return v.Number == rollback.Version }) {
		return "", refresh.Operation{}, fault.New(fault.Invalid, refresh.CodeVersion, "cannot find version %d", rollback.Version)
	}
	accepted := 0
	for _, r := range m.operations {
		chain := r.operation.Request.Chain
		if r.operation.Model == operation.Model && !r.operation.AcceptedAt.Before(quota.Since) && r.operation.Trigger != refresh.OnDemand && (chain == nil || chain.Root == r.operation.ID) {
			accepted++
		}
	}
	over := quota.Most > 0 && accepted >= quota.Most
	outcome := refresh.OutcomeAccepted
	if running := m.running(operation.Model); running != nil {
		queued := m.queued(operation.Model)
		switch {
		case !operation.Queues() || !running.operation.Queues() || queued != nil && !queued.operation.Queues():
			return refresh.OutcomeConflict, running.snapshot(), nil
		case over:
		case queued != nil:
			return refresh.OutcomeDropped, running.snapshot(), nil
		}
		outcome, operation.State = refresh.OutcomeQueued, refresh.Queued
	}
	if over {
		return refresh.OutcomeOverQuota, refresh.Operation{}, nil
	}
	for _, follower := range followers {
		if queued := m.queued(follower.Model); queued != nil {
			return refresh.OutcomeConflict, queued.snapshot(), nil
		}
	}
	r := &record{operation: operation, messages: slices.Clone(warnings)}
	m.operations = append(m.operations, r)
	for _, follower := range followers {
		follower.State = refresh.Accepted
		if m.running(follower.Model) != nil {
			follower.State = refresh.Queued
		}
		m.operations = append(m.operations, &record{operation: follower})
	}
	return outcome, r.snapshot(), nil
}

func (m *Memory) queued(model string) *record {
	return m.find(func(r *record) bool { return r.operation.Model == model && r.operation.State == refresh.Queued })
}

func (m *Memory) Get(ctx context.Context, id string) (refresh.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.get(id)
	if err != nil {
		return refresh.Operation{}, err
	}
	return r.snapshot(), nil
}

func (m *Memory) List(ctx context.Context, filter refresh.Filter) ([]refresh.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []refresh.Operation
	for _, r := range slices.Backward(m.operations) {
		if chain := r.operation.Request.Chain; filter.Chain != "" && (chain == nil || chain.Root != filter.Chain) {
			continue
		}
		if chain := r.operation.Request.Chain; filter.Asked && chain != nil && chain.Root != r.operation.ID {
			continue
		}
		if (filter.Model == "" || r.operation.Model == filter.Model) && (filter.Trigger == "" || r.operation.Trigger == filter.Trigger) {
			list = append(list, r.snapshot())
		}
	}
	slices.SortStableFunc(list, func(a, b refresh.Operation) int { return b.AcceptedAt.Compare(a.AcceptedAt) })
	if filter.Top > 0 && len(list) > filter.Top {
		list = list[:filter.Top]
	}
	return list, nil
}

func (m *Memory) Unfinished(ctx context.Context) ([]refresh.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []refresh.Operation
	for _, r := range m.operations {
		if !r.operation.State.Finished() {
			list = append(list, r.snapshot())
		}
	}
	slices.SortStableFunc(list, func(a, b refresh.Operation) int { return a.AcceptedAt.Compare(b.AcceptedAt) })
	return list, nil
}

func (m *Memory) Steps(ctx context.Context, id string) ([]refresh.Step, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.get(id)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.steps), nil
}

func (m *Memory) Messages(ctx context.Context, id string) ([]refresh.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.get(id)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.messages), nil
}

func (m *Memory) Forget(ctx context.Context, before time.Time, keep, most int) (int, error) {
	newest, err := m.List(ctx, refresh.Filter{})
	if err != nil {
		return 0, err
	}
	kept := map[string]int{}
	var old []string // of all models, the oldest last
	for _, operation := range newest {
		if kept[operation.Model]++; kept[operation.Model] > keep && operation.State.Finished() && operation.AcceptedAt.Before(before) {
			old = append(old, operation.ID)
		}
	}
	old = old[max(len(old)-most, 0):]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.operations = slices.DeleteFunc(m.operations, func(r *record) bool { return slices.Contains(old, r.operation.ID) })
	return len(old), nil
}

func (m *Memory) Claim(ctx context.Context, id string, epoch int64, owner string, now time.Time) (refresh.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(refresh.Lease{Operation: id, Epoch: epoch})
	if err != nil {
		return refresh.Operation{}, err
	}
	if state := r.operation.State; state.Finished() || state == refresh.Queued {
		return refresh.Operation{}, wrongState(id, state, "one to work on")
	}
	if before := r.operation.Heartbeat; r.operation.State == refresh.Accepted && r.operation.Epoch > 0 {
		r.operation.WaitsSince = r.operation.WaitsSince.Add(now.Sub(before))
	} else {
		r.operation.WaitsSince = now
	}
	r.operation.Epoch++
	r.operation.Owner, r.operation.Heartbeat = owner, now
	return r.snapshot(), nil
}

func (m *Memory) Heartbeat(ctx context.Context, lease refresh.Lease, now time.Time, worked time.Duration) (refresh.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return "", err
	}
	r.operation.Heartbeat = now
	if last := r.lastAttempt(); last != nil && last.EndedAt.IsZero() {
		last.Worked = worked
	}
	return r.operation.State, nil
}

func (r *record) lastAttempt() *refresh.Attempt {
	if n := len(r.operation.Attempts); n > 0 {
		return &r.operation.Attempts[n-1]
	}
	return nil
}

// move sets the state with all that belongs to it.
func (m *Memory) move(r *record, to refresh.State, at time.Time, failure *refresh.Failure) {
	r.operation.State = to
	if to == refresh.Running && r.operation.StartedAt.IsZero() {
		r.operation.StartedAt = at
	}
	if !to.Finished() {
		return
	}
	r.operation.EndedAt, r.operation.Failure = at, failure
	if last := r.lastAttempt(); last != nil && last.EndedAt.IsZero() {
		last.EndedAt = at
	}
	for i := range r.steps {
		if state := r.steps[i].State; state == refresh.StepPlanned || state == refresh.StepRunning {
			r.steps[i].State, r.steps[i].EndedAt = refresh.StepCancelled, at
		}
	}
	if queued := m.queued(r.operation.Model); queued != nil && m.running(r.operation.Model) == nil {
		queued.operation.State = refresh.Accepted
	}
}

func (m *Memory) Transition(ctx context.Context, lease refresh.Lease, change refresh.Transition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return err
	}
	if r.operation.State != change.From || !change.From.CanBecome(change.To) {
		return wrongState(lease.Operation, r.operation.State, change.From)
	}
	r.messages = append(r.messages, change.Messages...)
	m.move(r, change.To, change.At, change.Failure)
	return nil
}

func (m *Memory) Cancel(ctx context.Context, id string, now time.Time) (refresh.Operation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.get(id)
	if err != nil {
		return refresh.Operation{}, err
	}
	next, err := r.operation.State.AfterCancel()
	if err != nil {
		return r.snapshot(), err
	}
	if next != r.operation.State {
		m.move(r, next, now, nil)
	}
	return r.snapshot(), nil
}

func (m *Memory) Plan(ctx context.Context, lease refresh.Lease, steps []refresh.Step, messages []refresh.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return err
	}
	if r.planned {
		return wrongState(lease.Operation, "planned", "unplanned")
	}
	r.planned, r.steps = true, slices.Clone(steps)
	r.messages = append(r.messages, messages...)
	return nil
}

func (m *Memory) BeginAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return err
	}
	if has := len(r.operation.Attempts); attempt.Number != has+1 {
		return wrongState(lease.Operation, has, attempt.Number-1)
	}
	r.operation.Attempts = append(r.operation.Attempts, attempt)
	return nil
}

func (m *Memory) EndAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return err
	}
	return r.endAttempt(attempt)
}

func (r *record) endAttempt(attempt refresh.Attempt) error {
	last := r.lastAttempt()
	if last == nil || last.Number != attempt.Number || !last.EndedAt.IsZero() {
		return wrongState(r.operation.ID, "not in that attempt", attempt.Number)
	}
	attempt.StartedAt = last.StartedAt
	*last = attempt
	return nil
}

func (m *Memory) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.steps, func(s refresh.Step) bool { return s.Number == step.Number })
	if i < 0 || r.steps[i].State != from {
		return wrongState(lease.Operation, "with another step state", from)
	}
	r.steps[i] = step
	r.messages = append(r.messages, messages...)
	return nil
}

func (m *Memory) Pin(ctx context.Context, lease refresh.Lease, item string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return 0, err
	}
	if r.pins[item] == 0 {
		if len(m.versions[item]) == 0 {
			return 0, fault.New(fault.NotFound, refresh.CodeNotFound, "cannot find item %s", item)
		}
		if r.pins == nil {
			r.pins = map[string]int64{}
		}
		r.pins[item] = m.current(item).Number
	}
	return r.pins[item], nil
}

func (m *Memory) AddMessages(ctx context.Context, lease refresh.Lease, messages []refresh.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := m.owned(lease)
	if err != nil {
		return err
	}
	r.messages = append(r.messages, messages...)
	return nil
}

func (m *Memory) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commit(lease, commit)
}

func (m *Memory) CommitAll(ctx context.Context, commits []refresh.LeasedCommit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := Memory{models: maps.Clone(m.models), versions: maps.Clone(m.versions), revisions: map[string]map[int64]refresh.Definition{}}
	for model, revisions := range m.revisions {
		before.revisions[model] = maps.Clone(revisions)
	}
	for _, r := range m.operations {
		before.operations = append(before.operations, &record{operation: r.snapshot(), steps: slices.Clone(r.steps), planned: r.planned, messages: slices.Clone(r.messages)})
	}
	for _, part := range commits {
		if _, err := m.commit(part.Lease, part.Commit); err != nil {
			m.models, m.versions, m.revisions, m.operations = before.models, before.versions, before.revisions, before.operations
			return err
		}
	}
	return nil
}

func (m *Memory) commit(lease refresh.Lease, commit refresh.Commit) (int64, error) {
	r, err := m.owned(lease)
	if err != nil {
		return 0, err
	}
	base := m.current(r.operation.Model)
	switch {
	case r.operation.State != commit.From || commit.From != commit.To && !commit.From.CanBecome(commit.To):
		return 0, wrongState(lease.Operation, r.operation.State, commit.From)
	case base.Number != commit.Base:
		return 0, wrongState(lease.Operation, base.Number, commit.Base)
	case m.models[r.operation.Model].Revision != commit.ModelRevision:
		return 0, fault.New(fault.Conflict, refresh.CodeRevision, "cannot commit refresh %s: its model is at revision %d, not %d", lease.Operation, m.models[r.operation.Model].Revision, commit.ModelRevision)
	}
	for _, number := range commit.Steps {
		if i := number - 1; i < 0 || i >= len(r.steps) || r.steps[i].State != refresh.StepFinished {
			return 0, wrongState(lease.Operation, "with an unfinished step", refresh.StepFinished)
		}
	}
	if commit.Attempt != nil {
		if err := r.endAttempt(*commit.Attempt); err != nil {
			return 0, err
		}
	}
	for _, number := range commit.Steps {
		r.steps[number-1].State = refresh.StepCommitted
	}
	if !commit.Empty() {
		next := commit.Change.Apply(base)
		if commit.Definition != 0 {
			definition := m.revisions[r.operation.Model][commit.Definition]
			definition.Revision = commit.ModelRevision + 1
			m.deploy(definition)
			next.ModelRevision = definition.Revision
		}
		if len(commit.Columns) > 0 {
			definition := m.models[r.operation.Model]
			definition.Revision++
			definition.Model = definition.Model.WithColumns(commit.Columns)
			m.deploy(definition)
			next.ModelRevision = definition.Revision
			if queued := m.queued(r.operation.Model); queued != nil {
				queued.operation.ModelRevision = definition.Revision
			}
		}
		next.CommittedAt, next.Operation = commit.At, lease.Operation
		m.push(next)
		r.operation.Version = base.Number + 1
	}
	r.messages = append(r.messages, commit.Messages...)
	m.move(r, commit.To, commit.At, nil)
	return m.current(r.operation.Model).Number, nil
}
