package refresh

import (
	"context"
	"slices"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// storedOf is a table of a dataflow as a version holds it, for expressions that read it: the rows of all its partitions.
func (e *Engine) storedOf(ctx context.Context, m *model.Model, version store.Version, table *model.Table, name string) (*mashup.Stored, error) {
	if table.InferredColumns && len(table.Columns) == 0 {
		return nil, fault.New(fault.Conflict, CodeProcessing, "cannot read the stored rows of entity '%s': no refresh has found its columns yet", table.Name).WithHint("Refresh its dataflow.")
	}
	stored := &mashup.Stored{Name: name}
	targets, err := targetsOf(table)
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		column := mashup.StoredColumn{Name: target.Name, Type: target.Type}
		switch table.Column(target.Name).Moment {
		case "date":
			column.As = mashup.StoredDate
		case "time":
			column.As = mashup.StoredTime
		case "datetimeoffset":
			column.As = mashup.StoredDateTimeZone
		}
		stored.Columns = append(stored.Columns, column)
	}
	for _, partition := range version.Partitioned(m).Table(table.Name).Partitions {
		part := version.Part(table.Name, partition.Name)
		if part == nil {
			continue
		}
		for _, file := range part.Files {
			path, err := e.options.Store.Path(ctx, file)
			if err != nil {
				return nil, err
			}
			stored.Files = append(stored.Files, mashup.StoredFile{Path: path, Rows: file.Rows, Bytes: file.Bytes})
		}
	}
	return stored, nil
}

// binds are the tables whose stored rows a table's expressions read, by their names.
func (r *reading) binds(table *model.Table) map[string]mashup.Value {
	bind := map[string]mashup.Value{}
	for _, name := range table.Reads {
		bind[name] = mashup.StoredValue(func(ctx context.Context) (*mashup.Stored, error) {
			version, err := r.version(ctx)
			if err != nil {
				return nil, err
			}
			m := r.model
			if r.found != nil {
				m = m.WithColumns(r.found())
			}
			return r.engine.storedOf(ctx, m, version, m.Table(name), "the stored "+name)
		})
	}
	return bind
}

// current is the version that readers of a model see, for evaluations that are part of no refresh.
func (e *Engine) current(id string) func(ctx context.Context) (store.Version, error) {
	return func(ctx context.Context) (store.Version, error) { return e.options.Models.Version(ctx, id, 0) }
}

// staged is the version that the refresh has come to: what readers see, with what its finished steps do to it.
func (w *work) staged(ctx context.Context) (store.Version, error) {
	version, err := w.engine.options.Models.Version(ctx, w.operation.Model, 0)
	if err != nil {
		return store.Version{}, err
	}
	return change(w.definition.Model, version, w.finished()).Apply(version), nil
}

// reads lists the tables whose stored rows the step's expressions read.
func (w *work) reads(step Step) []string {
	if !step.Kind.reads() {
		return nil
	}
	if table := w.definition.Model.Table(step.Table); table != nil {
		return table.Reads
	}
	return nil
}

// readers lists the tables, in the model's order, that are to be loaded again after a table because they read it, also through others.
func (w *work) readers(of string) []string {
	reached := []string{of}
	var found []string
	for i := 0; i < len(reached); i++ {
		for _, table := range w.definition.Model.Tables {
			if slices.Contains(table.Reads, reached[i]) && !slices.Contains(reached, table.Name) {
				reached = append(reached, table.Name)
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, step := range w.steps {
		if step.Kind == LoadStep && step.Table != of && slices.Contains(reached, step.Table) && !slices.Contains(found, step.Table) {
			found = append(found, step.Table)
		}
	}
	return found
}

// ready tells whether a step can be done now: nothing that it reads is still to be loaded, and its poll has an answer. One that waits for what has
// failed never is, in this attempt.
func (a *attempt) ready(i int) bool {
	w := a.work
	w.mu.Lock()
	step := w.steps[i]
	w.mu.Unlock()
	if _, waiting := w.pollOf(step); waiting {
		return false
	}
	reads := w.reads(step)
	if len(reads) == 0 || step.State == StepFinished {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.steps, func(other Step) bool {
		switch other.State {
		case StepFinished, StepCommitted, StepSkipped:
			return false
		}
		return other.Kind != PollStep && slices.Contains(reads, other.Table)
	})
}

// replanReaders makes finished loads planned ones again that have read what is loaded again.
func (w *work) replanReaders(base context.Context) error {
	for again := true; again; {
		again = false
		for i, step := range w.steps {
			reads := w.reads(step)
			if step.Kind != LoadStep || step.State != StepFinished || !slices.ContainsFunc(w.steps, func(other Step) bool {
				return other.State == StepPlanned && other.Kind != PollStep && slices.Contains(reads, other.Table)
			}) {
				continue
			}
			if err := w.replan(base, i); err != nil {
				return err
			}
			again = true
		}
	}
	return nil
}
