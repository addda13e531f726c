package connector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/powerbitest"
)

const columnsOfRefresh = "Id | RequestId | RefreshType | StartTime | EndTime | Status | HttpStatusCode"

// C2, C3, C4: the seed's six statements.
func TestC2SeedStatements(t *testing.T) {
	for _, tt := range powerbitest.Page() {
		t.Run(tt.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{takes: 12 * time.Second}
				c := open(t, f)
				begin := time.Now()
				want := columnsOfRefresh + "\n" + flowID + " | #1 | OnDemand | 2000-01-01 00:00:00 | 2000-01-01 00:00:12 | Success | 200"
				took := 13 * time.Second // 3 s, then every 5 s
				if !tt.Waits {
					want = columnsOfRefresh + "\n" + flowID + " | NULL | OnDemand | NULL | NULL | InProgress | 200"
					took = 0
				}
				if got := f.named(mustQuery(t, c, tt.Text)); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				if posts := f.started(); len(posts) != 1 {
					t.Errorf("posted %q", posts)
				}
				if waited := time.Since(begin); waited != took {
					t.Errorf("waited %s, want %s", waited, took)
				}
			})
		})
	}
}

// The statements are the page's, byte for byte.
func TestC2SeedPage(t *testing.T) {
	page, err := os.ReadFile("../../../shared/seeds/000_ef23bf4034e06521.txt")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("SKIPPED: the seeds are not beside the repository (../shared/seeds)")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range powerbitest.Page() {
		if !strings.Contains(string(page), "\n"+tt.Text) {
			t.Errorf("%s is not on the page", tt.Name)
		}
	}
}

// C3: the seven columns with their types and lengths, which are told without a call.
func TestC3Columns(t *testing.T) {
	f := &fake{}
	c := open(t, f)
	for _, tt := range powerbitest.Page() {
		statements, err := c.Prepare(t.Context(), tt.Text)
		if err != nil {
			t.Fatal(tt.Name, err)
		}
		var got []string
		for _, column := range statements[0].Columns() {
			got = append(got, column.String())
		}
		want := "Id varchar(200), RequestId varchar(100), RefreshType nvarchar(50), StartTime datetime, EndTime datetime, Status nvarchar(50), HttpStatusCode int"
		if len(statements) != 1 || strings.Join(got, ", ") != want {
			t.Errorf("%s: %d statements, %s", tt.Name, len(statements), got)
		}
	}
	if len(f.requests) > 0 {
		t.Errorf("to describe a statement asked %q", f.requests)
	}
}

// C4: a dataflow that is refreshed already is joined, and HttpStatusCode is the refusal's.
func TestC4JoinsARunningRefresh(t *testing.T) {
	for name, tt := range map[string]struct{ with, want, fails string }{
		"by itself":    {"", "#1 | Success | 400", ""},
		"join":         {"IfRunning='join', ContinueOnErrorForMessage='False'", "#1 | Success | 400", ""},
		"wait":         {"IfRunning='wait'", "#2 | Success | 200", ""},
		"cancel":       {"IfRunning='cancel'", "#2 | Success | 200", ""},
		"fail":         {"IfRunning='fail'", "", "is currently in progress"},
		"no join":      {"ContinueOnErrorForMessage='False'", "", "is currently in progress"},
		"another text": {"ErrorSubstringToMatch='limit'", "", "is currently in progress"},
		"no text":      {"ErrorSubstringToMatch=''", "", "is currently in progress"},
		"no waiting":   {"WaitForCompletion='False'", "#1 | InProgress | 400", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{takes: time.Minute}
				f.service().AddDataflow(flowID, "OnDemand", powerbitest.Course{Running: time.Minute})
				time.Sleep(10 * time.Second)
				c := open(t, f)
				text := "SELECT RequestId AS r, Status, HttpStatusCode FROM refresh_dataflow WHERE Id = '" + flowID + "'"
				if tt.with != "" {
					text += " WITH (" + tt.with + ")"
				}
				got, err := answer(c, text)
				var e *Error
				switch {
				case tt.fails != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), tt.fails) || e.HTTPStatus != 400):
					t.Errorf("got %s, %v", got, err)
				case tt.fails == "" && (err != nil || f.named(got) != "r | Status | HttpStatusCode\n"+tt.want):
					t.Errorf("got %s, %v", got, err)
				}
			})
		})
	}
}

