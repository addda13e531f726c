package mashup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/source"
)

// folding turns a plan into SQL. Files fold into DuckDB's dialect, a database into its own; nothing of two sources folds together.
type folding struct {
	ev    *evaluation
	rules *rules
	items map[string]*fromItem // what a name in FROM stands for, by its token
}

// fromItem is a file in a FROM clause. How DuckDB reads it is found out when the statement is sent.
type fromItem struct {
	scan source.Scan
	skip int64
}

// refusal is why a step does not fold.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// query is a SELECT that gives the rows of a step.
type query struct {
	database source.Database // nil: DuckDB over files
	from     string
	token    string // set while from is nothing but a file
	cols     []*sqlExpr
	where    []*sqlExpr
	order    []sqlOrder
	limit    int64 // below 0: none
	skip     int64
	// eager tells that cells are converted inside from, so that an error in one fails the statement even where its row or column
	// is dropped afterwards: nothing that drops rows may fold over it.
	eager bool
}

type sqlOrder struct {
	by         *sqlExpr
	descending bool
}

// sqlKind is what an expression gives.
type sqlKind uint8

const (
	sqlOther sqlKind = iota // handed on as it is
	sqlText
	sqlInt
	sqlDouble
	sqlDecimal
	sqlLogical
	sqlDate
	sqlDateTime
	sqlBinary
	sqlNull // the literal null
)

// sqlExpr is an expression over the columns of a FROM clause.
type sqlExpr struct {
	kind      sqlKind
	precision int32 // of decimals
	scale     int32
	column    string // a column of from; or
	value     Value  // a literal; or
	form      string // text with {0}, {1} … for args
	args      []*sqlExpr
	raises    bool // evaluating it may fail
	strict    bool // null for nulls
	nonNull   bool
	fits      bool // a decimal within the range of the models' fixed decimals
	nan       bool // may be NaN, which the databases order and equate and the language does not
}

// fold writes a plan as SQL, or says which step refuses and why.
func (f *folding) fold(s *step) (*query, error) {
	in := make([]*query, len(s.in))
	for i, input := range s.in {
		var err error
		if in[i], err = f.fold(input); err != nil {
			return nil, err
		}
		if in[i].database != in[0].database {
			return nil, &brokenAt{s, refuse("its inputs are of different sources")}
		}
	}
	if forbidden := f.rules.forbid[s.name]; forbidden != "" {
		return nil, &brokenAt{s, refusal(forbidden)}
	}
	q, err := s.op.fold(f, s, in)
	if err != nil {
		if _, ok := err.(*brokenAt); !ok {
			err = &brokenAt{s, err}
		}
		return nil, err
	}
	return q, nil
}

// brokenAt is the first step that does not fold.
type brokenAt struct {
	step *step
	why  error
}

func (b *brokenAt) Error() string { return b.step.name + ": " + b.why.Error() }
func (b *brokenAt) Unwrap() error { return b.why }

// openFolded reads a step from its database, where the whole of it folds. Files are left to Go here: a plan over files that folds
// whole is read by DuckDB from the start.
func openFolded(ev *evaluation, s *step) (rows, bool, error) {
	if ev.session.reading.rowsOnly {
		return nil, false, nil
	}
	if _, plain := s.op.(queried); plain {
		return nil, false, nil
	}
	f := &folding{ev: ev, rules: ev.session.reading.rules, items: map[string]*fromItem{}}
	q, err := f.fold(s)
	if err != nil {
		if isRefusal(err) {
			err = nil
		}
		return nil, false, err
	}
	if q.database == nil {
		return nil, false, nil
	}
	statement := q.sql(s.names())
	if asking := ev.session.reading.asking; asking != nil {
		return nil, false, asking(nameOf(q.database), statement)
	}
	stream, err := q.database.Read(ev.ctx, statement, source.ReadOptions{})
	if err != nil {
		return nil, false, err
	}
	opened, err := streamRows(ev, stream)
	return opened, err == nil, err
}

func isRefusal(err error) bool {
	b, ok := err.(*brokenAt)
	if ok {
		err = b.why
	}
	_, ok = err.(refusal)
	return ok
}

func (q *query) postgres() bool { return q.database != nil }

func (q *query) ident(name string) string {
	if q.database != nil {
		return q.database.Dialect().Ident(name)
	}
	return duck.Ident(name)
}

func (q *query) literal(s string) string {
	if q.database != nil {
		return q.database.Dialect().Literal(s)
	}
	return duck.Literal(s)
}

