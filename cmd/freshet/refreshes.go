package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

func (a *app) refreshes() *cobra.Command {
	var top int
	cmd := &cobra.Command{
		Use:     "refreshes MODEL [--top N]",
		Short:   "List the refreshes of a model or dataflow, newest first",
		Example: `  freshet refreshes Sales --top 5`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("top") && top < 1 {
				return usageError{errors.New("--top must be 1 or more")}
			}
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			refreshes, err := history(cmd.Context(), client, m, top)
			if err != nil {
				return err
			}
			return list(a, refreshes, []string{"Id", "Kind", "Status", "Started", "Took", "Error"}, func(r powerbi.Refresh) []string {
				status := string(r.Status)
				if r.ExtendedStatus != "" && r.ExtendedStatus != r.Status {
					status = string(r.ExtendedStatus)
				}
				return []string{r.RequestID, r.RefreshType, status, a.moment(r.StartTime.Time), a.length(r.StartTime.Time, r.EndTime.Time), failure(r.ServiceExceptionJSON)}
			})
		},
	}
	cmd.Flags().IntVar(&top, "top", 0, "only the newest N (default 60)")
	return a.formatted(cmd)
}

// history lists the refreshes of a model or dataflow. A dataflow's have Freshet's ids, where 'freshet dataflows transactions' has Power BI's.
func history(ctx context.Context, client *powerbi.Client, m model, top int) ([]powerbi.Refresh, error) {
	if m.Dataflow {
		return client.AnyRefreshes(ctx, m.ID, top)
	}
	return client.Refreshes(ctx, m.ref(), top)
}

// failure is the readable part of a serviceExceptionJson.
func failure(text string) string {
	var exception powerbi.ServiceException
	if text == "" || json.Unmarshal([]byte(text), &exception) != nil {
		return text
	}
	if exception.ErrorDescription == "" {
		return exception.ErrorCode
	}
	return exception.ErrorDescription
}

// pick returns the request id of a verb's arguments: the second one, which may be that of a dataflow's transaction, else the newest refresh that fits.
func pick(ctx context.Context, client *powerbi.Client, m model, args []string, what string, fits func(powerbi.Refresh) bool) (string, error) {
	if len(args) > 1 {
		start, _, transaction := strings.Cut(args[1], "@")
		if !transaction || !m.Dataflow {
			return args[1], nil
		}
		what = "transaction " + args[1]
		fits = func(r powerbi.Refresh) bool { return r.StartTime.UTC().Format("2006-01-02T15:04:05.0000000Z") == start }
	}
	refreshes, err := history(ctx, client, m, 0)
	if err != nil {
		return "", err
	}
	for _, refresh := range refreshes {
		if fits(refresh) {
			return refresh.RequestID, nil
		}
	}
	return "", fmt.Errorf("cannot find %s of %s; 'freshet refreshes' lists its history", what, m)
}

func (a *app) show() *cobra.Command {
	return a.formatted(&cobra.Command{
		Use:   "show MODEL [ID]",
		Short: "Show one refresh: its state, its partitions, its messages",
		Long:  "Show one refresh of a model or dataflow, the newest when no ID is given. A dataflow's may be named by the id of its transaction.",
		Example: `  freshet show Sales
  freshet show Sales 87f31ef7-1e3a-4006-9b0b-191693e79e9e --format json`,
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			id, err := pick(cmd.Context(), client, m, args, "a refresh", func(powerbi.Refresh) bool { return true })
			if err != nil {
				return err
			}
			observed, err := observe(cmd.Context(), client, m, id)
			if err != nil {
				return err
			}
			if a.format == formatJSON {
				return printJSON(a.out, observed.Detail)
			}
			if a.format == formatTable {
				a.printDetail(id, observed)
			}
			return list(a, partitions(observed.Detail), []string{"Table", "Partition", "Status", "Rows", "Bytes", "Took", "Note"}, func(o powerbi.ObjectProgress) []string {
				note := o.Note
				switch {
				case o.Failure != nil && a.format == formatTable:
					note = o.Failure.Code // the rest stands above
				case o.Error != "":
					note = o.Error
				}
				return []string{o.Table, o.Partition, string(o.Status), a.count(o.Rows), a.size(o.Bytes), a.length(o.StartTime.Time, o.EndTime.Time), note}
			})
		},
	})
}

