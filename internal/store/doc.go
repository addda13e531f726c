// Package store keeps the rows of models: immutable Parquet files, named by ids, and the versions that name them.
//
// A file is written once, made durable, and only then mentioned by anybody; it is deleted when no version that is kept or being
// read, and no unfinished operation, mentions it any more. The rows that say which version mentions which file are kept by the
// catalog; this package says what they mean.
package store
