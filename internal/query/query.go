// Package query runs SQL over one pinned version of a model.
//
// A query sees the version that was current when it began to its end, whatever is committed meanwhile. Instances of DuckDB that show a
// version are kept for the next query, the recently used ones, in memory that the model's capacity has granted: it takes it back from those that
// nobody uses, the least recently used first, when somebody waits for memory.
package query

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// The codes of refused queries.
const (
	// Denied: the model has roles that filter rows, which queries do not apply yet.
	// Do: query a model without such roles.
	codeRoles = "RowLevelSecurityNotSupported"

	// Conflict: a table or column holds no rows of its own (DirectQuery), or they are not calculated yet.
	// Do: leave it out of the query; the text says why it has no rows.
	codeNotReadable = "TableNotReadable"
)

// models reads deployed models. The catalog implements it.
type models interface {
	// ModelAt returns one revision of a model, which the caller does not change, and the name of its workspace's capacity; "" = shared.
	ModelAt(ctx context.Context, id string, revision int64) (m *model.Model, capacity string, err error)
}

// live reads what is not in a version: the partitions of hybrid tables that are not imported, and linked entities. The engine of refreshes implements it.
type live interface {
	Live(ctx context.Context, id string, m *model.Model, table *model.Table, partition *model.Partition, rows int64, dir string) (
		relation *mashup.Relation, targets []mashup.Target, release func(), err error)
	Linked(ctx context.Context, id string, table *model.Table) (rows *mashup.Stored, release func(), err error)
}

// Options are what an Engine works with. What stands above the line is required.
type Options struct {
	Store      *store.Store
	Models     models
	Capacities []*capacity.Capacity // by name; the first serves models of shared workspaces too
	TempDir    string               // for what queries spill to disk; the engine's own, emptied by New
	// –––
	Live      live        // for hybrid tables; nil: they are refused
	Disk      *store.Disk // which what is spilled leaves enough free space on; nil = no limit
	Memory    int64       // of all queries over one version; 0 = 512 MiB, and never more than half a capacity
	Instances int         // how many versions are kept open while nobody queries them; 0 = 8
}

// Engine runs queries. It is safe for concurrent use.
type Engine struct {
	options Options

	mu        sync.Mutex
	closed    bool
	instances map[store.Pin]*instance
	uses      int64 // counts the uses of instances, as a clock
}

// instance shows one version. What stands below turn is guarded by it.
type instance struct {
	version  store.Pin
	turn     chan struct{} // holds one token
	model    string        // its name
	files    []held        // that the door reads
	shown    []duck.Table  // that the door shows
	hybrid   *model.Model  // as the version has it, when it has partitions that are read from their sources, or linked entities
	linked   bool          // it has linked entities
	capacity *capacity.Capacity
	shared   bool // its workspace is on no capacity, and so heeds no pause
	door     *duck.Select
	grant    *capacity.Grant

	users int   // guarded by Engine.mu, as are the others
	last  int64 // when it was last used
	old   bool  // a later version was queried, or the engine is closed: not to be kept
}

// New returns an engine that has nothing open.
func New(options Options) (*Engine, error) {
	if len(options.Capacities) == 0 {
		return nil, fault.New(fault.Invalid, fault.CodeConfiguration, "cannot query models without a capacity")
	}
	if options.Memory == 0 {
		options.Memory = 512 << 20
	}
	if options.Instances == 0 {
		options.Instances = 8
	}
	if err := os.RemoveAll(options.TempDir); err != nil { // what queries had spilled when a process before was killed
		return nil, fault.New(fault.Unavailable, store.CodeStorage, "cannot empty the folder for temporary files: %w", err)
	}
	return &Engine{options: options, instances: map[store.Pin]*instance{}}, nil
}

// Query runs sql, exactly one SELECT, over the current version of a model. Close the result. The end of ctx ends the query.
//
// Errors: NotFound for an unknown model; Invalid for what is not such a SELECT, with its reason; Denied with codeRoles for a model with
// roles that filter rows; Invalid with capacity.CodeNotActive on a paused capacity; Conflict with codeNotReadable for a table or a column without rows.
func (e *Engine) Query(ctx context.Context, model, sql string) (*Result, error) {
	version, unpin, err := e.options.Store.Pin(ctx, model)
	if err != nil {
		return nil, err
	}
	result, err := e.query(ctx, version, sql)
	if err != nil {
		unpin()
		return nil, err
	}
	inner := result.close
	result.close = func() { inner(); unpin() }
	return result, nil
}

func (e *Engine) query(ctx context.Context, version store.Version, sql string) (*Result, error) {
	in, err := e.enter(version)
	if err != nil {
		return nil, err
	}
	if err := e.ready(ctx, in, version); err != nil {
		e.leave(in)
		return nil, err
	}
	result, err := e.run(ctx, in, sql)
	if err != nil {
		e.leave(in)
		return nil, err
	}
	inner := result.close
	result.close = func() { inner(); e.leave(in) }
	return result, nil
}

