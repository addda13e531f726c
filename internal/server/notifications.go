package server

import (
	"log/slog"
	"time"

	"freshet.dev/internal/notify"
)

// Notifications say who hears of the ends of refreshes; a model may have an audience of its own.
type Notifications struct {
	Webhooks []notify.Webhook `yaml:"webhooks"`
	Mail     notify.Mail      `yaml:"mail"`
	Default  notify.Audience  `yaml:"default"`
}

// notifications are the configured ones as their room takes them.
func (c Config) notifications(logger *slog.Logger) notify.Options {
	n := c.Notifications
	config := notify.Config{Webhooks: n.Webhooks, Mail: n.Mail, Default: n.Default}
	for _, model := range c.Models {
		if model.Notifications != nil {
			config.Models = append(config.Models, notify.ModelAudience{Model: model.Name, Audience: *model.Notifications})
		}
	}
	return notify.Options{Config: config, Now: time.Now, Logger: logger}
}
