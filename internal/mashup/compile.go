package mashup

import (
	"slices"
	"strings"

	"freshet.dev/internal/mashup/syntax"
)

// compiler turns a tree into code. Every name is resolved here, so that an unknown one fails before anything is evaluated.
type compiler struct {
	in     string // the query, for errors
	global func(name string) (code, bool)
	known  func() []string // global names, for the nearest one
	nest   int
	deep   int // the deepest nest since the body began
}

// names is the static side of a scope.
type names struct {
	parent *names
	names  []string
	hidden int // the binding being defined: its own name means what it means outside, unless written with @; -1 is none
}

// body compiles what gets a frame of its own: a function's body or a thunk's. weight is how many frames it may take.
func (c *compiler) body(x syntax.Expr, around *names) (run code, weight int, err error) {
	nest, deep := c.nest, c.deep
	c.nest, c.deep = 0, 0
	run, err = c.compile(x, around)
	weight = c.deep
	c.nest, c.deep = nest, deep
	return run, weight, err
}

func (c *compiler) compile(x syntax.Expr, around *names) (code, error) {
	c.nest++
	c.deep = max(c.deep, c.nest)
	defer func() { c.nest-- }()
	switch x := x.(type) {
	case *syntax.Literal:
		return c.literal(x)
	case *syntax.Identifier:
		return c.identifier(x, around)
	case *syntax.SectionAccess:
		if run, ok := c.global(x.Name); ok && x.Section == sectionName {
			return run, nil
		}
		return nil, c.place(fail("The name '%s!%s' wasn't recognized.", x.Section, x.Name), x.Pos())
	case *syntax.Binary:
		return c.binary(x, around)
	case *syntax.Unary:
		return c.unary(x, around)
	case *syntax.Is:
		return c.is(x, around)
	case *syntax.As:
		return c.as(x, around)
	case *syntax.If:
		return c.ifThenElse(x, around)
	case *syntax.Let:
		return c.let(x, around)
	case *syntax.Function:
		return c.function(x, around)
	case *syntax.Record:
		return c.record(x, around)
	case *syntax.List:
		return c.list(x, around)
	case *syntax.Call:
		return c.call(x, around)
	case *syntax.Field:
		return c.field(x, around)
	case *syntax.Projection:
		return c.projection(x, around)
	case *syntax.Index:
		return c.index(x, around)
	case *syntax.Raise:
		return c.raise(x, around)
	case *syntax.Try:
		return c.try(x, around)
	case *syntax.NotImplemented:
		return func(*evaluation, *scope) (Value, error) {
			return nil, c.place(fail("The expression is not implemented: its text is '...'."), x.Pos())
		}, nil
	case *syntax.Type:
		return c.typ(x.Of, around)
	default:
		return c.typ(x, around)
	}
}

// place gives an error of the language its place, unless it knows one from further inside.
func (c *compiler) place(err error, at syntax.Pos) error { return placed(err, c.in, at) }

func placed(err error, in string, at syntax.Pos) error {
	if f, ok := err.(*failure); ok && f.at == (syntax.Pos{}) {
		f.at, f.in = at, in
	}
	return err
}

func constantCode(v Value) code {
	return func(*evaluation, *scope) (Value, error) { return v, nil }
}

func (c *compiler) literal(x *syntax.Literal) (code, error) {
	switch x.Kind {
	case syntax.Null:
		return constantCode(null), nil
	case syntax.Logical:
		return constantCode(logical(x.Text == "true")), nil
	case syntax.Text:
		return constantCode(text(x.Text)), nil
	case syntax.Number:
		n, ok := literalNumber(x.Text)
		if !ok {
			return nil, c.place(fail("The number %s is too large.", x.Text), x.Pos())
		}
		return constantCode(n), nil
	}
	return func(*evaluation, *scope) (Value, error) {
		f := fail("%s", x.Text)
		f.reason = codeSyntax
		return nil, c.place(f, x.Pos())
	}, nil
}

// constant is the value of an expression that needs no evaluation.
func (c *compiler) constant(x syntax.Expr) (Value, bool) {
	lit, ok := x.(*syntax.Literal)
	if !ok || lit.Kind == syntax.Verbatim {
		return nil, false
	}
	run, err := c.literal(lit)
	if err != nil {
		return nil, false
	}
	v, err := run(nil, nil)
	return v, err == nil
}

