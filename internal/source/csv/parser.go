package csv

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"freshet.dev/internal/source"
)

// maxRow bounds a row in memory: a quote that is never closed would else swallow the rest of a file.
const maxRow = 128 << 20

var errTooLong = errors.New("a row is too long")

// parser splits text into rows as Csv.Document does. The text is UTF-8 without a byte order mark.
type parser struct {
	r         io.Reader
	delimiter []byte // empty: runs of white space
	lines     bool   // QuoteStyle.None: a line break ends the row, also within quotes
	always    bool   // CsvStyle.QuoteAlways

	buffer     []byte
	start, end int // what is not parsed yet
	ended      bool
	consumed   int64

	// Where the next ones are at or after start; end or more when there is none up to end.
	feed, carriage, quote int

	fields  [][]byte
	scratch []byte
	bounds  []int // of the fields in scratch
}

func newParser(r io.Reader, options source.CSV) *parser {
	return &parser{
		r: r, delimiter: []byte(options.Delimiter), lines: options.Quote == source.QuoteNone, always: options.Style == source.QuoteAlways,
		buffer: make([]byte, 256<<10),
	}
}

// next returns the fields of the next row; they are valid until the following call. At the end it returns io.EOF.
func (p *parser) next() ([][]byte, error) {
	for {
		if p.start < p.end {
			if row, length := p.row(); row != nil {
				p.start += length
				p.consumed += int64(length)
				return row, nil
			}
		} else if p.ended {
			return nil, io.EOF
		}
		if err := p.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more; it forgets where the next line break is.
func (p *parser) fill() error {
	if p.start > 0 {
		copy(p.buffer, p.buffer[p.start:p.end])
		p.end -= p.start
		p.start = 0
	}
	if p.end == len(p.buffer) {
		if len(p.buffer) >= maxRow {
			return errTooLong
		}
		p.buffer = append(p.buffer, make([]byte, len(p.buffer))...)
	}
	// The whole buffer is filled: a long row is parsed again after each doubling, not after each block of the reader below.
	n, err := io.ReadFull(p.r, p.buffer[p.end:])
	p.end += n
	if p.ended = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); err != nil && !p.ended {
		return err
	}
	p.feed, p.carriage, p.quote = 0, 0, 0
	p.seek()
	return nil
}

// seek moves the marks that lie before start.
func (p *parser) seek() {
	p.feed = p.find(p.feed, '\n')
	p.carriage = p.find(p.carriage, '\r')
	p.quote = p.find(p.quote, '"')
}

func (p *parser) find(mark int, b byte) int {
	if mark >= p.start && mark > 0 && mark <= p.end && (mark == p.end || p.buffer[mark] == b) {
		return mark
	}
	if i := bytes.IndexByte(p.buffer[p.start:p.end], b); i >= 0 {
		return p.start + i
	}
	return p.end
}

// row parses what lies between start and end. It returns nil when the row may go on after end; else the row and its length with
// its line break.
func (p *parser) row() ([][]byte, int) {
	p.seek()
	stop := min(p.feed, p.carriage)
	if stop == p.end && !p.ended {
		return nil, 0
	}
	after := stop
	if stop < p.end {
		after++
		if p.buffer[stop] == '\r' {
			if after == p.end && !p.ended {
				return nil, 0 // a line feed may follow
			}
			if after < p.end && p.buffer[after] == '\n' {
				after++
			}
		}
	}
	if p.quote >= stop {
		p.split(p.buffer[p.start:stop])
		return p.fields, after - p.start
	}
	if p.lines {
		p.unquote(p.buffer[p.start:stop], true)
		return p.fields, after - p.start
	}
	length, whole := p.unquote(p.buffer[p.start:p.end], false)
	if !whole && !p.ended {
		return nil, 0
	}
	return p.fields, length
}

// split cuts a line without quotes at its delimiters.
func (p *parser) split(line []byte) {
	p.fields = p.fields[:0]
	for {
		i, length := p.delimiterIn(line)
		if i < 0 {
			p.fields = append(p.fields, line)
			return
		}
		p.fields = append(p.fields, line[:i])
		line = line[i+length:]
	}
}

// delimiterIn returns where the first delimiter begins, and its length; -1 when there is none.
func (p *parser) delimiterIn(line []byte) (int, int) {
	switch len(p.delimiter) {
	case 0:
		i := bytes.IndexAny(line, " \t")
		if i < 0 {
			return -1, 0
		}
		return i, blanks(line[i:])
	case 1:
		return bytes.IndexByte(line, p.delimiter[0]), 1
	}
	return bytes.Index(line, p.delimiter), len(p.delimiter)
}

func blanks(text []byte) int {
	n := 0
	for n < len(text) && strings.IndexByte(" \t", text[n]) >= 0 {
		n++
	}
	return n
}

// delimiterAt returns the length of the delimiter that text begins with, or 0.
func (p *parser) delimiterAt(text []byte) int {
	if len(p.delimiter) == 0 {
		return blanks(text)
	}
	if bytes.HasPrefix(text, p.delimiter) {
		return len(p.delimiter)
	}
	return 0
}

// unquote parses a row that has quotes and returns its length. A line is one row without its line break; otherwise text goes on
// beyond the row, and whole tells whether the row ended within it.
func (p *parser) unquote(text []byte, line bool) (length int, whole bool) {
	p.scratch, p.bounds = p.scratch[:0], p.bounds[:0]
	fresh, quoted := true, false // at the start of a field; within quotes
	i := 0
	for i < len(text) && !whole {
		b := text[i]
		switch {
		case quoted:
			close := bytes.IndexByte(text[i:], '"')
			if close < 0 {
				p.scratch = append(p.scratch, text[i:]...)
				i = len(text)
				continue
			}
			p.scratch = append(p.scratch, text[i:i+close]...)
			i += close + 1
			if i == len(text) && !line && !p.ended {
				return 0, false // another quote may follow
			}
			if i < len(text) && text[i] == '"' {
				p.scratch = append(p.scratch, '"')
				i++
			} else {
				quoted = false
			}
		case b == '"' && (fresh || p.always):
			quoted, fresh = true, false
			i++
		case !line && (b == '\n' || b == '\r'):
			i++
			if b == '\r' {
				if i == len(text) && !p.ended {
					return 0, false
				}
				if i < len(text) && text[i] == '\n' {
					i++
				}
			}
			whole = true
		default:
			if n := p.delimiterAt(text[i:]); n > 0 {
				p.bounds = append(p.bounds, len(p.scratch))
				i += n
				fresh = true
				continue
			}
			if !line && len(p.delimiter) > 1 && len(text)-i < len(p.delimiter) && !p.ended {
				return 0, false // the delimiter may go on
			}
			p.scratch = append(p.scratch, b)
			fresh = false
			i++
		}
	}
	p.bounds = append(p.bounds, len(p.scratch))
	p.fields = p.fields[:0]
	from := 0
	for _, to := range p.bounds {
		p.fields = append(p.fields, p.scratch[from:to])
		from = to
	}
	return i, whole
}
