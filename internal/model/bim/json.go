package bim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// maxDepth bounds nesting, so that a hostile file cannot exhaust the stack. Real models stay below 20.
const maxDepth = 200

type kind uint8

const (
	object kind = iota
	array
	text
	number
	boolean
	null
)

// found says what a value is in an error that expected something else.
func (k kind) found() string {
	return [...]string{"an object", "an array", "a text", "a number", "true or false", "null"}[k]
}

// value is a JSON value that knows where it stands and how it was written.
type value struct {
	kind      kind
	line, col int
	raw       string   // text, number, boolean: as written
	text      string   // text: without quotes and escapes
	members   []member // object, in the order of the file
	items     []*value // array
}

type member struct {
	key   *value
	value *value
}

// parser reads JSON with positions. encoding/json keeps neither these nor the order of keys nor the spelling of numbers.
type parser struct {
	path  string
	in    string
	at    int
	line  int
	start int // where the line begins
	depth int
}

func parse(path, in string) (*value, error) {
	p := &parser{path: path, in: in, line: 1}
	p.space()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(p.in) {
		return nil, p.expected("the end of the file")
	}
	return v, nil
}

func (p *parser) position() (line, col int) {
	return p.line, utf8.RuneCountInString(p.in[p.start:p.at]) + 1
}

func failAt(path string, line, col int, format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, model.CodeFile, "cannot read %s:%d:%d: %s", path, line, col, fmt.Sprintf(format, args...))
}

func (p *parser) expected(what string) error {
	line, col := p.position()
	found := "the end of the file"
	if p.at < len(p.in) {
		word := p.in[p.at:]
		if end := strings.IndexAny(word[1:], " \t\r\n,:[]{}\""); end >= 0 {
			word = word[:end+1]
		}
		if len(word) > 40 {
			word = strings.ToValidUTF8(word[:40], "") + "…"
		}
		if found = strconv.Quote(word); word[0] == '"' {
			found = "the text " + word + "\""
		}
	}
	return failAt(p.path, line, col, "expected %s, found %s", what, found)
}

func (p *parser) space() {
	for ; p.at < len(p.in); p.at++ {
		switch p.in[p.at] {
		case '\n':
			p.line++
			p.start = p.at + 1
		case ' ', '\t', '\r':
		default:
			return
		}
	}
}

func (p *parser) next() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *parser) value() (*value, error) {
	v := &value{}
	v.line, v.col = p.position()
	switch c := p.next(); {
	case c == '{' || c == '[':
		if p.depth++; p.depth > maxDepth {
			return nil, failAt(p.path, v.line, v.col, "expected at most %d objects and arrays inside each other", maxDepth)
		}
		defer func() { p.depth-- }()
		p.at++
		if c == '{' {
			return v, p.object(v)
		}
		v.kind = array
		return v, p.array(v)
	case c == '"':
		return v, p.text(v)
	case c == '-' || c >= '0' && c <= '9':
		return v, p.number(v)
	}
	for word, kind := range map[string]kind{"true": boolean, "false": boolean, "null": null} {
		if strings.HasPrefix(p.in[p.at:], word) {
			p.at += len(word)
			v.kind, v.raw = kind, word
			return v, nil
		}
	}
	return nil, p.expected("a value")
}

func (p *parser) object(v *value) error {
	seen := map[string]*value{}
	for p.space(); ; p.space() {
		if p.next() == '}' && len(v.members) == 0 {
			p.at++
			return nil
		}
		if p.next() != '"' {
			return p.expected("a property's name in quotes")
		}
		key := &value{}
		key.line, key.col = p.position()
		if err := p.text(key); err != nil {
			return err
		}
		if first := seen[key.text]; first != nil {
			return failAt(p.path, key.line, key.col, "expected each property once: %q stands at %d:%d too", key.text, first.line, first.col)
		}
		seen[key.text] = key
		if p.space(); p.next() != ':' {
			return p.expected("a colon after \"" + key.text + "\"")
		}
		p.at++
		p.space()
		item, err := p.value()
		if err != nil {
			return err
		}
		v.members = append(v.members, member{key, item})
		switch p.space(); p.next() {
		case ',':
			p.at++
		case '}':
			p.at++
			return nil
		default:
			return p.expected("a comma or '}' after the value of \"" + key.text + "\"")
		}
	}
}

func (p *parser) array(v *value) error {
	for p.space(); ; p.space() {
		if p.next() == ']' && len(v.items) == 0 {
			p.at++
			return nil
		}
		item, err := p.value()
		if err != nil {
			return err
		}
		v.items = append(v.items, item)
		switch p.space(); p.next() {
		case ',':
			p.at++
		case ']':
			p.at++
			return nil
		default:
			return p.expected("a comma or ']' after an item of the array")
		}
	}
}

func (p *parser) text(v *value) error {
	from := p.at
	for p.at++; p.at < len(p.in); p.at++ {
		switch c := p.in[p.at]; {
		case c == '"':
			p.at++
			v.kind, v.raw = text, p.in[from:p.at]
			// The standard library knows the escapes; it accepts all that this loop lets through but wrong ones.
			if err := json.Unmarshal([]byte(v.raw), &v.text); err != nil {
				return failAt(p.path, v.line, v.col, "expected a text with JSON's escapes, found %s", v.raw)
			}
			return nil
		case c == '\\':
			p.at++
		case c < ' ':
			return p.expected("the text that begins at column " + strconv.Itoa(v.col) + " to end on its line")
		}
	}
	p.at = len(p.in)
	return p.expected("the text that begins at " + strconv.Itoa(v.line) + ":" + strconv.Itoa(v.col) + " to end")
}

func (p *parser) number(v *value) error {
	from := p.at
	for p.at < len(p.in) && strings.IndexByte("+-.eE0123456789", p.in[p.at]) >= 0 {
		p.at++
	}
	v.kind, v.raw = number, p.in[from:p.at]
	if !json.Valid([]byte(v.raw)) {
		p.at = from
		return p.expected("a number")
	}
	return nil
}

// write puts v on w in the layout that Microsoft's tools write: two spaces a level, one member or item a line.
func (v *value) write(w *strings.Builder, eol, indent string) {
	open, end, count := "{", "}", len(v.members)
	switch v.kind {
	case object:
	case array:
		open, end, count = "[", "]", len(v.items)
	default:
		w.WriteString(v.raw)
		return
	}
	w.WriteString(open)
	for i := range count {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString(eol + indent + "  ")
		if v.kind == object {
			w.WriteString(v.members[i].key.raw + ": ")
			v.members[i].value.write(w, eol, indent+"  ")
		} else {
			v.items[i].write(w, eol, indent+"  ")
		}
	}
	if count > 0 {
		w.WriteString(eol + indent)
	}
	w.WriteString(end)
}
