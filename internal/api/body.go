package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"freshet.dev/internal/fault"
)

// Limits of what a caller may send.
const (
	maxRefreshBody = 1 << 20
	maxDeployBody  = 256 << 20
	maxDepth       = 64 // of the objects and lists in each other; no body has more than six

	bodyTime   = 30 * time.Second // for a body to come
	deployTime = 5 * time.Minute  // for one of more than maxRefreshBody
)

// json is the request's body, as body gives it, within the limit of depth, and without the byte order mark that some writers put before it.
func (c *call) json(limit int64) io.Reader {
	const mark = "\xef\xbb\xbf"
	content := bufio.NewReader(c.body(limit))
	if begin, _ := content.Peek(len(mark)); string(begin) == mark { // what fails here fails again when it is read
		_, _ = content.Discard(len(mark))
	}
	return &shallow{content: content}
}

// decodeStrict reads a body of Freshet's own routes, where what is not known is an error.
func (c *call) decodeStrict(limit int64, into any) error {
	content := c.json(limit)
	decoder := json.NewDecoder(content)
	decoder.DisallowUnknownFields()
	if err := whole(decoder, content, into); err != nil {
		return bodyFault(namingKnown(err, into))
	}
	return nil
}

// namingKnown adds to the error of an unknown property which there are.
func namingKnown(err error, into any) error {
	name, unknown := strings.CutPrefix(err.Error(), unknownField) // encoding/json has no type for this error
	if !unknown {
		return err
	}
	var known []string
	for field := range reflect.TypeOf(into).Elem().Fields() {
		property, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known = append(known, property)
	}
	return errors.New("there is no property " + clip(name) + "; the properties are " + strings.Join(known, ", "))
}

const unknownField = "json: unknown field "

// decodeLenient reads a body of Power BI's routes, in which only the named fields matter. There may be none.
func (c *call) decodeLenient(into any) error {
	content := c.json(maxRefreshBody)
	if err := whole(json.NewDecoder(content), content, into); err != nil && !errors.Is(err, io.EOF) {
		return bodyFault(err)
	}
	return nil
}

// whole decodes a content that is one JSON text, behind which nothing follows but space.
func whole(decoder *json.Decoder, content io.Reader, into any) error {
	if err := decoder.Decode(into); err != nil {
		return err
	}
	// The decoder's own look ahead begins anew with each piece that comes.
	rest := bufio.NewReader(io.MultiReader(decoder.Buffered(), content))
	for {
		switch char, err := rest.ReadByte(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case !strings.ContainsRune(" \t\r\n", rune(char)):
			return errors.New("more follows after its end")
		}
	}
}

// body is the request's body within the limits of its length and its time.
func (c *call) body(limit int64) io.ReadCloser {
	within := bodyTime
	if limit > maxRefreshBody {
		within = deployTime
	}
	// The limit ends with the body: an answer may take as long as it wants. Without a body the connection is being watched for its end already,
	// which a limit would feign.
	if c.r.Body != http.NoBody {
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(within)) // an error means that there is no connection
	}
	return http.MaxBytesReader(c.w, c.r.Body, limit)
}

// shallow refuses JSON that is nested too deeply, before anybody recurses into it.
type shallow struct {
	content io.Reader
	depth   int
	quoted  bool // within a text
	escaped bool // behind a backslash in one
}

var errTooDeep = errors.New("it is nested more than " + strconv.Itoa(maxDepth) + " deep")

func (s *shallow) Read(into []byte) (int, error) {
	n, err := s.content.Read(into)
	for _, char := range into[:n] {
		switch {
		case s.escaped:
			s.escaped = false
		case s.quoted:
			s.quoted, s.escaped = char != '"', char == '\\'
		case char == '"':
			s.quoted = true
		case char == '[', char == '{':
			s.depth++
		case char == ']', char == '}':
			s.depth--
		}
		if s.depth > maxDepth {
			return 0, errTooDeep
		}
	}
	return n, err
}

// bodyFault is an error of reading a body, in words that name no type of Go's.
func bodyFault(err error) error {
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return fault.New(fault.Invalid, codeTooLarge, "cannot take a request body of more than %d bytes", tooLong.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(fault.Invalid, codeSlow, "cannot wait for the request body any longer").WithHint("Send the request again, all of it at once.")
	}
	return fault.New(fault.Invalid, codeInvalid, "cannot read the request body: %w", jsonFault(err))
}

// jsonFault says what is wrong with a JSON text.
func jsonFault(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("its JSON ends too early")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return errors.New("it is not JSON: " + syntax.Error() + " at byte " + strconv.FormatInt(syntax.Offset, 10))
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		what := "it"
		// The path names embedded types of Go's too, which have capitals where properties have none.
		if path := slices.DeleteFunc(strings.Split(mistyped.Field, "."), func(part string) bool { return part == "" || unicode.IsUpper(rune(part[0])) }); len(path) > 0 {
			what = "'" + strings.Join(path, ".") + "'"
		}
		return errors.New(what + " must be " + jsonKind(mistyped.Type) + ", not " + mistyped.Value)
	}
	return err
}

// jsonKind is what a value of a type is in JSON.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonKind(t.Elem())
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a text in base64"
		}
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a number"
}
