package notify

import (
	"encoding/base64"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"

	"freshet.dev/internal/fault"
)

// Config says who hears of what, and how. The zero value tells nobody.
type Config struct {
	Webhooks []Webhook
	Mail     Mail
	Default  Audience        // of the models that have none of their own
	Models   []ModelAudience // the first that means a model counts
}

// ModelAudience is the audience of one model, in place of the default one.
type ModelAudience struct {
	Model string // WORKSPACE/NAME in any letter case, or the model's id
	Audience
}

// Webhook is a receiver of events over HTTP.
type Webhook struct {
	Name         string `yaml:"name"` // by which audiences, the log and messages name it: the URL may hold a secret
	URL          string `yaml:"url"`
	Secret       string `yaml:"secret"`       // whsec_ and the key in base64, or the key itself: of 24 bytes or more
	AllowHTTP    bool   `yaml:"allowHTTP"`    // without TLS
	AllowPrivate bool   `yaml:"allowPrivate"` // at addresses that are not public
}

// Mail is the server that mails are handed to. Without a Host there is none.
type Mail struct {
	Host     string   `yaml:"host"`
	Port     int      `yaml:"port"`     // 0 is the usual one of Security
	Security Security `yaml:"security"` // "" = StartTLS
	Username string   `yaml:"username"` // "" = no sign-in
	Password string   `yaml:"password"`
	From     string   `yaml:"from"`
}

// Security is how the connection to a mail server is protected.
type Security string

// The ways.
const (
	StartTLS   Security = "starttls" // usual port 587
	TLS        Security = "tls"      // usual port 465
	NoSecurity Security = "none"     // usual port 25; to this machine only
)

// Audience is who hears of the refreshes of a model.
type Audience struct {
	On       On       `yaml:"on"`
	Webhooks []string `yaml:"webhooks"` // names
	MailTo   []string `yaml:"mailTo"`   // addresses
}

// On says of which ends an audience hears.
type On string

// The ends.
const (
	OnFailure    On = "failure"    // of refreshes that failed or ran out of time; what "" means
	OnCompletion On = "completion" // of every end
)

// The mail options of refreshes and schedules, in Power BI's words.
const (
	mailOnFailure    = "MailOnFailure"
	mailOnCompletion = "MailOnCompletion"
	noNotification   = "NoNotification"
)

// Recipients is the rule: who hears of an event. option is the notifyOption of the refresh or, for one that a schedule has started, of the schedule.
//
// The model's audience hears of the ends that its On names. With one exception: whether an end is mailed is the choice of the notifyOption for the
// refreshes that have one, standard ones by the API and scheduled ones. A schedule without the option has MailOnFailure, a refresh without it follows On.
func (s *Service) Recipients(event Event, option string) []Recipient {
	if s == nil {
		return nil
	}
	audience := s.audience(event)
	tells := func(on On) bool { return on == OnCompletion || event.Failed() }
	var recipients []Recipient
	if tells(audience.On) {
		for _, name := range audience.Webhooks {
			recipients = append(recipients, Recipient{ByWebhook, name})
		}
	}
	mails := tells(audience.On)
	if kind := event.Data.RefreshType; kind == "Scheduled" || kind == "ViaApi" {
		switch option {
		case noNotification:
			mails = false
		case mailOnCompletion:
			mails = true
		case mailOnFailure:
			mails = event.Failed()
		default:
			if kind == "Scheduled" {
				mails = event.Failed()
			}
		}
	}
	if mails {
		for _, address := range audience.MailTo {
			recipients = append(recipients, Recipient{ByMail, address})
		}
	}
	return recipients
}

func (s *Service) audience(event Event) Audience {
	what, _ := event.refreshed()
	for _, own := range s.options.Config.Models {
		if strings.EqualFold(own.Model, what.ID) || strings.EqualFold(own.Model, event.model()) {
			return own.Audience
		}
	}
	return s.options.Config.Default
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, fault.CodeConfiguration, format, args...)
}

// check finds what cannot work. Its errors name no URL and no secret.
func (c Config) check() error {
	names := map[string]bool{}
	for _, webhook := range c.Webhooks {
		switch {
		case webhook.Name == "":
			return invalid("a webhook has no name")
		case names[webhook.Name]:
			return invalid("there are two webhooks of the name %q", webhook.Name)
		}
		names[webhook.Name] = true
		if err := webhook.check(); err != nil {
			return err
		}
	}
	if err := c.Mail.check(); err != nil {
		return err
	}
	if err := c.checkAudience(c.Default, names); err != nil {
		return invalid("default: %w", err)
	}
	for _, own := range c.Models {
		if err := c.checkAudience(own.Audience, names); err != nil {
			return invalid("of model %q: %w", own.Model, err)
		}
	}
	return nil
}

func (c Config) checkAudience(audience Audience, webhooks map[string]bool) error {
	switch audience.On {
	case "", OnFailure, OnCompletion:
	default:
		return invalid("on is failure or completion, not %q", audience.On)
	}
	for _, name := range audience.Webhooks {
		if !webhooks[name] {
			return invalid("there is no webhook %q", name)
		}
	}
	for _, address := range audience.MailTo {
		if c.Mail.Host == "" {
			return invalid("mailTo needs a mail server: mail.host and mail.from")
		}
		if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
			return invalid("mailTo: %q is not a mail address such as ana@example.com", address)
		}
	}
	return nil
}

func (w Webhook) check() error {
	target, err := url.Parse(w.URL)
	switch {
	case err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http":
		return invalid("the url of webhook %q is not a URL such as https://example.com/hook", w.Name)
	case target.User != nil:
		return invalid("the url of webhook %q has a user in it: a receiver knows the sender by the signature", w.Name)
	case target.Scheme == "http" && !w.AllowHTTP:
		return invalid("the url of webhook %q is http: use https, or say allowHTTP: true", w.Name)
	}
	if key, err := w.key(); err != nil {
		return invalid("the secret of webhook %q begins with whsec_ and does not go on in base64", w.Name)
	} else if least := 24; len(key) < least {
		return invalid("the secret of webhook %q has %d bytes: %d are the least", w.Name, len(key), least)
	}
	return nil
}

// key is what the webhook's POSTs are signed with.
func (w Webhook) key() ([]byte, error) {
	if encoded, standard := strings.CutPrefix(w.Secret, "whsec_"); standard {
		return base64.StdEncoding.DecodeString(encoded)
	}
	return []byte(w.Secret), nil
}

func (m Mail) check() error {
	if m.Host == "" {
		if m != (Mail{}) {
			return invalid("mail.host: the mail server must be named")
		}
		return nil
	}
	switch m.Security {
	case "", StartTLS, TLS:
	case NoSecurity:
		if ip, err := netip.ParseAddr(m.Host); m.Host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return invalid("mail.security none sends in the clear, and mail.host %q is not this machine: use starttls or tls", m.Host)
		}
	default:
		return invalid("mail.security is starttls, tls or none, not %q", m.Security)
	}
	if m.Port < 0 || m.Port > 65535 {
		return invalid("mail.port: there is no port %d", m.Port)
	}
	if m.Username == "" && m.Password != "" {
		return invalid("mail.password needs mail.username")
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		return invalid("mail.from: %q is not a mail address such as freshet@example.com", m.From)
	}
	return nil
}
