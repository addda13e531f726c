package api

import (
	"sync"
	"time"

	"freshet.dev/internal/fault"
)

// Limits are how often one caller may call. A rate of 0 is no limit.
type Limits struct {
	RequestsPerMinute int // of all routes that need a sign-in, over time
	Burst             int // how many of them may come at once; 0 = those of a minute
	RefreshesPerHour  int // of the posts that ask for a refresh; all of an hour may come at once
}

// throttle is a limit of how often each caller may do something. It holds, for each caller, one time: that until which the calls so far would
// last if they had come evenly. A call is refused when that time is too far ahead.
type throttle struct {
	every time.Duration // between two calls that come evenly; 0 = no limit
	ahead time.Duration // how far the calls of a burst may be ahead

	// A caller's time is in the newer map, or in the older one until it calls again. When the newer one is full it becomes the older one, so
	// that what is kept has a bound whoever calls. A caller that is forgotten may begin again with a burst.
	mu           sync.Mutex
	newer, older map[string]time.Time
	latest       time.Time // of the calls so far
}

// callers is how many callers a generation of a throttle holds, at some 150 bytes each.
const callers = 10_000

func newThrottle(most int, per time.Duration, burst int) *throttle {
	if most == 0 {
		return &throttle{}
	}
	if burst == 0 {
		burst = most
	}
	every := max(per/time.Duration(most), 1)
	return &throttle{every: every, ahead: time.Duration(burst-1) * every, newer: map[string]time.Time{}}
}

// take counts a call, or tells how long its caller has to wait before the next one is taken. What is refused is not counted.
func (t *throttle) take(caller string, now time.Time) (wait time.Duration) {
	if t.every == 0 {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.latest) { // a call that was overtaken on its way here has not come too soon
		now = t.latest
	}
	t.latest = now
	until, known := t.newer[caller]
	if !known {
		until = t.older[caller]
		if len(t.newer) == callers {
			t.older, t.newer = t.newer, map[string]time.Time{}
		}
	}
	if until.Before(now) {
		until = now
	}
	if wait = until.Sub(now) - t.ahead; wait > 0 {
		return wait
	}
	t.newer[caller] = until.Add(t.every)
	return 0
}

// limit refuses a call that exceeds a throttle, in the words of the service [contract §3.2].
func (c *call) limit(t *throttle, caller string) error {
	wait := t.take(caller, c.Now())
	if wait <= 0 {
		return nil
	}
	seconds := (wait + time.Second - 1) / time.Second
	refusal := fault.New(fault.Throttled, codeThrottled,
		"You have exceeded the amount of requests allowed in the current time frame and further requests will fail. Retry in %d seconds.", seconds)
	refusal.RetryAfter = seconds * time.Second
	return refusal
}
