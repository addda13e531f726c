package powerbi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/powerbitest"
)

const thisFlow = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

// C4: the transaction that a POST has started is found among those of others, before and after it.
func TestC4OwnTransaction(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tx := func(id string, from, to int) DataflowTransaction {
		transaction := DataflowTransaction{ID: id, RefreshType: "OnDemand", StartTime: Time{Time: at.Add(time.Duration(from) * time.Second)}, Status: TransactionInProgress}
		if to != 0 {
			transaction.EndTime, transaction.Status = Time{Time: at.Add(time.Duration(to) * time.Second)}, TransactionSuccess
		}
		return transaction
	}
	old, scheduled := tx("old", -100, -50), tx("scheduled", 0, 9)
	scheduled.RefreshType = "Scheduled"
	for name, tt := range map[string]struct {
		list []DataflowTransaction
		want string
	}{
		"alone":                                 {[]DataflowTransaction{old, tx("mine", 0, 0)}, "mine"},
		"nothing yet":                           {[]DataflowTransaction{old}, ""},
		"another between the look and the POST": {[]DataflowTransaction{tx("mine", 0, 9), tx("theirs", -5, -1)}, "mine"},
		"another after ours":                    {[]DataflowTransaction{tx("theirs", 20, 0), tx("mine", 0, 9)}, "mine"},
		"both":                                  {[]DataflowTransaction{tx("before", -5, -1), tx("after", 20, 0), tx("mine", 0, 9)}, "mine"},
		"begun late, another before":            {[]DataflowTransaction{tx("before", -5, -1), tx("mine", 3, 0)}, "mine"},
		"begun late, another after":             {[]DataflowTransaction{tx("after", 30, 0), tx("mine", 3, 9)}, "mine"},
		"another ended in the same second":      {[]DataflowTransaction{tx("before", -5, 0), tx("mine", 0, 0)}, "mine"},
		"a scheduled one":                       {[]DataflowTransaction{scheduled, old}, ""},
		"a scheduled one before ours":           {[]DataflowTransaction{scheduled, tx("mine", 12, 0)}, "mine"},
	} {
		if got, _ := (DataflowAccepted{Date: at, Before: []DataflowTransaction{old}}).Transaction(tt.list); got.ID != tt.want {
			t.Errorf("%s: %s, want %s", name, got.ID, tt.want)
		}
	}
}