func (c *compiler) identifier(x *syntax.Identifier, around *names) (code, error) {
	up, hidden := 0, false
	for s := around; s != nil; s = s.parent {
		for i, name := range s.names {
			if name == x.Name && (i != s.hidden || x.Inclusive) {
				return variable(up, i), nil
			}
			hidden = hidden || name == x.Name
		}
		up++
	}
	if run, ok := c.global(x.Name); ok {
		return func(ev *evaluation, env *scope) (Value, error) {
			v, err := run(ev, env)
			return orPlaced(v, err, c.in, x.Pos())
		}, nil
	}
	f := fail("The name '%s' wasn't recognized. Make sure it's spelled correctly.", x.Name)
	if hidden {
		f.hint = "Write @" + quoteIdentifier(x.Name) + " to mean the variable that is being defined"
		return nil, c.place(f, x.Pos())
	}
	candidates := c.known()
	for s := around; s != nil; s = s.parent {
		candidates = append(candidates, s.names...)
	}
	if near := nearest(x.Name, candidates); near != "" {
		f.hint = "The nearest known name is '" + near + "'"
	}
	return nil, c.place(f, x.Pos())
}

func variable(up, i int) code {
	return func(ev *evaluation, env *scope) (Value, error) {
		for range up {
			env = env.parent
		}
		return forceRaw(ev, env.values[i])
	}
}

// delayed compiles an expression that is evaluated when it is needed: it returns how to make its value or thunk in a scope.
func (c *compiler) delayed(x syntax.Expr, around *names) (func(env *scope) Value, error) {
	if v, ok := c.constant(x); ok {
		return func(*scope) Value { return v }, nil
	}
	run, weight, err := c.body(x, around)
	if err != nil {
		return nil, err
	}
	return func(env *scope) Value { return &thunk{body: run, env: env, weight: weight} }, nil
}

// bindings compiles the bindings of a let or a record; run opens their scope.
func (c *compiler) bindings(bindings []syntax.Binding, around *names) (inner *names, run func(env *scope) *scope, err error) {
	inner = &names{parent: around, names: make([]string, len(bindings)), hidden: -1}
	for i, b := range bindings {
		inner.names[i] = b.Name
	}
	makers := make([]func(*scope) Value, len(bindings))
	for i, b := range bindings {
		if makers[i], err = c.delayed(b.Value, &names{parent: inner.parent, names: inner.names, hidden: i}); err != nil {
			return nil, nil, err
		}
	}
	return inner, func(env *scope) *scope {
		s := &scope{parent: env, names: inner.names, values: make([]Value, len(makers))}
		for i, maker := range makers {
			s.values[i] = maker(s)
		}
		return s
	}, nil
}

func (c *compiler) let(x *syntax.Let, around *names) (code, error) {
	inner, open, err := c.bindings(x.Bindings, around)
	if err != nil {
		return nil, err
	}
	body, err := c.compile(x.Body, inner)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) { return body(ev, open(env)) }, nil
}

func (c *compiler) record(x *syntax.Record, around *names) (code, error) {
	inner, open, err := c.bindings(x.Fields, around)
	if err != nil {
		return nil, err
	}
	fields := newShape(inner.names)
	return func(ev *evaluation, env *scope) (Value, error) {
		return &record{shape: fields, values: open(env).values}, nil
	}, nil
}

