package clients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"golang.org/x/sync/errgroup"

	"freshet.dev/powerbi"
)

const scope = "https://analysis.windows.net/powerbi/api/.default"

// toServer is a client of HTTP whose every connection leads to the server, whose authority alone it trusts.
func toServer(t *testing.T, h *host) *http.Client {
	t.Helper()
	content, err := os.ReadFile(h.address.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(content)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, h.address.TLS)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestMSAL signs in with Microsoft's own library for Go, with nothing changed but where its connections lead: as an application, and as a person
// by a device code. The token opens Power BI's routes under Power BI's own name. R3, C7
func TestMSAL(t *testing.T) {
	h := start(t)
	web := toServer(t, h)
	workspaces := func(token string) int {
		t.Helper()
		client := &powerbi.Client{HTTP: web, Token: func(context.Context) (string, error) { return token, nil }} // https://api.powerbi.com
		groups, err := client.Groups(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return len(groups)
	}

	secret, err := confidential.NewCredFromSecret(clientSecret)
	if err != nil {
		t.Fatal(err)
	}
	app, err := confidential.New("https://login.microsoftonline.com/"+tenant, clientID, secret, confidential.WithHTTPClient(web))
	if err != nil {
		t.Fatal(err)
	}
	result, err := app.AcquireTokenByCredential(t.Context(), []string{scope})
	if err != nil {
		t.Fatal(err)
	}
	if n := workspaces(result.AccessToken); n != 1 {
		t.Errorf("the application sees %d workspaces, want the one of its role", n)
	}
	if wrong, err := confidential.NewCredFromSecret("another secret"); err != nil {
		t.Fatal(err)
	} else if app, err := confidential.New("https://login.microsoftonline.com/"+tenant, clientID, wrong, confidential.WithHTTPClient(web)); err != nil {
		t.Fatal(err)
	} else if _, err := app.AcquireTokenByCredential(t.Context(), []string{scope}); err == nil {
		t.Error("a wrong secret signed in")
	}

	person, err := public.New(clientID, public.WithAuthority("https://login.microsoftonline.com/organizations"), public.WithHTTPClient(web))
	if err != nil {
		t.Fatal(err)
	}
	code, err := person.AcquireTokenByDeviceCode(t.Context(), []string{scope})
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	group.Go(func() error {
		_, err := h.DecideSignIn(t.Context(), code.Result.UserCode, "ana@example.org", true)
		return err
	})
	device, err := code.AuthenticationResult(t.Context())
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if device.Account.PreferredUsername != "ana@example.org" || workspaces(device.AccessToken) != 0 {
		t.Errorf("account %+v", device.Account)
	}
	accounts, err := person.Accounts(t.Context())
	if err != nil || len(accounts) != 1 {
		t.Fatalf("accounts %+v, %v", accounts, err)
	}
	if _, err := person.AcquireTokenSilent(t.Context(), []string{scope}, public.WithSilentAccount(accounts[0])); err != nil {
		t.Errorf("a second token without a question: %v", err)
	}
}
