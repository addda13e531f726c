package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// generationsModel is a model of two tables, the first in two partitions, whose rows name the file's generation.
func generationsModel(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	part := func(name string) object {
		return readsCSV(name, filepath.Join(dir, name+".csv"), `{"Generation", Int64.Type}`)
	}
	return modelOf(t, "Generations", tableOf("A", "Generation int64", part("A1"), part("A2")), tableOf("B", "Generation int64", part("B1")))
}

func generation(t *testing.T, dir string, number int, names ...string) {
	t.Helper()
	for _, name := range names {
		write(t, dir, name+".csv", fmt.Sprintf("Generation\n%d\n", number))
	}
}

const generationsOf = "SELECT string_agg(Generation, ',' ORDER BY Generation), (SELECT string_agg(Generation, ',') FROM B) FROM A"

// TestTypes: R18, R19, R20, R21, R22, R23. The sources change between the refreshes, and vanish for those that must not ask them.
func TestTypes(t *testing.T) {
	dir := t.TempDir()
	all := []string{"A1", "A2", "B1"}
	r := start(t, fileSource(dir))
	ref := r.deploy(t, "Generations", generationsModel(t, dir))
	now := func(want string) {
		t.Helper()
		if got := r.values(t, ref, generationsOf); got != want {
			t.Fatalf("generations %s, not %s", got, want)
		}
	}
	generation(t, dir, 1, all...)
	r.completed(t, ref, `{"type":"automatic"}`) // R22: nothing is Ready yet
	now("1,1|1")
	generation(t, dir, 2, all...)
	detail := r.completed(t, ref, `{"type":"automatic"}`) // R22: all is Ready, nothing is loaded
	now("1,1|1")
	if note := objectOf(t, detail, "A", "A1").Note; note != "it is Ready" {
		t.Errorf("A1: %q", note)
	}
	r.completed(t, ref, `{"type":"clearValues","objects":[{"table":"A","partition":"A1"}]}`) // R21
	now("1|1")
	r.completed(t, ref, `{"retryCount":0}`) // R22: automatic, and only A1 is not Ready
	now("1,2|1")
	r.completed(t, ref, `{"type":"dataOnly","objects":[{"table":"B"}]}`) // R19
	now("1,2|2")
	r.completed(t, ref, `{"type":"full"}`) // R18
	now("2,2|2")

	vanish(t, dir, all...)
	before := r.values(t, ref, "SELECT Generation FROM A")
	for _, body := range []string{`{"type":"calculate"}`, `{"type":"defragment"}`, `{"type":"Defragment","objects":[{"table":"A"}]}`, `{"type":"automatic"}`} { // R20, R23, R22
		r.completed(t, ref, body)
		if after := r.values(t, ref, "SELECT Generation FROM A"); after != before {
			t.Errorf("%s: the rows are %s, they were %s", body, after, before)
		}
	}
	if text := r.failed(t, ref, `{"type":"full","objects":[{"table":"B"}]}`); !strings.Contains(text, "B1.csv") {
		t.Errorf("the sources were to be missed: %s", text)
	}
	now("2,2|2")
	r.completed(t, ref, `{"type":"ClearValues"}`)
	now("null|null")
}

// TestR9CommitModes: what readers see after one of three partitions has failed.
func TestR9CommitModes(t *testing.T) {
	for _, c := range []struct{ mode, want string }{
		{"transactional", "1,1|1"},
		{"partialBatch", "1,2|2"}, // what finished is new, what failed keeps its rows
	} {
		t.Run(c.mode, func(t *testing.T) {
			dir := t.TempDir()
			r := start(t, fileSource(dir))
			ref := r.deploy(t, "Generations", generationsModel(t, dir))
			generation(t, dir, 1, "A1", "A2", "B1")
			r.completed(t, ref, `{"type":"full"}`)
			generation(t, dir, 2, "A1", "B1")
			write(t, dir, "A2.csv", "Generation\nbroken\n")
			detail := r.done(t, ref, `{"type":"full","commitMode":"`+c.mode+`"}`)
			if text := errorsOf(detail); detail.Status != powerbi.Failed || !strings.Contains(text, "table 'A', partition 'A2', column 'Generation', row 1") {
				t.Errorf("it ended as %s: %s", detail.Status, text)
			}
			if got := r.values(t, ref, generationsOf); got != c.want {
				t.Errorf("generations %s, not %s", got, c.want)
			}
			if got := objectOf(t, detail, "A", "A2"); got.Status != powerbi.Failed || !strings.Contains(got.Error, "broken") {
				t.Errorf("A2: %+v", got)
			}
			// What is kept can be refreshed again, and then all is new.
			generation(t, dir, 2, "A2")
			r.completed(t, ref, `{"type":"full"}`)
			if got := r.values(t, ref, generationsOf); got != "2,2|2" {
				t.Errorf("generations %s after the repair", got)
			}
		})
	}
}

