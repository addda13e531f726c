package mashup

import (
	"math"
	"strconv"
	"strings"

	"freshet.dev/internal/mashup/syntax"
)

func itoa(i int) string { return strconv.Itoa(i) }

// translation turns the body of a function of the language into SQL.
type translation struct {
	f         *folding
	q         *query
	of        *function
	parameter string
	fields    []fieldType // the parameter is a row of these; or
	cell      *sqlExpr    // the parameter is this cell
}

// function translates a function of a row.
func (f *folding) function(q *query, of *function, fields []fieldType) (*sqlExpr, error) {
	if of.closure == nil || len(of.closure.names) != 1 {
		return nil, refuse("the function is not one of one row")
	}
	t := translation{f: f, q: q, of: of, parameter: of.closure.names[0], fields: fields}
	return t.expr(of.closure.syntax.Body)
}

func (t translation) isParameter(x syntax.Expr) bool {
	id, ok := x.(*syntax.Identifier)
	return ok && id.Name == t.parameter
}

func (t translation) column(name string) (*sqlExpr, error) {
	i := columnIndex(t.fields, name)
	if i < 0 || t.cell != nil {
		return nil, refuse("there is no column '%s'", name)
	}
	return t.q.cols[i], nil
}

func (t translation) expr(x syntax.Expr) (*sqlExpr, error) {
	switch x := x.(type) {
	case *syntax.Field:
		if t.isParameter(x.X) && t.cell == nil {
			if x.Optional {
				return nil, refuse("an optional field has no form in SQL")
			}
			return t.column(x.Name)
		}
	case *syntax.Identifier:
		if x.Name == t.parameter {
			if t.cell != nil {
				return t.cell, nil
			}
			return nil, refuse("the row as a whole has no form in SQL")
		}
	case *syntax.Binary:
		if e, err := t.binary(x); e != nil || err != nil {
			return e, err
		}
	case *syntax.Unary:
		if x.Op == syntax.OpNot {
			e, err := t.expr(x.X)
			if err != nil {
				return nil, err
			}
			if e.kind != sqlLogical {
				return nil, refuse("not takes a logical value")
			}
			return &sqlExpr{kind: sqlLogical, form: "(NOT {0})", args: []*sqlExpr{e}, raises: e.raises, nonNull: e.nonNull}, nil
		}
	case *syntax.If:
		return t.choice(x)
	case *syntax.Call:
		if !t.free(x) {
			return t.call(x)
		}
	}
	v, err := t.constant(x)
	if err != nil {
		return nil, err
	}
	e, ok := literalExpr(v)
	if !ok {
		return nil, refuse("a value of type %s has no exact form in SQL", typeName(v))
	}
	return e, nil
}

// free tells that an expression does not look at the parameter. What has scopes of its own counts as looking.
func (t translation) free(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Literal:
		return true
	case *syntax.Identifier:
		return x.Name != t.parameter
	case *syntax.Field:
		return t.free(x.X)
	case *syntax.Unary:
		return t.free(x.X)
	case *syntax.Binary:
		return t.free(x.Left) && t.free(x.Right)
	case *syntax.List:
		for _, item := range x.Items {
			if item.To != nil || !t.free(item.From) {
				return false
			}
		}
		return true
	case *syntax.Call:
		for _, arg := range x.Args {
			if !t.free(arg) {
				return false
			}
		}
		return t.free(x.Func)
	}
	return false
}

// constant evaluates an expression that does not look at the parameter.
func (t translation) constant(x syntax.Expr) (Value, error) {
	if !t.free(x) {
		return nil, refuse("the expression at %s has no form in SQL", x.Pos())
	}
	v, err := t.evaluate(x)
	if err != nil && raised(err) {
		return nil, refuse("the expression at %s fails, which counts only where a row asks for it", x.Pos())
	}
	return v, err
}

