package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

func (c *call) startRefresh() (reply, error) {
	wish, err := c.wish()
	if err != nil {
		return reply{}, err
	}
	return c.submit(wish, "refresh.start", c.r.URL.EscapedPath())
}

// wish reads the body of a request for a refresh.
func (c *call) wish() (refresh.Submission, error) {
	content, err := io.ReadAll(c.json(maxRefreshBody))
	if err != nil {
		return refresh.Submission{}, bodyFault(err)
	}
	params, warnings, err := decodeRefresh(content)
	return refresh.Submission{Model: c.item.ID, Params: params, Warnings: warnings}, err
}

// planRefresh is F8.
func (c *call) planRefresh() (reply, error) {
	wish, err := c.wish()
	if err != nil {
		return reply{}, err
	}
	preview, err := c.Engine.Preview(c.r.Context(), wish)
	if err != nil {
		return reply{}, rejected(err)
	}
	plan := powerbi.RefreshPlan{
		Type: string(preview.Request.Type), CommitMode: string(preview.Request.CommitMode), ApplyRefreshPolicy: preview.Request.ApplyRefreshPolicy,
		EffectiveDate: preview.Request.EffectiveDate.Format(time.DateOnly), Partitions: []powerbi.PlannedPartition{}, Messages: []powerbi.RefreshMessage{},
	}
	for _, step := range preview.Steps {
		asked := asExplanation(refresh.Explanation{Plan: step.Plan, Err: step.Err})
		planned := powerbi.PlannedPartition{Table: step.Table, Partition: step.Partition, Action: string(step.Kind), New: step.New, Start: step.Start, End: step.End,
			Rows: step.Held, Takes: step.Takes, Polls: step.Polls, Reason: step.Note,
			Statements: asked.Statements, Breaks: asked.Breaks, Why: asked.Why, Error: asked.Error}
		if step.Poll != nil {
			planned.Poll = &powerbi.ExplainedStatement{To: step.Poll.To, Text: step.Poll.Text}
		}
		if step.Failure != nil {
			planned.Error = step.Failure.Message
		}
		plan.Partitions = append(plan.Partitions, planned)
	}
	for _, message := range preview.Messages {
		plan.Messages = append(plan.Messages, powerbi.RefreshMessage{Code: message.Code, Message: message.Text, Type: string(message.Type)})
	}
	return reply{http.StatusOK, plan}, nil
}

// submit hands a wish to the engine and answers with where to look for it, below a path (R4).
func (c *call) submit(wish refresh.Submission, action, below string) (reply, error) {
	if err := c.limit(c.refreshes, c.principal.ID); err != nil {
		return reply{}, err
	}
	wish.Model, wish.RequestedBy = c.item.ID, c.principal.Name
	if key := c.r.Header.Get("Idempotency-Key"); len(key) > maxIdempotencyKey {
		return reply{}, badParameter("cannot use the header Idempotency-Key: it is longer than %d bytes", maxIdempotencyKey)
	} else if key != "" {
		wish.ID = uuid.NewSHA1(idempotencyNamespace, []byte(action+"\n"+c.item.ID+"\n"+c.principal.ID+"\n"+key)).String()
	}
	switch force := c.r.Header.Get(headerForce); {
	case strings.EqualFold(force, "true"):
		wish.Force = true
	case force != "" && !strings.EqualFold(force, "false"):
		return reply{}, badParameter("cannot use the header %s: it is true or false, not %q", headerForce, clip(force))
	}
	operation, outcome, err := c.Engine.Submit(c.r.Context(), wish)
	if err != nil {
		return reply{}, rejected(err)
	}
	c.audit(action, "model", c.item.Name, "modelId", c.item.ID, "refresh", operation.ID, "outcome", outcome)
	header := c.w.Header()
	setRequestID(c.w, operation.ID)
	header[headerMSRequestID] = []string{operation.ID}
	header.Set("Location", scheme(c.r)+"://"+c.r.Host+below+"/"+operation.ID)
	if outcome == refresh.OutcomeDropped {
		header[headerOutcome] = []string{"dropped"}
	}
	return reply{status: http.StatusAccepted}, nil
}

// A caller's Idempotency-Key becomes the id of the refresh: the same key for the same model finds the same refresh.
const maxIdempotencyKey = 255

var idempotencyNamespace = uuid.MustParse("0f0b6b0e-8f4e-4d0e-9f0c-0a4f3c1d7a52")

// rejection begins the text of every refusal of a refresh, as the service's do (contract, section 3.2): clients cut it off.
const rejection = "Invalid dataset refresh request. "

// rejected gives a refusal of the engine its beginning.
func rejected(err error) error {
	var known *fault.Error
	if !errors.As(err, &known) || known.Code != codeInvalid || strings.HasPrefix(known.Message, rejection) {
		return err
	}
	begun := *known
	begun.Message = rejection + known.Message
	return &begun
}

