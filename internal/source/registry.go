package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"freshet.dev/internal/fault"
)

// Setting is one entry of the configuration's dataSources: what may be reached, and as whom. It never prints its password.
type Setting struct {
	Kind           string            `yaml:"kind"` // "File", "PostgreSQL"
	Path           string            `yaml:"path"` // a folder; "host:port;database", or "host:port" for every database there
	Username       string            `yaml:"username"`
	Password       string            `yaml:"password"`
	MaxConnections int               `yaml:"maxConnections"` // 0: the kind's default
	Options        map[string]string `yaml:"options"`        // the kind's own, for example sslmode for PostgreSQL; none may hold a secret
}

// String names the setting without its password.
func (s Setting) String() string {
	text := s.Kind + " '" + s.Path + "'"
	if s.Username != "" {
		text += " as " + s.Username
	}
	return text
}

// Format is String for every verb: %+v and %#v would print the password.
func (s Setting) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(s.String())) }

// LogValue is what slog writes.
func (s Setting) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what JSON and YAML write.
func (s Setting) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Connection is a data source as a model of level 1200 or 1400 defines it.
type Connection struct {
	Name             string // for errors
	Provider         string // provider sources
	ConnectionString string
	Protocol         string // structured sources
	Address          map[string]string
}

// Kind is one kind of source. Its functions are pure but Resolve and Connect.
type Kind struct {
	Name string // as the configuration and Power BI spell it; matched without case
	// Normalize returns the one spelling of a path; its error continues "cannot use the path '…': ". A setting's path may be less
	// exact than an asked one.
	Normalize func(path string, setting bool) (string, error)
	// Allows tells whether a setting's normal path allows an asked normal path; the longest one wins.
	Allows func(setting, asked string) bool
	// Resolve follows the links of a normal path. What it returns must be allowed too, by a setting whose path is resolved
	// likewise. Nil where there are no links.
	Resolve func(path string) (string, error)
	// Example returns the setting that would allow an asked path; it is printed to the person who was refused.
	Example func(asked string) Setting
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
type Registry struct {
	kinds   map[string]Kind // by lower-case name
	order   []string
	formats Formats
	entries []*entry
}

// entry is a setting with the server it leads to.
type entry struct {
	kind    Kind
	setting Setting // Path is normal
	server  Server
}

// NewRegistry checks the settings against the kinds. An unknown kind, a bad path or a bad option is an error that names the setting.
func NewRegistry(kinds []Kind, formats Formats, settings []Setting) (*Registry, error) {
	r := &Registry{kinds: map[string]Kind{}, formats: formats}
	for _, kind := range kinds {
		r.kinds[strings.ToLower(kind.Name)] = kind
		r.order = append(r.order, kind.Name)
	}
	for i, setting := range settings {
		kind, known := r.kinds[strings.ToLower(setting.Kind)]
		if !known {
			return nil, errors.Join(r.Close(), fault.New(fault.Invalid, CodePath, "cannot use entry %d of dataSources: there is no kind '%s'", i+1, setting.Kind).
				WithHint("The kinds are %s.", strings.Join(r.order, ", ")))
		}
		setting.Kind = kind.Name
		path, err := kind.Normalize(setting.Path, true)
		if err != nil {
			return nil, errors.Join(r.Close(), fault.New(fault.Invalid, CodePath, "cannot use the path '%s' in entry %d of dataSources: %w", setting.Path, i+1, err))
		}
		setting.Path = path
		server, err := kind.Connect(setting)
		if err != nil {
			return nil, errors.Join(r.Close(), fault.New(fault.Invalid, CodePath, "cannot use entry %d of dataSources: %w", i+1, err))
		}
		r.entries = append(r.entries, &entry{kind: kind, setting: setting, server: server})
	}
	return r, nil
}

// Formats returns the forms that files may have.
func (r *Registry) Formats() Formats { return r.formats }

// Open opens what an expression asks for. What no setting allows is refused with Denied, CodeNotAllowed and the lines of the
// configuration that would allow it.
func (r *Registry) Open(ctx context.Context, ref Ref) (Conn, error) {
	kind, known := r.kinds[strings.ToLower(ref.Kind)]
	if !known {
		return nil, fault.New(fault.Invalid, CodePath, "cannot reach '%s': sources of kind %s are not supported", ref.Path, ref.Kind).
			WithHint("The kinds are %s.", strings.Join(r.order, ", "))
	}
	path, err := kind.Normalize(ref.Path, false)
	if err != nil {
		return nil, fault.New(fault.Invalid, CodePath, "cannot use the path '%s': %w", ref.Path, err)
	}
	entry := r.match(kind, path, func(path string) string { return path })
	if entry == nil {
		return nil, refuse(kind, ref.Path, path)
	}
	if kind.Resolve != nil {
		// Only a path that is allowed as it stands is looked at: a refusal must not tell what exists elsewhere.
		resolved, err := kind.Resolve(path)
		if err != nil {
			return nil, err
		}
		entry = r.match(kind, resolved, func(setting string) string {
			if real, err := kind.Resolve(setting); err == nil {
				return real
			}
			return setting
		})
		if entry == nil {
			return nil, refuse(kind, ref.Path, resolved)
		}
		path = resolved
	}
	return entry.server.Open(ctx, path)
}

// match returns the entry with the longest path that allows path, or nil.
func (r *Registry) match(kind Kind, path string, resolve func(setting string) string) *entry {
	var best *entry
	for _, e := range r.entries {
		if e.kind.Name == kind.Name && kind.Allows(resolve(e.setting.Path), path) && (best == nil || len(e.setting.Path) > len(best.setting.Path)) {
			best = e
		}
	}
	return best
}

// refuse is F13: the error holds the lines that would allow what was asked for.
func refuse(kind Kind, asked, path string) error {
	example := kind.Example(path)
	line := fmt.Sprintf("  - {kind: %s, path: %s", kind.Name, strconv.Quote(example.Path))
	if example.Username != "" {
		line += ", username: " + example.Username
	}
	if example.Password != "" {
		line += ", password: " + strconv.Quote(example.Password)
	}
	leads := ""
	if path != asked {
		leads = " (" + path + ")"
	}
	return fault.New(fault.Denied, CodeNotAllowed, "cannot reach %s '%s'%s: no entry of dataSources in the configuration allows it", kind.Name, asked, leads).
		WithHint("These lines of freshet.yaml would allow it:\ndataSources:\n%s}", line)
}

// Database is Open for a kind that must be asked by SQL.
func (r *Registry) Database(ctx context.Context, ref Ref) (Database, error) {
	conn, err := r.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	database, ok := conn.(Database)
	if !ok {
		return nil, errors.Join(conn.Close(), fault.New(fault.Invalid, CodePath, "cannot ask %s '%s' by SQL", ref.Kind, ref.Path))
	}
	return database, nil
}

// Files is Open for a file or folder: File.Contents, Folder.Files, Folder.Contents.
func (r *Registry) Files(ctx context.Context, path string) (Files, error) {
	conn, err := r.Open(ctx, Ref{Kind: "File", Path: path})
	if err != nil {
		return nil, err
	}
	files, ok := conn.(Files)
	if !ok {
		return nil, errors.Join(conn.Close(), fault.New(fault.Internal, CodePath, "cannot read '%s' as a file", path))
	}
	return files, nil
}

// Resolve returns the Ref of a model's data source of level 1200 or 1400.
func (r *Registry) Resolve(c Connection) (Ref, error) {
	for _, name := range r.order {
		kind := r.kinds[strings.ToLower(name)]
		if path, ok := kind.FromConnection(c); ok {
			return Ref{Kind: kind.Name, Path: path}, nil
		}
	}
	provider := c.Provider
	if provider == "" {
		provider = Properties(c.ConnectionString)["provider"]
	}
	what := "provider '" + provider + "'"
	if c.Protocol != "" {
		what = "protocol '" + c.Protocol + "'"
	}
	return Ref{}, fault.New(fault.Invalid, CodePath, "cannot use data source '%s': its %s is not supported", c.Name, what).
		WithHint("The kinds are %s.", strings.Join(r.order, ", "))
}

// Close ends what the settings hold open.
func (r *Registry) Close() error {
	var group sync.WaitGroup
	failed := make([]error, len(r.entries))
	for i, e := range r.entries {
		group.Go(func() { failed[i] = e.server.Close() })
	}
	group.Wait()
	return errors.Join(failed...)
}

// Properties reads a connection string of OLE DB, ODBC or ADO.NET ("Key=value;Key='va;lue'"): keys in lower case without blanks.
func Properties(text string) map[string]string {
	properties := map[string]string{}
	for text != "" {
		key, rest, found := strings.Cut(text, "=")
		if !found {
			break
		}
		rest = strings.TrimLeft(rest, " \t")
		var value string
		if rest != "" && (rest[0] == '"' || rest[0] == '\'' || rest[0] == '{') {
			value, rest = quoted(rest)
			_, rest, _ = strings.Cut(rest, ";")
		} else {
			value, rest, _ = strings.Cut(rest, ";")
		}
		key = strings.ToLower(strings.Join(strings.Fields(strings.TrimLeft(key, "; \t\r\n")), ""))
		properties[key] = strings.TrimSpace(value)
		text = rest
	}
	return properties
}

// quoted splits a value that begins with a quote from what follows it; a doubled closing quote stands for itself.
func quoted(text string) (value, rest string) {
	end := text[0]
	if end == '{' {
		end = '}'
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] == end {
			if i+1 == len(text) || text[i+1] != end {
				return b.String(), text[i+1:]
			}
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), ""
}
