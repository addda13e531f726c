package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/capacity"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/powerbi"
)

// capacityNamespace makes GUIDs of the names of capacities, which have no other.
var capacityNamespace = uuid.MustParse("6f1f8b1e-6b58-4b1e-9a53-2d8e0d6d2f70")

// capacityID is the GUID of a capacity, in the capitals that Power BI writes it in.
func capacityID(name string) string {
	return strings.ToUpper(uuid.NewSHA1(capacityNamespace, []byte(strings.ToLower(name))).String())
}

// What the service says of a capacity's place and size, which are the machine's and the configuration's.
const (
	capacityRegion = "local"
	capacitySKU    = "Freshet"
)

// listCapacities answers with the capacities of the workspaces that the caller sees, and an administrator with all.
func (c *call) listCapacities() (reply, error) {
	seen, right := map[string]bool{}, "None"
	if c.principal.Administrator() {
		right = "Admin"
	} else {
		workspaces, err := c.Workspaces.List(c.r.Context(), c.caller())
		if err != nil {
			return reply{}, err
		}
		for _, w := range workspaces {
			seen[strings.ToLower(w.Capacity)] = true
		}
	}
	list := []powerbi.Capacity{}
	for _, state := range c.Engine.Capacities() {
		if right != "Admin" && !seen[strings.ToLower(state.Name)] {
			continue
		}
		word := "Active"
		if state.State == capacity.Paused {
			word = "Suspended"
		}
		list = append(list, powerbi.Capacity{ID: capacityID(state.Name), DisplayName: state.Name, Admins: []string{}, SKU: capacitySKU, State: word,
			Region: capacityRegion, AccessRight: right})
	}
	return reply{http.StatusOK, powerbi.List[powerbi.Capacity]{Context: c.context("capacities"), Value: list}}, nil
}

// Invalid: a route of Azure's resource manager was called without a version of its interface, or with one that is not served.
// Do: send the query parameter api-version with one that the text lists.
const codeAPIVersion = "InvalidApiVersionParameter"

// azure is one of the two kinds of capacities that Azure's resource manager knows. Freshet's answer to both.
type azure struct {
	provider string
	versions []string // of its interface, which differ in nothing that is served here
	tier     string
	active   string // its word for a capacity that works
	noun     string // of its operations' names
	opens    string // the name of the one that opens a capacity
}

func azures() []azure {
	return []azure{
		{"Microsoft.PowerBIDedicated", []string{"2017-10-01", "2021-01-01"}, "PBIE_Azure", "Succeeded", "Capacities", "GetDetails"},
		{"Microsoft.Fabric", []string{"2023-11-01", "2025-01-15-preview", "2026-08-01"}, "Fabric", "Active", "FabricCapacities", "Get"},
	}
}

// administrators gives a handler its checks: what belongs to the machine is its administrators' alone, and each call names the version of
// the interface that it means.
func (a azure) administrators(handle func(azure, *call) (reply, error)) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		if !c.principal.Administrator() {
			return reply{}, fault.New(fault.Denied, codeNotAuthorized, "cannot %s %s: capacities are for administrators of the server", c.r.Method, c.r.URL.Path).
				WithHint("Ask who runs it; an application may be given the role Tenant.ReadWrite.All.")
		}
		asked := c.r.URL.Query().Get("api-version")
		for _, version := range a.versions {
			if strings.EqualFold(asked, version) {
				return handle(a, c)
			}
		}
		return reply{}, fault.New(fault.Invalid, codeAPIVersion, "cannot serve api-version '%s' of %s", asked, a.provider).
			WithHint("Send ?api-version= with one of %s.", strings.Join(a.versions, ", "))
	}
}

func (a azure) describe(c *call, state refresh.CapacityState) powerbi.AzureCapacity {
	word := a.active
	if state.State == capacity.Paused {
		if word = "Paused"; state.Stopping > 0 {
			word = "Pausing"
		}
	}
	described := powerbi.AzureCapacity{
		ID: "/subscriptions/" + c.r.PathValue("subscriptionId") + "/resourceGroups/" + c.r.PathValue("resourceGroup") + "/providers/" + a.provider +
			"/capacities/" + url.PathEscape(state.Name),
		Name: state.Name, Type: a.provider + "/capacities", Location: capacityRegion, SKU: powerbi.AzureSKU{Name: capacitySKU, Tier: a.tier},
		Properties: powerbi.AzureCapacityProperties{ProvisioningState: "Succeeded", State: word, Administration: powerbi.AzureAdministrators{Members: []string{}}},
	}
	if !state.Since.IsZero() {
		described.SystemData = &powerbi.AzureSystemData{LastModifiedAt: powerbi.Time{Time: state.Since}, LastModifiedBy: state.By}
	}
	return described
}

