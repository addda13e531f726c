package syntax

import (
	"errors"
	"strings"
	"testing"
)

func TestErrorsTellPlaceAndWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		src             string
		line, column    int
		found, expected string
	}{
		{"let\n    a = 1,\nin\n    a", 3, 1, "'in'", "a name"},
		{"1 +\n", 2, 1, "the end of the text", "an expression"},
		{"[a = 1,\n b 2]", 2, 5, "']'", "'='"},
		{"f(1, 2", 1, 7, "the end of the text", "',' or ')'"},
		{"x as foo", 1, 6, "'foo'", "a primitive type such as text, number or table"},
		{"\"é\" ~", 1, 5, "'~'", "an expression"},
		{"/* never ends", 1, 1, "a comment without its end", "*/"},
		{"\"#(zz)\"", 1, 2, "'#(zz)'", "an escape such as #(cr,lf), #(tab), #(#) or #(000D)"},
		{"(optional a, b) => 1", 1, 14, "'b'", "'optional', as the parameter before is optional"},
		{"1 2", 1, 3, "'2'", "the end of the expression"},
		{"type table [a = ]", 1, 17, "']'", "a type"},
		{strings.Repeat("(", 5000), 1, 601, "an expression nested more than 600 deep", "a flatter one"},
	} {
		_, err := ParseExpression("Sales", c.src)
		var broken *Error
		if !errors.As(err, &broken) {
			t.Errorf("%q: no error", c.src)
			continue
		}
		want := Error{In: "Sales", At: Pos{c.line, c.column}, Found: c.found, Expected: c.expected}
		if *broken != want {
			t.Errorf("%.40q: %v", c.src, err)
		}
	}
}

func TestPositions(t *testing.T) {
	x, err := ParseExpression("", "let\r\n  größe = 1,\n\tb = größe + 2\rin b")
	if err != nil {
		t.Fatal(err)
	}
	let := x.(*Let)
	if got := let.Bindings[0].At; got != (Pos{2, 3}) {
		t.Errorf("first binding at %v", got)
	}
	if got := let.Bindings[1].Value.Pos(); got != (Pos{3, 12}) {
		t.Errorf("operator at %v", got)
	}
	if got := let.Body.Pos(); got != (Pos{4, 4}) {
		t.Errorf("body at %v", got)
	}
}

func TestPrecedence(t *testing.T) {
	for src, want := range map[string]string{
		"1 + 2 * 3":              "(1 + (2 * 3))",
		"a and b or c and d":     "((a and b) or (c and d))",
		"a ?? b or c":            "(a ?? (b or c))",
		"1 < 2 = true":           "((1 < 2) = true)",
		"not a = b":              "((not a) = b)",
		"-a & b":                 "((- a) & b)",
		"a as text is text":      "((a as text) is text)",
		"a is number and b":      "((a is number) and b)",
		"a meta b + c":           "((a meta b) + c)",
		"each _ + 1":             "(_) => (_ + 1)",
		"try a + b otherwise c":  "try (a + b) otherwise c",
		"a[b]{0}?(1)[[c], [d]]?": "a[b]{0}?(1)[[c],[d]]?",
		"[Sales Amount] * [Qty]": "(_[Sales Amount] * _[Qty])",
		"(a) => (b) => a":        "(a) => (b) => a",
		"(a) = (b)":              "(a = b)",
		"@f(1)":                  "@f(1)",
		"Section1!Foo + 1":       "(Section1!Foo + 1)",
	} {
		x, err := ParseExpression("", src)
		if err != nil {
			t.Errorf("%q: %v", src, err)
			continue
		}
		if got := outline(x); got != want {
			t.Errorf("%q: %s, want %s", src, got, want)
		}
	}
}

