package powerbi

import (
	"context"
	"net/http"
)

// RefreshSchedule is when a semantic model is refreshed by itself.
type RefreshSchedule struct {
	Context         string            `json:"@odata.context,omitempty"`
	Days            []string          `json:"days"`            // Monday …
	Times           []string          `json:"times"`           // HH:00 or HH:30, by the clock of LocalTimeZoneID
	Enabled         bool              `json:"enabled"`         //
	LocalTimeZoneID string            `json:"localTimeZoneId"` // a name of Windows, such as Pacific Standard Time; with Freshet also of the IANA database
	NotifyOption    string            `json:"notifyOption"`    // MailOnFailure or NoNotification
	Freshet         *ScheduleProgress `json:"freshet,omitempty"`
}

// ScheduleProgress is what Freshet tells of a schedule beyond Power BI.
type ScheduleProgress struct {
	Cron    string `json:"cron,omitempty"` // five fields; stands in place of days and times
	NextRun Time   `json:"nextRun,omitzero"`
}

// ScheduleChange is what an update of a schedule changes; what is nil stays. One that disables it must change nothing else.
type ScheduleChange struct {
	Days            *[]string      `json:"days,omitempty"`
	Times           *[]string      `json:"times,omitempty"`
	Enabled         *bool          `json:"enabled,omitempty"`
	LocalTimeZoneID *string        `json:"localTimeZoneId,omitempty"`
	NotifyOption    *string        `json:"notifyOption,omitempty"`
	Freshet         *ScheduleExtra `json:"freshet,omitempty"`
}

// ScheduleUpdate is the body of an update of a schedule.
type ScheduleUpdate struct {
	Value ScheduleChange `json:"value"`
}

// ScheduleExtra is what Freshet lets a change set beyond Power BI.
type ScheduleExtra struct {
	Cron *string `json:"cron,omitempty"` // in place of days and times; "" takes it away
}

// RefreshSchedule returns a model's schedule.
func (c *Client) RefreshSchedule(ctx context.Context, ref Ref) (RefreshSchedule, error) {
	var schedule RefreshSchedule
	_, err := c.call(ctx, http.MethodGet, ref.path("refreshSchedule"), nil, nil, nil, &schedule)
	return schedule, err
}

// UpdateRefreshSchedule changes a model's schedule.
func (c *Client) UpdateRefreshSchedule(ctx context.Context, ref Ref, change ScheduleChange) error {
	_, err := c.call(ctx, http.MethodPatch, ref.path("refreshSchedule"), nil, nil, ScheduleUpdate{change}, nil)
	return err
}

// DirectQuerySchedule is when the tiles that show a model with DirectQuery tables are refreshed: at intervals, or by the clock. Freshet keeps it, and
// has no tiles.
type DirectQuerySchedule struct {
	Context         string   `json:"@odata.context,omitempty"`
	Frequency       int      `json:"frequency,omitempty"` // minutes: 15, 30, 60, 120, 180
	Days            []string `json:"days,omitempty"`
	Times           []string `json:"times,omitempty"` // HH:00 or HH:30
	LocalTimeZoneID string   `json:"localTimeZoneId,omitempty"`
}

// DirectQueryScheduleChange is what an update changes; what is nil stays. A frequency takes days and times away, and they the frequency.
type DirectQueryScheduleChange struct {
	Frequency       *int      `json:"frequency,omitempty"`
	Days            *[]string `json:"days,omitempty"`
	Times           *[]string `json:"times,omitempty"`
	LocalTimeZoneID *string   `json:"localTimeZoneId,omitempty"`
}

// DirectQueryScheduleUpdate is the body of an update.
type DirectQueryScheduleUpdate struct {
	Value DirectQueryScheduleChange `json:"value"`
}

// DirectQuerySchedule returns the schedule of a model with DirectQuery tables.
func (c *Client) DirectQuerySchedule(ctx context.Context, ref Ref) (DirectQuerySchedule, error) {
	var schedule DirectQuerySchedule
	_, err := c.call(ctx, http.MethodGet, ref.path("directQueryRefreshSchedule"), nil, nil, nil, &schedule)
	return schedule, err
}

// UpdateDirectQuerySchedule changes the schedule of a model with DirectQuery tables.
func (c *Client) UpdateDirectQuerySchedule(ctx context.Context, ref Ref, change DirectQueryScheduleChange) error {
	_, err := c.call(ctx, http.MethodPatch, ref.path("directQueryRefreshSchedule"), nil, nil, DirectQueryScheduleUpdate{change}, nil)
	return err
}
