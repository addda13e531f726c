-- +goose Up

-- What a load has found of a table whose columns are inferred: JSON, a list of columns; empty for other tables.
ALTER TABLE steps ADD COLUMN columns TEXT NOT NULL DEFAULT '';

-- Of a dataflow: 1 or 2, by the form of its definition. A model has 0.
ALTER TABLE items ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
UPDATE items SET generation = 1 WHERE kind = 'dataflow';
