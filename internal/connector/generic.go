package connector

import (
	"context"
	"net/url"
	"strings"

	"freshet.dev/powerbi"
)

// genericShape reads the parameter Columns.
func genericShape(in *invocation) ([]field, error) {
	text := in.value("Columns")
	if text == "" {
		return in.endpoint.columns, nil
	}
	fields, wrong := parseFields(text)
	if wrong != "" {
		return nil, in.fail(codeParameter, "cannot read the column '%s' of Columns", wrong).hint("%s They must be literals.", fieldsHint)
	}
	return fields, nil
}

const fieldsHint = "A column is a name, a type and a path, such as Id nvarchar(36) $.id; a semicolon stands between two."

// parseFields reads columns: name type path; … It returns the one that is wrong, if any is.
func parseFields(text string) (fields []field, wrong string) {
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		tokens, err := scan(beforePath(part))
		if err != nil || len(tokens) < 3 || tokens[0].kind != wordToken && tokens[0].kind != quotedToken {
			return nil, shorten(part)
		}
		p := &parser{text: part, tokens: tokens, next: 1}
		typ, err := p.typeName()
		if err != nil || p.peek().kind != endToken {
			return nil, shorten(part)
		}
		found := strings.TrimPrefix(part, beforePath(part))
		if _, err := parsePath(found); err != nil {
			return nil, shorten(part)
		}
		fields = append(fields, field{name: tokens[0].text, typ: typ, path: found})
	}
	if len(fields) == 0 {
		return nil, "(none)"
	}
	return fields, ""
}

// beforePath is what stands before the first $.
func beforePath(part string) string {
	before, _, _ := strings.Cut(part, "$")
	return before
}

func checkJSON(text string) string {
	if _, err := decode([]byte(text)); err != nil {
		return "JSON"
	}
	return ""
}

func checkPath(text string) string {
	if _, err := parsePath(text); err != nil {
		return "a path of the form $.name.name[0] or $.value[*]"
	}
	return ""
}

// genericRequest calls any path of the configured host, and no other host.
func genericRequest(ctx context.Context, in *invocation) ([]record, error) {
	target, err := in.target()
	if err != nil {
		return nil, err
	}
	body := []byte(in.value("Body"))
	filter := in.value("Filter")
	if filter == "" {
		filter = "$"
	}
	rows, err := parsePath(filter)
	if err != nil {
		return nil, err
	}
	raw, err := in.run.connector.client.Raw(ctx, in.value("Method"), target, body)
	if err != nil {
		return nil, err
	}
	value, err := decode(raw.Body)
	if err != nil {
		if !in.flag("EnableRawOutputModeSingleRow") {
			return nil, in.fail(codeAnswer, "its answer (HTTP status %d) is empty or no JSON", raw.Status).
				hint("EnableRawOutputModeSingleRow='True' gives it as one row.")
		}
		return []record{{"httpStatusCode": raw.Status, "body": string(raw.Body)}}, nil
	}
	var records []record
	for _, item := range rows.all(value) {
		if in.value("Columns") == "" {
			records = append(records, record{"httpStatusCode": raw.Status, "body": compact(item)})
			continue
		}
		object, ok := item.(map[string]any)
		if !ok {
			object = map[string]any{"value": item}
		}
		records = append(records, object)
	}
	return records, nil
}

// target is the path that Url means. An address of another host is refused: it would be sent the token.
func (in *invocation) target() (string, error) {
	text := strings.TrimSpace(in.value("Url"))
	u, err := url.Parse(text)
	if err != nil {
		return "", in.fail(codeParameter, "cannot read its parameter Url '%s'", shorten(text))
	}
	if u.Scheme == "" && u.Host == "" && u.Opaque == "" && !strings.HasPrefix(text, "//") {
		if !strings.HasPrefix(text, "/") {
			text = "/" + text
		}
		return text, nil
	}
	own := ownHost(in.run.connector.client)
	if !strings.EqualFold(u.Scheme, own.Scheme) || !strings.EqualFold(u.Host, own.Host) || u.User != nil {
		return "", in.fail(codeParameter, "its Url must be of the configured host, %s", own)
	}
	u.Scheme, u.Host = "", ""
	return u.String(), nil
}

// ownHost is the scheme and the host of a client.
func ownHost(client *powerbi.Client) *url.URL {
	host := client.Host
	if host == "" {
		host = powerbi.DefaultHost
	}
	u, err := url.Parse(host)
	if err != nil {
		return &url.URL{} // no call will find it
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}
}
