package connector

import (
	"cmp"
	"context"
	"database/sql/driver"
	"slices"
	"strconv"
	"strings"

	"freshet.dev/internal/duck"
)

// session is what statements find around them that run in a session: the gateway's. Its methods are called by one goroutine at a time.
type session interface {
	// Value is the value of a variable such as @@SPID, or of a function such as DB_NAME with constant arguments, by its name in capitals; false: there is none.
	Value(name string, arguments []driver.Value) (driver.Value, bool)

	// Tables are the tables of a schema of a database, which is "" for the session's own; nil: there is no such schema.
	Tables(ctx context.Context, database, schema string) ([]Table, error)

	// Query runs one SELECT of DuckDB over the tables of such a schema, which it names as Tables does. Its columns have these types.
	Query(ctx context.Context, database, schema, sql string, columns []Column, row func([]driver.Value) error) error
}

// Table is a table that is no endpoint: one of a refreshed model, or a view of the catalog.
type Table struct {
	Name    string
	Columns []Column
	Rows    func() [][]driver.Value // at hand, so that they stand beside those of endpoints; nil: Query computes over the table
}

// Control is a statement that asks nothing of a service, or a procedure of the session.
type Control struct {
	Verb      string     // SET, USE, BEGIN, COMMIT, ROLLBACK or SAVE (of a transaction), PRINT, EXEC, WAITFOR, THROW, RAISERROR, BREAK, CONTINUE, RETURN
	Name      string     // of the setting, in capitals, of the database or the procedure; the text of PRINT; how long WAITFOR waits, hh:mm:ss
	Value     string     // of the setting
	Rest      string     // of the batch behind a USE, which is read in the other database
	Arguments []Argument // of the procedure, of RAISERROR, and of a THROW that is not of what was caught
	Line      int        // in the batch, of THROW and RAISERROR
}

// Branch is IF. The condition is a statement whose one value is 1 when it holds.
type Branch struct {
	Condition       *Statement
	Then, Otherwise []*Statement
}

// Loop is WHILE, with a condition as that of a Branch.
type Loop struct {
	Condition *Statement
	Body      []*Statement
}

// Try is BEGIN TRY … END TRY BEGIN CATCH … END CATCH.
type Try struct{ Body, Caught []*Statement }

// Assign gives variables, which session.Value is asked for by the same names, the values of the last row of a query; none when that has no rows.
type Assign struct {
	Names []string
	Query *Statement
}

// PrepareIn is Prepare for a batch that runs in a session, whose variables, functions, tables and procedures it may name. It knows more statements:
// see Statement.Control, Branch, Loop and Try.
func (c *Connector) PrepareIn(ctx context.Context, in session, text string) ([]*Statement, error) {
	parsed, err := parse(text, in != nil)
	if err != nil {
		return nil, err
	}
	return c.prepare(ctx, in, parsed)
}

func (c *Connector) prepareBranch(ctx context.Context, in session, parsed *branch) (*Branch, error) {
	condition, err := c.prepareOne(ctx, in, parsed.condition)
	if err != nil {
		return nil, err
	}
	then, err := c.prepare(ctx, in, parsed.then)
	if err != nil {
		return nil, err
	}
	otherwise, err := c.prepare(ctx, in, parsed.otherwise)
	return &Branch{condition, then, otherwise}, err
}

func (c *Connector) prepareLoop(ctx context.Context, in session, parsed *loop) (*Loop, error) {
	condition, err := c.prepareOne(ctx, in, parsed.condition)
	if err != nil {
		return nil, err
	}
	body, err := c.prepare(ctx, in, parsed.body)
	return &Loop{condition, body}, err
}

func (c *Connector) prepareTry(ctx context.Context, in session, parsed *try) (*Try, error) {
	body, err := c.prepare(ctx, in, parsed.body)
	if err != nil {
		return nil, err
	}
	caught, err := c.prepare(ctx, in, parsed.caught)
	return &Try{body, caught}, err
}

// Branch is what an IF chooses from; nil: the statement is none.
func (s *Statement) Branch() *Branch { return s.branch }

// Loop is what a WHILE repeats; nil: the statement is none.
func (s *Statement) Loop() *Loop { return s.loop }

// Try is what a TRY runs; nil: the statement is none.
func (s *Statement) Try() *Try { return s.try }

// Assign is what a SET, DECLARE or SELECT of variables computes when it runs; nil: the statement is none.
func (s *Statement) Assign() *Assign { return s.assign }

