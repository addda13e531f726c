package connector

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a peer may send.
const (
	maxText       = 1 << 20  // bytes of a batch, of the texts of its EXEC ('…') together, and of a variable
	maxDepth      = 100      // of nested parentheses and subqueries
	maxRead       = 16 << 20 // bytes of a batch and the texts of its EXECs, each as often as it is read
	maxEXEC       = 8        // of EXEC ('…') within each other
	maxStatements = 2_000    // of a batch
	maxName       = 512      // bytes; more than any service's names have
	maxUSE        = 32       // of a batch: what follows one is read once more
)

type tokenKind uint8

const (
	endToken       tokenKind = iota
	wordToken                // a name or a keyword
	quotedToken              // a name in brackets or double quotes: never a keyword
	stringToken              // text holds the value, with doubled quotes undone
	numberToken              // digits, perhaps with a point and an exponent
	parameterToken           // ?
	variableToken            // @name; text holds the name
	symbolToken              // an operator or a separator
)

type token struct {
	kind tokenKind
	text string
	at   int // byte offset
}

// is tells whether t is a keyword, in any letter case, or a symbol.
func (t token) is(text string) bool {
	return (t.kind == wordToken || t.kind == symbolToken) && strings.EqualFold(t.text, text)
}

func (t token) String() string {
	switch t.kind {
	case endToken:
		return "the end of the statement"
	case stringToken:
		return "the text '" + shorten(t.text) + "'"
	case variableToken:
		return "@" + t.text
	}
	return "'" + shorten(t.text) + "'"
}

