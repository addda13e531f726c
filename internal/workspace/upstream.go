package workspace

import (
	"context"
	"slices"

	"freshet.dev/internal/model"
)

// DataflowRef names a dataflow as an expression does: the workspace and the dataflow each by its id or its name, whichever is not empty.
type DataflowRef struct{ WorkspaceID, WorkspaceName, ID, Name string }

// is tells whether a dataflow is the one that is meant. Names count letter by letter, as M compares them.
func (r DataflowRef) is(item Item) bool {
	return (r.WorkspaceID == "" || r.WorkspaceID == item.WorkspaceID) && (r.WorkspaceName == "" || r.WorkspaceName == item.WorkspaceName) &&
		(r.ID == "" || r.ID == item.ID) && (r.Name == "" || r.Name == item.Name)
}

// Upstream is a dataflow that a model or dataflow reads, by ids.
type Upstream struct{ WorkspaceID, DataflowID string }

// Upstream lists the dataflows that an item reads, each once: those of linked entities, those that its expressions pick by ids or by names, as
// far as reading the texts tells, and those that refreshes have read since its definition changed last, whatever way the expressions found them. One
// that is named by ids need not exist; one that is named by its name is there when the item's owner may read it.
func (s *Service) Upstream(ctx context.Context, id string) ([]Upstream, error) {
	definition, err := s.repository.Definition(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	read, err := definition.Model()
	if err != nil {
		return nil, err
	}
	known, err := s.repository.HasRead(ctx, id)
	if err != nil {
		return nil, err
	}
	var list []Upstream
	add := func(upstream Upstream) {
		if !slices.Contains(list, upstream) {
			list = append(list, upstream)
		}
	}
	for _, table := range read.Tables {
		for _, partition := range table.Partitions {
			if partition.Mode == model.LinkedMode {
				add(Upstream{partition.Link.Workspace, partition.Link.Dataflow})
			}
		}
	}
	var readable []Item
	lists, _ := queries(read, textsOf(read))
	for _, ref := range s.language.Dataflows(lists[0], lists[1]) {
		if ref.WorkspaceID != "" && ref.ID != "" {
			add(Upstream{ref.WorkspaceID, ref.ID})
			continue
		}
		if readable == nil {
			if readable, err = s.Readable(ctx, id); err != nil {
				return nil, err
			}
		}
		for _, found := range readable {
			if ref.is(found) {
				add(Upstream{found.WorkspaceID, found.ID})
			}
		}
	}
	for _, upstream := range known {
		add(upstream)
	}
	return list, nil
}

// Readable lists the dataflows that the owner of an item may read, by workspace and name: those of the workspaces in which it has a role. Where no
// owner is known, because an older Freshet deployed the item, those of the item's workspace.
func (s *Service) Readable(ctx context.Context, itemID string) ([]Item, error) {
	item, err := s.repository.Item(ctx, itemID)
	if err != nil {
		return nil, err
	}
	if item.Owner == "" {
		return s.items(ctx, DataflowKind, item.WorkspaceID)
	}
	workspaces, err := s.visible(ctx, Caller{ID: item.Owner})
	if err != nil {
		return nil, err
	}
	items, err := s.items(ctx, DataflowKind, "")
	return slices.DeleteFunc(items, func(flow Item) bool {
		return !slices.ContainsFunc(workspaces, func(w Workspace) bool { return w.ID == flow.WorkspaceID })
	}), err
}
