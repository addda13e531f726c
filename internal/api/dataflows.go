package api

import (
	"net/http"

	"freshet.dev/powerbi"
)

// listUpstreamDataflows tells which models read from dataflows: none.
func (c *call) listUpstreamDataflows() (reply, error) {
	return reply{http.StatusOK, powerbi.List[powerbi.DataflowLink]{Context: c.context("upstreamDataflows"), Value: []powerbi.DataflowLink{}}}, nil
}

// listDataflows tells of a workspace's dataflows: there are none yet.
func (c *call) listDataflows() (reply, error) {
	return reply{http.StatusOK, powerbi.List[powerbi.Dataflow]{Context: c.context("dataflows"), Value: []powerbi.Dataflow{}}}, nil
}
