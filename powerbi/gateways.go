package powerbi

import (
	"context"
	"net/http"
)

// Gateway is a gateway to data sources. Freshet has none.
type Gateway struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
}

// GatewayDatasource is a data source that a model reaches by a gateway.
type GatewayDatasource struct {
	ID                string `json:"id"`
	GatewayID         string `json:"gatewayId"`
	DatasourceType    string `json:"datasourceType,omitempty"`
	ConnectionDetails string `json:"connectionDetails,omitempty"` // JSON in a string
}

// Gateways lists the gateways of which the caller is an admin.
func (c *Client) Gateways(ctx context.Context) ([]Gateway, error) {
	var list List[Gateway]
	_, err := c.call(ctx, http.MethodGet, myorg("gateways"), nil, nil, nil, &list)
	return list.Value, err
}

// DiscoverGateways lists the gateways that a model can be bound to.
func (c *Client) DiscoverGateways(ctx context.Context, ref Ref) ([]Gateway, error) {
	var list List[Gateway]
	_, err := c.call(ctx, http.MethodGet, ref.path("Default.DiscoverGateways"), nil, nil, nil, &list)
	return list.Value, err
}

// BoundGatewayDatasources lists the data sources of a model that it reaches by a gateway.
func (c *Client) BoundGatewayDatasources(ctx context.Context, ref Ref) ([]GatewayDatasource, error) {
	var list List[GatewayDatasource]
	_, err := c.call(ctx, http.MethodGet, ref.path("Default.GetBoundGatewayDatasources"), nil, nil, nil, &list)
	return list.Value, err
}
