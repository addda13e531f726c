package mashup

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// BinaryEncoding's members.
const (
	encodingBase64 = iota
	encodingHex
)

// maxBinary bounds what is unpacked in memory.
const maxBinary = 1 << 30

func base64Text(b binary) string { return base64.StdEncoding.EncodeToString(b) }

func binaryFromText(s string, form int) (Value, error) {
	var b []byte
	var err error
	if form == encodingHex {
		b, err = hex.DecodeString(strings.TrimSpace(s))
	} else {
		b, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	}
	if err != nil {
		return nil, failData("The text is not a binary in this encoding.").with(text(s))
	}
	return binary(b), nil
}

// unpack decompresses; what it unpacks to is bounded.
func unpack(b binary, compression int) (Value, error) {
	var r io.Reader
	switch compression {
	case 0:
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, failData("The binary is not GZip data.")
		}
		r = z
	case 1:
		r = flate.NewReader(bytes.NewReader(b))
	default:
		return nil, fail("Only Compression.GZip and Compression.Deflate are supported.")
	}
	out, err := io.ReadAll(io.LimitReader(r, maxBinary+1))
	if err != nil {
		return nil, failData("The compressed binary is broken.")
	}
	if len(out) > maxBinary {
		return nil, fail("The binary unpacks to more than 1 GiB.")
	}
	return binary(out), nil
}

func pack(b binary, compression int) (Value, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch compression {
	case 0:
		w = gzip.NewWriter(&out)
	case 1:
		z, err := flate.NewWriter(&out, flate.DefaultCompression)
		if err != nil {
			return nil, err
		}
		w = z
	default:
		return nil, fail("Only Compression.GZip and Compression.Deflate are supported.")
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return binary(out.Bytes()), nil
}

// TextEncoding's members are code pages.
const (
	codeUTF8      = 65001
	codeUTF16     = 1200
	codeUTF16BE   = 1201
	codeASCII     = 20127
	codeWindows   = 1252
	byteOrderMark = "\ufeff"
)

// codePage is the encoding of a code page other than UTF-8, UTF-16 and ASCII.
func codePage(code int) (encoding.Encoding, error) {
	pages := map[int]string{874: "windows-874", 932: "shift_jis", 936: "gbk", 949: "euc-kr", 950: "big5", 866: "ibm866", 20866: "koi8-r",
		21866: "koi8-u", 10000: "macintosh", 51932: "euc-jp", 54936: "gb18030"}
	for i := 0; i <= 8; i++ {
		pages[1250+i] = "windows-125" + string(rune('0'+i))
	}
	for i, name := range []string{"iso-8859-1", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8", "windows-1254", "", "", "", "iso-8859-13", "", "iso-8859-15"} {
		if name != "" {
			pages[28591+i] = name
		}
	}
	switch code {
	case 28591:
		return charmap.ISO8859_1, nil
	case 437:
		return charmap.CodePage437, nil
	case 850:
		return charmap.CodePage850, nil
	case 852:
		return charmap.CodePage852, nil
	case 858:
		return charmap.CodePage858, nil
	}
	if name := pages[code]; name != "" {
		if e, err := htmlindex.Get(name); err == nil {
			return e, nil
		}
	}
	return nil, fail("The encoding %d isn't supported.", code)
}

// decodeText is a binary as text; a byte order mark decides, and is left out.
func decodeText(b []byte, code int) (string, error) {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		b, code = b[3:], codeUTF8
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		b, code = b[2:], codeUTF16
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		b, code = b[2:], codeUTF16BE
	}
	switch code {
	case codeUTF8:
		return strings.ToValidUTF8(string(b), string(utf8.RuneError)), nil
	case codeASCII:
		out := []byte(string(b))
		for i, c := range out {
			if c >= utf8.RuneSelf {
				out[i] = '?'
			}
		}
		return string(out), nil
	case codeUTF16, codeUTF16BE:
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
			if code == codeUTF16BE {
				units[i] = units[i]>>8 | units[i]<<8
			}
		}
		return string(utf16.Decode(units)), nil
	}
	page, err := codePage(code)
	if err != nil {
		return "", err
	}
	out, err := page.NewDecoder().Bytes(b)
	return string(out), err
}

func encodeText(s string, code int, mark bool) ([]byte, error) {
	switch code {
	case codeUTF8:
		if mark {
			s = byteOrderMark + s
		}
		return []byte(s), nil
	case codeASCII:
		return []byte(strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return '?'
			}
			return r
		}, s)), nil
	case codeUTF16, codeUTF16BE:
		if mark {
			s = byteOrderMark + s
		}
		out := utf16Bytes(s)
		if code == codeUTF16BE {
			for i := 0; i+1 < len(out); i += 2 {
				out[i], out[i+1] = out[i+1], out[i]
			}
		}
		return out, nil
	}
	page, err := codePage(code)
	if err != nil {
		return nil, err
	}
	return encoding.ReplaceUnsupported(page.NewEncoder()).Bytes([]byte(s))
}

