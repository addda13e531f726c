package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet.dev/powerbi"
)

// twoParts is a model of a table in two partitions of as many rows, so that their files can take each other's place.
func twoParts(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	rows := func(first string) string {
		return write(t, dir, first+".csv", "Id,Name\n"+strings.Repeat(first+",some text that is the same\n", 2000))
	}
	return modelOf(t, "Damage", tableOf("T", "Id int64, Name string",
		readsCSV("A", rows("1"), `{"Id", Int64.Type}`), readsCSV("B", rows("2"), `{"Id", Int64.Type}`)))
}

// dataFiles returns the paths of the files of a host's store, by the partition whose rows they hold.
func (h *host) dataFiles(t *testing.T, ref powerbi.Ref) map[string]string {
	t.Helper()
	found := map[string]string{}
	for partition := range map[string]bool{"A": true, "B": true} {
		h.completed(t, ref, `{"type":"full","objects":[{"table":"T","partition":"`+partition+`"}]}`)
		newest := time.Time{}
		paths, err := filepath.Glob(filepath.Join(h.config.Data, "files", "*.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.ModTime().After(newest) {
				newest, found[partition] = info.ModTime(), path
			}
		}
	}
	return found
}

// rewrite changes a file's content. With kept it has its old time of modification afterwards: only the system's own time of change tells.
func rewrite(t *testing.T, path string, content []byte, kept bool) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, content, 0o600), os.Chmod(path, info.Mode()))
	if kept {
		failed = errors.Join(failed, os.Chtimes(path, info.ModTime(), info.ModTime()))
	}
	if failed != nil {
		t.Fatal(failed)
	}
}

// offsets are 24 bytes of a Parquet file: of its magic numbers, its pages, its footer, the footer's length, and between them.
func offsets(t *testing.T, content []byte) []int {
	t.Helper()
	n := len(content)
	footer := n - 8 - int(binary.LittleEndian.Uint32(content[n-8:]))
	if footer < 100 || footer > n-100 || !bytes.HasPrefix(content, []byte("PAR1")) || !bytes.HasSuffix(content, []byte("PAR1")) {
		t.Fatalf("not the Parquet file that was expected: %d bytes, footer at %d", n, footer)
	}
	list := []int{0, 3, 4, 5, footer - 1, footer, footer + 1, n - 9, n - 8, n - 5, n - 4, n - 1}
	for i := range 6 {
		list = append(list, 4+(footer-4)*(2*i+1)/12, footer+(n-8-footer)*(2*i+1)/12)
	}
	return list
}

// TestF7DamagedFiles: one bit of a data file, wherever it lies, is found by the running server's next query and by verify, and by a server that
// starts; the file is named, with model, table and partition, and none of its rows is served. So are a shorter file, a missing one and an
// exchanged one. What was damaged and is restored is served again.
func TestF7DamagedFiles(t *testing.T) {
	dir := t.TempDir()
	h := startHost(t, configured(t, fileSource(dir)))
	ref := h.deploy(t, "Damage", twoParts(t, dir))
	h.completed(t, ref, `{"type":"full"}`)
	files := h.dataFiles(t, ref)
	a, err := os.ReadFile(files["A"])
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(files["B"])
	if err != nil || len(a) != len(b) || bytes.Equal(a, b) {
		t.Fatalf("the files are not of one length, or the same: %d, %d, %v", len(a), len(b), err)
	}
	const sum = "SELECT sum(Id), count(*) FROM T"
	whole := func(when string) {
		t.Helper()
		if got := h.values(t, ref, sum); got != "6000|4000" {
			t.Fatalf("%s: %s", when, got)
		}
	}
	whole("before")
	// refused is what must be true while the file of partition A is damaged.
	refused := func(what string) {
		t.Helper()
		for _, sql := range []string{sum, "SELECT count(*) FROM T", "SELECT Name FROM T LIMIT 1"} {
			rows, err := h.Query(t.Context(), ref.DatasetID, sql)
			if err == nil {
				rows.Close()
				t.Errorf("%s: %s was answered", what, sql)
				continue
			}
			for _, word := range []string{"DataFileDamaged", "model 'Damage'", "table 'T', partition 'A'", filepath.Base(files["A"]), "type full"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%s: %s does not say %q", what, err, word)
				}
			}
		}
		found, err := h.Verify(t.Context(), ref.DatasetID)
		if err != nil || len(found.Damaged) != 1 || found.Damaged[0].Partition != "A" || !found.Damaged[0].Current || found.Damaged[0].File+".parquet" != filepath.Base(files["A"]) {
			t.Errorf("%s: verify says %+v, %v", what, found, err)
		}
	}
	list := offsets(t, a)
	for i, at := range list {
		flipped := bytes.Clone(a)
		flipped[at] ^= 1 << (i % 8)
		rewrite(t, files["A"], flipped, i%2 == 0) // the running server has verified it before
		if i%8 == 0 {
			h.stop()
			h.start(t) // one that has not
		}
		refused("a bit")
		rewrite(t, files["A"], a, true)
		whole("restored")
	}
	for what, content := range map[string][]byte{"shorter": a[:len(a)-1], "empty": nil, "longer": append(bytes.Clone(a), 0), "exchanged": b} {
		rewrite(t, files["A"], content, true)
		refused(what)
		rewrite(t, files["A"], a, false)
		whole("restored")
	}
	if err := os.Rename(files["A"], files["A"]+".away"); err != nil {
		t.Fatal(err)
	}
	refused("missing")
	// A file that another one took the place of by its name, with its times.
	write(t, filepath.Dir(files["A"]), "other", string(b))
	other := filepath.Join(filepath.Dir(files["A"]), "other")
	info, err := os.Stat(files["A"] + ".away")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, files["A"])); err != nil {
		t.Fatal(err)
	}
	refused("renamed")
	// What the error advises mends it, and no other partition is read for it.
	h.completed(t, ref, `{"type":"full","objects":[{"table":"T","partition":"A"}]}`)
	whole("loaded again")
	found, err := h.Verify(t.Context(), ref.DatasetID)
	if err != nil || len(found.Damaged) != 1 || found.Damaged[0].Current || !strings.Contains(found.Damaged[0].Advice, "Nothing needs to be done") {
		t.Errorf("verify after the mending: %+v, %v", found, err)
	}
	t.Logf("%d offsets of %d bytes", len(list), len(a))
}

// TestF5DamagedFinishedStep: F5, F7. A refresh that goes on after a restart reads a finished partition again whose file was damaged meanwhile.
func TestF5DamagedFinishedStep(t *testing.T) {
	p := newPostgres(t)
	h := startHost(t, configured(t, p.source()))
	ref := h.deploy(t, "Interrupted", interrupted(t, p))
	id := h.post(t, ref, `{"type":"full"}`)
	half(t, h.running, p, ref, id)
	h.stop()
	p.run(t, "UPDATE quick SET id = 100")
	paths, err := filepath.Glob(filepath.Join(h.config.Data, "files", "*.parquet"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("files %v, %v", paths, err)
	}
	content, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 4
	rewrite(t, paths[0], content, true)
	h.start(t)
	eventually(t, "the load runs again", func() bool { return p.statements(t, "gated") == 1 })
	p.open(t, 1)
	if detail := h.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Fatalf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	if got := h.values(t, ref, "SELECT Quick.id, Gated.id FROM Quick, Gated"); got != "100|2" {
		t.Errorf("rows %s: the damaged file was not read again", got)
	}
	if !strings.Contains(h.log.String(), "a finished step is done again") {
		t.Error("the log does not say so")
	}
}
