package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

var _ refresh.Log = (*Catalog)(nil)

// stored is an operation with the number that its other rows name it by.
type stored struct {
	refresh.Operation
	seq     int64
	planned bool
}

const operationColumns = `seq, id, model, model_revision, trigger_kind, request, requested_by, accepted_at, started_at, ended_at, state,
	epoch, owner, heartbeat, waits_since, planned, failure, version`

func scanOperation(row interface{ Scan(...any) error }) (stored, error) {
	var (
		op                                         stored
		request                                    []byte
		failure                                    sql.NullString
		accepted, started, ended, heartbeat, waits sql.NullInt64
	)
	err := row.Scan(&op.seq, &op.ID, &op.Model, &op.ModelRevision, &op.Trigger, &request, &op.RequestedBy, &accepted, &started, &ended,
		&op.State, &op.Epoch, &op.Owner, &heartbeat, &waits, &op.planned, &failure, &op.Version)
	if err != nil {
		return stored{}, err
	}
	if err := json.Unmarshal(request, &op.Request); err != nil {
		return stored{}, err
	}
	op.AcceptedAt, op.StartedAt, op.EndedAt, op.Heartbeat, op.WaitsSince = timeOf(accepted), timeOf(started), timeOf(ended), timeOf(heartbeat), timeOf(waits)
	op.Failure, err = decodeFailure(failure)
	return op, err
}

// Failures, requests and places are kept as JSON: nothing is asked about what is in them. Their form is pinned by a test.
func encodeFailure(failure *refresh.Failure) (sql.NullString, error) {
	if failure == nil {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(failure)
	return sql.NullString{String: string(text), Valid: true}, err
}

func decodeFailure(text sql.NullString) (*refresh.Failure, error) {
	if !text.Valid {
		return nil, nil
	}
	failure := new(refresh.Failure)
	return failure, json.Unmarshal([]byte(text.String), failure)
}

// operation reads one operation with its attempts.
func operation(ctx context.Context, tx *sql.Tx, id string) (stored, error) {
	list, err := operations(ctx, tx, `WHERE id = ?`, id)
	if err == nil && len(list) == 0 {
		err = notFound("cannot find refresh %s", id)
	}
	if err != nil {
		return stored{}, err
	}
	return list[0], nil
}

// owned reads an operation and checks that the lease is the owner's.
func owned(ctx context.Context, tx *sql.Tx, lease refresh.Lease) (stored, error) {
	op, err := operation(ctx, tx, lease.Operation)
	if err == nil && op.Epoch != lease.Epoch {
		err = fault.New(fault.Conflict, refresh.CodeStale, "cannot write to refresh %s as owner %d: owner %d has taken over", op.ID, lease.Epoch, op.Epoch)
	}
	return op, err
}

// operations reads the operations that a clause chooses and orders, with their attempts.
func operations(ctx context.Context, tx *sql.Tx, clause string, args ...any) ([]stored, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+operationColumns+` FROM operations `+clause, args...)
	list, err := collect(rows, err, func(rows *sql.Rows) (stored, error) { return scanOperation(rows) })
	if err != nil || len(list) == 0 {
		return nil, err
	}
	at := make(map[int64]int, len(list))
	seqs := make([]int64, len(list))
	for i, op := range list {
		at[op.seq], seqs[i] = i, op.seq
	}
	chosen, err := json.Marshal(seqs)
	if err != nil {
		return nil, err
	}
	rows, err = tx.QueryContext(ctx, `
		SELECT a.operation, a.number, a.started_at, a.ended_at, a.worked, a.failure
		FROM json_each(?) AS chosen CROSS JOIN attempts a ON a.operation = chosen.value
		ORDER BY a.operation, a.number`, string(chosen))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			seq            int64
			attempt        refresh.Attempt
			started, ended sql.NullInt64
			failure        sql.NullString
		)
		if err := rows.Scan(&seq, &attempt.Number, &started, &ended, &attempt.Worked, &failure); err != nil {
			return nil, err
		}
		attempt.StartedAt, attempt.EndedAt = timeOf(started), timeOf(ended)
		if attempt.Failure, err = decodeFailure(failure); err != nil {
			return nil, err
		}
		op := &list[at[seq]]
		op.Attempts = append(op.Attempts, attempt)
	}
	return list, rows.Err()
}

