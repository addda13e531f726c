package tds

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"

	"freshet.dev/internal/gateway"
)

// wireType is TYPE_INFO as a client sends it.
type wireType struct {
	id        byte
	size      int // in bytes, as declared
	precision byte
	scale     byte
	utf8      bool // its collation says so
	max       bool // the value comes in chunks
}

// unsupported is the error of a type that the server does not take. Nothing behind it in the message can be read.
func unsupported(what string) error {
	return &gateway.Error{Message: gateway.Message{Number: 40514, State: 1, Class: 16,
		Text: fmt.Sprintf("cannot take a parameter that is %s; pass its value as text, a number, a date or binary", what)}}
}

// readType reads TYPE_INFO.
func readType(in *input) wireType {
	t := wireType{id: in.u8()}
	switch t.id {
	case typeNull, typeInt1, typeBit, typeInt2, typeInt4, typeInt8, typeFloat4, typeFloat8, typeMoney, typeMoney4, typeDateTime, typeDateTime4, typeDateN:
	case typeGUID, typeIntN, typeBitN, typeFloatN, typeMoneyN, typeDateTimeN, typeVarbinary1, typeVarchar1, typeBinary1, typeChar1:
		t.size = int(in.u8())
	case typeDecimalN, typeNumericN, typeDecimal1, typeNumeric1:
		t.size, t.precision, t.scale = int(in.u8()), in.u8(), in.u8()
		if in.err == nil && (t.precision > 38 || t.scale > t.precision) {
			in.fail(fmt.Errorf("a parameter is decimal(%d,%d), which does not exist", t.precision, t.scale))
		}
	case typeTimeN, typeDateTime2N, typeOffsetN:
		if t.scale = in.u8(); t.scale > 7 {
			in.fail(fmt.Errorf("a parameter has %d digits of a second", t.scale))
		}
	case typeVarbinary, typeBinary, typeVarchar, typeChar, typeNVarchar, typeNChar:
		t.size = int(in.u16())
		t.max = t.size == lengthMax
		if t.id != typeVarbinary && t.id != typeBinary {
			t.readCollation(in)
		}
	case typeText, typeNText, typeImage:
		t.size = int(in.u32())
		if t.id != typeImage {
			t.readCollation(in)
		}
	case typeXML:
		t.max = true
		if in.u8() != 0 { // of a schema
			in.take(2 * int(in.u8()))
			in.take(2 * int(in.u8()))
			in.take(2 * int(in.u16()))
		}
	case typeTable:
		in.fail(unsupported("a table"))
	case typeUDT:
		in.fail(unsupported("of a user's type"))
	case typeVariant:
		in.fail(unsupported("sql_variant"))
	default:
		in.fail(unsupported(fmt.Sprintf("of type %#x", t.id)))
	}
	return t
}

func (t *wireType) readCollation(in *input) {
	if c := in.take(5); c != nil {
		t.utf8 = c[3]&0x04 != 0
	}
}

