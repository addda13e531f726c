package tests

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
	"freshet.dev/sqldriver"
)

// deployFlow deploys a dataflow of one entity, Orders, whose rows an expression gives, into the workspace Tests.
func (r running) deployFlow(t *testing.T, name, expression string) (group, flow string) {
	t.Helper()
	file, err := json.Marshal(object{
		"name": name, "pbi:mashup": object{"document": "section Section1;\r\nshared Orders = " + expression + ";\r\n"},
		"entities": []object{{"name": "Orders", "attributes": []object{{"name": "id", "dataType": "int64"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", CreateWorkspace: true, Files: map[string][]byte{"model.json": file}})
	if err != nil {
		t.Fatal(err)
	}
	return done.Workspace.ID, done.Dataset.ID
}

// connected opens the SQL driver over a client, with the default workspace Tests.
func connected(t *testing.T, client *powerbi.Client, notice func(string)) *sql.DB {
	t.Helper()
	db := sql.OpenDB(sqldriver.New(sqldriver.Options{Client: client, Workspace: "Tests", Notice: notice}))
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// told is all that a statement gives: the columns with their types, and the rows; or the code and the HTTP status of its error.
func told(db *sql.DB, text string, args ...any) (columns string, rows []string, failure string) {
	result, err := db.Query(text, args...)
	if err != nil {
		var e *sqldriver.Error
		if !errors.As(err, &e) {
			return "", nil, err.Error()
		}
		return "", nil, fmt.Sprintf("%s, HTTP status %d", e.Code, e.HTTPStatus)
	}
	defer result.Close()
	types, err := result.ColumnTypes()
	if err != nil {
		return "", nil, err.Error()
	}
	values, pointers := make([]any, len(types)), make([]any, len(types))
	for i, c := range types {
		length, _ := c.Length()
		columns += fmt.Sprintf("%s %s(%d), ", c.Name(), c.DatabaseTypeName(), length)
		pointers[i] = &values[i]
	}
	for result.Next() {
		if err := result.Scan(pointers...); err != nil {
			return columns, rows, err.Error()
		}
		row := make([]string, len(values))
		for i, value := range values {
			switch value := value.(type) {
			case nil:
				row[i] = "NULL"
			case time.Time:
				row[i] = "a time"
			default:
				row[i] = fmt.Sprint(value)
			}
			if row[i] != "NULL" && slices.Contains([]string{"ConfiguredBy", "ModelUrl", "CapacityId"}, types[i].Name()) {
				row[i] = "something" // each service has its own people and addresses
			}
		}
		rows = append(rows, anyTransaction.ReplaceAllString(anyID.ReplaceAllString(strings.Join(row, " | "), "an id"), "a transaction"))
	}
	if err := result.Err(); err != nil {
		return columns, rows, err.Error()
	}
	return columns, rows, ""
}

var (
	anyID          = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyTransaction = regexp.MustCompile(`[0-9T:.-]+Z@an id\$1`)
)

// C6: the same statements against Power BI and against Freshet with the same content give the same columns, types, statuses and rows.
func TestC6PowerBIAndFreshetAlike(t *testing.T) {
	r := start(t)
	model := modelOf(t, "Retail", tableOf("Orders", "id int64", reads("Orders", `#table(type table [id = Int64.Type], {{1}, {2}})`)))
	broken := modelOf(t, "Broken", tableOf("Orders", "id int64", reads("Orders", `error "no such orders"`)))
	r.deploy(t, "Retail", model)
	r.deploy(t, "Broken", broken)
	r.deployFlow(t, "Landing", `#table(type table [id = Int64.Type], {{1}})`)
	r.deployFlow(t, "Torn", `error "no such orders"`)

	recorded := &powerbitest.Service{
		Groups: []*powerbitest.Group{{ID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", Name: "Tests",
			Models: []powerbitest.Model{{ID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229", Name: "Retail", Tables: []string{"Orders"}},
				{ID: "cfafbeb1-8037-4d0c-896e-a46fb27ff230", Name: "Broken", Tables: []string{"Orders"}}},
			Dataflows: []powerbitest.Model{{ID: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Name: "Landing"}, {ID: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeef", Name: "Torn"}}}},
		Course: func(item, _ string) powerbitest.Course {
			if strings.HasSuffix(item, "30") || strings.HasSuffix(item, "f") {
				return powerbitest.Course{Status: "Failed"}
			}
			return powerbitest.Course{}
		},
	}
	theirs := connected(t, &powerbi.Client{HTTP: &http.Client{Transport: powerbitest.Transport(recorded)}}, nil)
	ours := connected(t, r.Client, nil)

	const nobody = "00000000-0000-4000-8000-000000000000"
	requests := map[*sql.DB]map[string]string{theirs: {}, ours: {}} // what the statements below ask for by @name
	find := func(name, text string) {
		for db, found := range requests {
			var id string
			if err := db.QueryRow(text).Scan(&id); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			found[name] = id
		}
	}
	for _, text := range []string{
		"SELECT * FROM get_workspaces",
		"SELECT * FROM get_workspaces WHERE WorkspaceName = 'Nobody''s'",
		"SELECT * FROM get_datasets ORDER BY Name",
		"SELECT * FROM get_datasets WHERE WorkspaceName = 'Nobody'",
		"SELECT * FROM get_datasets WHERE WorkspaceId = '" + nobody + "'",
		"SELECT * FROM get_dataflows ORDER BY Name",
		"SELECT DatasetId, Name, Description, IsHidden FROM get_dataset_tables WHERE DatasetName = 'Retail'",
		"SELECT * FROM get_dataset_tables WHERE DatasetId = '" + nobody + "'",
		"SELECT * FROM get_refresh_schedule WHERE DatasetId = '" + nobody + "'",
		"SELECT * FROM get_dataset_refreshes WHERE DatasetName = 'Retail'",
		"SELECT * FROM get_dataflow_transactions",

		"SELECT * FROM refresh_dataset WHERE DatasetName = 'retail' WITH (InitialWaitMs=0, StatusCheckWaitSec=0)",
		"EXEC refresh_dataset @DatasetName = 'Retail', @Type = 'Full', @Objects = 'Orders', @InitialWaitMs = 0, @StatusCheckWaitSec = 0",
		"EXEC refresh_dataset @DatasetName = 'Broken', @InitialWaitMs = 0, @StatusCheckWaitSec = 0",
		"EXEC refresh_dataset @DatasetName = 'Broken', @Type = 'Full', @InitialWaitMs = 0, @StatusCheckWaitSec = 0, @OnFailure = 'row'",
		"EXEC refresh_dataset '" + nobody + "'",
		"EXEC refresh_dataset @DatasetName = 'Retial'",
		"SELECT * FROM refresh_dataflow WHERE DataflowName = 'Landing' WITH (InitialWaitMs=0, StatusCheckWaitSec=0)",
		"SELECT * FROM refresh_dataflow WHERE DataflowName = 'Torn' WITH (InitialWaitMs=0, StatusCheckWaitSec=0)",
		"SELECT * FROM refresh_dataflow WHERE DataflowName = 'Torn' WITH (InitialWaitMs=0, StatusCheckWaitSec=0, OnFailure='row')",
		"INSERT INTO refresh_dataflow (DataflowName, OnFailure, InitialWaitMs) VALUES ('Torn', 'row', 0), ('Landing', 'row', 0) WITH (StatusCheckWaitSec=0)",
		"SELECT * FROM refresh_dataflow WHERE DataflowName IN ('Torn', 'Landing') WITH (InitialWaitMs=0, StatusCheckWaitSec=0, OnFailure='row', Parallel=2)",
		"EXEC refresh_dataflow '" + nobody + "'",
		"EXEC refresh_dataflow @DataflowName = 'Landling'",

		"SELECT DatasetId, RequestId, RefreshType, StartTime, EndTime, Status FROM get_dataset_refreshes WHERE DatasetName = 'Retail'",
		"SELECT Status, ExtendedStatus FROM get_dataset_refreshes WHERE RefreshType = 'ViaEnhancedApi' ORDER BY Status",
		"SELECT RefreshType, Status, COUNT(*), COUNT(EndTime), COUNT(ServiceExceptionJson) FROM get_dataset_refreshes GROUP BY RefreshType, Status ORDER BY 1, 2",
		"SELECT Type, CommitMode, StartTime, EndTime, Status, ExtendedStatus, TableName, PartitionName, ObjectStatus FROM get_dataset_refresh_details WHERE DatasetName = 'Retail' AND RequestId = @good",
		"SELECT Status, ExtendedStatus, COUNT(*), COUNT(Messages) FROM get_dataset_refresh_details WHERE DatasetName = 'Broken' AND RequestId = @bad GROUP BY Status, ExtendedStatus",
		"SELECT * FROM get_dataset_refresh_details WHERE DatasetName = 'Retail' AND RequestId = '" + nobody + "'",
		"SELECT * FROM get_dataset_refresh_details WHERE DatasetName = 'Retail' AND RequestId = @standard",
		"SELECT * FROM get_dataflow_transactions WHERE DataflowName = 'Torn'",
		"EXEC cancel_dataset_refresh @DatasetName = 'Retail', @RequestId = @good",
		"EXEC cancel_dataset_refresh @DatasetName = 'Retail', @RequestId = '" + nobody + "'",
		"EXEC cancel_dataflow_transaction @transaction",
		"EXEC cancel_dataflow_transaction '2026-03-01T12:00:00.0000000Z@" + nobody + "$1'",
		"EXEC generic_request '/groups', @Filter = '$.value[*]', @Columns = 'Name nvarchar(256) $.name; Kind nvarchar(50) $.type'",
		"EXEC generic_request '/groups/" + nobody + "'",
		"EXEC generic_request '/nothing'",
		"SELECT * FROM endpoints",
		"SELECT * FROM endpoint_parameters",
		"SELECT * FROM endpoint_columns",
	} {
		if strings.Contains(text, "@good") && requests[ours]["good"] == "" {
			find("good", "SELECT TOP 1 RequestId FROM get_dataset_refreshes WHERE DatasetName = 'Retail' AND RefreshType = 'ViaEnhancedApi' AND Status = 'Completed'")
			find("standard", "SELECT TOP 1 RequestId FROM get_dataset_refreshes WHERE DatasetName = 'Retail' AND RefreshType = 'ViaApi'")
			find("bad", "SELECT TOP 1 RequestId FROM get_dataset_refreshes WHERE DatasetName = 'Broken' AND RefreshType = 'ViaEnhancedApi'")
			find("transaction", "SELECT TOP 1 TransactionId FROM get_dataflow_transactions WHERE DataflowName = 'Landing'")
		}
		args := func(db *sql.DB) (list []any) {
			for name, value := range requests[db] {
				list = append(list, sql.Named(name, value))
			}
			return list
		}
		columns, rows, failure := told(ours, text, args(ours)...)
		wantColumns, wantRows, wantFailure := told(theirs, text, args(theirs)...)
		if columns != wantColumns || !slices.Equal(rows, wantRows) || failure != wantFailure {
			t.Errorf("%s\nPower BI: %s\n%s%s\nFreshet: %s\n%s%s", text, wantColumns, strings.Join(wantRows, "\n"), wantFailure, columns, strings.Join(rows, "\n"), failure)
		}
	}
}