// sql is the statement; names are those of its columns.
func (q *query) sql(names []string) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, col := range q.cols {
		if i > 0 {
			b.WriteString(", ")
		}
		q.write(&b, col)
		b.WriteString(" AS " + q.ident(names[i]))
	}
	if len(q.cols) == 0 {
		b.WriteString("NULL AS " + q.ident("none"))
	}
	b.WriteString(" FROM " + q.from)
	if len(q.where) > 0 {
		b.WriteString(" WHERE ")
		for i, condition := range q.where {
			if i > 0 {
				b.WriteString(" AND ")
			}
			q.write(&b, condition)
		}
	}
	if len(q.order) > 0 {
		b.WriteString(" ORDER BY ")
		for i, order := range q.order {
			if i > 0 {
				b.WriteString(", ")
			}
			q.writeOrder(&b, order)
		}
	}
	if q.limit >= 0 {
		b.WriteString(" LIMIT " + strconv.FormatInt(q.limit, 10))
	}
	if q.skip > 0 {
		b.WriteString(" OFFSET " + strconv.FormatInt(q.skip, 10))
	}
	return b.String()
}

// writeOrder writes an order in which null is least.
func (q *query) writeOrder(b *strings.Builder, order sqlOrder) {
	var text strings.Builder
	q.write(&text, order.by)
	by := text.String()
	if order.by.kind == sqlText {
		by = q.textOrder(by)
	}
	b.WriteString(by)
	if order.descending {
		b.WriteString(" DESC NULLS LAST")
	} else {
		b.WriteString(" ASC NULLS FIRST")
	}
}

// textOrder makes texts compare by their UTF-16 units as the language does. Both databases compare code points, so the characters
// above the surrogates are moved behind all others.
func (q *query) textOrder(by string) string {
	if q.postgres() {
		return `(regexp_replace(` + by + `, U&'([\E000-\FFFF])', U&'\+10FFFF\\1', 'g') COLLATE "C")`
	}
	return `regexp_replace(` + by + `, '([\x{E000}-\x{FFFF}])', chr(1114111) || '\1', 'g')`
}

func (q *query) write(b *strings.Builder, e *sqlExpr) {
	switch {
	case e.column != "":
		b.WriteString(q.ident(e.column))
	case e.value != nil:
		b.WriteString(q.constant(e.value))
	default:
		q.writeForm(b, e)
	}
}

func (q *query) writeForm(b *strings.Builder, e *sqlExpr) {
	form := e.form
	for {
		open := strings.IndexByte(form, '{')
		if open < 0 {
			b.WriteString(form)
			return
		}
		b.WriteString(form[:open])
		end := open + strings.IndexByte(form[open:], '}')
		arg, _ := strconv.Atoi(form[open+1 : end])
		q.write(b, e.args[arg])
		form = form[end+1:]
	}
}

// constant writes a literal. Only values that literalExpr takes reach it.
func (q *query) constant(v Value) string {
	switch v := v.(type) {
	case text:
		return q.literal(string(v))
	case logical:
		return strings.ToUpper(strconv.FormatBool(bool(v)))
	case number:
		switch v.rep {
		case repInt:
			if v.bits < 0 {
				return "(" + v.String() + ")"
			}
			return v.String()
		case repDecimal:
			return "(" + v.dec.Text('f') + ")"
		}
		s := strconv.FormatFloat(v.float(), 'g', -1, 64)
		return "CAST(" + q.literal(s) + " AS DOUBLE PRECISION)"
	case date:
		return "DATE " + q.literal(v.time().Format("2006-01-02"))
	case datetime:
		return "TIMESTAMP " + q.literal(v.time().Format("2006-01-02 15:04:05.999999"))
	}
	return "NULL"
}

// literalExpr is a value as an expression; ok is false for values that SQL has no exact form of.
func literalExpr(v Value) (*sqlExpr, bool) {
	e := &sqlExpr{value: v, nonNull: true}
	switch v := v.(type) {
	case nullKind:
		e.kind, e.nonNull = sqlNull, false
	case text:
		e.kind = sqlText
		if strings.IndexByte(string(v), 0) >= 0 {
			return nil, false
		}
	case logical:
		e.kind = sqlLogical
	case number:
		switch v.rep {
		case repInt:
			e.kind = sqlInt
		case repDecimal:
			if v.dec.Exponent > 0 || v.dec.Exponent < -20 || v.dec.NumDigits() > 30 {
				return nil, false
			}
			e.kind, e.scale, e.precision = sqlDecimal, -v.dec.Exponent, int32(v.dec.NumDigits())
		default:
			f := v.float()
			if f-f != 0 {
				return nil, false // infinite or NaN
			}
			e.kind = sqlDouble
		}
	case date:
		e.kind = sqlDate
	case datetime:
		e.kind = sqlDateTime
		if v%10 != 0 {
			return nil, false // finer than a microsecond
		}
	default:
		return nil, false
	}
	return e, true
}

