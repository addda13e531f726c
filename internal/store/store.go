package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"freshet.dev/internal/fault"
)

// The codes of this room.
const (
	CodeStorage = fault.CodeStorage
)

// Pin names a version of a model that a reader holds.
type Pin struct {
	Model  string
	Number int64
}

// versions reads the catalog's rows about versions. The catalog implements it.
type versions interface {
	// CurrentVersion returns the version that readers of the model see now. Every deployed model has one, from its first deployment on.
	CurrentVersion(ctx context.Context, model string) (Version, error)
	// ForgetVersions deletes the rows of the versions that nobody needs any more: of all but each model's current version, the one before
	// it, those that were current at or after since, the pinned ones, and those that unfinished operations go back to or read.
	ForgetVersions(ctx context.Context, since time.Time, pinned []Pin) error
	// FilesInUse returns the ids of the files that the versions whose rows are left name, and the steps of unfinished operations.
	FilesInUse(ctx context.Context) ([]string, error)
}

// Options are a store's settings.
type Options struct {
	Dir      string        // made when missing; one process at a time
	Versions versions      // the catalog
	Keep     time.Duration // how long a version that is not current any more is kept; the one before the current is kept always
	Grace    time.Duration // how long a file that nobody names is left alone; 0 = 10 min
	Now      func() time.Time
	NewID    func() string // a UUID
	// Failpoint is for tests: it is called at each named point of doc/refresh-cycle.md, and its error is that of the call. nil = none
	Failpoint func(ctx context.Context, point string) error
}

// Store is a folder of immutable files and the pins of its readers. It is safe for concurrent use.
type Store struct {
	options Options
	drafts  string // the folder of files being written

	mu       sync.Mutex
	held     map[string]bool     // ids of drafts that are not released
	verified map[string]identity // what a file was when its checksum was found right
	pins     map[Pin]*pinned

	// pinning is held for reading while a reader looks up the current version and pins it, and for writing while Sweep finds out what
	// is in use: a version that Sweep takes for unused cannot be pinned afterwards.
	pinning sync.RWMutex
}

// pinned is a version that readers hold. Its files are named here and not only in the catalog, whose rows end with a model that is deleted.
type pinned struct {
	readers int
	files   []string // ids
}

// identity tells cheaply that a file is still the one that was verified. The system sets the time of change itself, whoever writes to
// the file, exchanges it, or sets its other times.
type identity struct {
	size              int64
	inode             uint64
	modified, changed int64 // Unix nanoseconds
}

func identityOf(path string) (identity, error) {
	var stat unix.Stat_t
	err := unix.Stat(path, &stat)
	return identity{size: stat.Size, inode: stat.Ino, modified: unix.TimespecToNsec(stat.Mtim), changed: unix.TimespecToNsec(stat.Ctim)}, err
}

const (
	draftFolder  = "drafts"
	suffix       = ".parquet"
	defaultGrace = 10 * time.Minute
)

// Open returns the store in a folder and removes what an earlier process left half written.
func Open(options Options) (*Store, error) {
	if options.Grace == 0 {
		options.Grace = defaultGrace
	}
	s := &Store{
		options: options, drafts: filepath.Join(options.Dir, draftFolder),
		held: map[string]bool{}, verified: map[string]identity{}, pins: map[Pin]*pinned{},
	}
	if err := os.RemoveAll(s.drafts); err != nil {
		return nil, diskError("remove half-written files", err)
	}
	if err := os.MkdirAll(s.drafts, 0o700); err != nil {
		return nil, diskError("make the folder for data files", err)
	}
	// A file is as durable as the names of the folders above it.
	if err := syncFolder(filepath.Dir(filepath.Clean(options.Dir))); err != nil {
		return nil, err
	}
	return s, nil
}

// diskError says what could not be done, and what to do. Faults stay what they are.
func diskError(what string, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fault.New(fault.Unavailable, fault.CodeDiskFull, "cannot %s: %w", what, err).
			WithHint("Free space on the disk of the data folder, or lower keepVersions in the configuration, so that replaced data goes earlier.")
	}
	return fault.New(fault.Unavailable, CodeStorage, "cannot %s: %w", what, err).
		WithHint("See that the disk of the data folder is there and writable.")
}

