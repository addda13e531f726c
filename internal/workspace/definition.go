package workspace

import (
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/model/bim"
	"freshet.dev/internal/model/cdm"
	"freshet.dev/internal/model/tmdl"
)

// Bounds of a definition. The largest models that people publish stay below a tenth of them.
const (
	maxFiles = 10_000
	maxBytes = 128 << 20
)

// Model decodes the definition, with what was set since it was deployed. Callers share it and do not change it.
func (d Definition) Model() (*model.Model, error) {
	read, err := d.read()
	if err == nil {
		d.Overrides.apply(read)
	}
	return read, err
}

func (d Definition) read() (*model.Model, error) {
	switch d.Format {
	case BIM:
		document, err := bim.Decode(d.Files)
		if err != nil {
			return nil, err
		}
		return document.Model(), nil
	case Dataflow:
		dataflow, err := cdm.Decode(d.Files)
		if err != nil {
			return nil, err
		}
		return dataflow.Model(), nil
	}
	document, err := tmdl.Decode(d.Files)
	if err != nil {
		return nil, err
	}
	return document.Model(), nil
}

// readDefinition checks, decodes and validates files. What it returns holds no secrets; the warnings say what was taken out.
func readDefinition(files map[string][]byte) (Definition, *model.Model, []string, error) {
	files, err := checkFiles(files)
	if err != nil {
		return Definition{}, nil, nil, err
	}
	format, err := formatOf(files)
	if err != nil {
		return Definition{}, nil, nil, err
	}
	definition := Definition{Format: format, Files: files}
	read, err := definition.Model()
	if err != nil {
		return Definition{}, nil, nil, err
	}
	warnings, err := definition.removeSecrets(read)
	if err != nil {
		return Definition{}, nil, nil, err
	}
	if len(warnings) > 0 {
		// Everything from here on sees the definition as it is stored: fingerprints, too, are of that.
		if read, err = definition.Model(); err != nil {
			return Definition{}, nil, nil, err
		}
	}
	if err := read.Validate(); err != nil {
		return Definition{}, nil, nil, err
	}
	if format == Dataflow {
		dataflow, err := cdm.Decode(definition.Files)
		if err != nil {
			return Definition{}, nil, nil, err
		}
		definition.Description, definition.Generation, warnings = dataflow.Description, dataflow.Generation, append(warnings, dataflow.Warnings...)
	}
	return definition, read, warnings, nil
}

// checkFiles leaves out what belongs to one person's Desktop and refuses what is no relative path.
func checkFiles(files map[string][]byte) (map[string][]byte, error) {
	kept := make(map[string][]byte, len(files))
	size := 0
	for name, content := range files {
		if !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`) {
			return nil, fault.New(fault.Invalid, codeInvalid, "cannot deploy a file named %q: it is not a relative path with slashes", name)
		}
		if slices.Contains(strings.Split(name, "/"), ".pbi") { // local settings and the cache of Power BI Desktop
			continue
		}
		kept[name] = content
		size += len(content)
	}
	switch {
	case len(kept) == 0:
		return nil, fault.New(fault.Invalid, codeInvalid, "cannot deploy a model without files").
			WithHint("Name a model.bim, a .SemanticModel folder, a folder of .tmdl files the model.json of a dataflow, or a .Dataflow folder.")
	case len(kept) > maxFiles || size > maxBytes:
		return nil, fault.New(fault.Invalid, codeInvalid, "cannot deploy %d files of %d bytes: at most %d files of %d bytes together are read", len(kept), size, maxFiles, maxBytes).
			WithHint("Deploy the model's own folder only.")
	}
	return kept, nil
}

func formatOf(files map[string][]byte) (Format, error) {
	has := func(ending string) bool {
		for name := range files {
			if strings.EqualFold(path.Ext(name), ending) {
				return true
			}
		}
		return false
	}
	switch {
	case has(".tmdl"):
		return TMDL, nil
	case has(".bim"):
		return BIM, nil
	}
	if name, err := cdm.Find(files); name != "" || err != nil {
		return Dataflow, err
	}
	return BIM, nil // whose decoder says what is missing
}

// kind is what a definition of the format makes.
func (f Format) kind() Kind {
	if f == Dataflow {
		return DataflowKind
	}
	return ModelKind
}

// displayName is the name in the .platform file of a .SemanticModel folder, or "".
func (d Definition) displayName() string {
	for name, content := range d.Files {
		if path.Base(name) != ".platform" {
			continue
		}
		var platform struct {
			Metadata struct {
				DisplayName string `json:"displayName"`
			} `json:"metadata"`
		}
		if json.Unmarshal(content, &platform) == nil {
			return platform.Metadata.DisplayName
		}
	}
	return ""
}