// Inner are the statements within an IF, WHILE or TRY, in their order, and its condition or the query of an Assign, which may be nil; false: the statement is
// none of them.
func (s *Statement) Inner() (inner []*Statement, condition *Statement, is bool) {
	switch {
	case s.branch != nil:
		return slices.Concat(s.branch.Then, s.branch.Otherwise), s.branch.Condition, true
	case s.loop != nil:
		return s.loop.Body, s.loop.Condition, true
	case s.try != nil:
		return slices.Concat(s.try.Body, s.try.Caught), nil, true
	case s.assign != nil:
		return nil, s.assign.Query, true
	}
	return nil, nil, false
}

// Parameters are the names of the parameters that the statement takes, without @, once for each time that it names them.
func (s *Statement) Parameters() []string { return s.parsed.given }

// Incomplete is why the statement has columns and cannot be run as it stands: an endpoint requires a parameter that it does not give. In a session tools may
// ask for the columns of an endpoint without one.
func (s *Statement) Incomplete() error { return s.incomplete }

// Inserts tells whether the statement is an INSERT, whose rows tell of its calls.
func (s *Statement) Inserts() bool { return s.parsed.insert != nil }

// isControl tells whether the statement is the session's. EXEC calls an endpoint if there is one of that name.
func (s *Statement) isControl() bool {
	if s.parsed.call == nil || s.session == nil {
		return s.parsed.control != nil
	}
	b := &binder{endpoints: s.connector.endpoints, text: s.parsed.text}
	_, err := b.endpoint(s.parsed.call.objectName)
	return err != nil
}

// Control is what the statement asks of its session; nil: it has a result.
func (s *Statement) Control(arguments []Argument) (*Control, error) {
	if !s.isControl() {
		return nil, nil
	}
	b := &binder{session: s.session, text: s.parsed.text, arguments: arguments, describing: arguments == nil}
	if c := s.parsed.control; c != nil {
		asked := c.Control
		if c.text != nil {
			value, err := b.required(c.text)
			if err != nil {
				return nil, err
			}
			if value != nil {
				asked.Name = textOf(value)
			}
		}
		for _, arg := range c.args {
			value, err := b.required(arg)
			if err != nil {
				return nil, err
			}
			asked.Arguments = append(asked.Arguments, Argument{Value: value})
		}
		asked.Line = 1 + strings.Count(s.parsed.text[:c.at], "\n")
		return &asked, nil
	}
	asked := &Control{Verb: "EXEC", Name: s.parsed.call.text}
	for _, o := range s.parsed.call.options {
		value, err := b.required(o.value)
		if err != nil {
			return nil, err
		}
		asked.Arguments = append(asked.Arguments, Argument{Name: o.text, Value: value})
	}
	return asked, nil
}

// required is the value of an expression that must be constant.
func (b *binder) required(e expression) (driver.Value, error) {
	value, known, err := b.constant(e)
	if err == nil && !known {
		err = b.fail(codeParameter, e.position(), "cannot use this here: it must be a literal, a parameter or a variable")
	}
	if number, ok := e.(literalNumber); ok && err == nil {
		if n, err := strconv.ParseInt(number.text, 10, 64); err == nil {
			return n, nil
		}
	}
	return value, err
}

// global is the value of a variable of the session.
func (b *binder) global(e global) (driver.Value, error) {
	if b.session != nil {
		if value, known := b.session.Value(strings.ToUpper(e.name), nil); known {
			return value, nil
		}
	}
	return nil, b.fail(codeUnknown, e.at, "cannot find the variable %s", e.name).number(137)
}

// asked asks the session for the value of a function; false: it has no such, or the arguments are no constants.
func (b *binder) asked(e call) (driver.Value, bool, error) {
	if b.session == nil || e.star || e.distinct {
		return nil, false, nil
	}
	if err := b.larger(e.at, size{parts: 1}); err != nil {
		return nil, false, err
	}
	arguments := make([]driver.Value, len(e.args))
	for i, arg := range e.args {
		value, known, err := b.constant(arg)
		if err != nil || !known {
			return nil, false, err
		}
		arguments[i] = value
	}
	value, known := b.session.Value(strings.ToUpper(e.function), arguments)
	return value, known, nil
}

// place is a schema of a database, in small letters. The database is "" for the session's own.
type place struct{ database, schema string }

// placeOf tells where a name is looked up. The views of SQL Server's first versions, such as sysobjects, are those of dbo, too.
func placeOf(n objectName) place {
	schema := strings.ToLower(cmp.Or(n.schema, "dbo"))
	if schema == "dbo" && strings.HasPrefix(strings.ToLower(n.text), "sys") {
		schema = "sys"
	}
	return place{strings.ToLower(n.database), schema}
}

// shown is a table of the session's in a statement that is being described: DuckDB is shown a table of its columns.
type shown struct {
	name  string
	types []duck.Type
}

