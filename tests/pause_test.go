package tests

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"freshet.dev/powerbi"
)

// TestR34PauseOverRest: a pause takes a refresh's statement from the database at once, keeps what is finished over a restart, refuses what is new,
// and the resumption lets the refresh go on by itself.
func TestR34PauseOverRest(t *testing.T) {
	h, p, ref, id := halfDone(t)
	p.run(t, "UPDATE quick SET id = 100")

	begin := time.Now()
	got := h.raw(t, "POST", "/subscriptions/s/resourceGroups/g/providers/Microsoft.PowerBIDedicated/capacities/default/suspend?api-version=2021-01-01", "")
	if got.status != http.StatusOK && got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	eventually(t, "the statement is gone", func() bool { return p.statements(t, "gated") == 0 })
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the statement ran on for %s", took)
	} else {
		t.Logf("the statement was gone after %s", took)
	}
	if err := h.SuspendCapacity(t.Context(), powerbi.AzureGroup{}, "default"); err != nil {
		t.Fatal(err)
	}
	paused := func(when string) {
		t.Helper()
		capacity, err := h.AzureCapacity(t.Context(), powerbi.AzureGroup{}, "default")
		if err != nil || capacity.Properties.State != "Paused" || capacity.SystemData.LastModifiedBy != "owner" {
			t.Errorf("%s: the capacity is %+v, %v", when, capacity, err)
		}
		detail, err := h.RefreshDetail(t.Context(), ref, id)
		if err != nil || detail.Status != powerbi.InProgress || detail.Freshet.State != "Paused" || objectOf(t, detail, "Quick", "P").Status != powerbi.Completed ||
			objectOf(t, detail, "Gated", "P").Status != powerbi.NotStarted {
			t.Errorf("%s: the refresh is %+v, %v", when, detail, err)
		}
		history, err := h.Refreshes(t.Context(), ref, 1)
		if err != nil || history[0].Status != powerbi.Unknown || history[0].ExtendedStatus != powerbi.InProgress || !history[0].EndTime.IsZero() {
			t.Errorf("%s: the history says %+v, %v", when, history, err)
		}
		for _, body := range []string{`{"type":"full"}`, ""} {
			if got := h.raw(t, "POST", refreshesOf(ref), body); got.status != http.StatusBadRequest || !strings.Contains(got.body, `"code":"CapacityNotActive"`) {
				t.Errorf("%s: POST %q: %d %s", when, body, got.status, got.body)
			}
		}
	}
	paused("paused")
	h.stop()
	h.start(t)
	paused("after a restart")
	if n := p.statements(t, "gated"); n != 0 {
		t.Errorf("%d statements run after a restart of a paused capacity", n)
	}

	if err := h.ResumeCapacity(t.Context(), powerbi.AzureGroup{}, "default"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the load runs again", func() bool { return p.statements(t, "gated") == 1 })
	finishes(t, h.running, p, ref, id)
	detail, err := h.RefreshDetail(t.Context(), ref, id)
	if err != nil || detail.NumberOfAttempts != 1 {
		t.Errorf("it took %d attempts, %v", detail.NumberOfAttempts, err)
	}
}

// TestR30CancelWhilePausedOverRest: it ends at once, and the rows are those of before.
func TestR30CancelWhilePausedOverRest(t *testing.T) {
	h, _, ref, id := halfDone(t)
	if err := h.SuspendCapacity(t.Context(), powerbi.AzureGroup{}, "default"); err != nil {
		t.Fatal(err)
	}
	if err := h.CancelRefresh(t.Context(), ref, id); err != nil {
		t.Fatal(err)
	}
	if detail, err := h.RefreshDetail(t.Context(), ref, id); err != nil || detail.Status != powerbi.Cancelled || detail.EndTime.IsZero() || detail.RefreshAttempts[0].EndTime.IsZero() {
		t.Errorf("it is %+v, %v", detail, err)
	}
	if err := h.ResumeCapacity(t.Context(), powerbi.AzureGroup{}, "default"); err != nil {
		t.Fatal(err)
	}
	if got := h.values(t, ref, "SELECT (SELECT count(*) FROM Quick), (SELECT count(*) FROM Gated)"); got != "0|0" {
		t.Errorf("rows %s", got)
	}
}
