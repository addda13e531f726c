package powerbitest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// dataflowKind is the kind of a refresh of a dataflow, for Course and Refreshes.
const dataflowKind = "Dataflow"

// dataflows serves what is below /groups/{id}/dataflows: the list, refreshes, transactions and their cancellation. A Course of kind Dataflow says how a
// refresh goes; its Status, "" is Success, is that of the transaction.
func (s *Service) dataflows(w http.ResponseWriter, r *http.Request, group *Group, parts []string, fault Fault) {
	switch {
	case len(parts) == 0:
		var values []any
		for _, d := range group.Dataflows {
			values = append(values, map[string]any{"objectId": d.ID, "name": d.Name, "modelUrl": "https://MyDataflowStorageAccount.dfs.core.windows.net/powerbi/" + group.Name + "/" + d.Name + "/model.json",
				"configuredBy": "john@contoso.com", "users": []any{}, "generation": 1})
		}
		answer(w, http.StatusOK, list("dataflows", values))
		return
	case len(parts) == 3 && parts[0] == "transactions" && parts[2] == "cancel":
		s.cancelTransaction(w, parts[1])
		return
	}
	for _, d := range group.Dataflows {
		if !strings.EqualFold(d.ID, parts[0]) || len(parts) != 2 {
			continue
		}
		switch {
		case parts[1] == "refreshes" && r.Method == http.MethodPost:
			s.startDataflow(w, d)
			return
		case parts[1] == "transactions":
			s.transactions(w, d, fault)
			return
		}
	}
	refuse(w, http.StatusNotFound, "PowerBIEntityNotFound", "")
}

// startDataflow answers 200 without a body, which does not name the transaction.
func (s *Service) startDataflow(w http.ResponseWriter, d Model) {
	if s.dataflowRuns(d.ID) {
		refuse(w, http.StatusBadRequest, "DataflowRefreshInProgress", "Dataflow refresh is currently in progress")
		return
	}
	course := Course{}
	if s.Course != nil {
		course = s.Course(d.ID, dataflowKind)
	}
	s.add(d.ID, dataflowKind, course, nil)
	w.WriteHeader(http.StatusOK)
	fmt.Fprint(w, s.Answer)
}

func (s *Service) dataflowRuns(id string) bool {
	return slices.ContainsFunc(s.refreshes, func(r *Refresh) bool {
		status, _ := s.transactionStatus(r, s.now())
		return r.Model == id && status == "InProgress"
	})
}

// TransactionID is the id of the transaction that a refresh of a dataflow is.
func (r *Refresh) TransactionID() string {
	return r.Accepted.UTC().Format("2006-01-02T15:04:05.0000000Z") + "@" + r.ID + "$1"
}

// transactionStatus is a transaction's status at a moment, and its end if it has one.
func (s *Service) transactionStatus(r *Refresh, now time.Time) (status string, end time.Time) {
	switch end := r.Accepted.Add(r.Course.Running); {
	case !r.cancelled.IsZero():
		return "Cancelled", r.cancelled
	case now.Before(end):
		return "InProgress", time.Time{}
	case r.Course.Status != "":
		return r.Course.Status, end
	default:
		return "Success", end
	}
}

func (s *Service) transactions(w http.ResponseWriter, d Model, fault Fault) {
	var values []any
	for _, r := range s.refreshes {
		if r.Model != d.ID || !s.visible(r, fault) {
			continue
		}
		refreshType := r.Body["refreshType"]
		if refreshType == nil {
			refreshType = "OnDemand"
		}
		status, end := s.transactionStatus(r, s.now().Add(-fault.Behind))
		value := map[string]any{"id": r.TransactionID(), "refreshType": refreshType, "startTime": r.Accepted.UTC().Format(time.RFC3339), "status": status}
		if status == "InProgress" && fault.Word != "" {
			value["status"] = fault.Word
		}
		if !end.IsZero() {
			value["endTime"] = end.UTC().Format(time.RFC3339)
		}
		values = append(values, value)
	}
	answer(w, http.StatusOK, list("transactions", values))
}

func (s *Service) cancelTransaction(w http.ResponseWriter, id string) {
	answered := "NotFound"
	for _, r := range s.refreshes {
		if r.Kind != dataflowKind || r.TransactionID() != id {
			continue
		}
		answered = "AlreadyConcluded"
		if status, _ := s.transactionStatus(r, s.now()); status == "InProgress" {
			r.cancelled, answered = s.now(), "SuccessfullyMarked"
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, `{"transactionId":%q,"status":%q}`, id, answered)
}
