package catalog_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/schedule"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	workspaceID = "aaaaaaaa-0000-4000-8000-000000000001"
	emptyModel  = `{"name":"M","compatibilityLevel":1567,"model":{"tables":[]}}`
)

func open(t testing.TB, path string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// openWithWorkspace returns an empty catalog with one workspace, on capacity "default".
func openWithWorkspace(t testing.TB) *catalog.Catalog {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "catalog.db"))
}

// openAt is openWithWorkspace in a file.
func openAt(t testing.TB, path string) *catalog.Catalog {
	t.Helper()
	c := open(t, path)
	if err := c.CreateWorkspace(context.Background(), workspace.Workspace{ID: workspaceID, Name: "Sales", Capacity: "default", Created: noon}, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// subject is a catalog as the log's suite wants it.
type subject struct{ *catalog.Catalog }

func (s subject) Deploy(definition refresh.Definition, change store.Change) error {
	ctx := context.Background()
	former, err := s.CurrentVersion(ctx, definition.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	item := workspace.Item{
		ID: definition.ID, WorkspaceID: workspaceID, Kind: workspace.ModelKind, Name: definition.Name, Revision: definition.Revision, Version: former.Number + 1,
		Created: noon, Modified: noon, ConfiguredBy: "ana",
	}
	deployed := workspace.Definition{Format: workspace.BIM, Files: map[string][]byte{"model.bim": []byte(emptyModel)}, Deployed: noon, DeployedBy: "ana"}
	if definition.Dataflow {
		item.Kind, deployed.Format = workspace.DataflowKind, workspace.Dataflow
		deployed.Files = map[string][]byte{
			"mashup.pq":          []byte("section Section1;\nshared T = " + definition.Model.Table("T").Partitions[0].Source.Expression + ";"),
			"queryMetadata.json": []byte(`{"formatVersion":"202502","name":"Found","queriesMetadata":{"T":{"queryName":"T"}}}`),
		}
	}
	return s.Catalog.Deploy(ctx, workspace.Revision{Item: item, Base: former.ModelRevision, BaseVersion: former.Number, Change: change, Definition: deployed})
}

func TestLog(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Subject { return subject{openWithWorkspace(t)} })
}

// What is kept as JSON is read by later versions of Freshet: a field that changes its name needs a migration.
func TestStoredJSONKeepsItsForm(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
	}{
		{refresh.Request{
			Type: refresh.Full, CommitMode: refresh.Transactional, MaxParallelism: 10, RetryCount: 1,
			Objects: []refresh.Object{{Table: "Sales", Partition: "2025"}}, ApplyRefreshPolicy: true, EffectiveDate: noon, Timeout: time.Hour, Notify: "MailOnFailure",
		}, `{"Type":"Full","CommitMode":"Transactional","MaxParallelism":10,"RetryCount":1,"Objects":[{"Table":"Sales","Partition":"2025"}],` +
			`"ApplyRefreshPolicy":true,"EffectiveDate":"2026-03-01T12:00:00Z","Timeout":3600000000000,"Notify":"MailOnFailure"}`},
		{refresh.Request{Type: refresh.Full, Force: true}, `{"Type":"Full","CommitMode":"","MaxParallelism":0,"RetryCount":0,"Objects":null,` +
			`"ApplyRefreshPolicy":false,"EffectiveDate":"0001-01-01T00:00:00Z","Timeout":0,"Notify":"","Force":true}`},
		{refresh.Request{Rollback: &refresh.Rollback{Version: 7, WithDefinition: true}}, `{"Type":"","CommitMode":"","MaxParallelism":0,"RetryCount":0,"Objects":null,` +
			`"ApplyRefreshPolicy":false,"EffectiveDate":"0001-01-01T00:00:00Z","Timeout":0,"Notify":"","Rollback":{"Version":7,"WithDefinition":true}}`},
		{refresh.Failure{Code: "C", Message: "cannot", Where: fault.Where{Table: "T", Partition: "P", Column: "Col", Row: 3}},
			`{"Code":"C","Message":"cannot","Where":{"table":"T","partition":"P","column":"Col","row":3}}`},
		{schedule.Schedule{Enabled: true, Days: []time.Weekday{time.Friday}, Times: []schedule.Clock{450}, Cron: "@daily", ZoneID: "UTC", Notify: schedule.NoNotification},
			`{"Days":[5],"Times":[450],"Cron":"@daily","ZoneID":"UTC","Notify":"NoNotification"}`},
	} {
		if got, err := json.Marshal(tt.value); err != nil || string(got) != tt.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
		}
	}
}
