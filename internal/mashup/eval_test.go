package mashup

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

func evaluate(t *testing.T, doc *Document, bind map[string]Value, expression string) (string, error) {
	t.Helper()
	session := newSession(doc, &Env{Now: time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)}, bind)
	v, err := session.evaluate(context.Background(), "Query", expression)
	if err != nil {
		return "", report(err)
	}
	return show(session.begin(context.Background()), v), nil
}

func document(t *testing.T, shared ...Query) *Document {
	t.Helper()
	doc, err := NewDocument(shared, nil)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestBoundValuesReplaceSharedExpressions(t *testing.T) {
	doc := document(t, Query{"RangeStart", `#datetime(2020, 1, 1, 0, 0, 0) meta [IsParameterQuery = true]`}, Query{"Year", "Date.Year(RangeStart)"})
	bind := map[string]Value{"RangeStart": DateTimeValue(time.Date(2026, 2, 3, 4, 5, 6, 700, time.UTC))}
	if got, err := evaluate(t, doc, bind, "{Year, RangeStart}"); got != "{2026, #datetime(2026, 2, 3, 4, 5, 6.0000007)}" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := evaluate(t, doc, nil, "Year"); got != "2020" || err != nil {
		t.Errorf("without a bound value: %s, %v", got, err)
	}
}

func TestErrorsAreInvalidAndNameQueryLineAndColumn(t *testing.T) {
	_, err := evaluate(t, document(t), nil, "let\n    a = 1,\n    b = Tabel.Foo(a)\nin a")
	want := "cannot evaluate 'Query', line 3, column 9: [Expression.Error] The name 'Tabel.Foo' wasn't recognized. Make sure it's spelled correctly"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if fault.KindOf(err) != fault.Invalid || fault.CodeOf(err) != "Expression.Error" {
		t.Errorf("kind %v, code %s", fault.KindOf(err), fault.CodeOf(err))
	}
	if _, err := evaluate(t, document(t), nil, "let a = in a"); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "'Query', line 1, column 9") {
		t.Errorf("got %v", err)
	}
}

func TestSharedExpressionsAreEvaluatedOnce(t *testing.T) {
	doc := document(t, Query{"Random", "Number.Random()"})
	if got, err := evaluate(t, doc, nil, "Random = Random and List.Count(List.Distinct({Random, Random})) = 1"); got != "true" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestDuplicateSharedNames(t *testing.T) {
	if _, err := NewDocument([]Query{{"A", "1"}, {"A", "2"}}, nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestDocumentServesEvaluationsAtOnce(t *testing.T) {
	doc := document(t, Query{"F", "(n) => if n = 0 then 0 else n + @F(n - 1)"}, Query{"A", "F(100)"}, Query{"Bad", "1 + B"})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got, err := evaluate(t, doc, nil, "A + F(10)"); got != "5105" || err != nil {
				t.Errorf("got %s, %v", got, err)
			}
			if _, err := evaluate(t, doc, nil, "Bad"); err == nil || !strings.Contains(err.Error(), "'Bad', line 1, column 5") {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
}

func TestCancelEndsALoopWithoutEnd(t *testing.T) {
	cause := errors.New("the refresh was cancelled")
	for _, loop := range []string{
		"List.Count(List.Generate(() => 1, each true, each _ + 1))",
		"List.Last(List.Select({1..1000000000}, each false))",
		"try List.Sum({1..1000000000}) otherwise 0",
		"let f = (n) => if n > 100 then 0 else @f(n + 1) + @f(n + 1) in f(0)",
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		timer := time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
		session := newSession(document(t), &Env{}, nil)
		_, err := session.evaluate(ctx, "", loop)
		timer.Stop()
		if !errors.Is(err, cause) {
			t.Errorf("%s: %v", loop, err)
		}
	}
}

// TestRecursionIsBounded: no expression fills the stack, and what a recursion takes until it is refused is small.
func TestRecursionIsBounded(t *testing.T) {
	deep := strings.Repeat("(0 + ", 500) + "@f(n + 1)" + strings.Repeat(")", 500)
	for _, loop := range []string{
		"let f = (n) => 1 + @f(n + 1) in f(0)",
		"let f = (n) => " + deep + " in f(0)",
		"let a = {1, {@a}}, f = (l) => @f(l{1}{0}) in f(a)",
		"let r = [x = 1 + @r[y], y = @r[x]] in r[x]",
		"let f = (n) => List.Sum(List.Transform({n}, each @f(_ + 1))) in f(0)",
		"let f = (n) => try @f(n + 1) in f(0)[HasError]",
		"List.Accumulate({1..100000}, {}, (s, x) => {s}) = List.Accumulate({1..100000}, {}, (s, x) => {s})",
		"let f = (n) => Expression.Evaluate(\"f(n)\", [f = @f, n = n + 1]) in f(0)",
		"List.Accumulate({1..100000}, type any, (s, x) => type {s}) = type any",
		strings.Repeat("1 + ", 19000) + "\"a\"",
	} {
		_, err := evaluate(t, document(t), nil, loop)
		if err == nil && strings.Contains(loop, "try") {
			continue
		}
		if err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.60s: %v", loop, err)
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if stats.StackSys > 256<<20 {
		t.Errorf("the stacks took %d MiB", stats.StackSys>>20)
	}
}

func TestTryDoesNotHideWhatIsNoErrorOfTheLanguage(t *testing.T) {
	refused := fault.New(fault.Denied, "DataSourceNotAllowed", "cannot read a source that is not allowed")
	session := newSession(document(t), &Env{}, map[string]Value{"Source": lazy(func(*evaluation) (Value, error) { return nil, refused })})
	session.doc.shared["Source"] = &sharedQuery{name: "Source"}
	if _, err := session.evaluate(context.Background(), "", "try Source otherwise 5"); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

// TestF13TheClockIsTheEnvironments: F13, M has no clock of its own.
func TestF13TheClockIsTheEnvironments(t *testing.T) {
	for _, expression := range []string{"DateTime.LocalNow()", "DateTime.FixedLocalNow()", "DateTimeZone.RemoveZone(DateTimeZone.UtcNow())"} {
		if got, err := evaluate(t, document(t), nil, expression); got != "#datetime(2026, 3, 14, 0, 0, 0)" || err != nil {
			t.Errorf("%s: %s, %v", expression, got, err)
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	doc, err := NewDocument([]Query{{"A", "{1..3}"}, {"F", "(n) => if n <= 0 then 0 else @F(n - 1)"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"List.Sort(A, each -_)", "F(3) / 0", "Text.Range(\"abc\", 1)", "Number.ToText(1.5, \"#,0.0;(0)\")", "Date.From(\"1/2/2020\", \"de-DE\")",
		"[a = 1, b = @a][[a], [c]]?", "try error [Reason = 1]", "type table [a = text]", "Splitter.SplitTextByDelimiter(\",\")(\"a,\"\"b\")", "DateTime.ToText(#datetime(2020,1,1,0,0,0), \"dd'x\")",
		"Json.Document(\"[1,{}]\")", "Value.FromText(\"25:00\")", "Text.Format(\"#{0}\", {1})", "#duration(1e300,0,0,0)", "List.Repeat({1}, 1e9){5}", "Number.Round(1e300, -400)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		session := newSession(doc, &Env{Now: time.Unix(0, 0)}, nil)
		v, err := session.evaluate(ctx, "fuzz", expression)
		if err != nil {
			_ = report(err).Error()
			return
		}
		_, _ = hashOf(session.begin(ctx), v)
	})
}
