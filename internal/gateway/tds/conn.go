package tds

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway"
)

// Why a request's context ends.
var (
	errAttention = errors.New("the client has cancelled the statement")
	errGone      = errors.New("the client has gone")
	errShutdown  = errors.New("the server is stopping")
)

// The numbers of SQL Server's messages that clients know.
const (
	numberColumns       = 1056  // too many columns
	numberProtocol      = 4002  // the stream is not correct
	numberShutdown      = 6005  // the server is stopping
	numberDistributed   = 8501  // no distributed transaction
	numberHandle        = 8179  // no such prepared statement
	numberProcedure     = 2812  // no such procedure, or wrong parameters
	numberMissing       = 201   // a parameter of a procedure
	numberBulk          = 4806  // no bulk load
	numberCursor        = 16909 // no such cursor
	numberCursorReading = 16929 // the cursor is read only
	numberLogin         = 18456
	numberIntegrated    = 18452
	numberOther         = 50000 // of whoever defines messages
)

// conn is the connection of one client.
type conn struct {
	server   *Server
	raw      net.Conn
	stream   io.ReadWriter // raw, or its TLS
	w        packetWriter
	version  version
	database string
	session  Session

	prepared      map[int32]*prepared
	preparedBytes int
	cursors       map[int32]*cursor
	cursorBytes   int
	handles       int32  // given so far
	transaction   uint64 // 0: none is open
	worked        bool   // a statement has run in it

	mu      sync.Mutex
	turn    *turn // the last request that came
	partial bool  // a message has begun to come
}

// turn is one request from its arrival to its answer. Its context is made where it arrives, so that an attention finds it before the answer has begun.
type turn struct {
	message message
	err     error // why there is no message: the connection ends with it
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu        sync.Mutex
	done      bool
	attention bool // is to be acknowledged at the end of the answer
}

// interrupt cancels the request; false when it is answered already.
func (t *turn) interrupt() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return false
	}
	t.attention = true
	t.cancel(errAttention)
	return true
}

// finish says that the last of the answer is being written, and tells whether an attention came before.
func (t *turn) finish() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = true
	return t.attention
}

// connect serves one connection to its end. Once stopping is closed it takes no more requests. shown is called when the login has come.
func (s *Server) connect(ctx context.Context, stopping <-chan struct{}, raw net.Conn, shown func()) {
	log := s.Log.With("remote", raw.RemoteAddr().String())
	defer raw.Close()
	defer func() {
		if caught := recover(); caught != nil {
			log.Error("a defect ended the connection of a SQL client", "panic", caught, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errGone)
	number := s.sessions.Add(1)
	c := &conn{server: s, raw: raw, stream: raw, prepared: map[int32]*prepared{}, cursors: map[int32]*cursor{}}
	c.w = packetWriter{to: c, size: defaultSize, spid: uint16(50 + number%32000)}

	_ = raw.SetDeadline(time.Now().Add(s.loginTimeout()))
	stopped := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Now()) })
	login, err := c.handshake(ctx)
	if err == nil {
		shown()
		err = c.login(ctx, login)
	}
	if !stopped() || err != nil {
		level := log.Info
		if errors.Is(err, io.EOF) { // a probe of the port
			level = log.Debug
		}
		level("a SQL client did not log in", "error", err)
		return
	}
	defer c.session.Close()
	log.Debug("a SQL client has logged in", "login", login.Login.String(), "tds", c.version)
	_ = raw.SetDeadline(time.Time{})
	if err := c.serve(ctx, stopping, cancel); err != nil {
		log.Debug("the connection of a SQL client has ended", "error", err)
	}
}

// Write writes a packet, in the time that the client has to take it.
func (c *conn) Write(packet []byte) (int, error) {
	if c.session != nil { // before, the login's deadline holds
		_ = c.raw.SetWriteDeadline(time.Now().Add(c.server.messageTimeout()))
	}
	return c.stream.Write(packet)
}

// serve answers requests until the connection ends. One goroutine reads: it sees an attention, and that the client has gone, while a request runs.
func (c *conn) serve(ctx context.Context, stopping <-chan struct{}, cancel context.CancelCauseFunc) error {
	turns := make(chan *turn)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer c.raw.Close()
	defer cancel(errGone)
	reader.Go(func() { c.read(ctx, cancel, turns) })
	// A client that takes nothing does not hold up the end of the server.
	defer context.AfterFunc(ctx, func() { _ = c.raw.SetWriteDeadline(time.Now().Add(time.Second)) })()
	for {
		select {
		case <-stopping:
			return c.goodbye()
		case <-ctx.Done():
			if cause := context.Cause(ctx); errors.Is(cause, errGone) {
				return cause
			}
			return c.goodbye()
		case t := <-turns:
			if err := c.answer(t); err != nil {
				return err
			}
		}
	}
}

// goodbye tells a client that waits for nothing that the server stops.
func (c *conn) goodbye() error {
	c.w.begin(packetReply)
	return errors.Join(errShutdown, c.refuse(gateway.Message{Number: numberShutdown, State: 1, Class: 14, Text: "The server is stopping."}))
}

