package tds

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway"
)

// handshake brings the connection to the client's LOGIN7: encrypted as the two agree.
func (c *conn) handshake(ctx context.Context) (*login7, error) {
	var first [1]byte
	if _, err := io.ReadFull(c.raw, first[:]); err != nil {
		return nil, err
	}
	plain := &replayed{Conn: c.raw, first: first[:]}
	c.stream = plain
	const clientHello = 0x16
	switch strict := first[0] == clientHello; {
	case strict && c.server.Encryption == EncryptOff:
		return nil, errors.New("the client begins with TLS, and the encryption is off")
	case strict:
		return c.strict(ctx, plain)
	case c.server.Encryption == EncryptStrict:
		return nil, errors.New("the client does not begin with TLS, as the encryption 'strict' wants it")
	}

	m, err := readMessage(plain, loginLimit, nil)
	if err != nil {
		return nil, err
	}
	encryption := byte(encryptNone)
	if m.kind == packetPrelogin {
		var ok bool
		if encryption, ok, err = c.prelogin(m.data); err != nil {
			return nil, err
		}
		if !ok {
			return nil, errors.New("the client and the server do not agree about encryption")
		}
		m = message{}
	}
	secure := encryption != encryptNone
	if secure {
		// FreeTDS hangs with TLS 1.3, whose handshake goes on after its end; a session's tickets would come at a moment when nobody unwraps them.
		config := c.server.TLS.Clone()
		config.MinVersion, config.MaxVersion, config.SessionTicketsDisabled = tls.VersionTLS12, tls.VersionTLS12, true
		wrapped := &wrappedTLS{Conn: c.raw}
		encrypted := tls.Server(wrapped, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		wrapped.done, wrapped.byRecord = true, encryption == encryptOff
		c.stream = encrypted
	}
	if m.data == nil {
		if m, err = c.loginMessage(encryption == encryptOff); err != nil {
			return nil, err
		}
	}
	l, err := c.parse(m)
	if err != nil {
		return nil, err
	}
	l.Encrypted = secure
	if encryption == encryptOff {
		// Only the login was to be encrypted. jTDS, which speaks 7.1, hangs now and then when the answer comes while it takes its TLS down.
		c.stream = c.raw
		if !l.version.atLeast(version72) {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	if c.server.Encryption == EncryptRequired && (!secure || encryption == encryptOff) {
		return nil, c.refuseLogin(errors.New("the client does not encrypt"),
			gateway.Message{Number: numberLogin, State: 1, Class: 14, Text: "Login failed: the server takes encrypted connections only."})
	}
	return l, nil
}

// strict is the handshake of TDS 8.0: TLS comes first, and all else within it.
func (c *conn) strict(ctx context.Context, plain net.Conn) (*login7, error) {
	config := c.server.TLS.Clone()
	config.NextProtos = []string{"tds/8.0"}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	encrypted := tls.Server(plain, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	c.stream = encrypted
	m, err := readMessage(c.stream, preloginLimit, nil)
	if err != nil {
		return nil, err
	}
	if m.kind != packetPrelogin {
		return nil, fmt.Errorf("a packet of type %#x came in the place of PRELOGIN", m.kind)
	}
	if _, _, err := c.prelogin(m.data); err != nil {
		return nil, err
	}
	if m, err = c.loginMessage(false); err != nil {
		return nil, err
	}
	l, err := c.parse(m)
	if err != nil {
		return nil, err
	}
	l.Encrypted = true
	return l, nil
}

// prelogin answers PRELOGIN and returns the encryption that is agreed on; not ok: there is none.
func (c *conn) prelogin(data []byte) (encryption byte, ok bool, err error) {
	if len(data) > preloginLimit {
		return 0, false, errTooLarge
	}
	p, err := parsePrelogin(data)
	if err != nil {
		return 0, false, err
	}
	encryption, ok = negotiate(p.encryption, c.server.Encryption)
	c.w.begin(packetReply)
	_, _ = c.w.Write(appendPrelogin(nil, p.asked, encryption))
	return encryption, ok, c.w.end()
}

// loginMessage reads the message with the login. firstOnly: its first packet alone is encrypted ([MS-TDS] 3.2.5.3).
func (c *conn) loginMessage(firstOnly bool) (message, error) {
	var m message
	for {
		kind, status, data, err := readPacket(c.stream, m.data, loginLimit, nil)
		if err != nil {
			return message{}, err
		}
		if m.data != nil && kind != m.kind {
			return message{}, fmt.Errorf("a packet of type %#x came within a message of type %#x", kind, m.kind)
		}
		m.kind, m.data = kind, data
		if status&statusEnd != 0 {
			return m, nil
		}
		if firstOnly {
			c.stream = c.raw
		}
	}
}

// parse reads LOGIN7 and refuses what cannot log in.
func (c *conn) parse(m message) (*login7, error) {
	if m.kind != packetLogin {
		return nil, fmt.Errorf("a packet of type %#x came in the place of LOGIN7", m.kind)
	}
	l, err := parseLogin(m.data)
	clear(m.data) // it has the password
	if err != nil {
		return nil, fmt.Errorf("LOGIN7: %w", err)
	}
	l.Remote = c.raw.RemoteAddr()
	if !l.version.atLeast(version71) {
		return nil, fmt.Errorf("the client speaks TDS %s, and 7.1 is the oldest that the server knows", l.version)
	}
	if l.version != version80 && l.version > version74 {
		l.version = version74
	}
	c.version = l.version
	return l, nil
}

// login authenticates and answers LOGIN7.
func (c *conn) login(ctx context.Context, l *login7) error {
	switch {
	case l.integrated:
		return c.refuseLogin(nil, gateway.Message{Number: numberIntegrated, State: 1, Class: 14,
			Text: "Login failed: the server has no logins of Windows. Give a user and a password (SQL Server authentication)."})
	case l.federated:
		return c.refuseLogin(nil, gateway.Message{Number: numberLogin, State: 1, Class: 14,
			Text: "Login failed: the server takes no tokens of Microsoft Entra. Give a user and a password (SQL Server authentication)."})
	case l.changes:
		return c.refuseLogin(nil, gateway.Message{Number: numberLogin, State: 1, Class: 14, Text: "Login failed: the server changes no passwords."})
	}
	l.Number = int(c.w.spid)
	session, database, err := c.server.Authenticate(ctx, l.Login)
	l.Password = ""
	if err != nil {
		m := gateway.Message{Number: numberLogin, State: 1, Class: 14, Text: fmt.Sprintf("Login failed for user '%s'.", l.User)}
		var known *gateway.Error
		switch {
		case errors.As(err, &known):
			m = c.explain(err)
		case fault.CodeOf(err) != "":
			m.Text += " " + err.Error()
		}
		return c.refuseLogin(err, m)
	}
	c.session, c.database = session, database
	size := l.packetSize
	if size == 0 {
		size = defaultSize
	}
	size = min(max(size, minSize), maxSize)
	c.w.begin(packetReply)
	_, _ = c.w.Write(appendLogin(nil, l, database, c.server.name(), size))
	if err := c.w.end(); err != nil {
		session.Close()
		return err
	}
	c.w.size = size
	return nil
}

// refuseLogin answers LOGIN7 with an error, and returns why, so that the connection ends; nil: as the client is told.
func (c *conn) refuseLogin(why error, m gateway.Message) error {
	if why == nil {
		why = errors.New(m.Text)
	}
	c.w.begin(packetReply)
	return errors.Join(why, c.refuse(m))
}

// replayed is a connection of which one byte was read.
type replayed struct {
	net.Conn
	first []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// wrappedTLS carries the records of a TLS handshake in packets of PRELOGIN, until done ([MS-TDS] 3.3.5.2).
//
// byRecord: then it reads no further than to the end of a record, for behind the first packet of the login comes one without TLS.
type wrappedTLS struct {
	net.Conn
	rest     []byte
	left     int // of the record
	done     bool
	byRecord bool
}

func (w *wrappedTLS) Read(p []byte) (int, error) {
	if len(w.rest) == 0 && w.done {
		switch {
		case !w.byRecord:
			return w.Conn.Read(p)
		case w.left > 0:
			n, err := w.Conn.Read(p[:min(len(p), w.left)])
			w.left -= n
			return n, err
		}
		var header [5]byte
		if _, err := io.ReadFull(w.Conn, header[:]); err != nil {
			return 0, err
		}
		w.rest, w.left = header[:], int(binary.BigEndian.Uint16(header[3:]))
	}
	for len(w.rest) == 0 {
		kind, _, data, err := readPacket(w.Conn, nil, maxSize, nil)
		if err != nil {
			return 0, err
		}
		if kind != packetPrelogin {
			return 0, fmt.Errorf("a packet of type %#x came in the handshake of TLS", kind)
		}
		w.rest = data
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wrappedTLS) Write(p []byte) (int, error) {
	if w.done {
		return w.Conn.Write(p)
	}
	written := 0
	for written < len(p) {
		part := p[written:min(len(p), written+defaultSize-headerSize)]
		header := []byte{packetPrelogin, 0, 0, 0, 0, 0, 1, 0}
		if written+len(part) == len(p) {
			header[1] = statusEnd
		}
		binary.BigEndian.PutUint16(header[2:], uint16(headerSize+len(part)))
		if _, err := w.Conn.Write(append(header, part...)); err != nil {
			return written, err
		}
		written += len(part)
	}
	return written, nil
}
