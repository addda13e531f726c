package policy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/model"
)

// Partition is a partition of the table as it is now.
type Partition struct {
	Name  string
	Range Range // zero: an ordinary partition, which the policy did not make
	Ready bool  // it holds the rows that were read for it
	Files []Range
}

// Action is what happens to a partition.
type Action string

// The actions.
const (
	Keep   Action = "Keep"   // nothing
	Load   Action = "Load"   // it is read from the source
	Merge  Action = "Merge"  // it takes over files of partitions that end
	Drop   Action = "Drop"   // it ends, and its rows with it: they are older than the window, or queries read them from the source
	Remove Action = "Remove" // it ends; other partitions hold its period
	Live   Action = "Live"   // hybrid: queries read it from the source, from its start on; it has no end
)

// Step is what the policy does to one partition.
type Step struct {
	Action      Action
	Name        string
	Range       Range
	Incremental bool     // of the incremental range, or caught up with it
	New         bool     // it was not there
	Takes       []string // Merge: the partitions whose files in Range it takes
	Polls       bool     // Load: only when the polling expression gives another value than it gave; Merge, and Load of what is not Ready: for the value alone
	Reason      string
}

// Request is what the policy needs to know of a refresh.
type Request struct {
	Today     time.Time // the effective date
	Automatic bool      // type automatic: Ready partitions of the incremental range are not read again
}

// LiveName is the name of the partition of a hybrid table that is read at query time. Power BI's is not documented.
const LiveName = "DirectQuery"

// Plan works out what the policy does, first to the partitions that end, then by their ranges. The error is Invalid with CodeInvalid: the
// window reaches beyond the dates that there are.
func (p Policy) Plan(request Request, present []Partition) ([]Step, error) {
	w := p.window(request.Today)
	if w.start.Year() < 1 || w.end.Year() > 9999 {
		return nil, invalid("on %s its window reaches beyond the years 1 to 9999", request.Today.Format(dateForm)).WithHint("Correct its periods, or the effective date.")
	}
	l := layout{policy: p, window: w, today: request.Today.Format(dateForm)}
	l.admit(present)
	l.arrange()
	l.fillGaps()
	if len(l.pieces) > mostPartitions {
		return nil, invalid("on %s it makes %d partitions", request.Today.Format(dateForm), len(l.pieces)).WithHint("Choose coarser periods, so that there are no more than %d.", mostPartitions)
	}
	for _, tile := range cover(Range{w.start, l.from}, p.coarsest()) {
		l.merge(tile)
	}
	return l.steps(request.Automatic), nil
}

// layout is a plan in the making.
type layout struct {
	policy Policy
	window window
	today  string
	from   time.Time // where the refreshed partitions begin
	held   []Partition
	first  bool    // nothing of what the policy made is there
	ended  []Step  // of partitions that end
	pieces []piece // by their ranges; none overlap
}

// piece is a partition as it will be.
type piece struct {
	Range
	held   *Partition // the partition that stays; nil for a new one
	takes  []string   // new: the partitions whose files it takes; none for one that is read
	reason string
}

// whole tells whether the piece holds all of its rows without reading.
func (c piece) whole() bool { return c.held != nil && c.held.Ready || len(c.takes) > 0 }

func (l *layout) end(action Action, partition Partition, reason string) {
	l.ended = append(l.ended, Step{Action: action, Name: partition.Name, Range: partition.Range, Reason: reason})
}

