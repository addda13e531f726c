package server

import (
	"time"

	"freshet.dev/internal/mashup"
	"freshet.dev/internal/workspace"
)

// Language gives the workspace room what it must know of M.
type Language struct{ Now func() time.Time }

// Parameter reads a shared expression; ok is false when it is no parameter.
func (l Language) Parameter(name, text string) (p workspace.Parameter, ok bool) {
	read, ok := mashup.ReadParameter(name, text, l.Now())
	return workspace.Parameter(read), ok
}

// SetParameter returns the text of a parameter with another value.
func (l Language) SetParameter(name, text, value string) (string, error) {
	return mashup.SetParameter(name, text, value, l.Now())
}

// Dataflows finds the dataflows that the roots pick by keys.
func (l Language) Dataflows(shared, roots []workspace.Text) []workspace.DataflowRef {
	return each(mashup.FindDataflows(each(shared, asQuery), each(roots, asQuery)), func(d mashup.DataflowRef) workspace.DataflowRef { return workspace.DataflowRef(d) })
}

// Sources finds the data sources that the roots reach. Of those in from it changes the details that to has, and returns the texts as they are then.
func (l Language) Sources(shared, roots []workspace.Text, from []workspace.Source, to workspace.Source) (found []workspace.Source, movedShared, movedRoots []workspace.Text, err error) {
	queries, starts := each(shared, asQuery), each(roots, asQuery)
	found = each(mashup.FindSources(queries, starts), func(s mashup.Source) workspace.Source { return workspace.Source(s) })
	if len(from) == 0 {
		return found, shared, roots, nil
	}
	queries, starts, err = mashup.MoveSources(queries, starts, each(from, func(s workspace.Source) mashup.Source { return mashup.Source(s) }), mashup.Source(to))
	return found, each(queries, asText), each(starts, asText), err
}

func asQuery(t workspace.Text) mashup.Query { return mashup.Query(t) }
func asText(q mashup.Query) workspace.Text  { return workspace.Text(q) }

func each[A, B any](list []A, convert func(A) B) []B {
	converted := make([]B, len(list))
	for i, item := range list {
		converted[i] = convert(item)
	}
	return converted
}
