package syntax

// Free returns the names that an expression leaves to what is around it: the identifiers that none of its own lets, records and functions
// define, and the members of sections that it names.
func Free(x Expr) map[string]bool {
	f := free{found: map[string]bool{}}
	f.walk(x, nil)
	return f.found
}

// defined is the names of a let, a record or a function. The one at hidden is being defined, and is seen as @name only; -1: none is.
type defined struct {
	parent *defined
	names  []string
	hidden int
}

type free struct{ found map[string]bool }

func (f *free) name(x *Identifier, around *defined) {
	for ; around != nil; around = around.parent {
		for i, name := range around.names {
			if name == x.Name && (i != around.hidden || x.Inclusive) {
				return
			}
		}
	}
	f.found[x.Name] = true
}

func (f *free) walk(x Expr, around *defined) {
	all := func(list ...Expr) {
		for _, each := range list {
			if each != nil {
				f.walk(each, around)
			}
		}
	}
	switch x := x.(type) {
	case *Identifier:
		f.name(x, around)
	case *SectionAccess:
		f.found[x.Name] = true
	case *Binary:
		all(x.Left, x.Right)
	case *Unary:
		all(x.X)
	case *Is:
		all(x.X)
	case *As:
		all(x.X)
	case *If:
		all(x.Cond, x.Then, x.Else)
	case *Let:
		f.walk(x.Body, f.bindings(x.Bindings, around))
	case *Record:
		f.bindings(x.Fields, around)
	case *Function:
		inner := &defined{parent: around, hidden: -1}
		if x.Each {
			inner.names = []string{"_"}
		}
		for _, param := range x.Params {
			inner.names = append(inner.names, param.Name)
		}
		f.walk(x.Body, inner)
	case *List:
		for _, item := range x.Items {
			all(item.From, item.To)
		}
	case *Call:
		all(x.Func)
		all(x.Args...)
	case *Field:
		all(x.X)
	case *Projection:
		all(x.X)
	case *Index:
		all(x.X, x.Key)
	case *Raise:
		all(x.X)
	case *Try:
		all(x.X, x.Otherwise, x.Catch)
	case *Type:
		all(x.Of)
	case *NullableType:
		all(x.X)
	case *ListType:
		all(x.Item)
	case *RecordType:
		for _, field := range x.Fields {
			all(field.Type)
		}
	case *TableType:
		all(x.Row)
	case *FunctionType:
		for _, param := range x.Params {
			all(param.Type)
		}
		all(x.Return)
	}
}

// bindings walks what a let or a record defines, and returns its names.
func (f *free) bindings(list []Binding, around *defined) *defined {
	names := make([]string, len(list))
	for i, binding := range list {
		names[i] = binding.Name
	}
	for i, binding := range list {
		f.walk(binding.Value, &defined{around, names, i})
	}
	return &defined{around, names, -1}
}
