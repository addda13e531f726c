package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// The codes of refreshes, by which callers tell them from statements that were never run.
const (
	// Conflict: a refresh that the statement started or joined has ended without success; the text tells the service's reasons.
	// Do: correct the cause and run the statement again; OnFailure='row' gives the status as a row instead.
	CodeRefreshFailed = "RefreshFailed"

	// Conflict: MaxWaitSec is reached. The refresh goes on.
	// Do: see get_dataset_refreshes or get_dataflow_transactions for its end, or wait longer.
	CodeWaitLimit = "WaitLimitReached"

	// Unavailable: the answer to the POST of a refresh is lost, and the service's list does not tell whether one was started. It was not posted again.
	// Do: look at get_dataset_refreshes or get_dataflow_transactions before the statement is run again; a refresh that still runs is joined then.
	CodeUnsettled = "RefreshUnsettled"
)

var errMaxWait = errors.New("MaxWaitSec is reached")

// outcome is how a refresh stands, in the words of its service.
type outcome struct {
	request   string
	kind      string
	from, to  time.Time
	status    string
	succeeded bool
	reasons   string // of a failure
	detail    any    // what the service told last, as JSON, for columns of the configuration
}

// started is a refresh that the service has accepted, or one that it runs already.
type started struct {
	request string    // "" while it is not known
	http    int       // 0: the answer was lost
	at      time.Time // of a model: when it was accepted
	body    []byte
	dropped bool                     // accepted and not done: others run and wait
	found   bool                     // the answer was lost; the refresh was found in the list, and might be another caller's
	flow    powerbi.DataflowAccepted // of a dataflow: by which its transaction is found
}

// target is what is refreshed: a dataflow or a semantic model.
type target interface {
	String() string
	// start posts the refresh. What it returns with an error tells what was there before, too.
	start(ctx context.Context) (*started, error)
	// running names the refresh because of which s was refused; "" when it is not to be seen yet.
	running(ctx context.Context, s *started) (request string, err error)
	// pending is what can be told of a refresh without a look at it.
	pending(request string) outcome
	// follow waits for the end of s, and sets its request as soon as it is known.
	follow(ctx context.Context, s *started, interval time.Duration) (outcome, error)
	cancel(ctx context.Context, s *started) error
	// list is the endpoint that lists its refreshes, as FROM and WHERE name it.
	list() string
}

// refresher is one call of refresh_dataflow or refresh_dataset.
type refresher struct {
	in     *invocation
	target target
	id     string // as the result has it
}

func (r *refresher) interval() time.Duration {
	return max(time.Duration(r.in.count("StatusCheckWaitSec"))*time.Second, 100*time.Millisecond)
}

// refresh starts a refresh and waits for it, as the parameters say.
func (r *refresher) refresh(ctx context.Context) ([]record, error) {
	limited, stop := context.WithTimeoutCause(ctx, time.Duration(r.in.count("MaxWaitSec"))*time.Second, errMaxWait)
	defer stop()
	for {
		s, err := r.start(ctx, limited)
		if err == nil && !s.dropped {
			return r.own(ctx, limited, s)
		}
		policy, err := r.refused(s, err)
		if err != nil {
			return nil, err
		}
		running, err := r.find(limited, s)
		if err != nil {
			return nil, r.ended(ctx, limited, s, err)
		}
		other := &started{request: running, http: s.http}
		if policy == "join" {
			r.in.run.tell(fmt.Sprintf("%s is refreshed already: joining %s", r.target, running))
			return r.joined(ctx, limited, other)
		}
		if policy == "cancel" {
			r.in.run.tell(fmt.Sprintf("%s is refreshed already: cancelling %s", r.target, running))
			if err := r.target.cancel(limited, other); err != nil {
				return nil, err
			}
		}
		if _, err := r.target.follow(limited, other, r.interval()); err != nil {
			return nil, r.ended(ctx, limited, other, err)
		}
	}
}

// leastStart is how long the call that starts a refresh may take, however short MaxWaitSec is: one that is cut off leaves open what it did.
const leastStart = 30 * time.Second

