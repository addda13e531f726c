package powerbi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/powerbitest"
)

// service starts a fake Power BI with the model of the documents, and returns it with a client.
func service(t *testing.T) (*powerbitest.Service, *Client) {
	t.Helper()
	s := &powerbitest.Service{Groups: []*powerbitest.Group{{ID: here.GroupID, Name: "Sales", Models: []powerbitest.Model{{ID: here.DatasetID, Name: "AdventureWorks"}}}}}
	client := serve(t, s.ServeHTTP)
	return s, client
}

// faults gives the faults of a list to the requests of a method, in order, and then none.
func faults(method string, list ...powerbitest.Fault) func(*http.Request) powerbitest.Fault {
	return func(r *http.Request) powerbitest.Fault {
		if r.Method != method || len(list) == 0 {
			return powerbitest.Fault{}
		}
		fault := list[0]
		list = list[1:]
		return fault
	}
}

var (
	full   = RefreshRequest{Type: "full"}
	reset  = powerbitest.Fault{ResetAfter: true}
	absent = powerbitest.Fault{ResetBefore: true}
)

// F9: a call that reads is repeated, with growing pauses, and not without end.
func TestF9ReadsAreRepeated(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []powerbitest.Fault
		took   time.Duration
		fails  bool
	}{
		{"a burst of everything", []powerbitest.Fault{{Status: 500}, {Status: 503}, {ResetBefore: true}, {Cut: true}}, 15 * time.Second, false},
		{"throttled for a second", []powerbitest.Fault{{Status: 429, RetryAfter: "1"}}, time.Second, false},
		{"throttled for an hour", []powerbitest.Fault{{Status: 429, RetryAfter: "3392"}}, 3392 * time.Second, false},
		{"throttled till a date", []powerbitest.Fault{{Status: 429, RetryAfter: "Sat, 01 Jan 2000 00:10:00 GMT"}}, 10 * time.Minute, false},
		{"no end of it", []powerbitest.Fault{{Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}, {Status: 500}, {Status: 502}}, 31 * time.Second, true},
		{"a refusal", []powerbitest.Fault{{Status: 403}}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client := service(t)
				s.Fault = faults(http.MethodGet, tt.faults...)
				pauses := 0
				client.OnPause = func(error, time.Duration) { pauses++ }
				begin := time.Now()
				groups, err := client.Groups(t.Context(), "")
				if (err != nil) != tt.fails || err == nil && len(groups) != 1 || time.Since(begin) != tt.took || !tt.fails && pauses != len(tt.faults) {
					t.Errorf("%+v, %v after %s and %d pauses, want %s", groups, err, time.Since(begin), pauses, tt.took)
				}
			})
		})
	}
}

// F9: a deadline that comes before the service wants to be asked again ends the call at once, and the error tells how long it would have been.
func TestF9DeadlineBeforeRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := service(t)
		s.Fault = faults(http.MethodGet, powerbitest.Fault{Status: 429, RetryAfter: "3392"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		_, err := client.Groups(ctx, "")
		var late *DeadlineError
		if !errors.As(err, &late) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the service asks to wait 56m32s, and the deadline comes in 1m0s") || time.Since(begin) != 0 {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

// The pauses are within the bounds that Client documents.
func TestBackoff(t *testing.T) {
	for failures, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
		for share, least := range map[float64]time.Duration{0: want / 2, 1: want} {
			client := &Client{random: func() float64 { return share }}
			if got := client.backoff(failures); got != least {
				t.Errorf("after %d failures %s, want %s", failures, got, least)
			}
		}
	}
}

// A token that the service does not take any more is replaced once, by whoever gives them; a POST, too, which was not handled.
func TestTokensAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := service(t)
		current, refused := "old", []string{}
		s.Tokens = func(token string) bool { return token == "new" }
		client.Token = func(context.Context) (string, error) { return current, nil }
		client.Refused = func(token string) { refused, current = append(refused, token), "new" }
		if _, err := client.Refresh(t.Context(), here, full, RefreshOptions{}); err != nil || len(s.Refreshes()) != 1 || fmt.Sprint(refused) != "[old]" {
			t.Errorf("%v, refused %v, %d refreshes", err, refused, len(s.Refreshes()))
		}
		s.Tokens = func(string) bool { return false }
		_, err := client.Groups(t.Context(), "")
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Status != 401 || len(refused) != 2 {
			t.Errorf("%v, refused %v", err, refused)
		}
	})
}

