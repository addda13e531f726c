package mashup

import "strings"

// rowMatch tells whether a row is one that an argument describes by some or all of its fields.
type rowMatch struct {
	columns []string // nil: all fields of the described row
	eq      equation
}

// rowMatchOf reads equationCriteria over rows: null, column names, a comparer, or a key selector.
func rowMatchOf(ev *evaluation, v Value) (rowMatch, error) {
	switch v := v.(type) {
	case text:
		return rowMatch{columns: []string{string(v)}}, nil
	case *list:
		items, err := v.all(ev)
		if err != nil {
			return rowMatch{}, err
		}
		if len(items) > 0 && items[0].kind() == kindText {
			columns, err := textsOf(ev, v)
			return rowMatch{columns: columns}, err
		}
	}
	eq, err := equationOf(ev, v)
	return rowMatch{eq: eq}, err
}

func (m rowMatch) same(ev *evaluation, row, wanted *record) (bool, error) {
	if m.eq.key != nil {
		a, err := m.eq.keyOf(ev, row)
		if err != nil {
			return false, err
		}
		b, err := m.eq.keyOf(ev, wanted)
		if err != nil {
			return false, err
		}
		return m.eq.same(ev, a, b)
	}
	columns := m.columns
	if columns == nil {
		columns = wanted.shape.names
	}
	for _, name := range columns {
		a, err := fieldOf(ev, row, name, false)
		if err != nil {
			return false, err
		}
		b, err := fieldOf(ev, wanted, name, false)
		if err != nil {
			return false, err
		}
		if same, err := m.eq.same(ev, plain(a), plain(b)); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// among is the place of the first of the wanted rows that a row is, -1 when it is none of them.
func (m rowMatch) among(ev *evaluation, row *record, wanted []*record) (int, error) {
	for i, w := range wanted {
		if same, err := m.same(ev, row, w); err != nil || same {
			return i, err
		}
	}
	return -1, nil
}

func recordsOf(ev *evaluation, v Value) ([]*record, error) {
	if r, ok := v.(*record); ok {
		return []*record{r}, nil
	}
	l, ok := v.(*list)
	if !ok {
		return nil, cannotConvert(v, "List")
	}
	items, err := l.all(ev)
	if err != nil {
		return nil, err
	}
	records := make([]*record, len(items))
	for i, item := range items {
		if records[i], ok = item.(*record); !ok {
			return nil, cannotConvert(item, "Record")
		}
	}
	return records, nil
}

// tableMatching is the part of the library that finds, keeps and replaces rows by what they hold.
func tableMatching() family {
	containing := func(signature string, all bool) entry {
		return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
			wanted, err := recordsOf(ev, args[1])
			if err != nil {
				return nil, err
			}
			m, err := rowMatchOf(ev, args[2])
			if err != nil {
				return nil, err
			}
			t := tableArg(args[0])
			rec, left := newRecorder(t.typ.fields), append([]*record(nil), wanted...)
			err = eachRow(ev, t, func(cells []Value) (bool, error) {
				row := rec.record(cells)
				kept := left[:0]
				for _, w := range left {
					same, err := m.same(ev, row, w)
					if err != nil {
						return false, err
					}
					if !same {
						kept = append(kept, w)
					}
				}
				left = kept
				return len(left) > 0 && (all || len(left) == len(wanted)), nil
			})
			if all {
				return logical(len(left) == 0), err
			}
			return logical(len(left) < len(wanted)), err
		}}
	}
	return family{entries: []entry{
		containing("Table.ContainsAll(table as table, rows as list, optional equationCriteria as any) as logical", true),
		containing("Table.ContainsAny(table as table, rows as list, optional equationCriteria as any) as logical", false),
		{signature: "Table.PositionOf(table as table, row as record, optional occurrence as any, optional equationCriteria as any) as any", body: tablePositionOf},
		{signature: "Table.PositionOfAny(table as table, rows as list, optional occurrence as nullable number, optional equationCriteria as any) as any", body: tablePositionOf},
		{signature: "Table.RemoveMatchingRows(table as table, rows as list, optional equationCriteria as any) as table", body: tableRemoveMatchingRows},
		{signature: "Table.ReplaceMatchingRows(table as table, replacements as list, optional equationCriteria as any) as table", body: tableReplaceMatchingRows},
		{signature: "Table.FindText(table as table, text as text) as table", body: tableFindText},
		{signature: "Table.AlternateRows(table as table, offset as number, skip as number, take as number) as table", body: tableAlternateRows},
		{signature: "Table.ReplaceRows(table as table, offset as number, count as number, rows as list) as table", body: tableReplaceRows},
		{signature: "Table.SplitAt(table as table, count as number) as list", body: tableSplitAt},
		{signature: "Table.Split(table as table, pageSize as number) as list", body: tableSplit},
		{signature: "Table.ClearDown(table as table, columns as any) as table", body: tableClearDown},
		{signature: "Table.MaxN(table as table, comparisonCriteria as any, countOrCondition as any) as table", body: func(ev *evaluation, args []Value) (Value, error) {
			return tableExtremes(ev, args, true)
		}},
		{signature: "Table.MinN(table as table, comparisonCriteria as any, countOrCondition as any) as table", body: func(ev *evaluation, args []Value) (Value, error) {
			return tableExtremes(ev, args, false)
		}},
		{signature: "Table.FromPartitions(partitionColumn as text, partitions as list, optional partitionColumnType as nullable type) as table", body: tableFromPartitions},
		{signature: "Table.View(table as any, handlers as record) as table", body: tableView},
		{signature: "Table.CombineColumnsToRecord(table as table, newColumnName as text, sourceColumns as list, optional options as nullable record) as table", body: tableCombineColumnsToRecord},
		{signature: "Record.ToTable(record as record) as table", body: func(_ *evaluation, args []Value) (Value, error) {
			r := args[0].(*record)
			held := make([][]Value, len(r.values))
			for i, name := range r.shape.names {
				held[i] = []Value{text(name), r.values[i]}
			}
			return memoryTable("Record.ToTable", []fieldType{{name: "Name", typ: simple(kindText)}, {name: "Value", typ: anyType()}}, held, nil), nil
		}},
		{signature: "Record.FromTable(table as table) as record", body: recordFromTable},
	}}
}

