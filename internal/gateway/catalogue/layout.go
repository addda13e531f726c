package catalogue

import (
	"fmt"
	"strconv"
	"strings"

	"freshet.dev/internal/gateway"
)

// layout is the columns of an answer.
type layout struct {
	fields []field
	at     map[string]int
}

// field is a column with its value in rows that say nothing of it.
type field struct {
	gateway.Column
	initial any
}

// row has the values of some columns, by their names.
type row map[string]any

// columns reads a layout: names and types, with commas between, and perhaps =value, which is of rows that say nothing of the column. Types are written as
// T-SQL has them. The names are distinct.
func columns(text string) layout {
	l := layout{at: map[string]int{}}
	for part := range strings.SplitSeq(text, ",") {
		part, initial, given := strings.Cut(strings.TrimSpace(part), "=")
		name, typ, _ := strings.Cut(part, " ")
		f := field{Column: gateway.Column{Name: name, Type: typeOf(typ)}}
		switch number, err := strconv.ParseInt(initial, 10, 64); {
		case !given:
		case f.Type.Kind == gateway.Bit:
			f.initial = initial == "1"
		case err == nil:
			f.initial = number
		default:
			f.initial = initial
		}
		if _, twice := l.at[name]; twice {
			panic("catalogue: the column " + name + " is declared twice")
		}
		l.at[name] = len(l.fields)
		l.fields = append(l.fields, f)
	}
	return l
}

// typeOf reads the types that layouts use.
func typeOf(text string) gateway.Type {
	name, size, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	length, _ := strconv.Atoi(size) // max is 0
	switch name {
	case "sysname":
		return gateway.Type{Kind: gateway.NVarchar, Length: 128}
	case "datetimeoffset", "datetime2", "time":
		return gateway.Type{Scale: uint8(length)}
	}
	for kind := gateway.Bit; kind <= gateway.DateTimeOffset; kind++ {
		if kind.String() == name {
			return gateway.Type{Kind: kind, Length: length}
		}
	}
	panic("catalogue: there is no type " + text)
}

func (l layout) columns() []gateway.Column {
	columns := make([]gateway.Column, len(l.fields))
	for i, f := range l.fields {
		columns[i] = f.Column
	}
	return columns
}

// fill puts values into the columns of a layout. A name that it has not is a mistake of this package.
func (l layout) fill(rows []row) [][]any {
	filled := make([][]any, len(rows))
	for i, r := range rows {
		filled[i] = make([]any, len(l.fields))
		for at, f := range l.fields {
			filled[i][at] = f.initial
		}
		for name, value := range r {
			at, known := l.at[name]
			if !known {
				panic(fmt.Sprintf("catalogue: there is no column %s", name))
			}
			filled[i][at] = value
		}
	}
	return filled
}
