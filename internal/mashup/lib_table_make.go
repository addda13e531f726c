package mashup

import (
	"slices"
	"strconv"
)

// tableMakers is the part of the library that makes tables of other values and other values of tables.
func tableMakers() family {
	return family{entries: []entry{
		{signature: "#table(columns as any, rows as any) as table", body: tableLiteral},
		{signature: "Table.FromRows(rows as list, optional columns as any) as table", body: tableFromRows},
		{signature: "Table.FromRecords(records as list, optional columns as any, optional missingField as nullable number) as table", body: tableFromRecords},
		{signature: "Table.FromList(list as list, optional splitter as nullable function, optional columns as any, optional default as any, optional extraValues as nullable number) as table", body: tableFromList},
		{signature: "Table.FromColumns(lists as list, optional columns as any) as table", body: tableFromColumns},
		{signature: "Table.FromValue(value as any, optional options as nullable record) as table", body: tableFromValue},
		{signature: "Table.ToRecords(table as table) as list", body: tableToRecords},
		{signature: "Table.ToRows(table as table) as list", body: tableToRows},
		{signature: "Table.ToColumns(table as table) as list", body: tableToColumns},
		{signature: "Table.ToList(table as table, optional combiner as nullable function) as list", body: tableToList},
		{signature: "Table.Column(table as table, column as text) as list", body: tableColumn},
		{signature: "Table.ColumnNames(table as table) as list", body: tableColumnNames},
		{signature: "Table.ColumnCount(table as table) as number", body: tableColumnCount},
		{signature: "Table.ColumnsOfType(table as table, listOfTypes as list) as list", body: tableColumnsOfType},
		{signature: "Table.HasColumns(table as table, columns as any) as logical", body: tableHasColumns},
		{signature: "Table.RowCount(table as table) as number", body: tableRowCount},
		{signature: "Table.ApproximateRowCount(table as table) as number", body: tableRowCount},
		{signature: "Table.IsEmpty(table as table) as logical", body: tableIsEmpty},
		{signature: "Table.IsDistinct(table as table, optional comparisonCriteria as any) as logical", body: tableIsDistinct},
		{signature: "Table.First(table as table, optional default as any) as any", body: tableFirst},
		{signature: "Table.FirstValue(table as table, optional default as any) as any", body: tableFirstValue},
		{signature: "Table.Last(table as table, optional default as any) as any", body: tableLast},
		{signature: "Table.SingleRow(table as table) as record", body: tableSingleRow},
		{signature: "Table.Max(table as table, comparisonCriteria as any, optional default as any) as any", body: tableMax},
		{signature: "Table.Min(table as table, comparisonCriteria as any, optional default as any) as any", body: tableMin},
		{signature: "Table.TransformRows(table as table, transform as function) as list", body: tableTransformRows},
		{signature: "Table.Buffer(table as table, optional options as nullable record) as table", body: tableBuffer},
		{signature: "Table.StopFolding(table as table) as table", body: tableStopFolding},
		{signature: "Table.AddKey(table as table, columns as list, isPrimary as logical) as table", body: tableAddKey},
		{signature: "Table.Keys(table as table) as list", body: tableKeys},
	}}
}

// columnCount is how many columns a table is to have, 0 for null.
func columnCount(v Value) (int, error) {
	n, err := countArg(v, 0)
	if err != nil || n > maxColumns {
		return 0, fail("The number of columns must be a whole number from 0 to %d.", maxColumns).with(v)
	}
	return n, nil
}

// maxColumns bounds what a number chosen wrongly can ask for.
const maxColumns = 16384