func shorten(text string) string {
	const limit = 40
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// scan cuts a text into tokens. Comments end with their line, or with the text; those of the form /* */ nest, as in T-SQL. What looks like a
// comment inside of a text or a quoted name is none.
func scan(text string) ([]token, error) {
	if len(text) > maxText {
		return nil, fail(codeSyntax, text, 0, "cannot read a statement of more than %d bytes", maxText).
			hint("Send it in several batches, and long values as parameters.")
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, fail(codeSyntax, text, 0, "cannot read a statement that is not UTF-8 or holds a zero byte")
	}
	s := &scanner{text: text}
	s.pos = len(text) - len(strings.TrimPrefix(text, "\ufeff"))
	for {
		next, err := s.next()
		if err != nil {
			return nil, err
		}
		if next.kind != stringToken && len(next.text) > maxName {
			return nil, fail(codeSyntax, text, next.at, "cannot use a name or a number of more than %d bytes", maxName).hint("A text stands in single quotes.")
		}
		s.tokens = append(s.tokens, next)
		if next.kind == endToken {
			return s.tokens, nil
		}
	}
}

type scanner struct {
	text   string
	pos    int
	tokens []token
}

func (s *scanner) rest() string { return s.text[s.pos:] }

func (s *scanner) next() (token, error) {
	if err := s.skip(); err != nil {
		return token{}, err
	}
	at, rest := s.pos, s.rest()
	if rest == "" {
		return token{endToken, "", at}, nil
	}
	first, _ := utf8.DecodeRuneInString(rest)
	switch {
	case first == '\'':
		return s.quoted(stringToken, "'", "text", 1)
	case (first == 'N' || first == 'n') && strings.HasPrefix(rest[1:], "'"):
		return s.quoted(stringToken, "'", "text", 2)
	case first == '"':
		return s.quoted(quotedToken, `"`, "name", 1)
	case first == '[':
		return s.quoted(quotedToken, "]", "name", 1)
	case first == '@':
		s.pos++
		return token{variableToken, s.word(), at}, nil
	case first == '?':
		s.pos++
		return token{parameterToken, "?", at}, nil
	case isDigit(rest[0]) || first == '.' && len(rest) > 1 && isDigit(rest[1]):
		return s.number()
	case isWordStart(first):
		return token{wordToken, s.word(), at}, nil
	}
	for _, symbol := range []string{"<>", "!=", "<=", ">=", "!<", "!>", "||"} {
		if strings.HasPrefix(rest, symbol) {
			s.pos += 2
			return token{symbolToken, symbol, at}, nil
		}
	}
	if !strings.ContainsRune("(),.;=<>+-*/%{}", first) {
		e := fail(codeSyntax, s.text, at, "cannot read the character %q", first)
		if strings.ContainsRune("‘’“”‚„«»`´", first) {
			e.hint("Texts stand in straight quotes: 'text'.")
		}
		return token{}, e
	}
	s.pos++
	return token{symbolToken, rest[:1], at}, nil
}

// skip passes blanks and comments.
func (s *scanner) skip() error {
	for {
		rest := strings.TrimLeftFunc(s.rest(), unicode.IsSpace)
		s.pos = len(s.text) - len(rest)
		switch {
		case strings.HasPrefix(rest, "--"):
			if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
				s.pos += end
			} else {
				s.pos = len(s.text)
			}
		case strings.HasPrefix(rest, "/*"):
			if err := s.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *scanner) comment() error {
	at := s.pos
	for depth := 0; ; {
		switch rest := s.rest(); {
		case rest == "":
			return fail(codeSyntax, s.text, at, "cannot read a comment that does not end: '*/' is missing")
		case strings.HasPrefix(rest, "/*"):
			depth++
			s.pos += 2
		case strings.HasPrefix(rest, "*/"):
			s.pos += 2
			if depth--; depth == 0 {
				return nil
			}
		default:
			s.pos++
		}
	}
}

// quoted reads what ends with a quote that is not doubled; skip is the length of its beginning.
func (s *scanner) quoted(kind tokenKind, end, what string, skip int) (token, error) {
	at := s.pos
	var value strings.Builder
	for from := at + skip; ; {
		length := strings.Index(s.text[from:], end)
		if length < 0 {
			return token{}, fail(codeSyntax, s.text, at, "cannot read a %s that does not end: its closing %s is missing", what, end).
				hint("A quote inside of it is written twice.")
		}
		value.WriteString(s.text[from : from+length])
		from += length + 1
		if !strings.HasPrefix(s.text[from:], end) {
			s.pos = from
			break
		}
		value.WriteString(end)
		from++
	}
	if kind == quotedToken && value.Len() == 0 {
		return token{}, fail(codeSyntax, s.text, at, "cannot use a name without letters")
	}
	return token{kind, value.String(), at}, nil
}

func (s *scanner) number() (token, error) {
	at := s.pos
	digits := func() {
		for s.pos < len(s.text) && isDigit(s.text[s.pos]) {
			s.pos++
		}
	}
	digits()
	if strings.HasPrefix(s.rest(), ".") {
		s.pos++
		digits()
	}
	if rest := s.rest(); len(rest) > 1 && (rest[0] == 'e' || rest[0] == 'E') {
		sign := 1
		if rest[1] == '+' || rest[1] == '-' {
			sign = 2
		}
		if len(rest) > sign && isDigit(rest[sign]) {
			s.pos += sign
			digits()
		}
	}
	if next, _ := utf8.DecodeRuneInString(s.rest()); isWordStart(next) {
		return token{}, fail(codeSyntax, s.text, at, "cannot read the number '%s': it is followed by '%c'", s.text[at:s.pos], next)
	}
	return token{numberToken, s.text[at:s.pos], at}, nil
}

func (s *scanner) word() string {
	rest := s.rest()
	end := strings.IndexFunc(rest, func(r rune) bool { return !isWordStart(r) && !unicode.IsDigit(r) && r != '$' && r != '@' })
	if end < 0 {
		end = len(rest)
	}
	s.pos += end
	return rest[:end]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(r rune) bool {
	return r == '_' || r == '#' || r != utf8.RuneError && unicode.IsLetter(r)
}
