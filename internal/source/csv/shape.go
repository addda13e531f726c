package csv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"freshet.dev/internal/source"
)

// maxLine is the longest row that DuckDB is offered.
const (
	maxLine = 2 << 20
	// buffer is how much of the file DuckDB reads at a time. A row group's texts hold the buffers that they came from until it is written:
	// DuckDB's own 32 MiB doubled the memory of a load, and made its threads wait for each other at the limit, as 8 MiB still did.
	buffer  = 2 * maxLine
	tooLong = "a row is longer than 2 MiB"
)

// shape is what must be known of a file before DuckDB may read it in M's stead.
type shape struct {
	rows                 int64
	minFields, maxFields int
	quotes               bool
	// brokenAt is the first row, from 1, with a line break in quotes; 0 when there is none.
	brokenAt int64
	// odd says what makes the text irregular, "" when nothing does.
	odd string

	feeds, pairs int64 // rows that end in \n, in \r\n
}

// irregular says why DuckDB would not read the rows after skip as M does; "" when it would.
func (s *shape) irregular(options source.CSV, columns int, skip int64) string {
	switch {
	case s.odd != "":
		return s.odd
	case s.rows <= skip:
		return "there are no rows"
	case s.feeds > 0 && s.pairs > 0:
		return "the rows end in different line breaks"
	case s.brokenAt > 0 && options.Quote == source.QuoteNone:
		return "a quoted field holds a line break, which QuoteStyle.None takes for the end of the row"
	case s.brokenAt > 0 && s.brokenAt <= skip:
		return "a row to be skipped holds a line break"
	case s.brokenAt > 0 && s.minFields != s.maxFields:
		return "rows of different lengths hold line breaks"
	case s.maxFields > columns && options.Extra == source.ExtraError:
		return "a row has more fields than columns, which ExtraValues.Error reports"
	case s.maxFields > maxColumns:
		return "a row has too many fields"
	}
	return ""
}

// add appends the shape of what follows in the file.
func (s *shape) add(next shape) {
	if next.rows == 0 && next.odd == "" {
		return
	}
	if s.rows == 0 {
		s.minFields = next.minFields
	}
	s.minFields, s.maxFields = min(s.minFields, next.minFields), max(s.maxFields, next.maxFields)
	if s.brokenAt == 0 && next.brokenAt > 0 {
		s.brokenAt = s.rows + next.brokenAt
	}
	if s.odd == "" {
		s.odd = next.odd
	}
	s.quotes = s.quotes || next.quotes
	s.rows += next.rows
	s.feeds, s.pairs = s.feeds+next.feeds, s.pairs+next.pairs
}

// errBroken tells that a row holds a line break, so that a part of the file may begin within a row.
var errBroken = errors.New("a quoted field holds a line break")

// look reads a file once. Parts are read at the same time; when a row holds a line break the file is read again from its start.
func look(ctx context.Context, path string, delimiter byte) (*shape, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	const smallest = 8 << 20
	parts := int(min(int64(runtime.GOMAXPROCS(0)), info.Size()/smallest+1))
	whole, err := lookParts(ctx, path, info.Size(), delimiter, parts)
	if errors.Is(err, errBroken) {
		whole, err = lookParts(ctx, path, info.Size(), delimiter, 1)
	}
	return whole, err
}

