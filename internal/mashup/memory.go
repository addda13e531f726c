package mashup

import (
	"fmt"
	"runtime"
	"weak"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup/syntax"
)

// Invalid: a step would hold more rows or items in memory than its partition may, and cannot leave them on the disk.
// Do: make the step fold, filter rows or choose columns before it, do its work in the source, or give the capacity more memory.
const codeMemory = "MemoryLimit"

const (
	defaultMemory = 64 << 20 // of an evaluation whose Env names none
	largestShare  = 32 << 20 // what one step holds before it goes to the disk, however much there is: larger runs sort no faster
	unclaimed     = 4 << 10  // what a holder may hold without a claim: there may be millions of small ones
	countedItems  = 256      // items of a list that are not counted, for the same reason
)

// account counts, in estimated bytes of Go, what the rows and lists of one evaluation hold in memory. Holders claim what they hold and
// give it back when they are done. One whose end nobody sees (a list, a table in a cell) gives its claim back by being forgotten: when
// the account is full it looks which claims the garbage collector has found dead.
type account struct {
	limit, used int64
	more        func(bytes int64) bool
	claims      []standing
	pruneAt     int
}

// standing is a claim as the account remembers it, without keeping it alive.
type standing struct {
	of    weak.Pointer[claim]
	bytes *int64
}

func newAccount(env *Env) *account {
	a := &account{limit: env.Memory, more: env.MoreMemory, pruneAt: 1024}
	if a.limit <= 0 {
		a.limit = defaultMemory
	}
	return a
}

// share is what one step may hold before it leaves its rows on the disk: several work at the same time.
func (a *account) share() int64 { return min(a.limit/4, largestShare) }

// site is a place in the text of a query at which a function is called.
type site struct {
	name string // of the function; empty where it has none
	in   string // the query
	at   syntax.Pos
}

// holder is who holds rows or items, for the error about too many.
type holder struct {
	name string // of a library function
	site *site  // nil: unknown
}

func (s *step) holder() holder { return holder{s.name, s.site} }

// claim is what one holder holds. It lives as long as what is held: whatever reaches the rows must reach it.
type claim struct {
	account *account
	by      holder
	held    int64  // bytes
	counted *int64 // by the account; nil while too little to be counted
}

func (ev *evaluation) claim(by holder) *claim { return &claim{account: ev.session.account, by: by} }

// tryGrow takes bytes if the claim stays within most and the account has them.
func (c *claim) tryGrow(bytes, most int64) bool {
	if c.held+bytes > most || c.account.used+bytes > c.account.limit {
		return false
	}
	c.take(bytes)
	return true
}

// grow takes bytes, or fails with codeMemory.
func (c *claim) grow(bytes int64) error {
	a := c.account
	if a.used+bytes > a.limit {
		a.collect()
	}
	// More is asked for in steps, so that not every row asks.
	if step := max(bytes, defaultMemory/4); a.used+bytes > a.limit && a.more != nil && a.more(step) {
		a.limit += step
	}
	if a.used+bytes > a.limit {
		return c.refused(bytes)
	}
	c.take(bytes)
	return nil
}

func (c *claim) take(bytes int64) {
	c.held += bytes
	switch {
	case c.counted != nil:
		*c.counted += bytes
		c.account.used += bytes
	case c.held > unclaimed:
		counted := c.held
		c.counted = &counted
		c.account.used += c.held
		c.account.stand(standing{weak.Make(c), c.counted})
	}
}

// release gives back what the claim holds. It may grow again.
func (c *claim) release() {
	if c.counted != nil {
		c.account.used -= *c.counted
		*c.counted = 0
	}
	c.held, c.counted = 0, nil
}

func (c *claim) refused(bytes int64) error {
	place := ""
	if of := c.by.site; of != nil {
		place = fmt.Sprintf(" ('%s', line %d, column %d)", of.in, of.at.Line, of.at.Column)
	}
	others := c.account.used - c.held
	with := ""
	if others > 0 {
		with = fmt.Sprintf(", beside the %s of other steps", mebibytes(others))
	}
	err := fault.New(fault.Invalid, codeMemory, "cannot evaluate %s%s: it would hold %s in memory%s, and an evaluation may hold %s",
		c.by.name, place, mebibytes(c.held+bytes), with, mebibytes(c.account.limit))
	return err.WithHint("Make the step fold ('freshet explain' shows where folding ends), filter rows or choose columns before it, do its work in the source, or give the capacity more memory")
}

func mebibytes(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// stand remembers a claim; those that are over are forgotten from time to time.
func (a *account) stand(s standing) {
	a.claims = append(a.claims, s)
	if len(a.claims) >= a.pruneAt {
		a.prune()
		a.pruneAt = 2*len(a.claims) + 1024
	}
}

func (a *account) prune() {
	kept := a.claims[:0]
	for _, s := range a.claims {
		if s.of.Value() == nil {
			a.used -= *s.bytes
			*s.bytes = 0
		}
		if *s.bytes > 0 {
			kept = append(kept, s)
		}
	}
	clear(a.claims[len(kept):])
	a.claims = kept
}

// collect finds out which claims are dead.
func (a *account) collect() {
	if len(a.claims) == 0 {
		return
	}
	runtime.GC()
	a.prune()
}

// sizeOf is about what a value takes in memory, beside the place of 16 bytes that points to it.
func sizeOf(v Value) int64 { return sizeWithin(v, 3) }

func sizeWithin(v Value, depth int) int64 {
	switch v := v.(type) {
	case nil, nullKind, logical:
		return 0
	case number:
		if v.rep == repDecimal {
			return 96
		}
		return 24
	case text:
		return 16 + int64(len(v))
	case binary:
		return 24 + int64(len(v))
	case date, timeOfDay, datetime, duration, datetimezone:
		return 16
	case annotated:
		return 48 + sizeWithin(v.Value, depth)
	case *thunk:
		if v.state == thunkDone {
			return 112 + sizeWithin(v.value, depth)
		}
		return 256 // with the scope or the row that it will be computed from
	case *list:
		if v.claim != nil || depth == 0 {
			return 128 // it counts its items itself
		}
		return 128 + sizeOfAll(v.items, depth-1)
	case *record:
		if depth == 0 {
			return 64
		}
		return 64 + sizeOfAll(v.values, depth-1)
	}
	return 256
}

func sizeOfAll(values []Value, depth int) int64 {
	size := int64(0)
	for _, v := range values {
		size += 16 + sizeWithin(v, depth)
	}
	return size
}

// sizeOfRow is about what a row takes in memory where it is held in a slice of rows.
func sizeOfRow(cells []Value) int64 { return 24 + sizeOfAll(cells, 3) }
