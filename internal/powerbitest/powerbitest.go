// Package powerbitest is a Power BI for tests: workspaces, models, refreshes whose course is laid down beforehand, sign-in, and faults at any
// request. Its answers have the shapes of the service's documents and recordings (contract, sections 1 to 4).
package powerbitest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Service is the service. Its fields must not change while it serves.
type Service struct {
	Groups  []*Group
	Freshet bool                               // speaks as Freshet: its Server header, Idempotency-Key, a detail for every kind
	Now     func() time.Time                   // nil: time.Now
	Tokens  func(token string) bool            // which are good; nil: all
	Fault   func(*http.Request) Fault          // what goes wrong with a request; nil: nothing
	Course  func(model, kind string) Course    // of the next refresh; nil: it is done at once
	Answer  string                             // the body of the answer to a dataflow's refresh; Power BI's is empty
	Secrets map[string]string                  // by client id: who may sign in
	Issue   func(client, tenant string) string // the token for a client; nil: "token of CLIENT"

	mu        sync.Mutex
	refreshes []*Refresh // oldest first
	keys      map[string]*Refresh
	schedules map[string]map[string]any
	values    map[string]string // of a model's parameter, by model
	count     int
}

// Group is a workspace; the one without an id is My workspace.
type Group struct {
	ID, Name  string
	Models    []Model
	Dataflows []Model
	users     []map[string]any
}

// Model is a semantic model, or a dataflow.
type Model struct {
	ID, Name string
	Tables   []string // of a model, as INFO.TABLES() tells them
	Live     bool     // a model that reads its source live and cannot be refreshed
}

// Course is how a refresh goes.
type Course struct {
	Hidden   time.Duration // not in the history and without a detail yet
	Queued   time.Duration // before it begins
	Running  time.Duration
	Status   string // at the end; "" is Completed
	Extended string // "" is Status
}

// Refresh is an accepted refresh.
type Refresh struct {
	ID, Model, Kind string
	Body            map[string]any
	Accepted        time.Time
	Course          Course
	Dropped         bool
	cancelled       time.Time
}

// Fault is what goes wrong with one request.
type Fault struct {
	Unreachable bool          // no connection; with Transport only
	ResetBefore bool          // the connection breaks before the request is handled
	ResetAfter  bool          // … after it
	Cut         bool          // the answer's body stops in the middle
	Status      int           // instead of handling the request
	StatusAfter int           // after handling it: a gateway that lost the answer
	RetryAfter  string        // with Status
	Behind      time.Duration // the answer of a replica that lags so much
	Word        string        // stands for every status that is not an end
	Miss        bool          // the refresh is in no answer
}

// Ended is when the refresh ends.
func (r *Refresh) Ended() time.Time {
	end := r.Accepted.Add(r.Course.Queued + r.Course.Running)
	if !r.cancelled.IsZero() && r.cancelled.Before(end) {
		return r.cancelled
	}
	return end
}

// Outcome is the status and the extended status at the end.
func (r *Refresh) Outcome() (status, extended string) {
	if !r.cancelled.IsZero() && r.Ended().Equal(r.cancelled) {
		return "Cancelled", "Cancelled"
	}
	status, extended = r.Course.Status, r.Course.Extended
	if status == "" {
		status = "Completed"
	}
	if extended == "" {
		extended = status
	}
	return status, extended
}

// Refreshes lists what was accepted, oldest first.
func (s *Service) Refreshes() []*Refresh {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Refresh(nil), s.refreshes...)
}

// Add makes a refresh that somebody else has started.
func (s *Service) Add(model, kind string, course Course, body map[string]any) *Refresh {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(model, kind, course, body)
}

// AddDataflow makes a refresh of a dataflow that somebody else has started, of the type OnDemand or Scheduled; nil while one runs.
func (s *Service) AddDataflow(id, refreshType string, course Course) *Refresh {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dataflowRuns(id) {
		return nil
	}
	return s.add(id, dataflowKind, course, map[string]any{"refreshType": refreshType})
}

