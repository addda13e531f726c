package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"freshet.dev/internal/fault"
)

// The local issuer's name in its tokens, and its private claims: what Entra has no words for.
const (
	localIssuer = "urn:freshet:local"
	ownerClaim  = "freshet_owner"
	forClaim    = "freshet_for" // of refresh tokens
)

// Local issues and verifies tokens with keys that it keeps in the data directory. It is safe for concurrent use, also by
// several processes on one data directory (serve verifies what the token verb issues).
type Local struct {
	folder string
	now    func() time.Time

	mu      sync.RWMutex
	keys    map[string]signingKey
	newest  string    // the id of the key that signs
	scanned time.Time // when the folder was last read
}

// rescanAfter bounds how often tokens with unknown key ids make Verify read the key folder again.
const rescanAfter = time.Second

// NewLocal opens the issuer of a data directory; the first use makes its signing key, readable by its owner only.
func NewLocal(dataDir string) (*Local, error) {
	l := &Local{folder: keyFolder(dataDir), now: time.Now}
	if err := l.scan(); err != nil {
		return nil, err
	}
	if l.newest == "" {
		if err := l.Rotate(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Rotate makes a new signing key. Tokens signed by the former ones stay good until they expire.
func (l *Local) Rotate() error {
	if err := createKey(l.folder, l.now()); err != nil {
		return err
	}
	return l.scan()
}

func (l *Local) scan() error {
	keys, newest, err := readKeys(l.folder)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys, l.newest, l.scanned = keys, newest, l.now()
	return nil
}

// key finds a key by id. A key that another process has made since is found by reading the folder again.
func (l *Local) key(id string) (signingKey, bool) {
	l.mu.RLock()
	key, known := l.keys[id]
	age := l.now().Sub(l.scanned)
	l.mu.RUnlock()
	if known || age >= 0 && age < rescanAfter { // a negative age is a clock that was set back
		return key, known
	}
	if err := l.scan(); err != nil {
		return signingKey{}, false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	key, known = l.keys[id]
	return key, known
}

// Issue signs a token.
func (l *Local) Issue(claims Claims) (string, error) {
	now := l.now()
	if claims.Lifetime == 0 {
		claims.Lifetime = time.Hour
	}
	if claims.Lifetime < 0 {
		return "", fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot issue a token that lives %v", claims.Lifetime)
	}
	if claims.Audience == "" {
		claims.Audience = defaultAudience
	}
	if claims.App && len(claims.Scopes) > 0 {
		return "", fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot issue a token with scopes to an application").
			WithHint("Its roles in workspaces say what it may do.")
	}
	if !issuable(claims.Audience) && claims.Audience != refreshUse {
		return "", fault.New(fault.Invalid, fault.CodeInvalidRequest, "cannot issue a token for audience %q", claims.Audience).
			WithHint("Known audiences: %s.", strings.Join(audiences(), ", "))
	}
	if claims.Subject == "" {
		claims.Subject, claims.Owner = ownerID, true
	}
	builder := jwt.NewBuilder().
		Issuer(localIssuer).
		Subject(claims.Subject).
		Audience([]string{claims.Audience}).
		IssuedAt(now).NotBefore(now).Expiration(now.Add(claims.Lifetime)).
		JwtID(uuid.NewString()).
		Claim("oid", claims.Subject)
	if claims.Name != "" {
		builder.Claim("name", claims.Name)
	}
	if claims.Owner {
		builder.Claim(ownerClaim, true)
	}
	if claims.App {
		builder.Claim("idtyp", "app").Claim("appid", claims.Subject)
	} else if claims.Client != "" {
		builder.Claim("appid", claims.Client)
	}
	if claims.For != "" {
		builder.Claim(forClaim, claims.For)
	}
	if len(claims.Scopes) > 0 {
		builder.Claim("scp", strings.Join(claims.Scopes, " "))
	}
	return l.sign(builder)
}

// issueID makes the OpenID token that tells a program who has signed in with it. It opens nothing.
func (l *Local) issueID(claims Claims) (string, error) {
	now := l.now()
	return l.sign(jwt.NewBuilder().
		Issuer(EntraAuthority+"/"+LocalTenant+"/v2.0").
		Subject(claims.Subject).Audience([]string{claims.Client}).
		IssuedAt(now).NotBefore(now).Expiration(now.Add(claims.Lifetime)).
		Claim("oid", claims.Subject).Claim("tid", LocalTenant).Claim("ver", "2.0").
		Claim("name", claims.Name).Claim("preferred_username", claims.Name))
}

// readRefresh returns the claims for which a refresh token was issued.
func (l *Local) readRefresh(bearer string) (Claims, error) {
	token, caller, err := l.read(bearer, []string{refreshUse})
	if err != nil {
		return Claims{}, err
	}
	claims := Claims{Subject: caller.ID, Name: caller.Name, Owner: caller.Owner, Scopes: caller.Scopes}
	return claims, errors.Join(token.Get("appid", &claims.Client), token.Get(forClaim, &claims.For))
}

// publicKeys are the keys that verify this issuer's tokens.
func (l *Local) publicKeys() (jwk.Set, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	set := jwk.NewSet()
	for id, key := range l.keys {
		public, err := jwk.Import(key.private.Public())
		if err == nil {
			err = errors.Join(public.Set(jwk.KeyIDKey, id), public.Set(jwk.KeyUsageKey, "sig"), public.Set(jwk.AlgorithmKey, key.algorithm), set.AddKey(public))
		}
		if err != nil {
			return nil, keyFault("publish the signing keys", err)
		}
	}
	return set, nil
}

func (l *Local) sign(builder *jwt.Builder) (string, error) {
	token, err := builder.Build()
	if err != nil {
		return "", fault.New(fault.Internal, codeSigningKey, "cannot build a token: %w", err)
	}
	token.Options().Enable(jwt.FlattenAudience) // one audience as a text: Microsoft's libraries read no list
	l.mu.RLock()
	key := l.keys[l.newest]
	l.mu.RUnlock()
	headers := jws.NewHeaders()
	if err := headers.Set(jws.KeyIDKey, key.id); err != nil {
		return "", fault.New(fault.Internal, codeSigningKey, "cannot name the signing key: %w", err)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(key.algorithm, key.private, jws.WithProtectedHeaders(headers)))
	if err != nil {
		return "", fault.New(fault.Internal, codeSigningKey, "cannot sign a token: %w", err)
	}
	return string(signed), nil
}

// Verify checks a bearer token (without the word "Bearer") for a route that takes some scopes, and returns who it speaks for. See
// Unauthenticated for its errors.
func (l *Local) Verify(_ context.Context, bearer string, scopes ...string) (Principal, error) {
	_, caller, err := l.read(bearer, audiences(scopes...))
	return caller, err
}

// read verifies a token for one of some audiences.
func (l *Local) read(bearer string, accepted []string) (jwt.Token, Principal, error) {
	header, err := readHeader(bearer)
	if err != nil {
		return nil, Principal{}, err
	}
	key, known := l.key(header.keyID)
	if !known || key.algorithm != header.algorithm {
		return nil, Principal{}, bad("its signing key is unknown here")
	}
	token, err := readToken(bearer, accepted, setBack, jwt.WithKey(key.algorithm, key.private.Public()), jwt.WithIssuer(localIssuer), jwt.WithClock(jwt.ClockFunc(l.now)))
	if err != nil {
		return nil, Principal{}, err
	}
	caller, err := principal(token)
	if err != nil {
		return nil, Principal{}, err
	}
	if token.Has(ownerClaim) { // this issuer alone may say so
		err = token.Get(ownerClaim, &caller.Owner)
	}
	if err != nil {
		return nil, Principal{}, bad("its claims are wrong")
	}
	return token, caller, nil
}
