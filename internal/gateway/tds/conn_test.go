package tds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/gateway"
)

// rawClient speaks the protocol by hand.
type rawClient struct {
	net.Conn
	t *testing.T
	w packetWriter
}

func (b *bench) dial(t *testing.T) *rawClient {
	t.Helper()
	c, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &rawClient{c, t, packetWriter{to: c, size: defaultSize}}
}

func (c *rawClient) send(kind byte, data []byte) {
	c.t.Helper()
	c.w.begin(kind)
	_, _ = c.w.Write(data)
	if err := c.w.end(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) receive() []byte {
	c.t.Helper()
	m, err := readMessage(c, 1<<20, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return m.data
}

// login logs in without a PRELOGIN, as jTDS does.
func (c *rawClient) login() {
	c.t.Helper()
	c.send(packetLogin, login7Message(version74, toyUser, toyPassword, 0))
	if reply := c.receive(); !bytes.Contains(reply, appendUTF16(nil, "Microsoft SQL Server")) {
		c.t.Fatalf("the login's answer is %q", reply)
	}
}

func (c *rawClient) batch(text string) {
	c.t.Helper()
	c.send(packetBatch, append([]byte{4, 0, 0, 0}, appendUTF16(nil, text)...))
}

// login7Message is a LOGIN7 with a list of features of so many bytes.
func login7Message(v version, user, password string, features int) []byte {
	const fixed = 94
	data := []byte{}
	fields := []byte{}
	field := func(value []byte, units int) {
		fields = binary.LittleEndian.AppendUint16(fields, uint16(fixed+len(data)))
		fields = binary.LittleEndian.AppendUint16(fields, uint16(units))
		data = append(data, value...)
	}
	text := func(value string) {
		units := appendUTF16(nil, value)
		field(units, len(units)/2)
	}
	secret := appendUTF16(nil, password)
	for i, c := range secret {
		secret[i] = (c<<4 | c>>4) ^ 0xA5
	}
	text("host")
	text(user)
	field(secret, len(secret)/2)
	text("application")
	text("server")
	extension := len(fields)
	field(nil, 0)
	text("library")
	text("")
	text("")
	fields = append(fields, make([]byte, 6)...)
	field(nil, 0)
	text("")
	text("")
	fields = append(fields, 0, 0, 0, 0)
	flags3 := byte(0)
	if features > 0 {
		flags3 = 0x10
		binary.LittleEndian.PutUint16(fields[extension:], uint16(fixed+len(data)))
		binary.LittleEndian.PutUint16(fields[extension+2:], 4)
		data = binary.LittleEndian.AppendUint32(data, uint32(fixed+len(data)+4))
		data = append(data, featureUTF8)
		data = binary.LittleEndian.AppendUint32(data, uint32(features))
		data = append(append(data, make([]byte, features)...), 0xFF)
	}
	m := binary.LittleEndian.AppendUint32(nil, uint32(fixed+len(data)))
	m = binary.LittleEndian.AppendUint32(m, uint32(v))
	m = append(m, make([]byte, 16)...) // packet size, client's version, process, connection
	m = append(m, 0, 0, 0, flags3)
	m = append(m, make([]byte, 8)...)
	return append(append(m, fields...), data...)
}

// TestC5Limits holds what a peer may send before and after its login.
func TestC5Limits(t *testing.T) {
	b := serve(t, EncryptLogin, func(s *Server) { s.MaxMessage = 10_000 })
	closed := func(c *rawClient) {
		t.Helper()
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("the server did not close: %v", err)
		}
	}
	for name, first := range map[string][]byte{
		"HTTP":                   []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"a packet of no length":  {packetPrelogin, 1, 0, 0, 0, 0, 1, 0},
		"a batch before a login": {packetBatch, 1, 0, 9, 0, 0, 1, 0, 0},
		"PRELOGIN of no options": {packetPrelogin, 1, 0, 9, 0, 0, 1, 0, 0xFF},
		"an offset outside":      {packetPrelogin, 1, 0, 14, 0, 0, 1, 0, 0, 0xFF, 0xFF, 0, 6, 0xFF},
		"a login of no content":  {packetLogin, 1, 0, 9, 0, 0, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := b.dial(t)
			if _, err := c.Write(first); err != nil {
				t.Fatal(err)
			}
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			closed(c)
		})
	}
	// A LOGIN7 that goes on and on is cut at its limit.
	c := b.dial(t)
	part := append([]byte{packetLogin, 0, 0x10, 0, 0, 0, 1, 0}, make([]byte, 0x1000-headerSize)...)
	sent := 0
	for sent < 16<<20 {
		n, err := c.Write(part)
		if sent += n; err != nil {
			break
		}
	}
	if sent >= 16<<20 {
		t.Error("the server reads a login without an end")
	}
	// A request over the limit is told so.
	c = b.dial(t)
	c.login()
	c.batch(strings.Repeat("x", 10_000))
	if reply := c.receive(); !bytes.Contains(reply, appendUTF16(nil, "more than 10000 bytes")) {
		t.Errorf("the answer is %q", reply)
	}
	closed(c)
	// One that cannot be read, too.
	for kind, data := range map[byte][]byte{packetBatch: {0xFF, 0xFF, 0xFF, 0xFF}, packetRPC: {4, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 0, 5}, packetTransaction: {4, 0, 0, 0, 99, 0}, packetSSPI: {1}} {
		c = b.dial(t)
		c.login()
		c.send(kind, data)
		if reply := c.receive(); reply[0] != tokenError || binary.LittleEndian.Uint32(reply[3:]) != numberProtocol {
			t.Errorf("packet %#x: the answer is %q", kind, reply)
		}
		closed(c)
	}
	// Features are read by their lengths.
	c = b.dial(t)
	c.send(packetLogin, login7Message(version74, toyUser, toyPassword, 7))
	if reply := c.receive(); !bytes.Contains(reply, []byte{tokenFeatureAck, featureUTF8, 1, 0, 0, 0, 1, 0xFF}) {
		t.Errorf("the answer to a login with features is %q", reply)
	}
}

