package tests

import (
	"encoding/csv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"freshet.dev/cmd/freshet/sample"
	"freshet.dev/internal/model"
	"freshet.dev/internal/model/tmdl"
)

// The demonstration's model is one that Freshet takes, and its columns are those of the files that it reads.
func TestSampleFitsItsModel(t *testing.T) {
	dir := t.TempDir()
	if err := sample.Write(t.Context(), dir, 200, nil); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	root := os.DirFS(filepath.Join(dir, "Retail.SemanticModel"))
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[name], err = fs.ReadFile(root, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	document, err := tmdl.Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	m := document.Model()
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	if len(m.Tables) != 5 || len(m.Relationships) != 5 || len(m.Table("Sales").Partitions) != 12 {
		t.Errorf("%d tables, %d relationships, %d partitions of the sales", len(m.Tables), len(m.Relationships), len(m.Table("Sales").Partitions))
	}
	source := regexp.MustCompile(`File\.Contents\(Folder & "/([^"]+)"\)`)
	for _, table := range m.Tables {
		var columns []string
		for _, column := range table.Columns {
			columns = append(columns, column.SourceColumn)
		}
		for _, partition := range table.Partitions {
			found := source.FindStringSubmatch(partition.Source.Expression)
			if partition.Source.Type != model.MPartition || found == nil {
				t.Fatalf("%s %s reads %+v", table.Name, partition.Name, partition.Source)
			}
			file, err := os.Open(filepath.Join(dir, "data", found[1]))
			if err != nil {
				t.Fatal(err)
			}
			header, err := csv.NewReader(file).Read()
			if closing := file.Close(); err != nil || closing != nil {
				t.Fatal(err, closing)
			}
			if !slices.Equal(header, columns) {
				t.Errorf("%s has %q, the table %q", found[1], header, columns)
			}
		}
	}
}
