package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"freshet.dev/powerbi"
)

// C1: a dataflow's rows are in its CDM folder after each commit, and again after a start that finds the folder gone.
func TestC1DataflowFolders(t *testing.T) {
	root := filepath.Join(t.TempDir(), "cdm")
	folders := func(c *Config) { c.DataflowFolders = []DataflowFolder{{Workspace: "shop", Path: root}} }
	wrote := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			found, err := filepath.Glob(filepath.Join(root, "Shop", "Flow", "N", "*.csv"))
			if err != nil {
				t.Fatal(err)
			}
			_, written := os.Stat(filepath.Join(root, "Shop", "Flow", "model.json"))
			for _, path := range found {
				if content, err := os.ReadFile(path); err == nil && string(content) == want && written == nil {
					return
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("no %q among %v", want, found)
			}
		}
	}
	data := t.TempDir()
	r := start(t, data, t.TempDir(), folders)
	deployed, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Shop", CreateWorkspace: true, Files: map[string][]byte{"model.json": []byte(
		`{"name":"Flow","pbi:mashup":{"document":"section S; shared N = #table({\"N\"}, {{7}, {null}});"},"entities":[{"name":"N","attributes":[{"name":"N","dataType":"int64"}]}]}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.RefreshDataflow(t.Context(), deployed.Workspace.ID, deployed.Dataset.ID, ""); err != nil {
		t.Fatal(err)
	}
	wrote("7\r\n\r\n")
	r.stop()
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	start(t, data, t.TempDir(), folders)
	wrote("7\r\n\r\n")
}
