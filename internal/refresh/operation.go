package refresh

import (
	"encoding/json"
	"time"

	"freshet.dev/internal/fault"
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
	Failure   *Failure  // why it ended, for Failed, TimedOut
	Version   int64     // the version that its last commit made; 0 for none
	Attempts  []Attempt // by number
}

// Queues tells whether the operation waits behind a standard one and lets others wait behind it: enhanced refreshes and rollbacks do not.
func (o Operation) Queues() bool { return o.Trigger.Standard() && o.Request.Rollback == nil }

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
)

// Step is one piece of an operation's work: what happens to one partition.
type Step struct {
	Number    int // 1, 2, 3 … within the operation
	Kind      StepKind
	Table     string
	Partition string
	Held      int64 // rows of the partition when the operation was planned

	State       StepState
	Attempt     int // the attempt that worked on it last; 0 for none
	StartedAt   time.Time
	EndedAt     time.Time
	File        store.File // finished Load and Defragment steps: what was written
	ReadAt      time.Time  // when the source was read
	Bookmark    string
	Fingerprint string
	Failure     *Failure // StepFailed
	Note        string   // StepSkipped: why
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

// The codes of this room that callers or readers of the history meet.
const (
	CodeInvalidRequest = "InvalidRequest"                            // Power BI's, for everything that a POST or a GET gets wrong
	CodeNotFound       = "PowerBIEntityNotFound"                     // Power BI's
	CodeProcessing     = "ModelRefresh_ShortMessage_ProcessingError" // Power BI's, for a table that could not be loaded
	CodeFinished       = "RefreshFinished"                           // cancel of a refresh that has ended
	CodeStale          = "RefreshTakenOver"                          // a write of an owner that is not the owner any more
	CodeState          = "RefreshStateChanged"                       // a compare-and-set that met another state
	CodeTimeout        = "RefreshTimeout"                            // a limit of time was reached
	CodeRevision       = "ModelRedeployed"                           // the model changed under the refresh
	CodePolicy         = "RefreshPolicyUnsupported"
	CodePartition      = "PartitionSourceUnsupported"
	CodeNotLoaded      = "PartitionNotLoaded" // DirectQuery, Dual, push: named in a warning
	CodeCalculation    = "CalculationNeeded"  // calculated tables and columns: named in a warning
	CodeUnknownField   = "UnknownParameter"   // R17: named in a warning
	CodeInternal       = "RefreshInternalError"
)
