package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `package room

const (
	// Invalid: it is wrong. Do: mend it.
	CodeWrong = "Wrong"

	// Unavailable or Denied 401, Power BI's: it is away or
	// forbidden.
	// Do: wait | ask.
	codeAway = "Away"

	CodeOther = CodeWrong
)

func f() error { return fault.New(fault.Invalid, CodeOther, "cannot") }
`

func TestCatalogue(t *testing.T) {
	codes, err := read(write(t, good))
	if err != nil {
		t.Fatal(err)
	}
	want := "| **`Away`** | Unavailable, Denied | 503, 401 | yes, no | It is away or forbidden. | Wait \\| ask. |\n" +
		"| `Wrong` | Invalid | 400 | no | It is wrong. | Mend it. |\n"
	if got := strings.TrimPrefix(page(codes), head); got != want {
		t.Errorf("the page has\n%s\nwant\n%s", got, want)
	}
}

// TestRefusals: what the catalogue would not tell, or not tell rightly, fails.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ with, want string }{
		"no comment":    {`const CodeNew = "New"`, `CodeNew: its comment must have the form`},
		"no action":     {"// Invalid: it is new.\nconst CodeNew = \"New\"", `CodeNew: its comment must have the form`},
		"unknown kind":  {"// Bad: it is new. Do: nothing.\nconst CodeNew = \"New\"", `there is no kind "Bad"`},
		"twice":         {"// Invalid: it is wrong again. Do: nothing.\nconst CodeNew = \"Wrong\"", `the code "Wrong" is declared at`},
		"quoted":        {`var e = fault.New(fault.Invalid, "New", "cannot")`, `"New" must be a constant`},
		"quoted result": {`func g() (fault.Kind, string) { return fault.Invalid, "New" }`, `"New" must be a constant`},
		"quoted field":  {`var e = fault.Error{Code: "New"}`, `"New" must be a constant`},
		"none":          {`var e = fault.New(fault.Invalid, "", "cannot")`, `"" must be a constant`},
		"another kind":  {`var e = fault.New(fault.Conflict, CodeOther, "cannot")`, `an error of kind Conflict has the code "Wrong"`},
	} {
		_, err := read(write(t, good+c.with))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "room.go"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
