package mashup

import (
	"slices"
)

// tables is the part of the library that makes tables of tables, column by column and row by row.
func tables() family {
	return family{
		entries: []entry{
			{signature: "Table.SelectColumns(table as table, columns as any, optional missingField as nullable number) as table", body: tableSelectColumns},
			{signature: "Table.RemoveColumns(table as table, columns as any, optional missingField as nullable number) as table", body: tableRemoveColumns},
			{signature: "Table.RenameColumns(table as table, renames as list, optional missingField as nullable number) as table", body: tableRenameColumns},
			{signature: "Table.ReorderColumns(table as table, columnOrder as list, optional missingField as nullable number) as table", body: tableReorderColumns},
			{signature: "Table.DuplicateColumn(table as table, columnName as text, newColumnName as text, optional columnType as nullable type) as table", body: tableDuplicateColumn},
			{signature: "Table.PrefixColumns(table as table, prefix as text) as table", body: tablePrefixColumns},
			{signature: "Table.TransformColumnNames(table as table, nameGenerator as function, optional options as nullable record) as table", body: tableTransformColumnNames},
			{signature: "Table.PromoteHeaders(table as table, optional options as nullable record) as table", body: tablePromoteHeaders},
			{signature: "Table.DemoteHeaders(table as table) as table", body: tableDemoteHeaders},
			{signature: "Table.TransformColumnTypes(table as table, typeTransformations as list, optional culture as any) as table", body: tableTransformColumnTypes},
			{signature: "Table.SelectRows(table as table, condition as function) as table", body: tableSelectRows},
			{signature: "Table.AddColumn(table as table, newColumnName as text, columnGenerator as function, optional columnType as nullable type) as table", body: tableAddColumn},
			{signature: "Table.AddIndexColumn(table as table, newColumnName as text, optional initialValue as nullable number, optional increment as nullable number, optional columnType as nullable type) as table", body: tableAddIndexColumn},
			{signature: "Table.TransformColumns(table as table, transformOperations as list, optional defaultTransformation as nullable function, optional missingField as nullable number) as table", body: tableTransformColumns},
			{signature: "Table.ReplaceValue(table as table, oldValue as any, newValue as any, replacer as function, columnsToSearch as list) as table", body: tableReplaceValue},
			{signature: "Table.Sort(table as table, comparisonCriteria as any) as table", body: tableSort},
			{signature: "Table.Distinct(table as table, optional equationCriteria as any) as table", body: tableDistinct},
			{signature: "Table.FirstN(table as table, countOrCondition as any) as table", body: tableFirstN},
			{signature: "Table.Skip(table as table, optional countOrCondition as any) as table", body: tableSkip},
			{signature: "Table.RemoveFirstN(table as table, optional countOrCondition as any) as table", body: tableSkip},
			{signature: "Table.Range(table as table, offset as number, optional count as nullable number) as table", body: tableRange},
			{signature: "Table.Combine(tables as list, optional columns as any) as table", body: tableCombine},
			{signature: "Table.Group(table as table, key as any, aggregatedColumns as list, optional groupKind as nullable number, optional comparer as nullable function) as table", body: tableGroup},
			{signature: "Table.NestedJoin(table1 as table, key1 as any, table2 as any, key2 as any, newColumnName as text, optional joinKind as nullable number, optional keyEqualityComparers as nullable list) as table", body: tableNestedJoin},
			{signature: "Table.Join(table1 as table, key1 as any, table2 as table, key2 as any, optional joinKind as nullable number, optional joinAlgorithm as nullable number, optional keyEqualityComparers as nullable list) as table", body: tableJoin},
			{signature: "Table.ExpandTableColumn(table as table, column as text, columnNames as list, optional newColumnNames as nullable list) as table", body: tableExpandTableColumn},
			{signature: "Table.ExpandRecordColumn(table as table, column as text, fieldNames as list, optional newColumnNames as nullable list) as table", body: tableExpandRecordColumn},
			{signature: "Table.ExpandListColumn(table as table, column as text) as table", body: tableExpandListColumn},
		},
	}
}

