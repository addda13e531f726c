package powerbi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// exchange is one expected call and its answer. Header lines stand before the body, as "Name: value".
type exchange struct {
	path   string
	status int
	header string
	body   string
}

// script answers calls in order; the last answer repeats.
func script(t *testing.T, exchanges ...exchange) (*Client, *atomic.Int32) {
	t.Helper()
	calls := new(atomic.Int32)
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		call := int(calls.Add(1))
		e := exchanges[min(call, len(exchanges))-1]
		if r.Method != http.MethodGet || r.URL.Path != e.path {
			t.Errorf("call %d is %s %s, want GET %s", call, r.Method, r.URL.Path, e.path)
		}
		if e.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Date", "Sun, 01 Mar 2026 12:00:00 GMT")
		if name, value, ok := strings.Cut(e.header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(e.status)
		_, _ = io.WriteString(w, e.body)
	})
	return client, calls
}

func status(code int, body string) exchange {
	return exchange{path: theDetail, status: code, body: body}
}

// F9: the wait ends with the end of the refresh and with nothing else.
func TestF9Wait(t *testing.T) {
	const (
		missing  = `{"error":{"code":"PowerBIEntityNotFound"}}`
		history  = `{"value":[{"requestId":"other","status":"Completed"},{"requestId":"` + theID + `","status":"%s","extendedStatus":"%s"}]}`
		standard = `{"error":{"code":"InvalidRequest","message":"not an enhanced refresh"}}`
	)
	done := status(200, `{"status":"Completed","extendedStatus":"Completed","endTime":"2021-12-10T08:40:43.87"}`)
	tests := []struct {
		name   string
		script []exchange
		want   Status
		calls  int
		fails  error
	}{
		{"straight", []exchange{status(202, `{"status":"Unknown","extendedStatus":"NotStarted"}`), status(202, `{"status":"InProgress"}`), done}, Completed, 3, nil},
		{"Analysis Services' words", []exchange{status(200, `{"status":"notStarted"}`), status(200, `{"status":"inProgress"}`), status(200, `{"status":"succeeded"}`)}, Completed, 3, nil},
		{"unknown words wait", []exchange{status(200, `{"status":"Hibernating"}`), status(200, `{"status":""}`), status(200, `{}`), done}, Completed, 4, nil},
		{"backwards", []exchange{status(202, `{"status":"InProgress"}`), status(202, `{"status":"NotStarted"}`), status(200, `{"status":"Unknown"}`), done}, Completed, 4, nil},
		{"done, but still 202", []exchange{status(202, `{"status":"Completed"}`), done}, Completed, 2, nil},
		{"failed, but an attempt follows", []exchange{status(200, `{"status":"Failed","extendedStatus":"InProgress"}`), done}, Completed, 2, nil},
		{"timed out", []exchange{status(200, `{"status":"Failed","extendedStatus":"TimedOut"}`)}, TimedOut, 1, nil},
		{"cancelled as the reference writes it", []exchange{status(200, `{"status":"Failed","extendedStatus":"Cancelled"}`)}, Cancelled, 1, nil},
		{"contradiction is no success", []exchange{status(200, `{"status":"Completed","extendedStatus":"Failed"}`)}, Failed, 1, nil},
		{"only the extended status ended", []exchange{status(200, `{"status":"Unknown","extendedStatus":"Completed"}`)}, Completed, 1, nil},
		{"flaky reads", []exchange{{path: theDetail}, status(500, ""), status(503, "x"), status(200, "<html>"), status(200, `{"startTime":"later"}`), done}, Completed, 6, nil},
		{"a token that ran out", []exchange{status(401, `{"error":{"code":"TokenExpired"}}`), done}, Completed, 2, nil},
		{"no right at all", []exchange{status(403, `{"error":{"code":"PowerBINotAuthorizedException"}}`)}, "", 4, new(Error)},
		{"late to appear", []exchange{status(404, missing), {herePath, 200, "", `{"value":[]}`}, status(404, missing), {herePath, 503, "", ""}, done}, Completed, 5, nil},
		{"no detail of its kind, and a 404 that says so", []exchange{status(404, missing), {herePath, 200, "", fmt.Sprintf(history, "Unknown", "")},
			status(404, missing), {herePath, 200, "", fmt.Sprintf(history, "Completed", "")}}, Completed, 4, nil},
		{"a standard refresh", []exchange{status(400, standard), {herePath, 200, "", fmt.Sprintf(history, "Unknown", "NotStarted")},
			{herePath, 200, "", `{"value":[]}`}, {herePath, 200, "", fmt.Sprintf(history, "Unknown", "")},
			{herePath, 200, "", fmt.Sprintf(history, "Completed", "")}}, Completed, 5, nil},
		{"a standard refresh of Freshet", []exchange{{theDetail, 400, "Server: Freshet", standard},
			{"/v1.0/freshet/datasets/" + here.DatasetID + "/refreshes/" + theID, 200, "", `{"status":"Completed"}`}}, Completed, 2, nil},
		{"dropped", []exchange{{theDetail, 404, "Server: Freshet", missing}}, "", 26, ErrDropped},
		{"vanished", []exchange{status(202, `{"status":"InProgress"}`), {theDetail, 404, "Server: Freshet", missing}}, "", 26, ErrVanished},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, calls := script(t, tt.script...)
				begin := time.Now()
				result, err := client.Wait(t.Context(), here, theID, WaitOptions{})
				var refusal *Error
				switch {
				case tt.fails == nil && err != nil, tt.fails != nil && err == nil:
					t.Errorf("got %+v, %v", result, err)
				case tt.fails != nil && !errors.Is(err, tt.fails) && !errors.As(err, &refusal):
					t.Errorf("got %v", err)
				}
				if result.Status != tt.want {
					t.Errorf("got %q, want %q", result.Status, tt.want)
				}
				if got := int(calls.Load()); got != tt.calls {
					t.Errorf("%d calls, want %d", got, tt.calls)
				}
				if errors.Is(tt.fails, ErrDropped) && time.Since(begin) < time.Minute {
					t.Errorf("gave up after %s", time.Since(begin))
				}
			})
		})
	}
}

