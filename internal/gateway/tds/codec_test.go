package tds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway"
)

func TestC5Packets(t *testing.T) {
	for _, size := range []int{minSize, minSize + 1, defaultSize, maxSize} {
		for _, length := range []int{0, 1, size - headerSize - 1, size - headerSize, size - headerSize + 1, 3 * size} {
			want := bytes.Repeat([]byte("x"), length)
			var wire bytes.Buffer
			w := packetWriter{to: &wire, size: size, spid: 51}
			w.begin(packetReply)
			if _, err := w.Write(want); err != nil {
				t.Fatal(err)
			}
			if err := w.end(); err != nil {
				t.Fatal(err)
			}
			got, err := readMessage(&wire, 1<<20, nil)
			if err != nil || got.kind != packetReply || got.status != 0 && got.status != statusEnd || !bytes.Equal(got.data, want) || wire.Len() != 0 {
				t.Errorf("%d bytes in packets of %d: %d bytes, %v", length, size, len(got.data), err)
			}
		}
	}
}

// TestC5Negotiation is the table of [MS-TDS] 2.2.6.5.
func TestC5Negotiation(t *testing.T) {
	for _, of := range []struct {
		client byte
		server Encryption
		answer byte
		ok     bool
	}{
		{encryptOff, EncryptLogin, encryptOff, true}, {encryptOn, EncryptLogin, encryptOn, true}, {encryptNone, EncryptLogin, encryptNone, true}, {encryptNeeded, EncryptLogin, encryptOn, true},
		{encryptOff, EncryptRequired, encryptNeeded, true}, {encryptOn, EncryptRequired, encryptOn, true}, {encryptNone, EncryptRequired, encryptNeeded, false}, {encryptNeeded, EncryptRequired, encryptOn, true},
		{encryptOff, EncryptOff, encryptNone, true}, {encryptOn, EncryptOff, encryptNone, false}, {encryptNone, EncryptOff, encryptNone, true}, {encryptNeeded, EncryptOff, encryptNone, false},
		{0x80 | encryptOn, EncryptLogin, encryptOn, true},
	} {
		if answer, ok := negotiate(of.client, of.server); answer != of.answer || ok != of.ok {
			t.Errorf("client %#x, server %d: %#x, %t", of.client, of.server, answer, ok)
		}
	}
	if err := (&Server{}).Serve(t.Context(), &noListener{}); fault.CodeOf(err) != codeCertificate {
		t.Errorf("without a certificate: %v", err)
	}
}

type noListener struct{ net.Listener }

func (*noListener) Close() error { return nil }

