package tests

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// endless is an expression whose load ends only when it is cancelled.
const endless = `Table.FromColumns({List.Generate(() => 0, each _ >= 0, each _ + 1)}, {"id"})`

// TestR6R7ManyAtOnce posts 32 refreshes of one model at once: of the enhanced ones one is accepted and the others are refused by its id; of the
// standard ones one runs, one is queued and the others are dropped. What was promised is in the history, and nothing else.
func TestR6R7ManyAtOnce(t *testing.T) {
	const many = 32
	h := startHost(t, configured(t))
	for _, kind := range []struct {
		body            string
		accepted, other int
	}{{`{"type":"full"}`, 1, many - 1}, {"", 2, many - 2}} {
		ref := h.deploy(t, fmt.Sprintf("Endless %d", kind.accepted), modelOf(t, "Endless", tableOf("T", "id int64", reads("T", endless))))
		var (
			mu                sync.Mutex
			promised, dropped []string
			refused           []answer
			group             sync.WaitGroup
		)
		for range many {
			group.Go(func() {
				got := h.raw(t, "POST", refreshesOf(ref), kind.body)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case got.status == http.StatusAccepted && got.header.Get("x-freshet-outcome") == "dropped":
					dropped = append(dropped, got.header.Get("RequestId"))
				case got.status == http.StatusAccepted:
					promised = append(promised, got.header.Get("RequestId"))
				default:
					refused = append(refused, got)
				}
			})
		}
		group.Wait()
		if len(promised) != kind.accepted || len(dropped)+len(refused) != kind.other {
			t.Fatalf("%q: %d accepted, %d dropped, %d refused", kind.body, len(promised), len(dropped), len(refused))
		}
		if kind.body != "" {
			for _, got := range refused {
				if got.status != http.StatusBadRequest || !strings.Contains(got.body, "Another refresh request is already executing: "+promised[0]) {
					t.Errorf("refused with %d %s", got.status, got.body)
				}
			}
		} else if len(refused) > 0 {
			t.Errorf("a standard refresh was refused: %+v", refused[0])
		}
		for _, id := range dropped {
			if got := h.raw(t, "GET", refreshesOf(ref)+"/"+id, ""); got.status != http.StatusNotFound {
				t.Errorf("a dropped one is found: %d %s", got.status, got.body)
			}
		}
		history, err := h.Refreshes(t.Context(), ref, many)
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, entry := range history {
			listed = append(listed, entry.RequestID)
			if entry.Status != powerbi.Unknown {
				t.Errorf("%s is %s", entry.RequestID, entry.Status)
			}
		}
		slices.Sort(listed)
		slices.Sort(promised)
		if !slices.Equal(listed, promised) {
			t.Errorf("the history has %q, promised were %q", listed, promised)
		}
	}
}

// TestThrottledChangesNothing: a call that exceeds a limit has no effect, and the client hears how long to wait.
func TestThrottledChangesNothing(t *testing.T) {
	config := configured(t)
	config.Limits = server.Limits{RequestsPerMinute: 1, Burst: 5, RefreshesPerHour: 1}
	h := startHost(t, config)
	ref := h.deploy(t, "Endless", modelOf(t, "Endless", tableOf("T", "id int64", reads("T", endless)))) // the first call
	running := h.post(t, ref, `{"type":"full"}`)
	_, err := h.Refresh(t.Context(), ref, powerbi.RefreshRequest{}, powerbi.RefreshOptions{})
	refused := func(err error, least time.Duration) {
		t.Helper()
		var refusal *powerbi.Error
		if !errors.As(err, &refusal) || refusal.Status != http.StatusTooManyRequests || !refusal.Retryable() || refusal.RetryAfter < least || refusal.RetryAfter > 2*least {
			t.Fatalf("error %v", err)
		}
	}
	refused(err, 30*time.Minute)
	history, err := h.Refreshes(t.Context(), ref, 10)
	if err != nil || len(history) != 1 || history[0].RequestID != running {
		t.Fatalf("history %+v, %v", history, err)
	}
	if _, err := h.Dataset(t.Context(), ref); err != nil { // the fifth
		t.Fatal(err)
	}
	refused(h.CancelRefresh(t.Context(), ref, running), 30*time.Second)
	h.stop()
	h.config.Limits = server.Limits{}
	h.start(t)
	detail, err := h.RefreshDetail(t.Context(), ref, running)
	if err != nil || detail.Freshet.State == "Cancelling" || detail.Status.Ended() {
		t.Fatalf("detail %+v, %v", detail, err)
	}
}
