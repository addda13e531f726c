package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"sort"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/store"
)

// CurrentVersion returns the version that readers of a model see now.
func (c *Catalog) CurrentVersion(ctx context.Context, model string) (store.Version, error) {
	return c.Version(ctx, model, 0)
}

// Version returns one version of a model's data that is still kept; 0 is the current one.
func (c *Catalog) Version(ctx context.Context, model string, number int64) (store.Version, error) {
	var version store.Version
	err := c.read(ctx, "read a version of model "+model, func(tx *sql.Tx) (err error) {
		version, err = readVersion(ctx, tx, model, number)
		return err
	})
	return version, err
}

// Versions lists the versions of a model's data that are still kept, newest first.
func (c *Catalog) Versions(ctx context.Context, model string) ([]store.VersionSummary, error) {
	var list []store.VersionSummary
	err := c.read(ctx, "list the versions of model "+model, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT v.number, v.model_revision, v.committed_at, v.operation, v.number = i.version
			FROM items i JOIN versions v ON v.model = i.id WHERE i.id = ? ORDER BY v.number DESC`, model)
		list, err = collect(rows, err, func(rows *sql.Rows) (store.VersionSummary, error) {
			var version store.VersionSummary
			var committed sql.NullInt64
			err := rows.Scan(&version.Number, &version.ModelRevision, &committed, &version.Operation, &version.Current)
			version.CommittedAt = timeOf(committed)
			return version, err
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return notFound("cannot find model %s", model)
		}
		return addSizes(ctx, tx, model, list)
	})
	return list, err
}

// addSizes counts the rows and bytes of versions, newest first.
func addSizes(ctx context.Context, tx *sql.Tx, model string, list []store.VersionSummary) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT p.from_version, coalesce(p.to_version, ?2), sum(f.rows), sum(f.bytes)
		FROM parts p JOIN part_files f ON f.part = p.id
		WHERE p.model = ?1 AND (p.to_version IS NULL OR p.to_version > ?3)
		GROUP BY p.from_version, p.to_version`, model, list[0].Number+1, list[len(list)-1].Number)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var from, to, count, size int64
		if err := rows.Scan(&from, &to, &count, &size); err != nil {
			return err
		}
		first := sort.Search(len(list), func(i int) bool { return list[i].Number < to })
		for i := first; i < len(list) && list[i].Number >= from; i++ {
			list[i].Rows += count
			list[i].Bytes += size
		}
	}
	return rows.Err()
}

