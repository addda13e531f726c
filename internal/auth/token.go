package auth

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"freshet.dev/internal/fault"
)

const (
	maxToken  = 16 << 10        // Entra's largest, with groups, stay below 8 KiB
	clockSkew = 5 * time.Minute // between Entra's clock and this machine's; what Entra's own validators allow
	setBack   = 5 * time.Second // by which this machine's clock may be set back after it has issued a token itself
)

// audiences are those that real clients ask for, by their .default scopes and by the documents (rest-contract, section 4). A route that takes
// Azure's scope takes also tokens for Azure.
func audiences(scopes ...string) []string {
	accepted := []string{
		"https://api.powerbi.com",
		"https://api.powerbi.com/",
		"https://analysis.windows.net/powerbi/api",
		"https://analysis.windows.net/powerbi/api/",
		"00000009-0000-0000-c000-000000000000",
		"https://api.fabric.microsoft.com",
	}
	if slices.Contains(scopes, ScopeAzure) {
		accepted = append(accepted, azureAudiences()...)
	}
	return accepted
}

// azureAudiences are those of Azure's own interface, whose tokens Power BI's clients ask for beside.
func azureAudiences() []string {
	return []string{
		"https://management.core.windows.net", "https://management.core.windows.net/",
		"https://management.azure.com", "https://management.azure.com/",
	}
}

// issuable tells whether tokens for an audience are given.
func issuable(audience string) bool { return slices.Contains(audiences(ScopeAzure), audience) }

type tokenHeader struct {
	algorithm jwa.SignatureAlgorithm
	keyID     string
}

// readHeader reads the header of a compact JWS, before any key is touched, and refuses all but RS and ES signatures.
func readHeader(bearer string) (tokenHeader, error) {
	if bearer == "" {
		return tokenHeader{}, fault.New(fault.Denied, CodeMissing, "cannot tell who calls: the request has no bearer token").
			WithHint("Send it as 'Authorization: Bearer …'; 'freshet token' prints one.")
	}
	if len(bearer) > maxToken {
		return tokenHeader{}, bad("it is longer than 16 KiB")
	}
	if strings.Count(bearer, ".") != 2 {
		return tokenHeader{}, bad("it is not a signed JWT")
	}
	message, err := jws.ParseString(bearer, jws.WithCompact())
	if err != nil || len(message.Signatures()) != 1 {
		return tokenHeader{}, bad("it is not a signed JWT")
	}
	headers := message.Signatures()[0].ProtectedHeaders()
	algorithm, _ := headers.Algorithm()
	allowed := []jwa.SignatureAlgorithm{jwa.RS256(), jwa.RS384(), jwa.RS512(), jwa.ES256(), jwa.ES384(), jwa.ES512()}
	if !slices.Contains(allowed, algorithm) {
		return tokenHeader{}, bad("its signature is of no allowed algorithm (RS or ES)")
	}
	if headers.Has(jws.CriticalKey) {
		return tokenHeader{}, bad("its header has an extension that is not understood")
	}
	keyID, _ := headers.KeyID()
	return tokenHeader{algorithm: algorithm, keyID: keyID}, nil
}

// readToken verifies signature, times and audience of a token, which must be for one of those accepted. Its times may be wrong by skew.
func readToken(bearer string, accepted []string, skew time.Duration, options ...jwt.ParseOption) (jwt.Token, error) {
	options = append(options, jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithRequiredClaim(jwt.SubjectKey), jwt.WithAcceptableSkew(skew))
	token, err := jwt.ParseString(bearer, options...)
	switch {
	case errors.Is(err, jwt.TokenExpiredError()):
		return nil, fault.New(fault.Denied, codeExpired, "cannot accept the bearer token: it has expired").
			WithHint("Get a new one; 'freshet token' prints one.")
	case errors.Is(err, jwt.TokenNotYetValidError()), errors.Is(err, jwt.InvalidIssuedAtError()):
		return nil, bad("it is not valid yet: the clocks differ")
	case errors.Is(err, jwt.InvalidIssuerError()):
		return nil, bad("its issuer is not one of ours")
	case err != nil:
		return nil, bad("its signature or its claims are wrong")
	}
	audience, _ := token.Audience()
	if !slices.ContainsFunc(audience, func(one string) bool { return slices.Contains(accepted, one) }) {
		return nil, bad("it was issued for another service")
	}
	return token, nil
}

// principal reads who a verified token speaks for, by the claims of Entra's tokens.
func principal(token jwt.Token) (Principal, error) {
	p := Principal{
		ID:     strings.ToLower(claim(token, "oid", "sub")),
		Name:   claim(token, "upn", "preferred_username", "name", "app_displayname", "appid", "azp"),
		Scopes: strings.Fields(claim(token, "scp")),
	}
	switch claim(token, "idtyp") {
	case "app":
		p.App = true
	case "": // a claim that a tenant may leave out: then an application is its own subject, and names no person and no scopes
		p.App = len(p.Scopes) == 0 && claim(token, "appid", "azp") != "" && claim(token, "upn", "unique_name", "preferred_username") == "" &&
			strings.EqualFold(claim(token, "sub"), claim(token, "oid"))
	}
	if p.App && len(p.Scopes) > 0 {
		return Principal{}, bad("it speaks for an application and has the scopes of a person")
	}
	var roles []any
	p.Tenant = p.App && token.Get("roles", &roles) == nil && slices.Contains(roles, any(roleAdministrator))
	if p.ID == "" {
		return Principal{}, bad("it names no subject")
	}
	if p.Name == "" {
		p.Name = p.ID
	}
	p.Expires, _ = token.Expiration()
	return p, nil
}

// claim returns the first text among some claims.
func claim(token jwt.Token, names ...string) string {
	for _, name := range names {
		var value string
		if token.Get(name, &value) == nil && value != "" {
			return value
		}
	}
	return ""
}

func bad(why string) *fault.Error {
	return fault.New(fault.Denied, codeBad, "cannot accept the bearer token: %s", why)
}
