package catalog

import (
	"context"
	"database/sql"
	"errors"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

var _ workspace.Repository = (*Catalog)(nil)

// CreateWorkspace stores a workspace with its first grants.
func (c *Catalog) CreateWorkspace(ctx context.Context, w workspace.Workspace, grants []workspace.Grant) error {
	return c.write(ctx, "create workspace '"+w.Name+"'", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO workspaces (id, name, name_key, capacity, overflow, chains, personal, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			w.ID, w.Name, key(w.Name), w.Capacity, int(w.Overflow), int(w.Chains), w.Personal, nanos(w.Created))
		if taken(err) {
			return nameTaken("create", w.Name)
		}
		if err != nil {
			return err
		}
		for _, grant := range grants {
			if err := putGrant(ctx, tx, grant); err != nil {
				return err
			}
		}
		return nil
	})
}

const workspaceColumns = `id, name, capacity, overflow, chains, personal, created`

func scanWorkspace(row interface{ Scan(...any) error }) (workspace.Workspace, error) {
	var w workspace.Workspace
	var created sql.NullInt64
	err := row.Scan(&w.ID, &w.Name, &w.Capacity, &w.Overflow, &w.Chains, &w.Personal, &created)
	w.Created = timeOf(created)
	return w, err
}

// Workspaces lists all workspaces by name, personal ones too.
func (c *Catalog) Workspaces(ctx context.Context) ([]workspace.Workspace, error) {
	rows, err := c.readers.QueryContext(ctx, `SELECT `+workspaceColumns+` FROM workspaces ORDER BY name_key, id`)
	list, err := collect(rows, err, func(rows *sql.Rows) (workspace.Workspace, error) { return scanWorkspace(rows) })
	return list, failed("list the workspaces", err)
}

// Workspace returns a workspace by its id.
func (c *Catalog) Workspace(ctx context.Context, id string) (workspace.Workspace, error) {
	w, err := scanWorkspace(c.readers.QueryRowContext(ctx, `SELECT `+workspaceColumns+` FROM workspaces WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return w, notFound("cannot find workspace '%s'", id)
	}
	return w, failed("read workspace "+id, err)
}

// AssignWorkspace stores the capacity of a workspace.
func (c *Catalog) AssignWorkspace(ctx context.Context, id, capacity string) error {
	return c.write(ctx, "assign workspace "+id, func(ctx context.Context, tx *sql.Tx) error {
		return changed("workspace", id)(tx.ExecContext(ctx, `UPDATE workspaces SET capacity = ? WHERE id = ?`, capacity, id))
	})
}

// RenameWorkspace stores the name of a workspace.
func (c *Catalog) RenameWorkspace(ctx context.Context, id, name string) error {
	return c.write(ctx, "rename workspace "+id, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE workspaces SET name = ?, name_key = ? WHERE id = ?`, name, key(name), id)
		if taken(err) {
			return nameTaken("give a workspace the name of", name)
		}
		return changed("workspace", id)(result, err)
	})
}

func nameTaken(verb, name string) error {
	return fault.New(fault.Conflict, workspace.CodeWorkspaceExists, "cannot %s workspace '%s': there is one of that name", verb, name).WithHint("Choose another name.")
}

// SetChains stores how the chains of dataflows commit.
func (c *Catalog) SetChains(ctx context.Context, id string, chains workspace.Chains) error {
	return c.write(ctx, "change workspace "+id, func(ctx context.Context, tx *sql.Tx) error {
		return changed("workspace", id)(tx.ExecContext(ctx, `UPDATE workspaces SET chains = ? WHERE id = ?`, int(chains), id))
	})
}

// SetOverflow stores what becomes of a standard refresh beyond the queued one.
func (c *Catalog) SetOverflow(ctx context.Context, id string, overflow workspace.Overflow) error {
	return c.write(ctx, "change workspace "+id, func(ctx context.Context, tx *sql.Tx) error {
		return changed("workspace", id)(tx.ExecContext(ctx, `UPDATE workspaces SET overflow = ? WHERE id = ?`, int(overflow), id))
	})
}