// observe reads how far a refresh is.
func observe(ctx context.Context, client *powerbi.Client, m model, id string) (powerbi.Observed, error) {
	if !m.Dataflow {
		return client.Observe(ctx, m.ref(), id)
	}
	detail, err := client.AnyRefreshDetail(ctx, m.ID, id)
	return powerbi.Observed{Status: cmp.Or(detail.ExtendedStatus, detail.Status), Detail: detail}, err
}

func (a *app) printDetail(id string, observed powerbi.Observed) {
	detail := observed.Detail
	fmt.Fprintf(a.out, "%s %s", id, observed.Status)
	for _, word := range []string{detail.Type, detail.CommitMode} {
		if word != "" {
			fmt.Fprintf(a.out, ", %s", word)
		}
	}
	if detail.Freshet != nil && detail.Freshet.Forced {
		fmt.Fprint(a.out, ", forced")
	}
	if detail.Freshet != nil && detail.Freshet.Rollback != nil {
		fmt.Fprintf(a.out, ", rollback to version %d", detail.Freshet.Rollback.Version)
	}
	if !detail.StartTime.IsZero() {
		fmt.Fprintf(a.out, ", started %s", moment(detail.StartTime.Time))
	}
	if took := length(detail.StartTime.Time, detail.EndTime.Time); took != "" {
		fmt.Fprintf(a.out, ", took %s", took)
	}
	fmt.Fprintln(a.out)
	if detail.Freshet != nil {
		for _, member := range detail.Freshet.Chain {
			if member.RequestID != id {
				fmt.Fprintf(a.out, "Refreshed with it: %s, %s, %s\n", printable(cmp.Or(member.Name, member.DataflowID)), member.RequestID, member.Status)
			}
		}
	}
	for _, message := range a.printFailures(a.out, detail) {
		fmt.Fprintf(a.out, "%s: %s %s\n", message.Type, message.Code, printable(message.Message))
	}
}

// printFailures tells of each partition that failed where, what, and what to do, and returns the messages that tell something else.
func (a *app) printFailures(out io.Writer, detail powerbi.RefreshDetail) []powerbi.RefreshMessage {
	told := map[string]bool{}
	for _, o := range partitions(detail) {
		if o.Failure == nil {
			continue
		}
		told[o.Error] = true
		where := place{table: o.Table, partition: o.Partition}.String()
		if o.Failure.Column != "" {
			where += ", column " + o.Failure.Column
		}
		if o.Failure.Row > 0 {
			where += ", row " + count(o.Failure.Row)
		}
		fmt.Fprintf(out, "%s: %s\n", printable(where), printable(o.Failure.Code))
		for _, text := range []string{o.Failure.Message, o.Failure.Hint} {
			for line := range strings.Lines(text) {
				fmt.Fprintf(out, "    %s\n", printable(strings.TrimSuffix(line, "\n")))
			}
		}
	}
	var others []powerbi.RefreshMessage
	for _, message := range detail.Messages {
		if !told[message.Message] {
			others = append(others, message)
		}
	}
	return others
}

func (a *app) cancel() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel MODEL [ID]",
		Short: "Cancel a refresh of any kind",
		Long:  "Cancel a refresh of a model or dataflow; without an ID the one that runs or waits. It keeps the rows that it had.",
		Args:  usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			id, err := pick(cmd.Context(), client, m, args, "a running refresh", func(r powerbi.Refresh) bool { return r.Status == powerbi.Unknown })
			if err != nil {
				return err
			}
			var refusal *powerbi.Error
			if !m.Dataflow {
				err = client.CancelRefresh(cmd.Context(), m.ref(), id)
			}
			if m.Dataflow || errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest && refusal.FromFreshet() {
				err = client.CancelAnyRefresh(cmd.Context(), m.ID, id) // not an enhanced one, which Power BI cannot cancel
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Cancelling %s; 'freshet show' tells when it has ended\n", id)
			return nil
		},
	}
}
