package tds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// Encryption says what is encrypted.
type Encryption uint8

// The kinds of encryption, as SQL Server has them.
const (
	EncryptLogin    Encryption = iota // the login always where the client can; the rest where it asks. As SQL Server without a setting
	EncryptRequired                   // everything; who cannot is refused
	EncryptStrict                     // everything from the first byte (TDS 8.0); who cannot is refused
	EncryptOff                        // nothing, and no certificate is needed; who insists on encryption goes away
)

// The options of PRELOGIN and the values of its encryption ([MS-TDS] 2.2.6.5).
const (
	optionVersion    = 0x00
	optionEncryption = 0x01
	optionInstance   = 0x02
	optionThread     = 0x03
	optionMARS       = 0x04
	optionEnd        = 0xFF

	encryptOff    = 0x00
	encryptOn     = 0x01
	encryptNone   = 0x02
	encryptNeeded = 0x03
)

// The largest messages before the login. LOGIN7's limit is the protocol's own.
const (
	preloginLimit = 4096
	loginLimit    = 128<<10 - 1
)

// prelogin is what a client asks for in PRELOGIN.
type prelogin struct {
	encryption byte
	asked      []byte // the options that it sent, in its order
}

func parsePrelogin(data []byte) (prelogin, error) {
	p := prelogin{encryption: encryptNone}
	for at := 0; ; at += 5 {
		if at >= len(data) {
			return p, errShort
		}
		option := data[at]
		if option == optionEnd {
			break
		}
		if at+5 > len(data) {
			return p, errShort
		}
		if at == 0 && option != optionVersion {
			return p, errors.New("PRELOGIN does not begin with the client's version")
		}
		offset, length := int(binary.BigEndian.Uint16(data[at+1:])), int(binary.BigEndian.Uint16(data[at+3:]))
		if offset+length > len(data) {
			return p, errShort
		}
		if option == optionEncryption && length > 0 {
			p.encryption = data[offset]
		}
		p.asked = append(p.asked, option)
	}
	if len(p.asked) == 0 {
		return p, errors.New("PRELOGIN has no client's version")
	}
	return p, nil
}

// negotiate returns what the server answers to the client's wish, and whether the two can go on ([MS-TDS] 2.2.6.5: never less than ON to who said ON).
func negotiate(client byte, server Encryption) (answer byte, ok bool) {
	client &= 0x0F // 0x80 asks for a login by certificate, which is answered as if it were not
	switch server {
	case EncryptOff:
		return encryptNone, client == encryptOff || client == encryptNone
	case EncryptLogin:
		switch client {
		case encryptOff, encryptNone:
			return client, true
		}
		return encryptOn, true
	}
	if client == encryptOff || client == encryptNone {
		return encryptNeeded, client == encryptOff
	}
	return encryptOn, true
}

// appendPrelogin answers the options that the client asked with, and no other.
func appendPrelogin(b []byte, asked []byte, encryption byte) []byte {
	type option struct {
		token byte
		data  []byte
	}
	var options []option
	for _, token := range asked {
		switch token {
		case optionVersion:
			options = append(options, option{token, []byte{versionMajor, 0, versionBuild >> 8, versionBuild & 0xFF, 0, 0}})
		case optionEncryption:
			options = append(options, option{token, []byte{encryption}})
		case optionInstance:
			options = append(options, option{token, []byte{0}})
		case optionThread:
			options = append(options, option{token, nil})
		case optionMARS:
			options = append(options, option{token, []byte{0}})
		}
	}
	offset := 5*len(options) + 1
	for _, o := range options {
		b = append(b, o.token)
		b = binary.BigEndian.AppendUint16(b, uint16(offset))
		b = binary.BigEndian.AppendUint16(b, uint16(len(o.data)))
		offset += len(o.data)
	}
	b = append(b, optionEnd)
	for _, o := range options {
		b = append(b, o.data...)
	}
	return b
}

