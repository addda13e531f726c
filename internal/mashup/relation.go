package mashup

import (
	"context"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/source"
)

// Relation is a table that an expression or a statement gives: a plan whose rows are not read yet. One goroutine uses it at a time;
// only Progress may be called from others.
type Relation struct{}

// Column is a column of a Relation.
type Column struct {
	Name string
	Type string // as the language writes it: "Int64.Type", "nullable text"
}

// Target is a column of the model that is loaded: where its values come from and what they must become.
type Target struct {
	Name         string // the model's column, for errors
	SourceColumn string // the Relation's column; empty is Name
	Type         TargetType
}

// TargetType is what a model's column holds.
type TargetType uint8

// The types of a model's columns. Their form in DuckDB: VARCHAR, BIGINT, DOUBLE, DECIMAL(19,4), TIMESTAMP, BOOLEAN, BLOB.
const (
	StringTarget TargetType = iota
	Int64Target
	DoubleTarget
	DecimalTarget
	DateTimeTarget
	BooleanTarget
	BinaryTarget
)

// Progress is how far the reading of a Relation has come. A total of 0 is unknown.
type Progress = source.Progress

// Table evaluates the expression of a partition to a table, reading no more of its sources than their columns where the
// expression allows that. bind replaces shared expressions by name: RangeStart and RangeEnd.
func (d *Document) Table(ctx context.Context, env *Env, text string, bind map[string]Value) (*Relation, error) {
	panic("in work")
}

// Native is the table that a statement of a `query` partition gives.
func Native(ctx context.Context, env *Env, ref source.Ref, statement string) (*Relation, error) {
	panic("in work")
}

// Columns lists the columns in order.
func (r *Relation) Columns() []Column { panic("in work") }

// Open prepares reading on conn and returns a SELECT for it that gives exactly the targets, converted by the rules for values (Load
// does that and writes the rows). release ends the reading and must be called after the statement; the context must live until then.
//
// A value that does not fit its target makes the statement fail; Locate then tells column, row and value.
func (r *Relation) Open(ctx context.Context, conn *duck.Conn, targets []Target) (sql string, release func(), err error) {
	panic("in work")
}

// Locate returns the error of a statement of Open with the column and the row at which it failed, where they can be found out. It
// may read the source a second time.
func (r *Relation) Locate(ctx context.Context, conn *duck.Conn, err error) error { panic("in work") }

// Load reads the relation and writes the targets as a Parquet file: Open, WriteParquet and, when that fails, Locate.
func (r *Relation) Load(ctx context.Context, conn *duck.Conn, targets []Target, path string) (rows, bytes int64, err error) {
	panic("in work")
}

// Value evaluates an expression to one value and writes it as text: the bookmark of a polling expression.
func (d *Document) Value(ctx context.Context, env *Env, text string, bind map[string]Value) (string, error) {
	panic("in work")
}

// Progress tells how far the reading is.
func (r *Relation) Progress() Progress { panic("in work") }

// Explanation is what a Relation sends to its sources, and why it does no more there.
type Explanation struct {
	Steps []ExplainedStep // in the order of evaluation
	// Statements are what is sent: SQL for a database, or DuckDB's statement over files.
	Statements []ExplainedStatement
	Breaks     string // the first step that is evaluated by rows; empty when all fold
	Why        string // the reason
}

// ExplainedStep is one step of the plan.
type ExplainedStep struct {
	Name  string // "Table.SelectRows"
	Where string // "PostgreSQL", "DuckDB" or "rows"
	Why   string // the reason for rows
}

// ExplainedStatement is one statement and who gets it.
type ExplainedStatement struct {
	To   string // "PostgreSQL localhost:5432;sales" or "DuckDB"
	Text string
}

// Explain tells how the relation is read.
func (r *Relation) Explain(ctx context.Context) (*Explanation, error) { panic("in work") }

// Close ends what the relation holds open.
func (r *Relation) Close() error { panic("in work") }
