package connector

import (
	"slices"
	"strconv"
	"strings"
)

// function is a function of the dialect. compute is given as many arguments as it says.
type function struct {
	name        string
	least, most int
	aggregate   bool
	wants       string // the kind of every argument: text, number, time; "" is any
	compute     func(b *binder, args []bound) bound
}

// pattern writes the arguments into a text at $1, $2 …
func pattern(text string, typ Type) func(*binder, []bound) bound {
	return func(_ *binder, args []bound) bound { return bound{sql: fill(text, args), typ: typ} }
}

func fill(text string, args []bound) string {
	parts := strings.Split(text, "$")
	var out strings.Builder
	out.WriteString(parts[0])
	for _, part := range parts[1:] {
		out.WriteString(args[part[0]-'1'].sql + part[1:])
	}
	return out.String()
}

// same writes a pattern whose type is the first argument's.
func same(text string) func(*binder, []bound) bound {
	return func(_ *binder, args []bound) bound { return bound{sql: fill(text, args), typ: args[0].typ} }
}

// joined writes the arguments with commas between.
func joined(name string, args []bound) string {
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = a.sql
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}

func functions() []function {
	text, number := Type{Kind: Nvarchar}, Type{Kind: Int}
	now := func(b *binder, _ []bound) bound { return bound{sql: timestamp(b.now), typ: Type{Kind: Datetime}} }
	return []function{
		{"COUNT", 1, 1, true, "", pattern("count($1)", number)},
		{"COUNT_BIG", 1, 1, true, "", pattern("count($1)", Type{Kind: Bigint})},
		{"SUM", 1, 1, true, "number", func(_ *binder, args []bound) bound {
			typ := args[0].typ
			if typ.isInteger() || typ.Kind == 0 {
				typ = Type{Kind: Bigint}
			}
			return bound{sql: "CAST(sum(" + args[0].sql + ") AS " + typ.duck().String() + ")", typ: typ}
		}},
		{"AVG", 1, 1, true, "number", pattern("avg($1)", Type{Kind: Float})},
		{"MIN", 1, 1, true, "", same("min($1)")},
		{"MAX", 1, 1, true, "", same("max($1)")},
		{"STRING_AGG", 2, 2, true, "text", pattern("string_agg($1, $2)", text)},
		{"LEN", 1, 1, false, "text", pattern("length(rtrim($1, ' '))", number)},
		{"UPPER", 1, 1, false, "text", same("upper($1)")},
		{"LOWER", 1, 1, false, "text", same("lower($1)")},
		{"TRIM", 1, 1, false, "text", same("trim($1, ' ')")},
		{"LTRIM", 1, 1, false, "text", same("ltrim($1, ' ')")},
		{"RTRIM", 1, 1, false, "text", same("rtrim($1, ' ')")},
		{"REPLACE", 3, 3, false, "text", func(_ *binder, args []bound) bound {
			times := 1 + args[2].letters()/args[1].letters()
			if args[2].letters() <= args[1].letters() {
				times = 1
			}
			return bound{sql: fill("replace($1, $2, $3)", args), typ: text, longest: args[0].letters() * times}
		}},
		{"LEFT", 2, 2, false, "", same("left($1, $2)")},
		{"RIGHT", 2, 2, false, "", same("right($1, $2)")},
		{"SUBSTRING", 3, 3, false, "", same("substring($1, $2, $3)")},
		{"CHARINDEX", 2, 2, false, "text", pattern("instr($2, $1)", number)},
		{"CONCAT", 2, 100, false, "", func(_ *binder, args []bound) bound { return bound{sql: joined("concat", args), typ: text} }},
		{"ABS", 1, 1, false, "number", same("abs($1)")},
		{"FLOOR", 1, 1, false, "number", same("floor($1)")},
		{"CEILING", 1, 1, false, "number", same("ceil($1)")},
		{"ROUND", 2, 2, false, "number", same("round($1, CAST($2 AS INTEGER))")},
		{"ISNULL", 2, 2, false, "one", nil},
		{"COALESCE", 2, 100, false, "one", nil},
		{"NULLIF", 2, 2, false, "one", same("(CASE WHEN $1 = $2 THEN NULL ELSE $1 END)")},
		{"GETDATE", 0, 0, false, "", now},
		{"GETUTCDATE", 0, 0, false, "", now},
		{"SYSDATETIME", 0, 0, false, "", now},
		{"SYSUTCDATETIME", 0, 0, false, "", now},
		{"YEAR", 1, 1, false, "time", pattern("year($1)", number)},
		{"MONTH", 1, 1, false, "time", pattern("month($1)", number)},
		{"DAY", 1, 1, false, "time", pattern("day($1)", number)},
	}
}

