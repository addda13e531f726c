package api

import (
	"encoding/json"
	"net/http"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

func (c *call) listParameters() (reply, error) {
	parameters, err := c.Workspaces.Parameters(c.r.Context(), c.item)
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.Parameter, 0, len(parameters))
	for _, p := range parameters {
		list = append(list, powerbi.Parameter{Name: p.Name, Type: p.Type, IsRequired: p.Required, CurrentValue: p.Value, SuggestedValues: p.Suggested})
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Parameter]{Context: c.context("parameters"), Value: list}}, nil
}

func (c *call) updateParameters() (reply, error) {
	values, err := c.decodeParameters()
	if err != nil {
		return reply{}, err
	}
	if err := c.Workspaces.SetParameters(c.r.Context(), c.caller(), c.item, values); err != nil {
		return reply{}, err
	}
	names := make([]string, len(values))
	for i, value := range values {
		names[i] = value.Name
	}
	c.audit("parameters.update", "model", c.item.Name, "modelId", c.item.ID, "parameters", names)
	return reply{status: http.StatusOK}, nil
}

// decodeParameters reads {"updateDetails":[{"name":…,"newValue":…}]}. Values are texts; numbers, true and false count as theirs, null is empty.
func (c *call) decodeParameters() ([]workspace.ParameterValue, error) {
	var body struct {
		UpdateDetails []struct {
			Name     string          `json:"name"`
			NewValue json.RawMessage `json:"newValue"`
		} `json:"updateDetails"`
	}
	if err := c.decodeLenient(&body); err != nil {
		return nil, err
	}
	values := make([]workspace.ParameterValue, len(body.UpdateDetails))
	for i, detail := range body.UpdateDetails {
		values[i].Name = detail.Name
		switch raw := detail.NewValue; {
		case len(raw) == 0 || string(raw) == "null":
		case raw[0] == '"':
			if err := json.Unmarshal(raw, &values[i].Value); err != nil {
				return nil, bodyFault(err)
			}
		case raw[0] == '{' || raw[0] == '[':
			return nil, fault.New(fault.Invalid, codeInvalid, "cannot update parameter '%s': its newValue must be a text", detail.Name)
		default:
			values[i].Value = string(raw)
		}
	}
	return values, nil
}
