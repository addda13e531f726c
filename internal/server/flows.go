package server

import (
	"context"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/workspace"
)

// flows gives the engine of refreshes the dataflows that models and dataflows read.
type flows struct {
	*catalog.Catalog
	workspaces *workspace.Service
}

// Readable lists the dataflows that the owner of an item may read, by workspace and name.
func (f flows) Readable(ctx context.Context, item string) ([]refresh.Dataflow, error) {
	items, err := f.workspaces.Readable(ctx, item)
	return each(items, func(i workspace.Item) refresh.Dataflow {
		return refresh.Dataflow{WorkspaceID: i.WorkspaceID, WorkspaceName: i.WorkspaceName, ID: i.ID, Name: i.Name}
	}), err
}

// Siblings returns all dataflows in the workspace of one, by their names, each with what it reads.
func (f flows) Siblings(ctx context.Context, dataflow string) ([]refresh.Sibling, error) {
	definitions, err := f.Catalog.Siblings(ctx, dataflow)
	if err != nil {
		return nil, err
	}
	list := make([]refresh.Sibling, len(definitions))
	for i, definition := range definitions {
		upstream, err := f.workspaces.Upstream(ctx, definition.ID)
		if err != nil {
			return nil, err
		}
		list[i] = refresh.Sibling{Definition: definition, Reads: each(upstream, func(u workspace.Upstream) string { return u.DataflowID })}
	}
	return list, nil
}
