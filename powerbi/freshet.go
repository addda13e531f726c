package powerbi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// serverName is the Server header of Freshet, by which Wait knows that Freshet's own routes exist.
const serverName = "Freshet"

func own(parts ...string) string { return join("/v1.0/freshet", parts) }

// Definition is a model's definition as files, a TMDL folder or one model.bim, and where to put it.
type Definition struct {
	Workspace       string            `json:"workspace,omitempty"`       // name or GUID; "" is the caller's own workspace
	CreateWorkspace bool              `json:"createWorkspace,omitempty"` // when there is none of that name
	Name            string            `json:"name,omitempty"`            // "" takes the definition's own name
	Files           map[string][]byte `json:"files"`                     // by path, with slashes; base64 in JSON
	Plan            bool              `json:"plan,omitempty"`            // only tell what a deployment would do
}

// DataflowKind is the kind of a deployment that is a dataflow's.
const DataflowKind = "dataflow"

// Deployment is what a deployment did, or would do.
type Deployment struct {
	Workspace        Group             `json:"workspace"`
	Kind             string            `json:"kind"`    // model or DataflowKind
	Dataset          Dataset           `json:"dataset"` // the model or dataflow; without an id in the plan of a new one
	Created          bool              `json:"created"`
	CreatedWorkspace bool              `json:"createdWorkspace"`
	Revision         int64             `json:"revision"`
	Partitions       []PartitionChange `json:"partitions"`
	Warnings         []string          `json:"warnings"`
}

// PartitionChange is what a deployment does to the data of one partition.
type PartitionChange struct {
	Table     string `json:"table"`
	Partition string `json:"partition"`
	Change    string `json:"change"` // added, kept, emptied, removed
	Reason    string `json:"reason,omitempty"`
	Rows      int64  `json:"rows"` // kept or lost
}

// Deploy (Freshet) puts a definition into a workspace. A model of the same name is changed; the data of partitions whose source and
// columns are the same stays.
func (c *Client) Deploy(ctx context.Context, definition Definition) (Deployment, error) {
	var deployment Deployment
	_, err := c.call(ctx, http.MethodPost, own("datasets"), nil, nil, definition, &deployment)
	return deployment, err
}

// ChangeGroup (Freshet) sets what can be set of a workspace, and returns it.
func (c *Client) ChangeGroup(ctx context.Context, groupID string, settings GroupSettings) (Group, error) {
	var group Group
	_, err := c.call(ctx, http.MethodPatch, own("groups", groupID), nil, nil, settings, &group)
	return group, err
}

// Model is a semantic model with its workspace.
type Model struct {
	Dataset
	Group    Group `json:"group"`
	Revision int64 `json:"revision"` // counts deployments
	Version  int64 `json:"version"`  // of the data
}

// Models (Freshet) lists the models of all workspaces that the caller sees.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var list List[Model]
	_, err := c.call(ctx, http.MethodGet, own("datasets"), nil, nil, nil, &list)
	return list.Value, err
}

// RefreshOnDemand (Freshet) starts a standard refresh as a person at a page does: its kind is OnDemand.
func (c *Client) RefreshOnDemand(ctx context.Context, datasetID string, options RefreshOptions) (Accepted, error) {
	return c.startKeyed(ctx, own("datasets", datasetID, "refreshes"), nil, options)
}

// AnyRefreshes (Freshet) lists the refreshes of a model or dataflow as Refreshes does.
func (c *Client) AnyRefreshes(ctx context.Context, id string, top int) ([]Refresh, error) {
	query := url.Values{}
	if top != 0 {
		query.Set("$top", strconv.Itoa(top))
	}
	var list List[Refresh]
	_, err := c.call(ctx, http.MethodGet, own("datasets", id, "refreshes"), query, nil, nil, &list)
	return list.Value, err
}

// AnyRefreshSchedule (Freshet) returns the schedule of a model or dataflow.
func (c *Client) AnyRefreshSchedule(ctx context.Context, id string) (RefreshSchedule, error) {
	var schedule RefreshSchedule
	_, err := c.call(ctx, http.MethodGet, own("datasets", id, "refreshSchedule"), nil, nil, nil, &schedule)
	return schedule, err
}

// AnyRefreshDetail (Freshet) returns the detail of a refresh of any kind.
func (c *Client) AnyRefreshDetail(ctx context.Context, datasetID, requestID string) (RefreshDetail, error) {
	var detail RefreshDetail
	_, err := c.call(ctx, http.MethodGet, own("datasets", datasetID, "refreshes", requestID), nil, nil, nil, &detail)
	return detail, err
}

// CancelAnyRefresh (Freshet) cancels a refresh of any kind.
func (c *Client) CancelAnyRefresh(ctx context.Context, datasetID, requestID string) error {
	_, err := c.call(ctx, http.MethodDelete, own("datasets", datasetID, "refreshes", requestID), nil, nil, nil, nil)
	return err
}

