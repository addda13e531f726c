package notify

import (
	"context"
	"net/netip"
)

// Calls replaces what a service does for each try.
func (s *Service) Calls(call func(context.Context, Notification) error) { s.call = call }

// Sign is sign.
func Sign(key []byte, id, stamp string, body []byte) string { return sign(key, id, stamp, body) }

// Public is public.
func Public(address netip.Addr) bool { return public(address) }

// ErrFinal ends the tries.
var ErrFinal = errFinal

// RetryAfter is retryAfter.
type RetryAfter = retryAfter

// Body is body.
func (e Event) Body() string { return e.body() }
