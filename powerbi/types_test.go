package powerbi

import (
	"encoding/json"
	"testing"
	"time"
)

// R27: times are read with 0 to 7 digits, with and without a zone, and written in UTC with 7.
func TestR27Times(t *testing.T) {
	for text, want := range map[string]string{
		`"2020-12-07T02:06:57.1838734Z"`:   `"2020-12-07T02:06:57.1838734Z"`,
		`"2020-12-07T01:05:54.157324Z"`:    `"2020-12-07T01:05:54.1573240Z"`,
		`"2017-06-13T09:25:43.153Z"`:       `"2017-06-13T09:25:43.1530000Z"`,
		`"2017-06-13T09:25:43Z"`:           `"2017-06-13T09:25:43.0000000Z"`,
		`"2021-12-14T03:46:04.833"`:        `"2021-12-14T03:46:04.8330000Z"`,
		`"2021-12-10T08:40:31.57"`:         `"2021-12-10T08:40:31.5700000Z"`,
		`"2021-12-10T08:40:31"`:            `"2021-12-10T08:40:31.0000000Z"`,
		`"2021-12-10T08:40:31.5+02:00"`:    `"2021-12-10T06:40:31.5000000Z"`,
		`"2021-12-10T08:40:31.123456789Z"`: `"2021-12-10T08:40:31.1234567Z"`,
		`"2021-12-10"`:                     `"2021-12-10T00:00:00.0000000Z"`,
		`""`:                               `null`,
		`null`:                             `null`,
	} {
		var read Time
		if err := json.Unmarshal([]byte(text), &read); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := json.Marshal(read)
		if err != nil || string(got) != want {
			t.Errorf("%s is written as %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{`"yesterday"`, `5`, `"2021-13-10T08:40:31Z"`} {
		var read Time
		if err := json.Unmarshal([]byte(text), &read); err == nil {
			t.Errorf("%s is read as %s", text, read)
		}
	}
}

// R26: our client reads the words of Azure Analysis Services too.
func TestR26StatusWords(t *testing.T) {
	for text, want := range map[string]Status{
		"succeeded": Completed, "inProgress": InProgress, "notStarted": NotStarted, "COMPLETED": Completed, "canceled": Cancelled,
		"timedOut": TimedOut, "Disabled": Disabled, "unknown": Unknown, "failed": Failed, "Hibernating": "Hibernating", "": "",
	} {
		var got Status
		if err := json.Unmarshal([]byte(`"`+text+`"`), &got); err != nil || got != want {
			t.Errorf("%q is read as %q (%v), want %q", text, got, err, want)
		}
	}
}

// R24, R26: the documents' history, whose unfinished entries have an endTime and lack extendedStatus.
func TestR24History(t *testing.T) {
	const history = `[
	 {"requestId":"1344a272-7893-4afa-a4b3-3fb87222fdac","refreshType":"ViaEnhancedApi","startTime":"2020-12-07T02:06:57.1838734Z",
	  "endTime":"2020-12-07T02:07:00.4929675Z","status":"Completed","extendedStatus":"Completed"},
	 {"requestId":"474fc5a0-3d69-4c5d-adb4-8a846fa5580b","startTime":"2020-12-07T01:05:54.157324Z","refreshType":"ViaEnhancedApi",
	  "endTime":"2020-12-07T01:05:57.353371Z","status":"Unknown"},
	 {"requestId":"85a82498-2209-428c-b273-f87b3a1eb905","refreshType":"ViaEnhancedApi","startTime":"2020-12-07T01:05:54.157324Z",
	  "endTime":"2020-12-07T01:05:57.353371Z","status":"Unknown","extendedStatus":"NotStarted"}]`
	var list []Refresh
	if err := json.Unmarshal([]byte(history), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 || list[0].EndTime.Format(time.RFC3339Nano) != "2020-12-07T02:07:00.4929675Z" || list[1].ExtendedStatus != "" ||
		list[2].ExtendedStatus != NotStarted {
		t.Errorf("read as %+v", list)
	}
	// What we write has no endTime for an unfinished refresh.
	text, err := json.Marshal(Refresh{RequestID: "x", Status: Unknown, ExtendedStatus: InProgress})
	if err != nil || string(text) != `{"requestId":"x","status":"Unknown","extendedStatus":"InProgress"}` {
		t.Errorf("%s, %v", text, err)
	}
}
