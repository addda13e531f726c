package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/powerbi"
)

type scheduleFlags struct {
	days, times        []string
	zone, notify, cron string
	enable, disable    bool
}

func (a *app) schedule() *cobra.Command {
	var flags scheduleFlags
	cmd := &cobra.Command{
		Use:   "schedule MODEL",
		Short: "Show or change when a model or dataflow is refreshed by itself",
		Long: `Show or change when a model or dataflow is refreshed by itself.

Without flags it shows the schedule. Times are full or half hours by the clock of the time zone, which is named as Windows does
("Romance Standard Time") or as the IANA database does (Europe/Paris). A time that the clocks skip is run when they do; one that they
show twice is run once. --cron stands in place of days and times and knows every minute; it may name as many moments a day as times, 48 where there is a capacity and 8 where not.

A refresh that cannot begin at its moment begins up to an hour later. Four failures in a row disable the schedule; who hears of failures (notifications in the configuration) hears of that.`,
		Example: `  freshet schedule Sales
  freshet schedule Sales --day Monday --day Thursday --time 06:30 --zone Europe/Lisbon --enable
  freshet schedule Sales --cron "15 6 * * 1-5" --enable
  freshet schedule Sales --disable`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.fit(cmd.Flags().Changed); err != nil {
				return err
			}
			client, m, err := a.openData(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			update := func(change powerbi.ScheduleChange) error {
				return client.UpdateRefreshSchedule(cmd.Context(), m.ref(), change)
			}
			read := func() (powerbi.RefreshSchedule, error) { return client.RefreshSchedule(cmd.Context(), m.ref()) }
			if m.Dataflow {
				update = func(change powerbi.ScheduleChange) error {
					return client.UpdateDataflowSchedule(cmd.Context(), m.WorkspaceID, m.ID, change)
				}
				read = func() (powerbi.RefreshSchedule, error) { return client.AnyRefreshSchedule(cmd.Context(), m.ID) }
			}
			changes := flags.changes(cmd.Flags().Changed)
			for _, change := range changes {
				if err := update(change); err != nil {
					return err
				}
			}
			schedule, err := read()
			var refusal *powerbi.Error
			if m.Dataflow && errors.As(err, &refusal) && !refusal.FromFreshet() {
				if len(changes) > 0 {
					fmt.Fprintf(a.out, "Changed the schedule of %s\n", m)
					return nil
				}
				return fmt.Errorf("cannot show the schedule of %s: Power BI tells it of models, and not of dataflows", m)
			}
			if err != nil {
				return err
			}
			return a.printSchedule(schedule)
		},
	}
	cmd.Flags().StringSliceVar(&flags.days, "day", nil, "a day of the week; can be repeated")
	cmd.Flags().StringSliceVar(&flags.times, "time", nil, "a time of day, HH:00 or HH:30; can be repeated")
	cmd.Flags().StringVar(&flags.cron, "cron", "", `minute, hour, day of the month, month, day of the week; "" takes it away`)
	cmd.Flags().StringVar(&flags.zone, "zone", "", "the time zone")
	cmd.Flags().StringVar(&flags.notify, "notify", "", "MailOnFailure or NoNotification")
	cmd.Flags().BoolVar(&flags.enable, "enable", false, "switch the schedule on")
	cmd.Flags().BoolVar(&flags.disable, "disable", false, "switch the schedule off")
	freshetFlags(cmd, "cron")
	return a.formatted(cmd)
}

// fit refuses flags that contradict each other.
func (f *scheduleFlags) fit(changed func(flag string) bool) error {
	switch {
	case f.enable && f.disable:
		return usageError{errors.New("--enable and --disable do not go together")}
	case f.cron != "" && (changed("day") || changed("time")):
		return usageError{errors.New("--cron stands in place of --day and --time: give the one or the others")}
	}
	return nil
}

// changes are the requests that the flags ask for. The service wants a schedule disabled by a request of its own.
func (f *scheduleFlags) changes(changed func(flag string) bool) []powerbi.ScheduleChange {
	var (
		change, off powerbi.ScheduleChange
		disabled    = false
		changes     []powerbi.ScheduleChange
	)
	if changed("day") {
		change.Days = &f.days
	}
	if changed("time") {
		change.Times = &f.times
	}
	if changed("cron") {
		change.Freshet = &powerbi.ScheduleExtra{Cron: &f.cron}
	}
	if changed("zone") {
		change.LocalTimeZoneID = &f.zone
	}
	if changed("notify") {
		change.NotifyOption = &f.notify
	}
	if f.enable {
		change.Enabled = &f.enable
	}
	if change != (powerbi.ScheduleChange{}) {
		changes = append(changes, change)
	}
	if f.disable {
		off.Enabled = &disabled
		changes = append(changes, off)
	}
	return changes
}

func (a *app) printSchedule(s powerbi.RefreshSchedule) error {
	if s.Freshet == nil {
		s.Freshet = &powerbi.ScheduleProgress{} // Power BI's own
	}
	state, next := "disabled", a.moment(s.Freshet.NextRun.Time)
	if s.Enabled {
		state = "enabled"
	}
	if a.format != formatTable {
		return list(a, []powerbi.RefreshSchedule{s}, []string{"State", "Days", "Times", "Cron", "Zone", "Notify", "Next"}, func(s powerbi.RefreshSchedule) []string {
			return []string{state, strings.Join(s.Days, " "), strings.Join(s.Times, " "), s.Freshet.Cron, s.LocalTimeZoneID, s.NotifyOption, next}
		})
	}
	when := strings.Join(s.Days, ", ") + " at " + strings.Join(s.Times, ", ")
	switch {
	case s.Freshet.Cron != "":
		when = "cron " + s.Freshet.Cron
	case len(s.Days) == 0:
		when = "at no time"
	}
	fmt.Fprintf(a.out, "%s: %s (%s), %s\n", state, when, s.LocalTimeZoneID, s.NotifyOption)
	if next != "" {
		fmt.Fprintf(a.out, "next refresh: %s\n", next)
	}
	return nil
}
