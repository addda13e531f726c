package connector

import (
	"database/sql/driver"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
)

// value binds an expression that is a value.
func (b *binder) value(e expression, in *scope) (bound, error) {
	value, err := b.bind(e, in)
	if err == nil && value.predicate {
		err = b.fail(codeMeaning, e.position(), "cannot use a condition as a value").hint("Write CASE WHEN … THEN 1 ELSE 0 END.")
	}
	return value, err
}

// predicate binds an expression that is a condition. A bit is one here, too.
func (b *binder) predicate(e expression, in *scope) (string, error) {
	condition, err := b.bind(e, in)
	if err == nil && !condition.predicate && condition.typ.Kind != Bit {
		err = b.fail(codeMeaning, e.position(), "cannot use a value as a condition").hint("Compare it: … = 1.")
	}
	return condition.sql, err
}

// maxExpression bounds the SQL of one expression, in bytes: what is within functions may stand in it several times.
const maxExpression = 1 << 20

// bind binds an expression, and forgives the columns in it that stand outside of aggregates if the whole is in GROUP BY.
func (b *binder) bind(e expression, in *scope) (bound, error) {
	if b.depth++; b.depth > 2*maxDepth {
		return bound{}, b.fail(codeSyntax, e.position(), "cannot compute an expression of more than %d parts within each other", 2*maxDepth).
			hint("Compute the inner ones in a table expression, WITH x AS (…), or join the text before and give it as a parameter.")
	}
	defer func() { b.depth-- }()
	if err := b.larger(e.position(), size{parts: 1}); err != nil {
		return bound{}, err
	}
	before := len(in.loose)
	value, err := b.expression(e, in)
	if err == nil {
		switch e.(type) {
		case literalText, parameter, global, ready:
			err = b.larger(e.position(), size{bytes: len(value.sql)})
		}
	}
	if err == nil && len(value.sql) > maxExpression {
		err = b.fail(codeSyntax, e.position(), "cannot compute an expression that is this large: %d bytes of SQL are the most", maxExpression).hint("Write several statements.")
	}
	if err == nil && in.groups[value.sql] {
		in.loose = in.loose[:before]
	}
	return value, err
}

func (b *binder) expression(e expression, in *scope) (bound, error) {
	switch e := e.(type) {
	case literalText:
		return bound{sql: duck.Literal(e.text), typ: lengthOf(e.text)}, nil
	case literalNumber:
		return number(e.text), nil
	case literalNull:
		return bound{sql: "NULL"}, nil
	case parameter:
		value, err := b.argument(e)
		if err != nil {
			return bound{}, err
		}
		return b.literal(value, e.at)
	case global:
		value, err := b.global(e)
		if err != nil {
			return bound{}, err
		}
		return b.literal(value, e.at)
	case ready:
		return e.bound, nil
	case column:
		return b.column(e, in)
	case unary:
		return b.unary(e, in)
	case binary:
		return b.binary(e, in)
	case isNull:
		value, err := b.value(e.value, in)
		return bound{sql: "(" + value.sql + " IS " + not(e.not) + "NULL)", predicate: true}, err
	case inList:
		return b.in(e, in)
	case between:
		value, err := b.ready(e.value, in)
		if err != nil {
			return bound{}, err
		}
		low, err := b.binary(binary{e.at, ">=", value, e.low}, in)
		if err != nil {
			return bound{}, err
		}
		high, err := b.binary(binary{e.at, "<=", value, e.high}, in)
		return bound{sql: "(" + not(e.not) + "(" + low.sql + " AND " + high.sql + "))", predicate: true}, err
	case like:
		return b.like(e, in)
	case exists:
		sql, _, err := b.query(e.query, in, nil)
		return bound{sql: "EXISTS (" + sql + ")", predicate: true}, err
	case subquery:
		sql, columns, err := b.query(e.query, in, nil)
		if err != nil {
			return bound{}, err
		}
		if len(columns) != 1 {
			return bound{}, b.fail(codeMeaning, e.at, "cannot use a subquery of %d columns as a value", len(columns))
		}
		return bound{sql: "(" + sql + ")", typ: columns[0].Type}, nil
	case caseOf:
		return b.caseOf(e, in)
	case cast:
		value, err := b.value(e.value, in)
		if err != nil {
			return bound{}, err
		}
		return b.cast(e, value)
	}
	return b.call(e.(call), in)
}

