package mashup

import (
	"math"

	"freshet.dev/internal/mashup/syntax"
)

// listEntry is a function whose first argument is a list.
func listEntry(signature string, f func(ev *evaluation, l *list, args []Value) (Value, error)) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) { return f(ev, args[0].(*list), args[1:]) }}
}

// forcedEntry is a listEntry that needs all items.
func forcedEntry(signature string, f func(ev *evaluation, items []Value, args []Value) (Value, error)) entry {
	return listEntry(signature, func(ev *evaluation, l *list, args []Value) (Value, error) {
		items, err := l.all(ev)
		if err != nil {
			return nil, err
		}
		return f(ev, items, args)
	})
}

// gatherer computes a value over the items of a list, which come in pieces. The value is the same as of one piece.
type gatherer interface {
	add(ev *evaluation, items []Value) error
	result(ev *evaluation) (Value, error)
}

// gatheredEntry is a forcedEntry over lists that may be too long to be held.
func gatheredEntry(signature string, start func(ev *evaluation, args []Value) (gatherer, error)) entry {
	return listEntry(signature, func(ev *evaluation, l *list, args []Value) (Value, error) {
		g, err := start(ev, args)
		if err != nil {
			return nil, err
		}
		var failed error
		err = l.inPieces(ev, func(items []Value) (err error) {
			forced := make([]Value, len(items))
			for i, item := range items {
				if forced[i], err = force(ev, item); err != nil {
					return err
				}
			}
			if failed == nil { // an error in an item, wherever it is, comes before one of the function
				failed = g.add(ev, forced)
			}
			return nil
		})
		if err = firstOf(err, failed); err != nil {
			return nil, err
		}
		return g.result(ev)
	})
}

// rawEntry is a listEntry that needs all items but not their values.
func rawEntry(signature string, f func(ev *evaluation, items []Value, args []Value) (Value, error)) entry {
	return listEntry(signature, func(ev *evaluation, l *list, args []Value) (Value, error) {
		items, err := l.raw(ev)
		if err != nil {
			return nil, err
		}
		return f(ev, items, args)
	})
}

// holds calls a condition, which must answer with a logical.
func (ev *evaluation) holds(condition *function, args ...Value) (bool, error) {
	answer, err := ev.call(condition, args...)
	if err != nil {
		return false, err
	}
	yes, ok := answer.(logical)
	if !ok {
		return false, cannotConvert(answer, "Logical")
	}
	return bool(yes), nil
}

// streamed is a list that next makes.
func streamed(next func(ev *evaluation) (Value, bool, error)) *list { return &list{next: next} }

// lengthOf counts how many items at the start of a list a number or a condition means.
func lengthOf(ev *evaluation, l *list, countOrCondition Value, absent int) (int, error) {
	condition, ok := countOrCondition.(*function)
	if !ok {
		return countArg(countOrCondition, absent)
	}
	for i := 0; ; i++ {
		item, ok, err := l.at(ev, i)
		if err != nil || !ok {
			return i, err
		}
		if yes, err := ev.holds(condition, item); err != nil || !yes {
			return i, err
		}
	}
}

// lengthFromEnd is lengthOf from the end.
func lengthFromEnd(ev *evaluation, items []Value, countOrCondition Value, absent int) (int, error) {
	condition, ok := countOrCondition.(*function)
	if !ok {
		n, err := countArg(countOrCondition, absent)
		return min(n, len(items)), err
	}
	for n := 0; n < len(items); n++ {
		item, err := force(ev, items[len(items)-1-n])
		if err != nil {
			return 0, err
		}
		if yes, err := ev.holds(condition, item); err != nil || !yes {
			return n, err
		}
	}
	return len(items), nil
}

// skipped is a list without its first items, not read further than needed.
func skipped(l *list, n int) *list {
	i := n
	return streamed(func(ev *evaluation) (Value, bool, error) {
		i++
		return l.rawAt(ev, i-1)
	})
}

func taken(l *list, n int) *list {
	i := 0
	return streamed(func(ev *evaluation) (Value, bool, error) {
		if i >= n {
			return nil, false, nil
		}
		i++
		return l.rawAt(ev, i-1)
	})
}

func listFunctions() family {
	all := family{constants: []constant{
		{"List.Type", simple(kindList)}, {"Order.Ascending", intNumber(0)}, {"Order.Descending", intNumber(1)}, {"Order.Type", named(kindNumber, "Order.Type")},
		{"PercentileMode.ExcelInc", intNumber(1)}, {"PercentileMode.ExcelExc", intNumber(2)}, {"PercentileMode.SqlDisc", intNumber(3)},
		{"PercentileMode.SqlCont", intNumber(4)}, {"PercentileMode.Type", named(kindNumber, "PercentileMode.Type")},
	}}
	for _, part := range [][]entry{listParts(), listMakers(), listSets(), listSums(), listTests()} {
		all.entries = append(all.entries, part...)
	}
	return all
}

