package powerbi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// WaitOptions say how Wait waits. The zero value is right for most callers.
type WaitOptions struct {
	Interval time.Duration   // between two reads; 0: 1 s at first, growing to 15 s. From 1 s on Freshet answers sooner when the refresh ends
	Since    time.Time       // when the service took the refresh; zero: when Wait is called
	Observe  func(Observed)  // called after each read that told something, from the goroutine that calls Wait
	Own      bool            // the service is Freshet: its own detail is read, which rollbacks and refreshes of dataflows have, too
	OnError  func(err error) // called for each failed read that Wait does not give up at
}

// Observed is what one read told about a refresh.
type Observed struct {
	Status Status        // the most telling of status and extended status
	Detail RefreshDetail // what is known of the detail; for kinds without one, what the history tells
}

// Result is how a refresh ended.
type Result struct {
	RequestID string
	Status    Status // Completed, Failed, TimedOut, Cancelled, Disabled
	Detail    RefreshDetail
}

// Err returns nil for a completed refresh, else a RefreshError.
func (r Result) Err() error {
	if r.Status == Completed {
		return nil
	}
	return &RefreshError{Result: r}
}

// RefreshError is a refresh that ended without success.
type RefreshError struct{ Result Result }

func (e *RefreshError) Error() string {
	text := "cannot refresh (request " + e.Result.RequestID + "): " + string(e.Result.Status)
	for _, message := range e.Result.Detail.Messages {
		if message.Type != "Warning" {
			text += "\n" + strings.TrimSpace(message.Code+" "+message.Message)
		}
	}
	return text
}

// The ways in which Wait gives up before it knows an end.
var (
	// ErrDropped: the service took the refresh with a 202, but a minute later still does not know it. The service drops a standard refresh
	// when one runs and one waits.
	ErrDropped = errors.New("the service dropped the refresh: a minute after it was accepted there is still no trace of it")
	// ErrVanished: the refresh was seen, and is now neither in its detail nor in the history.
	ErrVanished = errors.New("the refresh was seen before, but for a minute the service has not known it any more")
)

// droppedAfter is how long a refresh may be unknown to the service that accepted it. At least leastMissing reads in a row, over half of that time,
// must have missed it: the first one after a long Retry-After may do so by chance.
const (
	droppedAfter = time.Minute
	leastMissing = 5
)

// Wait follows one refresh to its end. It returns an error only when it cannot know the end: ctx ended, the token is refused, or the
// service does not know the request id. A refresh that fails is a Result with its Status; see Result.Err.
//
// A status ends the wait only when nothing in the same answer says otherwise: an HTTP 202, an extended status that is not an end, and a word
// that Wait does not know all keep it waiting. Failed reads, 429 and 5xx among them, are repeated without end, whatever Retries says, after the time that a
// Retry-After names. The end of the refresh is what counts, so a Retry-After is obeyed even when it is an hour; where ctx has a deadline
// before that, Wait ends at once with a DeadlineError. A token that runs out is asked for anew.
func (c *Client) Wait(ctx context.Context, ref Ref, requestID string, options WaitOptions) (Result, error) {
	w := &waiting{call: c.once, ref: ref, id: requestID, accepted: options.Since, interval: options.Interval}
	if options.Own {
		w.from = fromFreshet
	}
	if w.accepted.IsZero() {
		w.accepted = time.Now()
	}
	failures := 0 // in a row
	for read := 0; ; read++ {
		pause := options.Interval
		if pause == 0 {
			pause = min(time.Second<<min(read/8, 4), 15*time.Second)
		}
		held, begin := w.holds && pause >= time.Second, time.Now()
		w.hold = 0
		if held {
			w.hold = pause
		}
		observed, ended, err := w.read(ctx)
		if ctx.Err() != nil {
			return Result{}, fmt.Errorf("cannot wait for refresh %s any longer (it goes on by itself): %w", requestID, context.Cause(ctx))
		}
		switch {
		case err == nil:
			w.refused, failures = 0, 0
			if observed.Status != "" {
				w.seen, w.missing = true, 0
				if options.Observe != nil {
					options.Observe(observed)
				}
			}
			if ended {
				return Result{RequestID: requestID, Status: observed.Status, Detail: observed.Detail}, nil
			}
			switch {
			case held:
				pause -= min(pause, time.Since(begin)) // it was passed at the service
			case w.holds && pause >= time.Second:
				pause = 0 // from here on it is
			}
		default:
			missing, final := w.judge(err)
			if final != nil {
				return Result{}, final
			}
			if !missing {
				pause = max(pause, c.backoff(failures), askedPause(err))
				failures++
			}
			if late := tooLate(ctx, pause, err); late != nil {
				return Result{}, fmt.Errorf("cannot wait for refresh %s any longer (it goes on by itself): %w", requestID, late)
			}
			if options.OnError != nil {
				options.OnError(err)
			}
		}
		if err := sleep(ctx, pause); err != nil {
			return Result{}, fmt.Errorf("cannot wait for refresh %s any longer (it goes on by itself): %w", requestID, err)
		}
	}
}

// Observe reads once what is known of a refresh of any kind: its detail, or for kinds without one its entry in the history.
func (c *Client) Observe(ctx context.Context, ref Ref, requestID string) (Observed, error) {
	w := &waiting{call: c.call, ref: ref, id: requestID}
	observed, _, err := w.read(ctx)
	return observed, err
}

