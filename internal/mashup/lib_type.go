package mashup

// typeEntry is a function of a type.
func typeEntry(signature string, f func(t *typeValue, args []Value) (Value, error)) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) { return f(args[0].(*typeValue), args[1:]) }}
}

func needKind(t *typeValue, of kind) error {
	if t.of != of {
		return fail("A type of a %s is expected, not of a %s.", of, t.of)
	}
	return nil
}

// conforms tells whether every value of t is one of other, by the rules of the language's types.
func (t *typeValue) conforms(other *typeValue) bool {
	switch {
	case other.of == kindAny || t.of == kindNone:
		return true
	case t.nullable && !other.nullable:
		return false
	case other.of == kindAnyNonNull, t.of == kindNull:
		return true
	case t.of != other.of || other.name != "" && other.name != t.name:
		return false
	}
	switch t.of {
	case kindList:
		return other.item == nil || t.item != nil && t.item.conforms(other.item)
	case kindRecord, kindTable:
		for _, g := range other.fields {
			found := false
			for _, f := range t.fields {
				if f.name == g.name {
					found = (g.optional || !f.optional) && f.typ.conforms(g.typ)
				}
			}
			if !found && !g.optional {
				return false
			}
		}
		return other.open || !t.open && len(t.fields) <= len(other.fields)
	case kindFunction:
		if other.bare {
			return true
		}
		if t.bare || len(t.params) != len(other.params) || t.required != other.required || !t.result.conforms(other.result) {
			return false
		}
		for i, p := range t.params {
			if !other.params[i].typ.conforms(p.typ) {
				return false
			}
		}
	}
	return true
}

// recordFieldsOf is a record type as Type.RecordFields shows it.
func recordFieldsOf(fields []fieldType) *record {
	names, values := make([]string, len(fields)), make([]Value, len(fields))
	for i, f := range fields {
		names[i] = f.name
		values[i] = newRecord([]string{"Type", "Optional"}, []Value{f.typ, logical(f.optional)})
	}
	return newRecord(names, values)
}