// start posts the refresh. It does not wait beyond MaxWaitSec for a service that asks to be left alone.
func (r *refresher) start(ctx, limited context.Context) (*started, error) {
	limit, _ := limited.Deadline()
	starting, stop := context.WithTimeoutCause(ctx, max(time.Until(limit), leastStart), errMaxWait)
	defer stop()
	s, err := r.target.start(starting)
	var unsettled *powerbi.UnsettledError
	switch {
	case errors.As(err, &unsettled):
		e := r.in.fail(CodeUnsettled, "%w", err).
			hint("It was not posted again. SELECT * FROM %s tells what has begun; run the statement again if nothing has: it joins a refresh that runs.", r.target.list())
		e.Fault.Kind = fault.Unavailable
		return s, e
	case r.atLimit(ctx, starting, err):
		e := r.in.fail(CodeWaitLimit, "no refresh of %s is started, and none can be within MaxWaitSec = %d: %w", r.target, r.in.count("MaxWaitSec"), err).
			hint("Run the statement again later, or with a higher MaxWaitSec.")
		e.Fault.Kind = fault.Conflict
		var refusal *powerbi.Error
		if errors.As(err, &refusal) {
			e.HTTPStatus = refusal.Status
		}
		return s, e
	}
	return s, err
}

// atLimit tells whether an error is the end of MaxWaitSec, which limited has. The client gives up at once where it is asked to pause beyond a deadline, which may
// be the caller's.
func (r *refresher) atLimit(ctx, limited context.Context, err error) bool {
	var late *powerbi.DeadlineError
	if ctx.Err() != nil || limited.Err() == nil && !errors.As(err, &late) {
		return false
	}
	theirs, set := ctx.Deadline()
	ours, _ := limited.Deadline()
	return err != nil && !(set && ours.Equal(theirs))
}

// refused tells what to do about a refresh that was not accepted: join, wait or cancel; or the error that it is.
func (r *refresher) refused(s *started, err error) (policy string, _ error) {
	if err != nil {
		var (
			refusal *powerbi.Error
			known   *Error
		)
		part := strings.ToLower(r.in.value("ErrorSubstringToMatch"))
		if errors.As(err, &known) || !errors.As(err, &refusal) || part == "" || !strings.Contains(strings.ToLower(refusal.Message+" "+refusal.Code), part) {
			return "", err
		}
		s.http = refusal.Status
	} else {
		err = r.in.fail(codeCall, "the service accepted the refresh of %s and dropped it, because one runs and one waits already", r.target)
	}
	policy = r.in.value("IfRunning")
	if policy == "" && r.in.flag("ContinueOnErrorForMessage") {
		policy = "join"
	}
	if policy == "" || policy == "fail" {
		return "", err
	}
	return policy, nil
}

// find waits until the refresh that runs is to be seen.
func (r *refresher) find(ctx context.Context, s *started) (string, error) {
	for {
		running, err := r.target.running(ctx, s)
		if err != nil || running != "" {
			return running, err
		}
		if err := sleep(ctx, r.interval()); err != nil {
			return "", err
		}
	}
}

// own waits for a refresh that this call has started.
func (r *refresher) own(ctx, limited context.Context, s *started) ([]record, error) {
	if !r.in.flag("WaitForCompletion") {
		if _, err := decode(s.body); err != nil && !s.found && !r.in.flag("EnableRawOutputModeSingleRow") {
			return nil, r.in.fail(codeAnswer, "%s is being refreshed, but the answer (HTTP status %d) is empty or no JSON", r.target, s.http).
				hint("EnableRawOutputModeSingleRow='True' makes one row of it.")
		}
		return r.row(s, r.target.pending(s.request)), nil
	}
	if s.found {
		r.in.run.tell(fmt.Sprintf("%s: the answer to its start was lost; it is found as %s", r.target, s.request))
	} else {
		r.in.run.tell(fmt.Sprintf("%s: its refresh is started%s", r.target, withRequest(s.request)))
	}
	end, err := outcome{}, sleep(limited, time.Duration(r.in.count("InitialWaitMs"))*time.Millisecond)
	if err == nil {
		end, err = r.target.follow(limited, s, r.interval())
	}
	if err != nil && ctx.Err() != nil && r.in.flag("CancelOnAbort") && !s.found {
		return nil, r.abort(ctx, s)
	}
	return r.result(ctx, limited, s, end, err)
}

