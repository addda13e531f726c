package catalog

import (
	"context"

	"freshet.dev/internal/model"
)

// ModelAt returns one revision of a model, decoded, and the name of its workspace's capacity: what a query over a pinned version needs.
func (c *Catalog) ModelAt(ctx context.Context, id string, revision int64) (m *model.Model, capacity string, err error) {
	current, err := c.RefreshDefinition(ctx, id)
	if err != nil || current.Revision == revision {
		return current.Model, current.Capacity, err
	}
	definition, err := c.Definition(ctx, id, revision) // deployed over since the version was pinned
	if err != nil {
		return nil, "", err
	}
	m, err = definition.Model()
	return m, current.Capacity, err
}
