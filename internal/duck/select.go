//go:build duckdb_arrow

package duck

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow/array"

	"freshet.dev/internal/fault"
)

// Column is a column of a table that Select shows.
type Column struct {
	Name string
	Type Type
}

// Table is a table that Select shows: the rows of Parquet files, all of which have its columns. No files: an empty table.
type Table struct {
	Name    string
	Columns []Column
	Files   []string
}

// Select is the locked door for SQL written by users: an instance that shows tables and can reach nothing but their files.
type Select struct {
	db *DB
}

// OpenSelect opens an instance that shows tables.
func OpenSelect(ctx context.Context, options Options, tables []Table) (*Select, error) {
	return nil, fault.New(fault.Internal, "EngineFailed", "cannot open the tables")
}

// Query runs sql, which must be exactly one SELECT over the tables, and streams its rows. Any number of queries run in parallel.
func (s *Select) Query(ctx context.Context, sql string) (array.RecordReader, error) {
	return nil, fault.New(fault.Internal, "EngineFailed", "cannot open the tables")
}

// Close ends the instance. Queries that still run keep it alive until they end.
func (s *Select) Close() error { return s.db.Close() }
