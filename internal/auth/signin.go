package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"golang.org/x/crypto/bcrypt"

	"freshet.dev/internal/fault"
)

// LocalTenant is the id of the one tenant that the local issuer has.
const LocalTenant = "f4e54e70-0000-4000-8000-000000000001"

// The codes of refused sign-ins are OAuth's own words (RFC 6749, 5.2; RFC 8628, 3.5).
const (
	// Denied 401: the client's secret is wrong or missing.
	// Do: check the secret, and the client's secretHash in the configuration.
	CodeClient = "invalid_client"

	// Denied 400: the configuration has no client of this id.
	// Do: add it under clients of the configuration, or correct the id.
	CodeUnknownClient = "unauthorized_client"

	// Invalid 400 or NotFound 404: the code or refresh token is none, was used, or is expired.
	// Do: sign in again.
	CodeGrant = "invalid_grant"

	// Invalid: nothing of that name is what this issuer gives tokens for.
	// Do: ask for a scope of https://api.powerbi.com or https://analysis.windows.net/powerbi/api.
	CodeScope = "invalid_scope"

	// Invalid: the issuer knows no such grant type.
	// Do: use client_credentials, a device code, or refresh_token.
	CodeUnsupported = "unsupported_grant_type"

	// Invalid: the form lacks a parameter, or is none.
	// Do: send the parameter that the text names.
	CodeMalformed = "invalid_request"

	// Invalid: the person has not approved yet.
	// Do: ask again; programs do.
	CodePending = "authorization_pending"

	// Throttled 400: the program asked again too soon, or too many sign-ins wait.
	// Do: ask less often.
	CodeSlowDown = "slow_down"

	// Invalid: the time of the device code is over.
	// Do: sign in again.
	CodeDeviceOver = "expired_token"

	// Denied 400: the person said no.
	// Do: sign in again as another person, or let it be.
	CodeDeclined = "authorization_declined"
)

// Client is a program that the configuration lets sign in.
type Client struct {
	ID         string // a GUID, as clients that speak to Entra want it; compared without letter case
	Name       string // for people; "" = the id
	SecretHash string // see HashSecret; "" = none: people sign in with it by a device code
}

// HashSecret returns what the configuration keeps of a client's secret.
func HashSecret(secret string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), secretCost)
	if err != nil {
		return "", fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot hash the secret: %w", err)
	}
	return string(hash), nil
}

const (
	secretCost     = 11               // bcrypt's; about a tenth of a second
	deviceLifetime = 15 * time.Minute // Entra's
	deviceInterval = 5 * time.Second  // likewise
	mostDevices    = 1000             // that wait at the same time
	refreshLife    = 24 * time.Hour
	accessLife     = time.Hour
	refreshUse     = "urn:freshet:refresh" // the audience of refresh tokens, so that none passes for an access token
)

// SignIn answers the clients of the configuration as Entra does, with tokens of the local issuer. It is safe for concurrent use.
type SignIn struct {
	issuer  *Local
	clients map[string]Client
	now     func() time.Time

	checks chan struct{} // bounds how many secrets are checked at the same time: that is slow on purpose

	mu      sync.Mutex
	devices map[string]*device // by device code
}

// device is a program that waits for a person.
type device struct {
	client   Client
	userCode string
	audience string
	scopes   []string
	until    time.Time
	asked    time.Time
	person   *Claims // who approved
	declined bool
}

// NewSignIn returns the sign-in of clients. A client that is named twice, or whose hash is none, is an error.
func NewSignIn(issuer *Local, clients []Client, now func() time.Time) (*SignIn, error) {
	s := &SignIn{issuer: issuer, clients: map[string]Client{}, now: now, checks: make(chan struct{}, 2), devices: map[string]*device{}}
	for _, client := range clients {
		client.ID = strings.ToLower(strings.TrimSpace(client.ID))
		if client.Name == "" {
			client.Name = client.ID
		}
		if _, known := s.clients[client.ID]; known || client.ID == "" {
			return nil, fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot let the client %q sign in: it is named twice, or not at all", client.ID)
		}
		if _, err := bcrypt.Cost([]byte(client.SecretHash)); client.SecretHash != "" && err != nil {
			return nil, fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot let the client %q sign in: its secretHash is none", client.ID).
				WithHint("'freshet secret' makes one.")
		}
		s.clients[client.ID] = client
	}
	return s, nil
}

