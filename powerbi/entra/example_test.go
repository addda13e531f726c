package entra_test

import (
	"context"
	"fmt"
	"net/http"

	"freshet.dev/internal/powerbitest"
	"freshet.dev/powerbi"
	"freshet.dev/powerbi/entra"
)

// Sign in as a service principal.
func ExampleNew() {
	service := &powerbitest.Service{ // stands for Power BI and for Entra
		Groups:  []*powerbitest.Group{{ID: "f089354e-8366-4e18-aea3-4cb4a3a50b48", Name: "Sales"}},
		Secrets: map[string]string{"0a000000-0000-4000-8000-000000000001": "the secret"},
	}
	web := &http.Client{Transport: powerbitest.Transport(service)}

	credential, err := entra.New(entra.ServicePrincipal, entra.Options{
		Tenant: "f4e54e70-0000-4000-8000-000000000001", ClientID: "0a000000-0000-4000-8000-000000000001", ClientSecret: "the secret",
		HTTP: web, // left out, the calls go to login.microsoftonline.com
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := credential.Client(powerbi.DefaultHost)
	client.HTTP = web // left out, to api.powerbi.com
	groups, err := client.Groups(context.Background(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(groups[0].Name)
	// Output: Sales
}
