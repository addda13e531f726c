package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"freshet.dev/internal/dataflow"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// listUpstreamDataflows tells which models read from which dataflows.
func (c *call) listUpstreamDataflows() (reply, error) {
	models, err := c.Workspaces.Items(c.r.Context(), c.caller(), workspace.ModelKind, c.group.ID)
	if err != nil {
		return reply{}, err
	}
	list := []powerbi.DataflowLink{}
	for _, item := range models {
		links, err := c.Workspaces.Upstream(c.r.Context(), item.ID)
		if err != nil {
			return reply{}, err
		}
		for _, link := range links {
			list = append(list, powerbi.DataflowLink{DatasetObjectID: item.ID, DataflowObjectID: link.DataflowID, WorkspaceObjectID: link.WorkspaceID})
		}
	}
	return reply{http.StatusOK, powerbi.List[powerbi.DataflowLink]{Context: c.context("upstreamDataflows"), Value: list}}, nil
}

func (c *call) listDataflows() (reply, error) {
	items, err := c.Workspaces.Items(c.r.Context(), c.caller(), workspace.DataflowKind, c.group.ID)
	if err != nil {
		return reply{}, err
	}
	flows := make([]powerbi.Dataflow, 0, len(items))
	for _, item := range items {
		flows = append(flows, c.asDataflow(item))
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Dataflow]{Context: c.context("dataflows"), Value: flows}}, nil
}

func (c *call) asDataflow(item workspace.Item) powerbi.Dataflow {
	return powerbi.Dataflow{
		ObjectID: item.ID, Name: item.Name, Description: item.Description, ConfiguredBy: item.ConfiguredBy, Users: []json.RawMessage{}, Generation: item.Generation,
		ModelURL: scheme(c.r) + "://" + c.r.Host + "/v1.0/myorg/groups/" + item.WorkspaceID + "/dataflows/" + item.ID,
	}
}

// getDataflow gives the model.json to the byte. Of a dataflow of generation 2, which has none, it gives what Fabric's Get Dataflow Definition does: the
// files of its folder.
func (c *call) getDataflow() (reply, error) {
	files, err := c.Workspaces.ExportDataflow(c.r.Context(), c.item)
	if err != nil {
		return reply{}, err
	}
	if c.item.Generation == 2 {
		var answer powerbi.DataflowDefinition
		for _, name := range slices.Sorted(maps.Keys(files)) {
			answer.Definition.Parts = append(answer.Definition.Parts, powerbi.DefinitionPart{Path: name, Payload: files[name], PayloadType: "InlineBase64"})
		}
		return reply{http.StatusOK, answer}, nil
	}
	var content []byte
	for _, content = range files { // the one that there is
	}
	c.begun = true
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	if _, err := (&pieces{http.NewResponseController(c.w), c.w}).Write(content); err != nil {
		c.Logger.DebugContext(c.r.Context(), "the reader of a dataflow hung up", "dataflow", c.item.Name, "error", err)
		panic(http.ErrAbortHandler)
	}
	return reply{}, nil
}

// listUpstream tells which dataflows a dataflow reads.
func (c *call) listUpstream() (reply, error) {
	links, err := c.Workspaces.Upstream(c.r.Context(), c.item.ID)
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.DependentDataflow, 0, len(links))
	for _, link := range links {
		list = append(list, powerbi.DependentDataflow{TargetDataflowID: link.DataflowID, GroupID: link.WorkspaceID})
	}
	return reply{http.StatusOK, powerbi.List[powerbi.DependentDataflow]{Context: c.context("upstreamDataflows"), Value: list}}, nil
}

// updateDataflow gives a dataflow another name or description. That native queries are allowed is so, and cannot be changed. What it says of the compute
// engine means nothing here, and is checked alone.
func (c *call) updateDataflow() (reply, error) {
	var body powerbi.DataflowUpdate
	if err := c.decodeLenient(&body); err != nil {
		return reply{}, err
	}
	if body == (powerbi.DataflowUpdate{}) {
		return reply{}, fault.New(fault.Invalid, codeInvalid, "cannot change the dataflow: the body names nothing to change").
			WithHint(`Send "name", "description", "allowNativeQueries" or "computeEngineBehavior".`)
	}
	if body.AllowNativeQueries != nil && !*body.AllowNativeQueries {
		return reply{}, fault.New(fault.Invalid, codeInvalid, "cannot change the dataflow: its native queries cannot be forbidden (allowNativeQueries)").
			WithHint("What may be read is said by dataSources in the configuration; every query runs in a transaction that only reads.")
	}
	switch behavior := body.ComputeEngineBehavior; {
	case behavior == "", slices.ContainsFunc([]string{"computeOptimized", "computeOn", "computeDisabled"}, func(one string) bool { return strings.EqualFold(one, behavior) }):
	default:
		return reply{}, fault.New(fault.Invalid, codeInvalid, "cannot change the dataflow: there is no computeEngineBehavior %q", behavior).
			WithHint("It is computeOptimized, computeOn or computeDisabled, and means nothing here.")
	}
	item, err := c.Workspaces.UpdateDataflow(c.r.Context(), c.item, workspace.DataflowUpdate{Name: body.Name, Description: body.Description})
	if err != nil {
		return reply{}, err
	}
	c.audit("dataflow.update", "dataflow", item.Name, "dataflowId", item.ID, "from", c.item.Name)
	return reply{http.StatusOK, c.asDataflow(item)}, nil
}

