package mashup

import (
	"slices"
)

// project picks columns of its input; the step's cols name and type them.
type project struct{ from []int }

const absent = -1 // in project.from: a column of nulls

func (op project) begin(ev *evaluation, s *step) (rows, error) {
	return mapped(ev, s.in[0], func(_ *evaluation, cells []Value) ([]Value, error) {
		picked := make([]Value, len(op.from))
		for i, from := range op.from {
			picked[i] = null
			if from != absent {
				picked[i] = cells[from]
			}
		}
		return picked, nil
	})
}

// retype converts cells: Table.TransformColumnTypes. A cell that cannot be converted becomes an error in its place.
type retype struct {
	changes []retyped
	culture string
}

type retyped struct {
	column int
	typ    *typeValue
}

func (op retype) begin(ev *evaluation, s *step) (rows, error) {
	converters := make([]*converter, len(op.changes))
	for i, change := range op.changes {
		var err error
		if converters[i], err = newConverter(ev, change.typ, op.culture); err != nil {
			return nil, err
		}
	}
	return mapped(ev, s.in[0], func(ev *evaluation, cells []Value) ([]Value, error) {
		for i, change := range op.changes {
			cells[change.column] = attempt(ev, cells[change.column], converters[i].convert)
		}
		return cells, nil
	})
}

// attempt applies a function to a cell. What it raises becomes the cell; a cell not computed yet stays lazy.
func attempt(ev *evaluation, cell Value, apply func(ev *evaluation, v Value) (Value, error)) Value {
	if waiting, ok := cell.(*thunk); ok {
		return lazy(func(ev *evaluation) (Value, error) {
			v, err := force(ev, waiting)
			if err != nil {
				return nil, err
			}
			return apply(ev, v)
		})
	}
	v, err := apply(ev, plain(cell))
	if err != nil {
		return failed(err)
	}
	return v
}

// converter is the conversion to a type that Table.TransformColumnTypes and `Int64.From` and its like share.
type converter struct {
	typ     *typeValue
	culture *culture
}

func newConverter(ev *evaluation, typ *typeValue, name string) (*converter, error) {
	c, err := ev.cultureOf(name)
	return &converter{typ, c}, err
}

func (c *converter) convert(ev *evaluation, v Value) (Value, error) {
	if file, ok := v.(*contents); ok {
		if c.typ.of == kindBinary {
			return v, nil
		}
		data, err := file.read()
		if err != nil {
			return nil, err
		}
		v = data
	}
	if v == Value(text("")) && c.typ.of != kindText && c.typ.of != kindBinary {
		return null, nil // the empty field of a file is no number and no date, and no error
	}
	converted, err := ev.convertTo(v, c.typ, c.culture)
	if f, ok := err.(*failure); ok && (f.detail == nil || f.detail == Value(null)) {
		return nil, f.with(v)
	}
	return converted, err
}

// converterName is the library function that converts to a type, by the type's own name or its kind's; empty for types without one.
func converterName(typ *typeValue) string {
	switch typ.name {
	case "Byte.Type", "Int8.Type", "Int16.Type", "Int32.Type", "Int64.Type", "Single.Type", "Double.Type", "Decimal.Type", "Currency.Type", "Percentage.Type":
		return typ.name[:len(typ.name)-len("Type")] + "From"
	}
	switch typ.of {
	case kindNumber:
		return "Number.From"
	case kindText:
		return "Text.From"
	case kindLogical:
		return "Logical.From"
	case kindDate:
		return "Date.From"
	case kindDateTime:
		return "DateTime.From"
	case kindDateTimeZone:
		return "DateTimeZone.From"
	case kindTime:
		return "Time.From"
	case kindDuration:
		return "Duration.From"
	case kindBinary:
		return "Binary.From"
	}
	return ""
}

func libraryFunction(ev *evaluation, name string) (*function, error) {
	f, ok := ev.session.doc.library[name].(*function)
	if !ok {
		return nil, fail("The name '%s' does not exist.", name)
	}
	return f, nil
}

// filter is Table.SelectRows: a row stays when the condition is true; null drops it.
type filter struct{ condition *function }

