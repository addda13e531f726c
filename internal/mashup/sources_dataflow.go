package mashup

import (
	"slices"
	"strings"

	"freshet.dev/internal/mashup/syntax"
)

// DataflowRef names a dataflow as an expression does: the workspace and the dataflow each by its id or its name, whichever is not empty.
type DataflowRef struct{ WorkspaceID, WorkspaceName, ID, Name string }

// FindDataflows finds the dataflows that the roots read, as FindSources finds sources: where the navigation of PowerPlatform.Dataflows or
// PowerBI.Dataflows picks them by keys.
func FindDataflows(shared, roots []Query) []DataflowRef {
	mentions := func(q Query) bool { return strings.Contains(q.Text, ".Dataflows") || strings.Contains(q.Text, "#(") } // also by an escape
	if !slices.ContainsFunc(shared, mentions) && !slices.ContainsFunc(roots, mentions) {
		return nil // most name neither, and to parse all queries of a large workspace takes most of a second
	}
	return find(shared, roots).flows
}

// navigated is how far a navigation over dataflows has come.
type navigated struct {
	level navigationLevel
	to    DataflowRef
}

type navigationLevel uint8

const (
	notNavigated navigationLevel = iota
	atRoot                       // PowerPlatform.Dataflows
	atWorkspaces
	atWorkspace
	atDataflow
)

// navigate tells how far an expression navigates.
func (f *finder) navigate(p place, depth int) navigated {
	if f.steps++; f.steps > maxSearch || depth > maxSearchDepth {
		return navigated{}
	}
	switch x := p.x.(type) {
	case *syntax.Identifier:
		if meant, known := f.lookup(p, x.Name); known {
			return f.navigate(meant, depth+1)
		}
	case *syntax.Call:
		name, isName := x.Func.(*syntax.Identifier)
		if !isName {
			break
		}
		if _, own := f.lookup(p, name.Name); own {
			break
		}
		switch name.Name {
		case "PowerPlatform.Dataflows":
			return navigated{level: atRoot}
		case "PowerBI.Dataflows":
			return navigated{level: atWorkspaces}
		}
	case *syntax.Field:
		if index, isIndex := x.X.(*syntax.Index); isIndex && x.Name == "Data" {
			return f.picked(p, f.navigate(p.at(index.X), depth+1), index.Key)
		}
	}
	return navigated{}
}

// picked is what a row's key leads to.
func (f *finder) picked(p place, from navigated, key syntax.Expr) navigated {
	record, isRecord := key.(*syntax.Record)
	if !isRecord {
		return navigated{}
	}
	field := func(name string) string {
		for _, binding := range record.Fields {
			if binding.Name == name {
				value, _, _ := f.text(p.at(binding.Value), 0)
				return value
			}
		}
		return ""
	}
	next := from
	switch from.level {
	case atRoot:
		if field("Id") == "Workspaces" {
			next.level = atWorkspaces
			return next
		}
	case atWorkspaces:
		next.to.WorkspaceID, next.to.WorkspaceName = field("workspaceId"), field("workspaceName")
		if next.level = atWorkspace; next.to.WorkspaceID != "" || next.to.WorkspaceName != "" {
			return next
		}
	case atWorkspace:
		next.to.ID, next.to.Name = field("dataflowId"), field("dataflowName")
		if next.level = atDataflow; next.to.ID != "" || next.to.Name != "" {
			return next
		}
	}
	return navigated{}
}

// dataflow notes the dataflow that an expression picks.
func (f *finder) dataflow(p place, depth int) {
	if found := f.navigate(p, depth); found.level == atDataflow && !slices.Contains(f.flows, found.to) {
		f.flows = append(f.flows, found.to)
	}
}