// columnsArg is what #table and Table.From… take for columns: names, a count, a table type; null is Column1, Column2 … of width.
func columnsArg(ev *evaluation, v Value, width func() (int, error)) ([]fieldType, error) {
	numbered := func(n int) []fieldType {
		fields := make([]fieldType, n)
		for i := range fields {
			fields[i] = fieldType{name: "Column" + strconv.Itoa(i+1), typ: anyType()}
		}
		return fields
	}
	switch v := v.(type) {
	case nullKind:
		n, err := width()
		return numbered(n), err
	case number:
		n, err := columnCount(v)
		return numbered(n), err
	case *typeValue:
		if v.of != kindTable && v.of != kindRecord || v.open {
			return nil, fail("A table type with columns is expected.").with(v)
		}
		return v.fields, nil
	}
	names, err := textsArg(ev, v, "A column name")
	if err != nil {
		return nil, err
	}
	fields := make([]fieldType, len(names))
	for i, name := range names {
		fields[i] = fieldType{name: name, typ: anyType()}
	}
	return fields, checkUnique(fields)
}

// fromList is a table with a row for each item of a list.
func fromList(name string, of *list, fields []fieldType, row func(ev *evaluation, item Value) ([]Value, error)) (Value, error) {
	if err := checkUnique(fields); err != nil {
		return nil, err
	}
	return newTable(&step{name: name, cols: fields, op: fromItems{of, row}}), nil
}

type fromItems struct {
	of  *list
	row func(ev *evaluation, item Value) ([]Value, error)
}

func (op fromItems) begin(*evaluation, *step) (rows, error) {
	at := 0
	return &rowStream{pull: func(ev *evaluation) ([]Value, bool, error) {
		item, ok, err := op.of.at(ev, at)
		if !ok || err != nil {
			return nil, false, err
		}
		at++
		cells, err := op.row(ev, item)
		return cells, err == nil, err
	}}, nil
}

func (op fromItems) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("the rows come from the expression itself")
}

// cellsOf reads a row that is given as a list, which must have as many cells as the table columns.
func cellsOf(ev *evaluation, item Value, width int) ([]Value, error) {
	l, ok := item.(*list)
	if !ok {
		return nil, fail("A row must be a list, not %s.", item.kind()).with(item)
	}
	cells, err := l.raw(ev)
	if err != nil {
		return nil, err
	}
	if len(cells) != width {
		return nil, fail("A row has %d cells, but the table %d columns.", len(cells), width).with(item)
	}
	return slices.Clone(cells), nil
}

func tableLiteral(ev *evaluation, args []Value) (Value, error) {
	if t, ok := args[1].(table); ok {
		fields, err := columnsArg(ev, args[0], func() (int, error) { return len(t.tableType().fields), nil })
		if err != nil {
			return nil, err
		}
		if len(fields) != len(t.tableType().fields) {
			return nil, fail("The table has %d columns, not %d.", len(t.tableType().fields), len(fields))
		}
		return t.withType(tableOf(fields)), nil
	}
	l, ok := args[1].(*list)
	if !ok {
		return nil, fail("The rows of #table must be a list, not %s.", args[1].kind()).with(args[1])
	}
	fields, err := columnsArg(ev, args[0], func() (int, error) { return listWidth(ev, l) })
	if err != nil {
		return nil, err
	}
	return fromList("#table", l, fields, func(ev *evaluation, item Value) ([]Value, error) { return cellsOf(ev, item, len(fields)) })
}

// listWidth is the number of items of a list's first list.
func listWidth(ev *evaluation, l *list) (int, error) {
	first, ok, err := l.at(ev, 0)
	if !ok || err != nil {
		return 0, err
	}
	inner, ok := first.(*list)
	if !ok {
		return 0, fail("A row must be a list, not %s.", first.kind()).with(first)
	}
	return inner.len(ev)
}

func tableFromRows(ev *evaluation, args []Value) (Value, error) {
	l := args[0].(*list)
	fields, err := columnsArg(ev, args[1], func() (int, error) { return listWidth(ev, l) })
	if err != nil {
		return nil, err
	}
	return fromList("Table.FromRows", l, fields, func(ev *evaluation, item Value) ([]Value, error) { return cellsOf(ev, item, len(fields)) })
}

