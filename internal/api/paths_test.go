package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPaths(t *testing.T) {
	f := &face{routes: routes()}
	for path, want := range map[string]string{
		"/v1.0/MyOrg/GROUPS":                              "/v1.0/myorg/groups",
		"//v1.0/myorg//Groups/A/":                         "/v1.0/myorg/groups/A",
		"/v1.0/myorg/Groups/A/Users/Ana%2FB@Example.org":  "/v1.0/myorg/groups/A/users/Ana%2FB@Example.org",  // what names somebody stays
		"/v1.0/myorg/groups/A/datasets/UPSTREAMDATAFLOWS": "/v1.0/myorg/groups/A/datasets/upstreamDataflows", // and not a dataset of that id
		"/v1.0/myorg/groups":                              "/v1.0/myorg/groups",
		"/v1.0/myorg/groupz":                              "/v1.0/myorg/groupz",
		"/":                                               "/",
		"//":                                              "/",
	} {
		got := withoutSpareSlashes(httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)).URL.EscapedPath()
		if spelt, found := f.spelt(got); found {
			got = spelt
		}
		if got != want {
			t.Errorf("%s is read as %s, want %s", path, got, want)
		}
	}
}
