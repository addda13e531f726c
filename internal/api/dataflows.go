package api

import (
	"net/http"

	"freshet.dev/powerbi"
)

// listDataflows tells of a workspace's dataflows: there are none yet.
func (c *call) listDataflows() (reply, error) {
	return reply{http.StatusOK, powerbi.List[powerbi.Dataflow]{Context: c.context("dataflows"), Value: []powerbi.Dataflow{}}}, nil
}
