package tds

import (
	"encoding/binary"

	"freshet.dev/internal/gateway"
)

// The tokens of a reply ([MS-TDS] 2.2.7).
const (
	tokenReturnStatus = 0x79
	tokenColumns      = 0x81
	tokenError        = 0xAA
	tokenInfo         = 0xAB
	tokenReturnValue  = 0xAC
	tokenLoginAck     = 0xAD
	tokenFeatureAck   = 0xAE
	tokenRow          = 0xD1
	tokenNullRow      = 0xD2
	tokenEnvironment  = 0xE3
	tokenDone         = 0xFD
	tokenDoneProc     = 0xFE
	tokenDoneInProc   = 0xFF
)

// The bits of DONE.
const (
	doneMore      = 0x01
	doneError     = 0x02
	doneInside    = 0x04 // a transaction is open
	doneCount     = 0x10
	doneAttention = 0x20
)

// The kinds of ENVCHANGE.
const (
	changeDatabase   = 1
	changeLanguage   = 2
	changePacketSize = 4
	changeCollation  = 7
	changeBegin      = 8
	changeCommit     = 9
	changeRollback   = 10
	changeReset      = 18
)

// messageLimit is the longest text of a message, in UTF-16 units: a token has two bytes for its length.
const messageLimit = 16000

// sized appends a token with two bytes of length before its body.
func sized(b []byte, token byte, body []byte) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, token), uint16(len(body)))
	return append(b, body...)
}

// appendMessage appends INFO or, from class 11 on, ERROR.
func appendMessage(b []byte, m gateway.Message, server string, v version) []byte {
	token := byte(tokenInfo)
	if m.Class > 10 {
		token = tokenError
	}
	body := binary.LittleEndian.AppendUint32(nil, uint32(m.Number))
	body = append(body, m.State, m.Class)
	body = appendLong(body, m.Text, messageLimit)
	body = appendShort(body, server)
	body = appendShort(body, "") // the procedure
	line := max(m.Line, 0)
	if v.atLeast(version72) {
		body = binary.LittleEndian.AppendUint32(body, uint32(line))
	} else {
		body = binary.LittleEndian.AppendUint16(body, uint16(min(line, 0xFFFF)))
	}
	return sized(b, token, body)
}

// appendChange appends ENVCHANGE of two texts.
func appendChange(b []byte, kind byte, now, before string) []byte {
	return sized(b, tokenEnvironment, appendShort(appendShort([]byte{kind}, now), before))
}

// appendByteChange appends ENVCHANGE of two byte strings.
func appendByteChange(b []byte, kind byte, now, before string) []byte {
	body := append([]byte{kind, byte(len(now))}, now...)
	body = append(append(body, byte(len(before))), before...)
	return sized(b, tokenEnvironment, body)
}

// appendColumns appends COLMETADATA.
func appendColumns(b []byte, columns []shape, v version) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, tokenColumns), uint16(len(columns)))
	for _, c := range columns {
		b = appendUserType(b, v)
		flags := uint16(0x08) // whether it can be updated is unknown
		if !c.column.NotNull {
			flags |= 0x01
		}
		b = binary.LittleEndian.AppendUint16(b, flags)
		b = c.appendType(b)
		if c.blob { // the table's name; before 7.2 it has one part
			b = binary.LittleEndian.AppendUint16(b, 0)
		}
		b = appendShort(b, c.column.Name)
	}
	return b
}

func appendUserType(b []byte, v version) []byte {
	if v.atLeast(version72) {
		return append(b, 0, 0, 0, 0)
	}
	return append(b, 0, 0)
}

// appendRow appends ROW, or NBCROW where it saves something and the client knows it.
func appendRow(b []byte, columns []shape, values []any, v version) ([]byte, error) {
	nulls := make([]byte, (len(columns)+7)/8)
	compact := false
	if v.atLeast(version73B) {
		for i, value := range values {
			if value == nil {
				nulls[i/8] |= 1 << (i % 8)
				compact = true
			}
		}
	}
	if compact {
		b = append(append(b, tokenNullRow), nulls...)
	} else {
		b = append(b, tokenRow)
	}
	var err error
	for i, c := range columns {
		if compact && values[i] == nil {
			continue
		}
		if b, err = c.appendValue(b, values[i]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendDone appends DONE, DONEPROC or DONEINPROC. command is undocumented: 0xC1 is a SELECT.
func appendDone(b []byte, token byte, status, command uint16, rows int64, v version) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, token), status)
	b = binary.LittleEndian.AppendUint16(b, command)
	if v.atLeast(version72) {
		return binary.LittleEndian.AppendUint64(b, uint64(rows))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(min(rows, 1<<32-1)))
}

// appendReturn appends RETURNVALUE of an output parameter. info is TYPE_INFO with the value.
func appendReturn(b []byte, ordinal int, name string, info []byte, v version) []byte {
	const output = 0x01
	b = binary.LittleEndian.AppendUint16(append(b, tokenReturnValue), uint16(ordinal))
	b = append(appendShort(b, name), output)
	b = appendUserType(b, v)
	b = append(b, 0, 0) // flags
	return append(b, info...)
}

// appendLogin appends what answers a login, in the order in which SQL Server says it.
func appendLogin(b []byte, l *login7, database, server string, size int) []byte {
	v := l.version
	b = appendChange(b, changeDatabase, database, database)
	b = appendMessage(b, gateway.Message{Number: 5701, State: 2, Text: "Changed database context to '" + database + "'."}, server, v)
	b = appendByteChange(b, changeCollation, collation, "")
	b = appendChange(b, changeLanguage, "us_english", "")
	b = appendMessage(b, gateway.Message{Number: 5703, State: 1, Text: "Changed language setting to us_english."}, server, v)
	body := binary.BigEndian.AppendUint32([]byte{1}, uint32(v))
	// Drivers take this name for the sign that the server's versions are those of SQL Server.
	body = appendShort(body, "Microsoft SQL Server")
	body = append(body, versionMajor, 0, versionBuild>>8, versionBuild&0xFF)
	b = sized(b, tokenLoginAck, body)
	before := l.packetSize
	if before == 0 {
		before = defaultSize
	}
	b = appendChange(b, changePacketSize, decimal(size), decimal(before))
	if l.features {
		b = append(b, tokenFeatureAck)
		if l.utf8 {
			b = append(b, featureUTF8, 1, 0, 0, 0, 1)
		}
		b = append(b, 0xFF)
	}
	return appendDone(b, tokenDone, 0, 0, 0, v)
}
