package mashup

import (
	enc "encoding/binary"
	"errors"
	"math"

	"github.com/cockroachdb/apd/v3"

	"freshet.dev/internal/mashup/syntax"
)

// rowCodec writes rows as bytes, for the disk, and reads them back exactly. A cell that is not computed yet is computed to be written;
// an error in it stays the cell's. What cannot be written (functions, types, tables, lists without an end) stays in memory, counted, and
// the bytes name its place.
type rowCodec struct {
	claim  *claim // of what stays in memory
	kept   []Value
	keptAt map[Value]int // of functions, types and tables, which are the same in many rows
	shapes []*shape
	shape  map[string]int // by the names
	names  []byte
}

func newRowCodec(ev *evaluation, by holder) *rowCodec {
	return &rowCodec{claim: ev.claim(by), keptAt: map[Value]int{}, shape: map[string]int{}}
}

// The tags of values.
const (
	tagNull byte = iota
	tagFalse
	tagTrue
	tagInt
	tagFloat
	tagDecimal
	tagText
	tagBinary
	tagDate
	tagTime
	tagDateTime
	tagDateTimeZone
	tagDuration
	tagList
	tagRecord
	tagAnnotated
	tagError
	tagKept
	tagNone // no value at all, where one is optional
)

const (
	writtenDepth = 8       // lists and records within each other: a record may hold itself
	writtenItems = 1 << 12 // of a list that is not read to its end
	writtenSize  = 1 << 20 // bytes of a cell that is a list or a record
)

