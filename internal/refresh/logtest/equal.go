package logtest

import (
	"encoding/json"
	"testing"
)

// equal compares two values by their JSON, which says the same of equal times whatever their location pointers.
func equal(t *testing.T, got, want any) {
	t.Helper()
	g, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.MarshalIndent(want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) && !(len(g) <= 4 && len(w) <= 4) {
		t.Fatalf("got %s\nwant %s", g, w)
	}
}