// at is where a test may let the call fail, wait, or the process end.
func (s *Store) at(ctx context.Context, point string) error {
	if s.options.Failpoint == nil {
		return nil
	}
	return s.options.Failpoint(ctx, point)
}

func (s *Store) path(id string) string { return filepath.Join(s.options.Dir, id+suffix) }

// Draft is a file that is being written.
type Draft struct {
	store    *Store
	id       string
	finished bool
}

// Prepare begins a file. The caller writes it at Path and calls Finish, and in any case Release: when the file is named by a stored
// step, or never will be.
func (s *Store) Prepare() *Draft {
	d := &Draft{store: s, id: s.options.NewID()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[d.id] = true
	return d
}

// Path is where to write.
func (d *Draft) Path() string { return filepath.Join(d.store.drafts, d.id+suffix) }

// Finish makes the written file durable under its id. The order is what counts: the checksum is that of the bytes that were
// written, they are on the disk before the file has its name, and the name is on the disk before anybody hears of it.
func (d *Draft) Finish(ctx context.Context, rows int64) (File, error) {
	sum, size, err := d.flush(ctx)
	if err != nil {
		return File{}, err
	}
	if err := d.store.at(ctx, "draft synced"); err != nil {
		return File{}, err
	}
	if err := os.Rename(d.Path(), d.store.path(d.id)); err != nil {
		return File{}, diskError("name a data file", err)
	}
	d.finished = true
	if err := d.store.at(ctx, "file renamed"); err != nil {
		return File{}, err
	}
	if err := syncFolder(d.store.options.Dir); err != nil {
		return File{}, err
	}
	if err := d.store.at(ctx, "folder synced"); err != nil {
		return File{}, err
	}
	return File{ID: d.id, Rows: rows, Bytes: size, SHA256: sum}, nil
}

// flush reads the draft for its checksum and flushes it to the disk.
func (d *Draft) flush(ctx context.Context) (sum string, size int64, err error) {
	file, err := os.OpenFile(d.Path(), os.O_RDWR, 0)
	if err != nil {
		return "", 0, diskError("open a data file", err)
	}
	defer func() {
		if closing := file.Close(); err == nil && closing != nil {
			err = diskError("close a data file", closing)
		}
	}()
	if sum, size, err = checksum(ctx, file); err != nil {
		return "", 0, err
	}
	if err := file.Chmod(0o400); err != nil {
		return "", 0, diskError("protect a data file", err)
	}
	if err = d.store.at(ctx, "draft written"); err == nil {
		err = file.Sync()
	}
	if err != nil {
		return "", 0, diskError("flush a data file", err) // of some file systems this is the first to hear that the disk is full
	}
	return sum, size, nil
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return diskError("open the folder of data files", err)
	}
	defer func() { _ = folder.Close() }() // nothing was written through it
	if err := folder.Sync(); err != nil {
		return diskError("flush the folder of data files", err)
	}
	return nil
}

// Release ends the caller's work on the file. What was not finished is removed; what was finished is from now on Sweep's.
func (d *Draft) Release() {
	if !d.finished {
		_ = os.Remove(d.Path()) // absent, or removed when the store opens next
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	delete(d.store.held, d.id)
}

// checksum reads a file to its end. It looks at ctx between blocks.
func checksum(ctx context.Context, file io.Reader) (sum string, size int64, err error) {
	hash := sha256.New()
	block := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", 0, context.Cause(ctx)
		}
		n, err := file.Read(block)
		size += int64(n)
		_, _ = hash.Write(block[:n]) // a hash takes everything
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(hash.Sum(nil)), size, nil
		}
		if err != nil {
			return "", 0, diskError("read a data file", err)
		}
	}
}

// Path returns where a file is. At its first use in this process its checksum is verified, and again when its identity has changed.
// A file that is missing or not what was written is an Internal error with fault.CodeDamaged.
func (s *Store) Path(ctx context.Context, file File) (string, error) {
	path := s.path(file.ID)
	found, err := identityOf(path)
	if err != nil {
		return "", damaged(file, err)
	}
	s.mu.Lock()
	known := s.verified[file.ID] == found
	s.mu.Unlock()
	if known {
		return path, nil
	}
	if err := s.Verify(ctx, file); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified[file.ID] = found
	return path, nil
}

// Verify reads a file anew and compares it with its checksum. What it finds damaged, Path reads anew.
func (s *Store) Verify(ctx context.Context, file File) error {
	err := s.compare(ctx, file)
	if fault.CodeOf(err) == fault.CodeDamaged {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.verified, file.ID)
	}
	return err
}

