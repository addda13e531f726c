package mashup

import (
	"slices"
	"strings"
)

func joinKindArg(v Value, fallback joinKind) (joinKind, error) {
	kind := joinKind(smallArg(v, int(fallback)))
	if kind < joinInner || kind > joinRightSemi {
		return 0, fail("%d is no JoinKind.", kind)
	}
	return kind, nil
}

// joinKeys reads both sides' keys, of which there must be as many.
func joinKeys(ev *evaluation, left, right []fieldType, leftKey, rightKey Value) (leftKeys, rightKeys []int, err error) {
	read := func(fields []fieldType, v Value) ([]int, error) {
		names, err := textsArg(ev, v, "A key of a join")
		if err != nil {
			return nil, err
		}
		return columnsNamed(fields, names)
	}
	if leftKeys, err = read(left, leftKey); err != nil {
		return nil, nil, err
	}
	if rightKeys, err = read(right, rightKey); err != nil {
		return nil, nil, err
	}
	if len(leftKeys) != len(rightKeys) {
		return nil, nil, fail("The two sides of a join have %d and %d keys.", len(leftKeys), len(rightKeys))
	}
	return leftKeys, rightKeys, nil
}

func tableNestedJoin(ev *evaluation, args []Value) (Value, error) {
	left := tableArg(args[0])
	of := args[2]
	if f, ok := of.(*function); ok {
		var err error
		if of, err = applyForced(ev, f); err != nil {
			return nil, err
		}
	}
	other, ok := of.(table)
	if !ok {
		return nil, fail("The second table of a join is a %s.", of.kind()).with(of)
	}
	right := relationalOf(other)
	kind, err := joinKindArg(args[5], joinLeftOuter)
	if err != nil {
		return nil, err
	}
	if args[6] != null {
		return nil, fail("Table.NestedJoin does not support keyEqualityComparers.")
	}
	leftKeys, rightKeys, err := joinKeys(ev, left.typ.fields, right.typ.fields, args[1], args[3])
	if err != nil {
		return nil, err
	}
	cols := append(slices.Clone(left.typ.fields), fieldType{name: string(args[4].(text)), typ: right.typ})
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.NestedJoin", in: []*step{left.plan, right.plan}, cols: cols,
		op: nestedJoin{left: leftKeys, right: rightKeys, kind: kind}}), nil
}

func tableJoin(ev *evaluation, args []Value) (Value, error) {
	left, right := tableArg(args[0]), tableArg(args[2])
	kind, err := joinKindArg(args[4], joinInner)
	if err != nil {
		return nil, err
	}
	if args[6] != null {
		return nil, fail("Table.Join does not support keyEqualityComparers.")
	}
	leftKeys, rightKeys, err := joinKeys(ev, left.typ.fields, right.typ.fields, args[1], args[3])
	if err != nil {
		return nil, err
	}
	cols := slices.Clone(left.typ.fields)
	var pick []int
	for i, field := range right.typ.fields {
		if key := slices.Index(rightKeys, i); key >= 0 && left.typ.fields[leftKeys[key]].name == field.name && holdsLeft(kind) {
			continue // a key of one name is one column, which the left row fills
		}
		pick, cols = append(pick, i), append(cols, field)
	}
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	for i := range cols {
		if isLeft := i < len(left.typ.fields); isLeft && !holdsLeft(kind) || !isLeft && kind != joinInner {
			cols[i].typ = cols[i].typ.asNullable()
		}
	}
	return newTable(&step{name: "Table.Join", in: []*step{left.plan, right.plan}, cols: cols,
		op: join{left: leftKeys, right: rightKeys, kind: kind, pick: pick}}), nil
}

// holdsLeft tells whether every row of such a join has a left row in it.
func holdsLeft(kind joinKind) bool {
	return kind == joinInner || kind == joinLeftOuter || kind == joinLeftAnti || kind == joinLeftSemi
}

// expansion reads what an Expand function is told: which column, which of its fields, under which names.
func expansion(ev *evaluation, t *relational, args []Value) (column int, fields, names []string, err error) {
	name := string(args[1].(text))
	if column = columnIndex(t.typ.fields, name); column < 0 {
		return 0, nil, nil, noColumn(t.typ.fields, name)
	}
	if fields, err = textsArg(ev, args[2], "A column name"); err != nil {
		return 0, nil, nil, err
	}
	names = fields
	if args[3] != null {
		if names, err = textsArg(ev, args[3], "A column name"); err != nil {
			return 0, nil, nil, err
		}
		if len(names) != len(fields) {
			return 0, nil, nil, fail("There are %d columns to expand, but %d new names.", len(fields), len(names))
		}
	}
	return column, fields, names, nil
}

