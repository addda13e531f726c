// Package smalldisk gives tests a disk that they can fill.
package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Mount mounts a file system of so many bytes on a folder, which takes root. Without, the test is skipped; a root that may not mount fails
// where FRESHET_REQUIRE_SERVERS asks for everything.
func Mount(t *testing.T, folder string, bytes int) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount a small disk")
	}
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		if os.Getenv("FRESHET_REQUIRE_SERVERS") != "" {
			t.Fatalf("cannot mount a small disk: %v", err)
		}
		t.Skipf("SKIPPED: cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// Fill takes what is free on a file system, but for some bytes, until the returned function is called.
func Fill(t *testing.T, folder string, but int64) (empty func()) {
	t.Helper()
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "ballast")
	size := int64(disk.Bavail)*disk.Bsize - but
	if err := os.WriteFile(path, make([]byte, max(size, 0)), 0o600); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
