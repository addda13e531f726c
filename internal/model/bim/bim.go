// Package bim reads and writes model.bim files: a database as JSON, plain or wrapped in createOrReplace.
//
// A Document keeps all that was read, so that Encode writes it back; Model is what a refresh needs of it.
package bim

import (
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

const byteOrderMark = "\ufeff"

// Document is a definition as it was read.
type Document struct {
	path    string // of the definition among files
	root    *value
	bom     bool
	eol     string
	newline bool              // the file ends with one
	others  map[string][]byte // files beside the definition
	model   *model.Model
}

// Decode reads a definition. The keys of files are slash-separated paths relative to one folder; files of other kinds are kept as they are.
func Decode(files map[string][]byte) (*Document, error) {
	name, err := pick(files)
	if err != nil {
		return nil, err
	}
	d := &Document{path: name, others: maps.Clone(files), eol: "\n"}
	delete(d.others, name)
	content := string(files[name])
	if content, d.bom = strings.CutPrefix(content, byteOrderMark); !utf8.ValidString(content) {
		return nil, fault.New(fault.Invalid, model.CodeFile, "cannot read %s: it is not UTF-8", name).WithHint("Save it as UTF-8")
	}
	if end := strings.IndexByte(content, '\n'); end > 0 && content[end-1] == '\r' {
		d.eol = "\r\n"
	}
	d.newline = strings.HasSuffix(content, "\n")
	if d.root, err = parse(name, content); err != nil {
		return nil, err
	}
	r := &reader{path: name}
	d.model = r.database(d.root)
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// pick finds the file that holds the model: the only .bim, else the only script.
func pick(files map[string][]byte) (string, error) {
	for _, endings := range [][]string{{".bim"}, {".tmsl", ".xmla", ".json"}} {
		var found []string
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if slices.Contains(endings, strings.ToLower(path.Ext(name))) {
				found = append(found, name)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", fault.New(fault.Invalid, model.CodeFile, "cannot tell which file is the model: %s", strings.Join(found, ", ")).
				WithHint("Deploy one of them")
		}
	}
	return "", fault.New(fault.Invalid, model.CodeFile, "cannot find a model: there is no .bim file").
		WithHint("Deploy a model.bim, or a folder of .tmdl files")
}

// Model returns the model that the definition describes. It is not validated. Callers share it and do not change it.
func (d *Document) Model() *model.Model { return d.model }

// Encode returns the files of the definition.
func (d *Document) Encode() map[string][]byte {
	files := maps.Clone(d.others)
	var w strings.Builder
	if d.bom {
		w.WriteString(byteOrderMark)
	}
	d.root.write(&w, d.eol, "")
	if d.newline {
		w.WriteString(d.eol)
	}
	files[d.path] = []byte(w.String())
	return files
}
