package mashup

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"

	"freshet.dev/internal/mashup/syntax"
)

// typeName is the name of a value's kind as messages write it: Number, DateTimeZone.
func typeName(v Value) string { return simple(plain(v).kind()).title() }

// cannotConvert is the error of a value that is not of the type it has to be.
func cannotConvert(v Value, to string) *failure {
	v = plain(v)
	var f *failure
	switch v.kind() {
	case kindList, kindRecord, kindTable, kindFunction, kindType, kindBinary:
		f = fail("We cannot convert a value of type %s to type %s.", typeName(v), to)
	default:
		f = fail("We cannot convert the value %s to type %s.", display(v), to)
	}
	return f.with(newRecord([]string{"Value", "Type"}, []Value{v, text(to)}))
}

// display is a primitive value as messages write it; long texts are cut.
func display(v Value) string {
	switch v := plain(v).(type) {
	case text:
		s := string(v)
		if len(s) > 200 {
			cut := 200
			for !utf8.RuneStart(s[cut]) {
				cut--
			}
			s = s[:cut] + "…"
		}
		return `"` + s + `"`
	case *list, *record, table, *function, *typeValue, binary:
		return "of type " + typeName(v)
	default:
		return constantText(v)
	}
}

// fieldOf is v[name], as it stands in the record but forced.
func fieldOf(ev *evaluation, v Value, name string, optional bool) (Value, error) {
	switch v := v.(type) {
	case *record:
		if i := v.shape.find(name); i >= 0 {
			return forceRaw(ev, v.values[i])
		}
		if optional {
			return null, nil
		}
		return nil, fail("The field '%s' of the record wasn't found.", name).with(v)
	case table:
		for _, f := range v.tableType().fields {
			if f.name == name {
				return columnList(ev, v, name)
			}
		}
		if optional {
			return null, nil
		}
		return nil, fail("The column '%s' of the table wasn't found.", name).with(text(name))
	case nullKind:
		if optional {
			return null, nil
		}
	}
	return nil, fail("We cannot apply field access to the type %s.", typeName(v)).with(newRecord([]string{"Value", "Key"}, []Value{v, text(name)}))
}

// columnList is the values of one column, read as they are needed.
func columnList(ev *evaluation, t table, name string) (Value, error) {
	one, err := t.selectColumns(ev, []string{name}, false)
	if err != nil {
		return nil, err
	}
	return cellList(one), nil
}

// cellList is the cells of a table of one column.
func cellList(one table) *list {
	column := relationalOf(one)
	l := rowList(column, func(cells []Value) Value { return cells[0] })
	l.cells = column
	l.again = func() *list { return cellList(one) }
	return l
}

// itemOf is v{key}.
func itemOf(ev *evaluation, v, key Value, optional bool) (Value, error) {
	switch v := v.(type) {
	case *list:
		i, err := itemIndex(key)
		if err != nil {
			return nil, err
		}
		item, ok, err := v.rawAt(ev, i)
		switch {
		case err != nil:
			return nil, err
		case ok:
			return forceRaw(ev, item)
		case optional:
			return null, nil
		}
		return nil, notEnough().with(v)
	case table:
		if match, ok := key.(*record); ok {
			return rowByKey(ev, v, match, optional)
		}
		i, err := itemIndex(key)
		if err != nil {
			return nil, err
		}
		row, err := rowAt(ev, v, i)
		if row == nil && err == nil {
			if optional {
				return null, nil
			}
			return nil, notEnough()
		}
		if err != nil {
			return nil, err
		}
		return row, nil
	case nullKind:
		if optional {
			return null, nil
		}
	}
	return nil, fail("We cannot apply indexing to the type %s.", typeName(v))
}

func notEnough() *failure {
	return fail("There weren't enough elements in the enumeration to complete the operation.")
}

func itemIndex(key Value) (int, error) {
	n, ok := key.(number)
	if !ok {
		return 0, cannotConvert(key, "Number")
	}
	i, ok := n.int()
	if !ok || i > math.MaxInt32 {
		return 0, fail("The index %s is not a whole number.", display(key))
	}
	if i < 0 {
		return 0, fail("The index cannot be negative.")
	}
	return int(i), nil
}

// rowRecord is a row of a table as a record.
func rowRecord(fields *shape, cells []Value) *record { return &record{shape: fields, values: cells} }