// R7: a refresh that the service says it has dropped is unknown to it. Wait gives it a minute from the 202 and not a moment more, and follows
// it when it appears in that minute after all.
func TestR7DroppedForAMinute(t *testing.T) {
	for appears, want := range map[time.Duration]Status{59 * time.Second: Completed, 61 * time.Second: ""} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Server", "Freshet")
				switch {
				case r.Method == http.MethodPost:
					w.Header().Set("RequestId", theID)
					w.Header().Set("x-freshet-outcome", "dropped")
					w.WriteHeader(http.StatusAccepted)
				case time.Since(start) < appears:
					w.WriteHeader(http.StatusNotFound)
				default:
					_, _ = io.WriteString(w, `{"status":"Completed"}`)
				}
			})
			accepted, err := client.Refresh(t.Context(), here, RefreshRequest{}, RefreshOptions{})
			if err != nil || !accepted.Dropped || accepted.RequestID != theID {
				t.Fatalf("accepted %+v, %v", accepted, err)
			}
			time.Sleep(20 * time.Second) // Wait is called some time after the 202
			result, err := client.Wait(t.Context(), here, accepted.RequestID, WaitOptions{Since: start, Interval: time.Second})
			if result.Status != want || errors.Is(err, ErrDropped) != (want == "") {
				t.Errorf("appears after %s: %+v, %v", appears, result, err)
			}
			if waited := time.Since(start); want == "" && waited != time.Minute {
				t.Errorf("gave up %s after the 202", waited)
			}
		})
	}
}

// F9: a Retry-After of an hour is obeyed, also when it is written as a date by a clock that is not ours; a deadline before it ends the wait at once.
func TestF9RetryAfter(t *testing.T) {
	throttled := exchange{theDetail, 429, "Retry-After: 3392", `{"message":"Retry in 3392 seconds."}`}
	for _, answer := range []exchange{throttled, {theDetail, 429, "Retry-After: Sun, 01 Mar 2026 12:56:32 GMT", "{}"}} {
		synctest.Test(t, func(t *testing.T) {
			client, _ := script(t, answer, status(200, `{"status":"Completed"}`))
			begin := time.Now()
			var told []error
			result, err := client.Wait(t.Context(), here, theID, WaitOptions{OnError: func(err error) { told = append(told, err) }})
			if err != nil || result.Status != Completed || time.Since(begin) != 3392*time.Second || len(told) != 1 {
				t.Errorf("got %+v, %v, after %v, told %v", result, err, time.Since(begin), told)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		client, calls := script(t, throttled)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		begin := time.Now()
		_, err := client.Wait(ctx, here, theID, WaitOptions{})
		var late *DeadlineError
		if !errors.As(err, &late) || late.Pause != 3392*time.Second || late.Left != 10*time.Minute || !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 0 || calls.Load() != 1 {
			t.Errorf("after %s and %d calls: %v", time.Since(begin), calls.Load(), err)
		}
		if !strings.Contains(err.Error(), "the service asks to wait 56m32s, and the deadline comes in 10m0s") {
			t.Errorf("text %q", err)
		}
	})
}

// F9: after a Retry-After of an hour a first read that misses the refresh is no proof that it was dropped.
func TestF9MissingAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := script(t, exchange{theDetail, 429, "Retry-After: 3600", "{}"}, status(404, "{}"), exchange{herePath, 200, "", `{"value":[]}`}, status(200, `{"status":"Completed"}`))
		if result, err := client.Wait(t.Context(), here, theID, WaitOptions{}); err != nil || result.Status != Completed {
			t.Errorf("got %+v, %v", result, err)
		}
	})
}

