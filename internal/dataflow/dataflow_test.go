package dataflow

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

const flowID = "8dbd8c92-4d16-4947-8329-4172f04f4f93"

// history is an engine that has these operations; cancelling one fails with its error.
type history struct {
	operations []refresh.Operation
	wish       refresh.Submission
	cancelling error
	cancelled  string
}

func (h *history) Submit(_ context.Context, wish refresh.Submission) (refresh.Operation, refresh.Outcome, error) {
	h.wish = wish
	return h.operations[0], refresh.OutcomeAccepted, nil
}

func (h *history) History(context.Context, string, int) ([]refresh.Operation, error) {
	return h.operations, nil
}

func (h *history) Cancel(_ context.Context, _, id string, _ refresh.Which) error {
	h.cancelled = id
	return h.cancelling
}

func newHistory(states ...refresh.State) *history {
	h := &history{}
	for i, state := range states {
		h.operations = append(h.operations, refresh.Operation{
			ID: "operation " + string(state), Model: flowID, State: state, Trigger: refresh.ViaAPI, AcceptedAt: time.Date(2020, 8, 27, 16, 7, 47, 248769299-i*1000, time.UTC),
		})
	}
	return h
}

// C1: every state of an operation is one of the four words that clients know; the id sorts as the starts do.
func TestC1Transactions(t *testing.T) {
	h := newHistory(refresh.States()...)
	h.operations[0].Trigger = refresh.Scheduled
	list, err := New(h).Transactions(t.Context(), flowID)
	if err != nil || len(list) != len(h.operations) {
		t.Fatalf("%d transactions, %v", len(list), err)
	}
	want := map[refresh.State]Status{refresh.Completed: Success, refresh.Failed: Failed, refresh.TimedOut: Failed, refresh.Cancelled: Cancelled}
	for i, transaction := range list {
		status := want[h.operations[i].State]
		if status == "" {
			status = InProgress
		}
		if transaction.Status != status || transaction.Scheduled != (i == 0) {
			t.Errorf("%s: %+v", h.operations[i].State, transaction)
		}
		if i > 0 && strings.Compare(list[i-1].ID, transaction.ID) <= 0 {
			t.Errorf("%s does not sort before %s", transaction.ID, list[i-1].ID)
		}
	}
	if want := "2020-08-27T16:07:47.2487692Z@" + flowID + "$1"; list[0].ID != want {
		t.Errorf("id %s, want %s", list[0].ID, want)
	}
}

// C1: a transaction is a full, transactional refresh with its defaults.
func TestC1Start(t *testing.T) {
	h := newHistory(refresh.Accepted)
	notify := "MailOnFailure"
	started, err := New(h).Start(t.Context(), Start{Dataflow: flowID, ProcessType: "processFull", NotifyOption: &notify, RequestedBy: "ana"})
	if err != nil || started.Status != InProgress {
		t.Fatalf("%+v, %v", started, err)
	}
	if h.wish.Model != flowID || h.wish.Trigger != refresh.ViaAPI || h.wish.Params.Enhanced() || *h.wish.Params.NotifyOption != notify || h.wish.RequestedBy != "ana" {
		t.Errorf("submitted %+v", h.wish)
	}
	if _, err := New(h).Start(t.Context(), Start{Dataflow: flowID, ProcessType: "full"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("processType full: %v", err)
	}
	for _, notify := range []string{"MailOnCompletion", "Shout", ""} { // the first is for models alone
		if _, err := New(h).Start(t.Context(), Start{Dataflow: flowID, NotifyOption: &notify}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("notifyOption %q: %v", notify, err)
		}
	}
}

func TestC1Cancel(t *testing.T) {
	broken := errors.New("broken")
	h := newHistory(refresh.Running, refresh.Completed)
	list, err := New(h).Transactions(t.Context(), flowID)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id      string
		engine  error
		want    Cancellation
		failure error
	}{
		{list[0].ID, nil, Marked, nil},
		{list[1].ID, fault.New(fault.Conflict, refresh.CodeFinished, "cannot"), Concluded, nil},
		{list[0].ID, broken, "", broken},
		{"2020-08-27T16:07:47.0000000Z@" + flowID + "$1", nil, Unknown, nil},
	} {
		h.cancelling = tt.engine
		if got, err := New(h).Cancel(t.Context(), flowID, tt.id); got != tt.want || !errors.Is(err, tt.failure) {
			t.Errorf("%s: %s, %v", tt.id, got, err)
		}
	}
	if h.cancelled != "operation Running" {
		t.Errorf("cancelled %s", h.cancelled)
	}
}

func TestOf(t *testing.T) {
	for id, want := range map[string]string{
		"2020-08-27T16:07:47.2487692Z@" + flowID + "$2": flowID, "2020-08-27T16:07:47Z@" + flowID + "$2": "", flowID: "", "": "",
		"2020-08-27T16:07:47.2487692Z@" + flowID[1:] + "$2": "", "2020-08-27T16:07:47.2487692Z@" + flowID + "$": "",
	} {
		if got, ok := Of(id); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", id, got, ok)
		}
	}
}
