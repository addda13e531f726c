package catalog_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/notify"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/schedule"
	"freshet.dev/internal/store"
)

// announced makes a catalog keep a notification for a webhook of each end, and one for a mail as the options want it.
func announced(t testing.TB, c *catalog.Catalog) {
	t.Helper()
	service, err := notify.New(notify.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler), Config: notify.Config{
		Webhooks: []notify.Webhook{{Name: "ops", URL: "https://example.com/hook", Secret: "a secret of twenty-four bytes"}},
		Mail:     notify.Mail{Host: "smtp.example.com", From: "freshet@example.com"},
		Default:  notify.Audience{On: notify.OnCompletion, Webhooks: []string{"ops"}, MailTo: []string{"ana@example.com"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.Notify(service)
}

// drain settles all that is kept, and returns it in the order of sending.
func drain(t testing.TB, c *catalog.Catalog) (all []notify.Notification) {
	t.Helper()
	for {
		due, err := c.DueNotifications(context.Background(), noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			return all
		}
		for _, n := range due {
			if err := c.Settle(context.Background(), n.ID, noon, ""); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, due...)
	}
}

func targets(list []notify.Notification) string {
	var names []string
	for _, n := range list {
		names = append(names, n.Target)
	}
	return strings.Join(names, " ")
}

// F12: the transaction that ends an operation keeps what is to be told of it: of every end, and of no write that is refused.
func TestF12EndsAreAnnounced(t *testing.T) {
	ctx := context.Background()
	c := openWithWorkspace(t)
	announced(t, c)
	definition := deployEmpty(t, c, 1, 2)

	file := store.File{ID: "5b4f1d3e-0000-4000-8000-00000000f11e", Rows: 7, Bytes: 70, SHA256: "00"}
	lease, base := running(t, c, definition.ID, noon)
	if err := c.Plan(ctx, lease, []refresh.Step{{Number: 1, Kind: refresh.LoadStep, Table: "Sales", Partition: "p0", State: refresh.StepFinished, File: file}}, nil); err != nil {
		t.Fatal(err)
	}
	commit := refresh.Commit{From: refresh.Committing, To: refresh.Completed, At: noon.Add(time.Minute), ModelRevision: 1, Base: base + 1, Steps: []int{1}}
	if _, err := c.Commit(ctx, lease, commit); fault.CodeOf(err) != refresh.CodeState {
		t.Fatalf("a commit on another version: %v", err)
	}
	if list := drain(t, c); len(list) != 0 {
		t.Errorf("a refused commit announces %+v", list)
	}
	commit.Base = base
	if _, err := c.Commit(ctx, lease, commit); err != nil {
		t.Fatal(err)
	}
	list := drain(t, c)
	if targets(list) != "ops ana@example.com" {
		t.Fatalf("announced to %s", targets(list))
	}
	event, err := json.Marshal(list[0].Event)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"type":"refresh.completed","timestamp":"2026-03-01T12:01:00Z","data":{"requestId":"` + lease.Operation + `","workspace":{"id":"` + workspaceID +
		`","name":"Sales"},"dataset":{"id":"` + definition.ID + `","name":"Model 1"},"refreshType":"ViaEnhancedApi","status":"Completed","extendedStatus":"Completed",` +
		`"startTime":"2026-03-01T12:00:00Z","endTime":"2026-03-01T12:01:00Z","rows":7}}`; string(event) != want {
		t.Errorf("event\n%s\nwant\n%s", event, want)
	}

	lease, _ = running(t, c, definition.ID, noon.Add(time.Second))
	failure := &refresh.Failure{Code: "C", Message: "cannot read", Where: fault.Where{Table: "Sales", Row: 3}}
	end := refresh.Transition{From: refresh.Committing, To: refresh.Failed, At: noon.Add(time.Minute), Failure: failure}
	if err := c.Transition(ctx, refresh.Lease{Operation: lease.Operation, Epoch: 99}, end); fault.CodeOf(err) != refresh.CodeStale {
		t.Fatalf("the end by another owner: %v", err)
	}
	if err := c.Transition(ctx, lease, end); err != nil {
		t.Fatal(err)
	}
	list = drain(t, c)
	if want := (notify.Error{Code: "C", Message: "cannot read", Where: failure.Where}); len(list) != 2 || list[0].Event.Type != "refresh.failed" || *list[0].Event.Data.Error != want {
		t.Errorf("announced %+v", list)
	}

	_, op, err := c.Submit(ctx, refresh.Operation{ID: "op-cancelled", Model: definition.ID, ModelRevision: 1, Trigger: refresh.OnDemand, AcceptedAt: noon}, refresh.Quota{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Cancel(ctx, op.ID, noon); err != nil {
		t.Fatal(err)
	}
	if list = drain(t, c); len(list) != 2 || list[0].Event.Type != "refresh.cancelled" || list[0].Event.Data.RefreshType != "OnDemand" {
		t.Errorf("announced %+v", list)
	}
}

// fail starts an operation that fails at once.
func fail(t testing.TB, c *catalog.Catalog, op refresh.Operation) {
	t.Helper()
	ctx := context.Background()
	if _, _, err := c.Submit(ctx, op, refresh.Quota{}, nil); err != nil {
		t.Fatal(err)
	}
	op, err := c.Claim(ctx, op.ID, 0, "test", noon)
	if err != nil {
		t.Fatal(err)
	}
	end := refresh.Transition{From: refresh.Accepted, To: refresh.Failed, At: noon, Failure: &refresh.Failure{Code: "C", Message: "cannot read"}}
	if err := c.Transition(ctx, refresh.Lease{Operation: op.ID, Epoch: op.Epoch}, end); err != nil {
		t.Fatal(err)
	}
}

// R37: that a schedule is disabled is told, with the last of the refreshes that have failed; also by mail, unless the schedule says no to mails.
func TestR37DisablingIsAnnounced(t *testing.T) {
	ctx := context.Background()
	c := openWithWorkspace(t)
	announced(t, c)
	definition := deployEmpty(t, c, 1, 1)
	for i, tt := range []struct {
		option schedule.NotifyOption
		want   string
	}{{"", "ops ana@example.com"}, {schedule.NoNotification, "ops"}} {
		former, err := c.Schedule(ctx, definition.ID)
		if err != nil {
			t.Fatal(err)
		}
		entry := schedule.Entry{Model: definition.ID, Schedule: schedule.Schedule{Enabled: true, Notify: tt.option}, Since: noon.Add(time.Duration(i) * time.Second), Last: noon}
		if err := c.PutSchedule(ctx, former, entry); err != nil {
			t.Fatal(err)
		}
		op := refresh.Operation{ID: "op-" + string(rune('a'+i)), Model: definition.ID, ModelRevision: 1, Trigger: refresh.Scheduled, AcceptedAt: noon}
		fail(t, c, op)
		drain(t, c) // the end of the refresh itself
		stale := entry
		stale.Since = stale.Since.Add(-time.Hour)
		for _, e := range []schedule.Entry{stale, entry, entry} { // the second time it is disabled already
			if err := c.DisableSchedule(ctx, e, noon.Add(2*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		list := drain(t, c)
		if targets(list) != tt.want {
			t.Fatalf("announced to %s, want %s", targets(list), tt.want)
		}
		event := list[0].Event
		if event.Type != "schedule.disabled" || !event.Timestamp.Equal(noon.Add(2*time.Minute)) || event.Data.RequestID != op.ID || event.Data.Dataset.Name != "Model 1" ||
			event.Data.ExtendedStatus != "Failed" || event.Data.Error.Message != "cannot read" {
			t.Errorf("announced %+v", event)
		}
	}
}

// R16, R37: the option of a standard refresh is its own, that of a scheduled one its schedule's.
func TestR16R37NotifyOptions(t *testing.T) {
	ctx := context.Background()
	c := openWithWorkspace(t)
	announced(t, c)
	definition := deployEmpty(t, c, 1, 1)
	for i, tt := range []struct {
		trigger  refresh.Trigger
		own      string
		schedule schedule.NotifyOption
		want     string
	}{
		{refresh.Scheduled, "", "never set", "ops ana@example.com"},
		{refresh.ViaAPI, "", "", "ops ana@example.com"},
		{refresh.ViaAPI, "NoNotification", "", "ops"},
		{refresh.ViaAPI, "MailOnCompletion", schedule.NoNotification, "ops ana@example.com"},
		{refresh.Scheduled, "", "", "ops ana@example.com"},
		{refresh.Scheduled, "", schedule.MailOnFailure, "ops ana@example.com"},
		{refresh.Scheduled, "", schedule.NoNotification, "ops"},
	} {
		if tt.schedule != "never set" {
			former, err := c.Schedule(ctx, definition.ID)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.PutSchedule(ctx, former, schedule.Entry{Model: definition.ID, Schedule: schedule.Schedule{Notify: tt.schedule}, Since: noon, Last: noon}); err != nil {
				t.Fatal(err)
			}
		}
		op := refresh.Operation{ID: "op-" + string(rune('a'+i)), Model: definition.ID, ModelRevision: 1, Trigger: tt.trigger, Request: refresh.Request{Notify: tt.own}, AcceptedAt: noon}
		fail(t, c, op)
		if got := targets(drain(t, c)); got != tt.want {
			t.Errorf("%s, %q, schedule %q: %q hear, want %q", tt.trigger, tt.own, tt.schedule, got, tt.want)
		}
	}
}

// F12: what is kept is due in its order, once for each recipient; what was put off waits; what was given up becomes a warning of its refresh.
func TestF12Outbox(t *testing.T) {
	ctx := context.Background()
	c := openWithWorkspace(t)
	announced(t, c)
	definition := deployEmpty(t, c, 1, 1)
	cancelled := func(id string, at time.Time) {
		t.Helper()
		if _, _, err := c.Submit(ctx, refresh.Operation{ID: id, Model: definition.ID, ModelRevision: 1, Trigger: refresh.OnDemand, AcceptedAt: at}, refresh.Quota{}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Cancel(ctx, id, at); err != nil {
			t.Fatal(err)
		}
	}
	due := func(at time.Time, want string) []notify.Notification {
		t.Helper()
		list, err := c.DueNotifications(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range list {
			got = append(got, n.Event.Data.RequestID+" "+n.Target)
		}
		if strings.Join(got, ", ") != want {
			t.Fatalf("due at %s: %q, want %q", at, got, want)
		}
		return list
	}
	cancelled("op-2", noon.Add(time.Minute))
	cancelled("op-1", noon)
	due(noon.Add(-time.Second), "")
	list := due(noon.Add(time.Hour), "op-1 ops, op-1 ana@example.com")
	if err := c.PutOff(ctx, list[0].ID, noon.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	due(noon.Add(time.Hour), "op-1 ana@example.com, op-2 ops")
	if err := c.Settle(ctx, list[1].ID, noon, ""); err != nil {
		t.Fatal(err)
	}
	again := due(noon.Add(3*time.Hour), "op-2 ops, op-2 ana@example.com")
	for range 2 { // a second time changes nothing
		if err := c.Settle(ctx, again[0].ID, noon.Add(time.Hour), "cannot notify webhook 'ops'"); err != nil {
			t.Fatal(err)
		}
	}
	late := due(noon.Add(3*time.Hour), "op-2 ana@example.com, op-1 ops")
	if late[1].ID != list[0].ID || late[1].Tries != 1 {
		t.Errorf("put off: %+v", late[1])
	}
	messages, err := c.Messages(ctx, "op-2")
	if err != nil {
		t.Fatal(err)
	}
	if want := (refresh.Message{At: noon.Add(time.Hour), Type: refresh.WarningMessage, Code: notify.CodeNotDelivered, Text: "cannot notify webhook 'ops'"}); len(messages) != 1 || messages[0] != want {
		t.Errorf("messages %+v", messages)
	}
	if err := c.DeleteItem(ctx, definition.ID); err != nil {
		t.Fatal(err)
	}
	due(noon.Add(3*time.Hour), "")
	if err := c.PutOff(ctx, late[0].ID, noon); err != nil {
		t.Error(err)
	}
	if err := c.Settle(ctx, late[0].ID, noon, "too late"); err != nil {
		t.Error(err)
	}
}

// C1: the end of a dataflow's refresh is told of as one of a dataflow.
func TestC1EndsOfDataflowsAreAnnounced(t *testing.T) {
	c := openWithWorkspace(t)
	announced(t, c)
	rows := &model.Table{Name: "T", Partitions: []*model.Partition{{Source: model.PartitionSource{Expression: "#table({}, {})"}}}}
	definition := refresh.Definition{ID: logtest.Found, Name: "Flow", Revision: 1, Dataflow: true, Model: &model.Model{Tables: []*model.Table{rows}}}
	if err := (subject{c}).Deploy(definition, store.Change{}); err != nil {
		t.Fatal(err)
	}
	fail(t, c, refresh.Operation{ID: "0e000000-0000-4000-8000-000000000001", Model: definition.ID, ModelRevision: 1, Trigger: refresh.ViaAPI, AcceptedAt: noon, State: refresh.Accepted})
	for _, told := range drain(t, c) {
		if data := told.Event.Data; data.Dataflow != (notify.Named{ID: definition.ID, Name: "Flow"}) || data.Dataset != (notify.Named{}) {
			t.Errorf("%s is told of %+v", told.Channel, data)
		}
	}
}
