package mashup

import (
	"slices"
	"strings"

	"freshet.dev/internal/mashup/syntax"
)

func (op scan) fold(f *folding, _ *step, _ []*query) (*query, error) {
	return f.scanFrom(op, 0), nil
}

func (f *folding) scanFrom(op scan, skip int64) *query {
	token := viewName()
	f.items[token] = &fromItem{scan: op.of, skip: skip}
	q := &query{from: token, token: token, limit: -1}
	for _, field := range op.of.Schema().Fields() {
		e := arrowExpr(field.Type)
		e.column = field.Name
		e.nonNull = !field.Nullable
		q.cols = append(q.cols, e)
	}
	return q
}

func (op queried) fold(_ *folding, _ *step, _ []*query) (*query, error) {
	q := &query{database: op.database, from: op.from, limit: -1}
	column := op.database.Dialect().Column
	for _, field := range op.schema.Fields() {
		e := postgresExpr(column(field))
		e.column = field.Name
		q.cols = append(q.cols, e)
	}
	return q, nil
}

func (op project) fold(_ *folding, _ *step, in []*query) (*query, error) {
	q := in[0].copied()
	q.token = ""
	q.cols = make([]*sqlExpr, len(op.from))
	for i, from := range op.from {
		if from == absent {
			q.cols[i], _ = literalExpr(null)
			continue
		}
		q.cols[i] = in[0].cols[from]
	}
	if in[0].eager && len(op.from) < len(in[0].cols) {
		return nil, refuse("errors in the columns that are left out would count")
	}
	return q, nil
}

func (op retype) fold(f *folding, s *step, in []*query) (*query, error) {
	q := in[0].copied()
	q.token = ""
	for _, change := range op.changes {
		e, err := f.rules.convert(f, q, q.cols[change.column], s.cols[change.column].name, change.typ, op.culture)
		if err != nil {
			return nil, err
		}
		q.cols[change.column] = e
	}
	return q, nil
}

func (op filter) fold(f *folding, s *step, in []*query) (*query, error) {
	q := in[0].copied()
	if q.eager {
		return nil, refuse("errors in the rows that are left out would count")
	}
	if !q.flat() {
		q = q.nested("t", "c")
	}
	q.token = ""
	condition, err := f.function(q, op.condition, s.cols)
	if err != nil {
		return nil, err
	}
	if condition.kind != sqlLogical {
		return nil, refuse("its condition gives no logical value")
	}
	q.where = both(q.where, condition)
	return q, nil
}

// both adds a condition. Where one may fail, the ones before it decide first whether it is evaluated at all.
func both(where []*sqlExpr, condition *sqlExpr) []*sqlExpr {
	if len(where) == 0 {
		return []*sqlExpr{condition}
	}
	failing := condition.raises || slices.ContainsFunc(where, func(e *sqlExpr) bool { return e.raises })
	if !failing {
		return append(where, condition)
	}
	first := where[0]
	for _, next := range where[1:] {
		first = &sqlExpr{kind: sqlLogical, form: "({0} AND {1})", args: []*sqlExpr{first, next}, raises: first.raises || next.raises}
	}
	return []*sqlExpr{{kind: sqlLogical, form: "CASE WHEN {0} THEN {1} ELSE FALSE END", args: []*sqlExpr{first, condition}, raises: true}}
}

func (op addColumn) fold(f *folding, s *step, in []*query) (*query, error) {
	q := in[0].copied()
	q.token = ""
	e, err := f.function(q, op.compute, s.in[0].cols)
	if err != nil {
		return nil, err
	}
	if e.kind == sqlOther || e.kind == sqlDouble {
		return nil, refuse("the new column's values would not be known exactly")
	}
	q.cols = append(q.cols, e)
	return q, nil
}

func (op transform) fold(f *folding, s *step, in []*query) (*query, error) {
	q := in[0].copied()
	q.token = ""
	for _, change := range op.changes {
		if change.by.closure == nil || len(change.by.closure.names) != 1 {
			return nil, refuse("the function of column '%s' has no form in SQL", s.cols[change.column].name)
		}
		t := translation{f: f, q: q, of: change.by, parameter: change.by.closure.names[0], cell: q.cols[change.column]}
		e, err := t.expr(change.by.closure.syntax.Body)
		if err != nil {
			return nil, err
		}
		if e.kind == sqlOther || e.kind == sqlDouble && e != t.cell {
			return nil, refuse("the new values of column '%s' would not be known exactly", s.cols[change.column].name)
		}
		q.cols[change.column] = e
	}
	return q, nil
}