// listAllDataflows lists the dataflows of all workspaces, or of one, for administrators.
func (c *call) listAllDataflows() (reply, error) {
	keep, top, skip, err := listQuery(c.r.URL.Query(), "objectId", "name", "configuredBy", "workspaceId")
	if err != nil {
		return reply{}, err
	}
	items, err := c.Workspaces.Items(c.r.Context(), c.caller(), workspace.DataflowKind, c.group.ID)
	if err != nil {
		return reply{}, err
	}
	list := []powerbi.AdminDataflow{}
	for _, item := range items {
		if keep(map[string]string{"objectId": item.ID, "name": item.Name, "configuredBy": item.ConfiguredBy, "workspaceId": item.WorkspaceID}) {
			list = append(list, powerbi.AdminDataflow{Dataflow: c.asDataflow(item), WorkspaceID: item.WorkspaceID, ModifiedDateTime: powerbi.Time{Time: item.Modified}})
		}
	}
	list = list[min(skip, len(list)):]
	list = list[:min(top, len(list))]
	return reply{http.StatusOK, powerbi.List[powerbi.AdminDataflow]{Context: c.context("dataflows"), Value: list}}, nil
}

// listDataflowUsers lists who has rights on a dataflow, for administrators.
func (c *call) listDataflowUsers() (reply, error) {
	grants, err := c.Workspaces.Users(c.r.Context(), c.caller(), c.item)
	if err != nil {
		return reply{}, err
	}
	users := make([]powerbi.DataflowUser, 0, len(grants))
	for _, grant := range grants {
		user := powerbi.DataflowUser{Identifier: grant.PrincipalID, DisplayName: grant.PrincipalName, PrincipalType: "User", AccessRight: (grant.Rights &^ workspace.ExploreRight).String()}
		if grant.App {
			user.PrincipalType = "App"
		}
		users = append(users, user)
	}
	return reply{http.StatusOK, powerbi.List[powerbi.DataflowUser]{Context: c.context("users"), Value: users}}, nil
}

func (c *call) deleteDataflow() (reply, error) {
	if err := c.Workspaces.DeleteItem(c.r.Context(), c.caller(), c.item.ID); err != nil {
		return reply{}, err
	}
	c.audit("dataflow.delete", "dataflow", c.item.Name, "dataflowId", c.item.ID)
	return reply{status: http.StatusOK}, nil
}

// refreshDataflow starts a transaction. The answer does not name it; it is listed from before the answer on (contract, section 2.4).
func (c *call) refreshDataflow() (reply, error) {
	notify, err := c.decodeNotifyOption()
	if err != nil {
		return reply{}, err
	}
	if err := c.limit(c.refreshes, c.principal.ID); err != nil {
		return reply{}, err
	}
	started, err := c.Dataflows.Start(c.r.Context(), dataflow.Start{
		Dataflow: c.item.ID, ProcessType: c.r.URL.Query().Get("processType"), NotifyOption: notify, RequestedBy: c.principal.Name,
	})
	if err != nil {
		return reply{}, err
	}
	c.audit("dataflow.refresh", "dataflow", c.item.Name, "dataflowId", c.item.ID, "transaction", started.ID)
	return reply{status: http.StatusOK}, nil
}

// decodeNotifyOption reads {"notifyOption":…}. Power BI refuses an empty object; whether it takes no body at all is not known, and here it may.
func (c *call) decodeNotifyOption() (*string, error) {
	var body map[string]json.RawMessage
	if err := c.decodeLenient(&body); err != nil {
		return nil, err
	}
	if body != nil && len(body) == 0 {
		return nil, fault.New(fault.Invalid, codeInvalid, `cannot refresh the dataflow: the body has no "notifyOption"`).
			WithHint(`Send {"notifyOption":"NoNotification"} or {"notifyOption":"MailOnFailure"}.`)
	}
	text, named := body["notifyOption"]
	if !named {
		return nil, nil
	}
	var option *string
	if err := json.Unmarshal(text, &option); err != nil {
		return nil, fault.New(fault.Invalid, codeInvalid, `cannot use the parameter "notifyOption": it must be a text, not %s`, clip(string(text)))
	}
	return option, nil
}

func (c *call) listTransactions() (reply, error) {
	transactions, err := c.Dataflows.Transactions(c.r.Context(), c.item.ID)
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.DataflowTransaction, 0, len(transactions))
	for _, t := range transactions {
		kind := "OnDemand"
		if t.Scheduled {
			kind = "Scheduled"
		}
		list = append(list, powerbi.DataflowTransaction{
			ID: t.ID, RefreshType: kind, StartTime: powerbi.Time{Time: t.Start}, EndTime: powerbi.Time{Time: t.End}, Status: powerbi.TransactionStatus(t.Status),
			Freshet: &powerbi.TransactionOrigin{RequestID: t.Operation},
		})
	}
	return reply{http.StatusOK, powerbi.List[powerbi.DataflowTransaction]{Context: c.context("transactions"), Value: list}}, nil
}

// cancelTransaction answers 200 for every id; the dataflow, for which a role is needed, is named by the id itself.
func (c *call) cancelTransaction() (reply, error) {
	id := c.r.PathValue("transactionId")
	answer := powerbi.DataflowTransactionStatus{TransactionID: id, Status: string(dataflow.Malformed)}
	flow, ok := dataflow.Of(id)
	if !ok {
		return reply{http.StatusOK, answer}, nil
	}
	item, err := c.Workspaces.Item(c.r.Context(), c.caller(), workspace.Contributor, workspace.DataflowKind, c.group.ID, flow)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		answer.Status = string(dataflow.Unknown)
		return reply{http.StatusOK, answer}, nil
	}
	if err != nil {
		return reply{}, err
	}
	outcome, err := c.Dataflows.Cancel(c.r.Context(), item.ID, id)
	if err != nil {
		return reply{}, err
	}
	c.audit("dataflow.cancel", "dataflow", item.Name, "dataflowId", item.ID, "transaction", id, "outcome", string(outcome))
	answer.Status = string(outcome)
	return reply{http.StatusOK, answer}, nil
}
