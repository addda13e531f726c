package powerbi

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// The requests and answers are those of Azure's reference for Microsoft.PowerBIDedicated, version 2021-01-01.
func TestR34SuspendFollowsItsLocation(t *testing.T) {
	const azure = "/subscriptions/613192d7-503f-477a-9cfe-4efc3ee2bd60"
	var asked []string
	var client *Client
	location := ""
	client = serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		if len(asked) < 3 {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusAccepted)
		}
	})
	location = client.Host + azure + "/providers/Microsoft.PowerBIDedicated/locations/westus/operationStatuses/01234567-89ab?api-version=2021-01-01&t=a%2Fb"
	group := AzureGroup{SubscriptionID: "613192d7-503f-477a-9cfe-4efc3ee2bd60", ResourceGroup: "TestRG"}
	if err := client.SuspendCapacity(context.Background(), group, "azsdktest"); err != nil {
		t.Fatal(err)
	}
	follow := "GET " + strings.TrimPrefix(location, client.Host)
	want := "POST " + azure + "/resourceGroups/TestRG/providers/Microsoft.PowerBIDedicated/capacities/azsdktest/suspend?api-version=2021-01-01\n" + follow + "\n" + follow
	if got := strings.Join(asked, "\n"); got != want {
		t.Errorf("asked\n%s\nwant\n%s", got, want)
	}

	asked, location = nil, "https://elsewhere.example/x"
	if err := client.ResumeCapacity(context.Background(), group, "azsdktest"); err == nil || !strings.Contains(err.Error(), "another host") || len(asked) != 1 {
		t.Errorf("the token was sent to another host: %v, asked %v", err, asked)
	}
	location = ""
	if err := client.ResumeCapacity(context.Background(), group, "azsdktest"); err == nil || !strings.Contains(err.Error(), "no Location") {
		t.Errorf("without a Location: %v", err)
	}
}

func TestCapacities(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1.0/myorg/capacities" {
			_, _ = w.Write([]byte(`{"value":[{"id":"0f084df7-c13d-451b-af5f-ed0c466403b2","displayName":"MyCapacity","admins":["john@contoso.com"],"sku":"A1","state":"Active",` +
				`"region":"West Central US","capacityUserAccessRight":"Admin"}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"value":[{"name":"azsdktest","id":"/x","location":"West US","properties":{"administration":{"members":["a@b"]},"provisioningState":"Provisioning","state":"Paused"},` +
			`"sku":{"name":"A1","tier":"PBIE_Azure"},"systemData":{"createdAt":"2021-01-01T00:00:19.1234567Z","lastModifiedAt":"2021-01-01T00:00:19.1234567Z","lastModifiedBy":"user2"},"tags":{}}]}`))
	})
	capacities, err := client.Capacities(context.Background())
	if err != nil || len(capacities) != 1 || capacities[0].DisplayName != "MyCapacity" || capacities[0].State != "Active" || capacities[0].AccessRight != "Admin" {
		t.Errorf("%+v, %v", capacities, err)
	}
	azure, err := client.AzureCapacities(context.Background(), AzureGroup{})
	if err != nil || len(azure) != 1 || azure[0].Properties.State != "Paused" || azure[0].SystemData.LastModifiedBy != "user2" || azure[0].SKU.Name != "A1" {
		t.Errorf("%+v, %v", azure, err)
	}
}
