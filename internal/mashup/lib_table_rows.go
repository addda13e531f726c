package mashup

import (
	"bytes"
	"fmt"
	"slices"
)

// tableRows is the part of the library that rearranges rows and cells.
func tableRows() family {
	return family{entries: []entry{
		{signature: "Table.FillDown(table as table, columns as list) as table", body: tableFillDown},
		{signature: "Table.FillUp(table as table, columns as list) as table", body: tableFillUp},
		{signature: "Table.ReverseRows(table as table) as table", body: tableReverseRows},
		{signature: "Table.LastN(table as table, countOrCondition as any) as table", body: tableLastN},
		{signature: "Table.RemoveLastN(table as table, optional countOrCondition as any) as table", body: tableRemoveLastN},
		{signature: "Table.RemoveRows(table as table, offset as number, optional count as nullable number) as table", body: tableRemoveRows},
		{signature: "Table.InsertRows(table as table, offset as number, rows as list) as table", body: tableInsertRows},
		{signature: "Table.Repeat(table as table, count as number) as table", body: tableRepeat},
		{signature: "Table.RemoveRowsWithErrors(table as table, optional columns as nullable list) as table", body: tableRemoveRowsWithErrors},
		{signature: "Table.SelectRowsWithErrors(table as table, optional columns as nullable list) as table", body: tableSelectRowsWithErrors},
		{signature: "Table.ReplaceErrorValues(table as table, errorReplacement as list) as table", body: tableReplaceErrorValues},
		{signature: "Table.SplitColumn(table as table, sourceColumn as text, splitter as function, optional columnNamesOrNumber as any, optional default as any, optional extraColumns as any) as table", body: tableSplitColumn},
		{signature: "Table.CombineColumns(table as table, sourceColumns as list, combiner as function, column as text) as table", body: tableCombineColumns},
		{signature: "Table.Transpose(table as table, optional columns as any) as table", body: tableTranspose},
		{signature: "Table.Unpivot(table as table, pivotColumns as list, attributeColumn as text, valueColumn as text) as table", body: tableUnpivot},
		{signature: "Table.UnpivotOtherColumns(table as table, pivotColumns as list, attributeColumn as text, valueColumn as text) as table", body: tableUnpivotOtherColumns},
		{signature: "Table.Pivot(table as table, pivotValues as list, attributeColumn as text, valueColumn as text, optional aggregationFunction as nullable function) as table", body: tablePivot},
		{signature: "Table.Contains(table as table, row as record, optional equationCriteria as any) as logical", body: tableContains},
		{signature: "Table.MatchesAllRows(table as table, condition as function) as logical", body: tableMatchesAllRows},
		{signature: "Table.MatchesAnyRows(table as table, condition as function) as logical", body: tableMatchesAnyRows},
	}}
}

// rowWise is a table of the same columns whose rows a function of the whole step makes.
func rowWise(name string, t *relational, begin rowsOnly) *relational {
	return newTable(&step{name: name, in: []*step{t.plan}, cols: t.typ.fields, op: begin})
}

func tablePromoteHeaders(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	allScalars := false
	if r, ok := args[1].(*record); ok {
		v, ok, err := r.get(ev, "PromoteAllScalars")
		if err != nil {
			return nil, err
		}
		allScalars = ok && v == logical(true)
	}
	header, err := firstRow(ev, t)
	if err != nil || header == nil {
		return t, err
	}
	taken := map[string]bool{}
	cols := slices.Clone(t.typ.fields)
	toText, err := newConverter(ev, simple(kindText), ev.session.env.Culture)
	if err != nil {
		return nil, err
	}
	for i := range cols {
		name := fmt.Sprintf("Column%d", i+1)
		v, err := force(ev, header[i])
		if err != nil {
			return nil, err
		}
		switch k := v.kind(); {
		case k == kindText && v != text(""):
			name = string(v.(text))
		case k == kindNumber, allScalars && (k == kindLogical || k >= kindTime && k <= kindDuration):
			if v, err = toText.convert(ev, v); err != nil {
				return nil, err
			}
			name = string(v.(text))
		}
		unique := name
		for n := 1; taken[unique]; n++ {
			unique = fmt.Sprintf("%s_%d", name, n)
		}
		taken[unique] = true
		cols[i].name = unique
	}
	return newTable(&step{name: "Table.PromoteHeaders", in: []*step{t.plan}, cols: cols, op: limit{skip: 1, take: -1}}), nil
}

