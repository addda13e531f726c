package refresh

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup"
	"freshet.dev/internal/model"
	"freshet.dev/internal/policy"
	"freshet.dev/internal/store"
)

// The codes of refresh policies.
const (
	// Information: what applying a table's refresh policy has done to its partitions.
	// Do: nothing; freshet show names each partition with the reason.
	codePolicyApplied = "RefreshPolicyApplied"

	// Warning: partitions before the incremental range hold no rows, and a refresh policy does not load them.
	// Do: refresh the table, or those partitions, with "applyRefreshPolicy": false.
	CodeHistoryEmpty = "PolicyHistoryEmpty"

	// Warning: the filter by RangeStart and RangeEnd does not get into the source's query, so that every partition reads the whole source.
	// Do: move the filter before the step that the text names, or write that step so that it folds (freshet explain).
	codeRangeNotFolded = "RangeNotFolded"
)

// applies tells whether the request applies the table's refresh policy.
func (r Request) applies(table *model.Table) bool {
	if !r.ApplyRefreshPolicy || !r.Type.loads() || table.RefreshPolicy == nil {
		return false
	}
	for _, object := range r.Objects {
		if object.Table == table.Name {
			return true
		}
	}
	return len(r.Objects) == 0 && !table.ExcludeFromModelRefresh
}

// checkPolicy is R13: a policy that the request would apply can be applied. m is the model as its current version has it.
func (r Request) checkPolicy(m *model.Model) error {
	for _, table := range m.Tables {
		if !r.applies(table) {
			continue
		}
		for _, object := range r.Objects {
			if object.Table == table.Name && object.Partition != "" {
				return invalid("cannot refresh partition '%s' of table '%s' alone: the table has a refresh policy, which applyRefreshPolicy = true applies to the whole table",
					object.Partition, object.Table).WithHint("Send \"applyRefreshPolicy\": false to load the partition as it is defined.")
			}
		}
		if r.CommitMode == PartialBatch {
			return invalid("cannot apply the refresh policy of table '%s' in commitMode PartialBatch", table.Name).
				WithHint("Send \"applyRefreshPolicy\": false, or \"commitMode\": \"transactional\".")
		}
		if err := r.soundPolicy(m, table); err != nil {
			return err
		}
	}
	return nil
}

// soundPolicy refuses a policy that says nothing sound, and one whose source expression would give every partition the same rows.
func (r Request) soundPolicy(m *model.Model, table *model.Table) error {
	rules, err := policy.New(table.RefreshPolicy)
	if err == nil {
		_, err = rules.Plan(policy.Request{Today: r.EffectiveDate}, nil)
	}
	if err != nil {
		return fault.At(err, policy.CodeInvalid, fault.Where{Table: table.Name})
	}
	reached := map[string]bool{}
	for _, expression := range m.Reached(table, table.RefreshPolicy.SourceExpression) {
		reached[expression.Name] = true
	}
	for _, name := range []string{model.RangeStart, model.RangeEnd} {
		if !reached[name] {
			err := fault.New(fault.Invalid, policy.CodeInvalid, "cannot apply the refresh policy: its source expression does not use the expression %s of the model, so that every partition would hold the same rows", name).
				WithHint("Give the model the expressions RangeStart and RangeEnd, of type datetime and in these letters, and filter by them: each [Date] >= RangeStart and [Date] < RangeEnd.")
			return fault.At(err, policy.CodeInvalid, fault.Where{Table: table.Name})
		}
	}
	return nil
}

