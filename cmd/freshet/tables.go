package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) tables() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "tables MODEL",
		Short: "List the tables of a model, with their columns and measures",
		Long: `List the tables of a model as it is deployed, with their columns and measures; hidden ones too. Power BI tells them of push datasets only. --format json tells
the types and expressions.`,
		Example: `  freshet tables Sales
  freshet tables Sales --format json`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			tables, err := client.Tables(cmd.Context(), m.ref())
			if err != nil {
				return err
			}
			return list(a, tables, []string{"Table", "Hidden", "Columns", "Measures"}, func(t powerbi.Table) []string {
				var columns, measures []string
				for _, column := range t.Columns {
					columns = append(columns, column.Name)
				}
				for _, measure := range t.Measures {
					measures = append(measures, measure.Name)
				}
				return []string{t.Name, fmt.Sprint(t.IsHidden), strings.Join(columns, ", "), strings.Join(measures, ", ")}
			})
		},
	})
}
