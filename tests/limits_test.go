package tests

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // the database/sql driver "sqlite3"

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
	h.Retries = -1                                                                                      // the refusals themselves are looked at
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

// TestF12HistoryIsShortened: a server deletes what keepHistory and Power BI's least do not keep, and only that.
func TestF12HistoryIsShortened(t *testing.T) {
	config := configured(t)
	config.KeepHistory = server.Duration(30 * 24 * time.Hour)
	h := startHost(t, config)
	ref := h.deploy(t, "Numbers", modelOf(t, "Numbers", tableOf("T", "id int64", reads("T", `Table.FromColumns({{1, 2}}, {"id"})`))))
	newest := h.post(t, ref, `{"type":"full"}`)
	h.ended(t, ref, newest)
	h.stop()

	// A hundred refreshes of long ago: one a second, so that the digits of an id are the order.
	db, err := sql.Open("sqlite3", filepath.Join(config.Data, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-60 * 24 * time.Hour).Unix()
	_, err = db.Exec(`
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
		INSERT INTO operations (id, model, model_revision, trigger_kind, request, requested_by, accepted_at, ended_at, state, epoch, owner, planned, version)
		SELECT printf('00000000-0000-4000-8000-%012d', i), ?1, 1, 'ViaApi', '{}', 'ana', (?2 + i) * 1000000000, (?2 + i) * 1000000000, 'Cancelled', 0, '', 0, 0 FROM n`,
		ref.DatasetID, long)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}

	h.start(t)
	var history []powerbi.Refresh
	eventually(t, "the history is shortened", func() bool {
		if history, err = h.Refreshes(t.Context(), ref, 1000); err != nil {
			t.Fatal(err)
		}
		return len(history) <= 60
	})
	if len(history) != 60 || history[0].RequestID != newest || history[1].RequestID != "00000000-0000-4000-8000-000000000100" ||
		history[59].RequestID != "00000000-0000-4000-8000-000000000042" {
		t.Errorf("%d are left, from %s, %s to %s", len(history), history[0].RequestID, history[1].RequestID, history[len(history)-1].RequestID)
	}
	if got := h.values(t, ref, "SELECT count(*) FROM T"); got != "2" {
		t.Errorf("the table has %s rows", got)
	}
	got := h.raw(t, "GET", "/v1.0/freshet/datasets/"+ref.DatasetID+"/refreshes/00000000-0000-4000-8000-000000000041", "")
	if got.status != http.StatusNotFound || !strings.Contains(got.body, "the history does not keep it any more") {
		t.Errorf("a forgotten one: %d %s", got.status, got.body)
	}
}
