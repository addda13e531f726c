package refresh

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/fault"
)

// The codes of chains.
const (
	// Failure or Conflict: another dataflow of the same chain was not refreshed, so that this one was not, either.
	// Do: see why the dataflow that the text names failed; a workspace can let each commit by itself (freshet workspace set --chains commitEach).
	CodeChain = "DataflowChainFailed"

	// Invalid: dataflows of a workspace read each other in a circle.
	// Do: let one of those that the text names read its source instead.
	CodeCircle = "DataflowCircle"
)

// Chain makes an operation one of several that are stored together (F14): the refresh of a dataflow, and those of the dataflows of its workspace that
// read it, directly or through others.
//
// A member begins when those that it reads are done. Without Each a member that has done its steps rests in Committing until all of them have, and one
// transaction commits them all; with Each it commits by itself.
type Chain struct {
	Root  string   // the id of the operation that was asked for
	After []string // the ids of the operations whose results this one reads
	Each  bool     // each commits by itself; else all of them or none
}

// chains reads the dataflows that may be refreshed together.
type chains interface {
	// Siblings returns all dataflows in the workspace of one, itself among them, by their names.
	Siblings(ctx context.Context, dataflow string) ([]Sibling, error)
}

// Sibling is the current revision of a dataflow, with those that it reads.
type Sibling struct {
	Definition
	Reads []string // ids, each once; those of dataflows in other workspaces mean nothing here
}

// followers lists the dataflows that read a dataflow, directly or through others, each after those that it reads.
func (e *Engine) followers(ctx context.Context, root Definition) ([]Sibling, error) {
	if e.options.Chains == nil || !root.Dataflow {
		return nil, nil
	}
	siblings, err := e.options.Chains.Siblings(ctx, root.ID)
	if err != nil {
		return nil, err
	}
	reads := map[string][]string{} // by id
	names := map[string]string{}
	for _, sibling := range siblings {
		names[sibling.ID] = sibling.Name
	}
	for _, sibling := range siblings {
		reads[sibling.ID] = slices.DeleteFunc(slices.Clone(sibling.Reads), func(id string) bool { return names[id] == "" })
	}
	reached := map[string]bool{root.ID: true}
	for again := true; again; {
		again = false
		for id, read := range reads {
			if !reached[id] && slices.ContainsFunc(read, func(other string) bool { return reached[other] }) {
				reached[id], again = true, true
			}
		}
	}
	if slices.ContainsFunc(reads[root.ID], func(id string) bool { return reached[id] }) {
		return nil, circle(root.Name, reads[root.ID], reached, names)
	}
	var list []Sibling
	placed := map[string]bool{root.ID: true}
	for len(placed) < len(reached) {
		before := len(placed)
		for _, sibling := range siblings {
			if !reached[sibling.ID] || placed[sibling.ID] || slices.ContainsFunc(reads[sibling.ID], func(id string) bool { return reached[id] && !placed[id] }) {
				continue
			}
			placed[sibling.ID] = true
			list = append(list, Sibling{sibling.Definition, slices.DeleteFunc(reads[sibling.ID], func(id string) bool { return !reached[id] })})
		}
		if len(placed) == before {
			var left []string
			for id := range reached {
				if !placed[id] {
					left = append(left, id)
				}
			}
			slices.Sort(left)
			return nil, circle(root.Name, left, reached, names)
		}
	}
	return list, nil
}

func circle(root string, ids []string, reached map[string]bool, names map[string]string) error {
	var told []string
	for _, id := range ids {
		if reached[id] {
			told = append(told, "'"+names[id]+"'")
		}
	}
	return fault.New(fault.Invalid, CodeCircle, "cannot refresh dataflow '%s' and those that read it: they read each other in a circle (%s)", root, strings.Join(told, ", ")).
		WithHint("Let one of them read its source instead.")
}

// chained makes the operation of a dataflow the root of a chain, and returns the others in their order.
func (e *Engine) chained(root *Operation, followers []Sibling, each bool) []Operation {
	if len(followers) == 0 {
		return nil
	}
	root.Request.Chain = &Chain{Root: root.ID, Each: each}
	operations := map[string]string{root.Model: root.ID} // by dataflow
	var list []Operation
	for _, f := range followers {
		operation := *root
		operation.ID, operation.Model, operation.ModelRevision = e.options.NewID(), f.ID, f.Revision
		operation.Request.Objects, operation.Request.EffectiveDate = nil, f.today(root.AcceptedAt)
		chain := &Chain{Root: root.ID, Each: each}
		for _, read := range f.Reads {
			chain.After = append(chain.After, operations[read])
		}
		operation.Request.Chain = chain
		operations[f.ID] = operation.ID
		list = append(list, operation)
	}
	return list
}

// links are the members of a chain, as their rows are now.
type links []Operation

// chain reads the members of an operation's chain; none for one that has no chain.
func (e *Engine) chain(ctx context.Context, operation Operation) (links, error) {
	if operation.Request.Chain == nil {
		return nil, nil
	}
	return e.options.Log.List(ctx, Filter{Chain: operation.Request.Chain.Root})
}