func (c *compiler) list(x *syntax.List, around *names) (code, error) {
	type part struct {
		item     func(*scope) Value
		from, to code
	}
	parts := make([]part, len(x.Items))
	ranges := false
	for i, item := range x.Items {
		var err error
		if item.To == nil {
			parts[i].item, err = c.delayed(item.From, around)
		} else {
			ranges = true
			if parts[i].from, err = c.compile(item.From, around); err == nil {
				parts[i].to, err = c.compile(item.To, around)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if !ranges {
		return func(ev *evaluation, env *scope) (Value, error) {
			items := make([]Value, len(parts))
			for i := range parts {
				items[i] = parts[i].item(env)
			}
			return newList(items...), nil
		}, nil
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		i := 0
		var run func() (Value, bool)
		return &list{next: func(ev *evaluation) (Value, bool, error) {
			for {
				if run != nil {
					if v, ok := run(); ok {
						return v, true, nil
					}
					run = nil
				}
				if i == len(parts) {
					return nil, false, nil
				}
				p := parts[i]
				if p.item != nil {
					i++
					return p.item(env), true, nil
				}
				from, err := p.from(ev, env)
				if err != nil {
					return nil, false, err
				}
				to, err := p.to(ev, env)
				if err != nil {
					return nil, false, err
				}
				if run, err = countUp(plain(from), plain(to)); err != nil {
					return nil, false, c.place(err, x.Pos())
				}
				i++
			}
		}}, nil
	}, nil
}

// countUp gives the items of from..to.
func countUp(from, to Value) (func() (Value, bool), error) {
	switch from := from.(type) {
	case number:
		to, ok := to.(number)
		if !ok {
			break
		}
		low, ok1 := from.int()
		high, ok2 := to.int()
		if !ok1 || !ok2 {
			return nil, fail("A range goes from a whole number to a whole number.")
		}
		return func() (Value, bool) {
			if low > high {
				return nil, false
			}
			low++
			return intNumber(low - 1), true
		}, nil
	case text:
		to, ok := to.(text)
		if !ok {
			break
		}
		low, high := []rune(string(from)), []rune(string(to))
		if len(low) != 1 || len(high) != 1 {
			return nil, fail("A range of texts goes from one character to one character.")
		}
		r := low[0]
		return func() (Value, bool) {
			if r > high[0] {
				return nil, false
			}
			r++
			return text(string(r - 1)), true
		}, nil
	}
	return nil, fail("A range cannot go from %s to %s.", typeName(from), typeName(to))
}

func (c *compiler) function(x *syntax.Function, around *names) (code, error) {
	inner := &names{parent: around, hidden: -1}
	typ := &typeValue{of: kindFunction, result: anyType()}
	for _, p := range x.Params {
		inner.names = append(inner.names, p.Name)
		pt := paramType{name: p.Name, typ: anyType()}
		if p.Type != nil {
			pt.typ = primitiveOf(p.Type)
		}
		if p.Optional {
			pt.typ = pt.typ.asNullable()
		} else {
			typ.required++
		}
		typ.params = append(typ.params, pt)
	}
	if x.Return != nil {
		typ.result = primitiveOf(x.Return)
	}
	body, weight, err := c.body(x.Body, inner)
	if err != nil {
		return nil, err
	}
	shared := &closure{syntax: x, body: body, names: inner.names, weight: weight, in: c.in}
	return func(ev *evaluation, env *scope) (Value, error) {
		return &function{typ: typ, closure: shared, env: env}, nil
	}, nil
}

// primitiveOf is the type that the parser let stand after as and is.
func primitiveOf(x syntax.Expr) *typeValue {
	switch x := x.(type) {
	case *syntax.NullableType:
		return primitiveOf(x.X).asNullable()
	case *syntax.PrimitiveType:
		return simple(kind(slices.Index(kindNames[:], x.Name)))
	}
	return anyType()
}

func (c *compiler) ifThenElse(x *syntax.If, around *names) (code, error) {
	cond, err := c.compile(x.Cond, around)
	if err != nil {
		return nil, err
	}
	then, err := c.compile(x.Then, around)
	if err != nil {
		return nil, err
	}
	otherwise, err := c.compile(x.Else, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := cond(ev, env)
		if err != nil {
			return nil, err
		}
		yes, ok := plain(v).(logical)
		if !ok {
			return nil, c.place(cannotConvert(v, "Logical"), x.Cond.Pos())
		}
		if yes {
			return then(ev, env)
		}
		return otherwise(ev, env)
	}, nil
}

func (c *compiler) call(x *syntax.Call, around *names) (code, error) {
	callee, err := c.compile(x.Func, around)
	if err != nil {
		return nil, err
	}
	args := make([]code, len(x.Args))
	for i, arg := range x.Args {
		if args[i], err = c.compile(arg, around); err != nil {
			return nil, err
		}
	}
	at := x.Func.Pos()
	here := &site{in: c.in, at: at}
	if named, ok := x.Func.(*syntax.Identifier); ok {
		here.name = named.Name
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := callee(ev, env)
		if err != nil {
			return nil, err
		}
		f, ok := plain(v).(*function)
		if !ok {
			return nil, c.place(cannotConvert(v, "Function"), at)
		}
		values := make([]Value, len(args), max(len(args), len(f.typ.params)))
		for i, arg := range args {
			if values[i], err = arg(ev, env); err != nil {
				return nil, err
			}
		}
		around := ev.site
		ev.site = here
		v, err = ev.apply(f, values)
		ev.site = around
		if err != nil {
			return nil, c.place(err, at)
		}
		if t, ok := v.(*relational); ok && t.plan.site == nil {
			t.plan.site = here
		}
		return v, nil
	}, nil
}

func (c *compiler) field(x *syntax.Field, around *names) (code, error) {
	of, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := of(ev, env)
		if err != nil {
			return nil, err
		}
		v, err = fieldOf(ev, plain(v), x.Name, x.Optional)
		if err != nil {
			return nil, c.place(err, x.Pos())
		}
		return v, nil
	}, nil
}

func (c *compiler) projection(x *syntax.Projection, around *names) (code, error) {
	of, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	fields := newShape(x.Names)
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := of(ev, env)
		if err != nil {
			return nil, err
		}
		switch v := plain(v).(type) {
		case *record:
			values := make([]Value, len(x.Names))
			for i, name := range x.Names {
				switch j := v.shape.find(name); {
				case j >= 0:
					values[i] = v.values[j]
				case x.Optional:
					values[i] = null
				default:
					return nil, c.place(fail("The field '%s' of the record wasn't found.", name).with(v), x.Pos())
				}
			}
			return &record{shape: fields, values: values}, nil
		case table:
			t, err := v.selectColumns(ev, x.Names, x.Optional)
			return orPlaced(t, err, c.in, x.Pos())
		case nullKind:
			if x.Optional {
				return null, nil
			}
		}
		return nil, c.place(fail("We cannot apply field access to the type %s.", typeName(v)), x.Pos())
	}, nil
}

func orPlaced(v Value, err error, in string, at syntax.Pos) (Value, error) {
	if err != nil {
		return nil, placed(err, in, at)
	}
	return v, nil
}

func (c *compiler) index(x *syntax.Index, around *names) (code, error) {
	of, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	key, err := c.compile(x.Key, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := of(ev, env)
		if err != nil {
			return nil, err
		}
		k, err := key(ev, env)
		if err != nil {
			return nil, err
		}
		v, err = itemOf(ev, plain(v), plain(k), x.Optional)
		return orPlaced(v, err, c.in, x.Pos())
	}, nil
}

func (c *compiler) raise(x *syntax.Raise, around *names) (code, error) {
	what, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := what(ev, env)
		if err != nil {
			return nil, err
		}
		return nil, c.place(failureOf(ev, plain(v)), x.Pos())
	}, nil
}

