package powerbi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// blocks are the JSON samples of a page: what stands between lines that hold nothing but a bracket in the first column.
func blocks(page string) []string {
	var (
		found []string
		open  []string
	)
	for line := range strings.Lines(page) {
		switch text := strings.TrimRight(line, "\r\n"); {
		case open == nil && (text == "{" || text == "["):
			open = []string{text}
		case open != nil:
			open = append(open, text)
			if text == "}" || text == "]" {
				found, open = append(found, strings.Join(open, "\n")), nil
			}
		}
	}
	return found
}

// missingComma is the mistake of the pages' sample of a history, which is no JSON.
var missingComma = regexp.MustCompile(`\}(\s*)\{`)

// strict decodes and knows every key.
func strict(t *testing.T, text string, into any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
}

// Every sample of the documents is read by the client, key by key: request, headers, history, detail, messages, and the addresses. R4, R24, R26, R27, R28, R35, C7
func TestSeedSamples(t *testing.T) {
	files, err := filepath.Glob("../../shared/seeds/*.txt")
	if err != nil || len(files) == 0 {
		t.Skip("SKIPPED: the seeds are not beside the repository (../shared/seeds)")
	}
	pages := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page := string(content)
		if !strings.Contains(page, "/v1.0/myorg/") {
			continue // the connector's page has no REST samples
		}
		pages++
		seen := map[string]int{}
		for _, block := range blocks(page) {
			switch {
			case strings.Contains(block, "currentRefreshType"):
				seen["detail"]++
				var detail RefreshDetail
				strict(t, block, &detail)
				if detail.Status != InProgress || detail.Type != "Full" || len(detail.Objects) != 2 || detail.Objects[0] != (RefreshObject{"DimCustomer", "DimCustomer", InProgress}) ||
					detail.Objects[1] != (RefreshObject{"DimDate", "DimDate", InProgress}) || detail.StartTime.Format(time.RFC3339Nano) != "2020-12-07T02:06:57.1838734Z" {
					t.Errorf("%s: detail %+v", file, detail)
				}
			case strings.Contains(block, "requestId"):
				seen["history"]++
				if json.Valid([]byte(block)) {
					t.Errorf("%s: the history is valid JSON now; read it as it is", file)
				}
				var list []Refresh
				strict(t, missingComma.ReplaceAllString(block, "},$1{"), &list)
				if len(list) != 3 || list[0].ExtendedStatus != Completed || list[1].Status != Unknown || list[1].ExtendedStatus != "" || list[2].ExtendedStatus != NotStarted ||
					list[2].RequestID != "85a82498-2209-428c-b273-f87b3a1eb905" || list[2].RefreshType != "ViaEnhancedApi" {
					t.Errorf("%s: history %+v", file, list)
				}
			case strings.Contains(block, "commitMode"):
				seen["request"]++
				var request RefreshRequest
				strict(t, block, &request)
				if request.Type != "Full" || request.CommitMode != "transactional" || *request.MaxParallelism != 2 || *request.RetryCount != 2 || len(request.Objects) != 2 || request.standard() {
					t.Errorf("%s: request %+v", file, request)
				}
				// What we send is what the documents show.
				var compact bytes.Buffer
				sent, err := json.Marshal(request)
				if err := json.Compact(&compact, []byte(block)); err != nil {
					t.Fatal(err)
				}
				if err != nil || string(sent) != compact.String() {
					t.Errorf("%s: sent %s, %v, want %s", file, sent, err, compact.String())
				}
			case strings.Contains(block, "messages"):
				seen["messages"]++
				var detail RefreshDetail
				strict(t, block, &detail)
				if len(detail.Messages) != 1 || detail.Messages[0].Code != "0xC11C0020" || detail.Messages[0].Type != "Error" || !strings.HasPrefix(detail.Messages[0].Message, "Session cancelled") {
					t.Errorf("%s: messages %+v", file, detail.Messages)
				}
			default:
				t.Errorf("%s: a sample of no known kind:\n%s", file, block)
			}
		}
		for _, kind := range []string{"detail", "history", "request", "messages"} {
			if seen[kind] != 1 {
				t.Errorf("%s: %d samples of a %s, want 1", file, seen[kind], kind)
			}
		}

		header := http.Header{}
		for _, name := range []string{"Location", "x-ms-request-id"} {
			match := regexp.MustCompile(`(?m)^` + name + `: (\S+)$`).FindStringSubmatch(page)
			if match == nil {
				t.Fatalf("%s: no header %s", file, name)
			}
			header.Set(name, match[1])
		}
		if id := requestID(header); id != theID || id != header.Get("x-ms-request-id") {
			t.Errorf("%s: the headers name the refresh %q", file, id)
		}
		addresses := regexp.MustCompile(`https://api\.powerbi\.com/\S+`).FindAllString(page, -1)
		if len(addresses) != 5 {
			t.Errorf("%s: addresses %q", file, addresses)
		}
		for _, address := range addresses {
			want := here
			if strings.Contains(address, "{") {
				want = Ref{GroupID: "{groupId}", DatasetID: "{datasetId}"}
			}
			if host, ref, err := ParseURL(address); err != nil || host != DefaultHost || ref != want {
				t.Errorf("%s: %s is %s %+v, %v", file, address, host, ref, err)
			}
		}
	}
	if pages != 2 {
		t.Errorf("%d pages with samples, want 2", pages)
	}
}

func TestParseURL(t *testing.T) {
	host, ref, err := ParseURL("http://127.0.0.1:8480/v1.0/myorg/datasets/d/refreshes/x?y=z")
	if err != nil || host != "http://127.0.0.1:8480" || ref != (Ref{DatasetID: "d"}) {
		t.Errorf("%s %+v %v", host, ref, err)
	}
	for _, text := range []string{"", "x", "https://api.powerbi.com", "https://api.powerbi.com/v1.0/myorg/groups/g", "https://api.powerbi.com/v1.0/myorg/datasets/", "://"} {
		if _, _, err := ParseURL(text); err == nil {
			t.Errorf("%q is an address", text)
		}
	}
}
