//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"freshet.dev/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openTest(t testing.TB, options Options) (*DB, *Conn) {
	t.Helper()
	db, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, conn
}

// lines runs sql and returns its rows, cells separated by a bar.
func lines(ctx context.Context, query func(context.Context, string) (array.RecordReader, error), sql string) ([]string, error) {
	reader, err := query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer reader.Release()
	var rows []string
	for reader.Next() {
		batch := reader.RecordBatch()
		for row := range int(batch.NumRows()) {
			cells := make([]string, batch.NumCols())
			for i := range cells {
				cells[i] = strings.Clone(batch.Column(i).ValueStr(row)) // the batch takes its memory with it
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
	}
	return rows, reader.Err()
}

func wantLines(t *testing.T, conn *Conn, sql string, want ...string) {
	t.Helper()
	got, err := lines(t.Context(), conn.Query, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\n gives %q\n want  %q", sql, got, want)
	}
}

// testReader gives batches of (n BIGINT, s VARCHAR) until next returns an error or false.
type testReader struct {
	batches int
	before  func(batch int) error
	n       int
	current arrow.RecordBatch
	err     error
}

var testSchema = arrow.NewSchema([]arrow.Field{
	{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

const testBatch = 1000

func (r *testReader) Retain()                        {}
func (r *testReader) Release()                       {}
func (r *testReader) Schema() *arrow.Schema          { return testSchema }
func (r *testReader) RecordBatch() arrow.RecordBatch { return r.current }
func (r *testReader) Record() arrow.RecordBatch      { return r.current }
func (r *testReader) Err() error                     { return r.err }

func (r *testReader) Next() bool {
	if r.before != nil {
		if r.err = r.before(r.n); r.err != nil {
			return false
		}
	}
	if r.n == r.batches {
		return false
	}
	build := array.NewRecordBuilder(memory.DefaultAllocator, testSchema)
	defer build.Release()
	for i := range testBatch {
		n := int64(r.n*testBatch + i)
		build.Field(0).(*array.Int64Builder).Append(n)
		build.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("text of row %d", n))
	}
	if r.current != nil {
		r.current.Release()
	}
	r.current = build.NewRecordBatch()
	r.n++
	return true
}

func TestQueryStreams(t *testing.T) {
	_, conn := openTest(t, Options{})
	wantLines(t, conn, "SELECT 1 AS a, 'x', NULL, 1.5::DECIMAL(19,4), DATE '2020-02-29', true", "1|x|(null)|1.5|2020-02-29|true")
	reader, err := conn.Query(t.Context(), "SELECT range AS n FROM range(1000000000)")
	if err != nil {
		t.Fatal(err)
	}
	if !reader.Next() || reader.RecordBatch().NumRows() != 2048 {
		t.Fatalf("no first batch: %v", reader.Err())
	}
	if err := conn.Exec(t.Context(), "SELECT 1"); fault.CodeOf(err) != codeEngine {
		t.Errorf("a second statement while the first is read: %v", err)
	}
	reader.Release()
	wantLines(t, conn, "SELECT 2", "2")
}

func TestStatements(t *testing.T) {
	_, conn := openTest(t, Options{})
	if err := conn.Exec(t.Context(), "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2);"); err != nil {
		t.Fatal(err)
	}
	wantLines(t, conn, "SELECT sum(a) FROM t", "3")
	for sql, want := range map[string]struct {
		kind fault.Kind
		code string
		text string
	}{
		"":                              {fault.Invalid, "InvalidSQL", "holds no statement"},
		"SELEC 1":                       {fault.Invalid, "InvalidSQL", "syntax error"},
		"SELECT nothing":                {fault.Invalid, "InvalidSQL", `"nothing"`},
		"SELECT 1; SELECT 2":            {fault.Invalid, "InvalidSQL", "several statements"},
		"SELECT 'x'::INT":               {fault.Invalid, "InvalidValue", "Could not convert string 'x' to INT32"},
		"SELECT error('own words')":     {fault.Invalid, "InvalidValue", "own words"},
		"FROM read_csv('/nowhere.csv')": {fault.NotFound, "FileNotFound", "No files found"},
		"SELECT 1 -- \x00":              {fault.Invalid, "InvalidSQL", "zero byte"},
	} {
		_, err := lines(t.Context(), conn.Query, sql)
		if fault.KindOf(err) != want.kind || fault.CodeOf(err) != want.code || !strings.Contains(fmt.Sprint(err), want.text) {
			t.Errorf("%q: %v %q: %v; want %v %q …%s…", sql, fault.KindOf(err), fault.CodeOf(err), err, want.kind, want.code, want.text)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%q: %v does not begin with cannot", sql, err)
		}
	}
}

func TestQueryCancelled(t *testing.T) {
	_, conn := openTest(t, Options{})
	cause := errors.New("enough")
	for _, sql := range []string{
		"SELECT count(*) FROM range(100000000000) a, range(1000) b", // while it starts
		"SELECT range FROM range(100000000000)",                     // while it is read
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
		began := time.Now()
		reader, err := conn.Query(ctx, sql)
		if err == nil {
			for reader.Next() {
			}
			err = reader.Err()
			reader.Release()
		}
		if !errors.Is(err, cause) || time.Since(began) > time.Second {
			t.Errorf("%s: %v after %v", sql, err, time.Since(began))
		}
		stop.Stop()
		wantLines(t, conn, "SELECT 1", "1")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := conn.Exec(ctx, "SELECT 1"); !errors.Is(err, cause) {
		t.Errorf("after the end: %v", err)
	}
}

func TestViewAndParquet(t *testing.T) {
	_, conn := openTest(t, Options{Threads: 2})
	path := filepath.Join(t.TempDir(), "it's.parquet")
	release, err := conn.View("rows of it", &testReader{batches: 300})
	if err != nil {
		t.Fatal(err)
	}
	written, err := conn.WriteParquet(t.Context(), `SELECT s, n FROM "rows of it" -- ends in a comment`, path)
	release()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if written.Rows != 300_000 || written.Bytes != info.Size() {
		t.Errorf("written %+v, the file has %d bytes", written, info.Size())
	}
	// In order, nothing twice.
	wantLines(t, conn, "SELECT count(*), count(DISTINCT n), bool_and(n = file_row_number), min(s) FROM read_parquet("+Literal(path)+", file_row_number = true)",
		"300000|300000|true|text of row 0")
	if _, err := lines(t.Context(), conn.Query, `FROM "rows of it"`); fault.CodeOf(err) != "InvalidSQL" {
		t.Errorf("the released view is still there: %v", err)
	}
}

// TestViewGivesWhatIsAsked: DuckDB's scan of a stream gives all columns and rows, whatever part of them a statement wants.
func TestViewGivesWhatIsAsked(t *testing.T) {
	_, conn := openTest(t, Options{})
	for _, c := range [][2]string{
		{"SELECT min(s) FROM v", "text of row 0"},
		{"SELECT s FROM v WHERE n = 1234", "text of row 1234"},
		{"SELECT count(*) FROM v WHERE s = 'text of row 7'", "1"},
		{"SELECT s FROM v WHERE n IN (5, 6) AND s <> 'text of row 5'", "text of row 6"},
		{"SELECT count(*) FROM v WHERE n IS NULL", "0"},
	} {
		release, err := conn.View("v", &testReader{batches: 2})
		if err != nil {
			t.Fatal(err)
		}
		wantLines(t, conn, c[0], c[1])
		release()
	}
}

func TestViewReadTwice(t *testing.T) {
	_, conn := openTest(t, Options{})
	release, err := conn.View("v", &testReader{batches: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	wantLines(t, conn, "SELECT sum(n), count(*) FROM v", "1999000|2000")
	if rows, err := lines(t.Context(), conn.Query, "SELECT count(*) FROM v"); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("read twice: %q, %v", rows, err)
	}
}

func TestReaderErrors(t *testing.T) {
	own := fault.New(fault.Unavailable, "SourceGone", "cannot read on: the wire is cut").WithHint("Splice it")
	for name, before := range map[string]func(batch int) error{
		"at once":  func(int) error { return own },
		"midway":   func(batch int) error { return map[bool]error{true: own}[batch == 150] },
		"at last":  func(batch int) error { return map[bool]error{true: own}[batch == 300] },
		"by panic": func(batch int) error { panic("out of words") },
	} {
		t.Run(name, func(t *testing.T) {
			_, conn := openTest(t, Options{})
			for _, sql := range []string{"SELECT * FROM v", "SELECT count(*) FROM v", "SELECT max(s) FROM v GROUP BY n % 10", "SELECT TRY(n + 1) FROM v"} {
				release, err := conn.View("v", &testReader{batches: 300, before: before})
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "f.parquet")
				_, err = conn.WriteParquet(t.Context(), sql, path)
				if name == "by panic" {
					if fault.CodeOf(err) != codeEngine || !strings.Contains(err.Error(), "out of words") {
						t.Errorf("WriteParquet of %s: %v", sql, err)
					}
				} else if err != error(own) {
					t.Errorf("WriteParquet of %s: %v", sql, err)
				}
				if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the file of a failed COPY is still there: %v", err)
				}
				release()
				release, err = conn.View("v", &testReader{batches: 300, before: before})
				if err != nil {
					t.Fatal(err)
				}
				if _, err = lines(t.Context(), conn.Query, sql); err == nil || name != "by panic" && err != error(own) {
					t.Errorf("Query of %s: %v", sql, err)
				}
				release()
			}
			wantLines(t, conn, "SELECT 1", "1")
		})
	}
}

// The reader of this view never gives another row and knows no context.
func TestBlockedReaderCancelled(t *testing.T) {
	_, conn := openTest(t, Options{Threads: 2})
	unblock := make(chan struct{})
	defer close(unblock)
	for _, write := range []bool{true, false} {
		reached := make(chan struct{})
		release, err := conn.View("v", &testReader{batches: 300, before: func(batch int) error {
			if batch == 200 {
				close(reached)
				<-unblock
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		var began time.Time
		go func() {
			<-reached
			began = time.Now()
			cancel(cause)
		}()
		path := filepath.Join(t.TempDir(), "f.parquet")
		if write {
			_, err = conn.WriteParquet(ctx, "FROM v", path)
		} else {
			_, err = lines(ctx, conn.Query, "FROM v")
		}
		if !errors.Is(err, cause) || time.Since(began) > time.Second {
			t.Errorf("write %v: %v after %v", write, err, time.Since(began))
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file of a cancelled COPY is still there: %v", err)
		}
		release()
		wantLines(t, conn, "SELECT 1", "1")
	}
}

// A file system that does not answer is played by a pipe that nobody reads.
func TestBlockedWriterCancelled(t *testing.T) {
	_, conn := openTest(t, Options{Threads: 2})
	path := filepath.Join(t.TempDir(), "f.parquet")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // lets the writer get as far as its first full buffer
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = conn.WriteParquet(ctx, "SELECT range, hash(range) FROM range(10000000)", path)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*patience {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a cancelled COPY is still there: %v", err)
	}
	if err := conn.Exec(t.Context(), "SELECT 1"); fault.CodeOf(err) != codeEngine {
		t.Errorf("a connection that was left behind: %v", err)
	}
	// The file system comes back: now the statement that was left behind ends.
	if _, err := io.Copy(io.Discard, reader); err != nil {
		t.Error(err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
}

func TestParallelParquet(t *testing.T) {
	db, _ := openTest(t, Options{Threads: 2, MemoryLimit: 256 << 20, TempDir: t.TempDir()})
	folder := t.TempDir()
	group, ctx := errgroup.WithContext(t.Context())
	for i := range 8 {
		group.Go(func() error {
			conn, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			name := fmt.Sprintf("view %d", i)
			release, err := conn.View(name, &testReader{batches: 200})
			if err != nil {
				return err
			}
			defer release()
			written, err := conn.WriteParquet(ctx, "FROM "+Ident(name), filepath.Join(folder, name))
			if err == nil && written.Rows != 200*testBatch {
				return fmt.Errorf("%d rows", written.Rows)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestOutOfMemoryIsRetryable(t *testing.T) {
	_, conn := openTest(t, Options{MemoryLimit: 20 << 20, Threads: 1})
	_, err := lines(t.Context(), conn.Query, "SELECT list(range ORDER BY hash(range)) FROM range(20000000)")
	if fault.CodeOf(err) != "OutOfMemory" || !fault.Retryable(err) {
		t.Errorf("%v %v", fault.CodeOf(err), err)
	}
	var engine *Error
	if !errors.As(err, &engine) || engine.Needed() < 20<<20 || engine.Needed() > 20<<30 {
		t.Errorf("it needed %d bytes: %v", engine.Needed(), err)
	}
	for text, want := range map[string]int64{
		"failed to allocate data of size 8.0 MiB (256.0 KiB/4.0 MiB used)": 8<<20 + 256<<10, "could not allocate block of size 1.5 GiB (12 bytes/1.0 GiB used)": 3<<29 + 12, "full": 0,
	} {
		if got := (&Error{Text: text}).Needed(); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

// spills needs about twice the 64 MiB that the tests give it.
const spills = "SELECT count(DISTINCT md5(range::VARCHAR)) FROM range(2000000)"

func TestSpills(t *testing.T) {
	temp := filepath.Join(t.TempDir(), "spill")
	_, conn := openTest(t, Options{MemoryLimit: 64 << 20, Threads: 1, TempDir: temp, TempLimit: 2 << 30})
	wantLines(t, conn, spills, "2000000")
}

func TestSpillsWithinItsLimit(t *testing.T) {
	_, conn := openTest(t, Options{MemoryLimit: 64 << 20, Threads: 1, TempDir: t.TempDir(), TempLimit: 8 << 20})
	_, err := lines(t.Context(), conn.Query, spills)
	if fault.CodeOf(err) != "DiskFull" || !fault.Retryable(err) {
		t.Errorf("%v %v", fault.CodeOf(err), err)
	}
}

func TestProgress(t *testing.T) {
	_, conn := openTest(t, Options{Threads: 1})
	if percent, rows, total := conn.Progress(); percent >= 0 || rows != 0 || total != 0 {
		t.Errorf("idle: %v %v %v", percent, rows, total)
	}
	if err := conn.Exec(t.Context(), "CREATE TABLE t AS SELECT range AS n FROM range(3000000)"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.WriteParquet(t.Context(), "SELECT n, md5(n::VARCHAR) FROM t", filepath.Join(t.TempDir(), "f"))
		done <- err
	}()
	moved := false
	for {
		select {
		case err := <-done:
			if err != nil || !moved {
				t.Errorf("%v, progress was seen: %v", err, moved)
			}
			return
		default:
			percent, rows, total := conn.Progress()
			moved = moved || percent > 0 && percent < 100 && rows > 0 && total >= rows
			time.Sleep(time.Millisecond)
		}
	}
}

func TestFunctions(t *testing.T) {
	db, conn := openTest(t, Options{Threads: 2})
	ctx := t.Context()
	register := func(name string, args []Type, result Type, f Func) {
		t.Helper()
		if err := db.Function(ctx, name, args, result, f); err != nil {
			t.Fatal(err)
		}
	}
	register("twice", []Type{Text}, Text, func(args *Args, results *Results) error {
		for row := range args.Rows() {
			if !args.Null(0, row) {
				if err := results.SetText(row, args.Text(0, row)+args.Text(0, row)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	wantLines(t, conn, `SELECT twice(x) FROM (VALUES ('ab'), (NULL), (''), ('a longer text: '), ('é'), ('sixsix')) t(x)`,
		"abab", "(null)", "", "a longer text: a longer text: ", "éé", "sixsixsixsix")
	wantLines(t, conn, `SELECT count(*), count(t), count(DISTINCT t), bool_and(t = n::VARCHAR || n::VARCHAR) FROM (SELECT n, twice(n::VARCHAR) AS t FROM range(300000) r(n))`,
		"300000|300000|300000|true")

	echo := map[Type]string{Int64: "-9223372036854775808", Double: "1.5", Decimal: "-922337203685477.5807", Timestamp: "0100-01-01 00:00:00.000001",
		Bool: "true", Binary: "\\x00\\xFF"}
	for typ, value := range echo {
		name := "echo_" + fmt.Sprint(int(typ))
		register(name, []Type{typ}, typ, func(args *Args, results *Results) error {
			for row := range args.Rows() {
				switch {
				case args.Null(0, row):
					results.SetNull(row)
				case typ == Int64:
					results.SetInt64(row, args.Int64(0, row))
				case typ == Double:
					results.SetDouble(row, args.Double(0, row))
				case typ == Decimal:
					results.SetDecimal(row, args.Decimal(0, row))
				case typ == Timestamp:
					results.SetTime(row, args.Time(0, row))
				case typ == Bool:
					results.SetBool(row, args.Bool(0, row))
				case typ == Binary:
					results.SetBytes(row, args.Bytes(0, row))
				}
			}
			return nil
		})
		wantLines(t, conn, fmt.Sprintf("SELECT %s(x) IS NOT DISTINCT FROM x, typeof(%s(x)) FROM (VALUES (%s::%s), (NULL)) t(x)", name, name, Literal(value), typ),
			"true|"+typ.String(), "true|"+typ.String())
	}

	own := fault.New(fault.Invalid, "InvalidValue", "cannot convert 'x'")
	register("refuse", []Type{Text, Int64}, Double, func(args *Args, results *Results) error {
		for row := range args.Rows() {
			if args.Int64(1, row) == 250_000 {
				return own
			}
			results.SetDouble(row, math.Inf(1))
		}
		return nil
	})
	if _, err := lines(ctx, conn.Query, "SELECT refuse('x', n) FROM range(300000) r(n)"); err != error(own) {
		t.Errorf("the error of a function: %v", err)
	}
	if _, err := conn.WriteParquet(ctx, "SELECT refuse('x', n) FROM range(300000) r(n)", filepath.Join(t.TempDir(), "f")); err != error(own) {
		t.Errorf("the error of a function in COPY: %v", err)
	}
	register("crash", nil, Text, func(*Args, *Results) error { panic("no") })
	if _, err := lines(ctx, conn.Query, "SELECT crash()"); fault.CodeOf(err) != codeEngine {
		t.Errorf("a panic in a function: %v", err)
	}
	register("garbage", nil, Text, func(_ *Args, results *Results) error { return results.SetText(0, "\xff") })
	if _, err := lines(ctx, conn.Query, "SELECT garbage()"); fault.CodeOf(err) != "InvalidValue" {
		t.Errorf("text that is not UTF-8: %v", err)
	}

	register("TWICE", []Type{Text}, Text, nil) // the first one stays
	wantLines(t, conn, "SELECT twice('a')", "aa")
	if err := db.Function(ctx, "twice", []Type{Int64}, Text, nil); err == nil {
		t.Error("one name, two types")
	}
}
