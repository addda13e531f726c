package mashup

import (
	"math"
	"slices"
	"sort"

	"freshet.dev/internal/mashup/syntax"
)

// filtered keeps the items for which keep says so.
func filtered(items []Value, keep func(item Value) (bool, error)) (Value, error) {
	var out []Value
	for _, item := range items {
		yes, err := keep(item)
		if err != nil {
			return nil, err
		}
		if yes {
			out = append(out, item)
		}
	}
	return newList(out...), nil
}

// listsOf reads a list of lists.
func listsOf(items []Value) ([]*list, error) {
	lists := make([]*list, len(items))
	for i, item := range items {
		l, ok := item.(*list)
		if !ok {
			return nil, cannotConvert(item, "List")
		}
		lists[i] = l
	}
	return lists, nil
}

func listSets() []entry {
	return []entry{
		rawEntry("List.Distinct(list as list, optional equationCriteria as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			seen := newBag(eq)
			return filtered(items, func(item Value) (bool, error) {
				known, err := seen.item(ev, item, true)
				if err != nil {
					return false, err
				}
				known.count++
				return known.count == 1, nil
			})
		}),
		rawEntry("List.IsDistinct(list as list, optional equationCriteria as any) as logical", func(ev *evaluation, items, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			seen := newBag(eq)
			for _, item := range items {
				known, err := seen.item(ev, item, true)
				if err != nil {
					return nil, err
				}
				if known.count++; known.count > 1 {
					return logical(false), nil
				}
			}
			return logical(true), nil
		}),
		rawEntry("List.Difference(list1 as list, list2 as list, optional equationCriteria as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[1])
			if err != nil {
				return nil, err
			}
			others, err := bagOf(ev, args[0].(*list), eq)
			if err != nil {
				return nil, err
			}
			return filtered(items, func(item Value) (bool, error) {
				known, err := others.item(ev, item, false)
				if err != nil || known == nil || known.count == 0 {
					return true, err
				}
				known.count--
				return false, nil
			})
		}),
		forcedEntry("List.Union(lists as list, optional equationCriteria as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			lists, err := listsOf(items)
			if err != nil {
				return nil, err
			}
			total := newBag(eq)
			var out []Value
			for _, l := range lists {
				here := newBag(eq)
				members, err := l.raw(ev)
				if err != nil {
					return nil, err
				}
				for _, m := range members {
					local, err := here.item(ev, m, true)
					if err != nil {
						return nil, err
					}
					known, err := total.item(ev, m, true)
					if err != nil {
						return nil, err
					}
					if local.count++; local.count > known.count {
						known.count++
						out = append(out, m)
					}
				}
			}
			return newList(out...), nil
		}),
		forcedEntry("List.Intersect(lists as list, optional equationCriteria as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			lists, err := listsOf(items)
			if err != nil || len(lists) == 0 {
				return newList(), err
			}
			bags := make([]*bag, len(lists)-1)
			for i, l := range lists[1:] {
				if bags[i], err = bagOf(ev, l, eq); err != nil {
					return nil, err
				}
			}
			first, err := lists[0].raw(ev)
			if err != nil {
				return nil, err
			}
			return filtered(first, func(item Value) (bool, error) {
				for _, b := range bags {
					known, err := b.item(ev, item, false)
					if err != nil || known == nil || known.count == 0 {
						return false, err
					}
					known.count--
				}
				return true, nil
			})
		}),
		rawEntry("List.RemoveMatchingItems(list1 as list, list2 as list, optional equationCriteria as any) as list", removeMatching),
		rawEntry("List.RemoveItems(list1 as list, list2 as list) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			return removeMatching(ev, items, []Value{args[0], null})
		}),
		rawEntry("List.ReplaceMatchingItems(list as list, replacements as list, optional equationCriteria as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[1])
			if err != nil {
				return nil, err
			}
			pairs, err := args[0].(*list).all(ev)
			if err != nil {
				return nil, err
			}
			out := append([]Value(nil), items...)
			for _, pair := range pairs {
				l, ok := pair.(*list)
				if !ok {
					return nil, cannotConvert(pair, "List")
				}
				values, err := l.all(ev)
				if err != nil || len(values) != 2 {
					return nil, fail("A replacement is a list of the old and the new value.")
				}
				old, err := eq.keyOf(ev, values[0])
				if err != nil {
					return nil, err
				}
				for i, item := range items {
					key, err := eq.keyOf(ev, item)
					if err != nil {
						return nil, err
					}
					if same, err := eq.same(ev, key, old); err != nil {
						return nil, err
					} else if same {
						out[i] = values[1]
					}
				}
			}
			return newList(out...), nil
		}),
	}
}

