package connector

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the endpoints into doc/connector.md")

// The reference lists the endpoints as they are.
func TestReference(t *testing.T) {
	const page, mark = "../../doc/connector.md", "<!-- endpoints -->\n"
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, old, found := strings.Cut(string(content), mark)
	if !found {
		t.Fatalf("%s has no line %s", page, mark)
	}
	list := reference()
	if *rewrite {
		if err := os.WriteFile(page, []byte(head+mark+list), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != list {
		t.Errorf("%s is old: go test ./internal/connector -run Reference -rewrite", page)
	}
	for _, f := range functions() {
		if !strings.Contains(head, f.name) {
			t.Errorf("%s does not name the function %s", page, f.name)
		}
	}
}

func reference() string {
	var out strings.Builder
	for _, e := range endpoints() {
		action := ""
		if e.action {
			action = " An action."
		}
		fmt.Fprintf(&out, "\n### %s\n\n%s%s\n", e.name, e.about, action)
		if len(e.parameters) > 0 {
			out.WriteString("\n| parameter | also | takes | by itself | |\n|---|---|---|---|---|\n")
		}
		for _, a := range e.parameters {
			name, takes := "`"+a.name+"`", a.kind.String()
			if a.required {
				name += " (required)"
			}
			if len(a.words) > 0 {
				takes = strings.Join(a.words, ", ")
			}
			var also []string
			for _, other := range []string{a.label, a.also} {
				if other != "" {
					also = append(also, "`["+other+"]`")
				}
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", name, strings.Join(also, ", "), takes, a.initial, strings.ReplaceAll(a.about, "|", `\|`))
		}
		out.WriteString("\n| column | type | |\n|---|---|---|\n")
		for _, f := range e.columns {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", f.name, f.typ, f.about)
		}
	}
	return out.String()
}
