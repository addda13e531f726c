package refresh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/fault"
)

// CapacityState is a capacity as its administrator sees it.
type CapacityState struct {
	capacity.Status
	Name     string
	Stopping int // how many refreshes a pause has told to stop, and which have not yet
}

// Capacities lists the capacities in the order of the configuration.
func (e *Engine) Capacities() []CapacityState {
	var list []CapacityState
	for _, c := range e.options.Capacities {
		list = append(list, e.stateOf(c, c.Status()))
	}
	return list
}

// Capacity returns the capacity of a name, in any letter case. An unknown one is NotFound with capacity.CodeUnknown.
func (e *Engine) Capacity(name string) (CapacityState, error) {
	found, err := capacity.Find(e.options.Capacities, name)
	if err != nil {
		return CapacityState{}, err
	}
	return e.stateOf(found, found.Status()), nil
}

// SetCapacity pauses or resumes a capacity, in whose name by asks. When it returns, the state is durable: no refresh begins on a paused
// capacity, those that run have been told to stop, and those that waited for the resumption go on. In that state already, nothing changes.
// An unknown capacity is NotFound with capacity.CodeUnknown.
func (e *Engine) SetCapacity(ctx context.Context, name string, to capacity.State, by string) (CapacityState, error) {
	found, err := capacity.Find(e.options.Capacities, name)
	if err != nil {
		return CapacityState{}, err
	}
	status, err := found.Set(ctx, capacity.Status{State: to, Since: e.options.Now().UTC(), By: by})
	if err != nil {
		return CapacityState{}, err
	}
	e.poke()
	return e.stateOf(found, status), nil
}

func (e *Engine) stateOf(c *capacity.Capacity, status capacity.Status) CapacityState {
	state := CapacityState{Status: status, Name: c.Name()}
	if status.State == capacity.Paused {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, w := range e.running {
			if w.dedicated == c {
				state.Stopping++
			}
		}
	}
	return state
}

// active is the error of a new refresh of a model whose capacity is paused.
func (e *Engine) active(definition Definition) error {
	if definition.Capacity == "" {
		return nil
	}
	found, err := e.capacityOf(definition)
	if err != nil {
		return nil //nolint:nilerr // the operation fails by it
	}
	return found.Refuse()
}

// rests tells whether a paused operation, or one that waits for others of its chain, is to be left alone: its capacity is paused, and no limit of
// time is reached (R34).
func (e *Engine) rests(ctx context.Context, operation Operation) bool {
	if operation.State != Paused && !operation.rested() {
		return false
	}
	definition, err := e.options.Models.RefreshDefinition(ctx, operation.Model)
	if err != nil {
		return fault.KindOf(err) != fault.NotFound // it cannot be told now
	}
	found, err := e.capacityOf(definition)
	if err != nil || definition.Capacity == "" {
		return false
	}
	now := e.options.Now()
	since := operation.stillSince(found.Status())
	return found.Status().State == capacity.Paused && now.Sub(since) < downLimit && now.Sub(operation.AcceptedAt) < totalLimit
}

// stillSince is since when nobody works on an operation that its owner has left: the pause of its capacity, or the owner's last sign of
// life when that was earlier. It is zero for one that waits for its first owner.
func (o Operation) stillSince(status capacity.Status) time.Time {
	since := o.Heartbeat
	if o.State == Accepted || o.rested() {
		since = time.Time{}
	}
	if status.State == capacity.Paused && (since.IsZero() || status.Since.Before(since)) {
		since = status.Since
	}
	return since
}

// engage heeds the pauses of the model's capacity until disengage: each ends what runs with errPaused. Models of shared workspaces are on
// no capacity.
func (w *work) engage() (status capacity.Status, disengage func(), err error) {
	if w.definition.Capacity == "" {
		return capacity.Status{State: capacity.Active}, func() {}, nil
	}
	found, err := w.engine.capacityOf(w.definition)
	if err != nil {
		return capacity.Status{}, nil, err
	}
	w.engine.mu.Lock()
	w.dedicated = found
	w.engine.mu.Unlock()
	return found.Status(), found.OnPause(func() { w.cancel(errPaused) }), nil
}

// park leaves the operation to be taken again when its capacity is resumed. What ran is planned again, what is finished stays, and the
// time worked is stored before the state: whoever finds it Paused finds all of it.
func (w *work) park(base context.Context) error {
	for i := range w.steps {
		if w.steps[i].State == StepRunning {
			if err := w.replan(base, i); err != nil {
				return err
			}
		}
	}
	log := w.engine.options.Log
	err := w.write(base, "the time worked", func(ctx context.Context) error {
		_, err := log.Heartbeat(ctx, w.lease, w.now(), w.worked())
		return err
	}, nil)
	if err != nil {
		return err
	}
	if w.operation.State == Paused || w.operation.rested() {
		return nil
	}
	err = w.lostTo(base, w.move(base, Paused, Message{At: w.now(), Type: InfoMessage, Code: capacity.CodeNotActive,
		Text: fmt.Sprintf("The refresh waits because capacity '%s' is paused. It goes on from what is finished when the capacity is resumed within 6 hours.", w.dedicated.Name())}))
	if errors.Is(err, errCancelled) {
		return w.end(base, Cancelled, nil, nil)
	}
	if err == nil {
		w.log.Info("refresh is paused with its capacity", "capacity", w.dedicated.Name())
	}
	return err
}