// C4: each of two callers that race follows the refresh that its own POST has started, or the one that it was refused because of.
func TestC4TwoCallersRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 20 * time.Second, lag: 2 * time.Second}
		c := open(t, f)
		text := "SELECT RequestId AS r, EndTime, HttpStatusCode FROM refresh_dataflow WHERE Id = '" + flowID + "'"
		results := make(chan string)
		for range 2 {
			go func() {
				got, err := answer(c, text)
				if err != nil {
					got = err.Error()
				}
				results <- f.named(got)
			}()
		}
		got := []string{<-results, <-results}
		slices.Sort(got)
		want := []string{"r | EndTime | HttpStatusCode\n#1 | 2000-01-01 00:00:20 | 200", "r | EndTime | HttpStatusCode\n#1 | 2000-01-01 00:00:20 | 400"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// C4, OnFailure: a failed refresh fails the statement, with the service's reasons, or is a row.
func TestC4Failure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 20 * time.Second, ends: "Failed"}
		c := open(t, f)
		for _, tt := range []struct{ text, reason, row string }{
			{"SELECT Status, HttpStatusCode FROM refresh_dataflow WHERE Id = '" + flowID + "'", "Failed", "Failed | 200"},
			{"SELECT Status, HttpStatusCode FROM refresh_dataset WHERE DatasetName = 'retail'", "CredentialsNotSpecified", "Failed | 202"},
		} {
			_, err := answer(c, tt.text)
			if fault.CodeOf(err) != CodeRefreshFailed || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%s: %v", tt.text, err)
			}
			if got := mustQuery(t, c, tt.text+" WITH (OnFailure='row')"); got != "Status | HttpStatusCode\n"+tt.row {
				t.Errorf("%s: %s", tt.text, got)
			}
		}
	})
}

// C4: an error with another text is told with its HTTP status; nothing is waited for.
func TestC4OtherErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{fault: func(r *http.Request) (int, string) {
			if r.Method == http.MethodPost {
				return 400, `{"error":{"code":"DailyDataflowRefreshLimitExceeded","message":"Skipping dataflow refresh as number of auto refreshes in last 24 hours (8) exceeded allowed limit 8"}}`
			}
			return 0, ""
		}}
		c, begin := open(t, f), time.Now()
		_, err := answer(c, "SELECT *\nFROM refresh_dataflow WHERE Id = '"+flowID+"'")
		var e *Error
		if !errors.As(err, &e) || e.HTTPStatus != 400 || e.Line != 2 || !strings.Contains(err.Error(), "allowed limit 8") || fault.KindOf(err) != fault.Invalid || time.Since(begin) != 0 {
			t.Errorf("%v", err)
		}
	})
}

// C4: the limit of a wait is an error of its own that names it; the refresh goes on.
func TestC4MaxWait(t *testing.T) {
	for name, text := range map[string]string{
		"dataflow": "EXEC refresh_dataflow '" + flowID + "', @MaxWaitSec = 60", "semantic model": "EXEC refresh_dataset '" + modelID + "', @MaxWaitSec = 60",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{takes: time.Hour}
				c, begin := open(t, f), time.Now()
				_, err := answer(c, text)
				if fault.CodeOf(err) != CodeWaitLimit || !strings.Contains(err.Error(), "MaxWaitSec = 60") || time.Since(begin) > time.Minute {
					t.Errorf("%v after %s", err, time.Since(begin))
				}
				if posts := f.started(); len(posts) != 1 {
					t.Errorf("posted %q", posts)
				}
			})
		})
	}
}

// C4: where no refresh is to be seen, the error of the limit claims none that goes on.
func TestC4MaxWaitUnseen(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, want string
	}{
		{http.StatusOK, "", "the refresh of the dataflow '" + flowID + "' is started, and was not to be seen within MaxWaitSec = 20; it goes on by itself"},
		{http.StatusBadRequest, `{"error":{"code":"X","message":"one is currently in progress"}}`, "the service says that it refreshes the dataflow '" + flowID + "' already, and no such refresh was to be seen within MaxWaitSec = 20 ("},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{fault: func(r *http.Request) (int, string) {
				if r.Method == http.MethodPost {
					return tt.status, tt.body
				}
				return 0, ""
			}}
			_, err := answer(open(t, f), "EXEC refresh_dataflow '"+flowID+"', @MaxWaitSec = 20")
			var e *Error
			if !errors.As(err, &e) || e.Fault.Code != CodeWaitLimit || e.HTTPStatus != tt.status || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d: %v", tt.status, err)
			}
		})
	}
}