// expandedColumns puts the new columns in the place of the expanded one.
func expandedColumns(t *relational, column int, fields, names []string) ([]fieldType, error) {
	of := t.typ.fields[column].typ
	added := make([]fieldType, len(names))
	for i, name := range names {
		added[i] = fieldType{name: name, typ: anyType()}
		if at := columnIndex(of.fields, fields[i]); at >= 0 {
			added[i].typ = of.fields[at].typ.asNullable()
		}
	}
	cols := slices.Concat(t.typ.fields[:column], added, t.typ.fields[column+1:])
	return cols, checkUnique(cols)
}

func tableExpandTableColumn(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	column, fields, names, err := expansion(ev, t, args)
	if err != nil {
		return nil, err
	}
	cols, err := expandedColumns(t, column, fields, names)
	if err != nil {
		return nil, err
	}
	if joined := expandJoin(t, column, fields, cols); joined != nil {
		return joined, nil
	}
	return newTable(&step{name: "Table.ExpandTableColumn", in: []*step{t.plan}, cols: cols, op: expandTables{column, fields}}), nil
}

// expandJoin is a nested join whose column of tables is expanded: an ordinary join. nil where the plan is not that.
func expandJoin(t *relational, column int, fields []string, cols []fieldType) *relational {
	s, picks := t.plan, upTo(len(t.typ.fields))
	for {
		p, ok := s.op.(project)
		if !ok {
			break
		}
		for i, at := range picks {
			if at != absent {
				picks[i] = p.from[at]
			}
		}
		s = s.in[0]
	}
	nested, ok := s.op.(nestedJoin)
	if !ok || picks[column] != len(s.in[0].cols) {
		return nil
	}
	for i, at := range picks {
		if i != column && at == len(s.in[0].cols) {
			return nil // the tables appear twice
		}
	}
	switch nested.kind {
	case joinInner, joinLeftOuter, joinRightOuter, joinFullOuter:
	default:
		return nil
	}
	op := join{left: nested.left, right: nested.right, kind: nested.kind}
	joinedCols := slices.Clone(s.in[0].cols)
	for i, field := range fields {
		at := columnIndex(s.in[1].cols, field)
		if at < 0 {
			return nil
		}
		op.pick = append(op.pick, at)
		joinedCols = append(joinedCols, cols[column+i])
	}
	joined := &step{name: "Table.ExpandTableColumn", in: s.in, cols: joinedCols, op: op}
	from := make([]int, 0, len(cols))
	for i, at := range picks {
		if i == column {
			for k := range fields {
				from = append(from, len(s.in[0].cols)+k)
			}
			continue
		}
		from = append(from, at)
	}
	return newTable(&step{name: "Table.ExpandTableColumn", in: []*step{joined}, cols: cols, op: project{from: from}})
}

// expandTables is Table.ExpandTableColumn: a row for each row of the cell's table; one of nulls where it has none.
type expandTables struct {
	column int
	fields []string
}

func (op expandTables) begin(ev *evaluation, s *step) (rows, error) {
	var around []Value
	var inner rows
	var from []int
	outer, err := s.in[0].open(ev)
	if err != nil {
		return nil, err
	}
	row := func(cells []Value) []Value {
		made := slices.Clone(around[:op.column])
		for _, at := range from {
			if cells == nil || at == absent {
				made = append(made, null)
			} else {
				made = append(made, cells[at])
			}
		}
		return append(made, around[op.column+1:]...)
	}
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			if inner != nil {
				cells, ok, err := inner.next(ev)
				if err != nil {
					return nil, false, err
				}
				if ok {
					return row(cells), true, nil
				}
				inner.close()
				inner = nil
			}
			cells, ok, err := outer.next(ev)
			if !ok || err != nil {
				return nil, false, err
			}
			around, from = cells, absentOnes(len(op.fields))
			v, err := force(ev, cells[op.column])
			if err != nil {
				if !raised(err) {
					return nil, false, err
				}
				made := row(nil)
				for i := range op.fields {
					made[op.column+i] = failed(err)
				}
				return made, true, nil
			}
			if v == Value(null) {
				return row(nil), true, nil
			}
			t, ok := v.(table)
			if !ok {
				return nil, false, fail("A cell of the column to expand is a %s, not a table.", v.kind()).with(v)
			}
			for i, field := range op.fields {
				from[i] = columnIndex(t.tableType().fields, field)
			}
			if inner, err = t.rows(ev); err != nil {
				return nil, false, err
			}
			first, _, err := inner.next(ev)
			return row(first), err == nil, err // of no rows: one of nulls
		},
		stop: func() {
			outer.close()
			if inner != nil {
				inner.close()
			}
		},
	}, nil
}

