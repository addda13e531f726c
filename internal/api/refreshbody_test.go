package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

// told is what a body was understood as, in a form that compares.
func told(params refresh.Params) string {
	text, err := json.Marshal(params)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func parameters(change func(*refresh.Params)) refresh.Params {
	var params refresh.Params
	change(&params)
	return params
}

// R5, R17: what makes a refresh enhanced, and what is let through.
func TestR5R17RefreshBodies(t *testing.T) {
	seed := parameters(func(p *refresh.Params) {
		p.Type, p.CommitMode, p.MaxParallelism, p.RetryCount = new("Full"), new("transactional"), new(int64(2)), new(int64(2))
		p.Objects = []refresh.Object{{Table: "DimCustomer", Partition: "DimCustomer"}, {Table: "DimDate"}}
	})
	tests := []struct {
		name, body string
		want       refresh.Params
		enhanced   bool
		warnings   []string
	}{
		{"none", "", refresh.Params{}, false, nil},
		{"white space", " \r\n\t", refresh.Params{}, false, nil},
		{"null", "null", refresh.Params{}, false, nil},
		{"empty object", "{}", refresh.Params{}, false, nil},
		{"notifyOption", `{"notifyOption":"MailOnFailure"}`, parameters(func(p *refresh.Params) { p.NotifyOption = new("MailOnFailure") }), false, nil},
		{"the seeds' body", `{"type":"Full","commitMode":"transactional","maxParallelism":2,"retryCount":2,"objects":[{"table":"DimCustomer","partition":"DimCustomer"},{"table":"DimDate"}]}`, seed, true, nil},
		{"other letter case", `{"Type":"Full","COMMITMODE":"transactional","maxparallelism":2,"RetryCount":2,"Objects":[{"Table":"DimCustomer","PARTITION":"DimCustomer"},{"table":"DimDate"}]}`, seed, true, nil},
		{"quotes", `{"retryCount":"1","maxParallelism":" 3 ","applyRefreshPolicy":"False"}`, parameters(func(p *refresh.Params) {
			p.RetryCount, p.MaxParallelism, p.ApplyRefreshPolicy = new(int64(1)), new(int64(3)), new(false)
		}), true, nil},
		{"whole numbers", `{"retryCount":1.0,"maxParallelism":1e1}`, parameters(func(p *refresh.Params) { p.RetryCount, p.MaxParallelism = new(int64(1)), new(int64(10)) }), true, nil},
		{"only a default", `{"retryCount":0}`, parameters(func(p *refresh.Params) { p.RetryCount = new(int64(0)) }), true, nil},
		{"no objects", `{"objects":[]}`, parameters(func(p *refresh.Params) { p.Objects = []refresh.Object{} }), true, nil},
		{"nulls are not named", `{"type":null,"objects":null,"retryCount":null}`, refresh.Params{}, false, nil},
		{"unknown alone", `{"refreshRequest":"y"}`, refresh.Params{}, false, []string{"the parameter 'refreshRequest' is not known and was ignored"}},
		{"near", `{"maxParalellism":5,"objects":[{"table":"t","partitions":"p"}]}`, parameters(func(p *refresh.Params) { p.Objects = []refresh.Object{{Table: "t"}} }), true,
			[]string{"the parameter 'maxParalellism' is not known and was ignored; did you mean 'maxParallelism'?",
				"the parameter 'partitions' of entry 1 of objects is not known and was ignored; did you mean 'partition'?"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			params, warnings, err := decodeRefresh([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if told(params) != told(tt.want) || (params.Objects == nil) != (tt.want.Objects == nil) || params.Enhanced() != tt.enhanced {
				t.Errorf("got %s (enhanced %v), want %s", told(params), params.Enhanced(), told(tt.want))
			}
			var texts []string
			for _, w := range warnings {
				if w.Type != refresh.WarningMessage {
					t.Errorf("the message is of type %s", w.Type)
				}
				texts = append(texts, w.Text)
			}
			if !slices.Equal(texts, tt.warnings) {
				t.Errorf("warned %q, want %q", texts, tt.warnings)
			}
		})
	}
}

// R17: a body of unknown properties does not fill the history, nor an answer.
func TestR17UnknownPropertiesAreBounded(t *testing.T) {
	var body strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&body, `,"x%d%s":1`, i, strings.Repeat("y", 1000))
	}
	_, warnings, err := decodeRefresh([]byte("{" + body.String()[1:] + "}"))
	if err != nil || len(warnings) != 21 || warnings[20].Text != "more parameters are not known and were ignored" {
		t.Fatalf("%d warnings, the last of them %v, error %v", len(warnings), warnings[len(warnings)-1], err)
	}
	if text := warnings[0].Text; len(text) > 300 {
		t.Errorf("a warning of %d bytes", len(text))
	}
	if _, _, err := decodeRefresh([]byte(`{"type":[` + strings.Repeat("1,", 1000) + `1]}`)); err == nil || len(err.Error()) > 400 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// R12, R17: what cannot be meant is named and refused.
func TestR17RefusedRefreshBodies(t *testing.T) {
	for body, want := range map[string]string{
		`{"type":5}`:                                    `cannot use the parameter "type": it must be a text, not 5`,
		`{"maxParallelism":2.5}`:                        `cannot use the parameter "maxParallelism": it must be a whole number, not 2.5`,
		`{"retryCount":"many"}`:                         `it must be a whole number, not "many"`,
		`{"retryCount":true}`:                           `it must be a whole number, not true`,
		`{"retryCount":[1]}`:                            `it must be a whole number`,
		`{"retryCount":99999999999999999999}`:           `it must be a whole number`,
		`{"applyRefreshPolicy":1}`:                      `it must be true or false, not 1`,
		`{"objects":{"table":"t"}}`:                     `it must be a list of objects`,
		`{"objects":["t"]}`:                             `entry 1 must be an object`,
		`{"objects":[{"table":"t"},{"partition":"p"}]}`: `entry 2 names no table, only the partition 'p'`,
		`{"objects":[{}]}`:                              `entry 1 names no table`,
		`{"objects":[{"table":7}]}`:                     `entry 1: table must be a text`,
		`{"type":"full","TYPE":"full"}`:                 `it names 'TYPE' twice`,
		`{"type":"full"`:                                `its JSON ends too early`,
		`{"type":"full"} x`:                             `more follows after its end`,
		`[]`:                                            `it must be a JSON object`,
		`"full"`:                                        `it must be a JSON object`,
		`{type:full}`:                                   `it is not JSON: invalid character 't'`,
		`refresh!`:                                      `it is not JSON: invalid character 'r'`,
		strings.Repeat(`{"objects":[`, 20000):           `it is not JSON`,
	} {
		_, _, err := decodeRefresh([]byte(body))
		if err == nil || fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != "InvalidRequest" || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), "Invalid dataset refresh request. ") {
			t.Errorf("%.60s gives %v, want %s", body, err, want)
		}
	}
}

