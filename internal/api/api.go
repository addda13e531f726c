// Package api is the REST face: Power BI's routes for workspaces, semantic models and refreshes, and Freshet's own beside them.
//
// routes.go is the one table of routes, with the right that each needs. A handler decodes, makes one call of a domain room, and returns
// a reply; errors.go turns the error of any room into a status and Power BI's body. doc/powerbi-divergences.md tells where the answers
// differ from Power BI's.
package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/dataflow"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/query"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/schedule"
	"freshet.dev/internal/workspace"
)

// verifier tells who a bearer token speaks for.
type verifier interface {
	Verify(ctx context.Context, bearer string, scopes ...string) (auth.Principal, error)
}

// Options are what the face works with.
type Options struct {
	Verifier        verifier     // nil: no sign-in, every caller is the machine's owner
	SignIn          *auth.SignIn // nil: callers get their tokens elsewhere
	Workspaces      *workspace.Service
	Engine          *refresh.Engine
	Dataflows       *dataflow.Service
	Queries         *query.Engine
	Schedules       *schedule.Service
	LiveSchedules   *schedule.LiveService
	Ready           func(ctx context.Context) error // tells why the server cannot work; nil error: it can
	Hosts           []string                        // names in a Host header that are ours, besides localhost and IP addresses
	StandardDetails bool                            // answer GET of a standard refresh's detail, which Power BI refuses (R29)
	Limits          Limits                          // of each caller
	Now             func() time.Time
	Stopping        <-chan struct{} // closed when the server stops: no answer is held back any longer; may be nil
	NewID           func() string   // makes GUIDs
	Logger          *slog.Logger
}

// face is the handler of all routes.
type face struct {
	Options
	mux       *http.ServeMux
	routes    []route
	requests  *throttle
	refreshes *throttle
	signIns   *throttle // of the routes that give tokens, by the caller's address
}

// New returns the handler of all routes.
func New(options Options) http.Handler {
	f := &face{
		Options: options, mux: http.NewServeMux(), routes: routes(),
		requests:  newThrottle(options.Limits.RequestsPerMinute, time.Minute, options.Limits.Burst),
		refreshes: newThrottle(options.Limits.RefreshesPerHour, time.Hour, 0),
		signIns:   newThrottle(signInsPerMinute, time.Minute, 0),
	}
	for _, route := range f.routes {
		f.mux.Handle(route.method+" "+route.pattern, f.serve(route))
	}
	f.mux.HandleFunc("/", f.noRoute)
	return f
}

// call is one request on its way through a handler.
type call struct {
	*face
	w         http.ResponseWriter
	r         *http.Request
	principal auth.Principal
	item      workspace.Item      // of routes below a dataset or dataflow that need a role
	group     workspace.Workspace // of routes below a workspace alone that need a role
	begun     bool                // the handler itself has begun to write the answer
}

func (c *call) caller() workspace.Caller {
	return workspace.Caller{ID: c.principal.ID, Name: c.principal.Name, App: c.principal.App, Owner: c.principal.Owner}
}

// audit logs what a caller has done.
func (c *call) audit(action string, attributes ...any) {
	c.Logger.InfoContext(c.r.Context(), "audit", append([]any{"action", action, "caller", c.principal.Name, "callerId", c.principal.ID}, attributes...)...)
}

// reply is a handler's answer. A nil body is an empty one; the zero reply is that of a handler which has written its answer itself.
type reply struct {
	status int
	body   any
}

// ServeHTTP sets what every answer carries, refuses what a web page could have sent, and hands over to the routes.
func (f *face) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	setRequestID(w, f.NewID())
	header.Set("Server", "Freshet")
	header.Set("Access-Control-Expose-Headers", "RequestId")
	header.Set("Cache-Control", "no-store, must-revalidate, no-cache")
	header.Set("Pragma", "no-cache")
	header.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	header.Set("X-Frame-Options", "deny")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	if err := f.ours(r); err != nil {
		f.refuse(w, r, err)
		return
	}
	f.mux.ServeHTTP(w, withoutSpareSlashes(r))
}

