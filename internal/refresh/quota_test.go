package refresh_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// shared is a bench whose model is in a shared workspace.
func shared(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, sales("2025"))
	if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 2, Model: sales("2025")}, store.Change{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// R36: eight a day, scheduled ones and those of the API together; the ninth says when the day ends, and then it is taken.
func TestR36EightADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := shared(t)
		time.Sleep(20 * time.Hour) // of 1 January 2000
		submit := func(trigger refresh.Trigger) error {
			operation, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Trigger: trigger})
			if err == nil {
				b.ends(operation.ID, refresh.Completed)
			}
			return err
		}
		for i := range 8 {
			for _, trigger := range []refresh.Trigger{refresh.OnDemand, []refresh.Trigger{refresh.ViaAPI, refresh.Scheduled}[i%2]} {
				if err := submit(trigger); err != nil {
					t.Fatalf("number %d, %s: %v", i, trigger, err)
				}
			}
		}
		for _, trigger := range []refresh.Trigger{refresh.ViaAPI, refresh.Scheduled} {
			err := submit(trigger)
			refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)
			if !strings.Contains(err.Error(), "8 a day") || !strings.Contains(err.Error(), "the day ends at 2000-01-02T00:00:00Z") {
				t.Fatalf("error %s", err)
			}
		}
		if history, err := b.History(t.Context(), modelID, 0); err != nil || len(history) != 16 {
			t.Fatalf("%d in the history, %v", len(history), err)
		}
		if err := submit(refresh.OnDemand); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4*time.Hour - time.Nanosecond)
		refused(t, submit(refresh.ViaAPI), fault.Invalid, refresh.CodeInvalidRequest)
		time.Sleep(time.Nanosecond)
		if err := submit(refresh.ViaAPI); err != nil {
			t.Fatal(err)
		}
	})
}

// R36: the day is that of the model's time zone.
func TestR36DayOfTheModel(t *testing.T) {
	midnight := time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)
	tokyo := time.FixedZone("Tokyo", 9*60*60)
	for _, c := range []struct {
		zone *time.Location
		end  time.Time
	}{{nil, midnight.AddDate(0, 0, 1)}, {tokyo, midnight.Add(15 * time.Hour)}} {
		quota, end := refresh.QuotaOf(refresh.Definition{Zone: c.zone}, refresh.ViaAPI, midnight.Add(time.Hour))
		if !end.Equal(c.end) || !quota.Since.Equal(c.end.AddDate(0, 0, -1)) {
			t.Errorf("in %v the day ends at %s and began at %s, want an end at %s", c.zone, end, quota.Since, c.end)
		}
	}
}

// R36: dropped ones are not counted, those of a capacity are not either.
func TestR36NotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := shared(t)
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		running, queued := b.submit(refresh.Params{}), b.submit(refresh.Params{})
		for range 20 {
			if _, outcome, err := b.Submit(t.Context(), refresh.Submission{Model: modelID}); err != nil || outcome != refresh.OutcomeDropped {
				t.Fatalf("%s, %v", outcome, err)
			}
		}
		b.ends(running.ID, refresh.Completed)
		b.ends(queued.ID, refresh.Completed)
		for range 6 {
			b.refresh(refresh.Params{}, refresh.Completed)
		}
		_, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID})
		refused(t, err, fault.Invalid, refresh.CodeInvalidRequest)

		if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 3, Capacity: "default", Model: sales("2025")}, store.Change{}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b.refresh(refresh.Params{}, refresh.Completed)
			b.refresh(full(), refresh.Completed)
		}
	})
}

// R36, R37: days are those of the zone, also when summer time begins or ends, at midnight too. The expected instants are those of the IANA
// database.
func TestR36DayOf(t *testing.T) {
	for _, tt := range []struct{ zone, now, begin, end, why string }{
		{"UTC", "2026-03-01T12:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "plain"},
		{"UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "the first instant is in it"},
		{"UTC", "2026-02-28T23:59:59.999999999Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z", "the last one too"},
		{"Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "23 hours: 2:00 becomes 3:00"},
		{"Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "25 hours: 3:00 becomes 2:00"},
		{"Europe/Berlin", "2026-06-30T22:30:00Z", "2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z", "tomorrow there"},
		{"America/Los_Angeles", "2026-03-08T07:59:59Z", "2026-03-07T08:00:00Z", "2026-03-08T08:00:00Z", "yesterday there"},
		{"America/Los_Angeles", "2026-03-08T08:00:00Z", "2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z", "23 hours"},
		{"Asia/Kathmandu", "2026-03-01T18:15:00Z", "2026-03-01T18:15:00Z", "2026-03-02T18:15:00Z", "5:45 ahead"},
		{"Australia/Lord_Howe", "2026-04-05T03:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", "half an hour of summer time"},
		{"America/Havana", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", "midnight is skipped: the day begins at 1:00"},
		{"America/Havana", "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", "midnight comes twice, at the first"},
		{"America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", "and at the second"},
		{"Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z", "midnight is skipped"},
		{"Africa/Cairo", "2026-10-29T21:30:00Z", "2026-10-28T21:00:00Z", "2026-10-29T22:00:00Z", "the hour before midnight comes twice"},
		{"Pacific/Apia", "2011-12-29T20:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "30 December 2011 does not exist there"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339Nano, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := refresh.DayOf(now, zone)
		if got, want := begin.UTC().Format(time.RFC3339Nano)+" "+end.UTC().Format(time.RFC3339Nano), tt.begin+" "+tt.end; got != want {
			t.Errorf("%s at %s (%s): %s, want %s", tt.zone, tt.now, tt.why, got, want)
		}
	}
}

// C1: a dataflow in a shared workspace has eight refreshes within 24 hours, of which those on demand are none; one that runs refuses others.
func TestC1DataflowQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2025"))
		if err := b.log.Deploy(refresh.Definition{ID: modelID, Name: "Retail", Revision: 2, Model: sales("2025"), Dataflow: true}, store.Change{}); err != nil {
			t.Fatal(err)
		}
		b.reads(func(ctx context.Context, _ refresh.Loading) (int64, error) { return 1, after(ctx, time.Hour) })
		submit := func(trigger refresh.Trigger) error {
			_, _, err := b.Submit(t.Context(), refresh.Submission{Model: modelID, Trigger: trigger})
			return err
		}
		begin := time.Now()
		for range 8 {
			operation := b.submit(refresh.Params{})
			err := submit(refresh.OnDemand)
			refused(t, err, fault.Invalid, refresh.CodeDataflowRunning)
			if !strings.Contains(err.Error(), "is currently in progress") {
				t.Fatalf("error %s", err)
			}
			b.ends(operation.ID, refresh.Completed)
		}
		err := submit(refresh.Scheduled)
		refused(t, err, fault.Invalid, refresh.CodeDataflowQuota)
		if !strings.Contains(err.Error(), "number of auto refreshes in last 24 hours (8) exceeded allowed limit 8") {
			t.Fatalf("error %s", err)
		}
		time.Sleep(time.Until(begin.Add(24 * time.Hour)))
		refused(t, submit(refresh.ViaAPI), fault.Invalid, refresh.CodeDataflowQuota)
		time.Sleep(time.Nanosecond)
		if err := submit(refresh.ViaAPI); err != nil {
			t.Fatal(err)
		}
	})
}
