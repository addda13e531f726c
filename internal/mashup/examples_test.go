package mashup

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/source"
	"freshet.dev/internal/source/csv"
)

// examplesFile is the public reference's own examples: an expression and what it gives, itself written in the language.
const examplesFile = "../../../shared/spec/m-examples.jsonl"

// TestExamplesOfTheReference runs every example of the public reference for functions that are there. Those that are not expected
// to pass stand with their reason in testdata/examples-not-passing.txt; one that passes after all has to leave it.
func TestExamplesOfTheReference(t *testing.T) {
	file, err := os.Open(filepath.FromSlash(examplesFile))
	if os.IsNotExist(err) {
		t.Skipf("%s is not there", examplesFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	excused := excusedExamples(t)
	registry, err := source.NewRegistry(nil, source.Formats{CSV: csv.Open}, nil)
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{Now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), Sources: registry}
	doc, err := NewDocument(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	passed := 0
	for lines.Scan() {
		var example struct{ Function, Example, Expression, Expected string }
		if err := json.Unmarshal(lines.Bytes(), &example); err != nil {
			t.Fatal(err)
		}
		name := example.Function + " " + example.Example
		problem := tryExample(doc, env, example.Expression, example.Expected)
		reason, known := excused[name]
		delete(excused, name)
		switch {
		case problem != "" && !known:
			t.Errorf("%s: %s", name, problem)
		case problem == "" && known:
			t.Errorf("%s passes: take it out of the list (%s)", name, reason)
		case problem == "":
			passed++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range excused {
		t.Errorf("%s is in the list and not among the examples", name)
	}
	t.Logf("%d examples pass", passed)
}

// tryExample tells what is wrong, "" for nothing.
func tryExample(doc *Document, env *Env, expression, expected string) (problem string) {
	session := newSession(doc, env, nil)
	got, err := session.evaluate(context.Background(), "example", expression)
	if err != nil {
		return report(err).Error()
	}
	want, err := session.evaluate(context.Background(), "expected", expected)
	if err != nil {
		return "expected: " + report(err).Error()
	}
	ev := session.begin(context.Background())
	got, want = nearly(ev, got), nearly(ev, want)
	same, err := equal(ev, got, want)
	if err != nil {
		return report(err).Error()
	}
	if !same {
		return "got " + show(ev, got) + ", want " + show(ev, want)
	}
	return ""
}

// nearly rounds doubles in the 13th digit, because the reference prints some with an older algorithm than it computes.
func nearly(ev *evaluation, v Value) Value {
	v, err := force(ev, v)
	if err != nil {
		return failed(err)
	}
	switch v := v.(type) {
	case number:
		if d, ok := v.exact(); ok && v.rep == repFloat && !d.IsZero() {
			digits := 12 - int(d.NumDigits()+int64(d.Exponent)-1)
			return v.round(digits, constantRounder("half_even"))
		}
	case *list:
		items, err := v.all(ev)
		if err != nil {
			return failed(err)
		}
		out := make([]Value, len(items))
		for i, item := range items {
			out[i] = nearly(ev, item)
		}
		return newList(out...)
	}
	return v
}

// show writes a value for a person.
func show(ev *evaluation, v Value) string {
	v, err := force(ev, v)
	if err != nil {
		return "error " + err.Error()
	}
	switch v := v.(type) {
	case *list:
		items, err := v.raw(ev)
		if err != nil {
			return "error " + err.Error()
		}
		parts := make([]string, len(items))
		for i, item := range items {
			parts[i] = show(ev, item)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case *record:
		parts := make([]string, len(v.values))
		for i, item := range v.values {
			parts[i] = quoteField(v.shape.names[i]) + " = " + show(ev, item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *typeValue:
		return "type " + v.title()
	case *function:
		return "function " + v.name
	case table:
		rs, err := v.rows(ev)
		if err != nil {
			return "error " + err.Error()
		}
		defer rs.close()
		fields := columnShape(v)
		parts := []string{strings.Join(fields.names, ", ")}
		for {
			cells, ok, err := rs.next(ev)
			if err != nil {
				return "error " + err.Error()
			}
			if !ok {
				return "#table(" + strings.Join(parts, "; ") + ")"
			}
			parts = append(parts, show(ev, newList(cells...)))
		}
	}
	return constantText(v)
}

func quoteField(name string) string {
	if strings.ContainsAny(name, "=,[]\"\n") {
		return "#" + quoteText(name)
	}
	return name
}

func excusedExamples(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile("testdata/examples-not-passing.txt")
	if err != nil {
		t.Fatal(err)
	}
	excused := map[string]string{}
	for _, line := range strings.Split(string(content), "\n") {
		name, reason, ok := strings.Cut(line, ": ")
		if ok && !strings.HasPrefix(line, "#") {
			excused[name] = reason
		}
	}
	return excused
}
