package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"freshet.dev/powerbi"
)

// flow is a dataflow with the workspace that it is in.
type flow struct {
	powerbi.Dataflow
	Workspace   string `json:"workspace"`
	WorkspaceID string `json:"workspaceId"`
}

func (f flow) String() string { return f.Workspace + "/" + f.Name }

// data is the dataflow where a verb is for models, too.
func (f flow) data() model {
	return model{Dataset: powerbi.Dataset{ID: f.ObjectID, Name: f.Name}, Workspace: f.Workspace, WorkspaceID: f.WorkspaceID, Dataflow: true}
}

func (a *app) dataflows() *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use:   "dataflows [--workspace NAME]",
		Short: "List dataflows, refresh and delete them",
		Long: `List dataflows. The verbs below it take a DATAFLOW: a name, WORKSPACE/NAME or a GUID.

A dataflow is deployed as a model is: freshet deploy model.json --workspace NAME, or freshet deploy NAME.Dataflow --workspace NAME. Its refresh is one transaction of all entities.`,
		Example: `  freshet dataflows --workspace Sales
  freshet dataflows refresh Sales/Orders --wait
  freshet dataflows transactions Sales/Orders`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.connect()
			if err != nil {
				return err
			}
			flows, err := listFlows(cmd.Context(), client, workspace)
			if err != nil {
				return err
			}
			return list(a, flows, []string{"Workspace", "Name", "Id", "Generation", "By"}, func(f flow) []string {
				return []string{f.Workspace, f.Name, f.ObjectID, strconv.Itoa(f.Generation), f.ConfiguredBy}
			})
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "only of this workspace, by name or GUID")
	cmd = a.formatted(cmd)
	cmd.AddCommand(a.refreshFlow(), a.transactions(), a.cancelTransaction(), a.exportFlow(), a.deleteFlow())
	return cmd
}

func (a *app) refreshFlow() *cobra.Command {
	var (
		plan, wait, force bool
		limit             time.Duration
	)
	cmd := a.formatted(&cobra.Command{
		Use:   "refresh DATAFLOW [--wait] [--plan [--format FORMAT]]",
		Short: "Start a refresh of all entities",
		Long: `Start a refresh of all entities: each is loaded after those that it reads. The dataflows of the workspace that read this one are refreshed after it.

--wait follows the refresh to its end, and those of the dataflows that are refreshed with it; the exit code tells whether all have succeeded. (Power BI does not tell
which they are: there the wait is for this dataflow.) Interrupting the wait does not stop the refresh; 'freshet dataflows cancel' does.

--plan starts nothing: it tells what the refresh would do to each entity, and what each would ask of its source, or which stored entities it would read.`,
		Example: `  freshet dataflows refresh Sales/Orders --wait
  freshet dataflows refresh Sales/Orders --plan`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed
			switch {
			case given("format") && !plan:
				return usageError{errors.New("--format is for --plan")}
			case given("wait-timeout") && limit <= 0:
				return usageError{errors.New("--wait-timeout must be longer than 0; without it the wait has no limit")}
			case plan && force:
				return usageError{errors.New("--plan starts nothing that could be forced")}
			case plan && (wait || limit != 0):
				return usageError{errors.New("--plan starts nothing that could be waited for")}
			}
			client, f, err := a.openFlow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if plan {
				planned, err := client.PlanRefresh(cmd.Context(), f.ObjectID, powerbi.RefreshRequest{})
				if err != nil {
					return err
				}
				return a.printPlan(planned)
			}
			if force {
				return a.forceFlow(cmd.Context(), client, f, wait, limit)
			}
			accepted, err := client.RefreshDataflow(cmd.Context(), f.WorkspaceID, f.ObjectID, "")
			var doubt *powerbi.UnsettledError
			if errors.As(err, &doubt) {
				return fmt.Errorf("%w: 'freshet dataflows transactions %q' tells", err, f)
			}
			if err != nil {
				return err
			}
			if accepted.Found != "" {
				fmt.Fprintf(a.err, "freshet: the answer to the start was lost; by the transactions it is %s\n", accepted.Found)
			}
			if !wait && limit == 0 {
				fmt.Fprintf(a.out, "Started a refresh of %s; 'freshet dataflows transactions' tells how it goes\n", f)
				return nil
			}
			return a.followFlow(cmd.Context(), client, f, accepted, limit)
		},
	})
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the end; the exit code tells it")
	cmd.Flags().DurationVar(&limit, "wait-timeout", 0, "wait no longer than this, such as 30m (exit code 4)")
	cmd.Flags().BoolVar(&plan, "plan", false, "only tell what would be done, and what would be asked of the sources (Freshet only)")
	cmd.Flags().BoolVar(&force, "force", false, "commit even when an entity comes out empty or smaller than its guard allows, of the dataflows that are refreshed with it, too (Freshet only)")
	freshetFlags(cmd, "plan", "force")
	return cmd
}