func (c *compiler) try(x *syntax.Try, around *names) (code, error) {
	what, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	var otherwise, handler code
	if x.Otherwise != nil {
		if otherwise, err = c.compile(x.Otherwise, around); err != nil {
			return nil, err
		}
	}
	if x.Catch != nil {
		if handler, err = c.compile(x.Catch, around); err != nil {
			return nil, err
		}
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		depth, running := ev.depth, len(ev.session.running)
		v, err := what(ev, env)
		ev.depth, ev.session.running = depth, ev.session.running[:running]
		f, caught := err.(*failure)
		switch {
		case err != nil && !caught:
			return nil, err
		case otherwise == nil && handler == nil:
			if err != nil {
				return newRecord([]string{"HasError", "Error"}, []Value{logical(true), f.record()}), nil
			}
			return newRecord([]string{"HasError", "Value"}, []Value{logical(false), v}), nil
		case err == nil:
			return v, nil
		case otherwise != nil:
			return otherwise(ev, env)
		}
		h, err := handler(ev, env)
		if err != nil {
			return nil, err
		}
		fn := h.(*function)
		if len(fn.typ.params) == 0 {
			return ev.apply(fn, nil)
		}
		return ev.apply(fn, []Value{f.record()})
	}, nil
}

func (c *compiler) is(x *syntax.Is, around *names) (code, error) {
	of, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	typ := primitiveOf(x.Type)
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := of(ev, env)
		if err != nil {
			return nil, err
		}
		return logical(typ.accepts(v)), nil
	}, nil
}