func tableArg(v Value) *relational { return relationalOf(v.(table)) }

// smallArg is an enumeration's member or a count; null is the fallback.
func smallArg(v Value, fallback int) int {
	n, ok := v.(number)
	if !ok {
		return fallback
	}
	i, _ := n.int()
	return int(i)
}

// textsArg is one text or a list of them.
func textsArg(ev *evaluation, v Value, what string) ([]string, error) {
	switch v := v.(type) {
	case text:
		return []string{string(v)}, nil
	case *list:
		items, err := v.all(ev)
		if err != nil {
			return nil, err
		}
		texts := make([]string, len(items))
		for i, item := range items {
			s, ok := item.(text)
			if !ok {
				return nil, fail("%s must be text, not %s.", what, item.kind()).with(item)
			}
			texts[i] = string(s)
		}
		return texts, nil
	}
	return nil, fail("%s must be a text or a list of texts, not %s.", what, v.kind()).with(v)
}

// tuplesArg is a list of lists, or one such list by itself: {{"A", "B"}, …} and {"A", "B"} are both taken.
func tuplesArg(ev *evaluation, l *list) ([][]Value, error) {
	items, err := l.all(ev)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	if _, nested := items[0].(*list); !nested {
		return [][]Value{items}, nil
	}
	tuples := make([][]Value, len(items))
	for i, item := range items {
		inner, ok := item.(*list)
		if !ok {
			return nil, fail("A list of lists is expected, not one with a %s.", item.kind()).with(item)
		}
		if tuples[i], err = inner.all(ev); err != nil {
			return nil, err
		}
	}
	return tuples, nil
}

// checkUnique refuses two columns of one name.
func checkUnique(fields []fieldType) error {
	seen := make(map[string]bool, len(fields))
	for _, field := range fields {
		if seen[field.name] {
			return fail("The field '%s' already exists in the record.", field.name).with(text(field.name))
		}
		seen[field.name] = true
	}
	return nil
}

func pick(name string, t *relational, from []int, cols []fieldType) (table, error) {
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	return newTable(&step{name: name, in: []*step{t.plan}, cols: cols, op: project{from: from}}), nil
}

func selectColumns(name string, t *relational, names []string, missing int) (table, error) {
	var from []int
	var cols []fieldType
	for _, column := range names {
		i := columnIndex(t.typ.fields, column)
		switch {
		case i >= 0:
			from, cols = append(from, i), append(cols, t.typ.fields[i])
		case missing == missingUseNull:
			from, cols = append(from, absent), append(cols, fieldType{name: column, typ: anyType()})
		case missing == missingError:
			return nil, noColumn(t.typ.fields, column)
		}
	}
	return pick(name, t, from, cols)
}

func tableSelectColumns(ev *evaluation, args []Value) (Value, error) {
	names, err := textsArg(ev, args[1], "A column name")
	if err != nil {
		return nil, err
	}
	return selectColumns("Table.SelectColumns", tableArg(args[0]), names, smallArg(args[2], 0))
}

func tableRemoveColumns(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	names, err := textsArg(ev, args[1], "A column name")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if smallArg(args[2], 0) == missingError && columnIndex(t.typ.fields, name) < 0 {
			return nil, noColumn(t.typ.fields, name)
		}
	}
	var kept []string
	for _, field := range t.typ.fields {
		if !slices.Contains(names, field.name) {
			kept = append(kept, field.name)
		}
	}
	return selectColumns("Table.RemoveColumns", t, kept, missingError)
}