func tablePositionOf(ev *evaluation, args []Value) (Value, error) {
	wanted, err := recordsOf(ev, args[1])
	if err != nil {
		return nil, err
	}
	m, err := rowMatchOf(ev, args[3])
	if err != nil {
		return nil, err
	}
	t, at := tableArg(args[0]), int64(0)
	rec := newRecorder(t.typ.fields)
	var found []Value
	err = eachRow(ev, t, func(cells []Value) (bool, error) {
		i, err := m.among(ev, rec.record(cells), wanted)
		if i >= 0 {
			found = append(found, intNumber(at))
		}
		at++
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return occurrence(found, args[2])
}

func tableRemoveMatchingRows(ev *evaluation, args []Value) (Value, error) {
	wanted, err := recordsOf(ev, args[1])
	if err != nil {
		return nil, err
	}
	m, err := rowMatchOf(ev, args[2])
	t := tableArg(args[0])
	rec := newRecorder(t.typ.fields)
	return rowWise("Table.RemoveMatchingRows", t, func(ev *evaluation, s *step) (rows, error) {
		return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
			for {
				cells, ok, err := in.next(ev)
				if err != nil || !ok {
					return nil, false, err
				}
				i, err := m.among(ev, rec.record(cells), wanted)
				if err != nil || i < 0 {
					return cells, err == nil, err
				}
			}
		})
	}), err
}

func tableReplaceMatchingRows(ev *evaluation, args []Value) (Value, error) {
	pairs, err := pairsArg(ev, args[1])
	if err != nil {
		return nil, err
	}
	m, err := rowMatchOf(ev, args[2])
	if err != nil {
		return nil, err
	}
	t := tableArg(args[0])
	names := fieldNames(t.typ.fields)
	var wanted, by []*record
	for _, pair := range pairs {
		both, err := recordsOf(ev, newList(pair[:2]...))
		if err != nil {
			return nil, err
		}
		wanted, by = append(wanted, both[0]), append(by, both[1])
	}
	rec := newRecorder(t.typ.fields)
	return rowWise("Table.ReplaceMatchingRows", t, func(ev *evaluation, s *step) (rows, error) {
		return mapped(ev, s.in[0], func(ev *evaluation, cells []Value) ([]Value, error) {
			i, err := m.among(ev, rec.record(cells), wanted)
			if err != nil || i < 0 {
				return cells, err
			}
			return cellsOfRecord(by[i], names)
		})
	}), nil
}

