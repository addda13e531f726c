// Package policy works out what incremental refresh does to the partitions of a table. It is pure: the answer depends on the arguments only.
//
// doc/incremental-refresh.md tells the rules, with examples. Where the sources disagree or are silent, the rule stands in one function whose
// comment begins with "Disputed".
package policy

import (
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// Invalid: the table's refresh policy cannot be applied; the text says why.
// Do: correct refreshPolicy in the definition, or send "applyRefreshPolicy": false to load the table's partitions as they are.
const CodeInvalid = "RefreshPolicyInvalid"

func invalid(format string, args ...any) *fault.Error {
	err := fault.New(fault.Invalid, CodeInvalid, format, args...)
	err.Message = "cannot apply the refresh policy: " + err.Message
	return err
}

// Policy is a refresh policy that was found sound.
type Policy struct {
	rolling     span
	incremental span
	offset      int // periods of the incremental grain by which the head lies behind (−) or before (+) the effective date
	hybrid      bool
	polls       bool
	prefix      string // of the names of partitions
}

// span is a number of periods.
type span struct {
	grain   Grain
	periods int
}

// The bounds of a policy. Power BI has 120 years; a table of thousands of partitions serves nobody.
const (
	mostPeriods    = 50_000
	mostPartitions = 10_000
)

// New reads a definition's policy. The error is Invalid with CodeInvalid and says what is wrong.
func New(definition *model.RefreshPolicy) (Policy, error) {
	p := Policy{offset: definition.IncrementalPeriodsOffset, hybrid: definition.Mode == "hybrid", polls: definition.PollingExpression != "", prefix: definition.NamePrefix}
	for _, part := range []struct {
		what        string
		granularity string
		periods     int
		to          *span
	}{
		{"rolling window", definition.RollingWindowGranularity, definition.RollingWindowPeriods, &p.rolling},
		{"incremental", definition.IncrementalGranularity, definition.IncrementalPeriods, &p.incremental},
	} {
		grain, err := parseGrain(part.what, part.granularity)
		if err != nil {
			return Policy{}, err
		}
		if part.periods < 1 || part.periods > mostPeriods {
			return Policy{}, invalid("its %s has %d periods", part.what, part.periods).WithHint("Give it 1 to %d.", mostPeriods)
		}
		*part.to = span{grain, part.periods}
	}
	if p.offset < -mostPeriods || p.offset > mostPeriods {
		return Policy{}, invalid("its offset is %d periods", p.offset).WithHint("Give it %d to %d.", -mostPeriods, mostPeriods)
	}
	if definition.SourceExpression == "" {
		return Policy{}, invalid("it has no sourceExpression").WithHint("Give it the M expression that its partitions are read by, filtered by RangeStart and RangeEnd.")
	}
	return p, nil
}

// name is that of the partition of a period.
func (p Policy) name(r Range) string { return p.prefix + r.name() }

// coarsest is the grain beyond which nothing is merged. Desktop forbids an incremental grain that is coarser than the rolling one; where a
// definition has it, it is the coarsest too.
func (p Policy) coarsest() Grain { return max(p.rolling.grain, p.incremental.grain) }

// window is what a policy means on a day.
type window struct {
	start       time.Time // of the rows that are kept
	incremental time.Time // the start of the incremental range
	end         time.Time // of the incremental range
}

func (p Policy) window(today time.Time) window {
	head := p.head(today)
	w := window{
		start:       p.oldest(head),
		incremental: p.incremental.grain.add(head, 1-p.incremental.periods),
		end:         p.incremental.grain.add(head, 1),
	}
	if w.incremental.Before(w.start) { // more than the window holds is not refreshed
		w.incremental = w.start
	}
	return w
}

// head is the newest period of the incremental range: that of the effective date, moved by the offset.
func (p Policy) head(today time.Time) time.Time {
	g := p.incremental.grain
	return g.add(g.floor(today), p.offset)
}

// tail is a rolling window before the head: a moment, not rounded to a period.
//
// Disputed: Microsoft's diagrams and [MS-SSAS-T] move the tail with the head when there is an offset, as here; a practitioner's tool
// counts from the effective date.
func (p Policy) tail(head time.Time) time.Time {
	return p.rolling.grain.add(head, -p.rolling.periods)
}

// oldest is where the window begins: a partition is dropped when it ends there or earlier.
//
// Disputed: the documents drop a partition that ends at the tail or before, and tell of partitions of the rolling grain only. For those
// the rolling period in which the tail lies gives the same. Partitions of a finer grain in that period, which there are while the incremental
// range reaches into it, could go one by one; here the period goes as a whole, so that a table holds the same rows however often it was refreshed.
func (p Policy) oldest(head time.Time) time.Time {
	return p.coarsest().floor(p.tail(head))
}

// refreshedFrom is where the refreshed partitions begin: at the incremental range, or earlier when runs were missed. newest is the start of
// the newest period that there is; zero for none.
//
// Disputed: the text of the dataflow documents has 22 days for 10 missed ones and a policy of 10 days, as here; the labels of its diagrams can be
// read as one day more.
func (p Policy) refreshedFrom(w window, newest time.Time) time.Time {
	from := w.incremental
	if newest.IsZero() {
		return from
	}
	if caughtUp := p.incremental.grain.add(newest, 2-p.incremental.periods); caughtUp.Before(from) {
		from = caughtUp
	}
	if from.Before(w.start) {
		from = w.start
	}
	return from
}