func (op replace) fold(f *folding, s *step, in []*query) (*query, error) {
	q := in[0].copied()
	q.token = ""
	if op.by.name != "Replacer.ReplaceValue" {
		return nil, refuse("only Replacer.ReplaceValue has a form in SQL")
	}
	old, okOld := literalExpr(op.old)
	with, okNew := literalExpr(op.new)
	if !okOld || !okNew {
		return nil, refuse("the values to replace have no exact form in SQL")
	}
	for _, column := range op.columns {
		cell := q.cols[column]
		if with.kind != sqlNull && cell.kind != with.kind || cell.kind == sqlOther {
			return nil, refuse("the new value is of another type than column '%s'", s.cols[column].name)
		}
		same, err := f.rules.compare(q, "=", cell, old)
		if err != nil {
			return nil, err
		}
		q.cols[column] = &sqlExpr{kind: cell.kind, precision: cell.precision, scale: cell.scale, nan: cell.nan, raises: cell.raises,
			form: "CASE WHEN {0} THEN {1} ELSE {2} END", args: []*sqlExpr{same, with, cell}}
		if with.kind == sqlDecimal || cell.kind == sqlDecimal {
			return nil, refuse("decimals of different scales are not replaced in SQL")
		}
	}
	return q, nil
}

func (op addIndex) fold(_ *folding, _ *step, in []*query) (*query, error) {
	start, okStart := op.start.int()
	increment, okIncrement := op.increment.int()
	if in[0].postgres() || !okStart || !okIncrement || start > 1<<31 || start < -1<<31 || increment > 1<<20 || increment < -1<<20 {
		return nil, refuse("rows of a database have no number until they are read")
	}
	q := in[0].nested("t", "c")
	first, _ := literalExpr(intNumber(start))
	by, _ := literalExpr(intNumber(increment))
	index := &sqlExpr{kind: sqlInt, nonNull: true, form: "({0} + {1} * (row_number() OVER () - 1))", args: []*sqlExpr{first, by}}
	q.cols = append(q.cols, index)
	return q.nested("n", "c"), nil
}

func (op limit) fold(f *folding, s *step, in []*query) (*query, error) {
	if in[0].mayFail() {
		return nil, refuse("an error in a row that is not asked for would count")
	}
	if in[0].token != "" && op.take < 0 {
		item := f.items[in[0].token]
		return f.scanFrom(scan{of: item.scan}, item.skip+op.skip), nil
	}
	q := in[0].copied()
	q.token = ""
	if !q.flat() {
		q = q.nested("t", "c")
	}
	q.limit, q.skip = op.take, op.skip
	if slices.ContainsFunc(q.cols, func(e *sqlExpr) bool { return e.raises }) {
		q = q.nested("t", "c")
	}
	return q, nil
}

func (op order) fold(f *folding, s *step, in []*query) (*query, error) {
	q := in[0].copied()
	q.token = ""
	if q.eager {
		return nil, refuse("the sort reads converted cells")
	}
	if !q.flat() {
		q = q.nested("t", "c")
	}
	for _, o := range op.by {
		if o.column == absent {
			return nil, refuse("a sort by a function has no form in SQL")
		}
		e := q.cols[o.column]
		switch e.kind {
		case sqlText, sqlInt, sqlDate, sqlDateTime, sqlLogical, sqlDouble:
		case sqlDecimal:
			if e.nan {
				return nil, refuse("NaN sorts differently in the database")
			}
		default:
			return nil, refuse("column '%s' is of a type whose order SQL may not keep", s.cols[o.column].name)
		}
	}
	if !q.postgres() && len(q.order) == 0 {
		// A sort is stable: rows that are equal stay in the order of the file, or of the sort before.
		q = q.nested("t", "c")
		q.cols = append(q.cols, &sqlExpr{kind: sqlInt, nonNull: true, form: "row_number() OVER ()"})
		q = q.nested("n", "c")
		last := len(q.cols) - 1
		q.order = []sqlOrder{{by: q.cols[last]}}
		q.cols = q.cols[:last]
	}
	var by []sqlOrder
	for _, o := range op.by {
		e := q.cols[o.column]
		if e.kind == sqlDouble && e.nan {
			form := "CASE WHEN {0} IS NULL THEN 0 WHEN {0} = 'NaN' THEN 1 ELSE 2 END"
			by = append(by, sqlOrder{&sqlExpr{kind: sqlInt, nonNull: true, form: form, args: []*sqlExpr{e}, raises: e.raises}, o.descending})
		}
		by = append(by, sqlOrder{e, o.descending})
	}
	q.order = append(by, q.order...)
	return q, nil
}

