package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

// tableRows is how many rows a table for people shows: all of them must be held to know the columns' widths.
const tableRows = 1000

func (a *app) query() *cobra.Command {
	cmd := &cobra.Command{
		Use:   `query MODEL "SELECT …"`,
		Short: "Run SQL over a model's refreshed tables",
		Long: `Run one SELECT (in DuckDB's SQL) over a model's tables as the last refresh left them. A query sees one version of the data to its end, also when
a refresh finishes meanwhile. As a table, the first 1,000 rows are shown; csv and json give all.`,
		Example: `  freshet query Sales "SELECT Region, sum(Amount) FROM Orders GROUP BY ALL"
  freshet query Sales "FROM Orders" --format csv > orders.csv`,
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			rows, err := client.Query(cmd.Context(), m.ID, args[1])
			if err != nil {
				return err
			}
			defer rows.Close()
			return a.writeRows(names(rows.Columns), rows.Next)
		},
	}
	return a.formatted(cmd)
}

// nextRow returns the next row, one JSON value a column; io.EOF after the last.
type nextRow func() ([]json.RawMessage, error)

// writeRows prints rows in the format that was asked for.
func (a *app) writeRows(columns []string, next nextRow) error {
	switch a.format {
	case formatCSV:
		return writeCSV(a.out, columns, next)
	case formatJSON:
		return writeJSON(a.out, columns, next)
	}
	return a.writeTable(columns, next)
}

// cell returns a value as people and CSV want it: null is empty, text has no quotes.
func cell(value json.RawMessage) string {
	var text string
	switch {
	case string(value) == "null":
		return ""
	case len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil:
		return text
	}
	return string(value)
}

func cells(row []json.RawMessage) []string {
	texts := make([]string, len(row))
	for i, value := range row {
		texts[i] = cell(value)
	}
	return texts
}

func names(columns []powerbi.QueryColumn) []string {
	texts := make([]string, len(columns))
	for i, column := range columns {
		texts[i] = column.Name
	}
	return texts
}

func writeCSV(out io.Writer, columns []string, next nextRow) error {
	w := csv.NewWriter(out)
	if err := w.Write(columns); err != nil {
		return err
	}
	for {
		row, err := next()
		if err != nil {
			w.Flush()
			if errors.Is(err, io.EOF) {
				return w.Error()
			}
			return err
		}
		texts := cells(row)
		if len(texts) == 1 && texts[0] == "" {
			// An empty line is no row to those who read CSV.
			w.Flush()
			if _, err := io.WriteString(out, "\"\"\n"); err != nil {
				return err
			}
			continue
		}
		if err := w.Write(texts); err != nil {
			return err
		}
	}
}

// writeJSON writes an array of objects whose properties stand in the order of the columns.
func writeJSON(out io.Writer, columns []string, next nextRow) error {
	keys := make([]string, len(columns))
	for i, column := range columns {
		key, err := json.Marshal(column)
		if err != nil {
			return err
		}
		keys[i] = string(key) + ":"
	}
	separator := "["
	for {
		row, err := next()
		if errors.Is(err, io.EOF) {
			if separator == "[" {
				separator = "[]"
			} else {
				separator = "\n]"
			}
			_, err = io.WriteString(out, separator+"\n")
			return err
		}
		if err != nil {
			return err
		}
		var line strings.Builder
		line.WriteString(separator + "\n{")
		for i, value := range row {
			if i > 0 {
				line.WriteByte(',')
			}
			line.WriteString(keys[i])
			line.Write(value)
		}
		line.WriteByte('}')
		if _, err := io.WriteString(out, line.String()); err != nil {
			return err
		}
		separator = ","
	}
}

func (a *app) writeTable(columns []string, next nextRow) error {
	t := newTable(columns)
	var total int64
	for {
		row, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if total++; total <= tableRows {
			appendRow(t, cells(row))
		}
	}
	fmt.Fprintln(a.out, t.Render())
	if total > tableRows {
		fmt.Fprintf(a.err, "%s rows, of which the first %s are shown; --format csv or json gives all\n", count(total), count(tableRows))
	}
	return nil
}
