-- +goose Up

-- The chain that a refresh of a dataflow belongs to: the id of the operation that was asked for; '' = none.
ALTER TABLE operations ADD COLUMN chain TEXT NOT NULL DEFAULT '';
CREATE INDEX operations_chain ON operations (chain) WHERE chain <> '';

-- What becomes of a chain: AllOrNothing, CommitEach.
ALTER TABLE workspaces ADD COLUMN chains INTEGER NOT NULL DEFAULT 0 CHECK (chains IN (0, 1));
