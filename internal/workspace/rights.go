package workspace

import (
	"context"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
)

// Rights are what a principal may do with one model, besides its role in the workspace.
type Rights uint8

// The rights. Explore means nothing here but that it is kept: it is for reports.
const (
	ReadRight    Rights = 1 << iota // reads the model and its data, as a Viewer does
	WriteRight                      // refreshes, configures and deletes it, as a Contributor does
	ReshareRight                    // gives others what it has itself
	ExploreRight

	NoRights Rights = 0
)

// String is Power BI's name: ReadWriteReshareExplore, or less.
func (r Rights) String() string {
	if r == NoRights {
		return "None"
	}
	name := ""
	for i, part := range [...]string{"Read", "Write", "Reshare", "Explore"} {
		if r&(1<<i) != 0 {
			name += part
		}
	}
	return name
}

// ParseRights reads Power BI's name in any letter case.
func ParseRights(text string) (Rights, error) {
	var names []string
	for r := NoRights; r <= ReadRight|WriteRight|ReshareRight|ExploreRight; r++ {
		if r != NoRights && r&ReadRight == 0 {
			continue
		}
		if strings.EqualFold(r.String(), text) {
			return r, nil
		}
		names = append(names, r.String())
	}
	return NoRights, fault.New(fault.Invalid, codeInvalid, "cannot give the right '%s'", text).WithHint("The rights are %s.", strings.Join(names, ", "))
}

// role is what rights come to in a route's need.
func (r Rights) role() Role {
	switch {
	case r&WriteRight != 0:
		return Contributor
	case r&ReadRight != 0:
		return Viewer
	}
	return NoRole
}

// rights are what a role in the workspace comes to for each of its models.
func (r Role) rights() Rights {
	switch r {
	case Admin, Member:
		return ReadRight | WriteRight | ReshareRight | ExploreRight
	case Contributor:
		return ReadRight | WriteRight | ExploreRight
	case Viewer:
		return ReadRight
	}
	return NoRights
}

// ItemGrant gives a principal rights on one model.
type ItemGrant struct {
	ItemID        string
	PrincipalID   string
	PrincipalName string
	App           bool
	Rights        Rights
}

// itemRights are what a caller may do with a model, by its role, which is returned too, and by what it was given.
func (s *Service) itemRights(ctx context.Context, caller Caller, item Item) (Rights, Role, error) {
	workspace, err := s.repository.Workspace(ctx, item.WorkspaceID)
	if err != nil {
		return NoRights, NoRole, err
	}
	role, err := s.role(ctx, caller, workspace)
	if err != nil {
		return NoRights, NoRole, err
	}
	grants, err := s.repository.ItemGrants(ctx, item.ID, caller.ID)
	rights := role.rights()
	for _, grant := range grants {
		rights |= grant.Rights
	}
	return rights, role, err
}

// checkItem answers as if there were no such model when the caller has no right on it.
func (s *Service) checkItem(ctx context.Context, caller Caller, need Role, item Item, ref string) error {
	rights, role, err := s.itemRights(ctx, caller, item)
	switch {
	case err != nil:
		return err
	case rights == NoRights:
		return missing(item.Kind.String(), ref, "")
	case max(role, rights.role()) < need:
		return fault.New(fault.Denied, codeDenied, "cannot do this with %s '%s': it needs the role %s in the workspace, or the right to write, and yours is %s", item.Kind, ref, need, rights).WithHint(askAdmin)
	}
	return nil
}

// Users lists who may do what with a model: by a role in its workspace, by a grant, or both. It needs Write or Reshare.
func (s *Service) Users(ctx context.Context, caller Caller, item Item) ([]ItemGrant, error) {
	mine, _, err := s.itemRights(ctx, caller, item)
	if err != nil {
		return nil, err
	}
	if mine&(WriteRight|ReshareRight) == 0 {
		return nil, fault.New(fault.Denied, codeDenied, "cannot list the users of model '%s': it needs the right to write or to reshare, and yours is %s", item.Name, mine).WithHint(askAdmin)
	}
	list, err := s.repository.ItemGrants(ctx, item.ID, "")
	if err != nil {
		return nil, err
	}
	roles, err := s.repository.Grants(ctx, item.WorkspaceID, "")
	if err != nil {
		return nil, err
	}
	for _, grant := range roles {
		i := slices.IndexFunc(list, func(g ItemGrant) bool { return g.PrincipalID == grant.PrincipalID })
		if i < 0 {
			i = len(list)
			list = append(list, ItemGrant{ItemID: item.ID, PrincipalID: grant.PrincipalID, PrincipalName: grant.PrincipalName, App: grant.App})
		}
		list[i].Rights |= grant.Role.rights()
	}
	slices.SortFunc(list, func(a, b ItemGrant) int {
		return strings.Compare(a.PrincipalName+"\n"+a.PrincipalID, b.PrincipalName+"\n"+b.PrincipalID)
	})
	return list, nil
}

// GrantItem gives a principal rights on a model, instead of those that it was given; NoRights takes them away. What a role in the workspace gives
// stays. It needs the role Member, or the right to reshare and each right that is given or taken
// away.
func (s *Service) GrantItem(ctx context.Context, caller Caller, item Item, grant ItemGrant) error {
	mine, _, err := s.itemRights(ctx, caller, item)
	if err != nil {
		return err
	}
	grant.ItemID, grant.PrincipalID = item.ID, strings.ToLower(strings.TrimSpace(grant.PrincipalID))
	if grant.PrincipalID == "" {
		return fault.New(fault.Invalid, codeInvalid, "cannot give rights to nobody")
	}
	former, err := s.repository.ItemGrants(ctx, item.ID, grant.PrincipalID)
	if err != nil {
		return err
	}
	needed := grant.Rights | ReadRight | ReshareRight
	for _, other := range former {
		needed |= other.Rights
	}
	if needed&^mine != NoRights {
		return fault.New(fault.Denied, codeDenied, "cannot give somebody %s on model '%s': it needs %s, and yours is %s", grant.Rights, item.Name, needed, mine).WithHint(askAdmin)
	}
	return s.repository.PutItemGrant(ctx, grant)
}
