package tests

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// interrupted is a model of a table that is read at once and one that waits at gate 1.
func interrupted(t *testing.T, p postgres) map[string][]byte {
	t.Helper()
	p.run(t, "CREATE TABLE quick AS SELECT 1::bigint AS id")
	p.run(t, "CREATE VIEW gated AS SELECT 2::bigint AS id WHERE "+p.gate(t, 1))
	return modelOf(t, "Interrupted", tableOf("Quick", "id int64", reads("P", p.from("quick"))), tableOf("Gated", "id int64", reads("P", p.from("gated"))))
}

// half waits until the first table of interrupted is read and the second one waits.
func half(t *testing.T, r running, p postgres, ref powerbi.Ref, id string) {
	t.Helper()
	eventually(t, "one table is read, the other waits", func() bool {
		detail, err := r.RefreshDetail(t.Context(), ref, id)
		return err == nil && objectOf(t, detail, "Quick", "P").Status == powerbi.Completed && p.statements(t, "gated") == 1
	})
}

// halfDone starts a server and a full refresh of interrupted, and waits until half of it is done.
func halfDone(t *testing.T) (h *host, p postgres, ref powerbi.Ref, id string) {
	t.Helper()
	p = newPostgres(t)
	h = startHost(t, configured(t, p.source()))
	ref = h.deploy(t, "Interrupted", interrupted(t, p))
	id = h.post(t, ref, `{"type":"full"}`)
	half(t, h.running, p, ref, id)
	return h, p, ref, id
}

// finishes is what must be true after the restart: the refresh goes on by itself, keeps what it had read, and completes (F2, F5).
func finishes(t *testing.T, r running, p postgres, ref powerbi.Ref, id string) {
	t.Helper()
	if got := r.values(t, ref, "SELECT (SELECT count(*) FROM Quick), (SELECT count(*) FROM Gated)"); got != "0|0" {
		t.Errorf("rows %s before the end", got)
	}
	p.open(t, 1)
	detail := r.ended(t, ref, id)
	if detail.Status != powerbi.Completed {
		t.Fatalf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	if got := r.values(t, ref, "SELECT Quick.id, Gated.id FROM Quick, Gated"); got != "1|2" {
		t.Errorf("rows %s: what was read before the restart is not what is seen", got)
	}
}

// TestRestartDuringRefresh: a server that is told to stop during a refresh takes it up again when it starts on the same data directory.
func TestRestartDuringRefresh(t *testing.T) {
	h, p, ref, id := halfDone(t)
	p.run(t, "UPDATE quick SET id = 100")
	begin := time.Now()
	h.stop()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	eventually(t, "the statement ends with the server", func() bool { return p.statements(t, "gated") == 0 })
	h.start(t)
	eventually(t, "the load runs again", func() bool { return p.statements(t, "gated") == 1 })
	if got := h.raw(t, "POST", refreshesOf(ref), `{"type":"full"}`); got.status != 400 || !strings.Contains(got.body, id) {
		t.Errorf("R6 after the restart: %d %s", got.status, got.body)
	}
	finishes(t, h.running, p, ref, id)
}

// serving is the program as a process of its own, which can end and be started again on the same data directory.
type serving struct {
	running
	program, config, data string
	process               *exec.Cmd
}

// serve builds the program and starts it, with these data sources.
func serve(t *testing.T, sources ...server.DataSource) *serving {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := t.TempDir()
	s := &serving{program: filepath.Join(dir, "freshet"), data: filepath.Join(dir, "data")}
	if out, err := exec.Command("go", "build", "-tags=duckdb_arrow", "-o", s.program, "freshet.dev/cmd/freshet").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	text := "listen: 127.0.0.1:0\ndata: ./data\nauth: {mode: none}\ndataSources:\n"
	for i, source := range sources {
		password := fmt.Sprint("E2E_PASSWORD_", i)
		t.Setenv(password, source.Password)
		text += fmt.Sprintf("  - {kind: %s, path: %q, username: %s, password: \"${env:%s}\"}\n", source.Kind, source.Path, source.Username, password)
	}
	s.config = write(t, dir, "freshet.yaml", text)
	s.start(t)
	t.Cleanup(func() { _ = s.process.Process.Kill(); _ = s.process.Wait() })
	return s
}

// start starts the program and waits until it listens.
func (s *serving) start(t *testing.T) {
	t.Helper()
	s.process = exec.Command(s.program, "serve", "--config", s.config, "--log", "warn")
	s.process.Stderr = testLog{t}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server listens", func() bool {
		found, ok := server.Find(s.data)
		s.running = running{Client: &powerbi.Client{Host: found.URL}}
		return ok && found.URL != ""
	})
}

// kill ends the program in the middle of what it does.
func (s *serving) kill(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = s.process.Wait()
}

// stop tells the program to end, which it does without an error.
func (s *serving) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Wait(); err != nil {
		t.Errorf("SIGTERM ended it with %v", err)
	}
}

// TestF5KillDuringRefresh: the same when the process is killed; and the program's own verbs see it.
func TestF5KillDuringRefresh(t *testing.T) {
	p := newPostgres(t)
	s := serve(t, p.source())
	ref := s.deploy(t, "Interrupted", interrupted(t, p))
	id := s.post(t, ref, `{"type":"full"}`)
	half(t, s.running, p, ref, id)
	p.run(t, "UPDATE quick SET id = 100")
	s.kill(t)
	// Nobody could tell the database, which finds out by itself.
	eventually(t, "the statement of the killed process is gone", func() bool { return p.statements(t, "gated") == 0 })

	begin := time.Now()
	s.start(t)
	eventually(t, "the load runs again", func() bool { return p.statements(t, "gated") == 1 })
	t.Logf("the load ran again after %s", time.Since(begin))
	finishes(t, s.running, p, ref, id)
	out, err := exec.Command(s.program, "--data", s.data, "show", "Interrupted", id, "--format", "json").Output()
	var shown powerbi.RefreshDetail
	if err != nil || json.Unmarshal(out, &shown) != nil || shown.Status != powerbi.Completed {
		t.Errorf("freshet show: %v %s", err, out)
	}
	s.stop(t)
}