// Version is one version of a model's data that is kept.
type Version struct {
	Number      int64  `json:"version"`
	CommittedAt Time   `json:"committedAt"`
	RequestID   string `json:"requestId,omitempty"` // of the refresh or rollback that committed it; none for a deployment
	Revision    int64  `json:"revision"`            // of the model's definition
	Rows        int64  `json:"rows"`
	Bytes       int64  `json:"bytes"` // of its files; versions share those of partitions that did not change
	Current     bool   `json:"current,omitempty"`
}

// Versions (Freshet) lists the versions of a model's data that are kept, newest first.
func (c *Client) Versions(ctx context.Context, datasetID string) ([]Version, error) {
	var list List[Version]
	_, err := c.call(ctx, http.MethodGet, own("datasets", datasetID, "versions"), nil, nil, nil, &list)
	return list.Value, err
}

// RollbackRequest says where a rollback goes back to.
type RollbackRequest struct {
	Version        int64 `json:"version,omitempty"`        // 0 is the one before the current one
	WithDefinition bool  `json:"withDefinition,omitempty"` // deploy the version's definition again where the model has another one now
}

// Rollback (Freshet) starts to make a copy of an earlier version of a model's data the next one. It is followed and cancelled as a refresh on
// demand is.
func (c *Client) Rollback(ctx context.Context, datasetID string, request RollbackRequest, options RefreshOptions) (Accepted, error) {
	return c.startKeyed(ctx, own("datasets", datasetID, "rollback"), request, options)
}

// Verification is what the data files of a model's kept versions turned out to be.
type Verification struct {
	Files   int           `json:"files"`
	Bytes   int64         `json:"bytes"`
	Damaged []DamagedFile `json:"damaged"`
}

// DamagedFile is a data file that is missing, or not what was written.
type DamagedFile struct {
	Table     string  `json:"table"`
	Partition string  `json:"partition"`
	File      string  `json:"file"`              // its id
	Versions  []int64 `json:"versions"`          // that hold it, newest first
	Current   bool    `json:"current,omitempty"` // one of them is what readers see
	Problem   string  `json:"problem"`
	Advice    string  `json:"advice"`
}

// Verify (Freshet) reads every file of the versions of a model's data that are kept, and compares it with its checksum.
func (c *Client) Verify(ctx context.Context, datasetID string) (Verification, error) {
	var found Verification
	_, err := c.call(ctx, http.MethodPost, own("datasets", datasetID, "verify"), nil, nil, nil, &found)
	return found, err
}

// Explanation is what one partition asks of its source.
type Explanation struct {
	Table      string               `json:"table"`
	Partition  string               `json:"partition"`
	Statements []ExplainedStatement `json:"statements,omitempty"`
	Steps      []ExplainedStep      `json:"steps,omitempty"`  // in the order of evaluation
	Breaks     string               `json:"breaks,omitempty"` // the first step that is evaluated row by row
	Why        string               `json:"why,omitempty"`    // the reason for that
	Note       string               `json:"note,omitempty"`   // why the partition is not loaded at all
	Error      string               `json:"error,omitempty"`  // why the expression cannot be evaluated
}

// ExplainedStatement is a statement and who gets it.
type ExplainedStatement struct {
	To   string `json:"to"`
	Text string `json:"text"`
}

// ExplainedStep is one step of a partition's expression.
type ExplainedStep struct {
	Name  string `json:"name"`
	Where string `json:"where"` // the kind of source, DuckDB, or rows
	Why   string `json:"why,omitempty"`
}

// Explain (Freshet) tells what a table's partitions send to their sources; partition "" means all.
func (c *Client) Explain(ctx context.Context, datasetID, table, partition string) ([]Explanation, error) {
	query := url.Values{"table": {table}}
	if partition != "" {
		query.Set("partition", partition)
	}
	var list List[Explanation]
	_, err := c.call(ctx, http.MethodGet, own("datasets", datasetID, "explain"), query, nil, nil, &list)
	return list.Value, err
}

// RefreshPlan is what a refresh would do if it began now.
type RefreshPlan struct {
	Type               string             `json:"type"`
	CommitMode         string             `json:"commitMode"`
	ApplyRefreshPolicy bool               `json:"applyRefreshPolicy"`
	EffectiveDate      string             `json:"effectiveDate"` // 2026-03-31; what refresh policies take for today
	Partitions         []PlannedPartition `json:"partitions"`
	Messages           []RefreshMessage   `json:"messages"`
}

