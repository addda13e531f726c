package connector

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Argument is the value of a parameter of a statement: of @name, or with an empty name of the next ?.
type Argument struct {
	Name  string
	Value driver.Value // nil, int64, float64, bool, []byte (of text), string, time.Time
}

// binder gives the names of one statement their meaning, and writes it as SQL of DuckDB: every name quoted, every value a literal, every function one
// of its list. Nothing of the user's text gets into that SQL in another way.
type binder struct {
	endpoints   []*endpoint
	session     session // nil: there is none
	tables      map[place][]Table
	owner       *place // whose tables are read; nil: none are
	shown       []shown
	text        string
	arguments   []Argument
	describing  bool // the arguments are not known yet: each is NULL
	lenient     bool // parameters that endpoints require may be missing, since nothing will be called
	now         time.Time
	invocations []*invocation
	selected    []Column // of the SELECT of an INSERT
	names       int      // used so far for tables
	depth       int
	size        size // of the statement so far
}

// size is what the bounds of a statement are for: DuckDB's time grows with the square of the conditions and tables, and what a variable, CASE or IN holds
// may stand in its SQL many times.
type size struct{ parts, bytes, conditions, tables int }

const (
	maxParts      = 1_000_000 // expressions: more than a text has, but for variables
	maxBytes      = 8 << 20   // of values in SQL
	maxConditions = 5_000     // joined by AND and OR, and of CASE
	maxList       = 10_000    // values of IN (…)
	maxTables     = 256       // and table expressions
	maxColumns    = 4_096     // of a result, as in SQL Server
	maxKeys       = 1_000     // of GROUP BY and of ORDER BY
)

// larger counts what is added to the statement, and refuses it when that is too much.
func (b *binder) larger(at int, by size) error {
	s := &b.size
	s.parts, s.bytes, s.conditions, s.tables = s.parts+by.parts, s.bytes+by.bytes, s.conditions+by.conditions, s.tables+by.tables
	const smaller = "Write several statements."
	switch {
	case s.conditions > maxConditions:
		return b.fail(codeSyntax, at, "cannot compute a statement of more than %d conditions", maxConditions).hint("Name the values in a list, … IN ('a', 'b'), or write several statements.")
	case s.tables > maxTables:
		return b.fail(codeSyntax, at, "cannot read more than %d tables in one statement", maxTables).hint(smaller)
	case s.parts > maxParts:
		return b.fail(codeSyntax, at, "cannot compute a statement of more than %d parts", maxParts).hint(smaller)
	case s.bytes > maxBytes:
		return b.fail(codeSyntax, at, "cannot compute a statement whose values have more than %d bytes, each as often as it is used", maxBytes).hint(smaller)
	}
	return nil
}

func (b *binder) fail(code string, at int, format string, args ...any) *Error {
	return fail(code, b.text, at, format, args...)
}

// alias makes a name for a table that nothing else has.
func (b *binder) alias() string {
	b.names++
	return "t" + strconv.Itoa(b.names)
}

// relation is a table in FROM, or the result of a query. Its i-th column has the name f<i+1> in SQL.
type relation struct {
	name    string // by which columns are qualified
	alias   string // in SQL
	columns []Column
	call    *invocation // nil: no endpoint
}

func (r *relation) sql(i int) string { return r.alias + ".f" + strconv.Itoa(i+1) }

// scope is where the columns of one SELECT are looked up.
type scope struct {
	outer      *scope
	relations  []*relation
	tables     map[string]*relation // the common table expressions, by lower-case name; of outer ones too
	aggregates bool                 // may stand here
	within     int                  // aggregates around
	aggregated bool                 // one was seen
	loose      []loose              // columns outside of aggregates
	groups     map[string]bool      // the SQL of GROUP BY
}

// loose is a column that must be in GROUP BY if the SELECT is one of groups.
type loose struct {
	at   int
	name string
}

func (s *scope) table(name string) *relation {
	for ; s != nil; s = s.outer {
		if r := s.tables[strings.ToLower(name)]; r != nil {
			return r
		}
	}
	return nil
}

// given is a set of options, each of which some endpoint below must know.
type given struct {
	options []option
	used    []bool
	outer   *given
}

