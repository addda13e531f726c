package catalog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/schedule"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

const selectItems = `
	SELECT i.id, i.workspace, w.name, i.kind, i.name, i.description, i.generation, i.revision, i.version, i.created, i.modified, i.configured_by, i.owner
	FROM items i JOIN workspaces w ON w.id = i.workspace `

func scanItem(row interface{ Scan(...any) error }) (workspace.Item, error) {
	var item workspace.Item
	var created, modified sql.NullInt64
	err := row.Scan(&item.ID, &item.WorkspaceID, &item.WorkspaceName, &item.Kind, &item.Name, &item.Description, &item.Generation,
		&item.Revision, &item.Version, &created, &modified, &item.ConfiguredBy, &item.Owner)
	item.Created, item.Modified = timeOf(created), timeOf(modified)
	return item, err
}

// Items lists the items of one workspace, or with "" of all, by workspace and name.
func (c *Catalog) Items(ctx context.Context, workspaceID string) ([]workspace.Item, error) {
	clause, args := ``, []any{}
	if workspaceID != "" {
		clause, args = `WHERE i.workspace = ? `, append(args, workspaceID)
	}
	rows, err := c.readers.QueryContext(ctx, selectItems+clause+`ORDER BY w.name_key, w.id, i.name_key`, args...)
	list, err := collect(rows, err, func(rows *sql.Rows) (workspace.Item, error) { return scanItem(rows) })
	return list, failed("list the models", err)
}

// Item returns an item by its id.
func (c *Catalog) Item(ctx context.Context, id string) (workspace.Item, error) {
	item, err := scanItem(c.readers.QueryRowContext(ctx, selectItems+`WHERE i.id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return item, notFound("cannot find model '%s'", id)
	}
	return item, failed("read model "+id, err)
}

// DescribeItem stores an item's name and description.
func (c *Catalog) DescribeItem(ctx context.Context, item workspace.Item) error {
	return c.write(ctx, "describe "+string(item.Kind)+" "+item.ID, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE items SET name = ?, name_key = ?, description = ? WHERE id = ?`, item.Name, itemKey(item), item.Description, item.ID)
		if taken(err) {
			return fault.New(fault.Conflict, workspace.CodeItemExists, "cannot give %s %s the name '%s': its workspace has one of that name", item.Kind, item.ID, item.Name).
				WithHint("Choose another name.")
		}
		return changed(string(item.Kind), item.ID)(result, err)
	})
}

// SetOwner makes a principal the owner of an item.
func (c *Catalog) SetOwner(ctx context.Context, id, principal, name string) error {
	return c.write(ctx, "take over model "+id, func(ctx context.Context, tx *sql.Tx) error {
		return changed("model", id)(tx.ExecContext(ctx, `UPDATE items SET owner = ?, configured_by = ? WHERE id = ?`, principal, name, id))
	})
}

// DeleteItem removes an item; an unfinished refresh of it is a Conflict.
func (c *Catalog) DeleteItem(ctx context.Context, id string) error {
	return c.write(ctx, "delete model "+id, func(ctx context.Context, tx *sql.Tx) error { return deleteItem(ctx, tx, id) })
}

