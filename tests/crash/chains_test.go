package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"freshet.dev/internal/refresh"
)

// order is the place of an operation's dataflow in the chain; -1 for none.
func (e *evidence) order(operation refresh.Operation) int {
	return slices.IndexFunc(chained, func(flow string) bool { return e.items[flow] == operation.Model })
}

// chainsOf are the operations of the run by the chain that they are part of.
func (e *evidence) chainsOf() map[string][]refresh.Operation {
	found := map[string][]refresh.Operation{}
	for _, operation := range e.operations {
		if chain := operation.Request.Chain; chain != nil {
			found[chain.Root] = append(found[chain.Root], operation)
		}
	}
	return found
}

// chainEnds: F14. All of a chain are Completed or none; with commitEach those are, in the order of the chain, that come before one that is not.
func chainEnds(e *evidence) error {
	if !e.chains() {
		return nil
	}
	for root, members := range e.chainsOf() {
		slices.SortFunc(members, func(a, b refresh.Operation) int { return e.order(a) - e.order(b) })
		if want := len(chained) - e.order(members[0]); len(members) != want {
			return fmt.Errorf("chain %s has %d members, not %d", root, len(members), want)
		}
		for i, member := range members[1:] {
			before := members[i]
			switch {
			case e.Mode == allOrNothing && (member.State == refresh.Completed) != (before.State == refresh.Completed):
				return fmt.Errorf("%s ended as %s, and %s of the same chain as %s", before.ID, before.State, member.ID, member.State)
			case member.State == refresh.Completed && before.State != refresh.Completed:
				return fmt.Errorf("%s is Completed, and %s, which it reads, %s", member.ID, before.ID, before.State)
			case e.Mode == allOrNothing && member.State == refresh.Completed && !member.EndedAt.Equal(before.EndedAt):
				return fmt.Errorf("%s and %s are one commit, and ended at %s and %s", before.ID, member.ID, before.EndedAt, member.EndedAt)
			case e.Mode == commitEach && member.State == refresh.Completed && member.StartedAt.Before(before.EndedAt):
				return fmt.Errorf("%s began before %s, which it reads, was committed", member.ID, before.ID)
			}
		}
	}
	return nil
}

// historyIsTrue: each version that was made since the deployment is that of one operation that is Completed, and the other way round; the steps
// of one that is not have made nothing.
func historyIsTrue(e *evidence) error {
	if !e.chains() {
		return nil
	}
	made := map[string]map[int64]string{}
	for _, operation := range e.operations {
		if operation.State != refresh.Completed {
			if operation.Version != 0 {
				return fmt.Errorf("%s ended as %s and names version %d", operation.ID, operation.State, operation.Version)
			}
			continue
		}
		if made[operation.Model] == nil {
			made[operation.Model] = map[int64]string{}
		}
		if other := made[operation.Model][operation.Version]; other != "" || operation.Version == 0 {
			return fmt.Errorf("%s names version %d, as does %q", operation.ID, operation.Version, other)
		}
		made[operation.Model][operation.Version] = operation.ID
		for _, step := range e.steps[operation.ID] {
			if step.State != refresh.StepCommitted && step.State != refresh.StepSkipped {
				return fmt.Errorf("step %d of %s, which is Completed, is %s", step.Number, operation.ID, step.State)
			}
		}
	}
	for flow, id := range e.items {
		if int64(len(made[id])) != e.current[flow]-1 {
			return fmt.Errorf("dataflow %s is at version %d, and %d refreshes are Completed", flow, e.current[flow], len(made[id]))
		}
	}
	return nil
}

// released: what was pinned for an operation that has ended is not kept any more.
func released(e *evidence) error {
	if !e.chains() {
		return nil
	}
	for _, version := range e.kept {
		for flow, id := range e.items {
			if id == version.model && version.number < e.current[flow]-1 {
				return fmt.Errorf("version %d of dataflow %s, which is at version %d, is still kept", version.number, flow, e.current[flow])
			}
		}
	}
	return nil
}

// foldersFollow: C1. Once everything rests the CDM folders show what readers see.
func foldersFollow(e *evidence) error {
	if !e.folding {
		return nil
	}
	return sameRows(e.told, e.rows)
}

