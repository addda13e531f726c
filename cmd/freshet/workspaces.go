package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) workspaces() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "workspaces",
		Short: "List workspaces",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			groups, err := client.Groups(cmd.Context(), "")
			if err != nil {
				return err
			}
			return list(a, groups, []string{"Name", "Id", "Kind"}, func(g powerbi.Group) []string {
				kind := "shared"
				if g.IsOnDedicatedCapacity {
					kind = "on a capacity"
				}
				return []string{g.Name, g.ID, kind}
			})
		},
	})
}

func (a *app) workspace() *cobra.Command {
	parent := &cobra.Command{Use: "workspace", Short: "Create workspaces", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	parent.AddCommand(&cobra.Command{
		Use:     "create NAME",
		Short:   "Create a workspace; you become its Admin",
		Example: `  freshet workspace create Sales`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			group, err := client.CreateGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Created workspace %s (%s)\n", group.Name, group.ID)
			return nil
		},
	})
	return parent
}
