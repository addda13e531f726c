package mashup

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
