package tests

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/model/bim"
	"freshet.dev/internal/model/tmdl"
	"freshet.dev/powerbi"
)

// sharedModels are the definitions of ../shared/models, with how many partitions each has.
var sharedModels = []struct {
	path       string
	partitions int
}{
	{"adventureworks-m-1400", 9},
	{"adventureworks-provider-1400", 8},
	{"adventureworks-tmdl", 3},
	{"policy-tmdl", 7},
	{"policy-tmdl/definition", 7},
	{"sales-tmdl", 9},
	{"sample-bim", 6},
	{"tabular-example-1200", 1},
	{"tabulareditor-bim/AllProperties.bim", 4},
	{"tabulareditor-bim/NewDeserializer.bim", 2},
}

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
		return map[string][]byte{path.Base(name): content}
	}
	return files
}

// TestF1SharedModelsDeploy: every real model deploys, changes nothing when it is deployed again as the codecs write it, and its refresh
// loads or says by name what it cannot read.
func TestF1SharedModelsDeploy(t *testing.T) {
	r := start(t)
	for _, c := range sharedModels {
		t.Run(c.path, func(t *testing.T) {
			files := sharedModel(t, c.path)
			ref := r.deploy(t, c.path, files)
			again, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", Name: c.path, Files: rewritten(t, files)})
			if err != nil {
				t.Fatalf("as it is written back: %v", err)
			}
			if again.Dataset.ID != ref.DatasetID || again.Created || len(again.Partitions) != c.partitions {
				t.Errorf("as it is written back: %+v", again)
			}
			for _, partition := range again.Partitions {
				if partition.Change != "kept" {
					t.Errorf("as it is written back: %+v", partition)
				}
			}
			detail := r.done(t, ref, `{"type":"full","applyRefreshPolicy":false}`)
			if len(detail.Objects) != c.partitions {
				t.Errorf("%d objects, not %d partitions", len(detail.Objects), c.partitions)
			}
			// Sources that this version cannot read are named, and with them table and partition.
			if text := errorsOf(detail); detail.Status == powerbi.Failed && (!strings.Contains(text, "table '") || !strings.Contains(text, "partition '")) {
				t.Errorf("it failed without a place: %s", text)
			} else if detail.Status != powerbi.Failed && detail.Status != powerbi.Completed {
				t.Errorf("it ended as %s", detail.Status)
			}
		})
	}
}

// rewritten is a definition as the codec writes what it has read.
func rewritten(t *testing.T, files map[string][]byte) map[string][]byte {
	t.Helper()
	for name := range files {
		if path.Ext(name) == ".tmdl" {
			document, err := tmdl.Decode(files)
			if err != nil {
				t.Fatal(err)
			}
			encoded := document.Encode()
			return encoded
		}
	}
	document, err := bim.Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	return document.Encode()
}

// TestF1UnsupportedSources: what a model reads that Freshet cannot read is said by its name.
func TestF1UnsupportedSources(t *testing.T) {
	r := start(t)
	for path, says := range map[string]string{
		"adventureworks-m-1400": "tds",
		"adventureworks-tmdl":   "Sql.Database",
		"sales-tmdl":            "Web.Contents",
		"sample-bim":            "Web.Contents",
		"tabular-example-1200":  "SQLNCLI11",
	} {
		ref := r.deploy(t, path, sharedModel(t, path))
		if text := r.failed(t, ref, `{"type":"full","applyRefreshPolicy":false,"maxParallelism":1}`); !strings.Contains(text, says) {
			t.Errorf("%s: %q does not name %s", path, text, says)
		}
	}
	ref := r.deploy(t, "provider", sharedModel(t, "adventureworks-provider-1400"))
	detail := r.completed(t, ref, `{"type":"full"}`)
	if text := fmt.Sprint(detail.Messages); !strings.Contains(text, "Partition 'FactInternetSales' of table 'FactInternetSales' was not loaded: its mode is directQuery") {
		t.Errorf("DirectQuery: %s", text)
	}
}

