-- +goose Up

-- What becomes of a standard refresh that comes while one runs and one is queued: Drop, Reject.
ALTER TABLE workspaces ADD COLUMN overflow INTEGER NOT NULL DEFAULT 0 CHECK (overflow IN (0, 1));