// read hands over what the client sends, one request at a time.
func (c *conn) read(ctx context.Context, gone context.CancelCauseFunc, turns chan<- *turn) {
	for {
		c.deadline(false)
		m, err := readMessage(c.stream, c.server.maxMessage(), func() { c.deadline(true) })
		if err != nil && !errors.Is(err, errTooLarge) {
			gone(fmt.Errorf("%w: %w", errGone, err))
			return
		}
		if err == nil && m.kind == packetAttention {
			c.mu.Lock()
			last := c.turn
			c.mu.Unlock()
			if last != nil && last.interrupt() {
				continue
			}
		}
		t := &turn{message: m, err: err}
		t.ctx, t.cancel = context.WithCancelCause(ctx)
		c.mu.Lock()
		c.turn = t
		c.mu.Unlock()
		select {
		case turns <- t:
		case <-ctx.Done():
			t.cancel(nil)
			return
		}
		if err != nil {
			return
		}
	}
}

// deadline sets until when bytes have to come: the rest of a message soon, the next message while none is answered at some time.
func (c *conn) deadline(partial bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partial = partial
	c.setDeadline()
}

func (c *conn) setDeadline() {
	switch {
	case c.partial:
		_ = c.raw.SetReadDeadline(time.Now().Add(c.server.messageTimeout()))
	case c.turn != nil:
		_ = c.raw.SetReadDeadline(time.Time{})
	default:
		_ = c.raw.SetReadDeadline(time.Now().Add(c.server.idleTimeout()))
	}
}

