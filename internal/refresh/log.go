package refresh

import (
	"context"
	"time"

	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// Log keeps operations durably. It is one of Freshet's seams: the catalog implements it on each database, and every implementation
// passes the suite of package logtest.
//
// Every write is a compare-and-set in one transaction, durable when the call returns without error. Writes of an owner carry its Lease:
// when the operation's epoch is not the lease's, nothing is written and the error has CodeStale. A write that expects a state and
// finds another writes nothing either; its error has CodeState. Both are Conflicts. An unknown operation is NotFound with CodeNotFound.
//
// No call reads a clock: times are arguments, stored and returned in UTC with at least microseconds.
type Log interface {
	// Submit decides in one transaction what becomes of a new operation, in this order:
	//   - an enhanced operation that meets an unfinished one of its model, or any that meets an enhanced one, is a Conflict;
	//   - one beyond the quota is OverQuota;
	//   - when the model has no unfinished operation it is stored as Accepted;
	//   - when it has none that is Queued it is stored as Queued;
	//   - else it is Dropped.
	// Of all but the Accepted and the Queued one nothing is stored, and nothing counts toward a quota.
	// The returned operation is the stored one, or for Conflict and Dropped the one in the way: the one in any state but Queued.
	// The operation's model must exist with the operation's revision; a different revision is a Conflict error with CodeRevision. The version
	// that a rollback names must exist, else the error is Invalid with CodeVersion; it is kept while the rollback is unfinished.
	// Rollbacks are Conflicts where enhanced operations are: see Operation.Queues.
	//
	// The others of the operation's chain are stored with it or not at all: Accepted, or Queued behind an unfinished one of their model. When one
	// is Queued there already the outcome is Conflict and that one is returned. They count toward no quota.
	Submit(ctx context.Context, op Operation, quota Quota, warnings []Message, followers ...Operation) (Outcome, Operation, error)

	// Get returns an operation with its attempts.
	Get(ctx context.Context, id string) (Operation, error)
	// List returns operations with their attempts, newest first: by AcceptedAt, then by the order of submission.
	List(ctx context.Context, filter Filter) ([]Operation, error)
	// Unfinished returns the operations of all models that are not finished, oldest first.
	Unfinished(ctx context.Context) ([]Operation, error)
	// Steps returns the steps of an operation by number; none before they were planned.
	Steps(ctx context.Context, id string) ([]Step, error)
	// Messages returns the messages of an operation in the order of their writing.
	Messages(ctx context.Context, id string) ([]Message, error)

	// Forget deletes in one transaction, with all that belongs to them, at most so many of the operations that have ended, were accepted before
	// the given time and are not among the newest keep (1 or more) of their model; the oldest of a model first. It may delete fewer, so as not to be in
	// the way of other writes, and returns how many: 0 when there are none left. Versions stay, and go on naming the operation that made them.
	Forget(ctx context.Context, before time.Time, keep, most int) (int, error)

	// Claim makes owner the owner of an unfinished operation that is not Queued and whose epoch is still the given one: the epoch grows
	// by one, the heartbeat is now. An Accepted operation stays Accepted: Transition to Running follows. WaitsSince becomes now, but for an
	// Accepted one that had an owner before: it moves on by the time since that one's heartbeat.
	Claim(ctx context.Context, id string, epoch int64, owner string, now time.Time) (Operation, error)
	// Heartbeat stores that the owner lives and how long it has worked on the last attempt (nothing when there is none, or it has ended),
	// and returns the operation's state.
	Heartbeat(ctx context.Context, lease Lease, now time.Time, worked time.Duration) (State, error)
	// Transition moves the operation from one state to another, as CanBecome allows. Going to Running for the first time sets
	// StartedAt; going to a final state sets EndedAt and Failure, ends the attempt that nobody has ended, turns the steps that are not done
	// (Planned, Running) to StepCancelled, and turns the model's Queued operation, if any, to Accepted with its place in the history unchanged.
	Transition(ctx context.Context, lease Lease, change Transition) error
	// Cancel asks for the end of an operation: its state becomes what AfterCancel says (whose error it returns), with everything that
	// Transition does for a final state. It is for anybody, not only the owner. The operation as it is then is returned.
	Cancel(ctx context.Context, id string, now time.Time) (Operation, error)

	// Plan stores the operation's steps and the messages of the planning, once: a second Plan is a Conflict with CodeState.
	Plan(ctx context.Context, lease Lease, steps []Step, messages []Message) error
	// BeginAttempt stores a new attempt; its number is one more than that of the last, or the error has CodeState.
	BeginAttempt(ctx context.Context, lease Lease, attempt Attempt) error
	// EndAttempt stores the end of the last attempt, which must be the given one and not have ended: EndedAt, Worked, Failure.
	EndAttempt(ctx context.Context, lease Lease, attempt Attempt) error
	// PutStep replaces the step of that number, whose stored state must be from, and stores messages with it.
	PutStep(ctx context.Context, lease Lease, from StepState, step Step, messages []Message) error
	// Pin notes that the operation reads another item, in the version that its readers see now, and returns that version's number; every later call
	// returns the same. It is kept while the operation is unfinished. An unknown item is NotFound with CodeNotFound.
	Pin(ctx context.Context, lease Lease, item string) (version int64, err error)
	// AddMessages stores messages.
	AddMessages(ctx context.Context, lease Lease, messages []Message) error

	// Commit makes a change visible: in ONE transaction the next version of the model exists and is current, the named steps are
	// Committed, and the operation is in state To. It changes nothing and returns a Conflict: CodeStale for another epoch, CodeState for
	// another state than From or another current version than Base, CodeRevision for another model revision. When it names a
	// Definition, the model's next revision, with that one's text, is deployed in the same transaction, and the version belongs to it. So it is
	// when it names Columns: the next revision is the present one with those.
	// It returns the number of the version that is current afterwards: a change of nothing makes no version.
	Commit(ctx context.Context, lease Lease, commit Commit) (version int64, err error)
	// CommitAll makes the commits of several operations in ONE transaction: all, or none with the error of one.
	CommitAll(ctx context.Context, commits []LeasedCommit) error
}

// Lease is the right to write to an operation: that of its epoch's owner.
type Lease struct {
	Operation string
	Epoch     int64
}

// Outcome is what became of a submitted operation.
type Outcome string

// The outcomes of Submit.
const (
	OutcomeAccepted  Outcome = "Accepted"  // stored; it starts as soon as it can
	OutcomeQueued    Outcome = "Queued"    // stored; it starts when the running one has ended
	OutcomeDropped   Outcome = "Dropped"   // not stored: one runs and one is queued (R7)
	OutcomeConflict  Outcome = "Conflict"  // not stored: one is unfinished (R6)
	OutcomeOverQuota Outcome = "OverQuota" // not stored: the day's refreshes have been used up (R36)
)

// Quota is how many operations of the new one's model, OnDemand ones not counted, may have been accepted at or after a time, the new one
// included. The zero value bounds nothing.
type Quota struct {
	Since time.Time
	Most  int // 0 = no bound
}

// Filter chooses operations.
type Filter struct {
	Model   string  // "" = of all models
	Trigger Trigger // "" = of every kind
	Chain   string  // the root's id; "" = whether in a chain or not
	Asked   bool    // without those that only follow another operation of their chain
	Top     int     // 0 = all that are kept
}

// Transition is a change of state.
type Transition struct {
	From, To State
	At       time.Time
	Failure  *Failure  // kept with the operation when To is final
	Messages []Message // stored with it
}

// Commit is the transaction that shows rows to readers.
type Commit struct {
	From, To      State // From Committing to Completed; for one object of a partialBatch both Running
	At            time.Time
	ModelRevision int64 // must be the model's
	Base          int64 // must be the number of the current version
	Change        store.Change
	Columns       []*model.Table // tables whose inferred columns are others than the definition has; only their names and columns count
	Definition    int64          // the revision whose definition is deployed again; 0 = the model's stays
	Steps         []int          // become StepCommitted; must be StepFinished
	Attempt       *Attempt       // ends with it, when To is final
	Messages      []Message      // stored with it
}

// LeasedCommit is a commit with the lease of its operation.
type LeasedCommit struct {
	Lease  Lease
	Commit Commit
}

// Empty tells whether a commit changes no rows and no states.
func (c Commit) Empty() bool {
	return !c.Change.Whole && len(c.Change.Put) == 0 && len(c.Change.Remove) == 0 && len(c.Change.Objects) == 0
}
