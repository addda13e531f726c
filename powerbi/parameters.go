package powerbi

import (
	"context"
	"net/http"
)

// Parameter is a parameter of a model's M expressions.
type Parameter struct {
	Name            string   `json:"name"`
	Type            string   `json:"type"` // Text, Number, Logical, Date, DateTime, DateTimeZone, Time, Duration, Binary, Any
	IsRequired      bool     `json:"isRequired"`
	CurrentValue    string   `json:"currentValue,omitempty"` // "" = none; of a date or a number in the ways of en-US
	SuggestedValues []string `json:"suggestedValues,omitempty"`
}

// ParameterUpdate gives a parameter, whose letter case matters, another value.
type ParameterUpdate struct {
	Name     string `json:"name"`
	NewValue string `json:"newValue"`
}

// ParameterUpdates is the body of an update of parameters.
type ParameterUpdates struct {
	UpdateDetails []ParameterUpdate `json:"updateDetails"`
}

// Parameters lists the parameters of a model.
func (c *Client) Parameters(ctx context.Context, ref Ref) ([]Parameter, error) {
	var list List[Parameter]
	_, err := c.call(ctx, http.MethodGet, ref.path("parameters"), nil, nil, nil, &list)
	return list.Value, err
}

// UpdateParameters gives up to 100 parameters of a model other values, which its next refresh reads with.
func (c *Client) UpdateParameters(ctx context.Context, ref Ref, updates []ParameterUpdate) error {
	_, err := c.call(ctx, http.MethodPost, ref.path("Default.UpdateParameters"), nil, nil, ParameterUpdates{updates}, nil)
	return err
}
