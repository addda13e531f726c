package tests

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet.dev/powerbi"
)

// policyTable is a table over a table or view of PostgreSQL whose rows a policy parts by their day. more are further properties of the policy.
func (p postgres) policyTable(name, from string, more object) object {
	between := "let Source = " + p.from(from) + ` in Table.SelectRows(Source, each [day] >= RangeStart and [day] < RangeEnd)`
	policy := object{"policyType": "basic", "sourceExpression": between}
	for key, value := range more {
		policy[key] = value
	}
	table := tableOf(name, "id int64, day dateTime, amount decimal", reads(name, between))
	table["refreshPolicy"] = policy
	return table
}

// rangeParameters are the parameters that every policy needs, with what Power BI Desktop has them be.
var rangeParameters = []object{
	{"name": "RangeStart", "kind": "m", "expression": `#datetime(2024, 1, 1, 0, 0, 0) meta [IsParameterQuery=true, Type="DateTime", IsParameterQueryRequired=true]`},
	{"name": "RangeEnd", "kind": "m", "expression": `#datetime(2024, 2, 1, 0, 0, 0) meta [IsParameterQuery=true, Type="DateTime", IsParameterQueryRequired=true]`},
}

// listen makes the server log what is asked of the database from now on.
func (p postgres) listen(t *testing.T) {
	t.Helper()
	p.run(t, "ALTER DATABASE "+p.database()+" SET log_statement = 'all'")
}

var loggedCopy = regexp.MustCompile(`(?s)LOG:  (?:statement|execute [^:]*): (COPY .*?)\n(?:\d{4}-|$)`)

// asked returns the statements since a position of the server's log that read the table or view, and the log's position now.
func (p postgres) asked(t *testing.T, from string, since int64) (statements []string, now int64) {
	t.Helper()
	var text string
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.QueryRow(t.Context(), "SELECT convert_from(pg_read_binary_file('server.log', $1, 1 << 29), 'UTF8')", since).Scan(&text); err != nil {
		t.Fatalf("the server's log cannot be read, as scripts/servers has it: %v", err)
	}
	for _, match := range loggedCopy.FindAllStringSubmatch(text+"\n", -1) {
		if strings.Contains(match[1], `"`+from+`"`) {
			statements = append(statements, match[1])
		}
	}
	return statements, since + int64(len(text))
}

