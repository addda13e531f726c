package refresh

import (
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/policy"
	"freshet.dev/internal/store"
)

// plan expands a request into steps, one for each partition in scope (and one before it for its poll), and says what the reader should know about
// them. It depends on its arguments only: a plan is made once, stored, and followed by every owner. An error is one of a refresh policy.
func plan(definition Definition, version store.Version, request Request, now time.Time) ([]Step, []Message, error) {
	m := version.Partitioned(definition.Model)
	p := &planning{request: request, parts: index(version), now: now}
	for _, table := range m.Tables {
		if request.leavesOut(table) {
			p.messages = append(p.messages, Message{At: now, Type: InfoMessage, Code: codeExcluded, Where: fault.Where{Table: table.Name},
				Text: "Table '" + table.Name + "' was left out: its excludeFromModelRefresh keeps it from refreshes of the whole model."})
			continue
		}
		if request.applies(table) {
			if err := p.policy(table); err != nil {
				return nil, nil, err
			}
			continue
		}
		for _, partition := range request.partitions(table) {
			p.partition(table, partition)
		}
	}
	if request.Type == Full || request.Type == Automatic || request.Type == Calculate {
		p.messages = append(p.messages, uncalculated(m, request, now)...)
	}
	return p.steps, p.messages, nil
}

// planning is a plan in the making.
type planning struct {
	request  Request
	parts    map[store.Key]*store.Part
	now      time.Time
	steps    []Step
	messages []Message
}

// add numbers a step.
func (p *planning) add(step Step) {
	step.Number = len(p.steps) + 1
	p.steps = append(p.steps, step)
}

// partition plans what the request does to a partition as it is.
func (p *planning) partition(table *model.Table, partition *model.Partition) {
	step := Step{Table: table.Name, Partition: partition.Name, State: StepPlanned}
	where := fault.Where{Table: step.Table, Partition: step.Partition}
	held := p.parts[key(step.Table, step.Partition)]
	if held != nil {
		step.Held, step.Start, step.End = held.Rows(), held.Start, held.End
		if r, err := policy.ParseRange(held.Start, held.End); err == nil { // a definition may write it otherwise
			step.Start, step.End = r.Text()
		}
	}
	switch source := sourceOf(partition); {
	case source == calculatedSource:
		step = step.keep("calculated from other tables")
	case source == noSource:
		step = step.keep("it has no data of its own")
	case source == linkedSource:
		step = step.keep(linkedNote)
	case source == liveSource:
		step = step.keep("read at query time (mode " + partition.Mode + ")")
		if p.request.Type.loads() && partition.Source.Type != model.PolicyRangePartition {
			p.messages = append(p.messages, Message{At: p.now, Type: WarningMessage, Code: codeNotLoaded, Where: where,
				Text: "Partition '" + step.Partition + "' of table '" + step.Table + "' was not loaded: its mode is " + partition.Mode + ", and only import partitions are loaded."})
		}
	case p.request.Type == ClearValues:
		step.Kind = ClearStep
	case p.request.Type == Calculate:
		step = step.keep("type Calculate loads nothing")
	case p.request.Type == Defragment && (held == nil || len(held.Files) < 2):
		step = step.keep("it is compact")
	case p.request.Type == Defragment:
		step.Kind = DefragmentStep
	case p.request.Type == Automatic && held != nil && held.State == store.Ready:
		step = step.keep("it is Ready")
	case source == importSource && (partition.Source.Type != model.PolicyRangePartition || readable(table)):
		step.Kind = LoadStep
		if step.Start != "" && readable(table) && table.RefreshPolicy.PollingExpression != "" {
			p.poll(step, "")
		}
	default:
		step.Kind, step.State, step.EndedAt = LoadStep, StepFailed, p.now
		step.Failure = failureOf(fault.At(unsupported(partition), codePartition, where))
		p.messages = append(p.messages, step.Failure.message(ErrorMessage, p.now))
	}
	p.add(step)
}

// key is a name of two parts as a map key: the same for names that models hold equal.
func key(table, name string) store.Key {
	return store.Key{Table: model.NameKey(table), Partition: model.NameKey(name)}
}

func index(version store.Version) map[store.Key]*store.Part {
	parts := make(map[store.Key]*store.Part, len(version.Parts))
	for i, part := range version.Parts {
		parts[key(part.Table, part.Partition)] = &version.Parts[i]
	}
	return parts
}

func (s Step) keep(why string) Step {
	s.Kind, s.State, s.Note = KeepStep, StepSkipped, why
	return s
}

// sourceKind says what a refresh can do with a partition.
type sourceKind uint8

const (
	importSource sourceKind = iota
	liveSource
	calculatedSource
	noSource
	linkedSource
	unsupportedSource
)