// TestC5Deadlines holds that slow and idle clients do not stay.
func TestC5Deadlines(t *testing.T) {
	for name, of := range map[string]struct {
		change func(*Server)
		client func(*rawClient)
	}{
		"no login":       {func(s *Server) { s.LoginTimeout = 50 * time.Millisecond }, func(*rawClient) {}},
		"half a login":   {func(s *Server) { s.LoginTimeout = 50 * time.Millisecond }, func(c *rawClient) { _, _ = c.Write([]byte{packetLogin, 0}) }},
		"idle":           {func(s *Server) { s.IdleTimeout = 50 * time.Millisecond }, (*rawClient).login},
		"half a request": {func(s *Server) { s.MessageTimeout = 50 * time.Millisecond }, func(c *rawClient) { c.login(); _, _ = c.Write([]byte{packetBatch, 0}) }},
		"nothing taken": {func(s *Server) { s.MessageTimeout = 50 * time.Millisecond }, func(c *rawClient) {
			c.login()
			c.batch("rows 10000000")
			c.batch("select 1") // it reads nothing, and says no more
			for range 4 {
				if _, err := io.CopyN(io.Discard, c, 1); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, EncryptLogin, of.change)
			c := b.dial(t)
			of.client(c)
			if name == "nothing taken" {
				<-b.closed // the session was closed though the client is there
				return
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the connection is there: %v", err)
			}
		})
	}
}

// pipes is a listener whose connections are in memory, so that their deadlines have the clock of a bubble.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
	once        sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestC5IdleWaits holds that a client may be idle for some hours and no longer, and that a statement may wait for days.
func TestC5IdleWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{connections: make(chan net.Conn), closed: make(chan struct{})}
		b := serveOn(t, listener, EncryptLogin, nil)
		ours, theirs := net.Pipe()
		listener.connections <- theirs
		c := &rawClient{ours, t, packetWriter{to: ours, size: defaultSize}}
		defer c.Close()
		c.login()
		time.Sleep(7 * time.Hour)
		c.batch("run wait")
		if _, status, data, err := readPacket(c, nil, defaultSize, nil); err != nil || status != 0 || data[0] != tokenInfo {
			t.Fatalf("the message of the wait: %x, %v", data, err)
		}
		<-b.started
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		if len(b.ended) > 0 {
			t.Fatalf("the statement ended with %v", <-b.ended)
		}
		b.released <- struct{}{}
		if reply := c.receive(); !bytes.Contains(reply, []byte{tokenRow}) {
			t.Errorf("the answer is %q", reply)
		}
		before := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(before) != 8*time.Hour {
			t.Errorf("an idle client was there for %v: %v", time.Since(before), err)
		}
	})
}

// TestC5Calls sends several procedures in a message. An error of one ends neither the others nor the connection; what the client took back is not run.
func TestC5Calls(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	c := b.dial(t)
	c.login()
	one := func(text string) []byte {
		s, err := shapeOf(gateway.Column{Type: gateway.Type{Kind: gateway.NVarchar, Length: 100}}, version74)
		if err != nil {
			t.Fatal(err)
		}
		value, err := s.appendValue(s.appendType(nil), text)
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte{0xFF, 0xFF, 10, 0, 0, 0, 0, 0}, value...)
	}
	const next, skip = 0xFF, 0xFE
	m := append([]byte{4, 0, 0, 0}, one("run fail")...)
	m = append(append(m, next), one("select 1")...)
	m = append(append(m, next), one("run two")...)
	m = append(append(m, skip), one("run messages")...)
	c.send(packetRPC, m)
	reply := c.receive()
	var statuses []byte
	for at := 0; at+13 <= len(reply); at++ { // RETURNSTATUS comes straight before DONEPROC
		if at >= 5 && reply[at-5] == tokenReturnStatus && reply[at] == tokenDoneProc {
			statuses = append(statuses, reply[at+1])
		}
	}
	if !bytes.Equal(statuses, []byte{doneMore | doneError, doneMore, doneMore | doneError, 0}) {
		t.Errorf("the ends of the procedures are %v: %q", statuses, reply)
	}
	for _, want := range []string{"run fail", "select 1", "run messages"} {
		if request := <-b.requests; request.Text != want {
			t.Errorf("%q was run in the place of %q", request.Text, want)
		}
	}
}

