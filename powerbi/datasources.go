package powerbi

import (
	"context"
	"net/http"
)

// Datasource is a data source of a model.
type Datasource struct {
	DatasourceType    string            `json:"datasourceType"` // Sql, PostgreSql, File, Web, OData, Extension …
	ConnectionDetails ConnectionDetails `json:"connectionDetails"`
	DatasourceID      string            `json:"datasourceId,omitempty"`
	GatewayID         string            `json:"gatewayId,omitempty"` // with Freshet, which has no gateways, one id for all
}

// ConnectionDetails are what a data source reaches. Which of them are set depends on its type.
type ConnectionDetails struct {
	Server           string `json:"server,omitempty"`
	Database         string `json:"database,omitempty"`
	URL              string `json:"url,omitempty"`
	Path             string `json:"path,omitempty"`
	Kind             string `json:"kind,omitempty"` // of an Extension
	Account          string `json:"account,omitempty"`
	Domain           string `json:"domain,omitempty"`
	ConnectionString string `json:"connectionString,omitempty"` // without secrets
}

// DatasourceSelector says which data sources of a model are meant; what it leaves out may be anything.
type DatasourceSelector struct {
	DatasourceType    string            `json:"datasourceType,omitempty"`
	ConnectionDetails ConnectionDetails `json:"connectionDetails"`
}

// DatasourceUpdate gives data sources other details. Without a selector it means the only one that the model has.
type DatasourceUpdate struct {
	Selector          *DatasourceSelector `json:"datasourceSelector,omitempty"`
	ConnectionDetails ConnectionDetails   `json:"connectionDetails"` // what is not set stays
}

// DatasourceUpdates is the body of an update of data sources.
type DatasourceUpdates struct {
	UpdateDetails []DatasourceUpdate `json:"updateDetails"`
}

// Datasources lists the data sources of a model.
func (c *Client) Datasources(ctx context.Context, ref Ref) ([]Datasource, error) {
	var list List[Datasource]
	_, err := c.call(ctx, http.MethodGet, ref.path("datasources"), nil, nil, nil, &list)
	return list.Value, err
}

// UpdateDatasources gives data sources of a model other details, all that are named or none, for its next refresh.
func (c *Client) UpdateDatasources(ctx context.Context, ref Ref, updates []DatasourceUpdate) error {
	_, err := c.call(ctx, http.MethodPost, ref.path("Default.UpdateDatasources"), nil, nil, DatasourceUpdates{updates}, nil)
	return err
}
