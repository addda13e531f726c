package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// byOwner runs a write of an operation's owner.
func (c *Catalog) byOwner(ctx context.Context, what string, lease refresh.Lease, run func(context.Context, *sql.Tx, stored) error) error {
	return c.write(ctx, what+" of refresh "+lease.Operation, func(ctx context.Context, tx *sql.Tx) error {
		op, err := owned(ctx, tx, lease)
		if err != nil {
			return err
		}
		return run(ctx, tx, op)
	})
}

// Heartbeat stores that the owner lives and how long the attempt in progress has worked, and returns the operation's state.
func (c *Catalog) Heartbeat(ctx context.Context, lease refresh.Lease, now time.Time, worked time.Duration) (refresh.State, error) {
	var state refresh.State
	err := c.byOwner(ctx, "store the heartbeat", lease, func(ctx context.Context, tx *sql.Tx, op stored) error {
		state = op.State
		if err := one(op)(tx.ExecContext(ctx, `UPDATE operations SET heartbeat = ? WHERE seq = ? AND epoch = ?`, nanos(now), op.seq, op.Epoch)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE attempts SET worked = ? WHERE operation = ? AND number = ? AND ended_at IS NULL`,
			int64(worked), op.seq, len(op.Attempts))
		return err
	})
	return state, err
}

// Plan stores an operation's steps, once.
func (c *Catalog) Plan(ctx context.Context, lease refresh.Lease, steps []refresh.Step, messages []refresh.Message) error {
	return c.byOwner(ctx, "store the plan", lease, func(ctx context.Context, tx *sql.Tx, op stored) error {
		if op.planned {
			return wrongState(op.ID, "planned", "unplanned")
		}
		if err := one(op)(tx.ExecContext(ctx, `UPDATE operations SET planned = 1 WHERE seq = ? AND epoch = ? AND planned = 0`, op.seq, op.Epoch)); err != nil {
			return err
		}
		for _, step := range steps {
			if err := putStep(ctx, tx, op.seq, step); err != nil {
				return err
			}
		}
		return addMessages(ctx, tx, op.seq, messages)
	})
}

// BeginAttempt stores a new attempt.
func (c *Catalog) BeginAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	return c.byOwner(ctx, "store an attempt", lease, func(ctx context.Context, tx *sql.Tx, op stored) error {
		if has := len(op.Attempts); attempt.Number != has+1 {
			return wrongState(op.ID, attemptName(has), attemptName(attempt.Number-1))
		}
		failure, err := encodeFailure(attempt.Failure)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO attempts (operation, number, started_at, ended_at, worked, failure) VALUES (?, ?, ?, ?, ?, ?)`,
			op.seq, attempt.Number, nanos(attempt.StartedAt), nanos(attempt.EndedAt), int64(attempt.Worked), failure)
		return err
	})
}

