package connector

import (
	"slices"
	"strconv"
	"strings"

	"freshet.dev/internal/fault"
)

// parse reads a batch. Variables whose values are known are put in the place of their names, and EXEC ('…') is replaced by the statements of its text. What
// gives a value to another variable, which a session keeps, is a statement.
func parse(text string, session bool) ([]statement, error) {
	p := &parser{session: session}
	err := p.all(text)
	for i := range p.statements {
		p.statements[i].asked = p.ordinals
	}
	return p.statements, err
}

// all reads a whole text. That a session keeps a variable is seen where it is given a value, perhaps behind its use: then the text is read again.
func (p *parser) all(text string) error {
	tokens, err := scan(text)
	if err != nil {
		return err
	}
	p.text, p.tokens, p.kept = text, tokens, map[string]bool{}
	begun := *p
	for {
		known, read := len(p.kept), p.read+len(text)
		*p = begun
		p.variables, p.types, p.read = map[string]expression{}, map[string]Type{}, read
		if read > maxRead {
			return p.fail(0, "cannot read EXEC within EXEC of more than %d bytes together", maxRead).hint("Send several batches.")
		}
		if err := p.rest(); len(p.kept) == known {
			return err
		}
	}
}

// rest reads statements to the end of the text.
func (p *parser) rest() error {
	for {
		for p.take(";") {
		}
		if p.peek().kind == endToken {
			return nil
		}
		if err := p.statement(); err != nil {
			return err
		}
	}
}

type parser struct {
	text       string
	tokens     []token
	next       int
	depth      int
	nested     int                   // how many EXEC ('…') are around
	executed   int                   // bytes of the texts of EXEC so far
	read       int                   // bytes that were read so far, also in vain
	count      int                   // statements so far
	uses       int                   // USEs so far
	ordinals   int                   // of ? so far
	trailing   []option              // the WITH at the end of the statement, on its way to the outermost query
	variables  map[string]expression // by their names in small letters: the values that are known
	types      map[string]Type       // of those that are declared so far
	kept       map[string]bool       // those of the whole text that the session keeps
	scope      string                // ends the names by which a session is asked for them: those of the text of an EXEC are others than those around it
	statements []statement
	session    bool // there is one, which knows more statements
	blocks     int  // IFs, WHILEs, TRYs and CATCHes around
	loops      int  // WHILEs around
	catches    int  // CATCHes around
	named      []objectName
	given      []string // names of parameters
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) peekAt(n int) token { return p.tokens[min(p.next+n, len(p.tokens)-1)] }

func (p *parser) advance() token {
	t := p.tokens[p.next]
	if t.kind != endToken {
		p.next++
	}
	return t
}

// take passes a keyword or symbol if it is next.
func (p *parser) take(text string) bool {
	if p.peek().is(text) {
		p.next++
		return true
	}
	return false
}

// takeWords passes several words if they are next.
func (p *parser) takeWords(words ...string) bool {
	for i, word := range words {
		if !p.peekAt(i).is(word) {
			return false
		}
	}
	p.next += len(words)
	return true
}

func (p *parser) expect(text string) error {
	if !p.take(text) {
		return p.unexpected("'" + text + "'")
	}
	return nil
}

func (p *parser) unexpected(want string) *Error {
	t := p.peek()
	return p.fail(t.at, "cannot read %s: %s must stand here", t, want)
}

func (p *parser) fail(at int, format string, args ...any) *Error {
	return fail(codeSyntax, p.text, at, format, args...)
}

// enter bounds the depth of recursion.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail(p.peek().at, "cannot read a statement that nests deeper than %d", maxDepth).
			hint("Write the inner parts as table expressions, WITH x AS (…), or as statements of their own.")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

const beginnings = "SELECT, EXEC, INSERT INTO, DECLARE or SET"

// changes are the words of statements that change data or tables, none of which is in the dialect.
var changes = []string{"UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP"}

// sessionSettings are the SETs that change nothing here; clients and scripts begin with them.
var sessionSettings = []string{"nocount", "ansi_nulls", "quoted_identifier", "ansi_warnings", "ansi_padding", "arithabort", "xact_abort", "concat_null_yields_null"}