func tableFromRecords(ev *evaluation, args []Value) (Value, error) {
	l := args[0].(*list)
	var fields []fieldType
	if args[1] == null {
		first, ok, err := l.at(ev, 0)
		if err != nil {
			return nil, err
		}
		if r, isRecord := first.(*record); ok && isRecord {
			for _, name := range r.shape.names {
				fields = append(fields, fieldType{name: name, typ: anyType()})
			}
		}
	} else {
		var err error
		if fields, err = columnsArg(ev, args[1], nil); err != nil {
			return nil, err
		}
	}
	orNull := smallArg(args[2], 0) == missingUseNull
	return fromList("Table.FromRecords", l, fields, func(_ *evaluation, item Value) ([]Value, error) {
		r, ok := item.(*record)
		if !ok {
			return nil, fail("A row must be a record, not %s.", item.kind()).with(item)
		}
		cells := make([]Value, len(fields))
		for i, field := range fields {
			switch at := r.shape.find(field.name); {
			case at >= 0:
				cells[i] = r.values[at]
			case orNull:
				cells[i] = null
			default:
				cells[i] = failed(fail("The field '%s' of the record wasn't found.", field.name).with(item))
			}
		}
		return cells, nil
	})
}

func tableFromList(ev *evaluation, args []Value) (Value, error) {
	l := args[0].(*list)
	split, err := libraryFunction(ev, "Splitter.SplitTextByDelimiter")
	if f, ok := args[1].(*function); ok {
		split = f
	} else if err == nil {
		split, err = applyFunction(ev, split, text(","))
	}
	if err != nil {
		return nil, err
	}
	parts := func(ev *evaluation, item Value) ([]Value, error) {
		v, err := applyForced(ev, split, item)
		if err != nil {
			return nil, err
		}
		of, ok := v.(*list)
		if !ok {
			return nil, fail("A splitter must give a list, not %s.", v.kind()).with(v)
		}
		return of.raw(ev)
	}
	fields, err := columnsArg(ev, args[2], func() (int, error) {
		first, ok, err := l.at(ev, 0)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 1, nil
		}
		cells, err := parts(ev, first)
		return len(cells), err
	})
	if err != nil {
		return nil, err
	}
	extra := smallArg(args[4], 1)
	return fromList("Table.FromList", l, fields, func(ev *evaluation, item Value) ([]Value, error) {
		given, err := parts(ev, item)
		if err != nil {
			return nil, err
		}
		return fitCells(given, len(fields), args[3], extra)
	})
}

// fitCells brings a row to its width; extra is an ExtraValues member, those of lists in its last cell included.
func fitCells(given []Value, width int, fallback Value, extra int) ([]Value, error) {
	cells := slices.Clone(given)
	for len(cells) < width {
		cells = append(cells, fallback)
	}
	if len(cells) == width && extra != 0 {
		return cells, nil
	}
	switch extra {
	case 0:
		if width == 0 {
			return nil, nil
		}
		return append(cells[:width-1:width-1], newList(cells[width-1:]...)), nil
	case 2:
		return cells[:width], nil
	}
	return nil, fail("There were more columns in the result than expected: %d, not %d.", len(cells), width)
}

func applyFunction(ev *evaluation, f *function, args ...Value) (*function, error) {
	v, err := applyForced(ev, f, args...)
	if err != nil {
		return nil, err
	}
	made, ok := v.(*function)
	if !ok {
		return nil, fail("A function is expected, not %s.", v.kind())
	}
	return made, nil
}