func (c *compiler) as(x *syntax.As, around *names) (code, error) {
	of, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	typ := primitiveOf(x.Type)
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := of(ev, env)
		if err != nil {
			return nil, err
		}
		if !typ.accepts(v) {
			return nil, c.place(cannotConvert(v, typ.title()), x.Pos())
		}
		return v, nil
	}, nil
}

func (c *compiler) unary(x *syntax.Unary, around *names) (code, error) {
	of, err := c.compile(x.X, around)
	if err != nil {
		return nil, err
	}
	if v, ok := c.constant(x.X); ok && x.Op != syntax.OpNot {
		if v, err := unaryValue(x.Op, v); err == nil {
			return constantCode(v), nil
		}
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := of(ev, env)
		if err != nil {
			return nil, err
		}
		v, err = unaryValue(x.Op, plain(v))
		return orPlaced(v, err, c.in, x.Pos())
	}, nil
}

func (c *compiler) binary(x *syntax.Binary, around *names) (code, error) {
	left, err := c.compile(x.Left, around)
	if err != nil {
		return nil, err
	}
	right, err := c.compile(x.Right, around)
	if err != nil {
		return nil, err
	}
	switch x.Op {
	case syntax.OpAnd, syntax.OpOr:
		return c.logic(x, left, right), nil
	case syntax.OpCoalesce:
		return func(ev *evaluation, env *scope) (Value, error) {
			v, err := left(ev, env)
			if err != nil || plain(v) != Value(null) {
				return v, err
			}
			return right(ev, env)
		}, nil
	case syntax.OpMeta:
		return func(ev *evaluation, env *scope) (Value, error) {
			v, err := left(ev, env)
			if err != nil {
				return nil, err
			}
			m, err := right(ev, env)
			if err != nil {
				return nil, err
			}
			meta, ok := plain(m).(*record)
			if !ok {
				return nil, c.place(cannotConvert(m, "Record"), x.Pos())
			}
			return withMeta(v, mergeRecords(metaOf(v), meta)), nil
		}, nil
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		a, err := left(ev, env)
		if err != nil {
			return nil, err
		}
		b, err := right(ev, env)
		if err != nil {
			return nil, err
		}
		v, err := binaryValue(ev, x.Op, plain(a), plain(b))
		if err != nil {
			return nil, c.place(err, x.Pos())
		}
		return v, nil
	}, nil
}

// logic is and, or: three-valued, and the right side is evaluated only when the left leaves it open.
func (c *compiler) logic(x *syntax.Binary, left, right code) code {
	decisive := logical(x.Op == syntax.OpOr)
	side := func(v Value) (Value, error) {
		v = plain(v)
		if k := v.kind(); k != kindLogical && k != kindNull {
			return nil, c.place(cannotConvert(v, "Logical"), x.Pos())
		}
		return v, nil
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		a, err := left(ev, env)
		if err != nil {
			return nil, err
		}
		if a, err = side(a); err != nil {
			return nil, err
		}
		if a == Value(decisive) {
			return a, nil
		}
		b, err := right(ev, env)
		if err != nil {
			return nil, err
		}
		if b, err = side(b); err != nil {
			return nil, err
		}
		switch {
		case b == Value(decisive):
			return b, nil
		case a == Value(null) || b == Value(null):
			return null, nil
		}
		return !decisive, nil
	}
}

// nearest is the known name that a person may have meant, or "".
func nearest(name string, candidates []string) string {
	best, distance := "", max(1, len(name)/3)+1
	lower := strings.ToLower(name)
	for _, candidate := range candidates {
		other := strings.ToLower(candidate)
		if n := len(other) - len(lower); n >= distance || -n >= distance {
			continue
		}
		if d := editDistance(lower, other, distance); d < distance || d == distance && best != "" && candidate < best {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and changes between two texts, and stops above limit.
func editDistance(a, b string, limit int) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
			least = min(least, row[j+1])
		}
		if least > limit {
			return least
		}
	}
	return row[len(b)]
}
