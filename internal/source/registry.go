package source

import (
	"context"
)

// Setting is one entry of the configuration's dataSources: what may be reached, and as whom. It never prints its password.
type Setting struct {
	Kind           string // "File", "PostgreSQL"
	Path           string // a folder; "host:port;database", or "host:port" for every database there
	Username       string
	Password       string
	MaxConnections int               // 0: the kind's default
	Options        map[string]string // the kind's own, for example sslmode for PostgreSQL; none may hold a secret
}

// Connection is a data source as a model of level 1200 or 1400 defines it.
type Connection struct {
	Name             string // for errors
	Provider         string // provider sources
	ConnectionString string
	Protocol         string // structured sources
	Address          map[string]string
}

// Kind is one kind of source. Its functions are pure but Connect.
type Kind struct {
	Name string // as the configuration and Power BI spell it; matched without case
	// Normalize returns the one spelling of a path, or why it is none (in words that continue "cannot use the path '…': ").
	Normalize func(path string) (string, error)
	// Allows tells whether a setting's normal path allows an asked normal path; the longest one wins.
	Allows func(setting, asked string) bool
	// Example returns the path of a setting that would allow an asked path; it is printed to the person who was refused.
	Example func(asked string) string
	// NeedsUser tells that the printed example should have a username and a password.
	NeedsUser bool
	// FromConnection returns the path of a model's data source; ok is false when the source is of another kind.
	FromConnection func(c Connection) (path string, ok bool)
	// Connect prepares a setting for use, once; it need not reach the source.
	Connect func(setting Setting) (Server, error)
}

// Server is what a setting leads to: it opens what a path below the setting names, and keeps what its Conns share.
type Server interface {
	Open(ctx context.Context, path string) (Conn, error)
	Close() error
}

// Registry knows the kinds, the formats and the settings. It is safe for concurrent use.
type Registry struct{}

// NewRegistry checks the settings against the kinds. An unknown kind, a bad path or option is an error that names the setting.
func NewRegistry(kinds []Kind, formats Formats, settings []Setting) (*Registry, error) {
	panic("in work")
}

// Formats returns the forms that files may have.
func (r *Registry) Formats() Formats { panic("in work") }

// Open opens what an expression asks for. What no setting allows is refused with Denied, CodeNotAllowed and the lines of the
// configuration that would allow it.
func (r *Registry) Open(ctx context.Context, ref Ref) (Conn, error) { panic("in work") }

// Database is Open for a kind that must be asked by SQL.
func (r *Registry) Database(ctx context.Context, ref Ref) (Database, error) { panic("in work") }

// Files is Open for a file or folder: File.Contents, Folder.Files, Folder.Contents.
func (r *Registry) Files(ctx context.Context, path string) (Files, error) { panic("in work") }

// Resolve returns the Ref of a model's data source of level 1200 or 1400.
func (r *Registry) Resolve(c Connection) (Ref, error) { panic("in work") }

// Close ends what the settings hold open.
func (r *Registry) Close() error { panic("in work") }
