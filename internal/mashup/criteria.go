package mashup

import (
	"math"
	"sort"
	"strconv"
	"strings"
)

// equation tells when two values count as the same: by a key, and then by a comparer or the language's equality.
type equation struct {
	key      *function // one parameter; nil is the value itself
	comparer *function // two parameters; nil is equality
}

// equationOf reads the argument equationCriteria: null, a key selector, a comparer, or a list of both.
func equationOf(ev *evaluation, v Value) (equation, error) {
	var eq equation
	add := func(v Value) error {
		f, ok := v.(*function)
		switch {
		case !ok:
			return cannotConvert(v, "Function")
		case f.typ.required <= 1 && len(f.typ.params) == 1:
			eq.key = f
		default:
			eq.comparer = f
		}
		return nil
	}
	switch v := v.(type) {
	case nullKind:
		return eq, nil
	case *list:
		items, err := v.all(ev)
		if err != nil {
			return eq, err
		}
		for _, item := range items {
			if err := add(item); err != nil {
				return eq, err
			}
		}
		return eq, nil
	}
	return eq, add(v)
}

// keyOf is what of a value is compared.
func (eq equation) keyOf(ev *evaluation, v Value) (Value, error) {
	v, err := force(ev, v)
	if err != nil || eq.key == nil {
		return v, err
	}
	return ev.call(eq.key, v)
}

// same compares two keys.
func (eq equation) same(ev *evaluation, a, b Value) (bool, error) {
	if eq.comparer == nil {
		return equal(ev, a, b)
	}
	answer, err := ev.call(eq.comparer, a, b)
	if err != nil {
		return false, err
	}
	same, err := equalAnswer(answer)
	return same == Value(logical(true)), err
}

// hash puts keys that may be the same into the same class.
func (eq equation) hash(ev *evaluation, key Value) (string, error) {
	switch {
	case eq.comparer == nil || eq.comparer.name == "Comparer.Ordinal":
		return hashOf(ev, key)
	case eq.comparer.name == "Comparer.OrdinalIgnoreCase":
		if s, ok := key.(text); ok {
			return "t" + foldText(string(s)), nil
		}
		return hashOf(ev, key)
	}
	return "", nil
}

// hashOf is a text that equal values have in common; values that are not equal mostly differ.
func hashOf(ev *evaluation, v Value) (string, error) {
	v, err := force(ev, v)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case number:
		f := v.float()
		if f == 0 {
			f = 0 // minus zero is zero
		}
		return "n" + strconv.FormatUint(math.Float64bits(f), 36), nil
	case text:
		return "t" + string(v), nil
	case datetimezone:
		return "z" + strconv.FormatInt(v.utc(), 36), nil
	case *list:
		items, err := v.raw(ev)
		if err != nil {
			return "", err
		}
		return hashAll(ev, "l", items)
	case *record:
		names := append([]string(nil), v.shape.names...)
		sort.Strings(names)
		values := make([]Value, len(names))
		for i, name := range names {
			values[i] = v.values[v.shape.find(name)]
		}
		return hashAll(ev, "r"+strings.Join(names, ","), values)
	case table, *function, *typeValue:
		return v.kind().String(), nil
	case binary:
		return "b" + string(v), nil
	}
	return constantText(v), nil
}

func hashAll(ev *evaluation, start string, values []Value) (string, error) {
	if err := ev.enter(callFrames); err != nil {
		ev.leave(callFrames)
		return "", err
	}
	defer ev.leave(callFrames)
	var b strings.Builder
	b.WriteString(start)
	for _, v := range values {
		h, err := hashOf(ev, v)
		if err != nil {
			return "", err
		}
		b.WriteString(strconv.Itoa(len(h)))
		b.WriteByte(':')
		b.WriteString(h)
	}
	return b.String(), nil
}

// bag counts values by an equation.
type bag struct {
	eq      equation
	classes map[string][]*bagItem
}

type bagItem struct {
	key   Value
	count int
}

func newBag(eq equation) *bag { return &bag{eq: eq, classes: map[string][]*bagItem{}} }

