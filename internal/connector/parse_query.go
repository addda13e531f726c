package connector

import (
	"slices"
	"strings"
)

// query reads a SELECT with all that belongs to it.
func (p *parser) query() (*query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	q := &query{}
	if p.take("WITH") {
		for {
			common, err := p.commonTable()
			if err != nil {
				return nil, err
			}
			q.with = append(q.with, common)
			if !p.take(",") {
				break
			}
		}
	}
	var err error
	if q.body, err = p.union(); err != nil {
		return nil, err
	}
	if p.takeWords("ORDER", "BY") {
		if q.order, err = p.orderItems(); err != nil {
			return nil, err
		}
	}
	if err := p.limits(q); err != nil {
		return nil, err
	}
	q.options, err = p.with()
	q.options = append(q.options, p.trailing...)
	p.trailing = nil
	return q, err
}

func (p *parser) commonTable() (commonTable, error) {
	t := p.advance()
	if t.kind != wordToken && t.kind != quotedToken {
		p.next--
		return commonTable{}, p.unexpected("the name of a table expression")
	}
	c := commonTable{name: name{t.text, t.at}}
	var err error
	if p.peek().is("(") {
		if c.columns, err = p.names(); err != nil {
			return c, err
		}
	}
	if err := p.expect("AS"); err != nil {
		return c, err
	}
	if err := p.expect("("); err != nil {
		return c, err
	}
	if c.query, err = p.query(); err != nil {
		return c, err
	}
	return c, p.expect(")")
}

// limits reads LIMIT n [OFFSET m], or OFFSET m ROWS [FETCH NEXT n ROWS ONLY].
func (p *parser) limits(q *query) (err error) {
	rows := func() error {
		if !p.take("ROWS") && !p.take("ROW") {
			return p.unexpected("ROWS")
		}
		return nil
	}
	if p.take("LIMIT") {
		if q.limit, err = p.additive(); err != nil {
			return err
		}
		if p.take("OFFSET") {
			q.offset, err = p.additive()
		}
		return err
	}
	if !p.take("OFFSET") {
		return nil
	}
	if q.offset, err = p.additive(); err != nil {
		return err
	}
	if err := rows(); err != nil {
		return err
	}
	if !p.take("FETCH") {
		return nil
	}
	if !p.take("NEXT") && !p.take("FIRST") {
		return p.unexpected("NEXT")
	}
	if q.limit, err = p.additive(); err != nil {
		return err
	}
	if err := rows(); err != nil {
		return err
	}
	return p.expect("ONLY")
}

func (p *parser) orderItems() ([]orderItem, error) {
	var items []orderItem
	for {
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		o := orderItem{value: value, descending: p.take("DESC")}
		if !o.descending {
			p.take("ASC")
		}
		items = append(items, o)
		if !p.take(",") {
			return items, nil
		}
	}
}

// union reads selections joined by UNION and EXCEPT, of which INTERSECT binds tighter.
func (p *parser) union() (setOperand, error) {
	left, err := p.intersect()
	for err == nil {
		t := p.peek()
		operator := ""
		switch {
		case p.takeWords("UNION", "ALL"):
			operator = "UNION ALL"
		case p.take("UNION"):
			operator = "UNION"
		case p.take("EXCEPT"):
			operator = "EXCEPT"
		default:
			return left, nil
		}
		var right setOperand
		right, err = p.intersect()
		left = &setOperation{operator, t.at, left, right}
	}
	return nil, err
}

func (p *parser) intersect() (setOperand, error) {
	left, err := p.operand()
	for err == nil {
		t := p.peek()
		if !p.take("INTERSECT") {
			return left, nil
		}
		var right setOperand
		right, err = p.operand()
		left = &setOperation{"INTERSECT", t.at, left, right}
	}
	return nil, err
}

func (p *parser) operand() (setOperand, error) {
	if p.take("(") {
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		return q, p.expect(")")
	}
	return p.selection()
}

func (p *parser) selection() (*selection, error) {
	s := &selection{at: p.peek().at}
	if err := p.expect("SELECT"); err != nil {
		return nil, err
	}
	s.distinct = p.take("DISTINCT")
	if !s.distinct {
		p.take("ALL")
	}
	if err := p.top(s); err != nil {
		return nil, err
	}
	for {
		i, err := p.item()
		if err != nil {
			return nil, err
		}
		s.items = append(s.items, i)
		if !p.take(",") {
			break
		}
	}
	if t := p.peek(); t.is("INTO") {
		return nil, p.keepsNone(t.at, "SELECT INTO")
	}
	if p.take("FROM") {
		for {
			from, err := p.joined()
			if err != nil {
				return nil, err
			}
			s.from = append(s.from, from)
			if !p.take(",") {
				break
			}
		}
	}
	return s, p.clauses(s)
}

