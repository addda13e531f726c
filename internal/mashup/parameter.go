package mashup

import (
	"context"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/mashup/syntax"
)

// Parameter is a shared expression that Power Query shows as a parameter: a constant whose metadata has IsParameterQuery = true.
type Parameter struct {
	Name      string
	Type      string // by its metadata: Text, Number, Logical, Date, DateTime, DateTimeZone, Time, Duration, Binary; Any where it has none
	Required  bool
	Value     string   // as Power BI writes values, in the ways of en-US; "" for null and for what is no constant
	Suggested []string // values that a person may choose from; others are good, too
}

// ReadParameter reads a shared expression. It evaluates constants only; ok is false for an expression that is no parameter, and for one that
// cannot be read. now is for dates without a year.
func ReadParameter(name, text string, now time.Time) (p Parameter, ok bool) {
	parsed, ok := parseParameter(name, text)
	if !ok {
		return Parameter{}, false
	}
	c := newConstants(now)
	p = Parameter{Name: name, Type: parsed.typ, Required: parsed.required, Value: c.shown(parsed.value)}
	if list, isList := parsed.suggested.(*syntax.List); isList {
		for _, item := range list.Items {
			if shown := c.shown(item.From); item.To == nil && shown != "" {
				p.Suggested = append(p.Suggested, shown)
			}
		}
	}
	return p, true
}

// SetParameter returns the text of a parameter's expression with another value, which is read by the parameter's type in the ways of en-US;
// dates and times may also stand in those of ISO 8601. An empty value is null, which a required parameter refuses.
func SetParameter(name, text, value string, now time.Time) (string, error) {
	parsed, ok := parseParameter(name, text)
	if !ok {
		return "", fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot set '%s': it is no parameter", name)
	}
	made, err := newConstants(now).read(parsed.typ, value)
	switch {
	case parsed.typ == "Any" || parsed.typ == "Binary":
		return "", fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot set parameter '%s': its type is %s, and such parameters cannot be updated", name, parsed.typ).
			WithHint("Give it another type in the model, or change its value there, and deploy the model.")
	case err != nil:
		err := fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot set parameter '%s' to '%s': it is no value of type %s", name, value, parsed.typ)
		if example := exampleOf(parsed.typ); example != "" {
			return "", err.WithHint("Such a value looks like %s.", example)
		}
		return "", err.WithHint("There is no such type: correct it in the parameter's metadata, and deploy the model.")
	case isNull(made) && parsed.required:
		return "", fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot set parameter '%s' to an empty value: it is required", name)
	}
	return constantText(made) + " " + text[parsed.meta:], nil
}

func exampleOf(typ string) string {
	return map[string]string{
		"Number": "12.5", "Logical": "true", "Date": "2026-03-14", "DateTime": "2026-03-14T09:30:00", "DateTimeZone": "2026-03-14T09:30:00+01:00",
		"Time": "09:30:00", "Duration": "1.12:30:00",
	}[typ]
}

// parsedParameter is VALUE meta [IsParameterQuery = true, …] in its parts.
type parsedParameter struct {
	value     syntax.Expr
	meta      int // where the word meta begins in the text
	typ       string
	required  bool
	suggested syntax.Expr // nil where there is none
}

func parseParameter(name, text string) (p parsedParameter, ok bool) {
	x, err := syntax.ParseExpression(name, text)
	if err != nil {
		return p, false
	}
	noted, isNoted := x.(*syntax.Binary)
	if !isNoted || noted.Op != syntax.OpMeta {
		return p, false
	}
	about, isRecord := noted.Right.(*syntax.Record)
	if !isRecord {
		return p, false
	}
	p = parsedParameter{value: noted.Left, typ: "Any"}
	p.meta, _ = syntax.Span(text, noted.Pos())
	for _, field := range about.Fields {
		literal, isLiteral := field.Value.(*syntax.Literal)
		switch isTrue := isLiteral && literal.Kind == syntax.Logical && literal.Text == "true"; {
		case field.Name == "IsParameterQuery":
			ok = isTrue
		case field.Name == "IsParameterQueryRequired":
			p.required = isTrue
		case field.Name == "Type" && isLiteral && literal.Kind == syntax.Text:
			p.typ = literal.Text
		case field.Name == "List":
			p.suggested = field.Value
		}
	}
	return p, ok
}

// constants evaluates what needs no other name.
type constants struct {
	doc     *Document
	session *session
	en      *culture
}

func newConstants(now time.Time) constants {
	doc := &Document{library: library()}
	en, err := findCulture("en-US")
	if err != nil {
		panic("mashup: en-US is among the cultures: " + err.Error())
	}
	return constants{doc: doc, session: newSession(doc, &Env{Now: now}, nil), en: en}
}

// isConstant tells whether an expression is a primitive constant as Power Query writes one: a literal, a signed number, #date(…) and its like.
func isConstant(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Literal:
		return x.Kind != syntax.Verbatim
	case *syntax.Unary:
		_, isLiteral := x.X.(*syntax.Literal)
		return isLiteral && x.Op != syntax.OpNot
	case *syntax.Call:
		made, isName := x.Func.(*syntax.Identifier)
		if !isName || !strings.HasPrefix(made.Name, "#") {
			return false
		}
		for _, arg := range x.Args {
			if !isConstant(arg) {
				return false
			}
		}
		return true
	}
	return false
}

// shown is a constant as Power BI writes it; "" for null, and for what is no constant.
func (c constants) shown(x syntax.Expr) string {
	if !isConstant(x) {
		return ""
	}
	run, weight, err := newCompiler(c.doc, "").body(x, nil)
	if err != nil {
		return ""
	}
	ev := c.session.begin(context.Background()) // a constant takes no time
	if ev.enter(weight) != nil {
		return ""
	}
	v, err := run(ev, nil)
	if err != nil {
		return ""
	}
	if truth, isLogical := plain(v).(logical); isLogical {
		return strings.ToUpper(constantText(truth))
	}
	written, err := ev.textFrom(plain(v), c.en)
	if err != nil || isNull(written) {
		return ""
	}
	return string(written.(text))
}

// read reads a value of a parameter's type; an empty one is null.
func (c constants) read(typ, value string) (Value, error) {
	if value == "" {
		return null, nil
	}
	ev := c.session.begin(context.Background())
	switch typ {
	case "Text":
		return text(value), nil
	case "Number":
		return ev.numberFrom(text(value), c.en)
	case "Logical":
		return logicalFrom(text(value))
	case "Date":
		return ev.dateFrom(text(value), c.en)
	case "DateTime":
		return ev.dateTimeFrom(text(value), c.en)
	case "DateTimeZone":
		return ev.zonedFrom(text(value), c.en)
	case "Time":
		return ev.timeFrom(text(value), c.en)
	case "Duration":
		return durationFrom(text(value))
	}
	return nil, fail("There is no parameter of type %s.", typ)
}