func typeFunctions() family {
	return family{entries: []entry{
		typeEntry("Type.Is(type1 as type, type2 as type) as logical", func(t *typeValue, args []Value) (Value, error) {
			return logical(t.conforms(args[0].(*typeValue))), nil
		}),
		typeEntry("Type.IsNullable(type as type) as logical", func(t *typeValue, _ []Value) (Value, error) { return logical(t.nullable), nil }),
		typeEntry("Type.NonNullable(type as type) as type", func(t *typeValue, _ []Value) (Value, error) { return t.nonNullable(), nil }),
		typeEntry("Type.ListItem(type as type) as type", func(t *typeValue, _ []Value) (Value, error) {
			if t.item == nil {
				return anyType(), needKind(t, kindList)
			}
			return t.item, nil
		}),
		typeEntry("Type.RecordFields(type as type) as record", func(t *typeValue, _ []Value) (Value, error) {
			return recordFieldsOf(t.fields), needKind(t, kindRecord)
		}),
		typeEntry("Type.IsOpenRecord(type as type) as logical", func(t *typeValue, _ []Value) (Value, error) {
			return logical(t.open), needKind(t, kindRecord)
		}),
		typeEntry("Type.OpenRecord(type as type) as type", func(t *typeValue, _ []Value) (Value, error) {
			copied := *t
			copied.open = true
			return &copied, needKind(t, kindRecord)
		}),
		typeEntry("Type.ClosedRecord(type as type) as type", func(t *typeValue, _ []Value) (Value, error) {
			copied := *t
			copied.open = false
			return &copied, needKind(t, kindRecord)
		}),
		{signature: "Type.ForRecord(fields as record, open as logical) as type", body: func(ev *evaluation, args []Value) (Value, error) {
			fields := args[0].(*record)
			t := &typeValue{of: kindRecord, open: flag(args[1])}
			for _, name := range fields.shape.names {
				v, _, err := fields.get(ev, name)
				if err != nil {
					return nil, err
				}
				of, ok := v.(*record)
				if !ok {
					return nil, cannotConvert(v, "Record")
				}
				ft, _, err := of.get(ev, "Type")
				if err != nil {
					return nil, err
				}
				optional, _, err := of.get(ev, "Optional")
				if err != nil {
					return nil, err
				}
				typ, ok := ft.(*typeValue)
				if !ok {
					return nil, fail("The field '%s' has no type.", name)
				}
				t.fields = append(t.fields, fieldType{name, typ, optional != nil && flag(optional)})
			}
			return orValue(t.nested())
		}},
		{signature: "Type.ForFunction(signature as record, min as number) as type", body: func(ev *evaluation, args []Value) (Value, error) {
			signature := args[0].(*record)
			result, _, err := signature.get(ev, "ReturnType")
			if err != nil {
				return nil, err
			}
			params, _, err := signature.get(ev, "Parameters")
			if err != nil {
				return nil, err
			}
			t := &typeValue{of: kindFunction, result: anyType()}
			if r, ok := result.(*typeValue); ok {
				t.result = r
			}
			if t.required, err = countArg(args[1], 0); err != nil {
				return nil, err
			}
			if ps, ok := params.(*record); ok {
				for _, name := range ps.shape.names {
					v, _, err := ps.get(ev, name)
					if err != nil {
						return nil, err
					}
					pt, ok := v.(*typeValue)
					if !ok {
						return nil, cannotConvert(v, "Type")
					}
					t.params = append(t.params, paramType{name, pt})
				}
			}
			if t.required > len(t.params) {
				return nil, fail("The function has fewer parameters than are required.")
			}
			return orValue(t.nested())
		}},
		typeEntry("Type.FunctionParameters(type as type) as record", func(t *typeValue, _ []Value) (Value, error) {
			names, values := make([]string, len(t.params)), make([]Value, len(t.params))
			for i, p := range t.params {
				names[i], values[i] = p.name, p.typ
			}
			return newRecord(names, values), needKind(t, kindFunction)
		}),
		typeEntry("Type.FunctionRequiredParameters(type as type) as number", func(t *typeValue, _ []Value) (Value, error) {
			return intNumber(int64(t.required)), needKind(t, kindFunction)
		}),
		typeEntry("Type.FunctionReturn(type as type) as type", func(t *typeValue, _ []Value) (Value, error) {
			if t.result == nil {
				return anyType(), needKind(t, kindFunction)
			}
			return t.result, needKind(t, kindFunction)
		}),
		typeEntry("Type.TableRow(table as type) as type", func(t *typeValue, _ []Value) (Value, error) { return t.rowType(), needKind(t, kindTable) }),
		typeEntry("Type.TableColumn(tableType as type, column as text) as type", func(t *typeValue, args []Value) (Value, error) {
			for _, f := range t.fields {
				if f.name == string(args[0].(text)) {
					return f.typ, nil
				}
			}
			return nil, fail("The column '%s' of the table wasn't found.", string(args[0].(text)))
		}),
		typeEntry("Type.TableKeys(tableType as type) as list", func(t *typeValue, _ []Value) (Value, error) {
			keys := make([]Value, len(t.keys))
			for i, k := range t.keys {
				keys[i] = newRecord([]string{"Columns", "Primary"}, []Value{textList(k.columns), logical(k.primary)})
			}
			return newList(keys...), needKind(t, kindTable)
		}),
		{signature: "Type.AddTableKey(table as type, columns as list, isPrimary as logical) as type", body: func(ev *evaluation, args []Value) (Value, error) {
			columns, err := textsOf(ev, args[1].(*list))
			copied := *args[0].(*typeValue)
			copied.keys = append(append([]key(nil), copied.keys...), key{columns, flag(args[2])})
			return &copied, err
		}},
		{signature: "Type.ReplaceTableKeys(tableType as type, keys as list) as type", body: func(ev *evaluation, args []Value) (Value, error) {
			items, err := args[1].(*list).all(ev)
			if err != nil {
				return nil, err
			}
			copied := *args[0].(*typeValue)
			copied.keys = nil
			for _, item := range items {
				r, ok := item.(*record)
				if !ok {
					return nil, cannotConvert(item, "Record")
				}
				columns, _, err := r.get(ev, "Columns")
				if err != nil {
					return nil, err
				}
				l, ok := columns.(*list)
				if !ok {
					return nil, fail("A key is a record of Columns and Primary.")
				}
				names, err := textsOf(ev, l)
				if err != nil {
					return nil, err
				}
				primary, _, err := r.get(ev, "Primary")
				if err != nil {
					return nil, err
				}
				copied.keys = append(copied.keys, key{names, primary != nil && flag(primary)})
			}
			return &copied, nil
		}},
		typeEntry("Type.Facets(type as type) as record", func(*typeValue, []Value) (Value, error) {
			facets := []string{"NumericPrecisionBase", "NumericPrecision", "NumericScale", "DateTimePrecision", "MaxLength", "IsVariableLength",
				"NativeTypeName", "NativeDefaultExpression", "NativeExpression"}
			values := make([]Value, len(facets))
			for i := range values {
				values[i] = null
			}
			return newRecord(facets, values), nil
		}),
		typeEntry("Type.ReplaceFacets(type as type, facets as record) as type", func(t *typeValue, _ []Value) (Value, error) { return t, nil }),
	}}
}