func (op distinct) fold(f *folding, s *step, in []*query) (*query, error) {
	q := in[0]
	if q.eager {
		return nil, refuse("errors in the rows that are left out would count")
	}
	if op.compare != nil {
		return nil, refuse("a comparer has no form in SQL")
	}
	keys := op.keys
	if keys == nil {
		keys = upTo(len(q.cols))
	}
	for _, key := range keys {
		if err := groupable(q.cols[key], s.cols[key].name); err != nil {
			return nil, err
		}
	}
	if q.postgres() {
		if len(keys) < len(q.cols) {
			return nil, refuse("which of the rows of one key is the first is not known in a database")
		}
		if len(q.order) > 0 || !q.flat() {
			return nil, refuse("it follows a sort")
		}
		return distinctAll(q.nested("t", "c")), nil
	}
	numbered := q.nested("t", "c")
	numbered.cols = append(slices.Clone(numbered.cols), &sqlExpr{kind: sqlInt, nonNull: true, form: "row_number() OVER ()"})
	numbered = numbered.nested("n", "c")
	place := numbered.cols[len(numbered.cols)-1]
	var forms []string
	args := []*sqlExpr{place}
	for i, key := range keys {
		forms = append(forms, "{"+itoa(i+1)+"}")
		args = append(args, numbered.cols[key])
	}
	first := &sqlExpr{kind: sqlInt, nonNull: true, args: args, form: "row_number() OVER (PARTITION BY " + strings.Join(forms, ", ") + " ORDER BY {0})"}
	if len(keys) == 0 {
		return nil, refuse("it has no keys")
	}
	numbered.cols = append(numbered.cols, first)
	ranked := numbered.nested("d", "c")
	width := len(q.cols)
	one, _ := literalExpr(intNumber(1))
	ranked.where = []*sqlExpr{{kind: sqlLogical, form: "({0} = {1})", args: []*sqlExpr{ranked.cols[width+1], one}}}
	ranked.order = []sqlOrder{{by: ranked.cols[width]}}
	ranked.cols = ranked.cols[:width]
	return ranked, nil
}

// distinctAll is SELECT DISTINCT of a query.
func distinctAll(q *query) *query {
	names := make([]string, len(q.cols))
	for i := range names {
		names[i] = "d" + itoa(i)
	}
	outer := &query{database: q.database, limit: -1}
	for i, col := range q.cols {
		handed := *col
		handed.column, handed.form, handed.args, handed.value = names[i], "", nil, nil
		outer.cols = append(outer.cols, &handed)
	}
	outer.from = "(" + strings.Replace(q.sql(names), "SELECT ", "SELECT DISTINCT ", 1) + ") AS " + q.ident("u")
	return outer
}

// groupable tells whether SQL tells values of a column apart as the language does.
func groupable(e *sqlExpr, column string) error {
	switch e.kind {
	case sqlText, sqlInt, sqlDate, sqlDateTime, sqlLogical, sqlNull:
		return nil
	case sqlDecimal:
		if !e.nan {
			return nil
		}
	}
	return refuse("column '%s' is of a type that SQL may tell apart differently", column)
}

func (combined) fold(_ *folding, s *step, in []*query) (*query, error) {
	if len(in) == 0 {
		return nil, refuse("there is nothing to combine")
	}
	outer := &query{database: in[0].database, limit: -1}
	names := make([]string, len(s.cols))
	for i := range names {
		names[i] = "c" + itoa(i)
	}
	var arms []string
	kinds := make([]*sqlExpr, len(s.cols))
	for i, input := range in {
		arm := input.copied()
		if len(arm.order) > 0 || !arm.flat() {
			arm = arm.nested("t", "c")
		}
		cols := make([]*sqlExpr, len(s.cols))
		for k, from := range matchColumns(s, i) {
			if from == absent {
				cols[k], _ = literalExpr(null)
				continue
			}
			cols[k] = arm.cols[from]
			outer.eager = outer.eager || cols[k].raises
			switch known := kinds[k]; {
			case known == nil:
				kinds[k] = cols[k]
			case known.kind != cols[k].kind || known.scale != cols[k].scale || known.precision != cols[k].precision || known.kind == sqlOther:
				return nil, refuse("column '%s' is of different types in the tables", s.cols[k].name)
			}
		}
		if input.eager {
			outer.eager = true
		}
		arm.cols = cols
		arms = append(arms, arm.sql(names))
	}
	for k, kind := range kinds {
		if kind == nil || kind.kind == sqlNull {
			return nil, refuse("column '%s' is in none of the tables", s.cols[k].name)
		}
		handed := *kind
		handed.column, handed.form, handed.args, handed.value, handed.raises, handed.nonNull = names[k], "", nil, nil, false, false
		handed.nan = true
		if kind.kind != sqlDouble && kind.kind != sqlDecimal {
			handed.nan = false
		}
		outer.cols = append(outer.cols, &handed)
	}
	outer.from = "(" + strings.Join(arms, " UNION ALL ") + ") AS " + outer.ident("t")
	return outer, nil
}

