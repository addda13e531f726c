package powerbi

import (
	"context"
	"crypto/rand"
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
	Found     bool // the answer was lost, and the refresh was found in the history; see Client.Refresh
}

// ErrNoRequestID is the answer of a service (or of a proxy before it) that took a refresh and did not say under which id.
var ErrNoRequestID = errors.New("the answer names no request id: neither RequestId, Location nor x-ms-request-id")

// Refresh starts a refresh, once. A request without any field besides NotifyOption starts a standard refresh, and is sent without a body when
// it is empty, as other clients do.
//
// A refusal that the service makes before it does anything (429, a 503 with Retry-After, an expired token) and a connection that never came
// about are tried again. When the answer to a POST that was sent is lost, in the network or behind a 5xx, the refresh may run, and a second POST might
// start a second one:
//
//   - Freshet honours Idempotency-Key. Every start has one, and is simply sent again: it finds the refresh that the first one started.
//   - Power BI has no such key, and the id of the refresh was in the answer that is lost. Refresh reads the history before it posts, and again after a loss,
//     for up to a minute. An entry that was not there before, is of the same kind (ViaApi or ViaEnhancedApi), began while the POST was under
//     way, and by its detail has the same type, commit mode and objects is taken for the refresh that was asked for: Accepted.Found tells so.
//     (It might be another caller's who asked for the same within the same seconds: the model is refreshed as asked all the same, but think twice before cancelling it.)
//   - What that does not settle is an UnsettledError: no such entry within a minute, several, or a history that cannot be read. The refresh is
//     not posted again; a person, or a program that can bear two refreshes, may do so.
//
// With Retries below 0 nothing is read or sent twice, and a lost answer is an UnsettledError at once.
func (c *Client) Refresh(ctx context.Context, ref Ref, request RefreshRequest, options RefreshOptions) (Accepted, error) {
	var body any
	if !request.empty() {
		body = request
	}
	if options.IdempotencyKey == "" {
		options.IdempotencyKey = rand.Text()
	}
	path := ref.path("refreshes")
	if c.Retries < 0 {
		return c.startOnce(ctx, path, body, options)
	}
	var before snapshot
	if !c.fromFreshet.Load() {
		var err error
		if before, err = c.snapshot(ctx, ref); err != nil {
			return Accepted{}, fmt.Errorf("cannot read the history before the refresh is started (it is not): %w", err)
		}
	}
	if c.fromFreshet.Load() {
		return c.startKeyed(ctx, path, body, options)
	}
	var (
		accepted Accepted
		tries    int
		posted   bool // the last thing that was tried was the POST
	)
	again := func(method string, err error) bool { return posted && mayPass(method, err) }
	err := c.repeat(ctx, http.MethodPost, again, func() (err error) {
		if tries++; tries > 1 { // what was new an hour ago need not be ours
			posted = false
			if before, err = c.snapshot(ctx, ref); err != nil {
				return err
			}
		}
		posted = true
		accepted, err = c.post(ctx, path, body, options)
		return err
	})
	if err != nil && posted && unsettled(err) {
		return c.settle(ctx, ref, request, before, err)
	}
	return accepted, err
}

// startKeyed starts an operation of Freshet, which knows the key.
func (c *Client) startKeyed(ctx context.Context, path string, body any, options RefreshOptions) (accepted Accepted, err error) {
	if options.IdempotencyKey == "" {
		options.IdempotencyKey = rand.Text()
	}
	lost := false
	err = c.repeat(ctx, http.MethodPost, mayPassKeyed, func() error {
		accepted, err = c.post(ctx, path, body, options)
		lost = lost || unsettled(err)
		return err
	})
	var refusal *Error
	final := errors.As(err, &refusal) && !refusal.Retryable() && refusal.Status != http.StatusUnauthorized // an answer to the same key
	if err != nil && lost && !final {
		err = &UnsettledError{Err: err}
	}
	return accepted, err
}

// startOnce starts an operation, and leaves open what is open.
func (c *Client) startOnce(ctx context.Context, path string, body any, options RefreshOptions) (Accepted, error) {
	accepted, err := c.post(ctx, path, body, options)
	if unsettled(err) {
		err = &UnsettledError{Err: err}
	}
	return accepted, err
}

// unsettled tells that after an error the operation may have been started.
func unsettled(err error) bool { return errors.Is(err, ErrNoRequestID) || uncertain(err) }

// post starts an operation by one request.
func (c *Client) post(ctx context.Context, path string, body any, options RefreshOptions) (Accepted, error) {
	header := http.Header{}
	if options.IdempotencyKey != "" {
		// In small letters: net/http sends a request with the header Idempotency-Key again by itself when a kept connection breaks, and Power BI
		// would start a second refresh. In HTTP letter case means nothing.
		header["idempotency-key"] = []string{options.IdempotencyKey}
	}
	if options.Force {
		header.Set("X-Freshet-Force", "true")
	}
	a, err := c.once(ctx, http.MethodPost, path, nil, header, body, nil)
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
	list, _, err := history(ctx, c.call, ref, top)
	return list, err
}

func history(ctx context.Context, call caller, ref Ref, top int) ([]Refresh, answer, error) {
	query := url.Values{}
	if top != 0 {
		query.Set("$top", strconv.Itoa(top))
	}
	var list List[Refresh]
	a, err := call(ctx, http.MethodGet, ref.path("refreshes"), query, nil, nil, &list)
	return list.Value, a, err
}

// RefreshDetail returns the detail of an enhanced refresh. The service refuses it for other kinds.
func (c *Client) RefreshDetail(ctx context.Context, ref Ref, requestID string) (RefreshDetail, error) {
	var detail RefreshDetail
	_, err := c.call(ctx, http.MethodGet, ref.path("refreshes", requestID), nil, nil, nil, &detail)
	return detail, err
}

// CancelRefresh cancels an enhanced refresh. The service refuses it for other kinds. A 409 is a refresh that has ended, perhaps by an earlier try of the
// same call whose answer was lost: Observe tells how.
func (c *Client) CancelRefresh(ctx context.Context, ref Ref, requestID string) error {
	_, err := c.call(ctx, http.MethodDelete, ref.path("refreshes", requestID), nil, nil, nil, nil)
	return err
}
