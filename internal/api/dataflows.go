package api

import (
	"encoding/json"
	"net/http"

	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// listDataflows tells of a workspace's dataflows: there are none yet.
func (c *call) listDataflows() (reply, error) {
	group, err := guid(c.r.PathValue("groupId"))
	if err != nil {
		return reply{}, err
	}
	if _, err := c.Workspaces.Get(c.r.Context(), c.caller(), workspace.Viewer, group); err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, powerbi.List[json.RawMessage]{Context: c.context("dataflows"), Value: []json.RawMessage{}}}, nil
}