func (c *call) listRefreshes() (reply, error) {
	top, err := number(c.r.URL.Query(), "$top", 1, 0)
	if err != nil {
		return reply{}, err
	}
	operations, err := c.Engine.History(c.r.Context(), c.item.ID, top)
	if err != nil {
		return reply{}, err
	}
	refreshes := make([]powerbi.Refresh, 0, len(operations))
	for _, operation := range operations {
		refreshes = append(refreshes, asRefresh(operation))
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Refresh]{Context: c.context("refreshes"), Value: refreshes}}, nil
}

// asRefresh is an entry of the history (R24): its start is the moment of the 202.
func asRefresh(operation refresh.Operation) powerbi.Refresh {
	status, extended := operation.State.Status()
	return powerbi.Refresh{
		RequestID: operation.ID, RefreshType: string(operation.Trigger),
		StartTime: powerbi.Time{Time: operation.AcceptedAt}, EndTime: powerbi.Time{Time: operation.EndedAt},
		ServiceExceptionJSON: operation.Failure.JSON(), Status: powerbi.Status(status), ExtendedStatus: powerbi.Status(extended),
		RefreshAttempts: asAttempts(operation.Attempts),
	}
}

func asAttempts(attempts []refresh.Attempt) []powerbi.RefreshAttempt {
	var list []powerbi.RefreshAttempt
	for _, attempt := range attempts {
		list = append(list, powerbi.RefreshAttempt{
			AttemptID: attempt.Number, StartTime: powerbi.Time{Time: attempt.StartedAt}, EndTime: powerbi.Time{Time: attempt.EndedAt},
			ServiceExceptionJSON: attempt.Failure.JSON(), Type: "Data",
		})
	}
	return list
}

// detailed is which refreshes Power BI's own routes tell about.
func (c *call) detailed() refresh.Which {
	if c.StandardDetails {
		return refresh.AnyRefresh
	}
	return refresh.EnhancedOnly
}

func (c *call) getRefresh() (reply, error)    { return c.detail(c.detailed()) }
func (c *call) getAnyRefresh() (reply, error) { return c.detail(refresh.AnyRefresh) }

func (c *call) detail(which refresh.Which) (reply, error) {
	id, err := guid(c.r.PathValue("refreshId"))
	if err != nil {
		return reply{}, err
	}
	detail, err := c.Engine.Detail(c.r.Context(), c.item.ID, id, which)
	if err == nil && !detail.Operation.State.Finished() && c.hold(id) {
		detail, err = c.Engine.Detail(c.r.Context(), c.item.ID, id, which)
	}
	if err != nil {
		return reply{}, err
	}
	code := http.StatusAccepted
	if detail.Operation.State.Finished() {
		code = http.StatusOK
	}
	answer := asDetail(detail)
	if answer.Freshet.Chain, err = c.members(detail.Chain); err != nil {
		return reply{}, err
	}
	return reply{code, answer}, nil
}

// members are those of a chain with their names. A chain does not leave its workspace, so that who reads one member may know the others.
func (c *call) members(chain []refresh.Operation) ([]powerbi.ChainMember, error) {
	if len(chain) < 2 {
		return nil, nil
	}
	flows, err := c.Workspaces.Items(c.r.Context(), c.caller(), workspace.DataflowKind, c.item.WorkspaceID)
	if err != nil {
		return nil, err
	}
	members := make([]powerbi.ChainMember, 0, len(chain))
	for _, operation := range chain {
		_, status := operation.State.Status()
		member := powerbi.ChainMember{DataflowID: operation.Model, RequestID: operation.ID, Status: powerbi.Status(status)}
		if i := slices.IndexFunc(flows, func(item workspace.Item) bool { return item.ID == operation.Model }); i >= 0 {
			member.Name = flows[i].Name
		}
		members = append(members, member)
	}
	return members, nil
}

// maxHold bounds how long an answer is held back: shorter than what proxies allow.
const maxHold = 15 * time.Second