// fits says what is wrong with the rows that somebody saw in a chain: a dataflow is as it was or as it is to be, and so are those that it reads.
func (e *evidence) fits(l look) error {
	fresh := map[string]bool{}
	for _, flow := range slices.Sorted(maps.Keys(e.items)) {
		old, now := 0, 0
		for name, rows := range l.Parts {
			if !strings.HasPrefix(name, flow+"/") || flow == rates && e.moves {
				continue
			}
			switch rows {
			case e.want[name]:
				if rows != e.old[name] {
					now++
				}
			case e.old[name]:
				old++
			default:
				return fmt.Errorf("%s saw at '%s' in %s rows that never were: %s, neither %s nor %s", l.Who, l.At, name, rows, e.old[name], e.want[name])
			}
		}
		if old > 0 && now > 0 {
			return fmt.Errorf("%s saw at '%s' a mixture: of %s %d partitions of before and %d of after", l.Who, l.At, flow, old, now)
		}
		fresh[flow] = now > 0
	}
	if l.Folders {
		return nil // one is written after the other
	}
	for i, flow := range chained[1:] {
		before := chained[i]
		if changes(e.old, e.want, flow) && changes(e.old, e.want, before) && fresh[flow] != fresh[before] && (e.Mode == allOrNothing || fresh[flow]) {
			return fmt.Errorf("%s saw at '%s' a mixture: new rows of %s %t, and of %s %t", l.Who, l.At, before, fresh[before], flow, fresh[flow])
		}
	}
	return nil
}

// rowsOfChains are the rows that dataflows of which a refresh has ended so are to have.
func (e *evidence) rowsOfChains(ended refresh.State) map[string]string {
	rows := map[string]string{}
	for _, operation := range e.operations {
		at := e.order(operation)
		if at < 0 || operation.State != ended || slices.Contains(e.earlier, operation.ID) {
			continue
		}
		for name, digest := range e.want {
			if strings.HasPrefix(name, chained[at]+"/") {
				rows[name] = digest
			}
		}
	}
	return rows
}

// otherwiseOldInChains checks the dataflows of which no refresh is Completed.
func (e *evidence) otherwiseOldInChains() error {
	done := e.rowsOfChains(refresh.Completed)
	for name, old := range e.old {
		if _, changed := done[name]; !changed && e.rows[name] != old && !(e.moves && strings.HasPrefix(name, rates+"/")) {
			return fmt.Errorf("%s has the rows %s, not those of before, %s", name, e.rows[name], old)
		}
	}
	return nil
}

// changes tells whether a dataflow's rows are to change.
func changes(old, want map[string]string, flow string) bool {
	for name := range want {
		if strings.HasPrefix(name, flow+"/") && old[name] != want[name] {
			return true
		}
	}
	return false
}

// expectedOfChain checks the ends of the chains' members, and that they took so many attempts more than one each.
func (e *evidence) expectedOfChain(more int) error {
	failed := len(chained) // the place of the dataflow that cannot be refreshed
	if p, _ := pointNamed(e.Point); p.way == onTheEnd {
		failed = slices.Index(chained, e.broken[0].Item)
	}
	members, taken := 0, 0
	for _, operation := range e.operations {
		if operation.Request.Chain == nil || slices.Contains(e.earlier, operation.ID) {
			continue
		}
		members++
		taken += len(operation.Attempts)
		at, want := e.order(operation), refresh.Completed
		if failed < len(chained) && (e.Mode == allOrNothing || at >= failed) {
			want = refresh.Failed
		}
		switch {
		case operation.State != want:
			return fmt.Errorf("%s of %s ended as %s, not as %s: %+v", operation.ID, chained[at], operation.State, want, operation.Failure)
		case at == failed && len(operation.Attempts) != e.retryCount+1:
			return fmt.Errorf("%s of %s ended after %d attempts of %d", operation.ID, chained[at], len(operation.Attempts), e.retryCount+1)
		case at != failed && want == refresh.Failed && operation.Failure.Code != refresh.CodeChain:
			return fmt.Errorf("%s of %s failed because of %+v", operation.ID, chained[at], operation.Failure)
		}
	}
	if failed == len(chained) && taken != members+more {
		return fmt.Errorf("%d refreshes took %d attempts, not %d", members, taken, members+more)
	}
	return nil
}
