package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/api"
)

// pipes is a listener without a network, so that a test's clock may be one of its own.
type pipes struct {
	waiting chan net.Conn
	closed  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn, 16), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.waiting:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.waiting <- theirs
	return ours
}

// serving runs the server's own http.Server before a handler, in a bubble with a clock of its own.
func serving(t *testing.T, handler http.Handler, limits Limits, test func(p *pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		s := &Server{config: Config{Limits: limits}}
		h := httpServer(handler, slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() { ended <- h.Serve(s.limited(p)) }()
		test(p)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func face() http.Handler {
	return api.New(api.Options{Now: time.Now, NewID: func() string { return "id" }, Logger: slog.New(slog.DiscardHandler)})
}

// send writes without waiting for whoever reads: the other end of a pipe may have been closed.
func send(conn net.Conn, text string) {
	go func() { _, _ = io.WriteString(conn, text) }()
}

// answerTo returns the status and the body of the next answer.
func answerTo(conn net.Conn) string {
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprint(response.Status, " ", string(body), err)
}

// A caller that sends its head or its body slowly, or nothing at all, is cut off.
func TestSlowCallers(t *testing.T) {
	for _, test := range []struct {
		name, sent string
		want       string        // of the answer; "" = none
		after      time.Duration // when the connection ends
	}{
		{"half a head", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ", "", 10 * time.Second},
		{"nothing", "", "", 10 * time.Second},
		{"half a body", "POST /v1.0/myorg/groups HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"name\":", "408 Request Timeout {\"error\":{\"code\":\"RequestTimeout\"", 30 * time.Second},
		{"half a deployment", "POST /v1.0/freshet/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"name\":", "408 Request Timeout", 5 * time.Minute},
		{"half a body that nobody wants", "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"name\":", "404 Not Found", 30 * time.Second},
		{"no second request", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK", 2 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			serving(t, face(), Limits{}, func(p *pipes) {
				conn, begun := p.dial(), time.Now()
				send(conn, test.sent)
				if test.want != "" {
					if got := answerTo(conn); !strings.HasPrefix(got, test.want) {
						t.Errorf("answered %s", got)
					}
				}
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Error(err)
				}
				if took := time.Since(begun); took < test.after || took > test.after+time.Second {
					t.Errorf("the connection ended after %s", took)
				}
			})
		})
	}
}

// An answer may take as long as it wants, after a body too: the limits of time are those of requests.
func TestLongAnswers(t *testing.T) {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody { // as the handlers do
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(30 * time.Second))
		}
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		for range 60 {
			select {
			case <-time.After(time.Minute):
			case <-r.Context().Done():
				t.Errorf("cut off: %v", context.Cause(r.Context()))
				return
			}
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
		}
	})
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"} {
		serving(t, slow, Limits{}, func(p *pipes) {
			conn := p.dial()
			send(conn, request)
			if got := answerTo(conn); !strings.HasSuffix(got, strings.Repeat("x", 60)+"<nil>") {
				t.Errorf("%s", got)
			}
			conn.Close()
		})
	}
}

// A head of more than 64 KiB is refused.
func TestLargeHeads(t *testing.T) {
	serving(t, face(), Limits{}, func(p *pipes) {
		conn := p.dial()
		send(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: "+strings.Repeat("a", 80<<10)+"\r\n\r\n")
		if got := answerTo(conn); !strings.HasPrefix(got, "431 ") {
			t.Errorf("answered %s", got)
		}
		conn.Close()
	})
}

// Connections beyond the limit wait until others end.
func TestConnections(t *testing.T) {
	serving(t, face(), Limits{Connections: 2}, func(p *pipes) {
		const request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
		conns := []net.Conn{p.dial(), p.dial(), p.dial()}
		for _, conn := range conns[:2] {
			send(conn, request)
			if got := answerTo(conn); !strings.HasPrefix(got, "200 ") {
				t.Errorf("answered %s", got)
			}
		}
		answered := make(chan string, 1)
		send(conns[2], request)
		go func() { answered <- answerTo(conns[2]) }()
		synctest.Wait()
		select {
		case got := <-answered:
			t.Errorf("the third of two was answered %s", got)
		default:
		}
		conns[0].Close()
		if got := <-answered; !strings.HasPrefix(got, "200 ") {
			t.Errorf("answered %s", got)
		}
		conns[1].Close()
		conns[2].Close()
	})
}