// cellsOfRecord are a record's fields in the order of the columns.
func cellsOfRecord(r *record, names []string) ([]Value, error) {
	cells := make([]Value, len(names))
	for i, name := range names {
		at := r.shape.find(name)
		if at < 0 {
			return nil, missingFieldFailure(r, name)
		}
		cells[i] = r.values[at]
	}
	return cells, nil
}

func tableFindText(_ *evaluation, args []Value) (Value, error) {
	wanted := string(args[1].(text))
	return rowWise("Table.FindText", tableArg(args[0]), func(ev *evaluation, s *step) (rows, error) {
		return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
			for {
				cells, ok, err := in.next(ev)
				if err != nil || !ok {
					return nil, false, err
				}
				for _, cell := range cells {
					v, err := force(ev, cell)
					if err != nil {
						return nil, false, err
					}
					if found, ok := v.(text); ok && strings.Contains(string(found), wanted) {
						return cells, true, nil
					}
				}
			}
		})
	}), nil
}

func tableAlternateRows(_ *evaluation, args []Value) (Value, error) {
	var counts [3]int64
	for i := range counts {
		var err error
		if counts[i], err = rowCountArg(args[i+1], 0); err != nil {
			return nil, err
		}
	}
	offset, skip, take := counts[0], counts[1], counts[2]
	if skip+take == 0 {
		return nil, fail("The numbers of rows to skip and to take cannot both be 0.")
	}
	return rowWise("Table.AlternateRows", tableArg(args[0]), func(ev *evaluation, s *step) (rows, error) {
		at := int64(-1)
		return over(ev, s.in[0], func(ev *evaluation, in rows) ([]Value, bool, error) {
			for {
				cells, ok, err := in.next(ev)
				if err != nil || !ok {
					return nil, false, err
				}
				if at++; at < offset || (at-offset)%(skip+take) >= skip {
					return cells, true, nil
				}
			}
		})
	}), nil
}

func tableReplaceRows(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	offset, err := rowCountArg(args[1], 0)
	if err != nil {
		return nil, err
	}
	count, err := rowCountArg(args[2], 0)
	if err != nil {
		return nil, err
	}
	given, err := recordsOf(ev, args[3])
	if err != nil {
		return nil, err
	}
	names := fieldNames(t.typ.fields)
	middle := make([][]Value, len(given))
	for i, r := range given {
		if middle[i], err = cellsOfRecord(r, names); err != nil {
			return nil, err
		}
	}
	return whole("Table.ReplaceRows", t, func(_ *evaluation, held [][]Value) ([][]Value, error) {
		if offset+count > int64(len(held)) {
			return nil, notEnough()
		}
		out := append(append([][]Value{}, held[:offset]...), middle...)
		return append(out, held[offset+count:]...), nil
	}), nil
}

func tableSplitAt(ev *evaluation, args []Value) (Value, error) {
	count, err := rowCountArg(args[1], 0)
	if err != nil {
		return nil, err
	}
	t := tableArg(args[0])
	front, err := limited("Table.FirstN", t, intNumber(count), false)
	if err != nil {
		return nil, err
	}
	rest, err := limited("Table.Skip", t, intNumber(count), true)
	return newList(front, rest), err
}

func tableSplit(ev *evaluation, args []Value) (Value, error) {
	size, err := rowCountArg(args[1], 1)
	if err != nil || size == 0 {
		return nil, fail("The page size must be more than 0.")
	}
	t := tableArg(args[0])
	held, claim, err := readAll(ev, t.plan, holder{"Table.Split", ev.site})
	if err != nil {
		return nil, err
	}
	var pages []Value
	for len(held) > 0 {
		n := min(size, int64(len(held)))
		pages = append(pages, memoryTable("Table.Split", t.typ.fields, held[:n], claim))
		held = held[n:]
	}
	return newList(pages...), nil
}

// tableClearDown empties the cells that repeat the row above in all the named columns.
func tableClearDown(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	names, err := namesArg(ev, args[1])
	if err != nil {
		return nil, err
	}
	columns, err := columnsNamed(t.typ.fields, names)
	if err != nil {
		return nil, err
	}
	return rowWise("Table.ClearDown", t, func(ev *evaluation, s *step) (rows, error) {
		var above []Value
		return mapped(ev, s.in[0], func(ev *evaluation, cells []Value) ([]Value, error) {
			here := make([]Value, len(columns))
			same := above != nil
			for i, column := range columns {
				here[i] = cells[column]
				if same {
					var err error
					if same, err = equal(ev, here[i], above[i]); err != nil {
						return nil, err
					}
				}
			}
			above = here
			if same {
				for _, column := range columns {
					cells[column] = null
				}
			}
			return cells, nil
		})
	}), nil
}