func (p *parser) statement() error {
	if p.count++; p.count > maxStatements {
		return p.fail(p.peek().at, "cannot read more than %d statements of one batch", maxStatements).hint("Send several batches; an INSERT takes many rows.")
	}
	if p.session {
		if known, err := p.sessionStatement(); known || err != nil {
			return err
		}
	}
	t := p.peek()
	from, named, given := len(p.statements), len(p.named), len(p.given)
	var err error
	switch {
	case t.is("SELECT"), t.is("WITH"), t.is("("):
		var q *query
		if q, err = p.query(); err == nil {
			err = p.selected(q, named, given)
		}
	case t.is("EXEC"), t.is("EXECUTE"):
		p.advance()
		err = p.exec()
	case t.is("{"):
		err = p.escape()
	case t.is("INSERT"):
		p.advance()
		err = p.insert()
	case t.is("DECLARE"):
		p.advance()
		err = p.declare()
	case t.is("SET"):
		p.advance()
		err = p.set()
	case t.is("CREATE"), t.is("DROP"), t.is("ALTER"), t.is("TRUNCATE"):
		return p.keepsNone(t.at, strings.ToUpper(t.text))
	case t.kind == wordToken:
		e := p.fail(t.at, "cannot run %s: a statement begins with %s", t, beginnings)
		switch meant := fault.Nearest(t.text, []string{"SELECT", "EXECUTE", "INSERT", "DECLARE"}); {
		case t.is("GO"):
			e.hint("GO is a word of sqlcmd and its like, and no statement: leave it out.")
		case slices.ContainsFunc(changes, t.is):
			e.hint("Nothing is changed in that way here: endpoints such as refresh_dataflow act.")
		case meant != "":
			e.hint("Did you mean '%s'?", meant)
		}
		return e
	default:
		return p.unexpected(beginnings)
	}
	if err != nil {
		return err
	}
	for i := from; i < len(p.statements); i++ {
		if p.statements[i].names == nil {
			p.statements[i].names, p.statements[i].given = p.named[named:], p.given[given:]
		}
	}
	if !p.ends() {
		e := p.unexpected("the end of the statement or ';'")
		if p.peek().is("GO") {
			e.hint("GO is a word of sqlcmd and its like, and no statement: leave it out.")
		}
		return e
	}
	return nil
}

// ends tells whether the statement is over.
func (p *parser) ends() bool { return p.endsAt(p.peek()) }

func (p *parser) endsAt(next token) bool {
	return next.kind == endToken || next.is(";") || beginsStatement(next) || p.session && (beginsSessionStatement(next) || next.is("ELSE") || next.is("END"))
}

func beginsStatement(t token) bool {
	return slices.ContainsFunc([]string{"SELECT", "EXEC", "EXECUTE", "INSERT", "DECLARE", "SET"}, t.is)
}

// declare reads DECLARE @a type [= value], …
func (p *parser) declare() error {
	for {
		t := p.advance()
		if t.kind != variableToken || t.text == "" {
			p.next--
			return p.unexpected("@name")
		}
		p.take("AS")
		if p.peek().is("TABLE") {
			return p.keepsNone(t.at, "@"+t.text)
		}
		typ, err := p.typeName()
		if err != nil {
			return err
		}
		name := strings.ToLower(t.text)
		p.types[name], p.variables[name] = typ, literalNull{t.at}
		switch {
		case p.take("="):
			err = p.assign(t, "")
		case p.kept[name] && p.nested > 0: // the text of an EXEC may run again
			p.keep(name, literalNull{t.at}, len(p.named), len(p.given))
		}
		if err != nil {
			return err
		}
		if !p.take(",") {
			return nil
		}
	}
}

func (p *parser) set() error {
	t := p.peek()
	if t.kind == wordToken && p.session {
		return p.settings()
	}
	if t.kind == wordToken && slices.Contains(sessionSettings, strings.ToLower(t.text)) {
		p.advance()
		if !p.take("ON") && !p.take("OFF") {
			return p.unexpected("ON or OFF")
		}
		return nil
	}
	if t.kind != variableToken {
		return p.unexpected("@name")
	}
	p.advance()
	if err := p.declared(t); err != nil {
		return err
	}
	operator := ""
	if next := p.peek(); p.session && p.peekAt(1).is("=") && (next.is("+") || next.is("-") || next.is("*") || next.is("/") || next.is("%")) {
		operator = p.advance().text
	}
	if err := p.expect("="); err != nil {
		return err
	}
	return p.assign(t, operator)
}

func (p *parser) declared(t token) error {
	if _, declared := p.types[strings.ToLower(t.text)]; !declared {
		return p.fail(t.at, "cannot set @%s: it is not declared", t.text).hint("Write DECLARE @%s NVARCHAR(MAX) before it.", t.text)
	}
	return nil
}

