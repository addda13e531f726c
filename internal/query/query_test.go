package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store and a catalog of one model, in memory.
type world struct {
	t        testing.TB
	store    *store.Store
	capacity *capacity.Capacity
	engine   *Engine
	db       *duck.DB
	folder   string

	mu      sync.Mutex
	version store.Version
	kept    map[int64]store.Version
	models  map[int64]*model.Model // by revision
}

const modelID = "0b7a1c1e-8f6e-4c44-9a52-0d3f5d1f6f10"

func (w *world) CurrentVersion(_ context.Context, id string) (store.Version, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id != modelID {
		return store.Version{}, fault.New(fault.NotFound, "ItemNotFound", "cannot find model %s", id)
	}
	return w.version, nil
}

func (w *world) ForgetVersions(_ context.Context, _ time.Time, pinned []store.Pin) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for number := range w.kept {
		if number != w.version.Number && !slices.Contains(pinned, store.Pin{Model: modelID, Number: number}) {
			delete(w.kept, number)
		}
	}
	return nil
}

func (w *world) FilesInUse(context.Context) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for _, version := range w.kept {
		for _, part := range version.Parts {
			for _, file := range part.Files {
				ids = append(ids, file.ID)
			}
		}
	}
	return ids, nil
}

func (w *world) ModelAt(_ context.Context, _ string, revision int64) (*model.Model, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.models[revision], "small", nil
}

