package tests

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// exchange is what one of the two documents about enhanced refreshes shows.
type exchange struct {
	path           string // of the POST, with the ids of the document
	group, dataset string
	id             string      // of the refresh
	headers        [][2]string // of the 202, as they are spelt
	body           string      // of the POST
	running        object      // detail of a refresh that runs
	cancel         string      // path of the DELETE
}

var guidText = regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// readExchange reads a document of ../shared/seeds, and skips the test aloud where there is none.
func readExchange(t *testing.T, name string) exchange {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../shared/seeds", name))
	if err != nil {
		t.Skip("SKIPPED: ../shared/seeds is not beside the repository")
	}
	text := strings.ReplaceAll(string(content), "\r", "")
	find := func(pattern string) string {
		match := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("%s has nothing like %s", name, pattern)
		}
		return match[1]
	}
	e := exchange{
		path: find(`POST https://api\.powerbi\.com(/\S+/refreshes)\n`), id: find(`x-ms-request-id: (\S+)`),
		body: find(`(?s)POST https://\S+\n.*?\n(\{\n.*?\n\})\n`), cancel: find(`DELETE https://api\.powerbi\.com(/\S+)`),
	}
	ids := guidText.FindAllString(e.path, -1)
	if len(ids) != 2 {
		t.Fatalf("%s: the path %s", name, e.path)
	}
	e.group, e.dataset = ids[0], ids[1]
	for _, header := range []string{"x-ms-request-id", "Location"} {
		e.headers = append(e.headers, [2]string{header, find(`(?m)^` + header + `: (\S+)$`)})
	}
	if err := json.Unmarshal([]byte(find(`(?s)(\{\n\s+"startTime"[^{]*"currentRefreshType".*?\n\})\n`)), &e.running); err != nil {
		t.Fatal(err)
	}
	return e
}

// R4, R6, R28, R30: the exchange that the documents show, with their body, header by header and row by row; only the ids and the host are ours.
func TestR4TheDocumentsExchange(t *testing.T) {
	folder := dataFolder(t)
	for _, name := range []string{"002_6ca99e8104ff4944.txt", "003_c6429c7b5a7b6855.txt"} {
		t.Run(name, func(t *testing.T) { playDocument(t, readExchange(t, name), folder) })
	}
}

func playDocument(t *testing.T, seed exchange, folder string) {
	p := newPostgres(t, "CREATE TABLE customer (CustomerKey bigint, Name text)", "INSERT INTO customer VALUES (11000, 'Yang'), (11001, 'Huang'), (11002, NULL)")
	p.run(t, "CREATE VIEW dimcustomer AS SELECT customerkey, name FROM customer WHERE "+p.gate(t, 1))
	r := start(t, p.source(), fileSource(folder))
	days := `Table.TransformColumnTypes(Table.RenameColumns(Table.SelectColumns(Csv.Document(File.Contents("` + folder + `/DimDate.csv"), [Delimiter="|", Encoding=65001]), ` +
		`{"Column1", "Column3", "Column5"}), {{"Column1", "DateKey"}, {"Column3", "Day"}, {"Column5", "Name"}}), {{"DateKey", Int64.Type}, {"Day", Int64.Type}})`
	ref := r.deploy(t, "DW", modelOf(t, "DW", tableOf("DimCustomer", "customerkey int64, name string", reads("DimCustomer", p.from("dimcustomer"))),
		tableOf("DimDate", "DateKey int64, Day int64, Name string", reads("DimDate", days))))
	ours := func(text, id string) string {
		return strings.NewReplacer(seed.group, ref.GroupID, seed.dataset, ref.DatasetID, seed.id, id, "https://api.powerbi.com", r.Host).Replace(text)
	}

	accepted := r.raw(t, http.MethodPost, ours(seed.path, ""), seed.body)
	id := accepted.header.Get("RequestId")
	if accepted.status != http.StatusAccepted || accepted.body != "" {
		t.Fatalf("%d %s", accepted.status, accepted.body)
	}
	for _, header := range seed.headers {
		if got, want := accepted.header.Get(header[0]), ours(header[1], id); got != want {
			t.Errorf("%s: %s, want %s", header[0], got, want)
		}
	}
	location := strings.TrimPrefix(accepted.header.Get("Location"), r.Host)

	// The detail while it runs: the document's, without the end that it shows (R28), row by row once both tables are being loaded.
	var running object
	eventually(t, "both rows of the document", func() bool {
		got := r.raw(t, http.MethodGet, location, "")
		running = decode(t, got.body)
		rows, _ := running["objects"].([]any)
		return got.status == http.StatusAccepted && len(rows) == 2 && rows[0].(object)["status"] == "InProgress"
	})
	for key, want := range seed.running {
		switch key {
		case "startTime":
			if text, _ := running[key].(string); !instant.MatchString(text) || !instant.MatchString(want.(string)) {
				t.Errorf("%s: %v, in the document %v", key, running[key], want)
			}
		case "endTime":
			if running[key] != nil {
				t.Errorf("it has the end %v", running[key])
			}
		case "objects":
			rows := running[key].([]any)
			for i, row := range want.([]any) {
				its := row.(object)
				if i == 1 { // the second table waits for nothing: it may be ready
					its["status"] = rows[i].(object)["status"]
				}
				if !reflect.DeepEqual(rows[i], row) {
					t.Errorf("row %d: %v, in the document %v", i, rows[i], row)
				}
			}
		default:
			if running[key] != want {
				t.Errorf("%s: %v, in the document %v", key, running[key], want)
			}
		}
	}
	if again := r.raw(t, http.MethodPost, ours(seed.path, ""), seed.body); again.status != http.StatusBadRequest || errorOf(t, again).Code != "InvalidRequest" {
		t.Errorf("a second one: %d %s", again.status, again.body)
	}

	p.open(t, 1)
	if detail := r.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Fatalf("ended as %s: %s", detail.Status, errorsOf(detail))
	}
	list := decode(t, r.raw(t, http.MethodGet, ours(seed.path, ""), "").body)["value"].([]any)
	first := list[0].(object)
	if len(list) != 1 || first["requestId"] != id || first["refreshType"] != "ViaEnhancedApi" || first["status"] != "Completed" || first["extendedStatus"] != "Completed" ||
		!instant.MatchString(first["startTime"].(string)) || !instant.MatchString(first["endTime"].(string)) {
		t.Errorf("history %v", list)
	}
	content, err := os.ReadFile(filepath.Join(folder, "DimDate.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(string(content), "\r", "")), "\n") {
		cells := strings.Split(line, "|")
		want = append(want, cells[0]+"|"+cells[2]+"|"+cells[4])
	}
	if got := strings.Split(r.values(t, ref, "SELECT DateKey, Day, Name FROM DimDate ORDER BY DateKey"), " "); !reflect.DeepEqual(got, want) {
		t.Errorf("DimDate has %d rows, the file %d, or they differ: %.80v …", len(got), len(want), got)
	}
	if got := r.values(t, ref, "SELECT customerkey, name FROM DimCustomer ORDER BY 1"); got != "11000|Yang 11001|Huang 11002|null" {
		t.Errorf("DimCustomer: %s", got)
	}

	// The document's DELETE, of a refresh that runs: it ends, and the rows stay.
	p.gate(t, 1)
	second := r.raw(t, http.MethodPost, ours(seed.path, ""), seed.body).header.Get("RequestId")
	eventually(t, "the load", func() bool { return p.statements(t, "dimcustomer") > 0 })
	cancel := strings.Replace(ours(seed.cancel, ""), guidText.FindAllString(seed.cancel, -1)[2], second, 1)
	if got := r.raw(t, http.MethodDelete, cancel, ""); got.status != http.StatusOK || got.body != "" {
		t.Errorf("DELETE: %d %s", got.status, got.body)
	}
	if detail := r.ended(t, ref, second); detail.Status != powerbi.Cancelled || r.values(t, ref, "SELECT count(*) FROM DimCustomer") != "3" {
		t.Errorf("ended as %s", detail.Status)
	}
	p.open(t, 1)
}

