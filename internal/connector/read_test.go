package connector

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
)

// C2: what the endpoints that read give, from the shapes of Power BI's reference.
func TestC2Reads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 10 * time.Second}
		c := open(t, f)
		for _, text := range []string{"EXEC refresh_dataflow '" + flowID + "'", "EXEC refresh_dataset '" + modelID + "', @Type = Full, @Objects = 'Orders/2024, Orders/2025'"} {
			mustQuery(t, c, text)
		}
		for _, tt := range []struct{ text, want string }{
			{"SELECT * FROM get_workspaces", "Id | Name | IsReadOnly | IsOnDedicatedCapacity | CapacityId | Type\n" + groupID + " | Sales | false | true | 0F084DF7-C13D-451B-AF5F-ED0C466403B2 | Workspace"},
			{"SELECT Name, WorkspaceId, IsRefreshable, CreatedDate FROM get_datasets WHERE IsRefreshable = 'True'", "Name | WorkspaceId | IsRefreshable | CreatedDate\nRetail | " + groupID + " | true | 2020-12-07 01:05:54.157"},
			{"SELECT * FROM get_dataflows", "Id | Name | WorkspaceId | Description | ConfiguredBy | ModelUrl | Generation\n" + flowID + " | Orders | " + groupID + " | NULL | john@contoso.com | https://MyDataflowStorageAccount.dfs.core.windows.net/powerbi/Sales/Orders/model.json | 1"},
			{"SELECT * FROM get_dataflow_transactions WHERE DataflowName = 'Orders'", "DataflowId | TransactionId | RefreshType | StartTime | EndTime | Status\n" + flowID + " | #1 | OnDemand | 2000-01-01 00:00:00 | 2000-01-01 00:00:10 | Success"},
			{"SELECT COUNT(*) AS n FROM get_dataflow_transactions", "n\n1"},
			{"SELECT d.Name, r.RefreshType, r.Status FROM get_datasets d JOIN get_dataset_refreshes r ON r.DatasetId = d.Id WITH (WorkspaceName='Sales', Top=5)", "Name | RefreshType | Status\nRetail | ViaEnhancedApi | Completed"},
			{"SELECT Type, TableName, PartitionName, ObjectStatus, NumberOfAttempts FROM get_dataset_refresh_details WHERE DatasetName = 'Retail' AND RequestId = '" + f.service().Refreshes()[1].ID + "'",
				"Type | TableName | PartitionName | ObjectStatus | NumberOfAttempts\nFull | Orders | 2024 | Completed | 0\nFull | Orders | 2025 | Completed | 0"},
			{"SELECT Enabled, Days, Times, LocalTimeZoneId FROM get_refresh_schedule WHERE DatasetName = 'Retail'", "Enabled | Days | Times | LocalTimeZoneId\ntrue | [\"Sunday\",\"Friday\",\"Saturday\"] | [\"05:00\",\"11:30\"] | UTC"},
			{"SELECT Name, IsHidden, ModifiedTime FROM get_dataset_tables WHERE DatasetName = 'Retail'", "Name | IsHidden | ModifiedTime\nOrders | false | 2026-02-03 04:05:06"},
			{"SELECT Name FROM endpoints WHERE IsAction = 1 ORDER BY Name", "Name\ncancel_dataflow_transaction\ncancel_dataset_refresh\ngeneric_request\nrefresh_dataflow\nrefresh_dataset"},
			{"SELECT Ordinal, Name, Type, IsRequired FROM endpoint_parameters WHERE Endpoint = 'refresh_dataflow' AND Ordinal <= 3",
				"Ordinal | Name | Type | IsRequired\n1 | Id | text | true\n2 | WorkspaceId | text | false\n3 | WaitForCompletion | True or False | false"},
		} {
			if got := f.named(mustQuery(t, c, tt.text)); got != tt.want {
				t.Errorf("%s\ngot\n%s\nwant\n%s", tt.text, got, tt.want)
			}
		}
		if posts := f.started(); len(posts) != 3 || !strings.HasSuffix(posts[2], "/executeQueries") {
			t.Errorf("to read posted %q", posts)
		}
	})
}