// answered says that t has its answer.
func (c *conn) answered(t *turn) {
	t.cancel(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turn == t {
		c.turn = nil
		c.setDeadline()
	}
}

// answer answers a request. Its error ends the connection.
func (c *conn) answer(t *turn) error {
	defer c.answered(t)
	c.w.begin(packetReply)
	r := &response{ctx: t.ctx, conn: c}
	if t.err != nil {
		return errors.Join(t.err, c.refuse(gateway.Message{Number: numberProtocol, State: 1, Class: 20,
			Text: fmt.Sprintf("cannot take a request of more than %d bytes", c.server.maxMessage())}))
	}
	m := t.message
	if m.status&statusIgnore != 0 { // the client has changed its mind before it was through: no more than this is said ([MS-TDS] 2.2.1.7)
		r.done(tokenDone, doneError, 0, 0)
		t.finish()
		return c.w.end()
	}
	err := c.perform(r, m)
	var broken *protocolError
	if errors.As(err, &broken) {
		return errors.Join(err, c.refuse(gateway.Message{Number: numberProtocol, State: 1, Class: 20, Text: "cannot read the request: " + err.Error()}))
	}
	if c.w.err != nil {
		return c.w.err
	}
	if cause := context.Cause(t.ctx); cause != nil && !errors.Is(cause, errAttention) {
		if errors.Is(cause, errGone) {
			return cause
		}
		return errors.Join(errShutdown, c.refuse(gateway.Message{Number: numberShutdown, State: 1, Class: 14, Text: "The server is stopping; the statement was cancelled."}))
	}
	cancelled := t.finish()
	if cancelled {
		// The answer ends, and the acknowledgement is a message of its own: tedious waits for a second one.
		r.settle(doneMore)
		r.done(tokenDone, doneError, 0, 0)
		if err := c.w.end(); err != nil {
			return err
		}
		c.w.begin(packetReply)
	}
	if cancelled || r.attention {
		r.done(tokenDone, doneAttention, 0, 0)
		return c.w.end()
	}
	if err != nil {
		r.fail(err)
	} else {
		r.settle(0)
	}
	return c.w.end()
}

// protocolError is the error of a message that cannot be read: what follows it cannot be trusted.
type protocolError struct{ error }

func (e *protocolError) Unwrap() error { return e.error }

// perform does what a request asks for. What it returns is told to the client by its caller.
func (c *conn) perform(r *response, m message) error {
	if m.status&(statusReset|statusResetKeep) != 0 && m.kind != packetAttention {
		if err := c.reset(r, m.status&statusResetKeep != 0); err != nil {
			return err
		}
	}
	switch m.kind {
	case packetAttention: // of a request that was answered before it came
		r.attention = true
		return nil
	case packetBatch:
		text, err := skipHeaders(m.data, c.version)
		if err != nil {
			return &protocolError{err}
		}
		if len(text)%2 != 0 {
			return &protocolError{errors.New("a batch is half a letter too long")}
		}
		return c.batch(r, fromUTF16(text))
	case packetRPC:
		data, err := skipHeaders(m.data, c.version)
		if err != nil {
			return &protocolError{err}
		}
		calls, err := parseRPC(data, c.version)
		if err != nil {
			var known *gateway.Error
			if errors.As(err, &known) {
				return err
			}
			return &protocolError{err}
		}
		return c.calls(r, calls)
	case packetTransaction:
		data, err := skipHeaders(m.data, c.version)
		if err != nil {
			return &protocolError{err}
		}
		return c.transact(r, data)
	case packetBulk:
		return bulkRefused()
	}
	return &protocolError{fmt.Errorf("a packet has the type %#x, which is no request", m.kind)}
}

// reset brings the connection back to what it was after the login, for the next user of a pool. A transaction that spans several connections' uses is kept.
func (c *conn) reset(r *response, keep bool) error {
	clear(c.prepared)
	clear(c.cursors)
	c.preparedBytes, c.cursorBytes = 0, 0
	if !keep {
		c.transaction, c.worked = 0, false
	}
	r.put(appendByteChange(nil, changeReset, "", ""))
	err := c.session.Run(r.ctx, gateway.Request{Procedure: resetProcedure}, r)
	r.pending = nil // it is no statement of the client
	return err
}

const resetProcedure = "sp_reset_connection"

// batch runs the text of a batch.
func (c *conn) batch(r *response, text string) error {
	if words := strings.Fields(text[:min(len(text), 200)]); len(words) > 1 && strings.EqualFold(words[0], "insert") && strings.EqualFold(words[1], "bulk") {
		return bulkRefused()
	}
	return c.run(r, gateway.Request{Text: text}, r)
}

// run lets the session run a request.
func (c *conn) run(r *response, request gateway.Request, results gateway.Results) error {
	c.worked = c.transaction != 0
	return c.session.Run(r.ctx, request, results)
}

// instead is what clients do who would load in bulk or through a cursor.
const instead = "Send INSERT statements. SSIS: take an ODBC destination, an ADO NET destination with UseBulkInsertWhenPossible set to False, " +
	"or an OLE DB Command with INSERT INTO … VALUES (?, …), in the place of an OLE DB destination"

func bulkRefused() error {
	return &gateway.Error{Message: gateway.Message{Number: numberBulk, State: 1, Class: 16, Text: "cannot take a bulk load. " + instead}}
}

// The requests of a transaction manager ([MS-TDS] 2.2.6.9).
const (
	transactionAddress   = 0
	transactionPropagate = 1
	transactionBegin     = 5
	transactionPromote   = 6
	transactionCommit    = 7
	transactionRollback  = 8
	transactionSave      = 9
)

// transact answers a request about transactions. They are for drivers that cannot do without: nothing is ever undone.
func (c *conn) transact(r *response, data []byte) error {
	in := &input{rest: data}
	kind := in.u16()
	begins := kind == transactionBegin
	if kind == transactionCommit || kind == transactionRollback {
		in.take(int(in.u8())) // its name
		begins = in.u8()&1 != 0
	}
	if in.err != nil {
		return &protocolError{in.err}
	}
	switch kind {
	case transactionAddress, transactionPropagate, transactionPromote:
		return &gateway.Error{Message: gateway.Message{Number: numberDistributed, State: 1, Class: 16, Text: "cannot take part in a distributed transaction. " +
			"On the SQL Server whose linked server this is, run EXEC sp_serveroption 'the linked server', 'remote proc transaction promotion', 'false'; " +
			"elsewhere take the statement out of the transaction"}}
	case transactionCommit:
		r.put(appendByteChange(nil, changeCommit, "", c.descriptor()))
		c.transaction = 0
	case transactionRollback:
		r.put(appendByteChange(nil, changeRollback, "", c.descriptor()))
		c.transaction = 0
		if c.worked {
			if err := r.Info(gateway.Message{Number: numberOther, State: 1, Text: "Nothing is rolled back: what the statements started goes on."}); err != nil {
				return err
			}
		}
	case transactionBegin, transactionSave:
	default:
		return &protocolError{fmt.Errorf("there is no request %d about transactions", kind)}
	}
	if begins {
		c.handles++
		c.transaction, c.worked = uint64(uint32(c.handles)), false
		r.put(appendByteChange(nil, changeBegin, c.descriptor(), ""))
	}
	return nil
}

// descriptor is what the client calls the open transaction.
func (c *conn) descriptor() string {
	return string(binary.LittleEndian.AppendUint64(nil, c.transaction))
}

// refuse answers with an error alone, before the connection is closed.
func (c *conn) refuse(m gateway.Message) error {
	b := appendMessage(nil, m, c.server.name(), c.version)
	b = appendDone(b, tokenDone, doneError, 0, 0, c.version)
	_, _ = c.w.Write(b)
	return c.w.end()
}

// explain makes a message of an error. What is no error for users is logged and not told.
func (c *conn) explain(err error) gateway.Message {
	var known *gateway.Error
	if errors.As(err, &known) {
		m := known.Message
		m.Class = min(max(m.Class, 11), 25)
		return m
	}
	m := gateway.Message{Number: numberOther, State: 1, Class: 16, Text: err.Error()}
	if fault.CodeOf(err) == "" {
		c.server.Log.Error("a SQL statement failed by a defect", "error", err)
		m.Text = "cannot run the statement: an internal error, which the server's log has"
	}
	return m
}

func decimal(n int) string { return strconv.Itoa(n) }