// policy plans a table by its refresh policy.
func (p *planning) policy(table *model.Table) error {
	rules, err := policy.New(table.RefreshPolicy)
	if err != nil {
		return fault.At(err, policy.CodeInvalid, fault.Where{Table: table.Name})
	}
	present := make([]policy.Partition, 0, len(table.Partitions))
	for _, partition := range table.Partitions {
		one := policy.Partition{Name: partition.Name}
		if r, err := policy.ParseRange(partition.Source.Start, partition.Source.End); err == nil {
			one.Range = r // else it is none of the policy's
		}
		if held := p.parts[key(table.Name, partition.Name)]; held != nil {
			one.Ready = held.State == store.Ready
			for _, file := range held.Files {
				if r, err := policy.ParseRange(file.Start, file.End); err == nil {
					one.Files = append(one.Files, r)
				}
			}
		}
		present = append(present, one)
	}
	steps, err := rules.Plan(policy.Request{Today: p.request.EffectiveDate, Automatic: p.request.Type == Automatic}, present)
	if err != nil {
		return fault.At(err, policy.CodeInvalid, fault.Where{Table: table.Name})
	}
	var empty []string
	counts := map[policy.Action]int{}
	for _, planned := range steps {
		counts[planned.Action]++
		step := Step{Table: table.Name, Partition: planned.Name, Takes: planned.Takes, State: StepPlanned, Note: planned.Reason}
		step.Start, step.End = planned.Range.Text()
		known := ""
		if held := p.parts[key(table.Name, planned.Name)]; held != nil {
			step.Held = held.Rows()
			if held.State == store.Ready {
				known = held.Bookmark
			} else if planned.Action == policy.Keep && !planned.Incremental {
				empty = append(empty, planned.Name)
			}
		}
		switch planned.Action {
		case policy.Keep:
			step = step.keep(planned.Reason)
		case policy.Load:
			step.Kind = LoadStep
		case policy.Merge:
			step.Kind = MergeStep
			if scattered(taken(p.parts, step)) {
				step.Kind = CompactStep
			}
		case policy.Drop:
			step.Kind = DropStep
		case policy.Remove:
			step.Kind = RemoveStep
		case policy.Live:
			step.Kind = LiveStep
			if held := p.parts[key(table.Name, planned.Name)]; held != nil && held.Start == step.Start && held.End == "" {
				step = step.keep(planned.Reason)
			}
		}
		if planned.Polls {
			p.poll(step, known)
		} else if !step.Kind.works() && step.Kind != KeepStep { // nothing to do before the commit
			step.State, step.EndedAt = StepFinished, p.now
		}
		p.add(step)
	}
	reading := "to read"
	if table.RefreshPolicy.PollingExpression != "" {
		reading = "to read where their polls tell of a change"
	}
	p.messages = append(p.messages, Message{At: p.now, Type: InfoMessage, Code: codePolicyApplied, Where: fault.Where{Table: table.Name}, Text: fmt.Sprintf(
		"The refresh policy of table '%s' on %s: %d partitions %s, %d merged, %d kept, %d dropped.",
		table.Name, p.request.EffectiveDate.Format(time.DateOnly), counts[policy.Load], reading, counts[policy.Merge], counts[policy.Keep], counts[policy.Drop])})
	if len(empty) > 0 {
		p.messages = append(p.messages, Message{At: p.now, Type: WarningMessage, Code: CodeHistoryEmpty, Where: fault.Where{Table: table.Name}, Text: fmt.Sprintf(
			"Table '%s' has partitions without rows before its incremental range, which a refresh policy does not load: %s. Refresh them with applyRefreshPolicy = false.",
			table.Name, listed(empty, func(name string) string { return name }))})
	}
	return nil
}

// readable tells whether partitions of type policyRange can be read: they have no expression of their own.
func readable(table *model.Table) bool {
	return table.RefreshPolicy != nil && table.RefreshPolicy.SourceExpression != ""
}

// poll plans the polling of a partition for the step that follows. known is the value that makes a load needless.
func (p *planning) poll(of Step, known string) {
	p.add(Step{Kind: PollStep, Table: of.Table, Partition: of.Partition, Start: of.Start, End: of.End, Known: known, State: StepPlanned})
}

// taken lists the files that a step takes over, in the order of their rows.
func taken(parts map[store.Key]*store.Part, step Step) []store.File {
	var files []store.File
	for _, name := range step.Takes {
		part := parts[key(step.Table, name)]
		if part == nil {
			continue
		}
		for _, file := range part.Files {
			if file.Start >= step.Start && file.End <= step.End { // ISO dates
				files = append(files, file)
			}
		}
	}
	return files
}

// A reader opens every file of a table. Merged partitions keep their files, which costs nothing, until there are many small ones.
const (
	smallFile = 32 << 20 // bytes
	mostSmall = 16
)

// live is the part of a hybrid table that queries read from the source.
func live(m *model.Model, step Step) store.Part {
	made := store.Part{Table: step.Table, Partition: step.Partition, State: store.Ready, Start: step.Start}
	table := m.Table(step.Table)
	made.Fingerprint = store.Fingerprint(m, table, &model.Partition{Name: step.Partition, Mode: "directQuery", Source: model.PartitionSource{Type: model.PolicyRangePartition}})
	return made
}

// scattered tells whether files are so many and small that they are worth being rewritten as one.
func scattered(files []store.File) bool {
	small := 0
	for _, file := range files {
		if file.Bytes < smallFile {
			small++
		}
	}
	return small > mostSmall
}