// C4: a look that fails again and again is told in the same words, so that who tells each thing once can.
func TestC4TroubleToldAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: time.Minute}
		c := open(t, f)
		statements, err := c.Prepare(t.Context(), "EXEC refresh_dataflow '"+flowID+"'; EXEC refresh_dataset '"+modelID+"'")
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements {
			begin, told := time.Now(), map[string]int{}
			f.fault = func(r *http.Request) (int, string) {
				if since := time.Since(begin); r.Method == http.MethodGet && since > 10*time.Second && since < 40*time.Second {
					return http.StatusUnauthorized, `{"error":{"code":"TokenExpired","message":"at ` + begin.Format(time.TimeOnly) + `"}}`
				}
				return 0, ""
			}
			if _, err := statement.Run(t.Context(), nil, func(text string) {
				if strings.Contains(text, "trying again") {
					told[text]++
				}
			}); err != nil && fault.KindOf(err) != fault.Denied {
				t.Error(err)
			}
			if len(told) != 1 {
				t.Errorf("told %v", told)
			}
		}
	})
}

// C4: a client that goes away ends the wait; only with CancelOnAbort the refresh too.
func TestC4Abort(t *testing.T) {
	for with, cancelled := range map[string]bool{"": false, ", @CancelOnAbort = 'True'": true} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{takes: time.Hour}
			c := open(t, f)
			statements, err := c.Prepare(t.Context(), "EXEC refresh_dataflow '"+flowID+"'"+with)
			if err != nil {
				t.Fatal(err)
			}
			gone := errors.New("the client has gone")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(40*time.Second, func() { cancel(gone) })
			_, err = statements[0].Run(ctx, nil, nil)
			if !errors.Is(err, gone) || time.Since(f.service().Refreshes()[0].Accepted) != 40*time.Second {
				t.Errorf("%v", err)
			}
			if status, _ := f.service().Refreshes()[0].Outcome(); (status == "Cancelled") != cancelled {
				t.Errorf("%q: %s", with, status)
			}
		})
	}
}

// C4: a token that runs out in the wait, a flaky service and a 429 that asks for patience do not end the wait, and start nothing twice.
func TestC4Troubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		f := &fake{takes: 3 * time.Minute}
		f.fault = func(r *http.Request) (int, string) {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/transactions") || len(f.service().Refreshes()) == 0 {
				return 0, ""
			}
			switch looks++; looks {
			case 2:
				return 401, `{"error":{"code":"TokenExpired"}}`
			case 4:
				return 503, "busy"
			case 5:
				return 404, `{"error":{"code":"PowerBIEntityNotFound"}}`
			case 7:
				return 200, `<html>`
			}
			return 0, ""
		}
		var notices []string
		c := open(t, f)
		statements, err := c.Prepare(t.Context(), "EXEC refresh_dataflow '"+flowID+"'")
		if err != nil {
			t.Fatal(err)
		}
		result, err := statements[0].Run(t.Context(), nil, func(text string) { notices = append(notices, text) })
		if err != nil || f.named(written(result)) != columnsOfRefresh+"\n"+flowID+" | #1 | OnDemand | 2000-01-01 00:00:00 | 2000-01-01 00:03:00 | Success | 200" {
			t.Errorf("%v, %v", result, err)
		}
		if posts := f.started(); len(posts) != 1 {
			t.Errorf("posted %q", posts)
		}
		if all := strings.Join(notices, "\n"); strings.Count(all, "trying again") != 3 || !strings.Contains(all, "InProgress") {
			t.Errorf("told\n%s", all)
		}
	})
}