// hold waits for the end of a refresh as long as the caller prefers (RFC 7240: Prefer: wait=10), and tells whether it did.
func (c *call) hold(id string) bool {
	for _, preference := range strings.Split(strings.Join(c.r.Header.Values("Prefer"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(preference), "=")
		seconds, err := strconv.ParseUint(value, 10, 16)
		if !strings.EqualFold(name, "wait") || err != nil || seconds == 0 {
			continue
		}
		limit := min(time.Duration(seconds)*time.Second, maxHold)
		ctx, cancel := context.WithTimeout(c.r.Context(), limit)
		defer cancel()
		go func() {
			select {
			case <-c.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		_, _ = c.Engine.Wait(ctx, id) // whatever ended the wait, the detail is read after it
		c.w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(limit.Seconds())))
		return true
	}
	return false
}

// asDetail is the answer of GET …/refreshes/{id} (R28).
func asDetail(detail refresh.Detail) powerbi.RefreshDetail {
	operation := detail.Operation
	status, extended := operation.State.Status()
	if !operation.State.Finished() {
		status = extended // the history says Unknown, the detail what it is
	}
	answer := powerbi.RefreshDetail{
		StartTime: powerbi.Time{Time: operation.AcceptedAt}, EndTime: powerbi.Time{Time: operation.EndedAt},
		Type: string(operation.Request.Type), CommitMode: string(operation.Request.CommitMode),
		Status: powerbi.Status(status), ExtendedStatus: powerbi.Status(extended), CurrentRefreshType: string(operation.Request.Type),
		NumberOfAttempts: len(operation.Attempts), RefreshAttempts: asAttempts(operation.Attempts), Freshet: asProgress(detail),
	}
	for _, object := range detail.Objects {
		answer.Objects = append(answer.Objects, powerbi.RefreshObject{Table: object.Table, Partition: object.Partition, Status: powerbi.Status(object.Status)})
	}
	told := false
	for _, message := range detail.Messages {
		told = told || message.Type == refresh.ErrorMessage
		answer.Messages = append(answer.Messages, powerbi.RefreshMessage{Code: message.Code, Message: message.Text, Type: string(message.Type)})
	}
	if operation.Failure != nil && !told {
		answer.Messages = append(answer.Messages, powerbi.RefreshMessage{Code: operation.Failure.Code, Message: operation.Failure.Message, Type: string(refresh.ErrorMessage)})
	}
	return answer
}

// asProgress is what Freshet tells beyond Power BI: rows, bytes and speed of each partition (F3).
func asProgress(detail refresh.Detail) *powerbi.Progress {
	type place struct{ table, partition string }
	running := map[place]refresh.Progress{}
	for _, load := range detail.Progress {
		running[place{load.Table, load.Partition}] = load
	}
	progress := &powerbi.Progress{
		RequestID: detail.Operation.ID, RefreshType: string(detail.Operation.Trigger), State: string(detail.Operation.State),
		Version: detail.Operation.Version, Forced: detail.Operation.Request.Force, Objects: []powerbi.ObjectProgress{},
	}
	if rollback := detail.Operation.Request.Rollback; rollback != nil {
		progress.Rollback = &powerbi.RollbackRequest{Version: rollback.Version, WithDefinition: rollback.WithDefinition}
	}
	for _, object := range detail.Objects {
		o := powerbi.ObjectProgress{
			Table: object.Table, Partition: object.Partition, Status: powerbi.Status(object.Status), Note: object.Note,
			StartTime: powerbi.Time{Time: object.StartedAt}, EndTime: powerbi.Time{Time: object.EndedAt}, Rows: object.Rows, Bytes: object.Bytes,
		}
		if load, loads := running[place{object.Table, object.Partition}]; loads {
			o.Rows, o.Bytes = max(o.Rows, load.Rows), max(o.Bytes, load.Bytes)
			o.TotalRows, o.TotalBytes = load.TotalRows, load.TotalBytes
			o.RowsPerSecond = int64(load.RowsPerSec)
			if !load.Done {
				o.ExpectedEnd = powerbi.Time{Time: load.ExpectedEnd}
			}
		}
		if object.Failure != nil {
			o.Error = object.Failure.Message
			if failure := object.Failure; failure.Cause != "" {
				o.Failure = &powerbi.ObjectFailure{Code: failure.Code, Message: failure.Cause, Column: failure.Where.Column, Row: failure.Where.Row, Hint: failure.Hint}
			}
		}
		progress.Rows += o.Rows
		progress.Bytes += o.Bytes
		progress.Objects = append(progress.Objects, o)
	}
	return progress
}

func (c *call) cancelRefresh() (reply, error)    { return c.cancel(refresh.EnhancedOnly) }
func (c *call) cancelAnyRefresh() (reply, error) { return c.cancel(refresh.AnyRefresh) }

func (c *call) cancel(which refresh.Which) (reply, error) {
	id, err := guid(c.r.PathValue("refreshId"))
	if err != nil {
		return reply{}, err
	}
	if err := c.Engine.Cancel(c.r.Context(), c.item.ID, id, which); err != nil {
		return reply{}, err
	}
	c.audit("refresh.cancel", "model", c.item.Name, "modelId", c.item.ID, "refresh", id)
	return reply{status: http.StatusOK}, nil
}

func (c *call) startOnDemand() (reply, error) {
	return c.submit(refresh.Submission{Trigger: refresh.OnDemand}, "refresh.start", c.r.URL.EscapedPath())
}
