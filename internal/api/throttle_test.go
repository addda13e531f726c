package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freshet.dev/internal/auth"
)

// everybody is a verifier that takes a token for its bearer's id.
type everybody struct{}

func (everybody) Verify(_ context.Context, bearer string, _ ...string) (auth.Principal, error) {
	return auth.Principal{ID: bearer, Name: bearer, Scopes: auth.AllScopes()}, nil
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A burst, then an even rate; what is refused is told exactly how long to wait, and is not counted.
func TestThrottle(t *testing.T) {
	now := noon
	throttle := newThrottle(60, time.Minute, 3) // one a second, three at once
	for _, step := range []struct {
		after time.Duration
		want  time.Duration
	}{
		{0, 0}, {0, 0}, {0, 0}, {0, time.Second}, {0, time.Second},
		{999 * time.Millisecond, time.Millisecond}, {time.Millisecond, 0}, {0, time.Second},
		{2 * time.Second, 0}, {0, 0}, {0, time.Second},
		{24 * time.Hour, 0}, {0, 0}, {0, 0}, {0, time.Second}, // not more than a burst, however long nothing came
	} {
		now = now.Add(step.after)
		if got := throttle.take("ana", now); got != step.want {
			t.Fatalf("at %s: wait %s, want %s", now, got, step.want)
		}
		throttle.take("bob", now) // whom it does not concern
	}
	off := newThrottle(0, time.Minute, 3)
	for range 100 {
		if wait := off.take("ana", noon); wait != 0 {
			t.Fatalf("without a limit: wait %s", wait)
		}
	}
}

// A call that reads the clock first and is counted last has not come too soon.
func TestThrottleOvertaken(t *testing.T) {
	throttle := newThrottle(60_000, time.Minute, 2) // one a millisecond, two at once
	if wait := throttle.take("ana", noon.Add(time.Second)); wait > 0 {
		t.Fatal(wait)
	}
	if wait := throttle.take("ana", noon); wait > 0 {
		t.Errorf("the one that was overtaken waits %s", wait)
	}
	if wait := throttle.take("ana", noon); wait <= 0 {
		t.Error("the third at once was taken")
	}
}

// What is kept of callers has a bound, and one that calls on is not forgotten while fewer others come than a generation holds.
func TestThrottleIsBounded(t *testing.T) {
	throttle := newThrottle(1, time.Minute, 1)
	throttle.take("ana", noon)
	for i := range 5 * callers / 2 {
		if wait := throttle.take(strconv.Itoa(i), noon); wait != 0 {
			t.Fatalf("caller %d waits %s", i, wait)
		}
		if i == callers+callers/2 {
			if wait := throttle.take("ana", noon.Add(time.Minute)); wait != 0 {
				t.Fatalf("ana waits %s", wait)
			}
		}
	}
	if wait := throttle.take("ana", noon.Add(time.Minute)); wait != time.Minute {
		t.Errorf("ana waits %s", wait)
	}
	if kept := len(throttle.newer) + len(throttle.older); kept > 2*callers {
		t.Errorf("%d callers are kept", kept)
	}
}

// Of many calls at once exactly a burst is taken.
func TestThrottleAtOnce(t *testing.T) {
	throttle := newThrottle(1, time.Hour, 50)
	var taken atomic.Int32
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if throttle.take("ana", noon) == 0 {
				taken.Add(1)
			}
		})
	}
	group.Wait()
	if taken.Load() != 50 {
		t.Errorf("%d taken", taken.Load())
	}
}

// limited is a face that lets each caller make so many calls a minute, with a clock to turn.
func limited(limits Limits, now *time.Time) http.Handler {
	return New(Options{
		Verifier: everybody{}, Limits: limits, Now: func() time.Time { return *now }, NewID: func() string { return "id" }, Logger: slog.New(slog.DiscardHandler),
		Ready: func(context.Context) error { return nil },
	})
}

func ask(handler http.Handler, caller, path string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	request.Header.Set("Authorization", "Bearer "+caller)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

// The answer of a limit is Power BI's: Retry-After in whole seconds, of which the message tells too, outside and inside.
func TestThrottledAnswer(t *testing.T) {
	const served = "/v1.0/myorg/admin/capacities" // 501: it needs a sign-in and nothing else
	now := noon
	handler := limited(Limits{RequestsPerMinute: 2, Burst: 1}, &now)
	if answer := ask(handler, "ana", served); answer.Code != http.StatusNotImplemented {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	now = now.Add(500 * time.Millisecond) // 29.5 s are left, which are told as 30: a caller that obeys is not refused again
	for range 3 {
		answer := ask(handler, "ana", served)
		const want = "You have exceeded the amount of requests allowed in the current time frame and further requests will fail. Retry in 30 seconds."
		var body struct {
			Message string
			Error   struct{ Code, Message string }
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") != "30" || body.Message != want || body.Error.Message != want || body.Error.Code != codeThrottled {
			t.Fatalf("%d %v %s", answer.Code, answer.Header(), answer.Body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if answer := ask(handler, "ana", path); answer.Code != http.StatusOK {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
	now = now.Add(30 * time.Second)
	if answer := ask(handler, "ana", served); answer.Code != http.StatusNotImplemented {
		t.Errorf("after the wait: %d %s", answer.Code, answer.Body)
	}
}

// Secrets are not to be guessed: whoever signs in from one address too often has to wait, and no other address with it.
func TestSignInIsThrottled(t *testing.T) {
	now := noon
	local, err := auth.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	signIn, err := auth.NewSignIn(local, nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	handler := New(Options{SignIn: signIn, Now: func() time.Time { return now }, NewID: func() string { return "id" }, Logger: slog.New(slog.DiscardHandler)})
	guess := func(from string) int {
		request := httptest.NewRequest(http.MethodPost, "http://localhost/t/oauth2/v2.0/token", strings.NewReader("grant_type=client_credentials&client_id=x&client_secret=y"))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.RemoteAddr = from + ":1234"
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		return answer.Code
	}
	for range signInsPerMinute {
		if code := guess("192.0.2.1"); code != http.StatusBadRequest {
			t.Fatal(code)
		}
	}
	if code := guess("192.0.2.1"); code != http.StatusTooManyRequests {
		t.Error(code)
	}
	if code := guess("192.0.2.2"); code != http.StatusBadRequest {
		t.Error(code)
	}
	now = now.Add(time.Second)
	if code := guess("192.0.2.1"); code != http.StatusBadRequest {
		t.Error(code)
	}
}

// BenchmarkThrottle is what the limits add to a call, of many callers at once.
func BenchmarkThrottle(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("5b4f1d3e-0000-4000-8000-%012d", i)
	}
	b.Run("take", func(b *testing.B) {
		throttle := newThrottle(1e9, time.Minute, 1e9)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				throttle.take(names[i%len(names)], time.Now())
			}
		})
	})
	for name, limits := range map[string]Limits{"off": {}, "on": {RequestsPerMinute: 1e9, RefreshesPerHour: 1e9}} {
		b.Run("call/"+name, func(b *testing.B) {
			now := noon
			handler := limited(limits, &now)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					ask(handler, names[i%len(names)], "/v1.0/myorg/admin/dataflows")
				}
			})
		})
	}
}
