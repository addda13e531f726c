package powerbi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Refreshable is a model that was refreshed in the last seven days, or has a schedule: what its refreshes have come to.
type Refreshable struct {
	ID              string          `json:"id"`
	Name            string          `json:"name"`
	Kind            string          `json:"kind"`               // Dataset
	StartTime       Time            `json:"startTime,omitzero"` // of the first refresh that counts
	EndTime         Time            `json:"endTime,omitzero"`
	RefreshCount    int             `json:"refreshCount"` // of the last seven days, 60 at most
	RefreshFailures int             `json:"refreshFailures"`
	AverageDuration float64         `json:"averageDuration"` // seconds
	MedianDuration  float64         `json:"medianDuration"`  // seconds
	RefreshesPerDay int             `json:"refreshesPerDay"`
	LastRefresh     *Refresh        `json:"lastRefresh,omitempty"`
	RefreshSchedule RefreshSchedule `json:"refreshSchedule"`
	ConfiguredBy    []string        `json:"configuredBy"`
	Capacity        *RefreshableOn  `json:"capacity,omitempty"` // when asked for by Expand
	Group           *RefreshableIn  `json:"group,omitempty"`    // when asked for by Expand
}

// RefreshableOn is the capacity of a refreshable.
type RefreshableOn struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	SKU         string `json:"sku"`
}

// RefreshableIn is the workspace of a refreshable.
type RefreshableIn struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// RefreshablesQuery says which refreshables are asked for. The zero value asks for the first 1000 of all capacities.
type RefreshablesQuery struct {
	CapacityID string // "" is every capacity
	ID         string // of one model, with its capacity
	Admin      bool   // as an administrator, who sees all
	Top        int    // 0 is 1000
	Skip       int
	Filter     string // such as averageDuration gt 1800
	Expand     string // capacity,group
}

// Refreshables lists the models of capacities with what their refreshes have come to.
func (c *Client) Refreshables(ctx context.Context, query RefreshablesQuery) ([]Refreshable, error) {
	var parts []string
	if query.Admin {
		parts = append(parts, "admin")
	}
	parts = append(parts, "capacities")
	if query.CapacityID != "" {
		parts = append(parts, query.CapacityID)
	}
	parts = append(parts, "refreshables")
	values := url.Values{}
	if query.ID != "" {
		parts = append(parts, query.ID)
	} else {
		if query.Top == 0 {
			query.Top = 1000
		}
		values.Set("$top", strconv.Itoa(query.Top))
	}
	if query.Skip > 0 {
		values.Set("$skip", strconv.Itoa(query.Skip))
	}
	for name, value := range map[string]string{"$filter": query.Filter, "$expand": query.Expand} {
		if value != "" {
			values.Set(name, value)
		}
	}
	var list List[Refreshable]
	_, err := c.call(ctx, http.MethodGet, myorg(parts...), values, nil, nil, &list)
	return list.Value, err
}
