package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"freshet.dev/internal/api"
	"freshet.dev/powerbi"
)

// specification is openapi.json as another implementation reads it. In answers a property that it does not name is an error here.
type specification struct {
	requests, answers *openapi3.T
}

func readSpecification(t *testing.T) *specification {
	content, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	read := func() *openapi3.T {
		document, err := openapi3.NewLoader().LoadFromData(content)
		if err != nil {
			t.Fatal(err)
		}
		return document
	}
	s := &specification{read(), read()}
	for _, schema := range s.answers.Components.Schemas {
		if no := false; schema.Value.Type.Is("object") {
			schema.Value.AdditionalProperties.Has = &no
		}
	}
	return s
}

// find returns the operation of a pattern of ServeMux.
func find(document *openapi3.T, pattern string) *openapi3.Operation {
	method, path, _ := strings.Cut(pattern, " ")
	item := document.Paths.Value(path)
	if item == nil {
		return nil
	}
	return item.GetOperation(method)
}

// check compares an exchange with the document. What is refused may have any body.
func (s *specification) check(t *testing.T, pattern string, sent bool, request []byte, response *http.Response, content []byte) {
	t.Helper()
	operation := find(s.answers, pattern)
	if operation == nil {
		t.Errorf("openapi.json has no %s", pattern)
		return
	}
	if sent && response.StatusCode < 300 {
		body := find(s.requests, pattern).RequestBody
		if body == nil {
			t.Errorf("%s takes no body in openapi.json, and took one", pattern)
		} else if media := body.Value.Content.Get("application/json"); media != nil {
			valid(t, pattern+" takes", media, request)
		}
	}
	answer := operation.Responses.Status(response.StatusCode)
	if answer == nil {
		t.Errorf("%s answers %d, which openapi.json does not name", pattern, response.StatusCode)
		return
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch media := answer.Value.Content[kind]; {
	case len(content) == 0 && len(answer.Value.Content) == 0:
	case err != nil || media == nil:
		t.Errorf("%s answers %d with %q, which openapi.json does not name", pattern, response.StatusCode, kind)
	case kind == "application/json":
		valid(t, pattern+" answers", media, content)
	}
}

func valid(t *testing.T, what string, media *openapi3.MediaType, content []byte) {
	t.Helper()
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Errorf("%s %s: %v", what, content, err)
		return
	}
	if err := media.Schema.Value.VisitJSON(value, openapi3.MultiErrors(), openapi3.EnableFormatValidation()); err != nil {
		t.Errorf("%s what openapi.json does not allow: %v", what, err)
	}
}

