package powerbi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is an answer of the service that is not a success.
type Error struct {
	Method, URL string
	Status      int           // the HTTP status
	Code        string        // error.code, or "" where the body has none
	Message     string        // error.message, or what the body says in its place
	RequestID   string        // the RequestId header: what support asks for
	RetryAfter  time.Duration // of the Retry-After header; 0 when there is none
	server      string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Code != "" {
		text += ", " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (RequestId " + e.RequestID + ")"
	}
	return "cannot " + e.Method + " " + e.URL + ": " + text
}

// Retryable tells whether the same call may succeed later without a change by anybody.
func (e *Error) Retryable() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// FromFreshet tells whether Freshet gave the answer, so that its own routes are there to be used.
func (e *Error) FromFreshet() bool { return e.server == serverName }

// ErrorBody is the service's body of an error: everything under one key.
type ErrorBody struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail is the inside of an ErrorBody.
type ErrorDetail struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	PowerBI *PowerBIError `json:"pbi.error,omitempty"`
}

// PowerBIError is the second form of details, in which the message may be missing outside.
type PowerBIError struct {
	Code    string `json:"code"`
	Details []struct {
		Code   string `json:"code"`
		Detail struct {
			Type  int    `json:"type"`
			Value string `json:"value"`
		} `json:"detail"`
	} `json:"details"`
}

// readError makes an Error of a response that is not a success. The service has three shapes of bodies, and sometimes none.
func readError(request *http.Request, response *http.Response, body []byte, now time.Time) *Error {
	e := &Error{
		Method: request.Method, URL: request.URL.Redacted(), Status: response.StatusCode,
		RequestID: response.Header.Get("RequestId"), server: response.Header.Get("Server"),
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		now = date // a date in Retry-After is by the service's clock, not by ours
	}
	e.RetryAfter = retryAfter(response.Header.Get("Retry-After"), now)
	if e.RequestID == "" {
		e.RequestID = response.Header.Get("x-ms-request-id")
	}
	var shapes struct {
		ErrorBody
		Message string `json:"message"` // of a 429, which has no error around it
	}
	if err := json.Unmarshal(body, &shapes); err != nil {
		e.Message = shorten(strings.TrimSpace(string(body)), 300)
		if to, err := response.Location(); err == nil {
			e.Message = "it is redirected to " + originOf(to) + ", which is not followed"
		}
		return e
	}
	e.Code, e.Message = shapes.Error.Code, shapes.Error.Message
	if e.Message == "" {
		e.Message = shapes.Message
	}
	if inner := shapes.Error.PowerBI; inner != nil && e.Message == "" {
		for _, detail := range inner.Details {
			if detail.Code == "DetailsMessage" {
				e.Message = detail.Detail.Value
			}
		}
	}
	return e
}

// retryAfter reads the header's two forms, seconds and a date.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(strings.TrimSpace(header), 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