func (s *Store) compare(ctx context.Context, file File) error {
	opened, err := os.Open(s.path(file.ID))
	if err != nil {
		return damaged(file, err)
	}
	defer func() { _ = opened.Close() }() // only read
	sum, size, err := checksum(ctx, opened)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return damaged(file, err)
	case size != file.Bytes:
		return damaged(file, errors.New("its length is not what was written"))
	case sum != file.SHA256:
		return damaged(file, errors.New("its checksum is not what was written"))
	}
	return nil
}

func damaged(file File, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("it does not exist")
	}
	var named *fs.PathError
	if errors.As(err, &named) {
		err = named.Err // where the files lie is not the caller's affair
	}
	return fault.New(fault.Internal, fault.CodeDamaged, "cannot use data file %s: %w", file.ID+suffix, err).
		WithHint("Refresh the %s that it belongs to with type full, or restore the file from a backup.", mended(file))
}

// mended says what must be refreshed to replace a file: a refresh policy may leave the file's partition alone.
func mended(file File) string {
	if file.Start == "" {
		return "table"
	}
	return "partition (with applyRefreshPolicy false)"
}

// Pin returns the current version of a model and holds its files until release.
func (s *Store) Pin(ctx context.Context, model string) (version Version, release func(), err error) {
	s.pinning.RLock()
	defer s.pinning.RUnlock()
	version, err = s.options.Versions.CurrentVersion(ctx, model)
	if err != nil {
		return Version{}, nil, err
	}
	pin := Pin{version.Model, version.Number}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.pins[pin]
	if held == nil {
		held = &pinned{}
		for _, part := range version.Parts {
			for _, file := range part.Files {
				held.files = append(held.files, file.ID)
			}
		}
		s.pins[pin] = held
	}
	held.readers++
	return version, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if held.readers--; held.readers == 0 {
			delete(s.pins, pin)
		}
	}), nil
}

// Sweep deletes files that nobody needs and that are older than the grace time.
//
// A draft's file is held until a stored step names it, so what is neither held nor in use when the catalog answers never will be.
// That order matters: first the folder is read, then what is held, then what is in use.
func (s *Store) Sweep(ctx context.Context) (deleted int, err error) {
	candidates, err := s.old()
	if err != nil {
		return 0, err
	}
	if err := s.at(ctx, "sweep listed"); err != nil {
		return 0, err
	}
	inUse, err := s.inUse(ctx)
	if err != nil {
		return 0, err
	}
	for _, id := range inUse {
		delete(candidates, id)
	}
	for id, path := range candidates {
		if err := s.at(ctx, "sweep deletes"); err != nil {
			return deleted, err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return deleted, diskError("delete a data file", err)
		}
		deleted++
		s.mu.Lock()
		delete(s.verified, id)
		s.mu.Unlock()
	}
	return deleted, nil
}

// old returns the paths of files that are past the grace time and not held, by id.
func (s *Store) old() (map[string]string, error) {
	limit := s.options.Now().Add(-s.options.Grace)
	old := map[string]string{}
	for _, dir := range []string{s.options.Dir, s.drafts} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, diskError("list data files", err)
		}
		for _, entry := range entries {
			id, ours := strings.CutSuffix(entry.Name(), suffix)
			if info, err := entry.Info(); ours && err == nil && info.ModTime().Before(limit) {
				old[id] = filepath.Join(dir, entry.Name())
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.held {
		delete(old, id)
	}
	return old, nil
}

// inUse forgets the versions that are past keeping and returns the files of the others. No reader pins a version meanwhile.
func (s *Store) inUse(ctx context.Context) ([]string, error) {
	s.pinning.Lock()
	defer s.pinning.Unlock()
	s.mu.Lock()
	pins := make([]Pin, 0, len(s.pins))
	var files []string
	for pin, held := range s.pins {
		pins, files = append(pins, pin), append(files, held.files...)
	}
	s.mu.Unlock()
	since := s.options.Now().Add(-s.options.Keep)
	if err := s.options.Versions.ForgetVersions(ctx, since, pins); err != nil {
		return nil, err
	}
	named, err := s.options.Versions.FilesInUse(ctx)
	return append(files, named...), err
}
