package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"freshet.dev/internal/fault"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openAt(t *testing.T, dir string, now *time.Time) *Local {
	t.Helper()
	local, err := NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if now != nil {
		local.now = func() time.Time { return *now }
	}
	return local
}

func issue(t *testing.T, local *Local, claims Claims) string {
	t.Helper()
	token, err := local.Issue(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// R3: every call carries a bearer token of a user or an application.
func TestR3IssuedTokenNamesItsPrincipal(t *testing.T) {
	now := noon
	local := openAt(t, t.TempDir(), &now)
	tests := []struct {
		name   string
		claims Claims
		want   Principal
	}{
		{"user", Claims{Subject: "7E1B", Name: "ana@example.org", Scopes: []string{ScopeDatasetReadWrite, ScopeWorkspaceRead}, Lifetime: time.Hour},
			Principal{ID: "7e1b", Name: "ana@example.org", Scopes: []string{"Dataset.ReadWrite.All", "Workspace.Read.All"}, Expires: noon.Add(time.Hour)}},
		{"application", Claims{Subject: "app-1", App: true, Lifetime: 10 * time.Minute, Audience: "https://analysis.windows.net/powerbi/api"},
			Principal{ID: "app-1", Name: "app-1", App: true, Scopes: []string{}, Expires: noon.Add(10 * time.Minute)}},
		{"machine's owner", Claims{Name: "root", Scopes: []string{"Dataset.Read.All"}},
			Principal{ID: "00000000-0000-0000-0000-000000000001", Name: "root", Owner: true, Scopes: []string{"Dataset.Read.All"}, Expires: noon.Add(time.Hour)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := local.Verify(context.Background(), issue(t, local, tt.claims))
			if err != nil {
				t.Fatal(err)
			}
			got.Expires = got.Expires.UTC()
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// R3: missing, bad and expired tokens are told apart, and all mean 401.
func TestR3RefusedTokens(t *testing.T) {
	now := noon
	local := openAt(t, t.TempDir(), &now)
	stranger := openAt(t, t.TempDir(), &now)
	good := issue(t, local, Claims{Subject: "u", Lifetime: time.Hour})
	parts := strings.Split(good, ".")
	key := local.keys[local.newest]

	encode := func(v map[string]any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	sign := func(change func(*jwt.Builder), headers map[string]any) string {
		builder := jwt.NewBuilder().Issuer(localIssuer).Subject("u").Audience([]string{defaultAudience}).Expiration(noon.Add(time.Hour))
		change(builder)
		token, err := builder.Build()
		if err != nil {
			t.Fatal(err)
		}
		protected := jws.NewHeaders()
		for name, value := range headers {
			if err := protected.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		signed, err := jwt.Sign(token, jwt.WithKey(key.algorithm, key.private, jws.WithProtectedHeaders(protected)))
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
	kid := map[string]any{"kid": key.id}
	same := func(*jwt.Builder) {}
	public, err := x509.MarshalPKIXPublicKey(key.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := jws.Sign([]byte(`{"iss":"urn:freshet:local","sub":"u","aud":"https://api.powerbi.com","exp":4000000000}`),
		jws.WithKey(jwa.HS256(), public, jws.WithProtectedHeaders(func() jws.Headers {
			h := jws.NewHeaders()
			_ = h.Set("kid", key.id)
			return h
		}())))
	if err != nil {
		t.Fatal(err)
	}
	payload := encode(map[string]any{"iss": localIssuer, "sub": "u", "aud": defaultAudience, "exp": 4000000000})

	tests := []struct{ name, bearer, code string }{
		{"none", "", "TokenMissing"},
		{"garbage", "hello", "TokenInvalid"},
		{"dots", "..", "TokenInvalid"},
		{"alg none", encode(map[string]any{"alg": "none", "kid": key.id}) + "." + payload + ".", "TokenInvalid"},
		{"public key as HMAC secret", string(forged), "TokenInvalid"},
		{"other issuer's key", issue(t, stranger, Claims{Subject: "u"}), "TokenInvalid"},
		{"changed payload", parts[0] + "." + payload + "." + parts[2], "TokenInvalid"},
		{"no signature", parts[0] + "." + parts[1] + ".", "TokenInvalid"},
		{"JSON form", `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`, "TokenInvalid"},
		{"too long", good + strings.Repeat("A", 16<<10), "TokenInvalid"},
		{"no key id", sign(same, nil), "TokenInvalid"},
		{"critical extension", sign(same, map[string]any{"kid": key.id, "crit": []string{"exp"}, "exp": 1}), "TokenInvalid"},
		{"other issuer", sign(func(b *jwt.Builder) { b.Issuer("https://sts.windows.net/x/") }, kid), "TokenInvalid"},
		{"other audience", sign(func(b *jwt.Builder) { b.Audience([]string{"https://graph.microsoft.com"}) }, kid), "TokenInvalid"},
		{"no subject", sign(func(b *jwt.Builder) { b.Subject("") }, kid), "TokenInvalid"},
		{"not yet", sign(func(b *jwt.Builder) { b.NotBefore(noon.Add(6 * time.Second)) }, kid), "TokenInvalid"},
		{"owner is a word", sign(func(b *jwt.Builder) { b.Claim(ownerClaim, "yes") }, kid), "TokenInvalid"},
		{"expired", sign(func(b *jwt.Builder) { b.Expiration(noon.Add(-6 * time.Second)) }, kid), "TokenExpired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			principal, err := local.Verify(context.Background(), tt.bearer)
			if code := fault.CodeOf(err); code != tt.code || !Unauthenticated(err) || fault.KindOf(err) != fault.Denied {
				t.Errorf("got %+v, %v (code %q), want code %q", principal, err, code, tt.code)
			}
		})
	}

	// The control: the same builder, unchanged, is good, so is what a clock that was set back a little explains.
	for name, bearer := range map[string]string{
		"unchanged":      sign(same, kid),
		"just expired":   sign(func(b *jwt.Builder) { b.Expiration(noon.Add(-4 * time.Second)) }, kid),
		"nearly valid":   sign(func(b *jwt.Builder) { b.NotBefore(noon.Add(4 * time.Second)) }, kid),
		"many audiences": sign(func(b *jwt.Builder) { b.Audience([]string{"x", "00000009-0000-0000-c000-000000000000"}) }, kid),
	} {
		if _, err := local.Verify(context.Background(), bearer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnauthenticatedIsNotDenied(t *testing.T) {
	if Unauthenticated(fault.New(fault.Denied, "DataSourceNotAllowed", "cannot read it")) || Unauthenticated(nil) {
		t.Error("a refusal of a known caller counts as an unknown caller")
	}
}

func TestKeysSurviveAndRotate(t *testing.T) {
	dir := t.TempDir()
	now := noon
	first := openAt(t, dir, &now)
	old := issue(t, first, Claims{Subject: "u", Lifetime: 24 * time.Hour})
	oldKey := first.newest

	second := openAt(t, dir, &now)
	if second.newest != oldKey {
		t.Fatalf("a second opening signs with %s, not with %s", second.newest, oldKey)
	}
	now = now.Add(2 * time.Second)
	second.now = time.Now // the key's name must sort after the first one, which was made at the real time
	if err := second.Rotate(); err != nil {
		t.Fatal(err)
	}
	second.now = func() time.Time { return now }
	if second.newest == oldKey {
		t.Fatal("Rotate left the old key signing")
	}
	// The first one learns of the new key when it meets it; the old token stays good.
	for _, bearer := range []string{old, issue(t, second, Claims{Subject: "u"})} {
		if _, err := first.Verify(context.Background(), bearer); err != nil {
			t.Error(err)
		}
	}
}

func TestKeyFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	openAt(t, dir, nil)
	folder, err := os.Stat(filepath.Join(dir, "keys"))
	if err != nil || folder.Mode().Perm() != 0o700 {
		t.Fatalf("key folder: %v, %v", folder.Mode(), err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "keys", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("keys: %v, %v", files, err)
	}
	file, err := os.Stat(files[0])
	if err != nil || file.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v", file.Mode(), err)
	}
	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewLocal(dir); fault.CodeOf(err) != "SigningKeyExposed" {
		t.Errorf("a key that all may read gives %v", err)
	}
}

func TestRSAKeySigns(t *testing.T) {
	dir := t.TempDir()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(keyFolder(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(keyFolder(dir), "mine.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600); err != nil {
		t.Fatal(err)
	}
	local := openAt(t, dir, nil)
	bearer := issue(t, local, Claims{Subject: "u"})
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(bearer, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"alg":"RS256","kid":"mine","typ":"JWT"}`; string(header) != want {
		t.Errorf("header %s, want %s", header, want)
	}
	if _, err := local.Verify(context.Background(), bearer); err != nil {
		t.Error(err)
	}
}

func TestBrokenKeysAreNamed(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(small)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty": nil, "not PKCS8": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
		"weak": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	} {
		dir := t.TempDir()
		if err := os.Mkdir(keyFolder(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(keyFolder(dir), "bad.pem"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewLocal(dir); err == nil || !strings.Contains(err.Error(), "bad.pem") {
			t.Errorf("%s: %v does not name the file", name, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			local, err := NewLocal(dir)
			if err != nil {
				t.Error(err)
				return
			}
			bearer, err := local.Issue(Claims{Subject: "u"})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := local.Verify(context.Background(), bearer); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestIssueRefusesNonsense(t *testing.T) {
	local := openAt(t, t.TempDir(), nil)
	for _, claims := range []Claims{{Subject: "u", Audience: "https://example.org"}, {Subject: "u", Lifetime: -time.Second}, {Subject: "u", App: true, Scopes: AllScopes()}} {
		if token, err := local.Issue(claims); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v gives %q, %v", claims, token, err)
		}
	}
}

func TestAllows(t *testing.T) {
	tests := []struct {
		principal Principal
		scopes    []string
		want      bool
	}{
		{Principal{Scopes: []string{"Dataset.ReadWrite.All"}}, []string{"Dataset.Read.All", "Dataset.ReadWrite.All"}, true},
		{Principal{Scopes: []string{"Dataset.Read.All"}}, []string{"Dataset.ReadWrite.All"}, false},
		{Principal{}, []string{"Dataset.Read.All"}, false},
		{Principal{App: true}, []string{"Dataset.ReadWrite.All"}, true},
		{MachineOwner(), []string{"Dataset.ReadWrite.All"}, true},
	}
	for _, tt := range tests {
		if got := tt.principal.Allows(tt.scopes...); got != tt.want {
			t.Errorf("%+v allows %v: %v", tt.principal, tt.scopes, got)
		}
	}
}

func FuzzVerify(f *testing.F) {
	local, err := NewLocal(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	good, err := local.Issue(Claims{Subject: "u"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, bearer string) {
		principal, err := local.Verify(context.Background(), bearer)
		if err == nil && bearer != good {
			t.Errorf("%q was accepted as %+v", bearer, principal)
		}
		if err != nil && !Unauthenticated(err) {
			t.Errorf("%q gives %v, which is not a 401", bearer, err)
		}
	})
}
