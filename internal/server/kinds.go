package server

import (
	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
	"freshet.dev/internal/source/file"
	"freshet.dev/internal/source/parquet"
	"freshet.dev/internal/source/postgres"
)

// kinds lists the kinds of sources.
func kinds() []source.Kind {
	return []source.Kind{file.Kind(), postgres.Kind()}
}

// formats lists the forms that files may have.
func formats() source.Formats {
	return source.Formats{CSV: csv.Open, Parquet: parquet.Open}
}