// contentArg is a binary, or a text as its bytes in UTF-8.
func contentArg(v Value) ([]byte, error) {
	switch v := v.(type) {
	case binary:
		return v, nil
	case text:
		return []byte(v), nil
	}
	return nil, cannotConvert(v, "Binary")
}

func binaryEntry(signature string, f func(ev *evaluation, b binary, args []Value) (Value, error)) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) { return f(ev, args[0].(binary), args[1:]) }}
}

func binaryFunctions() family {
	bytesOf := func(ev *evaluation, l *list) (Value, error) {
		items, err := l.all(ev)
		if err != nil {
			return nil, err
		}
		out := make(binary, len(items))
		for i, item := range items {
			n, err := countArg(item, 0)
			if err != nil || n > 255 {
				return nil, fail("The value %s is not a byte.", display(item))
			}
			out[i] = byte(n)
		}
		return out, nil
	}
	length := func(_ *evaluation, b binary, _ []Value) (Value, error) { return intNumber(int64(len(b))), nil }
	return family{
		entries: append([]entry{
			{signature: "#binary(value as any) as any", body: func(ev *evaluation, args []Value) (Value, error) {
				if l, ok := args[0].(*list); ok {
					return bytesOf(ev, l)
				}
				return binaryFrom(args[0])
			}},
			{signature: "Binary.From(value as any, optional encoding as nullable number) as nullable binary", body: func(_ *evaluation, args []Value) (Value, error) {
				form, err := wholeArg(args[1], encodingBase64)
				if s, ok := args[0].(text); ok && err == nil {
					return binaryFromText(string(s), form)
				}
				return binaryFrom(args[0])
			}},
			{signature: "Binary.FromText(text as nullable text, optional encoding as nullable number) as nullable binary", body: func(_ *evaluation, args []Value) (Value, error) {
				form, err := wholeArg(args[1], encodingBase64)
				if err != nil {
					return nil, err
				}
				return binaryFromText(string(args[0].(text)), form)
			}},
			{signature: "Binary.ToText(binary as nullable binary, optional encoding as nullable number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				form, err := wholeArg(args[1], encodingBase64)
				if form == encodingHex {
					return text(hex.EncodeToString(args[0].(binary))), err
				}
				return text(base64Text(args[0].(binary))), err
			}},
			listEntry("Binary.FromList(list as list) as binary", func(ev *evaluation, l *list, _ []Value) (Value, error) { return bytesOf(ev, l) }),
			binaryEntry("Binary.ToList(binary as binary) as list", func(_ *evaluation, b binary, _ []Value) (Value, error) {
				out := make([]Value, len(b))
				for i, c := range b {
					out[i] = intNumber(int64(c))
				}
				return newList(out...), nil
			}),
			binaryEntry("Binary.Length(binary as nullable binary) as nullable number", length),
			binaryEntry("Binary.ApproximateLength(binary as nullable binary) as nullable number", length),
			binaryEntry("Binary.Buffer(binary as nullable binary) as nullable binary", func(_ *evaluation, b binary, _ []Value) (Value, error) { return b, nil }),
			binaryEntry("Binary.Range(binary as binary, offset as number, optional count as nullable number) as binary", func(_ *evaluation, b binary, args []Value) (Value, error) {
				offset, err := countArg(args[0], 0)
				if err != nil {
					return nil, err
				}
				count, err := countArg(args[1], max(0, len(b)-offset))
				if err != nil {
					return nil, err
				}
				if offset+count > len(b) {
					return nil, notEnough()
				}
				return b[offset : offset+count], nil
			}),
			binaryEntry("Binary.Split(binary as binary, pageSize as number) as list", func(_ *evaluation, b binary, args []Value) (Value, error) {
				size, err := countArg(args[0], 1)
				if err != nil || size == 0 {
					return nil, fail("The page size must be more than 0.")
				}
				var pages []Value
				for len(b) > 0 {
					n := min(size, len(b))
					pages = append(pages, b[:n])
					b = b[n:]
				}
				return newList(pages...), nil
			}),
			listEntry("Binary.Combine(binaries as list) as binary", func(ev *evaluation, l *list, _ []Value) (Value, error) {
				items, err := l.all(ev)
				if err != nil {
					return nil, err
				}
				out := binary{}
				for _, item := range items {
					b, ok := item.(binary)
					if !ok {
						return nil, cannotConvert(item, "Binary")
					}
					out = append(out, b...)
				}
				return out, nil
			}),
			binaryEntry("Binary.Decompress(binary as nullable binary, compressionType as number) as nullable binary", func(_ *evaluation, b binary, args []Value) (Value, error) {
				compression, err := wholeArg(args[0], 0)
				if err != nil {
					return nil, err
				}
				return unpack(b, compression)
			}),
			binaryEntry("Binary.Compress(binary as nullable binary, compressionType as number) as nullable binary", func(_ *evaluation, b binary, args []Value) (Value, error) {
				compression, err := wholeArg(args[0], 0)
				if err != nil {
					return nil, err
				}
				return pack(b, compression)
			}),
		}, textContent()...),
		constants: []constant{
			{"BinaryEncoding.Base64", intNumber(encodingBase64)}, {"BinaryEncoding.Hex", intNumber(encodingHex)}, {"BinaryEncoding.Type", named(kindNumber, "BinaryEncoding.Type")},
			{"Compression.None", intNumber(-1)}, {"Compression.GZip", intNumber(0)}, {"Compression.Deflate", intNumber(1)}, {"Compression.Snappy", intNumber(2)},
			{"Compression.Brotli", intNumber(3)}, {"Compression.LZ4", intNumber(4)}, {"Compression.Zstandard", intNumber(5)}, {"Compression.Type", named(kindNumber, "Compression.Type")},
			{"TextEncoding.Utf8", intNumber(codeUTF8)}, {"TextEncoding.Utf16", intNumber(codeUTF16)}, {"TextEncoding.Unicode", intNumber(codeUTF16)},
			{"TextEncoding.BigEndianUnicode", intNumber(codeUTF16BE)}, {"TextEncoding.Ascii", intNumber(codeASCII)}, {"TextEncoding.Windows", intNumber(codeWindows)},
			{"TextEncoding.Type", named(kindNumber, "TextEncoding.Type")},
		},
	}
}

