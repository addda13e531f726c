package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"freshet.dev/powerbi"
)

// rowsOfBig is large enough that its stream is cut in its middle: 26 bytes a row.
const rowsOfBig = 40_000

// threeTables is a model whose table Big meets trouble; the rows of all say their generation. The views bear the name, by which the
// proxy and the server know them.
func threeTables(t *testing.T, p postgres, through *proxy, name string) map[string][]byte {
	t.Helper()
	makeGeneration(t, p, name, 1)
	table := func(table string) object {
		return tableOf(table, "id int64, generation int64", reads("P", through.from(p, name+"_"+strings.ToLower(table))))
	}
	return modelOf(t, name, table("Big"), table("One"), table("Two"))
}

// makeGeneration changes what the sources of threeTables hold.
func makeGeneration(t *testing.T, p postgres, name string, number int) {
	t.Helper()
	for view, rows := range map[string]int{"big": rowsOfBig, "one": 10, "two": 20} {
		p.run(t, fmt.Sprintf("CREATE OR REPLACE VIEW %s_%s AS SELECT g::bigint AS id, %d::bigint AS generation FROM generate_series(1, %d) g", name, view, number, rows))
	}
}

// held tells for each table of threeTables which generation its rows have; a part of a table, or rows of two generations, fail the test.
func (r running) held(t *testing.T, ref powerbi.Ref) string {
	t.Helper()
	var held []string
	for table, rows := range map[string]int{"Big": rowsOfBig, "One": 10, "Two": 20} {
		got := r.values(t, ref, "SELECT count(*), count(DISTINCT id), min(generation), max(generation) FROM "+table)
		var count, distinct, first, last int
		if _, err := fmt.Sscanf(got, "%d|%d|%d|%d", &count, &distinct, &first, &last); err != nil || count != rows || distinct != rows || first != last {
			t.Errorf("table %s is not whole: %s", table, got)
		}
		held = append(held, fmt.Sprintf("%s %d", table, first))
	}
	slices.Sort(held)
	return strings.Join(held, ", ")
}

// TestF2BrokenStreams: R9, R11, F2. Whatever cuts a stream of rows, and wherever, a transactional refresh leaves all old rows or shows all new
// ones, and a partialBatch old or new rows of each partition, never a part of them; a retry asks only for what failed.
func TestF2BrokenStreams(t *testing.T) {
	p := newPostgres(t)
	through := newProxy(t, p.server())
	config := configured(t, through.source(p))
	config.Capacities[0].MaxConcurrentRefreshes = 32
	h := startHost(t, config)
	t.Run("all", func(t *testing.T) {
		for i, c := range []struct {
			name  string
			when  string // NAME stands for the view
			after int
			how   fate
		}{
			{"reset early", `COPY \([^\x00]*NAME`, 100, reset},
			{"closed midway", `COPY \([^\x00]*NAME`, 500_000, closed},
			{"closed in the describe", `NAME`, 5, closed},
		} {
			for _, mode := range []string{"transactional", "partialBatch"} {
				for retries := range 2 {
					name := fmt.Sprintf("m%d_%s_%d", i, strings.ToLower(mode), retries)
					t.Run(fmt.Sprint(c.name, " ", mode, " retryCount ", retries), func(t *testing.T) {
						t.Parallel()
						ref := h.deploy(t, name, threeTables(t, p, through, name))
						h.completed(t, ref, `{"type":"full"}`)
						makeGeneration(t, p, name, 2)
						copies := `COPY \([^\x00]*"` + name + `_`
						before := [2]int{through.count(copies + "big"), through.count(copies + "(one|two)")}
						through.on(strings.ReplaceAll(c.when, "NAME", name+"_big"), c.after, c.how, 1)
						detail := h.done(t, ref, fmt.Sprintf(`{"type":"full","commitMode":%q,"retryCount":%d}`, mode, retries))
						want, status := "Big 2, One 2, Two 2", powerbi.Completed
						if retries == 0 {
							status = powerbi.Failed
							want = map[string]string{"transactional": "Big 1, One 1, Two 1", "partialBatch": "Big 1, One 2, Two 2"}[mode]
						}
						if detail.Status != status || detail.NumberOfAttempts != retries+1 {
							t.Errorf("it ended as %s after %d attempts: %+v", detail.Status, detail.NumberOfAttempts, detail.Messages)
						}
						if got := h.held(t, ref); got != want {
							t.Errorf("the rows are %s, want %s", got, want)
						}
						if retries == 0 {
							if text := errorsOf(detail); !strings.Contains(text, "connection broke") || !strings.Contains(text, "table 'Big', partition 'P'") {
								t.Errorf("the error: %s", text)
							}
							return
						}
						asked := [2]int{through.count(copies+"big") - before[0], through.count(copies+"(one|two)") - before[1]}
						first := 1
						if strings.Contains(c.name, "describe") {
							first = 0 // it was cut before it was asked for rows
						}
						if asked[0] != first+1 || asked[1] != 2 {
							t.Errorf("the table that was cut was asked for %d times, the two others %d times", asked[0], asked[1])
						}
					})
				}
			}
		}
	})
	if n := through.open(); n > 32 {
		t.Errorf("%d connections", n)
	}
}

