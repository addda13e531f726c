package api

import (
	"encoding/json"
	"net/http"

	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// listDataflows tells of a workspace's dataflows: there are none yet.
func (c *call) listDataflows() (reply, error) {
	if _, err := c.group(workspace.Viewer); err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, powerbi.List[json.RawMessage]{Context: c.context("dataflows"), Value: []json.RawMessage{}}}, nil
}
