package api

import (
	"net/http"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// route is one row of the table: what is served, and the right that it needs.
type route struct {
	method  string
	pattern string         // of ServeMux
	scopes  []string       // one of which a user's token must have
	role    workspace.Role // in the workspace of {datasetId} or {groupId}; the handler is given the item or the workspace
	public  bool           // without sign-in
	handle  func(*call) (reply, error)
	about   about
}

// about is what openapi.json and doc/rest-api.md tell of a route. go generate makes both of the table.
type about struct {
	name    string // of the operation; Power BI's, where it has one
	says    string // a sentence; what follows it is where the route differs from Power BI's
	params  string // names of query parameters and of headers, of those that inputs() in reference_test.go describes
	takes   any    // a value of the body's type; nil: none
	answers string // statuses: that of success, then those that other routes do not have
	gives   any    // a value of the body's type; nil: none
}

// What a route takes or gives that is not JSON.
type (
	form      string // names of the fields of a form
	mediaType string // of a text
)

// routes lists all that is served.
func routes() []route {
	var (
		readWorkspace  = []string{auth.ScopeWorkspaceRead, auth.ScopeWorkspaceReadWrite}
		writeWorkspace = []string{auth.ScopeWorkspaceReadWrite}
		read           = []string{auth.ScopeDatasetRead, auth.ScopeDatasetReadWrite}
		write          = []string{auth.ScopeDatasetReadWrite}
		readDataflow   = []string{auth.ScopeDataflowRead, auth.ScopeDataflowReadWrite}
		writeDataflow  = []string{auth.ScopeDataflowReadWrite}
		readCapacity   = []string{auth.ScopeCapacityRead, auth.ScopeCapacityReadWrite}
		writeCapacity  = []string{auth.ScopeCapacityReadWrite}
		none           = workspace.NoRole // nothing is named that has roles, or the handler's call of the workspace room checks
		viewer         = workspace.Viewer
		contributor    = workspace.Contributor
		member         = workspace.Member
		admin          = workspace.Admin
		object         = map[string]any{}
	)
	const (
		flows = "/v1.0/myorg/groups/{groupId}/dataflows"
		start = "Idempotency-Key X-Freshet-Force"
		token = form("grant_type client_id client_secret scope device_code refresh_token")
		v1    = form("grant_type client_id client_secret resource code refresh_token")
	)
	table := []route{
		{"GET", "/healthz", nil, none, true, (*call).healthz, about{"Server_Health", "Tells that the server runs.", "", nil, "200", health{}}},
		{"GET", "/readyz", nil, none, true, (*call).readyz, about{"Server_Ready", "Tells whether the server can work.", "", nil, "200 503", health{}}},
		{"GET", "/v1.0/freshet/openapi.json", nil, none, true, (*call).openAPI, about{"Server_OpenAPI", "Gives this description.", "", nil, "200", object}},

		{"POST", "/{tenant}/oauth2/v2.0/token", nil, none, true, (*call).token, about{"SignIn_Token", "Gives a token to an application by its secret, to a device code that was approved, or to a refresh token.", "", token, "200", tokenAnswer{}}},
		{"POST", "/{tenant}/oauth2/token", nil, none, true, (*call).tokenV1, about{"SignIn_TokenV1", "Gives a token to a client of version 1.0, which names a resource in place of scopes.", "", v1, "200", tokenAnswer{}}},
		{"POST", "/{tenant}/oauth2/v2.0/devicecode", nil, none, true, (*call).deviceCode, about{"SignIn_DeviceCode", "Begins the sign-in of a person by a code.", "", form("client_id scope"), "200", deviceAnswer{}}},
		{"POST", "/{tenant}/oauth2/devicecode", nil, none, true, (*call).deviceCodeV1, about{"SignIn_DeviceCodeV1", "Begins the sign-in of a person by a code with a client of version 1.0.", "", form("client_id resource"), "200", deviceAnswer{}}},
		{"GET", "/devicelogin", nil, none, true, (*call).deviceLogin, about{"SignIn_DevicePage", "Tells a person how to approve a code.", "", nil, "200", mediaType("text/plain")}},
		{"GET", "/{tenant}/.well-known/openid-configuration", nil, none, true, (*call).discoveryV1, about{"SignIn_DiscoveryV1", "Tells where the endpoints of version 1.0 are.", "", nil, "200", object}},
		{"GET", "/{tenant}/v2.0/.well-known/openid-configuration", nil, none, true, (*call).discoveryV2, about{"SignIn_Discovery", "Tells where the endpoints of version 2.0 are.", "", nil, "200", object}},
		{"GET", "/{tenant}/discovery/keys", nil, none, true, (*call).signingKeys, about{"SignIn_KeysV1", "Gives the keys that verify tokens.", "", nil, "200", object}},
		{"GET", "/{tenant}/discovery/v2.0/keys", nil, none, true, (*call).signingKeys, about{"SignIn_Keys", "Gives the keys that verify tokens.", "", nil, "200", object}},
		{"GET", "/common/discovery/instance", nil, none, true, (*call).instances, about{"SignIn_Instances", "Tells Microsoft's libraries that this is the sign-in host that they know.", "", nil, "200", object}},
		{"POST", "/v1.0/freshet/devices/{userCode}", nil, none, false, (*call).approveDevice, about{"SignIn_Decide", "Approves or declines the program that shows a device code.", "", powerbi.SignInAnswer{}, "200", powerbi.SignInDecision{}}},

		{"GET", "/v1.0/myorg/groups", readWorkspace, none, false, (*call).listGroups, about{"Groups_GetGroups", "Lists the workspaces that the caller sees.", "$filter $top $skip", nil, "200", powerbi.List[powerbi.Group]{}}},
		{"POST", "/v1.0/myorg/groups", writeWorkspace, none, false, (*call).createGroup, about{"Groups_CreateGroup", "Makes a workspace, whose Admin the caller is. It is on the first capacity.", "workspaceV2", powerbi.NewGroup{}, "200 409", powerbi.Group{}}},
		{"POST", "/v1.0/myorg/RefreshUserPermissions", readWorkspace, none, false, (*call).refreshPermissions, about{"Users_RefreshUserPermissions", "Makes changed rights known. They are at once: this does nothing.", "", nil, "200", nil}},
		{"GET", "/v1.0/myorg/groups/{groupId}", readWorkspace, viewer, false, (*call).getGroup, about{"Groups_GetGroup", "Opens a workspace.", "", nil, "200", powerbi.Group{}}},
		{"POST", "/v1.0/myorg/groups/{groupId}/AssignToCapacity", writeWorkspace, admin, false, (*call).assignGroup, about{"Groups_AssignToCapacity", "Puts a workspace on a capacity, or on none. It is done at once.", "", powerbi.CapacityTarget{}, "200", nil}},
		{"GET", "/v1.0/myorg/groups/{groupId}/CapacityAssignmentStatus", readWorkspace, viewer, false, (*call).groupAssignment, about{"Groups_CapacityAssignmentStatus", "Tells how far the last assignment is. It is always done.", "", nil, "200", powerbi.CapacityAssignment{}}},
		{"GET", "/v1.0/myorg/groups/{groupId}/users", readWorkspace, viewer, false, (*call).listGroupUsers, about{"Groups_GetGroupUsers", "Lists who has a role in a workspace.", "", nil, "200", powerbi.List[powerbi.GroupUser]{}}},
		{"POST", "/v1.0/myorg/groups/{groupId}/users", writeWorkspace, member, false, (*call).putGroupUser, about{"Groups_AddGroupUser", "Gives somebody a role. Groups of people are not known; who has a role already gets the new one.", "", powerbi.GroupUser{}, "200", nil}},
		{"PUT", "/v1.0/myorg/groups/{groupId}/users", writeWorkspace, member, false, (*call).putGroupUser, about{"Groups_UpdateGroupUser", "Changes somebody's role. Who has none gets it.", "", powerbi.GroupUser{}, "200", nil}},
		{"DELETE", "/v1.0/myorg/groups/{groupId}/users/{user}", writeWorkspace, member, false, (*call).deleteGroupUser, about{"Groups_DeleteUserInGroup", "Takes somebody's role away.", "", nil, "200", nil}},
		{"PATCH", "/v1.0/myorg/groups/{groupId}", writeWorkspace, admin, false, (*call).updateGroup, about{"Groups_UpdateGroup", "Gives a workspace another name. defaultDatasetStorageFormat means nothing here.", "", powerbi.GroupUpdate{}, "200 409", nil}},
		{"DELETE", "/v1.0/myorg/groups/{groupId}", writeWorkspace, admin, false, (*call).deleteGroup, about{"Groups_DeleteGroup", "Deletes a workspace with its models. One in which a refresh is unfinished is refused.", "", nil, "200 409", nil}},

		{"GET", "/v1.0/myorg/capacities", readCapacity, none, false, (*call).listCapacities, about{"Capacities_GetCapacities", "Lists the capacities of the workspaces that the caller sees. An administrator of the server sees all.", "", nil, "200", powerbi.List[powerbi.Capacity]{}}},
		{"GET", "/v1.0/myorg/capacities/refreshables", readCapacity, none, false, (*call).listRefreshables, about{"Capacities_GetRefreshables", "Lists the models on capacities, whose history the caller may read, with what their refreshes of seven days have come to. $top is required.", "$top $skip $filter $expand", nil, "200", powerbi.List[powerbi.Refreshable]{}}},
		{"GET", "/v1.0/myorg/capacities/{capacityId}/refreshables", readCapacity, none, false, (*call).listRefreshables, about{"Capacities_GetRefreshablesForCapacity", "Lists the same for one capacity. $top is required.", "$top $skip $filter $expand", nil, "200", powerbi.List[powerbi.Refreshable]{}}},
		{"GET", "/v1.0/myorg/capacities/{capacityId}/refreshables/{refreshableId}", readCapacity, none, false, (*call).listRefreshables, about{"Capacities_GetRefreshableForCapacity", "Lists the same for one model.", "$expand", nil, "200", powerbi.List[powerbi.Refreshable]{}}},
		{"GET", "/v1.0/myorg/admin/capacities/refreshables", readCapacity, none, false, administrators((*call).listRefreshables), about{"Admin_GetRefreshables", "Lists the models on capacities, of every workspace, for administrators of the server, with what their refreshes of seven days have come to. $top is required.", "$top $skip $filter $expand", nil, "200", powerbi.List[powerbi.Refreshable]{}}},
		{"GET", "/v1.0/myorg/admin/capacities/{capacityId}/refreshables", readCapacity, none, false, administrators((*call).listRefreshables), about{"Admin_GetRefreshablesForCapacity", "Lists the same for one capacity. $top is required.", "$top $skip $filter $expand", nil, "200", powerbi.List[powerbi.Refreshable]{}}},
		{"GET", "/v1.0/myorg/admin/capacities/{capacityId}/refreshables/{refreshableId}", readCapacity, none, false, administrators((*call).listRefreshables), about{"Admin_GetRefreshableForCapacity", "Lists the same for one model.", "$expand", nil, "200", powerbi.List[powerbi.Refreshable]{}}},

		{"GET", "/v1.0/myorg/admin/datasets", read, none, false, administrators((*call).listAllDatasets), about{"Datasets_GetDatasetsAsAdmin", "Lists the models of all workspaces, for administrators of the server.", "$filter $top $skip", nil, "200", powerbi.List[powerbi.AdminDataset]{}}},
		{"GET", "/v1.0/myorg/admin/groups/{groupId}/datasets", read, none, false, administrators((*call).listAllDatasets), about{"Datasets_GetDatasetsInGroupAsAdmin", "Lists the models of any workspace, for administrators of the server.", "$filter $top $skip", nil, "200", powerbi.List[powerbi.AdminDataset]{}}},
		{"GET", "/v1.0/myorg/admin/groups/{groupId}/datasets/upstreamDataflows", readDataflow, none, false, administrators((*call).listUpstreamDataflows), about{"Datasets_GetDatasetToDataflowsLinksInGroupAsAdmin", "Lists which models of any workspace read from which dataflows, for administrators of the server.", "", nil, "200", powerbi.List[powerbi.DataflowLink]{}}},
		{"GET", "/v1.0/myorg/admin/datasets/{datasetId}/datasources", read, none, false, administrators((*call).listDatasources), about{"Datasets_GetDatasourcesAsAdmin", "Lists the data sources of any model, for administrators of the server.", "", nil, "200", powerbi.List[powerbi.Datasource]{}}},
		{"GET", "/v1.0/myorg/admin/datasets/{datasetId}/users", read, none, false, administrators((*call).listDatasetUsers), about{"Datasets_GetDatasetUsersAsAdmin", "Lists who has rights on any model, for administrators of the server.", "", nil, "200", powerbi.List[powerbi.DatasetUser]{}}},

		{"GET", "/v1.0/myorg/admin/dataflows", readDataflow, none, false, administrators((*call).listAllDataflows), about{"Dataflows_GetDataflowsAsAdmin", "Lists the dataflows of all workspaces, for administrators of the server.", "$filter $top $skip", nil, "200", powerbi.List[powerbi.AdminDataflow]{}}},
		{"GET", "/v1.0/myorg/admin/groups/{groupId}/dataflows", readDataflow, none, false, administrators((*call).listAllDataflows), about{"Dataflows_GetDataflowsInGroupAsAdmin", "Lists the dataflows of any workspace, for administrators of the server.", "$filter $top $skip", nil, "200", powerbi.List[powerbi.AdminDataflow]{}}},
		{"GET", "/v1.0/myorg/admin/groups/{groupId}/dataflows/{dataflowId}/upstreamDataflows", readDataflow, none, false, administrators((*call).listUpstream), about{"Dataflows_GetUpstreamDataflowsInGroupAsAdmin", "Lists the dataflows that any dataflow reads, for administrators of the server.", "", nil, "200", powerbi.List[powerbi.DependentDataflow]{}}},
		{"GET", "/v1.0/myorg/admin/dataflows/{dataflowId}/export", readDataflow, none, false, administrators((*call).getDataflow), about{"Dataflows_ExportDataflowAsAdmin", "Exports any dataflow, for administrators of the server.", "", nil, "200", object}},
		{"GET", "/v1.0/myorg/admin/dataflows/{dataflowId}/datasources", readDataflow, none, false, administrators((*call).listDatasources), about{"Dataflows_GetDataflowDatasourcesAsAdmin", "Lists the data sources of any dataflow, for administrators of the server.", "", nil, "200", powerbi.List[powerbi.Datasource]{}}},
		{"GET", "/v1.0/myorg/admin/dataflows/{dataflowId}/users", readDataflow, none, false, administrators((*call).listDataflowUsers), about{"Dataflows_GetDataflowUsersAsAdmin", "Lists who has rights on any dataflow, for administrators of the server.", "", nil, "200", powerbi.List[powerbi.DataflowUser]{}}},

		{"PATCH", "/v1.0/freshet/groups/{groupId}", writeWorkspace, admin, false, (*call).changeGroup, about{"Freshet_ChangeGroup", "Sets what Power BI's workspaces do not have.", "", powerbi.GroupSettings{}, "200", powerbi.Group{}}},
		{"GET", flows, readDataflow, viewer, false, (*call).listDataflows, about{"Dataflows_GetDataflows", "Lists the dataflows of a workspace.", "", nil, "200", powerbi.List[powerbi.Dataflow]{}}},
		{"GET", flows + "/{dataflowId}", readDataflow, contributor, false, (*call).getDataflow, about{"Dataflows_GetDataflow", "Exports a dataflow: its model.json, byte for byte as it was deployed; of generation 2 the files of its folder, in the form of Fabric's Get Dataflow Definition.", "", nil, "200", object}},
		{"PATCH", flows + "/{dataflowId}", writeDataflow, contributor, false, (*call).updateDataflow, about{"Dataflows_UpdateDataflow", "Gives a dataflow another name or description. allowNativeQueries can only be true, and computeEngineBehavior means nothing here.", "", powerbi.DataflowUpdate{}, "200 409", powerbi.Dataflow{}}},
		{"DELETE", flows + "/{dataflowId}", writeDataflow, contributor, false, (*call).deleteDataflow, about{"Dataflows_DeleteDataflow", "Deletes a dataflow and its data. One that is being refreshed is refused.", "", nil, "200 409", nil}},
		{"POST", flows + "/{dataflowId}/refreshes", writeDataflow, contributor, false, (*call).refreshDataflow, about{"Dataflows_RefreshDataflow", "Starts a transaction that loads all entities of a dataflow, all or none. One that runs already is a 400.", "processType", powerbi.DataflowRefresh{}, "200", nil}},
		{"GET", flows + "/{dataflowId}/transactions", readDataflow, contributor, false, (*call).listTransactions, about{"Dataflows_GetDataflowTransactions", "Lists the newest 60 transactions of a dataflow, newest first.", "", nil, "200", powerbi.List[powerbi.DataflowTransaction]{}}},
		{"POST", flows + "/transactions/{transactionId}/cancel", writeDataflow, viewer, false, (*call).cancelTransaction, about{"Dataflows_CancelDataflowTransaction", "Asks to cancel a transaction. That there is none, or that it has ended, is told in a 200.", "", nil, "200", powerbi.DataflowTransactionStatus{}}},
		{"GET", flows + "/{dataflowId}/datasources", readDataflow, contributor, false, (*call).listDatasources, about{"Dataflows_GetDataflowDataSources", "Lists the data sources of a dataflow. They are found by reading its queries; all have the gatewayId of the server itself.", "", nil, "200", powerbi.List[powerbi.Datasource]{}}},
		{"GET", flows + "/{dataflowId}/upstreamDataflows", readDataflow, contributor, false, (*call).listUpstream, about{"Dataflows_GetUpstreamDataflowsInGroup", "Lists the dataflows that a dataflow reads: by linked entities, and by its queries. They need not exist here.", "", nil, "200", powerbi.List[powerbi.DependentDataflow]{}}},
		{"PATCH", flows + "/{dataflowId}/refreshSchedule", writeDataflow, contributor, false, (*call).patchSchedule, about{"Dataflows_UpdateRefreshSchedule", "Changes a dataflow's schedule. Time zones may be IANA's, and freshet.cron replaces days and times.", "", powerbi.ScheduleUpdate{}, "200", nil}},

		{"GET", "/v1.0/myorg/groups/{groupId}/datasets/upstreamDataflows", readDataflow, viewer, false, (*call).listUpstreamDataflows, about{"Datasets_GetDatasetToDataflowsLinksInGroup", "Lists which models of a workspace read from which dataflows. They are found by reading the expressions of the models.", "", nil, "200", powerbi.List[powerbi.DataflowLink]{}}},
		{"POST", "/v1.0/myorg/groups/{groupId}/datasets/{datasetId}/Default.TakeOver", write, contributor, false, (*call).takeOver, about{"Datasets_TakeOverInGroup", "Makes the caller the owner of a model, who alone may configure it.", "", nil, "200", nil}},
		{"GET", "/v1.0/myorg/gateways", read, none, false, (*call).listGateways, about{"Gateways_GetGateways", "Lists gateways. There are none: the server reaches all sources itself.", "", nil, "200", powerbi.List[powerbi.Gateway]{}}},

		{"POST", "/v1.0/freshet/datasets", write, none, false, (*call).deploy, about{"Freshet_Deploy", "Deploys the definition of a model or dataflow to a workspace, of which the caller is a Contributor, or tells what that would do.", "", powerbi.Definition{}, "200 409", powerbi.Deployment{}}},
		{"GET", "/v1.0/freshet/datasets", read, none, false, (*call).listAll, about{"Freshet_GetModels", "Lists the models of all workspaces that the caller sees.", "", nil, "200", powerbi.List[powerbi.Model]{}}},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/query", read, viewer, false, (*call).query, about{"Freshet_Query", "Runs one SELECT over the current version: a head, an array for each row, a tail, one a line.", "", powerbi.QueryRequest{}, "200", mediaType("application/x-ndjson")}},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/tables", read, viewer, false, (*call).listQueryTables, about{"Freshet_GetTables", "Lists the tables of a model, or the entities of a dataflow, that queries can name, with the columns that they can read; of what they cannot read, why.", "", nil, "200", powerbi.List[powerbi.QueryTable]{}}},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/explain", read, contributor, false, (*call).explain, about{"Freshet_Explain", "Tells what a table's partitions send to their sources.", "table partition", nil, "200", powerbi.List[powerbi.Explanation]{}}},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/plan", read, contributor, false, (*call).planRefresh, about{"Freshet_PlanRefresh", "Tells what a refresh with this body would do to each partition, why, and what it would ask of the sources. Nothing is changed.", "", powerbi.RefreshRequest{}, "200", powerbi.RefreshPlan{}}},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/refreshes", write, contributor, false, (*call).startOnDemand, about{"Freshet_RefreshOnDemand", "Starts a standard refresh of the kind OnDemand.", start, nil, "202", nil}},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/refreshes", read, contributor, false, (*call).listRefreshes, about{"Freshet_GetRefreshes", "Lists the refreshes of a model or dataflow, newest first, as Power BI does those of models.", "$top", nil, "200", powerbi.List[powerbi.Refresh]{}}},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/refreshSchedule", read, contributor, false, (*call).getSchedule, about{"Freshet_GetRefreshSchedule", "Tells when a model or dataflow is refreshed by itself; Power BI does not tell it of dataflows.", "", nil, "200", powerbi.RefreshSchedule{}}},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/refreshes/{refreshId}", read, contributor, false, (*call).getAnyRefresh, about{"Freshet_GetRefresh", "Tells of a refresh of any kind, or of a rollback.", "Prefer", nil, "200 202", powerbi.RefreshDetail{}}},
		{"DELETE", "/v1.0/freshet/datasets/{datasetId}/refreshes/{refreshId}", write, contributor, false, (*call).cancelAnyRefresh, about{"Freshet_CancelRefresh", "Cancels a refresh of any kind, or a rollback.", "", nil, "200 409", nil}},
		{"GET", "/v1.0/freshet/datasets/{datasetId}/versions", read, contributor, false, (*call).listVersions, about{"Freshet_GetVersions", "Lists the versions of the data that are kept.", "", nil, "200", powerbi.List[powerbi.Version]{}}},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/verify", read, contributor, false, (*call).verify, about{"Freshet_Verify", "Compares every data file with its checksum.", "", nil, "200", powerbi.Verification{}}},
		{"POST", "/v1.0/freshet/datasets/{datasetId}/rollback", write, contributor, false, (*call).rollback, about{"Freshet_Rollback", "Starts to make a copy of an earlier version the next one.", start, powerbi.RollbackRequest{}, "202", nil}},
	}
	// Power BI has these twice: without a workspace, and below one, where their names end in InGroup.
	for _, below := range [][2]string{{"/v1.0/myorg/groups/{groupId}", "InGroup"}, {"/v1.0/myorg", ""}} {
		path, in := below[0]+"/datasets", below[1]
		table = append(table,
			route{"GET", path, read, viewer, false, (*call).listDatasets, about{"Datasets_GetDatasets" + in, "Lists the models of a workspace; without one, those of My workspace.", "", nil, "200", powerbi.List[powerbi.Dataset]{}}},
			route{"GET", path + "/{datasetId}", read, viewer, false, (*call).getDataset, about{"Datasets_GetDataset" + in, "Opens a model. Without a workspace in the path it may be in any.", "", nil, "200", powerbi.Dataset{}}},
			route{"DELETE", path + "/{datasetId}", write, contributor, false, (*call).deleteDataset, about{"Datasets_DeleteDataset" + in, "Deletes a model and its data. One that is being refreshed is refused.", "", nil, "200 409", nil}},
			route{"GET", path + "/{datasetId}/refreshSchedule", read, contributor, false, (*call).getSchedule, about{"Datasets_GetRefreshSchedule" + in, "Tells when a model is refreshed by itself. Under freshet also by which cron line, and when next.", "", nil, "200", powerbi.RefreshSchedule{}}},
			route{"PATCH", path + "/{datasetId}/refreshSchedule", write, contributor, false, (*call).patchSchedule, about{"Datasets_UpdateRefreshSchedule" + in, "Changes a model's schedule. Time zones may be IANA's, and freshet.cron replaces days and times.", "", powerbi.ScheduleUpdate{}, "200", nil}},
			route{"GET", path + "/{datasetId}/tables", read, viewer, false, (*call).listTables, about{"Datasets_GetTables" + in, "Lists the tables of any model with their columns and measures, as it is deployed.", "", nil, "200", powerbi.List[powerbi.Table]{}}},
			route{"GET", path + "/{datasetId}/parameters", read, contributor, false, (*call).listParameters, about{"Datasets_GetParameters" + in, "Lists the parameters of a model's M expressions.", "", nil, "200", powerbi.List[powerbi.Parameter]{}}},
			route{"POST", path + "/{datasetId}/Default.UpdateParameters", write, contributor, false, (*call).updateParameters, about{"Datasets_UpdateParameters" + in, "Gives parameters other values, which the next refresh reads with. While a refresh is unfinished it is refused.", "", powerbi.ParameterUpdates{}, "200 409", nil}},
			route{"GET", path + "/{datasetId}/datasources", read, contributor, false, (*call).listDatasources, about{"Datasets_GetDatasources" + in, "Lists the data sources of a model. They are found by reading its expressions; all have the gatewayId of the server itself.", "", nil, "200", powerbi.List[powerbi.Datasource]{}}},
			route{"POST", path + "/{datasetId}/Default.UpdateDatasources", write, contributor, false, (*call).updateDatasources, about{"Datasets_UpdateDatasources" + in, "Gives data sources other details for the next refresh. It serves every type whose details stand in the expressions as texts. While a refresh is unfinished it is refused.", "", powerbi.DatasourceUpdates{}, "200 409", nil}},
			route{"GET", path + "/{datasetId}/Default.DiscoverGateways", read, contributor, false, (*call).listGateways, about{"Datasets_DiscoverGateways" + in, "Lists the gateways that a model can be bound to. There are none.", "", nil, "200", powerbi.List[powerbi.Gateway]{}}},
			route{"GET", path + "/{datasetId}/Default.GetBoundGatewayDatasources", read, contributor, false, (*call).listGatewayDatasources, about{"Datasets_GetGatewayDatasources" + in, "Lists the data sources that a model reaches by a gateway. There are none.", "", nil, "200", powerbi.List[powerbi.GatewayDatasource]{}}},
			route{"GET", path + "/{datasetId}/directQueryRefreshSchedule", read, contributor, false, (*call).getLiveSchedule, about{"Datasets_GetDirectQueryRefreshSchedule" + in, "Tells when tiles of a model with DirectQuery tables would be refreshed. There are no tiles.", "", nil, "200 400", powerbi.DirectQuerySchedule{}}},
			route{"PATCH", path + "/{datasetId}/directQueryRefreshSchedule", write, contributor, false, (*call).patchLiveSchedule, about{"Datasets_UpdateDirectQueryRefreshSchedule" + in, "Changes that schedule, which nothing follows: there are no tiles.", "", powerbi.DirectQueryScheduleUpdate{}, "200", nil}},
			route{"GET", path + "/{datasetId}/users", read, viewer, false, (*call).listDatasetUsers, about{"Datasets_GetDatasetUsers" + in, "Lists who has rights on a model, by a role in its workspace or by a grant. It needs the right to write or to reshare.", "", nil, "200", powerbi.List[powerbi.DatasetUser]{}}},
			route{"POST", path + "/{datasetId}/users", write, viewer, false, (*call).addDatasetUser, about{"Datasets_PostDatasetUser" + in, "Gives somebody rights on a model, but for that to write. It needs the right to reshare, and what is given. Who has rights already gets the new ones; groups of people are not known.", "", powerbi.DatasetUser{}, "200", nil}},
			route{"PUT", path + "/{datasetId}/users", write, viewer, false, (*call).updateDatasetUser, about{"Datasets_PutDatasetUser" + in, "Gives somebody other rights on a model, or None. It needs the right to reshare, and what is given.", "", powerbi.DatasetUser{}, "200", nil}},
			route{"POST", path + "/{datasetId}/refreshes", write, contributor, false, (*call).startRefresh, about{"Datasets_RefreshDataset" + in, "Starts a refresh, a standard one unless the body names more than notifyOption. Its three headers always name it.", start, powerbi.RefreshRequest{}, "202", nil}},
			route{"GET", path + "/{datasetId}/refreshes", read, contributor, false, (*call).listRefreshes, about{"Datasets_GetRefreshHistory" + in, "Lists the refreshes of a model, newest first.", "$top", nil, "200", powerbi.List[powerbi.Refresh]{}}},
			route{"GET", path + "/{datasetId}/refreshes/{refreshId}", read, contributor, false, (*call).getRefresh, about{"Datasets_GetRefreshExecutionDetails" + in, "Tells of an enhanced refresh: 202 until it has ended. The status is NotStarted or InProgress until then; rows, bytes and speed stand under freshet.", "Prefer", nil, "200 202", powerbi.RefreshDetail{}}},
			route{"DELETE", path + "/{datasetId}/refreshes/{refreshId}", write, contributor, false, (*call).cancelRefresh, about{"Datasets_CancelRefresh" + in, "Cancels an enhanced refresh.", "", nil, "200 409", nil}},
		)
	}
	table = append(table, azureRoutes(readCapacity, writeCapacity)...)
	return append(table, unserved()...)
}

// health is what the routes answer that tell about the server itself.
type health struct {
	Status string `json:"status"`
}

func (c *call) healthz() (reply, error) {
	return reply{http.StatusOK, health{"ok"}}, nil
}

func (c *call) readyz() (reply, error) {
	if err := c.Ready(c.r.Context()); err != nil {
		c.Logger.WarnContext(c.r.Context(), "not ready", "requestId", requestID(c.w), "error", err) // who asks may be anybody
		return reply{}, fault.New(fault.Unavailable, codeUnready, "cannot serve: a part that the server needs does not answer").WithHint("The server's log says which.")
	}
	return reply{http.StatusOK, health{"ready"}}, nil
}
