// Package refresh is the core of Freshet: it accepts refreshes of models, runs them step by step, shows their result in one
// commit, and keeps its promises over crashes.
//
// doc/refresh-cycle.md tells the states and the order of writes.
package refresh

import (
	"context"
	"log/slog"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/model"
	"freshet.dev/internal/source"
	"freshet.dev/internal/store"
)

// Definition is a deployed model as a refresh needs it.
type Definition struct {
	ID       string
	Name     string
	Revision int64
	Capacity string // the name of its workspace's capacity; "" = shared workspace: standard refreshes only (R2)
	Model    *model.Model
}

// models reads deployed models and their current versions. The catalog implements it.
type models interface {
	// RefreshDefinition returns the current revision of a model; an unknown one is NotFound with CodeNotFound.
	RefreshDefinition(ctx context.Context, model string) (Definition, error)
	// CurrentVersion returns the version that readers of the model see now. Every deployed model has one.
	CurrentVersion(ctx context.Context, model string) (store.Version, error)
}

// Options are what an Engine works with. All but the durations are required.
type Options struct {
	Log        Log
	Models     models
	Store      *store.Store
	Sources    *source.Registry
	Capacities []*capacity.Capacity // by name; the first serves models of shared workspaces too
	TempDir    string               // for what a load spills to disk; emptied by the engine
	Owner      string               // names this process in the log
	Now        func() time.Time
	NewID      func() string
	Logger     *slog.Logger

	HeartbeatEvery  time.Duration // 0 = 10 s
	KeepFinishedFor time.Duration // F2: how old a finished step may be and still be kept; 0 = 6 h
	RetryAll        bool          // R33: try errors again that no retry can mend
}

// Engine accepts, runs and tells about refreshes. It is safe for concurrent use.
type Engine struct {
	options Options
}

// New returns an engine. Nothing runs before Run.
func New(options Options) (*Engine, error) { return &Engine{options: options}, nil }

// Submission is a wish for a refresh.
type Submission struct {
	Model       string // the model's id
	Params      Params
	Trigger     Trigger   // "" = ViaEnhancedAPI when the parameters say so, else ViaAPI
	RequestedBy string    // for people
	Warnings    []Message // of the decoding, such as unknown parameters (R17)
}

// Submit stores a new operation and returns at once: what it returns without error is a promise. The outcome is Accepted, Queued or
// Dropped; for Dropped the operation was not stored, and only its ID is set. Errors: Invalid with CodeInvalidRequest for wrong parameters (R8–R14) and for a model
// that has an unfinished refresh (R6), NotFound for an unknown model.
func (e *Engine) Submit(ctx context.Context, wish Submission) (Operation, Outcome, error) {
	panic("not yet")
}

// Which says which refreshes a call is about.
type Which string

// The choices.
const (
	AnyRefresh   Which = "any"      // Freshet's own routes
	EnhancedOnly Which = "enhanced" // Power BI's routes: standard ones are Invalid with CodeInvalidRequest (R29, R31)
)

// Detail is an operation with its parts.
type Detail struct {
	Operation Operation
	Objects   []ObjectStatus
	Messages  []Message
	Progress  []Progress // of the steps that run in this process now, or ran since it started the operation
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

// Progress tells how far a load is. Totals are 0 where the source cannot tell.
type Progress struct {
	Table       string
	Partition   string
	Rows        int64
	Bytes       int64
	TotalRows   int64
	TotalBytes  int64
	RowsPerSec  float64
	StartedAt   time.Time
	ExpectedEnd time.Time // zero: unknown
	Done        bool
}

// Detail returns one refresh of a model. An unknown id, and one of another model, is NotFound.
func (e *Engine) Detail(ctx context.Context, model, id string, which Which) (Detail, error) {
	panic("not yet")
}

// History returns the newest refreshes of a model, newest first; top 0 means 60 (R27).
func (e *Engine) History(ctx context.Context, model string, top int) ([]Operation, error) {
	panic("not yet")
}

// Cancel asks for the end of a refresh (R30). It returns without error when the refresh is or will be cancelled, and was asked before.
// A finished one is a Conflict.
func (e *Engine) Cancel(ctx context.Context, model, id string, which Which) error { panic("not yet") }

// Progress returns how far the loads of an operation are, of those that run in this process now, or ran since it took the operation.
func (e *Engine) Progress(id string) []Progress { panic("not yet") }

// Wait returns when the operation is finished. It is for callers in the same process.
func (e *Engine) Wait(ctx context.Context, id string) (Operation, error) { panic("not yet") }

// Run works until ctx ends: it takes every unfinished operation, those of an earlier process first, and each one that is submitted.
// When ctx ends it stops the steps that run, leaves their operations to be taken again, and returns.
func (e *Engine) Run(ctx context.Context) error { panic("not yet") }
