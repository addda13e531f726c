// Package duck is the one door to DuckDB: instances with limits, Arrow in and out, Parquet in and out, and the locked Select
// through which all SQL written by users goes.
//
// It stands on DuckDB's C API rather than on its database/sql driver: streamed results, progress, functions that see a chunk at a
// time, and statements that can be left behind are not to be had there.
package duck

import (
	"context"
	"os"
	"strconv"
	"sync"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"freshet.dev/internal/fault"
)

// Options are the limits of an instance. The zero value works: DuckDB's own limits, and nothing is spilled to disk.
type Options struct {
	MemoryLimit int64  // bytes; 0 is DuckDB's default, 80 % of the machine
	Threads     int    // 0 is one a processor
	TempDir     string // where to spill; created when absent; DuckDB removes its files there; empty: no spilling
	TempLimit   int64  // bytes in TempDir; 0 is DuckDB's default, 90 % of the free disk
	Sealed      bool   // no file, network or setting is within reach of its statements
}

// DB is one DuckDB instance in memory. It is safe for concurrent use.
type DB struct {
	handle duckdb.Database
	locked bool // its configuration

	mu        sync.Mutex
	closed    bool
	functions map[string]*function // by lower-case name
	conns     map[uint64]*Conn     // by DuckDB's number; the open ones
	errors    *errorBook
}

// Open starts an instance for SQL that Freshet itself writes: it may read and write files. Extensions are neither installed nor
// loaded by themselves, the time zone is UTC, and rows keep their order.
//
// The order costs memory in a parallel COPY (finished row groups wait for earlier ones), but Table.FirstN, the row number in an
// error and a defragmented file's rows would be wrong without it.
func Open(ctx context.Context, options Options) (*DB, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if options.TempDir != "" {
		if err := os.MkdirAll(options.TempDir, 0o700); err != nil {
			return nil, fault.New(fault.Unavailable, fault.CodeStorage, "cannot make the folder to spill to: %w", err)
		}
	}
	settings := [][2]string{
		{"duckdb_api", "freshet"},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_persistent_secrets", "false"},
		{"temp_directory", options.TempDir},
		{"preserve_insertion_order", "true"},
	}
	if options.MemoryLimit > 0 {
		settings = append(settings, [2]string{"memory_limit", strconv.FormatInt(options.MemoryLimit, 10) + "B"})
	}
	if options.Threads > 0 {
		settings = append(settings, [2]string{"threads", strconv.Itoa(options.Threads)})
	}

	var config duckdb.Config
	defer duckdb.DestroyConfig(&config)
	if duckdb.CreateConfig(&config) == duckdb.StateError {
		return nil, fault.New(fault.Internal, codeEngine, "cannot make a configuration for DuckDB")
	}
	for _, setting := range settings {
		if duckdb.SetConfig(config, setting[0], setting[1]) == duckdb.StateError {
			return nil, fault.New(fault.Internal, codeEngine, "cannot set DuckDB's %s to %q", setting[0], setting[1])
		}
	}
	db := &DB{functions: map[string]*function{}, conns: map[uint64]*Conn{}, errors: &errorBook{}}
	var message string
	if duckdb.OpenExt("", &db.handle, config, &message) == duckdb.StateError {
		duckdb.Close(&db.handle)
		return nil, engineError("open an instance", message)
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		err = conn.Exec(ctx, "SET GLOBAL TimeZone = 'UTC'")
		if options.TempDir != "" && options.TempLimit > 0 {
			// DuckDB shows the value that a configuration names, and obeys only one that is set afterwards.
			err = firstError(err, conn.Exec(ctx, "SET GLOBAL max_temp_directory_size = '"+strconv.FormatInt(options.TempLimit, 10)+"B'"))
		}
		if options.Sealed && err == nil {
			err = conn.Exec(ctx, "SET GLOBAL enable_external_access = false; SET GLOBAL lock_configuration = true")
			db.locked = true
		}
		err = firstError(err, conn.Close())
	}
	if err != nil {
		return nil, firstError(err, db.Close())
	}
	return db, nil
}

// Conn opens a connection. Connections of one instance run in parallel; one connection runs one statement at a time.
func (db *DB) Conn(ctx context.Context) (*Conn, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, fault.New(fault.Internal, codeEngine, "cannot open a connection: the DuckDB instance is closed")
	}
	conn := &Conn{db: db}
	if duckdb.Connect(db.handle, &conn.handle) == duckdb.StateError {
		return nil, fault.New(fault.Internal, codeEngine, "cannot open a connection to DuckDB")
	}
	var client duckdb.ClientContext
	duckdb.ConnectionGetClientContext(conn.handle, &client)
	conn.number = uint64(duckdb.ClientContextGetConnectionId(client))
	duckdb.DestroyClientContext(&client)
	db.conns[conn.number] = conn
	if db.locked {
		return conn, nil
	}
	// Without its bar DuckDB counts no progress.
	for _, setting := range []string{"SET enable_progress_bar = true", "SET enable_progress_bar_print = false", "SET progress_bar_time = 0"} {
		if err := conn.set(setting); err != nil {
			delete(db.conns, conn.number)
			duckdb.Disconnect(&conn.handle)
			return nil, err
		}
	}
	return conn, nil
}

// Close ends the instance; connections still open keep it alive until they are closed. A second Close does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	duckdb.Close(&db.handle)
	return nil
}

// failed notes that a function failed in a statement of a connection.
func (db *DB) failed(number uint64, err error) {
	db.mu.Lock()
	conn := db.conns[number]
	db.mu.Unlock()
	if conn == nil {
		return
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if conn.failure == nil {
		conn.failure = err
	}
}

// forget drops a connection that is closed.
func (db *DB) forget(number uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	delete(db.conns, number)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
