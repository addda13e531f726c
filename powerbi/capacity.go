package powerbi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Capacity is a capacity as Power BI tells of it.
type Capacity struct {
	ID          string   `json:"id"`
	DisplayName string   `json:"displayName"`
	Admins      []string `json:"admins"`
	SKU         string   `json:"sku"`
	State       string   `json:"state"` // Active, Suspended …
	Region      string   `json:"region"`
	AccessRight string   `json:"capacityUserAccessRight"` // None, Assign, Admin
}

// Capacities lists the capacities that the caller has to do with.
func (c *Client) Capacities(ctx context.Context) ([]Capacity, error) {
	var list List[Capacity]
	_, err := c.call(ctx, http.MethodGet, myorg("capacities"), nil, nil, nil, &list)
	return list.Value, err
}

// AzureGroup is where Azure keeps capacities. Freshet, which has but one such place, takes the zero value.
type AzureGroup struct {
	SubscriptionID string
	ResourceGroup  string
}

// The kinds of capacities, and the version of their interface that the client speaks.
const (
	azureProvider = "Microsoft.PowerBIDedicated"
	azureVersion  = "2021-01-01"
)

// AzureCapacity is a Power BI Embedded capacity as Azure's management interface tells of it. Its address is a resource manager's
// (https://management.azure.com) or Freshet's.
type AzureCapacity struct {
	ID         string                  `json:"id"`
	Name       string                  `json:"name"`
	Type       string                  `json:"type"`
	Location   string                  `json:"location"`
	SKU        AzureSKU                `json:"sku"`
	Properties AzureCapacityProperties `json:"properties"`
	SystemData *AzureSystemData        `json:"systemData,omitempty"`
}

// AzureSKU is the size of a capacity.
type AzureSKU struct {
	Name string `json:"name"`
	Tier string `json:"tier"`
}

// AzureCapacityProperties hold a capacity's state: Succeeded (it is active; Fabric says Active), Pausing, Paused, Resuming …
type AzureCapacityProperties struct {
	ProvisioningState string              `json:"provisioningState"`
	State             string              `json:"state"`
	Administration    AzureAdministrators `json:"administration"`
}

// AzureAdministrators are a capacity's.
type AzureAdministrators struct {
	Members []string `json:"members"`
}

// AzureSystemData tell who changed something last. With Freshet that is who has paused or resumed the capacity.
type AzureSystemData struct {
	LastModifiedAt Time   `json:"lastModifiedAt"`
	LastModifiedBy string `json:"lastModifiedBy"`
}

// AzureOperation is the status of something that takes its time.
type AzureOperation struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"` // InProgress, Succeeded, Failed
}

func (g AzureGroup) path(rest ...string) string {
	if g.SubscriptionID == "" {
		g.SubscriptionID = "00000000-0000-0000-0000-000000000000"
	}
	if g.ResourceGroup == "" {
		g.ResourceGroup = "freshet"
	}
	return join("", append([]string{"subscriptions", g.SubscriptionID, "resourceGroups", g.ResourceGroup, "providers", azureProvider, "capacities"}, rest...))
}

func azureQuery() url.Values { return url.Values{"api-version": {azureVersion}} }

// AzureCapacities lists the capacities of a group.
func (c *Client) AzureCapacities(ctx context.Context, group AzureGroup) ([]AzureCapacity, error) {
	var list List[AzureCapacity]
	_, err := c.call(ctx, http.MethodGet, group.path(), azureQuery(), nil, nil, &list)
	return list.Value, err
}

// AzureCapacity returns one capacity.
func (c *Client) AzureCapacity(ctx context.Context, group AzureGroup, name string) (AzureCapacity, error) {
	var capacity AzureCapacity
	_, err := c.call(ctx, http.MethodGet, group.path(name), azureQuery(), nil, nil, &capacity)
	return capacity, err
}

// SuspendCapacity pauses a capacity and returns when it is paused: what ran on it has stopped.
func (c *Client) SuspendCapacity(ctx context.Context, group AzureGroup, name string) error {
	return c.azureOperation(ctx, group.path(name, "suspend"))
}

// ResumeCapacity resumes a paused capacity and returns when it works again.
func (c *Client) ResumeCapacity(ctx context.Context, group AzureGroup, name string) error {
	return c.azureOperation(ctx, group.path(name, "resume"))
}

// azureOperation posts and follows the Location of a 202 until the answer is another.
func (c *Client) azureOperation(ctx context.Context, path string) error {
	method, query := http.MethodPost, azureQuery()
	for {
		done, err := c.call(ctx, method, path, query, nil, nil, nil)
		if err != nil || done.status != http.StatusAccepted {
			return err
		}
		location, err := url.Parse(done.header.Get("Location"))
		if err != nil || location.Path == "" {
			return fmt.Errorf("cannot follow %s: its answer tells no Location", path)
		}
		if base, err := url.Parse(c.Host); err != nil || !strings.EqualFold(base.Host, location.Host) {
			return fmt.Errorf("cannot follow %s to another host, %s", path, location.Host) // who would be sent the token
		}
		method, path, query = http.MethodGet, location.EscapedPath(), location.Query()
		select {
		case <-time.After(max(retryAfter(done.header.Get("Retry-After"), time.Now()), 50*time.Millisecond)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