func removeMatching(ev *evaluation, items, args []Value) (Value, error) {
	eq, err := equationOf(ev, args[1])
	if err != nil {
		return nil, err
	}
	others, err := bagOf(ev, args[0].(*list), eq)
	if err != nil {
		return nil, err
	}
	return filtered(items, func(item Value) (bool, error) {
		known, err := others.item(ev, item, false)
		return known == nil, err
	})
}

func listTests() []entry {
	contains := func(signature string, decide func(found, wanted int) bool) entry {
		return listEntry(signature, func(ev *evaluation, l *list, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[1])
			if err != nil {
				return nil, err
			}
			wanted, ok := args[0].(*list)
			if !ok {
				wanted = newList(args[0])
			}
			have, err := bagOf(ev, l, eq)
			if err != nil {
				return nil, err
			}
			items, err := wanted.raw(ev)
			if err != nil {
				return nil, err
			}
			found := 0
			for _, item := range items {
				known, err := have.item(ev, item, false)
				if err != nil {
					return nil, err
				}
				if known != nil {
					found++
				}
			}
			return logical(decide(found, len(items))), nil
		})
	}
	matches := func(signature string, stop bool) entry {
		return forcedEntry(signature, func(ev *evaluation, items, args []Value) (Value, error) {
			for _, item := range items {
				yes, err := ev.holds(args[0].(*function), item)
				if err != nil {
					return nil, err
				}
				if yes == stop {
					return logical(stop), nil
				}
			}
			return logical(!stop), nil
		})
	}
	truths := func(signature string, stop logical) entry {
		return forcedEntry(signature, func(_ *evaluation, items, _ []Value) (Value, error) {
			for _, item := range items {
				yes, ok := item.(logical)
				if !ok {
					return nil, cannotConvert(item, "Logical")
				}
				if yes == stop {
					return stop, nil
				}
			}
			return !stop, nil
		})
	}
	return []entry{
		{signature: "List.Contains(list as list, value as any, optional equationCriteria as any) as logical", body: func(ev *evaluation, args []Value) (Value, error) {
			eq, err := equationOf(ev, args[2])
			if err != nil {
				return nil, err
			}
			wanted, err := eq.keyOf(ev, args[1])
			if err != nil {
				return nil, err
			}
			for i := 0; ; i++ {
				item, ok, err := args[0].(*list).at(ev, i)
				if err != nil || !ok {
					return logical(false), err
				}
				key, err := eq.keyOf(ev, item)
				if err != nil {
					return nil, err
				}
				if same, err := eq.same(ev, key, wanted); err != nil || same {
					return logical(same), err
				}
			}
		}},
		contains("List.ContainsAll(list as list, values as list, optional equationCriteria as any) as logical", func(found, wanted int) bool { return found == wanted }),
		contains("List.ContainsAny(list as list, values as list, optional equationCriteria as any) as logical", func(found, _ int) bool { return found > 0 }),
		matches("List.MatchesAll(list as list, condition as function) as logical", false),
		matches("List.MatchesAny(list as list, condition as function) as logical", true),
		truths("List.AllTrue(list as list) as logical", false),
		truths("List.AnyTrue(list as list) as logical", true),
		listEntry("List.IsEmpty(list as list) as logical", func(ev *evaluation, l *list, _ []Value) (Value, error) {
			_, ok, err := l.rawAt(ev, 0)
			return logical(!ok), err
		}),
		listEntry("List.Count(list as list) as number", func(ev *evaluation, l *list, _ []Value) (Value, error) {
			n := 0
			err := l.inPieces(ev, func(items []Value) error {
				n += len(items)
				return nil
			})
			return intNumber(int64(n)), err
		}),
		gatheredEntry("List.NonNullCount(list as list) as number", func(*evaluation, []Value) (gatherer, error) { return new(presentCount), nil }),
		rawEntry("List.PositionOf(list as list, value as any, optional occurrence as nullable number, optional equationCriteria as any) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			return positionsOf(ev, items, newList(args[0]), args[1], args[2])
		}),
		rawEntry("List.PositionOfAny(list as list, values as list, optional occurrence as nullable number, optional equationCriteria as any) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			return positionsOf(ev, items, args[0].(*list), args[1], args[2])
		}),
	}
}