func lookParts(ctx context.Context, path string, size int64, delimiter byte, parts int) (*shape, error) {
	found := make([]shape, parts)
	group, ctx := errgroup.WithContext(ctx)
	for i := range parts {
		group.Go(func() error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			from, err := rowStart(f, size*int64(i)/int64(parts), size)
			if err != nil {
				return err
			}
			to, err := rowStart(f, size*int64(i+1)/int64(parts), size)
			if err != nil {
				return err
			}
			l := looker{delimiter: delimiter, alone: parts == 1}
			found[i], err = l.run(ctx, io.NewSectionReader(f, from, to-from))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	whole := &found[0]
	for _, part := range found[1:] {
		whole.add(part)
	}
	return whole, nil
}

// rowStart returns where the first row begins at or after offset: after a byte order mark or a line feed.
func rowStart(f *os.File, offset, size int64) (int64, error) {
	if offset >= size {
		return size, nil
	}
	block := make([]byte, 64<<10)
	if offset == 0 {
		n, err := f.ReadAt(block[:3], 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if string(block[:n]) == "\xef\xbb\xbf" {
			return 3, nil
		}
		return 0, nil
	}
	for at := offset - 1; at < size; {
		n, err := f.ReadAt(block, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.IndexByte(block[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		at += int64(n)
	}
	return size, nil
}

// looker finds the shape of a run of whole rows.
type looker struct {
	delimiter byte
	alone     bool // the run begins where a row does for certain
	shape     shape
	fields    int // of the row so far, whose line breaks lie in quotes
	length    int // of it
	open      bool
}

func (l *looker) run(ctx context.Context, r io.Reader) (shape, error) {
	buffer := make([]byte, 256<<10)
	held := 0
	for {
		if ctx.Err() != nil {
			return shape{}, context.Cause(ctx)
		}
		n, err := io.ReadAtLeast(r, buffer[held:], 1)
		held += n
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return shape{}, err
		}
		whole := held
		if !last {
			whole = bytes.LastIndexByte(buffer[:held], '\n') + 1
		}
		if err := l.block(buffer[:whole]); err != nil {
			return shape{}, err
		}
		if l.shape.odd != "" || last {
			break
		}
		held = copy(buffer, buffer[whole:held])
		if held == len(buffer) {
			if held >= maxLine {
				l.shape.odd = tooLong
				break
			}
			buffer = append(buffer, make([]byte, held)...)
		}
	}
	if l.open && l.shape.odd == "" {
		l.shape.odd = "a quote is opened and never closed"
	}
	return l.shape, nil
}

// block looks at whole lines. What a whole block lacks is not searched for in its lines.
func (l *looker) block(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	switch {
	case !utf8.Valid(text):
		l.shape.odd = "the text is not valid UTF-8"
		return nil
	case bytes.IndexByte(text, 0) >= 0:
		l.shape.odd = "the text holds zero bytes"
		return nil
	}
	quotes := bytes.IndexByte(text, '"') >= 0
	returns := bytes.IndexByte(text, '\r') >= 0
	for len(text) > 0 {
		line := text
		ended := false
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text, ended = text[:i], text[i+1:], true
		} else {
			text = nil
		}
		pair := false
		if returns {
			if i := bytes.IndexByte(line, '\r'); i >= 0 {
				if i < len(line)-1 || !ended {
					l.shape.odd = "a carriage return stands alone"
					return nil
				}
				pair = true
				line = line[:i]
			}
		}
		if !l.open && len(line) == 0 {
			l.shape.odd = "a line is empty"
			return nil
		}
		if quotes && (l.open || bytes.IndexByte(line, '"') >= 0) {
			l.shape.quotes = true
			if !l.quoted(line) {
				l.shape.odd = "a quote stands within a field"
				return nil
			}
		} else {
			l.fields = bytes.Count(line, []byte{l.delimiter}) + 1
		}
		if l.open {
			if !l.alone {
				return errBroken
			}
			if l.shape.brokenAt == 0 {
				l.shape.brokenAt = l.shape.rows + 1
			}
			if l.length += len(line) + 2; l.length > maxLine {
				l.shape.odd = tooLong
				return nil
			}
			continue
		}
		l.length = 0
		if l.shape.rows == 0 {
			l.shape.minFields = l.fields
		}
		l.shape.minFields, l.shape.maxFields = min(l.shape.minFields, l.fields), max(l.shape.maxFields, l.fields)
		l.shape.rows++
		switch {
		case pair:
			l.shape.pairs++
		case ended:
			l.shape.feeds++
		}
	}
	return nil
}

// quoted counts the fields of a line with quotes, or of a further line of a row. False: a quote neither opens nor closes a field.
func (l *looker) quoted(line []byte) bool {
	i := 0
	if !l.open {
		l.fields = 1
	}
	for {
		if !l.open && i < len(line) && line[i] == '"' {
			l.open = true
			i++
		}
		if l.open {
			for l.open {
				close := bytes.IndexByte(line[i:], '"')
				if close < 0 {
					return true
				}
				i += close + 1
				if i < len(line) && line[i] == '"' {
					i++
					continue
				}
				l.open = false
			}
			if i == len(line) {
				return true
			}
			if line[i] != l.delimiter {
				return false
			}
		} else {
			next := bytes.IndexByte(line[i:], l.delimiter)
			field := line[i:]
			if next >= 0 {
				field = line[i : i+next]
			}
			if bytes.IndexByte(field, '"') >= 0 {
				return false
			}
			if next < 0 {
				return true
			}
			i += next
		}
		i++
		l.fields++
	}
}
