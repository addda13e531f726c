package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// PostgreSQL counts from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * 24 * 60 * 60 * 1_000_000
)

var (
	errInfinite = errors.New("the date is infinite")
	errNaN      = errors.New("the value is NaN, which a decimal cannot hold; cast it to double precision to keep it")
	errRange    = errors.New("the value is out of range")
	errShape    = errors.New("the value has not the length of its type")
	errUTF8     = errors.New("the text is not valid UTF-8; the database's encoding is SQL_ASCII, which checks nothing")
)

// column builds one column of a batch in buffers of its own: a value costs no allocation and one switch.
type column struct {
	field
	width    int // of a fixed value in bytes; 0: of variable length, or a bit
	infinite bool
	check    bool // that text is UTF-8

	mem      memory.Allocator
	rows     int
	nulls    int
	validity *memory.Buffer
	values   *memory.Buffer // fixed values, bits, or the bytes of variable ones
	offsets  *memory.Buffer
	used     int // of values, for variable ones
	guess    int // how many bytes of variable values a batch had
	digits   []byte
}

func newColumn(f field, mem memory.Allocator, infinite, check bool) *column {
	c := &column{field: f, mem: mem, infinite: infinite, check: check}
	switch f.form {
	case formInt16:
		c.width = 2
	case formInt32, formFloat32, formDate:
		c.width = 4
	case formInt64, formOID, formFloat64, formTimestamp, formTime:
		c.width = 8
	case formDecimal:
		c.width = 16
	}
	return c
}

func (c *column) variable() bool { return c.width == 0 && c.form != formBool }

// begin makes the buffers for a batch of at most rows.
func (c *column) begin(rows int) {
	c.rows, c.nulls, c.used = 0, 0, 0
	buffer := func(size int) *memory.Buffer {
		b := memory.NewResizableBuffer(c.mem)
		b.Resize(size)
		return b
	}
	c.validity = buffer((rows + 7) / 8)
	memory.Set(c.validity.Bytes(), 0xff) // nulls are fewer
	switch {
	case c.form == formBool:
		c.values = buffer((rows + 7) / 8)
		memory.Set(c.values.Bytes(), 0)
	case c.width > 0:
		c.values = buffer(rows * c.width)
	default:
		c.offsets = buffer((rows + 1) * 4)
		c.values = buffer(max(c.guess+c.guess/8, 1024))
		binary.NativeEndian.PutUint32(c.offsets.Bytes(), 0)
	}
}

// drop releases the buffers of a batch that is not finished.
func (c *column) drop() {
	for _, b := range []*memory.Buffer{c.validity, c.values, c.offsets} {
		if b != nil {
			b.Release()
		}
	}
	c.validity, c.values, c.offsets = nil, nil, nil
}

// finish returns the array and leaves the column without buffers.
func (c *column) finish() arrow.Array {
	valid := c.validity
	if c.nulls == 0 {
		valid = nil
	}
	buffers := []*memory.Buffer{valid, c.values}
	if c.variable() {
		c.guess = max(c.used, c.guess/2)
		c.values.ResizeNoShrink(c.used)
		buffers = []*memory.Buffer{valid, c.offsets, c.values}
	}
	data := array.NewData(c.arrow, c.rows, buffers, nil, c.nulls, 0)
	defer data.Release()
	made := array.MakeFromData(data)
	c.drop()
	return made
}

func (c *column) null() {
	c.nulls++
	bitutil.ClearBit(c.validity.Bytes(), c.rows)
	switch {
	case c.variable():
		binary.NativeEndian.PutUint32(c.offsets.Bytes()[(c.rows+1)*4:], uint32(c.used))
	case c.width > 0:
		// A value that nobody may look at is zero all the same: buffers are reused.
		clear(c.values.Bytes()[c.rows*c.width : (c.rows+1)*c.width])
	}
	c.rows++
}

// reserve makes room for n more bytes of variable values and returns it.
func (c *column) reserve(n int) []byte {
	if c.used+n > c.values.Len() {
		c.values.Resize(max(2*c.values.Len(), c.used+n))
	}
	return c.values.Bytes()[c.used : c.used+n]
}

