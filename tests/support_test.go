package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// patience is how long a test waits for what must come. It is long because a busy machine is no failure.
const patience = 60 * time.Second

// eventually polls until done says yes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// host is a server that can be stopped and started again on the same data directory. Everything it logs is kept.
type host struct {
	running
	config server.Config
	log    *logBuffer
	stop   func()
}

// configured is a configuration with a data directory of its own.
func configured(t *testing.T, sources ...server.DataSource) server.Config {
	t.Helper()
	config := server.DefaultConfig()
	config.Listen = "127.0.0.1:0"
	config.Data = t.TempDir()
	config.Auth.Mode = server.AuthNone
	config.DataSources = sources
	return config
}

func startHost(t *testing.T, config server.Config) *host {
	t.Helper()
	h := &host{config: config, log: &logBuffer{}}
	h.start(t)
	t.Cleanup(func() { h.stop() })
	return h
}

// start starts the server, for the first time or again.
func (h *host) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Open(ctx, h.config, slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	h.running = running{Client: &powerbi.Client{Host: s.Address().URL}}
	h.stop = sync.OnceFunc(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the server ended with: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("the server closed with: %v", err)
		}
	})
}

// logBuffer keeps what is written to it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// answer is what the server sent, as it stands on the wire.
type answer struct {
	status int
	header http.Header
	body   string
}

// raw sends a request without the client's help. path is below the server's root; an empty body is none.
func (r running) raw(t *testing.T, method, path, body string) answer {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, r.Host+path, content)
	if err != nil {
		t.Fatal(err)
	}
	if r.Token != nil {
		token, err := r.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// refreshesOf is the path of a model's refreshes.
func refreshesOf(ref powerbi.Ref) string {
	return "/v1.0/myorg/groups/" + ref.GroupID + "/datasets/" + ref.DatasetID + "/refreshes"
}

// post starts a refresh by a body as it stands and returns its id.
func (r running) post(t *testing.T, ref powerbi.Ref, body string) string {
	t.Helper()
	got := r.raw(t, "POST", refreshesOf(ref), body)
	if got.status != http.StatusAccepted {
		t.Fatalf("POST %s: %d %s", body, got.status, got.body)
	}
	return got.header.Get("RequestId")
}

// done starts a refresh by a body and waits for its end.
func (r running) done(t *testing.T, ref powerbi.Ref, body string) powerbi.RefreshDetail {
	t.Helper()
	return r.ended(t, ref, r.post(t, ref, body))
}

// completed is done for a refresh that must succeed.
func (r running) completed(t *testing.T, ref powerbi.Ref, body string) powerbi.RefreshDetail {
	t.Helper()
	detail := r.done(t, ref, body)
	if detail.Status != powerbi.Completed {
		t.Fatalf("%s ended as %s: %+v", body, detail.Status, detail.Messages)
	}
	return detail
}

// failed is done for a refresh that must fail; it returns the texts of its error messages.
func (r running) failed(t *testing.T, ref powerbi.Ref, body string) string {
	t.Helper()
	detail := r.done(t, ref, body)
	if detail.Status != powerbi.Failed {
		t.Fatalf("%s ended as %s: %+v", body, detail.Status, detail.Messages)
	}
	return errorsOf(detail)
}

func errorsOf(detail powerbi.RefreshDetail) string {
	var lines []string
	for _, message := range detail.Messages {
		if message.Type == "Error" {
			lines = append(lines, message.Code+": "+message.Message)
		}
	}
	return strings.Join(lines, "\n")
}

// objectOf finds what Freshet tells about a partition.
func objectOf(t *testing.T, detail powerbi.RefreshDetail, table, partition string) powerbi.ObjectProgress {
	t.Helper()
	if detail.Freshet != nil {
		for _, object := range detail.Freshet.Objects {
			if object.Table == table && object.Partition == partition {
				return object
			}
		}
	}
	t.Fatalf("the detail tells nothing about %s/%s: %+v", table, partition, detail.Freshet)
	return powerbi.ObjectProgress{}
}

// values returns the rows of a query, the cells of each joined by "|", the rows by a blank.
func (r running) values(t *testing.T, ref powerbi.Ref, sql string) string {
	t.Helper()
	rows, err := r.Query(t.Context(), ref.DatasetID, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var lines []string
	for {
		cells, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(lines, " ")
		}
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		texts := make([]string, len(cells))
		for i, cell := range cells {
			if json.Unmarshal(cell, &texts[i]) != nil || string(cell) == "null" {
				texts[i] = string(cell)
			}
		}
		lines = append(lines, strings.Join(texts, "|"))
	}
}

// object is a JSON object.
type object = map[string]any

// bimOf is a definition of one file.
func bimOf(t *testing.T, name string, parts object) map[string][]byte {
	t.Helper()
	inner := object{"culture": "en-US"}
	for key, value := range parts {
		inner[key] = value
	}
	text, err := json.Marshal(object{"name": name, "compatibilityLevel": 1567, "model": inner})
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"model.bim": text}
}

