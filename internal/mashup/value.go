package mashup

import (
	"slices"
	"time"

	"freshet.dev/internal/mashup/syntax"
)

// Value is a value of the language. Its variants are the types of this package with a kind method:
// nullKind, logical, number, text, binary, date, timeOfDay, datetime, datetimezone, duration, *list, *record, table, *function,
// *typeValue. Two more stand where a value is not there yet or carries more: *thunk (what a list, a record or a scope holds before
// it is needed) and annotated (a primitive value with metadata or an ascribed type). force gives the plain value of both.
//
// A value belongs to the evaluation that made it and is used by one goroutine at a time.
type Value interface{ kind() kind }

// kind tells the kinds of value apart; a type value has the kind of the values it describes.
type kind uint8

const (
	kindAny kind = iota // of a type only: any, and none when never is set
	kindNull
	kindLogical
	kindNumber
	kindTime
	kindDate
	kindDateTime
	kindDateTimeZone
	kindDuration
	kindText
	kindBinary
	kindList
	kindRecord
	kindTable
	kindFunction
	kindType
	kindAction
	kindNone // of a type only
	kindAnyNonNull
	kindThunk
)

var kindNames = [...]string{"any", "null", "logical", "number", "time", "date", "datetime", "datetimezone", "duration", "text",
	"binary", "list", "record", "table", "function", "type", "action", "none", "anynonnull", "thunk"}

func (k kind) String() string { return kindNames[k] }

type (
	logical bool
	text    string // UTF-8; the language counts it in UTF-16 units
	binary  []byte
)

const null = nullKind(0)

// nullKind makes null a constant; its only value is null.
type nullKind uint8

func (nullKind) kind() kind { return kindNull }
func (logical) kind() kind  { return kindLogical }
func (text) kind() kind     { return kindText }
func (binary) kind() kind   { return kindBinary }

// DateTimeValue is a datetime with the wall clock of t, for binding RangeStart and RangeEnd.
func DateTimeValue(t time.Time) Value { return datetimeOf(t) }

// annotated is a primitive value with metadata or an ascribed type.
type annotated struct {
	Value
	meta *record    // nil is none
	typ  *typeValue // nil is the value's own
}

// plain takes the annotation off.
func plain(v Value) Value {
	if a, ok := v.(annotated); ok {
		return a.Value
	}
	return v
}

// list is a lazy list: items are known, next gives the ones that follow. An item may be a thunk.
type list struct {
	items []Value
	next  func(ev *evaluation) (item Value, ok bool, err error) // nil: the list ends with items
	err   error                                                 // why next failed, for whoever asks again
	typ   *typeValue
	meta  *record
	claim *claim       // of its items, where next gives many
	again func() *list // the same items from the beginning, for a list that is too long to be held; nil: there is no way
	cells *relational  // the table of one column whose cells the items are; nil: they are no column's
}

func (*list) kind() kind { return kindList }

// maxItems bounds a list, because its items stay in memory once they are read.
const maxItems = 1 << 25

func newList(items ...Value) *list { return &list{items: items} }

func textList(texts []string) *list {
	items := make([]Value, len(texts))
	for i, s := range texts {
		items[i] = text(s)
	}
	return newList(items...)
}

// at returns item i, forced; ok is false beyond the end.
func (l *list) at(ev *evaluation, i int) (v Value, ok bool, err error) {
	raw, ok, err := l.rawAt(ev, i)
	if !ok || err != nil {
		return nil, ok, err
	}
	v, err = force(ev, raw)
	return v, true, err
}

// rawAt returns item i as it stands, perhaps a thunk.
func (l *list) rawAt(ev *evaluation, i int) (v Value, ok bool, err error) {
	for i >= len(l.items) {
		if l.err != nil {
			return nil, false, l.err
		}
		if l.next == nil {
			return nil, false, nil
		}
		if len(l.items) == maxItems {
			return nil, false, fail("The list has more than %d items, which is more than Freshet holds in memory.", maxItems)
		}
		item, ok, err := l.next(ev)
		if err != nil {
			if raised(err) {
				l.err = err
			}
			return nil, false, err
		}
		if !ok {
			l.next = nil
			return nil, false, nil
		}
		if err := ev.poll(); err != nil {
			return nil, false, err
		}
		if err := l.count(ev, item); err != nil {
			l.err = err // the item is lost
			return nil, false, err
		}
		l.items = append(l.items, item)
	}
	return l.items[i], true, nil
}

// count claims memory for an item that is about to be kept.
func (l *list) count(ev *evaluation, item Value) error {
	if len(l.items) < countedItems {
		return nil
	}
	const slot = 40 // in a slice that grows, and in a second one where the list is sorted or filtered
	if l.claim == nil {
		by := holder{"a list", ev.site}
		if ev.site != nil && ev.site.name != "" {
			by.name = ev.site.name
		}
		l.claim = ev.claim(by)
		if err := l.claim.grow(sizeOfAll(l.items, 3) + slot*countedItems); err != nil {
			l.claim = nil
			return err
		}
	}
	return l.claim.grow(slot + sizeOf(item))
}