func (op filter) begin(ev *evaluation, s *step) (rows, error) {
	recorder := newRecorder(s.cols)
	return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
		for {
			cells, ok, err := in.next(ev)
			if !ok || err != nil {
				return nil, false, err
			}
			keep, err := holds(ev, op.condition, recorder.record(cells))
			if err != nil {
				return nil, false, err
			}
			if keep {
				return cells, true, nil
			}
		}
	})
}

func holds(ev *evaluation, condition *function, argument Value) (bool, error) {
	v, err := applyForced(ev, condition, argument)
	if err != nil {
		return false, err
	}
	switch v := v.(type) {
	case logical:
		return bool(v), nil
	case nullKind:
		return false, nil
	}
	return false, fail("We cannot convert a value of type %s to type Logical.", v.kind()).with(v)
}

func applyForced(ev *evaluation, f *function, args ...Value) (Value, error) {
	v, err := ev.apply(f, args)
	if err != nil {
		return nil, err
	}
	return force(ev, v)
}

// addColumn is Table.AddColumn; its cells are computed when they are asked for.
type addColumn struct{ compute *function }

func (op addColumn) begin(ev *evaluation, s *step) (rows, error) {
	recorder := newRecorder(s.in[0].cols)
	return mapped(ev, s.in[0], func(_ *evaluation, cells []Value) ([]Value, error) {
		of := recorder.record(cells)
		return append(slices.Clip(cells), lazy(func(ev *evaluation) (Value, error) { return applyForced(ev, op.compute, of) })), nil
	})
}

// transform is Table.TransformColumns.
type transform struct{ changes []transformed }

type transformed struct {
	column int
	by     *function
}

func (op transform) begin(ev *evaluation, s *step) (rows, error) {
	return mapped(ev, s.in[0], func(_ *evaluation, cells []Value) ([]Value, error) {
		for _, change := range op.changes {
			cell := cells[change.column]
			cells[change.column] = lazy(func(ev *evaluation) (Value, error) {
				v, err := force(ev, cell)
				if err != nil {
					return nil, err
				}
				return applyForced(ev, change.by, v)
			})
		}
		return cells, nil
	})
}

// replace is Table.ReplaceValue: by Replacer.ReplaceValue (whole cells), Replacer.ReplaceText (inside texts) or a function.
type replace struct {
	old, new Value // may be functions of the row
	by       *function
	columns  []int
}

func (op replace) begin(ev *evaluation, s *step) (rows, error) {
	recorder := newRecorder(s.cols)
	ofRow := func(ev *evaluation, v Value, row *record) (Value, error) {
		if f, ok := v.(*function); ok {
			return applyForced(ev, f, row)
		}
		return v, nil
	}
	return mapped(ev, s.in[0], func(_ *evaluation, cells []Value) ([]Value, error) {
		row := recorder.record(slices.Clone(cells))
		for _, column := range op.columns {
			cell := cells[column]
			cells[column] = lazy(func(ev *evaluation) (Value, error) {
				v, err := force(ev, cell)
				if err != nil {
					return nil, err
				}
				old, err := ofRow(ev, op.old, row)
				if err != nil {
					return nil, err
				}
				with, err := ofRow(ev, op.new, row)
				if err != nil {
					return nil, err
				}
				return applyForced(ev, op.by, v, old, with)
			})
		}
		return cells, nil
	})
}

// addIndex is Table.AddIndexColumn.
type addIndex struct{ start, increment number }

func (op addIndex) begin(ev *evaluation, s *step) (rows, error) {
	next := op.start
	return mapped(ev, s.in[0], func(ev *evaluation, cells []Value) ([]Value, error) {
		cells = append(slices.Clip(cells), next)
		next = addNumbers(next, op.increment)
		return cells, nil
	})
}

// limit is Table.Skip and Table.FirstN with numbers.
type limit struct {
	skip int64
	take int64 // below 0: all
}

func (op limit) begin(ev *evaluation, s *step) (rows, error) {
	skip, take := op.skip, op.take
	return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
		for ; skip > 0; skip-- {
			if _, ok, err := in.next(ev); !ok || err != nil {
				return nil, false, err
			}
		}
		if take == 0 {
			return nil, false, nil
		}
		take--
		return in.next(ev)
	})
}

// whileTrue is Table.FirstN and Table.Skip with a condition.
type whileTrue struct {
	condition *function
	skip      bool
}