// modelOf is a definition with these tables.
func modelOf(t *testing.T, name string, tables ...object) map[string][]byte {
	t.Helper()
	return bimOf(t, name, object{"tables": tables})
}

// tableOf is a table; columns are "Name type".
func tableOf(name, columns string, partitions ...object) object {
	var list []object
	for column := range strings.SplitSeq(columns, ", ") {
		words := strings.Fields(column)
		list = append(list, object{"name": words[0], "dataType": words[1], "sourceColumn": words[0]})
	}
	return object{"name": name, "columns": list, "partitions": partitions}
}

// reads is a partition by an M expression.
func reads(name, expression string) object {
	return object{"name": name, "mode": "import", "source": object{"type": "m", "expression": expression}}
}

// readsCSV is a partition that reads a CSV file with a header; types are the pairs of Table.TransformColumnTypes.
func readsCSV(name, file, types string) object { return reads(name, csvExpression(file, types)) }

func csvExpression(file, types string) string {
	return fmt.Sprintf(`let
    Source = Csv.Document(File.Contents(%q), [Delimiter=",", Encoding=65001]),
    Promoted = Table.PromoteHeaders(Source, [PromoteAllScalars=true]),
    Typed = Table.TransformColumnTypes(Promoted, {%s}, "en-US")
in
    Typed`, file, types)
}

// write writes a file of a folder and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// postgres is a database of a test's own on the test server.
type postgres struct {
	*pgx.Conn
	config *pgx.ConnConfig
	mu     *sync.Mutex // a connection takes one statement at a time
}

var databases atomic.Int64 // numbers the databases of this process

// connectPostgres connects to the test server. Where there is none the test is skipped, or fails if it must not be.
func connectPostgres(t *testing.T) *pgx.Conn {
	t.Helper()
	url := os.Getenv("FRESHET_TEST_POSTGRES")
	if url == "" {
		if os.Getenv("FRESHET_REQUIRE_SERVERS") != "" {
			t.Fatal("FRESHET_TEST_POSTGRES is not set, and FRESHET_REQUIRE_SERVERS asks for it")
		}
		t.Skip("SKIPPED: FRESHET_TEST_POSTGRES names no server; scripts/servers run go test …")
	}
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// newPostgres makes a database and runs statements in it.
func newPostgres(t *testing.T, statements ...string) postgres {
	t.Helper()
	ctx := context.Background()
	admin := connectPostgres(t)
	name := fmt.Sprintf("e2e_%07d_%03d", os.Getpid(), databases.Add(1)) // of one length: messages tell columns of expressions that name it
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	config := admin.Config().Copy()
	config.Database = name
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close(ctx)
		if _, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
		_ = admin.Close(ctx)
	})
	p := postgres{conn, config, &sync.Mutex{}}
	for _, statement := range statements {
		p.run(t, statement)
	}
	return p
}

func (p postgres) run(t *testing.T, sql string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// text returns the one value of a statement.
func (p postgres) text(t *testing.T, sql string) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var value *string
	if err := p.QueryRow(context.Background(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if value == nil {
		return ""
	}
	return *value
}

func (p postgres) server() string   { return p.config.Host + ":" + strconv.Itoa(int(p.config.Port)) }
func (p postgres) path() string     { return p.server() + ";" + p.config.Database }
func (p postgres) database() string { return p.config.Database }

// source is the entry of dataSources that allows the database.
func (p postgres) source() server.DataSource {
	return server.DataSource{Kind: "PostgreSQL", Path: p.path(), Username: p.config.User, Password: p.config.Password}
}

// from is the M expression of a table or view.
func (p postgres) from(item string) string {
	return fmt.Sprintf(`PostgreSQL.Database(%q, %q){[Schema="public", Item=%q]}[Data]`, p.server(), p.database(), item)
}

// gate is the condition of a view that waits until open is called with the same number; the test's connection keeps it shut.
func (p postgres) gate(t *testing.T, number int) string {
	t.Helper()
	p.run(t, fmt.Sprintf("SELECT pg_advisory_lock(%d)", number))
	return fmt.Sprintf("(SELECT pg_advisory_xact_lock_shared(%d) IS NOT NULL)", number)
}

func (p postgres) open(t *testing.T, number int) {
	t.Helper()
	p.run(t, fmt.Sprintf("SELECT pg_advisory_unlock(%d)", number))
}

// statements returns how many statements that hold the text give rows to others now.
func (p postgres) statements(t *testing.T, holding string) int {
	t.Helper()
	n, err := strconv.Atoi(p.text(t, "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE 'COPY%' AND position("+
		literal(holding)+" IN query) > 0"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
