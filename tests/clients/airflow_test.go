package clients

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// TestAirflow holds what Airflow's Power BI operator relies on (contract, section 6), call by call as its hook makes them. R4, R24, R26, R30
func TestAirflow(t *testing.T) {
	h := start(t)
	token, err := h.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string) (*http.Response, string) {
		t.Helper()
		var content io.Reader
		if body != "" {
			content = strings.NewReader(body)
		}
		request, err := http.NewRequestWithContext(t.Context(), method, h.Host+"/v1.0/myorg/"+path, content)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := h.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(text)
	}
	// The list of the hook: entries by requestId, whose status it reads.
	entry := func(ref powerbi.Ref, id string) map[string]any {
		t.Helper()
		_, text := call(http.MethodGet, "groups/"+ref.GroupID+"/datasets/"+ref.DatasetID+"/refreshes", "")
		var list struct {
			Value []map[string]any `json:"value"`
		}
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatal(err)
		}
		for _, entry := range list.Value {
			if entry["requestId"] == id {
				return entry
			}
		}
		return nil
	}
	path := "groups/" + h.endless.GroupID + "/datasets/" + h.endless.DatasetID + "/refreshes"

	// 1. A post without a body is accepted with an empty body, for only then the hook reads the header.
	response, text := call(http.MethodPost, path, "")
	id := response.Header.Get("requestid")
	if response.StatusCode != http.StatusAccepted || text != "" || id == "" {
		t.Fatalf("POST: %s %q, requestid %q", response.Status, text, id)
	}
	// 2. The id is in the list at once. 3. In progress is Unknown, without an end.
	running := entry(h.endless, id)
	if running == nil || running["status"] != "Unknown" || running["endTime"] != nil {
		t.Fatalf("the entry straight after the post: %v", running)
	}
	// 4. The list is wrapped in value (entry has read it so). A failure is text that holds JSON.
	// 5. The end is Completed or Failed.
	if err := h.CancelAnyRefresh(t.Context(), h.endless.DatasetID, id); err != nil {
		t.Fatal(err)
	}
	h.ended(t, h.endless)
	response, _ = call(http.MethodPost, "groups/"+h.orders.GroupID+"/datasets/"+h.orders.DatasetID+"/refreshes", "")
	h.ended(t, h.orders)
	if done := entry(h.orders, response.Header.Get("requestid")); done["status"] != "Completed" {
		t.Fatalf("ended: %v", done)
	}
	broken := h.deploy(t, "Broken", `error "on purpose"`)
	response, _ = call(http.MethodPost, "groups/"+broken.GroupID+"/datasets/"+broken.DatasetID+"/refreshes", "")
	h.ended(t, broken)
	failed := entry(broken, response.Header.Get("requestid"))
	exception, _ := failed["serviceExceptionJson"].(string)
	var decoded map[string]any
	if failed["status"] != "Failed" || json.Unmarshal([]byte(exception), &decoded) != nil || decoded["errorCode"] == nil {
		t.Fatalf("failed: %v", failed)
	}
	// 6. A cancel answers 200 or 204.
	response, _ = call(http.MethodPost, path, `{"type":"full"}`)
	id = response.Header.Get("requestid")
	if response, text = call(http.MethodDelete, path+"/"+id, ""); response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		t.Fatalf("DELETE: %s %s", response.Status, text)
	}
	h.ended(t, h.endless)
}
