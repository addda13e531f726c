package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"freshet.dev/internal/source"
)

// fuzzDecode feeds a stream in pieces to a decoder of (integer, numeric). It must not panic, nor keep memory.
func fuzzDecode(t *testing.T, stream []byte, piece int) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	fields := []field{fieldOf("a", oidInt4, -1), fieldOf("b", oidNumeric, -1)}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	r := &reader{conn: &conn{path: "x"}, fields: fields, schema: schemaOf(fields), options: source.ReadOptions{BatchRows: 4, BatchBytes: 1 << 20},
		batches: make(chan arrow.RecordBatch, 1), ctx: ctx, cancel: cancel}
	d := &decoder{reader: r, ctx: ctx, most: 4}
	for _, f := range fields {
		d.columns = append(d.columns, newColumn(f, mem, false, false))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range r.batches {
			b.Release()
		}
	}()
	for from := 0; from < len(stream); from += piece {
		if n, err := d.Write(stream[from:min(from+piece, len(stream))]); err != nil || n == 0 {
			t.Fatal(n, err)
		}
	}
	d.drop()
	close(r.batches)
	<-done
}

// numericOnWire encodes digits of base 10,000 as a server does.
func numericOnWire(weight int16, sign uint16, scale uint16, digits ...uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(digits)))
	b = binary.BigEndian.AppendUint16(b, uint16(weight))
	b = binary.BigEndian.AppendUint16(b, sign)
	b = binary.BigEndian.AppendUint16(b, scale)
	for _, d := range digits {
		b = binary.BigEndian.AppendUint16(b, d)
	}
	return b
}

func TestNumeric(t *testing.T) {
	for _, c := range []struct {
		wire  []byte
		scale int
		want  string // "" when the decimal is refused
		text  string
	}{
		{numericOnWire(0, numericPositive, 0), 4, "0", "0"},
		{numericOnWire(0, numericPositive, 2, 12, 3400), 2, "1234", "12.34"},
		{numericOnWire(0, numericPositive, 4, 12, 3456), 4, "123456", "12.3456"},
		{numericOnWire(0, numericNegative, 6, 12, 3456, 7800), 6, "-12345678", "-12.345678"},
		{numericOnWire(-1, numericPositive, 2, 100), 2, "1", "0.01"},
		{numericOnWire(-2, numericPositive, 8, 1), 8, "1", "0.00000001"},
		{numericOnWire(-2, numericPositive, 8, 1), 4, "", "0.00000001"},
		{numericOnWire(1, numericPositive, 0, 1), 0, "10000", "10000"},
		{numericOnWire(1, numericPositive, 3, 1, 0, 5000), 3, "10000500", "10000.500"},
		{numericOnWire(0, numericNaN, 0), 2, "", "NaN"},
		{numericOnWire(0, numericInfinite, 0), 2, "", "Infinity"},
		{numericOnWire(9, numericPositive, 0, 1701, 4118, 3460, 4692, 3173, 1687, 3037, 1588, 4105, 7279), 0, "", "1701411834604692317316873037158841057279"},
		{numericOnWire(9, numericPositive, 0, 99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999), 0, "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
	} {
		low, high, err := decimal(c.wire, c.scale)
		got := ""
		if err == nil {
			n := new(big.Int).SetUint64(high)
			n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(low))
			if high>>63 == 1 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 128))
			}
			got = n.String()
		}
		text, textErr := appendNumeric(nil, c.wire)
		if got != c.want || string(text) != c.text || textErr != nil {
			t.Errorf("%s scale %d: %q (%v) %q (%v), want %q %q", hex.EncodeToString(c.wire), c.scale, got, err, text, textErr, c.want, c.text)
		}
	}
}

// A server may cut its stream anywhere.
func TestStreamInPieces(t *testing.T) {
	row := "\x00\x02\x00\x00\x00\x04\x00\x00\x00\x07\xff\xff\xff\xff"
	stream := []byte(signature + "\x00\x00\x00\x00\x00\x00\x00\x02xx" + strings.Repeat(row, 11) + "\xff\xff")
	for piece := 1; piece < len(stream); piece++ {
		fuzzDecode(t, stream, piece)
	}
}