// F9: a caller who reads seldom needs as many reads that miss the refresh as one who reads often.
func TestF9MissingForSeldomReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		absent := exchange{theDetail, 404, "Server: Freshet", "{}"}
		client, _ := script(t, absent, absent, absent, absent, status(200, `{"status":"Completed"}`))
		if result, err := client.Wait(t.Context(), here, theID, WaitOptions{Interval: time.Minute}); err != nil || result.Status != Completed {
			t.Errorf("got %+v, %v", result, err)
		}
	})
}

// F9: Freshet holds a read until the refresh has ended, so that the wait ends with it and not with a pause.
func TestF9FreshetHoldsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			asked []string
			at    []time.Duration
		)
		begin := time.Now()
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked, at = append(asked, r.Header.Get("Prefer")), append(at, time.Since(begin))
			w.Header().Set("Server", "Freshet")
			switch len(asked) {
			case 1:
				w.WriteHeader(http.StatusAccepted)
				_, _ = io.WriteString(w, `{"status":"InProgress"}`)
			case 2: // held for a part of the time only: a proxy may do that
				time.Sleep(2 * time.Second)
				w.WriteHeader(http.StatusAccepted)
				_, _ = io.WriteString(w, `{"status":"InProgress"}`)
			case 3: // no answer
				w.WriteHeader(http.StatusServiceUnavailable)
			default:
				_, _ = io.WriteString(w, `{"status":"Completed"}`)
			}
		})
		result, err := client.Wait(t.Context(), here, theID, WaitOptions{Interval: 3 * time.Second})
		if err != nil || result.Status != Completed {
			t.Errorf("got %+v, %v", result, err)
		}
		if got, want := fmt.Sprintf("%q", asked), `["" "wait=3" "wait=3" "wait=3"]`; got != want {
			t.Errorf("asked to hold %s, want %s", got, want)
		}
		if got, want := fmt.Sprint(at), "[0s 0s 3s 6s]"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

// F9: the end of the context is an error that says that the refresh goes on, never a result.
func TestF9WaitEndsWithItsContext(t *testing.T) {
	client, _ := script(t, status(202, `{"status":"InProgress","freshet":{"requestId":"x","state":"Running","rows":5,"bytes":7,"objects":[]}}`))
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("the caller's limit of 2 h is over")
	var seen []Observed
	result, err := client.Wait(ctx, here, theID, WaitOptions{Interval: time.Millisecond, Observe: func(o Observed) {
		seen = append(seen, o)
		if len(seen) == 3 {
			cancel(enough)
		}
	}})
	if !errors.Is(err, enough) || result.Status != "" || !strings.Contains(err.Error(), "goes on by itself") {
		t.Errorf("got %+v, %v", result, err)
	}
	if len(seen) != 3 || seen[2].Status != InProgress || seen[2].Detail.Freshet.Rows != 5 {
		t.Errorf("observed %+v", seen)
	}
}

func TestRefreshErrorTellsTheMessages(t *testing.T) {
	client, _ := script(t, status(200, `{"status":"Failed","messages":[{"code":"0xC11C0020","message":"evicted","type":"Error"},{"message":"careful","type":"Warning"}]}`))
	result, err := client.Wait(context.Background(), here, theID, WaitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := result.Err().Error(), "cannot refresh (request "+theID+"): Failed\n0xC11C0020 evicted"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
