package powerbi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
)

// C1: the calls of dataflows, with the shapes of Power BI's reference.
func TestC1Dataflows(t *testing.T) {
	const group, flow, id = "f089354e", "928228ba", "2020-08-27T16:07:47.2487692Z@8dbd8c92-4d16-4947-8329-4172f04f4f93$2"
	var asked, body string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		asked, body = r.Method+" "+r.URL.EscapedPath(), string(content)
		switch {
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"value":[{"id":"`+id+`","refreshType":"OnDemand","startTime":"2020-08-27T16:07:47Z","endTime":"2020-08-27T16:12:01Z","status":"Success"}]}`)
		case r.URL.Path == "/v1.0/myorg/groups/"+group+"/dataflows/"+flow+"/refreshes":
			w.Header().Set("RequestId", "the call's")
			w.Header().Set("Date", "Thu, 27 Aug 2020 16:07:47 GMT")
		default:
			_, _ = io.WriteString(w, `{"transactionId":"`+id+`","status":"SuccessfullyMarked"}`)
		}
	})
	ctx := context.Background()
	accepted, err := client.RefreshDataflow(ctx, group, flow, "")
	if err != nil || accepted.Status != 200 || accepted.RequestID != "the call's" || accepted.Date.Second() != 47 || len(accepted.Body) != 0 || body != `{"notifyOption":"NoNotification"}` {
		t.Errorf("%+v, %v, sent %s", accepted, err, body)
	}
	list, err := client.DataflowTransactions(ctx, group, flow)
	if err != nil || len(list) != 1 || list[0].ID != id || !list[0].Status.Succeeded() || list[0].EndTime.Minute() != 12 {
		t.Errorf("%+v, %v", list, err)
	}
	status, err := client.CancelDataflowTransaction(ctx, group, id)
	if err != nil || status.Status != "SuccessfullyMarked" || asked != "POST /v1.0/myorg/groups/"+group+"/dataflows/transactions/"+id+"/cancel" {
		t.Errorf("%+v, %v, asked %s", status, err, asked)
	}
	for word, ended := range map[TransactionStatus]bool{"InProgress": false, "Queued": false, "Unknown": false, "": false, "Hibernating": false,
		"Success": true, "success": true, "Failed": true, "Cancelled": true, "PartialComplete": true} {
		if word.Ended() != ended {
			t.Errorf("%q has ended: %v", word, !ended)
		}
	}
}

func TestRaw(t *testing.T) {
	var asked string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.String() + " " + string(content)
		if r.URL.Path == "/v1.0/myorg/refuse" {
			w.WriteHeader(http.StatusConflict)
		}
		_, _ = io.WriteString(w, "<html>")
	})
	for path, want := range map[string]string{
		"/groups?$top=2&a=b c": "PUT /v1.0/myorg/groups?%24top=2&a=b%20c {}", "/v1.0/freshet/groups/a%2Fb": "PUT /v1.0/freshet/groups/a%2Fb {}",
	} {
		raw, err := client.Raw(context.Background(), http.MethodPut, path, json.RawMessage("{}"))
		if err != nil || raw.Status != 200 || string(raw.Body) != "<html>" || asked != want {
			t.Errorf("%s: asked %s, %v", path, asked, err)
		}
	}
	var refusal *Error
	if _, err := client.Raw(context.Background(), http.MethodGet, "/refuse", nil); !errors.As(err, &refusal) || refusal.Status != 409 {
		t.Errorf("%v", err)
	}
	asked = ""
	for _, path := range []string{"groups", "//evil.example/x", "https://evil.example/x", ""} {
		if _, err := client.Raw(context.Background(), http.MethodGet, path, nil); err == nil || asked != "" {
			t.Errorf("%q: asked %s, %v", path, asked, err)
		}
	}
}