func wrongState(id string, is, wanted any) error {
	return fault.New(fault.Conflict, refresh.CodeState, "cannot write to refresh %s: it is %v, not %v", id, is, wanted)
}

// Submit stores a new operation, or tells what is in its way.
func (c *Catalog) Submit(ctx context.Context, op refresh.Operation, quota refresh.Quota, warnings []refresh.Message, followers ...refresh.Operation) (refresh.Outcome, refresh.Operation, error) {
	op = fresh(op)
	var outcome refresh.Outcome
	var result stored
	err := c.write(ctx, "store refresh "+op.ID, func(ctx context.Context, tx *sql.Tx) error {
		if err := hasRevision(ctx, tx, op); err != nil {
			return err
		}
		if rollback := op.Request.Rollback; rollback != nil {
			if err := hasVersion(ctx, tx, op.Model, rollback.Version); err != nil {
				return err
			}
		}
		unfinished, err := unfinishedOf(ctx, tx, op.Model)
		if err != nil {
			return err
		}
		outcome, result = admit(op, unfinished)
		if over, err := overQuota(ctx, tx, op.Model, quota); err != nil {
			return err
		} else if over && outcome != refresh.OutcomeConflict {
			outcome, result = refresh.OutcomeOverQuota, stored{}
		}
		switch outcome {
		case refresh.OutcomeAccepted:
			op.State = refresh.Accepted
		case refresh.OutcomeQueued:
			op.State = refresh.Queued
		default:
			return nil
		}
		seq, err := insertOperation(ctx, tx, op)
		if err != nil {
			return err
		}
		result = stored{Operation: op}
		if err := addMessages(ctx, tx, seq, warnings); err != nil {
			return err
		}
		for _, follower := range followers {
			inTheWay, err := follow(ctx, tx, fresh(follower))
			if err != nil {
				return err
			}
			if inTheWay != nil {
				outcome, result = refresh.OutcomeConflict, *inTheWay
				return errNothing
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNothing) {
		return "", refresh.Operation{}, err
	}
	return outcome, result.Operation, nil
}

// errNothing undoes a transaction whose answer is known nevertheless.
var errNothing = errors.New("nothing is stored")

// fresh is a new operation without what it cannot have yet.
func fresh(op refresh.Operation) refresh.Operation {
	op.AcceptedAt = op.AcceptedAt.UTC()
	op.StartedAt, op.EndedAt, op.Heartbeat, op.WaitsSince = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	op.Epoch, op.Owner, op.Failure, op.Version, op.Attempts = 0, "", nil, 0, nil
	return op
}

// hasRevision checks that the operation's model is there, at the operation's revision.
func hasRevision(ctx context.Context, tx *sql.Tx, op refresh.Operation) error {
	var revision int64
	switch err := tx.QueryRowContext(ctx, `SELECT revision FROM items WHERE id = ?`, op.Model).Scan(&revision); {
	case errors.Is(err, sql.ErrNoRows):
		return notFound("cannot find model %s", op.Model)
	case err != nil:
		return err
	case revision != op.ModelRevision:
		return fault.New(fault.Conflict, refresh.CodeRevision, "cannot refresh revision %d of model %s: it is at revision %d", op.ModelRevision, op.Model, revision)
	}
	return nil
}

// follow stores another operation of a chain, or returns the one that is Queued in its place.
func follow(ctx context.Context, tx *sql.Tx, op refresh.Operation) (inTheWay *stored, err error) {
	if err := hasRevision(ctx, tx, op); err != nil {
		return nil, err
	}
	unfinished, err := unfinishedOf(ctx, tx, op.Model)
	if err != nil {
		return nil, err
	}
	op.State = refresh.Accepted
	for i, other := range unfinished {
		op.State = refresh.Queued
		if other.State == refresh.Queued {
			return &unfinished[i], nil
		}
	}
	_, err = insertOperation(ctx, tx, op)
	return nil, err
}

func insertOperation(ctx context.Context, tx *sql.Tx, op refresh.Operation) (seq int64, err error) {
	request, err := json.Marshal(op.Request)
	if err != nil {
		return 0, err
	}
	chain := ""
	if op.Request.Chain != nil {
		chain = op.Request.Chain.Root
	}
	inserted, err := tx.ExecContext(ctx, `
		INSERT INTO operations (id, model, model_revision, trigger_kind, request, requested_by, accepted_at, state, epoch, owner, planned, version, chain)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '', 0, 0, ?)`,
		op.ID, op.Model, op.ModelRevision, string(op.Trigger), string(request), op.RequestedBy, nanos(op.AcceptedAt), string(op.State), chain)
	if err != nil {
		return 0, err
	}
	return inserted.LastInsertId()
}

// admit decides what becomes of a new operation beside the unfinished ones of its model (R6, R7). The operation that it returns is
// the one in the way.
func admit(op refresh.Operation, unfinished []stored) (refresh.Outcome, stored) {
	if len(unfinished) == 0 {
		return refresh.OutcomeAccepted, stored{}
	}
	inTheWay, queued, alone := unfinished[0], false, !op.Queues()
	for _, other := range unfinished {
		alone = alone || !other.Queues()
		if other.State == refresh.Queued {
			queued = true
		} else {
			inTheWay = other
		}
	}
	switch {
	case alone:
		return refresh.OutcomeConflict, inTheWay
	case queued:
		return refresh.OutcomeDropped, inTheWay
	}
	return refresh.OutcomeQueued, stored{}
}

// overQuota tells whether one more operation would exceed the quota (R36).
func overQuota(ctx context.Context, tx *sql.Tx, model string, quota refresh.Quota) (bool, error) {
	if quota.Most == 0 {
		return false, nil
	}
	var accepted int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM operations WHERE model = ? AND accepted_at >= ? AND trigger_kind <> 'OnDemand' AND chain IN ('', id)`,
		model, quota.Since.UnixNano()).Scan(&accepted)
	return accepted >= quota.Most, err
}

// unfinishedOf reads the unfinished operations of a model: at most one in progress and one queued.
func unfinishedOf(ctx context.Context, tx *sql.Tx, model string) ([]stored, error) {
	return operations(ctx, tx, `WHERE seq IN (
		SELECT seq FROM operations INDEXED BY operations_one_queued WHERE model = ?1 AND state = 'Queued'
		UNION ALL
		SELECT seq FROM operations INDEXED BY operations_one_unfinished
		WHERE model = ?1 AND state IN ('Accepted', 'Running', 'Backoff', 'Paused', 'Cancelling', 'Committing'))`, model)
}

// Get returns an operation with its attempts.
func (c *Catalog) Get(ctx context.Context, id string) (refresh.Operation, error) {
	var op stored
	err := c.read(ctx, "read refresh "+id, func(tx *sql.Tx) (err error) {
		op, err = operation(ctx, tx, id)
		return err
	})
	return op.Operation, err
}

// List returns operations with their attempts, newest first.
func (c *Catalog) List(ctx context.Context, filter refresh.Filter) ([]refresh.Operation, error) {
	clause, args := listing(filter)
	return c.operations(ctx, clause, args...)
}

func listing(filter refresh.Filter) (clause string, args []any) {
	clause = `WHERE true `
	if filter.Model != "" {
		clause, args = clause+`AND model = ? `, append(args, filter.Model)
	}
	if filter.Trigger != "" {
		clause, args = clause+`AND trigger_kind = ? `, append(args, filter.Trigger)
	}
	if filter.Chain != "" {
		clause, args = clause+`AND chain = ? AND chain <> '' `, append(args, filter.Chain)
	}
	if filter.Asked {
		clause += `AND chain IN ('', id) `
	}
	clause += `ORDER BY accepted_at DESC, seq DESC`
	if filter.Top > 0 {
		clause, args = clause+` LIMIT ?`, append(args, filter.Top)
	}
	return clause, args
}

// forgettable chooses what Forget deletes, with how many rows belong to each: before ?1, older than the ?2-th newest of its model, at most ?3. The last that is kept is found once a
// model, and the range of the index ends there, so that a look which finds nothing costs the same however long the histories are.
const forgettable = `
	SELECT o.seq, (SELECT count(*) FROM steps WHERE operation = o.seq) + (SELECT count(*) FROM messages WHERE operation = o.seq)
	FROM items i
	CROSS JOIN operations last ON last.seq = (
		SELECT k.seq FROM operations k WHERE k.model = i.id ORDER BY k.accepted_at DESC, k.seq DESC LIMIT 1 OFFSET ?2 - 1)
	CROSS JOIN operations o ON o.model = i.id AND o.accepted_at < min(?1, last.accepted_at + 1)
	WHERE (o.accepted_at, o.seq) < (last.accepted_at, last.seq) AND o.ended_at IS NOT NULL
	LIMIT ?3`

// forgetRows is about how many steps and messages Forget deletes at most, unless one operation has more: other writes wait for it, some 10 µs a row.
const forgetRows = 2000

// forgettable returns the operations for one transaction of Forget.
func (c *Catalog) forgettable(ctx context.Context, before time.Time, keep, most int) (seqs []int64, err error) {
	rows, err := c.readers.QueryContext(ctx, forgettable, before.UnixNano(), keep, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for total := 0; total < forgetRows && rows.Next(); {
		var seq int64
		var count int
		if err := rows.Scan(&seq, &count); err != nil {
			return nil, err
		}
		seqs, total = append(seqs, seq), total+count
	}
	return seqs, rows.Err()
}

// Forget deletes old operations that have ended.
func (c *Catalog) Forget(ctx context.Context, before time.Time, keep, most int) (int, error) {
	// They are looked for outside the transaction: what may be forgotten once may be forgotten ever after.
	seqs, err := c.forgettable(ctx, before, keep, most)
	if err != nil || len(seqs) == 0 {
		return 0, failed("look for old refreshes", err)
	}
	chosen, err := json.Marshal(seqs)
	if err != nil {
		return 0, failed("name old refreshes", err)
	}
	var deleted int64
	err = c.write(ctx, "forget old refreshes", func(ctx context.Context, tx *sql.Tx) error {
		// A foreign key that cascades would do this five times as slowly.
		for _, table := range []string{"messages", "steps", "attempts"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE operation IN (SELECT value FROM json_each(?))`, string(chosen)); err != nil {
				return err
			}
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM operations WHERE seq IN (SELECT value FROM json_each(?))`, string(chosen))
		if err != nil {
			return err
		}
		deleted, err = result.RowsAffected()
		return err
	})
	return int(deleted), err
}

// Unfinished returns the operations of all models that are not finished, oldest first.
func (c *Catalog) Unfinished(ctx context.Context) ([]refresh.Operation, error) {
	return c.operations(ctx, `WHERE ended_at IS NULL ORDER BY accepted_at, seq`)
}

func (c *Catalog) operations(ctx context.Context, clause string, args ...any) ([]refresh.Operation, error) {
	var list []refresh.Operation
	err := c.read(ctx, "list refreshes", func(tx *sql.Tx) error {
		found, err := operations(ctx, tx, clause, args...)
		for _, op := range found {
			list = append(list, op.Operation)
		}
		return err
	})
	return list, err
}

// Messages returns the messages of an operation in the order of their writing.
func (c *Catalog) Messages(ctx context.Context, id string) ([]refresh.Message, error) {
	var list []refresh.Message
	err := c.read(ctx, "read the messages of refresh "+id, func(tx *sql.Tx) error {
		op, err := operation(ctx, tx, id)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT at, type, code, text, place FROM messages WHERE operation = ? ORDER BY seq`, op.seq)
		list, err = collect(rows, err, func(rows *sql.Rows) (refresh.Message, error) {
			var message refresh.Message
			var at sql.NullInt64
			var place []byte
			if err := rows.Scan(&at, &message.Type, &message.Code, &message.Text, &place); err != nil {
				return message, err
			}
			message.At = timeOf(at)
			return message, json.Unmarshal(place, &message.Where)
		})
		return err
	})
	return list, err
}

