package workspace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"freshet.dev/internal/model"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/store"
)

// change works out what a new definition does to the data that is present.
func (p present) change(read *model.Model) (store.Change, []PartitionChange) {
	w := work{present: p, read: p.withPolicies(read), calculated: p.model == nil || calculations(p.model) != calculations(read)}
	// Whatever is calculated is calculated from rows: it stays only when all rows and all expressions stay.
	w.eachPartition(func(table *model.Table, partition *model.Partition) {
		if partition.Source.Type != model.CalculatedPartition {
			w.partition(table, partition)
		}
	})
	w.removed()
	w.eachPartition(func(table *model.Table, partition *model.Partition) {
		if partition.Source.Type == model.CalculatedPartition {
			w.partition(table, partition)
		}
	})
	for _, table := range read.Tables {
		for _, column := range table.Columns {
			if column.Type == model.CalculatedColumn {
				w.result.Objects = append(w.result.Objects, store.Object{Table: table.Name, Column: column.Name, State: w.columnState(table, column)})
			}
		}
	}
	return w.result, w.changes
}

type work struct {
	present
	read       *model.Model // a table whose policy's partitions are kept has those
	calculated bool         // what is calculated must be calculated anew
	seen       []*store.Part
	taken      []*model.Table // whose one partition takes the rows of those that a policy has made
	result     store.Change
	changes    []PartitionChange
}

// withPolicies is the definition with the partitions that refresh policies have made, where their rows would be read in the same way now. They are
// not in the definition, which has the ordinary partition of before the policy's first application.
func (p present) withPolicies(read *model.Model) *model.Model {
	changed := map[*model.Table]bool{}
	for _, table := range p.version.Partitioned(read).Tables {
		for _, partition := range table.Partitions {
			former := p.version.Part(table.Name, partition.Name)
			if former != nil && former.Start != "" && former.Fingerprint != store.Fingerprint(read, table, partition) {
				changed[read.Table(table.Name)] = true
			}
		}
	}
	kept := p.version
	kept.Parts = slices.DeleteFunc(slices.Clone(kept.Parts), func(part store.Part) bool { return changed[read.Table(part.Table)] })
	return kept.Partitioned(read)
}

func (w *work) eachPartition(visit func(*model.Table, *model.Partition)) {
	for _, table := range w.read.Tables {
		for _, partition := range table.Partitions {
			visit(table, partition)
		}
	}
}

func (w *work) partition(table *model.Table, partition *model.Partition) {
	next := store.Part{
		Table: table.Name, Partition: partition.Name, State: emptyState(partition), Start: partition.Source.Start, End: partition.Source.End,
		Fingerprint: store.Fingerprint(w.read, table, partition),
	}
	change := PartitionChange{Table: table.Name, Partition: partition.Name}
	former := w.version.Part(table.Name, partition.Name)
	isCalculated := partition.Source.Type == model.CalculatedPartition
	taken, takes := w.full(table, partition, next)
	switch {
	case takes:
		change.Change, change.Rows = Kept, taken.Rows()
		w.result.Put = append(w.result.Put, taken)
		w.taken = append(w.taken, table)
	case former == nil:
		change.Change = Added
		w.result.Put = append(w.result.Put, next)
	case former.Fingerprint == next.Fingerprint && !(isCalculated && w.calculated):
		change.Change, change.Rows = Kept, former.Rows()
		if former.Table != next.Table || former.Partition != next.Partition { // renamed in letter case only
			kept := *former
			kept.Table, kept.Partition = next.Table, next.Partition
			w.result.Remove = append(w.result.Remove, store.Key{Table: former.Table, Partition: former.Partition})
			w.result.Put = append(w.result.Put, kept)
		}
	default:
		change.Change, change.Rows, change.Reason = Emptied, former.Rows(), w.reason(table, partition)
		if former.Table != next.Table || former.Partition != next.Partition {
			w.result.Remove = append(w.result.Remove, store.Key{Table: former.Table, Partition: former.Partition})
		}
		w.result.Put = append(w.result.Put, next)
	}
	if former != nil {
		w.seen = append(w.seen, former)
	}
	if change.Change != Kept {
		w.calculated = true
	}
	w.changes = append(w.changes, change)
}

// full is the part of a dataflow's entity that had an incremental refresh policy, and has none any more, where its rows come from the same query: it
// has them until the next refresh.
func (w *work) full(table *model.Table, partition *model.Partition, next store.Part) (store.Part, bool) {
	if w.model == nil || table.RefreshPolicy != nil || partition.Name != cdm.FullPartition {
		return next, false
	}
	former := w.model.Table(table.Name)
	if former == nil || former.RefreshPolicy == nil || former.Partition(partition.Name) == nil ||
		store.Fingerprint(w.model, former, former.Partition(partition.Name)) != next.Fingerprint {
		return next, false
	}
	var parts []store.Part
	for _, part := range w.version.Parts {
		if model.EqualNames(part.Table, table.Name) && part.Start != "" && part.State == store.Ready {
			parts = append(parts, part)
		}
	}
	slices.SortFunc(parts, func(a, b store.Part) int { return strings.Compare(a.Start, b.Start) })
	for _, part := range parts {
		next.State = store.Ready
		if next.ReadAt.IsZero() || part.ReadAt.Before(next.ReadAt) {
			next.ReadAt = part.ReadAt
		}
		for _, file := range part.Files {
			file.Start, file.End = "", ""
			next.Files = append(next.Files, file)
		}
	}
	return next, len(parts) > 0
}