func newGiven(options []option, outer *given) *given {
	return &given{options, make([]bool, len(options)), outer}
}

// check refuses an option that no endpoint knew.
func (b *binder) check(g *given, from int) error {
	for i, o := range g.options {
		if !g.used[i] && o.value != nil {
			var known, called []string
			for _, in := range b.invocations[from:] {
				known = append(known, in.endpoint.parameterNames()...)
				called = append(called, in.endpoint.name)
			}
			if len(called) == 0 {
				return b.fail(codeUnknown, o.at, "cannot use the parameter '%s': no endpoint is called here", o.text).number(8145)
			}
			return b.fail(codeUnknown, o.at, "cannot find the parameter '%s' of %s", o.text, strings.Join(called, ", ")).near(o.text, "Parameters", known).number(8145)
		}
	}
	return nil
}

// bound is an expression in SQL.
type bound struct {
	sql       string
	typ       Type
	predicate bool // true or false, which in T-SQL is no value
	longest   int  // letters of a text that REPLACE may have made long; 0: as its type says
}

// maxReplaced bounds what REPLACE may make of a text, in letters: within each other a few of them make of one letter more than the memory holds.
const maxReplaced = 64 << 20

// letters are how many a text has at most, or is taken to have.
func (v bound) letters() int { return cmp.Or(v.longest, v.typ.Length, 4000) }

// query binds a query. Its columns have the SQL names f1, f2, …
func (b *binder) query(q *query, outer *scope, options *given) (sql string, columns []Column, err error) {
	if b.depth++; b.depth > maxDepth {
		return "", nil, b.fail(codeSyntax, 0, "cannot run a statement that nests deeper than %d", maxDepth).
			hint("Write the inner parts as statements of their own.")
	}
	defer func() { b.depth-- }()
	from := len(b.invocations)
	options = newGiven(q.options, options)
	s := &scope{outer: outer, tables: map[string]*relation{}}
	var with []string
	for _, common := range q.with {
		r, text, err := b.commonTable(common, s, options)
		if err != nil {
			return "", nil, err
		}
		with = append(with, r.alias+" AS ("+text+")")
		s.tables[strings.ToLower(common.name.text)] = r
	}
	limit, err := b.limit(q.limit, "LIMIT")
	if err != nil {
		return "", nil, err
	}
	offset, err := b.limit(q.offset, "OFFSET")
	if err != nil {
		return "", nil, err
	}
	empty := limit == "0"
	if body, single := q.body.(*selection); single {
		var tail string
		sql, columns, tail, err = b.selection(body, q.order, s, options, empty)
		if slices.ContainsFunc(conjuncts(body.where), isFalse) {
			b.skip(from)
		}
		if limit != "" && tail != "" {
			return "", nil, b.fail(codeSyntax, body.at, "cannot take both TOP and LIMIT")
		}
		if tail != "" {
			limit = tail
		}
	} else {
		if sql, columns, err = b.operand(q.body, s, options, empty); err == nil && len(q.order) > 0 {
			var order string
			order, err = b.orderByName(q.order, columns)
			sql += order
		}
	}
	if err != nil {
		return "", nil, err
	}
	if err := b.check(options, from); err != nil {
		return "", nil, err
	}
	if limit == "0" {
		b.skip(from)
	}
	if limit != "" {
		sql += " LIMIT " + limit
	}
	if offset != "" {
		sql += " OFFSET " + offset
	}
	if len(with) > 0 {
		sql = "WITH " + strings.Join(with, ", ") + " " + sql
	}
	return sql, columns, nil
}

// skip keeps the endpoints that were named since from uncalled: none of their rows is asked for. Tools put a statement into another one that asks for no
// row, to learn its columns.
func (b *binder) skip(from int) {
	for _, in := range b.invocations[from:] {
		in.skip = true
	}
}