// C4: a Retry-After of nearly an hour is obeyed; where a limit comes before its end, the limit is the error: MaxWaitSec, or the caller's own.
func TestC4RetryAfter(t *testing.T) {
	for _, endpoint := range []string{"refresh_dataflow '" + flowID + "'", "refresh_dataset '" + modelID + "'"} {
		for _, tt := range []struct {
			with     string
			deadline time.Duration
			waits    time.Duration
			limited  bool
		}{{"", 0, 3392 * time.Second, false}, {", @MaxWaitSec = 60", 0, 0, true}, {"", time.Minute, 0, false}} {
			synctest.Test(t, func(t *testing.T) {
				throttled := false
				f := &fake{takes: 20 * time.Second}
				f.fault = func(r *http.Request) (int, string) {
					if throttled || r.Method != http.MethodGet || len(f.service().Refreshes()) == 0 {
						return 0, ""
					}
					throttled = true
					return http.StatusTooManyRequests, "3392"
				}
				c, begin := open(t, f), time.Now()
				statements, err := c.Prepare(t.Context(), "EXEC "+endpoint+tt.with)
				if err != nil {
					t.Fatal(err)
				}
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				_, err = statements[0].Run(ctx, nil, nil)
				switch waited := time.Since(begin); {
				case tt.waits > 0 && (err != nil || waited < tt.waits || waited > tt.waits+10*time.Second):
					t.Errorf("%s: %v after %s", endpoint, err, waited)
				case tt.waits == 0 && (err == nil || (fault.CodeOf(err) == CodeWaitLimit) != tt.limited || waited > time.Minute):
					t.Errorf("%s%s: %v after %s", endpoint, tt.with, err, waited)
				case tt.deadline > 0 && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("%s: %v", endpoint, err)
				}
			})
		}
	}
}

// C4: a start that is to be tried again only after MaxWaitSec is an error at once, which tells that nothing was started; before it, it is tried again.
func TestC4ThrottledStart(t *testing.T) {
	for _, endpoint := range []string{"refresh_dataflow '" + flowID + "'", "refresh_dataset '" + modelID + "'"} {
		for with, waits := range map[string]time.Duration{", @MaxWaitSec = 3000": 0, "": 3392 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				throttled := false
				f := &fake{takes: 20 * time.Second, fault: func(r *http.Request) (int, string) {
					if throttled || r.Method != http.MethodPost {
						return 0, ""
					}
					throttled = true
					return http.StatusTooManyRequests, "3392"
				}}
				c, begin := open(t, f), time.Now()
				_, err := answer(c, "EXEC "+endpoint+with)
				var e *Error
				switch waited := time.Since(begin); {
				case waits > 0 && (err != nil || waited < waits || waited > waits+30*time.Second || len(f.service().Refreshes()) != 1):
					t.Errorf("%s: %v after %s", endpoint, err, waited)
				case waits == 0 && (!errors.As(err, &e) || e.Fault.Code != CodeWaitLimit || e.HTTPStatus != 429 || !strings.Contains(err.Error(), "is started, and none can be within MaxWaitSec = 3000") || waited != 0 || len(f.service().Refreshes()) != 0):
					t.Errorf("%s: %v after %s", endpoint, err, waited)
				}
			})
		}
	}
}

// C4: what the answer to the POST may be when nothing is waited for.
func TestC4RawOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for body, readable := range map[string]bool{"": false, "<html>": false, "{}": true} {
			c := open(t, &fake{answer: body})
			text := "SELECT HttpStatusCode FROM refresh_dataflow WHERE Id = '" + flowID + "' WITH (WaitForCompletion='False'"
			if got := mustQuery(t, c, text+")"); got != "HttpStatusCode\n200" {
				t.Errorf("%q: %s", body, got)
			}
			if _, err := answer(c, text+", EnableRawOutputModeSingleRow='False')"); (err == nil) != readable {
				t.Errorf("%q without raw output: %v", body, err)
			}
		}
	})
}