func tableDemoteHeaders(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	cols, header := make([]fieldType, len(t.typ.fields)), make([]Value, len(t.typ.fields))
	for i, field := range t.typ.fields {
		cols[i], header[i] = fieldType{name: fmt.Sprintf("Column%d", i+1), typ: anyType()}, text(field.name)
	}
	first := &step{name: "Table.DemoteHeaders", cols: cols, op: inline{held: [][]Value{header}}}
	rest := &step{name: "Table.DemoteHeaders", in: []*step{t.plan}, cols: cols, op: project{from: upTo(len(cols))}}
	return newTable(&step{name: "Table.DemoteHeaders", in: []*step{first, rest}, cols: cols, op: combined{}}), nil
}

func tableFillDown(ev *evaluation, args []Value) (Value, error) {
	t, columns, err := tableAndColumns(ev, args)
	if err != nil {
		return nil, err
	}
	return rowWise("Table.FillDown", t, func(ev *evaluation, s *step) (rows, error) { return fillDown(ev, s, columns) }), nil
}

func fillDown(ev *evaluation, s *step, columns []int) (rows, error) {
	last := make([]Value, len(s.cols))
	return mapped(ev, s.in[0], func(ev *evaluation, cells []Value) ([]Value, error) {
		return cells, fill(ev, cells, columns, last)
	})
}

// fill puts the last value that is not null into cells that are.
func fill(ev *evaluation, cells []Value, columns []int, last []Value) error {
	for _, i := range columns {
		v, err := force(ev, cells[i])
		if err != nil && !raised(err) {
			return err
		}
		switch {
		case err != nil || v != null:
			last[i] = cells[i]
		case last[i] != nil:
			cells[i] = last[i]
		}
	}
	return nil
}

func tableAndColumns(ev *evaluation, args []Value) (*relational, []int, error) {
	t := tableArg(args[0])
	if args[1] == null {
		return t, upTo(len(t.typ.fields)), nil
	}
	names, err := textsArg(ev, args[1], "A column name")
	if err != nil {
		return nil, nil, err
	}
	columns, err := columnsNamed(t.typ.fields, names)
	return t, columns, err
}

// whole is a table whose rows need all of the input's first, in memory.
func whole(name string, t *relational, compute func(ev *evaluation, held [][]Value) ([][]Value, error)) *relational {
	return rowWise(name, t, func(_ *evaluation, s *step) (rows, error) {
		return afterAll(func(ev *evaluation) (rows, error) {
			held, claim, err := readAll(ev, s.in[0], s.holder())
			if err != nil {
				return nil, err
			}
			made, err := compute(ev, held)
			return thenRelease(allRows(made), claim), err
		}), nil
	})
}

// fromEnd is a table that a step makes of the rows in reverse: it begins with the last one.
func fromEnd(name string, t *relational, begin func(ev *evaluation, s *step) (rows, error)) *relational {
	return rowWise(name, t, func(ev *evaluation, s *step) (rows, error) {
		along := func(of *step, op operation) *step {
			return &step{name: name, in: []*step{of}, cols: s.cols, op: op, site: s.site}
		}
		return along(along(along(s.in[0], reversed{}), rowsOnly(begin)), reversed{}).open(ev)
	})
}

func tableFillUp(ev *evaluation, args []Value) (Value, error) {
	t, columns, err := tableAndColumns(ev, args)
	if err != nil {
		return nil, err
	}
	return fromEnd("Table.FillUp", t, func(ev *evaluation, s *step) (rows, error) { return fillDown(ev, s, columns) }), nil
}

func tableReverseRows(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	return newTable(&step{name: "Table.ReverseRows", in: []*step{t.plan}, cols: t.typ.fields, op: reversed{}}), nil
}