// F9: what becomes of a dataflow's POST whose answer is lost. Never are there two refreshes, and a refresh is reported only if the POST can have started it.
func TestF9LostReplyOfADataflow(t *testing.T) {
	ours := powerbitest.Course{Running: 5 * time.Minute}
	other := func(refreshType string, running time.Duration) func(*powerbitest.Service) {
		return func(s *powerbitest.Service) {
			s.AddDataflow(thisFlow, refreshType, powerbitest.Course{Running: running})
		}
	}
	for _, tt := range []struct {
		name      string
		faults    []powerbitest.Fault
		course    powerbitest.Course
		before    time.Duration // how long before the call the other one begins; 0: while the POST is under way
		other     func(*powerbitest.Service)
		found     int    // which of the refreshes it is said to be, from 1; 0: none
		unsettled string // in the error's text
		refreshes int    // there are, the other's among them
	}{
		{"reset after it was handled", []powerbitest.Fault{reset}, ours, 0, nil, 1, "", 1},
		{"a gateway's 502 after it was handled", []powerbitest.Fault{{StatusAfter: 502}}, ours, 0, nil, 1, "", 1},
		{"ended by the first look", []powerbitest.Fault{reset}, powerbitest.Course{}, 0, nil, 1, "", 1},
		{"late in the list", []powerbitest.Fault{reset}, powerbitest.Course{Hidden: 40 * time.Second, Running: time.Minute}, 0, nil, 1, "", 1},
		{"too late in the list", []powerbitest.Fault{reset}, powerbitest.Course{Hidden: 2 * time.Minute, Running: time.Hour}, 0, nil, 0, "no new entry that fits", 1},
		{"reset before it was handled", []powerbitest.Fault{absent}, ours, 0, nil, 0, "no new entry that fits", 0},
		{"503 of unknown origin", []powerbitest.Fault{{Status: 503}}, ours, 0, nil, 0, "no new entry that fits", 0},
		{"no connection, then lost", []powerbitest.Fault{{Unreachable: true}, reset}, ours, 0, nil, 1, "", 1},
		{"throttled for an hour, then lost", []powerbitest.Fault{{Status: 429, RetryAfter: "3392"}, reset}, ours, 0, nil, 1, "", 1},
		{"another's before it, which has ended", []powerbitest.Fault{reset}, ours, time.Minute, other("OnDemand", time.Second), 2, "", 2},
		{"another's before it, which runs, and ours was refused", []powerbitest.Fault{reset}, ours, time.Minute, other("OnDemand", time.Hour), 0, "no new entry that fits", 1},
		{"the schedule's while it was under way", []powerbitest.Fault{absent}, ours, 0, other("Scheduled", time.Hour), 0, "no new entry that fits", 1},
		{"another's while it was under way, and ours after that", []powerbitest.Fault{reset}, ours, 0, other("OnDemand", 0), 0, "in the history it may be", 2},
		{"another's while it was under way, and ours after that, late in the list", []powerbitest.Fault{reset}, powerbitest.Course{Hidden: 20 * time.Second, Running: time.Hour}, 0,
			other("OnDemand", 0), 0, "in the history it may be", 2},
		{"another's just before the look, late in the list", []powerbitest.Fault{absent}, ours, 2 * time.Second, func(s *powerbitest.Service) {
			s.AddDataflow(thisFlow, "OnDemand", powerbitest.Course{Hidden: 10 * time.Second, Running: time.Hour})
		}, 0, "in the history it may be", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client := service(t)
				s.Groups[0].Dataflows = []powerbitest.Model{{ID: thisFlow, Name: "Landing"}}
				s.Course = func(string, string) powerbitest.Course { return tt.course }
				next := faults(http.MethodPost, tt.faults...)
				s.Fault = func(r *http.Request) powerbitest.Fault {
					if r.Method == http.MethodPost && tt.other != nil && tt.before == 0 {
						tt.other(s)
					}
					return next(r)
				}
				if tt.before > 0 {
					tt.other(s)
					time.Sleep(tt.before)
				}
				accepted, err := client.RefreshDataflow(t.Context(), here.GroupID, thisFlow, "")
				all := s.Refreshes()
				var doubt *UnsettledError
				switch {
				case len(all) != tt.refreshes:
					t.Errorf("%d refreshes, want %d", len(all), tt.refreshes)
				case tt.found > 0 && (err != nil || accepted.Found != all[tt.found-1].TransactionID()):
					t.Errorf("got %+v, %v", accepted, err)
				case tt.found == 0 && (!errors.As(err, &doubt) || accepted.Found != "" || !strings.Contains(err.Error(), tt.unsettled)):
					t.Errorf("got %+v, %v", accepted, err)
				}
			})
		})
	}
}

// C4: the wait follows the transaction of its own POST, through reads that fail, and gives up at one that is forgotten.
func TestC4WaitDataflow(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string // each read's; the last one again and again
		want    TransactionStatus
		err     error
		seen    string // what Observe is told, each after a dot, "!" for OnError
	}{
		{"follows", []string{`[]`, `[{"id": "b", "status": "InProgress"}]`, "500", "429", `[{"id": "c", "status": "Success"}, {"id": "b", "status": "Failed"}]`}, TransactionFailed, nil, "..b!!.b"},
		{"forgotten", []string{`[{"id": "b", "status": "InProgress"}]`, `[]`}, "", ErrVanished, ".b!!!!!!!!!!!!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reads, seen := 0, ""
				c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					answer := tt.answers[min(reads, len(tt.answers)-1)]
					reads++
					if status, err := strconv.Atoi(answer); err == nil {
						w.Header().Set("Retry-After", "2")
						w.WriteHeader(status)
						return
					}
					fmt.Fprintf(w, `{"value": %s}`, answer)
				})
				c.Retries = -1
				got, err := c.WaitDataflow(t.Context(), "g", "d", DataflowAccepted{Status: http.StatusOK}, DataflowWaitOptions{
					Observe: func(t DataflowTransaction) { seen += "." + t.ID }, OnError: func(error) { seen += "!" },
				})
				if got.Status != tt.want || !errors.Is(err, tt.err) || seen != tt.seen {
					t.Errorf("%q, %v, seen %q; want %q, %v, seen %q", got.Status, err, seen, tt.want, tt.err, tt.seen)
				}
			})
		})
	}
}