// columnShape is the shape of a table's rows.
func columnShape(t table) *shape {
	fields := t.tableType().fields
	columns := make([]string, len(fields))
	for i, f := range fields {
		columns[i] = f.name
	}
	return newShape(columns)
}

// rowAt is row i of a table, nil beyond its end.
func rowAt(ev *evaluation, t table, i int) (*record, error) {
	rs, err := t.rows(ev)
	if err != nil {
		return nil, err
	}
	defer rs.close()
	for ; ; i-- {
		cells, ok, err := rs.next(ev)
		if err != nil || !ok {
			return nil, err
		}
		if i == 0 {
			return rowRecord(columnShape(t), cells), nil
		}
	}
}

// keyText is a key as a person writes it: Schema = "public", Item = "sales".
func keyText(ev *evaluation, match *record) string {
	parts := make([]string, len(match.values))
	for i, v := range match.values {
		parts[i] = match.shape.names[i]
		if forced, err := forceRaw(ev, v); err == nil {
			parts[i] += " = " + shown(forced)
		}
	}
	return strings.Join(parts, ", ")
}

// rowByKey is the one row whose fields equal those of match.
func rowByKey(ev *evaluation, t table, match *record, optional bool) (Value, error) {
	fields := columnShape(t)
	at := make([]int, len(match.shape.names))
	for i, name := range match.shape.names {
		if at[i] = fields.find(name); at[i] < 0 {
			return nil, fail("The column '%s' of the table wasn't found.", name).with(text(name))
		}
	}
	rs, err := t.rows(ev)
	if err != nil {
		return nil, err
	}
	defer rs.close()
	var found *record
	for {
		cells, ok, err := rs.next(ev)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		same := true
		for i := 0; i < len(at) && same; i++ {
			if same, err = equal(ev, cells[at[i]], match.values[i]); err != nil {
				return nil, err
			}
		}
		if !same {
			continue
		}
		if found != nil {
			return nil, fail("The key matched more than one row in the table.").with(match)
		}
		found = rowRecord(fields, cells)
	}
	switch {
	case found != nil:
		return found, nil
	case optional:
		return null, nil
	}
	missing := fail("The key didn't match any rows in the table.").with(match)
	missing.hint = "No row has " + keyText(ev, match)
	if r, ok := t.(*relational); ok {
		switch nav := r.plan.op.(type) {
		case *navigation:
			missing.hint += ". " + nav.advice(ev, match)
		case listed:
			missing.hint += ". " + nav.advice
		}
	}
	return nil, missing
}

func noOperator(op syntax.Op, a, b Value) error {
	return fail("We cannot apply operator %s to types %s and %s.", op, typeName(a), typeName(b)).
		with(newRecord([]string{"Operator", "Left", "Right"}, []Value{text(op.String()), a, b}))
}

func unaryValue(op syntax.Op, v Value) (Value, error) {
	switch x := v.(type) {
	case nullKind:
		return null, nil
	case logical:
		if op == syntax.OpNot {
			return !x, nil
		}
	case number:
		switch op {
		case syntax.OpAdd:
			return x, nil
		case syntax.OpSubtract:
			return x.negate(), nil
		}
	case duration:
		switch op {
		case syntax.OpAdd:
			return x, nil
		case syntax.OpSubtract:
			return -x, nil
		}
	}
	if op == syntax.OpNot {
		return nil, cannotConvert(v, "Logical")
	}
	return nil, fail("We cannot apply operator %s to type %s.", op, typeName(v)).
		with(newRecord([]string{"Operator", "Right"}, []Value{text(op.String()), v}))
}

// binaryValue applies an operator that evaluates both sides to plain values.
func binaryValue(ev *evaluation, op syntax.Op, a, b Value) (Value, error) {
	switch op {
	case syntax.OpEqual, syntax.OpNotEqual:
		same, err := equal(ev, a, b)
		if err != nil {
			return nil, err
		}
		return logical(same == (op == syntax.OpEqual)), nil
	}
	if a.kind() == kindNull || b.kind() == kindNull {
		return null, nil
	}
	switch op {
	case syntax.OpLess, syntax.OpLessEqual, syntax.OpGreater, syntax.OpGreaterEqual:
		order, unordered, ok := compare(a, b)
		switch {
		case !ok:
			return nil, noOperator(op, a, b)
		case unordered:
			return logical(false), nil
		}
		switch op {
		case syntax.OpLess:
			return logical(order < 0), nil
		case syntax.OpLessEqual:
			return logical(order <= 0), nil
		case syntax.OpGreater:
			return logical(order > 0), nil
		}
		return logical(order >= 0), nil
	case syntax.OpConcat:
		return concat(ev, a, b)
	}
	if x, ok := a.(number); ok {
		if y, ok := b.(number); ok {
			return arithmetic(op, x, y), nil
		}
	}
	v, err := clockArithmetic(op, a, b)
	if v == nil && err == nil {
		return nil, noOperator(op, a, b)
	}
	return v, err
}

