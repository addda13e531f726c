package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"freshet.dev/internal/powerbitest"
)

// powerBIHosts are the names that the fake answers under.
var powerBIHosts = []string{"api.powerbi.com", "login.microsoftonline.com"}

// TestPowerBI runs the verbs against a fake Power BI under its own names, which a proxy leads to this machine. A script's file throttle
// has the next request throttled, its file lose the answer to the next POST lost. C6, C7
func TestPowerBI(t *testing.T) {
	certificate, authority := certificateFor(t, powerBIHosts)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "powerbi"),
		Setup: func(env *testscript.Env) error {
			service := &powerbitest.Service{
				Groups: []*powerbitest.Group{
					{ID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", Name: "Sales", Models: []powerbitest.Model{
						{ID: "cfafbeb1-8037-4d0c-896e-a46fb27ff229", Name: "Orders"}, {ID: "11111111-0000-4000-8000-000000000001", Name: "Endless"},
						{ID: "11111111-0000-4000-8000-000000000002", Name: "Common"}, {ID: "11111111-0000-4000-8000-000000000003", Name: "Broken"}},
						Dataflows: []powerbitest.Model{{ID: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Name: "Landing"}, {ID: "22222222-0000-4000-8000-000000000001", Name: "Slow"},
							{ID: "22222222-0000-4000-8000-000000000003", Name: "Spoilt"}}},
					{ID: "f089354e-8366-4e18-aea3-000000000002", Name: "R&D / Lab", Models: []powerbitest.Model{{ID: "11111111-0000-4000-8000-000000000004", Name: "Common"}}},
				},
				Secrets: map[string]string{"0a000000-0000-4000-8000-000000000001": "the secret"},
				Tokens:  func(token string) bool { return strings.HasPrefix(token, "token of ") },
				Course: func(model, _ string) powerbitest.Course {
					switch {
					case strings.HasSuffix(model, "-000000000001"):
						return powerbitest.Course{Running: time.Hour}
					case strings.HasSuffix(model, "-000000000003"):
						return powerbitest.Course{Status: "Failed"}
					}
					return powerbitest.Course{}
				},
				Fault: func(r *http.Request) powerbitest.Fault {
					if lose := filepath.Join(env.WorkDir, "lose"); r.Method == http.MethodPost && os.Remove(lose) == nil {
						return powerbitest.Fault{ResetAfter: true}
					}
					path := filepath.Join(env.WorkDir, "throttle")
					after, err := os.ReadFile(path)
					if err != nil {
						return powerbitest.Fault{}
					}
					_ = os.Remove(path)
					return powerbitest.Fault{Status: http.StatusTooManyRequests, RetryAfter: strings.TrimSpace(string(after))}
				},
			}
			server := httptest.NewUnstartedServer(service)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			proxy := httptest.NewServer(tunnel(server.Listener.Addr().String()))
			env.Defer(func() {
				proxy.Close()
				server.Close()
			})
			ca := filepath.Join(env.WorkDir, "ca.pem")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("HTTPS_PROXY", proxy.URL)
			env.Setenv("SSL_CERT_FILE", ca)
			env.Setenv("PATH", filepath.Join(env.WorkDir, "bin")+string(os.PathListSeparator)+env.Getenv("PATH"))
			return os.WriteFile(ca, authority, 0o600)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "capture": capture,
			"private": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(os.Chmod(ts.MkAbs(args[0]), 0o600)) },
			"program": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(os.Chmod(ts.MkAbs(args[0]), 0o700)) },
		},
	})
}

// tunnel is a proxy that leads connections to the hosts to one address, and none elsewhere.
func tunnel(address string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || !strings.Contains(strings.Join(powerBIHosts, " "), name) {
			http.Error(w, "not there", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			there.Close()
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		var both sync.WaitGroup
		for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
			both.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				way[0].Close()
				way[1].Close()
			})
		}
		both.Wait()
	}
}

// certificateFor makes a certificate that stands for itself, and its PEM.
func certificateFor(t *testing.T, hosts []string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake"}, DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	content, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{content}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content})
}
