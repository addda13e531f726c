package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"freshet.dev/cmd/freshet/sample"
	"freshet.dev/internal/auth"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// The demo: where its model goes, how large its data is, what it is asked.
const (
	demoFolder    = "demo-data"
	demoWorkspace = "Demo"
	demoModel     = "Retail"
	demoTable     = "Sales"
	demoRows      = 2_000_000
	demoQuery     = `SELECT Country, count(*) AS "Sales", sum("Net Amount") AS "Net Amount" FROM Sales JOIN Store USING (StoreKey) GROUP BY Country ORDER BY "Net Amount" DESC`
)

func (a *app) demo() *cobra.Command {
	var rows int
	cmd := &cobra.Command{
		Use:   "demo [--data DIR] [--rows N]",
		Short: "Run a server with sample data, refresh it, and show what to try",
		Long: `Run a server with everything inside, on this machine alone: make sample data (a retail model with about two million sales), deploy the model,
refresh it with live progress, and print what to try next. The server runs until it is interrupted.

The data lies in ./demo-data (or --data) and is made once; starting again uses it. FRESHET_DEMO_EXIT=1 ends after the refresh, with
its result as exit code.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rows < 1000 {
				return usageError{errors.New("--rows must be 1000 or more")}
			}
			return a.runDemo(cmd.Context(), rows)
		},
	}
	cmd.Flags().IntVar(&rows, "rows", demoRows, "how many sales the sample data has")
	return cmd
}

func (a *app) runDemo(ctx context.Context, rows int) (err error) {
	folder := a.data
	if folder == "" {
		folder = demoFolder
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	samples := filepath.Join(folder, "sample")
	if err := a.makeSamples(ctx, samples, rows); err != nil {
		return err
	}
	s, err := a.startDemo(ctx, folder, samples)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(ctx)
		stop() // a server that fails ends the demo
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-ended, s.Close())
	}()
	m, err := a.refreshDemo(ctx, s, samples)
	if err != nil || os.Getenv("FRESHET_DEMO_EXIT") == "1" {
		return err
	}
	a.printTour(s.Address(), m)
	<-ctx.Done()
	fmt.Fprintln(a.out, "\nStopping. 'freshet demo' goes on with the same data.")
	return nil
}

// makeSamples makes the sample data, unless it is there for that number of rows and in that place (the model names its folder).
func (a *app) makeSamples(ctx context.Context, folder string, rows int) error {
	marker := filepath.Join(folder, "made")
	made := fmt.Sprintf("%d sales in %s\n", rows, folder)
	if content, err := os.ReadFile(marker); err == nil && string(content) == made {
		return nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Making sample data, %s sales, in %s\n", count(int64(rows)), folder)
	began := time.Now()
	if err := sample.Write(ctx, folder, rows, nil); err != nil {
		return fmt.Errorf("cannot make the sample data: %w", err)
	}
	fmt.Fprintf(a.out, "Made in %s\n", time.Since(began).Round(100*time.Millisecond))
	return os.WriteFile(marker, []byte(made), 0o600)
}

// startDemo opens a server on loopback whose models may read the sample data.
func (a *app) startDemo(ctx context.Context, folder, samples string) (*server.Server, error) {
	config := server.DefaultConfig()
	config.Data = folder
	config.DataSources = []server.DataSource{{Kind: "File", Path: samples}}
	logger := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.Open(ctx, config, logger)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(config.Listen)
		config.Listen = "127.0.0.1:0"
		if s, err = server.Open(ctx, config, logger); err == nil {
			fmt.Fprintf(a.out, "Port %s is taken: using %s\n", port, s.Address().URL)
		}
	}
	return s, err
}

// refreshDemo deploys the sample model, refreshes it, and asks it something.
func (a *app) refreshDemo(ctx context.Context, s *server.Server, samples string) (model, error) {
	address := s.Address()
	issuer, err := auth.NewLocal(address.Data)
	if err != nil {
		return model{}, err
	}
	a.host, a.format = address.URL, formatTable
	client := &powerbi.Client{Host: address.URL, Token: func(context.Context) (string, error) { return issuer.Issue(ownerClaims()) }}
	files, err := readDefinition(filepath.Join(samples, demoModel+".SemanticModel"))
	if err != nil {
		return model{}, err
	}
	deployed, err := client.Deploy(ctx, powerbi.Definition{Workspace: demoWorkspace, CreateWorkspace: true, Name: demoModel, Files: files})
	if err != nil {
		return model{}, err
	}
	if err := a.printDeployment(deployed, false); err != nil {
		return model{}, err
	}
	m := model{Dataset: deployed.Dataset, Workspace: deployed.Workspace.Name, WorkspaceID: deployed.Workspace.ID}
	accepted, err := client.Refresh(ctx, m.ref(), powerbi.RefreshRequest{Type: "Full"}, powerbi.RefreshOptions{})
	if err != nil {
		return model{}, err
	}
	if err := a.follow(ctx, client, m, accepted, 0); err != nil {
		return model{}, err
	}
	fmt.Fprintf(a.out, "\n%s\n", demoQuery)
	rows, err := client.Query(ctx, m.ID, demoQuery)
	if err != nil {
		return model{}, err
	}
	defer rows.Close()
	return m, a.writeTable(names(rows.Columns), rows.Next)
}

// printTour tells what to try next, in commands that can be copied.
func (a *app) printTour(address server.Address, m model) {
	command, suffix := "freshet", " --data "+address.Data
	if here, err := os.Getwd(); err == nil {
		if path, err := os.Executable(); err == nil {
			command = path
			if relative, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(relative) {
				command = relative
			}
		}
		if filepath.Join(here, demoFolder) == address.Data {
			suffix = ""
		}
	}
	fmt.Fprintf(a.out, `
Freshet serves %[1]s until you interrupt it (Ctrl-C). In another terminal, in this folder:

  %[2]s query %[3]s '%[4]s'%[5]s
  %[2]s refresh %[3]s --type full --wait%[5]s
  %[2]s refreshes %[3]s%[5]s
  %[2]s explain %[3]s %[6]s%[5]s
  curl -H "Authorization: Bearer $(%[2]s token%[5]s)" %[1]s/v1.0/myorg/groups/%[7]s/datasets/%[8]s/refreshes
`, address.URL, command, m.Name, demoQuery, suffix, demoTable, m.WorkspaceID, m.ID)
}
