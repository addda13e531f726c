// Package entra signs a [powerbi.Client] in at Microsoft Entra, by azidentity: as a service principal with a secret or a certificate, with the managed
// identity of an Azure machine, as a person with a device code, or as whoever is signed in with the Azure CLI. Which of them is said by name; nothing is
// tried in turn.
//
//	credential, err := entra.New(entra.ServicePrincipal, entra.Options{Tenant: tenant, ClientID: id, ClientSecret: secret})
//	…
//	client := credential.Client(powerbi.DefaultHost)
//	groups, err := client.Groups(ctx, "")
//
// Freshet's own sign-in (auth: {mode: local}) speaks the same protocol: Options.Authority is its https:// address.
package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"freshet.dev/powerbi"
)

// Scope is what tokens are asked for: all that the application or person may do in Power BI.
const Scope = "https://analysis.windows.net/powerbi/api/.default"

// Kind is a way of signing in.
type Kind string

// The kinds.
const (
	ServicePrincipal Kind = "service-principal" // Tenant, ClientID, and ClientSecret or Certificate
	ManagedIdentity  Kind = "managed-identity"  // ClientID of a user-assigned one; "" is the machine's own
	DeviceCode       Kind = "device-code"       // ShowCode; Tenant and ClientID of the application that people sign in with, else Azure's own
	AzureCLI         Kind = "azure-cli"         // whoever "az login" has signed in; Tenant if it is not their first one
)

// Kinds lists the kinds.
func Kinds() []Kind { return []Kind{ServicePrincipal, ManagedIdentity, DeviceCode, AzureCLI} }

// Options are what the kinds need. What a kind does not use must be empty.
type Options struct {
	Tenant              string
	ClientID            string
	ClientSecret        string
	Certificate         []byte // PEM or PKCS #12, with the key
	CertificatePassword string
	ShowCode            func(message string) // called with what a person is to do: where to go and which code to enter

	Authority string       // who signs in; "" is https://login.microsoftonline.com. Another one than Microsoft's is taken at its word
	Scope     string       // "" is Scope
	HTTP      *http.Client // nil: azidentity's own
}

// New prepares a way of signing in. Nothing is asked of anybody before the first token is needed.
func New(kind Kind, o Options) (*Credential, error) {
	if err := o.check(kind); err != nil {
		return nil, fmt.Errorf("cannot sign in by %s: %w", kind, err)
	}
	common := azcore.ClientOptions{}
	if o.HTTP != nil {
		common.Transport = o.HTTP
	}
	if o.Authority != "" {
		common.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: o.Authority}
	}
	foreign := o.Authority != "" // asking Microsoft about it would tell nothing
	var (
		inner azcore.TokenCredential
		err   error
	)
	switch kind {
	case ServicePrincipal:
		if o.ClientSecret != "" {
			inner, err = azidentity.NewClientSecretCredential(o.Tenant, o.ClientID, o.ClientSecret,
				&azidentity.ClientSecretCredentialOptions{ClientOptions: common, DisableInstanceDiscovery: foreign})
			break
		}
		certificates, key, parseErr := azidentity.ParseCertificates(o.Certificate, []byte(o.CertificatePassword))
		if parseErr != nil {
			return nil, fmt.Errorf("cannot sign in by %s: cannot read the certificate (PEM or PKCS #12, with its key): %w", kind, parseErr)
		}
		inner, err = azidentity.NewClientCertificateCredential(o.Tenant, o.ClientID, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: common, DisableInstanceDiscovery: foreign})
	case ManagedIdentity:
		options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: common}
		if o.ClientID != "" {
			options.ID = azidentity.ClientID(o.ClientID)
		}
		inner, err = azidentity.NewManagedIdentityCredential(options)
	case DeviceCode:
		inner, err = azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
			ClientOptions: common, DisableInstanceDiscovery: foreign, TenantID: o.Tenant, ClientID: o.ClientID,
			UserPrompt: func(_ context.Context, message azidentity.DeviceCodeMessage) error {
				o.ShowCode(message.Message)
				return nil
			},
		})
	case AzureCLI:
		inner, err = azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: o.Tenant})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot sign in by %s: %w", kind, err)
	}
	c := From(inner, o.Scope)
	c.kind = kind
	return c, nil
}

