package connector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"freshet.dev/powerbi"
)

// dataflow is a dataflow that is refreshed.
type dataflow struct {
	in        *invocation
	group, id string
}

func refreshDataflow(ctx context.Context, in *invocation) ([]record, error) {
	group, id, err := in.dataflow(ctx, "Id")
	if err != nil {
		return nil, err
	}
	r := &refresher{in: in, target: &dataflow{in, group, id}, id: id}
	return r.refresh(ctx)
}

func (d *dataflow) String() string {
	if name := d.in.value("DataflowName"); name != "" {
		return "the dataflow '" + name + "'"
	}
	return "the dataflow '" + d.id + "'"
}

func (d *dataflow) client() *powerbi.Client { return d.in.run.connector.client }

// start posts the refresh. The answer does not name the transaction, so that those which were there before are read first.
func (d *dataflow) start(ctx context.Context) (*started, error) {
	before, err := d.client().DataflowTransactions(ctx, d.group, d.id)
	if err != nil {
		return &started{}, fmt.Errorf("cannot read the transactions before the refresh (it is not started): %w", err)
	}
	s := &started{known: map[string]bool{}}
	var ran powerbi.DataflowTransaction
	for _, t := range before {
		s.known[t.ID] = true
		if !t.Status.Ended() && (s.ran == "" || t.StartTime.After(ran.StartTime.Time)) {
			s.ran, ran = t.ID, t
		}
	}
	accepted, err := d.client().RefreshDataflow(ctx, d.group, d.id, d.in.value("NotifyOption"))
	s.http, s.body, s.at = accepted.Status, accepted.Body, accepted.Date
	var lost *powerbi.TransportError
	if errors.As(err, &lost) && !lost.Unsent() {
		err = fmt.Errorf("whether the refresh was started is not known; get_dataflow_transactions tells: %w", err)
	}
	return s, err
}

// running is a transaction that began between the first look and the refusal, or else the one that ran at the first look.
func (d *dataflow) running(ctx context.Context, s *started) (string, error) {
	list, err := d.client().DataflowTransactions(ctx, d.group, d.id)
	if err != nil {
		return "", err
	}
	newest := powerbi.DataflowTransaction{ID: s.ran}
	for _, t := range list {
		if !s.known[t.ID] && (newest.ID == s.ran || t.StartTime.After(newest.StartTime.Time)) {
			newest = t
		}
	}
	return newest.ID, nil
}

func (d *dataflow) pending(request string) outcome {
	return outcome{request: request, kind: "OnDemand", status: string(powerbi.TransactionInProgress)}
}

// patience is how long the service may refuse or forget what it has told before, until a wait gives up.
const patience = time.Minute

// follow reads the transactions until the one of s has ended. Reads that fail for a while, and a token that runs out, do not end the wait.
func (d *dataflow) follow(ctx context.Context, s *started, interval time.Duration) (outcome, error) {
	var troubled time.Time // since when every look has failed
	for {
		t, found, err := d.look(ctx, s)
		switch {
		case ctx.Err() != nil:
			return outcome{}, context.Cause(ctx)
		case err == nil && found && t.Status.Ended():
			return d.outcome(t), nil
		case err == nil && found:
			troubled = time.Time{}
			d.in.run.tell(fmt.Sprintf("%s: %s, transaction %s", d, t.Status, t.ID))
		case err == nil && s.request == "":
			troubled = time.Time{}
			d.in.run.tell(fmt.Sprintf("%s: its transaction is not to be seen yet", d))
		default:
			if err == nil {
				err = d.in.fail(codeCall, "the service does not know the transaction %s any more", s.request)
			}
			if troubled.IsZero() {
				troubled = time.Now()
			}
			if !passing(err) && time.Since(troubled) >= patience {
				return outcome{}, err
			}
			d.in.run.tell(fmt.Sprintf("%s: reading its status failed, trying again: %v", d, err))
		}
		pause := interval
		var refusal *powerbi.Error
		if errors.As(err, &refusal) {
			pause = max(pause, refusal.RetryAfter)
		}
		if err := sleep(ctx, pause); err != nil {
			return outcome{}, err
		}
	}
}

// passing tells whether a failed look says nothing about the next one, however often it comes.
func passing(err error) bool {
	var refusal *powerbi.Error
	if errors.As(err, &refusal) {
		return refusal.Retryable()
	}
	var lost *powerbi.TransportError
	return errors.As(err, &lost)
}

// look finds the transaction of s in the list.
func (d *dataflow) look(ctx context.Context, s *started) (powerbi.DataflowTransaction, bool, error) {
	list, err := d.client().DataflowTransactions(ctx, d.group, d.id)
	if err != nil {
		return powerbi.DataflowTransaction{}, false, err
	}
	if s.request == "" {
		if t, found := own(list, s); found {
			s.request = t.ID
			return t, true, nil
		}
		return powerbi.DataflowTransaction{}, false, nil
	}
	for _, t := range list {
		if t.ID == s.request {
			return t, true, nil
		}
	}
	return powerbi.DataflowTransaction{}, false, nil
}

// own finds the transaction that a POST has started, although its answer does not name it. A dataflow has one refresh at a time. So of those that are
// new since the look before the POST, the ones before ours had ended when it was accepted, and the ones after it began when ours had ended: ours is the
// last that began before the answer's second was over; where the service begins it later, the first that begins after it.
func own(list []powerbi.DataflowTransaction, s *started) (found powerbi.DataflowTransaction, ok bool) {
	const second = time.Second // an HTTP date is cut to it
	for _, t := range list {
		if s.known[t.ID] || !s.at.IsZero() && t.Status.Ended() && !t.EndTime.IsZero() && t.EndTime.Before(s.at) {
			continue
		}
		before := func(t powerbi.DataflowTransaction) bool { return t.StartTime.Before(s.at.Add(second)) }
		switch {
		case !ok:
			found, ok = t, true
		case s.at.IsZero(), !before(t) && !before(found):
			if t.StartTime.Before(found.StartTime.Time) {
				found = t
			}
		case before(t) && (!before(found) || t.StartTime.After(found.StartTime.Time)):
			found = t
		}
	}
	return found, ok
}

func (d *dataflow) outcome(t powerbi.DataflowTransaction) outcome {
	return outcome{request: t.ID, kind: t.RefreshType, from: t.StartTime.Time, to: t.EndTime.Time, status: string(t.Status), succeeded: t.Status.Succeeded(),
		detail: plain(t)}
}

func (d *dataflow) cancel(ctx context.Context, s *started) error {
	if s.request == "" {
		if _, _, err := d.look(ctx, s); err != nil {
			return err
		}
	}
	if s.request == "" {
		return errors.New("its transaction is not to be seen yet")
	}
	status, err := d.client().CancelDataflowTransaction(ctx, d.group, s.request)
	if err == nil && !strings.EqualFold(status.Status, "SuccessfullyMarked") && !strings.EqualFold(status.Status, "AlreadyConcluded") {
		err = fmt.Errorf("the service answers %s to the cancellation of %s", status.Status, s.request)
	}
	return err
}
