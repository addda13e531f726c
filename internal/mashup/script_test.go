package mashup

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs testdata/script/*.m. A chunk is
//
//	eval [culture=de-DE]
//	expression
//	----
//	what it gives, or the error with its place
//
// and "define name" adds a shared expression for the chunks after it.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		var shared []Query
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "define":
				shared = append(shared, Query{Name: d.CmdArgs[0].Key, Text: d.Input})
				return ""
			case "eval":
				culture := ""
				d.MaybeScanArgs(t, "culture", &culture)
				return evalScript(t, shared, culture, d.Input)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func evalScript(t *testing.T, shared []Query, culture, expression string) string {
	t.Helper()
	doc, err := NewDocument(shared, nil)
	if err != nil {
		t.Fatal(err)
	}
	berlin := time.FixedZone("Berlin", 3600)
	session := newSession(doc, &Env{Culture: culture, Now: time.Date(2026, 3, 14, 9, 26, 53, 0, berlin)}, nil)
	v, err := session.evaluate(context.Background(), "", strings.TrimSpace(expression))
	if err != nil {
		return report(err).Error() + "\n"
	}
	return show(session.begin(context.Background()), v) + "\n"
}