func tableFromColumns(ev *evaluation, args []Value) (Value, error) {
	items, err := args[0].(*list).all(ev)
	if err != nil {
		return nil, err
	}
	columns := make([]*list, len(items))
	for i, item := range items {
		l, ok := item.(*list)
		if !ok {
			return nil, fail("A column must be a list, not %s.", item.kind()).with(item)
		}
		columns[i] = l
	}
	fields, err := columnsArg(ev, args[1], func() (int, error) { return len(columns), nil })
	if err != nil {
		return nil, err
	}
	if len(fields) < len(columns) {
		return nil, fail("There are %d lists but %d columns.", len(columns), len(fields))
	}
	return newTable(&step{name: "Table.FromColumns", cols: fields, op: rowsOnly(func(*evaluation, *step) (rows, error) {
		at := 0
		return &rowStream{pull: func(ev *evaluation) ([]Value, bool, error) {
			cells, some := make([]Value, len(fields)), false
			for i := range cells {
				cells[i] = null
				if i >= len(columns) {
					continue
				}
				item, ok, err := columns[i].rawAt(ev, at)
				if err != nil {
					return nil, false, err
				}
				if ok {
					cells[i], some = item, true
				}
			}
			at++
			return cells, some, nil
		}}, nil
	})}), checkUnique(fields)
}

func tableFromValue(ev *evaluation, args []Value) (Value, error) {
	name := "Value"
	if options, ok := args[1].(*record); ok {
		v, ok, err := options.get(ev, "DefaultColumnName")
		if err != nil {
			return nil, err
		}
		if ok {
			if name, err = textArg(v, name); err != nil {
				return nil, err
			}
		}
	}
	switch v := args[0].(type) {
	case table:
		return v, nil
	case *list:
		return fromList("Table.FromValue", v, []fieldType{{name: name, typ: anyType()}}, func(_ *evaluation, item Value) ([]Value, error) {
			return []Value{item}, nil
		})
	case *record:
		held := make([][]Value, len(v.values))
		for i, name := range v.shape.names {
			held[i] = []Value{text(name), v.values[i]}
		}
		return memoryTable("Table.FromValue", []fieldType{{name: "Name", typ: simple(kindText)}, {name: "Value", typ: anyType()}}, held, nil), nil
	}
	return memoryTable("Table.FromValue", []fieldType{{name: name, typ: anyType()}}, [][]Value{{args[0]}}, nil), nil
}

// rowList is a lazy list with an item for each row of a table.
func rowList(t *relational, item func(cells []Value) Value) *list {
	var open rows
	return &list{next: func(ev *evaluation) (Value, bool, error) {
		if open == nil {
			var err error
			if open, err = t.rows(ev); err != nil {
				return nil, false, err
			}
		}
		cells, ok, err := open.next(ev)
		if err != nil || !ok {
			open.close()
			return nil, false, err
		}
		return item(cells), true, nil
	}}
}

func tableToRecords(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	recorder := newRecorder(t.typ.fields)
	return rowList(t, func(cells []Value) Value { return recorder.record(cells) }), nil
}

func tableToRows(_ *evaluation, args []Value) (Value, error) {
	return rowList(tableArg(args[0]), func(cells []Value) Value { return newList(cells...) }), nil
}

func tableToColumns(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	held, claim, err := readAll(ev, t.plan, holder{"Table.ToColumns", ev.site})
	if err != nil {
		return nil, err
	}
	columns := make([]Value, len(t.typ.fields))
	for i := range columns {
		cells := make([]Value, len(held))
		for k, row := range held {
			cells[k] = row[i]
		}
		columns[i] = &list{items: cells, claim: claim}
	}
	return newList(columns...), nil
}

func tableToList(ev *evaluation, args []Value) (Value, error) {
	combiner, ok := args[1].(*function)
	if !ok {
		by, err := libraryFunction(ev, "Combiner.CombineTextByDelimiter")
		if err != nil {
			return nil, err
		}
		if combiner, err = applyFunction(ev, by, text(",")); err != nil {
			return nil, err
		}
	}
	return rowList(tableArg(args[0]), func(cells []Value) Value {
		return lazy(func(ev *evaluation) (Value, error) { return applyForced(ev, combiner, newList(cells...)) })
	}), nil
}

