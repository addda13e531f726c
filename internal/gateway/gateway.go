// Package gateway has the words in which the wire protocols below it and what answers their statements speak to each other: types and columns,
// parameters, requests, messages and errors. They are SQL Server's, whose clients come in through gateway/tds.
package gateway

import "fmt"

// Kind is the kind of a type, in SQL Server's words.
type Kind uint8

// The kinds of types, each with the Go type of its values; nil is NULL in every one.
const (
	Unknown Kind = iota // of a parameter that has no value yet

	Bit            // bool
	TinyInt        // int64, 0 to 255
	SmallInt       // int64, 16 bits
	Int            // int64, 32 bits
	BigInt         // int64
	Real           // float64, 32 bits
	Float          // float64
	Decimal        // string, such as -12.50
	Money          // string, with four digits after the point
	SmallMoney     // string, as Money within 32 bits
	Char           // string, of code page 1252 on the wire: what it has not arrives as ?
	Varchar        // string, as Char
	NChar          // string
	NVarchar       // string
	Binary         // []byte
	Varbinary      // []byte
	Unique         // string, a GUID as text
	Date           // time.Time, whose date in its own zone counts; the same holds for those below
	Time           // time.Time, whose time of day counts
	DateTime       // time.Time, in steps of 1/300 s, from 1753
	SmallDateTime  // time.Time, in minutes, 1900 to 2079
	DateTime2      // time.Time
	DateTimeOffset // time.Time with its offset
)

var kindNames = [...]string{"unknown", "bit", "tinyint", "smallint", "int", "bigint", "real", "float", "decimal", "money", "smallmoney", "char", "varchar", "nchar",
	"nvarchar", "binary", "varbinary", "uniqueidentifier", "date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset"}

func (k Kind) String() string { return kindNames[k] }

// Type is the type of a column or a parameter.
type Type struct {
	Kind      Kind
	Length    int   // of Char and Varchar in bytes, of NChar and NVarchar in UTF-16 units, of binaries in bytes; 0 is max
	Precision uint8 // of Decimal: 1 to 38
	Scale     uint8 // of Decimal: digits after the point; of Time, DateTime2 and DateTimeOffset: digits of a second, at most 7
}

// String writes the type as SQL does: nvarchar(50).
func (t Type) String() string {
	switch t.Kind {
	case Char, Varchar, NChar, NVarchar, Binary, Varbinary:
		if t.Length == 0 {
			return t.Kind.String() + "(max)"
		}
		return fmt.Sprintf("%s(%d)", t.Kind, t.Length)
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case Time, DateTime2, DateTimeOffset:
		return fmt.Sprintf("%s(%d)", t.Kind, t.Scale)
	}
	return t.Kind.String()
}

// Column is a column of a result.
type Column struct {
	Name    string
	Type    Type
	NotNull bool
}

// Param is a parameter of a request.
type Param struct {
	Name  string // with its @; "": by position
	Type  Type
	Value any
}

// Request is what a client asks a session to run: the text of a batch, or a procedure by name.
type Request struct {
	Text      string
	Procedure string // without database, schema and brackets; ";2" and higher stays at its end. "": the request is Text
	Params    []Param
}

// Results takes what a request gives, in its order. An error of its methods ends the request: the client is gone, has cancelled, or a value cannot be
// sent as its column. It is used by one goroutine at a time.
type Results interface {
	Columns(columns []Column) error // begins a result
	Row(values []any) error         // of the result that Columns began
	Done(rows int64) error          // ends a result, or a statement without one; rows below 0: none are counted
	Info(message Message) error     // reaches the client at once, also in the middle of a wait
	Database(name string) error     // the session's database is another one now

	// Described is the result of sp_describe_first_result_set, whole: a row for each column, with its type as the protocol sends it.
	Described(columns []Column) error
}

// Message is what a client is told beside a result.
type Message struct {
	Number int32
	State  uint8
	Class  uint8 // 0 to 10 inform; errors have 11 to 25
	Text   string
	Line   int // in the batch, from 1; 0: unknown
}

// Error is an error with the number, state and class that SQL clients read.
type Error struct {
	Message
	Err error // may be nil
}

func (e *Error) Error() string { return e.Text }

// Unwrap gives what was the cause.
func (e *Error) Unwrap() error { return e.Err }