func (op join) fold(f *folding, s *step, in []*query) (*query, error) {
	word := map[joinKind]string{joinInner: "JOIN", joinLeftOuter: "LEFT JOIN", joinRightOuter: "RIGHT JOIN", joinFullOuter: "FULL JOIN"}[op.kind]
	if word == "" {
		return nil, refuse("this kind of join has no form in SQL here")
	}
	left, right := in[0].nested("l", "l"), in[1].nested("r", "r")
	if left.eager || right.eager {
		return nil, refuse("the join reads converted cells")
	}
	for side, q := range []*query{left, right} {
		for _, col := range q.cols {
			if col.raises && !col.strict && (side == 1 && op.kind != joinInner || side == 0 && (op.kind == joinRightOuter || op.kind == joinFullOuter)) {
				return nil, refuse("a computed column may fail")
			}
		}
	}
	if op.kind == joinFullOuter && left.postgres() {
		return nil, refuse("PostgreSQL has no full join in which null equals null")
	}
	joined := &query{database: left.database, limit: -1}
	var tests []string
	for i := range op.left {
		l, r := left.cols[op.left[i]], right.cols[op.right[i]]
		if l.kind != r.kind || l.kind == sqlDecimal && l.scale != r.scale {
			return nil, refuse("the keys are of different types")
		}
		if err := groupable(l, s.in[0].cols[op.left[i]].name); err != nil {
			return nil, err
		}
		if err := groupable(r, s.in[1].cols[op.right[i]].name); err != nil {
			return nil, err
		}
		var b strings.Builder
		left.write(&b, &sqlExpr{form: f.rules.joinTest, args: []*sqlExpr{l, r}})
		tests = append(tests, b.String())
	}
	if len(tests) == 0 {
		return nil, refuse("it has no keys")
	}
	joined.from = left.from + " " + word + " " + right.from + " ON " + strings.Join(tests, " AND ")
	for _, col := range left.cols {
		joined.cols = append(joined.cols, outerSide(col, op.kind == joinRightOuter || op.kind == joinFullOuter))
	}
	for _, i := range op.pick {
		joined.cols = append(joined.cols, outerSide(right.cols[i], op.kind != joinInner))
	}
	return joined, nil
}

// outerSide is a column of a side that an outer join may fill with nulls.
func outerSide(e *sqlExpr, outer bool) *sqlExpr {
	if !outer {
		return e
	}
	copied := *e
	copied.nonNull = false
	return &copied
}

func (op group) fold(f *folding, s *step, in []*query) (*query, error) {
	if op.local || op.compare != nil {
		return nil, refuse("groups of neighbours and comparers have no form in SQL")
	}
	q := in[0]
	if q.eager {
		return nil, refuse("the groups read converted cells")
	}
	q = q.nested("t", "c")
	grouped := &query{database: q.database, limit: -1, from: q.from}
	names := make([]string, len(s.cols))
	for i := range names {
		names[i] = "g" + itoa(i)
	}
	var keys []string
	for i, key := range op.keys {
		if err := groupable(q.cols[key], s.cols[i].name); err != nil {
			return nil, err
		}
		var b strings.Builder
		q.write(&b, q.cols[key])
		keys = append(keys, b.String())
		grouped.cols = append(grouped.cols, q.cols[key])
	}
	for _, aggregate := range op.aggregates {
		e, err := f.aggregate(q, aggregate, s.in[0].cols)
		if err != nil {
			return nil, err
		}
		grouped.cols = append(grouped.cols, e)
	}
	if len(keys) == 0 {
		return nil, refuse("it has no keys")
	}
	outer := &query{database: q.database, limit: -1}
	for i, col := range grouped.cols {
		outer.eager = outer.eager || i >= len(keys) && col.raises
		handed := *col
		handed.column, handed.form, handed.args, handed.value, handed.raises = names[i], "", nil, nil, false
		outer.cols = append(outer.cols, &handed)
	}
	outer.from = "(" + grouped.sql(names) + " GROUP BY " + strings.Join(keys, ", ") + ") AS " + q.ident("t")
	return outer, nil
}

