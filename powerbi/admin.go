package powerbi

import (
	"context"
	"net/http"
	"net/url"
)

// AdminDataset is a model as administrators see it.
type AdminDataset struct {
	Dataset
	WorkspaceID string `json:"workspaceId"`
}

// AdminDatasets lists the models of all workspaces, or of one, for an administrator. filter is an OData filter such as "name eq 'Sales'"; "" lists all.
func (c *Client) AdminDatasets(ctx context.Context, groupID, filter string) ([]AdminDataset, error) {
	path, query := myorg("admin", "datasets"), url.Values{}
	if groupID != "" {
		path = myorg("admin", "groups", groupID, "datasets")
	}
	if filter != "" {
		query.Set("$filter", filter)
	}
	var list List[AdminDataset]
	_, err := c.call(ctx, http.MethodGet, path, query, nil, nil, &list)
	return list.Value, err
}

// AdminDatasources lists the data sources of any model, for an administrator.
func (c *Client) AdminDatasources(ctx context.Context, datasetID string) ([]Datasource, error) {
	var list List[Datasource]
	_, err := c.call(ctx, http.MethodGet, myorg("admin", "datasets", datasetID, "datasources"), nil, nil, nil, &list)
	return list.Value, err
}

// AdminDatasetUsers lists who has rights on any model, for an administrator.
func (c *Client) AdminDatasetUsers(ctx context.Context, datasetID string) ([]DatasetUser, error) {
	var list List[DatasetUser]
	_, err := c.call(ctx, http.MethodGet, myorg("admin", "datasets", datasetID, "users"), nil, nil, nil, &list)
	return list.Value, err
}

// AdminUpstreamDataflows lists which models of any workspace read from which dataflows, for an administrator.
func (c *Client) AdminUpstreamDataflows(ctx context.Context, groupID string) ([]DataflowLink, error) {
	var list List[DataflowLink]
	_, err := c.call(ctx, http.MethodGet, myorg("admin", "groups", groupID, "datasets", "upstreamDataflows"), nil, nil, nil, &list)
	return list.Value, err
}