func concat(ev *evaluation, a, b Value) (Value, error) {
	switch x := a.(type) {
	case text:
		if y, ok := b.(text); ok {
			return x + y, nil
		}
	case *list:
		if y, ok := b.(*list); ok {
			return concatLists(x, y), nil
		}
	case *record:
		if y, ok := b.(*record); ok {
			return mergeRecords(x, y), nil
		}
	case table:
		if y, ok := b.(table); ok {
			return x.concat(ev, y)
		}
	case date:
		if y, ok := b.(timeOfDay); ok {
			return x.datetime() + datetime(y), nil
		}
	case binary:
		if y, ok := b.(binary); ok {
			return append(append(make(binary, 0, len(x)+len(y)), x...), y...), nil
		}
	}
	return nil, noOperator(syntax.OpConcat, a, b)
}

// concatLists is one list after the other, without reading either.
func concatLists(lists ...*list) *list {
	known := 0
	for _, l := range lists {
		if l.next != nil || l.err != nil {
			break
		}
		known++
	}
	joined := &list{}
	for _, l := range lists[:known] {
		joined.items = append(joined.items, l.items...)
	}
	if lists = lists[known:]; len(lists) == 0 {
		return joined
	}
	i := 0
	joined.next = func(ev *evaluation) (Value, bool, error) {
		for len(lists) > 0 {
			v, ok, err := lists[0].rawAt(ev, i)
			if ok || err != nil {
				i++
				return v, ok, err
			}
			lists, i = lists[1:], 0
		}
		return nil, false, nil
	}
	return joined
}

// mergeRecords is a & b: b's fields win, in the place that a gave them.
func mergeRecords(a, b *record) *record {
	if a == nil {
		return b
	}
	fields := append([]string(nil), a.shape.names...)
	values := append([]Value(nil), a.values...)
	for i, name := range b.shape.names {
		if at := a.shape.find(name); at >= 0 {
			values[at] = b.values[i]
			continue
		}
		fields = append(fields, name)
		values = append(values, b.values[i])
	}
	return newRecord(fields, values)
}

// metaOf is a value's metadata, nil when there is none.
func metaOf(v Value) *record {
	switch v := v.(type) {
	case annotated:
		return v.meta
	case *list:
		return v.meta
	case *record:
		return v.meta
	case *function:
		return v.meta
	case *typeValue:
		return v.meta
	case table:
		return v.meta()
	}
	return nil
}

// withMeta is the value with other metadata; nil is none.
func withMeta(v Value, meta *record) Value {
	switch v := v.(type) {
	case *list:
		copied := v.share()
		copied.meta = meta
		return copied
	case *record:
		copied := *v
		copied.meta = meta
		return &copied
	case *function:
		copied := *v
		copied.meta = meta
		return &copied
	case *typeValue:
		copied := *v
		copied.meta = meta
		return &copied
	case table:
		return v.withMeta(meta)
	case annotated:
		v.meta = meta
		if meta == nil && v.typ == nil {
			return v.Value
		}
		return v
	}
	if meta == nil {
		return v
	}
	return annotated{Value: v, meta: meta}
}

// share is a list of the same items, which are still read once.
func (l *list) share() *list {
	if l.next == nil && l.err == nil {
		return &list{items: l.items, typ: l.typ, meta: l.meta}
	}
	i := 0
	return &list{typ: l.typ, meta: l.meta, next: func(ev *evaluation) (Value, bool, error) {
		i++
		return l.rawAt(ev, i-1)
	}}
}

