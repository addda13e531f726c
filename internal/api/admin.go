package api

import (
	"net/http"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// administrators is a handler for administrators of the server alone, who read all that the machine's owner may.
func administrators(handle func(*call) (reply, error)) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		if !c.principal.Administrator() {
			return reply{}, fault.New(fault.Denied, codeNotAuthorized, "cannot %s %s: it is for administrators of the server", c.r.Method, c.r.URL.Path).
				WithHint("Ask who runs it, or leave /admin out.")
		}
		c.principal.Owner = true
		if err := c.find(workspace.Viewer); err != nil {
			return reply{}, err
		}
		return handle(c)
	}
}

// listAllDatasets lists the models of all workspaces, or of one.
func (c *call) listAllDatasets() (reply, error) {
	keep, top, skip, err := listQuery(c.r.URL.Query(), "id", "name", "configuredBy", "workspaceId")
	if err != nil {
		return reply{}, err
	}
	items, err := c.Workspaces.Items(c.r.Context(), c.caller(), workspace.ModelKind, c.group.ID)
	if err != nil {
		return reply{}, err
	}
	list := []powerbi.AdminDataset{}
	for _, item := range items {
		if keep(map[string]string{"id": item.ID, "name": item.Name, "configuredBy": item.ConfiguredBy, "workspaceId": item.WorkspaceID}) {
			list = append(list, powerbi.AdminDataset{Dataset: asDataset(item), WorkspaceID: item.WorkspaceID})
		}
	}
	list = list[min(skip, len(list)):]
	list = list[:min(top, len(list))]
	return reply{http.StatusOK, powerbi.List[powerbi.AdminDataset]{Context: c.context("datasets"), Value: list}}, nil
}
