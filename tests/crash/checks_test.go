package crash

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/refresh"
)

// evidence is what a run has left, once everything has come to rest and the store has been swept once.
type evidence struct {
	run
	shape
	ids        []string
	items      map[string]string // as those of site
	earlier    []string
	looks      []look
	promised   []string
	crashed    bool
	afterCrash []string // the ids that were found before anything else ran
	operations []refresh.Operation
	steps      map[string][]refresh.Step
	states     []stateChange
	versions   [][2]int64        // what a version was, and became
	current    map[string]int64  // the versions of items, by name
	kept       []keptVersion     // that the catalog has not forgotten
	told       map[string]string // digests of the rows in the CDM folders
	old, want  map[string]string // digests of the rows before, and by the recount
	rows       map[string]string // digests of the rows that readers see
	files      []string          // that are there, drafts included
	named      []string          // that a version names
	texts      map[string]string // everything that somebody may read, by where
	writes     []written         // of the log, in this process
}

// keptVersion is a version of a model or dataflow.
type keptVersion struct {
	model  string
	number int64
}

// stateChange is a row of the triggers of tap.
type stateChange struct {
	operation, model string
	epoch            int64
	was, became      refresh.State
}

// checker is one thing that must hold after every run.
type checker struct {
	name  string
	check func(*evidence) error
}

var checkers = []checker{
	{"one version is visible over all tables", oneVersion},
	{"each stored id is in one final state", oneFinalState},
	{"Completed means the rows of an independent recount", completedIsRecount},
	{"not Completed means the rows of before", otherwiseOldRows},
	{"never two running for a model", neverTwoRunning},
	{"no orphan files after one sweep, none missing", filesAreNamed},
	{"the history is monotone", monotone},
	{"no secret is told", noSecret},
	{"a 202 is a promise", promisesAreKept},
	{"a stale owner writes nothing", staleWritesNothing},
	{"a chain ends as its workspace says", chainEnds},
	{"the history tells of each version", historyIsTrue},
	{"nothing is kept for what has ended", released},
	{"CDM folders show what readers see", foldersFollow},
}

// oneVersion: R9. What a reader saw is all old or all new; with partialBatch each partition is.
func oneVersion(e *evidence) error {
	for _, look := range e.looks {
		if e.chains() {
			if err := e.fits(look); err != nil {
				return err
			}
			continue
		}
		old, fresh := 0, 0
		for name, rows := range look.Parts {
			if rows != e.old[name] && rows != e.want[name] {
				return fmt.Errorf("%s saw at '%s' in %s rows that never were: %s, neither %s nor %s", look.Who, look.At, name, rows, e.old[name], e.want[name])
			}
			if e.old[name] == e.want[name] {
				continue
			}
			if rows == e.old[name] {
				old++
			} else {
				fresh++
			}
		}
		if e.Mode == transactional && old > 0 && fresh > 0 {
			return fmt.Errorf("%s saw at '%s' a mixture: %d partitions of before and %d of after", look.Who, look.At, old, fresh)
		}
	}
	if len(e.looks) == 0 {
		return errors.New("nobody looked")
	}
	return nil
}

// oneFinalState: each id that was stored is one row of the history, and has ended once.
func oneFinalState(e *evidence) error {
	rows, ends := map[string]int{}, map[string]int{}
	for _, operation := range e.operations {
		rows[operation.ID]++
		if !operation.State.Finished() {
			return fmt.Errorf("%s is %s", operation.ID, operation.State)
		}
	}
	for _, change := range e.states {
		if _, stored := ends[change.operation]; !stored {
			ends[change.operation] = 0
		}
		if change.became.Finished() && !change.was.Finished() {
			ends[change.operation]++
		}
	}
	for id, n := range ends {
		if n != 1 || rows[id] != 1 {
			return fmt.Errorf("%s was stored, ended %d times and is in the history %d times", id, n, rows[id])
		}
	}
	return nil
}

// last is the operation that ended last, of those of the run.
func (e *evidence) last() (refresh.Operation, bool) {
	var last refresh.Operation
	for _, operation := range e.operations {
		if slices.Contains(e.ids, operation.ID) && (last.ID == "" || operation.EndedAt.After(last.EndedAt)) {
			last = operation
		}
	}
	return last, last.ID != ""
}

func completedIsRecount(e *evidence) error {
	if e.chains() {
		return sameRows(e.rows, e.rowsOfChains(refresh.Completed))
	}
	if last, found := e.last(); !found || last.State != refresh.Completed {
		return nil
	}
	return sameRows(e.rows, e.want)
}

