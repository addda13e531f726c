package tmdl

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// maxDepth bounds nesting, so that a hostile file cannot exhaust the stack. TOM's objects nest 6 deep.
const maxDepth = 40

const fence = "```"

// file is one .tmdl file as its declarations.
type file struct {
	path  string
	bom   bool
	eol   string
	nodes []*node
	tail  []string // blank lines after the last declaration
}

// node is one declaration or property, with the lines that it was read from.
type node struct {
	file  *file
	line  int
	level int

	lead  []string // blank and description lines above, verbatim
	head  string   // the line itself, verbatim
	block []string // the lines of a multi-line value, verbatim

	description string
	described   bool
	ref         bool
	keyword     string
	keywordCol  int
	named       bool
	name        string
	op          byte // ':' property, '=' default value or expression, 0 neither
	value       string
	valueCol    int
	children    []*node
}

func (f *file) fail(line, col int, format string, args ...any) error {
	return fault.New(fault.Invalid, model.CodeFile, "cannot read %s:%d:%d: %s", f.path, line, col, fmt.Sprintf(format, args...))
}

func (n *node) fail(format string, args ...any) error {
	return n.file.fail(n.line, n.keywordCol, format, args...)
}

func (n *node) failValue(format string, args ...any) error {
	return n.file.fail(n.line, max(n.valueCol, n.keywordCol), format, args...)
}

// kind is the keyword as it is looked up: keywords are read in any letter case.
func (n *node) kind() string { return strings.ToLower(n.keyword) }

// unnamedObjects are objects that have no name. A keyword that stands alone is a property that is true, unless it is one of these.
var unnamedObjects = map[string]bool{
	"database": true, "model": true, "refreshpolicy": true, "calculationgroup": true, "kpi": true, "source": true,
	"dataaccessoptions": true, "alternateof": true, "relatedcolumndetails": true, "attributehierarchy": true,
	"formatstringdefinition": true, "formatstringexpression": true, "detailrowsdefinition": true, "defaultdetailrowsdefinition": true,
	"datacoveragedefinition": true, "linguisticmetadata": true, "changedproperty": true, "excludedartifact": true,
	"multipleoremptyselectionexpression": true, "noselectionexpression": true, "connectiondetails": true, "address": true,
	"credential": true, "options": true, "calendarcolumngroup": true, "bindinginfo": true, "autoaggregationinfo": true,
}

// needsName tells whether an object of a kind is nothing without its name.
func needsName(kind string) bool {
	switch kind {
	case "table", "column", "measure", "partition", "hierarchy", "level", "expression", "role", "datasource", "function", "perspective", "annotation":
		return true
	}
	return false
}

// object tells an object from a property.
func (n *node) object() bool {
	switch {
	case n.named:
		return true
	case n.op == ':' || n.op == '=' && n.kind() == "source":
		return false
	}
	return len(n.children) > 0 || unnamedObjects[n.kind()]
}

// members are what may stand below an object that has an expression. Some tools indent the expression no deeper than these; then the first
// line that begins with one of them ends it.
var members = map[string]bool{
	"annotation": true, "extendedproperty": true, "changedproperty": true, "excludedartifact": true, "lineagetag": true,
	"sourcelineagetag": true, "description": true, "displayfolder": true, "formatstring": true, "formatstringdefinition": true,
	"formatstringexpression": true, "detailrowsdefinition": true, "kpi": true, "ishidden": true, "isprivate": true, "issimplemeasure": true,
	"datatype": true, "datacategory": true, "summarizeby": true, "sortbycolumn": true, "sourcecolumn": true, "iskey": true,
	"isnullable": true, "isunique": true, "isavailableinmdx": true, "isdatatypeinferred": true, "isnameinferred": true,
	"isdefaultlabel": true, "isdefaultimage": true, "keepuniquerows": true, "encodinghint": true, "alignment": true, "variation": true,
	"relatedcolumndetails": true, "querygroup": true, "resulttype": true, "resultattributes": true, "kind": true, "mattributes": true,
	"parametervaluescolumn": true, "remoteparametername": true, "expressionsource": true, "ordinal": true, "contenttype": true,
	"metadatapermission": true, "columnpermission": true, "state": true, "modifiedtime": true, "structuremodifiedtime": true,
}

// parser reads a file line by line.
type parser struct {
	*file
	lines  []string
	at     int
	spaces int // so many spaces are one level, as is a tab
}

const byteOrderMark = "\ufeff"