func newWorld(t testing.TB, m *model.Model, options Options) *world {
	t.Helper()
	w := &world{t: t, folder: t.TempDir(), kept: map[int64]store.Version{}, models: map[int64]*model.Model{1: m}}
	var err error
	if w.store, err = store.Open(store.Options{Dir: w.folder, Versions: w, Grace: time.Nanosecond, Now: func() time.Time { return time.Now().Add(time.Minute) }, NewID: uuid.NewString}); err != nil {
		t.Fatal(err)
	}
	if w.capacity, err = capacity.New(capacity.Options{Name: "small", Memory: 512 << 20}); err != nil {
		t.Fatal(err)
	}
	other, err := capacity.New(capacity.Options{Name: "other", Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	options.Store, options.Models, options.Capacities, options.TempDir = w.store, w, []*capacity.Capacity{other, w.capacity}, t.TempDir()
	if w.engine, err = New(options); err != nil {
		t.Fatal(err)
	}
	if w.db, err = duck.Open(t.Context(), duck.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.engine.Close()
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
		if usage := w.capacity.Usage(); usage.MemoryGranted != 0 {
			t.Errorf("%d bytes are still granted", usage.MemoryGranted)
		}
	})
	w.commit(1, store.Change{})
	return w
}

// write makes a data file.
func (w *world) write(sql string) store.File {
	w.t.Helper()
	ctx := context.Background()
	conn, err := w.db.Conn(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	draft := w.store.Prepare()
	defer draft.Release()
	written, err := conn.WriteParquet(ctx, sql, draft.Path())
	if err != nil {
		w.t.Fatal(err)
	}
	file, err := draft.Finish(ctx, written.Rows)
	if err != nil {
		w.t.Fatal(err)
	}
	return file
}

func (w *world) commit(revision int64, change store.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	number := w.version.Number + 1
	w.version = change.Apply(w.version)
	w.version.Model, w.version.Number, w.version.ModelRevision = modelID, number, revision
	w.kept[number] = w.version
}

func ready(table, partition string, files ...store.File) store.Part {
	return store.Part{Table: table, Partition: partition, State: store.Ready, Files: files}
}

func (w *world) rows(sql string) ([]string, error) {
	return rowsOf(w.engine.Query(w.t.Context(), modelID, sql))
}

func rowsOf(result *Result, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer result.Close()
	var rows []string
	for result.Next() {
		rows = append(rows, string(result.AppendJSON(nil)))
	}
	return rows, result.Err()
}

func (w *world) want(sql string, want ...string) {
	w.t.Helper()
	got, err := w.rows(sql)
	if err != nil || !slices.Equal(got, want) {
		w.t.Errorf("%s\n gives %q, %v\n want  %q", sql, got, err, want)
	}
}

func (w *world) refuses(sql string, kind fault.Kind, code, text string) {
	w.t.Helper()
	got, err := w.rows(sql)
	if fault.KindOf(err) != kind || fault.CodeOf(err) != code || !strings.Contains(fmt.Sprint(err), text) {
		w.t.Errorf("%s\n gives %q, %v %q: %v\n want  %v %q …%s…", sql, got, fault.KindOf(err), fault.CodeOf(err), err, kind, code, text)
	}
}

func sales() *model.Model {
	m := &model.Model{Name: "Sales", Tables: []*model.Table{
		{Name: "Fact Sales", Columns: []*model.Column{
			{Name: "RowNumber-2662979B", Type: model.RowNumberColumn, DataType: model.Int64},
			{Name: "Id", Type: model.DataColumn, DataType: model.Int64}, {Name: "Amount", DataType: model.Decimal}, {Name: "Rate", DataType: model.Double},
			{Name: "Sold At", DataType: model.DateTime}, {Name: "Paid", DataType: model.Boolean}, {Name: "Note", DataType: model.String}, {Name: "Picture", DataType: model.Binary},
			{Name: "Margin", Type: model.CalculatedColumn, DataType: model.Double, Expression: "[Amount]"},
		}, Partitions: []*model.Partition{{Name: "2019"}, {Name: "2020"}, {Name: "2021"}}},
		{Name: "Calendar", Columns: []*model.Column{{Name: "Date", Type: model.CalculatedTableColumnColumn, DataType: model.DateTime}},
			Partitions: []*model.Partition{{Name: "Calendar", Source: model.PartitionSource{Type: model.CalculatedPartition}}}},
		{Name: "Live", Columns: []*model.Column{{Name: "x", DataType: model.Int64}}, Partitions: []*model.Partition{{Name: "Live", Mode: "directQuery"}}},
		{Name: "Time Intelligence", Columns: []*model.Column{{Name: "Name", DataType: model.String}},
			Partitions: []*model.Partition{{Name: "p", Source: model.PartitionSource{Type: model.CalculationGroupPartition}}}},
		{Name: "Measures", Columns: nil, Partitions: []*model.Partition{{Name: "m"}}},
		{Name: "New", Columns: []*model.Column{{Name: "a", DataType: model.Decimal}, {Name: "b", DataType: model.String}}, Partitions: []*model.Partition{{Name: "New"}}},
	}}
	for _, table := range m.Tables {
		for _, partition := range table.Partitions {
			if partition.Mode == "" {
				partition.Mode = "import"
			}
		}
	}
	return m
}

const columnsSQL = `::BIGINT AS "Id", %s::DECIMAL(19,4) AS "Amount", %s::DOUBLE AS "Rate", %s::TIMESTAMP AS "Sold At", %s::BOOLEAN AS "Paid", %s::VARCHAR AS "Note", %s::BLOB AS "Picture"`

func newSales(t testing.TB) *world {
	w := newWorld(t, sales(), Options{})
	row := func(id int, values ...any) string {
		return fmt.Sprintf("SELECT %d"+columnsSQL, append([]any{id}, values...)...)
	}
	w.commit(1, store.Change{Put: []store.Part{
		ready("Fact Sales", "2021", w.write(row(3, "NULL", "'nan'", "NULL", "NULL", "NULL", "NULL"))),
		ready("Fact Sales", "2019", w.write(row(1, "1.5", "0.1", "'2020-02-29 13:14:15.5'", "true", "'it''s \"quoted\" <é> '", `'\x00\xFF'`)),
			w.write(row(2, "-922337203685477.5807", "1e300", "'0100-01-01'", "false", "''", "''"))),
		{Table: "Fact Sales", Partition: "2020", State: store.NoData},
		{Table: "Calendar", Partition: "Calendar", State: store.CalculationNeeded},
		ready("Time Intelligence", "p"), {Table: "Live", Partition: "Live", State: store.NoData}, {Table: "New", Partition: "New", State: store.NoData},
	}, Objects: []store.Object{{Table: "Fact Sales", Column: "Margin", State: store.CalculationNeeded}}})
	return w
}

// F11: rows of all partitions in their order, with the model's names and types.
func TestF11Rows(t *testing.T) {
	w := newSales(t)
	w.want(`FROM "Fact Sales"`,
		`[1,1.5000,0.1,"2020-02-29T13:14:15.5",true,"it's \"quoted\" <é> ","AP8="]`,
		`[2,-922337203685477.5807,1e+300,"0100-01-01T00:00:00",false,"",""]`,
		`[3,null,"NaN",null,null,null,null]`)
	result, err := w.engine.Query(t.Context(), modelID, `SELECT *, 1 + 1 AS two, DATE '2020-01-01' AS d FROM "fact sales"`)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	want := []Column{{"Id", "int64"}, {"Amount", "decimal"}, {"Rate", "double"}, {"Sold At", "dateTime"}, {"Paid", "boolean"}, {"Note", "string"}, {"Picture", "binary"},
		{"two", "int64"}, {"d", "date"}}
	if !slices.Equal(result.Columns, want) || result.Version != 2 {
		t.Errorf("version %d, columns %v", result.Version, result.Columns)
	}
}

func TestValuesAsJSON(t *testing.T) {
	w := newSales(t)
	for sql, want := range map[string]string{
		"sum(range) FROM range(10)":                                    "45",
		"9223372036854775807 + 0::HUGEINT":                             "9223372036854775807",
		"170141183460469231731687303715884105727::HUGEINT":             "170141183460469231731687303715884105727",
		"18446744073709551615::UBIGINT":                                "18446744073709551615",
		"-5::TINYINT, 5::USMALLINT":                                    "-5,5",
		"1.5::FLOAT, 1e-7::DOUBLE, 1e20::DOUBLE, -0.0::DOUBLE":         "1.5,1e-07,100000000000000000000,-0",
		"'inf'::DOUBLE, '-inf'::DOUBLE":                                `"Infinity","-Infinity"`,
		"1.10::DECIMAL(5,2), 3::DECIMAL(38,0)":                         "1.10,3",
		"DATE '0101-02-03', TIME '01:02:03.4', TIMESTAMP '2020-01-01'": `"0101-02-03","01:02:03.4","2020-01-01T00:00:00"`,
		"TIMESTAMPTZ '2020-01-01 12:00:00+02'":                         `"2020-01-01T10:00:00Z"`,
		"[1, NULL, 3], [['a']], []::INT[]":                             `[1,null,3],[["a"]],[]`,
		"{'a': 1, 'b': [true]}, MAP {'k': 1}, NULL":                    `{"a":1,"b":[true]},[["k",1]],null`,
		"'\\x00'::BLOB, '', 'a\"b'":                                    `"AA==","","a\"b"`,
		"'00000000-0000-0000-0000-000000000001'::UUID":                 `"00000000-0000-0000-0000-000000000001"`,
		"'a'::ENUM('a', 'b')":                                          `"a"`,
		"INTERVAL 1 MONTH IS NULL":                                     "false",
		"'{\"a\": 1}'::JSON":                                           `"{\"a\": 1}"`,
	} {
		w.want("SELECT "+sql, "["+want+"]")
	}
}

// Every type that DuckDB can give becomes JSON.
func TestAllTypesAreJSON(t *testing.T) {
	w := newSales(t)
	conn, err := w.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader, err := conn.Query(t.Context(), "FROM test_all_types()")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	result := newResult(reader, 1)
	rows := 0
	for ; result.Next(); rows++ {
		var values []json.RawMessage
		if err := json.Unmarshal(result.AppendJSON(nil), &values); err != nil || len(values) != len(result.Columns) {
			t.Errorf("row %d: %v: %s", rows, err, result.AppendJSON(nil))
		}
	}
	if rows != 3 || result.Err() != nil {
		t.Errorf("%d rows, %v", rows, result.Err())
	}
}

func FuzzAppendText(f *testing.F) {
	f.Add("a\"\\\n\t\x00\x1f\x7f é")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("DuckDB has no such text")
		}
		var back string
		if err := json.Unmarshal(appendText(nil, text), &back); err != nil || back != text {
			t.Errorf("%q became %q: %v", text, back, err)
		}
	})
}

