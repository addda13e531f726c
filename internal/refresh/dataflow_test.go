package refresh_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/model"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// events is a dataflow whose entity is incremental over a CSV file, by day within two months; another entity counts its rows.
func events(t *testing.T, file string) *model.Model {
	t.Helper()
	d, err := cdm.Decode(map[string][]byte{"model.json": []byte(`{"name":"Events","pbi:mashup":{"document":"section Section1; shared Event = Table.TransformColumnTypes(Table.PromoteHeaders(Csv.Document(File.Contents(\"` +
		file + `\"))), {{\"At\", type datetime}, {\"N\", Int64.Type}}); shared Total = #table(type table [Rows = Int64.Type], {{Table.RowCount(Event)}});"},
		"entities":[{"name":"Event","pbi:refreshPolicy":{"$type":"IncrementalRefreshPolicy","rollingWindowGranularity":"Month","rollingWindowPeriods":1,"incrementalGranularity":"Day","incrementalPeriods":2,
		"freshet:filterField":"At","freshet:detectChangesField":"N"},"attributes":[{"name":"At","dataType":"dateTime"},{"name":"N","dataType":"int64"}]},
		{"name":"Total","attributes":[{"name":"Rows","dataType":"int64"}]}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	return d.Model()
}

// C1: an entity with an incremental policy is read by period, as the policy of a model's table is applied; a computed entity reads all of its partitions.
func TestC1IncrementalEntity(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "events.csv")
	write := func(lines string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("At,N\n"+lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("2024-01-31T23:59:59,1\n2024-02-01T00:00:00,2\n2024-03-09T12:00:00,3\n2024-03-10T00:00:00,4\n2024-03-10T23:59:59,5\n2024-03-11T00:00:00,6\n")
	p := newPlant(t, events(t, file), files(t, folder))
	p.run()
	p.refresh(on("2024-03-10"), refresh.Completed)
	names := func() string {
		version, err := p.log.CurrentVersion(t.Context(), modelID)
		p.must(err)
		var names []string
		for _, part := range version.Parts {
			if part.Table == "Event" && part.Rows() > 0 {
				names = append(names, part.Partition)
			}
		}
		slices.Sort(names)
		return strings.ReplaceAll(strings.Join(names, " "), cdm.IncrementalPrefix, "")
	}
	want(t, names(), "2024Q102 2024Q10309 2024Q10310") // a whole month before, and not what comes after the day
	want(t, p.rows("Event", cdm.IncrementalPrefix+"2024Q10310", "N"), "4 \n5 \n")
	want(t, p.rows("Total", cdm.FullPartition, "*"), "4 \n")

	// What is older is not read again, nor what has no larger N: 3 becomes 30 and is seen, a row without a larger N is not.
	write("2024-02-01T00:00:00,99\n2024-03-09T12:00:00,30\n2024-03-10T00:00:00,4\n2024-03-10T00:00:00,5\n2024-03-10T00:00:00,5\n")
	p.refresh(on("2024-03-10"), refresh.Completed)
	want(t, p.rows("Event", cdm.IncrementalPrefix+"2024Q102", "N"), "2 \n")
	want(t, p.rows("Event", cdm.IncrementalPrefix+"2024Q10309", "N"), "30 \n")
	want(t, p.rows("Event", cdm.IncrementalPrefix+"2024Q10310", "N"), "4 \n5 \n")
}

// C1: the day of a dataflow's policy is that of its schedule's time zone.
func TestC1IncrementalZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // from midnight of 2000-01-01, UTC
		for zone, day := range map[string]string{"": "2000-01-01", "America/New_York": "1999-12-31", "Asia/Kolkata": "2000-01-01"} {
			b := newBench(t, policied(nil))
			definition := refresh.Definition{ID: modelID, Name: "Flow", Revision: 2, Capacity: "default", Model: policied(nil), Dataflow: true}
			if zone != "" {
				location, err := time.LoadLocation(zone)
				b.must(err)
				definition.Zone = location
			}
			b.must(b.log.Deploy(definition, store.Change{}))
			operation, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID})
			b.must(err)
			want(t, operation.Request.EffectiveDate.Format(time.DateOnly), day)
		}
	})
}
