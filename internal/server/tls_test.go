package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/fault"
)

// trusting is a client that trusts a CA file alone and reaches every host at one address.
func trusting(t *testing.T, caFile, address string) *http.Client {
	t.Helper()
	content, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		t.Fatal("no certificate in " + caFile)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	dialer := &net.Dialer{}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// A client of the Power BI command line takes the first piece of an answer that comes for the whole. A short answer comes in one.
func TestTLSAnswersInOnePiece(t *testing.T) {
	r := start(t, t.TempDir(), t.TempDir(), func(c *Config) { c.TLSListen = "127.0.0.1:0" })
	content, err := os.ReadFile(r.server.Address().CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(content)
	conn, err := tls.Dial("tcp", r.server.Address().TLS, &tls.Config{RootCAs: pool, ServerName: "login.microsoftonline.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /contoso.example/v2.0/.well-known/openid-configuration HTTP/1.1\r\nHost: login.microsoftonline.com\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 64<<10)
	n, err := conn.Read(piece)
	if err != nil || n < 1300 || !strings.HasSuffix(strings.TrimSpace(string(piece[:n])), "}") {
		t.Errorf("the first piece, of %d bytes, %v, ends in %.40q", n, err, piece[max(0, n-40):n])
	}
}

func TestTLS(t *testing.T) {
	data, files := t.TempDir(), t.TempDir()
	withTLS := func(c *Config) { c.TLSListen, c.Hosts = "127.0.0.1:0", []string{"freshet.example"} }
	r := start(t, data, files, withTLS)
	address := r.server.Address()
	if address.TLS == "" || address.CA == "" {
		t.Fatalf("address %+v", address)
	}
	client := trusting(t, address.CA, address.TLS)
	for host, want := range map[string]int{"api.powerbi.com": 401, "login.microsoftonline.com": 401, "freshet.example": 401, "localhost": 401, "127.0.0.1": 401} {
		response, err := client.Get("https://" + host + "/v1.0/myorg/groups")
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		response.Body.Close()
		if response.StatusCode != want || response.ProtoMajor != 2 {
			t.Errorf("%s: %s %s", host, response.Proto, response.Status)
		}
	}
	var wrongName x509.HostnameError
	if _, err := client.Get("https://www.example.org/"); !errors.As(err, &wrongName) {
		t.Errorf("a host that the server does not stand for: %v", err)
	}
	key, err := os.Stat(filepath.Join(data, "tls", "ca-key.pem"))
	if err != nil || key.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", key.Mode(), err)
	}
	r.stop()

	before, err := os.ReadFile(address.CA)
	if err != nil {
		t.Fatal(err)
	}
	start(t, data, files, withTLS).stop()
	same, err := os.ReadFile(address.CA)
	if err != nil || string(same) != string(before) {
		t.Errorf("a second start made another authority: %v", err)
	}
	r = start(t, data, files, func(c *Config) { withTLS(c); c.Hosts = append(c.Hosts, "second.example") })
	response, err := trusting(t, address.CA, r.server.Address().TLS).Get("https://second.example/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

// A certificate of the configuration that is renewed while the server runs is used from then on; half of a new one never is.
func TestRenewedCertificateFiles(t *testing.T) {
	folder, log, moment := t.TempDir(), &bytes.Buffer{}, time.Now().Add(-time.Hour)
	files := &certificateFiles{certificate: filepath.Join(folder, "c.pem"), key: filepath.Join(folder, "k.pem"), logger: slog.New(slog.NewTextHandler(log, nil))}
	if _, err := files.present(nil); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	write := func(from, to string) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		moment = moment.Add(time.Second)
		if err := errors.Join(os.WriteFile(to, content, 0o600), os.Chtimes(to, moment, moment)); err != nil {
			t.Fatal(err)
		}
	}
	presented := func() string {
		t.Helper()
		pair, err := files.present(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.String()
	}
	var serials []string
	for range 2 {
		source := t.TempDir()
		made, err := openAuthority(source, nil, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, made.certificate.SerialNumber.String())
		write(filepath.Join(source, tlsFolder, caFile), files.certificate)
		if len(serials) == 2 {
			for range 2 { // the log tells it once
				if got := presented(); got != serials[0] {
					t.Errorf("with half of a new one, %s is presented", got)
				}
			}
			if strings.Count(log.String(), "cannot be used") != 1 {
				t.Errorf("the log tells of half a new one\n%s", log)
			}
		}
		write(filepath.Join(source, tlsFolder, caKeyFile), files.key)
		if got := presented(); got != serials[len(serials)-1] {
			t.Errorf("%s is presented of %s", got, serials)
		}
	}
	if err := os.Remove(files.key); err != nil {
		t.Fatal(err)
	}
	if got := presented(); got != serials[1] {
		t.Errorf("without files, %s is presented", got)
	}
}

// The authority cannot certify what it does not stand for, whoever holds its key.
func TestAuthorityIsConstrained(t *testing.T) {
	private, err := openAuthority(t.TempDir(), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	private.hosts = append(private.hosts, "bank.example")
	leaf, err := private.certify(nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(private.certificate)
	var invalid x509.CertificateInvalidError
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: "bank.example", Roots: pool}); !errors.As(err, &invalid) {
		t.Errorf("bank.example: %v", err)
	}
	now := time.Now()
	private, err = openAuthority(t.TempDir(), nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, err := private.certify(nil)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(leafLife - leafRenew - time.Minute)
	if again, err := private.certify(nil); err != nil || again != first {
		t.Errorf("renewed too early: %v", err)
	}
	now = now.Add(2 * time.Minute)
	if again, err := private.certify(nil); err != nil || again == first {
		t.Errorf("not renewed: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.pem", "ca-key.pem"} {
		if err := os.WriteFile(filepath.Join(dir, "tls", name), []byte("no PEM"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openAuthority(dir, nil, time.Now); fault.CodeOf(err) != codeTLS {
		t.Errorf("a broken authority: %v", err)
	}
}
