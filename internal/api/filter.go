package api

import (
	"cmp"
	"strconv"
	"strings"
	"unicode"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// filter is a parsed $filter over an item's properties, by lower-case name.
type filter func(properties map[string]string) bool

// parseFilter reads the part of OData's $filter that clients send to lists: eq, ne, gt, ge, lt, le, contains, startswith, endswith, and, or, not and
// parentheses. Names of workspaces are compared without letter case, because no two differ by it alone.
func parseFilter(text string, properties ...string) (filter, error) {
	p := &filterParser{rest: text, properties: properties}
	p.next()
	result := p.or()
	if p.problem == "" && p.token != "" {
		p.fail("expected the end, found " + p.token)
	}
	if p.problem != "" {
		return nil, fault.New(fault.Invalid, codeInvalid, "cannot read $filter=%s: %s", text, p.problem).
			WithHint("It can be: PROPERTY eq 'TEXT', contains(PROPERTY,'TEXT'), combined by and, or, not; the properties are %s.", strings.Join(properties, ", "))
	}
	return result, nil
}

type filterParser struct {
	rest       string
	token      string // the present token; a text with its opening quote; "" is the end
	properties []string
	depth      int
	problem    string
}

func (p *filterParser) fail(problem string) filter {
	if p.problem == "" {
		p.problem = problem
	}
	p.token, p.rest = "", ""
	return nil
}

// next takes the next token.
func (p *filterParser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" {
		p.token = ""
		return
	}
	length := 1
	switch first := rune(p.rest[0]); {
	case first == '\'':
		for {
			end := strings.IndexByte(p.rest[length:], '\'')
			if end < 0 {
				p.fail("a text has no closing quote")
				return
			}
			length += end + 1
			if length == len(p.rest) || p.rest[length] != '\'' {
				break
			}
			length++ // a doubled quote is one quote
		}
		p.token = "'" + strings.ReplaceAll(p.rest[1:length-1], "''", "'")
		p.rest = p.rest[length:]
		return
	case unicode.IsLetter(first):
		for length < len(p.rest) && (unicode.IsLetter(rune(p.rest[length])) || unicode.IsDigit(rune(p.rest[length]))) {
			length++
		}
	}
	p.token, p.rest = p.rest[:length], p.rest[length:]
}

func (p *filterParser) take(word string) bool {
	if !strings.EqualFold(p.token, word) {
		return false
	}
	p.next()
	return true
}

func (p *filterParser) or() filter {
	left := p.and()
	for p.take("or") {
		a, b := left, p.and()
		left = func(item map[string]string) bool { return a(item) || b(item) }
	}
	return left
}

func (p *filterParser) and() filter {
	left := p.term()
	for p.take("and") {
		a, b := left, p.term()
		left = func(item map[string]string) bool { return a(item) && b(item) }
	}
	return left
}

func (p *filterParser) term() filter {
	if p.depth++; p.depth > 100 {
		return p.fail("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	switch word := strings.ToLower(p.token); word {
	case "not":
		p.next()
		inner := p.term()
		return func(item map[string]string) bool { return !inner(item) }
	case "(":
		p.next()
		inner := p.or()
		if !p.take(")") {
			return p.fail("a parenthesis is not closed")
		}
		return inner
	case "contains", "startswith", "endswith":
		return p.function(word)
	}
	return p.comparison()
}

func (p *filterParser) function(name string) filter {
	p.next()
	if !p.take("(") {
		return p.fail("expected ( after " + name)
	}
	property := p.property()
	if !p.take(",") {
		return p.fail("expected a comma in " + name)
	}
	text := p.text()
	if !p.take(")") {
		return p.fail("expected ) at the end of " + name)
	}
	text = strings.ToLower(text)
	match := map[string]func(s, part string) bool{"contains": strings.Contains, "startswith": strings.HasPrefix, "endswith": strings.HasSuffix}[name]
	return func(item map[string]string) bool { return match(strings.ToLower(item[property]), text) }
}

func (p *filterParser) comparison() filter {
	property := p.property()
	for operator, holds := range map[string]func(order int) bool{
		"eq": func(order int) bool { return order == 0 }, "ne": func(order int) bool { return order != 0 },
		"gt": func(order int) bool { return order > 0 }, "ge": func(order int) bool { return order >= 0 },
		"lt": func(order int) bool { return order < 0 }, "le": func(order int) bool { return order <= 0 },
	} {
		if p.take(operator) {
			compare := orderOfTexts
			if !strings.HasPrefix(p.token, "'") {
				compare = orderOfNumbers
			}
			text := p.text()
			return func(item map[string]string) bool { return holds(compare(item[property], text)) }
		}
	}
	return p.fail("expected eq, ne, gt, ge, lt or le after " + property)
}

// orderOfTexts compares texts without letter case.
func orderOfTexts(a, b string) int { return strings.Compare(model.NameKey(a), model.NameKey(b)) }

// orderOfNumbers compares what stands without quotes: numbers as such, and other words as texts.
func orderOfNumbers(a, b string) int {
	x, err := strconv.ParseFloat(a, 64)
	if y, other := strconv.ParseFloat(b, 64); err == nil && other == nil {
		return cmp.Compare(x, y)
	}
	return orderOfTexts(a, b)
}

func (p *filterParser) property() string {
	for _, known := range p.properties {
		if p.take(known) {
			return known
		}
	}
	if p.token == "" {
		p.fail("it ends too early")
	} else {
		p.fail("there is no property " + strings.TrimPrefix(p.token, "'"))
	}
	return ""
}

// text takes a quoted text, or a word such as true or a bare GUID.
func (p *filterParser) text() string {
	if text, quoted := strings.CutPrefix(p.token, "'"); quoted {
		p.next()
		return text
	}
	var word strings.Builder
	for p.token != "" && p.token != ")" && p.token != "," && !strings.HasPrefix(p.token, "'") {
		word.WriteString(p.token)
		if spaced := strings.HasPrefix(p.rest, " "); spaced {
			p.next()
			break
		}
		p.next()
	}
	if word.Len() == 0 {
		p.fail("expected a text in quotes")
	}
	return word.String()
}
