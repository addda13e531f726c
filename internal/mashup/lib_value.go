package mashup

import (
	"sort"
	"strings"

	"freshet.dev/internal/mashup/syntax"
)

// typeOf is the type of a value: what was ascribed to it, else what it is.
func typeOf(v Value) *typeValue {
	switch v := v.(type) {
	case annotated:
		if v.typ != nil {
			return v.typ
		}
		return typeOf(v.Value)
	case *list:
		if v.typ != nil {
			return v.typ
		}
	case *record:
		if v.typ != nil {
			return v.typ
		}
		t := &typeValue{of: kindRecord}
		for _, name := range v.shape.names {
			t.fields = append(t.fields, fieldType{name: name, typ: anyType()})
		}
		return t
	case table:
		return v.tableType()
	case *function:
		return v.typ
	}
	return simple(v.kind())
}

// withType ascribes a type to a value.
func withType(v Value, t *typeValue) (Value, error) {
	if !t.accepts(v) {
		return nil, cannotConvert(v, t.title())
	}
	switch v := v.(type) {
	case *list:
		copied := v.share()
		copied.typ = t
		return copied, nil
	case *record:
		copied := *v
		if len(t.fields) > 0 || !t.open {
			copied.typ = t
		}
		return &copied, nil
	case table:
		if t.open {
			return v, nil
		}
		if len(t.fields) != len(v.tableType().fields) {
			return nil, fail("The number of columns of the type and of the table are not the same.")
		}
		return v.withType(t), nil
	case *function:
		if t.bare {
			return v, nil
		}
		if len(t.params) != len(v.typ.params) || t.required != v.typ.required {
			return nil, fail("The type has not the parameters of the function.")
		}
		// Arguments are checked as the function itself declared them; the ascribed type is what others see of it.
		copied := *v
		inner := *v
		copied.typ, copied.closure, copied.annotated, copied.nullFirst = t, nil, true, false
		copied.native = func(ev *evaluation, args []Value) (Value, error) { return ev.apply(&inner, args) }
		return &copied, nil
	case *typeValue, binary:
		return v, nil
	case annotated:
		v.typ = t
		return v, nil
	}
	return annotated{Value: v, typ: t}, nil
}

// operatorEntry is a function for an operator.
func operatorEntry(signature string, op syntax.Op) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) { return binaryValue(ev, op, args[0], args[1]) }}
}

