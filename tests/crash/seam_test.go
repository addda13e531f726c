package crash

import (
	"context"
	"sync"
	"time"

	"freshet.dev/internal/refresh"
)

// seam is a log that comes to a named point before and after each write, and keeps what was written by whom.
type seam struct {
	refresh.Log
	who     string
	at      func(ctx context.Context, point string) error
	history *history
	mend    func() error // makes the broken files whole before the attempt in which they may be read
	mendAt  int          // the number of that attempt
	sweep   func(context.Context)
	move    func(ctx context.Context, pinned string) error // what others do when a version is pinned
}

// written is one call of a log, in the order of the process.
type written struct {
	who          string
	name         string
	operation    string
	epoch        int64 // that the writer named; for a claim the new one
	begun, ended int   // places in the order of all beginnings and ends
	err          error
	at           time.Time
}

// history is what the logs of a process were asked to write. Who waits for something waits for changed.
type history struct {
	mu      sync.Mutex
	clock   int
	writes  []written
	changed chan struct{}
}

func newHistory() *history { return &history{changed: make(chan struct{})} }

// begin gives a write its place; end keeps it.
func (h *history) begin() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	return h.clock
}

func (h *history) end(w written) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	w.ended, w.at = h.clock, time.Now()
	h.writes = append(h.writes, w)
	close(h.changed)
	h.changed = make(chan struct{})
}

// wait returns when a write is there that meets the condition.
func (h *history) wait(ctx context.Context, condition func(written) bool) (written, error) {
	for seen := 0; ; {
		h.mu.Lock()
		writes, changed := h.writes, h.changed
		h.mu.Unlock()
		for ; seen < len(writes); seen++ {
			if condition(writes[seen]) {
				return writes[seen], nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return written{}, context.Cause(ctx)
		}
	}
}

func (h *history) all() []written {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.writes
}

func (s *seam) write(ctx context.Context, name string, lease refresh.Lease, write func() error) error {
	if err := s.at(ctx, name+", before"); err != nil {
		return err
	}
	begun := s.history.begin()
	err := write()
	s.history.end(written{who: s.who, name: name, operation: lease.Operation, epoch: lease.Epoch, begun: begun, err: err})
	if err != nil {
		return err
	}
	return s.at(ctx, name+", after")
}

func (s *seam) Unfinished(ctx context.Context) ([]refresh.Operation, error) {
	begun := s.history.begin()
	list, err := s.Log.Unfinished(ctx)
	name := looked
	if len(list) == 0 {
		name = lookedInVain
	}
	s.history.end(written{who: s.who, name: name, begun: begun, err: err})
	return list, err
}

// The names of what is no write.
const (
	looked       = "looked for operations"
	lookedInVain = "found no operation"
)

func (s *seam) Submit(ctx context.Context, op refresh.Operation, quota refresh.Quota, warnings []refresh.Message, followers ...refresh.Operation) (outcome refresh.Outcome, stored refresh.Operation, err error) {
	err = s.write(ctx, "submit", refresh.Lease{Operation: op.ID}, func() error {
		outcome, stored, err = s.Log.Submit(ctx, op, quota, warnings, followers...)
		return err
	})
	return outcome, stored, err
}

func (s *seam) Claim(ctx context.Context, id string, epoch int64, owner string, now time.Time) (op refresh.Operation, err error) {
	err = s.write(ctx, "claim", refresh.Lease{Operation: id, Epoch: epoch + 1}, func() error {
		op, err = s.Log.Claim(ctx, id, epoch, owner, now)
		return err
	})
	return op, err
}

func (s *seam) Heartbeat(ctx context.Context, lease refresh.Lease, now time.Time, worked time.Duration) (state refresh.State, err error) {
	err = s.write(ctx, "heartbeat", lease, func() error {
		state, err = s.Log.Heartbeat(ctx, lease, now, worked)
		return err
	})
	return state, err
}

func (s *seam) Transition(ctx context.Context, lease refresh.Lease, change refresh.Transition) error {
	name := "running again"
	switch {
	case change.To.Finished():
		name = "ended"
	case change.To == refresh.Backoff:
		name = "backoff"
	case change.To == refresh.Paused:
		name = "paused"
	case change.From == refresh.Paused:
		name = "resumed"
	case change.To == refresh.Committing:
		name = "committing"
	case change.From == refresh.Accepted && change.To == refresh.Running:
		name = "running"
	}
	if name == "committing" && s.sweep != nil {
		s.sweep(ctx)
	}
	return s.write(ctx, name, lease, func() error { return s.Log.Transition(ctx, lease, change) })
}

func (s *seam) Plan(ctx context.Context, lease refresh.Lease, steps []refresh.Step, messages []refresh.Message) error {
	return s.write(ctx, "plan", lease, func() error { return s.Log.Plan(ctx, lease, steps, messages) })
}

func (s *seam) BeginAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	if attempt.Number == s.mendAt {
		if err := s.mend(); err != nil {
			return err
		}
	}
	return s.write(ctx, "attempt begun", lease, func() error { return s.Log.BeginAttempt(ctx, lease, attempt) })
}

func (s *seam) EndAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	return s.write(ctx, "attempt ended", lease, func() error { return s.Log.EndAttempt(ctx, lease, attempt) })
}

func (s *seam) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	name := map[refresh.StepState]string{refresh.StepRunning: "step running", refresh.StepFinished: "step finished", refresh.StepFailed: "step failed", refresh.StepPlanned: "step planned again",
		refresh.StepSkipped: "step skipped"}[step.State]
	return s.write(ctx, name, lease, func() error { return s.Log.PutStep(ctx, lease, from, step, messages) })
}

func (s *seam) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (version int64, err error) {
	err = s.write(ctx, "commit", lease, func() error {
		version, err = s.Log.Commit(ctx, lease, commit)
		return err
	})
	return version, err
}

func (s *seam) Pin(ctx context.Context, lease refresh.Lease, item string) (version int64, err error) {
	err = s.write(ctx, "pinned", lease, func() error {
		if version, err = s.Log.Pin(ctx, lease, item); err != nil {
			return err
		}
		return s.move(ctx, item)
	})
	return version, err
}

// CommitAll is one write of several owners.
func (s *seam) CommitAll(ctx context.Context, commits []refresh.LeasedCommit) error {
	if err := s.at(ctx, "chain commit, before"); err != nil {
		return err
	}
	begun := s.history.begin()
	err := s.Log.CommitAll(ctx, commits)
	for _, commit := range commits {
		s.history.end(written{who: s.who, name: "chain commit", operation: commit.Lease.Operation, epoch: commit.Lease.Epoch, begun: begun, err: err})
	}
	if err != nil {
		return err
	}
	return s.at(ctx, "chain commit, after")
}
