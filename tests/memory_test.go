package tests

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// TestR35EvictionOverRest: a query that finds all memory in use waits, and then evicts the refresh: that one fails with the documents' code and words,
// its model keeps the rows of before, and running it again works.
func TestR35EvictionOverRest(t *testing.T) {
	p := newPostgres(t)
	config := configured(t, p.source())
	const evictAfter = time.Second
	config.Capacities = []server.Capacity{{Name: "default", Memory: 400 << 20, EvictAfter: server.Duration(evictAfter)}} // half for refreshes, half for one version's readers
	h := startHost(t, config)
	other := h.deploy(t, "Other", modelOf(t, "Other", tableOf("Quick", "id int64", reads("P", `#table({"id"}, {{1}})`))))
	ref := h.deploy(t, "Interrupted", interrupted(t, p))
	p.open(t, 1)
	h.completed(t, ref, `{"type":"full"}`)
	p.run(t, "UPDATE quick SET id = 100")
	p.run(t, "SELECT pg_advisory_lock(1)")
	id := h.post(t, ref, `{"type":"full"}`)
	half(t, h.running, p, ref, id)

	// A reader that is slow to read holds the readers' half.
	slow, err := h.Query(t.Context(), other.DatasetID, "FROM range(1000000000)")
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Next(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if got := h.values(t, ref, "SELECT Quick.id, Gated.id FROM Quick, Gated"); got != "1|2" {
		t.Errorf("rows %s", got)
	}
	if took := time.Since(begin); took < evictAfter {
		t.Errorf("the query had its memory after %s: what the refresh held is not what it got", took)
	}
	detail := h.ended(t, ref, id)
	const text = "Session cancelled because it is connected to a database that has been evicted to free up memory for other operations"
	if want := (powerbi.RefreshMessage{Code: "0xC11C0020", Message: text, Type: "Error"}); detail.Status != powerbi.Failed || len(detail.Messages) != 1 || detail.Messages[0] != want {
		t.Errorf("it ended as %s: %+v", detail.Status, detail.Messages)
	}
	history, err := h.Refreshes(t.Context(), ref, 1)
	var exception powerbi.ServiceException
	if err != nil || json.Unmarshal([]byte(history[0].ServiceExceptionJSON), &exception) != nil || exception.ErrorCode != "0xC11C0020" || exception.ErrorDescription != text {
		t.Errorf("history %+v, %v", history, err)
	}
	if n := p.statements(t, "gated"); n != 0 {
		t.Errorf("%d statements of the evicted refresh still run", n)
	}
	p.open(t, 1)
	h.completed(t, ref, `{"type":"full"}`)
	if got := h.values(t, ref, "SELECT Quick.id, Gated.id FROM Quick, Gated"); got != "100|2" {
		t.Errorf("rows %s after the second try", got)
	}
	if _, err := slow.Next(); err != nil && err != io.EOF {
		t.Errorf("the reader whose memory was in use: %v", err)
	}
}

// TestOverTheLimitOverRest: a refresh that needs more than its capacity has fails in Power BI's words, at once, and the rows stay.
func TestOverTheLimitOverRest(t *testing.T) {
	dir := t.TempDir()
	config := configured(t, fileSource(dir))
	config.Capacities = []server.Capacity{{Name: "default", Memory: 8 << 20}}
	h := startHost(t, config)
	write(t, dir, "big.csv", "Note\n"+strings.Repeat(strings.Repeat("x", 400)+"\n", 60_000))
	ref := h.deploy(t, "Big", modelOf(t, "Big", tableOf("T", "Note string", readsCSV("P", dir+"/big.csv", `{"Note", type text}`))))
	detail := h.done(t, ref, `{"type":"full","retryCount":3}`)
	if got := errorsOf(detail); detail.NumberOfAttempts != 1 || !strings.HasPrefix(got, "OutOfMemory: Resource Governing: This operation was canceled because there wasn't enough memory to finish running it.") ||
		!strings.Contains(got, "memory limit 4 MB") {
		t.Errorf("%d attempts: %s", detail.NumberOfAttempts, got)
	}
}
