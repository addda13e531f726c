package server

import (
	"bytes"
	"log/slog"
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

// A name of the configuration that means nothing is logged: it may be misspelt, or deployed later.
func TestF7UnknownGuardedModelsAreLogged(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	r := start(t, data, files, nil)
	salesModel(t, r)
	r.stop()
	var log bytes.Buffer
	config := DefaultConfig()
	config.Listen, config.Data = "127.0.0.1:0", data
	config.Models = []Model{{Name: "shop/SALES", Guards: Guards{Tables: map[string]Guard{"dimCUSTOMER": {}, "Slaes": {}}}}, {Name: "Shop/Later"}}
	s, err := Open(t.Context(), config, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "table=Slaes") || !strings.Contains(text, "model=Shop/Later") {
		t.Errorf("logged %s", text)
	}
}
