package api

import (
	"net/http"
	"net/url"
	"strings"

	"freshet.dev/internal/fault"
)

// withPath is a request for another path.
func withPath(r *http.Request, escaped string) *http.Request {
	path, err := url.PathUnescape(escaped)
	if err != nil { // it was a path before
		return r
	}
	other, address := *r, *r.URL
	address.Path, address.RawPath, other.URL = path, escaped, &address
	return &other
}

// withoutSpareSlashes is a request for the path without doubled slashes and without one at its end, which come of base addresses that are put
// before others. ServeMux would redirect it, and many clients leave their token behind then.
func withoutSpareSlashes(r *http.Request) *http.Request {
	escaped := r.URL.EscapedPath()
	if escaped == "/" || !strings.Contains(escaped, "//") && !strings.HasSuffix(escaped, "/") {
		return r
	}
	return withPath(r, "/"+strings.Join(strings.FieldsFunc(escaped, func(char rune) bool { return char == '/' }), "/"))
}

// spelt finds the path of a route that differs from the request's in letter case alone: what the route names is spelt as it has it, the rest
// stays. Of several routes the one that names most is meant, as with ServeMux.
func (f *face) spelt(escaped string) (found string, ok bool) {
	segments, most := strings.Split(escaped, "/"), 0
	for _, route := range f.routes {
		pattern := strings.Split(route.pattern, "/")
		if len(pattern) != len(segments) {
			continue
		}
		named := 0
		for i, segment := range pattern {
			switch {
			case strings.HasPrefix(segment, "{"):
				pattern[i] = segments[i]
			case strings.EqualFold(segment, segments[i]):
				named++
			default:
				named = -len(pattern)
			}
		}
		if named > most {
			found, most, ok = strings.Join(pattern, "/"), named, true
		}
	}
	return found, ok && found != escaped
}

// noRoute answers for a path that no route has as it is spelt.
func (f *face) noRoute(w http.ResponseWriter, r *http.Request) {
	if path, found := f.spelt(r.URL.EscapedPath()); found {
		f.mux.ServeHTTP(w, withPath(r, path))
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodPut, http.MethodPatch} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := f.mux.Handler(other); pattern != "/" {
			w.Header().Add("Allow", method)
		}
	}
	if w.Header().Get("Allow") != "" {
		f.refuse(w, r, fault.New(fault.Invalid, codeMethod, "cannot %s %s: this path does not take that method", r.Method, r.URL.Path))
		return
	}
	f.refuse(w, r, fault.New(fault.NotFound, codeNoRoute, "cannot %s %s: there is no such route", r.Method, r.URL.Path).
		WithHint("Power BI's routes begin with /v1.0/myorg, Freshet's own with /v1.0/freshet."))
}
