package connector

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
)

// maxInserted bounds the rows of an INSERT, which are all checked, and so in memory, before the first call.
const maxInserted = 10_000

// insert binds INSERT INTO endpoint: its columns are the endpoint's parameters.
func (b *binder) insert(parsed *insert, w *work) error {
	in := *parsed
	w.insert = &in
	if !slices.ContainsFunc(b.endpoints, func(e *endpoint) bool { return in.table.within(e.schema) }) {
		return b.fail(codeMeaning, in.table.at, "cannot insert into '%s.%s': rows go to endpoints, which are in dbo", in.table.schema, in.table.text).
			hint("Tables of models and dataflows are read, and written by their refreshes alone.")
	}
	e, err := b.endpoint(in.table)
	if err != nil {
		return err
	}
	if !e.action {
		return b.fail(codeMeaning, in.table.at, "cannot insert into %s: it only reads", e.name)
	}
	targets, err := b.targets(&in, e)
	if err != nil {
		return err
	}
	for _, f := range e.columns {
		w.columns = append(w.columns, Column{f.name, f.typ})
	}
	if in.query != nil {
		var both []option
		in.query, both = in.query.apart(e)
		in.options = slices.Concat(in.options, both)
		sql, columns, err := b.query(in.query, nil, newGiven(both, nil))
		if err != nil {
			return err
		}
		if len(columns) != len(targets) && len(in.columns) > 0 || len(columns) > len(targets) {
			return b.fail(codeMeaning, in.table.at, "cannot insert rows of %d columns: %d parameters are named", len(columns), len(targets))
		}
		w.sql, b.selected = sql, typed(columns)
		return b.probe(&in)
	}
	if len(in.rows) > maxInserted {
		return b.tooMany(&in)
	}
	for _, row := range in.rows {
		if len(row) > len(targets) {
			return b.fail(codeMeaning, in.table.at, "cannot insert a row of %d values: %s has %d parameters", len(row), e.name, len(targets))
		}
		call, err := b.insertedRow(&in, row)
		if err != nil {
			return err
		}
		w.inserts = append(w.inserts, call)
	}
	b.invocations = nil
	return nil
}

func (b *binder) tooMany(in *insert) error {
	return b.fail(codeMeaning, in.table.at, "cannot make more than %d calls in one statement, and there are more rows", maxInserted).hint("Narrow the query with WHERE or TOP, or write several statements; nothing was called.")
}

// apart takes the options at the end of a query that are an endpoint's out of it.
func (q *query) apart(e *endpoint) (*query, []option) {
	rest := *q
	theirs := func(o option) bool { return o.value != nil && e.argument(o.text) != nil }
	split := func(options []option) (kept, taken []option) {
		for _, o := range options {
			if theirs(o) {
				taken = append(taken, o)
			} else {
				kept = append(kept, o)
			}
		}
		return kept, taken
	}
	var taken, more []option
	rest.options, taken = split(q.options)
	if body, single := q.body.(*selection); single {
		inner := *body
		inner.options, more = split(body.options)
		rest.body = &inner
	}
	return &rest, append(taken, more...)
}

// targets are the parameters that the columns of the insert name.
func (b *binder) targets(in *insert, e *endpoint) ([]*argument, error) {
	var targets []*argument
	if in.columns == nil {
		for i := range e.parameters {
			targets = append(targets, &e.parameters[i])
		}
		return targets, nil
	}
	for i, n := range in.columns {
		a := e.argument(n.text)
		if a == nil {
			return nil, b.fail(codeUnknown, n.at, "cannot insert into the column '%s': it is no parameter of %s", n.text, e.name).near(n.text, "Parameters", e.parameterNames()).number(207)
		}
		for _, other := range targets[:i] {
			if other == a {
				return nil, b.fail(codeParameter, n.at, "cannot take the parameter %s of %s twice", a.name, e.name)
			}
		}
		targets = append(targets, a)
	}
	return targets, nil
}

// probe checks the options of an insert whose rows are not known yet.
func (b *binder) probe(in *insert) error {
	kept := b.invocations
	call, err := b.invocation(in.table)
	if err != nil {
		return err
	}
	b.invocations = kept
	return b.options(call, in.options)
}

// insertedRow binds one row of values.
func (b *binder) insertedRow(in *insert, row []expression) (*invocation, error) {
	call, err := b.invocation(in.table)
	if err != nil {
		return nil, err
	}
	if err := b.options(call, in.options); err != nil {
		return nil, err
	}
	targets, err := b.targets(in, call.endpoint)
	if err != nil {
		return nil, err
	}
	for i, value := range row {
		if err := b.give(call, targets[i], value, false); err != nil {
			return nil, err
		}
	}
	if call.endpoint.shape != nil && call.values["Columns"] != "" {
		return nil, b.fail(codeParameter, in.table.at, "cannot insert into %s with Columns: a row of the result is the whole answer", call.endpoint.name)
	}
	call.fields = call.endpoint.columns
	return call, call.complete(nil)
}

// inserted binds one row that a query gave.
func (b *binder) inserted(in *insert, row []driver.Value) (*invocation, error) {
	values := make([]expression, len(row))
	for i, value := range row {
		if value == nil {
			values[i] = literalNull{in.table.at}
		} else {
			values[i] = literalText{in.table.at, textOf(value)}
		}
	}
	return b.insertedRow(in, values)
}

// selectAll reads all rows of one call.
func selectAll(call *invocation) string {
	items := make([]string, len(call.fields))
	for i := range items {
		items[i] = fmt.Sprintf("f%d", i+1)
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM " + call.table
}

// parallelOf is the number of calls at the same time for the rows of an INSERT, which is one for all of them.
func parallelOf(calls []*invocation) (int, error) {
	n := calls[0].parallel()
	for _, call := range calls[1:] {
		if call.parallel() != n {
			return 0, call.fail(codeParameter, "the rows have several values of the parameter %s", parallel.name).hint("Write it once: WITH (%s='…').", parallel.name)
		}
	}
	return n, nil
}
