package refresh

import "time"

// Type is what a refresh does to the objects in its scope.
type Type string

// The types, as they are written in answers (R8).
const (
	Full        Type = "Full"        // load, then recalculate dependents
	ClearValues Type = "ClearValues" // forget rows, and those of dependents
	Calculate   Type = "Calculate"   // recalculate what needs it
	DataOnly    Type = "DataOnly"    // load, clear dependents
	Automatic   Type = "Automatic"   // load and recalculate what is not Ready
	Defragment  Type = "Defragment"  // compact the stored form
)

// CommitMode says when readers see what was loaded.
type CommitMode string

// The commit modes (R9).
const (
	Transactional CommitMode = "Transactional" // all objects at once, or none
	PartialBatch  CommitMode = "PartialBatch"  // each object as it finishes
)

// Object names a table, or one partition of it.
type Object struct {
	Table     string
	Partition string // "" = all partitions
}

// Request is what an operation was asked to do, complete: every default is filled in.
type Request struct {
	Type               Type
	CommitMode         CommitMode
	MaxParallelism     int
	RetryCount         int
	Objects            []Object // named ones, each once; none = the whole model
	ApplyRefreshPolicy bool
	EffectiveDate      time.Time     // midnight, UTC, of the day that the refresh policy takes for today
	Timeout            time.Duration // of one attempt
	Notify             string        // R16: NoNotification, MailOnFailure, MailOnCompletion; "" = not named
}

// Params are the parameters of a refresh as a caller named them: nil means not named.
type Params struct {
	Type               *string
	CommitMode         *string
	MaxParallelism     *int64
	RetryCount         *int64
	Objects            []Object // non-nil and empty = named, and empty
	ApplyRefreshPolicy *bool
	EffectiveDate      *string
	Timeout            *string
	NotifyOption       *string
}

// Enhanced tells whether the parameters make the refresh an enhanced one: any is named besides notifyOption (R5).
func (p Params) Enhanced() bool {
	return p.Type != nil || p.CommitMode != nil || p.MaxParallelism != nil || p.RetryCount != nil || p.Objects != nil ||
		p.ApplyRefreshPolicy != nil || p.EffectiveDate != nil || p.Timeout != nil
}
