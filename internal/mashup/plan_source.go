package mashup

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// scan is the rows of a file, or of a table of the store.
type scan struct {
	of   source.Scan
	from string // what explanations call it; "": the bytes are no file's
}

func (op scan) begin(ev *evaluation, s *step) (rows, error) {
	if asking := ev.session.reading.asking; asking != nil && op.from != "" {
		return nil, asking(op.from, "all rows")
	}
	stream, err := op.of.Read(ev.ctx, 0, source.ReadOptions{})
	if err != nil {
		return nil, err
	}
	return streamRows(ev, stream)
}

// streamRows evaluates the batches of a source.
func streamRows(ev *evaluation, stream source.Rows) (rows, error) {
	ev.session.reading.follow(stream.Progress)
	return newBatchRows(stream)
}

// schemaFields are the columns of a source's schema as the language sees them.
func schemaFields(schema *arrow.Schema) []fieldType {
	fields := make([]fieldType, schema.NumFields())
	for i, field := range schema.Fields() {
		typ := arrowValueType(field.Type)
		if field.Metadata.FindKey(source.NumberKey) >= 0 {
			typ = named(kindNumber, "Decimal.Type")
		}
		if field.Nullable {
			typ = typ.asNullable()
		}
		fields[i] = fieldType{name: field.Name, typ: typ}
	}
	return fields
}

// nameOf is how an explanation calls a database.
func nameOf(database source.Database) string { return database.Ref().Kind + " " + database.Ref().Path }

// navigation is the table of a database's tables.
type navigation struct {
	database source.Database
	tables   []source.Table
	listed   bool
}

func openDatabase(ev *evaluation, ref source.Ref) (Value, error) {
	database, err := databaseOf(ev, ref)
	if err != nil {
		return nil, err
	}
	t := newTable(&step{name: "PostgreSQL.Database", cols: []fieldType{
		{name: "Name", typ: simple(kindText)}, {name: "Data", typ: simple(kindTable)}, {name: "Schema", typ: simple(kindText)},
		{name: "Item", typ: simple(kindText)}, {name: "Kind", typ: simple(kindText)}}, op: &navigation{database: database}})
	typ := *t.typ
	typ.keys = []key{{columns: []string{"Schema", "Item"}, primary: true}}
	t.typ = &typ
	return t, nil
}

func databaseOf(ev *evaluation, ref source.Ref) (source.Database, error) {
	conn, err := ev.session.reading.open(ev, ref)
	if err != nil {
		return nil, err
	}
	database, ok := conn.(source.Database)
	if !ok {
		return nil, fault.New(fault.Invalid, source.CodePath, "cannot ask '%s' by SQL: it is no database", ref.Path)
	}
	return database, nil
}

func (op *navigation) begin(ev *evaluation, _ *step) (rows, error) {
	if !op.listed {
		tables, err := op.database.Tables(ev.ctx)
		if err != nil {
			return nil, err
		}
		op.tables, op.listed = tables, true
	}
	held := make([][]Value, len(op.tables))
	for i, t := range op.tables {
		name := t.Name
		if t.Schema != "public" {
			name = t.Schema + "." + t.Name
		}
		held[i] = []Value{text(name), lazy(func(ev *evaluation) (Value, error) { return databaseTable(ev, op.database, t) }),
			text(t.Schema), text(t.Name), text(t.Kind)}
	}
	return allRows(held), nil
}

// advice tells what to do when no table has the key that was asked for.
func (op *navigation) advice(ev *evaluation, match *record) string {
	names := make([]string, len(op.tables))
	for i, t := range op.tables {
		names[i] = t.Name
	}
	for i, column := range match.shape.names {
		asked, err := forceRaw(ev, match.values[i])
		if name, isText := asked.(text); err == nil && isText && (column == "Item" || column == "Name") {
			if near := fault.Nearest(string(name), names); near != "" && near != string(name) {
				return "The nearest table or view is '" + near + "'"
			}
		}
	}
	return "Check the name, and that the user of the data source may read it: tables that it may not read are not listed"
}

func (*navigation) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("the list of tables is no table of the database")
}

// queried is the rows of a table or a statement of a database.
type queried struct {
	database source.Database
	schema   *arrow.Schema
	from     string // what stands after FROM
}

func (op queried) begin(ev *evaluation, _ *step) (rows, error) {
	statement := "SELECT * FROM " + op.from
	if asking := ev.session.reading.asking; asking != nil {
		return nil, asking(nameOf(op.database), statement)
	}
	stream, err := op.database.Read(ev.ctx, statement, source.ReadOptions{})
	if err != nil {
		return nil, err
	}
	return streamRows(ev, stream)
}