// forceFlow starts a refresh that guards do not refuse, which Power BI's own route has no word for.
func (a *app) forceFlow(ctx context.Context, client *powerbi.Client, f flow, wait bool, limit time.Duration) error {
	accepted, err := client.RefreshOnDemand(ctx, f.ObjectID, powerbi.RefreshOptions{Force: true})
	if err != nil {
		return unsettled(err, f.data())
	}
	if !wait && limit == 0 {
		fmt.Fprintf(a.out, "Started %s\nFollow it: freshet show %q %s\n", accepted.RequestID, f.String(), accepted.RequestID)
		return nil
	}
	ctx, stop := limited(ctx, limit)
	defer stop()
	return a.followChain(ctx, client, f, accepted.RequestID)
}

// followFlow waits for the refresh of a dataflow, and shows how far it is.
func (a *app) followFlow(ctx context.Context, client *powerbi.Client, f flow, accepted powerbi.DataflowAccepted, limit time.Duration) error {
	ctx, stop := limited(ctx, limit)
	defer stop()
	if list, err := client.DataflowTransactions(ctx, f.WorkspaceID, f.ObjectID); err == nil {
		if t, found := accepted.Transaction(list); found && t.Freshet != nil {
			return a.followChain(ctx, client, f, t.Freshet.RequestID)
		}
	}
	fmt.Fprintf(a.out, "Refreshing %s\n", f)
	watch := newLineWatch(a.out, time.Now)
	told := powerbi.TransactionStatus("")
	t, err := client.WaitDataflow(ctx, f.WorkspaceID, f.ObjectID, accepted, powerbi.DataflowWaitOptions{
		Observe: func(t powerbi.DataflowTransaction) {
			if t.Status != told && !t.Status.Ended() {
				watch.note(fmt.Sprintf("%s, transaction %s", t.Status, t.ID))
			}
			told = t.Status
		},
		OnError: func(err error) { watch.note(readFailed(err)) },
	})
	if err != nil {
		return waitEnded(fmt.Errorf("cannot wait for the refresh of %s any longer (it goes on by itself): %w", f, err))
	}
	line := string(t.Status)
	if took := length(t.StartTime.Time, t.EndTime.Time); took != "" {
		line += " after " + took
	}
	fmt.Fprintln(a.out, line)
	if !t.Status.Succeeded() {
		return &powerbi.RefreshError{Result: powerbi.Result{RequestID: t.ID, Status: powerbi.Status(t.Status)}}
	}
	return nil
}

// followChain waits for the refreshes of a dataflow and of those that are refreshed with it.
func (a *app) followChain(ctx context.Context, client *powerbi.Client, f flow, requestID string) error {
	detail, err := client.AnyRefreshDetail(ctx, f.ObjectID, requestID)
	if err != nil {
		return err
	}
	members := []powerbi.ChainMember{{DataflowID: f.ObjectID, RequestID: requestID}}
	fmt.Fprintf(a.out, "Refreshing %s, request %s\n", f, requestID)
	if detail.Freshet != nil && len(detail.Freshet.Chain) > 1 {
		members = detail.Freshet.Chain
		for _, member := range members[1:] {
			fmt.Fprintf(a.out, "and with it %s, request %s\n", printable(member.Name), member.RequestID)
		}
	}
	watch := a.watch()
	results := make([]powerbi.Result, len(members))
	group, waiting := errgroup.WithContext(ctx)
	var one sync.Mutex // a watch is for one goroutine
	for i, member := range members {
		group.Go(func() (err error) {
			results[i], err = client.Wait(waiting, powerbi.Ref{GroupID: f.WorkspaceID, DatasetID: member.DataflowID}, member.RequestID, powerbi.WaitOptions{
				Own: true, Interval: watch.interval(),
				Observe: func(o powerbi.Observed) {
					one.Lock()
					defer one.Unlock()
					watch.observe(member.Name, o)
				},
				OnError: func(err error) {
					one.Lock()
					defer one.Unlock()
					watch.note(readFailed(err))
				},
			})
			return err
		})
	}
	err = group.Wait()
	watch.end()
	if err != nil {
		return waitEnded(err)
	}
	for i, result := range results {
		if len(members) > 1 {
			fmt.Fprintf(a.out, "%s: ", printable(members[i].Name))
		}
		a.printResult(result)
		err = cmp.Or(err, result.Err())
	}
	return err
}

func (a *app) transactions() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:     "transactions DATAFLOW",
		Short:   "List the refreshes of a dataflow",
		Example: `  freshet dataflows transactions Sales/Orders`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, f, err := a.openFlow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			transactions, err := client.DataflowTransactions(cmd.Context(), f.WorkspaceID, f.ObjectID)
			if err != nil {
				return err
			}
			return list(a, transactions, []string{"Transaction", "Type", "Status", "Start", "End"}, func(t powerbi.DataflowTransaction) []string {
				return []string{t.ID, t.RefreshType, string(t.Status), a.moment(t.StartTime.Time), a.moment(t.EndTime.Time)}
			})
		},
	})
}

