package source

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"

	"freshet.dev/internal/fault"
)

// UTF8 is the number of UTF-8 among the code pages.
const UTF8 = 65001

// Decode returns the text of r as UTF-8. A byte order mark decides over the code page and is dropped; bytes that are no text of the
// code page become U+FFFD.
func Decode(r io.Reader, codePage int) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	mark, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	codePage, length := markOf(mark, codePage)
	if _, err := buffered.Discard(length); err != nil {
		return nil, err
	}
	if codePage == UTF8 {
		return &validReader{r: buffered}, nil
	}
	decoder := encodingOf(codePage)
	if decoder == nil {
		return nil, fault.New(fault.Invalid, CodeData, "cannot read text of encoding %d: this code page is not supported", codePage).
			WithHint("65001 is UTF-8, 1200 UTF-16, 1252 Western European (Windows).")
	}
	return transform.NewReader(buffered, decoder.NewDecoder()), nil
}

// markOf returns what a byte order mark at the start says, and its length; 0 when there is none.
func markOf(start []byte, codePage int) (int, int) {
	has := func(mark string) bool { return len(start) >= len(mark) && string(start[:len(mark)]) == mark }
	switch {
	case has("\xef\xbb\xbf"):
		return UTF8, 3
	case has("\xff\xfe\x00\x00"):
		return 12000, 4
	case has("\x00\x00\xfe\xff"):
		return 12001, 4
	case has("\xff\xfe"):
		return 1200, 2
	case has("\xfe\xff"):
		return 1201, 2
	}
	return codePage, 0
}

func encodingOf(codePage int) encoding.Encoding {
	switch codePage {
	case 37:
		return charmap.CodePage037
	case 437:
		return charmap.CodePage437
	case 850:
		return charmap.CodePage850
	case 852:
		return charmap.CodePage852
	case 855:
		return charmap.CodePage855
	case 858:
		return charmap.CodePage858
	case 860:
		return charmap.CodePage860
	case 862:
		return charmap.CodePage862
	case 863:
		return charmap.CodePage863
	case 865:
		return charmap.CodePage865
	case 866:
		return charmap.CodePage866
	case 874:
		return charmap.Windows874
	case 932:
		return japanese.ShiftJIS
	case 936:
		return simplifiedchinese.GBK
	case 949:
		return korean.EUCKR
	case 950:
		return traditionalchinese.Big5
	case 1200:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case 1201:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case 1250:
		return charmap.Windows1250
	case 1251:
		return charmap.Windows1251
	case 1252:
		return charmap.Windows1252
	case 1253:
		return charmap.Windows1253
	case 1254:
		return charmap.Windows1254
	case 1255:
		return charmap.Windows1255
	case 1256:
		return charmap.Windows1256
	case 1257:
		return charmap.Windows1257
	case 1258:
		return charmap.Windows1258
	case 10000:
		return charmap.Macintosh
	case 12000:
		return utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)
	case 12001:
		return utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)
	case 20127:
		return ascii{}
	case 20866:
		return charmap.KOI8R
	case 21866:
		return charmap.KOI8U
	case 28591:
		return charmap.ISO8859_1
	case 28592:
		return charmap.ISO8859_2
	case 28593:
		return charmap.ISO8859_3
	case 28594:
		return charmap.ISO8859_4
	case 28595:
		return charmap.ISO8859_5
	case 28596:
		return charmap.ISO8859_6
	case 28597:
		return charmap.ISO8859_7
	case 28598:
		return charmap.ISO8859_8
	case 28599:
		return charmap.ISO8859_9
	case 28603:
		return charmap.ISO8859_13
	case 28605:
		return charmap.ISO8859_15
	case 50220:
		return japanese.ISO2022JP
	case 51932:
		return japanese.EUCJP
	case 54936:
		return simplifiedchinese.GB18030
	case UTF8:
		return unicode.UTF8
	}
	return nil
}

// validReader passes UTF-8 through and replaces what is none; whole valid blocks cost one look.
type validReader struct {
	r       io.Reader
	pending []byte // the replaced form of a block, or a character cut by the end of a block
	ready   int    // how much of pending is final
	ended   error
}

func (v *validReader) Read(p []byte) (int, error) {
	for v.ready == 0 {
		if v.ended != nil {
			if len(v.pending) == 0 {
				return 0, v.ended
			}
			v.pending = toValid(v.pending)
			v.ready = len(v.pending)
			break
		}
		if len(v.pending) == 0 && len(p) >= utf8.UTFMax {
			n, err := v.r.Read(p)
			v.ended = err
			whole := n
			if err == nil {
				whole -= cut(p[:n])
			}
			if utf8.Valid(p[:whole]) {
				v.pending = append(v.pending[:0], p[whole:n]...)
				if whole > 0 {
					return whole, nil
				}
				continue
			}
			v.pending = append(toValid(p[:whole]), p[whole:n]...)
			v.ready = len(v.pending) - (n - whole)
			break
		}
		block := make([]byte, 4096)
		n, err := v.r.Read(block)
		v.ended = err
		v.pending = append(v.pending, block[:n]...)
		tail := 0
		if err == nil {
			tail = cut(v.pending)
		}
		whole := len(v.pending) - tail
		rest := append([]byte(nil), v.pending[whole:]...)
		v.pending = append(toValid(v.pending[:whole]), rest...)
		v.ready = len(v.pending) - tail
	}
	n := copy(p, v.pending[:v.ready])
	v.pending = v.pending[:copy(v.pending, v.pending[n:])]
	v.ready -= n
	return n, nil
}

// cut returns how many bytes at the end of b begin a character that b does not hold whole.
func cut(b []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if tail := b[len(b)-back:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return back
			}
			break
		}
	}
	return 0
}

func toValid(b []byte) []byte {
	valid, _, err := transform.Bytes(unicode.UTF8.NewDecoder(), b)
	if err != nil {
		return bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return valid
}

// ascii is code page 20127: a byte that is not ASCII is a question mark.
type ascii struct{}

func (ascii) NewDecoder() *encoding.Decoder { return &encoding.Decoder{Transformer: asciiDecoder{}} }
func (ascii) NewEncoder() *encoding.Encoder { return &encoding.Encoder{Transformer: asciiDecoder{}} }

type asciiDecoder struct{ transform.NopResetter }

func (asciiDecoder) Transform(dst, src []byte, _ bool) (int, int, error) {
	n := copy(dst, src)
	for i, b := range dst[:n] {
		if b >= utf8.RuneSelf {
			dst[i] = '?'
		}
	}
	if n < len(src) {
		return n, n, transform.ErrShortDst
	}
	return n, n, nil
}
