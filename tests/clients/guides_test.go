package clients

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// fences are the blocks of a guide: their language and their text.
var fences = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestC5Guides runs the commands, statements and programs of doc/guides as they stand there, but for the ports: blocks of sh in a shell, of go as a program,
// of sql through the gateway. Blocks of other languages are for tools that are not at hand: SQL Server's own, sqlcmd, PowerShell, Airflow.
func TestC5Guides(t *testing.T) {
	h := start(t)
	h.deployGuides(t)
	guides, err := filepath.Glob("../../doc/guides/*.md")
	if err != nil || len(guides) == 0 {
		t.Fatal("no guides", err)
	}
	host, err := url.Parse(h.address.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, tdsPort, _ := strings.Cut(h.address.TDS, ":")
	ports := strings.NewReplacer("127.0.0.1:8480", host.Host, "1433", tdsPort)
	token, err := h.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "FRESHET_SECRET="+clientSecret, "FRESHET_TOKEN="+token, "FRESHET_HOST="+h.address.URL, "LC_ALL=C.UTF-8",
		"PATH="+filepath.Dir(program(t))+":"+os.Getenv("PATH"))
	ran := 0
	for _, guide := range guides {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range fences.FindAllStringSubmatch(string(text), -1) {
			language, content := block[1], ports.Replace(block[2])
			if !slices.Contains([]string{"sh", "sql", "go"}, language) {
				continue
			}
			ran++
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(guide), i+1), func(t *testing.T) {
				t.Logf("%s", content)
				var command *exec.Cmd
				switch language {
				case "sh":
					needs(t, content)
					command = exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", content)
					command.Dir = t.TempDir()
				case "sql":
					needs(t, "bsqldb")
					_, port, _ := strings.Cut(h.address.TDS, ":")
					command = exec.CommandContext(t.Context(), "bsqldb", "-S", "guide", "-U", "etl", "-P", clientSecret, "-D", "Sales")
					command.Dir = t.TempDir()
					conf := filepath.Join(command.Dir, "freetds.conf")
					if err := os.WriteFile(conf, fmt.Appendf(nil, "[guide]\nhost = 127.0.0.1\nport = %s\ntds version = 7.4\nclient charset = UTF-8\n", port), 0o600); err != nil {
						t.Fatal(err)
					}
					environment = append(environment, "FREETDSCONF="+conf)
					command.Stdin = strings.NewReader(content + "\ngo\n")
				case "go":
					if os.Getenv("FRESHET_REQUIRE_CLIENTS") == "" {
						t.Skip("SKIPPED: it takes long to build; make clients runs it")
					}
					// Within the module, whose driver and versions it needs; go run ignores folders that begin with an underscore until they are named.
					folder, err := os.MkdirTemp(".", "_guide-")
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = os.RemoveAll(folder) })
					if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(content), 0o600); err != nil {
						t.Fatal(err)
					}
					command = exec.CommandContext(t.Context(), "go", "run", "./"+folder)
				}
				command.Env = environment
				out, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if strings.Contains(content, "refresh_d") && !regexp.MustCompile(`Success|Completed|(?m)^1 rows affected$`).Match(out) || len(out) == 0 {
					t.Errorf("it does not tell of a refresh:\n%s", out)
				}
			})
		}
	}
	if ran < 10 {
		t.Errorf("only %d blocks were run", ran)
	}
}

// needs skips a block whose tools are not at hand.
func needs(t *testing.T, content string) {
	t.Helper()
	for _, tool := range regexp.MustCompile(`\b(tsql|bsqldb|isql)\b`).FindAllString(content, -1) {
		if _, err := exec.LookPath(tool); errors.Is(err, exec.ErrNotFound) {
			missing(t, tool)
		}
	}
	for _, module := range regexp.MustCompile(`(?m)^import (py\w+)$`).FindAllStringSubmatch(content, -1) {
		if err := exec.Command("/usr/bin/python3", "-c", "import "+module[1]).Run(); err != nil {
			missing(t, "python3-"+module[1])
		}
	}
}

// deployGuides puts what the guides speak of into the workspace Sales: a dataflow Orders, and a model Retail with a table Sales.
func (h *host) deployGuides(t *testing.T) {
	t.Helper()
	for _, definition := range []powerbi.Definition{
		{Name: "Orders", Files: map[string][]byte{"model.json": []byte(`{"name":"Orders","version":"1.0","culture":"en-US",
			"pbi:mashup":{"document":"section Section1;\r\nshared Orders = #table(type table [OrderKey = Int64.Type], {{1}, {2}});\r\n","queriesMetadata":{"Orders":{"queryName":"Orders","loadEnabled":true}}},
			"entities":[{"$type":"LocalEntity","name":"Orders","attributes":[{"name":"OrderKey","dataType":"int64"}]}]}`)}},
		{Name: "Retail", Files: map[string][]byte{"model.bim": []byte(`{"name":"Retail","compatibilityLevel":1550,"model":{"tables":[{"name":"Sales","columns":[
			{"name":"Region","dataType":"string","sourceColumn":"Region"},{"name":"Amount","dataType":"decimal","sourceColumn":"Amount"}],
			"partitions":[{"name":"Sales","source":{"type":"m","expression":"#table(type table [Region = text, Amount = number], {{\"North\", 1.5}, {\"South\", 2}})"}}]}]}}`)}},
	} {
		definition.Workspace = "Sales"
		if _, err := h.Deploy(t.Context(), definition); err != nil {
			t.Fatal(err)
		}
	}
}
