-- +goose Up

-- Times are nanoseconds since 1970 in UTC; an unset time is NULL. Names compare by their *_key column, which folds letter case as
-- models do. Ids are lower-case UUIDs.

CREATE TABLE workspaces (
    id       TEXT PRIMARY KEY,
    name     TEXT    NOT NULL CHECK (name <> ''),
    name_key TEXT    NOT NULL,
    capacity TEXT    NOT NULL,                 -- '' is a shared workspace
    personal TEXT    NOT NULL,                 -- the principal whose own workspace it is, or ''
    created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX workspaces_by_name ON workspaces (name_key) WHERE personal = '';
CREATE UNIQUE INDEX workspaces_by_owner ON workspaces (personal) WHERE personal <> '';

CREATE TABLE grants (
    workspace      TEXT    NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    principal      TEXT    NOT NULL,
    principal_name TEXT    NOT NULL,
    app            INTEGER NOT NULL CHECK (app IN (0, 1)),
    role           INTEGER NOT NULL CHECK (role BETWEEN 1 AND 4), -- Viewer, Contributor, Member, Admin
    PRIMARY KEY (workspace, principal)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_principal ON grants (principal);

CREATE TABLE items (
    id            TEXT PRIMARY KEY,
    workspace     TEXT    NOT NULL REFERENCES workspaces ON DELETE CASCADE,
    name          TEXT    NOT NULL CHECK (name <> ''),
    name_key      TEXT    NOT NULL,
    revision      INTEGER NOT NULL CHECK (revision >= 1),
    version       INTEGER NOT NULL CHECK (version >= 1),
    created       INTEGER NOT NULL,
    modified      INTEGER NOT NULL,
    configured_by TEXT    NOT NULL,
    UNIQUE (workspace, name_key)
) STRICT, WITHOUT ROWID;

-- A definition is kept as files; a text that several revisions share is kept once.
CREATE TABLE definitions (
    item        TEXT    NOT NULL REFERENCES items ON DELETE CASCADE,
    revision    INTEGER NOT NULL,
    format      TEXT    NOT NULL CHECK (format IN ('tmdl', 'bim')),
    deployed    INTEGER NOT NULL,
    deployed_by TEXT    NOT NULL,
    PRIMARY KEY (item, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE texts (
    sha256  TEXT PRIMARY KEY,
    content BLOB NOT NULL
) STRICT;

CREATE TABLE definition_files (
    item     TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    path     TEXT    NOT NULL,
    sha256   TEXT    NOT NULL REFERENCES texts,
    PRIMARY KEY (item, revision, path),
    FOREIGN KEY (item, revision) REFERENCES definitions ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX definition_files_by_text ON definition_files (sha256);

-- A version is a number; what belongs to it are the rows below with from_version <= number < to_version. A row that is still
-- valid has no to_version. So a commit writes what it replaces and nothing else.
CREATE TABLE versions (
    model          TEXT    NOT NULL REFERENCES items ON DELETE CASCADE,
    number         INTEGER NOT NULL CHECK (number >= 1),
    model_revision INTEGER NOT NULL,
    committed_at   INTEGER NOT NULL,
    operation      TEXT    NOT NULL, -- '' for a deployment
    PRIMARY KEY (model, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE parts (
    id            INTEGER PRIMARY KEY,
    model         TEXT    NOT NULL REFERENCES items ON DELETE CASCADE,
    table_name    TEXT    NOT NULL,
    table_key     TEXT    NOT NULL,
    partition     TEXT    NOT NULL,
    partition_key TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('Ready', 'NoData', 'CalculationNeeded')),
    range_start   TEXT    NOT NULL,
    range_end     TEXT    NOT NULL,
    read_at       INTEGER,
    bookmark      TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,
    from_version  INTEGER NOT NULL,
    to_version    INTEGER CHECK (to_version > from_version)
) STRICT;
CREATE UNIQUE INDEX parts_current ON parts (model, table_key, partition_key) WHERE to_version IS NULL;
CREATE INDEX parts_replaced ON parts (model, to_version) WHERE to_version IS NOT NULL;

CREATE TABLE part_files (
    part    INTEGER NOT NULL REFERENCES parts ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    id      TEXT    NOT NULL,
    rows    INTEGER NOT NULL CHECK (rows >= 0),
    bytes   INTEGER NOT NULL CHECK (bytes >= 0),
    sha256  TEXT    NOT NULL,
    PRIMARY KEY (part, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE objects (
    id           INTEGER PRIMARY KEY,
    model        TEXT    NOT NULL REFERENCES items ON DELETE CASCADE,
    table_name   TEXT    NOT NULL,
    table_key    TEXT    NOT NULL,
    column_name  TEXT    NOT NULL,
    column_key   TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('Ready', 'NoData', 'CalculationNeeded')),
    from_version INTEGER NOT NULL,
    to_version   INTEGER CHECK (to_version > from_version)
) STRICT;
CREATE UNIQUE INDEX objects_current ON objects (model, table_key, column_key) WHERE to_version IS NULL;
CREATE INDEX objects_replaced ON objects (model, to_version) WHERE to_version IS NOT NULL;

-- Operations: the states are those of refresh.State.
CREATE TABLE operations (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of submission
    id             TEXT    NOT NULL UNIQUE,
    model          TEXT    NOT NULL REFERENCES items ON DELETE CASCADE,
    model_revision INTEGER NOT NULL,
    trigger_kind   TEXT    NOT NULL CHECK (trigger_kind IN ('ViaApi', 'ViaEnhancedApi', 'OnDemand', 'Scheduled')),
    request        TEXT    NOT NULL CHECK (json_valid(request)),
    requested_by   TEXT    NOT NULL,
    accepted_at    INTEGER NOT NULL,
    started_at     INTEGER,
    ended_at       INTEGER,
    state          TEXT    NOT NULL CHECK (state IN ('Queued', 'Accepted', 'Running', 'Backoff', 'Paused', 'Cancelling', 'Committing',
                                                     'Completed', 'Failed', 'TimedOut', 'Cancelled')),
    epoch          INTEGER NOT NULL CHECK (epoch >= 0),
    owner          TEXT    NOT NULL,
    heartbeat      INTEGER,
    planned        INTEGER NOT NULL CHECK (planned IN (0, 1)),
    failure        TEXT             CHECK (json_valid(failure)),
    version        INTEGER NOT NULL,
    CHECK ((state IN ('Completed', 'Failed', 'TimedOut', 'Cancelled')) = (ended_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX operations_one_queued ON operations (model) WHERE state = 'Queued';
CREATE UNIQUE INDEX operations_one_unfinished ON operations (model)
    WHERE state IN ('Accepted', 'Running', 'Backoff', 'Paused', 'Cancelling', 'Committing');
CREATE INDEX operations_unfinished ON operations (accepted_at, seq) WHERE ended_at IS NULL;
CREATE INDEX operations_history ON operations (model, accepted_at, seq);
CREATE INDEX operations_all ON operations (accepted_at, seq);

CREATE TABLE attempts (
    operation  INTEGER NOT NULL REFERENCES operations ON DELETE CASCADE,
    number     INTEGER NOT NULL CHECK (number >= 1),
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    worked     INTEGER NOT NULL CHECK (worked >= 0), -- nanoseconds
    failure    TEXT CHECK (json_valid(failure)),
    PRIMARY KEY (operation, number)
) STRICT, WITHOUT ROWID;

-- Steps: the states are those of refresh.StepState. A step without a file has file_id ''.
CREATE TABLE steps (
    operation   INTEGER NOT NULL REFERENCES operations ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number >= 1),
    kind        TEXT    NOT NULL,
    table_name  TEXT    NOT NULL,
    partition   TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('Planned', 'Running', 'Finished', 'Committed', 'Skipped', 'Failed', 'Cancelled')),
    attempt     INTEGER NOT NULL,
    started_at  INTEGER,
    ended_at    INTEGER,
    file_id     TEXT    NOT NULL,
    rows        INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    sha256      TEXT    NOT NULL,
    read_at     INTEGER,
    bookmark    TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    failure     TEXT CHECK (json_valid(failure)),
    note        TEXT    NOT NULL,
    PRIMARY KEY (operation, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    seq       INTEGER PRIMARY KEY,
    operation INTEGER NOT NULL REFERENCES operations ON DELETE CASCADE,
    at        INTEGER,
    type      TEXT    NOT NULL CHECK (type IN ('Error', 'Warning', 'Information')),
    code      TEXT    NOT NULL,
    text      TEXT    NOT NULL,
    place     TEXT    NOT NULL CHECK (json_valid(place))
) STRICT;
CREATE INDEX messages_by_operation ON messages (operation, seq);
