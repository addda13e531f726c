package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) datasources() *cobra.Command {
	var of []string
	cmd := a.formatted(&cobra.Command{
		Use:   "datasources MODEL [set DETAIL=VALUE… [--of DETAIL=VALUE]…]",
		Short: "List the data sources that a model or dataflow reads from, or give a model's others",
		Long: `List the data sources that a model's expressions name, with the parameters as they are set, and those that it defines by themselves.

They are found by reading the expressions: a source whose address only the running expression knows is not listed.

'set' gives data sources of a model other details for the next refresh, as Power BI's Default.UpdateDatasources does; what it does not name stays. --of says which
sources are meant when the model has several. DETAIL is server, database, url, path, kind, account, domain or connectionString; in --of it may be type, too. A detail that
stands in a parameter is changed by 'freshet parameters'. It needs to be the model's owner ('freshet takeover').`,
		Example: `  freshet datasources Sales
  freshet datasources Sales set server=db2.example database=sales
  freshet datasources Sales set server=db2.example --of type=PostgreSql --of server=db1.example`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || len(of) > 0 {
				return a.setDatasource(cmd.Context(), args, of)
			}
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
	cmd.Flags().StringArrayVar(&of, "of", nil, "with set: only the data sources with this DETAIL=VALUE; may be given again")
	return cmd
}

// setDatasource gives data sources of the model that the first argument names other details: those of the arguments after "set".
func (a *app) setDatasource(ctx context.Context, args, of []string) error {
	if len(args) < 3 || args[1] != "set" {
		return usageError{errors.New("to change a data source write: freshet datasources MODEL set DETAIL=VALUE")}
	}
	details, err := sourceDetails(args[2:])
	if err != nil {
		return err
	}
	update := powerbi.DatasourceUpdate{ConnectionDetails: details}
	if len(of) > 0 {
		update.Selector = &powerbi.DatasourceSelector{}
		of = slices.DeleteFunc(of, func(pair string) bool {
			kind, named := strings.CutPrefix(pair, "type=")
			if named {
				update.Selector.DatasourceType = kind
			}
			return named
		})
		if update.Selector.ConnectionDetails, err = sourceDetails(of); err != nil {
			return err
		}
	}
	client, m, err := a.open(ctx, args[0])
	if err != nil {
		return err
	}
	if err := client.UpdateDatasources(ctx, m.ref(), []powerbi.DatasourceUpdate{update}); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s reads with them from its next refresh on\n", m)
	return nil
}

// sourceDetails reads DETAIL=VALUE, each once, by the names that the REST API has.
func sourceDetails(pairs []string) (details powerbi.ConnectionDetails, err error) {
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			return details, usageError{fmt.Errorf("%q is not DETAIL=VALUE", pair)}
		}
		at := map[string]*string{
			"server": &details.Server, "database": &details.Database, "url": &details.URL, "path": &details.Path, "kind": &details.Kind,
			"account": &details.Account, "domain": &details.Domain, "connectionstring": &details.ConnectionString,
		}[strings.ToLower(name)]
		switch {
		case at == nil:
			return details, usageError{fmt.Errorf("a data source has no detail %q: they are server, database, url, path, kind, account, domain and connectionString", name)}
		case *at != "":
			return details, usageError{fmt.Errorf("the detail %q is given twice", name)}
		}
		*at = value
	}
	return details, nil
}