func databaseTable(ev *evaluation, database source.Database, t source.Table) (Value, error) {
	ident := database.Dialect().Ident
	return describe(ev, database, ident(t.Schema)+"."+ident(t.Name), "Navigation")
}

func describe(ev *evaluation, database source.Database, from, name string) (*relational, error) {
	schema, err := database.Describe(ev.ctx, "SELECT * FROM "+from)
	if err != nil {
		return nil, err
	}
	return fromDatabase(database, schema, from, name)
}

func fromDatabase(database source.Database, schema *arrow.Schema, from, name string) (*relational, error) {
	fields := schemaFields(schema)
	if err := checkUnique(fields); err != nil {
		return nil, err
	}
	return newTable(&step{name: name, cols: fields, op: queried{database: database, schema: schema, from: from}}), nil
}

// nativeQuery is the rows of a statement. It is described by itself, so that an error's line is the author's and that it is one whole
// statement; then it stands in brackets, on lines of its own, so that a comment at its end hides nothing.
func nativeQuery(ev *evaluation, ref source.Ref, statement, name string) (*relational, error) {
	database, err := databaseOf(ev, ref)
	if err != nil {
		return nil, err
	}
	if statement, err = database.Dialect().Clean(statement); err != nil {
		return nil, err
	}
	schema, err := database.Describe(ev.ctx, statement)
	if err != nil {
		return nil, err
	}
	return fromDatabase(database, schema, "(\n"+statement+"\n) AS "+database.Dialect().Ident("native"), name)
}

// bindParameters writes parameters into a statement: a list for $1, $2 …, or a record for @name and :name.
func bindParameters(ev *evaluation, dialect source.Dialect, statement string, parameters Value) (string, error) {
	named, byNumber := map[string]string{}, []string(nil)
	literal := func(v Value) (string, error) {
		e, ok := literalExpr(v)
		if !ok {
			return "", fail("A parameter of a native query cannot be of type %s.", typeName(v)).with(v)
		}
		return postgresLiteral(dialect, e), nil
	}
	switch p := parameters.(type) {
	case nullKind:
		return statement, nil
	case *list:
		items, err := p.all(ev)
		if err != nil {
			return "", err
		}
		for _, item := range items {
			s, err := literal(item)
			if err != nil {
				return "", err
			}
			byNumber = append(byNumber, s)
		}
	case *record:
		for _, name := range p.shape.names {
			v, _, err := p.get(ev, name)
			if err != nil {
				return "", err
			}
			if named[name], err = literal(v); err != nil {
				return "", err
			}
		}
	default:
		return "", fail("The parameters of a native query are a list or a record, not %s.", typeName(parameters)).with(parameters)
	}
	return writeParameters(statement, byNumber, named)
}

// writeParameters replaces parameters outside quoted texts, names and comments.
func writeParameters(statement string, byNumber []string, named map[string]string) (string, error) {
	var b strings.Builder
	isWord := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
	}
	for i := 0; i < len(statement); {
		rest := statement[i:]
		c := statement[i]
		end := 0
		switch {
		case c == '\'' || c == '"':
			if end = strings.IndexByte(rest[1:], c); end < 0 {
				end = len(rest)
			} else {
				end += 2
			}
		case strings.HasPrefix(rest, "--"):
			if end = strings.IndexByte(rest, '\n'); end < 0 {
				end = len(rest)
			}
		case strings.HasPrefix(rest, "/*"):
			if end = strings.Index(rest, "*/"); end < 0 {
				end = len(rest)
			} else {
				end += 2
			}
		case (c == '$' || c == '@' || c == ':') && len(rest) > 1 && isWord(rest[1]) && (i == 0 || !isWord(statement[i-1]) && statement[i-1] != ':'):
			n := 1
			for n < len(rest) && isWord(rest[n]) {
				n++
			}
			word := rest[1:n]
			if c == '$' {
				var number int
				if _, err := fmt.Sscanf(word, "%d", &number); err == nil && number >= 1 && number <= len(byNumber) {
					b.WriteString(byNumber[number-1])
					i += n
					continue
				}
			} else if s, ok := named[word]; ok {
				b.WriteString(s)
				i += n
				continue
			}
			if byNumber != nil && c == '$' || named != nil && c == '@' {
				return "", fail("The native query names the parameter %s, which is not given.", rest[:n])
			}
			end = n
		default:
			end = 1
		}
		b.WriteString(rest[:end])
		i += end
	}
	return b.String(), nil
}
