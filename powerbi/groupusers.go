package powerbi

import (
	"context"
	"net/http"
)

// NoCapacity is the id by which a workspace is taken off its capacity.
const NoCapacity = "00000000-0000-0000-0000-000000000000"

// CapacityTarget is the capacity to which a workspace is assigned.
type CapacityTarget struct {
	CapacityID string `json:"capacityId"` // NoCapacity: none
}

// CapacityAssignment is how far the assignment of a workspace to a capacity is.
type CapacityAssignment struct {
	Status     string `json:"status"` // CompletedSuccessfully, Pending, InProgress, AssignmentFailed
	CapacityID string `json:"capacityId,omitempty"`
}

// GroupUser is somebody with a role in a workspace.
type GroupUser struct {
	Identifier    string `json:"identifier,omitempty"`   // an object id; with Freshet any id of a caller
	EmailAddress  string `json:"emailAddress,omitempty"` // of a person, in place of the identifier
	DisplayName   string `json:"displayName,omitempty"`
	PrincipalType string `json:"principalType,omitempty"`        // User, App, Group
	AccessRight   string `json:"groupUserAccessRight,omitempty"` // None, Viewer, Contributor, Member, Admin
}

// AssignToCapacity puts a workspace on a capacity, or with NoCapacity on none.
func (c *Client) AssignToCapacity(ctx context.Context, groupID, capacityID string) error {
	_, err := c.call(ctx, http.MethodPost, myorg("groups", groupID, "AssignToCapacity"), nil, nil, CapacityTarget{capacityID}, nil)
	return err
}

// CapacityAssignment tells how far the last assignment of a workspace is.
func (c *Client) CapacityAssignment(ctx context.Context, groupID string) (CapacityAssignment, error) {
	var assignment CapacityAssignment
	_, err := c.call(ctx, http.MethodGet, myorg("groups", groupID, "CapacityAssignmentStatus"), nil, nil, nil, &assignment)
	return assignment, err
}

// GroupUsers lists who has a role in a workspace.
func (c *Client) GroupUsers(ctx context.Context, groupID string) ([]GroupUser, error) {
	var list List[GroupUser]
	_, err := c.call(ctx, http.MethodGet, myorg("groups", groupID, "users"), nil, nil, nil, &list)
	return list.Value, err
}

// AddGroupUser gives somebody a role in a workspace.
func (c *Client) AddGroupUser(ctx context.Context, groupID string, user GroupUser) error {
	_, err := c.call(ctx, http.MethodPost, myorg("groups", groupID, "users"), nil, nil, user, nil)
	return err
}

// UpdateGroupUser changes somebody's role in a workspace.
func (c *Client) UpdateGroupUser(ctx context.Context, groupID string, user GroupUser) error {
	_, err := c.call(ctx, http.MethodPut, myorg("groups", groupID, "users"), nil, nil, user, nil)
	return err
}

// DeleteGroupUser takes somebody's role in a workspace away; user is an id or an email address.
func (c *Client) DeleteGroupUser(ctx context.Context, groupID, user string) error {
	_, err := c.call(ctx, http.MethodDelete, myorg("groups", groupID, "users", user), nil, nil, nil, nil)
	return err
}

// RefreshUserPermissions makes changes of the caller's rights known to the service; with Freshet they are at once.
func (c *Client) RefreshUserPermissions(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodPost, myorg("RefreshUserPermissions"), nil, nil, nil, nil)
	return err
}
