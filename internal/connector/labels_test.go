package connector

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/powerbitest"
)

// C4: the nine options of the page, each by its label and by its key, in WITH, in WHERE and as a parameter of EXEC: each does what it is for, and has the page's
// value by itself. A refresh takes 20 seconds.
func TestC4Labels(t *testing.T) {
	const (
		ended  = "Success"
		busy   = "Dataflow refresh is currently in progress"
		joined = "Success, HTTP status 400"
	)
	for _, tt := range []struct {
		label, key string
		value      string // other than what it is by itself
		also       string // what the statement says besides, as WITH has it
		running    bool   // another refresh has begun 5 seconds before
		takes      time.Duration
		by         string // what comes of the statement by itself,
		byTook     time.Duration
		given      string // and with the option: a status, or a part of an error
		took       time.Duration
	}{
		{label: "Id", key: "Id", value: "a", by: "expects the parameter '@Id'", given: ended, took: 23 * time.Second},
		{label: "WorkspaceId", key: "WorkspaceId", value: "11111111-0000-4000-8000-000000000001", also: "Id='b'", by: "PowerBIEntityNotFound", given: ended, took: 23 * time.Second},
		{label: "Wait for completion", key: "WaitForCompletion", value: "False", also: "Id='a'", by: ended, byTook: 23 * time.Second, given: "InProgress"},
		{label: "Initial wait (ms)", key: "InitialWaitMs", value: "500", also: "Id='a'", by: ended, byTook: 23 * time.Second, given: ended, took: 20500 * time.Millisecond},
		{label: "Status check wait interval (s)", key: "StatusCheckWaitSec", value: "9", also: "Id='a'", by: ended, byTook: 23 * time.Second, given: ended, took: 21 * time.Second},
		{label: "Maximum wait time (s)", key: "MaxWaitSec", value: "9000", also: "Id='a'", takes: 7201 * time.Second, by: "MaxWaitSec = 7200", byTook: 7200 * time.Second, given: ended, took: 7203 * time.Second},
		{label: "ContineOnErrorForMessage", key: "ContinueOnErrorForMessage", value: "False", also: "Id='a'", running: true, by: joined, byTook: 15 * time.Second, given: busy},
		{label: "ErrorSubstringToMatch", key: "ErrorSubstringToMatch", value: "is not in progress", also: "Id='a'", running: true, by: joined, byTook: 15 * time.Second, given: busy},
		{label: "EnableRawOutputModeSingleRow", key: "EnableRawOutputModeSingleRow", value: "False", also: "Id='a', WaitForCompletion='False'", by: "InProgress", given: "is empty or no JSON"},
	} {
		run := func(t *testing.T, text, want string, took time.Duration) {
			t.Helper()
			synctest.Test(t, func(t *testing.T) {
				s, c := several(t, "a", func(string) powerbitest.Course { return powerbitest.Course{Running: max(tt.takes, 20*time.Second)} })
				s.Groups = append(s.Groups, &powerbitest.Group{ID: "11111111-0000-4000-8000-000000000001", Name: "Other", Dataflows: []powerbitest.Model{{ID: "b", Name: "Flow b"}}})
				if tt.running {
					s.AddDataflow("a", "OnDemand", powerbitest.Course{Running: 20 * time.Second})
					time.Sleep(5 * time.Second)
				}
				begin := time.Now()
				got, err := answer(c, text)
				if err != nil {
					got = err.Error()
				} else {
					lines := strings.Split(got, " | ") // the last two of the seven columns
					got = fmt.Sprintf("%s, HTTP status %s", lines[len(lines)-2], lines[len(lines)-1])
				}
				if !strings.Contains(got, want) || time.Since(begin) != took {
					t.Errorf("%s\n%s after %s, want %s after %s", text, got, time.Since(begin), want, took)
				}
			})
		}
		with := func(more string) string { return strings.Trim(tt.also+", "+more, ", ") }
		where := strings.ReplaceAll(tt.also, ", ", " AND ")
		if where != "" {
			where += " AND "
		}
		exec := tt.also
		for _, name := range []string{"Id", "WaitForCompletion"} {
			exec = strings.ReplaceAll(exec, name+"=", "@"+name+"=")
		}
		t.Run(tt.key+" by itself", func(t *testing.T) {
			text := "SELECT * FROM refresh_dataflow"
			if tt.also != "" {
				text += " WITH (" + tt.also + ")"
			}
			run(t, text, tt.by, tt.byTook)
		})
		t.Run(tt.key, func(t *testing.T) {
			for _, name := range []string{tt.key, "[" + tt.label + "]", `"` + strings.ToLower(tt.label) + `"`} {
				run(t, "SELECT * FROM refresh_dataflow WITH ("+with(name+"='"+tt.value+"'")+")", tt.given, tt.took)
				run(t, "SELECT * FROM refresh_dataflow WHERE "+where+name+" = '"+tt.value+"'", tt.given, tt.took)
				if name == tt.key {
					name = "@" + name
				}
				run(t, "EXEC refresh_dataflow "+strings.Trim(exec+", "+name+" = '"+tt.value+"'", ", "), tt.given, tt.took)
			}
		})
	}
}

// The page's labels are names of parameters in the list that describes them.
func TestC4LabelsAreListed(t *testing.T) {
	_, c := several(t, "a", nil)
	for _, label := range []string{"Wait for completion", "Initial wait (ms)", "Status check wait interval (s)", "Maximum wait time (s)", "ContineOnErrorForMessage"} {
		if got := mustQuery(t, c, "SELECT COUNT(*) FROM endpoint_parameters WHERE Endpoint LIKE 'refresh_%' AND Label = ?", Argument{Value: label}); got != "\n2" {
			t.Errorf("%s: %s", label, got)
		}
	}
	if _, err := answer(c, "EXEC refresh_dataflow 'a', [Wait for complition] = 'False'"); fault.CodeOf(err) != codeUnknown || !strings.Contains(err.Error(), "Did you mean 'WaitForCompletion'?") {
		t.Errorf("%v", err)
	}
}