func (p *parser) clauses(s *selection) (err error) {
	if p.take("WHERE") {
		if s.where, err = p.expression(); err != nil {
			return err
		}
	}
	if p.takeWords("GROUP", "BY") {
		if s.group, err = p.list(); err != nil {
			return err
		}
	}
	if p.take("HAVING") {
		if s.having, err = p.expression(); err != nil {
			return err
		}
	}
	s.options, err = p.with()
	return err
}

func (p *parser) top(s *selection) (err error) {
	if !p.take("TOP") {
		return nil
	}
	if p.take("(") {
		if s.top, err = p.expression(); err == nil {
			err = p.expect(")")
		}
	} else {
		s.top, err = p.primary()
	}
	if err != nil {
		return err
	}
	if t := p.peek(); t.is("PERCENT") || t.is("WITH") && p.peekAt(1).is("TIES") {
		return p.fail(t.at, "cannot take TOP with %s: only a number of rows", strings.ToUpper(t.text))
	}
	return nil
}

func (p *parser) item() (item, error) {
	i := item{at: p.peek().at}
	if p.take("*") {
		i.star = true
		return i, nil
	}
	if t := p.peek(); (t.kind == wordToken || t.kind == quotedToken) && p.peekAt(1).is(".") && p.peekAt(2).is("*") {
		p.next += 3
		i.star, i.qualifier = true, t.text
		return i, nil
	}
	// alias = value, which is no comparison here.
	if t := p.peek(); (t.kind == wordToken && !reserved(t) || t.kind == quotedToken || t.kind == stringToken) && p.peekAt(1).is("=") {
		p.next += 2
		i.alias = t.text
	}
	if t := p.peek(); t.kind == variableToken && p.session && p.peekAt(1).is("=") {
		p.next += 2
		if err := p.declared(t); err != nil {
			return i, err
		}
		i.target = strings.ToLower(t.text)
	}
	var err error
	from := p.next
	if i.value, err = p.expression(); err != nil {
		return i, err
	}
	if i.target != "" {
		for _, t := range p.tokens[from:p.next] {
			if t.kind == variableToken {
				i.variables = append(i.variables, name{strings.ToLower(t.text), t.at})
			}
		}
	}
	if i.alias == "" {
		i.alias, err = p.alias(true)
	}
	return i, err
}

// alias reads [AS] name, where a column's may be a text.
func (p *parser) alias(ofColumn bool) (string, error) {
	named := p.take("AS")
	t := p.peek()
	switch {
	case t.kind == quotedToken, t.kind == stringToken && ofColumn, t.kind == wordToken && (named || !reserved(t)):
		p.advance()
		return t.text, nil
	case named:
		return "", p.unexpected("a name")
	}
	return "", nil
}

// reserved tells whether a word cannot be a name without brackets.
func reserved(t token) bool {
	words := []string{
		"select", "from", "where", "group", "having", "order", "union", "except", "intersect", "with", "on", "inner", "left", "right", "full", "cross", "outer", "join",
		"as", "and", "or", "not", "in", "is", "like", "between", "null", "case", "when", "then", "else", "end", "exists", "distinct", "top", "all", "any", "by", "into",
		"values", "limit", "offset", "fetch", "exec", "execute", "insert", "declare", "set", "asc", "desc", "escape",
		"if", "begin", "commit", "rollback", "save", "use", "print", "while", "waitfor", "raiserror", "return", "break", "continue",
	}
	return t.kind == wordToken && slices.Contains(words, strings.ToLower(t.text))
}

// joined reads a table and what is joined to it.
func (p *parser) joined() (source, error) {
	left, err := p.source()
	for err == nil {
		t := p.peek()
		j := &join{at: t.at, left: left}
		switch {
		case p.take("JOIN"), p.takeWords("INNER", "JOIN"):
			j.kind = "INNER"
		case p.takeWords("LEFT", "JOIN"), p.takeWords("LEFT", "OUTER", "JOIN"):
			j.kind = "LEFT"
		case p.takeWords("RIGHT", "JOIN"), p.takeWords("RIGHT", "OUTER", "JOIN"):
			j.kind = "RIGHT"
		case p.takeWords("FULL", "JOIN"), p.takeWords("FULL", "OUTER", "JOIN"):
			j.kind = "FULL"
		case p.takeWords("CROSS", "JOIN"):
			j.kind = "CROSS"
		case (t.is("CROSS") || t.is("OUTER")) && p.peekAt(1).is("APPLY"):
			return nil, p.fail(t.at, "cannot apply a table to each row of another: an endpoint is called once, before any join")
		default:
			return left, nil
		}
		if j.right, err = p.source(); err != nil {
			break
		}
		if j.kind != "CROSS" {
			if err = p.expect("ON"); err != nil {
				break
			}
			j.on, err = p.expression()
		}
		left = j
	}
	return nil, err
}

