package server

import (
	"strings"
	"testing"

	"freshet.dev/powerbi"
)

// F7: on a disk with less free space than minFreeDisk a refresh fails by name, its rows stay, and queries go on.
func TestF7MinFreeDisk(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	r := start(t, data, files, nil)
	_, ref := salesModel(t, r)
	if result := r.refreshed(t, ref, powerbi.RefreshRequest{}); result.Err() != nil {
		t.Fatal(result.Err())
	}
	r.stop()
	r = start(t, data, files, func(c *Config) { c.MinFreeDisk = 1 << 59 })
	result := r.refreshed(t, ref, powerbi.RefreshRequest{Type: "full"})
	if err := result.Err(); err == nil || !strings.Contains(err.Error(), "must stay free (minFreeDisk)") {
		t.Errorf("the refresh ended with %v", err)
	}
	if got, want := r.rows(t, ref, totals), `"Ana",2,17.5000 "Bo",1,1.0001`; got != want {
		t.Errorf("rows %s, want %s", got, want)
	}
}