func (s *Service) add(model, kind string, course Course, body map[string]any) *Refresh {
	r := &Refresh{ID: s.id(), Model: model, Kind: kind, Body: body, Accepted: s.now(), Course: course}
	s.refreshes = append(s.refreshes, r)
	return r
}

func (s *Service) id() string {
	s.count++
	return fmt.Sprintf("5e0c0000-0000-4000-8000-%012d", s.count)
}

func (s *Service) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Transport has requests handled in the process itself, so that a test can be a bubble of testing/synctest. A handler that panics with
// http.ErrAbortHandler resets the connection.
func Transport(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(request *http.Request) (response *http.Response, err error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	defer func() {
		switch thrown := recover(); thrown {
		case nil:
		case http.ErrAbortHandler:
			response, err = nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		case errUnreachable:
			response, err = nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}
		default:
			panic(thrown)
		}
	}()
	recorder := httptest.NewRecorder()
	inner := request.Clone(request.Context()) // as a server would have read it
	inner.URL = &url.URL{Path: request.URL.Path, RawPath: request.URL.RawPath, RawQuery: request.URL.RawQuery}
	inner.Host, inner.RequestURI = request.URL.Host, request.URL.RequestURI()
	for name, values := range request.Header {
		delete(inner.Header, name)
		inner.Header[http.CanonicalHeaderKey(name)] = values
	}
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	t.handler.ServeHTTP(recorder, inner)
	result := recorder.Result()
	result.Request = request
	if recorder.Header().Get("X-Cut") != "" {
		result.Body = io.NopCloser(io.MultiReader(strings.NewReader(recorder.Body.String()[:recorder.Body.Len()/2]), broken{}))
	}
	return result, nil
}

