package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// find finds what the ids of a path name and a role is needed for: a model or dataflow, else a workspace. A model without a workspace is any that
// the caller sees. What Freshet's own routes tell of models they tell of dataflows, too.
func (c *call) find(need workspace.Role) (err error) {
	groupID, itemID, kind := c.r.PathValue("groupId"), c.r.PathValue("datasetId"), workspace.ModelKind
	if strings.Contains(c.r.Pattern, " /v1.0/freshet/") {
		kind = workspace.AnyKind
	}
	if flow := c.r.PathValue("dataflowId"); flow != "" {
		itemID, kind = flow, workspace.DataflowKind
	}
	if itemID != "" {
		if itemID, err = guid(itemID); err != nil {
			return err
		}
	}
	if groupID != "" {
		if groupID, err = guid(groupID); err != nil {
			return err
		}
	}
	switch {
	case groupID != "" && itemID != "":
		c.item, err = c.Workspaces.Item(c.r.Context(), c.caller(), need, kind, groupID, itemID)
	case itemID != "":
		c.item, err = c.Workspaces.Resolve(c.r.Context(), c.caller(), need, kind, itemID)
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
	items, err := c.Workspaces.Items(c.r.Context(), c.caller(), workspace.ModelKind, list.ID)
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
