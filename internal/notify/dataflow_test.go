package notify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/notify"
)

// C1: what is told of a dataflow calls it one.
func TestC1EventOfADataflow(t *testing.T) {
	told := event("Scheduled", "Failed").Data
	told.Dataflow, told.Dataset = told.Dataset, notify.Named{}
	text, err := json.Marshal(notify.Ended(told))
	if err != nil || !strings.Contains(string(text), `"dataflow":{"id":"5b4f1d3e-0000-4000-8000-000000000001","name":"Retail"}`) || strings.Contains(string(text), "dataset") {
		t.Errorf("%s, %v", text, err)
	}
	for _, tt := range []struct {
		event notify.Event
		want  []string
	}{
		{notify.Ended(told), []string{"The refresh of dataflow Sales/Retail failed.", "freshet show 5b4f1d3e-0000-4000-8000-000000000001 "}},
		{notify.Disabled(told, time.Now()), []string{"The schedule of dataflow Sales/Retail was disabled", "The dataflow is not refreshed by itself", "freshet schedule 5b4f1d3e-0000-4000-8000-000000000001 --enable"}},
	} {
		for _, want := range tt.want {
			if body := tt.event.Body(); !strings.Contains(body, want) {
				t.Errorf("the mail has no %q:\n%s", want, body)
			}
		}
	}
}
