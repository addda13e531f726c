// Package workspace holds workspaces, the items in them, who may do what with them, and the deployment of models.
//
// A workspace is shared or on a capacity (R2). Every caller has one workspace of their own besides, "My workspace", which the
// REST routes without /groups/{groupId} mean (R1): it is made at its first use, belongs to that caller alone, is never on a
// capacity and is not listed among the others.
//
// An item that does not exist and one that the caller may not see give the same NotFound.
package workspace

import (
	"context"
	"time"
)

// MyWorkspaceName is the name by which a caller reaches the workspace of their own.
const MyWorkspaceName = "My workspace"

// Caller is who asks: what the auth room's Principal says, without the token.
type Caller struct {
	ID    string // never empty
	Name  string // for people: a user's sign-in name, an application's name
	Owner bool   // the owner of this machine, who is Admin of every workspace
}

// Role is what a caller may do in a workspace. A greater role includes the smaller ones.
type Role uint8

// The roles of Power BI's workspaces.
const (
	NoRole      Role = iota // the workspace does not exist for this caller
	Viewer                  // reads items and their data
	Contributor             // deploys, refreshes and deletes items
	Member                  // adds others up to Member
	Admin                   // assigns capacities, deletes the workspace, adds admins
)

// Workspace is a place for items.
type Workspace struct {
	ID       string // a lower-case UUID
	Name     string
	Capacity string // the name of its capacity; "" is a shared workspace
	Personal string // the ID of the caller whose own workspace it is; "" for an ordinary one
	Created  time.Time
}

// Shared tells whether the workspace is on no capacity: its models take standard refreshes only (R2).
func (w Workspace) Shared() bool { return w.Capacity == "" }

// Item is a deployed model (Power BI's dataset).
type Item struct {
	ID            string // a lower-case UUID, the same over all deployments
	WorkspaceID   string
	WorkspaceName string
	Name          string
	Revision      int64 // counts the deployments: 1, 2, 3 …
	Version       int64 // the current version of its data
	Created       time.Time
	Modified      time.Time // of the last deployment
	ConfiguredBy  string    // the name of the caller who deployed last
}

// Grant gives a principal a role in a workspace.
type Grant struct {
	WorkspaceID   string
	PrincipalID   string
	PrincipalName string
	App           bool
	Role          Role
}

// Format is the form of a definition.
type Format string

// The forms that Deploy reads.
const (
	TMDL Format = "tmdl"
	BIM  Format = "bim"
)

// Definition is what was deployed, file by file, as it was read. Connection strings hold no secrets any more.
type Definition struct {
	Revision   int64
	Format     Format
	Files      map[string][]byte // by slash-separated path below the folder that was deployed
	Deployed   time.Time
	DeployedBy string
}

// NewWorkspace describes a workspace to create.
type NewWorkspace struct {
	Name     string
	Capacity string // "" is the first capacity
	Shared   bool   // on no capacity
}

// Deploy describes one deployment of a model.
type Deploy struct {
	Workspace       string // name or GUID; "" is the caller's own workspace
	Name            string // "" takes the display name of the .platform file, else the model's own name
	Files           map[string][]byte
	CreateWorkspace bool // create the workspace when there is none of that name
	Plan            bool // say what would happen and change nothing
}

// Change is what a deployment does to a partition's data.
type Change string

// The changes.
const (
	Kept    Change = "kept"    // source and columns are the same: its data stays
	Emptied Change = "emptied" // source or columns differ: it has no data until it is refreshed
	Added   Change = "added"   // new, no data yet
	Removed Change = "removed" // no longer in the model: its data is dropped
)

// PartitionChange tells what a deployment does to one partition, and why.
type PartitionChange struct {
	Table     string
	Partition string
	Change    Change
	Reason    string // for Emptied: what differs
	Rows      int64  // the rows that are kept or lost
}

