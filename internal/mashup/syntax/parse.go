package syntax

import (
	"fmt"
	"strings"
)

// maxNesting bounds how deep expressions nest, maxChain how many operators of one precedence follow each other.
const (
	maxNesting = 600
	maxChain   = 20000
)

// ParseExpression parses one expression; in names it in errors.
func ParseExpression(in, src string) (Expr, error) {
	p, err := newParser(in, src)
	if err != nil {
		return nil, err
	}
	x, err := p.expression()
	if err != nil {
		return nil, err
	}
	return x, p.end()
}

// ParseSignature parses Name(parameter as type, …) as type, the form in which the library declares its functions.
func ParseSignature(src string) (name string, typ *FunctionType, err error) {
	p, err := newParser("signature "+src, src)
	if err != nil {
		return "", nil, err
	}
	if name, err = p.identifier(); err != nil {
		return "", nil, err
	}
	if typ, err = p.functionType(p.tok.at); err != nil {
		return "", nil, err
	}
	return name, typ, p.end()
}

// ParseSection parses a section document.
func ParseSection(in, src string) (*Section, error) {
	p, err := newParser(in, src)
	if err != nil {
		return nil, err
	}
	section, err := p.section()
	if err != nil {
		return nil, err
	}
	return section, p.end()
}

type parser struct {
	scan  scanner
	tok   token
	depth int
}

func newParser(in, src string) (*parser, error) {
	p := &parser{scan: newScanner(in, src)}
	return p, p.next()
}

func (p *parser) next() (err error) {
	p.tok, err = p.scan.next()
	return err
}

func (p *parser) end() error {
	if p.tok.kind != tokEnd {
		return p.unexpected("the end of the expression")
	}
	return nil
}

func (p *parser) unexpected(expected string) error {
	found := "the end of the text"
	switch p.tok.kind {
	case tokEnd:
	case tokText:
		found = "a text"
	default:
		found = "'" + p.tok.text + "'"
	}
	return p.scan.fail(p.tok.at, found, expected)
}

func (p *parser) isSymbol(s string) bool  { return p.tok.kind == tokSymbol && p.tok.text == s }
func (p *parser) isKeyword(s string) bool { return p.tok.kind == tokKeyword && p.tok.text == s }
func (p *parser) isWord(s string) bool    { return p.tok.kind == tokIdent && p.tok.text == s }

func (p *parser) symbol(s string) error {
	if !p.isSymbol(s) {
		return p.unexpected("'" + s + "'")
	}
	return p.next()
}

func (p *parser) keyword(s string) error {
	if !p.isKeyword(s) {
		return p.unexpected("'" + s + "'")
	}
	return p.next()
}

// identifier reads the name of a variable.
func (p *parser) identifier() (string, error) {
	if p.tok.kind != tokIdent && p.tok.kind != tokQuoted {
		return "", p.unexpected("a name")
	}
	name := p.tok.text
	return name, p.next()
}

// fieldName reads a generalized identifier where the current token stands.
func (p *parser) fieldName() (name string, at Pos, err error) {
	scan := p.rescan()
	name, at, ok, err := scan.generalized()
	if err != nil {
		return "", at, err
	}
	if !ok {
		return "", at, p.unexpected("the name of a field")
	}
	p.scan = scan
	return name, at, p.next()
}

// rescan is the scanner at the start of the current token.
func (p *parser) rescan() scanner {
	scan := p.scan
	scan.off, scan.line, scan.col = p.tok.start, p.tok.at.Line, p.tok.at.Column
	return scan
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return p.scan.fail(p.tok.at, "an expression nested more than "+fmt.Sprint(maxNesting)+" deep", "a flatter one")
	}
	return nil
}

func (p *parser) expression() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	at := p.tok.at
	if p.tok.kind == tokKeyword {
		switch p.tok.text {
		case "let":
			return p.let()
		case "if":
			return p.ifThenElse()
		case "try":
			return p.try()
		case "each":
			if err := p.next(); err != nil {
				return nil, err
			}
			body, err := p.expression()
			return &Function{node: node{at}, Each: true, Params: []Param{{At: at, Name: "_"}}, Body: body}, err
		case "error":
			if err := p.next(); err != nil {
				return nil, err
			}
			x, err := p.expression()
			return &Raise{node{at}, x}, err
		}
	}
	if p.isSymbol("(") {
		if f, err := p.function(); f != nil || err != nil {
			return f, err
		}
	}
	return p.binary(0)
}