// TestR11ServerAway: R11, F2. The server is away between two attempts, when connections are reset at once or in their handshake, and comes
// back: the refresh goes on by itself.
func TestR11ServerAway(t *testing.T) {
	p := newPostgres(t)
	through := newProxy(t, p.server())
	h := startHost(t, configured(t, through.source(p)))
	ref := h.deploy(t, "away", threeTables(t, p, through, "away"))
	h.completed(t, ref, `{"type":"full"}`)
	makeGeneration(t, p, "away", 2)

	through.on(`user\x00`, 5, closed, 3) // the first attempt fails in its handshakes
	through.cut(reset)
	detail := h.done(t, ref, `{"type":"full","maxParallelism":1}`)
	if detail.Status != powerbi.Failed || !strings.Contains(errorsOf(detail), "cannot connect to PostgreSQL") {
		t.Errorf("handshakes that are cut: %s %s", detail.Status, errorsOf(detail))
	}
	if got := h.held(t, ref); got != "Big 1, One 1, Two 1" {
		t.Errorf("rows %s", got)
	}

	through.cut(closed)
	through.refuse(true)
	id := h.post(t, ref, `{"type":"full","retryCount":5}`)
	eventually(t, "the first attempt has failed", func() bool {
		detail, err := h.RefreshDetail(t.Context(), ref, id)
		return err == nil && len(detail.RefreshAttempts) > 0 && !detail.RefreshAttempts[0].EndTime.IsZero()
	})
	through.refuse(false)
	if detail := h.ended(t, ref, id); detail.Status != powerbi.Completed || detail.NumberOfAttempts < 2 {
		t.Errorf("it ended as %s after %d attempts: %+v", detail.Status, detail.NumberOfAttempts, detail.Messages)
	}
	if got := h.held(t, ref); got != "Big 2, One 2, Two 2" {
		t.Errorf("rows %s", got)
	}
}

