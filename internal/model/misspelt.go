package model

import (
	"slices"
	"strings"
)

// relied are the properties that a refresh relies on, per kind of object in lower case. A definition may hold others, which are kept.
func relied(kind string) []string {
	switch kind {
	case "database":
		return []string{"compatibilityLevel"}
	case "model":
		return []string{"defaultMode"}
	case "table":
		return []string{"excludeFromModelRefresh"}
	case "column":
		return []string{"dataType", "sourceColumn", "sortByColumn"}
	case "partition":
		return []string{"mode", "source"}
	case "refreshpolicy":
		return []string{
			"rollingWindowGranularity", "rollingWindowPeriods", "incrementalGranularity", "incrementalPeriods", "incrementalPeriodsOffset",
			"sourceExpression", "pollingExpression",
		}
	case "relationship":
		return []string{"fromColumn", "toColumn", "fromTable", "toTable", "isActive", "fromCardinality", "toCardinality"}
	case "datasource":
		return []string{"connectionString", "connectionDetails"}
	}
	return nil
}

// Relied tells whether a refresh relies on a property, in any letter case, of an object of that kind.
func Relied(kind, property string) bool {
	return slices.ContainsFunc(relied(strings.ToLower(kind)), func(known string) bool { return strings.EqualFold(known, property) })
}

// Misspelt returns the property that a refresh relies on and that an unknown property of an object of that kind nearly spells, or "". Taking
// `dataTyp` for something new would lose the column's type in silence.
func Misspelt(kind, property string) string {
	if Relied(kind, property) {
		return ""
	}
	for _, known := range relied(strings.ToLower(kind)) {
		allowed := 2
		if len(known) < 6 {
			allowed = 1
		}
		if distance(strings.ToLower(known), strings.ToLower(property)) <= allowed {
			return known
		}
	}
	return ""
}

// distance is the number of letters to insert, remove or replace to make one word of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