// assign reads the value of a variable; with an operator it is what that makes of the former value and what is read. One that is known already, and
// given in any case, is put in the place of the variable's name. Others are computed when the batch runs, and kept by the session.
func (p *parser) assign(t token, operator string) error {
	named, given := len(p.named), len(p.given)
	value, err := p.expression()
	if err != nil {
		return err
	}
	name := strings.ToLower(t.text)
	if operator != "" {
		former, _ := p.variable(t)
		value = binary{at: t.at, operator: operator, left: former, right: value}
	}
	folded, constant := fold(value)
	if _, asks := folded.(global); p.session && (p.kept[name] || p.blocks > 0 || !constant || asks) {
		p.keep(name, value, named, given)
		return nil
	}
	if !constant {
		return p.fail(value.position(), "cannot give @%s this value: it must be a literal, a parameter, or texts joined with +", t.text)
	}
	value = settled(value)
	if text, ok := value.(literalText); ok && len(text.text) > maxText {
		return p.fail(t.at, "cannot give @%s a text of more than %d bytes", t.text, maxText)
	}
	p.variables[name] = value
	return nil
}

// settled joins the texts of a variable's value, so that what stands in it twice does not double with every SET.
func settled(e expression) expression {
	switch value := e.(type) {
	case binary:
		e, _ = fold(value)
	case cast:
		value.value = settled(value.value)
		e = value
	}
	return e
}

// fold joins literal texts. Its result is a literal, a parameter or a variable of the session; false when e is neither.
func fold(e expression) (expression, bool) {
	switch e := e.(type) {
	case literalText, literalNumber, literalNull, parameter, global:
		return e, true
	case unary:
		if number, ok := e.value.(literalNumber); ok && e.operator == "-" {
			return literalNumber{e.at, "-" + number.text}, true
		}
	case cast:
		return fold(e.value)
	case binary:
		var text strings.Builder
		if joinTexts(e, &text) {
			first := e.left
			for sum, ok := first.(binary); ok; sum, ok = first.(binary) {
				first = sum.left
			}
			return literalText{first.position(), text.String()}, true
		}
	}
	return nil, false
}

// joinTexts writes the literal texts that e joins with +; false when it is another thing.
func joinTexts(e expression, to *strings.Builder) bool {
	if sum, ok := e.(binary); ok {
		return sum.operator == "+" && joinTexts(sum.left, to) && joinTexts(sum.right, to)
	}
	folded, _ := fold(e)
	text, ok := folded.(literalText)
	to.WriteString(text.text)
	return ok
}

// typeName reads a type, with its length.
func (p *parser) typeName() (Type, error) {
	t := p.advance()
	kind, known := typeNames[strings.ToLower(t.text)]
	if !known || t.kind != wordToken && t.kind != quotedToken {
		var names []string
		for name := range typeNames {
			names = append(names, name)
		}
		slices.Sort(names)
		return Type{}, p.fail(t.at, "cannot read %s as a type", t).near(t.text, "Types", names)
	}
	typ := Type{Kind: kind}
	if strings.EqualFold(t.text, "uniqueidentifier") {
		typ.Length = 36
	}
	if !p.take("(") {
		return typ, nil
	}
	for i := 0; ; i++ {
		size := p.advance()
		length, err := strconv.Atoi(size.text)
		if (size.kind != numberToken || err != nil || i == 0 && length == 0) && !size.is("MAX") {
			p.next--
			return Type{}, p.unexpected("a length or MAX")
		}
		if i == 0 && typ.isText() {
			typ.Length = length
		}
		if !p.take(",") || i == 1 {
			return typ, p.expect(")")
		}
	}
}

// exec reads what follows EXEC: an endpoint with its parameters, or a text in parentheses, perhaps AT a linked server.
func (p *parser) exec() error {
	at := p.peek().at
	if p.take("(") {
		return p.execText(at)
	}
	if p.peek().kind == variableToken && p.peekAt(1).is("=") {
		p.next += 2 // the return status, which is 0 wherever there is no error
	}
	endpoint, err := p.objectName()
	if err != nil {
		return err
	}
	options, err := p.arguments(func(t token) bool { return t.is("WITH") || p.endsAt(t) })
	if err != nil {
		return err
	}
	more, err := p.with()
	if err != nil {
		return err
	}
	p.callStatement(endpoint, append(options, more...))
	return nil
}

func (p *parser) callStatement(endpoint objectName, options []option) {
	body := &selection{at: endpoint.at, items: []item{{at: endpoint.at, star: true}}, from: []source{&table{objectName: endpoint, options: options}}}
	p.statements = append(p.statements, statement{text: p.text, query: &query{body: body}, call: &procedure{endpoint, options}})
}

