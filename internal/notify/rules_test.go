package notify_test

import (
	"fmt"
	"strings"
	"testing"

	"freshet.dev/internal/notify"
)

const key = "a secret of twenty-four bytes, and more"

// R16, R37, F12: who hears of which end, for every kind of trigger.
func TestR16R37F12WhoHears(t *testing.T) {
	s := func(on notify.On) *notify.Service {
		return newService(t, notify.Config{
			Webhooks: []notify.Webhook{{Name: "ops", URL: "https://example.com/hook", Secret: key}},
			Mail:     notify.Mail{Host: "smtp.example.com", From: "freshet@example.com"},
			Default:  notify.Audience{On: on, Webhooks: []string{"ops"}, MailTo: []string{"ana@example.com"}},
		}, nil)
	}
	const (
		both, hook, letter, nobody = "ops ana@example.com", "ops", "ana@example.com", ""
	)
	tests := []struct {
		kind, option string
		on           notify.On
		// of a refresh that completed, failed, ran out of time, was cancelled
		want [4]string
	}{
		{"ViaEnhancedApi", "", "", [4]string{nobody, both, both, nobody}},
		{"ViaEnhancedApi", "", notify.OnFailure, [4]string{nobody, both, both, nobody}},
		{"ViaEnhancedApi", "", notify.OnCompletion, [4]string{both, both, both, both}},
		{"OnDemand", "", notify.OnFailure, [4]string{nobody, both, both, nobody}},
		{"OnDemand", "", notify.OnCompletion, [4]string{both, both, both, both}},
		{"ViaApi", "", notify.OnFailure, [4]string{nobody, both, both, nobody}},
		{"ViaApi", "", notify.OnCompletion, [4]string{both, both, both, both}},
		{"ViaApi", "NoNotification", notify.OnFailure, [4]string{nobody, hook, hook, nobody}},
		{"ViaApi", "NoNotification", notify.OnCompletion, [4]string{hook, hook, hook, hook}},
		{"ViaApi", "MailOnFailure", notify.OnFailure, [4]string{nobody, both, both, nobody}},
		{"ViaApi", "MailOnFailure", notify.OnCompletion, [4]string{hook, both, both, hook}},
		{"ViaApi", "MailOnCompletion", notify.OnFailure, [4]string{letter, both, both, letter}},
		{"ViaApi", "MailOnCompletion", notify.OnCompletion, [4]string{both, both, both, both}},
		{"Scheduled", "", notify.OnFailure, [4]string{nobody, both, both, nobody}},
		{"Scheduled", "", notify.OnCompletion, [4]string{hook, both, both, hook}},
		{"Scheduled", "MailOnFailure", notify.OnCompletion, [4]string{hook, both, both, hook}},
		{"Scheduled", "NoNotification", notify.OnFailure, [4]string{nobody, hook, hook, nobody}},
		// Those that a refresh of another kind may carry mean nothing.
		{"ViaEnhancedApi", "MailOnCompletion", notify.OnFailure, [4]string{nobody, both, both, nobody}},
		{"OnDemand", "NoNotification", notify.OnFailure, [4]string{nobody, both, both, nobody}},
	}
	for _, tt := range tests {
		for i, extended := range []string{"Completed", "Failed", "TimedOut", "Cancelled"} {
			if got := names(s(tt.on).Recipients(event(tt.kind, extended), tt.option)); got != tt.want[i] {
				t.Errorf("%s %s %q, on %q: %q hear, want %q", tt.kind, extended, tt.option, tt.on, got, tt.want[i])
			}
		}
	}
	if got := (*notify.Service)(nil).Recipients(event("Scheduled", "Failed"), ""); got != nil {
		t.Errorf("without a service %q hear", got)
	}
}

func names(recipients []notify.Recipient) string {
	var list []string
	for _, recipient := range recipients {
		list = append(list, recipient.Target)
	}
	return strings.Join(list, " ")
}

