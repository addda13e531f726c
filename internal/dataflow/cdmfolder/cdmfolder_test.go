package cdmfolder_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/dataflow/cdmfolder"
	"freshet.dev/internal/duck"
	"freshet.dev/internal/model"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/refresh/logtest"
	"freshet.dev/internal/store"
)

const flowID = "8dbd8c92-4d16-4947-8329-4172f04f4f93"

// bench is one dataflow with rows, and where its folder is to be.
type bench struct {
	t     *testing.T
	log   *logtest.Memory
	store *store.Store
	root  string
	flow  cdmfolder.Flow
	files map[string][]byte
	point func(point string) error
	ended chan struct{}
	room  int64
	told  bytes.Buffer // warnings of its services
}

func newBench(t *testing.T, definition string) *bench {
	t.Helper()
	b := &bench{t: t, log: logtest.NewMemory(), root: filepath.Join(t.TempDir(), "cdm"), files: map[string][]byte{"My flow.json": []byte(definition)}, ended: make(chan struct{})}
	b.flow = cdmfolder.Flow{ID: flowID, WorkspaceID: "a1", WorkspaceName: "Sales/EU", Name: "..", Description: "what it is"}
	var err error
	b.store, err = store.Open(store.Options{Dir: t.TempDir(), Versions: b.log, Keep: time.Hour, Now: time.Now, NewID: uuid.NewString})
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) model() *model.Model {
	b.t.Helper()
	d, err := cdm.Decode(b.files)
	b.must(err)
	return d.Model()
}

// Dataflows implements what a Service reads.
func (b *bench) Dataflows(ctx context.Context) ([]cdmfolder.Flow, error) {
	version, err := b.log.CurrentVersion(ctx, flowID)
	b.flow.Version = version.Number
	return []cdmfolder.Flow{b.flow}, err
}

// Dataflow implements what a Service reads.
func (b *bench) Dataflow(context.Context, string, int64) (map[string][]byte, *model.Model, error) {
	return b.files, b.model(), nil
}

// commit makes a version whose parts are those of the current one and these: by entity/partition the SELECT of their rows.
func (b *bench) commit(revision int64, parts map[string]string) {
	b.t.Helper()
	var change store.Change
	for name, rows := range parts {
		table, partition, _ := strings.Cut(name, "/")
		change.Put = append(change.Put, store.Part{Table: table, Partition: partition, State: store.Ready, ReadAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Files: []store.File{b.rows(rows)}})
	}
	b.must(b.log.Deploy(refresh.Definition{ID: flowID, Name: "Flow", Revision: revision, Model: b.model(), Dataflow: true}, change))
}

// rows makes a file of the store.
func (b *bench) rows(selectSQL string) store.File {
	b.t.Helper()
	ctx := b.t.Context()
	db, err := duck.Open(ctx, duck.Options{})
	b.must(err)
	defer db.Close()
	conn, err := db.Conn(ctx)
	b.must(err)
	defer conn.Close()
	draft := b.store.Prepare()
	defer draft.Release()
	written, err := conn.WriteParquet(ctx, selectSQL, draft.Path())
	b.must(err)
	file, err := draft.Finish(ctx, written.Rows)
	b.must(err)
	return file
}

