-- +goose Up

-- What was done to capacities, whose sizes are the configuration's. One that has no row was never paused. The states are those of
-- capacity.State.
CREATE TABLE capacities (
    name  TEXT PRIMARY KEY CHECK (name <> ''), -- in lower case
    state TEXT    NOT NULL CHECK (state IN ('Active', 'Paused')),
    since INTEGER NOT NULL,
    by    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