// TestPolicyYear: a year of daily refreshes. Every day the table equals what one full load of the window gives, the source is asked for the
// incremental range and nothing else, and merged partitions are read from nobody.
func TestPolicyYear(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE facts (id bigint, day timestamp, amount numeric(19,4))")
	p.listen(t)
	p.run(t, "INSERT INTO facts SELECT n, timestamp '2023-06-01' + n * interval '7 hours', n % 97 FROM generate_series(0, 800) n")
	h := startHost(t, configured(t, p.source()))
	ref := h.deploy(t, "Facts", bimOf(t, "Facts", object{"expressions": rangeParameters, "tables": []object{p.policyTable("Facts", "facts", object{
		"rollingWindowGranularity": "quarter", "rollingWindowPeriods": 1, "incrementalGranularity": "day", "incrementalPeriods": 3})}}))
	day := time.Date(2024, 1, 10, 0, 0, 0, 0, time.UTC)
	_, position := p.asked(t, "facts", 0)
	for n := range 366 {
		today := day.Format(time.DateOnly)
		// A few rows of today, and a change of some within the incremental range.
		p.run(t, fmt.Sprintf("INSERT INTO facts SELECT 1000 + %d * 5 + n, timestamp '%s' + n * interval '4 hours 59 minutes 59.999 seconds', n FROM generate_series(0, 4) n", n, today))
		p.run(t, fmt.Sprintf("UPDATE facts SET amount = amount + 1 WHERE day >= timestamp '%s' - interval '2 days'", today))
		detail := h.completed(t, ref, `{"type":"full","effectiveDate":"`+today+`"}`)

		quarter := time.Date(day.Year(), day.Month()-3, 1, 0, 0, 0, 0, time.UTC)
		begin := time.Date(quarter.Year(), (quarter.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		sums := "count(*), min(id), max(id), sum(amount), sum(id * amount), min(day), max(day)"
		want := p.text(t, fmt.Sprintf("SELECT concat_ws('|', %s) FROM facts WHERE day >= '%s' AND day < timestamp '%s' + interval '1 day'", sums, begin, today))
		got := h.values(t, ref, "SELECT concat_ws('|', "+sums+") FROM Facts")
		if comparable(got) != comparable(want) {
			t.Fatalf("%s: the table has\n%s\nwant\n%s\n%+v", today, got, want, detail.Freshet.Objects)
		}
		var statements []string
		statements, position = p.asked(t, "facts", position)
		if n > 0 && len(statements) != 3 {
			t.Fatalf("%s: the source was asked %d times:\n%s", today, len(statements), strings.Join(statements, "\n"))
		}
		for _, statement := range statements {
			if !strings.Contains(statement, `"day" >= `) || !strings.Contains(statement, `"day" < `) {
				t.Fatalf("%s: the range is not in the source's statement: %s", today, statement)
			}
		}
		day = day.AddDate(0, 0, 1)
	}
}

// comparable leaves out what DuckDB and PostgreSQL write in different ways: zeros behind the decimal point.
func comparable(sums string) string {
	cells := strings.Split(sums, "|")
	for i, cell := range cells {
		if strings.Contains(cell, ".") {
			cells[i] = strings.TrimRight(strings.TrimRight(cell, "0"), ".")
		}
	}
	return strings.Join(cells, "|")
}

// notes lists what a refresh did to the partitions of a table that are not as they were: "2024Q101: why".
func notes(detail powerbi.RefreshDetail, table string) string {
	var lines []string
	for _, object := range detail.Freshet.Objects {
		if object.Table == table {
			lines = append(lines, object.Partition+": "+object.Note)
		}
	}
	return strings.Join(lines, "\n")
}

// TestPolicyModel refreshes a model of Power BI Desktop with a policy as it is: its polling expression names the table itself, which stands for the
// rows of the partition's range.
func TestPolicyModel(t *testing.T) {
	r := start(t)
	ref := r.deploy(t, "Policy", sharedModel(t, "policy-tmdl"))
	detail := r.completed(t, ref, `{"type":"full","effectiveDate":"2026-02-07"}`)
	rows := `SELECT (SELECT string_agg(EventID::VARCHAR, ',' ORDER BY EventID) FROM FactEvents_Policy), (SELECT count(*) FROM FactEvents_FilterOnly)`
	if got := r.values(t, ref, rows); got != "1,2,3,4,5,6|4" {
		t.Errorf("rows %s\n%s", got, notes(detail, "FactEvents_Policy"))
	}
	if text := fmt.Sprint(detail.Messages); !strings.Contains(text, "Calculated table 'DateTableTemplate_5441359f-182c-48f4-b11b-e08d7766b09f' was not calculated: its state is CalculationNeeded") ||
		!strings.Contains(text, "The refresh policy of table 'FactEvents_Policy' on 2026-02-07: 39 partitions to read where their polls tell of a change") {
		t.Errorf("messages: %s", text)
	}
	// The next day only the new one is read: the others' polls say what they said.
	detail = r.completed(t, ref, `{"type":"full","effectiveDate":"2026-02-08"}`)
	var read []string
	for _, line := range strings.Split(notes(detail, "FactEvents_Policy"), "\n") {
		if !strings.Contains(line, "its polling expression gives the same") && !strings.Contains(line, "the policy does not refresh") {
			read = append(read, line)
		}
	}
	if got := strings.Join(read, "\n"); got != "2026Q10207: new in the incremental range" {
		t.Errorf("not kept:\n%s", got)
	}
	if note := objectOf(t, detail, "FactEvents_Policy", "2026Q10205").Note; note != "its polling expression gives the same as when it was read: #datetime(2026, 2, 6, 11, 0, 0)" {
		t.Errorf("note %q", note)
	}
	if got := r.values(t, ref, rows); got != "1,2,3,4,5,6|4" {
		t.Errorf("rows %s", got)
	}

	// R13: without the policy every partition that it made is read; with one alone; not with it, nor in part.
	r.completed(t, ref, `{"type":"clearValues","objects":[{"table":"FactEvents_Policy"}]}`)
	if got := r.values(t, ref, rows); got != "|4" && got != "null|4" {
		t.Errorf("cleared: %s", got)
	}
	r.completed(t, ref, `{"type":"full","applyRefreshPolicy":false,"commitMode":"partialBatch","objects":[{"table":"FactEvents_Policy","partition":"2026Q10205"}]}`)
	if got := r.values(t, ref, rows); got != "6|4" {
		t.Errorf("one partition: %s", got)
	}
	detail = r.completed(t, ref, `{"type":"full","effectiveDate":"2026-02-08"}`)
	if text := fmt.Sprint(detail.Messages); !strings.Contains(text, "partitions without rows before its incremental range, which a refresh policy does not load: '2024'") {
		t.Errorf("cleared history: %s", text)
	}
	if got := r.values(t, ref, rows); got != "3,4,5,6|4" {
		t.Errorf("the incremental range: %s", got)
	}
	r.completed(t, ref, `{"type":"full","applyRefreshPolicy":"false"}`)
	if got := r.values(t, ref, rows); got != "1,2,3,4,5,6|4" {
		t.Errorf("all again: %s", got)
	}
	for _, body := range []string{
		`{"type":"full","commitMode":"partialBatch"}`,
		`{"type":"full","objects":[{"table":"FactEvents_Policy","partition":"2026Q10205"}]}`,
	} {
		if got := r.raw(t, "POST", refreshesOf(ref), body); got.status != http.StatusBadRequest || !strings.Contains(errorOf(t, got).Message, `"applyRefreshPolicy": false`) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	// A table without a policy is loaded as ever.
	r.completed(t, ref, `{"type":"full","commitMode":"partialBatch","objects":[{"table":"FactEvents_FilterOnly"}]}`)

	// A redeployment keeps the partitions while they would be read in the same way, whatever Desktop's parameters are now; else they go.
	files := sharedModel(t, "policy-tmdl")
	edit := func(from, to string) {
		t.Helper()
		edited := 0
		for name, text := range files {
			if strings.Contains(string(text), from) {
				files[name], edited = []byte(strings.ReplaceAll(string(text), from, to)), edited+1
			}
		}
		if edited == 0 {
			t.Fatalf("no file has %q", from)
		}
	}
	edit("RangeStart = #datetime(2026, 1, 1, 0, 0, 0)", "RangeStart = #datetime(2026, 1, 2, 0, 0, 0)")
	edit("incrementalPeriods: 30", "incrementalPeriods: 20")
	ref = r.deploy(t, "Policy", files)
	if got := r.values(t, ref, rows); got != "1,2,3,4,5,6|" && got != "1,2,3,4,5,6|0" {
		t.Errorf("kept: %s", got)
	}
	edit("EventDate] >= RangeStart", "EventDate] >= (RangeStart)")
	ref = r.deploy(t, "Policy", files)
	if got := r.values(t, ref, `SELECT count(*) FROM FactEvents_Policy`); got != "0" {
		t.Errorf("read by another expression: %s", got)
	}
	r.completed(t, ref, `{"type":"automatic","effectiveDate":"2/8/2026"}`) // R14: as TMSL writes it
	if got := r.values(t, ref, rows); got != "1,2,3,4,5,6|4" {
		t.Errorf("made anew: %s", got)
	}
}

// TestPolicyRangeNotFolded: F8, and a warning where each partition reads the whole source, which names the step that breaks folding. Several tables with
// policies are refreshed at once, each by its own.
func TestPolicyRangeNotFolded(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE events (id bigint, day timestamp, amount numeric(19,4))",
		"INSERT INTO events SELECT n, timestamp '2024-01-01' + n * interval '1 day', n FROM generate_series(0, 120) n", "CREATE VIEW facts AS SELECT * FROM events")
	p.listen(t)
	h := startHost(t, configured(t, p.source()))
	monthly := object{"rollingWindowGranularity": "month", "rollingWindowPeriods": 2, "incrementalGranularity": "month", "incrementalPeriods": 2}
	indexed := p.policyTable("Indexed", "events", object{"rollingWindowGranularity": "quarter", "rollingWindowPeriods": 1, "incrementalGranularity": "quarter", "incrementalPeriods": 1,
		"sourceExpression": "let Source = " + p.from("events") + `, Numbered = Table.AddIndexColumn(Source, "n") in Table.SelectRows(Numbered, each [day] >= RangeStart and [day] < RangeEnd)`})
	ref := h.deploy(t, "Two", bimOf(t, "Two", object{"expressions": rangeParameters, "tables": []object{p.policyTable("Facts", "facts", monthly), indexed}}))

	warnings := func(messages []powerbi.RefreshMessage) (texts []string) {
		for _, message := range messages {
			if message.Type == "Warning" {
				texts = append(texts, message.Code+": "+message.Message)
			}
		}
		return texts
	}
	_, position := p.asked(t, "events", 0)
	plan, err := h.PlanRefresh(t.Context(), ref.DatasetID, powerbi.RefreshRequest{Type: "full", EffectiveDate: "2024-04-10"})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, planned := range plan.Partitions {
		line := planned.Action + " " + planned.Table + "/" + planned.Partition
		if planned.Table == "Facts" && len(planned.Statements) == 1 && strings.Contains(planned.Statements[0].Text, "'"+planned.Start+" 00:00:00'") && strings.Contains(planned.Statements[0].Text, "'"+planned.End+" 00:00:00'") {
			line += " within its range"
		}
		told = append(told, line)
	}
	if got, want := strings.Join(told, "\n"), "Remove Facts/Facts\nLoad Facts/2024Q102 within its range\nLoad Facts/2024Q103 within its range\nLoad Facts/2024Q204 within its range\n"+
		"Remove Indexed/Indexed\nLoad Indexed/2024Q1\nLoad Indexed/2024Q2"; got != want {
		t.Errorf("planned\n%s\nwant\n%s", got, want)
	}
	const warning = "RangeNotFolded: Each partition of table 'Indexed' reads all of its source, because the filter by RangeStart and RangeEnd does not get there: folding ends at Table.AddIndexColumn, since "
	if texts := warnings(plan.Messages); len(texts) != 1 || !strings.HasPrefix(texts[0], warning) {
		t.Errorf("the plan warns %q", texts)
	}
	if list, err := h.Refreshes(t.Context(), ref, 0); err != nil || len(list) != 0 {
		t.Errorf("%v, the plan began %v", err, list)
	}
	asked, position := p.asked(t, "events", position)
	if len(asked) != 0 {
		t.Errorf("the plan has read %q", asked)
	}

	detail := h.completed(t, ref, `{"type":"full","effectiveDate":"2024-04-10"}`)
	if texts := warnings(detail.Messages); len(texts) != 1 || !strings.HasPrefix(texts[0], warning) {
		t.Errorf("the refresh warns %q", texts)
	}
	if asked, _ = p.asked(t, "events", position); len(asked) != 2 || strings.Contains(asked[0], "WHERE") {
		t.Errorf("asked %q", asked)
	}
	rows := "SELECT (SELECT concat_ws('-', count(*), min(day), max(day)) FROM Facts), (SELECT concat_ws('-', count(*), min(day), max(day)) FROM Indexed)"
	if got := h.values(t, ref, rows); got != "90-2024-02-01 00:00:00-2024-04-30 00:00:00|121-2024-01-01 00:00:00-2024-04-30 00:00:00" {
		t.Errorf("rows %s", got)
	}
	// One table alone, by its policy: the other keeps its rows.
	h.completed(t, ref, `{"type":"dataOnly","effectiveDate":"2024-05-01","objects":[{"table":"facts"}]}`)
	if got := h.values(t, ref, rows); got != "61-2024-03-01 00:00:00-2024-04-30 00:00:00|121-2024-01-01 00:00:00-2024-04-30 00:00:00" {
		t.Errorf("rows %s", got)
	}
}

// TestPolicyHybrid: the last partition of a hybrid table is read from the source when a query names the table, from its lower bound on, which each
// refresh moves.
func TestPolicyHybrid(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE readings (id bigint, day timestamp, amount numeric(19,4))",
		"INSERT INTO readings SELECT n, timestamp '2024-01-01' + n * interval '1 day', n FROM generate_series(0, 100) n")
	p.listen(t)
	h := startHost(t, configured(t, p.source()))
	hybrid := object{"mode": "hybrid", "rollingWindowGranularity": "month", "rollingWindowPeriods": 1, "incrementalGranularity": "day", "incrementalPeriods": 1}
	other := tableOf("Other", "id int64", reads("Other", `#table(type table [id = Int64.Type], {{7}})`))
	ref := h.deploy(t, "Live", bimOf(t, "Live", object{"expressions": rangeParameters, "tables": []object{p.policyTable("Readings", "readings", hybrid), other}}))
	h.completed(t, ref, `{"type":"full","effectiveDate":"2024-03-01"}`)
	_, position := p.asked(t, "readings", 0)
	rows := "SELECT concat_ws('|', count(*), min(id), max(id), max(day)) FROM Readings"
	if got, want := h.values(t, ref, rows), "70|31|100|2024-04-10 00:00:00"; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	// What comes is seen at once; what was imported is not read again.
	p.run(t, "INSERT INTO readings VALUES (1000, '2024-05-01', 1), (1001, '2024-02-10', 1)")
	if got, want := h.values(t, ref, rows), "71|31|1000|2024-05-01 00:00:00"; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	asked, position := p.asked(t, "readings", position)
	if len(asked) != 2 || !strings.Contains(asked[1], "2024-03-02 00:00:00") {
		t.Errorf("the queries asked %q", asked)
	}
	// A query of another table does not reach the source; nor does one that is refused.
	if got := h.values(t, ref, "SELECT id FROM Other"); got != "7" {
		t.Errorf("Other has %s", got)
	}
	if _, err := h.Query(t.Context(), ref.DatasetID, "SELECT nobody FROM Readings, Nowhere"); err == nil {
		t.Error("a table that is not there was read")
	}
	h.completed(t, ref, `{"type":"full","effectiveDate":"2024-03-02"}`)
	if asked, position = p.asked(t, "readings", position); len(asked) != 1 || !strings.Contains(asked[0], "2024-03-03 00:00:00") {
		t.Errorf("the refresh asked %q", asked)
	}
	if got, want := h.values(t, ref, rows), "71|31|1000|2024-05-01 00:00:00"; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
	if asked, _ = p.asked(t, "readings", position); len(asked) != 1 || !strings.Contains(asked[0], "2024-03-03 00:00:00") {
		t.Errorf("the bound has not moved: %q", asked)
	}
	// The bound goes back with the effective date: what was imported after it is not seen twice.
	h.completed(t, ref, `{"type":"full","effectiveDate":"2024-03-01"}`)
	if got, want := h.values(t, ref, rows), "71|31|1000|2024-05-01 00:00:00"; got != want {
		t.Errorf("a day back: rows %s, want %s", got, want)
	}
	explained, err := h.Explain(t.Context(), ref.DatasetID, "Readings", "DirectQuery")
	if err != nil || len(explained) != 1 || len(explained[0].Statements) != 1 || !strings.Contains(explained[0].Note, "read at query time") {
		t.Errorf("%+v, %v", explained, err)
	}
	// A source that fails fails the queries that need it, by name.
	p.run(t, "ALTER TABLE readings RENAME TO gone")
	_, err = h.Query(t.Context(), ref.DatasetID, rows)
	if err == nil || !strings.Contains(err.Error(), "Readings") {
		t.Errorf("without its source: %v", err)
	}
	if got := h.values(t, ref, "SELECT id FROM Other"); got != "7" {
		t.Errorf("Other has %s", got)
	}
}

// TestPolicyPollsAtTheSource: a poll asks the source for one value within the partition's range, and a partition whose value is the same is not read. What
// changes within a value is not seen, as the documents say.
func TestPolicyPollsAtTheSource(t *testing.T) {
	p := newPostgres(t, "CREATE TABLE polled (id bigint, day timestamp, amount numeric(19,4), changed timestamp)",
		"INSERT INTO polled SELECT n, timestamp '2024-01-01' + n * interval '1 day', n, '2024-01-01' FROM generate_series(0, 120) n")
	p.listen(t)
	h := startHost(t, configured(t, p.source()))
	table := p.policyTable("Polled", "polled", object{"rollingWindowGranularity": "month", "rollingWindowPeriods": 3, "incrementalGranularity": "month", "incrementalPeriods": 3,
		"pollingExpression": "let Last = List.Max(Polled[changed]) in if Last = null then #datetime(1901, 1, 1, 0, 0, 0) else Last"})
	ref := h.deploy(t, "Polled", bimOf(t, "Polled", object{"expressions": rangeParameters, "tables": []object{table}}))
	_, position := p.asked(t, "polled", 0)
	plan, err := h.PlanRefresh(t.Context(), ref.DatasetID, powerbi.RefreshRequest{Type: "Full", EffectiveDate: "2024-04-10"})
	if err != nil {
		t.Fatal(err)
	}
	asked, position := p.asked(t, "polled", position)
	if len(asked) > 0 {
		t.Errorf("the plan asked for rows: %q", asked)
	}
	h.completed(t, ref, `{"type":"full","effectiveDate":"2024-04-10"}`)
	asked, position = p.asked(t, "polled", position)
	told := 0 // by the plan beforehand, word by word
	for _, partition := range plan.Partitions {
		statements := partition.Statements
		if partition.Poll != nil {
			statements = append(statements, *partition.Poll)
		}
		for _, statement := range statements {
			if !slices.ContainsFunc(asked, func(sent string) bool { return strings.Contains(sent, statement.Text) }) {
				t.Errorf("the plan told of %s %s", statement.To, statement.Text)
			}
			told++
		}
	}
	if told != len(asked) {
		t.Errorf("the plan told of %d statements, and there were %d", told, len(asked))
	}
	polls, loads := 0, 0
	for _, statement := range asked {
		if strings.Contains(statement, `"amount"`) {
			loads++
		} else if strings.Contains(statement, `MAX("c0") AS "changed"`) && strings.Contains(statement, `"day" >= TIMESTAMP`) {
			polls++
		}
	}
	if polls != 4 || loads != 4 {
		t.Errorf("%d polls and %d loads: %q", polls, loads, asked)
	}
	p.run(t, "UPDATE polled SET amount = -1, changed = '2024-05-01' WHERE day = '2024-03-03'")
	p.run(t, "UPDATE polled SET amount = -2 WHERE day = '2024-04-04'") // and nobody tells
	h.completed(t, ref, `{"type":"full","effectiveDate":"2024-04-11"}`)
	asked, _ = p.asked(t, "polled", position)
	loads = 0
	for _, statement := range asked {
		if strings.Contains(statement, `"amount"`) {
			loads++
			if !strings.Contains(statement, "'2024-03-01 00:00:00'") {
				t.Errorf("loaded by %s", statement)
			}
		}
	}
	if loads != 1 || len(asked) != 4 {
		t.Errorf("asked %q", asked)
	}
	if got := h.values(t, ref, "SELECT min(amount), max(id), count(*) FROM Polled"); got != "-1.0000|120|121" {
		t.Errorf("rows %s", got)
	}
}