// inPieces hands all items, as they stand, to use: at once where they are held in memory, else one piece after the other, and nothing is
// held. Use may keep none of them.
func (l *list) inPieces(ev *evaluation, use func(items []Value) error) error {
	for l.next != nil || l.err != nil {
		if l.again != nil && l.claim != nil && l.claim.held > ev.session.account.share() {
			return l.streamed(ev, use)
		}
		if _, ok, err := l.rawAt(ev, len(l.items)); err != nil {
			return err
		} else if !ok {
			break
		}
	}
	return use(l.items)
}

// streamed lets go of the items that are held. Whoever asks for one reads them again.
func (l *list) streamed(ev *evaluation, use func(items []Value) error) error {
	items, next := l.items, l.next
	l.claim.release()
	*l = list{next: l.again().next, again: l.again, typ: l.typ, meta: l.meta}
	if err := use(items); err != nil {
		return err
	}
	const piece = 4096
	for more := true; more; {
		items = make([]Value, 0, piece)
		for len(items) < piece && more {
			item, ok, err := next(ev)
			if err != nil {
				return err
			}
			if more = ok; ok {
				items = append(items, item)
			}
		}
		if err := use(items); err != nil {
			return err
		}
	}
	return nil
}

// raw returns all items as they stand.
func (l *list) raw(ev *evaluation) ([]Value, error) {
	for i := len(l.items); l.next != nil || l.err != nil; i++ {
		if _, ok, err := l.rawAt(ev, i); err != nil || !ok {
			return l.items, err
		}
	}
	return l.items, nil
}

// all returns all items, forced.
func (l *list) all(ev *evaluation) ([]Value, error) {
	items, err := l.raw(ev)
	if err != nil {
		return nil, err
	}
	forced := make([]Value, len(items))
	for i, item := range items {
		if forced[i], err = force(ev, item); err != nil {
			return nil, err
		}
	}
	return forced, nil
}

// len counts the items.
func (l *list) len(ev *evaluation) (int, error) {
	items, err := l.raw(ev)
	return len(items), err
}

// shape is the field names of a record; records of one origin share it.
type shape struct {
	names []string
	index map[string]int // nil for few names
}

func newShape(names []string) *shape {
	s := &shape{names: names}
	if len(names) > 8 {
		s.index = make(map[string]int, len(names))
		for i, name := range names {
			s.index[name] = i
		}
	}
	return s
}

// find returns the place of a name, -1 when there is none.
func (s *shape) find(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	return slices.Index(s.names, name)
}

// record is a record; a field's value may be a thunk.
type record struct {
	shape  *shape
	values []Value
	typ    *typeValue
	meta   *record
}

func (*record) kind() kind { return kindRecord }

func newRecord(names []string, values []Value) *record {
	return &record{shape: newShape(names), values: values}
}

// get returns a field, forced; ok is false when there is none.
func (r *record) get(ev *evaluation, name string) (v Value, ok bool, err error) {
	i := r.shape.find(name)
	if i < 0 {
		return nil, false, nil
	}
	v, err = force(ev, r.values[i])
	return v, true, err
}

// table is a table. Its contents belong to the relational half of this package; the language needs no more than this of it.
type table interface {
	Value
	tableType() *typeValue                                                    // always of kind table, with fields for the columns
	withType(typ *typeValue) table                                            // the same rows under a type with as many columns
	meta() *record                                                            // nil is none
	withMeta(meta *record) table                                              // the same table with metadata
	rows(ev *evaluation) (rows, error)                                        // begins an enumeration
	selectColumns(ev *evaluation, names []string, orNull bool) (table, error) // t[[A], [B]]; orNull: missing ones are null
	concat(ev *evaluation, other table) (table, error)                        // t & other
}

// rows enumerates the rows of a table.
type rows interface {
	// next returns the next row's cells in the order of the columns; a cell may be a thunk, and a cell error is a thunk that fails.
	// The slice belongs to the caller. ok is false at the end.
	next(ev *evaluation) (cells []Value, ok bool, err error)
	close()
}

// function is a function value: native, or a closure over the scope it was made in.
type function struct {
	name      string // of a library function its full name, else empty
	typ       *typeValue
	native    func(ev *evaluation, args []Value) (Value, error)
	annotated bool // native: takes values with their annotation
	contents  bool // native: takes *contents
	nullFirst bool // native: null for a null in the first argument
	closure   *closure
	env       *scope // what the closure sees around it
	meta      *record
}

// closure is what all functions made by one expression share: its syntax, so that a plan can look inside, and its code.
type closure struct {
	syntax *syntax.Function
	names  []string // the parameters
	body   code
	weight int
	in     string // the query that it stands in
}

func (*function) kind() kind { return kindFunction }

// lookup returns what a free name of a closure's body means, as it stands (perhaps a thunk). The function's own
// parameters, and lets inside its body, are the caller's affair.
func (f *function) lookup(ev *evaluation, name string) (Value, bool) { return f.env.lookup(ev, name) }

// scope holds variables: the parameters of a call, the bindings of a let or the fields of a record expression.
type scope struct {
	parent *scope
	names  []string
	values []Value // may be thunks
}
