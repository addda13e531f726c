package crash

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/uuid"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/catalog"
	"freshet.dev/internal/dataflow/cdmfolder"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	files "freshet.dev/internal/source/file"
	"freshet.dev/internal/source/postgres"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

// capacityName is where the model's workspace is.
const capacityName = "default"

// password is planted in the configuration; it may be read nowhere.
const password = "plAnted-S3cret"

// site is the directory of one run: the sources, the catalog, the data files, and the journal in which every process of the run writes.
type site struct {
	run
	shape
	dir     string
	items   map[string]string // the ids of dataflows by name; of a model it alone, by ""
	ids     []string          // of the operations that are submitted
	earlier []string          // those that ended before the run

	journal *os.File
	log     *os.File
	history *history
	planted planted

	looking sync.Mutex // held from a look to its line in the journal: looks have an order

	mu   sync.Mutex
	read map[string]string // digests by file: files do not change
}

// planted are the bugs by which the checkers are tested. None is the product.
type planted struct {
	log      func(refresh.Log) refresh.Log
	versions func(*catalog.Catalog) versions
}

// versions is what a store asks the catalog.
type versions interface {
	CurrentVersion(ctx context.Context, model string) (store.Version, error)
	FilesInUse(ctx context.Context) ([]string, error)
	ForgetVersions(ctx context.Context, since time.Time, pinned []store.Pin) error
}

// entry is a line of the journal: one of these.
type entry struct {
	Reached  string `json:",omitempty"` // a point, by the process that the fault is made in
	Passed   string `json:",omitempty"` // a point, by any process, the first time
	Promised string `json:",omitempty"` // an operation of which Submit said that it is accepted or queued
	Look     *look  `json:",omitempty"`
	Problem  string `json:",omitempty"` // of the suite itself
}

// look is what a reader saw.
type look struct {
	Who, At  string
	Folders  bool              // in the CDM folders
	Versions map[string]int64  // of each model or dataflow
	Parts    map[string]string // the digest of each partition's rows, by table/partition
}

func (o object) String() string {
	if o.Item == "" {
		return o.Table + "/" + o.Partition
	}
	return o.Item + "/" + o.Table + "/" + o.Partition
}

// settled is what a process must know to go on with a run.
type settled struct {
	Run   run
	Items map[string]string
	Kill  trigger
}

// trigger says when a fault is made.
type trigger struct {
	Point      string
	Armed, Nth int
}

// openSite opens the directory of a run.
func openSite(r run, dir string, items map[string]string) (*site, error) {
	s := &site{run: r, shape: r.shape(), dir: dir, items: items, history: newHistory(), read: map[string]string{}}
	if s.items == nil {
		s.items = map[string]string{}
	}
	for n := range 2 {
		s.ids = append(s.ids, uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, r, n)).String())
	}
	if !s.standard {
		s.ids = s.ids[:1]
	}
	var err error
	if s.journal, err = os.OpenFile(filepath.Join(dir, "journal"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	s.log, err = os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return s, err
}

func (s *site) close() {
	_ = s.journal.Close() // written line by line
	_ = s.log.Close()
}

func (s *site) sources() string { return filepath.Join(s.dir, "sources") }
func (s *site) files() string   { return filepath.Join(s.dir, "files") }
func (s *site) catalog() string { return filepath.Join(s.dir, "catalog", "catalog.db") }

// write adds a line to the journal. What a process has written stays when it is killed.
func (s *site) write(e entry) {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = s.journal.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err) // the suite cannot go on
	}
}

