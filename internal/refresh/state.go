package refresh

import "freshet.dev/internal/fault"

// State is where an operation stands. doc/refresh-cycle.md draws the states; the transitions below are the only ones.
type State string

// The states of an operation.
const (
	// Queued: accepted while another standard refresh of the model is unfinished; starts when that one ends.
	Queued State = "Queued"
	// Accepted: stored and promised to the caller; waits for an owner or for a place on its capacity.
	Accepted State = "Accepted"
	// Running: an owner works on its steps.
	Running State = "Running"
	// Backoff: an attempt failed and the next one has not begun.
	Backoff State = "Backoff"
	// Paused: its capacity is paused; nobody works on it, until the capacity is resumed or a limit of time is reached.
	Paused State = "Paused"
	// Cancelling: somebody asked for its end; the owner stops what runs.
	Cancelling State = "Cancelling"
	// Committing: every step is done; the one transaction that shows the result is next.
	Committing State = "Committing"
	// Completed: the result is visible.
	Completed State = "Completed"
	// Failed: ended by an error; without partialBatch, the rows are those of before.
	Failed State = "Failed"
	// TimedOut: ended by a limit of time; else as Failed.
	TimedOut State = "TimedOut"
	// Cancelled: ended at somebody's wish; else as Failed.
	Cancelled State = "Cancelled"
)

// transitions lists for each state the states that may follow. A state that stays the same is a new owner taking over (Claim), not
// a transition.
var transitions = map[State][]State{
	Queued:     {Accepted, Cancelled, TimedOut},
	Accepted:   {Running, Paused, Failed, Cancelled, TimedOut},
	Running:    {Committing, Backoff, Paused, Cancelling, Failed, TimedOut},
	Backoff:    {Running, Paused, Failed, Cancelling, TimedOut},
	Paused:     {Accepted, Running, Cancelled, Failed, TimedOut},
	Cancelling: {Cancelled},
	Committing: {Completed, Running, Paused, Cancelling, Failed, TimedOut},
	Completed:  {},
	Failed:     {},
	TimedOut:   {},
	Cancelled:  {},
}

// States lists every state, in the order of an operation's life.
func States() []State {
	return []State{Queued, Accepted, Running, Backoff, Paused, Cancelling, Committing, Completed, Failed, TimedOut, Cancelled}
}

// Finished tells whether the state is final.
func (s State) Finished() bool {
	next, known := transitions[s]
	return known && len(next) == 0
}

// CanBecome tells whether an operation may go from s to next.
func (s State) CanBecome(next State) bool {
	for _, allowed := range transitions[s] {
		if allowed == next {
			return true
		}
	}
	return false
}

// AfterCancel is the state that a request to cancel leads to: at once Cancelled where nobody works, else Cancelling. It is a
// Conflict for a finished operation; an operation that is being cancelled stays so.
func (s State) AfterCancel() (State, error) {
	switch s {
	case Queued, Accepted, Paused:
		return Cancelled, nil
	case Running, Backoff, Committing, Cancelling:
		return Cancelling, nil
	}
	return s, fault.New(fault.Conflict, CodeFinished, "cannot cancel the refresh: it ended as %s and a finished refresh cannot be cancelled", s)
}

// Status returns the two words by which Power BI tells the state in a model's history: status and extendedStatus (R26).
// The detail of an unfinished refresh says extended in both places (R28).
func (s State) Status() (status, extended string) {
	switch s {
	case Queued, Accepted:
		return "Unknown", "NotStarted"
	case Completed:
		return "Completed", "Completed"
	case Failed:
		return "Failed", "Failed"
	case TimedOut:
		return "Failed", "TimedOut"
	case Cancelled:
		return "Cancelled", "Cancelled"
	}
	return "Unknown", "InProgress"
}

// StepState is where one step of an operation stands.
type StepState string

// The states of a step.
const (
	// StepPlanned: not begun, or to be done again by the next attempt.
	StepPlanned StepState = "Planned"
	// StepRunning: begun by the present owner.
	StepRunning StepState = "Running"
	// StepFinished: its file is durable; nobody sees it yet.
	StepFinished StepState = "Finished"
	// StepCommitted: its result is part of a version.
	StepCommitted StepState = "Committed"
	// StepSkipped: nothing to do; its note says why.
	StepSkipped StepState = "Skipped"
	// StepFailed: ended by an error.
	StepFailed StepState = "Failed"
	// StepCancelled: stopped, or never begun, because the operation ended.
	StepCancelled StepState = "Cancelled"
)

// StepStates lists every state of a step.
func StepStates() []StepState {
	return []StepState{StepPlanned, StepRunning, StepFinished, StepCommitted, StepSkipped, StepFailed, StepCancelled}
}
