package query

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// openPartition is the partition of a hybrid table that is read from its source: it has a start and no end.
type openPartition struct {
	table     *model.Table
	partition *model.Partition
}

func isOpen(partition *model.Partition) bool {
	return partition.Source.Type == model.PolicyRangePartition && partition.Mode == "directQuery"
}

// openPartitions lists those of a model's hybrid tables.
func openPartitions(m *model.Model) []openPartition {
	var found []openPartition
	for _, table := range m.Tables {
		for _, partition := range table.Partitions {
			if isOpen(partition) {
				found = append(found, openPartition{table, partition})
			}
		}
	}
	return found
}

// linkedTables lists the linked entities of a dataflow.
func linkedTables(m *model.Model) []*model.Table {
	var found []*model.Table
	for _, table := range m.Tables {
		if slices.ContainsFunc(table.Partitions, func(p *model.Partition) bool { return p.Mode == model.LinkedMode }) {
			found = append(found, table)
		}
	}
	return found
}

// readLinked shows what linked entities lead to now. The files are held until the releases are called; what cannot be followed is refused.
func (e *Engine) readLinked(ctx context.Context, in *instance, tables []duck.Table) (releases []func()) {
	for _, table := range linkedTables(in.hybrid) {
		at := slices.IndexFunc(tables, func(t duck.Table) bool { return t.Name == table.Name })
		rows, release, err := e.options.Live.Linked(ctx, in.version.Model, table)
		if err != nil {
			tables[at].Refused = err
			continue
		}
		releases = append(releases, release)
		shown := duck.Table{Name: table.Name}
		for _, column := range rows.Columns {
			typ, _ := columnType(model.DataType(column.Type.String()))
			shown.Columns = append(shown.Columns, duck.Column{Name: column.Name, Type: typ})
		}
		for _, file := range rows.Files {
			shown.Files = append(shown.Files, file.Path)
		}
		tables[at] = shown
	}
	return releases
}

// liveMemory is what a query over sources needs at least, and rowShare the part of it that is for rows in Go while they are read.
const (
	liveMemory = 64 << 20
	rowShare   = 4
)

// runLive runs a query over the version, what its hybrid tables have at their sources now, which is read into files first, and what its linked
// entities lead to. The files that are read and the instance that shows them are the query's own, and end with it.
func (e *Engine) runLive(ctx context.Context, in *instance, open []openPartition, sql string) (result *Result, err error) {
	memory := e.memory(in.capacity)
	grant, err := in.capacity.Grant(ctx, min(liveMemory, memory), memory)
	if err != nil {
		return nil, err
	}
	cleanup := []func(){grant.Release}
	end := func() {
		for _, each := range slices.Backward(cleanup) {
			each()
		}
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	if err := os.MkdirAll(e.options.TempDir, 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, store.CodeStorage, "cannot make the folder for temporary files: %w", err)
	}
	dir, err := os.MkdirTemp(e.options.TempDir, "live-")
	if err != nil {
		return nil, fault.New(fault.Unavailable, store.CodeStorage, "cannot make a folder for temporary files: %w", err)
	}
	cleanup = append(cleanup, func() { _ = os.RemoveAll(dir) }) // what stays is removed at the next start
	options := duck.Options{MemoryLimit: grant.Bytes(), TempDir: filepath.Join(dir, "spill"), TempLimit: e.options.Disk.Spill()}
	tables := slices.Clone(in.shown)
	if len(open) > 0 {
		if err := e.readLive(ctx, in.version.Model, in.hybrid, options, open, tables); err != nil {
			return nil, err
		}
	}
	cleanup = append(cleanup, e.readLinked(ctx, in, tables)...)
	door, err := duck.OpenSelect(ctx, options, tables)
	if err != nil {
		return nil, err
	}
	cleanup = append(cleanup, func() { _ = door.Close() }) // it has nothing to write
	reader, err := door.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	cleanup = append(cleanup, reader.Release)
	result = newResult(reader, in.version.Number)
	result.close = end
	return result, nil
}

// readLive reads open partitions into files beside the folder of the options, and adds those to the tables that are shown.
func (e *Engine) readLive(ctx context.Context, id string, m *model.Model, options duck.Options, open []openPartition, tables []duck.Table) (err error) {
	rows, dir := options.MemoryLimit/rowShare, filepath.Dir(options.TempDir)
	options.MemoryLimit -= rows
	db, err := duck.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // the files are written, or the query has failed
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for i, one := range open {
		at := slices.IndexFunc(tables, func(t duck.Table) bool { return t.Name == one.table.Name })
		if tables[at].Refused != nil {
			continue
		}
		where := fault.Where{Table: one.table.Name, Partition: one.partition.Name}
		relation, targets, release, err := e.options.Live.Live(ctx, id, m, one.table, one.partition, rows, dir)
		if err != nil {
			return fault.At(err, codeNotReadable, where)
		}
		path := filepath.Join(dir, strconv.Itoa(i)+".parquet")
		_, _, err = relation.Load(ctx, conn, targets, path)
		_ = relation.Close() // read to its end, or failed for another reason
		release()
		if err != nil {
			return fault.At(err, codeNotReadable, where)
		}
		tables[at].Files = append(slices.Clone(tables[at].Files), path)
	}
	return nil
}
