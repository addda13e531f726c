package entra

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"freshet.dev/internal/powerbitest"
)

const (
	tenant   = "f4e54e70-0000-4000-8000-000000000001"
	clientID = "0a000000-0000-4000-8000-000000000001"
	secret   = "correct horse battery staple"
)

// signInHost is a fake whose tokens are numbered, and good as long as it says.
func signInHost() (*powerbitest.Service, *http.Client) {
	issued := 0
	s := &powerbitest.Service{
		Groups:  []*powerbitest.Group{{ID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", Name: "Sales"}},
		Secrets: map[string]string{clientID: secret},
		Issue: func(client, tenant string) string {
			issued++
			return fmt.Sprintf("token %d of %s in %s", issued, client, tenant)
		},
	}
	return s, &http.Client{Transport: powerbitest.Transport(s)}
}

// C7: a service principal signs in with its secret, and one token does for all calls until shortly before its end, or until it is refused.
func TestServicePrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, web := signInHost()
		credential, err := New(ServicePrincipal, Options{Tenant: tenant, ClientID: clientID, ClientSecret: secret, HTTP: web})
		if err != nil {
			t.Fatal(err)
		}
		client := credential.Client("")
		client.HTTP = web
		var seen []string
		good := func(string) bool { return true }
		s.Tokens = func(token string) bool {
			seen = append(seen, strings.TrimSuffix(strings.TrimPrefix(token, "token "), " of "+clientID+" in "+tenant))
			return good(token)
		}
		call := func() {
			t.Helper()
			if _, err := client.Groups(t.Context(), ""); err != nil {
				t.Error(err)
			}
		}
		call()
		call()
		time.Sleep(54 * time.Minute)
		call()
		time.Sleep(time.Minute) // five minutes and a second before its end it is 3599 s old
		call()
		good = func(token string) bool { return !strings.HasPrefix(token, "token 2 ") } // revoked
		call()
		call()
		if got, want := fmt.Sprint(seen), "[1 1 1 2 2 3 3]"; got != want {
			t.Errorf("tokens %s, want %s", got, want)
		}
	})
}

// While the sign-in host is away a token is used to its end, and not longer.
func TestSignInHostIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := false
		credential := From(fake(func(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
			if away {
				return azcore.AccessToken{}, errors.New("away")
			}
			return azcore.AccessToken{Token: "one", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}), "")
		for after, want := range []string{"one", "one", "one", ""} {
			if token, err := credential.Token(t.Context()); token != want || (err != nil) != (want == "") {
				t.Errorf("step %d: %q, %v", after, token, err)
			}
			away = true
			time.Sleep(29 * time.Minute)
		}
	})
}

// Many who need a token at the same time ask for one; one whose context ends does not wait for the others.
func TestOneAsksForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		credential := From(fake(func(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
			asked++
			time.Sleep(time.Minute)
			return azcore.AccessToken{Token: "one", ExpiresOn: time.Now().Add(time.Hour)}, nil
		}), "")
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if token, err := credential.Token(t.Context()); token != "one" || err != nil {
					t.Errorf("%q, %v", token, err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := credential.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an impatient caller got %v", err)
		}
		group.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

type fake func(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error)

func (f fake) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return f(ctx, options)
}

// A refusal is told in the sign-in host's own words, and not with whole requests.
func TestRefusedSignIn(t *testing.T) {
	_, web := signInHost()
	credential, err := New(ServicePrincipal, Options{Tenant: tenant, ClientID: clientID, ClientSecret: "wrong", HTTP: web})
	if err != nil {
		t.Fatal(err)
	}
	_, err = credential.Client("").Groups(t.Context(), "")
	if want := "cannot get a token for https://api.powerbi.com: cannot sign in: login.microsoftonline.com: AADSTS7000215: Invalid client secret provided. (invalid_client)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCertificate(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	content := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	_, web := signInHost()
	credential, err := New(ServicePrincipal, Options{Tenant: tenant, ClientID: clientID, Certificate: content, HTTP: web})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := credential.Token(t.Context()); err != nil || token != "token 1 of "+clientID+" in "+tenant {
		t.Errorf("%q, %v", token, err)
	}
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if private, err = x509.MarshalECPrivateKey(elliptical); err != nil {
		t.Fatal(err)
	}
	if _, err := New(ServicePrincipal, Options{Tenant: tenant, ClientID: clientID, Certificate: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})}); err == nil ||
		!strings.Contains(err.Error(), "cannot read the certificate") {
		t.Errorf("a key alone: %v", err)
	}
}

