package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) users() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "users MODEL",
		Short: "List who may do what with a model",
		Long:  `List who may do what with a model, by a role in its workspace, by a grant on the model, or both. 'freshet workspace users' lists the roles.`,
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			users, err := client.DatasetUsers(cmd.Context(), m.ref())
			if err != nil {
				return err
			}
			return list(a, users, []string{"Who", "Kind", "Rights", "Name"}, func(u powerbi.DatasetUser) []string {
				return []string{u.Identifier, u.PrincipalType, u.AccessRight, u.DisplayName}
			})
		},
	})
}

func (a *app) grant() *cobra.Command {
	var app bool
	cmd := &cobra.Command{
		Use:   "grant MODEL WHO RIGHTS [--app]",
		Short: "Give somebody rights on one model: Read, ReadWrite, ReadReshare … or None",
		Long: `Give a person (by the name that tokens have) or an application (by its id, with --app) rights on one model, in place of those that it was given.

RIGHTS is None, or Read followed by any of Write, Reshare and Explore, in that order. Read reads the model and its data; Write refreshes and
configures it; Reshare gives others the same; Explore is for reports and means nothing here. What a role in the workspace gives stays:
'freshet workspace grant' changes that.`,
		Example: `  freshet grant Sales ana@example.com Read
  freshet grant Sales 0a1b2c3d-0000-4000-8000-000000000001 ReadWrite --app`,
		Args: usage(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			user := powerbi.DatasetUser{Identifier: args[1], AccessRight: args[2], PrincipalType: "User"}
			if app {
				user.PrincipalType = "App"
			}
			if err := client.UpdateDatasetUser(cmd.Context(), m.ref(), user); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s on %s: %s\n", args[1], args[0], args[2])
			return nil
		},
	}
	cmd.Flags().BoolVar(&app, "app", false, "WHO is an application")
	return cmd
}
