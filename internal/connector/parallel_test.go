package connector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
)

// several is a service of dataflows a, b, … and models ma, mb, … in Sales, whose refreshes go as course says.
func several(t *testing.T, names string, course func(name string) powerbitest.Course) (*powerbitest.Service, *Connector) {
	t.Helper()
	group := &powerbitest.Group{ID: groupID, Name: "Sales"}
	for _, name := range names {
		group.Dataflows = append(group.Dataflows, powerbitest.Model{ID: string(name), Name: "Flow " + string(name)})
		group.Models = append(group.Models, powerbitest.Model{ID: "m" + string(name), Name: "Model " + string(name)})
	}
	s := &powerbitest.Service{Groups: []*powerbitest.Group{group}, Course: func(model, _ string) powerbitest.Course { return course(model) }}
	c, err := New(t.Context(), Options{Client: &powerbi.Client{HTTP: &http.Client{Transport: powerbitest.Transport(s)}}, Workspace: "Sales"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

// refreshed lists what was refreshed, in the order of the starts, and how many refreshes ran at the same time at most.
func refreshed(s *powerbitest.Service) (models string, most int) {
	all := s.Refreshes()
	for _, r := range all {
		models += r.Model + " "
		running := 0
		for _, other := range all {
			if !other.Accepted.After(r.Accepted) && other.Ended().After(r.Accepted) {
				running++
			}
		}
		most = max(most, running)
	}
	return strings.TrimSpace(models), most
}

// C2: a list of values, or the rows of an INSERT, with Parallel: a call for each, at most as many at the same time, and rows in the order of the list.
func TestC2Parallel(t *testing.T) {
	for _, tt := range []struct {
		text  string
		rows  string // their ids
		calls string // the models, in their order if they are called one after the other
		most  int
	}{
		{"SELECT Id, Status FROM refresh_dataflow WHERE Id IN ('a', 'b', 'c', 'd') WITH (Parallel='2')", "a b c d", "a b c d", 2},
		{"SELECT Id, Status FROM refresh_dataflow WHERE Id IN ('c', 'a', 'C', NULL, 'b') AND Parallel = 3", "c a b", "c a b", 3},
		{"SELECT Id, Status FROM refresh_dataflow r WHERE r.DataflowName IN (N'Flow c', ?, @x) WITH (Parallel=1)", "c a b", "c a b", 1},
		{"SELECT r.Id, r.Status FROM refresh_dataset r WITH (DatasetId='mc') UNION ALL SELECT Id, Status FROM refresh_dataset WHERE Id IN ('ma', 'mb') WITH (Parallel=9)", "mc ma mb", "mc ma mb", 2},
		{"SELECT Id, Status FROM refresh_dataset WHERE DatasetName IN ('model d', 'model a') AND Status = 'Completed' WITH (Parallel=9)", "md ma", "md ma", 2},
		{"SELECT w.Name AS Id, Status FROM get_datasets w JOIN refresh_dataset r ON r.DatasetId IN ('mb', 'mc') AND r.Id = w.Id WITH (Parallel=9)", "Model b Model c", "mb mc", 2},
		{"SELECT Id, Status FROM refresh_dataflow WHERE Id IN ('b')", "b", "b", 1},
		{"INSERT INTO refresh_dataflow (Id) VALUES ('b'), ('a'), ('c') WITH (Parallel='2')", "b a c", "b a c", 2},
		{"INSERT INTO refresh_dataflow (Id, Parallel) VALUES ('b', 2), ('a', 2)", "b a", "b a", 2},
		{"INSERT INTO refresh_dataflow (Id) SELECT Id FROM get_dataflows WITH (Parallel=4)", "a b c d", "a b c d", 4},
		{"INSERT INTO refresh_dataflow (Id) SELECT Id FROM get_dataflows WHERE Name > 'Flow b'", "c d", "c d", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, c := several(t, "abcd", func(name string) powerbitest.Course { // the first ends last
				return powerbitest.Course{Running: time.Duration('z'-name[len(name)-1]) * time.Second}
			})
			arguments := []Argument{{"x", "Flow b"}}
			if strings.Contains(tt.text, "?") {
				arguments = append(arguments, Argument{Value: "Flow a"})
			}
			got := mustQuery(t, c, tt.text, arguments...)
			var ids []string
			for _, line := range strings.Split(got, "\n")[1:] {
				id, rest, _ := strings.Cut(line, " | ")
				ids = append(ids, id)
				if !strings.Contains(rest, "Success") && !strings.Contains(rest, "Completed") {
					t.Errorf("%s\n%s", tt.text, got)
				}
			}
			if strings.Join(ids, " ") != tt.rows {
				t.Errorf("%s\n%s", tt.text, got)
			}
			if calls, most := refreshed(s); calls != tt.calls && most == 1 || len(calls) != len(tt.calls) || most != tt.most {
				t.Errorf("%s\nrefreshed %s, %d at the same time", tt.text, calls, most)
			}
		})
	}
}

// C2: to describe a statement of several calls calls nothing, whatever its values will be.
func TestC2ParallelDescribed(t *testing.T) {
	s, c := several(t, "ab", func(string) powerbitest.Course { return powerbitest.Course{} })
	for _, text := range []string{"SELECT * FROM refresh_dataflow WHERE Id IN (?, ?) WITH (Parallel=?)", "INSERT INTO refresh_dataflow (Id) VALUES (?), (?) WITH (Parallel=@n)"} {
		statements, err := c.Prepare(t.Context(), text)
		if err != nil || len(statements[0].Columns()) != 7 || len(s.Refreshes()) != 0 {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// C4: when one of several fails, no other is begun and those that run are waited for; with OnFailure='row' each has its row.
func TestC4ParallelFailure(t *testing.T) {
	course := func(name string) powerbitest.Course {
		if name == "b" {
			return powerbitest.Course{Running: 10 * time.Second, Status: "Failed"}
		}
		return powerbitest.Course{Running: time.Minute}
	}
	const list = "SELECT Id, Status FROM refresh_dataflow WHERE Id IN ('a', 'b', 'c', 'd') WITH (Parallel=2)"
	for text, story := range map[string]string{
		list: "It is value 2 of 4: of the others 1 succeeded, 0 failed and 2 were not begun.",
		"INSERT INTO refresh_dataflow (Id) VALUES ('a'), ('b'), ('c') WITH (Parallel=3)": "It is row 2 of 3: of the others 2 succeeded, 0 failed and 0 were not begun.",
		"INSERT INTO refresh_dataflow (Id) VALUES ('a'), ('b'), ('c')":                   "It is row 2 of 3: the calls for those before it were made.",
	} {
		synctest.Test(t, func(t *testing.T) {
			s, c := several(t, "abcd", course)
			_, err := answer(c, text)
			if fault.CodeOf(err) != CodeRefreshFailed || !strings.Contains(err.Error(), story) {
				t.Errorf("%s: %v", text, err)
			}
			for _, r := range s.Refreshes() {
				if time.Now().Before(r.Ended()) {
					t.Errorf("%s: %s still runs", text, r.Model)
				}
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, c := several(t, "abcd", course)
		if got := mustQuery(t, c, strings.Replace(list, "Parallel=2", "Parallel=2, OnFailure='row'", 1)); got != "Id | Status\na | Success\nb | Failed\nc | Success\nd | Success" {
			t.Errorf("got %s", got)
		}
	})
}

// C4: a client that goes away ends the wait for all, and with CancelOnAbort all that it started.
func TestC4ParallelAbort(t *testing.T) {
	for with, status := range map[string]string{"": "InProgress", ", CancelOnAbort='True'": "Cancelled"} {
		synctest.Test(t, func(t *testing.T) {
			s, c := several(t, "abc", func(string) powerbitest.Course { return powerbitest.Course{Running: time.Hour} })
			statements, err := c.Prepare(t.Context(), "SELECT * FROM refresh_dataflow WHERE Id IN ('a', 'b', 'c') WITH (Parallel=2"+with+")")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := statements[0].Run(ctx, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			want := fmt.Sprintf("DataflowId | Status\na | %s\nb | %[1]s", status)
			if got := mustQuery(t, c, "SELECT DataflowId, Status FROM get_dataflow_transactions ORDER BY 1"); got != want || len(s.Refreshes()) != 2 {
				t.Errorf("got %s", got)
			}
		})
	}
}
