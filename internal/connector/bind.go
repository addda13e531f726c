package connector

import (
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
	text        string
	arguments   []Argument
	describing  bool // the arguments are not known yet: each is NULL
	now         time.Time
	invocations []*invocation
	selected    []Column // of the SELECT of an INSERT
	names       int      // used so far for tables
	depth       int
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
				return b.fail(codeUnknown, o.at, "cannot use the parameter '%s': no endpoint is called here", o.text)
			}
			return b.fail(codeUnknown, o.at, "cannot find the parameter '%s' of %s", o.text, strings.Join(called, ", ")).near(o.text, "Parameters", known)
		}
	}
	return nil
}

// bound is an expression in SQL.
type bound struct {
	sql       string
	typ       Type
	predicate bool // true or false, which in T-SQL is no value
}

// query binds a query. Its columns have the SQL names f1, f2, …
func (b *binder) query(q *query, outer *scope, options *given) (sql string, columns []Column, err error) {
	if b.depth++; b.depth > maxDepth {
		return "", nil, b.fail(codeSyntax, 0, "cannot run a statement that nests deeper than %d", maxDepth)
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

func (b *binder) commonTable(c commonTable, s *scope, options *given) (*relation, string, error) {
	if s.tables[strings.ToLower(c.name.text)] != nil {
		return nil, "", b.fail(codeMeaning, c.name.at, "cannot define the table expression '%s' twice", c.name.text)
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
	if b.depth++; b.depth > 4*maxDepth {
		return "", nil, b.fail(codeSyntax, operation.at, "cannot run a statement of so many parts")
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

// orderByName orders a union by names or numbers of its columns.
func (b *binder) orderByName(order []orderItem, columns []Column) (string, error) {
	var items []string
	for _, o := range order {
		i := outputOf(o.value, columns)
		if i < 0 {
			return "", b.fail(codeMeaning, o.value.position(), "cannot order by this: after UNION or DISTINCT only the columns of the result can be used")
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
	for _, r := range in.relations {
		if r.call != nil {
			r.call.skip = empty
		}
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
	if err := b.shape(in, rest); err != nil {
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
	where, err := b.conditions(conditions, in)
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
	distinct := ""
	if s.distinct {
		distinct = "DISTINCT "
	}
	return "SELECT " + distinct + strings.Join(items, ", ") + strings.Join(clauses, "") + tail, columns, top, nil
}

// output binds GROUP BY, the columns, HAVING and ORDER BY.
func (b *binder) output(s *selection, order []orderItem, in *scope) (items []string, columns []Column, tail string, err error) {
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
	text, err := b.order(s, order, columns, in)
	if err != nil {
		return nil, nil, "", err
	}
	if (in.aggregated || len(groups) > 0) && len(in.loose) > 0 {
		return nil, nil, "", b.fail(codeMeaning, in.loose[0].at, "cannot show the column '%s' of groups: it is neither in GROUP BY nor within an aggregate such as MAX", in.loose[0].name)
	}
	return items, columns, tail + text, nil
}

func (b *binder) order(s *selection, order []orderItem, columns []Column, in *scope) (string, error) {
	if len(order) == 0 {
		return "", nil
	}
	if s.distinct {
		return b.orderByName(order, columns)
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
		items = append(items, orderSQL("("+value.sql+")", o.descending))
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
	if !found && i.qualifier != "" {
		return b.fail(codeUnknown, i.at, "cannot find the table '%s' in FROM", i.qualifier)
	}
	if !found {
		return b.fail(codeMeaning, i.at, "cannot show all columns: there is no FROM")
	}
	return nil
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

// placed is a bound table of FROM, or a join of two.
type placed struct {
	sql         string
	join        *join
	left, right *placed
	conditions  []expression // of the join, without those that give parameters
}

// place adds the tables of FROM to the scope.
func (b *binder) place(from source, in *scope, options *given) (*placed, error) {
	var r *relation
	at, sql := 0, ""
	switch from := from.(type) {
	case *join:
		left, err := b.place(from.left, in, options)
		if err != nil {
			return nil, err
		}
		right, err := b.place(from.right, in, options)
		return &placed{join: from, left: left, right: right}, err
	case *derived:
		text, columns, err := b.query(from.query, in.outer, options)
		if err != nil {
			return nil, err
		}
		r, at = &relation{name: from.alias, alias: b.alias(), columns: columns}, from.at
		sql = "(" + text + ")"
	case *table:
		at = from.at
		var err error
		if r, sql, err = b.table(from, in, options); err != nil {
			return nil, err
		}
	}
	for _, other := range in.relations {
		if strings.EqualFold(other.name, r.name) {
			return nil, b.fail(codeMeaning, at, "cannot tell two tables '%s' apart", r.name).hint("Give each another name: %s AS a.", r.name)
		}
	}
	in.relations = append(in.relations, r)
	return &placed{sql: sql + " AS " + r.alias}, nil
}

// table finds a common table expression or an endpoint, whose parameters in WITH it binds.
func (b *binder) table(t *table, in *scope, options *given) (*relation, string, error) {
	shown := t.alias
	if shown == "" {
		shown = t.text
	}
	if common := in.table(t.text); common != nil {
		for _, o := range t.options {
			if o.value != nil {
				return nil, "", b.fail(codeUnknown, o.at, "cannot use the parameter '%s': '%s' is a table expression", o.text, t.text)
			}
		}
		return &relation{name: shown, alias: b.alias(), columns: common.columns}, common.alias, nil
	}
	call, err := b.invocation(t.name)
	if err != nil {
		return nil, "", err
	}
	if err := b.options(call, t.options); err != nil {
		return nil, "", err
	}
	for ; options != nil; options = options.outer {
		for i, o := range options.options {
			if a := call.endpoint.argument(o.text); a != nil && o.value != nil {
				options.used[i] = true
				if err := b.give(call, a, o.value, true); err != nil {
					return nil, "", err
				}
			}
		}
	}
	return &relation{name: shown, alias: b.alias(), call: call}, call.table, nil
}

func (b *binder) endpoint(n name) (*endpoint, error) {
	var names []string
	for _, e := range b.endpoints {
		if strings.EqualFold(e.name, n.text) {
			return e, nil
		}
		names = append(names, e.name)
	}
	return nil, b.fail(codeUnknown, n.at, "cannot find the endpoint '%s'", n.text).near(n.text, "Endpoints", names)
}

func (b *binder) invocation(n name) (*invocation, error) {
	e, err := b.endpoint(n)
	if err != nil {
		return nil, err
	}
	call := &invocation{endpoint: e, text: b.text, at: n.at, table: b.alias(), values: map[string]string{}, fixed: map[string]bool{}}
	b.invocations = append(b.invocations, call)
	return call, nil
}

// options gives a call the parameters of its own WITH or EXEC.
func (b *binder) options(call *invocation, options []option) error {
	for i, o := range options {
		var a *argument
		switch {
		case o.value == nil: // a hint
			continue
		case o.text != "":
			a = call.endpoint.argument(o.text)
		case i < len(call.endpoint.parameters):
			a = &call.endpoint.parameters[i]
		default:
			return b.fail(codeParameter, o.at, "cannot take %d values for %s: it has %d parameters", len(options), call.endpoint.name, len(call.endpoint.parameters))
		}
		if a == nil {
			return b.fail(codeUnknown, o.at, "cannot find the parameter '%s' of %s", o.text, call.endpoint.name).near(o.text, "Parameters", call.endpoint.parameterNames())
		}
		if call.fixed[a.name] {
			return b.fail(codeParameter, o.at, "cannot take the parameter %s of %s twice", a.name, call.endpoint.name)
		}
		if err := b.give(call, a, o.value, true); err != nil {
			return err
		}
	}
	return nil
}

// give sets a parameter of a call to a constant. One that is fixed stands in WITH, and prevails over WHERE.
func (b *binder) give(call *invocation, a *argument, e expression, fixed bool) error {
	if call.fixed[a.name] {
		return nil // the nearest WITH prevails
	}
	value, known, err := b.constant(e)
	if err != nil {
		return err
	}
	if !known {
		return b.fail(codeParameter, e.position(), "cannot use this for the parameter %s of %s: it takes a constant, not a value of each row", a.name, call.endpoint.name).
			hint("Write a literal, a ? or an @name; INSERT INTO %s SELECT … calls it for each row.", call.endpoint.name)
	}
	if value == nil && b.describing {
		call.values[a.name] = "?"
		call.fixed[a.name] = fixed
		return nil
	}
	if value == nil {
		return nil // NULL is as good as not given
	}
	text := textOf(value)
	if before, given := call.values[a.name]; given && !fixed {
		if err := call.set(a, e.position(), text); err != nil {
			return err
		}
		if call.values[a.name] != before {
			return b.fail(codeParameter, e.position(), "cannot take two values for the parameter %s of %s in one call", a.name, call.endpoint.name)
		}
		return nil
	}
	call.fixed[a.name] = fixed
	return call.set(a, e.position(), text)
}

// textOf writes a value of an argument as a literal would say it.
func textOf(value driver.Value) string {
	switch value := value.(type) {
	case []byte:
		return string(value)
	case bool:
		if value {
			return "True"
		}
		return "False"
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case time.Time:
		return value.UTC().Format("2006-01-02T15:04:05.999999999Z")
	}
	return fmt.Sprint(value)
}

// constant returns the value of a literal or an argument; false when e is neither.
func (b *binder) constant(e expression) (driver.Value, bool, error) {
	folded, ok := fold(e)
	if !ok {
		return nil, false, nil
	}
	switch folded := folded.(type) {
	case literalText:
		return folded.text, true, nil
	case literalNumber:
		return folded.text, true, nil
	case parameter:
		value, err := b.argument(folded)
		return value, true, err
	}
	return nil, true, nil
}

func (b *binder) argument(p parameter) (driver.Value, error) {
	if b.describing {
		return nil, nil
	}
	ordinal := 0
	for _, a := range b.arguments {
		switch {
		case p.name != "" && strings.EqualFold(a.Name, p.name):
			return a.Value, nil
		case p.name == "" && a.Name == "":
			if ordinal == p.ordinal {
				return a.Value, nil
			}
			ordinal++
		}
	}
	if p.name != "" {
		return nil, b.fail(codeParameter, p.at, "cannot find the value of @%s: it is neither declared nor given as a parameter", p.name)
	}
	return nil, b.fail(codeParameter, p.at, "cannot find the value of the ? number %d: %d are given", p.ordinal+1, ordinal)
}

// conjuncts cuts a condition at its ANDs.
func conjuncts(e expression) []expression {
	if e == nil {
		return nil
	}
	if and, ok := e.(binary); ok && and.operator == "AND" {
		return append(conjuncts(and.left), conjuncts(and.right)...)
	}
	return []expression{e}
}

// isFalse tells whether a condition is one such as 1 = 0, by which tools ask for no row but the columns.
func isFalse(e expression) bool {
	compared, ok := e.(binary)
	if !ok {
		return false
	}
	left, ok1 := compared.left.(literalNumber)
	right, ok2 := compared.right.(literalNumber)
	return ok1 && ok2 && (compared.operator == "=" && left.text != right.text || compared.operator == "<>" && left.text == right.text)
}

// parameters takes the conditions out that give a parameter of an endpoint its value, and returns the others. One whose parameter is a column too stays:
// an outer join can have rows without it. Ids are spelt in small and capital letters, and are the same.
func (b *binder) parameters(conditions []expression, in *scope) ([]expression, error) {
	var rest []expression
	for _, condition := range conditions {
		named, value := parameterOf(condition)
		taken := false
		for _, r := range in.relations {
			if named == nil || r.call == nil || named.qualifier != "" && !strings.EqualFold(named.qualifier, r.name) {
				continue
			}
			a := r.call.endpoint.argument(named.name)
			if a == nil {
				continue
			}
			if _, known, _ := b.constant(value); !known {
				if r.call.endpoint.field(named.name) < 0 {
					return nil, b.give(r.call, a, value, false)
				}
				continue
			}
			if other := otherColumn(in, r, named); other != nil {
				return nil, b.fail(codeMeaning, named.at, "cannot tell whether '%s' is the parameter of '%s' or the column of '%s'", named.name, r.name, other.name).
					hint("Write %s.%s or %s.%s.", r.name, named.name, other.name, named.name)
			}
			taken = true
			if r.call.fixed[a.name] {
				continue
			}
			if err := b.give(r.call, a, value, false); err != nil {
				return nil, err
			}
			if f := r.call.endpoint.field(named.name); f >= 0 && r.call.endpoint.columns[f].typ.isText() && r.call.values[a.name] != "" && !b.describing {
				rest = append(rest, binary{named.at, "=", call{at: named.at, function: "LOWER", args: []expression{column{named.at, r.name, named.name}}},
					literalText{named.at, strings.ToLower(r.call.values[a.name])}})
			}
		}
		if !taken {
			rest = append(rest, condition)
		}
	}
	return rest, nil
}

// otherColumn finds a relation in which a name without a qualifier is a column and no parameter.
func otherColumn(in *scope, of *relation, named *column) *relation {
	for _, r := range in.relations {
		switch {
		case named.qualifier != "" || r == of:
		case r.call != nil && r.call.endpoint.argument(named.name) == nil && r.call.endpoint.field(named.name) >= 0:
			return r
		case r.call == nil && slices.ContainsFunc(r.columns, func(c Column) bool { return strings.EqualFold(c.Name, named.name) }):
			return r
		}
	}
	return nil
}

// parameterOf takes name = value apart; nil when the condition has another form.
func parameterOf(e expression) (*column, expression) {
	compared, ok := e.(binary)
	if !ok || compared.operator != "=" {
		return nil, nil
	}
	if named, ok := compared.left.(column); ok {
		return &named, compared.right
	}
	if named, ok := compared.right.(column); ok {
		return &named, compared.left
	}
	return nil, nil
}

// gather takes the parameters out of the conditions of joins.
func (b *binder) gather(p *placed, in *scope) error {
	if p.join == nil {
		return nil
	}
	if err := b.gather(p.left, in); err != nil {
		return err
	}
	if err := b.gather(p.right, in); err != nil {
		return err
	}
	conditions, err := b.parameters(conjuncts(p.join.on), in)
	p.conditions = conditions
	return err
}

// from writes FROM.
func (b *binder) from(p *placed, in *scope) (string, error) {
	if p.join == nil {
		return p.sql, nil
	}
	left, err := b.from(p.left, in)
	if err != nil {
		return "", err
	}
	right, err := b.from(p.right, in)
	if err != nil {
		return "", err
	}
	sql := "(" + left + " " + p.join.kind + " JOIN " + right
	if p.join.kind == "CROSS" {
		return sql + ")", nil
	}
	on, err := b.conditions(p.conditions, in)
	if on == "" {
		on = "true"
	}
	return sql + " ON " + on + ")", err
}

// conditions joins conditions with AND.
func (b *binder) conditions(conditions []expression, in *scope) (string, error) {
	var texts []string
	for _, condition := range conditions {
		text, err := b.predicate(condition, in)
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " AND "), nil
}

// shape gives the relations of endpoints their columns, which may depend on parameters.
func (b *binder) shape(in *scope, rest []expression) error {
	for _, r := range in.relations {
		if r.call == nil {
			continue
		}
		if !r.call.skip {
			if err := r.call.complete(rest); err != nil {
				return err
			}
		}
		r.call.fields = r.call.endpoint.columns
		if r.call.endpoint.shape != nil {
			var err error
			if r.call.fields, err = r.call.endpoint.shape(r.call); err != nil {
				return err
			}
		}
		for _, f := range r.call.fields {
			r.columns = append(r.columns, Column{f.name, f.typ})
		}
	}
	return nil
}
