package workspace

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/store"
)

// deployTries bounds how often a deployment is worked out again because another one, or a commit, came between.
const deployTries = 5

// Deploy stores a definition as the next revision of a model or dataflow, or creates it. Partitions whose source and columns are the
// same keep their data; a definition that is the same altogether changes nothing. It needs Contributor; an unfinished refresh of
// the model is a Conflict that names it.
func (s *Service) Deploy(ctx context.Context, caller Caller, deploy Deploy) (Deployment, error) {
	definition, read, warnings, err := readDefinition(deploy.Files)
	if err != nil {
		return Deployment{}, err
	}
	name := deploy.Name
	if name == "" {
		name = definition.displayName()
	}
	if name == "" {
		name = read.Name
	}
	if name == "" {
		return Deployment{}, fault.New(fault.Invalid, codeInvalid, "cannot tell the model's name: neither its definition nor a .platform file has one").
			WithHint("Name it: freshet deploy … --name NAME")
	}
	if name, err = checkName(definition.Format.kind().String(), name); err != nil {
		return Deployment{}, err
	}
	warnings = append(warnings, neverLoaded(read)...)

	for try := 1; ; try++ {
		deployment, revision, err := s.prepare(ctx, caller, deploy, name, definition, read)
		if err != nil {
			return Deployment{}, err
		}
		deployment.Warnings = append(deployment.Warnings, warnings...)
		if deploy.Plan || revision == nil {
			return deployment, nil
		}
		err = s.repository.Deploy(ctx, *revision)
		code := fault.CodeOf(err)
		if (code == CodeRedeployed || code == CodeItemExists) && try < deployTries {
			continue
		}
		if err != nil {
			return Deployment{}, err
		}
		deployment.Item = revision.Item
		return deployment, nil
	}
}

// prepare finds or makes the workspace and works out what the deployment changes. Without a revision there is nothing to store.
func (s *Service) prepare(ctx context.Context, caller Caller, deploy Deploy, name string, definition Definition, read *model.Model) (Deployment, *Revision, error) {
	var deployment Deployment
	var err error
	deployment.Workspace, deployment.CreatedWorkspace, err = s.target(ctx, caller, deploy)
	if err != nil {
		return Deployment{}, nil, err
	}
	if definition.Format == Dataflow && deployment.Workspace.Personal != "" {
		return Deployment{}, nil, fault.New(fault.Invalid, codeInvalid, "cannot deploy a dataflow to '%s': as in Power BI it has none", deployment.Workspace.Name).
			WithHint("Name another workspace: freshet deploy … --workspace NAME")
	}
	present, err := s.present(ctx, deployment.Workspace, definition.Format.kind(), name)
	if err != nil {
		return Deployment{}, nil, err
	}
	definition.Overrides, deployment.Warnings = s.carried(present.definition.Overrides, definition, read)
	if read, err = definition.Model(); err != nil {
		return Deployment{}, nil, err
	}
	change, partitions := present.change(read)
	deployment.Partitions = partitions

	now := s.options.Now().UTC()
	item := present.item
	if item.ID == "" {
		deployment.Created = true
		item = Item{Kind: definition.Format.kind(), Name: name, Created: now}
		if !deploy.Plan {
			item.ID = s.options.NewID()
		}
	} else if same(present.definition, definition) && len(change.Put)+len(change.Remove) == 0 {
		deployment.Item = item
		return deployment, nil, nil
	}
	item.WorkspaceID, item.WorkspaceName = deployment.Workspace.ID, deployment.Workspace.Name
	item.Revision++
	item.Version++
	item.Modified, item.ConfiguredBy, item.Owner, item.Description = now, caller.Name, caller.ID, definition.Description
	item.Generation = definition.Generation
	deployment.Item = item

	definition.Revision, definition.Deployed, definition.DeployedBy = item.Revision, now, caller.Name
	return deployment, &Revision{
		Item: item, Base: present.item.Revision, BaseVersion: present.item.Version, Definition: definition, Change: change,
	}, nil
}

// target returns the workspace to deploy to, which it creates when that is asked for. A plan only says that it would.
func (s *Service) target(ctx context.Context, caller Caller, deploy Deploy) (workspace Workspace, created bool, err error) {
	workspace, err = s.Get(ctx, caller, Contributor, deploy.Workspace)
	_, isID := parseID(deploy.Workspace) // an id is nobody's choice of a name
	if fault.KindOf(err) != fault.NotFound || err == nil || !deploy.CreateWorkspace || isID {
		return workspace, false, err
	}
	if deploy.Plan {
		return Workspace{Name: deploy.Workspace}, true, nil
	}
	workspace, err = s.Create(ctx, caller, NewWorkspace{Name: deploy.Workspace})
	if fault.CodeOf(err) != CodeWorkspaceExists {
		return workspace, err == nil, err
	}
	// Another caller has made it just now, or it exists and is not for this caller.
	workspace, err = s.Get(ctx, caller, Contributor, deploy.Workspace)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		err = fault.New(fault.Denied, codeDenied, "cannot create workspace '%s': the name is taken", deploy.Workspace).
			WithHint("Choose another name, or ask its admin for the role Contributor.")
	}
	return workspace, false, err
}

// present is what is deployed now; zero for nothing.
type present struct {
	item       Item
	definition Definition
	model      *model.Model // nil also when it cannot be decoded any more
	version    store.Version
}

func (s *Service) present(ctx context.Context, workspace Workspace, kind Kind, name string) (present, error) {
	if workspace.ID == "" {
		return present{}, nil
	}
	item, err := s.itemNamed(ctx, workspace, kind, name)
	if err != nil || item.ID == "" {
		return present{}, err
	}
	return s.deployed(ctx, item)
}

// deployed reads what is deployed of an item.
func (s *Service) deployed(ctx context.Context, item Item) (p present, err error) {
	p.item = item
	if p.definition, err = s.repository.Definition(ctx, p.item.ID, p.item.Revision); err != nil {
		return present{}, err
	}
	if p.model, err = p.definition.Model(); err != nil {
		p.model = nil // the model serves only to say what differs
	}
	p.version, err = s.repository.CurrentVersion(ctx, p.item.ID)
	// The change is worked out from this version. A commit after the item was read makes the deployment begin anew.
	p.item.Version = p.version.Number
	return p, err
}

func (s *Service) itemNamed(ctx context.Context, workspace Workspace, kind Kind, name string) (Item, error) {
	items, err := s.items(ctx, kind, workspace.ID)
	if err != nil {
		return Item{}, err
	}
	for _, item := range items {
		if model.EqualNames(item.Name, name) {
			return item, nil
		}
	}
	return Item{}, nil
}

func same(a, b Definition) bool {
	return a.Format == b.Format && maps.EqualFunc(a.Files, b.Files, bytes.Equal) && a.Overrides.equal(b.Overrides)
}

// neverLoaded warns about partitions that deploy but never hold rows here.
func neverLoaded(m *model.Model) []string {
	var warnings []string
	for _, table := range m.Tables {
		for _, partition := range table.Partitions {
			switch partition.Mode {
			case "directQuery", "dual", "directLake", "push":
				warnings = append(warnings, "Table '"+table.Name+"', partition '"+partition.Name+"': its mode is "+partition.Mode+", it is never loaded.")
			}
		}
	}
	return slices.Clip(warnings)
}