// Pin notes which version of another item an operation reads, once.
func (c *Catalog) Pin(ctx context.Context, lease refresh.Lease, item string) (version int64, err error) {
	err = c.byOwner(ctx, "pin a version of item "+item+" for the steps", lease, func(ctx context.Context, tx *sql.Tx, op stored) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO operation_pins (operation, item, version) SELECT ?, id, version FROM items WHERE id = ? ON CONFLICT DO NOTHING`,
			op.seq, item); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `SELECT version FROM operation_pins WHERE operation = ? AND item = ?`, op.seq, item).Scan(&version)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("cannot find item %s", item)
		}
		return err
	})
	return version, err
}

func attemptName(number int) string {
	if number == 0 {
		return "before its first attempt"
	}
	return "in attempt " + strconv.Itoa(number)
}

// EndAttempt stores the end of the last attempt, or only how long it has worked.
func (c *Catalog) EndAttempt(ctx context.Context, lease refresh.Lease, attempt refresh.Attempt) error {
	return c.byOwner(ctx, "store the end of an attempt", lease, func(ctx context.Context, tx *sql.Tx, op stored) error {
		return endAttempt(ctx, tx, op, attempt)
	})
}

func endAttempt(ctx context.Context, tx *sql.Tx, op stored, attempt refresh.Attempt) error {
	if has := len(op.Attempts); has == 0 || attempt.Number != has || !op.Attempts[has-1].EndedAt.IsZero() {
		return wrongState(op.ID, "not", attemptName(attempt.Number))
	}
	failure, err := encodeFailure(attempt.Failure)
	if err != nil {
		return err
	}
	return one(op)(tx.ExecContext(ctx, `UPDATE attempts SET ended_at = ?, worked = ?, failure = ? WHERE operation = ? AND number = ? AND ended_at IS NULL`,
		nanos(attempt.EndedAt), int64(attempt.Worked), failure, op.seq, attempt.Number))
}

// PutStep replaces a step whose stored state is from.
func (c *Catalog) PutStep(ctx context.Context, lease refresh.Lease, from refresh.StepState, step refresh.Step, messages []refresh.Message) error {
	return c.byOwner(ctx, "store a step", lease, func(ctx context.Context, tx *sql.Tx, op stored) error {
		deleted, err := tx.ExecContext(ctx, `DELETE FROM steps WHERE operation = ? AND number = ? AND state = ?`, op.seq, step.Number, string(from))
		if err != nil {
			return err
		}
		if n, err := deleted.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fault.New(fault.Conflict, refresh.CodeState, "cannot write to step %d of refresh %s: it is not %s", step.Number, op.ID, from)
		}
		if err := putStep(ctx, tx, op.seq, step); err != nil {
			return err
		}
		return addMessages(ctx, tx, op.seq, messages)
	})
}

func putStep(ctx context.Context, tx *sql.Tx, seq int64, step refresh.Step) error {
	failure, err := encodeFailure(step.Failure)
	if err != nil {
		return err
	}
	takes := ""
	if len(step.Takes) > 0 {
		text, err := json.Marshal(step.Takes)
		if err != nil {
			return err
		}
		takes = string(text)
	}
	columns := ""
	if len(step.Columns) > 0 {
		text, err := json.Marshal(step.Columns)
		if err != nil {
			return err
		}
		columns = string(text)
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO steps (operation, number, kind, table_name, partition, range_start, range_end, takes, held, known, state, attempt,
		                   started_at, ended_at, file_id, rows, bytes, sha256, read_at, bookmark, fingerprint, columns, failure, note)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, step.Number, string(step.Kind), step.Table, step.Partition, step.Start, step.End, takes, step.Held, step.Known, string(step.State),
		step.Attempt, nanos(step.StartedAt), nanos(step.EndedAt), step.File.ID, step.File.Rows, step.File.Bytes, step.File.SHA256,
		nanos(step.ReadAt), step.Bookmark, step.Fingerprint, columns, failure, step.Note)
	return err
}

// Steps returns the steps of an operation by number.
func (c *Catalog) Steps(ctx context.Context, id string) ([]refresh.Step, error) {
	var list []refresh.Step
	err := c.read(ctx, "read the steps of refresh "+id, func(tx *sql.Tx) error {
		op, err := operation(ctx, tx, id)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT number, kind, table_name, partition, range_start, range_end, takes, held, known, state, attempt, started_at, ended_at,
			       file_id, rows, bytes, sha256, read_at, bookmark, fingerprint, columns, failure, note
			FROM steps WHERE operation = ? ORDER BY number`, op.seq)
		list, err = collect(rows, err, scanStep)
		return err
	})
	return list, err
}

func scanStep(rows *sql.Rows) (refresh.Step, error) {
	var (
		step                   refresh.Step
		started, ended, readAt sql.NullInt64
		takes, columns         string
		failure                sql.NullString
	)
	err := rows.Scan(&step.Number, &step.Kind, &step.Table, &step.Partition, &step.Start, &step.End, &takes, &step.Held, &step.Known, &step.State,
		&step.Attempt, &started, &ended, &step.File.ID, &step.File.Rows, &step.File.Bytes, &step.File.SHA256, &readAt, &step.Bookmark,
		&step.Fingerprint, &columns, &failure, &step.Note)
	if err != nil {
		return step, err
	}
	if columns != "" {
		if err := json.Unmarshal([]byte(columns), &step.Columns); err != nil {
			return step, err
		}
	}
	if takes != "" {
		if err := json.Unmarshal([]byte(takes), &step.Takes); err != nil {
			return step, err
		}
	}
	step.StartedAt, step.EndedAt, step.ReadAt = timeOf(started), timeOf(ended), timeOf(readAt)
	step.Failure, err = decodeFailure(failure)
	return step, err
}

// AddMessages stores messages.
func (c *Catalog) AddMessages(ctx context.Context, lease refresh.Lease, messages []refresh.Message) error {
	return c.byOwner(ctx, "store messages", lease, func(ctx context.Context, tx *sql.Tx, op stored) error {
		return addMessages(ctx, tx, op.seq, messages)
	})
}

