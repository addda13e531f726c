package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"freshet.dev/internal/api"
	"freshet.dev/internal/auth"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exchanges holds a server and what the script knows of it.
type exchanges struct {
	t      *testing.T
	url    string
	files  string
	issuer *auth.Local
	http   *http.Client
	names  map[string]string       // {name} → id
	met    map[string]map[int]bool // by pattern: the statuses of the answers
	routes *http.ServeMux          // only to find patterns
	spec   *specification
}

// TestExchanges plays testdata/exchanges: each call with its whole answer, which openapi.json must allow. A route without a successful exchange
// fails the test, and so does an operation without a refused one.
func TestExchanges(t *testing.T) {
	x := playFile(t, "testdata/exchanges", server.DefaultConfig().Limits)
	shown := map[string]map[int]bool{} // by operation
	for _, route := range api.Routes() {
		met, name := x.met[route.Method+" "+route.Pattern], operation(route.Name)
		if !met[http.StatusOK] && !met[http.StatusAccepted] {
			t.Errorf("no exchange shows a success of %s: %s %s", route.Name, route.Method, route.Pattern)
		}
		if shown[name] == nil {
			shown[name] = map[int]bool{}
		}
		maps.Copy(shown[name], met)
	}
	for _, route := range api.Routes() {
		statuses := shown[operation(route.Name)]
		if slices.Max(slices.Collect(maps.Keys(statuses))) < http.StatusBadRequest && !(route.Public && route.Method == http.MethodGet) {
			t.Errorf("no exchange shows an error of %s", route.Name)
		}
		for _, status := range route.Answers {
			if !statuses[status] && !passing(route.Name, status) {
				t.Errorf("no exchange shows a %d of %s, which its row names", status, route.Name)
			}
		}
	}
}

// passing tells of answers that last for a moment, which no script can hold.
func passing(name string, status int) bool {
	return name == "Server_Ready" && status == http.StatusServiceUnavailable || strings.Contains(name, "Capacities_") && status == http.StatusAccepted
}

// operation is the name of what may have a second route below a workspace.
func operation(name string) string {
	if !strings.HasPrefix(name, "Datasets_") {
		return name
	}
	return strings.TrimSuffix(name, "InGroup")
}

// TestThrottledExchanges plays testdata/throttled on a server that soon has enough of a caller.
func TestThrottledExchanges(t *testing.T) {
	playFile(t, "testdata/throttled", server.Limits{RequestsPerMinute: 1, Burst: 4, RefreshesPerHour: 1})
}

// playFile plays a file of exchanges on a server of its own.
func playFile(t *testing.T, path string, limits server.Limits) *exchanges {
	x := startServer(t, limits)
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		x.t = t
		switch d.Cmd {
		case "file":
			if err := os.WriteFile(filepath.Join(x.files, d.CmdArgs[0].Key), []byte(d.Input+"\n"), 0o600); err != nil {
				d.Fatalf(t, "%v", err)
			}
			return ""
		case "deploy":
			return x.deploy(d)
		case "wait":
			return x.wait(d)
		case "transaction":
			return x.transaction(d)
		case "running":
			return x.running(d)
		case "standard":
			return x.standard(d)
		case "explain":
			return x.explain(d)
		}
		return x.call(d)
	})
	return x
}

