package api

import (
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"freshet.dev/internal/workspace"
)

// R17: numbers, true and false count as their texts; null, and no value, is the empty one.
func TestDecodeParameters(t *testing.T) {
	decode := func(body string) ([]workspace.ParameterValue, error) {
		return (&call{r: httptest.NewRequest("POST", "/", strings.NewReader(body))}).decodeParameters()
	}
	got, err := decode(`{"UPDATEDETAILS":[{"NAME":"a","NEWVALUE":"\"x\""},{"name":"b","newValue":1.50},{"name":"c","newValue":true},{"name":"d","newValue":null},{"name":"e"}],"more":1}`)
	want := []workspace.ParameterValue{{Name: "a", Value: `"x"`}, {Name: "b", Value: "1.50"}, {Name: "c", Value: "true"}, {Name: "d"}, {Name: "e"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for body, want := range map[string]string{
		`{"updateDetails":[{"name":"a","newValue":{}}]}`: "cannot update parameter 'a': its newValue must be a text",
		`{"updateDetails":{}}`:                           "'updateDetails' must be a list, not object",
		`{"updateDetails":`:                              "its JSON ends too early",
	} {
		if _, err := decode(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
