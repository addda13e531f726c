package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"freshet.dev/internal/notify"
	"freshet.dev/powerbi"
)

// webhookTo tells a receiver on this machine of every end.
func webhookTo(url string) func(*Config) {
	return func(c *Config) {
		c.Notifications = Notifications{
			Webhooks: []notify.Webhook{{Name: "ops", URL: url, Secret: "a secret of twenty-four bytes", AllowHTTP: true, AllowPrivate: true}},
			Default:  notify.Audience{On: notify.OnCompletion, Webhooks: []string{"ops"}},
		}
	}
}

// F12: a server that is stopped between the end of a refresh and the answer of the webhook tells it after its next start, under the same id.
func TestF12WebhookOverARestart(t *testing.T) {
	type call struct {
		id    string
		event notify.Event
	}
	calls := make(chan call)
	answers := make(chan bool, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event notify.Event
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			t.Error(err)
		}
		calls <- call{r.Header.Get("webhook-id"), event}
		if !<-answers {
			<-r.Context().Done() // until the server hangs up
		}
	}))
	defer receiver.Close()
	took := func() call {
		t.Helper()
		select {
		case c := <-calls:
			return c
		case <-time.After(time.Minute):
			t.Fatal("the webhook was not called")
			return call{}
		}
	}
	data, files := t.TempDir(), t.TempDir()
	r := start(t, data, files, webhookTo(receiver.URL))
	_, ref := salesModel(t, r)
	result := r.refreshed(t, ref, powerbi.RefreshRequest{})
	if result.Err() != nil {
		t.Fatal(result.Err())
	}
	first := took()
	answers <- false
	r.stop()
	start(t, data, files, webhookTo(receiver.URL))
	second := took()
	answers <- true
	if first.id != second.id || first.event != second.event || first.event.Data.Dataset.ID != ref.DatasetID || first.event.Data.Workspace.Name != "Shop" ||
		first.event.Data.RefreshType != "ViaApi" || first.event.Type != "refresh.completed" || first.event.Data.Rows != 5 {
		t.Errorf("told\n%+v\n%+v", first, second)
	}
}

// F12: a notification that was given up is a warning in the detail of its refresh, which stays as it is.
func TestF12NotDeliveredIsAWarning(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer receiver.Close()
	r := start(t, t.TempDir(), t.TempDir(), webhookTo(receiver.URL))
	_, ref := salesModel(t, r)
	result := r.refreshed(t, ref, powerbi.RefreshRequest{Type: "full"})
	if result.Err() != nil {
		t.Fatal(result.Err())
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		detail, err := r.AnyRefreshDetail(t.Context(), ref.DatasetID, result.RequestID)
		if err != nil || detail.Status != powerbi.Completed {
			t.Fatal(detail.Status, err)
		}
		if n := len(detail.Messages); n > 0 {
			last := detail.Messages[n-1]
			if last.Type != "Warning" || last.Code != notify.CodeNotDelivered || !strings.Contains(last.Message, "cannot notify webhook 'ops'") || !strings.Contains(last.Message, "410 Gone") {
				t.Errorf("message %+v", last)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no message came")
		}
	}
}

// R37: four scheduled refreshes that fail in a row disable the schedule, and the webhook hears of each and of that.
func TestR37DisabledScheduleIsTold(t *testing.T) {
	types, seen := make(chan string, 10), sync.Map{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var event notify.Event
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			t.Error(err)
		}
		if _, again := seen.LoadOrStore(r.Header.Get("webhook-id"), true); !again { // the stop may come before it is known to have arrived
			types <- event.Type
		}
	}))
	defer receiver.Close()
	told := func(want string) {
		t.Helper()
		select {
		case got := <-types:
			if got != want {
				t.Errorf("told of %s, want %s", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("not told of %s", want)
		}
	}
	data, files := t.TempDir(), t.TempDir()
	r := start(t, data, files, webhookTo(receiver.URL))
	_, ref := salesModel(t, r)
	for _, name := range []string{"Sales2023.csv", "Sales2024.csv"} { // what the model reads
		if err := os.Remove(filepath.Join(files, name)); err != nil {
			t.Fatal(err)
		}
	}
	on, cron := true, "0 0 1 1 *"
	if err := r.UpdateRefreshSchedule(t.Context(), ref, powerbi.ScheduleChange{Enabled: &on, Freshet: &powerbi.ScheduleExtra{Cron: &cron}}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		id := uuid.NewString()
		if started, err := r.server.engine.StartScheduled(t.Context(), ref.DatasetID, id); err != nil || !started {
			t.Fatal(started, err)
		}
		if ended, err := r.Wait(t.Context(), ref, id, powerbi.WaitOptions{Interval: 10 * time.Millisecond}); err != nil || ended.Status != powerbi.Failed {
			t.Fatal(ended.Status, err)
		}
	}
	for range 4 {
		told("refresh.failed")
	}
	r.stop()
	r = start(t, data, files, webhookTo(receiver.URL)) // looks at the schedules at once
	told("schedule.disabled")
	if s, err := r.RefreshSchedule(t.Context(), ref); err != nil || s.Enabled {
		t.Errorf("%+v, %v", s, err)
	}
}