// Granted is what a client gets.
type Granted struct {
	AccessToken  string
	RefreshToken string // "" = none
	IDToken      string // likewise
	Audience     string
	Scopes       []string
	Subject      string
	Lifetime     time.Duration
}

// Application signs a client in by its secret: the client credentials flow.
func (s *SignIn) Application(id, secret, audience string) (Granted, error) {
	client, err := s.Prove(id, secret)
	if err != nil {
		return Granted{}, err
	}
	return s.grant(Claims{Subject: client.ID, Name: client.Name, App: true, Client: client.ID, Audience: audience}, nil)
}

// Prove finds the client that has a secret and shows it.
func (s *SignIn) Prove(id, secret string) (Client, error) {
	client, err := s.proven(id, secret)
	switch {
	case err != nil:
		return Client{}, err
	case client.SecretHash == "":
		return Client{}, fault.New(fault.Denied, CodeClient, "cannot sign the client '%s' in by itself: it has no secret", client.ID).
			WithHint("'freshet secret' makes the secretHash for its entry in the configuration.")
	case secret == "":
		return Client{}, fault.New(fault.Denied, CodeClient, "cannot sign the client '%s' in by itself: it shows no secret", client.ID)
	}
	return client, nil
}

// proven finds a client, and checks the secret that it shows, if it does. For people a client signs in without, as Entra's public clients do, also one
// that has a secret for itself.
func (s *SignIn) proven(id, secret string) (Client, error) {
	client, err := s.client(id)
	if err != nil || client.SecretHash == "" || secret == "" {
		return client, err
	}
	s.checks <- struct{}{}
	defer func() { <-s.checks }()
	if bcrypt.CompareHashAndPassword([]byte(client.SecretHash), []byte(secret)) != nil {
		return Client{}, fault.New(fault.Denied, CodeClient, "cannot sign the client '%s' in: its secret is wrong", client.ID)
	}
	return client, nil
}

func (s *SignIn) client(id string) (Client, error) {
	client, known := s.clients[strings.ToLower(strings.TrimSpace(id))]
	if !known {
		return Client{}, fault.New(fault.Denied, CodeUnknownClient, "cannot sign the client '%s' in: the configuration knows none of this id", id).
			WithHint("Add it under 'clients'.")
	}
	return client, nil
}

// grant issues the tokens of a sign-in; wanted are the OpenID scopes beside those of the audience.
func (s *SignIn) grant(claims Claims, wanted []string) (granted Granted, err error) {
	if !issuable(claims.Audience) {
		return Granted{}, fault.New(fault.Invalid, CodeScope, "cannot give a token for %q", claims.Audience).
			WithHint("Ask for the scope https://analysis.windows.net/powerbi/api/.default.")
	}
	claims.Lifetime = accessLife
	granted = Granted{Audience: claims.Audience, Scopes: claims.Scopes, Subject: claims.Subject, Lifetime: accessLife}
	if granted.AccessToken, err = s.issuer.Issue(claims); err != nil {
		return Granted{}, err
	}
	if slices.Contains(wanted, "openid") {
		if granted.IDToken, err = s.issuer.issueID(claims); err != nil {
			return Granted{}, err
		}
	}
	if slices.Contains(wanted, "offline_access") {
		again := claims
		again.Audience, again.Lifetime, again.For = refreshUse, refreshLife, claims.Audience
		granted.RefreshToken, err = s.issuer.Issue(again)
	}
	return granted, err
}

// Device is what a program shows to the person who is to sign in.
type Device struct {
	DeviceCode string
	UserCode   string
	Lifetime   time.Duration
	Interval   time.Duration
}

// StartDevice begins the device code flow of a client (RFC 8628).
func (s *SignIn) StartDevice(id, audience string, scopes []string) (Device, error) {
	client, err := s.client(id)
	if err != nil {
		return Device{}, err
	}
	if !issuable(audience) {
		return Device{}, fault.New(fault.Invalid, CodeScope, "cannot give a token for %q", audience)
	}
	now := s.now()
	waiting := &device{client: client, userCode: userCode(), audience: audience, scopes: scopes, until: now.Add(deviceLifetime)}
	code := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.devices, func(_ string, d *device) bool { return now.Sub(d.until) > deviceLifetime })
	if len(s.devices) >= mostDevices {
		return Device{}, fault.New(fault.Throttled, CodeSlowDown, "cannot begin a sign-in: %d others wait for a person", len(s.devices))
	}
	s.devices[code] = waiting
	return Device{DeviceCode: code, UserCode: waiting.userCode, Lifetime: deviceLifetime, Interval: deviceInterval}, nil
}

