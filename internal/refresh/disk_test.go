package refresh_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// onDisk starts the bench anew on a disk of which 1 GiB must stay free, and returns the bytes that are.
func (b *bench) onDisk() *atomic.Int64 {
	free := new(atomic.Int64)
	free.Store(10 << 30)
	b.stop()
	b.options.Disk = store.NewDisk("data", 1<<30, func(string) (int64, error) { return free.Load(), nil })
	b.start()
	return free
}

// F7: a load does not begin on a disk with too little room; the rows stay, and the error says how much is free and what to do.
func TestF7NoLoadBeginsOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		free := b.onDisk()
		b.refresh(full(), refresh.Completed)
		b.loaded()
		free.Store(200 << 20)
		operation := b.refresh(full(), refresh.Failed)
		want(t, b.loaded(), []string(nil))
		want(t, b.version().Number, 2)
		for _, text := range []string{"200.0 MiB are free", "1.0 GiB", "minFreeDisk", "table 'Sales'"} {
			if !strings.Contains(operation.Failure.Message, text) {
				t.Errorf("%q lacks %q", operation.Failure.Message, text)
			}
		}
		want(t, b.detail(operation.ID).Messages[0].Code, store.CodeDiskLow)
		b.refresh(refresh.Params{Type: ptr("clearValues")}, refresh.Completed) // makes room, so it needs none
	})
}

// F7: a load that runs stops when the disk has too little room left, and is tried again when there is some.
func TestF7RunningLoadStopsOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, sales("2024", "2025"))
		free := b.onDisk()
		stopped := map[string]time.Duration{}
		b.reads(func(ctx context.Context, l refresh.Loading) (int64, error) {
			if l.Step.Attempt == 2 {
				return 20, after(ctx, time.Minute)
			}
			if l.Step.Partition == "2024" {
				return 20, nil
			}
			began := time.Now()
			if err := after(ctx, 10*time.Minute); err != nil {
				t.Errorf("the load stopped while there was room: %v", err)
			}
			free.Store(1<<30 - 1)
			err := after(ctx, time.Hour)
			stopped[l.Step.Partition] = time.Since(began)
			free.Store(2 << 30)
			return 0, err
		})
		operation := b.refresh(refresh.Params{Type: ptr("full"), RetryCount: ptr[int64](1)}, refresh.Completed)
		if took := stopped["2025"]; took < 10*time.Minute || took > 10*time.Minute+2*time.Second {
			t.Errorf("it stopped after %s", took)
		}
		loads := b.loaded()
		slices.Sort(loads)
		want(t, loads, []string{"2024", "2025", "2025"})
		want(t, len(operation.Attempts), 2)
		messages := b.detail(operation.ID).Messages
		if len(messages) != 1 || messages[0].Code != store.CodeDiskLow || messages[0].Type != refresh.WarningMessage || messages[0].Where.Partition != "2025" {
			t.Fatalf("messages %+v", messages)
		}
	})
}