// call binds a function.
func (b *binder) call(e call, in *scope) (bound, error) {
	switch name := strings.ToUpper(e.function); name {
	case "IIF":
		if len(e.args) != 3 {
			return bound{}, b.fail(codeMeaning, e.at, "cannot compute IIF of %d arguments: it takes 3", len(e.args))
		}
		return b.caseOf(caseOf{at: e.at, when: [][2]expression{{e.args[0], e.args[1]}}, other: e.args[2]}, in)
	case "DATEADD", "DATEDIFF":
		return b.dates(e, name, in)
	}
	if value, ok, err := b.asked(e); ok || err != nil {
		if err != nil {
			return bound{}, err
		}
		return b.literal(value, e.at)
	}
	if value, ok, err := b.macro(e, in); ok {
		return value, err
	}
	known := functions()
	i := slices.IndexFunc(known, func(f function) bool { return strings.EqualFold(f.name, e.function) })
	if i < 0 {
		names := []string{"IIF", "CAST", "CONVERT", "TRY_CAST", "TRY_CONVERT", "DATEADD", "DATEDIFF"}
		for _, f := range known {
			names = append(names, f.name)
		}
		return bound{}, b.fail(codeUnknown, e.at, "cannot find the function %s", e.function).near(e.function, "Functions", names).number(195)
	}
	f := known[i]
	switch {
	case e.star && !strings.HasPrefix(f.name, "COUNT"):
		return bound{}, b.fail(codeMeaning, e.at, "cannot compute %s(*): only COUNT takes a *", f.name)
	case e.distinct && !f.aggregate:
		return bound{}, b.fail(codeMeaning, e.at, "cannot compute %s of DISTINCT values: it is no aggregate", f.name)
	case !e.star && (len(e.args) < f.least || len(e.args) > f.most):
		takes := strconv.Itoa(f.least)
		if f.most > f.least {
			takes += " or more"
		}
		return bound{}, b.fail(codeMeaning, e.at, "cannot compute %s of %d arguments: it takes %s", f.name, len(e.args), takes)
	}
	if f.aggregate {
		if !in.aggregates || in.within > 0 {
			return bound{}, b.fail(codeMeaning, e.at, "cannot compute %s here: an aggregate stands in the columns, HAVING or ORDER BY, and not within another", f.name)
		}
		in.aggregated = true
		in.within++
		defer func() { in.within-- }()
	}
	if e.star {
		return bound{sql: "count(*)", typ: f.compute(b, []bound{{}}).typ}, nil
	}
	args, err := b.args(e, f, in)
	if err != nil {
		return bound{}, err
	}
	if f.compute == nil {
		return b.coalesce(e, args)
	}
	if e.distinct {
		args[0].sql = "DISTINCT " + args[0].sql
	}
	value := f.compute(b, args)
	for _, arg := range args {
		value.longest = max(value.longest, arg.longest)
	}
	if value.longest > maxReplaced {
		return bound{}, b.fail(codeMeaning, e.at, "cannot compute REPLACE within REPLACE of texts that may become this long").
			hint("CAST(… AS NVARCHAR(100)) bounds a text.")
	}
	return value, nil
}