// F9: what becomes of a POST whose answer is lost. Never are there two refreshes.
func TestF9LostReply(t *testing.T) {
	type outcome struct {
		found     bool   // Accepted.Found
		unsettled string // in the error's text
		refreshes int    // that this client has started
		plain     bool   // an error that is none of doubt
	}
	other := func(kind, typ string) func(*powerbitest.Service) {
		return func(s *powerbitest.Service) {
			s.Add(here.DatasetID, kind, powerbitest.Course{}, map[string]any{"type": typ, "other": true})
		}
	}
	tests := []struct {
		name    string
		request RefreshRequest
		faults  []powerbitest.Fault
		course  powerbitest.Course
		freshet bool
		during  func(*powerbitest.Service) // while the POST is under way
		want    outcome
		before  func(*powerbitest.Service) // 30 seconds before the call
	}{
		{"reset after it was handled", full, []powerbitest.Fault{reset}, powerbitest.Course{Running: time.Minute}, false, nil, outcome{found: true, refreshes: 1}, nil},
		{"a gateway's 502 after it was handled", full, []powerbitest.Fault{{StatusAfter: 502}}, powerbitest.Course{}, false, nil, outcome{found: true, refreshes: 1}, nil},
		{"a standard one", RefreshRequest{}, []powerbitest.Fault{reset}, powerbitest.Course{Running: time.Minute}, false, nil, outcome{found: true, refreshes: 1}, nil},
		{"late in the history", full, []powerbitest.Fault{reset}, powerbitest.Course{Hidden: 40 * time.Second, Running: time.Minute}, false, nil, outcome{found: true, refreshes: 1}, nil},
		{"too late in the history", full, []powerbitest.Fault{reset}, powerbitest.Course{Hidden: 2 * time.Minute, Running: time.Hour}, false, nil, outcome{unsettled: "no new entry that fits", refreshes: 1}, nil},
		{"reset before it was handled", full, []powerbitest.Fault{absent}, powerbitest.Course{}, false, nil, outcome{unsettled: "no new entry that fits"}, nil},
		{"503 of unknown origin", full, []powerbitest.Fault{{Status: 503}}, powerbitest.Course{}, false, nil, outcome{unsettled: "no new entry that fits"}, nil},
		{"503 with Retry-After", full, []powerbitest.Fault{{Status: 503, RetryAfter: "5"}}, powerbitest.Course{}, false, nil, outcome{refreshes: 1}, nil},
		{"throttled thrice", full, []powerbitest.Fault{{Status: 429, RetryAfter: "1"}, {Status: 429, RetryAfter: "3392"}, {Status: 429, RetryAfter: "1"}}, powerbitest.Course{}, false, nil, outcome{refreshes: 1}, nil},
		{"no connection, twice", full, []powerbitest.Fault{{Unreachable: true}, {Unreachable: true}}, powerbitest.Course{}, false, nil, outcome{refreshes: 1}, nil},
		{"no connection, then lost", full, []powerbitest.Fault{{Unreachable: true}, reset}, powerbitest.Course{}, false, nil, outcome{found: true, refreshes: 1}, nil},
		{"another type by somebody else", full, []powerbitest.Fault{absent}, powerbitest.Course{}, false, other("ViaEnhancedApi", "dataOnly"), outcome{unsettled: "no new entry that fits"}, nil},
		{"another kind by somebody else", full, []powerbitest.Fault{absent}, powerbitest.Course{}, false, other("Scheduled", ""), outcome{unsettled: "no new entry that fits"}, nil},
		{"the same by somebody else, too", RefreshRequest{}, []powerbitest.Fault{reset}, powerbitest.Course{}, false, other("ViaApi", ""), outcome{unsettled: "in the history it may be", refreshes: 1}, nil},
		{"other objects by somebody else", RefreshRequest{Type: "full", Objects: []RefreshObject{{Table: "DimDate"}}}, []powerbitest.Fault{absent}, powerbitest.Course{}, false,
			other("ViaEnhancedApi", "full"), outcome{unsettled: "no new entry that fits"}, nil},
		{"Freshet: reset after it was handled", full, []powerbitest.Fault{reset, reset, {StatusAfter: 504}}, powerbitest.Course{Running: time.Hour}, true, nil, outcome{refreshes: 1}, nil},
		{"Freshet: reset before it was handled", full, []powerbitest.Fault{absent, absent}, powerbitest.Course{}, true, nil, outcome{refreshes: 1}, nil},
		{"Freshet: lost for good", full, []powerbitest.Fault{reset, reset, reset, reset, reset, reset}, powerbitest.Course{}, true, nil, outcome{unsettled: "not known", refreshes: 1}, nil},
		{"the same by somebody else, just before", full, []powerbitest.Fault{absent}, powerbitest.Course{}, false, nil, outcome{unsettled: "no new entry that fits"},
			func(s *powerbitest.Service) {
				time.Sleep(29 * time.Second)
				other("ViaEnhancedApi", "full")(s)
			}},
		{"the same by somebody else before, late in the history", full, []powerbitest.Fault{absent}, powerbitest.Course{}, false, nil, outcome{unsettled: "no new entry that fits"},
			func(s *powerbitest.Service) {
				s.Add(here.DatasetID, "ViaEnhancedApi", powerbitest.Course{Hidden: 31 * time.Second}, map[string]any{"type": "full", "other": true})
			}},
		{"the same by somebody else, while the service wanted to be left alone", full, []powerbitest.Fault{{Status: 429, RetryAfter: "60"}, absent}, powerbitest.Course{}, false, nil,
			outcome{unsettled: "no new entry that fits"}, func(s *powerbitest.Service) {
				time.AfterFunc(40*time.Second, func() { other("ViaEnhancedApi", "full")(s) })
			}},
		{"refused", RefreshRequest{Type: "full"}, []powerbitest.Fault{{Status: 400}}, powerbitest.Course{}, false, nil, outcome{plain: true}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client := service(t)
				s.Freshet = tt.freshet
				s.Course = func(string, string) powerbitest.Course { return tt.course }
				next := faults(http.MethodPost, tt.faults...)
				s.Fault = func(r *http.Request) powerbitest.Fault {
					if r.Method == http.MethodPost && tt.during != nil {
						tt.during(s)
					}
					return next(r)
				}
				s.Add(here.DatasetID, "ViaEnhancedApi", powerbitest.Course{}, map[string]any{"type": "full", "other": true}) // of yesterday
				time.Sleep(24 * time.Hour)
				begin := time.Now()
				if tt.before != nil {
					tt.before(s)
				}
				time.Sleep(30*time.Second - time.Since(begin))
				accepted, err := client.Refresh(t.Context(), here, tt.request, RefreshOptions{})
				var ours []*powerbitest.Refresh
				for _, r := range s.Refreshes() {
					if r.Body["other"] == nil {
						ours = append(ours, r)
					}
				}
				var doubt *UnsettledError
				isDoubt := errors.As(err, &doubt)
				switch {
				case len(ours) != tt.want.refreshes:
					t.Errorf("%d refreshes, want %d", len(ours), tt.want.refreshes)
				case tt.want.plain:
					if err == nil || isDoubt {
						t.Errorf("got %+v, %v", accepted, err)
					}
				case tt.want.unsettled != "":
					if !isDoubt || !strings.Contains(err.Error(), tt.want.unsettled) {
						t.Errorf("got %+v, %v", accepted, err)
					}
				case err != nil || accepted.RequestID != ours[0].ID || accepted.Found != tt.want.found:
					t.Errorf("got %+v, %v", accepted, err)
				}
			})
		})
	}
}

