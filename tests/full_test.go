package tests

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"freshet.dev/powerbi"
)

// smallDisk mounts a file system of so many bytes on a folder, which takes root. Without, the test is skipped; a root that may not mount fails
// where FRESHET_REQUIRE_SERVERS asks for everything.
func smallDisk(t *testing.T, folder string, bytes int) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount a small disk")
	}
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		if os.Getenv("FRESHET_REQUIRE_SERVERS") != "" {
			t.Fatalf("cannot mount a small disk: %v", err)
		}
		t.Skipf("SKIPPED: cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill takes what is free on a file system, but for some bytes, until the returned function is called.
func fill(t *testing.T, folder string, but int64) (empty func()) {
	t.Helper()
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "ballast")
	size := int64(disk.Bavail)*disk.Bsize - but
	if err := os.WriteFile(path, make([]byte, max(size, 0)), 0o600); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// noise is a CSV of so many rows that hardly compress.
func noise(rows int, generation string) string {
	var text strings.Builder
	text.WriteString("Id,Text\n")
	random := rand.NewChaCha8([32]byte{1})
	for i := range rows {
		fmt.Fprintf(&text, "%d,%s %016x%016x\n", i, generation, random.Uint64(), random.Uint64())
	}
	return text.String()
}

// TestF5FullDisk: R9, F5. The disk of the data files is full, at once or in the middle of a load: the refresh fails by name, in either commit
// mode the old rows stay and can be queried, nothing half-written stays, and when there is space again a refresh succeeds without a restart.
func TestF5FullDisk(t *testing.T) {
	for name, left := range map[string]int64{"at once": 0, "in the middle of a load": 512 << 10} {
		for _, mode := range []string{"transactional", "partialBatch"} {
			t.Run(name+" "+mode, func(t *testing.T) {
				dir := t.TempDir()
				config := configured(t, fileSource(dir))
				config.MinFreeDisk = 0 // what keeps it from coming to this is tested by itself
				files := filepath.Join(config.Data, "files")
				smallDisk(t, files, 32<<20)
				h := startHost(t, config)
				source := write(t, dir, "data.csv", noise(3, "old"))
				ref := h.deploy(t, "Full", modelOf(t, "Full", tableOf("T", "Id int64, Text string", readsCSV("P", source, `{"Id", Int64.Type}`))))
				h.completed(t, ref, `{"type":"full"}`)
				write(t, dir, "data.csv", noise(60_000, "new"))
				empty := fill(t, files, left)
				body := fmt.Sprintf(`{"type":"full","commitMode":%q}`, mode)
				text := h.failed(t, ref, body)
				if !strings.Contains(text, "DiskFull") && !strings.Contains(text, "StorageFailed") || !strings.Contains(text, "o space left") || !strings.Contains(text, "table 'T', partition 'P'") {
					t.Errorf("the error: %s", text)
				}
				const rows = "SELECT count(*), count(*) FILTER (Text LIKE 'old%') FROM T"
				if got := h.values(t, ref, rows); got != "3|3" {
					t.Errorf("rows %s", got)
				}
				empty()
				if drafts, err := os.ReadDir(filepath.Join(files, "drafts")); err != nil || len(drafts) != 0 {
					t.Errorf("half-written: %v, %v", drafts, err)
				}
				h.completed(t, ref, body)
				if got := h.values(t, ref, rows); got != "60000|0" {
					t.Errorf("rows %s", got)
				}
			})
		}
	}
}

// TestF5FullDiskOfTheCatalog: R9, F5. The whole data directory is full in the middle of a refresh, the catalog with it: a new refresh is refused
// by name, the one that runs waits with what it has to store, queries are answered, and when there is space again it goes on to its end.
func TestF5FullDiskOfTheCatalog(t *testing.T) {
	p := newPostgres(t)
	config := configured(t, p.source())
	config.MinFreeDisk = 0
	smallDisk(t, config.Data, 32<<20)
	h := startHost(t, config)
	ref := h.deploy(t, "Interrupted", interrupted(t, p))
	other := h.deploy(t, "Other", modelOf(t, "Other", tableOf("T", "Id int64", reads("P", `#table(type table [Id = Int64.Type], {{7}})`))))
	h.completed(t, other, `{"type":"full"}`)
	id := h.post(t, ref, `{"type":"full","retryCount":10}`)
	half(t, h.running, p, ref, id)
	empty := fill(t, config.Data, 0)
	// SQLite may have room left in its log; it takes some refused refreshes to fill that.
	var refusal answer
	eventually(t, "a refresh is refused", func() bool {
		refusal = h.raw(t, "POST", refreshesOf(other), `{"type":"full"}`)
		return refusal.status != http.StatusAccepted && refusal.status != http.StatusBadRequest
	})
	if refusal.status != http.StatusServiceUnavailable || !strings.Contains(refusal.body, "disk of the catalog is full") {
		t.Errorf("a refresh on a full disk: %d %s", refusal.status, refusal.body)
	}
	p.open(t, 1)
	eventually(t, "the refresh waits with a write", func() bool { return strings.Contains(h.log.String(), "trying again") })
	if got := h.values(t, other, "SELECT Id FROM T"); got != "7" {
		t.Errorf("a query on a full disk: %s", got)
	}
	if got := h.raw(t, "GET", refreshesOf(ref), ""); got.status != http.StatusOK {
		t.Errorf("the history on a full disk: %d %s", got.status, got.body)
	}
	if got := h.values(t, ref, "SELECT (SELECT count(*) FROM Quick), (SELECT count(*) FROM Gated)"); got != "0|0" {
		t.Errorf("rows %s before the end", got)
	}
	empty()
	if detail := h.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Fatalf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	if got := h.values(t, ref, "SELECT Quick.id, Gated.id FROM Quick, Gated"); got != "1|2" {
		t.Errorf("rows %s", got)
	}
	eventually(t, "the other model is free", func() bool {
		return h.raw(t, "POST", refreshesOf(other), `{"type":"full"}`).status == http.StatusAccepted
	})
}
