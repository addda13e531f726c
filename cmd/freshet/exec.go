package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"freshet.dev/internal/server"
)

func (a *app) exec() *cobra.Command {
	return &cobra.Command{
		Use:   "exec -- CLIENT [ARGUMENT]…",
		Short: "Run a Power BI client that knows no other host, against the server of this machine",
		Long: `Run a program that speaks to Power BI, unchanged, against the server of this machine, which must listen by TLS (serve --tls-listen).

Its calls to api.powerbi.com and to Microsoft's sign-in hosts reach the server. For programs that heed them, the variables for a proxy and for
trusted certificates are set (HTTPS_PROXY, NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, REQUESTS_CA_BUNDLE …); the proxy sends those hosts to the server and
lets every other host through untouched, by the proxy that the environment names, if it does. Run by root, the program also has a hosts file of
its own, for programs that heed no proxy. Nothing outside the program is changed, and nothing stays when it ends.`,
		Example: `  freshet exec -- pbicli login --service-principal -p CLIENT -s SECRET -t TENANT
  freshet exec -- pbicli dataset refresh --group Sales --dataset Orders`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			address, found := a.findLocal()
			if !found {
				return errors.New("cannot find a server of this machine: start one with 'freshet serve --tls-listen 127.0.0.1:8443', or name its data directory with --data")
			}
			if address.TLS == "" {
				return fmt.Errorf("cannot stand for Power BI: the server at %s does not listen by TLS; start it with --tls-listen 127.0.0.1:8443", address.URL)
			}
			return a.runClient(address, args)
		},
	}
}

// runClient runs a program until it ends. Its exit code is the result.
func (a *app) runClient(address server.Address, args []string) error {
	folder, err := os.MkdirTemp("", "freshet-exec-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	stand, err := newStandIn(address.TLS)
	if err != nil {
		return err
	}
	defer stand.close()
	environment, err := stand.environment(folder, address.CA)
	if err != nil {
		return err
	}
	client := exec.Command(args[0], args[1:]...)
	if os.Geteuid() == 0 {
		if client, err = stand.withHosts(folder, args); err != nil {
			return err
		}
	}
	client.Stdin, client.Stdout, client.Stderr, client.Env = os.Stdin, a.out, a.err, append(os.Environ(), environment...)
	// An interrupt from the terminal reaches the program by itself, which decides what it means.
	passed := make(chan os.Signal, 1)
	signal.Notify(passed, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(passed)
	if err := client.Start(); err != nil {
		return fmt.Errorf("cannot run %s: %w", args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	for {
		select {
		case received := <-passed:
			_ = client.Process.Signal(received)
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return clientError{exitOf(exit.Sys().(syscall.WaitStatus))}
			}
			return err
		}
	}
}

// clientError is the exit code of a program that was run.
type clientError struct{ code int }

func (e clientError) Error() string {
	return fmt.Sprintf("the program ended with exit code %d", e.code)
}

// exitOf is the exit code as a shell tells it.
func exitOf(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// standIn stands between a program and the network: a proxy and, for root, a listener on port 443 of a loopback address of its own. Both lead the
// hosts for which the server stands to it.
type standIn struct {
	server string // HOST:PORT
	proxy  net.Listener
	direct net.Listener // nil: not opened
	open   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil: closed
}

func newStandIn(server string) (*standIn, error) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot open the proxy: %w", err)
	}
	s := &standIn{server: server, proxy: proxy, conns: map[net.Conn]bool{}}
	s.open.Go(func() { s.accept(proxy, s.connect) })
	return s, nil
}

func (s *standIn) close() {
	_ = s.proxy.Close()
	if s.direct != nil {
		_ = s.direct.Close()
	}
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.open.Wait()
}

// hold keeps a connection to be closed at the end; false when that has come.
func (s *standIn) hold(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		_ = conn.Close()
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *standIn) drop(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

func (s *standIn) accept(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if s.hold(conn) {
			s.open.Go(func() {
				defer s.drop(conn)
				serve(conn)
			})
		}
	}
}

// connect answers one CONNECT of a proxy's client.
func (s *standIn) connect(conn net.Conn) {
	reader := bufio.NewReader(conn)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	if request.Method != http.MethodConnect {
		_, _ = io.WriteString(conn, "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		return
	}
	far, err := s.dial(request.Host)
	if err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
		s.join(conn, reader, far)
	}
}

// dial reaches the server for its hosts and everything else where it is.
func (s *standIn) dial(address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	for _, name := range server.StandsFor() {
		if strings.EqualFold(name, host) {
			return net.DialTimeout("tcp", s.server, 10*time.Second)
		}
	}
	via, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: address}})
	if err != nil || via == nil {
		return net.DialTimeout("tcp", address, 30*time.Second)
	}
	return dialProxy(via, address)
}

