package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Error is a text that is not M: where, what was found and what could have stood there.
type Error struct {
	In       string // the expression's or file's name; may be empty
	At       Pos
	Found    string // as it stands in the text, or "the end of the text"
	Expected string
}

func (e *Error) Error() string {
	in := "the expression"
	if e.In != "" {
		in = "'" + e.In + "'"
	}
	return fmt.Sprintf("cannot read %s, line %d, column %d: found %s where %s is expected", in, e.At.Line, e.At.Column, e.Found, e.Expected)
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokIdent
	tokQuoted // #"…"
	tokKeyword
	tokNumber
	tokText
	tokVerbatim
	tokSymbol
)

type token struct {
	kind  tokenKind
	text  string // decoded: a text's value, an identifier's name, a symbol
	at    Pos
	start int // byte offset
}

// keywords are the reserved words. optional, nullable, catch and the names of types are ordinary names outside their places.
var keywords = map[string]bool{"and": true, "as": true, "each": true, "else": true, "error": true, "false": true, "if": true, "in": true,
	"is": true, "let": true, "meta": true, "not": true, "null": true, "or": true, "otherwise": true, "section": true, "shared": true,
	"then": true, "true": true, "try": true, "type": true}

// hashNames are the names that begin with #.
var hashNames = []string{"#binary", "#datetimezone", "#datetime", "#date", "#duration", "#infinity", "#nan", "#sections", "#shared", "#table", "#time"}

// symbols, longer ones first.
var symbols = []string{"...", "..", "=>", "<=", ">=", "<>", "??", ",", ";", "=", "<", ">", "+", "-", "*", "/", "&", "(", ")", "[", "]", "{", "}", "@", "!", "?"}

// scanner reads tokens on demand; copying it remembers a place.
type scanner struct {
	in   string
	src  string
	off  int
	line int
	col  int
}

func newScanner(in, src string) scanner {
	return scanner{in: in, src: strings.TrimPrefix(src, "\ufeff"), line: 1, col: 1}
}

func (s *scanner) pos() Pos { return Pos{s.line, s.col} }

func (s *scanner) rest() string { return s.src[s.off:] }

func (s *scanner) peek() rune {
	if s.off >= len(s.src) {
		return -1
	}
	if c := s.src[s.off]; c < utf8.RuneSelf {
		return rune(c)
	}
	r, _ := utf8.DecodeRuneInString(s.rest())
	return r
}

func (s *scanner) advance() rune {
	r, size := utf8.DecodeRuneInString(s.rest())
	s.off += size
	switch {
	case r == '\r' && s.peek() == '\n':
		// the \n that follows ends the line
	case isNewline(r):
		s.line++
		s.col = 1
	default:
		s.col++
	}
	return r
}

func (s *scanner) skip(n int) {
	for end := s.off + n; s.off < end; {
		s.advance()
	}
}

func isNewline(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

func isSpace(r rune) bool {
	return isNewline(r) || r == '\t' || r == '\v' || r == '\f' || unicode.Is(unicode.Zs, r)
}

func isNameStart(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) }