func positionsOf(ev *evaluation, items []Value, wanted *list, which, criteria Value) (Value, error) {
	eq, err := equationOf(ev, criteria)
	if err != nil {
		return nil, err
	}
	values, err := bagOf(ev, wanted, eq)
	if err != nil {
		return nil, err
	}
	var found []Value
	for i, item := range items {
		known, err := values.item(ev, item, false)
		if err != nil {
			return nil, err
		}
		if known != nil {
			found = append(found, intNumber(int64(i)))
		}
	}
	return occurrence(found, which)
}

// present drops the nulls.
func present(items []Value) []Value {
	var out []Value
	for _, item := range items {
		if !isNull(item) {
			out = append(out, item)
		}
	}
	return out
}

type presentCount int64

func (c *presentCount) add(_ *evaluation, items []Value) error {
	*c += presentCount(len(present(items)))
	return nil
}

func (c *presentCount) result(*evaluation) (Value, error) { return intNumber(int64(*c)), nil }

// total adds values of one kind; null when there are none.
type total struct{ sum Value }

func (t *total) add(ev *evaluation, items []Value) (err error) {
	for _, item := range present(items) {
		if t.sum == Value(null) {
			if t.sum = item; item.kind() != kindNumber && item.kind() != kindDuration {
				return noOperator(syntax.OpAdd, item, item)
			}
			continue
		}
		if t.sum, err = binaryValue(ev, syntax.OpAdd, t.sum, item); err != nil {
			return err
		}
	}
	return nil
}

func (t *total) result(*evaluation) (Value, error) { return t.sum, nil }

// average is the mean of numbers, durations, dates and times; null when there are none. Of points in time it is the mean of the
// distances from the first.
type average struct {
	first Value
	sum   total
	count int
}

func (a *average) add(ev *evaluation, items []Value) error {
	items = present(items)
	if len(items) == 0 {
		return nil
	}
	if a.first == nil {
		a.first, a.sum.sum = items[0], null
	}
	a.count += len(items)
	if !a.ofPoints() {
		return a.sum.add(ev, items)
	}
	for _, item := range items {
		distance, err := binaryValue(ev, syntax.OpSubtract, item, a.first)
		if err != nil {
			return err
		}
		if err := a.sum.add(ev, []Value{distance}); err != nil {
			return err
		}
	}
	return nil
}

func (a *average) ofPoints() bool {
	k := a.first.kind()
	return k != kindNumber && k != kindDuration
}

func (a *average) result(ev *evaluation) (Value, error) {
	if a.first == nil {
		return null, nil
	}
	if !a.ofPoints() {
		return binaryValue(ev, syntax.OpDivide, a.sum.sum, intNumber(int64(a.count)))
	}
	distances, ok := a.sum.sum.(duration)
	if !ok {
		return nil, cannotConvert(a.first, "Duration")
	}
	mean, err := scaled(distances, 1/float64(a.count))
	if err != nil {
		return nil, err
	}
	return binaryValue(ev, syntax.OpAdd, a.first, mean)
}

func averageOf(ev *evaluation, items []Value) (Value, error) {
	var a average
	if err := a.add(ev, items); err != nil {
		return nil, err
	}
	return a.result(ev)
}

// floats are the numbers among the items as doubles.
func floats(items []Value) ([]float64, error) {
	var out []float64
	for _, item := range present(items) {
		n, ok := item.(number)
		if !ok {
			return nil, cannotConvert(item, "Number")
		}
		out = append(out, n.float())
	}
	return out, nil
}

func mean(xs []float64) float64 {
	total := 0.0
	for _, x := range xs {
		total += x
	}
	return total / float64(len(xs))
}

