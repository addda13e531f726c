package refresh

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The drawing and the table of doc/refresh-cycle.md show the transitions of this package, all of them and no others.
func TestTheDrawingIsTheTable(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "doc", "refresh-cycle.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, drawing, _ := strings.Cut(string(content), "```mermaid\n")
	drawing, _, _ = strings.Cut(drawing, "```")
	want := map[string]bool{"[*] Queued": true, "[*] Accepted": true}
	for from, list := range transitions {
		for _, to := range list {
			want[string(from)+" "+string(to)] = true
		}
	}
	drawn := map[string]bool{}
	for _, arrow := range regexp.MustCompile(`(?m)^ *(\S+) --> (\S+) : \S`).FindAllStringSubmatch(drawing, -1) {
		drawn[arrow[1]+" "+arrow[2]] = true
	}
	if len(drawn) != strings.Count(drawing, "-->") {
		t.Error("an arrow of the drawing is drawn twice, or has no reason")
	}
	compare(t, "the drawing", drawn, want)

	table := map[string]bool{}
	rows := regexp.MustCompile(`(?m)^\| (\w+) \| (\w+), (\w+) \| (.+) \|$`).FindAllStringSubmatch(string(content), -1)
	for _, row := range rows {
		status, extended := State(row[1]).Status()
		if row[2] != status || row[3] != extended {
			t.Errorf("the table says %s, %s of %s: it is %s, %s", row[2], row[3], row[1], status, extended)
		}
		for to := range strings.SplitSeq(row[4], ", ") {
			if to != "–" {
				table[row[1]+" "+to] = true
			}
		}
	}
	if len(rows) != len(States()) {
		t.Errorf("the table has %d states of %d", len(rows), len(States()))
	}
	delete(want, "[*] Queued")
	delete(want, "[*] Accepted")
	compare(t, "the table", table, want)
}

func compare(t *testing.T, where string, got, want map[string]bool) {
	t.Helper()
	for _, arrow := range slices.Sorted(maps.Keys(want)) {
		if !got[arrow] {
			t.Errorf("%s lacks %s", where, arrow)
		}
	}
	for _, arrow := range slices.Sorted(maps.Keys(got)) {
		if !want[arrow] {
			t.Errorf("%s has %s, which is no transition", where, arrow)
		}
	}
}