// A model's audience stands in place of the default one.
func TestAudienceOfAModel(t *testing.T) {
	for name, want := range map[string]string{
		"Sales/Retail": "own", "sALES/retail": "own", "5B4F1D3E-0000-4000-8000-000000000001": "own", "Sales/Other": "all", "Retail": "all",
	} {
		s := newService(t, notify.Config{
			Webhooks: []notify.Webhook{{Name: "all", URL: "https://example.com/hook", Secret: key}, {Name: "own", URL: "https://example.com/own", Secret: key}},
			Default:  notify.Audience{Webhooks: []string{"all"}},
			Models:   []notify.ModelAudience{{Model: name, Audience: notify.Audience{Webhooks: []string{"own"}}}},
		}, nil)
		if got := names(s.Recipients(event("Scheduled", "Failed"), "")); got != want {
			t.Errorf("%s: %q hears, want %q", name, got, want)
		}
	}
	s := newService(t, notify.Config{
		Webhooks: []notify.Webhook{{Name: "all", URL: "https://example.com/hook", Secret: key}},
		Default:  notify.Audience{Webhooks: []string{"all"}},
		Models:   []notify.ModelAudience{{Model: "Sales/Retail"}},
	}, nil)
	if got := names(s.Recipients(event("Scheduled", "Failed"), "")); got != "" {
		t.Errorf("%q hears of a model whose audience is empty", got)
	}
}

// What cannot work is refused by name, and no message holds the URL's path or the secret.
func TestConfigRefusals(t *testing.T) {
	hook := func(change func(*notify.Webhook)) notify.Config {
		w := notify.Webhook{Name: "ops", URL: "https://example.com/hush", Secret: key}
		change(&w)
		return notify.Config{Webhooks: []notify.Webhook{w}}
	}
	server := func(change func(*notify.Mail)) notify.Config {
		m := notify.Mail{Host: "smtp.example.com", From: "freshet@example.com"}
		change(&m)
		return notify.Config{Mail: m}
	}
	for want, config := range map[string]notify.Config{
		"no name":                hook(func(w *notify.Webhook) { w.Name = "" }),
		`url of webhook "ops"`:   hook(func(w *notify.Webhook) { w.URL = "https://exa mple.com/hush" }),
		"not a URL":              hook(func(w *notify.Webhook) { w.URL = "file:///hush" }),
		"allowHTTP":              hook(func(w *notify.Webhook) { w.URL = "http://example.com/hush" }),
		"a user in it":           hook(func(w *notify.Webhook) { w.URL = "https://hush:hush@example.com/" }),
		"has 4 bytes":            hook(func(w *notify.Webhook) { w.Secret = "hush" }),
		"has 8 bytes":            hook(func(w *notify.Webhook) { w.Secret = "whsec_aHVzaGh1c2g=" }),
		"in base64":              hook(func(w *notify.Webhook) { w.Secret = "whsec_hush!" }),
		"two webhooks":           {Webhooks: []notify.Webhook{{Name: "a", URL: "https://example.com", Secret: key}, {Name: "a", URL: "https://example.com", Secret: key}}},
		`no webhook "b"`:         {Default: notify.Audience{Webhooks: []string{"b"}}},
		`"Sales/Retail"`:         {Models: []notify.ModelAudience{{Model: "Sales/Retail", Audience: notify.Audience{On: "success"}}}},
		"failure or completion":  {Default: notify.Audience{On: "always"}},
		"mail.host and":          {Default: notify.Audience{MailTo: []string{"ana@example.com"}}},
		"mail.host: the":         server(func(m *notify.Mail) { m.Host = "" }),
		"mail.from":              server(func(m *notify.Mail) { m.From = "freshet" }),
		"starttls, tls or none":  server(func(m *notify.Mail) { m.Security = "ssl" }),
		"not this machine":       server(func(m *notify.Mail) { m.Security = notify.NoSecurity }),
		"mail.port":              server(func(m *notify.Mail) { m.Port = 65536 }),
		"mail.password needs":    server(func(m *notify.Mail) { m.Password = "hush" }),
		"is not a mail address":  {Mail: notify.Mail{Host: "h", From: "f@example.com"}, Default: notify.Audience{MailTo: []string{"Ana <ana@example.com>"}}},
		`"ana@example.com\r\nRC`: {Mail: notify.Mail{Host: "h", From: "f@example.com"}, Default: notify.Audience{MailTo: []string{"ana@example.com\r\nRCPT TO:<bo@example.com>"}}},
	} {
		_, err := notify.New(notify.Options{Config: config})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for _, config := range []notify.Config{
		{}, hook(func(w *notify.Webhook) { w.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }),
		server(func(m *notify.Mail) {
			m.Host, m.Security, m.From = "::1", notify.NoSecurity, "Freshet <freshet@example.com>"
		}),
		server(func(m *notify.Mail) { m.Host, m.Security = "localhost", notify.NoSecurity }),
	} {
		if _, err := notify.New(notify.Options{Config: config}); err != nil {
			t.Error(fmt.Sprintf("%+v", config), err)
		}
	}
}