// changed turns a statement that met no row into NotFound.
func changed(what, id string) func(sql.Result, error) error {
	return func(result sql.Result, err error) error {
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			err = notFound("cannot find %s '%s'", what, id)
		}
		return err
	}
}

// DeleteWorkspace removes a workspace with its items; an unfinished refresh in it is a Conflict.
func (c *Catalog) DeleteWorkspace(ctx context.Context, id string) error {
	return c.write(ctx, "delete workspace "+id, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT id FROM items WHERE workspace = ?`, id)
		items, err := collect(rows, err, func(rows *sql.Rows) (item string, err error) { return item, rows.Scan(&item) })
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := deleteItem(ctx, tx, item); err != nil {
				return err
			}
		}
		return changed("workspace", id)(tx.ExecContext(ctx, `DELETE FROM workspaces WHERE id = ?`, id))
	})
}

// Grants lists the grants of one workspace, or with "" of all, of one principal, or with "" of all.
func (c *Catalog) Grants(ctx context.Context, workspaceID, principalID string) ([]workspace.Grant, error) {
	rows, err := c.readers.QueryContext(ctx, `
		SELECT workspace, principal, principal_name, app, role FROM grants
		WHERE (?1 = '' OR workspace = ?1) AND (?2 = '' OR principal = ?2)
		ORDER BY workspace, principal_name, principal`, workspaceID, principalID)
	list, err := collect(rows, err, func(rows *sql.Rows) (workspace.Grant, error) {
		var grant workspace.Grant
		return grant, rows.Scan(&grant.WorkspaceID, &grant.PrincipalID, &grant.PrincipalName, &grant.App, &grant.Role)
	})
	return list, failed("list the grants", err)
}

// PutGrant stores a grant in place of the principal's former one; NoRole removes it. What would leave no Admin is a Conflict with workspace.CodeLastAdmin.
func (c *Catalog) PutGrant(ctx context.Context, grant workspace.Grant) error {
	return c.write(ctx, "store a grant in workspace "+grant.WorkspaceID, func(ctx context.Context, tx *sql.Tx) error {
		var found bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM workspaces WHERE id = ?)`, grant.WorkspaceID).Scan(&found); err != nil {
			return err
		}
		if !found {
			return notFound("cannot find workspace '%s'", grant.WorkspaceID)
		}
		var last bool
		if err := tx.QueryRowContext(ctx, `
			SELECT EXISTS (SELECT 1 FROM grants WHERE workspace = ?1 AND principal = ?2 AND role = ?3)
				AND NOT EXISTS (SELECT 1 FROM grants WHERE workspace = ?1 AND principal <> ?2 AND role = ?3)`,
			grant.WorkspaceID, grant.PrincipalID, int(workspace.Admin)).Scan(&last); err != nil {
			return err
		}
		if last && grant.Role != workspace.Admin {
			return fault.New(fault.Conflict, workspace.CodeLastAdmin, "cannot give '%s' the role %s: it is the only Admin that the workspace has", grant.PrincipalID, grant.Role).
				WithHint("Make somebody else an Admin first. Roles that the configuration gives do not count.")
		}
		return putGrant(ctx, tx, grant)
	})
}

func putGrant(ctx context.Context, tx *sql.Tx, grant workspace.Grant) error {
	if grant.Role == workspace.NoRole {
		_, err := tx.ExecContext(ctx, `DELETE FROM grants WHERE workspace = ? AND principal = ?`, grant.WorkspaceID, grant.PrincipalID)
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO grants (workspace, principal, principal_name, app, role) VALUES (?, ?, ?, ?, ?)`,
		grant.WorkspaceID, grant.PrincipalID, grant.PrincipalName, grant.App, int(grant.Role))
	return err
}
