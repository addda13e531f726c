//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"freshet.dev/internal/fault"
)

// Column is a column of a table that Select shows.
type Column struct {
	Name string
	Type Type
}

// Table is a table that Select shows: the rows of Parquet files in their order, all of which have its columns. No files: an empty
// table.
type Table struct {
	Name    string
	Columns []Column
	Files   []string

	// Refused is why the table cannot be read, and RefusedColumns why some of its columns cannot, by their names: a query that
	// names one fails with that error.
	Refused        error
	RefusedColumns map[string]error
}

// Select is the locked door for SQL written by users: an instance that shows tables and can reach nothing but their files. Names of
// tables and columns are compared without regard to case. It is safe for concurrent use.
type Select struct {
	db     *DB
	tables map[string]*Table // by lower-case name
	names  []string
	paths  *strings.Replacer // hides the files' paths in errors
}

// OpenSelect opens an instance that shows tables.
//
// Two locks stand one behind the other. A query is parsed and refused unless it is one SELECT that names these tables and listed
// functions only. And DuckDB itself may open no other file, and its configuration cannot be changed.
func OpenSelect(ctx context.Context, options Options, tables []Table) (*Select, error) {
	db, err := Open(ctx, options)
	if err != nil {
		return nil, err
	}
	s := &Select{db: db, tables: map[string]*Table{}}
	if err := s.show(ctx, tables); err != nil {
		return nil, firstError(err, db.Close())
	}
	return s, nil
}

func (s *Select) show(ctx context.Context, tables []Table) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	var files, replace []string
	for i := range tables {
		table := &tables[i]
		key := strings.ToLower(table.Name)
		if s.tables[key] != nil {
			err = fault.New(fault.Invalid, fault.CodeModelInvalid, "cannot show two tables with the name '%s'", table.Name)
			break
		}
		s.tables[key] = table
		s.names = append(s.names, table.Name)
		for _, path := range table.Files {
			replace = append(replace, path, "a file of table '"+table.Name+"'")
		}
		if table.Refused != nil || len(table.Columns) == 0 {
			continue
		}
		files = append(files, table.Files...)
		if err = conn.Exec(ctx, viewSQL(table)); err != nil {
			break
		}
	}
	s.paths = strings.NewReplacer(replace...)
	if err == nil {
		err = conn.Exec(ctx, "SET GLOBAL allowed_paths = "+List(files)+
			"; SET GLOBAL enable_external_access = false; SET GLOBAL lock_configuration = true")
		s.db.locked = true
	}
	return s.hide(firstError(err, conn.Close()))
}

func viewSQL(table *Table) string {
	columns := make([]string, len(table.Columns))
	for i, column := range table.Columns {
		columns[i] = Ident(column.Name)
		if len(table.Files) == 0 {
			columns[i] = "NULL::" + column.Type.String() + " AS " + columns[i]
		}
	}
	sql := "CREATE VIEW " + Ident(table.Name) + " AS SELECT " + strings.Join(columns, ", ")
	if len(table.Files) == 0 {
		return sql + " WHERE false"
	}
	return sql + " FROM read_parquet(" + List(table.Files) + ", hive_partitioning = false)"
}

// Query runs sql, which must be exactly one SELECT over the tables, and streams its rows. Any number of queries run in parallel;
// ctx ends a query at any time.
func (s *Select) Query(ctx context.Context, sql string) (array.RecordReader, error) {
	if len(sql) > maxQuery {
		return nil, fault.New(fault.Invalid, codeSQL, "cannot run a query of more than %d bytes", maxQuery)
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	reader, err := s.query(ctx, conn, sql)
	if err != nil {
		return nil, s.hide(firstError(err, conn.Close()))
	}
	return reader, nil
}

// Reads lists the tables that sql names, once it is found to be a SELECT that Query would run.
func (s *Select) Reads(ctx context.Context, sql string) (names []string, err error) {
	if len(sql) > maxQuery {
		return nil, nil // Query refuses it
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	checked := checker{tables: s}
	tree, err := parse(ctx, conn, sql)
	if err == nil {
		err = checked.statement(tree, sql)
	}
	for _, table := range checked.touched {
		names = append(names, table.Name)
	}
	return names, s.hide(firstError(err, conn.Close()))
}

// maxQuery bounds what the parser has to take from a peer.
const maxQuery = 1 << 20

func (s *Select) query(ctx context.Context, conn *Conn, sql string) (array.RecordReader, error) {
	tree, err := parse(ctx, conn, sql)
	if err != nil {
		return nil, err
	}
	checked := checker{tables: s}
	if err := checked.statement(tree, sql); err != nil {
		return nil, err
	}
	reader, err := conn.stream(ctx, sql)
	if err != nil {
		return nil, checked.explain(err)
	}
	reader.closes = true
	return &selected{reader, s}, nil
}

// hide keeps the paths of files out of an error.
func (s *Select) hide(err error) error {
	var known *fault.Error
	if s.paths == nil || !errors.As(err, &known) {
		return err
	}
	hidden := *known
	if hidden.Message = s.paths.Replace(known.Message); hidden.Message == known.Message {
		return err
	}
	hidden.Err = nil
	return &hidden
}

// Close ends the instance. Queries that still run keep it alive until they end.
func (s *Select) Close() error { return s.db.Close() }

// selected is the result of a query.
type selected struct {
	*resultReader
	tables *Select
}

func (r *selected) Err() error { return r.tables.hide(r.resultReader.Err()) }

// parse returns DuckDB's own tree of a SELECT, as JSON.
func parse(ctx context.Context, conn *Conn, sql string) (text string, err error) {
	reader, err := conn.Query(ctx, "SELECT json_serialize_sql("+Literal(sql)+")::VARCHAR")
	if err != nil {
		return "", err
	}
	defer reader.Release()
	if !reader.Next() {
		return "", fmt.Errorf("cannot parse the query: %w", reader.Err())
	}
	return strings.Clone(reader.RecordBatch().Column(0).(*array.String).Value(0)), nil
}
