package source

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
)

// Formats are the forms that the bytes of a file may have; package csv and package parquet provide them.
type Formats struct {
	CSV     func(ctx context.Context, content Content, options CSV) (Scan, error)
	Parquet func(ctx context.Context, content Content) (Scan, error)
}

// Scan is a content read as a table. Both ways of reading it give the same rows in the same order.
type Scan interface {
	// Schema has the columns in order. Those of CSV are all text without nulls ("" is an empty or missing field).
	Schema() *arrow.Schema
	// DuckDB returns a FROM item for DuckDB, for example `read_csv('/srv/x.csv', …)`, whose columns are those of Schema and which
	// skips the first rows; the file's order is kept while DuckDB's preserve_insertion_order is on. When DuckDB would read anything
	// else than Read does, from is "" and why says the reason: then give DuckDB the batches of Read.
	DuckDB(ctx context.Context, skip int64) (from, why string, err error)
	// Read streams the rows after the first skip as Go reads them: the truth that DuckDB's reading is held against.
	Read(ctx context.Context, skip int64, options ReadOptions) (Rows, error)
	// Total is what is known of its size beforehand: TotalRows (0 when unknown) and TotalBytes.
	Total() Progress
}

// QuoteStyle says whether a quoted field may hold line breaks (M's QuoteStyle.Type).
type QuoteStyle int

// The values are those of M.
const (
	QuoteNone QuoteStyle = 0 // a line break always ends the row
	QuoteCSV  QuoteStyle = 1 // a quoted line break belongs to the field
)

// CSVStyle says where a quote counts (M's CsvStyle.Type).
type CSVStyle int

// The values are those of M.
const (
	QuoteAfterDelimiter CSVStyle = 0 // only at the start of a field
	QuoteAlways         CSVStyle = 1 // everywhere
)

// ExtraValues says what becomes of the fields of a row that has more than the columns (M's ExtraValues.Type).
type ExtraValues int

// The values are those of M. A list of extra values is not supported and fails by name.
const (
	ExtraList   ExtraValues = 0
	ExtraError  ExtraValues = 1
	ExtraIgnore ExtraValues = 2
)

// CSV is how to read text as a table: the arguments of M's Csv.Document. M's defaults differ from the zero value: see DefaultCSV.
type CSV struct {
	Names     []string // the columns' names; empty: Column1, Column2 …
	Columns   int      // how many; 0: as many as Names or, without them, as the first row has
	Delimiter string   // one or more characters; "" splits at runs of white space
	Encoding  int      // a Windows code page: 65001 is UTF-8, 1200 UTF-16LE, 1252 …
	Quote     QuoteStyle
	Style     CSVStyle
	Extra     ExtraValues
}

// DefaultCSV returns what Csv.Document does when it is told nothing: commas, UTF-8, quoted line breaks kept, extra fields ignored.
func DefaultCSV() CSV {
	return CSV{Delimiter: ",", Encoding: 65001, Quote: QuoteCSV, Extra: ExtraIgnore}
}