// item finds the entry of a value, and makes one when add is set; nil when there is none.
func (b *bag) item(ev *evaluation, v Value, add bool) (*bagItem, error) {
	key, err := b.eq.keyOf(ev, v)
	if err != nil {
		return nil, err
	}
	class, err := b.eq.hash(ev, key)
	if err != nil {
		return nil, err
	}
	for _, item := range b.classes[class] {
		same, err := b.eq.same(ev, item.key, key)
		if err != nil {
			return nil, err
		}
		if same {
			return item, nil
		}
	}
	if err := ev.poll(); err != nil || !add {
		return nil, err
	}
	item := &bagItem{key: key}
	b.classes[class] = append(b.classes[class], item)
	return item, nil
}

// bagOf counts the values of a list.
func bagOf(ev *evaluation, l *list, eq equation) (*bag, error) {
	b := newBag(eq)
	items, err := l.raw(ev)
	if err != nil {
		return nil, err
	}
	for _, v := range items {
		item, err := b.item(ev, v, true)
		if err != nil {
			return nil, err
		}
		item.count++
	}
	return b, nil
}

// ordering is one criterion of a sort.
type ordering struct {
	key        *function // nil is the value itself
	comparer   *function // two parameters; nil is the language's order
	descending bool
}

// orderingsOf reads the argument comparisonCriteria: null, an order, a key selector, a comparer, {selector, order} or a list of those.
func orderingsOf(ev *evaluation, v Value) ([]ordering, error) {
	switch v := v.(type) {
	case nullKind:
		return []ordering{{}}, nil
	case number:
		n, err := wholeArg(v, 0)
		return []ordering{{descending: n == 1}}, err
	case *function:
		if len(v.typ.params) == 1 {
			return []ordering{{key: v}}, nil
		}
		return []ordering{{comparer: v}}, nil
	case *list:
		items, err := v.all(ev)
		if err != nil {
			return nil, err
		}
		if len(items) == 2 && items[0].kind() == kindFunction && items[1].kind() == kindNumber {
			of, err := orderingsOf(ev, items[0])
			if err != nil {
				return nil, err
			}
			n, err := wholeArg(items[1], 0)
			of[0].descending = n == 1
			return of, err
		}
		var all []ordering
		for _, item := range items {
			of, err := orderingsOf(ev, item)
			if err != nil {
				return nil, err
			}
			all = append(all, of...)
		}
		return all, nil
	}
	return nil, cannotConvert(v, "Function")
}

// sorted is the values in order, stable.
func sorted(ev *evaluation, values []Value, by []ordering) ([]Value, error) {
	type keyed struct {
		value Value
		keys  []Value
	}
	rows := make([]keyed, len(values))
	for i, v := range values {
		rows[i] = keyed{v, make([]Value, len(by))}
		for j, o := range by {
			rows[i].keys[j] = v
			if o.key != nil {
				key, err := ev.call(o.key, v)
				if err != nil {
					return nil, err
				}
				rows[i].keys[j] = key
			}
		}
	}
	var failed error
	sort.SliceStable(rows, func(i, j int) bool {
		if failed != nil {
			return false
		}
		for k, o := range by {
			order, err := o.compare(ev, rows[i].keys[k], rows[j].keys[k])
			if err == nil {
				err = ev.poll()
			}
			if err != nil {
				failed = err
				return false
			}
			if order != 0 {
				return order < 0
			}
		}
		return false
	})
	if failed != nil {
		return nil, failed
	}
	out := make([]Value, len(rows))
	for i, row := range rows {
		out[i] = row.value
	}
	return out, nil
}

func (o ordering) compare(ev *evaluation, a, b Value) (order int, err error) {
	if o.comparer == nil {
		order, err = sortOrder(a, b)
	} else {
		var answer Value
		if answer, err = ev.call(o.comparer, a, b); err == nil {
			n, ok := answer.(number)
			if !ok {
				return 0, cannotConvert(answer, "Number")
			}
			order, _ = n.compare(intNumber(0))
		}
	}
	if o.descending {
		order = -order
	}
	return order, err
}
