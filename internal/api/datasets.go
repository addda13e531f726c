package api

import (
	"encoding/json"
	"net/http"

	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// findItem finds a model by the ids of a path. Without a workspace it is any model that the caller sees.
func (c *call) findItem(need workspace.Role, groupID, datasetID string) (workspace.Item, error) {
	id, err := guid(datasetID)
	if err != nil {
		return workspace.Item{}, err
	}
	if groupID == "" {
		return c.Workspaces.Resolve(c.r.Context(), c.caller(), need, id)
	}
	group, err := guid(groupID)
	if err != nil {
		return workspace.Item{}, err
	}
	return c.Workspaces.Item(c.r.Context(), c.caller(), need, group, id)
}

func asDataset(item workspace.Item) powerbi.Dataset {
	return powerbi.Dataset{
		ID: item.ID, Name: item.Name, ConfiguredBy: item.ConfiguredBy, IsRefreshable: true, TargetStorageMode: "Abf",
		CreatedDate: powerbi.Time{Time: item.Created}, UpstreamDatasets: []json.RawMessage{}, Users: []json.RawMessage{},
		QueryScaleOutSettings: &powerbi.QueryScaleOut{AutoSyncReadOnlyReplicas: true},
	}
}

func (c *call) listDatasets() (reply, error) {
	var (
		list string
		err  error
	)
	if c.r.PathValue("groupId") != "" {
		list, err = guid(c.r.PathValue("groupId"))
	} else {
		var mine workspace.Workspace
		mine, err = c.Workspaces.Mine(c.r.Context(), c.caller())
		list = mine.ID
	}
	if err != nil {
		return reply{}, err
	}
	items, err := c.Workspaces.Items(c.r.Context(), c.caller(), list)
	if err != nil {
		return reply{}, err
	}
	datasets := make([]powerbi.Dataset, 0, len(items))
	for _, item := range items {
		datasets = append(datasets, asDataset(item))
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Dataset]{Context: c.context("datasets"), Value: datasets}}, nil
}

func (c *call) getDataset() (reply, error) {
	dataset := asDataset(c.item)
	dataset.Context = c.context("datasets/$entity")
	return reply{http.StatusOK, dataset}, nil
}

func (c *call) deleteDataset() (reply, error) {
	if err := c.Workspaces.DeleteItem(c.r.Context(), c.caller(), c.item.ID); err != nil {
		return reply{}, err
	}
	c.audit("model.delete", "model", c.item.Name, "modelId", c.item.ID)
	return reply{status: http.StatusOK}, nil
}
