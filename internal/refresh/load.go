package refresh

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup"
	"freshet.dev/internal/model"
	"freshet.dev/internal/policy"
	"freshet.dev/internal/source"
	"freshet.dev/internal/store"
)

// tempDir is where the operation spills.
func (w *work) tempDir() string { return filepath.Join(w.engine.options.TempDir, w.operation.ID) }

// diskEvery is how often a load looks whether the disk still has room for it.
const diskEvery = time.Second

// loadWithRoom loads while the disk has room.
func (e *Engine) loadWithRoom(ctx context.Context, task task) (product, error) {
	if e.options.Disk == nil {
		return e.load(ctx, task)
	}
	if err := e.options.Disk.Room(); err != nil {
		return product{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop(nil)
	watch.Go(func() {
		look := time.NewTicker(diskEvery)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				if err := e.options.Disk.Room(); err != nil {
					stop(err)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	made, err := e.load(ctx, task)
	if cause := context.Cause(ctx); err != nil && fault.CodeOf(cause) == store.CodeDiskLow {
		err = cause
	}
	return made, err
}

// loadPartition reads a partition's source, or for Defragment and Compact files that are there, into a new file of the store. For a Poll it
// evaluates the polling expression.
func (e *Engine) loadPartition(ctx context.Context, task task) (made product, err error) {
	w := task.attempt.work
	table := w.definition.Model.Table(task.step.Table)
	partition := partitionOf(table, task.step)
	if task.step.Kind == PollStep {
		made.bookmark, err = w.reading.poll(ctx, table, partition, task.attempt.rows())
		return made, err
	}
	instance, err := task.attempt.open(ctx)
	if err != nil {
		return product{}, err
	}
	conn, err := instance.Conn(ctx)
	if err != nil {
		return product{}, err
	}
	defer func() { _ = conn.Close() }() // what it wrote is on the disk, or has failed
	draft := e.options.Store.Prepare()
	defer func() {
		if err != nil {
			draft.Release()
		}
	}()
	var rows int64
	if task.step.Kind != LoadStep {
		made, rows, err = e.compact(ctx, conn, task, draft.Path())
	} else {
		made, rows, err = e.read(ctx, conn, task, table, partition, draft.Path())
	}
	if err != nil {
		return product{}, err
	}
	if made.file, err = draft.Finish(ctx, rows); err != nil {
		return product{}, err
	}
	made.release = draft.Release
	return made, nil
}

// read evaluates the partition's source and writes the model's columns to path.
func (e *Engine) read(ctx context.Context, conn *duck.Conn, task task, table *model.Table, partition *model.Partition, path string) (made product, rows int64, err error) {
	w := task.attempt.work
	if w.looks(task.step) {
		if err := w.warnOfRange(ctx, table, partition); err != nil {
			return product{}, 0, err
		}
	}
	made.readAt = w.now()
	relation, err := w.reading.relation(ctx, table, partition, task.attempt.rows())
	if err != nil {
		return product{}, 0, err
	}
	defer func() { _ = relation.Close() }() // read to its end, or failed for another reason
	if table.InferredColumns {
		if table, made.messages, err = inferred(table, relation, w.now()); err != nil {
			return product{}, 0, err
		}
		made.columns = table.Columns
	}
	targets, err := targetsOf(table)
	if err != nil {
		return product{}, 0, err
	}
	read := func() Progress {
		p := relation.Progress()
		return Progress{Rows: p.Rows, Bytes: p.Bytes, TotalRows: p.TotalRows, TotalBytes: p.TotalBytes, Estimated: p.Estimated}
	}
	task.measure(read)
	defer func() {
		last := read()
		task.measure(func() Progress { return last })
	}()
	if rows, _, err = relation.Load(ctx, conn, targets, path); err != nil {
		return product{}, 0, err
	}
	made.fingerprint = store.Fingerprint(w.definition.Model.WithColumns(w.found()), table, partition)
	return made, rows, nil
}

// reading is a model as its partitions are read.
type reading struct {
	model    *model.Model
	inputs   *inputs
	sources  *source.Registry
	document func() (*mashup.Document, error) // the shared expressions, made at the first use
	now      func() time.Time
}

func (e *Engine) reading(m *model.Model, inputs *inputs) *reading {
	return &reading{
		model: m, inputs: inputs, sources: e.options.Sources, now: e.options.Now,
		document: sync.OnceValues(func() (*mashup.Document, error) { return newDocument(m) }),
	}
}

// rowMemory is where an evaluation may hold rows. The zero value is for one that reads few: mashup's own limit.
type rowMemory struct {
	bytes   int64
	more    func(bytes int64) bool
	room    func() int64 // on the disk
	tempDir string
}

func (r *reading) env(memory rowMemory) *mashup.Env {
	env := &mashup.Env{Sources: r.sources, Now: r.now(), Culture: r.model.Culture, Memory: memory.bytes, MoreMemory: memory.more,
		DiskRoom: memory.room, TempDir: memory.tempDir}
	if r.inputs.engine.options.Dataflows != nil {
		env.Dataflows = r.inputs.dataflows
	}
	return env
}

// mostPolled is how long the value of a polling expression may be: it is kept with each partition of each version.
const mostPolled = 4096

// poll evaluates the polling expression of a policy's partition.
func (r *reading) poll(ctx context.Context, table *model.Table, partition *model.Partition, memory rowMemory) (string, error) {
	document, bind, err := r.bound(table, partition)
	if err != nil {
		return "", err
	}
	value, err := document.Value(ctx, r.env(memory), table.RefreshPolicy.PollingExpression, bind)
	if len(value) > mostPolled {
		return "", fault.New(fault.Invalid, policy.CodeInvalid, "cannot keep the value of the polling expression: it is %d bytes long, of %d at the most", len(value), mostPolled).
			WithHint("Let it give a date or a number, such as the last change.")
	}
	return value, err
}

// polls tells what that asks of a source first, and asks nothing.
func (r *reading) polls(ctx context.Context, table *model.Table, partition *model.Partition) (*mashup.ExplainedStatement, error) {
	document, bind, err := r.bound(table, partition)
	if err != nil {
		return nil, err
	}
	return document.Asks(ctx, r.env(rowMemory{}), table.RefreshPolicy.PollingExpression, bind)
}

// bound is the model's document, with the parameters of a policy's partition and the tables whose stored rows are read.
func (r *reading) bound(table *model.Table, partition *model.Partition) (*mashup.Document, map[string]mashup.Value, error) {
	bind, err := bindings(partition)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(bind, r.inputs.tables(r.model, table))
	document, err := r.document()
	return document, bind, err
}

// relation evaluates a partition's source to a plan of reading.
func (r *reading) relation(ctx context.Context, table *model.Table, partition *model.Partition, memory rowMemory) (*mashup.Relation, error) {
	env := r.env(memory)
	switch partition.Source.Type {
	case model.MPartition:
		document, err := r.document()
		if err != nil {
			return nil, err
		}
		return document.Table(ctx, env, partition.Source.Expression, r.inputs.tables(r.model, table))
	case model.PolicyRangePartition:
		if !readable(table) {
			break
		}
		document, bind, err := r.bound(table, partition)
		if err != nil {
			return nil, err
		}
		return document.Table(ctx, env, table.RefreshPolicy.SourceExpression, bind)
	case model.QueryPartition:
		ref, err := r.sourceOf(partition)
		if err != nil {
			return nil, err
		}
		return mashup.Native(ctx, env, ref, partition.Source.Query)
	}
	return nil, unsupported(partition)
}

// unsupported is the error of a partition whose source cannot be read.
func unsupported(partition *model.Partition) *fault.Error {
	if partition.Source.Type == model.PolicyRangePartition {
		return fault.New(fault.Invalid, codePartition, "cannot load a partition of source type policyRange: its table has no refresh policy with a source expression to read it by").
			WithHint("Give the table its refreshPolicy, or the partition an M expression.")
	}
	return fault.New(fault.Invalid, codePartition, "cannot load a partition of source type %s: this version of Freshet loads the types m and query", partition.Source.Type).
		WithHint("Give the partition an M expression or a query, or leave it out of the request by naming objects.")
}

// newDocument makes what the model's expressions may name ready for evaluation.
func newDocument(m *model.Model) (*mashup.Document, error) {
	var shared []mashup.Query
	for _, expression := range m.Queries() {
		shared = append(shared, mashup.Query{Name: expression.Name, Text: expression.Text})
	}
	structured := map[string]mashup.StructuredSource{}
	for _, source := range m.DataSources {
		if strings.EqualFold(source.Type, "structured") {
			structured[source.Name] = mashup.StructuredSource{Protocol: source.Protocol, Address: source.Address}
		}
	}
	return mashup.NewDocument(shared, structured)
}

// sourceOf finds the data source that a query partition names.
func (r *reading) sourceOf(partition *model.Partition) (source.Ref, error) {
	found := r.model.DataSource(partition.Source.DataSource)
	if found == nil {
		return source.Ref{}, fault.New(fault.Invalid, CodeProcessing, "cannot find data source '%s' of the partition's query", partition.Source.DataSource).
			WithHint("The model's data sources are %s.", listed(r.model.DataSources, func(d *model.DataSource) string { return d.Name }))
	}
	return r.sources.Resolve(source.Connection{
		Name: found.Name, Provider: found.Provider, ConnectionString: found.ConnectionString, Protocol: found.Protocol, Address: found.Address,
	})
}

var targetTypes = map[model.DataType]mashup.TargetType{
	model.String: mashup.StringTarget, model.Int64: mashup.Int64Target, model.Double: mashup.DoubleTarget, model.Decimal: mashup.DecimalTarget,
	model.DateTime: mashup.DateTimeTarget, model.Boolean: mashup.BooleanTarget, model.Binary: mashup.BinaryTarget,
}

// targetsOf lists the columns that a partition of the table is read into.
func targetsOf(table *model.Table) ([]mashup.Target, error) {
	var targets []mashup.Target
	for _, column := range table.Columns {
		if column.Type != model.DataColumn && column.Type != "" {
			continue
		}
		kind, known := targetTypes[column.DataType]
		if !known {
			return nil, &fault.Error{Kind: fault.Invalid, Code: CodeProcessing, Where: fault.Where{Column: column.Name},
				Message: "cannot load a column of data type '" + string(column.DataType) + "'", Hint: "Give it one of string, int64, double, decimal, dateTime, boolean, binary."}
		}
		targets = append(targets, mashup.Target{Name: column.Name, SourceColumn: column.SourceColumn, Type: kind})
	}
	if len(targets) == 0 {
		return nil, fault.New(fault.Invalid, CodeProcessing, "cannot load table '%s': it has no data columns", table.Name)
	}
	return targets, nil
}

// compact rewrites files that are there as one, with the same rows in the same order (R23): the partition's, or those of partitions that are merged.
func (e *Engine) compact(ctx context.Context, conn *duck.Conn, task task, path string) (made product, rows int64, err error) {
	version, release, err := e.options.Store.Pin(ctx, task.attempt.work.operation.Model)
	if err != nil {
		return product{}, 0, err
	}
	defer release()
	parts := index(version)
	held := parts[key(task.step.Table, task.step.Partition)]
	if task.step.Kind == CompactStep {
		part := merged(parts, task.step)
		part.Files = taken(parts, task.step)
		held = &part
	}
	if held == nil {
		return product{}, 0, fault.New(fault.Conflict, CodeProcessing, "cannot defragment a partition that has no rows any more")
	}
	paths := make([]string, len(held.Files))
	for i, file := range held.Files {
		if paths[i], err = e.options.Store.Path(ctx, file); err != nil {
			return product{}, 0, err
		}
	}
	written, err := conn.WriteParquet(ctx, "SELECT * FROM read_parquet("+duck.List(paths)+")", path)
	if err != nil {
		return product{}, 0, err
	}
	if written.Rows != held.Rows() {
		return product{}, 0, fault.New(fault.Internal, CodeProcessing, "cannot defragment: %d rows became %d", held.Rows(), written.Rows)
	}
	return product{readAt: held.ReadAt, bookmark: held.Bookmark, fingerprint: held.Fingerprint}, written.Rows, nil
}