func withRequest(request string) string {
	if request == "" {
		return ""
	}
	return ", request " + request
}

// cancelTime bounds the call that cancels a refresh whose client has gone.
const cancelTime = 30 * time.Second

// abort cancels the refresh of a statement that was cancelled.
func (r *refresher) abort(ctx context.Context, s *started) error {
	cancelling, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	if err := r.target.cancel(cancelling, s); err != nil {
		return fmt.Errorf("cannot wait for the refresh of %s any longer, nor cancel it (%w): %w", r.target, err, context.Cause(ctx))
	}
	return fmt.Errorf("cannot wait for the refresh of %s any longer, and have cancelled it: %w", r.target, context.Cause(ctx))
}

// joined waits for a refresh that another caller has started. It is not this call's to cancel.
func (r *refresher) joined(ctx, limited context.Context, s *started) ([]record, error) {
	if !r.in.flag("WaitForCompletion") {
		return r.row(s, r.target.pending(s.request)), nil
	}
	end, err := r.target.follow(limited, s, r.interval())
	return r.result(ctx, limited, s, end, err)
}

func (r *refresher) result(ctx, limited context.Context, s *started, end outcome, err error) ([]record, error) {
	if err != nil {
		return nil, r.ended(ctx, limited, s, err)
	}
	if !end.succeeded && r.in.value("OnFailure") == "error" {
		e := r.in.fail(CodeRefreshFailed, "the refresh %s of %s ended as %s%s", end.request, r.target, end.status, end.reasons)
		e.Fault.Kind, e.HTTPStatus = fault.Conflict, s.http
		return nil, e
	}
	return r.row(s, end), nil
}

// ended makes the error of a wait that ended before the refresh did.
func (r *refresher) ended(ctx, limited context.Context, s *started, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("cannot wait for the refresh of %s any longer (it goes on by itself): %w", r.target, context.Cause(ctx))
	}
	if !r.atLimit(ctx, limited, err) {
		return err
	}
	e := r.in.fail(CodeWaitLimit, "the refresh %s of %s has not ended within MaxWaitSec = %d; it goes on by itself", s.request, r.target, r.in.count("MaxWaitSec")).
		hint("Give a higher MaxWaitSec, or run the statement again: it joins the refresh that runs.")
	if s.request == "" {
		what := "the refresh of %s is started, and was not to be seen within MaxWaitSec = %d; it goes on by itself"
		if s.http >= http.StatusBadRequest {
			what = "the service says that it refreshes %s already, and no such refresh was to be seen within MaxWaitSec = %d"
		}
		e = r.in.fail(CodeWaitLimit, what, r.target, r.in.count("MaxWaitSec")).hint("SELECT * FROM %s tells what there is.", r.target.list())
	}
	e.Fault.Kind, e.HTTPStatus = fault.Conflict, s.http
	return e
}

// row is the one row of the seven columns.
func (r *refresher) row(s *started, o outcome) []record {
	var status any
	if s.http != 0 {
		status = s.http
	}
	return []record{{
		"id": r.id, "requestId": orNull(o.request), "refreshType": orNull(o.kind), "startTime": formatTime(o.from), "endTime": formatTime(o.to),
		"status": orNull(o.status), "httpStatusCode": status, "detail": o.detail,
	}}
}

// trouble is what a failed look says, without the id of its call: who tells each thing once can tell that it is the same again.
func trouble(err error) string {
	var refusal *powerbi.Error
	if errors.As(err, &refusal) {
		unnamed := *refusal
		unnamed.RequestID = ""
		return unnamed.Error()
	}
	return err.Error()
}

// plain is a value as JSON has it.
func plain(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	decoded, _ := decode(text) // it was just written
	return decoded
}

// sleep returns early with the cause when the context ends.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
