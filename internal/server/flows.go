package server

import (
	"context"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/workspace"
)

// flows gives the engine of refreshes the dataflows that models read.
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
