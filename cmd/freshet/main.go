// Command freshet is Freshet: the server, and the verbs that talk to it or to Power BI.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefresh     = 3
	exitWaitTimeout = 4
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once: draining may take half a minute
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, err: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := exitCode(ctx, err)
	var refused *powerbi.RefreshError // whose messages the wait has printed
	if code == exitRefresh && errors.As(err, &refused) {
		return code
	}
	var client clientError // which has told what is wrong itself
	if errors.As(err, &client) {
		return client.code
	}
	fmt.Fprintln(stderr, "freshet: "+strings.TrimPrefix(failureText(err), "freshet: "))
	if hint := nextStep(err, a.host); hint != "" {
		fmt.Fprintln(stderr, hint)
	}
	return code
}

// failureText is an error as a person at the command line reads it: an answer of the service begins with what it says, and ends with its
// status, its code and the id that support asks for. Its address tells them nothing.
func failureText(err error) string {
	var refusal *powerbi.Error
	if !errors.As(err, &refusal) || refusal.Message == "" {
		return err.Error()
	}
	text := fmt.Sprintf("%s [%s]", refusal.Message, strings.TrimSpace(fmt.Sprint(refusal.Status, " ", refusal.Code)))
	if refusal.RequestID != "" {
		text += " (RequestId " + refusal.RequestID + ")"
	}
	return strings.Replace(err.Error(), refusal.Error(), text, 1)
}

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errWaitTimeout is the end of --wait-timeout.
var errWaitTimeout = errors.New("the wait reached its --wait-timeout")

func exitCode(ctx context.Context, err error) int {
	var (
		usage     usageError
		statement statementError
		refused   *powerbi.RefreshError
	)
	switch {
	case errors.Is(err, errWaitTimeout), fault.CodeOf(err) == connector.CodeWaitLimit:
		return exitWaitTimeout
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &statement):
		return exitUsage
	case errors.As(err, &refused), fault.CodeOf(err) == connector.CodeRefreshFailed:
		return exitRefresh
	}
	return exitFailed
}

// nextStep tells what to do about an error that does not say so itself.
func nextStep(err error, host string) string {
	var (
		refusal *powerbi.Error
		lost    *powerbi.TransportError
		usage   usageError
	)
	switch {
	case errors.As(err, &usage):
		return "See 'freshet help' or 'freshet VERB --help'."
	case errors.As(err, &lost) && isPowerBI(host):
		return "Can this machine reach " + host + "? HTTPS_PROXY names a proxy."
	case errors.As(err, &lost):
		return "Is the server running there? 'freshet serve' or 'freshet demo' starts one; --host or FRESHET_HOST names another than " + host + "."
	case errors.As(err, &refusal) && refusal.Status == 404 && !refusal.FromFreshet() && strings.Contains(refusal.URL, "/v1.0/freshet/"):
		return "This verb is for Freshet alone, and " + host + " does not answer as Freshet does."
	case errors.As(err, &refusal) && refusal.Status == 401 && isPowerBI(host):
		return "Sign in by a profile ('freshet help profiles'), or set FRESHET_TOKEN to a token whose audience is https://analysis.windows.net/powerbi/api."
	case errors.As(err, &refusal) && refusal.Status == 401:
		return "Set FRESHET_TOKEN to a token for " + host + "; on the server's machine 'freshet token --data DIR' prints one."
	case errors.As(err, &refusal) && refusal.Status == 403 && !refusal.FromFreshet():
		return "Ask somebody who is Admin of the workspace for the right that it needs."
	}
	return ""
}

// app is what the verbs share.
type app struct {
	out, err io.Writer
	host     string // --host; then whom choose has found
	profile  string // --profile
	chosen   *target
	data     string // --data, else FRESHET_DATA
	format   string // --format
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "freshet",
		Short: "Deploy semantic models and dataflows, refresh them from their sources, query the result",
		Long: `Freshet refreshes semantic models (TMDL folders, model.bim) and dataflows (model.json, .Dataflow folders) on your own machine, over the same REST API as
Power BI.

Start a server with 'freshet serve' or, with sample data, 'freshet demo'. The other verbs talk to a server: the one that --host or
FRESHET_HOST names (with the token of FRESHET_TOKEN), else the profile that --profile or FRESHET_PROFILE names ('freshet help profiles'), else the one that
uses ./data or ./demo-data on this machine, else http://127.0.0.1:8480. A host may be Power BI itself: https://api.powerbi.com. Verbs and flags
that Power BI has nothing for say so.

MODEL is a name, WORKSPACE/NAME or a GUID.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the refresh failed, 4 the wait timed out, 130 interrupted.`,
		Example: `  freshet demo
  freshet deploy ./Sales.SemanticModel --workspace Sales
  freshet refresh Sales --wait
  freshet query Sales "SELECT count(*) FROM Orders"`,
		SilenceUsage: true, SilenceErrors: true,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	root.SetHelpCommand(a.help(root))
	root.PersistentFlags().StringVar(&a.host, "host", "", "server to talk to, such as http://127.0.0.1:8480 or https://api.powerbi.com")
	root.PersistentFlags().StringVar(&a.profile, "profile", "", "named profile to talk to a host by; see 'freshet help profiles'")
	root.PersistentFlags().StringVar(&a.data, "data", "", "data directory of the server of this machine")
	root.PersistentPreRunE = a.fits
	root.AddCommand(a.serve(), a.demo(), freshetOnly(a.deploy()), a.models(), a.dataflows(), a.workspaces(), a.workspace(), a.refresh(), a.refreshes(), a.show(), a.cancel(), a.schedule(), a.tables(), a.parameters(), a.datasources(), a.takeover(), a.users(), a.grant(),
		freshetOnly(a.capacity()), freshetOnly(a.versions()), freshetOnly(a.rollback()), freshetOnly(a.verify()), freshetOnly(a.explain()), freshetOnly(a.query()), a.sql(), a.token(),
		freshetOnly(a.approve()), a.secret(), a.exec(), a.inside(), a.delete(), a.profilesHelp())
	return root
}

// usage makes an error of the arguments a usage error.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case cmd.HasAvailableSubCommands():
			return noVerb(cmd, args[0])
		}
		return usageError{fmt.Errorf("%w: usage: %s", err, cmd.UseLine())}
	}
}

// noVerb is the error of a word that is none of a command's verbs.
func noVerb(cmd *cobra.Command, word string) error {
	var verbs []string
	for _, verb := range cmd.Commands() {
		if verb.IsAvailableCommand() {
			verbs = append(verbs, verb.Name())
		}
	}
	hint := ""
	if near := fault.Nearest(word, verbs); cmd.HasParent() { // it has few
		hint = "; there are " + strings.Join(verbs, ", ")
	} else if near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	line := strings.TrimPrefix(cmd.CommandPath()+" "+word, "freshet ")
	return usageError{fmt.Errorf("there is no verb %q%s", line, hint)}
}

// flagError says of a value that a flag cannot have which it can.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	takes := map[string]string{"int": "a whole number", "int64": "a whole number", "bool": "true or false", "duration": "a time such as 90s, 30m or 2h"}
	what, known := takes[invalid.GetFlag().Value.Type()]
	if !known {
		return err
	}
	return fmt.Errorf("cannot use %q for --%s: it takes %s", invalid.GetValue(), invalid.GetFlag().Name, what)
}

// help tells about a verb, or about all.
func (a *app) help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB]…",
		Short:   "Tell about a verb, or about all",
		Example: `  freshet help refresh`,
		RunE: func(_ *cobra.Command, words []string) error {
			verb, rest, err := root.Find(words)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return noVerb(verb, rest[0])
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}