// sqlType is the type in SQL's words.
func (t wireType) sqlType() gateway.Type {
	size := t.size
	if t.max {
		size = 0
	}
	switch t.id {
	case typeInt1:
		return gateway.Type{Kind: gateway.TinyInt}
	case typeInt2:
		return gateway.Type{Kind: gateway.SmallInt}
	case typeInt4:
		return gateway.Type{Kind: gateway.Int}
	case typeInt8:
		return gateway.Type{Kind: gateway.BigInt}
	case typeIntN:
		switch t.size {
		case 1:
			return gateway.Type{Kind: gateway.TinyInt}
		case 2:
			return gateway.Type{Kind: gateway.SmallInt}
		case 4:
			return gateway.Type{Kind: gateway.Int}
		}
		return gateway.Type{Kind: gateway.BigInt}
	case typeBit, typeBitN:
		return gateway.Type{Kind: gateway.Bit}
	case typeFloat4:
		return gateway.Type{Kind: gateway.Real}
	case typeFloat8:
		return gateway.Type{Kind: gateway.Float}
	case typeFloatN:
		if t.size == 4 {
			return gateway.Type{Kind: gateway.Real}
		}
		return gateway.Type{Kind: gateway.Float}
	case typeMoney4:
		return gateway.Type{Kind: gateway.SmallMoney}
	case typeMoney:
		return gateway.Type{Kind: gateway.Money}
	case typeMoneyN:
		if t.size == 4 {
			return gateway.Type{Kind: gateway.SmallMoney}
		}
		return gateway.Type{Kind: gateway.Money}
	case typeDateTime4:
		return gateway.Type{Kind: gateway.SmallDateTime}
	case typeDateTime:
		return gateway.Type{Kind: gateway.DateTime}
	case typeDateTimeN:
		if t.size == 4 {
			return gateway.Type{Kind: gateway.SmallDateTime}
		}
		return gateway.Type{Kind: gateway.DateTime}
	case typeDateN:
		return gateway.Type{Kind: gateway.Date}
	case typeTimeN:
		return gateway.Type{Kind: gateway.Time, Scale: t.scale}
	case typeDateTime2N:
		return gateway.Type{Kind: gateway.DateTime2, Scale: t.scale}
	case typeOffsetN:
		return gateway.Type{Kind: gateway.DateTimeOffset, Scale: t.scale}
	case typeDecimalN, typeNumericN, typeDecimal1, typeNumeric1:
		return gateway.Type{Kind: gateway.Decimal, Precision: t.precision, Scale: t.scale}
	case typeGUID:
		return gateway.Type{Kind: gateway.Unique}
	case typeVarbinary, typeVarbinary1:
		return gateway.Type{Kind: gateway.Varbinary, Length: size}
	case typeBinary, typeBinary1:
		return gateway.Type{Kind: gateway.Binary, Length: size}
	case typeImage:
		return gateway.Type{Kind: gateway.Varbinary}
	case typeVarchar, typeVarchar1:
		return gateway.Type{Kind: gateway.Varchar, Length: size}
	case typeChar, typeChar1:
		return gateway.Type{Kind: gateway.Char, Length: size}
	case typeText:
		return gateway.Type{Kind: gateway.Varchar}
	case typeNChar:
		return gateway.Type{Kind: gateway.NChar, Length: size / 2}
	case typeNVarchar:
		return gateway.Type{Kind: gateway.NVarchar, Length: size / 2}
	case typeNText, typeXML:
		return gateway.Type{Kind: gateway.NVarchar}
	}
	return gateway.Type{}
}

// readValue reads a value of the type as parameters have it; see gateway.Kind for its Go type.
func (t wireType) readValue(in *input) any {
	data, null := t.readBytes(in)
	if in.err != nil || null {
		return nil
	}
	value, ok := t.decode(data)
	if !ok {
		in.fail(fmt.Errorf("a parameter of type %#x has a value of %d bytes, which is none", t.id, len(data)))
	}
	return value
}

// readBytes reads the bytes of a value by the form of its length.
func (t wireType) readBytes(in *input) (data []byte, null bool) {
	switch t.id {
	case typeNull:
		return nil, true
	case typeInt1, typeBit:
		return in.take(1), false
	case typeInt2:
		return in.take(2), false
	case typeInt4, typeFloat4, typeMoney4, typeDateTime4:
		return in.take(4), false
	case typeInt8, typeFloat8, typeMoney, typeDateTime:
		return in.take(8), false
	case typeVarbinary, typeBinary, typeVarchar, typeChar, typeNVarchar, typeNChar, typeXML:
		if t.max {
			return readChunks(in)
		}
		n := int(in.u16())
		if n == lengthMax {
			return nil, true
		}
		return in.take(n), false
	case typeText, typeNText, typeImage:
		n := in.u32()
		if n == math.MaxUint32 {
			return nil, true
		}
		return in.take(int(n)), false
	case typeVarchar1, typeChar1, typeVarbinary1, typeBinary1:
		// NULL has the length of the empty text here: only a client older than 7.0 sends these types.
		n := int(in.u8())
		return in.take(n), n == 0
	}
	n := int(in.u8())
	return in.take(n), n == 0
}

// readChunks reads a value of length max: its length or that it is unknown, then chunks up to an empty one.
func readChunks(in *input) (data []byte, null bool) {
	if in.u64() == math.MaxUint64 {
		return nil, true
	}
	var all []byte
	for in.err == nil {
		n := in.u32()
		if n == 0 {
			break
		}
		all = append(all, in.take(int(n))...)
	}
	return all, false
}