// TestR15StalledStreams: R15, R30, R32. A connection that says nothing more, or next to nothing, ends with the attempt's time or with a
// cancel, and leaves neither a session on the server nor a goroutine here.
func TestR15StalledStreams(t *testing.T) {
	p := newPostgres(t)
	before := goleak.IgnoreCurrent()
	through := newProxy(t, p.server())
	h := startHost(t, configured(t, through.source(p)))
	for _, c := range []struct {
		name, when string
		after      int
		how        fate
	}{
		{"rows", `COPY \([^\x00]*NAME`, 500_000, stall},
		{"few rows", `COPY \([^\x00]*NAME`, 500_000, trickle},
		{"describe", `NAME`, 3, stall},
		{"metadata", `pg_catalog`, 3, stall},
		{"handshake", `user\x00`, 3, stall},
	} {
		for _, end := range []string{"timeout", "cancel"} {
			name := strings.ReplaceAll(c.name, " ", "_") + "_" + end
			t.Run(c.name+" "+end, func(t *testing.T) {
				ref := h.deploy(t, name, threeTables(t, p, through, name))
				h.completed(t, ref, `{"type":"full"}`)
				makeGeneration(t, p, name, 2)
				through.cut(closed) // no connection lies ready that has its handshake behind it
				through.trouble(strings.ReplaceAll(c.when, "NAME", name+"_big"), c.after, c.how)
				body := `{"type":"full"}`
				if end == "timeout" {
					body = `{"type":"full","timeout":"00:00:01"}`
				}
				id := h.post(t, ref, body)
				if end == "cancel" {
					eventually(t, "a connection is in trouble", func() bool { return through.troubled() > 0 })
					asked := time.Now()
					if got := h.raw(t, "DELETE", refreshesOf(ref)+"/"+id, ""); got.status != http.StatusOK {
						t.Fatalf("DELETE: %d %s", got.status, got.body)
					}
					h.leavesNoSession(t, p, asked)
				}
				detail := h.ended(t, ref, id)
				ended := time.Now()
				switch end {
				case "cancel":
					if detail.Status != powerbi.Cancelled {
						t.Errorf("it ended as %s: %+v", detail.Status, detail.Messages)
					}
				case "timeout":
					if detail.ExtendedStatus != "TimedOut" || !strings.Contains(errorsOf(detail), "limit of 00:00:01") {
						t.Errorf("it ended as %s: %s", detail.ExtendedStatus, errorsOf(detail))
					}
					if took := detail.EndTime.Sub(detail.StartTime.Time); took > 3*time.Second {
						t.Errorf("an attempt of one second took %s", took)
					}
				}
				h.leavesNoSession(t, p, ended)
				through.heal()
				if got := h.held(t, ref); got != "Big 1, One 1, Two 1" {
					t.Errorf("rows %s", got)
				}
			})
		}
	}
	h.stop()
	through.close()
	goleak.VerifyNone(t, before)
}

// leavesNoSession waits until no session of Freshet's does anything, a second at most.
func (h *host) leavesNoSession(t *testing.T, p postgres, since time.Time) {
	t.Helper()
	const busy = "SELECT coalesce(string_agg(pid || ' ' || coalesce(state, '') || ' ' || coalesce(wait_event, '') || ' ' || left(query, 80), '; '), '') FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'freshet' AND state <> 'idle'"
	for {
		sessions := p.text(t, busy)
		if sessions == "" {
			t.Logf("no session after %s", time.Since(since).Round(time.Millisecond))
			return
		}
		if time.Since(since) > time.Second {
			t.Errorf("after a second there are sessions: %s", sessions)
			return
		}
	}
}

// TestR30ServerThatCannotBeAsked: R30. A server that thinks, and that no cancel request reaches, finds out that nobody waits any more.
func TestR30ServerThatCannotBeAsked(t *testing.T) {
	p := newPostgres(t, "CREATE VIEW subject AS SELECT 1::bigint AS id")
	through := newProxy(t, p.server())
	h := startHost(t, configured(t, through.source(p)))
	ref := h.deploy(t, "Thinks", modelOf(t, "Thinks", tableOf("T", "id int64", reads("P", through.from(p, "subject")))))
	h.completed(t, ref, `{"type":"full"}`)
	p.run(t, "CREATE OR REPLACE VIEW subject AS SELECT 2::bigint AS id FROM pg_sleep(600)")
	id := h.post(t, ref, `{"type":"full"}`)
	eventually(t, "the statement runs", func() bool { return p.statements(t, "subject") == 1 })
	through.refuse(true)
	asked := time.Now()
	if got := h.raw(t, "DELETE", refreshesOf(ref)+"/"+id, ""); got.status != http.StatusOK {
		t.Fatalf("DELETE: %d %s", got.status, got.body)
	}
	if detail := h.ended(t, ref, id); detail.Status != powerbi.Cancelled {
		t.Errorf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	if took := time.Since(asked); took > time.Second {
		t.Errorf("the cancel took %s", took)
	}
	eventually(t, "the statement is gone", func() bool { return p.statements(t, "subject") == 0 })
	if took := time.Since(asked); took > 3*time.Second {
		t.Errorf("the statement went on for %s", took)
	}
	if rows := h.values(t, ref, "SELECT id FROM T"); rows != "1" {
		t.Errorf("the rows are %s, not the old one", rows)
	}
}
