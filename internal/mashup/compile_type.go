package mashup

import (
	"freshet.dev/internal/mashup/syntax"
)

// typ compiles what stands where a type is expected.
func (c *compiler) typ(x syntax.Expr, around *names) (code, error) {
	switch x := x.(type) {
	case *syntax.PrimitiveType:
		return constantCode(primitiveOf(x)), nil
	case *syntax.NullableType:
		return c.wrapType(x.X, around, (*typeValue).asNullable)
	case *syntax.ListType:
		return c.wrapType(x.Item, around, func(item *typeValue) *typeValue { return &typeValue{of: kindList, item: item} })
	case *syntax.RecordType:
		return c.recordType(x, around)
	case *syntax.TableType:
		return c.tableType(x, around)
	case *syntax.FunctionType:
		return c.functionType(x, around)
	}
	run, err := c.compile(x, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := run(ev, env)
		if err != nil {
			return nil, err
		}
		if _, ok := v.(*typeValue); !ok {
			return nil, c.place(cannotConvert(v, "Type"), x.Pos())
		}
		return v, nil
	}, nil
}

func (c *compiler) wrapType(x syntax.Expr, around *names, wrap func(*typeValue) *typeValue) (code, error) {
	run, err := c.typ(x, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := run(ev, env)
		if err != nil {
			return nil, err
		}
		t, err := wrap(v.(*typeValue)).nested()
		return orPlaced(t, err, c.in, x.Pos())
	}, nil
}

// orAny compiles a type that may be left out, which means any.
func (c *compiler) orAny(x syntax.Expr, around *names) (code, error) {
	if x == nil {
		return constantCode(anyType()), nil
	}
	return c.typ(x, around)
}

func (c *compiler) recordType(x *syntax.RecordType, around *names) (code, error) {
	types := make([]code, len(x.Fields))
	for i, f := range x.Fields {
		var err error
		if types[i], err = c.orAny(f.Type, around); err != nil {
			return nil, err
		}
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		rec := &typeValue{of: kindRecord, open: x.Open, fields: make([]fieldType, len(types))}
		for i, f := range x.Fields {
			v, err := types[i](ev, env)
			if err != nil {
				return nil, err
			}
			rec.fields[i] = fieldType{f.Name, v.(*typeValue), f.Optional}
		}
		t, err := rec.nested()
		return orPlaced(t, err, c.in, x.Pos())
	}, nil
}

func (c *compiler) tableType(x *syntax.TableType, around *names) (code, error) {
	row, err := c.typ(x.Row, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		v, err := row(ev, env)
		if err != nil {
			return nil, err
		}
		t := v.(*typeValue)
		if t.of != kindRecord || t.open {
			return nil, c.place(fail("A table type needs a record type that is not open."), x.Pos())
		}
		for _, f := range t.fields {
			if f.optional {
				return nil, c.place(fail("The column '%s' of a table type cannot be optional.", f.name), x.Pos())
			}
		}
		typ, err := tableOf(t.fields).nested()
		return orPlaced(typ, err, c.in, x.Pos())
	}, nil
}

func (c *compiler) functionType(x *syntax.FunctionType, around *names) (code, error) {
	params := make([]code, len(x.Params))
	for i, p := range x.Params {
		var err error
		if params[i], err = c.orAny(p.Type, around); err != nil {
			return nil, err
		}
	}
	result, err := c.orAny(x.Return, around)
	if err != nil {
		return nil, err
	}
	return func(ev *evaluation, env *scope) (Value, error) {
		f := &typeValue{of: kindFunction, params: make([]paramType, len(params))}
		for i, p := range x.Params {
			v, err := params[i](ev, env)
			if err != nil {
				return nil, err
			}
			f.params[i] = paramType{p.Name, v.(*typeValue)}
			if !p.Optional {
				f.required++
			} else {
				f.params[i].typ = f.params[i].typ.asNullable()
			}
		}
		v, err := result(ev, env)
		if err != nil {
			return nil, err
		}
		f.result = v.(*typeValue)
		t, err := f.nested()
		return orPlaced(t, err, c.in, x.Pos())
	}, nil
}
