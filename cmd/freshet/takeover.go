package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) takeover() *cobra.Command {
	return &cobra.Command{
		Use:   "takeover MODEL",
		Short: "Become the owner of a model, who alone may configure it",
		Long: `Become the owner of a model. Its owner, who is at first whoever deploys it, alone may change its parameters, data sources and schedule.
It needs the role Contributor.`,
		Example: `  freshet takeover Sales`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := client.TakeOver(cmd.Context(), m.ref()); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "You own %s\n", args[0])
			return nil
		},
	}
}
