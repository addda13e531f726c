package powerbi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"
)

// TransportError is a call that got no whole answer: whether the service did what it was asked is not known, unless Unsent.
type TransportError struct {
	Method, URL string
	Err         error
}

func (e *TransportError) Error() string {
	return "cannot " + e.Method + " " + e.URL + ": " + e.Err.Error()
}

func (e *TransportError) Unwrap() error { return e.Err }

// Retryable is true except for a call that its own context ended, one that found nobody listening, and a certificate that is refused.
func (e *TransportError) Retryable() bool {
	var (
		certificate *tls.CertificateVerificationError
		name        *net.DNSError
	)
	return !errors.Is(e.Err, context.Canceled) && !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, syscall.ECONNREFUSED) &&
		!errors.Is(e.Err, http.ErrSchemeMismatch) && !errors.As(e.Err, &certificate) && !(errors.As(e.Err, &name) && name.IsNotFound)
}

// Unsent tells that no connection came about, so that the service cannot have done anything.
func (e *TransportError) Unsent() bool {
	var (
		operation   *net.OpError
		certificate *tls.CertificateVerificationError
	)
	return errors.As(e.Err, &operation) && (operation.Op == "dial" || operation.Op == "proxyconnect") || errors.As(e.Err, &certificate) ||
		errors.Is(e.Err, http.ErrSchemeMismatch)
}

// DeadlineError is a call that was not tried again because the caller's deadline comes first.
type DeadlineError struct {
	Pause time.Duration // until the next try: what the service asked for, if Err is an Error with a RetryAfter
	Left  time.Duration // until the deadline
	Err   error         // the failure
}

func (e *DeadlineError) Error() string {
	who := "the next try would be in"
	var refusal *Error
	if errors.As(e.Err, &refusal) && refusal.RetryAfter > 0 {
		who = "the service asks to wait"
	}
	return fmt.Sprintf("%v; %s %s, and the deadline comes in %s", e.Err, who, e.Pause.Round(time.Second), e.Left.Round(time.Second))
}

// Unwrap gives the failure, and context.DeadlineExceeded, which it comes down to.
func (e *DeadlineError) Unwrap() []error { return []error{e.Err, context.DeadlineExceeded} }

const defaultRetries = 5

// repeat calls until it succeeds, fails for good, or has failed too often.
func (c *Client) repeat(ctx context.Context, method string, again func(method string, err error) bool, call func() error) error {
	retries := c.Retries
	if retries == 0 {
		retries = defaultRetries
	}
	lost := false // an earlier try may have been handled
	for failures := 0; ; failures++ {
		err := call()
		var refusal *Error
		switch {
		case err == nil:
			return nil
		case lost && method == http.MethodDelete && errors.As(err, &refusal) && refusal.Status == http.StatusNotFound:
			return nil // the earlier try did it
		case ctx.Err() != nil || !again(method, err):
			return err
		case failures >= retries && failures > 0:
			return fmt.Errorf("%w (tried %d times)", err, failures+1)
		case failures >= retries:
			return err
		}
		lost = lost || uncertain(err)
		pause := max(c.backoff(failures), askedPause(err))
		if late := tooLate(ctx, pause, err); late != nil {
			return late
		}
		if c.OnPause != nil {
			c.OnPause(err, pause)
		}
		if ended := sleep(ctx, pause); ended != nil {
			return fmt.Errorf("%w; not tried again: %w", err, ended)
		}
	}
}

// mayPass tells whether a call is to be repeated after an error.
func mayPass(method string, err error) bool {
	if method != http.MethodPost {
		return mayPassKeyed(method, err)
	}
	return mayPassKeyed(method, err) && !uncertain(err)
}

// mayPassKeyed is mayPass for calls that may be handled twice.
func mayPassKeyed(_ string, err error) bool {
	var (
		refusal *Error
		lost    *TransportError
	)
	if errors.As(err, &refusal) {
		// Freshet's 500 is about what is there, such as a damaged file; where another try may help it says 503.
		return refusal.Retryable() && !(refusal.FromFreshet() && refusal.Status == http.StatusInternalServerError)
	}
	return errors.As(err, &lost) && lost.Retryable()
}

// uncertain tells that a call which failed may have been handled all the same. A 429, and a 503 that says when to come back, are the service's
// own refusals; other answers from 500 on may come from something before the service that has lost its answer.
func uncertain(err error) bool {
	var (
		refusal *Error
		lost    *TransportError
	)
	switch {
	case errors.As(err, &refusal) && refusal.Status == http.StatusServiceUnavailable:
		return refusal.RetryAfter == 0
	case errors.As(err, &refusal):
		return refusal.Status >= 500 || refusal.Status == http.StatusRequestTimeout
	}
	return errors.As(err, &lost) && !lost.Unsent()
}

// askedPause is the Retry-After of an error.
func askedPause(err error) time.Duration {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.RetryAfter
	}
	return 0
}

// backoff is a pause after so many failures before: twice as long each time, and a random share of that, so that clients that failed together do
// not come back together.
func (c *Client) backoff(failures int) time.Duration {
	random := c.random
	if random == nil {
		random = rand.Float64
	}
	longest := min(time.Second<<min(failures, 6), 30*time.Second)
	return time.Duration(float64(longest) * (0.5 + random()/2))
}

// tooLate returns a DeadlineError when the context's deadline comes before the end of a pause.
func tooLate(ctx context.Context, pause time.Duration, failure error) error {
	if deadline, set := ctx.Deadline(); set {
		if left := time.Until(deadline); left < pause {
			return &DeadlineError{Pause: pause, Left: left, Err: failure}
		}
	}
	return nil
}

// sleep returns early with the cause when the context ends.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