// root is the member that was asked for.
func (l links) root() Operation { return l.ordered()[0] }

// ordered are the members in the order of their submission, in which each comes after those that it reads.
func (l links) ordered() links {
	ordered := slices.Clone(l)
	slices.Reverse(ordered)
	return ordered
}

// broken returns the member whose end is that of an unfinished one, too: of a chain that commits as a whole any that has ended otherwise than Completed,
// else one that it reads. Where several have, it is one that has a cause of its own.
func (l links) broken(operation Operation) *Operation {
	var found *Operation
	for i, other := range l {
		if other.ID == operation.ID || !other.State.Finished() || other.State == Completed {
			continue
		}
		if !operation.Request.Chain.Each || slices.Contains(operation.Request.Chain.After, other.ID) {
			if found = &l[i]; other.Failure == nil || other.Failure.Code != CodeChain {
				return found
			}
		}
	}
	return found
}

// ready tells whether those that an operation reads are done.
func (l links) ready(operation Operation) bool {
	for _, other := range l {
		if slices.Contains(operation.Request.Chain.After, other.ID) && other.State != Completed && (operation.Request.Chain.Each || other.State != Committing) {
			return false
		}
	}
	return true
}

// loaded tells whether every member of a chain that commits as a whole has done its steps.
func (l links) loaded() bool {
	return !slices.ContainsFunc(l, func(o Operation) bool { return o.State != Committing })
}

