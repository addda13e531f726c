package refresh

import (
	"context"
	"slices"
	"sync"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

const (
	// Conflict: an expression reads an entity of a dataflow that holds no rows, because it was not loaded yet or was cleared.
	// Do: refresh the dataflow first.
	codeNotStored = "EntityNotRefreshed"

	// NotFound: a linked entity names a dataflow or entity that is not there, or that the owner of what reads it may not read.
	// Do: deploy it, correct modelId in the model.json, or give the owner the role Viewer in its workspace.
	codeLink = "LinkedEntityNotFound"
)

// Dataflow is a dataflow that may be read.
type Dataflow struct{ WorkspaceID, WorkspaceName, ID, Name string }

// dataflows finds the dataflows that models and dataflows read.
type dataflows interface {
	// Readable lists the dataflows that the owner of an item may read, by workspace and name.
	Readable(ctx context.Context, item string) ([]Dataflow, error)
	// ModelAt returns one revision of a dataflow's definition. The caller does not change it.
	ModelAt(ctx context.Context, id string, revision int64) (m *model.Model, capacity string, err error)
}

// inputs are what the expressions of an item read of the store. Each dataflow is read in one version.
type inputs struct {
	engine  *Engine
	item    string                                                                         // that reads
	own     func(ctx context.Context, m *model.Model) (store.Version, *model.Model, error) // of the item itself, with the columns that its model has then
	version func(ctx context.Context, dataflow string) (input, error)                      // of another one, when it is read first

	mu    sync.Mutex
	known map[string]input
	held  []func() // what is to be let go of in the end
}

// input is a dataflow as it is read.
type input struct {
	version store.Version
	model   *model.Model // that belongs to a version which is not committed yet; nil: the one that was deployed
}

// current are the inputs of an evaluation that is part of no refresh: what readers see, held until close.
func (e *Engine) current(item string) *inputs {
	in := &inputs{engine: e, item: item}
	in.own = func(ctx context.Context, m *model.Model) (store.Version, *model.Model, error) {
		read, err := in.pinned(ctx, item)
		return read.version, m, err
	}
	in.version = func(ctx context.Context, dataflow string) (input, error) {
		version, release, err := e.options.Store.Pin(ctx, dataflow)
		if err == nil {
			in.held = append(in.held, release)
		}
		return input{version: version}, err
	}
	return in
}

// inputs are those of the refresh: its own steps' results, those of its chain's members, and of other dataflows the versions that were current when this
// refresh first read them.
func (w *work) inputs() *inputs {
	return &inputs{engine: w.engine, item: w.operation.Model, own: w.staged, version: func(ctx context.Context, dataflow string) (input, error) {
		chained, found, err := w.upstream(ctx, dataflow)
		if err != nil {
			return input{}, err
		}
		var number int64
		var version store.Version
		err = w.write(ctx, "a pinned version", func(ctx context.Context) (err error) {
			number, err = w.engine.options.Log.Pin(ctx, w.lease, dataflow)
			return err
		}, nil)
		if err != nil || found { // pinned all the same: so it is known that this one reads it
			return chained, err
		}
		version, err = w.engine.options.Models.Version(ctx, dataflow, number)
		return input{version: version}, err
	}}
}

// close lets go of the versions.
func (in *inputs) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, release := range in.held {
		release()
	}
	in.held, in.known = nil, nil
}

// pinned is the one version in which a dataflow is read.
func (in *inputs) pinned(ctx context.Context, dataflow string) (input, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	read, known := in.known[dataflow]
	if known {
		return read, nil
	}
	read, err := in.version(ctx, dataflow)
	if err != nil {
		return input{}, err
	}
	if in.known == nil {
		in.known = map[string]input{}
	}
	in.known[dataflow] = read
	return read, nil
}

// tables binds the names of an item's own tables whose stored rows a table's expressions read.
func (in *inputs) tables(m *model.Model, table *model.Table) map[string]mashup.Value {
	bind := map[string]mashup.Value{}
	for _, name := range table.Reads {
		bind[name] = mashup.StoredValue(func(ctx context.Context) (*mashup.Stored, error) {
			version, shown, err := in.own(ctx, m)
			if err != nil {
				return nil, err
			}
			return in.stored(ctx, shown, version, shown.Table(name), storedName(name))
		})
	}
	return bind
}

// dataflows lists the dataflows that may be read.
func (in *inputs) dataflows(ctx context.Context) ([]mashup.Dataflow, error) {
	found, err := in.engine.options.Dataflows.Readable(ctx, in.item)
	if err != nil {
		return nil, err
	}
	list := make([]mashup.Dataflow, len(found))
	for i, flow := range found {
		list[i] = mashup.Dataflow{WorkspaceID: flow.WorkspaceID, WorkspaceName: flow.WorkspaceName, ID: flow.ID, Name: flow.Name,
			Tables: func(ctx context.Context) ([]mashup.DataflowTable, error) { return in.tablesOf(ctx, flow, found) }}
	}
	return list, nil
}

