package refresh

import (
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/policy"
)

func ptr[T any](value T) *T { return &value }

var today = time.Date(2026, 3, 1, 23, 30, 0, 0, time.FixedZone("", 2*3600))

func TestR5Defaults(t *testing.T) {
	if (Params{}).Enhanced() || (Params{NotifyOption: ptr("MailOnFailure")}).Enhanced() {
		t.Fatal("a refresh without parameters is enhanced")
	}
	if !(Params{RetryCount: ptr[int64](0)}).Enhanced() || !(Params{Objects: []Object{}}).Enhanced() {
		t.Fatal("a refresh with a parameter is not enhanced")
	}
	standard, err := Params{NotifyOption: ptr("mailonfailure")}.Request(ViaAPI, today)
	if err != nil {
		t.Fatal(err)
	}
	want := Request{Type: Full, CommitMode: Transactional, MaxParallelism: 10, ApplyRefreshPolicy: true,
		EffectiveDate: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Timeout: 5 * time.Hour, Notify: "MailOnFailure"}
	if !same(standard, want) {
		t.Fatalf("standard: %+v", standard)
	}
	want.Type, want.Notify = Automatic, ""
	enhanced, err := Params{RetryCount: ptr[int64](0), NotifyOption: ptr("whatever")}.Request(ViaEnhancedAPI, today) // R16: ignored
	if err != nil || !same(enhanced, want) {
		t.Fatalf("enhanced: %+v, %v", enhanced, err)
	}
}

func same(a, b Request) bool {
	return a.Type == b.Type && a.CommitMode == b.CommitMode && a.MaxParallelism == b.MaxParallelism && a.RetryCount == b.RetryCount && len(a.Objects) == len(b.Objects) &&
		a.ApplyRefreshPolicy == b.ApplyRefreshPolicy && a.EffectiveDate.Equal(b.EffectiveDate) && a.Timeout == b.Timeout && a.Notify == b.Notify
}

// R8, R10, R11, R14, R15, R17: what is wrong is named, and what is allowed.
func TestRequestRefusals(t *testing.T) {
	tests := map[string]struct {
		params Params
		text   []string
	}{
		"R8 add":                {Params{Type: ptr("add")}, []string{"'add'", "type", "Full, ClearValues, Calculate, DataOnly, Automatic, Defragment"}},
		"R8 empty":              {Params{Type: ptr("")}, []string{"''", "type"}},
		"R9 commitMode":         {Params{CommitMode: ptr("batch")}, []string{"'batch'", "commitMode", "Transactional, PartialBatch"}},
		"R10 zero":              {Params{MaxParallelism: ptr[int64](0)}, []string{"cannot use 0 for maxParallelism", "from 1"}},
		"R10 too much":          {Params{MaxParallelism: ptr[int64](1 << 40)}, []string{"1099511627776", "maxParallelism"}},
		"R11 negative":          {Params{RetryCount: ptr[int64](-1)}, []string{"cannot use -1 for retryCount", "from 0"}},
		"R14 text":              {Params{EffectiveDate: ptr("yesterday")}, []string{"'yesterday'", "effectiveDate", "2026-03-31"}},
		"R14 no such day":       {Params{EffectiveDate: ptr("2026-02-30")}, []string{"'2026-02-30'"}},
		"R15 a day":             {Params{Timeout: ptr("24:00:00")}, []string{"'24:00:00'", "23:59:59"}},
		"R15 nothing":           {Params{Timeout: ptr("00:00:00")}, []string{"'00:00:00'", "timeout"}},
		"R15 no seconds":        {Params{Timeout: ptr("05:00")}, []string{"'05:00'", "hh:mm:ss"}},
		"R12 partition alone":   {Params{Objects: []Object{{Partition: "P1"}}}, []string{"'P1'", "no table"}},
		"R12 nothing named":     {Params{Objects: []Object{{}}}, []string{"without a table"}},
		"parameters on demand":  {Params{Type: ptr("full")}, []string{"OnDemand"}},
		"R16 unknown of a kind": {Params{NotifyOption: ptr("Shout")}, []string{"'Shout'", "MailOnCompletion"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			trigger := ViaEnhancedAPI
			switch name {
			case "parameters on demand":
				trigger = OnDemand
			case "R16 unknown of a kind":
				trigger = ViaAPI
			}
			_, err := test.params.Request(trigger, today)
			if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != CodeInvalidRequest {
				t.Fatalf("error %v", err)
			}
			for _, text := range test.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q lacks %q", err, text)
				}
			}
		})
	}
}

