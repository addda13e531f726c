package tds

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

var errShort = errors.New("the message ends before what it announces")

// input reads fields from a message that is in memory, so that no length which a peer sends can ask for more than has come. The first error stays; what is
// read after it is zero.
type input struct {
	rest []byte
	err  error
}

func (in *input) fail(err error) {
	if in.err == nil {
		in.err, in.rest = err, nil
	}
}

// take returns the next n bytes, which are part of the message.
func (in *input) take(n int) []byte {
	if in.err != nil {
		return nil
	}
	if n < 0 || n > len(in.rest) {
		in.fail(errShort)
		return nil
	}
	taken := in.rest[:n]
	in.rest = in.rest[n:]
	return taken
}

func (in *input) u8() byte {
	if b := in.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (in *input) u16() uint16 {
	if b := in.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (in *input) u32() uint32 {
	if b := in.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (in *input) u64() uint64 {
	if b := in.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text reads n units of UTF-16.
func (in *input) text(n int) string { return fromUTF16(in.take(2 * n)) }

// fromUTF16 reads little-endian UTF-16; an odd last byte is dropped.
func fromUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// appendUTF16 appends little-endian UTF-16.
func appendUTF16(b []byte, text string) []byte {
	for _, r := range text {
		if first, second := utf16.EncodeRune(r); first != '\uFFFD' {
			b = binary.LittleEndian.AppendUint16(b, uint16(first))
			b = binary.LittleEndian.AppendUint16(b, uint16(second))
		} else {
			b = binary.LittleEndian.AppendUint16(b, uint16(r))
		}
	}
	return b
}

// unitsOf appends at most limit units of UTF-16 and never half of a pair.
func unitsOf(text string, limit int) []byte {
	b := appendUTF16(nil, text)
	if len(b) <= 2*limit {
		return b
	}
	b = b[:2*limit]
	if last := binary.LittleEndian.Uint16(b[len(b)-2:]); last >= 0xD800 && last < 0xDC00 {
		b = b[:len(b)-2]
	}
	return b
}

// appendShort appends text with its length in units as one byte (B_VARCHAR); what is longer is cut.
func appendShort(b []byte, text string) []byte {
	units := unitsOf(text, 255)
	return append(append(b, byte(len(units)/2)), units...)
}

// appendLong appends text with its length in units as two bytes (US_VARCHAR), cut after limit units.
func appendLong(b []byte, text string, limit int) []byte {
	units := unitsOf(text, limit)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(units)/2)), units...)
}
