package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/schedule"
)

const selectSchedules = `SELECT item, enabled, schedule, since, last FROM schedules `

func scanSchedule(row interface{ Scan(...any) error }) (schedule.Entry, error) {
	var (
		entry       schedule.Entry
		enabled     bool
		text        []byte
		since, last sql.NullInt64
	)
	if err := row.Scan(&entry.Model, &enabled, &text, &since, &last); err != nil {
		return schedule.Entry{}, err
	}
	err := json.Unmarshal(text, &entry.Schedule)
	entry.Schedule.Enabled, entry.Since, entry.Last = enabled, timeOf(since), timeOf(last)
	return entry, err
}

// Schedule returns a model's entry; the zero one when it was never set.
func (c *Catalog) Schedule(ctx context.Context, model string) (schedule.Entry, error) {
	entry, err := scanSchedule(c.readers.QueryRowContext(ctx, selectSchedules+`WHERE item = ?`, model))
	if errors.Is(err, sql.ErrNoRows) {
		return schedule.Entry{Model: model}, nil
	}
	return entry, failed("read the schedule of model "+model, err)
}

// EnabledSchedules returns the entries of the schedules that are enabled.
func (c *Catalog) EnabledSchedules(ctx context.Context) ([]schedule.Entry, error) {
	rows, err := c.readers.QueryContext(ctx, selectSchedules+`WHERE enabled = 1 ORDER BY item`)
	list, err := collect(rows, err, func(rows *sql.Rows) (schedule.Entry, error) { return scanSchedule(rows) })
	return list, failed("list the schedules", err)
}

// PutSchedule stores an entry in the place of another one.
func (c *Catalog) PutSchedule(ctx context.Context, former, entry schedule.Entry) error {
	text, err := json.Marshal(entry.Schedule)
	if err != nil {
		return failed("write the schedule of model "+entry.Model, err)
	}
	return c.changeSchedule(ctx, former, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO schedules (item, enabled, schedule, since, last) VALUES (?, ?, ?, ?, ?)`,
			entry.Model, entry.Schedule.Enabled, string(text), nanos(entry.Since), nanos(entry.Last))
		return err
	})
}

// MarkScheduled stores that a moment was dealt with. An entry that has changed meanwhile stays as it is: what changed it has set Last.
func (c *Catalog) MarkScheduled(ctx context.Context, entry schedule.Entry, moment time.Time) error {
	return ignoreChanged(c.changeSchedule(ctx, entry, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE schedules SET last = ? WHERE item = ?`, nanos(moment), entry.Model)
		return err
	}))
}

// DisableSchedule switches an entry's schedule off, and keeps the notifications of it. An entry that has changed meanwhile stays as it is.
func (c *Catalog) DisableSchedule(ctx context.Context, entry schedule.Entry, at time.Time) error {
	return ignoreChanged(c.changeSchedule(ctx, entry, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE schedules SET enabled = 0 WHERE item = ?`, entry.Model); err != nil {
			return err
		}
		return c.announceDisabled(ctx, tx, entry.Model, at)
	}))
}

// changeSchedule runs a change in a transaction that has found the former entry to be the stored one.
func (c *Catalog) changeSchedule(ctx context.Context, former schedule.Entry, change func(context.Context, *sql.Tx) error) error {
	return c.write(ctx, "write the schedule of model "+former.Model, func(ctx context.Context, tx *sql.Tx) error {
		var known bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM items WHERE id = ?)`, former.Model).Scan(&known); err != nil {
			return err
		}
		if !known {
			return notFound("cannot find model '%s'", former.Model)
		}
		stored, err := scanSchedule(tx.QueryRowContext(ctx, selectSchedules+`WHERE item = ?`, former.Model))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if !stored.Since.Equal(former.Since) || !stored.Last.Equal(former.Last) || stored.Schedule.Enabled != former.Schedule.Enabled {
			return fault.New(fault.Conflict, schedule.CodeChanged, "cannot change the schedule of model %s: it has changed meanwhile", former.Model)
		}
		return change(ctx, tx)
	})
}

func ignoreChanged(err error) error {
	if fault.CodeOf(err) == schedule.CodeChanged {
		return nil
	}
	return err
}

// LiveSchedule returns the schedule of a model with DirectQuery tables; found is false when none was set.
func (c *Catalog) LiveSchedule(ctx context.Context, model string) (live schedule.Live, found bool, err error) {
	var text []byte
	err = c.readers.QueryRowContext(ctx, `SELECT schedule FROM direct_query_schedules WHERE item = ?`, model).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return live, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &live)
	}
	return live, err == nil, failed("read the schedule of model "+model, err)
}

// PutLiveSchedule stores the schedule of a model with DirectQuery tables.
func (c *Catalog) PutLiveSchedule(ctx context.Context, model string, live schedule.Live) error {
	text, err := json.Marshal(live)
	if err != nil {
		return failed("write the schedule of model "+model, err)
	}
	return c.write(ctx, "write the schedule of model "+model, func(ctx context.Context, tx *sql.Tx) error {
		return changed("model", model)(tx.ExecContext(ctx, `INSERT OR REPLACE INTO direct_query_schedules (item, schedule) SELECT id, ? FROM items WHERE id = ?`, string(text), model))
	})
}
