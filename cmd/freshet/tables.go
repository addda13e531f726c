package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) tables() *cobra.Command {
	var readable bool
	cmd := a.formatted(&cobra.Command{
		Use:   "tables MODEL [--readable]",
		Short: "List the tables of a model, with their columns and measures",
		Long: `List the tables of a model as it is deployed, with their columns and measures; hidden ones too. Power BI tells them of push datasets only. --format json tells
the types and expressions.

--readable lists what 'freshet query' and clients of SQL Server can read: the tables with their columns and types, and why others cannot be read; of
dataflows too.`,
		Example: `  freshet tables Sales
  freshet tables Sales --readable
  freshet tables Sales --format json`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if readable {
				return a.readableTables(cmd.Context(), args[0])
			}
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
	cmd.Flags().BoolVar(&readable, "readable", false, "list what queries can read")
	return cmd
}

func (a *app) readableTables(ctx context.Context, name string) error {
	client, m, err := a.openData(ctx, name)
	if err != nil {
		return err
	}
	tables, err := client.QueryTables(ctx, m.ID)
	if err != nil {
		return err
	}
	return list(a, tables, []string{"Table", "Columns", "Refused"}, func(t powerbi.QueryTable) []string {
		var columns []string
		for _, column := range t.Columns {
			columns = append(columns, column.Name+" "+column.Type)
		}
		return []string{t.Name, strings.Join(columns, ", "), t.Refused}
	})
}