func valueFunctions() family {
	return family{
		entries: append(valueEntries(), languageEntries()...),
		constants: []constant{
			{"Logical.Type", simple(kindLogical)}, {"Null.Type", simple(kindNull)}, {"Any.Type", anyType()}, {"None.Type", simple(kindNone)},
			{"Function.Type", simple(kindFunction)}, {"Record.Type", simple(kindRecord)}, {"Table.Type", simple(kindTable)},
			{"Type.Type", simple(kindType)}, {"Binary.Type", simple(kindBinary)},
			{"MissingField.Error", intNumber(missingError)}, {"MissingField.Ignore", intNumber(missingIgnore)}, {"MissingField.UseNull", intNumber(missingUseNull)},
			{"MissingField.Type", named(kindNumber, "MissingField.Type")},
			{"ExtraValues.List", intNumber(0)}, {"ExtraValues.Error", intNumber(1)}, {"ExtraValues.Ignore", intNumber(2)}, {"ExtraValues.Type", named(kindNumber, "ExtraValues.Type")},
			{"JoinKind.Inner", intNumber(0)}, {"JoinKind.LeftOuter", intNumber(1)}, {"JoinKind.RightOuter", intNumber(2)}, {"JoinKind.FullOuter", intNumber(3)},
			{"JoinKind.LeftAnti", intNumber(4)}, {"JoinKind.RightAnti", intNumber(5)}, {"JoinKind.LeftSemi", intNumber(6)}, {"JoinKind.RightSemi", intNumber(7)},
			{"JoinKind.Type", named(kindNumber, "JoinKind.Type")},
			{"JoinAlgorithm.Dynamic", intNumber(0)}, {"JoinAlgorithm.PairwiseHash", intNumber(1)}, {"JoinAlgorithm.SortMerge", intNumber(2)},
			{"JoinAlgorithm.LeftHash", intNumber(3)}, {"JoinAlgorithm.RightHash", intNumber(4)}, {"JoinAlgorithm.LeftIndex", intNumber(5)},
			{"JoinAlgorithm.RightIndex", intNumber(6)}, {"JoinAlgorithm.Type", named(kindNumber, "JoinAlgorithm.Type")},
			{"JoinSide.Left", intNumber(0)}, {"JoinSide.Right", intNumber(1)}, {"JoinSide.Type", named(kindNumber, "JoinSide.Type")},
			{"GroupKind.Local", intNumber(0)}, {"GroupKind.Global", intNumber(1)}, {"GroupKind.Type", named(kindNumber, "GroupKind.Type")},
			{"RankKind.Competition", intNumber(0)}, {"RankKind.Dense", intNumber(1)}, {"RankKind.Ordinal", intNumber(2)}, {"RankKind.Type", named(kindNumber, "RankKind.Type")},
			{"TraceLevel.Critical", intNumber(1)}, {"TraceLevel.Error", intNumber(2)}, {"TraceLevel.Warning", intNumber(4)},
			{"TraceLevel.Information", intNumber(8)}, {"TraceLevel.Verbose", intNumber(16)}, {"TraceLevel.Type", named(kindNumber, "TraceLevel.Type")},
			{"BufferMode.Eager", intNumber(1)}, {"BufferMode.Delayed", intNumber(2)}, {"BufferMode.Type", named(kindNumber, "BufferMode.Type")},
			{"LimitClauseKind.None", intNumber(0)}, {"LimitClauseKind.Top", intNumber(1)}, {"LimitClauseKind.LimitOffset", intNumber(2)},
			{"LimitClauseKind.Limit", intNumber(3)}, {"LimitClauseKind.AnsiSql2008", intNumber(4)},
		},
	}
}

