package catalog

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"freshet.dev/internal/fault"
)

const (
	// groupLimit bounds how many writes share one transaction, and so how long the first of them waits.
	groupLimit = 128
	// queueLength is how many writes may wait for the one in progress before their callers block.
	queueLength = 256
)

// A job is one write.
type job struct {
	ctx  context.Context
	run  func(context.Context, *sql.Tx) error
	done chan error
}

// writer owns the one connection that writes. Writes that wait for the disk together share one transaction, so that one fsync
// makes all of them durable; each runs in a savepoint of its own, so that it fails alone. It answers a job only when it is durable
// or undone.
type writer struct {
	db    *sql.DB
	jobs  chan job
	ended chan struct{} // closed when the loop has ended

	mu     sync.RWMutex // held for reading while a job is handed over, for writing when the hand-over ends for good
	closed bool
}

func newWriter(db *sql.DB) *writer {
	w := &writer{db: db, jobs: make(chan job, queueLength), ended: make(chan struct{})}
	go w.loop()
	return w
}

// do returns when the job is durable or undone. A context that ends while the job waits undoes it; later it has no effect.
func (w *writer) do(ctx context.Context, run func(context.Context, *sql.Tx) error) error {
	j := job{ctx: ctx, run: run, done: make(chan error, 1)}
	if err := w.enqueue(j); err != nil {
		return err
	}
	return <-j.done
}

func (w *writer) enqueue(j job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fault.New(fault.Unavailable, fault.CodeClosing, "cannot write to the catalog: it is closed")
	}
	select {
	case w.jobs <- j:
		return nil
	case <-j.ctx.Done():
		return j.ctx.Err()
	}
}

func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.jobs)
	}
	w.mu.Unlock()
	<-w.ended
	return w.db.Close()
}

func (w *writer) loop() {
	defer close(w.ended)
	for first := range w.jobs {
		w.group(first)
	}
}

// group runs a job and those that wait behind it in one transaction, and answers them. Failures wait for the commit, too: what made
// a job fail may be the work of another one of the group, which nobody can see yet and which may still be lost.
func (w *writer) group(first job) {
	tx, err := w.db.BeginTx(context.Background(), nil)
	if err != nil {
		first.done <- err // the next one tries again
		return
	}
	jobs := make([]job, 0, 8)
	failures := make([]error, 0, 8)
	for next, more := first, true; more; {
		failure, broken := inSavepoint(tx, next)
		jobs, failures = append(jobs, next), append(failures, failure)
		if err = broken; err != nil || len(jobs) >= groupLimit {
			break
		}
		select {
		case next, more = <-w.jobs:
		default:
			more = false
		}
	}
	if err != nil {
		err = errors.Join(err, tx.Rollback())
	} else {
		err = tx.Commit()
	}
	for i, j := range jobs {
		if err != nil {
			j.done <- err
		} else {
			j.done <- failures[i]
		}
	}
}

// inSavepoint runs a job. broken tells that the transaction as a whole cannot go on (the disk is full, the file is damaged).
func inSavepoint(tx *sql.Tx, j job) (err, broken error) {
	if err := j.ctx.Err(); err != nil {
		return err, nil
	}
	if _, err := tx.Exec("SAVEPOINT job"); err != nil {
		return err, err
	}
	// The statements of one job must not end with its caller's context: that would roll back the jobs of others.
	if err := j.run(context.WithoutCancel(j.ctx), tx); err != nil {
		if _, undo := tx.Exec("ROLLBACK TO job"); undo != nil {
			return err, errors.Join(err, undo)
		}
		if _, undo := tx.Exec("RELEASE job"); undo != nil {
			return err, errors.Join(err, undo)
		}
		return err, nil
	}
	if _, err := tx.Exec("RELEASE job"); err != nil {
		return err, err
	}
	return nil, nil
}