func (t translation) evaluate(x syntax.Expr) (Value, error) {
	ev := t.f.ev
	switch x := x.(type) {
	case *syntax.Literal:
		switch x.Kind {
		case syntax.Null:
			return null, nil
		case syntax.Logical:
			return logical(x.Text == "true"), nil
		case syntax.Text:
			return text(x.Text), nil
		case syntax.Number:
			if n, ok := literalNumber(x.Text); ok {
				return n, nil
			}
		}
	case *syntax.Identifier:
		if v, ok := t.of.lookup(ev, x.Name); ok {
			return force(ev, v)
		}
	case *syntax.Field:
		v, err := t.evaluate(x.X)
		if err != nil {
			return nil, err
		}
		if r, ok := v.(*record); ok {
			if got, ok, err := r.get(ev, x.Name); ok || err != nil {
				return got, err
			}
		}
	case *syntax.Unary:
		v, err := t.evaluate(x.X)
		if err != nil {
			return nil, err
		}
		return unaryValue(x.Op, v)
	case *syntax.Binary:
		if x.Op == syntax.OpAnd || x.Op == syntax.OpOr || x.Op == syntax.OpCoalesce || x.Op == syntax.OpMeta {
			break
		}
		left, err := t.evaluate(x.Left)
		if err != nil {
			return nil, err
		}
		right, err := t.evaluate(x.Right)
		if err != nil {
			return nil, err
		}
		return binaryValue(ev, x.Op, left, right)
	case *syntax.List:
		made := newList()
		for _, item := range x.Items {
			v, err := t.evaluate(item.From)
			if err != nil {
				return nil, err
			}
			made.items = append(made.items, v)
		}
		return made, nil
	case *syntax.Call:
		called, err := t.function(x.Func)
		if err != nil {
			return nil, err
		}
		if called.native == nil || strings.Contains(called.name, "Random") || strings.Contains(called.name, "Guid") {
			return nil, refuse("the function at %s has no form in SQL", x.Pos())
		}
		args := make([]Value, len(x.Args))
		for i, arg := range x.Args {
			if args[i], err = t.evaluate(arg); err != nil {
				return nil, err
			}
		}
		return applyForced(ev, called, args...)
	}
	return nil, refuse("the expression at %s has no form in SQL", x.Pos())
}

// function is the function that an expression names.
func (t translation) function(x syntax.Expr) (*function, error) {
	if !t.free(x) {
		return nil, refuse("a computed function has no form in SQL")
	}
	v, err := t.evaluate(x)
	if err != nil {
		return nil, err
	}
	called, ok := v.(*function)
	if !ok {
		return nil, refuse("the expression at %s is no function", x.Pos())
	}
	return called, nil
}

// binary translates an operator; nil leaves it to constants.
func (t translation) binary(x *syntax.Binary) (*sqlExpr, error) {
	if t.free(x) {
		if x.Op != syntax.OpAnd && x.Op != syntax.OpOr {
			return nil, nil
		}
	}
	left, err := t.expr(x.Left)
	if err != nil {
		return nil, err
	}
	right, err := t.expr(x.Right)
	if err != nil {
		return nil, err
	}
	switch x.Op {
	case syntax.OpAnd, syntax.OpOr:
		return connect(x.Op == syntax.OpAnd, left, right)
	case syntax.OpEqual, syntax.OpNotEqual, syntax.OpLess, syntax.OpLessEqual, syntax.OpGreater, syntax.OpGreaterEqual:
		return t.f.rules.compare(t.q, x.Op.String(), left, right)
	case syntax.OpConcat:
		if left.kind == sqlText && right.kind == sqlText {
			return &sqlExpr{kind: sqlText, form: "({0} || {1})", args: []*sqlExpr{left, right}, raises: left.raises || right.raises,
				nonNull: left.nonNull && right.nonNull}, nil
		}
	}
	return nil, refuse("the operator %s at %s has no exact form in SQL for these types", x.Op, x.Pos())
}

// connect is and, or. The language evaluates the right side only when the left does not decide; SQL promises no order, so where a
// side may fail a CASE keeps it.
func connect(and bool, left, right *sqlExpr) (*sqlExpr, error) {
	for _, side := range []*sqlExpr{left, right} {
		if side.kind != sqlLogical {
			return nil, refuse("and and or take logical values")
		}
	}
	e := &sqlExpr{kind: sqlLogical, args: []*sqlExpr{left, right}, raises: left.raises || right.raises, nonNull: left.nonNull && right.nonNull}
	switch {
	case and && e.raises:
		e.form = "CASE WHEN NOT {0} THEN FALSE ELSE ({0} AND {1}) END"
	case and:
		e.form = "({0} AND {1})"
	case e.raises:
		e.form = "CASE WHEN {0} THEN TRUE ELSE ({0} OR {1}) END"
	default:
		e.form = "({0} OR {1})"
	}
	return e, nil
}