func (p *parser) source() (source, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	at := p.peek().at
	if p.take("(") {
		if t := p.peek(); !t.is("SELECT") && !t.is("WITH") && !t.is("(") {
			inner, err := p.joined()
			if err != nil {
				return nil, err
			}
			return inner, p.expect(")")
		}
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
		d := &derived{at: at, query: q}
		if d.alias, err = p.alias(false); err == nil && d.alias == "" {
			err = p.unexpected("a name for the subquery")
		}
		return d, err
	}
	endpoint, err := p.objectName()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(endpoint.text, "#") {
		return nil, p.keepsNone(endpoint.at, endpoint.text)
	}
	t := &table{objectName: endpoint}
	if t.alias, err = p.alias(false); err != nil {
		return nil, err
	}
	if t.options, err = p.with(); err == nil && t.alias == "" && len(t.options) > 0 {
		t.alias, err = p.alias(false)
	}
	if p.ends() { // the WITH is the statement's, not only the last table's
		p.trailing, t.options = t.options, nil
	}
	return t, err
}

func (p *parser) expression() (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.conjunction()
	for err == nil {
		t := p.peek()
		if !p.take("OR") {
			return left, nil
		}
		var right expression
		right, err = p.conjunction()
		left = binary{t.at, "OR", left, right}
	}
	return nil, err
}

func (p *parser) conjunction() (expression, error) {
	left, err := p.negation()
	for err == nil {
		t := p.peek()
		if !p.take("AND") {
			return left, nil
		}
		var right expression
		right, err = p.negation()
		left = binary{t.at, "AND", left, right}
	}
	return nil, err
}

func (p *parser) negation() (expression, error) {
	t := p.peek()
	if !p.take("NOT") {
		return p.predicate()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	value, err := p.negation()
	return unary{t.at, "NOT", value}, err
}

func (p *parser) predicate() (expression, error) {
	left, err := p.additive()
	for err == nil {
		t := p.peek()
		operator := t.text
		switch operator {
		case "!=":
			operator = "<>"
		case "!<":
			operator = ">="
		case "!>":
			operator = "<="
		}
		switch {
		case t.kind == symbolToken && slices.Contains([]string{"=", "<>", "<", ">", "<=", ">="}, operator):
			p.advance()
			var right expression
			right, err = p.additive()
			left = binary{t.at, operator, left, right}
		case p.take("IS"):
			not := p.take("NOT")
			err = p.expect("NULL")
			left = isNull{t.at, left, not}
		default:
			not := t.is("NOT") && (p.peekAt(1).is("IN") || p.peekAt(1).is("BETWEEN") || p.peekAt(1).is("LIKE"))
			if not {
				p.advance()
			}
			switch {
			case p.take("IN"):
				left, err = p.in(t.at, left, not)
			case p.take("BETWEEN"):
				left, err = p.between(t.at, left, not)
			case p.take("LIKE"):
				left, err = p.like(t.at, left, not)
			default:
				return left, nil
			}
		}
	}
	return nil, err
}

func (p *parser) in(at int, value expression, not bool) (expression, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e := inList{at: at, value: value, not: not}
	var err error
	if t := p.peek(); t.is("SELECT") || t.is("WITH") {
		e.query, err = p.query()
	} else {
		e.list, err = p.list()
	}
	if err != nil {
		return nil, err
	}
	return e, p.expect(")")
}

func (p *parser) between(at int, value expression, not bool) (expression, error) {
	low, err := p.additive()
	if err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	high, err := p.additive()
	return between{at, value, low, high, not}, err
}

func (p *parser) like(at int, value expression, not bool) (expression, error) {
	pattern, err := p.additive()
	if err != nil {
		return nil, err
	}
	e := like{at: at, value: value, pattern: pattern, not: not}
	if p.take("ESCAPE") {
		e.escape, err = p.primary()
	}
	return e, err
}

func (p *parser) additive() (expression, error) {
	left, err := p.multiplicative()
	for err == nil {
		t := p.peek()
		if t.kind != symbolToken || t.text != "+" && t.text != "-" && t.text != "||" {
			return left, nil
		}
		p.advance()
		var right expression
		right, err = p.multiplicative()
		left = binary{t.at, t.text, left, right}
	}
	return nil, err
}

func (p *parser) multiplicative() (expression, error) {
	left, err := p.sign()
	for err == nil {
		t := p.peek()
		if t.kind != symbolToken || t.text != "*" && t.text != "/" && t.text != "%" {
			return left, nil
		}
		p.advance()
		var right expression
		right, err = p.sign()
		left = binary{t.at, t.text, left, right}
	}
	return nil, err
}

func (p *parser) sign() (expression, error) {
	t := p.peek()
	if p.take("-") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		value, err := p.sign()
		return unary{t.at, "-", value}, err
	}
	p.take("+")
	value, err := p.primary()
	for err == nil && p.peek().is("COLLATE") && p.peekAt(1).kind == wordToken {
		p.next += 2 // there is one way to compare
	}
	return value, err
}

