// Package tds is the server's side of the protocol of SQL Server: TDS 7.1 to 7.4, and 8.0. It is written after [MS-TDS], the protocol's public
// specification; what real clients need beyond its words is told where it is done.
//
// The codec (packets, input, values, tokens) knows no connection; a connection knows no SQL. What a login becomes, and what a statement means, is the
// business of the Session that Authenticate gives.
package tds

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway"
)

// Session is what a login has become. One goroutine uses it at a time.
type Session interface {
	// Run runs a request and gives what comes of it to results. It returns when ctx ends, which it does when the client cancels or goes. The error, if any,
	// is what the client is told at the end: a *gateway.Error as it is, another as number 50000.
	//
	// The procedure sp_reset_connection asks for the state that the session had after its login. The text of a batch holds also what drivers send around
	// their statements: SET, USE, BEGIN TRAN, SET FMTONLY ON before what is only to be described.
	Run(ctx context.Context, request gateway.Request, results gateway.Results) error

	// Describe tells the columns of the first result that the request would have, and runs nothing. The parameters may have no values, and types that are
	// Unknown. No columns: it has no result.
	Describe(ctx context.Context, request gateway.Request) ([]gateway.Column, error)

	// Close ends the session.
	Close()
}

// Server answers clients of SQL Server. What stands above the line is required.
type Server struct {
	// Authenticate gives the session of a login and the name of its database. The context is the connection's.
	Authenticate func(ctx context.Context, login Login) (session Session, database string, err error)
	Encryption   Encryption
	TLS          *tls.Config // with the certificate; not needed for EncryptOff
	Log          *slog.Logger
	// –––
	Name           string        // of the server, as messages show it; "": Freshet
	MaxConnections int           // 0: 256; more are closed at once, those first that do not log in
	MaxMessage     int           // bytes of a request; 0: 16 MiB
	LoginTimeout   time.Duration // from the connection's start to the login's end; 0: 30 s
	MessageTimeout time.Duration // for a message to come whole, and for a packet to be taken; 0: 2 min
	IdleTimeout    time.Duration // between two requests; 0: 8 h. A request may take as long as it does
	Drain          time.Duration // that requests get to end when the server stops

	sessions atomic.Uint32 // ever begun
}

// The codes of gateways.
const (
	// Invalid: the TDS gateway is to encrypt and has no certificate.
	// Do: give it one, or turn its encryption off.
	codeCertificate = "GatewayCertificateMissing"
)

// Serve answers the connections of listener until ctx ends, and closes it. Then it lets what runs end, cancels what takes longer than Drain, tells the
// clients so, and returns when all are gone.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var connections sync.WaitGroup
	defer func() {
		stop()
		limit := time.AfterFunc(s.Drain, cancel)
		connections.Wait()
		limit.Stop()
		cancel()
	}()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	defer listener.Close()
	if s.Encryption != EncryptOff && (s.TLS == nil || len(s.TLS.Certificates) == 0 && s.TLS.GetCertificate == nil) {
		return fault.New(fault.Invalid, codeCertificate, "cannot serve SQL Server's clients: there is no certificate to encrypt with").
			WithHint("Give one, or turn the encryption off")
	}
	places := make(chan struct{}, cmp.Or(s.MaxConnections, 256))
	door := &doorway{}
	for {
		accepted, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			var passing interface{ Temporary() bool } // out of file descriptors, or a client that went while it came
			if !errors.As(err, &passing) || !passing.Temporary() {
				return err
			}
			s.Log.Warn("cannot accept a connection of a SQL client; trying again", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		if !door.place(ctx, places) {
			s.Log.Warn("closed a connection of a SQL client: there are too many", "limit", cap(places), "remote", accepted.RemoteAddr())
			_ = accepted.Close()
			continue
		}
		door.enter(accepted)
		connections.Go(func() {
			defer func() { <-places }()
			defer door.leave(accepted)
			s.connect(work, ctx.Done(), accepted, func() { door.leave(accepted) })
		})
	}
}

// doorway has the connections that have shown no login yet, the oldest first. Who opens connections and says nothing keeps nobody out.
type doorway struct {
	mu      sync.Mutex
	waiting []net.Conn
}

func (d *doorway) enter(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = append(d.waiting, c)
}

func (d *doorway) leave(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.waiting, c); i >= 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
	}
}

// place takes a place, if need be that of the connection which has waited longest; false: all have logged in.
func (d *doorway) place(ctx context.Context, places chan<- struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
	}
	d.mu.Lock()
	if len(d.waiting) == 0 {
		d.mu.Unlock()
		return false
	}
	_ = d.waiting[0].Close()
	d.waiting = slices.Delete(d.waiting, 0, 1)
	d.mu.Unlock()
	select {
	case places <- struct{}{}: // it ends at once
		return true
	case <-ctx.Done():
		return false
	}
}

// name is the server's name in messages.
func (s *Server) name() string { return cmp.Or(s.Name, "Freshet") }

func (s *Server) maxMessage() int { return cmp.Or(s.MaxMessage, 16<<20) }

func (s *Server) loginTimeout() time.Duration { return cmp.Or(s.LoginTimeout, 30*time.Second) }

func (s *Server) messageTimeout() time.Duration { return cmp.Or(s.MessageTimeout, 2*time.Minute) }

func (s *Server) idleTimeout() time.Duration { return cmp.Or(s.IdleTimeout, 8*time.Hour) }
