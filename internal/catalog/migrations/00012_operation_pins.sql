-- +goose Up

-- The versions of other items that an operation reads: all of it reads one version of each, which is kept while it is unfinished.
CREATE TABLE operation_pins (
    operation INTEGER NOT NULL REFERENCES operations ON DELETE CASCADE,
    item      TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    PRIMARY KEY (operation, item)
) STRICT, WITHOUT ROWID;