// An action is called once for each place that names it, whatever is computed over its row.
func TestC2ActionsFireOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 10 * time.Second}
		c := open(t, f)
		for i, text := range []string{
			"WITH r AS (SELECT * FROM refresh_dataflow WHERE Id = '" + flowID + "') SELECT COUNT(*) FROM r a CROSS JOIN r b CROSS JOIN get_datasets d WHERE a.Status = b.Status",
			"SELECT d.Name, (SELECT Status FROM refresh_dataflow WHERE Id = '" + flowID + "') AS s FROM get_datasets d",
			"SELECT d.Name FROM get_datasets d WHERE 'Success' IN (SELECT Status FROM refresh_dataflow WHERE Id = '" + flowID + "')",
			"SELECT CASE (SELECT Status FROM refresh_dataflow WHERE Id = '" + flowID + "') WHEN 'x' THEN 1 WHEN 'y' THEN 2 END",
			"SELECT 1 WHERE (SELECT Status FROM refresh_dataflow WHERE Id = '" + flowID + "') BETWEEN 'a' AND 'b'",
			"SELECT r.Status FROM get_datasets d LEFT JOIN refresh_dataflow r ON r.Id = '" + flowID + "' AND d.Name = 'nobody'",
		} {
			if _, err := answer(c, text); err != nil {
				t.Fatal(text, err)
			}
			if posts := f.started(); len(posts) != i+1 {
				t.Fatalf("%s\nposted %q", text, posts[i:])
			}
		}
	})
}

// What asks for the columns only calls nothing: Prepare, and the statements by which tools ask for them.
func TestC2DescribingFiresNothing(t *testing.T) {
	f := &fake{}
	c := open(t, f)
	for _, text := range []string{
		"SELECT TOP 0 * FROM refresh_dataflow WHERE Id = '" + flowID + "'",
		"SELECT * FROM refresh_dataflow WHERE 1 = 0",
		"SELECT * FROM refresh_dataflow WHERE Id = '" + flowID + "' AND 1 <> 1",
		"SELECT * FROM refresh_dataset LIMIT 0",
		"SELECT * FROM (SELECT * FROM refresh_dataflow WHERE Id = '" + flowID + "') q WHERE 1 = 0",
		"SELECT TOP 0 * FROM (SELECT TOP 1 * FROM refresh_dataflow WHERE Id = '" + flowID + "' UNION ALL SELECT * FROM refresh_dataset WHERE Id = 'x') q",
		"WITH r AS (SELECT * FROM refresh_dataflow WHERE Id = '" + flowID + "') SELECT * FROM r WHERE 0 = 1",
		"WITH r AS (SELECT * FROM refresh_dataflow WHERE Id = '" + flowID + "') SELECT TOP 0 * FROM r WHERE Id IN (SELECT Id FROM refresh_dataset WHERE Id = 'x')",
	} {
		if got := mustQuery(t, c, text); got != columnsOfRefresh {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{"SELECT * FROM refresh_dataflow WHERE Id = ?", "EXEC refresh_dataflow ?, ?", "INSERT INTO refresh_dataflow (Id, WorkspaceId) VALUES (?, ?)",
		"INSERT INTO refresh_dataflow (Id) SELECT Id FROM get_dataflows"} {
		statements, err := c.Prepare(t.Context(), text)
		if err != nil || len(statements[0].Columns()) != 7 {
			t.Errorf("%s: %v", text, err)
		}
	}
	if len(f.requests) > 0 {
		t.Errorf("asked %q", f.requests)
	}
}

// C5: a destination calls once for each input row, never once less or more.
func TestC5Insert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 4 * time.Second}
		c := open(t, f)
		want := "Id | RequestId | RefreshType | StartTime | EndTime | Status | HttpStatusCode"
		for i := range 3 {
			want += fmt.Sprintf("\n%s | #%d | OnDemand | 2000-01-01 00:00:%02d | 2000-01-01 00:00:%02d | Success | 200", flowID, i+1, 8*i, 8*i+4)
		}
		text := "INSERT INTO refresh_dataflow (Id, WorkspaceId) VALUES ('" + flowID + "', '" + groupID + "'), (?, NULL), (@id, '" + groupID + "')"
		if got := f.named(mustQuery(t, c, text, Argument{Value: flowID}, Argument{"id", flowID})); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if posts := f.started(); len(posts) != 3 {
			t.Errorf("posted %q", posts)
		}
		text = "INSERT INTO refresh_dataflow (DataflowName, [Initial wait (ms)]) SELECT f.Name, 10 FROM get_dataflows f CROSS JOIN get_datasets d WITH (StatusCheckWaitSec=1)"
		if got := mustQuery(t, c, text); strings.Count(got, "Success | 200") != 2 || len(f.started()) != 5 {
			t.Errorf("got %s, posted %q", got, f.started())
		}
		for _, rows := range []string{"SELECT p.Name FROM endpoint_parameters p CROSS JOIN endpoint_parameters q CROSS JOIN endpoints", "VALUES ('x')" + strings.Repeat(", ('x')", maxInserted)} {
			if _, err := answer(c, "INSERT INTO refresh_dataflow (DataflowName) "+rows); err == nil || !strings.Contains(err.Error(), "more than 10000 calls") || len(f.started()) != 5 {
				t.Errorf("%v, posted %d", err, len(f.started()))
			}
		}
		text = "INSERT refresh_dataset (Id, Timeout) VALUES ('" + modelID + "', '1:00:00'), ('" + modelID + "', 'x')"
		if _, err := answer(c, text); err == nil || !strings.Contains(err.Error(), "hh:mm:ss") || len(f.started()) != 5 {
			t.Errorf("%v, posted %q", err, f.started())
		}
		text = "INSERT INTO refresh_dataflow (Id) VALUES ('" + flowID + "'), ('other')"
		if _, err := answer(c, text); err == nil || !strings.Contains(err.Error(), "row 2 of 2") || len(f.started()) != 6 {
			t.Errorf("%v, posted %q", err, f.started())
		}
	})
}

