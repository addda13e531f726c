package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) delete() *cobra.Command {
	return &cobra.Command{
		Use:     "delete MODEL",
		Short:   "Delete a model and its data",
		Example: `  freshet delete Sales/Orders`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := client.DeleteDataset(cmd.Context(), m.ref()); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Deleted %s (%s)\n", m, m.ID)
			return nil
		},
	}
}
