package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"freshet.dev/internal/fault"
)

// EntraAuthority is where Microsoft's public cloud signs people and applications in.
const EntraAuthority = "https://login.microsoftonline.com"

// EntraOptions describe the tenant whose tokens are accepted.
type EntraOptions struct {
	Tenant    string       // its id, a GUID
	Audiences []string     // the only ones that are accepted; empty = those that Power BI's clients ask for, and Azure's for Azure's routes
	Owners    []string     // the object ids of those who are Admin of every workspace
	Authority string       // "" = EntraAuthority; https, without a slash at its end
	Client    *http.Client // asks for the keys; required
	Now       func() time.Time
}

// Entra verifies the tokens of one tenant of Microsoft Entra. It is safe for concurrent use.
//
// The tenant's keys are read when the first token comes, again when they are a day old, and when a token names a key that is not
// among them, which is how a rotation is noticed.
type Entra struct {
	options EntraOptions
	issuers map[string]string // versions by issuer

	asking sync.Mutex // held by who reads the keys
	asked  time.Time  // when that was last done, with or without success; guarded by asking

	mu   sync.RWMutex
	keys jwk.Set
	read time.Time // when keys came
}

const (
	keysLive = 24 * time.Hour
	askAgain = 30 * time.Second // bounds what tokens with invented key ids can cause
	askLimit = 10 * time.Second
)

// NewEntra returns a verifier. Nothing is read yet: a server starts also while the authority cannot be reached.
func NewEntra(options EntraOptions) (*Entra, error) {
	tenant, err := uuid.Parse(options.Tenant)
	if err != nil {
		return nil, fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot accept tokens of the tenant %q: it is not a GUID", options.Tenant).
			WithHint("Entra's overview page shows it as the Tenant ID.")
	}
	if options.Authority == "" {
		options.Authority = EntraAuthority
	}
	if authority, err := url.Parse(options.Authority); err != nil || authority.Scheme != "https" || authority.Host == "" {
		return nil, fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot ask the authority %q for keys: it is not an https address", options.Authority)
	}
	options.Tenant = tenant.String()
	owners := make([]string, len(options.Owners))
	for i, id := range options.Owners {
		owners[i] = strings.ToLower(id)
	}
	options.Owners = owners
	return &Entra{options: options, issuers: map[string]string{
		"https://sts.windows.net/" + options.Tenant + "/":  "1.0",
		options.Authority + "/" + options.Tenant + "/v2.0": "2.0",
	}}, nil
}

// Verify checks a bearer token (without the word "Bearer") for a route that takes some scopes, and returns who it speaks for. See
// Unauthenticated for its errors; one that is Unavailable means that the tenant's keys could not be read, which says nothing about the token.
func (e *Entra) Verify(ctx context.Context, bearer string, scopes ...string) (Principal, error) {
	header, err := readHeader(bearer)
	if err != nil {
		return Principal{}, err
	}
	key, err := e.key(ctx, header.keyID)
	if err != nil {
		return Principal{}, err
	}
	accepted := e.options.Audiences
	if len(accepted) == 0 {
		accepted = audiences(scopes...)
	}
	token, err := readToken(bearer, accepted, clockSkew, jwt.WithKey(header.algorithm, key), jwt.WithClock(jwt.ClockFunc(e.options.Now)))
	if err != nil {
		return Principal{}, err
	}
	issuer, _ := token.Issuer()
	version, ours := e.issuers[issuer]
	if !ours || claim(token, "tid") != "" && !strings.EqualFold(claim(token, "tid"), e.options.Tenant) {
		return Principal{}, bad("its issuer is not the tenant " + e.options.Tenant)
	}
	if its := claim(token, "ver"); its != "" && its != version {
		return Principal{}, bad("its issuer is that of version " + version + ", and its version " + its)
	}
	caller, err := principal(token)
	caller.Owner = err == nil && slices.Contains(e.options.Owners, caller.ID)
	return caller, err
}

// key finds the key of an id, reading the tenant's keys where that may help. Keys that are known but old serve as long as new ones cannot be
// had: better than nobody signed in while the authority is away.
func (e *Entra) key(ctx context.Context, id string) (jwk.Key, error) {
	key, known, fresh := e.lookup(id)
	switch {
	case known && fresh:
		return key, nil
	case known && !e.asking.TryLock():
		return key, nil // another caller reads them
	case !known:
		e.asking.Lock()
	}
	defer e.asking.Unlock()
	if newer, found, _ := e.lookup(id); found && !known {
		return newer, nil // another caller has read them meanwhile
	}
	err := e.ask(ctx)
	if newer, found, _ := e.lookup(id); found {
		return newer, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, bad("its signing key is not one of the tenant's")
}

// lookup finds a key among those that were read, and tells whether they are new enough.
func (e *Entra) lookup(id string) (key jwk.Key, known, fresh bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.keys == nil || id == "" {
		return nil, false, false
	}
	key, known = e.keys.LookupKeyID(id)
	return key, known, e.options.Now().Sub(e.read) < keysLive
}

// ask reads the tenant's keys, unless that was done a moment ago. The caller holds asking.
func (e *Entra) ask(ctx context.Context) error {
	now := e.options.Now()
	if now.Sub(e.asked) < askAgain {
		if now.Sub(e.read) < keysLive {
			return nil
		}
		return keysUnavailable(fmt.Errorf("they are asked for every %s", askAgain))
	}
	e.asked = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit) // for all who wait, not for this caller alone
	defer cancel()
	keys, err := jwk.Fetch(ctx, e.options.Authority+"/"+e.options.Tenant+"/discovery/v2.0/keys", jwk.WithHTTPClient(e.options.Client))
	if err != nil {
		return keysUnavailable(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys, e.read = keys, now
	return nil
}

func keysUnavailable(err error) error {
	return fault.New(fault.Unavailable, codeKeys, "cannot check the bearer token: the tenant's signing keys cannot be read: %w", err).
		WithHint("See that the server reaches the authority that auth.entra names.")
}
