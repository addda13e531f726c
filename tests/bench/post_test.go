package bench

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"freshet.dev/powerbi"
)

// clients and posts of BenchmarkPost: each post goes to a model of its own, since a model takes one refresh at a time.
const (
	clients = 32
	posts   = 1000
)

// BenchmarkPost measures how fast refreshes are accepted while another refresh of 100 partitions runs, against a handler that does
// nothing but one durable write.
func BenchmarkPost(b *testing.B) {
	dir := b.TempDir()
	tiny := filepath.Join(dir, "tiny.csv")
	if err := os.WriteFile(tiny, []byte("id\n1\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	big := csvFile(b)
	s := start(b, fmt.Sprintf("dataSources:\n  - {kind: File, path: %q}\n  - {kind: File, path: %q}\n"+
		"capacities: [{name: default, memory: 2GiB, maxConcurrentRefreshes: 1}]\n", dir, filepath.Dir(big)))
	ctx := context.Background()
	client := &powerbi.Client{Host: s.url}
	column := []map[string]any{{"name": "id", "dataType": "int64", "sourceColumn": "id"}}
	table := func(partitions int, m string) []map[string]any {
		var list []map[string]any
		for i := range partitions {
			list = append(list, map[string]any{"name": fmt.Sprintf("P%03d", i), "source": map[string]any{"type": "m", "expression": m}})
		}
		return []map[string]any{{"name": "Rows", "columns": column, "partitions": list}}
	}
	deploy := func(name string, tables any) powerbi.Ref {
		text, err := os.ReadFile(writeBim(b, name, tables))
		if err != nil {
			b.Fatal(err)
		}
		done, err := client.Deploy(ctx, powerbi.Definition{Workspace: "Bench", CreateWorkspace: true, Name: name, Files: map[string][]byte{"model.bim": text}})
		if err != nil {
			b.Fatal(err)
		}
		return powerbi.Ref{GroupID: done.Workspace.ID, DatasetID: done.Dataset.ID}
	}
	hundred := deploy("Hundred", table(100, fmt.Sprintf("let\n    Source = Csv.Document(File.Contents(%q),[Delimiter=\",\", Columns=%d, Encoding=65001, QuoteStyle=QuoteStyle.None]),\n"+
		"    Promoted = Table.PromoteHeaders(Source),\n    Kept = Table.SelectColumns(Promoted, {\"id\"}),\n    Typed = Table.TransformColumnTypes(Kept,{{\"id\", Int64.Type}})\nin\n    Typed", big, len(columns))))
	var small []powerbi.Ref
	for i := range posts {
		small = append(small, deploy(fmt.Sprintf("Small %d", i), table(1, fmt.Sprintf("Table.PromoteHeaders(Csv.Document(File.Contents(%q)))", tiny))))
	}
	two := 2
	running, err := client.Refresh(ctx, hundred, powerbi.RefreshRequest{Type: "full", MaxParallelism: &two}, powerbi.RefreshOptions{})
	if err != nil {
		b.Fatal(err)
	}

	floor := httptest.NewServer(durableHandler(b, filepath.Join(dir, "floor.db")))
	defer floor.Close()
	for b.Loop() {
		floorRate, floorP99 := drive(b, func(i int) error {
			response, err := http.Post(floor.URL, "application/json", nil)
			if err == nil {
				response.Body.Close()
			}
			return err
		})
		rate, p99 := drive(b, func(i int) error {
			_, err := client.Refresh(ctx, small[i], powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
			return err
		})
		detail, err := client.RefreshDetail(ctx, hundred, running.RequestID)
		if err != nil {
			b.Fatal(err)
		}
		if detail.Status.Ended() {
			b.Fatalf("the refresh of 100 partitions was over (%s) before the posts were: raise FRESHET_BENCH_ROWS", detail.Status)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(floorRate, "floor-post/s")
		b.ReportMetric(rate, "freshet-post/s")
		b.ReportMetric(floorP99.Seconds()*1000, "floor-p99-ms")
		b.ReportMetric(p99.Seconds()*1000, "freshet-p99-ms")
		b.ReportMetric(p99.Seconds()/floorP99.Seconds(), "ratio")
		b.ReportMetric(3, "aim-ratio")
	}
	if err := client.CancelRefresh(ctx, hundred, running.RequestID); err != nil {
		b.Fatal(err)
	}
}

// drive calls post for 0 … posts-1 from all clients and returns the rate per second and the 99th percentile of the latency.
func drive(b *testing.B, post func(i int) error) (rate float64, p99 time.Duration) {
	b.Helper()
	var next atomic.Int64
	latencies := make([]time.Duration, posts)
	begin := time.Now()
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < posts; i = int(next.Add(1)) - 1 {
				sent := time.Now()
				if err := post(i); err != nil {
					b.Error(err)
					return
				}
				latencies[i] = time.Since(sent)
			}
		})
	}
	group.Wait()
	if b.Failed() {
		b.FailNow()
	}
	elapsed := time.Since(begin)
	slices.Sort(latencies)
	return posts / elapsed.Seconds(), latencies[posts*99/100]
}

// durableHandler is the floor: net/http and one row in a SQLite database that survives a power cut.
func durableHandler(b *testing.B, path string) http.Handler {
	b.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate&_busy_timeout=10000")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE accepted (id INTEGER PRIMARY KEY, at TEXT)"); err != nil {
		b.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := db.Exec("INSERT INTO accepted (at) VALUES (?)", time.Now().Format(time.RFC3339Nano)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
}
