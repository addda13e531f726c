package server

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"

	"freshet.dev/internal/auth"
)

// inside has requests answered by the server's own handler, in this process, for a principal that needs no token: it has proven who it is already.
type inside struct {
	handler   http.Handler
	principal auth.Principal
}

// principalKey is the key of a principal in a request's context, where nobody outside of this process can put one.
type principalKey struct{}

// RoundTrip answers a request. The body of the answer streams, and its Close waits for the handler's end.
func (t inside) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), principalKey{}, t.principal))
	inner := r.Clone(ctx) // as a server would have read it
	inner.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	inner.Host, inner.RequestURI, inner.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "127.0.0.1:0"
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	body, out := io.Pipe()
	answer := &answer{header: http.Header{}, out: out, begun: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		answer.end(t.handler, inner)
	}()
	stop := func() error {
		cancel()
		err := body.Close()
		<-ended
		return err
	}
	select {
	case <-answer.begun:
	case <-ctx.Done():
		_ = stop()
		return nil, context.Cause(ctx)
	}
	return &http.Response{
		Status: http.StatusText(answer.status), StatusCode: answer.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: answer.sent, ContentLength: -1,
		Body: &answerBody{body, sync.OnceValue(stop)}, Request: r,
	}, nil
}

type answerBody struct {
	io.Reader
	stop func() error
}

func (b *answerBody) Close() error { return b.stop() }

// answer is the ResponseWriter of one request.
type answer struct {
	header http.Header
	out    *io.PipeWriter
	once   sync.Once
	begun  chan struct{} // closed once status and sent are set
	status int
	sent   http.Header
}

// end runs the handler to its end. One that breaks its answer off leaves a body that cannot be read to its end.
func (a *answer) end(handler http.Handler, r *http.Request) {
	err := io.ErrUnexpectedEOF
	defer func() {
		if problem := recover(); problem != nil && problem != http.ErrAbortHandler {
			panic(problem)
		}
		a.WriteHeader(http.StatusOK)
		_ = a.out.CloseWithError(err)
	}()
	handler.ServeHTTP(a, r)
	err = nil
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.once.Do(func() {
		a.status, a.sent = status, a.header.Clone()
		close(a.begun)
	})
}

func (a *answer) Write(content []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.out.Write(content)
}

// verifier tells who a bearer token speaks for.
type verifier interface {
	Verify(ctx context.Context, bearer string, scopes ...string) (auth.Principal, error)
}

// insiders know who asks from inside, and ask another verifier about all others.
type insiders struct{ others verifier }

// Verify implements the verifier of the REST API.
func (i insiders) Verify(ctx context.Context, bearer string, scopes ...string) (auth.Principal, error) {
	if p, known := ctx.Value(principalKey{}).(auth.Principal); known {
		return p, nil
	}
	return i.others.Verify(ctx, bearer, scopes...)
}
