-- +goose Up

-- Who owns a model: the principal that has deployed it last, or has taken it over. '' = it was deployed before owners were kept.
ALTER TABLE items ADD COLUMN owner TEXT NOT NULL DEFAULT '';

-- What was set of a revision besides its files: workspace.Overrides.
ALTER TABLE definitions ADD COLUMN overrides TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(overrides));

-- Who may do what with one model, besides the roles in its workspace.
CREATE TABLE item_grants (
    item           TEXT    NOT NULL REFERENCES items ON DELETE CASCADE,
    principal      TEXT    NOT NULL,
    principal_name TEXT    NOT NULL,
    app            INTEGER NOT NULL CHECK (app IN (0, 1)),
    rights         INTEGER NOT NULL CHECK (rights BETWEEN 1 AND 15), -- the bits of workspace.Rights
    PRIMARY KEY (item, principal)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_grants_by_principal ON item_grants (principal);

-- The schedule of a model with DirectQuery tables, which no refresh follows.
CREATE TABLE direct_query_schedules (
    item     TEXT PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    schedule TEXT NOT NULL CHECK (json_valid(schedule))
) STRICT, WITHOUT ROWID;