// linkedNote is why a linked entity is not loaded.
const linkedNote = "a linked entity: its rows are those of another dataflow"

func sourceOf(partition *model.Partition) sourceKind {
	switch partition.Source.Type {
	case model.CalculatedPartition:
		return calculatedSource
	case model.CalculationGroupPartition, model.NonePartition, model.InferredPartition:
		return noSource
	}
	switch strings.ToLower(partition.Mode) {
	case "", "import", "default":
	case model.LinkedMode:
		return linkedSource
	default:
		return liveSource
	}
	switch partition.Source.Type {
	case model.MPartition, model.QueryPartition, model.PolicyRangePartition:
		return importSource
	}
	return unsupportedSource
}

// uncalculated warns of the calculated tables and columns in scope, which keep or get the state CalculationNeeded.
func uncalculated(m *model.Model, request Request, now time.Time) []Message {
	var messages []Message
	warn := func(table, text string) {
		messages = append(messages, Message{At: now, Type: WarningMessage, Code: CodeCalculation, Where: fault.Where{Table: table}, Text: text})
	}
	tables := map[*model.Table]bool{}
	for _, target := range request.scope(m) {
		if tables[target.table] {
			continue
		}
		tables[target.table] = true
		if sourceOf(target.partition) == calculatedSource {
			warn(target.table.Name, "Calculated table '"+target.table.Name+"' was not calculated: its state is CalculationNeeded, and it cannot be queried.")
			continue
		}
		if columns := calculatedColumns(target.table); len(columns) > 0 {
			warn(target.table.Name, "Calculated columns of table '"+target.table.Name+"' were not calculated: "+listed(columns, func(c *model.Column) string { return c.Name })+
				". Their state is CalculationNeeded, and they cannot be queried.")
		}
	}
	return messages
}

func calculatedColumns(table *model.Table) []*model.Column {
	var columns []*model.Column
	for _, column := range table.Columns {
		if column.Type == model.CalculatedColumn {
			columns = append(columns, column)
		}
	}
	return columns
}

// change is what finished steps do to a version: the parts that they put and remove, and everything calculated, which loses its values with the
// rows that it came from.
func change(m *model.Model, base store.Version, steps []Step) store.Change {
	var change store.Change
	parts := index(base)
	handedOver := map[store.Key]bool{} // what merged partitions take over
	rowsDiffer := false
	for _, step := range steps {
		for _, name := range step.Takes {
			handedOver[key(step.Table, name)] = true
		}
	}
	for _, step := range steps {
		part := store.Part{Table: step.Table, Partition: step.Partition, State: store.NoData, Start: step.Start, End: step.End}
		held := parts[key(step.Table, step.Partition)]
		switch step.Kind {
		case LoadStep:
			part.State, part.Files, part.ReadAt = store.Ready, []store.File{ranged(step)}, step.ReadAt
			part.Bookmark, part.Fingerprint = step.Bookmark, step.Fingerprint
			rowsDiffer = true
		case ClearStep:
			if step.Start != "" {
				part.Fingerprint = held.Fingerprint // the policy's partition goes on
			}
			rowsDiffer = true
		case DefragmentStep:
			part = *held // a step of this kind is only planned for a part that is there
			part.Files = []store.File{ranged(step)}
		case MergeStep, CompactStep:
			part = merged(parts, step)
		case DropStep, RemoveStep:
			change.Remove = append(change.Remove, store.Key{Table: step.Table, Partition: step.Partition})
			rowsDiffer = rowsDiffer || !handedOver[key(step.Table, step.Partition)]
			continue
		case LiveStep:
			part = live(m, step)
		case KeepStep, PollStep:
			continue
		}
		change.Put = append(change.Put, part)
	}
	if rowsDiffer { // else what was calculated stays
		dependents(m, base, parts, &change)
	}
	return change
}

// dependents turns calculated columns and tables that hold values to CalculationNeeded. What depends on what is not analysed: any may
// read any table.
func dependents(m *model.Model, base store.Version, parts map[store.Key]*store.Part, change *store.Change) {
	states := map[store.Key]store.State{}
	for _, object := range base.Objects {
		states[key(object.Table, object.Column)] = object.State
	}
	for _, table := range m.Tables {
		for _, partition := range table.Partitions {
			if sourceOf(partition) != calculatedSource {
				continue
			}
			if held := parts[key(table.Name, partition.Name)]; held == nil || held.State != store.CalculationNeeded {
				change.Put = append(change.Put, store.Part{Table: table.Name, Partition: partition.Name, State: store.CalculationNeeded})
			}
		}
		for _, column := range calculatedColumns(table) {
			if states[key(table.Name, column.Name)] != store.CalculationNeeded {
				change.Objects = append(change.Objects, store.Object{Table: table.Name, Column: column.Name, State: store.CalculationNeeded})
			}
		}
	}
}
