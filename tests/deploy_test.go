package tests

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// sharedModel is a definition of ../shared/models, a folder or a file; without it the test is skipped aloud.
func sharedModel(t *testing.T, name string) map[string][]byte {
	t.Helper()
	const folder = "../../shared/models"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("SKIPPED: ../shared/models is not beside the repository")
	}
	files := map[string][]byte{}
	root := os.DirFS(folder)
	err := fs.WalkDir(root, name, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[strings.TrimPrefix(strings.TrimPrefix(path, name), "/")], err = fs.ReadFile(root, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if content, single := files[""]; single {
		return map[string][]byte{"model.bim": content}
	}
	return files
}

var _ = powerbi.Ref{}