// atEnd is a table of the rows at the end that a number or a condition takes, or of those before them.
func atEnd(name string, t *relational, by Value, keep bool) (Value, error) {
	switch by := by.(type) {
	case number:
		n, ok := by.int()
		if !ok || n < 0 {
			return nil, fail("The number of rows must be a whole number that is not negative.").with(by)
		}
		return fromEnd(name, t, func(ev *evaluation, s *step) (rows, error) {
			if keep {
				return limit{take: n}.begin(ev, s)
			}
			return limit{skip: n, take: -1}.begin(ev, s)
		}), nil
	case *function:
		return fromEnd(name, t, whileTrue{condition: by, skip: !keep}.begin), nil
	}
	return nil, fail("The number of rows must be a number or a condition, not %s.", by.kind()).with(by)
}

func tableLastN(_ *evaluation, args []Value) (Value, error) {
	return atEnd("Table.LastN", tableArg(args[0]), args[1], true)
}

func tableRemoveLastN(_ *evaluation, args []Value) (Value, error) {
	by := args[1]
	if by == null {
		by = intNumber(1)
	}
	return atEnd("Table.RemoveLastN", tableArg(args[0]), by, false)
}

func rowCountArg(v Value, fallback int64) (int64, error) {
	n, ok := v.(number)
	if !ok {
		return fallback, nil
	}
	i, ok := n.int()
	if !ok || i < 0 {
		return 0, fail("A number of rows must be a whole number that is not negative.").with(v)
	}
	return i, nil
}

func tableRemoveRows(_ *evaluation, args []Value) (Value, error) {
	offset, err := rowCountArg(args[1], 0)
	if err != nil {
		return nil, err
	}
	count, err := rowCountArg(args[2], 1)
	if err != nil {
		return nil, err
	}
	return rowWise("Table.RemoveRows", tableArg(args[0]), func(ev *evaluation, s *step) (rows, error) {
		at := int64(0)
		return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
			for {
				cells, ok, err := in.next(ev)
				at++
				if !ok || err != nil || at <= offset || at > offset+count {
					return cells, ok, err
				}
			}
		})
	}), nil
}

func tableInsertRows(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	offset, err := rowCountArg(args[1], 0)
	if err != nil {
		return nil, err
	}
	items, err := args[2].(*list).all(ev)
	if err != nil {
		return nil, err
	}
	added := make([][]Value, len(items))
	for i, item := range items {
		r, ok := item.(*record)
		if !ok || len(r.values) != len(t.typ.fields) {
			return nil, fail("A row to insert must be a record with the table's columns.").with(item)
		}
		for _, field := range t.typ.fields {
			at := r.shape.find(field.name)
			if at < 0 {
				return nil, fail("The field '%s' of the record wasn't found.", field.name).with(item)
			}
			added[i] = append(added[i], r.values[at])
		}
	}
	return rowWise("Table.InsertRows", t, func(ev *evaluation, s *step) (rows, error) {
		at, rest := int64(0), added
		return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
			if at >= offset && len(rest) > 0 {
				cells := slices.Clone(rest[0])
				rest = rest[1:]
				return cells, true, nil
			}
			cells, ok, err := in.next(ev)
			if err == nil && !ok && at < offset && len(rest) > 0 {
				return nil, false, fail("Rows cannot be inserted at %d: the table has %d.", offset, at)
			}
			at++
			return cells, ok, err
		})
	}), nil
}

func tableRepeat(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	count, err := rowCountArg(args[1], 0)
	if err != nil {
		return nil, err
	}
	s := &step{name: "Table.Repeat", cols: t.typ.fields, op: combined{}}
	for range count {
		s.in = append(s.in, t.plan)
	}
	return newTable(s), nil
}

// errorIn tells whether one of the cells is an error.
func errorIn(ev *evaluation, cells []Value, columns []int) (bool, error) {
	for _, i := range columns {
		if _, err := force(ev, cells[i]); err != nil {
			if raised(err) {
				return true, nil
			}
			return false, err
		}
	}
	return false, nil
}

// byErrors keeps the rows with errors in the columns, or those without.
type byErrors struct {
	columns []int
	keep    bool
}