func TestC2Cancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: time.Hour}
		c := open(t, f)
		mustQuery(t, c, "EXEC refresh_dataflow '"+flowID+"', @WaitForCompletion = False")
		id := f.service().Refreshes()[0].TransactionID()
		if got := mustQuery(t, c, "EXEC cancel_dataflow_transaction ?", Argument{Value: id}); got != "TransactionId | Status | HttpStatusCode\n"+id+" | SuccessfullyMarked | 200" {
			t.Errorf("got %s", got)
		}
		f.fault = func(r *http.Request) (int, string) {
			if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/datasets/"+modelID+"/refreshes/x") {
				return 200, ""
			}
			return 0, ""
		}
		if got := mustQuery(t, c, "SELECT * FROM cancel_dataset_refresh WHERE DatasetName = 'Retail' AND RequestId = 'x'"); got != "Id | RequestId | HttpStatusCode\n"+modelID+" | x | 200" {
			t.Errorf("got %s", got)
		}
	})
}

// generic_request takes any path of the configured host, and none of another.
func TestC2GenericRequest(t *testing.T) {
	f := &fake{}
	c := open(t, f)
	for _, tt := range []struct{ text, want string }{
		{"SELECT * FROM generic_request WITH (Url='/groups')", `HttpStatusCode | Body` + "\n" + `200 | {"@odata.context":"http://wabi-test-redirect.analysis.windows.net/v1.0/myorg/$metadata#groups","value":[{"capacityId":"0F084DF7-C13D-451B-AF5F-ED0C466403B2","defaultDatasetStorageFormat":"Small","id":"` + groupID + `","isOnDedicatedCapacity":true,"isReadOnly":false,"name":"Sales","type":"Workspace"}]}`},
		{"SELECT name, ro FROM generic_request WITH (Url='https://api.powerbi.com/v1.0/myorg/groups', Filter='$.value[*]', Columns='name nvarchar(3) $.name; ro bit $.isReadOnly')", "name | ro\nSal | false"},
		{"SELECT g.n FROM generic_request g WITH (Url='groups', Filter='$.value', Columns='[n] nvarchar(50) $[0].name;') WHERE g.n IS NULL", "n\nNULL"},
		{"SELECT HttpStatusCode FROM generic_request WITH (Url='/groups/" + groupID + "/datasets/" + modelID + "/executeQueries', Method='post', Body='{\"queries\":[{\"query\":\"EVALUATE INFO.TABLES()\"}]}')", "HttpStatusCode\n200"},
	} {
		if got := mustQuery(t, c, tt.text); got != tt.want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
	asked := len(f.requests)
	for _, address := range []string{"https://evil.example/groups", "//evil.example/groups", "http://api.powerbi.com/groups", "https://api.powerbi.com@evil.example/", "https://api.powerbi.com:444/groups", "mailto:a@b"} {
		_, err := answer(c, "SELECT * FROM generic_request WHERE Url = ?", Argument{Value: address})
		if err == nil || !strings.Contains(err.Error(), "the configured host, https://api.powerbi.com") || len(f.requests) != asked {
			t.Errorf("%s: %v, asked %q", address, err, f.requests[asked:])
		}
	}
	f.fault = func(*http.Request) (int, string) { return http.StatusFound, "https://evil.example/token" }
	var e *Error
	if _, err := answer(c, "SELECT * FROM generic_request WITH (Url='/groups')"); !errors.As(err, &e) || e.HTTPStatus != http.StatusFound || len(f.requests) != asked+1 {
		t.Errorf("a redirection: %v, asked %q", err, f.requests[asked:])
	}
	f.fault = func(*http.Request) (int, string) { return http.StatusOK, "<html>" }
	if got := mustQuery(t, c, "EXEC generic_request '/groups'"); got != "HttpStatusCode | Body\n200 | <html>" {
		t.Errorf("got %s", got)
	}
	if _, err := answer(c, "EXEC generic_request '/groups', @EnableRawOutputModeSingleRow = False"); fault.CodeOf(err) != codeAnswer {
		t.Errorf("%v", err)
	}
	if _, err := answer(c, "SELECT * FROM get_workspaces"); fault.CodeOf(err) != codeAnswer {
		t.Errorf("a page in place of a list: %v", err)
	}
	f.fault = func(*http.Request) (int, string) {
		return http.StatusForbidden, `{"error":{"code":"PowerBINotAuthorizedException"}}`
	}
	if _, err := answer(c, "EXEC get_workspaces"); !errors.As(err, &e) || e.HTTPStatus != 403 || e.Fault.Kind != fault.Denied {
		t.Errorf("%v", err)
	}
	for _, columns := range []string{"a", "a int", "a int x", "a blob $.x", "; ;", "a int(x) $.a"} {
		if _, err := c.Prepare(t.Context(), "SELECT * FROM generic_request WITH (Url='/x', Columns='"+columns+"')"); fault.CodeOf(err) != codeParameter {
			t.Errorf("%s: %v", columns, err)
		}
	}
}

// Values of JSON become the types of columns; a decimal's further digits round half away from zero, and what a type cannot hold is an error.
func TestC2ValuesOfJSON(t *testing.T) {
	f := &fake{}
	c := open(t, f)
	for _, tt := range []struct{ typ, body, want string }{
		{"decimal(19,4)", `[1, -2.5, "3.00004", 1.23456, -1.00005, 922337203685477.5807, -922337203685477.5807, null]`,
			"1.0000\n-2.5000\n3.0000\n1.2346\n-1.0001\n922337203685477.5807\n-922337203685477.5807\nNULL"},
		{"decimal(19,4)", `[922337203685477.58075]`, ""}, {"decimal(19,4)", `[-922337203685477.5808]`, ""}, {"decimal(19,4)", `["1.2x"]`, ""}, {"decimal(19,4)", `["1.23456x"]`, ""},
		{"bit", `[true, false, "True", "false", 0, 1]`, "true\nfalse\ntrue\nfalse\nfalse\ntrue"}, {"bit", `[2]`, ""}, {"bit", `["perhaps"]`, ""},
		{"int", `[7, "8"]`, "7\n8"}, {"int", `[1.5]`, ""},
	} {
		f.fault = func(*http.Request) (int, string) { return http.StatusOK, tt.body }
		got, err := answer(c, "SELECT v FROM generic_request WITH (Url='/x', Filter='$[*]', Columns='v "+tt.typ+" $.value')")
		if tt.want == "" && fault.CodeOf(err) != codeAnswer || tt.want != "" && (err != nil || got != "v\n"+tt.want) {
			t.Errorf("%s %s: got %s, %v", tt.typ, tt.body, got, err)
		}
	}
}

// Names stand in the place of ids; one that is nobody's, or several's, is an error that tells what there is.
func TestC2Names(t *testing.T) {
	c := open(t, &fake{})
	for text, want := range map[string]string{
		"EXEC refresh_dataflow @DataflowName = 'Orderz'":            "there is no dataflow 'Orderz' (line 1, column 6). Did you mean 'Orders'?",
		"EXEC refresh_dataset @DatasetName = 'Retial'":              "there is no semantic model 'Retial' (line 1, column 6). Did you mean 'Retail'?",
		"EXEC refresh_dataflow 'Orders'":                            "Id takes a GUID; a name stands in DataflowName = 'Orders'",
		"SELECT * FROM get_datasets WHERE WorkspaceName = 'Nobody'": "there is no workspace 'Nobody'",
	} {
		if _, err := answer(c, text); err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", text, err)
		}
	}
	mine := openWith(t, &fake{}, Options{})
	if _, err := answer(mine, "EXEC refresh_dataflow '"+flowID+"'"); err == nil || !strings.Contains(err.Error(), "@WorkspaceId") {
		t.Errorf("a dataflow of My workspace: %v", err)
	}
}