func (b *binder) args(e call, f function, in *scope) ([]bound, error) {
	args := make([]bound, len(e.args))
	for i, arg := range e.args {
		var err error
		if args[i], err = b.value(arg, in); err != nil {
			return nil, err
		}
		typ := args[i].typ
		fits := typ.Kind == 0
		switch {
		case f.wants == "text", i == 0 && slices.Contains([]string{"LEFT", "RIGHT", "SUBSTRING"}, f.name):
			fits = fits || typ.isText()
		case f.wants == "number":
			fits = fits || typ.isNumber()
		case f.wants == "time":
			if typ.isText() {
				args[i].sql, fits = "CAST("+args[i].sql+" AS TIMESTAMP)", true
			}
			fits = fits || typ.Kind == Datetime
		case i > 0 && slices.Contains([]string{"LEFT", "RIGHT", "SUBSTRING"}, f.name):
			fits = fits || typ.isInteger()
		case strings.HasPrefix(f.name, "MIN"), strings.HasPrefix(f.name, "MAX"):
			fits = fits || typ.Kind != Bit
		default:
			fits = true
		}
		if !fits {
			return nil, b.fail(codeMeaning, arg.position(), "cannot compute %s with the type %s", f.name, typ)
		}
		if f.name == "CONCAT" && typ.Kind != 0 && !typ.isText() {
			if args[i], err = b.cast(cast{at: e.at, typ: Type{Kind: Nvarchar}}, args[i]); err != nil {
				return nil, err
			}
		}
		if typ.Kind == 0 && f.aggregate && f.wants == "number" {
			args[i].sql = "CAST(NULL AS DOUBLE)"
		}
	}
	return args, nil
}

// coalesce is COALESCE, and ISNULL, whose type SQL Server takes from the first.
func (b *binder) coalesce(e call, args []bound) (bound, error) {
	if strings.EqualFold(e.function, "ISNULL") && args[0].typ.Kind == Bit && args[1].typ.isInteger() {
		args[1] = bound{sql: "(" + args[1].sql + " <> 0)", typ: args[0].typ}
	}
	var typ Type
	for i, arg := range args {
		unified, ok := unify(typ, arg.typ)
		if !ok {
			return bound{}, b.fail(codeMeaning, e.args[i].position(), "cannot give the types %s and %s from one %s", typ, arg.typ, strings.ToUpper(e.function))
		}
		typ = unified
	}
	return bound{sql: joined("coalesce", args), typ: typ}, nil
}

// dateParts are the units of DATEADD and DATEDIFF, by every name of T-SQL.
var dateParts = map[string]string{
	"year": "year", "yy": "year", "yyyy": "year", "quarter": "quarter", "qq": "quarter", "q": "quarter", "month": "month", "mm": "month", "m": "month",
	"day": "day", "dd": "day", "d": "day", "hour": "hour", "hh": "hour", "minute": "minute", "mi": "minute", "n": "minute",
	"second": "second", "ss": "second", "s": "second", "millisecond": "millisecond", "ms": "millisecond",
}

func (b *binder) dates(e call, name string, in *scope) (bound, error) {
	if len(e.args) != 3 {
		return bound{}, b.fail(codeMeaning, e.at, "cannot compute %s of %d arguments: it takes 3", name, len(e.args))
	}
	unit := ""
	if word, ok := e.args[0].(column); ok && word.qualifier == "" {
		unit = dateParts[strings.ToLower(word.name)]
	}
	if unit == "" {
		return bound{}, b.fail(codeMeaning, e.args[0].position(), "cannot read the unit of %s: it is year, quarter, month, day, hour, minute, second or millisecond", name)
	}
	first, err := b.value(e.args[1], in)
	if err != nil {
		return bound{}, err
	}
	second, err := b.value(e.args[2], in)
	if err != nil {
		return bound{}, err
	}
	moment := func(v bound, at expression) (string, error) {
		if v.typ.isText() || v.typ.Kind == 0 {
			return "CAST(" + v.sql + " AS TIMESTAMP)", nil
		}
		if v.typ.Kind != Datetime {
			return "", b.fail(codeMeaning, at.position(), "cannot compute %s with the type %s", name, v.typ)
		}
		return v.sql, nil
	}
	to, err := moment(second, e.args[2])
	if err != nil {
		return bound{}, err
	}
	if name == "DATEDIFF" {
		from, err := moment(first, e.args[1])
		return bound{sql: "date_diff('" + unit + "', " + from + ", " + to + ")", typ: Type{Kind: Bigint}}, err
	}
	if first.typ.Kind != 0 && !first.typ.isInteger() {
		return bound{}, b.fail(codeMeaning, e.args[1].position(), "cannot add a number of the type %s", first.typ)
	}
	count := "CAST(" + first.sql + " AS INTEGER)"
	if unit == "quarter" {
		unit, count = "month", "3 * "+count
	}
	return bound{sql: "(" + to + " + to_" + unit + "s(" + count + "))", typ: Type{Kind: Datetime}}, nil
}
