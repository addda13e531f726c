// Package syntax scans and parses Power Query M.
//
// It knows the whole grammar of the language (expressions, types, section documents) and nothing of its library: what a name means
// is decided by package mashup. Every node knows where it starts, so that an error can point at the text a person wrote.
package syntax

import "strconv"

// Pos is a place in a text; both numbers start at 1, columns count characters. The zero Pos is unknown.
type Pos struct{ Line, Column int }

func (p Pos) String() string { return strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) }

// Expr is a node of the tree. Types are expressions too: after `type`, `as` and `is` a node may be one of the …Type nodes.
type Expr interface {
	// Pos is where the node's own token starts: the operator of a Binary, the first token of everything else.
	Pos() Pos
}

type node struct{ At Pos }

func (n node) Pos() Pos { return n.At }

// LiteralKind tells the literals apart.
type LiteralKind uint8

const (
	Null LiteralKind = iota
	Logical
	Number
	Text
	Verbatim // #!"…": text that was no M; evaluating it fails with that text
)

// Literal is a constant in the text. Text holds the decoded text, the number as written, or "true"/"false".
type Literal struct {
	node
	Kind LiteralKind
	Text string
}

// Identifier names a variable. Inclusive is the form @Name, which may name the variable being defined.
type Identifier struct {
	node
	Name      string
	Inclusive bool
}

// SectionAccess is Section!Name.
type SectionAccess struct {
	node
	Section, Name string
}

// Op is an operator.
type Op uint8

const (
	OpOr Op = iota
	OpAnd
	OpNot
	OpEqual
	OpNotEqual
	OpLess
	OpLessEqual
	OpGreater
	OpGreaterEqual
	OpAdd
	OpSubtract
	OpMultiply
	OpDivide
	OpConcat
	OpMeta
	OpCoalesce
)

var opTexts = [...]string{"or", "and", "not", "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "&", "meta", "??"}

func (o Op) String() string { return opTexts[o] }

// Binary is Left Op Right.
type Binary struct {
	node
	Op          Op
	Left, Right Expr
}

// Unary is +X, -X or not X.
type Unary struct {
	node
	Op Op // OpAdd, OpSubtract, OpNot
	X  Expr
}

// Is is X is Type; the type is a PrimitiveType or a NullableType of one.
type Is struct {
	node
	X, Type Expr
}

// As is X as Type; the type is a PrimitiveType or a NullableType of one.
type As struct {
	node
	X, Type Expr
}

// If is if Cond then Then else Else.
type If struct {
	node
	Cond, Then, Else Expr
}

// Binding is Name = Value in a let, a record or a section.
type Binding struct {
	At    Pos
	Name  string
	Value Expr
}

// Let is let Bindings in Body.
type Let struct {
	node
	Bindings []Binding
	Body     Expr
}

// Param is a parameter of a function or of a function type; Type is nil where none is written.
type Param struct {
	At       Pos
	Name     string
	Optional bool
	Type     Expr
}

// Function is (Params) as Return => Body, or each Body, which has the one parameter _.
type Function struct {
	node
	Each   bool
	Params []Param
	Return Expr // nil where none is written
	Body   Expr
}

// Record is [A = 1, B = 2].
type Record struct {
	node
	Fields []Binding
}

// Item is an element of a list, or the range From..To when To is not nil.
type Item struct{ From, To Expr }

// List is {1, 2, 5..9}.
type List struct {
	node
	Items []Item
}

// Call is Func(Args).
type Call struct {
	node
	Func Expr
	Args []Expr
}

// Field is X[Name], or X[Name]?; X is the identifier _ where none is written.
type Field struct {
	node
	X        Expr
	Name     string
	Optional bool
}

// Projection is X[[A], [B]], or with ? at its end.
type Projection struct {
	node
	X        Expr
	Names    []string
	Optional bool
}

// Index is X{Key}, or X{Key}?.
type Index struct {
	node
	X, Key   Expr
	Optional bool
}

// Raise is error X.
type Raise struct {
	node
	X Expr
}

// Try is try X, with otherwise Otherwise or catch Catch; both are nil where not written.
type Try struct {
	node
	X, Otherwise, Catch Expr
}

// NotImplemented is the expression ...
type NotImplemented struct{ node }

// Type is type Of.
type Type struct {
	node
	Of Expr
}

// PrimitiveType is a type by its keyword: any, text, table and so on.
type PrimitiveType struct {
	node
	Name string
}

// NullableType is nullable X.
type NullableType struct {
	node
	X Expr
}

// ListType is {Item} after type.
type ListType struct {
	node
	Item Expr
}

// FieldType is a field of a record type or a column of a table type; Type is nil where none is written.
type FieldType struct {
	At       Pos
	Name     string
	Optional bool
	Type     Expr
}

// RecordType is [A = number, optional B = text, ...] after type.
type RecordType struct {
	node
	Fields []FieldType
	Open   bool
}

// TableType is table Row after type; Row is a RecordType or an expression that gives a record type.
type TableType struct {
	node
	Row Expr
}

// FunctionType is function (Params) as Return after type.
type FunctionType struct {
	node
	Params []Param
	Return Expr
}

// Section is a section document.
type Section struct {
	Name       string  // empty where the document names none
	Attributes *Record // the record before section; nil where none is written
	Members    []Member
}

// Member is a member of a section.
type Member struct {
	Binding
	Shared     bool
	Attributes *Record
	Text       string // of the value, as it was written
}
