package mashup

import "slices"

// relational is the table of this package: a plan, and the type under which it is seen.
type relational struct {
	plan     *step
	typ      *typeValue
	metadata *record
}

// step is a step of a plan: an operation over the rows of other steps. Steps are immutable and shared between tables.
type step struct {
	name string // the library function that made it: "Table.SelectRows"
	in   []*step
	cols []fieldType
	op   operation
	site *site // where it was made; nil until the call that makes it returns
}

// operation is what a step does. Both of its ways give the same rows.
type operation interface {
	// begin evaluates the step row by row.
	begin(ev *evaluation, s *step) (rows, error)
	// fold writes the step as SQL over the folded inputs, or says why it cannot.
	fold(f *folding, s *step, in []*query) (*query, error)
}

// newTable is the table that a step gives.
func newTable(s *step) *relational { return &relational{plan: s, typ: tableOf(s.cols)} }

func (*relational) kind() kind { return kindTable }

func (t *relational) tableType() *typeValue { return t.typ }

func (t *relational) withType(typ *typeValue) table {
	copied := *t
	copied.typ = typ
	copied.plan = &step{name: "Value.ReplaceType", in: []*step{t.plan}, cols: typ.fields, op: project{from: upTo(len(typ.fields))}}
	return &copied
}

func (t *relational) meta() *record { return t.metadata }

func (t *relational) withMeta(meta *record) table {
	copied := *t
	copied.metadata = meta
	return &copied
}

func (t *relational) rows(ev *evaluation) (rows, error) { return t.plan.open(ev) }

func (t *relational) selectColumns(_ *evaluation, names []string, orNull bool) (table, error) {
	missing := missingError
	if orNull {
		missing = missingUseNull
	}
	return selectColumns("Table.SelectColumns", t, names, missing)
}

func (t *relational) concat(_ *evaluation, other table) (table, error) {
	return combine([]*relational{t, relationalOf(other)}, nil), nil
}

// relationalOf is a table as a plan.
func relationalOf(t table) *relational {
	if r, ok := t.(*relational); ok {
		return r
	}
	return newTable(&step{name: "Table.View", cols: t.tableType().fields, op: rowsOnly(func(ev *evaluation, _ *step) (rows, error) {
		return t.rows(ev)
	})})
}

// open begins the enumeration of a step's rows, from its source's SQL where it folds.
func (s *step) open(ev *evaluation) (rows, error) {
	if opened, ok, err := openFolded(ev, s); ok || err != nil {
		return opened, err
	}
	return s.op.begin(ev, s)
}

// names are the names of the columns.
func (s *step) names() []string { return fieldNames(s.cols) }

func fieldNames(fields []fieldType) []string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.name
	}
	return names
}

// columnIndex finds a column by its exact name.
func columnIndex(fields []fieldType, name string) int {
	return slices.IndexFunc(fields, func(f fieldType) bool { return f.name == name })
}

// columnsNamed finds columns by their names; an unknown one is an error with the nearest name.
func columnsNamed(fields []fieldType, names []string) ([]int, error) {
	indexes := make([]int, len(names))
	for i, name := range names {
		if indexes[i] = columnIndex(fields, name); indexes[i] < 0 {
			return nil, noColumn(fields, name)
		}
	}
	return indexes, nil
}

func noColumn(fields []fieldType, name string) error {
	return fail("The column '%s' of the table wasn't found.%s", name, didYouMean(name, fieldNames(fields))).with(text(name))
}

func upTo(n int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
	}
	return indexes
}

// rowsOnly is an operation that never folds.
type rowsOnly func(ev *evaluation, s *step) (rows, error)

func (f rowsOnly) begin(ev *evaluation, s *step) (rows, error) { return f(ev, s) }

func (rowsOnly) fold(_ *folding, s *step, _ []*query) (*query, error) {
	return nil, refuse("%s has no form in SQL", s.name)
}

// rowStream makes rows of two functions; stop may be nil.
type rowStream struct {
	pull func(ev *evaluation) ([]Value, bool, error)
	stop func()
}

func (r *rowStream) next(ev *evaluation) ([]Value, bool, error) {
	if err := ev.poll(); err != nil {
		return nil, false, err
	}
	return r.pull(ev)
}

func (r *rowStream) close() {
	if r.stop != nil {
		r.stop()
	}
}

// over makes rows of the rows of another step: pull gets them as in.
func over(ev *evaluation, in *step, pull func(ev *evaluation, in rows) ([]Value, bool, error)) (rows, error) {
	opened, err := in.open(ev)
	if err != nil {
		return nil, err
	}
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) { return pull(ev, opened) },
		stop: opened.close,
	}, nil
}

// mapped makes one row of each.
func mapped(ev *evaluation, in *step, each func(ev *evaluation, cells []Value) ([]Value, error)) (rows, error) {
	return over(ev, in, func(ev *evaluation, in rows) ([]Value, bool, error) {
		cells, ok, err := in.next(ev)
		if !ok || err != nil {
			return nil, false, err
		}
		cells, err = each(ev, cells)
		return cells, err == nil, err
	})
}

// allRows are rows held in memory.
func allRows(held [][]Value) rows {
	i := 0
	return &rowStream{pull: func(*evaluation) ([]Value, bool, error) {
		if i == len(held) {
			return nil, false, nil
		}
		i++
		return slices.Clone(held[i-1]), true, nil
	}}
}

// thenRelease makes rows give a claim back when they are closed.
func thenRelease(of rows, c *claim) rows {
	return &rowStream{pull: of.next, stop: func() {
		of.close()
		c.release()
	}}
}

// readAll reads the rows of an input to the end into memory, claimed for who holds them.
func readAll(ev *evaluation, in *step, by holder) ([][]Value, *claim, error) {
	opened, err := in.open(ev)
	if err != nil {
		return nil, nil, err
	}
	defer opened.close()
	var held [][]Value
	c := ev.claim(by)
	for {
		cells, ok, err := opened.next(ev)
		if ok && err == nil {
			err = c.grow(sizeOfRow(cells))
		}
		if err != nil {
			c.release()
			return nil, nil, err
		}
		if !ok {
			return held, c, nil
		}
		held = append(held, cells)
	}
}

// afterAll makes rows of a computation that needs all of the input first, begun with the first row asked for.
func afterAll(compute func(ev *evaluation) (rows, error)) rows {
	var made rows
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			if made == nil {
				computed, err := compute(ev)
				if err != nil {
					return nil, false, err
				}
				made = computed
			}
			return made.next(ev)
		},
		stop: func() {
			if made != nil {
				made.close()
			}
		},
	}
}

// recorder turns rows into records that share their shape.
type recorder struct{ shape *shape }

func newRecorder(fields []fieldType) recorder { return recorder{shape: newShape(fieldNames(fields))} }

func (r recorder) record(cells []Value) *record { return &record{shape: r.shape, values: cells} }

// memoryTable is a table of rows that are there; c is who claims them, nil where nobody needs to.
func memoryTable(name string, fields []fieldType, held [][]Value, c *claim) *relational {
	return newTable(&step{name: name, cols: fields, op: inline{held, c}})
}

// inline is rows that are there.
type inline struct {
	held  [][]Value
	claim *claim
}

func (op inline) begin(*evaluation, *step) (rows, error) { return allRows(op.held), nil }

func (op inline) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("the rows are in the expression itself")
}
