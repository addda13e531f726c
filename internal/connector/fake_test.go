package connector

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"freshet.dev/powerbi"
)

const (
	flowID  = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" // the seed's
	groupID = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
	modelID = "cfafbeb1-8037-4d0c-896e-a46fb27ff229"
)

// fake is a Power BI with the shapes of its reference: one workspace with a dataflow and two semantic models. Its clock is the bubble's.
type fake struct {
	mu           sync.Mutex
	requests     []string // METHOD path, without those that only read the status
	transactions []*transaction
	refreshes    []*modelRefresh
	takes        time.Duration // how long a refresh runs
	lag          time.Duration // how late a transaction is to be seen
	ends         string        // status at the end; "" is Success
	answer       string        // to the POST of a dataflow's refresh
	fault        func(r *http.Request) (status int, body string)
	count        int
}

type transaction struct {
	id        string
	from      time.Time
	takes     time.Duration
	seen      time.Time
	ends      string
	cancelled time.Time
}

func (t *transaction) status(now time.Time) (status string, end time.Time) {
	switch end := t.from.Add(t.takes); {
	case !t.cancelled.IsZero():
		return "Cancelled", t.cancelled
	case now.Before(end):
		return "InProgress", time.Time{}
	default:
		return t.ends, end
	}
}

type modelRefresh struct {
	id, kind string
	from     time.Time
	takes    time.Duration
	ends     string
	body     string
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	f.ServeHTTP(w, r)
	response := w.Result()
	response.Request = r
	return response, nil
}

func (f *fake) started() (posts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, request := range f.requests {
		if !strings.HasPrefix(request, "GET ") {
			posts = append(posts, request)
		}
	}
	return posts
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1.0/myorg")
	f.requests = append(f.requests, r.Method+" "+path)
	if f.fault != nil {
		if status, body := f.fault(r); status != 0 {
			switch status {
			case http.StatusFound:
				w.Header().Set("Location", body)
			case http.StatusTooManyRequests:
				w.Header().Set("Retry-After", body)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
	}
	flow := "/groups/" + groupID + "/dataflows/" + flowID
	model := "/groups/" + groupID + "/datasets/" + modelID
	switch request := r.Method + " " + path; {
	case request == "GET /groups":
		_, _ = io.WriteString(w, `{"value":[{"id":"`+groupID+`","isReadOnly":false,"isOnDedicatedCapacity":true,"type":"Workspace","name":"Sales"}]}`)
	case request == "GET /groups/"+groupID+"/dataflows":
		_, _ = io.WriteString(w, `{"value":[{"objectId":"`+flowID+`","name":"Orders","description":"it's all","modelUrl":"https://x/model.json","configuredBy":"ann@example.com","users":[],"generation":1}]}`)
	case request == "GET /groups/"+groupID+"/datasets":
		_, _ = io.WriteString(w, `{"value":[{"id":"`+modelID+`","name":"Retail","isRefreshable":true,"createdDate":"2026-01-02T03:04:05.123Z"},{"id":"b","name":"Live","isRefreshable":false}]}`)
	case request == "POST "+flow+"/refreshes":
		f.refreshDataflow(w)
	case request == "GET "+flow+"/transactions":
		f.listTransactions(w)
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/cancel"):
		f.cancelTransaction(w, strings.Split(path, "/")[5])
	case request == "POST "+model+"/refreshes":
		f.refreshModel(w, r)
	case request == "GET "+model+"/refreshes":
		f.listRefreshes(w)
	case r.Method == http.MethodGet && strings.HasPrefix(path, model+"/refreshes/"):
		f.refreshDetail(w, path[strings.LastIndex(path, "/")+1:])
	case request == "GET "+model+"/refreshSchedule":
		_, _ = io.WriteString(w, `{"days":["Sunday","Friday"],"times":["07:00"],"enabled":true,"localTimeZoneId":"UTC","notifyOption":"NoNotification"}`)
	case request == "POST "+model+"/executeQueries":
		_, _ = io.WriteString(w, `{"results":[{"tables":[{"rows":[{"[ID]":13,"[Name]":"Orders","[Description]":null,"[IsHidden]":false,"[ModifiedTime]":"2026-02-03T04:05:06"}]}]}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"code":"PowerBIEntityNotFound"}}`)
	}
}

func (f *fake) begin(from time.Time, takes time.Duration) *transaction {
	f.count++
	ends := f.ends
	if ends == "" {
		ends = "Success"
	}
	t := &transaction{id: from.UTC().Format("2006-01-02T15:04:05.0000000Z") + fmt.Sprintf("@%s$%d", flowID, f.count), from: from, takes: takes, seen: time.Now().Add(f.lag), ends: ends}
	f.transactions = append(f.transactions, t)
	return t
}

func (f *fake) refreshDataflow(w http.ResponseWriter) {
	for _, t := range f.transactions {
		if status, _ := t.status(time.Now()); status == "InProgress" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"code":"DataflowRefreshInProgress","message":"Dataflow refresh is currently in progress"}}`)
			return
		}
	}
	f.begin(time.Now(), f.takes)
	_, _ = io.WriteString(w, f.answer)
}

func (f *fake) listTransactions(w http.ResponseWriter) {
	list := []string{}
	for _, t := range f.transactions {
		if time.Now().Before(t.seen) {
			continue
		}
		status, end := t.status(time.Now())
		text := fmt.Sprintf(`{"id":%q,"refreshType":"OnDemand","startTime":%q,"status":%q`, t.id, t.from.UTC().Format(time.RFC3339), status)
		if !end.IsZero() {
			text += fmt.Sprintf(`,"endTime":%q`, end.UTC().Format(time.RFC3339))
		}
		list = append(list, text+"}")
	}
	_, _ = io.WriteString(w, `{"@odata.context":"http://x/$metadata#transactions","value":[`+strings.Join(list, ",")+`]}`)
}

func (f *fake) cancelTransaction(w http.ResponseWriter, id string) {
	for _, t := range f.transactions {
		if status, _ := t.status(time.Now()); t.id == id && status == "InProgress" {
			t.cancelled = time.Now()
			_, _ = fmt.Fprintf(w, `{"transactionId":%q,"status":"SuccessfullyMarked"}`, id)
			return
		}
	}
	_, _ = fmt.Fprintf(w, `{"transactionId":%q,"status":"NotFound"}`, id)
}

func (f *fake) refreshModel(w http.ResponseWriter, r *http.Request) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	for _, m := range f.refreshes {
		if time.Now().Before(m.from.Add(m.takes)) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"code":"InvalidRequest","message":"Invalid refresh request. Another refresh request is already executing, please cancel it before trying again."}}`)
			return
		}
	}
	f.count++
	m := &modelRefresh{id: fmt.Sprintf("%08d-0000-0000-0000-000000000000", f.count), kind: "ViaApi", from: time.Now(), takes: f.takes, ends: "Completed", body: string(body)}
	if f.ends != "" {
		m.ends = f.ends
	}
	if len(body) > 0 && !json.Valid(body) {
		panic("the body is no JSON")
	}
	if strings.Contains(string(body), `"type"`) {
		m.kind = "ViaEnhancedApi"
	}
	f.refreshes = append(f.refreshes, m)
	w.Header().Set("x-ms-request-id", m.id)
	w.Header().Set("RequestId", m.id)
	w.WriteHeader(http.StatusAccepted)
}

