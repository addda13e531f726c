-- +goose Up

-- What refresh policies need. A step's range is that of its partition; takes lists the partitions whose files it takes over, known is the value of
-- the polling expression that makes a load needless. A file's range is the part of its partition's range whose rows it holds.
ALTER TABLE steps ADD COLUMN range_start TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN range_end TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN takes TEXT NOT NULL DEFAULT '' CHECK (takes = '' OR json_valid(takes));
ALTER TABLE steps ADD COLUMN known TEXT NOT NULL DEFAULT '';
ALTER TABLE part_files ADD COLUMN range_start TEXT NOT NULL DEFAULT '';
ALTER TABLE part_files ADD COLUMN range_end TEXT NOT NULL DEFAULT '';