// Commit makes a change visible, with the operation's new state, in one transaction.
func (c *Catalog) Commit(ctx context.Context, lease refresh.Lease, commit refresh.Commit) (int64, error) {
	var version int64
	err := c.byOwner(ctx, "commit the result", lease, func(ctx context.Context, tx *sql.Tx, op stored) (err error) {
		version, err = c.commit(ctx, tx, op, commit)
		return err
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

// CommitAll makes the commits of several operations in one transaction.
func (c *Catalog) CommitAll(ctx context.Context, commits []refresh.LeasedCommit) error {
	return c.write(ctx, "commit the results of a chain", func(ctx context.Context, tx *sql.Tx) error {
		for _, part := range commits {
			op, err := owned(ctx, tx, part.Lease)
			if err != nil {
				return err
			}
			if _, err := c.commit(ctx, tx, op, part.Commit); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *Catalog) commit(ctx context.Context, tx *sql.Tx, op stored, commit refresh.Commit) (version int64, err error) {
	if op.State != commit.From || commit.From != commit.To && !commit.From.CanBecome(commit.To) {
		return 0, wrongState(op.ID, op.State, commit.From)
	}
	var revision int64
	err = tx.QueryRowContext(ctx, `SELECT revision, version FROM items WHERE id = ?`, op.Model).Scan(&revision, &version)
	switch {
	case err != nil:
		return 0, err
	case revision != commit.ModelRevision:
		return 0, fault.New(fault.Conflict, refresh.CodeRevision, "cannot commit refresh %s: its model is at revision %d, not %d", op.ID, revision, commit.ModelRevision)
	case version != commit.Base:
		return 0, fault.New(fault.Conflict, refresh.CodeState, "cannot commit refresh %s: its model is at version %d, not %d", op.ID, version, commit.Base)
	}
	if err := commitSteps(ctx, tx, op, commit.Steps); err != nil {
		return 0, err
	}
	if commit.Attempt != nil {
		if err := endAttempt(ctx, tx, op, *commit.Attempt); err != nil {
			return 0, err
		}
	}
	if !commit.Empty() {
		version++
		if commit.Definition != 0 {
			revision++
			if err := redeploy(ctx, tx, op, commit.Definition, revision, commit.At); err != nil {
				return 0, err
			}
		}
		if len(commit.Columns) > 0 {
			revision++
			if err := redeploy(ctx, tx, op, revision-1, revision, commit.At); err != nil {
				return 0, err
			}
			if err := setColumns(ctx, tx, op.Model, revision, commit.Columns); err != nil {
				return 0, err
			}
			// One of a chain that waits behind this one is of the same definition.
			if _, err := tx.ExecContext(ctx, `UPDATE operations SET model_revision = ? WHERE model = ? AND state = 'Queued'`, revision, op.Model); err != nil {
				return 0, err
			}
		}
		next := store.Version{Model: op.Model, Number: version, ModelRevision: revision, CommittedAt: commit.At, Operation: op.ID}
		if err := insertVersion(ctx, tx, next, commit.Change); err != nil {
			return 0, err
		}
		if err := one(op)(tx.ExecContext(ctx, `UPDATE operations SET version = ? WHERE seq = ? AND epoch = ?`, version, op.seq, op.Epoch)); err != nil {
			return 0, err
		}
		if err := c.at(ctx, "version written"); err != nil {
			return 0, err
		}
	}
	if err := addMessages(ctx, tx, op.seq, commit.Messages); err != nil {
		return 0, err
	}
	if err := c.move(ctx, tx, op, commit.To, commit.At, nil); err != nil {
		return 0, err
	}
	return version, c.at(ctx, "commit written")
}

func commitSteps(ctx context.Context, tx *sql.Tx, op stored, steps []int) error {
	if len(steps) == 0 {
		return nil
	}
	list, err := json.Marshal(steps)
	if err != nil {
		return err
	}
	updated, err := tx.ExecContext(ctx, `
		UPDATE steps SET state = 'Committed'
		WHERE operation = ? AND state = 'Finished' AND number IN (SELECT value FROM json_each(?))`, op.seq, string(list))
	if err != nil {
		return err
	}
	if n, err := updated.RowsAffected(); err != nil {
		return err
	} else if n != int64(len(steps)) {
		return fault.New(fault.Conflict, refresh.CodeState, "cannot commit refresh %s: %d of %d steps are not finished", op.ID, int64(len(steps))-n, len(steps))
	}
	return nil
}
