package mashup

import (
	"bytes"
	enc "encoding/binary"
	"math"
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
	shortly bool // reads texts in the plain form of the type in a shorter way; what folding is held against does not
}

func newConverter(ev *evaluation, typ *typeValue, name string) (*converter, error) {
	c, err := ev.cultureOf(name)
	return &converter{typ, c, !ev.session.reading.rowsOnly}, err
}

// plain is the value of a text in the plain form of the type, in which it means the same in every culture; nil where it is in another.
func (c *converter) plain(s string) Value {
	if s == "" {
		return nil
	}
	switch c.typ.of {
	case kindNumber:
		if i, ok := digitsOf(s); ok && (c.typ.name == "" || c.typ.name == "Int64.Type") {
			return intNumber(i)
		}
	case kindDate:
		if micros, ok := dayOf(s); ok && len(s) == 10 {
			return date(micros/(ticksPerDay/10) + epochDay)
		}
	case kindDateTime:
		micros, ok := dayOf(s)
		if ok && len(s) > 10 {
			var clock int64
			clock, ok = clockOf(s[10:])
			micros += clock
		}
		if ok {
			return datetime(micros*10 + epochDay*ticksPerDay)
		}
	}
	return nil
}

func (c *converter) convert(ev *evaluation, v Value) (Value, error) {
	if s, ok := v.(text); ok && c.shortly {
		if made := c.plain(string(s)); made != nil {
			return made, nil
		}
	}
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

func (op order) begin(_ *evaluation, s *step) (rows, error) {
	if slices.ContainsFunc(op.by, func(by sortKey) bool { return by.compare != nil }) {
		return afterAll(func(ev *evaluation) (rows, error) { return op.compared(ev, s) }), nil
	}
	return afterAll(func(ev *evaluation) (rows, error) {
		k := &orderKey{kinds: make([]kind, len(op.by))}
		for _, by := range op.by {
			k.descending = append(k.descending, by.descending)
		}
		recorder := newRecorder(s.cols)
		var key []byte
		sorter, err := gather(ev, s.in[0], s.holder(), func(ev *evaluation, cells []Value) (_ []byte, err error) {
			key = key[:0]
			for i, by := range op.by {
				var v Value
				if by.of != nil {
					v, err = applyForced(ev, by.of, recorder.record(cells))
				} else {
					v, err = force(ev, cells[by.column])
				}
				if err != nil {
					return nil, err
				}
				key = k.append(key, i, v)
			}
			return key, nil
		})
		if err != nil {
			return nil, err
		}
		if sorter.writing {
			return writtenInOrder(ev, sorter, k)
		}
		slices.SortStableFunc(sorter.held, func(a, b heldRow) int { return bytes.Compare(a.key, b.key) })
		if k.mixed {
			for i := range sorter.held[1:] {
				if err := k.check(sorter.held[i].key, sorter.held[i+1].key); err != nil {
					return nil, err
				}
			}
		}
		return heldRows(sorter), nil
	}), nil
}

// writtenInOrder is the rows of a sorter that has written them.
func writtenInOrder(ev *evaluation, sorter *sorter, k *orderKey) (rows, error) {
	if k != nil && k.mixed {
		m, err := sorter.sorted(ev)
		if err != nil {
			return nil, err
		}
		defer m.close()
		var before []byte
		for {
			ok, err := m.next()
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			if before != nil {
				if err := k.check(before, m.key); err != nil {
					return nil, err
				}
			}
			before = append(before[:0], m.key...)
		}
	}
	m, err := sorter.sorted(ev)
	if err != nil {
		return nil, err
	}
	return &rowStream{
		pull: func(*evaluation) ([]Value, bool, error) {
			ok, err := m.next()
			if !ok || err != nil {
				return nil, false, err
			}
			cells, err := sorter.codec.read(m.row)
			return cells, err == nil, err
		},
		stop: func() {
			m.close()
			sorter.close()
		},
	}, nil
}

// heldRows is the rows of a sorter that holds them.
func heldRows(sorter *sorter) rows {
	i := 0
	return &rowStream{
		pull: func(*evaluation) ([]Value, bool, error) {
			if i == len(sorter.held) {
				return nil, false, nil
			}
			cells := sorter.held[i].cells
			sorter.held[i] = heldRow{}
			i++
			return cells, true, nil
		},
		stop: sorter.close,
	}
}

// gather reads the rows of an input into a sorter. The key is copied.
func gather(ev *evaluation, in *step, by holder, keyOf func(ev *evaluation, cells []Value) ([]byte, error)) (*sorter, error) {
	opened, err := in.open(ev)
	if err != nil {
		return nil, err
	}
	defer opened.close()
	made := newSorter(ev, by)
	for {
		cells, ok, err := opened.next(ev)
		if err == nil && !ok {
			return made, nil
		}
		var key []byte
		if err == nil {
			key, err = keyOf(ev, cells)
		}
		if err == nil {
			err = made.add(ev, key, cells)
		}
		if err != nil {
			made.close()
			return nil, err
		}
	}
}

// compared sorts in memory by functions that compare rows.
func (op order) compared(ev *evaluation, s *step) (rows, error) {
	held, claim, err := readAll(ev, s.in[0], s.holder())
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
	return thenRelease(allRows(sorted), claim), nil
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

// reversed is Table.ReverseRows.
type reversed struct{}

func (reversed) begin(_ *evaluation, s *step) (rows, error) {
	return afterAll(func(ev *evaluation) (rows, error) {
		var key [8]byte
		left := uint64(math.MaxUint64)
		sorter, err := gather(ev, s.in[0], s.holder(), func(*evaluation, []Value) ([]byte, error) {
			left--
			enc.BigEndian.PutUint64(key[:], left)
			return key[:], nil
		})
		if err != nil {
			return nil, err
		}
		if sorter.writing {
			return writtenInOrder(ev, sorter, nil)
		}
		slices.Reverse(sorter.held)
		return heldRows(sorter), nil
	}), nil
}

func (reversed) fold(_ *folding, s *step, _ []*query) (*query, error) {
	return nil, refuse("%s has no form in SQL", s.name)
}

// distinct is Table.Distinct: the first row of those that are equal in the keys.
type distinct struct {
	keys    []int
	compare *function // nil: the language's equality
}

func (op distinct) begin(ev *evaluation, s *step) (rows, error) {
	seen := map[string]bool{}
	claim := ev.claim(s.holder())
	in, err := s.in[0].open(ev)
	if err != nil {
		return nil, err
	}
	var key []byte
	var rest rows // when the keys do not stay in memory any more
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			for rest == nil {
				cells, ok, err := in.next(ev)
				if !ok || err != nil {
					return nil, false, err
				}
				if key, err = rowKey(ev, key[:0], cells, op.keys, op.compare); err != nil {
					return nil, false, err
				}
				if seen[string(key)] {
					continue
				}
				if claim.tryGrow(int64(64+len(key)), ev.session.account.share()) {
					seen[string(key)] = true
					return cells, true, nil
				}
				if rest, err = op.written(ev, s, in, seen, key, cells); err != nil {
					return nil, false, err
				}
				seen = nil
				claim.release()
			}
			return rest.next(ev)
		},
		stop: func() {
			in.close()
			claim.release()
			if rest != nil {
				rest.close()
			}
		},
	}, nil
}