func textContent() []entry {
	lines := func(s string, includeEnds bool) []string {
		var out []string
		for s != "" {
			i := strings.IndexAny(s, "\r\n")
			if i < 0 {
				return append(out, s)
			}
			end := i + 1
			if strings.HasPrefix(s[i:], "\r\n") {
				end++
			}
			if includeEnds {
				i = end
			}
			out = append(out, s[:i])
			s = s[end:]
		}
		return out
	}
	return []entry{
		binaryEntry("Text.FromBinary(binary as nullable binary, optional encoding as nullable number) as nullable text", func(_ *evaluation, b binary, args []Value) (Value, error) {
			code, err := wholeArg(args[0], codeUTF8)
			if err != nil {
				return nil, err
			}
			s, err := decodeText(b, code)
			return text(s), err
		}),
		{signature: "Text.ToBinary(text as nullable text, optional encoding as nullable number, optional includeByteOrderMark as nullable logical) as nullable binary", body: func(_ *evaluation, args []Value) (Value, error) {
			code, err := wholeArg(args[1], codeUTF8)
			if err != nil {
				return nil, err
			}
			b, err := encodeText(string(args[0].(text)), code, flag(args[2]))
			return binary(b), err
		}},
		binaryEntry("Lines.FromBinary(binary as binary, optional quoteStyle as any, optional includeLineSeparators as nullable logical, optional encoding as nullable number) as list", func(_ *evaluation, b binary, args []Value) (Value, error) {
			code, err := wholeArg(args[2], codeUTF8)
			if err != nil {
				return nil, err
			}
			s, err := decodeText(b, code)
			return textList(lines(s, flag(args[1]))), err
		}),
		{signature: "Lines.FromText(text as text, optional quoteStyle as any, optional includeLineSeparators as nullable logical) as list", body: func(_ *evaluation, args []Value) (Value, error) {
			return textList(lines(string(args[0].(text)), flag(args[2]))), nil
		}},
		listEntry("Lines.ToText(lines as list, optional lineSeparator as nullable text) as text", func(ev *evaluation, l *list, args []Value) (Value, error) {
			parts, err := textsOf(ev, l)
			if err != nil {
				return nil, err
			}
			end, err := textArg(args[0], "\r\n")
			if len(parts) == 0 {
				return text(""), err
			}
			return text(strings.Join(parts, end) + end), err
		}),
		{signature: "Json.Document(jsonText as any, optional encoding as nullable number) as any", body: func(_ *evaluation, args []Value) (Value, error) {
			content, err := contentArg(args[0])
			if err != nil {
				return nil, err
			}
			code, err := wholeArg(args[1], codeUTF8)
			if err != nil {
				return nil, err
			}
			s, err := decodeText(content, code)
			if err != nil {
				return nil, err
			}
			return readJSON(s)
		}},
		{signature: "Json.FromValue(value as any, optional encoding as nullable number) as binary", body: func(ev *evaluation, args []Value) (Value, error) {
			code, err := wholeArg(args[1], codeUTF8)
			if err != nil {
				return nil, err
			}
			var b strings.Builder
			if err := writeJSON(ev, &b, args[0]); err != nil {
				return nil, err
			}
			out, err := encodeText(b.String(), code, false)
			return binary(out), err
		}},
	}
}

