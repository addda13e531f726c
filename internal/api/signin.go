package api

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
)

// The sign-in of Microsoft's libraries, as far as they call it: contract, section 2.7, and OAuth 2.0 (RFC 6749, 8628). Its answers have forms of
// their own, Entra's.

const (
	maxForm          = 64 << 10
	signInsPerMinute = 120 // from one address: a device code is asked for 12 times a minute, and a secret is not to be guessed
)

// oauthError is Entra's body of a refused sign-in.
type oauthError struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
}

// entraCodes are the numbers by which Entra's errors are known.
var entraCodes = map[string]int{
	auth.CodeClient: 7000215, auth.CodeUnknownClient: 700016, auth.CodeGrant: 70000, auth.CodeScope: 70011, auth.CodeUnsupported: 70003, auth.CodeMalformed: 900144,
	auth.CodePending: 70016, auth.CodeSlowDown: 70016, auth.CodeDeviceOver: 70020, auth.CodeDeclined: 70018,
}

// issues tells whether this server signs people and programs in by itself.
func (c *call) issues() error {
	if c.SignIn == nil {
		return fault.New(fault.NotFound, codeNoRoute, "cannot %s %s: this server signs nobody in, for its auth.mode is not local", c.r.Method, c.r.URL.Path)
	}
	return nil
}

// oauth answers a form of OAuth.
func (c *call) oauth(answer func(form url.Values) (any, error)) (reply, error) {
	if err := c.issues(); err != nil {
		return reply{}, err
	}
	address, _, _ := net.SplitHostPort(c.r.RemoteAddr)
	if err := c.limit(c.signIns, address); err != nil {
		return reply{}, err
	}
	c.r.Body = c.body(maxForm)
	err := c.r.ParseForm()
	if err != nil {
		if read := bodyFault(err); fault.CodeOf(read) != codeInvalid {
			return reply{}, read // too much, or too slow
		}
		err = fault.New(fault.Invalid, auth.CodeMalformed, "cannot read the form: %w", err)
	}
	var body any
	if err == nil {
		body, err = answer(c.r.PostForm)
	}
	if err == nil {
		return reply{http.StatusOK, body}, nil
	}
	number, known := entraCodes[fault.CodeOf(err)]
	if !known {
		return reply{}, err
	}
	return reply{oauthStatus(err), oauthError{
		Error: fault.CodeOf(err), Description: "AADSTS" + strconv.Itoa(number) + ": " + err.Error(), Codes: []int{number},
		Timestamp: c.Now().UTC().Format("2006-01-02 15:04:05Z"), TraceID: requestID(c.w), CorrelationID: c.r.Header.Get("client-request-id"),
	}}, nil
}

