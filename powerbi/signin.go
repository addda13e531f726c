package powerbi

import (
	"context"
	"net/http"
)

// SignInDecision is a program that waited with a device code, and for whom it speaks if it was approved.
type SignInDecision struct {
	Client   string `json:"client"`
	Audience string `json:"audience"`
	As       string `json:"as"`
}

// SignInAnswer is what somebody answers a program that waits with a device code.
type SignInAnswer struct {
	As      string `json:"as,omitempty"` // for whom it is to speak; "" is the caller
	Decline bool   `json:"decline,omitempty"`
}

// DecideSignIn approves, or declines, the program that shows a device code. as is for whom it is to speak; "" is the caller. Freshet only.
func (c *Client) DecideSignIn(ctx context.Context, userCode, as string, approve bool) (SignInDecision, error) {
	var decision SignInDecision
	_, err := c.call(ctx, http.MethodPost, join("/v1.0/freshet", []string{"devices", userCode}), nil, nil, SignInAnswer{as, !approve}, &decision)
	return decision, err
}
