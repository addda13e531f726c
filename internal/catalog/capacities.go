package catalog

import (
	"context"
	"database/sql"
	"strings"

	"freshet.dev/internal/capacity"
)

var _ capacity.Book = (*Catalog)(nil)

// CapacityStatuses returns what is stored about capacities, by their names in lower case.
func (c *Catalog) CapacityStatuses(ctx context.Context) (map[string]capacity.Status, error) {
	statuses := map[string]capacity.Status{}
	rows, err := c.readers.QueryContext(ctx, `SELECT name, state, since, by FROM capacities`)
	if err != nil {
		return nil, failed("list the states of capacities", err)
	}
	defer rows.Close()
	for rows.Next() {
		var (
			name   string
			status capacity.Status
			since  sql.NullInt64
		)
		if err := rows.Scan(&name, &status.State, &since, &status.By); err != nil {
			return nil, failed("list the states of capacities", err)
		}
		status.Since = timeOf(since)
		statuses[name] = status
	}
	return statuses, failed("list the states of capacities", rows.Err())
}

// PutCapacityStatus stores the state that a capacity is brought to.
func (c *Catalog) PutCapacityStatus(ctx context.Context, name string, status capacity.Status) error {
	return c.write(ctx, "store the state of capacity '"+name+"'", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO capacities (name, state, since, by) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET state = excluded.state, since = excluded.since, by = excluded.by`,
			strings.ToLower(name), string(status.State), nanos(status.Since), status.By)
		return err
	})
}