func (o Options) check(kind Kind) error {
	need := func(missing bool, what string) error {
		if missing {
			return errors.New("it needs " + what)
		}
		return nil
	}
	unused := func(set bool, what string) error {
		if set {
			return errors.New("it has no use for " + what)
		}
		return nil
	}
	secret, certificate := o.ClientSecret != "", len(o.Certificate) > 0
	var problems []error
	switch kind {
	case ServicePrincipal:
		problems = []error{need(o.Tenant == "", "a tenant"), need(o.ClientID == "", "a client id"), need(secret == certificate, "either a secret or a certificate")}
	case ManagedIdentity:
		problems = []error{unused(o.Tenant != "", "a tenant"), unused(o.Authority != "", "an authority")}
	case DeviceCode:
		problems = []error{need(o.ShowCode == nil, "somewhere to show the code")}
	case AzureCLI:
		problems = []error{unused(o.ClientID != "", "a client id"), unused(o.Authority != "", "an authority")}
	default:
		return fmt.Errorf("there is no such kind; the kinds are %v", Kinds())
	}
	if kind != ServicePrincipal {
		problems = append(problems, unused(secret, "a secret"), unused(certificate, "a certificate"))
	}
	for _, problem := range problems {
		if problem != nil {
			return problem
		}
	}
	return nil
}

// Credential keeps a token, and asks for the next one five minutes before it expires, or when the service has refused it. It is safe for concurrent
// use. Tokens are kept in memory alone.
type Credential struct {
	inner azcore.TokenCredential
	kind  Kind // "" of From
	scope string
	turn  chan struct{} // full while somebody asks

	mu      sync.Mutex
	token   azcore.AccessToken
	refused bool // token was, before its time
}

// From makes a Credential of any other credential of azidentity. scope "" is Scope.
func From(credential azcore.TokenCredential, scope string) *Credential {
	if scope == "" {
		scope = Scope
	}
	return &Credential{inner: credential, scope: scope, turn: make(chan struct{}, 1)}
}

// Client returns a client of a host that signs in with c. host "" is Power BI.
func (c *Credential) Client(host string) *powerbi.Client {
	return &powerbi.Client{Host: host, Token: c.Token, Refused: c.Refused}
}

// renewBefore is how long before its end a token is replaced, so that it does not expire on its way.
const renewBefore = 5 * time.Minute

// Token returns a token that is good for some minutes at least, if one can be had: it is the Token of a powerbi.Client. While the sign-in host does not
// answer, the kept token is given out to its end.
func (c *Credential) Token(ctx context.Context) (string, error) {
	if token, _, fresh := c.kept(); fresh {
		return token, nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	old, good, fresh := c.kept() // whoever had the turn before may have got one
	if fresh {
		return old, nil
	}
	token, err := c.inner.GetToken(ctx, c.request())
	switch {
	case err != nil && good:
		return old, nil
	case err != nil:
		return "", c.explain(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.refused = token, c.refused && token.Token == old
	return token.Token, nil
}

// Refused has the next Token ask for another one. It is the Refused of a powerbi.Client.
func (c *Credential) Refused(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Token == token {
		c.refused = true
	}
}

// kept returns the token that is kept, whether it is good at all, and whether it is for some time to come.
func (c *Credential) kept() (token string, good, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := time.Until(c.token.ExpiresOn)
	good = c.token.Token != "" && !c.refused && left > 0
	return c.token.Token, good, good && left > renewBefore
}

func (c *Credential) request() policy.TokenRequestOptions {
	request := policy.TokenRequestOptions{Scopes: []string{c.scope}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused && c.kind != AzureCLI { // which takes any claim for a reason to sign in again
		// azidentity has a cache of its own, which it passes by for a claim alone. This one wants a token that was not made before now; it is what
		// the service itself claims when it has revoked a token.
		request.Claims = fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, time.Now().Unix())
	}
	return request
}

// explain words an error of azidentity, which prints whole requests and answers.
func (c *Credential) explain(err error) error {
	var failed *azidentity.AuthenticationFailedError
	if errors.As(err, &failed) && failed.RawResponse != nil {
		var answer struct {
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}
		if body, readErr := runtime.Payload(failed.RawResponse); readErr == nil && json.Unmarshal(body, &answer) == nil && answer.Code != "" {
			first, _, _ := strings.Cut(strings.TrimSpace(answer.Description), "\n")
			return &signInError{text: fmt.Sprintf("%s: %s (%s)", failed.RawResponse.Request.URL.Host, strings.TrimSpace(first), answer.Code), err: err}
		}
	}
	return fmt.Errorf("cannot sign in: %w", err)
}

// signInError is the sign-in host's refusal in its own words.
type signInError struct {
	text string
	err  error
}

func (e *signInError) Error() string { return "cannot sign in: " + e.text }

func (e *signInError) Unwrap() error { return e.err }
