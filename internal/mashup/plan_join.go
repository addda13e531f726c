package mashup

import (
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
	var built *hashed
	build := func(ev *evaluation) (err error) {
		if built == nil {
			built, err = hashRows(ev, s.in[1], op.right)
		}
		return err
	}
	nested := func(held [][]Value) Value { return memoryTable("Table.NestedJoin", s.in[1].cols, held) }
	left, err := s.in[0].open(ev)
	if err != nil {
		return nil, err
	}
	var rest [][]Value
	leftDone := false
	width := len(s.in[0].cols)
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			if err := build(ev); err != nil {
				return nil, false, err
			}
			for !leftDone {
				cells, ok, err := left.next(ev)
				if err != nil {
					return nil, false, err
				}
				if !ok {
					leftDone = true
					if op.kind == joinRightOuter || op.kind == joinFullOuter || op.kind == joinRightAnti {
						rest = built.unmatched()
					}
					break
				}
				key, err := rowKey(ev, cells, op.left, nil)
				if err != nil {
					return nil, false, err
				}
				matches := built.match(key)
				if keepsLeft(op.kind, len(matches) > 0) {
					return append(slices.Clip(cells), nested(matches)), true, nil
				}
			}
			if len(rest) == 0 {
				return nil, false, nil
			}
			row := make([]Value, width+1)
			for i := range width {
				row[i] = null
			}
			row[width] = nested(rest[:1])
			rest = rest[1:]
			return row, true, nil
		},
		stop: left.close,
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
	var built *hashed
	var pending [][]Value
	done := false
	return &rowStream{
		pull: func(ev *evaluation) ([]Value, bool, error) {
			if built == nil {
				if built, err = hashRows(ev, s.in[1], op.right); err != nil {
					return nil, false, err
				}
			}
			for len(pending) == 0 && !done {
				cells, ok, err := left.next(ev)
				if err != nil {
					return nil, false, err
				}
				if !ok {
					done = true
					switch op.kind {
					case joinRightOuter, joinFullOuter, joinRightAnti:
						for _, right := range built.unmatched() {
							pending = append(pending, row(nil, right))
						}
					case joinRightSemi:
						for _, right := range built.matched() {
							pending = append(pending, row(nil, right))
						}
					}
					break
				}
				key, err := rowKey(ev, cells, op.left, nil)
				if err != nil {
					return nil, false, err
				}
				matches := built.match(key)
				switch {
				case op.kind == joinRightSemi || op.kind == joinRightAnti:
				case op.kind == joinLeftSemi || op.kind == joinLeftAnti:
					if keepsLeft(op.kind, len(matches) > 0) {
						pending = append(pending, row(cells, nil))
					}
				case len(matches) == 0 && (op.kind == joinLeftOuter || op.kind == joinFullOuter):
					pending = append(pending, row(cells, nil))
				default:
					for _, right := range matches {
						pending = append(pending, row(cells, right))
					}
				}
			}
			if len(pending) == 0 {
				return nil, false, nil
			}
			next := pending[0]
			pending = pending[1:]
			return next, true, nil
		},
		stop: left.close,
	}, nil
}

// hashed is the right side of a join by its keys.
type hashed struct {
	groups map[string]*matches
	rows   []hashedRow
}

type matches struct {
	rows [][]Value
	used bool
}

type hashedRow struct {
	cells []Value
	of    *matches
}

func hashRows(ev *evaluation, s *step, keys []int) (*hashed, error) {
	held, err := readAll(ev, s)
	if err != nil {
		return nil, err
	}
	h := &hashed{groups: map[string]*matches{}}
	for _, cells := range held {
		key, err := rowKey(ev, cells, keys, nil)
		if err != nil {
			return nil, err
		}
		group, ok := h.groups[key]
		if !ok {
			group = &matches{}
			h.groups[key] = group
		}
		group.rows = append(group.rows, cells)
		h.rows = append(h.rows, hashedRow{cells, group})
	}
	return h, nil
}

func (h *hashed) match(key string) [][]Value {
	if group, ok := h.groups[key]; ok {
		group.used = true
		return group.rows
	}
	return nil
}

func (h *hashed) unmatched() [][]Value { return h.where(false) }
func (h *hashed) matched() [][]Value   { return h.where(true) }

func (h *hashed) where(used bool) [][]Value {
	var found [][]Value
	for _, row := range h.rows {
		if row.of.used == used {
			found = append(found, row.cells)
		}
	}
	return found
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

func (op group) begin(ev *evaluation, s *step) (rows, error) {
	in := s.in[0]
	return afterAll(func(ev *evaluation) ([][]Value, error) {
		held, err := readAll(ev, in)
		if err != nil {
			return nil, err
		}
		type bucket struct {
			key  []Value
			rows [][]Value
		}
		byKey := map[string]*bucket{}
		var buckets []*bucket
		last := ""
		for i, cells := range held {
			id, err := rowKey(ev, cells, op.keys, op.compare)
			if err != nil {
				return nil, err
			}
			b, ok := byKey[id]
			if !ok || op.local && (i == 0 || id != last) {
				b = &bucket{}
				for _, key := range op.keys {
					b.key = append(b.key, cells[key])
				}
				byKey[id] = b
				buckets = append(buckets, b)
			}
			last = id
			b.rows = append(b.rows, cells)
		}
		grouped := make([][]Value, len(buckets))
		for i, b := range buckets {
			of := memoryTable("Table.Group", in.cols, b.rows)
			cells := slices.Clone(b.key)
			for _, aggregate := range op.aggregates {
				cells = append(cells, lazy(func(ev *evaluation) (Value, error) { return applyForced(ev, aggregate.compute, of) }))
			}
			grouped[i] = cells
		}
		return grouped, nil
	}), nil
}

// rowKey is a text that is equal for rows whose keys are equal (null equals null); keys nil takes all cells.
func rowKey(ev *evaluation, cells []Value, keys []int, compare *function) (string, error) {
	if keys == nil {
		keys = upTo(len(cells))
	}
	var b strings.Builder
	for _, key := range keys {
		v, err := force(ev, cells[key])
		if err != nil {
			return "", err
		}
		if compare != nil {
			if v, err = comparable(compare, v); err != nil {
				return "", err
			}
		}
		if err := writeKey(ev, &b, v); err != nil {
			return "", err
		}
	}
	return b.String(), nil
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
