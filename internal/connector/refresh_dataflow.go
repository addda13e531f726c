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

func (d *dataflow) list() string {
	return fmt.Sprintf("get_dataflow_transactions WHERE DataflowId = '%s' AND WorkspaceId = '%s'", d.id, d.group)
}

func (d *dataflow) client() *powerbi.Client { return d.in.run.connector.client }

func (d *dataflow) start(ctx context.Context) (*started, error) {
	accepted, err := d.client().RefreshDataflow(ctx, d.group, d.id, d.in.value("NotifyOption"))
	return &started{request: accepted.Found, found: accepted.Found != "", http: accepted.Status, body: accepted.Body, flow: accepted}, err
}

// running is a transaction that began between the first look and the refusal, or else the one that ran at the first look.
func (d *dataflow) running(ctx context.Context, s *started) (string, error) {
	known, newest := map[string]bool{}, powerbi.DataflowTransaction{}
	for _, t := range s.flow.Before {
		known[t.ID] = true
		if !t.Status.Ended() && (newest.ID == "" || t.StartTime.After(newest.StartTime.Time)) {
			newest = t
		}
	}
	list, err := d.client().DataflowTransactions(ctx, d.group, d.id)
	if err != nil {
		return "", err
	}
	for _, t := range list {
		if !known[t.ID] && (newest.ID == "" || known[newest.ID] || t.StartTime.After(newest.StartTime.Time)) {
			newest = t
		}
	}
	return newest.ID, nil
}

func (d *dataflow) pending(request string) outcome {
	return outcome{request: request, kind: "OnDemand", status: string(powerbi.TransactionInProgress)}
}

// follow waits for the end of the transaction of s. Reads that fail for a while, and a token that runs out, do not end the wait.
func (d *dataflow) follow(ctx context.Context, s *started, interval time.Duration) (outcome, error) {
	if s.request != "" {
		s.flow.Found = s.request
	}
	t, err := d.client().WaitDataflow(ctx, d.group, d.id, s.flow, powerbi.DataflowWaitOptions{
		Interval: interval,
		Observe: func(t powerbi.DataflowTransaction) {
			s.request = t.ID
			switch {
			case t.ID == "":
				d.in.run.tell(fmt.Sprintf("%s: its transaction is not to be seen yet", d))
			case !t.Status.Ended():
				d.in.run.tell(fmt.Sprintf("%s: %s, transaction %s", d, t.Status, t.ID))
			}
		},
		OnError: func(err error) {
			d.in.run.tell(fmt.Sprintf("%s: reading its status failed, trying again: %s", d, trouble(err)))
		},
	})
	if errors.Is(err, powerbi.ErrVanished) {
		err = d.in.fail(codeCall, "the service does not know the transaction %s any more", s.request)
	}
	if err != nil {
		return outcome{}, err
	}
	return d.outcome(ctx, t), nil
}

// outcome is how a transaction ended. Why it failed only Freshet tells, as far as it answers now.
func (d *dataflow) outcome(ctx context.Context, t powerbi.DataflowTransaction) outcome {
	end := outcome{request: t.ID, kind: t.RefreshType, from: t.StartTime.Time, to: t.EndTime.Time, status: string(t.Status), succeeded: t.Status.Succeeded(), detail: plain(t)}
	if !end.succeeded && t.Freshet != nil {
		if detail, err := d.client().AnyRefreshDetail(ctx, d.id, t.Freshet.RequestID); err == nil {
			end.reasons = reasonsOf(detail)
		}
	}
	return end
}

func (d *dataflow) cancel(ctx context.Context, s *started) error {
	if s.request == "" {
		list, err := d.client().DataflowTransactions(ctx, d.group, d.id)
		if err != nil {
			return err
		}
		t, _ := s.flow.Transaction(list)
		s.request = t.ID
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
