package powerbi

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Time is an instant as the service writes it: UTC, with 7 digits after the second. It reads 0 to 9 digits, with and without a zone
// (none means UTC); null and "" read as the zero time.
type Time struct{ time.Time }

// timeLayout is what Time writes. A fixed width keeps the texts in order of time.
const timeLayout = "2006-01-02T15:04:05.0000000Z"

// MarshalJSON writes t in UTC.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON reads what the service and its documents write.
func (t *Time) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("cannot read %s as a time: %w", data, err)
	}
	*t = Time{}
	if text == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if read, err := time.Parse(layout, text); err == nil {
			t.Time = read.UTC()
			return nil
		}
	}
	return fmt.Errorf("cannot read %q as a time", text)
}

// Status is a status or an extended status of a refresh, or the status of one of its objects. A word that is not among the constants
// is kept as it came.
type Status string

// The statuses. NotStarted, InProgress and TimedOut are not used as the status of a history entry, only as its extended status.
const (
	Unknown    Status = "Unknown" // not known, waiting or running
	NotStarted Status = "NotStarted"
	InProgress Status = "InProgress"
	Completed  Status = "Completed"
	Failed     Status = "Failed"
	TimedOut   Status = "TimedOut"
	Cancelled  Status = "Cancelled"
	Disabled   Status = "Disabled"
)

// UnmarshalText reads a status in any letter case and in the words of Azure Analysis Services.
func (s *Status) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "unknown":
		*s = Unknown
	case "notstarted":
		*s = NotStarted
	case "inprogress":
		*s = InProgress
	case "completed", "succeeded":
		*s = Completed
	case "failed":
		*s = Failed
	case "timedout":
		*s = TimedOut
	case "cancelled", "canceled":
		*s = Cancelled
	case "disabled":
		*s = Disabled
	default:
		*s = Status(text)
	}
	return nil
}

// Ended tells whether s is a status that never changes again.
func (s Status) Ended() bool {
	switch s {
	case Completed, Failed, TimedOut, Cancelled, Disabled:
		return true
	}
	return false
}

// List is how the service wraps its lists.
type List[T any] struct {
	Context string `json:"@odata.context,omitempty"`
	Count   *int   `json:"@odata.count,omitempty"`
	Value   []T    `json:"value"`
}

// Group is a workspace.
type Group struct {
	Context                     string `json:"@odata.context,omitempty"`
	ID                          string `json:"id"`
	IsReadOnly                  bool   `json:"isReadOnly"`
	IsOnDedicatedCapacity       bool   `json:"isOnDedicatedCapacity"`
	CapacityID                  string `json:"capacityId,omitempty"`
	DefaultDatasetStorageFormat string `json:"defaultDatasetStorageFormat,omitempty"`
	Type                        string `json:"type,omitempty"`
	Name                        string `json:"name"`

	Freshet *GroupSettings `json:"freshet,omitempty"` // Freshet only, and where a setting is not Power BI's way
}

// GroupSettings are what can be set of a workspace in Freshet.
type GroupSettings struct {
	Overflow       string `json:"overflow,omitempty"`       // of a standard refresh while one runs and one is queued: drop (Power BI's way), reject
	DataflowChains string `json:"dataflowChains,omitempty"` // a dataflow and those that read it are committed allOrNothing (Power BI's way), or commitEach
}

// Dataset is a semantic model.
type Dataset struct {
	Context                          string            `json:"@odata.context,omitempty"`
	ID                               string            `json:"id"`
	Name                             string            `json:"name"`
	AddRowsAPIEnabled                bool              `json:"addRowsAPIEnabled"`
	ConfiguredBy                     string            `json:"configuredBy,omitempty"`
	IsRefreshable                    bool              `json:"isRefreshable"`
	IsEffectiveIdentityRequired      bool              `json:"isEffectiveIdentityRequired"`
	IsEffectiveIdentityRolesRequired bool              `json:"isEffectiveIdentityRolesRequired"`
	IsOnPremGatewayRequired          bool              `json:"isOnPremGatewayRequired"`
	TargetStorageMode                string            `json:"targetStorageMode,omitempty"`
	CreatedDate                      Time              `json:"createdDate,omitzero"`
	WebURL                           string            `json:"webUrl,omitempty"`
	Description                      string            `json:"description,omitempty"`
	UpstreamDatasets                 []json.RawMessage `json:"upstreamDatasets"`
	Users                            []json.RawMessage `json:"users"`
	QueryScaleOutSettings            *QueryScaleOut    `json:"queryScaleOutSettings,omitempty"`
}

// QueryScaleOut is the part of a Dataset about read-only replicas.
type QueryScaleOut struct {
	AutoSyncReadOnlyReplicas bool `json:"autoSyncReadOnlyReplicas"`
	MaxReadOnlyReplicas      int  `json:"maxReadOnlyReplicas"`
}

// RefreshRequest is the body of POST …/refreshes. The zero value asks for a standard refresh; any field besides NotifyOption makes it
// an enhanced one.
type RefreshRequest struct {
	Type               string          `json:"type,omitempty"`       // Full, ClearValues, Calculate, DataOnly, Automatic, Defragment
	CommitMode         string          `json:"commitMode,omitempty"` // Transactional, PartialBatch
	MaxParallelism     *int            `json:"maxParallelism,omitempty"`
	RetryCount         *int            `json:"retryCount,omitempty"`
	Objects            []RefreshObject `json:"objects,omitempty"`
	ApplyRefreshPolicy *bool           `json:"applyRefreshPolicy,omitempty"`
	EffectiveDate      string          `json:"effectiveDate,omitempty"`
	Timeout            string          `json:"timeout,omitempty"` // hh:mm:ss, of one attempt
	NotifyOption       string          `json:"notifyOption,omitempty"`
}

