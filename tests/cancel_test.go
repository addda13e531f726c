package tests

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// TestR30Cancel: whatever the load is doing, DELETE ends its statement on the server within a second, the refresh ends as Cancelled and the
// old rows stay.
func TestR30Cancel(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE data AS SELECT 1::bigint AS id", "CREATE VIEW subject AS SELECT id FROM data")
	h := startHost(t, configured(t, p.source()))
	for _, c := range []struct{ name, waits, view, expression string }{
		{"rows flow", "rows", "SELECT generate_series(1, 2000000000)::bigint AS id", p.from("subject")},
		{"the server thinks", "PgSleep", "SELECT g::bigint AS id FROM generate_series(1, 3) g, pg_sleep(600)", p.from("subject")},
		{"the server sorts", "", "SELECT id FROM (SELECT generate_series(1, 200000000)::bigint AS id) g ORDER BY md5(id::text)", p.from("subject")},
		// The second row takes the evaluator for ever: the server waits until somebody reads on.
		{"the reader blocks", "ClientWrite", "SELECT generate_series(1, 2000000000)::bigint AS id",
			"Table.SelectRows(" + p.from("subject") + `, each [id] = 1 or List.Count(List.Select({1..100000}, (n) => List.Count(List.Select({1..100000}, (m) => m < n)) < 0)) > 0)`},
		// The first row can leave only when the last one has come.
		{"the reader collects", "time", "SELECT generate_series(1, 2000000000)::bigint AS id",
			"Table.Sort(Table.Buffer(" + p.from("subject") + `), {{"id", Order.Descending}})`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.run(t, "CREATE OR REPLACE VIEW subject AS SELECT id FROM data")
			ref := h.deploy(t, c.name, modelOf(t, c.name, tableOf("T", "id int64", reads("T", c.expression))))
			h.completed(t, ref, `{"type":"full"}`)
			p.run(t, "CREATE OR REPLACE VIEW subject AS "+c.view)
			h.cancelsWithin(t, p, ref, c.waits)
		})
	}
}

