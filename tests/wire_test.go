package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"freshet.dev/powerbi"
)

// instant is how the service writes a time (R27).
var instant = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$`)

// gated is a model whose table waits at gate 1 of a database while it is loaded.
func gated(t *testing.T, p postgres) map[string][]byte {
	t.Helper()
	p.run(t, "CREATE VIEW gated AS SELECT g::bigint AS id FROM generate_series(1, 3) g WHERE "+p.gate(t, 1))
	return modelOf(t, "Gated", tableOf("Gated", "id int64", reads("Gated", p.from("gated"))))
}

// small is a model of one table of three rows in a CSV file.
func small(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	path := write(t, dir, "small.csv", "Id\n1\n2\n3\n")
	return modelOf(t, "Small", tableOf("Small", "Id int64", readsCSV("Small", path, `{"Id", Int64.Type}`)))
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// keys lists the keys of a JSON object that are not in the list of those allowed.
func keys(value map[string]any, allowed string) []string {
	var others []string
	for key := range value {
		if !strings.Contains(" "+allowed+" ", " "+key+" ") {
			others = append(others, key)
		}
	}
	return others
}

// TestR4Accepted: the 202, its headers, its empty body, and a GET straight after it.
func TestR4Accepted(t *testing.T) {
	dir := t.TempDir()
	r := start(t, fileSource(dir))
	ref := r.deploy(t, "Small", small(t, dir))
	for _, path := range []string{refreshesOf(ref), "/v1.0/myorg/datasets/" + ref.DatasetID + "/refreshes"} { // R1: with the group and without
		got := r.raw(t, "POST", path, `{"type":"full"}`)
		id := got.header.Get("RequestId")
		if got.status != http.StatusAccepted || got.body != "" || len(id) != 36 {
			t.Fatalf("%d %q, RequestId %q", got.status, got.body, id)
		}
		if same := got.header.Get("x-ms-request-id"); same != id {
			t.Errorf("x-ms-request-id is %s, RequestId %s", same, id)
		}
		if location := got.header.Get("Location"); location != r.Host+path+"/"+id {
			t.Errorf("Location is %s", location)
		}
		if list := r.raw(t, "GET", path, ""); !strings.Contains(list.body, `"requestId":"`+id+`"`) {
			t.Errorf("the history does not hold %s: %s", id, list.body)
		}
		if detail := r.raw(t, "GET", path+"/"+strings.ToUpper(id), ""); detail.status != http.StatusOK && detail.status != http.StatusAccepted {
			t.Errorf("the detail: %d %s", detail.status, detail.body)
		}
		r.ended(t, ref, id)
	}
}

// TestR5StandardAndEnhanced: what the body makes a refresh, and the defaults of both (R25, R29, R31).
func TestR5StandardAndEnhanced(t *testing.T) {
	dir := t.TempDir()
	r := start(t, fileSource(dir))
	ref := r.deploy(t, "Small", small(t, dir))
	for _, c := range []struct{ body, kind, refreshType string }{
		{"", "ViaApi", ""},
		{"{}", "ViaApi", ""},
		{`{"notifyOption":"NoNotification"}`, "ViaApi", ""},
		{`{"somethingElse":1}`, "ViaApi", ""}, // R17: an unknown property alone makes nothing enhanced
		{`{"retryCount":0}`, "ViaEnhancedApi", "Automatic"},
		{`{"TYPE":"dataonly","notifyOption":"MailOnFailure"}`, "ViaEnhancedApi", "DataOnly"},
	} {
		id := r.post(t, ref, c.body)
		eventually(t, "the end of "+c.body, func() bool {
			list, err := r.Refreshes(t.Context(), ref, 1)
			return err == nil && len(list) == 1 && list[0].RequestID == id && list[0].Status == powerbi.Completed && list[0].RefreshType == c.kind
		})
		got := r.raw(t, "GET", refreshesOf(ref)+"/"+id, "")
		if c.kind == "ViaEnhancedApi" {
			if detail := decode(t, got.body); got.status != http.StatusOK || detail["type"] != c.refreshType || detail["commitMode"] != "Transactional" {
				t.Errorf("%s: %d %s", c.body, got.status, got.body)
			}
			continue
		}
		if got.status != http.StatusBadRequest || errorOf(t, got).Code != "InvalidRequest" {
			t.Errorf("R29: the detail of %s: %d %s", c.body, got.status, got.body)
		}
		if got := r.raw(t, "DELETE", refreshesOf(ref)+"/"+id, ""); got.status != http.StatusBadRequest || errorOf(t, got).Code != "InvalidRequest" {
			t.Errorf("R31: DELETE of %s: %d %s", c.body, got.status, got.body)
		}
		// A standard refresh loads, also on a healthy model.
		detail, err := r.AnyRefreshDetail(t.Context(), ref.DatasetID, id)
		if err != nil || detail.Type != "Full" || objectOf(t, detail, "Small", "Small").Rows != 3 {
			t.Errorf("%s: %v %+v", c.body, err, detail)
		}
	}
}

func errorOf(t *testing.T, got answer) powerbi.ErrorDetail {
	t.Helper()
	var body powerbi.ErrorBody
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || body.Error.Message == "" {
		t.Fatalf("%d is no error body: %s", got.status, got.body)
	}
	return body.Error
}

// TestR6OneAtATime: the refusal names the running refresh, which goes on; a standard one behind a standard one waits (R7).
func TestR6OneAtATime(t *testing.T) {
	p := newPostgres(t)
	r := start(t, p.source())
	ref := r.deploy(t, "Gated", gated(t, p))
	id := r.post(t, ref, `{"type":"full"}`)
	for _, body := range []string{`{"type":"full"}`, `{}`, ``} {
		got := r.raw(t, "POST", refreshesOf(ref), body)
		refusal := errorOf(t, got)
		begin := "Invalid dataset refresh request. Another refresh request is already executing: " + id + ", since 20"
		if got.status != http.StatusBadRequest || refusal.Code != "InvalidRequest" || !strings.HasPrefix(refusal.Message, begin) {
			t.Errorf("%q: %d %s", body, got.status, got.body)
		}
	}
	if list := decode(t, r.raw(t, "GET", refreshesOf(ref), "").body)["value"].([]any); len(list) != 1 {
		t.Errorf("the history holds %d refreshes", len(list))
	}
	p.open(t, 1)
	if detail := r.ended(t, ref, id); detail.Status != powerbi.Completed {
		t.Errorf("the running refresh ended as %s: %+v", detail.Status, detail.Messages)
	}

	// R7: one runs, one is queued, the next is dropped.
	p.gate(t, 1)
	first := r.post(t, ref, "")
	eventually(t, "the first one runs", func() bool { return p.statements(t, "gated") == 1 })
	second := r.post(t, ref, "{}")
	third := r.raw(t, "POST", refreshesOf(ref), "")
	if third.status != http.StatusAccepted || third.header.Get("x-freshet-outcome") != "dropped" {
		t.Errorf("the third: %d %v %s", third.status, third.header, third.body)
	}
	if got := r.raw(t, "GET", "/v1.0/freshet/datasets/"+ref.DatasetID+"/refreshes/"+third.header.Get("RequestId"), ""); got.status != http.StatusNotFound {
		t.Errorf("the dropped one: %d %s", got.status, got.body)
	}
	if got := r.raw(t, "POST", refreshesOf(ref), `{"type":"full"}`); got.status != http.StatusBadRequest || !strings.Contains(got.body, first) {
		t.Errorf("an enhanced one behind both: %d %s", got.status, got.body)
	}
	list, err := r.Refreshes(t.Context(), ref, 2)
	if err != nil || len(list) != 2 || list[0].RequestID != second || list[0].Status != powerbi.Unknown || list[0].ExtendedStatus != powerbi.NotStarted ||
		list[1].RequestID != first || list[1].Status != powerbi.Unknown || list[1].ExtendedStatus != powerbi.InProgress {
		t.Errorf("%v, the history: %+v", err, list)
	}
	p.open(t, 1)
	eventually(t, "the queued one completes", func() bool {
		list, err := r.Refreshes(t.Context(), ref, 1)
		return err == nil && list[0].RequestID == second && list[0].Status == powerbi.Completed
	})
}

// TestRefusedParameters: R8, R10, R11, R12, R13: 400, what is wrong is named, nothing is in the history.
func TestRefusedParameters(t *testing.T) {
	dir := t.TempDir()
	r := start(t, fileSource(dir))
	ref := r.deploy(t, "Small", small(t, dir))
	for _, c := range []struct{ body, names string }{
		{`{"type":"add"}`, "'add'"},
		{`{"type":"everything"}`, "'everything'"},
		{`{"type":7}`, "type"},
		{`{"commitMode":"sometimes"}`, "'sometimes'"},
		{`{"maxParallelism":0}`, "maxParallelism"},
		{`{"maxParallelism":-1}`, "maxParallelism"},
		{`{"maxParallelism":2.5}`, "maxParallelism"},
		{`{"maxParallelism":"many"}`, "maxParallelism"},
		{`{"retryCount":-1}`, "retryCount"},
		{`{"retryCount":1.5}`, "retryCount"},
		{`{"objects":[{"table":"Nope"}]}`, "'Nope'"},
		{`{"objects":[{"table":"Small"},{"table":"Small","partition":"Nope"}]}`, "'Nope'"},
		{`{"objects":[{"partition":"Small"}]}`, "'Small'"},
		{`{"objects":[{}]}`, "table"},
		{`{"objects":"Small"}`, "objects"},
		{`{"applyRefreshPolicy":"perhaps"}`, "applyRefreshPolicy"},
		{`{"effectiveDate":"someday"}`, "'someday'"},
		{`{"timeout":"24:00:00"}`, "'24:00:00'"},
		{`{"type":"full"`, "JSON"},
		{`[]`, "object"},
	} {
		got := r.raw(t, "POST", refreshesOf(ref), c.body)
		if refusal := errorOf(t, got); got.status != http.StatusBadRequest || refusal.Code != "InvalidRequest" || !strings.Contains(refusal.Message, c.names) {
			t.Errorf("%s: %d %s", c.body, got.status, got.body)
		}
	}
	got := r.raw(t, "POST", refreshesOf(ref), `{"type":"full","x":"`+strings.Repeat("x", 4<<20)+`"}`)
	if errorOf(t, got); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("R17: a body of 4 MiB: %d %s", got.status, got.body)
	}
	if list := r.raw(t, "GET", refreshesOf(ref), ""); len(decode(t, list.body)["value"].([]any)) != 0 {
		t.Errorf("the history: %s", list.body)
	}
	for _, top := range []string{"0", "-1", "x", "1.5", ""} {
		if got := r.raw(t, "GET", refreshesOf(ref)+"?$top="+top, ""); got.status != http.StatusBadRequest {
			t.Errorf("R27: $top=%s: %d %s", top, got.status, got.body)
		}
	}
}

// TestR12NamedTwice: an object named twice, in any letter case, is loaded once; a table means all its partitions.
func TestR12NamedTwice(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "part.csv", "Id\n1\n")
	r := start(t, fileSource(dir))
	part := func(name string) object { return readsCSV(name, path, `{"Id", Int64.Type}`) }
	ref := r.deploy(t, "Twice", modelOf(t, "Twice", tableOf("A", "Id int64", part("A1"), part("A2")), tableOf("B", "Id int64", part("B"))))
	detail := r.completed(t, ref, `{"type":"full","objects":[{"table":"a"},{"table":"A","partition":"a1"},{"table":"A"}]}`)
	if got := fmt.Sprint(detail.Objects); got != "[{A A1 Completed} {A A2 Completed}]" {
		t.Errorf("objects: %s", got)
	}
	if got := r.values(t, ref, "SELECT (SELECT count(*) FROM A), (SELECT count(*) FROM B)"); got != "2|0" {
		t.Errorf("rows: %s", got)
	}
	// Left out, null and empty all mean the whole model.
	for _, body := range []string{`{"type":"full"}`, `{"type":"full","objects":[]}`, `{"type":"full","objects":null}`} {
		if detail := r.completed(t, ref, body); len(detail.Objects) != 3 {
			t.Errorf("%s: %v", body, detail.Objects)
		}
	}
}

// TestWireForm: R24–R28 as they stand on the wire, while a refresh runs, after it, and after a failure.
func TestWireForm(t *testing.T) {
	p := newPostgres(t)
	r := start(t, p.source())
	ref := r.deploy(t, "Gated", gated(t, p))
	path := refreshesOf(ref)
	id := r.post(t, ref, `{"type":"FULL","commitMode":"partialbatch","retryCount":"1","unknownThing":1,"maxParalelism":3}`)
	eventually(t, "the load runs", func() bool { return p.statements(t, "gated") == 1 })

	list := r.raw(t, "GET", path, "")
	wrapper := decode(t, list.body)
	context, _ := wrapper["@odata.context"].(string)
	if list.status != http.StatusOK || !strings.HasSuffix(context, "$metadata#refreshes") || len(keys(wrapper, "@odata.context value")) != 0 {
		t.Errorf("%d %s", list.status, list.body)
	}
	entry := wrapper["value"].([]any)[0].(map[string]any)
	if extra := keys(entry, "requestId refreshType startTime status extendedStatus refreshAttempts"); len(extra) != 0 {
		t.Errorf("a running entry has %v: %s", extra, list.body)
	}
	if entry["requestId"] != id || entry["refreshType"] != "ViaEnhancedApi" || entry["status"] != "Unknown" || entry["extendedStatus"] != "InProgress" ||
		!instant.MatchString(entry["startTime"].(string)) {
		t.Errorf("a running entry: %s", list.body)
	}
	got := r.raw(t, "GET", path+"/"+id, "")
	detail := decode(t, got.body)
	if got.status != http.StatusAccepted || detail["status"] != "InProgress" || detail["extendedStatus"] != "InProgress" || detail["type"] != "Full" ||
		detail["commitMode"] != "PartialBatch" || detail["currentRefreshType"] != "Full" || detail["endTime"] != nil {
		t.Errorf("a running detail: %d %s", got.status, got.body)
	}
	if extra := keys(detail, "startTime endTime type commitMode status extendedStatus currentRefreshType numberOfAttempts objects messages refreshAttempts freshet"); len(extra) != 0 {
		t.Errorf("R28: what Power BI has not stands under freshet, not as %v", extra)
	}
	// R17: the unknown parameters are warnings, with the nearest known name.
	messages := fmt.Sprint(detail["messages"])
	if !strings.Contains(messages, "'unknownThing'") || !strings.Contains(messages, "did you mean 'maxParallelism'") || strings.Contains(messages, "Error") {
		t.Errorf("messages: %s", messages)
	}

	p.open(t, 1)
	r.ended(t, ref, id)
	list = r.raw(t, "GET", path+"?$top=1", "")
	entry = decode(t, list.body)["value"].([]any)[0].(map[string]any)
	if entry["status"] != "Completed" || entry["extendedStatus"] != "Completed" || !instant.MatchString(entry["endTime"].(string)) || entry["serviceExceptionJson"] != nil {
		t.Errorf("a completed entry: %s", list.body)
	}
	attempts := entry["refreshAttempts"].([]any)
	if attempt := attempts[0].(map[string]any); len(attempts) != 1 || attempt["attemptId"] != 1.0 || attempt["type"] != "Data" || !instant.MatchString(attempt["endTime"].(string)) {
		t.Errorf("attempts: %s", list.body)
	}
	got = r.raw(t, "GET", path+"/"+id, "")
	detail = decode(t, got.body)
	if objects := fmt.Sprint(detail["objects"]); got.status != http.StatusOK || objects != "[map[partition:Gated status:Completed table:Gated]]" {
		t.Errorf("a completed detail: %d %s", got.status, got.body)
	}

	p.run(t, "DROP VIEW gated")
	failed := r.post(t, ref, `{"type":"full"}`)
	r.ended(t, ref, failed)
	list = r.raw(t, "GET", path+"?$top=2", "")
	entries := decode(t, list.body)["value"].([]any)
	entry = entries[0].(map[string]any)
	exception, _ := entry["serviceExceptionJson"].(string)
	if len(entries) != 2 || entry["requestId"] != failed || entry["status"] != "Failed" || entry["extendedStatus"] != "Failed" || entries[1].(map[string]any)["requestId"] != id {
		t.Errorf("R24, newest first: %s", list.body)
	}
	if inner := decode(t, exception); inner["errorCode"] == nil || !strings.Contains(fmt.Sprint(inner["errorDescription"]), "gated") {
		t.Errorf("serviceExceptionJson: %s", exception)
	}
	got = r.raw(t, "GET", path+"/"+failed, "")
	if got.status != http.StatusOK || !strings.Contains(got.body, `"type":"Error"`) || !strings.Contains(got.body, `"status":"Failed"}]`) {
		t.Errorf("a failed detail: %d %s", got.status, got.body)
	}
	for _, unknown := range []string{"GET", "DELETE"} {
		if got := r.raw(t, unknown, path+"/00000000-0000-4000-8000-000000000000", ""); got.status != http.StatusNotFound || errorOf(t, got).Code == "" {
			t.Errorf("%s of an unknown refresh: %d %s", unknown, got.status, got.body)
		}
	}
}

// TestR27Top: without $top the newest 60, with it as many as are kept.
func TestR27Top(t *testing.T) {
	r := start(t)
	ref := r.deploy(t, "Empty", modelOf(t, "Empty", tableOf("T", "Id int64", reads("T", `#table(type table [Id = Int64.Type], {})`))))
	begin := time.Now()
	for range 62 {
		r.completed(t, ref, `{"type":"calculate"}`)
	}
	t.Logf("62 refreshes took %s", time.Since(begin))
	for top, want := range map[string]int{"": 60, "?$top=61": 61, "?$top=1000": 62, "?%24top=2": 2} {
		if list := decode(t, r.raw(t, "GET", refreshesOf(ref)+top, "").body)["value"].([]any); len(list) != want {
			t.Errorf("%q: %d refreshes, not %d", top, len(list), want)
		}
	}
}
