package powerbi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// DataflowAccepted is the answer to a dataflow's refresh. It does not name the transaction: Transaction finds it in the list.
type DataflowAccepted struct {
	Status    int                   // of HTTP; 0: the answer was lost, see Found
	RequestID string                // of the call
	Date      time.Time             // by the service's clock, to the second; zero: not told
	Body      []byte                // empty with Power BI
	Before    []DataflowTransaction // those that were listed when it was posted
	Found     string                // the answer was lost, and this transaction is the one that the POST started; see RefreshDataflow
}

// RefreshDataflow starts a refresh of a dataflow, once. One that is running already is an Error of status 400 whose message holds "is currently in progress".
// notify is MailOnFailure or NoNotification; "" is NoNotification.
//
// The transactions are read before the POST, and returned as Before with an error, too. As in Refresh, what the service certainly has not handled is tried again. When the answer to a POST is
// lost, in the network or behind a 5xx, the list of transactions settles it, after a minute, when all that has begun by then is to be seen: the only one that was not there before, is not
// scheduled, and began while the POST was under way, is taken for the one that it started, and is Found. (As a dataflow has one refresh at a time, another caller's
// can stand in its place only where ours never ran: the dataflow is refreshed as asked all the same, but think twice before cancelling it.) No such transaction,
// several, and a list that cannot be read are an UnsettledError. Nothing is posted again.
//
// With Retries below 0 nothing is read or sent twice, and a lost answer is an UnsettledError at once.
func (c *Client) RefreshDataflow(ctx context.Context, groupID, dataflowID, notify string) (DataflowAccepted, error) {
	if notify == "" {
		notify = "NoNotification"
	}
	body, err := json.Marshal(DataflowRefresh{notify})
	if err != nil {
		return DataflowAccepted{}, fmt.Errorf("cannot write the body of a refresh: %w", err)
	}
	path := myorg("groups", groupID, "dataflows", dataflowID, "refreshes")
	if c.Retries < 0 {
		accepted, err := c.postDataflow(ctx, path, body)
		if uncertain(err) {
			err = &UnsettledError{Err: err}
		}
		return accepted, err
	}
	var (
		accepted DataflowAccepted
		before   snapshot
		list     []DataflowTransaction
		posted   bool // the last thing that was tried was the POST
	)
	again := func(method string, err error) bool { return posted && mayPass(method, err) }
	err = c.repeat(ctx, http.MethodPost, again, func() (err error) {
		posted = false
		if list, before, err = c.transactionsBefore(ctx, groupID, dataflowID); err != nil {
			return fmt.Errorf("cannot read the transactions before the refresh is started (it is not): %w", err)
		}
		posted = true
		accepted, err = c.postDataflow(ctx, path, body)
		return err
	})
	if posted && uncertain(err) {
		accepted, err = c.settleDataflow(ctx, groupID, dataflowID, before, err)
	}
	accepted.Before = list
	return accepted, err
}

func (c *Client) postDataflow(ctx context.Context, path string, body json.RawMessage) (DataflowAccepted, error) {
	raw, err := c.rawOnce(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return DataflowAccepted{}, err
	}
	accepted := DataflowAccepted{Status: raw.Status, RequestID: requestID(raw.Header), Body: raw.Body}
	if date, err := http.ParseTime(raw.Header.Get("Date")); err == nil {
		accepted.Date = date
	}
	return accepted, nil
}

func (c *Client) transactionsBefore(ctx context.Context, groupID, dataflowID string) ([]DataflowTransaction, snapshot, error) {
	list, a, err := c.transactions(ctx, groupID, dataflowID)
	if err != nil {
		return nil, snapshot{}, err
	}
	ids := make([]string, len(list))
	for i, t := range list {
		ids[i] = t.ID
	}
	return list, taken(ids, a), nil
}