// equal is a = b.
func equal(ev *evaluation, a, b Value) (bool, error) {
	a, err := force(ev, a)
	if err != nil {
		return false, err
	}
	if b, err = force(ev, b); err != nil {
		return false, err
	}
	if a.kind() != b.kind() {
		return false, nil
	}
	switch x := a.(type) {
	case *list:
		return equalLists(ev, x, b.(*list))
	case *record:
		return equalRecords(ev, x, b.(*record))
	case table:
		return equalTables(ev, x, b.(table))
	case *function:
		y := b.(*function)
		return x == y || x.native != nil && x.name != "" && x.name == y.name || x.closure != nil && x.closure == y.closure && x.env == y.env, nil
	case *typeValue:
		return x.equal(b.(*typeValue)), nil
	case binary:
		return string(x) == string(b.(binary)), nil
	}
	order, unordered, _ := compare(a, b)
	return order == 0 && !unordered, nil
}

func equalLists(ev *evaluation, a, b *list) (bool, error) {
	if err := ev.enter(callFrames); err != nil {
		ev.leave(callFrames)
		return false, err
	}
	defer ev.leave(callFrames)
	for i := 0; ; i++ {
		x, ok, err := a.rawAt(ev, i)
		if err != nil {
			return false, err
		}
		y, also, err := b.rawAt(ev, i)
		if err != nil || ok != also || !ok {
			return ok == also, err
		}
		if same, err := equal(ev, x, y); err != nil || !same {
			return false, err
		}
	}
}

func equalRecords(ev *evaluation, a, b *record) (bool, error) {
	if len(a.values) != len(b.values) {
		return false, nil
	}
	if err := ev.enter(callFrames); err != nil {
		ev.leave(callFrames)
		return false, err
	}
	defer ev.leave(callFrames)
	for i, name := range a.shape.names {
		j := b.shape.find(name)
		if j < 0 {
			return false, nil
		}
		if same, err := equal(ev, a.values[i], b.values[j]); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func equalTables(ev *evaluation, a, b table) (bool, error) {
	x, y := columnShape(a), columnShape(b)
	if len(x.names) != len(y.names) {
		return false, nil
	}
	at := make([]int, len(x.names))
	for i, name := range x.names {
		if at[i] = y.find(name); at[i] < 0 {
			return false, nil
		}
	}
	left, err := a.rows(ev)
	if err != nil {
		return false, err
	}
	defer left.close()
	right, err := b.rows(ev)
	if err != nil {
		return false, err
	}
	defer right.close()
	for {
		l, ok, err := left.next(ev)
		if err != nil {
			return false, err
		}
		r, also, err := right.next(ev)
		if err != nil || ok != also || !ok {
			return ok == also, err
		}
		for i := range l {
			if same, err := equal(ev, l[i], r[at[i]]); err != nil || !same {
				return false, err
			}
		}
	}
}

// compare orders two plain values of one kind that has an order; unordered is NaN against anything.
func compare(a, b Value) (order int, unordered, ok bool) {
	if a.kind() != b.kind() {
		return 0, false, false
	}
	switch x := a.(type) {
	case nullKind:
		return 0, false, true
	case number:
		order, unordered = x.compare(b.(number))
		return order, unordered, true
	case text:
		return compareOrdinal(string(x), string(b.(text))), false, true
	case logical:
		y := b.(logical)
		switch {
		case x == y:
			return 0, false, true
		case bool(y):
			return -1, false, true
		}
		return 1, false, true
	case date:
		return order64(int64(x), int64(b.(date))), false, true
	case timeOfDay:
		return order64(int64(x), int64(b.(timeOfDay))), false, true
	case datetime:
		return order64(int64(x), int64(b.(datetime))), false, true
	case duration:
		return order64(int64(x), int64(b.(duration))), false, true
	case datetimezone:
		return order64(x.utc(), b.(datetimezone).utc()), false, true
	case binary:
		return strings.Compare(string(x), string(b.(binary))), false, true
	}
	return 0, false, false
}

func order64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareOrdinal orders texts by their UTF-16 units, which differs from the order of the bytes for characters beyond U+FFFF.
func compareOrdinal(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	if i == n {
		return order64(int64(len(a)), int64(len(b)))
	}
	for i > 0 && !utf8.RuneStart(a[i]) {
		i--
	}
	x, _ := utf8.DecodeRuneInString(a[i:])
	y, _ := utf8.DecodeRuneInString(b[i:])
	if (x > 0xFFFF) != (y > 0xFFFF) {
		// A surrogate stands below U+E000 and above all else.
		surrogate := func(r rune) rune {
			if r > 0xFFFF {
				return 0xD800
			}
			return r
		}
		x, y = surrogate(x), surrogate(y)
	}
	return order64(int64(x), int64(y))
}

// literalNumber is a number as the language writes it.
func literalNumber(s string) (number, bool) {
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		u, err := strconv.ParseUint(s[2:], 16, 64)
		if err != nil {
			return number{}, false
		}
		if u <= math.MaxInt64 {
			return intNumber(int64(u)), true
		}
		return floatNumber(float64(u)), true
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return intNumber(i), true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return number{}, false
	}
	return floatNumber(f), true
}

// decimals is the arithmetic of exact decimals: 34 digits, more than the 28 of the language's other implementations.
func decimals() *apd.Context {
	c := apd.BaseContext.WithPrecision(34)
	c.Rounding = apd.RoundHalfEven
	return c
}

func (n number) negate() number {
	switch n.rep {
	case repInt:
		if n.bits == math.MinInt64 {
			return floatNumber(-float64(n.bits))
		}
		return intNumber(-n.bits)
	case repDecimal:
		return decNumber(new(apd.Decimal).Neg(n.dec))
	}
	return floatNumber(-n.float())
}

// arithmetic applies + - * / to numbers: whole numbers stay exact while they fit, decimals stay decimals, everything else is double.
func arithmetic(op syntax.Op, a, b number) number {
	if a.rep == repInt && b.rep == repInt {
		if n, ok := wholeArithmetic(op, a.bits, b.bits); ok {
			return n
		}
	} else if a.rep != repFloat && b.rep != repFloat {
		if n, ok := decimalArithmetic(op, a, b); ok {
			return n
		}
	}
	x, y := a.float(), b.float()
	switch op {
	case syntax.OpAdd:
		return floatNumber(x + y)
	case syntax.OpSubtract:
		return floatNumber(x - y)
	case syntax.OpMultiply:
		return floatNumber(x * y)
	}
	return floatNumber(x / y)
}

func wholeArithmetic(op syntax.Op, x, y int64) (number, bool) {
	switch op {
	case syntax.OpAdd:
		sum := x + y
		return intNumber(sum), (sum > x) == (y > 0)
	case syntax.OpSubtract:
		difference := x - y
		return intNumber(difference), (difference < x) == (y > 0)
	case syntax.OpMultiply:
		if x == 0 || y == 0 {
			return intNumber(0), true
		}
		product := x * y
		return intNumber(product), product/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64)
	}
	if y == 0 || x%y != 0 || x == math.MinInt64 && y == -1 {
		return number{}, false
	}
	return intNumber(x / y), true
}