func (op byErrors) begin(ev *evaluation, s *step) (rows, error) {
	return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
		for {
			cells, ok, err := in.next(ev)
			if !ok || err != nil {
				return nil, false, err
			}
			has, err := errorIn(ev, cells, op.columns)
			if err != nil {
				return nil, false, err
			}
			if has == op.keep {
				return cells, true, nil
			}
		}
	})
}

func withErrors(ev *evaluation, name string, args []Value, keep bool) (Value, error) {
	t, columns, err := tableAndColumns(ev, args)
	if err != nil {
		return nil, err
	}
	return newTable(&step{name: name, in: []*step{t.plan}, cols: t.typ.fields, op: byErrors{columns, keep}}), nil
}

func tableRemoveRowsWithErrors(ev *evaluation, args []Value) (Value, error) {
	return withErrors(ev, "Table.RemoveRowsWithErrors", args, false)
}

func tableSelectRowsWithErrors(ev *evaluation, args []Value) (Value, error) {
	return withErrors(ev, "Table.SelectRowsWithErrors", args, true)
}

// errorsAs puts values in the place of errors.
type errorsAs struct {
	columns []int
	values  []Value
}

func (op errorsAs) begin(ev *evaluation, s *step) (rows, error) {
	return mapped(ev, s.in[0], func(ev *evaluation, cells []Value) ([]Value, error) {
		for k, i := range op.columns {
			cell := cells[i]
			cells[i] = lazy(func(ev *evaluation) (Value, error) {
				v, err := force(ev, cell)
				if err != nil && raised(err) {
					return op.values[k], nil
				}
				return v, err
			})
		}
		return cells, nil
	})
}

func tableReplaceErrorValues(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	tuples, err := tuplesArg(ev, args[1].(*list))
	if err != nil {
		return nil, err
	}
	op := errorsAs{}
	cols := slices.Clone(t.typ.fields)
	for _, tuple := range tuples {
		name, ok := tuple[0].(text)
		if !ok || len(tuple) != 2 {
			return nil, fail("A replacement is a list of a column's name and a value.")
		}
		i := columnIndex(t.typ.fields, string(name))
		if i < 0 {
			return nil, noColumn(t.typ.fields, string(name))
		}
		if !sameKind(cols[i].typ, tuple[1]) {
			cols[i].typ = anyType()
		}
		op.columns, op.values = append(op.columns, i), append(op.values, tuple[1])
	}
	return newTable(&step{name: "Table.ReplaceErrorValues", in: []*step{t.plan}, cols: cols, op: op}), nil
}

func tableSplitColumn(ev *evaluation, args []Value) (Value, error) {
	t, name, split := tableArg(args[0]), string(args[1].(text)), args[2].(*function)
	column := columnIndex(t.typ.fields, name)
	if column < 0 {
		return nil, noColumn(t.typ.fields, name)
	}
	parts := func(ev *evaluation, cell Value) ([]Value, error) {
		v, err := force(ev, cell)
		if err != nil {
			return nil, err
		}
		if v == null {
			return nil, nil
		}
		if v, err = applyForced(ev, split, v); err != nil {
			return nil, err
		}
		l, ok := v.(*list)
		if !ok {
			return nil, fail("A splitter must give a list, not %s.", v.kind()).with(v)
		}
		return l.raw(ev)
	}
	var added []fieldType
	switch to := args[3].(type) {
	case nullKind, number:
		width, err := columnCount(to)
		if err != nil {
			return nil, err
		}
		if to == null {
			first, err := firstRow(ev, t)
			if err != nil {
				return nil, err
			}
			width = 1
			if first != nil {
				given, err := parts(ev, first[column])
				if err != nil {
					return nil, err
				}
				width = max(1, len(given))
			}
		}
		for i := range width {
			added = append(added, fieldType{name: fmt.Sprintf("%s.%d", name, i+1), typ: anyType()})
		}
	default:
		var err error
		if added, err = columnsArg(ev, to, nil); err != nil {
			return nil, err
		}
	}
	extra := smallArg(args[5], 2)
	cols := slices.Concat(t.typ.fields[:column], added, t.typ.fields[column+1:])
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.SplitColumn", in: []*step{t.plan}, cols: cols, op: rowsOnly(func(ev *evaluation, s *step) (rows, error) {
		return mapped(ev, s.in[0], func(ev *evaluation, cells []Value) ([]Value, error) {
			given, err := parts(ev, cells[column])
			if err == nil {
				given, err = fitCells(given, len(added), args[4], extra)
			}
			if err != nil {
				if !raised(err) {
					return nil, err
				}
				given = make([]Value, len(added))
				for i := range given {
					given[i] = failed(err)
				}
			}
			return slices.Concat(cells[:column], given, cells[column+1:]), nil
		})
	})}), nil
}

