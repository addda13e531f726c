// Package clients runs real clients of Power BI, unmodified, against a server. `make clients` installs them and runs these tests; a test whose
// client is missing is skipped, aloud.
package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if freshet.folder != "" {
		_ = os.RemoveAll(freshet.folder)
	}
	if code == 0 {
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// missing skips a test whose client is not there, or fails it where clients are required.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("FRESHET_REQUIRE_CLIENTS") != "" {
		t.Fatalf("%s is missing: make clients installs it", what)
	}
	t.Skipf("SKIPPED: %s is missing; make clients installs it and runs this test", what)
}

// freshet is the built program, which clients are run by.
var freshet struct {
	once   sync.Once
	path   string
	folder string
	err    error
}

func program(t *testing.T) string {
	t.Helper()
	freshet.once.Do(func() {
		if freshet.path = os.Getenv("FRESHET_BIN"); freshet.path != "" {
			return
		}
		if freshet.folder, freshet.err = os.MkdirTemp("", "freshet-clients-"); freshet.err != nil {
			return
		}
		freshet.path = filepath.Join(freshet.folder, "freshet")
		if out, err := exec.Command("go", "build", "-tags=duckdb_arrow", "-o", freshet.path, "freshet.dev/cmd/freshet").CombinedOutput(); err != nil {
			freshet.err = fmt.Errorf("cannot build the program: %w\n%s", err, out)
		}
	})
	if freshet.err != nil {
		t.Fatal(freshet.err)
	}
	return freshet.path
}

// The client that the configuration lets sign in.
const (
	clientID     = "0a000000-0000-4000-8000-000000000001"
	clientSecret = "correct horse battery staple"
	tenant       = "f4e54e70-0000-4000-8000-000000000001"
)

// host is a server with TLS, a workspace Sales with a model Orders (one table, from a file) and a model Endless (which waits for a file that is a pipe),
// and the owner's client.
type host struct {
	*powerbi.Client
	address server.Address
	data    string
	orders  powerbi.Ref
	endless powerbi.Ref
}

// run runs a server until the test ends, and returns where it listens.
func run(t *testing.T, config server.Config) server.Address {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s, err := server.Open(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s.Address()
}

func start(t *testing.T) *host {
	t.Helper()
	data, files := t.TempDir(), t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte(clientSecret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	config := server.DefaultConfig()
	config.Listen, config.TLSListen, config.TDSListen, config.Data = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", data
	config.DataSources = []server.DataSource{{Kind: "File", Path: files}}
	config.Clients = []server.Client{{ID: clientID, Name: "etl", SecretHash: string(hash), Roles: map[string]string{"Sales": "Contributor"}}}
	h := &host{address: run(t, config), data: data}
	h.Client = &powerbi.Client{Host: h.address.URL, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Token: func(ctx context.Context) (string, error) {
		out, err := exec.CommandContext(ctx, program(t), "token", "--data", data).Output()
		return strings.TrimSpace(string(out)), err
	}}
	if err := os.WriteFile(filepath.Join(files, "orders.csv"), []byte("OrderKey\n1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.orders = h.deploy(t, "Orders", `Table.PromoteHeaders(Csv.Document(File.Contents("`+filepath.Join(files, "orders.csv")+`")))`)
	// Numbers are counted until somebody cancels: the rows come one by one, from no source.
	h.endless = h.deploy(t, "Endless", `Table.FromRecords(List.Generate(() => 0, each _ >= 0, each if _ > 1000 then 1 else _ + 1, each [OrderKey = _]), type table [OrderKey = number])`)
	return h
}

func (h *host) deploy(t *testing.T, name, expression string) powerbi.Ref {
	t.Helper()
	m, err := json.Marshal(expression)
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := h.Deploy(t.Context(), powerbi.Definition{Workspace: "Sales", CreateWorkspace: true, Name: name, Files: map[string][]byte{"model.bim": fmt.Appendf(nil,
		`{"name":%q,"compatibilityLevel":1550,"model":{"tables":[{"name":"Orders","columns":[{"name":"OrderKey","dataType":"int64","sourceColumn":"OrderKey"}],"partitions":[{"name":"Orders","source":{"type":"m","expression":%s}}]}]}}`, name, m)}})
	if err != nil {
		t.Fatal(err)
	}
	return powerbi.Ref{GroupID: deployed.Workspace.ID, DatasetID: deployed.Dataset.ID}
}

// running waits until the newest refresh of a model runs, and returns its id.
func (h *host) running(t *testing.T, ref powerbi.Ref) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		refreshes, err := h.Refreshes(t.Context(), ref, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(refreshes) == 1 && refreshes[0].ExtendedStatus == powerbi.InProgress {
			return refreshes[0].RequestID
		}
	}
	t.Fatal("the refresh does not run")
	return ""
}

// ended waits for the end of a model's newest refresh.
func (h *host) ended(t *testing.T, ref powerbi.Ref) powerbi.Refresh {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		refreshes, err := h.Refreshes(t.Context(), ref, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(refreshes) == 1 && !refreshes[0].EndTime.IsZero() {
			return refreshes[0]
		}
	}
	t.Fatal("the refresh does not end")
	return powerbi.Refresh{}
}

// run runs a client by freshet exec, with a home of its own, and returns what it prints.
func (h *host) run(t *testing.T, home, client string, args ...string) (string, error) {
	t.Helper()
	command := exec.Command(program(t), append([]string{"exec", "--data", h.data, "--", client}, args...)...)
	command.Env = append(os.Environ(), "HOME="+home)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err := command.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(client), strings.Join(args, " "), err, out.String(), problems.String())
	}
	return out.String(), err
}
