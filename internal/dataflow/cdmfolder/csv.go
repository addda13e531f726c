package cdmfolder

import (
	"bufio"
	"context"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// selected is the SELECT list that gives the data columns of a table as texts in forms that no culture changes: ISO 8601 for moments, a point in
// numbers, true and false, base64 for bytes.
func selected(table *model.Table) string {
	var list []string
	for _, column := range dataColumns(table) {
		name := duck.Ident(column.Name)
		form := name + "::VARCHAR"
		switch {
		case column.DataType == model.Double:
			form = "CASE WHEN isnan(" + name + ") THEN 'NaN' WHEN isinf(" + name + ") THEN CASE WHEN " + name + " > 0 THEN 'Infinity' ELSE '-Infinity' END ELSE " + name + "::VARCHAR END"
		case column.DataType == model.Binary:
			form = "to_base64(" + name + ")"
		case column.DataType != model.DateTime:
		case column.Moment == "date":
			form = name + "::DATE::VARCHAR"
		case column.Moment == "time":
			form = name + "::TIME::VARCHAR"
		case column.Moment == "datetimeoffset":
			form = "replace(" + name + "::VARCHAR, ' ', 'T') || 'Z'"
		default:
			form = "replace(" + name + "::VARCHAR, ' ', 'T')"
		}
		list = append(list, form+" AS "+name)
	}
	return strings.Join(list, ", ")
}

func dataColumns(table *model.Table) []*model.Column {
	var columns []*model.Column
	for _, column := range table.Columns {
		if column.Type == model.DataColumn || column.Type == "" {
			columns = append(columns, column)
		}
	}
	return columns
}

// csv writes the rows of a statement whose columns are texts, as RFC 4180 has it: an empty text is "", null is nothing.
func (w *writing) csv(ctx context.Context, to io.Writer, statement string, table *model.Table, header bool) (rows int64, err error) {
	out := bufio.NewWriterSize(to, 1<<16)
	if header {
		for i, column := range dataColumns(table) {
			separate(out, i)
			field(out, column.Name)
		}
		_, _ = out.WriteString("\r\n") // Flush tells what went wrong
	}
	reader, err := w.conn.Query(ctx, statement)
	if err != nil {
		return 0, err
	}
	defer reader.Release()
	for reader.Next() {
		if err := w.disk.Room(); err != nil {
			return 0, err
		}
		batch := reader.RecordBatch()
		columns := make([]*array.String, batch.NumCols())
		for i := range columns {
			text, is := batch.Column(i).(*array.String)
			if !is {
				return 0, fault.New(fault.Internal, fault.CodeInternal, "cannot write a CSV file: column '%s' came as %s", batch.ColumnName(i), batch.Column(i).DataType())
			}
			columns[i] = text
		}
		for row := range int(batch.NumRows()) {
			for i, column := range columns {
				separate(out, i)
				if column.IsValid(row) {
					field(out, column.Value(row))
				}
			}
			if _, err := out.WriteString("\r\n"); err != nil {
				return 0, err
			}
		}
		rows += batch.NumRows()
	}
	if err := reader.Err(); err != nil {
		return 0, err
	}
	return rows, out.Flush()
}

func separate(out *bufio.Writer, column int) {
	if column > 0 {
		_ = out.WriteByte(',') // Flush tells what went wrong
	}
}

// field writes a text, in quotes where it would mean something else without.
func field(out *bufio.Writer, text string) {
	if text != "" && !strings.ContainsAny(text, "\",\r\n") {
		_, _ = out.WriteString(text)
		return
	}
	_ = out.WriteByte('"')
	_, _ = out.WriteString(strings.ReplaceAll(text, `"`, `""`))
	_ = out.WriteByte('"')
}
