package mashup

// recordEntry is a function whose first argument is a record.
func recordEntry(signature string, f func(ev *evaluation, r *record, args []Value) (Value, error)) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) { return f(ev, args[0].(*record), args[1:]) }}
}

// MissingField's members: what happens when a named field is not there.
const (
	missingError = iota
	missingIgnore
	missingUseNull
)

// namesArg reads a name or a list of names.
func namesArg(ev *evaluation, v Value) ([]string, error) {
	if s, ok := v.(text); ok {
		return []string{string(s)}, nil
	}
	l, ok := v.(*list)
	if !ok {
		return nil, cannotConvert(v, "List")
	}
	return textsOf(ev, l)
}

// pairsArg reads {a, b} or a list of such pairs, as renames and transformations are written.
func pairsArg(ev *evaluation, v Value) ([][]Value, error) {
	l, ok := v.(*list)
	if !ok {
		return nil, cannotConvert(v, "List")
	}
	items, err := l.all(ev)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	if _, nested := items[0].(*list); !nested {
		return [][]Value{items}, nil
	}
	pairs := make([][]Value, len(items))
	for i, item := range items {
		pair, ok := item.(*list)
		if !ok {
			return nil, cannotConvert(item, "List")
		}
		if pairs[i], err = pair.all(ev); err != nil {
			return nil, err
		}
	}
	for _, pair := range pairs {
		if len(pair) < 2 {
			return nil, fail("A list of two values is expected here.").with(v)
		}
	}
	return pairs, nil
}

func missingFieldFailure(r *record, name string) error {
	return fail("The field '%s' of the record wasn't found.", name).with(r)
}