// TestF1Forms: the same model as a .SemanticModel folder, as its definition, as the older root layout, as a plain model.bim and inside
// createOrReplace: each redeployment keeps the data.
func TestF1Forms(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "data.csv", "Id\n1\n2\n")
	r := start(t, fileSource(dir))
	definition := map[string]string{
		"model.tmdl":    "model Model\n\tculture: en-US\n",
		"database.tmdl": "database Forms\n\tcompatibilityLevel: 1567\n",
		"tables/T.tmdl": "table T\n\n\tcolumn Id\n\t\tdataType: int64\n\t\tsourceColumn: Id\n\n\tpartition P = m\n\t\tmode: import\n\t\tsource =\n\t\t\t\t" +
			strings.ReplaceAll(csvExpression(file, `{"Id", Int64.Type}`), "\n", "\n\t\t\t\t") + "\n",
	}
	below := func(prefix string, more map[string]string) map[string][]byte {
		files := map[string][]byte{}
		for name, text := range definition {
			files[prefix+name] = []byte(text)
		}
		for name, text := range more {
			files[name] = []byte(text)
		}
		return files
	}
	plain := modelOf(t, "Forms", tableOf("T", "Id int64", readsCSV("P", file, `{"Id", Int64.Type}`)))
	var database any
	if err := json.Unmarshal(plain["model.bim"], &database); err != nil {
		t.Fatal(err)
	}
	script, err := json.Marshal(object{"createOrReplace": object{"object": object{"database": "Forms"}, "database": database}})
	if err != nil {
		t.Fatal(err)
	}
	ref := r.deploy(t, "Forms", plain)
	r.completed(t, ref, `{"type":"full"}`)
	for _, form := range []struct {
		name  string
		files map[string][]byte
	}{
		{"createOrReplace", map[string][]byte{"model.bim": script}},
		{"definition", below("", nil)},
		{"folder", below("definition/", map[string]string{"definition.pbism": `{"version": "4.0", "settings": {}}`,
			".platform": `{"metadata": {"type": "SemanticModel", "displayName": "Forms"}}`})},
		{"folder in a folder", below("Forms.SemanticModel/definition/", map[string]string{"Forms.SemanticModel/definition.pbism": `{"version": "4.0"}`})},
		{"file of another name", map[string][]byte{"Forms.bim": plain["model.bim"]}},
	} {
		again, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", Name: "Forms", Files: form.files})
		if err != nil {
			t.Errorf("%s: %v", form.name, err)
			continue
		}
		if got := fmt.Sprint(again.Partitions); again.Created || got != "[{T P kept  2}]" {
			t.Errorf("%s: %s", form.name, got)
		}
		if got := r.values(t, ref, "SELECT Id FROM T"); got != "1 2" {
			t.Errorf("%s: rows %s", form.name, got)
		}
	}
}

// TestF1BrokenFiles: file, line, column, what was expected, or the object; nothing is deployed.
func TestF1BrokenFiles(t *testing.T) {
	r := start(t)
	for _, c := range []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{"TMDL", map[string]string{"definition/model.tmdl": "model Model\n", "definition/tables/T.tmdl": "table T\n\n\tcolumn Id\n\t\tdataTyp: int64\n"},
			[]string{"definition/tables/T.tmdl:4:3: expected a property of a column, found dataTyp: is dataType meant?"}},
		{"TMDL value", map[string]string{"database.tmdl": "database D\n\tcompatibilityLevel: 1567\n", "model.tmdl": "model Model\n", "tables/T.tmdl": "table T\n\tcolumn Id\n\t\tdataType: integer\n"},
			[]string{"data type 'integer'", "table 'T', column 'Id'", "int64"}},
		{"JSON", map[string]string{"model.bim": "{\n  \"compatibilityLevel\": 1567,\n  \"model\": {\"tables\": [}\n}"},
			[]string{"model.bim:3:24: expected a value, found \"}\""}},
		{"JSON property", map[string]string{"model.bim": "{\"compatibilityLevel\": 1567, \"model\": {\"tables\": [\n {\"name\": \"T\", \"columns\": [{\"name\": \"Id\", \"dataTyp\": \"int64\"}]}]}}"},
			[]string{"model.bim:2:43: expected a property of a column, found \"dataTyp\": is \"dataType\" meant?"}},
		{"level", map[string]string{"model.bim": `{"compatibilityLevel": 1100, "model": {}}`}, []string{"1100", "1200"}},
		{"nothing", map[string]string{"readme.txt": "hello"}, []string{"model.bim", ".tmdl"}},
	} {
		files := map[string][]byte{}
		for name, text := range c.files {
			files[name] = []byte(text)
		}
		body, err := json.Marshal(powerbi.Definition{Workspace: "Broken", CreateWorkspace: true, Name: c.name, Files: files})
		if err != nil {
			t.Fatal(err)
		}
		got := r.raw(t, "POST", "/v1.0/freshet/datasets", string(body))
		text := errorOf(t, got).Message
		for _, part := range c.says {
			if got.status != http.StatusBadRequest || !strings.Contains(text, part) {
				t.Errorf("%s: %d %q does not say %q", c.name, got.status, text, part)
			}
		}
	}
	if models, err := r.Models(t.Context()); err != nil || len(models) != 0 {
		t.Errorf("%v, deployed all the same: %+v", err, models)
	}
}