// hasVersion refuses what names a version that is not kept.
func hasVersion(ctx context.Context, tx *sql.Tx, model string, number int64) error {
	var found bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM versions WHERE model = ? AND number = ?)`, model, number).Scan(&found)
	if err == nil && !found {
		err = fault.New(fault.Invalid, refresh.CodeVersion, "cannot roll back to version %d: it is not kept any more", number)
	}
	return err
}

func readVersion(ctx context.Context, tx *sql.Tx, model string, number int64) (store.Version, error) {
	version := store.Version{Model: model}
	var committed sql.NullInt64
	err := tx.QueryRowContext(ctx, `
		SELECT v.number, v.model_revision, v.committed_at, v.operation
		FROM items i JOIN versions v ON v.model = i.id AND v.number = iif(?2 = 0, i.version, ?2)
		WHERE i.id = ?1`, model, number).Scan(&version.Number, &version.ModelRevision, &committed, &version.Operation)
	if errors.Is(err, sql.ErrNoRows) {
		if number == 0 {
			return store.Version{}, notFound("cannot find model %s", model)
		}
		return store.Version{}, notFound("cannot find version %d of model %s: it never was, or is not kept any more", number, model)
	}
	if err != nil {
		return store.Version{}, err
	}
	version.CommittedAt = timeOf(committed)

	rows, err := tx.QueryContext(ctx, `
		SELECT p.id, p.table_name, p.partition, p.state, p.range_start, p.range_end, p.read_at, p.bookmark, p.fingerprint,
		       f.id, f.rows, f.bytes, f.sha256, f.range_start, f.range_end
		FROM parts p LEFT JOIN part_files f ON f.part = p.id
		WHERE p.model = ?1 AND p.from_version <= ?2 AND (p.to_version IS NULL OR p.to_version > ?2)
		ORDER BY p.id, f.ordinal`, model, version.Number)
	if err != nil {
		return store.Version{}, err
	}
	defer rows.Close()
	for last := int64(0); rows.Next(); {
		var (
			part        store.Part
			id          int64
			readAt      sql.NullInt64
			file, sum   sql.NullString
			count, size sql.NullInt64
			start, end  sql.NullString
		)
		if err := rows.Scan(&id, &part.Table, &part.Partition, &part.State, &part.Start, &part.End, &readAt, &part.Bookmark,
			&part.Fingerprint, &file, &count, &size, &sum, &start, &end); err != nil {
			return store.Version{}, err
		}
		if id != last {
			part.ReadAt, last = timeOf(readAt), id
			version.Parts = append(version.Parts, part)
		}
		if file.Valid {
			current := &version.Parts[len(version.Parts)-1]
			current.Files = append(current.Files, store.File{ID: file.String, Rows: count.Int64, Bytes: size.Int64, SHA256: sum.String,
				Start: start.String, End: end.String})
		}
	}
	if err := rows.Err(); err != nil {
		return store.Version{}, err
	}

	objects, err := tx.QueryContext(ctx, `
		SELECT table_name, column_name, state FROM objects
		WHERE model = ?1 AND from_version <= ?2 AND (to_version IS NULL OR to_version > ?2)
		ORDER BY id`, model, version.Number)
	version.Objects, err = collect(objects, err, func(rows *sql.Rows) (store.Object, error) {
		var object store.Object
		return object, rows.Scan(&object.Table, &object.Column, &object.State)
	})
	return version, err
}

// insertVersion makes the next version of a model current: everything of the one before but what the change names.
func insertVersion(ctx context.Context, tx *sql.Tx, version store.Version, change store.Change) error {
	model, number := version.Model, version.Number
	if _, err := tx.ExecContext(ctx, `INSERT INTO versions (model, number, model_revision, committed_at, operation) VALUES (?, ?, ?, ?, ?)`,
		model, number, version.ModelRevision, nanos(version.CommittedAt), version.Operation); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE items SET version = ? WHERE id = ?`, number, model); err != nil {
		return err
	}
	if change.Whole {
		if err := endAll(ctx, tx, model, number); err != nil {
			return err
		}
	} else if err := endParts(ctx, tx, model, number, change); err != nil {
		return err
	}
	for _, part := range change.Put {
		if err := insertPart(ctx, tx, model, number, part); err != nil {
			return err
		}
	}
	for _, object := range change.Objects {
		if _, err := tx.ExecContext(ctx, `UPDATE objects SET to_version = ? WHERE model = ? AND table_key = ? AND column_key = ? AND to_version IS NULL`,
			number, model, key(object.Table), key(object.Column)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO objects (model, table_name, table_key, column_name, column_key, state, from_version) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			model, object.Table, key(object.Table), object.Column, key(object.Column), string(object.State), number); err != nil {
			return err
		}
	}
	return nil
}

// endAll ends the validity of everything that a model's versions before number have.
func endAll(ctx context.Context, tx *sql.Tx, model string, number int64) error {
	for _, statement := range []string{
		`UPDATE parts SET to_version = ?2 WHERE model = ?1 AND to_version IS NULL`,
		`UPDATE objects SET to_version = ?2 WHERE model = ?1 AND to_version IS NULL`,
	} {
		if _, err := tx.ExecContext(ctx, statement, model, number); err != nil {
			return err
		}
	}
	return nil
}

