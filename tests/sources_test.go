package tests

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// fileSource is the entry of dataSources that allows a folder.
func fileSource(dir string) server.DataSource { return server.DataSource{Kind: "File", Path: dir} }

// linesOf are the configuration lines that a refusal prints.
var linesOf = regexp.MustCompile(`(?m)^dataSources:\n(?:  - \{.*\}\n?)+`)

// TestF13RefusedSources: a refused file and a refused database print lines of YAML; a server with exactly these lines (and the password where
// the lines say) reads them. Nothing else of the machine is told.
func TestF13RefusedSources(t *testing.T) {
	folder := t.TempDir()
	file := write(t, folder, "data.csv", "Id\n1\n")
	p := newPostgres(t, "CREATE TABLE data AS SELECT 1::bigint AS id")
	for name, partition := range map[string]object{
		"file":     readsCSV("P", file, `{"Id", Int64.Type}`),
		"missing":  readsCSV("P", filepath.Join(folder, "..", filepath.Base(folder), "data.csv"), `{"Id", Int64.Type}`),
		"database": reads("P", "Table.RenameColumns("+p.from("data")+`, {{"id", "Id"}})`),
	} {
		t.Run(name, func(t *testing.T) {
			files := modelOf(t, name, tableOf("T", "Id int64", partition))
			closed := startHost(t, configured(t))
			ref := closed.deploy(t, name, files)
			text := closed.failed(t, ref, `{"type":"full","retryCount":3}`)
			if !strings.Contains(text, "DataSourceNotAllowed") || !strings.Contains(text, "table 'T', partition 'P'") {
				t.Errorf("the refusal: %s", text)
			}
			lines := linesOf.FindString(text)
			if lines == "" {
				t.Fatalf("no lines to copy in: %s", text)
			}
			closed.stop()
			t.Setenv("PGPASSWORD", p.config.Password)
			t.Setenv("PGUSER", p.config.User)
			config := closed.config
			config.DataSources = readConfig(t, closed.config.Data, lines).DataSources
			for i := range config.DataSources { // the lines name a user and say where its password comes from: the test server's are its own
				if config.DataSources[i].Kind == "PostgreSQL" {
					config.DataSources[i].Username, config.DataSources[i].Password = p.config.User, p.config.Password
				}
			}
			opened := startHost(t, config)
			opened.completed(t, ref, `{"type":"full"}`)
			if got := opened.values(t, ref, "SELECT Id FROM T"); got != "1" {
				t.Errorf("rows %s", got)
			}
		})
	}
}

// readConfig reads the lines as a configuration file.
func readConfig(t *testing.T, data, lines string) server.Config {
	t.Helper()
	for _, name := range regexp.MustCompile(`\$\{env:(\w+)\}`).FindAllStringSubmatch(lines, -1) {
		if os.Getenv(name[1]) == "" {
			t.Setenv(name[1], "set")
		}
	}
	config, err := server.ReadConfig(write(t, t.TempDir(), "freshet.yaml", lines))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, lines)
	}
	return config
}

// TestF13BeyondTheFolder: neither ".." nor a link leads out of what is allowed.
func TestF13BeyondTheFolder(t *testing.T) {
	allowed, secret := t.TempDir(), t.TempDir()
	file := write(t, secret, "secret.csv", "Id\nhidden-treasure\n")
	if err := os.Symlink(file, filepath.Join(allowed, "link.csv")); err != nil {
		t.Fatal(err)
	}
	r := start(t, fileSource(allowed))
	for i, path := range []string{file, allowed + "/../" + filepath.Base(secret) + "/secret.csv", allowed + "/link.csv", "/etc/passwd", "/proc/self/environ"} {
		name := fmt.Sprintf("Beyond %d", i)
		ref := r.deploy(t, name, modelOf(t, name, tableOf("T", "Id string", readsCSV("P", path, ""))))
		if text := r.failed(t, ref, `{"type":"full"}`); !strings.Contains(text, "DataSourceNotAllowed") || strings.Contains(text, "hidden-treasure") {
			t.Errorf("%s: %s", path, text)
		}
		explained := r.raw(t, "GET", "/v1.0/freshet/datasets/"+ref.DatasetID+"/explain?table=T", "")
		if strings.Contains(explained.body, "hidden-treasure") || !strings.Contains(explained.body, "cannot reach") {
			t.Errorf("explain of %s: %s", path, explained.body)
		}
	}
}

