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
		text, err := p.expression()
		if err != nil {
			return true, err
		}
		return true, p.controls(control{Control: Control{Verb: "PRINT"}, text: text})
	case t.is("IF"):
		p.advance()
		return true, p.branch(t)
	case p.next == 0 && p.procedure():
		return true, p.exec() // the first statement of a batch may leave EXEC out
	}
	return false, nil
}

// beginsSessionStatement tells whether a token begins a statement that only sessions know.
func beginsSessionStatement(t token) bool {
	return slices.ContainsFunc([]string{"USE", "BEGIN", "COMMIT", "ROLLBACK", "SAVE", "PRINT", "IF"}, t.is)
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
	if t := p.peek(); t.is("TRY") || t.is("CATCH") {
		return p.fail(t.at, "cannot catch errors: BEGIN %s is not in this dialect", strings.ToUpper(t.text))
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

// branch reads IF condition statement [ELSE statement].
func (p *parser) branch(t token) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	named := len(p.named)
	condition, err := p.expression()
	if err != nil {
		return err
	}
	one, zero := literalNumber{t.at, "1"}, literalNumber{t.at, "0"}
	b := &branch{condition: statement{text: p.text, names: p.named[named:], query: &query{body: &selection{at: t.at,
		items: []item{{at: t.at, value: caseOf{at: t.at, when: [][2]expression{{condition, one}}, other: zero}}}}}}}
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

// apart reads one statement of an IF, and gives what it is.
func (p *parser) apart() ([]statement, error) {
	before := p.statements
	p.statements = nil
	p.branches++
	err := p.statement()
	p.branches--
	inner := p.statements
	p.statements = before
	return inner, err
}
