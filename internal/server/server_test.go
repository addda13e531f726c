package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server of a test, the folder that its models may read, and a client that may do everything.
type running struct {
	*powerbi.Client
	server *Server
	files  string
	data   string
	stop   func()
}

// start runs a server on a data directory until the test ends or stop is called.
func start(t *testing.T, data, files string, change func(*Config)) *running {
	t.Helper()
	config := DefaultConfig()
	config.Listen, config.Data = "127.0.0.1:0", data
	config.DataSources = []DataSource{{Kind: "File", Path: files}}
	if change != nil {
		change(&config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Open(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	issuer, err := auth.NewLocal(data)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	transport := &http.Transport{}
	stopped := false
	r := &running{server: s, files: files, data: data, Client: &powerbi.Client{
		Host: s.Address().URL, HTTP: &http.Client{Transport: transport},
		Token: func(context.Context) (string, error) {
			return issuer.Issue(auth.Claims{Owner: true, Scopes: auth.AllScopes()})
		},
	}}
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		transport.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing the server: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// held asks for a detail and prefers to wait for the refresh's end, longer than the call may take. It returns when the request is sent; the
// channel gives the status, or 0 for a call that failed.
func (r *running) held(t *testing.T, ref powerbi.Ref, id string) <-chan int {
	t.Helper()
	sent, status := make(chan struct{}), make(chan int, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.Host+"/v1.0/myorg/datasets/"+ref.DatasetID+"/refreshes/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := r.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Prefer", "wait=15")
	own := &http.Transport{DisableKeepAlives: true} // a server that stops closes connections that were idle a moment ago
	go func() {
		defer cancel()
		response, err := own.RoundTrip(request)
		if err != nil {
			status <- 0
			return
		}
		response.Body.Close()
		status <- response.StatusCode
	}()
	<-sent
	// A server accepts connections in their order: when it answers on a later one, it has taken the request.
	later, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(r.Host + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	later.Body.Close()
	return status
}

func (r *running) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.files, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// column and part describe a table of a test's model.
type (
	column struct {
		Name         string `json:"name"`
		DataType     string `json:"dataType"`
		SourceColumn string `json:"sourceColumn"`
	}
	part struct{ name, expression string }
)

func col(name, kind string) column { return column{name, kind, name} }

// csvPart reads a CSV file, all of whose columns become of the named types.
func csvPart(files, name string, types ...string) part {
	var pairs []string
	for i := 0; i < len(types); i += 2 {
		pairs = append(pairs, fmt.Sprintf(`{"%s", %s}`, types[i], types[i+1]))
	}
	return part{name, fmt.Sprintf(`let Source = Csv.Document(File.Contents("%s"), [Delimiter=",", Encoding=65001]), Headers = Table.PromoteHeaders(Source), `+
		`Typed = Table.TransformColumnTypes(Headers, {%s}, "en-US") in Typed`, filepath.Join(files, name+".csv"), strings.Join(pairs, ", "))}
}

// bim writes a model of tables: name, columns, partitions.
func bim(name string, tables ...map[string]any) map[string][]byte {
	content, err := json.Marshal(map[string]any{"name": name, "compatibilityLevel": 1550, "model": map[string]any{"tables": tables}})
	if err != nil {
		panic(err)
	}
	return map[string][]byte{"model.bim": content}
}

func table(name string, columns []column, parts ...part) map[string]any {
	var partitions []map[string]any
	for _, p := range parts {
		partitions = append(partitions, map[string]any{"name": p.name, "source": map[string]any{"type": "m", "expression": p.expression}})
	}
	return map[string]any{"name": name, "columns": columns, "partitions": partitions}
}

func (r *running) deploy(t *testing.T, files map[string][]byte) (powerbi.Deployment, powerbi.Ref) {
	t.Helper()
	deployed, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Shop", CreateWorkspace: true, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return deployed, powerbi.Ref{GroupID: deployed.Workspace.ID, DatasetID: deployed.Dataset.ID}
}

// refreshed starts a refresh and waits for its end.
func (r *running) refreshed(t *testing.T, ref powerbi.Ref, request powerbi.RefreshRequest) powerbi.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	accepted, err := r.Refresh(ctx, ref, request, powerbi.RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := r.Wait(ctx, ref, accepted.RequestID, powerbi.WaitOptions{Interval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// rows returns the rows of a query as texts.
func (r *running) rows(t *testing.T, ref powerbi.Ref, sql string) string {
	t.Helper()
	rows, err := r.Query(t.Context(), ref.DatasetID, sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, value := range row {
			line = append(line, string(value))
		}
		all = append(all, strings.Join(line, ","))
	}
}

// salesModel is a model of two tables and three partitions, with its files.
func salesModel(t *testing.T, r *running) (powerbi.Deployment, powerbi.Ref) {
	t.Helper()
	r.write(t, "DimCustomer.csv", "Key,Name\n1,Ana\n2,Bo\n")
	r.write(t, "Sales2023.csv", "Customer,Amount,Day\n1,10.5,2023-01-02\n2,1.00005,2023-05-06\n")
	r.write(t, "Sales2024.csv", "Customer,Amount,Day\n1,7,2024-02-29\n")
	types := []string{"Customer", "Int64.Type", "Amount", "type number", "Day", "type date"}
	return r.deploy(t, bim("Sales",
		table("DimCustomer", []column{col("Key", "int64"), col("Name", "string")}, csvPart(r.files, "DimCustomer", "Key", "Int64.Type", "Name", "type text")),
		table("Sales", []column{col("Customer", "int64"), col("Amount", "decimal"), col("Day", "dateTime")},
			csvPart(r.files, "Sales2023", types...), csvPart(r.files, "Sales2024", types...))))
}

const totals = `SELECT c.Name, count(*), sum(s.Amount) FROM Sales s JOIN DimCustomer c ON c.Key = s.Customer GROUP BY c.Name ORDER BY c.Name`

// R1, R4, R12, R24, R28, F1, F3, F11: the seeds' exchange over plain HTTP, from the deployment to the query.
func TestR4RefreshOverREST(t *testing.T) {
	r := start(t, t.TempDir(), t.TempDir(), nil)
	deployed, ref := salesModel(t, r)
	if !deployed.Created || !deployed.CreatedWorkspace || len(deployed.Partitions) != 3 {
		t.Errorf("deployed %+v", deployed)
	}
	if got := r.rows(t, ref, totals); got != "" {
		t.Errorf("before the first refresh the tables hold %s", got)
	}
	token, err := r.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, url, body string) (*http.Response, []byte) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := r.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, content
	}
	base := r.Host + "/v1.0/myorg/groups/" + ref.GroupID + "/datasets/" + ref.DatasetID + "/refreshes"
	response, body := do("POST", base, `{"type":"Full","commitMode":"transactional","maxParallelism":2,"retryCount":2,
		"objects":[{"table":"DimCustomer","partition":"DimCustomer"},{"table":"Sales"},{"table":"sales","partition":"Sales2024"}]}`)
	id := response.Header.Get("RequestId")
	if response.StatusCode != 202 || len(body) != 0 || response.Header.Get("x-ms-request-id") != id || response.Header.Get("Location") != base+"/"+id {
		t.Fatalf("%s %v %q", response.Status, response.Header, body)
	}
	// Straight after the 202 both the history and the detail know it.
	if response, body := do("GET", base+"?$top=1", ""); response.StatusCode != 200 || !bytes.Contains(body, []byte(id)) {
		t.Errorf("%s %s", response.Status, body)
	}
	if response, body := do("GET", response.Header.Get("Location"), ""); response.StatusCode != 202 && response.StatusCode != 200 {
		t.Errorf("%s %s", response.Status, body)
	}
	result, err := r.Wait(t.Context(), ref, id, powerbi.WaitOptions{Interval: 20 * time.Millisecond})
	if err != nil || result.Err() != nil {
		t.Fatalf("%v, %v", err, result.Err())
	}
	detail, err := r.RefreshDetail(t.Context(), ref, id)
	if err != nil {
		t.Fatal(err)
	}
	var objects []string
	for _, object := range detail.Objects {
		objects = append(objects, fmt.Sprintf("%s/%s %s", object.Table, object.Partition, object.Status))
	}
	if got := strings.Join(objects, ", "); got != "DimCustomer/DimCustomer Completed, Sales/Sales2023 Completed, Sales/Sales2024 Completed" {
		t.Errorf("objects: %s", got)
	}
	if detail.Type != "Full" || detail.CommitMode != "Transactional" || detail.Status != powerbi.Completed || detail.NumberOfAttempts != 1 ||
		detail.EndTime.IsZero() || detail.Freshet.Rows != 5 || detail.Freshet.Objects[1].Rows != 2 {
		t.Errorf("detail %+v %+v", detail, detail.Freshet)
	}
	history, err := r.Refreshes(t.Context(), ref, 0)
	if err != nil || len(history) != 1 || history[0].RequestID != id || history[0].RefreshType != "ViaEnhancedApi" || history[0].Status != powerbi.Completed ||
		history[0].ExtendedStatus != powerbi.Completed || len(history[0].RefreshAttempts) != 1 {
		t.Errorf("history %+v, %v", history, err)
	}
	if got, want := r.rows(t, ref, totals), `"Ana",2,17.5000 "Bo",1,1.0001`; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	// The same id without the workspace, and the history without a token.
	if _, err := r.RefreshDetail(t.Context(), powerbi.Ref{DatasetID: ref.DatasetID}, id); err != nil {
		t.Error(err)
	}
}

// F1: a redeployment keeps the rows of partitions whose source and columns are the same.
func TestF1RedeployKeepsData(t *testing.T) {
	r := start(t, t.TempDir(), t.TempDir(), nil)
	_, ref := salesModel(t, r)
	if result := r.refreshed(t, ref, powerbi.RefreshRequest{}); result.Err() != nil {
		t.Fatal(result.Err())
	}
	again, _ := salesModel(t, r)
	for _, p := range again.Partitions {
		if p.Change != "kept" {
			t.Errorf("%s/%s is %s: %s", p.Table, p.Partition, p.Change, p.Reason)
		}
	}
	if got, want := r.rows(t, ref, totals), `"Ana",2,17.5000 "Bo",1,1.0001`; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
}

// F4, R9: a transactional refresh that fails leaves the old rows of all tables, and tells where and what.
func TestF4FailedRefreshKeepsOldRows(t *testing.T) {
	r := start(t, t.TempDir(), t.TempDir(), nil)
	_, ref := salesModel(t, r)
	if result := r.refreshed(t, ref, powerbi.RefreshRequest{Type: "full"}); result.Err() != nil {
		t.Fatal(result.Err())
	}
	r.write(t, "DimCustomer.csv", "Key,Name\n1,Changed\n2,Changed\n")
	r.write(t, "Sales2024.csv", "Customer,Amount,Day\n1,7,2024-02-29\n1,many,2024-03-01\n")
	result := r.refreshed(t, ref, powerbi.RefreshRequest{Type: "full"})
	if result.Status != powerbi.Failed {
		t.Fatalf("ended as %s", result.Status)
	}
	for _, part := range []string{"table 'Sales'", "partition 'Sales2024'", "column 'Amount'", "row 2", "many"} {
		if !strings.Contains(result.Err().Error(), part) {
			t.Errorf("%q does not tell %s", result.Err(), part)
		}
	}
	history, err := r.Refreshes(t.Context(), ref, 1)
	if err != nil || !strings.Contains(history[0].ServiceExceptionJSON, `"errorCode":"`) || !strings.Contains(history[0].ServiceExceptionJSON, "row 2") {
		t.Errorf("history %+v, %v", history, err)
	}
	if got, want := r.rows(t, ref, totals), `"Ana",2,17.5000 "Bo",1,1.0001`; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	// R9: object by object, what loads is committed.
	off := false
	result = r.refreshed(t, ref, powerbi.RefreshRequest{Type: "full", CommitMode: "partialBatch", ApplyRefreshPolicy: &off})
	if got, want := r.rows(t, ref, totals), `"Changed",3,18.5001`; result.Status != powerbi.Failed || got != want {
		t.Errorf("%s, rows %s, want %s", result.Status, got, want)
	}
}

// endless is an expression that does not end in the time of a test.
const endless = `Table.FromColumns({List.Generate(() => 0, each _ >= 0, each _ + 1)}, {"N"})`

// R6, R30, R31: one at a time; the running one is cancelled and leaves the old rows.
func TestR30Cancel(t *testing.T) {
	r := start(t, t.TempDir(), t.TempDir(), nil)
	_, ref := r.deploy(t, bim("Endless", table("Numbers", []column{col("N", "int64")}, part{"All", endless})))
	started, err := r.Refresh(t.Context(), ref, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	asked := false
	result, err := r.Wait(ctx, ref, started.RequestID, powerbi.WaitOptions{Interval: 10 * time.Millisecond, Observe: func(o powerbi.Observed) {
		if asked || o.Status != powerbi.InProgress {
			return
		}
		asked = true
		_, err := r.Refresh(ctx, ref, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
		var refusal *powerbi.Error
		if !errors.As(err, &refusal) || refusal.Status != 400 || refusal.Code != "InvalidRequest" ||
			!strings.HasPrefix(refusal.Message, "Invalid dataset refresh request. Another refresh request is already executing") ||
			!strings.Contains(refusal.Message, started.RequestID) {
			t.Errorf("a second refresh gives %v", err)
		}
		if err := r.CancelRefresh(ctx, ref, started.RequestID); err != nil {
			t.Error(err)
		}
	}})
	if err != nil || result.Status != powerbi.Cancelled {
		t.Errorf("ended as %+v, %v", result.Status, err)
	}
	var refusal *powerbi.Error
	if err := r.CancelRefresh(ctx, ref, started.RequestID); !errors.As(err, &refusal) || refusal.Status != 409 || !strings.Contains(refusal.Message, "cannot be cancelled") {
		t.Errorf("cancelling it again gives %v", err)
	}
	// R31: a standard refresh is cancelled by Freshet's own route only.
	standard, err := r.Refresh(ctx, ref, powerbi.RefreshRequest{}, powerbi.RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.CancelRefresh(ctx, ref, standard.RequestID); !errors.As(err, &refusal) || refusal.Status != 400 || refusal.Code != "InvalidRequest" {
		t.Errorf("cancelling a standard refresh gives %v", err)
	}
	if err := r.CancelAnyRefresh(ctx, ref.DatasetID, standard.RequestID); err != nil {
		t.Error(err)
	}
	if result, err := r.Wait(ctx, ref, standard.RequestID, powerbi.WaitOptions{Interval: 10 * time.Millisecond}); err != nil || result.Status != powerbi.Cancelled {
		t.Errorf("the standard one ended as %+v, %v", result.Status, err)
	}
}

// F9: the same Idempotency-Key finds the same refresh, while it runs and when it has ended; another key starts another.
func TestF9IdempotencyKey(t *testing.T) {
	r := start(t, t.TempDir(), t.TempDir(), nil)
	_, ref := salesModel(t, r)
	post := func(key string) string {
		t.Helper()
		accepted, err := r.Refresh(t.Context(), ref, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{IdempotencyKey: key})
		if err != nil {
			t.Fatal(err)
		}
		return accepted.RequestID
	}
	first := post("a")
	if again := post("a"); again != first {
		t.Errorf("the same key started %s after %s", again, first)
	}
	if result, err := r.Wait(t.Context(), ref, first, powerbi.WaitOptions{Interval: 10 * time.Millisecond}); err != nil || result.Err() != nil {
		t.Fatal(err, result.Err())
	}
	if again := post("a"); again != first {
		t.Errorf("the same key started %s after %s had ended", again, first)
	}
	if other := post("b"); other == first {
		t.Error("another key found the first refresh")
	}
	if _, err := r.Refresh(t.Context(), ref, powerbi.RefreshRequest{}, powerbi.RefreshOptions{IdempotencyKey: strings.Repeat("x", 256)}); err == nil {
		t.Error("a key of 256 bytes was taken")
	}
}

// One server at a time uses a data directory; what it holds is there for the next one, which goes on with unfinished refreshes.
func TestRestart(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	first := start(t, data, files, nil)
	if _, err := Open(t.Context(), Config{Listen: "127.0.0.1:0", Data: data, Auth: Auth{Mode: AuthLocal}, Capacities: []Capacity{{Name: "default"}}},
		slog.New(slog.DiscardHandler)); fault.CodeOf(err) != "DataDirectoryInUse" || !strings.Contains(err.Error(), first.server.Address().URL) {
		t.Errorf("a second server gives %v", err)
	}
	if address, found := Find(data); !found || address != first.server.Address() {
		t.Errorf("found %+v, %v", address, found)
	}
	_, ref := salesModel(t, first)
	if result := first.refreshed(t, ref, powerbi.RefreshRequest{}); result.Err() != nil {
		t.Fatal(result.Err())
	}
	_, slow := first.deploy(t, bim("Endless", table("Numbers", []column{col("N", "int64")}, part{"All", endless})))
	left, err := first.Refresh(t.Context(), slow, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	held := first.held(t, slow, left.RequestID)
	first.stop()
	if code := <-held; code != http.StatusAccepted {
		t.Errorf("the answer that was held back when the server was told to stop is %d", code)
	}
	if _, found := Find(data); found {
		t.Error("a server that has ended is found")
	}

	second := start(t, data, files, nil)
	if got, want := second.rows(t, ref, totals), `"Ana",2,17.5000 "Bo",1,1.0001`; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	detail, err := second.RefreshDetail(t.Context(), slow, left.RequestID)
	if err != nil || detail.Status.Ended() {
		t.Errorf("the refresh that was left is %+v, %v", detail.Status, err)
	}
	if err := second.CancelRefresh(t.Context(), slow, left.RequestID); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if result, err := second.Wait(ctx, slow, left.RequestID, powerbi.WaitOptions{Interval: 10 * time.Millisecond}); err != nil || result.Status != powerbi.Cancelled {
		t.Errorf("it ended as %v, %v", result.Status, err)
	}
}

// A client that looks for the server holds its lock for a moment; a server that starts then does not give up, and nobody is led to
// where one that crashed has been.
func TestStartWhileSomebodyLooks(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, addressFile), []byte(`{"url":"http://127.0.0.1:1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	looking, err := os.Create(filepath.Join(data, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(looking.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = looking.Close() })
	s := &Server{config: Config{Data: data}}
	defer s.Close()
	if err := s.lock(); err != nil {
		t.Fatal(err)
	}
	if address, found := Find(data); found {
		t.Errorf("found %+v before the server listens", address)
	}
}

// auth.mode none: everybody is the owner, on loopback only, and no web page may call.
func TestWithoutSignIn(t *testing.T) {
	r := start(t, t.TempDir(), t.TempDir(), func(c *Config) { c.Auth.Mode = AuthNone })
	r.Token = nil
	if _, err := r.CreateGroup(t.Context(), "Open"); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*http.Request){
		"HostNotAllowed":   func(q *http.Request) { q.Host = "rebound.example:8480" },
		"OriginNotAllowed": func(q *http.Request) { q.Header.Set("Origin", "https://evil.example") },
	} {
		request, err := http.NewRequestWithContext(t.Context(), "POST", r.Host+"/v1.0/myorg/groups", strings.NewReader(`{"name":"Evil"}`))
		if err != nil {
			t.Fatal(err)
		}
		change(request)
		response, err := r.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusForbidden || !strings.Contains(string(body), name) {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
}
