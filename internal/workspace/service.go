package workspace

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
)

const (
	codeNotFound = fault.CodeEntityNotFound
	codeDenied   = fault.CodeNotAuthorized
	codeInvalid  = fault.CodeInvalidRequest

	// Invalid: several models have that name.
	// Do: name the model with its workspace (WORKSPACE/NAME) or by its GUID.
	codeAmbiguous = "ModelAmbiguous"

	// Invalid: a connection string of the model holds a password.
	// Do: take it out; the configuration's dataSources have the credentials.
	codeSecret = "SecretInModel"

	maxName = 256 // runes
)

// Service answers for workspaces, items, grants and deployments. It is safe for concurrent use.
type Service struct {
	repository Repository
	language   language
	options    Options
}

// Options are what Service needs besides its repository.
type Options struct {
	Capacities []string         // names, in the order of the configuration; new workspaces go on the first
	Given      []Given          // roles that the configuration gives, besides those that are granted
	Now        func() time.Time // nil is time.Now
	NewID      func() string    // nil makes random UUIDs
}

// Given is a role that the configuration gives, in a workspace that may not exist yet.
type Given struct {
	Principal string // its id, in lower case
	Workspace string // its name
	Role      Role
}

// given is the greatest role that the configuration gives a caller in a workspace.
func (s *Service) given(caller Caller, workspace Workspace) Role {
	role := NoRole
	for _, given := range s.options.Given {
		if given.Principal == caller.ID && workspace.Personal == "" && model.EqualNames(given.Workspace, workspace.Name) {
			role = max(role, given.Role)
		}
	}
	return role
}

// New returns a Service over a repository, which reads M as the language tells.
func New(repository Repository, language language, options Options) *Service {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.NewID == nil {
		options.NewID = uuid.NewString
	}
	return &Service{repository: repository, language: language, options: options}
}

// Create makes a workspace, of which the caller becomes Admin. A name that is taken, in any letter case, is a Conflict.
func (s *Service) Create(ctx context.Context, caller Caller, wanted NewWorkspace) (Workspace, error) {
	name, err := checkName("workspace", wanted.Name)
	if err != nil {
		return Workspace{}, err
	}
	if model.EqualNames(name, MyWorkspaceName) {
		return Workspace{}, fault.New(fault.Invalid, codeInvalid, "cannot create a workspace named '%s': every caller has one of their own already", MyWorkspaceName)
	}
	capacity := ""
	if !wanted.Shared {
		if capacity, err = s.capacity(wanted.Capacity); err != nil {
			return Workspace{}, err
		}
	}
	workspace := Workspace{ID: s.options.NewID(), Name: name, Capacity: capacity, Created: s.options.Now().UTC()}
	grant := Grant{WorkspaceID: workspace.ID, PrincipalID: caller.ID, PrincipalName: caller.Name, App: caller.App, Role: Admin}
	return workspace, s.repository.CreateWorkspace(ctx, workspace, []Grant{grant})
}

// capacity finds a capacity of the configuration; "" is the first.
func (s *Service) capacity(name string) (string, error) {
	if name == "" && len(s.options.Capacities) > 0 {
		return s.options.Capacities[0], nil
	}
	for _, known := range s.options.Capacities {
		if model.EqualNames(known, name) {
			return known, nil
		}
	}
	return "", fault.New(fault.Invalid, fault.CodeCapacityUnknown, "cannot find capacity '%s'", name).
		WithHint("The configuration has: %s.", strings.Join(s.options.Capacities, ", "))
}

// checkName returns a name without surrounding blanks.
func checkName(what, name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", fault.New(fault.Invalid, codeInvalid, "cannot give the %s an empty name", what)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", fault.New(fault.Invalid, codeInvalid, "cannot give the %s the name %q: it holds control characters", what, name)
	case utf8.RuneCountInString(name) > maxName:
		return "", fault.New(fault.Invalid, codeInvalid, "cannot give the %s a name of more than %d characters", what, maxName)
	}
	return name, nil
}

// List returns the workspaces in which the caller has a role, by name, without personal ones.
func (s *Service) List(ctx context.Context, caller Caller) ([]Workspace, error) {
	all, err := s.visible(ctx, caller)
	return slices.DeleteFunc(all, func(w Workspace) bool { return w.Personal != "" }), err
}

// visible returns the workspaces in which the caller has a role, with the caller's own, without those of others.
func (s *Service) visible(ctx context.Context, caller Caller) ([]Workspace, error) {
	all, err := s.repository.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	granted := map[string]bool{}
	if !caller.Owner {
		grants, err := s.repository.Grants(ctx, "", caller.ID)
		if err != nil {
			return nil, err
		}
		for _, grant := range grants {
			granted[grant.WorkspaceID] = true
		}
	}
	return slices.DeleteFunc(all, func(w Workspace) bool {
		if w.Personal != "" {
			return w.Personal != caller.ID
		}
		return !caller.Owner && !granted[w.ID] && s.given(caller, w) == NoRole
	}), nil
}

