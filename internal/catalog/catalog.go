// Package catalog keeps Freshet's rows in SQLite: workspaces, items, definitions, versions of data, operations and their steps.
//
// It says nothing of its own about what the rows mean: it implements what the rooms above declare (workspace.Repository,
// refresh.Log and the readers of the refresh, query and store rooms). Every write is one transaction, durable when the call
// returns; no transaction spans any other I/O.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/mattn/go-sqlite3" // the database/sql driver "sqlite3"
	"golang.org/x/sync/singleflight"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/notify"
)

const (
	busyTimeout   = 10 * time.Second // another process has the file: a backup, the sqlite3 shell
	readers       = 8
	stmtCacheSize = 64
	fileMode      = 0o600
	folderMode    = 0o700
)

// Catalog is an open catalog. It is safe for concurrent use.
type Catalog struct {
	options Options
	writer  *writer
	readers *sql.DB
	notify  *notify.Service // nil: nobody hears of ends

	models  modelCache
	decodes singleflight.Group
}

// Options are a catalog's settings.
type Options struct {
	// Failpoint is for tests: it is called at each named point inside a transaction, and its error undoes what the call has written.
	// nil = none
	Failpoint func(ctx context.Context, point string) error
}

// Open is OpenWith the zero Options.
func Open(ctx context.Context, path string) (*Catalog, error) { return OpenWith(ctx, path, Options{}) }

// OpenWith opens the catalog in a file, which it creates with its folder if need be, readable by their owner only. An older catalog is
// migrated; one of a newer Freshet is refused.
func OpenWith(ctx context.Context, path string, options Options) (*Catalog, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, failed("find the catalog", err)
	}
	if err := create(path); err != nil {
		return nil, err
	}
	writable, err := sql.Open("sqlite3", dsn(path, url.Values{
		"_txlock":       {"immediate"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"1"},
	}))
	if err != nil {
		return nil, failed("open catalog "+path, err)
	}
	writable.SetMaxOpenConns(1)
	if err := errors.Join(migrate(ctx, writable, path), syncFolder(filepath.Dir(path))); err != nil {
		return nil, errors.Join(err, writable.Close())
	}
	readable, err := sql.Open("sqlite3", dsn(path, url.Values{"mode": {"ro"}, "_query_only": {"1"}}))
	if err != nil {
		return nil, errors.Join(failed("open catalog "+path, err), writable.Close())
	}
	readable.SetMaxOpenConns(readers)
	readable.SetMaxIdleConns(readers)
	return &Catalog{options: options, writer: newWriter(writable), readers: readable}, nil
}

// Close ends after the writes that have begun.
func (c *Catalog) Close() error {
	return errors.Join(c.readers.Close(), c.writer.close())
}

func dsn(path string, values url.Values) string {
	values.Set("_busy_timeout", strconv.FormatInt(busyTimeout.Milliseconds(), 10))
	values.Set("_stmt_cache_size", strconv.Itoa(stmtCacheSize))
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + values.Encode()
}

// create makes an empty file with the right mode, because SQLite would take the umask's; its -wal and -shm follow the file's.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return failed("make the catalog's folder", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return failed("make catalog "+path, err)
	}
	return file.Close()
}

// syncFolder makes the names of the catalog's files durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err == nil {
		err = errors.Join(folder.Sync(), folder.Close())
	}
	return failed("write the catalog's folder", err)
}

// read runs a function over one snapshot of the catalog.
func (c *Catalog) read(ctx context.Context, what string, run func(*sql.Tx) error) error {
	tx, err := c.readers.BeginTx(ctx, nil)
	if err != nil {
		return failed(what, err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return failed(what, run(tx))
}

// write runs a function in a transaction, which it may share with others: it must be quick, do nothing but SQL and not depend on
// the context's end. Its error undoes what it did, and nothing of the others.
func (c *Catalog) write(ctx context.Context, what string, run func(context.Context, *sql.Tx) error) error {
	return failed(what, c.writer.do(ctx, run))
}

// at is where a test may let a transaction fail, wait, or the process end.
func (c *Catalog) at(ctx context.Context, point string) error {
	if c.options.Failpoint == nil {
		return nil
	}
	return c.options.Failpoint(ctx, point)
}

// key is how names compare.
func key(name string) string { return model.NameKey(name) }

// nanos is a time as the tables keep it; the zero time is NULL.
func nanos(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixNano(), Valid: !t.IsZero()}
}

func timeOf(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}

func notFound(format string, args ...any) *fault.Error {
	return fault.New(fault.NotFound, fault.CodeEntityNotFound, format, args...)
}
