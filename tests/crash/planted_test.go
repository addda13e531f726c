package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// Each checker is tested: with a bug that breaks what it checks it must say so, in the words given.
func TestCheckersSeePlantedBugs(t *testing.T) {
	type bug struct {
		name    string
		checker string
		says    string
		run     func(ctx context.Context, s *site) (*evidence, error)
	}
	for r, bugs := range map[run][]bug{{"step running, before", staleOwner, transactional, first, 3}: {
		{"a commit in two transactions", "one version is visible over all tables", "a mixture",
			withLog(func(log refresh.Log) refresh.Log { return splitting{log} })},
		{"a commit that leaves a partition out", "Completed means the rows of an independent recount", "has the rows",
			withLog(func(log refresh.Log) refresh.Log { return forgetting{log} })},
		{"a step that is shown before the others are done", "not Completed means the rows of before", "is committed",
			func(ctx context.Context, s *site) (*evidence, error) {
				s.scope, s.broken, s.parallel, s.failing = s.objects, s.objects[len(s.objects)-1:], 1, 1
				if err := breakRows(s.sources(), s.broken[0]); err != nil {
					return nil, err
				}
				return withLog(func(log refresh.Log) refresh.Log { return hasty{log} })(ctx, s)
			}},
		{"an id before it is stored", "a 202 is a promise", "is not found after the crash", promiseTooEarly},
		{"two operations of a model", "never two running for a model", "is not finished", twoAtOnce},
		{"a sweep that takes everything for needed", "no orphan files after one sweep, none missing", "no version names the file",
			func(ctx context.Context, s *site) (*evidence, error) {
				s.planted.versions = func(rows *catalog.Catalog) versions { return greedy{rows, s.files()} }
				return s.undisturbed(ctx)
			}},
		{"a file that was renamed and not flushed", "no orphan files after one sweep, none missing", "which is not there",
			func(ctx context.Context, s *site) (*evidence, error) {
				return withLog(func(log refresh.Log) refresh.Log { return losing{log, s.files()} })(ctx, s)
			}},
		{"a final state that is left again", "each stored id is in one final state", "ended 2 times",
			afterwards(`UPDATE operations SET state = 'Running', ended_at = NULL WHERE seq = 2`, `UPDATE operations SET state = 'Completed', ended_at = 1 WHERE seq = 2`)},
		{"a final state that is left again", "the history is monotone", "from Completed to Running",
			afterwards(`UPDATE operations SET state = 'Running', ended_at = NULL WHERE seq = 2`, `UPDATE operations SET state = 'Completed', ended_at = 1 WHERE seq = 2`)},
		{"an operation that is deleted", "the history is monotone", "has vanished", afterwards(`DELETE FROM operations WHERE seq = 1`)},
		{"a version that shrinks", "the history is monotone", "was followed by", afterwards(`UPDATE items SET version = version - 1`)},
		{"an older owner", "the history is monotone", "from owner", afterwards(`UPDATE operations SET epoch = 0`)},
		{"a password in an error", "no secret is told", "the log", withLog(func(log refresh.Log) refresh.Log { return &talkative{Log: log} })},
		{"a write without its epoch", "a stale owner writes nothing", "had taken over",
			func(ctx context.Context, s *site) (*evidence, error) {
				s.planted.log = func(log refresh.Log) refresh.Log { return careless{log} }
				s.heartbeat, s.wake = time.Millisecond, "commit" // the sleeper's heart goes on beating
				var e *evidence
				return e, s.takeOver(ctx, func(_, _ *incarnation) error {
					e = &evidence{writes: s.history.all()}
					return nil
				})
			}},
	}, {"step running, before", errorReturned, allOrNothing, first, 1}: {
		{"a chain in several transactions", "one version is visible over all tables", "a mixture",
			withLog(func(log refresh.Log) refresh.Log { return apart{log} })},
		{"a chain that leaves a dataflow out", "a chain ends as its workspace says", "of the same chain as",
			afterwards(`UPDATE operations SET state = 'Failed' WHERE seq = (SELECT max(seq) FROM operations)`)},
		{"a version of nobody", "the history tells of each version", "refreshes are Completed",
			afterwards(`UPDATE operations SET state = 'Failed', version = 0 WHERE seq = (SELECT max(seq) FROM operations)`)},
		{"a version that is told of twice", "the history tells of each version", "as does",
			afterwards(`UPDATE operations SET version = 3`)},
		{"rows of a folder that are not the catalog's", "CDM folders show what readers see", "has the rows",
			func(ctx context.Context, s *site) (*evidence, error) {
				s.folding = true
				if _, err := s.undisturbed(ctx); err != nil {
					return nil, err
				}
				files, err := filepath.Glob(filepath.Join(s.folders(), "W", mart, "Facts", "*.csv"))
				for _, file := range files {
					err = errors.Join(err, os.WriteFile(file, []byte("1,2,3.0000,other\n"), 0o600))
				}
				if err != nil {
					return nil, err
				}
				i, err := s.open("second", nil, nil)
				if err != nil {
					return nil, err
				}
				defer i.stop()
				clear(s.read)
				return s.gather(ctx, i)
			}},
	}, {"pinned, before", errorReturned, commitEach, first, 1}: {
		{"a dataflow that begins before those that it reads", "one version is visible over all tables", "saw at",
			withLog(func(log refresh.Log) refresh.Log { return impatient{log} })},
		{"a version that is pinned again", "one version is visible over all tables", "rows that never were",
			withLog(func(log refresh.Log) refresh.Log { return fickle{log} })},
		{"versions that are never forgotten", "nothing is kept for what has ended", "is still kept",
			func(ctx context.Context, s *site) (*evidence, error) {
				s.planted.versions = func(rows *catalog.Catalog) versions { return hoarding{rows} }
				return s.undisturbed(ctx)
			}},
		{"a dataflow that begins before those that it reads", "a chain ends as its workspace says", "began before",
			afterwards(`UPDATE operations SET started_at = accepted_at`)},
	}} {
		for _, bug := range bugs {
			t.Run(bug.name+": "+bug.checker, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				s, err := openSite(r, t.TempDir(), nil)
				must(t, err)
				defer s.close()
				s.wake = "claim"
				must(t, s.prepare(ctx))
				e, err := bug.run(ctx, s)
				must(t, err)
				for _, c := range checkers {
					if c.name != bug.checker {
						continue
					}
					if err := c.check(e); err == nil || !strings.Contains(err.Error(), bug.says) {
						t.Errorf("the checker says: %v", err)
					}
					return
				}
				t.Errorf("there is no such checker")
			})
		}
	}
}