// run runs a query over what the instance shows, and over what hybrid tables have at their sources, if it names such. Where there are linked
// entities, each query has an instance of its own: their rows are of versions that come and go by themselves.
func (e *Engine) run(ctx context.Context, in *instance, sql string) (*Result, error) {
	if in.linked {
		return e.runLive(ctx, in, nil, sql)
	}
	if in.hybrid != nil {
		names, err := in.door.Reads(ctx, sql)
		if err != nil {
			return nil, err
		}
		open := slices.DeleteFunc(openPartitions(in.hybrid), func(p openPartition) bool { return !slices.Contains(names, p.table.Name) })
		if len(open) > 0 {
			return e.runLive(ctx, in, open, sql)
		}
	}
	reader, err := in.door.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	result := newResult(reader, in.version.Number)
	result.close = reader.Release
	return result, nil
}

// enter returns the instance of a version with one more user.
func (e *Engine) enter(version store.Version) (*instance, error) {
	pin := store.Pin{Model: version.Model, Number: version.Number}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fault.New(fault.Unavailable, fault.CodeClosing, "cannot start a query: the server is closing")
	}
	in := e.instances[pin]
	if in == nil {
		in = &instance{version: pin, turn: make(chan struct{}, 1)}
		in.turn <- struct{}{}
		e.instances[pin] = in
		for other, former := range e.instances {
			if other.Model == pin.Model && other.Number < pin.Number {
				former.old = true
				e.closeUnused(former)
			}
		}
	}
	in.users++
	return in, nil
}

// leave ends one use of an instance.
func (e *Engine) leave(in *instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	in.users--
	e.uses++
	in.last = e.uses
	if in.users > 0 {
		return
	}
	if in.old || in.grant == nil || !in.grant.Lend(func() { e.evict(in) }) {
		e.closeUnused(in)
		return
	}
	var idle []*instance
	for _, other := range e.instances {
		if other.users == 0 {
			idle = append(idle, other)
		}
	}
	slices.SortFunc(idle, func(a, b *instance) int { return cmp.Compare(a.last, b.last) })
	for len(idle) > e.options.Instances {
		e.closeUnused(idle[0])
		idle = idle[1:]
	}
}

// evict closes an instance whose memory others need, unless somebody has begun to use it: who does so finds that its grant is taken.
func (e *Engine) evict(in *instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closeUnused(in)
}

// closeUnused closes an instance that has no users, if that was not done before.
func (e *Engine) closeUnused(in *instance) {
	if in.users > 0 || e.instances[in.version] != in {
		return
	}
	delete(e.instances, in.version)
	in.close()
	_ = os.RemoveAll(e.tempDir(in.version)) // what stays is removed at the next start
}

// tempDir is where queries over a version spill.
func (e *Engine) tempDir(version store.Pin) string {
	return filepath.Join(e.options.TempDir, version.Model+"-"+strconv.FormatInt(version.Number, 10))
}

// ready opens the instance unless another user has, and makes its memory one that is needed.
func (e *Engine) ready(ctx context.Context, in *instance, version store.Version) error {
	select {
	case <-in.turn:
		defer func() { in.turn <- struct{}{} }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if in.grant != nil && !in.grant.Recall() {
		in.close() // others take its memory
	}
	if in.door == nil {
		return e.open(ctx, in, version)
	}
	if err := in.refuse(); err != nil {
		return err
	}
	return e.check(ctx, in)
}

// close ends the instance and then gives its memory back. DuckDB has nothing to write at its end, so nothing can fail that matters.
func (in *instance) close() {
	if in.door != nil {
		_ = in.door.Close()
		in.door = nil
	}
	if in.grant != nil {
		in.grant.Release()
		in.grant = nil
	}
}

// refuse is the error of a query on a paused capacity. Those that run go on.
func (in *instance) refuse() error {
	if in.shared {
		return nil
	}
	return in.capacity.Refuse()
}

// memory leaves a refresh the other half of a small capacity.
func (e *Engine) memory(c *capacity.Capacity) int64 { return min(e.options.Memory, c.Memory()/2) }

func (e *Engine) open(ctx context.Context, in *instance, version store.Version) error {
	definition, name, err := e.options.Models.ModelAt(ctx, version.Model, version.ModelRevision)
	if err != nil {
		return err
	}
	if err := refuseRoles(definition); err != nil {
		return err
	}
	definition = version.Partitioned(definition)
	in.capacity, in.shared, in.model = e.options.Capacities[0], name == "", definition.Name
	for _, c := range e.options.Capacities {
		if c.Name() == name {
			in.capacity = c
		}
	}
	if err := in.refuse(); err != nil {
		return err
	}
	tables, err := e.tables(ctx, in, definition, version)
	if err != nil {
		return err
	}
	in.shown, in.hybrid, in.linked = tables, nil, e.options.Live != nil && len(linkedTables(definition)) > 0
	if in.linked || len(openPartitions(definition)) > 0 {
		in.hybrid = definition
	}
	memory := e.memory(in.capacity)
	if in.grant, err = in.capacity.Grant(ctx, memory, memory); err != nil {
		return err
	}
	in.door, err = duck.OpenSelect(ctx, duck.Options{
		MemoryLimit: memory,
		TempDir:     e.tempDir(in.version),
		TempLimit:   e.options.Disk.Spill(),
	}, tables)
	if err != nil {
		in.close()
	}
	return err
}

// Close closes what nobody uses; what still runs is closed as it ends.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, in := range e.instances {
		in.old = true
		e.closeUnused(in)
	}
}
