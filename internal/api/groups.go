package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// context is what the service puts under @odata.context.
func (c *call) context(of string) string {
	below := "/v1.0/myorg/"
	if group := c.r.PathValue("groupId"); group != "" && !strings.HasPrefix(of, "groups") {
		below += "groups/" + group + "/"
	}
	return scheme(c.r) + "://" + c.r.Host + below + "$metadata#" + of
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func asGroup(w workspace.Workspace) powerbi.Group {
	group := powerbi.Group{ID: w.ID, Name: w.Name, Type: "Workspace", IsOnDedicatedCapacity: !w.Shared(), DefaultDatasetStorageFormat: "Small"}
	if !w.Shared() {
		group.CapacityID = capacityID(w.Capacity)
	}
	var settings powerbi.GroupSettings
	if w.Overflow != workspace.Drop {
		settings.Overflow = w.Overflow.String()
	}
	if w.Chains != workspace.AllOrNothing {
		settings.DataflowChains = w.Chains.String()
	}
	if settings != (powerbi.GroupSettings{}) {
		group.Freshet = &settings
	}
	return group
}

// guid checks an id of a path: names are not ids.
func guid(text string) (string, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return "", fault.New(fault.NotFound, codeNotFound, "cannot find %q: an id is a GUID", text)
	}
	return id.String(), nil
}

func (c *call) listGroups() (reply, error) {
	keep, top, skip, err := groupsQuery(c.r.URL.Query())
	if err != nil {
		return reply{}, err
	}
	all, err := c.Workspaces.List(c.r.Context(), c.caller())
	if err != nil {
		return reply{}, err
	}
	groups := []powerbi.Group{}
	for _, w := range all {
		group := asGroup(w)
		if !keep(map[string]string{"id": group.ID, "name": group.Name, "type": group.Type, "capacityId": group.CapacityID,
			"isOnDedicatedCapacity": strconv.FormatBool(group.IsOnDedicatedCapacity), "isReadOnly": strconv.FormatBool(group.IsReadOnly)}) {
			continue
		}
		groups = append(groups, group)
	}
	groups = groups[min(skip, len(groups)):]
	groups = groups[:min(top, len(groups))]
	count := len(groups)
	return reply{http.StatusOK, powerbi.List[powerbi.Group]{Context: c.context("groups"), Count: &count, Value: groups}}, nil
}

// groupsQuery reads the parameters of a list of groups.
func groupsQuery(values url.Values) (keep filter, top, skip int, err error) {
	return listQuery(values, "id", "name", "type", "capacityId", "isOnDedicatedCapacity", "isReadOnly")
}

// listQuery reads the parameters of a list, whose items have the properties for a filter.
func listQuery(values url.Values, properties ...string) (keep filter, top, skip int, err error) {
	keep = func(map[string]string) bool { return true }
	if text := values.Get("$filter"); text != "" {
		if keep, err = parseFilter(text, properties...); err != nil {
			return nil, 0, 0, err
		}
	}
	if top, err = number(values, "$top", 1, 5000); err != nil {
		return nil, 0, 0, err
	}
	skip, err = number(values, "$skip", 0, 0)
	return keep, top, skip, err
}

// number reads a whole number of a query.
func number(values url.Values, name string, least, missing int) (int, error) {
	if !values.Has(name) {
		return missing, nil
	}
	n, err := strconv.Atoi(values.Get(name))
	if err != nil || n < least || len(values[name]) > 1 {
		return 0, fault.New(fault.Invalid, codeInvalid, "cannot use %s=%s: it must be one whole number, %d or more", name, strings.Join(values[name], ","), least)
	}
	return n, nil
}

func (c *call) createGroup() (reply, error) {
	var body powerbi.NewGroup
	// Power BI's clients send more here than a name; none of it means anything to Freshet.
	if err := c.decodeLenient(&body); err != nil {
		return reply{}, err
	}
	created, err := c.Workspaces.Create(c.r.Context(), c.caller(), workspace.NewWorkspace{Name: body.Name})
	if err != nil {
		return reply{}, err
	}
	c.audit("workspace.create", "workspace", created.Name, "workspaceId", created.ID)
	group := asGroup(created)
	group.Context = c.context("groups/$entity")
	return reply{http.StatusOK, group}, nil
}

func (c *call) getGroup() (reply, error) {
	group := asGroup(c.group)
	group.Context = c.context("groups/$entity")
	return reply{http.StatusOK, group}, nil
}

// changeGroup sets what Power BI's workspaces do not have.
func (c *call) changeGroup() (reply, error) {
	var body powerbi.GroupSettings
	if err := c.decodeStrict(maxRefreshBody, &body); err != nil {
		return reply{}, err
	}
	// Both are read before one is set.
	var overflow workspace.Overflow
	var chains workspace.Chains
	var err error
	if body.Overflow != "" || body.DataflowChains == "" {
		if overflow, err = workspace.ParseOverflow(body.Overflow); err != nil {
			return reply{}, err
		}
	}
	if body.DataflowChains != "" {
		if chains, err = workspace.ParseChains(body.DataflowChains); err != nil {
			return reply{}, err
		}
	}
	changed := c.group
	if body.Overflow != "" {
		if changed, err = c.Workspaces.SetOverflow(c.r.Context(), c.caller(), c.group.ID, overflow); err != nil {
			return reply{}, err
		}
	}
	if body.DataflowChains != "" {
		if changed, err = c.Workspaces.SetChains(c.r.Context(), c.caller(), c.group.ID, chains); err != nil {
			return reply{}, err
		}
	}
	c.audit("workspace.change", "workspace", changed.Name, "workspaceId", changed.ID, "overflow", body.Overflow, "dataflowChains", body.DataflowChains)
	return reply{http.StatusOK, asGroup(changed)}, nil
}

// updateGroup gives a workspace another name.
func (c *call) updateGroup() (reply, error) {
	var body powerbi.GroupUpdate
	if err := c.decodeLenient(&body); err != nil {
		return reply{}, err
	}
	if body.Name == "" {
		return reply{}, fault.New(fault.Invalid, codeInvalid, `cannot change the workspace: the body has no "name", and nothing else can be set`)
	}
	renamed, err := c.Workspaces.Rename(c.r.Context(), c.caller(), c.group.ID, body.Name)
	if err != nil {
		return reply{}, err
	}
	c.audit("workspace.rename", "workspace", renamed.Name, "workspaceId", renamed.ID, "from", c.group.Name)
	return reply{status: http.StatusOK}, nil
}

func (c *call) deleteGroup() (reply, error) {
	if err := c.Workspaces.Delete(c.r.Context(), c.caller(), c.group.ID); err != nil {
		return reply{}, err
	}
	c.audit("workspace.delete", "workspace", c.group.Name, "workspaceId", c.group.ID)
	return reply{status: http.StatusOK}, nil
}