func tableExtremes(ev *evaluation, args []Value, largest bool) (Value, error) {
	t := tableArg(args[0])
	by, err := sortKeysOf(ev, t.typ.fields, args[1])
	if err != nil {
		return nil, err
	}
	for i := range by {
		by[i].descending = by[i].descending != largest
	}
	return limited("Table.FirstN", newTable(&step{name: "Table.Sort", in: []*step{t.plan}, cols: t.typ.fields, op: order{by}}), args[2], false)
}

// tableFromPartitions puts tables under each other, each with the value that it is the partition of.
func tableFromPartitions(ev *evaluation, args []Value) (Value, error) {
	column := args[0]
	typ := Value(anyType())
	if !isNull(args[2]) {
		typ = args[2]
	}
	items, err := args[1].(*list).all(ev)
	if err != nil {
		return nil, err
	}
	var parts []Value
	for _, item := range items {
		l, ok := item.(*list)
		if !ok {
			return nil, cannotConvert(item, "List")
		}
		pair, err := l.all(ev)
		if err != nil {
			return nil, err
		}
		if len(pair) != 2 || pair[1].kind() != kindTable {
			return nil, fail("A partition is a list of a value and a table.")
		}
		value := pair[0]
		constant := newFunction("", []paramType{anyParam("_")}, func(*evaluation, []Value) (Value, error) { return value, nil })
		part, err := tableAddColumn(ev, []Value{pair[1], column, constant, typ})
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return tableCombine(ev, []Value{newList(parts...), null})
}

// tableView is the table that the handlers GetType and GetRows describe; what others would push to a source stays in Freshet's plan.
func tableView(ev *evaluation, args []Value) (Value, error) {
	handlers := args[1].(*record)
	call := func(name string) (Value, error) {
		v, ok, err := handlers.get(ev, name)
		if err != nil || !ok {
			return nil, err
		}
		f, ok := v.(*function)
		if !ok {
			return nil, cannotConvert(v, "Function")
		}
		return ev.call(f)
	}
	of, err := call("GetRows")
	if err != nil {
		return nil, err
	}
	if of == nil {
		of = args[0]
	}
	t, ok := of.(table)
	if !ok {
		return nil, fail("Table.View needs a table or the handler GetRows.")
	}
	typ, err := call("GetType")
	if err != nil || typ == nil {
		return t, err
	}
	ascribed, ok := typ.(*typeValue)
	if !ok {
		return nil, cannotConvert(typ, "Type")
	}
	names := fieldNames(ascribed.fields)
	chosen, err := t.selectColumns(ev, names, false)
	if err != nil {
		return nil, err
	}
	return chosen.withType(ascribed), nil
}

func tableCombineColumnsToRecord(ev *evaluation, args []Value) (Value, error) {
	names, err := textsOf(ev, args[2].(*list))
	if err != nil {
		return nil, err
	}
	t := tableArg(args[0])
	if _, err := columnsNamed(t.typ.fields, names); err != nil {
		return nil, err
	}
	together := newFunction("", []paramType{anyParam("_")}, func(_ *evaluation, args []Value) (Value, error) {
		return selectFields(args[0].(*record), names, null)
	})
	added, err := tableAddColumn(ev, []Value{t, args[1], together, null})
	if err != nil {
		return nil, err
	}
	return tableRemoveColumns(ev, []Value{added, args[2], null})
}

func recordFromTable(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	columns, err := columnsNamed(t.typ.fields, []string{"Name", "Value"})
	if err != nil {
		return nil, err
	}
	var names []string
	var values []Value
	err = eachRow(ev, t, func(cells []Value) (bool, error) {
		v, err := force(ev, cells[columns[0]])
		if err != nil {
			return false, err
		}
		name, ok := v.(text)
		if !ok {
			return false, cannotConvert(v, "Text")
		}
		names, values = append(names, string(name)), append(values, cells[columns[1]])
		return true, nil
	})
	if err == nil && duplicate(names) != "" {
		err = fail("The field '%s' already exists in the record.", duplicate(names))
	}
	return newRecord(names, values), err
}