// C5: rows come with the blanks of char(n), and with the braces that Integration Services writes around a GUID.
func TestC5PaddedInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: time.Second}
		c := open(t, f)
		for _, text := range []string{"INSERT refresh_dataflow (Id, WaitForCompletion) VALUES (?, 'False ')", "SELECT * FROM refresh_dataflow WHERE Id = ? WITH (WorkspaceName='Sales  ', WaitForCompletion='False')"} {
			for _, id := range []string{flowID + "    ", "{" + strings.ToUpper(flowID) + "}", "{" + flowID + "} "} {
				if got := mustQuery(t, c, text, Argument{Value: id}); !strings.HasSuffix(strings.ToLower(got), "\n"+flowID+" | null | ondemand | null | null | inprogress | 200") {
					t.Errorf("%s, %q: got %s", text, id, got)
				}
				time.Sleep(time.Second)
			}
		}
	})
}

// C2: every parameter of an enhanced refresh.
func TestC2RefreshDataset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: 9 * time.Second}
		c := open(t, f)
		text := "SELECT * FROM refresh_dataset WHERE DatasetName = 'Retail' AND WorkspaceName = 'sales' AND Type = 'full' WITH (CommitMode='partialBatch', MaxParallelism=4, RetryCount=2, " +
			"Objects='Orders/2024, Customers', ApplyRefreshPolicy='False', EffectiveDate='2026-03-01', Timeout='02:00:00', NotifyOption='NoNotification')"
		want := columnsOfRefresh + "\n" + modelID + " | #1 | ViaEnhancedApi | 2000-01-01 00:00:00 | 2000-01-01 00:00:09 | Completed | 202"
		if got := f.named(mustQuery(t, c, text)); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		body := `{"type":"Full","commitMode":"PartialBatch","maxParallelism":4,"retryCount":2,"objects":[{"table":"Orders","partition":"2024"},{"table":"Customers"}],` +
			`"applyRefreshPolicy":false,"effectiveDate":"2026-03-01","timeout":"02:00:00","notifyOption":"NoNotification"}`
		if f.bodies[0] != body {
			t.Errorf("posted\n%s\nwant\n%s", f.bodies[0], body)
		}
		if got := mustQuery(t, c, "SELECT RefreshType, Status FROM refresh_dataset WHERE Id = '"+modelID+"'"); got != "RefreshType | Status\nViaApi | Completed" || len(f.bodies) != 1 {
			t.Errorf("got %s, posted %q", got, f.bodies)
		}
		f.takes = time.Hour
		if got := f.named(mustQuery(t, c, "EXEC refresh_dataset '"+modelID+"', @WaitForCompletion = False")); got != columnsOfRefresh+"\n"+modelID+" | #3 | ViaApi | NULL | NULL | Unknown | 202" {
			t.Errorf("got %s", got)
		}
		if got := f.named(mustQuery(t, c, "SELECT RequestId, Status, HttpStatusCode FROM refresh_dataset WHERE Id = '"+modelID+"' AND Type = 'Full'")); got != "RequestId | Status | HttpStatusCode\n#3 | Completed | 400" {
			t.Errorf("joined: %s", got)
		}
	})
}