// Get finds a workspace by GUID or name, in any letter case, and checks that the caller has the needed role in it: NotFound
// when there is none or the caller has no role in it, Denied when the role is too small. "" and MyWorkspaceName are the caller's own.
func (s *Service) Get(ctx context.Context, caller Caller, need Role, ref string) (Workspace, error) {
	if ref == "" || model.EqualNames(ref, MyWorkspaceName) {
		return s.Mine(ctx, caller)
	}
	workspace, err := s.find(ctx, caller, ref)
	if err != nil {
		return Workspace{}, err
	}
	return workspace, s.check(ctx, caller, need, workspace, "workspace", ref)
}

func (s *Service) find(ctx context.Context, caller Caller, ref string) (Workspace, error) {
	if id, ok := parseID(ref); ok {
		workspace, err := s.repository.Workspace(ctx, id)
		if fault.KindOf(err) != fault.NotFound {
			return workspace, err
		}
	}
	workspaces, err := s.visible(ctx, caller)
	if err != nil {
		return Workspace{}, err
	}
	for _, workspace := range workspaces {
		if model.EqualNames(workspace.Name, ref) {
			return workspace, nil
		}
	}
	return Workspace{}, missing("workspace", ref, listOf("You see", workspaces, func(w Workspace) string { return w.Name }))
}

// askAdmin is what to do about a right that is missing.
const askAdmin = "Ask an Admin of the workspace for it."

// check answers as if there were nothing when the caller has no role at all.
func (s *Service) check(ctx context.Context, caller Caller, need Role, workspace Workspace, what, ref string) error {
	role, err := s.role(ctx, caller, workspace)
	switch {
	case err != nil:
		return err
	case role == NoRole:
		return missing(what, ref, "")
	case role < need:
		return fault.New(fault.Denied, codeDenied, "cannot do this with %s '%s': it needs the role %s, and yours is %s", what, ref, need, role).WithHint(askAdmin)
	}
	return nil
}

func (s *Service) role(ctx context.Context, caller Caller, workspace Workspace) (Role, error) {
	if caller.Owner || workspace.Personal != "" && workspace.Personal == caller.ID {
		return Admin, nil
	}
	grants, err := s.repository.Grants(ctx, workspace.ID, caller.ID)
	role := s.given(caller, workspace)
	if err != nil || len(grants) == 0 {
		return role, err
	}
	return max(role, grants[0].Role), nil
}

// Mine returns the caller's own workspace.
func (s *Service) Mine(ctx context.Context, caller Caller) (Workspace, error) {
	workspace := Workspace{ID: personalID(caller), Name: MyWorkspaceName, Personal: caller.ID, Created: s.options.Now().UTC()}
	found, err := s.repository.Workspace(ctx, workspace.ID)
	if fault.KindOf(err) != fault.NotFound || err == nil {
		return found, err
	}
	if err := s.repository.CreateWorkspace(ctx, workspace, nil); err != nil && fault.CodeOf(err) != CodeWorkspaceExists {
		return Workspace{}, err
	}
	return s.repository.Workspace(ctx, workspace.ID)
}

// personalID is derived from the caller's, so that it needs no look-up and stays the same when the workspace is deleted.
func personalID(caller Caller) string {
	return uuid.NewSHA1(uuid.MustParse("6e3ad2c1-54c0-5d5c-9f0e-6d1f3b3f7c11"), []byte(caller.ID)).String()
}

// Assign moves a workspace to a capacity, or with "" makes it shared. It needs Admin.
func (s *Service) Assign(ctx context.Context, caller Caller, ref, capacity string) (Workspace, error) {
	workspace, err := s.Get(ctx, caller, Admin, ref)
	if err != nil {
		return Workspace{}, err
	}
	if workspace.Personal != "" {
		return Workspace{}, fault.New(fault.Invalid, codeInvalid, "cannot assign '%s' to a capacity: it is always shared", workspace.Name).
			WithHint("Create a workspace for models that need a capacity.")
	}
	if capacity != "" {
		if capacity, err = s.capacity(capacity); err != nil {
			return Workspace{}, err
		}
	}
	workspace.Capacity = capacity
	return workspace, s.repository.AssignWorkspace(ctx, workspace.ID, capacity)
}

