package mashup

import (
	"bytes"
	enc "encoding/binary"
	"slices"
	"strings"
)

// joinKind is M's JoinKind.Type.
type joinKind int

const (
	joinInner joinKind = iota
	joinLeftOuter
	joinRightOuter
	joinFullOuter
	joinLeftAnti
	joinRightAnti
	joinLeftSemi
	joinRightSemi
)

// nestedJoin is Table.NestedJoin: each left row with the table of its right rows.
type nestedJoin struct {
	left, right []int
	kind        joinKind
}

func (op nestedJoin) begin(ev *evaluation, s *step) (rows, error) {
	left, err := s.in[0].open(ev)
	if err != nil {
		return nil, err
	}
	var pairs pairs
	var rest rows
	width := len(s.in[0].cols)
	return &rowStream{
		pull: func(ev *evaluation) (_ []Value, ok bool, err error) {
			if pairs == nil {
				if pairs, err = pair(ev, s, left, op.left, op.right, op.kind); err != nil {
					return nil, false, err
				}
			}
			for rest == nil {
				cells, found, ok, err := pairs.next(ev)
				if err != nil {
					return nil, false, err
				}
				if ok && keepsLeft(op.kind, found.some()) {
					return append(slices.Clip(cells), found.table(s.in[1].cols)), true, nil
				}
				if ok {
					continue
				}
				if rest = allRows(nil); op.kind == joinRightOuter || op.kind == joinFullOuter || op.kind == joinRightAnti {
					if rest, err = pairs.rest(ev, false); err != nil {
						return nil, false, err
					}
				}
			}
			cells, ok, err := rest.next(ev)
			if !ok || err != nil {
				return nil, false, err
			}
			row := make([]Value, width+1)
			for i := range width {
				row[i] = null
			}
			row[width] = memoryTable("Table.NestedJoin", s.in[1].cols, [][]Value{cells}, nil)
			return row, true, nil
		},
		stop: func() {
			left.close()
			if rest != nil {
				rest.close()
			}
			if pairs != nil {
				pairs.close(false)
			}
		},
	}, nil
}

func (nestedJoin) fold(*folding, *step, []*query) (*query, error) {
	return nil, refuse("a column of tables has no form in SQL until it is expanded")
}

// keepsLeft tells whether a left row appears, given that it has right rows or not.
func keepsLeft(kind joinKind, matched bool) bool {
	switch kind {
	case joinLeftOuter, joinFullOuter:
		return true
	case joinInner, joinRightOuter, joinLeftSemi, joinRightSemi:
		return matched
	case joinLeftAnti:
		return !matched
	}
	return false
}

// join is Table.Join, and Table.NestedJoin expanded: rows of the left columns and picked right ones.
type join struct {
	left, right []int
	kind        joinKind
	pick        []int // of the right columns
}

func (op join) begin(ev *evaluation, s *step) (rows, error) {
	left, err := s.in[0].open(ev)
	if err != nil {
		return nil, err
	}
	width := len(s.in[0].cols)
	row := func(left, right []Value) []Value {
		cells := make([]Value, width+len(op.pick))
		for i := range width {
			cells[i] = null
			if left != nil {
				cells[i] = left[i]
			}
		}
		for i, from := range op.pick {
			cells[width+i] = null
			if right != nil {
				cells[width+i] = right[from]
			}
		}
		return cells
	}
	var pairs pairs
	var around []Value // the left row whose right rows are inner
	var inner, rest rows
	return &rowStream{
		pull: func(ev *evaluation) (_ []Value, ok bool, err error) {
			if pairs == nil {
				if pairs, err = pair(ev, s, left, op.left, op.right, op.kind); err != nil {
					return nil, false, err
				}
			}
			for rest == nil {
				if inner != nil {
					cells, ok, err := inner.next(ev)
					if err != nil {
						return nil, false, err
					}
					if ok {
						return row(around, cells), true, nil
					}
					inner = nil
				}
				cells, found, ok, err := pairs.next(ev)
				if err != nil {
					return nil, false, err
				}
				switch {
				case !ok:
					rest = allRows(nil)
					switch op.kind {
					case joinRightOuter, joinFullOuter, joinRightAnti:
						rest, err = pairs.rest(ev, false)
					case joinRightSemi:
						rest, err = pairs.rest(ev, true)
					}
					if err != nil {
						return nil, false, err
					}
				case op.kind == joinRightSemi || op.kind == joinRightAnti:
				case op.kind == joinLeftSemi || op.kind == joinLeftAnti || !found.some():
					if keepsLeft(op.kind, found.some()) {
						return row(cells, nil), true, nil
					}
				default:
					around, inner = cells, found.rows()
				}
			}
			cells, ok, err := rest.next(ev)
			if !ok || err != nil {
				return nil, false, err
			}
			return row(nil, cells), true, nil
		},
		stop: func() {
			left.close()
			if rest != nil {
				rest.close()
			}
			if pairs != nil {
				pairs.close(true)
			}
		},
	}, nil
}

