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
	if got := Nearest("t", []string{"i", "n"}); got != "" {
		t.Errorf("nearest to t is %q, which has no letter of it", got)
	}
	if got := Nearest("T", []string{"i", "t"}); got != "t" {
		t.Errorf("nearest to T is %q, want t", got)
	}
}
