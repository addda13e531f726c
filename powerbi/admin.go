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

// AdminDataflow is a dataflow as administrators see it.
type AdminDataflow struct {
	Dataflow
	WorkspaceID      string `json:"workspaceId"`
	ModifiedDateTime Time   `json:"modifiedDateTime,omitzero"`
}

// DataflowUser is somebody with rights on a dataflow.
type DataflowUser struct {
	AccessRight   string `json:"dataflowUserAccessRight"` // None, Read, ReadWrite, ReadReshare, ReadWriteReshare, Owner
	Identifier    string `json:"identifier"`
	DisplayName   string `json:"displayName,omitempty"`
	PrincipalType string `json:"principalType"` // User, App, Group
}

// AdminDataflows lists the dataflows of all workspaces, or of one, for an administrator. filter is an OData filter such as "name eq 'Orders'"; "" lists all.
func (c *Client) AdminDataflows(ctx context.Context, groupID, filter string) ([]AdminDataflow, error) {
	path, query := myorg("admin", "dataflows"), url.Values{}
	if groupID != "" {
		path = myorg("admin", "groups", groupID, "dataflows")
	}
	if filter != "" {
		query.Set("$filter", filter)
	}
	var list List[AdminDataflow]
	_, err := c.call(ctx, http.MethodGet, path, query, nil, nil, &list)
	return list.Value, err
}

// AdminDataflow exports any dataflow as Dataflow does, for an administrator.
func (c *Client) AdminDataflow(ctx context.Context, dataflowID string) ([]byte, error) {
	raw, err := c.Raw(ctx, http.MethodGet, myorg("admin", "dataflows", dataflowID, "export"), nil)
	return raw.Body, err
}

// AdminDataflowDatasources lists the data sources of any dataflow, for an administrator.
func (c *Client) AdminDataflowDatasources(ctx context.Context, dataflowID string) ([]Datasource, error) {
	var list List[Datasource]
	_, err := c.call(ctx, http.MethodGet, myorg("admin", "dataflows", dataflowID, "datasources"), nil, nil, nil, &list)
	return list.Value, err
}

// AdminDataflowUsers lists who has rights on any dataflow, for an administrator.
func (c *Client) AdminDataflowUsers(ctx context.Context, dataflowID string) ([]DataflowUser, error) {
	var list List[DataflowUser]
	_, err := c.call(ctx, http.MethodGet, myorg("admin", "dataflows", dataflowID, "users"), nil, nil, nil, &list)
	return list.Value, err
}

// AdminUpstreamOfDataflow lists the dataflows that any dataflow reads, for an administrator.
func (c *Client) AdminUpstreamOfDataflow(ctx context.Context, groupID, dataflowID string) ([]DependentDataflow, error) {
	var list List[DependentDataflow]
	_, err := c.call(ctx, http.MethodGet, myorg("admin", "groups", groupID, "dataflows", dataflowID, "upstreamDataflows"), nil, nil, nil, &list)
	return list.Value, err
}
