package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

const (
	months      = 12
	generations = 12
	broken      = 7 // the generation one of whose files cannot be read
)

// TestNoMixture: R9, F11. FactFinance in 12 partitions is refreshed again and again from files that name their generation; a reader polls and
// must always see one generation over both tables, also while a refresh fails.
func TestNoMixture(t *testing.T) {
	lines := monthsOfFactFinance(t)
	dir := t.TempDir()
	r := start(t, server.DataSource{Kind: "File", Path: dir})
	writeGeneration(t, dir, lines, 1)
	ref := r.deploy(t, "Finance", map[string][]byte{"model.bim": financeModel(t, dir)})
	full := powerbi.RefreshRequest{Type: "full"}
	if detail := r.refresh(t, ref, full); detail.Status != powerbi.Completed {
		t.Fatalf("the first refresh ended as %s: %+v", detail.Status, detail.Messages)
	}

	ctx, stop := context.WithCancel(t.Context())
	type seen struct {
		generations map[string]int
		err         error
	}
	reader := make(chan seen, 1)
	go func() {
		s := seen{generations: map[string]int{}}
		defer func() { reader <- s }()
		for ctx.Err() == nil {
			row, err := r.tryRow(ctx, ref, `SELECT min(Generation)::VARCHAR, max(Generation)::VARCHAR, count(*)::VARCHAR, (SELECT max(Generation)::VARCHAR FROM Control), (SELECT max("Rows")::VARCHAR FROM Control) FROM FactFinance`)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				s.err = err
				return
			}
			if row[0] != row[1] || row[0] != row[3] || row[2] != row[4] {
				s.err = fmt.Errorf("a mixture: least, greatest generation, rows of FactFinance; generation, rows of Control: %v", row)
				return
			}
			s.generations[row[0]]++
		}
	}()
	for generation := 2; generation <= generations; generation++ {
		writeGeneration(t, dir, lines, generation)
		want := powerbi.Completed
		if generation == broken {
			want = powerbi.Failed
			if err := os.WriteFile(monthFile(dir, 9), []byte("not,a,number\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if detail := r.refresh(t, ref, full); detail.Status != want {
			t.Errorf("generation %d ended as %s, not %s: %+v", generation, detail.Status, want, detail.Messages)
		}
	}
	stop()
	result := <-reader
	if result.err != nil {
		t.Fatal(result.err)
	}
	if n := result.generations[strconv.Itoa(broken)]; n != 0 {
		t.Errorf("a reader saw %d times the generation whose refresh failed", n)
	}
	if len(result.generations) < 3 {
		t.Errorf("the reader saw only %v: it proves nothing", result.generations)
	}
	if row := r.row(t, ref, `SELECT max(Generation)::VARCHAR FROM FactFinance`); row[0] != strconv.Itoa(generations) {
		t.Errorf("the last generation is %s, not %d", row[0], generations)
	}
}

// monthsOfFactFinance returns the lines of FactFinance.csv by the month of their date key.
func monthsOfFactFinance(t *testing.T) [months][]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dataFolder(t), "FactFinance.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var result [months][]string
	for line := range bytes.Lines(content) {
		fields := strings.Split(strings.TrimSpace(string(line)), "|")
		month, err := strconv.Atoi(fields[1][4:6])
		if err != nil {
			t.Fatal(err)
		}
		result[month-1] = append(result[month-1], strings.Join([]string{fields[0], fields[1], fields[6]}, ","))
	}
	return result
}

func monthFile(dir string, month int) string {
	return filepath.Join(dir, fmt.Sprintf("finance-%02d.csv", month))
}

func writeGeneration(t *testing.T, dir string, lines [months][]string, generation int) {
	t.Helper()
	rows := 0
	for month, list := range lines {
		var b strings.Builder
		b.WriteString("FinanceKey,DateKey,Amount,Generation\n")
		for _, line := range list {
			fmt.Fprintf(&b, "%s,%d\n", line, generation)
		}
		rows += len(list)
		if err := os.WriteFile(monthFile(dir, month+1), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "control.csv"), fmt.Appendf(nil, "Generation,Rows\n%d,%d\n", generation, rows), 0o600); err != nil {
		t.Fatal(err)
	}
}

func financeModel(t *testing.T, dir string) []byte {
	t.Helper()
	type object = map[string]any
	partition := func(name, file string, types string) object {
		return object{"name": name, "source": object{"type": "m", "expression": fmt.Sprintf(
			"let\n    Source = Csv.Document(File.Contents(%q), [Delimiter=\",\", Encoding=65001]),\n    Promoted = Table.PromoteHeaders(Source),\n"+
				"    Typed = Table.TransformColumnTypes(Promoted, {%s}, \"en-US\")\nin\n    Typed", file, types)}}
	}
	var parts []object
	for month := 1; month <= months; month++ {
		parts = append(parts, partition(fmt.Sprintf("Month %02d", month), monthFile(dir, month),
			`{"FinanceKey", Int64.Type}, {"DateKey", Int64.Type}, {"Amount", type number}, {"Generation", Int64.Type}`))
	}
	column := func(name, kind string) object { return object{"name": name, "dataType": kind, "sourceColumn": name} }
	text, err := json.Marshal(object{"name": "Finance", "compatibilityLevel": 1567, "model": object{"culture": "en-US", "tables": []object{
		{"name": "FactFinance", "partitions": parts,
			"columns": []object{column("FinanceKey", "int64"), column("DateKey", "int64"), column("Amount", "double"), column("Generation", "int64")}},
		{"name": "Control", "columns": []object{column("Generation", "int64"), column("Rows", "int64")},
			"partitions": []object{partition("Control", filepath.Join(dir, "control.csv"), `{"Generation", Int64.Type}, {"Rows", Int64.Type}`)}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