func TestWhatCannotBeRead(t *testing.T) {
	w := newSales(t)
	w.refuses(`FROM "Calendar"`, fault.Conflict, codeNotReadable, "Calendar")
	w.refuses(`SELECT "Margin" FROM "Fact Sales"`, fault.Conflict, codeNotReadable, "Margin")
	w.refuses(`FROM "Live"`, fault.Conflict, codeNotReadable, "directQuery")
	w.refuses(`FROM "Time Intelligence"`, fault.Conflict, codeNotReadable, "calculation group")
	w.refuses(`SELECT "RowNumber-2662979B" FROM "Fact Sales"`, fault.Invalid, "InvalidSQL", "RowNumber")
	w.refuses(`FROM "Measures"`, fault.Invalid, "QueryRefused", "no columns")
	w.refuses(`SET threads = 1`, fault.Invalid, "QueryRefused", "SET")
	w.want(`FROM "New"`)
	w.want(`SELECT count(*), sum(a) FROM "New"`, "[0,null]")
	if _, err := rowsOf(w.engine.Query(t.Context(), "nobody", "SELECT 1")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown model: %v", err)
	}
}

// HOUSE §4: a reader of a model with roles is refused by name; roles without filters hide nothing.
func TestRolesRefused(t *testing.T) {
	m := sales()
	m.Roles = []*model.Role{{Name: "Everybody", TablePermissions: map[string]string{"New": ""}}}
	w := newWorld(t, m, Options{})
	w.want("SELECT 1", "[1]")
	strict := sales()
	strict.Roles = append(m.Roles, &model.Role{Name: "North", TablePermissions: map[string]string{"Fact Sales": "[Id] = 1"}})
	w.models[2] = strict
	w.commit(2, store.Change{})
	w.refuses("SELECT 1", fault.Denied, codeRoles, "'North'")
}

