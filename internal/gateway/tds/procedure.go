package tds

import (
	"encoding/binary"
	"fmt"
	"strings"

	"freshet.dev/internal/gateway"
)

// What a connection may keep for its client.
const (
	maxPrepared = 1000     // statements
	maxKept     = 64 << 20 // bytes of the texts of its statements, and as many of the rows of its cursors
)

// prepared is a statement that the client runs by its handle.
type prepared struct {
	text     string
	declared []gateway.Param
}

// output is what a procedure sets a parameter to.
type output struct {
	at   int // of the parameter in the call
	info []byte
}

// calls runs the procedures of a message in their order. An error of one is told, and the next one runs, as with SQL Server.
func (c *conn) calls(r *response, calls []call) error {
	r.inside = true
	for i, one := range calls {
		var outputs []output
		var err error
		if one.skipped {
			err = wrong(one.procedure, "was taken back by the client")
		} else {
			outputs, err = c.call(r, one)
		}
		if r.alive() != nil {
			r.inside = false
			return nil // the caller sees why
		}
		status := uint16(0)
		if i < len(calls)-1 {
			status = doneMore
		}
		var number int32
		if err != nil {
			number, status = r.tell(err).Number, status|doneError
		}
		r.close()
		r.settle(doneMore)
		r.put(binary.LittleEndian.AppendUint32([]byte{tokenReturnStatus}, uint32(number)))
		if err == nil {
			c.outputs(r, one, outputs)
		}
		r.done(tokenDoneProc, status, 0, 0)
		if err != nil && r.conn.explain(err).Class >= 20 {
			break
		}
	}
	r.inside = false
	r.pending = nil
	r.settled = true
	return nil
}

// outputs writes the output parameters, each under the name that the client gave it: tedious takes no other. What nothing set has the value that came.
func (c *conn) outputs(r *response, one call, set []output) {
	for i, a := range one.arguments {
		if !a.output {
			continue
		}
		info := a.info
		for _, o := range set {
			if o.at == i {
				info = o.info
			}
		}
		r.put(appendReturn(nil, i, a.Name, info, c.version))
	}
}

// intInfo is TYPE_INFO and value of an int.
func intInfo(n int32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{typeIntN, 4, 4}, uint32(n))
}

// call runs one procedure. Those that work with statements are the protocol's own; all others are the session's.
func (c *conn) call(r *response, one call) ([]output, error) {
	args := one.arguments
	switch one.procedure {
	case "sp_executesql":
		text, err := one.text(0, "@stmt")
		if err != nil {
			return nil, err
		}
		params, err := one.declared(1)
		if err != nil {
			return nil, err
		}
		return nil, c.execute(r, &prepared{text, params}, args[min(2, len(args)):])
	case "sp_prepare":
		statement, err := c.prepare(one, 1)
		if err != nil {
			return nil, err
		}
		columns, err := c.session.Describe(r.ctx, gateway.Request{Text: statement.text, Params: statement.declared})
		if err != nil {
			return nil, err
		}
		const metadata = 1
		if options, ok := one.number(3); ok && options&metadata != 0 && len(columns) > 0 {
			if err := announce(r, columns); err != nil {
				return nil, err
			}
		}
		return []output{{0, intInfo(c.keep(statement))}}, nil
	case "sp_execute":
		statement, err := c.handle(one)
		if err != nil {
			return nil, err
		}
		return nil, c.execute(r, statement, args[1:])
	case "sp_prepexec":
		statement, err := c.prepare(one, 1)
		if err != nil {
			return nil, err
		}
		if err := c.execute(r, statement, args[min(3, len(args)):]); err != nil {
			return nil, err
		}
		return []output{{0, intInfo(c.keep(statement))}}, nil
	case "sp_unprepare", "sp_cursorunprepare":
		if _, err := c.handle(one); err != nil {
			return nil, err
		}
		handle, _ := one.number(0)
		c.drop(int32(handle))
		return nil, nil
	case "sp_describe_first_result_set":
		return nil, c.describe(r, one)
	case resetProcedure:
		return nil, c.reset(r, false)
	}
	if strings.HasPrefix(one.procedure, "sp_cursor") {
		return c.cursorCall(r, one)
	}
	return nil, c.run(r, gateway.Request{Procedure: one.procedure, Params: bound(nil, args)}, r)
}

// execute runs a statement with the values of its parameters.
func (c *conn) execute(r *response, statement *prepared, values []argument) error {
	return c.run(r, gateway.Request{Text: statement.text, Params: bound(statement.declared, values)}, r)
}

// prepare reads the declaration and the text of a statement, which stand in a call from at on.
func (c *conn) prepare(one call, at int) (*prepared, error) {
	params, err := one.declared(at)
	if err != nil {
		return nil, err
	}
	text, err := one.text(at+1, "@stmt")
	if err != nil {
		return nil, err
	}
	if len(c.prepared) >= maxPrepared || c.preparedBytes+len(text) > maxKept {
		return nil, wrong(one.procedure, fmt.Sprintf("would keep more than %d statements or %d bytes of them: close those that are done with", maxPrepared, maxKept))
	}
	return &prepared{text, params}, nil
}

// keep gives a statement a handle.
func (c *conn) keep(statement *prepared) int32 {
	c.handles++
	c.prepared[c.handles] = statement
	c.preparedBytes += len(statement.text)
	return c.handles
}

func (c *conn) drop(handle int32) {
	if statement := c.prepared[handle]; statement != nil {
		c.preparedBytes -= len(statement.text)
		delete(c.prepared, handle)
	}
}

// handle finds the statement whose handle is the first parameter.
func (c *conn) handle(one call) (*prepared, error) {
	handle, _ := one.number(0)
	statement := c.prepared[int32(handle)]
	if statement == nil {
		return nil, &gateway.Error{Message: gateway.Message{Number: numberHandle, State: 1, Class: 16,
			Text: fmt.Sprintf("cannot find the prepared statement with handle %d", handle)}}
	}
	return statement, nil
}

// announce sends the columns of a result without its rows.
func announce(r *response, columns []gateway.Column) error {
	if err := r.Columns(columns); err != nil {
		return err
	}
	r.close()
	r.pending.status = 0 // no rows are counted
	return nil
}

// text is the parameter at a place, which has to be text.
func (one call) text(at int, name string) (string, error) {
	if at < len(one.arguments) {
		if text, ok := one.arguments[at].Value.(string); ok {
			return text, nil
		}
	}
	return "", wrong(one.procedure, fmt.Sprintf("expects parameter '%s', which is text", name))
}

// declared reads the parameter at a place, which declares parameters or is NULL or not there.
func (one call) declared(at int) ([]gateway.Param, error) {
	if at >= len(one.arguments) || one.arguments[at].Value == nil {
		return nil, nil
	}
	text, err := one.text(at, "@params")
	if err != nil {
		return nil, err
	}
	return declared(text), nil
}

// number is the parameter at a place if it is a whole number.
func (one call) number(at int) (int64, bool) {
	if at >= len(one.arguments) {
		return 0, false
	}
	n, ok := one.arguments[at].Value.(int64)
	return n, ok
}

// wrong is the error of a call that cannot be.
func wrong(procedure, text string) error {
	return &gateway.Error{Message: gateway.Message{Number: numberProcedure, State: 1, Class: 16, Text: "cannot run " + procedure + ": it " + text}}
}