// undisturbed is a run without a fault.
func (s *site) undisturbed(ctx context.Context) (*evidence, error) {
	i, err := s.open("first", nil, nil)
	if err != nil {
		return nil, err
	}
	defer i.stop()
	return i.finish(ctx)
}

func withLog(plant func(refresh.Log) refresh.Log) func(context.Context, *site) (*evidence, error) {
	return func(ctx context.Context, s *site) (*evidence, error) {
		s.planted.log = plant
		return s.undisturbed(ctx)
	}
}

// afterwards changes the catalog behind the product's back when everything rests.
func afterwards(statements ...string) func(context.Context, *site) (*evidence, error) {
	return func(ctx context.Context, s *site) (*evidence, error) {
		if _, err := s.undisturbed(ctx); err != nil {
			return nil, err
		}
		if err := s.sql(statements...); err != nil {
			return nil, err
		}
		e := &evidence{run: s.run, shape: s.shape, ids: s.ids, items: s.items, earlier: s.earlier, looks: []look{{}}}
		rows, err := catalog.Open(ctx, s.catalog())
		if err != nil {
			return nil, err
		}
		if e.operations, err = rows.List(ctx, refresh.Filter{}); err == nil {
			e.current, _, err = s.visible(ctx, rows)
		}
		if err := errors.Join(err, rows.Close()); err != nil {
			return nil, err
		}
		return e, s.gatherTaps(e)
	}
}

type splitting struct{ refresh.Log }

func (p splitting) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (int64, error) {
	half := commit
	half.To, half.Attempt, half.Steps, half.Change.Put = commit.From, nil, commit.Steps[:1], commit.Change.Put[:1]
	version, err := p.Log.Commit(ctx, lease, half)
	if err != nil {
		return 0, err
	}
	commit.Base, commit.Steps, commit.Change.Put = version, commit.Steps[1:], commit.Change.Put[1:]
	return p.Log.Commit(ctx, lease, commit)
}

type forgetting struct{ refresh.Log }

func (p forgetting) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (int64, error) {
	commit.Change.Put = commit.Change.Put[1:]
	return p.Log.Commit(ctx, lease, commit)
}

// apart commits each of a chain by itself.
type apart struct{ refresh.Log }

func (p apart) CommitAll(ctx context.Context, commits []refresh.LeasedCommit) error {
	for _, commit := range commits {
		if _, err := p.Log.Commit(ctx, commit.Lease, commit.Commit); err != nil {
			return err
		}
	}
	return nil
}

// impatient takes the others of every chain for Completed.
type impatient struct{ refresh.Log }

func (p impatient) List(ctx context.Context, filter refresh.Filter) ([]refresh.Operation, error) {
	list, err := p.Log.List(ctx, filter)
	for i := range list {
		if filter.Chain != "" {
			list[i].State = refresh.Completed
		}
	}
	return list, err
}

// fickle pins what is current, whatever was pinned before; a load reads after the others have gone on.
type fickle struct{ refresh.Log }

func (p fickle) Pin(ctx context.Context, lease refresh.Lease, item string) (int64, error) {
	if _, err := p.Log.Pin(ctx, lease, item); err != nil {
		return 0, err
	}
	return 0, nil // as of the version that readers see
}

