package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"freshet.dev/internal/auth"
)

func (a *app) approve() *cobra.Command {
	var (
		as      string
		decline bool
	)
	cmd := &cobra.Command{
		Use:   "approve CODE [--as NAME]",
		Short: "Sign in the program that shows a device code",
		Long: `Sign in a program that waits with a device code: it gets a token that speaks for you, or for the person that --as names,
with the roles that workspaces give that name. It may do no more than the token that you approve it with.`,
		Example: `  freshet approve F7TQ2ABCD
  freshet approve F7TQ2ABCD --as ana@example.com`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" || as == "" && cmd.Flags().Changed("as") {
				return usageError{errors.New("an empty text is no code and no name")}
			}
			client, err := a.connect()
			if err != nil {
				return err
			}
			decided, err := client.DecideSignIn(cmd.Context(), args[0], as, !decline)
			if err != nil {
				return err
			}
			if decline {
				fmt.Fprintf(a.out, "Declined: %s gets no token.\n", decided.Client)
				return nil
			}
			fmt.Fprintf(a.out, "Approved: %s speaks for %s to %s.\n", decided.Client, decided.As, decided.Audience)
			return nil
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "for this person instead of you")
	cmd.Flags().BoolVar(&decline, "decline", false, "refuse it")
	return cmd
}

func (a *app) secret() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Make the secretHash of a client for the configuration",
		Long: `Read a client's secret from the standard input, or ask for it, and print what the configuration keeps of it: under 'clients', as secretHash.
The secret itself is for the program that signs in, and stands nowhere in Freshet.`,
		Example: `  openssl rand -base64 30 | tee /dev/stderr | freshet secret`,
		Args:    usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			secret, err := a.readSecret()
			if err != nil {
				return err
			}
			if len(secret) < 16 {
				return errors.New("cannot hash the secret: it has fewer than 16 characters; 'openssl rand -base64 30' makes a good one")
			}
			hash, err := auth.HashSecret(secret)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, hash)
			return nil
		},
	}
}

func (a *app) readSecret() (string, error) {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprint(a.err, "Secret (not shown): ")
		secret, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(a.err)
		return string(secret), err
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line != "" {
		return line, nil
	}
	return "", errors.Join(errors.New("cannot read a secret from the standard input"), err)
}
