package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// R17: a body that no handler can use is refused in words that name no type of Go's and nothing inside.
func TestBodies(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("]}", n/2) }
	for _, test := range []struct{ body, want string }{
		{`{"name":"a"}`, ""},
		{``, ""},
		{"\xef\xbb\xbf{\"name\":\"a\"}\n", ""}, // a byte order mark
		{`{"name":"a"} {`, "cannot read the request body: more follows after its end"},
		{`{"name":"a"}]`, "cannot read the request body: more follows after its end"},
		{`{"name":"a"}` + strings.Repeat(" ", maxRefreshBody), "cannot take a request body of more than 1048576 bytes"},
		{deep(maxDepth), ""},
		{`{"name":"` + strings.Repeat(`[{\"`, maxDepth) + `"}`, ""}, // brackets in a text are none
		{deep(maxDepth + 2), "cannot read the request body: it is nested more than 64 deep"},
		{strings.Repeat("[", 1<<20), "cannot read the request body: it is nested more than 64 deep"},
		{`{"name":` + strings.Repeat(" ", maxRefreshBody) + `"a"}`, "cannot take a request body of more than 1048576 bytes"},
		{`{"name":5}`, "cannot read the request body: 'name' must be a text, not number"},
		{`[]`, "cannot read the request body: it must be an object, not array"},
		{`{"name"`, "cannot read the request body: its JSON ends too early"},
		{`{"name" 5}`, "cannot read the request body: it is not JSON: invalid character '5' after object key at byte 9"},
	} {
		c := &call{w: httptest.NewRecorder(), r: httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", iotest.OneByteReader(strings.NewReader(test.body)))}
		err := c.decodeLenient(&powerbi.NewGroup{})
		if got := ""; err != nil || test.want != "" {
			if err != nil {
				got = err.Error()
			}
			if got != test.want || fault.KindOf(err) != fault.Invalid {
				t.Errorf("%.60q: %s, want %s", test.body, got, test.want)
			}
		}
	}
}

// R17 [contract §0.9, §1]: a change of a schedule may have its boolean in quotes, keys in any letter case, and what is not known.
func TestScheduleBodies(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{`{"value":{"enabled":true}}`, "true"},
		{`{"Value":{"Enabled":"False","owner":"ana","@odata.context":"x","freshet":{"nextRun":"x"}}}`, "false"},
		{`{"value":{"enabled":null}}`, "left out"},
		{`{"value":{"enabled":"perhaps"}}`, `cannot use the parameter "enabled": it must be true or false, not "perhaps"`},
		{`{"value":{"enabled":1}}`, `cannot use the parameter "enabled": it must be true or false, not 1`},
		{`{"value":{"times":"05:00"}}`, "cannot read the request body: 'value.times' must be a list, not string"},
	} {
		change, err := posted(t, nil, test.body).decodeSchedule()
		got := "left out"
		switch {
		case err != nil:
			got = err.Error()
		case change.Enabled != nil:
			got = strconv.FormatBool(*change.Enabled)
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.body, got, test.want)
		}
	}
}

// inside matches what no answer may tell: types and packages of Go's, statements, stacks.
var inside = regexp.MustCompile(`json: |Go struct|Go value|goroutine |\.go:\d|freshet\.dev/internal|sqlite|SQLITE`)

// decoded checks what a decoder says of anything: it is Invalid at worst, and in words for callers.
func decoded(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Denied, fault.NotFound, fault.Throttled:
	default:
		t.Errorf("%s: %v is of kind %v", what, err, fault.KindOf(err))
	}
	if inside.MatchString(err.Error()) {
		t.Errorf("%s: %v", what, err)
	}
}

func posted(t *testing.T, f *face, body string) *call {
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/common/oauth2/token", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c := &call{face: f, w: httptest.NewRecorder(), r: request}
	setRequestID(c.w, "id")
	return c
}

func FuzzBodies(f *testing.F) {
	f.Add(`{"value":{"days":["Monday"],"times":["07:00"],"enabled":true,"freshet":{"cron":"15 6 * * 1-5"}}}`)
	f.Add(`{"workspace":"Sales","createWorkspace":true,"files":{"model.bim":"e30="},"plan":true}`)
	f.Add(`{"identifier":"a","groupUserAccessRight":"Viewer","capacityId":"x","name":1}`)
	f.Add(`{"updateDetails":[{"name":"a","newValue":"b"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		_, err := posted(t, nil, body).decodeSchedule()
		decoded(t, "a schedule", err)
		for _, into := range []any{&powerbi.Definition{}, &powerbi.GroupSettings{}, &powerbi.RollbackRequest{}, &powerbi.QueryRequest{}, &powerbi.SignInAnswer{}} {
			decoded(t, "a strict body", posted(t, nil, body).decodeStrict(maxDeployBody, into))
		}
		for _, into := range []any{&powerbi.NewGroup{}, &powerbi.GroupUser{}, &powerbi.CapacityTarget{}} {
			decoded(t, "a lenient body", posted(t, nil, body).decodeLenient(into))
		}
		_, err = posted(t, nil, body).decodeParameters()
		decoded(t, "parameters", err)
	})
}

// FuzzForms posts anything to the endpoints of sign-in. Nobody is let in: no client here has a secret.
func FuzzForms(f *testing.F) {
	issuer, err := auth.NewLocal(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	signIn, err := auth.NewSignIn(issuer, []auth.Client{{ID: "0a000000-0000-4000-8000-000000000002"}}, now)
	if err != nil {
		f.Fatal(err)
	}
	face := &face{Options: Options{SignIn: signIn, Now: now, Logger: slog.New(slog.DiscardHandler)}, signIns: newThrottle(0, time.Minute, 0)}
	for _, grant := range []string{"client_credentials", "device_code", "refresh_token", "password"} {
		f.Add("client_id=0a000000-0000-4000-8000-000000000002&client_secret=x&grant_type=" + grant + "&scope=https%3A%2F%2Fapi.powerbi.com%2F.default%20openid&resource=https%3A%2F%2Fapi.powerbi.com&device_code=x&refresh_token=a.b.c")
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, endpoint := range []func(*call) (reply, error){(*call).token, (*call).tokenV1} {
			answer, err := endpoint(posted(t, face, body))
			decoded(t, "a form", err)
			if _, refused := answer.body.(oauthError); err == nil && !refused {
				t.Errorf("%q is given %+v", body, answer.body)
			}
		}
		for _, endpoint := range []func(*call) (reply, error){(*call).deviceCode, (*call).deviceCodeV1} {
			_, err := endpoint(posted(t, face, body))
			decoded(t, "a form", err)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("$filter=name%20eq%20'x'&$top=1&$skip=2")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		keep, top, skip, err := groupsQuery(values)
		decoded(t, "a query", err)
		if err == nil {
			keep(map[string]string{"id": "1", "name": "x"})
			if top < 1 || skip < 0 {
				t.Errorf("%q: $top %d, $skip %d", text, top, skip)
			}
		}
	})
}