// countAll is Table.RowCount as a table of one row.
type countAll struct{}

func (countAll) begin(ev *evaluation, s *step) (rows, error) {
	n, err := countRows(ev, s.in[0])
	return allRows([][]Value{{intNumber(n)}}), err
}

func (countAll) fold(_ *folding, _ *step, in []*query) (*query, error) {
	if in[0].mayFail() {
		return nil, refuse("an error in a row would count")
	}
	q := in[0].nested("t", "c")
	q.cols = []*sqlExpr{{kind: sqlInt, nonNull: true, form: "COUNT(*)"}}
	return q, nil
}

// extremeOf is List.Max or List.Min of a table's one column as a table of one row. It is only ever folded.
type extremeOf struct{ sign int }

func (extremeOf) begin(*evaluation, *step) (rows, error) { return nil, errByRows }

func (op extremeOf) fold(f *folding, _ *step, in []*query) (*query, error) {
	if in[0].mayFail() {
		return nil, refuse("an error in a row would count")
	}
	q := in[0].nested("t", "c")
	cell := q.cols[0]
	if !hasOrder(cell) {
		return nil, refuse("its order has no exact form in SQL")
	}
	form := f.rules.aggregates["List.Max"]
	if op.sign < 0 {
		form = f.rules.aggregates["List.Min"]
	}
	q.cols = []*sqlExpr{{kind: cell.kind, precision: cell.precision, scale: cell.scale, form: form, args: []*sqlExpr{cell}}}
	return q, nil
}

// hasOrder tells whether MIN and MAX of a cell are those of the language.
func hasOrder(cell *sqlExpr) bool {
	return cell.kind == sqlInt || cell.kind == sqlDate || cell.kind == sqlDateTime || cell.kind == sqlDecimal && !cell.nan
}

// aggregate folds each List.Sum([A]) and its like.
func (f *folding) aggregate(q *query, a aggregate, fields []fieldType) (*sqlExpr, error) {
	no := refuse("the aggregation of '%s' has no exact form in SQL", a.name)
	if a.compute.closure == nil || len(a.compute.closure.names) != 1 {
		if a.compute.name == "Table.RowCount" {
			return &sqlExpr{kind: sqlInt, nonNull: true, form: "COUNT(*)"}, nil
		}
		return nil, no
	}
	call, ok := a.compute.closure.syntax.Body.(*syntax.Call)
	if !ok || len(call.Args) != 1 {
		return nil, no
	}
	t := translation{f: f, q: q, of: a.compute, parameter: a.compute.closure.names[0], fields: fields}
	called, err := t.function(call.Func)
	if err != nil {
		return nil, err
	}
	if called.name == "Table.RowCount" && t.isParameter(call.Args[0]) {
		return &sqlExpr{kind: sqlInt, nonNull: true, form: "COUNT(*)"}, nil
	}
	field, ok := call.Args[0].(*syntax.Field)
	form := f.rules.aggregates[called.name]
	if !ok || !t.isParameter(field.X) || field.Optional || form == "" {
		return nil, no
	}
	cell, err := t.column(field.Name)
	if err != nil {
		return nil, err
	}
	e := &sqlExpr{kind: cell.kind, precision: cell.precision, scale: cell.scale, form: form, args: []*sqlExpr{cell}, raises: cell.raises}
	switch {
	case called.name == "List.Count":
		e.kind, e.nonNull = sqlInt, true
		e.raises = false // it counts cells without looking at them
	case called.name == "List.Sum" && cell.kind == sqlInt:
		e.form = "CAST(" + form + " AS BIGINT)"
	case called.name == "List.Sum" && cell.kind == sqlDecimal && !cell.nan && cell.scale <= 10:
		e.precision = 38
		e.form = "CAST(" + form + " AS DECIMAL(38," + itoa(int(cell.scale)) + "))"
	case called.name != "List.Sum" && hasOrder(cell):
	default:
		return nil, no
	}
	return e, nil
}

func (op byErrors) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("errors in cells are found by rows")
}

func (op errorsAs) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("errors in cells are found by rows")
}