// Rename gives a workspace another name. It needs Admin; a name that is taken, in any letter case, is a Conflict.
func (s *Service) Rename(ctx context.Context, caller Caller, ref, name string) (Workspace, error) {
	workspace, err := s.Get(ctx, caller, Admin, ref)
	if err != nil {
		return Workspace{}, err
	}
	if workspace.Name, err = checkName("workspace", name); err != nil {
		return Workspace{}, err
	}
	if workspace.Personal != "" || model.EqualNames(workspace.Name, MyWorkspaceName) {
		return Workspace{}, fault.New(fault.Invalid, codeInvalid, "cannot give a workspace the name '%s', or '%s' another one", workspace.Name, MyWorkspaceName)
	}
	return workspace, s.repository.RenameWorkspace(ctx, workspace.ID, workspace.Name)
}

// SetOverflow says what becomes of standard refreshes beyond the queued one. It needs Admin.
func (s *Service) SetOverflow(ctx context.Context, caller Caller, ref string, overflow Overflow) (Workspace, error) {
	workspace, err := s.Get(ctx, caller, Admin, ref)
	if err != nil {
		return Workspace{}, err
	}
	workspace.Overflow = overflow
	return workspace, s.repository.SetOverflow(ctx, workspace.ID, overflow)
}

// SetChains says how the chains of dataflows are committed. It needs Admin. Chains that are refreshed now go on as they began.
func (s *Service) SetChains(ctx context.Context, caller Caller, ref string, chains Chains) (Workspace, error) {
	workspace, err := s.Get(ctx, caller, Admin, ref)
	if err != nil {
		return Workspace{}, err
	}
	workspace.Chains = chains
	return workspace, s.repository.SetChains(ctx, workspace.ID, chains)
}

// Delete removes a workspace with all its items. It needs Admin; an unfinished refresh in it is a Conflict.
func (s *Service) Delete(ctx context.Context, caller Caller, ref string) error {
	workspace, err := s.Get(ctx, caller, Admin, ref)
	if err != nil {
		return err
	}
	return s.repository.DeleteWorkspace(ctx, workspace.ID)
}

// Grants lists who has a role in a workspace.
func (s *Service) Grants(ctx context.Context, caller Caller, ref string) ([]Grant, error) {
	workspace, err := s.Get(ctx, caller, Viewer, ref)
	if err != nil {
		return nil, err
	}
	return s.repository.Grants(ctx, workspace.ID, "")
}

// Grant gives a principal a role, instead of the one it had. NoRole takes it away. It needs Member; to make or unmake an Admin
// needs Admin.
func (s *Service) Grant(ctx context.Context, caller Caller, ref string, grant Grant) error {
	workspace, err := s.Get(ctx, caller, Member, ref)
	if err != nil {
		return err
	}
	grant.WorkspaceID, grant.PrincipalID = workspace.ID, strings.ToLower(strings.TrimSpace(grant.PrincipalID))
	switch {
	case grant.PrincipalID == "":
		return fault.New(fault.Invalid, codeInvalid, "cannot give a role to nobody")
	case grant.Role > Admin:
		return fault.New(fault.Invalid, codeInvalid, "cannot give the role %s", grant.Role)
	case workspace.Personal != "":
		return fault.New(fault.Invalid, codeInvalid, "cannot share '%s'", workspace.Name).WithHint("Create a workspace to work together in.")
	}
	former, err := s.repository.Grants(ctx, workspace.ID, grant.PrincipalID)
	if err != nil {
		return err
	}
	if grant.Role == Admin || len(former) > 0 && former[0].Role == Admin {
		if err := s.check(ctx, caller, Admin, workspace, "workspace", workspace.Name); err != nil {
			return err
		}
	}
	return s.repository.PutGrant(ctx, grant)
}

// parseID reads a GUID of 36 characters, in any letter case.
func parseID(text string) (string, bool) {
	if len(text) != 36 {
		return "", false
	}
	id, err := uuid.Parse(text)
	return id.String(), err == nil
}

// missing is the error for what does not exist, or not for this caller. One that was asked for by its id has no hint: it would tell
// the two apart.
func missing(what, ref, hint string) *fault.Error {
	err := fault.New(fault.NotFound, codeNotFound, "cannot find %s '%s'", what, ref)
	if _, isID := parseID(ref); isID || hint == "" {
		return err
	}
	return err.WithHint("%s", hint)
}

// listOf names up to ten of a list, for hints.
func listOf[T any](lead string, list []T, name func(T) string) string {
	return listed(lead, list, func(item T) string { return "'" + name(item) + "'" })
}

// listed is listOf with names that have their own quotes.
func listed[T any](lead string, list []T, name func(T) string) string {
	const most = 10
	if len(list) == 0 {
		return ""
	}
	var names []string
	for _, item := range list[:min(most, len(list))] {
		names = append(names, name(item))
	}
	if len(list) > most {
		names = append(names, "…")
	}
	return lead + " " + strings.Join(names, ", ") + "."
}