// TestC3Values sends values through the codec and back, also those at the ends of their types.
func TestC3Values(t *testing.T) {
	day := func(year int, month time.Month, d, hour, minute, second, nanosecond int) time.Time {
		return time.Date(year, month, d, hour, minute, second, nanosecond, time.UTC)
	}
	same := func(t gateway.Type, values ...any) [][3]any {
		var all [][3]any
		for _, v := range values {
			all = append(all, [3]any{t, v, v})
		}
		return all
	}
	cases := [][3]any{ // type, value, what comes back; an error where that is one
		{gateway.Type{Kind: gateway.Int}, int64(math.MaxInt32 + 1), errors.New("")},
		{gateway.Type{Kind: gateway.TinyInt}, int64(-1), errors.New("")},
		{gateway.Type{Kind: gateway.Int}, "1", errors.New("")},
		{gateway.Type{Kind: gateway.Decimal, Precision: 5, Scale: 2}, "12.345", "12.35"},
		{gateway.Type{Kind: gateway.Decimal, Precision: 5, Scale: 2}, "-12.345", "-12.35"},
		{gateway.Type{Kind: gateway.Decimal, Precision: 5, Scale: 2}, "999.995", errors.New("")},
		{gateway.Type{Kind: gateway.Decimal, Precision: 5, Scale: 2}, "1e3", errors.New("")},
		{gateway.Type{Kind: gateway.SmallMoney}, "214748.3648", errors.New("")},
		{gateway.Type{Kind: gateway.NVarchar, Length: 2}, "ab日", errors.New("")},
		{gateway.Type{Kind: gateway.Varchar, Length: 4}, "日€", "?€"},
		{gateway.Type{Kind: gateway.Unique}, "{6f9619ff-8b86-d011-b42d-00c04fc964ff}", "6F9619FF-8B86-D011-B42D-00C04FC964FF"},
		{gateway.Type{Kind: gateway.Unique}, "6f9619ff", errors.New("")},
		{gateway.Type{Kind: gateway.DateTime}, day(2026, 1, 1, 23, 59, 59, 999_000_000), day(2026, 1, 2, 0, 0, 0, 0)},
		{gateway.Type{Kind: gateway.DateTime}, day(2026, 1, 1, 0, 0, 0, 5_000_000), day(2026, 1, 1, 0, 0, 0, 7_000_000)},
		{gateway.Type{Kind: gateway.DateTime}, day(1752, 12, 31, 0, 0, 0, 0), errors.New("")},
		{gateway.Type{Kind: gateway.SmallDateTime}, day(2079, 6, 7, 0, 0, 0, 0), errors.New("")},
		{gateway.Type{Kind: gateway.Time, Scale: 0}, day(2026, 1, 1, 23, 59, 59, 999_000_000), day(1, 1, 1, 23, 59, 59, 0)},
		{gateway.Type{Kind: gateway.DateTime2, Scale: 0}, day(2026, 1, 1, 23, 59, 59, 999_000_000), day(2026, 1, 2, 0, 0, 0, 0)},
		{gateway.Type{Kind: gateway.DateTimeOffset, Scale: 7}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 15*60*60)), errors.New("")},
	}
	cases = append(cases, same(gateway.Type{Kind: gateway.Decimal, Precision: 38, Scale: 10}, "9999999999999999999999999999.9999999999", "-0.0000000001", "0.0000000000")...)
	cases = append(cases, same(gateway.Type{Kind: gateway.Decimal, Precision: 28}, "9999999999999999999999999999")...)
	cases = append(cases, same(gateway.Type{Kind: gateway.Money}, "-922337203685477.5808", "922337203685477.5807", "0.0000")...)
	cases = append(cases, same(gateway.Type{Kind: gateway.BigInt}, int64(math.MinInt64), int64(math.MaxInt64))...)
	cases = append(cases, same(gateway.Type{Kind: gateway.NVarchar}, "", strings.Repeat("😀", 9000))...)
	cases = append(cases, same(gateway.Type{Kind: gateway.NVarchar, Length: 4000}, "", strings.Repeat("日", 4000))...)
	cases = append(cases, same(gateway.Type{Kind: gateway.Varbinary}, []byte{}, bytes.Repeat([]byte{7}, 100_000))...)
	cases = append(cases, same(gateway.Type{Kind: gateway.Date}, day(1, 1, 1, 0, 0, 0, 0), day(9999, 12, 31, 0, 0, 0, 0))...)
	cases = append(cases, same(gateway.Type{Kind: gateway.DateTime}, day(1753, 1, 1, 0, 0, 0, 0), day(9999, 12, 31, 23, 59, 59, 997_000_000), day(1899, 12, 31, 12, 0, 0, 3_000_000))...)
	cases = append(cases, same(gateway.Type{Kind: gateway.DateTime2, Scale: 7}, day(1, 1, 1, 0, 0, 0, 0), day(9999, 12, 31, 23, 59, 59, 999_999_900))...)
	cases = append(cases, same(gateway.Type{Kind: gateway.SmallDateTime}, day(1900, 1, 1, 0, 0, 0, 0), day(2079, 6, 6, 23, 59, 0, 0))...)
	for _, of := range cases {
		kind := of[0].(gateway.Type)
		_, refused := of[2].(error)
		shape, err := shapeOf(gateway.Column{Name: "c", Type: kind}, version74)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := shape.appendValue(shape.appendType(nil), of[1])
		if refused {
			if err == nil {
				t.Errorf("%s takes %v", kind, of[1])
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		in := &input{rest: wire}
		back := readType(in)
		got := back.readValue(in)
		if in.err != nil || len(in.rest) != 0 || !reflect.DeepEqual(got, of[2]) || back.sqlType() != kind {
			t.Errorf("%s: %.60v came back as %s %.60v, %v", kind, of[1], back.sqlType(), got, in.err)
		}
	}
}

func TestC5Declarations(t *testing.T) {
	got := declared(" @P1 nvarchar(4000),@Id varchar(max) OUTPUT, @D decimal(19, 4) = 5, @T AS datetime2(3), @X sys.geometry,@I [int]")
	want := []gateway.Param{
		{Name: "@P1", Type: gateway.Type{Kind: gateway.NVarchar, Length: 4000}}, {Name: "@Id", Type: gateway.Type{Kind: gateway.Varchar}},
		{Name: "@D", Type: gateway.Type{Kind: gateway.Decimal, Precision: 19, Scale: 4}}, {Name: "@T", Type: gateway.Type{Kind: gateway.DateTime2, Scale: 3}},
		{Name: "@X"}, {Name: "@I", Type: gateway.Type{Kind: gateway.Int}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{"sp_tables": "sp_tables", "..SP_Tables": "sp_tables", "[my.db].[sys].[sp_columns_100];1": "sp_columns_100", "sp_x_rowset;3": "sp_x_rowset;3",
		`"a.b"."c d"`: "c d", "Refresh_Dataflow": "Refresh_Dataflow"} {
		if got := bareName(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// rpcOf writes an RPC message of one call of sp_executesql with the values.
func rpcOf(separator byte, values ...[]byte) []byte {
	b := []byte{0xFF, 0xFF, 10, 0, 0, 0}
	for _, v := range values {
		b = append(append(b, 0, 0), v...)
	}
	return append(b, separator)
}

func FuzzReadMessage(f *testing.F) {
	f.Add([]byte{packetBatch, statusEnd, 0, 9, 0, 0, 1, 0, 'x'}, 100)
	f.Add([]byte{packetBatch, 0, 0, 9, 0, 0, 1, 0, 'x', packetBatch, statusEnd, 0, 9, 0, 0, 2, 0, 'y'}, 1)
	f.Fuzz(func(t *testing.T, wire []byte, limit int) {
		m, err := readMessage(bytes.NewReader(wire), limit, nil)
		if err == nil && (len(m.data) > max(limit, 0) || len(m.data) > len(wire)) {
			t.Errorf("%d bytes of a message, limit %d, of %d", len(m.data), limit, len(wire))
		}
	})
}

func FuzzPrelogin(f *testing.F) {
	f.Add([]byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 9, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePrelogin(data)
		if err != nil {
			return
		}
		answer := appendPrelogin(nil, p.asked, encryptOn)
		if again, err := parsePrelogin(answer); err != nil || len(again.asked) > len(p.asked) {
			t.Errorf("the answer %x to %x cannot be read: %v", answer, data, err)
		}
	})
}

func FuzzLogin(f *testing.F) {
	f.Add(login7Message(version74, "user", "secret", 0))
	f.Add(login7Message(version71, "user", "secret", 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLogin(data)
		if err == nil && len(l.User) > 3*len(data) {
			t.Errorf("a name of %d bytes out of %d", len(l.User), len(data))
		}
	})
}

func FuzzRPC(f *testing.F) {
	for i, column := range everyType() {
		shape, err := shapeOf(column, version74)
		if err != nil {
			f.Fatal(err)
		}
		value, err := shape.appendValue(shape.appendType(nil), everyValue()[i])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(rpcOf(0xFF, value, shape.appendNull(shape.appendType(nil))), true)
	}
	ntext := append(binary.LittleEndian.AppendUint32([]byte{typeNText}, 100), collation...)
	f.Add(rpcOf(0x80, append(binary.LittleEndian.AppendUint32(ntext, 2), 'x', 0)), false)
	f.Add([]byte{2, 0, 's', 0, 'p', 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, data []byte, modern bool) {
		v := version71
		if modern {
			v = version74
		}
		calls, err := parseRPC(data, v)
		if err != nil {
			return
		}
		for _, c := range calls {
			for _, a := range c.arguments {
				// What came can be sent as a column of its type, but for numbers with more digits than their type says.
				shape, err := shapeOf(gateway.Column{Name: "c", Type: a.Type}, v)
				if err != nil || a.Value == nil {
					continue
				}
				if _, err := shape.appendValue(nil, a.Value); err != nil && a.Type.Kind != gateway.Decimal && strings.Contains(err.Error(), "is a Go") {
					t.Errorf("%s: %v", a.Type, err)
				}
				if text, ok := a.Value.(string); ok && a.Type.Kind == gateway.NVarchar {
					declared(text)
				}
			}
		}
	})
}
