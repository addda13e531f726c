package workspace

import (
	"context"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/store"
)

// Repository keeps workspaces, grants, items and definitions. The catalog implements it. IDs are lower-case; names compare
// without letter case. What does not exist is NotFound, a taken name is a Conflict.
type Repository interface {
	// CreateWorkspace stores a workspace with its first grants.
	CreateWorkspace(ctx context.Context, workspace Workspace, grants []Grant) error
	// Workspaces lists all workspaces by name, personal ones too.
	Workspaces(ctx context.Context) ([]Workspace, error)
	Workspace(ctx context.Context, id string) (Workspace, error)
	AssignWorkspace(ctx context.Context, id, capacity string) error
	// RenameWorkspace is a Conflict when the name is taken.
	RenameWorkspace(ctx context.Context, id, name string) error
	SetOverflow(ctx context.Context, id string, overflow Overflow) error
	SetChains(ctx context.Context, id string, chains Chains) error
	// DeleteWorkspace removes it with its items; an unfinished refresh in it is a Conflict.
	DeleteWorkspace(ctx context.Context, id string) error

	// Grants lists the grants of one workspace, or with "" of all, of one principal, or with "" of all.
	Grants(ctx context.Context, workspaceID, principalID string) ([]Grant, error)
	// PutGrant stores a grant in place of the principal's former one; NoRole removes it. What would leave no Admin is a Conflict with CodeLastAdmin.
	PutGrant(ctx context.Context, grant Grant) error

	// ItemGrants lists the grants on one item, or with "" on all, of one principal, or with "" of all.
	ItemGrants(ctx context.Context, itemID, principalID string) ([]ItemGrant, error)
	// PutItemGrant stores a grant in place of the principal's former one; NoRights removes it.
	PutItemGrant(ctx context.Context, grant ItemGrant) error

	// Items lists the items of one workspace, or with "" of all, by workspace and name.
	Items(ctx context.Context, workspaceID string) ([]Item, error)
	Item(ctx context.Context, id string) (Item, error)
	// DescribeItem stores an item's name and description. It is a Conflict with CodeItemExists where another one has the name.
	DescribeItem(ctx context.Context, item Item) error
	// SetOwner makes a principal the owner of an item.
	SetOwner(ctx context.Context, id, principal, name string) error
	// DeleteItem removes an item; an unfinished refresh of it is a Conflict.
	DeleteItem(ctx context.Context, id string) error
	// Definition returns one revision of a definition; 0 is the current one.
	Definition(ctx context.Context, itemID string, revision int64) (Definition, error)

	// HasRead lists the dataflows that refreshes of an item have read since its definition changed last, as far as they exist, but not itself.
	HasRead(ctx context.Context, itemID string) ([]Upstream, error)

	// CurrentVersion returns the version of a model's data that readers see now.
	CurrentVersion(ctx context.Context, itemID string) (store.Version, error)
	// Deploy stores a revision with the version of the data that it makes, in one transaction. It changes nothing and returns a
	// Conflict: CodeRedeployed when the item is not at the revision and version that it was worked out from any more, CodeItemExists
	// when the name of a new item is taken, CodeBusy when a refresh of the model is unfinished.
	Deploy(ctx context.Context, revision Revision) error
}

// Revision is a deployment as the repository stores it.
type Revision struct {
	Item        Item  // as it is afterwards
	Base        int64 // the revision that it was worked out from; 0 makes a new item
	BaseVersion int64
	Definition  Definition
	// Change makes the new version of the data. Its Objects are all objects of that version: others end.
	Change store.Change
}

// The codes of conflicts.
const (
	CodeRedeployed = fault.CodeRedeployed

	// Conflict: the model cannot be changed or deleted while a refresh of it is unfinished; the text names it.
	// Do: wait for its end, or cancel it (freshet cancel).
	CodeBusy = "RefreshUnfinished"

	// Conflict: the workspace has another model of that name.
	// Do: choose another name, or deploy to the model that is there.
	CodeItemExists = "ItemExists"

	// Conflict: there is another workspace of that name.
	// Do: choose another name.
	CodeWorkspaceExists = "WorkspaceExists"

	// Conflict: the only Admin of a workspace would lose the role, and nobody could manage the workspace.
	// Do: make somebody else an Admin of it first.
	CodeLastAdmin = "WorkspaceLastAdmin"
)
