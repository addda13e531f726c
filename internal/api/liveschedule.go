package api

import (
	"net/http"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/schedule"
	"freshet.dev/powerbi"
)

// direct refuses models without DirectQuery tables, whose schedule is another one.
func (c *call) direct() error {
	direct, err := c.Workspaces.HasDirectQuery(c.r.Context(), c.item)
	if err == nil && !direct {
		err = fault.New(fault.Invalid, codeInvalid, "cannot show or set the DirectQuery schedule of model '%s': it has no DirectQuery table, its data is imported", c.item.Name).
			WithHint("The schedule of its refreshes is …/refreshSchedule.")
	}
	return err
}

func (c *call) getLiveSchedule() (reply, error) {
	if err := c.direct(); err != nil {
		return reply{}, err
	}
	live, err := c.LiveSchedules.Get(c.r.Context(), c.item.ID)
	if err != nil {
		return reply{}, err
	}
	answer := powerbi.DirectQuerySchedule{Context: c.context("directQueryRefreshSchedule"), Frequency: live.Frequency, LocalTimeZoneID: live.Schedule.ZoneID}
	for _, day := range live.Schedule.Days {
		answer.Days = append(answer.Days, day.String())
	}
	for _, at := range live.Schedule.Times {
		answer.Times = append(answer.Times, at.String())
	}
	if answer.LocalTimeZoneID == "" {
		answer.LocalTimeZoneID = "UTC"
	}
	return reply{http.StatusOK, answer}, nil
}

func (c *call) patchLiveSchedule() (reply, error) {
	if err := c.direct(); err != nil {
		return reply{}, err
	}
	if err := c.Workspaces.Owned(c.caller(), c.item); err != nil {
		return reply{}, err
	}
	var body powerbi.DirectQueryScheduleUpdate
	if err := c.decodeLenient(&body); err != nil {
		return reply{}, err
	}
	change := schedule.LiveChange{Frequency: body.Value.Frequency, Days: body.Value.Days, Times: body.Value.Times, ZoneID: body.Value.LocalTimeZoneID}
	if err := c.LiveSchedules.Change(c.r.Context(), c.item.ID, change); err != nil {
		return reply{}, err
	}
	c.audit("directQuerySchedule.change", "model", c.item.Name, "modelId", c.item.ID)
	return reply{status: http.StatusOK}, nil
}
