package refresh_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

// F12, R27: 130 refreshes, ten days apart in two lots, are forgotten by their age, and never below the newest 60 or the last 3 days.
func TestF12ForgetHistory(t *testing.T) {
	for _, test := range []struct {
		name            string
		keep, passes    time.Duration // since the later lot
		deleted         int
		firstLotDeleted bool
	}{
		{"all young", 90 * 24 * time.Hour, time.Hour, 0, false},
		{"the first lot is too old", 90 * 24 * time.Hour, 81 * 24 * time.Hour, 60, true},
		{"of the second lot the newest 60 stay", 90 * 24 * time.Hour, 1000 * 24 * time.Hour, 70, true},
		{"keepHistory: 0 keeps three days", 0, time.Hour, 60, true},
		{"three days are kept whole", time.Hour, 3*24*time.Hour - time.Minute, 60, true},
		{"and not more", time.Hour, 3*24*time.Hour + time.Minute, 70, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, sales("2025"))
			b.stop()
			b.options.KeepHistory = test.keep
			b.start()
			first := b.refresh(refresh.Params{}, refresh.Completed)
			for range 59 {
				b.refresh(refresh.Params{}, refresh.Completed)
			}
			b.restart(10 * 24 * time.Hour)
			for range 70 {
				b.refresh(refresh.Params{}, refresh.Completed)
			}
			b.restart(test.passes)
			deleted, err := b.ForgetHistory(t.Context())
			if err != nil || deleted != test.deleted {
				t.Fatalf("%s: %d deleted, %v, want %d", test.name, deleted, err, test.deleted)
			}
			all, err := b.History(t.Context(), modelID, 1000)
			if err != nil || len(all) != 130-deleted {
				t.Fatalf("%s: %d are left, %v", test.name, len(all), err)
			}
			newest, err := b.History(t.Context(), modelID, 0)
			if err != nil || len(newest) != 60 || newest[0].ID != all[0].ID || newest[59].ID != all[59].ID {
				t.Fatalf("%s: %d without a number, %v", test.name, len(newest), err)
			}
			_, err = b.Detail(t.Context(), modelID, first.ID, refresh.AnyRefresh)
			if gone := fault.KindOf(err) == fault.NotFound && strings.Contains(err.Error(), "the history does not keep it any more"); gone != test.firstLotDeleted {
				t.Fatalf("%s: the first refresh: %v", test.name, err)
			}
		})
	}
}
