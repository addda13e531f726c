// Package dataflow refreshes dataflows as Power BI tells of it: all entities of a dataflow in one transaction.
//
// A dataflow is stored as a model whose tables are its entities (package model/cdm), and a transaction is an operation of package refresh,
// transactional and with its default parameters. So a transaction survives a crash, is tried again and is committed as a refresh of a model is.
package dataflow

import (
	"context"
	"regexp"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

// engine is what this room needs of the one that works. A refresh.Engine is one.
type engine interface {
	Submit(ctx context.Context, wish refresh.Submission) (refresh.Operation, refresh.Outcome, error)
	History(ctx context.Context, model string, top int) ([]refresh.Operation, error)
	Cancel(ctx context.Context, model, id string, which refresh.Which) error
}

// Service starts, lists and cancels transactions. It is safe for concurrent use.
type Service struct{ engine engine }

// New returns a Service over an engine.
func New(engine engine) *Service { return &Service{engine} }

// Status is how far a transaction is, in the words that clients of Power BI know.
type Status string

// The statuses.
const (
	InProgress Status = "InProgress"
	Success    Status = "Success"
	Failed     Status = "Failed"
	Cancelled  Status = "Cancelled"
)

// Transaction is one refresh of all entities of a dataflow.
type Transaction struct {
	ID        string    // START@DATAFLOW$1, START with seven digits of the second
	Scheduled bool      // else somebody asked for it
	Start     time.Time // its acceptance
	End       time.Time // zero while it runs
	Status    Status
	Operation string // the refresh that it is, by which its detail is found
}

// Start is a wish for a transaction.
type Start struct {
	Dataflow     string  // its id
	ProcessType  string  // default (also when empty) or processFull; entities are loaded in full either way
	NotifyOption *string // MailOnFailure, NoNotification in any letter case; nil = not named
	RequestedBy  string  // for people
}

// idForm is START@DATAFLOW$N.
var idForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z)@([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\$\d+$`)

const startForm = "2006-01-02T15:04:05.0000000Z"

// Start stores a transaction and returns at once. It is Invalid with refresh.CodeDataflowRunning while another one of the dataflow runs, and with
// refresh.CodeDataflowQuota when a dataflow in a shared workspace has used up those of the last 24 hours.
func (s *Service) Start(ctx context.Context, wish Start) (Transaction, error) {
	switch wish.ProcessType {
	case "", "default", "processFull":
	default:
		return Transaction{}, fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot refresh the dataflow with processType %q", wish.ProcessType).
			WithHint("It is default or processFull.")
	}
	if option := wish.NotifyOption; option != nil && !strings.EqualFold(*option, "MailOnFailure") && !strings.EqualFold(*option, "NoNotification") {
		return Transaction{}, fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot refresh the dataflow with notifyOption %q", *option).
			WithHint("It is MailOnFailure or NoNotification.")
	}
	operation, _, err := s.engine.Submit(ctx, refresh.Submission{
		Model: wish.Dataflow, Params: refresh.Params{NotifyOption: wish.NotifyOption}, Trigger: refresh.ViaAPI, RequestedBy: wish.RequestedBy,
	})
	return transaction(operation), err
}

// Transactions lists the transactions of a dataflow that are kept, at most 60, newest first.
func (s *Service) Transactions(ctx context.Context, dataflow string) ([]Transaction, error) {
	operations, err := s.engine.History(ctx, dataflow, 0)
	list := make([]Transaction, 0, len(operations))
	for _, operation := range operations {
		list = append(list, transaction(operation))
	}
	return list, err
}

func transaction(operation refresh.Operation) Transaction {
	t := Transaction{
		ID:        operation.AcceptedAt.UTC().Format(startForm) + "@" + operation.Model + "$1",
		Scheduled: operation.Trigger == refresh.Scheduled, Start: operation.AcceptedAt, End: operation.EndedAt, Status: InProgress, Operation: operation.ID,
	}
	switch operation.State {
	case refresh.Completed:
		t.Status = Success
	case refresh.Failed, refresh.TimedOut:
		t.Status = Failed
	case refresh.Cancelled:
		t.Status = Cancelled
	}
	return t
}

// Cancellation is the answer to a wish to cancel a transaction.
type Cancellation string

// The answers.
const (
	Marked    Cancellation = "SuccessfullyMarked" // it is or will be cancelled
	Concluded Cancellation = "AlreadyConcluded"
	Unknown   Cancellation = "NotFound"
	Malformed Cancellation = "Invalid" // the id is none
)

// Of returns the dataflow that a transaction's id names; ok is false for what is no such id.
func Of(id string) (dataflow string, ok bool) {
	parts := idForm.FindStringSubmatch(id)
	if parts == nil {
		return "", false
	}
	return parts[2], true
}

// Cancel asks for the end of a transaction of a dataflow. That it has ended, or is not known, is no error.
func (s *Service) Cancel(ctx context.Context, dataflow, id string) (Cancellation, error) {
	transactions, err := s.Transactions(ctx, dataflow)
	if err != nil {
		return "", err
	}
	for _, t := range transactions {
		if t.ID != id {
			continue
		}
		switch err := s.engine.Cancel(ctx, dataflow, t.Operation, refresh.AnyRefresh); {
		case err == nil:
			return Marked, nil
		case fault.CodeOf(err) == refresh.CodeFinished:
			return Concluded, nil
		default:
			return "", err
		}
	}
	return Unknown, nil
}
