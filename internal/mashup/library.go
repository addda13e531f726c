package mashup

import (
	"fmt"
	"sync"

	"freshet.dev/internal/mashup/syntax"
)

// entry is one function of the library. The signature is written in the language itself,
//
//	Text.Start(text as nullable text, count as number) as nullable text
//
// and is what callers are checked against. The body gets forced, plain values in the order of the parameters; an optional
// argument that was left out is null. When the first parameter is nullable and of a type other than any, a null there is the result
// without asking the body.
type entry struct {
	signature string
	body      func(ev *evaluation, args []Value) (Value, error)
	annotated bool // the body wants values with their metadata and ascribed types
	contents  bool // the body takes a file's content that is not read yet (*contents) for a binary
}

// constant is one named value of the library: an enumeration's member or a type.
type constant struct {
	name  string
	value Value
}

// family is a part of the library, in one file each.
type family struct {
	entries   []entry
	constants []constant
}

// library is every function and constant by name, built when it is first asked for and never changed.
var library = sync.OnceValue(func() map[string]Value {
	all := map[string]Value{}
	add := func(name string, v Value) {
		if all[name] != nil {
			panic("two functions named " + name)
		}
		all[name] = v
	}
	for _, family := range families() {
		f := family()
		for _, e := range f.entries {
			fn := e.function()
			add(fn.name, fn)
		}
		for _, c := range f.constants {
			add(c.name, c.value)
		}
	}
	return all
})

// function makes the value of an entry. A signature that is none is a mistake in this package, which every test finds.
func (e entry) function() *function {
	name, sig, err := syntax.ParseSignature(e.signature)
	if err != nil {
		panic(err)
	}
	typ := signatureType(e.signature, sig)
	first := len(typ.params) > 0 && typ.params[0].typ.nullable && typ.params[0].typ.of != kindAny && typ.required > 0
	return &function{name: name, typ: typ, native: e.body, annotated: e.annotated, contents: e.contents, nullFirst: first}
}

// signatureType is the type of a signature, whose types are all made of words and braces.
func signatureType(signature string, sig *syntax.FunctionType) *typeValue {
	typ := &typeValue{of: kindFunction, result: signaturePart(signature, sig.Return)}
	for _, p := range sig.Params {
		t := signaturePart(signature, p.Type)
		if p.Optional {
			t = t.asNullable()
		} else {
			typ.required++
		}
		typ.params = append(typ.params, paramType{p.Name, t})
	}
	return typ
}

func signaturePart(signature string, x syntax.Expr) *typeValue {
	switch x := x.(type) {
	case nil:
		return anyType()
	case *syntax.PrimitiveType:
		return primitiveOf(x)
	case *syntax.Type: // the type type, which is a keyword
		return signaturePart(signature, x.Of)
	case *syntax.NullableType:
		return signaturePart(signature, x.X).asNullable()
	case *syntax.ListType:
		return &typeValue{of: kindList, item: signaturePart(signature, x.Item)}
	}
	panic(fmt.Sprintf("the signature %s has a type that is not made of words", signature))
}