// TestSecretsStayInside: the password of a source is in no answer, no message and no log, whether it is right or wrong.
func TestSecretsStayInside(t *testing.T) {
	const wrong = "wr0ng-Passw0rd"
	p := newPostgres(t, "CREATE TABLE data AS SELECT 1::bigint AS id", "CREATE ROLE e2e_secret_"+fmt.Sprint(os.Getpid())+" LOGIN PASSWORD 'c0rrect-Passw0rd'")
	role := "e2e_secret_" + fmt.Sprint(os.Getpid())
	t.Cleanup(func() { p.run(t, "DROP OWNED BY "+role); p.run(t, "DROP ROLE "+role) })
	for _, password := range []string{wrong, "c0rrect-Passw0rd"} {
		source := p.source()
		source.Username, source.Password = role, password
		h := startHost(t, configured(t, source))
		var told strings.Builder
		model := bimOf(t, "Secret", object{
			"dataSources": []object{{"name": "Warehouse", "provider": "Npgsql", "connectionString": fmt.Sprintf("Host=%s;Port=%d;Database=%s;Username=%s;Password=%s",
				p.config.Host, p.config.Port, p.database(), role, "m0del-Passw0rd")}},
			"tables": []object{tableOf("T", "id int64", reads("P", p.from("data"))), tableOf("Q", "id int64", queries("P", "Warehouse", "SELECT * FROM nothing_here"))},
		})
		deployed, err := h.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", CreateWorkspace: true, Name: "Secret", Files: model})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&told, "%+v", deployed)
		ref := powerbi.Ref{GroupID: deployed.Workspace.ID, DatasetID: deployed.Dataset.ID}
		h.failed(t, ref, `{"type":"full"}`)
		list, err := h.Refreshes(t.Context(), ref, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{refreshesOf(ref), refreshesOf(ref) + "/" + list[0].RequestID, "/v1.0/freshet/datasets", "/v1.0/freshet/datasets/" + ref.DatasetID + "/explain?table=T",
			"/v1.0/freshet/datasets/" + ref.DatasetID + "/explain?table=Q", "/v1.0/myorg/groups/" + ref.GroupID + "/datasets"} {
			told.WriteString(h.raw(t, "GET", path, "").body)
		}
		h.stop()
		told.WriteString(h.log.String())
		for _, secret := range []string{password, "m0del-Passw0rd"} {
			if at := strings.Index(told.String(), secret); at >= 0 {
				t.Errorf("%s is told: …%s", secret, told.String()[max(0, at-200):at+len(secret)])
			}
		}
		if !strings.Contains(h.log.String(), "refresh ended") {
			t.Error("the log holds nothing: it proves nothing")
		}
		entries, err := os.ReadFile(filepath.Join(h.config.Data, "catalog.db"))
		if err != nil || strings.Contains(string(entries), "m0del-Passw0rd") || strings.Contains(string(entries), password) {
			t.Errorf("the catalog holds a password (%v)", err)
		}
	}
}

// TestF10Explain: what explain prints is what the server gets, word by word; a step that cannot be folded is named with its reason.
func TestF10Explain(t *testing.T) {
	p := newPostgres(t)
	p.run(t, "CREATE VIEW gated AS SELECT 1::bigint AS id, 'x'::text AS name, 2::numeric(10,2) AS amount WHERE "+p.gate(t, 1))
	r := start(t, p.source())
	folded := `let Source = ` + p.from("gated") + `, Kept = Table.SelectRows(Source, each [id] > 0 and [name] <> "it's"), Renamed = Table.RenameColumns(Kept, {{"amount", "Total"}}) in Renamed`
	broken := `let Source = ` + p.from("gated") + `, Reversed = Table.AddColumn(Source, "reverse", each Text.Reverse([name]), type text) in Reversed`
	ref := r.deploy(t, "Explain", modelOf(t, "Explain", tableOf("Folded", "id int64, name string, Total decimal", reads("P", folded)),
		tableOf("Broken", "id int64, reverse string", reads("P", broken)), tableOf("Wrong", "id int64", reads("P", "Table.Nope(1)"))))
	explain := func(table string) powerbi.Explanation {
		t.Helper()
		list, err := r.Explain(t.Context(), ref.DatasetID, table, "")
		if err != nil || len(list) != 1 {
			t.Fatalf("%v %+v", err, list)
		}
		return list[0]
	}
	whole := explain("Folded")
	if whole.Breaks != "" || len(whole.Statements) != 1 || !strings.Contains(whole.Statements[0].Text, "WHERE") || !strings.Contains(whole.Statements[0].Text, "'it''s'") {
		t.Errorf("Folded: %+v", whole)
	}
	partly := explain("Broken")
	if partly.Breaks != "Table.AddColumn" && !strings.Contains(partly.Breaks, "Reversed") || partly.Why == "" || len(partly.Statements) == 0 {
		t.Errorf("Broken: %+v", partly)
	}
	if wrong := explain("Wrong"); !strings.Contains(wrong.Error, "Table.Nope") {
		t.Errorf("Wrong: %+v", wrong)
	}
	for _, c := range []struct {
		table   string
		explain powerbi.Explanation
	}{{"Folded", whole}, {"Broken", partly}} {
		id := r.post(t, ref, `{"type":"full","objects":[{"table":"`+c.table+`"}]}`)
		eventually(t, "the statement runs", func() bool { return p.statements(t, `"gated"`) == 1 })
		sent := p.text(t, `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'COPY%' AND position('"gated"' IN query) > 0`)
		if text := strings.TrimSpace(c.explain.Statements[0].Text); !strings.Contains(sent, text) {
			t.Errorf("%s: explain says\n%s\nthe server gets\n%s", c.table, text, sent)
		}
		p.open(t, 1)
		if detail := r.ended(t, ref, id); detail.Status != powerbi.Completed {
			t.Errorf("%s ended as %s: %+v", c.table, detail.Status, detail.Messages)
		}
		p.gate(t, 1)
	}
	if got := r.values(t, ref, "SELECT Folded.Total, Broken.reverse FROM Folded, Broken"); got != "2|x" && got != "2.0000|x" {
		t.Errorf("rows %s", got)
	}
	for query, status := range map[string]int{"": http.StatusBadRequest, "?table=Nope": http.StatusBadRequest, "?table=Folded&partition=Nope": http.StatusBadRequest} {
		if got := r.raw(t, "GET", "/v1.0/freshet/datasets/"+ref.DatasetID+"/explain"+query, ""); got.status != status {
			t.Errorf("explain%s: %d %s", query, got.status, got.body)
		}
	}
}
