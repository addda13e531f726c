package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
				if g.Freshet != nil && g.Freshet.Overflow != "" {
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
	parent.AddCommand(a.createWorkspace(), a.assignWorkspace(), a.grantWorkspace(), a.workspaceUsers(), freshetOnly(a.setWorkspace()))
	return parent
}

func (a *app) createWorkspace() *cobra.Command {
	var shared bool
	cmd := &cobra.Command{
		Use:   "create NAME [--shared]",
		Short: "Create a workspace; you become its Admin",
		Long: `Create a workspace, of which you become Admin. It is on the first capacity, or with --shared on none: models there take standard refreshes only,
eight a day.`,
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
			if shared {
				if err := client.AssignToCapacity(cmd.Context(), group.ID, powerbi.NoCapacity); err != nil {
					return err
				}
			}
			fmt.Fprintf(a.out, "Created workspace %s (%s)\n", group.Name, group.ID)
			return nil
		},
	}
	cmd.Flags().BoolVar(&shared, "shared", false, "on no capacity")
	return cmd
}

func (a *app) assignWorkspace() *cobra.Command {
	var shared bool
	cmd := &cobra.Command{
		Use:   "assign NAME CAPACITY | NAME --shared",
		Short: "Put a workspace on a capacity, or on none",
		Example: `  freshet workspace assign Sales Nightly
  freshet workspace assign Sales --shared`,
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if shared == (len(args) == 2) {
				return usageError{errors.New("name a capacity, or give --shared")}
			}
			client, group, err := a.openGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			id, where := powerbi.NoCapacity, "no capacity"
			if !shared {
				where = "capacity " + args[1]
				if id, err = findCapacity(cmd.Context(), client, args[1]); err != nil {
					return err
				}
			}
			if err := client.AssignToCapacity(cmd.Context(), group.ID, id); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Workspace %s is on %s\n", group.Name, where)
			return nil
		},
	}
	cmd.Flags().BoolVar(&shared, "shared", false, "on no capacity")
	return cmd
}

// findCapacity finds a capacity's id by its name.
func findCapacity(ctx context.Context, client *powerbi.Client, name string) (string, error) {
	capacities, err := client.Capacities(ctx)
	if err != nil {
		return "", err
	}
	for _, capacity := range capacities {
		if strings.EqualFold(capacity.DisplayName, name) || strings.EqualFold(capacity.ID, name) {
			return capacity.ID, nil
		}
	}
	return "", fmt.Errorf("cannot find a capacity %q; 'freshet capacity list' lists them", name)
}

func (a *app) grantWorkspace() *cobra.Command {
	var app bool
	cmd := &cobra.Command{
		Use:   "grant NAME WHO ROLE [--app]",
		Short: "Give somebody a role in a workspace: Viewer, Contributor, Member, Admin, or None",
		Long: `Give a person (by the name that tokens have) or an application (by its id, with --app) a role in a workspace, in place of the one it had.
None takes it away. Viewer reads data; Contributor deploys and refreshes; Member adds others; Admin may do all.`,
		Example: `  freshet workspace grant Sales ana@example.com Contributor
  freshet workspace grant Sales 0a1b2c3d-0000-4000-8000-000000000001 Contributor --app`,
		Args: usage(cobra.ExactArgs(3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, group, err := a.openGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			user := powerbi.GroupUser{Identifier: args[1], AccessRight: args[2], PrincipalType: "User"}
			if app {
				user.PrincipalType = "App"
			}
			err = client.UpdateGroupUser(cmd.Context(), group.ID, user)
			var refusal *powerbi.Error
			if errors.As(err, &refusal) && refusal.Status == http.StatusNotFound && !refusal.FromFreshet() && !strings.EqualFold(args[2], "None") {
				err = client.AddGroupUser(cmd.Context(), group.ID, user) // Power BI changes the role of those alone who have one
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s in workspace %s: %s\n", args[1], group.Name, args[2])
			return nil
		},
	}
	cmd.Flags().BoolVar(&app, "app", false, "WHO is an application")
	return cmd
}

func (a *app) workspaceUsers() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "users NAME",
		Short: "List who has a role in a workspace",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, group, err := a.openGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			users, err := client.GroupUsers(cmd.Context(), group.ID)
			if err != nil {
				return err
			}
			return list(a, users, []string{"Who", "Kind", "Role", "Name"}, func(u powerbi.GroupUser) []string {
				return []string{u.Identifier, u.PrincipalType, u.AccessRight, u.DisplayName}
			})
		},
	})
}

func (a *app) setWorkspace() *cobra.Command {
	var settings powerbi.GroupSettings
	cmd := &cobra.Command{
		Use:   "set NAME [--overflow reject|drop] [--chains allOrNothing|commitEach]",
		Short: "Change a workspace's settings (Freshet only)",
		Long: `Change the settings of a workspace, which NAME or its GUID names. It needs the role Admin.

--overflow is what becomes of a standard refresh of a model while one runs and one is queued. drop: it is accepted and never run, as in Power BI.
reject: it is refused, with the id of the one that runs, as an enhanced refresh is.

--chains is how a dataflow is committed with those of the workspace that read it and are refreshed after it. allOrNothing: together, as in Power BI; when
one fails, none of them changes. commitEach: each by itself; when one fails, those before it stay refreshed and those that read it are not refreshed.`,
		Example: `  freshet workspace set Sales --overflow reject
  freshet workspace set Sales --chains commitEach`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if settings == (powerbi.GroupSettings{}) {
				return usageError{errors.New("nothing to change: give --overflow reject or drop, or --chains allOrNothing or commitEach")}
			}
			client, group, err := a.openGroup(cmd.Context(), args[0])
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
	cmd.Flags().StringVar(&settings.DataflowChains, "chains", "", "allOrNothing or commitEach")
	return cmd
}

// openGroup connects to the server and finds a workspace there.
func (a *app) openGroup(ctx context.Context, text string) (*powerbi.Client, powerbi.Group, error) {
	client, err := a.connect()
	if err != nil {
		return nil, powerbi.Group{}, err
	}
	group, err := findGroup(ctx, client, text)
	return client, group, err
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
