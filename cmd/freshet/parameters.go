package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) parameters() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "parameters MODEL [set NAME=VALUE …]",
		Short: "Show the parameters of a model's M expressions, or give them other values",
		Long: `Show the parameters of a model's M expressions, or give them other values, which its next refresh reads with.

The data that is present stays until then. A value stays over deployments, until one brings another value than the files had when it was
set. Names are compared with their letter case. Dates and numbers are written as in en-US or in ISO 8601; NAME= is the empty value.`,
		Example: `  freshet parameters Sales
  freshet parameters Sales set Folder=/srv/exports FromDate=2026-01-01`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			updates, err := parameterUpdates(args[1:])
			if err != nil {
				return err
			}
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if m.Dataflow {
				return fmt.Errorf("cannot show or set the parameters of %s: it is a dataflow, whose parameters Power BI does not serve; they are queries of its definition, which 'freshet dataflows export' gives and 'freshet deploy' changes", m)
			}
			if len(updates) > 0 {
				if err := client.UpdateParameters(cmd.Context(), m.ref(), updates); err != nil {
					return err
				}
			}
			parameters, err := client.Parameters(cmd.Context(), m.ref())
			if err != nil {
				return err
			}
			return list(a, parameters, []string{"Name", "Type", "Required", "Value", "Suggested"}, func(p powerbi.Parameter) []string {
				return []string{p.Name, p.Type, fmt.Sprint(p.IsRequired), p.CurrentValue, strings.Join(p.SuggestedValues, ", ")}
			})
		},
	})
}

// parameterUpdates reads "set NAME=VALUE …"; nothing is no update.
func parameterUpdates(args []string) ([]powerbi.ParameterUpdate, error) {
	if len(args) == 0 {
		return nil, nil
	}
	if args[0] != "set" || len(args) == 1 {
		return nil, usageError{fmt.Errorf("after MODEL comes nothing, or 'set' with one or more NAME=VALUE")}
	}
	var updates []powerbi.ParameterUpdate
	for _, arg := range args[1:] {
		name, value, found := strings.Cut(arg, "=")
		if !found || name == "" {
			return nil, usageError{fmt.Errorf("cannot read %q: give NAME=VALUE", arg)}
		}
		updates = append(updates, powerbi.ParameterUpdate{Name: name, NewValue: value})
	}
	return updates, nil
}