func (b *binder) commonTable(c commonTable, s *scope, options *given) (*relation, string, error) {
	if s.tables[strings.ToLower(c.name.text)] != nil {
		return nil, "", b.fail(codeMeaning, c.name.at, "cannot define the table expression '%s' twice", c.name.text)
	}
	if err := b.larger(c.name.at, size{tables: 1}); err != nil {
		return nil, "", err
	}
	text, columns, err := b.query(c.query, s, options)
	if err != nil {
		return nil, "", err
	}
	columns = slices.Clone(columns)
	if c.columns != nil {
		if len(c.columns) != len(columns) {
			return nil, "", b.fail(codeMeaning, c.name.at, "cannot name %d columns of '%s': it has %d", len(c.columns), c.name.text, len(columns))
		}
		for i := range columns {
			columns[i].Name = c.columns[i].text
		}
	}
	return &relation{name: c.name.text, alias: b.alias(), columns: columns}, text, nil
}

// limit returns a number of rows in SQL; "" when there is none.
func (b *binder) limit(e expression, what string) (string, error) {
	if e == nil {
		return "", nil
	}
	value, known, err := b.constant(e)
	if err != nil {
		return "", err
	}
	if known && value == nil && b.describing {
		return "", nil
	}
	n, err := strconv.ParseInt(fmt.Sprint(value), 10, 64)
	if !known || err != nil || n < 0 {
		return "", b.fail(codeMeaning, e.position(), "cannot use this for %s: it takes a whole number of rows", what)
	}
	return strconv.FormatInt(n, 10), nil
}

// operand binds a part of a UNION.
func (b *binder) operand(o setOperand, s *scope, options *given, empty bool) (string, []Column, error) {
	switch o := o.(type) {
	case *query:
		sql, columns, err := b.query(o, s, options)
		return "(" + sql + ")", columns, err
	case *selection:
		sql, columns, top, err := b.selection(o, nil, s, options, empty)
		if top != "" {
			sql += " LIMIT " + top
		}
		return "(" + sql + ")", columns, err
	}
	operation := o.(*setOperation)
	if b.depth++; b.depth > maxDepth {
		return "", nil, b.fail(codeSyntax, operation.at, "cannot run a statement of more than %d parts joined by %s", maxDepth, operation.operator).
			hint("Write several statements; rows of constants stand in INSERT … VALUES.")
	}
	defer func() { b.depth-- }()
	left, columns, err := b.operand(operation.left, s, options, empty)
	if err != nil {
		return "", nil, err
	}
	right, others, err := b.operand(operation.right, s, options, empty)
	if err != nil {
		return "", nil, err
	}
	if len(columns) != len(others) {
		return "", nil, b.fail(codeMeaning, operation.at, "cannot join by %s what has %d and %d columns", operation.operator, len(columns), len(others))
	}
	unified := slices.Clone(columns)
	for i := range columns {
		typ, ok := unify(columns[i].Type, others[i].Type)
		if !ok {
			return "", nil, b.fail(codeMeaning, operation.at, "cannot join by %s the types %s and %s of column %d", operation.operator, columns[i].Type, others[i].Type, i+1)
		}
		unified[i].Type = typ
	}
	return "(" + recast(left, columns, unified, b.alias()) + " " + operation.operator + " " + recast(right, others, unified, b.alias()) + ")", unified, nil
}

// recast gives the columns of a query other types.
func recast(sql string, from, to []Column, alias string) string {
	items := make([]string, len(from))
	for i := range from {
		name := "f" + strconv.Itoa(i+1)
		items[i] = alias + "." + name
		if from[i].Type.duck() != to[i].Type.duck() {
			items[i] = "CAST(" + items[i] + " AS " + to[i].Type.duck().String() + ")"
		}
		items[i] += " AS " + name
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM " + sql + " AS " + alias
}

const notShown = "cannot order by this: after UNION or DISTINCT only the columns of the result can be used"

// orderByName orders a union by names or numbers of its columns. A qualifier is that of its first part.
func (b *binder) orderByName(order []orderItem, columns []Column) (string, error) {
	if len(order) > maxKeys {
		return "", b.fail(codeSyntax, order[0].value.position(), "cannot order by %d columns: %d are the most", len(order), maxKeys)
	}
	var items []string
	for _, o := range order {
		value := o.value
		if named, ok := value.(column); ok {
			value = column{at: named.at, name: named.name}
		}
		i := outputOf(value, columns)
		if i < 0 {
			return "", b.fail(codeMeaning, o.value.position(), notShown)
		}
		items = append(items, orderSQL("f"+strconv.Itoa(i+1), o.descending))
	}
	return " ORDER BY " + strings.Join(items, ", "), nil
}

// orderSQL puts NULL before every value, as SQL Server does.
func orderSQL(sql string, descending bool) string {
	if descending {
		return sql + " DESC NULLS LAST"
	}
	return sql + " ASC NULLS FIRST"
}

// outputOf finds the column of a result that ORDER BY means; -1 when it means another thing.
func outputOf(e expression, columns []Column) int {
	switch e := e.(type) {
	case literalNumber:
		if n, err := strconv.Atoi(e.text); err == nil && n >= 1 && n <= len(columns) {
			return n - 1
		}
	case column:
		if e.qualifier == "" {
			return slices.IndexFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, e.name) })
		}
	}
	return -1
}

