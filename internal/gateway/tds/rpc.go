package tds

import (
	"errors"
	"strconv"
	"strings"

	"freshet.dev/internal/gateway"
)

// procedureName is the name of a procedure that goes by its number ([MS-TDS] 2.2.6.6).
func procedureName(id uint16) string {
	names := [...]string{"", "sp_cursor", "sp_cursoropen", "sp_cursorprepare", "sp_cursorexecute", "sp_cursorprepexec", "sp_cursorunprepare", "sp_cursorfetch",
		"sp_cursoroption", "sp_cursorclose", "sp_executesql", "sp_prepare", "sp_execute", "sp_prepexec", "sp_prepexecrpc", "sp_unprepare"}
	if id == 0 || int(id) >= len(names) {
		return "procedure number " + strconv.Itoa(int(id))
	}
	return names[id]
}

// The largest number of procedures in a message and of parameters of one.
const (
	maxCalls  = 1000
	maxParams = 2100
)

// argument is a parameter of a call.
type argument struct {
	gateway.Param
	output bool
	info   []byte // TYPE_INFO and the value as they came: what an output parameter has that nothing has set
}

// call is one procedure of an RPC message.
type call struct {
	procedure string // lower-case unless it is none of ours, without qualifiers
	arguments []argument
	skipped   bool // the client has changed its mind: it is not to be run
}

// parseRPC reads the calls of an RPC message behind its headers.
func parseRPC(data []byte, v version) ([]call, error) {
	in := &input{rest: data}
	separator := byte(0x80)
	if v.atLeast(version72) {
		separator = 0xFF
	}
	const skip = 0xFE
	var calls []call
	for len(in.rest) > 0 {
		if len(calls) == maxCalls {
			return nil, errors.New("an RPC message has more than " + strconv.Itoa(maxCalls) + " calls")
		}
		c := call{}
		if n := in.u16(); n == 0xFFFF {
			c.procedure = procedureName(in.u16())
		} else {
			c.procedure = bareName(in.text(int(n)))
		}
		in.u16() // flags: recompilation and metadata, which is always sent
		for len(in.rest) > 0 && in.err == nil {
			if in.rest[0] == separator || separator == 0xFF && in.rest[0] == skip {
				c.skipped = in.u8() == skip && separator == 0xFF
				break
			}
			if len(c.arguments) == maxParams {
				return nil, errors.New("a call has more than " + strconv.Itoa(maxParams) + " parameters")
			}
			c.arguments = append(c.arguments, readArgument(in))
		}
		if in.err != nil {
			return nil, in.err
		}
		calls = append(calls, c)
	}
	if len(calls) == 0 {
		return nil, errors.New("an RPC message names no procedure")
	}
	return calls, nil
}

func readArgument(in *input) argument {
	const byReference, encrypted = 0x01, 0x08
	a := argument{}
	a.Name = in.text(int(in.u8()))
	status := in.u8()
	a.output = status&byReference != 0
	if status&encrypted != 0 {
		in.fail(unsupported("encrypted by the client"))
	}
	before := in.rest
	t := readType(in)
	a.Type = t.sqlType()
	a.Value = t.readValue(in)
	a.info = before[:len(before)-len(in.rest)]
	return a
}

// bareName takes a procedure's name out of its qualifiers: [db].[sys].[sp_columns];1 is sp_columns. Other numbers than 1 stay.
func bareName(name string) string {
	part, quote := strings.Builder{}, rune(0)
	for _, r := range name {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				part.WriteRune(r)
			}
		case r == '[':
			quote = ']'
		case r == '"':
			quote = '"'
		case r == '.':
			part.Reset()
		default:
			part.WriteRune(r)
		}
	}
	bare := strings.TrimSuffix(strings.TrimSpace(part.String()), ";1")
	if strings.HasPrefix(strings.ToLower(bare), "sp_") {
		return strings.ToLower(bare)
	}
	return bare
}

// skipHeaders returns what stands behind ALL_HEADERS, which clients of 7.2 and later send.
func skipHeaders(data []byte, v version) ([]byte, error) {
	if !v.atLeast(version72) {
		return data, nil
	}
	in := &input{rest: data}
	total := in.u32()
	if in.err != nil || total < 4 || int64(total) > int64(len(data)) {
		return nil, errShort
	}
	return data[total:], nil
}

// declared reads a declaration of parameters: @P1 nvarchar(4000), @P2 int OUTPUT.
func declared(text string) []gateway.Param {
	var params []gateway.Param
	depth, start := 0, 0
	one := func(text string) {
		name, of, _ := strings.Cut(strings.TrimSpace(text), " ")
		if !strings.HasPrefix(name, "@") {
			return
		}
		of = strings.TrimSpace(of)
		if words := strings.Fields(of); len(words) > 1 && strings.EqualFold(words[0], "as") {
			of = strings.TrimSpace(of[2:])
		}
		params = append(params, gateway.Param{Name: name, Type: parseType(of)})
	}
	for i, r := range text {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				one(text[start:i])
				start = i + 1
			}
		}
	}
	one(text[start:])
	return params
}

// parseType reads a type as a declaration writes it. What has no name here is Unknown.
func parseType(text string) gateway.Type {
	text, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(text)), "=") // a default, which the client sends itself
	name, rest, _ := strings.Cut(text, "(")
	inside, _, _ := strings.Cut(rest, ")")
	var sizes []int
	for size := range strings.SplitSeq(inside, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(size))
		if err != nil || n < 0 {
			n = 0 // max
		}
		if inside != "" {
			sizes = append(sizes, n)
		}
	}
	size := func(i, otherwise int) int {
		if i < len(sizes) {
			return sizes[i]
		}
		return otherwise
	}
	name, _, _ = strings.Cut(strings.TrimSpace(name), " ") // before OUTPUT
	switch name = strings.Trim(strings.TrimPrefix(name, "sys."), "[]"); name {
	case "text":
		return gateway.Type{Kind: gateway.Varchar}
	case "ntext", "xml":
		return gateway.Type{Kind: gateway.NVarchar}
	case "image":
		return gateway.Type{Kind: gateway.Varbinary}
	case "sysname":
		return gateway.Type{Kind: gateway.NVarchar, Length: 128}
	case "integer":
		return gateway.Type{Kind: gateway.Int}
	case "double":
		return gateway.Type{Kind: gateway.Float}
	case "numeric", "dec":
		name = "decimal"
	}
	for kind := gateway.Bit; kind <= gateway.DateTimeOffset; kind++ {
		if kind.String() != name {
			continue
		}
		t := gateway.Type{Kind: kind}
		switch kind {
		case gateway.Char, gateway.Varchar, gateway.NChar, gateway.NVarchar, gateway.Binary, gateway.Varbinary:
			t.Length = min(size(0, 1), maxBytes)
		case gateway.Decimal:
			t.Precision, t.Scale = uint8(min(max(size(0, 18), 1), 38)), uint8(min(size(1, 0), 38))
		case gateway.Time, gateway.DateTime2, gateway.DateTimeOffset:
			t.Scale = uint8(min(size(0, 7), 7))
		}
		return t
	}
	return gateway.Type{}
}

// bound gives the values of a statement their declared names, where the client sends them by position.
func bound(declared []gateway.Param, values []argument) []gateway.Param {
	params := make([]gateway.Param, len(values))
	for i, v := range values {
		params[i] = v.Param
		if params[i].Name == "" && i < len(declared) {
			params[i].Name = declared[i].Name
		}
	}
	return params
}
