package api

import (
	"net/http"
	"strings"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

func (c *call) deploy() (reply, error) {
	var definition powerbi.Definition
	if err := c.decodeStrict(maxDeployBody, &definition); err != nil {
		return reply{}, err
	}
	mayCreate := c.principal.Allows(auth.ScopeWorkspaceReadWrite) // as POST …/groups demands
	deployed, err := c.Workspaces.Deploy(c.r.Context(), c.caller(), workspace.Deploy{
		Workspace: definition.Workspace, Name: definition.Name, Files: definition.Files, CreateWorkspace: definition.CreateWorkspace && mayCreate, Plan: definition.Plan,
	})
	if err != nil && fault.KindOf(err) == fault.NotFound && definition.CreateWorkspace && !mayCreate {
		return reply{}, fault.New(fault.Denied, codeNotAuthorized, "cannot create workspace '%s': the token has not the scope %s", definition.Workspace, auth.ScopeWorkspaceReadWrite).
			WithHint("Get a token that has it, or name a workspace that is there.")
	}
	if err != nil {
		return reply{}, err
	}
	if !definition.Plan {
		c.audit("model.deploy", "model", deployed.Item.Name, "modelId", deployed.Item.ID, "revision", deployed.Item.Revision)
	}
	return reply{http.StatusOK, asDeployment(deployed)}, nil
}

func asDeployment(deployed workspace.Deployment) powerbi.Deployment {
	deployment := powerbi.Deployment{
		Workspace: asGroup(deployed.Workspace), Kind: string(deployed.Item.Kind), Dataset: asDataset(deployed.Item), Created: deployed.Created,
		CreatedWorkspace: deployed.CreatedWorkspace, Revision: deployed.Item.Revision,
		Partitions: []powerbi.PartitionChange{}, Warnings: append([]string{}, deployed.Warnings...),
	}
	for _, change := range deployed.Partitions {
		deployment.Partitions = append(deployment.Partitions, powerbi.PartitionChange{
			Table: change.Table, Partition: change.Partition, Change: string(change.Change), Reason: change.Reason, Rows: change.Rows,
		})
	}
	return deployment
}

// listAll lists the models of every workspace that the caller sees, and of their own.
func (c *call) listAll() (reply, error) {
	items, err := c.Workspaces.Items(c.r.Context(), c.caller(), workspace.ModelKind, "")
	if err != nil {
		return reply{}, err
	}
	groups, err := c.Workspaces.List(c.r.Context(), c.caller())
	if err != nil {
		return reply{}, err
	}
	byID := map[string]powerbi.Group{}
	for _, group := range groups {
		byID[group.ID] = asGroup(group)
	}
	models := make([]powerbi.Model, 0, len(items))
	for _, item := range items {
		group, listed := byID[item.WorkspaceID]
		if !listed {
			group = powerbi.Group{ID: item.WorkspaceID, Name: item.WorkspaceName, Type: "Workspace"} // in which the caller has no role
			if item.WorkspaceName == workspace.MyWorkspaceName {
				group.Type = "PersonalGroup"
			}
		}
		models = append(models, powerbi.Model{Dataset: asDataset(item), Group: group, Revision: item.Revision, Version: item.Version})
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Model]{Value: models}}, nil
}

func (c *call) explain() (reply, error) {
	table := strings.TrimSpace(c.r.URL.Query().Get("table"))
	if table == "" {
		return reply{}, fault.New(fault.Invalid, codeInvalid, "cannot explain without a table").WithHint("Name it: …/explain?table=NAME[&partition=NAME].")
	}
	explained, err := c.Engine.Explain(c.r.Context(), c.item.ID, table, c.r.URL.Query().Get("partition"))
	if err != nil {
		return reply{}, err
	}
	list := make([]powerbi.Explanation, 0, len(explained))
	for _, one := range explained {
		list = append(list, asExplanation(one))
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Explanation]{Value: list}}, nil
}

func asExplanation(e refresh.Explanation) powerbi.Explanation {
	explanation := powerbi.Explanation{Table: e.Table, Partition: e.Partition, Note: e.Note}
	if e.Err != nil {
		explanation.Error = e.Err.Error()
	}
	if e.Plan == nil {
		return explanation
	}
	explanation.Breaks, explanation.Why = e.Plan.Breaks, e.Plan.Why
	for _, statement := range e.Plan.Statements {
		explanation.Statements = append(explanation.Statements, powerbi.ExplainedStatement{To: statement.To, Text: statement.Text})
	}
	for _, step := range e.Plan.Steps {
		explanation.Steps = append(explanation.Steps, powerbi.ExplainedStep{Name: step.Name, Where: step.Where, Why: step.Why})
	}
	return explanation
}