func (b *binder) ready(e expression, in *scope) (ready, error) {
	value, err := b.value(e, in)
	return ready{e.position(), value}, err
}

func not(is bool) string {
	if is {
		return "NOT "
	}
	return ""
}

// number types a literal as SQL Server does, but for decimals, which are float here.
func number(text string) bound {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n > math.MaxInt32 || n < math.MinInt32 {
			return bound{sql: "CAST(" + strconv.FormatInt(n, 10) + " AS BIGINT)", typ: Type{Kind: Bigint}}
		}
		return bound{sql: "CAST(" + strconv.FormatInt(n, 10) + " AS BIGINT)", typ: Type{Kind: Int}}
	}
	n, _ := strconv.ParseFloat(text, 64) // the scanner's digits: out of range is an infinity
	return bound{sql: "CAST('" + strconv.FormatFloat(n, 'g', -1, 64) + "' AS DOUBLE)", typ: Type{Kind: Float}}
}

// lengthOf counts as SQL Server does, in UTF-16.
func lengthOf(text string) Type { return Type{Nvarchar, max(1, len(utf16.Encode([]rune(text))))} }

// literal writes the value of an argument.
func (b *binder) literal(value driver.Value, at int) (bound, error) {
	switch value := value.(type) {
	case nil:
		return bound{sql: "NULL"}, nil
	case string:
		return b.textValue(value, at)
	case []byte:
		return b.textValue(string(value), at)
	case int64:
		return number(strconv.FormatInt(value, 10)), nil
	case float64:
		return bound{sql: "CAST('" + strconv.FormatFloat(value, 'g', -1, 64) + "' AS DOUBLE)", typ: Type{Kind: Float}}, nil
	case bool:
		return bound{sql: strconv.FormatBool(value), typ: Type{Kind: Bit}}, nil
	case time.Time:
		return bound{sql: timestamp(value), typ: Type{Kind: Datetime}}, nil
	}
	return bound{}, b.fail(codeParameter, at, "cannot use a parameter of type %T", value)
}

func (b *binder) textValue(value string, at int) (bound, error) {
	if strings.ContainsRune(value, 0) || strings.ToValidUTF8(value, "") != value {
		return bound{}, b.fail(codeParameter, at, "cannot use a parameter whose text is not UTF-8 or holds a zero byte")
	}
	return bound{sql: duck.Literal(value), typ: lengthOf(value)}, nil
}

func timestamp(t time.Time) string {
	return "CAST(" + duck.Literal(t.UTC().Format("2006-01-02 15:04:05.999999")) + " AS TIMESTAMP)"
}

func (b *binder) column(e column, in *scope) (bound, error) {
	for s := in; s != nil; s = s.outer {
		var found bound
		var owner *relation
		for _, r := range s.relations {
			if e.qualifier != "" && !strings.EqualFold(e.qualifier, r.name) {
				continue
			}
			for i, c := range r.columns {
				if !strings.EqualFold(c.Name, e.name) {
					continue
				}
				if owner != nil {
					return bound{}, b.fail(codeMeaning, e.at, "cannot tell which column '%s' is meant: '%s' and '%s' have one", e.name, owner.name, r.name).
						hint("Write %s.%s.", r.name, e.name)
				}
				owner, found = r, bound{sql: r.sql(i), typ: c.Type}
			}
		}
		if owner != nil {
			if s.within == 0 {
				s.loose = append(s.loose, loose{e.at, e.name})
			}
			return found, nil
		}
	}
	if strings.EqualFold(e.name, "CURRENT_TIMESTAMP") && e.qualifier == "" {
		return bound{sql: timestamp(b.now), typ: Type{Kind: Datetime}}, nil
	}
	if slices.Contains([]string{"SYSTEM_USER", "SESSION_USER", "CURRENT_USER", "USER"}, strings.ToUpper(e.name)) && e.qualifier == "" {
		if value, known, _ := b.asked(call{at: e.at, function: e.name}); known {
			return b.literal(value, e.at)
		}
	}
	return bound{}, b.noColumn(e, in)
}

