// Package sourcetest is what every kind of database source must pass on a real server, and what tests need to reach one.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"go.uber.org/goleak"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// Database describes a server to the suite.
type Database struct {
	Kind    source.Kind
	Setting source.Setting
	Path    string
	// Exec runs a statement that writes.
	Exec func(t testing.TB, sql string)
	// Running counts the statements that Freshet has the server work on, Connections its connections.
	Running     func(t testing.TB) int
	Connections func(t testing.TB) int
	// Values are the types with their extremes.
	Values []Values
	// Series returns a SELECT of rows rows (id bigint, note text of about 100 bytes), made by the server as it goes.
	Series func(rows int) string
	Sleep  string   // a SELECT that gives nothing for a minute
	Writes []string // statements that change something, each to be refused
	Wrong  string   // a SELECT that the server refuses
	Late   string   // a SELECT that gives rows before it fails
}

// Values is a type of the source and how values of it arrive.
type Values struct {
	SQL  string // a SELECT of one column
	Type string // of Arrow
	Want []string
	Fail string // instead of Want: part of the error
}

// Run runs the suite.
func Run(t *testing.T, db Database) {
	t.Run("Values", func(t *testing.T) { values(t, db) })
	t.Run("Shapes", func(t *testing.T) { shapes(t, db) })
	t.Run("Batches", func(t *testing.T) { batches(t, db) })
	t.Run("Cancel", func(t *testing.T) { cancel(t, db) })
	t.Run("Release", func(t *testing.T) { release(t, db) })
	t.Run("Close", func(t *testing.T) { closing(t, db) })
	t.Run("Limit", func(t *testing.T) { limit(t, db) })
	t.Run("ReadOnly", func(t *testing.T) { readOnly(t, db) })
	t.Run("Errors", func(t *testing.T) { failures(t, db) })
	t.Run("Credentials", func(t *testing.T) { credentials(t, db) })
	t.Run("Secrets", func(t *testing.T) { secrets(t, db) })
}

// open opens the database by a registry of its own. At the end of the test nothing of it may be left: no goroutine, no connection.
func open(t *testing.T, db Database, change func(*source.Setting)) source.Database {
	t.Helper()
	before := goleak.IgnoreCurrent()
	setting := db.Setting
	if change != nil {
		change(&setting)
	}
	registry, err := source.NewRegistry([]source.Kind{db.Kind}, source.Formats{}, []source.Setting{setting})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, before)
		until(t, 5*time.Second, "no connection is left", func() bool { return db.Connections(t) == 0 })
	})
	database, err := registry.Database(t.Context(), source.Ref{Kind: db.Kind.Name, Path: db.Path})
	if err != nil {
		t.Fatal(err)
	}
	return database
}

// until asks a server, which tells nobody by itself, again and again.
func until(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v it does not hold that %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// column reads the first column of a statement as text.
func column(ctx context.Context, database source.Database, sql string, options source.ReadOptions) (kind string, got []string, err error) {
	rows, err := database.Read(ctx, sql, options)
	if err != nil {
		return "", nil, err
	}
	defer rows.Release()
	got = []string{}
	for rows.Next() {
		values := rows.RecordBatch().Column(0)
		for i := range values.Len() {
			got = append(got, strings.Clone(values.ValueStr(i)))
		}
	}
	return rows.Schema().Field(0).Type.String(), got, rows.Err()
}

func values(t *testing.T, db Database) {
	database := open(t, db, nil)
	for i, c := range db.Values {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Log(c.SQL)
			kind, got, err := column(t.Context(), database, c.SQL, source.ReadOptions{})
			if c.Fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.Fail) || fault.CodeOf(err) != source.CodeData {
					t.Errorf("%v, want %q", err, c.Fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if kind != c.Type || !reflect.DeepEqual(got, c.Want) {
				t.Errorf("got  %s %q\nwant %s %q", kind, got, c.Type, c.Want)
			}
			described, err := database.Describe(t.Context(), c.SQL)
			if err != nil || described.Field(0).Type.String() != c.Type {
				t.Errorf("described as %v, %v", described, err)
			}
		})
	}
}