func listParts() []entry {
	first := func(ev *evaluation, l *list, args []Value) (Value, error) {
		item, ok, err := l.at(ev, 0)
		if err != nil || ok {
			return item, err
		}
		return args[0], nil
	}
	skip := func(ev *evaluation, l *list, args []Value) (Value, error) {
		n, err := lengthOf(ev, l, args[0], 1)
		if err != nil {
			return nil, err
		}
		return skipped(l, n), nil
	}
	return []entry{
		listEntry("List.First(list as list, optional defaultValue as any) as any", first),
		rawEntry("List.Last(list as list, optional defaultValue as any) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			if len(items) == 0 {
				return args[0], nil
			}
			return items[len(items)-1], nil
		}),
		listEntry("List.FirstN(list as list, optional countOrCondition as any) as any", func(ev *evaluation, l *list, args []Value) (Value, error) {
			if isNull(args[0]) {
				return first(ev, l, []Value{null})
			}
			n, err := lengthOf(ev, l, args[0], 1)
			return taken(l, n), err
		}),
		rawEntry("List.LastN(list as list, optional countOrCondition as any) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			if isNull(args[0]) {
				if len(items) == 0 {
					return null, nil
				}
				return items[len(items)-1], nil
			}
			n, err := lengthFromEnd(ev, items, args[0], 1)
			if err != nil {
				return nil, err
			}
			return newList(items[len(items)-n:]...), nil
		}),
		listEntry("List.Skip(list as list, optional countOrCondition as any) as list", skip),
		listEntry("List.RemoveFirstN(list as list, optional countOrCondition as any) as list", skip),
		rawEntry("List.RemoveLastN(list as list, optional countOrCondition as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			n, err := lengthFromEnd(ev, items, args[0], 1)
			if err != nil {
				return nil, err
			}
			return newList(items[:len(items)-n]...), nil
		}),
		listEntry("List.Range(list as list, offset as number, optional count as nullable number) as list", func(ev *evaluation, l *list, args []Value) (Value, error) {
			offset, err := countArg(args[0], 0)
			if err != nil {
				return nil, err
			}
			count, err := countArg(args[1], math.MaxInt32)
			return taken(skipped(l, offset), count), err
		}),
		listEntry("List.Alternate(list as list, count as number, optional repeatInterval as nullable number, optional offset as nullable number) as list", func(ev *evaluation, l *list, args []Value) (Value, error) {
			skip, err := countArg(args[0], 0)
			if err != nil {
				return nil, err
			}
			keep, err := countArg(args[1], math.MaxInt32)
			if err != nil {
				return nil, err
			}
			offset, err := countArg(args[2], 0)
			if err == nil && skip+keep == 0 {
				err = fail("The count and the interval cannot both be 0.")
			}
			i := 0
			return streamed(func(ev *evaluation) (Value, bool, error) {
				for {
					item, ok, err := l.rawAt(ev, i)
					if err != nil || !ok {
						return nil, false, err
					}
					i++
					if at := i - 1 - offset; at < 0 || at%(skip+keep) >= skip {
						return item, true, nil
					}
				}
			}), err
		}),
		rawEntry("List.Reverse(list as list) as list", func(ev *evaluation, items, _ []Value) (Value, error) {
			out := make([]Value, len(items))
			for i, item := range items {
				out[len(items)-1-i] = item
			}
			return newList(out...), nil
		}),
		rawEntry("List.InsertRange(list as list, index as number, values as list) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			return spliced(ev, items, args[0], intNumber(0), args[1].(*list))
		}),
		rawEntry("List.ReplaceRange(list as list, index as number, count as number, replaceWith as list) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			return spliced(ev, items, args[0], args[1], args[2].(*list))
		}),
		rawEntry("List.RemoveRange(list as list, index as number, optional count as nullable number) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			if isNull(args[1]) {
				args[1] = intNumber(1)
			}
			return spliced(ev, items, args[0], args[1], newList())
		}),
		rawEntry("List.Single(list as list) as any", func(ev *evaluation, items, _ []Value) (Value, error) {
			switch len(items) {
			case 1:
				return items[0], nil
			case 0:
				return nil, notEnough()
			}
			return nil, fail("There were too many elements in the enumeration to complete the operation.")
		}),
		rawEntry("List.SingleOrDefault(list as list, optional default as any) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			switch len(items) {
			case 1:
				return items[0], nil
			case 0:
				return args[0], nil
			}
			return nil, fail("There were too many elements in the enumeration to complete the operation.")
		}),
		rawEntry("List.Split(list as list, pageSize as number) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			size, err := countArg(args[0], 1)
			if err != nil || size == 0 {
				return nil, fail("The page size must be more than 0.")
			}
			var pages []Value
			for len(items) > 0 {
				n := min(size, len(items))
				pages = append(pages, newList(items[:n:n]...))
				items = items[n:]
			}
			return newList(pages...), nil
		}),
		forcedEntry("List.Buffer(list as list) as list", func(_ *evaluation, items, _ []Value) (Value, error) { return newList(items...), nil }),
		forcedEntry("List.Sort(list as list, optional comparisonCriteria as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			by, err := orderingsOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			items, err = sorted(ev, items, by)
			return newList(items...), err
		}),
		listEntry("List.Select(list as list, selection as function) as list", func(_ *evaluation, l *list, args []Value) (Value, error) {
			condition, i := args[0].(*function), 0
			return streamed(func(ev *evaluation) (Value, bool, error) {
				for {
					item, ok, err := l.at(ev, i)
					if err != nil || !ok {
						return nil, false, err
					}
					i++
					if yes, err := ev.holds(condition, item); err != nil || yes {
						return item, true, err
					}
					if err := ev.poll(); err != nil {
						return nil, false, err
					}
				}
			}), nil
		}),
		listEntry("List.Transform(list as list, transform as function) as list", func(_ *evaluation, l *list, args []Value) (Value, error) {
			transform, i := args[0].(*function), 0
			return streamed(func(ev *evaluation) (Value, bool, error) {
				item, ok, err := l.rawAt(ev, i)
				if err != nil || !ok {
					return nil, false, err
				}
				i++
				return lazy(func(ev *evaluation) (Value, error) {
					v, err := forceRaw(ev, item)
					if err != nil {
						return nil, err
					}
					return ev.apply(transform, []Value{v})
				}), true, nil
			}), nil
		}),
		forcedEntry("List.TransformMany(list as list, collectionTransform as function, resultTransform as function) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			var out []Value
			for _, item := range items {
				many, err := ev.call(args[0].(*function), item)
				if err != nil {
					return nil, err
				}
				inner, ok := many.(*list)
				if !ok {
					return nil, cannotConvert(many, "List")
				}
				others, err := inner.all(ev)
				if err != nil {
					return nil, err
				}
				for _, other := range others {
					out = append(out, lazy(func(ev *evaluation) (Value, error) { return ev.apply(args[1].(*function), []Value{item, other}) }))
				}
			}
			return newList(out...), nil
		}),
		forcedEntry("List.Accumulate(list as list, seed as any, accumulator as function) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			state, err := args[0], error(nil)
			for _, item := range items {
				if state, err = ev.apply(args[1].(*function), []Value{state, item}); err != nil {
					return nil, err
				}
			}
			return state, nil
		}),
		forcedEntry("List.Combine(lists as list) as list", func(_ *evaluation, items, _ []Value) (Value, error) {
			lists := make([]*list, len(items))
			for i, item := range items {
				l, ok := item.(*list)
				if !ok {
					return nil, cannotConvert(item, "List")
				}
				lists[i] = l
			}
			return concatLists(lists...), nil
		}),
		forcedEntry("List.Zip(lists as list) as list", func(ev *evaluation, items, _ []Value) (Value, error) {
			columns, longest := make([][]Value, len(items)), 0
			for i, item := range items {
				l, ok := item.(*list)
				if !ok {
					return nil, cannotConvert(item, "List")
				}
				var err error
				if columns[i], err = l.raw(ev); err != nil {
					return nil, err
				}
				longest = max(longest, len(columns[i]))
			}
			out := make([]Value, longest)
			for i := range out {
				row := make([]Value, len(columns))
				for j, column := range columns {
					row[j] = null
					if i < len(column) {
						row[j] = column[i]
					}
				}
				out[i] = newList(row...)
			}
			return newList(out...), nil
		}),
		forcedEntry("List.RemoveNulls(list as list) as list", func(_ *evaluation, items, _ []Value) (Value, error) {
			var out []Value
			for _, item := range items {
				if !isNull(item) {
					out = append(out, item)
				}
			}
			return newList(out...), nil
		}),
		forcedEntry("List.FindText(list as list, text as text) as list", func(_ *evaluation, items, args []Value) (Value, error) {
			var out []Value
			for _, item := range items {
				s, ok := item.(text)
				if start, _ := (matcher{}).find(string(s), string(args[0].(text)), 0); ok && start >= 0 {
					out = append(out, item)
				}
			}
			return newList(out...), nil
		}),
		forcedEntry("List.ReplaceValue(list as list, oldValue as any, newValue as any, replacer as function) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			out := make([]Value, len(items))
			for i, item := range items {
				v, err := ev.call(args[2].(*function), item, args[0], args[1])
				if err != nil {
					return nil, err
				}
				out[i] = v
			}
			return newList(out...), nil
		}),
	}
}

