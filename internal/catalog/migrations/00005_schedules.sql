-- +goose Up

CREATE TABLE schedules (
    item     TEXT PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    enabled  INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    schedule TEXT    NOT NULL CHECK (json_valid(schedule)),
    since    INTEGER NOT NULL, -- when it was last changed or enabled
    last     INTEGER NOT NULL  -- the last moment that was dealt with
) STRICT, WITHOUT ROWID;