// Deployment is the result of Deploy, or with Deploy.Plan what it would be.
type Deployment struct {
	Workspace        Workspace
	Item             Item // its ID is "" in the plan of a new model
	Created          bool // the model is new
	CreatedWorkspace bool
	Partitions       []PartitionChange
	Warnings         []string
}

// Service answers for workspaces, items, grants and deployments. It is safe for concurrent use.
type Service struct {
	repository Repository
	options    Options
}

// Options are what Service needs besides its repository.
type Options struct {
	Capacities []string         // names, in the order of the configuration; new workspaces go on the first
	Now        func() time.Time // nil is time.Now
	NewID      func() string    // nil makes random UUIDs
}

// New returns a Service over a repository.
func New(repository Repository, options Options) *Service {
	return &Service{repository: repository, options: options}
}

// Create makes a workspace, of which the caller becomes Admin. A name that is taken, in any letter case, is a Conflict.
func (s *Service) Create(ctx context.Context, caller Caller, wanted NewWorkspace) (Workspace, error) {
	panic("not yet")
}

// List returns the workspaces in which the caller has a role, by name, without personal ones.
func (s *Service) List(ctx context.Context, caller Caller) ([]Workspace, error) { panic("not yet") }

// Get finds a workspace by GUID or name, in any letter case, and checks that the caller has the needed role in it: NotFound
// when there is none or the caller has no role in it, Denied when the role is too small.
func (s *Service) Get(ctx context.Context, caller Caller, need Role, ref string) (Workspace, error) {
	panic("not yet")
}

// Mine returns the caller's own workspace.
func (s *Service) Mine(ctx context.Context, caller Caller) (Workspace, error) { panic("not yet") }

// Assign moves a workspace to a capacity, or with "" makes it shared. It needs Admin.
func (s *Service) Assign(ctx context.Context, caller Caller, ref, capacity string) (Workspace, error) {
	panic("not yet")
}

// Delete removes a workspace with all its items. It needs Admin; an unfinished refresh in it is a Conflict.
func (s *Service) Delete(ctx context.Context, caller Caller, ref string) error { panic("not yet") }

// Grants lists who has a role in a workspace.
func (s *Service) Grants(ctx context.Context, caller Caller, ref string) ([]Grant, error) {
	panic("not yet")
}

// Grant gives a principal a role, instead of the one it had. NoRole takes it away.
func (s *Service) Grant(ctx context.Context, caller Caller, ref string, grant Grant) error {
	panic("not yet")
}

// Items lists the models of a workspace by name. ref is a name or GUID; "" means all workspaces in which the caller has a role.
func (s *Service) Items(ctx context.Context, caller Caller, ref string) ([]Item, error) {
	panic("not yet")
}

// Item finds a model in one workspace, given by GUID or name, by the model's GUID or name.
func (s *Service) Item(ctx context.Context, caller Caller, need Role, workspaceRef, ref string) (Item, error) {
	panic("not yet")
}

// Resolve finds a model by NAME, WORKSPACE/NAME or GUID among all that the caller sees. A name that several have is Invalid and
// the error lists them.
func (s *Service) Resolve(ctx context.Context, caller Caller, need Role, ref string) (Item, error) {
	panic("not yet")
}

// DeleteItem removes a model and its data. It needs Contributor; an unfinished refresh is a Conflict.
func (s *Service) DeleteItem(ctx context.Context, caller Caller, id string) error {
	panic("not yet")
}

// Deploy stores a definition as the next revision of a model, or creates the model. Partitions whose source and columns are the
// same keep their data. It needs Contributor; an unfinished refresh of the model is a Conflict that names it.
func (s *Service) Deploy(ctx context.Context, caller Caller, deploy Deploy) (Deployment, error) {
	panic("not yet")
}

// Export returns the definition that was deployed last. It needs Contributor.
func (s *Service) Export(ctx context.Context, caller Caller, id string) (Definition, error) {
	panic("not yet")
}