// readTables asks the session for the tables of the schemas that the statement names and that hold no endpoints.
func (s *Statement) readTables(ctx context.Context) error {
	s.tables = map[place][]Table{}
	for _, n := range s.parsed.names {
		at := placeOf(n)
		if _, known := s.tables[at]; known || s.session == nil {
			continue
		}
		if s.holdsEndpoints(at.schema) {
			if own, _ := s.session.Value("DB_NAME", nil); n.database != "" && !strings.EqualFold(textOf(own), n.database) {
				return fail(codeUnknown, s.parsed.text, n.at, "cannot call an endpoint of the database '%s' from '%s'", n.database, textOf(own)).
					hint("USE [%s] comes first.", n.database).number(208)
			}
			continue
		}
		schema := n.schema
		if at.schema == "sys" {
			schema = at.schema
		}
		tables, err := s.session.Tables(ctx, n.database, schema)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return refusedCall(fail(codeCall, s.parsed.text, n.at, "cannot read the tables of '%s': %w", schema, err), err)
		}
		if tables != nil {
			s.tables[at] = tables
		}
	}
	return nil
}

func (s *Statement) holdsEndpoints(schema string) bool {
	return slices.ContainsFunc(s.connector.endpoints, func(e *endpoint) bool { return strings.EqualFold(cmp.Or(e.schema, "dbo"), schema) })
}

// owned binds a table of the session's.
func (b *binder) owned(t *table, name string, tables []Table) (*relation, string, error) {
	i := slices.IndexFunc(tables, func(candidate Table) bool { return strings.EqualFold(candidate.Name, t.text) })
	if i < 0 {
		names := make([]string, len(tables))
		for i, candidate := range tables {
			names[i] = candidate.Name
		}
		return nil, "", b.fail(codeUnknown, t.at, "cannot find the table '%s' of '%s'", t.text, t.schema).near(t.text, "Tables", names).number(208)
	}
	for _, o := range t.options {
		if o.value != nil {
			return nil, "", b.fail(codeUnknown, o.at, "cannot use the parameter '%s': '%s' is a table", o.text, t.text)
		}
	}
	if tables[i].Rows != nil {
		call := b.invoked(tables[i].endpoint(), t.objectName)
		return &relation{name: name, alias: b.alias(), call: call}, call.table, nil
	}
	at := place{t.database, t.schema}
	if b.owner == nil {
		b.owner = &at
	} else if placeOf(t.objectName) != (place{strings.ToLower(b.owner.database), strings.ToLower(b.owner.schema)}) {
		return nil, "", b.fail(codeMeaning, t.at, "cannot read tables of '%s' and of '%s' in one statement: each is read at one version of its own", b.owner.schema, t.schema).
			hint("Write a statement for each.")
	}
	columns := tables[i].Columns
	r := &relation{name: name, alias: b.alias(), columns: columns}
	if b.describing {
		view := shown{name: b.alias()}
		for _, c := range columns {
			view.types = append(view.types, c.Type.duck())
		}
		b.shown = append(b.shown, view)
		return r, view.name, nil
	}
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = duck.Ident(c.Name) + " AS f" + strconv.Itoa(i+1)
	}
	return r, "(SELECT " + strings.Join(items, ", ") + " FROM " + duck.Ident(tables[i].Name) + ")", nil
}

// endpoint is one without parameters that gives the table's rows.
func (t Table) endpoint() *endpoint {
	e := &endpoint{name: t.Name}
	for i, c := range t.Columns {
		e.columns = append(e.columns, field{name: c.Name, typ: c.Type, path: "$.f" + strconv.Itoa(i+1)})
	}
	e.call = func(context.Context, *invocation) ([]record, error) {
		rows := t.Rows()
		records := make([]record, len(rows))
		for at, row := range rows {
			records[at] = make(record, len(row))
			for i, value := range row {
				records[at]["f"+strconv.Itoa(i+1)] = value
			}
		}
		return records, nil
	}
	return e
}

// apart refuses an endpoint beside tables of the session's: their rows are computed in different places.
func (b *binder) apart(call *invocation) error {
	return b.fail(codeMeaning, call.at, "cannot read the endpoint %s and tables of '%s' in one statement", call.endpoint.name, b.owner.schema).
		hint("Write a statement for each; INSERT INTO an action takes its rows from a SELECT over tables.")
}

// askOwner has the session compute the result.
func (s *Statement) askOwner(ctx context.Context, w *work, row func([]driver.Value) error) error {
	var ours error
	err := s.session.Query(ctx, w.binder.owner.database, w.binder.owner.schema, w.sql, w.columns, func(values []driver.Value) error {
		ours = row(values)
		return ours
	})
	switch {
	case ours != nil:
		return ours
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return refusedCall(fail(codeCall, s.parsed.text, 0, "cannot read the tables of '%s': %w", w.binder.owner.schema, err), err)
}