// pairs are the left rows of a join in their order, each with its right rows in theirs.
type pairs interface {
	next(ev *evaluation) (cells []Value, found matches, ok bool, err error)
	// rest is the right rows that some left row has found, or those that none has, in their order. It is asked for at the end.
	rest(ev *evaluation, used bool) (rows, error)
	// close gives back what is held; when the right rows are not done, their tables keep them.
	close(done bool)
}

// matches are the right rows of a left row: held, or a piece of a file.
type matches struct {
	held  [][]Value
	claim *claim
	piece piece
}

func (m matches) some() bool { return len(m.held) > 0 || m.piece.to > m.piece.from }

func (m matches) rows() rows {
	if m.piece.of != nil {
		return m.piece.rows()
	}
	return allRows(m.held)
}

func (m matches) table(cols []fieldType) Value {
	if m.piece.of != nil {
		return newTable(&step{name: "Table.NestedJoin", cols: cols, op: m.piece})
	}
	return memoryTable("Table.NestedJoin", cols, m.held, m.claim)
}

// pair reads the right side of a join and finds out how the left one is matched with it.
func pair(ev *evaluation, s *step, left rows, leftKeys, rightKeys []int, kind joinKind) (pairs, error) {
	right, err := gather(ev, s.in[1], s.holder(), func(ev *evaluation, cells []Value) ([]byte, error) {
		return rowKey(ev, nil, cells, rightKeys, nil)
	})
	if err != nil {
		return nil, err
	}
	if right.writing {
		return mergeSides(ev, s, left, right, leftKeys, kind)
	}
	p := &hashed{left: left, keys: leftKeys, right: right, groups: map[string]*hashedGroup{}}
	for i, row := range right.held {
		group, ok := p.groups[string(row.key)]
		if !ok {
			group = &hashedGroup{}
			p.groups[string(row.key)] = group
		}
		group.rows = append(group.rows, row.cells)
		right.held[i].key = nil
		p.of = append(p.of, group)
	}
	return p, nil
}

// hashed is pairs whose right rows are held by their keys.
type hashed struct {
	left   rows
	keys   []int
	right  *sorter
	groups map[string]*hashedGroup
	of     []*hashedGroup // each right row's
}

type hashedGroup struct {
	rows [][]Value
	used bool
}

func (p *hashed) next(ev *evaluation) ([]Value, matches, bool, error) {
	cells, ok, err := p.left.next(ev)
	if !ok || err != nil {
		return nil, matches{}, false, err
	}
	key, err := rowKey(ev, nil, cells, p.keys, nil)
	if err != nil {
		return nil, matches{}, false, err
	}
	group, ok := p.groups[string(key)]
	if !ok {
		return cells, matches{}, true, nil
	}
	group.used = true
	return cells, matches{held: group.rows, claim: p.right.holding}, true, nil
}

func (p *hashed) rest(_ *evaluation, used bool) (rows, error) {
	var found [][]Value
	for i, group := range p.of {
		if group.used == used {
			found = append(found, p.right.held[i].cells)
		}
	}
	return allRows(found), nil
}

func (p *hashed) close(done bool) {
	if done {
		p.right.close()
	}
}

// mergedSides is pairs of two sides that were sorted by their keys on the disk.
type mergedSides struct {
	lefts   *sorter // by their places: where their right rows are, and the row
	reading *merged
	right   *rowFile
	rests   *sorter // right rows that are asked for at the end, by their places
	ended   error   // of the left side, after its rows
}

