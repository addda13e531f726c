package main

import (
	"context"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) capacity() *cobra.Command {
	parent := &cobra.Command{
		Use:   "capacity",
		Short: "List, pause and resume capacities",
		Long: `List, pause and resume the capacities of the configuration. It is for the owner of the server's machine, and for applications that Entra has
made administrators.

A pause stops the refreshes that run on the capacity, with their source queries, and refuses new ones and queries. What is finished is kept: resumed
within 6 hours the refreshes go on by themselves and no attempt is lost; after that they end as TimedOut.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	parent.AddCommand(
		a.formatted(&cobra.Command{
			Use:     "list",
			Short:   "List the capacities with their states",
			Example: `  freshet capacity list --format json`,
			Args:    usage(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				client, err := a.connect()
				if err != nil {
					return err
				}
				capacities, err := client.AzureCapacities(cmd.Context(), powerbi.AzureGroup{})
				if err != nil {
					return err
				}
				return a.printCapacities(capacities...)
			},
		}),
		a.setCapacity("pause", "Pause a capacity and wait until what ran on it has stopped", (*powerbi.Client).SuspendCapacity),
		a.setCapacity("resume", "Resume a paused capacity", (*powerbi.Client).ResumeCapacity),
	)
	return parent
}

func (a *app) setCapacity(verb, short string, set func(*powerbi.Client, context.Context, powerbi.AzureGroup, string) error) *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:     verb + " NAME",
		Short:   short,
		Example: "  freshet capacity " + verb + " default",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			if err := set(client, cmd.Context(), powerbi.AzureGroup{}, args[0]); err != nil {
				return err
			}
			capacity, err := client.AzureCapacity(cmd.Context(), powerbi.AzureGroup{}, args[0])
			if err != nil {
				return err
			}
			return a.printCapacities(capacity)
		},
	})
}

// printCapacities prints capacities.
func (a *app) printCapacities(capacities ...powerbi.AzureCapacity) error {
	return list(a, capacities, []string{"Name", "State", "Since", "By"}, func(c powerbi.AzureCapacity) []string {
		row := []string{c.Name, c.Properties.State, "", ""}
		if c.Properties.State == "Succeeded" { // Azure's word for it
			row[1] = "Active"
		}
		if c.SystemData != nil {
			row[2], row[3] = moment(c.SystemData.LastModifiedAt.Time), c.SystemData.LastModifiedBy
		}
		return row
	})
}
