package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// What is read of a receiver's answer at most.
const (
	mostHeader = 64 << 10
	mostBody   = 4 << 10 // of no interest; a receiver that has sent it all can go on
)

// client makes a client that follows no redirect and knows no proxy: control sees the address that each connection goes to.
func client(control func(network, address string, _ syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Control: control}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: mostHeader},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends an event to a webhook, once, in the form of the Standard Webhooks.
func (s *Service) post(ctx context.Context, webhook Webhook, event Event) error {
	body, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("cannot write the event: %w; %w", err, errFinal)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, webhook.URL, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	key, err := webhook.key()
	if err != nil {
		return fmt.Errorf("cannot read the secret; %w", errFinal)
	}
	stamp := strconv.FormatInt(s.options.Now().Unix(), 10)
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"Freshet"},
		"Webhook-Id": {event.id()}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {sign(key, event.id(), stamp, body)},
	}
	over := s.public
	if webhook.AllowPrivate {
		over = s.anywhere
	}
	response, err := over.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, mostBody)
	return accepted(response, s.options.Now())
}

// sign signs a body as the Standard Webhooks do: https://www.standardwebhooks.com, "Signature scheme", symmetric.
func sign(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// accepted tells what an answer means.
func accepted(response *http.Response, now time.Time) error {
	status := response.StatusCode
	err := fmt.Errorf("the receiver answered %d %s", status, http.StatusText(status))
	switch {
	case status/100 == 2:
		return nil
	case status/100 == 3:
		return fmt.Errorf("%w: redirects are not followed", err)
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		if wait := waitOf(response.Header.Get("Retry-After"), now); wait > 0 {
			return fmt.Errorf("%w%w", err, wait)
		}
	case status/100 == 4 && status != http.StatusRequestTimeout:
		return fmt.Errorf("%w; %w", err, errFinal)
	}
	return err
}

// retryAfter is how long a receiver wants to be left alone.
type retryAfter time.Duration

func (r retryAfter) Error() string {
	return ", and wants to be left alone for " + time.Duration(r).String()
}

func waitOf(header string, now time.Time) retryAfter {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return retryAfter(seconds) * retryAfter(time.Second)
	}
	if at, err := http.ParseTime(header); err == nil {
		return retryAfter(at.Sub(now))
	}
	return 0
}

// withoutURL takes the URL out of an error: it may hold a secret.
func withoutURL(err error) error {
	var named *url.Error
	if errors.As(err, &named) {
		err = named.Err
	}
	return fmt.Errorf("cannot reach the receiver: %w", err)
}
