// Package csv reads delimited text as M's Csv.Document does.
//
// There are two readers. The one in Go (parser) is the truth: it takes every code page, ragged rows, all line ends and M's ways with
// quotes. DuckDB's reader is several times as fast, but agrees with M only on regular text; so a file is looked at first (shape), at
// the speed of memory, and DuckDB is offered only what it reads in exactly the same way.
package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"freshet.dev/internal/duck"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// maxColumns bounds what a delimiter chosen wrongly can ask for.
const maxColumns = 16384

// Open prepares a content for reading. Without Names and Columns it reads the first row, which tells how many columns there are.
func Open(ctx context.Context, content source.Content, options source.CSV) (source.Scan, error) {
	if err := check(options); err != nil {
		return nil, err
	}
	s := &scan{content: content, options: options}
	count := max(options.Columns, len(options.Names))
	if options.Columns == 0 && len(options.Names) == 0 {
		var err error
		if count, err = s.firstRow(ctx); err != nil {
			return nil, err
		}
	}
	if count > maxColumns {
		return nil, fault.New(fault.Invalid, source.CodeData, "cannot read %s: it has %d columns, and %d are the most", s.name(), count, maxColumns)
	}
	fields := make([]arrow.Field, count)
	for i := range fields {
		name := fmt.Sprintf("Column%d", i+1)
		if i < len(options.Names) {
			name = options.Names[i]
		}
		fields[i] = arrow.Field{Name: name, Type: arrow.BinaryTypes.String}
	}
	s.schema = arrow.NewSchema(fields, nil)
	return s, nil
}

func check(options source.CSV) error {
	refuse := func(what string) error {
		return fault.New(fault.Invalid, source.CodeData, "cannot read delimited text: %s", what)
	}
	switch {
	case options.Columns < 0:
		return refuse("the number of columns is negative")
	case strings.ContainsAny(options.Delimiter, "\"\r\n\x00"):
		return refuse(fmt.Sprintf("the delimiter %q holds a quote, a line break or a zero", options.Delimiter))
	case options.Quote != source.QuoteNone && options.Quote != source.QuoteCSV:
		return refuse(fmt.Sprintf("there is no QuoteStyle %d", options.Quote))
	case options.Style != source.QuoteAfterDelimiter && options.Style != source.QuoteAlways:
		return refuse(fmt.Sprintf("there is no CsvStyle %d", options.Style))
	case options.Extra == source.ExtraList:
		return refuse("ExtraValues.List is not supported")
	case options.Extra != source.ExtraError && options.Extra != source.ExtraIgnore:
		return refuse(fmt.Sprintf("there is no ExtraValues %d", options.Extra))
	}
	_, err := source.Decode(strings.NewReader(""), options.Encoding)
	return err
}

type scan struct {
	content source.Content
	options source.CSV
	schema  *arrow.Schema

	mu    sync.Mutex
	known *shape // nil until DuckDB asked
}

func (s *scan) name() string {
	if s.content.Path != "" {
		return "'" + s.content.Path + "'"
	}
	return "the text"
}

func (s *scan) Schema() *arrow.Schema { return s.schema }

func (s *scan) Total() source.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := source.Progress{TotalBytes: s.content.Len()}
	if s.known != nil {
		total.TotalRows = s.known.rows
	}
	return total
}

// firstRow returns the number of fields in the first row, and 1 for an empty text.
func (s *scan) firstRow(ctx context.Context) (int, error) {
	in, err := s.content.Open()
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	text, err := source.Decode(in, s.options.Encoding)
	if err != nil {
		return 0, source.FileError(s.content.Path, err)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	row, err := newParser(text, s.options).next()
	if errors.Is(err, io.EOF) {
		return 1, nil
	}
	if err != nil {
		return 0, s.located(err, 1)
	}
	return len(row), nil
}

func (s *scan) located(err error, row int64) error {
	if errors.Is(err, errTooLong) {
		return fault.At(fault.New(fault.Invalid, source.CodeData, "cannot read %s: a row is longer than %d MiB", s.name(), maxRow>>20).
			WithHint("Is a quote opened and never closed? QuoteStyle.None ends every row at its line break."), source.CodeData, fault.Where{Row: row})
	}
	return source.FileError(s.content.Path, err)
}

// DuckDB looks at the file once and says how DuckDB would read it, or why it would read it differently.
func (s *scan) DuckDB(ctx context.Context, skip int64) (from, why string, err error) {
	if why := s.foreign(); why != "" {
		return "", why, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		known, err := look(ctx, s.content.Path, s.options.Delimiter[0])
		if err != nil {
			return "", "", source.FileError(s.content.Path, err)
		}
		s.known = known
	}
	if why := s.known.irregular(s.options, s.schema.NumFields(), skip); why != "" {
		return "", why, nil
	}
	return s.from(skip), "", nil
}

// foreign says which option or place DuckDB has no equal for, without looking at the file.
func (s *scan) foreign() string {
	switch {
	case s.content.Path == "":
		return "the text is in memory, not in a file"
	case s.options.Encoding != source.UTF8:
		return fmt.Sprintf("the text is of encoding %d, which is turned into UTF-8 first", s.options.Encoding)
	case len(s.options.Delimiter) != 1:
		return "the delimiter is not one ASCII character"
	case s.options.Delimiter == " ":
		return "the delimiter is a blank"
	case s.options.Style != source.QuoteAfterDelimiter:
		return "CsvStyle.QuoteAlways reads quotes within fields"
	case strings.ContainsAny(s.content.Path, "*?[{"):
		return "DuckDB takes the file's name for a pattern"
	}
	return ""
}

// from writes the read_csv for a file whose shape is regular.
func (s *scan) from(skip int64) string {
	count := s.schema.NumFields()
	declared := max(count, s.known.maxFields)
	names := make([]string, declared)
	taken := map[string]bool{}
	unique := true
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
		if i < count {
			names[i] = s.schema.Field(i).Name
		}
		unique = unique && names[i] != "" && !taken[strings.ToLower(names[i])]
		taken[strings.ToLower(names[i])] = true
	}
	if !unique {
		for i := range names {
			names[i] = fmt.Sprintf("c%d", i)
		}
	}
	var columns, notNull []string
	for _, name := range names {
		columns = append(columns, duck.Literal(name)+": 'VARCHAR'")
		notNull = append(notNull, duck.Literal(name))
	}
	quote := `''`
	if s.known.quotes {
		quote = `'"'`
	}
	padding := s.known.minFields < declared
	// No new_line: in strict mode DuckDB 1.5 loses the line breaks of a file that it is told to end in \r\n.
	text := fmt.Sprintf("read_csv(%s, auto_detect=false, header=false, skip=%d, delim=%s, quote=%s, escape=%s, comment='', columns={%s}, "+
		"force_not_null=[%s], strict_mode=true, null_padding=%t, parallel=%t, max_line_size=%d, buffer_size=%d)",
		duck.Literal(s.content.Path), skip, duck.Literal(s.options.Delimiter), quote, quote, strings.Join(columns, ", "),
		strings.Join(notNull, ", "), padding, !padding || s.known.brokenAt == 0, maxLine, buffer)
	if !padding && declared == count {
		return text
	}
	var outputs []string
	for i, name := range names[:count] {
		as := duck.Ident(name)
		if unique || s.schema.Field(i).Name == name {
			outputs = append(outputs, "coalesce("+as+", '') AS "+as)
		} else {
			outputs = append(outputs, "coalesce("+as+", '')")
		}
	}
	return "(SELECT " + strings.Join(outputs, ", ") + " FROM " + text + ")"
}