// selection binds one SELECT with its ORDER BY, and returns the number of TOP beside it.
func (b *binder) selection(s *selection, order []orderItem, outer *scope, options *given, empty bool) (sql string, columns []Column, top string, err error) {
	if top, err = b.limit(s.top, "TOP"); err != nil {
		return "", nil, "", err
	}
	if i := slices.IndexFunc(s.items, func(i item) bool { return i.target != "" }); i >= 0 {
		return "", nil, "", b.fail(codeMeaning, s.items[i].at, "cannot set @%s here: only a SELECT that is a statement of its own, without UNION, sets variables", s.items[i].target)
	}
	from := len(b.invocations)
	options = newGiven(s.options, options)
	in := &scope{outer: outer, groups: map[string]bool{}}
	conditions := conjuncts(s.where)
	empty = empty || top == "0" || slices.ContainsFunc(conditions, isFalse)
	var tables []*placed
	for _, source := range s.from {
		p, err := b.place(source, in, options)
		if err != nil {
			return "", nil, "", err
		}
		tables = append(tables, p)
	}
	if empty {
		b.skip(from)
	}
	if conditions, err = b.parameters(conditions, in); err != nil {
		return "", nil, "", err
	}
	rest := conditions
	for _, p := range tables {
		if err := b.gather(p, in); err != nil {
			return "", nil, "", err
		}
		rest = append(rest, p.conditions...)
	}
	if err := b.shape(in, rest, options); err != nil {
		return "", nil, "", err
	}
	var clauses []string
	for i, p := range tables {
		text, err := b.from(p, in)
		if err != nil {
			return "", nil, "", err
		}
		clauses = append(clauses, []string{" FROM ", ", "}[min(i, 1)]+text)
	}
	where, err := b.conditions(conditions, "AND", in)
	if err != nil {
		return "", nil, "", err
	}
	if where != "" {
		clauses = append(clauses, " WHERE "+where)
	}
	if err := b.check(options, from); err != nil {
		return "", nil, "", err
	}
	items, columns, tail, err := b.output(s, order, in)
	if err != nil {
		return "", nil, "", err
	}
	if empty {
		b.skip(from) // what its subqueries name, too
	}
	distinct := ""
	if s.distinct {
		distinct = "DISTINCT "
	}
	return "SELECT " + distinct + strings.Join(items, ", ") + strings.Join(clauses, "") + tail, columns, top, nil
}

// output binds GROUP BY, the columns, HAVING and ORDER BY.
func (b *binder) output(s *selection, order []orderItem, in *scope) (items []string, columns []Column, tail string, err error) {
	if n := max(len(s.group), len(order)); n > maxKeys {
		return nil, nil, "", b.fail(codeSyntax, s.at, "cannot group or order by %d columns: %d are the most", n, maxKeys)
	}
	var groups []string
	for _, g := range s.group {
		if _, number := g.(literalNumber); number {
			return nil, nil, "", b.fail(codeMeaning, g.position(), "cannot group by a number: name the column")
		}
		group, err := b.value(g, in)
		if err != nil {
			return nil, nil, "", err
		}
		in.groups[group.sql] = true
		groups = append(groups, group.sql)
	}
	in.loose, in.aggregates = nil, true
	for _, i := range s.items {
		if err := b.item(i, in, &items, &columns); err != nil {
			return nil, nil, "", err
		}
	}
	if len(groups) > 0 {
		tail = " GROUP BY " + strings.Join(groups, ", ")
	}
	if s.having != nil {
		having, err := b.predicate(s.having, in)
		if err != nil {
			return nil, nil, "", err
		}
		in.aggregated = true
		tail += " HAVING " + having
	}
	text, err := b.order(s, order, items, columns, in)
	if err != nil {
		return nil, nil, "", err
	}
	if (in.aggregated || len(groups) > 0) && len(in.loose) > 0 {
		return nil, nil, "", b.fail(codeMeaning, in.loose[0].at, "cannot show the column '%s' of groups: it is neither in GROUP BY nor within an aggregate such as MAX", in.loose[0].name)
	}
	return items, columns, tail + text, nil
}

