package server

import (
	"context"

	"freshet.dev/internal/catalog"
	"freshet.dev/internal/refresh"
)

// guards lists the configured guards as the engine takes them: what a table does not say is as its model has it.
func (c Config) guards() []refresh.Guards {
	var all []refresh.Guards
	for _, model := range c.Models {
		each := refresh.Guard{FailWhenEmpty: model.Guards.FailWhenEmpty, LeastShareOfRows: model.Guards.LeastShareOfRows}
		guards := refresh.Guards{Model: model.Name, Each: each, Tables: map[string]refresh.Guard{}}
		for name, own := range model.Guards.Tables {
			guard := each
			if own.FailWhenEmpty != nil {
				guard.FailWhenEmpty = *own.FailWhenEmpty
			}
			if own.LeastShareOfRows != nil {
				guard.LeastShareOfRows = *own.LeastShareOfRows
			}
			guards.Tables[name] = guard
		}
		all = append(all, guards)
	}
	return all
}

// lookForModels logs which models and tables of the configuration are not there. They may be deployed later; or their names are misspelt.
func (s *Server) lookForModels(ctx context.Context, rows *catalog.Catalog) error {
	items, err := rows.Items(ctx, "")
	if err != nil {
		return err
	}
	for _, guards := range s.config.guards() {
		found := false
		for _, item := range items {
			definition := refresh.Definition{ID: item.ID, Name: item.Name, Workspace: item.WorkspaceName}
			if !definition.Is(guards.Model) {
				continue
			}
			found = true
			if definition, err = rows.RefreshDefinition(ctx, item.ID); err != nil {
				return err
			}
			for table := range guards.Tables {
				if definition.Model.Table(table) == nil {
					s.logger.Warn("the configuration has a guard for a table that the model does not have", "model", guards.Model, "table", table)
				}
			}
		}
		if !found {
			s.logger.Warn("the configuration names a model that is not deployed", "model", guards.Model)
		}
	}
	return nil
}
