package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
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
			return list(a, groups, []string{"Name", "Id", "Kind", "Overflow"}, func(g powerbi.Group) []string {
				kind, overflow := "shared", "drop"
				if g.IsOnDedicatedCapacity {
					kind = "on a capacity"
				}
				if g.Freshet != nil {
					overflow = g.Freshet.Overflow
				}
				return []string{g.Name, g.ID, kind, overflow}
			})
		},
	})
}

func (a *app) workspace() *cobra.Command {
	parent := &cobra.Command{Use: "workspace", Short: "Create and change workspaces", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	parent.AddCommand(a.setWorkspace(), &cobra.Command{
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

func (a *app) setWorkspace() *cobra.Command {
	var settings powerbi.GroupSettings
	cmd := &cobra.Command{
		Use:   "set NAME --overflow reject|drop",
		Short: "Change a workspace's settings (Freshet only)",
		Long: `Change the settings of a workspace, which NAME or its GUID names. It needs the role Admin.

--overflow is what becomes of a standard refresh of a model while one runs and one is queued. drop: it is accepted and never run, as in Power BI.
reject: it is refused, with the id of the one that runs, as an enhanced refresh is.`,
		Example: `  freshet workspace set Sales --overflow reject`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if settings.Overflow == "" {
				return usageError{errors.New("nothing to change: give --overflow reject or --overflow drop")}
			}
			client, err := a.connect()
			if err != nil {
				return err
			}
			group, err := findGroup(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			if group, err = client.ChangeGroup(cmd.Context(), group.ID, settings); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Changed workspace %s (%s)\n", group.Name, group.ID)
			return nil
		},
	}
	cmd.Flags().StringVar(&settings.Overflow, "overflow", "", "reject or drop")
	return cmd
}

// findGroup finds a workspace by name or GUID.
func findGroup(ctx context.Context, client *powerbi.Client, text string) (powerbi.Group, error) {
	if uuid.Validate(text) == nil {
		return client.Group(ctx, text)
	}
	groups, err := client.Groups(ctx, powerbi.NameFilter(text))
	if err != nil {
		return powerbi.Group{}, err
	}
	for _, group := range groups {
		if strings.EqualFold(group.Name, text) {
			return group, nil
		}
	}
	return powerbi.Group{}, fmt.Errorf("cannot find a workspace %q; 'freshet workspaces' lists them", text)
}