func (op whileTrue) begin(ev *evaluation, s *step) (rows, error) {
	recorder, deciding := newRecorder(s.cols), true
	return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
		for {
			cells, ok, err := in.next(ev)
			if !ok || err != nil || !deciding {
				return cells, ok, err
			}
			passes, err := holds(ev, op.condition, recorder.record(cells))
			switch {
			case err != nil:
				return nil, false, err
			case op.skip && passes:
				continue
			case op.skip:
				deciding = false
			case !passes:
				return nil, false, nil
			}
			return cells, true, nil
		}
	})
}

func (whileTrue) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("a condition over the order of rows has no form in SQL")
}

// order is Table.Sort.
type order struct{ by []sortKey }

type sortKey struct {
	column     int       // or
	of         *function // a function of the row
	compare    *function // of two rows, in place of both
	descending bool
}

func (op order) begin(ev *evaluation, s *step) (rows, error) {
	return afterAll(func(ev *evaluation) ([][]Value, error) {
		held, err := readAll(ev, s.in[0])
		if err != nil {
			return nil, err
		}
		recorder := newRecorder(s.cols)
		keysOf := make([][]Value, len(held))
		for i, cells := range held {
			keysOf[i] = make([]Value, len(op.by))
			for k, by := range op.by {
				switch {
				case by.compare != nil:
					keysOf[i][k] = recorder.record(cells)
				case by.of != nil:
					keysOf[i][k], err = applyForced(ev, by.of, recorder.record(cells))
				default:
					keysOf[i][k], err = force(ev, cells[by.column])
				}
				if err != nil {
					return nil, err
				}
			}
		}
		places := upTo(len(held))
		var failure error
		slices.SortStableFunc(places, func(a, b int) int {
			for k, by := range op.by {
				c, err := by.order(ev, keysOf[a][k], keysOf[b][k])
				if err != nil && failure == nil {
					failure = err
				}
				if c != 0 {
					return c
				}
			}
			return 0
		})
		if failure != nil {
			return nil, failure
		}
		sorted := make([][]Value, len(held))
		for i, place := range places {
			sorted[i] = held[place]
		}
		return sorted, nil
	}), nil
}

func (o sortKey) order(ev *evaluation, a, b Value) (int, error) {
	var c int
	var err error
	if o.compare != nil {
		var v Value
		if v, err = applyForced(ev, o.compare, a, b); err == nil {
			n, ok := v.(number)
			if !ok {
				return 0, fail("A comparer must give a number.")
			}
			c = int(max(-1, min(1, n.float())))
		}
	} else {
		c, err = orderValues(a, b)
	}
	if o.descending {
		c = -c
	}
	return c, err
}

// distinct is Table.Distinct: the first row of those that are equal in the keys.
type distinct struct {
	keys    []int
	compare *function // nil: the language's equality
}

func (op distinct) begin(ev *evaluation, s *step) (rows, error) {
	seen := map[string]bool{}
	return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
		for {
			cells, ok, err := in.next(ev)
			if !ok || err != nil {
				return nil, false, err
			}
			key, err := rowKey(ev, cells, op.keys, op.compare)
			if err != nil {
				return nil, false, err
			}
			if !seen[key] {
				seen[key] = true
				return cells, true, nil
			}
		}
	})
}

// combined is Table.Combine: the rows of all inputs, whose columns are matched by name.
type combined struct{}

func (combined) begin(ev *evaluation, s *step) (rows, error) {
	at, columns := 0, []int(nil)
	var open rows
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			for {
				if open == nil {
					if at == len(s.in) {
						return nil, false, nil
					}
					var err error
					if open, err = s.in[at].open(ev); err != nil {
						return nil, false, err
					}
					columns = matchColumns(s, at)
				}
				cells, ok, err := open.next(ev)
				if err != nil {
					return nil, false, err
				}
				if ok {
					row := make([]Value, len(columns))
					for i, from := range columns {
						row[i] = null
						if from != absent {
							row[i] = cells[from]
						}
					}
					return row, true, nil
				}
				open.close()
				open = nil
				at++
			}
		},
		stop: func() {
			if open != nil {
				open.close()
			}
		},
	}, nil
}

// matchColumns finds the columns of a combined step in its input.
func matchColumns(s *step, input int) []int {
	columns := make([]int, len(s.cols))
	for i, col := range s.cols {
		columns[i] = columnIndex(s.in[input].cols, col.name) // -1 is absent
	}
	return columns
}