func tableCombineColumns(ev *evaluation, args []Value) (Value, error) {
	t, columns, err := tableAndColumns(ev, args)
	if err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, fail("Table.CombineColumns needs columns.")
	}
	var cols []fieldType
	var from []int // absent: the combined one
	for i, field := range t.typ.fields {
		switch {
		case i == slices.Min(columns):
			cols, from = append(cols, fieldType{name: string(args[3].(text)), typ: simple(kindText).asNullable()}), append(from, absent)
		case !slices.Contains(columns, i):
			cols, from = append(cols, field), append(from, i)
		}
	}
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	by := args[2].(*function)
	return newTable(&step{name: "Table.CombineColumns", in: []*step{t.plan}, cols: cols, op: rowsOnly(func(ev *evaluation, s *step) (rows, error) {
		return mapped(ev, s.in[0], func(_ *evaluation, cells []Value) ([]Value, error) {
			parts := make([]Value, len(columns))
			for i, column := range columns {
				parts[i] = cells[column]
			}
			made := make([]Value, len(from))
			for i, at := range from {
				if at == absent {
					made[i] = lazy(func(ev *evaluation) (Value, error) { return applyForced(ev, by, newList(parts...)) })
				} else {
					made[i] = cells[at]
				}
			}
			return made, nil
		})
	})}), nil
}

func tableTranspose(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	held, claim, err := readAll(ev, t.plan, holder{"Table.Transpose", ev.site})
	if err != nil {
		return nil, err
	}
	fields, err := columnsArg(ev, args[1], func() (int, error) { return len(held), nil })
	if err != nil {
		return nil, err
	}
	turned := make([][]Value, len(t.typ.fields))
	for i := range turned {
		turned[i] = make([]Value, len(fields))
		for k := range turned[i] {
			turned[i][k] = null
			if k < len(held) {
				turned[i][k] = held[k][i]
			}
		}
	}
	return memoryTable("Table.Transpose", fields, turned, claim), nil
}

func tableUnpivot(ev *evaluation, args []Value) (Value, error) {
	t, columns, err := tableAndColumns(ev, args)
	if err != nil {
		return nil, err
	}
	var others []int
	for i := range t.typ.fields {
		if !slices.Contains(columns, i) {
			others = append(others, i)
		}
	}
	return unpivot("Table.Unpivot", t, others, columns, args)
}

func tableUnpivotOtherColumns(ev *evaluation, args []Value) (Value, error) {
	t, others, err := tableAndColumns(ev, args)
	if err != nil {
		return nil, err
	}
	var columns []int
	for i := range t.typ.fields {
		if !slices.Contains(others, i) {
			columns = append(columns, i)
		}
	}
	return unpivot("Table.UnpivotOtherColumns", t, others, columns, args)
}