// merged is the part that a Merge or Compact step makes of parts that are there.
func merged(parts map[store.Key]*store.Part, step Step) store.Part {
	made := store.Part{Table: step.Table, Partition: step.Partition, State: store.Ready, Start: step.Start, End: step.End, Files: taken(parts, step), Bookmark: step.Bookmark}
	if step.Kind == CompactStep {
		made.Files = []store.File{ranged(step)}
	}
	for _, name := range step.Takes {
		if part := parts[key(step.Table, name)]; part != nil && (made.ReadAt.IsZero() || part.ReadAt.Before(made.ReadAt)) {
			made.ReadAt, made.Fingerprint = part.ReadAt, part.Fingerprint
		}
	}
	return made
}

// ranged is the file that a step has written, with the range of the step's partition.
func ranged(step Step) store.File {
	file := step.File
	file.Start, file.End = step.Start, step.End
	return file
}

// pollOf returns the step's poll, if it has one that is done, and whether it must be waited for.
func (w *work) pollOf(step Step) (poll *Step, waiting bool) {
	if step.Kind == PollStep || step.Start == "" {
		return nil, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := step.Number - 2; n >= 0 && w.steps[n].Kind == PollStep && w.steps[n].Table == step.Table && w.steps[n].Partition == step.Partition {
		found := w.steps[n]
		return &found, found.State != StepFinished && found.State != StepCommitted
	}
	return nil, false
}

// partitionOf is the partition that a step is about, which may be one that a policy makes.
func partitionOf(table *model.Table, step Step) *model.Partition {
	if step.Start == "" {
		return table.Partition(step.Partition)
	}
	return &model.Partition{Name: step.Partition, Mode: "import", Source: model.PartitionSource{Type: model.PolicyRangePartition, Start: step.Start, End: step.End}}
}

// bindings are the parameters of a policy's expressions for a partition.
func bindings(partition *model.Partition) (map[string]mashup.Value, error) {
	r, err := policy.ParseRange(partition.Source.Start, partition.Source.End)
	if err != nil {
		return nil, err
	}
	if r.End.IsZero() {
		r.End = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC) // the last moment that databases have too, so that it folds
	}
	return map[string]mashup.Value{model.RangeStart: mashup.DateTimeValue(r.Start), model.RangeEnd: mashup.DateTimeValue(r.End)}, nil
}

// rangeLost warns when the range of a policy's partition does not get to its source: what the source is asked for another range is the same.
// Without a source there is nothing to warn of.
func (r *reading) rangeLost(ctx context.Context, table *model.Table, partition *model.Partition, explained *mashup.Explanation) ([]Message, error) {
	elsewhere := *partition
	elsewhere.Source.Start, elsewhere.Source.End = "1800-01-01", "1800-02-03" // no policy makes it
	other, err := r.explain(ctx, table, &elsewhere)
	if err != nil || len(explained.Statements) == 0 || !slices.Equal(explained.Statements, other.Statements) {
		return nil, err
	}
	text := fmt.Sprintf("Each partition of table '%s' reads all of its source, because the filter by RangeStart and RangeEnd does not get there", table.Name)
	if explained.Breaks != "" {
		text += fmt.Sprintf(": folding ends at %s, since %s", explained.Breaks, explained.Why)
	}
	return []Message{{At: r.now(), Type: WarningMessage, Code: codeRangeNotFolded, Where: fault.Where{Table: table.Name}, Text: text + "."}}, nil
}

// warnOfRange looks for rangeLost, and tells of it.
func (w *work) warnOfRange(ctx context.Context, table *model.Table, partition *model.Partition) error {
	explained, err := w.reading.explain(ctx, table, partition)
	if err != nil {
		return err
	}
	warnings, err := w.reading.rangeLost(ctx, table, partition, explained)
	if err != nil || len(warnings) == 0 {
		return err
	}
	return w.tell(ctx, warnings...)
}

// looks tells whether a load of a policy's partition is the one that looks for all of its table whether their range gets to the source: the first
// that is read.
func (w *work) looks(step Step) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if step.Start == "" || w.looked[step.Table] {
		return false
	}
	w.looked[step.Table] = true
	return !slices.ContainsFunc(w.steps, func(s Step) bool { // by an earlier owner
		return s.Kind == LoadStep && s.Table == step.Table && (s.State == StepFinished || s.State == StepCommitted)
	})
}

// unchanged is the note of a load that its poll has made needless.
func unchanged(poll Step) string {
	const most = 80
	value := poll.Bookmark
	if len(value) > most {
		value = strings.ToValidUTF8(value[:most], "") + "…"
	}
	return "its polling expression gives the same as when it was read: " + value
}
