package refresh

import (
	"encoding/json"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// Trigger says who asked for a refresh, in Power BI's words (R25).
type Trigger string

// The triggers.
const (
	ViaAPI         Trigger = "ViaApi"         // POST without parameters: a standard refresh
	ViaEnhancedAPI Trigger = "ViaEnhancedApi" // POST with parameters: an enhanced refresh
	OnDemand       Trigger = "OnDemand"       // a person at the page or the command line
	Scheduled      Trigger = "Scheduled"
)

// Standard tells whether the refresh takes no parameters, is queued rather than refused, and has no public detail.
func (t Trigger) Standard() bool { return t != ViaEnhancedAPI }

// Operation is one refresh of one model, from its acceptance to its end.
type Operation struct {
	ID            string // a GUID; the requestId
	Model         string // the model's id
	ModelRevision int64  // of the definition that it was accepted with
	Trigger       Trigger
	Request       Request // frozen: defaults filled in, effective date set
	RequestedBy   string  // for the audit log and for people
	AcceptedAt    time.Time
	StartedAt     time.Time // first claimed; zero before
	EndedAt       time.Time // zero while unfinished

	State     State
	Epoch     int64 // counts the owners: every write of an owner names it
	Owner     string
	Heartbeat time.Time
	// WaitsSince is when an Accepted one began to wait for a place on its capacity, moved on by the time between a last heartbeat and the next
	// Claim, in which nobody waited. Zero before the first Claim.
	WaitsSince time.Time
	Failure    *Failure  // why it ended, for Failed, TimedOut
	Version    int64     // the version that its last commit made; 0 for none
	Attempts   []Attempt // by number
}

// Queues tells whether the operation waits behind a standard one and lets others wait behind it: enhanced refreshes, rollbacks and
// refreshes of dataflows do not.
func (o Operation) Queues() bool {
	return o.Trigger.Standard() && o.Request.Rollback == nil && !o.Request.Alone
}

// Attempt is one try of an operation.
type Attempt struct {
	Number    int // 1, 2, 3 …
	StartedAt time.Time
	EndedAt   time.Time     // zero while it runs
	Worked    time.Duration // what counts toward its limit: without the time paused or down
	Failure   *Failure      // nil when it succeeded or runs
}

// Failure is an error as an operation, an attempt or a step keeps it.
type Failure struct {
	Code    string // Power BI's where it has one
	Message string // what went wrong, where, and what to do
	Where   fault.Where
	Cause   string `json:",omitempty"` // the part of Message that tells what went wrong; "" where it has no other part
	Hint    string `json:",omitempty"` // the part that tells what to do
}

// JSON is the failure in the form of serviceExceptionJson.
func (f *Failure) JSON() string {
	if f == nil {
		return ""
	}
	text, err := json.Marshal(struct {
		ErrorCode        string `json:"errorCode"`
		ErrorDescription string `json:"errorDescription,omitempty"`
	}{f.Code, f.Message})
	if err != nil {
		return `{"errorCode":"` + CodeProcessing + `"}`
	}
	return string(text)
}

// StepKind says what a step does to its partition.
type StepKind string

// The kinds of steps.
const (
	LoadStep       StepKind = "Load"       // read the source into a new file
	ClearStep      StepKind = "Clear"      // forget the rows
	DefragmentStep StepKind = "Defragment" // rewrite the present files as one
	KeepStep       StepKind = "Keep"       // nothing: the partition is in scope, and its rows stay

	// Those of refresh policies.
	PollStep    StepKind = "Poll"    // evaluate the polling expression, for the step of the same partition that follows it
	MergeStep   StepKind = "Merge"   // take over files of other partitions
	CompactStep StepKind = "Compact" // as Merge, and rewrite them as one
	DropStep    StepKind = "Drop"    // end the partition: its rows are older than the window, or queries read them from the source
	RemoveStep  StepKind = "Remove"  // end the partition: others have its rows, or read them
	LiveStep    StepKind = "Live"    // hybrid: let queries read the source from the partition's start on
)

// reads tells whether steps of this kind ask a source.
func (k StepKind) reads() bool { return k == LoadStep || k == PollStep }

// works tells whether steps of this kind read or write rows, and so need memory.
func (k StepKind) works() bool {
	return k == LoadStep || k == PollStep || k == DefragmentStep || k == CompactStep
}

// Step is one piece of an operation's work: what happens to one partition.
type Step struct {
	Number    int // 1, 2, 3 … within the operation
	Kind      StepKind
	Table     string
	Partition string
	Start     string   // of a policy's partition, as store.Part has it
	End       string   // likewise
	Takes     []string // Merge and Compact: the partitions whose files within the range are taken over
	Held      int64    // rows of the partition when the operation was planned
	Known     string   // Poll: the value that belongs to the rows that are there, and makes loading them again needless; "" = there is none

	State       StepState
	Attempt     int // the attempt that worked on it last; 0 for none
	StartedAt   time.Time
	EndedAt     time.Time
	File        store.File // finished Load and Defragment steps: what was written
	ReadAt      time.Time  // when the source was read
	Bookmark    string
	Fingerprint string
	Columns     []*model.Column // finished Load steps of a table whose columns are inferred: what its partition gave
	Failure     *Failure        // StepFailed
	Note        string          // why the step is what it is, or was skipped; "" where that needs no word
}

// planned is the step as it was planned, to be done again.
func (s Step) planned() Step {
	return Step{Number: s.Number, Kind: s.Kind, Table: s.Table, Partition: s.Partition, Start: s.Start, End: s.End, Takes: s.Takes, Held: s.Held, Known: s.Known,
		State: StepPlanned, Attempt: s.Attempt, Note: s.Note}
}

// MessageType tells how grave a message is.
type MessageType string

// The types of messages.
const (
	ErrorMessage   MessageType = "Error"
	WarningMessage MessageType = "Warning"
	InfoMessage    MessageType = "Information"
)

// Message is something that the reader of an operation should know.
type Message struct {
	At    time.Time
	Type  MessageType
	Code  string
	Text  string
	Where fault.Where
}

// is tells whether two messages are the same one.
func (m Message) is(other Message) bool {
	same := m.At.Equal(other.At)
	m.At = other.At
	return same && m == other
}

// The codes of this room that callers or readers of the history meet.
const (
	CodeInvalidRequest = fault.CodeInvalidRequest
	CodeNotFound       = fault.CodeEntityNotFound
	CodeRevision       = fault.CodeRedeployed
	CodeInternal       = fault.CodeInternal

	// Failure or Invalid or Conflict or Internal, Power BI's: a table could not be loaded.
	// Do: see the messages of the refresh: they name each partition that failed, why, and what to do.
	CodeProcessing = "ModelRefresh_ShortMessage_ProcessingError"

	// Conflict: the refresh has ended, and a finished refresh cannot be cancelled.
	// Do: nothing; freshet show tells how it ended.
	CodeFinished = "RefreshFinished"

	// Conflict: another process works on the refresh now.
	// Do: nothing: it goes on there.
	CodeStale = "RefreshTakenOver"

	// Conflict or Unavailable: the refresh came into another state while it was being changed, or read by another one of its chain.
	// Do: look at it again (freshet show).
	CodeState = "RefreshStateChanged"

	// Failure or Warning, Power BI's: queries needed the memory that the refresh held.
	// Do: run the refresh again, or let evictedRetry in the configuration do it; give the capacity more memory.
	CodeEvicted = "0xC11C0020"

	// Failure: a limit of time was reached; the text says which.
	// Do: read less data from the source, refresh one table a request, use commitMode partialBatch, raise timeout, or set retryCount.
	CodeTimeout = "RefreshTimeout"

	// Invalid: the partition's source is of a type that this version does not load.
	// Do: give the partition an M expression or a query, or leave it out by naming objects.
	codePartition = "PartitionSourceUnsupported"

	// Warning: a partition holds no rows of its own (DirectQuery, Dual, push) and was not loaded.
	// Do: nothing; or change its mode to import.
	codeNotLoaded = "PartitionNotLoaded"

	// Information: a table with excludeFromModelRefresh is no part of a refresh of the whole model.
	// Do: nothing; or name the table in objects (freshet refresh --object).
	codeExcluded = "TableExcluded"

	// Warning: calculated tables and columns have no values, because they are not calculated yet.
	// Do: leave them out of queries.
	CodeCalculation = "CalculationNeeded"

	// Invalid: the dataflow is being refreshed already.
	// Do: wait for its end, or cancel that transaction (freshet dataflows cancel).
	CodeDataflowRunning = "DataflowRefreshInProgress"

	// Invalid: a dataflow in a shared workspace has used up its refreshes of the last 24 hours.
	// Do: try again later, or deploy the dataflow to a workspace on a capacity.
	CodeDataflowQuota = "DailyDataflowRefreshLimitExceeded"

	// Warning: the request has a property that no refresh knows; it was ignored.
	// Do: write the name that the text proposes, or leave the property out.
	CodeUnknownField = "UnknownParameter"
)