func shapes(t *testing.T, db Database) {
	database := open(t, db, nil)
	for _, rows := range []int{0, 1, 255, 256, 257, 1000} {
		_, got, err := column(t.Context(), database, db.Series(rows), source.ReadOptions{BatchRows: 256})
		if err != nil || len(got) != rows {
			t.Fatalf("%d rows of %d, %v", len(got), rows, err)
		}
		for i, v := range got {
			if v != fmt.Sprint(i+1) {
				t.Fatalf("row %d is %s", i+1, v)
			}
		}
	}
}

// peak counts memory and remembers the most.
type peak struct {
	memory.Allocator
	now, most atomic.Int64
}

func (p *peak) add(n int) {
	now := p.now.Add(int64(n))
	for most := p.most.Load(); now > most && !p.most.CompareAndSwap(most, now); most = p.most.Load() {
	}
}

func (p *peak) Allocate(n int) []byte { p.add(n); return p.Allocator.Allocate(n) }
func (p *peak) Free(b []byte)         { p.add(-len(b)); p.Allocator.Free(b) }
func (p *peak) Reallocate(n int, b []byte) []byte {
	p.add(n - len(b))
	return p.Allocator.Reallocate(n, b)
}

func batches(t *testing.T, db Database) {
	database := open(t, db, nil)
	mem := &peak{Allocator: memory.DefaultAllocator}
	rows, err := database.Read(t.Context(), db.Series(200_000), source.ReadOptions{Allocator: mem, BatchRows: 10_000, BatchBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var total, biggest int64
	for rows.Next() {
		n := rows.RecordBatch().NumRows()
		total, biggest = total+n, max(biggest, n)
		if p := rows.Progress(); p.Rows < total || p.Bytes < total*100 {
			t.Fatalf("%+v after %d rows", p, total)
		}
	}
	if rows.Err() != nil || total != 200_000 {
		t.Fatalf("%d rows, %v", total, rows.Err())
	}
	if biggest > 3000 {
		t.Errorf("a batch of %d rows is beyond 256 KiB", biggest)
	}
	if p := rows.Progress(); p.Rows != 200_000 || p.TotalRows == 0 {
		t.Errorf("%+v at the end", p)
	}
	rows.Release()
	// One batch that is made, one that waits, one that is read; each may have grown by doubling.
	if most := mem.most.Load(); most > 3<<20 {
		t.Errorf("%d KiB at the most", most>>10)
	}
	if now := mem.now.Load(); now != 0 {
		t.Errorf("%d bytes are not released", now)
	}
}

// cancel proves that a statement is gone from the server within a second, whoever waits for whom.
func cancel(t *testing.T, db Database) {
	stop := errors.New("stopped by the test")
	gone := func(t *testing.T, rows source.Rows) {
		t.Helper()
		since := time.Now()
		until(t, time.Second, "the statement is gone from the server", func() bool { return db.Running(t) == 0 })
		for rows.Next() {
		}
		if !errors.Is(rows.Err(), stop) {
			t.Errorf("the reader ends with %v", rows.Err())
		}
		rows.Release()
		t.Logf("gone after %v", time.Since(since))
	}
	start := func(t *testing.T, sql string) (source.Rows, context.CancelCauseFunc) {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		rows, err := open(t, db, nil).Read(ctx, sql, source.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return rows, cancel
	}
	t.Run("RowsFlow", func(t *testing.T) {
		rows, cancel := start(t, db.Series(50_000_000))
		for range 3 {
			if !rows.Next() {
				t.Fatal(rows.Err())
			}
		}
		cancel(stop)
		gone(t, rows)
	})
	t.Run("ServerThinks", func(t *testing.T) {
		rows, cancel := start(t, db.Sleep)
		ended := make(chan bool)
		go func() { ended <- rows.Next() }()
		until(t, 5*time.Second, "the server works", func() bool { return db.Running(t) == 1 })
		cancel(stop)
		if <-ended {
			t.Error("Next gave a batch")
		}
		gone(t, rows)
	})
	t.Run("ConsumerBlocks", func(t *testing.T) {
		rows, cancel := start(t, db.Series(50_000_000))
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		// Nobody calls Next any more: the pipe fills until the server waits too.
		read := rows.Progress().Rows
		until(t, 10*time.Second, "rows stop", func() bool {
			last := read
			time.Sleep(100 * time.Millisecond)
			read = rows.Progress().Rows
			return read == last
		})
		if db.Running(t) != 1 {
			t.Fatal("the statement does not run any more")
		}
		cancel(stop)
		gone(t, rows)
	})
	t.Run("BeforeTheFirstRow", func(t *testing.T) {
		rows, cancel := start(t, db.Series(10))
		cancel(stop)
		gone(t, rows)
	})
}

// release proves that a reader which is given up ends its statement, and one that never started holds nothing.
func release(t *testing.T, db Database) {
	database := open(t, db, nil)
	rows, err := database.Read(t.Context(), db.Series(50_000_000), source.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	rows.Release()
	if n := db.Running(t); n != 0 {
		t.Errorf("%d statements run after Release", n)
	}
	if rows, err = database.Read(t.Context(), db.Series(10), source.ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	rows.Release()
	if _, got, err := column(t.Context(), database, db.Series(10), source.ReadOptions{}); err != nil || len(got) != 10 {
		t.Errorf("afterwards %d rows, %v", len(got), err)
	}
}

// closing proves that the end of the registry ends readers that run.
func closing(t *testing.T, db Database) {
	before := goleak.IgnoreCurrent()
	registry, err := source.NewRegistry([]source.Kind{db.Kind}, source.Formats{}, []source.Setting{db.Setting})
	if err != nil {
		t.Fatal(err)
	}
	database, err := registry.Database(t.Context(), source.Ref{Kind: db.Kind.Name, Path: db.Path})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := database.Read(t.Context(), db.Sleep, source.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { ended <- rows.Next() }()
	until(t, 5*time.Second, "the server works", func() bool { return db.Running(t) == 1 })
	if err := registry.Close(); err != nil {
		t.Error(err)
	}
	if <-ended || rows.Err() == nil {
		t.Errorf("the reader ends with %v", rows.Err())
	}
	rows.Release()
	goleak.VerifyNone(t, before)
}

// limit proves that maxConnections holds, and that readers which wait their turn do not wait for each other for ever.
func limit(t *testing.T, db Database) {
	database := open(t, db, func(s *source.Setting) { s.MaxConnections = 2 })
	var readers []source.Rows
	for range 6 {
		rows, err := database.Read(t.Context(), db.Series(30_000), source.ReadOptions{BatchRows: 1000})
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, rows)
	}
	var group sync.WaitGroup
	var total atomic.Int64
	for _, rows := range readers {
		group.Go(func() {
			defer rows.Release()
			for rows.Next() {
				total.Add(rows.RecordBatch().NumRows())
			}
		})
	}
	most := 0
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
			most = max(most, db.Connections(t))
		}
	}
	if most > 2 || total.Load() != 6*30_000 {
		t.Errorf("%d connections at the most, %d rows", most, total.Load())
	}
}

func readOnly(t *testing.T, db Database) {
	database := open(t, db, nil)
	for _, sql := range db.Writes {
		_, _, err := column(t.Context(), database, sql, source.ReadOptions{})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s\n%v", sql, err)
		}
	}
}

func failures(t *testing.T, db Database) {
	database := open(t, db, nil)
	for _, sql := range []string{"", " ; ", "-- nothing", db.Wrong} {
		if _, err := database.Describe(t.Context(), sql); fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != source.CodeQuery {
			t.Errorf("%q: %v", sql, err)
		}
		if _, err := database.Read(t.Context(), sql, source.ReadOptions{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", sql, err)
		}
	}
	if _, _, err := column(t.Context(), database, db.Late, source.ReadOptions{}); fault.KindOf(err) != fault.Invalid || fault.Retryable(err) {
		t.Errorf("%v", err)
	}
}

func credentials(t *testing.T, db Database) {
	_, err := open(t, db, func(s *source.Setting) { s.Password = "not-the-password" }).Tables(t.Context())
	if fault.KindOf(err) != fault.Denied || fault.CodeOf(err) != source.CodeCredentials || strings.Contains(err.Error(), "not-the-password") {
		t.Errorf("%v", err)
	}
}

// secrets proves that no way of printing a setting prints its password.
func secrets(t *testing.T, db Database) {
	setting := db.Setting
	setting.Password = "hunter2-hunter2"
	database := open(t, db, func(s *source.Setting) { *s = setting })
	_, err := database.Tables(t.Context())
	for _, text := range []string{fmt.Sprint(setting), fmt.Sprintf("%+v", setting), fmt.Sprintf("%#v", setting), fmt.Sprintf("%q", &setting), fmt.Sprint(err)} {
		if strings.Contains(text, "hunter2") {
			t.Error(text)
		}
	}
}
