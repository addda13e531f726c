// Package tmdl reads and writes TMDL folders: a .SemanticModel folder, its definition, or the older layout with the files at the root.
//
// A Document keeps all that was read, so that Encode writes it back; Model is what a refresh needs of it.
package tmdl

import (
	"maps"
	"path"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// Document is a definition as it was read.
type Document struct {
	files  []*file           // in the order of their paths
	others map[string][]byte // what is no part of the definition
	model  *model.Model
}

// Decode reads a definition. The keys of files are slash-separated paths relative to one folder; files of other kinds are kept as they are.
func Decode(files map[string][]byte) (*Document, error) {
	folder, err := definitionFolder(files)
	if err != nil {
		return nil, err
	}
	d := &Document{others: map[string][]byte{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !declares(name) || !strings.HasPrefix(name, folder) {
			d.others[name] = files[name]
			continue
		}
		f, err := parse(name, string(files[name]))
		if err != nil {
			return nil, err
		}
		d.files = append(d.files, f)
	}
	root, err := merge(d.files)
	if err != nil {
		return nil, err
	}
	r := &reader{}
	d.model = r.model(root)
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// declares tells whether a file can be part of the definition. TMDLScripts holds scripts that somebody may run one day.
func declares(name string) bool {
	return strings.EqualFold(path.Ext(name), ".tmdl") && !strings.Contains(strings.ToLower("/"+name), "/tmdlscripts/")
}

// definitionFolder finds the folder that holds the model, as a prefix: "" or a path that ends in a slash.
func definitionFolder(files map[string][]byte) (string, error) {
	sure, perhaps := map[string]bool{}, map[string]bool{}
	for name := range files {
		if !declares(name) {
			continue
		}
		folder, base := path.Split(name)
		perhaps[folder] = true
		switch strings.ToLower(base) {
		case "database.tmdl", "model.tmdl":
			sure[folder] = true
		}
		if parent, last := path.Split(strings.TrimSuffix(folder, "/")); strings.EqualFold(last, "tables") {
			sure[parent] = true
		}
	}
	if len(sure) == 0 {
		sure = perhaps
	}
	switch folders := slices.Sorted(maps.Keys(sure)); len(folders) {
	case 0:
		return "", fault.New(fault.Invalid, model.CodeFile, "cannot find a model: there is no .tmdl file").
			WithHint("Deploy a .SemanticModel folder or its definition folder")
	case 1:
		return folders[0], nil
	default:
		return "", fault.New(fault.Invalid, model.CodeFile, "cannot tell which folder is the model: %s", strings.Join(folders, ", ")).
			WithHint("Deploy one of them")
	}
}

// Model returns the model that the definition describes. It is not validated. Callers share it and do not change it.
func (d *Document) Model() *model.Model { return d.model }

// Encode returns the files of the definition.
func (d *Document) Encode() map[string][]byte {
	files := maps.Clone(d.others)
	for _, f := range d.files {
		var w strings.Builder
		f.write(&w)
		files[f.path] = []byte(w.String())
	}
	return files
}
