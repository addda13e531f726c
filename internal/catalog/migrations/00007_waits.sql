-- +goose Up

-- Since when an accepted refresh waits for a place on its capacity, the time that nobody waited for it not counted.
ALTER TABLE operations ADD COLUMN waits_since INTEGER;