// written finds the rows whose keys come first in what is left of the input, and gives them in the order of their coming. cells, with
// that key, is the next row.
func (op distinct) written(ev *evaluation, s *step, in rows, seen map[string]bool, key []byte, cells []Value) (rows, error) {
	byKey := newSorter(ev, s.holder())
	defer byKey.close()
	if err := byKey.write(ev, key, cells); err != nil {
		return nil, err
	}
	left := &rowStream{pull: func(ev *evaluation) ([]Value, bool, error) {
		for {
			cells, ok, err := in.next(ev)
			if ok && err == nil {
				key, err = rowKey(ev, key[:0], cells, op.keys, op.compare)
			}
			if !ok || err != nil || !seen[string(key)] {
				return cells, ok, err
			}
		}
	}}
	ended, err := byKey.writeAll(ev, left, func(*evaluation, []Value) ([]byte, error) { return key, nil })
	if err != nil {
		return nil, err
	}
	m, err := byKey.sorted(ev)
	if err != nil {
		return nil, err
	}
	defer m.close()
	byPlace := newSorterOf(ev, byKey.codec, s.holder())
	var before []byte
	more, err := m.next()
	for more && err == nil {
		if before == nil || !bytes.Equal(before, m.key) {
			before = append(before[:0], m.key...)
			err = byPlace.addWritten(placeKey(m.place), m.row)
		}
		if err == nil {
			more, err = m.next()
		}
		if err == nil {
			err = ev.poll()
		}
	}
	var first rows
	if err == nil {
		first, err = writtenInOrder(ev, byPlace, nil)
	}
	if err != nil {
		byPlace.close()
		return nil, err
	}
	return thenFail(first, ended), nil
}

// thenFail makes rows end with an error; nil is none.
func thenFail(of rows, err error) rows {
	if err == nil {
		return of
	}
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			cells, ok, failed := of.next(ev)
			if !ok && failed == nil {
				failed = err
			}
			return cells, ok, failed
		},
		stop: of.close,
	}
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