// otherwiseOldRows: R9. With partialBatch a partition whose step was committed has its new rows, and the others those of before.
func otherwiseOldRows(e *evidence) error {
	if e.chains() {
		return e.otherwiseOldInChains()
	}
	last, found := e.last()
	if !found || last.State == refresh.Completed {
		return nil
	}
	want := map[string]string{}
	for name, rows := range e.old {
		want[name] = rows
	}
	for _, step := range e.steps[last.ID] {
		switch {
		case step.State != refresh.StepCommitted:
		case e.Mode == transactional:
			return fmt.Errorf("step %d of a refresh that ended as %s is committed", step.Number, last.State)
		default:
			name := object{"", step.Table, step.Partition}.String()
			want[name] = e.want[name]
		}
	}
	return sameRows(e.rows, want)
}

func sameRows(got, want map[string]string) error {
	for name := range want {
		if got[name] != want[name] {
			return fmt.Errorf("%s has the rows %s, not %s", name, got[name], want[name])
		}
	}
	return nil
}

// neverTwoRunning: R6.
func neverTwoRunning(e *evidence) error {
	working := map[string]string{}
	for _, change := range e.states {
		switch {
		case change.became == refresh.Queued:
		case change.became == "" || change.became.Finished():
			if working[change.model] == change.operation {
				delete(working, change.model)
			}
		case working[change.model] != "" && working[change.model] != change.operation:
			return fmt.Errorf("%s is %s while %s is not finished", change.operation, change.became, working[change.model])
		default:
			working[change.model] = change.operation
		}
	}
	return nil
}

// filesAreNamed: what is in the store's folder is what versions name.
func filesAreNamed(e *evidence) error {
	for _, file := range e.files {
		if !slices.Contains(e.named, file) {
			return fmt.Errorf("no version names the file %s", file)
		}
	}
	for _, file := range e.named {
		if !slices.Contains(e.files, file) {
			return fmt.Errorf("a version names the file %s, which is not there", file)
		}
	}
	if len(e.named) == 0 {
		return errors.New("no version names a file")
	}
	return nil
}

// monotone: operations never vanish, go only ways that the table of states has, never get an older owner, and versions only grow.
func monotone(e *evidence) error {
	epochs := map[string]int64{}
	for _, change := range e.states {
		switch {
		case change.became == "":
			return fmt.Errorf("%s has vanished", change.operation)
		case change.epoch < epochs[change.operation]:
			return fmt.Errorf("%s went from owner %d to owner %d", change.operation, epochs[change.operation], change.epoch)
		case change.was != "" && change.was != change.became && !change.was.CanBecome(change.became):
			return fmt.Errorf("%s went from %s to %s", change.operation, change.was, change.became)
		}
		epochs[change.operation] = change.epoch
	}
	for _, change := range e.versions {
		if change[1] != change[0]+1 {
			return fmt.Errorf("version %d was followed by %d", change[0], change[1])
		}
	}
	seen := map[string]int64{}
	for _, look := range e.looks {
		for name, version := range look.Versions {
			if version < seen[name] {
				return fmt.Errorf("%s saw at '%s' version %d after %d", look.Who, look.At, version, seen[name])
			}
			seen[name] = version
		}
	}
	return nil
}

func noSecret(e *evidence) error {
	for where, text := range e.texts {
		if strings.Contains(text, password) {
			return fmt.Errorf("the planted password stands in %s", where)
		}
	}
	if len(e.texts["the log"]) == 0 {
		return errors.New("nothing was logged")
	}
	return nil
}

// promisesAreKept: R4. An id that Submit returned is found after the crash, and at the end.
func promisesAreKept(e *evidence) error {
	for _, id := range e.promised {
		if e.crashed && !slices.Contains(e.afterCrash, id) {
			return fmt.Errorf("%s was promised, and is not found after the crash", id)
		}
		if !slices.ContainsFunc(e.operations, func(o refresh.Operation) bool { return o.ID == id }) {
			return fmt.Errorf("%s was promised, and is not found", id)
		}
	}
	return nil
}

// staleWritesNothing: a write that began when another owner had claimed the operation did not succeed.
func staleWritesNothing(e *evidence) error {
	for _, claim := range e.writes {
		if claim.name != "claim" || claim.err != nil {
			continue
		}
		for _, write := range e.writes {
			if write.operation == claim.operation && write.epoch < claim.epoch && write.begun > claim.ended && write.err == nil && write.name != "submit" {
				return fmt.Errorf("owner %d (%s) stored '%s' after owner %d (%s) had taken over", write.epoch, write.who, write.name, claim.epoch, claim.who)
			}
		}
	}
	return nil
}