// Issue 2, item 6: a query that began before a commit sees the old version to its end, and its files stay until then.
func TestOldVersionToItsEnd(t *testing.T) {
	w := newWorld(t, sales(), Options{})
	many := `SELECT range` + columnsSQL + ` FROM range(500000)`
	write := func(amount string) store.File {
		return w.write(fmt.Sprintf(many, amount, "0", "NULL", "NULL", "NULL", "NULL"))
	}
	w.commit(1, store.Change{Put: []store.Part{ready("Fact Sales", "2019", write("1"))}})
	old, err := w.engine.Query(t.Context(), modelID, `SELECT "Amount" FROM "Fact Sales"`)
	if err != nil {
		t.Fatal(err)
	}
	if !old.Next() {
		t.Fatal(old.Err())
	}
	w.commit(1, store.Change{Put: []store.Part{ready("Fact Sales", "2019", write("2"))}})
	w.want(`SELECT count(*), sum("Amount") FROM "Fact Sales"`, "[500000,1000000.0000]")
	if deleted, err := w.store.Sweep(t.Context()); err != nil || deleted != 0 {
		t.Errorf("swept %d files that a query reads: %v", deleted, err)
	}
	rows := 1
	for ; old.Next(); rows++ {
		if row := string(old.AppendJSON(nil)); row != "[1.0000]" {
			t.Fatalf("row %d is %s", rows, row)
		}
	}
	if err := old.Err(); err != nil || rows != 500_000 || old.Version != 2 {
		t.Errorf("%d rows of version %d, %v", rows, old.Version, err)
	}
	old.Close()
	if deleted, err := w.store.Sweep(t.Context()); err != nil || deleted != 1 {
		t.Errorf("swept %d files after the query: %v", deleted, err)
	}
	if len(w.engine.instances) != 1 {
		t.Errorf("%d instances are open", len(w.engine.instances))
	}
}

// R9: a reader never sees a mixture of two versions of two tables, whatever is committed meanwhile.
func TestNeverAMixture(t *testing.T) {
	m := &model.Model{Name: "Pair", Tables: []*model.Table{
		{Name: "A", Columns: []*model.Column{{Name: "n", DataType: model.Int64}}, Partitions: []*model.Partition{{Name: "1"}, {Name: "2"}}},
		{Name: "B", Columns: []*model.Column{{Name: "n", DataType: model.Int64}}, Partitions: []*model.Partition{{Name: "1"}}},
	}}
	w := newWorld(t, m, Options{Instances: 2})
	commit := func(n int) {
		part := func(table, partition string) store.Part {
			return ready(table, partition, w.write(fmt.Sprintf("SELECT %d::BIGINT AS n FROM range(10)", n)))
		}
		w.commit(1, store.Change{Put: []store.Part{part("A", "1"), part("A", "2"), part("B", "1")}})
	}
	commit(0)
	ctx, cancel := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	for range 4 {
		group.Go(func() error {
			seen := 0
			for ctx.Err() == nil {
				rows, err := rowsOf(w.engine.Query(ctx, modelID, "SELECT min(n), max(n), count(*) FROM (FROM A UNION ALL FROM B)"))
				if err != nil && ctx.Err() == nil {
					return err
				}
				if err != nil {
					break
				}
				var least, most, count int
				if _, err := fmt.Sscanf(rows[0], "[%d,%d,%d]", &least, &most, &count); err != nil || least != most || count != 30 || least < seen {
					return fmt.Errorf("saw %q after %d: %w", rows, seen, err)
				}
				seen = least
			}
			return nil
		})
	}
	for n := 1; n <= 25; n++ {
		commit(n)
		if _, err := w.store.Sweep(ctx); err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	w.want("SELECT max(n) FROM A", "[25]")
	if _, err := w.store.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(w.folder, "*.parquet"))
	if err != nil || len(files) != 3 {
		t.Errorf("%d files are left: %v", len(files), err)
	}
}

