package powerbi

import (
	"context"
	"net/http"
)

// DatasetUser is somebody with rights on a model.
type DatasetUser struct {
	Identifier    string `json:"identifier"` // an object id or an email address; with Freshet any id of a caller
	DisplayName   string `json:"displayName,omitempty"`
	PrincipalType string `json:"principalType"`          // User, App, Group
	AccessRight   string `json:"datasetUserAccessRight"` // None, or Read with any of Write, Reshare, Explore, in that order: ReadWriteReshareExplore
}

// DatasetUsers lists who has rights on a model, by a role in its workspace or by a grant.
func (c *Client) DatasetUsers(ctx context.Context, ref Ref) ([]DatasetUser, error) {
	var list List[DatasetUser]
	_, err := c.call(ctx, http.MethodGet, ref.path("users"), nil, nil, nil, &list)
	return list.Value, err
}

// AddDatasetUser gives somebody rights on a model, but for that to write.
func (c *Client) AddDatasetUser(ctx context.Context, ref Ref, user DatasetUser) error {
	_, err := c.call(ctx, http.MethodPost, ref.path("users"), nil, nil, user, nil)
	return err
}

// UpdateDatasetUser gives somebody other rights on a model; None takes them away.
func (c *Client) UpdateDatasetUser(ctx context.Context, ref Ref, user DatasetUser) error {
	_, err := c.call(ctx, http.MethodPut, ref.path("users"), nil, nil, user, nil)
	return err
}
