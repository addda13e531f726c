// Package auth turns bearer tokens into principals and holds the local issuer that makes tokens on one machine.
//
// A token says who calls; what the caller may do with an item is the workspace room's to say. Only asymmetric signatures (RS*,
// ES*) are accepted, never "none" and never a shared secret.
package auth

import (
	"slices"
	"time"

	"freshet.dev/internal/fault"
)

// The codes of the errors of Verify. All but codeKeys mean 401: the caller is not known.
const (
	// Denied 401: the request has no bearer token.
	// Do: send the header Authorization: Bearer TOKEN; freshet token prints one.
	CodeMissing = "TokenMissing"

	// Denied 401: the token is malformed, not signed by a key that the server trusts, for another audience, or not valid yet.
	// Do: take a new token from this server.
	codeBad = "TokenInvalid"

	// Denied 401, Power BI's: the token was good and is not any more.
	// Do: take a new token and send the request again.
	codeExpired = "TokenExpired"

	// Unavailable: the keys of the issuer could not be fetched, so that nobody knows whether the token is good.
	// Do: see that the server reaches its issuer, and send the request again.
	codeKeys = "SigningKeysUnavailable"
)

// The codes of the local issuer.
const (
	// Denied: others than its owner may read the file of the signing key.
	// Do: chmod 600 the file, or delete it and start the server, which makes a new key and ends all tokens.
	codeKeyExposed = "SigningKeyExposed"

	// Internal: the signing key could not be read, written or used.
	// Do: see that the data directory is there, readable and writable.
	codeSigningKey = "SigningKeyFailed"
)

// Unauthenticated tells whether err means that the caller is not known (401), unlike a known caller who may not (403).
func Unauthenticated(err error) bool {
	switch fault.CodeOf(err) {
	case CodeMissing, codeBad, codeExpired:
		return true
	}
	return false
}

// defaultAudience is the audience of tokens that name none; Verify accepts Power BI's other ones too.
const defaultAudience = "https://api.powerbi.com"

// The scopes of the REST routes.
const (
	ScopeDatasetRead        = "Dataset.Read.All"
	ScopeDatasetReadWrite   = "Dataset.ReadWrite.All"
	ScopeDataflowRead       = "Dataflow.Read.All"
	ScopeDataflowReadWrite  = "Dataflow.ReadWrite.All"
	ScopeWorkspaceRead      = "Workspace.Read.All"
	ScopeWorkspaceReadWrite = "Workspace.ReadWrite.All"
	ScopeCapacityRead       = "Capacity.Read.All"
	ScopeCapacityReadWrite  = "Capacity.ReadWrite.All"

	// ScopeAzure is the one scope of Azure's own interface. A route that takes it takes tokens for that interface too.
	ScopeAzure = "user_impersonation"
)

// Principal is who calls.
type Principal struct {
	ID      string // stable: oid, else sub; never empty
	Name    string // for people; the ID when the token names nobody
	App     bool   // an application (service principal), which has no scopes and is judged by its grants alone
	Owner   bool   // the owner of this machine, or an administrator that the configuration names: Admin of every workspace
	Tenant  bool   // an application that its tenant has made an administrator of Power BI
	Scopes  []string
	Expires time.Time
}

// Allows tells whether the principal's token covers a scope: one of those named. Read-write covers read. An application's token
// names no scopes and covers all (contract, section 4).
func (p Principal) Allows(scopes ...string) bool {
	return p.App || slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(p.Scopes, scope) })
}

// roleAdministrator is the role by which a tenant makes an application an administrator of Power BI.
const roleAdministrator = "Tenant.ReadWrite.All"

// Administrator tells whether the principal may do what concerns the whole server.
func (p Principal) Administrator() bool { return p.Owner || p.Tenant }

// MachineOwner is the principal of mode "none", which the server allows on loopback only.
func MachineOwner() Principal {
	return Principal{ID: ownerID, Name: "owner", Owner: true, Scopes: AllScopes()}
}

// AllScopes lists every scope, for a token that may do all that its owner may.
func AllScopes() []string {
	return []string{ScopeDatasetRead, ScopeDatasetReadWrite, ScopeDataflowRead, ScopeDataflowReadWrite, ScopeWorkspaceRead, ScopeWorkspaceReadWrite, ScopeCapacityRead, ScopeCapacityReadWrite}
}

const ownerID = "00000000-0000-0000-0000-000000000001"

// Claims describe a token to issue.
type Claims struct {
	Subject  string // "" is the machine's owner
	Name     string
	App      bool
	Owner    bool // Admin of every workspace
	Scopes   []string
	Client   string        // the program that it was issued to; "" = the freshet command
	For      string        // of a refresh token: the audience of the access tokens that it gets
	Audience string        // "" is https://api.powerbi.com
	Lifetime time.Duration // 0 is one hour
}
