package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

// refreshFlags are the flags of the verb refresh.
type refreshFlags struct {
	request       powerbi.RefreshRequest
	parallelism   int
	retries       int
	policy        bool
	objects       []string
	onDemand      bool
	wait          bool
	waitTimeout   time.Duration
	idempotencyID string
	force         bool
	plan          bool
}

func (a *app) refresh() *cobra.Command {
	var flags refreshFlags
	cmd := &cobra.Command{
		Use:   "refresh MODEL [flags]",
		Short: "Refresh a model from its sources",
		Long: `Refresh a model from its sources. Without any of the parameters this is a standard refresh: everything is loaded, and becomes visible at once when all
of it has succeeded. Any parameter makes it an enhanced refresh, in which the parameters that are not given have Power BI's defaults; mind that --type
is then automatic, which loads only what has no data.

--wait follows the refresh to its end: a line for each running partition on a terminal, plain lines elsewhere. Interrupting the wait does not
stop the refresh; 'freshet cancel' does.

--plan starts nothing: it tells what the refresh would do to each partition, why, and what it would ask of the sources. A line stands for partitions that
follow each other and have the same fate; --format json lists each with its statements.`,
		Example: `  freshet refresh Sales --wait
  freshet refresh Sales --type full --object Orders/2024 --object Customers --wait
  freshet refresh Sales --type full --effective-date 2026-12-31 --plan
  freshet refresh Sales --type full --max-parallelism 4 --retry-count 2 --timeout 02:00:00`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runRefresh(cmd, args[0], flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.request.Type, "type", "", "full, dataOnly, automatic, calculate, clearValues or defragment")
	f.StringVar(&flags.request.CommitMode, "commit-mode", "", "transactional: all at once or nothing; partialBatch: each object as it is loaded")
	f.IntVar(&flags.parallelism, "max-parallelism", 0, "how many partitions are loaded at the same time")
	f.IntVar(&flags.retries, "retry-count", 0, "how often the whole is tried again when it fails")
	f.StringArrayVar(&flags.objects, "object", nil, "only this TABLE or TABLE/PARTITION; may be given again")
	f.BoolVar(&flags.policy, "apply-refresh-policy", true, "apply incremental refresh policies")
	f.StringVar(&flags.request.EffectiveDate, "effective-date", "", "the day that refresh policies take for today")
	f.StringVar(&flags.request.Timeout, "timeout", "", "limit of one attempt, hh:mm:ss")
	f.BoolVar(&flags.onDemand, "on-demand", false, "a standard refresh in the history's kind OnDemand (Freshet only)")
	f.BoolVar(&flags.wait, "wait", false, "wait for the end; the exit code tells it")
	f.DurationVar(&flags.waitTimeout, "wait-timeout", 0, "wait no longer than this, such as 30m (exit code 4)")
	f.StringVar(&flags.idempotencyID, "idempotency-key", "", "the same key again finds the same refresh instead of starting another (Freshet only)")
	f.BoolVar(&flags.force, "force", false, "commit even when a table comes out empty or smaller than its guard allows (Freshet only)")
	f.BoolVar(&flags.plan, "plan", false, "only tell what would be done, why, and what would be asked of the sources (Freshet only)")
	freshetFlags(cmd, "on-demand", "idempotency-key", "force", "plan")
	return a.formatted(cmd)
}

// asked fills in the parameters that were given.
func (f *refreshFlags) asked(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	if given("max-parallelism") {
		f.request.MaxParallelism = &f.parallelism
	}
	if given("retry-count") {
		f.request.RetryCount = &f.retries
	}
	if given("apply-refresh-policy") {
		f.request.ApplyRefreshPolicy = &f.policy
	}
	for _, object := range f.objects {
		table, partition, parted := strings.Cut(object, "/")
		switch {
		case table == "":
			return usageError{fmt.Errorf("--object %q names no table", object)}
		case parted && partition == "":
			return usageError{fmt.Errorf("--object %q names no partition; %q is the whole table", object, table)}
		}
		f.request.Objects = append(f.request.Objects, powerbi.RefreshObject{Table: table, Partition: partition})
	}
	enhanced := given("type") || given("commit-mode") || given("max-parallelism") || given("retry-count") || given("apply-refresh-policy") ||
		given("object") || given("effective-date") || given("timeout")
	if given("format") && !f.plan {
		return usageError{errors.New("--format is for --plan")}
	}
	if given("wait-timeout") && f.waitTimeout <= 0 {
		return usageError{errors.New("--wait-timeout must be longer than 0; without it the wait has no limit")}
	}
	if f.plan && (f.wait || f.waitTimeout != 0) {
		return usageError{errors.New("--plan starts nothing that could be waited for")}
	}
	if f.onDemand && enhanced {
		return usageError{errors.New("--on-demand is a standard refresh: it takes no other parameter")}
	}
	return nil
}

func (a *app) runRefresh(cmd *cobra.Command, name string, flags refreshFlags) error {
	if err := flags.asked(cmd); err != nil {
		return err
	}
	ctx := cmd.Context()
	client, m, err := a.open(ctx, name)
	if err != nil {
		return err
	}
	if flags.plan {
		plan, err := client.PlanRefresh(ctx, m.ID, flags.request)
		if err != nil {
			return err
		}
		return a.printPlan(plan)
	}
	options := powerbi.RefreshOptions{IdempotencyKey: flags.idempotencyID, Force: flags.force}
	var accepted powerbi.Accepted
	if flags.onDemand {
		accepted, err = client.RefreshOnDemand(ctx, m.ID, options)
	} else {
		accepted, err = client.Refresh(ctx, m.ref(), flags.request, options)
	}
	if err != nil {
		return unsettled(err, m)
	}
	if accepted.Found {
		fmt.Fprintf(a.err, "freshet: the answer to the start was lost; by the history it is %s\n", accepted.RequestID)
	}
	if accepted.Dropped {
		return errors.New("the refresh was accepted and dropped, because one runs and one waits already; start it again later")
	}
	if !flags.wait && flags.waitTimeout == 0 {
		fmt.Fprintf(a.out, "Started %s\nFollow it: freshet show %q %s\n", accepted.RequestID, m.String(), accepted.RequestID)
		return nil
	}
	return a.follow(ctx, client, m, accepted, flags.waitTimeout)
}

// unsettled says of a start whose answer is lost how to find out what became of it.
func unsettled(err error, m model) error {
	var doubt *powerbi.UnsettledError
	if errors.As(err, &doubt) {
		return fmt.Errorf("%w: 'freshet refreshes %q' tells", err, m)
	}
	return err
}

// limited ends a wait after its --wait-timeout; 0 is none.
func limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, errWaitTimeout)
}