func (b *binder) noColumn(e column, in *scope) error {
	var known []string
	qualified := e.qualifier == ""
	for s := in; s != nil; s = s.outer {
		for _, r := range s.relations {
			if e.qualifier != "" && !strings.EqualFold(e.qualifier, r.name) {
				continue
			}
			qualified = true
			for _, c := range r.columns {
				known = append(known, c.Name)
			}
			if r.call == nil {
				continue
			}
			if a := r.call.endpoint.argument(e.name); a != nil {
				return b.fail(codeUnknown, e.at, "cannot use '%s' as a column: it is a parameter of %s", e.name, r.call.endpoint.name).
					hint("It takes one value, as %s = '…' joined to the other conditions with AND, or in WITH (…).", a.name).number(207)
			}
			for _, name := range r.call.endpoint.parameterNames() {
				if !slices.Contains(known, name) {
					known = append(known, name)
				}
			}
		}
	}
	if !qualified {
		return b.fail(codeUnknown, e.at, "cannot find the table '%s' in FROM", e.qualifier).number(4104)
	}
	unknown := b.fail(codeUnknown, e.at, "cannot find the column '%s'", e.name).near(e.name, "Columns and parameters", known).number(207)
	if strings.HasPrefix(b.text[min(e.at, len(b.text)):], `"`) && fault.Nearest(e.name, known) == "" {
		unknown.hint("Double quotes are for names; a text stands in single ones: '…'.")
	}
	return unknown
}

func (b *binder) unary(e unary, in *scope) (bound, error) {
	if e.operator == "NOT" {
		condition, err := b.predicate(e.value, in)
		return bound{sql: "(NOT " + condition + ")", predicate: true}, err
	}
	value, err := b.value(e.value, in)
	if err == nil && !value.typ.isNumber() && value.typ.Kind != 0 {
		err = b.fail(codeMeaning, e.at, "cannot negate a value of the type %s", value.typ)
	}
	return bound{sql: "(- " + value.sql + ")", typ: value.typ}, err
}

func (b *binder) binary(e binary, in *scope) (bound, error) {
	if e.operator == "AND" || e.operator == "OR" {
		sql, err := b.conditions(operands(e, e.operator), e.operator, in)
		return bound{sql: "(" + sql + ")", predicate: true}, err
	}
	left, err := b.value(e.left, in)
	if err != nil {
		return bound{}, err
	}
	right, err := b.value(e.right, in)
	if err != nil {
		return bound{}, err
	}
	switch e.operator {
	case "=", "<>", "<", ">", "<=", ">=":
		l, r, err := b.comparable(e.at, left, right)
		return bound{sql: "(" + l + " " + e.operator + " " + r + ")", predicate: true}, err
	}
	return b.arithmetic(e, left, right)
}

// comparable brings two values to one type as SQL Server does: text becomes the other's type.
func (b *binder) comparable(at int, left, right bound) (string, string, error) {
	l, r := left.typ, right.typ
	as := func(v bound, typ Type) string { return "CAST(" + v.sql + " AS " + typ.duck().String() + ")" }
	switch {
	case l.Kind == 0 && r.Kind != 0:
		return as(left, r), right.sql, nil
	case r.Kind == 0 && l.Kind != 0:
		return left.sql, as(right, l), nil
	case l.isText() && r.isText():
		if trimmed, blanks := withoutBlanks(right.sql); blanks {
			return "rtrim(" + left.sql + ", ' ')", trimmed, nil
		}
		if trimmed, blanks := withoutBlanks(left.sql); blanks {
			return trimmed, "rtrim(" + right.sql + ", ' ')", nil
		}
		return left.sql, right.sql, nil
	case l.Kind == r.Kind || l.isNumber() && r.isNumber():
		return left.sql, right.sql, nil
	case l.isText():
		return as(left, r), right.sql, nil
	case r.isText():
		return left.sql, as(right, l), nil
	case l.Kind == Bit && r.isInteger():
		return as(left, r), right.sql, nil
	case r.Kind == Bit && l.isInteger():
		return left.sql, as(right, l), nil
	}
	return "", "", b.fail(codeMeaning, at, "cannot compare the types %s and %s", l, r)
}

// withoutBlanks takes the blanks off the end of a literal text, where T-SQL compares none: tools write type = 'V ' of a char(2).
func withoutBlanks(sql string) (string, bool) {
	if !strings.HasPrefix(sql, "'") || !strings.HasSuffix(sql, " '") {
		return sql, false
	}
	return strings.TrimRight(strings.TrimSuffix(sql, "'"), " ") + "'", true
}

