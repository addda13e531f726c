package api

import (
	"net/http"

	"freshet.dev/powerbi"
)

// Freshet has no gateways: the server reaches all sources itself. What lists them is empty; what would
// change them is not served.

// listGateways lists no gateways, of the caller or of a model.
func (c *call) listGateways() (reply, error) {
	return reply{http.StatusOK, powerbi.List[powerbi.Gateway]{Context: c.context("gateways"), Value: []powerbi.Gateway{}}}, nil
}

// listGatewayDatasources lists nothing: no source of a model is bound to a gateway.
func (c *call) listGatewayDatasources() (reply, error) {
	return reply{http.StatusOK, powerbi.List[powerbi.GatewayDatasource]{Context: c.context("gatewayDatasources"), Value: []powerbi.GatewayDatasource{}}}, nil
}
