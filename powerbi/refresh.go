package powerbi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"
)

// RefreshOptions are the parts of a POST …/refreshes that are not in its body.
type RefreshOptions struct {
	IdempotencyKey string // Freshet: the same key again answers with the same refresh instead of starting a second one
	Force          bool   // Freshet: commit also what the guards of the configuration refuse
}

// Accepted is the answer to a refresh that was taken.
type Accepted struct {
	RequestID string
	Location  string // absolute; empty where the service sends none (Power BI, for standard refreshes)
	At        time.Time
	Dropped   bool // Freshet: the refresh was accepted and dropped, because one waits already
}

// ErrNoRequestID is the answer of a service (or of a proxy before it) that took a refresh and did not say under which id.
var ErrNoRequestID = errors.New("the answer names no request id: neither RequestId, Location nor x-ms-request-id")

// Refresh starts a refresh. A request without any field besides NotifyOption starts a standard refresh, and is sent without a body when it
// is empty, as other clients do. When the error is a TransportError, whether the refresh was started is not known: Refresh never sends a
// second request by itself.
func (c *Client) Refresh(ctx context.Context, ref Ref, request RefreshRequest, options RefreshOptions) (Accepted, error) {
	return c.start(ctx, ref.path("refreshes"), request, options)
}

func (c *Client) start(ctx context.Context, path string, request RefreshRequest, options RefreshOptions) (Accepted, error) {
	var body any
	if !request.empty() {
		body = request
	}
	return c.post(ctx, path, body, options)
}

// post starts an operation.
func (c *Client) post(ctx context.Context, path string, body any, options RefreshOptions) (Accepted, error) {
	header := http.Header{}
	if options.IdempotencyKey != "" {
		header.Set("Idempotency-Key", options.IdempotencyKey)
	}
	if options.Force {
		header.Set("X-Freshet-Force", "true")
	}
	a, err := c.call(ctx, http.MethodPost, path, nil, header, body, nil)
	if err != nil {
		return Accepted{}, err
	}
	accepted := Accepted{
		RequestID: requestID(a.header), Location: a.header.Get("Location"), At: time.Now(),
		Dropped: a.header.Get("x-freshet-outcome") == "dropped",
	}
	if accepted.RequestID == "" {
		return accepted, fmt.Errorf("cannot follow the refresh that was just started: %w", ErrNoRequestID)
	}
	return accepted, nil
}

func (r RefreshRequest) empty() bool {
	return r.Type == "" && r.CommitMode == "" && r.MaxParallelism == nil && r.RetryCount == nil && len(r.Objects) == 0 &&
		r.ApplyRefreshPolicy == nil && r.EffectiveDate == "" && r.Timeout == "" && r.NotifyOption == ""
}

// requestID prefers Location, which can only be about the new refresh; RequestId is on every answer.
func requestID(header http.Header) string {
	if location, err := url.Parse(header.Get("Location")); err == nil && location.Path != "" {
		return path.Base(location.Path)
	}
	if id := header.Get("RequestId"); id != "" {
		return id
	}
	return header.Get("x-ms-request-id")
}

// Refreshes lists the newest top refreshes, newest first; 0 lists what the service gives by itself (60).
func (c *Client) Refreshes(ctx context.Context, ref Ref, top int) ([]Refresh, error) {
	query := url.Values{}
	if top != 0 {
		query.Set("$top", strconv.Itoa(top))
	}
	var list List[Refresh]
	_, err := c.call(ctx, http.MethodGet, ref.path("refreshes"), query, nil, nil, &list)
	return list.Value, err
}

// RefreshDetail returns the detail of an enhanced refresh. The service refuses it for other kinds.
func (c *Client) RefreshDetail(ctx context.Context, ref Ref, requestID string) (RefreshDetail, error) {
	detail, _, err := c.detail(ctx, ref.path("refreshes", requestID), nil)
	return detail, err
}

func (c *Client) detail(ctx context.Context, path string, header http.Header) (RefreshDetail, answer, error) {
	var detail RefreshDetail
	a, err := c.call(ctx, http.MethodGet, path, nil, header, nil, &detail)
	return detail, a, err
}

// CancelRefresh cancels an enhanced refresh. The service refuses it for other kinds.
func (c *Client) CancelRefresh(ctx context.Context, ref Ref, requestID string) error {
	_, err := c.call(ctx, http.MethodDelete, ref.path("refreshes", requestID), nil, nil, nil, nil)
	return err
}
