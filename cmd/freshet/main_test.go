package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"freshet": main})
}

// TestScripts runs the verbs as a person does, each script against a server of its own whose models may read the script's folder.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: false,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			data := filepath.Join(env.WorkDir, "server")
			env.Setenv("FRESHET_DATA", data)
			config := server.DefaultConfig()
			config.Listen, config.Data = "127.0.0.1:0", data
			config.DataSources = []server.DataSource{{Kind: "File", Path: env.WorkDir}}
			config.Models = []server.Model{{Name: "Guarded/Numbers", Guards: server.Guards{LeastShareOfRows: 0.5}}}
			ctx, stop := context.WithCancel(context.Background())
			s, err := server.Open(ctx, config, slog.New(slog.DiscardHandler))
			if err != nil {
				stop()
				return err
			}
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			env.Setenv("URL", s.Address().URL)
			env.Defer(func() {
				stop()
				if err := <-ended; err != nil {
					t.Errorf("the server ended with %v", err)
				}
				if err := s.Close(); err != nil {
					t.Errorf("closing the server: %v", err)
				}
			})
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "capture": capture, "fill": fill, "until": until,
		},
	})
	goleak.VerifyNone(t)
}

// exits CODE COMMAND… runs a command that must end with that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// capture NAME REGEXP sets a variable to the first group of what matches in the last command's output.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) < 2 {
		ts.Fatalf("the output does not match %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// until REGEXP COMMAND… repeats a command until its output matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND…")
	}
	pattern := regexp.MustCompile(args[0])
	for range 200 {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("the output never matched %s", args[0])
}

// fill FILE replaces $WORK in a file.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		content, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(content), "$WORK", ts.Getenv("WORK"))), 0o600))
	}
}

// An interrupted wait is 130, a wait that reached its own limit is 4, whatever else went wrong with it.
func TestExitCodes(t *testing.T) {
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	failed := powerbi.Result{Status: powerbi.Failed}
	for _, tt := range []struct {
		ctx  context.Context
		err  error
		want int
	}{
		{context.Background(), errors.New("x"), 1},
		{context.Background(), usageError{errors.New("x")}, 2},
		{context.Background(), failed.Err(), 3},
		{context.Background(), fmt.Errorf("cannot wait: %w", errWaitTimeout), 4},
		{interrupted, fmt.Errorf("cannot wait: %w", context.Canceled), 130},
	} {
		if got := exitCode(tt.ctx, tt.err); got != tt.want {
			t.Errorf("%v is %d, want %d", tt.err, got, tt.want)
		}
	}
}

// R28, F3: the plain display of a wait, from Freshet's detail and from Power BI's, which has no rows.
func TestLineWatch(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := newLineWatch(&out, func() time.Time { return now })
	observe := func(status powerbi.Status, objects ...powerbi.ObjectProgress) {
		w.observe("", powerbi.Observed{Status: status, Detail: powerbi.RefreshDetail{Freshet: &powerbi.Progress{Objects: objects}}})
		now = now.Add(time.Second)
	}
	loading := powerbi.ObjectProgress{Table: "Sales", Partition: "2024", Status: powerbi.InProgress}
	observe(powerbi.NotStarted, powerbi.ObjectProgress{Table: "Sales", Partition: "2024", Status: powerbi.NotStarted})
	observe(powerbi.InProgress, loading)
	loading.Rows, loading.RowsPerSecond, loading.Bytes, loading.TotalBytes = 1200000, 250000, 40, 100
	for range 6 {
		observe(powerbi.InProgress, loading)
	}
	loading.Status = powerbi.Completed
	observe(powerbi.Completed, loading)
	w.observe("", powerbi.Observed{Status: powerbi.InProgress, Detail: powerbi.RefreshDetail{Objects: []powerbi.RefreshObject{{Table: "T", Partition: "\x1b[2JP", Status: powerbi.InProgress}}}})
	want := `12:00:00 NotStarted
12:00:01 InProgress
12:00:01 Sales/2024: InProgress
12:00:05 Sales/2024: InProgress, 1,200,000 rows, 250,000 rows/s, 40 %
12:00:08 Sales/2024: Completed, 1,200,000 rows, 250,000 rows/s
12:00:09 InProgress
12:00:09 T/ [2JP: InProgress
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567890: "1,234,567,890"} {
		if got := count(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1536: "1.5 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