// Some headers go out as Power BI spells them, not as Go does: the names mean the same, but people compare recordings.
const (
	headerRequestID   = "RequestId"
	headerMSRequestID = "x-ms-request-id"
	headerChallenge   = "WWW-Authenticate"
	headerOutcome     = "x-freshet-outcome"
	headerForce       = "X-Freshet-Force"
)

func setRequestID(w http.ResponseWriter, id string) { w.Header()[headerRequestID] = []string{id} }

func requestID(w http.ResponseWriter) string {
	//lint:ignore SA1008 it was set under this spelling
	return w.Header()[headerRequestID][0]
}

// ours tells whether a request may come from somebody who means this server: a web page may name another host that leads here (DNS
// rebinding), or post here from its own origin.
func (f *face) ours(r *http.Request) error {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	known := net.ParseIP(host) != nil || strings.EqualFold(host, "localhost") ||
		slices.ContainsFunc(f.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
	if !known {
		return fault.New(fault.Denied, codeHost, "cannot answer for the host %q: it is none of this server's names", r.Host).
			WithHint("Use its IP address or localhost, or name the host under 'hosts' in the configuration.")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		from, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(from.Host, r.Host) {
			return fault.New(fault.Denied, codeOrigin, "cannot answer a page of %q: only this server's own pages may call it", origin)
		}
	}
	return nil
}

// serve makes the handler of one route: sign-in, the route's scopes, the caller's limits, the item or workspace with the route's role, then the route's own handler.
func (f *face) serve(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{face: f, w: w, r: r}
		answer, err := c.run(route)
		if err != nil {
			f.refuse(w, r, err)
			return
		}
		if answer.status == 0 {
			return
		}
		if err := write(w, answer); err != nil {
			f.Logger.DebugContext(r.Context(), "the caller hung up", "path", r.URL.Path, "error", err)
		}
	})
}

// run leads a call through its route. A panic is an error like others, unless the answer has begun: then the connection is broken off, so
// that nobody takes a part for the whole.
func (c *call) run(route route) (answer reply, err error) {
	defer func() {
		problem := recover()
		if problem == nil {
			return
		}
		if problem == http.ErrAbortHandler || c.begun {
			if problem != http.ErrAbortHandler {
				c.Logger.ErrorContext(c.r.Context(), "panic in an answer", "path", c.r.URL.Path, "panic", problem, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}
		answer, err = reply{}, fault.New(fault.Internal, codeInternal, "cannot go on: %v\n%s", problem, debug.Stack())
	}()
	if !route.public {
		if err := c.signIn(route); err != nil {
			return reply{}, err
		}
		if err := c.limit(c.requests, c.principal.ID); err != nil {
			return reply{}, err
		}
	}
	if route.role != workspace.NoRole {
		if err := c.find(route.role); err != nil {
			return reply{}, err
		}
	}
	return route.handle(c)
}

func (c *call) signIn(route route) error {
	if c.Verifier == nil {
		c.principal = auth.MachineOwner()
		return nil
	}
	bearer := ""
	if scheme, rest, found := strings.Cut(c.r.Header.Get("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
		bearer = strings.TrimSpace(rest)
	}
	principal, err := c.Verifier.Verify(c.r.Context(), bearer, route.scopes...)
	if err != nil {
		return err
	}
	if len(route.scopes) > 0 && !principal.Allows(route.scopes...) {
		return fault.New(fault.Denied, codeNotAuthorized, "cannot %s %s: the token has none of the scopes %s", c.r.Method, c.r.URL.Path, strings.Join(route.scopes, ", ")).
			WithHint("Get a token that has one of them.")
	}
	c.principal = principal
	return nil
}

// write sends a reply as JSON, to a reader that takes it.
func write(w http.ResponseWriter, answer reply) error {
	if answer.body == nil {
		w.WriteHeader(answer.status)
		return nil
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(answer.status)
	encoder := json.NewEncoder(&pieces{http.NewResponseController(w), w})
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answer.body)
}