func oauthStatus(err error) int {
	if fault.CodeOf(err) == auth.CodeClient {
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

// tokenAnswer is what a token endpoint gives. Version 1.0 writes its numbers as texts.
type tokenAnswer struct {
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope,omitempty"`
	ExpiresIn    any    `json:"expires_in"`
	ExtExpiresIn any    `json:"ext_expires_in"`
	ExpiresOn    string `json:"expires_on,omitempty"`
	NotBefore    string `json:"not_before,omitempty"`
	Resource     string `json:"resource,omitempty"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`
}

func (c *call) token() (reply, error) {
	return c.oauth(func(form url.Values) (any, error) {
		audience, wanted := scopesOf(form.Get("scope"))
		granted, err := c.granted(form, audience, wanted)
		if err != nil {
			return nil, err
		}
		seconds := int(granted.Lifetime/time.Second) - 1
		answer := tokenAnswer{
			TokenType: "Bearer", ExpiresIn: seconds, ExtExpiresIn: seconds, AccessToken: granted.AccessToken, RefreshToken: granted.RefreshToken, IDToken: granted.IDToken,
		}
		if granted.IDToken != "" {
			answer.ClientInfo = granted.ClientInfo()
		}
		if len(granted.Scopes) > 0 {
			answer.Scope = granted.Audience + "/" + strings.Join(append(granted.Scopes, ".default"), " "+granted.Audience+"/")
		}
		return answer, nil
	})
}

// tokenV1 is the endpoint of ADAL's clients, which name a resource in place of scopes.
func (c *call) tokenV1() (reply, error) {
	return c.oauth(func(form url.Values) (any, error) {
		resource := form.Get("resource")
		if resource == "" {
			return nil, fault.New(fault.Invalid, auth.CodeMalformed, "cannot give a token: the form has no resource")
		}
		granted, err := c.granted(form, resource, nil)
		if err != nil {
			return nil, err
		}
		now, seconds := c.Now(), strconv.Itoa(int(granted.Lifetime/time.Second)-1)
		return tokenAnswer{
			TokenType: "Bearer", ExpiresIn: seconds, ExtExpiresIn: seconds, ExpiresOn: strconv.FormatInt(now.Add(granted.Lifetime).Unix(), 10),
			NotBefore: strconv.FormatInt(now.Unix(), 10), Resource: resource, AccessToken: granted.AccessToken, RefreshToken: granted.RefreshToken,
			IDToken: granted.IDToken,
		}, nil
	})
}

func (c *call) granted(form url.Values, audience string, wanted []string) (auth.Granted, error) {
	id, secret, basic := c.r.BasicAuth()
	if !basic {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	} else { // RFC 6749, 2.3.1: both are written as in a form
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	}
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
		return c.SignIn.Application(id, secret, audience)
	case "device_code", "urn:ietf:params:oauth:grant-type:device_code":
		code := form.Get("device_code")
		if code == "" {
			code = form.Get("code") // version 1.0
		}
		return c.SignIn.DeviceToken(id, secret, code)
	case "refresh_token":
		return c.SignIn.Again(id, secret, form.Get("refresh_token"), audience, wanted)
	case "":
		return auth.Granted{}, fault.New(fault.Invalid, auth.CodeMalformed, "cannot give a token: the form has no grant_type")
	default:
		return auth.Granted{}, fault.New(fault.Invalid, auth.CodeUnsupported, "cannot give a token for the grant type %q", grant).
			WithHint("Sign in as an application with its secret, or by a device code.")
	}
}

// scopesOf splits what a client asks for into the audience, which its scopes begin with, and the scopes of OpenID.
func scopesOf(text string) (audience string, open []string) {
	for _, scope := range strings.Fields(text) {
		switch i := strings.LastIndex(scope, "/"); {
		case scope == "openid", scope == "profile", scope == "email", scope == "offline_access":
			open = append(open, scope)
		case audience == "" && i > 0:
			audience = scope[:i]
		}
	}
	return audience, open
}

// deviceAnswer is what the endpoint of device codes gives (RFC 8628). The lifetime and the interval are seconds. Version 1.0 writes them as texts,
// and calls the page an URL.
type deviceAnswer struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURI string `json:"verification_uri,omitempty"`
	VerificationURL string `json:"verification_url,omitempty"`
	ExpiresIn       any    `json:"expires_in"`
	Interval        any    `json:"interval"`
	Message         string `json:"message"`
}

func (c *call) deviceCode() (reply, error) {
	return c.oauth(func(form url.Values) (any, error) {
		audience, wanted := scopesOf(form.Get("scope"))
		answer, page, err := c.startDevice(form, audience, wanted)
		answer.VerificationURI = page
		return answer, err
	})
}

// deviceCodeV1 is the endpoint of ADAL's clients, which get the tokens for people and for signing in again unasked.
func (c *call) deviceCodeV1() (reply, error) {
	return c.oauth(func(form url.Values) (any, error) {
		answer, page, err := c.startDevice(form, form.Get("resource"), []string{"openid", "offline_access"})
		answer.VerificationURL, answer.ExpiresIn, answer.Interval = page, fmt.Sprint(answer.ExpiresIn), fmt.Sprint(answer.Interval)
		return answer, err
	})
}

