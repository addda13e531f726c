package tds

import (
	"errors"
	"fmt"
	"strings"

	"freshet.dev/internal/gateway"
)

// cursor is the result of a statement, kept for a client that reads it in pieces. It is static and read only, which clients are told. One of a table that
// gives no rows without a parameter is empty, and takes rows: so OLE DB inserts into a table.
type cursor struct {
	table   string           // that rows may be inserted into; "": none
	columns []gateway.Column // with ROWSTAT at their end
	rows    [][]any
	size    int // bytes
	start   int // the first row of the last fetch, from 1; 0 is before the first, len(rows)+1 behind the last
	fetched int // rows of the last fetch
}

// The kinds of cursors and of fetches, and what an open may ask for beside.
const (
	cursorForward     = 4
	cursorStatic      = 8
	cursorFastForward = 16
	cursorAutoFetch   = 0x2000
	cursorReadOnly    = 1
	cursorOptimistic  = 4

	changeInsert = 4 // of sp_cursor

	fetchFirst    = 1
	fetchNext     = 2
	fetchPrevious = 4
	fetchLast     = 8
	fetchAbsolute = 16
	fetchRelative = 32
	fetchRefresh  = 128
	fetchInfo     = 256
)

// cursorCall runs a procedure about cursors.
func (c *conn) cursorCall(r *response, one call) ([]output, error) {
	args := one.arguments
	switch one.procedure {
	case "sp_cursoropen": // cursor, text, scrollopt, ccopt, rowcount, declaration, values
		text, err := one.text(1, "@stmt")
		if err != nil {
			return nil, err
		}
		params, err := one.declared(5)
		if err != nil {
			return nil, err
		}
		return c.openCursor(r, one, &prepared{text, params}, 0, 2, args[min(6, len(args)):])
	case "sp_cursorprepare": // handle, declaration, text, options
		statement, err := c.prepare(one, 1)
		if err != nil {
			return nil, err
		}
		columns, err := c.session.Describe(r.ctx, gateway.Request{Text: statement.text, Params: statement.declared})
		if err != nil {
			return nil, err
		}
		if len(columns) > 0 {
			if err := announce(r, withStatus(columns)); err != nil {
				return nil, err
			}
		}
		return []output{{0, intInfo(c.keep(statement))}, {4, intInfo(cursorStatic)}, {5, intInfo(cursorReadOnly)}}, nil
	case "sp_cursorexecute": // handle, cursor, scrollopt, ccopt, rowcount, values
		statement, err := c.handle(one)
		if err != nil {
			return nil, err
		}
		return c.openCursor(r, one, statement, 1, 2, args[min(5, len(args)):])
	case "sp_cursorprepexec": // handle, cursor, declaration, text, scrollopt, ccopt, rowcount, values
		statement, err := c.prepare(one, 2)
		if err != nil {
			return nil, err
		}
		outputs, err := c.openCursor(r, one, statement, 1, 4, args[min(7, len(args)):])
		if err != nil {
			return nil, err
		}
		return append(outputs, output{0, intInfo(c.keep(statement))}), nil
	case "sp_cursorfetch":
		return c.fetch(r, one)
	case "sp_cursoroption": // names for cursors and text as pointers, which change nothing here
		_, err := c.cursor(one)
		return nil, err
	case "sp_cursorclose":
		handle, _ := one.number(0)
		const all = -1
		if handle == all {
			clear(c.cursors)
			c.cursorBytes = 0
			return nil, nil
		}
		open, err := c.cursor(one)
		if err != nil {
			return nil, err
		}
		c.cursorBytes -= open.size
		delete(c.cursors, int32(handle))
		return nil, nil
	case "sp_cursor":
		open, err := c.cursor(one)
		if err != nil {
			return nil, err
		}
		if kind, _ := one.number(1); kind&changeInsert != 0 && open.table != "" {
			return nil, c.insert(r, open, one)
		}
		return nil, &gateway.Error{Message: gateway.Message{Number: numberCursorReading, State: 1, Class: 16,
			Text: "cannot change rows through a cursor: it is read only. " + instead}}
	}
	return nil, wrong(one.procedure, "is no procedure about cursors")
}