// execText reads EXEC ('…') [AT server]. The statements of the text take the place of the EXEC.
func (p *parser) execText(at int) error {
	value, err := p.expression()
	if err != nil {
		return err
	}
	folded, _ := fold(value)
	text, ok := folded.(literalText)
	if !ok {
		return p.fail(value.position(), "cannot run what EXEC (…) names: it must be a text, or a variable that holds one").
			hint("Its text is read before the batch runs: set the variable outside of IF, WHILE and TRY, to literals joined with +.")
	}
	if p.peek().is(",") {
		return p.fail(p.peek().at, "cannot pass parameters to the text of EXEC").hint("Put their values into the text.")
	}
	if err := p.expect(")"); err != nil {
		return err
	}
	if p.take("AT") {
		if t := p.advance(); t.kind != wordToken && t.kind != quotedToken {
			p.next--
			return p.unexpected("the name of a linked server")
		}
	}
	if p.nested >= maxEXEC {
		return p.fail(at, "cannot run EXEC within EXEC deeper than %d", maxEXEC)
	}
	if p.executed += len(text.text); p.executed > maxText {
		return p.fail(at, "cannot run EXEC of texts of more than %d bytes together", maxText).hint("Send several batches.")
	}
	inner := &parser{scope: ":" + strconv.Itoa(p.executed), read: p.read, nested: p.nested + 1, executed: p.executed, count: p.count, uses: p.uses, session: p.session}
	err = inner.all(text.text)
	p.read = inner.read
	if err != nil {
		return err
	}
	p.executed, p.count, p.uses = inner.executed, inner.count, inner.uses
	if inner.ordinals > 0 {
		return p.fail(at, "cannot use ? in the text of EXEC").hint("Put its value into the text.")
	}
	p.statements = append(p.statements, inner.statements...)
	return nil
}

// escape reads the escape of ODBC and JDBC: {call endpoint(?, ?)}.
func (p *parser) escape() error {
	p.advance()
	if p.take("?") || p.peek().kind == parameterToken {
		return p.fail(p.peek().at, "cannot return a value from {call}").hint("Write {call endpoint(…)}.")
	}
	if err := p.expect("CALL"); err != nil {
		return err
	}
	endpoint, err := p.objectName()
	if err != nil {
		return err
	}
	var options []option
	if p.take("(") {
		if options, err = p.arguments(func(t token) bool { return t.is(")") }); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	}
	p.callStatement(endpoint, options)
	return p.expect("}")
}

// arguments reads [@name =] value, … or [label] = value, … up to what ends them. A bare word is a text, as T-SQL has it.
func (p *parser) arguments(ends func(token) bool) ([]option, error) {
	var options []option
	if ends(p.peek()) {
		return nil, nil
	}
	for {
		o := option{name: name{at: p.peek().at}}
		if t := p.peek(); (t.kind == variableToken || t.kind == quotedToken) && p.peekAt(1).is("=") { // a label has no other place than brackets
			p.next += 2
			o.text = t.text
		} else if len(options) > 0 && options[len(options)-1].text != "" {
			return nil, p.fail(o.at, "cannot take a value without a name behind one with a name")
		}
		if p.take("DEFAULT") {
			o.value = literalNull{o.at}
		} else if t := p.peek(); t.kind == wordToken && !t.is("NULL") && !p.peekAt(1).is("(") && !p.peekAt(1).is(".") {
			p.advance()
			o.value = literalText{t.at, t.text}
		} else {
			value, err := p.expression()
			if err != nil {
				return nil, err
			}
			o.value = value
		}
		options = append(options, o)
		if t := p.peek(); t.is("OUTPUT") || t.is("OUT") {
			return nil, p.fail(t.at, "cannot give a value back in a parameter: an endpoint answers with rows")
		}
		if !p.take(",") {
			if !ends(p.peek()) {
				return nil, p.unexpected("',' or the end of the parameters")
			}
			return options, nil
		}
	}
}