// write appends a row.
func (c *rowCodec) write(ev *evaluation, b []byte, cells []Value) ([]byte, error) {
	b = enc.AppendUvarint(b, uint64(len(cells)))
	for _, cell := range cells {
		start := len(b)
		made, ok, err := c.value(ev, b, cell, 0, start+writtenSize)
		if err != nil {
			return nil, err
		}
		if b = made; !ok {
			if b, err = c.keep(b[:start], cell); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// value appends a value; ok is false when it grows beyond most bytes within a list or a record.
func (c *rowCodec) value(ev *evaluation, b []byte, v Value, depth, most int) (_ []byte, ok bool, err error) {
	if depth > 0 && len(b) > most {
		return b, false, nil
	}
	switch v := v.(type) {
	case nil:
		return append(b, tagNone), true, nil
	case nullKind:
		return append(b, tagNull), true, nil
	case logical:
		if v {
			return append(b, tagTrue), true, nil
		}
		return append(b, tagFalse), true, nil
	case number:
		return appendNumber(b, v), true, nil
	case text:
		return appendString(append(b, tagText), string(v)), true, nil
	case binary:
		return appendString(append(b, tagBinary), string(v)), true, nil
	case date:
		return enc.AppendVarint(append(b, tagDate), int64(v)), true, nil
	case timeOfDay:
		return enc.AppendVarint(append(b, tagTime), int64(v)), true, nil
	case datetime:
		return enc.AppendVarint(append(b, tagDateTime), int64(v)), true, nil
	case duration:
		return enc.AppendVarint(append(b, tagDuration), int64(v)), true, nil
	case datetimezone:
		return enc.AppendVarint(enc.AppendVarint(append(b, tagDateTimeZone), v.local), int64(v.offset)), true, nil
	case annotated:
		return c.values(ev, append(b, tagAnnotated), depth, most, optional(v.meta), optionalType(v.typ), v.Value)
	case *thunk:
		return c.thunk(ev, b, v, depth, most)
	case *list:
		return c.list(ev, b, v, depth, most)
	case *record:
		if depth == writtenDepth {
			break
		}
		at, err := c.shapeOf(v.shape)
		if err != nil {
			return b, false, err
		}
		b = enc.AppendUvarint(append(b, tagRecord), uint64(at))
		if b, ok, err = c.values(ev, b, depth, most, optional(v.meta), optionalType(v.typ)); !ok || err != nil {
			return b, ok, err
		}
		return c.values(ev, b, depth, most, v.values...)
	}
	b, err = c.keep(b, v)
	return b, true, err
}

func (c *rowCodec) values(ev *evaluation, b []byte, depth, most int, values ...Value) (_ []byte, ok bool, err error) {
	for _, v := range values {
		if b, ok, err = c.value(ev, b, v, depth+1, most); !ok || err != nil {
			return b, ok, err
		}
	}
	return b, true, nil
}

// optional and optionalType are nil pointers as no value.
func optional(r *record) Value {
	if r == nil {
		return nil
	}
	return r
}

func optionalType(t *typeValue) Value {
	if t == nil {
		return nil
	}
	return t
}

func (c *rowCodec) thunk(ev *evaluation, b []byte, t *thunk, depth, most int) (_ []byte, ok bool, err error) {
	v, err := t.force(ev)
	if err == nil {
		return c.value(ev, b, v, depth, most)
	}
	if ev.ctx.Err() != nil {
		return b, false, err
	}
	// An error that is not the language's passes by itself or not at all: whoever asks for the cell tries again.
	if f, ok := err.(*failure); ok && f.cause == nil {
		b = append(b, tagError)
		for _, s := range []string{f.reason, f.message, f.format, f.in, f.hint} {
			b = appendString(b, s)
		}
		b = enc.AppendVarint(enc.AppendVarint(b, int64(f.at.Line)), int64(f.at.Column))
		return c.values(ev, b, depth, most, f.detail, f.params, f.code)
	}
	b, err = c.keep(b, t)
	return b, true, err
}

func (c *rowCodec) list(ev *evaluation, b []byte, l *list, depth, most int) (_ []byte, ok bool, err error) {
	for i := len(l.items); depth < writtenDepth && l.next != nil && l.err == nil && i <= writtenItems; i++ {
		if _, _, err := l.rawAt(ev, i); err != nil {
			if ev.ctx.Err() != nil {
				return b, false, err
			}
			break
		}
	}
	if depth == writtenDepth || l.next != nil || l.err != nil {
		b, err = c.keep(b, l)
		return b, true, err
	}
	b = enc.AppendUvarint(append(b, tagList), uint64(len(l.items)))
	if b, ok, err = c.values(ev, b, depth, most, optional(l.meta), optionalType(l.typ)); !ok || err != nil {
		return b, ok, err
	}
	return c.values(ev, b, depth, most, l.items...)
}

// keep leaves a value in memory.
func (c *rowCodec) keep(b []byte, v Value) ([]byte, error) {
	shared := false
	switch v.(type) {
	case *function, *typeValue, *relational:
		shared = true
	}
	at, found := 0, false
	if shared {
		at, found = c.keptAt[v]
	}
	if !found {
		if err := c.claim.grow(64 + sizeOf(v)); err != nil {
			return nil, err
		}
		at = len(c.kept)
		c.kept = append(c.kept, v)
		if shared {
			c.keptAt[v] = at
		}
	}
	return enc.AppendUvarint(append(b, tagKept), uint64(at)), nil
}

func (c *rowCodec) shapeOf(s *shape) (int, error) {
	c.names = c.names[:0]
	for _, name := range s.names {
		c.names = appendString(c.names, name)
	}
	if at, ok := c.shape[string(c.names)]; ok {
		return at, nil
	}
	if err := c.claim.grow(int64(128 + 2*len(c.names))); err != nil {
		return 0, err
	}
	at := len(c.shapes)
	c.shapes = append(c.shapes, s)
	c.shape[string(c.names)] = at
	return at, nil
}

func appendString(b []byte, s string) []byte {
	return append(enc.AppendUvarint(b, uint64(len(s))), s...)
}

func appendNumber(b []byte, n number) []byte {
	switch n.rep {
	case repInt:
		return enc.AppendVarint(append(b, tagInt), n.bits)
	case repFloat:
		return enc.LittleEndian.AppendUint64(append(b, tagFloat), uint64(n.bits))
	}
	form := byte(n.dec.Form) << 1
	if n.dec.Negative {
		form |= 1
	}
	b = enc.AppendVarint(append(b, tagDecimal, form), int64(n.dec.Exponent))
	return appendString(b, string(n.dec.Coeff.Bytes()))
}

// errBroken is what reading bytes gives that write has not written.
var errBroken = errors.New("the bytes are no row")

// read reads a row from its beginning.
func (c *rowCodec) read(row []byte) ([]Value, error) {
	// One string for the row: its texts are pieces of it.
	r := rowBytes{codec: c, rest: string(row)}
	cells := make([]Value, r.count())
	for i := range cells {
		cells[i] = r.value()
	}
	if r.broken || r.rest != "" {
		return nil, readFailed(errBroken)
	}
	return cells, nil
}

// rowBytes is a row that is read. Once broken, everything is empty.
type rowBytes struct {
	codec  *rowCodec
	rest   string
	broken bool
	depth  int
}

func (r *rowBytes) fail() {
	r.broken, r.rest = true, ""
}

func (r *rowBytes) take(n int) string {
	if n < 0 || n > len(r.rest) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *rowBytes) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return tagNull
}

func (r *rowBytes) uint() uint64 {
	u, shift := uint64(0), 0
	for i := 0; i < len(r.rest) && i < enc.MaxVarintLen64; i++ {
		b := r.rest[i]
		u |= uint64(b&0x7f) << shift
		if shift += 7; b < 0x80 {
			r.rest = r.rest[i+1:]
			return u
		}
	}
	r.fail()
	return 0
}

func (r *rowBytes) int() int64 {
	u := r.uint()
	return int64(u>>1) ^ -int64(u&1)
}

// count is a number of things that take a byte or more each.
func (r *rowBytes) count() int {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *rowBytes) string() string { return r.take(r.count()) }

func (r *rowBytes) index(of int) int {
	at := r.uint()
	if at >= uint64(of) {
		r.fail()
		return -1
	}
	return int(at)
}

func (r *rowBytes) values(n int) []Value {
	values := make([]Value, n)
	for i := range values {
		values[i] = r.value()
	}
	return values
}

func (r *rowBytes) record() *record {
	v, _ := r.value().(*record)
	return v
}

func (r *rowBytes) typ() *typeValue {
	v, _ := r.value().(*typeValue)
	return v
}

func (r *rowBytes) value() Value {
	if r.depth++; r.depth > 2*writtenDepth+2 { // an error, and metadata, count as a level each
		r.fail()
	}
	defer func() { r.depth-- }()
	switch tag := r.byte(); tag {
	case tagNull:
		return null
	case tagFalse, tagTrue:
		return logical(tag == tagTrue)
	case tagInt:
		return intNumber(r.int())
	case tagFloat:
		if s := r.take(8); s != "" {
			return floatNumber(math.Float64frombits(enc.LittleEndian.Uint64([]byte(s))))
		}
		return null
	case tagDecimal:
		form := r.byte()
		exponent := r.int()
		d := &apd.Decimal{Form: apd.Form(form >> 1), Negative: form&1 == 1, Exponent: int32(exponent)}
		d.Coeff.SetBytes([]byte(r.string()))
		return decNumber(d)
	case tagText:
		return text(r.string())
	case tagBinary:
		return binary(r.string())
	case tagDate:
		return date(r.int())
	case tagTime:
		return timeOfDay(r.int())
	case tagDateTime:
		return datetime(r.int())
	case tagDuration:
		return duration(r.int())
	case tagDateTimeZone:
		local := r.int()
		return datetimezone{local: local, offset: int16(r.int())}
	case tagAnnotated:
		a := annotated{meta: r.record(), typ: r.typ()}
		a.Value = r.value()
		return a
	case tagList:
		n := r.count()
		l := &list{meta: r.record(), typ: r.typ()}
		l.items = r.values(n)
		return l
	case tagRecord:
		at := r.index(len(r.codec.shapes))
		if at < 0 {
			return null
		}
		made := &record{shape: r.codec.shapes[at], meta: r.record(), typ: r.typ()}
		made.values = r.values(len(made.shape.names))
		return made
	case tagError:
		f := &failure{reason: r.string(), message: r.string(), format: r.string(), in: r.string(), hint: r.string()}
		f.at = syntax.Pos{Line: int(r.int()), Column: int(r.int())}
		f.detail, f.params, f.code = r.value(), r.value(), r.value()
		return failed(f)
	case tagKept:
		if at := r.index(len(r.codec.kept)); at >= 0 {
			return r.codec.kept[at]
		}
		return null
	case tagNone:
		return nil
	}
	r.fail()
	return null
}