// mergeSides brings together the left and the right rows of each key, then the left ones back into their order.
func mergeSides(ev *evaluation, s *step, left rows, right *sorter, leftKeys []int, kind joinKind) (pairs, error) {
	defer right.close()
	byKey := newSorter(ev, s.holder())
	defer byKey.close()
	ended, err := byKey.writeAll(ev, left, func(ev *evaluation, cells []Value) ([]byte, error) {
		return rowKey(ev, nil, cells, leftKeys, nil)
	})
	if err != nil {
		return nil, err
	}
	file, err := newRowFile(ev, right.codec)
	if err != nil {
		return nil, err
	}
	p := &mergedSides{lefts: newSorterOf(ev, byKey.codec, s.holder()), right: file, rests: newSorterOf(ev, right.codec, s.holder()), ended: ended}
	if err = p.merge(ev, byKey, right, kind); err == nil {
		p.reading, err = p.lefts.sorted(ev)
	}
	if err != nil {
		p.close(true)
		return nil, err
	}
	return p, nil
}

func (p *mergedSides) merge(ev *evaluation, left, right *sorter, kind joinKind) error {
	l, err := left.sorted(ev)
	if err != nil {
		return err
	}
	defer l.close()
	r, err := right.sorted(ev)
	if err != nil {
		return err
	}
	defer r.close()
	moreLeft, err := l.next()
	if err != nil {
		return err
	}
	moreRight, err := r.next()
	for err == nil && (moreLeft || moreRight) {
		if err := ev.poll(); err != nil {
			return err
		}
		order := 0
		switch {
		case !moreLeft:
			order = 1
		case !moreRight:
			order = -1
		default:
			order = bytes.Compare(l.key, r.key)
		}
		key := slices.Clone(l.key)
		from := p.right.at()
		if order > 0 {
			key = slices.Clone(r.key)
		}
		for order >= 0 && moreRight && bytes.Equal(r.key, key) {
			if order == 0 {
				if err := p.right.add(r.row); err != nil {
					return err
				}
			}
			if order == 0 && kind == joinRightSemi || order > 0 && (kind == joinRightOuter || kind == joinFullOuter || kind == joinRightAnti) {
				if err := p.rests.addWritten(placeKey(r.place), r.row); err != nil {
					return err
				}
			}
			if moreRight, err = r.next(); err != nil {
				return err
			}
		}
		where := pieceBytes(from, p.right.at())
		for order <= 0 && moreLeft && bytes.Equal(l.key, key) {
			if keepsLeft(kind, order == 0) {
				if err := p.lefts.addWritten(placeKey(l.place), where, l.row); err != nil {
					return err
				}
			}
			if moreLeft, err = l.next(); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return err
	}
	return p.right.flush()
}

func placeKey(place uint64) []byte { return enc.BigEndian.AppendUint64(nil, place) }

// pieceBytes are the ends of a piece, as they stand before a row.
func pieceBytes(from, to int64) []byte {
	return enc.BigEndian.AppendUint64(placeKey(uint64(from)), uint64(to))
}

const pieceLen = 16

func (f *rowFile) piece(ends []byte) piece {
	return piece{of: f, from: int64(enc.BigEndian.Uint64(ends)), to: int64(enc.BigEndian.Uint64(ends[8:]))}
}

func (p *mergedSides) next(*evaluation) ([]Value, matches, bool, error) {
	ok, err := p.reading.next()
	if !ok && err == nil {
		err = p.ended
	}
	if !ok || err != nil {
		return nil, matches{}, false, err
	}
	cells, err := p.lefts.codec.read(p.reading.row[pieceLen:])
	return cells, matches{piece: p.right.piece(p.reading.row)}, err == nil, err
}

func (p *mergedSides) rest(ev *evaluation, _ bool) (rows, error) {
	return writtenInOrder(ev, p.rests, nil)
}

func (p *mergedSides) close(done bool) {
	if p.reading != nil {
		p.reading.close()
	}
	p.lefts.close()
	p.rests.close()
	if done {
		_ = p.right.file.close() // nothing of it is needed
	}
}

// group is Table.Group.
type group struct {
	keys       []int
	aggregates []aggregate
	local      bool
	compare    *function
}

type aggregate struct {
	name    string
	compute *function
	typ     *typeValue
}

func (op group) begin(_ *evaluation, s *step) (rows, error) {
	return afterAll(func(ev *evaluation) (rows, error) {
		number, last := uint64(0), []byte(nil)
		sorter, err := gather(ev, s.in[0], s.holder(), func(ev *evaluation, cells []Value) ([]byte, error) {
			key, err := rowKey(ev, nil, cells, op.keys, op.compare)
			if err != nil || !op.local {
				return key, err
			}
			// The groups of neighbours are told apart by their number.
			if last == nil || !bytes.Equal(key, last) {
				number++
			}
			last = key
			return placeKey(number), nil
		})
		if err != nil {
			return nil, err
		}
		if sorter.writing {
			return op.written(ev, s, sorter)
		}
		byKey := map[string]int{}
		var groups [][][]Value
		for _, row := range sorter.held {
			at, ok := byKey[string(row.key)]
			if !ok {
				at = len(groups)
				byKey[string(row.key)] = at
				groups = append(groups, nil)
			}
			groups[at] = append(groups[at], row.cells)
		}
		sorter.held = nil // the tables of the groups keep the claim
		at := 0
		return &rowStream{pull: func(*evaluation) ([]Value, bool, error) {
			if at == len(groups) {
				return nil, false, nil
			}
			held := groups[at]
			groups[at] = nil
			at++
			return op.row(held[0], memoryTable("Table.Group", s.in[0].cols, held, sorter.holding)), true, nil
		}}, nil
	}), nil
}

// row is the row of a group: its keys, which its first row has, and what is computed of its table.
func (op group) row(first []Value, of *relational) []Value {
	cells := make([]Value, 0, len(op.keys)+len(op.aggregates))
	for _, key := range op.keys {
		cells = append(cells, first[key])
	}
	for _, aggregate := range op.aggregates {
		cells = append(cells, lazy(func(ev *evaluation) (Value, error) { return applyForced(ev, aggregate.compute, of) }))
	}
	return cells
}

// written brings together the rows of each group in a file, and gives the groups in the order of their first rows.
func (op group) written(ev *evaluation, s *step, sorter *sorter) (rows, error) {
	defer sorter.close()
	m, err := sorter.sorted(ev)
	if err != nil {
		return nil, err
	}
	defer m.close()
	file, err := newRowFile(ev, sorter.codec)
	if err != nil {
		return nil, err
	}
	groups := newSorterOf(ev, sorter.codec, s.holder())
	more, err := m.next()
	for more && err == nil {
		key, place, from := slices.Clone(m.key), m.place, file.at()
		for more && err == nil && bytes.Equal(m.key, key) {
			if err = file.add(m.row); err == nil {
				more, err = m.next()
			}
		}
		if err == nil {
			err = groups.addWritten(placeKey(place), pieceBytes(from, file.at()))
		}
		if err == nil {
			err = ev.poll()
		}
	}
	if err == nil {
		err = file.flush()
	}
	var reading *merged
	if err == nil {
		reading, err = groups.sorted(ev)
	}
	if err != nil {
		groups.close()
		return nil, err
	}
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			ok, err := reading.next()
			if !ok || err != nil {
				return nil, false, err
			}
			of := file.piece(reading.row)
			first, _, err := of.rows().next(ev)
			if err != nil {
				return nil, false, err
			}
			return op.row(first, newTable(&step{name: "Table.Group", cols: s.in[0].cols, op: of})), true, nil
		},
		stop: func() {
			reading.close()
			groups.close()
		},
	}, nil
}

// rowKey appends bytes that are equal for rows whose keys are equal (null equals null) and begin no other key; keys nil takes all cells.
func rowKey(ev *evaluation, b []byte, cells []Value, keys []int, compare *function) ([]byte, error) {
	if keys == nil {
		keys = upTo(len(cells))
	}
	for _, key := range keys {
		v, err := force(ev, cells[key])
		if err != nil {
			return nil, err
		}
		if compare != nil {
			if v, err = comparable(compare, v); err != nil {
				return nil, err
			}
		}
		if b, err = appendKey(ev, b, v); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// comparable brings a value to the form in which a comparer that tells equality apart by case only compares it.
func comparable(compare *function, v Value) (Value, error) {
	switch compare.name {
	case "Comparer.OrdinalIgnoreCase":
		if s, ok := v.(text); ok {
			return text(strings.ToLower(strings.ToUpper(string(s)))), nil
		}
		return v, nil
	case "Comparer.Ordinal":
		return v, nil
	}
	return nil, fail("Only Comparer.Ordinal and Comparer.OrdinalIgnoreCase can tell rows apart here.")
}