func (b *binder) order(s *selection, order []orderItem, shown []string, columns []Column, in *scope) (string, error) {
	if len(order) == 0 {
		return "", nil
	}
	var items []string
	for _, o := range order {
		if i := outputOf(o.value, columns); i >= 0 {
			items = append(items, orderSQL(strconv.Itoa(i+1), o.descending))
			continue
		}
		if n, number := o.value.(literalNumber); number {
			return "", b.fail(codeMeaning, n.at, "cannot order by column %s: the result has %d", n.text, len(columns))
		}
		value, err := b.value(o.value, in)
		if err != nil {
			return "", err
		}
		sql := "(" + value.sql + ")"
		if s.distinct {
			i := slices.IndexFunc(shown, func(item string) bool {
				return strings.HasPrefix(item, value.sql+" AS ") || strings.HasPrefix(item, "CAST("+value.sql+" AS ")
			})
			if i < 0 {
				return "", b.fail(codeMeaning, o.value.position(), notShown)
			}
			sql = strconv.Itoa(i + 1)
		}
		items = append(items, orderSQL(sql, o.descending))
	}
	return " ORDER BY " + strings.Join(items, ", "), nil
}

// item binds a column of the result, or several for a star.
func (b *binder) item(i item, in *scope, items *[]string, columns *[]Column) error {
	add := func(sql string, c Column) {
		*columns = append(*columns, c)
		*items = append(*items, sql+" AS f"+strconv.Itoa(len(*columns)))
	}
	if !i.star {
		if len(*columns) == maxColumns {
			return b.tooWide(i)
		}
		value, err := b.value(i.value, in)
		if err != nil {
			return err
		}
		c := Column{Name: i.alias, Type: value.typ}
		if named, ok := i.value.(column); ok && c.Name == "" {
			c.Name = b.spelling(named, in)
		}
		add("CAST("+value.sql+" AS "+c.Type.duck().String()+")", c)
		return nil
	}
	found := false
	for _, r := range in.relations {
		if i.qualifier != "" && !strings.EqualFold(i.qualifier, r.name) {
			continue
		}
		found = true
		for n, c := range r.columns {
			if !in.groups[r.sql(n)] {
				in.loose = append(in.loose, loose{i.at, c.Name})
			}
			add(r.sql(n), c)
		}
	}
	if len(*columns) > maxColumns {
		return b.tooWide(i)
	}
	if !found && i.qualifier != "" {
		return b.fail(codeUnknown, i.at, "cannot find the table '%s' in FROM", i.qualifier).number(4104)
	}
	if !found {
		return b.fail(codeMeaning, i.at, "cannot show all columns: there is no FROM")
	}
	return nil
}

func (b *binder) tooWide(i item) error {
	return b.fail(codeSyntax, i.at, "cannot give a result of more than %d columns", maxColumns).hint("Name those that are needed.")
}

// spelling is how a column writes its own name; "" for what is none.
func (b *binder) spelling(named column, in *scope) string {
	for s := in; s != nil; s = s.outer {
		for _, r := range s.relations {
			for _, c := range r.columns {
				if strings.EqualFold(c.Name, named.name) && (named.qualifier == "" || strings.EqualFold(named.qualifier, r.name)) {
					return c.Name
				}
			}
		}
	}
	return "" // CURRENT_TIMESTAMP
}
