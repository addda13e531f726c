package api

import (
	"net/http"

	"freshet.dev/internal/refresh"
	"freshet.dev/powerbi"
)

func (c *call) listVersions() (reply, error) {
	versions, err := c.Engine.Versions(c.r.Context(), c.item.ID)
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.Version, 0, len(versions))
	for _, version := range versions {
		list = append(list, powerbi.Version{
			Number: version.Number, CommittedAt: powerbi.Time{Time: version.CommittedAt}, RequestID: version.Operation, Revision: version.ModelRevision,
			Rows: version.Rows, Bytes: version.Bytes, Current: version.Current,
		})
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Version]{Value: list}}, nil
}

// rollback starts a rollback, which is followed as a refresh is. No body goes back to the version before the current one.
func (c *call) rollback() (reply, error) {
	var wish powerbi.RollbackRequest
	if c.r.ContentLength != 0 {
		if err := c.decodeStrict(maxRefreshBody, &wish); err != nil {
			return reply{}, err
		}
	}
	return c.submit(refresh.Submission{Rollback: &refresh.Rollback{Version: wish.Version, WithDefinition: wish.WithDefinition}},
		"model.rollback", "/v1.0/freshet/datasets/"+c.item.ID+"/refreshes")
}