func tableRenameColumns(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	pairs, err := tuplesArg(ev, args[1].(*list))
	if err != nil {
		return nil, err
	}
	missing := smallArg(args[2], 0)
	cols, from := slices.Clone(t.typ.fields), upTo(len(t.typ.fields))
	for _, pair := range pairs {
		names, err := textsArg(ev, newList(pair...), "A column name")
		if err != nil {
			return nil, err
		}
		if len(names) != 2 {
			return nil, fail("A rename is a list of two names.")
		}
		switch i := columnIndex(t.typ.fields, names[0]); {
		case i >= 0:
			cols[i].name = names[1]
		case missing == missingUseNull:
			cols, from = append(cols, fieldType{name: names[1], typ: anyType()}), append(from, absent)
		case missing == missingError:
			return nil, noColumn(t.typ.fields, names[0])
		}
	}
	return pick("Table.RenameColumns", t, from, cols)
}

func tableReorderColumns(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	names, err := textsArg(ev, args[1], "A column name")
	if err != nil {
		return nil, err
	}
	missing := smallArg(args[2], 0)
	var asked, places []int // places: where the asked columns stand now, in order
	var extra []string
	for _, name := range names {
		switch i := columnIndex(t.typ.fields, name); {
		case i >= 0:
			asked, places = append(asked, i), append(places, i)
		case missing == missingUseNull:
			extra = append(extra, name)
		case missing == missingError:
			return nil, noColumn(t.typ.fields, name)
		}
	}
	slices.Sort(places)
	from := upTo(len(t.typ.fields))
	for i, place := range places {
		from[place] = asked[i]
	}
	var cols []fieldType
	for _, i := range from {
		cols = append(cols, t.typ.fields[i])
	}
	for _, name := range extra {
		from, cols = append(from, absent), append(cols, fieldType{name: name, typ: anyType()})
	}
	return pick("Table.ReorderColumns", t, from, cols)
}

func tableDuplicateColumn(_ *evaluation, args []Value) (Value, error) {
	t, name := tableArg(args[0]), string(args[1].(text))
	i := columnIndex(t.typ.fields, name)
	if i < 0 {
		return nil, noColumn(t.typ.fields, name)
	}
	added := fieldType{name: string(args[2].(text)), typ: t.typ.fields[i].typ}
	if typ, ok := args[3].(*typeValue); ok {
		added.typ = typ
	}
	return pick("Table.DuplicateColumn", t, append(upTo(len(t.typ.fields)), i), append(slices.Clone(t.typ.fields), added))
}

func tablePrefixColumns(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	cols := slices.Clone(t.typ.fields)
	for i := range cols {
		cols[i].name = string(args[1].(text)) + "." + cols[i].name
	}
	return pick("Table.PrefixColumns", t, upTo(len(cols)), cols)
}

func tableTransformColumnNames(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	cols := slices.Clone(t.typ.fields)
	for i := range cols {
		v, err := applyForced(ev, args[1].(*function), text(cols[i].name))
		if err != nil {
			return nil, err
		}
		name, ok := v.(text)
		if !ok {
			return nil, fail("The name of a column must be text, not %s.", v.kind())
		}
		cols[i].name = string(name)
	}
	return pick("Table.TransformColumnNames", t, upTo(len(cols)), cols)
}

// missingColumns does what a MissingField tells with tuples that begin with a column which the table has not: the tuples that
// remain are of columns that the table has, or of none that may be left out.
func missingColumns(ev *evaluation, t *relational, tuples [][]Value, missing Value) (*relational, [][]Value, error) {
	action := smallArg(missing, missingError)
	if action == missingError {
		return t, tuples, nil
	}
	var known [][]Value
	names := fieldNames(t.typ.fields)
	for _, tuple := range tuples {
		if len(tuple) > 0 {
			if name, ok := tuple[0].(text); ok && !slices.Contains(names, string(name)) {
				if action == missingIgnore {
					continue
				}
				names = append(names, string(name))
			}
		}
		known = append(known, tuple)
	}
	if len(names) == len(t.typ.fields) {
		return t, known, nil
	}
	wider, err := t.selectColumns(ev, names, true)
	if err != nil {
		return nil, nil, err
	}
	return relationalOf(wider), known, nil
}