// TestR10MaxParallelism: over all tables no more loads run at the same time than were allowed, and as many do.
func TestR10MaxParallelism(t *testing.T) {
	const loads, limit = 6, 2
	p := newPostgres(t)
	var parts []object
	for i := 1; i <= loads; i++ {
		p.run(t, fmt.Sprintf("CREATE VIEW gated%d AS SELECT %[1]d::bigint AS id WHERE %[2]s", i, p.gate(t, i)))
		parts = append(parts, reads(fmt.Sprintf("P%d", i), p.from(fmt.Sprintf("gated%d", i))))
	}
	r := start(t, p.source())
	ref := r.deploy(t, "Parallel", modelOf(t, "Parallel", tableOf("A", "id int64", parts[:3]...), tableOf("B", "id int64", parts[3:]...)))
	id := r.post(t, ref, `{"type":"full","maxParallelism":`+strconv.Itoa(limit)+`}`)
	opened := map[int]bool{}
	for len(opened) < loads {
		var waiting []int
		eventually(t, "as many loads run as may", func() bool {
			waiting = waiting[:0]
			for i := 1; i <= loads; i++ {
				if p.statements(t, fmt.Sprintf(`"gated%d"`, i)) > 0 && !opened[i] {
					waiting = append(waiting, i)
				}
			}
			if len(waiting) > limit {
				t.Fatalf("%d loads run at the same time", len(waiting))
			}
			return len(waiting) == min(limit, loads-len(opened))
		})
		detail, err := r.RefreshDetail(t.Context(), ref, id)
		if err != nil {
			t.Fatal(err)
		}
		running := 0
		for _, object := range detail.Objects {
			if object.Status == powerbi.InProgress {
				running++
			}
		}
		if running > limit {
			t.Errorf("%d objects are InProgress: %v", running, detail.Objects)
		}
		opened[waiting[0]] = true
		p.open(t, waiting[0])
	}
	if detail := r.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Fatalf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	if got := r.values(t, ref, "SELECT string_agg(id, ',' ORDER BY id) FROM (FROM A UNION ALL FROM B)"); got != "1,2,3,4,5,6" {
		t.Errorf("rows %s", got)
	}
}

// TestR11RetryCount: a connection that the server ends is tried again as often as was asked for, and what was read before is kept (F2);
// a value that does not fit is not tried again (R33).
func TestR11RetryCount(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE quick (id bigint)", "INSERT INTO quick VALUES (1)")
	p.run(t, "CREATE VIEW gated AS SELECT 1::bigint AS id WHERE "+p.gate(t, 1))
	r := start(t, p.source())
	ref := r.deploy(t, "Retry", modelOf(t, "Retry", tableOf("Quick", "id int64", reads("Quick", p.from("quick"))), tableOf("Gated", "id int64", reads("Gated", p.from("gated")))))
	kill := func() {
		t.Helper()
		eventually(t, "the load runs", func() bool { return p.statements(t, `"gated"`) == 1 })
		p.run(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND position('"gated"' IN query) > 0`)
	}

	id := r.post(t, ref, `{"type":"full","retryCount":0}`)
	kill()
	if detail := r.ended(t, ref, id); detail.Status != powerbi.Failed || len(detail.RefreshAttempts) != 1 {
		t.Errorf("without a retry it ended as %s after %d attempts", detail.Status, len(detail.RefreshAttempts))
	}

	id = r.post(t, ref, `{"type":"full","retryCount":1}`)
	eventually(t, "the other table is read", func() bool {
		detail, err := r.RefreshDetail(t.Context(), ref, id)
		return err == nil && objectOf(t, detail, "Quick", "Quick").Status == powerbi.Completed
	})
	kill()
	p.run(t, "UPDATE quick SET id = 2")
	eventually(t, "the second attempt runs", func() bool { return p.statements(t, `"gated"`) == 1 })
	p.open(t, 1)
	detail := r.ended(t, ref, id)
	if detail.Status != powerbi.Completed || len(detail.RefreshAttempts) != 2 || detail.RefreshAttempts[0].ServiceExceptionJSON == "" || detail.RefreshAttempts[1].ServiceExceptionJSON != "" {
		t.Fatalf("it ended as %s: %+v", detail.Status, detail)
	}
	if got := r.values(t, ref, "SELECT Quick.id, Gated.id FROM Quick, Gated"); got != "1|1" {
		t.Errorf("rows %s: what the first attempt had read is not what is seen", got)
	}

	p.run(t, "CREATE OR REPLACE VIEW gated AS SELECT 1::bigint / g AS id FROM generate_series(0, 1) g")
	if detail := r.done(t, ref, `{"type":"full","retryCount":5}`); detail.Status != powerbi.Failed || len(detail.RefreshAttempts) != 1 || !strings.Contains(errorsOf(detail), "division by zero") {
		t.Errorf("R33: it ended as %s after %d attempts: %s", detail.Status, len(detail.RefreshAttempts), errorsOf(detail))
	}
}

func vanish(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(filepath.Join(dir, name+".csv")); err != nil {
			t.Fatal(err)
		}
	}
}