func isNamePart(r rune) bool {
	return isNameStart(r) || unicode.Is(unicode.Nd, r) || unicode.In(r, unicode.Mn, unicode.Mc, unicode.Pc, unicode.Cf)
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func (s *scanner) fail(at Pos, found, expected string) error {
	return &Error{In: s.in, At: at, Found: found, Expected: expected}
}

// blanks skips white space and comments.
func (s *scanner) blanks() error {
	for s.off < len(s.src) {
		switch {
		case isSpace(s.peek()):
			s.advance()
		case strings.HasPrefix(s.rest(), "//"):
			for s.off < len(s.src) && !isNewline(s.peek()) {
				s.advance()
			}
		case strings.HasPrefix(s.rest(), "/*"):
			at := s.pos()
			n := strings.Index(s.rest()[2:], "*/")
			if n < 0 {
				return s.fail(at, "a comment without its end", "*/")
			}
			s.skip(n + 4)
		default:
			return nil
		}
	}
	return nil
}

// next reads a token.
func (s *scanner) next() (token, error) {
	if err := s.blanks(); err != nil {
		return token{}, err
	}
	tok := token{at: s.pos(), start: s.off}
	if s.off >= len(s.src) {
		return tok, nil
	}
	r := s.peek()
	switch {
	case isNameStart(r):
		tok.kind, tok.text = tokIdent, s.name()
		if keywords[tok.text] {
			tok.kind = tokKeyword
		}
		return tok, nil
	case isDigit(r), r == '.' && len(s.rest()) > 1 && isDigit(rune(s.rest()[1])):
		tok.kind, tok.text = tokNumber, s.number()
		return tok, nil
	case r == '"':
		tok.kind = tokText
		var err error
		tok.text, err = s.quoted(tok.at)
		return tok, err
	case r == '#':
		return s.hash(tok)
	}
	for _, symbol := range symbols {
		if strings.HasPrefix(s.rest(), symbol) {
			s.skip(len(symbol))
			tok.kind, tok.text = tokSymbol, symbol
			return tok, nil
		}
	}
	return tok, s.fail(tok.at, strconv.QuoteRune(r), "an expression")
}

// name reads a regular identifier: parts joined by dots.
func (s *scanner) name() string {
	start := s.off
	for {
		for s.off < len(s.src) && isNamePart(s.peek()) {
			s.advance()
		}
		if s.peek() != '.' {
			break
		}
		if r, _ := utf8.DecodeRuneInString(s.rest()[1:]); !isNameStart(r) {
			break
		}
		s.advance()
	}
	return s.src[start:s.off]
}

func (s *scanner) number() string {
	start := s.off
	if rest := s.rest(); len(rest) > 2 && rest[0] == '0' && (rest[1] == 'x' || rest[1] == 'X') && isHex(rest[2]) {
		s.skip(2)
		for s.off < len(s.src) && isHex(s.src[s.off]) {
			s.advance()
		}
		return s.src[start:s.off]
	}
	s.digits()
	if rest := s.rest(); len(rest) > 1 && rest[0] == '.' && isDigit(rune(rest[1])) {
		s.advance()
		s.digits()
	}
	if rest := s.rest(); len(rest) > 1 && (rest[0] == 'e' || rest[0] == 'E') {
		n := 1
		if rest[1] == '+' || rest[1] == '-' {
			n = 2
		}
		if len(rest) > n && isDigit(rune(rest[n])) {
			s.skip(n)
			s.digits()
		}
	}
	return s.src[start:s.off]
}

func (s *scanner) digits() {
	for isDigit(s.peek()) {
		s.advance()
	}
}

func isHex(c byte) bool { return isDigit(rune(c)) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func (s *scanner) hash(tok token) (token, error) {
	var err error
	switch rest := s.rest(); {
	case strings.HasPrefix(rest, `#"`):
		s.skip(1)
		tok.kind = tokQuoted
		tok.text, err = s.quoted(tok.at)
		return tok, err
	case strings.HasPrefix(rest, `#!"`):
		s.skip(2)
		tok.kind = tokVerbatim
		tok.text, err = s.quoted(tok.at)
		return tok, err
	default:
		for _, name := range hashNames {
			if strings.HasPrefix(rest, name) {
				s.skip(len(name))
				if isNamePart(s.peek()) {
					break
				}
				tok.kind, tok.text = tokIdent, name
				return tok, nil
			}
		}
		word := rest
		if n := strings.IndexFunc(rest[1:], func(r rune) bool { return !isNamePart(r) }); n >= 0 {
			word = rest[:n+1]
		}
		return tok, s.fail(tok.at, "'"+word+"'", `a name such as #date, #table or #"quoted"`)
	}
}

// quoted reads "…" with its escapes. The scanner stands at the opening quote.
func (s *scanner) quoted(at Pos) (string, error) {
	s.advance()
	var b strings.Builder
	var units []uint16 // of \u escapes, which may come as surrogate pairs
	flush := func() {
		for _, r := range utf16.Decode(units) {
			b.WriteRune(r)
		}
		units = units[:0]
	}
	for s.off < len(s.src) {
		switch rest := s.rest(); {
		case strings.HasPrefix(rest, `""`):
			flush()
			b.WriteByte('"')
			s.skip(2)
		case rest[0] == '"':
			flush()
			s.advance()
			return b.String(), nil
		case strings.HasPrefix(rest, "#("):
			escape := s.pos()
			end := strings.IndexByte(rest, ')')
			if end < 0 {
				return "", s.fail(escape, "#( without its )", "an escape such as #(lf)")
			}
			for _, part := range strings.Split(rest[2:end], ",") {
				code, wide, ok := escapeOf(strings.TrimSpace(part))
				if !ok {
					return "", s.fail(escape, "'"+rest[:end+1]+"'", "an escape such as #(cr,lf), #(tab), #(#) or #(000D)")
				}
				if wide {
					units = utf16.AppendRune(units, rune(code))
				} else {
					units = append(units, uint16(code))
				}
			}
			s.skip(end + 1)
		default:
			flush()
			b.WriteRune(s.advance())
		}
	}
	return "", s.fail(at, "a text without its end", `"`)
}

// escapeOf decodes one part of #(…). wide tells a whole code point from a UTF-16 unit.
func escapeOf(part string) (code uint32, wide, ok bool) {
	switch part {
	case "cr":
		return '\r', false, true
	case "lf":
		return '\n', false, true
	case "tab":
		return '\t', false, true
	case "#":
		return '#', false, true
	}
	if len(part) != 4 && len(part) != 8 {
		return 0, false, false
	}
	n, err := strconv.ParseUint(part, 16, 32)
	if err != nil || n > unicode.MaxRune {
		return 0, false, false
	}
	return uint32(n), len(part) == 8, true
}

// generalized reads the name of a field: words, digits, dots and blanks between them, or #"…". ok is false where none stands.
func (s *scanner) generalized() (name string, at Pos, ok bool, err error) {
	if err := s.blanks(); err != nil {
		return "", Pos{}, false, err
	}
	at = s.pos()
	if strings.HasPrefix(s.rest(), `#"`) {
		s.skip(1)
		name, err = s.quoted(at)
		return name, at, err == nil, err
	}
	start, end := s.off, *s
	for s.off < len(s.src) {
		r := s.peek()
		if isNamePart(r) || r == '.' && !strings.HasPrefix(s.rest(), "..") {
			s.advance()
			end = *s
			continue
		}
		if r != ' ' && r != '\t' && r != '\u00a0' {
			break
		}
		s.advance()
	}
	*s = end
	return s.src[start:s.off], at, s.off > start, nil
}

// Span is the bytes of the token that begins at a position of a text; both are the text's length where none does.
func Span(text string, at Pos) (start, end int) {
	s := newScanner("", text)
	mark := len(text) - len(s.src)
	for s.off < len(s.src) {
		if s.pos() == at {
			start := s.off
			if _, err := s.next(); err != nil {
				break
			}
			return mark + start, mark + s.off
		}
		s.advance()
	}
	return len(text), len(text)
}
