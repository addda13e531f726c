package connector

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
)

const (
	flowID  = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" // the seed's
	groupID = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
	modelID = "cfafbeb1-8037-4d0c-896e-a46fb27ff229"
)

// fake is a Power BI with one workspace, Sales, a dataflow and two semantic models. It keeps what it is asked. Its clock is the bubble's.
type fake struct {
	takes  time.Duration // how long a refresh runs
	lag    time.Duration // how late a transaction is to be seen
	ends   string        // status at the end; "" is success
	answer string        // to the POST of a dataflow's refresh
	fault  func(r *http.Request) (status int, body string)

	start    sync.Once
	inner    *powerbitest.Service
	mu       sync.Mutex
	requests []string // METHOD path
	bodies   []string // of those that have one
}

func (f *fake) service() *powerbitest.Service {
	f.start.Do(func() {
		f.inner = &powerbitest.Service{
			Groups: []*powerbitest.Group{{ID: groupID, Name: "Sales",
				Models:    []powerbitest.Model{{ID: modelID, Name: "Retail", Tables: []string{"Orders"}}, {ID: "b", Name: "Live", Live: true}},
				Dataflows: []powerbitest.Model{{ID: flowID, Name: "Orders"}}}},
			Course: func(string, string) powerbitest.Course {
				return powerbitest.Course{Hidden: f.lag, Running: f.takes, Status: f.ends}
			},
			Answer: f.answer,
		}
	})
	return f.inner
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1.0/myorg"))
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		f.bodies = append(f.bodies, string(body))
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	f.mu.Unlock()
	if f.fault != nil {
		if status, body := f.fault(r); status != 0 {
			w := httptest.NewRecorder()
			switch status {
			case http.StatusFound:
				w.Header().Set("Location", body)
			case http.StatusTooManyRequests:
				w.Header().Set("Retry-After", body)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			response := w.Result()
			response.Request = r
			return response, nil
		}
	}
	return powerbitest.Transport(f.service()).RoundTrip(r)
}

// started are the requests that are no GET.
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

// named writes the ids of refreshes as #1, #2, … in the order of their starts.
func (f *fake) named(text string) string {
	for i, r := range f.service().Refreshes() {
		text = strings.ReplaceAll(strings.ReplaceAll(text, r.TransactionID(), fmt.Sprintf("#%d", i+1)), r.ID, fmt.Sprintf("#%d", i+1))
	}
	return text
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