func (a azure) list(c *call) (reply, error) {
	list := []powerbi.AzureCapacity{}
	for _, state := range c.Engine.Capacities() {
		list = append(list, a.describe(c, state))
	}
	return reply{http.StatusOK, powerbi.List[powerbi.AzureCapacity]{Value: list}}, nil
}

func (a azure) get(c *call) (reply, error) {
	state, err := c.Engine.Capacity(c.r.PathValue("capacityName"))
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, a.describe(c, state)}, nil
}

// setCapacity pauses or resumes. The state is durable with the answer; a 202 says that refreshes have been told to stop and some still do.
func setCapacity(to capacity.State) func(azure, *call) (reply, error) {
	return func(a azure, c *call) (reply, error) {
		state, err := c.Engine.SetCapacity(c.r.Context(), c.r.PathValue("capacityName"), to, c.principal.Name)
		if err != nil {
			return reply{}, err
		}
		c.audit("capacity.set", "capacity", state.Name, "state", string(state.State))
		if state.Stopping == 0 {
			return reply{status: http.StatusOK}, nil
		}
		return a.inProgress(c, state, reply{status: http.StatusAccepted}), nil
	}
}

// inProgress makes an answer one that leads to where its end is seen.
func (a azure) inProgress(c *call, state refresh.CapacityState, answer reply) reply {
	header := c.w.Header()
	header.Set("Location", scheme(c.r)+"://"+c.r.Host+"/subscriptions/"+url.PathEscape(c.r.PathValue("subscriptionId"))+"/providers/"+a.provider+
		"/locations/"+capacityRegion+"/operationStatuses/"+strings.ToLower(capacityID(state.Name))+"?api-version="+a.versions[0])
	header.Set("Retry-After", "1")
	return answer
}

// operation tells whether what a pause has told to stop has stopped. The operation's id is the capacity's: there is one at a time.
func (a azure) operation(c *call) (reply, error) {
	id := c.r.PathValue("operationId")
	for _, state := range c.Engine.Capacities() {
		if !strings.EqualFold(capacityID(state.Name), id) {
			continue
		}
		status := powerbi.AzureOperation{ID: c.r.URL.Path, Name: id, Status: "Succeeded"}
		if state.Stopping > 0 {
			status.Status = "InProgress"
			return a.inProgress(c, state, reply{http.StatusAccepted, status}), nil
		}
		return reply{http.StatusOK, status}, nil
	}
	return reply{}, fault.New(fault.NotFound, codeNotFound, "cannot find operation '%s'", id)
}

// azureRoutes are those of Azure's resource manager. Any subscription and any resource group mean this server. They take tokens for Azure as
// well as those for Power BI.
func azureRoutes(read, write []string) []route {
	var table []route
	read, write = append(slices.Clone(read), auth.ScopeAzure), append(slices.Clone(write), auth.ScopeAzure)
	for _, a := range azures() {
		capacities := "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/" + a.provider + "/capacities"
		add := func(method, pattern string, scopes []string, handle func(azure, *call) (reply, error), about about) {
			about.name, about.says, about.params = a.noun+"_"+about.name, about.says+" It is for administrators of the server.", "api-version"
			table = append(table, route{method: method, pattern: pattern, scopes: scopes, handle: a.administrators(handle), about: about})
		}
		add("GET", capacities, read, azure.list, about{"ListByResourceGroup", "Lists all capacities.", "", nil, "200", powerbi.List[powerbi.AzureCapacity]{}})
		add("GET", capacities+"/{capacityName}", read, azure.get, about{a.opens, "Opens a capacity.", "", nil, "200", powerbi.AzureCapacity{}})
		add("POST", capacities+"/{capacityName}/suspend", write, setCapacity(capacity.Paused), about{"Suspend", "Pauses a capacity: 202 while refreshes still stop.", "", nil, "200 202", nil})
		add("POST", capacities+"/{capacityName}/resume", write, setCapacity(capacity.Active), about{"Resume", "Resumes a capacity.", "", nil, "200 202", nil})
		add("GET", "/subscriptions/{subscriptionId}/providers/"+a.provider+"/locations/{location}/operationStatuses/{operationId}", read, azure.operation,
			about{"GetOperationStatus", "Tells how far a pause or a resumption is.", "", nil, "200 202", powerbi.AzureOperation{}})
	}
	return table
}