// unpivot makes a row for each cell of the columns that is not null.
func unpivot(name string, t *relational, others, columns []int, args []Value) (Value, error) {
	var cols []fieldType
	for _, i := range others {
		cols = append(cols, t.typ.fields[i])
	}
	valueType := anyType()
	if len(columns) > 0 {
		valueType = t.typ.fields[columns[0]].typ
		for _, i := range columns {
			if !sameType(valueType, t.typ.fields[i].typ) {
				valueType = anyType()
			}
		}
	}
	cols = append(cols, fieldType{name: string(args[2].(text)), typ: simple(kindText)}, fieldType{name: string(args[3].(text)), typ: valueType})
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	return newTable(&step{name: name, in: []*step{t.plan}, cols: cols, op: rowsOnly(func(ev *evaluation, s *step) (rows, error) {
		var around []Value
		at := len(columns)
		return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
			for {
				for ; at < len(columns); at++ {
					cell := around[columns[at]]
					v, err := force(ev, cell)
					if err != nil && !raised(err) {
						return nil, false, err
					}
					if err == nil && v == null {
						continue
					}
					row := make([]Value, 0, len(cols))
					for _, i := range others {
						row = append(row, around[i])
					}
					at++
					return append(row, text(s.in[0].cols[columns[at-1]].name), cell), true, nil
				}
				var ok bool
				var err error
				if around, ok, err = in.next(ev); !ok || err != nil {
					return nil, false, err
				}
				at = 0
			}
		})
	})}), nil
}

func tablePivot(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	pivots, err := textsArg(ev, args[1], "A value to pivot")
	if err != nil {
		return nil, err
	}
	at, err := columnsNamed(t.typ.fields, []string{string(args[2].(text)), string(args[3].(text))})
	if err != nil {
		return nil, err
	}
	var cols []fieldType
	var keys []int
	for i, field := range t.typ.fields {
		if i != at[0] && i != at[1] {
			cols, keys = append(cols, field), append(keys, i)
		}
	}
	for _, pivot := range pivots {
		cols = append(cols, fieldType{name: pivot, typ: anyType()})
	}
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	by, _ := args[4].(*function)
	return newTable(&step{name: "Table.Pivot", in: []*step{t.plan}, cols: cols, op: rowsOnly(func(_ *evaluation, s *step) (rows, error) {
		return afterAll(func(ev *evaluation) (rows, error) { return pivotRows(ev, s, keys, at, pivots, by) }), nil
	})}), nil
}

// pivotRows makes a row of those that are equal in the keys. at is the columns of the attribute and the value.
func pivotRows(ev *evaluation, s *step, keys, at []int, pivots []string, by *function) (rows, error) {
	sorter, err := gather(ev, s.in[0], s.holder(), func(ev *evaluation, cells []Value) ([]byte, error) {
		key, err := rowKey(ev, nil, cells, append([]int{}, keys...), nil)
		if err == nil {
			cells[at[0]], err = force(ev, cells[at[0]])
		}
		return key, err
	})
	if err != nil {
		return nil, err
	}
	if sorter.writing {
		return pivotWritten(ev, s, sorter, keys, at, pivots, by)
	}
	byKey := map[string]*pivoted{}
	var order []*pivoted
	for _, held := range sorter.held {
		row, ok := byKey[string(held.key)]
		if !ok {
			row = newPivoted(held.cells, keys, len(pivots))
			byKey[string(held.key)] = row
			order = append(order, row)
		}
		row.add(held.cells, at, pivots)
	}
	made := make([][]Value, len(order))
	for i, row := range order {
		made[i] = row.made(by)
	}
	return thenRelease(allRows(made), sorter.holding), nil
}

// pivotWritten is pivotRows where the rows are on the disk: they are brought together by their keys, and the rows of those then back
// into the order in which the keys came.
func pivotWritten(ev *evaluation, s *step, sorter *sorter, keys, at []int, pivots []string, by *function) (rows, error) {
	defer sorter.close()
	m, err := sorter.sorted(ev)
	if err != nil {
		return nil, err
	}
	defer m.close()
	order := newSorter(ev, s.holder())
	claim := ev.claim(s.holder())
	defer claim.release()
	var row *pivoted
	var key []byte
	place := uint64(0)
	done := func() error {
		if row == nil {
			return nil
		}
		cells := row.cells
		for _, values := range row.values {
			cells = append(cells, newList(values...))
		}
		claim.release()
		return order.write(ev, placeKey(place), cells)
	}
	more, err := m.next()
	for more && err == nil {
		if row == nil || !bytes.Equal(m.key, key) {
			if err = done(); err != nil {
				break
			}
			key, place, row = append(key[:0], m.key...), m.place, nil
		}
		var cells []Value
		if cells, err = sorter.codec.read(m.row); err != nil {
			break
		}
		if row == nil {
			row = newPivoted(cells, keys, len(pivots))
		}
		if value, added := row.add(cells, at, pivots); added {
			err = claim.grow(40 + sizeOf(value))
		}
		if err == nil {
			more, err = m.next()
		}
		if err == nil {
			err = ev.poll()
		}
	}
	if err == nil {
		err = done()
	}
	var written rows
	if err == nil {
		written, err = writtenInOrder(ev, order, nil)
	}
	if err != nil {
		order.close()
		return nil, err
	}
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			cells, ok, err := written.next(ev)
			if !ok || err != nil {
				return nil, false, err
			}
			row := &pivoted{cells: cells[:len(keys):len(keys)]}
			for _, values := range cells[len(keys):] {
				row.values = append(row.values, values.(*list).items)
			}
			return row.made(by), true, nil
		},
		stop: written.close,
	}, nil
}