// extreme finds the least or greatest item: that of a column in its database, where the column folds there.
func extreme(signature string, sign int) entry {
	gathered := gatheredEntry(signature, func(ev *evaluation, args []Value) (gatherer, error) {
		by, err := orderingsOf(ev, args[1])
		if err != nil {
			return nil, err
		}
		nulls := args[2]
		return &outmost{by: by, nulls: !isNull(nulls) && flag(nulls), sign: sign, fallback: args[0]}, nil
	})
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
		l, fallback := args[0].(*list), args[1]
		if l.cells == nil || len(l.items) > 0 || !isNull(args[2]) || !isNull(args[3]) {
			return gathered.body(ev, args)
		}
		found, ok, err := extremeCell(ev, l.cells.plan, sign)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return gathered.body(ev, args)
		case isNull(found):
			return fallback, nil
		}
		return found, nil
	}}
}

// extremeCell asks a database for the least or greatest cell of a table of one column; ok is false where that does not fold.
func extremeCell(ev *evaluation, s *step, sign int) (found Value, ok bool, err error) {
	opened, ok, err := openFolded(ev, &step{name: "List.Max", in: []*step{s}, cols: s.cols, op: extremeOf{sign}})
	if !ok || err != nil {
		return nil, false, err
	}
	defer opened.close()
	cells, ok, err := opened.next(ev)
	if !ok || err != nil {
		return nil, false, err
	}
	found, err = force(ev, cells[0])
	return found, true, err
}

type outmost struct {
	by       []ordering
	nulls    bool // take part
	sign     int
	found    []Value // at most one
	fallback Value
}

func (o *outmost) add(ev *evaluation, items []Value) error {
	if !o.nulls {
		items = present(items)
	}
	ordered, err := sorted(ev, slices.Concat(o.found, items), o.by)
	if err != nil || len(ordered) == 0 {
		return err
	}
	best := ordered[0]
	if o.sign > 0 {
		best = ordered[len(ordered)-1]
	}
	o.found = []Value{best}
	return nil
}

func (o *outmost) result(*evaluation) (Value, error) {
	if len(o.found) == 0 {
		return o.fallback, nil
	}
	return o.found[0], nil
}

func extremes(signature string, greatest bool) entry {
	return forcedEntry(signature, func(ev *evaluation, items, args []Value) (Value, error) {
		by, err := orderingsOf(ev, args[1])
		if err != nil {
			return nil, err
		}
		if !flag(args[2]) {
			items = present(items)
		}
		if greatest {
			for i := range by {
				by[i].descending = !by[i].descending
			}
		}
		ordered, err := sorted(ev, items, by)
		if err != nil {
			return nil, err
		}
		l := newList(ordered...)
		n, err := lengthOf(ev, l, args[0], 1)
		if err != nil {
			return nil, err
		}
		return newList(ordered[:min(n, len(ordered))]...), nil
	})
}