func deleteItem(ctx context.Context, tx *sql.Tx, id string) error {
	if err := idle(ctx, tx, "delete", id); err != nil {
		return err
	}
	if err := changed("model", id)(tx.ExecContext(ctx, `DELETE FROM items WHERE id = ?`, id)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM texts WHERE NOT EXISTS (SELECT 1 FROM definition_files f WHERE f.sha256 = texts.sha256)`)
	return err
}

// idle refuses a change of a model while a refresh of it is unfinished.
func idle(ctx context.Context, tx *sql.Tx, verb, model string) error {
	unfinished, err := unfinishedOf(ctx, tx, model)
	if err != nil || len(unfinished) == 0 {
		return err
	}
	op := unfinished[0]
	return fault.New(fault.Conflict, workspace.CodeBusy, "cannot %s the model: its refresh %s, accepted at %s, is unfinished (%s)",
		verb, op.ID, op.AcceptedAt.Format("2006-01-02T15:04:05Z"), op.State).
		WithHint("Wait for its end, or cancel it: freshet cancel %s %s", model, op.ID)
}

// Definition returns one revision of a definition; 0 is the current one.
func (c *Catalog) Definition(ctx context.Context, itemID string, revision int64) (workspace.Definition, error) {
	definition := workspace.Definition{Files: map[string][]byte{}}
	err := c.read(ctx, "read the definition of model "+itemID, func(tx *sql.Tx) error {
		var (
			deployed  sql.NullInt64
			overrides []byte
		)
		err := tx.QueryRowContext(ctx, `
			SELECT d.revision, d.format, d.deployed, d.deployed_by, d.overrides
			FROM items i JOIN definitions d ON d.item = i.id AND d.revision = iif(?2 = 0, i.revision, ?2) WHERE i.id = ?1`, itemID, revision).
			Scan(&definition.Revision, &definition.Format, &deployed, &definition.DeployedBy, &overrides)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("cannot find revision %d of model '%s'", revision, itemID)
		}
		if err != nil {
			return err
		}
		definition.Deployed = timeOf(deployed)
		if err := json.Unmarshal(overrides, &definition.Overrides); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT f.path, t.content FROM definition_files f JOIN texts t ON t.sha256 = f.sha256
			WHERE f.item = ? AND f.revision = ?`, itemID, definition.Revision)
		_, err = collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
			var path string
			var content []byte
			err := rows.Scan(&path, &content)
			definition.Files[path] = content
			return struct{}{}, err
		})
		return err
	})
	return definition, err
}

// Deploy stores a revision of a model with the version of its data, in one transaction.
func (c *Catalog) Deploy(ctx context.Context, revision workspace.Revision) error {
	item := revision.Item
	texts := make(map[string]string, len(revision.Definition.Files)) // hashed before the transaction
	for path, content := range revision.Definition.Files {
		sum := sha256.Sum256(content)
		texts[path] = hex.EncodeToString(sum[:])
	}
	overrides, err := json.Marshal(revision.Definition.Overrides)
	if err != nil {
		return failed("write the definition of model '"+item.Name+"'", err)
	}
	return c.write(ctx, "deploy model '"+item.Name+"'", func(ctx context.Context, tx *sql.Tx) error {
		if err := putItem(ctx, tx, revision); err != nil {
			return err
		}
		definition := revision.Definition
		if _, err := tx.ExecContext(ctx, `INSERT INTO definitions (item, revision, format, deployed, deployed_by, overrides) VALUES (?, ?, ?, ?, ?, ?)`,
			item.ID, item.Revision, string(definition.Format), nanos(definition.Deployed), definition.DeployedBy, string(overrides)); err != nil {
			return err
		}
		for path, content := range definition.Files {
			if content == nil {
				content = []byte{} // not NULL
			}
			if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO texts (sha256, content) VALUES (?, ?)`, texts[path], content); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO definition_files (item, revision, path, sha256) VALUES (?, ?, ?, ?)`,
				item.ID, item.Revision, path, texts[path]); err != nil {
				return err
			}
		}
		version := store.Version{Model: item.ID, Number: item.Version, ModelRevision: item.Revision, CommittedAt: item.Modified}
		if err := insertVersion(ctx, tx, version, revision.Change); err != nil {
			return err
		}
		// Objects that the new version does not name are those of the former definition.
		_, err := tx.ExecContext(ctx, `UPDATE objects SET to_version = ?2 WHERE model = ?1 AND from_version < ?2 AND to_version IS NULL`, item.ID, item.Version)
		return err
	})
}

