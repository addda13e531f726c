// Package tmdl reads and writes TMDL folders: a .SemanticModel folder, its definition, or the older layout with the files at the root.
//
// A Document keeps all that was read, so that Encode writes it back; Model is what a refresh needs of it.
package tmdl

import "freshet.dev/internal/model"

// Document is a definition as it was read.
type Document struct{}

// Decode reads a definition. The keys of files are slash-separated paths relative to one folder; files of other kinds are kept as they are.
func Decode(files map[string][]byte) (*Document, error) { panic("not yet") }

// Model returns the model that the definition describes. It is not validated.
func (d *Document) Model() *model.Model { panic("not yet") }

// Encode returns the files of the definition.
func (d *Document) Encode() map[string][]byte { panic("not yet") }
