package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"freshet.dev/internal/notify"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/schedule"
	"freshet.dev/internal/workspace"
)

// Notify makes the catalog keep, with each end of an operation, the notifications of it that the service wants. It is called before the first
// write.
func (c *Catalog) Notify(service *notify.Service) { c.notify = service }

// announce keeps the notifications of an operation that ends, in the transaction that ends it.
func (c *Catalog) announce(ctx context.Context, tx *sql.Tx, op stored, to refresh.State, at time.Time, failure *refresh.Failure) error {
	if c.notify == nil {
		return nil
	}
	told, err := ended(ctx, tx, op, to, at, failure)
	if err != nil {
		return err
	}
	option := op.Request.Notify
	if op.Trigger == refresh.Scheduled {
		if option, err = notifyOption(ctx, tx, op.Model); err != nil {
			return err
		}
	}
	return c.keep(ctx, tx, op, notify.Ended(told), option)
}

// announceDisabled keeps the notifications of a model's schedule that was disabled after its last refresh, in the transaction that disables it.
func (c *Catalog) announceDisabled(ctx context.Context, tx *sql.Tx, model string, at time.Time) error {
	if c.notify == nil {
		return nil
	}
	op, err := scanOperation(tx.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations
		WHERE model = ? AND trigger_kind = ? AND state IN (?, ?) ORDER BY seq DESC LIMIT 1`, model, string(refresh.Scheduled), string(refresh.Failed), string(refresh.TimedOut)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil // the history has been shortened: nobody knows any more what has failed
	}
	if err != nil {
		return err
	}
	last, err := ended(ctx, tx, op, op.State, op.EndedAt, op.Failure)
	if err != nil {
		return err
	}
	option, err := notifyOption(ctx, tx, model)
	if err != nil {
		return err
	}
	return c.keep(ctx, tx, op, notify.Disabled(last, at.UTC()), option)
}

// keep stores an event for each who is to hear of it.
func (c *Catalog) keep(ctx context.Context, tx *sql.Tx, op stored, event notify.Event, option string) error {
	recipients := c.notify.Recipients(event, option)
	if len(recipients) == 0 {
		return nil
	}
	text, err := json.Marshal(event)
	if err != nil {
		return err
	}
	for _, recipient := range recipients {
		if _, err := tx.ExecContext(ctx, `INSERT INTO notifications (operation, channel, target, event, tries, due) VALUES (?, ?, ?, ?, 0, ?)`,
			op.seq, string(recipient.Channel), recipient.Target, string(text), nanos(event.Timestamp)); err != nil {
			return err
		}
	}
	return nil
}

// ended is what is told of an operation that has ended.
func ended(ctx context.Context, tx *sql.Tx, op stored, to refresh.State, at time.Time, failure *refresh.Failure) (notify.Refresh, error) {
	told := notify.Refresh{
		RequestID: op.ID, RefreshType: string(op.Trigger), StartTime: op.AcceptedAt.UTC(), EndTime: at.UTC(),
	}
	told.Status, told.ExtendedStatus = to.Status()
	if failure != nil {
		told.Error = &notify.Error{Code: failure.Code, Message: failure.Message, Where: failure.Where}
	}
	what := notify.Named{ID: op.Model}
	var kind workspace.Kind
	err := tx.QueryRowContext(ctx, `
		SELECT i.kind, i.name, w.id, w.name, (SELECT ifnull(sum(rows), 0) FROM steps WHERE operation = ?2 AND state = 'Committed')
		FROM items i JOIN workspaces w ON w.id = i.workspace WHERE i.id = ?1`, op.Model, op.seq).
		Scan(&kind, &what.Name, &told.Workspace.ID, &told.Workspace.Name, &told.Rows)
	if told.Dataset = what; kind == workspace.DataflowKind {
		told.Dataset, told.Dataflow = notify.Named{}, what
	}
	return told, err
}

// notifyOption is that of a model's schedule.
func notifyOption(ctx context.Context, tx *sql.Tx, model string) (string, error) {
	entry, err := scanSchedule(tx.QueryRowContext(ctx, selectSchedules+`WHERE item = ?`, model))
	if errors.Is(err, sql.ErrNoRows) {
		err = nil // its refresh has a schedule's id, but the schedule is gone
	}
	if err == nil && entry.Schedule.Notify == "" {
		return string(schedule.MailOnFailure), nil
	}
	return string(entry.Schedule.Notify), err
}

// DueNotifications returns for each recipient the notification that has been due longest, the one of all that has been due longest first.
func (c *Catalog) DueNotifications(ctx context.Context, now time.Time) ([]notify.Notification, error) {
	// With min() the other columns are those of the row that has the least value.
	rows, err := c.readers.QueryContext(ctx, `
		SELECT seq, channel, target, event, tries, min(due) FROM notifications WHERE due <= ? GROUP BY channel, target ORDER BY min(due), seq`, nanos(now))
	list, err := collect(rows, err, func(rows *sql.Rows) (notify.Notification, error) {
		var n notify.Notification
		var event []byte
		var due int64
		if err := rows.Scan(&n.ID, &n.Channel, &n.Target, &event, &n.Tries, &due); err != nil {
			return n, err
		}
		return n, json.Unmarshal(event, &n.Event)
	})
	return list, failed("read the notifications to send", err)
}

// PutOff stores that a try to send a notification did not arrive, and when the next one is due. One that is gone stays gone.
func (c *Catalog) PutOff(ctx context.Context, id int64, due time.Time) error {
	return c.write(ctx, "put a notification off", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notifications SET tries = tries + 1, due = ? WHERE seq = ?`, nanos(due), id)
		return err
	})
}

// Settle deletes a notification. A warning that is not "" becomes one of its operation.
func (c *Catalog) Settle(ctx context.Context, id int64, at time.Time, warning string) error {
	return c.write(ctx, "settle a notification", func(ctx context.Context, tx *sql.Tx) error {
		var operation int64
		err := tx.QueryRowContext(ctx, `DELETE FROM notifications WHERE seq = ? RETURNING operation`, id).Scan(&operation)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // settled before, or its model was deleted
		}
		if err != nil || warning == "" {
			return err
		}
		return addMessages(ctx, tx, operation, []refresh.Message{{At: at, Type: refresh.WarningMessage, Code: notify.CodeNotDelivered, Text: warning}})
	})
}
