package api

import (
	"net/http"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

func (c *call) listDatasetUsers() (reply, error) {
	grants, err := c.Workspaces.Users(c.r.Context(), c.caller(), c.item)
	if err != nil {
		return reply{}, err
	}
	users := make([]powerbi.DatasetUser, 0, len(grants))
	for _, grant := range grants {
		user := powerbi.DatasetUser{Identifier: grant.PrincipalID, DisplayName: grant.PrincipalName, PrincipalType: "User", AccessRight: grant.Rights.String()}
		if grant.App {
			user.PrincipalType = "App"
		}
		users = append(users, user)
	}
	return reply{http.StatusOK, powerbi.List[powerbi.DatasetUser]{Context: c.context("users"), Value: users}}, nil
}

// addDatasetUser gives somebody rights; those to write are given by a change alone, as in Power BI.
func (c *call) addDatasetUser() (reply, error) {
	return c.grantItem(func(rights workspace.Rights) error {
		if rights&workspace.WriteRight == 0 && rights != workspace.NoRights {
			return nil
		}
		return fault.New(fault.Invalid, codeInvalid, "cannot add a user with the right %s", rights).WithHint("POST takes Read, ReadReshare, ReadExplore and ReadReshareExplore; PUT takes the others, too.")
	})
}

func (c *call) updateDatasetUser() (reply, error) {
	return c.grantItem(func(workspace.Rights) error { return nil })
}

func (c *call) grantItem(check func(workspace.Rights) error) (reply, error) {
	var user powerbi.DatasetUser
	if err := c.decodeLenient(&user); err != nil {
		return reply{}, err
	}
	rights, err := workspace.ParseRights(user.AccessRight)
	if err == nil {
		err = check(rights)
	}
	if err != nil {
		return reply{}, err
	}
	if strings.EqualFold(user.PrincipalType, "Group") {
		return reply{}, fault.New(fault.Invalid, codeInvalid, "cannot give rights to a group: Freshet knows people and applications").WithHint("Name each of them.")
	}
	if user.DisplayName == "" {
		user.DisplayName = user.Identifier
	}
	grant := workspace.ItemGrant{PrincipalID: user.Identifier, PrincipalName: user.DisplayName, App: strings.EqualFold(user.PrincipalType, "App"), Rights: rights}
	if err := c.Workspaces.GrantItem(c.r.Context(), c.caller(), c.item, grant); err != nil {
		return reply{}, err
	}
	c.audit("model.grant", "model", c.item.Name, "modelId", c.item.ID, "principal", user.Identifier, "rights", rights.String())
	return reply{status: http.StatusOK}, nil
}
