package server

import (
	"context"

	"freshet.dev/internal/capacity"
	"freshet.dev/internal/catalog"
	"freshet.dev/internal/dataflow/cdmfolder"
	"freshet.dev/internal/model"
	"freshet.dev/internal/workspace"
)

// cdmFolders returns what writes dataflows as the configuration says; nil where it says nothing.
func (s *Server) cdmFolders(memory *capacity.Capacity, temp string) *cdmfolder.Service {
	if len(s.config.DataflowFolders) == 0 {
		return nil
	}
	roots := make([]cdmfolder.Root, len(s.config.DataflowFolders))
	for i, folder := range s.config.DataflowFolders {
		roots[i] = cdmfolder.Root(folder)
	}
	return cdmfolder.New(cdmfolder.Options{
		Roots: roots, Flows: published{s.rows}, Store: s.store, Capacity: memory, MinFree: int64(s.config.MinFreeDisk), TempDir: temp, Ended: s.engine.Ended, Logger: s.logger,
	})
}

// published are the dataflows of the catalog, as their folders are written.
type published struct{ rows *catalog.Catalog }

// Dataflows lists all of them.
func (f published) Dataflows(ctx context.Context) ([]cdmfolder.Flow, error) {
	items, err := f.rows.Items(ctx, "")
	var list []cdmfolder.Flow
	for _, item := range items {
		if item.Kind == workspace.DataflowKind {
			list = append(list, cdmfolder.Flow{
				ID: item.ID, WorkspaceID: item.WorkspaceID, WorkspaceName: item.WorkspaceName, Name: item.Name, Description: item.Description, Version: item.Version})
		}
	}
	return list, err
}

// Dataflow returns the files and the model of one revision.
func (f published) Dataflow(ctx context.Context, id string, revision int64) (map[string][]byte, *model.Model, error) {
	definition, err := f.rows.Definition(ctx, id, revision)
	if err != nil {
		return nil, nil, err
	}
	read, err := definition.Model()
	return definition.Files, read, err
}