// TestF1Redeploy: the data of partitions whose source and columns stay are kept, those of others are gone; the plan says so beforehand.
func TestF1Redeploy(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"A1", "A2", "B1", "B2"} {
		generation(t, dir, 1, name)
	}
	r := start(t, fileSource(dir))
	part := func(name, file string) object {
		return reads(name, `let Source = Csv.Document(File.Contents(Folder & "/`+file+`.csv")), Promoted = Table.PromoteHeaders(Source), `+
			`Typed = Table.TransformColumnTypes(Promoted, {{"Generation", Int64.Type}}) in Typed`)
	}
	definition := func(folder string, tables ...object) map[string][]byte {
		return bimOf(t, "Redeploy", object{"tables": tables, "expressions": []object{
			{"name": "Folder", "kind": "m", "expression": fmt.Sprintf("%q", folder)},
			{"name": "Unused", "kind": "m", "expression": fmt.Sprintf("%q", folder+folder)}}})
	}
	ref := r.deploy(t, "Redeploy", definition(dir, tableOf("A", "Generation int64", part("A1", "A1"), part("A2", "A2")), tableOf("B", "Generation int64", part("B1", "B1"))))
	r.completed(t, ref, `{"type":"full"}`)
	for _, c := range []struct {
		name          string
		files         map[string][]byte
		changes, rows string
	}{
		{"one source", definition(dir, tableOf("A", "Generation int64", part("A1", "A1"), part("A2", "B2")), tableOf("B", "Generation int64", part("B1", "B1"))),
			"A/A1 kept, A/A2 emptied, B/B1 kept", "1|1"},
		{"a column's type", definition(dir, tableOf("A", "Generation int64", part("A1", "A1"), part("A2", "B2")), tableOf("B", "Generation double", part("B1", "B1"))),
			"A/A1 kept, A/A2 kept, B/B1 emptied", "2|0"},
		{"a partition more, one less", definition(dir, tableOf("A", "Generation int64", part("A1", "A1"), part("A3", "A2")), tableOf("B", "Generation double", part("B1", "B1"))),
			"A/A1 kept, A/A2 removed, A/A3 added, B/B1 kept", "1|1"},
		{"a shared expression", definition(dir+"/.", tableOf("A", "Generation int64", part("A1", "A1"), part("A3", "A2")), tableOf("B", "Generation double", part("B1", "B1"))),
			"A/A1 emptied, A/A3 emptied, B/B1 emptied", "0|0"},
	} {
		plan, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", Name: "Redeploy", Files: c.files, Plan: true})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		before := r.values(t, ref, "SELECT (SELECT count(*) FROM A), (SELECT count(*) FROM B)")
		done, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", Name: "Redeploy", Files: c.files})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if planned, changed := changesOf(plan), changesOf(done); planned != c.changes || changed != c.changes {
			t.Errorf("%s: planned %s, done %s, not %s", c.name, planned, changed, c.changes)
		}
		if got := r.values(t, ref, "SELECT (SELECT count(*) FROM A), (SELECT count(*) FROM B)"); got != c.rows {
			t.Errorf("%s: rows %s, not %s; %s before", c.name, got, c.rows, before)
		}
		r.completed(t, ref, `{"type":"automatic"}`) // loads what was emptied, so that the next change has something to keep
	}
}

func changesOf(deployment powerbi.Deployment) string {
	changes := map[string]string{}
	for _, partition := range deployment.Partitions {
		changes[partition.Table+"/"+partition.Partition] = partition.Change
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		list = append(list, name+" "+changes[name])
	}
	return strings.Join(list, ", ")
}

// TestDeployDuringRefresh: a conflict that names the running refresh, which goes on.
func TestDeployDuringRefresh(t *testing.T) {
	p := newPostgres(t)
	r := start(t, p.source())
	ref := r.deploy(t, "Gated", gated(t, p))
	id := r.post(t, ref, `{"type":"full"}`)
	changed := modelOf(t, "Gated", tableOf("Gated", "id int64", reads("Gated", p.from("gated")+" "))) // the same altogether would change nothing
	body, err := json.Marshal(powerbi.Definition{Workspace: "Tests", Name: "Gated", Files: changed})
	if err != nil {
		t.Fatal(err)
	}
	got := r.raw(t, "POST", "/v1.0/freshet/datasets", string(body))
	if text := errorOf(t, got).Message; got.status != http.StatusConflict || !strings.Contains(text, id) {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = r.raw(t, "DELETE", "/v1.0/myorg/groups/"+ref.GroupID+"/datasets/"+ref.DatasetID, "")
	if got.status != http.StatusConflict || !strings.Contains(got.body, id) {
		t.Errorf("DELETE of the model: %d %s", got.status, got.body)
	}
	p.open(t, 1)
	if detail := r.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Errorf("the refresh ended as %s: %+v", detail.Status, detail.Messages)
	}
	if got := r.raw(t, "POST", "/v1.0/freshet/datasets", string(body)); got.status != http.StatusOK {
		t.Errorf("after the refresh: %d %s", got.status, got.body)
	}
}
