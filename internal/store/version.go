package store

import (
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/model"
)

// State is TOM's ObjectState: what a reader may expect of a partition, a table or something computed from rows.
type State string

// The states that Freshet keeps.
const (
	// Ready: refreshed and up to date.
	Ready State = "Ready"
	// NoData: holds no rows until it is refreshed. It can be read, and is empty.
	NoData State = "NoData"
	// Incomplete: some partitions of the table have no data. Only tables are ever Incomplete; it is derived, never stored.
	Incomplete State = "Incomplete"
	// CalculationNeeded: a calculated table or column whose values are missing. It cannot be read.
	CalculationNeeded State = "CalculationNeeded"
)

// File is one immutable Parquet file of the store.
type File struct {
	ID     string // a UUID, and the file's name on disk
	Rows   int64
	Bytes  int64
	SHA256 string // lower-case hex of the whole file

	Start, End string // of a refresh policy's partition: the rows are those of [Start, End), which is all of the partition's range or a part of it; else empty
}

// Part is what a version knows about one partition. A part never changes: a commit replaces it.
type Part struct {
	Table       string
	Partition   string
	State       State
	Start, End  string    // policyRange partitions: [Start, End), ISO 8601, "" for an open end; else both empty
	Files       []File    // in the order of their rows; none in state NoData or CalculationNeeded
	ReadAt      time.Time // when the source was read; zero when it never was
	Bookmark    string    // the answer of the polling expression that belongs to the rows
	Fingerprint string    // of the definition that the rows were read by; see Fingerprint
}

// Rows is how many rows the part holds.
func (p Part) Rows() int64 {
	var rows int64
	for _, file := range p.Files {
		rows += file.Rows
	}
	return rows
}

// Object is the state of something other than a partition that is computed from rows: a calculated column.
type Object struct {
	Table  string
	Column string
	State  State
}

// Version is one consistent set of parts and object states of a model. Readers see exactly one.
type Version struct {
	Model         string // the model's id
	Number        int64  // 1, 2, 3 … for each model; a commit adds one
	ModelRevision int64  // the revision of the definition that it belongs to
	CommittedAt   time.Time
	Operation     string // the operation that committed it; empty for a deployment
	Parts         []Part
	Objects       []Object
}

// VersionSummary is a version without its parts.
type VersionSummary struct {
	Number        int64
	ModelRevision int64
	CommittedAt   time.Time
	Operation     string
	Rows          int64
	Bytes         int64 // of its files, those that other versions share included
	Current       bool
}

// Part returns the part of a table's partition, or nil. Names are compared as models do: without regard to case.
func (v Version) Part(table, partition string) *Part {
	for i := range v.Parts {
		if model.EqualNames(v.Parts[i].Table, table) && model.EqualNames(v.Parts[i].Partition, partition) {
			return &v.Parts[i]
		}
	}
	return nil
}

// Partitioned returns the model as the version has it: a table with a refresh policy that has been applied has the partitions that the policy
// made, by their ranges, in the place of the definition's. The model is shared where nothing differs, and not changed.
func (v Version) Partitioned(m *model.Model) *model.Model {
	made := map[string][]*model.Partition{} // by the table's key
	for _, part := range v.Parts {
		if part.Start == "" {
			continue
		}
		partition := &model.Partition{Name: part.Partition, Mode: "import", Source: model.PartitionSource{
			Type: model.PolicyRangePartition, Start: part.Start, End: part.End, Bookmark: part.Bookmark}}
		if part.End == "" {
			partition.Mode = "directQuery" // queries read it from the source
		}
		made[model.NameKey(part.Table)] = append(made[model.NameKey(part.Table)], partition)
	}
	if len(made) == 0 {
		return m
	}
	shown := *m
	shown.Tables = slices.Clone(m.Tables)
	for i, table := range m.Tables {
		partitions := made[model.NameKey(table.Name)]
		if table.RefreshPolicy == nil || partitions == nil {
			continue
		}
		slices.SortFunc(partitions, func(a, b *model.Partition) int { return strings.Compare(a.Source.Start, b.Source.Start) })
		own := *table
		own.Partitions = partitions
		shown.Tables[i] = &own
	}
	return &shown
}

// TableState derives a table's state from its parts: Ready when all are, NoData when none has rows, else Incomplete.
func (v Version) TableState(table string) State {
	states := map[State]bool{}
	for _, part := range v.Parts {
		if model.EqualNames(part.Table, table) {
			states[part.State] = true
		}
	}
	switch {
	case states[CalculationNeeded]:
		return CalculationNeeded
	case !states[Ready]:
		return NoData
	case states[NoData]:
		return Incomplete
	}
	return Ready
}

// Key names a part within a model.
type Key struct{ Table, Partition string }

// fold returns the key that is the same for names that models hold equal.
func (k Key) fold() Key { return Key{model.NameKey(k.Table), model.NameKey(k.Partition)} }

// Change is what a commit does to the current version of a model. It names only what differs, so that a commit costs only that:
// the parts that it leaves alone stay valid as rows, under the new version too.
type Change struct {
	Put     []Part   // added, or in the place of the part with the same table and partition
	Remove  []Key    // parts of partitions that no longer exist
	Objects []Object // new states of calculated columns
	Whole   bool     // nothing stays but what Put and Objects name
}

// Apply returns the version that the change makes of v. The caller sets number, time and operation.
func (c Change) Apply(v Version) Version {
	next := v
	if c.Whole {
		next.Parts, next.Objects = slices.Clone(c.Put), slices.Clone(c.Objects)
		return next
	}
	gone := map[Key]bool{}
	for _, key := range c.Remove {
		gone[key.fold()] = true
	}
	put := map[Key]bool{}
	for _, part := range c.Put {
		put[Key{part.Table, part.Partition}.fold()] = true
	}
	next.Parts = make([]Part, 0, len(v.Parts)+len(c.Put))
	for _, part := range v.Parts {
		if key := (Key{part.Table, part.Partition}).fold(); !gone[key] && !put[key] {
			next.Parts = append(next.Parts, part)
		}
	}
	next.Parts = append(next.Parts, c.Put...)
	changed := map[Key]bool{}
	for _, object := range c.Objects {
		changed[Key{object.Table, object.Column}.fold()] = true
	}
	next.Objects = slices.DeleteFunc(slices.Clone(v.Objects), func(o Object) bool { return changed[Key{o.Table, o.Column}.fold()] })
	next.Objects = append(next.Objects, c.Objects...)
	return next
}
