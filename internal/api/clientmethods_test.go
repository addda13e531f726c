package api_test

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/api"
	"freshet.dev/powerbi"
)

// called answers every call, and keeps the patterns of the routes that were meant.
type called struct {
	routes *http.ServeMux
	met    map[string]bool
}

func (c *called) RoundTrip(request *http.Request) (*http.Response, error) {
	_, pattern := c.routes.Handler(request)
	c.met[pattern] = true
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Requestid": {"x"}}, Body: io.NopCloser(strings.NewReader(`{"status":"Completed"}`)), Request: request}, nil
}

// C7: every route that is served has a method of the client, in both forms where there are two. The methods are all called, with arguments that
// mean nothing; what they return means nothing either.
func TestC7EveryRouteHasAMethod(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	calls := &called{routes: patterns(), met: map[string]bool{}}
	client := reflect.ValueOf(&powerbi.Client{Host: "http://localhost", HTTP: &http.Client{Transport: calls}, Retries: -1})
	for _, with := range [][2]string{{"", ""}, {"", "x"}, {"g", "x"}} {
		group, text := with[0], with[1]
		for i := range client.NumMethod() {
			method := client.Method(i)
			arguments := make([]reflect.Value, method.Type().NumIn())
			for at := range arguments {
				switch wanted := method.Type().In(at); {
				case wanted == reflect.TypeFor[context.Context]():
					arguments[at] = reflect.ValueOf(ctx)
				case wanted == reflect.TypeFor[powerbi.Ref]():
					arguments[at] = reflect.ValueOf(powerbi.Ref{GroupID: group, DatasetID: "d"})
				case wanted.Kind() == reflect.String:
					arguments[at] = reflect.ValueOf(text).Convert(wanted)
				default:
					arguments[at] = reflect.Zero(wanted)
				}
			}
			if method.Type().IsVariadic() {
				method.CallSlice(arguments)
				continue
			}
			method.Call(arguments)
		}
	}
	// One method has several routes by the fields of its argument.
	for _, query := range []powerbi.RefreshablesQuery{
		{CapacityID: "c"}, {CapacityID: "c", ID: "d"}, {Admin: true}, {Admin: true, CapacityID: "c"}, {Admin: true, CapacityID: "c", ID: "d"},
	} {
		_ = client.MethodByName("Refreshables").Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(query)})
	}
	for _, route := range api.Routes() {
		switch {
		case strings.HasPrefix(route.Name, "Server_"), strings.HasPrefix(route.Name, "SignIn_") && route.Public: // for monitors, and for Microsoft's libraries
			continue
		case strings.HasPrefix(route.Name, "Fabric"): // for Azure's clients: the same capacities under another provider
			continue
		case strings.HasSuffix(route.Name, "_GetOperationStatus"): // reached by the Location of a pause, as TestR34SuspendFollowsItsLocation shows
			continue
		}
		if !calls.met[route.Method+" "+route.Pattern] {
			t.Errorf("no method of the client calls %s: %s %s", route.Name, route.Method, route.Pattern)
		}
	}
}
