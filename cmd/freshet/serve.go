package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/server"
)

func (a *app) serve() *cobra.Command {
	var configPath, listen, tlsListen, tdsListen, level string
	cmd := &cobra.Command{
		Use:   "serve [--config freshet.yaml] [--data DIR] [--listen HOST:PORT]",
		Short: "Run the server until it is interrupted",
		Long: `Run the server: REST API, refreshes, queries. Everything it needs lies in its data directory; nothing else has to be installed.

The configuration names the data sources that models may read, among other things: see freshet.example.yaml. Without --config
everything has its default, and models can read no source. SIGTERM and Ctrl-C drain running requests; refreshes that
do not end in time go on at the next start.`,
		Example: `  freshet serve --data ./data
  freshet serve --config /etc/freshet/freshet.yaml`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config := server.DefaultConfig()
			if configPath != "" {
				var err error
				if config, err = server.ReadConfig(configPath); err != nil {
					return usageError{err}
				}
			}
			if a.data != "" {
				config.Data = a.data
			}
			if listen != "" {
				config.Listen = listen
			}
			if tlsListen != "" {
				config.TLSListen = tlsListen
			}
			if tdsListen != "" {
				config.TDSListen = tdsListen
			}
			logger, err := newLogger(level)
			if err != nil {
				return usageError{err}
			}
			s, err := server.Open(cmd.Context(), config, logger)
			if fault.CodeOf(err) == server.CodeConfig {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "Freshet serves %s, data in %s\n", s.Address().URL, s.Address().Data)
			if s.Address().TLS != "" {
				fmt.Fprintf(a.err, "and https://%s\n", s.Address().TLS)
			}
			if s.Address().TDS != "" {
				fmt.Fprintf(a.err, "and clients of SQL Server at %s\n", s.Address().TDS)
			}
			err = s.Run(cmd.Context())
			if closeErr := s.Close(); err == nil {
				err = closeErr
			}
			return err
		},
	}
	cmd.Flags().StringVar(&configPath, "config", "", "configuration file")
	cmd.Flags().StringVar(&listen, "listen", "", "address to listen on (default "+server.DefaultListen+")")
	cmd.Flags().StringVar(&tlsListen, "tls-listen", "", "address to listen on by TLS too (default: none)")
	cmd.Flags().StringVar(&tdsListen, "tds-listen", "", "address to listen on for clients of SQL Server, such as 127.0.0.1:1433 (default: none)")
	cmd.Flags().StringVar(&level, "log", "info", "least level that is logged: debug, info, warn, error")
	return cmd
}

// newLogger logs to stderr: text on a terminal, JSON elsewhere.
func newLogger(level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("there is no log level %q: it is debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
}