func tableTransformColumnTypes(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	tuples, err := tuplesArg(ev, args[1].(*list))
	if err != nil {
		return nil, err
	}
	op := retype{}
	switch culture := args[2].(type) {
	case nullKind:
	case text:
		op.culture = string(culture)
	case *record:
		v, ok, err := culture.get(ev, "Culture")
		if err != nil {
			return nil, err
		}
		if s, isText := v.(text); ok && isText {
			op.culture = string(s)
		}
		if v, ok, err = culture.get(ev, "MissingField"); err != nil {
			return nil, err
		}
		if ok {
			if t, tuples, err = missingColumns(ev, t, tuples, v); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fail("The culture must be a text or a record, not %s.", culture.kind())
	}
	if op.culture == "" {
		op.culture = ev.session.env.Culture
	}
	cols := slices.Clone(t.typ.fields)
	for _, tuple := range tuples {
		if len(tuple) != 2 {
			return nil, fail("A type transformation is a list of a column's name and a type.")
		}
		name, isText := tuple[0].(text)
		typ, isType := tuple[1].(*typeValue)
		if !isText || !isType {
			return nil, fail("A type transformation is a list of a column's name and a type.")
		}
		i := columnIndex(cols, string(name))
		if i < 0 {
			return nil, noColumn(cols, string(name))
		}
		if converterName(typ) == "" && typ.of != kindAny && typ.of != kindAnyNonNull {
			return nil, fail("Table.TransformColumnTypes has no conversion to type %s.", typ.of)
		}
		op.changes = append(op.changes, retyped{i, typ})
		cols[i].typ = typ.asNullable()
	}
	return newTable(&step{name: "Table.TransformColumnTypes", in: []*step{t.plan}, cols: cols, op: op}), nil
}

func tableSelectRows(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	return newTable(&step{name: "Table.SelectRows", in: []*step{t.plan}, cols: t.typ.fields, op: filter{args[1].(*function)}}), nil
}

func tableAddColumn(_ *evaluation, args []Value) (Value, error) {
	t, by := tableArg(args[0]), args[2].(*function)
	added := fieldType{name: string(args[1].(text)), typ: anyType()}
	if by.typ != nil && by.typ.result != nil {
		added.typ = by.typ.result
	}
	if typ, ok := args[3].(*typeValue); ok {
		added.typ = typ
	}
	cols := append(slices.Clone(t.typ.fields), added)
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.AddColumn", in: []*step{t.plan}, cols: cols, op: addColumn{by}}), nil
}

func tableAddIndexColumn(_ *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	op := addIndex{start: intNumber(0), increment: intNumber(1)}
	if n, ok := args[2].(number); ok {
		op.start = n
	}
	if n, ok := args[3].(number); ok {
		op.increment = n
	}
	added := fieldType{name: string(args[1].(text)), typ: simple(kindNumber)}
	if typ, ok := args[4].(*typeValue); ok {
		added.typ = typ
	}
	cols := append(slices.Clone(t.typ.fields), added)
	if err := checkUnique(cols); err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.AddIndexColumn", in: []*step{t.plan}, cols: cols, op: op}), nil
}

func tableTransformColumns(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	tuples, err := tuplesArg(ev, args[1].(*list))
	if err != nil {
		return nil, err
	}
	if t, tuples, err = missingColumns(ev, t, tuples, args[3]); err != nil {
		return nil, err
	}
	cols, op := slices.Clone(t.typ.fields), transform{}
	named := map[int]bool{}
	for _, tuple := range tuples {
		if len(tuple) < 2 {
			return nil, fail("A transformation is a list of a column's name, a function and perhaps a type.")
		}
		name, isText := tuple[0].(text)
		by, isFunction := tuple[1].(*function)
		if !isText || !isFunction {
			return nil, fail("A transformation is a list of a column's name, a function and perhaps a type.")
		}
		i := columnIndex(cols, string(name))
		if i < 0 {
			return nil, noColumn(cols, string(name))
		}
		named[i] = true
		op.changes = append(op.changes, transformed{i, by})
		cols[i].typ = anyType()
		if by.typ != nil && by.typ.result != nil {
			cols[i].typ = by.typ.result
		}
		if len(tuple) > 2 {
			if typ, ok := tuple[2].(*typeValue); ok {
				cols[i].typ = typ
			}
		}
	}
	if by, ok := args[2].(*function); ok {
		for i := range cols {
			if !named[i] {
				op.changes = append(op.changes, transformed{i, by})
				cols[i].typ = anyType()
			}
		}
	}
	return newTable(&step{name: "Table.TransformColumns", in: []*step{t.plan}, cols: cols, op: op}), nil
}

func tableReplaceValue(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	names, err := textsArg(ev, args[4], "A column name")
	if err != nil {
		return nil, err
	}
	columns, err := columnsNamed(t.typ.fields, names)
	if err != nil {
		return nil, err
	}
	cols := slices.Clone(t.typ.fields)
	for _, i := range columns {
		if f := args[3].(*function); f.name != "Replacer.ReplaceText" && !sameKind(cols[i].typ, args[2]) {
			cols[i].typ = anyType()
		}
	}
	op := replace{old: args[1], new: args[2], by: args[3].(*function), columns: columns}
	return newTable(&step{name: "Table.ReplaceValue", in: []*step{t.plan}, cols: cols, op: op}), nil
}

// sameKind tells whether a value may stand in a column of the type without changing it.
func sameKind(typ *typeValue, v Value) bool {
	return v.kind() == typ.of || v == null && typ.nullable
}

func tableSort(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	by, err := sortKeysOf(ev, t.typ.fields, args[1])
	if err != nil {
		return nil, err
	}
	return newTable(&step{name: "Table.Sort", in: []*step{t.plan}, cols: t.typ.fields, op: order{by}}), nil
}

// sortKeysOf reads comparison criteria: "A", {"A", Order.Descending}, {{"A", 1}, "B"}, each [A], {each [A], 1}, (a, b) => ….
func sortKeysOf(ev *evaluation, fields []fieldType, criteria Value) ([]sortKey, error) {
	one := func(of Value, direction Value) (sortKey, error) {
		o := sortKey{column: absent, descending: smallArg(direction, 0) == 1}
		switch of := of.(type) {
		case text:
			if o.column = columnIndex(fields, string(of)); o.column < 0 {
				return o, noColumn(fields, string(of))
			}
		case *function:
			if of.typ != nil && len(of.typ.params) == 2 {
				o.compare = of
			} else {
				o.of = of
			}
		default:
			return o, fail("A criterion of an order must be a column's name or a function, not %s.", of.kind())
		}
		return o, nil
	}
	l, ok := criteria.(*list)
	if !ok {
		o, err := one(criteria, null)
		return []sortKey{o}, err
	}
	items, err := l.all(ev)
	if err != nil {
		return nil, err
	}
	if len(items) == 2 && items[1].kind() == kindNumber {
		o, err := one(items[0], items[1])
		return []sortKey{o}, err
	}
	var by []sortKey
	for _, item := range items {
		direction := Value(null)
		if inner, ok := item.(*list); ok {
			pair, err := inner.all(ev)
			if err != nil {
				return nil, err
			}
			if len(pair) == 0 || len(pair) > 2 {
				return nil, fail("A criterion of an order is a column's name and a direction.")
			}
			item = pair[0]
			if len(pair) == 2 {
				direction = pair[1]
			}
		}
		o, err := one(item, direction)
		if err != nil {
			return nil, err
		}
		by = append(by, o)
	}
	return by, nil
}

func tableDistinct(ev *evaluation, args []Value) (Value, error) {
	t := tableArg(args[0])
	op := distinct{}
	var keys Value = args[1]
	if l, ok := keys.(*list); ok { // {"A", "B"}, {"A", comparer}, {{"A", comparer}, …}
		items, err := l.all(ev)
		if err != nil {
			return nil, err
		}
		if len(items) == 1 {
			if inner, ok := items[0].(*list); ok {
				if items, err = inner.all(ev); err != nil {
					return nil, err
				}
			}
		}
		if len(items) == 2 {
			if f, ok := items[1].(*function); ok {
				op.compare, keys = f, items[0]
			}
		}
	}
	if f, ok := keys.(*function); ok && f.typ != nil && len(f.typ.params) == 2 {
		op.compare, keys = f, null
	}
	if keys != null {
		names, err := textsArg(ev, keys, "A key of Table.Distinct")
		if err != nil {
			return nil, err
		}
		if op.keys, err = columnsNamed(t.typ.fields, names); err != nil {
			return nil, err
		}
	}
	if op.compare != nil {
		if _, err := comparable(op.compare, null); err != nil {
			return nil, err
		}
	}
	return newTable(&step{name: "Table.Distinct", in: []*step{t.plan}, cols: t.typ.fields, op: op}), nil
}

func tableFirstN(_ *evaluation, args []Value) (Value, error) {
	return limited("Table.FirstN", tableArg(args[0]), args[1], false)
}

func tableSkip(_ *evaluation, args []Value) (Value, error) {
	if args[1] == null {
		args[1] = intNumber(1)
	}
	return limited("Table.Skip", tableArg(args[0]), args[1], true)
}

func tableRange(ev *evaluation, args []Value) (Value, error) {
	skipped, err := limited("Table.Range", tableArg(args[0]), args[1], true)
	if err != nil || args[2] == null {
		return skipped, err
	}
	return limited("Table.Range", tableArg(skipped), args[2], false)
}

func limited(name string, t *relational, by Value, skip bool) (Value, error) {
	s := &step{name: name, in: []*step{t.plan}, cols: t.typ.fields}
	switch by := by.(type) {
	case *function:
		s.op = whileTrue{by, skip}
	case number:
		n, ok := by.int()
		if !ok || n < 0 {
			return nil, fail("The number of rows must be a whole number that is not negative.").with(by)
		}
		s.op = limit{take: n}
		if skip {
			s.op = limit{skip: n, take: -1}
		}
	default:
		return nil, fail("The number of rows must be a number or a condition, not %s.", by.kind()).with(by)
	}
	return newTable(s), nil
}

func tableCombine(ev *evaluation, args []Value) (Value, error) {
	items, err := args[0].(*list).all(ev)
	if err != nil {
		return nil, err
	}
	parts := make([]*relational, len(items))
	for i, item := range items {
		t, ok := item.(table)
		if !ok {
			return nil, fail("Table.Combine takes a list of tables, not one with a %s.", item.kind()).with(item)
		}
		parts[i] = relationalOf(t)
	}
	var names []string
	switch columns := args[1].(type) {
	case nullKind:
	case *typeValue:
		return combine(parts, columns.fields), nil
	default:
		if names, err = textsArg(ev, columns, "A column name"); err != nil {
			return nil, err
		}
		fields := make([]fieldType, len(names))
		for i, name := range names {
			fields[i] = fieldType{name: name, typ: anyType()}
			for _, part := range parts {
				if at := columnIndex(part.typ.fields, name); at >= 0 {
					fields[i].typ = part.typ.fields[at].typ
					break
				}
			}
		}
		return combine(parts, fields), nil
	}
	return combine(parts, nil), nil
}

// combine puts tables after each other; fields nil takes the columns of all, in the order in which they are first met.
func combine(parts []*relational, fields []fieldType) *relational {
	s := &step{name: "Table.Combine", cols: fields, op: combined{}}
	for _, part := range parts {
		s.in = append(s.in, part.plan)
	}
	if fields == nil {
		for _, part := range parts {
			for _, field := range part.typ.fields {
				switch at := columnIndex(s.cols, field.name); {
				case at < 0:
					s.cols = append(s.cols, field)
				case !sameType(s.cols[at].typ, field.typ):
					s.cols[at].typ = anyType()
				}
			}
		}
		for i, col := range s.cols {
			for _, part := range parts {
				if columnIndex(part.typ.fields, col.name) < 0 {
					s.cols[i].typ = s.cols[i].typ.asNullable()
				}
			}
		}
	}
	return newTable(s)
}
