package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) explain() *cobra.Command {
	var partition string
	cmd := &cobra.Command{
		Use:   "explain MODEL TABLE [--partition NAME]",
		Short: "Show what a table's partitions ask of their sources",
		Long: `Show for each partition of a table the statement that its source gets, where each step of the expression runs (in the source, in DuckDB, or row by
row), and the first step that cannot be folded into the source, with the reason.`,
		Example: `  freshet explain Sales Orders
  freshet explain Sales Orders --partition 2024 --format json`,
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			explanations, err := client.Explain(cmd.Context(), m.ID, args[1], partition)
			if err != nil {
				return err
			}
			if a.format == formatTable {
				for _, explanation := range explanations {
					a.printExplanation(explanation)
				}
				return nil
			}
			return list(a, explanations, []string{"Table", "Partition", "To", "Statement", "Breaks", "Why", "Error"}, func(e powerbi.Explanation) []string {
				var to, texts []string
				for _, statement := range e.Statements {
					to, texts = append(to, statement.To), append(texts, statement.Text)
				}
				return []string{e.Table, e.Partition, strings.Join(to, "\n"), strings.Join(texts, "\n"), e.Breaks, e.Why, e.Error}
			})
		},
	}
	cmd.Flags().StringVar(&partition, "partition", "", "only this partition")
	return a.formatted(cmd)
}

func (a *app) printExplanation(e powerbi.Explanation) {
	fmt.Fprintf(a.out, "%s / %s\n", e.Table, e.Partition)
	if e.Note != "" {
		fmt.Fprintf(a.out, "  not loaded: %s\n", e.Note)
	}
	if e.Error != "" {
		fmt.Fprintf(a.out, "  error: %s\n", e.Error)
	}
	for _, statement := range e.Statements {
		fmt.Fprintf(a.out, "  to %s:\n    %s\n", statement.To, strings.ReplaceAll(statement.Text, "\n", "\n    "))
	}
	for _, step := range e.Steps {
		fmt.Fprintf(a.out, "  %-32s %s", step.Name, step.Where)
		if step.Why != "" {
			fmt.Fprintf(a.out, " (%s)", step.Why)
		}
		fmt.Fprintln(a.out)
	}
	if e.Breaks != "" {
		fmt.Fprintf(a.out, "  folding ends at %s: %s\n", e.Breaks, e.Why)
	}
}