func tableColumn(ev *evaluation, args []Value) (Value, error) {
	return columnList(ev, args[0].(table), string(args[1].(text)))
}

func tableColumnNames(_ *evaluation, args []Value) (Value, error) {
	return textList(fieldNames(args[0].(table).tableType().fields)), nil
}

func tableColumnCount(_ *evaluation, args []Value) (Value, error) {
	return intNumber(int64(len(args[0].(table).tableType().fields))), nil
}

func tableColumnsOfType(ev *evaluation, args []Value) (Value, error) {
	items, err := args[1].(*list).all(ev)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, field := range args[0].(table).tableType().fields {
		if slices.ContainsFunc(items, func(item Value) bool {
			typ, ok := item.(*typeValue)
			return ok && sameType(typ, field.typ)
		}) {
			names = append(names, field.name)
		}
	}
	return textList(names), nil
}

func tableHasColumns(ev *evaluation, args []Value) (Value, error) {
	names, err := textsArg(ev, args[1], "A column name")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if columnIndex(args[0].(table).tableType().fields, name) < 0 {
			return logical(false), nil
		}
	}
	return logical(true), nil
}

func tableRowCount(ev *evaluation, args []Value) (Value, error) {
	n, err := countRows(ev, tableArg(args[0]).plan)
	return intNumber(n), err
}

// countRows counts the rows of a step: in its database, where the step folds there.
func countRows(ev *evaluation, s *step) (int64, error) {
	all := &step{name: "Table.RowCount", in: []*step{s}, cols: []fieldType{{name: "n", typ: simple(kindNumber)}}, op: countAll{}}
	if counted, ok, err := openFolded(ev, all); ok || err != nil {
		if err != nil {
			return 0, err
		}
		defer counted.close()
		cells, _, err := counted.next(ev)
		if err != nil {
			return 0, err
		}
		n, _ := cells[0].(number).int()
		return n, nil
	}
	opened, err := s.open(ev)
	if err != nil {
		return 0, err
	}
	defer opened.close()
	for n := int64(0); ; n++ {
		if _, ok, err := opened.next(ev); !ok || err != nil {
			return n, err
		}
	}
}

// firstRow returns the first row, nil when there is none.
func firstRow(ev *evaluation, t *relational) ([]Value, error) {
	opened, err := (&step{name: "Table.FirstN", in: []*step{t.plan}, cols: t.typ.fields, op: limit{take: 1}}).open(ev)
	if err != nil {
		return nil, err
	}
	defer opened.close()
	cells, _, err := opened.next(ev)
	return cells, err
}

func tableIsEmpty(ev *evaluation, args []Value) (Value, error) {
	cells, err := firstRow(ev, tableArg(args[0]))
	return logical(cells == nil), err
}

func tableIsDistinct(ev *evaluation, args []Value) (Value, error) {
	all, err := tableRowCount(ev, args[:1])
	if err != nil {
		return nil, err
	}
	t, err := tableDistinct(ev, args)
	if err != nil {
		return nil, err
	}
	unlike, err := tableRowCount(ev, []Value{t})
	return logical(all == unlike), err
}

func tableFirst(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	cells, err := firstRow(ev, t)
	if err != nil || cells == nil {
		return args[1], err
	}
	return newRecorder(t.typ.fields).record(cells), nil
}

func tableFirstValue(ev *evaluation, args []Value) (Value, error) {
	cells, err := firstRow(ev, tableArg(args[0]))
	if err != nil || len(cells) == 0 {
		return args[1], err
	}
	return force(ev, cells[0])
}

func tableLast(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	opened, err := t.rows(ev)
	if err != nil {
		return nil, err
	}
	defer opened.close()
	var last []Value
	for {
		cells, ok, err := opened.next(ev)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		last = cells
	}
	if last == nil {
		return args[1], nil
	}
	return newRecorder(t.typ.fields).record(last), nil
}