func TestC5TooManyConnections(t *testing.T) {
	b := serve(t, EncryptLogin, func(s *Server) { s.MaxConnections = 2 })
	first, second := b.dial(t), b.dial(t)
	first.login()
	second.login()
	third := b.dial(t)
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection is answered")
	}
	first.Close()
	<-b.closed
	// The place is free soon after.
	for range 1000 {
		again := b.dial(t)
		again.send(packetLogin, login7Message(version74, toyUser, toyPassword, 0))
		if _, err := readMessage(again, 1<<20, nil); err == nil {
			return
		}
	}
	t.Error("the place of a closed connection stays taken")
}

// TestC5SilentConnections holds that connections which show no login give way to those which do.
func TestC5SilentConnections(t *testing.T) {
	b := serve(t, EncryptLogin, func(s *Server) { s.MaxConnections = 3 })
	stays := b.dial(t)
	stays.login()
	silent := []*rawClient{b.dial(t), b.dial(t)}
	_, _ = silent[1].Write([]byte{packetLogin, 0}) // half a login is none
	for i := range 2 {
		comes := b.dial(t)
		comes.login()
		if _, err := silent[i].Read(make([]byte, 1)); err == nil {
			t.Errorf("the silent connection %d was answered", i)
		}
	}
	stays.batch("select 1")
	stays.receive()
}

// TestC5ResetOfTransaction holds that a reset ends the transaction, unless the client says that it goes on.
func TestC5ResetOfTransaction(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	for status, inside := range map[byte]bool{0: true, statusResetKeep: true, statusReset: false} {
		c := b.dial(t)
		c.login()
		c.send(packetTransaction, []byte{4, 0, 0, 0, transactionBegin, 0, 0, 0})
		c.receive()
		text := appendUTF16([]byte{4, 0, 0, 0}, "select 1")
		if _, err := c.Write(append([]byte{packetBatch, statusEnd | status, 0, byte(headerSize + len(text)), 0, 0, 1, 0}, text...)); err != nil {
			t.Fatal(err)
		}
		reply := c.receive()
		if last := reply[len(reply)-13:]; last[0] != tokenDone || (last[1]&doneInside != 0) != inside {
			t.Errorf("status %#x: the end of the answer is %x", status, last)
		}
	}
}

// TestC5AttentionLate acknowledges an attention that comes after the answer, and a request that was taken back before its end.
func TestC5AttentionLate(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	c := b.dial(t)
	c.login()
	c.batch("select 1")
	c.receive()
	c.send(packetAttention, nil)
	if reply := c.receive(); len(reply) != 13 || reply[0] != tokenDone || reply[1] != doneAttention {
		t.Errorf("the acknowledgement is %x", reply)
	}
	if _, err := c.Write([]byte{packetBatch, statusEnd | statusIgnore, 0, 10, 0, 0, 1, 0, 'x', 0}); err != nil {
		t.Fatal(err)
	}
	if reply := c.receive(); len(reply) != 13 || reply[0] != tokenDone || reply[1] != doneError {
		t.Errorf("the answer to what was taken back is %x", reply)
	}
	c.batch("run wait")
	<-b.started
	c.send(packetAttention, nil)
	reply := c.receive()
	if last := reply[len(reply)-13:]; last[0] != tokenDone || last[1] != doneError {
		t.Errorf("the answer to what was cancelled is %x", reply)
	}
	if reply := c.receive(); len(reply) != 13 || reply[0] != tokenDone || reply[1] != doneAttention {
		t.Errorf("the acknowledgement of the cancel is %x", reply)
	}
}

// TestC5Distributed refuses what a linked server asks for in a distributed transaction, with the advice.
func TestC5Distributed(t *testing.T) {
	b := serve(t, EncryptLogin, nil)
	c := b.dial(t)
	c.login()
	for _, kind := range []byte{transactionAddress, transactionPropagate, transactionPromote} {
		c.send(packetTransaction, []byte{4, 0, 0, 0, kind, 0, 0, 0})
		if reply := c.receive(); reply[0] != tokenError || !bytes.Contains(reply, appendUTF16(nil, "'remote proc transaction promotion', 'false'")) {
			t.Errorf("request %d: %q", kind, reply)
		}
	}
	c.batch("select 1")
	if reply := c.receive(); reply[0] != tokenColumns {
		t.Errorf("after the refusals: %q", reply)
	}
	c.send(packetBulk, []byte{1})
	if reply := c.receive(); reply[0] != tokenError || binary.LittleEndian.Uint32(reply[3:]) != numberBulk {
		t.Errorf("a bulk load: %q", reply)
	}
}
