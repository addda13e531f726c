-- +goose Up

-- What an item is: workspace.Kind. A model and a dataflow of one workspace may have the same name: a dataflow's name_key ends in the character 31,
-- which no name holds.
ALTER TABLE items ADD COLUMN kind TEXT NOT NULL DEFAULT 'model' CHECK (kind IN ('model', 'dataflow'));
ALTER TABLE items ADD COLUMN description TEXT NOT NULL DEFAULT '';

-- Definitions have one more format. A CHECK cannot be changed in place, so the table is made anew, with what refers to it.
CREATE TABLE new_definitions (
    item        TEXT    NOT NULL REFERENCES items ON DELETE CASCADE,
    revision    INTEGER NOT NULL,
    format      TEXT    NOT NULL CHECK (format IN ('tmdl', 'bim', 'dataflow')),
    deployed    INTEGER NOT NULL,
    deployed_by TEXT    NOT NULL,
    overrides   TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(overrides)),
    PRIMARY KEY (item, revision)
) STRICT, WITHOUT ROWID;
INSERT INTO new_definitions SELECT item, revision, format, deployed, deployed_by, overrides FROM definitions;
CREATE TABLE new_definition_files (
    item     TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    path     TEXT    NOT NULL,
    sha256   TEXT    NOT NULL REFERENCES texts,
    PRIMARY KEY (item, revision, path),
    FOREIGN KEY (item, revision) REFERENCES new_definitions ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO new_definition_files SELECT item, revision, path, sha256 FROM definition_files;
DROP TABLE definition_files;
DROP TABLE definitions;
ALTER TABLE new_definitions RENAME TO definitions;
ALTER TABLE new_definition_files RENAME TO definition_files;
CREATE INDEX definition_files_by_text ON definition_files (sha256);
