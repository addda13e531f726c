package connector

import (
	"slices"
	"strings"
)

// sessionStatement reads a statement that only sessions know, if one is next.
func (p *parser) sessionStatement() (bool, error) {
	t := p.peek()
	transaction := p.peekAt(1).is("TRAN") || p.peekAt(1).is("TRANSACTION")
	switch {
	case t.is("BEGIN") && p.peekAt(1).is("TRY"):
		return true, p.try()
	case t.is("WHILE"):
		p.advance()
		return true, p.loop(t)
	case t.is("BREAK"), t.is("CONTINUE"):
		p.advance()
		if p.loops == 0 {
			return true, p.fail(t.at, "cannot %s here: there is no WHILE around", strings.ToUpper(t.text))
		}
		return true, p.controls(control{Control: Control{Verb: strings.ToUpper(t.text)}})
	case t.is("RETURN"):
		p.advance()
		if p.nested > 0 {
			return true, p.fail(t.at, "cannot RETURN from the text of EXEC")
		}
		return true, p.controls(control{Control: Control{Verb: "RETURN"}})
	case t.is("THROW"):
		p.advance()
		return true, p.throw(t)
	case t.is("RAISERROR") && p.peekAt(1).is("("):
		p.advance()
		return true, p.raise(t)
	case t.is("WAITFOR"):
		p.advance()
		return true, p.wait(t)
	case t.is("BEGIN") && !transaction:
		return true, p.block()
	case t.is("BEGIN"), t.is("SAVE") && transaction, t.is("COMMIT"), t.is("ROLLBACK"):
		p.advance()
		return true, p.transaction(strings.ToUpper(t.text))
	case t.is("USE"):
		p.advance()
		name := p.advance()
		if name.kind != wordToken && name.kind != quotedToken {
			p.next--
			return true, p.unexpected("the name of a database")
		}
		return true, p.use(name.text)
	case t.is("PRINT"):
		p.advance()
		return true, p.print(t.at)
	case t.is("IF"):
		p.advance()
		return true, p.branch(t)
	case p.next == 0 && p.procedure():
		return true, p.exec() // the first statement of a batch may leave EXEC out
	}
	return false, nil
}

// printed is the name of the variable that a text which PRINT computes is kept in. No statement can name it.
const printed = " print"

// print reads the text of a PRINT.
func (p *parser) print(at int) error {
	named, given := len(p.named), len(p.given)
	text, err := p.expression()
	if err != nil {
		return err
	}
	if _, constant := fold(text); !constant {
		p.types[printed] = Type{Kind: Nvarchar}
		p.keep(printed, text, named, given)
		text = global{at, p.keptName(printed)}
	}
	return p.controls(control{Control: Control{Verb: "PRINT"}, text: text})
}

// beginsSessionStatement tells whether a token begins a statement that only sessions know.
func beginsSessionStatement(t token) bool {
	return slices.ContainsFunc([]string{"USE", "BEGIN", "COMMIT", "ROLLBACK", "SAVE", "PRINT", "IF", "WHILE", "BREAK", "CONTINUE", "RETURN", "THROW", "RAISERROR", "WAITFOR"}, t.is)
}

// controls ends a statement of the session.
func (p *parser) controls(c control) error {
	p.statements = append(p.statements, statement{text: p.text, control: &c})
	if !p.ends() {
		return p.unexpected("the end of the statement or ';'")
	}
	return nil
}

// use ends a USE. What follows is read to find its errors of syntax, and is to be prepared again.
func (p *parser) use(name string) error {
	if p.uses++; p.uses > maxUSE {
		return p.fail(p.peek().at, "cannot change the database more than %d times in one batch", maxUSE).hint("Send a batch for each.")
	}
	c := control{Control: Control{Verb: "USE", Name: name}}
	if p.depth > 0 {
		return p.controls(c)
	}
	c.Rest = p.text[p.peek().at:]
	if err := p.controls(c); err != nil {
		return err
	}
	kept := p.statements
	err := p.rest()
	p.statements = kept
	return err
}

// procedure tells whether a name of the system's procedures is next, such as sp_columns.
func (p *parser) procedure() bool {
	i := 0
	for p.peekAt(i+1).is(".") || p.peekAt(i).is(".") {
		i++
	}
	t := p.peekAt(i)
	return (t.kind == wordToken || t.kind == quotedToken) && strings.HasPrefix(strings.ToLower(t.text), "sp_")
}

