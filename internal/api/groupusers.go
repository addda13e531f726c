package api

import (
	"net/http"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// assignGroup puts a workspace on a capacity, or on none (R2).
func (c *call) assignGroup() (reply, error) {
	var body powerbi.CapacityTarget
	if err := c.decodeLenient(&body); err != nil {
		return reply{}, err
	}
	name := ""
	if body.CapacityID != powerbi.NoCapacity {
		found, err := c.capacityNamed(body.CapacityID)
		if err != nil {
			return reply{}, err
		}
		name = found
	}
	assigned, err := c.Workspaces.Assign(c.r.Context(), c.caller(), c.group.ID, name)
	if err != nil {
		return reply{}, err
	}
	c.audit("workspace.assign", "workspace", assigned.Name, "workspaceId", assigned.ID, "capacity", assigned.Capacity)
	return reply{status: http.StatusOK}, nil
}

// capacityNamed finds the name of a capacity's id.
func (c *call) capacityNamed(id string) (string, error) {
	var known []string
	for _, state := range c.Engine.Capacities() {
		if strings.EqualFold(capacityID(state.Name), id) {
			return state.Name, nil
		}
		known = append(known, capacityID(state.Name)+" ("+state.Name+")")
	}
	return "", fault.New(fault.NotFound, fault.CodeCapacityUnknown, "cannot find the capacity %q", id).
		WithHint("There are %s; %s stands for none.", strings.Join(known, ", "), powerbi.NoCapacity)
}

// groupAssignment tells that an assignment is done: it takes no time here.
func (c *call) groupAssignment() (reply, error) {
	answer := powerbi.CapacityAssignment{Status: "CompletedSuccessfully"}
	if !c.group.Shared() {
		answer.CapacityID = capacityID(c.group.Capacity)
	}
	return reply{http.StatusOK, answer}, nil
}

func (c *call) listGroupUsers() (reply, error) {
	grants, err := c.Workspaces.Grants(c.r.Context(), c.caller(), c.group.ID)
	if err != nil {
		return reply{}, err
	}
	users := make([]powerbi.GroupUser, 0, len(grants))
	for _, grant := range grants {
		user := powerbi.GroupUser{Identifier: grant.PrincipalID, DisplayName: grant.PrincipalName, PrincipalType: "User", AccessRight: grant.Role.String()}
		if grant.App {
			user.PrincipalType = "App"
		} else if strings.Contains(grant.PrincipalID, "@") {
			user.EmailAddress = grant.PrincipalID
		}
		users = append(users, user)
	}
	return reply{http.StatusOK, powerbi.List[powerbi.GroupUser]{Context: c.context("users"), Value: users}}, nil
}

// putGroupUser gives somebody a role, in place of the one that they had.
func (c *call) putGroupUser() (reply, error) {
	var user powerbi.GroupUser
	if err := c.decodeLenient(&user); err != nil {
		return reply{}, err
	}
	role, err := workspace.ParseRole(user.AccessRight)
	if err != nil {
		return reply{}, err
	}
	if strings.EqualFold(user.PrincipalType, "Group") {
		return reply{}, fault.New(fault.Invalid, codeInvalid, "cannot give a role to a group: Freshet knows people and applications").
			WithHint("Name each of them.")
	}
	if user.Identifier == "" {
		user.Identifier = user.EmailAddress
	}
	if user.DisplayName == "" {
		user.DisplayName = user.Identifier
	}
	return c.grant(workspace.Grant{PrincipalID: user.Identifier, PrincipalName: user.DisplayName, App: strings.EqualFold(user.PrincipalType, "App"), Role: role})
}

func (c *call) deleteGroupUser() (reply, error) {
	return c.grant(workspace.Grant{PrincipalID: c.r.PathValue("user"), Role: workspace.NoRole})
}

func (c *call) grant(grant workspace.Grant) (reply, error) {
	if err := c.Workspaces.Grant(c.r.Context(), c.caller(), c.group.ID, grant); err != nil {
		return reply{}, err
	}
	c.audit("workspace.grant", "workspaceId", c.group.ID, "principal", grant.PrincipalID, "role", grant.Role.String())
	return reply{status: http.StatusOK}, nil
}

// refreshPermissions has nothing to do: every call reads the caller's rights as they are stored.
func (c *call) refreshPermissions() (reply, error) { return reply{status: http.StatusOK}, nil }
