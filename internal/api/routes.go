package api

import (
	"net/http"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
)

// route is one row of the table: what is served, and the right that it needs.
type route struct {
	method  string
	pattern string         // of ServeMux
	scopes  []string       // one of which a user's token must have
	role    workspace.Role // in the workspace of {datasetId}, whose item the handler is given
	public  bool           // without sign-in
	handle  func(*call) (reply, error)
}

// routes lists all that is served.
func routes() []route {
	var (
		readWorkspace  = []string{auth.ScopeWorkspaceRead, auth.ScopeWorkspaceReadWrite}
		writeWorkspace = []string{auth.ScopeWorkspaceReadWrite}
		read           = []string{auth.ScopeDatasetRead, auth.ScopeDatasetReadWrite}
		write          = []string{auth.ScopeDatasetReadWrite}
		readCapacity   = []string{auth.ScopeCapacityRead, auth.ScopeCapacityReadWrite}
		writeCapacity  = []string{auth.ScopeCapacityReadWrite}
		none           = workspace.NoRole // the handler's call of the workspace room checks
		viewer         = workspace.Viewer
		contributor    = workspace.Contributor
	)
	table := []route{
		{"GET", "/healthz", nil, none, true, (*call).healthz},
		{"GET", "/readyz", nil, none, true, (*call).readyz},

		{"POST", "/{tenant}/oauth2/v2.0/token", nil, none, true, (*call).token},
		{"POST", "/{tenant}/oauth2/token", nil, none, true, (*call).tokenV1},
		{"POST", "/{tenant}/oauth2/v2.0/devicecode", nil, none, true, (*call).deviceCode},
		{"GET", "/devicelogin", nil, none, true, (*call).deviceLogin},
		{"GET", "/{tenant}/.well-known/openid-configuration", nil, none, true, (*call).discoveryV1},
		{"GET", "/{tenant}/v2.0/.well-known/openid-configuration", nil, none, true, (*call).discoveryV2},
		{"GET", "/{tenant}/discovery/keys", nil, none, true, (*call).signingKeys},
		{"GET", "/{tenant}/discovery/v2.0/keys", nil, none, true, (*call).signingKeys},
		{"GET", "/common/discovery/instance", nil, none, true, (*call).instances},
		{"POST", "/v1.0/freshet/devices/{userCode}", nil, none, false, (*call).approveDevice},

		{"GET", "/v1.0/myorg/groups", readWorkspace, none, false, (*call).listGroups},
		{"POST", "/v1.0/myorg/groups", writeWorkspace, none, false, (*call).createGroup},
		{"GET", "/v1.0/myorg/groups/{groupId}", readWorkspace, none, false, (*call).getGroup},
		{"POST", "/v1.0/myorg/groups/{groupId}/AssignToCapacity", writeWorkspace, none, false, (*call).assignGroup},
		{"GET", "/v1.0/myorg/groups/{groupId}/CapacityAssignmentStatus", readWorkspace, none, false, (*call).groupAssignment},
		{"GET", "/v1.0/myorg/groups/{groupId}/users", readWorkspace, none, false, (*call).listGroupUsers},
		{"POST", "/v1.0/myorg/groups/{groupId}/users", writeWorkspace, none, false, (*call).putGroupUser},
		{"PUT", "/v1.0/myorg/groups/{groupId}/users", writeWorkspace, none, false, (*call).putGroupUser},
		{"DELETE", "/v1.0/myorg/groups/{groupId}/users/{user}", writeWorkspace, none, false, (*call).deleteGroupUser},
		{"DELETE", "/v1.0/myorg/groups/{groupId}", writeWorkspace, none, false, (*call).deleteGroup},

		{"GET", "/v1.0/myorg/capacities", readCapacity, none, false, (*call).listCapacities},

		{"PATCH", "/v1.0/freshet/groups/{groupId}", writeWorkspace, none, false, (*call).changeGroup},
		{"GET", "/v1.0/myorg/groups/{groupId}/dataflows", []string{auth.ScopeDataflowRead, auth.ScopeDataflowReadWrite}, none, false, (*call).listDataflows},

		{"POST", "/v1.0/freshet/datasets", write, none, false, (*call).deploy},
		{"GET", "/v1.0/freshet/datasets", read, none, false, (*call).listAll},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/query", read, viewer, false, (*call).query},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/explain", read, contributor, false, (*call).explain},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/refreshes", write, contributor, false, (*call).startOnDemand},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/refreshes/{refreshId}", read, contributor, false, (*call).getAnyRefresh},
		{"DELETE", "/v1.0/freshet/datasets/{datasetId}/refreshes/{refreshId}", write, contributor, false, (*call).cancelAnyRefresh},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/versions", read, contributor, false, (*call).listVersions},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/verify", read, contributor, false, (*call).verify},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/rollback", write, contributor, false, (*call).rollback},
	}
	// Power BI has these twice: below a workspace, and without one.
	for _, below := range []string{"/v1.0/myorg/groups/{groupId}", "/v1.0/myorg"} {
		table = append(table,
			route{"GET", below + "/datasets", read, none, false, (*call).listDatasets},
			route{"GET", below + "/datasets/{datasetId}", read, viewer, false, (*call).getDataset},
			route{"DELETE", below + "/datasets/{datasetId}", write, contributor, false, (*call).deleteDataset},
			route{"GET", below + "/datasets/{datasetId}/refreshSchedule", read, contributor, false, (*call).getSchedule},
			route{"PATCH", below + "/datasets/{datasetId}/refreshSchedule", write, contributor, false, (*call).patchSchedule},
			route{"POST", below + "/datasets/{datasetId}/refreshes", write, contributor, false, (*call).startRefresh},
			route{"GET", below + "/datasets/{datasetId}/refreshes", read, contributor, false, (*call).listRefreshes},
			route{"GET", below + "/datasets/{datasetId}/refreshes/{refreshId}", read, contributor, false, (*call).getRefresh},
			route{"DELETE", below + "/datasets/{datasetId}/refreshes/{refreshId}", write, contributor, false, (*call).cancelRefresh},
		)
	}
	table = append(table, azureRoutes(readCapacity, writeCapacity)...)
	return append(table, unserved()...)
}

func (c *call) healthz() (reply, error) {
	return reply{http.StatusOK, map[string]string{"status": "ok"}}, nil
}

func (c *call) readyz() (reply, error) {
	if err := c.Ready(c.r.Context()); err != nil {
		return reply{}, fault.New(fault.Unavailable, codeUnready, "cannot serve: %w", err).WithHint("The server's log says more")
	}
	return reply{http.StatusOK, map[string]string{"status": "ready"}}, nil
}
