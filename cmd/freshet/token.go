package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet.dev/internal/auth"
)

func (a *app) token() *cobra.Command {
	var (
		scopes   []string
		as       string
		app      bool
		lifetime time.Duration
	)
	cmd := &cobra.Command{
		Use:   "token [--as NAME [--app]] [--scope SCOPE]… [--lifetime 1h]",
		Short: "Print a bearer token for the server of this machine",
		Long: `Print a bearer token, signed with the key in the server's data directory (--data, FRESHET_DATA, else ./data or ./demo-data). Whoever can read
that key may do everything; --as makes a token for somebody else, who has the roles that workspaces give that name.`,
		Example: `  curl -H "Authorization: Bearer $(freshet token)" http://127.0.0.1:8480/v1.0/myorg/groups
  freshet token --as ana@example.com --scope Dataset.Read.All --lifetime 15m`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case as == "" && cmd.Flags().Changed("as"): // an owner's token is not what an empty variable should give
				return usageError{errors.New("--as names nobody; without --as the token is the owner's")}
			case lifetime <= 0:
				return usageError{errors.New("--lifetime must be longer than 0")}
			}
			known := append(auth.AllScopes(), auth.ScopeAzure)
			for _, scope := range scopes {
				if !slices.Contains(known, scope) {
					return usageError{fmt.Errorf("there is no --scope %q: the scopes are %s", scope, strings.Join(known, ", "))}
				}
			}
			folder, err := a.keyFolder()
			if err != nil {
				return err
			}
			issuer, err := auth.NewLocal(folder)
			if err != nil {
				return err
			}
			claims := ownerClaims()
			if as != "" {
				claims = auth.Claims{Subject: as, Name: as, App: app, Scopes: auth.AllScopes()}
			}
			switch {
			case app && len(scopes) > 0:
				return usageError{errors.New("--app and --scope do not go together: an application's token has no scopes, its roles say what it may do")}
			case app && as != "":
				claims.Scopes = nil
			case app:
				return usageError{errors.New("--app needs --as: it says that the token speaks for an application")}
			}
			if len(scopes) > 0 {
				claims.Scopes = scopes
			}
			claims.Lifetime = lifetime
			token, err := issuer.Issue(claims)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, token)
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&scopes, "scope", nil, "only this scope, such as Dataset.Read.All; may be given again (default: all)")
	cmd.Flags().StringVar(&as, "as", "", "for this caller instead of the owner of the machine")
	cmd.Flags().BoolVar(&app, "app", false, "the caller is an application (service principal)")
	cmd.Flags().DurationVar(&lifetime, "lifetime", time.Hour, "how long the token is good")
	return cmd
}

// keyFolder is the data directory whose key signs.
func (a *app) keyFolder() (string, error) {
	if local, running := a.findLocal(); running {
		return local.Data, nil
	}
	folders := []string{a.data}
	if a.data == "" {
		folders = []string{"data", "demo-data"}
	}
	for _, folder := range folders {
		if info, err := os.Stat(filepath.Join(folder, "keys")); err == nil && info.IsDir() {
			return folder, nil
		}
	}
	return "", fmt.Errorf("cannot find a server's data directory (looked for a folder keys in %v); start the server, or name its directory with --data DIR", folders)
}
