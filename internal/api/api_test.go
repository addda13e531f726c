package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

// play runs one handler behind everything that a route has, and returns the answer, or what the handler panicked with.
func play(t *testing.T, log *bytes.Buffer, request *http.Request, handle func(*call) (reply, error)) (answer *httptest.ResponseRecorder, panicked any) {
	t.Helper()
	f := &face{Options: Options{NewID: func() string { return "id" }, Logger: slog.New(slog.NewTextHandler(log, nil))}}
	answer = httptest.NewRecorder()
	setRequestID(answer, "id")
	defer func() { panicked = recover() }()
	f.serve(route{public: true, handle: handle}).ServeHTTP(answer, request)
	return answer, nil
}

func get(ctx context.Context) *http.Request {
	return httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/x", nil)
}

// A defect in a handler is a 500 that says where to look, and its stack is in the log alone.
func TestPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	answer, panicked := play(t, &log, get(t.Context()), func(*call) (reply, error) { panic("the sky fell") })
	if panicked != nil || answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "sky") || !strings.Contains(answer.Body.String(), "RequestId id") {
		t.Errorf("%d %s, panic %v", answer.Code, answer.Body, panicked)
	}
	if !strings.Contains(log.String(), "the sky fell") || !strings.Contains(log.String(), "TestPanicIsAnswered") {
		t.Errorf("logged %s", log.String())
	}
}

// A server that cannot work says so, and not why: who asks may be anybody.
func TestUnready(t *testing.T) {
	f := New(Options{Now: time.Now, NewID: func() string { return "id" }, Logger: slog.New(slog.DiscardHandler),
		Ready: func(context.Context) error { return errors.New("cannot open /srv/freshet/catalog.db") }})
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/readyz", nil))
	if answer.Code != http.StatusServiceUnavailable || strings.Contains(answer.Body.String(), "/srv") || !strings.Contains(answer.Body.String(), "ServerNotReady") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// A defect in the middle of an answer breaks it off.
func TestPanicInAnAnswer(t *testing.T) {
	var log bytes.Buffer
	_, panicked := play(t, &log, get(t.Context()), func(c *call) (reply, error) {
		c.begun = true
		panic("the sky fell")
	})
	if panicked != http.ErrAbortHandler || !strings.Contains(log.String(), "the sky fell") {
		t.Errorf("panic %v, logged %s", panicked, log.String())
	}
}

// F4: what failed inside is not told, what to do about it is. A damaged data file is named: who calls can mend it.
func TestInnerErrors(t *testing.T) {
	damaged := fault.New(fault.Internal, "DataFileDamaged", "cannot use data file 1.parquet").WithHint("Refresh the table.")
	broken := fault.New(fault.Internal, "CatalogDamaged", "cannot read /srv/catalog.db").WithHint("Restore it.")
	for _, test := range []struct {
		err           error
		code, message string
	}{
		{damaged, "DataFileDamaged", "cannot use data file 1.parquet. Refresh the table."},
		{broken, "CatalogDamaged", "cannot answer: something failed inside the server, whose log tells more under RequestId id. Restore it."},
		{errors.New("cannot open /srv/1"), "InternalError", "cannot answer: something failed inside the server, whose log tells more under RequestId id"},
	} {
		if got := describe(test.err, "id"); got.Code != test.code || got.Message != test.message {
			t.Errorf("%+v", got)
		}
	}
}

// A call that ends because its caller hung up, or the server closes, is not answered: an empty 200 would say that it was done.
func TestCancelledCallIsNotAnswered(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, panicked := play(t, &bytes.Buffer{}, get(ctx), func(c *call) (reply, error) { return reply{}, fmt.Errorf("cannot wait: %w", c.r.Context().Err()) })
	if panicked != http.ErrAbortHandler {
		t.Errorf("panic %v", panicked)
	}
}

// stalling is a reader that takes so many pieces, and notes for how long each may wait.
type stalling struct {
	http.ResponseWriter
	takes  int
	pieces []int
	limits int
}

func (s *stalling) SetWriteDeadline(at time.Time) error {
	if time.Until(at) > time.Minute {
		s.limits++
	}
	return nil
}

func (s *stalling) Write(piece []byte) (int, error) {
	if len(s.pieces) == s.takes {
		return 0, errors.New("i/o timeout")
	}
	s.pieces = append(s.pieces, len(piece))
	return len(piece), nil
}

// Every piece of an answer has a limit of time.
func TestAnswersHaveLimits(t *testing.T) {
	w := &stalling{ResponseWriter: httptest.NewRecorder(), takes: 2}
	err := write(w, reply{http.StatusOK, strings.Repeat("x", 200<<10)})
	if err == nil || len(w.pieces) != 2 || w.pieces[0] != 64<<10 || w.limits != 3 {
		t.Errorf("wrote %v in %d limits, error %v", w.pieces, w.limits, err)
	}
}

// R3: what the workspace room hears of the caller.
func TestCallerOfApplication(t *testing.T) {
	c := &call{principal: auth.Principal{ID: "a", Name: "App", App: true}}
	if caller := c.caller(); caller != (workspace.Caller{ID: "a", Name: "App", App: true}) {
		t.Errorf("%+v", caller)
	}
}
