package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) versions() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "versions MODEL",
		Short: "List the versions of a model's data that are kept (Freshet only)",
		Long: `List the versions of a model's data that are kept, newest first: when each was committed and by which refresh (none: by a deployment), the revision of
the model's definition that it belongs to, and what it holds. A version is kept as long as keepVersions of the configuration says after another one
has taken its place, and the one before the current one always; 'freshet rollback' goes back to it.`,
		Example: `  freshet versions Sales
  freshet versions Sales --format json`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			versions, err := client.Versions(cmd.Context(), m.ID)
			if err != nil {
				return err
			}
			return list(a, versions, []string{"Version", "Committed", "By", "Revision", "Rows", "Bytes", "Current"}, func(v powerbi.Version) []string {
				current := ""
				if v.Current {
					current = "current"
				}
				return []string{strconv.FormatInt(v.Number, 10), a.moment(v.CommittedAt.Time), v.RequestID, strconv.FormatInt(v.Revision, 10), a.count(v.Rows), a.size(v.Bytes), current}
			})
		},
	})
}

func (a *app) rollback() *cobra.Command {
	var request powerbi.RollbackRequest
	cmd := &cobra.Command{
		Use:   "rollback MODEL [--to VERSION] [--with-definition]",
		Short: "Go back to an earlier version of a model's data (Freshet only)",
		Long: `Go back to an earlier version of a model's data, without --to the one before the current one: a copy of it, bookmarks and states included, becomes the
next version. No source is read. A rollback is in the history, as OnDemand, and runs alone: while a refresh of the model is unfinished it is refused.
Another rollback without --to undoes the first.

A version that belongs to another revision of the model's definition is refused, unless --with-definition deploys that revision's again with the rows.
The verb waits for the end.`,
		Example: `  freshet versions Sales
  freshet rollback Sales
  freshet rollback Sales --to 41 --with-definition`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if cmd.Flags().Changed("to") && request.Version < 1 {
				return usageError{errors.New("--to must be 1 or more; 'freshet versions' lists the versions")}
			}
			client, m, err := a.openData(ctx, args[0])
			if err != nil {
				return err
			}
			accepted, err := client.Rollback(ctx, m.ID, request, powerbi.RefreshOptions{})
			if err != nil {
				return unsettled(err, m)
			}
			result, err := client.Wait(ctx, m.ref(), accepted.RequestID, powerbi.WaitOptions{Since: accepted.At, Own: true})
			if err != nil {
				return err
			}
			if progress := result.Detail.Freshet; result.Status == powerbi.Completed && progress != nil && progress.Rollback != nil {
				fmt.Fprintf(a.out, "Rolled back %s to version %d, which is now version %d, request %s\n", m, progress.Rollback.Version, progress.Version, accepted.RequestID)
			} else {
				a.printResult(result)
			}
			return result.Err()
		},
	}
	cmd.Flags().Int64Var(&request.Version, "to", 0, "the version to go back to (default: the one before the current one)")
	cmd.Flags().BoolVar(&request.WithDefinition, "with-definition", false, "deploy the version's definition again where the model has another one now")
	return cmd
}
