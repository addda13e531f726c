package cdm

import (
	"errors"
	"slices"
	"strings"

	"freshet.dev/internal/model"
)

// IncrementalPrefix begins the names of the partitions that an entity's policy makes, as in Power BI's refresh history.
const IncrementalPrefix = "IncrementalRefreshPolicyPartition-"

// refreshPolicy is the pbi:refreshPolicy of an entity. Of Power BI's members two are documented (the granularities, in the Common Data Model's
// schema); the others are those of the same policy in tabular models. Power BI writes the filter into the entity's query; a file written by hand
// may name the column instead, in members of Freshet's own.
type refreshPolicy struct {
	Type                     string `json:"$type"` // FullRefreshPolicy (also when empty) or IncrementalRefreshPolicy
	RollingWindowGranularity string `json:"rollingWindowGranularity"`
	RollingWindowPeriods     int    `json:"rollingWindowPeriods"`
	IncrementalGranularity   string `json:"incrementalGranularity"`
	IncrementalPeriods       int    `json:"incrementalPeriods"`
	IncrementalPeriodsOffset int    `json:"incrementalPeriodsOffset"` // -1: complete periods only
	SourceExpression         string `json:"sourceExpression"`
	PollingExpression        string `json:"pollingExpression"`
	FilterField              string `json:"freshet:filterField"`        // the column of type dateTime by which rows belong to periods
	DetectChangesField       string `json:"freshet:detectChangesField"` // the column whose largest value tells of changes
}

// applyPolicy gives the entity's table the refresh policy, if it has one that is incremental. The table's own partition stays as it is: it is there
// until the policy is applied for the first time.
func (e entity) applyPolicy(path string, table *model.Table) error {
	given := e.Policy
	refuse := func(what, hint string) error { return broken(path, e.Name, "its refresh policy "+what, hint) }
	switch given.Type {
	case "", "FullRefreshPolicy":
		return nil
	case "IncrementalRefreshPolicy":
	default:
		return refuse("has the unknown $type '"+given.Type+"'", "Make it IncrementalRefreshPolicy or FullRefreshPolicy")
	}
	policy := &model.RefreshPolicy{
		RollingWindowGranularity: strings.ToLower(given.RollingWindowGranularity), RollingWindowPeriods: given.RollingWindowPeriods,
		IncrementalGranularity: strings.ToLower(given.IncrementalGranularity), IncrementalPeriods: given.IncrementalPeriods, IncrementalPeriodsOffset: given.IncrementalPeriodsOffset,
		SourceExpression: given.SourceExpression, PollingExpression: given.PollingExpression, NamePrefix: IncrementalPrefix,
	}
	for _, part := range []struct {
		granularity string
		periods     int
		members     string
	}{
		{policy.RollingWindowGranularity, policy.RollingWindowPeriods, "rollingWindowGranularity and rollingWindowPeriods"},
		{policy.IncrementalGranularity, policy.IncrementalPeriods, "incrementalGranularity and incrementalPeriods"},
	} {
		if !slices.Contains([]string{"day", "month", "quarter", "year"}, part.granularity) || part.periods < 1 {
			return refuse("does not say "+part.members, "Give it the day, month, quarter or year, and a number of them from 1 on; or make its $type FullRefreshPolicy")
		}
	}
	text := table.Partitions[0].Source.Expression
	if policy.SourceExpression == "" {
		policy.SourceExpression = text
		if given.FilterField != "" {
			column := table.Column(given.FilterField)
			if column == nil || column.DataType != model.DateTime || column.Moment != "" {
				return refuse("names '"+given.FilterField+"' as its freshet:filterField, which is no attribute of dataType dateTime", "Name one that is")
			}
			at := "[" + identifier(column.Name) + "]"
			policy.SourceExpression = "Table.SelectRows(\n" + text + "\n, each " + at + " >= " + model.RangeStart + " and " + at + " < " + model.RangeEnd + ")"
		}
	}
	if policy.PollingExpression == "" && given.DetectChangesField != "" {
		if table.Column(given.DetectChangesField) == nil {
			return refuse("names '"+given.DetectChangesField+"' as its freshet:detectChangesField, which is no attribute", "Name one that is")
		}
		policy.PollingExpression = "List.Max(" + identifier(table.Name) + "[" + identifier(given.DetectChangesField) + "])"
	}
	table.RefreshPolicy = policy
	return nil
}

// ranges gives the model the parameters of refresh policies where the document has them not, and refuses a policy whose partitions would all hold the
// same rows.
func (d *Dataflow) ranges(path string) error {
	var errs []error
	for _, table := range d.model.Tables {
		if table.RefreshPolicy == nil {
			continue
		}
		for _, parameter := range []struct{ name, first string }{{model.RangeStart, "#datetime(1900, 1, 1, 0, 0, 0)"}, {model.RangeEnd, "#datetime(9999, 12, 31, 0, 0, 0)"}} {
			if d.model.Expression(parameter.name) == nil {
				d.model.Expressions = append(d.model.Expressions, &model.Expression{Name: parameter.name, Kind: "m",
					Text: parameter.first + ` meta [IsParameterQuery = true, Type = "DateTime", IsParameterQueryRequired = true]`})
			}
		}
		reached := d.model.Reached(table, table.RefreshPolicy.SourceExpression)
		for _, name := range []string{model.RangeStart, model.RangeEnd} {
			if !slices.ContainsFunc(reached, func(e *model.Expression) bool { return e.Name == name }) {
				errs = append(errs, broken(path, table.Name, "it has an incremental refresh policy, and its query does not use "+name+", so that every partition would hold the same rows",
					"Filter by it, each [Date] >= RangeStart and [Date] < RangeEnd, or name the column in the policy: \"freshet:filterField\""))
				break
			}
		}
	}
	return errors.Join(errs...)
}