// userCode is short enough to type and has no letters that look like others: 32 to the power of 9.
func userCode() string { return rand.Text()[:9] }

// DeviceInfo tells a person what waits for an approval.
type DeviceInfo struct {
	Client   string
	Audience string
}

// Decide lets a person approve, or decline, the program that shows a user code.
func (s *SignIn) Decide(userCode string, person Claims, approve bool) (DeviceInfo, error) {
	userCode = strings.ToUpper(strings.TrimSpace(userCode))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if subtle.ConstantTimeCompare([]byte(d.userCode), []byte(userCode)) != 1 || s.now().After(d.until) || d.person != nil || d.declined {
			continue
		}
		d.declined = !approve
		if approve {
			d.person = &person
		}
		return DeviceInfo{Client: d.client.Name, Audience: d.audience}, nil
	}
	return DeviceInfo{}, fault.New(fault.NotFound, CodeGrant, "cannot find a sign-in with the code '%s': it is mistyped, used, or older than %s", userCode, deviceLifetime)
}

// DeviceToken gives a program the token of the person who approved. Until then it is an error with CodePending.
func (s *SignIn) DeviceToken(id, secret, deviceCode string) (Granted, error) {
	client, err := s.proven(id, secret)
	if err != nil {
		return Granted{}, err
	}
	approved, err := s.approved(client, deviceCode)
	if err != nil {
		return Granted{}, err
	}
	claims := *approved.person
	claims.Client, claims.Audience = client.ID, approved.audience
	return s.grant(claims, approved.scopes)
}

// approved takes a device that a person has approved out of those that wait.
func (s *SignIn) approved(client Client, deviceCode string) (*device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	d, known := s.devices[deviceCode]
	switch {
	case !known || d.client.ID != client.ID:
		return nil, fault.New(fault.Invalid, CodeGrant, "cannot sign in: the device code is unknown, or was used")
	case d.declined:
		delete(s.devices, deviceCode)
		return nil, fault.New(fault.Denied, CodeDeclined, "cannot sign in: the person has declined")
	case now.After(d.until):
		delete(s.devices, deviceCode)
		return nil, fault.New(fault.Invalid, CodeDeviceOver, "cannot sign in: the code is older than %s", deviceLifetime)
	case d.person != nil:
		delete(s.devices, deviceCode)
		return d, nil
	case now.Sub(d.asked) < deviceInterval/2:
		return nil, fault.New(fault.Throttled, CodeSlowDown, "cannot sign in yet: ask every %s", deviceInterval)
	}
	d.asked = now
	return nil, fault.New(fault.Invalid, CodePending, "cannot sign in yet: nobody has approved the code %s", d.userCode)
}

// Again gives a client a new access token for a refresh token, and a new one of those. The old one, of which nothing is kept, stays good until it
// expires.
func (s *SignIn) Again(id, secret, refreshToken, audience string, wanted []string) (Granted, error) {
	client, err := s.proven(id, secret)
	if err != nil {
		return Granted{}, err
	}
	claims, err := s.issuer.readRefresh(refreshToken)
	if err != nil || claims.Client != client.ID {
		return Granted{}, fault.New(fault.Invalid, CodeGrant, "cannot sign in again: the refresh token is expired, or none of this client's")
	}
	if claims.Audience = audience; audience == "" {
		claims.Audience = claims.For
	}
	if !slices.Contains(wanted, "offline_access") {
		wanted = append(slices.Clip(wanted), "offline_access") // the new one follows the old one
	}
	return s.grant(claims, wanted)
}

// Keys are the public halves of the issuer's keys, for whoever verifies its tokens elsewhere.
func (s *SignIn) Keys() (jwk.Set, error) { return s.issuer.publicKeys() }

// ClientInfo is what Microsoft's libraries key their caches by.
func (g Granted) ClientInfo() string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"uid":"` + uuid.NewSHA1(uuid.MustParse(LocalTenant), []byte(g.Subject)).String() + `","utid":"` + LocalTenant + `"}`))
}
