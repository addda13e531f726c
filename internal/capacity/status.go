package capacity

import (
	"context"
	"strings"
	"time"

	"freshet.dev/internal/fault"
)

// The codes of errors about capacities.
const (
	// Invalid or Information, Power BI's: the capacity is paused.
	// Do: resume it (freshet capacity resume NAME); refreshes that were unfinished go on by themselves then.
	CodeNotActive = "CapacityNotActive"

	CodeUnknown = fault.CodeCapacityUnknown
)

// State tells whether a capacity works.
type State string

// The states of a capacity.
const (
	// Active: it serves refreshes and queries.
	Active State = "Active"
	// Paused: it serves none; unfinished refreshes wait for its resumption.
	Paused State = "Paused"
)

// Status is a capacity's state, with who brought it about and when. A capacity that was never paused is Active since the zero time.
type Status struct {
	State State
	Since time.Time
	By    string // for people
}

// Book keeps the statuses of capacities durably. The catalog implements it.
type Book interface {
	// CapacityStatuses returns what is stored, by the names of capacities in lower case.
	CapacityStatuses(ctx context.Context) (map[string]Status, error)
	PutCapacityStatus(ctx context.Context, name string, status Status) error
}

// Status returns the state that the capacity is in.
func (c *Capacity) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Set brings the capacity to a state: it is stored in the book first. In that state already, it keeps since when and by whom.
func (c *Capacity) Set(ctx context.Context, to Status) (Status, error) {
	c.setting.Lock()
	defer c.setting.Unlock()
	if now := c.Status(); now.State == to.State {
		return now, nil
	}
	if c.book != nil {
		if err := c.book.PutCapacityStatus(ctx, c.name, to); err != nil {
			return Status{}, err
		}
	}
	c.mu.Lock()
	c.status = to
	var calls []func()
	if to.State == Paused {
		for _, call := range c.onPause {
			calls = append(calls, call)
		}
	}
	c.mu.Unlock()
	for _, call := range calls {
		call()
	}
	return to, nil
}

// OnPause has call called, from any goroutine and maybe twice, when the capacity is paused, and at once when it is already. Until remove.
func (c *Capacity) OnPause(call func()) (remove func()) {
	c.mu.Lock()
	id := c.watchers
	c.watchers++
	c.onPause[id] = call
	paused := c.status.State == Paused
	c.mu.Unlock()
	if paused {
		call()
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.onPause, id)
	}
}

// Refuse is the error of a call that needs the capacity to work; nil when it does.
func (c *Capacity) Refuse() error {
	status := c.Status()
	if status.State == Active {
		return nil
	}
	return fault.New(fault.Invalid, CodeNotActive, "Capacity operation failed with error code CapacityNotActive: capacity '%s' is paused since %s",
		c.name, status.Since.UTC().Format(time.RFC3339)).
		WithHint("Ask an administrator of the server to resume it (freshet capacity resume %s), then send the request again.", c.name)
}

// Find returns the capacity of a name, in any letter case; an unknown one is NotFound, with the nearest that there is.
func Find(capacities []*Capacity, name string) (*Capacity, error) {
	names := make([]string, len(capacities))
	for i, c := range capacities {
		if strings.EqualFold(c.name, name) {
			return c, nil
		}
		names[i] = c.name
	}
	unknown := fault.New(fault.NotFound, CodeUnknown, "cannot find capacity '%s'", name)
	if near := fault.Nearest(name, names); near != "" {
		return nil, unknown.WithHint("Did you mean '%s'?", near)
	}
	return nil, unknown.WithHint("The configuration has: %s.", strings.Join(names, ", "))
}
