// Package workspace holds workspaces, the items in them, who may do what with them, and the deployment of models.
//
// A workspace is shared or on a capacity (R2). Every caller has one workspace of their own besides, "My workspace", which the
// REST routes without /groups/{groupId} mean (R1): it is made at its first use, belongs to that caller alone, is never on a
// capacity and is not listed among the others.
//
// An item that does not exist and one that the caller may not see give the same NotFound.
package workspace

import (
	"fmt"
	"strings"
	"time"

	"freshet.dev/internal/fault"
)

// MyWorkspaceName is the name by which a caller reaches the workspace of their own.
const MyWorkspaceName = "My workspace"

// Caller is who asks: what the auth room's Principal says, without the token.
type Caller struct {
	ID    string // never empty
	Name  string // for people: a user's sign-in name, an application's name
	App   bool   // a service principal
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

func (r Role) String() string {
	names := [...]string{"none", "Viewer", "Contributor", "Member", "Admin"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// ParseRole reads the name of a role in any letter case; "none" is NoRole.
func ParseRole(text string) (Role, error) {
	for role := NoRole; role <= Admin; role++ {
		if strings.EqualFold(role.String(), text) {
			return role, nil
		}
	}
	return NoRole, fault.New(fault.Invalid, codeInvalid, "cannot give the role '%s'", text).
		WithHint("The roles are Viewer, Contributor, Member, Admin and none.")
}

// Overflow is what becomes of a standard refresh of a model of which one runs and one is queued (R7).
type Overflow uint8

// The choices.
const (
	Drop   Overflow = iota // it is accepted and never run, as in Power BI
	Reject                 // it is refused, as an enhanced one is
)

func (o Overflow) String() string {
	if o == Reject {
		return "reject"
	}
	return "drop"
}

// ParseOverflow reads a choice in any letter case.
func ParseOverflow(text string) (Overflow, error) {
	for _, choice := range []Overflow{Drop, Reject} {
		if strings.EqualFold(text, choice.String()) {
			return choice, nil
		}
	}
	return Drop, fault.New(fault.Invalid, codeInvalid, "cannot set overflow to '%s'", text).
		WithHint("It is drop (a standard refresh beyond the queued one is accepted and never run) or reject (it is refused).")
}

// Chains is how a dataflow is committed together with those of the workspace that read it (F14).
type Chains uint8

// The choices.
const (
	AllOrNothing Chains = iota // all in one commit, as in Power BI
	CommitEach                 // each by itself, so that one that fails leaves those before it as they are
)

func (c Chains) String() string {
	if c == CommitEach {
		return "commitEach"
	}
	return "allOrNothing"
}

// ParseChains reads a choice in any letter case.
func ParseChains(text string) (Chains, error) {
	for _, choice := range []Chains{AllOrNothing, CommitEach} {
		if strings.EqualFold(text, choice.String()) {
			return choice, nil
		}
	}
	return AllOrNothing, fault.New(fault.Invalid, codeInvalid, "cannot set dataflowChains to '%s'", text).
		WithHint("It is allOrNothing (a dataflow and those that read it are committed together) or commitEach (each by itself).")
}

// Workspace is a place for items.
type Workspace struct {
	ID       string // a lower-case UUID
	Name     string
	Capacity string // the name of its capacity; "" is a shared workspace
	Overflow Overflow
	Chains   Chains
	Personal string // the ID of the caller whose own workspace it is; "" for an ordinary one
	Created  time.Time
}

// Shared tells whether the workspace is on no capacity: its models take standard refreshes only (R2).
func (w Workspace) Shared() bool { return w.Capacity == "" }

// Kind is what an item is.
type Kind string

// The kinds. A model and a dataflow of one workspace may have the same name.
const (
	AnyKind      Kind = "" // of a look-up: whatever has that name or id
	ModelKind    Kind = "model"
	DataflowKind Kind = "dataflow"
)

// String is the kind in words of errors.
func (k Kind) String() string {
	if k == AnyKind {
		return string(ModelKind)
	}
	return string(k)
}

// includes tells whether a look-up of the kind finds an item.
func (k Kind) includes(item Item) bool { return k == AnyKind || item.Kind == k }

// Item is a deployed model (Power BI's dataset) or dataflow.
type Item struct {
	ID            string // a lower-case UUID, the same over all deployments
	WorkspaceID   string
	WorkspaceName string
	Kind          Kind
	Name          string
	Description   string // of a dataflow
	Generation    int    // of a dataflow: 1 or 2
	Revision      int64  // counts the deployments: 1, 2, 3 …
	Version       int64  // the current version of its data
	Created       time.Time
	Modified      time.Time // of the last change of its definition
	ConfiguredBy  string    // its owner's name
	Owner         string    // the principal that has deployed it last or has taken it over; "" = not known
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
	TMDL     Format = "tmdl"
	BIM      Format = "bim"
	Dataflow Format = "dataflow" // a model.json, or a folder of generation 2
)

// Definition is what was deployed, file by file, as it was read. Connection strings hold no secrets any more.
type Definition struct {
	Revision    int64
	Format      Format
	Files       map[string][]byte // by slash-separated path below the folder that was deployed
	Overrides   Overrides         // what was set since then
	Deployed    time.Time
	DeployedBy  string
	Description string // of a dataflow, while it is being deployed: the item has it from then on
	Generation  int    // likewise
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
