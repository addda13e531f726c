package refresh

import (
	"context"
	"slices"

	"freshet.dev/internal/mashup"
	"freshet.dev/internal/model"
)

// Explanation is what one partition asks of its source (F10).
type Explanation struct {
	Table     string
	Partition string
	Plan      *mashup.Explanation // nil with Err, and for a partition that is not loaded
	Note      string              // why it is not loaded
	Err       error               // why its source cannot be evaluated
}

// Explain tells what the partitions of a table ask of their sources, without reading their rows; partition "" means all of them. It is
// Invalid when the model has no such table or partition; what is wrong with one partition's source stands in its Err.
func (e *Engine) Explain(ctx context.Context, modelID, table, partition string) ([]Explanation, error) {
	definition, err := e.options.Models.RefreshDefinition(ctx, modelID)
	if err != nil {
		return nil, err
	}
	if definition.Model, err = e.partitioned(ctx, definition); err != nil {
		return nil, err
	}
	request, err := Request{Type: Calculate, Objects: []Object{{Table: table, Partition: partition}}}.resolve(definition.Model)
	if err != nil {
		return nil, err
	}
	reading := e.reading(definition.Model, e.current(definition.ID))
	defer reading.inputs.close()
	var all []Explanation
	for _, target := range request.scope(definition.Model) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		one := Explanation{Table: target.table.Name, Partition: target.partition.Name}
		switch sourceOf(target.partition) {
		case calculatedSource:
			one.Note = "calculated from other tables"
		case linkedSource:
			one.Note = linkedNote
		case noSource:
			one.Note = "it has no data of its own"
		case liveSource:
			one.Note = "read at query time (mode " + target.partition.Mode + ")"
			if target.partition.Source.Type == model.PolicyRangePartition {
				one.Plan, one.Err = reading.explain(ctx, target.table, target.partition)
			}
		default:
			one.Plan, one.Err = reading.explain(ctx, target.table, target.partition)
		}
		all = append(all, one)
	}
	return all, nil
}

func (r *reading) explain(ctx context.Context, table *model.Table, partition *model.Partition) (*mashup.Explanation, error) {
	relation, err := r.relation(ctx, table, partition, rowMemory{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = relation.Close() }() // nothing was read
	if table.InferredColumns {
		if table, _, err = inferred(table, relation, r.now()); err != nil {
			return nil, err
		}
	}
	targets, err := targetsOf(table)
	if err != nil {
		return nil, err
	}
	made, err := relation.Explain(ctx, targets)
	if err != nil {
		return nil, err
	}
	for _, name := range table.Reads { // also those that only a cell's expression reads
		if stored := storedName(name); !slices.ContainsFunc(made.Steps, func(s mashup.ExplainedStep) bool { return s.Name == stored }) {
			made.Statements = append(made.Statements, mashup.ExplainedStatement{To: stored, Text: "its rows"})
		}
	}
	return made, nil
}

// Live evaluates the partition of a hybrid table that queries read from the source, to the columns of the table. Rows that it must hold in Go take
// so many bytes, and beyond them files in dir. The caller closes the relation, and then calls release.
func (e *Engine) Live(ctx context.Context, id string, m *model.Model, table *model.Table, partition *model.Partition, rows int64, dir string) (
	relation *mashup.Relation, targets []mashup.Target, release func(), err error) {
	if targets, err = targetsOf(table); err != nil {
		return nil, nil, nil, err
	}
	inputs := e.current(id)
	relation, err = e.reading(m, inputs).relation(ctx, table, partition, rowMemory{bytes: rows, room: e.options.SpillDisk.Spill, tempDir: dir})
	if err != nil {
		inputs.close()
		return nil, nil, nil, err
	}
	return relation, targets, inputs.close, nil
}

// Linked is what a linked entity of a dataflow leads to in the version that is current: no rows where it was not loaded yet. The files are held until
// release is called.
func (e *Engine) Linked(ctx context.Context, id string, table *model.Table) (rows *mashup.Stored, release func(), err error) {
	definition, err := e.options.Models.RefreshDefinition(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	inputs := e.current(id)
	if rows, err = inputs.linked(ctx, definition, table); err != nil {
		inputs.close()
		return nil, nil, err
	}
	return rows, inputs.close, nil
}