func listSums() []entry {
	return []entry{
		gatheredEntry("List.Sum(list as list, optional precision as nullable number) as any", func(*evaluation, []Value) (gatherer, error) { return &total{null}, nil }),
		gatheredEntry("List.Average(list as list, optional precision as nullable number) as any", func(*evaluation, []Value) (gatherer, error) { return new(average), nil }),
		forcedEntry("List.Product(numbersList as list, optional precision as nullable number) as nullable number", func(_ *evaluation, items, _ []Value) (Value, error) {
			items = present(items)
			if len(items) == 0 {
				return null, nil
			}
			product := intNumber(1)
			for _, item := range items {
				n, ok := item.(number)
				if !ok {
					return nil, cannotConvert(item, "Number")
				}
				product = arithmetic(syntax.OpMultiply, product, n)
			}
			return product, nil
		}),
		extreme("List.Min(list as list, optional default as any, optional comparisonCriteria as any, optional includeNulls as nullable logical) as any", -1),
		extreme("List.Max(list as list, optional default as any, optional comparisonCriteria as any, optional includeNulls as nullable logical) as any", 1),
		extremes("List.MinN(list as list, countOrCondition as any, optional comparisonCriteria as any, optional includeNulls as nullable logical) as list", false),
		extremes("List.MaxN(list as list, countOrCondition as any, optional comparisonCriteria as any, optional includeNulls as nullable logical) as list", true),
		forcedEntry("List.Median(list as list, optional comparisonCriteria as any) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			by, err := orderingsOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			if items = present(items); len(items) == 0 {
				return null, nil
			}
			ordered, err := sorted(ev, items, by)
			if err != nil {
				return nil, err
			}
			middle := len(ordered) / 2
			if k := ordered[middle].kind(); len(ordered)%2 == 1 || k != kindNumber && k != kindDuration && k != kindDate && k != kindDateTime {
				return ordered[(len(ordered)-1)/2], nil
			}
			return averageOf(ev, ordered[middle-1:middle+1])
		}),
		forcedEntry("List.Mode(list as list, optional equationCriteria as any) as any", func(ev *evaluation, items, args []Value) (Value, error) {
			modes, err := modesOf(ev, items, args[0])
			if err == nil && len(modes) == 0 {
				err = notEnough()
			}
			if err != nil {
				return nil, err
			}
			return modes[len(modes)-1], nil
		}),
		forcedEntry("List.Modes(list as list, optional equationCriteria as any) as list", func(ev *evaluation, items, args []Value) (Value, error) {
			modes, err := modesOf(ev, items, args[0])
			return newList(modes...), err
		}),
		forcedEntry("List.StandardDeviation(numbersList as list) as nullable number", func(_ *evaluation, items, _ []Value) (Value, error) {
			xs, err := floats(items)
			if err != nil || len(xs) < 2 {
				return null, err
			}
			m, total := mean(xs), 0.0
			for _, x := range xs {
				total += (x - m) * (x - m)
			}
			return tidy(math.Sqrt(total / float64(len(xs)-1))), nil
		}),
		forcedEntry("List.Covariance(numberList1 as list, numberList2 as list) as nullable number", func(ev *evaluation, items, args []Value) (Value, error) {
			others, err := args[0].(*list).all(ev)
			if err != nil {
				return nil, err
			}
			xs, err := floats(items)
			if err != nil {
				return nil, err
			}
			ys, err := floats(others)
			if err != nil {
				return nil, err
			}
			if len(xs) != len(ys) || len(xs) == 0 {
				return null, nil
			}
			mx, my, total := mean(xs), mean(ys), 0.0
			for i := range xs {
				total += (xs[i] - mx) * (ys[i] - my)
			}
			return tidy(total / float64(len(xs))), nil
		}),
		forcedEntry("List.Percentile(list as list, percentiles as any, optional options as nullable record) as any", listPercentile),
	}
}

func modesOf(ev *evaluation, items []Value, criteria Value) ([]Value, error) {
	eq, err := equationOf(ev, criteria)
	if err != nil {
		return nil, err
	}
	counts := newBag(eq)
	most := 0
	known := make([]*bagItem, len(items))
	for i, item := range items {
		if known[i], err = counts.item(ev, item, true); err != nil {
			return nil, err
		}
		known[i].count++
		most = max(most, known[i].count)
	}
	var modes []Value
	for i, item := range items {
		if known[i].count == most {
			modes = append(modes, item)
			known[i].count = -1
		}
	}
	return modes, nil
}

func listPercentile(ev *evaluation, items, args []Value) (Value, error) {
	xs, err := floats(items)
	if err != nil {
		return nil, err
	}
	sort.Float64s(xs)
	mode := 1
	if options, ok := args[1].(*record); ok {
		v, ok, err := options.get(ev, "PercentileMode")
		if err != nil {
			return nil, err
		}
		if ok {
			if mode, err = wholeArg(v, 1); err != nil {
				return nil, err
			}
		}
	}
	of := func(p float64) Value {
		n := float64(len(xs))
		if len(xs) == 0 {
			return null
		}
		at := p * (n - 1)
		switch mode {
		case 2:
			at = p*(n+1) - 1
			if at < 0 || at > n-1 {
				return floatNumber(math.NaN())
			}
		case 3:
			return tidy(xs[int(max(0, math.Ceil(p*n)-1))])
		}
		low := math.Floor(at)
		x := xs[int(low)]
		if high := int(low) + 1; high < len(xs) {
			x += (at - low) * (xs[high] - x)
		}
		return tidy(x)
	}
	if l, ok := args[0].(*list); ok {
		ps, err := l.all(ev)
		if err != nil {
			return nil, err
		}
		out := make([]Value, len(ps))
		for i, p := range ps {
			n, ok := p.(number)
			if !ok {
				return nil, cannotConvert(p, "Number")
			}
			out[i] = of(n.float())
		}
		return newList(out...), nil
	}
	n, ok := args[0].(number)
	if !ok || n.float() < 0 || n.float() > 1 {
		return nil, fail("A percentile is a number from 0 to 1.")
	}
	return of(n.float()), nil
}