// cancelsWithin starts a refresh, cancels it when its statement runs, and looks for the end of the statement.
func (h *host) cancelsWithin(t *testing.T, p postgres, ref powerbi.Ref, waits string) {
	t.Helper()
	id := h.post(t, ref, `{"type":"full"}`)
	eventually(t, "the statement runs", func() bool { return p.statements(t, "subject") == 1 })
	switch waits {
	case "":
	case "rows":
		eventually(t, "a million rows have come", func() bool {
			detail, err := h.RefreshDetail(t.Context(), ref, id)
			return err == nil && objectOf(t, detail, "T", "T").Rows > 1_000_000
		})
	case "time":
		eventually(t, "the statement has run for a second", func() bool {
			return p.text(t, "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND position('subject' IN query) > 0 AND clock_timestamp() - query_start > '1 s'") == "1"
		})
	default:
		seen := 0
		eventually(t, "the statement waits for "+waits, func() bool {
			if p.text(t, "SELECT string_agg(wait_event, ',') FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND position('subject' IN query) > 0 AND pid <> pg_backend_pid()") == waits {
				seen++
			} else {
				seen = 0
			}
			return seen == 10 // in a row: it does not go on
		})
	}
	path := refreshesOf(ref) + "/" + id
	asked := time.Now()
	if got := h.raw(t, "DELETE", path, ""); got.status != http.StatusOK || got.body != "" {
		t.Fatalf("DELETE: %d %s", got.status, got.body)
	}
	eventually(t, "the statement is gone", func() bool { return p.statements(t, "subject") == 0 })
	if took := time.Since(asked); took > time.Second {
		t.Errorf("the statement went on for %s", took)
	}
	if detail := h.ended(t, ref, id); detail.Status != powerbi.Cancelled {
		t.Errorf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	t.Logf("cancelled after %s", time.Since(asked))
	if got := h.raw(t, "DELETE", path, ""); got.status != http.StatusConflict || !strings.Contains(errorOf(t, got).Message, "cannot be cancelled") {
		t.Errorf("DELETE of a finished refresh: %d %s", got.status, got.body)
	}
	if rows := h.values(t, ref, "SELECT id FROM T"); rows != "1" {
		t.Errorf("the rows are %s, not the old one", rows)
	}
}

// TestR30CancelOfAWaitingRefresh: one that waits for a place is cancelled at once; the one that holds the place goes on.
func TestR30CancelOfAWaitingRefresh(t *testing.T) {
	p := newPostgres(t)
	config := configured(t, p.source())
	config.Capacities = []server.Capacity{{Name: "narrow", MaxConcurrentRefreshes: 1}}
	h := startHost(t, config)
	first := h.deploy(t, "Gated", gated(t, p))
	second := h.deploy(t, "Other", modelOf(t, "Other", tableOf("T", "Id int64", reads("T", `#table(type table [Id = Int64.Type], {{1}})`))))
	holds := h.post(t, first, `{"type":"full"}`)
	eventually(t, "the first one runs", func() bool { return p.statements(t, "gated") == 1 })
	waits := h.post(t, second, `{"type":"full"}`)
	if got := h.raw(t, "GET", refreshesOf(second)+"/"+waits, ""); got.status != http.StatusAccepted || !strings.Contains(got.body, `"status":"NotStarted"`) {
		t.Errorf("the waiting one: %d %s", got.status, got.body)
	}
	for range 2 { // already being cancelled, or cancelled just now: see R30
		if got := h.raw(t, "DELETE", refreshesOf(second)+"/"+waits, ""); got.status != http.StatusOK && got.status != http.StatusConflict {
			t.Errorf("DELETE: %d %s", got.status, got.body)
		}
	}
	if detail := h.ended(t, second, waits); detail.Status != powerbi.Cancelled || detail.NumberOfAttempts != 0 {
		t.Errorf("the waiting one ended as %s after %d attempts", detail.Status, detail.NumberOfAttempts)
	}
	if got := h.values(t, second, "SELECT count(*) FROM T"); got != "0" {
		t.Errorf("%s rows", got)
	}
	p.open(t, 1)
	if detail := h.ended(t, first, holds); detail.Status != powerbi.Completed {
		t.Errorf("the first one ended as %s: %+v", detail.Status, detail.Messages)
	}
	h.completed(t, second, `{"type":"full"}`)
}

// TestR30CancelOfWhatDescribes: a statement that hangs before its first row, since another session has locked its table, ends within a second;
// eight callers who cancel at once are all told that it is, or was, done.
func TestR30CancelOfWhatDescribes(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE subject AS SELECT 1::bigint AS id")
	h := startHost(t, configured(t, p.source()))
	ref := h.deploy(t, "Locked", modelOf(t, "Locked", tableOf("T", "id int64", reads("T", p.from("subject")))))
	h.completed(t, ref, `{"type":"full"}`)
	p.run(t, "BEGIN")
	p.run(t, "LOCK TABLE subject IN ACCESS EXCLUSIVE MODE")
	id := h.post(t, ref, `{"type":"full"}`)
	const waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'freshet' AND wait_event_type = 'Lock'"
	eventually(t, "the server waits for the lock", func() bool {
		p.run(t, "SELECT pg_stat_clear_snapshot()") // within a transaction the view stands still
		return p.text(t, waiting) == "1"
	})
	asked := time.Now()
	answers := make(chan error, 8)
	for range cap(answers) {
		go func() { answers <- h.CancelRefresh(t.Context(), ref, id) }()
	}
	for range cap(answers) {
		var refused *powerbi.Error
		if err := <-answers; err != nil && (!errors.As(err, &refused) || refused.Status != http.StatusConflict) {
			t.Errorf("a cancel: %v", err)
		}
	}
	eventually(t, "nobody waits for the lock", func() bool {
		p.run(t, "SELECT pg_stat_clear_snapshot()")
		return p.text(t, waiting) == "0"
	})
	if took := time.Since(asked); took > time.Second {
		t.Errorf("the statement went on for %s", took)
	}
	if detail := h.ended(t, ref, id); detail.Status != powerbi.Cancelled {
		t.Errorf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	p.run(t, "ROLLBACK")
	if rows := h.values(t, ref, "SELECT id FROM T"); rows != "1" {
		t.Errorf("the rows are %s", rows)
	}
}

// TestR30CancelBetweenAttempts: R30. A refresh that waits for its next attempt is cancelled at once, and no session is left.
func TestR30CancelBetweenAttempts(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE subject AS SELECT 1::bigint AS id")
	through := newProxy(t, p.server())
	h := startHost(t, configured(t, through.source(p)))
	ref := h.deploy(t, "Fails", modelOf(t, "Fails", tableOf("T", "id int64", reads("T", through.from(p, "subject")))))
	h.completed(t, ref, `{"type":"full"}`)
	through.cut(reset)
	through.refuse(true)
	id := h.post(t, ref, `{"type":"full","retryCount":100}`)
	eventually(t, "two attempts have failed: the pause is 2 s at least", func() bool {
		detail, err := h.RefreshDetail(t.Context(), ref, id)
		return err == nil && len(detail.RefreshAttempts) >= 2 && !detail.RefreshAttempts[1].EndTime.IsZero()
	})
	asked := time.Now()
	if err := h.CancelRefresh(t.Context(), ref, id); err != nil {
		t.Fatal(err)
	}
	if detail := h.ended(t, ref, id); detail.Status != powerbi.Cancelled {
		t.Errorf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	if took := time.Since(asked); took > time.Second {
		t.Errorf("it took %s", took)
	}
	h.leavesNoSession(t, p, asked)
}
