package catalog

import (
	"context"
	"database/sql"

	"freshet.dev/internal/workspace"
)

// ItemGrants lists the grants on one item, or with "" on all, of one principal, or with "" of all.
func (c *Catalog) ItemGrants(ctx context.Context, itemID, principalID string) ([]workspace.ItemGrant, error) {
	rows, err := c.readers.QueryContext(ctx, `
		SELECT item, principal, principal_name, app, rights FROM item_grants
		WHERE (?1 = '' OR item = ?1) AND (?2 = '' OR principal = ?2)
		ORDER BY item, principal_name, principal`, itemID, principalID)
	list, err := collect(rows, err, func(rows *sql.Rows) (workspace.ItemGrant, error) {
		var grant workspace.ItemGrant
		return grant, rows.Scan(&grant.ItemID, &grant.PrincipalID, &grant.PrincipalName, &grant.App, &grant.Rights)
	})
	return list, failed("list the grants on models", err)
}

// PutItemGrant stores a grant in place of the principal's former one; NoRights removes it.
func (c *Catalog) PutItemGrant(ctx context.Context, grant workspace.ItemGrant) error {
	return c.write(ctx, "store a grant on model "+grant.ItemID, func(ctx context.Context, tx *sql.Tx) error {
		var found bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM items WHERE id = ?)`, grant.ItemID).Scan(&found); err != nil {
			return err
		}
		if !found {
			return notFound("cannot find model '%s'", grant.ItemID)
		}
		if grant.Rights == workspace.NoRights {
			_, err := tx.ExecContext(ctx, `DELETE FROM item_grants WHERE item = ? AND principal = ?`, grant.ItemID, grant.PrincipalID)
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO item_grants (item, principal, principal_name, app, rights) VALUES (?, ?, ?, ?, ?)`,
			grant.ItemID, grant.PrincipalID, grant.PrincipalName, grant.App, int(grant.Rights))
		return err
	})
}