func FuzzDecodeRefresh(f *testing.F) {
	f.Add([]byte(`{"type":"Full","objects":[{"table":"a","partition":"b"}],"retryCount":"1","applyRefreshPolicy":"false"}`))
	f.Add([]byte(`{"maxParallelism":1e400,"x":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		params, _, err := decodeRefresh(body)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v is not the caller's fault", err)
		}
		for _, object := range params.Objects {
			if object.Table == "" {
				t.Error("an object without a table")
			}
		}
	})
}

// Contract, section 2.2: the filters that clients send, as they encode them.
func TestGroupFilters(t *testing.T) {
	items := []map[string]string{{"name": "Sales", "id": "1"}, {"name": "O'Hara", "id": "2"}, {"name": "Sales Archive (old)", "id": "3"}}
	for query, want := range map[string]string{
		`$filter=name%20eq%20%27Sales%27`:                             "1",
		`%24filter=name+eq+%27Sales%27`:                               "1",
		`$filter=name eq 'O''Hara'`:                                   "2",
		`$filter=contains(name,'sales')`:                              "13",
		`$filter=contains(name, 'sales') and name ne 'Sales'`:         "3",
		`$filter=contains(name,'nothing') or name eq 'Sales'`:         "1",
		`$filter=name eq 'x' or name eq 'sales' or (id eq '2')`:       "12",
		`$filter=not (name eq 'Sales')`:                               "23",
		`$filter=startswith(name,'SALES') and endswith(name,'(old)')`: "3",
		`$filter=id eq 3`:                                             "3",
		`$filter=id gt 1.5 and id le 3.0`:                             "23",
		`$filter=id ge 10 or name lt 'p'`:                             "2",
		`$filter=`:                                                    "123",
	} {
		values, err := url.ParseQuery(strings.ReplaceAll(query, " ", "%20"))
		if err != nil {
			t.Fatal(err)
		}
		keep, _, _, err := groupsQuery(values)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		got := ""
		for _, item := range items {
			if keep(item) {
				got += item["id"]
			}
		}
		if got != want {
			t.Errorf("%s keeps %s, want %s", query, got, want)
		}
	}
	for _, text := range []string{"name", "name eq", "name eq 'x", "name eq 'x' name", "colour eq 'x'", "name above 'x'", "contains(name 'x')", "(name eq 'x'",
		"contains(name,'x'", "and", "name eq )", strings.Repeat("not ", 1000) + "name eq 'x'", "name eq 'a' or"} {
		_, _, _, err := groupsQuery(url.Values{"$filter": {text}})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.40q gives %v", text, err)
		}
	}
	for _, values := range []url.Values{{"$top": {"0"}}, {"$top": {"x"}}, {"$top": {"-1"}}, {"$skip": {"-1"}}, {"$top": {"1", "2"}}, {"$top": {""}}, {"$top": {"1.5"}}} {
		if _, _, _, err := groupsQuery(values); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v gives %v", values, err)
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("contains(name,'x') or not (id eq 'y''z')")
	f.Fuzz(func(t *testing.T, text string) {
		keep, err := parseFilter(text, "id", "name")
		if err == nil {
			keep(map[string]string{"id": "1", "name": "x"})
		}
	})
}
