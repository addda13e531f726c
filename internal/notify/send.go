package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Options are what a Service works with. What stands above the line is required.
type Options struct {
	Now    func() time.Time
	Logger *slog.Logger
	// –––
	Config Config
	Random func() float64 // from 0 to 1, for the jitter of pauses; nil = math/rand/v2
}

// Service knows who hears of what, and tells them. It is safe for concurrent use.
type Service struct {
	options  Options
	webhooks map[string]Webhook // by name
	public   *http.Client
	anywhere *http.Client
	call     func(context.Context, Notification) error // deliver
}

// The limits of sending.
const (
	callLimit  = 15 * time.Second // of one try
	lookEvery  = 2 * time.Second
	firstPause = 10 * time.Second // before the second try; doubled before each one after it, up to
	mostPause  = time.Hour
	giveUp     = 24 * time.Hour  // after the end of the refresh
	lastWords  = 5 * time.Second // how long a stopping service may take to store what it has sent
)

// New returns a service. A Config that cannot work is Invalid.
func New(options Options) (*Service, error) {
	if err := options.Config.check(); err != nil {
		return nil, err
	}
	if options.Random == nil {
		options.Random = rand.Float64
	}
	s := &Service{options: options, webhooks: map[string]Webhook{}, public: client(onlyPublic), anywhere: client(nil)}
	s.call = s.deliver
	for _, webhook := range options.Config.Webhooks {
		s.webhooks[webhook.Name] = webhook
	}
	return s, nil
}

// outbox keeps the notifications that are still to be sent. The catalog implements it.
type outbox interface {
	// DueNotifications returns for each recipient the notification that has been due longest; the one of all that has been due longest first.
	DueNotifications(ctx context.Context, now time.Time) ([]Notification, error)
	// PutOff stores that another try did not arrive, and when the next one is due.
	PutOff(ctx context.Context, id int64, due time.Time) error
	// Settle deletes a notification. warning, unless it is "", becomes a warning of its refresh, with CodeNotDelivered.
	Settle(ctx context.Context, id int64, at time.Time, warning string) error
}

// Run sends what is in the outbox until ctx ends.
//
// A webhook, and the mail server, has one call at a time, so that a slow one holds nobody else up. What was on its way when ctx ended is sent again by
// the next Run.
func (s *Service) Run(ctx context.Context, outbox outbox) {
	var group sync.WaitGroup
	defer group.Wait()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	busy := map[string]bool{} // by line
	free := make(chan string)
	for {
		due, err := outbox.DueNotifications(ctx, s.options.Now())
		if err != nil && ctx.Err() == nil {
			s.options.Logger.Error("cannot read the notifications to send; trying again", "error", err)
		}
		for _, notification := range due {
			line := notification.line()
			if busy[line] {
				continue
			}
			busy[line] = true
			group.Go(func() {
				s.send(ctx, outbox, notification)
				select {
				case free <- line:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case line := <-free:
			delete(busy, line)
		case <-look.C:
		}
	}
}

// line is what a notification waits in: there is one for each webhook, and one for all mails.
func (n Notification) line() string {
	if n.Channel == ByMail {
		return string(ByMail)
	}
	return string(n.Channel) + " " + n.Target
}

// errFinal is what no other try can mend.
var errFinal = errors.New("it is not tried again")

// send makes one try and stores what has become of it.
func (s *Service) send(ctx context.Context, outbox outbox, n Notification) {
	limited, stop := context.WithTimeout(ctx, callLimit)
	err := s.call(limited, n)
	stop()
	if err != nil && ctx.Err() != nil {
		return // cut off: the next Run tries again
	}
	log := s.options.Logger.With("refresh", n.Event.Data.RequestID, "channel", string(n.Channel), "target", n.Target, "try", n.Tries+1)
	now := s.options.Now()
	next := now.Add(s.pause(n.Tries + 1))
	var later retryAfter
	if errors.As(err, &later) && next.Before(now.Add(time.Duration(later))) {
		next = now.Add(time.Duration(later))
	}
	switch {
	case err == nil:
		log.Debug("notification sent")
		s.store(ctx, log, func(ctx context.Context) error { return outbox.Settle(ctx, n.ID, now, "") })
	case errors.Is(err, errFinal) || next.Sub(n.Event.Timestamp) > giveUp:
		log.Warn("notification given up", "error", err)
		warning := fmt.Sprintf("cannot notify %s of the %s (try %d): %s", n.Recipient, map[bool]string{false: "end of the refresh", true: "schedule's end"}[n.Event.Type == scheduleDisabled], n.Tries+1, err)
		s.store(ctx, log, func(ctx context.Context) error { return outbox.Settle(ctx, n.ID, now, warning) })
	default:
		level := slog.LevelDebug
		if n.Tries == 0 {
			level = slog.LevelInfo // once: the end of the tries may be a day away
		}
		log.Log(ctx, level, "notification put off", "until", next, "error", err)
		s.store(ctx, log, func(ctx context.Context) error { return outbox.PutOff(ctx, n.ID, next) })
	}
}

// store writes to the outbox, trying until it can: what is not stored as sent would be sent again.
func (s *Service) store(ctx context.Context, log *slog.Logger, write func(context.Context) error) {
	for try := 1; ; try++ {
		limited, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		err := write(limited)
		stop()
		if err == nil {
			return
		}
		log.Error("cannot store what has become of a notification; trying again", "error", err)
		timer := time.NewTimer(s.pause(try))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// pause is how long to wait after so many tries.
func (s *Service) pause(tries int) time.Duration {
	pause := mostPause
	if doubled := firstPause << min(tries-1, 10); doubled < mostPause {
		pause = doubled
	}
	return pause/2 + time.Duration(s.options.Random()*float64(pause/2))
}

// deliver makes one try. Its errors hold no secret.
func (s *Service) deliver(ctx context.Context, n Notification) error {
	switch webhook, known := s.webhooks[n.Target]; {
	case n.Channel == ByMail && s.options.Config.Mail.Host != "":
		return s.mail(ctx, n)
	case n.Channel == ByWebhook && known:
		return s.post(ctx, webhook, n.Event)
	}
	return fmt.Errorf("the configuration does not have it any more; %w", errFinal)
}

// String names the recipient to people.
func (r Recipient) String() string {
	if r.Channel == ByMail {
		return r.Target + " by mail"
	}
	return "webhook '" + r.Target + "'"
}