// C3: the configuration adds columns behind an endpoint's own.
func TestC3ExtraColumns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openWith(t, &fake{takes: 10 * time.Second}, Options{Workspace: "Sales", Columns: map[string]string{
			"get_workspaces": "Dedicated bit $.isOnDedicatedCapacity; Nothing int $.nothing", "refresh_dataset": "Attempts int $.detail.numberOfAttempts", "Refresh_Dataflow": "Word nvarchar(3) $.detail.status",
		}})
		for _, tt := range []struct{ text, want string }{
			{"SELECT * FROM get_workspaces", "Workspace | true | NULL"},
			{"EXEC refresh_dataset @DatasetName = Retail, @Type = Full", "Completed | 202 | 0"},
			{"EXEC refresh_dataflow @DataflowName = Orders", "Success | 200 | Suc"},
			{"EXEC refresh_dataflow @DataflowName = Orders, @WaitForCompletion = 0", "InProgress | 200 | NULL"},
			{"SELECT Type FROM endpoint_columns WHERE Endpoint = 'refresh_dataset' AND Ordinal > 6", "int\nint"},
		} {
			if got := mustQuery(t, c, tt.text); !strings.HasSuffix(got, tt.want) {
				t.Errorf("%s: %s", tt.text, got)
			}
		}
	})
	for name, columns := range map[string]string{"get_workspace": "a bit $.x", "get_workspaces": "name bit $.x", "get_datasets": "x bit x", "get_dataflows": ""} {
		if _, err := New(t.Context(), Options{Client: clientOf(&fake{}), Columns: map[string]string{name: columns}}); fault.CodeOf(err) != fault.CodeConfiguration {
			t.Errorf("%s: %v", name, err)
		}
	}
}