// transaction reads what follows BEGIN, COMMIT, ROLLBACK and SAVE: TRAN and a name, which means nothing.
func (p *parser) transaction(verb string) error {
	if p.take("TRAN") || p.take("TRANSACTION") || p.take("WORK") {
		if t := p.peek(); (t.kind == wordToken && !p.ends()) || t.kind == quotedToken || t.kind == variableToken {
			p.advance()
		}
	}
	return p.controls(control{Control: Control{Verb: verb}})
}

// settings reads what follows SET: names, with commas between, and their value, such as ANSI_NULLS, QUOTED_IDENTIFIER ON.
func (p *parser) settings() error {
	names := []string{strings.ToUpper(p.advance().text)}
	for p.take(",") {
		names = append(names, strings.ToUpper(p.advance().text))
	}
	var value []string
	for !p.ends() {
		value = append(value, p.advance().text)
	}
	if len(value) == 0 {
		return p.unexpected("a value of the setting")
	}
	for _, name := range names {
		if err := p.controls(control{Control: Control{Verb: "SET", Name: name, Value: strings.Join(value, " ")}}); err != nil {
			return err
		}
	}
	return nil
}

// block reads the statements from BEGIN to END.
func (p *parser) block() error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	p.advance()
	if t := p.peek(); t.is("CATCH") {
		return p.fail(t.at, "cannot read BEGIN CATCH here: BEGIN TRY … END TRY comes straight before it")
	}
	for {
		for p.take(";") {
		}
		if p.take("END") {
			return nil
		}
		if p.peek().kind == endToken {
			return p.unexpected("END")
		}
		if err := p.statement(); err != nil {
			return err
		}
	}
}

// try reads BEGIN TRY … END TRY BEGIN CATCH … END CATCH.
func (p *parser) try() error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	var t try
	var err error
	if t.body, err = p.within("TRY"); err != nil {
		return err
	}
	if !p.peek().is("BEGIN") || !p.peekAt(1).is("CATCH") {
		return p.unexpected("BEGIN CATCH")
	}
	p.catches++
	t.caught, err = p.within("CATCH")
	p.catches--
	p.statements = append(p.statements, statement{text: p.text, try: &t})
	return err
}

// within reads BEGIN word … END word.
func (p *parser) within(word string) ([]statement, error) {
	before := p.statements
	p.statements = nil
	p.advance()
	p.blocks++
	err := p.block()
	p.blocks--
	inner := p.statements
	p.statements = before
	if err == nil {
		err = p.expect(word)
	}
	return inner, err
}

// variable is what stands for the name of a variable: its value, or what asks the session for it; false: it is not declared.
func (p *parser) variable(t token) (expression, bool) {
	name := strings.ToLower(t.text)
	typ, declared := p.types[name]
	if declared && p.kept[name] {
		return cast{at: t.at, value: global{t.at, p.keptName(name)}, typ: typ}, true
	}
	value, known := p.variables[name]
	return value, known
}

// keptName is the name by which a session is asked for a variable.
func (p *parser) keptName(name string) string { return strings.ToUpper("@" + name + p.scope) }

// keep makes the statement that gives a variable its value when the batch runs. The value names what stands in named and given from there on.
func (p *parser) keep(name string, value expression, named, given int) {
	at := value.position()
	p.assigns(&query{body: &selection{at: at, items: []item{{at: at, value: value, target: name}}}}, named, given)
}

// assigns makes the statement of a query whose items all have targets.
func (p *parser) assigns(q *query, named, given int) {
	a := &assign{query: statement{text: p.text, query: q, names: p.named[named:], given: p.given[given:]}}
	items := q.body.(*selection).items
	for i := range items {
		name := items[i].target
		p.kept[name] = true
		a.names = append(a.names, p.keptName(name))
		items[i].value, items[i].target = cast{at: items[i].at, value: items[i].value, typ: p.types[name]}, ""
	}
	p.statements = append(p.statements, statement{text: p.text, assign: a})
}