func parse(path, content string) (*file, error) {
	f := &file{path: path, eol: "\n"}
	if strings.HasPrefix(content, "\xff\xfe") || strings.HasPrefix(content, "\xfe\xff") || !utf8.ValidString(content) {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read %s: it is not UTF-8", path).WithHint("Save it as UTF-8")
	}
	content, f.bom = strings.CutPrefix(content, byteOrderMark)
	lines := strings.Split(content, "\n")
	last := len(lines) - 1 // what no line end follows keeps its carriage return
	if last > 0 && strings.HasSuffix(lines[0], "\r") {
		f.eol = "\r\n"
	}
	p := &parser{file: f, lines: lines, spaces: 4}
	indented := false
	for i, line := range lines {
		if i < last {
			lines[i] = strings.TrimSuffix(line, "\r")
		}
		// TMDL is written with tabs, or with four spaces; who writes it with two or three does so from the first indented line on.
		if rest := strings.TrimLeft(line, " "); !indented && rest != "" && (rest[0] == '\t' || len(rest) < len(line)) && !blank(line) {
			indented = true
			if count := len(line) - len(rest); count == 2 || count == 3 {
				p.spaces = count
			}
		}
	}
	var err error
	if f.nodes, err = p.nodes(0); err != nil {
		return nil, err
	}
	f.tail = lines[p.at:]
	return f, nil
}

func blank(line string) bool { return strings.Trim(line, " \t\r\f\v") == "" }

// indent returns the level of a line, what follows its indentation, and how many spaces are left over after whole levels.
func (p *parser) indent(line string) (level int, rest string, over int) {
	at := 0
	for at < len(line) {
		if line[at] == '\t' {
			at, over = at+1, 0
			level++
		} else if line[at] == ' ' {
			at++
			if over++; over == p.spaces {
				over = 0
				level++
			}
		} else {
			break
		}
	}
	return level, line[at:], over
}