func recordFunctions() family {
	return family{entries: []entry{
		recordEntry("Record.Field(record as record, field as text) as any", func(ev *evaluation, r *record, args []Value) (Value, error) {
			return fieldOf(ev, r, string(args[0].(text)), false)
		}),
		{signature: "Record.FieldOrDefault(record as nullable record, field as text, optional defaultValue as any) as any", body: func(ev *evaluation, args []Value) (Value, error) {
			r := args[0].(*record)
			if i := r.shape.find(string(args[1].(text))); i >= 0 {
				return r.values[i], nil
			}
			return args[2], nil
		}},
		recordEntry("Record.FieldCount(record as record) as number", func(_ *evaluation, r *record, _ []Value) (Value, error) {
			return intNumber(int64(len(r.values))), nil
		}),
		recordEntry("Record.FieldNames(record as record) as list", func(_ *evaluation, r *record, _ []Value) (Value, error) {
			return textList(r.shape.names), nil
		}),
		recordEntry("Record.FieldValues(record as record) as list", func(_ *evaluation, r *record, _ []Value) (Value, error) {
			return newList(r.values...), nil
		}),
		recordEntry("Record.ToList(record as record) as list", func(_ *evaluation, r *record, _ []Value) (Value, error) {
			return newList(r.values...), nil
		}),
		recordEntry("Record.HasFields(record as record, fields as any) as logical", func(ev *evaluation, r *record, args []Value) (Value, error) {
			names, err := namesArg(ev, args[0])
			for _, name := range names {
				if r.shape.find(name) < 0 {
					return logical(false), err
				}
			}
			return logical(true), err
		}),
		recordEntry("Record.AddField(record as record, fieldName as text, value as any, optional delayed as nullable logical) as record", func(ev *evaluation, r *record, args []Value) (Value, error) {
			name, value := string(args[0].(text)), args[1]
			if r.shape.find(name) >= 0 {
				return nil, fail("The field '%s' already exists in the record.", name).with(text(name))
			}
			if f, ok := value.(*function); ok && flag(args[2]) {
				value = lazy(func(ev *evaluation) (Value, error) { return ev.apply(f, nil) })
			}
			return mergeRecords(r, newRecord([]string{name}, []Value{value})), nil
		}),
		forcedEntry("Record.Combine(records as list) as record", func(_ *evaluation, items, _ []Value) (Value, error) {
			all := newRecord(nil, nil)
			for _, item := range items {
				r, ok := item.(*record)
				if !ok {
					return nil, cannotConvert(item, "Record")
				}
				all = mergeRecords(all, r)
			}
			return all, nil
		}),
		recordEntry("Record.RemoveFields(record as record, fields as any, optional missingField as nullable number) as record", func(ev *evaluation, r *record, args []Value) (Value, error) {
			names, err := namesArg(ev, args[0])
			if err != nil {
				return nil, err
			}
			missing, err := wholeArg(args[1], missingError)
			if err != nil {
				return nil, err
			}
			drop := map[string]bool{}
			for _, name := range names {
				if r.shape.find(name) < 0 && missing == missingError {
					return nil, missingFieldFailure(r, name)
				}
				drop[name] = true
			}
			var kept []string
			var values []Value
			for i, name := range r.shape.names {
				if !drop[name] {
					kept, values = append(kept, name), append(values, r.values[i])
				}
			}
			return newRecord(kept, values), nil
		}),
		recordEntry("Record.SelectFields(record as record, fields as any, optional missingField as nullable number) as record", func(ev *evaluation, r *record, args []Value) (Value, error) {
			names, err := namesArg(ev, args[0])
			if err != nil {
				return nil, err
			}
			return selectFields(r, names, args[1])
		}),
		recordEntry("Record.ReorderFields(record as record, fieldOrder as list, optional missingField as nullable number) as record", func(ev *evaluation, r *record, args []Value) (Value, error) {
			order, err := textsOf(ev, args[0].(*list))
			if err != nil {
				return nil, err
			}
			chosen, err := selectFields(r, order, args[1])
			if err != nil {
				return nil, err
			}
			// The named fields take, in their new order, the places that the named fields had; new ones come last.
			front := chosen.(*record)
			names, values := append([]string(nil), r.shape.names...), append([]Value(nil), r.values...)
			next := 0
			for i, name := range r.shape.names {
				if front.shape.find(name) >= 0 {
					names[i], values[i] = front.shape.names[next], front.values[next]
					next++
				}
			}
			names, values = append(names, front.shape.names[next:]...), append(values, front.values[next:]...)
			return newRecord(names, values), nil
		}),
		recordEntry("Record.RenameFields(record as record, renames as list, optional missingField as nullable number) as record", func(ev *evaluation, r *record, args []Value) (Value, error) {
			pairs, err := pairsArg(ev, args[0])
			if err != nil {
				return nil, err
			}
			missing, err := wholeArg(args[1], missingError)
			if err != nil {
				return nil, err
			}
			names, values := append([]string(nil), r.shape.names...), append([]Value(nil), r.values...)
			for _, pair := range pairs {
				from, ok1 := pair[0].(text)
				to, ok2 := pair[1].(text)
				if !ok1 || !ok2 {
					return nil, fail("A rename is a list of the old and the new name.")
				}
				switch i := r.shape.find(string(from)); {
				case i >= 0:
					names[i] = string(to)
				case missing == missingUseNull:
					names, values = append(names, string(to)), append(values, null)
				case missing == missingError:
					return nil, missingFieldFailure(r, string(from))
				}
			}
			if name := duplicate(names); name != "" {
				return nil, fail("The field '%s' already exists in the record.", name).with(text(name))
			}
			return newRecord(names, values), nil
		}),
		recordEntry("Record.TransformFields(record as record, transformOperations as list, optional missingField as nullable number) as record", func(ev *evaluation, r *record, args []Value) (Value, error) {
			pairs, err := pairsArg(ev, args[0])
			if err != nil {
				return nil, err
			}
			missing, err := wholeArg(args[1], missingError)
			if err != nil {
				return nil, err
			}
			names, values := append([]string(nil), r.shape.names...), append([]Value(nil), r.values...)
			for _, pair := range pairs {
				name, ok1 := pair[0].(text)
				transform, ok2 := pair[1].(*function)
				if !ok1 || !ok2 {
					return nil, fail("A transformation is a list of a name and a function.")
				}
				i := r.shape.find(string(name))
				old := Value(null)
				switch {
				case i >= 0:
					old = r.values[i]
				case missing == missingError:
					return nil, missingFieldFailure(r, string(name))
				case missing == missingIgnore:
					continue
				default:
					i = len(names)
					names, values = append(names, string(name)), append(values, null)
				}
				values[i] = lazy(func(ev *evaluation) (Value, error) {
					v, err := forceRaw(ev, old)
					if err != nil {
						return nil, err
					}
					return ev.apply(transform, []Value{v})
				})
			}
			return newRecord(names, values), nil
		}),
		{signature: "Record.FromList(list as list, fields as any) as record", body: func(ev *evaluation, args []Value) (Value, error) {
			values, err := args[0].(*list).raw(ev)
			if err != nil {
				return nil, err
			}
			var names []string
			t, typed := args[1].(*typeValue)
			if typed {
				for _, f := range t.fields {
					names = append(names, f.name)
				}
			} else if names, err = namesArg(ev, args[1]); err != nil {
				return nil, err
			}
			if len(names) != len(values) {
				return nil, fail("The number of fields and the number of values are not the same.")
			}
			if name := duplicate(names); name != "" {
				return nil, fail("The field '%s' already exists in the record.", name)
			}
			r := newRecord(names, values)
			if typed {
				r.typ = t
			}
			return r, nil
		}},
	}}
}

func selectFields(r *record, names []string, missingField Value) (Value, error) {
	missing, err := wholeArg(missingField, missingError)
	if err != nil {
		return nil, err
	}
	var kept []string
	var values []Value
	for _, name := range names {
		switch i := r.shape.find(name); {
		case i >= 0:
			kept, values = append(kept, name), append(values, r.values[i])
		case missing == missingError:
			return nil, missingFieldFailure(r, name)
		case missing == missingUseNull:
			kept, values = append(kept, name), append(values, null)
		}
	}
	return newRecord(kept, values), nil
}

// duplicate is the first name that is there twice, or "".
func duplicate(names []string) string {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return name
		}
		seen[name] = true
	}
	return ""
}