// entries reads the journal.
func (s *site) entries() ([]entry, error) {
	journal, err := os.Open(filepath.Join(s.dir, "journal"))
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	var list []entry
	for lines := bufio.NewScanner(journal); lines.Scan(); {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// prepare makes the site: sources, a deployed model, a first refresh of generation 1, the sources of generation 2, and a data file that
// a crash has left behind. From here on the database itself keeps every change of state.
func (s *site) prepare(ctx context.Context) error {
	for _, folder := range []string{s.sources(), filepath.Dir(s.catalog())} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	for _, o := range s.objects {
		if !s.chains() || sourced[o.Item] == o.Table {
			if err := s.writeRows(s.sources(), o, 1); err != nil {
				return err
			}
		}
	}
	if s.chains() {
		if err := s.writeDays(s.sources(), 1); err != nil {
			return err
		}
	}
	if err := s.deploy(ctx); err != nil {
		return err
	}
	i, err := s.open("setup", nil, nil)
	if err != nil {
		return err
	}
	defer i.stop()
	i.start()
	if err := s.firstRefresh(ctx, i); err != nil {
		return err
	}
	if err := s.change(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.files(), uuid.NewString()+".parquet"), []byte("left behind"), 0o600); err != nil {
		return err
	}
	return s.tap()
}

// deploy deploys what is to be refreshed.
func (s *site) deploy(ctx context.Context) error {
	rows, err := catalog.Open(ctx, s.catalog())
	if err != nil {
		return err
	}
	defer rows.Close()
	if s.chains() {
		return s.deployFlows(ctx, rows)
	}
	definition, err := s.definition(s.sources())
	if err != nil {
		return err
	}
	deployed, err := workspace.New(rows, nil, workspace.Options{Capacities: []string{capacityName}}).Deploy(ctx, workspace.Caller{ID: "owner", Owner: true},
		workspace.Deploy{Workspace: "W", CreateWorkspace: true, Files: map[string][]byte{"model.bim": definition}})
	s.items[""] = deployed.Item.ID
	return err
}

// firstRefresh loads everything.
func (s *site) firstRefresh(ctx context.Context, i *incarnation) error {
	kind := "full"
	whole := refresh.Params{Type: &kind}
	first := []string{s.items[""]}
	if s.chains() {
		first = []string{s.items[rates], s.items[landing]}
	} else {
		for _, o := range s.objects {
			whole.Objects = append(whole.Objects, refresh.Object{Table: o.Table, Partition: o.Partition})
		}
	}
	for _, item := range first {
		if _, _, err := i.engine.Submit(ctx, refresh.Submission{Model: item, Params: whole}); err != nil {
			return err
		}
		if err := i.rest(ctx); err != nil {
			return err
		}
	}
	list, err := i.rows.List(ctx, refresh.Filter{})
	if err != nil {
		return err
	}
	for _, operation := range list {
		s.earlier = append(s.earlier, operation.ID)
		if operation.State != refresh.Completed {
			return fmt.Errorf("a first refresh ended as %s: %+v", operation.State, operation.Failure)
		}
	}
	return nil
}

// change makes the sources those of the run.
func (s *site) change() error {
	changed := s.objects
	if s.chains() {
		changed = nil
		for flow, generation := range s.sourcesOf() {
			if generation > 1 {
				changed = append(changed, object{flow, sourced[flow], cdm.FullPartition})
			}
		}
		if err := s.writeDays(s.sources(), 2); err != nil {
			return err
		}
	}
	for _, o := range changed {
		var err error
		if slices.Contains(s.broken, o) {
			err = breakRows(s.sources(), o)
		} else {
			err = s.writeRows(s.sources(), o, 2)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sourcesOf are the generations of the dataflows' sources that are there to be read. Where two chains are refreshed the second one alone has something
// new, so that what the first one makes is old.
func (s *site) sourcesOf() generations {
	if s.standard {
		return generations{landing: 2}
	}
	return generations{landing: 2, clean: 2, mart: 2}
}

// tap makes triggers that keep every change of an operation's state and of a model's version, in the transaction that changes it.
func (s *site) tap() error {
	return s.sql(`CREATE TABLE tapped (seq INTEGER PRIMARY KEY, operation TEXT, model TEXT, epoch INTEGER, was TEXT, became TEXT)`,
		`CREATE TABLE tapped_versions (seq INTEGER PRIMARY KEY, model TEXT, was INTEGER, became INTEGER)`,
		`INSERT INTO tapped (operation, model, epoch, was, became) SELECT id, model, epoch, '', state FROM operations`,
		`CREATE TRIGGER tap_insert AFTER INSERT ON operations BEGIN
			INSERT INTO tapped (operation, model, epoch, was, became) VALUES (NEW.id, NEW.model, NEW.epoch, '', NEW.state); END`,
		`CREATE TRIGGER tap_update AFTER UPDATE ON operations WHEN OLD.state <> NEW.state OR OLD.epoch <> NEW.epoch BEGIN
			INSERT INTO tapped (operation, model, epoch, was, became) VALUES (NEW.id, NEW.model, NEW.epoch, OLD.state, NEW.state); END`,
		`CREATE TRIGGER tap_delete AFTER DELETE ON operations BEGIN
			INSERT INTO tapped (operation, model, epoch, was, became) VALUES (OLD.id, OLD.model, OLD.epoch, OLD.state, ''); END`,
		`CREATE TRIGGER tap_version AFTER UPDATE OF version ON items BEGIN
			INSERT INTO tapped_versions (model, was, became) VALUES (NEW.id, OLD.version, NEW.version); END`)
}

// sql runs statements on the catalog's file past the catalog.
func (s *site) sql(statements ...string) error {
	db, err := sql.Open("sqlite3", "file:"+s.catalog()+"?_busy_timeout=10000&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// mend makes the broken files whole.
func (s *site) mend() error {
	for _, o := range s.broken {
		if err := s.writeRows(s.sources(), o, 2); err != nil {
			return err
		}
	}
	return nil
}

// incarnation is one life of a service on the site.
type incarnation struct {
	*site
	who    string
	rows   *catalog.Catalog
	store  *store.Store
	engine *refresh.Engine
	source *source.Registry
	cdm    *cdmfolder.Service
	folds  bool // it writes the CDM folders; who shares a data directory does not

	cancel context.CancelFunc
	ended  chan error

	hits   sync.Mutex
	fault  *trigger
	do     func() error // makes the fault, once
	pause  *trigger     // when its capacity is paused
	armed  int          // backoffs
	passed map[string]int
}

// open opens the rooms of a service. A fault is made where the trigger says. shared is the store of another life that goes on.
func (s *site) open(who string, fault *trigger, do func() error) (*incarnation, error) {
	return s.openOn(nil, who, fault, do)
}

func (s *site) openOn(shared *store.Store, who string, fault *trigger, do func() error) (*incarnation, error) {
	ctx := context.Background()
	i := &incarnation{site: s, who: who, fault: fault, do: do, passed: map[string]int{}, cancel: func() {}, store: shared}
	if fault != nil && s.pauses() {
		i.pause = &trigger{"step running, after", fault.Armed, 1}
	}
	var err error
	if i.rows, err = catalog.OpenWith(ctx, s.catalog(), catalog.Options{Failpoint: i.at}); err != nil {
		return nil, err
	}
	i.folds = shared == nil && s.folding
	if shared == nil {
		var named versions = i.rows
		if s.planted.versions != nil {
			named = s.planted.versions(i.rows)
		}
		if i.store, err = store.Open(store.Options{
			// A file system's clock is not quite the process's: by this one every file is past the grace time.
			Dir: s.files(), Versions: named, Grace: time.Nanosecond, Now: func() time.Time { return time.Now().Add(time.Minute) }, NewID: uuid.NewString, Failpoint: i.at,
		}); err != nil {
			return nil, err
		}
	}
	if i.source, err = source.NewRegistry([]source.Kind{files.Kind(), postgres.Kind()}, source.Formats{CSV: csv.Open}, []source.Setting{
		{Kind: "File", Path: s.sources()}, {Kind: "PostgreSQL", Path: "127.0.0.1:1;ledger", Username: "etl", Password: password},
	}); err != nil {
		return nil, err
	}
	statuses, err := i.rows.CapacityStatuses(ctx)
	if err != nil {
		return nil, err
	}
	place, err := capacity.New(capacity.Options{Name: capacityName, Memory: 1 << 30, Status: statuses[capacityName], Book: i.rows})
	if err != nil {
		return nil, err
	}
	var log refresh.Log = i.rows
	if s.planted.log != nil {
		log = s.planted.log(log)
	}
	i.engine, err = refresh.New(refresh.Options{
		Log:    &seam{Log: log, who: who, at: i.at, history: s.history, mend: s.mend, mendAt: s.failing + 1, sweep: i.sweep, move: i.move},
		Models: i.rows, Store: i.store, Sources: i.source, Capacities: []*capacity.Capacity{place}, Chains: flows{i.rows}, Dataflows: flows{i.rows},
		TempDir: filepath.Join(s.dir, "temp-"+who), Owner: who, Now: time.Now, NewID: uuid.NewString,
		Logger:         slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", who),
		HeartbeatEvery: s.heartbeat, RetryAll: true, StepMemory: 64 << 20, Random: func() float64 { return 0 },
	})
	if err != nil {
		return nil, err
	}
	i.cdm = cdmfolder.New(cdmfolder.Options{
		Roots: []cdmfolder.Root{{Path: s.folders()}}, Flows: flows{i.rows}, Store: i.store, Capacity: place, TempDir: filepath.Join(s.dir, "temp-folders-"+who), Ended: i.engine.Ended,
		Logger: slog.New(slog.NewJSONHandler(s.log, nil)).With("who", who), Failpoint: i.folderPoint,
	})
	return i, nil
}

// start lets the engine work.
func (i *incarnation) start() {
	ctx, cancel := context.WithCancel(context.Background())
	i.ended = make(chan error, 1)
	i.cancel = cancel
	go func() {
		var others sync.WaitGroup
		if i.pauses() {
			others.Go(func() { i.resume(ctx) })
		}
		if i.folds {
			others.Go(func() { i.cdm.Run(ctx) })
		}
		err := i.engine.Run(ctx)
		others.Wait()
		i.ended <- err
	}()
}

// pauses tells whether the run's capacity is paused on the way.
func (s *site) pauses() bool {
	p, _ := pointNamed(s.Point)
	return p.way == onPause
}

// resume resumes the capacity whenever a refresh rests with it.
func (i *incarnation) resume(ctx context.Context) {
	for ctx.Err() == nil {
		i.history.mu.Lock()
		changed := i.history.changed
		i.history.mu.Unlock()
		list, err := i.rows.Unfinished(ctx)
		if err == nil && slices.ContainsFunc(list, func(o refresh.Operation) bool { return o.State == refresh.Paused }) {
			_, err = i.engine.SetCapacity(ctx, capacityName, capacity.Active, i.who)
		}
		if err != nil && ctx.Err() == nil {
			i.write(entry{Problem: "cannot resume the capacity: " + err.Error()})
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// halt ends the work as a service does that is told to stop; stop closes the rooms too.
func (i *incarnation) halt() {
	i.cancel()
	if i.ended != nil {
		<-i.ended
		i.ended = nil
	}
}

func (i *incarnation) stop() {
	i.halt()
	if err := errors.Join(i.source.Close(), i.rows.Close()); err != nil {
		i.write(entry{Problem: err.Error()})
	}
}

// sweep is the service's sweeping, at a moment that the seam chooses. The attempts of a chain leave nothing that could be deleted at the point for
// that: a file without a name in the catalog lies there, as a process leaves it that is killed before it stores one.
func (i *incarnation) sweep(ctx context.Context) {
	if i.chains() && i.Point == "sweep deletes" {
		if err := os.WriteFile(filepath.Join(i.files(), uuid.NewString()+".parquet"), nil, 0o600); err != nil {
			i.write(entry{Problem: err.Error()})
		}
	}
	if _, err := i.store.Sweep(ctx); err != nil {
		slog.New(slog.NewJSONHandler(i.log, nil)).Error("cannot delete files that nobody needs", "error", err)
	}
}

// at is every point of every life: a reader looks, and the fault is made when its moment has come.
func (i *incarnation) at(ctx context.Context, name string) error {
	if i.who == "setup" {
		return nil
	}
	i.pass(name)
	if !strings.HasPrefix(name, "heartbeat") {
		i.look(context.WithoutCancel(ctx), name)
	}
	fault, pause := i.now(name)
	if pause {
		if _, err := i.engine.SetCapacity(context.WithoutCancel(ctx), capacityName, capacity.Paused, i.who); err != nil {
			i.write(entry{Problem: "cannot pause the capacity: " + err.Error()})
		}
	}
	if !fault {
		return nil
	}
	i.write(entry{Reached: name})
	return i.do()
}

func (i *incarnation) pass(name string) {
	i.hits.Lock()
	defer i.hits.Unlock()
	if i.passed[name]++; i.passed[name] > 1 {
		return
	}
	if _, known := pointNamed(name); !known {
		i.write(entry{Problem: "the point '" + name + "' is not in the list"})
	}
	i.write(entry{Passed: name})
}

// now tells whether the fault is to be made here, and whether the capacity is to be paused.
func (i *incarnation) now(name string) (fault, pause bool) {
	i.hits.Lock()
	defer i.hits.Unlock()
	fault, pause = i.fault.comes(name, i.armed), i.pause.comes(name, i.armed)
	if name == "backoff, after" {
		i.armed++
	}
	return fault, pause
}

// comes tells whether its moment is there, after so many backoffs; it comes once.
func (t *trigger) comes(name string, backoffs int) bool {
	if t == nil || backoffs < t.Armed || name != t.Point {
		return false
	}
	t.Nth--
	return t.Nth == 0
}

// look reads what readers see now.
func (i *incarnation) look(ctx context.Context, at string) {
	i.looking.Lock()
	defer i.looking.Unlock()
	versions, parts, err := i.visible(ctx, i.rows)
	if err != nil {
		i.write(entry{Problem: "cannot read: " + err.Error()})
		return
	}
	i.write(entry{Look: &look{Who: i.who, At: at, Versions: versions, Parts: parts}})
	if !i.folding {
		return
	}
	if parts, err = i.told(); err != nil {
		i.write(entry{Problem: "cannot read the CDM folders: " + err.Error()})
		return
	}
	i.write(entry{Look: &look{Who: i.who, At: at, Folders: true, Parts: parts}})
}

// visible reads the rows of the versions that are current, which one statement of the catalog names.
func (s *site) visible(ctx context.Context, rows *catalog.Catalog) (map[string]int64, map[string]string, error) {
	list, err := rows.Items(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	versions, parts := map[string]int64{}, map[string]string{}
	for _, o := range s.objects {
		parts[o.String()] = "nothing"
	}
	for _, item := range list {
		name := item.Name
		if !s.chains() {
			name = ""
		}
		version, err := rows.Version(ctx, item.ID, item.Version)
		if err != nil {
			return nil, nil, err
		}
		versions[name] = version.Number
		for _, part := range version.Parts {
			if len(part.Files) > 0 {
				parts[object{name, part.Table, part.Partition}.String()] = s.digestOf(ctx, part.Table, part.Files[len(part.Files)-1].ID)
			}
		}
	}
	return versions, parts, nil
}

func (s *site) digestOf(ctx context.Context, table, id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.read[id]; ok {
		return known
	}
	rows, err := readFile(ctx, filepath.Join(s.files(), id+".parquet"))
	if err != nil {
		return "unreadable: " + err.Error()
	}
	s.read[id] = digest(cut(table, rows))
	return s.read[id]
}

// readFile reads the rows of a Parquet file in their order, by nothing of Freshet.
func readFile(ctx context.Context, path string) ([][]string, error) {
	opened, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	reader, err := pqarrow.NewFileReader(opened, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	table, err := reader.ReadTable(ctx)
	if err != nil {
		return nil, err
	}
	defer table.Release()
	batches := array.NewTableReader(table, 0)
	defer batches.Release()
	var rows [][]string
	for batches.Next() {
		batch := batches.RecordBatch()
		for n := range int(batch.NumRows()) {
			row := make([]string, batch.NumCols())
			for c := range row {
				row[c] = batch.Column(c).ValueStr(n)
			}
			rows = append(rows, row)
		}
	}
	return rows, batches.Err()
}

// asked is the model or dataflow of the n-th request. Of two chains the first one is that of the second dataflow, so that the other one is
// behind it.
func (s *site) asked(n int) string {
	switch {
	case !s.chains():
		return s.items[""]
	case s.standard && n == 0:
		return s.items[clean]
	}
	return s.items[landing]
}

// moved are the operations by which the dataflow Rates is refreshed meanwhile.
func (s *site) moved() (ids []string) {
	for n := range 2 {
		ids = append(ids, uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, s.run, "moved", n)).String())
	}
	return ids
}

// submit sends the run's requests as a client does that wants them done: until it hears of an id, always with the same ids.
func (i *incarnation) submit(ctx context.Context) error {
	for n, id := range i.ids {
		for {
			operation, outcome, err := i.engine.Submit(ctx, refresh.Submission{Model: i.asked(n), ID: id, Params: i.params(i.Mode)})
			if err == nil && (outcome == refresh.OutcomeAccepted || outcome == refresh.OutcomeQueued) {
				i.write(entry{Promised: operation.ID})
				break
			}
			if err == nil {
				return fmt.Errorf("the refresh is %s", outcome)
			}
			if !errors.Is(err, errPlanted) {
				return err
			}
		}
	}
	return nil
}

// rest returns when nothing is unfinished.
func (i *incarnation) rest(ctx context.Context) error {
	for {
		i.history.mu.Lock()
		changed := i.history.changed
		i.history.mu.Unlock()
		list, err := i.rows.Unfinished(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s is still %s: %w", list[0].ID, list[0].State, context.Cause(ctx))
		}
	}
}
