package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"freshet.dev/internal/notify"
)

var (
	hookA = notify.Recipient{Channel: notify.ByWebhook, Target: "a"}
	hookB = notify.Recipient{Channel: notify.ByWebhook, Target: "b"}
	ana   = notify.Recipient{Channel: notify.ByMail, Target: "ana@example.com"}
	bo    = notify.Recipient{Channel: notify.ByMail, Target: "bo@example.com"}
)

var errDown = errors.New("connection refused")

// running runs a service whose calls are replaced, in a bubble.
func running(t *testing.T, b *box, log *bytes.Buffer, call func(context.Context, notify.Notification) error) (stop func()) {
	s := newService(t, notify.Config{}, log)
	s.Calls(call)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Run(ctx, b)
	}()
	return func() {
		cancel()
		<-stopped
	}
}

// now is an event of this moment.
func now() notify.Event {
	e := event("Scheduled", "Failed")
	e.Timestamp = time.Now()
	return e
}

// F12: what does not arrive is tried again with growing pauses, and given up after 24 h; that is logged once and told to the refresh.
func TestF12RetriesUntilGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log, begun := &box{}, &bytes.Buffer{}, time.Now()
		b.put(now(), hookA)
		var tries []time.Duration
		stop := running(t, b, log, func(_ context.Context, n notify.Notification) error {
			if n.Tries != len(tries) {
				t.Errorf("try %d is told of %d tries", len(tries)+1, n.Tries)
			}
			tries = append(tries, time.Since(begun).Round(time.Second))
			return errDown
		})
		time.Sleep(48 * time.Hour)
		stop()
		// 10, 20, 40 … 2560 s, then an hour each.
		want := []string{"0s", "10s", "30s", "1m10s", "2m30s", "5m10s", "10m30s", "21m10s", "42m30s", "1h25m10s", "2h25m10s"}
		if got := fmt.Sprint(tries[:len(want)]); got != fmt.Sprint(want) {
			t.Errorf("tries after %s", got)
		}
		if last := tries[len(tries)-1]; last < 23*time.Hour || last > 24*time.Hour {
			t.Errorf("the last try was after %s", last)
		}
		if b.left() != "" || len(b.warnings) != 1 || b.warnings[0] != fmt.Sprintf("cannot notify webhook 'a' of the end of the refresh (try %d): connection refused", len(tries)) {
			t.Errorf("left %q, warnings %q", b.left(), b.warnings)
		}
		if n := strings.Count(log.String(), "level=INFO"); n != 1 {
			t.Errorf("%d lines of the log tell that it was put off\n%s", n, log)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "target=a") {
			t.Errorf("%d warnings in the log\n%s", n, log)
		}
	})
}

// What no other try can mend is given up at once.
func TestFinalRefusalEndsTheTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, calls := &box{}, 0
		stop := running(t, b, nil, func(context.Context, notify.Notification) error {
			calls++
			return fmt.Errorf("410 Gone; %w", notify.ErrFinal)
		})
		b.put(now(), hookA)
		time.Sleep(time.Hour)
		stop()
		if calls != 1 || b.left() != "" || len(b.warnings) != 1 {
			t.Errorf("%d calls, left %q, warnings %q", calls, b.left(), b.warnings)
		}
	})
}

// A receiver that asks for a pause gets it; a try fits in before the end of the 24 h or there is none.
func TestRetryAfterIsObeyed(t *testing.T) {
	for wait, calls := range map[time.Duration]int{3 * time.Hour: 2, 25 * time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			b, times := &box{}, []time.Time(nil)
			stop := running(t, b, nil, func(context.Context, notify.Notification) error {
				times = append(times, time.Now())
				if len(times) == 1 {
					return fmt.Errorf("429%w", notify.RetryAfter(wait))
				}
				return nil
			})
			b.put(now(), hookA)
			time.Sleep(30 * time.Hour)
			stop()
			if len(times) != calls || calls == 2 && times[1].Sub(times[0]) < wait {
				t.Errorf("calls at %s, want %d", times, calls)
			}
			if want := 2 - calls; len(b.warnings) != want || b.left() != "" {
				t.Errorf("left %q, warnings %q", b.left(), b.warnings)
			}
		})
	}
}

// A receiver that does not answer is cut off, and holds up nobody but itself.
func TestSlowReceiverHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begun := &box{}, time.Now()
		var mu sync.Mutex
		sent := map[string]time.Duration{}
		working := 0
		stop := running(t, b, nil, func(ctx context.Context, n notify.Notification) error {
			if n.Recipient == hookA {
				working++
				defer func() { working-- }()
				if working > 1 {
					t.Error("the slow receiver is called twice at the same time")
				}
				<-ctx.Done()
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			sent[fmt.Sprint(n.Target, n.ID)] = time.Since(begun)
			return nil
		})
		b.put(now(), hookA, hookA, hookA, hookB, hookB, ana, bo)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, id := range []string{"b4", "b5", "ana@example.com6", "bo@example.com7"} {
			if at, arrived := sent[id]; !arrived || at > 2*time.Second {
				t.Errorf("%s: %v, %s", id, arrived, at)
			}
		}
		time.Sleep(40 * time.Second) // 15 s for each of the slow ones
		synctest.Wait()
		if got := b.left(); !strings.Contains(got, "a 1, a 1, a 1") && !strings.Contains(got, "a 2") {
			t.Errorf("left %q", got)
		}
		stop()
	})
}

// F12: what was being sent when the service stopped is sent again by the next one, as the same notification.
func TestF12StoppedWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		var seen []int64
		stop := running(t, b, nil, func(ctx context.Context, n notify.Notification) error {
			seen = append(seen, n.ID)
			<-ctx.Done()
			return ctx.Err()
		})
		b.put(now(), hookA)
		time.Sleep(3 * time.Second)
		stop()
		if b.left() != "a 0" {
			t.Errorf("left %q", b.left())
		}
		stop = running(t, b, nil, func(_ context.Context, n notify.Notification) error {
			seen = append(seen, n.ID)
			return nil
		})
		time.Sleep(time.Second)
		stop()
		if b.left() != "" || fmt.Sprint(seen) != "[1 1]" {
			t.Errorf("left %q, seen %v", b.left(), seen)
		}
	})
}

// A catalog that cannot be written to for a while makes no second call of one that has arrived.
func TestArrivedIsStoredWhenItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, calls := &box{refuses: 3}, 0
		stop := running(t, b, nil, func(context.Context, notify.Notification) error {
			calls++
			return nil
		})
		b.put(now(), hookA)
		time.Sleep(5 * time.Minute)
		stop()
		if calls != 1 || b.left() != "" {
			t.Errorf("%d calls, left %q", calls, b.left())
		}
	})
}