func tableSingleRow(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	opened, err := t.rows(ev)
	if err != nil {
		return nil, err
	}
	defer opened.close()
	cells, ok, err := opened.next(ev)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fail("The table has no row.")
	}
	if _, more, err := opened.next(ev); err != nil || more {
		return nil, firstOf(err, fail("The table has more than one row."))
	}
	return newRecorder(t.typ.fields).record(cells), nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func tableMax(ev *evaluation, args []Value) (Value, error) { return tableExtreme(ev, args, true) }
func tableMin(ev *evaluation, args []Value) (Value, error) { return tableExtreme(ev, args, false) }

func tableExtreme(ev *evaluation, args []Value, largest bool) (Value, error) {
	t := tableArg(args[0])
	by, err := sortKeysOf(ev, t.typ.fields, args[1])
	if err != nil {
		return nil, err
	}
	for i := range by {
		by[i].descending = by[i].descending != largest
	}
	return tableFirst(ev, []Value{newTable(&step{name: "Table.Sort", in: []*step{t.plan}, cols: t.typ.fields, op: order{by}}), args[2]})
}

func tableTransformRows(_ *evaluation, args []Value) (Value, error) {
	t, by := tableArg(args[0]), args[1].(*function)
	recorder := newRecorder(t.typ.fields)
	return rowList(t, func(cells []Value) Value {
		return lazy(func(ev *evaluation) (Value, error) { return applyForced(ev, by, recorder.record(cells)) })
	}), nil
}

// tableBuffer is the rows as they are now: in memory, or in a file where they are many.
func tableBuffer(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	by := holder{"Table.Buffer", ev.site}
	sorter, err := gather(ev, t.plan, by, func(ev *evaluation, cells []Value) ([]byte, error) {
		for i := range cells {
			v, err := force(ev, cells[i])
			switch {
			case err == nil:
				cells[i] = v
			case raised(err):
				cells[i] = failed(err)
			default:
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	if !sorter.writing {
		held := make([][]Value, len(sorter.held))
		for i, row := range sorter.held {
			held[i] = row.cells
		}
		return memoryTable("Table.Buffer", t.typ.fields, held, sorter.holding).withMeta(t.metadata), nil
	}
	defer sorter.close()
	m, err := sorter.sorted(ev)
	if err != nil {
		return nil, err
	}
	defer m.close()
	file, err := newRowFile(ev, sorter.codec)
	if err != nil {
		return nil, err
	}
	for {
		ok, err := m.next()
		if ok && err == nil {
			err = file.add(m.row)
		}
		if err == nil {
			err = ev.poll()
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
	}
	if err := file.flush(); err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.Buffer", cols: t.typ.fields, op: piece{of: file, to: file.at()}}).withMeta(t.metadata), nil
}

func tableStopFolding(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	return newTable(&step{name: "Table.StopFolding", in: []*step{t.plan}, cols: t.typ.fields, op: rowsOnly(func(ev *evaluation, s *step) (rows, error) {
		return s.in[0].open(ev)
	})}), nil
}

func tableAddKey(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	columns, err := textsArg(ev, args[1], "A key's column")
	if err != nil {
		return nil, err
	}
	if _, err := columnsNamed(t.typ.fields, columns); err != nil {
		return nil, err
	}
	typ := *t.typ
	typ.keys = append(slices.Clone(typ.keys), key{columns: columns, primary: bool(args[2].(logical))})
	copied := *t
	copied.typ = &typ
	return &copied, nil
}

func tableKeys(_ *evaluation, args []Value) (Value, error) {
	var found []Value
	for _, key := range args[0].(table).tableType().keys {
		found = append(found, newRecord([]string{"Columns", "Primary"}, []Value{textList(key.columns), logical(key.primary)}))
	}
	return newList(found...), nil
}
