package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"freshet.dev/powerbi"
)

// printPlan tells what a refresh would do.
func (a *app) printPlan(plan powerbi.RefreshPlan) error {
	if a.format != formatTable {
		return list(a, plan.Partitions, []string{"Action", "Table", "Partition", "New", "Start", "End", "Rows", "Takes", "Polls", "Poll", "Reason", "To", "Statement", "Breaks", "Why", "Error"},
			func(p powerbi.PlannedPartition) []string {
				var to, texts []string
				for _, statement := range p.Statements {
					to, texts = append(to, statement.To), append(texts, statement.Text)
				}
				poll := ""
				if p.Poll != nil {
					poll = p.Poll.To + ": " + p.Poll.Text
				}
				return []string{p.Action, p.Table, p.Partition, strconv.FormatBool(p.New), p.Start, p.End, strconv.FormatInt(p.Rows, 10), strings.Join(p.Takes, " "),
					strconv.FormatBool(p.Polls), poll, p.Reason, strings.Join(to, "\n"), strings.Join(texts, "\n"), p.Breaks, p.Why, p.Error}
			})
	}
	fmt.Fprintf(a.out, "A refresh of type %s, %s", plan.Type, plan.CommitMode)
	if plan.ApplyRefreshPolicy {
		fmt.Fprintf(a.out, ", with refresh policies for %s", plan.EffectiveDate)
	}
	fmt.Fprintln(a.out, ", would:")
	for i := 0; i < len(plan.Partitions); {
		end := i + 1
		for end < len(plan.Partitions) && alike(plan.Partitions[i], plan.Partitions[end]) {
			end++
		}
		a.printPlanned(plan.Partitions[i:end])
		i = end
	}
	for _, message := range plan.Messages {
		fmt.Fprintf(a.err, "%s: %s: %s\n", message.Type, message.Code, printable(message.Message))
	}
	return nil
}

// alike tells whether two partitions can be told of in one line.
func alike(a, b powerbi.PlannedPartition) bool {
	return a.Table == b.Table && a.Action == b.Action && a.New == b.New && a.Polls == b.Polls && a.Reason == b.Reason && a.Error == b.Error && len(a.Takes)+len(b.Takes) == 0
}

// printPlanned tells of partitions that have the same fate, with the statement of the last: those of one table differ in the range.
func (a *app) printPlanned(partitions []powerbi.PlannedPartition) {
	first, last := partitions[0], partitions[len(partitions)-1]
	action := strings.ToLower(first.Action)
	if first.New {
		action = "create, " + action
	}
	if first.Polls {
		action += " after a poll"
	}
	name := printable(first.Partition)
	if n := len(partitions); n > 1 {
		name = fmt.Sprintf("%s … %s (%d)", name, printable(last.Partition), n)
	}
	fmt.Fprintf(a.out, "%s: %s / %s", action, printable(first.Table), name)
	switch {
	case first.Start != "" && last.End == "":
		fmt.Fprintf(a.out, ", from %s on", first.Start)
	case first.Start != "":
		fmt.Fprintf(a.out, ", %s to %s", first.Start, last.End)
	}
	if n := len(first.Takes); n > 0 {
		fmt.Fprintf(a.out, ", of %s", printable(strings.Join(slices.Concat(first.Takes[:min(n, 1)], first.Takes[max(1, n-1):]), " … ")))
	}
	fmt.Fprintln(a.out)
	if first.Reason != "" {
		fmt.Fprintf(a.out, "  %s\n", printable(first.Reason))
	}
	if first.Error != "" {
		fmt.Fprintf(a.out, "  error: %s\n", printable(first.Error))
	}
	of := ""
	if len(partitions) > 1 {
		of = "the last "
	}
	if last.Poll != nil {
		fmt.Fprintf(a.out, "  %spolls %s:\n    %s\n", of, last.Poll.To, strings.ReplaceAll(last.Poll.Text, "\n", "\n    "))
	}
	for _, statement := range last.Statements {
		fmt.Fprintf(a.out, "  %sto %s:\n    %s\n", of, statement.To, strings.ReplaceAll(statement.Text, "\n", "\n    "))
	}
	if first.Breaks != "" {
		fmt.Fprintf(a.out, "  folding ends at %s: %s\n", first.Breaks, first.Why)
	}
}
