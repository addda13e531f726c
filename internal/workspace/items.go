package workspace

import (
	"context"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/model"
	"freshet.dev/internal/model/cdm"
)

// Items lists the items of a kind in a workspace, given by name or GUID, by name. "" means all workspaces in which the caller has a role,
// and the caller's own, and the items on which the caller has rights.
func (s *Service) Items(ctx context.Context, caller Caller, kind Kind, ref string) ([]Item, error) {
	if ref == "" {
		return s.allItems(ctx, caller, kind)
	}
	workspace, err := s.Get(ctx, caller, Viewer, ref)
	if err != nil {
		return nil, err
	}
	return s.items(ctx, kind, workspace.ID)
}

// items lists the items of a kind in a workspace, or with "" in all.
func (s *Service) items(ctx context.Context, kind Kind, workspaceID string) ([]Item, error) {
	items, err := s.repository.Items(ctx, workspaceID)
	return slices.DeleteFunc(items, func(item Item) bool { return !kind.includes(item) }), err
}

func (s *Service) allItems(ctx context.Context, caller Caller, kind Kind) ([]Item, error) {
	workspaces, err := s.visible(ctx, caller)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(workspaces))
	for _, workspace := range workspaces {
		seen[workspace.ID] = true
	}
	grants, err := s.repository.ItemGrants(ctx, "", caller.ID)
	if err != nil {
		return nil, err
	}
	given := make(map[string]bool, len(grants))
	for _, grant := range grants {
		given[grant.ItemID] = true
	}
	items, err := s.items(ctx, kind, "")
	return slices.DeleteFunc(items, func(item Item) bool { return !seen[item.WorkspaceID] && !given[item.ID] }), err
}

// Item finds an item of a kind in one workspace by its GUID or name. "" is the caller's own workspace.
func (s *Service) Item(ctx context.Context, caller Caller, need Role, kind Kind, workspaceRef, ref string) (Item, error) {
	workspace, err := s.Get(ctx, caller, Viewer, workspaceRef)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return s.itemGiven(ctx, caller, need, kind, workspaceRef, ref, err)
	}
	if err != nil {
		return Item{}, err
	}
	item, err := s.itemIn(ctx, workspace, kind, ref)
	if err != nil {
		return Item{}, err
	}
	return item, s.checkItem(ctx, caller, need, item, ref)
}

// itemGiven finds an item on which the caller has rights in a workspace in which it has no role; both are named by their GUIDs. unknown is the
// error where there is none.
func (s *Service) itemGiven(ctx context.Context, caller Caller, need Role, kind Kind, workspaceRef, ref string, unknown error) (Item, error) {
	workspaceID, isWorkspace := parseID(workspaceRef)
	id, isItem := parseID(ref)
	if !isWorkspace || !isItem {
		return Item{}, unknown
	}
	item, err := s.repository.Item(ctx, id)
	if fault.KindOf(err) == fault.NotFound && err != nil || err == nil && (item.WorkspaceID != workspaceID || !kind.includes(item)) {
		return Item{}, unknown
	}
	if err == nil {
		err = s.checkItem(ctx, caller, need, item, ref)
	}
	if fault.KindOf(err) == fault.NotFound && err != nil {
		err = unknown
	}
	return item, err
}

func (s *Service) itemIn(ctx context.Context, workspace Workspace, kind Kind, ref string) (Item, error) {
	if id, ok := parseID(ref); ok {
		item, err := s.repository.Item(ctx, id)
		if err == nil && item.WorkspaceID == workspace.ID && kind.includes(item) {
			return item, nil
		}
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return Item{}, err
		}
	}
	items, err := s.items(ctx, kind, workspace.ID)
	if err != nil {
		return Item{}, err
	}
	for _, item := range items {
		if model.EqualNames(item.Name, ref) {
			return item, nil
		}
	}
	return Item{}, missing(kind.String(), ref, listOf("Its workspace has", items, func(i Item) string { return i.Name }))
}

// Resolve finds an item of a kind by NAME, WORKSPACE/NAME or GUID among all that the caller sees. A name that several have is Invalid and
// the error lists them.
func (s *Service) Resolve(ctx context.Context, caller Caller, need Role, kind Kind, ref string) (Item, error) {
	item, err := s.resolve(ctx, caller, kind, ref)
	if err != nil {
		return Item{}, err
	}
	return item, s.checkItem(ctx, caller, need, item, ref)
}

