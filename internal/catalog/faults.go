package catalog

import (
	"context"
	"errors"

	"github.com/mattn/go-sqlite3"

	"freshet.dev/internal/fault"
)

// The codes of the catalog.
const (
	// Internal: the catalog refused a read or a write for a reason that the server's log tells.
	// Do: see that the disk of the data directory is sound, and report it.
	codeFailed = "CatalogFailed"

	// Unavailable: another program holds the catalog's file locked.
	// Do: close what has opened catalog.db beside the server.
	codeBusy = "CatalogBusy"

	// Internal: the catalog's file is damaged.
	// Do: restore the data directory from a backup.
	codeDamaged = "CatalogDamaged"

	// Invalid: the catalog's file is a database of another program.
	// Do: name another data directory with --data.
	codeForeign = "CatalogForeign"

	// Conflict: a newer Freshet has written the catalog.
	// Do: run that version or a newer one, or restore the backup that was made before it.
	codeNewer = "CatalogNewer"
)

// failed turns an error of the database into a fault that says what could not be done. Faults and the ends of contexts stay what
// they are.
func failed(what string, err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var sqlite sqlite3.Error
	if !errors.As(err, &sqlite) {
		return fault.New(fault.Internal, codeFailed, "cannot %s: %w", what, err)
	}
	switch sqlite.Code {
	case sqlite3.ErrFull:
		return fault.New(fault.Unavailable, fault.CodeDiskFull, "cannot %s: the disk of the catalog is full", what).
			WithHint("Free space in the data directory.")
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fault.New(fault.Unavailable, codeBusy, "cannot %s: another program holds the catalog locked", what)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fault.New(fault.Internal, codeDamaged, "cannot %s: the catalog's file is damaged (%w)", what, err).
			WithHint("Restore the data directory from a backup.")
	}
	return fault.New(fault.Internal, codeFailed, "cannot %s: %w", what, err)
}

// taken tells whether a write failed because it would break a unique index or primary key.
func taken(err error) bool {
	var sqlite sqlite3.Error
	return errors.As(err, &sqlite) &&
		(sqlite.ExtendedCode == sqlite3.ErrConstraintUnique || sqlite.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}