// RefreshObject names a table, or one partition of it; Status is set in answers only.
type RefreshObject struct {
	Table     string `json:"table"`
	Partition string `json:"partition,omitempty"`
	Status    Status `json:"status,omitempty"`
}

// Refresh is an entry of the refresh history.
type Refresh struct {
	RequestID            string           `json:"requestId"`
	RefreshType          string           `json:"refreshType,omitempty"` // OnDemand, Scheduled, ViaApi, ViaEnhancedApi
	StartTime            Time             `json:"startTime,omitzero"`
	EndTime              Time             `json:"endTime,omitzero"`
	ServiceExceptionJSON string           `json:"serviceExceptionJson,omitempty"` // JSON in a string; see ServiceException
	Status               Status           `json:"status"`
	ExtendedStatus       Status           `json:"extendedStatus,omitempty"`
	RefreshAttempts      []RefreshAttempt `json:"refreshAttempts,omitempty"`
}

// RefreshAttempt is one attempt's data or query phase.
type RefreshAttempt struct {
	AttemptID            int    `json:"attemptId"`
	StartTime            Time   `json:"startTime,omitzero"`
	EndTime              Time   `json:"endTime,omitzero"`
	ServiceExceptionJSON string `json:"serviceExceptionJson,omitempty"`
	Type                 string `json:"type,omitempty"` // Data, Query
}

// ServiceException is what a serviceExceptionJson holds.
type ServiceException struct {
	ErrorCode        string `json:"errorCode"`
	ErrorDescription string `json:"errorDescription,omitempty"`
}

// JSON returns e as the text of a serviceExceptionJson.
func (e ServiceException) JSON() string {
	text, _ := json.Marshal(e) // two strings always have a form
	return string(text)
}

// RefreshDetail is the answer of GET …/refreshes/{id}.
type RefreshDetail struct {
	StartTime          Time             `json:"startTime,omitzero"`
	EndTime            Time             `json:"endTime,omitzero"`
	Type               string           `json:"type,omitempty"`
	CommitMode         string           `json:"commitMode,omitempty"`
	Status             Status           `json:"status"`
	ExtendedStatus     Status           `json:"extendedStatus,omitempty"`
	CurrentRefreshType string           `json:"currentRefreshType,omitempty"`
	NumberOfAttempts   int              `json:"numberOfAttempts"`
	Objects            []RefreshObject  `json:"objects,omitempty"`
	Messages           []RefreshMessage `json:"messages,omitempty"`
	RefreshAttempts    []RefreshAttempt `json:"refreshAttempts,omitempty"`
	Freshet            *Progress        `json:"freshet,omitempty"` // Freshet only
}

// RefreshMessage is a message about a refresh.
type RefreshMessage struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Type    string `json:"type,omitempty"` // Error, Warning
}

// Progress is what Freshet tells about a refresh beyond Power BI's detail. Numbers that are not known are absent.
type Progress struct {
	RequestID   string           `json:"requestId"`
	RefreshType string           `json:"refreshType,omitempty"`
	State       string           `json:"state"`             // Queued, Accepted, Running, Committing, Completed …
	Version     int64            `json:"version,omitempty"` // of the model's data, which the refresh committed last
	Forced      bool             `json:"forced,omitempty"`  // guards are overruled
	Rollback    *RollbackRequest `json:"rollback,omitempty"`
	Rows        int64            `json:"rows"`
	Bytes       int64            `json:"bytes"`
	Objects     []ObjectProgress `json:"objects"`
	Chain       []ChainMember    `json:"chain,omitempty"` // of a dataflow: those that are refreshed together, itself among them, each after those that it reads
}

// ChainMember is a dataflow of those that are refreshed together.
type ChainMember struct {
	DataflowID string `json:"dataflowId"`
	Name       string `json:"name,omitempty"` // none when it is deleted
	RequestID  string `json:"requestId"`      // AnyRefreshDetail of it and DataflowID tells how it goes
	Status     Status `json:"status"`
}

// ObjectProgress is the progress of one partition.
type ObjectProgress struct {
	Table         string `json:"table"`
	Partition     string `json:"partition"`
	Status        Status `json:"status"`
	StartTime     Time   `json:"startTime,omitzero"`
	EndTime       Time   `json:"endTime,omitzero"`
	Rows          int64  `json:"rows"`
	Bytes         int64  `json:"bytes"` // while it loads: read from the source; afterwards: of the file
	RowsPerSecond int64  `json:"rowsPerSecond,omitempty"`
	TotalRows     int64  `json:"totalRows,omitempty"`
	TotalBytes    int64  `json:"totalBytes,omitempty"`
	ExpectedEnd   Time   `json:"expectedEnd,omitzero"`
	Note          string `json:"note,omitempty"`  // why nothing was done
	Error         string `json:"error,omitempty"` // why it failed

	Failure *ObjectFailure `json:"failure,omitempty"` // the same in its parts
}

// ObjectFailure is why a partition failed.
type ObjectFailure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Column  string `json:"column,omitempty"`
	Row     int64  `json:"row,omitempty"`  // 1 is the first row that the partition's expression gives; 0 is unknown
	Hint    string `json:"hint,omitempty"` // what to do
}
