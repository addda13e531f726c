package api

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"freshet.dev/internal/fault"
)

// TestCatalogueStatuses: the statuses of doc/errors.md are those that requests are answered with.
func TestCatalogueStatuses(t *testing.T) {
	page, err := os.ReadFile("../../doc/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]fault.Kind{}
	for kind := fault.Internal; kind <= fault.Unavailable; kind++ {
		kinds[kind.String()] = kind
	}
	checked := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, " | ")
		if len(cells) != 6 || !strings.Contains(cells[0], "`") {
			continue
		}
		code := strings.Trim(cells[0], "|*` ")
		listed := strings.Split(cells[2], ", ")
		for name := range strings.SplitSeq(cells[1], ", ") {
			kind, known := kinds[name]
			if !known {
				continue // Failure, Warning: no answer
			}
			checked++
			answered, err := status, &fault.Error{Kind: kind, Code: code}
			if _, signIn := entraCodes[code]; signIn && kind != fault.NotFound {
				answered = oauthStatus // a person's page, unlike a program, is answered as by every other route
			}
			if got := strconv.Itoa(answered(err)); !slices.Contains(listed, got) {
				t.Errorf("doc/errors.md says %s for %s of kind %s; requests are answered with %s", cells[2], code, name, got)
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d codes were found in doc/errors.md", checked)
	}
}
