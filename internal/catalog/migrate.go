package catalog

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"

	"freshet.dev/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a file as a catalog of Freshet ("frsh"): SQLite files of others are refused, not migrated.
const applicationID = 0x66727368

func migrate(ctx context.Context, db *sql.DB, path string) error {
	var application, objects int
	err := db.QueryRowContext(ctx, `SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id`).
		Scan(&application, &objects)
	if err != nil {
		return failed("read catalog "+path, err)
	}
	if application != applicationID && objects > 0 {
		return fault.New(fault.Invalid, codeForeign, "cannot open catalog %s: it is a database of another program", path)
	}
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return failed("read the migrations", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return failed("read the migrations", err)
	}
	present, err := provider.GetDBVersion(ctx)
	if err != nil {
		return failed("read the schema of catalog "+path, err)
	}
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; present > newest {
		return fault.New(fault.Conflict, codeNewer, "cannot open catalog %s: a newer Freshet wrote it (schema %d, this one knows %d)", path, present, newest).
			WithHint("Start that newer Freshet, or restore a backup that is older than it.")
	}
	if _, err := db.ExecContext(ctx, "PRAGMA application_id = 1718776680"); err != nil {
		return failed("mark catalog "+path, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return failed("migrate catalog "+path, err)
	}
	return nil
}
