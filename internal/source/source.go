// Package source is the contract between Freshet and the places that data comes from.
//
// A model asks for a source by kind and path (Ref), as Power BI does. The configuration lists what may be reached (Setting). The
// Registry matches the two, refuses what no setting allows, and opens the rest. What a Conn can do depends on its kind: a Database
// is asked by SQL, Files lists and reads files. CSV and Parquet are forms that the bytes of a file may have: a Content becomes a
// Scan, which either DuckDB reads by itself (when that gives exactly the same rows) or Go reads as record batches.
package source

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// The codes of the errors that sources make.
const (
	// Denied: no entry of dataSources allows the file, folder or database.
	// Do: add the lines that the text spells out to the configuration, and start the server again.
	CodeNotAllowed = "DataSourceNotAllowed"

	// Invalid or Internal: the path has not the form that its kind wants, or names something of another kind.
	// Do: write it as the text says.
	CodePath = "DataSourcePath"

	// NotFound: the file, folder or database does not exist.
	// Do: check the path, and that what writes the file has run.
	CodeNotFound = "DataSourceNotFound"

	// Unavailable: the source does not answer, broke off, or is busy.
	// Do: see that it is up and can be reached from the server; set retryCount so that a refresh tries again by itself.
	CodeUnavailable = "DataSourceUnavailable"

	// Denied: the source does not let the configured user in, not at this object, or not over this kind of connection.
	// Do: correct username, password or options of the entry of dataSources, or give the user the right at the source.
	CodeCredentials = "DataSourceCredentials"

	// Invalid: the source refuses the statement; the text has its own words.
	// Do: correct the query or the names in the expression.
	CodeQuery = "DataSourceQuery"

	// Invalid or Internal: a value or a file that cannot be read.
	// Do: correct it at the source, or how the expression reads it; the text names file, column and row.
	CodeData = "DataSourceData"
)

// Ref is what an expression asks for: a kind and a path in the form that Power BI gives them, for example {"File", "/srv/x.csv"},
// {"File", "/srv/exports"} (a folder) or {"PostgreSQL", "localhost:5432;sales"}.
type Ref struct {
	Kind string
	Path string
}

// Conn is an open source. It holds nothing that is scarce: a connection to a server is taken for a call and given back with its
// end. Its other methods depend on its kind: Database or Files.
type Conn interface {
	// Ref names what was asked for, normalised: two Refs of one place are equal, so that what they give can be joined at the source.
	Ref() Ref
	Close() error
}

// NumberKey is the key in the metadata of a field of texts that are numbers: decimals of any length, NaN, Infinity and -Infinity.
const NumberKey = "freshet.number"

// Database is a Conn that is asked by SQL. Every statement runs in a READ ONLY transaction of its own.
type Database interface {
	Conn
	// Dialect tells how to write SQL for it.
	Dialect() Dialect
	// Tables lists the tables and views that the user may read, ordered by schema and name.
	Tables(ctx context.Context) ([]Table, error)
	// Describe returns the columns of a statement without reading rows: the schema that Read will give.
	Describe(ctx context.Context, sql string) (*arrow.Schema, error)
	// Read streams the rows of a SELECT. It returns before the first row; the statement starts with the first Next, so that
	// readers which wait their turn hold no connection. Cancelling ctx, or releasing the reader, ends the statement on the server
	// within a second, whether rows flow, the server computes, or nobody calls Next.
	Read(ctx context.Context, sql string, options ReadOptions) (Rows, error)
}

// Table is an entry of a database's navigation.
type Table struct {
	Schema string
	Name   string
	Kind   string // "Table" or "View", as M's navigation tables say
}

// Dialect is how a database spells what folding writes.
type Dialect struct {
	Name    string                   // "postgresql"
	Ident   func(name string) string // a quoted name
	Literal func(text string) string // a quoted text; to be cast to other types by the statement
	// Clean returns a native statement without the comments and semicolons at its end, so that it can stand in brackets; the closing
	// one goes on a new line all the same.
	Clean func(statement string) (string, error)
	// Column returns the declared type of a column of a Describe schema in the database's words, for example "numeric(10,2)".
	Column func(field arrow.Field) string
}

// ReadOptions say how rows are delivered. The zero value is 16,384 rows or 4 MiB a batch, Go's allocator, infinite dates refused.
type ReadOptions struct {
	Allocator  memory.Allocator // counts the memory of batches that are not yet released
	BatchRows  int
	BatchBytes int
	// InfiniteDates delivers a database's infinity and -infinity as DuckDB's (the largest and smallest value); otherwise such a
	// date or timestamp fails by column and row.
	InfiniteDates bool
}

// Rows is a stream of record batches. Next blocks until a batch, the end, or the end of the context that it was opened with. Err
// tells after Next gave false whether that was the end. A batch belongs to the caller after Retain only.
type Rows interface {
	array.RecordReader
	// Progress may be called at any time from any goroutine.
	Progress() Progress
}

// Progress is how far a reader has come. A total of 0 is unknown.
type Progress struct {
	Rows, Bytes           int64 // read from the source so far
	TotalRows, TotalBytes int64
	Estimated             bool // TotalRows is the source's own estimate
}