func (c *column) endVariable(n int) {
	c.used += n
	binary.NativeEndian.PutUint32(c.offsets.Bytes()[(c.rows+1)*4:], uint32(c.used))
}

// append decodes a value that is not null.
func (c *column) append(b []byte) error {
	row := c.rows
	switch c.form {
	case formText, formCast, formJSONB, formBytes:
		if c.form == formJSONB {
			if len(b) == 0 || b[0] != 1 {
				return errShape
			}
			b = b[1:]
		}
		if c.check && c.form != formBytes && !utf8.Valid(b) {
			return errUTF8
		}
		copy(c.reserve(len(b)), b)
		c.endVariable(len(b))
	case formInt32:
		if len(b) != 4 {
			return errShape
		}
		binary.NativeEndian.PutUint32(c.values.Bytes()[row*4:], binary.BigEndian.Uint32(b))
	case formInt64, formFloat64:
		if len(b) != 8 {
			return errShape
		}
		binary.NativeEndian.PutUint64(c.values.Bytes()[row*8:], binary.BigEndian.Uint64(b))
	case formDecimal:
		low, high, err := decimal(b, c.scale)
		if err != nil {
			return err
		}
		to := c.values.Bytes()[row*16:]
		binary.LittleEndian.PutUint64(to, low)
		binary.LittleEndian.PutUint64(to[8:], high)
	case formTimestamp:
		if err := c.timestamp(b); err != nil {
			return err
		}
	case formDate:
		if err := c.date(b); err != nil {
			return err
		}
	case formBool:
		if len(b) != 1 {
			return errShape
		}
		if b[0] != 0 {
			bitutil.SetBit(c.values.Bytes(), row)
		}
	case formInt16:
		if len(b) != 2 {
			return errShape
		}
		binary.NativeEndian.PutUint16(c.values.Bytes()[row*2:], binary.BigEndian.Uint16(b))
	case formOID:
		if len(b) != 4 {
			return errShape
		}
		binary.NativeEndian.PutUint64(c.values.Bytes()[row*8:], uint64(binary.BigEndian.Uint32(b)))
	case formFloat32:
		if len(b) != 4 {
			return errShape
		}
		binary.NativeEndian.PutUint32(c.values.Bytes()[row*4:], binary.BigEndian.Uint32(b))
	case formTime:
		if len(b) != 8 {
			return errShape
		}
		binary.NativeEndian.PutUint64(c.values.Bytes()[row*8:], binary.BigEndian.Uint64(b))
	case formNumeric, formMoney:
		text, err := appendNumeric(c.digits[:0], b)
		if err != nil {
			return err
		}
		c.digits = text
		copy(c.reserve(len(text)), text)
		c.endVariable(len(text))
	case formUUID:
		if len(b) != 16 {
			return errShape
		}
		putUUID(c.reserve(36), b)
		c.endVariable(36)
	}
	c.rows++
	return nil
}

func (c *column) timestamp(b []byte) error {
	if len(b) != 8 {
		return errShape
	}
	micros := int64(binary.BigEndian.Uint64(b))
	switch {
	case micros == math.MaxInt64 || micros == math.MinInt64:
		if !c.infinite {
			return errInfinite
		}
		if micros == math.MinInt64 {
			micros = -math.MaxInt64 // DuckDB's -infinity
		}
	case micros > math.MaxInt64-epochMicros-1:
		return errRange
	default:
		micros += epochMicros
	}
	binary.NativeEndian.PutUint64(c.values.Bytes()[c.rows*8:], uint64(micros))
	return nil
}

func (c *column) date(b []byte) error {
	if len(b) != 4 {
		return errShape
	}
	days := int32(binary.BigEndian.Uint32(b))
	switch {
	case days == math.MaxInt32 || days == math.MinInt32:
		if !c.infinite {
			return errInfinite
		}
		if days == math.MinInt32 {
			days = -math.MaxInt32 // DuckDB's -infinity
		}
	default:
		days += epochDays
	}
	binary.NativeEndian.PutUint32(c.values.Bytes()[c.rows*4:], uint32(days))
	return nil
}

