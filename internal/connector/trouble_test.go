package connector

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
)

// F9: whatever goes wrong, a statement starts at most one refresh of a dataflow, and what its row tells is true. Each seed lays down the faults of each request, the
// course of the refresh, and what others do with the dataflow.
func TestF9DataflowNeverTwiceNeverWrong(t *testing.T) {
	const trials = 400
	tally := map[string]int{}
	for seed := range uint64(trials) {
		synctest.Test(t, func(t *testing.T) {
			told := dataflowTrial(t, rand.New(rand.NewPCG(seed, 2)))
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
			tally[told]++
		})
	}
	t.Log(tally)
	// A connector that always gives up would be right, too.
	for told, least := range map[string]int{"followed": 150, "joined": 20, "found": 20, "unsettled": 3, "unsettled, and never started": 20, "wait limit": 3} {
		if tally[told] < least {
			t.Errorf("%d of %d %s, want %d at least", tally[told], trials, told, least)
		}
	}
}

// dataflowTrial refreshes a dataflow once among faults, checks all that is told, and returns what became of it.
func dataflowTrial(t *testing.T, random *rand.Rand) string {
	s := &powerbitest.Service{Groups: []*powerbitest.Group{{ID: groupID, Name: "Sales", Dataflows: []powerbitest.Model{{ID: flowID, Name: "Orders"}}}}}
	within := func(limit time.Duration) time.Duration { return time.Duration(random.Int64N(int64(limit))) }
	hidden := within(30 * time.Second) // what begins later is not to be seen earlier
	s.Course = func(string, string) powerbitest.Course {
		return powerbitest.Course{Hidden: hidden, Running: within(2 * time.Hour), Status: []string{"", "Failed", "Cancelled", "PartialComplete"}[random.IntN(4)]}
	}
	var others []*powerbitest.Refresh
	other := func() {
		kind := []string{"OnDemand", "Scheduled"}[random.IntN(2)]
		if r := s.AddDataflow(flowID, kind, powerbitest.Course{Hidden: hidden, Running: within(time.Minute)}); r != nil {
			others = append(others, r)
		}
	}
	client := &powerbi.Client{HTTP: &http.Client{Transport: powerbitest.Transport(s)}}
	client.Token, client.Refused = s.Trouble(random, other)
	c, err := New(t.Context(), Options{Client: client, Workspace: groupID})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if random.IntN(5) == 0 {
		other()
		time.Sleep(within(20 * time.Second))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour+within(21*time.Hour))
	defer cancel()
	statements, err := c.Prepare(ctx, "SELECT RequestId, EndTime, Status, HttpStatusCode FROM refresh_dataflow WHERE Id = '"+flowID+"' WITH (OnFailure='row', MaxWaitSec=10000)")
	if err != nil {
		t.Fatal(err)
	}
	result, err := statements[0].Run(ctx, nil, nil)

	var ours, told *powerbitest.Refresh
	for _, r := range s.Refreshes() {
		switch isOther := r.Body["refreshType"] != nil; {
		case isOther:
		case ours != nil:
			t.Errorf("two refreshes, %s and %s", ours.ID, r.ID)
		default:
			ours = r
		}
		if err == nil && result.Rows[0][0] == r.TransactionID() {
			told = r
		}
	}
	var refusal *powerbi.Error
	switch {
	case fault.CodeOf(err) == CodeUnsettled && ours == nil:
		return "unsettled, and never started"
	case fault.CodeOf(err) == CodeUnsettled:
		return "unsettled"
	case fault.CodeOf(err) == CodeWaitLimit:
		return "wait limit"
	case errors.As(err, &refusal) && (refusal.Status == http.StatusUnauthorized || refusal.Status == http.StatusTooManyRequests):
		return "gave up"
	case err != nil && ours != nil:
		t.Logf("followed no longer: %v", err)
		return "gave up"
	case err != nil:
		return "not started"
	case told == nil:
		t.Errorf("told %v, which there is not", result.Rows)
		return "wrong"
	}
	status := told.Course.Status
	if status == "" {
		status = "Success"
	}
	if result.Rows[0][2] != status || time.Now().Before(told.Ended()) {
		t.Errorf("told %v at %s, but it was %s at %s", result.Rows[0], time.Now(), status, told.Ended())
	}
	switch code := result.Rows[0][3]; {
	case code == int64(http.StatusBadRequest):
		if ours != nil || told.Body["refreshType"] == nil {
			t.Errorf("joined %s, but started %v", told.ID, ours)
		}
		return "joined"
	case told == ours && code == nil:
		return "found"
	case told == ours && code == int64(http.StatusOK):
		return "followed"
	case ours == nil && code == nil && told.Body["refreshType"] == "OnDemand":
		return "found what another caller started in the same seconds"
	}
	t.Errorf("told %v, but started %+v", result.Rows[0], ours)
	return "wrong"
}