// before lists the ids of the members that an operation comes after, also through others.
func (l links) before(operation Operation) []string {
	ids := slices.Clone(operation.Request.Chain.After)
	for i := 0; i < len(ids); i++ {
		for _, member := range l {
			if member.ID != ids[i] {
				continue
			}
			for _, id := range member.Request.Chain.After {
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}

// rested tells whether the operation has done its steps and waits for the others of a chain that commits as a whole. Those may have read what it has
// loaded, so that it is not loaded again.
func (o Operation) rested() bool {
	return o.State == Committing && o.Request.Chain != nil && !o.Request.Chain.Each
}

// waits tells whether a member of a chain is to be left alone: it waits for those that it reads, or has done its steps and waits for others. One whose
// chain is broken does not wait: it is to end.
func (e *Engine) waits(ctx context.Context, operation Operation) bool {
	if operation.Request.Chain == nil || operation.State != Accepted && operation.State != Committing {
		return false
	}
	members, err := e.chain(ctx, operation)
	if err != nil {
		return true // it cannot be told now
	}
	if members.broken(operation) != nil {
		return false
	}
	if operation.State == Committing {
		return operation.rested() && !members.loaded()
	}
	return !members.ready(operation)
}

// cancelChain asks for the end of the others of a chain, one of which is to be cancelled: of those that would fail because of it.
func (e *Engine) cancelChain(ctx context.Context, operation Operation) error {
	members, err := e.chain(ctx, operation)
	if err != nil {
		return err
	}
	ended := []string{operation.ID}
	for _, member := range members.ordered() {
		after := slices.ContainsFunc(member.Request.Chain.After, func(id string) bool { return slices.Contains(ended, id) })
		if member.ID == operation.ID || member.State.Finished() || member.Request.Chain.Each && !after {
			continue
		}
		ended = append(ended, member.ID)
		if _, err := e.options.Log.Cancel(ctx, member.ID, e.options.Now().UTC()); err != nil && fault.CodeOf(err) != CodeFinished {
			return err
		}
		e.mu.Lock()
		if w := e.running[member.ID]; w != nil {
			w.cancel(errCancelled)
		}
		e.mu.Unlock()
	}
	e.announce()
	return nil
}

// breakOff ends what runs here of a chain that is broken.
func (e *Engine) breakOff(ctx context.Context, operation Operation) {
	e.mu.Lock()
	w := e.running[operation.ID]
	e.mu.Unlock()
	if w == nil || operation.Request.Chain == nil {
		return
	}
	if members, err := e.chain(ctx, operation); err == nil && members.broken(operation) != nil {
		w.cancel(errChain)
	}
}

// endWithChain ends the operation because its chain is broken.
func (w *work) endWithChain(base context.Context) error {
	members, err := w.engine.chain(base, w.operation)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(members, func(o Operation) bool { return o.ID == w.operation.ID && o.State.Finished() }) {
		return nil
	}
	other := members.broken(w.operation)
	if other == nil {
		return fault.New(fault.Internal, CodeInternal, "cannot tell why the chain of refresh %s ends", w.operation.ID)
	}
	return w.fail(base, Failed, w.engine.chainFailure(base, members, *other))
}

// chainFailure is that of a member because of another one.
func (e *Engine) chainFailure(ctx context.Context, members links, other Operation) *Failure {
	name := func(member Operation) string {
		if definition, err := e.options.Models.RefreshDefinition(ctx, member.Model); err == nil {
			return "'" + definition.Name + "'"
		}
		return member.Model
	}
	why := "it was cancelled"
	if other.Failure != nil {
		why = strings.TrimSuffix(other.Failure.Message, ".")
	}
	return failureOf(fault.New(fault.Conflict, CodeChain, "cannot refresh the dataflow: dataflow %s, which is refreshed with it, ended as %s: %s", name(other), other.State, why).
		WithHint("Nothing of this dataflow has changed. Refresh %s again when that one can be refreshed; those that read it follow.", name(members.root())))
}

// goOn goes on with a member that has rested: it stays in Committing, in which others read what it has loaded.
func (w *work) goOn(base context.Context) error {
	w.rested = true
	if err := w.plan(base); err != nil {
		return err
	}
	if err := w.beginAttempt(base); err != nil {
		return err
	}
	return w.finishChain(base)
}

// finishChain ends the operation's part in a chain that commits as a whole. The last one that comes here commits all; the others are left in Committing.
func (w *work) finishChain(base context.Context) error {
	members, err := w.engine.chain(base, w.operation)
	if err != nil {
		return err
	}
	if !members.loaded() {
		w.sayLastWords(base)
		w.log.Info("refresh waits for the others of its chain")
		return nil
	}
	var parts []LeasedCommit
	refusals := false
	at := w.now() // one commit has one time
	for _, member := range members {
		part := w
		if member.ID != w.operation.ID {
			if part, err = w.engine.resting(base, member); err != nil {
				return err
			}
		}
		commit, err := part.wholeCommit(base, at)
		var refused guarded
		if errors.As(err, &refused) {
			// It ends with what its guards say, and the others because of it. One that somebody else has taken ends because of the first.
			failure, messages := refused.failure(w.now())
			if err := part.end(base, Failed, failure, messages); err != nil && fault.CodeOf(err) != CodeStale {
				return err
			}
			refusals = true
			continue
		}
		if err != nil {
			return err
		}
		parts = append(parts, LeasedCommit{part.lease, commit})
	}
	if refusals {
		return w.endWithChain(base)
	}
	err = w.write(base, "the commit of the chain", func(ctx context.Context) error { return w.engine.options.Log.CommitAll(ctx, parts) },
		func(ctx context.Context) (bool, error) { return w.reached(ctx, Completed) })
	if err = w.lostTo(base, err); fault.CodeOf(err) == CodeState || fault.CodeOf(err) == CodeStale {
		if operation, reading := w.read(base); reading == nil && operation.State.Finished() {
			return nil // another member was faster
		}
		return fault.New(fault.Unavailable, CodeState, "cannot commit the chain before the next look: %w", err) // a member was claimed, or is being cancelled
	}
	if err != nil {
		return err
	}
	w.log.Info("refresh ended, and with it its chain", "state", string(Completed), "dataflows", len(parts))
	return nil
}

// resting is a member that waits in Committing, as its owner has left it.
func (e *Engine) resting(ctx context.Context, member Operation) (*work, error) {
	definition, err := e.options.Models.RefreshDefinition(ctx, member.Model)
	if err != nil {
		return nil, err
	}
	steps, err := e.options.Log.Steps(ctx, member.ID)
	if err != nil {
		return nil, err
	}
	w := &work{engine: e, operation: member, lease: Lease{member.ID, member.Epoch}, definition: definition, steps: steps, forced: map[string]bool{},
		log: e.options.Logger.With("model", member.Model, "refresh", member.ID)}
	if last := w.lastAttempt(); last != nil {
		w.attempt, w.resumed = *last, e.options.Now().UTC()
	}
	return w, nil
}

// wholeCommit is the commit of all that is finished, on the version that is current. Where guards refuse it the error is guarded.
func (w *work) wholeCommit(ctx context.Context, at time.Time) (Commit, error) {
	steps := w.finished()
	version, err := w.engine.options.Models.Version(ctx, w.operation.Model, 0)
	if err != nil {
		return Commit{}, err
	}
	ended := w.ended(nil)
	ended.EndedAt = at
	commit := Commit{From: Committing, To: Completed, At: at, Attempt: &ended, ModelRevision: w.operation.ModelRevision, Base: version.Number}
	for _, step := range steps {
		commit.Steps = append(commit.Steps, step.Number)
	}
	_, err = w.shows(&commit, version, steps)
	return commit, err
}

// upstream is a dataflow as its member of the chain has made it and not committed it yet; false when it is none of those that this
// operation reads.
func (w *work) upstream(ctx context.Context, dataflow string) (input, bool, error) {
	chain := w.operation.Request.Chain
	if chain == nil || chain.Each {
		return input{}, false, nil
	}
	members, err := w.engine.chain(ctx, w.operation)
	if err != nil {
		return input{}, false, err
	}
	before := members.before(w.operation)
	for _, member := range members {
		if member.Model != dataflow || !slices.Contains(before, member.ID) {
			continue
		}
		if member.State != Committing {
			if other := members.broken(w.operation); other != nil {
				return input{}, false, errChain
			}
			return input{}, false, fault.New(fault.Conflict, CodeState, "cannot read dataflow %s: its refresh in the chain is %s", dataflow, member.State)
		}
		other, err := w.engine.resting(ctx, member)
		if err != nil {
			return input{}, false, err
		}
		version, m, err := other.staged(ctx, other.definition.Model)
		return input{version, m}, true, err
	}
	return input{}, false, nil
}