func valueEntries() []entry {
	return []entry{
		{signature: "Value.Type(value as any) as type", annotated: true, body: func(_ *evaluation, args []Value) (Value, error) { return typeOf(args[0]), nil }},
		{signature: "Value.ReplaceType(value as any, type as type) as any", annotated: true, body: func(_ *evaluation, args []Value) (Value, error) {
			return withType(args[0], plain(args[1]).(*typeValue))
		}},
		{signature: "Value.Metadata(value as any) as any", annotated: true, body: func(_ *evaluation, args []Value) (Value, error) {
			if m := metaOf(args[0]); m != nil {
				return m, nil
			}
			return newRecord(nil, nil), nil
		}},
		{signature: "Value.ReplaceMetadata(value as any, metaValue as any) as any", annotated: true, body: func(_ *evaluation, args []Value) (Value, error) {
			m, ok := plain(args[1]).(*record)
			if !ok {
				return nil, cannotConvert(args[1], "Record")
			}
			return withMeta(args[0], m), nil
		}},
		{signature: "Value.RemoveMetadata(value as any, optional metaValue as any) as any", annotated: true, body: func(ev *evaluation, args []Value) (Value, error) {
			m := metaOf(args[0])
			if isNull(plain(args[1])) || m == nil {
				return withMeta(args[0], nil), nil
			}
			names, err := namesArg(ev, plain(args[1]))
			if err != nil {
				return nil, err
			}
			kept := newRecord(nil, nil)
			for i, name := range m.shape.names {
				if newShape(names).find(name) < 0 {
					kept = mergeRecords(kept, newRecord([]string{name}, []Value{m.values[i]}))
				}
			}
			return withMeta(args[0], kept), nil
		}},
		{signature: "Value.Is(value as any, type as type) as logical", body: func(_ *evaluation, args []Value) (Value, error) {
			return logical(args[1].(*typeValue).accepts(args[0])), nil
		}},
		{signature: "Value.As(value as any, type as type) as any", body: func(_ *evaluation, args []Value) (Value, error) {
			t := args[1].(*typeValue)
			if !t.accepts(args[0]) {
				return nil, cannotConvert(args[0], t.title())
			}
			return args[0], nil
		}},
		{signature: "Value.Compare(value1 as any, value2 as any, optional precision as nullable number) as number", body: func(_ *evaluation, args []Value) (Value, error) {
			return compareValues(args[0], args[1])
		}},
		{signature: "Value.Equals(value1 as any, value2 as any, optional precision as nullable number) as logical", body: func(ev *evaluation, args []Value) (Value, error) {
			same, err := equal(ev, args[0], args[1])
			return logical(same), err
		}},
		{signature: "Value.NullableEquals(value1 as any, value2 as any, optional precision as nullable number) as nullable logical", body: func(ev *evaluation, args []Value) (Value, error) {
			if isNull(args[0]) || isNull(args[1]) {
				return null, nil
			}
			same, err := equal(ev, args[0], args[1])
			return logical(same), err
		}},
		operatorEntry("Value.Add(value1 as any, value2 as any, optional precision as nullable number) as any", syntax.OpAdd),
		operatorEntry("Value.Subtract(value1 as any, value2 as any, optional precision as nullable number) as any", syntax.OpSubtract),
		operatorEntry("Value.Multiply(value1 as any, value2 as any, optional precision as nullable number) as any", syntax.OpMultiply),
		operatorEntry("Value.Divide(value1 as any, value2 as any, optional precision as nullable number) as any", syntax.OpDivide),
		{signature: "Value.FromText(text as any, optional culture as nullable text) as any", body: valueFromText},
		{signature: "Value.Firewall(key as text) as any", body: func(*evaluation, []Value) (Value, error) {
			return nil, fail("Value.Firewall is not for use in expressions.")
		}},
		{signature: "Logical.From(value as any) as nullable logical", body: func(_ *evaluation, args []Value) (Value, error) { return logicalFrom(args[0]) }},
		{signature: "Logical.FromText(text as nullable text) as nullable logical", body: func(_ *evaluation, args []Value) (Value, error) { return logicalFrom(args[0]) }},
		{signature: "Logical.ToText(logicalValue as nullable logical) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
			return text(constantText(args[0])), nil
		}},
	}
}

// valueFromText finds out what a text may be: a logical, a number, a date or time, a duration, else a text.
func valueFromText(ev *evaluation, args []Value) (Value, error) {
	s, ok := args[0].(text)
	if !ok {
		return args[0], nil
	}
	c, err := ev.culture(args[1])
	if err != nil {
		return nil, err
	}
	trimmed := strings.TrimSpace(string(s))
	switch strings.ToLower(trimmed) {
	case "":
		return s, nil
	case "null":
		return null, nil
	case "true", "false":
		return logical(strings.EqualFold(trimmed, "true")), nil
	}
	if n, err := numberFromText(c, trimmed); err == nil {
		return n, nil
	}
	if p, ok := c.readDate(trimmed, ev.thisYear()); ok {
		switch {
		case p.hasZone:
			return ev.zonedFromText(c, trimmed, "")
		case p.hasDate && p.hasTime:
			return ev.dateTimeFromText(c, trimmed, "")
		case p.hasDate:
			return ev.dateFromText(c, trimmed, "")
		case p.hasTime:
			return ev.timeFromText(c, trimmed, "")
		}
	}
	if d, err := durationFromText(trimmed); err == nil {
		return d, nil
	}
	return s, nil
}