func TestR8AnyCaseOfTypes(t *testing.T) {
	for text, want := range map[string]Type{"full": Full, "CLEARVALUES": ClearValues, "dataonly": DataOnly, "Calculate": Calculate, "aUtomatic": Automatic, "defragment": Defragment} {
		request, err := Params{Type: ptr(text), CommitMode: ptr("partialbatch")}.Request(ViaEnhancedAPI, today)
		if err != nil || request.Type != want || request.CommitMode != PartialBatch {
			t.Errorf("%s: %s, %s, %v", text, request.Type, request.CommitMode, err)
		}
	}
}

func TestR14EffectiveDate(t *testing.T) {
	want := time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{"2026-12-03", "2026-12-03T23:15:00Z", "2026-12-03T00:15:00.123+05:30", "2026-12-03T10:00:00", "2026-12-03 10:00:00", "12/3/2026", "12/03/2026", "12/3/2026 11:59:00 PM", " 2026-12-03 "} {
		request, err := Params{EffectiveDate: ptr(text)}.Request(ViaEnhancedAPI, today)
		if err != nil || !request.EffectiveDate.Equal(want) {
			t.Errorf("%q: %s, %v", text, request.EffectiveDate, err)
		}
	}
}

func TestR15Timeout(t *testing.T) {
	for text, want := range map[string]time.Duration{"23:59:59": 24*time.Hour - time.Second, "1:02:03": 3723 * time.Second, "00:00:01": time.Second, "05:00:00": 5 * time.Hour} {
		request, err := Params{Timeout: ptr(text)}.Request(ViaEnhancedAPI, today)
		if err != nil || request.Timeout != want {
			t.Errorf("%q: %s, %v", text, request.Timeout, err)
		}
	}
}

func twoTables() *model.Model {
	return &model.Model{Tables: []*model.Table{
		{Name: "Sales", Partitions: []*model.Partition{{Name: "2024"}, {Name: "2025"}}},
		{Name: "Date", Partitions: []*model.Partition{{Name: "Date"}}},
		{Name: "Policy", Partitions: []*model.Partition{{Name: "2026"}}, RefreshPolicy: &model.RefreshPolicy{
			RollingWindowGranularity: "year", RollingWindowPeriods: 3, IncrementalGranularity: "day", IncrementalPeriods: 1, SourceExpression: "Between"}},
	}, Expressions: []*model.Expression{{Name: "Between", Text: "each [Date] >= RangeStart and [Date] < RangeEnd"}, {Name: "RangeStart"}, {Name: "RangeEnd"}}}
}