// choice is if … then … else, whose condition must not be null.
func (t translation) choice(x *syntax.If) (*sqlExpr, error) {
	var parts [3]*sqlExpr
	for i, part := range []syntax.Expr{x.Cond, x.Then, x.Else} {
		var err error
		if parts[i], err = t.expr(part); err != nil {
			return nil, err
		}
	}
	cond, then, other := parts[0], parts[1], parts[2]
	if cond.kind != sqlLogical || !cond.nonNull {
		return nil, refuse("the condition at %s may be null, which is an error that SQL does not know", x.Cond.Pos())
	}
	of := then
	switch {
	case then.kind == sqlNull:
		of = other
	case other.kind == sqlNull:
	case then.kind != other.kind || then.kind == sqlDecimal:
		return nil, refuse("the branches at %s are of different types", x.Pos())
	}
	if of.kind == sqlNull {
		return nil, refuse("the branches at %s are both null", x.Pos())
	}
	return &sqlExpr{kind: of.kind, precision: of.precision, scale: of.scale, nan: then.nan || other.nan, form: "CASE WHEN {0} THEN {1} ELSE {2} END",
		args: parts[:], raises: cond.raises || then.raises || other.raises, nonNull: then.nonNull && other.nonNull}, nil
}

// call translates library functions whose SQL gives the same.
func (t translation) call(x *syntax.Call) (*sqlExpr, error) {
	called, err := t.function(x.Func)
	if err != nil {
		return nil, err
	}
	no := refuse("%s has no exact form in SQL here", called.name)
	if called.name == "" || called.native == nil {
		return nil, refuse("the function at %s has no form in SQL", x.Pos())
	}
	if called.name == "List.Contains" && len(x.Args) == 2 && t.free(x.Args[0]) {
		return t.contains(x)
	}
	args := make([]*sqlExpr, len(x.Args))
	raises, nonNull := false, true
	for i, arg := range x.Args {
		if args[i], err = t.expr(arg); err != nil {
			return nil, err
		}
		raises, nonNull = raises || args[i].raises, nonNull && args[i].nonNull
	}
	made := func(kind sqlKind, form string) (*sqlExpr, error) {
		return &sqlExpr{kind: kind, form: form, args: args, raises: raises, nonNull: nonNull}, nil
	}
	texts := len(args) == 2 && args[0].kind == sqlText && args[1].kind == sqlText && args[1].nonNull
	temporal := len(args) == 1 && (args[0].kind == sqlDate || args[0].kind == sqlDateTime)
	switch called.name {
	case "Text.StartsWith":
		if texts && t.q.postgres() {
			return made(sqlLogical, "starts_with({0}, {1})")
		}
		if texts {
			return made(sqlLogical, "starts_with({0}, {1})")
		}
	case "Text.EndsWith":
		if texts && t.q.postgres() {
			return made(sqlLogical, "(right({0}, length({1})) = {1})")
		}
		if texts {
			return made(sqlLogical, "ends_with({0}, {1})")
		}
	case "Text.Contains":
		if texts && t.q.postgres() {
			return made(sqlLogical, "(strpos({0}, {1}) > 0)")
		}
		if texts {
			return made(sqlLogical, "contains({0}, {1})")
		}
	case "Date.Year", "Date.Month", "Date.Day":
		if temporal {
			return made(sqlInt, "CAST(EXTRACT("+strings.ToUpper(called.name[len("Date."):])+" FROM {0}) AS BIGINT)")
		}
	case "Date.From", "DateTime.Date":
		if temporal {
			return made(sqlDate, "CAST({0} AS DATE)")
		}
	case "DateTime.From":
		if temporal {
			return made(sqlDateTime, "CAST({0} AS TIMESTAMP)")
		}
	}
	return nil, no
}

