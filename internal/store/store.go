package store

import (
	"context"
	"time"
)

// Pin holds a version of a model for a reader.
type Pin struct {
	Model  string
	Number int64
}

// versions reads the catalog's rows about versions. The catalog implements it.
type versions interface {
	// CurrentVersion returns the version that readers of the model see now. Every deployed model has one, from its first deployment on.
	CurrentVersion(ctx context.Context, model string) (Version, error)
	// FilesInUse returns the ids of files that anything still needs: the parts of each model's current version, of the one before it,
	// of versions that were current at or after since, and of the pinned ones; and the steps of unfinished operations.
	FilesInUse(ctx context.Context, since time.Time, pinned []Pin) ([]string, error)
}

// Options are a store's settings.
type Options struct {
	Dir      string        // made when missing; one process at a time
	Versions versions      // the catalog
	Keep     time.Duration // how long a version that is not current any more is kept; the one before the current is kept always
	Grace    time.Duration // how long a file that nobody names is left alone; 0 = 10 min
	Now      func() time.Time
	NewID    func() string
}

// Store is a folder of immutable files and the pins of its readers. It is safe for concurrent use.
type Store struct{ options Options }

// Open returns the store in a folder and removes what an earlier process left half written.
func Open(options Options) (*Store, error) { return &Store{options}, nil }

// Draft is a file that is being written.
type Draft struct{}

// Prepare begins a file. The caller writes it at Path and calls Finish; Discard when that fails; and Release when it is named by a
// step, or never will be.
func (s *Store) Prepare() (*Draft, error) { panic("not yet") }

// Path is where to write.
func (d *Draft) Path() string { panic("not yet") }

// Finish makes the written file durable under its id: checksum, fsync, rename, fsync of the folder.
func (d *Draft) Finish(ctx context.Context, rows int64) (File, error) { panic("not yet") }

// Release ends the caller's work on the file. What was not finished is removed; what was finished is left to Sweep.
func (d *Draft) Release() { panic("not yet") }

// Path returns where a file is, after its first use in this process has verified its checksum. A file that is missing or not what was
// written is an Internal error with CodeDamaged.
func (s *Store) Path(ctx context.Context, file File) (string, error) { panic("not yet") }

// Verify reads a file anew and compares it with its checksum.
func (s *Store) Verify(ctx context.Context, file File) error { panic("not yet") }

// CodeDamaged is the code of a file that is missing or not what was written.
const CodeDamaged = "DataFileDamaged"

// Pin returns the current version of a model and holds its files until release.
func (s *Store) Pin(ctx context.Context, model string) (version Version, release func(), err error) {
	panic("not yet")
}

// Sweep deletes files that nobody needs and that are older than the grace time.
func (s *Store) Sweep(ctx context.Context) (deleted int, err error) { panic("not yet") }
