package server

import (
	"time"

	"freshet.dev/internal/mashup"
	"freshet.dev/internal/workspace"
)

// language gives the workspace room what it must know of M.
type language struct{ now func() time.Time }

// Parameter reads a shared expression.
func (l language) Parameter(name, text string) (workspace.Parameter, bool) {
	p, ok := mashup.ReadParameter(name, text, l.now())
	return workspace.Parameter(p), ok
}

// SetParameter returns the text of a parameter with another value.
func (l language) SetParameter(name, text, value string) (string, error) {
	return mashup.SetParameter(name, text, value, l.now())
}