// openapi.json is valid OpenAPI, and holds each route that is served and nothing else.
func TestOpenAPI(t *testing.T) {
	document := readSpecification(t).requests
	if err := document.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	var described, served []string
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, route := range api.Routes() {
		served = append(served, route.Method+" "+route.Pattern)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described\n%s\nserved\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

// Every exchange says where its answer is from. A mark holds until the next comment; testdata/exchanges begins with what they mean.
func TestExchangesCiteTheirSources(t *testing.T) {
	mark := regexp.MustCompile(`\[(contract §[^]]+|recording [^]]+|Azure reference|own|inferred)\]|\b[RCF]\d+\b`)
	calls := regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE) /`)
	for _, path := range []string{"testdata/exchanges", "testdata/throttled"} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		comment, above, count := "", "", 0
		lines := bufio.NewScanner(bytes.NewReader(content))
		lines.Buffer(nil, 1<<20)
		for number := 1; lines.Scan(); number++ {
			line := lines.Text()
			if strings.HasPrefix(line, "#") {
				if !strings.HasPrefix(above, "#") {
					comment = ""
				}
				comment += line
			}
			if calls.MatchString(line) && (above == "" || strings.HasPrefix(above, "#")) {
				count++
				if !mark.MatchString(comment) {
					t.Errorf("%s:%d: %s: the comment above it, %q, names no source", path, number, line, comment)
				}
			}
			above = line
		}
		if count < 9 {
			t.Errorf("%s has %d exchanges", path, count)
		}
	}
}

// clientCalls are the methods of the public client, by the operation that they call; those that Power BI has twice are called both ways.
func clientCalls(ctx context.Context, c *powerbi.Client, ref powerbi.Ref) map[string]func() error {
	azure := powerbi.AzureGroup{}
	return map[string]func() error{
		"SignIn_Decide": func() error {
			return second(c.DecideSignIn(ctx, "CODE", "", true))
		},
		"Groups_GetGroups": func() error { return second(c.Groups(ctx, "")) },
		"Groups_CreateGroup": func() error {
			return second(c.CreateGroup(ctx, "Sales"))
		},
		"Groups_GetGroup": func() error { return second(c.Group(ctx, "g")) },
		"Groups_AssignToCapacity": func() error {
			return c.AssignToCapacity(ctx, "g", powerbi.NoCapacity)
		},
		"Groups_CapacityAssignmentStatus": func() error {
			return second(c.CapacityAssignment(ctx, "g"))
		},
		"Groups_GetGroupUsers": func() error {
			return second(c.GroupUsers(ctx, "g"))
		},
		"Groups_AddGroupUser": func() error {
			return c.AddGroupUser(ctx, "g", powerbi.GroupUser{})
		},
		"Groups_UpdateGroupUser": func() error {
			return c.UpdateGroupUser(ctx, "g", powerbi.GroupUser{})
		},
		"Groups_DeleteUserInGroup": func() error {
			return c.DeleteGroupUser(ctx, "g", "u")
		},
		"Groups_UpdateGroup": func() error {
			return c.UpdateGroup(ctx, "g", powerbi.GroupUpdate{Name: "n"})
		},
		"Users_RefreshUserPermissions": func() error { return c.RefreshUserPermissions(ctx) },
		"Gateways_GetGateways":         func() error { return second(c.Gateways(ctx)) },
		"Groups_DeleteGroup":           func() error { return c.DeleteGroup(ctx, "g") },
		"Capacities_GetCapacities":     func() error { return second(c.Capacities(ctx)) },
		"Dataflows_GetDataflows": func() error {
			return second(c.Dataflows(ctx, "g"))
		},
		"Dataflows_GetDataflow": func() error {
			return second(c.Dataflow(ctx, "g", "f"))
		},
		"Dataflows_DeleteDataflow": func() error {
			return c.DeleteDataflow(ctx, "g", "f")
		},
		"Dataflows_RefreshDataflow": func() error {
			return second(c.RefreshDataflow(ctx, "g", "f", ""))
		},
		"Dataflows_GetDataflowTransactions": func() error {
			return second(c.DataflowTransactions(ctx, "g", "f"))
		},
		"Dataflows_CancelDataflowTransaction": func() error {
			return second(c.CancelDataflowTransaction(ctx, "g", "t"))
		},
		"Dataflows_GetDataflowDataSources": func() error {
			return second(c.DataflowDatasources(ctx, "g", "f"))
		},
		"Dataflows_GetUpstreamDataflowsInGroup": func() error {
			return second(c.DependentDataflows(ctx, "g", "f"))
		},
		"Dataflows_UpdateRefreshSchedule": func() error {
			return c.UpdateDataflowSchedule(ctx, "g", "f", powerbi.ScheduleChange{})
		},

		"Freshet_ChangeGroup": func() error {
			return second(c.ChangeGroup(ctx, "g", powerbi.GroupSettings{}))
		},
		"Freshet_Deploy": func() error {
			return second(c.Deploy(ctx, powerbi.Definition{}))
		},
		"Freshet_GetModels": func() error { return second(c.Models(ctx)) },
		"Freshet_Query": func() error {
			rows, err := c.Query(ctx, "d", "SELECT 1")
			if err != nil {
				return err
			}
			return rows.Close()
		},
		"Freshet_PlanRefresh": func() error {
			return second(c.PlanRefresh(ctx, "d", powerbi.RefreshRequest{}))
		},
		"Freshet_GetTables": func() error {
			return second(c.QueryTables(ctx, "d"))
		},
		"Freshet_Explain": func() error {
			return second(c.Explain(ctx, "d", "t", ""))
		},
		"Freshet_RefreshOnDemand": func() error {
			return second(c.RefreshOnDemand(ctx, "d", powerbi.RefreshOptions{}))
		},
		"Freshet_GetRefresh": func() error {
			return second(c.AnyRefreshDetail(ctx, "d", "r"))
		},
		"Freshet_CancelRefresh": func() error {
			return c.CancelAnyRefresh(ctx, "d", "r")
		},
		"Freshet_GetVersions": func() error { return second(c.Versions(ctx, "d")) },
		"Freshet_Verify":      func() error { return second(c.Verify(ctx, "d")) },
		"Freshet_Rollback": func() error {
			return second(c.Rollback(ctx, "d", powerbi.RollbackRequest{}, powerbi.RefreshOptions{}))
		},

		"Datasets_GetDatasets": func() error {
			return second(c.Datasets(ctx, ref.GroupID))
		},
		"Datasets_GetDataset": func() error {
			return second(c.Dataset(ctx, ref))
		},
		"Datasets_DeleteDataset": func() error { return c.DeleteDataset(ctx, ref) },
		"Datasets_GetRefreshSchedule": func() error {
			return second(c.RefreshSchedule(ctx, ref))
		},
		"Datasets_UpdateRefreshSchedule": func() error {
			return c.UpdateRefreshSchedule(ctx, ref, powerbi.ScheduleChange{})
		},
		"Datasets_GetTables": func() error {
			return second(c.Tables(ctx, ref))
		},
		"Datasets_GetParameters": func() error {
			return second(c.Parameters(ctx, ref))
		},
		"Datasets_UpdateParameters": func() error {
			return c.UpdateParameters(ctx, ref, nil)
		},
		"Datasets_GetDatasources": func() error {
			return second(c.Datasources(ctx, ref))
		},
		"Datasets_UpdateDatasources": func() error {
			return c.UpdateDatasources(ctx, ref, nil)
		},
		"Datasets_DiscoverGateways": func() error {
			return second(c.DiscoverGateways(ctx, ref))
		},
		"Datasets_GetGatewayDatasources": func() error {
			return second(c.BoundGatewayDatasources(ctx, ref))
		},
		"Datasets_TakeOver": func() error {
			return c.TakeOver(ctx, powerbi.Ref{GroupID: "g", DatasetID: "d"})
		},
		"Datasets_GetDatasetToDataflowsLinks": func() error {
			return second(c.UpstreamDataflows(ctx, "g"))
		},
		"Datasets_GetDatasetUsers": func() error {
			return second(c.DatasetUsers(ctx, ref))
		},
		"Datasets_PostDatasetUser": func() error {
			return c.AddDatasetUser(ctx, ref, powerbi.DatasetUser{})
		},
		"Datasets_PutDatasetUser": func() error {
			return c.UpdateDatasetUser(ctx, ref, powerbi.DatasetUser{})
		},
		"Capacities_GetRefreshables": func() error {
			return second(c.Refreshables(ctx, powerbi.RefreshablesQuery{}))
		},
		"Capacities_GetRefreshablesForCapacity": func() error {
			return second(c.Refreshables(ctx, powerbi.RefreshablesQuery{CapacityID: "c"}))
		},
		"Capacities_GetRefreshableForCapacity": func() error {
			return second(c.Refreshables(ctx, powerbi.RefreshablesQuery{CapacityID: "c", ID: "d"}))
		},
		"Admin_GetRefreshables": func() error {
			return second(c.Refreshables(ctx, powerbi.RefreshablesQuery{Admin: true}))
		},
		"Admin_GetRefreshablesForCapacity": func() error {
			return second(c.Refreshables(ctx, powerbi.RefreshablesQuery{Admin: true, CapacityID: "c"}))
		},
		"Admin_GetRefreshableForCapacity": func() error {
			return second(c.Refreshables(ctx, powerbi.RefreshablesQuery{Admin: true, CapacityID: "c", ID: "d"}))
		},
		"Datasets_GetDirectQueryRefreshSchedule": func() error {
			return second(c.DirectQuerySchedule(ctx, ref))
		},
		"Datasets_UpdateDirectQueryRefreshSchedule": func() error {
			return c.UpdateDirectQuerySchedule(ctx, ref, powerbi.DirectQueryScheduleChange{})
		},
		"Dataflows_UpdateDataflow": func() error {
			return second(c.UpdateDataflow(ctx, "g", "f", powerbi.DataflowUpdate{ComputeEngineBehavior: "computeOn"}))
		},
		"Dataflows_GetDataflowsAsAdmin":                func() error { return second(c.AdminDataflows(ctx, "", "")) },
		"Dataflows_GetDataflowsInGroupAsAdmin":         func() error { return second(c.AdminDataflows(ctx, "g", "")) },
		"Dataflows_ExportDataflowAsAdmin":              func() error { return second(c.AdminDataflow(ctx, "f")) },
		"Dataflows_GetDataflowDatasourcesAsAdmin":      func() error { return second(c.AdminDataflowDatasources(ctx, "f")) },
		"Dataflows_GetDataflowUsersAsAdmin":            func() error { return second(c.AdminDataflowUsers(ctx, "f")) },
		"Dataflows_GetUpstreamDataflowsInGroupAsAdmin": func() error { return second(c.AdminUpstreamOfDataflow(ctx, "g", "f")) },
		"Freshet_GetRefreshes":                         func() error { return second(c.AnyRefreshes(ctx, "f", 1)) },
		"Freshet_GetRefreshSchedule":                   func() error { return second(c.AnyRefreshSchedule(ctx, "f")) },
		"Datasets_GetDatasetsAsAdmin":                  func() error { return second(c.AdminDatasets(ctx, "", "")) },
		"Datasets_GetDatasetsInGroupAsAdmin":           func() error { return second(c.AdminDatasets(ctx, "g", "")) },
		"Datasets_GetDatasetToDataflowsLinksInGroupAsAdmin": func() error {
			return second(c.AdminUpstreamDataflows(ctx, "g"))
		},
		"Datasets_GetDatasourcesAsAdmin":  func() error { return second(c.AdminDatasources(ctx, "d")) },
		"Datasets_GetDatasetUsersAsAdmin": func() error { return second(c.AdminDatasetUsers(ctx, "d")) },
		"Datasets_RefreshDataset": func() error {
			return second(c.Refresh(ctx, ref, powerbi.RefreshRequest{}, powerbi.RefreshOptions{}))
		},
		"Datasets_GetRefreshHistory": func() error {
			return second(c.Refreshes(ctx, ref, 1))
		},
		"Datasets_GetRefreshExecutionDetails": func() error {
			return second(c.RefreshDetail(ctx, ref, "r"))
		},
		"Datasets_CancelRefresh": func() error {
			return c.CancelRefresh(ctx, ref, "r")
		},

		"Capacities_ListByResourceGroup": func() error {
			return second(c.AzureCapacities(ctx, azure))
		},
		"Capacities_GetDetails": func() error {
			return second(c.AzureCapacity(ctx, azure, "default"))
		},
		"Capacities_Suspend": func() error {
			return c.SuspendCapacity(ctx, azure, "default")
		},
		"Capacities_Resume": func() error {
			return c.ResumeCapacity(ctx, azure, "default")
		},
	}
}

func second[T any](_ T, err error) error { return err }

// C7: every operation has its method in the public client, which calls that route; but for the sign-in and the server's health, which clients of
// their own kinds ask for.
func TestClientHasEveryOperation(t *testing.T) {
	// The client speaks the first of the two interfaces of Azure's, and follows its operations by their Location.
	without := regexp.MustCompile(`^FabricCapacities_|^Capacities_GetOperationStatus$`)
	var met string
	routes := patterns()
	double := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, met = routes.Handler(r)
		w.Header().Set("RequestId", "r")
		_, _ = io.WriteString(w, "{}\n")
	}))
	defer double.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &powerbi.Client{Host: double.URL, HTTP: &http.Client{Transport: transport}}
	unused := clientCalls(t.Context(), client, powerbi.Ref{})
	for _, route := range api.Routes() {
		name := operation(route.Name)
		delete(unused, name)
		ref := powerbi.Ref{DatasetID: "d"}
		if name != route.Name {
			ref.GroupID = "g"
		}
		call := clientCalls(t.Context(), client, ref)[name]
		if call == nil {
			if !route.Public && !without.MatchString(name) {
				t.Errorf("%s: clientCalls names no method that calls it", route.Name)
			}
			continue
		}
		met = ""
		if err := call(); err != nil || met != route.Method+" "+route.Pattern {
			t.Errorf("%s: the client calls %q, %v", route.Name, met, err)
		}
	}
	for name := range unused {
		t.Errorf("clientCalls has %s, which no route is", name)
	}
}