func TestCancelledAndFull(t *testing.T) {
	w := newSales(t)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer time.AfterFunc(50*time.Millisecond, func() { cancel(cause) }).Stop()
	if _, err := rowsOf(w.engine.Query(ctx, modelID, "SELECT count(*) FROM range(1000000000000)")); !errors.Is(err, cause) {
		t.Errorf("cancelled: %v", err)
	}
	// A capacity whose memory a refresh holds lets queries wait.
	grant, err := w.capacity.Grant(t.Context(), 400<<20, 400<<20)
	if err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := rowsOf(w.engine.Query(short, modelID, "SELECT 1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without memory: %v", err)
	}
	grant.Release()
	w.want("SELECT 1", "[1]")
}

// HOUSE §3.7: a data file that is not what was written is found before its rows are shown.
func TestDamagedFile(t *testing.T) {
	w := newWorld(t, sales(), Options{})
	file := w.write("SELECT 1.5::DECIMAL(19,4) AS a, 'x' AS b")
	w.commit(1, store.Change{Put: []store.Part{ready("New", "New", file)}})
	path := filepath.Join(w.folder, file.ID+".parquet")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.refuses(`FROM "New"`, fault.Internal, fault.CodeDamaged, file.ID)
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(`FROM "New"`, `[1.5000,"x"]`)
}

func TestInstancesAreKept(t *testing.T) {
	w := newSales(t)
	w.want("SELECT 1", "[1]")
	var first *instance
	for _, in := range w.engine.instances {
		first = in
	}
	w.want("SELECT 2", "[2]")
	if len(w.engine.instances) != 1 || w.engine.instances[first.version] != first {
		t.Error("the instance was not used again")
	}
	result, err := w.engine.Query(t.Context(), modelID, "FROM range(1000000)")
	if err != nil {
		t.Fatal(err)
	}
	w.engine.Close()
	if _, err := w.rows("SELECT 1"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("after Close: %v", err)
	}
	rows := 0
	for result.Next() {
		rows++
	}
	if result.Err() != nil || rows != 1_000_000 {
		t.Errorf("a query that ran during Close: %d rows, %v", rows, result.Err())
	}
	result.Close()
	if len(w.engine.instances) != 0 {
		t.Errorf("%d instances are open", len(w.engine.instances))
	}
}

// What queries spill is gone when nobody can read it any more, also after a crash.
func TestSpillFolders(t *testing.T) {
	w := newSales(t)
	spill := w.engine.options.TempDir
	w.want("SELECT 1", "[1]")
	if entries, err := os.ReadDir(spill); err != nil || len(entries) != 1 {
		t.Errorf("while an instance is kept: %v, %v", entries, err)
	}
	w.engine.Close()
	if entries, err := os.ReadDir(spill); err != nil || len(entries) != 0 {
		t.Errorf("after the end: %v, %v", entries, err)
	}
	left := filepath.Join(spill, modelID+"-7", "duckdb_temp_storage_DEFAULT-0.tmp")
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("rows"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(w.engine.options); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a crash had left is there: %v", err)
	}
}

// F7: on a disk with little room above what must stay free, a query that would spill more fails by name, and the others go on.
func TestF7QueriesSpillWithinTheDisk(t *testing.T) {
	const spills = "SELECT count(DISTINCT md5(range::VARCHAR)) FROM range(2000000)"
	free := int64(20 << 30)
	w := newWorld(t, sales(), Options{Memory: 64 << 20, Disk: store.NewDisk(t.TempDir(), 1<<30, func(string) (int64, error) { return free, nil })})
	w.want(spills, "[2000000]")
	w.commit(1, store.Change{}) // another version, another instance
	free = 1<<30 + 8<<20
	w.refuses(spills, fault.Unavailable, "DiskFull", "minFreeDisk")
	free = 0
	w.want("SELECT 1", "[1]")
}

// BenchmarkResultJSON measures rows on their way to the wire.
func BenchmarkResultJSON(b *testing.B) {
	w := newWorld(b, sales(), Options{})
	w.commit(1, store.Change{Put: []store.Part{ready("Fact Sales", "2019",
		w.write(fmt.Sprintf(`SELECT range`+columnsSQL+` FROM range(1000000)`, "(range / 7)", "random()", "(TIMESTAMP '2020-01-01' + to_seconds(range))", "true", "('note ' || range)", "NULL")))}})
	for b.Loop() {
		result, err := w.engine.Query(b.Context(), modelID, `FROM "Fact Sales"`)
		if err != nil {
			b.Fatal(err)
		}
		var line []byte
		for result.Next() {
			line = result.AppendJSON(line[:0])
		}
		if err := result.Err(); err != nil {
			b.Fatal(err)
		}
		result.Close()
	}
}