// openCursor runs a statement and keeps its result. cursorAt and optionsAt say where its handle and its options (scrollopt, ccopt, rowcount) stand in the call.
func (c *conn) openCursor(r *response, one call, statement *prepared, cursorAt, optionsAt int, values []argument) ([]output, error) {
	result := &sink{response: r, limit: maxKept - c.cursorBytes, count: -1}
	request := gateway.Request{Text: statement.text, Params: bound(statement.declared, values)}
	table, control := "", int32(cursorReadOnly)
	if err := c.run(r, request, result); err != nil {
		var missing *gateway.Error
		const concurrency = 0xF
		if wanted, _ := one.number(optionsAt + 1); wanted&concurrency <= cursorReadOnly || !errors.As(err, &missing) || missing.Number != numberMissing {
			return nil, err
		}
		columns, described := c.session.Describe(r.ctx, request)
		if table = wholeTable(statement.text); described != nil || table == "" || len(columns) == 0 {
			return nil, err
		}
		result.columns, result.results, control = columns, 1, cursorOptimistic
	}
	if result.results == 0 { // nothing to read: it has run, and that is all
		return []output{{cursorAt, intInfo(0)}}, r.Done(result.count)
	}
	open := &cursor{table: table, columns: withStatus(result.columns), rows: result.kept, size: result.size}
	c.handles++
	c.cursors[c.handles] = open
	c.cursorBytes += open.size
	asked, _ := one.number(optionsAt)
	kind := int32(cursorStatic)
	if asked&(cursorForward|cursorFastForward) != 0 {
		kind = int32(asked & (cursorForward | cursorFastForward))
	}
	if count, _ := one.number(optionsAt + 2); asked&cursorAutoFetch != 0 && count > 0 {
		kind |= cursorAutoFetch
		count := int(min(count, int64(len(open.rows))))
		if err := open.send(r, open.move(fetchNext, 0, count), count); err != nil {
			return nil, err
		}
	} else if err := announce(r, open.columns); err != nil {
		return nil, err
	}
	return []output{{cursorAt, intInfo(c.handles)}, {optionsAt, intInfo(kind)}, {optionsAt + 1, intInfo(control)},
		{optionsAt + 2, intInfo(int32(len(open.rows)))}}, nil
}

// wholeTable is the table of SELECT * FROM table; "": the statement is another one.
func wholeTable(text string) string {
	words := strings.Fields(text)
	if len(words) == 4 && strings.EqualFold(strings.Join(words[:3], " "), "select * from") {
		return words[3]
	}
	return ""
}

// insert inserts a row through a cursor: sp_cursor has its values behind the table, by the names of their columns.
func (c *conn) insert(r *response, open *cursor, one call) error {
	var names, values []string
	var params []gateway.Param
	for i, a := range one.arguments[min(4, len(one.arguments)):] {
		names = append(names, "["+strings.ReplaceAll(strings.TrimPrefix(a.Name, "@"), "]", "]]")+"]")
		param := gateway.Param{Name: "@value" + decimal(i+1), Type: a.Type, Value: a.Value}
		values, params = append(values, param.Name), append(params, param)
	}
	if len(names) == 0 {
		return wrong(one.procedure, "inserts a row without values")
	}
	text := "INSERT INTO " + open.table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
	return c.run(r, gateway.Request{Text: text, Params: params}, r)
}

// withStatus adds the column that tells drivers how the fetch of each row went. They take it off.
func withStatus(columns []gateway.Column) []gateway.Column {
	return append(append([]gateway.Column(nil), columns...), gateway.Column{Name: "ROWSTAT", Type: gateway.Type{Kind: gateway.Int}})
}

func (c *conn) cursor(one call) (*cursor, error) {
	handle, _ := one.number(0)
	open := c.cursors[int32(handle)]
	if open == nil {
		return nil, &gateway.Error{Message: gateway.Message{Number: numberCursor, State: 1, Class: 16, Text: fmt.Sprintf("cannot find the cursor with handle %d", handle)}}
	}
	return open, nil
}

// fetch answers sp_cursorfetch: cursor, kind, row, rows.
func (c *conn) fetch(r *response, one call) ([]output, error) {
	open, err := c.cursor(one)
	if err != nil {
		return nil, err
	}
	kind, given := one.number(1)
	if !given {
		kind = fetchNext
	}
	row, _ := one.number(2)
	count, given := one.number(3)
	if !given {
		count = 1
	}
	if kind == fetchInfo {
		return []output{{2, intInfo(int32(open.start))}, {3, intInfo(int32(len(open.rows)))}}, nil
	}
	count = min(max(count, 0), int64(len(open.rows)))
	return nil, open.send(r, open.move(kind, row, int(count)), int(count))
}

// move sets the cursor to a fetch of so many rows and returns its first row, from 1.
func (o *cursor) move(kind, row int64, count int) int {
	all := int64(len(o.rows))
	start := int64(o.start)
	switch kind &^ 0x200 { // which asks for no adjustment at the first rows
	case fetchFirst:
		start = 1
	case fetchNext:
		start += int64(max(o.fetched, 0))
		if o.start == 0 {
			start = 1
		}
	case fetchPrevious:
		// A fetch that would begin before the first row begins at it; only from there it leaves the rows.
		if start -= int64(count); start < 1 && o.start > 1 {
			start = 1
		}
	case fetchLast:
		start = max(1, all-int64(count)+1)
	case fetchAbsolute:
		if start = row; row < 0 {
			start = all + 1 + max(row, -all-1)
		}
	case fetchRelative:
		start += min(max(row, -all-1), all+1)
	case fetchRefresh:
	}
	o.start = int(min(max(start, 0), all+1))
	return o.start
}

// send sends so many rows from start on.
func (o *cursor) send(r *response, start, count int) error {
	if err := r.Columns(o.columns); err != nil {
		return err
	}
	o.fetched = 0
	const fetched = 1
	for i := start; i >= 1 && i <= len(o.rows) && o.fetched < count; i++ {
		if err := r.Row(append(append([]any(nil), o.rows[i-1]...), int64(fetched))); err != nil {
			return err
		}
		o.fetched++
	}
	return r.Done(-1)
}