func (p *parser) let() (Expr, error) {
	at := p.tok.at
	if err := p.next(); err != nil {
		return nil, err
	}
	let := &Let{node: node{at}}
	for {
		b := Binding{At: p.tok.at}
		var err error
		if b.Name, err = p.identifier(); err != nil {
			return nil, err
		}
		if err = p.symbol("="); err != nil {
			return nil, err
		}
		if b.Value, err = p.expression(); err != nil {
			return nil, err
		}
		if err = p.unique(let.Bindings, b); err != nil {
			return nil, err
		}
		let.Bindings = append(let.Bindings, b)
		if !p.isSymbol(",") {
			break
		}
		if err = p.next(); err != nil {
			return nil, err
		}
	}
	if !p.isKeyword("in") {
		return nil, p.unexpected("',' or 'in'")
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	body, err := p.expression()
	let.Body = body
	return let, err
}

// unique refuses a second binding of a name. A linear search is enough for lets and records that people write.
func (p *parser) unique(bindings []Binding, b Binding) error {
	for _, other := range bindings {
		if other.Name == b.Name {
			return p.scan.fail(b.At, "a second '"+b.Name+"'", "a name that is not taken yet (the first is at line "+fmt.Sprint(other.At.Line)+")")
		}
	}
	return nil
}

func (p *parser) ifThenElse() (Expr, error) {
	x := &If{node: node{p.tok.at}}
	for _, part := range []struct {
		word string
		to   *Expr
	}{{"if", &x.Cond}, {"then", &x.Then}, {"else", &x.Else}} {
		if err := p.keyword(part.word); err != nil {
			return nil, err
		}
		var err error
		if *part.to, err = p.expression(); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (p *parser) try() (Expr, error) {
	t := &Try{node: node{p.tok.at}}
	err := p.next()
	if err != nil {
		return nil, err
	}
	if t.X, err = p.expression(); err != nil {
		return nil, err
	}
	switch {
	case p.isKeyword("otherwise"):
		if err = p.next(); err != nil {
			return nil, err
		}
		t.Otherwise, err = p.expression()
	case p.isWord("catch"):
		if err = p.next(); err != nil {
			return nil, err
		}
		f, failed := p.function()
		switch {
		case failed != nil:
			return nil, failed
		case f == nil:
			return nil, p.unexpected("a function such as (e) => …")
		case len(f.Params) > 1:
			return nil, p.scan.fail(f.At, "a handler with several parameters", "one with at most one")
		}
		t.Catch = f
	}
	return t, err
}

// function parses (parameters) as type => body. It returns nil without an error where something else stands in parentheses.
func (p *parser) function() (*Function, error) {
	start, tok := p.scan, p.tok
	back := func() (*Function, error) {
		p.scan, p.tok = start, tok
		return nil, nil
	}
	if !p.isSymbol("(") {
		return nil, nil
	}
	f := &Function{node: node{p.tok.at}}
	if p.next() != nil {
		return back()
	}
	for !p.isSymbol(")") {
		if len(f.Params) > 0 {
			if !p.isSymbol(",") || p.next() != nil {
				return back()
			}
		}
		param := Param{At: p.tok.at}
		if p.isWord("optional") {
			ahead, word := p.scan, p.tok
			if p.next() != nil {
				return back()
			}
			if p.tok.kind == tokIdent || p.tok.kind == tokQuoted {
				param.Optional, param.At = true, p.tok.at
			} else {
				p.scan, p.tok = ahead, word
			}
		}
		name, err := p.identifier()
		if err != nil {
			return back()
		}
		param.Name = name
		if p.isKeyword("as") {
			if p.next() != nil {
				return back()
			}
			if param.Type, err = p.primitive(); err != nil {
				return back()
			}
		}
		f.Params = append(f.Params, param)
	}
	if p.next() != nil {
		return back()
	}
	if p.isKeyword("as") {
		if p.next() != nil {
			return back()
		}
		typ, err := p.primitive()
		if err != nil {
			return back()
		}
		f.Return = typ
	}
	if !p.isSymbol("=>") {
		return back()
	}
	// From here on it is a function, and what is wrong is an error.
	for i, param := range f.Params {
		if !param.Optional && i > 0 && f.Params[i-1].Optional {
			return nil, p.scan.fail(param.At, "'"+param.Name+"'", "'optional', as the parameter before is optional")
		}
		for _, other := range f.Params[:i] {
			if other.Name == param.Name {
				return nil, p.scan.fail(param.At, "a second '"+param.Name+"'", "a name that is not taken yet")
			}
		}
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	body, err := p.expression()
	if err != nil {
		return nil, err
	}
	f.Body = body
	return f, nil
}

// levels are the binary operators, loosest first. is and as stand between and and the equalities; meta binds tightest and does not chain.
var levels = [...]struct {
	keyword bool
	ops     []Op
}{
	{false, []Op{OpCoalesce}},
	{true, []Op{OpOr}},
	{true, []Op{OpAnd}},
	{true, nil}, // is
	{true, nil}, // as
	{false, []Op{OpEqual, OpNotEqual}},
	{false, []Op{OpLessEqual, OpGreaterEqual, OpLess, OpGreater}},
	{false, []Op{OpAdd, OpSubtract, OpConcat}},
	{false, []Op{OpMultiply, OpDivide}},
}

const (
	levelIs = 3
	levelAs = 4
)

func (p *parser) binary(level int) (Expr, error) {
	if level == len(levels) {
		return p.metadata()
	}
	x, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		if n > maxChain {
			return nil, p.scan.fail(p.tok.at, "more than "+fmt.Sprint(maxChain)+" operators in one chain", "a shorter one")
		}
		at := p.tok.at
		if level == levelIs && p.isKeyword("is") || level == levelAs && p.isKeyword("as") {
			if err := p.next(); err != nil {
				return nil, err
			}
			typ, err := p.primitive()
			if err != nil {
				return nil, err
			}
			if level == levelIs {
				x = &Is{node{at}, x, typ}
			} else {
				x = &As{node{at}, x, typ}
			}
			continue
		}
		op, ok := p.operator(level)
		if !ok {
			return x, nil
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		y, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		x = &Binary{node{at}, op, x, y}
	}
}

func (p *parser) operator(level int) (Op, bool) {
	kind := tokSymbol
	if levels[level].keyword {
		kind = tokKeyword
	}
	if p.tok.kind != kind {
		return 0, false
	}
	for _, op := range levels[level].ops {
		if p.tok.text == op.String() {
			return op, true
		}
	}
	return 0, false
}

func (p *parser) metadata() (Expr, error) {
	x, err := p.unary()
	if err != nil || !p.isKeyword("meta") {
		return x, err
	}
	at := p.tok.at
	if err := p.next(); err != nil {
		return nil, err
	}
	y, err := p.unary()
	return &Binary{node{at}, OpMeta, x, y}, err
}

func (p *parser) unary() (Expr, error) {
	at := p.tok.at
	var op Op
	switch {
	case p.isSymbol("+"):
		op = OpAdd
	case p.isSymbol("-"):
		op = OpSubtract
	case p.isKeyword("not"):
		op = OpNot
	case p.isKeyword("type"):
		return p.typeExpression()
	default:
		return p.primary()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	if err := p.next(); err != nil {
		return nil, err
	}
	x, err := p.unary()
	return &Unary{node{at}, op, x}, err
}

func (p *parser) primary() (Expr, error) {
	x, err := p.operand()
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		if n > maxChain {
			return nil, p.scan.fail(p.tok.at, "more than "+fmt.Sprint(maxChain)+" accesses in one chain", "a shorter one")
		}
		at := p.tok.at
		switch {
		case p.isSymbol("("):
			args, err := p.arguments()
			if err != nil {
				return nil, err
			}
			x = &Call{node{at}, x, args}
		case p.isSymbol("["):
			if x, err = p.access(x); err != nil {
				return nil, err
			}
		case p.isSymbol("{"):
			if err := p.next(); err != nil {
				return nil, err
			}
			key, err := p.expression()
			if err != nil {
				return nil, err
			}
			if err := p.symbol("}"); err != nil {
				return nil, err
			}
			optional, err := p.question()
			if err != nil {
				return nil, err
			}
			x = &Index{node{at}, x, key, optional}
		default:
			return x, nil
		}
	}
}

func (p *parser) question() (bool, error) {
	if !p.isSymbol("?") {
		return false, nil
	}
	return true, p.next()
}

func (p *parser) arguments() ([]Expr, error) {
	if err := p.next(); err != nil {
		return nil, err
	}
	args := []Expr{}
	for !p.isSymbol(")") {
		if len(args) > 0 {
			if !p.isSymbol(",") {
				return nil, p.unexpected("',' or ')'")
			}
			if err := p.next(); err != nil {
				return nil, err
			}
		}
		arg, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return args, p.next()
}

// access parses [Name], [[A], [B]] after x.
func (p *parser) access(x Expr) (Expr, error) {
	at := p.tok.at
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.isSymbol("[") {
		return p.projection(x, at)
	}
	name, _, err := p.fieldName()
	if err != nil {
		return nil, err
	}
	return p.field(x, at, name)
}

func (p *parser) field(x Expr, at Pos, name string) (Expr, error) {
	if err := p.symbol("]"); err != nil {
		return nil, err
	}
	optional, err := p.question()
	return &Field{node{at}, x, name, optional}, err
}

// projection parses [A], [B]] with the current token at the inner [.
func (p *parser) projection(x Expr, at Pos) (Expr, error) {
	proj := &Projection{node: node{at}, X: x}
	for {
		if err := p.symbol("["); err != nil {
			return nil, err
		}
		name, _, err := p.fieldName()
		if err != nil {
			return nil, err
		}
		proj.Names = append(proj.Names, name)
		if err := p.symbol("]"); err != nil {
			return nil, err
		}
		if p.isSymbol("]") {
			break
		}
		if err := p.symbol(","); err != nil {
			return nil, err
		}
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	optional, err := p.question()
	proj.Optional = optional
	return proj, err
}

func (p *parser) operand() (Expr, error) {
	tok := p.tok
	at := node{tok.at}
	switch tok.kind {
	case tokNumber:
		return &Literal{at, Number, tok.text}, p.next()
	case tokText:
		return &Literal{at, Text, tok.text}, p.next()
	case tokVerbatim:
		return &Literal{at, Verbatim, tok.text}, p.next()
	case tokIdent, tokQuoted:
		if err := p.next(); err != nil {
			return nil, err
		}
		if !p.isSymbol("!") {
			return &Identifier{node: at, Name: tok.text}, nil
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		name, err := p.identifier()
		return &SectionAccess{at, tok.text, name}, err
	case tokKeyword:
		switch tok.text {
		case "null":
			return &Literal{at, Null, tok.text}, p.next()
		case "true", "false":
			return &Literal{at, Logical, tok.text}, p.next()
		}
	case tokSymbol:
		switch tok.text {
		case "@":
			if err := p.next(); err != nil {
				return nil, err
			}
			name, err := p.identifier()
			return &Identifier{at, name, true}, err
		case "(":
			if err := p.next(); err != nil {
				return nil, err
			}
			x, err := p.expression()
			if err != nil {
				return nil, err
			}
			return x, p.symbol(")")
		case "{":
			return p.list()
		case "[":
			return p.bracket()
		case "...":
			return &NotImplemented{at}, p.next()
		}
	}
	return nil, p.unexpected("an expression")
}

func (p *parser) list() (Expr, error) {
	list := &List{node: node{p.tok.at}}
	if err := p.next(); err != nil {
		return nil, err
	}
	for !p.isSymbol("}") {
		if len(list.Items) > 0 {
			if !p.isSymbol(",") {
				return nil, p.unexpected("',' or '}'")
			}
			if err := p.next(); err != nil {
				return nil, err
			}
		}
		var item Item
		var err error
		if item.From, err = p.expression(); err != nil {
			return nil, err
		}
		if p.isSymbol("..") {
			if err = p.next(); err != nil {
				return nil, err
			}
			if item.To, err = p.expression(); err != nil {
				return nil, err
			}
		}
		list.Items = append(list.Items, item)
	}
	return list, p.next()
}

// bracket parses what [ begins where an operand stands: a record, or an access to _.
func (p *parser) bracket() (Expr, error) {
	at := p.tok.at
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.isSymbol("]") {
		return &Record{node: node{at}}, p.next()
	}
	if p.isSymbol("[") {
		return p.projection(&Identifier{node: node{at}, Name: "_"}, at)
	}
	name, nameAt, err := p.fieldName()
	if err != nil {
		return nil, err
	}
	if p.isSymbol("]") {
		return p.field(&Identifier{node: node{at}, Name: "_"}, at, name)
	}
	return p.record(at, name, nameAt)
}

// record parses the rest of a record from the = after its first name.
func (p *parser) record(at Pos, name string, nameAt Pos) (*Record, error) {
	rec := &Record{node: node{at}}
	taken := map[string]bool{}
	for {
		if !p.isSymbol("=") {
			if len(rec.Fields) > 0 {
				return nil, p.unexpected("'='")
			}
			return nil, p.unexpected("'=' or ']'")
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		if taken[name] {
			return nil, p.scan.fail(nameAt, "a second '"+name+"'", "a name that is not taken yet")
		}
		taken[name] = true
		rec.Fields = append(rec.Fields, Binding{nameAt, name, value})
		if p.isSymbol("]") {
			return rec, p.next()
		}
		if !p.isSymbol(",") {
			return nil, p.unexpected("',' or ']'")
		}
		if err := p.next(); err != nil {
			return nil, err
		}
		if name, nameAt, err = p.fieldName(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) section() (*Section, error) {
	section := &Section{}
	var err error
	if section.Attributes, err = p.attributes(); err != nil {
		return nil, err
	}
	if err := p.keyword("section"); err != nil {
		return nil, err
	}
	if !p.isSymbol(";") {
		if section.Name, err = p.identifier(); err != nil {
			return nil, err
		}
	}
	if err := p.symbol(";"); err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for p.tok.kind != tokEnd {
		var m Member
		if m.Attributes, err = p.attributes(); err != nil {
			return nil, err
		}
		if p.isKeyword("shared") {
			m.Shared = true
			if err := p.next(); err != nil {
				return nil, err
			}
		}
		m.At = p.tok.at
		if m.Name, err = p.identifier(); err != nil {
			return nil, err
		}
		if taken[m.Name] {
			return nil, p.scan.fail(m.At, "a second '"+m.Name+"'", "a name that is not taken yet")
		}
		taken[m.Name] = true
		if err := p.symbol("="); err != nil {
			return nil, err
		}
		start := p.tok.start
		if m.Value, err = p.expression(); err != nil {
			return nil, err
		}
		m.Text = strings.TrimSpace(p.scan.src[start:p.tok.start])
		if err := p.symbol(";"); err != nil {
			return nil, err
		}
		section.Members = append(section.Members, m)
	}
	return section, nil
}

// attributes parses the record that may stand before a section or a member.
func (p *parser) attributes() (*Record, error) {
	if !p.isSymbol("[") {
		return nil, nil
	}
	x, err := p.bracket()
	if err != nil {
		return nil, err
	}
	rec, ok := x.(*Record)
	if !ok {
		return nil, p.scan.fail(x.Pos(), "an access", "a record of attributes")
	}
	return rec, nil
}

// splitOptional takes the word optional off a field's name in a record type.
func splitOptional(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "optional")
	trimmed := strings.TrimLeft(rest, " \t\u00a0")
	if !ok || trimmed == "" || len(trimmed) == len(rest) {
		return name, false
	}
	return trimmed, true
}