// The version of SQL Server that clients are told: from 13 on they use the newest catalog procedures.
const (
	versionMajor = 15
	versionBuild = 2000
)

// version is a version of the protocol, as LOGIN7 has it.
type version uint32

// The versions. 8.0, whose number is the lowest, is 7.4 in all that it says after the login.
const (
	version71  version = 0x71000000
	version72  version = 0x72090002
	version73  version = 0x730A0003
	version73B version = 0x730B0003
	version74  version = 0x74000004
	version80  version = 0x08000000
)

func (v version) atLeast(other version) bool { return v == version80 || v >= other }

func (v version) String() string {
	if v == version80 {
		return "8.0"
	}
	return fmt.Sprintf("%d.%d", v>>28, v>>24&0xF)
}

// Login is what a client says of itself. It prints without the password.
type Login struct {
	User, Password string
	Database       string // "": it names none
	Host           string // its own name
	Application    string
	Library        string
	Remote         net.Addr
	Encrypted      bool // the password came by TLS
	Number         int  // of the session, as every packet to the client tells it
}

func (l Login) String() string {
	return fmt.Sprintf("user %q, database %q, application %q, host %q", l.User, l.Database, l.Application, l.Host)
}

// GoString is String.
func (l Login) GoString() string { return l.String() }

// login7 is a LOGIN7 message.
type login7 struct {
	Login
	version    version
	packetSize int
	integrated bool // it wants to log in by Windows
	federated  bool // it wants to log in by a token
	changes    bool // it wants to change the password
	utf8       bool // it asks for UTF-8
	features   bool // it sends a list of features
}

const featureUTF8 = 0x0A
const featureFederated = 0x02

func parseLogin(data []byte) (*login7, error) {
	in := &input{rest: data}
	if length := in.u32(); int64(length) > int64(len(data)) {
		return nil, errShort
	}
	l := &login7{version: version(in.u32()), packetSize: int(in.u32())}
	in.take(4 + 4 + 4) // the client's version, process and connection
	in.u8()            // flags 1
	flags2 := in.u8()
	in.u8() // type flags
	flags3 := in.u8()
	in.take(4 + 4) // time zone and locale
	l.integrated = flags2&0x80 != 0
	l.changes = flags3&0x01 != 0
	// field reads a place in the message and returns what stands there, of units of so many bytes.
	field := func(unit int) []byte {
		offset, length := int(in.u16()), unit*int(in.u16())
		if in.err != nil || length == 0 {
			return nil
		}
		if offset+length > len(data) {
			in.fail(errShort)
			return nil
		}
		return data[offset : offset+length]
	}
	l.Host = fromUTF16(field(2))
	l.User = fromUTF16(field(2))
	l.Password = unscramble(field(2))
	l.Application = fromUTF16(field(2))
	field(2) // the server's name
	extension := field(1)
	l.Library = fromUTF16(field(2))
	field(2) // the language
	l.Database = fromUTF16(field(2))
	in.take(6) // the client's id
	if in.err != nil {
		return nil, in.err
	}
	if flags3&0x10 != 0 && len(extension) >= 4 {
		l.features = true
		at := binary.LittleEndian.Uint32(extension)
		if int64(at) > int64(len(data)) {
			return nil, errShort
		}
		list := &input{rest: data[at:]}
		for list.err == nil {
			feature := list.u8()
			if feature == 0xFF {
				break
			}
			list.take(int(list.u32()))
			switch feature {
			case featureUTF8:
				l.utf8 = true
			case featureFederated:
				l.federated = true
			}
		}
		if list.err != nil {
			return nil, list.err
		}
	}
	return l, nil
}

// unscramble undoes what LOGIN7 does to a password: its half bytes are swapped, then each byte is XORed with 0xA5.
func unscramble(b []byte) string {
	clear := make([]byte, len(b))
	for i, c := range b {
		c ^= 0xA5
		clear[i] = c<<4 | c>>4
	}
	return fromUTF16(clear)
}
