package api

import (
	"encoding/json"
	"net/http"

	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// find finds what the ids of a path name and a role is needed for: a model, else a workspace. A model without a workspace is any that the
// caller sees.
func (c *call) find(need workspace.Role) (err error) {
	groupID, datasetID := c.r.PathValue("groupId"), c.r.PathValue("datasetId")
	if datasetID != "" {
		if datasetID, err = guid(datasetID); err != nil {
			return err
		}
	}
	if groupID != "" {
		if groupID, err = guid(groupID); err != nil {
			return err
		}
	}
	switch {
	case groupID != "" && datasetID != "":
		c.item, err = c.Workspaces.Item(c.r.Context(), c.caller(), need, groupID, datasetID)
	case datasetID != "":
		c.item, err = c.Workspaces.Resolve(c.r.Context(), c.caller(), need, datasetID)
	case groupID != "":
		c.group, err = c.Workspaces.Get(c.r.Context(), c.caller(), need, groupID)
	}
	return err
}

func asDataset(item workspace.Item) powerbi.Dataset {
	return powerbi.Dataset{
		ID: item.ID, Name: item.Name, ConfiguredBy: item.ConfiguredBy, IsRefreshable: true, TargetStorageMode: "Abf",
		CreatedDate: powerbi.Time{Time: item.Created}, UpstreamDatasets: []json.RawMessage{}, Users: []json.RawMessage{},
		QueryScaleOutSettings: &powerbi.QueryScaleOut{AutoSyncReadOnlyReplicas: true},
	}
}

func (c *call) listDatasets() (reply, error) {
	list := c.group
	if list.ID == "" {
		mine, err := c.Workspaces.Mine(c.r.Context(), c.caller())
		if err != nil {
			return reply{}, err
		}
		list = mine
	}
	items, err := c.Workspaces.Items(c.r.Context(), c.caller(), list.ID)
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

// takeOver makes the caller the model's owner.
func (c *call) takeOver() (reply, error) {
	if err := c.Workspaces.TakeOver(c.r.Context(), c.caller(), c.item); err != nil {
		return reply{}, err
	}
	c.audit("model.takeOver", "model", c.item.Name, "modelId", c.item.ID, "from", c.item.ConfiguredBy)
	return reply{status: http.StatusOK}, nil
}
