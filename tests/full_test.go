package tests

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
	"freshet.dev/tests/smalldisk"
)

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
				smalldisk.Mount(t, files, 32<<20)
				h := startHost(t, config)
				source := write(t, dir, "data.csv", noise(3, "old"))
				ref := h.deploy(t, "Full", modelOf(t, "Full", tableOf("T", "Id int64, Text string", readsCSV("P", source, `{"Id", Int64.Type}`))))
				h.completed(t, ref, `{"type":"full"}`)
				write(t, dir, "data.csv", noise(60_000, "new"))
				empty := smalldisk.Fill(t, files, left)
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
	smalldisk.Mount(t, config.Data, 32<<20)
	h := startHost(t, config)
	ref := h.deploy(t, "Interrupted", interrupted(t, p))
	other := h.deploy(t, "Other", modelOf(t, "Other", tableOf("T", "Id int64", reads("P", `#table(type table [Id = Int64.Type], {{7}})`))))
	h.completed(t, other, `{"type":"full"}`)
	id := h.post(t, ref, `{"type":"full","retryCount":10}`)
	half(t, h.running, p, ref, id)
	empty := smalldisk.Fill(t, config.Data, 0)
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

// TestF5FullSpillDisk: R9, F5. The disk that loads spill to is full, be it that DuckDB or a sort in M leaves rows there, and that a limit or the
// system says so: the refresh fails by that folder's name, in either commit mode the old rows stay, nothing stays behind, and when there is space again
// another attempt of the same refresh succeeds.
func TestF5FullSpillDisk(t *testing.T) {
	const inDuckDB, inM = `Table.Sort(Typed, {{"Id", Order.Descending}})`, `Table.Sort(Table.ReverseRows(Typed), {{"Id", Order.Descending}})`
	for name, c := range map[string]struct {
		sorted, mode string
		rows         int
		left         int64
		keeps        server.Size // minFreeDisk; above 0 the limit is never below 1 MiB
		says         string
	}{
		"DuckDB comes to its limit":  {inDuckDB, "transactional", 1_000_000, 2 << 20, 0, "failed to offload data block"},
		"DuckDB meets a full disk":   {inDuckDB, "partialBatch", 1_000_000, 0, 1, "o space left"},
		"a sort in M at its limit":   {inM, "partialBatch", 300_000, 0, 1, "only 1.0 MiB may be used"},
		"a sort in M on a full disk": {inM, "transactional", 300_000, 2 << 20, 0, "o space left"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := configured(t, fileSource(dir))
			config.MinFreeDisk = c.keeps
			config.Capacities = []server.Capacity{{Name: "default", Memory: 160 << 20}}
			config.Spill = filepath.Join(t.TempDir(), "spill")
			smalldisk.Mount(t, config.Spill, 256<<20)
			h := startHost(t, config)
			source := write(t, dir, "data.csv", noise(3, "old"))
			expression := strings.TrimSuffix(csvExpression(source, `{"Id", Int64.Type}`), "Typed") + c.sorted
			ref := h.deploy(t, "Full", modelOf(t, "Full", tableOf("T", "Id int64, Text string", reads("P", expression))))
			h.completed(t, ref, `{"type":"full"}`)
			write(t, dir, "data.csv", noise(c.rows, "new"))
			empty := smalldisk.Fill(t, config.Spill, c.left)
			body := fmt.Sprintf(`{"type":"full","commitMode":%q}`, c.mode)
			text := h.failed(t, ref, body)
			for _, want := range []string{"DiskFull", c.says, "table 'T', partition 'P'", "the folder to spill to"} {
				if !strings.Contains(text, want) {
					t.Errorf("the error lacks %q: %s", want, text)
				}
			}
			const rows = "SELECT count(*), count(*) FILTER (Text LIKE 'old%') FROM T"
			if got := h.values(t, ref, rows); got != "3|3" {
				t.Errorf("rows %s", got)
			}
			if files := filesBelow(t, filepath.Join(config.Data, "files")); len(files) != 1 {
				t.Errorf("data files: %v", files)
			}
			if files := filesBelow(t, config.Spill); len(files) != 1 { // the ballast
				t.Errorf("spilled files: %v", files)
			}
			// The next attempt finds space.
			id := h.post(t, ref, strings.TrimSuffix(body, "}")+`,"retryCount":20}`)
			eventually(t, "an attempt has failed", func() bool {
				detail, err := h.RefreshDetail(t.Context(), ref, id)
				return err == nil && len(detail.Messages) > 0
			})
			empty()
			if detail := h.ended(t, ref, id); detail.Status != powerbi.Completed {
				t.Fatalf("it ended as %s: %+v", detail.Status, detail.Messages)
			}
			if got := h.values(t, ref, rows); got != fmt.Sprint(c.rows, "|0") {
				t.Errorf("rows %s", got)
			}
			if files := filesBelow(t, config.Spill); len(files) != 0 {
				t.Errorf("spilled files: %v", files)
			}
		})
	}
}

// filesBelow lists the files in a folder and its folders.
func filesBelow(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
