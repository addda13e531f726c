package tds

import (
	"context"
	"fmt"

	"freshet.dev/internal/gateway"
)

// maxColumns bounds a result, as SQL Server does; COLMETADATA could say a few more.
const maxColumns = 4096

// response is the answer to one request as it is written.
type response struct {
	ctx       context.Context
	conn      *conn
	inside    bool // a procedure: its results end with DONEINPROC
	attention bool // is all that the request was
	settled   bool // the last DONE is written
	columns   []shape
	open      bool // a result, whose columns were sent
	rows      int64
	pending   *finished
	row       []byte
}

// finished is a statement whose DONE waits for the knowledge whether more follows.
type finished struct {
	status, command uint16
	rows            int64
}

func (r *response) put(b []byte) { _, _ = r.conn.w.Write(b) }

// alive is the error with which everything that writes ends once nobody wants the answer.
func (r *response) alive() error {
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	return r.conn.w.err
}

// Columns begins a result.
func (r *response) Columns(columns []gateway.Column) error {
	if err := r.alive(); err != nil {
		return err
	}
	if len(columns) == 0 || len(columns) > maxColumns {
		return &gateway.Error{Message: gateway.Message{Number: numberColumns, State: 1, Class: 16,
			Text: fmt.Sprintf("cannot send a result of %d columns: there are 1 to %d", len(columns), maxColumns)}}
	}
	shapes := make([]shape, len(columns))
	for i, column := range columns {
		var err error
		if shapes[i], err = shapeOf(column, r.conn.version); err != nil {
			return err
		}
	}
	r.close()
	r.settle(doneMore)
	r.put(appendColumns(nil, shapes, r.conn.version))
	r.columns, r.open, r.rows = shapes, true, 0
	return r.alive()
}

// Row writes a row whole, or not at all.
func (r *response) Row(values []any) error {
	if err := r.alive(); err != nil {
		return err
	}
	if !r.open || len(values) != len(r.columns) {
		return fmt.Errorf("a row of %d values came for %d columns", len(values), len(r.columns))
	}
	row, err := appendRow(r.row[:0], r.columns, values, r.conn.version)
	if err != nil {
		return err
	}
	r.row = row
	r.put(row)
	r.rows++
	return r.alive()
}

// Done ends a result, or a statement that has none.
func (r *response) Done(rows int64) error {
	if err := r.alive(); err != nil {
		return err
	}
	if r.open {
		r.close()
		return nil
	}
	r.settle(doneMore)
	r.pending = &finished{rows: max(rows, 0)}
	if rows >= 0 {
		r.pending.status = doneCount
	}
	return nil
}

// Info sends a message at once.
func (r *response) Info(message gateway.Message) error {
	if err := r.alive(); err != nil {
		return err
	}
	r.settle(doneMore)
	message.Class = min(message.Class, 10)
	r.put(appendMessage(nil, message, r.conn.server.name(), r.conn.version))
	return r.conn.w.flush()
}

// Database tells that the session's database is another one now.
func (r *response) Database(name string) error {
	if err := r.alive(); err != nil {
		return err
	}
	if name == r.conn.database {
		return nil
	}
	r.settle(doneMore)
	r.put(appendChange(nil, changeDatabase, name, r.conn.database))
	r.conn.database = name
	return r.Info(gateway.Message{Number: 5701, State: 2, Text: "Changed database context to '" + name + "'."})
}

// close ends the open result.
func (r *response) close() {
	if r.open {
		const selects = 0xC1
		r.open = false
		r.settle(doneMore)
		r.pending = &finished{status: doneCount, command: selects, rows: r.rows}
	}
}

// settle writes the DONE that waits; more says whether something follows. Without one it writes the last DONE of a reply, where more is 0.
func (r *response) settle(more uint16) {
	if more == 0 {
		r.close()
	}
	token := byte(tokenDone)
	if r.inside {
		token, more = tokenDoneInProc, doneMore
	}
	switch p := r.pending; {
	case p != nil:
		r.pending = nil
		r.done(token, p.status|more, p.command, p.rows)
	case more == 0 && !r.settled:
		r.done(token, 0, 0, 0)
	}
}

func (r *response) done(token byte, status, command uint16, rows int64) {
	if r.conn.transaction != 0 {
		status |= doneInside
	}
	r.put(appendDone(nil, token, status, command, rows, r.conn.version))
}

// fail ends the reply with an error.
func (r *response) fail(err error) {
	r.tell(err)
	r.done(tokenDone, doneError, 0, 0)
}

// tell writes an error.
func (r *response) tell(err error) gateway.Message {
	m := r.conn.explain(err)
	r.open = false // its rows end with the error
	r.settle(doneMore)
	r.put(appendMessage(nil, m, r.conn.server.name(), r.conn.version))
	return m
}

// sink takes what the first result of a request gives and keeps it. Messages and the database go on to the client.
type sink struct {
	*response
	limit   int // bytes
	columns []gateway.Column
	kept    [][]any
	size    int
	results int
	count   int64 // rows of a statement without a result; below 0: none are counted
}

func (s *sink) Columns(columns []gateway.Column) error {
	if s.results++; s.results == 1 {
		s.columns = columns
	}
	return s.alive()
}

func (s *sink) Row(values []any) error {
	if s.results > 1 {
		return s.alive()
	}
	for _, value := range values {
		s.size += 32
		switch v := value.(type) {
		case string:
			s.size += len(v)
		case []byte:
			s.size += len(v)
		}
	}
	if s.size > s.limit {
		return &gateway.Error{Message: gateway.Message{Number: numberCursor, State: 1, Class: 16,
			Text: fmt.Sprintf("cannot keep more than %d bytes for the cursors of a connection: read the result without a cursor, or choose fewer rows or columns", s.limit)}}
	}
	s.kept = append(s.kept, append([]any(nil), values...))
	return s.alive()
}

func (s *sink) Done(rows int64) error {
	if s.results == 0 {
		s.count = rows
	}
	return s.alive()
}
