package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// The codes that this room gives.
const (
	codeInvalid       = fault.CodeInvalidRequest
	codeNotFound      = fault.CodeEntityNotFound
	codeNotAuthorized = fault.CodeNotAuthorized
	codeInternal      = fault.CodeInternal

	// Unavailable: the server is starting, or a part that it needs does not answer.
	// Do: see the server's log, which names the part; send the request again.
	codeUnready = "ServerNotReady"

	// Invalid 413: the body of the request is too long.
	// Do: send less; the text names the limit.
	codeTooLarge = "RequestTooLarge"

	// Invalid 408: the body of the request came too slowly, or not at all.
	// Do: send the request again; a body of a megabyte has half a minute, a deployment five minutes.
	codeSlow = "RequestTimeout"

	// Throttled: the caller has sent more requests in a minute, refreshes in an hour or sign-ins than are allowed.
	// Do: wait as long as Retry-After says; ask less often, or with Prefer: wait=15.
	codeThrottled = "TooManyRequests"

	// Invalid 501: the route is Power BI's, and Freshet does not serve it.
	// Do: do without; doc/powerbi-divergences.md tells what there is.
	codeNotServed = "NotImplemented"

	// NotFound: there is no such route.
	// Do: check the path: Power BI's routes begin with /v1.0/myorg, Freshet's own with /v1.0/freshet.
	codeNoRoute = "RouteNotFound"

	// Invalid 405: the route does not take this method.
	// Do: use one that the header Allow names.
	codeMethod = "MethodNotAllowed"

	// Denied: the request names a host that is none of this server's names.
	// Do: call the server by the address that it listens on, or let the proxy in front of it keep the header Host as it listens.
	codeHost = "HostNotAllowed"

	// Denied: a page of another site sent the request.
	// Do: call the server from a program, or from its own pages.
	codeOrigin = "OriginNotAllowed"
)

// status maps what rooms tell about an error to what HTTP tells.
func status(err error) int {
	switch fault.CodeOf(err) {
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeSlow:
		return http.StatusRequestTimeout
	case codeNotServed:
		return http.StatusNotImplemented
	case codeMethod:
		return http.StatusMethodNotAllowed
	}
	if auth.Unauthenticated(err) {
		return http.StatusUnauthorized
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Denied:
		return http.StatusForbidden
	case fault.Throttled:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// errorBody is Power BI's body of an error. Message stands outside too, where the service has it for a 429.
type errorBody struct {
	powerbi.ErrorBody
	Message string `json:"message,omitempty"`
}

// refuse answers with an error.
func (f *face) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		// Nobody listens any more, or the server closes. To return would send a 200, which would say that it was done.
		panic(http.ErrAbortHandler)
	}
	code := status(err)
	body := errorBody{ErrorBody: powerbi.ErrorBody{Error: describe(err, requestID(w))}}
	switch code {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="Freshet"`
		if fault.CodeOf(err) != auth.CodeMissing {
			challenge += `, error="invalid_token"`
		}
		w.Header()[headerChallenge] = []string{challenge}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		body.Message = body.Error.Message
		var known *fault.Error
		if errors.As(err, &known) && known.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64((known.RetryAfter+time.Second-1)/time.Second), 10))
		}
	case http.StatusInternalServerError:
		f.Logger.ErrorContext(r.Context(), "a request failed", "method", r.Method, "path", r.URL.Path,
			"requestId", requestID(w), "error", err)
	}
	if err := write(w, reply{code, body}); err != nil {
		f.Logger.DebugContext(r.Context(), "the caller hung up", "path", r.URL.Path, "error", err)
	}
}

// describe says what a caller may know of an error. What went wrong inside stands in the server's log alone; what to do about it, if that
// is known, here too.
func describe(err error, requestID string) powerbi.ErrorDetail {
	code := fault.CodeOf(err)
	var known *fault.Error
	errors.As(err, &known) // a status other than 500 comes of a fault
	// A damaged data file is the one failure inside that a caller can mend.
	if status(err) == http.StatusInternalServerError && code != fault.CodeDamaged {
		if code == "" {
			code = codeInternal
		}
		message := "cannot answer: something failed inside the server, whose log tells more under RequestId " + requestID
		if known != nil && known.Hint != "" {
			message += ". " + known.Hint
		}
		return powerbi.ErrorDetail{Code: code, Message: message}
	}
	return powerbi.ErrorDetail{Code: code, Message: known.Error()}
}
