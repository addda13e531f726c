package connector

import (
	"fmt"
	"strconv"

	"freshet.dev/internal/duck"
)

// Kind is the kind of a column's type, in SQL Server's words.
type Kind uint8

// The kinds of types.
const (
	Varchar  Kind = iota + 1 // text of one byte a letter for those who ask; UTF-8 here
	Nvarchar                 // text
	Int                      // 32 bits
	Bigint                   // 64 bits
	Float                    // 64 bits
	Decimal                  // (19,4)
	Bit                      // true and false
	Datetime                 // UTC, to the millisecond in the services' answers
)

var kindNames = [...]string{"", "varchar", "nvarchar", "int", "bigint", "float", "decimal(19,4)", "bit", "datetime"}

// Type is the type of a column. Length counts the letters of text; 0 is max.
type Type struct {
	Kind   Kind
	Length int
}

// String writes the type as SQL Server does: varchar(200).
func (t Type) String() string {
	switch {
	case t.Kind != Varchar && t.Kind != Nvarchar:
		return kindNames[t.Kind]
	case t.Length == 0:
		return kindNames[t.Kind] + "(max)"
	}
	return kindNames[t.Kind] + "(" + strconv.Itoa(t.Length) + ")"
}

func (t Type) isText() bool    { return t.Kind == Varchar || t.Kind == Nvarchar }
func (t Type) isInteger() bool { return t.Kind == Int || t.Kind == Bigint }
func (t Type) isNumber() bool  { return t.isInteger() || t.Kind == Float || t.Kind == Decimal }

// duck is how DuckDB holds the type.
func (t Type) duck() duck.Type {
	switch t.Kind {
	case Int, Bigint:
		return duck.Int64
	case Float:
		return duck.Double
	case Decimal:
		return duck.Decimal
	case Bit:
		return duck.Bool
	case Datetime:
		return duck.Timestamp
	}
	return duck.Text
}

// unify returns the type that holds the values of both; false when there is none. Kind 0 is the type of NULL.
func unify(a, b Type) (Type, bool) {
	switch {
	case a.Kind == 0:
		return b, true
	case b.Kind == 0, a == b:
		return a, true
	case a.isText() && b.isText():
		length := max(a.Length, b.Length)
		if a.Length == 0 || b.Length == 0 {
			length = 0
		}
		return Type{max(a.Kind, b.Kind), length}, true
	case a.isInteger() && b.isInteger():
		return Type{Kind: Bigint}, true
	case a.Kind == Bit && b.isInteger():
		return b, true
	case b.Kind == Bit && a.isInteger():
		return a, true
	case a.isNumber() && b.isNumber():
		if a.Kind == Float || b.Kind == Float {
			return Type{Kind: Float}, true
		}
		return Type{Kind: Decimal}, true
	}
	return Type{}, false
}

// typeNames are the names of types in CAST and DECLARE.
var typeNames = map[string]Kind{
	"char": Varchar, "varchar": Varchar, "text": Varchar, "nchar": Nvarchar, "nvarchar": Nvarchar, "ntext": Nvarchar, "sysname": Nvarchar, "uniqueidentifier": Varchar,
	"tinyint": Int, "smallint": Int, "int": Int, "integer": Int, "bigint": Bigint,
	"float": Float, "real": Float, "double": Float,
	"decimal": Decimal, "numeric": Decimal, "money": Decimal, "smallmoney": Decimal,
	"bit": Bit, "datetime": Datetime, "datetime2": Datetime, "smalldatetime": Datetime, "date": Datetime,
}

// Column is a column of a result.
type Column struct {
	Name string
	Type Type
}

func (c Column) String() string { return fmt.Sprintf("%s %s", c.Name, c.Type) }
