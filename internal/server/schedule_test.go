package server

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"freshet.dev/powerbi"
)

// R37: a moment that fell into a stop of the server is run at its start, once, and the history says that the schedule did it.
func TestR37ScheduledRefresh(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	r := start(t, data, files, nil)
	if err := os.WriteFile(filepath.Join(files, "Year.csv"), []byte("Year\n2025\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expression, err := json.Marshal(`Table.PromoteHeaders(Csv.Document(File.Contents("` + files + `/Year.csv")))`)
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Sales", CreateWorkspace: true, Files: map[string][]byte{"model.bim": []byte(
		`{"name":"Years","compatibilityLevel":1550,"model":{"tables":[{"name":"Year","columns":[{"name":"Year","dataType":"int64","sourceColumn":"Year"}],` +
			`"partitions":[{"name":"Year","source":{"type":"m","expression":` + string(expression) + `}}]}]}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	ref := powerbi.Ref{DatasetID: deployed.Dataset.ID}
	on, cron := true, "0 * * * *"
	if err := r.UpdateRefreshSchedule(t.Context(), ref, powerbi.ScheduleChange{Enabled: &on, Freshet: &powerbi.ScheduleExtra{Cron: &cron}}); err != nil {
		t.Fatal(err)
	}
	if s, err := r.RefreshSchedule(t.Context(), ref); err != nil || s.Freshet.NextRun.Before(time.Now()) || s.Freshet.NextRun.After(time.Now().Add(time.Hour)) {
		t.Fatalf("schedule %+v, %v", s, err)
	}
	// As if the server had been down since before the last full hour.
	entry, err := r.server.rows.Schedule(t.Context(), deployed.Dataset.ID)
	if err != nil {
		t.Fatal(err)
	}
	earlier := entry
	earlier.Last = time.Now().Add(-3 * time.Hour)
	if err := r.server.rows.PutSchedule(t.Context(), entry, earlier); err != nil {
		t.Fatal(err)
	}
	r.stop()

	for range 2 { // the second start finds it done
		r = start(t, data, files, nil)
		deadline := time.Now().Add(time.Minute)
		for {
			refreshes, err := r.Refreshes(t.Context(), ref, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(refreshes) == 1 && refreshes[0].Status == powerbi.Completed && refreshes[0].RefreshType == "Scheduled" {
				break
			}
			if len(refreshes) > 1 || time.Now().After(deadline) {
				t.Fatalf("history %+v", refreshes)
			}
			time.Sleep(10 * time.Millisecond)
		}
		entry, err = r.server.rows.Schedule(t.Context(), deployed.Dataset.ID)
		if err != nil || !entry.Schedule.Enabled || time.Since(entry.Last) > time.Hour {
			t.Fatalf("entry %+v, %v", entry, err)
		}
		r.stop()
	}
}
