package tests

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// running is a server in this process and a client that talks to it over HTTP.
type running struct {
	*powerbi.Client
}

// start opens a server on a free port of loopback with a data directory of its own.
func start(t *testing.T, sources ...server.DataSource) running {
	t.Helper()
	config := server.DefaultConfig()
	config.Listen = "127.0.0.1:0"
	config.Data = t.TempDir()
	config.Auth.Mode = server.AuthNone
	config.DataSources = sources
	ctx, stop := context.WithCancel(context.Background())
	s, err := server.Open(ctx, config, slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the server ended with: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("the server closed with: %v", err)
		}
	})
	return running{Client: &powerbi.Client{Host: s.Address().URL}}
}

// testLog writes a log to the test's output.
type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s", line)
	return len(line), nil
}

// deploy deploys files as a model.
func (r running) deploy(t *testing.T, name string, files map[string][]byte) powerbi.Ref {
	t.Helper()
	done, err := r.Deploy(t.Context(), powerbi.Definition{Workspace: "Tests", CreateWorkspace: true, Name: name, Files: files})
	if err != nil {
		t.Fatalf("cannot deploy %s: %v", name, err)
	}
	return powerbi.Ref{GroupID: done.Workspace.ID, DatasetID: done.Dataset.ID}
}

// refresh starts an enhanced refresh and returns its detail when it has ended.
func (r running) refresh(t *testing.T, ref powerbi.Ref, request powerbi.RefreshRequest) powerbi.RefreshDetail {
	t.Helper()
	accepted, err := r.Refresh(t.Context(), ref, request, powerbi.RefreshOptions{})
	if err != nil {
		t.Fatalf("cannot start the refresh: %v", err)
	}
	return r.ended(t, ref, accepted.RequestID)
}

// ended polls the detail until the refresh has ended.
func (r running) ended(t *testing.T, ref powerbi.Ref, id string) powerbi.RefreshDetail {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		detail, err := r.RefreshDetail(t.Context(), ref, id)
		if err != nil {
			t.Fatalf("cannot read the detail: %v", err)
		}
		if detail.Status.Ended() {
			return detail
		}
	}
	panic("the ticker ended")
}

// row returns the one row of a query as text, null as "".
func (r running) row(t *testing.T, ref powerbi.Ref, sql string) []string {
	t.Helper()
	row, err := r.tryRow(t.Context(), ref, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return row
}

func (r running) tryRow(ctx context.Context, ref powerbi.Ref, sql string) ([]string, error) {
	rows, err := r.Query(ctx, ref.DatasetID, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	cells, err := rows.Next()
	if err != nil {
		return nil, err
	}
	row := make([]string, len(cells))
	for i, cell := range cells {
		var text *string
		if json.Unmarshal(cell, &text) != nil {
			row[i] = string(cell)
		} else if text != nil {
			row[i] = *text
		}
	}
	if _, err := rows.Next(); err != io.EOF {
		return nil, errors.Join(errors.New("more than one row"), err)
	}
	return row, nil
}
