package refresh

import (
	"context"
	"slices"
	"time"
)

// What a Summary looks back at (contract, section 7).
const (
	summaryTime = 7 * 24 * time.Hour
	summaryMost = 60
)

// Summary tells of the refreshes of a model that were accepted in the last seven days, the newest sixty at most.
type Summary struct {
	From, To time.Time // from the acceptance of the first to the end of the last, or the last's acceptance while none has ended; zero without a refresh
	Count    int
	Failures int
	Average  time.Duration // of those that ended, from their acceptance
	Median   time.Duration
	PerDay   int       // over the days between From and To, rounded up
	Last     Operation // zero without a refresh
}

// Summary summarises the history of a model.
func (e *Engine) Summary(ctx context.Context, model string) (Summary, error) {
	operations, err := e.History(ctx, model, summaryMost)
	if err != nil {
		return Summary{}, err
	}
	since := e.options.Now().Add(-summaryTime)
	return summarise(slices.DeleteFunc(operations, func(o Operation) bool { return o.AcceptedAt.Before(since) })), nil
}

// summarise is about operations from the newest on.
func summarise(operations []Operation) Summary {
	if len(operations) == 0 {
		return Summary{}
	}
	oldest := operations[len(operations)-1]
	s := Summary{From: oldest.AcceptedAt, To: operations[0].AcceptedAt, Count: len(operations), Last: operations[0]}
	var (
		lengths []time.Duration
		total   time.Duration
	)
	for _, operation := range operations {
		if operation.State == Failed || operation.State == TimedOut {
			s.Failures++
		}
		if operation.State.Finished() {
			length := operation.EndedAt.Sub(operation.AcceptedAt)
			lengths, total = append(lengths, length), total+length
			if operation.EndedAt.After(s.To) {
				s.To = operation.EndedAt
			}
		}
	}
	if n := len(lengths); n > 0 {
		slices.Sort(lengths)
		s.Average, s.Median = total/time.Duration(n), (lengths[(n-1)/2]+lengths[n/2])/2
	}
	const day = 24 * time.Hour
	days := max(1, int((s.To.Sub(s.From)+day-1)/day))
	s.PerDay = (s.Count + days - 1) / days
	return s
}