// admit takes over the partitions that the policy can have made, in the window, each moment once.
func (l *layout) admit(present []Partition) {
	present = slices.Clone(present)
	// What holds rows comes before what does not, and the coarse before the fine, where two hold the same moment.
	slices.SortStableFunc(present, func(a, b Partition) int {
		if a.Ready != b.Ready {
			if a.Ready {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Range.End.Sub(b.Range.Start), a.Range.End.Sub(a.Range.Start))
	})
	for _, partition := range present {
		_, period := partition.Range.grain()
		switch {
		case partition.Range.Start.IsZero():
			l.end(Remove, partition, "the policy's partitions take its place")
		case partition.Range.End.IsZero() && l.policy.hybrid && model.EqualNames(partition.Name, LiveName): // steps moves it
		case partition.Range.End.IsZero() && l.policy.hybrid:
			l.end(Remove, partition, "'"+LiveName+"' takes its place")
		case partition.Range.End.IsZero():
			l.end(Remove, partition, "the policy's mode is import")
		case !period || !model.EqualNames(partition.Name, l.policy.name(partition.Range)):
			l.end(Remove, partition, "it is none that the policy makes: its range is "+partition.Range.String())
		case !partition.Range.End.After(l.window.start):
			l.end(Drop, partition, "it is older than the window, which begins at "+l.window.start.Format(dateForm))
		case l.policy.hybrid && !partition.Range.Start.Before(l.window.end):
			l.end(Drop, partition, "queries read its period from the source")
		case slices.ContainsFunc(l.held, func(h Partition) bool {
			return h.Range.Start.Before(partition.Range.End) && partition.Range.Start.Before(h.Range.End)
		}):
			l.end(Remove, partition, "another partition holds its period")
		default:
			l.held = append(l.held, partition)
		}
	}
	slices.SortFunc(l.held, func(a, b Partition) int { return a.Range.Start.Compare(b.Range.Start) })
	var newest time.Time
	if n := len(l.held); n > 0 {
		newest = l.policy.incremental.grain.floor(l.held[n-1].Range.End.AddDate(0, 0, -1))
	}
	l.first = newest.IsZero()
	l.from = l.policy.refreshedFrom(l.window, newest)
}

// arrange places the partitions that are there, and those of the refreshed range.
func (l *layout) arrange() {
	g := l.policy.incremental.grain
	refreshed := Range{l.from, l.window.end}
	has := map[time.Time]bool{} // the starts of the periods of the refreshed range that have a partition
	for i := range l.held {
		held := &l.held[i]
		switch {
		case !held.Range.End.After(refreshed.Start):
			l.pieces = append(l.pieces, piece{Range: held.Range, held: held, reason: "the policy does not refresh what ends before " + refreshed.Start.Format(dateForm)})
		case !held.Range.Start.Before(refreshed.End):
			l.pieces = append(l.pieces, piece{Range: held.Range, held: held, reason: newer})
		case g.floor(held.Range.Start).Equal(held.Range.Start) && g.add(held.Range.Start, 1).Equal(held.Range.End):
			has[held.Range.Start] = true
			l.pieces = append(l.pieces, piece{Range: held.Range, held: held})
		default:
			l.end(Remove, *held, "partitions of one "+g.String()+" each take its place in the incremental range")
			l.split(held, Range{held.Range.Start, refreshed.Start})
			if i < len(l.held)-1 { // else what follows the range has not come yet: its partitions are made in their time
				l.split(held, Range{refreshed.End, held.Range.End})
			}
		}
	}
	for _, period := range periods(refreshed, g) {
		if !has[period.Start] {
			l.pieces = append(l.pieces, piece{Range: period, reason: "new in the incremental range"})
		}
	}
	l.sort()
}

// newer: Microsoft's documents do not say what becomes of partitions after the range when the effective date goes back.
const newer = "it lies after the incremental range, and stays as it is"

// split makes pieces of what a partition holds of a range outside the refreshed one. A piece takes the files that hold exactly its rows;
// where no borders of files fall on its own it is read.
func (l *layout) split(held *Partition, r Range) {
	for _, tile := range cover(r, l.policy.coarsest()) {
		made := piece{Range: tile, reason: "it was a part of '" + held.Name + "'"}
		switch {
		case !held.Ready:
			made.reason += ", which has no rows"
		case tiles(held.Files, tile):
			made.takes = []string{held.Name}
		default:
			made.reason += ", whose files cannot be parted there, so that it is read again"
		}
		l.pieces = append(l.pieces, made)
	}
}

// tiles tells whether some of the files hold exactly the rows of a range.
func tiles(files []Range, r Range) bool {
	at := r.Start
	for _, file := range files { // in the order of their ranges
		switch {
		case r.holds(file):
			if !file.Start.Equal(at) {
				return false
			}
			at = file.End
		case file.Start.Before(r.End) && r.Start.Before(file.End):
			return false
		}
	}
	return at.Equal(r.End)
}

func (l *layout) sort() {
	slices.SortFunc(l.pieces, func(a, b piece) int { return a.Start.Compare(b.Start) })
}

// fillGaps makes pieces of the window that no partition holds. What is there is not read again for the sake of its neighbours: its
// source may not have those rows any more.
func (l *layout) fillGaps() {
	reason := "new: no partition held its rows"
	if l.first && !slices.ContainsFunc(l.ended, func(s Step) bool { return s.Action == Drop }) {
		reason = "new: the policy is applied for the first time"
	}
	at := l.window.start
	for _, present := range slices.Clone(l.pieces) {
		if present.Start.After(l.from) {
			break
		}
		if at.Before(present.Start) {
			for _, tile := range cover(Range{at, present.Start}, l.policy.coarsest()) {
				l.pieces = append(l.pieces, piece{Range: tile, reason: reason})
			}
		}
		if at.Before(present.End) {
			at = present.End
		}
	}
	l.sort()
}

// merge makes one piece of those that tile a period before the refreshed range, when all of their rows are there; else it tries the
// period's parts. A piece that is read now is merged by a later run.
func (l *layout) merge(tile Range) {
	first, count, whole := -1, 0, true
	for i, c := range l.pieces {
		switch {
		case tile.holds(c.Range):
			if first < 0 {
				first = i
			}
			count++
			whole = whole && c.whole()
		case c.Start.Before(tile.End) && tile.Start.Before(c.End):
			return // a partition of a coarser period, from an earlier policy
		}
	}
	grain, _ := tile.grain()
	switch {
	case count < 2:
	case whole:
		merged := piece{Range: tile}
		for _, c := range l.pieces[first : first+count] {
			if c.held == nil {
				merged.takes = append(merged.takes, c.takes...)
				continue
			}
			merged.takes = append(merged.takes, c.held.Name)
			l.end(Remove, *c.held, "merged into '"+l.policy.name(tile)+"'")
		}
		merged.takes = slices.Compact(merged.takes)
		merged.reason = "all of its rows are there, and it ends before " + l.from.Format(dateForm)
		l.pieces = slices.Replace(l.pieces, first, first+count, merged)
	case grain > Day:
		for _, part := range periods(tile, grain-1) {
			l.merge(part)
		}
	}
}

// steps writes the pieces down.
func (l *layout) steps(automatic bool) []Step {
	slices.SortStableFunc(l.ended, func(a, b Step) int {
		if c := a.Range.Start.Compare(b.Range.Start); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	steps := l.ended
	for _, c := range l.pieces {
		incremental := !c.Start.Before(l.from) && c.Start.Before(l.window.end)
		step := Step{Name: l.policy.name(c.Range), Range: c.Range, Incremental: incremental, New: c.held == nil, Takes: c.takes, Reason: c.reason}
		switch {
		case len(c.takes) > 0:
			step.Action, step.Polls = Merge, l.policy.polls
		case c.held == nil:
			step.Action, step.Polls = Load, l.policy.polls
		case !incremental:
			step.Action, step.Name = Keep, c.held.Name
			if !c.held.Ready {
				step.Reason += "; it has no rows, and a policy does not load history that was cleared"
			}
		case automatic && c.held.Ready:
			step.Action, step.Name, step.Reason = Keep, c.held.Name, "it is Ready"
		default:
			step.Action, step.Name, step.Polls = Load, c.held.Name, l.policy.polls
			step.Reason = "in the incremental range of " + l.today
			if c.Start.Before(l.window.incremental) {
				step.Reason = "refreshed with the runs that were missed"
			}
		}
		steps = append(steps, step)
	}
	if l.policy.hybrid {
		steps = append(steps, Step{Action: Live, Name: LiveName, Range: Range{Start: l.window.end}, Reason: "queries read the source from here on"})
	}
	return steps
}