func emptyState(partition *model.Partition) store.State {
	switch partition.Source.Type {
	case model.CalculatedPartition:
		return store.CalculationNeeded
	case model.CalculationGroupPartition:
		return store.Ready // its rows are part of the definition
	}
	return store.NoData
}

// removed drops the parts that the new definition has no partition for.
func (w *work) removed() {
	for i := range w.version.Parts {
		former := &w.version.Parts[i]
		table := w.read.Table(former.Table)
		if slices.Contains(w.seen, former) || table != nil && table.Partition(former.Partition) != nil {
			continue
		}
		w.calculated = true
		w.result.Remove = append(w.result.Remove, store.Key{Table: former.Table, Partition: former.Partition})
		reason := ""
		if table != nil && table.RefreshPolicy != nil && former.Start != "" {
			reason = "what the policy's partitions are read by has changed; the next refresh that applies the policy makes them anew"
		}
		rows := former.Rows()
		if slices.Contains(w.taken, table) && former.Start != "" {
			rows, reason = 0, "its rows stay until the next refresh, which loads the entity in full"
		}
		w.changes = append(w.changes, PartitionChange{Table: former.Table, Partition: former.Partition, Change: Removed, Rows: rows, Reason: reason})
	}
}

func (w *work) columnState(table *model.Table, column *model.Column) store.State {
	if w.calculated {
		return store.CalculationNeeded
	}
	for _, object := range w.version.Objects {
		if model.EqualNames(object.Table, table.Name) && model.EqualNames(object.Column, column.Name) {
			return object.State
		}
	}
	return store.CalculationNeeded
}

// calculations is everything of a model that decides calculated values besides rows.
func calculations(m *model.Model) string {
	var text strings.Builder
	for _, table := range m.Tables {
		fmt.Fprintf(&text, "table %q\n", table.Name)
		for _, column := range table.Columns {
			if column.Expression != "" {
				fmt.Fprintf(&text, "column %q %q %q\n", column.Name, column.DataType, column.Expression)
			}
		}
		for _, measure := range table.Measures {
			fmt.Fprintf(&text, "measure %q %q\n", measure.Name, measure.Expression)
		}
	}
	for _, r := range m.Relationships {
		fmt.Fprintf(&text, "relationship %+v\n", *r)
	}
	return text.String()
}

// reason says why a partition's data cannot be kept, as far as comparing the definitions tells.
func (w *work) reason(table *model.Table, partition *model.Partition) string {
	if w.model == nil {
		return "the definition that its data was read by cannot be read any more"
	}
	formerTable := w.model.Table(table.Name)
	if formerTable == nil || formerTable.Partition(partition.Name) == nil {
		return "its data was read by an earlier definition"
	}
	former := formerTable.Partition(partition.Name)
	if partition.Source.Type == model.CalculatedPartition {
		return "what it is calculated from has changed"
	}
	if former.Source != partition.Source {
		return "its source has changed"
	}
	if former.Mode != partition.Mode {
		return "its mode has changed"
	}
	if columns := columnChanges(formerTable, table); columns != "" {
		return columns
	}
	return "a shared expression, table, data source or setting that it uses has changed"
}

func columnChanges(former, table *model.Table) string {
	var changes []string
	isData := func(c *model.Column) bool { return c != nil && (c.Type == model.DataColumn || c.Type == "") }
	for _, column := range table.Columns {
		if !isData(column) {
			continue
		}
		old := former.Column(column.Name)
		switch {
		case !isData(old):
			changes = append(changes, "column '"+column.Name+"' is new")
		case old.DataType != column.DataType:
			changes = append(changes, fmt.Sprintf("column '%s' is %s, was %s", column.Name, column.DataType, old.DataType))
		case old.Moment != column.Moment:
			changes = append(changes, "column '"+column.Name+"' is "+cmp.Or(column.Moment, "datetime")+", was "+cmp.Or(old.Moment, "datetime"))
		case old.SourceColumn != column.SourceColumn:
			changes = append(changes, "column '"+column.Name+"' has another source column")
		}
	}
	for _, old := range former.Columns {
		if isData(old) && !isData(table.Column(old.Name)) {
			changes = append(changes, "column '"+old.Name+"' is gone")
		}
	}
	return strings.Join(changes, ", ")
}
