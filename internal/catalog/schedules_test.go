package catalog_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/schedule"
)

// R37: every write of a schedule is made of what its writer has read.
func TestR37Schedules(t *testing.T) {
	ctx := context.Background()
	c := openWithWorkspace(t)
	deployEmpty(t, c, 1, 1)
	model := modelID(1)
	never, err := c.Schedule(ctx, model)
	if err != nil || fmt.Sprint(never) != fmt.Sprint(schedule.Entry{Model: model}) {
		t.Fatalf("never set: %+v, %v", never, err)
	}
	want := schedule.Entry{Model: model, Since: noon, Last: noon, Schedule: schedule.Schedule{
		Enabled: true, Days: []time.Weekday{5, 0}, Times: []schedule.Clock{690, 300}, ZoneID: "Romance Standard Time", Notify: schedule.NoNotification}}
	enabled := func(want ...schedule.Entry) {
		t.Helper()
		got, err := c.EnabledSchedules(ctx)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("enabled: %+v, %v; want %+v", got, err, want)
		}
	}
	enabled()
	if err := c.PutSchedule(ctx, never, want); err != nil {
		t.Fatal(err)
	}
	enabled(want)
	if err := c.PutSchedule(ctx, never, want); fault.CodeOf(err) != schedule.CodeChanged {
		t.Fatalf("a second first schedule: %v", err)
	}

	if err := c.MarkScheduled(ctx, want, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	stale := want
	want.Last = noon.Add(time.Hour)
	enabled(want)
	if err := c.MarkScheduled(ctx, stale, noon.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := c.DisableSchedule(ctx, stale, noon); err != nil {
		t.Fatal(err)
	}
	enabled(want) // neither has changed it
	if err := c.DisableSchedule(ctx, want, noon); err != nil {
		t.Fatal(err)
	}
	enabled()
	want.Schedule.Enabled = false
	if got, err := c.Schedule(ctx, model); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("disabled: %+v, %v; want %+v", got, err, want)
	}

	other := schedule.Entry{Model: modelID(2)}
	if err := c.PutSchedule(ctx, other, other); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("a schedule of no model: %v", err)
	}
	definition, err := c.RefreshDefinition(ctx, model)
	if err != nil || definition.Zone == nil || definition.Zone.String() != "Europe/Paris" { // R36 counts its days
		t.Fatalf("the model's zone is %v, %v", definition.Zone, err)
	}
	if err := c.DeleteItem(ctx, model); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Schedule(ctx, model); err != nil || len(got.Schedule.Days) != 0 {
		t.Fatalf("the model is gone, its schedule is %+v, %v", got, err)
	}
}
