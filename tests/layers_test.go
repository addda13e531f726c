// Package tests holds what looks at the whole: the layers, end to end, crash.
package tests

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers is the one direction of dependency: what each room imports besides fault, its tests left aside. A room that is not listed fails the
// test, and so does an arrow that no import follows. doc/architecture.md draws it.
var layers = map[string][]string{
	"cmd/freshet":        {"cmd/freshet/sample", "internal/auth", "internal/connector", "internal/server", "powerbi"},
	"cmd/freshet/sample": {},
	"powerbi":            {},
	"powerbi/entra":      {"powerbi"},
	"internal/server": {"internal/api", "internal/auth", "internal/capacity", "internal/catalog", "internal/dataflow", "internal/dataflow/cdmfolder",
		"internal/gateway/session", "internal/gateway/tds", "internal/mashup", "internal/model",
		"internal/notify", "internal/query", "internal/refresh", "internal/schedule", "internal/source", "internal/source/csv", "internal/source/file", "internal/source/parquet",
		"internal/source/postgres", "internal/store", "internal/workspace", "powerbi", "powerbi/entra"},
	"internal/api":       {"internal/auth", "internal/capacity", "internal/dataflow", "internal/model", "internal/query", "internal/refresh", "internal/schedule", "internal/workspace", "powerbi"},
	"internal/catalog":   {"internal/capacity", "internal/model", "internal/notify", "internal/refresh", "internal/schedule", "internal/store", "internal/workspace"},
	"internal/workspace": {"internal/model", "internal/model/bim", "internal/model/cdm", "internal/model/tmdl", "internal/store"},
	"internal/dataflow":  {"internal/refresh"},
	"internal/dataflow/cdmfolder": {"internal/capacity", "internal/duck", "internal/model", "internal/model/cdm",
		"internal/store"},
	"internal/refresh":           {"internal/capacity", "internal/duck", "internal/mashup", "internal/model", "internal/policy", "internal/source", "internal/store"},
	"internal/refresh/logtest":   {"internal/model", "internal/refresh", "internal/store"},
	"internal/query":             {"internal/capacity", "internal/duck", "internal/mashup", "internal/model", "internal/store"},
	"internal/mashup":            {"internal/duck", "internal/mashup/syntax", "internal/source"},
	"internal/mashup/syntax":     {},
	"internal/source":            {},
	"internal/source/csv":        {"internal/duck", "internal/source"},
	"internal/source/parquet":    {"internal/duck", "internal/source"},
	"internal/source/file":       {"internal/source"},
	"internal/source/postgres":   {"internal/source"},
	"internal/source/sourcetest": {"internal/source"},
	"internal/store":             {"internal/model"},
	"internal/policy":            {"internal/model"},
	"internal/model":             {},
	"internal/model/bim":         {"internal/model"},
	"internal/model/cdm":         {"internal/mashup/syntax", "internal/model"},
	"internal/model/tmdl":        {"internal/model"},
	"internal/capacity":          {},
	"internal/auth":              {},
	"internal/schedule":          {},
	"internal/notify":            {},
	"internal/connector":         {"internal/duck", "powerbi"},
	"internal/duck":              {},
	"internal/gateway":           {},
	"internal/gateway/session":   {"internal/connector", "internal/gateway", "internal/gateway/catalogue", "powerbi"},
	"internal/gateway/tds":       {"internal/gateway"},
	"internal/gateway/catalogue": {"internal/gateway"},
	"internal/fault":             {},
	"internal/fault/catalogue":   {},
	"internal/powerbitest":       {},
	"sqldriver":                  {"internal/connector", "powerbi", "powerbi/entra"},
	"tests":                      {},
	"tests/bench":                {},
	"tests/clients":              {},
	"tests/crash":                {},
	"tests/smalldisk":            {},
}

// standardOnly are the rooms that other programs import without getting anything else.
var standardOnly = []string{"powerbi"}

func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "freshet.dev/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	rooms := 0
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); err != nil {
			t.Fatal(err)
		}
		rooms++
		room := strings.TrimPrefix(pkg.ImportPath, "freshet.dev/")
		allowed, known := layers[room]
		if !known {
			t.Errorf("room %s is not in the table of layers_test.go", room)
			continue
		}
		for _, path := range pkg.Imports {
			if host, _, _ := strings.Cut(path, "/"); slices.Contains(standardOnly, room) && strings.Contains(host, ".") {
				t.Errorf("%s imports %s: it has the standard library alone", room, path)
			}
			imported, ours := strings.CutPrefix(path, "freshet.dev/")
			if !ours || imported == "internal/fault" {
				continue
			}
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s: no arrow allows that", room, imported)
			}
		}
		for _, arrow := range allowed {
			if !slices.Contains(pkg.Imports, "freshet.dev/"+arrow) {
				t.Errorf("%s does not import %s: remove the arrow", room, arrow)
			}
		}
	}
	if rooms < 3 {
		t.Fatalf("go list found %d rooms", rooms)
	}
}
