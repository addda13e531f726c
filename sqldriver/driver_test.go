package sqldriver

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
)

const (
	groupID = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
	flowID  = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

func service(running time.Duration, status string) *powerbitest.Service {
	return &powerbitest.Service{
		Groups: []*powerbitest.Group{{ID: groupID, Name: "Sales", Models: []powerbitest.Model{{ID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229", Name: "Orders"}},
			Dataflows: []powerbitest.Model{{ID: flowID, Name: "Landing"}}}},
		Course: func(string, string) powerbitest.Course { return powerbitest.Course{Running: running, Status: status} },
	}
}

func open(t *testing.T, s *powerbitest.Service, notice func(string)) *sql.DB {
	client := &powerbi.Client{HTTP: &http.Client{Transport: powerbitest.Transport(s)}}
	db := sql.OpenDB(New(Options{Client: client, Workspace: "Sales", Notice: notice}))
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// C5: the seed's statement through database/sql, with the seven columns, their types and lengths.
func TestC5SeedStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var notices []string
		db := open(t, service(20*time.Second, ""), func(text string) { notices = append(notices, text) })
		rows, err := db.Query(powerbitest.Page()[1].Text)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		types, err := rows.ColumnTypes()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range types {
			text := c.Name() + " " + c.DatabaseTypeName() + " " + c.ScanType().String()
			if length, ok := c.Length(); ok {
				text += " " + time.Duration(length).String()
			}
			got = append(got, text)
		}
		want := "Id VARCHAR string 200ns, RequestId VARCHAR string 100ns, RefreshType NVARCHAR string 50ns, StartTime DATETIME time.Time, EndTime DATETIME time.Time, " +
			"Status NVARCHAR string 50ns, HttpStatusCode INT int64"
		if strings.Join(got, ", ") != want {
			t.Errorf("got %s", strings.Join(got, ", "))
		}
		var (
			id, request, kind, status string
			from, to                  time.Time
			code                      int
		)
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		if err := rows.Scan(&id, &request, &kind, &from, &to, &status, &code); err != nil {
			t.Fatal(err)
		}
		if id != flowID || kind != "OnDemand" || to.Sub(from) != 20*time.Second || status != "Success" || code != 200 || rows.Next() {
			t.Errorf("got %s %s %s %s %s %d", id, kind, from, to, status, code)
		}
		if len(notices) != 5 || !strings.Contains(notices[0], "is started") || !strings.Contains(notices[1], "InProgress") {
			t.Errorf("told %q", notices)
		}
	})
}

func TestC5Statements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(time.Second, "")
		db := open(t, s, nil)
		prepared, err := db.Prepare("SELECT Status FROM refresh_dataset WHERE DatasetName = ? AND InitialWaitMs = @wait")
		if err != nil || len(s.Refreshes()) != 0 {
			t.Fatal(err, s.Refreshes())
		}
		defer prepared.Close()
		for range 2 {
			var status string
			if err := prepared.QueryRow("Orders", sql.Named("wait", 10)).Scan(&status); err != nil || status != "Completed" {
				t.Errorf("%s, %v", status, err)
			}
		}
		result, err := db.Exec("INSERT INTO refresh_dataflow (DataflowName, WorkspaceName) VALUES ('Landing', ?), ('Landing', ?), ('Landing', NULL)", "Sales", []byte("sales"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); n != 3 || err != nil || len(s.Refreshes()) != 5 {
			t.Errorf("%d rows, %v, %d refreshes", n, err, len(s.Refreshes()))
		}
		rows, err := db.Query("SELECT 1 AS a WHERE 1 = 2; SELECT CAST(1.5 AS DECIMAL), NULL, CAST(1 AS BIT) UNION ALL SELECT 2, 'x', NULL")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if rows.Next() || !rows.NextResultSet() {
			t.Fatal("the first result is not empty, or the only one")
		}
		var (
			number string
			text   sql.NullString
			bit    sql.NullBool
		)
		if !rows.Next() || rows.Scan(&number, &text, &bit) != nil || number != "1.5000" || text.Valid || !bit.Bool {
			t.Errorf("got %s %v %v", number, text, bit)
		}
		if !rows.Next() || rows.Scan(&number, &text, &bit) != nil || number != "2.0000" || text.String != "x" || bit.Valid || rows.Next() || rows.NextResultSet() {
			t.Errorf("got %s %v %v", number, text, bit)
		}
		if _, err := db.Begin(); !errors.Is(err, errTransaction) {
			t.Errorf("%v", err)
		}
	})
}