// The parts of a numeric on the wire: digits of base 10,000, the first of which counts 10,000^weight.
const (
	numericPositive = 0x0000
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInfinite = 0xD000
	numericMinus    = 0xF000
)

// decimal returns a numeric as a 128-bit integer of 10^-scale.
func decimal(b []byte, scale int) (low, high uint64, err error) {
	if len(b) < 8 {
		return 0, 0, errShape
	}
	count := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	if len(b) != 8+2*count {
		return 0, 0, errShape
	}
	switch sign {
	case numericNaN:
		return 0, 0, errNaN
	case numericInfinite, numericMinus:
		return 0, 0, errRange
	}
	// Whole digits first, then as many decimal digits as the scale has.
	for i := 0; i < count; i++ {
		digit := uint64(binary.BigEndian.Uint16(b[8+2*i:]))
		factor := uint64(10000)
		// The digit's last decimal place is 10^(4*(weight-i)); the scale may end within the digit.
		if places := 4*(weight-i) + scale; places < 0 {
			for ; places < 0; places++ {
				if digit%10 != 0 {
					return 0, 0, errRange
				}
				digit /= 10
				if factor > 1 {
					factor /= 10
				}
			}
		}
		if low, high, err = multiplyAdd(low, high, factor, digit); err != nil {
			return 0, 0, err
		}
	}
	if count > 0 {
		for places := 4*(weight-count+1) + scale; places > 0; places-- {
			if low, high, err = multiplyAdd(low, high, 10, 0); err != nil {
				return 0, 0, err
			}
		}
	}
	if sign == numericNegative {
		var borrow uint64
		low, borrow = bits.Sub64(0, low, 0)
		high, _ = bits.Sub64(0, high, borrow)
	}
	return low, high, nil
}

// multiplyAdd returns value*factor + digit; beyond 127 bits it fails.
func multiplyAdd(low, high, factor, digit uint64) (uint64, uint64, error) {
	carry, product := bits.Mul64(low, factor)
	over, upper := bits.Mul64(high, factor)
	product, c := bits.Add64(product, digit, 0)
	upper, c2 := bits.Add64(upper, carry, c)
	if over != 0 || c2 != 0 || upper>>63 != 0 {
		return 0, 0, errRange
	}
	return product, upper, nil
}

// appendNumeric writes a numeric as PostgreSQL's own text.
func appendNumeric(to, b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, errShape
	}
	count := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	scale := int(binary.BigEndian.Uint16(b[6:]))
	if len(b) != 8+2*count {
		return nil, errShape
	}
	switch sign {
	case numericNaN:
		return append(to, "NaN"...), nil
	case numericInfinite:
		return append(to, "Infinity"...), nil
	case numericMinus:
		return append(to, "-Infinity"...), nil
	case numericNegative:
		to = append(to, '-')
	case numericPositive:
	default:
		return nil, fmt.Errorf("a numeric has sign %#x", sign)
	}
	digit := func(i int) uint64 {
		if i < 0 || i >= count {
			return 0
		}
		return uint64(binary.BigEndian.Uint16(b[8+2*i:]))
	}
	if weight < 0 {
		to = append(to, '0')
	}
	for i := 0; i <= weight; i++ {
		if i == 0 {
			to = strconv.AppendUint(to, digit(0), 10)
		} else {
			to = appendFour(to, digit(i))
		}
	}
	if scale > 0 {
		to = append(to, '.')
		end := len(to) + scale
		for i := weight + 1; len(to) < end; i++ {
			to = appendFour(to, digit(i))
		}
		to = to[:end]
	}
	return to, nil
}

func appendFour(to []byte, d uint64) []byte {
	return append(to, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
}

func putUUID(to, b []byte) {
	const hex = "0123456789abcdef"
	at := 0
	for i, v := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			to[at] = '-'
			at++
		}
		to[at], to[at+1] = hex[v>>4], hex[v&15]
		at += 2
	}
}
