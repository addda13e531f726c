package store

import (
	"errors"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
)

func TestDisk(t *testing.T) {
	free, broken := int64(3<<30), error(nil)
	disk := NewDisk("/srv/data", 1<<30, func(dir string) (int64, error) {
		if dir != "/srv/data" {
			t.Errorf("asked about %s", dir)
		}
		return free, broken
	})
	if err := disk.Room(); err != nil || disk.Spill() != 2<<30 {
		t.Fatalf("with 3 GiB free: %v, spill %d", err, disk.Spill())
	}
	free = 1 << 30
	if err := disk.Room(); err != nil || disk.Spill() != leastSpill {
		t.Fatalf("at the limit: %v, spill %d", err, disk.Spill())
	}
	free = 300 << 20
	err := disk.Room()
	if fault.CodeOf(err) != CodeDiskLow || !fault.Retryable(err) {
		t.Fatalf("error %v", err)
	}
	for _, text := range []string{"300.0 MiB are free", "1.0 GiB must stay free", "minFreeDisk", "Free some space"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
	broken = errors.New("input/output error")
	if err := disk.Room(); fault.CodeOf(err) != CodeStorage || disk.Spill() != leastSpill {
		t.Fatalf("from a broken disk: %v, spill %d", err, disk.Spill())
	}
	var none *Disk
	for _, unlimited := range []*Disk{none, NewDisk("/srv/data", 0, func(string) (int64, error) { return 0, nil })} {
		if err := unlimited.Room(); err != nil || unlimited.Spill() != 0 {
			t.Fatalf("without a limit: %v, spill %d", err, unlimited.Spill())
		}
	}
	if err := NewDisk(t.TempDir(), 1, nil).Room(); err != nil {
		t.Errorf("the system's own answer: %v", err)
	}
	if err := NewDisk(t.TempDir(), 1<<62, nil).Room(); fault.CodeOf(err) != CodeDiskLow {
		t.Errorf("the system's own answer: %v", err)
	}
}