// C4, C5: the nine options of the page, by label and by key, in WITH, in WHERE and as parameters of EXEC, as literals and as arguments.
func TestC4Labels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(10*time.Second, "")
		db := open(t, s, nil)
		options := [][3]string{{"Id", "Id", flowID}, {"WorkspaceId", "WorkspaceId", groupID}, {"Wait for completion", "WaitForCompletion", "True"}, {"Initial wait (ms)", "InitialWaitMs", "1000"},
			{"Status check wait interval (s)", "StatusCheckWaitSec", "3"}, {"Maximum wait time (s)", "MaxWaitSec", "60"}, {"ContineOnErrorForMessage", "ContinueOnErrorForMessage", "True"},
			{"ErrorSubstringToMatch", "ErrorSubstringToMatch", "is currently in progress"}, {"EnableRawOutputModeSingleRow", "EnableRawOutputModeSingleRow", "True"}}
		for i, key := range []int{0, 1} { // label, key
			var with, where, exec []string
			var args []any
			for _, o := range options {
				name := "[" + o[key] + "]"
				with, where, exec = append(with, name+"='"+o[2]+"'"), append(where, name+" = ?"), append(exec, name+" = ?")
				args = append(args, o[2])
			}
			for j, tt := range []struct {
				text string
				args []any
			}{
				{"SELECT Status FROM refresh_dataflow WITH (" + strings.Join(with, ", ") + ")", nil},
				{"SELECT Status FROM refresh_dataflow WHERE " + strings.Join(where, " AND "), args},
				{"EXEC refresh_dataflow " + strings.Join(exec, ", "), args},
			} {
				begin := time.Now()
				rows, err := db.Query(tt.text, tt.args...)
				if err != nil {
					t.Fatalf("%s: %v", tt.text, err)
				}
				if !rows.Next() || time.Since(begin) != 10*time.Second || len(s.Refreshes()) != 3*i+j+1 { // looks after 1, 4, 7 and 10 seconds
					t.Errorf("%s: after %s, %d refreshes", tt.text, time.Since(begin), len(s.Refreshes()))
				}
				if err := rows.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestC5Errors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, service(time.Second, "Failed"), nil)
		for text, want := range map[string]Error{
			"SELECT\n  * FROM nothing":                                    {Code: "StatementNameUnknown", Line: 2, Column: 10},
			"EXEC refresh_dataflow '" + flowID + "'":                      {Code: CodeRefreshFailed, Line: 1, Column: 6, HTTPStatus: 200},
			"EXEC get_refresh_schedule 'x'":                               {Code: "CallFailed", Line: 1, Column: 6, HTTPStatus: 404},
			"EXEC refresh_dataset @DatasetName = Orders, @MaxWaitSec = 0": {Code: CodeWaitLimit, Line: 1, Column: 6, HTTPStatus: 202},
		} {
			_, err := db.Exec(text)
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%s: %v", text, err)
				continue
			}
			got := *e
			got.Message, got.err = "", nil
			if got != want || !strings.HasPrefix(e.Message, "cannot ") {
				t.Errorf("%s: %+v", text, e)
			}
		}
		var refusal *powerbi.Error
		if _, err := db.Exec("EXEC get_refresh_schedule 'x'"); !errors.As(err, &refusal) || refusal.Status != 404 {
			t.Errorf("%v", err)
		}
	})
}

// C5: the end of a context ends the wait; with CancelOnAbort it ends the refresh.
func TestC5Abort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, service(time.Hour, ""), nil)
		for with, want := range map[string]string{"": "InProgress", ", @CancelOnAbort = 'True'": "Cancelled"} {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			begin := time.Now()
			_, err := db.ExecContext(ctx, "EXEC refresh_dataflow '"+flowID+"'"+with)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 30*time.Second {
				t.Errorf("%v after %s", err, time.Since(begin))
			}
			var status string
			if err := db.QueryRow("SELECT TOP 1 Status FROM get_dataflow_transactions ORDER BY StartTime DESC").Scan(&status); err != nil || status != want {
				t.Errorf("%q: %s, %v", with, status, err)
			}
			if _, err := db.Exec("EXEC cancel_dataflow_transaction ?", mustID(t, db)); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
	})
}

func mustID(t *testing.T, db *sql.DB) (id string) {
	t.Helper()
	if err := db.QueryRow("SELECT TOP 1 TransactionId FROM get_dataflow_transactions ORDER BY StartTime DESC").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// F9: a refresh whose POST was lost before it was handled is an error of its own, and is not posted again.
func TestF9Unsettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := service(time.Second, "")
		s.Fault = func(r *http.Request) powerbitest.Fault {
			return powerbitest.Fault{ResetBefore: r.Method == http.MethodPost}
		}
		_, err := open(t, s, nil).Exec("EXEC refresh_dataflow '" + flowID + "'")
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeUnsettled || !strings.Contains(e.Message, "SELECT * FROM get_dataflow_transactions WHERE DataflowId = '"+flowID+"'") || len(s.Refreshes()) != 0 {
			t.Errorf("%v", err)
		}
	})
}

func TestDataSourceNames(t *testing.T) {
	for name, want := range map[string]string{
		"https://api.powerbi.com?workspace=Sales&token=secret": "",
		"http://127.0.0.1:8480/":                               "",
		"https://api.powerbi.com?credential=service-principal&tenant=t&clientId=c&clientSecret=secret": "",
		"https://api.powerbi.com?credential=azure-cli":                                                 "",
		"api.powerbi.com":                                                          "must begin with an address",
		"ftp://api.powerbi.com":                                                    "must begin with an address",
		"https://secret@api.powerbi.com":                                           "not before the host",
		"https://api.powerbi.com?workspac=secret":                                  "did you mean workspace?",
		"https://api.powerbi.com?token=secret&token=secret":                        "given twice",
		"https://api.powerbi.com?token=secret&credential=azure-cli":                "both a credential and a token",
		"https://api.powerbi.com?clientSecret=secret":                              "part of a credential",
		"https://api.powerbi.com?credential=service-principal&clientSecret=secret": "it needs a tenant",
		"https://api.powerbi.com?credential=device-code":                           "nobody to show a device code to",
		"https://api.powerbi.com?credential=azure-cil":                             "no such kind",
		"https://api.powerbi.com?token=%zzsecret":                                  "no query of a URL",
		"https://\x7fsecret":                                                       "no URL",
	} {
		_, err := Driver{}.OpenConnector(name)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
	c, err := Driver{}.Open("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Programs that use the package need not build with a tag.
func TestBuildsWithoutATag(t *testing.T) {
	command := exec.Command("go", "build", "-tags=", ".")
	command.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
