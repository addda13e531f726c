package cdm

import (
	"fmt"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

// incremental is a dataflow whose entity has a policy with these members, and a query; other members stand before it in the document.
func incremental(policy, query, others string) map[string][]byte {
	document := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace("section Section1; " + others + " shared Orders = " + query + ";")
	return map[string][]byte{"model.json": []byte(`{"name":"Flow","pbi:mashup":{"document":"` + document + `"},"entities":[{"name":"Orders","pbi:refreshPolicy":{` + policy + `},
		"attributes":[{"name":"Id","dataType":"int64"},{"name":"Order \"at\"","dataType":"dateTime"},{"name":"Day","dataType":"date"}]}]}`)}
}

const periods = `"$type":"IncrementalRefreshPolicy","location":"Orders","rollingWindowGranularity":"Year","rollingWindowPeriods":5,"incrementalGranularity":"Day","incrementalPeriods":10`

// C1: the policy of an entity is that of its table. The filter is the one that Power BI has written into the query, or is put around it.
func TestC1IncrementalPolicy(t *testing.T) {
	const parameters = `shared RangeStart = #datetime(2024, 1, 1, 0, 0, 0) meta [IsParameterQuery = true]; shared RangeEnd = RangeStart;`
	for _, tt := range []struct {
		name, policy, query, others string
		source, polling             string
		expressions                 int
	}{
		{"the query's own filter", periods, "Table.SelectRows(T, each [Day] >= RangeStart and [Day] < RangeEnd)", parameters,
			"Table.SelectRows(T, each [Day] >= RangeStart and [Day] < RangeEnd)", "", 2},
		{"that of a query that it names", periods, "Filtered", parameters + `shared Filtered = T(RangeStart, RangeEnd);`, "Filtered", "", 3},
		{"a column", periods + `,"freshet:filterField":"Order \"at\"","freshet:detectChangesField":"Id"`, "T", "",
			"Table.SelectRows(\nT\n, each [#\"Order \"\"at\"\"\"] >= RangeStart and [#\"Order \"\"at\"\"\"] < RangeEnd)", `List.Max(#"Orders"[#"Id"])`, 2},
		{"expressions of its own", periods + `,"sourceExpression":"T(RangeStart, RangeEnd)","pollingExpression":"List.Max(Orders[Id])"`, "T", "", "T(RangeStart, RangeEnd)", "List.Max(Orders[Id])", 2},
	} {
		d, err := Decode(incremental(tt.policy, tt.query, tt.others))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		table := d.Model().Tables[0]
		want := model.RefreshPolicy{RollingWindowGranularity: "year", RollingWindowPeriods: 5, IncrementalGranularity: "day", IncrementalPeriods: 10,
			SourceExpression: tt.source, PollingExpression: tt.polling, NamePrefix: "IncrementalRefreshPolicyPartition-"}
		if table.RefreshPolicy == nil || *table.RefreshPolicy != want {
			t.Errorf("%s: got %+v\nwant %+v", tt.name, table.RefreshPolicy, want)
		}
		if len(table.Partitions) != 1 || table.Partitions[0].Source.Expression != tt.query {
			t.Errorf("%s: partitions %+v", tt.name, table.Partitions[0])
		}
		if len(d.Model().Expressions) != tt.expressions || len(d.Warnings) != 0 {
			t.Errorf("%s: %d expressions, warnings %q", tt.name, len(d.Model().Expressions), d.Warnings)
		}
		if err := d.Model().Validate(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	d, err := Decode(incremental(strings.Replace(periods, `"incrementalPeriods":10`, `"incrementalPeriods":10,"incrementalPeriodsOffset":-1,"freshet:filterField":"order \"AT\""`, 1), "T", ""))
	if err != nil || d.Model().Tables[0].RefreshPolicy.IncrementalPeriodsOffset != -1 || !strings.Contains(d.Model().Tables[0].RefreshPolicy.SourceExpression, `[#"Order ""at"""]`) {
		t.Errorf("complete periods, and a column in another letter case: %v", err)
	}
	for _, full := range []string{"", `"$type":"FullRefreshPolicy","location":"Orders.csv"`} {
		if d, err := Decode(incremental(full, "T", "")); err != nil || d.Model().Tables[0].RefreshPolicy != nil {
			t.Errorf("%s: %v", full, err)
		}
	}
}

func TestC1IncrementalPolicyRefusesByName(t *testing.T) {
	for policy, want := range map[string]string{
		`"$type":"IncrementalRefreshPolicy"`:                     "does not say rollingWindowGranularity and rollingWindowPeriods",
		strings.Replace(periods, `"Day"`, `"Invalid"`, 1):        "does not say incrementalGranularity and incrementalPeriods",
		strings.Replace(periods, `Periods":10`, `Periods":0`, 1): "does not say incrementalGranularity and incrementalPeriods",
		strings.Replace(periods, "Incremental", "Delta", 1):      "has the unknown $type 'DeltaRefreshPolicy'",
		periods:                                        "its query does not use RangeStart",
		periods + `,"freshet:filterField":"Id"`:        "names 'Id' as its freshet:filterField, which is no attribute of dataType dateTime",
		periods + `,"freshet:filterField":"Day"`:       "names 'Day' as its freshet:filterField",
		periods + `,"freshet:filterField":"At"`:        "names 'At' as its freshet:filterField",
		periods + `,"freshet:detectChangesField":"At"`: "names 'At' as its freshet:detectChangesField, which is no attribute",
		periods + `,"sourceExpression":"Table.SelectRows(T, each RangeEnd > 1)"`:              "its query does not use RangeStart",
		strings.Replace(periods, `"rollingWindowPeriods":5`, `"rollingWindowPeriods":"x"`, 1): "'entities.pbi:refreshPolicy.rollingWindowPeriods' cannot be string",
	} {
		_, err := Decode(incremental(policy, "T", ""))
		if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != model.CodeFile || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: got %v, want %s", policy, err, want)
		}
	}
}