func TestR12Objects(t *testing.T) {
	request := Request{Type: Full, CommitMode: Transactional, Objects: []Object{{"sales", "2025"}, {"DATE", ""}, {"Sales", "2025"}, {"date", "Date"}}}
	resolved, err := request.resolve(twoTables())
	if err != nil {
		t.Fatal(err)
	}
	if len(resolved.Objects) != 3 || resolved.Objects[0] != (Object{"Sales", "2025"}) || resolved.Objects[1] != (Object{"Date", ""}) {
		t.Fatalf("objects %+v", resolved.Objects)
	}
	var names []string
	for _, target := range resolved.scope(twoTables()) {
		names = append(names, target.table.Name+"/"+target.partition.Name)
	}
	if got := strings.Join(names, " "); got != "Sales/2025 Date/Date" {
		t.Fatalf("scope %s", got)
	}
	for text, object := range map[string]Object{
		"'Orders'": {"Orders", ""}, "'Sales', 'Date', 'Policy'": {"Orders", ""},
		"'2026'": {"Sales", "2026"}, "'2024', '2025'": {"Sales", "2026"},
	} {
		request.Objects = []Object{object}
		_, err := request.resolve(twoTables())
		if fault.CodeOf(err) != CodeInvalidRequest || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v lacks %s", object, err, text)
		}
	}
	if n := len(Request{}.scope(twoTables())); n != 4 {
		t.Fatalf("the whole model is %d partitions", n)
	}
	request = Request{Type: Defragment, Objects: []Object{{"Sales", "2024"}}}
	if _, err := request.resolve(twoTables()); fault.CodeOf(err) != CodeInvalidRequest {
		t.Fatalf("defragment of a partition: %v", err)
	}
}

// R13: what a request may ask of a table with a refresh policy.
func TestR13RefreshPolicy(t *testing.T) {
	tests := []struct {
		name    string
		request Request
		code    string
		text    string
	}{
		{"applied", Request{Type: Full, ApplyRefreshPolicy: true, EffectiveDate: today}, "", ""},
		{"applied to the table", Request{Type: Automatic, ApplyRefreshPolicy: true, EffectiveDate: today, Objects: []Object{{"Policy", ""}}}, "", ""},
		{"applied before there were years", Request{Type: Full, ApplyRefreshPolicy: true, EffectiveDate: time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC)}, policy.CodeInvalid, "0002-01-01"},
		{"not in scope", Request{Type: Full, ApplyRefreshPolicy: true, Objects: []Object{{"Sales", ""}}}, "", ""},
		{"switched off", Request{Type: Full}, "", ""},
		{"clearValues", Request{Type: ClearValues, ApplyRefreshPolicy: true}, "", ""},
		{"partialBatch", Request{Type: DataOnly, ApplyRefreshPolicy: true, CommitMode: PartialBatch}, CodeInvalidRequest, `"applyRefreshPolicy": false`},
		{"partialBatch, not in scope", Request{Type: Full, ApplyRefreshPolicy: true, CommitMode: PartialBatch, Objects: []Object{{"Sales", ""}}}, "", ""},
		{"one partition", Request{Type: Full, ApplyRefreshPolicy: true, Objects: []Object{{"Policy", "2026"}}}, CodeInvalidRequest, "'2026'"},
		{"one partition, switched off", Request{Type: Full, Objects: []Object{{"Policy", "2026"}}}, "", ""},
	}
	for _, test := range tests {
		_, err := test.request.resolve(twoTables())
		if fault.CodeOf(err) != test.code || err != nil && (fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.text)) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for says, edit := range map[string]func(*model.Model){
		"does not use the expression RangeEnd":        func(m *model.Model) { m.Expressions[0].Text = "each [Date] >= RangeStart" },
		"does not use the expression RangeStart":      func(m *model.Model) { m.Expressions[1].Name = "rangestart" },
		"its incremental granularity is 'week'":       func(m *model.Model) { m.Table("Policy").RefreshPolicy.IncrementalGranularity = "week" },
		"it has no sourceExpression (table 'Policy')": func(m *model.Model) { m.Table("Policy").RefreshPolicy.SourceExpression = "" },
	} {
		m := twoTables()
		edit(m)
		_, err := Request{Type: Full, ApplyRefreshPolicy: true, EffectiveDate: today}.resolve(m)
		if fault.CodeOf(err) != policy.CodeInvalid || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %s", err, says)
		}
		if _, err := (Request{Type: Full, EffectiveDate: today}).resolve(m); err != nil {
			t.Errorf("not applied: %v", err)
		}
	}
}