// endParts ends the validity of the parts that a change removes or replaces.
func endParts(ctx context.Context, tx *sql.Tx, model string, number int64, change store.Change) error {
	ends := make([][2]string, 0, len(change.Remove)+len(change.Put))
	for _, gone := range change.Remove {
		ends = append(ends, [2]string{key(gone.Table), key(gone.Partition)})
	}
	for _, part := range change.Put {
		ends = append(ends, [2]string{key(part.Table), key(part.Partition)})
	}
	if len(ends) == 0 {
		return nil
	}
	list, err := json.Marshal(ends)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE parts SET to_version = ?1 WHERE id IN (
			SELECT p.id FROM json_each(?3) ended CROSS JOIN parts p INDEXED BY parts_current
			WHERE p.model = ?2 AND p.table_key = ended.value ->> 0 AND p.partition_key = ended.value ->> 1 AND p.to_version IS NULL)`, number, model, string(list))
	return err
}

func insertPart(ctx context.Context, tx *sql.Tx, model string, number int64, part store.Part) error {
	result, err := tx.ExecContext(ctx, `
		INSERT INTO parts (model, table_name, table_key, partition, partition_key, state, range_start, range_end, read_at, bookmark,
		                   fingerprint, from_version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		model, part.Table, key(part.Table), part.Partition, key(part.Partition), string(part.State), part.Start, part.End,
		nanos(part.ReadAt), part.Bookmark, part.Fingerprint, number)
	if err != nil {
		return err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return err
	}
	for ordinal, file := range part.Files {
		if _, err := tx.ExecContext(ctx, `INSERT INTO part_files (part, ordinal, id, rows, bytes, sha256, range_start, range_end) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			id, ordinal, file.ID, file.Rows, file.Bytes, file.SHA256, file.Start, file.End); err != nil {
			return err
		}
	}
	return nil
}

// kept gives for each model the oldest version that is kept without a pin: the one before the current one, or the first that was
// current at or after ?1, if that is earlier. A version is current until the next one is committed. Its pins are those of the JSON
// array ?2, the versions that unfinished rollbacks go back to, and those that unfinished operations read.
const kept = `WITH oldest AS (
	SELECT i.id AS model, max(1, min(i.version - 1, coalesce(
		(SELECT min(v.number) - 1 FROM versions v WHERE v.model = i.id AND v.number > 1 AND v.committed_at >= ?1), i.version))) AS number
	FROM items i),
	pins AS MATERIALIZED (
		SELECT value ->> 0 AS model, value ->> 1 AS number FROM json_each(?2)
		UNION ALL
		SELECT model, request ->> '$.Rollback.Version' FROM operations WHERE ended_at IS NULL AND request ->> '$.Rollback.Version' IS NOT NULL
		UNION ALL
		SELECT p.item, p.version FROM operations o JOIN operation_pins p ON p.operation = o.seq WHERE o.ended_at IS NULL) `

// pinnedIn tells whether a pin is a version to which the row p belongs.
const pinnedIn = `EXISTS (SELECT 1 FROM pins WHERE pins.model = p.model AND p.from_version <= pins.number AND pins.number < p.to_version)`

func encodePins(pins []store.Pin) (string, error) {
	list := make([][2]any, len(pins))
	for i, pin := range pins {
		list[i] = [2]any{pin.Model, pin.Number}
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// FilesInUse returns the ids of the files that the versions which are not forgotten name, and the steps of unfinished operations. A version
// that has rows can be gone back to at any moment, so that all of its files are in use, whyever it was kept.
func (c *Catalog) FilesInUse(ctx context.Context) ([]string, error) {
	rows, err := c.readers.QueryContext(ctx, `
		SELECT id FROM part_files
		UNION
		SELECT s.file_id FROM operations o JOIN steps s ON s.operation = o.seq WHERE o.ended_at IS NULL AND s.file_id <> ''`)
	files, err := collect(rows, err, func(rows *sql.Rows) (file string, err error) { return file, rows.Scan(&file) })
	return files, failed("list the files in use", err)
}

// ForgetVersions deletes the rows of the versions that nobody needs any more: of all but each model's current version, the one before it,
// those that were current at or after since, the pinned ones, and those that unfinished operations go back to or read.
func (c *Catalog) ForgetVersions(ctx context.Context, since time.Time, pinned []store.Pin) error {
	pins, err := encodePins(pinned)
	if err != nil {
		return failed("name the pinned versions", err)
	}
	return c.write(ctx, "forget old versions", func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range []string{
			`DELETE FROM parts WHERE id IN (
				SELECT p.id FROM oldest o JOIN parts p ON p.model = o.model AND p.to_version <= o.number WHERE NOT ` + pinnedIn + `)`,
			`DELETE FROM objects WHERE id IN (
				SELECT p.id FROM oldest o JOIN objects p ON p.model = o.model AND p.to_version <= o.number WHERE NOT ` + pinnedIn + `)`,
			`DELETE FROM versions WHERE (model, number) IN (
				SELECT v.model, v.number FROM oldest o JOIN versions v ON v.model = o.model AND v.number < o.number
				WHERE NOT EXISTS (SELECT 1 FROM pins WHERE pins.model = v.model AND pins.number = v.number))`,
		} {
			if _, err := tx.ExecContext(ctx, kept+statement, since.UnixNano(), pins); err != nil {
				return err
			}
		}
		return nil
	})
}