// hoarding forgets nothing.
type hoarding struct{ *catalog.Catalog }

func (hoarding) ForgetVersions(context.Context, time.Time, []store.Pin) error { return nil }

type losing struct {
	refresh.Log
	folder string
}

func (p losing) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (int64, error) {
	version, err := p.Log.Commit(ctx, lease, commit)
	if err != nil {
		return 0, err
	}
	return version, os.Remove(filepath.Join(p.folder, commit.Change.Put[0].Files[0].ID+".parquet"))
}

// hasty commits the first step that finishes.
type hasty struct{ refresh.Log }

func (p hasty) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	if err := p.Log.PutStep(ctx, lease, from, step, messages); err != nil || step.State != refresh.StepFinished || step.Number != 1 {
		return err
	}
	_, err := p.Log.Commit(ctx, lease, refresh.Commit{
		From: refresh.Running, To: refresh.Running, At: step.EndedAt, ModelRevision: 1, Base: 2, Steps: []int{step.Number},
		Change: store.Change{Put: []store.Part{{Table: step.Table, Partition: step.Partition, State: store.Ready, Files: []store.File{step.File}, ReadAt: step.ReadAt}}},
	})
	return err
}

// talkative refuses its first commit with what nobody may read.
type talkative struct {
	refresh.Log
	said bool
}

func (p *talkative) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (int64, error) {
	if p.said {
		return p.Log.Commit(ctx, lease, commit)
	}
	p.said = true
	return 0, fault.New(fault.Unavailable, "Planted", "cannot connect with password %s", password)
}

// careless takes every owner for the present one.
type careless struct{ refresh.Log }

func (p careless) present(ctx context.Context, lease refresh.Lease) refresh.Lease {
	if operation, err := p.Get(ctx, lease.Operation); err == nil {
		lease.Epoch = operation.Epoch
	}
	return lease
}

func (p careless) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	return p.Log.PutStep(ctx, p.present(ctx, lease), from, step, messages)
}

func (p careless) Heartbeat(ctx context.Context, lease refresh.Lease, now time.Time, worked time.Duration) (refresh.State, error) {
	return p.Log.Heartbeat(ctx, p.present(ctx, lease), now, worked)
}

// greedy names every file there is.
type greedy struct {
	*catalog.Catalog
	folder string
}

func (p greedy) FilesInUse(context.Context) ([]string, error) {
	entries, err := os.ReadDir(p.folder)
	var ids []string
	for _, entry := range entries {
		ids = append(ids, strings.TrimSuffix(entry.Name(), ".parquet"))
	}
	return ids, err
}

// forgetful says that an operation is accepted, and does not store it.
type forgetful struct{ refresh.Log }

func (p forgetful) Submit(_ context.Context, op refresh.Operation, _ refresh.Quota, _ []refresh.Message, _ ...refresh.Operation) (refresh.Outcome, refresh.Operation, error) {
	return refresh.OutcomeAccepted, op, nil
}

func promiseTooEarly(ctx context.Context, s *site) (*evidence, error) {
	s.planted.log = func(log refresh.Log) refresh.Log { return forgetful{log} }
	first, err := s.open("first", nil, nil)
	if err != nil {
		return nil, err
	}
	err = first.submit(ctx)
	first.stop() // the crash: what was not stored is gone
	if err != nil {
		return nil, err
	}
	s.planted.log = nil
	second, err := s.open("second", nil, nil)
	if err != nil {
		return nil, err
	}
	defer second.stop()
	e, err := s.gather(ctx, second)
	if err != nil {
		return nil, err
	}
	e.crashed = true
	for _, operation := range e.operations {
		e.afterCrash = append(e.afterCrash, operation.ID)
	}
	return e, nil
}

// twoAtOnce stores a second operation past the log, in a catalog that has lost its unique index.
func twoAtOnce(ctx context.Context, s *site) (*evidence, error) {
	i, err := s.open("first", nil, nil)
	if err != nil {
		return nil, err
	}
	defer i.stop()
	if err := i.submit(ctx); err != nil {
		return nil, err
	}
	if err := s.sql(`DROP INDEX operations_one_unfinished`,
		`CREATE INDEX operations_one_unfinished ON operations (model) WHERE state IN ('Accepted', 'Running', 'Backoff', 'Paused', 'Cancelling', 'Committing')`,
		fmt.Sprintf(`CREATE TEMP TABLE copied AS SELECT * FROM operations WHERE id = '%s'`, s.ids[0]),
		`UPDATE copied SET id = 'the-second', seq = NULL`, `INSERT INTO operations SELECT * FROM copied`); err != nil {
		return nil, err
	}
	i.start()
	if err := i.rest(ctx); err != nil {
		return nil, err
	}
	return s.gather(ctx, i)
}