var errUnreachable = fmt.Errorf("unreachable")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	if s.Fault != nil {
		fault = s.Fault(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	header := w.Header()
	header.Set("RequestId", s.id()) // the correlation id of this call
	header.Set("Date", s.now().UTC().Format(http.TimeFormat))
	header.Set("Cache-Control", "no-store, must-revalidate, no-cache")
	if s.Freshet {
		header.Set("Server", "Freshet")
	}
	switch {
	case fault.Unreachable:
		panic(errUnreachable)
	case fault.ResetBefore:
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		s.fail(w, fault.Status, fault.RetryAfter)
		return
	case fault.ResetAfter:
		s.handle(httptest.NewRecorder(), r, fault)
		panic(http.ErrAbortHandler)
	case fault.StatusAfter != 0:
		s.handle(httptest.NewRecorder(), r, fault)
		s.fail(w, fault.StatusAfter, "")
		return
	case fault.Cut:
		header.Set("X-Cut", "yes")
	}
	s.handle(w, r, fault)
}

// fail answers as the service, or a gateway before it, does. The 429 is a recording (RuiRomano/pbimonitor, issue 58).
func (s *Service) fail(w http.ResponseWriter, status int, retryAfter string) {
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(status)
	switch status {
	case http.StatusTooManyRequests:
		fmt.Fprintf(w, `{"message":"You have exceeded the amount of requests allowed in the current time frame and further requests will fail. Retry in %s seconds."}`, retryAfter)
	case http.StatusUnauthorized:
		fmt.Fprint(w, `{"error":{"code":"TokenExpired","message":"Access token has expired, resubmit with a new access token"}}`)
	default:
		fmt.Fprint(w, "<html><body>The service is unavailable.</body></html>")
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if message == "" { // the other of the service's shapes
		fmt.Fprintf(w, `{"error":{"code":%q,"pbi.error":{"code":%[1]q,"parameters":{},"details":[],"exceptionCulprit":1}}}`, code)
		return
	}
	fmt.Fprintf(w, `{"error":{"code":%q,"message":%q}}`, code, message)
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; odata.metadata=minimal; odata.streaming=true")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func list(what string, values []any) map[string]any {
	if values == nil {
		values = []any{}
	}
	return map[string]any{"@odata.context": "http://wabi-test-redirect.analysis.windows.net/v1.0/myorg/$metadata#" + what, "value": values}
}

func (s *Service) handle(w http.ResponseWriter, r *http.Request, fault Fault) {
	path := strings.Trim(r.URL.Path, "/")
	if strings.Contains(path, "oauth2/") || strings.Contains(path, "discovery") || strings.Contains(path, ".well-known") {
		s.signIn(w, r)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if s.Tokens != nil && !s.Tokens(token) {
		s.fail(w, http.StatusUnauthorized, "")
		return
	}
	own, isOwn := strings.CutPrefix(path, "v1.0/freshet/")
	rest, isMine := strings.CutPrefix(path, "v1.0/myorg/")
	switch {
	case isOwn && s.Freshet:
		rest = own
	case !isMine:
		w.WriteHeader(http.StatusNotFound) // what Power BI answers to paths that it does not know
		return
	}
	parts := strings.Split(rest, "/")
	group := &Group{}
	for _, g := range s.Groups {
		if g.ID == "" {
			group = g
		}
	}
	if parts[0] == "groups" {
		if len(parts) == 1 && r.Method == http.MethodGet {
			s.groups(w, r)
			return
		}
		if len(parts) == 1 {
			s.manage(w, r, group, parts)
			return
		}
		if group = s.group(parts[1]); group == nil {
			refuse(w, http.StatusNotFound, "PowerBIEntityNotFound", "")
			return
		}
		if parts = parts[2:]; len(parts) == 0 {
			answer(w, http.StatusOK, shown(group))
			return
		}
	}
	if parts[0] == "dataflows" && group.ID != "" {
		s.dataflows(w, r, group, parts[1:], fault)
		return
	}
	if parts[0] != "datasets" {
		s.manage(w, r, group, parts)
		return
	}
	if len(parts) == 1 && !isOwn && group.ID == "" && !s.mine() {
		refuse(w, http.StatusForbidden, "PowerBINotAuthorizedException", "") // a service principal, which has no My workspace
		return
	}
	if len(parts) == 1 {
		var values []any
		for _, m := range group.Models {
			values = append(values, dataset(m))
		}
		answer(w, http.StatusOK, list("datasets", values))
		return
	}
	m, found := s.model(group, parts[1], isOwn || s.Freshet)
	if !found {
		refuse(w, http.StatusNotFound, "PowerBIEntityNotFound", "")
		return
	}
	s.ofModel(w, r, m, parts[2:], isOwn, fault)
}

func (s *Service) groups(w http.ResponseWriter, r *http.Request) {
	wanted, filtered := strings.CutPrefix(r.URL.Query().Get("$filter"), "name eq '")
	wanted = strings.ReplaceAll(strings.TrimSuffix(wanted, "'"), "''", "'")
	var values []any
	for _, g := range s.Groups {
		if g.ID != "" && (!filtered || strings.EqualFold(g.Name, wanted)) {
			values = append(values, shown(g))
		}
	}
	answer(w, http.StatusOK, list("groups", values))
}

func (s *Service) group(id string) *Group {
	for _, g := range s.Groups {
		if strings.EqualFold(g.ID, id) && id != "" {
			return g
		}
	}
	return nil
}

// mine tells whether there is a My workspace.
func (s *Service) mine() bool {
	for _, g := range s.Groups {
		if g.ID == "" {
			return true
		}
	}
	return false
}

// model finds a model of a workspace; with Freshet the path without a workspace finds all.
func (s *Service) model(group *Group, id string, anywhere bool) (Model, bool) {
	groups := []*Group{group}
	if anywhere && group.ID == "" {
		groups = s.Groups
	}
	for _, g := range groups {
		for _, m := range g.Models {
			if strings.EqualFold(m.ID, id) {
				return m, true
			}
		}
	}
	return Model{}, false
}

func shown(g *Group) map[string]any {
	return map[string]any{"id": g.ID, "isReadOnly": false, "isOnDedicatedCapacity": true, "capacityId": capacityID,
		"defaultDatasetStorageFormat": "Small", "type": "Workspace", "name": g.Name}
}

func dataset(m Model) map[string]any {
	return map[string]any{"id": m.ID, "name": m.Name, "addRowsAPIEnabled": false, "configuredBy": "john@contoso.com", "isRefreshable": !m.Live,
		"isEffectiveIdentityRequired": false, "isEffectiveIdentityRolesRequired": false, "isOnPremGatewayRequired": false, "targetStorageMode": "Abf",
		"createdDate": "2020-12-07T01:05:54.157Z", "upstreamDatasets": []any{}, "users": []any{},
		"queryScaleOutSettings": map[string]any{"autoSyncReadOnlyReplicas": true, "maxReadOnlyReplicas": 0}}
}

func (s *Service) ofModel(w http.ResponseWriter, r *http.Request, m Model, parts []string, own bool, fault Fault) {
	switch {
	case len(parts) == 0 && r.Method == http.MethodGet:
		answer(w, http.StatusOK, dataset(m))
	case len(parts) == 0 && r.Method == http.MethodDelete:
		s.delete(w, m)
	case len(parts) == 1 && (parts[0] == "parameters" || parts[0] == "Default.UpdateParameters"):
		s.parameters(w, r, m)
	case len(parts) == 1 && parts[0] == "refreshSchedule":
		s.schedule(w, r, m)
	case len(parts) == 1 && parts[0] == "refreshes" && r.Method == http.MethodPost:
		s.start(w, r, m)
	case len(parts) == 1 && parts[0] == "refreshes":
		var values []any
		for i := len(s.refreshes) - 1; i >= 0; i-- {
			if entry := s.refreshes[i]; entry.Model == m.ID && s.visible(entry, fault) {
				values = append(values, s.entry(entry, fault))
			}
		}
		answer(w, http.StatusOK, list("refreshes", values))
	case len(parts) == 1 && parts[0] == "executeQueries" && r.Method == http.MethodPost:
		s.query(w, r, m)
	case len(parts) == 2 && parts[0] == "refreshes":
		s.one(w, r, m, parts[1], own, fault)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// query answers the one DAX query that tells the tables of a model. What it tells of each are the columns that clients read.
func (s *Service) query(w http.ResponseWriter, r *http.Request, m Model) {
	var asked struct{ Queries []struct{ Query string } }
	if s.Freshet {
		refuse(w, http.StatusNotImplemented, "NotImplemented", "cannot serve POST /datasets/{datasetId}/executeQueries: Freshet does not have it")
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Queries) != 1 || asked.Queries[0].Query != "EVALUATE INFO.TABLES()" {
		refuse(w, http.StatusBadRequest, "DatasetExecuteQueriesError", "Failed to execute the DAX query.")
		return
	}
	rows := []any{}
	for i, table := range m.Tables {
		rows = append(rows, map[string]any{"[ID]": i + 1, "[Name]": table, "[Description]": nil, "[IsHidden]": false, "[ModifiedTime]": "2026-02-03T04:05:06"})
	}
	answer(w, http.StatusOK, map[string]any{"results": []any{map[string]any{"tables": []any{map[string]any{"rows": rows}}}}})
}

func (s *Service) visible(r *Refresh, fault Fault) bool {
	return !r.Dropped && !fault.Miss && !s.now().Add(-fault.Behind).Before(r.Accepted.Add(r.Course.Hidden))
}

func (s *Service) start(w http.ResponseWriter, r *http.Request, m Model) {
	content, _ := io.ReadAll(r.Body)
	body := map[string]any{}
	if len(content) > 0 && json.Unmarshal(content, &body) != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "Invalid dataset refresh request.")
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if known := s.keys[key]; s.Freshet && key != "" && known != nil {
		s.accepted(w, r, known)
		return
	}
	kind := "ViaApi"
	for name := range body {
		if name != "notifyOption" {
			kind = "ViaEnhancedApi"
		}
	}
	var running, queued *Refresh
	for _, other := range s.refreshes {
		if other.Model == m.ID && !other.Dropped && s.now().Before(other.Ended()) {
			if running == nil {
				running = other
			} else {
				queued = other
			}
		}
	}
	if running != nil && (kind == "ViaEnhancedApi" || running.Kind == "ViaEnhancedApi") {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "Invalid dataset refresh request. Another refresh request is already executing")
		return
	}
	course := Course{}
	if s.Course != nil {
		course = s.Course(m.ID, kind)
	}
	accepted := s.add(m.ID, kind, course, body)
	if running != nil {
		accepted.Course.Queued += running.Ended().Sub(s.now())
		accepted.Dropped = queued != nil
	}
	if key != "" && s.Freshet {
		if s.keys == nil {
			s.keys = map[string]*Refresh{}
		}
		s.keys[key] = accepted
	}
	s.accepted(w, r, accepted)
}

func (s *Service) accepted(w http.ResponseWriter, r *http.Request, accepted *Refresh) {
	w.Header().Set("RequestId", accepted.ID)
	if accepted.Kind == "ViaEnhancedApi" || s.Freshet { // Power BI: "returned only if any request payload except notifyOption is set"
		w.Header().Set("x-ms-request-id", accepted.ID)
		w.Header().Set("Location", "https://api.powerbi.com"+strings.TrimSuffix(r.URL.Path, "/")+"/"+accepted.ID)
	}
	w.WriteHeader(http.StatusAccepted)
}

// status is what is shown of a refresh at a moment.
func (s *Service) status(r *Refresh, fault Fault) (status, extended string, ended bool) {
	now := s.now().Add(-fault.Behind)
	switch {
	case !now.Before(r.Ended()):
		status, extended = r.Outcome()
		return status, extended, true
	case fault.Word != "":
		return fault.Word, "", false
	case now.Before(r.Accepted.Add(r.Course.Queued)):
		return "Unknown", "NotStarted", false
	}
	return "Unknown", "InProgress", false
}

func (s *Service) entry(r *Refresh, fault Fault) map[string]any {
	status, extended, ended := s.status(r, fault)
	entry := map[string]any{"requestId": r.ID, "refreshType": r.Kind, "startTime": r.Accepted.UTC().Format("2006-01-02T15:04:05.999Z"), "status": status}
	if r.Kind == "ViaEnhancedApi" && extended != "" {
		entry["extendedStatus"] = extended
	}
	if ended {
		entry["endTime"] = r.Ended().UTC().Format("2006-01-02T15:04:05.999Z")
	}
	if status == "Failed" {
		entry["serviceExceptionJson"] = `{"errorCode":"ModelRefreshFailed_CredentialsNotSpecified"}`
	}
	return entry
}

func (s *Service) one(w http.ResponseWriter, r *http.Request, m Model, id string, own bool, fault Fault) {
	var found *Refresh
	for _, entry := range s.refreshes {
		if entry.Model == m.ID && strings.EqualFold(entry.ID, id) && s.visible(entry, fault) {
			found = entry
		}
	}
	switch {
	case found == nil:
		refuse(w, http.StatusNotFound, "PowerBIEntityNotFound", "")
	case found.Kind != "ViaEnhancedApi" && !own:
		refuse(w, http.StatusBadRequest, "InvalidRequest", "The operation is supported for enhanced refreshes only")
	case r.Method == http.MethodDelete && !s.now().Before(found.Ended()):
		refuse(w, http.StatusConflict, "Conflict", "The refresh has ended and cannot be cancelled")
	case r.Method == http.MethodDelete:
		if found.cancelled.IsZero() {
			found.cancelled = s.now()
		}
		w.WriteHeader(http.StatusOK)
	default:
		s.detail(w, m, found, fault)
	}
}

func (s *Service) detail(w http.ResponseWriter, m Model, r *Refresh, fault Fault) {
	status, extended, ended := s.status(r, fault)
	text := func(name, otherwise string) string {
		if value, _ := r.Body[name].(string); value != "" {
			return strings.ToUpper(value[:1]) + value[1:]
		}
		return otherwise
	}
	detail := map[string]any{"startTime": r.Accepted.UTC().Format("2006-01-02T15:04:05.999"), "type": text("type", "Automatic"), "commitMode": text("commitMode", "Transactional"),
		"status": status, "currentRefreshType": text("type", "Automatic"), "numberOfAttempts": 0}
	if extended != "" {
		detail["extendedStatus"] = extended
	}
	code, phase := http.StatusAccepted, "InProgress"
	if ended {
		code, phase = http.StatusOK, status
		detail["endTime"] = r.Ended().UTC().Format("2006-01-02T15:04:05.999")
	}
	if extended != "NotStarted" {
		var rows []any
		objects, _ := r.Body["objects"].([]any)
		if len(objects) == 0 {
			objects = []any{map[string]any{"table": "DimCustomer"}, map[string]any{"table": "DimDate"}}
			if m.Tables != nil {
				objects = nil
			}
			for _, table := range m.Tables {
				objects = append(objects, map[string]any{"table": table})
			}
		}
		for _, object := range objects {
			asked, _ := object.(map[string]any)
			partition := asked["partition"]
			if partition == nil {
				partition = asked["table"]
			}
			rows = append(rows, map[string]any{"table": asked["table"], "partition": partition, "status": phase})
		}
		detail["objects"] = rows
	}
	if status == "Failed" {
		detail["messages"] = []any{map[string]any{"code": "0xC11C0020", "message": "Session cancelled because it is connected to a database that has been evicted to free up memory for other operations", "type": "Error"}}
	}
	answer(w, code, detail)
}

func (s *Service) schedule(w http.ResponseWriter, r *http.Request, m Model) {
	if s.schedules == nil {
		s.schedules = map[string]map[string]any{}
	}
	kept := s.schedules[m.ID]
	if kept == nil {
		kept = map[string]any{"days": []any{"Sunday", "Friday", "Saturday"}, "times": []any{"05:00", "11:30"}, "enabled": true, "localTimeZoneId": "UTC", "notifyOption": "MailOnFailure"}
		s.schedules[m.ID] = kept
	}
	if r.Method != http.MethodPatch {
		shown := map[string]any{"@odata.context": "http://wabi-test-redirect.analysis.windows.net/v1.0/myorg/$metadata#refreshSchedule"}
		for name, value := range kept {
			shown[name] = value
		}
		answer(w, http.StatusOK, shown)
		return
	}
	var change struct{ Value map[string]any }
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil || len(change.Value) == 0 {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "Invalid schedule")
		return
	}
	if change.Value["enabled"] == false && len(change.Value) > 1 {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "A request that disables the refresh schedule should contain no other changes")
		return
	}
	for name, value := range change.Value {
		kept[name] = value
	}
	w.WriteHeader(http.StatusOK)
}

// signIn is what Microsoft's libraries ask of login.microsoftonline.com (contract, section 2.7).
func (s *Service) signIn(w http.ResponseWriter, r *http.Request) {
	authority := "https://" + r.Host
	tenant := strings.Split(strings.Trim(r.URL.Path, "/"), "/")[0]
	switch {
	case strings.HasSuffix(r.URL.Path, "/discovery/instance"):
		answer(w, http.StatusOK, map[string]any{"tenant_discovery_endpoint": authority + "/" + tenant + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
			"metadata": []any{map[string]any{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []any{r.Host}}}})
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		answer(w, http.StatusOK, map[string]any{"issuer": authority + "/" + tenant + "/v2.0", "token_endpoint": authority + "/" + tenant + "/oauth2/v2.0/token",
			"authorization_endpoint": authority + "/" + tenant + "/oauth2/v2.0/authorize", "device_authorization_endpoint": authority + "/" + tenant + "/oauth2/v2.0/devicecode"})
	case strings.HasSuffix(r.URL.Path, "/token"):
		_ = r.ParseForm()
		client := r.Form.Get("client_id")
		if secret, known := s.Secrets[client]; r.Form.Get("grant_type") != "client_credentials" || !known ||
			r.Form.Get("client_assertion") == "" && secret != r.Form.Get("client_secret") {
			answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
			return
		}
		token := "token of " + client
		if s.Issue != nil {
			token = s.Issue(client, tenant)
		}
		answer(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