func (expandTables) fold(_ *folding, s *step, _ []*query) (*query, error) {
	return nil, refuse("the tables in column cells have no form in SQL")
}

func absentOnes(n int) []int {
	from := make([]int, n)
	for i := range from {
		from[i] = absent
	}
	return from
}

func tableExpandRecordColumn(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	column, fields, names, err := expansion(ev, t, args)
	if err != nil {
		return nil, err
	}
	cols, err := expandedColumns(t, column, fields, names)
	if err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.ExpandRecordColumn", in: []*step{t.plan}, cols: cols, op: rowsOnly(func(ev *evaluation, s *step) (rows, error) {
		return mapped(ev, s.in[0], func(_ *evaluation, cells []Value) ([]Value, error) {
			cell := cells[column]
			made := slices.Clone(cells[:column])
			for _, field := range fields {
				made = append(made, lazy(func(ev *evaluation) (Value, error) {
					v, err := force(ev, cell)
					if err != nil || v == null {
						return v, err
					}
					r, ok := v.(*record)
					if !ok {
						return nil, fail("A cell of the column to expand is a %s, not a record.", v.kind()).with(v)
					}
					got, ok, err := r.get(ev, field)
					if err == nil && !ok {
						return null, nil
					}
					return got, err
				}))
			}
			return append(made, cells[column+1:]...), nil
		})
	})}), nil
}

func tableExpandListColumn(_ *evaluation, args []Value) (Value, error) {
	t, name := tableArg(args[0]), string(args[1].(text))
	column := columnIndex(t.typ.fields, name)
	if column < 0 {
		return nil, noColumn(t.typ.fields, name)
	}
	cols := slices.Clone(t.typ.fields)
	cols[column].typ = anyType()
	if of := t.typ.fields[column].typ; of.item != nil {
		cols[column].typ = of.item
	}
	return newTable(&step{name: "Table.ExpandListColumn", in: []*step{t.plan}, cols: cols, op: rowsOnly(func(ev *evaluation, s *step) (rows, error) {
		var around []Value
		var items *list
		at := 0
		return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
			for {
				if items != nil {
					item, ok, err := items.rawAt(ev, at)
					if err != nil {
						return nil, false, err
					}
					if ok {
						at++
						row := slices.Clone(around)
						row[column] = item
						return row, true, nil
					}
					items = nil
					if at > 0 {
						continue
					}
					around[column] = null // an empty list leaves one row
					return around, true, nil
				}
				cells, ok, err := in.next(ev)
				if !ok || err != nil {
					return nil, false, err
				}
				v, err := force(ev, cells[column])
				if err != nil || v == null {
					return cells, true, nil
				}
				if nested, ok := v.(table); ok {
					of := relationalOf(nested)
					records := newRecorder(of.typ.fields)
					v = rowList(of, func(cells []Value) Value { return records.record(cells) })
				}
				if items, ok = v.(*list); !ok {
					return nil, false, fail("A cell of the column to expand is a %s, not a list.", v.kind()).with(v)
				}
				around, at = cells, 0
			}
		})
	})}), nil
}

func tableGroup(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	names, err := textsArg(ev, args[1], "A key of a group")
	if err != nil {
		return nil, err
	}
	op := group{local: args[3] != null && smallArg(args[3], 1) == 0}
	if op.keys, err = columnsNamed(t.typ.fields, names); err != nil {
		return nil, err
	}
	if f, ok := args[4].(*function); ok {
		if _, err := comparable(f, null); err != nil {
			return nil, err
		}
		op.compare = f
	}
	tuples, err := tuplesArg(ev, args[2].(*list))
	if err != nil {
		return nil, err
	}
	var cols []fieldType
	for _, key := range op.keys {
		cols = append(cols, t.typ.fields[key])
	}
	for _, tuple := range tuples {
		if len(tuple) < 2 {
			return nil, fail("An aggregated column is a list of a name, a function and perhaps a type.")
		}
		name, isText := tuple[0].(text)
		by, isFunction := tuple[1].(*function)
		if !isText || !isFunction {
			return nil, fail("An aggregated column is a list of a name, a function and perhaps a type.")
		}
		typ := anyType()
		if len(tuple) > 2 {
			if asked, ok := tuple[2].(*typeValue); ok {
				typ = asked
			}
		}
		op.aggregates = append(op.aggregates, aggregate{string(name), by, typ})
		cols = append(cols, fieldType{name: string(name), typ: typ})
	}
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.Group", in: []*step{t.plan}, cols: cols, op: op}), nil
}

// didYouMean is the end of an error about an unknown name.
func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return " Did you mean '" + near + "'?"
	}
	return " The columns are: " + strings.Join(known, ", ") + "."
}
