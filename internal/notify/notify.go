// Package notify tells people and programs that a refresh has ended, or a schedule was disabled: by webhooks and by mail.
//
// Whoever ends a refresh asks Recipients who is to hear of it, and keeps a Notification for each in the transaction that ends it. Run sends what
// is kept, at least once, and tries again what did not arrive. doc/notifications.md tells receivers what they get.
package notify

import (
	"time"

	"freshet.dev/internal/fault"
)

// Event says that a refresh has ended, or that a schedule was disabled after one. Its JSON is the body of a webhook's POST, and how notifications keep it.
type Event struct {
	Type      string    `json:"type"`      // refresh.completed, refresh.failed, refresh.timedOut, refresh.cancelled, schedule.disabled
	Timestamp time.Time `json:"timestamp"` // when that was
	Data      Refresh   `json:"data"`
}

// Refresh is what an event tells of its refresh, in the words of a model's refresh history.
type Refresh struct {
	RequestID      string    `json:"requestId"`
	Workspace      Named     `json:"workspace"`
	Dataset        Named     `json:"dataset,omitzero"`  // the model that was refreshed, or
	Dataflow       Named     `json:"dataflow,omitzero"` // the dataflow
	RefreshType    string    `json:"refreshType"`       // ViaApi, ViaEnhancedApi, OnDemand, Scheduled
	Status         string    `json:"status"`            // Completed, Failed, Cancelled
	ExtendedStatus string    `json:"extendedStatus"`
	StartTime      time.Time `json:"startTime"` // when it was accepted
	EndTime        time.Time `json:"endTime"`
	Rows           int64     `json:"rows"` // that it loaded and readers see
	Error          *Error    `json:"error,omitempty"`
}

// Named is something with an id and a name.
type Named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Error is the root cause of a failure, and where it lies.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	fault.Where
}

// The extended statuses of refreshes that have ended.
const (
	completed = "Completed"
	failed    = "Failed"
	timedOut  = "TimedOut"
	cancelled = "Cancelled"
)

// Ended is the event of a refresh that has ended.
func Ended(refresh Refresh) Event {
	event := Event{Timestamp: refresh.EndTime, Data: refresh}
	switch refresh.ExtendedStatus {
	case completed:
		event.Type = "refresh.completed"
	case timedOut:
		event.Type = "refresh.timedOut"
	case cancelled:
		event.Type = "refresh.cancelled"
	default:
		event.Type = "refresh.failed"
	}
	return event
}

// scheduleDisabled is the type of the events of Disabled.
const scheduleDisabled = "schedule.disabled"

// Disabled is the event of a schedule that was disabled because its refreshes have failed too often in a row, of which this is the last one (R37).
func Disabled(last Refresh, at time.Time) Event {
	return Event{Type: scheduleDisabled, Timestamp: at, Data: last}
}

// Failed tells whether the refresh failed. One that somebody cancelled did not.
func (e Event) Failed() bool {
	return e.Data.ExtendedStatus == failed || e.Data.ExtendedStatus == timedOut
}

// id is the same each time that the event is sent, by which receivers know repeats. It holds no dot: the signature joins with dots.
func (e Event) id() string {
	if e.Type == scheduleDisabled {
		return "off_" + e.Data.RequestID
	}
	return "end_" + e.Data.RequestID
}

// refreshed is what the event's refresh was of, and what kind of thing that is.
func (e Event) refreshed() (what Named, kind string) {
	if e.Data.Dataflow != (Named{}) {
		return e.Data.Dataflow, "dataflow"
	}
	return e.Data.Dataset, "model"
}

// model is how people name the event's model or dataflow.
func (e Event) model() string {
	what, _ := e.refreshed()
	return e.Data.Workspace.Name + "/" + what.Name
}

// Channel is a way to tell.
type Channel string

// The channels.
const (
	ByWebhook Channel = "webhook"
	ByMail    Channel = "mail"
)

// Recipient is who hears of an event.
type Recipient struct {
	Channel Channel
	Target  string // the name of a webhook, a mail address
}

// Notification is an event that a recipient is to hear of.
type Notification struct {
	ID int64
	Recipient
	Event Event
	Tries int // that did not arrive
}

// Warning: a notification of the refresh's end was given up; the text says whose, and why.
// Do: correct the webhook or the mail server in the configuration (doc/notifications.md); it is not sent again.
const CodeNotDelivered = "NotificationNotDelivered"