// settleDataflow looks for the transaction whose POST ended in the error cause. See RefreshDataflow.
func (c *Client) settleDataflow(ctx context.Context, groupID, dataflowID string, before snapshot, cause error) (DataflowAccepted, error) {
	lost := time.Now()
	for look := 0; ; look++ {
		list, _, err := c.transactions(ctx, groupID, dataflowID)
		if err != nil {
			return DataflowAccepted{}, &UnsettledError{Err: cause, History: err}
		}
		var candidates []Refresh
		for _, t := range list {
			if !strings.EqualFold(t.RefreshType, "Scheduled") && before.isNew(t.ID) && before.during(t.StartTime.Time, lost) {
				candidates = append(candidates, Refresh{RequestID: t.ID, RefreshType: t.RefreshType, StartTime: t.StartTime, EndTime: t.EndTime, Status: Status(t.Status)})
			}
		}
		switch {
		case len(candidates) > 1:
			return DataflowAccepted{}, &UnsettledError{Err: cause, Candidates: candidates}
		case time.Since(lost) < droppedAfter:
		case len(candidates) == 0:
			return DataflowAccepted{}, &UnsettledError{Err: cause, History: errNoTrace}
		case candidates[0].StartTime.Before(before.date): // but for the clocks of the service it would not be ours
			return DataflowAccepted{}, &UnsettledError{Err: cause, Candidates: candidates}
		default:
			return DataflowAccepted{Found: candidates[0].RequestID}, nil
		}
		if err := sleep(ctx, min(time.Second<<min(look, 4), 10*time.Second)); err != nil {
			return DataflowAccepted{}, &UnsettledError{Err: cause, Candidates: candidates, History: err}
		}
	}
}

// Transaction finds the transaction that a POST has started, although its answer does not name it. A dataflow has one refresh at a time. So of those that are
// new since the look before the POST, the ones before ours had ended when it was accepted, and the ones after it began when ours had ended: ours is the
// last that began before the answer's second was over; where the service begins it later, the first that begins after it. Scheduled ones are nobody's POST.
func (a DataflowAccepted) Transaction(list []DataflowTransaction) (found DataflowTransaction, ok bool) {
	const second = time.Second // an HTTP date is cut to it
	known := map[string]bool{}
	for _, t := range a.Before {
		known[t.ID] = true
	}
	for _, t := range list {
		if a.Found != "" {
			if t.ID == a.Found {
				return t, true
			}
			continue
		}
		if known[t.ID] || strings.EqualFold(t.RefreshType, "Scheduled") || !a.Date.IsZero() && t.Status.Ended() && !t.EndTime.IsZero() && t.EndTime.Before(a.Date) {
			continue
		}
		before := func(t DataflowTransaction) bool { return t.StartTime.Before(a.Date.Add(second)) }
		switch {
		case !ok:
			found, ok = t, true
		case a.Date.IsZero(), !before(t) && !before(found):
			if t.StartTime.Before(found.StartTime.Time) {
				found = t
			}
		case before(t) && (!before(found) || t.StartTime.After(found.StartTime.Time)):
			found = t
		}
	}
	return found, ok
}

// DataflowWaitOptions say how WaitDataflow waits.
type DataflowWaitOptions struct {
	Interval time.Duration             // between two reads; 0: 5 s
	Observe  func(DataflowTransaction) // called after each read, from the goroutine that calls WaitDataflow; the zero value while the transaction is not to be seen yet
	OnError  func(err error)           // called for each failed read that WaitDataflow does not give up at
}

// WaitDataflow follows the transaction that a POST has started, as DataflowAccepted.Transaction finds it, or the one that is Found, to its end; see its Status. It returns an error only when it cannot know the
// end: ctx ended, or for a minute the service has refused every read, or has not known a transaction that was seen before (ErrVanished). Reads that fail for a while, 429 and 5xx among them, are
// repeated without end, after the time that a Retry-After names. The transactions do not tell why a refresh has failed.
func (c *Client) WaitDataflow(ctx context.Context, groupID, dataflowID string, accepted DataflowAccepted, options DataflowWaitOptions) (DataflowTransaction, error) {
	if options.Interval == 0 {
		options.Interval = 5 * time.Second
	}
	var troubled time.Time // since when every read has failed
	for {
		list, err := c.DataflowTransactions(ctx, groupID, dataflowID)
		if ctx.Err() != nil {
			return DataflowTransaction{}, context.Cause(ctx)
		}
		t, found := accepted.Transaction(list)
		if err == nil && !found && accepted.Found != "" {
			err = ErrVanished
		}
		if err == nil {
			troubled, accepted.Found = time.Time{}, t.ID
			if options.Observe != nil {
				options.Observe(t)
			}
			if t.Status.Ended() {
				return t, nil
			}
		} else {
			if troubled.IsZero() {
				troubled = time.Now()
			}
			if !passing(err) && time.Since(troubled) >= droppedAfter {
				return DataflowTransaction{}, err
			}
			if options.OnError != nil {
				options.OnError(err)
			}
		}
		if err := sleep(ctx, max(options.Interval, askedPause(err))); err != nil {
			return DataflowTransaction{}, err
		}
	}
}

// passing tells whether a failed read says nothing about the next one, however often it comes.
func passing(err error) bool {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Retryable()
	}
	var lost *TransportError
	return errors.As(err, &lost)
}
