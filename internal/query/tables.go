package query

import (
	"context"

	"golang.org/x/sync/errgroup"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// refuseRoles refuses readers of a model whose roles hide rows: the filters are not enforced yet, and to ignore them would show what
// is hidden.
func refuseRoles(m *model.Model) error {
	for _, role := range m.Roles {
		for table, filter := range role.TablePermissions {
			if filter != "" {
				return fault.New(fault.Denied, codeRoles, "cannot query model '%s': its role '%s' filters the rows of table '%s', and row-level security is not supported yet",
					m.Name, role.Name, table).WithHint("Deploy a model without filtering roles for those who may see all rows.")
			}
		}
	}
	return nil
}

// Table is a table that queries can name.
type Table struct {
	Name    string
	Columns []Column // without those that cannot be read
	Refused error    // why it cannot be read; nil: it can
}

// Tables lists the tables of the current version of a model, in the order of its definition. Its errors are those of Query.
func (e *Engine) Tables(ctx context.Context, model string) ([]Table, error) {
	version, unpin, err := e.options.Store.Pin(ctx, model)
	if err != nil {
		return nil, err
	}
	defer unpin()
	definition, _, err := e.options.Models.ModelAt(ctx, version.Model, version.ModelRevision)
	if err != nil {
		return nil, err
	}
	if err := refuseRoles(definition); err != nil {
		return nil, err
	}
	definition = version.Partitioned(definition)
	tables := make([]Table, len(definition.Tables))
	for i, table := range definition.Tables {
		tables[i] = Table{Name: table.Name, Refused: e.unreadable(table, version)}
		for _, column := range table.Columns {
			shown := duck.Table{RefusedColumns: map[string]error{}}
			if show(&shown, table, column); len(shown.Columns) > 0 {
				tables[i].Columns = append(tables[i].Columns, Column{column.Name, string(column.DataType)})
			}
		}
	}
	return tables, nil
}

// verifyAtOnce is how many files are read for their checksums at a time, when a process first opens them.
const verifyAtOnce = 4

// tables describes what a version holds as duck shows it.
func (e *Engine) tables(ctx context.Context, in *instance, m *model.Model, version store.Version) ([]duck.Table, error) {
	in.files = nil
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(verifyAtOnce)
	tables := make([]duck.Table, 0, len(m.Tables))
	for _, table := range m.Tables {
		shown := duck.Table{Name: table.Name, RefusedColumns: map[string]error{}, Refused: e.unreadable(table, version)}
		for _, column := range table.Columns {
			show(&shown, table, column)
		}
		if shown.Refused == nil {
			files := filesOf(table, version)
			in.files = append(in.files, files...)
			shown.Files = make([]string, len(files))
			for i, file := range files {
				group.Go(func() (err error) {
					shown.Files[i], err = e.path(ctx, in.model, file)
					return err
				})
			}
		}
		tables = append(tables, shown)
	}
	return tables, group.Wait()
}

// held is a file and whose rows it holds.
type held struct {
	store.File
	of store.Key
}

// filesOf returns the files of a table's rows, in the order of its partitions.
func filesOf(table *model.Table, version store.Version) []held {
	var files []held
	for _, partition := range table.Partitions {
		if part := version.Part(table.Name, partition.Name); part != nil {
			for _, file := range part.Files {
				files = append(files, held{file, store.Key{Table: table.Name, Partition: partition.Name}})
			}
		}
	}
	return files
}

// check looks whether the files of an open instance are still those that were verified.
func (e *Engine) check(ctx context.Context, in *instance) error {
	for _, file := range in.files {
		if _, err := e.path(ctx, in.model, file); err != nil {
			return err
		}
	}
	return nil
}

// path returns where a file is; one that is damaged is refused by the name of its model, table and partition.
func (e *Engine) path(ctx context.Context, model string, file held) (string, error) {
	path, err := e.options.Store.Path(ctx, file.File)
	if fault.CodeOf(err) == fault.CodeDamaged {
		damage := fault.New(fault.Internal, fault.CodeDamaged, "cannot query model '%s': %w", model, err)
		damage.Where = fault.Where{Table: file.of.Table, Partition: file.of.Partition}
		return "", damage
	}
	return path, err
}

// unreadable says why a table cannot be read; nil when it can.
func (e *Engine) unreadable(table *model.Table, version store.Version) error {
	refuse := func(why, hint string) error {
		return &fault.Error{Kind: fault.Conflict, Code: codeNotReadable, Message: "cannot read a table: " + why, Hint: hint, Where: fault.Where{Table: table.Name}}
	}
	for _, partition := range table.Partitions {
		switch {
		case isOpen(partition) && e.options.Live != nil: // read when a query names the table
		case partition.Mode == "directQuery" || partition.Mode == "dual" || partition.Mode == "directLake":
			return refuse("its mode is "+partition.Mode+", and only imported rows can be queried", "Query its source, or set the mode of its partitions to import.")
		case partition.Mode == model.LinkedMode:
			return refuse("it is a linked entity: its rows are those of another dataflow", "Query that dataflow.")
		case partition.Source.Type == model.CalculationGroupPartition:
			return refuse("it is a calculation group and has no rows", "")
		}
	}
	if table.InferredColumns && len(table.Columns) == 0 {
		return refuse("its columns are those that its query gives, and no refresh has found them yet", "Refresh the dataflow.")
	}
	if version.TableState(table.Name) == store.CalculationNeeded {
		return refuse("it is calculated, and its values are missing (CalculationNeeded)", "Calculated tables are not computed yet; the model's other tables can be queried.")
	}
	return nil
}

// show adds a column to a table. What is calculated, and DuckDB's own, is not in the files.
func show(shown *duck.Table, table *model.Table, column *model.Column) {
	refuse := func(why, hint string) {
		shown.RefusedColumns[column.Name] = &fault.Error{Kind: fault.Conflict, Code: codeNotReadable, Message: "cannot read a column: " + why, Hint: hint,
			Where: fault.Where{Table: table.Name, Column: column.Name}}
	}
	switch column.Type {
	case model.DataColumn, model.CalculatedTableColumnColumn, "":
		if typ, ok := columnType(column.DataType); ok {
			shown.Columns = append(shown.Columns, duck.Column{Name: column.Name, Type: typ})
			return
		}
		refuse("its type is "+string(column.DataType), "")
	case model.CalculatedColumn:
		refuse("it is calculated, and its values are missing (CalculationNeeded)", "Calculated columns are not computed yet; the table's other columns can be queried.")
	case model.RowNumberColumn: // hidden from all readers
	}
}

// columnType is how the files hold a model's type.
func columnType(typ model.DataType) (duck.Type, bool) {
	types := map[model.DataType]duck.Type{
		model.String: duck.Text, model.Int64: duck.Int64, model.Double: duck.Double, model.Decimal: duck.Decimal,
		model.DateTime: duck.Timestamp, model.Boolean: duck.Bool, model.Binary: duck.Binary,
	}
	found, ok := types[typ]
	return found, ok
}
