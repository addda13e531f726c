package api_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/api"
	"freshet.dev/internal/auth"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// R3: what a caller may not see and what is not there cannot be told apart, on any route: not by status, body or header. Who has no token, and
// whose token has no scope for the route, learns nothing of what is there either.
func TestR3HiddenIsAsMissing(t *testing.T) {
	x := startServer(t, server.DefaultConfig().Limits)
	definition := powerbi.Definition{Workspace: "Sales", CreateWorkspace: true, Files: map[string][]byte{
		"model.bim": []byte(`{"name":"M","compatibilityLevel":1550,"model":{"tables":[]}}`)}}
	deployed, err := x.client().Deploy(t.Context(), definition)
	if err != nil {
		t.Fatal(err)
	}
	const noGroup, noModel = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	token := func(claims auth.Claims) string {
		text, err := x.issuer.Issue(claims)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	stranger := token(auth.Claims{Subject: "stranger", Scopes: auth.AllScopes()})
	unscoped := token(auth.Claims{Subject: "stranger", Scopes: []string{"Report.Read.All"}})
	// what the answer to a call is, with the ids in it hidden
	ask := func(method, pattern, bearer, group, model string) string {
		path := strings.NewReplacer("{groupId}", group, "{datasetId}", model).Replace(pattern)
		path = strings.NewReplacer("{refreshId}", noModel, "{", "", "}", "").Replace(path)
		request, err := http.NewRequestWithContext(t.Context(), method, x.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if bearer != "" {
			request.Header.Set("Authorization", bearer)
		}
		response, err := x.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		response.Header.Del("RequestId")
		response.Header.Del("Date")
		var text strings.Builder
		text.WriteString(response.Status + "\n")
		if err := response.Header.Write(&text); err != nil {
			t.Fatal(err)
		}
		text.Write(body)
		return strings.NewReplacer(group, "{group}", model, "{model}").Replace(text.String())
	}
	group, model, routes := deployed.Workspace.ID, deployed.Dataset.ID, 0
	for _, route := range api.Routes() {
		if route.Public {
			continue
		}
		name := route.Method + " " + route.Pattern
		if nobody := ask(route.Method, route.Pattern, "", group, model); !strings.HasPrefix(nobody, "401 ") {
			t.Errorf("%s without a token: %s", name, nobody)
		}
		if answer := ask(route.Method, route.Pattern, unscoped, group, model); route.Scopes && (!strings.HasPrefix(answer, "403 ") || !strings.Contains(answer, "none of the scopes")) {
			t.Errorf("%s without a scope: %s", name, answer)
		}
		if !route.Roles || !strings.Contains(route.Pattern, "{groupId}") && !strings.Contains(route.Pattern, "{datasetId}") {
			continue
		}
		routes++
		hidden := ask(route.Method, route.Pattern, stranger, group, model)
		if absent := ask(route.Method, route.Pattern, stranger, noGroup, noModel); hidden != absent || !strings.HasPrefix(hidden, "404 ") {
			t.Errorf("%s: hidden is\n%s\nand missing\n%s", name, hidden, absent)
		}
		// A model that is missing from a hidden workspace, and a hidden one in a workspace that is missing.
		for _, ids := range [][2]string{{group, noModel}, {noGroup, model}} {
			if answer := ask(route.Method, route.Pattern, stranger, ids[0], ids[1]); answer != hidden {
				t.Errorf("%s: hidden is\n%s\nand one that is hidden in part\n%s", name, hidden, answer)
			}
		}
	}
	if routes < 30 {
		t.Errorf("%d routes have items that may be hidden", routes)
	}
}

// A server whose callers sign in elsewhere says of nothing that it were a sign-in.
func TestNoSignInOfItsOwn(t *testing.T) {
	handler := api.New(api.Options{Now: time.Now, NewID: func() string { return "00000000-0000-0000-0000-000000000000" }, Logger: slog.New(slog.DiscardHandler)})
	routes := 0
	for _, route := range api.Routes() {
		if !strings.HasPrefix(route.Name, "SignIn_") {
			continue
		}
		routes++
		request, err := http.NewRequestWithContext(t.Context(), route.Method, "http://localhost"+strings.NewReplacer("{", "", "}", "").Replace(route.Pattern), nil)
		if err != nil {
			t.Fatal(err)
		}
		answer := &recorder{header: http.Header{}}
		handler.ServeHTTP(answer, request)
		if answer.status != http.StatusNotFound || !strings.Contains(string(answer.body), "auth.mode is not local") {
			t.Errorf("%s %s: %d %s", route.Method, route.Pattern, answer.status, answer.body)
		}
	}
	if routes < 10 {
		t.Errorf("%d routes are of the sign-in", routes)
	}
}