// follow waits for a refresh and shows how far it is.
func (a *app) follow(ctx context.Context, client *powerbi.Client, m model, accepted powerbi.Accepted, limit time.Duration) error {
	ctx, stop := limited(ctx, limit)
	defer stop()
	fmt.Fprintf(a.out, "Refreshing %s, request %s\n", m, accepted.RequestID)
	watch := a.watch()
	result, err := client.Wait(ctx, m.ref(), accepted.RequestID, powerbi.WaitOptions{
		Since: accepted.At, Interval: watch.interval(), Observe: func(o powerbi.Observed) { watch.observe("", o) },
		OnError: func(err error) { watch.note(readFailed(err)) },
	})
	watch.end()
	if err != nil {
		return waitEnded(err)
	}
	a.printResult(result)
	return result.Err()
}

func readFailed(err error) string { return "reading the status failed, trying again: " + err.Error() }

// waitEnded is the error of a wait that ended before the refresh: where the service asks to be left alone for longer than --wait-timeout, that ended it.
func waitEnded(err error) error {
	var late *powerbi.DeadlineError
	if errors.As(err, &late) {
		return fmt.Errorf("%w: %w", errWaitTimeout, err)
	}
	return err
}

// printResult tells how a refresh ended, with its messages.
func (a *app) printResult(result powerbi.Result) {
	detail := result.Detail
	line := string(result.Status)
	if took := length(detail.StartTime.Time, detail.EndTime.Time); took != "" {
		line += " after " + took
	}
	if progress := detail.Freshet; progress != nil && result.Status == powerbi.Completed {
		line += fmt.Sprintf(": %s, %s", rowCount(progress.Rows), size(progress.Bytes))
	}
	fmt.Fprintln(a.out, line)
	for _, message := range a.printFailures(a.err, detail) {
		text := message.Message
		if message.Code != "" {
			text = message.Code + ": " + text
		}
		fmt.Fprintf(a.err, "%s: %s\n", message.Type, printable(text))
	}
}
