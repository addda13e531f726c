package mashup

// typeValue is a type. The zero value is any's: use the constructors.
type typeValue struct {
	of       kind
	nullable bool        // any and null are always nullable
	name     string      // of an ascribed type such as Int64.Type its name: "Int64.Type"; it conforms as its kind does
	item     *typeValue  // list: nil is any
	fields   []fieldType // record and table; nil with open is type record or type table, of which nothing more is known
	open     bool
	params   []paramType // function; bare says that nothing is known of them
	required int
	result   *typeValue
	bare     bool // function: type function
	keys     []key
	meta     *record
	depth    int // how deep types nest in it
}

// maxTypeDepth bounds how deep types nest, because they are compared and printed recursively.
const maxTypeDepth = 200

// nested is the type with its depth taken from the types in it.
func (t *typeValue) nested() (*typeValue, error) {
	inside := func(other *typeValue) {
		if other != nil {
			t.depth = max(t.depth, other.depth+1)
		}
	}
	inside(t.item)
	inside(t.result)
	for _, f := range t.fields {
		inside(f.typ)
	}
	for _, p := range t.params {
		inside(p.typ)
	}
	if t.depth > maxTypeDepth {
		return nil, fail("The type nests more than %d deep.", maxTypeDepth)
	}
	return t, nil
}

func (*typeValue) kind() kind { return kindType }

// fieldType is a field of a record type or a column of a table type.
type fieldType struct {
	name     string
	typ      *typeValue
	optional bool
}

type paramType struct {
	name string
	typ  *typeValue
}

// key is a key of a table type.
type key struct {
	columns []string
	primary bool
}

// anyType is the type that every value has.
func anyType() *typeValue { return &typeValue{of: kindAny, nullable: true} }

// simple is a primitive type by its kind, not nullable.
func simple(of kind) *typeValue {
	switch of {
	case kindAny, kindNull:
		return &typeValue{of: of, nullable: true}
	case kindRecord, kindTable:
		return &typeValue{of: of, open: true}
	case kindFunction:
		return &typeValue{of: of, bare: true}
	}
	return &typeValue{of: of}
}

// named is an ascribed type: Int64.Type is a number by another name.
func named(of kind, name string) *typeValue { return &typeValue{of: of, name: name} }

// asNullable is nullable t.
func (t *typeValue) asNullable() *typeValue {
	if t.nullable {
		return t
	}
	copied := *t
	copied.nullable = true
	return &copied
}

// nonNullable is t without null.
func (t *typeValue) nonNullable() *typeValue {
	switch {
	case t.of == kindAny:
		return simple(kindAnyNonNull)
	case t.of == kindNull:
		return simple(kindNone)
	case !t.nullable:
		return t
	}
	copied := *t
	copied.nullable = false
	return &copied
}

// rowType is the record type of a table type's rows.
func (t *typeValue) rowType() *typeValue {
	return &typeValue{of: kindRecord, fields: t.fields, open: t.open}
}

// tableOf is the table type with these columns.
func tableOf(fields []fieldType) *typeValue { return &typeValue{of: kindTable, fields: fields} }

// accepts tells whether a value is of the type as far as `is` and `as` look: by its kind and null.
func (t *typeValue) accepts(v Value) bool {
	k := plain(v).kind()
	switch t.of {
	case kindAny:
		return true
	case kindAnyNonNull:
		return k != kindNull
	case kindNone:
		return false
	}
	return k == t.of || k == kindNull && t.nullable
}

// title is the type's name as messages write it: Number, DateTimeZone.
func (t *typeValue) title() string {
	switch t.of {
	case kindDateTime:
		return "DateTime"
	case kindDateTimeZone:
		return "DateTimeZone"
	case kindAnyNonNull:
		return "AnyNonNull"
	}
	name := t.of.String()
	return string(name[0]-'a'+'A') + name[1:]
}

// equal tells whether two types are the same; names of ascribed types count.
func (t *typeValue) equal(other *typeValue) bool {
	if t == other {
		return true
	}
	if t.of != other.of || t.nullable != other.nullable || t.name != other.name || t.open != other.open || t.bare != other.bare ||
		len(t.fields) != len(other.fields) || len(t.params) != len(other.params) || t.required != other.required {
		return false
	}
	for i, f := range t.fields {
		if g := other.fields[i]; f.name != g.name || f.optional != g.optional || !f.typ.equal(g.typ) {
			return false
		}
	}
	for i, p := range t.params {
		if q := other.params[i]; p.name != q.name || !p.typ.equal(q.typ) {
			return false
		}
	}
	return sameType(t.item, other.item) && sameType(t.result, other.result)
}

// sameType compares parts of types that are any when they are nil.
func sameType(a, b *typeValue) bool {
	switch {
	case a == nil && b == nil:
		return true
	case a == nil:
		return b.of == kindAny
	case b == nil:
		return a.of == kindAny
	}
	return a.equal(b)
}