func (c *call) startDevice(form url.Values, audience string, wanted []string) (answer deviceAnswer, page string, err error) {
	device, err := c.SignIn.StartDevice(form.Get("client_id"), audience, wanted)
	if err != nil {
		return deviceAnswer{}, "", err
	}
	return deviceAnswer{
		UserCode: device.UserCode, DeviceCode: device.DeviceCode, ExpiresIn: int(device.Lifetime / time.Second), Interval: int(device.Interval / time.Second),
		Message: "To sign in, run on the machine of the server: freshet approve " + device.UserCode,
	}, scheme(c.r) + "://" + c.r.Host + "/devicelogin", nil
}

// deviceLogin tells whoever opens the page that device codes name what to do.
func (c *call) deviceLogin() (reply, error) {
	if err := c.issues(); err != nil {
		return reply{}, err
	}
	c.begun = true
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = c.w.Write([]byte("A program waits to sign in to Freshet. If you have started it, run\n\n    freshet approve CODE\n\nwith the code that it shows. Add --as NAME to sign in as somebody else.\n"))
	return reply{}, nil
}

func (c *call) approveDevice() (reply, error) {
	if err := c.issues(); err != nil {
		return reply{}, err
	}
	if c.principal.App {
		return reply{}, fault.New(fault.Denied, codeNotAuthorized, "cannot decide about a sign-in as the application '%s': a person does", c.principal.Name)
	}
	var body powerbi.SignInAnswer
	if err := c.decodeStrict(maxForm, &body); err != nil {
		return reply{}, err
	}
	// The program gets no right that the token of this call does not have.
	person := auth.Claims{Subject: c.principal.ID, Name: c.principal.Name, Owner: c.principal.Owner, Scopes: c.principal.Scopes}
	if body.As != "" {
		if !c.principal.Owner {
			return reply{}, fault.New(fault.Denied, codeNotAuthorized, "cannot sign in as '%s': only the owner of this machine may name somebody else", body.As)
		}
		person = auth.Claims{Subject: body.As, Name: body.As, Scopes: c.principal.Scopes}
	}
	info, err := c.SignIn.Decide(c.r.PathValue("userCode"), person, !body.Decline)
	if err != nil {
		return reply{}, err
	}
	c.audit("signin.decide", "client", info.Client, "as", person.Name, "approved", !body.Decline)
	return reply{http.StatusOK, powerbi.SignInDecision{Client: info.Client, Audience: info.Audience, As: person.Name}}, nil
}

// discovery is the OpenID configuration of either version.
func (c *call) discovery(version string) (reply, error) {
	if err := c.issues(); err != nil {
		return reply{}, err
	}
	base := scheme(c.r) + "://" + c.r.Host + "/" + url.PathEscape(c.r.PathValue("tenant"))
	endpoints, keys := base+"/oauth2"+version, base+"/discovery"+version+"/keys"
	return reply{http.StatusOK, map[string]any{
		"issuer":                                scheme(c.r) + "://" + c.r.Host + "/" + auth.LocalTenant + version,
		"token_endpoint":                        endpoints + "/token",
		"device_authorization_endpoint":         endpoints + "/devicecode",
		"authorization_endpoint":                endpoints + "/authorize",
		"jwks_uri":                              keys,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"grant_types_supported":                 []string{"client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"tenant_region_scope":                   nil,
		"cloud_instance_name":                   "microsoftonline.com",
	}}, nil
}

func (c *call) discoveryV1() (reply, error) { return c.discovery("") }
func (c *call) discoveryV2() (reply, error) { return c.discovery("/v2.0") }

// instances tells Microsoft's libraries that this is the sign-in host that they know, by all of its names.
func (c *call) instances() (reply, error) {
	if err := c.issues(); err != nil {
		return reply{}, err
	}
	host := strings.TrimPrefix(auth.EntraAuthority, "https://")
	return reply{http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": auth.EntraAuthority + "/" + auth.LocalTenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": host, "preferred_cache": "login.windows.net",
			"aliases": []string{host, "login.windows.net", "login.microsoft.com", "sts.windows.net"},
		}},
	}}, nil
}

func (c *call) signingKeys() (reply, error) {
	if err := c.issues(); err != nil {
		return reply{}, err
	}
	keys, err := c.SignIn.Keys()
	if err != nil {
		return reply{}, err
	}
	text, err := json.Marshal(keys)
	return reply{http.StatusOK, json.RawMessage(text)}, err
}
