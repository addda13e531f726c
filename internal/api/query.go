package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/query"
	"freshet.dev/powerbi"
)

// How answers are written: in pieces of this size, each of which the reader must take within this time.
const (
	maxQueryBody = 1 << 20
	streamPiece  = 64 << 10
	streamStall  = 2 * time.Minute
)

// query streams the answer to one SELECT: a head, an array for each row, a tail (see powerbi.QueryHead).
func (c *call) query() (reply, error) {
	var request powerbi.QueryRequest
	if err := c.decodeStrict(maxQueryBody, &request); err != nil {
		return reply{}, err
	}
	if strings.TrimSpace(request.SQL) == "" {
		return reply{}, fault.New(fault.Invalid, codeInvalid, "cannot run a query without a statement").WithHint(`Send {"sql":"SELECT …"}.`)
	}
	result, err := c.Queries.Query(c.r.Context(), c.item.ID, request.SQL)
	if err != nil {
		return reply{}, err
	}
	defer result.Close()
	c.begun = true
	c.w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	if err := c.stream(result); err != nil {
		// The status is sent; what is left is to break off, so that the reader misses the tail.
		c.Logger.DebugContext(c.r.Context(), "the reader of a query hung up", "model", c.item.Name, "error", err)
		panic(http.ErrAbortHandler)
	}
	return reply{}, nil
}

// listQueryTables tells what queries can name.
func (c *call) listQueryTables() (reply, error) {
	tables, err := c.Queries.Tables(c.r.Context(), c.item.ID)
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.QueryTable, len(tables))
	for i, table := range tables {
		list[i] = powerbi.QueryTable{Name: table.Name, Columns: []powerbi.QueryColumn{}}
		for _, column := range table.Columns {
			list[i].Columns = append(list[i].Columns, powerbi.QueryColumn{Name: column.Name, Type: column.Type})
		}
		if table.Refused != nil {
			list[i].Refused = table.Refused.Error()
		}
	}
	return reply{http.StatusOK, powerbi.List[powerbi.QueryTable]{Value: list}}, nil
}

// stream writes the rows as they come. A reader that takes nothing for a while is cut off: it holds a version and memory.
func (c *call) stream(result *query.Result) error {
	out := bufio.NewWriterSize(&pieces{http.NewResponseController(c.w), c.w}, streamPiece)
	head := powerbi.QueryHead{Version: result.Version, Columns: make([]powerbi.QueryColumn, 0, len(result.Columns))}
	for _, column := range result.Columns {
		head.Columns = append(head.Columns, powerbi.QueryColumn{Name: column.Name, Type: column.Type})
	}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(head); err != nil {
		return err
	}
	var (
		rows int64
		line []byte
	)
	for result.Next() {
		line = append(result.AppendJSON(line[:0]), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
		rows++
	}
	tail := powerbi.QueryTail{Rows: &rows}
	if err := result.Err(); err != nil {
		detail := describe(err, requestID(c.w))
		tail = powerbi.QueryTail{Error: &detail}
		c.Logger.WarnContext(c.r.Context(), "a query failed on its way", "model", c.item.Name, "requestId", requestID(c.w), "error", err)
	}
	if err := lines.Encode(tail); err != nil {
		return err
	}
	return out.Flush()
}

// pieces sets a limit of time for each piece that is written. A reader that never reads would hold its handler for good.
type pieces struct {
	controller *http.ResponseController
	w          http.ResponseWriter
}

func (p *pieces) Write(content []byte) (written int, err error) {
	for written < len(content) {
		if err := p.controller.SetWriteDeadline(time.Now().Add(streamStall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return written, err
		}
		n, err := p.w.Write(content[written:min(len(content), written+streamPiece)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
