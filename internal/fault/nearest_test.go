package fault

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"type", "commitMode", "maxParallelism", "retryCount", "objects", "timeout"}
	for word, want := range map[string]string{
		"maxParalellism": "maxParallelism",
		"MAXPARALLELISM": "maxParallelism",
		"comitmode":      "commitMode",
		"tpye":           "type",
		"object":         "objects",
		"retries":        "",
		"x":              "",
		"":               "",
		"refreshRequest": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