func (b *binder) arithmetic(e binary, left, right bound) (bound, error) {
	l, r := left.typ, right.typ
	if e.operator == "||" || e.operator == "+" && (l.isText() && (r.isText() || r.Kind == 0) || r.isText() && l.Kind == 0) {
		if l.Kind != 0 && !l.isText() || r.Kind != 0 && !r.isText() {
			return bound{}, b.fail(codeMeaning, e.at, "cannot join the types %s and %s", l, r).hint("Write CONCAT(…), or CAST(… AS NVARCHAR(50)).")
		}
		typ := Type{Kind: max(l.Kind, r.Kind)}
		if l.Length > 0 && r.Length > 0 {
			typ.Length = l.Length + r.Length
		}
		return bound{sql: "(" + left.sql + " || " + right.sql + ")", typ: typ}, nil
	}
	if l.Kind != 0 && !l.isNumber() || r.Kind != 0 && !r.isNumber() {
		err := b.fail(codeMeaning, e.at, "cannot compute %s with the types %s and %s", e.operator, typeText(l), typeText(r))
		switch {
		case l.isText() || r.isText():
			return bound{}, err.hint("Write CAST(… AS INT), or CONCAT(…) to join texts.")
		case l.Kind == Datetime || r.Kind == Datetime:
			return bound{}, err.hint("Write DATEADD(day, 1, …) or DATEDIFF(second, …, …).")
		}
		return bound{}, err
	}
	typ, _ := unify(l, r)
	if typ.isInteger() {
		typ.Kind = Bigint
	}
	operator := e.operator
	if operator == "/" && typ.isInteger() {
		operator = "//"
	}
	return bound{sql: "(" + left.sql + " " + operator + " " + right.sql + ")", typ: typ}, nil
}

func typeText(t Type) string {
	if t.Kind == 0 {
		return "NULL"
	}
	return t.String()
}

func (b *binder) in(e inList, in *scope) (bound, error) {
	if len(e.list) > maxList {
		return bound{}, b.fail(codeSyntax, e.at, "cannot look for a value in a list of more than %d", maxList).hint("Write several statements, each with a part of the list.")
	}
	if e.query == nil {
		value, err := b.ready(e.value, in)
		if err != nil {
			return bound{}, err
		}
		return b.inValues(e, value, in)
	}
	value, err := b.value(e.value, in)
	if err != nil {
		return bound{}, err
	}
	sql, columns, err := b.query(e.query, in, nil)
	if err != nil {
		return bound{}, err
	}
	if len(columns) != 1 {
		return bound{}, b.fail(codeMeaning, e.at, "cannot look for a value in a subquery of %d columns", len(columns))
	}
	alias := b.alias()
	left, right, err := b.comparable(e.at, value, bound{sql: alias + ".f1", typ: columns[0].Type})
	return bound{sql: "(" + left + " " + not(e.not) + "IN (SELECT " + right + " FROM (" + sql + ") AS " + alias + "))", predicate: true}, err
}

// inValues binds a list of values. Where one of them makes another type of the value, each is compared by itself.
func (b *binder) inValues(e inList, value ready, in *scope) (bound, error) {
	var same, other []string
	for _, candidate := range e.list {
		against, err := b.value(candidate, in)
		if err != nil {
			return bound{}, err
		}
		left, right, err := b.comparable(e.at, value.bound, against)
		if err != nil {
			return bound{}, err
		}
		if left == value.sql {
			same = append(same, right)
		} else {
			other = append(other, "("+left+" = "+right+")")
		}
	}
	if len(same) > 0 {
		other = append(other, "("+value.sql+" IN ("+strings.Join(same, ", ")+"))")
	}
	return bound{sql: "(" + not(e.not) + "(" + strings.Join(other, " OR ") + "))", predicate: true}, nil
}

// like binds LIKE. DuckDB's knows % and _ only, so that a set of one character is written as that character.
func (b *binder) like(e like, in *scope) (bound, error) {
	value, err := b.value(e.value, in)
	if err != nil {
		return bound{}, err
	}
	pattern, known, err := b.constant(e.pattern)
	if err != nil {
		return bound{}, err
	}
	if !known {
		return bound{}, b.fail(codeMeaning, e.pattern.position(), "cannot match with a pattern that is not a constant")
	}
	escape := rune(0)
	if e.escape != nil {
		text, _, err := b.constant(e.escape)
		if err != nil {
			return bound{}, err
		}
		letters := []rune(textOf(text))
		if len(letters) != 1 {
			return bound{}, b.fail(codeMeaning, e.escape.position(), "cannot use this for ESCAPE: it takes one character")
		}
		escape = letters[0]
	}
	if value.typ.Kind != 0 && !value.typ.isText() {
		value.sql = "CAST(" + value.sql + " AS VARCHAR)"
	}
	if pattern == nil {
		return bound{sql: "(" + value.sql + " LIKE NULL)", predicate: true}, nil
	}
	plain, ok := plainPattern(textOf(pattern), escape)
	if !ok {
		return bound{}, b.fail(codeMeaning, e.pattern.position(), "cannot match with a set of characters: only %%, _ and sets of one character such as [%%] are in this dialect")
	}
	return bound{sql: "(" + value.sql + " " + not(e.not) + "LIKE " + duck.Literal(plain) + ` ESCAPE '\')`, predicate: true}, nil
}

