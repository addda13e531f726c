package main

import (
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) datasources() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "datasources MODEL",
		Short: "List the data sources that a model or dataflow reads from",
		Long: `List the data sources that a model's expressions name, with the parameters as they are set, and those that it defines by themselves.

They are found by reading the expressions: a source whose address only the running expression knows is not listed.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var sources []powerbi.Datasource
			if m.Dataflow {
				sources, err = client.DataflowDatasources(cmd.Context(), m.WorkspaceID, m.ID)
			} else {
				sources, err = client.Datasources(cmd.Context(), m.ref())
			}
			if err != nil {
				return err
			}
			return list(a, sources, []string{"Type", "Reaches", "Id"}, func(s powerbi.Datasource) []string {
				d := s.ConnectionDetails
				var reaches []string
				for _, detail := range []string{d.Kind, d.Server, d.Database, d.URL, d.Path, d.Account, d.Domain, d.ConnectionString} {
					if detail != "" {
						reaches = append(reaches, detail)
					}
				}
				return []string{s.DatasourceType, strings.Join(reaches, ";"), s.DatasourceID}
			})
		},
	})
}