// readJSON keeps the order of the fields, and of a name that comes twice the last value.
func readJSON(s string) (Value, error) {
	decoder := json.NewDecoder(strings.NewReader(strings.TrimPrefix(s, byteOrderMark)))
	decoder.UseNumber()
	v, err := readJSONValue(decoder, 0)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			return nil, failData("We found extra characters at the end of JSON input.")
		}
		return v, nil
	}
	var known *failure
	if errors.As(err, &known) {
		return nil, known
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, failData("We reached the end of the JSON input before its value was complete.")
	}
	return nil, failData("We found a character in the JSON input that was not expected there: %v.", err)
}

func readJSONValue(decoder *json.Decoder, depth int) (Value, error) {
	if depth > 500 {
		return nil, failData("The JSON input is nested more than 500 deep.")
	}
	tok, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case nil:
		return null, nil
	case bool:
		return logical(tok), nil
	case string:
		return text(tok), nil
	case json.Number:
		return orNumber(parsePlain(string(tok)))
	case json.Delim:
		if tok == '[' {
			items := []Value{}
			for decoder.More() {
				v, err := readJSONValue(decoder, depth+1)
				if err != nil {
					return nil, err
				}
				items = append(items, v)
			}
			_, err := decoder.Token()
			return newList(items...), err
		}
		names, values, at := []string{}, []Value{}, map[string]int{}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			v, err := readJSONValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			key := name.(string)
			if i, twice := at[key]; twice {
				values[i] = v
				continue
			}
			at[key] = len(names)
			names, values = append(names, key), append(values, v)
		}
		_, err := decoder.Token()
		return newRecord(names, values), err
	}
	return nil, failData("The JSON input is not valid.")
}

func writeJSON(ev *evaluation, b *strings.Builder, v Value) error {
	v, err := force(ev, v)
	if err != nil {
		return err
	}
	if err := ev.enter(nativeFrames); err != nil {
		ev.leave(nativeFrames)
		return err
	}
	defer ev.leave(nativeFrames)
	switch v := v.(type) {
	case nullKind, logical:
		b.WriteString(constantText(v))
	case number:
		if _, ok := v.exact(); !ok {
			b.WriteString("null")
			return nil
		}
		b.WriteString(v.String())
	case text:
		return writeJSONText(b, string(v))
	case date:
		return writeJSONText(b, v.time().Format("2006-01-02"))
	case datetime:
		return writeJSONText(b, v.time().Format("2006-01-02T15:04:05.9999999"))
	case datetimezone, timeOfDay:
		c, err := findCulture("")
		if err != nil {
			return err
		}
		format := "HH:mm:ss.FFFFFFF"
		if v.kind() == kindDateTimeZone {
			format = "yyyy-MM-ddTHH:mm:ss.FFFFFFFzzz"
		}
		s, err := c.format(momentOf(v), strings.ReplaceAll(format, "T", "'T'"))
		if err != nil {
			return err
		}
		return writeJSONText(b, s)
	case duration:
		return writeJSONText(b, durationText(v))
	case binary:
		return writeJSONText(b, base64Text(v))
	case *list:
		items, err := v.raw(ev)
		if err != nil {
			return err
		}
		b.WriteByte('[')
		for i, item := range items {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(ev, b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case *record:
		b.WriteByte('{')
		for i, name := range v.shape.names {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSONText(b, name); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := writeJSON(ev, b, v.values[i]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case table:
		return writeJSONTable(ev, b, v)
	default:
		return fail("We cannot convert a value of type %s to JSON.", typeName(v))
	}
	return nil
}

func writeJSONTable(ev *evaluation, b *strings.Builder, t table) error {
	rs, err := t.rows(ev)
	if err != nil {
		return err
	}
	defer rs.close()
	fields := columnShape(t)
	b.WriteByte('[')
	for first := true; ; first = false {
		cells, ok, err := rs.next(ev)
		if err != nil {
			return err
		}
		if !ok {
			b.WriteByte(']')
			return nil
		}
		if !first {
			b.WriteByte(',')
		}
		if err := writeJSON(ev, b, rowRecord(fields, cells)); err != nil {
			return err
		}
	}
}

func writeJSONText(b *strings.Builder, s string) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(s)
	b.WriteString(strings.TrimSuffix(out.String(), "\n"))
	return err
}