// tablesOf lists the tables of one of the dataflows that may be read.
func (in *inputs) tablesOf(ctx context.Context, flow Dataflow, readable []Dataflow) ([]mashup.DataflowTable, error) {
	version, m, err := in.read(ctx, flow)
	if err != nil {
		return nil, err
	}
	list := make([]mashup.DataflowTable, len(m.Tables))
	for i, table := range m.Tables {
		list[i] = mashup.DataflowTable{Name: table.Name, Open: func(ctx context.Context) (*mashup.Stored, error) {
			return in.followed(ctx, flow, m, version, table, readable)
		}}
	}
	return list, nil
}

// read is a dataflow in the version in which it is read.
func (in *inputs) read(ctx context.Context, flow Dataflow) (store.Version, *model.Model, error) {
	read, err := in.pinned(ctx, flow.ID)
	if err != nil || read.model != nil {
		return read.version, read.model, err
	}
	m, _, err := in.engine.options.Dataflows.ModelAt(ctx, flow.ID, read.version.ModelRevision)
	return read.version, m, err
}

// mostLinks is how many links may lead from an entity to its rows.
const mostLinks = 32

// followed is a table of a dataflow, or, where that is a linked entity, the one at the end of the links.
func (in *inputs) followed(ctx context.Context, flow Dataflow, m *model.Model, version store.Version, table *model.Table, readable []Dataflow) (*mashup.Stored, error) {
	for range mostLinks {
		link := linkOf(table)
		if link == (model.Link{}) {
			return in.stored(ctx, m, version, table, storedName(table.Name)+" of dataflow "+flow.WorkspaceName+"/"+flow.Name)
		}
		at := slices.IndexFunc(readable, func(f Dataflow) bool { return f.ID == link.Dataflow && f.WorkspaceID == link.Workspace })
		if at < 0 {
			return nil, unlinked(table, flow, "there is no dataflow "+link.Dataflow+" in a workspace "+link.Workspace)
		}
		var err error
		next := readable[at]
		if version, m, err = in.read(ctx, next); err != nil {
			return nil, err
		}
		found := m.Table(link.Entity)
		if found == nil {
			return nil, unlinked(table, flow, "dataflow "+next.WorkspaceName+"/"+next.Name+" has no entity '"+link.Entity+"'")
		}
		flow, table = next, found
	}
	return nil, unlinked(table, flow, "its links lead in a circle")
}

// linked is what a linked entity of the item itself leads to.
func (in *inputs) linked(ctx context.Context, definition Definition, table *model.Table) (*mashup.Stored, error) {
	if in.engine.options.Dataflows == nil {
		return nil, unlinked(table, Dataflow{WorkspaceName: definition.Workspace, Name: definition.Name}, "no dataflow can be read here")
	}
	readable, err := in.engine.options.Dataflows.Readable(ctx, in.item)
	if err != nil {
		return nil, err
	}
	own := Dataflow{WorkspaceName: definition.Workspace, ID: in.item, Name: definition.Name}
	return in.followed(ctx, own, definition.Model, store.Version{}, table, readable)
}

func unlinked(table *model.Table, flow Dataflow, why string) error {
	return fault.New(fault.NotFound, codeLink, "cannot follow the linked entity '%s' of dataflow %s/%s: %s", table.Name, flow.WorkspaceName, flow.Name, why).
		WithHint("A dataflow is there when the owner of what reads it has a role in its workspace.")
}

// linkOf is what a linked entity names; zero for another table.
func linkOf(table *model.Table) model.Link {
	for _, partition := range table.Partitions {
		if partition.Mode == model.LinkedMode {
			return partition.Link
		}
	}
	return model.Link{}
}

// storedName is what explanations and errors call a stored table.
func storedName(table string) string { return "the stored " + table }

// stored is a table as a version holds it, for expressions that read it: the rows of all its partitions.
func (in *inputs) stored(ctx context.Context, m *model.Model, version store.Version, table *model.Table, name string) (*mashup.Stored, error) {
	if table.InferredColumns && len(table.Columns) == 0 {
		return nil, fault.New(fault.Conflict, codeNotStored, "cannot read %s: no refresh has found its columns yet", name).WithHint("Refresh its dataflow first.")
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
	if version.TableState(table.Name) == store.NoData {
		stored.Missing = fault.New(fault.Conflict, codeNotStored, "cannot read %s: it was not loaded yet", name).WithHint("Refresh its dataflow first.")
		return stored, nil
	}
	for _, partition := range version.Partitioned(m).Table(table.Name).Partitions {
		part := version.Part(table.Name, partition.Name)
		if part == nil {
			continue
		}
		for _, file := range part.Files {
			path, err := in.engine.options.Store.Path(ctx, file)
			if err != nil {
				return nil, err
			}
			stored.Files = append(stored.Files, mashup.StoredFile{Path: path, Rows: file.Rows, Bytes: file.Bytes})
		}
	}
	return stored, nil
}

// staged is the version that the refresh has come to: what readers see, with what its finished steps do to it; and the model with the columns
// that they have found.
func (w *work) staged(ctx context.Context, m *model.Model) (store.Version, *model.Model, error) {
	version, err := w.engine.options.Models.Version(ctx, w.operation.Model, 0)
	if err != nil {
		return store.Version{}, nil, err
	}
	return change(m, version, w.finished()).Apply(version), m.WithColumns(w.found()), nil
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
