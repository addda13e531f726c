package store

import (
	"fmt"

	"golang.org/x/sys/unix"

	"freshet.dev/internal/fault"
)

// Unavailable: the disk of the data directory would have less free space than minFreeDisk.
// Do: free space there, or lower minFreeDisk in the configuration.
const CodeDiskLow = "DiskSpaceLow"

// Disk is the file system that a folder is on, and how much of it must stay free. A nil Disk has no limit.
type Disk struct {
	dir  string
	keep int64 // bytes
	free func(dir string) (int64, error)
}

// NewDisk returns the disk of a folder that exists, on which keep bytes must stay free. free asks the file system for the bytes that may
// still be written; nil is the system's own answer.
func NewDisk(dir string, keep int64, free func(dir string) (int64, error)) *Disk {
	if free == nil {
		free = statfs
	}
	return &Disk{dir: dir, keep: keep, free: free}
}

func statfs(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil // their types differ between systems
}

// Room returns an Unavailable error with CodeDiskLow when less is free than must stay free.
func (d *Disk) Room() error {
	if d == nil || d.keep == 0 {
		return nil
	}
	free, err := d.free(d.dir)
	if err != nil {
		return diskError("ask for the free space of the disk", err)
	}
	if free >= d.keep {
		return nil
	}
	return fault.New(fault.Unavailable, CodeDiskLow, "cannot write more to the disk of the data folder: %s are free there, and %s must stay free (minFreeDisk)",
		bytesText(free), bytesText(d.keep)).WithHint("Free some space on that disk, or lower keepVersions or minFreeDisk in the configuration; then send the request again.")
}

// leastSpill is what may be spilled however little is free: a limit of 0 would mean none.
const leastSpill = 1 << 20

// Spill returns how many bytes DuckDB may put into temporary files now; 0 leaves it to DuckDB.
func (d *Disk) Spill() int64 {
	if d == nil || d.keep == 0 {
		return 0
	}
	free, err := d.free(d.dir)
	if err != nil {
		return leastSpill
	}
	return max(leastSpill, free-d.keep)
}

func bytesText(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