func addMessages(ctx context.Context, tx *sql.Tx, seq int64, messages []refresh.Message) error {
	for _, message := range messages {
		place, err := json.Marshal(message.Where)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO messages (operation, at, type, code, text, place) VALUES (?, ?, ?, ?, ?, ?)`,
			seq, nanos(message.At), string(message.Type), message.Code, message.Text, string(place)); err != nil {
			return err
		}
	}
	return nil
}

// Claim makes owner the owner of an unfinished operation that nobody has taken since the given epoch.
func (c *Catalog) Claim(ctx context.Context, id string, epoch int64, owner string, now time.Time) (refresh.Operation, error) {
	var op stored
	err := c.write(ctx, "take refresh "+id, func(ctx context.Context, tx *sql.Tx) (err error) {
		if op, err = owned(ctx, tx, refresh.Lease{Operation: id, Epoch: epoch}); err != nil {
			return err
		}
		if op.State.Finished() || op.State == refresh.Queued {
			return wrongState(id, op.State, "one to work on")
		}
		if err := one(op)(tx.ExecContext(ctx, `UPDATE operations SET epoch = epoch + 1, owner = ?1, heartbeat = ?2,
			waits_since = CASE WHEN state = 'Accepted' AND waits_since IS NOT NULL THEN waits_since + ?2 - heartbeat ELSE ?2 END
			WHERE seq = ?3 AND epoch = ?4 AND state = ?5`, owner, nanos(now), op.seq, epoch, string(op.State))); err != nil {
			return err
		}
		op, err = operation(ctx, tx, id)
		return err
	})
	if err != nil {
		return refresh.Operation{}, err
	}
	return op.Operation, nil
}

// Transition moves an operation from one state to another.
func (c *Catalog) Transition(ctx context.Context, lease refresh.Lease, change refresh.Transition) error {
	return c.write(ctx, "change refresh "+lease.Operation, func(ctx context.Context, tx *sql.Tx) error {
		op, err := owned(ctx, tx, lease)
		if err != nil {
			return err
		}
		if op.State != change.From || !change.From.CanBecome(change.To) {
			return wrongState(op.ID, op.State, change.From)
		}
		if err := c.move(ctx, tx, op, change.To, change.At, change.Failure); err != nil {
			return err
		}
		return addMessages(ctx, tx, op.seq, change.Messages)
	})
}

// Cancel asks for the end of an operation.
func (c *Catalog) Cancel(ctx context.Context, id string, now time.Time) (refresh.Operation, error) {
	var op stored
	err := c.write(ctx, "cancel refresh "+id, func(ctx context.Context, tx *sql.Tx) (err error) {
		if op, err = operation(ctx, tx, id); err != nil {
			return err
		}
		next, err := op.State.AfterCancel()
		if err != nil || next == op.State {
			return err
		}
		if err := c.move(ctx, tx, op, next, now, nil); err != nil {
			return err
		}
		op, err = operation(ctx, tx, id)
		return err
	})
	return op.Operation, err
}

// move sets an operation's state with all that belongs to it. The row must be as op says: its state and its epoch.
func (c *Catalog) move(ctx context.Context, tx *sql.Tx, op stored, to refresh.State, at time.Time, failure *refresh.Failure) error {
	if !to.Finished() {
		started := nanos(op.StartedAt)
		if to == refresh.Running && !started.Valid {
			started = nanos(at)
		}
		return one(op)(tx.ExecContext(ctx, `UPDATE operations SET state = ?, started_at = ? WHERE seq = ? AND epoch = ? AND state = ?`,
			string(to), started, op.seq, op.Epoch, string(op.State)))
	}
	if err := c.announce(ctx, tx, op, to, at, failure); err != nil {
		return err
	}
	text, err := encodeFailure(failure)
	if err != nil {
		return err
	}
	if err := one(op)(tx.ExecContext(ctx, `UPDATE operations SET state = ?, ended_at = ?, failure = ? WHERE seq = ? AND epoch = ? AND state = ?`,
		string(to), nanos(at), text, op.seq, op.Epoch, string(op.State))); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE attempts SET ended_at = ? WHERE operation = ? AND ended_at IS NULL`, nanos(at), op.seq); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE steps SET state = 'Cancelled', ended_at = ? WHERE operation = ? AND state IN ('Planned', 'Running')`,
		nanos(at), op.seq); err != nil {
		return err
	}
	// The queued one starts, unless it is the one that ended while another is still in progress.
	promoted, err := tx.ExecContext(ctx, `UPDATE operations SET state = 'Accepted' WHERE model = ?1 AND state = 'Queued' AND NOT EXISTS (
		SELECT 1 FROM operations INDEXED BY operations_one_unfinished
		WHERE model = ?1 AND state IN ('Accepted', 'Running', 'Backoff', 'Paused', 'Cancelling', 'Committing'))`, op.Model)
	if err != nil {
		return err
	}
	if n, err := promoted.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return c.at(ctx, "queued promoted")
}

// one checks that a write to an operation's row has found it in the state and with the epoch that the caller has read.
func one(op stored) func(sql.Result, error) error {
	return func(result sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return wrongState(op.ID, "changed", op.State)
	}
}
