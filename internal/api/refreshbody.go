package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
)

// refreshFields lists the parameters of POST …/refreshes as they are spelt.
var refreshFields = [...]string{"type", "commitMode", "maxParallelism", "retryCount", "objects", "applyRefreshPolicy", "effectiveDate", "timeout", "notifyOption"}

var objectFields = [...]string{"table", "partition"}

// decodeRefresh reads the body of POST …/refreshes (R5, R17). Letter case of names, numbers and booleans in quotes and unknown properties
// are let through, the last with a warning; what a known property cannot mean is an error.
func decodeRefresh(content []byte) (refresh.Params, []refresh.Message, error) {
	d := &refreshDecoder{}
	content = bytes.TrimSpace(content)
	if len(content) == 0 || string(content) == "null" {
		return refresh.Params{}, nil, nil
	}
	fields, err := objectOf(content)
	if err != nil {
		return refresh.Params{}, nil, badParameter("cannot read the request body: %w", err)
	}
	for _, field := range fields {
		name := d.known(field.name, refreshFields[:], "")
		if name == "" || string(field.value) == "null" {
			continue
		}
		if err := d.set(name, field.value); err != nil {
			return refresh.Params{}, nil, badParameter("cannot use the parameter %q: %w", field.name, err)
		}
	}
	return d.params, d.warnings, nil
}

func badParameter(format string, args ...any) error {
	return fault.New(fault.Invalid, codeInvalid, rejection+format, args...)
}

type refreshDecoder struct {
	params   refresh.Params
	warnings []refresh.Message
}

// known returns the spelling of a property, or "" after a warning.
func (d *refreshDecoder) known(name string, fields []string, of string) string {
	for _, field := range fields {
		if strings.EqualFold(field, name) {
			return field
		}
	}
	switch {
	case len(d.warnings) > maxWarnings:
		return ""
	case len(d.warnings) == maxWarnings:
		d.warn("more parameters are not known and were ignored")
		return ""
	}
	text := "the parameter '" + clip(name) + "'" + of + " is not known and was ignored"
	if near := fault.Nearest(name, fields); near != "" {
		text += "; did you mean '" + near + "'?"
	}
	d.warn(text)
	return ""
}

func (d *refreshDecoder) warn(text string) {
	d.warnings = append(d.warnings, refresh.Message{Type: refresh.WarningMessage, Code: refresh.CodeUnknownField, Text: text})
}

// What a body may put into answers and into the history.
const (
	maxWarnings = 20
	maxEcho     = 200 // bytes
)

// clip keeps a caller's text short.
func clip(text string) string {
	if len(text) <= maxEcho {
		return text
	}
	return strings.ToValidUTF8(text[:maxEcho], "") + "…"
}

func (d *refreshDecoder) set(name string, value json.RawMessage) (err error) {
	switch name {
	case "type":
		d.params.Type, err = textOf(value)
	case "commitMode":
		d.params.CommitMode, err = textOf(value)
	case "effectiveDate":
		d.params.EffectiveDate, err = textOf(value)
	case "timeout":
		d.params.Timeout, err = textOf(value)
	case "notifyOption":
		d.params.NotifyOption, err = textOf(value)
	case "maxParallelism":
		d.params.MaxParallelism, err = wholeOf(value)
	case "retryCount":
		d.params.RetryCount, err = wholeOf(value)
	case "applyRefreshPolicy":
		d.params.ApplyRefreshPolicy, err = booleanOf(value)
	case "objects":
		d.params.Objects, err = d.objectsOf(value)
	}
	return err
}

func (d *refreshDecoder) objectsOf(value json.RawMessage) ([]refresh.Object, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); err != nil {
		return nil, errors.New("it must be a list of objects, each with a table and perhaps a partition")
	}
	objects := make([]refresh.Object, 0, len(items))
	for i, item := range items {
		fields, err := objectOf(item)
		if err != nil {
			return nil, errors.New("entry " + strconv.Itoa(i+1) + " must be an object with a table and perhaps a partition")
		}
		var object refresh.Object
		for _, field := range fields {
			name := d.known(field.name, objectFields[:], " of entry "+strconv.Itoa(i+1)+" of objects")
			if name == "" || string(field.value) == "null" {
				continue
			}
			text, err := textOf(field.value)
			if err != nil {
				return nil, errors.New("entry " + strconv.Itoa(i+1) + ": " + field.name + " must be a text")
			}
			if name == "table" {
				object.Table = *text
			} else {
				object.Partition = *text
			}
		}
		if object.Table == "" {
			return nil, errors.New("entry " + strconv.Itoa(i+1) + " names no table" + map[bool]string{true: ", only the partition '" + clip(object.Partition) + "'"}[object.Partition != ""])
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// property is one property of a JSON object.
type property struct {
	name  string
	value json.RawMessage
}

// objectOf reads a JSON object in the order of its text. A property that comes twice, in any letter case, has no meaning.
func objectOf(content []byte) ([]property, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	if token, err := decoder.Token(); err != nil {
		return nil, jsonFault(err)
	} else if token != json.Delim('{') {
		return nil, errors.New("it must be a JSON object")
	}
	var fields []property
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, jsonFault(err)
		}
		field := property{name: token.(string)} // the decoder gives nothing else for a key
		if folded := strings.ToLower(field.name); seen[folded] {
			return nil, errors.New("it names '" + clip(field.name) + "' twice")
		} else {
			seen[folded] = true
		}
		if err := decoder.Decode(&field.value); err != nil {
			return nil, jsonFault(err)
		}
		fields = append(fields, field)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, jsonFault(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after its end")
	}
	return fields, nil
}

func textOf(value json.RawMessage) (*string, error) {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return nil, errors.New("it must be a text, not " + clip(string(value)))
	}
	return &text, nil
}

// bare returns a value without the quotes that some clients put around numbers and booleans.
func bare(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return strings.TrimSpace(text)
	}
	return string(value)
}

func wholeOf(value json.RawMessage) (*int64, error) {
	text := bare(value)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &n, nil
	}
	// 2.0 and 1e1 are whole numbers too.
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		n := int64(f)
		return &n, nil
	}
	return nil, errors.New("it must be a whole number, not " + clip(string(value)))
}

func booleanOf(value json.RawMessage) (*bool, error) {
	switch strings.ToLower(bare(value)) {
	case "true":
		yes := true
		return &yes, nil
	case "false":
		no := false
		return &no, nil
	}
	return nil, errors.New("it must be true or false, not " + clip(string(value)))
}
