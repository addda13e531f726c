package auth

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"freshet.dev/internal/fault"
)

// The local issuer's name in its tokens, and its private claim: what Entra has no word for.
const (
	localIssuer = "urn:freshet:local"
	ownerClaim  = "freshet_owner"
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
		return "", fault.New(fault.Invalid, codeInvalid, "cannot issue a token that lives %v", claims.Lifetime)
	}
	if claims.Audience == "" {
		claims.Audience = DefaultAudience
	}
	if !knownAudience(claims.Audience) {
		return "", fault.New(fault.Invalid, codeInvalid, "cannot issue a token for audience %q", claims.Audience).
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
	}
	if len(claims.Scopes) > 0 {
		builder.Claim("scp", strings.Join(claims.Scopes, " "))
	}
	token, err := builder.Build()
	if err != nil {
		return "", fault.New(fault.Internal, "TokenNotIssued", "cannot build a token: %w", err)
	}

	l.mu.RLock()
	key := l.keys[l.newest]
	l.mu.RUnlock()
	headers := jws.NewHeaders()
	if err := headers.Set(jws.KeyIDKey, key.id); err != nil {
		return "", fault.New(fault.Internal, "TokenNotIssued", "cannot name the signing key: %w", err)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(key.algorithm, key.private, jws.WithProtectedHeaders(headers)))
	if err != nil {
		return "", fault.New(fault.Internal, "TokenNotIssued", "cannot sign a token: %w", err)
	}
	return string(signed), nil
}

// Verify checks a bearer token (without the word "Bearer") and returns who it speaks for. See Unauthenticated for its errors.
func (l *Local) Verify(_ context.Context, bearer string) (Principal, error) {
	header, err := readHeader(bearer)
	if err != nil {
		return Principal{}, err
	}
	key, known := l.key(header.keyID)
	if !known || key.algorithm != header.algorithm {
		return Principal{}, bad("its signing key is unknown here")
	}
	token, err := readToken(bearer, audiences(), jwt.WithKey(key.algorithm, key.private.Public()), jwt.WithIssuer(localIssuer), jwt.WithClock(jwt.ClockFunc(l.now)))
	if err != nil {
		return Principal{}, err
	}
	caller, err := principal(token)
	if err != nil {
		return Principal{}, err
	}
	if token.Has(ownerClaim) { // this issuer alone may say so
		err = token.Get(ownerClaim, &caller.Owner)
	}
	if err != nil {
		return Principal{}, bad("its claims are wrong")
	}
	return caller, nil
}