// A machine's identity is asked of the address where Azure's machines have it.
func TestManagedIdentity(t *testing.T) {
	for _, variable := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"} {
		t.Setenv(variable, "")
		os.Unsetenv(variable)
	}
	web := &http.Client{Transport: powerbitest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.Host != "169.254.169.254" || r.Header.Get("Metadata") != "true" || query.Get("resource") != strings.TrimSuffix(Scope, "/.default") || query.Get("client_id") != clientID {
			t.Errorf("asked %s %s of %s", r.Method, r.URL, r.Host)
		}
		_, _ = io.WriteString(w, `{"access_token":"of the machine","expires_in":"3600","resource":"x","token_type":"Bearer"}`)
	}))}
	credential, err := New(ManagedIdentity, Options{ClientID: clientID, HTTP: web})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := credential.Token(t.Context()); err != nil || token != "of the machine" {
		t.Errorf("%q, %v", token, err)
	}
}

// The Azure CLI is run, and its own words come through when it fails.
func TestAzureCLI(t *testing.T) {
	folder := t.TempDir()
	az := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "az"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	az(`case "$*" in *"--resource https://analysis.windows.net/powerbi/api"*) ;; *) echo "asked $*" >&2; exit 1;; esac
echo '{"accessToken":"of az","expiresOn":"2999-01-01 00:00:00.000000","expires_on":32472144000,"subscription":"s","tenant":"t","tokenType":"Bearer"}'`)
	credential, err := New(AzureCLI, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := credential.Token(t.Context()); err != nil || token != "of az" {
		t.Errorf("%q, %v", token, err)
	}
	credential.Refused("of az") // it has no other one
	if token, err := credential.Token(t.Context()); err != nil || token != "of az" {
		t.Errorf("after a refusal %q, %v", token, err)
	}
	az(`echo "Please run 'az login' to setup account." >&2; exit 1`)
	credential, err = New(AzureCLI, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := credential.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "Please run 'az login'") {
		t.Errorf("signed out: %v", err)
	}
}

// What a kind lacks or cannot use is said before anything is asked.
func TestOptions(t *testing.T) {
	show := func(string) {}
	for _, tt := range []struct {
		kind    Kind
		options Options
		want    string
	}{
		{"azure_cli", Options{}, "cannot sign in by azure_cli: there is no such kind; the kinds are [service-principal managed-identity device-code azure-cli]"},
		{ServicePrincipal, Options{ClientID: clientID, ClientSecret: secret}, "it needs a tenant"},
		{ServicePrincipal, Options{Tenant: tenant, ClientSecret: secret}, "it needs a client id"},
		{ServicePrincipal, Options{Tenant: tenant, ClientID: clientID}, "it needs either a secret or a certificate"},
		{ServicePrincipal, Options{Tenant: tenant, ClientID: clientID, ClientSecret: secret, Certificate: []byte("x")}, "it needs either a secret or a certificate"},
		{DeviceCode, Options{}, "it needs somewhere to show the code"},
		{DeviceCode, Options{ShowCode: show, ClientSecret: secret}, "it has no use for a secret"},
		{ManagedIdentity, Options{Tenant: tenant}, "it has no use for a tenant"},
		{AzureCLI, Options{ClientID: clientID}, "it has no use for a client id"},
	} {
		if _, err := New(tt.kind, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: %v, want %s", tt.kind, tt.options, err, tt.want)
		}
	}
	if _, err := New(DeviceCode, Options{ShowCode: show}); err != nil {
		t.Error(err)
	}
}