// spliced replaces count items at index.
func spliced(ev *evaluation, items []Value, index, count Value, by *list) (Value, error) {
	at, err := countArg(index, 0)
	if err != nil {
		return nil, err
	}
	n, err := countArg(count, 0)
	if err != nil {
		return nil, err
	}
	if at+n > len(items) {
		return nil, notEnough()
	}
	middle, err := by.raw(ev)
	if err != nil {
		return nil, err
	}
	out := make([]Value, 0, len(items)-n+len(middle))
	out = append(append(append(out, items[:at]...), middle...), items[at+n:]...)
	return newList(out...), nil
}

// series is a list of count values, each a step after the one before.
func series(signature string) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
		count, err := countArg(args[1], 0)
		if err != nil {
			return nil, err
		}
		at, step, i := args[0], args[2], 0
		if isNull(step) {
			step = intNumber(1)
		}
		return streamed(func(ev *evaluation) (Value, bool, error) {
			if i == count {
				return nil, false, nil
			}
			if i > 0 {
				var err error
				if at, err = binaryValue(ev, syntax.OpAdd, at, step); err != nil {
					return nil, false, err
				}
			}
			i++
			return at, true, nil
		}), nil
	}}
}

func listMakers() []entry {
	return []entry{
		{signature: "List.Generate(initial as function, condition as function, next as function, optional selector as nullable function) as list", body: func(_ *evaluation, args []Value) (Value, error) {
			var state Value
			started := false
			return streamed(func(ev *evaluation) (Value, bool, error) {
				var err error
				if !started {
					state, err = ev.apply(args[0].(*function), nil)
					started = true
				} else {
					state, err = ev.apply(args[2].(*function), []Value{state})
				}
				if err != nil {
					return nil, false, err
				}
				if yes, err := ev.holds(args[1].(*function), state); err != nil || !yes {
					return nil, false, err
				}
				if isNull(args[3]) {
					return state, true, nil
				}
				of := state
				return lazy(func(ev *evaluation) (Value, error) { return ev.apply(args[3].(*function), []Value{of}) }), true, nil
			}), nil
		}},
		series("List.Numbers(start as number, count as number, optional increment as nullable number) as list"),
		series("List.Dates(start as date, count as number, step as duration) as list"),
		series("List.DateTimes(start as datetime, count as number, step as duration) as list"),
		series("List.DateTimeZones(start as datetimezone, count as number, step as duration) as list"),
		series("List.Times(start as time, count as number, step as duration) as list"),
		series("List.Durations(start as duration, count as number, step as duration) as list"),
		rawEntry("List.Repeat(list as list, count as number) as list", func(_ *evaluation, items, args []Value) (Value, error) {
			count, err := countArg(args[0], 0)
			i := 0
			return streamed(func(*evaluation) (Value, bool, error) {
				if len(items) == 0 || i >= count*len(items) {
					return nil, false, nil
				}
				i++
				return items[(i-1)%len(items)], true, nil
			}), err
		}),
		{signature: "List.Random(count as number, optional seed as nullable number) as list", body: func(ev *evaluation, args []Value) (Value, error) {
			count, err := countArg(args[0], 0)
			if err != nil {
				return nil, err
			}
			s := ev.session
			if !isNull(args[1]) {
				seed, err := wholeArg(args[1], 0)
				if err != nil {
					return nil, err
				}
				s = &session{env: ev.session.env, random: uint64(seed)*2 + 1}
			}
			if count > maxItems {
				return nil, fail("The list has more than %d items, which is more than Freshet holds in memory.", maxItems)
			}
			out := make([]Value, count)
			for i := range out {
				out[i] = floatNumber(s.nextRandom())
			}
			return newList(out...), nil
		}},
		rawEntry("List.Positions(list as list) as list", func(_ *evaluation, items, _ []Value) (Value, error) {
			out := make([]Value, len(items))
			for i := range out {
				out[i] = intNumber(int64(i))
			}
			return newList(out...), nil
		}),
	}
}