// postgresLiteral writes a parameter of a native query.
func postgresLiteral(dialect source.Dialect, e *sqlExpr) string {
	q := &query{database: literalsOf{dialect: dialect}}
	return q.constant(e.value)
}

// literalsOf is a database of which only the dialect is asked.
type literalsOf struct {
	source.Database
	dialect source.Dialect
}

func (l literalsOf) Dialect() source.Dialect { return l.dialect }

// rules are what folding may do. Tests plant wrong ones.
type rules struct {
	forbid     map[string]string // steps that must not fold, and why
	compare    func(q *query, op string, left, right *sqlExpr) (*sqlExpr, error)
	convert    func(f *folding, q *query, e *sqlExpr, column string, typ *typeValue, culture string) (*sqlExpr, error)
	joinTest   string // how keys are compared
	aggregates map[string]string
}

func foldRules() *rules {
	return &rules{
		compare:    compareExpr,
		convert:    convertExpr,
		joinTest:   "({0} IS NOT DISTINCT FROM {1})",
		aggregates: map[string]string{"List.Sum": "SUM({0})", "List.Max": "MAX({0})", "List.Min": "MIN({0})", "List.Count": "COUNT(*)"},
	}
}

// columnsOf collects the columns that an expression reads.
func (e *sqlExpr) columnsOf(into *[]*sqlExpr) {
	if e.column != "" {
		if !slices.ContainsFunc(*into, func(known *sqlExpr) bool { return known.column == e.column }) {
			*into = append(*into, e)
		}
		return
	}
	for _, arg := range e.args {
		arg.columnsOf(into)
	}
}

// over is the expression with its columns replaced.
func (e *sqlExpr) over(replace map[string]*sqlExpr) *sqlExpr {
	if e.column != "" {
		return replace[e.column]
	}
	if len(e.args) == 0 {
		return e
	}
	copied := *e
	copied.args = make([]*sqlExpr, len(e.args))
	for i, arg := range e.args {
		copied.args[i] = arg.over(replace)
	}
	return &copied
}

// nested puts the query into a subquery, so that what comes next works on its rows. An expression that may fail is not evaluated
// inside but outside, where rows are gone that no longer matter: the subquery hands on the columns that it reads.
func (q *query) nested(alias, prefix string) *query {
	inner := &query{database: q.database, from: q.from, where: q.where, order: q.order, limit: q.limit, skip: q.skip}
	outer := &query{database: q.database, limit: -1, eager: q.eager}
	var names []string
	hand := func(e *sqlExpr) *sqlExpr {
		name := prefix + strconv.Itoa(len(names))
		names = append(names, name)
		inner.cols = append(inner.cols, e)
		handed := *e
		handed.column, handed.value, handed.form, handed.args, handed.raises = name, nil, "", nil, false
		return &handed
	}
	leaves := map[string]*sqlExpr{}
	for _, col := range q.cols {
		if !col.raises {
			outer.cols = append(outer.cols, hand(col))
			continue
		}
		var read []*sqlExpr
		col.columnsOf(&read)
		for _, leaf := range read {
			if leaves[leaf.column] == nil {
				leaves[leaf.column] = hand(leaf)
			}
		}
		outer.cols = append(outer.cols, col.over(leaves))
	}
	outer.from = "(" + inner.sql(names) + ") AS " + q.ident(alias)
	return outer
}

// flat tells that nothing was done yet that a WHERE would come before.
func (q *query) flat() bool { return q.limit < 0 && q.skip == 0 }

func (q *query) copied() *query {
	c := *q
	c.cols, c.where, c.order = slices.Clone(q.cols), slices.Clone(q.where), slices.Clone(q.order)
	return &c
}

// mayFail tells that finding out which rows there are may fail.
func (q *query) mayFail() bool {
	return q.eager || slices.ContainsFunc(q.where, func(e *sqlExpr) bool { return e.raises })
}
