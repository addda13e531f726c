package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// The output formats: a table for people, the others for programs.
const (
	formatTable = "table"
	formatCSV   = "csv"
	formatJSON  = "json"
)

// formatted gives a verb the flag --format.
func (a *app) formatted(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&a.format, "format", formatTable, "table, csv or json")
	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains([]string{formatTable, formatCSV, formatJSON}, a.format) {
			return usageError{fmt.Errorf("there is no --format %q: it is table, csv or json", a.format)}
		}
		return inner(cmd, args)
	}
	return cmd
}

// list prints records: as a table or CSV the columns, as JSON the items themselves.
func list[T any](a *app, items []T, columns []string, row func(T) []string) error {
	switch a.format {
	case formatJSON:
		if items == nil {
			items = []T{}
		}
		return printJSON(a.out, items)
	case formatCSV:
		w := csv.NewWriter(a.out)
		if err := w.Write(columns); err != nil {
			return err
		}
		for _, item := range items {
			if err := w.Write(row(item)); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	}
	t := newTable(columns)
	for _, item := range items {
		appendRow(t, row(item))
	}
	_, err := fmt.Fprintln(a.out, t.Render())
	return err
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func newTable(columns []string) table.Writer {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.Options{SeparateColumns: true, SeparateHeader: true}
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	appendHeader(t, columns)
	return t
}

func appendHeader(t table.Writer, cells []string) { t.AppendHeader(tableRow(cells)) }
func appendRow(t table.Writer, cells []string)    { t.AppendRow(tableRow(cells)) }

func tableRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, cell := range cells {
		row[i] = printable(cell)
	}
	return row
}

// printable keeps control characters of data away from the terminal.
func printable(cell string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, cell)
}

// The cells of a list: for people, or in CSV for programs. There counts and sizes are plain numbers (of bytes), a moment is RFC 3339 in UTC, and a
// length is in seconds.

func (a *app) count(n int64) string {
	if a.format == formatCSV {
		return strconv.FormatInt(n, 10)
	}
	return count(n)
}

func (a *app) size(n int64) string {
	if a.format == formatCSV {
		return strconv.FormatInt(n, 10)
	}
	return size(n)
}

func (a *app) moment(t time.Time) string {
	if a.format == formatCSV && !t.IsZero() {
		return t.UTC().Format(time.RFC3339Nano)
	}
	return moment(t)
}

func (a *app) length(from, to time.Time) string {
	if a.format == formatCSV && !from.IsZero() && !to.IsZero() {
		return strconv.FormatFloat(to.Sub(from).Seconds(), 'f', 3, 64)
	}
	return length(from, to)
}

// count writes a number with separators.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// moment writes a time for people, in their zone.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// length writes how long something took.
func length(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return to.Sub(from).Round(100 * time.Millisecond).String()
}