// PlannedPartition is what would happen to one partition.
type PlannedPartition struct {
	Table     string `json:"table"`
	Partition string `json:"partition"`
	// Load, Clear, Defragment, Keep, and by a refresh policy Merge (it takes over the files of partitions that end), Compact (which rewrites them as one), Drop (it is older
	// than the window) and Remove (others have its rows, or read them).
	Action     string               `json:"action"`
	New        bool                 `json:"new,omitempty"`   // it is made by the refresh
	Start      string               `json:"start,omitempty"` // of a policy's partition, whose rows are those in [start, end)
	End        string               `json:"end,omitempty"`
	Rows       int64                `json:"rows,omitempty"`       // that it has now
	Takes      []string             `json:"takes,omitempty"`      // the partitions whose files are taken over
	Polls      bool                 `json:"polls,omitempty"`      // after its polling expression was evaluated
	Poll       *ExplainedStatement  `json:"poll,omitempty"`       // what that asks of a source first
	Reason     string               `json:"reason,omitempty"`     // why
	Statements []ExplainedStatement `json:"statements,omitempty"` // what a load asks of the source
	Breaks     string               `json:"breaks,omitempty"`     // the first step of its expression that is evaluated row by row
	Why        string               `json:"why,omitempty"`        // the reason for that
	Error      string               `json:"error,omitempty"`      // why it cannot be loaded
}

// PlanRefresh (Freshet) tells what a refresh would do, why, and what it would ask of the sources. Nothing is changed.
func (c *Client) PlanRefresh(ctx context.Context, datasetID string, request RefreshRequest) (RefreshPlan, error) {
	var plan RefreshPlan
	_, err := c.call(ctx, http.MethodPost, own("datasets", datasetID, "plan"), nil, nil, request, &plan)
	return plan, err
}

// QueryColumn is a column of a query's result.
type QueryColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// QueryTable is a table that queries can name.
type QueryTable struct {
	Name    string        `json:"name"`
	Columns []QueryColumn `json:"columns"`           // that they can read
	Refused string        `json:"refused,omitempty"` // why they cannot read it
}

// QueryTables (Freshet) lists the tables of a model, or the entities of a dataflow, as queries see them.
func (c *Client) QueryTables(ctx context.Context, datasetID string) ([]QueryTable, error) {
	var list List[QueryTable]
	_, err := c.call(ctx, http.MethodGet, own("datasets", datasetID, "tables"), nil, nil, nil, &list)
	return list.Value, err
}

// QueryRequest is the body of a query.
type QueryRequest struct {
	SQL string `json:"sql"`
}

// A query's answer is a stream of JSON texts, one a line: a QueryHead, then an array for each row, then a QueryTail. An answer without its
// tail was cut off.
type (
	// QueryHead begins the answer to a query.
	QueryHead struct {
		Version int64         `json:"version"`
		Columns []QueryColumn `json:"columns"`
	}
	// QueryTail ends the answer to a query.
	QueryTail struct {
		Rows  *int64       `json:"rows,omitempty"`
		Error *ErrorDetail `json:"error,omitempty"`
	}
)

// maxLine bounds one row of a query's answer.
const maxLine = 64 << 20

// Rows is the running answer to a query. Close it.
type Rows struct {
	QueryHead
	body  io.ReadCloser
	lines *bufio.Reader
	count int64
	ended error
}

// Query (Freshet) runs one SELECT over a model's current version.
func (c *Client) Query(ctx context.Context, datasetID, sql string) (*Rows, error) {
	var response *http.Response
	err := c.repeat(ctx, http.MethodPost, mayPassKeyed, func() (err error) { // it changes nothing
		response, err = c.send(ctx, http.MethodPost, own("datasets", datasetID, "query"), nil, nil, QueryRequest{SQL: sql})
		return err
	})
	if err != nil {
		return nil, err
	}
	rows := &Rows{body: response.Body, lines: bufio.NewReaderSize(response.Body, 64<<10)}
	line, err := rows.line()
	if err == nil {
		err = json.Unmarshal(line, &rows.QueryHead)
	}
	if err != nil {
		response.Body.Close()
		return nil, fmt.Errorf("cannot read the answer to the query: %w", err)
	}
	return rows, nil
}

// Next returns the next row, one JSON value a column; io.EOF after the last.
func (r *Rows) Next() ([]json.RawMessage, error) {
	if r.ended != nil {
		return nil, r.ended
	}
	line, err := r.line()
	if err == nil && line[0] == '[' {
		var row []json.RawMessage
		if err = json.Unmarshal(line, &row); err == nil {
			r.count++
			return row, nil
		}
	}
	if err == nil {
		err = r.tail(line)
	} else {
		err = fmt.Errorf("cannot read the answer to the query after %d rows: %w", r.count, err)
	}
	r.ended = err
	return nil, err
}

func (r *Rows) tail(line []byte) error {
	var tail QueryTail
	if err := json.Unmarshal(line, &tail); err != nil {
		return fmt.Errorf("cannot read the end of the answer to the query: %w", err)
	}
	switch {
	case tail.Error != nil:
		return fmt.Errorf("%s: %s", tail.Error.Code, tail.Error.Message)
	case tail.Rows == nil || *tail.Rows != r.count:
		return fmt.Errorf("cannot read the answer to the query: %d rows came, and its end does not say so", r.count)
	}
	return io.EOF
}

// line returns the next line that is not empty, without its end.
func (r *Rows) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("a row is longer than %d bytes", maxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 {
			return trimmed, nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		line = line[:0]
	}
}

// Close ends the query, also when not all rows were read.
func (r *Rows) Close() error { return r.body.Close() }
