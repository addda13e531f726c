package connector

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"freshet.dev/internal/fault"
)

// path finds values in JSON: $.name, $['name'], $[0], and [*] for every item of a list (or every value of an object).
type path []step

type step struct {
	name  string
	index int
	kind  stepKind
}

type stepKind uint8

const (
	nameStep stepKind = iota
	indexStep
	everyStep
)

func parsePath(text string) (path, error) {
	refuse := func() (path, error) {
		return nil, fault.New(fault.Invalid, codeParameter, "cannot read the path '%s': it has the form $.name.name[0] or $.value[*]", shorten(text))
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "$")
	if !ok {
		return refuse()
	}
	var p path
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "['"), strings.HasPrefix(rest, `["`):
			end := strings.Index(rest[2:], rest[1:2]+"]")
			if end < 0 {
				return refuse()
			}
			p = append(p, step{name: rest[2 : 2+end]})
			rest = rest[end+4:]
		case rest[0] == '[':
			inside, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return refuse()
			}
			s := step{kind: everyStep}
			if inside != "*" {
				index, err := strconv.Atoi(inside)
				if err != nil || index < 0 {
					return refuse()
				}
				s = step{kind: indexStep, index: index}
			}
			p = append(p, s)
			rest = after
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			name := rest[1 : 1+end]
			if name == "" {
				return refuse()
			}
			s := step{name: name}
			if name == "*" {
				s = step{kind: everyStep}
			}
			p = append(p, s)
			rest = rest[1+end:]
		default:
			return refuse()
		}
	}
	return p, nil
}

// all returns what the path finds, in order. Names are compared as JSON does, and where there is none of that spelling, in any letter case.
func (p path) all(value any) []any {
	if len(p) == 0 {
		return []any{value}
	}
	var found []any
	switch s := p[0]; value := value.(type) {
	case map[string]any:
		switch s.kind {
		case nameStep:
			if inner, ok := member(value, s.name); ok {
				return p[1:].all(inner)
			}
		case everyStep:
			for _, name := range sorted(value) {
				found = append(found, p[1:].all(value[name])...)
			}
		case indexStep:
		}
	case []any:
		switch {
		case s.kind == indexStep && s.index < len(value):
			return p[1:].all(value[s.index])
		case s.kind == everyStep:
			for _, inner := range value {
				found = append(found, p[1:].all(inner)...)
			}
		}
	}
	return found
}

func (p path) first(value any) (any, bool) {
	found := p.all(value)
	if len(found) == 0 {
		return nil, false
	}
	return found[0], true
}

func member(object map[string]any, name string) (any, bool) {
	if value, ok := object[name]; ok {
		return value, true
	}
	for _, other := range sorted(object) {
		if strings.EqualFold(other, name) {
			return object[other], true
		}
	}
	return nil, false
}

func sorted(object map[string]any) []string { return slices.Sorted(maps.Keys(object)) }
