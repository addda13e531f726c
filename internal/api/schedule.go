package api

import (
	"encoding/json"
	"net/http"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/schedule"
	"freshet.dev/powerbi"
)

// How many scheduled refreshes a day Power BI allows (contract, section 7).
const (
	sharedSlots   = 8
	capacitySlots = 48
)

func (c *call) getSchedule() (reply, error) {
	answer, err := c.scheduleOf(c.item.ID)
	answer.Context = c.context("refreshSchedule")
	return reply{http.StatusOK, answer}, err
}

// scheduleOf describes the schedule of a model.
func (c *call) scheduleOf(model string) (powerbi.RefreshSchedule, error) {
	s, err := c.Schedules.Get(c.r.Context(), model)
	if err != nil {
		return powerbi.RefreshSchedule{}, err
	}
	answer := powerbi.RefreshSchedule{
		Days: []string{}, Times: []string{}, Enabled: s.Enabled,
		LocalTimeZoneID: s.ZoneID, NotifyOption: string(s.Notify), Freshet: &powerbi.ScheduleProgress{Cron: s.Cron},
	}
	for _, day := range s.Days {
		answer.Days = append(answer.Days, day.String())
	}
	for _, at := range s.Times {
		answer.Times = append(answer.Times, at.String())
	}
	if answer.LocalTimeZoneID == "" {
		answer.LocalTimeZoneID = "UTC"
	}
	if answer.NotifyOption == "" {
		answer.NotifyOption = string(schedule.MailOnFailure)
	}
	if s.Enabled {
		next, _, err := s.Next(c.Now())
		if err != nil {
			return powerbi.RefreshSchedule{}, err
		}
		answer.Freshet.NextRun = powerbi.Time{Time: next}
	}
	return answer, nil
}

func (c *call) patchSchedule() (reply, error) {
	if err := c.Workspaces.Owned(c.caller(), c.item); err != nil {
		return reply{}, err
	}
	change, err := c.decodeSchedule()
	if err != nil {
		return reply{}, err
	}
	slots, err := c.slots()
	if err != nil {
		return reply{}, err
	}
	changed, err := c.Schedules.Change(c.r.Context(), c.item.ID, change, slots)
	if err != nil {
		return reply{}, err
	}
	c.audit("schedule.change", "model", c.item.Name, "modelId", c.item.ID, "enabled", changed.Enabled)
	return reply{status: http.StatusOK}, nil
}

// decodeSchedule reads {"value":{…}}. What GET has answered may be sent back: what of it is no setting is ignored.
func (c *call) decodeSchedule() (schedule.Change, error) {
	var body struct {
		Value *struct {
			powerbi.ScheduleChange
			Enabled json.RawMessage `json:"enabled"`
		} `json:"value"`
	}
	if err := c.decodeLenient(&body); err != nil {
		return schedule.Change{}, err
	}
	if body.Value == nil {
		return schedule.Change{}, fault.New(fault.Invalid, codeInvalid, `cannot change the schedule: the body has no "value"`).
			WithHint(`Send {"value":{"days":["Monday"],"times":["07:00"],"enabled":true}}.`)
	}
	change := schedule.Change{Days: body.Value.Days, Times: body.Value.Times, ZoneID: body.Value.LocalTimeZoneID, Notify: body.Value.NotifyOption}
	if extra := body.Value.Freshet; extra != nil {
		change.Cron = extra.Cron
	}
	if raw := body.Value.Enabled; len(raw) > 0 && string(raw) != "null" {
		var err error
		if change.Enabled, err = booleanOf(raw); err != nil {
			return schedule.Change{}, fault.New(fault.Invalid, codeInvalid, "cannot use the parameter \"enabled\": %w", err)
		}
	}
	return change, nil
}

// slots is how many scheduled refreshes a day the model's workspace allows.
func (c *call) slots() (int, error) {
	shared, err := c.Workspaces.Shared(c.r.Context(), c.item)
	if shared {
		return sharedSlots, err
	}
	return capacitySlots, err
}
