package tmdl_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"freshet.dev/internal/model/tmdl"
)

// folder reads a folder's files by their paths in it.
func folder(t testing.TB, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func checkRoundTrip(t *testing.T, files map[string][]byte) *tmdl.Document {
	t.Helper()
	d, err := tmdl.Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	encoded := d.Encode()
	if len(encoded) != len(files) {
		t.Errorf("Encode gives %d files of %d", len(encoded), len(files))
	}
	for name, content := range files {
		if !bytes.Equal(encoded[name], content) {
			t.Errorf("%s is not what was read:\n%q\n%q", name, encoded[name], content)
		}
	}
	again, err := tmdl.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Model(), d.Model()) {
		t.Error("the model differs after a round trip")
	}
	return d
}

// F1: every real model is written back as it was read, and holds together.
func TestF1RoundTripShared(t *testing.T) {
	const models = "../../../../shared/models"
	for _, name := range []string{"adventureworks-tmdl", "sales-tmdl", "policy-tmdl"} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(models, name)
			if _, err := os.Stat(root); err != nil {
				t.Skip("SKIPPED: ../shared/models is not beside the repository")
			}
			d := checkRoundTrip(t, folder(t, root))
			if err := d.Model().Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}
