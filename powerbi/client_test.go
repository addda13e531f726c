package powerbi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/powerbitest"
)

var here = Ref{GroupID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", DatasetID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229"}

const (
	herePath  = "/v1.0/myorg/groups/f089354e-8366-4e18-aea3-4cb4a3a50b48/datasets/cfafbeb1-8037-4d0c-896e-a46fb27ff229/refreshes"
	theID     = "87f31ef7-1e3a-4006-9b0b-191693e79e9e"
	theDetail = herePath + "/" + theID
)

// serve returns a client of a handler, which is called in the process itself.
func serve(_ *testing.T, handler http.HandlerFunc) *Client {
	return &Client{Host: "http://service", Token: func(context.Context) (string, error) { return "secret", nil },
		HTTP: &http.Client{Transport: powerbitest.Transport(handler)}, random: func() float64 { return 1 }}
}

// R4: the request of the documents, and the answer's Location.
func TestR4Refresh(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // the look before the POST
			_, _ = io.WriteString(w, `{"value":[]}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got := r.Method + " " + r.URL.String() + " " + r.Header.Get("Authorization") + " " + r.Header.Get("Idempotency-Key") + " " + string(body)
		want := `POST ` + herePath + ` Bearer secret k1 {"type":"Full","commitMode":"transactional","maxParallelism":2,"retryCount":2,` +
			`"objects":[{"table":"DimCustomer","partition":"DimCustomer"},{"table":"DimDate"}]}`
		if got != want {
			t.Errorf("sent\n%s\nwant\n%s", got, want)
		}
		w.Header().Set("RequestId", "00000000-0000-0000-0000-000000000000") // some other correlation id
		w.Header().Set("Location", "https://api.powerbi.com"+theDetail)
		w.WriteHeader(http.StatusAccepted)
	})
	two := 2
	accepted, err := client.Refresh(context.Background(), here, RefreshRequest{Type: "Full", CommitMode: "transactional", MaxParallelism: &two,
		RetryCount: &two, Objects: []RefreshObject{{Table: "DimCustomer", Partition: "DimCustomer"}, {Table: "DimDate"}}},
		RefreshOptions{IdempotencyKey: "k1"})
	if err != nil || accepted.RequestID != theID || accepted.Dropped {
		t.Errorf("got %+v, %v", accepted, err)
	}
}

// R5: a standard refresh is sent without any body, and its id is that of RequestId alone.
func TestR5StandardRefresh(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusForbidden) // who may start a refresh need not see the history
			return
		}
		if body, _ := io.ReadAll(r.Body); len(body) != 0 || r.Header.Get("Content-Type") != "" {
			t.Errorf("sent %q as %q", body, r.Header.Get("Content-Type"))
		}
		w.Header().Set("RequestId", theID)
		w.WriteHeader(http.StatusAccepted)
	})
	if accepted, err := client.Refresh(context.Background(), here, RefreshRequest{}, RefreshOptions{}); err != nil || accepted.RequestID != theID {
		t.Errorf("got %+v, %v", accepted, err)
	}
	silent := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })
	if _, err := silent.Refresh(context.Background(), here, RefreshRequest{}, RefreshOptions{}); !errors.Is(err, ErrNoRequestID) {
		t.Errorf("an answer without id gives %v", err)
	}
}

func TestGroupsFilter(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "%24filter=name%20eq%20%27O%27%27Hara%20%26%20Co%27" {
			t.Errorf("query %s", r.URL.RawQuery)
		}
		_, _ = io.WriteString(w, `{"@odata.context":"x","@odata.count":1,"value":[{"id":"g","name":"O'Hara & Co","isReadOnly":false}]}`)
	})
	groups, err := client.Groups(context.Background(), NameFilter("O'Hara & Co"))
	if err != nil || len(groups) != 1 || groups[0].ID != "g" {
		t.Errorf("got %+v, %v", groups, err)
	}
}

// An id is one segment of the path, whatever it holds.
func TestIDsStayInTheirSegment(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/v1.0/myorg/datasets/..%2F..%2Fx%3Fy/refreshes/a%2Fb" {
			t.Errorf("path %s", r.URL.EscapedPath())
		}
		_, _ = io.WriteString(w, `{}`)
	})
	if _, err := client.RefreshDetail(context.Background(), Ref{DatasetID: "../../x?y"}, "a/b"); err != nil {
		t.Error(err)
	}
}

// The three shapes of error bodies and the two of Retry-After (contract, section 3).
func TestErrors(t *testing.T) {
	tests := []struct {
		name, body, retry string
		status            int
		code, message     string
		after             time.Duration
		retryable         bool
	}{
		{"plain", `{"error":{"code":"InvalidRequest","message":"Invalid dataset refresh request. Another refresh request is already executing"}}`, "",
			400, "InvalidRequest", "Invalid dataset refresh request. Another refresh request is already executing", 0, false},
		{"pbi.error", `{"error":{"code":"DatasetExecuteQueriesError","pbi.error":{"code":"DatasetExecuteQueriesError","parameters":{},"details":[` +
			`{"code":"DetailsMessage","detail":{"type":1,"value":"bad DAX"}},{"code":"AnalysisServicesErrorCode","detail":{"type":1,"value":"3241803789"}}]}}}`, "",
			400, "DatasetExecuteQueriesError", "bad DAX", 0, false},
		{"pbi.error without details", `{"error":{"code":"PowerBIEntityNotFound","pbi.error":{"code":"PowerBIEntityNotFound","parameters":{},"details":[],"exceptionCulprit":1}}}`, "",
			404, "PowerBIEntityNotFound", "", 0, false},
		{"throttled", `{"message":"You have exceeded the amount of requests allowed in the current time frame and further requests will fail. Retry in 3392 seconds."}`, "3392",
			429, "", "You have exceeded the amount of requests allowed in the current time frame and further requests will fail. Retry in 3392 seconds.", 3392 * time.Second, true},
		{"empty", "", "", 401, "", "", 0, false},
		{"a proxy's page", "<html>bad gateway</html>\n", "-5", 502, "", "<html>bad gateway</html>", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("RequestId", theID)
				if tt.retry != "" {
					w.Header().Set("Retry-After", tt.retry)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			client.Retries = -1
			_, err := client.Refreshes(context.Background(), here, 1)
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if got.Status != tt.status || got.Code != tt.code || got.Message != tt.message || got.RetryAfter != tt.after ||
				got.RequestID != theID || got.Retryable() != tt.retryable {
				t.Errorf("got %+v", got)
			}
			if !strings.HasPrefix(err.Error(), "cannot GET http://") || !strings.Contains(err.Error(), theID) {
				t.Errorf("text %q", err)
			}
		})
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if got := retryAfter("Sun, 01 Mar 2026 12:00:30 GMT", now); got != 30*time.Second {
		t.Errorf("a date as Retry-After is %s", got)
	}
}

func TestHostsThatAreNone(t *testing.T) {
	for _, host := range []string{"api.powerbi.com", "ftp://x", "http://", "::"} {
		if _, err := (&Client{Host: host}).Groups(context.Background(), ""); err == nil || !strings.Contains(err.Error(), "as a host") {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestQueryStream(t *testing.T) {
	answer := `{"version":7,"columns":[{"name":"a","type":"int64"},{"name":"b","type":"string"}]}` + "\n"
	tests := []struct{ name, rest, last string }{
		{"whole", "[9007199254740993,null]\n[2,\"x\\ny\"]\n{\"rows\":2}\n", "EOF"},
		{"cut off", "[9007199254740993,null]\n[2,\"x\\ny\"]\n", "unexpected EOF"},
		{"cut in a row", "[9007199254740993,null]\n[2,\"x\\ny\"]\n[3,", "cannot read the answer"},
		{"failed", "[9007199254740993,null]\n[2,\"x\\ny\"]\n{\"error\":{\"code\":\"QueryFailed\",\"message\":\"division by zero\"}}\n", "QueryFailed: division by zero"},
		{"miscounted", "[9007199254740993,null]\n[2,\"x\\ny\"]\n{\"rows\":3}\n", "2 rows came"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.URL.Path != "/v1.0/freshet/datasets/d/query" || string(body) != `{"sql":"SELECT 1"}` {
					t.Errorf("sent %s %s", r.URL, body)
				}
				_, _ = io.WriteString(w, answer+tt.rest)
			})
			rows, err := client.Query(context.Background(), "d", "SELECT 1")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var got []string
			for {
				row, err := rows.Next()
				if err != nil {
					if !strings.Contains(err.Error(), tt.last) {
						t.Errorf("ended with %v, want %s", err, tt.last)
					}
					if _, again := rows.Next(); again != err {
						t.Errorf("then with %v", again)
					}
					break
				}
				got = append(got, string(row[0])+"|"+string(row[1]))
			}
			if want := "9007199254740993|null;2|\"x\\ny\""; strings.Join(got, ";") != want || rows.Version != 7 || rows.Columns[1].Type != "string" {
				t.Errorf("rows %q of %+v", got, rows.QueryHead)
			}
		})
	}
}

// A redirection that turns a POST into a GET is no success of the POST, whatever the GET finds.
func TestRedirectedPost(t *testing.T) {
	var asked []string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		if r.Method == http.MethodPost {
			http.Redirect(w, r, "/signin?state=secret", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, `{"value":[]}`)
	})
	_, err := client.RefreshDataflow(context.Background(), "g", "f", "")
	if err == nil || !strings.HasSuffix(err.Error(), "/dataflows/f/refreshes: it was redirected to http://service, which is no answer to it") || errors.As(err, new(*UnsettledError)) {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(asked, ", "); got != "GET /v1.0/myorg/groups/g/dataflows/f/transactions, POST /v1.0/myorg/groups/g/dataflows/f/refreshes, GET /signin" {
		t.Errorf("asked %s", got)
	}
}

// A redirection that is not followed tells where it leads, without what may be a secret.
func TestRedirectionNotFollowed(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/x?code=secret", http.StatusFound)
	})
	client.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, err := client.Groups(context.Background(), "")
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Message != "it is redirected to https://elsewhere.example, which is not followed" {
		t.Errorf("got %v", err)
	}
}

// What cannot be called is an error at once: nothing is sent, nothing is tried again, and no secret is told.
func TestUncallable(t *testing.T) {
	for _, tt := range []struct {
		host, token, group, want string
	}{
		{"http://service", "secret\n", "g", "cannot use the token for http://service: it holds a line break"},
		{"http://who:secret@service", "x", "g", `cannot use "http://who:xxxxx@service" as a host`},
		{"http://service", "x", "..", "the segments . and .. would lead to another path"},
		{"http://service", "x", ".", "the segments . and .. would lead to another path"},
	} {
		client := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s %s", r.Method, r.URL) })
		client.Host, client.Token = tt.host, func(context.Context) (string, error) { return tt.token, nil }
		client.OnPause = func(err error, _ time.Duration) { t.Errorf("tried again after %v", err) }
		_, err := client.Group(context.Background(), tt.group)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v gives %v", tt, err)
		}
	}
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s %s", r.Method, r.URL) })
	if _, err := client.Raw(context.Background(), http.MethodGet, "/groups/%2e%2E/x", nil); err == nil || !strings.Contains(err.Error(), "another path") {
		t.Errorf("an escaped dot segment gives %v", err)
	}
}
