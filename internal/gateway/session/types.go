package session

import (
	"database/sql/driver"
	"strings"
	"time"
	"unicode/utf16"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/gateway"
)

// columnsOf gives the connector's columns the types of the wire.
func columnsOf(columns []connector.Column) []gateway.Column {
	result := make([]gateway.Column, len(columns))
	for i, c := range columns {
		result[i] = columnOf(c)
	}
	return result
}

func columnOf(c connector.Column) gateway.Column {
	return gateway.Column{Name: c.Name, Type: typeOf(c.Type)}
}

func typeOf(t connector.Type) gateway.Type {
	// Longer ones are max.
	const mostBytes, mostLetters = 8000, 4000
	text := func(kind gateway.Kind, most int) gateway.Type {
		if t.Length > most {
			return gateway.Type{Kind: kind}
		}
		return gateway.Type{Kind: kind, Length: t.Length}
	}
	switch t.Kind {
	case connector.Varchar:
		return text(gateway.Varchar, mostBytes)
	case connector.Int:
		return gateway.Type{Kind: gateway.Int}
	case connector.Bigint:
		return gateway.Type{Kind: gateway.BigInt}
	case connector.Float:
		return gateway.Type{Kind: gateway.Float}
	case connector.Decimal:
		return gateway.Type{Kind: gateway.Decimal, Precision: 19, Scale: 4}
	case connector.Bit:
		return gateway.Type{Kind: gateway.Bit}
	case connector.Datetime:
		return gateway.Type{Kind: gateway.DateTime}
	}
	return text(gateway.NVarchar, mostLetters)
}

// valuesOf makes values fit for the wire: text is cut where a column is shorter, which counts in UTF-16.
func valuesOf(row []driver.Value, columns []gateway.Column) []any {
	values := make([]any, len(row))
	for i, value := range row {
		values[i] = value
		if text, ok := value.(string); ok && columns[i].Type.Length > 0 {
			values[i] = cut(text, columns[i].Type.Length)
		}
	}
	return values
}

func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	units := 0
	for i, r := range text {
		if units += utf16.RuneLen(r); units > length {
			return text[:i]
		}
	}
	return text
}

// argumentsOf are the parameters of a request as the connector takes them.
func argumentsOf(params []gateway.Param) []connector.Argument {
	arguments := make([]connector.Argument, len(params))
	for i, p := range params {
		arguments[i] = connector.Argument{Name: strings.TrimPrefix(p.Name, "@"), Value: p.Value}
		if at, ok := p.Value.(time.Time); ok && p.Type.Kind == gateway.Time {
			arguments[i].Value = at.Format("15:04:05.9999999")
		}
	}
	return arguments
}