// nodes reads the declarations at a level, each with all below it, until a line of a lower level.
func (p *parser) nodes(level int) ([]*node, error) {
	if level > maxDepth {
		return nil, p.fail(p.at+1, 1, "expected at most %d levels of indentation", maxDepth)
	}
	var list []*node
	for {
		lead := p.at
		var description []string
		for ; p.at < len(p.lines); p.at++ {
			text, found := strings.CutPrefix(strings.TrimLeft(p.lines[p.at], " \t"), "///")
			if found {
				description = append(description, strings.TrimPrefix(text, " "))
			} else if !blank(p.lines[p.at]) {
				break
			}
		}
		if p.at == len(p.lines) {
			if description != nil {
				return nil, p.fail(p.at, 1, "expected a declaration below the description, found the end of the file")
			}
			p.at = lead
			return list, nil
		}
		found, rest, over := p.indent(p.lines[p.at])
		if found < level {
			p.at = lead
			return list, nil
		}
		col := len(p.lines[p.at]) - len(rest) + 1
		if found > level {
			return nil, p.fail(p.at+1, col, "expected at most %d levels of indentation, found %d", level, found)
		}
		if over > 0 {
			return nil, p.fail(p.at+1, col, "expected indentation by tabs or by %d spaces a level", p.spaces)
		}
		n := &node{
			file: p.file, line: p.at + 1, level: level, lead: p.lines[lead:p.at], head: p.lines[p.at],
			description: strings.Join(description, "\n"), described: description != nil,
		}
		if err := n.header(rest, col); err != nil {
			return nil, err
		}
		p.at++
		if n.op == '=' {
			if err := p.blockOf(n); err != nil {
				return nil, err
			}
		}
		if n.op != ':' && !n.ref {
			var err error
			if n.children, err = p.nodes(level + 1); err != nil {
				return nil, err
			}
		}
		if n.described && !n.object() {
			return nil, n.fail("expected an object below the description, found the property %s", n.keyword)
		}
		list = append(list, n)
	}
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

// word cuts a keyword off text.
func word(text string) (string, string) {
	end := 0
	for end < len(text) && (letter(text[end]) || end > 0 && text[end] >= '0' && text[end] <= '9') {
		end++
	}
	return text[:end], text[end:]
}

// header reads `keyword`, `keyword: value`, `keyword = value`, `keyword name` or `keyword name = value`.
func (n *node) header(text string, col int) error {
	whole := text
	column := func(rest string) int { return col + utf8.RuneCountInString(whole[:len(whole)-len(rest)]) }
	expected := func(rest, what string) error {
		found := "the end of the line"
		if rest = strings.TrimSpace(rest); rest != "" {
			found = fmt.Sprintf("%q", strings.Fields(rest)[0])
		}
		return n.file.fail(n.line, column(rest), "expected %s, found %s", what, found)
	}
	text = strings.TrimRight(text, " \t")
	whole = text
	n.keywordCol = col
	if strings.HasPrefix(text, "//") {
		return n.file.fail(n.line, col, "expected a declaration or a property, found a comment: TMDL has descriptions (///) only")
	}
	keyword, rest := word(text)
	if strings.EqualFold(keyword, "ref") && strings.HasPrefix(rest, " ") {
		n.ref = true
		rest = strings.TrimLeft(rest, " \t")
		keyword, rest = word(rest)
	}
	if keyword == "" {
		return expected(rest, "a declaration or a property")
	}
	n.keyword = keyword
	if rest != "" && strings.IndexByte(" \t:=", rest[0]) < 0 {
		return expected(rest, "a blank, ':' or '=' after "+keyword)
	}
	rest = strings.TrimLeft(rest, " \t")
	if rest != "" && rest[0] != ':' && rest[0] != '=' {
		n.named = true
		var ok bool
		if n.name, rest, ok = nameOf(rest, " \t="); !ok {
			return expected(rest, "a closing ' of the name")
		}
		if n.name == "" {
			return expected(rest, "a name")
		}
		if rest != "" && strings.IndexByte(" \t=", rest[0]) < 0 {
			return expected(rest, "a blank or '=' after the name")
		}
		rest = strings.TrimLeft(rest, " \t")
	}
	if n.ref && (!n.named || rest != "") {
		return expected(rest, "a name and nothing more after ref "+keyword)
	}
	if rest == "" {
		return nil
	}
	if rest[0] != '=' && n.named {
		return expected(rest, "'=' or the end of the line after the name (put names with blanks in quotes)")
	}
	n.op = rest[0]
	n.value = strings.TrimLeft(rest[1:], " \t")
	n.valueCol = column(n.value)
	return nil
}

// nameOf cuts a name off text: in single quotes, doubled inside, or up to one of the stops.
func nameOf(text, stops string) (name, rest string, ok bool) {
	if !strings.HasPrefix(text, "'") {
		if end := strings.IndexAny(text, stops); end >= 0 {
			return text[:end], text[end:], true
		}
		return text, "", true
	}
	for at := 1; at < len(text); at++ {
		if text[at] != '\'' {
			continue
		}
		if strings.HasPrefix(text[at+1:], "'") {
			at++
			continue
		}
		return strings.ReplaceAll(text[1:at], "''", "'"), text[at+1:], true
	}
	return "", "", false
}

// blockOf reads the lines below `… =` or "… = ```" that are its value.
func (p *parser) blockOf(n *node) error {
	if strings.HasPrefix(n.value, fence) {
		return p.fenced(n)
	}
	if n.value != "" {
		return nil
	}
	first := p.at
	for first < len(p.lines) && blank(p.lines[first]) {
		first++
	}
	if first == len(p.lines) {
		return nil
	}
	firstLevel, _, _ := p.indent(p.lines[first])
	// What is below an object stands one level deeper, its expression two; a property has nothing below it but its expression.
	least, ends := n.level+1, false
	if n.named || unnamedObjects[n.kind()] && n.kind() != "source" {
		if firstLevel > n.level+1 {
			least = n.level + 2
		} else {
			ends = true
		}
	}
	last := p.at
	for at := p.at; at < len(p.lines); at++ {
		if blank(p.lines[at]) {
			continue
		}
		level, rest, _ := p.indent(p.lines[at])
		if level < least || ends && level == least && p.member(rest) {
			break
		}
		last = at + 1
	}
	n.block = p.lines[p.at:last]
	n.value = strings.TrimRight(strings.Join(outdent(n.block), "\n"), " \t\n")
	p.at = last
	return nil
}

// member tells whether a line, which could be an expression's, begins a property or child.
func (p *parser) member(rest string) bool {
	probe := &node{file: p.file}
	if probe.header(rest, 1) != nil || !members[probe.kind()] {
		return false
	}
	return probe.op != '=' || probe.named || unnamedObjects[probe.kind()]
}

// fenced reads a value that stands verbatim between fences; the closing fence is its left margin.
func (p *parser) fenced(n *node) error {
	if n.value != fence {
		return n.failValue("expected the end of the line after %s", fence)
	}
	first := p.at
	for ; p.at < len(p.lines); p.at++ {
		line := p.lines[p.at]
		if strings.Trim(line, " \t") != fence {
			continue
		}
		margin := line[:strings.Index(line, fence)]
		lines := make([]string, p.at-first)
		for i, line := range p.lines[first:p.at] {
			lines[i] = line[common(line, margin):]
		}
		p.at++
		n.block = p.lines[first:p.at]
		n.value = strings.Join(lines, "\n")
		return nil
	}
	return n.failValue("expected a closing %s on a line of its own, found the end of the file", fence)
}

// common returns the length of the prefix that two texts share.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// outdent strips the indentation that all lines share; blank lines do not count.
func outdent(lines []string) []string {
	margin, known := "", false
	for _, line := range lines {
		if blank(line) {
			continue
		}
		indentation := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if !known {
			margin, known = indentation, true
		}
		margin = margin[:common(margin, indentation)]
	}
	list := make([]string, len(lines))
	for i, line := range lines {
		list[i] = line[common(line, margin):]
	}
	return list
}

// write puts the file on w, line by line as it was read.
func (f *file) write(w *strings.Builder) {
	if f.bom {
		w.WriteString(byteOrderMark)
	}
	var lines []string
	var add func(nodes []*node)
	add = func(nodes []*node) {
		for _, n := range nodes {
			lines = append(lines, n.lead...)
			lines = append(lines, n.head)
			lines = append(lines, n.block...)
			add(n.children)
		}
	}
	add(f.nodes)
	w.WriteString(strings.Join(append(lines, f.tail...), f.eol))
}
