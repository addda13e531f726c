package clients

import (
	"context"
	"regexp"
	"testing"

	"golang.org/x/sync/errgroup"

	"freshet.dev/powerbi"
	"freshet.dev/powerbi/entra"
)

// TestEntra signs the public client in as a service principal and as a person with a device code: under Microsoft's and Power BI's names with nothing
// changed but where the connections lead, and under the server's own address. R3, C7
func TestEntra(t *testing.T) {
	h := start(t)
	web := toServer(t, h)
	for name, at := range map[string]struct{ authority, host string }{
		"Microsoft's names": {"", powerbi.DefaultHost},
		"the server's own":  {"https://" + h.address.TLS, "https://" + h.address.TLS},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := entra.New(entra.ServicePrincipal, entra.Options{Tenant: tenant, ClientID: clientID, ClientSecret: clientSecret, Authority: at.authority, HTTP: web})
			if err != nil {
				t.Fatal(err)
			}
			client := app.Client(at.host)
			client.HTTP = web
			groups, err := client.Groups(t.Context(), "")
			if err != nil || len(groups) != 1 || groups[0].Name != "Sales" {
				t.Fatalf("the application sees %+v, %v", groups, err)
			}
			first, err := app.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			app.Refused(first)
			if second, err := app.Token(t.Context()); err != nil || second == first {
				t.Errorf("after a refusal %v, the same token: %t", err, second == first)
			}
			accepted, err := client.Refresh(t.Context(), h.orders, powerbi.RefreshRequest{Type: "full"}, powerbi.RefreshOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if result, err := client.Wait(t.Context(), h.orders, accepted.RequestID, powerbi.WaitOptions{}); err != nil || result.Status != powerbi.Completed {
				t.Errorf("%+v, %v", result, err)
			}

			codes := make(chan string, 1)
			person, err := entra.New(entra.DeviceCode, entra.Options{Tenant: tenant, ClientID: clientID, Authority: at.authority, HTTP: web, ShowCode: func(message string) { codes <- message }})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var group errgroup.Group
			group.Go(func() error {
				select {
				case message := <-codes:
					_, err := h.DecideSignIn(ctx, regexp.MustCompile(`\b[A-Z0-9]{9}\b`).FindString(message), "ana@example.org", true)
					return err
				case <-ctx.Done():
					return nil
				}
			})
			token, err := person.Token(ctx)
			cancel()
			if approveErr := group.Wait(); approveErr != nil || err != nil || token == "" {
				t.Fatalf("by device code: %q, %v, approved with %v", token, err, approveErr)
			}
			person.Refused(token)
			if again, err := person.Token(t.Context()); err != nil || again == token || len(codes) != 0 {
				t.Errorf("a second token without a question: %v, the same: %t", err, again == token)
			}
		})
	}
}
