package refresh

import (
	"context"
	"time"

	"freshet.dev/internal/store"
)

// Loading is what a test's loader is asked for.
type Loading struct {
	Step    Step
	Measure func(read func() Progress)
}

// SetLoader replaces the reading of sources. The engine's own is proven by the tests of real loads.
func (e *Engine) SetLoader(load func(ctx context.Context, l Loading) (store.File, error)) {
	e.load = func(ctx context.Context, task task) (product, error) {
		readAt := e.options.Now().UTC()
		file, err := load(ctx, Loading{Step: task.step, Measure: func(read func() Progress) { task.measure(read) }})
		return product{file: file, readAt: readAt, fingerprint: "f"}, err
	}
}

// SetPolls replaces the evaluation of polling expressions, after SetLoader.
func (e *Engine) SetPolls(poll func(ctx context.Context, step Step) (string, error)) {
	load := e.load
	e.load = func(ctx context.Context, task task) (product, error) {
		if task.step.Kind != PollStep {
			return load(ctx, task)
		}
		value, err := poll(ctx, task.step)
		return product{bookmark: value}, err
	}
}

// Granted is how much memory of the engine's capacities is taken.
func (e *Engine) Granted() int64 {
	var granted int64
	for _, c := range e.options.Capacities {
		granted += c.Usage().MemoryGranted
	}
	return granted
}

// DayOf is for the test of days.
func DayOf(now time.Time, zone *time.Location) (begin, end time.Time) { return dayOf(now, zone) }

// QuotaOf is for the test of whose days count.
func QuotaOf(definition Definition, trigger Trigger, now time.Time) (Quota, time.Time) {
	return quotaOf(definition, trigger, now)
}
