package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"freshet.dev/internal/fault"
)

const tenant = "72f988bf-0000-4000-8000-2d7cd011db47"

// authority stands in for Entra: it serves the public halves of its keys at the path where Entra does.
type authority struct {
	*httptest.Server
	mu   sync.Mutex
	keys map[string]crypto.Signer
	down atomic.Bool
	asks atomic.Int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{keys: map[string]crypto.Signer{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+tenant+"/discovery/v2.0/keys", func(w http.ResponseWriter, _ *http.Request) {
		a.asks.Add(1)
		if a.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		set := jwk.NewSet()
		a.mu.Lock()
		defer a.mu.Unlock()
		for id, private := range a.keys {
			key, err := jwk.Import(private.Public())
			if err == nil {
				err = key.Set(jwk.KeyIDKey, id)
			}
			if err == nil {
				err = set.AddKey(key)
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := json.NewEncoder(w).Encode(set); err != nil {
			t.Error(err)
		}
	})
	a.Server = httptest.NewTLSServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *authority) addRSA(t *testing.T, id string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	a.add(id, private)
}

func (a *authority) add(id string, private crypto.Signer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[id] = private
}

func (a *authority) drop(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.keys, id)
}

func (a *authority) entra(t *testing.T, now *time.Time, audiences ...string) *Entra {
	t.Helper()
	entra, err := NewEntra(EntraOptions{Tenant: tenant, Audiences: audiences, Authority: a.URL, Client: a.Client(), Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return entra
}

// sign makes a token of Entra's with the key of an id.
func (a *authority) sign(t *testing.T, id string, algorithm jwa.SignatureAlgorithm, claims map[string]any) string {
	t.Helper()
	a.mu.Lock()
	private := a.keys[id]
	a.mu.Unlock()
	return signWith(t, private, id, algorithm, claims)
}

func signWith(t *testing.T, private crypto.Signer, id string, algorithm jwa.SignatureAlgorithm, claims map[string]any) string {
	t.Helper()
	builder := jwt.NewBuilder()
	for name, value := range claims {
		builder.Claim(name, value)
	}
	token, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	headers := jws.NewHeaders()
	if err := headers.Set(jws.KeyIDKey, id); err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(algorithm, private, jws.WithProtectedHeaders(headers)))
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// userClaims are those of rest-contract, section 4.
func userClaims() map[string]any {
	return map[string]any{"iss": "https://sts.windows.net/" + tenant + "/", "aud": "https://analysis.windows.net/powerbi/api", "exp": noon.Add(time.Hour).Unix(), "nbf": noon.Unix(),
		"sub": "pairwise", "oid": "AA11", "tid": tenant, "upn": "ana@example.org", "scp": "Dataset.ReadWrite.All Workspace.Read.All", "appid": "client", "ver": "1.0"}
}

func appClaims(issuer string) map[string]any {
	return map[string]any{"iss": issuer, "aud": "https://api.powerbi.com", "exp": noon.Add(time.Hour).Unix(),
		"sub": "bb22", "oid": "BB22", "tid": tenant, "azp": "client-of-v2", "roles": []string{"Tenant.Read.All"}, "ver": "2.0"}
}

// with returns the claims with one more, or another.
func with(claims map[string]any, name string, value any) map[string]any {
	claims[name] = value
	return claims
}

func TestR3EntraTokens(t *testing.T) {
	now := noon
	a := newAuthority(t)
	a.addRSA(t, "k1")
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.add("k2", elliptic)
	entra := a.entra(t, &now)
	for _, c := range []struct {
		name, bearer string
		want         Principal
	}{
		{"user", a.sign(t, "k1", jwa.RS256(), userClaims()),
			Principal{ID: "aa11", Name: "ana@example.org", Scopes: []string{"Dataset.ReadWrite.All", "Workspace.Read.All"}, Expires: noon.Add(time.Hour)}},
		{"application", a.sign(t, "k2", jwa.ES256(), appClaims(a.URL+"/"+tenant+"/v2.0")),
			Principal{ID: "bb22", Name: "client-of-v2", App: true, Scopes: []string{}, Expires: noon.Add(time.Hour)}},
		{"administrator", a.sign(t, "k2", jwa.ES256(), with(appClaims(a.URL+"/"+tenant+"/v2.0"), "roles", []string{"Tenant.Read.All", "Tenant.ReadWrite.All"})),
			Principal{ID: "bb22", Name: "client-of-v2", App: true, Tenant: true, Scopes: []string{}, Expires: noon.Add(time.Hour)}},
		{"user who has the role", a.sign(t, "k1", jwa.RS256(), with(userClaims(), "roles", []string{"Tenant.ReadWrite.All"})),
			Principal{ID: "aa11", Name: "ana@example.org", Scopes: []string{"Dataset.ReadWrite.All", "Workspace.Read.All"}, Expires: noon.Add(time.Hour)}},
	} {
		got, err := entra.Verify(context.Background(), c.bearer)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got.Expires = got.Expires.UTC()
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got  %+v\nwant %+v", c.name, got, c.want)
		}
	}
	if asks := a.asks.Load(); asks != 1 {
		t.Errorf("the keys were asked for %d times for four tokens", asks)
	}

	change := func(name string, value any) map[string]any { return with(userClaims(), name, value) }
	stranger := newAuthority(t)
	stranger.addRSA(t, "k1")
	for _, c := range []struct{ name, bearer, code string }{
		{"expired", a.sign(t, "k1", jwa.RS256(), change("exp", noon.Add(-6*time.Minute).Unix())), codeExpired},
		{"another tenant", a.sign(t, "k1", jwa.RS256(), change("iss", "https://sts.windows.net/00000000-0000-4000-8000-000000000000/")), codeBad},
		{"an issuer that begins like ours", a.sign(t, "k1", jwa.RS256(), change("iss", "https://sts.windows.net/"+tenant+"/x")), codeBad},
		{"another service", a.sign(t, "k1", jwa.RS256(), change("aud", "https://graph.microsoft.com")), codeBad},
		{"a stranger's key under a known id", stranger.sign(t, "k1", jwa.RS256(), userClaims()), codeBad},
		{"a key of another kind", signWith(t, elliptic, "k1", jwa.ES256(), userClaims()), codeBad},
		{"this server's own owner claim", a.sign(t, "k1", jwa.RS256(), change("iss", localIssuer)), codeBad},
	} {
		if got, err := entra.Verify(context.Background(), c.bearer); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %+v, %v; want %s", c.name, got, err, c.code)
		}
	}
	owner, err := entra.Verify(context.Background(), a.sign(t, "k1", jwa.RS256(), change(ownerClaim, true)))
	if err != nil || owner.Owner {
		t.Errorf("a tenant's token that says it is the machine's owner: %+v, %v", owner, err)
	}

	one := a.entra(t, &now, "https://freshet.example.org")
	if _, err := one.Verify(context.Background(), a.sign(t, "k1", jwa.RS256(), userClaims())); fault.CodeOf(err) != codeBad {
		t.Errorf("an audience that the configuration does not name: %v", err)
	}
	if _, err := one.Verify(context.Background(), a.sign(t, "k1", jwa.RS256(), change("aud", "https://freshet.example.org"))); err != nil {
		t.Errorf("the audience that the configuration names: %v", err)
	}
}

// R3: what makes a token one of a person, of an application, or of nobody.
func TestR3EntraClaims(t *testing.T) {
	now := noon
	a := newAuthority(t)
	a.addRSA(t, "k1")
	entra, err := NewEntra(EntraOptions{Tenant: strings.ToUpper(tenant), Owners: []string{"AA11"}, Authority: a.URL, Client: a.Client(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	v1, v2 := "https://sts.windows.net/"+tenant+"/", a.URL+"/"+tenant+"/v2.0"
	app := func() map[string]any { return appClaims(v2) }
	without := func(claims map[string]any, names ...string) map[string]any {
		for _, name := range names {
			delete(claims, name)
		}
		return claims
	}
	appV1 := func() map[string]any {
		return with(with(without(appClaims(v1), "azp"), "appid", "client-of-v1"), "ver", "1.0")
	}
	public, err := x509.MarshalPKIXPublicKey(a.keys["k1"].Public())
	if err != nil {
		t.Fatal(err)
	}
	headers := jws.NewHeaders()
	if err := headers.Set(jws.KeyIDKey, "k1"); err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(userClaims())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := jws.Sign(payload, jws.WithKey(jwa.HS256(), public, jws.WithProtectedHeaders(headers)))
	if err != nil {
		t.Fatal(err)
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	sign := func(claims map[string]any) string { return a.sign(t, "k1", jwa.RS256(), claims) }

	for _, c := range []struct{ name, bearer, code string }{
		{"alg none", unsigned, codeBad},
		{"the public key as HMAC secret", string(forged), codeBad},
		{"an issuer of version 1.0 that says 2.0", sign(with(userClaims(), "ver", "2.0")), codeBad},
		{"an issuer of version 2.0 that says 1.0", sign(with(app(), "ver", "1.0")), codeBad},
		{"another tenant's id beside our issuer", sign(with(userClaims(), "tid", "00000000-0000-4000-8000-000000000000")), codeBad},
		{"valid in six minutes", sign(with(userClaims(), "nbf", noon.Add(6*time.Minute).Unix())), codeBad},
		{"valid in four minutes", sign(with(userClaims(), "nbf", noon.Add(4*time.Minute).Unix())), ""},
		{"expired six minutes ago", sign(with(userClaims(), "exp", noon.Add(-6*time.Minute).Unix())), codeExpired},
		{"expired four minutes ago", sign(with(userClaims(), "exp", noon.Add(-4*time.Minute).Unix())), ""},
		{"without an end", sign(without(userClaims(), "exp")), codeBad},
		{"an application with the scopes of a person", sign(with(with(app(), "idtyp", "app"), "scp", "Dataset.ReadWrite.All")), codeBad},
		{"for Azure", sign(with(app(), "aud", "https://management.azure.com")), codeBad},
	} {
		if got, err := entra.Verify(context.Background(), c.bearer); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %+v, %v; want %q", c.name, got, err, c.code)
		}
	}

	for _, c := range []struct {
		name       string
		claims     map[string]any
		app, owner bool
		may        bool // read models
	}{
		{"a person", userClaims(), false, true, true},
		{"another person", with(userClaims(), "oid", "AA12"), false, false, true},
		{"a person without scopes", without(userClaims(), "scp"), false, true, false},
		{"a person without scopes, whom only the ids tell", without(userClaims(), "scp", "upn"), false, true, false},
		{"a person without scopes, who is their own subject", with(without(userClaims(), "scp"), "sub", "aa11"), false, true, false},
		{"a person by idtyp", with(without(userClaims(), "scp", "upn"), "idtyp", "user"), false, true, false},
		{"azp, version 2.0", app(), true, false, true},
		{"appid, version 1.0", appV1(), true, false, true},
		{"idtyp", with(without(app(), "azp"), "idtyp", "app"), true, false, true},
		{"an administrator", with(with(app(), "oid", "aa11"), "sub", "aa11"), true, true, true},
	} {
		got, err := entra.Verify(context.Background(), sign(c.claims))
		if err != nil || got.App != c.app || got.Owner != c.owner || got.Administrator() != c.owner || got.Allows(ScopeDatasetRead, ScopeDatasetReadWrite) != c.may {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}

	// Azure's routes take tokens for Azure, also those that name no version, and still those for Power BI.
	for _, audience := range []string{"https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net/", "https://api.powerbi.com"} {
		if _, err := entra.Verify(context.Background(), sign(without(with(app(), "aud", audience), "ver")), ScopeCapacityRead, ScopeAzure); err != nil {
			t.Errorf("%s: %v", audience, err)
		}
	}
}

func TestR3KeysRotate(t *testing.T) {
	now := noon
	a := newAuthority(t)
	a.addRSA(t, "old")
	entra := a.entra(t, &now)
	live := userClaims()
	live["exp"] = noon.Add(72 * time.Hour).Unix()
	old := a.sign(t, "old", jwa.RS256(), live)
	verify := func(bearer, want string) {
		t.Helper()
		if _, err := entra.Verify(context.Background(), bearer); fault.CodeOf(err) != want {
			t.Fatalf("%v, want code %q", err, want)
		}
	}
	verify(old, "")
	a.addRSA(t, "new")
	next := a.sign(t, "new", jwa.RS256(), live)
	verify(next, codeBad) // asked a moment ago
	now = now.Add(askAgain)
	verify(next, "")
	if asks := a.asks.Load(); asks != 2 {
		t.Fatalf("the keys were asked for %d times, want 2", asks)
	}
	for range 20 { // invented ids
		verify(signWith(t, a.keys["new"], "invented", jwa.RS256(), live), codeBad)
	}
	if asks := a.asks.Load(); asks != 2 {
		t.Fatalf("invented key ids made %d requests", asks-2)
	}

	a.drop("old")
	now = now.Add(keysLive)
	a.down.Store(true)
	verify(old, "") // old keys while the authority is away
	verify(signWith(t, a.keys["new"], "third", jwa.RS256(), live), codeKeys)
	a.down.Store(false)
	now = now.Add(askAgain)
	verify(old, codeBad) // it is gone
	verify(next, "")
}

func TestKeysNeverRead(t *testing.T) {
	now := noon
	a := newAuthority(t)
	a.addRSA(t, "k1")
	a.down.Store(true)
	entra := a.entra(t, &now)
	bearer := a.sign(t, "k1", jwa.RS256(), userClaims())
	for range 2 {
		_, err := entra.Verify(context.Background(), bearer)
		if fault.CodeOf(err) != codeKeys || fault.KindOf(err) != fault.Unavailable || Unauthenticated(err) {
			t.Fatalf("%v, want %s", err, codeKeys)
		}
	}
	if asks := a.asks.Load(); asks != 1 {
		t.Errorf("%d requests in one moment", asks)
	}
	a.down.Store(false)
	now = now.Add(askAgain)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if _, err := entra.Verify(context.Background(), bearer); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if asks := a.asks.Load(); asks != 2 {
		t.Errorf("16 callers at once made %d requests", asks-1)
	}
}

func TestEntraSettings(t *testing.T) {
	for _, options := range []EntraOptions{{Tenant: "contoso.com"}, {Tenant: tenant, Authority: "http://login.example"}, {Tenant: tenant, Authority: "login.example"}} {
		if _, err := NewEntra(options); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", options, err)
		}
	}
}
