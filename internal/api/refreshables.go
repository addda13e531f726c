package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/workspace"
	"freshet.dev/powerbi"
)

// mayReadHistory tells whether the caller may read the history of a model.
func (c *call) mayReadHistory(item workspace.Item) (bool, error) {
	_, err := c.Workspaces.Resolve(c.r.Context(), c.caller(), workspace.Contributor, workspace.ModelKind, item.ID)
	if kind := fault.KindOf(err); err != nil && (kind == fault.Denied || kind == fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// maxRefreshables is Power BI's limit of a page.
const maxRefreshables = 1000

// refreshablesQuery is what the routes of refreshables take.
type refreshablesQuery struct {
	keep                        filter
	top, skip                   int
	expandCapacity, expandGroup bool
	capacity                    string // its id; "" is any
	id                          string // of the one that is asked for; "" is any
}

func (c *call) refreshablesQuery() (q refreshablesQuery, err error) {
	values := c.r.URL.Query()
	q.capacity, q.id = c.r.PathValue("capacityId"), c.r.PathValue("refreshableId")
	q.keep = func(map[string]string) bool { return true }
	if text := values.Get("$filter"); text != "" {
		if q.keep, err = parseFilter(text, "id", "name", "kind", "refreshCount", "refreshFailures", "averageDuration", "medianDuration", "refreshesPerDay", "startTime", "endTime"); err != nil {
			return q, err
		}
	}
	for _, name := range strings.Split(values.Get("$expand"), ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "":
		case "capacity", "capacities":
			q.expandCapacity = true
		case "group", "groups":
			q.expandGroup = true
		default:
			return q, fault.New(fault.Invalid, codeInvalid, "cannot expand '%s'", name).WithHint("$expand takes capacity and group.")
		}
	}
	if q.id == "" && !values.Has("$top") {
		return q, fault.New(fault.Invalid, codeInvalid, "cannot list refreshables without $top").WithHint("Send $top=N, from 1 to %d, and $skip=N for the next page.", maxRefreshables)
	}
	if q.top, err = number(values, "$top", 1, maxRefreshables); err != nil {
		return q, err
	}
	q.skip, err = number(values, "$skip", 0, 0)
	q.top = min(q.top, maxRefreshables)
	return q, err
}

// listRefreshables lists the models on capacities whose history the caller may read, and that were refreshed in the last seven days or have a
// schedule that is on.
func (c *call) listRefreshables() (reply, error) {
	caller := c.caller()
	q, err := c.refreshablesQuery()
	if err != nil {
		return reply{}, err
	}
	groups, err := c.Workspaces.List(c.r.Context(), caller)
	if err != nil {
		return reply{}, err
	}
	list := []powerbi.Refreshable{}
	sees := q.capacity == "" || c.principal.Administrator() && c.hasCapacity(q.capacity)
	for _, group := range groups {
		if group.Shared() || q.capacity != "" && !strings.EqualFold(q.capacity, capacityID(group.Capacity)) {
			continue
		}
		sees = true
		items, err := c.Workspaces.Items(c.r.Context(), caller, workspace.ModelKind, group.ID)
		if err != nil {
			return reply{}, err
		}
		for _, item := range items {
			if q.id != "" && !strings.EqualFold(q.id, item.ID) {
				continue
			}
			if allowed, err := c.mayReadHistory(item); err != nil || !allowed {
				if err != nil {
					return reply{}, err
				}
				continue
			}
			one, has, err := c.refreshable(item)
			if err != nil {
				return reply{}, err
			}
			if !has || !q.keep(filterable(one)) {
				continue
			}
			if q.expandCapacity {
				one.Capacity = &powerbi.RefreshableOn{ID: capacityID(group.Capacity), DisplayName: group.Capacity, SKU: capacitySKU}
			}
			if q.expandGroup {
				one.Group = &powerbi.RefreshableIn{ID: group.ID, Name: group.Name}
			}
			list = append(list, one)
		}
	}
	if !sees {
		return reply{}, fault.New(fault.NotFound, codeNotFound, "cannot find capacity '%s'", q.capacity)
	}
	if q.id != "" && len(list) == 0 {
		return reply{}, fault.New(fault.NotFound, codeNotFound, "cannot find refreshable '%s'", q.id)
	}
	slices.SortStableFunc(list, func(a, b powerbi.Refreshable) int { return cmp.Compare(a.Name, b.Name) })
	list = list[min(q.skip, len(list)):]
	list = list[:min(q.top, len(list))]
	return reply{http.StatusOK, powerbi.List[powerbi.Refreshable]{Context: c.context("refreshables"), Value: list}}, nil
}

func (c *call) hasCapacity(id string) bool {
	return slices.ContainsFunc(c.Engine.Capacities(), func(state refresh.CapacityState) bool { return strings.EqualFold(capacityID(state.Name), id) })
}

func (c *call) refreshable(item workspace.Item) (one powerbi.Refreshable, has bool, err error) {
	summary, err := c.Engine.Summary(c.r.Context(), item.ID)
	if err != nil {
		return one, false, err
	}
	schedule, err := c.scheduleOf(item.ID)
	if err != nil {
		return one, false, err
	}
	one = powerbi.Refreshable{ID: item.ID, Name: item.Name, Kind: "Dataset", StartTime: powerbi.Time{Time: summary.From}, EndTime: powerbi.Time{Time: summary.To},
		RefreshCount: summary.Count, RefreshFailures: summary.Failures, AverageDuration: summary.Average.Seconds(), MedianDuration: summary.Median.Seconds(),
		RefreshesPerDay: summary.PerDay, RefreshSchedule: schedule, ConfiguredBy: []string{item.ConfiguredBy}}
	if summary.Count > 0 {
		last := asRefresh(summary.Last)
		one.LastRefresh = &last
	}
	return one, summary.Count > 0 || schedule.Enabled, nil
}

// filterable are the properties of a refreshable that $filter knows.
func filterable(one powerbi.Refreshable) map[string]string {
	decimal := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	moment := func(t powerbi.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
	return map[string]string{"id": one.ID, "name": one.Name, "kind": one.Kind, "refreshCount": strconv.Itoa(one.RefreshCount), "refreshFailures": strconv.Itoa(one.RefreshFailures),
		"averageDuration": decimal(one.AverageDuration), "medianDuration": decimal(one.MedianDuration), "refreshesPerDay": strconv.Itoa(one.RefreshesPerDay),
		"startTime": moment(one.StartTime), "endTime": moment(one.EndTime)}
}