// startServer starts a server for a test, and stops it after the test.
func startServer(t *testing.T, limits server.Limits) *exchanges {
	data, files := t.TempDir(), t.TempDir()
	config := server.DefaultConfig()
	config.Listen, config.Data, config.DataSources = "127.0.0.1:0", data, []server.DataSource{{Kind: "File", Path: files}}
	config.Models = []server.Model{{Name: "sales/model", Guards: server.Guards{FailWhenEmpty: true}}}
	config.Limits = limits
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	config.Clients = []server.Client{
		{ID: "0a000000-0000-4000-8000-000000000001", Name: "etl", SecretHash: string(hash), Roles: map[string]string{"Sales": "Contributor"}},
		{ID: "0a000000-0000-4000-8000-000000000002", Name: "command line"},
	}
	ctx, stop := context.WithCancel(context.Background())
	s, err := server.Open(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	x := &exchanges{t: t, url: s.Address().URL, files: files, http: &http.Client{Transport: &http.Transport{}},
		names: map[string]string{}, met: map[string]map[int]bool{}, routes: patterns(), spec: readSpecification(t)}
	t.Cleanup(func() {
		stop()
		x.http.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if x.issuer, err = auth.NewLocal(data); err != nil {
		t.Fatal(err)
	}
	return x
}

// patterns finds the pattern of a request.
func patterns() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range api.Routes() {
		mux.HandleFunc(route.Method+" "+route.Pattern, func(http.ResponseWriter, *http.Request) {})
	}
	return mux
}

func (x *exchanges) meet(pattern string, status int) {
	if x.met[pattern] == nil {
		x.met[pattern] = map[int]bool{}
	}
	x.met[pattern][status] = true
}

func (x *exchanges) fill(text string) string {
	for name, id := range x.names {
		text = strings.ReplaceAll(text, "{"+name+"}", id)
	}
	return strings.ReplaceAll(text, "{files}", x.files)
}

var (
	// what a sign-in gives is kept under its own name
	secretText = regexp.MustCompile(`"(access_token|refresh_token|id_token|client_info|user_code|device_code|kid|x|y|expires_on|not_before)":"([^"]+)"`)
	timeText   = regexp.MustCompile(`20\d\d-\d\d-\d\d[T ][0-9:]{8}(\.\d{7})?Z`)
	runText    = regexp.MustCompile(`("(?:bytes|rowsPerSecond|averageDuration|medianDuration)":)[0-9.]+`)
	waitText   = regexp.MustCompile(`(Retry-After: |Retry in )\d+`)
	guidText   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// hide replaces what differs from run to run.
func (x *exchanges) hide(text string) string {
	for name, id := range x.names {
		if name != "transaction" { // it holds the id of a dataflow
			text = strings.ReplaceAll(text, id, "{"+name+"}")
		}
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, x.files, "{files}"), x.url, "{url}")
	text = guidText.ReplaceAllString(timeText.ReplaceAllString(text, "{time}"), "{guid}")
	return runText.ReplaceAllString(waitText.ReplaceAllString(text, "${1}{n}"), "${1}{n}")
}

// call METHOD PATH [as=NAME] [scope=SCOPE] [name=NAME] [prefer=SECONDS] [force=BOOL] [bearer=NAME] [brief]: sends the input as body and prints status, headers that matter, and
// without brief the body. name keeps the id of
// the answer: its RequestId for a 202, else the first id in its body.
func (x *exchanges) call(d *datadriven.TestData) string {
	var as, scope, keep, host, prefer, force, bearer string
	d.MaybeScanArgs(x.t, "bearer", &bearer)
	d.MaybeScanArgs(x.t, "force", &force)
	d.MaybeScanArgs(x.t, "prefer", &prefer)
	d.MaybeScanArgs(x.t, "as", &as)
	d.MaybeScanArgs(x.t, "scope", &scope)
	d.MaybeScanArgs(x.t, "name", &keep)
	d.MaybeScanArgs(x.t, "host", &host)
	method, path := d.Cmd, x.fill(d.CmdArgs[0].Key)
	if len(d.CmdArgs[0].Vals) > 0 {
		path += "=" + x.fill(d.CmdArgs[0].Vals[0])
	}
	var body io.Reader
	if d.Input != "" {
		body = strings.NewReader(x.fill(d.Input))
	}
	request, err := http.NewRequestWithContext(x.t.Context(), method, x.url+path, body)
	if err != nil {
		d.Fatalf(x.t, "%v", err)
	}
	if strings.Contains(path, "/oauth2/") {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if prefer != "" {
		request.Header.Set("Prefer", "respond-async, wait="+prefer)
	}
	if force != "" {
		request.Header.Set("X-Freshet-Force", force)
	}
	if host != "" {
		request.Host = host
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+x.names[bearer])
	} else if as != "nobody" {
		claims := auth.Claims{Name: "owner", Owner: true, Scopes: auth.AllScopes()}
		if as != "" {
			claims = auth.Claims{Subject: as, Name: as, Scopes: auth.AllScopes()}
		}
		if scope != "" {
			claims.Scopes = []string{scope}
		}
		token, err := x.issuer.Issue(claims)
		if err != nil {
			d.Fatalf(x.t, "%v", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := x.http.Do(request)
	if err != nil {
		d.Fatalf(x.t, "%v", err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		d.Fatalf(x.t, "%v", err)
	}
	if guidText.FindString(response.Header.Get("RequestId")) == "" {
		x.t.Errorf("%s %s has no RequestId", method, path)
	}
	for name, want := range securityHeaders() {
		if got := response.Header.Get(name); got != want {
			x.t.Errorf("%s %s has the header %s: %q", method, path, name, got)
		}
	}
	if inside := api.Inside(string(content)); response.StatusCode >= 400 && inside != "" {
		x.t.Errorf("%s %s tells what is inside: %q", method, path, inside)
	}
	if _, pattern := x.routes.Handler(request); pattern != "" {
		x.spec.check(x.t, pattern, d.Input != "", []byte(x.fill(d.Input)), response, content)
		x.meet(pattern, response.StatusCode)
	}
	if keep != "" {
		id := response.Header.Get("RequestId")
		if response.StatusCode != http.StatusAccepted {
			id = guidText.FindString(string(content))
		}
		x.names[keep] = id
	}
	for _, secret := range secretText.FindAllStringSubmatch(string(content), -1) {
		x.names[secret[1]] = secret[2]
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n", response.Status)
	for _, name := range []string{"Location", "x-ms-request-id", "x-freshet-outcome", "WWW-Authenticate", "Retry-After", "Allow", "Content-Type"} {
		if values := response.Header.Values(name); len(values) > 0 {
			fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	if !d.HasArg("brief") {
		out.Write(content)
	}
	return strings.TrimRight(x.hide(out.String()), "\n") + "\n"
}

// securityHeaders are on every answer, so that a browser makes nothing of it and keeps nothing.
func securityHeaders() map[string]string {
	return map[string]string{
		"Cache-Control": "no-store, must-revalidate, no-cache", "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		"X-Frame-Options": "deny", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	}
}

// deploy NAME [mine] [flow]: deploys the input, a model.bim or with flow a model.json, into workspace Sales, or with mine into My workspace, and keeps the id as {NAME} and that
// of Sales as {group}.
func (x *exchanges) deploy(d *datadriven.TestData) string {
	definition := powerbi.Definition{Workspace: "Sales", CreateWorkspace: true, Files: map[string][]byte{"model.bim": []byte(x.fill(d.Input))}}
	if d.HasArg("flow") {
		definition.Files = map[string][]byte{"model.json": []byte(x.fill(d.Input))}
	}
	if d.HasArg("lake") {
		definition.Name, definition.Files = "Lake", map[string][]byte{"Lake.Dataflow/mashup.pq": []byte(x.fill(d.Input)), "Lake.Dataflow/queryMetadata.json": []byte(`{"formatVersion":"202502"}`)}
	}
	mine := d.HasArg("mine")
	if mine {
		definition.Workspace, definition.CreateWorkspace = "", false
	}
	deployed, err := x.client().Deploy(x.t.Context(), definition)
	if err != nil {
		return x.hide(err.Error()) + "\n"
	}
	x.names[d.CmdArgs[0].Key] = deployed.Dataset.ID
	if !mine {
		x.names["group"] = deployed.Workspace.ID
	}
	return x.hide(strings.Join(append(deployed.Warnings, ""), "\n"))
}

// standard MODEL N: starts so many standard refreshes, each after the end of the one before, and prints how they ended.
func (x *exchanges) standard(d *datadriven.TestData) string {
	times, err := strconv.Atoi(d.CmdArgs[1].Key)
	if err != nil {
		d.Fatalf(x.t, "%v", err)
	}
	ref, out := powerbi.Ref{DatasetID: x.names[d.CmdArgs[0].Key]}, ""
	for range times {
		accepted, err := x.client().Refresh(x.t.Context(), ref, powerbi.RefreshRequest{}, powerbi.RefreshOptions{})
		if err != nil {
			return out + x.hide(err.Error()) + "\n"
		}
		out += x.end(ref, accepted.RequestID)
	}
	return out
}

func (x *exchanges) client() *powerbi.Client {
	return &powerbi.Client{Host: x.url, HTTP: x.http, Token: func(context.Context) (string, error) {
		return x.issuer.Issue(auth.Claims{Owner: true, Scopes: auth.AllScopes()})
	}}
}

// explain MODEL TABLE: prints what is told about the table's partitions, without the words of the plan, which are the mashup room's.
func (x *exchanges) explain(d *datadriven.TestData) string {
	explanations, err := x.client().Explain(x.t.Context(), x.names[d.CmdArgs[0].Key], d.CmdArgs[1].Key, "")
	if err != nil {
		return x.hide(err.Error()) + "\n"
	}
	x.meet("GET /v1.0/freshet/datasets/{datasetId}/explain", http.StatusOK)
	var out strings.Builder
	for _, e := range explanations {
		fmt.Fprintf(&out, "%s/%s: %d statements, steps: %t, breaks %q, note %q, error %q\n", e.Table, e.Partition, len(e.Statements), len(e.Steps) > 0, e.Breaks, e.Note, e.Error)
	}
	return out.String()
}

// running MODEL REFRESH: waits until a refresh loads.
func (x *exchanges) running(d *datadriven.TestData) string {
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute)
	defer cancel()
	for {
		detail, err := x.client().AnyRefreshDetail(ctx, x.names[d.CmdArgs[0].Key], x.names[d.CmdArgs[1].Key])
		if err != nil {
			return x.hide(err.Error()) + "\n"
		}
		if detail.Freshet.State == "Running" {
			return ""
		}
	}
}

// transaction DATAFLOW [now]: waits for the end of the newest transaction, without now, and keeps its id as {transaction}.
func (x *exchanges) transaction(d *datadriven.TestData) string {
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute)
	defer cancel()
	for {
		list, err := x.client().DataflowTransactions(ctx, x.names["group"], x.names[d.CmdArgs[0].Key])
		if err != nil {
			return x.hide(err.Error()) + "\n"
		}
		if x.names["transaction"] = list[0].ID; d.HasArg("now") || list[0].Status.Ended() {
			return string(list[0].Status) + "\n"
		}
	}
}

// wait MODEL REFRESH: waits for the end of a refresh.
func (x *exchanges) wait(d *datadriven.TestData) string {
	return x.end(powerbi.Ref{DatasetID: x.names[d.CmdArgs[0].Key]}, x.names[d.CmdArgs[1].Key])
}

func (x *exchanges) end(ref powerbi.Ref, id string) string {
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute)
	defer cancel()
	result, err := x.client().Wait(ctx, ref, id, powerbi.WaitOptions{Interval: 10 * time.Millisecond})
	if err != nil {
		return x.hide(err.Error()) + "\n"
	}
	return string(result.Status) + "\n"
}

// Every route of Power BI's that is not served says so by its name.
func TestUnservedRoutes(t *testing.T) {
	handler := api.New(api.Options{Now: time.Now, NewID: func() string { return "00000000-0000-0000-0000-000000000000" }, Logger: slog.New(slog.DiscardHandler)})
	names := regexp.MustCompile(`\(Power BI's \w+\): Freshet does not have it`)
	for _, route := range api.Unserved() {
		request, err := http.NewRequestWithContext(t.Context(), route[0], "http://localhost"+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(route[1], "x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		answer := &recorder{header: http.Header{}}
		handler.ServeHTTP(answer, request)
		if answer.status != http.StatusNotImplemented || !names.Match(answer.body) {
			t.Errorf("%s %s: %d %s", route[0], route[1], answer.status, answer.body)
		}
	}
	if !slices.ContainsFunc(api.Unserved(), func(r [2]string) bool { return strings.HasSuffix(r[1], "/executeQueries") }) {
		t.Error("the list has lost executeQueries")
	}
}

type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }
func (r *recorder) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}
