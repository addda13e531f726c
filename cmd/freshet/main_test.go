package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"freshet.dev/internal/server"
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
			"exits": exits, "capture": capture, "fill": fill,
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

// fill FILE replaces $WORK in a file.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		content, err := os.ReadFile(path)
		ts.Check(err)
		ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(content), "$WORK", ts.Getenv("WORK"))), 0o600))
	}
}
