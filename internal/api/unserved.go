package api

import "freshet.dev/internal/fault"

// unservedRows lists the routes of Power BI, as far as they concern models, dataflows, workspaces, gateways and capacities, that Freshet does
// not have: method, path below /v1.0/myorg, the operation's name in Power BI's reference, and what to do. A caller is told that name instead of a 404
// that could be taken for a missing item.
func unservedRows() [][4]string {
	const noGateways = "There are no gateways: the server reaches all sources itself, as dataSources of its configuration say."
	return [][4]string{
		{"POST", "/datasets", "Datasets_PostDataset"},
		{"PATCH", "/datasets/{datasetId}", "Datasets_UpdateDataset"},
		{"POST", "/datasets/{datasetId}/executeQueries", "Datasets_ExecuteQueries"},
		{"PUT", "/datasets/{datasetId}/tables/{tableName}", "Datasets_PutTable"},
		{"POST", "/datasets/{datasetId}/tables/{tableName}/rows", "Datasets_PostRows"},
		{"DELETE", "/datasets/{datasetId}/tables/{tableName}/rows", "Datasets_DeleteRows"},
		{"POST", "/datasets/{datasetId}/Default.SetAllConnections", "Datasets_SetAllDatasetConnections", "Update the parameters or the data sources (Default.UpdateParameters, Default.UpdateDatasources)."},
		{"POST", "/datasets/{datasetId}/Default.BindToGateway", "Datasets_BindToGateway", noGateways},
		{"GET", "/datasets/{datasetId}/queryScaleOut/syncStatus", "Datasets_GetQueryScaleOutSyncStatus"},
		{"POST", "/datasets/{datasetId}/queryScaleOut/sync", "Datasets_TriggerQueryScaleOutSync"},
		{"POST", "/groups/{groupId}/datasets", "Datasets_PostDatasetInGroup"},
		{"PATCH", "/groups/{groupId}/datasets/{datasetId}", "Datasets_UpdateDatasetInGroup"},
		{"PUT", "/groups/{groupId}/datasets/{datasetId}/tables/{tableName}", "Datasets_PutTableInGroup"},
		{"POST", "/groups/{groupId}/datasets/{datasetId}/tables/{tableName}/rows", "Datasets_PostRowsInGroup"},
		{"DELETE", "/groups/{groupId}/datasets/{datasetId}/tables/{tableName}/rows", "Datasets_DeleteRowsInGroup"},
		{"POST", "/groups/{groupId}/datasets/{datasetId}/Default.SetAllConnections", "Datasets_SetAllDatasetConnectionsInGroup", "Update the parameters or the data sources (Default.UpdateParameters, Default.UpdateDatasources)."},
		{"POST", "/groups/{groupId}/datasets/{datasetId}/Default.BindToGateway", "Datasets_BindToGatewayInGroup", noGateways},
		{"POST", "/groups/{groupId}/datasets/{datasetId}/executeQueries", "Datasets_ExecuteQueriesInGroup"},
		{"GET", "/groups/{groupId}/datasets/{datasetId}/queryScaleOut/syncStatus", "Datasets_GetQueryScaleOutSyncStatusInGroup"},
		{"POST", "/groups/{groupId}/datasets/{datasetId}/queryScaleOut/sync", "Datasets_TriggerQueryScaleOutSyncInGroup"},
		{"POST", "/groups/{groupId}/datasets/{datasetId}/GenerateToken", "Datasets_GenerateTokenInGroup"},
		{"GET", "/gateways/{gatewayId}", "Gateways_GetGateway", noGateways},
		{"GET", "/gateways/{gatewayId}/datasources", "Gateways_GetDatasources", noGateways},
		{"POST", "/gateways/{gatewayId}/datasources", "Gateways_CreateDatasource", noGateways},
		{"GET", "/gateways/{gatewayId}/datasources/{datasourceId}", "Gateways_GetDatasource", noGateways},
		{"DELETE", "/gateways/{gatewayId}/datasources/{datasourceId}", "Gateways_DeleteDatasource", noGateways},
		{"PATCH", "/gateways/{gatewayId}/datasources/{datasourceId}", "Gateways_UpdateDatasource", noGateways},
		{"GET", "/gateways/{gatewayId}/datasources/{datasourceId}/status", "Gateways_GetDatasourceStatus", noGateways},
		{"GET", "/gateways/{gatewayId}/datasources/{datasourceId}/users", "Gateways_GetDatasourceUsers", noGateways},
		{"POST", "/gateways/{gatewayId}/datasources/{datasourceId}/users", "Gateways_AddDatasourceUser", noGateways},
		{"DELETE", "/gateways/{gatewayId}/datasources/{datasourceId}/users/{emailAdress}", "Gateways_DeleteDatasourceUser", noGateways},
		{"GET", "/capacities/{capacityId}/Workloads", "Capacities_GetWorkloads"},
		{"GET", "/capacities/{capacityId}/Workloads/{workloadName}", "Capacities_GetWorkload"},
		{"PATCH", "/capacities/{capacityId}/Workloads/{workloadName}", "Capacities_PatchWorkload"},
		{"POST", "/admin/capacities/AssignWorkspaces", "Capacities_AssignWorkspacesToCapacity"},
		{"POST", "/admin/capacities/UnassignWorkspaces", "Capacities_UnassignWorkspacesFromCapacity"},
		{"GET", "/admin/capacities", "Admin_GetCapacitiesAsAdmin"},
		{"PATCH", "/admin/capacities/{capacityId}", "Admin_PatchCapacityAsAdmin"},
		{"GET", "/admin/capacities/{capacityId}/users", "Capacities_GetCapacityUsersAsAdmin"},
	}
}

// unserved are their rows in the table.
func unserved() []route {
	var table []route
	for _, row := range unservedRows() {
		table = append(table, route{method: row[0], pattern: "/v1.0/myorg" + row[1], handle: func(*call) (reply, error) {
			err := fault.New(fault.Invalid, codeNotServed, "cannot serve %s %s (Power BI's %s): Freshet does not have it", row[0], row[1], row[2])
			if row[3] != "" {
				err = err.WithHint("%s", row[3])
			}
			return reply{}, err
		}})
	}
	return table
}