// contains is List.Contains({…}, [A]).
func (t translation) contains(x *syntax.Call) (*sqlExpr, error) {
	v, err := t.constant(x.Args[0])
	if err != nil {
		return nil, err
	}
	l, ok := v.(*list)
	if !ok {
		return nil, refuse("List.Contains takes a list")
	}
	items, err := l.all(t.f.ev)
	if err != nil {
		return nil, err
	}
	if len(items) > 1000 {
		return nil, refuse("the list has more than 1000 items")
	}
	cell, err := t.expr(x.Args[1])
	if err != nil {
		return nil, err
	}
	found, _ := literalExpr(logical(false))
	for _, item := range items {
		literal, ok := literalExpr(item)
		if !ok {
			return nil, refuse("an item of the list has no exact form in SQL")
		}
		same, err := t.f.rules.compare(t.q, "=", cell, literal)
		if err != nil {
			return nil, err
		}
		if found, err = connect(false, found, same); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// compareExpr folds a comparison. Equality takes null for a value; orders give null for it. NaN is unlike everything, itself included.
func compareExpr(q *query, op string, left, right *sqlExpr) (*sqlExpr, error) {
	args := []*sqlExpr{left, right}
	raises := left.raises || right.raises
	logicalExpr := func(form string, nonNull bool) *sqlExpr {
		return &sqlExpr{kind: sqlLogical, form: form, args: args, raises: raises, nonNull: nonNull}
	}
	equality := op == "=" || op == "<>"
	if left.kind == sqlNull || right.kind == sqlNull {
		if !equality {
			return nil, refuse("an order against null is null")
		}
		if left.kind == sqlNull {
			args[0], args[1] = right, left
		}
		if args[0].kind == sqlNull {
			return nil, refuse("null is compared with null")
		}
		form := "({0} IS NULL)"
		if op == "<>" {
			form = "({0} IS NOT NULL)"
		}
		e := logicalExpr(form, true)
		e.args = args[:1]
		return e, nil
	}
	if left.kind == sqlOther || right.kind == sqlOther {
		return nil, refuse("a column is of a type that SQL may compare differently")
	}
	exact, err := sameOrder(left, right)
	if err != nil {
		return nil, err
	}
	args[0], args[1] = exact[0], exact[1]
	guard := ""
	for i, side := range args {
		if side.nan && side.value == nil {
			guard += " AND {" + itoa(i) + "} <> 'NaN'"
		}
	}
	if equality {
		test := "{0} = {1}"
		if args[0].kind == sqlText && q.postgres() {
			test = `({0} = {1} AND {0} COLLATE "C" = {1})`
		}
		both := test
		switch {
		case args[0].nonNull && args[1].nonNull:
		case args[1].nonNull:
			both = "{0} IS NOT NULL AND " + test
		case args[0].nonNull:
			both = "{1} IS NOT NULL AND " + test
		default:
			both = "({0} IS NULL AND {1} IS NULL OR {0} IS NOT NULL AND {1} IS NOT NULL AND " + test + ")"
		}
		form := "(" + both + guardFor(guard) + ")"
		if op == "<>" {
			form = "(NOT " + form + ")"
		}
		return logicalExpr(form, true), nil
	}
	if left.kind == sqlLogical {
		return nil, refuse("an order of logical values has no form in SQL")
	}
	if left.kind == sqlText {
		form := q.textOrder("{0}") + " " + op + " " + q.textOrder("{1}")
		// The braces of a character's code are no places for arguments.
		return logicalExpr("("+strings.NewReplacer(`\x{E000}`, "\uE000", `\x{FFFF}`, "\uFFFF").Replace(form)+")", left.nonNull && right.nonNull), nil
	}
	form := "({0} " + op + " {1}" + guard + ")"
	return logicalExpr(form, left.nonNull && right.nonNull), nil
}

// guardFor is the guard of an equality, which must not turn its answer to null.
func guardFor(guard string) string {
	if guard == "" {
		return ""
	}
	return " AND COALESCE((TRUE" + guard + "), TRUE)"
}

// sameOrder brings two sides to types that SQL compares as the language does.
func sameOrder(left, right *sqlExpr) ([2]*sqlExpr, error) {
	no := refuse("the types of the two sides are compared differently in SQL")
	sides := [2]*sqlExpr{left, right}
	numeric := func(k sqlKind) bool { return k == sqlInt || k == sqlDouble || k == sqlDecimal }
	switch {
	case left.kind == right.kind && left.kind != sqlDecimal:
		return sides, nil
	case !numeric(left.kind) || !numeric(right.kind):
		return sides, no
	}
	if left.value != nil && right.value == nil {
		swapped, err := sameOrder(right, left)
		return [2]*sqlExpr{swapped[1], swapped[0]}, err
	}
	literal, isLiteral := right.value.(number)
	switch {
	case left.kind == sqlDouble && isLiteral:
		// A whole number or a decimal beside doubles is one.
		if i, ok := literal.int(); ok && (i > 1<<53 || i < -1<<53) || literal.rep == repDecimal {
			return sides, no
		}
		sides[1], _ = literalExpr(floatNumber(literal.float()))
		return sides, nil
	case left.kind == sqlInt && isLiteral:
		if i, ok := literal.int(); ok && literal.rep == repFloat && math.Abs(literal.float()) < 1<<53 {
			sides[1], _ = literalExpr(intNumber(i))
			return sides, nil
		}
	case left.kind == sqlDecimal && isLiteral:
		if literal.rep == repInt {
			return sides, nil
		}
		// Doubles of up to 15 digits stand in the order of the decimals they are written as.
		if literal.rep == repFloat && left.precision > 0 && left.precision <= 15 {
			s := strconv.FormatFloat(literal.float(), 'f', -1, 64)
			if len(strings.Trim(s, "-.")) <= 16 {
				sides[1] = &sqlExpr{kind: sqlDecimal, form: "(" + s + ")", nonNull: true}
				return sides, nil
			}
		}
	case left.kind == sqlDecimal && right.kind == sqlDecimal && left.scale == right.scale && left.precision == right.precision:
		return sides, nil
	}
	return sides, no
}