func (s *Service) resolve(ctx context.Context, caller Caller, kind Kind, ref string) (Item, error) {
	if id, ok := parseID(ref); ok {
		item, err := s.repository.Item(ctx, id)
		if err == nil && kind.includes(item) {
			return item, nil
		}
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return Item{}, err
		}
	}
	items, err := s.allItems(ctx, caller, kind)
	if err != nil {
		return Item{}, err
	}
	found := slices.DeleteFunc(slices.Clone(items), func(item Item) bool { return !item.answersTo(ref) })
	switch len(found) {
	case 0:
		return Item{}, missing(kind.String(), ref, listOf("You see", items, Item.path))
	case 1:
		return found[0], nil
	}
	return Item{}, fault.New(fault.Invalid, codeAmbiguous, "cannot tell which %s '%s' is: %d have that name", kind, ref, len(found)).
		WithHint("%s Name it with its workspace or by its GUID (%s).", listOf("There are", found, Item.path), found[0].ID)
}

// path is the name by which Resolve finds an item in its workspace.
func (i Item) path() string { return i.WorkspaceName + "/" + i.Name }

// answersTo tells whether a NAME or WORKSPACE/NAME means the item. Both names may hold slashes themselves.
func (i Item) answersTo(ref string) bool {
	if model.EqualNames(i.Name, ref) || model.EqualNames(i.path(), ref) {
		return true
	}
	workspace, name, found := strings.Cut(ref, "/")
	id, isID := parseID(workspace)
	return found && isID && id == i.WorkspaceID && model.EqualNames(i.Name, name)
}

// HasDirectQuery tells whether a model has a table that is read at its source when it is queried.
func (s *Service) HasDirectQuery(ctx context.Context, item Item) (bool, error) {
	definition, err := s.repository.Definition(ctx, item.ID, 0)
	if err != nil {
		return false, err
	}
	read, err := definition.Model()
	if err != nil {
		return false, err
	}
	for _, table := range read.Tables {
		for _, partition := range table.Partitions {
			if strings.EqualFold(partition.Mode, "directQuery") || strings.EqualFold(partition.Mode, "dual") {
				return true, nil
			}
		}
	}
	return false, nil
}

// Shared tells whether a model's workspace is on no capacity.
func (s *Service) Shared(ctx context.Context, item Item) (bool, error) {
	workspace, err := s.repository.Workspace(ctx, item.WorkspaceID)
	return workspace.Shared(), err
}

// DeleteItem removes an item and its data. It needs Contributor; an unfinished refresh is a Conflict.
func (s *Service) DeleteItem(ctx context.Context, caller Caller, id string) error {
	item, err := s.Resolve(ctx, caller, Contributor, AnyKind, id)
	if err != nil {
		return err
	}
	return s.repository.DeleteItem(ctx, item.ID)
}

// DataflowUpdate is what is to be another of a dataflow; nil leaves it as it is.
type DataflowUpdate struct{ Name, Description *string }

// UpdateDataflow changes what a dataflow is called and described as. The definition that was deployed stays, and a deployment under the old name makes another
// dataflow. A name that another dataflow of the workspace has is a Conflict with CodeItemExists.
func (s *Service) UpdateDataflow(ctx context.Context, item Item, update DataflowUpdate) (Item, error) {
	if update.Name != nil {
		name, err := checkName(item.Kind.String(), *update.Name)
		if err != nil {
			return Item{}, err
		}
		item.Name = name
	}
	if update.Description != nil {
		item.Description = *update.Description
	}
	return item, s.repository.DescribeItem(ctx, item)
}

// ExportDataflow returns the files of a dataflow as they were deployed last: model.json alone, or those of the folder of generation 2.
func (s *Service) ExportDataflow(ctx context.Context, item Item) (map[string][]byte, error) {
	definition, err := s.repository.Definition(ctx, item.ID, 0)
	if err != nil {
		return nil, err
	}
	return cdm.Export(definition.Files)
}

// Export returns the definition that was deployed last. It needs Contributor.
func (s *Service) Export(ctx context.Context, caller Caller, id string) (Definition, error) {
	item, err := s.Resolve(ctx, caller, Contributor, AnyKind, id)
	if err != nil {
		return Definition{}, err
	}
	return s.repository.Definition(ctx, item.ID, 0)
}