// R34: a paused capacity answers no new query, whether the version is open or not; a query that runs goes on.
func TestR34NoQueryOnAPausedCapacity(t *testing.T) {
	w := newSales(t)
	running, err := w.engine.Query(t.Context(), modelID, `SELECT count(*) FROM "Fact Sales"`)
	if err != nil {
		t.Fatal(err)
	}
	set := func(state capacity.State) {
		t.Helper()
		if _, err := w.capacity.Set(t.Context(), capacity.Status{State: state, Since: time.Now(), By: "ana"}); err != nil {
			t.Fatal(err)
		}
	}
	set(capacity.Paused)
	w.refuses("SELECT 1", fault.Invalid, capacity.CodeNotActive, "capacity 'small' is paused")
	if got, err := rowsOf(running, nil); err != nil || len(got) != 1 {
		t.Errorf("the running query gave %q, %v", got, err)
	}
	w.commit(1, store.Change{})
	w.refuses("SELECT 1", fault.Invalid, capacity.CodeNotActive, "capacity 'small' is paused")
	if len(w.engine.instances) > 1 {
		t.Error("a refused query has opened a version")
	}
	set(capacity.Active)
	w.want("SELECT 1", "[1]")
}

// Versions that nobody queries keep memory only as long as nobody waits for it: a refresh takes it from the one that was used least recently. One
// that is queried keeps it.
func TestIdleVersionsGiveTheirMemory(t *testing.T) {
	w := newSales(t)
	w.engine.options.Memory = 100 << 20 // of 512 MiB
	open := func() (numbers []int64) {
		w.engine.mu.Lock()
		defer w.engine.mu.Unlock()
		for pin := range w.engine.instances {
			numbers = append(numbers, pin.Number)
		}
		slices.Sort(numbers)
		return numbers
	}
	first := w.version.Number
	var old []*Result
	for range 3 { // a reader of each version, so that it stays open
		result, err := w.engine.Query(t.Context(), modelID, "FROM range(1000000)")
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, result)
		w.commit(1, store.Change{})
	}
	if got := w.capacity.Usage().MemoryGranted; got != 300<<20 {
		t.Errorf("%d bytes are granted to three versions in use", got)
	}
	asked := make(chan *capacity.Grant, 1)
	go func() {
		if grant, err := w.capacity.GrantRefresh(context.Background(), 256<<20, 256<<20, func() { t.Error("the refresh was evicted") }); err == nil {
			asked <- grant
		}
	}()
	for w.capacity.Usage().MemoryWaiters == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := open(); !slices.Equal(got, []int64{first, first + 1, first + 2}) {
		t.Errorf("versions %v are open: memory in use was taken", got)
	}
	old[1].Close()
	refresh := <-asked
	if got := open(); !slices.Equal(got, []int64{first, first + 2}) {
		t.Errorf("versions %v are open after the end of a reader", got)
	}
	old[0].Close()
	old[2].Close()
	refresh.Release()

	// The current version is kept when its reader ends, without an owner but in its memory.
	w.want("SELECT 1", "[1]")
	if got := w.capacity.Usage().MemoryGranted; got != 100<<20 || len(open()) != 1 {
		t.Errorf("%d bytes are granted, versions %v are open", got, open())
	}
	all, err := w.capacity.Grant(t.Context(), 512<<20, 512<<20)
	if err != nil || len(open()) != 0 {
		t.Fatalf("versions %v are open, %v", open(), err)
	}
	all.Release()
	w.want("SELECT 1", "[1]")
}

// Readers that come while their version is being evicted for others open it again; nothing is lost and nothing granted twice.
func TestEvictionAgainstReaders(t *testing.T) {
	w := newSales(t)
	w.engine.options.Memory = 200 << 20
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			for range 25 {
				if got, err := w.rows("SELECT 1"); err != nil || !slices.Equal(got, []string{"[1]"}) {
					return fmt.Errorf("%q, %w", got, err)
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for range 25 {
			grant, err := w.capacity.Grant(t.Context(), 400<<20, 400<<20)
			if err != nil {
				return err
			}
			grant.Release()
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