// plainPattern writes a pattern of T-SQL with \ as its escape and without sets.
func plainPattern(pattern string, escape rune) (string, bool) {
	var out strings.Builder
	write := func(r rune) {
		if r == '%' || r == '_' || r == '\\' {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	letters := []rune(pattern)
	for i := 0; i < len(letters); i++ {
		switch r := letters[i]; {
		case escape != 0 && r == escape:
			if i++; i == len(letters) {
				return "", false
			}
			write(letters[i])
		case r == '%' || r == '_':
			out.WriteRune(r)
		case r == '[':
			if i+2 >= len(letters) || letters[i+2] != ']' {
				return "", false
			}
			write(letters[i+1])
			i += 2
		default:
			write(r)
		}
	}
	return out.String(), true
}

func (b *binder) caseOf(e caseOf, in *scope) (bound, error) {
	var typ Type
	var out strings.Builder
	out.WriteString("(CASE")
	branch := func(value expression) error {
		result, err := b.value(value, in)
		if err != nil {
			return err
		}
		unified, ok := unify(typ, result.typ)
		if !ok {
			return b.fail(codeMeaning, value.position(), "cannot give the types %s and %s from one CASE", typ, result.typ)
		}
		typ = unified
		out.WriteString(result.sql)
		return nil
	}
	var operand expression
	if e.operand != nil {
		value, err := b.ready(e.operand, in)
		if err != nil {
			return bound{}, err
		}
		operand = value
	}
	for _, when := range e.when {
		if err := b.larger(when[0].position(), size{conditions: 1}); err != nil {
			return bound{}, err
		}
		condition := when[0]
		if operand != nil {
			condition = binary{condition.position(), "=", operand, condition}
		}
		text, err := b.predicate(condition, in)
		if err != nil {
			return bound{}, err
		}
		out.WriteString(" WHEN " + text + " THEN ")
		if err := branch(when[1]); err != nil {
			return bound{}, err
		}
	}
	if e.other != nil {
		out.WriteString(" ELSE ")
		if err := branch(e.other); err != nil {
			return bound{}, err
		}
	}
	out.WriteString(" END)")
	return bound{sql: out.String(), typ: typ}, nil
}

func (b *binder) cast(e cast, value bound) (bound, error) {
	word := "CAST("
	if e.try {
		word = "TRY_CAST("
	}
	sql := value.sql
	switch {
	case e.typ.isText() && value.typ.Kind == Bit:
		sql = "CAST(" + sql + " AS BIGINT)"
	case e.typ.isText() && value.typ.Kind == Datetime:
		sql = "strftime(" + sql + ", '%Y-%m-%d %H:%M:%S')"
	case e.typ.isInteger() && (value.typ.Kind == Float || value.typ.Kind == Decimal):
		sql = "trunc(" + sql + ")"
	case e.typ.Kind == Datetime && value.typ.isNumber():
		return bound{}, b.fail(codeMeaning, e.at, "cannot cast the type %s to %s", value.typ, e.typ)
	case e.typ.Kind != Bit && !e.typ.isText() && value.typ.Kind == Bit:
		sql = "CAST(" + sql + " AS BIGINT)"
	case e.typ.Kind == Bit && value.typ.isNumber():
		sql = "(" + sql + " <> 0)"
	}
	sql = word + sql + " AS " + e.typ.duck().String() + ")"
	if e.typ.isText() && e.typ.Length > 0 {
		sql = "left(" + sql + ", " + strconv.Itoa(e.typ.Length) + ")"
	}
	if e.typ.Kind == Int {
		sql = word + word + sql + " AS INTEGER) AS BIGINT)"
	}
	return bound{sql: sql, typ: e.typ}, nil
}
