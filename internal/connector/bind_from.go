package connector

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
		if err := b.larger(at, size{tables: 1}); err != nil {
			return nil, err
		}
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
	if common := in.table(t.text); common != nil && t.schema == "" {
		for _, o := range t.options {
			if o.value != nil {
				return nil, "", b.fail(codeUnknown, o.at, "cannot use the parameter '%s': '%s' is a table expression", o.text, t.text)
			}
		}
		return &relation{name: shown, alias: b.alias(), columns: common.columns}, common.alias, nil
	}
	if tables, known := b.tables[placeOf(t.objectName)]; known {
		return b.owned(t, shown, tables)
	}
	call, err := b.invocation(t.objectName)
	if err != nil {
		return nil, "", err
	}
	if err := b.options(call, t.options); err != nil {
		return nil, "", err
	}
	for ; options != nil; options = options.outer {
		seen := map[*argument]bool{}
		for i, o := range options.options {
			if a := call.endpoint.argument(o.text); a != nil && o.value != nil {
				if seen[a] {
					return nil, "", b.fail(codeParameter, o.at, "cannot take the parameter %s of %s twice", a.name, call.endpoint.name)
				}
				seen[a], options.used[i] = true, true
				if err := b.give(call, a, o.value, true); err != nil {
					return nil, "", err
				}
			}
		}
	}
	return &relation{name: shown, alias: b.alias(), call: call}, call.table, nil
}

func (b *binder) endpoint(n objectName) (*endpoint, error) {
	var names []string
	for _, e := range b.endpoints {
		if !n.within(e.schema) {
			continue
		}
		if strings.EqualFold(e.name, n.text) {
			return e, nil
		}
		names = append(names, e.name)
	}
	if names == nil {
		return nil, b.fail(codeUnknown, n.at, "cannot find the schema '%s': endpoints are in dbo", n.schema).number(208)
	}
	return nil, b.fail(codeUnknown, n.at, "cannot find the endpoint '%s'", n.text).near(n.text, "Endpoints", names).number(208)
}

func (b *binder) invocation(n objectName) (*invocation, error) {
	e, err := b.endpoint(n)
	if err != nil {
		return nil, err
	}
	return b.invoked(e, n), nil
}

func (b *binder) invoked(e *endpoint, n objectName) *invocation {
	call := &invocation{endpoint: e, text: b.text, at: n.at, table: b.alias(), values: map[string]string{}, fixed: map[string]bool{}}
	b.invocations = append(b.invocations, call)
	return call
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
			return b.fail(codeParameter, o.at, "cannot take %d values for %s: it has %d parameters", len(options), call.endpoint.name, len(call.endpoint.parameters)).number(8144)
		}
		if a == nil {
			return b.fail(codeUnknown, o.at, "cannot find the parameter '%s' of %s", o.text, call.endpoint.name).near(o.text, "Parameters", call.endpoint.parameterNames()).number(8145)
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
	if c, calls := e.(call); calls {
		return b.asked(c)
	}
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
	case global:
		value, err := b.global(folded)
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
		return nil, b.fail(codeParameter, p.at, "cannot find the value of @%s: it is neither declared nor given as a parameter", p.name).number(137)
	}
	return nil, b.fail(codeParameter, p.at, "cannot find the value of the ? number %d: %d are given", p.ordinal+1, ordinal).number(137)
}

// surplus refuses values for more ? than there are: one of them was likely to be meant for another place. In a session all values have names.
func (b *binder) surplus(s *Statement) error {
	given := 0
	for _, a := range b.arguments {
		if a.Name == "" {
			given++
		}
	}
	if s.session == nil && given > s.parsed.asked {
		return b.fail(codeParameter, 0, "cannot use %d values: there are %d ? for them", given, s.parsed.asked)
	}
	return nil
}

// conjuncts cuts a condition at its ANDs.
func conjuncts(e expression) []expression {
	if e == nil {
		return nil
	}
	return operands(e, "AND")
}

// operands cuts a condition at an operator, in the order in which they stand.
func operands(e expression, operator string) []expression {
	if joined, ok := e.(binary); ok && joined.operator == operator {
		return append(operands(joined.left, operator), operands(joined.right, operator)...)
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
		kept, listed, err := b.listed(condition, in)
		if err != nil {
			return nil, err
		}
		if listed {
			if kept != nil {
				rest = append(rest, kept)
			}
			continue
		}
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
				return nil, b.ambiguous(named, r, other)
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

func (b *binder) ambiguous(named *column, r, other *relation) error {
	return b.fail(codeMeaning, named.at, "cannot tell whether '%s' is the parameter of '%s' or the column of '%s'", named.name, r.name, other.name).
		hint("Write %s.%s or %s.%s.", r.name, named.name, other.name, named.name)
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
	on, err := b.conditions(p.conditions, "AND", in)
	if on == "" {
		on = "true"
	}
	return sql + " ON " + on + ")", err
}

// conditions joins conditions with AND or OR.
func (b *binder) conditions(conditions []expression, operator string, in *scope) (string, error) {
	texts := make([]string, 0, len(conditions))
	for _, condition := range conditions {
		if err := b.larger(condition.position(), size{conditions: 1}); err != nil {
			return "", err
		}
		text, err := b.predicate(condition, in)
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " "+operator+" "), nil
}

// shape gives the relations of endpoints their columns, which may depend on parameters, and refuses those whose parameters are not whole.
func (b *binder) shape(in *scope, rest []expression, options *given) error {
	for _, r := range in.relations {
		if r.call == nil {
			continue
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
	for _, r := range in.relations {
		if r.call == nil || r.call.skip || b.lenient {
			continue
		}
		if err := r.call.complete(rest); err != nil {
			if misspelt := b.misspelt(rest, in, options); misspelt != nil {
				return misspelt
			}
			return err
		}
	}
	return nil
}

// misspelt tells of a name that nothing has, where a parameter is missing: it is likely to be the one.
func (b *binder) misspelt(conditions []expression, in *scope, options *given) error {
	for _, condition := range conditions {
		for _, c := range compared(condition) {
			if !knows(in, c) {
				return b.noColumn(c, in)
			}
		}
	}
	for ; options != nil; options = options.outer {
		for i, o := range options.options {
			known := func(e *endpoint) bool { return e.argument(o.text) != nil }
			if !options.used[i] && o.value != nil && !slices.ContainsFunc(b.endpoints, known) {
				return b.check(options, 0)
			}
		}
	}
	return nil
}

// knows tells whether a name is a column or a parameter of what stands in FROM, here or around.
func knows(in *scope, c column) bool {
	for ; in != nil; in = in.outer {
		for _, r := range in.relations {
			if c.qualifier != "" && !strings.EqualFold(c.qualifier, r.name) {
				continue
			}
			if r.call != nil && r.call.endpoint.argument(c.name) != nil || slices.ContainsFunc(r.columns, func(known Column) bool { return strings.EqualFold(known.Name, c.name) }) {
				return true
			}
		}
	}
	return false
}
