package mashup

import (
	"net/url"
	"strconv"
	"strings"
)

// uriFunctions take addresses apart and put them together; none of them opens one.
func uriFunctions() family {
	return family{entries: []entry{
		{signature: "Uri.EscapeDataString(data as text) as text", body: func(_ *evaluation, args []Value) (Value, error) {
			return text(escapeURI(string(args[0].(text)))), nil
		}},
		recordEntry("Uri.BuildQueryString(query as record) as text", func(ev *evaluation, r *record, _ []Value) (Value, error) {
			var parts []string
			for _, name := range r.shape.names {
				v, _, err := r.get(ev, name)
				if err != nil {
					return nil, err
				}
				values := []Value{v}
				if l, ok := v.(*list); ok {
					if values, err = l.all(ev); err != nil {
						return nil, err
					}
				}
				for _, v := range values {
					s, err := textArg(v, "")
					if err != nil {
						return nil, err
					}
					parts = append(parts, escapeURI(name)+"="+escapeURI(s))
				}
			}
			return text(strings.Join(parts, "&")), nil
		}),
		{signature: "Uri.Combine(baseUri as text, relativeUri as text) as text", body: func(_ *evaluation, args []Value) (Value, error) {
			base, err := url.Parse(string(args[0].(text)))
			if err == nil {
				if both, err := base.Parse(string(args[1].(text))); err == nil {
					return text(both.String()), nil
				}
			}
			return nil, fail("The address is not valid.").with(newList(args...))
		}},
		{signature: "Uri.Parts(absoluteUri as text) as record", body: func(_ *evaluation, args []Value) (Value, error) { return uriParts(string(args[0].(text))) }},
	}}
}

// escapeURI leaves letters, digits and - _ . ~ as they are.
func escapeURI(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func uriParts(s string) (Value, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, fail("The address is not valid.").with(text(s))
	}
	port := map[string]int64{"http": 80, "https": 443, "ftp": 21}[u.Scheme]
	if p, err := strconv.ParseInt(u.Port(), 10, 32); err == nil {
		port = p
	}
	var names []string
	var values []Value
	for _, pair := range strings.Split(u.RawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescapeURI(name), unescapeURI(value)
		if newShape(names).find(name) < 0 {
			names, values = append(names, name), append(values, text(value))
		}
	}
	path := u.Path
	if path == "" {
		path = "/"
	}
	password, _ := u.User.Password()
	return newRecord([]string{"Scheme", "Host", "Port", "Path", "Query", "Fragment", "UserName", "Password"},
		[]Value{text(u.Scheme), text(u.Hostname()), intNumber(port), text(path), newRecord(names, values), text(u.Fragment), text(u.User.Username()), text(password)}), nil
}

func unescapeURI(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
