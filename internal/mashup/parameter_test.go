package mashup

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

var pi = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

// The values are those of Power BI's reference (Datasets_GetParametersInGroup).
func TestReadParameter(t *testing.T) {
	for _, test := range []struct {
		text string
		want Parameter
	}{
		{`"MyTest.database.windows.net" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]`, Parameter{Type: "Text", Required: true, Value: "MyTest.database.windows.net"}},
		{`#datetime(2002, 2, 8, 0, 0, 0) meta [IsParameterQuery=true, Type="DateTime", IsParameterQueryRequired=true]`, Parameter{Type: "DateTime", Required: true, Value: "2/8/2002 12:00:00 AM"}},
		{`true meta [IsParameterQuery=true, Type="Logical"]`, Parameter{Type: "Logical", Value: "TRUE"}},
		{`77 meta [IsParameterQuery=true, Type="Number", List={1, -77, 1.5}, DefaultValue=1]`, Parameter{Type: "Number", Value: "77", Suggested: []string{"1", "-77", "1.5"}}},
		{`"uu63" meta [IsParameterQuery=true]`, Parameter{Type: "Any", Value: "uu63"}},
		{`null meta [IsParameterQuery=true, Type="Date", List=Other]`, Parameter{Type: "Date"}},
		{`#duration(1, 2, 3, 4) meta [IsParameterQuery=true, Type="Duration"]`, Parameter{Type: "Duration", Value: "1.02:03:04"}},
		{"// comment\n(\"a\" & Other) meta [IsParameterQuery=true, Type=\"Text\"]", Parameter{Type: "Text"}},
	} {
		test.want.Name = "P"
		if got, ok := ReadParameter("P", test.text, pi); !ok || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %t", test.text, got, ok)
		}
	}
	for _, text := range []string{`1`, `1 meta [IsParameterQuery=false]`, `1 meta [Documentation.Name="x"]`, `(x) => x meta [IsParameterQuery=true]`, `let`, `1 meta Other`} {
		if got, ok := ReadParameter("P", text, pi); ok {
			t.Errorf("%s is a parameter: %+v", text, got)
		}
	}
}

// [contract §2.2] values are checked against the parameter's type.
func TestSetParameter(t *testing.T) {
	const meta = `meta [IsParameterQuery=true, Type="TYPE", List={1, 2}]`
	for _, test := range []struct{ typ, value, want string }{
		{"Text", `a "b"` + "\n", `"a ""b""#(lf)"`},
		{"Text", "5", `"5"`},
		{"Text", "", "null"},
		{"Number", "5678", "5678"},
		{"Number", "-0.50", "-0.5"},
		{"Number", "3", "3"}, // the list only suggests
		{"Logical", "TRUE", "true"},
		{"Date", "2026-03-14", "#date(2026, 3, 14)"},
		{"Date", "3/14/2026", "#date(2026, 3, 14)"},
		{"DateTime", "2/8/2002 12:30:00 AM", "#datetime(2002, 2, 8, 0, 30, 0)"},
		{"DateTime", "2020-01-01T06:07:08", "#datetime(2020, 1, 1, 6, 7, 8)"},
		{"DateTimeZone", "2020-01-01T06:07:08+01:30", "#datetimezone(2020, 1, 1, 6, 7, 8, 1, 30)"},
		{"Time", "06:30", "#time(6, 30, 0)"},
		{"Duration", "1.02:03:04", "#duration(1, 2, 3, 4)"},
	} {
		about := strings.Replace(meta, "TYPE", test.typ, 1)
		got, err := SetParameter("P", "\ufeff/* é */ \"old\"\r\n  "+about, test.value, pi)
		if want := test.want + " " + about; err != nil || got != want {
			t.Errorf("%s %q: %s, %v\nwant %s", test.typ, test.value, got, err, want)
		}
	}
	for _, test := range []struct{ typ, value, want string }{
		{"Number", "many", "cannot set parameter 'P' to 'many': it is no value of type Number. Such a value looks like 12.5"},
		{"Logical", "1", "no value of type Logical"},
		{"Date", "2026-02-30", "no value of type Date"},
		{"DateTime", "yesterday", "no value of type DateTime"},
		{"Any", "1", "its type is Any, and such parameters cannot be updated"},
		{"Binary", "AA==", "its type is Binary"},
		{"Colour", "red", "no value of type Colour"},
		{"Number\", IsParameterQueryRequired=true, X=\"", "", "it is required"},
	} {
		_, err := SetParameter("P", "1 "+strings.Replace(meta, "TYPE", test.typ, 1), test.value, pi)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: %v", test.typ, test.value, err)
		}
	}
	if _, err := SetParameter("Sales", "let a = 1 in a", "1", pi); fault.CodeOf(err) != fault.CodeInvalidRequest {
		t.Errorf("got %v", err)
	}
}