func (m *modelRefresh) text() string {
	if end := m.from.Add(m.takes); !time.Now().Before(end) {
		more := ""
		if m.ends == "Failed" {
			more = `,"serviceExceptionJson":"{\"errorCode\":\"ModelRefreshFailed_CredentialsNotSpecified\"}"`
		}
		return fmt.Sprintf(`"startTime":%q,"endTime":%q,"status":%q%s`, m.from.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339), m.ends, more)
	}
	return fmt.Sprintf(`"startTime":%q,"status":"Unknown"`, m.from.UTC().Format(time.RFC3339))
}

func (f *fake) listRefreshes(w http.ResponseWriter) {
	var list []string
	for i := len(f.refreshes) - 1; i >= 0; i-- {
		m := f.refreshes[i]
		list = append(list, fmt.Sprintf(`{"requestId":%q,"refreshType":%q,%s}`, m.id, m.kind, m.text()))
	}
	_, _ = io.WriteString(w, `{"value":[`+strings.Join(list, ",")+`]}`)
}

func (f *fake) refreshDetail(w http.ResponseWriter, id string) {
	for _, m := range f.refreshes {
		if m.id == id && m.kind == "ViaEnhancedApi" {
			_, _ = io.WriteString(w, `{"type":"Full",`+m.text()+`,"numberOfAttempts":1,"objects":[{"table":"Orders","partition":"2024","status":"Completed"},{"table":"Orders","partition":"2025","status":"Completed"}]}`)
			return
		}
	}
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"error":{"code":"InvalidRequest","message":"not an enhanced refresh"}}`)
}

// open returns a Connector of a fake service with the default workspace Sales.
func open(t *testing.T, f *fake) *Connector {
	t.Helper()
	return openWith(t, f, Options{Workspace: "Sales"})
}

func openWith(t *testing.T, f *fake, options Options) *Connector {
	t.Helper()
	options.Client = clientOf(f)
	c, err := New(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func clientOf(f *fake) *powerbi.Client {
	return &powerbi.Client{Host: "https://api.powerbi.com", HTTP: &http.Client{Transport: f}}
}

// answer runs a batch and returns the rows of its last statement as text: columns, then a line for each row.
func answer(c *Connector, text string, arguments ...Argument) (string, error) {
	statements, err := c.Prepare(context.Background(), text)
	if err != nil {
		return "", err
	}
	out := ""
	for _, s := range statements {
		result, err := s.Run(context.Background(), arguments, nil)
		if err != nil {
			return out, err
		}
		out = written(result)
	}
	return out, nil
}

func written(result *Result) string {
	var out strings.Builder
	for i, c := range result.Columns {
		fmt.Fprintf(&out, "%s%s", []string{"", " | "}[min(i, 1)], c.Name)
	}
	for _, row := range result.Rows {
		out.WriteString("\n")
		for i, value := range row {
			text := "NULL"
			switch value := value.(type) {
			case nil:
			case time.Time:
				text = value.Format("2006-01-02 15:04:05.999")
			default:
				text = fmt.Sprint(value)
			}
			fmt.Fprintf(&out, "%s%s", []string{"", " | "}[min(i, 1)], text)
		}
	}
	return out.String()
}

func mustQuery(t *testing.T, c *Connector, text string, arguments ...Argument) string {
	t.Helper()
	got, err := answer(c, text, arguments...)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return got
}
