package cdm

import (
	"slices"
	"strings"

	"freshet.dev/internal/mashup/syntax"
)

// order finds out which entities read which, also through other queries. queries are the shared expressions. That entities read each other in a
// circle is an error that names them.
func (d *Dataflow) order(path string, entities map[string]syntax.Expr, queries map[string]syntax.Member) error {
	shared := map[string]bool{}
	for _, expression := range d.model.Expressions {
		shared[expression.Name] = true
	}
	reads := make(map[string][]string, len(entities)) // by entity
	for _, table := range d.model.Tables {
		if entities[table.Name] == nil {
			continue
		}
		named := syntax.Free(entities[table.Name])
		for queue := names(named); len(queue) > 0; queue = queue[1:] {
			if !shared[queue[0]] {
				continue
			}
			for _, name := range names(syntax.Free(queries[queue[0]].Value)) {
				if !named[name] {
					named[name] = true
					queue = append(queue, name)
				}
			}
		}
		for _, other := range d.model.Tables {
			if named[other.Name] && entities[other.Name] != nil {
				reads[table.Name] = append(reads[table.Name], other.Name)
			}
		}
		table.Reads = reads[table.Name]
	}
	for _, table := range d.model.Tables {
		if circle := way(table.Name, table.Name, reads, map[string]bool{}); circle != nil {
			return broken(path, table.Name, "it reads itself: "+strings.Join(circle, " → "), "Let one of them read its source, or a query that is not loaded")
		}
	}
	return nil
}

// way is the entities on a way from one to another, by what they read; nil: there is none. seen are those from which there is none, or that
// are being looked at.
func way(from, to string, reads map[string][]string, seen map[string]bool) []string {
	seen[from] = true
	for _, next := range reads[from] {
		if next == to {
			return []string{from, to}
		}
		if seen[next] {
			continue
		}
		if rest := way(next, to, reads, seen); rest != nil {
			return append([]string{from}, rest...)
		}
	}
	return nil
}

func names(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for name := range set {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