// pivoted is a row of a pivot: its keys, and the values of each new column.
type pivoted struct {
	cells  []Value
	values [][]Value
}

func newPivoted(first []Value, keys []int, width int) *pivoted {
	row := &pivoted{values: make([][]Value, width)}
	for _, key := range keys {
		row.cells = append(row.cells, first[key])
	}
	return row
}

func (row *pivoted) add(cells []Value, at []int, pivots []string) (value Value, added bool) {
	name, ok := cells[at[0]].(text)
	if !ok {
		return nil, false
	}
	i := slices.Index(pivots, string(name))
	if i < 0 {
		return nil, false
	}
	row.values[i] = append(row.values[i], cells[at[1]])
	return cells[at[1]], true
}

func (row *pivoted) made(by *function) []Value {
	cells := row.cells
	for _, values := range row.values {
		switch {
		case by != nil:
			cells = append(cells, lazy(func(ev *evaluation) (Value, error) { return applyForced(ev, by, newList(values...)) }))
		case len(values) == 0:
			cells = append(cells, null)
		case len(values) == 1:
			cells = append(cells, values[0])
		default:
			cells = append(cells, failed(fail("There were too many elements in the enumeration to complete the operation.")))
		}
	}
	return cells
}

func tableContains(ev *evaluation, args []Value) (Value, error) {
	t, wanted := tableArg(args[0]), args[1].(*record)
	columns, err := columnsNamed(t.typ.fields, wanted.shape.names)
	if err != nil {
		return nil, err
	}
	if args[2] != null {
		return nil, fail("Table.Contains does not support equationCriteria.")
	}
	key, err := rowKey(ev, nil, wanted.values, nil, nil)
	if err != nil {
		return nil, err
	}
	found := false
	err = eachRow(ev, t, func(cells []Value) (bool, error) {
		other, err := rowKey(ev, nil, cells, columns, nil)
		found = bytes.Equal(other, key)
		return !found, err
	})
	return logical(found), err
}

// eachRow hands the rows to visit until it says false.
func eachRow(ev *evaluation, t *relational, visit func(cells []Value) (bool, error)) error {
	opened, err := t.rows(ev)
	if err != nil {
		return err
	}
	defer opened.close()
	for {
		cells, ok, err := opened.next(ev)
		if !ok || err != nil {
			return err
		}
		if on, err := visit(cells); err != nil || !on {
			return err
		}
	}
}

func tableMatchesAllRows(ev *evaluation, args []Value) (Value, error) {
	found, err := someRow(ev, args, false)
	return logical(!found), err
}

func tableMatchesAnyRows(ev *evaluation, args []Value) (Value, error) {
	found, err := someRow(ev, args, true)
	return logical(found), err
}

// someRow tells whether there is a row for which the condition gives wanted.
func someRow(ev *evaluation, args []Value, wanted bool) (bool, error) {
	t := tableArg(args[0])
	recorder, found := newRecorder(t.typ.fields), false
	err := eachRow(ev, t, func(cells []Value) (bool, error) {
		passes, err := holds(ev, args[1].(*function), recorder.record(cells))
		found = passes == wanted
		return !found, err
	})
	return found, err
}
