package mashup

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/google/uuid"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// Relation is a table that an expression or a statement gives: a plan whose rows are not read yet. One goroutine uses it at a time;
// only Progress may be called from others.
type Relation struct {
	plan    *step
	session *session
}

// Column is a column of a Relation.
type Column struct {
	Name string
	Type string // as the language writes it: "Int64.Type", "nullable text"
	Kind string // the primitive type that it is one of: "number", "text"
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

// String is the model's word for the type.
func (t TargetType) String() string {
	return [...]string{"string", "int64", "double", "decimal", "dateTime", "boolean", "binary"}[t]
}

// Progress is how far the reading of a Relation has come. A total of 0 is unknown.
type Progress = source.Progress

// The codes of the errors of loading.
const (
	// Invalid: the partition gives no column of the name that the model's column names as its source.
	// Do: correct sourceColumn in the model, or rename the column in the partition's expression.
	codeMissingColumn = "SourceColumnMissing"

	// Invalid: a value that the model's column cannot hold.
	// Do: change the column's data type in the model, or the value in the partition's expression or at its source.
	codeMisfit = "ValueDoesNotFit"

	// Invalid or Internal: a cell that is loaded holds an error of the language.
	// Do: correct the value at its source, or replace or remove errors in the expression (Table.ReplaceErrorValues, Table.RemoveRowsWithErrors).
	codeCellError = "CellError"

	// Invalid, Power BI's: an expression failed, by a rule of the language or by an error that its author raised.
	// Do: correct the expression at the line and column that the text names.
	codeExpression = "Expression.Error"

	// Invalid, Power BI's: the expression is not written in the language.
	// Do: correct it at the line and column that the text names.
	codeSyntax = "Expression.SyntaxError"

	// Invalid, Power BI's: a text could not be converted, or a file has not the form that the expression says.
	// Do: correct the value at its source, or name the format or culture in the expression.
	codeDataFormat = "DataFormat.Error"

	// Invalid: a file that is not read row by row is too large for memory.
	// Do: read it with Csv.Document or Parquet.Document, which need no more memory for larger files.
	codeTooLarge = "FileTooLarge"
)

// Table evaluates the expression of a partition to a table, reading no more of its sources than their columns where the
// expression allows that. bind replaces shared expressions by name: RangeStart and RangeEnd.
func (d *Document) Table(ctx context.Context, env *Env, expression string, bind map[string]Value) (*Relation, error) {
	session := newSession(d, env, bind)
	v, err := session.evaluate(ctx, "partition", expression)
	if err != nil {
		return nil, errors.Join(report(err), session.reading.close())
	}
	t, ok := v.(table)
	if !ok {
		err := fault.New(fault.Invalid, codeExpression, "cannot load the partition: its expression gives a value of type %s", typeName(v))
		return nil, errors.Join(err.WithHint("End the expression with a table"), session.reading.close())
	}
	return &Relation{plan: relationalOf(t).plan, session: session}, nil
}

// Native is the table that a statement of a `query` partition gives.
func Native(ctx context.Context, env *Env, ref source.Ref, statement string) (*Relation, error) {
	d, err := NewDocument(nil, nil)
	if err != nil {
		return nil, err
	}
	session := newSession(d, env, nil)
	t, err := nativeQuery(session.begin(ctx), ref, statement, "statement")
	if err != nil {
		return nil, errors.Join(report(err), session.reading.close())
	}
	return &Relation{plan: t.plan, session: session}, nil
}

// Value evaluates an expression to one value and writes it as text: the bookmark of a polling expression.
func (d *Document) Value(ctx context.Context, env *Env, expression string, bind map[string]Value) (string, error) {
	session := newSession(d, env, bind)
	v, err := session.evaluate(ctx, "expression", expression)
	if err != nil {
		return "", errors.Join(report(err), session.reading.close())
	}
	switch v.(type) {
	case *list, *record, table, *function, *typeValue:
		err := fault.New(fault.Invalid, codeExpression, "cannot use the expression's value: it is of type %s", typeName(v))
		return "", errors.Join(err.WithHint("A polling expression gives one value such as a date or a number"), session.reading.close())
	}
	return constantText(v), session.reading.close()
}

// Columns lists the columns in order.
func (r *Relation) Columns() []Column {
	columns := make([]Column, len(r.plan.cols))
	for i, col := range r.plan.cols {
		columns[i] = Column{Name: col.name, Type: columnTypeText(col.typ), Kind: col.typ.of.String()}
	}
	return columns
}

func columnTypeText(typ *typeValue) string {
	words := typ.of.String()
	if typ.name != "" {
		words = typ.name
	}
	if typ.nullable && typ.of != kindAny && typ.of != kindNull {
		words = "nullable " + words
	}
	return words
}

// Load reads the relation and writes the targets as a Parquet file. A value that does not fit its target, and an error in a cell
// that is loaded, fail with column, row and value.
func (r *Relation) Load(ctx context.Context, conn *duck.Conn, targets []Target, path string) (rows, bytes int64, err error) {
	written, err := r.write(ctx, conn, targets, path)
	if err != nil && !r.session.reading.rowsOnly && ctx.Err() == nil && byRows(err) {
		// DuckDB met what it would read in another way, or a value that it has no exact form for.
		r.session.reading.rowsOnly = true
		written, err = r.write(ctx, conn, targets, path)
		r.session.reading.rowsOnly = false
	}
	if err != nil {
		err = r.Locate(ctx, targets, err)
	} else {
		r.session.reading.finish()
	}
	return written.Rows, written.Bytes, err
}

func (r *Relation) write(ctx context.Context, conn *duck.Conn, targets []Target, path string) (duck.Written, error) {
	statement, release, err := r.Open(ctx, conn, targets)
	if err != nil {
		return duck.Written{}, err
	}
	defer release()
	return conn.WriteParquet(ctx, statement, path)
}

// byRows tells whether a statement that failed is worth evaluating by rows.
func byRows(err error) bool {
	if errors.Is(err, errByRows) {
		return true
	}
	var engine *duck.Error
	return errors.As(err, &engine) && fault.KindOf(err) == fault.Invalid
}

// Open prepares reading on conn, and returns a SELECT for it that gives exactly the targets, converted by the
// rules for values (Load does that and writes the rows). release ends the reading and must be called after the statement; ctx must
// live until then. When the statement fails, Locate tells where.
func (r *Relation) Open(ctx context.Context, conn *duck.Conn, targets []Target) (statement string, release func(), err error) {
	picked, err := r.pick(targets)
	if err != nil {
		return "", nil, err
	}
	opened, err := r.openTargets(ctx, conn, picked, targets)
	if err != nil {
		return "", nil, final(err)
	}
	return opened.statement, opened.release, nil
}

// Locate adds to the error of a statement of Open the row at which it failed, where that can be found out: it may read the source
// a second time.
func (r *Relation) Locate(ctx context.Context, targets []Target, failure error) error {
	var known *fault.Error
	if !errors.As(failure, &known) || known.Where.Row > 0 || known.Code != codeMisfit && known.Code != codeCellError || ctx.Err() != nil {
		return final(failure)
	}
	picked, err := r.pick(targets)
	if err != nil {
		return failure
	}
	if found := r.firstMisfit(ctx, picked, targets); found != nil {
		return found
	}
	return failure
}

// final is an error as callers see it: one of the language is reported with its place, one that is located already stays as it is.
func final(err error) error {
	if known := (*fault.Error)(nil); errors.As(err, &known) {
		return err
	}
	return report(err)
}

// pick is the plan of the targets' columns alone, in their order.
func (r *Relation) pick(targets []Target) (*step, error) {
	from, cols := make([]int, len(targets)), make([]fieldType, len(targets))
	for i, target := range targets {
		name := target.SourceColumn
		if name == "" {
			name = target.Name
		}
		at := columnIndex(r.plan.cols, name)
		if at < 0 {
			err := fault.New(fault.Invalid, codeMissingColumn, "cannot load the column '%s': the partition gives no column '%s'", target.Name, name)
			err.Where.Column = target.Name
			if near := fault.Nearest(name, r.plan.names()); near != "" {
				return nil, err.WithHint("Did you mean '%s'? Set the column's sourceColumn, or rename the column in the partition's expression", near)
			}
			return nil, err.WithHint("Its columns are: %s", strings.Join(r.plan.names(), ", "))
		}
		from[i], cols[i] = at, r.plan.cols[at]
	}
	return &step{name: "columns of the model", in: []*step{r.plan}, cols: cols, op: project{from: from}}, nil
}

// Progress tells how far the reading is.
func (r *Relation) Progress() Progress { return r.session.reading.progress() }

// Close ends what the relation holds open.
func (r *Relation) Close() error { return r.session.reading.close() }

// opened is a reading that began.
type opened struct {
	statement string
	release   func()
}

// reading is what a session's tables share while they are read: the open sources, how far they are, and how to read.
type reading struct {
	rowsOnly bool // evaluate everything by rows: the truth that folding is held against
	rules    *rules
	asking   func(to, text string) error // called in place of reading a source's rows; nil: they are read

	mu      sync.Mutex
	sources map[source.Ref]source.Conn
	streams []func() Progress
	ended   bool // all was read

	spills spills
}

func newReading(env *Env) *reading {
	return &reading{rules: foldRules(), sources: map[source.Ref]source.Conn{}, spills: spills{dir: env.TempDir, room: env.DiskRoom}}
}

// open returns the session's connection to a source.
func (r *reading) open(ev *evaluation, ref source.Ref) (source.Conn, error) {
	registry := ev.session.env.Sources
	if registry == nil {
		return nil, fault.New(fault.Denied, source.CodeNotAllowed, "cannot reach '%s': no data source is configured", ref.Path)
	}
	r.mu.Lock()
	conn := r.sources[ref]
	r.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	conn, err := registry.Open(ev.ctx, ref)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[ref] = conn
	return conn, nil
}

// follow adds a stream to the progress.
func (r *reading) follow(stream func() Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams = append(r.streams, stream)
}

// progress is the sum of the streams; a total is known when all of them know theirs.
func (r *reading) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum Progress
	rows, bytes := true, true
	for _, stream := range r.streams {
		p := stream()
		sum.Rows += p.Rows
		sum.Bytes += p.Bytes
		sum.TotalRows += p.TotalRows
		sum.TotalBytes += p.TotalBytes
		sum.Estimated = sum.Estimated || p.Estimated
		rows, bytes = rows && p.TotalRows > 0, bytes && p.TotalBytes > 0
	}
	if r.ended && bytes {
		sum.Bytes = sum.TotalBytes
	}
	if !rows {
		sum.TotalRows, sum.Estimated = 0, false
	}
	if !bytes {
		sum.TotalBytes = 0
	}
	return sum
}

// restart forgets the streams of an earlier reading.
func (r *reading) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams, r.ended = nil, false
}

// finish tells that everything was read.
func (r *reading) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

func (r *reading) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for ref, conn := range r.sources {
		errs = append(errs, conn.Close())
		delete(r.sources, ref)
	}
	return errors.Join(append(errs, r.spills.close())...)
}

// viewName is a name for a view; views are seen by every connection of an instance.
func viewName() string { return "rows_" + strings.ReplaceAll(uuid.NewString(), "-", "") }