// gather collects the evidence of a run that has come to rest. An engine that has lost its operation to another one may still hold a file: it
// is stopped first.
func (s *site) gather(ctx context.Context, i *incarnation) (*evidence, error) {
	i.halt()
	e := &evidence{run: s.run, shape: s.shape, ids: s.ids, items: s.items, earlier: s.earlier, steps: map[string][]refresh.Step{}, old: map[string]string{}, want: map[string]string{}, texts: map[string]string{}, writes: s.history.all()}
	for range 2 { // the fault may be met by the first one only: what that fails is for the next one
		if !s.folding {
			break
		}
		if err := i.cdm.Sync(ctx); err != nil {
			return nil, err
		}
	}
	if _, err := i.store.Sweep(ctx); err != nil {
		return nil, err
	}
	entries, err := s.entries()
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		switch {
		case entry.Look != nil:
			e.looks = append(e.looks, *entry.Look)
		case entry.Promised != "":
			e.promised = append(e.promised, entry.Promised)
		case entry.Problem != "":
			return nil, errors.New(entry.Problem)
		}
	}
	if err := s.recounts(e); err != nil {
		return nil, err
	}
	if e.current, e.rows, err = s.visible(ctx, i.rows); err != nil {
		return nil, err
	}
	if e.told, err = s.told(); err != nil {
		return nil, err
	}
	if err := s.gatherHistory(ctx, e, i.rows); err != nil {
		return nil, err
	}
	if err := s.gatherTaps(e); err != nil {
		return nil, err
	}
	return e, s.gatherFiles(e)
}

// recounts says which rows there were and which there are to be.
func (s *site) recounts(e *evidence) (err error) {
	if s.chains() {
		e.old, e.want = s.rowsAt(nil), s.rowsAt(s.sourcesOf())
		return nil
	}
	for _, o := range s.objects {
		e.old[o.String()] = digest(s.rowsOf(o, 1))
		e.want[o.String()] = e.old[o.String()]
		if slices.Contains(s.scope, o) {
			if e.want[o.String()], err = recount(s.sources(), o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *site) gatherHistory(ctx context.Context, e *evidence, rows *catalog.Catalog) (err error) {
	if e.operations, err = rows.List(ctx, refresh.Filter{}); err != nil {
		return err
	}
	for _, operation := range e.operations {
		if e.steps[operation.ID], err = rows.Steps(ctx, operation.ID); err != nil {
			return err
		}
		messages, err := rows.Messages(ctx, operation.ID)
		if err != nil {
			return err
		}
		e.texts["refresh "+operation.ID] = fmt.Sprintf("%+v %+v %+v %s", operation, e.steps[operation.ID], messages, operation.Failure.JSON())
		for _, step := range e.steps[operation.ID] {
			e.texts["step "+step.Partition+" of "+operation.ID] = step.Failure.JSON()
		}
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	e.texts["the log"] = string(log)
	return err
}

// gatherTaps reads what the database itself has kept, and which files its versions name.
func (s *site) gatherTaps(e *evidence) error {
	db, err := sql.Open("sqlite3", "file:"+s.catalog()+"?_busy_timeout=10000")
	if err != nil {
		return err
	}
	defer db.Close()
	each := func(query string, scan func(*sql.Rows) error) error {
		rows, err := db.Query(query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	return errors.Join(
		each(`SELECT operation, model, epoch, was, became FROM tapped ORDER BY seq`, func(rows *sql.Rows) error {
			var c stateChange
			err := rows.Scan(&c.operation, &c.model, &c.epoch, &c.was, &c.became)
			e.states = append(e.states, c)
			return err
		}),
		each(`SELECT was, became FROM tapped_versions ORDER BY seq`, func(rows *sql.Rows) error {
			var v [2]int64
			err := rows.Scan(&v[0], &v[1])
			e.versions = append(e.versions, v)
			return err
		}),
		each(`SELECT model, number FROM versions`, func(rows *sql.Rows) error {
			var v keptVersion
			err := rows.Scan(&v.model, &v.number)
			e.kept = append(e.kept, v)
			return err
		}),
		each(`SELECT id FROM part_files`, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			e.named = append(e.named, id+".parquet")
			return err
		}))
}

func (s *site) gatherFiles(e *evidence) error {
	return filepath.WalkDir(s.files(), func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			e.files = append(e.files, entry.Name())
		}
		return err
	})
}