// selected ends a SELECT, which gives rows, or values to variables.
func (p *parser) selected(q *query, named, given int) error {
	s, plain := q.body.(*selection)
	if !plain || !slices.ContainsFunc(s.items, func(i item) bool { return i.target != "" }) {
		p.statements = append(p.statements, statement{text: p.text, query: q})
		return nil
	}
	for at, i := range s.items {
		if i.target == "" {
			return p.fail(i.at, "cannot give a value to a variable and show another in one SELECT").hint("Write a SELECT for each.").number(141)
		}
		// SQL Server sets one variable after the other, row by row. Here all are computed from what they were before the statement.
		set := s.items
		if len(s.from) == 0 {
			set = s.items[:at]
		}
		for _, used := range i.variables {
			if slices.ContainsFunc(set, func(other item) bool { return other.target == used.text }) {
				return p.fail(used.at, "cannot use @%s here: the same SELECT sets it", used.text).
					hint("Join the values of rows by STRING_AGG or SUM, as in SET @%s = @%s + (SELECT …), or write a statement for each variable.", used.text, used.text)
			}
		}
	}
	p.assigns(q, named, given)
	return nil
}

// branch reads IF condition statement [ELSE statement].
func (p *parser) branch(t token) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	condition, err := p.condition(t)
	if err != nil {
		return err
	}
	b := &branch{condition: condition}
	if b.then, err = p.apart(); err != nil {
		return err
	}
	if p.peek().is(";") && p.peekAt(1).is("ELSE") {
		p.advance()
	}
	if p.take("ELSE") {
		if b.otherwise, err = p.apart(); err != nil {
			return err
		}
	}
	p.statements = append(p.statements, statement{text: p.text, branch: b})
	return nil
}

// condition reads the condition of an IF or a WHILE: a query of one value, which is 1 when it holds.
func (p *parser) condition(t token) (statement, error) {
	named := len(p.named)
	condition, err := p.expression()
	one, zero := literalNumber{t.at, "1"}, literalNumber{t.at, "0"}
	return statement{text: p.text, names: p.named[named:], query: &query{body: &selection{at: t.at,
		items: []item{{at: t.at, value: caseOf{at: t.at, when: [][2]expression{{condition, one}}, other: zero}}}}}}, err
}

// loop reads WHILE condition statement.
func (p *parser) loop(t token) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	condition, err := p.condition(t)
	if err != nil {
		return err
	}
	p.loops++
	body, err := p.apart()
	p.loops--
	p.statements = append(p.statements, statement{text: p.text, loop: &loop{condition, body}})
	return err
}

// throw reads THROW, or THROW number, text, state.
func (p *parser) throw(t token) error {
	c := control{Control: Control{Verb: "THROW"}, at: t.at}
	if p.ends() {
		if p.catches == 0 {
			return p.fail(t.at, "cannot THROW again what was not caught: outside of CATCH it takes a number, a text and a state").number(10704)
		}
		return p.controls(c)
	}
	var err error
	if c.args, err = p.list(); err != nil {
		return err
	}
	if len(c.args) != 3 {
		return p.fail(t.at, "cannot THROW with %d values: it takes a number, a text and a state", len(c.args))
	}
	return p.controls(c)
}

// raise reads RAISERROR (text, severity, state, value, …) WITH NOWAIT.
func (p *parser) raise(t token) error {
	c := control{Control: Control{Verb: "RAISERROR"}, at: t.at}
	p.advance()
	var err error
	if c.args, err = p.list(); err != nil {
		return err
	}
	if len(c.args) < 3 {
		return p.fail(t.at, "cannot RAISERROR with %d values: it takes a text, a severity, a state, and values for the places in the text", len(c.args))
	}
	if number, ok := c.args[0].(literalNumber); ok {
		return p.fail(number.at, "cannot raise the message %s: there are no numbered messages here", number.text).hint("Write its text, or THROW %s, 'the text', 1.", number.text)
	}
	if err := p.expect(")"); err != nil {
		return err
	}
	if p.take("WITH") {
		for {
			if !p.take("NOWAIT") && !p.take("SETERROR") && !p.take("LOG") {
				return p.unexpected("NOWAIT, SETERROR or LOG")
			}
			if !p.take(",") {
				break
			}
		}
	}
	return p.controls(c)
}

// wait reads WAITFOR DELAY 'hh:mm:ss'.
func (p *parser) wait(t token) error {
	if !p.take("DELAY") {
		return p.fail(p.peek().at, "cannot wait for %s: WAITFOR DELAY 'hh:mm:ss' alone is in this dialect", p.peek())
	}
	text, err := p.expression()
	if err != nil {
		return err
	}
	return p.controls(control{Control: Control{Verb: "WAITFOR"}, at: t.at, text: text})
}

// apart reads one statement of an IF or WHILE, and gives what it is.
func (p *parser) apart() ([]statement, error) {
	before := p.statements
	p.statements = nil
	p.blocks++
	err := p.statement()
	p.blocks--
	inner := p.statements
	p.statements = before
	return inner, err
}