func (p *parser) primary() (expression, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	t := p.peek()
	switch {
	case t.kind == stringToken:
		p.advance()
		return literalText{t.at, t.text}, nil
	case t.kind == numberToken:
		p.advance()
		return literalNumber{t.at, t.text}, nil
	case t.kind == parameterToken:
		p.advance()
		p.ordinals++
		return parameter{at: t.at, ordinal: p.ordinals - 1}, nil
	case t.kind == variableToken:
		p.advance()
		if value, declared := p.variable(t); declared {
			return value, nil
		}
		if t.text == "" {
			return nil, p.fail(t.at, "cannot read '@': a name must follow it")
		}
		if strings.HasPrefix(t.text, "@") {
			return global{t.at, "@" + t.text}, nil
		}
		p.given = append(p.given, t.text)
		return parameter{at: t.at, ordinal: -1, name: t.text}, nil
	case t.is("("):
		return p.parentheses()
	case t.is("NULL"):
		p.advance()
		return literalNull{t.at}, nil
	case t.is("CASE"):
		p.advance()
		return p.caseOf(t.at)
	case t.is("EXISTS") && p.peekAt(1).is("("):
		p.next += 2
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		return exists{t.at, q}, p.expect(")")
	case (t.kind == wordToken || t.kind == quotedToken) && p.peekAt(1).is("("):
		return p.call()
	case t.kind == wordToken && !reserved(t), t.kind == quotedToken:
		return p.column()
	}
	return nil, p.unexpected("a value")
}

func (p *parser) parentheses() (expression, error) {
	at := p.advance().at
	if t := p.peek(); t.is("SELECT") || t.is("WITH") {
		q, err := p.query()
		if err != nil {
			return nil, err
		}
		return subquery{at, q}, p.expect(")")
	}
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	return e, p.expect(")")
}

// column reads name, table.name, or dbo.table.name.
func (p *parser) column() (expression, error) {
	t := p.advance()
	c := column{at: t.at, name: t.text}
	for p.take(".") {
		next := p.advance()
		if next.kind != wordToken && next.kind != quotedToken {
			p.next--
			return nil, p.unexpected("a name")
		}
		c.qualifier, c.name = c.name, next.text
	}
	return c, nil
}

func (p *parser) caseOf(at int) (expression, error) {
	e := caseOf{at: at}
	var err error
	if !p.peek().is("WHEN") {
		if e.operand, err = p.expression(); err != nil {
			return nil, err
		}
	}
	for p.take("WHEN") {
		condition, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect("THEN"); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		e.when = append(e.when, [2]expression{condition, value})
	}
	if len(e.when) == 0 {
		return nil, p.unexpected("WHEN")
	}
	if p.take("ELSE") {
		if e.other, err = p.expression(); err != nil {
			return nil, err
		}
	}
	return e, p.expect("END")
}

func (p *parser) call() (expression, error) {
	t := p.advance()
	p.advance()
	switch strings.ToUpper(t.text) {
	case "CAST", "TRY_CAST":
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect("AS"); err != nil {
			return nil, err
		}
		typ, err := p.typeName()
		if err != nil {
			return nil, err
		}
		return cast{t.at, value, typ, len(t.text) > 4}, p.expect(")")
	case "CONVERT", "TRY_CONVERT":
		typ, err := p.typeName()
		if err != nil {
			return nil, err
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		if c := p.peek(); c.is(",") {
			return nil, p.fail(c.at, "cannot convert with a style: times are written as 2026-03-01 12:00:00")
		}
		return cast{t.at, value, typ, len(t.text) > 7}, p.expect(")")
	}
	c := call{at: t.at, function: t.text}
	if p.take("*") {
		c.star = true
	} else if !p.peek().is(")") {
		c.distinct = p.take("DISTINCT")
		var err error
		if c.args, err = p.list(); err != nil {
			return nil, err
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if m, known := macros()[strings.ToUpper(c.function)]; known && p.session {
		_, views, err := parseMacro(m, nil)
		if err != nil {
			return nil, err
		}
		p.named = append(p.named, views...)
	}
	if o := p.peek(); o.is("OVER") && p.peekAt(1).is("(") {
		return nil, p.fail(o.at, "cannot compute over a window: OVER is not in this dialect")
	}
	return c, nil
}
