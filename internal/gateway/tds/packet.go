package tds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The types of packets ([MS-TDS] 2.2.3.1.1).
const (
	packetBatch       = 0x01
	packetRPC         = 0x03
	packetReply       = 0x04
	packetAttention   = 0x06
	packetBulk        = 0x07
	packetTransaction = 0x0E
	packetLogin       = 0x10
	packetSSPI        = 0x11
	packetPrelogin    = 0x12
)

// The bits of a packet's status ([MS-TDS] 2.2.3.1.2).
const (
	statusEnd       = 0x01
	statusIgnore    = 0x02
	statusReset     = 0x08
	statusResetKeep = 0x10
)

// The lengths of packets, with their header.
const (
	headerSize  = 8
	defaultSize = 4096
	minSize     = 512
	maxSize     = 32767
	maxThrown   = 1000 // packets of a message that is too long
)

// message is what one or more packets carry.
type message struct {
	kind   byte
	status byte // of the first packet, and the ignore bit of the last
	data   []byte
}

var errTooLarge = errors.New("the message is larger than the server takes")

// readPacket reads one packet. Its payload is appended to data, which never grows beyond limit bytes.
func readPacket(from io.Reader, data []byte, limit int, begun func()) (kind, status byte, all []byte, err error) {
	var header [headerSize]byte
	if _, err = io.ReadFull(from, header[:1]); err != nil {
		return 0, 0, data, err
	}
	if begun != nil {
		begun()
	}
	if _, err = io.ReadFull(from, header[1:]); err != nil {
		return 0, 0, data, unexpected(err)
	}
	size := int(binary.BigEndian.Uint16(header[2:])) - headerSize
	if size < 0 {
		return 0, 0, data, fmt.Errorf("a packet claims a length of %d bytes, its header has %d", size+headerSize, headerSize)
	}
	if len(data)+size > limit {
		if _, err := io.CopyN(io.Discard, from, int64(size)); err != nil {
			return 0, 0, data, unexpected(err)
		}
		return header[0], header[1], data, errTooLarge
	}
	at := len(data)
	data = append(data, make([]byte, size)...)
	if _, err = io.ReadFull(from, data[at:]); err != nil {
		return 0, 0, data, unexpected(err)
	}
	return header[0], header[1], data, nil
}

// readMessage reads packets up to the last of a message. begun, which may be nil, is called when its first byte has come.
//
// What is longer than limit is read on for a while and thrown away: a connection that is closed with bytes unread loses the answer that says why.
func readMessage(from io.Reader, limit int, begun func()) (message, error) {
	var m message
	thrown := 0
	for first := true; ; first = false {
		kind, status, data, err := readPacket(from, m.data, limit, begun)
		if errors.Is(err, errTooLarge) {
			if thrown++; status&statusEnd != 0 || thrown > maxThrown {
				return message{}, err
			}
			begun = nil
			continue
		}
		if thrown > 0 && err == nil {
			if status&statusEnd != 0 {
				return message{}, errTooLarge
			}
			continue
		}
		if err != nil {
			if !first {
				err = unexpected(err)
			}
			return message{}, err
		}
		if first {
			m.kind, m.status = kind, status
		} else if kind != m.kind {
			return message{}, fmt.Errorf("a packet of type %#x came within a message of type %#x", kind, m.kind)
		}
		m.data, begun = data, nil
		if status&statusEnd != 0 {
			m.status |= status & statusIgnore
			return m, nil
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// packetWriter splits a message into packets. The first error of the connection stays and is given again.
type packetWriter struct {
	to   io.Writer
	size int    // of a packet, with its header
	spid uint16 // the session's number, in every header
	kind byte
	id   byte
	buf  []byte
	err  error
}

// begin starts a message.
func (w *packetWriter) begin(kind byte) {
	w.kind, w.id = kind, 1
	w.buf = append(w.buf[:0], make([]byte, headerSize)...)
}

func (w *packetWriter) Write(data []byte) (int, error) {
	written := 0
	for w.err == nil && written < len(data) {
		if len(w.buf) >= w.size {
			w.send(0)
		}
		n := min(w.size-len(w.buf), len(data)-written)
		w.buf = append(w.buf, data[written:written+n]...)
		written += n
	}
	return written, w.err
}

// flush sends what there is, so that the client has it while the message goes on.
func (w *packetWriter) flush() error {
	if len(w.buf) > headerSize {
		w.send(0)
	}
	return w.err
}

// end sends the last packet of the message.
func (w *packetWriter) end() error {
	w.send(statusEnd)
	return w.err
}

func (w *packetWriter) send(status byte) {
	if w.err != nil {
		return
	}
	w.buf[0], w.buf[1] = w.kind, status
	binary.BigEndian.PutUint16(w.buf[2:], uint16(len(w.buf)))
	binary.BigEndian.PutUint16(w.buf[4:], w.spid)
	w.buf[6], w.buf[7] = w.id, 0
	_, w.err = w.to.Write(w.buf)
	w.id++
	w.buf = w.buf[:headerSize]
}
