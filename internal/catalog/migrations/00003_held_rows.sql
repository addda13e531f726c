-- +goose Up

-- The rows that a partition held when the refresh was planned: what guards compare with.
ALTER TABLE steps ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
