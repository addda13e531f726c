package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/tests/smalldisk"
)

// R9, F5: some file systems tell only when a file is flushed that the disk is full. That is one failed attempt, which names the disk and what to
// do; the next one, for which there is space, succeeds, and without one all rows stay.
func TestF5DiskFullAtTheFlush(t *testing.T) {
	ended := map[refresh.State]bool{}
	for seed := range uint64(4) {
		for _, mode := range []string{transactional, partialBatch} {
			t.Run(fmt.Sprint(mode, " ", seed), func(t *testing.T) {
				ctx, stop := context.WithTimeout(t.Context(), patience)
				defer stop()
				s, err := openSite(run{"draft written", errorReturned, mode, first, seed}, t.TempDir(), nil)
				must(t, err)
				defer s.close()
				must(t, s.prepare(ctx))
				e, err := s.withError(ctx, unix.ENOSPC)
				must(t, err)
				e.checked(t)
				for _, operation := range e.operations {
					if operation.ID != s.ids[0] {
						continue
					}
					ended[operation.State] = true
					failure := operation.Attempts[0].Failure
					if failure == nil || !strings.Contains(failure.Message, "cannot flush a data file: no space left on device (table 'T") ||
						!strings.Contains(failure.Message, "Free space on the disk of the data folder") {
						t.Errorf("the attempt failed with %+v", failure)
					}
				}
			})
		}
	}
	if !ended[refresh.Completed] || !ended[refresh.Failed] {
		t.Errorf("refreshes ended only as %v", ended)
	}
}

// R9, F5: the disk of the catalog becomes full at the moment of the commit. The refresh waits with it, readers see the rows of before, the log says
// which disk is full, and when there is space the commit is made: that costs no attempt.
func TestF5DiskFullAtTheCommit(t *testing.T) {
	const full = "the disk is full"
	for _, mode := range []string{transactional, partialBatch} {
		t.Run(mode, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), patience)
			defer stop()
			dir := t.TempDir()
			s, err := openSite(run{"commit, before", errorReturned, mode, first, 1}, dir, nil)
			must(t, err)
			defer s.close()
			disk := filepath.Dir(s.catalog())
			smalldisk.Mount(t, disk, 16<<20)
			must(t, s.prepare(ctx))
			at := s.trigger()
			refused := make(chan error, 1)
			var i *incarnation
			i, err = s.open("first", &at, func() error {
				empty := smalldisk.Fill(t, disk, 0)
				go func() {
					defer empty()
					times := 0
					_, err := s.history.wait(ctx, func(w written) bool {
						if w.name == "commit" && fault.CodeOf(w.err) == fault.CodeDiskFull {
							times++
						}
						return times == 2
					})
					i.look(ctx, full)
					refused <- err
				}()
				return nil
			})
			must(t, err)
			defer i.stop()
			e, err := i.finish(ctx)
			must(t, err)
			must(t, <-refused)
			e.checked(t)
			n := slices.IndexFunc(e.looks, func(l look) bool { return l.At == full })
			if n < 0 {
				t.Fatal("nobody looked while the disk was full")
			}
			must(t, sameRows(e.looks[n].Parts, e.old))
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			must(t, err)
			if !strings.Contains(string(log), "cannot store the commit; trying again") || !strings.Contains(string(log), "the disk of the catalog is full. Free space in the data directory.") {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}