// outline writes a tree with all its parentheses.
func outline(x Expr) string {
	question := func(optional bool) string {
		if optional {
			return "?"
		}
		return ""
	}
	switch x := x.(type) {
	case *Literal:
		return x.Text
	case *Identifier:
		if x.Inclusive {
			return "@" + x.Name
		}
		return x.Name
	case *SectionAccess:
		return x.Section + "!" + x.Name
	case *Binary:
		return "(" + outline(x.Left) + " " + x.Op.String() + " " + outline(x.Right) + ")"
	case *Unary:
		return "(" + x.Op.String() + " " + outline(x.X) + ")"
	case *Is:
		return "(" + outline(x.X) + " is " + outline(x.Type) + ")"
	case *As:
		return "(" + outline(x.X) + " as " + outline(x.Type) + ")"
	case *PrimitiveType:
		return x.Name
	case *Function:
		names := make([]string, len(x.Params))
		for i, p := range x.Params {
			names[i] = p.Name
		}
		return "(" + strings.Join(names, ", ") + ") => " + outline(x.Body)
	case *Try:
		return "try " + outline(x.X) + " otherwise " + outline(x.Otherwise)
	case *Field:
		return outline(x.X) + "[" + x.Name + "]" + question(x.Optional)
	case *Index:
		return outline(x.X) + "{" + outline(x.Key) + "}" + question(x.Optional)
	case *Call:
		args := make([]string, len(x.Args))
		for i, arg := range x.Args {
			args[i] = outline(arg)
		}
		return outline(x.Func) + "(" + strings.Join(args, ", ") + ")"
	case *Projection:
		return outline(x.X) + "[[" + strings.Join(x.Names, "],[") + "]]" + question(x.Optional)
	}
	return "?"
}

func TestSectionDocument(t *testing.T) {
	s, err := ParseSection("mashup.pq", `[StagingDefinition = [Kind = "FastCopy"]]
section Section1;
[Description = "the numbers"] shared Sales = let a = 1 in a;
#"My Query" = each [x];
shared F = (a as number, optional b) as nullable text => null;`)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "Section1" || s.Attributes.Fields[0].Name != "StagingDefinition" || len(s.Members) != 3 {
		t.Fatalf("%+v", s)
	}
	if m := s.Members[0]; m.Name != "Sales" || !m.Shared || m.Attributes == nil || m.At != (Pos{3, 38}) || m.Text != "let a = 1 in a" {
		t.Errorf("%+v", m)
	}
	if m := s.Members[1]; m.Name != "My Query" || m.Shared || m.Attributes != nil {
		t.Errorf("%+v", m)
	}
	if _, err := ParseSection("x", "section S; a = 1; a = 2;"); err == nil {
		t.Error("two members of one name are no error")
	}
}

func TestTypes(t *testing.T) {
	for _, src := range []string{"type text", "type nullable number", "type {text}", "type [a = text, optional b, ...]", "type table",
		"type table [A = Int64.Type, Account Code = nullable text]", "type function (a as text, optional b as {number}) as type",
		"type table rowType", "type (x)", "type type", "type Int64.Type", "type function", "[t = type, u = 1]", "type [optional = text]",
		"(x as type) as nullable table => x", "type table [#\"a]b\" = text]", "Value.Type(x) = type date meta [a = 1]"} {
		if _, err := ParseExpression("", src); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
	name, sig, err := ParseSignature("Type.Is(type1 as type, optional list as {any}) as logical")
	if err != nil || name != "Type.Is" || len(sig.Params) != 2 || !sig.Params[1].Optional {
		t.Errorf("%s %+v %v", name, sig, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"let a = 1, b = [x = a][x]{0}? in each _ + b", `"#(cr,lf)""#(D83D,DE00)"`, "(a, optional b as nullable text) as any => try a catch (e) => e",
		"type table [A = {[x, ...]}]", "section S; shared a = 1;", "#\"x\"!y", "0x1F..1e5", "((((", "[[a],[b]]", "a meta b", "//x\r\n/**/", "\xff\xfe", "1..2...", "@#\"\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if _, err := ParseExpression("fuzz", src); err != nil {
			var broken *Error
			if !errors.As(err, &broken) {
				t.Fatalf("%v is not an Error", err)
			}
			if broken.At.Line < 1 || broken.At.Column < 1 {
				t.Fatalf("no place: %v", err)
			}
		}
		_, _ = ParseSection("fuzz", src)
	})
}