func (t wireType) decode(data []byte) (value any, ok bool) {
	switch t.id {
	case typeInt1, typeInt2, typeInt4, typeInt8, typeIntN:
		switch len(data) {
		case 1:
			return int64(data[0]), true
		case 2:
			return int64(int16(binary.LittleEndian.Uint16(data))), true
		case 4:
			return int64(int32(binary.LittleEndian.Uint32(data))), true
		case 8:
			return int64(binary.LittleEndian.Uint64(data)), true
		}
	case typeBit, typeBitN:
		return len(data) == 1 && data[0] != 0, len(data) == 1
	case typeFloat4, typeFloat8, typeFloatN:
		switch len(data) {
		case 4:
			return float64(math.Float32frombits(binary.LittleEndian.Uint32(data))), true
		case 8:
			return math.Float64frombits(binary.LittleEndian.Uint64(data)), true
		}
	case typeMoney, typeMoney4, typeMoneyN:
		switch len(data) {
		case 4:
			return unscaled(big.NewInt(int64(int32(binary.LittleEndian.Uint32(data)))), 4), true
		case 8:
			high, low := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
			return unscaled(big.NewInt(int64(uint64(high)<<32|uint64(low))), 4), true
		}
	case typeDecimalN, typeNumericN, typeDecimal1, typeNumeric1:
		if len(data) < 1 || len(data) > decimalSize {
			return nil, false
		}
		digits := make([]byte, 0, decimalSize)
		for i := len(data) - 1; i > 0; i-- {
			digits = append(digits, data[i])
		}
		n := new(big.Int).SetBytes(digits)
		if data[0] == 0 {
			n.Neg(n)
		}
		return unscaled(n, int(t.scale)), true
	case typeGUID:
		if len(data) != 16 {
			return nil, false
		}
		id := swapped(data)
		return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])), true
	case typeVarbinary, typeBinary, typeImage, typeVarbinary1, typeBinary1:
		return append([]byte{}, data...), true
	case typeNVarchar, typeNChar, typeNText, typeXML:
		return strings.TrimPrefix(fromUTF16(data), "\uFEFF"), len(data)%2 == 0
	case typeVarchar, typeChar, typeText, typeVarchar1, typeChar1:
		if t.utf8 {
			return strings.ToValidUTF8(string(data), "\uFFFD"), true
		}
		letters := make([]rune, len(data))
		for i, c := range data {
			letters[i] = charmap.Windows1252.DecodeByte(c)
		}
		return string(letters), true
	case typeDateTime, typeDateTime4, typeDateTimeN:
		switch len(data) {
		case 4:
			minutes := time.Duration(binary.LittleEndian.Uint16(data[2:])) * time.Minute
			return epoch().AddDate(0, 0, int(binary.LittleEndian.Uint16(data))).Add(minutes), true
		case 8:
			days, ticks := int32(binary.LittleEndian.Uint32(data)), binary.LittleEndian.Uint32(data[4:])
			// From 1753 to 9999; the time within the day. Milliseconds are what SQL Server shows of a tick.
			if days < -53690 || days > 2958463 || ticks >= 24*60*60*300 {
				return nil, false
			}
			return epoch().AddDate(0, 0, int(days)).Add(time.Duration((int64(ticks)*10+1)/3) * time.Millisecond), true
		}
	case typeDateN:
		return readDay(data)
	case typeTimeN:
		clock, ok := t.clock(data)
		return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Add(clock), ok
	case typeDateTime2N:
		if len(data) < 3 {
			return nil, false
		}
		day, ok := readDay(data[len(data)-3:])
		clock, timed := t.clock(data[:len(data)-3])
		return day.Add(clock), ok && timed
	case typeOffsetN:
		if len(data) < 5 {
			return nil, false
		}
		day, ok := readDay(data[len(data)-5 : len(data)-2])
		clock, timed := t.clock(data[:len(data)-5])
		offset := int(int16(binary.LittleEndian.Uint16(data[len(data)-2:])))
		if offset < -840 || offset > 840 {
			return nil, false
		}
		return day.Add(clock).In(time.FixedZone("", offset*60)), ok && timed
	}
	return nil, false
}

// readDay reads the days since 1 January of the year 1.
func readDay(data []byte) (time.Time, bool) {
	if len(data) != 3 {
		return time.Time{}, false
	}
	day := time.Date(1, 1, 1+int(data[0])+int(data[1])<<8+int(data[2])<<16, 0, 0, 0, 0, time.UTC)
	return day, day.Year() <= 9999
}

// clock reads a time of day in units of its scale.
func (t wireType) clock(data []byte) (time.Duration, bool) {
	if len(data) < 3 || len(data) > 5 {
		return 0, false
	}
	var n uint64
	for i, c := range data {
		n |= uint64(c) << (8 * i)
	}
	unit := uint64(time.Second)
	for range t.scale {
		unit /= 10
	}
	if n >= uint64(24*time.Hour)/unit {
		return 0, false
	}
	return time.Duration(n * unit), true
}
