package refresh

import (
	"context"
	"errors"
	"sync"
	"time"

	"freshet.dev/internal/fault"
)

const (
	lookEvery = 5 * time.Second // how often Run looks for operations that nobody told it of
	lastWords = 5 * time.Second // how long a stopping service may take to store how long it has worked
)

// Run works until ctx ends: it takes every unfinished operation, those of an earlier process first, and each one that is submitted.
// When ctx ends it stops the steps that run, leaves their operations to be taken again, and returns.
func (e *Engine) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(errShutdown)
	var group sync.WaitGroup
	defer group.Wait()

	began := e.options.Now()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for first := true; ; first = false {
		unfinished, err := e.options.Log.Unfinished(ctx)
		if err != nil && ctx.Err() == nil {
			e.options.Logger.Error("cannot read the unfinished refreshes; trying again", "error", err)
		}
		for _, operation := range unfinished {
			e.breakOff(ctx, operation)
			if (first || e.free(operation, began)) && !e.rests(ctx, operation) && !e.waits(ctx, operation) {
				if w, working := e.take(ctx, operation); w != nil {
					group.Go(func() { e.follow(ctx, working, w) })
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		case <-look.C:
		}
	}
}

// free tells whether nobody else works on the operation: it has no owner, this one's, or one that has given no sign of life for a while, or since Run
// began: the data folder is locked, so that owners of before are gone. What rested at the first look, which need not ask, is free by that at a later one.
func (e *Engine) free(operation Operation, began time.Time) bool {
	const missed = 3
	return operation.Owner == "" || operation.Owner == e.options.Owner || operation.Heartbeat.Before(began) ||
		e.options.Now().Sub(operation.Heartbeat) > missed*e.options.HeartbeatEvery
}

// take makes the operation one of those that run here, with the context that its cancel ends; nil when it is already, or waits for
// another one.
func (e *Engine) take(ctx context.Context, operation Operation) (*work, context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if operation.State == Queued || e.running[operation.ID] != nil || ctx.Err() != nil {
		return nil, nil
	}
	w := &work{engine: e, operation: operation, tracker: newTracker(), hopeless: map[int]bool{}, looked: map[string]bool{}, forced: map[string]bool{}}
	w.log = e.options.Logger.With("model", operation.Model, "refresh", operation.ID)
	working, cancel := context.WithCancelCause(ctx)
	w.cancel = cancel
	e.running[operation.ID] = w
	return w, working
}

// follow works on an operation until it has ended, is lost, or the service stops.
func (e *Engine) follow(ctx, working context.Context, w *work) {
	err := w.run(ctx, working)
	w.cancel(errShutdown)
	e.mu.Lock()
	delete(e.running, w.operation.ID)
	e.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		w.log.Error("refresh is left for now", "error", err)
		if fault.CodeOf(err) != CodeStale && !errors.Is(err, errStale) {
			// Nothing was lost: the next look takes it again.
			return
		}
	}
	e.announce()
}