// R1, R30: groups → group → datasets → dataset → refreshes → POST → GET Location → DELETE, by nothing but what each answer gives.
func TestR1Walk(t *testing.T) {
	r := start(t)
	r.deploy(t, "Endless", modelOf(t, "Endless", tableOf("N", "N int64", reads("N", `Table.FromColumns({List.Generate(() => 0, each _ >= 0, each _ + 1)}, {"N"})`))))
	get := func(path string, status int) object {
		t.Helper()
		got := r.raw(t, http.MethodGet, path, "")
		if got.status != status {
			t.Fatalf("GET %s: %d %s", path, got.status, got.body)
		}
		return decode(t, got.body)
	}
	// A collection lists an item that opens under its own id, in the same words.
	first := func(path string) (item object, opened string) {
		t.Helper()
		list := get(path, http.StatusOK)["value"].([]any)
		if len(list) != 1 {
			t.Fatalf("%s lists %v", path, list)
		}
		item = list[0].(object)
		opened = path + "/" + item["id"].(string)
		alone := get(opened, http.StatusOK)
		for key, value := range item {
			if !reflect.DeepEqual(alone[key], value) {
				t.Errorf("%s: %s is %v in the list and %v alone", opened, key, value, alone[key])
			}
		}
		return item, opened
	}
	_, group := first("/v1.0/myorg/groups")
	_, dataset := first(group + "/datasets")
	if list := get(dataset+"/refreshes", http.StatusOK)["value"].([]any); len(list) != 0 {
		t.Errorf("a new model has the history %v", list)
	}
	accepted := r.raw(t, http.MethodPost, dataset+"/refreshes", `{"type":"full"}`)
	location, found := strings.CutPrefix(accepted.header.Get("Location"), r.Host)
	if accepted.status != http.StatusAccepted || !found {
		t.Fatalf("%d, Location %q", accepted.status, location)
	}
	if list := get(dataset+"/refreshes", http.StatusOK)["value"].([]any); len(list) != 1 || dataset+"/refreshes/"+list[0].(object)["requestId"].(string) != location {
		t.Errorf("the history %v does not lead to %s", list, location)
	}
	eventually(t, "InProgress", func() bool { return get(location, http.StatusAccepted)["status"] == "InProgress" })
	if got := r.raw(t, http.MethodDelete, location, ""); got.status != http.StatusOK || got.body != "" {
		t.Errorf("DELETE: %d %s", got.status, got.body)
	}
	eventually(t, "the end", func() bool { return r.raw(t, http.MethodGet, location, "").status == http.StatusOK })
	if ended := get(location, http.StatusOK); ended["status"] != "Cancelled" || ended["endTime"] == nil {
		t.Errorf("ended as %v", ended)
	}
	if got := r.raw(t, http.MethodDelete, location, ""); got.status != http.StatusConflict || !strings.Contains(got.body, "cannot be cancelled") {
		t.Errorf("DELETE after the end: %d %s", got.status, got.body)
	}
}