// objectName reads the name of an endpoint or table: name, schema.name, database.schema.name or database..name.
func (p *parser) objectName() (objectName, error) {
	var parts []token
	for {
		t := p.peek()
		if len(parts) > 0 && t.is(".") { // database..name
			parts = append(parts, token{at: t.at})
			p.advance()
			continue
		}
		if t.kind != wordToken && t.kind != quotedToken {
			return objectName{}, p.unexpected("the name of an endpoint")
		}
		parts = append(parts, p.advance())
		if !p.take(".") {
			break
		}
	}
	last := parts[len(parts)-1]
	n := objectName{name: name{last.text, last.at}}
	switch len(parts) {
	case 1:
	case 2:
		n.schema = parts[0].text
	case 3:
		n.database, n.schema = parts[0].text, parts[1].text
	default:
		return objectName{}, p.fail(parts[0].at, "cannot find '%s': a name has at most the form database.schema.name here", last.text)
	}
	p.named = append(p.named, n)
	return n, nil
}

// with reads WITH (name = value, …) if it is next. Hints of T-SQL have no value.
func (p *parser) with() ([]option, error) {
	var options []option
	for p.peek().is("WITH") && p.peekAt(1).is("(") {
		p.next += 2
		for {
			t := p.advance()
			if t.kind != wordToken && t.kind != quotedToken && t.kind != variableToken {
				p.next--
				return nil, p.unexpected("the name of a parameter")
			}
			o := option{name: name{t.text, t.at}}
			if p.take("=") {
				value, err := p.expression()
				if err != nil {
					return nil, err
				}
				if c, bare := value.(column); bare && c.qualifier == "" {
					value = literalText{c.at, c.name} // WaitForCompletion=True
				}
				o.value = value
			} else if !isHint(t) {
				return nil, p.unexpected("'='")
			}
			options = append(options, o)
			if !p.take(",") {
				break
			}
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// isHint tells whether a word is one of T-SQL's hints, which mean nothing to rows that are read once.
func isHint(t token) bool {
	hints := []string{"nolock", "readuncommitted", "readcommitted", "readpast", "repeatableread", "serializable", "holdlock", "tablock", "updlock", "rowlock", "nowait"}
	return t.kind == wordToken && slices.Contains(hints, strings.ToLower(t.text))
}

// insert reads INSERT [INTO] endpoint (…) VALUES (…), … or SELECT …
func (p *parser) insert() error {
	p.take("INTO")
	if t := p.peek(); t.kind == variableToken {
		return p.keepsNone(t.at, "@"+t.text)
	}
	endpoint, err := p.objectName()
	if err != nil {
		return err
	}
	if strings.HasPrefix(endpoint.text, "#") {
		return p.keepsNone(endpoint.at, endpoint.text)
	}
	in := &insert{table: endpoint}
	if in.options, err = p.with(); err != nil {
		return err
	}
	if p.peek().is("(") && !p.peekAt(1).is("SELECT") {
		if in.columns, err = p.names(); err != nil {
			return err
		}
	}
	if p.take("VALUES") {
		err = p.values(in)
	} else if t := p.peek(); t.is("SELECT") || t.is("WITH") || t.is("(") {
		in.query, err = p.query()
	} else {
		err = p.unexpected("VALUES or SELECT")
	}
	if err != nil {
		return err
	}
	more, err := p.with()
	if err != nil {
		return err
	}
	in.options = append(in.options, more...)
	p.statements = append(p.statements, statement{text: p.text, insert: in})
	return nil
}

// keepsNone refuses what would keep rows.
func (p *parser) keepsNone(at int, what string) *Error {
	return p.fail(at, "cannot take %s: there are no tables here that keep rows, neither temporary ones nor variables", what).
		hint("Within a statement WITH x AS (…) holds rows; on a SQL Server INSERT INTO #t EXEC ('…') AT [the linked server] keeps those of a statement.")
}

func (p *parser) names() ([]name, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var names []name
	for {
		t := p.advance()
		if t.kind != wordToken && t.kind != quotedToken {
			p.next--
			return nil, p.unexpected("a name")
		}
		names = append(names, name{t.text, t.at})
		if !p.take(",") {
			return names, p.expect(")")
		}
	}
}

func (p *parser) values(in *insert) error {
	for {
		at := p.peek().at
		if err := p.expect("("); err != nil {
			return err
		}
		row, err := p.list()
		if err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
		width := len(in.columns)
		if width == 0 && len(in.rows) > 0 {
			width = len(in.rows[0])
		}
		if width > 0 && len(row) != width {
			return p.fail(at, "cannot insert a row of %d values: %d are named", len(row), width)
		}
		in.rows = append(in.rows, row)
		if !p.take(",") {
			return nil
		}
	}
}

// list reads expressions with commas between them.
func (p *parser) list() ([]expression, error) {
	var list []expression
	for {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.take(",") {
			return list, nil
		}
	}
}
