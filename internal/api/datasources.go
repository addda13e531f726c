package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// sourceNamespace makes GUIDs of what data sources reach.
var sourceNamespace = uuid.MustParse("b8c5fd0f-1b0f-4d6f-9d55-0f1ad5a5c1a3")

// gatewayID stands where Power BI tells of the gateway that a source is reached by. There is none here: the server reaches all sources itself.
func gatewayID() string { return uuid.NewSHA1(sourceNamespace, []byte("gateway")).String() }

// asDatasource describes a source. The same source has the same id in every model.
func asDatasource(source workspace.Source) powerbi.Datasource {
	details := powerbi.ConnectionDetails{Server: source.Server, Database: source.Database, URL: source.URL, Path: source.Path, Kind: source.Kind,
		Account: source.Account, Domain: source.Domain, ConnectionString: source.ConnectionString}
	key, err := json.Marshal(details)
	if err != nil {
		panic("api: texts have a JSON form: " + err.Error())
	}
	return powerbi.Datasource{DatasourceType: source.Type, ConnectionDetails: details, GatewayID: gatewayID(),
		DatasourceID: uuid.NewSHA1(sourceNamespace, []byte(strings.ToLower(source.Type+string(key)))).String()}
}

func asSource(datasourceType string, details powerbi.ConnectionDetails) workspace.Source {
	return workspace.Source{Type: datasourceType, Server: details.Server, Database: details.Database, URL: details.URL, Path: details.Path, Kind: details.Kind,
		Account: details.Account, Domain: details.Domain, ConnectionString: details.ConnectionString}
}

func (c *call) listDatasources() (reply, error) {
	sources, err := c.Workspaces.Sources(c.r.Context(), c.item)
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.Datasource, 0, len(sources))
	for _, source := range sources {
		list = append(list, asDatasource(source))
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Datasource]{Context: c.context("datasources"), Value: list}}, nil
}

func (c *call) updateDatasources() (reply, error) {
	var body powerbi.DatasourceUpdates
	if err := c.decodeLenient(&body); err != nil {
		return reply{}, err
	}
	moves := make([]workspace.Move, len(body.UpdateDetails))
	for i, update := range body.UpdateDetails {
		if update.Selector != nil {
			moves[i].From = asSource(update.Selector.DatasourceType, update.Selector.ConnectionDetails)
		}
		moves[i].To = asSource("", update.ConnectionDetails)
	}
	if err := c.Workspaces.MoveSources(c.r.Context(), c.caller(), c.item, moves); err != nil {
		return reply{}, err
	}
	c.audit("datasources.update", "model", c.item.Name, "modelId", c.item.ID, "datasources", len(moves))
	return reply{status: http.StatusOK}, nil
}