// redeploy makes the definition of an earlier revision the one of a new revision.
func redeploy(ctx context.Context, tx *sql.Tx, op stored, from, revision int64, at time.Time) error {
	for _, statement := range []string{
		`INSERT INTO definitions (item, revision, format, deployed, deployed_by, overrides)
			SELECT item, ?3, format, ?4, ?5, overrides FROM definitions WHERE item = ?1 AND revision = ?2`,
		`INSERT INTO definition_files (item, revision, path, sha256)
			SELECT item, ?3, path, sha256 FROM definition_files WHERE item = ?1 AND revision = ?2`,
		`UPDATE items SET revision = ?3, modified = ?4
			WHERE id = ?1 AND EXISTS (SELECT 1 FROM definitions WHERE item = ?1 AND revision = ?3)`,
	} {
		result, err := tx.ExecContext(ctx, statement, op.Model, from, revision, nanos(at), op.RequestedBy)
		if err := changed("revision", strconv.FormatInt(from, 10))(result, err); err != nil {
			return err
		}
	}
	return nil
}

// setColumns gives a revision the columns that loads have found.
func setColumns(ctx context.Context, tx *sql.Tx, item string, revision int64, found []*model.Table) error {
	var text []byte
	if err := tx.QueryRowContext(ctx, `SELECT overrides FROM definitions WHERE item = ? AND revision = ?`, item, revision).Scan(&text); err != nil {
		return err
	}
	var overrides workspace.Overrides
	if err := json.Unmarshal(text, &overrides); err != nil {
		return err
	}
	text, err := json.Marshal(overrides.WithColumns(found))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE definitions SET overrides = ? WHERE item = ? AND revision = ?`, string(text), item, revision)
	return err
}

func putItem(ctx context.Context, tx *sql.Tx, revision workspace.Revision) error {
	item := revision.Item
	if revision.Base == 0 {
		var found bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM workspaces WHERE id = ?)`, item.WorkspaceID).Scan(&found); err != nil {
			return err
		}
		if !found {
			return notFound("cannot find workspace '%s'", item.WorkspaceID)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO items (id, workspace, kind, name, name_key, description, generation, revision, version, created, modified, configured_by, owner)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			item.ID, item.WorkspaceID, string(item.Kind), item.Name, itemKey(item), item.Description, item.Generation, item.Revision, item.Version, nanos(item.Created), nanos(item.Modified), item.ConfiguredBy, item.Owner)
		if taken(err) {
			return fault.New(fault.Conflict, workspace.CodeItemExists, "cannot create %s '%s': its workspace has one of that name", item.Kind, item.Name)
		}
		return err
	}
	var base, version int64
	err := tx.QueryRowContext(ctx, `SELECT revision, version FROM items WHERE id = ?`, item.ID).Scan(&base, &version)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.Conflict, workspace.CodeRedeployed, "cannot deploy %s '%s': it was deleted meanwhile", item.Kind, item.Name)
	case err != nil:
		return err
	case base != revision.Base || version != revision.BaseVersion:
		return fault.New(fault.Conflict, workspace.CodeRedeployed, "cannot deploy %s '%s': it changed meanwhile (revision %d, version %d)", item.Kind, item.Name, base, version).
			WithHint("Try again.")
	}
	if err := idle(ctx, tx, "change", item.ID); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE items SET name = ?, name_key = ?, description = ?, generation = ?, revision = ?, modified = ?, configured_by = ?, owner = ? WHERE id = ?`,
		item.Name, itemKey(item), item.Description, item.Generation, item.Revision, nanos(item.Modified), item.ConfiguredBy, item.Owner, item.ID)
	return err
}

// itemKey is the name_key of an item. A dataflow's differs from that of a model of the same name.
func itemKey(item workspace.Item) string {
	if item.Kind == workspace.DataflowKind {
		return key(item.Name) + "\x1f"
	}
	return key(item.Name)
}

// modelCache keeps the decoded definition of each model's newest revision.
type modelCache struct {
	mu     sync.Mutex
	models map[string]cachedModel
}

type cachedModel struct {
	revision int64
	model    *model.Model
}

func (c *modelCache) get(id string, revision int64) (*model.Model, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, known := c.models[id]
	return cached.model, known && cached.revision == revision
}

// put keeps the newer of two revisions: a slow decoding may end after a later one's.
func (c *modelCache) put(id string, revision int64, decoded *model.Model) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.models == nil {
		c.models = map[string]cachedModel{}
	}
	if c.models[id].revision < revision {
		c.models[id] = cachedModel{revision, decoded}
	}
}

// RefreshDefinition returns the current revision of a model, decoded. Callers share it and do not change it.
func (c *Catalog) RefreshDefinition(ctx context.Context, id string) (refresh.Definition, error) {
	definition := refresh.Definition{ID: id}
	var zone string
	err := c.readers.QueryRowContext(ctx, `
		SELECT i.name, w.name, w.id, i.revision, w.capacity, w.overflow = ?2, w.chains = ?3, i.kind = 'dataflow', ifnull(s.schedule ->> '$.ZoneID', '')
		FROM items i JOIN workspaces w ON w.id = i.workspace LEFT JOIN schedules s ON s.item = i.id WHERE i.id = ?1`, id, int(workspace.Reject), int(workspace.CommitEach)).
		Scan(&definition.Name, &definition.Workspace, &definition.WorkspaceID, &definition.Revision, &definition.Capacity, &definition.RejectOverflow, &definition.Each, &definition.Dataflow, &zone)
	if errors.Is(err, sql.ErrNoRows) {
		return refresh.Definition{}, notFound("cannot find model %s", id)
	}
	if err != nil {
		return refresh.Definition{}, failed("read model "+id, err)
	}
	if zone != "" {
		if definition.Zone, err = schedule.Zone(zone); err != nil {
			return refresh.Definition{}, err
		}
	}
	if decoded, known := c.models.get(id, definition.Revision); known {
		definition.Model = decoded
		return definition, nil
	}
	decoded, err, _ := c.decodes.Do(id+"/"+strconv.FormatInt(definition.Revision, 10), func() (any, error) {
		text, err := c.Definition(context.WithoutCancel(ctx), id, definition.Revision)
		if err != nil {
			return nil, err
		}
		return text.Model()
	})
	if err != nil {
		return refresh.Definition{}, err
	}
	definition.Model = decoded.(*model.Model)
	c.models.put(id, definition.Revision, definition.Model)
	return definition, nil
}

// HasRead lists the dataflows that refreshes of an item have read since its definition changed last, as far as they exist, but not itself. A refresh
// whose commit has adopted columns has changed it at its own end, and counts.
func (c *Catalog) HasRead(ctx context.Context, id string) ([]workspace.Upstream, error) {
	rows, err := c.readers.QueryContext(ctx, `
		SELECT DISTINCT f.workspace, f.id, f.name_key FROM items i JOIN operations o ON o.model = i.id JOIN operation_pins p ON p.operation = o.seq JOIN items f ON f.id = p.item
		WHERE i.id = ? AND f.id <> i.id AND o.ended_at >= i.modified ORDER BY f.name_key, f.id`, id)
	return collect(rows, err, func(rows *sql.Rows) (u workspace.Upstream, err error) {
		var key string
		return u, rows.Scan(&u.WorkspaceID, &u.DataflowID, &key)
	})
}

// Siblings returns the current revisions of all dataflows in the workspace of one, by their names.
func (c *Catalog) Siblings(ctx context.Context, dataflow string) ([]refresh.Definition, error) {
	rows, err := c.readers.QueryContext(ctx, `
		SELECT other.id FROM items i JOIN items other ON other.workspace = i.workspace AND other.kind = 'dataflow' WHERE i.id = ? ORDER BY other.name_key, other.id`, dataflow)
	ids, err := collect(rows, err, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) })
	if err != nil {
		return nil, failed("list the dataflows beside "+dataflow, err)
	}
	list := make([]refresh.Definition, len(ids))
	for i, id := range ids {
		if list[i], err = c.RefreshDefinition(ctx, id); err != nil {
			return nil, err
		}
	}
	return list, nil
}