func (a *app) cancelTransaction() *cobra.Command {
	return &cobra.Command{
		Use:     "cancel DATAFLOW TRANSACTION",
		Short:   "Cancel a refresh of a dataflow",
		Example: `  freshet dataflows cancel Sales/Orders '2026-03-01T12:00:00.0000000Z@0a000000-0000-4000-8000-000000000001$1'`,
		Args:    usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, f, err := a.openFlow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			answer, err := client.CancelDataflowTransaction(cmd.Context(), f.WorkspaceID, args[1])
			if err != nil {
				return err
			}
			if !strings.EqualFold(answer.Status, "SuccessfullyMarked") {
				return fmt.Errorf("cannot cancel transaction %s: %s", args[1], answer.Status)
			}
			fmt.Fprintf(a.out, "Cancelling the refresh of %s\n", f)
			return nil
		},
	}
}

func (a *app) exportFlow() *cobra.Command {
	return &cobra.Command{
		Use:   "export DATAFLOW [FOLDER]",
		Short: "Give a dataflow back as it was deployed",
		Long: `Give a dataflow back as it was deployed, byte for byte. One of generation 1 is a model.json, which is printed, or written into FOLDER. One of generation 2 is
the files of a .Dataflow folder, which are written into FOLDER; it is made when there is none.`,
		Example: `  freshet dataflows export Sales/Orders > model.json
  freshet dataflows export Sales/Lake ./Lake.Dataflow`,
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, f, err := a.openFlow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			content, err := client.Dataflow(cmd.Context(), f.WorkspaceID, f.ObjectID)
			if err != nil {
				return err
			}
			parts := []powerbi.DefinitionPart{{Path: "model.json", Payload: content}}
			var exported powerbi.DataflowDefinition
			folder := f.Generation == 2 && json.Unmarshal(content, &exported) == nil && len(exported.Definition.Parts) > 0 // else it is Power BI's own form
			if folder {
				parts = exported.Definition.Parts
			}
			if len(args) == 2 {
				return writeParts(args[1], parts)
			}
			if folder {
				return usageError{fmt.Errorf("%s is a dataflow of generation 2, which is a folder: name one to write it into, as in ./%s.Dataflow", f, f.Name)}
			}
			_, err = a.out.Write(content)
			return err
		},
	}
}

// writeParts writes the files of a definition into a folder.
func writeParts(folder string, parts []powerbi.DefinitionPart) error {
	for _, part := range parts {
		if !fs.ValidPath(part.Path) {
			return fmt.Errorf("cannot write a file named %q: it would not lie in the folder", part.Path)
		}
		path := filepath.Join(folder, filepath.FromSlash(part.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, part.Payload, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) deleteFlow() *cobra.Command {
	return &cobra.Command{
		Use:   "delete DATAFLOW",
		Short: "Delete a dataflow and its data",
		Long: `Delete a dataflow and its data. Where the server writes its rows as a CDM folder too (dataflowFolders of the configuration), that folder stays as it is, and
the server's log names it: delete it when nobody reads it any more.`,
		Example: `  freshet dataflows delete Sales/Orders`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, f, err := a.openFlow(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := client.DeleteDataflow(cmd.Context(), f.WorkspaceID, f.ObjectID); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Deleted %s (%s)\n", f, f.ObjectID)
			return nil
		},
	}
}

// listFlows lists the dataflows of one workspace by name or GUID, or with "" of all. My workspace has none.
func listFlows(ctx context.Context, client *powerbi.Client, workspace string) ([]flow, error) {
	var groups []powerbi.Group
	var err error
	if workspace == "" {
		groups, err = client.Groups(ctx, "")
	} else {
		var group powerbi.Group
		group, err = findGroup(ctx, client, workspace)
		groups = []powerbi.Group{group}
	}
	if err != nil {
		return nil, err
	}
	flows := []flow{}
	for _, group := range groups {
		list, err := client.Dataflows(ctx, group.ID)
		if err != nil {
			return nil, err
		}
		for _, dataflow := range list {
			flows = append(flows, flow{dataflow, group.Name, group.ID})
		}
	}
	return flows, nil
}

// openFlow connects and finds the DATAFLOW that a verb's first argument names.
func (a *app) openFlow(ctx context.Context, text string) (*powerbi.Client, flow, error) {
	client, err := a.connect()
	if err != nil {
		return nil, flow{}, err
	}
	flows, err := listFlows(ctx, client, "")
	if err != nil {
		return nil, flow{}, err
	}
	f, err := findFlow(flows, text)
	return client, f, err
}

func findFlow(flows []flow, text string) (flow, error) {
	var found []flow
	var names []string
	for _, f := range flows {
		if strings.EqualFold(f.ObjectID, text) || strings.EqualFold(f.Name, text) || strings.EqualFold(f.String(), text) {
			found, names = append(found, f), append(names, fmt.Sprintf("%s (%s)", f, f.ObjectID))
		}
	}
	switch len(found) {
	case 0:
		return flow{}, fmt.Errorf("cannot find a dataflow %q; 'freshet dataflows' lists them", text)
	case 1:
		return found[0], nil
	}
	return flow{}, usageError{errors.New("several dataflows have that name, name one of them: " + strings.Join(names, ", "))}
}