// service is a new process.
func (b *bench) service() *cdmfolder.Service {
	b.t.Helper()
	memory, err := capacity.New(capacity.Options{Name: "default", Memory: 1 << 30})
	b.must(err)
	return cdmfolder.New(cdmfolder.Options{
		Roots: []cdmfolder.Root{{Path: b.root}}, Flows: b, Store: b.store, Capacity: memory, TempDir: b.t.TempDir(), MinFree: b.room,
		Ended: func() <-chan struct{} { return b.ended }, Failpoint: b.point,
		Logger: slog.New(slog.NewTextHandler(&b.told, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

func (b *bench) sync() {
	b.t.Helper()
	b.must(b.service().Sync(b.t.Context()))
}

// folder is where the dataflow's folder must be: names are no way out of the root.
func (b *bench) folder() string { return filepath.Join(b.root, "Sales%2FEU", "%2E.") }

type document struct {
	Name        string
	Description string
	Annotations []struct{ Name, Value string }
	Entities    []struct {
		Name       string
		Partitions []struct {
			Name, Location     string
			RefreshTime        time.Time
			FileFormatSettings struct {
				ColumnHeaders bool
				Delimiter     string
			}
		}
	}
}

// read reads the model.json, whose files must all be there; ok is false where there is none.
func (b *bench) read() (d document, ok bool) {
	b.t.Helper()
	content, err := os.ReadFile(filepath.Join(b.folder(), "model.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return d, false
	}
	b.must(err)
	b.must(json.Unmarshal(content, &d))
	for _, entity := range d.Entities {
		for _, partition := range entity.Partitions {
			if _, err := os.Stat(b.path(partition.Location)); err != nil {
				b.t.Errorf("model.json names %s: %v", partition.Location, err)
			}
		}
	}
	return d, true
}

func (b *bench) path(location string) string {
	path, err := url.PathUnescape(location)
	b.must(err)
	return filepath.Join(b.folder(), filepath.FromSlash(path))
}

// csvs lists the files of rows in the folder.
func (b *bench) csvs() []string {
	b.t.Helper()
	found, err := filepath.Glob(filepath.Join(b.folder(), "*", "*"))
	b.must(err)
	return found
}

const everyType = `{"name":"Flow","x-other":{"b":1,"a":2},"pbi:mashup":{"document":"section S; shared T = 1; shared #\"One/Col\" = 1;"},"annotations":[{"name":"a","value":"b"}],
	"entities":[{"$type":"LocalEntity","name":"T","pbi:refreshPolicy":{"$type":"FullRefreshPolicy"},"partitions":[{"name":"Old","location":"https://x/old.csv","fileFormatSettings":{"columnHeaders":true}}],
	"attributes":[{"name":"i","dataType":"int64"},{"name":"d","dataType":"double"},{"name":"c \"x\"","dataType":"decimal"},{"name":"s","dataType":"string"},{"name":"b","dataType":"boolean"},
	{"name":"t","dataType":"dateTime"},{"name":"day","dataType":"date"},{"name":"time","dataType":"time"},{"name":"z","dataType":"dateTimeOffset"}]},
	{"$type":"LocalEntity","name":"One/Col","attributes":[{"name":"s","dataType":"string"}]},
	{"$type":"ReferenceEntity","name":"Far","source":"Far","modelId":"a/b"}]}`

const values = `SELECT * FROM (VALUES
	(1::BIGINT, 0.1::DOUBLE, 1.5::DECIMAL(19,4), 'plain', true, TIMESTAMP '2024-02-29 23:59:59.999999', TIMESTAMP '2024-02-29 00:00:00', TIMESTAMP '1899-12-30 23:59:59.5', TIMESTAMP '2024-02-29 12:00:00'),
	(-9223372036854775808, 'nan'::DOUBLE, -922337203685477.5807, '', false, TIMESTAMP '0100-01-01 00:00:00', TIMESTAMP '9999-12-31 00:00:00', TIMESTAMP '1899-12-30 00:00:00', TIMESTAMP '0100-01-01 00:00:00'),
	(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(7, 'inf'::DOUBLE, 0, 'a "quoted", text' || chr(13) || chr(10) || 'over lines; äöü 漢字 🙂', true, TIMESTAMP '2024-01-02 03:04:05', TIMESTAMP '0100-03-01 00:00:00', TIMESTAMP '1899-12-30 12:00:00', NULL),
	(8, '-inf'::DOUBLE, 0.0001, ' NULL ', NULL, NULL, NULL, NULL, NULL),
	(9, 1.7976931348623157e308, 12, '""', NULL, NULL, NULL, NULL, NULL),
	(10, 5e-324, 12, chr(10), NULL, NULL, NULL, NULL, NULL)) v(i, d, "c ""x""", s, b, t, day, "time", z)`

// C1: the rows of the CSV files are those of the store, as another reader has them: null is not empty, and no culture is in them.
func TestC1FolderHoldsTheRows(t *testing.T) {
	b := newBench(t, everyType)
	b.commit(1, nil)
	b.sync()
	if _, written := b.read(); written {
		t.Fatal("there is a folder of a dataflow that was never refreshed")
	}
	version := map[string]string{"T/" + cdm.FullPartition: values}
	b.commit(2, version)
	b.sync()
	d, _ := b.read()
	if len(d.Entities) != 3 || d.Name != ".." || d.Description != "what it is" || len(d.Annotations) != 2 || len(d.Entities[1].Partitions)+len(d.Entities[2].Partitions) != 0 {
		t.Fatalf("model.json: %+v", d)
	}
	partition := d.Entities[0].Partitions[0]
	if partition.Name != cdm.FullPartition || !partition.FileFormatSettings.ColumnHeaders || partition.FileFormatSettings.Delimiter != "," || partition.RefreshTime.Hour() != 12 {
		t.Errorf("partition %+v", partition)
	}

	content, err := os.ReadFile(b.path(partition.Location))
	b.must(err)
	const want = "i,d,\"c \"\"x\"\"\",s,b,t,day,time,z\r\n" +
		"1,0.1,1.5000,plain,true,2024-02-29T23:59:59.999999,2024-02-29,23:59:59.5,2024-02-29T12:00:00Z\r\n" +
		"-9223372036854775808,NaN,-922337203685477.5807,\"\",false,0100-01-01T00:00:00,9999-12-31,00:00:00,0100-01-01T00:00:00Z\r\n" +
		",,,,,,,,\r\n"
	if !strings.HasPrefix(string(content), want) {
		t.Errorf("got\n%s\nwant\n%s", content, want)
	}
	records, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
	if err != nil || len(records) != 8 || records[4][3] != "a \"quoted\", text\nover lines; äöü 漢字 🙂" { // encoding/csv makes \n of \r\n
		t.Errorf("encoding/csv reads %d records, %v", len(records), err)
	}

	// DuckDB reads them back as the values that the store has.
	db, err := duck.Open(t.Context(), duck.Options{})
	b.must(err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	b.must(err)
	defer conn.Close()
	read := `SELECT i::BIGINT AS i, d::DOUBLE AS d, "c ""x"""::DECIMAL(19,4) AS c, s, b::BOOLEAN AS b, t::TIMESTAMP AS t, day::TIMESTAMP AS day, ('1899-12-30 ' || "time")::TIMESTAMP AS "time", rtrim(z, 'Z')::TIMESTAMP AS z
		FROM read_csv(` + duck.Literal(b.path(partition.Location)) + `, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
			new_line = '\r\n', columns = {i: 'VARCHAR', d: 'VARCHAR', 'c "x"': 'VARCHAR', s: 'VARCHAR', b: 'VARCHAR', t: 'VARCHAR', day: 'VARCHAR', 'time': 'VARCHAR', z: 'VARCHAR'})`
	for _, sides := range [][2]string{{read, values}, {values, read}} {
		rows, err := conn.Query(t.Context(), "("+sides[0]+") EXCEPT ALL ("+sides[1]+")")
		b.must(err)
		for rows.Next() {
			t.Errorf("only one side has %v", rows.RecordBatch())
		}
		b.must(rows.Err())
		rows.Release()
	}

	// Members that Freshet does not know stay, in their order.
	text, err := os.ReadFile(filepath.Join(b.folder(), "model.json"))
	b.must(err)
	if at := []int{strings.Index(string(text), `"name": ".."`), strings.Index(string(text), `"b": 1`), strings.Index(string(text), `"a": 2`), strings.Index(string(text), `"pbi:mashup"`)}; at[0] < 0 || !slices.IsSorted(at) {
		t.Errorf("members at %v of\n%s", at, text)
	}
}

// C1: a folder follows the commits. What the last two model.json do not name goes, and what is not Freshet's stays.
func TestC1FolderFollows(t *testing.T) {
	b := newBench(t, `{"name":"Flow","pbi:mashup":{"document":"section S; shared A = 1; shared B = 1;"},"entities":[{"name":"A","attributes":[{"name":"n","dataType":"int64"}]},{"name":"B","attributes":[{"name":"n","dataType":"int64"}]}]}`)
	service := b.service()
	locations := func() map[string]string {
		t.Helper()
		b.must(service.Sync(t.Context()))
		d, _ := b.read()
		found := map[string]string{}
		for _, entity := range d.Entities {
			found[entity.Name] = entity.Partitions[0].Location
		}
		return found
	}
	b.commit(1, map[string]string{"A/" + cdm.FullPartition: "SELECT 1::BIGINT AS n", "B/" + cdm.FullPartition: "SELECT 1::BIGINT AS n"})
	first := locations()
	foreign := filepath.Join(b.folder(), "A", "notes.csv")
	b.must(os.WriteFile(foreign, nil, 0o600))
	b.commit(2, map[string]string{"A/" + cdm.FullPartition: "SELECT 2::BIGINT AS n"})
	second := locations()
	if first["A"] == second["A"] || first["B"] != second["B"] || len(b.csvs()) != 4 {
		t.Errorf("first %v, second %v, files %v", first, second, b.csvs())
	}
	b.commit(3, map[string]string{"A/" + cdm.FullPartition: "SELECT 3::BIGINT AS n"})
	third := locations()
	if _, err := os.Stat(b.path(first["A"])); !errors.Is(err, fs.ErrNotExist) || third["A"] == second["A"] || len(b.csvs()) != 4 {
		t.Errorf("files %v", b.csvs())
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}

	// Another description is written without a commit.
	b.flow.Description = "another one"
	locations()
	if d, _ := b.read(); d.Description != "another one" {
		t.Errorf("description %q", d.Description)
	}
	// The folder under a former name stays, and is told once.
	former := b.folder()
	b.flow.Name = "Other"
	for range 2 {
		b.must(service.Sync(t.Context()))
	}
	if _, err := os.Stat(filepath.Join(former, "model.json")); err != nil || strings.Count(b.told.String(), "is not written any more") != 1 || !strings.Contains(b.told.String(), former) {
		t.Errorf("after another name: %v, told %s", err, b.told.String())
	}
	b.flow.Name = ".."
	third = locations()
	// A file that somebody has deleted is written again by the next process.
	b.must(os.Remove(b.path(third["A"])))
	b.sync()
	b.read()
}

// C1: a crash at any point of the writing loses nothing: a reader sees one version at all times, and the next start writes the current one.
func TestC1FolderSurvivesCrashes(t *testing.T) {
	definition := `{"name":"Flow","pbi:mashup":{"document":"section S; shared A = 1; shared B = 1;"},"entities":[{"name":"A","attributes":[{"name":"n","dataType":"int64"}]},{"name":"B","attributes":[{"name":"n","dataType":"int64"}]}]}`
	crashed := errors.New("crashed")
	points := 0
	for stop := 1; ; stop++ {
		b := newBench(t, definition)
		b.commit(1, map[string]string{"A/" + cdm.FullPartition: "SELECT 1::BIGINT AS n", "B/" + cdm.FullPartition: "SELECT 1::BIGINT AS n"})
		b.sync()
		b.commit(2, map[string]string{"A/" + cdm.FullPartition: "SELECT 2::BIGINT AS n", "B/" + cdm.FullPartition: "SELECT 2::BIGINT AS n"})
		met := 0
		b.point = func(string) error {
			if met++; met == stop {
				return crashed
			}
			return nil
		}
		b.sync()
		if met < stop {
			points = stop - 1
			break
		}
		rows := func() string {
			t.Helper()
			d, _ := b.read()
			var texts []string
			for _, entity := range d.Entities {
				content, err := os.ReadFile(b.path(entity.Partitions[0].Location))
				b.must(err)
				texts = append(texts, strings.TrimSpace(string(content)))
			}
			return strings.Join(texts, " ")
		}
		if got := rows(); got != "1 1" && got != "2 2" {
			t.Errorf("after a crash at point %d a reader has %s", stop, got)
		}
		b.point = nil
		b.sync()
		if got := rows(); got != "2 2" {
			t.Errorf("after the start that follows a crash at point %d a reader has %s", stop, got)
		}
		for _, path := range b.csvs() {
			if strings.HasSuffix(path, ".tmp") {
				t.Errorf("after a crash at point %d: %s is left", stop, path)
			}
		}
	}
	if points != 6 {
		t.Errorf("%d points, want two for each of three files", points)
	}
}

// C1: the disk's free space is heeded, and the folder is written when there is room.
func TestC1FolderHeedsTheDisk(t *testing.T) {
	b := newBench(t, everyType)
	b.commit(1, map[string]string{"T/" + cdm.FullPartition: values})
	b.room = 1 << 60
	b.sync()
	if _, written := b.read(); written {
		t.Error("a folder was written onto a disk without room")
	}
	b.room = 1
	b.sync()
	if _, written := b.read(); !written {
		t.Error("no folder was written")
	}
}

// C1: Run writes at its start, and after each end of a refresh.
func TestC1FolderRuns(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	b := newBench(t, everyType)
	b.commit(1, map[string]string{"T/" + cdm.FullPartition: values})
	written := make(chan string, 16)
	b.point = func(point string) error {
		if point == "renamed model.json" {
			written <- point
		}
		return nil
	}
	service := b.service()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		service.Run(ctx)
	}()
	<-written
	b.commit(2, map[string]string{"T/" + cdm.FullPartition: values})
	close(b.ended)
	<-written
	stop()
	<-ended
}

// C1: of generation 2 the model.json is made of what is known; a workspace may have a root of its own.
func TestC1FolderOfGeneration2(t *testing.T) {
	b := newBench(t, "")
	b.files = map[string][]byte{"mashup.pq": []byte("section S; shared T = Source;"), "queryMetadata.json": []byte(`{"formatVersion":"202502"}`)}
	b.flow.WorkspaceName, b.flow.Name = "Sales", strings.Repeat("長い名前", 30)
	b.commit(1, map[string]string{"T/" + cdm.FullPartition: "SELECT 1::BIGINT AS n, TIMESTAMP '2024-01-02 00:00:00' AS day"})
	own := filepath.Join(t.TempDir(), "own")
	memory, err := capacity.New(capacity.Options{Name: "default", Memory: 1 << 30})
	b.must(err)
	service := cdmfolder.New(cdmfolder.Options{
		Roots: []cdmfolder.Root{{Path: b.root}, {Workspace: "sales", Path: own}}, Flows: columned{b}, Store: b.store, Capacity: memory, TempDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	b.must(service.Sync(t.Context()))
	found, err := filepath.Glob(filepath.Join(own, "Sales", "*", "model.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	content, err := os.ReadFile(found[0])
	b.must(err)
	for _, want := range []string{`"version": "1.0"`, `"$type": "LocalEntity"`, `"dataType": "int64"`, `"dataType": "date"`, `"columnHeaders": false`, fmt.Sprintf("%q", b.flow.Name)} {
		if !strings.Contains(string(content), want) {
			t.Errorf("%s is not in\n%s", want, content)
		}
	}
	csvs, err := filepath.Glob(filepath.Join(filepath.Dir(found[0]), "T", "*.csv"))
	b.must(err)
	if text, err := os.ReadFile(csvs[0]); err != nil || string(text) != "1,2024-01-02\r\n" {
		t.Errorf("rows %q, %v", text, err)
	}
}

// columned are dataflows whose columns a refresh has found.
type columned struct{ *bench }

// Dataflow implements what a Service reads.
func (c columned) Dataflow(context.Context, string, int64) (map[string][]byte, *model.Model, error) {
	return c.files, c.model().WithColumns([]*model.Table{{Name: "T", Columns: []*model.Column{{Name: "n", DataType: model.Int64}, {Name: "day", DataType: model.DateTime, Moment: "date"}}}}), nil
}