func decimalArithmetic(op syntax.Op, a, b number) (number, bool) {
	x, _ := a.decimal()
	y, _ := b.decimal()
	var d apd.Decimal
	var cond apd.Condition
	var err error
	switch c := decimals(); op {
	case syntax.OpAdd:
		cond, err = c.Add(&d, x, y)
	case syntax.OpSubtract:
		cond, err = c.Sub(&d, x, y)
	case syntax.OpMultiply:
		cond, err = c.Mul(&d, x, y)
	default:
		if y.IsZero() {
			return number{}, false
		}
		cond, err = c.Quo(&d, x, y)
	}
	return decNumber(&d), err == nil && !cond.Overflow() && !cond.Underflow()
}

// compare orders numbers by value; a decimal against a double as doubles. unordered tells that one is NaN.
func (n number) compare(m number) (order int, unordered bool) {
	if n.rep == repInt && m.rep == repInt {
		return order64(n.bits, m.bits), false
	}
	if n.rep != repFloat && m.rep != repFloat {
		x, _ := n.decimal()
		y, _ := m.decimal()
		return x.Cmp(y), false
	}
	x, y := n.float(), m.float()
	switch {
	case x < y:
		return -1, false
	case x > y:
		return 1, false
	case x != y:
		return 0, true
	}
	// Equal as doubles: a whole number beyond 2^53 may still differ.
	if n.rep == repInt {
		if i, ok := m.int(); ok {
			return order64(n.bits, i), false
		}
		return -1, false // m is 2^63
	}
	if m.rep == repInt {
		order, _ := m.compare(n)
		return -order, false
	}
	return 0, false
}