// waiting is the state of one Wait.
type waiting struct {
	call         caller
	ref          Ref
	id           string
	from         origin
	holds        bool          // the service answers a read later when it is asked to: Freshet does
	hold         time.Duration // how long the next read asks for that; 0: not at all
	seen         bool
	accepted     time.Time // when the service took it, as far as is known
	missing      int       // reads in a row that did not find it
	missingSince time.Time // the first of them
	missedAt     time.Time // the last of them
	interval     time.Duration
	refused      int // reads in a row that were refused for want of rights
}

// origin is where a refresh's state is read: the service has details for enhanced refreshes only.
type origin uint8

const (
	fromDetail  origin = iota // GET …/refreshes/{id}
	fromHistory               // GET …/refreshes: the kinds without a detail
	fromFreshet               // Freshet's own detail, which exists for every kind
)

// errNotListed is a history without the refresh in it.
var errNotListed = errors.New("the refresh is not in the history")

func (w *waiting) read(ctx context.Context) (observed Observed, ended bool, err error) {
	if w.from == fromHistory {
		return w.readHistory(ctx)
	}
	path := w.ref.path("refreshes", w.id)
	if w.from == fromFreshet {
		path = own("datasets", w.ref.DatasetID, "refreshes", w.id)
	}
	var header http.Header
	if w.hold > 0 {
		header = http.Header{"Prefer": {"wait=" + strconv.Itoa(int(w.hold.Seconds()))}}
	}
	var detail RefreshDetail
	a, err := w.call(ctx, http.MethodGet, path, nil, header, nil, &detail)
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest && w.from == fromDetail {
		w.from = fromHistory // no detail for this kind of refresh
		if refusal.FromFreshet() {
			w.from = fromFreshet
		}
		return w.read(ctx)
	}
	if errors.As(err, &refusal) && refusal.Status == http.StatusNotFound && w.from == fromDetail && !refusal.FromFreshet() {
		// No detail yet, or none for this kind: what Power BI answers to that is not documented. The history knows all kinds.
		observed, ended, historyErr := w.readHistory(ctx)
		if errors.Is(historyErr, errNotListed) {
			return Observed{}, false, err
		}
		return observed, ended, historyErr
	}
	if err != nil {
		return Observed{}, false, err
	}
	w.holds = a.header.Get("Server") == serverName
	status, ended := conclude(detail.Status, detail.ExtendedStatus, a.status == http.StatusAccepted)
	return Observed{Status: status, Detail: detail}, ended, nil
}

func (w *waiting) readHistory(ctx context.Context) (Observed, bool, error) {
	list, _, err := history(ctx, w.call, w.ref, 0)
	if err != nil {
		return Observed{}, false, err
	}
	for _, entry := range list {
		if !strings.EqualFold(entry.RequestID, w.id) {
			continue
		}
		detail := RefreshDetail{
			StartTime: entry.StartTime, EndTime: entry.EndTime, Status: entry.Status, ExtendedStatus: entry.ExtendedStatus,
			RefreshAttempts: entry.RefreshAttempts,
		}
		if entry.ServiceExceptionJSON != "" {
			detail.Messages = []RefreshMessage{{Message: entry.ServiceExceptionJSON, Type: "Error"}}
		}
		status, ended := conclude(entry.Status, entry.ExtendedStatus, false)
		return Observed{Status: status, Detail: detail}, ended, nil
	}
	return Observed{}, false, errNotListed
}

// conclude tells what a status and its extended status say together.
func conclude(status, extended Status, stillRunning bool) (Status, bool) {
	telling := status
	if extended.Ended() && extended != Completed || extended != "" && !status.Ended() {
		telling = extended // it tells more: Failed is TimedOut or Cancelled there, Unknown is running
	}
	if stillRunning || !telling.Ended() {
		return telling, false
	}
	if extended != "" && extended != Unknown && !extended.Ended() {
		return extended, false
	}
	return telling, true
}

// judge tells whether a failed read is one that did not find the refresh, and why it is final, if it is.
func (w *waiting) judge(err error) (missing bool, final error) {
	var refusal *Error
	isRefusal := errors.As(err, &refusal)
	switch {
	case errors.Is(err, errNotListed), isRefusal && refusal.Status == http.StatusNotFound:
		now := time.Now()
		if w.missing == 0 || now.Sub(w.missedAt) > max(droppedAfter/3, 2*w.interval) {
			w.missing, w.missingSince = 0, now // what was missed before a long silence says nothing
		}
		w.missing, w.missedAt = w.missing+1, now
		switch missed := now.Sub(w.missingSince); {
		case w.missing < leastMissing || now.Sub(w.accepted) < droppedAfter || missed < droppedAfter/2:
			return true, nil
		case !w.seen:
			return true, fmt.Errorf("cannot follow refresh %s: %w", w.id, ErrDropped)
		case missed < droppedAfter:
			return true, nil
		}
		return true, fmt.Errorf("cannot follow refresh %s: %w", w.id, ErrVanished)
	case isRefusal && refusal.Retryable():
		w.refused = 0
		return false, nil
	case isRefusal && (refusal.Status == http.StatusUnauthorized || refusal.Status == http.StatusForbidden):
		// A token that ran out is renewed by the next call; a right that is really missing stays missing.
		if w.refused++; w.refused < 4 {
			return false, nil
		}
	case isRefusal:
	default: // no answer, a broken one, or no token just now
		return false, nil
	}
	return false, fmt.Errorf("cannot follow refresh %s (it goes on by itself): %w", w.id, err)
}