func languageEntries() []entry {
	return []entry{
		{signature: "Function.Invoke(function as function, args as list) as any", body: func(ev *evaluation, args []Value) (Value, error) {
			items, err := args[1].(*list).all(ev)
			if err != nil {
				return nil, err
			}
			return ev.apply(args[0].(*function), items)
		}},
		{signature: "Function.InvokeAfter(function as function, delay as duration) as any", body: func(ev *evaluation, args []Value) (Value, error) {
			return ev.apply(args[0].(*function), nil)
		}},
		{signature: "Function.From(functionType as type, function as function) as function", body: func(_ *evaluation, args []Value) (Value, error) {
			t, inner := args[0].(*typeValue), args[1].(*function)
			if t.of != kindFunction || t.bare {
				return nil, fail("A type of a function with its parameters is expected here.")
			}
			return &function{typ: t, native: func(ev *evaluation, args []Value) (Value, error) { return ev.apply(inner, []Value{newList(args...)}) }}, nil
		}},
		{signature: "Function.ScalarVector(scalarFunctionType as type, vectorFunction as function) as function", body: func(*evaluation, []Value) (Value, error) {
			return nil, fail("Function.ScalarVector isn't supported.")
		}},
		{signature: "Function.IsDataSource(function as function) as logical", body: func(*evaluation, []Value) (Value, error) { return logical(false), nil }},
		{signature: "Expression.Constant(value as any) as text", body: func(_ *evaluation, args []Value) (Value, error) {
			switch args[0].kind() {
			case kindList, kindRecord, kindTable, kindFunction, kindType:
				return nil, cannotConvert(args[0], "a constant")
			}
			return text(constantText(args[0])), nil
		}},
		{signature: "Expression.Identifier(name as text) as text", body: func(_ *evaluation, args []Value) (Value, error) {
			return text(quoteIdentifier(string(args[0].(text)))), nil
		}},
		{signature: "Expression.Evaluate(document as text, optional environment as nullable record) as any", body: expressionEvaluate},
		{signature: "Error.Record(reason as text, optional message as nullable text, optional detail as any, optional parameters as nullable list, optional errorCode as nullable text) as record", body: func(_ *evaluation, args []Value) (Value, error) {
			names := []string{"Reason", "Message", "Detail"}
			values := []Value{args[0], args[1], args[2]}
			if !isNull(args[3]) {
				names, values = append(names, "Message.Format", "Message.Parameters"), append(values, args[1], args[3])
			}
			if !isNull(args[4]) {
				names, values = append(names, "ErrorCode"), append(values, args[4])
			}
			return newRecord(names, values), nil
		}},
		{signature: "Diagnostics.Trace(traceLevel as number, message as any, value as any, optional delayed as nullable logical) as any", body: func(ev *evaluation, args []Value) (Value, error) {
			if f, ok := args[2].(*function); ok && flag(args[3]) {
				return ev.apply(f, nil)
			}
			return args[2], nil
		}},
		{signature: "Diagnostics.ActivityId() as nullable text", body: func(*evaluation, []Value) (Value, error) { return null, nil }},
		{signature: "Environment.FeatureSwitch(name as text, optional default as any) as any", body: func(_ *evaluation, args []Value) (Value, error) { return args[1], nil }},
	}
}

// expressionEvaluate evaluates a text in which only the names of the environment are known.
func expressionEvaluate(ev *evaluation, args []Value) (Value, error) {
	env, ok := args[1].(*record)
	if !ok {
		env = newRecord(nil, nil)
	}
	const in = "Expression.Evaluate"
	x, err := syntax.ParseExpression(in, string(args[0].(text)))
	if err != nil {
		return nil, syntaxFailure(err)
	}
	known := append([]string(nil), env.shape.names...)
	sort.Strings(known)
	c := &compiler{
		in: in,
		global: func(name string) (code, bool) {
			if name == "#shared" {
				return constantCode(env), true
			}
			if strings.HasPrefix(name, "#") {
				v, ok := ev.session.doc.library[name]
				return constantCode(v), ok
			}
			i := env.shape.find(name)
			if i < 0 {
				return nil, false
			}
			return func(ev *evaluation, _ *scope) (Value, error) { return forceRaw(ev, env.values[i]) }, true
		},
		known: func() []string { return known },
	}
	run, weight, err := c.body(x, nil)
	if err != nil {
		return nil, err
	}
	defer ev.leave(weight)
	if err := ev.enter(weight); err != nil {
		return nil, err
	}
	return run(ev, nil)
}