// net/http sends a request with the header Idempotency-Key again by itself when a kept connection breaks, and Power BI would start a second
// refresh: a start goes over the wire once, on a real connection that was used before.
func TestF9NoSecondPostByTheTransport(t *testing.T) {
	var posts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if posts.Add(1); r.Header.Get("Idempotency-Key") == "" {
				t.Error("the POST has no key")
			}
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"value":[]}`)
	}))
	defer server.Close()
	for _, request := range []RefreshRequest{{}, full} {
		posts.Store(0)
		client := &Client{Host: server.URL, HTTP: server.Client()}
		if _, err := client.Groups(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		client.Retries = -1
		_, err := client.Refresh(t.Context(), here, request, RefreshOptions{})
		var doubt *UnsettledError
		var lost *TransportError
		if !errors.As(err, &doubt) || !errors.As(err, &lost) || posts.Load() != 1 {
			t.Errorf("%d POSTs, %v", posts.Load(), err)
		}
	}
}

// A deletion that was done, and whose answer was lost, is done.
func TestDeleteIsDoneWhenItIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if calls++; calls == 1 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusNotFound)
		})
		if err := client.DeleteDataset(t.Context(), here); err != nil || calls != 2 {
			t.Errorf("%v after %d calls", err, calls)
		}
		if err := client.DeleteDataset(t.Context(), here); err == nil {
			t.Error("what was never there was deleted")
		}
	})
}

// F9: whatever goes wrong, a refresh is started at most once, and what the client tells of it is true. Each seed lays down the faults of each
// request, the course of the refresh, and what others do with the model.
func TestF9NeverTwiceNeverWrong(t *testing.T) {
	const trials = 400
	tally := map[string]int{}
	for seed := range uint64(trials) {
		synctest.Test(t, func(t *testing.T) {
			told := trial(t, rand.New(rand.NewPCG(seed, 1)))
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
			tally[told]++
		})
	}
	t.Log(tally)
	// A client that always gives up would be right, too.
	for told, least := range map[string]int{"followed": 200, "unsettled": 5, "unsettled, and never started": 20, "found": 15, "deadline": 3, "dropped": 3, "busy": 10} {
		if tally[told] < least {
			t.Errorf("%d of %d %s, want %d at least", tally[told], trials, told, least)
		}
	}
}

// trial starts and follows one refresh among faults, checks all that is told, and returns what became of it.
func trial(t *testing.T, random *rand.Rand) string {
	s, client := service(t)
	s.Freshet = random.IntN(4) == 0
	client.random = random.Float64
	within := func(limit time.Duration) time.Duration { return time.Duration(random.Int64N(int64(limit))) }
	chance := func(percent int) bool { return random.IntN(100) < percent }
	words := [][2]string{{"Completed", ""}, {"Completed", "Completed"}, {"Failed", "Failed"}, {"Failed", "TimedOut"}, {"Cancelled", "Cancelled"}, {"Disabled", ""}}
	s.Course = func(string, string) powerbitest.Course {
		end := words[random.IntN(len(words))]
		return powerbitest.Course{Hidden: within(30 * time.Second), Queued: within(time.Minute), Running: within(3 * time.Hour), Status: end[0], Extended: end[1]}
	}

	client.Token, client.Refused = s.Trouble(random, func() { // somebody else, with other parameters
		kinds := []string{"Scheduled", "OnDemand", "ViaEnhancedApi"}
		s.Add(here.DatasetID, kinds[random.IntN(3)], powerbitest.Course{Hidden: within(20 * time.Second), Running: within(time.Minute)}, map[string]any{"type": "clearValues", "other": true})
	})

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour+within(22*time.Hour))
	defer cancel()
	time.Sleep(within(time.Hour))
	request := full
	if chance(40) {
		request = RefreshRequest{}
	}
	if chance(10) { // one runs and one waits: a standard refresh is dropped
		for range 2 {
			s.Add(here.DatasetID, "Scheduled", powerbitest.Course{Running: 2 * time.Hour}, map[string]any{"other": true})
		}
	}
	begin := time.Now()
	accepted, err := client.Refresh(ctx, here, request, RefreshOptions{})
	var ours *powerbitest.Refresh
	for _, r := range s.Refreshes() {
		switch {
		case r.Body["other"] != nil:
		case ours != nil:
			t.Errorf("two refreshes, %s and %s", ours.ID, r.ID)
		default:
			ours = r
		}
	}
	var (
		doubt   *UnsettledError
		late    *DeadlineError
		refusal *Error
	)
	switch {
	case errors.As(err, &doubt):
		if ours != nil {
			return "unsettled"
		}
		return "unsettled, and never started"
	case err != nil && ours != nil:
		t.Errorf("the refresh was started, and the client says: %v", err)
		return "wrong"
	case errors.As(err, &late):
		return "deadline"
	case errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest:
		return "busy"
	case err != nil:
		return "not started"
	case ours == nil || accepted.RequestID != ours.ID:
		t.Errorf("accepted %+v, but the refresh is %+v", accepted, ours)
		return "wrong"
	}

	result, err := client.Wait(ctx, here, accepted.RequestID, WaitOptions{Since: accepted.At})
	var progressed *DeadlineError
	switch {
	case errors.Is(err, ErrDropped):
		if !ours.Dropped {
			t.Errorf("told to be dropped after %s: %+v", time.Since(begin), ours)
		}
		return "dropped"
	case errors.As(err, &progressed):
		return "deadline"
	case ctx.Err() != nil:
		return "deadline"
	case err != nil:
		var refused *Error
		if !errors.Is(err, ErrVanished) && !(errors.As(err, &refused) && refused.Status == http.StatusUnauthorized) {
			t.Errorf("the wait ended with %v", err)
		}
		t.Logf("gave up: %v", err)
		return "gave up"
	}
	status, extended := ours.Outcome()
	want := Status(status)
	if extended == "TimedOut" && ours.Kind == "ViaEnhancedApi" {
		want = TimedOut
	}
	if s.Freshet && extended == "TimedOut" {
		want = TimedOut // its detail has every kind
	}
	if result.Status != want || time.Now().Before(ours.Ended()) {
		t.Errorf("told %s at %s, but it was %s, %s at %s", result.Status, time.Now(), status, extended, ours.Ended())
	}
	if accepted.Found {
		return "found"
	}
	return "followed"
}