// dialProxy asks a proxy for a way to an address.
func dialProxy(proxy *url.URL, address string) (net.Conn, error) {
	if proxy.Scheme != "http" {
		return nil, fmt.Errorf("cannot reach %s: the proxy %s is not one of http", address, proxy.Redacted())
	}
	port := proxy.Port()
	if port == "" {
		port = "80"
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(proxy.Hostname(), port), 10*time.Second)
	if err != nil {
		return nil, err
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		basic := &http.Request{Header: http.Header{}}
		basic.SetBasicAuth(proxy.User.Username(), password)
		request.Header.Set("Proxy-Authorization", basic.Header.Get("Authorization"))
	}
	err = request.Write(conn)
	if err == nil {
		var response *http.Response
		if response, err = http.ReadResponse(bufio.NewReader(conn), request); err == nil && response.StatusCode != http.StatusOK {
			err = errors.New(response.Status)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot reach %s by the proxy %s: %w", address, proxy.Redacted(), err), conn.Close())
	}
	return conn, nil
}

// join copies both ways until both have ended.
func (s *standIn) join(near net.Conn, fromNear io.Reader, far net.Conn) {
	if !s.hold(far) {
		return
	}
	defer s.drop(far)
	var both sync.WaitGroup
	forward := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}
	both.Go(func() { forward(far, fromNear) })
	both.Go(func() { forward(near, far) })
	both.Wait()
}

// environment is what programs heed that can be told of a proxy and of certificates. Without a private authority the certificate is
// one of the configuration, which the program has to trust already.
func (s *standIn) environment(folder, ca string) ([]string, error) {
	proxy := "http://" + s.proxy.Addr().String()
	set := []string{"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "NO_PROXY=", "no_proxy=", "NODE_USE_ENV_PROXY=1"}
	if ca == "" {
		return set, nil
	}
	own, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate of the server's authority: %w", err)
	}
	bundle := filepath.Join(folder, "certificates.pem")
	if err := os.WriteFile(bundle, append(systemRoots(), own...), 0o644); err != nil {
		return nil, err
	}
	set = append(set, "NODE_EXTRA_CA_CERTS="+ca)
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} { // in place of the system's, so they hold those too
		set = append(set, name+"="+bundle)
	}
	return set, nil
}

// systemRoots are the certificates that this machine trusts, where it keeps them in one file.
func systemRoots() []byte {
	for _, path := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if content, err := os.ReadFile(path); err == nil {
			return append(content, '\n')
		}
	}
	return nil
}

// listenHTTPS listens on port 443 of a loopback address that nobody else uses: programs that run at the same time have one each.
func listenHTTPS() (listener net.Listener, err error) {
	for last := range 250 {
		if listener, err = net.Listen("tcp", fmt.Sprintf("127.80.66.%d:443", last+1)); err == nil {
			return listener, nil
		}
	}
	return nil, fmt.Errorf("cannot stand for Power BI's hosts on port 443: %w", err)
}

// withHosts prepares the program to run with a hosts file of its own, in a mount namespace of its own, which ends with it.
func (s *standIn) withHosts(folder string, args []string) (*exec.Cmd, error) {
	direct, err := listenHTTPS()
	if err != nil {
		return nil, err
	}
	s.direct = direct
	s.open.Go(func() {
		s.accept(direct, func(conn net.Conn) {
			if far, err := net.DialTimeout("tcp", s.server, 10*time.Second); err == nil {
				s.join(conn, conn, far)
			}
		})
	})
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	lines := direct.Addr().(*net.TCPAddr).IP.String() + " " + strings.Join(server.StandsFor(), " ") + "\n"
	path := filepath.Join(folder, "hosts")
	if err := os.WriteFile(path, append([]byte(lines), hosts...), 0o644); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	client := exec.Command(self, append([]string{insideVerb, path, "--"}, args...)...)
	client.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	return client, nil
}

const insideVerb = "exec-with-hosts"

// inside is the other half of withHosts, in the new namespace.
func (a *app) inside() *cobra.Command {
	return &cobra.Command{
		Use: insideVerb + " HOSTS -- CLIENT [ARGUMENT]…", Hidden: true, Args: usage(cobra.MinimumNArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("cannot leave the machine's mounts: %w", err)
			}
			if err := unix.Mount(args[0], "/etc/hosts", "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("cannot give the program a hosts file of its own: %w", err)
			}
			path, err := exec.LookPath(args[1])
			if err != nil {
				return fmt.Errorf("cannot run %s: %w", args[1], err)
			}
			return unix.Exec(path, args[1:], os.Environ())
		},
	}
}
